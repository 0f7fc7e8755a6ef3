/* Trades in the order of their ids: what waits, for how long, and what never does. */
#include <stdlib.h>
#include <string.h>

#include "cmocka_tf.h"
#include "feed/reorder.h"

#define CAP         8192u
#define INSTRUMENTS 3u
#define WINDOW_NS   1000u

static tf_reorder_t     reorder;
static void            *memory;
static tf_event_t       events[CAP];
static tf_feed_counts_t counts;
static tf_feed_out_t    out;
static uint64_t         now_ns;

static void begin(uint64_t window_ns) {
  size_t bytes = tf_reorder_bytes(window_ns, INSTRUMENTS);
  free(memory);
  memory = bytes ? aligned_alloc(64, bytes) : NULL;
  if (memory) memset(memory, 0, bytes);
  memset(&counts, 0, sizeof counts);
  tf_reorder_init(&reorder, memory, window_ns, INSTRUMENTS);
  out    = (tf_feed_out_t){.events = events, .event_cap = CAP, .counts = &counts};
  now_ns = 1000000;
}

static int setup(void **state) {
  (void)state;
  begin(WINDOW_NS);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  free(memory);
  memory = NULL;
  return 0;
}

static void put(uint32_t instrument_id, uint64_t id) {
  tf_event_t *e    = &events[out.event_cnt++];
  *e               = (tf_event_t){.kind = TF_EVENT_TRADE, .instrument_id = instrument_id};
  e->ts_recv_ns    = now_ns;
  e->flags         = TF_FLAG_LAST;
  e->u.trade.id    = id;
  tf_event_t *prev = out.event_cnt > 1 ? e - 1 : NULL;
  if (prev && prev->instrument_id == instrument_id) prev->flags = 0;
}

/* One message of these ids (0 ends them) of an instrument; what comes out of it, as text. */
static const char *message(uint32_t instrument_id, const uint64_t *ids) {
  static char text[512];
  out.event_cnt = 0;
  while (*ids) put(instrument_id, *ids++);
  tf_reorder_pass(&reorder, &out, now_ns);
  text[0] = '\0';
  for (uint32_t i = 0; i < out.event_cnt && strlen(text) < 480; i++)
    snprintf(text + strlen(text), 24, "%s%llu", i ? " " : "",
             (unsigned long long)events[i].u.trade.id);
  bool has_last = out.event_cnt == 0 || (events[out.event_cnt - 1].flags & TF_FLAG_LAST);
  assert_true(has_last);
  return text;
}
#define IDS(...)         ((const uint64_t[]){__VA_ARGS__, 0})
#define MESSAGE(id, ...) message(id, IDS(__VA_ARGS__))
#define HEARTBEAT()      message(0, (const uint64_t[]){0})

static void without_a_window_nothing_is_touched(void **state) {
  (void)state;
  begin(0);
  assert_int_equal(tf_reorder_bytes(0, INSTRUMENTS), 0);
  assert_string_equal(MESSAGE(0, 5, 9, 7), "5 9 7");
}

static void what_is_ahead_waits_for_what_is_missing(void **state) {
  (void)state;
  assert_string_equal(MESSAGE(0, 5), "5");
  assert_string_equal(MESSAGE(0, 7), "");
  assert_string_equal(MESSAGE(0, 8), "");
  assert_int_equal(counts.held_trades, 2);
  assert_string_equal(MESSAGE(1, 70), "70"); /* another instrument's */
  assert_string_equal(MESSAGE(0, 6), "6 7 8");
  assert_int_equal(counts.held_trades, 0);
  assert_int_equal(counts.reordered, 2);
  assert_string_equal(MESSAGE(0, 9), "9");
}

static void one_message_is_put_in_order_too(void **state) {
  (void)state;
  assert_string_equal(MESSAGE(0, 5, 8, 6, 7, 9), "5 6 7 8 9");
  assert_string_equal(MESSAGE(0, 12, 10), "10");
  assert_int_equal(events[0].flags, TF_FLAG_LAST); /* what is left is the message's tick */
  assert_string_equal(MESSAGE(0, 11), "11 12");
}

static void window_ends_with_the_first_message_behind_it(void **state) {
  (void)state;
  assert_string_equal(MESSAGE(0, 5), "5");
  assert_string_equal(MESSAGE(0, 9), "");
  now_ns += 500;
  assert_string_equal(MESSAGE(0, 8), "");
  now_ns += WINDOW_NS - 501;
  assert_string_equal(HEARTBEAT(), "");
  now_ns += 1;
  assert_string_equal(HEARTBEAT(), "8 9"); /* in order, and what came later with them */
  assert_int_equal(events[1].ts_recv_ns, 1000000);
  assert_int_equal(counts.reordered, 0);
  assert_string_equal(MESSAGE(0, 7), "7"); /* too late to wait for, and not lost */
  assert_string_equal(MESSAGE(0, 10), "10");
}

static void repeats_backfill_and_trades_without_id_pass(void **state) {
  (void)state;
  assert_string_equal(MESSAGE(0, 5), "5");
  out.event_cnt = 0;
  put(0, 9);
  put(0, 0);
  events[0].flags |= TF_FLAG_BACKFILL;
  tf_reorder_pass(&reorder, &out, now_ns);
  assert_int_equal(out.event_cnt, 2);
  assert_string_equal(MESSAGE(0, 6), "6");
}

static void venue_that_starts_over_is_followed(void **state) {
  (void)state;
  assert_string_equal(MESSAGE(0, 5000000), "5000000");
  assert_string_equal(MESSAGE(0, 5000002), "");
  assert_string_equal(MESSAGE(0, 7), "5000002 7");
  assert_string_equal(MESSAGE(0, 8), "8");
}

/* n-1, n, n+1. */
static void so_many_are_held_and_then_the_instruments_go_out(void **state) {
  (void)state;
  assert_string_equal(MESSAGE(0, 1), "1");
  assert_string_equal(MESSAGE(1, 1), "1");
  assert_string_equal(MESSAGE(1, 3), "");
  for (uint64_t i = 1; i < TF_REORDER_HELD_MAX; i++) {
    assert_int_equal(reorder.held_cnt, i);
    assert_string_equal(MESSAGE(0, 2 + i), "");
  }
  assert_int_equal(reorder.held_cnt, TF_REORDER_HELD_MAX);
  MESSAGE(0, 5000);
  assert_int_equal(out.event_cnt, TF_REORDER_HELD_MAX);
  for (uint32_t i = 0; i < TF_REORDER_HELD_MAX - 1; i++)
    assert_int_equal(events[i].u.trade.id, 3 + i);
  assert_int_equal(events[TF_REORDER_HELD_MAX - 1].u.trade.id, 5000);
  assert_int_equal(reorder.held_cnt, 1); /* the other instrument's */
  assert_string_equal(MESSAGE(1, 2), "2 3");
}

static void without_room_they_stay_for_the_next_message(void **state) {
  (void)state;
  assert_string_equal(MESSAGE(0, 1), "1");
  assert_string_equal(MESSAGE(0, 3), "");
  out.event_cap = 1;
  assert_string_equal(MESSAGE(0, 2), "2");
  assert_int_equal(counts.held_trades, 1);
  out.event_cap = CAP;
  assert_string_equal(MESSAGE(0, 4), "3 4");
}

static void flush_leaves_nothing(void **state) {
  (void)state;
  assert_string_equal(MESSAGE(0, 1), "1");
  assert_string_equal(MESSAGE(0, 4, 3), "");
  assert_string_equal(MESSAGE(1, 1, 9), "1");
  out.event_cnt = 0;
  tf_reorder_flush(&reorder, &out);
  assert_int_equal(out.event_cnt, 3);
  assert_int_equal(events[0].u.trade.id, 3);
  assert_int_equal(events[1].u.trade.id, 4);
  assert_int_equal(counts.held_trades, 0);
}

/* Shuffled within the window: everything comes out once and in order. Shuffled beyond: everything comes out once. */
static void nothing_is_lost_or_doubled_whatever_the_order(void **state) {
  (void)state;
  enum { IDS_CNT = 4000 };
  static uint64_t ids[IDS_CNT];
  static uint8_t  seen[IDS_CNT + 1];
  uint64_t        rng = 88172645463325252u;
  for (int run = 0; run < 60; run++) {
    const bool     within = run % 2 == 0;
    const uint32_t reach  = within ? 20 : 400;
    begin(WINDOW_NS);
    memset(seen, 0, sizeof seen);
    for (uint32_t i = 0; i < IDS_CNT; i++) ids[i] = i + 1;
    for (uint32_t i = 1; i < IDS_CNT;
         i++) { /* the first stays: what comes before it is never waited for */
      rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17;
      uint32_t k = i + (uint32_t)(rng >> 20) % reach;
      if (rng % 5 == 0 && k < IDS_CNT && (!within || k - i < 10)) {
        uint64_t id = ids[i];
        ids[i]      = ids[k];
        ids[k]      = id;
      }
    }
    uint64_t last = 0, total = 0;
    for (uint32_t i = 0; i <= IDS_CNT; i++, now_ns += within ? 5 : 10) {
      out.event_cnt = 0;
      if (i < IDS_CNT)
        put(0, ids[i]);
      else
        tf_reorder_flush(&reorder, &out);
      tf_reorder_pass(&reorder, &out, now_ns);
      for (uint32_t k = 0; k < out.event_cnt; k++, total++) {
        uint64_t id = events[k].u.trade.id;
        assert_int_equal(seen[id]++, 0);
        if (within) assert_int_equal(id, last + 1);
        last = id;
      }
    }
    assert_int_equal(total, IDS_CNT);
    assert_int_equal(counts.held_trades, 0);
  }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(without_a_window_nothing_is_touched),
      TEST(what_is_ahead_waits_for_what_is_missing),
      TEST(one_message_is_put_in_order_too),
      TEST(window_ends_with_the_first_message_behind_it),
      TEST(repeats_backfill_and_trades_without_id_pass),
      TEST(venue_that_starts_over_is_followed),
      TEST(so_many_are_held_and_then_the_instruments_go_out),
      TEST(without_room_they_stay_for_the_next_message),
      TEST(flush_leaves_nothing),
      TEST(nothing_is_lost_or_doubled_whatever_the_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
