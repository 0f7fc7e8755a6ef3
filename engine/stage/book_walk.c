/* A book as bytes: its levels, not its pages, which follow from them. */
#include "stage/book.h"

typedef struct side_head {
  int64_t  step, horizon_key;
  uint64_t truncated_levels;
  uint32_t level_cnt, reserved;
} side_head_t;

static uint32_t read_levels(tf_ladder_t *l) {
  uint32_t cnt = 0;
  for (tf_book_cursor_t at = tf_book_best(l->side); at.qty != 0; tf_book_worse(&at))
    l->scratch[cnt++] = (tf_ladder_level_t){at.price, at.qty};
  return cnt;
}

static void walk_side(tf_ladder_t *l, tf_walk_t *w) {
  side_head_t head = {.step             = l->side->step,
                      .horizon_key      = l->horizon_key,
                      .truncated_levels = l->truncated_levels,
                      .level_cnt        = w->way == TF_WALK_LOAD ? 0 : read_levels(l)};
  tf_walk(w, &head, sizeof head);
  w->is_short |= head.level_cnt > l->levels_max;
  tf_walk(w, l->scratch, w->is_short ? 0 : head.level_cnt * sizeof *l->scratch);
  if (w->way != TF_WALK_LOAD) return;
  if (w->is_short ||
      !tf_ladder_restore(l, head.step, head.horizon_key, head.truncated_levels, head.level_cnt)) {
    tf_ladder_clear(l);
    w->is_short = true;
  }
}

/* Oldest first; a loaded ring begins at its beginning. */
static void walk_pending(tf_book_keeper_t *k, tf_walk_t *w) {
  if (w->way == TF_WALK_LOAD) k->pending_head = 0;
  tf_walk(w, &k->pending_cnt, sizeof k->pending_cnt);
  if (k->pending_cnt > k->pending_max) {
    w->is_short    = true;
    k->pending_cnt = 0;
  }
  uint32_t first = k->pending_max - k->pending_head;
  if (first > k->pending_cnt) first = k->pending_cnt;
  tf_walk(w, k->pending + k->pending_head, first * sizeof *k->pending);
  tf_walk(w, k->pending, (k->pending_cnt - first) * sizeof *k->pending);
}

void tf_book_walk(tf_book_keeper_t *k, tf_walk_t *w) {
  TF_WALK_MEMBERS(w, &k->book, price_exp, change_cnt);
  TF_WALK_MEMBERS(w, k, collecting, pending_lost_seq);
  TF_WALK_MEMBERS(w, k, crossed_cnt, crossed_cnt);
  TF_WALK_MEMBERS(w, k, short_since_ns, settled_change_cnt);
  TF_WALK_MEMBERS(w, k, pending_dropped, unscalable_levels);
  walk_side(&k->sides[0], w);
  walk_side(&k->sides[1], w);
  walk_pending(k, w);
  if (w->way == TF_WALK_LOAD && w->is_short) tf_book_forget(k);
}
