/* The model on the CPU: one row through a perceptron, against a straightforward loop in C, and the
 * shapes of B8 at each precision against a full recompute of their window (bench/peers/model measures them
 * beside ONNX Runtime). Prints rows of name, ours, unit, peer, peer_value, ratio, budget, ok.
 *
 * The peer is what somebody writes first: for each output a sum over the inputs, then the
 * activation with libm; compiled here, by the same compiler with -O3, on the same weights, checked
 * to give the same answers, timed interleaved with ours. A second form of it, one output vector
 * updated for each input, is what compilers vectorise (for this build's baseline, 128 bits); the
 * better of the two stands as the peer. The fma rows say what giving up fused multiply-add for the same
 * bits everywhere costs (kernels/op/op.h): the same product with AVX-512 FMA. */
#include <math.h>
#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/hist.h"
#include "model/execute.h"
#include "model/measure.h"
#include "model/shapes.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define ROW_CNT    64u
#define WIDTH_MAX  512u
#define LAYERS_MAX 3u

typedef struct layer {
  uint32_t     in_cnt, out_cnt;
  const float *weight; /* [out][in] */
  const float *bias;
  float       *by_input; /* [in][out], for the second form */
  float       *blocks;   /* as gemm packs for AVX-512, with shift, for the fma row */
  float       *shift;
} layer_t;

typedef struct net {
  const char *name;
  tf_graph_t *graph;
  tf_plan_t  *plan;
  layer_t     layers[LAYERS_MAX];
  uint32_t    layer_cnt;
  float      *rows;
  void       *scratch;
  uint8_t    *other;
  tf_op_run_t tanh; /* ours */
} net_t;

typedef void (*form_t)(const net_t *net, const float *row, float *out);

static void activate(const net_t *net, uint32_t layer, float *values) {
  for (uint32_t o = 0; o < net->layers[layer].out_cnt; o++)
    values[o] = layer + 1 == net->layer_cnt ? tanhf(values[o])
                : values[o] > 0.0f          ? values[o]
                                            : 0.0f;
}

static void loop_by_output(const net_t *net, const float *row, float *out) {
  float        values[2][WIDTH_MAX];
  const float *in = row;
  for (uint32_t l = 0; l < net->layer_cnt; l++) {
    const layer_t *layer = &net->layers[l];
    float         *to    = l + 1 == net->layer_cnt ? out : values[l % 2];
    for (uint32_t o = 0; o < layer->out_cnt; o++) {
      float sum = layer->bias[o];
      for (uint32_t k = 0; k < layer->in_cnt; k++)
        sum += layer->weight[o * layer->in_cnt + k] * in[k];
      to[o] = sum;
    }
    activate(net, l, to);
    in = to;
  }
}

static void loop_by_input(const net_t *net, const float *row, float *out) {
  float        values[2][WIDTH_MAX];
  const float *in = row;
  for (uint32_t l = 0; l < net->layer_cnt; l++) {
    const layer_t *layer = &net->layers[l];
    float *restrict to   = l + 1 == net->layer_cnt ? out : values[l % 2];
    memcpy(to, layer->bias, layer->out_cnt * sizeof *to);
    for (uint32_t k = 0; k < layer->in_cnt; k++) {
      const float *restrict w = layer->by_input + (size_t)k * layer->out_cnt;
      for (uint32_t o = 0; o < layer->out_cnt; o++) to[o] += w[o] * in[k];
    }
    activate(net, l, to);
    in = to;
  }
}

static void ours(const net_t *net, const float *row, float *out) {
  tf_execute_row(net->plan, net->scratch, row, out);
}

#if defined(__x86_64__)
/* gemm's loop with FMA in place of multiply and add; all else as ours, its tanh too. */
__attribute__((target("avx512f"))) static void loop_fma(const net_t *net, const float *row,
                                                        float *out) {
  TF_ALIGNED(64) float values[2][WIDTH_MAX];
  const float         *in = row;
  for (uint32_t l = 0; l < net->layer_cnt; l++) {
    const layer_t *layer = &net->layers[l];
    const float   *w     = layer->blocks;
    float         *to    = values[l % 2];
    bool           last  = l + 1 == net->layer_cnt;
    for (uint32_t o = 0; o < layer->out_cnt; o += 16, w += (size_t)layer->in_cnt * 16) {
      __m512   s[8];
      uint32_t k = 0;
#pragma GCC unroll 8
      for (int c = 0; c < 8; c++) s[c] = _mm512_setzero_ps();
      for (; k + 8 <= layer->in_cnt; k += 8) {
#pragma GCC unroll 8
        for (uint32_t c = 0; c < 8; c++)
          s[c] = _mm512_fmadd_ps(_mm512_load_ps(w + (k + c) * 16), _mm512_set1_ps(in[k + c]), s[c]);
      }
      for (; k < layer->in_cnt; k++)
        s[0] = _mm512_fmadd_ps(_mm512_load_ps(w + k * 16), _mm512_set1_ps(in[k]), s[0]);
      s[0] = _mm512_add_ps(_mm512_add_ps(s[0], s[1]), _mm512_add_ps(s[2], s[3]));
      s[4] = _mm512_add_ps(_mm512_add_ps(s[4], s[5]), _mm512_add_ps(s[6], s[7]));
      s[0] = _mm512_add_ps(_mm512_add_ps(s[0], s[4]), _mm512_load_ps(layer->shift + o));
      _mm512_store_ps(to + o, last ? s[0] : _mm512_max_ps(_mm512_setzero_ps(), s[0]));
    }
    in = to;
  }
  TF_ALIGNED(64) float scores[WIDTH_MAX];
  tf_op_params_t       params = {.in_cnt = net->plan->output_cnt};
  net->tanh(&params, in, scores);
  memcpy(out, scores, net->plan->output_cnt * sizeof *out);
}
#endif

static void fill_layer(layer_t *layer, const tf_graph_node_t *node) {
  *layer            = (layer_t){.in_cnt  = node->params.in_cnt,
                                .out_cnt = node->params.out_cnt,
                                .weight  = node->weight,
                                .bias    = node->bias};
  size_t blocks_cnt = tf_align_up(layer->out_cnt, 16) * layer->in_cnt;
  layer->by_input   = malloc((size_t)layer->in_cnt * layer->out_cnt * sizeof(float));
  layer->blocks     = aligned_alloc(64, blocks_cnt * sizeof(float));
  layer->shift      = aligned_alloc(64, tf_align_up(layer->out_cnt, 16) * sizeof(float));
  TF_ASSERT(layer->by_input && layer->blocks && layer->shift);
  memset(layer->shift, 0, tf_align_up(layer->out_cnt, 16) * sizeof(float));
  memcpy(layer->shift, layer->bias, layer->out_cnt * sizeof(float));
  memset(layer->blocks, 0, blocks_cnt * sizeof(float));
  for (uint32_t o = 0; o < layer->out_cnt; o++)
    for (uint32_t k = 0; k < layer->in_cnt; k++) {
      float w                                 = node->weight[o * layer->in_cnt + k];
      layer->by_input[k * layer->out_cnt + o] = w;
      layer->blocks[((o / 16) * layer->in_cnt + k) * 16 + o % 16] = w;
    }
}

static tf_err_t net_init(net_t *net, const char *name, const uint32_t *widths, uint32_t width_cnt) {
  uint64_t seed = 1;
  *net          = (net_t){.name = name, .graph = calloc(1, sizeof *net->graph)};
  TF_ASSERT(net->graph);
  tf_err_t err = tf_shapes_mlp(net->graph, "bench", widths, width_cnt, 7);
  if (!err) err = tf_plan_new(net->graph, tf_isa_best(), &net->plan);
  if (err) return err;
  for (uint32_t n = 0; n < net->graph->node_cnt; n++)
    if (net->graph->nodes[n].weight)
      fill_layer(&net->layers[net->layer_cnt++], &net->graph->nodes[n]);
  net->tanh    = tf_op_find("tanh")->run[net->plan->isa];
  net->rows    = malloc((size_t)ROW_CNT * widths[0] * sizeof *net->rows);
  net->scratch = aligned_alloc(64, net->plan->scratch_bytes);
  net->other   = calloc(1, TF_MEASURE_OTHER_BYTES);
  TF_ASSERT(net->rows && net->scratch && net->other);
  tf_shapes_noise(net->rows, (size_t)ROW_CNT * widths[0], &seed);
  return TF_OK;
}

static void net_fini(net_t *net) {
  for (uint32_t l = 0; l < net->layer_cnt; l++) {
    free(net->layers[l].by_input);
    free(net->layers[l].blocks);
    free(net->layers[l].shift);
  }
  free(net->rows);
  free(net->scratch);
  free(net->other);
  tf_plan_delete(net->plan);
  tf_graph_fini(net->graph);
  free(net->graph);
}

TF_INLINE uint64_t fenced_ticks(void) {
#if defined(__x86_64__)
  _mm_lfence();
  uint64_t ticks = tf_clock_ticks();
  _mm_lfence();
  return ticks;
#else
  return tf_clock_ticks();
#endif
}

/* The forms in turn, one run each, so that a noisy neighbour meets them all. */
static void time_forms(const net_t *net, const form_t *forms, uint32_t form_cnt, bool cold,
                       uint32_t run_cnt, tf_hist_t *hists) {
  float out[WIDTH_MAX];
  for (uint32_t f = 0; f < form_cnt; f++) tf_hist_reset(&hists[f]);
  for (uint32_t i = 0; i < run_cnt; i++)
    for (uint32_t f = 0; f < form_cnt; f++) {
      const float *row = net->rows + (size_t)(i % ROW_CNT) * net->plan->input_cnt;
      if (cold)
        for (size_t b = 0; b < TF_MEASURE_OTHER_BYTES; b += TF_LINE_BYTES) {
          volatile uint8_t *at = net->other + b;
          *at                  = (uint8_t)(*at + 1);
        }
      else
        forms[f](net, row, out); /* its own weights back in the cache */
      uint64_t begin = fenced_ticks();
      forms[f](net, row, out);
      tf_hist_record(&hists[f], tf_clock_ticks_to_ns(fenced_ticks() - begin));
    }
}

static double farthest_apart(const net_t *net, form_t a, form_t b) {
  float  x[WIDTH_MAX], y[WIDTH_MAX];
  double worst = 0.0;
  for (uint32_t r = 0; r < ROW_CNT; r++) {
    const float *row = net->rows + (size_t)r * net->plan->input_cnt;
    a(net, row, x);
    b(net, row, y);
    for (uint32_t o = 0; o < net->plan->output_cnt; o++)
      worst = fmax(worst, fabs((double)x[o] - (double)y[o]));
  }
  return worst;
}

static bool row_printed;

static void print_row(bool json, const char *name, const char *what, double value, const char *peer,
                      double peer_value, double budget) {
  bool ok = budget <= 0.0 || value <= budget;
  if (!json) {
    printf("%-36s %-7s %9.0f ns   %-12s %9.0f ns   ratio %6.2f", name, what, value, peer,
           peer_value, peer_value / value);
    if (budget > 0.0) printf("   budget %.0f ns %s", budget, ok ? "met" : "MISSED");
    putchar('\n');
    return;
  }
  printf("%s\n  {\"name\": \"%s_%s_ns\", \"ours\": %.0f, \"unit\": \"ns\", \"peer\": \"%s\", "
         "\"peer_value\": %.0f, \"ratio\": %.3f, ",
         row_printed ? "," : "[", name, what, value, peer, peer_value, peer_value / value);
  if (budget > 0.0)
    printf("\"budget\": %.0f, \"ok\": %s}", budget, ok ? "true" : "false");
  else
    printf("\"budget\": null, \"ok\": true}");
  row_printed = true;
}

/* budget_ns: p99, cold; 0 for none. */
static int bench(bool json, bool smoke, const char *name, const uint32_t *widths,
                 uint32_t width_cnt, double budget_ns) {
  net_t       net;
  form_t      forms[4] = {ours, loop_by_output, loop_by_input};
  uint32_t    form_cnt = 3;
  const char *names[]  = {"", "C loop by output", "C loop by input", "with FMA"};
  tf_hist_t  *hists    = calloc(4, sizeof *hists);
  const char *states[] = {"warm", "cold"};
  TF_ASSERT(hists);
#if defined(__x86_64__)
  if (tf_isa_supported(TF_ISA_AVX512)) forms[form_cnt++] = loop_fma;
#endif
  tf_err_t err = net_init(&net, name, widths, width_cnt);
  if (err) {
    fprintf(stderr, "bench_model: %s\n", tf_error_text());
    free(hists);
    return 1;
  }
  int failed = 0;
  for (uint32_t f = 1; f < form_cnt; f++)
    if (!(farthest_apart(&net, ours, forms[f]) < 1e-4)) {
      fprintf(stderr, "bench_model: %s: %s gives other answers\n", name, names[f]);
      failed = 1;
    }
  uint64_t macs    = net.graph->param_cnt;
  uint32_t run_cnt = smoke ? 50 : macs > 10000 ? 3000 : 20000;
  for (int cold = 0; cold < 2; cold++) {
    char label[96];
    time_forms(&net, forms, form_cnt, cold != 0, run_cnt, hists);
    uint32_t peer = tf_hist_quantile(&hists[2], 0.5) < tf_hist_quantile(&hists[1], 0.5) ? 2 : 1;
    snprintf(label, sizeof label, "%s_%s", name, states[cold]);
    const double quantiles[] = {0.5, 0.99};
    for (int q = 0; q < 2; q++)
      print_row(json, label, q ? "p99" : "p50", (double)tf_hist_quantile(&hists[0], quantiles[q]),
                names[peer], (double)tf_hist_quantile(&hists[peer], quantiles[q]),
                q && cold && !smoke ? budget_ns : 0.0);
    if (form_cnt > 3)
      print_row(json, label, "fma_p50", (double)tf_hist_quantile(&hists[0], 0.5), names[3],
                (double)tf_hist_quantile(&hists[3], 0.5), 0.0);
  }
  net_fini(&net);
  free(hists);
  return failed;
}

/* The timed path of a shape at a precision, after its own deferred work and other data, beside a full
 * recompute of the window by the same kernels; then how many ticks a second it holds. */
typedef struct shape_row {
  const char    *shape;
  tf_precision_t precision;
  double         p99_ns_max;           /* 0: no budget */
  double         ticks_per_second_min; /* 0: none */
} shape_row_t;

static const shape_row_t shape_rows[] = {
    {"lstm_a", TF_PRECISION_FP32, 0.0,    0.0 },
    {"lstm_a", TF_PRECISION_BF16, 1500.0, 0.0 },
    {"lstm_a", TF_PRECISION_INT8, 1000.0, 35e3},
    {"lstm_b", TF_PRECISION_BF16, 0.0,    0.0 },
    {"lstm_b", TF_PRECISION_INT8, 8000.0, 3e3 },
    {"mlp",    TF_PRECISION_BF16, 0.0,    0.0 },
    {"mlp",    TF_PRECISION_INT8, 4000.0, 0.0 },
};

/* Median time of a whole window, from a zero state. */
static double recompute_ns(const tf_model_t *model, uint32_t run_cnt) {
  tf_loader_session_t session;
  uint64_t            seed = 5;
  size_t              cnt  = (size_t)(model->window ? model->window : 1) * model->input_cnt;
  float              *rows = malloc(cnt * sizeof *rows), out[WIDTH_MAX];
  tf_hist_t          *hist = calloc(1, sizeof *hist);
  TF_ASSERT(rows && hist && tf_loader_session_init(&session, model) == TF_OK);
  tf_hist_reset(hist);
  tf_shapes_noise(rows, cnt, &seed);
  for (uint32_t i = 0; i < run_cnt; i++) {
    uint64_t begin = fenced_ticks();
    tf_loader_answer(&session, rows, out);
    tf_hist_record(hist, tf_clock_ticks_to_ns(fenced_ticks() - begin));
  }
  double median = (double)tf_hist_quantile(hist, 0.5);
  tf_loader_session_fini(&session);
  free(rows);
  free(hist);
  return median;
}

static void print_rate(bool json, const char *name, double ours, double peer, double budget) {
  if (!json) {
    printf("%-36s %9.0f ticks/s   recompute %9.0f /s   ratio %6.2f", name, ours, peer, ours / peer);
    if (budget > 0.0) printf("   budget %.0f %s", budget, ours >= budget ? "met" : "MISSED");
    putchar('\n');
    return;
  }
  printf(",\n  {\"name\": \"%s_ticks_per_second\", \"ours\": %.0f, \"unit\": \"1/s\", \"peer\": "
         "\"recompute\", \"peer_value\": %.0f, \"ratio\": %.3f, ",
         name, ours, peer, ours / peer);
  if (budget > 0.0)
    printf("\"budget\": %.0f, \"ok\": %s}", budget, ours >= budget ? "true" : "false");
  else
    printf("\"budget\": null, \"ok\": true}");
}

static int bench_shape(bool json, bool smoke, const shape_row_t *row) {
  tf_graph_t         *graph   = calloc(1, sizeof *graph);
  tf_measure_t       *measure = calloc(1, sizeof *measure);
  tf_model_t         *model   = NULL;
  tf_loader_options_t options = tf_loader_preset();
  options.model.precision     = row->precision;
  TF_ASSERT(graph && measure);
  tf_err_t err = tf_shapes_make(graph, row->shape, 1);
  if (!err) err = tf_loader_make(graph, &options, &model);
  if (!err) err = tf_measure_time(model, smoke ? 0.01 : 2.0, measure);
  if (err) {
    fprintf(stderr, "bench_model: %s\n", tf_error_text());
  } else {
    char   name[96];
    double whole = recompute_ns(model, smoke ? 3 : 300);
    snprintf(name, sizeof name, "model_%s_%s", row->shape, tf_precision_name(row->precision));
    print_row(json, name, "p50", (double)tf_hist_quantile(&measure->cold_ns, 0.5), "recompute",
              whole, 0.0);
    print_row(json, name, "p99", (double)tf_hist_quantile(&measure->cold_ns, 0.99), "recompute",
              whole, smoke ? 0.0 : row->p99_ns_max);
    print_rate(json, name, measure->ticks_per_second, 1e9 / whole,
               smoke ? 0.0 : row->ticks_per_second_min);
  }
  tf_loader_unload(model);
  tf_graph_fini(graph);
  free(graph);
  free(measure);
  return err ? 1 : 0;
}

int main(int argc, char **argv) {
  bool json = false, smoke = false;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--json") == 0)
      json = true;
    else if (strcmp(argv[i], "--smoke") == 0)
      smoke = true;
    else {
      fprintf(stderr, "usage: bench_model [--json] [--smoke]\n");
      return 2;
    }
  }
  static const uint32_t small[] = {64, 32, 1}, example[] = {12, 32, 16, 1};
  static const uint32_t large[] = {256, 384, 384, 128};
  tf_clock_calibrate();
  int failed = bench(json, smoke, "model_mlp_12_32_16_1_fp32", example, TF_ARRAY_CNT(example), 0.0);
  failed |= bench(json, smoke, "model_mlp_64_32_1_fp32", small, TF_ARRAY_CNT(small), 0.0);
  failed |= bench(json, smoke, "model_mlp_256_384_384_128_fp32", large, TF_ARRAY_CNT(large), 0.0);
  for (size_t i = 0; i < TF_ARRAY_CNT(shape_rows); i++)
    failed |= bench_shape(json, smoke, &shape_rows[i]);
  if (json) printf("\n]\n");
  return failed;
}
