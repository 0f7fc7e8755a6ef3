#include "feed/draft.h"

#include <string.h>

#include "feed/feeds.h"

void tf_feed_row_init(tf_feed_row_t *row) {
  memset(row, 0, sizeof *row);
  row->book_state = TF_BOOK_NONE;
}

void tf_draft_begin(tf_draft_t *draft, const tf_frame_t *frame, tf_feed_out_t *out,
                    uint32_t row_cnt) {
  draft->out   = out;
  draft->frame = frame;
  draft->at    = out->event_cnt;
  draft->end   = out->event_cnt + row_cnt;
}

tf_event_t *tf_draft_open(tf_draft_t *draft, uint32_t to, uint32_t cnt) {
  tf_event_t *rows = draft->out->events + to;
  memmove(rows + cnt, rows, (draft->end - to) * sizeof *rows);
  memset(rows, 0, cnt * sizeof *rows);
  draft->end += cnt;
  return rows;
}

/* LAST is on the instrument's newest event of the message. */
static void move_last(tf_draft_t *draft, tf_feed_row_t *row, uint32_t at) {
  tf_event_t *events = draft->out->events;
  if (row->last_message == draft->out->counts->messages)
    events[row->last_at].flags &= (uint8_t)~TF_FLAG_LAST;
  events[at].flags |= TF_FLAG_LAST;
  row->last_message = draft->out->counts->messages;
  row->last_at      = at;
}

tf_event_t *tf_draft_status(tf_draft_t *draft, tf_feed_row_t *row, uint32_t instrument_id,
                            tf_book_state_t state, uint64_t ts_ns) {
  row->book_state   = (uint8_t)state;
  row->is_announced = tf_draft_has_room(draft, 1);
  if (!row->is_announced) return NULL;
  tf_event_t *e          = tf_draft_open(draft, draft->at, 1);
  e->ts_event_ns         = ts_ns;
  e->u.status.book_state = state;
  return tf_draft_put(draft, row, TF_EVENT_STATUS, instrument_id);
}

tf_event_t *tf_draft_put(tf_draft_t *draft, tf_feed_row_t *row, tf_event_kind_t kind,
                         uint32_t instrument_id) {
  tf_event_t *e    = &draft->out->events[draft->at];
  e->ts_recv_ns    = draft->frame->recv_ns;
  e->ingest_seq    = 0; /* acquire's */
  e->instrument_id = instrument_id;
  e->kind          = (uint8_t)kind;
  move_last(draft, row, draft->at++);
  draft->out->counts->events[kind]++;
  return e;
}

/* An empty book has no level that could carry SNAPSHOT: one of no quantity does. */
static void put_empty_snapshot(tf_draft_t *draft, tf_feed_row_t *row,
                               const tf_draft_levels_t *levels) {
  tf_event_t *e        = tf_draft_open(draft, draft->at, 1);
  e->ts_event_ns       = levels->ts_ns;
  e->ts_recv_ns        = draft->frame->recv_ns;
  e->instrument_id     = levels->instrument_id;
  e->kind              = TF_EVENT_BOOK;
  e->flags             = TF_FLAG_SNAPSHOT | TF_FLAG_DERIVED | levels->flags;
  e->u.level.venue_seq = levels->venue_seq;
  e->u.level.level_cnt = 1;
  draft->out->counts->derived++;
  move_last(draft, row, draft->at++);
}

TF_INLINE void complete_levels(tf_draft_t *draft, const tf_draft_levels_t *levels, uint8_t flags) {
  tf_event_t *rows    = draft->out->events + draft->at;
  uint64_t    recv_ns = draft->frame->recv_ns;
  uint32_t    cnt     = levels->cnt;
  for (uint32_t i = 0; i < cnt; i++) {
    tf_event_t *e    = &rows[i];
    e->ts_recv_ns    = recv_ns;
    e->ingest_seq    = 0;
    e->instrument_id = levels->instrument_id;
    e->kind          = TF_EVENT_BOOK;
    if (!levels->has_times) e->ts_event_ns = levels->ts_ns;
    if (levels->ask_from == UINT32_MAX)
      e->flags |= flags;
    else
      e->flags = flags | (i >= levels->ask_from ? TF_FLAG_SIDE : 0);
    e->u.level.venue_seq = levels->venue_seq;
    e->u.level.level_idx = i;
    e->u.level.level_cnt = cnt;
  }
}

void tf_draft_put_levels(tf_draft_t *draft, tf_feed_row_t *row, const tf_draft_levels_t *levels) {
  uint8_t flags = levels->has_times ? 0 : levels->flags;
  if (levels->is_snapshot) {
    flags |= TF_FLAG_SNAPSHOT;
  } else if (TF_UNLIKELY(row->book_state != TF_BOOK_OK)) {
    if (row->book_state == TF_BOOK_GAP) flags |= TF_FLAG_BAD_BOOK;
    tf_book_state_t state = row->book_state == TF_BOOK_GAP ? TF_BOOK_GAP : TF_BOOK_SYNCING;
    if (!row->is_announced)
      tf_draft_status(draft, row, levels->instrument_id, state, levels->ts_ns);
  }
  if (levels->cnt > 0) {
    complete_levels(draft, levels, flags);
    draft->out->counts->events[TF_EVENT_BOOK] += levels->cnt - levels->derived_cnt;
    draft->out->counts->derived += levels->derived_cnt;
    draft->at += levels->cnt;
    move_last(draft, row, draft->at - 1);
  } else if (levels->is_snapshot) {
    put_empty_snapshot(draft, row, levels);
  }
  if (!levels->is_snapshot) return;
  tf_event_t *e = tf_draft_status(draft, row, levels->instrument_id, TF_BOOK_OK, levels->ts_ns);
  TF_ASSERT(e != NULL); /* room for two was checked */
  e->u.status.apply_from = levels->venue_seq;
}

void tf_draft_drop(tf_draft_t *draft) {
  tf_event_t *rows = draft->out->events + draft->at;
  memmove(rows, rows + 1, (draft->end - draft->at - 1) * sizeof *rows);
  draft->end--;
}

#define DROPPED UINT8_MAX /* no kind */

void tf_draft_drop_repeats(tf_draft_t *draft, tf_draft_is_repeat_t is_repeat, void *self) {
  tf_event_t       *rows   = draft->out->events + draft->at;
  uint32_t          cnt    = draft->end - draft->at;
  tf_feed_counts_t *counts = draft->out->counts;
  if (cnt == 0) return;
  bool newest_first = rows[0].u.trade.id > rows[cnt - 1].u.trade.id;
  for (uint32_t i = 0; i < cnt; i++) {
    tf_event_t *e = &rows[newest_first ? cnt - 1 - i : i];
    e->kind       = TF_EVENT_TRADE;
    if (!is_repeat(self, e, counts)) continue;
    counts->duplicates++;
    e->kind = DROPPED;
  }
  uint32_t kept = 0;
  for (uint32_t i = 0; i < cnt; i++) {
    if (rows[i].kind == DROPPED) continue;
    if (kept != i) rows[kept] = rows[i];
    kept++;
  }
  draft->end = draft->at + kept;
}

bool tf_draft_set_quote(tf_event_t *row, const tf_json_value_t *bid, const tf_json_value_t *bid_qty,
                        const tf_json_value_t *ask, const tf_json_value_t *ask_qty) {
  row->u.quote.bid_price = bid->as.mantissa;
  row->u.quote.bid_qty   = bid_qty->as.mantissa;
  row->u.quote.ask_price = ask->as.mantissa;
  row->u.quote.ask_qty   = ask_qty->as.mantissa;
  return tf_draft_to_one_exponent(&row->u.quote.bid_price, bid->exp, &row->u.quote.ask_price,
                                  ask->exp, &row->price_exp) &&
         tf_draft_to_one_exponent(&row->u.quote.bid_qty, bid_qty->exp, &row->u.quote.ask_qty,
                                  ask_qty->exp, &row->qty_exp);
}

int64_t tf_draft_funding_rate(const tf_json_value_t *rate) {
  int     apart = rate->exp - TF_FUNDING_EXP;
  int64_t scaled;
  if (rate->made != TF_JSON_MADE_DECIMAL) return TF_FUNDING_NONE;
  if (apart < -18 || apart > 18) return apart < 0 || rate->as.mantissa == 0 ? 0 : TF_FUNDING_NONE;
  if (apart < 0) return rate->as.mantissa / (int64_t)tf_decimal_pow10[-apart];
  bool fits = !__builtin_mul_overflow(rate->as.mantissa, (int64_t)tf_decimal_pow10[apart], &scaled);
  return fits ? scaled : TF_FUNDING_NONE;
}

void tf_draft_reverse(tf_event_t *rows, uint32_t cnt) {
  for (uint32_t i = 0, k = cnt; i + 1 < k; i++) {
    tf_event_t row = rows[i];
    rows[i]        = rows[--k];
    rows[k]        = row;
  }
}

/* What a level has before it is completed: from ingest_seq on, up to its quantity. */
#define LEVEL_FROM  offsetof(tf_event_t, ingest_seq)
#define LEVEL_BYTES (offsetof(tf_event_t, u.level.venue_seq) - LEVEL_FROM)

TF_INLINE void move_level(tf_event_t *to, const tf_event_t *from) {
  memcpy((char *)to + LEVEL_FROM, (const char *)from + LEVEL_FROM, LEVEL_BYTES);
}

/* The first `by` levels go behind the others, each of them moved once: along the cycles of the permutation. */
static void rotate_levels(tf_event_t *rows, uint32_t cnt, uint32_t by) {
  uint32_t moved_cnt = 0;
  for (uint32_t first = 0; moved_cnt < cnt; first++) {
    tf_event_t held = rows[first];
    uint32_t   at   = first;
    for (;;) {
      uint32_t next = at + by < cnt ? at + by : at + by - cnt;
      moved_cnt++;
      if (next == first) break;
      move_level(&rows[at], &rows[next]);
      at = next;
    }
    move_level(&rows[at], &held);
  }
}

void tf_draft_gather_sides(tf_event_t *rows, const tf_json_value_t *bids,
                           const tf_json_value_t *asks) {
  bool                   asks_first = asks->as.levels.first < bids->as.levels.first;
  const tf_json_value_t *one        = asks_first ? asks : bids;
  const tf_json_value_t *two        = asks_first ? bids : asks;
  uint32_t               one_cnt = one->as.levels.cnt, two_cnt = two->as.levels.cnt;
  if (one->as.levels.first != 0) memmove(rows, rows + one->as.levels.first, one_cnt * sizeof *rows);
  if (two->as.levels.first != one_cnt)
    memmove(rows + one_cnt, rows + two->as.levels.first, two_cnt * sizeof *rows);
  if (asks_first && one_cnt > 0 && two_cnt > 0) rotate_levels(rows, one_cnt + two_cnt, one_cnt);
}

tf_verdict_t tf_draft_finish(tf_draft_t *draft) {
  TF_ASSERT(draft->at == draft->end);
  draft->out->event_cnt = draft->at;
  draft->out->counts->msgs_data++;
  return TF_VERDICT_DATA;
}

/* Where there is no room, the book's next level says it. */
static void put_status(tf_feed_out_t *out, tf_feed_row_t *row, uint32_t instrument_id,
                       uint64_t now_ns) {
  row->is_announced = out->event_cnt < out->event_cap;
  if (!row->is_announced) return;
  tf_event_t *e          = &out->events[out->event_cnt++];
  *e                     = (tf_event_t){.ts_recv_ns    = now_ns,
                                        .instrument_id = instrument_id,
                                        .kind          = TF_EVENT_STATUS,
                                        .flags         = TF_FLAG_LAST};
  e->u.status.book_state = row->book_state;
  out->counts->events[TF_EVENT_STATUS]++;
}

void tf_draft_restart(tf_feed_out_t *out, tf_feed_row_t *row, uint32_t instrument_id,
                      uint64_t now_ns) {
  row->trades.is_continued = false;
  row->ordinal             = 0;
  bool was_announced       = row->is_announced && row->book_state == TF_BOOK_SYNCING;
  row->book_state          = TF_BOOK_SYNCING;
  if (!was_announced) put_status(out, row, instrument_id, now_ns);
}

void tf_draft_lose_book(tf_feed_out_t *out, tf_feed_row_t *row, uint32_t instrument_id,
                        uint64_t now_ns) {
  if (row->book_state == TF_BOOK_NONE) return;
  row->book_state = TF_BOOK_GAP;
  put_status(out, row, instrument_id, now_ns);
  if (tf_feeds_want_snapshot(out, instrument_id)) out->counts->resyncs++;
}
