#include <stdio.h>
#include <string.h>

#include "boot/config_report.h"
#include "cli.h"
#include "core/log.h"
#include "live.h"
#include "registry.h"

static const tf_feed_t *feed_of(const char *venue) {
  const tf_registry_t *registry = tickfuse_registry();
  for (uint32_t i = 0; i < registry->feed_cnt; i++)
    if (strcmp(registry->feeds[i]->venue, venue) == 0) return registry->feeds[i];
  return NULL;
}

/* A venue's own endpoints: as if a config named it, and nothing else. A channel that it has and an instrument are
 * wanted of a live feed, any will do: nothing is subscribed to. */
static int load_venue(const tf_feed_t *feed, const char *const *sets, uint32_t set_cnt,
                      tf_config_t **config) {
  tf_config_errors_t errors;
  const char        *venue   = feed->venue;
  uint32_t           channel = feed->channels ? feed->channels[0].channel : TF_CHANNEL_TRADE;
  char               text[160];
  snprintf(text, sizeof text,
           "feeds: [{name: %s, venue: %s, channels: [%s], instruments: [BTCUSDT]}]\n", venue, venue,
           tf_channel_name((uint32_t)__builtin_ctz(channel)));
  if (tf_config_load_text(venue, text, sets, set_cnt, tickfuse_known(), &errors, config) == TF_OK)
    return TF_EXIT_DONE;
  tf_config_report_print(&errors, stderr);
  return TF_EXIT_USAGE;
}

int tf_cmd_endpoints(int argc, char **argv) {
  const char           *path, *sets[TF_CLI_VALUES_MAX];
  uint32_t              set_cnt = 0, json = 0;
  const tf_cli_option_t options[] = {
      {"--set",  "key=value", "lay one value over the config; may be given several times", sets,
       &set_cnt                                                                                       },
      {"--json", NULL,        "a list of feeds, each with its endpoints in their order",   NULL, &json},
  };
  const tf_cli_spec_t spec = {.usage = "endpoints CONFIG|VENUE [--set key=value]... [--json]",
                              .about = "Connects to every endpoint that a live run of CONFIG would "
                                       "choose from, as it would (source\n"
                                       "address, proxy, TLS, upgrade), and asks each with "
                                       "websocket pings; or to all that are\n"
                                       "known of a VENUE. Prints how long each step\n"
                                       "took and the quickest of five pings, best endpoint first: "
                                       "the order in which `run` uses them.\n"
                                       "Exit status: 0 every feed has an endpoint that can be "
                                       "reached, 1 one has none, 2 bad config.",
                              .options        = options,
                              .option_cnt     = TF_ARRAY_CNT(options),
                              .positional     = &path,
                              .positional_min = 1,
                              .positional_max = 1};
  int                 code = tf_cli_parse(&spec, argc, argv);
  if (code >= 0) return code;
  tf_config_t     *config;
  const tf_feed_t *feed = feed_of(path);
  code                  = feed ? load_venue(feed, sets, set_cnt, &config)
                               : tickfuse_load_config(path, sets, set_cnt, &config);
  if (code != TF_EXIT_DONE) return code;
  tf_log_level_set(TF_LOG_ERROR); /* the table says what failed */
  code = tf_live_endpoints(config, json);
  tf_config_free(config);
  return code;
}
