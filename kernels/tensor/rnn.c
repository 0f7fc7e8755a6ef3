/* A plain recurrent layer, h' = tanh(W x + R h + b) (recurrent.h). */
#include <math.h>

#include "op/lanes.h"
#include "tensor/recurrent.h"

#define CELL(isa)                                                                                  \
  TF_LANES_TARGET_##isa static void cell_##isa(uint32_t units, const float *from_h,                \
                                               const float *from_x, float *carry, float *h) {      \
    (void)carry;                                                                                   \
    for (uint32_t j = 0; j < units; j += TF_LANES_WIDTH_##isa)                                     \
      tf_lanes_store_##isa(                                                                        \
          h + j, tf_lanes_tanh_##isa(tf_lanes_add_##isa(tf_lanes_loadu_##isa(from_h + j),          \
                                                        tf_lanes_loadu_##isa(from_x + j))));       \
  }
TF_LANES_EACH(CELL)

static const tf_op_cell_t cells[TF_ISA_CNT] = TF_LANES_TABLE_OF(cell);

static double ref_unit(const double *x, const double *u, double h, double *carry) {
  (void)h;
  (void)carry;
  return tanh(x[0] + u[0]);
}

static const tf_recurrent_cell_t layer = {.gate_cnt = 1, .cell = cells, .ref = ref_unit};

TF_RECURRENT(rnn, 5, layer)
