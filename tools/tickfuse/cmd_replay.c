/* `tickfuse replay`: recorded input through the live stages. Exit 3 when an input was damaged: all up
 * to the damage was replayed and reported. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "boot/engine.h"
#include "cli.h"
#include "core/error.h"
#include "inputs.h"
#include "registry.h"
#include "summary.h"
#include "warm.h"

typedef struct replay_args {
  const char *config_path;
  const char *inputs[TF_CLI_VALUES_MAX], *sets[TF_CLI_VALUES_MAX + 2], *snapshot[TF_CLI_VALUES_MAX],
      *venue[TF_CLI_VALUES_MAX], *speed[TF_CLI_VALUES_MAX], *decisions[TF_CLI_VALUES_MAX],
      *from[TF_CLI_VALUES_MAX], *to[TF_CLI_VALUES_MAX];
  uint32_t input_cnt, set_cnt, venue_cnt, speed_cnt, decisions_cnt, from_cnt, to_cnt, snapshot_cnt,
      json;
} replay_args_t;

static tf_engine_t engine; /* one a process; signal handlers stop it */

static void on_signal(int signo) {
  (void)signo;
  tf_engine_stop(&engine);
}

/* "max" is 0; "1x", "2.5x" are factors of recorded time. */
static bool parse_speed(const char *text, double *speed) {
  *speed = 0;
  if (!strcmp(text, "max")) return true;
  char *end;
  *speed = strtod(text, &end);
  return end != text && !strcmp(end, "x") && *speed > 0 && *speed <= TF_REPLAY_SPEED_MAX;
}

static bool parse_time(const char *text, uint64_t *ns) {
  char *end;
  errno = 0;
  *ns   = strtoull(text, &end, 10);
  return end != text && *end == '\0' && errno == 0;
}

static void report(const replay_args_t *args) {
  tf_summary_print_rejects(&engine);
  if (!args->json) {
    tf_summary_print(&engine, stdout);
    return;
  }
  json_t *json = tf_summary_json(&engine);
  json_dumpf(json, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
  printf("\n");
  json_decref(json);
}

static int run(const replay_args_t *args, const tf_config_t *config) {
  static tf_inputs_t inputs;
  tf_replay_config_t replay_config = {.inputs      = inputs.rows,
                                      .input_cnt   = args->input_cnt,
                                      .event_cap   = config->engine.message_levels_max,
                                      .instruments = &engine.instruments};
  if (args->speed_cnt && !parse_speed(args->speed[args->speed_cnt - 1], &replay_config.speed)) {
    fprintf(stderr, "tickfuse: --speed %s: allowed are max, 1x, 2.5x and so on\n",
            args->speed[args->speed_cnt - 1]);
    return TF_EXIT_USAGE;
  }
  if ((args->from_cnt && !parse_time(args->from[0], &replay_config.from_ns)) ||
      (args->to_cnt && !parse_time(args->to[0], &replay_config.to_ns))) {
    fprintf(stderr,
            "tickfuse: --from and --to take nanoseconds since 1970, as the recording has them\n");
    return TF_EXIT_USAGE;
  }
  tf_engine_options_t options = {.is_replay      = true,
                                 .decisions_path = args->decisions_cnt ? args->decisions[0] : NULL};
  const char         *venue   = args->venue_cnt ? args->venue[args->venue_cnt - 1] : NULL;
  tf_err_t            err =
      tf_inputs_resolve(&inputs, &engine.instruments, config, venue, args->inputs, args->input_cnt);
  options.instruments_min = inputs.instruments_min;
  if (!err) err = tf_inputs_take_outcomes(&inputs, replay_config.from_ns, &options);
  replay_config.unpaced_events = tickfuse_warm_versions(config, &options);
  if (!err) err = tf_engine_init(&engine, config, tickfuse_registry(), &options);
  if (!err) err = tf_inputs_open_texts(&inputs, &engine);
  if (err) return tf_cli_fail(err);

  tf_replay_t replay = {0};
  size_t      bytes  = tf_replay_footprint(&replay_config);
  void       *memory = bytes ? aligned_alloc(64, bytes) : NULL;
  if (!memory) return tf_cli_fail(TF_ERR(E_CORE_NO_MEMORY, "replay: %zu bytes", bytes));
  err = tf_replay_init(&replay, &replay_config, memory);
  if (!err) err = tf_engine_add_source(&engine, &replay.source, "replay");
  if (!err) err = tickfuse_warm_continue(&engine, true);
  if (!err) err = tickfuse_warm_begin(&engine, false);
  if (!err) err = tickfuse_warm_watch(&engine);
  if (!err) {
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    err = tf_engine_start(&engine);
  }
  int code;
  if (err) {
    code = tf_cli_fail(err);
  } else {
    err = tf_engine_join(&engine);
    report(args);
    tf_inputs_report_tails(&replay);
    tf_inputs_report_outcomes(&engine);
    if (!err) err = tickfuse_warm_end(&engine);
    code = TF_EXIT_DONE;
    if (err) {
      const tf_acquire_t *a         = &engine.runner.acquire;
      const char         *sink_text = tf_emit_broken_text(&engine.runner.emit);
      fprintf(stderr, "tickfuse: %s: %s\n", tf_error_name(err),
              a->failed   ? a->failed_text
              : sink_text ? sink_text
                          : tf_error_text());
      code = err == E_FILE_DAMAGED || err == E_FILE_FORMAT ? TF_EXIT_DATA : TF_EXIT_FAILED;
    }
  }
  tf_replay_fini(&replay);
  free(memory);
  tf_inputs_fini(&inputs);
  return code;
}

int tf_cmd_replay(int argc, char **argv) {
  static replay_args_t  args;
  const tf_cli_option_t options[] = {
      {"--input",         "[VENUE:]FILE",
       "a capture (file or directory), a tape, or a recording, plain, .gz or .zst; several are "
       "merged by "
       "time",                                                                                  args.inputs,    &args.input_cnt   },
      {"--venue",         "V",            "the venue of inputs that name none",                 args.venue,     &args.venue_cnt   },
      {"--speed",         "max|1x|Nx",
       "pace: as quickly as it goes (default), as recorded, or N times that",                   args.speed,
       &args.speed_cnt                                                                                                            },
      {"--decisions",     "OUT",          "also write the decisions to a journal",              args.decisions,
       &args.decisions_cnt                                                                                                        },
      {"--from",          "NS",           "only messages received at or after, ns since 1970",  args.from,
       &args.from_cnt                                                                                                             },
      {"--to",            "NS",           "only messages received before",                      args.to,        &args.to_cnt      },
      {"--from-snapshot", "FILE",
       "go on exactly where this snapshot is, as engine.snapshot with snapshot_restore: exact", args.snapshot,  &args.snapshot_cnt},
      {"--set",           "KEY=VALUE",    "override a config key, as in engine.idle=spin",      args.sets,
       &args.set_cnt                                                                                                              },
      {"--json",          NULL,           "print one JSON object",                              NULL,           &args.json        },
  };
  const tf_cli_spec_t spec = {
      "replay CONFIG --input VENUE:FILE [--input ...] [--speed max|1x|Nx] [--decisions OUT] "
      "[--from-snapshot FILE] [--set "
      "KEY=VALUE] [--json]",
      "Runs recorded messages through the stages that run live, and prints what came of them.\n"
      "The same input and config give the same hashes at any speed and on any number of threads.\n"
      "Exit 3: an input is damaged; everything before the damage was replayed.",
      options,
      TF_ARRAY_CNT(options),
      &args.config_path,
      1,
      1};
  int code = tf_cli_parse(&spec, argc, argv);
  if (code >= 0) return code;
  if (args.input_cnt == 0) {
    fprintf(stderr, "tickfuse: replay wants at least one --input VENUE:FILE\n");
    return TF_EXIT_USAGE;
  }
  char         exact[2][1100];
  tf_config_t *config;
  if (args.snapshot_cnt)
    args.set_cnt +=
        tickfuse_warm_sets(args.snapshot[args.snapshot_cnt - 1], exact, args.sets + args.set_cnt);
  code = tickfuse_load_config(args.config_path, args.sets, args.set_cnt, &config);
  if (code != TF_EXIT_DONE) return code;
  tf_log_level_set((tf_log_level_t)config->engine.log_level);
  code = run(&args, config);
  tf_engine_fini(&engine);
  tf_config_free(config);
  return code;
}
