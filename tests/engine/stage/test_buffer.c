/* The best bid and offer out of quotes and book: whichever is fresher, by the rule of tf/market.h. */
#include "cmocka_tf.h"

#include <string.h>

#include "stage/buffer.h"
#include "tf/indicator.h"
#include "tf/text.h"

static tf_arena_t           arena;
static tf_buffer_t          buffer;
static tf_lane_instrument_t in;
static uint64_t             words[2];
static uint64_t             recv_ns, seq;

static int setup(void **state) {
  (void)state;
  tf_arena_fini(&arena);
  memset(words, 0, sizeof words);
  buffer = (tf_buffer_t){
      .lost_books = {.since_ns = words, .cap = 2}
  };
  recv_ns = 1000, seq = 10;
  if (tf_arena_init(&arena, "buffer", 1 << 20)) return -1;
  return tf_buffer_init_instrument(&in, &arena, 64, 16);
}

static void take(tf_event_t e) {
  uint32_t closed;
  e.ts_recv_ns    = ++recv_ns;
  e.instrument_id = 1;
  tf_buffer_begin(&buffer, &in, &e);
  while (tf_buffer_close_due(&buffer, &in)) continue;
  tf_buffer_on_event(&buffer, &in, &e, &closed);
  if (e.flags & TF_FLAG_LAST) tf_buffer_settle(&buffer, &in);
  in.market.event = NULL;
}

static void quote(int64_t bid, uint64_t ts_ns, uint8_t flags) {
  tf_event_t e = {
      .kind = TF_EVENT_QUOTE, .flags = flags | TF_FLAG_LAST, .ts_event_ns = ts_ns, .price_exp = -1};
  e.u.quote.bid_price = bid, e.u.quote.ask_price = bid + 10;
  e.u.quote.bid_qty = e.u.quote.ask_qty = 7;
  take(e);
}

static void level(bool ask, int64_t price, int64_t qty, uint64_t ts_ns, uint8_t flags) {
  tf_event_t e    = {.kind        = TF_EVENT_BOOK,
                     .flags       = (uint8_t)(flags | (ask ? TF_FLAG_SIDE : 0)),
                     .ts_event_ns = ts_ns,
                     .price_exp   = -1};
  e.u.level.price = price, e.u.level.qty = qty, e.u.level.venue_seq = ++seq;
  e.u.level.level_idx = ask;
  take(e);
}

static void status(tf_book_state_t book_state, uint64_t apply_from) {
  tf_event_t e          = {.kind = TF_EVENT_STATUS, .flags = TF_FLAG_LAST};
  e.u.status.book_state = book_state;
  e.u.status.apply_from = apply_from;
  take(e);
}

/* 1000 x 1010. */
static void snapshot(void) {
  level(false, 1000, 3, 0, TF_FLAG_SNAPSHOT);
  level(true, 1010, 3, 0, TF_FLAG_SNAPSHOT);
  status(TF_BOOK_OK, 1);
}

/* The book's best bid becomes one tick better than it was. */
static void better_bid(int64_t price, uint64_t ts_ns, uint8_t flags) {
  level(false, price, 3, ts_ns, flags | TF_FLAG_LAST);
}

static void assert_bid(int64_t tenths) {
  assert_true(in.has_bbo);
  assert_int_equal(in.bid_price, tenths);
  assert_true(in.market.bid == (double)tenths / 10);
}

static void book_alone_gives_its_top(void **state) {
  (void)state;
  snapshot();
  assert_bid(1000);
  better_bid(1001, 0, 0);
  assert_bid(1001);
  assert_false(in.market.has_quote);
}

static void without_times_the_last_to_come_is_the_fresher(void **state) {
  (void)state;
  snapshot();
  quote(1002, 0, 0);
  assert_bid(1002);
  better_bid(1003, 0, 0);
  assert_bid(1003);
  quote(1001, 500, 0); /* the book's has none */
  assert_bid(1001);
}

static void older_by_the_venues_time_is_passed_over(void **state) {
  (void)state;
  snapshot();
  quote(1002, 2000, 0);
  better_bid(1001, 1999, 0);
  assert_bid(1002);
  better_bid(1001, 2000, 0); /* equal: the later to come */
  assert_bid(1001);
  quote(1002, 1999, 0);
  assert_bid(1001);
  assert_true(in.market.has_quote);
  quote(1002, 2000, 0);
  assert_bid(1002);
  quote(1000, 1000, 0); /* one channel is in its own order, whatever its times say */
  assert_bid(1000);
}

static void times_that_differ_by_more_than_the_bound_are_not_compared(void **state) {
  (void)state;
  snapshot();
  quote(1002, 5 * TF_BBO_SKEW_NS_MAX, 0);
  better_bid(1001, 4 * TF_BBO_SKEW_NS_MAX, 0); /* n: older */
  assert_bid(1002);
  better_bid(1001, 4 * TF_BBO_SKEW_NS_MAX - 1, 0); /* n + 1: no comparison */
  assert_bid(1001);
}

static void time_that_is_not_trusted_is_none(void **state) {
  (void)state;
  snapshot();
  quote(1002, 9000, TF_FLAG_BAD_TS);
  better_bid(1001, 10, 0);
  assert_bid(1001);
  quote(1002, 1, TF_FLAG_BAD_TS);
  assert_bid(1002);
}

static void venues_sequence_beats_its_times(void **state) {
  (void)state;
  snapshot();
  quote(1002, 2000, 0);
  better_bid(1001, 2500, TF_FLAG_OUTRUN);
  assert_bid(1002);
  better_bid(1003, 2000, 0);
  quote(1004, 2600, TF_FLAG_OUTRUN);
  assert_bid(1003);
}

static void broken_book_leaves_the_quotes_alone(void **state) {
  (void)state;
  snapshot();
  quote(1000, 1000, 0);
  better_bid(1005, 5000, 0);
  assert_bid(1005);
  status(TF_BOOK_GAP, 0);
  assert_bid(1005); /* until something newer is known */
  quote(1002, 4000, 0);
  assert_bid(1002);
  better_bid(1009, 6000, TF_FLAG_BAD_BOOK);
  assert_bid(1002);
  level(false, 990, 1, 0, TF_FLAG_SNAPSHOT);
  level(true, 1010, 1, 0, TF_FLAG_SNAPSHOT);
  status(TF_BOOK_OK, seq);
  assert_bid(1002); /* of what time a snapshot is, nobody said */
}

static void crossed_book_gives_no_top_and_is_reported_in_its_word(void **state) {
  (void)state;
  snapshot();
  for (int i = 0; i < 6; i++) better_bid(1011 + i, 0, 0);
  assert_int_equal(in.keeper.book.state, TF_BOOK_CROSSED);
  assert_bid(1000);
  assert_int_not_equal(words[1], 0);
  assert_int_equal(words[0], 0);
  status(TF_BOOK_GAP, 0);
  assert_int_equal(words[1], 0);
}

static void empty_side_takes_nothing_from_the_quotes(void **state) {
  (void)state;
  snapshot();
  quote(1002, 0, 0);
  level(true, 1010, 0, 0, TF_FLAG_LAST);
  assert_bid(1002);
}

static void trade_that_cannot_be_meant_is_not_the_last(void **state) {
  (void)state;
  for (int i = 0; i < 3; i++) {
    tf_event_t e    = {.kind      = TF_EVENT_TRADE,
                       .flags     = (uint8_t)(TF_FLAG_LAST | (i == 1 ? TF_FLAG_OUTLIER : 0)),
                       .price_exp = -1};
    e.u.trade.price = 1000 + i, e.u.trade.qty = 1;
    take(e);
    assert_int_equal(in.trade_price, i == 2 ? 1002 : 1000);
  }
}

static void listing(tf_trading_t trading) {
  tf_event_t e           = {.kind = TF_EVENT_STATUS, .flags = TF_FLAG_LAST};
  e.u.listing.book_state = TF_BOOK_NONE;
  e.u.listing.trading    = trading;
  e.u.listing.tick_size  = 5;
  take(e);
}

static void what_is_halted_or_resized_keeps_its_book(void **state) {
  (void)state;
  snapshot();
  listing(TF_TRADING_HALTED);
  assert_int_equal(in.trading, TF_TRADING_HALTED);
  assert_int_equal(in.keeper.book.state, TF_BOOK_OK);
  assert_bid(1000);
  listing(TF_TRADING_CHANGED);
  assert_int_equal(in.trading, TF_TRADING_HALTED); /* other sizes do not open it */
  better_bid(1001, 0, 0);
  assert_bid(1001);
  listing(TF_TRADING_OPEN);
  assert_int_equal(in.trading, TF_TRADING_OPEN);
  assert_bid(1001);
}

static void what_has_ended_leaves_nothing_behind(void **state) {
  (void)state;
  snapshot();
  quote(1002, 0, 0);
  for (int64_t i = 0; i < 7; i++) level(false, 1011, 1 + i, 0, TF_FLAG_LAST);
  assert_int_not_equal(words[1], 0); /* crossed for so long that it is doubted */
  listing(TF_TRADING_ENDED);
  assert_int_equal(in.trading, TF_TRADING_ENDED);
  assert_int_equal(in.keeper.book.state, TF_BOOK_NONE);
  assert_int_equal(in.keeper.book.bid.level_cnt, 0);
  assert_false(in.has_bbo);
  assert_false(in.has_trade);
  assert_true(in.market.bid != in.market.bid);
  assert_true(in.market.trade_price != in.market.trade_price);
  assert_int_equal(words[1], 0);
  listing(TF_TRADING_OPEN); /* listed again */
  snapshot();
  assert_bid(1000);
}

static int teardown(void **state) {
  (void)state;
  tf_arena_fini(&arena);
  return 0;
}

static void ticker(int64_t mark, int64_t rate) {
  tf_event_t e            = {.kind = TF_EVENT_TICKER, .flags = TF_FLAG_LAST, .price_exp = -2};
  e.u.ticker.mark_price   = mark;
  e.u.ticker.funding_rate = rate;
  take(e);
}

static void what_a_ticker_leaves_out_stays_as_it_was(void **state) {
  (void)state;
  assert_true(in.market.mark_price != in.market.mark_price);
  assert_true(in.market.funding_rate != in.market.funding_rate);
  ticker(1234, TF_FUNDING_NONE);
  assert_true(in.market.mark_price == 12.34);
  assert_true(in.market.funding_rate != in.market.funding_rate);
  ticker(0, -100000000); /* 12 digits */
  assert_true(in.market.mark_price == 12.34);
  assert_true(in.market.funding_rate == -0.0001);
  ticker(0, 0);
  assert_true(in.market.funding_rate == 0);
  assert_false(in.has_trade);
  assert_false(in.has_bbo);
}

static uint32_t text(float score, uint16_t miss, uint64_t now_ns) {
  tf_event_t e     = {.kind = TF_EVENT_TEXT, .flags = TF_FLAG_LAST, .ts_recv_ns = now_ns};
  e.u.text.score   = score;
  e.u.text.novelty = 0.5f;
  e.u.text.label   = 2;
  e.u.text.miss    = miss;
  uint32_t closed;
  tf_buffer_begin(&buffer, &in, &e);
  return tf_buffer_on_event(&buffer, &in, &e, &closed);
}

static void a_text_that_was_missed_leaves_the_last_one_standing(void **state) {
  (void)state;
  assert_true(in.market.text_score != in.market.text_score);
  assert_int_equal(text(0.25f, TF_TEXT_MISS_NONE, 5000), TF_ON_TEXT);
  assert_true(in.market.text_score == 0.25 && in.market.text_novelty == 0.5);
  assert_true(in.market.text_label == 2);
  assert_int_equal(in.market.text_ns, 5000);
  assert_int_equal(text(0, TF_TEXT_MISS_DEADLINE, 6000), 0);
  assert_true(in.market.text_score == 0.25);
  assert_int_equal(in.market.text_ns, 5000);
}

static void trade_at(uint64_t ts_ns, uint8_t flags) {
  tf_event_t e    = {.kind = TF_EVENT_TRADE, .flags = flags | TF_FLAG_LAST, .ts_event_ns = ts_ns};
  e.u.trade.price = 5, e.u.trade.qty = 1;
  take(e);
}

static void bars_of_the_venues_time_go_by_the_latest_that_is_trusted(void **state) {
  (void)state;
  buffer.bars[0] =
      (tf_bar_spec_t){.kind = TF_BAR_TIME, .clock = TF_BAR_CLOCK_EVENT, .span_ns = 1000};
  buffer.bar_cnt = 1;
  trade_at(0, 0);
  assert_int_equal(buffer.bar_counts.late_trades, 1); /* no time was ever told */
  assert_false(in.bars[0].is_open);
  quote(1000, 5300, 0);
  trade_at(0, 0); /* counts at the latest */
  assert_int_equal(in.bars[0].open.begin_ns, 5000);
  trade_at(9900, TF_FLAG_BAD_TS); /* as does one whose time cannot be meant */
  trade_at(5100, 0);              /* and one that is older goes where it belongs */
  assert_int_equal(in.bars[0].open.trade_cnt, 3);
  trade_at(0, 0);
  assert_int_equal(in.bars[0].open.trade_cnt, 4);
  quote(1000, 7000, 0);
  assert_int_equal(tf_buffer_close_due(&buffer, &in), 0); /* take has closed it */
  assert_int_equal(in.bars[0].closed.trade_cnt, 4);
  trade_at(0, 0);
  assert_int_equal(in.bars[0].open.begin_ns, 7000);
  assert_int_equal(buffer.bar_counts.late_trades, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(book_alone_gives_its_top, setup),
      cmocka_unit_test_setup(without_times_the_last_to_come_is_the_fresher, setup),
      cmocka_unit_test_setup(older_by_the_venues_time_is_passed_over, setup),
      cmocka_unit_test_setup(times_that_differ_by_more_than_the_bound_are_not_compared, setup),
      cmocka_unit_test_setup(time_that_is_not_trusted_is_none, setup),
      cmocka_unit_test_setup(venues_sequence_beats_its_times, setup),
      cmocka_unit_test_setup(broken_book_leaves_the_quotes_alone, setup),
      cmocka_unit_test_setup(crossed_book_gives_no_top_and_is_reported_in_its_word, setup),
      cmocka_unit_test_setup(empty_side_takes_nothing_from_the_quotes, setup),
      cmocka_unit_test_setup(what_a_ticker_leaves_out_stays_as_it_was, setup),
      cmocka_unit_test_setup(a_text_that_was_missed_leaves_the_last_one_standing, setup),
      cmocka_unit_test_setup(trade_that_cannot_be_meant_is_not_the_last, setup),
      cmocka_unit_test_setup(what_is_halted_or_resized_keeps_its_book, setup),
      cmocka_unit_test_setup(what_has_ended_leaves_nothing_behind, setup),
      cmocka_unit_test_setup(bars_of_the_venues_time_go_by_the_latest_that_is_trusted, setup),
  };
  return cmocka_run_group_tests(tests, NULL, teardown);
}
