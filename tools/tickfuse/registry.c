#include "registry.h"

#include "cli.h"
#include "feed/registry.h"
#include "indicator/registry.h"
#include "model/load.h"
#include "policy/registry.h"
#include "sink/registry.h"

const tf_registry_t tickfuse_registry = {.feeds         = tf_feeds,
                                         .feed_cnt      = TF_FEED_CNT,
                                         .sinks         = tf_sinks,
                                         .sink_cnt      = TF_SINK_CNT,
                                         .indicators    = tf_indicators,
                                         .indicator_cnt = TF_INDICATOR_CNT,
                                         .policies      = tf_policies,
                                         .policy_cnt    = TF_POLICY_CNT,
                                         .models        = &tf_model_loader};

int tickfuse_load_config(const char *path, const char *const *sets, uint32_t set_cnt,
                         tf_config_t **config) {
  const char *venues[64], *sinks[32], *policies[32];
  for (uint32_t i = 0; i < TF_FEED_CNT; i++) venues[i] = tf_feeds[i]->venue;
  for (uint32_t i = 0; i < TF_SINK_CNT; i++) sinks[i] = tf_sinks[i]->name;
  for (uint32_t i = 0; i < TF_POLICY_CNT; i++) policies[i] = tf_policies[i]->name;
  tf_config_known_t  known = {venues,  TF_FEED_CNT, sinks, TF_SINK_CNT, policies, TF_POLICY_CNT};
  tf_config_errors_t errors;
  if (tf_config_load(path, sets, set_cnt, &known, &errors, config) == TF_OK) return TF_EXIT_DONE;
  tf_config_errors_print(&errors, stderr);
  return TF_EXIT_USAGE;
}
