/* A net's sliding window against a recompute of the whole window: the same bits, for every family of tests/golden/models and for
 * nets made up at random, whatever the order of step and advance, and across resets. */
#include "cmocka_tf.h"

#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "model/import_onnx.h"
#include "model/net_stream.h"
#include "model/shapes.h"

#define FAMILIES     "tests/golden/models"
#define FEATURES_MAX 64u

static uint64_t seed = 11;

static uint32_t random_below(uint32_t cnt) {
  float x;
  tf_shapes_noise(&x, 1, &seed);
  uint32_t at = (uint32_t)((x + 1.0f) * 0.5f * (float)cnt);
  return at < cnt ? at : cnt - 1;
}

/* Everything that answers windows of one net. */
typedef struct bench {
  const tf_net_t  *net;
  tf_net_plan_t   *whole;
  tf_net_stream_t *stream;
  void            *state, *scratch;
  float           *rows; /* of the last window, the newest last */
  float           *out, *want;
} bench_t;

static void bench_init(bench_t *b, const tf_net_t *net, tf_precision_t precision,
                       tf_net_stream_t *stream) {
  *b = (bench_t){.net = net, .stream = stream};
  assert_int_equal(tf_net_plan_new(net, tf_isa_best(), precision, &b->whole), TF_OK);
  size_t bytes = b->whole->scratch_bytes > stream->scratch_bytes ? b->whole->scratch_bytes
                                                                 : stream->scratch_bytes;
  b->scratch   = aligned_alloc(TF_LINE_BYTES, tf_align_up(bytes, TF_LINE_BYTES));
  b->state     = aligned_alloc(TF_LINE_BYTES, tf_align_up(stream->state_bytes, TF_LINE_BYTES));
  b->rows      = calloc((size_t)net->window * net->input_cnt, sizeof *b->rows);
  b->out       = calloc(b->whole->output_cnt, sizeof *b->out);
  b->want      = calloc(b->whole->output_cnt, sizeof *b->want);
  memset(b->scratch, 0xff, bytes);
  memset(b->state, 0, stream->state_bytes);
}

static void bench_fini(bench_t *b) {
  tf_net_plan_delete(b->whole);
  tf_net_stream_delete(b->stream);
  free(b->state);
  free(b->scratch);
  free(b->rows);
  free(b->out);
  free(b->want);
}

/* cnt rows at random; some without the deferred work behind them, and now and then a reset. */
static void slide(bench_t *b, uint32_t cnt, const char *name) {
  const size_t width = b->net->input_cnt, before = (b->net->window - 1) * width;
  uint32_t     seen = 0;
  for (uint32_t t = 0; t < cnt; t++) {
    if (t > 0 && random_below(2 * b->net->window) == 0) {
      tf_net_stream_reset(b->stream, b->state);
      seen = 0;
    }
    memmove(b->rows, b->rows + width, before * sizeof *b->rows);
    tf_shapes_noise(b->rows + before, width, &seed);
    memset(b->out, 0xff, b->whole->output_cnt * sizeof *b->out);
    const bool answered =
        tf_net_stream_step(b->stream, b->state, b->scratch, b->rows + before, b->out);
    seen++;
    assert_int_equal(answered, seen >= b->net->window);
    if (answered) {
      tf_net_plan_run(b->whole, b->scratch, b->rows, b->want);
      if (memcmp(b->out, b->want, b->whole->output_cnt * sizeof *b->out) != 0)
        fail_msg("%s: row %u: %.9g, a recompute gives %.9g", name, t, (double)b->out[0],
                 (double)b->want[0]);
    }
    if (random_below(4)) tf_net_stream_advance(b->stream, b->state, b->scratch);
  }
}

/* ---- the families ---- */

/* Features a row, as tools/make_model_families.py has them. */
static const struct {
  const char *name;
  uint32_t    columns;
  bool        streams; /* part of the work is not of the newest row */
} families[] = {
    {"conv_norm",   6,  true },
    {"deeplob",     40, true },
    {"gru",         7,  true },
    {"lstm_both",   6,  false},
    {"nbeats",      1,  false},
    {"patchtst",    4,  false},
    {"rnn",         5,  true },
    {"tcn",         8,  true },
    {"tft",         5,  true },
    {"transformer", 7,  true },
};

static bool import_family(const char *name, const char *suffix, uint32_t columns,
                          tf_graph_t *graph) {
  char                    path[256], text[FEATURES_MAX * 4], *at = text;
  tf_features_t           features = {0};
  tf_import_onnx_report_t report;
  snprintf(path, sizeof path, FAMILIES "/%s%s.onnx", name, suffix);
  if (access(path, R_OK) != 0) return false;
  for (uint32_t n = 0; n < columns; n++) at += sprintf(at, n ? ",f%u" : "f%u", n);
  assert_int_equal(tf_features_parse(&features, text), TF_OK);
  const tf_import_onnx_spec_t spec = {.name = "m", .features = &features};
  assert_int_equal(tf_import_onnx(path, &spec, graph, &report), TF_OK);
  tf_features_fini(&features);
  return true;
}

static void every_family_gives_the_bits_of_a_recompute(void **state) {
  (void)state;
  static const char *const suffixes[] = {"", "_dynamo"};
  uint32_t                 cnt        = 0;
  tf_graph_t              *graph      = malloc(sizeof *graph);
  for (size_t f = 0; f < 2 * TF_ARRAY_CNT(families); f++) {
    const char      *name = families[f / 2].name;
    tf_net_stream_t *stream;
    bench_t          b;
    if (!import_family(name, suffixes[f % 2], families[f / 2].columns, graph)) continue;
    for (tf_precision_t precision = 0; precision < TF_PRECISION_CNT; precision++) {
      tf_err_t err = tf_net_stream_new(graph->net, tf_isa_best(), precision, &stream);
      assert_int_equal(err, families[f / 2].streams ? TF_OK : E_MODEL_UNSUPPORTED);
      if (err) break;
      bench_init(&b, graph->net, precision, stream);
      slide(&b, 6 * graph->window, name);
      bench_fini(&b);
      cnt++;
    }
    tf_graph_fini(graph);
  }
  free(graph);
  assert_int_equal(cnt, 14 * TF_PRECISION_CNT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_family_gives_the_bits_of_a_recompute),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
