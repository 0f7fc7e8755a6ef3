/* Runs models over made-up rows so that callgrind can count the instructions of a tick: of the timed path and, where there
 * is one, of the deferred work. The counters are set to zero before and dumped under the case's name after them. callgrind knows no AVX-512, so
 * these are of AVX2. Prints how many ticks each dump stands for.
 *
 * check.py runs this under callgrind and holds the counts against models.txt. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/callgrind.h>

#include "core/clock.h"
#include "core/error.h"
#include "model/import_onnx.h"
#include "model/loader.h"
#include "model/net_plan.h"
#include "model/shapes.h"
#include "op/mat.h"

#define TICKS  32u
#define TOKENS 32u

static void die(const char *what) {
  fprintf(stderr, "instructions_models: %s: %s\n", what, tf_error_text());
  exit(1);
}

static void dump(const char *name, const char *precision, const char *part) {
  char text[96];
  snprintf(text, sizeof text, "%s%s%s%s%s", name, *precision ? "_" : "", precision,
           *part ? "_" : "", part);
  CALLGRIND_DUMP_STATS_AT(text);
}

static void count_rows(const tf_model_t *model, const tf_loader_session_t *session,
                       const char *name, const char *precision, const float *rows) {
  float out[TF_MODEL_OUTPUTS_MAX];
  model->run(model, session->scratch, rows, out);
  CALLGRIND_ZERO_STATS;
  CALLGRIND_TOGGLE_COLLECT;
  for (uint32_t i = 0; i < TICKS; i++)
    model->run(model, session->scratch, rows + i * model->input_cnt, out);
  CALLGRIND_TOGGLE_COLLECT;
  dump(name, precision, "");
}

/* Ticks behind a full window, each with its deferred work: one part counted, then the other. */
static void count_window(const tf_model_t *model, const tf_loader_session_t *session,
                         const char *name, const char *precision, const float *rows) {
  static const char *const parts[] = {"step", "advance"};
  float                    out[TF_MODEL_OUTPUTS_MAX];
  for (int part = 0; part < 2; part++) {
    model->reset(model, session->state);
    CALLGRIND_ZERO_STATS;
    for (uint32_t i = 0; i < model->window + TICKS; i++) {
      bool is_counted = i >= model->window;
      if (is_counted && part == 0) CALLGRIND_TOGGLE_COLLECT;
      model->step(model, session->state, session->scratch, rows + i % TICKS * model->input_cnt,
                  out);
      if (is_counted) CALLGRIND_TOGGLE_COLLECT; /* part 0: off; part 1: on */
      model->advance(model, session->state, session->scratch);
      if (is_counted && part == 1) CALLGRIND_TOGGLE_COLLECT;
    }
    dump(name, precision, parts[part]);
  }
}

static void count(const tf_graph_t *graph, const char *name, tf_precision_t precision,
                  const char *precision_name) {
  tf_loader_options_t options = tf_loader_preset();
  tf_loader_session_t session;
  tf_model_t         *model;
  uint64_t            seed = 3;
  options.isa              = TF_ISA_AVX2;
  options.model.precision  = precision;
  options.model.error_max  = 1000; /* what it costs, not what it says */
  if (tf_loader_make(graph, &options, &model)) die(name);
  if (tf_loader_session_init(&session, model)) die(name);
  float *rows = malloc((size_t)TICKS * model->input_cnt * sizeof *rows);
  if (!rows) die(name);
  tf_shapes_noise(rows, (size_t)TICKS * model->input_cnt, &seed);
  if (model->window > 1)
    count_window(model, &session, name, precision_name, rows);
  else
    count_rows(model, &session, name, precision_name, rows);
  free(rows);
  tf_loader_session_fini(&session);
  tf_loader_unload(model);
}

/* Each precision of a shape. */
static void count_shape(const char *name) {
  static const tf_precision_t all[] = {TF_PRECISION_FP32, TF_PRECISION_BF16, TF_PRECISION_FP16,
                                       TF_PRECISION_INT8};
  tf_graph_t                  graph;
  if (tf_shapes_make(&graph, name, 1)) die(name);
  for (size_t i = 0; i < TF_ARRAY_CNT(all); i++)
    count(&graph, name, all[i], tf_precision_name(all[i]));
  tf_graph_fini(&graph);
}

/* A small instance as its exporter wrote it, in fp32. */
static void count_family(const char *name, uint32_t columns) {
  char                    path[128], list[1024];
  size_t                  cnt      = 0;
  tf_features_t           features = {0};
  tf_graph_t              graph;
  tf_import_onnx_report_t report;
  for (uint32_t i = 0; i < columns; i++)
    cnt += (size_t)snprintf(list + cnt, sizeof list - cnt, "%sf%u", i ? "," : "", i);
  snprintf(path, sizeof path, "tests/golden/models/%s.onnx", name);
  if (tf_features_parse(&features, list)) die(name);
  const tf_import_onnx_spec_t spec = {.name = "m", .features = &features};
  if (tf_import_onnx(path, &spec, &graph, &report)) die(name);
  count(&graph, name, TF_PRECISION_FP32, "");
  tf_graph_fini(&graph);
  tf_features_fini(&features);
}

/* A text of tokens through the encoder of tests/data/text, whole. */
static void count_text(void) {
  tf_features_t           features = {0};
  tf_graph_t              graph;
  tf_import_onnx_report_t report;
  tf_net_plan_t          *plan;
  float                   rows[TOKENS][2], out[TF_MODEL_OUTPUTS_MAX];
  if (tf_features_parse(&features, "token, mask")) die("text");
  const tf_import_onnx_spec_t spec = {
      .name = "m", .features = &features, .window = TOKENS, .is_text = true};
  if (tf_import_onnx("tests/data/text/news.onnx", &spec, &graph, &report)) die("text");
  if (tf_net_plan_new(graph.net, TF_ISA_AVX2, TF_PRECISION_FP32, &plan)) die("text");
  void *scratch = aligned_alloc(TF_LINE_BYTES, tf_align_up(plan->scratch_bytes, TF_LINE_BYTES));
  if (!scratch) die("text");
  for (uint32_t i = 0; i < TOKENS; i++) rows[i][0] = (float)i, rows[i][1] = 1.0f;
  tf_net_plan_run(plan, scratch, *rows, out);
  CALLGRIND_ZERO_STATS;
  CALLGRIND_TOGGLE_COLLECT;
  for (uint32_t i = 0; i < TICKS; i++) tf_net_plan_run(plan, scratch, *rows, out);
  CALLGRIND_TOGGLE_COLLECT;
  dump("text_32_tokens", "", "");
  free(scratch);
  tf_net_plan_delete(plan);
  tf_graph_fini(&graph);
  tf_features_fini(&features);
}

int main(void) {
  tf_clock_calibrate();
  count_shape("mlp");
  count_shape("lstm_a");
  count_family("lightgbm", 8);
  count_family("tcn", 8);
  count_family("transformer", 7);
  count_text();
  printf("%u\n", TICKS);
  return 0;
}
