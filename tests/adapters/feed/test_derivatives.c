/* What the recordings and the decoders cannot say of Bitfinex, BitMEX and Deribit: what is asked of the
 * session, the texts that are sent, the answers that are understood, and the limits. */
#include "feed_rig.h"

#define ALL_CHANNELS ((1u << TF_CHANNEL_CNT) - 1)

static const char *const deribit_names[]  = {"BTC-PERPETUAL", "eth-perpetual"};
static const char *const bitmex_names[]   = {"XBTUSD", "ETHUSD"};
static const char *const bitfinex_names[] = {"BTCUSD", "DOGE:BTC"};

static void start_venue(const char *venue, const char *const *names) {
  assert_int_equal(start_with(&rig, venue, names, 2, ALL_CHANNELS), TF_OK);
}

static const char *asked(uint32_t channel, bool unsubscribe, uint32_t symbol_cnt) {
  static char           text[1024];
  static const uint32_t symbols[] = {0, 1};
  tf_feed_request_t     request   = {.unsubscribe = unsubscribe,
                                     .channel     = channel,
                                     .symbols     = symbols,
                                     .symbol_cnt  = symbol_cnt,
                                     .id          = 7};
  size_t                cnt       = rig.feed->request(rig.state, &request, text, sizeof text);
  assert_true(cnt < sizeof text);
  text[cnt] = '\0';
  char cut[8];
  assert_int_equal(rig.feed->request(rig.state, &request, cut, sizeof cut), cnt);
  return text;
}

static const char *said(size_t (*say)(const void *, uint32_t, char *, size_t), uint32_t idx) {
  static char text[512];
  text[say(rig.state, idx, text, sizeof text)] = '\0';
  return text;
}

static const tf_feed_answer_t *answer(uint32_t i) {
  assert_true(i < rig.out.answer_cnt);
  return &rig.out.answers[i];
}

static void assert_answer(uint32_t i, uint64_t id, uint32_t instrument_id, uint32_t channel,
                          bool is_refusal) {
  assert_int_equal(answer(i)->request_id, id);
  assert_int_equal(answer(i)->instrument_id, instrument_id);
  assert_int_equal(answer(i)->channel, channel);
  assert_int_equal(answer(i)->is_refusal, is_refusal);
}

static const char *complaint(void) { return ((const tf_feed_head_t *)rig.state)->venue_error; }

/* ---- what is sent ---- */

static void every_channel_is_asked_for_in_the_venues_words(void **state) {
  (void)state;
  start_venue("deribit", deribit_names);
  assert_string_equal(
      asked(TF_CHANNEL_BOOK, false, 2),
      "{\"jsonrpc\":\"2.0\",\"id\":1007,\"method\":\"public/subscribe\",\"params\":{"
      "\"channels\":[\"book.BTC-PERPETUAL.100ms\",\"book.ETH-PERPETUAL.100ms\"]}}");
  assert_string_equal(
      asked(TF_CHANNEL_QUOTE, true, 1),
      "{\"jsonrpc\":\"2.0\",\"id\":1007,\"method\":\"public/unsubscribe\",\"params\":{"
      "\"channels\":[\"quote.BTC-PERPETUAL\"]}}");
  assert_non_null(strstr(asked(TF_CHANNEL_TRADE, false, 1), "\"trades.BTC-PERPETUAL.100ms\""));
  assert_non_null(strstr(asked(TF_CHANNEL_TICKER, false, 1), "\"ticker.BTC-PERPETUAL.100ms\""));
  assert_string_equal(said(rig.feed->hello, 0), "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"public/"
                                                "set_heartbeat\",\"params\":{\"interval\":10}}");
  assert_string_equal(said(rig.feed->hello, 1), "");
  assert_string_equal(said(rig.feed->metadata_target, 1),
                      "/api/v2/public/get_instrument?instrument_name=ETH-PERPETUAL");
  assert_string_equal(said(rig.feed->metadata_target, 2), "");
  stop(&rig);
  start_venue("bitmex", bitmex_names);
  assert_string_equal(
      asked(TF_CHANNEL_BOOK, false, 2),
      "{\"op\":\"subscribe\",\"args\":[\"orderBookL2:XBTUSD\",\"orderBookL2:ETHUSD\"]}");
  assert_string_equal(asked(TF_CHANNEL_TICKER, true, 1),
                      "{\"op\":\"unsubscribe\",\"args\":[\"instrument:XBTUSD\"]}");
  assert_non_null(strstr(asked(TF_CHANNEL_TRADE, false, 1), "\"trade:XBTUSD\""));
  assert_non_null(strstr(asked(TF_CHANNEL_QUOTE, false, 1), "\"quote:XBTUSD\""));
  assert_string_equal(said(rig.feed->metadata_target, 0),
                      "/api/v1/instrument?symbol=XBTUSD&columns=tickSize,lotSize,quoteCurrency,"
                      "underlyingToPositionMultiplier,multiplier,isQuanto,isInverse,settlCurrency,"
                      "state");
  stop(&rig);
  start_venue("bitfinex", bitfinex_names);
  assert_string_equal(asked(TF_CHANNEL_TRADE, false, 1),
                      "{\"event\":\"subscribe\",\"channel\":\"trades\",\"symbol\":\"tBTCUSD\"}");
  assert_string_equal(
      asked(TF_CHANNEL_BOOK, false, 1),
      "{\"event\":\"subscribe\",\"channel\":\"book\",\"symbol\":\"tBTCUSD\",\"prec\":\"P0\","
      "\"freq\":\"F0\",\"len\":\"25\"}");
  assert_non_null(strstr(asked(TF_CHANNEL_QUOTE, false, 1), "\"len\":\"1\""));
  assert_string_equal(asked(TF_CHANNEL_TICKER, true, 1), ""); /* its number is not known */
  feed_text(
      "{\"event\":\"subscribed\",\"channel\":\"ticker\",\"chanId\":4711,\"symbol\":\"tBTCUSD\"}");
  assert_string_equal(asked(TF_CHANNEL_TICKER, true, 1),
                      "{\"event\":\"unsubscribe\",\"chanId\":4711}");
  assert_string_equal(said(rig.feed->hello, 0), "{\"event\":\"conf\",\"flags\":229376}");
  stop(&rig);
}

static void depth_of_a_book_is_one_that_the_venue_has(void **state) {
  (void)state;
  static const struct {
    const char *venue;
    uint32_t    depth;
    tf_err_t    err;
    const char *part; /* of the subscription */
  } cases[] = {
      {"bitmex",   0,   TF_OK,          "\"orderBookL2:XBTUSD\""   },
      {"bitmex",   25,  TF_OK,          "\"orderBookL2_25:XBTUSD\""},
      {"bitmex",   24,  E_CONFIG_VALUE, NULL                       },
      {"bitmex",   26,  E_CONFIG_VALUE, NULL                       },
      {"bitfinex", 0,   TF_OK,          "\"len\":\"25\""           },
      {"bitfinex", 100, TF_OK,          "\"len\":\"100\""          },
      {"bitfinex", 250, TF_OK,          "\"len\":\"250\""          },
      {"bitfinex", 1,   E_CONFIG_VALUE, NULL                       },
      {"bitfinex", 251, E_CONFIG_VALUE, NULL                       },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    tf_instruments_t  table   = {.rows = calloc(4, sizeof(tf_instrument_t)), .cap = 4};
    const tf_feed_t  *feed    = tf_feeds_find(cases[i].venue);
    const uint32_t    symbol  = 0;
    tf_feed_request_t request = {
        .channel = TF_CHANNEL_BOOK, .symbols = &symbol, .symbol_cnt = 1, .id = 1};
    tf_feed_config_t config = {.instruments = &table,
                               .symbols     = bitmex_names,
                               .symbol_cnt  = 1,
                               .channels    = TF_CHANNEL_BOOK,
                               .book_depth  = cases[i].depth};
    char             text[256];
    void            *own = aligned_alloc(64, tf_align_up(feed->state_bytes(feed, &config), 64));
    assert_int_equal(feed->init(feed, own, &config), cases[i].err);
    if (cases[i].part != NULL) {
      assert_true(feed->request(own, &request, text, sizeof text) < sizeof text);
      assert_non_null(strstr(text, cases[i].part));
    }
    free(own);
    free(table.rows);
  }
}

/* ---- what is answered ---- */

static void deribit_list_says_who_was_accepted_and_so_who_was_not(void **state) {
  (void)state;
  start_venue("deribit", deribit_names);
  feed_text("{\"jsonrpc\":\"2.0\",\"id\":1007,\"result\":[\"book.ETH-PERPETUAL.100ms\","
            "\"platform_state\",5],\"usIn\":1}");
  assert_int_equal(rig.out.answer_cnt, 2);
  assert_answer(0, 7, 1, TF_CHANNEL_BOOK, false);
  assert_answer(1, 7, UINT32_MAX, 0, true); /* the rest of the request */
  feed_text(
      "{\"jsonrpc\":\"2.0\",\"id\":1008,\"error\":{\"code\":13778,\"message\":\"raw_subs\"}}");
  assert_int_equal(rig.out.answer_cnt, 1);
  assert_answer(0, 8, UINT32_MAX, 0, true);
  assert_string_equal(complaint(), "raw_subs");
  feed_text("{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":\"ok\"}"); /* of our own requests */
  assert_int_equal(rig.out.answer_cnt, 0);
  feed_text("{\"jsonrpc\":\"2.0\",\"error\":{\"code\":11050,\"message\":\"bad_request\"}}");
  assert_int_equal(rig.out.answer_cnt, 0);
  assert_int_equal(rig.counts.msgs_control, 4);
  stop(&rig);
}

static void deribit_test_request_is_answered_at_once_and_a_heartbeat_is_not(void **state) {
  (void)state;
  start_venue("deribit", deribit_names);
  feed_text("{\"params\":{\"type\":\"heartbeat\"},\"method\":\"heartbeat\",\"jsonrpc\":\"2.0\"}");
  assert_int_equal(rig.out.reply_bytes_cnt, 0);
  feed_text(
      "{\"params\":{\"type\":\"test_request\"},\"method\":\"heartbeat\",\"jsonrpc\":\"2.0\"}");
  assert_string_equal(rig.out.reply,
                      "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"public/test\",\"params\":{}}");
  assert_int_equal(rig.out.reply_bytes_cnt, strlen(rig.out.reply));
  stop(&rig);
}

static void bitmex_topics_are_answered_one_by_one(void **state) {
  (void)state;
  start_venue("bitmex", bitmex_names);
  feed_text(
      "{\"success\":true,\"subscribe\":\"orderBookL2:ETHUSD\",\"request\":{\"op\":\"subscribe\"}}");
  assert_answer(0, 0, 1, TF_CHANNEL_BOOK, false);
  feed_text("{\"success\":true,\"unsubscribe\":\"trade:XBTUSD\",\"request\":{}}");
  assert_answer(0, 0, 0, TF_CHANNEL_TRADE, false);
  feed_text(
      "{\"status\":400,\"error\":\"Unknown or expired symbol.\",\"meta\":{},\"request\":{\"op\":"
      "\"subscribe\",\"args\":[\"quote:XBTUSD\"]}}");
  assert_int_equal(rig.out.answer_cnt, 1);
  assert_answer(0, 0, 0, TF_CHANNEL_QUOTE, true);
  assert_string_equal(complaint(), "Unknown or expired symbol.");
  feed_text(
      "{\"status\":400,\"error\":\"no\",\"request\":{\"args\":[\"quote:XBTUSD\",\"quote:NO\"]}}");
  assert_answer(0, 0, UINT32_MAX, 0, true); /* one of them: nobody knows which */
  feed_text("{\"status\":429,\"error\":\"Rate limit exceeded\"}");
  assert_int_equal(rig.out.answer_cnt, 0);
  assert_int_equal(rig.counts.msgs_control, 5);
  stop(&rig);
}

static void bitfinex_events_answer_and_warn(void **state) {
  (void)state;
  start_venue("bitfinex", bitfinex_names);
  feed_text("{\"event\":\"subscribed\",\"channel\":\"book\",\"chanId\":5,\"symbol\":\"tDOGE:BTC\","
            "\"prec\":"
            "\"P0\",\"freq\":\"F0\",\"len\":\"1\"}");
  assert_answer(0, 0, 1, TF_CHANNEL_QUOTE, false);
  feed_text("{\"event\":\"unsubscribed\",\"status\":\"OK\",\"chanId\":5}");
  assert_answer(0, 0, 1, TF_CHANNEL_QUOTE, false);
  feed_text(
      "{\"event\":\"error\",\"msg\":\"symbol: invalid\",\"code\":10300,\"channel\":\"trades\","
      "\"symbol\":\"tBTCUSD\"}");
  assert_answer(0, 0, 0, TF_CHANNEL_TRADE, true);
  assert_string_equal(complaint(), "symbol: invalid");
  feed_text("{\"event\":\"error\",\"msg\":\"subscribe: dup\",\"code\":10301,\"channel\":\"ticker\","
            "\"symbol\":\"tBTCUSD\"}");
  assert_answer(0, 0, 0, TF_CHANNEL_TICKER, false); /* it is there already */
  assert_string_equal(complaint(), "symbol: invalid");
  assert_false(rig.out.leaving);
  feed_text("{\"event\":\"info\",\"code\":20051,\"msg\":\"Stopping\"}");
  assert_true(rig.out.leaving);
  assert_false(rig.out.reconnect);
  feed_text("{\"event\":\"info\",\"code\":20061,\"msg\":\"Resumed\"}");
  assert_true(rig.out.reconnect);
  stop(&rig);
}

/* Every event of the message is a listing of this kind; how many there are. */
static uint32_t listings(tf_trading_t trading) {
  for (uint32_t i = 0; i < rig.out.event_cnt; i++) {
    assert_true(tf_event_is_listing(&rig.events[i]));
    assert_int_equal(rig.events[i].u.listing.trading, trading);
  }
  return rig.out.event_cnt;
}

static void bitfinex_maintenance_halts_every_pair_until_it_is_over(void **state) {
  (void)state;
#define GREETING(status)                                                                           \
  "{\"event\":\"info\",\"version\":2,\"serverId\":\"0\",\"platform\":{\"status\":" status "}}"
  start_venue("bitfinex", bitfinex_names);
  uint32_t pairs = rig.instruments.cnt;
  feed_text(GREETING("1"));
  assert_int_equal(rig.out.event_cnt, 0); /* that it is open is no news */
  assert_int_equal(feed_text("{\"event\":\"info\",\"code\":20060,\"msg\":\"x\"}"),
                   TF_VERDICT_CONTROL);
  assert_int_equal(listings(TF_TRADING_HALTED), pairs);
  assert_false(rig.out.leaving); /* nowhere else is it open */
  feed_text(GREETING("0"));
  assert_int_equal(rig.out.event_cnt, 0);
#define PAIRS_TARGET "/v2/conf/pub:list:pair:exchange,pub:list:pair:futures"
  assert_int_equal(feed_rest(PAIRS_TARGET, "[[\"BTCUSD\",\"DOGE:BTC\"],[]]"), TF_VERDICT_CONTROL);
  assert_int_equal(rig.out.event_cnt, 0); /* listed, and halted all the same */
  feed_text("{\"event\":\"info\",\"code\":20061,\"msg\":\"x\"}");
  assert_int_equal(listings(TF_TRADING_OPEN), pairs);
  check_ledger(&rig);
  stop(&rig);
}

static void bitfinex_pair_that_is_in_no_list_has_ended(void **state) {
  (void)state;
  start_venue("bitfinex", bitfinex_names);
  char text[128];
  assert_int_equal(rig.feed->metadata_target(rig.state, 0, text, sizeof text),
                   sizeof PAIRS_TARGET - 1);
  assert_string_equal(text, PAIRS_TARGET);
  assert_int_equal(rig.feed->metadata_target(rig.state, 1, text, sizeof text), 0);
  feed_rest(PAIRS_TARGET, "[[\"BTCUSD\"],[\"DOGE:BTC\"]]");
  assert_int_equal(rig.out.event_cnt, 0);
  feed_rest(PAIRS_TARGET, "[[\"BTCUSD\",\"DOGEBTC\"],[]]");
  assert_int_equal(listings(TF_TRADING_ENDED), 1);
  assert_int_equal(rig.events[0].instrument_id, 1);
  feed_text("{\"event\":\"info\",\"code\":20060,\"msg\":\"x\"}"); /* what has ended is not halted */
  assert_int_equal(listings(TF_TRADING_HALTED), rig.instruments.cnt - 1);
  static const char *const bad[] = {"{}", "[]", "[[]]", "[[],7]", "[[\"BTCUSD\"],[]", "7", ""};
  for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++)
    assert_int_equal(feed_rest(PAIRS_TARGET, bad[i]), TF_VERDICT_REJECTED);
  check_ledger(&rig);
  stop(&rig);
}

#define PAIR_TICKER(chan, last) "[" chan ",[1,1,1,1,0,0," last ",1,1,1]]"
static void bitfinex_tick_is_the_fifth_digit_of_the_price(void **state) {
  (void)state;
  static const struct {
    const char *last;
    int8_t      tick_exp;
  } rows[] = {
      {"9999.9",     -1}, /* 5 digits, no more than 8 behind the point */
      {"10000",      0 },
      {"99999",      0 },
      {"100010",     1 },
      {"1.2345",     -4},
      {"0.99999",    -5},
      {"0.00012345", -8},
      {"7.1e-7",     -8},
  };
  start_venue("bitfinex", bitfinex_names);
  feed_text(
      "{\"event\":\"subscribed\",\"channel\":\"ticker\",\"chanId\":7,\"symbol\":\"tBTCUSD\"}");
  feed_text(
      "{\"event\":\"subscribed\",\"channel\":\"ticker\",\"chanId\":8,\"symbol\":\"tDOGE:BTC\"}");
  feed_text(PAIR_TICKER("7", "61837"));
  const tf_instrument_t *row = &rig.instruments.rows[0];
  assert_int_equal(rig.out.event_cnt, 1);
  assert_int_equal(tf_instrument_metadata(row), TF_METADATA_VENUE);
  assert_int_equal(row->tick_size, 1);
  assert_int_equal(row->price_exp, 0);
  assert_int_equal(row->lot_size, 1);
  assert_int_equal(row->qty_exp, -8);
  assert_string_equal(row->quote_currency, "USD");
  feed_text(PAIR_TICKER("8", "0.0000012"));
  assert_string_equal(rig.instruments.rows[1].quote_currency, "BTC");
  int8_t was = 0;
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    char text[128];
    snprintf(text, sizeof text, PAIR_TICKER("7", "%s"), rows[i].last);
    assert_int_equal(feed_text(text), TF_VERDICT_DATA);
    assert_int_equal(rig.out.event_cnt, rows[i].tick_exp == was ? 1 : 2);
    if (rows[i].tick_exp != was) {
      assert_int_equal(rig.events[1].u.listing.trading, TF_TRADING_CHANGED);
      assert_int_equal(rig.events[1].u.listing.tick_size, 1);
      assert_int_equal(rig.events[1].price_exp, rows[i].tick_exp);
    }
    was = rows[i].tick_exp;
  }
  check_ledger(&rig);
  stop(&rig);
}

/* ---- what is taken ---- */

#define SUBSCRIBED(chan, symbol)                                                                   \
  "{\"event\":\"subscribed\",\"channel\":\"book\",\"chanId\":" chan ",\"symbol\":\"" symbol        \
  "\",\"prec\":\"P0\",\"len\":\"25\"}"

static void bitfinex_gap_puts_every_book_in_gap_and_asks_for_a_new_connection(void **state) {
  (void)state;
  start(&rig, "bitfinex");
  feed_text("{\"event\":\"conf\",\"status\":\"OK\",\"flags\":65536}");
  feed_text(SUBSCRIBED("1", "tBTCUSD"));
  feed_text(SUBSCRIBED("2", "tETHUSD"));
  feed_text("[1,[[5,1,1],[6,1,-1]],1]");
  feed_text("[2,[[5,1,1],[6,1,-1]],2]");
  assert_false(rig.out.reconnect);
  feed_text("[1,\"hb\",5]");
  assert_true(rig.out.reconnect);
  assert_int_equal(rig.out.event_cnt, 2);
  for (uint32_t i = 0; i < 2; i++) {
    assert_int_equal(rig.events[i].u.status.book_state, TF_BOOK_GAP);
    assert_int_equal(rig.events[i].u.status.gap_first, 3);
    assert_int_equal(rig.events[i].u.status.gap_last, 4);
  }
  feed_text("[1,[5,2,3],6]");
  assert_true(rig.events[0].flags & TF_FLAG_BAD_BOOK);
  check_ledger(&rig);
  stop(&rig);
}

static void bitfinex_numbers_of_a_connection_mean_nothing_on_the_next(void **state) {
  (void)state;
  start(&rig, "bitfinex");
  feed_text(SUBSCRIBED("1", "tBTCUSD"));
  assert_int_equal(feed_text("[1,[[5,1,1],[6,1,-1]]]"), TF_VERDICT_DATA);
  rig.feed->on_connect(rig.state, RECV_NS, &rig.out);
  assert_int_equal(feed_text("[1,[5,1,1]]"), TF_VERDICT_REJECTED);
  assert_int_equal(rig.counts.rejected[TF_REJECT_INSTRUMENT], 1);
  stop(&rig);
}

static void bitfinex_more_channels_than_a_connection_has_are_left_out(void **state) {
  (void)state;
  char text[128];
  start(&rig, "bitfinex");
  for (uint32_t i = 1; i <= 129; i++) {
    snprintf(
        text, sizeof text,
        "{\"event\":\"subscribed\",\"channel\":\"ticker\",\"chanId\":%u,\"symbol\":\"tBTCUSD\"}",
        i);
    feed_text(text);
  }
  assert_int_equal(feed_text("[127,[1,2,3,4,5,6,7,8,9,10]]"),
                   TF_VERDICT_IGNORED); /* no tickers here */
  assert_int_equal(feed_text("[128,[1,2,3,4,5,6,7,8,9,10]]"), TF_VERDICT_IGNORED);
  assert_int_equal(feed_text("[129,[1,2,3,4,5,6,7,8,9,10]]"), TF_VERDICT_REJECTED);
  stop(&rig);
}

#define LEVEL(id, side, rest) "{\"symbol\":\"XBTUSD\",\"id\":" id ",\"side\":\"" side "\"" rest "}"
#define TABLE(action, rows)                                                                        \
  "{\"table\":\"orderBookL2\",\"action\":\"" action "\",\"data\":[" rows "]}"

static void bitmex_level_keeps_the_price_that_it_came_with(void **state) {
  (void)state;
  start(&rig, "bitmex");
  feed_text(TABLE("partial", LEVEL("10", "Sell", ",\"size\":5,\"price\":101.5") "," LEVEL(
                                 "11", "Buy", ",\"size\":6,\"price\":100")));
  feed_text(TABLE("update", LEVEL("10", "Sell", ",\"size\":9")));
  assert_int_equal(rig.out.event_cnt, 1);
  assert_int_equal(rig.events[0].u.level.price, 1015);
  assert_int_equal(rig.events[0].price_exp, -1);
  assert_int_equal(rig.events[0].u.level.qty, 9);
  assert_true(rig.events[0].flags & TF_FLAG_SIDE);
  feed_text(TABLE("delete", LEVEL("10", "Sell", "")));
  assert_int_equal(rig.events[0].u.level.price, 1015);
  assert_int_equal(rig.events[0].u.level.qty, 0);
  assert_int_equal(rig.out.resync_cnt, 0);
  feed_text(TABLE("delete", LEVEL("10", "Sell", ""))); /* a lost message shows so */
  assert_int_equal(rig.events[0].u.status.book_state, TF_BOOK_GAP);
  assert_int_equal(rig.out.resync_cnt, 1);
  assert_int_equal(feed_text(TABLE("update", LEVEL("11", "Buy", ",\"size\":1"))), TF_VERDICT_DATA);
  assert_int_equal(rig.out.event_cnt, 0); /* until its partial */
  check_ledger(&rig);
  stop(&rig);
}

static void message_without_room_for_its_levels_loses_its_book_and_nothing_else(void **state) {
  (void)state;
  static const struct {
    const char *venue, *first, *message;
    uint32_t    needs; /* two levels and room for STATUS events */
  } cases[] = {
      {"bitmex",                       TABLE("partial", ""),
       TABLE("insert",                LEVEL("1", "Sell", ",\"size\":5,\"price\":101") "," LEVEL(
                           "2", "Buy", ",\"size\":6,\"price\":100")),
       4},
      {"deribit", "{}",
       "{\"method\":\"subscription\",\"params\":{\"channel\":\"book.X.100ms\",\"data\":{\"type\":"
       "\"snapshot\","
       "\"instrument_name\":\"X\",\"timestamp\":1,\"change_id\":5,\"bids\":[[\"new\",1.0,2.0]],"
       "\"asks\":"
       "[[\"new\",2.0,2.0]]}}}", 5                            },
      {"bitfinex",                          SUBSCRIBED("1",                        "tBTCUSD"),                                          "[1,[[5,1,1],[6,1,-1]]]",
       7                                     }, /* and one each that falls out */
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    for (uint32_t cap = 1; cap <= cases[i].needs + 1; cap++) {
      start(&rig, cases[i].venue);
      feed_text(cases[i].first);
      if (i == 0) feed_text(TABLE("partial", LEVEL("9", "Buy", ",\"size\":6,\"price\":99")));
      rig.out.event_cap = cap;
      feed_text(cases[i].message);
      rig.out.event_cap = EVENT_CAP;
      uint32_t levels   = 0;
      for (uint32_t k = 0; k < rig.out.event_cnt; k++)
        levels += rig.events[k].kind == TF_EVENT_BOOK;
      assert_int_equal(levels, cap < cases[i].needs ? 0 : 2);
      check_ledger(&rig);
      stop(&rig);
    }
  }
}

static void channels_that_nobody_asked_for_are_ignored_by_name(void **state) {
  (void)state;
  static const struct {
    const char *venue, *first, *message, *name;
  } cases[] = {
      {"bitmex",        "{}",       TABLE("partial",          ""),     "orderBookL2"},
      {"deribit",       "{}",
       "{\"method\":\"subscription\",\"params\":{\"channel\":\"quote.X\",\"data\":{\"instrument_"
       "name\":\"X\","
       "\"timestamp\":1,\"best_bid_price\":1.0,\"best_bid_amount\":1.0,\"best_ask_price\":2.0,"
       "\"best_ask_amount\":1.0}}}",                          "quote"},
      {"bitfinex", SUBSCRIBED("1", "tBTCUSD"), "[1,[[5,1,1],[6,1,-1]]]",  "book"             },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    assert_int_equal(start_with(&rig, cases[i].venue, NULL, 0, TF_CHANNEL_TRADE), TF_OK);
    feed_text(cases[i].first);
    assert_int_equal(feed_text(cases[i].message), TF_VERDICT_IGNORED);
    assert_string_equal(rig.counts.ignored[0].name, cases[i].name);
    assert_int_equal(rig.out.event_cnt, 0);
    stop(&rig);
  }
}

static void a_book_that_is_lost_from_outside_is_in_gap_until_its_snapshot(void **state) {
  (void)state;
  start(&rig, "bitmex");
  feed_text(TABLE("partial", LEVEL("9", "Buy", ",\"size\":6,\"price\":99")));
  rig.out.event_cnt = rig.out.resync_cnt = 0;
  rig.feed->lose_book(rig.state, 0, RECV_NS, &rig.out);
  assert_int_equal(rig.events[0].u.status.book_state, TF_BOOK_GAP);
  assert_int_equal(rig.out.resync_cnt, 1);
  feed_text(TABLE("update", LEVEL("9", "Buy", ",\"size\":7")));
  assert_int_equal(rig.out.event_cnt, 0);
  feed_text(TABLE("partial", LEVEL("9", "Buy", ",\"size\":6,\"price\":99")));
  assert_int_equal(rig.events[1].u.status.book_state, TF_BOOK_OK);
  stop(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_channel_is_asked_for_in_the_venues_words),
      cmocka_unit_test(depth_of_a_book_is_one_that_the_venue_has),
      cmocka_unit_test(deribit_list_says_who_was_accepted_and_so_who_was_not),
      cmocka_unit_test(deribit_test_request_is_answered_at_once_and_a_heartbeat_is_not),
      cmocka_unit_test(bitmex_topics_are_answered_one_by_one),
      cmocka_unit_test(bitfinex_events_answer_and_warn),
      cmocka_unit_test(bitfinex_maintenance_halts_every_pair_until_it_is_over),
      cmocka_unit_test(bitfinex_pair_that_is_in_no_list_has_ended),
      cmocka_unit_test(bitfinex_tick_is_the_fifth_digit_of_the_price),
      cmocka_unit_test(bitfinex_gap_puts_every_book_in_gap_and_asks_for_a_new_connection),
      cmocka_unit_test(bitfinex_numbers_of_a_connection_mean_nothing_on_the_next),
      cmocka_unit_test(bitfinex_more_channels_than_a_connection_has_are_left_out),
      cmocka_unit_test(bitmex_level_keeps_the_price_that_it_came_with),
      cmocka_unit_test(message_without_room_for_its_levels_loses_its_book_and_nothing_else),
      cmocka_unit_test(channels_that_nobody_asked_for_are_ignored_by_name),
      cmocka_unit_test(a_book_that_is_lost_from_outside_is_in_gap_until_its_snapshot),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
