#include "feed/book_row.h"

void tf_book_row_restart(tf_book_row_t *row, tf_feed_out_t *out, uint32_t instrument_id,
                         uint64_t now_ns) {
  row->has_seq       = false;
  row->loose_seq     = 0;
  row->checksums_off = false;
  row->mismatch_cnt  = 0;
  tf_draft_restart(out, &row->feed, instrument_id, now_ns);
}

static void want_snapshot(tf_draft_t *draft, uint32_t instrument_id) {
  if (tf_feeds_want_snapshot(draft->out, instrument_id)) draft->out->counts->resyncs++;
}

void tf_book_row_lose(tf_book_row_t *row, tf_draft_t *draft, uint32_t instrument_id,
                      uint64_t ts_ns) {
  draft->end   = draft->at; /* its rows mean nothing */
  row->has_seq = false;
  tf_draft_status(draft, &row->feed, instrument_id, TF_BOOK_GAP, ts_ns);
  want_snapshot(draft, instrument_id);
}

/* ---- continuity ---- */

typedef enum { TAKE, REPEAT, BREAK } step_t;

static bool follows(const tf_book_row_t *row, const tf_book_message_t *m) {
  switch ((tf_book_rule_t)m->rule) {
  case TF_BOOK_RULE_RANGE: return m->first_seq <= row->last_seq + 1;
  case TF_BOOK_RULE_PREVIOUS: return m->has_previous && m->previous == row->last_seq;
  case TF_BOOK_RULE_NEXT: return m->last_seq == row->last_seq + 1;
  case TF_BOOK_RULE_WHOLE:
  case TF_BOOK_RULE_NONE: break;
  }
  return true;
}

/* What a message's sequence says beside the row's. */
static step_t step_of(const tf_book_row_t *row, const tf_book_message_t *m) {
  if (m->rule == TF_BOOK_RULE_NONE || !m->has_seq || !row->has_seq) return TAKE;
  if (row->feed.book_state != TF_BOOK_OK) return TAKE; /* BAD_BOOK or SYNCING, until a snapshot */
  bool starts_over = m->rule == TF_BOOK_RULE_PREVIOUS && m->has_previous && !m->is_snapshot &&
                     m->previous > m->last_seq;
  if (TF_UNLIKELY(starts_over)) return BREAK;
  if (TF_LIKELY(m->last_seq > row->last_seq))
    return m->is_snapshot || follows(row, m) ? TAKE : BREAK;
  /* A venue may say that nothing happened: an empty message that repeats the sequence. */
  bool is_far = m->is_restart || row->last_seq - m->last_seq >= TF_BOOK_ROW_RESTART;
  return is_far ? (m->is_snapshot ? TAKE : BREAK) : REPEAT;
}

/* The levels that wait for this snapshot are of the count before. */
static bool are_stale(const tf_book_row_t *row, const tf_book_message_t *m) {
  if (row->feed.book_state == TF_BOOK_OK || row->loose_seq <= m->last_seq) return false;
  return m->is_restart || row->loose_seq - m->last_seq >= TF_BOOK_ROW_RESTART;
}

/* A sequence that starts over is no gap of so many messages. */
static void put_gap(tf_book_row_t *row, tf_draft_t *draft, const tf_book_message_t *m) {
  tf_event_t *e = tf_draft_status(draft, &row->feed, m->instrument_id, TF_BOOK_GAP, m->ts_ns);
  if (e != NULL && m->last_seq > row->last_seq) {
    e->u.status.gap_first = row->last_seq + 1;
    e->u.status.gap_last  = m->rule == TF_BOOK_RULE_RANGE ? m->first_seq - 1
                            : m->has_previous             ? m->previous
                                                          : m->last_seq - 1;
  }
  draft->out->counts->gaps++;
  row->has_seq = false;
  want_snapshot(draft, m->instrument_id);
}

static void forget_rows(tf_draft_t *draft, uint32_t cnt) {
  tf_event_t *rows = draft->out->events + draft->at;
  memmove(rows, rows + cnt, (draft->end - draft->at - cnt) * sizeof *rows);
  draft->end -= cnt;
}

/* ---- the mirror ---- */

/* The depth that a snapshot of so many levels was taken at, where nobody said it. A thin book may have been
 * asked for deeper; that shows when it grows, and costs no level that is worth more than the tenth. */
static uint32_t depth_of_snapshot(const tf_book_row_t *row, const tf_book_message_t *m,
                                  const uint32_t *depths) {
  uint32_t cnt = m->bid_cnt > m->ask_cnt ? m->bid_cnt : m->ask_cnt, most = row->mirror.depth_max;
  for (; depths != NULL && *depths != 0; depths++)
    if (*depths >= cnt && *depths <= most) return *depths;
  return most;
}

static void set_depth(tf_book_row_t *row, const tf_book_message_t *m, const uint32_t *depths) {
  if (m->depth > 0) {
    row->mirror.depth = m->depth < row->mirror.depth_max ? m->depth : row->mirror.depth_max;
    row->depth_known  = true;
  } else if (m->is_snapshot && !row->depth_known) {
    row->mirror.depth = depth_of_snapshot(row, m, depths);
  }
}

/* DERIVED levels at `to` for what fell out of the mirror, worst first, bids first. */
static uint32_t put_fallen(tf_draft_t *draft, tf_book_row_t *row, uint32_t to, uint64_t ts_ns) {
  tf_depth_mirror_t *mirror = &row->mirror;
  uint32_t           counts[2], cnt;
  counts[0] = tf_depth_mirror_excess(mirror, 0);
  counts[1] = tf_depth_mirror_excess(mirror, 1);
  cnt       = counts[0] + counts[1];
  if (TF_LIKELY(cnt == 0)) return 0;
  tf_event_t *e = tf_draft_open(draft, to, cnt);
  for (int s = 0; s < 2; s++) {
    for (uint32_t i = 0; i < counts[s]; i++, e++) {
      const tf_depth_level_t *level = tf_depth_mirror_at(mirror, s, i);
      e->ts_event_ns                = ts_ns;
      e->flags                      = TF_FLAG_DERIVED | (s == 1 ? TF_FLAG_SIDE : 0);
      e->price_exp                  = level->price_exp;
      e->qty_exp                    = level->qty_exp;
      e->u.level.price              = level->price;
    }
  }
  tf_depth_mirror_cut(mirror);
  return cnt;
}

/* FAULTS F30. */
TF_COLD static void on_mismatch(tf_book_row_t *row, tf_draft_t *draft, const tf_book_message_t *m,
                                tf_feed_head_t *head) {
  uint64_t now_ns = draft->frame->recv_ns;
  draft->out->counts->checksum_mismatches++;
  if (row->mismatch_cnt == 0 || now_ns - row->mismatch_ns > TF_BOOK_ROW_MISMATCH_NS) {
    row->mismatch_cnt = 0;
    row->mismatch_ns  = now_ns;
  }
  if (++row->mismatch_cnt >= TF_BOOK_ROW_MISMATCHES_MAX) {
    static const char what[] = "checksums of a book do not agree: no longer compared";
    row->checksums_off       = true;
    draft->out->counts->checksums_off++;
    tf_feeds_note_error(head, what, sizeof what - 1);
  }
  row->has_seq = false;
  tf_draft_status(draft, &row->feed, m->instrument_id, TF_BOOK_GAP, m->ts_ns);
  want_snapshot(draft, m->instrument_id);
}

void tf_book_row_compare(tf_book_row_t *row, tf_draft_t *draft, const tf_book_message_t *m,
                         tf_feed_head_t *head) {
  if (row->checksums_off || row->feed.book_state != TF_BOOK_OK) return;
  draft->out->counts->checksums++;
  if (TF_UNLIKELY(tf_depth_checksum(&row->mirror) != m->checksum)) on_mismatch(row, draft, m, head);
}

/* ---- a message ---- */

void tf_book_row_put(tf_book_row_t *row, tf_draft_t *draft, const tf_book_message_t *m,
                     const uint32_t *depths, tf_feed_head_t *head) {
  uint32_t sent_cnt = m->bid_cnt + m->ask_cnt, fallen_cnt = 0;
  step_t   step = step_of(row, m);
  if (TF_UNLIKELY(step == REPEAT)) {
    draft->out->counts->duplicates += sent_cnt > 0;
    forget_rows(draft, sent_cnt);
    return;
  }
  if (TF_UNLIKELY(step == BREAK)) put_gap(row, draft, m);
  if (m->is_snapshot) row->is_mirrored = !row->for_checksums_only || m->has_checksum;
  bool is_kept = row->mirror.cap > 0 && row->is_mirrored &&
                 (m->is_snapshot || row->feed.book_state == TF_BOOK_OK);
  if (is_kept) {
    set_depth(row, m, depths);
    if (m->is_snapshot) tf_depth_mirror_clear(&row->mirror);
    tf_depth_mirror_begin(&row->mirror);
    const tf_event_t *levels = draft->out->events + draft->at;
    for (uint32_t i = 0; i < sent_cnt; i++) tf_depth_mirror_apply(&row->mirror, &levels[i]);
    fallen_cnt = put_fallen(draft, row, draft->at + sent_cnt, m->ts_ns);
  }
  bool is_numbered = m->has_seq && m->rule != TF_BOOK_RULE_NONE;
  row->feed.ordinal++;
  if (is_numbered && m->is_snapshot && TF_UNLIKELY(are_stale(row, m)))
    tf_draft_status(draft, &row->feed, m->instrument_id, TF_BOOK_SYNCING, m->ts_ns);
  if (is_numbered && (m->is_snapshot || row->feed.book_state == TF_BOOK_OK)) {
    row->last_seq  = m->last_seq;
    row->has_seq   = true;
    row->loose_seq = 0;
  } else if (is_numbered && m->last_seq > row->loose_seq) {
    row->loose_seq = m->last_seq;
  }
  tf_draft_levels_t all = {.instrument_id = m->instrument_id,
                           .cnt           = sent_cnt + fallen_cnt,
                           .derived_cnt   = fallen_cnt,
                           .ask_from      = UINT32_MAX,
                           .is_snapshot   = m->is_snapshot,
                           .has_times     = true,
                           .ts_ns         = m->ts_ns,
                           .venue_seq     = is_numbered ? m->last_seq : row->feed.ordinal};
  tf_draft_put_levels(draft, &row->feed, &all);
  if (is_kept && m->has_checksum && row->mirror.checksum != NULL)
    tf_book_row_compare(row, draft, m, head);
}
