#include "features_eval.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bar_file.h"
#include "boot/engine.h"
#include "boot/feature_schema.h"
#include "cli.h"
#include "core/clock.h"
#include "core/error.h"
#include "inputs.h"
#include "registry.h"
#include "row_file.h"
#include "tf/atomic.h"

typedef struct eval_args {
  const char *config_path;
  const char *inputs[TF_CLI_VALUES_MAX], *sets[TF_CLI_VALUES_MAX], *venue[TF_CLI_VALUES_MAX],
      *out[TF_CLI_VALUES_MAX], *nan[TF_CLI_VALUES_MAX], *bars[TF_CLI_VALUES_MAX];
  uint32_t input_cnt, set_cnt, venue_cnt, out_cnt, nan_cnt, bars_cnt;
} eval_args_t;

static tf_engine_t engine; /* one a process; signal handlers stop it */
static row_file_t  rows;

static struct {
  bar_file_t file;
  bool       is_wanted; /* and no rows */
  uint32_t   idx;       /* which of the config's bars */
} bars;

/* What is done of rows with gaps. On the lane. */
static struct {
  tf_feature_nan_t nan;
  double          *last; /* (instrument, feature): the last values, where gaps are filled */
  uint64_t         dropped_cnt;
} gaps;

static void on_signal(int signo) {
  (void)signo;
  tf_engine_stop(&engine);
}

static void fill(double *last, const double *row, uint32_t cnt) {
  for (uint32_t i = 0; i < cnt; i++)
    if (row[i] == row[i]) last[i] = row[i];
}

static void on_row(void *self, const tf_lane_instrument_t *in) {
  row_file_t       *file  = self;
  const tf_event_t *cause = in->market.event;
  const double     *row   = in->row;
  if (gaps.nan == TF_FEATURE_NAN_DROP && !in->is_ready) {
    gaps.dropped_cnt++;
    return;
  }
  if (gaps.nan == TF_FEATURE_NAN_FILL) {
    double *last = gaps.last + (size_t)in->id * file->feature_cnt;
    fill(last, row, file->feature_cnt);
    row = last;
  }
  row_file_write(file, cause->ts_recv_ns, cause->ingest_seq, engine.instruments.rows[in->id].name,
                 row);
}

static void on_bars(void *self, const tf_lane_instrument_t *in, uint32_t closed_bars) {
  (void)self;
  const char *name = engine.instruments.rows[in - engine.runner.lane.instruments].name;
  if (closed_bars >> bars.idx & 1) bar_file_write(&bars.file, name, &in->bars[bars.idx].closed);
}

static tf_err_t close_output(void) {
  return bars.is_wanted ? bar_file_close(&bars.file) : row_file_close(&rows);
}

static void print_count(void) {
  double seconds = (double)(engine.ended_ns - engine.started_ns) * 1e-9;
  if (bars.is_wanted) {
    fprintf(stderr, "%llu bars\n", (unsigned long long)bars.file.bar_cnt);
    return;
  }
  fprintf(stderr, "%llu rows of %u features", (unsigned long long)rows.row_cnt, rows.feature_cnt);
  if (gaps.dropped_cnt)
    fprintf(stderr, ", %llu with a gap left out", (unsigned long long)gaps.dropped_cnt);
  fprintf(stderr, "; %.3g rows/s\n",
          (double)(rows.row_cnt + gaps.dropped_cnt) / (seconds > 0 ? seconds : 1e-9));
}

static int finish(tf_err_t err) {
  if (!err) err = close_output();
  if (!err) {
    print_count();
    return TF_EXIT_DONE;
  }
  const tf_acquire_t *a = &engine.runner.acquire;
  if (!a->failed) return tf_cli_fail(err);
  fprintf(stderr, "tickfuse: %s: %s\n", tf_error_name(err), a->failed_text);
  (void)close_output(); /* what came before the damage stands */
  return err == E_FILE_DAMAGED || err == E_FILE_FORMAT ? TF_EXIT_DATA : TF_EXIT_FAILED;
}

/* The rows' schema, beside them: X.npy.schema.json. */
static tf_err_t write_schema(const char *path, const char *text) {
  char  name[4096];
  FILE *file = NULL;
  if (snprintf(name, sizeof name, "%s.schema.json", path) < (int)sizeof name)
    file = fopen(name, "w");
  if (!file) return TF_ERR(E_FILE_OPEN, "%s.schema.json: %s", path, strerror(errno));
  bool written = fprintf(file, "%s\n", text) > 0;
  if (fclose(file) != 0 || !written) return TF_ERR(E_FILE_WRITE, "%s: %s", name, strerror(errno));
  return TF_OK;
}

/* --bars names one of the config's. */
static bool find_bars(const eval_args_t *args, const tf_config_t *config) {
  const char *names[TF_BARS_MAX];
  const char *wanted = args->bars_cnt ? args->bars[args->bars_cnt - 1] : NULL;
  uint32_t    cnt    = config->bar_cnt < TF_BARS_MAX ? config->bar_cnt : TF_BARS_MAX;
  bars.is_wanted     = wanted != NULL;
  for (uint32_t i = 0; wanted && i < cnt; i++) {
    names[i] = config->bars[i].name;
    if (strcmp(names[i], wanted) != 0) continue;
    bars.idx = i;
    return true;
  }
  if (wanted && cnt == 0) fprintf(stderr, "tickfuse: %s lists no bars\n", args->config_path);
  if (wanted && cnt > 0) tf_cli_unknown("--bars", wanted, names, cnt);
  return !wanted;
}

static tf_err_t open_rows(const eval_args_t *args) {
  const tf_buffer_t *buffer = &engine.runner.lane.buffer;
  const char        *path   = args->out_cnt ? args->out[args->out_cnt - 1] : NULL;
  char              *text   = NULL;
  size_t             cells  = (size_t)engine.instruments.cap * engine.plan.listed_cnt;
  if (bars.is_wanted) return bar_file_open(&bars.file, path);
  tf_err_t err =
      tf_feature_schema_text(&engine.plan, buffer->bars, buffer->bar_cnt, gaps.nan, &text);
  if (!err) err = row_file_open(&rows, path, &engine.plan, engine.plan.listed_cnt, text);
  if (!err && path) err = write_schema(path, text);
  free(text);
  if (err || gaps.nan != TF_FEATURE_NAN_FILL) return err;
  gaps.last = malloc(cells * sizeof *gaps.last);
  if (!gaps.last) return TF_ERR(E_CORE_NO_MEMORY, "%zu values", cells);
  for (size_t i = 0; i < cells; i++) gaps.last[i] = __builtin_nan("");
  return TF_OK;
}

/* A line that is drawn over, where standard error is a terminal, until the engine has ended. */
static void show_progress(void) {
  const uint64_t began_ns = tf_clock_monotonic_ns();
  bool           shown    = false;
  while (!bars.is_wanted && isatty(STDERR_FILENO) && tf_engine_is_running(&engine)) {
    const struct timespec pause = {.tv_nsec = 100000000};
    nanosleep(&pause, NULL);
    double   seconds = (double)(tf_clock_monotonic_ns() - began_ns) * 1e-9;
    uint64_t cnt     = tf_load_relaxed(&rows.row_cnt); /* relaxed: the count alone is shown */
    fprintf(stderr, "\r%12llu rows %10.3g rows/s ", (unsigned long long)cnt, (double)cnt / seconds);
    shown = true;
  }
  if (shown) fputs("\r\033[K", stderr);
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
  if (!err) err = tf_inputs_open_texts(&inputs, &engine);
  if (err) return tf_cli_fail(err);
  if (engine.plan.listed_cnt == 0 && !bars.is_wanted) {
    fprintf(stderr, "tickfuse: %s lists no features\n", args->config_path);
    return TF_EXIT_USAGE;
  }
  tf_replay_t replay = {0};
  size_t      bytes  = tf_replay_footprint(&replay_config);
  void       *memory = bytes ? aligned_alloc(64, bytes) : NULL;
  if (!memory) return tf_cli_fail(TF_ERR(E_CORE_NO_MEMORY, "features eval: %zu bytes", bytes));
  err = tf_replay_init(&replay, &replay_config, memory);
  if (!err) err = tf_engine_add_source(&engine, &replay.source, "replay");
  if (!err) err = open_rows(args);
  engine.runner.lane.watch =
      bars.is_wanted ? (tf_row_watch_t){.on_bars = on_bars} : (tf_row_watch_t){&rows, on_row, NULL};
  if (!err) {
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    err = tf_engine_start(&engine);
  }
  if (!err) show_progress();
  if (!err) err = tf_engine_join(&engine);
  tf_inputs_report_tails(&replay);
  int code = finish(err);
  free(gaps.last);
  tf_replay_fini(&replay);
  free(memory);
  tf_inputs_fini(&inputs);
  return code;
}

int features_eval(int argc, char **argv) {
  static eval_args_t    args;
  const tf_cli_option_t options[] = {
      {"--input", "VENUE:FILE", "a capture, tape or recording; several are merged by receive time",
       args.inputs,                                                                                                  &args.input_cnt},
      {"--venue", "V",          "the venue of inputs that name none",                                    args.venue, &args.venue_cnt},
      {"--out",   "FILE",
       "X.csv, X.npy (a structured array), X.arrow; CSV on stdout without it; X.npy.schema.json "
       "goes with it",                                                                                   args.out,   &args.out_cnt  },
      {"--nan",   "POLICY",     "rows with a gap: keep, drop, or fill with the instrument's last value",
       args.nan,                                                                                                     &args.nan_cnt  },
      {"--bars",  "NAME",       "the config's bars of this name as they closed, as CSV, and no rows",
       args.bars,                                                                                                    &args.bars_cnt },
      {"--set",   "KEY=VALUE",  "override a config key, as in engine.book_levels_max=1000",              args.sets,
       &args.set_cnt                                                                                                                },
  };
  const tf_cli_spec_t spec = {
      .usage = "features eval CONFIG --input VENUE:FILE [--input ...] [--venue V] [--out "
               "X.csv|X.npy|X.arrow] [--nan keep|drop|fill] [--bars NAME] [--set KEY=VALUE]",
      .about =
          "The feature rows that the engine computes on the input, one a tick, as models and "
          "rules\n"
          "see them: ts_recv_ns, ingest_seq, instrument, then the config's features; not ready is\n"
          "an empty cell (NaN in .npy and .arrow). Neither models, strategies nor sinks of the "
          "config run.\n"
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
  const char *nan = args.nan_cnt ? args.nan[args.nan_cnt - 1] : "keep";
  while (gaps.nan < TF_FEATURE_NAN_CNT && strcmp(tf_feature_nan_words[gaps.nan], nan) != 0)
    gaps.nan++;
  if (gaps.nan == TF_FEATURE_NAN_CNT) {
    tf_cli_unknown("--nan", nan, tf_feature_nan_words, TF_FEATURE_NAN_CNT);
    return TF_EXIT_USAGE;
  }
  tf_config_t *config;
  code = tickfuse_load_config(args.config_path, args.sets, args.set_cnt, &config);
  if (code != TF_EXIT_DONE) return code;
  tf_log_level_set((tf_log_level_t)config->engine.log_level);
  code = find_bars(&args, config) ? run(&args, config) : TF_EXIT_USAGE;
  tf_engine_fini(&engine);
  tf_config_free(config);
  return code;
}
