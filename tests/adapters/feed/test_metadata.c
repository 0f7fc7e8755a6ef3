#include "feed_rig.h"

#include "feed/metadata.h"

static const tf_instrument_t *row(uint32_t id) { return &rig.instruments.rows[id]; }

static void check(uint32_t id, int64_t tick, int8_t price_exp, int64_t lot, int8_t qty_exp,
                  double multiplier, const char *quote) {
  assert_int_equal(tf_instrument_metadata(row(id)), TF_METADATA_VENUE);
  assert_int_equal(row(id)->tick_size, tick);
  assert_int_equal(row(id)->price_exp, price_exp);
  assert_int_equal(row(id)->lot_size, lot);
  assert_int_equal(row(id)->qty_exp, qty_exp);
  assert_true(row(id)->multiplier == multiplier);
  assert_string_equal(row(id)->quote_currency, quote);
}

#define FILTERS(tick, step)                                                                        \
  "\"filters\":[{\"filterType\":\"PERCENT\",\"tickSize\":\"9\"},{\"filterType\":\"PRICE_FILTER\"," \
  "\"minPrice\":\"0.01\",\"tickSize\":\"" tick                                                     \
  "\"},{\"filterType\":\"LOT_SIZE\",\"stepSize\":\"" step "\"}]"

static void binance_answers_for_its_symbols(void **state) {
  (void)state;
  static const char *const symbols[] = {"BTCUSDT", "ETHUSDT", "XRPUSDT"};
  assert_int_equal(start_with(&rig, "binance-spot", symbols, 3, 7), TF_OK);
  assert_int_equal(tf_instrument_metadata(row(0)), TF_METADATA_NONE);
  assert_int_equal(
      feed_rest(
          "/api/v3/exchangeInfo?symbols=x",
          "{\"timezone\":\"UTC\",\"symbols\":["
          "{\"symbol\":\"BTCUSDT\",\"quoteAsset\":\"USDT\"," FILTERS(
              "0.01000000",
              "0.00001000") "},"
                            "{\"symbol\":\"OTHER\",\"quoteAsset\":\"USDT\"," FILTERS(
                                "1",
                                "1") "},"
                                     "{\"symbol\":\"XRPUSDT\",\"quoteAsset\":\"USDT\"," FILTERS(
                                         "0", "1") "},"
                                                   "{\"symbol\":\"ETHUSDT\",\"quoteAsset\":"
                                                   "\"USDT\"," FILTERS("0.10", "10") "}]}"),
      TF_VERDICT_CONTROL);
  check(0, 1, -2, 1, -5, 1.0, "USDT");
  check(1, 1, -1, 10, 0, 1.0, "USDT");
  assert_int_equal(tf_instrument_metadata(row(2)), TF_METADATA_NONE); /* 0 is no tick */
  /* a row that has its metadata never changes again */
  feed_rest(
      "/api/v3/exchangeInfo",
      "{\"symbols\":[{\"symbol\":\"BTCUSDT\",\"quoteAsset\":\"EUR\"," FILTERS("5", "5") "}]}");
  check(0, 1, -2, 1, -5, 1.0, "USDT");
  check_ledger(&rig);
  stop(&rig);
}

static void contract_size_is_the_multiplier(void **state) {
  (void)state;
  static const char *const symbols[] = {"BTCUSD_PERP"};
  assert_int_equal(start_with(&rig, "binance-coinm", symbols, 1, 7), TF_OK);
  feed_rest("/dapi/v1/exchangeInfo", "{\"symbols\":[{\"symbol\":\"BTCUSD_PERP\",\"contractSize\":"
                                     "100,\"quoteAsset\":\"USD\"," FILTERS("0.1", "1") "}]}");
  check(0, 1, -1, 1, 0, 100.0, "USD");
  stop(&rig);
}

static void coinbase_answers_for_one_or_all(void **state) {
  (void)state;
  static const char *const symbols[] = {"BTC-USD", "ETH-USD"};
  assert_int_equal(start_with(&rig, "coinbase", symbols, 2, 7), TF_OK);
  feed_rest("/api/v3/brokerage/market/products/BTC-USD",
            "{\"product_id\":\"BTC-USD\",\"quote_increment\":\"0.05\",\"base_increment\":"
            "\"0.00000001\",\"price_increment\":\"0.01\",\"quote_currency_id\":\"USD\"}");
  check(0, 1, -2, 1, -8, 1.0, "USD");
  feed_rest(
      "/api/v3/brokerage/market/products",
      "{\"products\":[{\"product_id\":\"ETH-USD\",\"base_increment\":\"0.001\",\"price_increment\":"
      "\"0.1\",\"quote_currency_id\":\"USD\"}]}");
  check(1, 1, -1, 1, -3, 1.0, "USD");
  assert_int_equal(feed_rest("/api/v3/brokerage/market/products/X", "{\"error\":\"NOT_FOUND\"}"),
                   TF_VERDICT_REJECTED);
  assert_int_equal(feed_rest("/api/v3/brokerage/market/products/X", "{"), TF_VERDICT_REJECTED);
  stop(&rig);
  assert_int_equal(start_with(&rig, "coinbase-exchange", symbols, 2, 7), TF_OK);
  feed_rest("/products",
            "[{\"id\":\"ETH-USD\",\"base_increment\":\"0.00000001\",\"quote_increment\":"
            "\"0.01\",\"quote_currency\":\"USD\"},{\"id\":\"BTC-USD\",\"base_increment\":"
            "\"0.1\",\"quote_increment\":\"5\",\"quote_currency\":\"USD\"}]");
  check(0, 5, 0, 1, -1, 1.0, "USD");
  check(1, 1, -2, 1, -8, 1.0, "USD");
  stop(&rig);
}

static void kraken_tells_in_band_with_exponents(void **state) {
  (void)state;
  static const char *const symbols[] = {"BTC/USD"};
  assert_int_equal(start_with(&rig, "kraken", symbols, 1, 7), TF_OK);
  assert_int_equal(
      feed_text("{\"channel\":\"instrument\",\"type\":\"snapshot\",\"data\":{\"assets\":[],"
                "\"pairs\":[{\"symbol\":\"BTC/USD\",\"quote\":\"USD\",\"price_increment\":0.1,"
                "\"qty_increment\":1e-08}]}}"),
      TF_VERDICT_CONTROL);
  check(0, 1, -1, 1, -8, 1.0, "USD");
  stop(&rig);
}

static void requests_name_every_symbol_once(void **state) {
  (void)state;
  static char      names[95][12];
  const char      *symbols[95];
  char             text[2048];
  tf_instruments_t table = {.rows = calloc(128, sizeof(tf_instrument_t)), .cap = 128};
  for (uint32_t i = 0; i < 95; i++) {
    snprintf(names[i], sizeof names[i], "SYM%uUSDT", i);
    symbols[i] = names[i];
  }
  static const struct {
    const char *venue;
    uint32_t    cnt;
  } venues[] = {
      {"binance-spot",      3 },
      {"binance-usdm",      1 },
      {"coinbase",          95},
      {"coinbase-exchange", 95}
  };
  for (size_t v = 0; v < TF_ARRAY_CNT(venues); v++) {
    tf_feed_config_t config = {
        .instruments = &table, .symbols = symbols, .symbol_cnt = 95, .channels = 7};
    const tf_feed_t *feed = tf_feeds_find(venues[v].venue);
    void            *st   = aligned_alloc(64, tf_align_up(feed->state_bytes(feed, &config), 64));
    memset(table.rows, 0, 128 * sizeof(tf_instrument_t));
    table.cnt = 0;
    assert_int_equal(feed->init(feed, st, &config), TF_OK);
    uint32_t cnt = 0, found = 0;
    for (size_t n; (n = feed->metadata_target(st, cnt, text, sizeof text)) > 0; cnt++) {
      assert_true(n < sizeof text);
      for (uint32_t i = 0; i < 95; i++) {
        found += strstr(text, names[i]) != NULL;
      }
    }
    assert_int_equal(cnt, venues[v].cnt);
    assert_int_equal(found, v == 1 ? 0 : 95);
    free(st);
  }
  free(table.rows);
}

/* A venue's answer for one instrument, as it is sent. */
static void venues_name_the_same_things_by_words_of_their_own(void **state) {
  (void)state;
  static const struct {
    const char *venue, *symbol, *target, *answer;
    int64_t     tick;
    int8_t      price_exp;
    int64_t     lot;
    int8_t      qty_exp;
    double      multiplier;
    const char *quote;
  } rows[] = {
      {"gate",           "IHT_ETH",  "/api/v4/spot/currency_pairs",
       "[{\"id\":\"IHT_ETH\",\"base\":\"IHT\",\"quote\":\"ETH\",\"amount_precision\":1,"
       "\"precision\":9,\"trade_status\":\"tradable\"}]",                                    1, -9, 1,    -1, 1.0,    "ETH" },
      {"gate-futures",   "BTC_USDT", "/api/v4/futures/usdt/contracts",
       "[{\"name\":\"BTC_USDT\",\"order_price_round\":\"0.1\",\"order_size_min\":1,"
       "\"quanto_multiplier\":\"0.0001\",\"in_delisting\":false}]",                          1, -1, 1,    0,  0.0001, ""    },
      {"kucoin",         "REQ-ETH",  "/api/v2/symbols",
       "{\"code\":\"200000\",\"data\":[{\"symbol\":\"REQ-ETH\",\"name\":\"REQ-ETH\","
       "\"quoteCurrency\":\"ETH\",\"baseIncrement\":\"0.0001\",\"quoteIncrement\":\"0.01\","
       "\"priceIncrement\":\"0.0000001\"}]}",                                                1, -7, 1,    -4, 1.0,    "ETH" },
      {"kucoin-futures", "XBTUSDTM", "/api/v1/contracts/active",
       "{\"code\":\"200000\",\"data\":[{\"symbol\":\"XBTUSDTM\",\"quoteCurrency\":\"USDT\","
       "\"lotSize\":1,\"tickSize\":0.1,\"indexPriceTickSize\":0.01,\"multiplier\":0.001}]}", 1, -1, 1,    0,  0.001,  "USDT"},
      {"htx-swap",       "BTC-USDT", "/linear-swap-api/v1/swap_contract_info",
       "{\"status\":\"ok\",\"data\":[{\"symbol\":\"BTC\",\"contract_code\":\"BTC-USDT\","
       "\"contract_size\":0.001,\"price_tick\":0.1,\"contract_status\":1}],\"ts\":1}",       1, -1, 1,    0,  0.001,  ""    },
      {"bitmex",         "SOLUSDT",  "/api/v1/instrument?symbol=SOLUSDT",
       "[{\"symbol\":\"SOLUSDT\",\"lotSize\":1000,\"tickSize\":0.01,\"quoteCurrency\":\"USDT\","
       "\"underlyingToPositionMultiplier\":10000}]",                                         1, -2, 1000, 0,  0.0001, "USDT"},
      {"bitmex",         "XBTUSD",   "/api/v1/instrument?symbol=XBTUSD",
       "[{\"symbol\":\"XBTUSD\",\"lotSize\":100,\"tickSize\":0.5,\"quoteCurrency\":\"USD\","
       "\"underlyingToPositionMultiplier\":null}]",                                          5, -1, 100,  0,  1.0,    "USD" },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    assert_int_equal(start_with(&rig, rows[i].venue, &rows[i].symbol, 1, 15), TF_OK);
    assert_int_equal(feed_rest(rows[i].target, rows[i].answer), TF_VERDICT_CONTROL);
    check(0, rows[i].tick, rows[i].price_exp, rows[i].lot, rows[i].qty_exp, rows[i].multiplier,
          rows[i].quote);
    check_ledger(&rig);
    stop(&rig);
  }
}

/* What a venue says of one contract's value. */
static void contracts_are_worth_what_the_venue_says(void **state) {
  (void)state;
#define BITMEX(more)                                                                               \
  "[{\"symbol\":\"S\",\"lotSize\":1,\"tickSize\":0.5,\"quoteCurrency\":\"USD\"," more "}]"
  static const struct {
    const char *venue, *symbol, *answer;
    double      multiplier;
    bool        is_inverse;
    const char *quote;
  } rows[] = {
  /* a contract is 100 satoshi a dollar of the price: 0.000001 XBT */
      {"bitmex",         "S",
       BITMEX("\"isQuanto\":true,\"isInverse\":false,\"multiplier\":100,\"settlCurrency\":\"XBt\","
              "\"underlyingToPositionMultiplier\":null"),
       1e-6,                                                                                                                       false, "XBT"                                                                 },
      {"bitmex",         "S",
       BITMEX(
           "\"isQuanto\":true,\"isInverse\":false,\"multiplier\":5000,\"settlCurrency\":\"USDt\""),
       5e-3,                                                                                                                       false, "USDT"                                                                },
      {"bitmex",         "S",             BITMEX("\"isQuanto\":true,\"multiplier\":100,\"settlCurrency\":\"MAMUSd\""),
       1.0,                                                                                                                        false, "USD"                                                                 },
      {"bitmex",         "S",
       BITMEX("\"isQuanto\":false,\"isInverse\":true,\"multiplier\":-100000000,\"settlCurrency\":"
              "\"XBt\",\"underlyingToPositionMultiplier\":null"),
       1.0,                                                                                                                        true,  "USD"                                                                 },
      {"bitmex",         "S",
       BITMEX("\"isQuanto\":false,\"isInverse\":false,\"multiplier\":1,\"settlCurrency\":\"USDt\","
              "\"underlyingToPositionMultiplier\":1000000"),
       1e-6,                                                                                                                       false, "USD"                                                                 },
      {"kucoin-futures", "XBTUSDM",
       "{\"data\":[{\"symbol\":\"XBTUSDM\",\"quoteCurrency\":\"USD\",\"lotSize\":1,\"tickSize\":0."
       "1,\"multiplier\":-1,\"isInverse\":true}]}",                                                                    1.0,        true,  "USD"                                                                 },
      {"okx",            "BTC-USD-SWAP",
       "{\"data\":[{\"instId\":\"BTC-USD-SWAP\",\"ctType\":\"inverse\",\"ctVal\":\"100\","
       "\"ctMult\":\"1\",\"ctValCcy\":\"USD\",\"settleCcy\":\"BTC\",\"tickSz\":\"0.1\",\"lotSz\":"
       "\"1\"}]}",                                                                                                     100.0,      true,  "USD"                                                                 },
      {"okx",            "BTC-USDT-SWAP",
       "{\"data\":[{\"instId\":\"BTC-USDT-SWAP\",\"ctType\":\"linear\",\"ctVal\":\"0.01\","
       "\"ctMult\":\"1\",\"ctValCcy\":\"BTC\",\"settleCcy\":\"USDT\",\"tickSz\":\"0.1\",\"lotSz\":"
       "\"1\"}]}",                                                                                                     0.01,       false, "USDT"                                                                },
      {"deribit",        "BTC-PERPETUAL",
       "{\"result\":[{\"instrument_name\":\"BTC-PERPETUAL\",\"instrument_type\":\"reversed\","
       "\"tick_size\":0.5,\"min_trade_amount\":10,\"contract_size\":10,\"quote_currency\":\"USD\"}]"
       "}",                                                                                                            1.0,        true,  "USD"                                                                 },
      {"binance-coinm",  "BTCUSD_PERP",
       "{\"symbols\":[{\"symbol\":\"BTCUSD_PERP\",\"contractType\":\"PERPETUAL\",\"contractSize\":"
       "100,\"quoteAsset\":\"USD\"," FILTERS("0.1",                                                                    "1") "}]}",
       100.0,                                                                                                                             true,                                                                   "USD"},
      {"gate-futures",                "BTC_USD",
       "[{\"name\":\"BTC_USD\",\"type\":\"inverse\",\"order_price_round\":\"0.1\",\"order_size_"
       "min\":1,\"quanto_multiplier\":\"0\"}]",                                                                     1.0,                                                                                    true,                  ""},
  };
  char target[256];
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    assert_int_equal(start_with(&rig, rows[i].venue, &rows[i].symbol, 1, 15), TF_OK);
    assert_true(rig.feed->metadata_target(rig.state, 0, target, sizeof target) < sizeof target);
    assert_int_equal(feed_rest(target, rows[i].answer), TF_VERDICT_CONTROL);
    assert_int_equal(tf_instrument_metadata(row(0)), TF_METADATA_VENUE);
    if (row(0)->multiplier != rows[i].multiplier)
      fail_msg("%s: %.17g, not %.17g", rows[i].answer, row(0)->multiplier, rows[i].multiplier);
    assert_int_equal(row(0)->is_inverse, rows[i].is_inverse);
    assert_string_equal(row(0)->quote_currency, rows[i].quote);
    stop(&rig);
  }
}

static void okx_answers_a_type_at_a_time(void **state) {
  (void)state;
  static const char *const symbols[] = {
      "BTC-USDT",     "UNI-USD-SWAP",          "BTC-USD-220304-32000-P",
      "ETH-USDT",     "ETH-USD-220304-3000-C", "BTC-USD-220304-33000-C",
      "BTC-USD-SWAP", "BTC-USDT-220527"};
  static const char *const targets[] = {"SPOT", "SWAP", "OPTION&instFamily=BTC-USD",
                                        "OPTION&instFamily=ETH-USD", "FUTURES"};
  char                     text[128], expected[128];
  assert_int_equal(start_with(&rig, "okx", symbols, 8, 7), TF_OK);
  for (uint32_t i = 0; i < TF_ARRAY_CNT(targets); i++) {
    snprintf(expected, sizeof expected, "/api/v5/public/instruments?instType=%s", targets[i]);
    assert_int_equal(rig.feed->metadata_target(rig.state, i, text, sizeof text), strlen(expected));
    assert_string_equal(text, expected);
  }
  assert_int_equal(rig.feed->metadata_target(rig.state, 5, text, sizeof text), 0);
  assert_int_equal(feed_rest(text,
                             "{\"code\":\"0\",\"data\":[{\"instId\":\"BTC-USDT\",\"quoteCcy\":"
                             "\"USDT\",\"settleCcy\":\"\",\"ctVal\":\"\",\"lotSz\":"
                             "\"0.00000001\",\"tickSz\":\"0.1\"}],\"msg\":\"\"}"),
                   TF_VERDICT_CONTROL);
  feed_rest(
      text,
      "{\"code\":\"0\",\"data\":[{\"instId\":\"UNI-USD-SWAP\",\"quoteCcy\":\"\",\"settleCcy\":"
      "\"UNI\",\"ctVal\":\"10\",\"lotSz\":\"1\",\"tickSz\":\"0.001\"}],\"msg\":\"\"}");
  check(0, 1, -1, 1, -8, 1.0, "USDT");
  check(1, 1, -3, 1, 0, 10.0, "UNI");
  /* of options a contract is ctMult of ctVal */
  feed_rest(text,
            "{\"code\":\"0\",\"data\":[{\"instId\":\"BTC-USD-220304-32000-P\",\"quoteCcy\":\"\","
            "\"settleCcy\":\"BTC\",\"ctVal\":\"1\",\"ctMult\":\"0.01\",\"lotSz\":\"1\",\"tickSz\":"
            "\"0.0005\"}],\"msg\":\"\"}");
  check(2, 5, -4, 1, 0, 0.01, "BTC");
  stop(&rig);
}

static void bitget_counts_digits(void **state) {
  (void)state;
  static const char *const symbols[] = {"BTCUSDT", "BTCUSDT-FUTURES"};
  char                     text[128];
  assert_int_equal(start_with(&rig, "bitget", symbols, 2, 7), TF_OK);
  rig.feed->metadata_target(rig.state, 1, text, sizeof text);
  assert_string_equal(text, "/api/v2/mix/market/contracts?productType=USDT-FUTURES");
  feed_rest(
      text,
      "{\"code\":\"00000\",\"data\":[{\"symbol\":\"BTCUSDT\",\"quoteCoin\":\"USDT\",\"pricePlace\":"
      "\"1\",\"priceEndStep\":\"5\",\"volumePlace\":\"3\"}]}");
  assert_int_equal(tf_instrument_metadata(row(0)), TF_METADATA_NONE); /* it was of the future */
  check(1, 5, -1, 1, -3, 1.0, "USDT");
  rig.feed->metadata_target(rig.state, 0, text, sizeof text);
  assert_string_equal(text, "/api/v2/spot/public/symbols");
  feed_rest(text, "{\"code\":\"00000\",\"data\":[{\"symbol\":\"BTCUSDT\",\"quoteCoin\":\"USDT\","
                  "\"pricePrecision\":\"2\",\"quantityPrecision\":\"6\"}]}");
  check(0, 1, -2, 1, -6, 1.0, "USDT");
  stop(&rig);
}

static void digits_that_no_number_has_are_passed_over(void **state) {
  (void)state;
  static const char *const symbols[] = {"BTCUSDT"};
  static const struct {
    const char *digits;
    bool        is_good;
  } rows[] = {
      {"0",   true },
      {"29",  true },
      {"30",  true },
      {"31",  false},
      {"-1",  false},
      {"1.5", false},
      {"x",   false},
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    char text[256];
    snprintf(text, sizeof text,
             "{\"data\":[{\"symbol\":\"BTCUSDT\",\"pricePrecision\":\"%s\",\"quantityPrecision\":"
             "\"2\"}]}",
             rows[i].digits);
    assert_int_equal(start_with(&rig, "bitget", symbols, 1, 7), TF_OK);
    assert_int_equal(feed_rest("/api/v2/spot/public/symbols", text), TF_VERDICT_CONTROL);
    assert_int_equal(tf_instrument_metadata(row(0)) == TF_METADATA_VENUE, rows[i].is_good);
    stop(&rig);
  }
}

static void bybit_answers_by_product(void **state) {
  (void)state;
  static const char *const spot[] = {"BTCUSDT"}, *const linear[] = {"BTCUSDT-LINEAR"};
  char text[128];
#define BYBIT_INSTRUMENT(step)                                                                     \
  "{\"retCode\":0,\"result\":{\"category\":\"x\",\"list\":[{\"symbol\":\"BTCUSDT\",\"quoteCoin\":" \
  "\"USDT\",\"lotSizeFilter\":{" step                                                              \
  "},\"priceFilter\":{\"minPrice\":\"7\",\"tickSize\":\"0.10\"}}]}}"
  assert_int_equal(start_with(&rig, "bybit", spot, 1, 7), TF_OK);
  rig.feed->metadata_target(rig.state, 0, text, sizeof text);
  assert_string_equal(text, "/v5/market/instruments-info?category=spot&limit=1000");
  feed_rest("/v5/market/instruments-info?category=linear&limit=1000",
            BYBIT_INSTRUMENT("\"qtyStep\":\"0.001\""));
  assert_int_equal(tf_instrument_metadata(row(0)), TF_METADATA_NONE);
  feed_rest(text, BYBIT_INSTRUMENT("\"basePrecision\":\"0.000001\",\"minOrderQty\":\"3\""));
  check(0, 1, -1, 1, -6, 1.0, "USDT");
  stop(&rig);
  assert_int_equal(start_with(&rig, "bybit", linear, 1, 7), TF_OK);
  feed_rest("/v5/market/instruments-info?category=linear&limit=1000",
            BYBIT_INSTRUMENT("\"qtyStep\":\"0.001\""));
  check(0, 1, -1, 1, -3, 1.0, "USDT");
  stop(&rig);
}

static void cryptocom_answers_for_all(void **state) {
  (void)state;
  static const char *const symbols[] = {"BTCUSD-PERP"};
  char                     text[128];
  assert_int_equal(start_with(&rig, "cryptocom", symbols, 1, 7), TF_OK);
  rig.feed->metadata_target(rig.state, 0, text, sizeof text);
  assert_string_equal(text, "/exchange/v1/public/get-instruments");
  assert_int_equal(
      feed_rest(text, "{\"id\":-1,\"code\":0,\"result\":{\"data\":[{\"symbol\":\"BTCUSD-PERP\","
                      "\"quote_ccy\":\"USD\",\"price_tick_size\":\"0.5\",\"qty_tick_size\":"
                      "\"0.0001\",\"contract_size\":\"1\"}]}}"),
      TF_VERDICT_CONTROL);
  check(0, 5, -1, 1, -4, 1.0, "USD");
  stop(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(contracts_are_worth_what_the_venue_says),
      cmocka_unit_test(okx_answers_a_type_at_a_time),
      cmocka_unit_test(bitget_counts_digits),
      cmocka_unit_test(digits_that_no_number_has_are_passed_over),
      cmocka_unit_test(bybit_answers_by_product),
      cmocka_unit_test(cryptocom_answers_for_all),
      cmocka_unit_test(binance_answers_for_its_symbols),
      cmocka_unit_test(contract_size_is_the_multiplier),
      cmocka_unit_test(coinbase_answers_for_one_or_all),
      cmocka_unit_test(venues_name_the_same_things_by_words_of_their_own),
      cmocka_unit_test(kraken_tells_in_band_with_exponents),
      cmocka_unit_test(requests_name_every_symbol_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
