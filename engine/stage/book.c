#include "stage/book.h"

#include <string.h>

#define SHORT_PART 4 /* of a side's room */

enum { BID = 0, ASK = 1 };

/* The value at exponent `to`; false if it is not a whole number there or leaves 63 bits. */
static bool rescale(int64_t *value, int from, int to) {
  for (; from > to; from--)
    if (__builtin_mul_overflow(*value, 10, value)) return false;
  for (; from < to; from++) {
    if (*value % 10 != 0) return false;
    *value /= 10;
  }
  return true;
}

/* A finer price or quantity than the book has seen: all kept values move to its exponent. */
TF_COLD static bool refine(tf_book_keeper_t *k, int8_t price_exp, int8_t qty_exp) {
  int64_t by_price = 1, by_qty = 1;
  if (!rescale(&by_price, k->book.price_exp, price_exp) ||
      !rescale(&by_qty, k->book.qty_exp, qty_exp))
    return false;
  for (int s = 0; s < 2; s++) /* check all before changing any */
    if (!tf_ladder_can_scale(&k->sides[s], by_price, by_qty)) return false;
  for (int s = 0; s < 2; s++) tf_ladder_scale(&k->sides[s], by_price, by_qty);
  k->book.price_exp = price_exp;
  k->book.qty_exp   = qty_exp;
  return true;
}

/* Brings one level to the book's scale, or the book to the level's. */
TF_COLD static bool align_scales(tf_book_keeper_t *k, const tf_book_pending_t *level,
                                 int64_t *price, int64_t *qty) {
  tf_book_t *book = &k->book;
  if (!k->has_scale) {
    book->price_exp = level->price_exp;
    book->qty_exp   = level->qty_exp;
    k->has_scale    = true;
    return true;
  }
  if (rescale(price, level->price_exp, book->price_exp) &&
      rescale(qty, level->qty_exp, book->qty_exp))
    return true;
  *price          = level->price;
  *qty            = level->qty;
  int8_t price_to = level->price_exp < book->price_exp ? level->price_exp : book->price_exp;
  int8_t qty_to   = level->qty_exp < book->qty_exp ? level->qty_exp : book->qty_exp;
  return refine(k, price_to, qty_to) && rescale(price, level->price_exp, price_to) &&
         rescale(qty, level->qty_exp, qty_to);
}

static void apply(tf_book_keeper_t *k, const tf_book_pending_t *level) {
  tf_book_t *book  = &k->book;
  int64_t    price = level->price, qty = level->qty;
  if (TF_UNLIKELY(!k->has_scale || level->price_exp != book->price_exp ||
                  level->qty_exp != book->qty_exp) &&
      !align_scales(k, level, &price, &qty)) {
    k->unscalable_levels++;
    return;
  }
  book->venue_seq = level->venue_seq;
  if (TF_UNLIKELY(!tf_ladder_set(&k->sides[level->side], price, qty))) k->unscalable_levels++;
}

static void clear(tf_book_keeper_t *k) {
  tf_ladder_clear(&k->sides[BID]);
  tf_ladder_clear(&k->sides[ASK]);
}

static void collect_from_here(tf_book_keeper_t *k) {
  k->collecting       = true;
  k->pending_lost     = false;
  k->pending_lost_seq = 0;
  k->pending_head = k->pending_cnt = 0;
}

static tf_book_pending_t *pending_at(const tf_book_keeper_t *k, uint32_t i) {
  uint32_t at = k->pending_head + i;
  return &k->pending[at < k->pending_max ? at : at - k->pending_max];
}

/* One more level for when the snapshot comes; the oldest makes room. */
static void keep(tf_book_keeper_t *k, const tf_book_pending_t *level) {
  if (k->pending_cnt == k->pending_max) {
    const tf_book_pending_t *oldest = pending_at(k, 0);
    k->pending_lost                 = true;
    if (oldest->venue_seq > k->pending_lost_seq) k->pending_lost_seq = oldest->venue_seq;
    k->pending_dropped++;
    k->pending_head = k->pending_head + 1 == k->pending_max ? 0 : k->pending_head + 1;
    k->pending_cnt--;
  }
  *pending_at(k, k->pending_cnt++) = *level;
}

static void on_level(tf_book_keeper_t *k, const tf_event_t *e) {
  tf_book_pending_t level = {.price     = e->u.level.price,
                             .qty       = e->u.level.qty,
                             .venue_seq = e->u.level.venue_seq,
                             .price_exp = e->price_exp,
                             .qty_exp   = e->qty_exp,
                             .side      = (e->flags & TF_FLAG_SIDE) != 0};
  if (e->flags & TF_FLAG_SNAPSHOT) {
    if (e->u.level.level_idx == 0) clear(k);
    apply(k, &level);
    return;
  }
  if (TF_LIKELY(!k->collecting)) {
    if (TF_LIKELY(level.venue_seq >= k->apply_from)) apply(k, &level); /* else: in the snapshot */
  } else {
    keep(k, &level);
  }
}

/* STALE, and the OK or NONE that ends it: the session's word on its streams. No level is touched, and a book
 * that broke here stays so. False: it is the feed's word on the book. */
TF_COLD static bool is_of_silence(tf_book_keeper_t *k, const tf_event_t *e) {
  const uint8_t state = (uint8_t)e->u.status.book_state;
  bool is_end = (state == TF_BOOK_NONE || state == TF_BOOK_OK) && e->u.status.apply_from == 0 &&
                (k->book.state == TF_BOOK_STALE || k->broken_since_ns != 0);
  if (state != TF_BOOK_STALE && !is_end) return false;
  if (k->broken_since_ns == 0) k->book.state = state;
  return true;
}

/* The lane's own GAP: what follows the snapshot is not all here. What is, is kept for the next. */
TF_COLD static void break_off(tf_book_keeper_t *k, uint64_t now_ns) {
  k->collecting      = true;
  k->book.state      = TF_BOOK_GAP;
  k->broken_since_ns = now_ns;
}

static void on_status(tf_book_keeper_t *k, const tf_event_t *e) {
  if (is_of_silence(k, e)) return;
  const uint8_t state = (uint8_t)e->u.status.book_state;
  k->broken_since_ns  = 0;
  k->book.state       = state;
  if (state != TF_BOOK_OK) {
    collect_from_here(k);
    return;
  }
  if (k->pending_lost && k->pending_lost_seq >= e->u.status.apply_from) {
    break_off(k, e->ts_recv_ns);
    return;
  }
  for (uint32_t i = 0; i < k->pending_cnt; i++)
    if (pending_at(k, i)->venue_seq >= e->u.status.apply_from) apply(k, pending_at(k, i));
  k->pending_cnt = 0;
  k->collecting  = false;
  k->apply_from  = e->u.status.apply_from;
}

void tf_book_on_event(tf_book_keeper_t *k, const tf_event_t *e) {
  k->book.change_cnt++;
  if (e->kind == TF_EVENT_BOOK) {
    if (TF_UNLIKELY(k->book.state == TF_BOOK_NONE)) k->book.state = TF_BOOK_SYNCING;
    on_level(k, e);
  } else if (e->kind == TF_EVENT_STATUS) {
    on_status(k, e);
  }
}

void tf_book_on_levels(tf_book_keeper_t *k, const tf_event_t *events, uint32_t cnt) {
  tf_book_t *book     = &k->book;
  bool       is_plain = (book->state != TF_BOOK_NONE) & !k->collecting & k->has_scale;
  for (const tf_event_t *e = events, *end = events + cnt; e != end; e++) {
    const bool is_aligned = (e->price_exp == book->price_exp) & (e->qty_exp == book->qty_exp);
    if (TF_UNLIKELY(!is_plain | !is_aligned | ((e->flags & TF_FLAG_SNAPSHOT) != 0))) {
      tf_book_on_event(k, e);
      continue;
    }
    book->change_cnt++;
    if (TF_UNLIKELY(e->u.level.venue_seq < k->apply_from)) continue; /* in the snapshot */
    book->venue_seq   = e->u.level.venue_seq;
    tf_ladder_t *side = &k->sides[(e->flags & TF_FLAG_SIDE) != 0];
    if (TF_UNLIKELY(!tf_ladder_set(side, e->u.level.price, e->u.level.qty))) k->unscalable_levels++;
  }
}

void tf_book_forget(tf_book_keeper_t *k) {
  clear(k);
  k->book.state = TF_BOOK_NONE;
  k->book.change_cnt++;
  k->apply_from      = 0;
  k->crossed_cnt     = 0;
  k->broken_since_ns = k->doubtful_since_ns = 0;
  collect_from_here(k);
}

/* A message left the book crossed. */
TF_COLD static void count_crossed(tf_book_keeper_t *k, uint64_t now_ns) {
  if (k->crossed_cnt == 0) k->crossed_since_ns = now_ns;
  k->crossed_cnt++;
  k->book.state = TF_BOOK_CROSSED;
  /* A time that is to come: until then nobody doubts it (adapters/feed/book_watch.h). */
  k->doubtful_since_ns = k->crossed_since_ns;
  if (k->crossed_cnt <= TF_BOOK_CROSSED_MESSAGES_MAX)
    k->doubtful_since_ns += TF_BOOK_CROSSED_NS_MAX;
}

/* The market has moved so far towards what a side dropped that little is left of it. */
static bool is_side_short(const tf_book_keeper_t *k, int side, uint32_t level_cnt) {
  return level_cnt < k->short_cnt && tf_ladder_has_horizon(&k->sides[side]);
}

static bool is_short(const tf_book_keeper_t *k) {
  const bool is_bid_short = is_side_short(k, BID, k->book.bid.level_cnt);
  const bool is_ask_short = is_side_short(k, ASK, k->book.ask.level_cnt);
  return is_bid_short | is_ask_short;
}

bool tf_book_settle(tf_book_keeper_t *k, uint64_t now_ns) {
  tf_book_t *book = &k->book;
  if (book->change_cnt == k->settled_change_cnt) return false;
  k->settled_change_cnt = book->change_cnt;
  const bool follows    = book->state == TF_BOOK_OK || book->state == TF_BOOK_CROSSED;
  if (TF_LIKELY(follows)) {
    const tf_book_cursor_t bid = tf_book_best(&book->bid), ask = tf_book_best(&book->ask);
    if (TF_UNLIKELY((bid.qty != 0) & (ask.qty != 0) & (bid.price > ask.price))) {
      count_crossed(k, now_ns);
      return true;
    }
    book->state = TF_BOOK_OK;
  }
  bool falls_short = follows && is_short(k);
  if (!falls_short)
    k->short_since_ns = 0;
  else if (k->short_since_ns == 0)
    k->short_since_ns = now_ns;
  k->crossed_cnt       = 0;
  k->doubtful_since_ns = k->broken_since_ns | k->short_since_ns; /* never both */
  return true;
}

uint64_t tf_book_truncated(const tf_book_keeper_t *k) {
  return k->sides[BID].truncated_levels + k->sides[ASK].truncated_levels;
}

tf_err_t tf_book_init(tf_book_keeper_t *k, tf_arena_t *arena, uint32_t levels_max,
                      uint32_t pending_max) {
  memset(k, 0, sizeof *k);
  k->pending_max = pending_max;
  k->short_cnt   = levels_max / SHORT_PART;
  tf_err_t err   = tf_ladder_init(&k->sides[BID], &k->book.bid, arena, levels_max, false);
  if (!err) err = tf_ladder_init(&k->sides[ASK], &k->book.ask, arena, levels_max, true);
  if (err) return err;
  k->pending = tf_arena_take(arena, pending_max * sizeof *k->pending, TF_LINE_BYTES);
  if (!k->pending) return E_CORE_ARENA_FULL;
  k->book.state = TF_BOOK_NONE;
  k->collecting = true;
  return TF_OK;
}
