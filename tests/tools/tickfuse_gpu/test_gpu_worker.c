/* The worker with the kernels' own sources: on the CPU everywhere, and where there is a card, on that. Its answers are the model's
 * in double within the precision's bound; what a device can suffer is noticed before a wrong answer leaves. */
#include "cmocka_tf.h"

#include <math.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"
#include "model/graph_file.h"
#include "op/mat.h"
#include "serve/child.h"
#include "tickfuse_gpu/worker_rig.h"

#define MLP         "models/example-mlp.safetensors"
#define LSTM        "models/example-lstm.safetensors"
#define INSTRUMENTS 2

/* The CPU in int8 is off by up to 0.096 on 1,024 random windows of this model (model bench, 2026-11-22). */
#define LSTM_INT8_MAX 0.1

static unsigned seed;

static void draw(const rig_t *r, float *row) {
  for (uint32_t i = 0; i < r->graph.input_cnt; i++)
    row[i] = (float)(rand_r(&seed) % 2001) / 1000.0f - 1.0f;
}

/* Rows to instruments in turn; as many answers as they are right. */
static void ask_many(rig_t *r, const tf_graph_t *graph, uint32_t rows, double bound) {
  float    row[TF_MODEL_INPUTS_MAX], out[TF_MODEL_OUTPUTS_MAX];
  double   right[TF_MODEL_OUTPUTS_MAX];
  uint32_t answers = 0;
  for (uint32_t n = 0; n < rows; n++) {
    uint32_t instrument = n % INSTRUMENTS;
    draw(r, row);
    tf_mailbox_status_t status = rig_ask(r, instrument, row, out);
    if (r->numbers[instrument] < graph->window) {
      assert_int_equal(status, TF_MAILBOX_WARMING);
      continue;
    }
    assert_int_equal(status, TF_MAILBOX_OK);
    rig_right(r, graph, instrument, right);
    for (uint32_t o = 0; o < graph->output_cnt; o++)
      assert_true(fabs((double)out[o] - right[o]) <= bound * fmax(1.0, fabs(right[o])));
    answers++;
  }
  assert_true(answers >= rows / 2);
}

static void answers_are_the_models_in_each_precision(void **state) {
  (void)state;
  static const struct {
    const char *file, *precision;
    double      bound;
  } rows[] = {
      {MLP,  NULL,   TF_LOADER_ERROR_MAX_FP32},
      {MLP,  "int8", TF_LOADER_ERROR_MAX_INT8},
      {LSTM, NULL,   TF_LOADER_ERROR_MAX_FP32},
      {LSTM, "fp16", TF_LOADER_ERROR_MAX_FP16},
      {LSTM, "bf16", TF_LOADER_ERROR_MAX_BF16},
      {LSTM, "int8", LSTM_INT8_MAX           },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    rig_t r;
    rig_begin(&r, rows[i].file, INSTRUMENTS, 4);
    rig_start(&r, rows[i].file, rows[i].precision, NULL);
    assert_true(rig_serves(&r));
    ask_many(&r, &r.graph, 3 * INSTRUMENTS * r.graph.window, rows[i].bound);
    assert_true(r.view.box->device.name[0]);
    rig_stop(&r);
    assert_true(r.view.box->answered >= INSTRUMENTS);
    rig_end(&r);
  }
}

/* F70, F71: each fault, what the mailbox says, and the exit status. */
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
      {"memory=1/5",          E_GPU_MEMORY,  6},
      {"driver=1",            E_GPU_DRIVER,  5},
      {"mute=1/2,patience=1", E_GPU_HANG,    7},
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    rig_t r;
    rig_begin(&r, LSTM, INSTRUMENTS, 4);
    rig_start(&r, LSTM, "fp16", rows[i].faults);
    assert_false(rig_serves(&r));
    assert_int_equal(rig_status(&r), rows[i].status);
    assert_int_equal(r.view.box->state, TF_MAILBOX_FAILED);
    assert_int_equal((tf_err_t)r.view.box->failure, rows[i].err);
    assert_true(r.view.box->text[0]);
    rig_end(&r);
  }
}

/* One bit on its way, of each kind's program: the tensor that it is in is named. */
static void a_bit_that_is_lost_on_the_way_is_told_with_its_tensor(void **state) {
  (void)state;
  static const struct {
    const char *file, *precision, *says;
  } rows[] = {
      {LSTM, "fp16", " of node 1, lstm \"lstm\": "    },
      {LSTM, "int8", " of node 1, lstm \"lstm\": "    },
      {MLP,  "fp32", " of node 6, matmul \"dense2\": "},
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    rig_t r;
    rig_begin(&r, rows[i].file, INSTRUMENTS, 4);
    rig_start(&r, rows[i].file, rows[i].precision, "copy=1/1");
    assert_false(rig_serves(&r));
    assert_int_equal(rig_status(&r), 8);
    assert_int_equal((tf_err_t)r.view.box->failure, E_GPU_COPY);
    if (!strstr(r.view.box->text, rows[i].says) || !strstr(r.view.box->text, "CRC "))
      fail_msg("%s", r.view.box->text);
    rig_end(&r);
  }
}

/* A device that breaks under a kernel that serves: FAILED, with the text, and the process is gone. */
static void a_device_that_breaks_ends_the_worker(void **state) {
  (void)state;
  rig_t r;
  rig_begin(&r, LSTM, INSTRUMENTS, 4);
  rig_start(&r, LSTM, "fp16", "sticky=200ms");
  assert_true(rig_serves(&r));
  assert_int_equal(rig_status(&r), 7);
  assert_int_equal((tf_err_t)r.view.box->failure, E_GPU_DEVICE);
  rig_end(&r);
}

/* The worker's process lives on: only its heart shows that the kernel does not. */
static void a_kernel_that_stands_still_is_a_stopped_heart(void **state) {
  (void)state;
  rig_t r;
  rig_begin(&r, LSTM, INSTRUMENTS, 4);
  rig_start(&r, LSTM, "fp16", "freeze=200ms");
  assert_true(rig_serves(&r));
  uint64_t begun_ns = tf_clock_monotonic_ns(), beat_ns = 0, now_ns = begun_ns;
  for (; now_ns - begun_ns < RIG_LIMIT_NS; now_ns = tf_clock_monotonic_ns()) {
    beat_ns = tf_load_acquire(&r.view.box->worker_beat_ns); /* pairs with: relay */
    if (now_ns > beat_ns + TF_NS_PER_SEC) break;
    usleep(1000);
  }
  assert_true(now_ns > beat_ns + TF_NS_PER_SEC);
  assert_int_equal(kill(r.pid, 0), 0);
  rig_end(&r);
}

/* F69 as the engine sees it: the heart stops, another worker serves. */
static void a_stopped_heart_is_replaced_by_the_engines_supervisor(void **state) {
  (void)state;
  rig_t r;
  rig_begin(&r, LSTM, INSTRUMENTS, 4);
  const char *const argv[] = {rig_worker, "--model", LSTM, "--precision", "fp16", NULL};
  tf_child_config_t config = {
      .argv     = argv,
      .start_ns = RIG_LIMIT_NS,
      .heart_ns = TF_NS_PER_SEC,
      .mailbox  = {.slot_cnt       = 16,
                   .batch_max      = 4,
                   .input_cnt      = r.model->input_cnt,
                   .output_cnt     = r.model->output_cnt,
                   .instrument_cnt = INSTRUMENTS,
                   .window         = r.model->window,
                   .model_hash     = r.model->hash}
  };
  tf_child_t *worker;
  setenv("TICKFUSE_GPU_FAULTS", "freeze=200ms", 1);
  assert_int_equal(tf_child_start(&config, &worker), TF_OK);
  uint64_t begun_ns = tf_clock_monotonic_ns();
  while (tf_child_serving(worker) < 2 && tf_clock_monotonic_ns() - begun_ns < RIG_LIMIT_NS)
    usleep(1000);
  assert_true(tf_child_serving(worker) >= 2);
  assert_true(tf_child_counts(worker).ends[TF_CHILD_END_HEART] >= 1);
  unsetenv("TICKFUSE_GPU_FAULTS");
  tf_child_stop(worker);
  rig_end(&r);
}

/* ---- another model ---- */

static void write_other(const char *path, tf_graph_t *graph, float factor) {
  tf_loader_options_t options = tf_loader_preset();
  tf_model_t         *model;
  assert_int_equal(tf_loader_load(LSTM, &options, &model, graph), TF_OK);
  tf_graph_node_t *last = &graph->nodes[graph->node_cnt - 1];
  while (!last->weight) last--;
  for (uint64_t i = 0; i < last->params.weight_cnt; i++) last->weight[i] *= factor;
  free(graph->check_inputs), free(graph->check_outputs);
  graph->check_inputs = graph->check_outputs = NULL;
  assert_int_equal(tf_graph_make_checks(graph), TF_OK);
  assert_int_equal(tf_graph_file_write(graph, path), TF_OK);
  tf_loader_unload(model);
}

/* Asks for the file; what becomes of it. */
static tf_err_t ask_for(rig_t *r, const char *path, uint64_t number) {
  tf_mailbox_t *box = r->view.box;
  snprintf(box->next_model, sizeof box->next_model, "%s", path);
  tf_store_release(&box->next_cnt, number); /* pairs with: next_look */
  uint64_t begun_ns = tf_clock_monotonic_ns();
  while (tf_load_acquire(&box->next_done) != number) { /* pairs with: load_next */
    if (tf_clock_monotonic_ns() - begun_ns > RIG_LIMIT_NS) fail_msg("no word of %s", path);
    usleep(1000);
  }
  return (tf_err_t)box->next_failure;
}

/* F73: what is no model, or not of these shapes, changes nothing; a right one takes over, its windows anew. */
static void swap(const char *faults) {
  char       path[64], broken[64];
  tf_graph_t other;
  rig_t      r;
  float      row[TF_MODEL_INPUTS_MAX], out[TF_MODEL_OUTPUTS_MAX];
  snprintf(path, sizeof path, "/tmp/tickfuse-next-%d.safetensors", (int)getpid());
  snprintf(broken, sizeof broken, "/tmp/tickfuse-broken-%d.safetensors", (int)getpid());
  write_other(path, &other, -2.0f);
  FILE *f = fopen(broken, "w");
  assert_true(f && fputs("no model", f) >= 0 && fclose(f) == 0);
  rig_begin(&r, LSTM, INSTRUMENTS, 4);
  rig_start(&r, LSTM, "fp16", faults);
  assert_true(rig_serves(&r));
  const uint32_t rows = 2 * INSTRUMENTS * r.graph.window;
  ask_many(&r, &r.graph, rows, TF_LOADER_ERROR_MAX_FP16);

  assert_int_equal(ask_for(&r, "/nowhere.safetensors", 1), E_FILE_OPEN);
  assert_int_equal(ask_for(&r, broken, 2), E_MODEL_FORMAT);
  assert_int_equal(ask_for(&r, MLP, 3), E_MODEL_SHAPE);
  assert_true(r.view.box->next_text[0]);
  assert_int_equal(r.view.box->model_hash_now, 0);
  ask_many(&r, &r.graph, rows, TF_LOADER_ERROR_MAX_FP16);

  for (uint64_t i = 0; i < 3; i++) { /* there, back, and there again: both slots */
    assert_int_equal(ask_for(&r, i == 1 ? LSTM : path, 4 + i), TF_OK);
    for (uint32_t instrument = 0; instrument < INSTRUMENTS; instrument++) {
      draw(&r, row);
      assert_int_equal(rig_ask(&r, instrument, row, out), TF_MAILBOX_BEHIND);
      rig_forget(&r, instrument);
    }
    ask_many(&r, i == 1 ? &r.graph : &other, rows, 3 * TF_LOADER_ERROR_MAX_FP16);
  }
  assert_true(r.view.box->model_hash_now != 0 && r.view.box->model_hash_now != r.model->hash);
  rig_stop(&r);
  rig_end(&r);
  tf_graph_fini(&other);
  unlink(path), unlink(broken);
}

static void another_model_takes_over_and_a_wrong_one_does_not(void **state) {
  (void)state;
  swap(NULL);
}

static void a_device_without_room_for_a_second_kernel_swaps_too(void **state) {
  (void)state;
  swap("crowded=1");
}

/* ---- ends ---- */

static void a_signal_ends_it_in_order(void **state) {
  (void)state;
  rig_t r;
  rig_begin(&r, LSTM, INSTRUMENTS, 4);
  rig_start(&r, LSTM, "fp16", NULL);
  assert_true(rig_serves(&r));
  kill(r.pid, SIGTERM);
  assert_int_equal(rig_status(&r), 0);
  assert_int_equal(r.view.box->state, TF_MAILBOX_STOPPED);
  rig_end(&r);
}

static void an_orphan_ends(void **state) {
  (void)state;
  rig_t r;
  rig_begin(&r, LSTM, INSTRUMENTS, 4);
  rig_start(&r, LSTM, "fp16", NULL);
  assert_true(rig_serves(&r));
  tf_store_release(&r.view.box->engine_beat_ns, 1); /* pairs with: watch_look */
  assert_int_equal(rig_status(&r), 9);
  rig_end(&r);
}

static void a_mailbox_of_another_model_is_refused(void **state) {
  (void)state;
  rig_t r;
  rig_begin(&r, MLP, INSTRUMENTS, 4);
  rig_start(&r, LSTM, "fp16", NULL);
  assert_false(rig_serves(&r));
  assert_int_equal(rig_status(&r), 3);
  assert_int_equal((tf_err_t)r.view.box->failure, E_MODEL_SHAPE);
  rig_end(&r);
}

int main(int argc, char **argv) {
  if (argc < 2) return fprintf(stderr, "usage: test_gpu_worker TICKFUSE-GPU [--card]\n"), 1;
  rig_worker         = argv[1];
  const bool is_card = argc > 2;
  seed               = 7;
  tf_clock_calibrate();
  if (is_card) {
    char              text[RIG_TEXT_BYTES];
    const char *const probe[] = {rig_worker, "--probe", NULL};
    if (rig_run(probe, NULL, text) != 0) return printf("skipped: %s", text), 77;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(answers_are_the_models_in_each_precision),
      cmocka_unit_test(another_model_takes_over_and_a_wrong_one_does_not),
      cmocka_unit_test(a_signal_ends_it_in_order),
      cmocka_unit_test(an_orphan_ends),
      cmocka_unit_test(a_mailbox_of_another_model_is_refused),
      /* what follows breaks the device: the one that is a CPU */
      cmocka_unit_test(what_a_device_suffers_is_said_and_never_served),
      cmocka_unit_test(a_bit_that_is_lost_on_the_way_is_told_with_its_tensor),
      cmocka_unit_test(a_device_without_room_for_a_second_kernel_swaps_too),
      cmocka_unit_test(a_device_that_breaks_ends_the_worker),
      cmocka_unit_test(a_kernel_that_stands_still_is_a_stopped_heart),
      cmocka_unit_test(a_stopped_heart_is_replaced_by_the_engines_supervisor),
  };
  return _cmocka_run_group_tests("worker", tests, is_card ? 5 : TF_ARRAY_CNT(tests), NULL, NULL);
}
