/* The gated recurrent unit of ONNX with linear_before_reset = 1, as PyTorch has it, forward, gates in
 * the order z r n:
 *   z = sigmoid(Wz x + Uz h + bz), r alike; n = tanh(Wn x + bn + r (Un h + un)); h' = (1 - z) n + z h
 * (https://github.com/onnx/onnx/blob/main/docs/Operators.md#GRU). Biases: bz, br (sums of ONNX's
 * two), bn, un. carry is h as float. */
#include "op/lanes.h"

#define GATES 3u

#define FROM(isa, row, g) tf_lanes_loadu_##isa((row) + (size_t)(g)*units + j)

#define CELL(isa, curve)                                                                           \
  TF_LANES_TARGET_##isa static void cell##curve##_##isa(                                           \
      uint32_t units, const float *from_h, const float *from_x, float *carry, float *h) {          \
    for (uint32_t j = 0; j < units; j += TF_LANES_WIDTH_##isa) {                                   \
      tf_lanes_##isa##_t z = tf_lanes_sigmoid##curve##_##isa(                                      \
          tf_lanes_add_##isa(FROM(isa, from_h, 0), FROM(isa, from_x, 0)));                         \
      tf_lanes_##isa##_t r = tf_lanes_sigmoid##curve##_##isa(                                      \
          tf_lanes_add_##isa(FROM(isa, from_h, 1), FROM(isa, from_x, 1)));                         \
      tf_lanes_##isa##_t n = tf_lanes_tanh##curve##_##isa(                                         \
          tf_lanes_add_##isa(tf_lanes_mul_##isa(r, FROM(isa, from_h, 2)), FROM(isa, from_x, 2)));  \
      tf_lanes_##isa##_t one = tf_lanes_set_##isa(1.0f);                                           \
      tf_lanes_##isa##_t y =                                                                       \
          tf_lanes_add_##isa(tf_lanes_mul_##isa(tf_lanes_sub_##isa(one, z), n),                    \
                             tf_lanes_mul_##isa(z, tf_lanes_load_##isa(carry + j)));               \
      tf_lanes_store_##isa(carry + j, y);                                                          \
      tf_lanes_store_##isa(h + j, y);                                                              \
    }                                                                                              \
  }
#define CELL_EXACT(isa) CELL(isa, )
#define CELL_CUBIC(isa) CELL(isa, _cubic)
TF_LANES_EACH(CELL_EXACT)
TF_LANES_EACH(CELL_CUBIC)

static tf_err_t shape(tf_op_params_t *params) { return tf_op_shape_recurrent(params, GATES); }

static double from_x(const tf_op_params_t *p, uint32_t row, const double *in) {
  return tf_op_dot(p->weight + (size_t)row * (p->in_cnt + p->out_cnt), in, p->in_cnt);
}

static double from_h(const tf_op_params_t *p, uint32_t row, const double *h) {
  const float *w = p->weight + (size_t)row * (p->in_cnt + p->out_cnt);
  return tf_op_dot(w + p->in_cnt, h, p->out_cnt);
}

static double sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }

/* Here carry holds the new outputs until all are made, since all come from the h before. */
static void ref_step(const tf_op_params_t *p, const double *in, double *carry, double *h) {
  const uint32_t units = p->out_cnt;
  const float   *b     = p->bias;
  for (uint32_t j = 0; j < units; j++) {
    uint32_t jz = j, jr = units + j, jn = 2 * units + j, ju = 3 * units + j;
    double   z = sigmoid(from_x(p, jz, in) + from_h(p, jz, h) + (double)b[jz]);
    double   r = sigmoid(from_x(p, jr, in) + from_h(p, jr, h) + (double)b[jr]);
    double   n = tanh(from_x(p, jn, in) + (double)b[jn] + r * (from_h(p, jn, h) + (double)b[ju]));
    carry[j]   = (1.0 - z) * n + z * h[j];
  }
  for (uint32_t j = 0; j < units; j++) h[j] = carry[j];
}

const tf_op_t tf_op_gru = {
    .name       = "gru",
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
