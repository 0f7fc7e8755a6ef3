/* The long short-term memory cell of ONNX, forward, without peepholes, gates in the order i o f c:
 *   i = sigmoid(Wi x + Ui h + bi), o and f alike; c' = f c + i tanh(Wc x + Uc h + bc); h' = o tanh(c')
 * (https://github.com/onnx/onnx/blob/main/docs/Operators.md#LSTM; a bias here is the sum of ONNX's
 * two). carry is c. */
#include "op/lanes.h"

#define GATES 4u

#define GATE(isa, g)                                                                               \
  tf_lanes_add_##isa(tf_lanes_loadu_##isa(from_h + (size_t)(g)*units + j),                         \
                     tf_lanes_loadu_##isa(from_x + (size_t)(g)*units + j))

#define CELL(isa, curve)                                                                           \
  TF_LANES_TARGET_##isa static void cell##curve##_##isa(                                           \
      uint32_t units, const float *from_h, const float *from_x, float *carry, float *h) {          \
    for (uint32_t j = 0; j < units; j += TF_LANES_WIDTH_##isa) {                                   \
      tf_lanes_##isa##_t i = tf_lanes_sigmoid##curve##_##isa(GATE(isa, 0));                        \
      tf_lanes_##isa##_t o = tf_lanes_sigmoid##curve##_##isa(GATE(isa, 1));                        \
      tf_lanes_##isa##_t f = tf_lanes_sigmoid##curve##_##isa(GATE(isa, 2));                        \
      tf_lanes_##isa##_t g = tf_lanes_tanh##curve##_##isa(GATE(isa, 3));                           \
      tf_lanes_##isa##_t c = tf_lanes_add_##isa(                                                   \
          tf_lanes_mul_##isa(f, tf_lanes_load_##isa(carry + j)), tf_lanes_mul_##isa(i, g));        \
      tf_lanes_store_##isa(carry + j, c);                                                          \
      tf_lanes_store_##isa(h + j, tf_lanes_mul_##isa(o, tf_lanes_tanh##curve##_##isa(c)));         \
    }                                                                                              \
  }
#define CELL_EXACT(isa) CELL(isa, )
#define CELL_CUBIC(isa) CELL(isa, _cubic)
TF_LANES_EACH(CELL_EXACT)
TF_LANES_EACH(CELL_CUBIC)

static tf_err_t shape(tf_op_params_t *params) { return tf_op_shape_recurrent(params, GATES); }

static double gate(const tf_op_params_t *p, uint32_t row, const double *in, const double *h) {
  const float *w = p->weight + (size_t)row * (p->in_cnt + p->out_cnt);
  return (double)p->bias[row] + tf_op_dot(w, in, p->in_cnt) +
         tf_op_dot(w + p->in_cnt, h, p->out_cnt);
}

static double sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }

/* Outputs of all units come from the h before: carry, which needs only its own unit, is written
 * first, and o waits in the upper half of carry. */
static void ref_step(const tf_op_params_t *p, const double *in, double *carry, double *h) {
  const uint32_t units = p->out_cnt;
  double        *o     = carry + units;
  for (uint32_t j = 0; j < units; j++) {
    double i = sigmoid(gate(p, j, in, h)), f = sigmoid(gate(p, 2 * units + j, in, h));
    o[j]     = sigmoid(gate(p, units + j, in, h));
    carry[j] = f * carry[j] + i * tanh(gate(p, 3 * units + j, in, h));
  }
  for (uint32_t j = 0; j < units; j++) h[j] = o[j] * tanh(carry[j]);
}

const tf_op_t tf_op_lstm = {
    .name       = "lstm",
    .kind       = TF_OP_KIND_RECURRENT,
    .has_weight = true,
    .has_bias   = true,
    .shape      = shape,
    .gate_cnt   = GATES,
    .cell       = {TF_LANES_TABLE_OF(cell), TF_LANES_TABLE_OF(cell_cubic)},
    .ref_step   = ref_step,
    .flops      = tf_op_flops_recurrent,
    .bytes      = tf_op_bytes_recurrent,
};
