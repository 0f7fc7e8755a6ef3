/* A layer of gated recurrent units whose reset gate works before the product: ONNX's linear_before_reset 0, and Cho et al. 2014
 * (https://arxiv.org/abs/1406.1078); gru.c is the form with the gate behind it. Inputs, ints and shapes are those of recurrent.h:
 *
 *   z, r = sigmoid(W x + R h + b)   h~ = tanh(Wn x + Rn (r * h) + bn)   h' = (1 - z) h~ + z h
 *
 * x's part of all gates is one product beforehand, with all biases; a row then costs two products. */
#include <math.h>
#include <string.h>

#include "tensor/panel.h"
#include "tensor/recurrent.h"

enum { IN_X, IN_W, IN_R, IN_B, IN_H };
enum { GATES = 3 };

extern const tf_op_t tf_op_sigmoid, tf_op_tanh;

static const tf_recurrent_cell_t gates = {.gate_cnt = GATES};

typedef struct sizes {
  uint32_t rows, batch, inputs, units, directions;
  size_t   gate_floats, unit_floats; /* of all gates' row, of one gate's */
} sizes_t;

static sizes_t sizes_of(const tf_tensor_use_t *use) {
  const tf_tensor_shape_t *x = &use->in[IN_X], *r = &use->in[IN_R];
  sizes_t                  s = {x->dims[0], x->dims[1], x->dims[2], r->dims[2], r->dims[0], 0, 0};
  s.gate_floats              = tf_align_up(GATES * s.units, TF_PANEL) + TF_OP_PAD;
  s.unit_floats              = tf_align_up(2 * s.units, TF_PANEL) + TF_OP_PAD;
  return s;
}

static tf_err_t shape(tf_tensor_use_t *use) { return tf_recurrent_shape(use, &gates); }

/* Of a direction: W, the biases, R of z and r, R of the third. */
static size_t direction_floats(const sizes_t *s) {
  return tf_panel_floats(s->inputs, GATES * s->units) + tf_align_up(GATES * s->units, TF_PANEL) +
         tf_panel_floats(s->units, 2 * s->units) + tf_panel_floats(s->units, s->units);
}

static size_t pack_bytes(const tf_tensor_use_t *use, const float *const *in) {
  (void)in;
  const sizes_t s = sizes_of(use);
  return s.directions * direction_floats(&s) * sizeof(float);
}

static void pack(const tf_tensor_use_t *use, const float *const *in, void *target) {
  const sizes_t  s  = sizes_of(use);
  const uint32_t u  = s.units;
  float         *to = target;
  for (uint32_t d = 0; d < s.directions; d++) {
    const float *r = in[IN_R] + (size_t)d * GATES * u * u,
                *b = in[IN_B] + (size_t)d * 2 * GATES * u;
    tf_panel_pack(in[IN_W] + (size_t)d * GATES * u * s.inputs, 1, s.inputs, s.inputs, GATES * u,
                  to);
    to += tf_panel_floats(s.inputs, GATES * u);
    for (uint32_t g = 0; g < GATES * u; g++) to[g] = b[g] + b[GATES * u + g];
    to += tf_align_up(GATES * u, TF_PANEL);
    tf_panel_pack(r, 1, u, u, 2 * u, to);
    to += tf_panel_floats(u, 2 * u);
    tf_panel_pack(r + (size_t)2 * u * u, 1, u, u, u, to);
    to += tf_panel_floats(u, u);
  }
}

/* x's part of each row; z and r twice, before and behind the sigmoid; r * h, and h~ twice. */
static size_t scratch_cnt(const tf_tensor_use_t *use) {
  const sizes_t s = sizes_of(use);
  return (size_t)s.rows * s.batch * s.gate_floats + 6 * s.unit_floats;
}

static bool is_reverse(const tf_tensor_use_t *use, uint32_t d) {
  return use->ints[0] == 1 || d == 1;
}

/* One row: h goes from before to out. */
static void step(const tf_tensor_use_t *use, const sizes_t *s, const float *of_r, const float *of_x,
                 float *h, float *work) {
  const uint32_t u      = s->units;
  float         *linear = work, *gate = work + s->unit_floats, *kept = gate + s->unit_floats,
        *next = kept + s->unit_floats, *made = next + s->unit_floats;
  tf_panel_product_t p = {.m = 1, .n = 2 * u, .k = u, .a = h, .b = of_r, .c = linear};
  tf_panel_multiply(use->isa, &p);
  for (uint32_t i = 0; i < 2 * u; i++) linear[i] += of_x[i];
  tf_op_sigmoid.run[use->isa](&(tf_op_params_t){.in_cnt = 2 * u, .out_cnt = 2 * u}, linear, gate);
  for (uint32_t i = 0; i < u; i++) kept[i] = gate[u + i] * h[i];
  p = (tf_panel_product_t){
      .m = 1, .n = u, .k = u, .a = kept, .b = of_r + tf_panel_floats(u, 2 * u), .c = next};
  tf_panel_multiply(use->isa, &p);
  for (uint32_t i = 0; i < u; i++) next[i] += of_x[2 * u + i];
  tf_op_tanh.run[use->isa](&(tf_op_params_t){.in_cnt = u, .out_cnt = u}, next, made);
  for (uint32_t i = 0; i < u; i++) h[i] = (1.0f - gate[i]) * made[i] + gate[i] * h[i];
}

static void run(const tf_tensor_use_t *use, const float *const *in, float *out, float *scratch) {
  const sizes_t s      = sizes_of(use);
  const float  *packed = use->packed;
  float        *h = scratch + (size_t)s.rows * s.batch * s.gate_floats, *work = h + s.unit_floats;
  for (uint32_t d = 0; d < s.directions; d++, packed += direction_floats(&s)) {
    const float       *bias = packed + tf_panel_floats(s.inputs, GATES * s.units);
    tf_panel_product_t of_x = {.m      = s.rows * s.batch,
                               .n      = GATES * s.units,
                               .k      = s.inputs,
                               .a      = in[IN_X],
                               .a_step = s.inputs,
                               .b      = packed,
                               .c      = scratch,
                               .c_step = s.gate_floats,
                               .bias   = bias};
    tf_panel_multiply(use->isa, &of_x);
    for (uint32_t b = 0; b < s.batch; b++) {
      memset(h, 0, 6 * s.unit_floats * sizeof *h);
      memcpy(h, in[IN_H] + ((size_t)d * s.batch + b) * s.units, s.units * sizeof *h);
      for (uint32_t i = 0; i < s.rows; i++) {
        const size_t row = is_reverse(use, d) ? s.rows - 1 - i : i;
        step(use, &s, bias + tf_align_up(GATES * s.units, TF_PANEL),
             scratch + (row * s.batch + b) * s.gate_floats, h, work);
        memcpy(out + ((row * s.directions + d) * s.batch + b) * s.units, h, s.units * sizeof *h);
      }
    }
  }
}

/* Gate g of unit j: W x + b, and R v, whatever v is. */
static double linear(const sizes_t *s, const double *const *in, uint32_t d, uint32_t gate,
                     const double *x, const double *v) {
  const double *w   = in[IN_W] + ((size_t)d * GATES * s->units + gate) * s->inputs;
  const double *r   = in[IN_R] + ((size_t)d * GATES * s->units + gate) * s->units;
  const double *b   = in[IN_B] + (size_t)d * 2 * GATES * s->units;
  double        sum = b[gate] + b[GATES * s->units + gate];
  for (uint32_t k = 0; k < s->inputs; k++) sum += w[k] * x[k];
  for (uint32_t k = 0; k < s->units; k++) sum += r[k] * v[k];
  return sum;
}

static double sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }

static void ref(const tf_tensor_use_t *use, const double *const *in, double *out, double *scratch) {
  const sizes_t s = sizes_of(use);
  const size_t  u = s.units;
  double       *h = scratch, *kept = h + u, *z = kept + u;
  for (uint32_t d = 0; d < s.directions; d++)
    for (uint32_t b = 0; b < s.batch; b++) {
      memcpy(h, in[IN_H] + ((size_t)d * s.batch + b) * u, u * sizeof *h);
      for (uint32_t i = 0; i < s.rows; i++) {
        const size_t  row = is_reverse(use, d) ? s.rows - 1 - i : i;
        const double *x   = in[IN_X] + (row * s.batch + b) * s.inputs;
        for (uint32_t j = 0; j < u; j++) {
          z[j]    = sigmoid(linear(&s, in, d, j, x, h));
          kept[j] = sigmoid(linear(&s, in, d, s.units + j, x, h)) * h[j];
        }
        for (uint32_t j = 0; j < u; j++)
          h[j] = (1.0 - z[j]) * tanh(linear(&s, in, d, 2 * s.units + j, x, kept)) + z[j] * h[j];
        memcpy(out + ((row * s.directions + d) * s.batch + b) * u, h, u * sizeof *h);
      }
    }
}

const tf_tensor_op_t tf_tensor_gru_reset = {
    .name        = "gru_reset",
    .in_min      = 5,
    .in_max      = 5,
    .int_min     = 1,
    .int_max     = 1,
    .packs       = 1u << IN_W | 1u << IN_R | 1u << IN_B,
    .shape       = shape,
    .scratch_cnt = scratch_cnt,
    .ref         = ref,
    .run         = run,
    .check       = tf_recurrent_check,
    .pack_bytes  = pack_bytes,
    .pack        = pack,
    .flops       = tf_recurrent_flops,
};
