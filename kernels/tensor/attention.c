#include "tensor/attention.h"

#include <string.h>

#include "op/lanes.h"
#include "tensor/panel.h"

#define FIELDS  (sizeof(tf_attention_t) / sizeof(uint32_t))
#define QUERIES 16u /* at a time: their scores of 512 keys are 32 KiB */

enum { IN_Q, IN_K, IN_V, IN_MASK };

TF_STATIC_ASSERT(FIELDS <= TF_TENSOR_INTS_MAX, "an attention is a step's integers");

void tf_attention_put(const tf_attention_t *attention, tf_tensor_use_t *use) {
  uint32_t fields[FIELDS];
  memcpy(fields, attention, sizeof fields);
  use->op      = &tf_tensor_attention;
  use->int_cnt = FIELDS;
  for (uint32_t i = 0; i < FIELDS; i++) use->ints[i] = fields[i];
}

static tf_attention_t attention_of(const tf_tensor_use_t *use) {
  uint32_t       fields[FIELDS];
  tf_attention_t a;
  for (uint32_t i = 0; i < FIELDS; i++) fields[i] = (uint32_t)use->ints[i];
  memcpy(&a, fields, sizeof a);
  return a;
}

/* ---- memory: a head's keys and values in panels; scores and weights of some queries ---- */

typedef struct work {
  float *keys, *values, *scores, *weights;
  size_t step; /* of scores and weights, from query to query */
} work_t;

static work_t lay(const tf_attention_t *a, float *scratch) {
  work_t w  = {.keys = scratch, .step = tf_align_up(a->keys, TF_OP_PAD)};
  w.values  = w.keys + tf_panel_floats(a->width, a->keys);
  w.scores  = w.values + tf_panel_floats(a->keys, a->out_width);
  w.weights = w.scores + QUERIES * w.step;
  return w;
}

static size_t scratch_cnt(const tf_tensor_use_t *use) {
  const tf_attention_t a = attention_of(use);
  return tf_panel_floats(a.width, a.keys) + tf_panel_floats(a.keys, a.out_width) +
         2 * QUERIES * tf_align_up(a.keys, TF_OP_PAD);
}

/* ---- running ---- */

/* What is behind a mask's last row is memory of its tensor, read and thrown away. */
#define ADD(isa)                                                                                   \
  TF_LANES_TARGET_##isa static void add_##isa(const float *mask, uint32_t cnt, float *scores) {    \
    for (uint32_t i = 0; i < cnt; i += TF_LANES_WIDTH_##isa)                                       \
      tf_lanes_store_##isa(scores + i, tf_lanes_add_##isa(tf_lanes_load_##isa(scores + i),         \
                                                          tf_lanes_loadu_##isa(mask + i)));        \
  }
TF_LANES_EACH(ADD)

/* Queries first .. first + cnt - 1 of a head. */
static void answer(const tf_tensor_use_t *use, const tf_attention_t *a, const work_t *w,
                   const float *q, const float *mask, uint32_t cnt, float *out) {
  static void (*const add[TF_ISA_CNT])(const float *, uint32_t, float *) = TF_LANES_TABLE_OF(add);
  const tf_op_params_t     row    = {.in_cnt = a->keys, .out_cnt = a->keys};
  const tf_panel_product_t scores = {.m      = cnt,
                                     .n      = a->keys,
                                     .k      = a->width,
                                     .a      = q,
                                     .a_step = a->q.row,
                                     .b      = w->keys,
                                     .c      = w->scores,
                                     .c_step = w->step};
  const tf_panel_product_t mixed  = {.m      = cnt,
                                     .n      = a->out_width,
                                     .k      = a->keys,
                                     .a      = w->weights,
                                     .a_step = w->step,
                                     .b      = w->values,
                                     .c      = out,
                                     .c_step = a->out.row};
  tf_panel_multiply(use->isa, &scores);
  for (uint32_t i = 0; i < cnt; i++) {
    float *own = w->scores + i * w->step;
    if (mask) add[use->isa](mask + (size_t)i * a->mask.row, a->keys, own);
    use->row->run[use->isa](&row, own, w->weights + i * w->step);
  }
  tf_panel_multiply(use->isa, &mixed);
}

static void run(const tf_tensor_use_t *use, const float *const *in, float *out, float *scratch) {
  const tf_attention_t a = attention_of(use);
  const work_t         w = lay(&a, scratch);
  for (size_t h = 0; h < a.heads; h++) {
    const float *q    = in[IN_Q] + h * a.q.head;
    const float *mask = use->in_cnt > IN_MASK ? in[IN_MASK] + h * a.mask.head : NULL;
    tf_panel_pack(in[IN_K] + h * a.k.head, a.k.column, a.k.row, a.width, a.keys, w.keys);
    tf_panel_pack(in[IN_V] + h * a.v.head, a.v.row, a.v.column, a.keys, a.out_width, w.values);
    for (uint32_t first = 0; first < a.queries; first += QUERIES) {
      const uint32_t left = a.queries - first;
      answer(use, &a, &w, q + (size_t)first * a.q.row,
             mask ? mask + (size_t)first * a.mask.row : NULL, left < QUERIES ? left : QUERIES,
             out + h * a.out.head + (size_t)first * a.out.row);
    }
  }
}

static uint64_t flops(const tf_tensor_use_t *use) {
  const tf_attention_t a      = attention_of(use);
  const uint64_t       rows   = (uint64_t)a.heads * a.queries;
  const tf_op_params_t row    = {.in_cnt = a.keys, .out_cnt = a.keys};
  const uint64_t       a_pair = UINT64_C(2) * (a.width + a.out_width) + (use->in_cnt > IN_MASK);
  return rows * (a.keys * a_pair + use->row->flops(&row));
}

const tf_tensor_op_t tf_tensor_attention = {
    .name        = "attention",
    .in_min      = 3,
    .in_max      = 4,
    .takes_row   = true,
    .scratch_cnt = scratch_cnt,
    .run         = run,
    .flops       = flops,
};
