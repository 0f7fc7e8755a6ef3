/* Halts, openings, delistings and other tick sizes, from what venues say of their instruments. */
#include "feed/listing.h"
#include "feed_rig.h"

static void open_one(const char *venue, const char *symbol) {
  const char *symbols[] = {symbol};
  assert_int_equal(start_with(&rig, venue, symbols, 1, TF_CHANNEL_TRADE | TF_CHANNEL_TICKER),
                   TF_OK);
}

/* The events of the last message: none is of a listing, or the last one is, and is LAST alone. */
static tf_trading_t said(void) {
  tf_trading_t trading = TF_TRADING_UNSAID;
  for (uint32_t i = 0; i < rig.out.event_cnt; i++) {
    const tf_event_t *e = &rig.events[i];
    assert_int_equal((e->flags & TF_FLAG_LAST) != 0, i + 1 == rig.out.event_cnt);
    if (tf_event_is_listing(e)) trading = (tf_trading_t)e->u.listing.trading;
  }
  if (trading != TF_TRADING_UNSAID)
    assert_int_equal(rig.events[rig.out.event_cnt - 1].u.listing.book_state, TF_BOOK_NONE);
  return trading;
}

static void words_are_known_whatever_their_case(void **state) {
  (void)state;
  const struct {
    const char  *word;
    tf_trading_t trading;
  } rows[] = {
      {"TRADING",                   TF_TRADING_OPEN  },
      {"Trading",                   TF_TRADING_OPEN  },
      {"online",                    TF_TRADING_OPEN  },
      {"BREAK",                     TF_TRADING_HALTED},
      {"suspend",                   TF_TRADING_HALTED},
      {"PreLaunch",                 TF_TRADING_HALTED},
      {"cancel_only",               TF_TRADING_HALTED},
      {"delisted",                  TF_TRADING_ENDED },
      {"CLOSE",                     TF_TRADING_ENDED },
      {"Closed",                    TF_TRADING_HALTED},
      {"Settled",                   TF_TRADING_ENDED },
      {"",                          TF_TRADING_UNSAID},
      {"a_word_of_next_year",       TF_TRADING_UNSAID},
      {"tradin",                    TF_TRADING_UNSAID},
      {"tradingtradingtradingtrad", TF_TRADING_UNSAID}, /* one longer than any */
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++)
    assert_int_equal(tf_listing_of_word(rows[i].word, strlen(rows[i].word)), rows[i].trading);
}

#define INFO(status, tick)                                                                         \
  "{\"symbols\":[{\"symbol\":\"BTCUSDT\",\"status\":\"" status                                     \
  "\",\"quoteAsset\":\"USDT\",\"filters\":[{\"filterType\":\"PRICE_FILTER\",\"tickSize\":\"" tick  \
  "\"},{\"filterType\":\"LOT_SIZE\",\"stepSize\":\"0.00001000\"}]}]}"

static void ask(const char *answer) {
  assert_int_equal(feed_rest("/api/v3/exchangeInfo", answer), TF_VERDICT_CONTROL);
}

static void what_changes_is_said_once(void **state) {
  (void)state;
  open_one("binance-spot", "BTCUSDT");
  ask(INFO("TRADING", "0.01000000"));
  assert_int_equal(rig.out.event_cnt, 0); /* open, when nothing else was said, is no news */
  ask(INFO("BREAK", "0.01000000"));
  assert_int_equal(said(), TF_TRADING_HALTED);
  assert_int_equal(rig.events[0].ts_recv_ns, RECV_NS);
  ask(INFO("BREAK", "0.01000000"));
  assert_int_equal(rig.out.event_cnt, 0);
  ask(INFO("A_NEW_WORD", "0.01000000"));
  assert_int_equal(rig.out.event_cnt, 0);
  ask(INFO("TRADING", "0.01000000"));
  assert_int_equal(said(), TF_TRADING_OPEN);
  assert_int_equal(rig.counts.listings, 2);
  assert_int_equal(rig.counts.events[TF_EVENT_STATUS], 2);
  stop(&rig);
}

static void halt_that_is_said_first_is_news(void **state) {
  (void)state;
  open_one("binance-spot", "BTCUSDT");
  ask(INFO("HALT", "0.01000000"));
  assert_int_equal(said(), TF_TRADING_HALTED);
  stop(&rig);
}

static void another_tick_size_is_said_with_what_it_is(void **state) {
  (void)state;
  open_one("binance-spot", "BTCUSDT");
  ask(INFO("TRADING", "0.01000000"));
  ask(INFO("TRADING", "0.01"));
  assert_int_equal(rig.out.event_cnt, 0); /* the same, written otherwise */
  ask(INFO("TRADING", "0.10000000"));
  assert_int_equal(said(), TF_TRADING_CHANGED);
  assert_int_equal(rig.events[0].u.listing.tick_size, 1);
  assert_int_equal(rig.events[0].price_exp, -1);
  assert_int_equal(rig.events[0].u.listing.lot_size, 1);
  assert_int_equal(rig.events[0].qty_exp, -5);
  assert_int_equal(rig.instruments.rows[0].tick_size, 1);
  assert_int_equal(rig.instruments.rows[0].price_exp, -2); /* the table keeps the first */
  ask(INFO("BREAK", "0.01000000")); /* both at once: one tick, the halt last */
  assert_int_equal(rig.out.event_cnt, 2);
  assert_int_equal(said(), TF_TRADING_HALTED);
  stop(&rig);
}

static void without_room_it_is_said_the_next_time(void **state) {
  (void)state;
  open_one("binance-spot", "BTCUSDT");
  rig.out.event_cap = 0;
  ask(INFO("BREAK", "0.01000000"));
  assert_int_equal(rig.out.event_cnt, 0);
  rig.out.event_cap = EVENT_CAP;
  ask(INFO("BREAK", "0.01000000"));
  assert_int_equal(said(), TF_TRADING_HALTED);
  stop(&rig);
}

/* clang-format off */
#define KRAKEN(status)                                                                             \
  "{\"channel\":\"instrument\",\"type\":\"update\",\"data\":{\"pairs\":[{\"symbol\":\"BTC/USD\",\"status\":\"" status "\"}]}}"
#define BITMEX(state)                                                                              \
  "{\"table\":\"instrument\",\"action\":\"update\",\"data\":[{\"symbol\":\"XBTUSD\",\"state\":\"" state "\","         \
  "\"lastPrice\":100.5,\"timestamp\":\"2024-08-09T00:00:00.000Z\"}]}"
#define DERIBIT(state)                                                                             \
  "{\"jsonrpc\":\"2.0\",\"method\":\"subscription\",\"params\":{\"channel\":\"ticker.BTC-PERPETUAL.100ms\",\"data\":{"   \
  "\"instrument_name\":\"BTC-PERPETUAL\",\"timestamp\":1723161255000,\"state\":\"" state "\",\"last_price\":100.5,"      \
  "\"stats\":{\"volume\":1.0}}}}"

/* REST where there is a target. */
static const struct {
  const char *venue, *symbol, *target, *open, *halted;
  uint32_t    trading;
} venues[] = {
  {"binance-coinm", "BTCUSD_PERP", "/dapi/v1/exchangeInfo",
   "{\"symbols\":[{\"symbol\":\"BTCUSD_PERP\",\"contractStatus\":\"TRADING\"}]}",
   "{\"symbols\":[{\"symbol\":\"BTCUSD_PERP\",\"contractStatus\":\"DELIVERED\"}]}", TF_TRADING_ENDED},
  {"coinbase", "BTC-USD", "/api/v3/brokerage/market/products/BTC-USD",
   "{\"product_id\":\"BTC-USD\",\"status\":\"online\",\"trading_disabled\":false}",
   "{\"product_id\":\"BTC-USD\",\"status\":\"online\",\"trading_disabled\":true}", TF_TRADING_HALTED},
  {"coinbase-exchange", "BTC-USD", "/products/BTC-USD",
   "{\"id\":\"BTC-USD\",\"status\":\"online\",\"trading_disabled\":false}",
   "{\"id\":\"BTC-USD\",\"status\":\"delisted\",\"trading_disabled\":true}", TF_TRADING_ENDED},
  {"okx", "BTC-USDT", "/api/v5/public/instruments?instType=SPOT",
   "{\"code\":\"0\",\"data\":[{\"instId\":\"BTC-USDT\",\"state\":\"live\"}]}",
   "{\"code\":\"0\",\"data\":[{\"instId\":\"BTC-USDT\",\"state\":\"suspend\"}]}", TF_TRADING_HALTED},
  {"bybit", "BTCUSDT", "/v5/market/instruments-info?category=spot",
   "{\"result\":{\"list\":[{\"symbol\":\"BTCUSDT\",\"status\":\"Trading\"}]}}",
   "{\"result\":{\"list\":[{\"symbol\":\"BTCUSDT\",\"status\":\"Delivering\"}]}}", TF_TRADING_HALTED},
  {"bitget", "BTCUSDT", "/api/v2/spot/public/symbols",
   "{\"data\":[{\"symbol\":\"BTCUSDT\",\"status\":\"online\"}]}",
   "{\"data\":[{\"symbol\":\"BTCUSDT\",\"status\":\"halt\"}]}", TF_TRADING_HALTED},
  {"gate", "BTC_USDT", "/api/v4/spot/currency_pairs",
   "[{\"id\":\"BTC_USDT\",\"trade_status\":\"tradable\"}]",
   "[{\"id\":\"BTC_USDT\",\"trade_status\":\"untradable\"}]", TF_TRADING_HALTED},
  {"kucoin", "BTC-USDT", "/api/v2/symbols",
   "{\"data\":[{\"symbol\":\"BTC-USDT\",\"enableTrading\":true}]}",
   "{\"data\":[{\"symbol\":\"BTC-USDT\",\"enableTrading\":false}]}", TF_TRADING_HALTED},
  {"htx", "btcusdt", "/v2/settings/common/symbols",
   "{\"data\":[{\"symbol\":\"btcusdt\",\"state\":\"online\"}]}",
   "{\"data\":[{\"symbol\":\"btcusdt\",\"state\":\"suspend\"}]}", TF_TRADING_HALTED},
  {"cryptocom", "BTC_USDT", "/exchange/v1/public/get-instruments",
   "{\"result\":{\"data\":[{\"symbol\":\"BTC_USDT\",\"tradable\":true}]}}",
   "{\"result\":{\"data\":[{\"symbol\":\"BTC_USDT\",\"tradable\":false}]}}", TF_TRADING_HALTED},
  {"deribit", "BTC-PERPETUAL", "/api/v2/public/get_instrument?instrument_name=BTC-PERPETUAL",
   "{\"result\":{\"instrument_name\":\"BTC-PERPETUAL\",\"is_active\":true,\"state\":\"open\"}}",
   "{\"result\":{\"instrument_name\":\"BTC-PERPETUAL\",\"is_active\":false}}", TF_TRADING_ENDED},
  {"kraken", "BTC/USD", NULL,
   KRAKEN("online"),
   KRAKEN("cancel_only"), TF_TRADING_HALTED},
  {"bitmex", "XBTUSD", NULL,
   BITMEX("Open"),
   BITMEX("Settled"), TF_TRADING_ENDED},
  {"deribit", "BTC-PERPETUAL", NULL,
   DERIBIT("open"),
   DERIBIT("closed"), TF_TRADING_HALTED},
};
/* clang-format on */

static void every_venues_own_words_are_read(void **state) {
  (void)state;
  for (size_t i = 0; i < TF_ARRAY_CNT(venues); i++) {
    print_message("%s\n", venues[i].venue);
    open_one(venues[i].venue, venues[i].symbol);
    for (int k = 0; k < 5; k++) {
      const char  *text    = k == 1 || k == 2 ? venues[i].halted : venues[i].open;
      uint64_t     before  = rig.counts.listings;
      tf_verdict_t verdict = venues[i].target ? feed_rest(venues[i].target, text) : feed_text(text);
      assert_int_not_equal(verdict, TF_VERDICT_REJECTED);
      const bool is_news = k == 1 || k == 3;
      assert_int_equal(rig.counts.listings - before, is_news);
      assert_int_equal(said(), !is_news ? TF_TRADING_UNSAID
                               : k == 1 ? venues[i].trading
                                        : (uint32_t)TF_TRADING_OPEN);
    }
    stop(&rig);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(words_are_known_whatever_their_case),
      cmocka_unit_test(what_changes_is_said_once),
      cmocka_unit_test(halt_that_is_said_first_is_news),
      cmocka_unit_test(another_tick_size_is_said_with_what_it_is),
      cmocka_unit_test(without_room_it_is_said_the_next_time),
      cmocka_unit_test(every_venues_own_words_are_read),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
