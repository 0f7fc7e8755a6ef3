/* `tickfuse run`: the engine, live. */
#include "cli.h"
#include "live.h"
#include "registry.h"
#include "warm.h"

int tf_cmd_run(int argc, char **argv) {
  static const char *run_for[TF_CLI_VALUES_MAX], *sets[TF_CLI_VALUES_MAX + 3],
      *from[TF_CLI_VALUES_MAX], *capture[TF_CLI_VALUES_MAX], *tape[TF_CLI_VALUES_MAX],
      *warm[TF_CLI_VALUES_MAX], *path;
  uint32_t run_for_cnt = 0, set_cnt = 0, capture_cnt = 0, tape_cnt = 0, warm_cnt = 0, json = 0,
           from_cnt = 0, table = 0;
  const tf_cli_option_t options[] = {
      {"--for",           "T",          "stop after this time, as in 10s; without it, at SIGINT or SIGTERM",   run_for,
       &run_for_cnt                                                                                                                 },
      {"--set",           "KEY=VALUE",  "override a config key, as in feeds.0.url=wss://host:port",            sets,
       &set_cnt                                                                                                                     },
      {"--capture",       "DIR",        "also record everything that comes from outside, for an exact replay",
       capture,                                                                                                         &capture_cnt},
      {"--tape",          "FILE",       "also write the decoded events to a tape, which must not exist yet",   tape,
       &tape_cnt                                                                                                                    },
      {"--warm-start",    "VENUE:FILE",
       "run a recording or tape first, without deciding, as engine.warm_start",                                warm,    &warm_cnt   },
      {"--from-snapshot", "FILE",
       "go on exactly where this snapshot is, as engine.snapshot with snapshot_restore: exact",                from,    &from_cnt   },
      {"--table",         NULL,         "draw a live table once a second",                                     NULL,    &table      },
      {"--json",          NULL,         "print the summary as one JSON object",                                NULL,    &json       },
  };
  const tf_cli_spec_t spec = {
      "run CONFIG [--for T] [--set KEY=VALUE] [--capture DIR] [--tape FILE] [--warm-start "
      "VENUE:FILE] "
      "[--from-snapshot FILE] [--table] [--json]",
      "Connects to the config's feeds and decides on each tick until it is stopped; then prints\n"
      "what came of it. A first SIGINT drains and reports, a second ends at once.",
      options,
      TF_ARRAY_CNT(options),
      &path,
      1,
      1};
  int code = tf_cli_parse(&spec, argc, argv);
  if (code >= 0) return code;
  tf_live_options_t live = {.table   = table && !json,
                            .json    = json,
                            .capture = capture_cnt ? capture[capture_cnt - 1] : NULL,
                            .tape    = tape_cnt ? tape[tape_cnt - 1] : NULL};
  if (run_for_cnt && !tf_cli_duration(run_for[run_for_cnt - 1], &live.run_ns)) {
    fprintf(stderr, "tickfuse: --for %s: a time with its unit, as in 10s or 500ms\n",
            run_for[run_for_cnt - 1]);
    return TF_EXIT_USAGE;
  }
  char warm_start[1100];
  if (warm_cnt) {
    snprintf(warm_start, sizeof warm_start, "engine.warm_start=%s", warm[warm_cnt - 1]);
    sets[set_cnt++] = warm_start;
  }
  char exact[2][1100];
  if (from_cnt) set_cnt += tickfuse_warm_sets(from[from_cnt - 1], exact, sets + set_cnt);
  tf_config_t *config;
  code = tickfuse_load_config(path, sets, set_cnt, &config);
  if (code != TF_EXIT_DONE) return code;
  tf_log_level_set((tf_log_level_t)config->engine.log_level);
  code = tf_live_run(config, &live);
  tf_config_free(config);
  return code;
}
