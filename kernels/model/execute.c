#include "model/execute.h"

#include <string.h>

void tf_execute_row(const tf_plan_t *plan, void *scratch, const float *row, float *out) {
  float       *near = scratch, *far = near + plan->row_floats;
  const float *in = row;
  if (!plan->direct) {
    uint32_t padded = (uint32_t)tf_align_up(plan->input_cnt, TF_OP_PAD);
    memcpy(far, row, plan->input_cnt * sizeof *row);
    memset(far + plan->input_cnt, 0, (padded - plan->input_cnt) * sizeof *row);
    in = far;
  }
  for (uint32_t i = 0; i < plan->step_cnt; i++) {
    const tf_plan_step_t *step = &plan->steps[i];
    step->run(&step->params, in, near);
    in          = near;
    float *done = near;
    near        = far;
    far         = done;
  }
  memcpy(out, in, plan->output_cnt * sizeof *out);
}
