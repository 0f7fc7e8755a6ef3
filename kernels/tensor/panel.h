/* Products of matrices, C = A B + bias. B is packed into panels of TF_PANEL columns, in each the columns' values of
 * row 0, then of row 1: a value of A broadcast meets one aligned vector. Every value of C is one sum over k in
 * order, from 0, then the biases, whatever the instruction set and however many rows there are. Several
 * rows are in flight: an addition takes 3 to 4 cycles, and a cycle takes one or two.
 *
 * Without FMA nothing is lost on an EPYC 9004: 101 GFLOP/s of 98 to 101 (ADR 0069; AVX-512, 128 rows, 384 by 384, 2026-11-22).
 *
 * A plan's constant matrices are packed once; computed ones (attention's keys, a convolution's columns) on each run. */
#ifndef TF_KERNELS_TENSOR_PANEL_H
#define TF_KERNELS_TENSOR_PANEL_H

#include "core/isa.h"
#include "tf/base.h"

#define TF_PANEL 16u

typedef struct tf_panel_product {
  uint32_t     m, n, k;
  const float *a; /* m rows of k, a_step apart */
  size_t       a_step;
  const float *b; /* packed, aligned to 64 */
  float       *c; /* m rows of n, c_step apart; nothing else is written */
  size_t       c_step;
  const float *bias;     /* n values, added to each row; or NULL */
  const float *row_bias; /* m values, one added to all of a row; or NULL */
} tf_panel_product_t;

/* Floats of a packed matrix of k rows and n columns: a multiple of TF_PANEL. */
size_t tf_panel_floats(uint32_t k, uint32_t n);
/* Value (k, n) is b[k * k_step + n * n_step]. Columns past the last are zeros. */
void tf_panel_pack(const float *b, size_t k_step, size_t n_step, uint32_t k, uint32_t n,
                   float *target);
void tf_panel_multiply(tf_isa_t isa, const tf_panel_product_t *product);

#endif
