#include "model/execute.h"

#include <string.h>

/* A product below fp32, and its activation from one row of scratch to the other. The result is in near. */
static void run_mat(const tf_plan_step_t *step, const float *in, float *near, float *far,
                    void *ready) {
  step->mat.to_row(&step->mat, in, ready);
  float *product = step->run ? far : near;
  step->mat.mul(&step->mat, ready, 1, step->params.bias, 0, product, 0);
  if (!step->run) return;
  tf_op_params_t act = step->params;
  act.in_cnt         = step->params.out_cnt;
  step->run(&act, product, near);
}

void tf_execute_row(const tf_plan_t *plan, void *scratch, const float *row, float *out) {
  float       *near = scratch, *far = near + plan->row_floats;
  void        *ready = near + 2 * (size_t)plan->row_floats;
  const float *in    = row;
  if (!plan->direct) {
    uint32_t padded = (uint32_t)tf_align_up(plan->input_cnt, TF_OP_PAD);
    memcpy(far, row, plan->input_cnt * sizeof *row);
    memset(far + plan->input_cnt, 0, (padded - plan->input_cnt) * sizeof *row);
    in = far;
  }
  for (uint32_t i = 0; i < plan->step_cnt; i++) {
    const tf_plan_step_t *step = &plan->steps[i];
    if (step->mat.mul)
      run_mat(step, in, near, far, ready);
    else
      step->run(&step->params, in, near);
    in          = near;
    float *done = near;
    near        = far;
    far         = done;
  }
  memcpy(out, in, plan->output_cnt * sizeof *out);
}
