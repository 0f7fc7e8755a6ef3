#include "stage/compute.h"

#include <string.h>

#include "core/error.h"

/* The model's input row from the feature row; false if a value is not finite as a float. */
static bool gather(const tf_compute_model_t *m, const double *row) {
  float bad = 0.0f;
  for (uint32_t i = 0; i < m->model->input_cnt; i++) {
    float value = (float)row[m->feature_idx[i]];
    m->row[i]   = value;
    bad += value * 0.0f; /* NaN or infinity makes it NaN, and it stays so */
  }
  return bad == 0.0f;
}

static bool is_finite(const float *out, uint32_t cnt) {
  float bad = 0.0f;
  for (uint32_t i = 0; i < cnt; i++) bad += out[i] * 0.0f;
  return bad == 0.0f;
}

uint32_t tf_compute_models(tf_compute_t *compute, const tf_lane_instrument_t *in) {
  uint32_t good = 0;
  for (uint32_t i = 0; i < compute->model_cnt; i++) {
    tf_compute_model_t *m = &compute->models[i];
    compute->counts.requested++;
    if (!gather(m, in->row)) {
      compute->counts.skipped_warmup++;
      continue;
    }
    m->model->run(m->model, m->scratch, m->row, m->out);
    if (!is_finite(m->out, m->model->output_cnt)) {
      compute->counts.skipped_output++;
      continue;
    }
    compute->counts.done++;
    good |= 1u << i;
  }
  return good;
}

tf_err_t tf_compute_add_model(tf_compute_t *compute, const tf_model_t *model,
                              const uint32_t *feature_idx, tf_arena_t *arena) {
  if (compute->model_cnt == TF_MODELS_MAX)
    return TF_ERR(E_CONFIG_VALUE, "more than %d models", TF_MODELS_MAX);
  tf_compute_model_t *m = &compute->models[compute->model_cnt];
  m->model              = model;
  m->feature_idx        = tf_arena_take(arena, model->input_cnt * sizeof *m->feature_idx, 64);
  m->row                = tf_arena_take(arena, model->input_cnt * sizeof *m->row, 64);
  m->scratch            = tf_arena_take(arena, model->scratch_bytes, 64);
  if (!m->feature_idx || !m->row || !m->scratch) return E_CORE_ARENA_FULL;
  memcpy(m->feature_idx, feature_idx, model->input_cnt * sizeof *feature_idx);
  compute->model_cnt++;
  return TF_OK;
}
