/* A row op without weights applied to each row along the last axis: softmax. Rows lie one behind the other, so each
 * goes through scratch, where it may begin at a vector and run over its end. */
#include <string.h>

#include "core/error.h"
#include "tensor/tensor.h"

static uint32_t width_of(const tf_tensor_use_t *use) {
  return use->out.rank ? use->out.dims[use->out.rank - 1] : 1;
}

static tf_op_params_t params_of(const tf_tensor_use_t *use) {
  return (tf_op_params_t){.in_cnt = width_of(use), .out_cnt = width_of(use)};
}

static tf_err_t shape(tf_tensor_use_t *use) {
  if (use->row->kind != TF_OP_KIND_ROW || use->row->has_weight || use->row->scalar_cnt)
    return TF_ERR(E_MODEL_FORMAT, "%s does not work on plain rows", use->row->name);
  use->out              = use->in[0];
  tf_op_params_t params = params_of(use);
  return use->row->shape(&params);
}

static size_t scratch_cnt(const tf_tensor_use_t *use) {
  return 2 * tf_align_up(width_of(use), TF_OP_PAD);
}

static void ref(const tf_tensor_use_t *use, const double *const *in, double *out, double *scratch) {
  (void)scratch;
  tf_op_params_t params = params_of(use);
  for (uint32_t at = 0; at < use->out.cnt; at += params.in_cnt)
    use->row->ref(&params, in[0] + at, out + at);
}

static void run(const tf_tensor_use_t *use, const float *const *in, float *out, float *scratch) {
  tf_op_params_t params = params_of(use);
  float         *done   = scratch + tf_align_up(params.in_cnt, TF_OP_PAD);
  for (uint32_t at = 0; at < use->out.cnt; at += params.in_cnt) {
    memcpy(scratch, in[0] + at, params.in_cnt * sizeof *out);
    use->row->run[use->isa](&params, scratch, done);
    memcpy(out + at, done, params.in_cnt * sizeof *out);
  }
}

static uint64_t flops(const tf_tensor_use_t *use) {
  tf_op_params_t params = params_of(use);
  return use->row->flops(&params) * (use->out.cnt / params.in_cnt);
}

const tf_tensor_op_t tf_tensor_rows = {
    .name        = "rows",
    .in_min      = 1,
    .in_max      = 1,
    .takes_row   = true,
    .in_place    = true,
    .shape       = shape,
    .scratch_cnt = scratch_cnt,
    .ref         = ref,
    .run         = run,
    .flops       = flops,
};
