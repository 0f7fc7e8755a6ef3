#include "feed/kraken_state.h"

bool tf_kraken_book_fits(const tf_kraken_state_t *st, const tf_draft_t *draft,
                         const tf_kraken_book_t *book) {
  uint32_t most = tf_depth_mirror_message_max(st->depth_max);
  /* each level may push one out; a STATUS before, and two behind */
  return book->bid_cnt <= most && book->ask_cnt <= most &&
         tf_draft_has_room(draft, book->bid_cnt + book->ask_cnt + 3);
}

/* The depth that a snapshot of so many levels was taken at, where nobody said it: the venue has five.
 * A thin book may have been asked for deeper; that shows when it grows, and costs no level that is
 * worth more than the tenth. */
static uint32_t depth_of_snapshot(const tf_kraken_state_t *st, const tf_kraken_book_t *book) {
  static const uint32_t depths[] = {10, 25, 100, 500, 1000};
  uint32_t              cnt      = book->bid_cnt > book->ask_cnt ? book->bid_cnt : book->ask_cnt;
  for (size_t i = 0; i < TF_ARRAY_CNT(depths); i++)
    if (depths[i] >= cnt && depths[i] <= st->depth_max) return depths[i];
  return st->depth_max;
}

static void set_depth(const tf_kraken_state_t *st, tf_kraken_row_t *row,
                      const tf_kraken_book_t *book) {
  if (book->depth > 0) {
    row->mirror.depth = book->depth < st->depth_max ? book->depth : st->depth_max;
    row->depth_known  = true;
  } else if (book->is_snapshot && !row->depth_known) {
    row->mirror.depth = depth_of_snapshot(st, book);
  }
}

/* DERIVED levels at `to` for what fell out of the mirror, worst first, bids first. */
static uint32_t put_fallen(tf_draft_t *draft, tf_kraken_row_t *row, uint32_t to) {
  tf_depth_mirror_t *mirror = &row->mirror;
  uint32_t           counts[2], cnt;
  counts[0] = tf_depth_mirror_excess(mirror, 0);
  counts[1] = tf_depth_mirror_excess(mirror, 1);
  cnt       = counts[0] + counts[1];
  if (TF_LIKELY(cnt == 0)) return 0;
  tf_event_t *e = tf_draft_open(draft, to, cnt);
  for (int s = 0; s < 2; s++) {
    for (uint32_t i = 0; i < counts[s]; i++, e++) {
      const tf_depth_level_t *level = &mirror->sides[s].levels[i];
      e->flags                      = TF_FLAG_DERIVED | (s == 1 ? TF_FLAG_SIDE : 0);
      e->price_exp                  = level->price_exp;
      e->qty_exp                    = level->qty_exp;
      e->u.level.price              = level->price;
    }
  }
  tf_depth_mirror_cut(mirror);
  return cnt;
}

static void want_snapshot(tf_draft_t *draft, uint32_t instrument_id) {
  if (tf_feeds_want_snapshot(draft->out, instrument_id)) draft->out->counts->resyncs++;
}

/* FAULTS F30. */
TF_COLD static void on_mismatch(tf_kraken_state_t *st, tf_draft_t *draft, uint32_t idx,
                                uint64_t ts_ns) {
  tf_kraken_row_t *row    = &st->rows[idx];
  uint64_t         now_ns = draft->frame->recv_ns;
  draft->out->counts->checksum_mismatches++;
  if (row->mismatch_cnt == 0 || now_ns - row->mismatch_ns > TF_KRAKEN_MISMATCH_NS) {
    row->mismatch_cnt = 0;
    row->mismatch_ns  = now_ns;
  }
  if (++row->mismatch_cnt >= TF_KRAKEN_MISMATCHES_MAX) {
    static const char what[] = "checksums of a book do not agree: no longer compared";
    row->checksums_off       = true;
    draft->out->counts->checksums_off++;
    tf_feeds_note_error(&st->head, what, sizeof what - 1);
  }
  uint32_t id = st->symbols.rows[idx].instrument_id;
  tf_draft_status(draft, &row->feed, id, TF_BOOK_GAP, ts_ns);
  want_snapshot(draft, id);
}

static bool is_mirrored(const tf_kraken_row_t *row, const tf_kraken_book_t *book) {
  return book->is_snapshot || row->feed.book_state == TF_BOOK_OK;
}

void tf_kraken_put_book(tf_kraken_state_t *st, tf_draft_t *draft, uint32_t idx,
                        const tf_kraken_book_t *book) {
  tf_kraken_row_t *row      = &st->rows[idx];
  uint32_t         sent_cnt = book->bid_cnt + book->ask_cnt, fallen_cnt = 0;
  bool             is_kept = is_mirrored(row, book);
  set_depth(st, row, book);
  if (book->is_snapshot) tf_depth_mirror_clear(&row->mirror);
  if (is_kept) {
    const tf_event_t *levels = draft->out->events + draft->at;
    for (uint32_t i = 0; i < sent_cnt; i++) tf_depth_mirror_apply(&row->mirror, &levels[i]);
    fallen_cnt = put_fallen(draft, row, draft->at + sent_cnt);
    for (uint32_t i = 0; i < fallen_cnt; i++)
      draft->out->events[draft->at + sent_cnt + i].ts_event_ns = book->ts_ns;
  }
  tf_draft_levels_t all = {.instrument_id = st->symbols.rows[idx].instrument_id,
                           .cnt           = sent_cnt + fallen_cnt,
                           .derived_cnt   = fallen_cnt,
                           .ask_from      = UINT32_MAX,
                           .is_snapshot   = book->is_snapshot,
                           .has_times     = true,
                           .ts_ns         = book->ts_ns,
                           .venue_seq     = ++row->feed.ordinal};
  tf_draft_put_levels(draft, &row->feed, &all);
  if (!is_kept || !book->has_checksum || row->checksums_off) return;
  draft->out->counts->checksums++;
  if (TF_UNLIKELY(tf_depth_mirror_checksum(&row->mirror) != book->checksum)) {
    on_mismatch(st, draft, idx, book->ts_ns);
  }
}

void tf_kraken_lose_book(tf_kraken_state_t *st, tf_draft_t *draft, uint32_t idx) {
  uint32_t id = st->symbols.rows[idx].instrument_id;
  draft->end  = draft->at; /* its rows mean nothing */
  tf_draft_status(draft, &st->rows[idx].feed, id, TF_BOOK_GAP, 0);
  want_snapshot(draft, id);
}
