/* Running a plan: one row in, its outputs out. No allocation, no failure, no state: the same row
 * gives the same bits whatever ran before. Any thread, each with its own scratch. */
#ifndef TF_KERNELS_MODEL_EXECUTE_H
#define TF_KERNELS_MODEL_EXECUTE_H

#include "model/plan.h"

/* row: input_cnt floats, aligned as floats are; out: output_cnt floats; scratch: scratch_bytes, aligned
 * to 64. None may overlap. */
void tf_execute_row(const tf_plan_t *plan, void *scratch, const float *row, float *out);

/* row_cnt (1 .. TF_MODEL_ROWS_MAX) rows, one behind the other, and their outputs likewise: the bits of tf_execute_row for
 * each. scratch: tf_execute_rows_bytes. */
void   tf_execute_rows(const tf_plan_t *plan, void *scratch, const float *rows, uint32_t row_cnt,
                       float *out);
size_t tf_execute_rows_bytes(const tf_plan_t *plan);

#endif
