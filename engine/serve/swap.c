#include "serve/swap.h"

static void step(const tf_version_t *v, uint32_t instrument_idx, const float *row) {
  void *state = tf_version_window(v, instrument_idx);
  float out[TF_MODEL_OUTPUTS_MAX];
  (void)v->model->step(v->model, state, v->scratch, row, out);
  v->model->advance(v->model, state, v->scratch);
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

void tf_swap_follow(tf_swap_t *s, uint32_t instrument_idx, const float *row) {
  if (!s->kept.row_cap) return;
  if (row)
    tf_kept_rows_push(&s->kept, instrument_idx, row);
  else
    tf_kept_rows_clear(&s->kept, instrument_idx);
  const tf_version_t *v = s->beside;
  if (!v || instrument_idx > s->made_cnt) return;
  if (instrument_idx == s->made_cnt)
    follow_unmade(s, row);
  else if (row)
    step(v, instrument_idx, row);
  else
    v->model->reset(v->model, tf_version_window(v, instrument_idx));
}

static void take(tf_swap_t *s, uint64_t offered) {
  bool is_row = offered && tf_swap_row(s, offered)->windows == NULL;
  s->beside   = offered ? tf_swap_row(s, offered) : NULL;
  s->made_cnt = is_row ? s->instrument_cnt : 0;
  s->is_begun = false;
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
  if (s->left_cnt > 0) step(v, s->made_cnt, tf_kept_rows_at(&s->kept, s->made_cnt, s->left_cnt--));
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

const tf_version_t *tf_swap_obey(tf_swap_t *s, uint64_t number, uint32_t hash) {
  (void)tf_swap_prepare(s);
  const tf_version_t *v = s->beside;
  if (!v || v->number != number || v->model->hash != hash) return NULL;
  while (s->made_cnt < s->instrument_cnt) make_more(s);
  s->beside = NULL;
  /* relaxed: the lane's own word */
  uint64_t taken = tf_load_relaxed(&s->taken);
  tf_store_release(&s->serving, taken); /* pairs with: tf_model_server's waits */
  return v;
}
