#include "serve/swap.h"

#define SEARCH_MAX 64 /* instruments without rows that one call passes over */

void tf_swap_follow(tf_swap_t *s, uint32_t instrument_idx, const float *row) {
  if (!s->kept.row_cap) return;
  if (row)
    tf_kept_rows_push(&s->kept, instrument_idx, row);
  else
    tf_kept_rows_clear(&s->kept, instrument_idx);
  const tf_version_t *v = s->beside;
  if (!v || instrument_idx >= s->made_cnt) return;
  void *state = tf_version_window(v, instrument_idx);
  float out[TF_MODEL_OUTPUTS_MAX];
  if (!row) {
    v->model->reset(v->model, state);
    return;
  }
  (void)v->model->step(v->model, state, v->scratch, row, out);
  v->model->advance(v->model, state, v->scratch);
}

static void take(tf_swap_t *s, uint64_t offered) {
  bool is_row = offered && tf_swap_row(s, offered)->windows == NULL;
  s->beside   = offered ? tf_swap_row(s, offered) : NULL;
  s->made_cnt = is_row ? s->instrument_cnt : 0;
  tf_store_release(&s->taken, offered); /* pairs with: tf_model_server's waits */
}

/* Windows of instruments that have no rows are as they were made: empty. But an earlier stay of this version beside
 * another may have left something in them. */
static bool make_next(tf_swap_t *s) {
  const tf_version_t *v = s->beside;
  for (uint32_t n = 0; n < SEARCH_MAX && s->made_cnt < s->instrument_cnt; n++)
    if (tf_kept_rows_rebuild(&s->kept, s->made_cnt++, v)) break;
  return true;
}

bool tf_swap_prepare(tf_swap_t *s) {
  uint64_t offered = tf_load_acquire(&s->offered); /* pairs with: tf_model_server's offer */
  /* relaxed: the lane's own words */
  if (TF_UNLIKELY(offered != tf_load_relaxed(&s->taken))) take(s, offered);
  if (TF_LIKELY(!s->beside)) return false;
  if (s->made_cnt < s->instrument_cnt) return make_next(s);
  /* relaxed: the lane's own words */
  if (tf_load_relaxed(&s->prepared) == offered) return false;
  tf_store_release(&s->prepared, offered); /* pairs with: tf_model_server's waits */
  return true;
}

const tf_version_t *tf_swap_obey(tf_swap_t *s, uint64_t number, uint32_t hash) {
  (void)tf_swap_prepare(s);
  const tf_version_t *v = s->beside;
  if (!v || v->number != number || v->model->hash != hash) return NULL;
  while (s->made_cnt < s->instrument_cnt) (void)make_next(s);
  s->beside = NULL;
  /* relaxed: the lane's own word */
  uint64_t taken = tf_load_relaxed(&s->taken);
  tf_store_release(&s->serving, taken); /* pairs with: tf_model_server's waits */
  return v;
}
