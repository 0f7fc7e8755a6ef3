/* Running a plan: one row in, its outputs out. No allocation, no failure, no state: the same row
 * gives the same bits whatever ran before. Any thread, each with its own scratch. */
#ifndef TF_KERNELS_MODEL_EXECUTE_H
#define TF_KERNELS_MODEL_EXECUTE_H

#include "model/plan.h"

/* row: input_cnt floats, aligned as floats are; out: output_cnt floats; scratch: scratch_bytes, aligned
 * to 64. None may overlap. */
void tf_execute_row(const tf_plan_t *plan, void *scratch, const float *row, float *out);

#endif
