#include "cmocka_tf.h"

#include <stdlib.h>
#include <string.h>

#include "stage/book.h"

#define LEVELS_MAX  300 /* several blocks, and no multiple of one */
#define PENDING_MAX 128

static tf_arena_t       arena;
static tf_book_keeper_t keeper;

static void fresh(void) {
  tf_arena_fini(&arena);
  assert_int_equal(tf_arena_init(&arena, "book", 1 << 20), TF_OK);
  assert_int_equal(tf_book_init(&keeper, &arena, LEVELS_MAX, PENDING_MAX), TF_OK);
}

static void level(bool ask, int64_t price, int64_t qty, uint64_t seq, uint8_t flags, uint32_t idx) {
  tf_event_t e        = {.kind      = TF_EVENT_BOOK,
                         .flags     = (uint8_t)(flags | (ask ? TF_FLAG_SIDE : 0)),
                         .price_exp = -2,
                         .qty_exp   = -3};
  e.u.level.price     = price;
  e.u.level.qty       = qty;
  e.u.level.venue_seq = seq;
  e.u.level.level_idx = idx;
  tf_book_on_event(&keeper, &e);
}

static void status(tf_book_state_t book_state, uint64_t apply_from) {
  tf_event_t e          = {.kind = TF_EVENT_STATUS, .ts_recv_ns = 40};
  e.u.status.book_state = book_state;
  e.u.status.apply_from = apply_from;
  tf_book_on_event(&keeper, &e);
}

/* One level a side as snapshot, bridged. */
static void synced(void) {
  fresh();
  level(false, 100, 10, 5, TF_FLAG_SNAPSHOT, 0);
  level(true, 110, 10, 5, TF_FLAG_SNAPSHOT, 1);
  status(TF_BOOK_OK, 6);
}

static int64_t best(bool ask) {
  const tf_book_side_t *side = ask ? &keeper.book.ask : &keeper.book.bid;
  return side->level_cnt ? tf_book_best(side).price : -1;
}

static void deltas_before_the_snapshot_do_not_touch_the_book(void **state) {
  (void)state;
  fresh();
  level(false, 100, 10, 1, 0, 0);
  assert_int_equal(keeper.book.state, TF_BOOK_SYNCING);
  assert_int_equal(keeper.book.bid.level_cnt, 0);
}

static void bridging_applies_exactly_the_levels_that_the_feed_named(void **state) {
  (void)state;
  fresh();
  status(TF_BOOK_SYNCING, 0);
  level(false, 90, 1, 1, 0, 0); /* older than the snapshot */
  level(false, 95, 2, 2, 0, 0); /* bridges */
  level(false, 100, 0, 3, 0, 0);
  level(false, 100, 7, 2, TF_FLAG_SNAPSHOT, 0);
  level(true, 110, 7, 2, TF_FLAG_SNAPSHOT, 1);
  status(TF_BOOK_OK, 2);
  assert_int_equal(keeper.book.state, TF_BOOK_OK);
  assert_int_equal(keeper.book.bid.level_cnt, 1);
  assert_int_equal(best(false), 95);
  assert_int_equal(best(true), 110);
}

static void deltas_that_come_late_but_are_in_the_snapshot_are_passed_over(void **state) {
  (void)state;
  synced(); /* apply_from 6 */
  level(false, 105, 4, 5, 0, 0);
  assert_int_equal(best(false), 100);
  level(false, 104, 4, 6, 0, 0);
  assert_int_equal(best(false), 104);
}

static void gap_freezes_the_book_until_the_next_snapshot_is_bridged(void **state) {
  (void)state;
  synced();
  status(TF_BOOK_GAP, 0);
  level(false, 101, 5, 20, TF_FLAG_BAD_BOOK, 0);
  assert_int_equal(best(false), 100);
  assert_int_equal(keeper.book.state, TF_BOOK_GAP);
  level(false, 99, 1, 15, TF_FLAG_SNAPSHOT, 0);
  assert_int_equal(keeper.book.bid.level_cnt, 1); /* replaced, never merged */
  level(true, 111, 1, 15, TF_FLAG_SNAPSHOT, 1);
  status(TF_BOOK_OK, 20);
  assert_int_equal(best(false), 101);
  assert_int_equal(keeper.book.bid.level_cnt, 2);
}

static void pending_overflow_never_yields_a_book_that_says_ok(void **state) {
  (void)state;
  fresh();
  for (uint64_t i = 0; i < PENDING_MAX + 1; i++) level(false, 100, 1, 5 + i, 0, 0);
  level(false, 99, 1, 4, TF_FLAG_SNAPSHOT, 0);
  status(TF_BOOK_OK, 5);
  assert_int_equal(keeper.book.state, TF_BOOK_GAP);
  assert_int_equal(keeper.pending_dropped, 1);
  level(false, 99, 1, 4, TF_FLAG_SNAPSHOT, 0); /* no newer: what it wants is still not there */
  status(TF_BOOK_OK, 5);
  assert_int_equal(keeper.book.state, TF_BOOK_GAP);
}

static void after_an_overflow_a_snapshot_as_new_as_what_is_kept_is_bridged(void **state) {
  (void)state;
  fresh();
  for (uint64_t i = 0; i < 3 * PENDING_MAX + 1; i++)
    level(false, 100, (int64_t)(1 + i), 5 + i, 0, 0);
  level(false, 99, 1, 5 + 2 * PENDING_MAX, TF_FLAG_SNAPSHOT, 0);
  status(TF_BOOK_OK, 5 + 2 * PENDING_MAX + 1);
  assert_int_equal(keeper.book.state, TF_BOOK_OK);
  assert_int_equal(keeper.pending_dropped, 2 * PENDING_MAX + 1);
  assert_int_equal(keeper.book.venue_seq, 5 + 3 * PENDING_MAX);
  assert_int_equal(tf_book_best(&keeper.book.bid).qty, 1 + 3 * PENDING_MAX);
}

static void crossed_book_says_so_and_heals(void **state) {
  (void)state;
  synced();
  level(false, 111, 3, 6, 0, 0);
  tf_book_settle(&keeper, 1);
  assert_int_equal(keeper.book.state, TF_BOOK_CROSSED);
  level(false, 111, 0, 7, 0, 0);
  tf_book_settle(&keeper, 2);
  assert_int_equal(keeper.book.state, TF_BOOK_OK);
}

static void locked_book_is_in_order(void **state) {
  (void)state;
  synced();
  level(false, 110, 3, 6, 0, 0);
  assert_true(tf_book_settle(&keeper, 1));
  assert_int_equal(keeper.book.state, TF_BOOK_OK);
}

/* A message of one level, received at now_ns. */
static void message(bool ask, int64_t price, int64_t qty, uint64_t now_ns) {
  static uint64_t seq = 1000;
  level(ask, price, qty, seq++, 0, 0);
  tf_book_settle(&keeper, now_ns);
}

static void
book_is_doubtful_from_the_sixth_message_that_leaves_it_crossed_or_long_after(void **state) {
  (void)state;
  synced();
  for (uint64_t i = 0; i < TF_BOOK_CROSSED_MESSAGES_MAX; i++) {
    message(false, 111, 1 + (int64_t)i, 100 + i);
    assert_int_equal(keeper.doubtful_since_ns, 100 + TF_BOOK_CROSSED_NS_MAX); /* not before */
    assert_false(tf_book_settle(&keeper, 900 + i)); /* a trade: the book was not touched */
  }
  message(false, 111, 9, 200);
  assert_int_equal(keeper.book.state, TF_BOOK_CROSSED);
  assert_int_equal(keeper.doubtful_since_ns, 100); /* since the first of them */
  message(false, 111, 0, 201);
  assert_int_equal(keeper.book.state, TF_BOOK_OK);
  assert_int_equal(keeper.doubtful_since_ns, 0);
  for (uint64_t i = 0; i < TF_BOOK_CROSSED_MESSAGES_MAX; i++) message(false, 111, 1, 300 + i);
  assert_int_equal(keeper.doubtful_since_ns, 300 + TF_BOOK_CROSSED_NS_MAX); /* counted anew */
}

static void gap_ends_the_doubt(void **state) {
  (void)state;
  synced();
  for (uint64_t i = 0; i < 7; i++) message(false, 111, 1 + (int64_t)i, 100 + i);
  assert_int_equal(keeper.doubtful_since_ns, 100);
  status(TF_BOOK_GAP, 0);
  tf_book_settle(&keeper, 300);
  assert_int_equal(keeper.book.state, TF_BOOK_GAP);
  assert_int_equal(keeper.doubtful_since_ns, 0);
}

static void book_that_broke_here_is_doubtful_until_the_feed_gives_it_up(void **state) {
  (void)state;
  fresh();
  for (uint64_t i = 0; i < PENDING_MAX + 1; i++) level(false, 100, 1, 5 + i, 0, 0);
  level(false, 99, 1, 4, TF_FLAG_SNAPSHOT, 0);
  status(TF_BOOK_OK, 5);
  tf_book_settle(&keeper, 50);
  assert_int_equal(keeper.book.state, TF_BOOK_GAP);
  assert_int_not_equal(keeper.doubtful_since_ns, 0);
  status(TF_BOOK_STALE, 0); /* the session thinks that it was OK */
  assert_int_equal(keeper.book.state, TF_BOOK_GAP);
  status(TF_BOOK_OK, 0);
  tf_book_settle(&keeper, 51);
  assert_int_equal(keeper.book.state, TF_BOOK_GAP);
  assert_int_not_equal(keeper.doubtful_since_ns, 0);
  status(TF_BOOK_GAP, 0);
  level(false, 98, 1, 200, TF_FLAG_SNAPSHOT, 0);
  status(TF_BOOK_OK, 201);
  tf_book_settle(&keeper, 52);
  assert_int_equal(keeper.book.state, TF_BOOK_OK);
  assert_int_equal(keeper.doubtful_since_ns, 0);
}

static void silence_touches_no_level_and_its_end_brings_back_what_was(void **state) {
  (void)state;
  synced(); /* apply_from 6 */
  status(TF_BOOK_STALE, 0);
  assert_int_equal(keeper.book.state, TF_BOOK_STALE);
  level(false, 104, 4, 7, 0, 0);
  assert_int_equal(best(false), 104); /* applies: old is not wrong */
  tf_book_settle(&keeper, 1);
  assert_int_equal(keeper.book.state, TF_BOOK_STALE);
  status(TF_BOOK_OK, 0);
  assert_int_equal(keeper.book.state, TF_BOOK_OK);
  level(false, 105, 4, 5, 0, 0); /* in the snapshot, still */
  assert_int_equal(best(false), 104);
  status(TF_BOOK_STALE, 0);
  status(TF_BOOK_OK, 20); /* a snapshot that came by itself */
  level(false, 106, 4, 19, 0, 0);
  assert_int_equal(best(false), 104);
  fresh(); /* quotes only */
  status(TF_BOOK_STALE, 0);
  assert_int_equal(keeper.book.state, TF_BOOK_STALE);
  status(TF_BOOK_NONE, 0);
  assert_int_equal(keeper.book.state, TF_BOOK_NONE);
}

static void deleting_an_unknown_level_changes_nothing(void **state) {
  (void)state;
  synced();
  level(false, 42, 0, 6, 0, 0);
  assert_int_equal(keeper.book.bid.level_cnt, 1);
}

static void finer_prices_refine_the_scale_without_losing_a_level(void **state) {
  (void)state;
  synced();
  tf_event_t e        = {.kind = TF_EVENT_BOOK, .price_exp = -4, .qty_exp = -3};
  e.u.level.price     = 10001;
  e.u.level.qty       = 5;
  e.u.level.venue_seq = 8;
  tf_book_on_event(&keeper, &e);
  assert_int_equal(keeper.book.price_exp, -4);
  assert_int_equal(best(false), 10001);
  tf_book_cursor_t second = tf_book_best(&keeper.book.bid);
  tf_book_worse(&second);
  assert_int_equal(second.price, 10000);
  assert_int_equal(second.qty, 10);
  level(false, 100, 0, 9, 0, 0); /* the coarse spelling of 1.0000 still finds its level */
  assert_int_equal(keeper.book.bid.level_cnt, 1);
  assert_int_equal(best(false), 10001);
}

static void price_that_cannot_be_scaled_is_counted_and_left_out(void **state) {
  (void)state;
  synced();
  tf_event_t e        = {.kind = TF_EVENT_BOOK, .price_exp = 10, .qty_exp = -3};
  e.u.level.price     = INT64_MAX / 10;
  e.u.level.qty       = 5;
  e.u.level.venue_seq = 8;
  tf_book_on_event(&keeper, &e);
  assert_int_equal(keeper.unscalable_levels, 1);
  assert_int_equal(keeper.book.bid.level_cnt, 1);
}

/* The oracle: an unordered list of levels. */
typedef struct naive {
  int64_t price[512], qty[512];
  int     cnt;
  bool    has_horizon;
  int64_t horizon; /* the best price that was lost: nothing from there on is kept */
} naive_t;

static void naive_set(naive_t *n, int64_t price, int64_t qty, bool ask) {
  int at = 0;
  if (n->has_horizon && (ask ? price >= n->horizon : price <= n->horizon)) return;
  while (at < n->cnt && n->price[at] != price) at++;
  if (qty == 0) {
    if (at < n->cnt) n->cnt--, n->price[at] = n->price[n->cnt], n->qty[at] = n->qty[n->cnt];
    return;
  }
  n->price[at] = price;
  n->qty[at]   = qty;
  if (at == n->cnt) n->cnt++;
  if (n->cnt <= LEVELS_MAX) return;
  int worst = 0;
  for (int i = 1; i < n->cnt; i++)
    if (ask ? n->price[i] > n->price[worst] : n->price[i] < n->price[worst]) worst = i;
  n->has_horizon = true;
  n->horizon     = n->price[worst];
  n->cnt--;
  n->price[worst] = n->price[n->cnt];
  n->qty[worst]   = n->qty[n->cnt];
}

/* Walks the side as readers do. */
static void assert_same(const naive_t *n, const tf_book_side_t *side, bool ask) {
  int     levels = 0;
  int64_t last   = 0;
  for (tf_book_cursor_t l = tf_book_best(side); l.qty != 0; tf_book_worse(&l), levels++) {
    if (levels) assert_true(ask ? l.price > last : l.price < last);
    last   = l.price;
    int at = 0;
    while (at < n->cnt && n->price[at] != l.price) at++;
    assert_true(at < n->cnt);
    assert_int_equal(l.qty, n->qty[at]);
  }
  assert_int_equal(levels, n->cnt);
  assert_int_equal(side->level_cnt, n->cnt);
  if (levels) assert_int_not_equal(side->pages[side->order[side->page_cnt - 1]].used, 0);
}

static void random_deltas_agree_with_a_list_of_levels(void **state) {
  (void)state;
  static naive_t bid, ask;
  uint64_t       x = 2463534242u;
  synced();
  naive_set(&bid, 100, 10, false);
  naive_set(&ask, 110, 10, true);
  for (int i = 0; i < 60000; i++) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    bool    is_ask = x & 1;
    int64_t centre = 1000 + i / 50; /* the market drifts: storage has to be centred again */
    int64_t price  = centre + (is_ask ? 1 : -1) * (int64_t)(x >> 8 & 511);
    int64_t qty    = (x >> 20 & 7) ? (int64_t)(x >> 24 & 0xffff) + 1 : 0;
    level(is_ask, price, qty, (uint64_t)i + 6, 0, 0);
    naive_set(is_ask ? &ask : &bid, price, qty, is_ask);
    if (i % 64 == 0 || i > 59000) {
      assert_same(&bid, &keeper.book.bid, false);
      assert_same(&ask, &keeper.book.ask, true);
    }
  }
  assert_true(tf_book_truncated(&keeper) > 0);
}

/* The same few prices over and over, at every size of a side. */
static void flickering_levels_agree_with_a_list_of_levels(void **state) {
  (void)state;
  uint64_t x = 88172645463325252u;
  for (int width = 1; width <= 200; width += 11) {
    static naive_t bid, ask;
    bid = ask = (naive_t){0};
    fresh();
    status(TF_BOOK_OK, 0);
    for (int i = 0; i < 4000; i++) {
      x ^= x << 13, x ^= x >> 7, x ^= x << 17;
      bool    is_ask = x & 1;
      int64_t price  = 5000 + (is_ask ? 200 : 0) + (int64_t)(x >> 8) % width;
      int64_t qty    = (x >> 40 & 1) ? (int64_t)(x >> 44 & 0xfff) + 1 : 0;
      level(is_ask, price, qty, (uint64_t)i, 0, 0);
      naive_set(is_ask ? &ask : &bid, price, qty, is_ask);
      assert_same(&bid, &keeper.book.bid, false);
      assert_same(&ask, &keeper.book.ask, true);
    }
  }
}

/* ---- levels of a message together ---- */

static uint64_t seed = 88172645463325252u;

static uint64_t draw(uint64_t below) {
  seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
  return (seed >> 16) % below;
}

/* Everything that a level may be: of a snapshot, finer than the book, beyond its scale, older than its snapshot. */
static tf_event_t odd_level(uint64_t seq) {
  tf_event_t e        = {.kind      = TF_EVENT_BOOK,
                         .flags     = draw(2) ? TF_FLAG_SIDE : 0,
                         .price_exp = draw(60) ? -2 : (int8_t)(draw(3) ? -3 : 10),
                         .qty_exp   = draw(60) ? -3 : -4};
  e.u.level.price     = e.price_exp == 10 ? INT64_MAX / 10 : 5000 + (int64_t)draw(500);
  e.u.level.qty       = draw(2) ? (int64_t)draw(4096) : 0;
  e.u.level.venue_seq = draw(20) ? seq : seq / 2;
  e.u.level.level_idx = (uint32_t)draw(4);
  if (draw(200) == 0) e.flags |= TF_FLAG_SNAPSHOT;
  return e;
}

static void assert_same_side(const tf_book_side_t *a, const tf_book_side_t *b) {
  tf_book_cursor_t at = tf_book_best(a), other = tf_book_best(b);
  assert_int_equal(a->level_cnt, b->level_cnt);
  for (; at.qty != 0; tf_book_worse(&at), tf_book_worse(&other)) {
    assert_int_equal(at.price, other.price);
    assert_int_equal(at.qty, other.qty);
  }
  assert_int_equal(other.qty, 0);
}

static void assert_same_books(const tf_book_keeper_t *a, const tf_book_keeper_t *b) {
  assert_same_side(&a->book.bid, &b->book.bid);
  assert_same_side(&a->book.ask, &b->book.ask);
  assert_int_equal(a->book.price_exp, b->book.price_exp);
  assert_int_equal(a->book.qty_exp, b->book.qty_exp);
  assert_int_equal(a->book.state, b->book.state);
  assert_int_equal(a->book.venue_seq, b->book.venue_seq);
  assert_int_equal(a->book.change_cnt, b->book.change_cnt);
  assert_int_equal(a->pending_cnt, b->pending_cnt);
  assert_int_equal(a->pending_dropped, b->pending_dropped);
  assert_int_equal(a->unscalable_levels, b->unscalable_levels);
  assert_int_equal(tf_book_truncated(a), tf_book_truncated(b));
}

static void levels_together_are_the_same_as_one_by_one(void **state) {
  (void)state;
  enum { MESSAGES = 600, LEVELS = 40 };
  static tf_book_keeper_t other;
  uint64_t                seq = 1, unscalable = 0, kept = 0;
  for (int round = 0; round < 20; round++) {
    fresh();
    assert_int_equal(tf_book_init(&other, &arena, LEVELS_MAX, PENDING_MAX), TF_OK);
    for (int m = 0; m < MESSAGES; m++) {
      tf_event_t events[LEVELS];
      uint32_t   cnt = 1 + (uint32_t)draw(LEVELS);
      seq++;
      for (uint32_t i = 0; i < cnt; i++) events[i] = odd_level(seq);
      for (uint32_t i = 0; i < cnt; i++) tf_book_on_event(&keeper, &events[i]);
      tf_book_on_levels(&other, events, cnt);
      if (draw(30) == 0) {
        tf_event_t e          = {.kind = TF_EVENT_STATUS, .ts_recv_ns = 40};
        e.u.status.book_state = draw(4) ? TF_BOOK_OK : TF_BOOK_GAP;
        e.u.status.apply_from = seq - 1;
        tf_book_on_event(&keeper, &e);
        tf_book_on_event(&other, &e);
      }
      assert_same_books(&keeper, &other);
      kept += keeper.pending_cnt;
    }
    unscalable += keeper.unscalable_levels;
  }
  assert_true(unscalable > 100 && kept > 1000); /* else the test saw little */
}

static int teardown(void **state) {
  (void)state;
  tf_arena_fini(&arena);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(deltas_before_the_snapshot_do_not_touch_the_book),
      cmocka_unit_test(bridging_applies_exactly_the_levels_that_the_feed_named),
      cmocka_unit_test(deltas_that_come_late_but_are_in_the_snapshot_are_passed_over),
      cmocka_unit_test(gap_freezes_the_book_until_the_next_snapshot_is_bridged),
      cmocka_unit_test(pending_overflow_never_yields_a_book_that_says_ok),
      cmocka_unit_test(after_an_overflow_a_snapshot_as_new_as_what_is_kept_is_bridged),
      cmocka_unit_test(crossed_book_says_so_and_heals),
      cmocka_unit_test(locked_book_is_in_order),
      cmocka_unit_test(
          book_is_doubtful_from_the_sixth_message_that_leaves_it_crossed_or_long_after),
      cmocka_unit_test(gap_ends_the_doubt),
      cmocka_unit_test(book_that_broke_here_is_doubtful_until_the_feed_gives_it_up),
      cmocka_unit_test(silence_touches_no_level_and_its_end_brings_back_what_was),
      cmocka_unit_test(deleting_an_unknown_level_changes_nothing),
      cmocka_unit_test(finer_prices_refine_the_scale_without_losing_a_level),
      cmocka_unit_test(price_that_cannot_be_scaled_is_counted_and_left_out),
      cmocka_unit_test(random_deltas_agree_with_a_list_of_levels),
      cmocka_unit_test(flickering_levels_agree_with_a_list_of_levels),
      cmocka_unit_test(levels_together_are_the_same_as_one_by_one),
  };
  return cmocka_run_group_tests(tests, NULL, teardown);
}
