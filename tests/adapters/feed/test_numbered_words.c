/* What is said to OKX, Bitget, Bybit and Crypto.com, and what they answer. */
#include "numbered_venues.h"

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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(requests_are_in_the_venues_words),
      cmocka_unit_test(depths_are_those_that_the_venue_has),
      cmocka_unit_test(bybit_has_an_address_a_product),
      cmocka_unit_test(bybit_message_is_of_the_product_whose_address_brought_it),
      cmocka_unit_test(answers_are_understood),
      cmocka_unit_test(heartbeats_are_no_answers),
      cmocka_unit_test(cryptocom_heartbeat_goes_back_with_its_id),
      cmocka_unit_test(okx_says_before_it_closes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
