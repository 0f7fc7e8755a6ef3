#include <math.h>
#include <string.h>

#include "core/error.h"
#include "op/op.h"

#define TF_OP(name) extern const tf_op_t tf_op_##name;
#include "op/ops.def"
#undef TF_OP

static const tf_op_t *const ops[] = {
#define TF_OP(name) &tf_op_##name,
#include "op/ops.def"
#undef TF_OP
};

const tf_op_t *tf_op_find(const char *name) {
  for (size_t i = 0; i < TF_ARRAY_CNT(ops); i++)
    if (strcmp(ops[i]->name, name) == 0) return ops[i];
  return NULL;
}

const tf_op_t *tf_op_at(uint32_t idx) { return idx < TF_ARRAY_CNT(ops) ? ops[idx] : NULL; }

const tf_op_t *tf_op_of_act(tf_op_act_t act) {
  if (act == TF_OP_ACT_NONE) return NULL;
  for (size_t i = 0; i < TF_ARRAY_CNT(ops); i++)
    if (ops[i]->act == act) return ops[i];
  return NULL;
}

tf_err_t tf_op_shape_same(tf_op_params_t *params) {
  if (params->in_cnt == 0 || params->in_cnt > TF_OP_WIDTH_MAX)
    return TF_ERR(E_MODEL_SHAPE, "a row of %u values, 1 to %u are allowed", params->in_cnt,
                  TF_OP_WIDTH_MAX);
  if (!isfinite(params->alpha) || !isfinite(params->beta))
    return TF_ERR(E_MODEL_SHAPE, "a parameter is not finite (%g, %g)", (double)params->alpha,
                  (double)params->beta);
  params->out_cnt = params->in_cnt;
  return TF_OK;
}

uint64_t tf_op_flops_elements(const tf_op_params_t *params) { return params->in_cnt; }

uint64_t tf_op_bytes_elements(const tf_op_params_t *params) {
  return sizeof(float) * (UINT64_C(2) * params->in_cnt + params->weight_cnt);
}

tf_err_t tf_op_shape_recurrent(tf_op_params_t *params, uint32_t gate_cnt) {
  uint64_t units = params->bias_cnt / TF_OP_BIASES_A_UNIT, columns = params->in_cnt + units;
  if (params->in_cnt == 0 || params->in_cnt > TF_OP_WIDTH_MAX || units == 0 ||
      units > TF_OP_UNITS_MAX || params->bias_cnt % TF_OP_BIASES_A_UNIT != 0)
    return TF_ERR(
        E_MODEL_SHAPE,
        "a row of %u values and %llu biases: 1 to %u values and 4 biases for each of 1 to "
        "%u units are allowed",
        params->in_cnt, (unsigned long long)params->bias_cnt, TF_OP_WIDTH_MAX, TF_OP_UNITS_MAX);
  if (params->weight_cnt > TF_OP_WEIGHT_MAX || params->weight_cnt != gate_cnt * units * columns)
    return TF_ERR(E_MODEL_SHAPE, "%llu weights for %llu units of %u gates over a row of %u values",
                  (unsigned long long)params->weight_cnt, (unsigned long long)units, gate_cnt,
                  params->in_cnt);
  params->out_cnt = (uint32_t)units;
  return TF_OK;
}

/* Two a weight; each gate's curve is left out. */
uint64_t tf_op_flops_recurrent(const tf_op_params_t *params) { return 2 * params->weight_cnt; }

uint64_t tf_op_bytes_recurrent(const tf_op_params_t *params) {
  return sizeof(float) *
         (params->weight_cnt + params->bias_cnt + params->in_cnt + UINT64_C(4) * params->out_cnt);
}

double tf_op_dot(const float *w, const double *x, uint32_t cnt) {
  double   part[4] = {0.0, 0.0, 0.0, 0.0};
  uint32_t k       = 0;
  for (; k + 4 <= cnt; k += 4)
    for (uint32_t i = 0; i < 4; i++) part[i] += (double)w[k + i] * x[k + i];
  for (; k < cnt; k++) part[0] += (double)w[k] * x[k];
  return (part[0] + part[1]) + (part[2] + part[3]);
}

uint64_t tf_op_weight_columns(const tf_op_t *op, uint64_t in_cnt, uint64_t bias_cnt) {
  if (op->kind == TF_OP_KIND_RECURRENT) return in_cnt + bias_cnt / TF_OP_BIASES_A_UNIT;
  return op->has_bias ? in_cnt : 0;
}

tf_err_t tf_op_shape_constant(tf_op_params_t *params) {
  if (params->weight_cnt != params->in_cnt)
    return TF_ERR(E_MODEL_SHAPE, "%llu constants for a row of %u values",
                  (unsigned long long)params->weight_cnt, params->in_cnt);
  return tf_op_shape_same(params);
}

uint64_t tf_op_packed_cnt_constant(const tf_op_params_t *params) {
  return tf_align_up(params->in_cnt, TF_OP_PAD);
}

void tf_op_pack_constant(const tf_op_params_t *params, tf_isa_t isa, float *target,
                         tf_op_params_t *packed) {
  (void)isa;
  *packed = *params;
  memset(target, 0, tf_op_packed_cnt_constant(params) * sizeof *target);
  memcpy(target, params->weight, params->in_cnt * sizeof *target);
  packed->weight = target;
}
