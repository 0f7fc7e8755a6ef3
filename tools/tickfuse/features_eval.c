#include "features_eval.h"

#include <signal.h>
#include <stdlib.h>

#include "boot/engine.h"
#include "cli.h"
#include "core/error.h"
#include "inputs.h"
#include "registry.h"
#include "row_file.h"

typedef struct eval_args {
  const char *config_path;
  const char *inputs[TF_CLI_VALUES_MAX], *sets[TF_CLI_VALUES_MAX], *venue[TF_CLI_VALUES_MAX],
      *out[TF_CLI_VALUES_MAX];
  uint32_t input_cnt, set_cnt, venue_cnt, out_cnt;
} eval_args_t;

static tf_engine_t engine; /* one a process; signal handlers stop it */
static row_file_t  rows;

static void on_signal(int signo) {
  (void)signo;
  tf_engine_stop(&engine);
}

static void on_row(void *self, const tf_lane_instrument_t *in) {
  const tf_event_t *cause = in->market.event;
  row_file_write(self, cause->ts_recv_ns, cause->ingest_seq,
                 engine.instruments.rows[cause->instrument_id].name, in->row);
}

static int finish(tf_err_t err) {
  if (!err) err = row_file_close(&rows);
  if (!err) {
    fprintf(stderr, "%llu rows of %u features\n", (unsigned long long)rows.row_cnt,
            rows.feature_cnt);
    return TF_EXIT_DONE;
  }
  const tf_acquire_t *a = &engine.runner.acquire;
  if (!a->failed) return tf_cli_fail(err);
  fprintf(stderr, "tickfuse: %s: %s\n", tf_error_name(err), a->failed_text);
  (void)row_file_close(&rows); /* what came before the damage stands */
  return err == E_FILE_DAMAGED || err == E_FILE_FORMAT ? TF_EXIT_DATA : TF_EXIT_FAILED;
}

static int run(const eval_args_t *args, const tf_config_t *config) {
  static tf_inputs_t  inputs;
  tf_engine_options_t options       = {.is_replay = true, .features_only = true};
  tf_replay_config_t  replay_config = {.inputs      = inputs.rows,
                                       .input_cnt   = args->input_cnt,
                                       .event_cap   = config->engine.message_levels_max,
                                       .instruments = &engine.instruments};
  const char         *venue         = args->venue_cnt ? args->venue[args->venue_cnt - 1] : NULL;
  tf_err_t            err =
      tf_inputs_resolve(&inputs, &engine.instruments, config, venue, args->inputs, args->input_cnt);
  options.instruments_min = inputs.instruments_min;
  if (!err) err = tf_engine_init(&engine, config, tickfuse_registry(), &options);
  if (err) return tf_cli_fail(err);
  if (engine.plan.listed_cnt == 0) {
    fprintf(stderr, "tickfuse: %s lists no features\n", args->config_path);
    return TF_EXIT_USAGE;
  }
  tf_replay_t replay = {0};
  size_t      bytes  = tf_replay_footprint(&replay_config);
  void       *memory = bytes ? aligned_alloc(64, bytes) : NULL;
  if (!memory) return tf_cli_fail(TF_ERR(E_CORE_NO_MEMORY, "features eval: %zu bytes", bytes));
  err = tf_replay_init(&replay, &replay_config, memory);
  if (!err) err = tf_engine_add_source(&engine, &replay.source, "replay");
  if (!err)
    err = row_file_open(&rows, args->out_cnt ? args->out[args->out_cnt - 1] : NULL, &engine.plan,
                        engine.plan.listed_cnt);
  engine.runner.lane.watch = (tf_row_watch_t){&rows, on_row};
  if (!err) {
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    err = tf_engine_start(&engine);
  }
  if (!err) err = tf_engine_join(&engine);
  tf_inputs_report_tails(&replay);
  int code = finish(err);
  tf_replay_fini(&replay);
  free(memory);
  tf_inputs_fini(&inputs);
  return code;
}

int features_eval(int argc, char **argv) {
  static eval_args_t    args;
  const tf_cli_option_t options[] = {
      {"--input", "VENUE:FILE", "a capture, tape or recording; several are merged by receive time",
       args.inputs,                                                                                             &args.input_cnt},
      {"--venue", "V",          "the venue of inputs that name none",                               args.venue, &args.venue_cnt},
      {"--out",   "FILE",       "X.csv, or X.npy (a structured array); CSV on stdout without it",   args.out,
       &args.out_cnt                                                                                                           },
      {"--set",   "KEY=VALUE",  "override a config key, as in engine.book_levels_max=1000",         args.sets,
       &args.set_cnt                                                                                                           },
  };
  const tf_cli_spec_t spec = {
      .usage = "features eval CONFIG --input VENUE:FILE [--input ...] [--venue V] [--out "
               "X.csv|X.npy] [--set KEY=VALUE]",
      .about =
          "The feature rows that the engine computes on the input, one a tick, as models and "
          "rules\n"
          "see them: ts_recv_ns, ingest_seq, instrument, then the config's features; not ready is\n"
          "an empty cell (NaN in .npy). Neither models, strategies nor sinks of the config run.\n"
          "Exit 3: an input is damaged; the rows before the damage were written.",
      .options        = options,
      .option_cnt     = TF_ARRAY_CNT(options),
      .positional     = &args.config_path,
      .positional_min = 1,
      .positional_max = 1};
  int code = tf_cli_parse(&spec, argc, argv);
  if (code >= 0) return code;
  if (args.input_cnt == 0) {
    fprintf(stderr, "tickfuse: features eval wants at least one --input VENUE:FILE\n");
    return TF_EXIT_USAGE;
  }
  tf_config_t *config;
  code = tickfuse_load_config(args.config_path, args.sets, args.set_cnt, &config);
  if (code != TF_EXIT_DONE) return code;
  tf_log_level_set((tf_log_level_t)config->engine.log_level);
  code = run(&args, config);
  tf_engine_fini(&engine);
  tf_config_free(config);
  return code;
}
