/* Recurrent programs against the graph in double, and against themselves: whatever the schedule did before, and over however many
 * blocks, an answer has the bits of its window alone. */
#include "cmocka_tf.h"

#include <math.h>
#include <sched.h>
#include <string.h>

#include "card_run.h"
#include "core/error.h"
#include "gpu/card_recurrent.h"
#include "model/graph.h"
#include "model/shapes.h"
#include "recurrent_kernels.h"

static uint64_t seed = 11;

static float *noise(uint64_t cnt, float scale) {
  float *values = malloc(cnt * sizeof *values);
  tf_shapes_noise(values, cnt, &seed);
  for (uint64_t i = 0; i < cnt; i++) values[i] *= scale;
  return values;
}

static uint32_t below(uint32_t cnt) {
  float x;
  tf_shapes_noise(&x, 1, &seed);
  return (uint32_t)((x + 1.0f) * 0.5f * (float)cnt) % cnt;
}

static void append(tf_graph_t *g, const char *name, uint64_t weight_cnt, uint64_t bias_cnt,
                   float scale) {
  tf_op_params_t params = {.weight_cnt = weight_cnt, .bias_cnt = bias_cnt};
  assert_int_equal(tf_graph_append(g, tf_op_find(name), "n", &params,
                                   weight_cnt ? noise(weight_cnt, scale) : NULL,
                                   bias_cnt ? noise(bias_cnt, scale) : NULL),
                   TF_OK);
}

/* As tests/kernels/model/test_window.c has them: "+" and "*" and "w" (gemm, tanh) before, l and g layers, and a head. */
typedef struct model_case {
  const char *text;
  uint32_t    window, input_cnt, units, output_cnt;
} model_case_t;

static const model_case_t cases[] = {
    {"l",     5,  6,  7,  1 },
    {"g",     5,  6,  7,  3 },
    {"ll",    7,  3,  20, 1 },
    {"*+lll", 4,  17, 33, 2 },
    {"+gg",   9,  5,  16, 1 },
    {"wgl",   3,  4,  9,  1 },
    {"ll",    2,  8,  8,  1 },
    {"l",     19, 40, 40, 30},
};

static tf_graph_t *graph_of(const model_case_t *c) {
  tf_graph_t *g = calloc(1, sizeof *g);
  assert_int_equal(tf_graph_init(g, "case", c->input_cnt), TF_OK);
  assert_int_equal(tf_graph_set_window(g, c->window), TF_OK);
  for (const char *t = c->text; *t; t++) {
    uint64_t in = g->output_cnt, units = c->units;
    switch (*t) {
    case '+': append(g, "add", in, 0, 1.0f); break;
    case '*': append(g, "mul", in, 0, 1.0f); break;
    case 'w':
      append(g, "gemm", in * (in + 1), in + 1, 0.5f);
      append(g, "tanh", 0, 0, 0.0f);
      break;
    case 'l': append(g, "lstm", 4 * units * (in + units), 4 * units, 0.6f); break;
    case 'g': append(g, "gru", 3 * units * (in + units), 4 * units, 0.6f); break;
    }
  }
  append(g, "last", 0, 0, 0.0f);
  if (c->output_cnt == 1) {
    append(g, "gemm", 5 * (uint64_t)g->output_cnt, 5, 0.5f);
    append(g, "silu", 0, 0, 0.0f);
  }
  append(g, "gemm", c->output_cnt * (uint64_t)g->output_cnt, c->output_cnt, 0.5f);
  return g;
}

static void graph_delete(tf_graph_t *g) {
  tf_graph_fini(g);
  free(g);
}

static const struct {
  uint32_t blocks, cluster, threads;
} launches[] = {
    {1, 1, 32 },
    {1, 1, 256},
    {2, 2, 64 },
    {3, 1, 64 },
};

static const tf_card_limits_t small_card = {.sm_cnt           = 8,
                                            .cluster_max      = 8,
                                            .thread_max       = 256,
                                            .shared_bytes_max = 48 << 10,
                                            .memory_bytes     = 1u << 30};

static tf_card_program_t *program_of(const tf_graph_t *g, tf_precision_t precision, size_t launch) {
  tf_card_limits_t   limits = small_card;
  tf_card_program_t *p      = NULL;
  limits.thread_max         = launches[launch].threads;
  tf_err_t err = tf_card_recurrent_make_over(g, precision, &limits, launches[launch].blocks,
                                             launches[launch].cluster, &p);
  if (err) fail_msg("%s", tf_error_text());
  return p;
}

/* A script's run: its answers. */
#define TICKS_MAX 128u
typedef struct answers {
  float   out[TICKS_MAX * 32];
  uint8_t steps[TICKS_MAX];
} answers_t;

static void *zeroed(size_t bytes) {
  void *p = aligned_alloc(TF_LINE_PAIR_BYTES, tf_align_up(bytes, TF_LINE_PAIR_BYTES));
  memset(p, 0, tf_align_up(bytes, TF_LINE_PAIR_BYTES));
  return p;
}

static void run(const tf_card_program_t *p, const recurrent_tick_t *ticks, uint32_t tick_cnt,
                const float *rows, uint32_t instruments, uint64_t order, answers_t *answers) {
  recurrent_script_t   s = {.program  = p,
                            .states   = zeroed(p->state_bytes * instruments),
                            .scratch  = zeroed(p->scratch_bytes),
                            .ticks    = ticks,
                            .tick_cnt = tick_cnt,
                            .rows     = rows,
                            .out      = answers->out,
                            .steps    = answers->steps};
  cuda_on_cpu_launch_t l = {.grid         = p->block_cnt,
                            .cluster      = p->cluster_size,
                            .block        = p->thread_cnt,
                            .shared_bytes = p->shared_bytes + 4 * (p->input_cnt + p->output_cnt),
                            .seed         = order,
                            .kernel       = recurrent_script_kernel((tf_precision_t)p->precision),
                            .args         = &s};
  if (!cuda_on_cpu_launch(&l)) fail_msg("%s", cuda_on_cpu_text());
  free(s.states);
  free(s.scratch);
}

/* Greatest error of an output, where outputs and weights are of magnitude 1: of fp16 h a unit of 2^-12 a step or so. */
static double bound_of(int precision) {
  return precision == TF_PRECISION_FP16 ? 4e-3 : precision == TF_PRECISION_BF16 ? 4e-2 : 3e-2;
}

static const tf_precision_t precisions[] = {TF_PRECISION_FP16, TF_PRECISION_BF16,
                                            TF_PRECISION_INT8};

static void each_answer_is_near_the_graph_in_double(void **state) {
  (void)state;
  for (size_t c = 0; c < TF_ARRAY_CNT(cases); c++) {
    tf_graph_t      *g                 = graph_of(&cases[c]);
    uint32_t         ticks             = 2 * g->window + 3;
    float           *rows              = noise((uint64_t)ticks * g->input_cnt, 1.0f);
    recurrent_tick_t script[TICKS_MAX] = {{0}};
    for (uint32_t t = 0; t < ticks; t++) script[t] = (recurrent_tick_t){0, t == 0, UINT32_MAX};
    for (size_t l = 0; l < TF_ARRAY_CNT(launches); l++)
      for (size_t k = 0; k < TF_ARRAY_CNT(precisions); k++) {
        tf_card_program_t *p = program_of(g, precisions[k], l);
        answers_t          a;
        double             worst = 0;
        run(p, script, ticks, rows, 1, c * 100 + l * 10 + k, &a);
        for (uint32_t t = 0; t < ticks; t++) {
          double want[32];
          assert_int_equal(a.steps[t],
                           t + 1 < g->window ? TF_CARD_STEP_WARMING : TF_CARD_STEP_DONE);
          if (t + 1 < g->window) continue;
          assert_int_equal(
              tf_graph_eval(g, rows + (size_t)(t + 1 - g->window) * g->input_cnt, want), TF_OK);
          for (uint32_t o = 0; o < g->output_cnt; o++)
            worst = fmax(worst, fabs(want[o] - (double)a.out[t * g->output_cnt + o]));
        }
        if (!(worst <= bound_of((int)precisions[k])))
          fail_msg("%s, precision %d, launch %zu: off by %g", cases[c].text, (int)precisions[k], l,
                   worst);
        free(p);
      }
    free(rows);
    graph_delete(g);
  }
}

/* Each tick's window alone, from a reset, with nothing done in between: the bits that any schedule must give. */
static void recompute(const tf_card_program_t *p, const float *rows, uint32_t last, float *out) {
  recurrent_tick_t script[TICKS_MAX] = {{0}};
  answers_t        a;
  for (uint32_t t = 0; t < p->window; t++) script[t] = (recurrent_tick_t){0, t == 0, 0};
  run(p, script, p->window, rows + (size_t)(last + 1 - p->window) * p->input_cnt, 1, last, &a);
  memcpy(out, a.out + (p->window - 1) * p->output_cnt, p->output_cnt * sizeof *out);
}

static void deferred_work_that_is_late_or_torn_changes_no_bit(void **state) {
  (void)state;
  for (size_t c = 0; c < TF_ARRAY_CNT(cases); c++) {
    tf_graph_t    *g         = graph_of(&cases[c]);
    tf_precision_t precision = precisions[c % TF_ARRAY_CNT(precisions)];
    uint32_t       ticks     = 3 * g->window + 9;
    float         *rows      = noise((uint64_t)ticks * g->input_cnt, 1.0f);
    for (size_t l = 0; l < TF_ARRAY_CNT(launches); l++) {
      tf_card_program_t *p                 = program_of(g, precision, l);
      recurrent_tick_t   script[TICKS_MAX] = {{0}};
      answers_t          a;
      for (uint32_t t = 0; t < ticks; t++)
        script[t] = (recurrent_tick_t){0, t == 0, below(3) ? below(4) : UINT32_MAX};
      for (uint32_t t = ticks - g->window / 2; t < ticks; t++) script[t].pieces = 0; /* a burst */
      run(p, script, ticks, rows, 1, l, &a);
      for (uint32_t t = g->window - 1; t < ticks; t += 1 + below(4)) {
        float want[32];
        recompute(p, rows, t, want);
        if (memcmp(a.out + t * p->output_cnt, want, p->output_cnt * sizeof *want) != 0)
          fail_msg("%s, precision %d, launch %zu, tick %u: %a and %a", cases[c].text,
                   (int)precision, l, t, (double)a.out[t * p->output_cnt], (double)want[0]);
      }
      free(p);
    }
    free(rows);
    graph_delete(g);
  }
}

static void instruments_and_resets_do_not_touch_one_another(void **state) {
  (void)state;
  tf_graph_t *g = graph_of(&cases[2]);
  for (size_t l = 0; l < TF_ARRAY_CNT(launches); l++) {
    tf_card_program_t *p                 = program_of(g, TF_PRECISION_FP16, l);
    recurrent_tick_t   script[TICKS_MAX] = {{0}};
    float              rows[TICKS_MAX * 3], own[3][TICKS_MAX * 3], want[32];
    uint32_t           own_cnt[3] = {0, 0, 0};
    answers_t          a;
    tf_shapes_noise(rows, TF_ARRAY_CNT(rows), &seed);
    for (uint32_t t = 0; t < TICKS_MAX; t++)
      script[t] = (recurrent_tick_t){below(3), t < 1 || below(30) == 0, below(4)};
    bool begun[3] = {false, false, false};
    for (uint32_t t = 0; t < TICKS_MAX; t++) {
      script[t].is_reset          = script[t].is_reset || !begun[script[t].instrument];
      begun[script[t].instrument] = true;
    }
    run(p, script, TICKS_MAX, rows, 3, 5 + l, &a);
    for (uint32_t t = 0; t < TICKS_MAX; t++) {
      uint32_t i = script[t].instrument;
      if (script[t].is_reset) own_cnt[i] = 0;
      memcpy(own[i] + 3 * own_cnt[i]++, rows + 3 * t, 3 * sizeof *rows);
      assert_int_equal(a.steps[t],
                       own_cnt[i] < p->window ? TF_CARD_STEP_WARMING : TF_CARD_STEP_DONE);
      if (own_cnt[i] < p->window || t % 5) continue;
      recompute(p, own[i], own_cnt[i] - 1, want);
      assert_memory_equal(a.out + t * p->output_cnt, want, p->output_cnt * sizeof *want);
    }
    free(p);
  }
  graph_delete(g);
}

/* A price of 1e5 of which the last digits matter, and one of 1e-30: a row is not rounded to the weights' type. */
static void rows_of_any_magnitude_keep_their_digits(void **state) {
  (void)state;
  static const float magnitudes[] = {1e5f, 1e-30f, 3e38f / 64};
  for (size_t m = 0; m < TF_ARRAY_CNT(magnitudes); m++) {
    tf_graph_t *g = calloc(1, sizeof *g);
    assert_int_equal(tf_graph_init(g, "case", 4), TF_OK);
    assert_int_equal(tf_graph_set_window(g, 2), TF_OK);
    append(g, "lstm", 4 * 8 * 12, 32, 0.6f);
    for (uint32_t row = 0; row < 32;
         row++) /* x0 - x1, of which all but the last digits are alike */
      for (uint32_t k = 0; k < 4; k++)
        g->nodes[0].weight[row * 12 + k] = k == 0 ? 0.5f : k == 1 ? -0.5f : 0.0f;
    append(g, "last", 0, 0, 0.0f);
    append(g, "gemm", 8, 1, 0.5f);
    tf_card_program_t *p = program_of(g, TF_PRECISION_FP16, 0);
    float              rows[8];
    double             want;
    for (uint32_t i = 0; i < 8; i++) rows[i] = magnitudes[m] * (1.0f + (float)i * 0x1p-17f);
    recurrent_tick_t script[2] = {
        {0, true,  UINT32_MAX},
        {0, false, 0         }
    };
    answers_t a;
    run(p, script, 2, rows, 1, m, &a);
    assert_int_equal(tf_graph_eval(g, rows, &want), TF_OK);
    assert_true(fabs(want - (double)a.out[1]) < 4e-3);
    free(p);
    graph_delete(g);
  }
}

static const tf_card_limits_t h100 = {.sm_cnt           = 132,
                                      .cluster_max      = 8,
                                      .thread_max       = 1024,
                                      .shared_bytes_max = 232448,
                                      .memory_bytes     = UINT64_C(1) << 33};

static const tf_card_recurrent_t *header_of(const tf_card_program_t *p) {
  return (const tf_card_recurrent_t *)(const void *)tf_card_image(p);
}

/* Of the block that has most. */
static void count_quads(const tf_card_program_t *p, uint32_t *held, uint32_t *shared,
                        uint32_t *far) {
  const tf_card_recurrent_t *r = header_of(p);
  const tf_card_warp_t      *warps =
      (const tf_card_warp_t *)(const void *)(tf_card_image(p) + r->warps_at);
  *held = *shared = *far = 0;
  for (uint32_t w = 0; w < r->warp_cnt; w++) { /* block 0 has tiles of every layer */
    *held += warps[w].register_cnt;
    *shared += warps[w].shared_cnt;
    *far += warps[w].quad_cnt - warps[w].register_cnt - warps[w].shared_cnt;
  }
}

static void the_published_shapes_lie_where_the_header_says(void **state) {
  (void)state;
  static const struct {
    const char *name;
    uint32_t    blocks, cluster, split, held, shared, far;
  } plans[] = {
      {"lstm_a", 1,   1, 1, 320, 380, 0  },
      {"lstm_b", 8,   8, 1, 280, 287, 0  },
      {"lstm_c", 125, 1, 4, 320, 385, 241},
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(plans); i++) {
    tf_graph_t *g = calloc(1, sizeof *g);
    assert_int_equal(tf_shapes_make(g, plans[i].name, 1), TF_OK);
    tf_card_program_t *p = NULL;
    uint32_t           held, shared, far;
    assert_int_equal(tf_card_recurrent_make(g, TF_PRECISION_FP16, &h100, &p), TF_OK);
    count_quads(p, &held, &shared, &far);
    print_message(
        "%s: %u blocks, clusters of %u, split %u, %u bytes shared, quads %u %u %u, state %llu\n",
        plans[i].name, p->block_cnt, p->cluster_size, header_of(p)->split, tf_loop_shared_bytes(p),
        held, shared, far, (unsigned long long)p->state_bytes);
    assert_true(tf_loop_shared_bytes(p) <= h100.shared_bytes_max);
    assert_int_equal(p->block_cnt, plans[i].blocks);
    assert_int_equal(p->cluster_size, plans[i].cluster);
    assert_int_equal(header_of(p)->split, plans[i].split);
    assert_int_equal(held, plans[i].held);
    assert_int_equal(shared, plans[i].shared);
    assert_int_equal(far, plans[i].far);
    free(p);
    graph_delete(g);
  }
}

static void what_has_no_form_is_refused_with_its_reason(void **state) {
  (void)state;
  tf_card_program_t *p = NULL;
  tf_graph_t        *g = graph_of(&cases[0]);
  assert_int_equal(tf_card_recurrent_make(g, TF_PRECISION_FP32, &h100, &p), E_MODEL_UNSUPPORTED);
  assert_non_null(strstr(tf_error_text(), "fp16, bf16 or int8"));
  g->nodes[0].weight[9] = 65536.0f;
  assert_int_equal(tf_card_recurrent_make(g, TF_PRECISION_FP16, &h100, &p), E_MODEL_UNSUPPORTED);
  assert_non_null(strstr(tf_error_text(), "node 0, lstm \"n\", weight 9 is 65536"));
  assert_int_equal(tf_card_recurrent_make(g, TF_PRECISION_BF16, &h100, &p), TF_OK);
  free(p);
  append(g, "softmax", 0, 0, 0.0f);
  assert_int_equal(tf_card_recurrent_make(g, TF_PRECISION_BF16, &h100, &p), E_MODEL_UNSUPPORTED);
  assert_non_null(strstr(tf_error_text(), "softmax"));
  graph_delete(g);

  g = calloc(1, sizeof *g);
  assert_int_equal(tf_shapes_make(g, "lstm_b", 1), TF_OK);
  tf_card_limits_t poor = h100;
  poor.sm_cnt           = 1;
  poor.shared_bytes_max = 48 << 10;
  assert_int_equal(tf_card_recurrent_make(g, TF_PRECISION_FP16, &poor, &p), E_MODEL_UNSUPPORTED);
  assert_non_null(strstr(tf_error_text(), "does not fit"));
  graph_delete(g);

  g = calloc(1, sizeof *g);
  assert_int_equal(tf_shapes_make(g, "mlp", 1), TF_OK);
  assert_int_equal(tf_card_recurrent_make(g, TF_PRECISION_FP16, &h100, &p), E_MODEL_UNSUPPORTED);
  graph_delete(g);
}

/* All of it: rows through a mailbox, the persistent loop, answers, a swap. */
static void a_model_answers_behind_a_mailbox(void **state) {
  (void)state;
  tf_graph_t *g = graph_of(&cases[1]), *h = graph_of(&cases[1]);
  for (size_t l = 0; l < TF_ARRAY_CNT(launches); l++) {
    tf_card_program_t *p = program_of(g, TF_PRECISION_FP16, l),
                      *q = program_of(h, TF_PRECISION_FP16, l);
    card_run_spec_t spec = {
        .slots          = {p, q},
        .kernel         = recurrent_loop_kernel(TF_PRECISION_FP16),
        .instrument_cnt = 2,
        .batch_max      = 2,
        .slot_cnt       = 8,
        .seed           = l
    };
    card_run_t card;
    card_run_init(&card, &spec);
    card_run_start(&card);
    for (int swap = 0; swap < 2; swap++) {
      float  rows[14 * 6], out[8];
      double want[8];
      tf_shapes_noise(rows, TF_ARRAY_CNT(rows), &seed);
      for (uint32_t n = 1; n <= 14; n++) {
        tf_mailbox_status_t status =
            card_run_ask(&card, 1, n, n == 1 ? TF_MAILBOX_RESET : 0, rows + 6 * (n - 1), out);
        assert_int_equal(status, n < 5 ? TF_MAILBOX_WARMING : TF_MAILBOX_OK);
        if (n < 5) continue;
        assert_int_equal(tf_graph_eval(swap ? h : g, rows + 6 * (n - 5), want), TF_OK);
        for (int o = 0; o < 3; o++)
          assert_true(fabs(want[o] - (double)out[o]) < bound_of(TF_PRECISION_FP16));
      }
      tf_store_release_u32(&card.control.slot, 1); /* pairs with: tf_load_system */
      while (tf_load_acquire_u32(&card.control.slot_used) != 1)
        sched_yield(); /* pairs with: tf_card_loop */
    }
    card_run_stop(&card);
    assert_int_equal(card.control.left, TF_CARD_ENDED);
    card_run_fini(&card);
    free(p);
    free(q);
  }
  graph_delete(g);
  graph_delete(h);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_answer_is_near_the_graph_in_double),
      cmocka_unit_test(deferred_work_that_is_late_or_torn_changes_no_bit),
      cmocka_unit_test(instruments_and_resets_do_not_touch_one_another),
      cmocka_unit_test(rows_of_any_magnitude_keep_their_digits),
      cmocka_unit_test(the_published_shapes_lie_where_the_header_says),
      cmocka_unit_test(what_has_no_form_is_refused_with_its_reason),
      cmocka_unit_test(a_model_answers_behind_a_mailbox),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
