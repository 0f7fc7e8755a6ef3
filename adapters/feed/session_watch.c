/* What a session does about books that are doubtful and streams that went quiet (book_watch.h): it makes the feed
 * give the book up, or publishes a STATUS of its own. Either is written to the tap first, and a replay obeys
 * it at the same place in the stream instead of looking itself. */
#include "core/clock.h"
#include "feed/session_state.h"

#define VERDICTS_A_PASS_MAX                                                                        \
  16u /* a thousand streams that fall silent at once are told within 63 passes */

void tf_session_lose_book(tf_session_t *s, uint32_t instrument_id) {
  uint64_t wall_ns = tf_clock_wall_ns();
  tf_session_tap(s, &(tf_tap_record_t){.recv_ns    = wall_ns,
                                       .source_idx = s->config.tap_source_idx,
                                       .kind       = TF_TAP_LOSE,
                                       .bytes_cnt  = sizeof instrument_id,
                                       .bytes      = (const char *)&instrument_id});
  s->batch_ticks = tf_clock_ticks();
  tf_legs_lose(&s->merge, instrument_id, wall_ns);
}

void tf_session_end_window(tf_session_t *s) {
  uint64_t wall_ns = tf_clock_wall_ns();
  if (TF_LIKELY(!tf_legs_is_due(&s->merge, wall_ns))) return;
  tf_session_tap(s, &(tf_tap_record_t){.recv_ns    = wall_ns,
                                       .source_idx = s->config.tap_source_idx,
                                       .kind       = TF_TAP_WINDOW_END});
  s->batch_ticks = tf_clock_ticks();
  tf_legs_pass_time(&s->merge, wall_ns);
}

static void tell(tf_session_t *s, uint32_t instrument_id, tf_book_state_t state) {
  TF_ASSERT(s->out.event_cnt == 0);
  tf_event_t *e = &s->out.events[s->out.event_cnt++];
  memset(e, 0, sizeof *e);
  e->ts_recv_ns          = tf_clock_wall_ns();
  e->instrument_id       = instrument_id;
  e->kind                = TF_EVENT_STATUS;
  e->flags               = TF_FLAG_LAST;
  e->u.status.book_state = state;
  s->source.counts.events[TF_EVENT_STATUS]++;
  tf_session_tap(s, &(tf_tap_record_t){.recv_ns    = e->ts_recv_ns,
                                       .source_idx = s->config.tap_source_idx,
                                       .kind       = TF_TAP_STATUS,
                                       .bytes_cnt  = sizeof *e,
                                       .bytes      = (const char *)e});
  tf_session_publish(s, tf_clock_ticks());
}

static void show_counts(tf_session_t *s) {
  s->source.books_lost = s->book_watch.lost_cnt;
  s->source.stale      = s->book_watch.stale_cnt;
  s->source.stale_now  = s->book_watch.stale_now_cnt;
}

void tf_session_watch_fresh(tf_session_t *s) {
  tf_book_watch_t *watch = &s->book_watch;
  while (watch->fresh_cnt > 0) {
    uint32_t id = watch->fresh_ids[--watch->fresh_cnt];
    if (watch->rows[id].told == TF_BOOK_STALE) tell(s, id, tf_book_watch_before(watch, id));
  }
  show_counts(s);
}

void tf_session_watch_books(tf_session_t *s) {
  const tf_instruments_t *table = s->config.feed_config.instruments;
  if (!table) return;                                  /* a feed that names none */
  uint32_t row_cnt = tf_load_relaxed_u32(&table->cnt); /* relaxed: only this thread appends */
  for (uint32_t i = 0; i < VERDICTS_A_PASS_MAX; i++) {
    uint32_t                id;
    tf_book_watch_verdict_t verdict = tf_book_watch_next(&s->book_watch, row_cnt, s->now_ns, &id);
    if (TF_LIKELY(verdict == TF_BOOK_WATCH_NOTHING)) break;
    switch (verdict) {
    case TF_BOOK_WATCH_NOTHING: break;
    case TF_BOOK_WATCH_LOSE: tf_session_lose_book(s, id); break;
    case TF_BOOK_WATCH_STALE: tell(s, id, TF_BOOK_STALE); break;
    case TF_BOOK_WATCH_FRESH: tell(s, id, tf_book_watch_before(&s->book_watch, id)); break;
    }
  }
  show_counts(s); /* also of what the decoder said meanwhile: a resync ends a silence */
}
