#include <stdio.h>

#include "cli.h"
#include "core/log.h"
#include "live.h"
#include "registry.h"

int tf_cmd_endpoints(int argc, char **argv) {
  const char           *path, *sets[TF_CLI_VALUES_MAX];
  uint32_t              set_cnt = 0, json = 0;
  const tf_cli_option_t options[] = {
      {"--set",  "key=value", "lay one value over the config; may be given several times", sets,
       &set_cnt                                                                                       },
      {"--json", NULL,        "a list of feeds, each with its endpoints in their order",   NULL, &json},
  };
  const tf_cli_spec_t spec = {.usage = "endpoints CONFIG [--set key=value]... [--json]",
                              .about = "Connects to every endpoint that a live run of CONFIG would "
                                       "choose from, as it would (source\n"
                                       "address, proxy, TLS, upgrade), and asks each with "
                                       "websocket pings. Prints how long each step\n"
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
  tf_config_t *config;
  code = tickfuse_load_config(path, sets, set_cnt, &config);
  if (code != TF_EXIT_DONE) return code;
  tf_log_level_set(TF_LOG_ERROR); /* the table says what failed */
  code = tf_live_endpoints(config, json);
  tf_config_free(config);
  return code;
}
