/* The worker with models that no kernel that stays runs: a forest, an embedding, a GRU whose reset gate works before the product. They are
 * served by captured graphs: the same mailbox, swap and faults, on the CPU everywhere, and where there is a card, on that. */
#include "cmocka_tf.h"

#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"
#include "kernels/gpu/apart_nets.h"
#include "model/graph_file.h"
#include "model/import_onnx.h"
#include "tickfuse_gpu/worker_rig.h"

#define FOREST      "tests/golden/models/lightgbm.onnx"
#define INSTRUMENTS 2

/* Relative to the greater of 1 and the answer. A forest's is the same sum of leaves in double, rounded once; the others are sums of fp32. */
#define FOREST_MAX 6e-8
#define NET_MAX    2e-5

static unsigned seed  = 7;
static uint64_t noise = 7;

/* ---- models ---- */

static const char *const names[] = {"forest", "embedding", "gru"};
enum { A_FOREST, AN_EMBEDDING, A_GRU, MODEL_CNT };

static void import_forest(tf_graph_t *graph) {
  tf_features_t           features = {0};
  tf_import_onnx_report_t report;
  assert_int_equal(tf_features_parse(&features, "a,b,c,d,e,f,g,h"), TF_OK);
  const tf_import_onnx_spec_t spec = {.name = "forest", .features = &features};
  if (tf_import_onnx(FOREST, &spec, graph, &report) != TF_OK) fail_msg("%s", tf_error_text());
  tf_features_fini(&features);
}

/* factor: of the last weights, or leaves. */
static void write_model(const char *path, int which, float factor) {
  tf_graph_t graph;
  noise = 7; /* the same weights each time */
  if (which == A_FOREST) import_forest(&graph);
  if (which == AN_EMBEDDING) apart_embedding(&graph, 9, 6, &noise);
  if (which == A_GRU) apart_gru(&graph, 7, 5, 6, 2, &noise);
  for (uint32_t v = graph.net->value_cnt; factor != 1.0f && v-- > 0;) {
    tf_net_value_t *value = &graph.net->values[v];
    if (!value->constant || value->shape.rank != 2 || value->shape.dims[1] == 4) continue;
    for (uint32_t i = 0; i < value->shape.cnt; i++) value->constant[i] *= factor;
    break;
  }
  assert_int_equal(tf_graph_make_checks(&graph), TF_OK);
  if (tf_graph_file_write(&graph, path) != TF_OK) fail_msg("%s", tf_error_text());
  tf_graph_fini(&graph);
}

/* A forest of one feature's stumps, as many as a share more than 100; leaves differ. */
static void write_forest(const char *path, uint32_t percent_more) {
  const uint32_t trees = 100 + percent_more, window = TF_NET_INPUT;
  uint32_t       in[5] = {window};
  tf_graph_t     graph;
  tf_net_t      *net;
  const struct {
    uint32_t rank, dims[2];
  } shapes[4] = {
      {2, {3 * trees, 4}},
      {2, {2 * trees, 1}},
      {1, {trees}       },
      {1, {1}           }
  };
  assert_int_equal(tf_net_new(1, 2, &net), TF_OK);
  for (uint32_t i = 0; i < 4; i++) {
    tf_tensor_shape_t shape = {
        .rank = shapes[i].rank, .dims = {shapes[i].dims[0], shapes[i].dims[1]}
    };
    if (shape.rank == 1) shape.dims[1] = 0;
    assert_int_equal(tf_tensor_shape_count(&shape), TF_OK);
    float *values = calloc(shape.cnt, sizeof *values);
    for (uint32_t t = 0; t < trees && i == 0; t++) {
      const float at          = (float)(3 * t);
      const float nodes[3][4] = {
          {(float)(t % 2), 0.1f * (float)(t % 37) - 2.0f, at + 1.0f,              at + 2.0f},
          {-1.0f,          0.0f,                          2.0f * (float)t,        0.0f     },
          {-1.0f,          0.0f,                          2.0f * (float)t + 1.0f, 0.0f     }
      };
      memcpy(values + (size_t)12 * t, nodes, sizeof nodes);
    }
    for (uint32_t k = 0; k < shape.cnt && i > 0; k++)
      values[k] = i == 1 ? 0.01f * (float)(k % 91) - 0.3f : i == 2 ? (float)(3 * k) : 0.25f;
    assert_int_equal(tf_net_add_constant(net, "c", &shape, values, &in[i + 1]), TF_OK);
  }
  const tf_net_spec_t spec = {
      .op = tf_tensor_find("tree_ensemble"), .name = "trees", .in = in, .in_cnt = 5};
  uint32_t value;
  if (tf_net_add(net, &spec, &value) != TF_OK) fail_msg("%s", tf_error_text());
  assert_int_equal(tf_net_end(net, value), TF_OK);
  assert_int_equal(tf_graph_init(&graph, "forest", 2), TF_OK);
  tf_graph_set_net(&graph, net);
  assert_int_equal(tf_features_parse(&graph.features, "a,b"), TF_OK);
  assert_int_equal(tf_graph_make_checks(&graph), TF_OK);
  if (tf_graph_file_write(&graph, path) != TF_OK) fail_msg("%s", tf_error_text());
  tf_graph_fini(&graph);
}

static void path_of(char *path, size_t bytes, const char *name) {
  snprintf(path, bytes, "/tmp/tickfuse-graph-%s-%d.safetensors", name, (int)getpid());
}

/* ---- rows ---- */

/* Rows to instruments in turn: as many answers as they are right. */
static void ask_many(rig_t *r, const tf_graph_t *graph, uint32_t rows, double bound) {
  float    row[TF_MODEL_INPUTS_MAX], out[TF_MODEL_OUTPUTS_MAX];
  double   right[TF_MODEL_OUTPUTS_MAX];
  uint32_t answers = 0;
  for (uint32_t n = 0; n < rows; n++) {
    const uint32_t instrument = n % INSTRUMENTS;
    for (uint32_t i = 0; i < graph->input_cnt; i++)
      row[i] = (float)(rand_r(&seed) % 2001) / 200.0f - 5.0f;
    const tf_mailbox_status_t status = rig_ask(r, instrument, row, out);
    if (r->numbers[instrument] < graph->window) {
      assert_int_equal(status, TF_MAILBOX_WARMING);
      continue;
    }
    assert_int_equal(status, TF_MAILBOX_OK);
    rig_right(r, graph, instrument, right);
    for (uint32_t o = 0; o < graph->output_cnt; o++)
      if (!(fabs((double)out[o] - right[o]) <= bound * fmax(1.0, fabs(right[o]))))
        fail_msg("output %u: %.9g, %.9g is right", o, (double)out[o], right[o]);
    answers++;
  }
  assert_true(answers >= rows / 2);
}

static void a_model_that_no_kernel_stays_for_is_served_by_graphs(void **state) {
  (void)state;
  for (int which = 0; which < MODEL_CNT; which++) {
    char  path[96];
    rig_t r;
    float row[TF_MODEL_INPUTS_MAX] = {0}, out[TF_MODEL_OUTPUTS_MAX];
    path_of(path, sizeof path, names[which]);
    write_model(path, which, 1.0f);
    rig_begin(&r, path, INSTRUMENTS, 4);
    rig_start(&r, path, NULL, NULL);
    if (!rig_serves(&r)) fail_msg("%s: %s", names[which], r.view.box->text);
    ask_many(&r, &r.graph, 4 * INSTRUMENTS * (r.graph.window > 4 ? r.graph.window : 4),
             which == A_FOREST ? FOREST_MAX : NET_MAX);
    if (r.graph.window > 1) { /* a row is missing, then the window begins anew */
      r.numbers[0]++;
      assert_int_equal(rig_ask(&r, 0, row, out), TF_MAILBOX_BEHIND);
      rig_forget(&r, 0), rig_forget(&r, 1);
      ask_many(&r, &r.graph, 2 * INSTRUMENTS * r.graph.window, NET_MAX);
    }
    rig_stop(&r);
    assert_true(r.view.box->answered >= 8);
    assert_int_equal(r.view.box->behind, r.graph.window > 1);
    rig_end(&r);
    unlink(path);
  }
}

/* A batch: rows that want no answer, the last one does; and a row of no instrument. */
static void a_request_of_several_rows_is_taken_row_by_row(void **state) {
  (void)state;
  char                path[96];
  rig_t               r;
  float               out[TF_MODEL_OUTPUTS_MAX];
  double              right[TF_MODEL_OUTPUTS_MAX];
  tf_mailbox_answer_t answer;
  path_of(path, sizeof path, "batch");
  write_model(path, A_GRU, 1.0f);
  rig_begin(&r, path, INSTRUMENTS, 8);
  rig_start(&r, path, NULL, NULL);
  assert_true(rig_serves(&r));
  for (uint32_t t = 0; t < 7; t++) {
    const tf_mailbox_row_t row = {.instrument_idx = 1,
                                  .number         = t + 1,
                                  .flags          = (t == 0 ? TF_MAILBOX_RESET : 0) |
                                           (t < 6 ? TF_MAILBOX_QUIET : 0)};
    for (uint32_t i = 0; i < 5; i++) r.rows[(7 + t) * 5 + i] = 0.1f * (float)(t + i) - 0.4f;
    tf_mailbox_post(&r.view, t, 8, &row, r.rows + (size_t)(7 + t) * 5);
  }
  const tf_mailbox_row_t nobody = {.instrument_idx = INSTRUMENTS, .number = 1};
  tf_mailbox_post(&r.view, 7, 8, &nobody, r.rows);
  const uint64_t seq = r.view.next_seq++, begun_ns = tf_clock_monotonic_ns();
  while (!tf_mailbox_poll(&r.view, seq, 7, &answer, out)) {
    assert_true(tf_clock_monotonic_ns() - begun_ns < RIG_LIMIT_NS);
    usleep(20);
  }
  assert_int_equal(answer.status, TF_MAILBOX_REFUSED);
  assert_false(tf_mailbox_poll(&r.view, seq, 5, &answer, out));
  assert_true(tf_mailbox_poll(&r.view, seq, 6, &answer, out));
  assert_int_equal(answer.status, TF_MAILBOX_OK);
  rig_right(&r, &r.graph, 1, right);
  for (uint32_t o = 0; o < 2; o++)
    assert_true(fabs((double)out[o] - right[o]) <= NET_MAX * fmax(1.0, fabs(right[o])));
  rig_stop(&r);
  assert_int_equal(r.view.box->refused, 1);
  rig_end(&r);
  unlink(path);
}

/* ---- another model ---- */

static tf_err_t ask_for(rig_t *r, const char *path, uint64_t number) {
  tf_mailbox_t *box = r->view.box;
  snprintf(box->next_model, sizeof box->next_model, "%s", path);
  tf_store_release(&box->next_cnt, number); /* pairs with: next_look */
  const uint64_t begun_ns = tf_clock_monotonic_ns();
  while (tf_load_acquire(&box->next_done) != number) { /* pairs with: load_next */
    if (tf_clock_monotonic_ns() - begun_ns > RIG_LIMIT_NS) fail_msg("no word of %s", path);
    usleep(1000);
  }
  return (tf_err_t)box->next_failure;
}

static void swap(int which, const char *faults) {
  char                path[96], other_path[96];
  rig_t               r;
  tf_model_t         *other_model;
  tf_graph_t          other;
  tf_loader_options_t options = tf_loader_preset();
  path_of(path, sizeof path, "first"), path_of(other_path, sizeof other_path, "other");
  write_model(path, which, 1.0f), write_model(other_path, which, -2.0f);
  assert_int_equal(tf_loader_load(other_path, &options, &other_model, &other), TF_OK);
  rig_begin(&r, path, INSTRUMENTS, 4);
  rig_start(&r, path, NULL, faults);
  assert_true(rig_serves(&r));
  const uint32_t rows = 4 * INSTRUMENTS * r.graph.window;
  ask_many(&r, &r.graph, rows, NET_MAX);
  assert_int_equal(ask_for(&r, "/nowhere.safetensors", 1), E_FILE_OPEN);
  assert_int_equal(ask_for(&r, "models/example-mlp.safetensors", 2), E_MODEL_SHAPE);
  assert_int_equal(r.view.box->model_hash_now, 0);
  ask_many(&r, &r.graph, rows, NET_MAX);
  for (uint64_t i = 0; i < 3; i++) { /* there, back, and there again: both slots */
    assert_int_equal(ask_for(&r, i == 1 ? path : other_path, 3 + i), TF_OK);
    rig_forget(&r, 0), rig_forget(&r, 1);
    ask_many(&r, i == 1 ? &r.graph : &other, rows, 3 * NET_MAX);
  }
  assert_int_equal(r.view.box->model_hash_now, other_model->hash);
  rig_stop(&r);
  rig_end(&r);
  tf_loader_unload(other_model);
  tf_graph_fini(&other);
  unlink(path), unlink(other_path);
}

static void another_model_takes_over_between_two_rows(void **state) {
  (void)state;
  swap(A_FOREST, NULL);
  swap(A_GRU, NULL);
}

static void a_device_of_one_multiprocessor_swaps_too(void **state) {
  (void)state;
  swap(A_GRU, "crowded=1");
}

/* A forest trained anew has other nodes: up to a quarter more of the device's memory is kept for it. */
static void a_forest_of_more_trees_takes_over_where_it_fits(void **state) {
  (void)state;
  char  path[96], more_path[96], many_path[96];
  rig_t r;
  path_of(path, sizeof path, "forest"), path_of(more_path, sizeof more_path, "more");
  path_of(many_path, sizeof many_path, "many");
  write_forest(path, 0), write_forest(more_path, 10), write_forest(many_path, 60);
  rig_begin(&r, path, INSTRUMENTS, 4);
  rig_start(&r, path, NULL, NULL);
  assert_true(rig_serves(&r));
  assert_int_equal(ask_for(&r, many_path, 1), E_MODEL_SHAPE);
  assert_non_null(strstr(r.view.box->next_text, "its sizes in the device's memory"));
  ask_many(&r, &r.graph, 8, FOREST_MAX);
  assert_int_equal(ask_for(&r, more_path, 2), TF_OK);
  tf_model_t         *model;
  tf_graph_t          more;
  tf_loader_options_t options = tf_loader_preset();
  assert_int_equal(tf_loader_load(more_path, &options, &model, &more), TF_OK);
  ask_many(&r, &more, 8, FOREST_MAX);
  rig_stop(&r);
  rig_end(&r);
  tf_loader_unload(model);
  tf_graph_fini(&more);
  unlink(path), unlink(more_path), unlink(many_path);
}

/* ---- what a device suffers ---- */

static void what_a_device_suffers_is_said_and_never_served(void **state) {
  (void)state;
  static const struct {
    const char *faults;
    tf_err_t    err;
    int         status;
  } rows[] = {
      {"copy=1/1",            E_GPU_COPY,    8},
      {"flip=1/1",            E_MODEL_CHECK, 8},
      {"memory=1/1",          E_GPU_MEMORY,  6},
      {"memory=1/6",          E_GPU_MEMORY,  6},
      {"mute=1/1,patience=1", E_GPU_HANG,    7},
      {"mute=1/2,patience=1", E_GPU_HANG,    7},
  };
  char path[96];
  path_of(path, sizeof path, "faults");
  write_model(path, A_GRU, 1.0f);
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    rig_t r;
    rig_begin(&r, path, INSTRUMENTS, 4);
    rig_start(&r, path, NULL, rows[i].faults);
    if (rig_serves(&r)) fail_msg("%s: it serves", rows[i].faults);
    if (rig_status(&r) != rows[i].status) fail_msg("%s: %s", rows[i].faults, r.view.box->text);
    assert_int_equal(r.view.box->state, TF_MAILBOX_FAILED);
    assert_int_equal((tf_err_t)r.view.box->failure, rows[i].err);
    assert_true(r.view.box->text[0]);
    rig_end(&r);
  }
  unlink(path);
}

/* No row has to come for that: an empty graph goes to the device and back each ms. */
static void a_device_that_breaks_or_stands_still_ends_the_worker(void **state) {
  (void)state;
  static const struct {
    const char *faults;
    tf_err_t    err;
  } rows[] = {
      {"sticky=200ms",            E_GPU_DEVICE},
      {"freeze=200ms,patience=1", E_GPU_HANG  },
  };
  char path[96];
  path_of(path, sizeof path, "ends");
  write_model(path, AN_EMBEDDING, 1.0f);
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    rig_t r;
    rig_begin(&r, path, INSTRUMENTS, 4);
    rig_start(&r, path, NULL, rows[i].faults);
    assert_true(rig_serves(&r));
    assert_int_equal(rig_status(&r), 7);
    assert_int_equal((tf_err_t)r.view.box->failure, rows[i].err);
    rig_end(&r);
  }
  unlink(path);
}

/* ---- what people are told ---- */

static void a_probe_says_graph_and_why(void **state) {
  (void)state;
  char path[96], text[RIG_TEXT_BYTES];
  path_of(path, sizeof path, "probe");
  write_model(path, A_FOREST, 1.0f);
  const char *const as_json[] = {rig_worker, "--probe", "--json", "--model", path, NULL};
  const char *const as_text[] = {rig_worker, "--probe", "--model", path, NULL};
  const char *const check[]   = {rig_worker, "--check", "--model", path, NULL};
  assert_int_equal(rig_run(as_json, NULL, text), 0);
  json_t *all = json_loads(text, 0, NULL);
  json_t *run = json_array_get(json_object_get(json_object_get(all, "model"), "runs"), 0);
  assert_string_equal(json_string_value(json_object_get(run, "where")), "graph");
  assert_string_equal(json_string_value(json_object_get(run, "kernel")), "graph");
  assert_string_equal(json_string_value(json_object_get(run, "blocks")), "the whole device");
  assert_non_null(strstr(json_string_value(json_object_get(run, "reason")), "tree_ensemble"));
  json_decref(all);
  assert_int_equal(rig_run(as_text, NULL, text), 0);
  assert_non_null(strstr(text, "on device 0: graph, graph kernel in fp32 on the whole device"));
  assert_non_null(strstr(text, "tree_ensemble has no form in a kernel that stays on the card"));
  assert_int_equal(rig_run(check, NULL, text), 0);
  assert_non_null(strstr(text, "known answers are right"));
  unlink(path);
}

int main(int argc, char **argv) {
  if (argc < 2) return fprintf(stderr, "usage: test_gpu_graph TICKFUSE-GPU [--card]\n"), 1;
  rig_worker         = argv[1];
  const bool is_card = argc > 2;
  tf_clock_calibrate();
  if (is_card) {
    char              text[RIG_TEXT_BYTES];
    const char *const probe[] = {rig_worker, "--probe", NULL};
    if (rig_run(probe, NULL, text) != 0) return printf("skipped: %s", text), 77;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_model_that_no_kernel_stays_for_is_served_by_graphs),
      cmocka_unit_test(a_request_of_several_rows_is_taken_row_by_row),
      cmocka_unit_test(another_model_takes_over_between_two_rows),
      cmocka_unit_test(a_forest_of_more_trees_takes_over_where_it_fits),
      cmocka_unit_test(a_probe_says_graph_and_why),
      /* what follows breaks the device: the one that is a CPU */
      cmocka_unit_test(a_device_of_one_multiprocessor_swaps_too),
      cmocka_unit_test(what_a_device_suffers_is_said_and_never_served),
      cmocka_unit_test(a_device_that_breaks_or_stands_still_ends_the_worker),
  };
  return _cmocka_run_group_tests("graph", tests, is_card ? 5 : TF_ARRAY_CNT(tests), NULL, NULL);
}
