#include "feed/bridge.h"

#include <string.h>

#include "feed/feeds.h"

void tf_bridge_row_init(tf_bridge_row_t *row) {
  tf_chain_init(&row->chain);
  row->asked_before = false;
}

/* Completes the rows at levels->rows and publishes them. */
static void put_levels(const tf_frame_t *frame, tf_feed_out_t *out,
                       const tf_bridge_levels_t *levels) {
  const tf_bridge_levels_t all     = *levels; /* read once: what is written to rows might be it */
  tf_event_t              *rows    = all.rows;
  uint64_t                 recv_ns = frame->recv_ns;
  for (uint32_t i = 0; i < all.cnt; i++) {
    tf_event_t *e        = &rows[i];
    e->ts_event_ns       = all.ts_ns;
    e->ts_recv_ns        = recv_ns;
    e->ingest_seq        = 0;
    e->instrument_id     = all.instrument_id;
    e->kind              = TF_EVENT_BOOK;
    e->flags             = all.flags | (i >= all.bid_cnt ? TF_FLAG_SIDE : 0);
    e->u.level.venue_seq = all.venue_seq;
    e->u.level.level_idx = i;
    e->u.level.level_cnt = all.cnt;
  }
  out->event_cnt += all.cnt;
  out->counts->events[TF_EVENT_BOOK] += all.cnt;
}

static tf_event_t *put_status(tf_feed_out_t *out, tf_event_t *e, uint64_t ts_ns, uint64_t recv_ns,
                              uint32_t instrument_id, uint8_t flags, tf_book_state_t book_state) {
  memset(e, 0, sizeof(*e));
  e->ts_event_ns         = ts_ns;
  e->ts_recv_ns          = recv_ns;
  e->instrument_id       = instrument_id;
  e->kind                = TF_EVENT_STATUS;
  e->flags               = flags;
  e->u.status.book_state = book_state;
  out->event_cnt++;
  out->counts->events[TF_EVENT_STATUS]++;
  return e;
}

void tf_bridge_want_snapshot(tf_bridge_row_t *row, uint32_t instrument_id, tf_feed_out_t *out) {
  if (!row->chain.snapshot_wanted || !tf_feeds_want_snapshot(out, instrument_id)) return;
  row->chain.snapshot_wanted = false;
  out->counts->resyncs += row->asked_before;
  row->asked_before = true;
}

static tf_verdict_t data(tf_feed_out_t *out, uint32_t first_event) {
  if (out->event_cnt > first_event) out->events[out->event_cnt - 1].flags |= TF_FLAG_LAST;
  out->counts->msgs_data++;
  return TF_VERDICT_DATA;
}

tf_verdict_t tf_bridge_delta(tf_bridge_row_t *row, tf_chain_pool_t *pool, tf_chain_rule_t rule,
                             const tf_frame_t *frame, tf_feed_out_t *out,
                             tf_bridge_levels_t *levels, tf_bridge_ids_t ids) {
  uint32_t              first = out->event_cnt;
  tf_chain_delta_step_t step = tf_chain_delta(&row->chain, pool, rule, ids.first, levels->venue_seq,
                                              ids.previous, levels->cnt);
  if (TF_UNLIKELY(step.is_duplicate)) {
    out->counts->duplicates++;
    return data(out, first);
  }
  if (TF_UNLIKELY(step.is_gap || step.is_syncing)) {
    memmove(levels->rows + 1, levels->rows, levels->cnt * sizeof(*levels->rows));
    tf_event_t *e =
        put_status(out, levels->rows, levels->ts_ns, frame->recv_ns, levels->instrument_id,
                   levels->flags & TF_FLAG_BAD_TS, step.is_gap ? TF_BOOK_GAP : TF_BOOK_SYNCING);
    e->u.status.gap_first = step.gap_first;
    e->u.status.gap_last  = step.gap_last;
    levels->rows++;
    out->counts->gaps += step.is_gap;
  }
  if (TF_UNLIKELY(step.is_bad)) levels->flags |= TF_FLAG_BAD_BOOK;
  if (TF_UNLIKELY(step.is_bridged_out)) out->counts->bridged_out_levels += levels->cnt;
  put_levels(frame, out, levels);
  if (TF_UNLIKELY(row->chain.snapshot_wanted))
    tf_bridge_want_snapshot(row, levels->instrument_id, out);
  return data(out, first);
}

tf_verdict_t tf_bridge_snapshot(tf_bridge_row_t *row, tf_chain_pool_t *pool, tf_chain_rule_t rule,
                                const tf_frame_t *frame, tf_feed_out_t *out,
                                tf_bridge_levels_t *levels) {
  uint32_t first = out->event_cnt;
  if (levels->cnt == 0) return data(out, first); /* no book; nothing can be said to be in order */
  tf_chain_snapshot_step_t step = tf_chain_snapshot(&row->chain, pool, rule, levels->venue_seq);
  if (step.verdict == TF_CHAIN_DUPLICATE) {
    out->counts->duplicates++;
    return data(out, first);
  }
  bool    is_bridged   = step.verdict == TF_CHAIN_BRIDGED;
  uint8_t status_flags = levels->flags;
  levels->flags |= TF_FLAG_SNAPSHOT | (is_bridged ? 0 : TF_FLAG_BAD_BOOK);
  put_levels(frame, out, levels);
  if (is_bridged) {
    tf_event_t *e = put_status(out, &out->events[out->event_cnt], levels->ts_ns, frame->recv_ns,
                               levels->instrument_id, status_flags, TF_BOOK_OK);
    e->u.status.apply_from = step.apply_from;
    out->counts->bridged_out_levels += step.bridged_out_level_cnt;
  } else {
    out->counts->bridged_out_levels += levels->cnt;
  }
  tf_bridge_want_snapshot(row, levels->instrument_id, out);
  return data(out, first);
}

/* Deltas that wait for this snapshot are of a count that is over, and would pass for newer than it: SYNCING
 * before it says that they are to be forgotten. */
static void forget_deltas(const tf_frame_t *frame, tf_feed_out_t *out, tf_bridge_levels_t *levels) {
  memmove(levels->rows + 1, levels->rows, levels->cnt * sizeof *levels->rows);
  put_status(out, levels->rows, levels->ts_ns, frame->recv_ns, levels->instrument_id,
             levels->flags & TF_FLAG_BAD_TS, TF_BOOK_SYNCING);
  levels->rows++;
}

tf_verdict_t tf_bridge_whole(tf_bridge_row_t *row, tf_chain_pool_t *pool, const tf_frame_t *frame,
                             tf_feed_out_t *out, tf_bridge_levels_t *levels) {
  uint32_t          first        = out->event_cnt;
  uint8_t           status_flags = levels->flags;
  bool              is_empty     = levels->cnt == 0;
  const tf_chain_t *chain        = &row->chain;
  bool              is_back      = chain->has_delta && levels->venue_seq < chain->last_u;
  bool is_new_count = is_back && chain->last_u - levels->venue_seq >= TF_CHAIN_SEQ_RESTART;
  if (chain->state == TF_CHAIN_LIVE && is_back && !is_new_count) {
    out->counts->duplicates++; /* a slower connection's */
    return data(out, first);
  }
  if (is_back) forget_deltas(frame, out, levels);
  tf_chain_stand(&row->chain, pool, levels->venue_seq);
  levels->flags |= TF_FLAG_SNAPSHOT;
  if (is_empty) {
    memset(levels->rows, 0, sizeof *levels->rows);
    levels->flags |= TF_FLAG_DERIVED;
    levels->bid_cnt = levels->cnt = 1;
  }
  put_levels(frame, out, levels);
  if (is_empty) {
    out->counts->events[TF_EVENT_BOOK]--;
    out->counts->derived++;
  }
  tf_event_t *e = put_status(out, &out->events[out->event_cnt], levels->ts_ns, frame->recv_ns,
                             levels->instrument_id, status_flags, TF_BOOK_OK);
  e->u.status.apply_from = levels->venue_seq;
  return data(out, first);
}

void tf_bridge_lose(tf_bridge_row_t *row, tf_chain_pool_t *pool, uint32_t instrument_id,
                    uint64_t now_ns, tf_feed_out_t *out) {
  if (!tf_chain_lose(&row->chain, pool)) return;
  if (out->event_cnt < out->event_cap)
    put_status(out, &out->events[out->event_cnt], 0, now_ns, instrument_id, TF_FLAG_LAST,
               TF_BOOK_GAP);
  tf_bridge_want_snapshot(row, instrument_id, out);
}

void tf_bridge_restart(tf_bridge_row_t *row, tf_chain_pool_t *pool, uint32_t instrument_id,
                       uint64_t now_ns, tf_feed_out_t *out) {
  if (!tf_chain_restart(&row->chain, pool)) return;
  /* where the buffer ends, the instrument's first delta will say it */
  if (out->event_cnt >= out->event_cap) return;
  put_status(out, &out->events[out->event_cnt], 0, now_ns, instrument_id, TF_FLAG_LAST,
             TF_BOOK_SYNCING);
  row->chain.is_announced = true;
}
