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

/* The row through the model; false while its window is not full. */
static bool answer(tf_compute_model_t *m, void *window) {
  const tf_model_t *model = m->model;
  if (!window) {
    model->run(model, m->scratch, m->row, m->out);
    return true;
  }
  m->has_deferred = true;
  return model->step(model, window, m->scratch, m->row, m->out);
}

uint32_t tf_compute_models(tf_compute_t *compute, const tf_lane_instrument_t *in) {
  uint32_t good = 0;
  for (uint32_t i = 0; i < compute->model_cnt; i++) {
    tf_compute_model_t *m      = &compute->models[i];
    void               *window = in->windows[i];
    compute->counts.requested++;
    if (!gather(m, in->row)) {
      if (window) m->model->reset(m->model, window);
      compute->counts.skipped_warmup++;
      continue;
    }
    if (!answer(m, window)) {
      compute->counts.skipped_warmup++;
      continue;
    }
    if (!is_finite(m->out, m->model->output_cnt)) {
      compute->counts.skipped_output++;
      continue;
    }
    compute->counts.done++;
    good |= 1u << i;
  }
  return good;
}

bool tf_compute_deferred(tf_compute_t *compute, const tf_lane_instrument_t *in) {
  bool any = false;
  for (uint32_t i = 0; i < compute->model_cnt; i++) {
    tf_compute_model_t *m = &compute->models[i];
    if (!m->has_deferred) continue;
    m->model->advance(m->model, in->windows[i], m->scratch);
    m->has_deferred = false;
    any             = true;
  }
  return any;
}

tf_err_t tf_compute_init_instrument(const tf_compute_t *compute, tf_lane_instrument_t *in,
                                    tf_arena_t *arena) {
  for (uint32_t i = 0; i < compute->model_cnt; i++) {
    const tf_model_t *model = compute->models[i].model;
    if (model->window <= 1) continue;
    in->windows[i] = tf_arena_take(arena, model->state_bytes, TF_LINE_PAIR_BYTES);
    if (!in->windows[i]) return E_CORE_ARENA_FULL;
    model->reset(model, in->windows[i]);
  }
  return TF_OK;
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
