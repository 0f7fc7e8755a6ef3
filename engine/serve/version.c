#include "serve/version.h"

#include <string.h>

#include "core/error.h"

size_t tf_version_stride(const tf_model_t *model) {
  return model->window > 1 ? tf_align_up(model->state_bytes, TF_LINE_PAIR_BYTES) : 0;
}

tf_err_t tf_version_windows_bytes(const tf_model_t *model, uint32_t instrument_cnt, size_t *bytes) {
  if (!__builtin_mul_overflow(tf_version_stride(model), (size_t)instrument_cnt, bytes))
    return TF_OK;
  return TF_ERR(E_CORE_OVERFLOW, "model %s: %u window states of %zu bytes", model->name,
                instrument_cnt, model->state_bytes);
}

tf_err_t tf_version_init(tf_version_t *v, const tf_model_t *model, uint64_t number,
                         uint32_t instrument_cnt) {
  size_t   many    = tf_align_up(model->many_scratch_bytes, TF_LINE_PAIR_BYTES);
  size_t   windows = 0, scratch = tf_align_up(model->scratch_bytes + 1, TF_LINE_PAIR_BYTES);
  tf_err_t err = tf_version_windows_bytes(model, instrument_cnt, &windows);
  if (err) return err;
  tf_version_t made = {.number        = number,
                       .scratch       = aligned_alloc(TF_LINE_PAIR_BYTES, scratch),
                       .many_scratch  = many ? aligned_alloc(TF_LINE_PAIR_BYTES, many) : NULL,
                       .windows       = windows ? aligned_alloc(TF_LINE_PAIR_BYTES, windows) : NULL,
                       .window_stride = instrument_cnt > 1 ? tf_version_stride(model) : 0};
  if (!made.scratch || (many && !made.many_scratch) || (windows && !made.windows)) {
    tf_version_fini(&made);
    return TF_ERR(E_CORE_NO_MEMORY, "model %s: %zu bytes of window states", model->name, windows);
  }
  memset(made.scratch, 0, scratch);
  if (many) memset(made.many_scratch, 0, many);
  if (windows) memset(made.windows, 0, windows);
  made.model = model;
  for (uint32_t i = 0; windows && i < instrument_cnt; i++)
    model->reset(model, tf_version_window(&made, i));
  *v = made;
  return TF_OK;
}

void tf_version_fini(tf_version_t *v) {
  free(v->scratch);
  free(v->many_scratch);
  free(v->windows);
  memset(v, 0, sizeof *v);
}

static float *row_at(const tf_kept_rows_t *k, uint32_t instrument_idx, uint32_t row_idx) {
  return k->rows + ((size_t)instrument_idx * k->row_cap + row_idx) * k->width;
}

tf_err_t tf_kept_rows_init(tf_kept_rows_t *k, uint32_t row_cap, uint32_t width,
                           uint32_t instrument_cnt, tf_arena_t *arena) {
  *k          = (tf_kept_rows_t){.row_cap = row_cap, .width = width};
  k->rows     = tf_arena_take(arena, (size_t)instrument_cnt * row_cap * width * sizeof(float), 64);
  k->cnt      = tf_arena_take(arena, instrument_cnt * sizeof *k->cnt, 64);
  k->next_idx = tf_arena_take(arena, instrument_cnt * sizeof *k->next_idx, 64);
  if (!k->rows || !k->cnt || !k->next_idx) return E_CORE_ARENA_FULL;
  memset(k->cnt, 0, instrument_cnt * sizeof *k->cnt);
  memset(k->next_idx, 0, instrument_cnt * sizeof *k->next_idx);
  return TF_OK;
}

void tf_kept_rows_push(tf_kept_rows_t *k, uint32_t instrument_idx, const float *row) {
  uint32_t *next = &k->next_idx[instrument_idx];
  memcpy(row_at(k, instrument_idx, *next), row, k->width * sizeof *row);
  *next = *next + 1 == k->row_cap ? 0 : *next + 1;
  if (k->cnt[instrument_idx] < k->row_cap) k->cnt[instrument_idx]++;
}

void tf_kept_rows_clear(tf_kept_rows_t *k, uint32_t instrument_idx) {
  k->cnt[instrument_idx] = k->next_idx[instrument_idx] = 0;
}

const float *tf_kept_rows_at(const tf_kept_rows_t *k, uint32_t instrument_idx, uint32_t back_cnt) {
  uint32_t next = k->next_idx[instrument_idx];
  return row_at(k, instrument_idx,
                next >= back_cnt ? next - back_cnt : next + k->row_cap - back_cnt);
}

void tf_kept_rows_walk(tf_kept_rows_t *k, uint32_t instrument_idx, tf_walk_t *w) {
  if (k->row_cap == 0) return;
  const size_t values = (size_t)k->row_cap * k->width;
  tf_walk(w, k->rows + instrument_idx * values, values * sizeof *k->rows);
  tf_walk(w, &k->cnt[instrument_idx], sizeof *k->cnt);
  tf_walk(w, &k->next_idx[instrument_idx], sizeof *k->next_idx);
  if (w->way != TF_WALK_LOAD) return;
  if (k->cnt[instrument_idx] <= k->row_cap && k->next_idx[instrument_idx] < k->row_cap) return;
  w->is_short = true;
  tf_kept_rows_clear(k, instrument_idx);
}
