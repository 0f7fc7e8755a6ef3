#include "tensor/recurrent.h"

#include <string.h>

#include "core/error.h"
#include "tensor/panel.h"
#include "tensor/rounded.h"

enum { IN_X, IN_W, IN_R, IN_B, IN_H, IN_C };
enum { DIRECTION_FORWARD, DIRECTION_REVERSE, DIRECTION_BOTH };

/* Room that a cell reads past a row of gates. */
#define GATE_PAD TF_OP_PAD

typedef struct sizes {
  uint32_t rows, batch, inputs, units, gates; /* gates: of all units */
  uint32_t directions;
  size_t   gate_floats, unit_floats;
} sizes_t;

static sizes_t sizes_of(const tf_tensor_use_t *use) {
  const tf_tensor_shape_t *x = &use->in[IN_X], *r = &use->in[IN_R];
  sizes_t s     = {x->dims[0], x->dims[1], x->dims[2], r->dims[2], r->dims[1], r->dims[0], 0, 0};
  s.gate_floats = tf_align_up(s.gates, TF_PANEL) + GATE_PAD;
  s.unit_floats = tf_align_up(s.units, TF_OP_PAD);
  return s;
}

static bool has_dims(const tf_tensor_shape_t *t, uint32_t rank, uint32_t a, uint32_t b,
                     uint32_t c) {
  const uint32_t dims[3] = {a, b, c};
  return t->rank == rank && memcmp(t->dims, dims, rank * sizeof *dims) == 0;
}

/* Whether the last c is one more row behind the others. */
static bool gives_carry(const tf_tensor_use_t *use) { return use->int_cnt > 1 && use->ints[1]; }

tf_err_t tf_recurrent_shape(tf_tensor_use_t *use, const tf_recurrent_cell_t *cell) {
  const tf_tensor_shape_t *x = &use->in[IN_X], *r = &use->in[IN_R];
  char                     text[TF_TENSOR_SHAPE_TEXT_BYTES];
  if (use->ints[0] < DIRECTION_FORWARD || use->ints[0] > DIRECTION_BOTH)
    return TF_ERR(E_MODEL_FORMAT, "direction %lld", (long long)use->ints[0]);
  if (gives_carry(use) && (!cell->has_carry || use->ints[1] != 1))
    return TF_ERR(E_MODEL_FORMAT, "a last c of a layer that has none");
  if (x->rank != 3 || r->rank != 3 || r->dims[2] > TF_OP_UNITS_MAX || x->dims[2] > TF_OP_WIDTH_MAX)
    return TF_ERR(E_MODEL_SHAPE, "input %s; [rows, batch, n] is wanted, and 1 to %u units",
                  tf_tensor_shape_text(x, text), TF_OP_UNITS_MAX);
  const uint32_t directions = use->ints[0] == DIRECTION_BOTH ? 2 : 1, units = r->dims[2];
  const uint32_t gates = cell->gate_cnt * units;
  bool           good  = has_dims(&use->in[IN_W], 3, directions, gates, x->dims[2]) &&
              has_dims(r, 3, directions, gates, units) &&
              has_dims(&use->in[IN_B], 2, directions, 2 * gates, 0);
  for (uint32_t i = IN_H; i < use->in_cnt; i++)
    good &= has_dims(&use->in[i], 3, directions, x->dims[1], units);
  if (!good)
    return TF_ERR(
        E_MODEL_SHAPE,
        "W [%u, %u, %u], R [%u, %u, %u], B [%u, %u] and first states [%u, %u, %u] are wanted",
        directions, gates, x->dims[2], directions, gates, units, directions, 2 * gates, directions,
        x->dims[1], units);
  use->out = (tf_tensor_shape_t){
      .rank = 4, .dims = {x->dims[0] + gives_carry(use), directions, x->dims[1], units}
  };
  return TF_OK;
}

tf_err_t tf_recurrent_check(const tf_tensor_use_t *use, const float *const *in) {
  (void)use;
  if (in[IN_W] && in[IN_R] && in[IN_B]) return TF_OK;
  return TF_ERR(E_MODEL_UNSUPPORTED, "weights that are no constants");
}

/* W or R of a direction. */
enum { PART_X, PART_H, PART_CNT };

static uint32_t inputs_of(const sizes_t *s, uint32_t part) {
  return part == PART_X ? s->inputs : s->units;
}

/* Products in the order in which they are packed: W and R of each direction. */
bool tf_recurrent_product(const tf_tensor_use_t *use, uint32_t idx, tf_tensor_product_t *product) {
  const sizes_t  s    = sizes_of(use);
  const uint32_t part = idx % PART_CNT, d = idx / PART_CNT, k = inputs_of(&s, part);
  if (d >= s.directions || !tf_rounded_wanted(use, k)) return false;
  *product = (tf_tensor_product_t){
      .source = {.row_floats = k,
                 .in_cnt     = k,
                 .out_cnt    = s.gates,
                 .precision  = use->precision,
                 .range      = use->ranges[part]},
      .input  = part == PART_X ? IN_W : IN_R,
      .first  = (size_t)d * s.gates * k,
      .range  = part
  };
  return true;
}

static size_t part_bytes(const tf_tensor_use_t *use, const sizes_t *s, uint32_t part) {
  tf_tensor_product_t p;
  return tf_recurrent_product(use, part, &p)
             ? tf_rounded_bytes(&p.source)
             : tf_panel_floats(inputs_of(s, part), s->gates) * sizeof(float);
}

static size_t bias_floats(const sizes_t *s) { return tf_align_up(s->gates, TF_PANEL); }

/* Of a direction: W, R, then x's and h's biases. */
static size_t direction_bytes(const tf_tensor_use_t *use, const sizes_t *s) {
  return part_bytes(use, s, PART_X) + part_bytes(use, s, PART_H) +
         tf_align_up(2 * bias_floats(s) * sizeof(float), TF_LINE_BYTES);
}

static const uint8_t *part_at(const tf_tensor_use_t *use, const sizes_t *s, uint32_t d,
                              uint32_t part) {
  const uint8_t *at = (const uint8_t *)use->packed + d * direction_bytes(use, s);
  return part == PART_X ? at : at + part_bytes(use, s, PART_X);
}

static const float *bias_at(const tf_tensor_use_t *use, const sizes_t *s, uint32_t d,
                            uint32_t part) {
  const uint8_t *at = part_at(use, s, d, PART_H) + part_bytes(use, s, PART_H);
  return (const float *)(const void *)at + (part == PART_X ? 0 : bias_floats(s));
}

size_t tf_recurrent_pack_bytes(const tf_tensor_use_t *use, const tf_recurrent_cell_t *cell) {
  (void)cell;
  const sizes_t s = sizes_of(use);
  return s.directions * direction_bytes(use, &s);
}

static void pack_part(const tf_tensor_use_t *use, const sizes_t *s, uint32_t part,
                      const float *weight, void *target) {
  const uint32_t      k = inputs_of(s, part);
  tf_tensor_product_t p;
  if (!tf_recurrent_product(use, part, &p)) {
    tf_panel_pack(weight, 1, k, k, s->gates, target);
    return;
  }
  p.source.weight = weight;
  tf_rounded_pack(&p.source, use->isa, target);
}

void tf_recurrent_pack(const tf_tensor_use_t *use, const tf_recurrent_cell_t *cell,
                       const float *const *in, void *target) {
  const sizes_t s  = sizes_of(use);
  uint8_t      *to = target;
  for (uint32_t d = 0; d < s.directions; d++) {
    const float *bias = in[IN_B] + (size_t)d * 2 * s.gates;
    pack_part(use, &s, PART_X, in[IN_W] + (size_t)d * s.gates * s.inputs, to);
    to += part_bytes(use, &s, PART_X);
    pack_part(use, &s, PART_H, in[IN_R] + (size_t)d * s.gates * s.units, to);
    to += part_bytes(use, &s, PART_H);
    float *of_x = (float *)(void *)to, *of_h = of_x + bias_floats(&s);
    for (uint32_t g = 0; g < s.gates; g++) {
      bool apart = cell->apart && g >= s.gates - s.units;
      of_x[g]    = apart ? bias[g] : 0.0f;
      of_h[g]    = apart ? bias[s.gates + g] : bias[g] + bias[s.gates + g];
    }
    to += tf_align_up(2 * bias_floats(&s) * sizeof(float), TF_LINE_BYTES);
  }
}

/* Gates of all rows and of one, h and carry. */
static size_t own_scratch(const sizes_t *s) {
  return tf_align_up(((size_t)s->rows * s->batch + 1) * s->gate_floats, TF_OP_PAD) +
         2 * (s->unit_floats + TF_OP_PAD);
}

size_t tf_recurrent_scratch_cnt(const tf_tensor_use_t *use, const tf_recurrent_cell_t *cell) {
  (void)cell;
  const sizes_t       s = sizes_of(use);
  tf_tensor_product_t x, h;
  size_t              of_x = 0, of_h = 0;
  if (tf_recurrent_product(use, PART_X, &x))
    of_x = tf_rounded_scratch(&x.source, s.rows * s.batch);
  if (tf_recurrent_product(use, PART_H, &h)) of_h = tf_rounded_scratch(&h.source, 1);
  return own_scratch(&s) + (of_x > of_h ? of_x : of_h);
}

/* Gates of row_cnt rows that lie one behind the other. */
static void multiply(const tf_tensor_use_t *use, const sizes_t *s, uint32_t d, uint32_t part,
                     const float *rows, uint32_t row_cnt, float *gates, float *scratch) {
  const uint8_t      *mat  = part_at(use, s, d, part);
  const float        *bias = bias_at(use, s, d, part);
  const uint32_t      k    = inputs_of(s, part);
  tf_tensor_product_t p;
  if (tf_recurrent_product(use, part, &p)) {
    tf_rounded_product_t r = {.mat     = (const tf_mat_t *)(const void *)mat,
                              .a       = rows,
                              .a_step  = k,
                              .row_cnt = row_cnt,
                              .bias    = bias,
                              .c       = gates,
                              .c_step  = s->gate_floats,
                              .scratch = scratch};
    tf_rounded_multiply(&r);
    return;
  }
  tf_panel_product_t r = {.m      = row_cnt,
                          .n      = s->gates,
                          .k      = k,
                          .a      = rows,
                          .a_step = k,
                          .b      = (const float *)(const void *)mat,
                          .c      = gates,
                          .c_step = s->gate_floats,
                          .bias   = bias};
  tf_panel_multiply(use->isa, &r);
}

/* One sequence of the batch in one direction. */
static void run_sequence(const tf_tensor_use_t *use, const tf_recurrent_cell_t *cell,
                         const sizes_t *s, uint32_t d, uint32_t b, const float *const *in,
                         float *out, float *scratch) {
  const bool   reverse = use->ints[0] == DIRECTION_REVERSE || d == 1;
  float       *from_h  = scratch + (size_t)s->rows * s->batch * s->gate_floats;
  float       *h = from_h + s->gate_floats, *carry = h + s->unit_floats + TF_OP_PAD;
  const size_t first = ((size_t)d * s->batch + b) * s->units;
  memset(h, 0, 2 * (s->unit_floats + TF_OP_PAD) * sizeof *h);
  memcpy(h, in[IN_H] + first, s->units * sizeof *h);
  memcpy(carry, (cell->has_carry ? in[IN_C] : in[IN_H]) + first, s->units * sizeof *h);
  for (uint32_t i = 0; i < s->rows; i++) {
    const size_t row = reverse ? s->rows - 1 - i : i;
    multiply(use, s, d, PART_H, h, 1, from_h, scratch + own_scratch(s));
    cell->cell[use->isa](s->units, from_h, scratch + (row * s->batch + b) * s->gate_floats, carry,
                         h);
    memcpy(out + ((row * s->directions + d) * s->batch + b) * s->units, h, s->units * sizeof *h);
  }
  if (gives_carry(use))
    memcpy(out + ((s->rows * (size_t)s->directions + d) * s->batch + b) * s->units, carry,
           s->units * sizeof *carry);
}

void tf_recurrent_run(const tf_tensor_use_t *use, const tf_recurrent_cell_t *cell,
                      const float *const *in, float *out, float *scratch) {
  const sizes_t s = sizes_of(use);
  for (uint32_t d = 0; d < s.directions; d++) {
    multiply(use, &s, d, PART_X, in[IN_X], s.rows * s.batch, scratch, scratch + own_scratch(&s));
    for (uint32_t b = 0; b < s.batch; b++) run_sequence(use, cell, &s, d, b, in, out, scratch);
  }
}

static double dot(const double *w, const double *x, uint32_t cnt) {
  double sum = 0.0;
  for (uint32_t i = 0; i < cnt; i++) sum += w[i] * x[i];
  return sum;
}

/* scratch: h, its successor, carry. */
static void ref_sequence(const tf_tensor_use_t *use, const tf_recurrent_cell_t *cell,
                         const sizes_t *s, uint32_t d, uint32_t b, const double *const *in,
                         double *out, double *scratch) {
  const bool    reverse = use->ints[0] == DIRECTION_REVERSE || d == 1;
  double       *h = scratch, *next = h + s->units, *carry = next + s->units;
  const size_t  first = ((size_t)d * s->batch + b) * s->units;
  const double *w     = in[IN_W] + (size_t)d * s->gates * s->inputs,
               *r     = in[IN_R] + (size_t)d * s->gates * s->units;
  const double *bias  = in[IN_B] + (size_t)d * 2 * s->gates;
  memcpy(h, in[IN_H] + first, s->units * sizeof *h);
  memcpy(carry, (cell->has_carry ? in[IN_C] : in[IN_H]) + first, s->units * sizeof *h);
  for (uint32_t i = 0; i < s->rows; i++) {
    const size_t row = reverse ? s->rows - 1 - i : i;
    for (uint32_t j = 0; j < s->units; j++) {
      double from_x[4], from_h[4];
      for (uint32_t g = 0; g < cell->gate_cnt; g++) {
        const size_t gate = (size_t)g * s->units + j;
        from_x[g] =
            dot(w + gate * s->inputs, in[IN_X] + (row * s->batch + b) * s->inputs, s->inputs) +
            bias[gate];
        from_h[g] = dot(r + gate * s->units, h, s->units) + bias[s->gates + gate];
      }
      next[j] = cell->ref(from_x, from_h, h[j], &carry[j]);
    }
    memcpy(h, next, s->units * sizeof *h);
    memcpy(out + ((row * s->directions + d) * s->batch + b) * s->units, h, s->units * sizeof *h);
  }
  if (gives_carry(use))
    memcpy(out + ((s->rows * (size_t)s->directions + d) * s->batch + b) * s->units, carry,
           s->units * sizeof *carry);
}

void tf_recurrent_ref(const tf_tensor_use_t *use, const tf_recurrent_cell_t *cell,
                      const double *const *in, double *out, double *scratch) {
  const sizes_t s = sizes_of(use);
  for (uint32_t d = 0; d < s.directions; d++)
    for (uint32_t b = 0; b < s.batch; b++) ref_sequence(use, cell, &s, d, b, in, out, scratch);
}

uint64_t tf_recurrent_flops(const tf_tensor_use_t *use) {
  const sizes_t s = sizes_of(use);
  return UINT64_C(2) * s.rows * s.batch * s.directions * s.gates * (s.inputs + s.units);
}
