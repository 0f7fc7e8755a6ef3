#include "feed/reorder.h"

#include <string.h>

#include "feed/trade_ids.h"

size_t tf_reorder_bytes(uint64_t window_ns, uint32_t instrument_cap) {
  if (window_ns == 0) return 0;
  return tf_align_up((size_t)instrument_cap * sizeof(tf_reorder_row_t), TF_LINE_BYTES) +
         TF_REORDER_HELD_MAX * sizeof(tf_event_t);
}

void tf_reorder_init(tf_reorder_t *r, void *memory, uint64_t window_ns, uint32_t instrument_cap) {
  *r = (tf_reorder_t){.window_ns = window_ns, .instrument_cap = instrument_cap};
  if (window_ns == 0) return;
  uint8_t *bytes = memory;
  r->rows        = memory;
  r->held = (tf_event_t *)(void *)(bytes + tf_align_up((size_t)instrument_cap * sizeof *r->rows,
                                                       TF_LINE_BYTES));
}

static void hold(tf_reorder_t *r, tf_feed_out_t *out, uint32_t at) {
  const tf_event_t e     = out->events[at];
  r->held[r->held_cnt++] = e;
  r->rows[e.instrument_id].held_cnt++;
  out->counts->held_trades++;
  out->event_cnt--;
  memmove(&out->events[at], &out->events[at + 1], (out->event_cnt - at) * sizeof e);
  if (!(e.flags & TF_FLAG_LAST)) return;
  for (uint32_t i = out->event_cnt; i-- > 0;) { /* what is left of its message ends with another */
    if (out->events[i].instrument_id != e.instrument_id) continue;
    out->events[i].flags |= TF_FLAG_LAST;
    return;
  }
}

/* held[from] stands at `at` of the batch. False: there is no room. */
static bool let_go(tf_reorder_t *r, tf_feed_out_t *out, uint32_t from, uint32_t at) {
  r->is_starved = out->event_cnt == out->event_cap;
  if (r->is_starved) return false;
  memmove(&out->events[at + 1], &out->events[at], (out->event_cnt - at) * sizeof(tf_event_t));
  out->events[at] = r->held[from];
  out->events[at].flags |= TF_FLAG_LAST;
  out->event_cnt++;
  tf_reorder_row_t *row = &r->rows[out->events[at].instrument_id];
  row->held_cnt--;
  row->next_id = out->events[at].u.trade.id + 1;
  r->held_cnt--;
  memmove(&r->held[from], &r->held[from + 1], (r->held_cnt - from) * sizeof(tf_event_t));
  out->counts->held_trades--;
  return true;
}

/* The instrument's held trade with the smallest id; held_cnt: there is none. */
static uint32_t first_of(const tf_reorder_t *r, uint32_t instrument_id) {
  uint32_t first = r->held_cnt;
  for (uint32_t i = 0; i < r->held_cnt; i++)
    if (r->held[i].instrument_id == instrument_id &&
        (first == r->held_cnt || r->held[i].u.trade.id < r->held[first].u.trade.id))
      first = i;
  return first;
}

/* Of one instrument, from `at` of the batch on: all, or those whose turn it is. Returns where the batch goes on. */
TF_COLD static uint32_t release(tf_reorder_t *r, tf_feed_out_t *out, uint32_t instrument_id,
                                uint32_t at, bool all) {
  tf_reorder_row_t *row = &r->rows[instrument_id];
  while (row->held_cnt > 0) {
    uint32_t first = first_of(r, instrument_id);
    bool     turn  = r->held[first].u.trade.id <= row->next_id;
    if ((!turn && !all) || !let_go(r, out, first, at)) break;
    out->counts->reordered += !all;
    at++;
  }
  return at;
}

/* A trade at `at` of the batch: where the batch goes on. */
static uint32_t take(tf_reorder_t *r, tf_feed_out_t *out, uint32_t at) {
  const tf_event_t *e   = &out->events[at];
  tf_reorder_row_t *row = &r->rows[e->instrument_id];
  const uint64_t    id  = e->u.trade.id;
  const uint32_t    of  = e->instrument_id;
  if (TF_LIKELY(id == row->next_id || row->next_id == 0)) {
    row->next_id = id + 1;
    return TF_LIKELY(row->held_cnt == 0) ? at + 1 : release(r, out, of, at + 1, false);
  }
  if (id < row->next_id) { /* late, or the venue starts over */
    if (row->next_id - id < TF_TRADE_IDS_RESTART) return at + 1;
    at           = release(r, out, of, at, true) + 1;
    row->next_id = id + 1;
    return at;
  }
  if (r->held_cnt == TF_REORDER_HELD_MAX) {
    at           = release(r, out, of, at, true) + 1;
    row->next_id = id + 1;
    return at;
  }
  hold(r, out, at);
  return at;
}

/* Held for as long as the window: all of its instrument go, in front of what the message brings. */
TF_COLD static void release_due(tf_reorder_t *r, tf_feed_out_t *out, uint64_t now_ns) {
  uint32_t at = 0;
  while (tf_reorder_is_due(r, now_ns)) {
    uint32_t before = r->held_cnt;
    at              = release(r, out, r->held[0].instrument_id, at, true);
    if (r->held_cnt == before) return;
  }
}

/* There was no room when their turn came. */
TF_COLD static void release_starved(tf_reorder_t *r, tf_feed_out_t *out) {
  uint32_t at   = 0;
  r->is_starved = false;
  for (uint32_t i = 0; i < r->held_cnt && !r->is_starved;) {
    uint32_t before = r->held_cnt;
    at              = release(r, out, r->held[i].instrument_id, at, false);
    i               = r->held_cnt == before ? i + 1 : 0;
  }
}

void tf_reorder_pass(tf_reorder_t *r, tf_feed_out_t *out, uint64_t now_ns) {
  if (TF_LIKELY(r->window_ns == 0)) return;
  if (TF_UNLIKELY(r->is_starved)) release_starved(r, out);
  if (r->held_cnt > 0) release_due(r, out, now_ns);
  for (uint32_t at = 0; at < out->event_cnt;) {
    const tf_event_t *e       = &out->events[at];
    const bool        is_ours = e->kind == TF_EVENT_TRADE && e->u.trade.id != 0 &&
                         !(e->flags & TF_FLAG_BACKFILL) && e->instrument_id < r->instrument_cap;
    at = is_ours ? take(r, out, at) : at + 1;
  }
}

void tf_reorder_flush(tf_reorder_t *r, tf_feed_out_t *out) {
  uint32_t at = 0;
  while (r->held_cnt > 0 && out->event_cnt < out->event_cap)
    at = release(r, out, r->held[0].instrument_id, at, true);
}
