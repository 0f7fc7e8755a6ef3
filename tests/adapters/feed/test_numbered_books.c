/* OKX, Bitget, Bybit and Crypto.com: what their recordings cannot show. The rules that they share are a table
 * over the venues; what one of them says in its own way has its own tests. */
#include "feed_rig.h"

#define ALL 15u /* channels */

static const tf_event_t *newest(void) {
  assert_true(rig.out.event_cnt > 0);
  return &rig.out.events[rig.out.event_cnt - 1];
}

static const char *venue_error(void) { return ((const tf_feed_head_t *)rig.state)->venue_error; }

/* ---- books, by the table ---- */

typedef enum { SNAPSHOT_OF, DELTA_OF } book_t;

static const char *text_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static const char *text_of(const char *fmt, ...) {
  static char text[4096];
  va_list     args;
  va_start(args, fmt);
  int n = vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  assert_in_range(n, 1, sizeof text - 1);
  return text;
}

#define OKX_ARG(channel) "{\"arg\":{\"channel\":\"" channel "\",\"instId\":\"BTC-USDT\"}"

static const char *okx_book(book_t kind, unsigned long long seq, unsigned long long prev,
                            const char *bids) {
  if (kind == SNAPSHOT_OF)
    return text_of(
        OKX_ARG("books") ",\"action\":\"snapshot\",\"data\":[{\"asks\":[[\"9.5\",\"1\",\"0\","
                         "\"1\"]],\"bids\":[%s],\"ts\":\"1723161255100\",\"checksum\":0,"
                         "\"prevSeqId\":-1,\"seqId\":%llu}]}",
        bids, seq);
  return text_of(
      OKX_ARG("books") ",\"action\":\"update\",\"data\":[{\"asks\":[],\"bids\":[%s],\"ts\":"
                       "\"1723161255200\",\"checksum\":0,\"prevSeqId\":%llu,\"seqId\":%llu}]}",
      bids, prev, seq);
}

static const char *bitget_book(book_t kind, unsigned long long seq, unsigned long long prev,
                               const char *bids) {
  return text_of(
      "{\"action\":\"%s\",\"arg\":{\"instType\":\"SPOT\",\"channel\":\"books\",\"instId\":"
      "\"BTCUSDT\"},\"data\":[{\"asks\":[%s],\"bids\":[%s],\"ts\":\"1723161255100\",\"seq\":"
      "%llu,\"pseq\":%llu}],\"ts\":1723161255101}",
      kind == SNAPSHOT_OF ? "snapshot" : "update", kind == SNAPSHOT_OF ? "[\"9.5\",\"1\"]" : "",
      bids, seq, prev);
}

static const char *bybit_book(book_t kind, unsigned long long seq, unsigned long long prev,
                              const char *bids) {
  (void)prev;
  return text_of(
      "{\"topic\":\"orderbook.200.BTCUSDT\",\"type\":\"%s\",\"ts\":1723161255102,\"data\":{"
      "\"s\":\"BTCUSDT\",\"b\":[%s],\"a\":[%s],\"u\":%llu,\"seq\":7},\"cts\":1723161255100}",
      kind == SNAPSHOT_OF ? "snapshot" : "delta", bids,
      kind == SNAPSHOT_OF ? "[\"9.5\",\"1\"]" : "", seq);
}

static const char *cryptocom_book(book_t kind, unsigned long long seq, unsigned long long prev,
                                  const char *bids) {
  if (kind == SNAPSHOT_OF)
    return text_of(
        "{\"id\":-1,\"method\":\"subscribe\",\"code\":0,\"result\":{\"instrument_name\":"
        "\"BTC_USDT\",\"subscription\":\"book.BTC_USDT.50\",\"channel\":\"book\",\"data\":[{"
        "\"asks\":[[\"9.5\",\"1\",\"1\"]],\"bids\":[%s],\"t\":1723161255100,\"u\":%llu}]}}",
        bids, seq);
  return text_of(
      "{\"id\":-1,\"method\":\"subscribe\",\"code\":0,\"result\":{\"instrument_name\":"
      "\"BTC_USDT\",\"subscription\":\"book.BTC_USDT.50\",\"channel\":\"book.update\",\"data\":"
      "[{\"update\":{\"asks\":[],\"bids\":[%s]},\"t\":1723161255200,\"u\":%llu,\"pu\":%llu}]}}",
      bids, seq, prev);
}

typedef struct {
  const char *name, *symbol;
  const char *(*book)(book_t kind, unsigned long long seq, unsigned long long prev,
                      const char *bids);
} venue_t;

static const venue_t venues[] = {
    {"okx",       "BTC-USDT", okx_book      },
    {"bitget",    "BTCUSDT",  bitget_book   },
    {"bybit",     "BTCUSDT",  bybit_book    },
    {"cryptocom", "BTC_USDT", cryptocom_book},
};
#define EACH_VENUE(v)                                                                              \
  const venue_t *v = venues;                                                                       \
  v < venues + TF_ARRAY_CNT(venues);                                                               \
  v++

#define BID "[\"9.4\",\"2\"]"

static void start_venue(const venue_t *v) {
  assert_int_equal(start_with(&rig, v->name, NULL, 0, ALL), TF_OK);
  assert_int_equal(feed_text(v->book(SNAPSHOT_OF, 10, 0, BID)), TF_VERDICT_DATA);
  assert_int_equal(rig.out.event_cnt, 3);
  assert_int_equal(newest()->u.status.book_state, TF_BOOK_OK);
  assert_int_equal(newest()->u.status.apply_from, 10);
  assert_string_equal(rig.instruments.rows[0].symbol, v->symbol);
}

static void deltas_that_follow_are_taken_and_keep_their_sequence(void **state) {
  (void)state;
  for (EACH_VENUE(v)) {
    start_venue(v);
    assert_int_equal(feed_text(v->book(DELTA_OF, 11, 10, BID)), TF_VERDICT_DATA);
    assert_int_equal(rig.out.event_cnt, 1);
    assert_int_equal(newest()->flags, TF_FLAG_LAST);
    assert_int_equal(newest()->u.level.venue_seq, 11);
    assert_int_equal(newest()->u.level.price, 94);
    assert_int_equal(newest()->price_exp, -1);
    assert_true(newest()->ts_event_ns > UINT64_C(1723161255000000000));
    assert_int_equal(rig.counts.gaps, 0);
    check_ledger(&rig);
    stop(&rig);
  }
}

static void break_puts_one_book_in_gap_until_its_snapshot_comes(void **state) {
  (void)state;
  for (EACH_VENUE(v)) {
    start_venue(v);
    feed_text(v->book(DELTA_OF, 13, 12, BID));
    assert_int_equal(rig.counts.gaps, 1);
    assert_int_equal(rig.out.event_cnt, 2);
    assert_int_equal(rig.events[0].u.status.book_state, TF_BOOK_GAP);
    assert_int_equal(rig.events[0].u.status.gap_first, 11);
    assert_int_equal(rig.events[0].u.status.gap_last, 12);
    assert_true(rig.events[1].flags & TF_FLAG_BAD_BOOK);
    assert_int_equal(rig.out.resync_cnt, 1);
    assert_false(rig.out.reconnect);
    feed_text(v->book(DELTA_OF, 16, 15, BID)); /* one break is one gap */
    assert_int_equal(rig.counts.gaps, 1);
    assert_true(newest()->flags & TF_FLAG_BAD_BOOK);
    feed_text(v->book(SNAPSHOT_OF, 16, 0, BID)); /* no newer than what was seen in the gap */
    assert_int_equal(newest()->u.status.book_state, TF_BOOK_OK);
    feed_text(v->book(DELTA_OF, 17, 16, BID));
    assert_int_equal(newest()->flags, TF_FLAG_LAST);
    stop(&rig);
  }
}

static void what_another_connection_brought_already_is_a_duplicate(void **state) {
  (void)state;
  for (EACH_VENUE(v)) {
    assert_true(tf_feeds_find(v->name)->sequences_are_shared);
    start_venue(v);
    feed_text(v->book(DELTA_OF, 11, 10, BID));
    feed_text(v->book(DELTA_OF, 11, 10, BID));
    assert_int_equal(rig.out.event_cnt, 0);
    feed_text(v->book(SNAPSHOT_OF, 9, 0, BID)); /* the slower one's */
    assert_int_equal(rig.out.event_cnt, 0);
    assert_int_equal(rig.counts.duplicates, 2);
    assert_int_equal(rig.counts.gaps, 0);
    feed_text(v->book(DELTA_OF, 12, 11, BID));
    assert_int_equal(rig.out.event_cnt, 1);
    check_ledger(&rig);
    stop(&rig);
  }
}

static void sequence_far_back_is_the_venue_starting_over(void **state) {
  (void)state;
  for (EACH_VENUE(v)) {
    assert_int_equal(start_with(&rig, v->name, NULL, 0, ALL), TF_OK);
    feed_text(v->book(SNAPSHOT_OF, 100000010, 0, BID));
    feed_text(v->book(DELTA_OF, 11, 10, BID)); /* 99,999,999 back */
    assert_int_equal(rig.counts.duplicates, 1);
    feed_text(v->book(DELTA_OF, 10, 9, BID)); /* 100,000,000 */
    assert_int_equal(rig.counts.gaps, 1);
    assert_int_equal(rig.out.resync_cnt, 1);
    assert_int_equal(rig.events[0].u.status.gap_last, 0); /* nobody knows what is missing */
    feed_text(v->book(SNAPSHOT_OF, 12, 0, BID));
    assert_int_equal(newest()->u.status.book_state, TF_BOOK_OK);
    stop(&rig);
  }
}

static void book_that_somebody_found_wrong_is_asked_for_again(void **state) {
  (void)state;
  for (EACH_VENUE(v)) {
    start_venue(v);
    rig.out.event_cnt = rig.out.resync_cnt = 0;
    rig.feed->lose_book(rig.state, 0, RECV_NS, &rig.out);
    assert_int_equal(newest()->u.status.book_state, TF_BOOK_GAP);
    assert_int_equal(rig.out.resync_cnt, 1);
    assert_int_equal(rig.counts.gaps, 0);
    stop(&rig);
  }
}

static void new_connection_takes_any_sequence(void **state) {
  (void)state;
  for (EACH_VENUE(v)) {
    start_venue(v);
    rig.out.event_cnt = 0;
    rig.feed->on_connect(rig.state, RECV_NS, &rig.out);
    assert_int_equal(newest()->u.status.book_state, TF_BOOK_SYNCING);
    feed_text(v->book(DELTA_OF, 500, 499, BID)); /* before its snapshot */
    assert_int_equal(newest()->flags, TF_FLAG_LAST);
    feed_text(v->book(SNAPSHOT_OF, 5, 0, BID));
    assert_int_equal(newest()->u.status.book_state, TF_BOOK_OK);
    assert_int_equal(rig.counts.gaps, 0);
    stop(&rig);
  }
}

static void depth_message_that_is_refused_loses_its_book_and_no_other(void **state) {
  (void)state;
  static const struct {
    const char *level;
    tf_reject_t why;
  } bad[] = {
      {"[\"9.4\",\"-2\"]",                   TF_REJECT_NUMBER},
      {"[\"9.4\",\"2e200\"]",                TF_REJECT_NUMBER},
      {"[\"abc\",\"2\"]",                    TF_REJECT_NUMBER},
      {"[\"9.4\"]",                          TF_REJECT_SCHEMA},
      {"[\"99999999999999999999.4\",\"2\"]", TF_REJECT_NUMBER},
      {"17",                                 TF_REJECT_SCHEMA},
  };
  for (EACH_VENUE(v)) {
    for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++) {
      start_venue(v);
      assert_int_equal(feed_text(v->book(DELTA_OF, 11, 10, bad[i].level)), TF_VERDICT_REJECTED);
      uint64_t refused =
          rig.counts.rejected[TF_REJECT_NUMBER] + rig.counts.rejected[TF_REJECT_SCHEMA];
      assert_int_equal(refused, 1);
      if (bad[i].why == TF_REJECT_NUMBER) assert_int_equal(rig.counts.rejected[bad[i].why], 1);
      assert_int_equal(rig.out.event_cnt, 1);
      assert_int_equal(newest()->u.status.book_state, TF_BOOK_GAP);
      assert_int_equal(rig.out.resync_cnt, 1);
      check_ledger(&rig);
      stop(&rig);
    }
  }
}

static void frames_that_are_no_message_are_refused_and_nothing_else_happens(void **state) {
  (void)state;
  static const struct {
    const char *text;
    tf_reject_t why;
  } bad[] = {
      {"",                   TF_REJECT_SYNTAX },
      {"ponG",               TF_REJECT_SYNTAX },
      {"{\"arg\":",          TF_REJECT_SYNTAX },
      {"[1,2]",              TF_REJECT_UNKNOWN},
      {"17",                 TF_REJECT_UNKNOWN},
      {"{}",                 TF_REJECT_UNKNOWN},
      {"{\"method\":\"x\"}", TF_REJECT_UNKNOWN},
  };
  for (EACH_VENUE(v)) {
    start_venue(v);
    for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++) {
      assert_int_equal(feed_text(bad[i].text), TF_VERDICT_REJECTED);
      assert_true(rig.counts.rejected[bad[i].why] > 0);
      assert_int_equal(rig.out.event_cnt, 0);
    }
    check_ledger(&rig);
    stop(&rig);
  }
}

static void messages_of_instruments_that_nobody_asked_for_are_refused(void **state) {
  (void)state;
  static const char *const other[] = {"XRP"};
  for (EACH_VENUE(v)) {
    assert_int_equal(start_with(&rig, v->name, other, 1, ALL), TF_OK);
    assert_int_equal(feed_text(v->book(SNAPSHOT_OF, 10, 0, BID)), TF_VERDICT_REJECTED);
    assert_int_equal(rig.counts.rejected[TF_REJECT_INSTRUMENT], 1);
    stop(&rig);
  }
}

static void books_that_nobody_asked_for_are_ignored(void **state) {
  (void)state;
  for (EACH_VENUE(v)) {
    assert_int_equal(start_with(&rig, v->name, NULL, 0, TF_CHANNEL_TRADE), TF_OK);
    assert_int_equal(feed_text(v->book(SNAPSHOT_OF, 10, 0, BID)), TF_VERDICT_IGNORED);
    assert_int_equal(rig.out.event_cnt, 0);
    check_ledger(&rig);
    stop(&rig);
  }
}

/* ---- what is said to the venues ---- */

static size_t ask(const char *const *symbols, uint32_t cnt, const char *venue, uint32_t depth,
                  uint32_t channel, bool unsubscribe, char *text, size_t cap) {
  static const uint32_t all[]  = {0, 1, 2, 3};
  tf_instruments_t      table  = {.rows = calloc(16, sizeof(tf_instrument_t)), .cap = 16};
  tf_feed_config_t      config = {.instruments = &table,
                                  .symbols     = symbols,
                                  .symbol_cnt  = cnt,
                                  .channels    = ALL,
                                  .book_depth  = depth};
  const tf_feed_t      *feed   = tf_feeds_find(venue);
  void                 *st = aligned_alloc(64, tf_align_up(feed->state_bytes(feed, &config), 64));
  assert_int_equal(feed->init(feed, st, &config), TF_OK);
  tf_feed_request_t request = {
      .unsubscribe = unsubscribe, .channel = channel, .symbols = all, .symbol_cnt = cnt, .id = 7};
  size_t n = feed->request(st, &request, text, cap);
  free(st);
  free(table.rows);
  return n;
}

static void requests_are_in_the_venues_words(void **state) {
  (void)state;
#define OKX_ASK(op, args)     "{\"id\":\"7\",\"op\":\"" op "\",\"args\":[" args "]}"
#define OKX_NAME(channel, id) "{\"channel\":\"" channel "\",\"instId\":\"" id "\"}"
#define BITGET_NAME(type, channel, id)                                                             \
  "{\"instType\":\"" type "\",\"channel\":\"" channel "\",\"instId\":\"" id "\"}"
#define CDC_ASK(method, channels, more)                                                            \
  "{\"id\":7,\"method\":\"" method "\",\"params\":{\"channels\":[" channels "]" more "}}"
#define CDC_BOOK(type, ms) ",\"book_subscription_type\":\"" type "\",\"book_update_frequency\":" ms
  static const struct {
    const char *venue, *symbols[3];
    uint32_t    symbol_cnt, depth, channel;
    bool        unsubscribe;
    const char *want;
  } rows[] = {
  /* clang-format off */
      {"okx", {"btc-usdt", "ETH-USDT"}, 2, 0, TF_CHANNEL_TRADE, false,
       OKX_ASK("subscribe", OKX_NAME("trades", "BTC-USDT") "," OKX_NAME("trades", "ETH-USDT"))},
      {"okx", {"BTC-USDT"}, 1, 0, TF_CHANNEL_QUOTE, true,
       OKX_ASK("unsubscribe", OKX_NAME("bbo-tbt", "BTC-USDT"))},
      {"okx", {"BTC-USDT"}, 1, 400, TF_CHANNEL_BOOK, false, OKX_ASK("subscribe", OKX_NAME("books", "BTC-USDT"))},
      {"okx", {"BTC-USDT"}, 1, 5, TF_CHANNEL_BOOK, false, OKX_ASK("subscribe", OKX_NAME("books5", "BTC-USDT"))},
      {"okx", {"BTC-USDT", "BTC-USD-220527", "BTC-USDT-SWAP"}, 3, 0, TF_CHANNEL_TICKER, false,
       OKX_ASK("subscribe", OKX_NAME("tickers", "BTC-USDT") "," OKX_NAME("tickers", "BTC-USD-220527") "," OKX_NAME(
                                "mark-price", "BTC-USD-220527") "," OKX_NAME("tickers", "BTC-USDT-SWAP") "," OKX_NAME(
                                "mark-price", "BTC-USDT-SWAP") "," OKX_NAME("funding-rate", "BTC-USDT-SWAP"))},
      {"bitget", {"BTCUSDT", "BTCUSDT-FUTURES", "BTCPERP-FUTURES"}, 3, 0, TF_CHANNEL_BOOK, false,
       "{\"op\":\"subscribe\",\"args\":[" BITGET_NAME("SPOT", "books", "BTCUSDT") "," BITGET_NAME(
           "USDT-FUTURES", "books", "BTCUSDT") "," BITGET_NAME("USDC-FUTURES", "books", "BTCPERP") "]}"},
      {"bitget", {"BTCUSD-FUTURES"}, 1, 15, TF_CHANNEL_BOOK, true,
       "{\"op\":\"unsubscribe\",\"args\":[" BITGET_NAME("COIN-FUTURES", "books15", "BTCUSD") "]}"},
      {"bitget", {"BTCUSDT"}, 1, 0, TF_CHANNEL_QUOTE, false,
       "{\"op\":\"subscribe\",\"args\":[" BITGET_NAME("SPOT", "books1", "BTCUSDT") "]}"},
      {"bybit", {"BTCUSDT", "ETHUSDT"}, 2, 0, TF_CHANNEL_BOOK, false,
       "{\"req_id\":\"7\",\"op\":\"subscribe\",\"args\":[\"orderbook.200.BTCUSDT\",\"orderbook.200.ETHUSDT\"]}"},
      {"bybit", {"BTCUSDT-LINEAR"}, 1, 50, TF_CHANNEL_BOOK, true,
       "{\"req_id\":\"7\",\"op\":\"unsubscribe\",\"args\":[\"orderbook.50.BTCUSDT\"]}"},
      {"bybit", {"BTCUSDT"}, 1, 0, TF_CHANNEL_QUOTE, false,
       "{\"req_id\":\"7\",\"op\":\"subscribe\",\"args\":[\"orderbook.1.BTCUSDT\"]}"},
      {"cryptocom", {"BTC_USDT", "ETH_USDT"}, 2, 0, TF_CHANNEL_BOOK, false,
       CDC_ASK("subscribe", "\"book.BTC_USDT.50\",\"book.ETH_USDT.50\"", CDC_BOOK("SNAPSHOT_AND_UPDATE", "10"))},
      {"cryptocom", {"BTC_USDT"}, 1, 150, TF_CHANNEL_BOOK, false,
       CDC_ASK("subscribe", "\"book.BTC_USDT.150\"", CDC_BOOK("SNAPSHOT", "500"))},
      {"cryptocom", {"BTC_USDT"}, 1, 10, TF_CHANNEL_BOOK, true, CDC_ASK("unsubscribe", "\"book.BTC_USDT.10\"", "")},
      {"cryptocom", {"BTC_USDT"}, 1, 0, TF_CHANNEL_QUOTE, false, CDC_ASK("subscribe", "\"ticker.BTC_USDT\"", "")},
      {"cryptocom", {"BTC_USDT", "BTCUSD-PERP"}, 2, 0, TF_CHANNEL_TICKER, false, /* the quote brings the rest */
       CDC_ASK("subscribe", "\"mark.BTCUSD-PERP\",\"funding.BTCUSD-PERP\"", "")},
  /* clang-format on */
  };
  char text[1024];
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    size_t n = ask(rows[i].symbols, rows[i].symbol_cnt, rows[i].venue, rows[i].depth,
                   rows[i].channel, rows[i].unsubscribe, text, sizeof text);
    assert_string_equal(text, rows[i].want);
    assert_int_equal(n, strlen(text));
    for (size_t cap = n - 1; cap <= n + 1; cap++) { /* room for the NUL, too */
      char small[1024];
      assert_int_equal(ask(rows[i].symbols, rows[i].symbol_cnt, rows[i].venue, rows[i].depth,
                           rows[i].channel, rows[i].unsubscribe, small, cap),
                       n);
      assert_int_equal(strlen(small), n < cap ? n : cap - 1);
    }
  }
  static const char *const spot[] = {"BTC_USDT"};
  assert_int_equal(ask(spot, 1, "cryptocom", 0, TF_CHANNEL_TICKER, false, text, sizeof text), 0);
}

static void depths_are_those_that_the_venue_has(void **state) {
  (void)state;
  static const struct {
    const char *venue;
    uint32_t    depths[4];
  } rows[] = {
      {"okx",          {5, 400}       },
      {"bitget",       {5, 15, 500}   },
      {"bybit",        {50, 200, 1000}},
      {"cryptocom",    {10, 50, 150}  },
      {"gate",         {50, 100, 400} },
      {"gate-futures", {50, 100, 400} },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    for (uint32_t depth = 1; depth <= 1001; depth++) {
      bool is_one = false;
      for (size_t k = 0; k < TF_ARRAY_CNT(rows[i].depths); k++)
        is_one |= rows[i].depths[k] == depth;
      tf_instruments_t table  = {.rows = calloc(4, sizeof(tf_instrument_t)), .cap = 4};
      tf_feed_config_t config = {.instruments = &table,
                                 .channels    = ALL,
                                 .book_depth  = depth,
                                 .symbols     = (const char *const[]){"X"},
                                 .symbol_cnt  = 1};
      const tf_feed_t *feed   = tf_feeds_find(rows[i].venue);
      void            *st = aligned_alloc(64, tf_align_up(feed->state_bytes(feed, &config), 64));
      bool             wants_key = i == 0 && depth == 50;
      tf_err_t         expected  = is_one ? TF_OK : wants_key ? E_FEED_KEY : E_CONFIG_VALUE;
      assert_int_equal(feed->init(feed, st, &config), expected);
      free(st);
      free(table.rows);
    }
  }
}

static const char *target_of(const char *venue, const char *symbol) {
  static char      text[128];
  tf_instruments_t table  = {.rows = calloc(4, sizeof(tf_instrument_t)), .cap = 4};
  tf_feed_config_t config = {
      .instruments = &table, .channels = ALL, .symbols = &symbol, .symbol_cnt = 1};
  const tf_feed_t *feed = tf_feeds_find(venue);
  void            *st   = aligned_alloc(64, tf_align_up(feed->state_bytes(feed, &config), 64));
  assert_int_equal(feed->init(feed, st, &config), TF_OK);
  assert_true(feed->ws_target(st, text, sizeof text) < sizeof text);
  free(st);
  free(table.rows);
  return text;
}

static void bybit_has_an_address_a_product(void **state) {
  (void)state;
  assert_string_equal(target_of("bybit", "BTCUSDT"), "/v5/public/spot");
  assert_string_equal(target_of("bybit", "BTCUSDT-LINEAR"), "/v5/public/linear");
  assert_string_equal(target_of("bybit", "BTCUSD-INVERSE"), "/v5/public/inverse");
  assert_string_equal(target_of("bybit", "BTC-26DEC25-100000-C-OPTION"), "/v5/public/option");
  assert_string_equal(target_of("bybit", "BTC-26DEC25-LINEAR"), "/v5/public/linear");
  assert_string_equal(target_of("bybit", "LINEAR"), "/v5/public/spot");
  static const char *const mixed[] = {"BTCUSDT", "BTCUSDT-LINEAR"};
  assert_int_equal(start_with(&rig, "bybit", mixed, 2, ALL), E_CONFIG_VALUE);
  stop(&rig);
}

static void bybit_message_is_of_the_product_whose_address_brought_it(void **state) {
  (void)state;
  static const struct {
    const char *target, *symbol;
  } rows[] = {
      {NULL,                 "BTCUSDT"        },
      {"/v5/public/spot",    "BTCUSDT"        },
      {"/v5/public/linear",  "BTCUSDT-LINEAR" },
      {"/v5/public/inverse", "BTCUSDT-INVERSE"},
      {"/v5/public/option",  "BTCUSDT-OPTION" },
  };
  assert_int_equal(start_with(&rig, "bybit", NULL, 0, ALL), TF_OK);
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    const char *text = bybit_book(SNAPSHOT_OF, 10 + i, 0, BID);
    assert_int_equal(feed_bytes(&rig, text, strlen(text), TF_FRAME_TEXT, rows[i].target),
                     TF_VERDICT_DATA);
    assert_string_equal(rig.instruments.rows[newest()->instrument_id].symbol, rows[i].symbol);
  }
  assert_int_equal(rig.instruments.cnt, 4);
  stop(&rig);
  static const char *const linear[] = {
      "BTCUSDT-LINEAR"}; /* live, nobody says which address it was */
  assert_int_equal(start_with(&rig, "bybit", linear, 1, ALL), TF_OK);
  assert_int_equal(feed_text(bybit_book(SNAPSHOT_OF, 10, 0, BID)), TF_VERDICT_DATA);
  assert_string_equal(rig.instruments.rows[0].name, "BTCUSDT-LINEAR.BYBIT");
  stop(&rig);
}

/* ---- what the venues answer ---- */

static void answers_are_understood(void **state) {
  (void)state;
  static const struct {
    const char *venue, *symbol, *text;
    uint64_t    id;
    uint32_t    channel;
    bool        is_refusal, is_named;
    const char *complaint;
  } rows[] = {
  /* clang-format off */
      {"okx", "BTC-USDT",
       "{\"id\":\"7\",\"event\":\"subscribe\",\"arg\":{\"channel\":\"books\",\"instId\":\"BTC-USDT\"},\"connId\":\"a\"}",
       7, TF_CHANNEL_BOOK, false, true, ""},
      {"okx", "BTC-USDT", "{\"event\":\"unsubscribe\",\"arg\":{\"channel\":\"bbo-tbt\",\"instId\":\"BTC-USDT\"}}", 0,
       TF_CHANNEL_QUOTE, false, true, ""},
      {"okx", "BTC-USDT", "{\"id\":\"8\",\"event\":\"error\",\"code\":\"60018\",\"msg\":\"no such channel\"}", 8, 0, true,
       false, "no such channel"},
      {"bitget", "BTCUSDT-FUTURES",
       "{\"event\":\"subscribe\",\"arg\":{\"instType\":\"USDT-FUTURES\",\"channel\":\"ticker\",\"instId\":\"BTCUSDT\"}}", 0,
       TF_CHANNEL_TICKER, false, true, ""},
      {"bitget", "BTCUSDT",
       "{\"event\":\"error\",\"arg\":{\"instType\":\"SPOT\",\"channel\":\"trade\",\"instId\":\"BTCUSDT\"},\"code\":30001,"
       "\"msg\":\"doesn't exist\",\"op\":\"subscribe\"}",
       0, TF_CHANNEL_TRADE, true, true, "doesn't exist"},
      {"bybit", "BTCUSDT",
       "{\"success\":true,\"ret_msg\":\"\",\"conn_id\":\"d\",\"req_id\":\"9\",\"op\":\"subscribe\"}", 9, 0, false, false, ""},
      {"bybit", "BTCUSDT", "{\"success\":true,\"ret_msg\":\"subscribe\",\"conn_id\":\"d\",\"op\":\"subscribe\"}", 0, 0,
       false, false, ""},
      {"bybit", "BTCUSDT",
       "{\"success\":false,\"ret_msg\":\"handler not found\",\"conn_id\":\"d\",\"req_id\":\"9\",\"op\":\"subscribe\"}", 9, 0,
       true, false, "handler not found"},
      {"cryptocom", "BTC_USDT", "{\"id\":5,\"method\":\"subscribe\",\"code\":0,\"channel\":\"book.BTC_USDT.50\"}", 5,
       TF_CHANNEL_BOOK, false, true, ""},
      {"cryptocom", "BTC_USDT",
       "{\"id\":11,\"method\":\"subscribe\",\"code\":40003,\"channel\":\"trade.BTC_USDT\",\"message\":\"Unknown symbol\"}",
       11, TF_CHANNEL_TRADE, true, true, "Unknown symbol"},
      {"cryptocom", "BTC_USDT", "{\"id\":0,\"code\":0,\"method\":\"subscribe\"}", 0, 0, false, false, ""},
  /* clang-format on */
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    assert_int_equal(start_with(&rig, rows[i].venue, &rows[i].symbol, 1, ALL), TF_OK);
    assert_int_equal(feed_text(rows[i].text), TF_VERDICT_CONTROL);
    assert_int_equal(rig.out.answer_cnt, 1);
    const tf_feed_answer_t *a = &rig.out.answers[0];
    assert_int_equal(a->request_id, rows[i].id);
    assert_int_equal(a->channel, rows[i].channel);
    assert_int_equal(a->is_refusal, rows[i].is_refusal);
    assert_int_equal(a->instrument_id, rows[i].is_named ? 0 : UINT32_MAX);
    assert_string_equal(venue_error(), rows[i].complaint);
    stop(&rig);
  }
}

static void heartbeats_are_no_answers(void **state) {
  (void)state;
  static const struct {
    const char *venue, *heartbeat, *answer;
  } rows[] = {
      {"okx",    "ping",              "pong"                                      },
      {"bitget", "ping",              "pong"                                      },
      {"bybit",  "{\"op\":\"ping\"}",
       "{\"success\":true,\"ret_msg\":\"pong\",\"conn_id\":\"d\",\"op\":\"ping\"}"},
      {"bybit",  "{\"op\":\"ping\"}",
       "{\"op\":\"pong\",\"args\":[\"1675418560633\"],\"conn_id\":\"d\"}"         },
  };
  char text[64];
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    start(&rig, rows[i].venue);
    rig.feed->heartbeat(rig.state, text, sizeof text);
    assert_string_equal(text, rows[i].heartbeat);
    assert_true(rig.feed->heartbeat_ns < rig.feed->silence_ns_max);
    assert_int_equal(feed_text(rows[i].answer), TF_VERDICT_CONTROL);
    assert_int_equal(rig.out.answer_cnt, 0);
    stop(&rig);
  }
}

static void cryptocom_heartbeat_goes_back_with_its_id(void **state) {
  (void)state;
  start(&rig, "cryptocom");
  assert_int_equal(feed_text("{\"id\":1790114291578,\"method\":\"public/heartbeat\",\"code\":0}"),
                   TF_VERDICT_CONTROL);
  assert_string_equal(rig.out.reply,
                      "{\"id\":1790114291578,\"method\":\"public/respond-heartbeat\"}");
  assert_int_equal(rig.out.reply_bytes_cnt, strlen(rig.out.reply));
  stop(&rig);
}

static void okx_says_before_it_closes(void **state) {
  (void)state;
  start(&rig, "okx");
  feed_text("{\"event\":\"notice\",\"code\":\"64007\",\"msg\":\"another\"}");
  assert_false(rig.out.leaving);
  feed_text("{\"event\":\"notice\",\"code\":\"64008\",\"msg\":\"upgrade\",\"connId\":\"a\"}");
  assert_true(rig.out.leaving);
  assert_int_equal(rig.out.answer_cnt, 0);
  stop(&rig);
}

/* ---- rules of one venue ---- */

static void okx_sequence_below_its_predecessor_is_a_reset(void **state) {
  (void)state;
  start_venue(&venues[0]);
  feed_text(okx_book(DELTA_OF, 3, 10, BID)); /* follows, and counts from below */
  assert_int_equal(rig.events[0].u.status.book_state, TF_BOOK_GAP);
  assert_int_equal(rig.out.resync_cnt, 1);
  assert_int_equal(rig.counts.duplicates, 0);
  feed_text(okx_book(SNAPSHOT_OF, 5, 0, BID));
  feed_text(okx_book(DELTA_OF, 6, 5, BID));
  assert_int_equal(newest()->flags, TF_FLAG_LAST);
  stop(&rig);
}

static void update_without_levels_says_that_nothing_happened(void **state) {
  (void)state;
  static const size_t with_them[] = {0, 1, 3};
  for (size_t i = 0; i < TF_ARRAY_CNT(with_them); i++) {
    start_venue(&venues[with_them[i]]);
    assert_int_equal(feed_text(venues[with_them[i]].book(DELTA_OF, 10, 10, "")), TF_VERDICT_DATA);
    assert_int_equal(rig.out.event_cnt, 0);
    assert_int_equal(rig.counts.duplicates + rig.counts.gaps, 0);
    stop(&rig);
  }
}

static void bybit_that_counts_from_one_again_sends_a_whole_book(void **state) {
  (void)state;
  start_venue(&venues[2]);
  feed_text(bybit_book(DELTA_OF, 1, 0, BID));
  assert_true(rig.events[0].flags & TF_FLAG_SNAPSHOT);
  assert_int_equal(newest()->u.status.book_state, TF_BOOK_OK);
  assert_int_equal(newest()->u.status.apply_from, 1);
  feed_text(bybit_book(DELTA_OF, 2, 0, BID));
  assert_int_equal(newest()->flags, TF_FLAG_LAST);
  assert_int_equal(rig.counts.gaps + rig.counts.duplicates, 0);
  stop(&rig);
}

static void levels_of_a_count_that_is_over_do_not_wait_for_its_snapshot(void **state) {
  (void)state;
  for (EACH_VENUE(v)) {
    for (uint32_t back = 99999999; back <= 100000000; back++) {
      assert_int_equal(start_with(&rig, v->name, NULL, 0, ALL), TF_OK);
      feed_text(v->book(DELTA_OF, 200000000, 199999999, BID)); /* no book yet: it waits */
      feed_text(v->book(SNAPSHOT_OF, 200000000 - back, 0, BID));
      bool is_over = back == 100000000;
      assert_int_equal(rig.events[0].kind, is_over ? TF_EVENT_STATUS : TF_EVENT_BOOK);
      if (is_over) assert_int_equal(rig.events[0].u.status.book_state, TF_BOOK_SYNCING);
      assert_int_equal(newest()->u.status.book_state, TF_BOOK_OK);
      stop(&rig);
    }
  }
  assert_int_equal(start_with(&rig, "bybit", NULL, 0, ALL), TF_OK);
  feed_text(bybit_book(DELTA_OF, 28, 0, BID));
  feed_text(bybit_book(DELTA_OF, 1, 0, BID));
  assert_int_equal(rig.events[0].u.status.book_state, TF_BOOK_SYNCING);
  assert_true(rig.events[1].flags & TF_FLAG_SNAPSHOT);
  stop(&rig);
}

static void bybit_half_a_quote_is_refused(void **state) {
  (void)state;
#define BEST(type)                                                                                 \
  "{\"topic\":\"orderbook.1.BTCUSDT\",\"ts\":1723161255102,\"type\":\"" type                       \
  "\",\"data\":{\"s\":\"BTCUSDT\",\"b\":[[\"9.4\",\"2\"]],\"a\":[[\"9.50\",\"1\"]],\"u\":7,"       \
  "\"seq\":7}}"
  assert_int_equal(start_with(&rig, "bybit", NULL, 0, ALL), TF_OK);
  assert_int_equal(feed_text(BEST("delta")), TF_VERDICT_REJECTED);
  assert_int_equal(rig.counts.rejected[TF_REJECT_SCHEMA], 1);
  assert_int_equal(feed_text(BEST("snapshot")), TF_VERDICT_DATA);
  assert_int_equal(newest()->kind, TF_EVENT_QUOTE);
  assert_int_equal(newest()->u.quote.bid_price, 940);
  assert_int_equal(newest()->u.quote.ask_price, 950);
  assert_int_equal(newest()->ts_event_ns, UINT64_C(1723161255102000000));
  stop(&rig);
}

#define OKX_BEST(bids, asks)                                                                       \
  OKX_ARG("bbo-tbt")                                                                               \
  ",\"data\":[{\"asks\":[" asks "],\"bids\":[" bids "],\"ts\":\"1723161255100\",\"seqId\":4}]}"

static void side_without_anybody_is_a_price_of_nothing(void **state) {
  (void)state;
  assert_int_equal(start_with(&rig, "okx", NULL, 0, ALL), TF_OK);
  assert_int_equal(feed_text(OKX_BEST("", "[\"0.0015\",\"8\",\"0\",\"1\"]")), TF_VERDICT_DATA);
  assert_int_equal(newest()->u.quote.bid_price, 0);
  assert_int_equal(newest()->u.quote.bid_qty, 0);
  assert_int_equal(newest()->u.quote.ask_price, 15);
  assert_int_equal(newest()->price_exp, -4);
  assert_int_equal(feed_text(OKX_BEST("[\"0.0014\",\"8\",\"0\",\"1\"]", "")), TF_VERDICT_DATA);
  assert_int_equal(newest()->u.quote.ask_price, 0);
  assert_int_equal(newest()->u.quote.bid_price, 14);
  assert_int_equal(feed_text(OKX_BEST("", "")), TF_VERDICT_DATA);
  assert_int_equal(rig.out.event_cnt, 0);
  stop(&rig);
}

/* 787628559 and -2004530757 are zlib's crc32 of "9.4:2:9.5:1" and "9.4:3:9.5:1", with a sign. */
#define CRC_A "787628559"
#define CRC_B "-2004530757"
#define OKX_OLD(action, bids, asks, checksum)                                                      \
  OKX_ARG("books")                                                                                 \
  ",\"action\":\"" action "\",\"data\":[{\"asks\":[" asks "],\"bids\":[" bids                      \
  "],\"ts\":\"1723161255100\",\"checksum\":" checksum "}]}"
#define OKX_LEVEL(price, qty) "[\"" price "\",\"" qty "\",\"0\",\"1\"]"

static void okx_checksum_of_old_is_compared_and_zero_is_none(void **state) {
  (void)state;
  assert_int_equal(start_with(&rig, "okx", NULL, 0, ALL), TF_OK);
  feed_text(OKX_OLD("snapshot", OKX_LEVEL("9.4", "2"), OKX_LEVEL("9.5", "1"), CRC_A));
  assert_int_equal(newest()->u.status.book_state, TF_BOOK_OK);
  feed_text(OKX_OLD("update", OKX_LEVEL("9.4", "3"), "", CRC_B));
  assert_int_equal(rig.counts.checksums, 2);
  assert_int_equal(rig.counts.checksum_mismatches, 0);
  feed_text(OKX_OLD("update", OKX_LEVEL("9.4", "4"), "", CRC_B));
  assert_int_equal(rig.counts.checksum_mismatches, 1);
  assert_int_equal(newest()->u.status.book_state, TF_BOOK_GAP);
  assert_int_equal(rig.out.resync_cnt, 1);
  feed_text(OKX_OLD("snapshot", OKX_LEVEL("9.4", "2"), OKX_LEVEL("9.5", "1"), "0"));
  feed_text(
      OKX_OLD("update", OKX_LEVEL("9.4", "3"), "", "5")); /* of a book whose snapshot had none */
  assert_int_equal(rig.counts.checksums, 3);
  assert_int_equal(rig.counts.checksum_mismatches, 1);
  stop(&rig);
}

/* ---- trades and tickers ---- */

#define BITGET(type, channel, action, data)                                                        \
  "{\"action\":\"" action "\",\"arg\":{\"instType\":\"" type "\",\"channel\":\"" channel           \
  "\",\"instId\":\"BTCUSDT\"},\"data\":[" data "],\"ts\":1723161255105}"
#define BITGET_TRADE(id, price, side)                                                              \
  "{\"ts\":\"1723161255100\",\"price\":\"" price "\",\"size\":\"0.5\",\"side\":\"" side            \
  "\",\"tradeId\":\"" id "\"}"

static void trades_come_out_oldest_first_and_once(void **state) {
  (void)state;
  assert_int_equal(start_with(&rig, "bitget", NULL, 0, ALL), TF_OK);
  feed_text(BITGET("SPOT", "trade", "snapshot",
                   BITGET_TRADE("1235671058980749319", "5.1",
                                "sell") "," BITGET_TRADE("1235671058980749318", "5.0", "buy")));
  assert_int_equal(rig.out.event_cnt, 2);
  assert_int_equal(rig.events[0].u.trade.id, UINT64_C(1235671058980749318));
  assert_int_equal(rig.events[0].flags, TF_FLAG_BACKFILL);
  assert_int_equal(rig.events[1].flags, TF_FLAG_BACKFILL | TF_FLAG_SIDE | TF_FLAG_LAST);
  feed_text(BITGET("SPOT", "trade", "update",
                   BITGET_TRADE("1235671058980749325", "5.2",
                                "buy") "," BITGET_TRADE("1235671058980749319", "5.1", "sell")));
  assert_int_equal(rig.out.event_cnt, 1); /* ids ascend with jumps: no gap */
  assert_int_equal(newest()->flags, TF_FLAG_LAST);
  assert_int_equal(rig.counts.duplicates, 1);
  assert_int_equal(rig.counts.gaps, 0);
  stop(&rig);
}

static void bitget_trades_of_v1_have_no_id_and_are_all_taken(void **state) {
  (void)state;
  assert_int_equal(start_with(&rig, "bitget", NULL, 0, ALL), TF_OK);
#define V1(trades) BITGET("mc", "trade", "update", trades)
#define V1_TRADE   "[\"1653882567817\",\"30322.5\",\"1.117\",\"buy\"]"
  feed_text(V1(V1_TRADE "," V1_TRADE));
  feed_text(V1(V1_TRADE));
  assert_int_equal(rig.counts.events[TF_EVENT_TRADE], 3);
  assert_string_equal(rig.instruments.rows[0].symbol, "BTCUSDT-FUTURES");
  assert_int_equal(newest()->u.trade.qty, 1117);
  assert_int_equal(newest()->ts_event_ns, UINT64_C(1653882567817000000));
  static const struct {
    const char *text;
    tf_reject_t why;
  } bad[] = {
      {V1("[\"1653882567817\",\"30322.5\",\"1.117\"]"),          TF_REJECT_SCHEMA},
      {V1("[\"1653882567817\",\"30322.5\",\"1.117\",\"hold\"]"), TF_REJECT_SCHEMA},
      {V1("[\"1653882567817\",\"x\",\"1.117\",\"buy\"]"),        TF_REJECT_NUMBER},
      {V1("[\"1653882567817\",\"1\",\"-1\",\"buy\"]"),           TF_REJECT_NUMBER},
      {V1("17"),                                                 TF_REJECT_SCHEMA},
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++) {
    uint64_t before = rig.counts.rejected[bad[i].why];
    assert_int_equal(feed_text(bad[i].text), TF_VERDICT_REJECTED);
    assert_int_equal(rig.counts.rejected[bad[i].why], before + 1);
    assert_int_equal(rig.out.event_cnt, 0);
  }
  check_ledger(&rig);
  stop(&rig);
}

#define BYBIT_TRADE(id, side)                                                                      \
  "{\"topic\":\"publicTrade.BTCUSDT\",\"type\":\"snapshot\",\"ts\":1723161255102,\"data\":[{"      \
  "\"T\":"                                                                                         \
  "1723161255100,\"s\":\"BTCUSDT\",\"S\":\"" side                                                  \
  "\",\"v\":\"0.004\",\"p\":\"65114.20\",\"i\":\"" id "\",\"BT\":false}]}"

static void bybit_ids_are_numbers_or_the_low_half_of_a_uuid(void **state) {
  (void)state;
  static const struct {
    const char *text;
    uint64_t    id;
  } rows[] = {
      {BYBIT_TRADE("2280000001739247417",                  "Buy"),  UINT64_C(2280000001739247417)},
      {BYBIT_TRADE("a9188a0a-82bc-50de-be60-03eedbe3cdd7", "Sell"), UINT64_C(0xbe6003eedbe3cdd7) },
      {BYBIT_TRADE("A9188A0A-82BC-50DE-BE60-03EEDBE3CDD6", "Buy"),  UINT64_C(0xbe6003eedbe3cdd6) },
      {BYBIT_TRADE("18446744073709551623",                 "Buy"),  7                            },
      {BYBIT_TRADE("a",                                    "Buy"),  UINT64_C(0xaf63dc4c8601ec8c) },
  };
  assert_int_equal(start_with(&rig, "bybit", NULL, 0, ALL), TF_OK);
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    assert_int_equal(feed_text(rows[i].text), TF_VERDICT_DATA);
    assert_int_equal(newest()->u.trade.id, rows[i].id);
    assert_int_equal(tf_event_sign(newest()), i == 1 ? -1 : 1);
    feed_text(rows[i].text);
    assert_int_equal(rig.out.event_cnt, 0);
    assert_int_equal(rig.counts.duplicates, i + 1);
  }
  stop(&rig);
}

#define BYBIT_TICKER(type, fields)                                                                 \
  "{\"topic\":\"tickers.BTCUSDT\",\"type\":\"" type "\",\"data\":{\"symbol\":\"BTCUSDT\"" fields   \
  "},\"cs\":1,\"ts\":1723161255100}"

static void ticker_that_says_what_changed_is_published_whole(void **state) {
  (void)state;
  assert_int_equal(start_with(&rig, "bybit", NULL, 0, ALL), TF_OK);
  feed_text(BYBIT_TICKER(
      "snapshot", ",\"lastPrice\":\"65114.3\",\"markPrice\":\"65117.44\",\"volume24h\":\"17.5\","
                  "\"fundingRate\":\"-0.0001\""));
  feed_text(BYBIT_TICKER("delta", ",\"bid1Price\":\"65114.2\""));
  assert_int_equal(newest()->kind, TF_EVENT_TICKER);
  assert_int_equal(newest()->u.ticker.last_price, 6511430);
  assert_int_equal(newest()->u.ticker.mark_price, 6511744);
  assert_int_equal(newest()->price_exp, -2);
  assert_int_equal(newest()->u.ticker.volume, 175);
  assert_int_equal(newest()->u.ticker.funding_rate, -100000000); /* at 10^-12 */
  feed_text(BYBIT_TICKER("delta", ",\"lastPrice\":\"65115\""));
  assert_int_equal(newest()->u.ticker.last_price, 6511500);
  feed_text(BYBIT_TICKER("delta", ",\"markPrice\":\"65118.123\",\"fundingRate\":\"\""));
  assert_int_equal(newest()->u.ticker.last_price, 65115000);
  assert_int_equal(newest()->u.ticker.mark_price, 65118123);
  rig.feed->on_connect(rig.state, RECV_NS, &rig.out);
  feed_text(BYBIT_TICKER("delta",
                         ",\"volume24h\":\"18\"")); /* what was said before is not known any more */
  assert_int_equal(newest()->u.ticker.last_price, 0);
  assert_int_equal(newest()->u.ticker.funding_rate, TF_FUNDING_NONE);
  stop(&rig);
}

static void price_alone_keeps_the_digits_that_were_sent(void **state) {
  (void)state;
#define OKX_TICKER(last)                                                                           \
  OKX_ARG("tickers")                                                                               \
  ",\"data\":[{\"instId\":\"BTC-USDT\",\"last\":\"" last "\",\"vol24h\":\"7\",\"ts\":\"1\"}]}"
  assert_int_equal(start_with(&rig, "okx", NULL, 0, ALL), TF_OK);
  feed_text(OKX_TICKER("100.5"));
  feed_text(OKX_TICKER("101"));
  assert_int_equal(newest()->u.ticker.last_price, 101);
  assert_int_equal(newest()->price_exp, 0);
  stop(&rig);
}

#define CDC(channel, data)                                                                         \
  "{\"id\":-1,\"method\":\"subscribe\",\"code\":0,\"result\":{\"instrument_name\":\"BTCUSD-"       \
  "PERP\","                                                                                        \
  "\"subscription\":\"x\",\"channel\":\"" channel "\",\"data\":[" data "]}}"
#define CDC_TICKER                                                                                 \
  CDC("ticker", "{\"h\":\"9\",\"l\":\"1\",\"a\":\"5.1\",\"c\":\"-0.1\",\"b\":\"5.0\",\"bs\":"      \
                "\"2\",\"k\":\"5.2\",\"ks\":\"3\","                                                \
                "\"i\":\"BTCUSD-PERP\",\"v\":\"77\",\"t\":1723161255100}")

static void cryptocom_ticker_is_a_quote_too(void **state) {
  (void)state;
  assert_int_equal(start_with(&rig, "cryptocom", NULL, 0, ALL), TF_OK);
  feed_text(CDC_TICKER);
  assert_int_equal(rig.out.event_cnt, 2);
  assert_int_equal(rig.events[0].kind, TF_EVENT_QUOTE);
  assert_int_equal(rig.events[0].flags, 0);
  assert_int_equal(rig.events[0].u.quote.bid_price, 50);
  assert_int_equal(rig.events[0].u.quote.ask_price, 52); /* k */
  assert_int_equal(rig.events[0].u.quote.ask_qty, 3);
  assert_int_equal(rig.events[1].kind, TF_EVENT_TICKER);
  assert_int_equal(rig.events[1].u.ticker.last_price, 51); /* a */
  assert_int_equal(rig.events[1].flags, TF_FLAG_LAST);
  feed_text(CDC("mark", "{\"v\":\"5.15\",\"t\":1723161255200}"));
  assert_int_equal(newest()->u.ticker.mark_price, 515);
  assert_int_equal(newest()->u.ticker.last_price, 510);
  feed_text(CDC("funding", "{\"v\":\"-0.000025\",\"t\":1723161255300}"));
  assert_int_equal(newest()->u.ticker.funding_rate, -25000000);
  assert_int_equal(newest()->u.ticker.volume, 77);
  assert_int_equal(newest()->ts_event_ns, UINT64_C(1723161255300000000));
  assert_int_equal(feed_text(CDC("mark", "{\"v\":\"-5\",\"t\":1}")), TF_VERDICT_REJECTED);
  stop(&rig);
  assert_int_equal(start_with(&rig, "cryptocom", NULL, 0, TF_CHANNEL_TICKER), TF_OK);
  feed_text(CDC_TICKER);
  assert_int_equal(rig.out.event_cnt, 1); /* the quote was not asked for */
  assert_int_equal(newest()->kind, TF_EVENT_TICKER);
  stop(&rig);
}

#define CDC_TRADE(id, side)                                                                        \
  "{\"d\":\"" id "\",\"t\":1723161255100,\"p\":\"5.0\",\"q\":\"1\",\"s\":\"" side                  \
  "\",\"i\":\"BTCUSD-PERP\"}"

static void cryptocom_first_trades_are_from_before(void **state) {
  (void)state;
  assert_int_equal(start_with(&rig, "cryptocom", NULL, 0, ALL), TF_OK);
  for (int i = 0; i < 2; i++) {
    feed_text(CDC("trade", CDC_TRADE("8", "SELL") "," CDC_TRADE("7", "buy")));
    assert_int_equal(rig.out.event_cnt, i == 0 ? 2 : 0); /* a new connection's replay is known */
    feed_text(i == 0 ? CDC("trade", CDC_TRADE("9", "BUY")) : CDC("trade", CDC_TRADE("10", "BUY")));
    assert_int_equal(newest()->flags, TF_FLAG_LAST);
    rig.out.event_cnt = 0;
    rig.feed->on_connect(rig.state, RECV_NS, &rig.out);
  }
  feed_text(CDC("trade", CDC_TRADE("11", "SELL")));
  assert_int_equal(newest()->flags, TF_FLAG_LAST | TF_FLAG_SIDE | TF_FLAG_BACKFILL);
  stop(&rig);
}

static void cryptocom_first_data_answers_its_request(void **state) {
  (void)state;
  static const char *const symbols[] = {"BTCUSD-PERP"};
  assert_int_equal(start_with(&rig, "cryptocom", symbols, 1, ALL), TF_OK);
  feed_text("{\"id\":4,\"method\":\"subscribe\",\"code\":0,\"result\":{\"instrument_name\":"
            "\"BTCUSD-PERP\",\"channel\":"
            "\"trade\",\"data\":[" CDC_TRADE("8", "SELL") "]}}");
  assert_int_equal(rig.out.answer_cnt, 1);
  assert_int_equal(rig.out.answers[0].request_id, 4);
  assert_int_equal(rig.out.answers[0].channel, TF_CHANNEL_TRADE);
  feed_text(CDC("trade", CDC_TRADE("9", "SELL")));
  assert_int_equal(rig.out.answer_cnt, 0);
  stop(&rig);
}

static void channels_that_are_not_published_are_named(void **state) {
  (void)state;
  static const struct {
    const char *venue, *text, *name;
  } rows[] = {
      {"okx",          OKX_ARG("candle1m") ",\"data\":[[\"1\",\"2\"]]}", "candle1m"                                      },
      {                                        "bitget", BITGET("SPOT",                                       "candle1m",                                         "update", "[\"1\"]"), "candle1m"},
      {                              "bybit",              "{\"topic\":\"kline.1.BTCUSDT\",\"data\":[{\"start\":1}],\"ts\":1}",                                                        "kline"                       },
      {"cryptocom",    CDC("candlestick",                                "{\"t\":1,\"o\":\"1\",\"c\":\"2\",\"v\":\"3\"}"),
       "candlestick"},
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    start(&rig, rows[i].venue);
    assert_int_equal(feed_text(rows[i].text), TF_VERDICT_IGNORED);
    assert_string_equal(rig.counts.ignored[0].name, rows[i].name);
    stop(&rig);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(deltas_that_follow_are_taken_and_keep_their_sequence),
      cmocka_unit_test(break_puts_one_book_in_gap_until_its_snapshot_comes),
      cmocka_unit_test(what_another_connection_brought_already_is_a_duplicate),
      cmocka_unit_test(sequence_far_back_is_the_venue_starting_over),
      cmocka_unit_test(book_that_somebody_found_wrong_is_asked_for_again),
      cmocka_unit_test(new_connection_takes_any_sequence),
      cmocka_unit_test(depth_message_that_is_refused_loses_its_book_and_no_other),
      cmocka_unit_test(frames_that_are_no_message_are_refused_and_nothing_else_happens),
      cmocka_unit_test(messages_of_instruments_that_nobody_asked_for_are_refused),
      cmocka_unit_test(books_that_nobody_asked_for_are_ignored),
      cmocka_unit_test(requests_are_in_the_venues_words),
      cmocka_unit_test(depths_are_those_that_the_venue_has),
      cmocka_unit_test(bybit_has_an_address_a_product),
      cmocka_unit_test(bybit_message_is_of_the_product_whose_address_brought_it),
      cmocka_unit_test(answers_are_understood),
      cmocka_unit_test(heartbeats_are_no_answers),
      cmocka_unit_test(cryptocom_heartbeat_goes_back_with_its_id),
      cmocka_unit_test(okx_says_before_it_closes),
      cmocka_unit_test(okx_sequence_below_its_predecessor_is_a_reset),
      cmocka_unit_test(update_without_levels_says_that_nothing_happened),
      cmocka_unit_test(bybit_that_counts_from_one_again_sends_a_whole_book),
      cmocka_unit_test(levels_of_a_count_that_is_over_do_not_wait_for_its_snapshot),
      cmocka_unit_test(bybit_half_a_quote_is_refused),
      cmocka_unit_test(side_without_anybody_is_a_price_of_nothing),
      cmocka_unit_test(okx_checksum_of_old_is_compared_and_zero_is_none),
      cmocka_unit_test(trades_come_out_oldest_first_and_once),
      cmocka_unit_test(bitget_trades_of_v1_have_no_id_and_are_all_taken),
      cmocka_unit_test(bybit_ids_are_numbers_or_the_low_half_of_a_uuid),
      cmocka_unit_test(ticker_that_says_what_changed_is_published_whole),
      cmocka_unit_test(price_alone_keeps_the_digits_that_were_sent),
      cmocka_unit_test(cryptocom_ticker_is_a_quote_too),
      cmocka_unit_test(cryptocom_first_trades_are_from_before),
      cmocka_unit_test(cryptocom_first_data_answers_its_request),
      cmocka_unit_test(channels_that_are_not_published_are_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
