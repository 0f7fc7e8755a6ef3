/* A layer of gated recurrent units, linear_before_reset 1 (recurrent.h). */
#include <math.h>

#include "tensor/recurrent.h"

extern const tf_op_t tf_op_gru;

static double sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }

static double ref_unit(const double *x, const double *u, double h, double *carry) {
  const double z = sigmoid(x[0] + u[0]), n = tanh(x[2] + sigmoid(x[1] + u[1]) * u[2]);
  *carry = (1.0 - z) * n + z * h;
  return *carry;
}

static const tf_recurrent_cell_t cell = {
    .gate_cnt = 3, .apart = true, .cell = tf_op_gru.cell[TF_OP_CURVE_EXACT], .ref = ref_unit};

TF_RECURRENT(gru, 5, cell)
