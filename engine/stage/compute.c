#include "stage/compute.h"

#include <string.h>

#include "core/clock.h"
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

/* Late answers are there and are used; what can be saved is the next ticks' time. */
TF_COLD static void on_late(tf_compute_t *compute, tf_compute_model_t *m) {
  m->counts.late++;
  if (m->overrun == TF_OVERRUN_COUNT || ++m->late_cnt < m->late_limit) return;
  m->late_cnt = 0;
  tf_count_add(&m->pauses_asked, 1);
  tf_store_release(&compute->asks, compute->asks + 1); /* pairs with: ask_pauses */
}

static bool answer_timed(tf_compute_t *compute, tf_compute_model_t *m, void *window) {
  uint64_t begin = tf_clock_ticks();
  bool     good  = answer(m, window);
  uint64_t taken = tf_clock_ticks() - begin;
  m->counts.timed++;
  m->counts.run_ns += tf_clock_ticks_to_ns(taken);
  if (TF_UNLIKELY(taken > m->budget_ticks))
    on_late(compute, m);
  else
    m->late_cnt = 0;
  return good;
}

/* What stands in for a paused model; false: nothing does. */
TF_COLD static bool stand_in(tf_compute_t *compute, tf_compute_model_t *m, uint32_t instrument_id,
                             uint32_t good) {
  m->path = TF_PATH_FALLBACK;
  if (m->overrun == TF_OVERRUN_LAST && m->lasts) {
    m->answer = m->lasts[instrument_id];
    return m->answer.score == m->answer.score;
  }
  if (m->overrun != TF_OVERRUN_FALLBACK || !(good >> m->fallback_idx & 1)) return false;
  const tf_compute_model_t *other = &compute->models[m->fallback_idx];
  m->answer                       = other->answer;
  m->answered_by                  = other->model;
  return true;
}

/* One model on the tick in hand: true when there is an answer that a rule may see. */
static bool ask(tf_compute_t *compute, tf_compute_model_t *m, const tf_lane_instrument_t *in,
                void *window, uint32_t good) {
  m->answered_by = m->model;
  m->path        = TF_PATH_CPU;
  if (!gather(m, in->row)) {
    if (window) m->model->reset(m->model, window);
    m->counts.warmup++;
    compute->counts.skipped_warmup++;
    return false;
  }
  if (TF_UNLIKELY(m->paused_until_ns) && in->market.now_ns < m->paused_until_ns) {
    m->owes_row    = window != NULL;
    bool stands_in = stand_in(compute, m, in->market.event->instrument_id, good);
    m->counts.fallback += stands_in;
    m->counts.paused_skipped += !stands_in;
    compute->counts.skipped_paused += !stands_in;
    return stands_in;
  }
  if (!(m->budget_ticks ? answer_timed(compute, m, window) : answer(m, window))) {
    m->counts.warmup++;
    compute->counts.skipped_warmup++;
    return false;
  }
  if (tf_post_apply(&m->post, m->out, &m->answer, &m->counts.post) != TF_POST_GOOD) {
    compute->counts.skipped_output++;
    return false;
  }
  if (m->lasts) m->lasts[in->market.event->instrument_id] = m->answer;
  return true;
}

uint32_t tf_compute_models(tf_compute_t *compute, const tf_lane_instrument_t *in) {
  uint32_t good = 0;
  for (uint32_t i = 0; i < compute->model_cnt; i++) {
    tf_compute_model_t *m = &compute->models[i];
    m->counts.requested++;
    compute->counts.requested++;
    bool is_good = ask(compute, m, in, in->windows[i], good);
    m->counts.done += is_good;
    compute->counts.done += is_good;
    good |= (uint32_t)is_good << i;
    if (m->fleet)
      tf_fleet_update(m->fleet, in->market.event->instrument_id, is_good ? &m->answer : NULL);
  }
  return good;
}

void tf_compute_pause(tf_compute_t *compute, uint32_t model_idx, uint64_t until_ns) {
  if (model_idx >= compute->model_cnt) return; /* of a config with more models */
  compute->models[model_idx].paused_until_ns = until_ns;
  compute->models[model_idx].counts.pauses++;
}

bool tf_compute_deferred(tf_compute_t *compute, const tf_lane_instrument_t *in) {
  bool any = false;
  for (uint32_t i = 0; i < compute->model_cnt; i++) {
    tf_compute_model_t *m = &compute->models[i];
    if (TF_UNLIKELY(m->owes_row)) {
      (void)m->model->step(m->model, in->windows[i], m->scratch, m->row, m->out);
      m->owes_row     = false;
      m->has_deferred = true;
    }
    if (!m->has_deferred) continue;
    m->model->advance(m->model, in->windows[i], m->scratch);
    m->has_deferred = false;
    any             = true;
  }
  return any;
}

uint64_t tf_compute_late(const tf_compute_t *compute) {
  uint64_t late = 0;
  for (uint32_t i = 0; i < compute->model_cnt; i++) late += compute->models[i].counts.late;
  return late;
}

void tf_compute_forget_counts(tf_compute_t *compute) {
  compute->counts = (tf_compute_counts_t){.warming = compute->counts.warming};
  for (uint32_t i = 0; i < compute->model_cnt; i++)
    compute->models[i].counts = (tf_compute_model_counts_t){0};
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
  m->post        = tf_post_plain(model->output_cnt, model->output_cnt % 3 ? model->output_cnt : 1);
  m->answered_by = model;
  compute->model_cnt++;
  return TF_OK;
}
