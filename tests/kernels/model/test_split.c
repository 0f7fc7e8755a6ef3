/* A model on two lanes: the bits of one, whatever the helper does. */
#include "cmocka_tf.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/error.h"
#include "model/loader.h"
#include "model/shapes.h"
#include "tf/atomic.h"

#define TICKS      400u
#define NEVER      UINT32_MAX
#define ROUNDS_MAX 100000u

/* What the helper's thread does; set before it starts. */
typedef struct helper {
  const tf_model_t *model;
  pthread_t         thread;
  uint32_t          stopping; /* by the test's thread */
} helper_t;

static uint32_t               stall_every = NEVER, die_at = NEVER; /* jobs */
static _Thread_local bool     is_helper;
static _Thread_local uint32_t multiplied;
static uint32_t               multiplied_jobs; /* by the helper; read when it has ended */
static tf_mat_mul_t           real_mul;

/* In the place of the helper's multiplication: sleeps, or ends the thread, in the middle of a job. The lane's own use of it
 * when the helper is late is not touched. */
static void troubled_mul(const tf_mat_t *mat, const void *rows, uint32_t row_cnt, const float *add,
                         size_t add_stride, float *out, size_t out_stride) {
  if (is_helper) multiplied_jobs = ++multiplied;
  if (is_helper && multiplied % stall_every == 0)
    nanosleep(&(struct timespec){.tv_nsec = 300 * 1000}, NULL);
  if (is_helper && multiplied == die_at) pthread_exit(NULL);
  real_mul(mat, rows, row_cnt, add, add_stride, out, out_stride);
}

static void *help(void *arg) {
  helper_t *h = arg;
  is_helper   = true;
  while (!tf_load_relaxed_u32(&h->stopping)) { /* relaxed: a flag alone */
    (void)h->model->assist(h->model);
    tf_spin_pause();
  }
  return NULL;
}

static tf_split_t *split_of(const tf_model_t *model) { return tf_loader_window(model)->split; }

static uint64_t done_of(const tf_split_t *split) {
  return tf_load_acquire(&split->done); /* pairs with: tf_split_assist */
}

static void append(tf_graph_t *g, const char *name, uint64_t weight_cnt, uint64_t bias_cnt,
                   uint64_t *seed) {
  tf_op_params_t params = {.weight_cnt = weight_cnt, .bias_cnt = bias_cnt};
  float         *weight = weight_cnt ? malloc(weight_cnt * sizeof *weight) : NULL;
  float         *bias   = bias_cnt ? malloc(bias_cnt * sizeof *bias) : NULL;
  tf_shapes_noise(weight, weight_cnt, seed);
  tf_shapes_noise(bias, bias_cnt, seed);
  assert_int_equal(tf_graph_append(g, tf_op_find(name), "n", &params, weight, bias), TF_OK);
}

/* Two recurrent layers and a head. */
static tf_graph_t *graph_of(const char *op, uint32_t gates, uint32_t units) {
  tf_graph_t *g    = calloc(1, sizeof *g);
  uint64_t    seed = 5, in = 9, wide = units;
  assert_int_equal(tf_graph_init(g, "split", 9), TF_OK);
  assert_int_equal(tf_graph_set_window(g, 6), TF_OK);
  for (int i = 0; i < 2; i++, in = wide) append(g, op, gates * wide * (in + wide), 4 * wide, &seed);
  append(g, "last", 0, 0, &seed);
  append(g, "gemm", wide, 1, &seed);
  return g;
}

static tf_err_t make(const tf_graph_t *g, tf_isa_t isa, int precision, uint32_t lanes,
                     tf_model_t **model) {
  tf_loader_options_t options = {
      .isa = isa, .model = {.precision = (tf_precision_t)precision, .lanes = lanes}
  };
  return tf_loader_make(g, &options, model);
}

static void check_ticks(const tf_model_t *one, const tf_model_t *two, uint32_t ticks) {
  tf_loader_session_t a, b;
  uint64_t            seed = 3;
  assert_int_equal(tf_loader_session_init(&a, one), TF_OK);
  assert_int_equal(tf_loader_session_init(&b, two), TF_OK);
  one->reset(one, a.state);
  two->reset(two, b.state);
  for (uint32_t i = 0; i < ticks; i++) {
    float row[16], x = 0.0f, y = 0.0f;
    tf_shapes_noise(row, 9, &seed);
    bool good = one->step(one, a.state, a.scratch, row, &x);
    assert_int_equal(two->step(two, b.state, b.scratch, row, &y), good);
    assert_memory_equal(&x, &y, sizeof x);
    if (i % 7 == 3) continue; /* late: the next step catches up */
    one->advance(one, a.state, a.scratch);
    two->advance(two, b.state, b.scratch);
  }
  tf_loader_session_fini(&a);
  tf_loader_session_fini(&b);
}

static void start(helper_t *h, const tf_model_t *model) {
  *h = (helper_t){.model = model};
  assert_int_equal(pthread_create(&h->thread, NULL, help, h), 0);
}

static void stop(helper_t *h) {
  tf_store_relaxed_u32(&h->stopping, 1); /* relaxed: a flag alone */
  pthread_join(h->thread, NULL);
}

static void answers_are_the_bits_of_one_lane(void **state) {
  (void)state;
  static const struct {
    const char *op;
    uint32_t    gates, units;
  } shapes[] = {
      {"lstm", 4, 33},
      {"lstm", 4, 80},
      {"gru",  3, 70}
  };
  for (size_t s = 0; s < TF_ARRAY_CNT(shapes); s++) {
    tf_graph_t *g = graph_of(shapes[s].op, shapes[s].gates, shapes[s].units);
    for (int isa = 0; isa < TF_ISA_CNT; isa++)
      for (int precision = 0; precision < TF_PRECISION_CNT; precision++) {
        tf_model_t *one, *two;
        helper_t    helper;
        if (!tf_isa_supported((tf_isa_t)isa)) continue;
        assert_int_equal(make(g, (tf_isa_t)isa, precision, 1, &one), TF_OK);
        assert_int_equal(make(g, (tf_isa_t)isa, precision, 2, &two), TF_OK);
        assert_null(one->assist);
        start(&helper, two);
        check_ticks(one, two, 60);
        stop(&helper);
        assert_true(split_of(two)->order >= 1);
        tf_loader_unload(one);
        tf_loader_unload(two);
      }
    tf_graph_fini(g);
    free(g);
  }
}

static void with_trouble(uint32_t stall, uint32_t death, bool has_helper) {
  tf_graph_t *g = graph_of("lstm", 4, 48);
  tf_model_t *one, *two;
  helper_t    helper;
  assert_int_equal(make(g, tf_isa_best(), TF_PRECISION_FP32, 1, &one), TF_OK);
  assert_int_equal(make(g, tf_isa_best(), TF_PRECISION_FP32, 2, &two), TF_OK);
  tf_split_t *split = split_of(two);
  real_mul          = split->jobs[0].helper.mul;
  stall_every = stall, die_at = death;
  for (uint32_t i = 0; i < split->job_cnt; i++) split->jobs[i].helper.mul = troubled_mul;
  if (has_helper) start(&helper, two);
  check_ticks(one, two, TICKS);
  if (has_helper) { /* until the helper had its turn: only how often is left to the scheduler */
    for (uint32_t i = 0; i < ROUNDS_MAX && (split->late_cnt == 0 || done_of(split) < 4); i++) {
      sched_yield();
      check_ticks(one, two, TICKS);
    }
    check_ticks(one, two, TICKS);
    stop(&helper);
    assert_true(multiplied_jobs > 0);
  }
  assert_true(split->late_cnt > 0 && split->alone_cnt >= split->late_cnt);
  if (!has_helper) assert_int_equal(split->late_cnt, 1);
  if (!has_helper || death != NEVER) assert_true(split->done < split->order); /* it stays open */
  tf_loader_unload(one);
  tf_loader_unload(two);
  tf_graph_fini(g);
  free(g);
}

static void without_a_helper_one_wait_is_lost(void **state) {
  (void)state;
  with_trouble(NEVER, NEVER, false);
}

static void helper_that_stalls_in_a_job_is_not_waited_for(void **state) {
  (void)state;
  with_trouble(3, NEVER, true);
}

static void helper_that_dies_in_a_job_is_done_without(void **state) {
  (void)state;
  with_trouble(NEVER, 5, true);
}

/* An order that was given up is answered late: the next ones are shared again. */
static void helper_that_catches_up_is_asked_again(void **state) {
  (void)state;
  tf_graph_t *g = graph_of("lstm", 4, 48);
  tf_model_t *one, *two;
  assert_int_equal(make(g, tf_isa_best(), TF_PRECISION_FP32, 1, &one), TF_OK);
  assert_int_equal(make(g, tf_isa_best(), TF_PRECISION_FP32, 2, &two), TF_OK);
  tf_split_t *split = split_of(two);
  assert_int_equal(two->assist(two), 0); /* nothing was ordered */
  check_ticks(one, two, 20);
  assert_int_equal(split->order, 1);
  assert_int_equal(two->assist(two), 1);
  assert_int_equal(two->assist(two), 0);
  check_ticks(one, two, 20);
  assert_int_equal(split->order, 2);
  assert_int_equal(split->late_cnt, 2);
  tf_loader_unload(one);
  tf_loader_unload(two);
  tf_graph_fini(g);
  free(g);
}

static void models_without_wide_recurrent_layers_are_refused(void **state) {
  (void)state;
  tf_graph_t *g = graph_of("lstm", 4, 32); /* 128 gates: two panels */
  tf_model_t *model;
  assert_int_equal(make(g, TF_ISA_SCALAR, TF_PRECISION_FP32, 2, &model), E_MODEL_UNSUPPORTED);
  assert_non_null(strstr(tf_error_text(), "of 129 gates and more"));
  assert_int_equal(make(g, TF_ISA_SCALAR, TF_PRECISION_FP32, 1, &model), TF_OK);
  tf_loader_unload(model);
  tf_graph_fini(g);
  memset(g, 0, sizeof *g);
  assert_int_equal(tf_shapes_make(g, "mlp", 1), TF_OK);
  assert_int_equal(make(g, TF_ISA_SCALAR, TF_PRECISION_FP32, 2, &model), E_MODEL_UNSUPPORTED);
  assert_non_null(strstr(tf_error_text(), "over a window"));
  tf_graph_fini(g);
  free(g);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(answers_are_the_bits_of_one_lane),
      cmocka_unit_test(without_a_helper_one_wait_is_lost),
      cmocka_unit_test(helper_that_stalls_in_a_job_is_not_waited_for),
      cmocka_unit_test(helper_that_dies_in_a_job_is_done_without),
      cmocka_unit_test(helper_that_catches_up_is_asked_again),
      cmocka_unit_test(models_without_wide_recurrent_layers_are_refused),
  };
  tf_clock_calibrate();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
