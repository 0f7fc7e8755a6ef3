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

/* Rows of the plan's two halves of scratch, and what is made ready of each. */
typedef struct halves {
  float   *near, *far;
  uint8_t *ready;
  size_t   stride;
} halves_t;

static void run_mat_rows(const tf_plan_step_t *step, const float *in, size_t in_stride,
                         uint32_t row_cnt, const halves_t *h) {
  for (uint32_t r = 0; r < row_cnt; r++)
    step->mat.to_row(&step->mat, in + r * in_stride, h->ready + r * step->mat.row_bytes);
  float *product = step->run ? h->far : h->near;
  step->mat.mul(&step->mat, h->ready, row_cnt, step->params.bias, 0, product, h->stride);
  if (!step->run) return;
  tf_op_params_t act = step->params;
  act.in_cnt         = step->params.out_cnt;
  for (uint32_t r = 0; r < row_cnt; r++)
    step->run(&act, product + r * h->stride, h->near + r * h->stride);
}

static void run_rows(const tf_plan_t *plan, const tf_plan_step_t *step, const float *in,
                     size_t in_stride, uint32_t row_cnt, const halves_t *h) {
  tf_op_rows_t rows = step->op->rows[plan->isa];
  if (step->mat.mul)
    run_mat_rows(step, in, in_stride, row_cnt, h);
  else if (rows)
    rows(&step->params, in, in_stride, row_cnt, h->near, h->stride);
  else
    for (uint32_t r = 0; r < row_cnt; r++)
      step->run(&step->params, in + r * in_stride, h->near + r * h->stride);
}

size_t tf_execute_rows_bytes(const tf_plan_t *plan) {
  return TF_MODEL_ROWS_MAX * (2 * (size_t)plan->row_floats * sizeof(float) + plan->ready_bytes);
}

void tf_execute_rows(const tf_plan_t *plan, void *scratch, const float *rows, uint32_t row_cnt,
                     float *out) {
  const size_t half      = (size_t)row_cnt * plan->row_floats;
  halves_t     h         = {.near   = scratch,
                            .far    = (float *)scratch + half,
                            .ready  = (uint8_t *)((float *)scratch + 2 * half),
                            .stride = plan->row_floats};
  const float *in        = rows;
  size_t       in_stride = plan->input_cnt;
  if (!plan->direct) {
    for (uint32_t r = 0; r < row_cnt; r++) {
      float *to = h.far + r * h.stride;
      memcpy(to, rows + r * in_stride, in_stride * sizeof *to);
      memset(to + in_stride, 0, (plan->row_floats - in_stride) * sizeof *to);
    }
    in        = h.far;
    in_stride = h.stride;
  }
  for (uint32_t i = 0; i < plan->step_cnt; i++) {
    run_rows(plan, &plan->steps[i], in, in_stride, row_cnt, &h);
    in          = h.near;
    in_stride   = h.stride;
    float *done = h.near;
    h.near      = h.far;
    h.far       = done;
  }
  for (uint32_t r = 0; r < row_cnt; r++)
    memcpy(out + r * plan->output_cnt, in + r * in_stride, plan->output_cnt * sizeof *out);
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
