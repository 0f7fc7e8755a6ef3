/* A long short-term memory layer (recurrent.h). */
#include <math.h>

#include "tensor/recurrent.h"

extern const tf_op_t tf_op_lstm;

static double sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }

static double ref_unit(const double *x, const double *u, double h, double *carry) {
  (void)h;
  *carry = sigmoid(x[2] + u[2]) * *carry + sigmoid(x[0] + u[0]) * tanh(x[3] + u[3]);
  return sigmoid(x[1] + u[1]) * tanh(*carry);
}

static const tf_recurrent_cell_t cell = {
    .gate_cnt = 4, .has_carry = true, .cell = tf_op_lstm.cell[TF_OP_CURVE_EXACT], .ref = ref_unit};

TF_RECURRENT(lstm, 6, cell)
