/* Attention as one step of a plan against the same net with a step a node: the same bits on every instruction set and in every
 * precision, over shapes that are no multiple of anything, with masks of every kind; and what is no attention stays apart. */
#include "cmocka_tf.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/model/net_build.h"
#include "model/net_plan.h"

#define COLUMNS 6u
#define HIDDEN  (-3.4e38f) /* as exporters hide what is behind a text */

typedef enum mask {
  MASK_NONE,
  MASK_KEYS,   /* [1,1,1,keys], computed from the window's first column */
  MASK_CAUSAL, /* [tokens,tokens], a constant */
  MASK_HEADS,  /* [heads,1,tokens], a constant of its own for each head */
  MASK_CNT
} mask_t;

typedef enum form {
  FORM_TURNED,  /* the keys by one transpose, as [heads,width,tokens] */
  FORM_PRODUCT, /* the keys as [heads,tokens,width], turned by the product */
  FORM_FLAT,    /* one head, no transposes but that of the keys */
  FORM_BATCH,   /* a first axis of 1 that is dropped between transposes and products */
  FORM_CNT
} form_t;

typedef struct attention {
  uint32_t tokens, heads, width, out_width;
  mask_t   mask;
  form_t   form;
} attention_t;

static const attention_t grid[] = {
    {1,   1, 1,  1,  MASK_NONE,   FORM_TURNED },
    {1,   3, 5,  2,  MASK_KEYS,   FORM_PRODUCT},
    {2,   2, 16, 16, MASK_CAUSAL, FORM_TURNED },
    {7,   2, 3,  19, MASK_HEADS,  FORM_TURNED },
    {8,   2, 16, 16, MASK_KEYS,   FORM_PRODUCT},
    {13,  1, 33, 7,  MASK_CAUSAL, FORM_FLAT   },
    {15,  4, 8,  8,  MASK_KEYS,   FORM_BATCH  },
    {16,  2, 16, 16, MASK_KEYS,   FORM_TURNED },
    {17,  1, 16, 1,  MASK_NONE,   FORM_FLAT   },
    {21,  3, 1,  40, MASK_HEADS,  FORM_PRODUCT},
    {24,  2, 32, 32, MASK_CAUSAL, FORM_PRODUCT},
    {33,  2, 17, 33, MASK_KEYS,   FORM_BATCH  },
    {128, 2, 16, 16, MASK_KEYS,   FORM_TURNED },
    {512, 1, 12, 16, MASK_KEYS,   FORM_PRODUCT},
};

/* ---- nets ---- */

/* [1,tokens,heads * width] as heads. */
static uint32_t heads_of(build_t *b, const attention_t *a, uint32_t width, bool turned) {
  uint32_t x = both(b, "matmul", TF_NET_INPUT, RANDOM(b, COLUMNS, a->heads * width));
  if (a->form == FORM_FLAT) return turned ? MOVE(b, "transpose", x, 1, 0) : x;
  x = MOVE(b, "reshape", x, 1, a->tokens, a->heads, width);
  x = turned ? MOVE(b, "transpose", x, 0, 2, 3, 1) : MOVE(b, "transpose", x, 0, 2, 1, 3);
  if (a->form != FORM_BATCH) return x;
  return turned ? MOVE(b, "reshape", x, a->heads, width, a->tokens)
                : MOVE(b, "reshape", x, a->heads, a->tokens, width);
}

static uint32_t mask_of(build_t *b, const attention_t *a) {
  const uint32_t t = a->tokens, keys = t;
  uint32_t       x;
  float         *values = calloc((size_t)t * keys, sizeof *values);
  switch (a->mask) {
  case MASK_KEYS: /* 0 where the first column is above -0.4 */
    x = MOVE(b, "slice", TF_NET_INPUT, 0, t, 1, 0, 1, 1);
    x = both(b, "less", x, number(b, -0.4));
    x = both(b, "mul", x, number(b, (double)HIDDEN));
    x = a->form == FORM_FLAT ? MOVE(b, "reshape", x, 1, keys)
                             : MOVE(b, "reshape", x, 1, 1, 1, keys);
    if (a->form == FORM_BATCH) x = MOVE(b, "reshape", x, 1, 1, keys);
    break;
  case MASK_CAUSAL:
    for (uint32_t i = 0; i < t * keys; i++) values[i] = i % keys > i / keys ? -1e30f : 0.0f;
    x = add_values(b, 2, (uint32_t[]){t, keys}, values);
    break;
  default: x = RANDOM(b, a->heads, 1, keys); break;
  }
  free(values);
  return x;
}

/* The net up to its answer, [1,tokens,heads * out_width] or what FORM_FLAT leaves; parts: what tests read besides. */
typedef struct parts {
  uint32_t scores, weights, mixed, out;
} parts_t;

static parts_t begin_attention(build_t *b, const attention_t *a) {
  const int64_t yes    = 1;
  const bool    turned = a->form != FORM_PRODUCT;
  parts_t       p;
  begin_window(b, a->tokens, COLUMNS);
  const uint32_t q = heads_of(b, a, a->width, false), k = heads_of(b, a, a->width, turned),
                 v     = heads_of(b, a, a->out_width, false);
  p.scores             = put(b, "matmul", NULL, (uint32_t[]){q, k}, 2, &yes, !turned, NULL, 0);
  const uint32_t added = a->mask ? both(b, "add", p.scores, mask_of(b, a)) : p.scores;
  p.weights            = put(b, "rows", "softmax", &added, 1, NULL, 0, NULL, 0);
  p.mixed = p.out = both(b, "matmul", p.weights, v);
  if (a->form == FORM_FLAT) return p;
  p.out = a->form == FORM_BATCH ? MOVE(b, "transpose", p.mixed, 1, 0, 2)
                                : MOVE(b, "transpose", p.mixed, 0, 2, 1, 3);
  p.out = MOVE(b, "reshape", p.out, 1, a->tokens, a->heads * a->out_width);
  return p;
}

static uint32_t joined(const tf_net_t *net) {
  tf_net_plan_t *plan;
  uint32_t       cnt = 0;
  assert_int_equal(tf_net_plan_new(net, TF_ISA_SCALAR, TF_PRECISION_FP32, &plan), TF_OK);
  for (uint32_t i = 0; i < plan->call_cnt; i++)
    cnt += strcmp(plan->calls[i].use.op->name, "attention") == 0;
  tf_net_plan_delete(plan);
  return cnt;
}

/* ---- the same bits ---- */

static void *memory(size_t bytes) {
  void *at = aligned_alloc(TF_LINE_BYTES, tf_align_up(bytes, TF_LINE_BYTES));
  assert_non_null(at);
  return memset(at, 0xff, bytes);
}

static void fill(build_t *b, const tf_net_t *net, uint32_t round, float *rows) {
  for (uint32_t i = 0; i < net->window * net->input_cnt; i++) rows[i] = 2.0f * uniform(b);
  if (round == 1) /* of all tokens only the first is there */
    for (uint32_t i = 1; i < net->window; i++) rows[i * net->input_cnt] = -1.0f;
  rows[0] = 1.0f;
  if (round == 2) rows[1] = NAN;
}

static void compare(build_t *b, tf_isa_t isa, tf_precision_t precision, const char *name) {
  const tf_net_t *net = b->net;
  tf_net_plan_t  *one_step, *apart;
  const uint32_t  cnt = tf_net_output_cnt(net);
  assert_int_equal(tf_net_plan_new(net, isa, precision, &one_step), TF_OK);
  assert_int_equal(
      tf_net_plan_new_part(net, isa, precision, net->nodes[net->node_cnt - 1].out, &apart), TF_OK);
  float *rows = memory((size_t)net->window * net->input_cnt * sizeof *rows);
  float *out = memory(cnt * sizeof *out), *want = memory(cnt * sizeof *want);
  void  *scratch = memory(one_step->scratch_bytes), *other = memory(apart->scratch_bytes);
  for (uint32_t round = 0; round < 3; round++) {
    fill(b, net, round, rows);
    tf_net_plan_run(one_step, scratch, rows, out);
    tf_net_plan_run(apart, other, rows, want);
    for (uint32_t i = 0; i < cnt; i++) {
      if (memcmp(&out[i], &want[i], sizeof *out) == 0 || (isnan(out[i]) && isnan(want[i])))
        continue;
      fail_msg("%s, %s, precision %d, round %u: value %u is %.9g, with a step a node %.9g", name,
               tf_isa_name(isa), (int)precision, round, i, (double)out[i], (double)want[i]);
    }
    if (round == 2) assert_true(isnan(out[0]));
  }
  tf_net_plan_delete(one_step);
  tf_net_plan_delete(apart);
  free(rows);
  free(out);
  free(want);
  free(scratch);
  free(other);
}

static void one_step_gives_the_bits_of_a_step_a_node(void **state) {
  (void)state;
  for (size_t i = 0; i < TF_ARRAY_CNT(grid); i++) {
    build_t b;
    char    name[64];
    snprintf(name, sizeof name, "row %zu of the grid", i);
    const parts_t p = begin_attention(&b, &grid[i]);
    assert_int_equal(tf_net_end(b.net, p.out), TF_OK);
    if (joined(b.net) != 1) fail_msg("%s is not taken for attention", name);
    for (int isa = 0; isa < TF_ISA_CNT; isa++)
      for (int precision = 0; precision < TF_PRECISION_CNT; precision++)
        if (tf_isa_supported((tf_isa_t)isa))
          compare(&b, (tf_isa_t)isa, (tf_precision_t)precision, name);
    tf_net_delete(b.net);
  }
}

/* ---- what stays apart ---- */

static void expect(build_t *b, uint32_t out, uint32_t cnt, const char *name) {
  assert_int_equal(tf_net_end(b->net, out), TF_OK);
  if (joined(b->net) != cnt) fail_msg("%s: %u attentions, not %u", name, joined(b->net), cnt);
  compare(b, tf_isa_best(), TF_PRECISION_FP32, name);
  tf_net_delete(b->net);
}
static void apart(build_t *b, uint32_t out, const char *name) { expect(b, out, 0, name); }

static uint32_t sum_of(build_t *b, uint32_t value) {
  const uint32_t flat = MOVE(b, "reshape", value, b->net->values[value].shape.cnt);
  return MOVE(b, "reduce_sum", flat, 0, 0);
}

static void what_is_read_elsewhere_stays(void **state) {
  (void)state;
  static const attention_t plain = {9, 2, 4, 4, MASK_NONE, FORM_TURNED};
  build_t                  b;
  parts_t                  p = begin_attention(&b, &plain);
  apart(&b, both(&b, "add", sum_of(&b, p.out), sum_of(&b, p.weights)), "weights that are read");
  p = begin_attention(&b, &plain);
  apart(&b, both(&b, "add", sum_of(&b, p.out), sum_of(&b, p.scores)), "scores that are read");
  p = begin_attention(&b, &plain); /* the product's own value, without the transpose behind it */
  expect(&b, both(&b, "add", sum_of(&b, p.out), sum_of(&b, p.mixed)), 1, "a product read twice");
}

/* Rows of the window as one matrix of its own, [9,columns]. */
static uint32_t rows_of(build_t *b, uint32_t columns) {
  return both(b, "matmul", TF_NET_INPUT, RANDOM(b, COLUMNS, columns));
}

static uint32_t mixed_of(build_t *b, uint32_t scores, uint32_t values) {
  return both(b, "matmul", put(b, "rows", "softmax", &scores, 1, NULL, 0, NULL, 0), values);
}

static uint32_t heads_apart(build_t *b, uint32_t heads, bool turned) {
  const uint32_t x = MOVE(b, "reshape", rows_of(b, heads * 4), 9, heads, 4);
  return turned ? MOVE(b, "transpose", x, 1, 2, 0) : MOVE(b, "transpose", x, 1, 0, 2);
}

static void factors_that_do_not_lie_as_heads_of_rows_stay(void **state) {
  (void)state;
  build_t b;
  begin_window(&b, 9, COLUMNS);
  uint32_t scores = both(&b, "matmul", rows_of(&b, 4), RANDOM(&b, 4, 9));
  apart(&b, mixed_of(&b, scores, rows_of(&b, 4)), "keys that are a constant");
  begin_window(&b, 9, COLUMNS);
  scores = both(&b, "matmul", rows_of(&b, 4), MOVE(&b, "transpose", rows_of(&b, 4), 1, 0));
  apart(&b, mixed_of(&b, scores, RANDOM(&b, 9, 4)), "values that are a constant");
  begin_window(&b, 9, COLUMNS);
  scores = both(&b, "matmul", rows_of(&b, 4), MOVE(&b, "transpose", rows_of(&b, 4), 1, 0));
  scores = put(&b, "rows", "tanh", &scores, 1, NULL, 0, NULL, 0);
  apart(&b, both(&b, "matmul", scores, rows_of(&b, 4)), "weights by no softmax");
  begin_window(&b, 9, COLUMNS);
  scores = both(&b, "matmul", MOVE(&b, "transpose", rows_of(&b, 9), 1, 0), rows_of(&b, 9));
  apart(&b, mixed_of(&b, scores, rows_of(&b, 4)), "queries whose columns lie apart");
  begin_window(&b, 9, COLUMNS);
  scores = both(&b, "matmul", rows_of(&b, 4), MOVE(&b, "transpose", rows_of(&b, 4), 1, 0));
  scores = both(&b, "add", scores, RANDOM(&b, 9, 1));
  apart(&b, mixed_of(&b, scores, rows_of(&b, 4)), "a mask of one number a query");
  begin_window(&b, 9, COLUMNS);
  scores = both(&b, "matmul", heads_apart(&b, 1, false), heads_apart(&b, 1, true));
  scores = both(&b, "add", scores, RANDOM(&b, 3, 1, 9));
  apart(&b, mixed_of(&b, scores, heads_apart(&b, 3, false)),
        "a mask that makes three of the scores");
}

static void heads_that_are_not_as_many_or_not_in_a_row_stay(void **state) {
  (void)state;
  build_t b;
  begin_window(&b, 9, COLUMNS);
  uint32_t scores = both(&b, "matmul", heads_apart(&b, 3, false), heads_apart(&b, 1, true));
  apart(&b, mixed_of(&b, scores, heads_apart(&b, 1, false)), "keys that heads share");
  begin_window(&b, 9, COLUMNS);
  uint32_t q = MOVE(&b, "reshape", rows_of(&b, 24), 9, 2, 3, 4);
  q          = MOVE(&b, "transpose", q, 2, 1, 0, 3); /* the second axis of heads before the first */
  scores     = both(&b, "matmul", MOVE(&b, "reshape", q, 6, 9, 4), heads_apart(&b, 6, true));
  expect(&b, mixed_of(&b, scores, heads_apart(&b, 6, false)), 1, "queries moved in between");
  begin_window(&b, 9, COLUMNS);
  q          = MOVE(&b, "reshape", rows_of(&b, 24), 9, 2, 3, 4);
  q          = MOVE(&b, "transpose", q, 2, 1, 0, 3);
  uint32_t k = MOVE(&b, "reshape", rows_of(&b, 24), 9, 2, 3, 4);
  k          = MOVE(&b, "transpose", k, 2, 1, 3, 0);
  uint32_t v = MOVE(&b, "reshape", rows_of(&b, 24), 9, 2, 3, 4);
  v          = MOVE(&b, "transpose", v, 2, 1, 0, 3);
  apart(&b, mixed_of(&b, both(&b, "matmul", q, k), v), "heads whose axes do not go as one");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_step_gives_the_bits_of_a_step_a_node),
      cmocka_unit_test(what_is_read_elsewhere_stays),
      cmocka_unit_test(factors_that_do_not_lie_as_heads_of_rows_stay),
      cmocka_unit_test(heads_that_are_not_as_many_or_not_in_a_row_stay),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
