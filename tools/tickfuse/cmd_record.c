/* `tickfuse record`: the live sessions of a config and a capture; nothing is decided. */
#include "cli.h"
#include "live.h"
#include "registry.h"

/* What is left is the feeds, the process and the listener: books are kept, for /healthz and the summary. */
static void only_feeds(tf_config_t *config) {
  config->bar_cnt = config->feature_cnt = config->model_cnt = 0;
  config->strategy_cnt = config->sink_cnt = 0;
}

int tf_cmd_record(int argc, char **argv) {
  static const char *out[TF_CLI_VALUES_MAX], *run_for[TF_CLI_VALUES_MAX], *sets[TF_CLI_VALUES_MAX],
      *path;
  uint32_t              out_cnt = 0, run_for_cnt = 0, set_cnt = 0, json = 0;
  const tf_cli_option_t options[] = {
      {"--out",  "DIR",       "where to: a directory that holds no capture yet",                  out,     &out_cnt},
      {"--for",  "T",         "stop after this time, as in 8h; without it, at SIGINT or SIGTERM", run_for,
       &run_for_cnt                                                                                                },
      {"--set",  "KEY=VALUE", "override a config key, as in capture.level=9",                     sets,    &set_cnt},
      {"--json", NULL,        "print the summary as one JSON object",                             NULL,    &json   },
  };
  const tf_cli_spec_t spec = {
      "record CONFIG --out DIR [--for T] [--set KEY=VALUE] [--json]",
      "Connects to the config's feeds and writes down everything that comes, in order: frames as\n"
      "received, REST answers, connections. Neither models nor strategies run. Replay reads it:\n"
      "  tickfuse replay CONFIG --input DIR\n"
      "Exit 1: the disk refused something, or was too slow; the summary says what is missing.",
      options,
      TF_ARRAY_CNT(options),
      &path,
      1,
      1};
  int code = tf_cli_parse(&spec, argc, argv);
  if (code >= 0) return code;
  tf_live_options_t live = {
      .json = json, .recording = true, .capture = out_cnt ? out[out_cnt - 1] : NULL};
  if (run_for_cnt && !tf_cli_duration(run_for[run_for_cnt - 1], &live.run_ns)) {
    fprintf(stderr, "tickfuse: --for %s: a time with its unit, as in 10s or 8h\n",
            run_for[run_for_cnt - 1]);
    return TF_EXIT_USAGE;
  }
  tf_config_t *config;
  code = tickfuse_load_config(path, sets, set_cnt, &config);
  if (code != TF_EXIT_DONE) return code;
  if (!live.capture && !config->capture.path) {
    fprintf(stderr, "tickfuse: record wants --out DIR, or capture.path in the config\n");
    tf_config_free(config);
    return TF_EXIT_USAGE;
  }
  tf_log_level_set((tf_log_level_t)config->engine.log_level);
  only_feeds(config);
  code = tf_live_run(config, &live);
  tf_config_free(config);
  return code;
}
