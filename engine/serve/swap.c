#include "serve/swap.h"

static bool step(const tf_version_t *v, uint32_t instrument_idx, const float *row, float *out) {
  void *state = tf_version_window(v, instrument_idx);
  bool  good  = v->model->step(v->model, state, v->scratch, row, out);
  v->model->advance(v->model, state, v->scratch);
  return good;
}

/* The window that is being made: a row more to take, or none of those before. Rows that it took already do no harm,
 * since its answers are those of the newest alone. */
static void follow_unmade(tf_swap_t *s, const float *row) {
  if (!s->is_begun) return;
  if (!row)
    s->is_begun = false; /* begun anew, when its turn comes */
  else if (s->left_cnt < s->kept.row_cap)
    s->left_cnt++;
}

bool tf_swap_follow(tf_swap_t *s, uint32_t instrument_idx, const float *row,
                    const tf_version_t *other, float *out) {
  const tf_version_t *v = other ? other : s->beside;
  if (!s->kept.row_cap) {
    if (v && row) v->model->run(v->model, v->scratch, row, out);
    return v && row;
  }
  if (row)
    tf_kept_rows_push(&s->kept, instrument_idx, row);
  else
    tf_kept_rows_clear(&s->kept, instrument_idx);
  if (!v || (!other && instrument_idx > s->made_cnt)) return false;
  if (!other && instrument_idx == s->made_cnt)
    follow_unmade(s, row);
  else if (row)
    return step(v, instrument_idx, row, out);
  else
    v->model->reset(v->model, tf_version_window(v, instrument_idx));
  return false;
}

void tf_swap_compare(tf_swap_t *s, float ours, const float *theirs) {
  tf_shadow_t *w = &s->shadow;
  if (!theirs) {
    tf_count_add(&w->refused, 1);
    return;
  }
  double   apart = __builtin_fabs((double)ours - (double)*theirs) * 1e6;
  uint64_t distance =
      apart < (double)TF_SHADOW_DISTANCE_MAX ? (uint64_t)apart : TF_SHADOW_DISTANCE_MAX;
  tf_count_add(&w->signs, (ours > 0 && *theirs < 0) || (ours < 0 && *theirs > 0));
  tf_count_add(&w->distance_sum, distance);
  /* relaxed: words of the lane's own */
  if (distance > tf_load_relaxed(&w->distance_max)) tf_store_relaxed(&w->distance_max, distance);
  tf_count_add(&w->answers, 1);
}

static void forget_figures(tf_shadow_t *w, tf_canary_t *c) {
  uint64_t *words[] = {&w->answers,      &w->refused, &w->signs,   &w->distance_sum,
                       &w->distance_max, &c->answers, &c->refused, &c->late};
  /* relaxed: words that stand alone */
  for (size_t i = 0; i < TF_ARRAY_CNT(words); i++) tf_store_relaxed(words[i], 0);
}

static void take(tf_swap_t *s, uint64_t offered) {
  bool is_row = offered && tf_swap_row(s, offered)->windows == NULL;
  s->beside   = offered ? tf_swap_row(s, offered) : NULL;
  s->made_cnt = is_row ? s->instrument_cnt : 0;
  s->is_begun = false;
  forget_figures(&s->shadow, &s->canary);
  tf_store_release(&s->taken, offered); /* pairs with: tf_model_server's waits */
}

/* One row more. An instrument without rows is reset too: an earlier stay beside another may have left something. */
static void make_more(tf_swap_t *s) {
  const tf_version_t *v = s->beside;
  if (!s->is_begun) {
    v->model->reset(v->model, tf_version_window(v, s->made_cnt));
    s->left_cnt = s->kept.cnt[s->made_cnt];
    s->is_begun = true;
  }
  float out[TF_MODEL_OUTPUTS_MAX];
  if (s->left_cnt > 0)
    (void)step(v, s->made_cnt, tf_kept_rows_at(&s->kept, s->made_cnt, s->left_cnt--), out);
  if (s->left_cnt > 0) return;
  s->is_begun = false;
  s->made_cnt++;
}

bool tf_swap_prepare(tf_swap_t *s) {
  uint64_t offered = tf_load_acquire(&s->offered); /* pairs with: tf_model_server's offer */
  /* relaxed: the lane's own words */
  if (TF_UNLIKELY(offered != tf_load_relaxed(&s->taken))) take(s, offered);
  if (TF_LIKELY(!s->beside)) return false;
  if (s->made_cnt < s->instrument_cnt) {
    make_more(s);
    return true;
  }
  /* relaxed: the lane's own words */
  if (tf_load_relaxed(&s->prepared) == offered) return false;
  tf_store_release(&s->prepared, offered); /* pairs with: tf_model_server's waits */
  return true;
}

const tf_version_t *tf_swap_try(tf_swap_t *s, uint64_t number, uint32_t hash) {
  (void)tf_swap_prepare(s);
  const tf_version_t *v = s->beside;
  if (!v || v->number != number || v->model->hash != hash) return NULL;
  while (s->made_cnt < s->instrument_cnt) make_more(s);
  return v;
}

const tf_version_t *tf_swap_obey(tf_swap_t *s, uint64_t number, uint32_t hash) {
  const tf_version_t *v = tf_swap_try(s, number, hash);
  if (!v) return NULL;
  s->beside = NULL;
  /* relaxed: the lane's own word */
  uint64_t taken = tf_load_relaxed(&s->taken);
  tf_store_release(&s->serving, taken); /* pairs with: tf_model_server's waits */
  return v;
}

void tf_swap_remake(tf_swap_t *s, uint32_t instrument_idx) {
  const tf_version_t *v = &s->versions[0];
  float               out[TF_MODEL_OUTPUTS_MAX];
  if (!v->windows) return;
  v->model->reset(v->model, tf_version_window(v, instrument_idx));
  for (uint32_t left = s->kept.cnt[instrument_idx]; left > 0; left--)
    (void)step(v, instrument_idx, tf_kept_rows_at(&s->kept, instrument_idx, left), out);
}
