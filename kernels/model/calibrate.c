#include "model/calibrate.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "model/products.h"
#include "op/small_float.h"

#define BIN_SHIFT 16u /* of a float's bits: its exponent and 7 of its mantissa stay */
#define BIN_CNT   (1u << (31 - BIN_SHIFT))

/* Magnitudes of one product's rows. */
typedef struct tally {
  float    greatest;
  uint64_t cnt;
  uint64_t bins[BIN_CNT];
} tally_t;

typedef struct watcher {
  const tf_graph_t *graph;
  tally_t         **tallies; /* by node and range; NULL where there is no product */
} watcher_t;

static void count(tally_t *t, const double *values, size_t cnt) {
  if (!t) return;
  for (size_t i = 0; i < cnt; i++) {
    const float x = fabsf((float)values[i]);
    if (x > t->greatest) t->greatest = x;
    t->bins[tf_float_bits(x) >> BIN_SHIFT]++;
  }
  t->cnt += cnt;
}

static void see(void *self, uint32_t node, const double *in, size_t in_cnt, const double *out,
                size_t out_cnt) {
  tally_t **t = ((watcher_t *)self)->tallies + (size_t)node * TF_TENSOR_RANGES_MAX;
  count(t[0], in, in_cnt);
  count(t[1], out, out_cnt); /* of recurrent layers: h */
}

/* The upper end of the bin up to which percentile of all values lie. */
static float range_of(const tally_t *t, double percentile) {
  if (percentile >= 100.0) return t->greatest;
  const double wanted = percentile / 100.0 * (double)t->cnt;
  uint64_t     below  = 0;
  uint32_t     bin    = 0;
  while (bin < BIN_CNT && (double)(below += t->bins[bin]) < wanted) bin++;
  const float end = tf_float_of_bits((bin + 1) << BIN_SHIFT);
  return end < t->greatest ? end : t->greatest;
}

static uint32_t node_cnt(const tf_graph_t *g) { return g->net ? g->net->node_cnt : g->node_cnt; }

static tf_err_t make_tallies(watcher_t *w) {
  const uint32_t cnt = node_cnt(w->graph);
  w->tallies         = calloc((size_t)cnt * TF_TENSOR_RANGES_MAX, sizeof *w->tallies);
  bool good          = w->tallies != NULL;
  for (uint32_t n = 0; n < cnt && good; n++)
    for (uint32_t r = 0; r < tf_products_range_cnt(w->graph, n) && good; r++) {
      tally_t **t = &w->tallies[(size_t)n * TF_TENSOR_RANGES_MAX + r];
      *t          = calloc(1, sizeof **t);
      good        = *t != NULL;
    }
  return good ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "model %s: its calibration", w->graph->name);
}

static void drop_tallies(watcher_t *w) {
  for (size_t i = 0; w->tallies && i < (size_t)node_cnt(w->graph) * TF_TENSOR_RANGES_MAX; i++)
    free(w->tallies[i]);
  free(w->tallies);
}

static double macs_of(const tf_graph_t *g) {
  return g->net ? (double)g->net->flops / 2.0 + 1.0 : (double)g->param_cnt * g->window + 1.0;
}

static uint32_t at_most(double cnt, const tf_rows_t *rows, uint32_t max) {
  if (cnt > (double)rows->window_cnt) cnt = (double)rows->window_cnt;
  return cnt < 1.0 ? 1 : cnt > (double)max ? max : (uint32_t)cnt;
}

tf_err_t tf_calibrate_ranges(tf_graph_t *g, const tf_rows_t *rows, double percentile,
                             uint32_t *cnt) {
  watcher_t            w     = {.graph = g};
  const tf_net_watch_t watch = {&w, see};
  double              *out   = malloc(g->output_cnt * sizeof *out);
  tf_err_t             err   = make_tallies(&w);
  if (!err && !out) err = TF_ERR(E_CORE_NO_MEMORY, "model %s: its calibration", g->name);
  *cnt = at_most(TF_CALIBRATE_MACS_MAX / macs_of(g), rows, TF_CALIBRATE_ANSWER_MAX);
  for (uint32_t i = 0; i < *cnt && !err; i++)
    err = tf_graph_eval_watched(g, tf_rows_spread(rows, i, *cnt), out, &watch);
  for (uint32_t n = 0; n < node_cnt(g) && !err; n++)
    for (uint32_t r = 0; r < tf_products_range_cnt(g, n); r++) {
      const float range = range_of(w.tallies[(size_t)n * TF_TENSOR_RANGES_MAX + r], percentile);
      /* rows of zeros alone, or beyond float: each row by its own greatest value */
      tf_products_ranges(g, n)[r] = range > TF_MAT_INT8_AMAX_MIN && range < 1e30f ? range : 0.0f;
    }
  drop_tallies(&w);
  free(out);
  return err;
}

/* ---- errors ---- */

static int by_value(const void *a, const void *b) {
  const float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

/* errors: of one output, by window; sorted here. */
static void sum_up(tf_calibrate_output_t *o, float *errors, uint32_t cnt, uint32_t flips) {
  double sum = 0.0;
  qsort(errors, cnt, sizeof *errors, by_value);
  for (uint32_t i = 0; i < cnt; i++) sum += (double)errors[i];
  *o = (tf_calibrate_output_t){.max   = (double)errors[cnt - 1],
                               .mean  = sum / cnt,
                               .p99   = (double)errors[(uint32_t)ceil(0.99 * cnt) - 1],
                               .flips = (double)flips / cnt};
}

typedef struct comparison {
  tf_loader_session_t model, reference;
  float              *got, *want;
  float              *errors; /* output by output */
  uint32_t            flips[TF_MODEL_OUTPUTS_MAX];
} comparison_t;

static void compare_window(comparison_t *c, const tf_rows_t *rows, uint32_t idx,
                           tf_calibrate_error_t *e) {
  const float *window = tf_rows_spread(rows, idx, e->window_cnt);
  tf_loader_answer(&c->model, window, c->got);
  tf_loader_answer(&c->reference, window, c->want);
  for (uint32_t o = 0; o < e->output_cnt; o++) {
    const double error                         = fabs((double)c->got[o] - (double)c->want[o]);
    const double relative                      = error / fmax(1.0, fabs((double)c->want[o]));
    c->errors[(size_t)o * e->window_cnt + idx] = isnan(error) ? INFINITY : (float)error;
    c->flips[o] += (c->got[o] < 0.0f) != (c->want[o] < 0.0f);
    if (relative <= e->error_max) continue;
    e->error_max    = isnan(relative) ? (double)INFINITY : relative;
    e->worst_window = idx;
    e->worst_output = o;
  }
}

tf_err_t tf_calibrate_compare(const tf_model_t *model, const tf_model_t *reference,
                              const tf_rows_t *rows, tf_calibrate_error_t *e) {
  const tf_net_plan_t *net   = tf_loader_net(reference);
  const double         flops = 4.0 * (net ? (double)net->flops + 1.0
                                          : 2.0 * (double)reference->param_cnt *
                                        (reference->window ? reference->window : 1));
  comparison_t         c     = {0};
  memset(e, 0, sizeof *e);
  e->output_cnt = model->output_cnt;
  e->window_cnt = at_most(TF_CALIBRATE_FLOPS_MAX / flops, rows, TF_CALIBRATE_ANSWER_MAX);
  c.errors      = malloc((size_t)e->output_cnt * e->window_cnt * sizeof *c.errors);
  c.got         = malloc((size_t)e->output_cnt * sizeof *c.got);
  c.want        = malloc((size_t)e->output_cnt * sizeof *c.want);
  tf_err_t err =
      c.errors && c.got && c.want ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "errors to compare");
  if (!err) err = tf_loader_session_init(&c.model, model);
  if (!err) err = tf_loader_session_init(&c.reference, reference);
  for (uint32_t i = 0; i < e->window_cnt && !err; i++) compare_window(&c, rows, i, e);
  for (uint32_t o = 0; o < e->output_cnt && !err; o++)
    sum_up(&e->outputs[o], c.errors + (size_t)o * e->window_cnt, e->window_cnt, c.flips[o]);
  tf_loader_session_fini(&c.model);
  tf_loader_session_fini(&c.reference);
  free(c.errors);
  free(c.got);
  free(c.want);
  return err;
}
