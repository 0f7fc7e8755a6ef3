/* Trades, tickers, and what is not published, of OKX, Bitget, Bybit and Crypto.com. */
#include "numbered_venues.h"

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
