#include "feed/book_watch.h"

#include <string.h>

#include "core/error.h"

/* ---- what passes ---- */

static void on_data(tf_book_watch_t *w, const tf_event_t *e, uint64_t now_ns) {
  tf_book_watch_row_t *row = &w->rows[e->instrument_id];
  row->is_ours             = true;
  if (e->kind != TF_EVENT_BOOK && e->kind != TF_EVENT_QUOTE) return;
  tf_staleness_saw(&w->staleness, e->instrument_id,
                   e->kind == TF_EVENT_BOOK ? TF_STALENESS_BOOK : TF_STALENESS_QUOTE, now_ns);
  if (TF_LIKELY(row->told != TF_BOOK_STALE)) return;
  if (!tf_staleness_is_stale(&w->staleness, e->instrument_id) &&
      w->fresh_cnt < TF_BOOK_WATCH_FRESH_MAX)
    w->fresh_ids[w->fresh_cnt++] = e->instrument_id;
}

TF_COLD static void on_status(tf_book_watch_t *w, const tf_event_t *e) {
  tf_book_watch_row_t *row   = &w->rows[e->instrument_id];
  uint8_t              state = (uint8_t)e->u.status.book_state;
  row->is_ours               = true;
  w->stale_now_cnt += (state == TF_BOOK_STALE) - (row->told == TF_BOOK_STALE);
  if (state == TF_BOOK_STALE)
    row->told_before = row->told == TF_BOOK_STALE ? row->told_before : row->told;
  else
    tf_staleness_forgive(&w->staleness, e->instrument_id);
  row->told = state;
}

void tf_book_watch_saw(tf_book_watch_t *w, const tf_event_t *events, uint32_t cnt,
                       uint64_t now_ns) {
  for (uint32_t i = 0; i < cnt; i++) {
    const tf_event_t *e = &events[i];
    if (TF_UNLIKELY(e->instrument_id >= w->cap)) continue;
    if (TF_UNLIKELY(tf_event_is_listing(e))) continue;
    if (TF_UNLIKELY(e->kind == TF_EVENT_STATUS)) on_status(w, e);
    if (e->flags & TF_FLAG_LAST) on_data(w, e, now_ns);
  }
}

/* ---- what is due ---- */

static bool is_lost(tf_book_watch_t *w, uint32_t id, uint64_t now_ns) {
  if (!w->config.lost_books) return false;
  tf_book_watch_row_t *row      = &w->rows[id];
  uint64_t             since_ns = tf_lost_books_since(w->config.lost_books, id);
  if (TF_LIKELY(since_ns == 0) || row->told != TF_BOOK_OK || since_ns == row->answered_since_ns)
    return false;
  bool repeats = row->answered_ns != 0 && since_ns < row->answered_ns + TF_BOOK_WATCH_LOSE_NS_MAX;
  uint32_t repeat_cnt = repeats ? row->repeat_cnt + 1 : 0;
  uint64_t after_ns   = w->config.crossed_after_ns << (repeat_cnt < 8 ? repeat_cnt : 8);
  if (after_ns > TF_BOOK_WATCH_LOSE_NS_MAX && repeat_cnt > 0) after_ns = TF_BOOK_WATCH_LOSE_NS_MAX;
  if (now_ns < since_ns || now_ns - since_ns < after_ns) return false;
  row->repeat_cnt        = repeat_cnt;
  row->answered_since_ns = since_ns;
  row->answered_ns       = now_ns;
  w->lost_cnt++;
  return true;
}

static tf_book_watch_verdict_t look(tf_book_watch_t *w, uint32_t id, uint64_t now_ns) {
  const tf_book_watch_row_t *row = &w->rows[id];
  if (!row->is_ours) return TF_BOOK_WATCH_NOTHING;
  if (is_lost(w, id, now_ns)) return TF_BOOK_WATCH_LOSE;
  bool is_due = tf_staleness_is_due(&w->staleness, id, now_ns);
  if (row->told == TF_BOOK_STALE)
    return tf_staleness_is_stale(&w->staleness, id) ? TF_BOOK_WATCH_NOTHING : TF_BOOK_WATCH_FRESH;
  if (!is_due || (row->told != TF_BOOK_OK && row->told != TF_BOOK_NONE))
    return TF_BOOK_WATCH_NOTHING;
  w->stale_cnt++;
  return TF_BOOK_WATCH_STALE;
}

tf_book_watch_verdict_t tf_book_watch_next(tf_book_watch_t *w, uint32_t row_cnt, uint64_t now_ns,
                                           uint32_t *instrument_id) {
  if (row_cnt > w->cap) row_cnt = w->cap;
  for (uint32_t i = 0; i < TF_BOOK_WATCH_ROWS && i < row_cnt; i++) {
    *instrument_id                  = w->at < row_cnt ? w->at : 0;
    w->at                           = *instrument_id + 1;
    tf_book_watch_verdict_t verdict = look(w, *instrument_id, now_ns);
    if (verdict != TF_BOOK_WATCH_NOTHING) return verdict;
  }
  return TF_BOOK_WATCH_NOTHING;
}

size_t tf_book_watch_arena_bytes(uint32_t instrument_cap) {
  return tf_staleness_arena_bytes(instrument_cap) + instrument_cap * sizeof(tf_book_watch_row_t) +
         TF_LINE_BYTES;
}

tf_err_t tf_book_watch_init(tf_book_watch_t *w, const tf_book_watch_config_t *config,
                            uint32_t instrument_cap, tf_arena_t *arena) {
  *w      = (tf_book_watch_t){.config = *config, .cap = instrument_cap};
  w->rows = tf_arena_take(arena, instrument_cap * sizeof *w->rows, TF_LINE_BYTES);
  if (!w->rows) return tf_error_add(E_CORE_ARENA_FULL, "making a feed's book watch");
  for (uint32_t i = 0; i < instrument_cap; i++)
    w->rows[i] = (tf_book_watch_row_t){.told = TF_BOOK_NONE, .told_before = TF_BOOK_NONE};
  return tf_staleness_init(&w->staleness, config->stale_after_ns, instrument_cap, arena);
}
