#include "registry.h"

#include "cli.h"
#include "cross/registry.h"
#include "feed/feeds.h"
#include "gpu/card_features.h"
#include "indicator/registry.h"
#include "model/loader.h"
#include "policy/registry.h"
#include "serve/registry.h"
#include "sink/registry.h"
#include "store/registry.h"
#include "text/text_model.h"
#include "vector/registry.h"

#define NAMES_MAX 128

const tf_registry_t *tickfuse_registry(void) {
  static tf_registry_t registry;
  if (registry.feeds) return &registry;
  registry = (tf_registry_t){.feeds         = tf_feeds_all,
                             .sinks         = tf_sinks,
                             .sink_cnt      = tf_sink_cnt,
                             .indicators    = tf_indicators,
                             .indicator_cnt = tf_indicator_cnt,
                             .policies      = tf_policies,
                             .policy_cnt    = tf_policy_cnt,
                             .vectors       = tf_vectors,
                             .vector_cnt    = tf_vector_cnt,
                             .crosses       = &tf_cross_table,
                             .runtimes      = tf_runtimes_all,
                             .runtime_cnt   = tf_runtimes_all_cnt,
                             .models        = &tf_model_loader,
                             .texts         = &tf_text_loader,
                             .card_runs     = tf_card_features_runs,
                             .stores        = tf_stores,
                             .store_cnt     = tf_store_cnt};
  while (tf_feeds_all[registry.feed_cnt]) registry.feed_cnt++;
  return &registry;
}

const tf_config_known_t *tickfuse_known(void) {
  static const char       *venues[NAMES_MAX], *sinks[NAMES_MAX], *policies[NAMES_MAX];
  static tf_config_known_t known;
  const tf_registry_t     *r = tickfuse_registry();
  TF_ASSERT(r->feed_cnt <= NAMES_MAX && r->sink_cnt <= NAMES_MAX && r->policy_cnt <= NAMES_MAX);
  for (uint32_t i = 0; i < r->feed_cnt; i++) venues[i] = r->feeds[i]->venue;
  for (uint32_t i = 0; i < r->sink_cnt; i++) sinks[i] = r->sinks[i]->name;
  for (uint32_t i = 0; i < r->policy_cnt; i++) policies[i] = r->policies[i]->name;
  known = (tf_config_known_t){venues, r->feed_cnt, sinks, r->sink_cnt, policies, r->policy_cnt};
  return &known;
}

int tickfuse_load_config(const char *path, const char *const *sets, uint32_t set_cnt,
                         tf_config_t **config) {
  tf_config_errors_t errors;
  if (tf_config_load(path, sets, set_cnt, tickfuse_known(), &errors, config) == TF_OK)
    return TF_EXIT_DONE;
  tf_config_report_print(&errors, stderr);
  return TF_EXIT_USAGE;
}
