#include "cmd_model_reduce.h"

#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"
#include "model/cluster.h"
#include "model/measure.h"
#include "model/prune.h"
#include "model/rounding.h"

#define STEP_SECONDS 0.1 /* of timing each */
/* Where units or values were taken away and no bound was given. */
#define REDUCED_ERROR_MAX 0.15
#define CHECK_CNT         8u /* known answers from rows of the market */

extern char **environ;

static bool ends_in(const char *text, const char *ending) {
  const size_t length = strlen(text), cnt = strlen(ending);
  return length > cnt && strcmp(text + length - cnt, ending) == 0;
}

int tf_cmd_model_reduce_check(const tf_cmd_model_args_t *args) {
  const char *rows = args->calibrate;
  if (rows && !ends_in(rows, ".npy") && !args->config)
    return tf_cmd_model_usage("import",
                              "--calibrate %s is no .npy: --config CONFIG is wanted, whose "
                              "features a tape or recording is run through",
                              rows);
  if (rows && ends_in(rows, ".npy") && args->config)
    return tf_cmd_model_usage("import", "--config is for a tape or recording, %s holds rows", rows);
  const char *wants = args->config             ? "config"
                      : args->percentile > 0.0 ? "percentile"
                      : args->prune > 0.0      ? "prune"
                      : args->cluster          ? "cluster"
                                               : NULL;
  if (!rows && wants)
    return tf_cmd_model_usage("import", "--%s is for --calibrate, which is missing", wants);
  return 0;
}

/* ---- rows ---- */

/* Runs this program's `features eval` on a recording; its rows without gaps go to target. */
static tf_err_t eval_features(const tf_cmd_model_args_t *args, char *target) {
  char *const                command[] = {"tickfuse", "features",
                                          "eval",     (char *)(uintptr_t)args->config,
                                          "--input",  (char *)(uintptr_t)args->calibrate,
                                          "--nan",    "drop",
                                          "--out",    target,
                                          NULL};
  pid_t                      child;
  int                        status = 0;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  const int failed = posix_spawn(&child, "/proc/self/exe", &actions, NULL, command, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed) return TF_ERR(E_CORE_SYSTEM, "starting features eval: %s", strerror(failed));
  if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return TF_ERR(E_FILE_FORMAT, "features eval of %s under %s failed: it said why above",
                  args->calibrate, args->config);
  return TF_OK;
}

static tf_err_t read_tape(const tf_cmd_model_args_t *args, const tf_graph_t *graph,
                          tf_rows_t *rows) {
  char folder[] = "/tmp/tickfuse-calibrate-XXXXXX", path[64], schema[80];
  if (!mkdtemp(folder)) return TF_ERR(E_FILE_WRITE, "%s: %s", folder, strerror(errno));
  snprintf(path, sizeof path, "%s/rows.npy", folder);
  snprintf(schema, sizeof schema, "%s.schema.json", path);
  tf_err_t err = eval_features(args, path);
  if (!err) err = tf_rows_read(rows, path, graph);
  if (err) err = tf_error_add(err, "calibrating on %s", args->calibrate);
  unlink(path);
  unlink(schema);
  rmdir(folder);
  return err;
}

/* ---- steps ---- */

typedef struct reducer {
  const tf_cmd_model_args_t *args;
  tf_graph_t                *graph;
  tf_rows_t                  rows;
  tf_model_t                *reference; /* in fp32, as imported */
  tf_cmd_model_reduction_t  *done;
} reducer_t;

static tf_precision_t wanted_precision(const tf_cmd_model_args_t *args) {
  const tf_precision_t precision = args->options.model.precision;
  return precision == TF_PRECISION_AUTO ? TF_PRECISION_FP32 : precision;
}

/* A step's model, timed, and compared with the reference where there is one already. */
static tf_err_t add_step(reducer_t *r, const char *what, tf_precision_t precision,
                         tf_model_t **model) {
  tf_cmd_model_step_t *step    = &r->done->steps[r->done->step_cnt++];
  tf_loader_options_t  options = r->args->options;
  tf_measure_t        *m       = malloc(sizeof *m);
  options.model.precision      = precision;
  snprintf(step->what, sizeof step->what, "%s", what);
  tf_err_t err = m ? tf_loader_make(r->graph, &options, model)
                   : TF_ERR(E_CORE_NO_MEMORY, "model %s: a measurement", r->graph->name);
  if (!err) err = tf_measure_time(*model, STEP_SECONDS, m);
  if (!err && r->reference && r->rows.window_cnt)
    err = tf_calibrate_compare(*model, r->reference, &r->rows, &r->done->error);
  if (!err) {
    step->param_cnt    = (*model)->param_cnt;
    step->weight_bytes = tf_cmd_model_costs(*model).weight_bytes;
    step->p50_ns       = tf_hist_quantile(&m->warm_ns, 0.5);
    step->error_max    = r->done->error.error_max;
  }
  free(m);
  return err;
}

/* Known answers: of the rows, whose ranges are the ones that were calibrated. */
static tf_err_t take_checks(reducer_t *r) {
  const uint32_t cnt = r->rows.window_cnt < CHECK_CNT ? (uint32_t)r->rows.window_cnt : CHECK_CNT;
  const float   *windows[CHECK_CNT];
  for (uint32_t i = 0; i < cnt; i++) windows[i] = tf_rows_spread(&r->rows, i, cnt);
  return cnt ? tf_graph_make_checks_of(r->graph, windows, cnt) : TF_OK;
}

static tf_err_t add_rounded(reducer_t *r, const char *what) {
  tf_model_t *model = NULL;
  tf_err_t    err   = add_step(r, what, r->graph->precision, &model);
  tf_loader_unload(model);
  return err;
}

/* Puts ranges in the place of the graph's, and those into ranges. */
static void swap_ranges(tf_graph_t *g, float *ranges) {
  const uint32_t cnt = g->net ? g->net->node_cnt : g->node_cnt;
  for (uint32_t n = 0; n < cnt; n++, ranges += TF_TENSOR_RANGES_MAX) {
    float kept[TF_TENSOR_RANGES_MAX];
    memcpy(kept, tf_products_ranges(g, n), sizeof kept);
    memcpy(tf_products_ranges(g, n), ranges, sizeof kept);
    memcpy(ranges, kept, sizeof kept);
  }
}

/* int8 rows by the ranges that were calibrated, or each by its own: what errs less stays, unless a percentile was asked for. */
static tf_err_t choose_ranges(reducer_t *r, float *ranges) {
  tf_calibrate_error_t *by_row = malloc(sizeof *by_row);
  if (!by_row) return TF_ERR(E_CORE_NO_MEMORY, "model %s: errors to compare", r->graph->name);
  tf_err_t err = add_rounded(r, "int8 by row");
  *by_row      = r->done->error;
  swap_ranges(r->graph, ranges);
  if (!err) err = add_rounded(r, "int8 by range");
  if (!err && r->args->percentile == 0.0 && by_row->error_max < r->done->error.error_max) {
    swap_ranges(r->graph, ranges);
    r->done->error            = *by_row;
    r->done->range_window_cnt = 0;
  }
  free(by_row);
  return err;
}

/* Ranges are those of the model in double, before its weights are rounded. */
static tf_err_t round_to_int8(reducer_t *r) {
  const uint32_t cnt    = r->graph->net ? r->graph->net->node_cnt : r->graph->node_cnt;
  float         *ranges = calloc((size_t)cnt * TF_TENSOR_RANGES_MAX, sizeof *ranges);
  const double   share  = r->args->percentile > 0.0 ? r->args->percentile : 100.0;
  tf_err_t err = ranges ? tf_calibrate_ranges(r->graph, &r->rows, share, &r->done->range_window_cnt)
                        : TF_ERR(E_CORE_NO_MEMORY, "model %s: its ranges", r->graph->name);
  if (!err) {
    swap_ranges(r->graph, ranges);
    err = tf_rounding_apply(r->graph, TF_PRECISION_INT8);
  }
  if (!err) err = choose_ranges(r, ranges);
  free(ranges);
  return err;
}

static tf_err_t round_weights(reducer_t *r) {
  const tf_precision_t precision = wanted_precision(r->args);
  if (precision == TF_PRECISION_FP32) return TF_OK;
  if (precision == TF_PRECISION_INT8 && r->rows.window_cnt) return round_to_int8(r);
  tf_err_t err = tf_rounding_apply(r->graph, precision);
  return err ? err : add_rounded(r, tf_precision_name(precision));
}

static tf_err_t check_error(const reducer_t *r) {
  const tf_calibrate_error_t *e     = &r->done->error;
  const bool                  fewer = r->args->prune > 0.0 || r->args->cluster;
  const double precision = tf_loader_error_max(&r->args->options.model, wanted_precision(r->args));
  const double bound =
      fewer && r->args->options.model.error_max == 0.0 ? REDUCED_ERROR_MAX : precision;
  if (e->error_max <= bound) return TF_OK;
  return TF_ERR(E_MODEL_CHECK,
                "model %s in %s: calibration window %llu of %u, output %u: off by %.2g of its "
                "answer in fp32 (of 1, where that is smaller), "
                "at most %.2g is allowed",
                r->graph->name, tf_precision_name(wanted_precision(r->args)),
                (unsigned long long)e->worst_window, e->window_cnt, e->worst_output, e->error_max,
                bound);
}

static json_t *calibration_json(const reducer_t *r) {
  json_t *all = json_pack("{s:s, s:I, s:s}", "rows_of", r->args->calibrate, "rows",
                          (json_int_t)r->done->row_cnt, "precision",
                          tf_precision_name(wanted_precision(r->args)));
  if (r->done->range_window_cnt)
    json_object_set_new(all, "percentile",
                        json_real(r->args->percentile > 0.0 ? r->args->percentile : 100.0));
  tf_cmd_model_reduce_json(r->done, all);
  return all;
}

static tf_err_t keep_calibration(const reducer_t *r) {
  json_t *all = calibration_json(r);
  free(r->graph->calibration);
  r->graph->calibration = json_dumps(all, JSON_COMPACT | JSON_REAL_PRECISION(6));
  json_decref(all);
  return r->graph->calibration
             ? TF_OK
             : TF_ERR(E_CORE_NO_MEMORY, "model %s: its calibration", r->graph->name);
}

static tf_err_t prune(reducer_t *r) {
  tf_prune_report_t report;
  char              what[32];
  if (r->args->prune == 0.0) return TF_OK;
  tf_err_t err = tf_prune_apply(r->graph, r->args->prune, &report);
  if (err) return err;
  snprintf(what, sizeof what, "%u of %u units", report.left_cnt, report.unit_cnt);
  return add_rounded(r, what);
}

static tf_err_t cluster(reducer_t *r) {
  char what[32];
  if (!r->args->cluster) return TF_OK;
  tf_err_t err = tf_cluster_apply(r->graph, r->args->cluster);
  if (err) return err;
  snprintf(what, sizeof what, "%u values", r->args->cluster);
  return add_rounded(r, what);
}

static tf_err_t reduce(reducer_t *r) {
  tf_err_t err = TF_OK;
  if (r->args->calibrate)
    err = r->args->config ? read_tape(r->args, r->graph, &r->rows)
                          : tf_rows_read(&r->rows, r->args->calibrate, r->graph);
  r->done->row_cnt = r->rows.row_cnt;
  if (!err) err = add_step(r, "fp32", TF_PRECISION_FP32, &r->reference);
  if (!err) err = prune(r);
  if (!err) err = cluster(r);
  if (!err) err = take_checks(r);
  if (!err) err = round_weights(r);
  if (!err && r->rows.window_cnt) err = check_error(r);
  if (!err && r->rows.window_cnt) err = keep_calibration(r);
  return err;
}

tf_err_t tf_cmd_model_reduce(const tf_cmd_model_args_t *args, tf_graph_t *graph,
                             tf_cmd_model_reduction_t *done) {
  reducer_t r = {.args = args, .graph = graph, .done = done};
  memset(done, 0, sizeof *done);
  if (!args->calibrate && wanted_precision(args) == TF_PRECISION_FP32) return TF_OK;
  tf_clock_calibrate();
  tf_err_t err = reduce(&r);
  tf_loader_unload(r.reference);
  tf_rows_fini(&r.rows);
  return err;
}

/* ---- the report ---- */

void tf_cmd_model_reduce_print(const tf_cmd_model_reduction_t *d) {
  const tf_calibrate_error_t *e = &d->error;
  if (d->step_cnt)
    printf("  %-16s %12s %12s %9s %9s\n", "", "parameters", "packed bytes", "p50 ns", "error");
  for (uint32_t i = 0; i < d->step_cnt; i++) {
    const tf_cmd_model_step_t *s = &d->steps[i];
    printf("  %-16s %12llu %12llu %9llu", s->what, (unsigned long long)s->param_cnt,
           (unsigned long long)s->weight_bytes, (unsigned long long)s->p50_ns);
    if (i && e->window_cnt)
      printf(" %9.2g\n", s->error_max);
    else
      printf(" %9s\n", "-");
  }
  if (!e->window_cnt) return;
  printf("  against fp32 on %u windows of %llu rows:\n  %-16s %9s %9s %9s %11s\n", e->window_cnt,
         (unsigned long long)d->row_cnt, "output", "max", "mean", "p99", "sign flips");
  for (uint32_t o = 0; o < e->output_cnt; o++)
    printf("  %-16u %9.2g %9.2g %9.2g %10.2f%%\n", o, e->outputs[o].max, e->outputs[o].mean,
           e->outputs[o].p99, 100.0 * e->outputs[o].flips);
}

void tf_cmd_model_reduce_json(const tf_cmd_model_reduction_t *d, json_t *object) {
  const tf_calibrate_error_t *e     = &d->error;
  json_t                     *steps = json_array(), *outputs = json_array();
  for (uint32_t i = 0; i < d->step_cnt; i++) {
    const tf_cmd_model_step_t *s = &d->steps[i];
    json_array_append_new(steps, json_pack("{s:s, s:I, s:I, s:I, s:f}", "step", s->what, "params",
                                           (json_int_t)s->param_cnt, "weight_bytes",
                                           (json_int_t)s->weight_bytes, "p50_ns",
                                           (json_int_t)s->p50_ns, "error_max", s->error_max));
  }
  for (uint32_t o = 0; o < e->output_cnt && e->window_cnt; o++)
    json_array_append_new(outputs, json_pack("{s:f, s:f, s:f, s:f}", "max", e->outputs[o].max,
                                             "mean", e->outputs[o].mean, "p99", e->outputs[o].p99,
                                             "sign_flips", e->outputs[o].flips));
  json_object_set_new(object, "steps", steps);
  if (!e->window_cnt) {
    json_decref(outputs);
    return;
  }
  json_object_set_new(object, "windows", json_integer((json_int_t)e->window_cnt));
  json_object_set_new(object, "range_windows", json_integer((json_int_t)d->range_window_cnt));
  json_object_set_new(object, "calibration_error_max", json_real(e->error_max));
  json_object_set_new(object, "outputs", outputs);
}
