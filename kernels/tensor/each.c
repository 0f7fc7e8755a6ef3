/* A row op without weights applied to all values as one row: relu, gelu, clip. reals are its alpha and beta. */
#include "core/error.h"
#include "tensor/tensor.h"

static tf_op_params_t params_of(const tf_tensor_use_t *use) {
  return (tf_op_params_t){.in_cnt  = use->out.cnt,
                          .out_cnt = use->out.cnt,
                          .alpha   = (float)use->reals[0],
                          .beta    = (float)use->reals[1]};
}

static tf_err_t shape(tf_tensor_use_t *use) {
  if (use->row->kind != TF_OP_KIND_ROW || use->row->has_weight || use->row->mixes)
    return TF_ERR(E_MODEL_FORMAT, "%s does not work value by value", use->row->name);
  tf_op_params_t params = params_of(use);
  params.in_cnt         = 1; /* checks alpha and beta */
  use->out              = use->in[0];
  return use->row->shape(&params);
}

static void ref(const tf_tensor_use_t *use, const double *const *in, double *out, double *scratch) {
  (void)scratch;
  tf_op_params_t params = params_of(use);
  use->row->ref(&params, in[0], out);
}

static void run(const tf_tensor_use_t *use, const float *const *in, float *out, float *scratch) {
  (void)scratch;
  tf_op_params_t params = params_of(use);
  use->row->run[use->isa](&params, in[0], out);
}

static uint64_t flops(const tf_tensor_use_t *use) {
  tf_op_params_t params = params_of(use);
  return use->row->flops(&params);
}

const tf_tensor_op_t tf_tensor_each = {
    .name      = "each",
    .in_min    = 1,
    .in_max    = 1,
    .real_cnt  = 2,
    .takes_row = true,
    .in_place  = true,
    .shape     = shape,
    .ref       = ref,
    .run       = run,
    .flops     = flops,
};
