/* What every venue is asked for its streams, and what is read from its answers. */
#include "feed_rig.h"

#include "core/error.h"

static char text[1 << 16];

static size_t ask(uint32_t channel, const uint32_t *symbols, uint32_t cnt, uint64_t id,
                  bool unsubscribe) {
  tf_feed_request_t request = {.unsubscribe = unsubscribe,
                               .channel     = channel,
                               .symbols     = symbols,
                               .symbol_cnt  = cnt,
                               .id          = id};
  return rig.feed->request(rig.state, &request, text, sizeof text);
}

static const uint32_t both[] = {0, 1}, second[] = {1};

static void asks(uint32_t channel, const uint32_t *symbols, uint32_t cnt, bool unsubscribe,
                 const char *expected) {
  assert_int_equal(ask(channel, symbols, cnt, 7, unsubscribe), strlen(expected));
  if (*expected) assert_string_equal(text, expected);
}

static void answered(uint32_t i, uint64_t request_id, uint32_t id, uint32_t channel,
                     bool is_refusal) {
  assert_true(i < rig.out.answer_cnt);
  const tf_feed_answer_t *a = &rig.out.answers[i];
  assert_int_equal(a->request_id, request_id);
  assert_int_equal(a->instrument_id, id);
  assert_int_equal(a->channel, channel);
  assert_int_equal(a->is_refusal, is_refusal);
}

/* ---- all venues ---- */

static uint32_t count_of(const char *p, const char *what) {
  uint32_t cnt = 0;
  for (size_t n = strlen(what); (p = strstr(p, what)); p += n) cnt++;
  return cnt;
}

static void begin_with(const tf_feed_t *feed, const char *const *symbols, uint32_t cnt,
                       uint32_t max) {
  memset(&rig, 0, sizeof rig);
  rig.feed             = feed;
  rig.instruments.cap  = 2048;
  rig.instruments.rows = calloc(2048, sizeof(tf_instrument_t));
  rig.out = (tf_feed_out_t){.events = rig.events, .event_cap = EVENT_CAP, .counts = &rig.counts};
  tf_feed_config_t config = {.instruments = &rig.instruments,
                             .symbols     = symbols,
                             .symbol_cnt  = cnt,
                             .symbols_max = max,
                             .channels    = 0xf};
  rig.state               = aligned_alloc(64, tf_align_up(feed->state_bytes(feed, &config), 64));
  memset(rig.state, 0xa5, feed->state_bytes(feed, &config));
  assert_int_equal(feed->init(feed, rig.state, &config), TF_OK);
}

/* Names in which no other is hidden: QZJ1000USD .. */
static char        names[1024][16];
static const char *symbols_of[1024];

static void the_largest_request_of_every_venue_names_all_its_symbols(void **state) {
  (void)state;
  static uint32_t numbers[1024];
  for (uint32_t i = 0; i < 1024; i++) {
    snprintf(names[i], sizeof names[i], "QZJ%uUSD", 1000 + i);
    symbols_of[i] = names[i];
    numbers[i]    = i;
  }
  for (uint32_t v = 0; tf_feeds_all[v] != NULL; v++) {
    const tf_feed_t *f   = tf_feeds_all[v];
    uint32_t         max = f->symbols_per_request_max ? f->symbols_per_request_max : 1;
    assert_true(max <= 1024);
    if (f->request == NULL) continue;
    begin_with(f, symbols_of, max, 0);
    for (uint32_t channel = 1; channel <= TF_CHANNEL_TICKER; channel <<= 1) {
      for (int unsubscribe = 0; unsubscribe < 2; unsubscribe++) {
        size_t cnt = ask(channel, numbers, max, 12345, unsubscribe);
        if (cnt == 0) continue; /* another channel brings it */
        assert_true(cnt < sizeof text);
        assert_int_equal(strlen(text), cnt);
        uint32_t named = count_of(text, "QZJ") + count_of(text, "qzj");
        assert_true(named >= max && named <= max * tf_feed_streams_of(f, channel));
        char   small[64];
        size_t few = rig.feed->request(
            rig.state, &(tf_feed_request_t){unsubscribe, channel, numbers, max, 12345}, small,
            sizeof small);
        assert_int_equal(few, cnt); /* what it would need */
        assert_int_equal(strlen(small), few < sizeof small ? few : sizeof small - 1);
      }
    }
    stop(&rig);
  }
}

static void a_symbol_comes_later_where_there_is_room_for_it(void **state) {
  (void)state;
  for (uint32_t v = 0; tf_feeds_all[v] != NULL; v++) {
    const tf_feed_t *f = tf_feeds_all[v];
    uint32_t         symbol, id;
    if (f->symbol == NULL) continue;
    begin_with(f, (const char *const[]){"AAAUSD", "BBBUSD"}, 2, 3);
    assert_int_equal(f->symbol(rig.state, "BBBUSD", &symbol, &id), TF_OK);
    assert_int_equal(symbol, 1);
    assert_int_equal(id, 1);
    assert_int_equal(f->symbol(rig.state, "CCCUSD", &symbol, &id), TF_OK);
    assert_int_equal(symbol, 2);
    assert_int_equal(id, 2);
    assert_int_equal(rig.instruments.cnt, 3);
    assert_int_equal(f->symbol(rig.state, "CCCUSD", &symbol, &id), TF_OK);
    assert_int_equal(symbol, 2);
    assert_int_equal(f->symbol(rig.state, "DDDUSD", &symbol, &id), E_FEED_LIMIT);
    assert_int_equal(f->symbol(rig.state, "", &symbol, &id), E_CONFIG_VALUE);
    assert_int_equal(rig.instruments.cnt, 3);
    stop(&rig);
  }
}

/* ---- Binance ---- */

static void binance_asks_by_streams_and_reads_ids(void **state) {
  (void)state;
  static const char *const pairs[] = {"BTCUSDT", "\xe5\xb8\x81USDT"};
  assert_int_equal(start_with(&rig, "binance-spot", pairs, 2, 7), TF_OK);
  assert_null(rig.feed->hello);
  asks(TF_CHANNEL_TRADE, both, 2, false,
       "{\"method\":\"SUBSCRIBE\",\"params\":[\"btcusdt@trade\",\"\xe5\xb8\x81usdt@trade\"],\"id\":"
       "7}");
  asks(TF_CHANNEL_BOOK, second, 1, true,
       "{\"method\":\"UNSUBSCRIBE\",\"params\":[\"\xe5\xb8\x81usdt@depth@100ms\"],\"id\":7}");
  asks(TF_CHANNEL_QUOTE, second, 1, false,
       "{\"method\":\"SUBSCRIBE\",\"params\":[\"\xe5\xb8\x81usdt@bookTicker\"],\"id\":7}");
  feed_text("{\"result\":null,\"id\":7}");
  answered(0, 7, UINT32_MAX, 0, false);
  feed_text("{\"error\":{\"code\":2,\"msg\":\"Invalid request\"},\"id\":8}");
  answered(0, 8, UINT32_MAX, 0, true);
  feed_text("{\"code\":2,\"msg\":\"Invalid request\"}");
  answered(0, 0, UINT32_MAX, 0, true);
  static const char *const odd[] = {"\"7\"", "-7", "7.5", "1234567890123456789", "{}", "null"};
  for (size_t i = 0; i < TF_ARRAY_CNT(odd); i++) {
    char message[64];
    snprintf(message, sizeof message, "{\"result\":null,\"id\":%s}", odd[i]);
    feed_text(message);
    answered(0, 0, UINT32_MAX, 0, false);
  }
  check_ledger(&rig);
  stop(&rig);
}

/* ---- Coinbase ---- */

static const char *const pairs_usd[] = {"btc-usd", "ETH-USD"};

#define SUBSCRIPTIONS(seq, lists)                                                                  \
  "{\"channel\":\"subscriptions\",\"timestamp\":\"2026-08-09T21:05:48Z\",\"sequence_num\":" #seq   \
  ",\"events\":[{\"subscriptions\":{" lists "}}]}"

static void coinbase_asks_one_channel_a_message_heartbeats_first(void **state) {
  (void)state;
  assert_int_equal(start_with(&rig, "coinbase", pairs_usd, 2, 0xf), TF_OK);
  assert_true(rig.feed->hello(rig.state, 0, text, sizeof text) > 0);
  assert_string_equal(text, "{\"type\":\"subscribe\",\"channel\":\"heartbeats\"}");
  assert_int_equal(rig.feed->hello(rig.state, 1, text, sizeof text), 0);
  asks(TF_CHANNEL_TRADE, both, 2, false,
       "{\"type\":\"subscribe\",\"product_ids\":[\"BTC-USD\",\"ETH-USD\"],\"channel\":\"market_"
       "trades\"}");
  asks(TF_CHANNEL_BOOK, second, 1, true,
       "{\"type\":\"unsubscribe\",\"product_ids\":[\"ETH-USD\"],\"channel\":\"level2\"}");
  asks(TF_CHANNEL_TICKER, second, 1, false,
       "{\"type\":\"subscribe\",\"product_ids\":[\"ETH-USD\"],\"channel\":\"ticker\"}");
  asks(TF_CHANNEL_QUOTE, second, 1, false, ""); /* the book brings it */
  stop(&rig);
  assert_int_equal(start_with(&rig, "coinbase", pairs_usd, 2, TF_CHANNEL_QUOTE), TF_OK);
  asks(TF_CHANNEL_QUOTE, second, 1, false,
       "{\"type\":\"subscribe\",\"product_ids\":[\"ETH-USD\"],\"channel\":\"level2\"}");
  stop(&rig);
}

static void coinbase_answers_are_what_its_list_has_more_or_less(void **state) {
  (void)state;
  assert_int_equal(start_with(&rig, "coinbase", pairs_usd, 2, 0xf), TF_OK);
  feed_text(SUBSCRIPTIONS(0, "\"heartbeats\":[\"heartbeats\"]"));
  assert_int_equal(rig.out.answer_cnt, 0);
  feed_text(
      SUBSCRIPTIONS(1, "\"market_trades\":[\"ETH-USD\",\"XYZ-USD\",7],\"candles\":[\"BTC-USD\"]"));
  assert_int_equal(rig.out.answer_cnt, 1);
  answered(0, 0, 1, TF_CHANNEL_TRADE, false);
  feed_text(
      SUBSCRIPTIONS(2, "\"market_trades\":[\"ETH-USD\"],\"level2\":[\"BTC-USD\",\"ETH-USD\"]"));
  assert_int_equal(rig.out.answer_cnt, 2);
  answered(0, 0, 0, TF_CHANNEL_BOOK, false);
  answered(1, 0, 1, TF_CHANNEL_BOOK, false);
  feed_text(SUBSCRIPTIONS(3, "\"level2\":[\"BTC-USD\",\"ETH-USD\"]")); /* the trades ended */
  assert_int_equal(rig.out.answer_cnt, 1);
  answered(0, 0, 1, TF_CHANNEL_TRADE, false);
  feed_text(SUBSCRIPTIONS(4, "\"level2\":7,\"ticker\":{}"));
  assert_int_equal(rig.out.answer_cnt, 2);
  rig.feed->on_connect(rig.state, RECV_NS, &rig.out);
  feed_text(SUBSCRIPTIONS(0, "\"ticker\":[\"BTC-USD\"]"));
  assert_int_equal(rig.out.answer_cnt, 1);
  answered(0, 0, 0, TF_CHANNEL_TICKER, false);
  feed_text("{\"type\":\"error\",\"message\":\"no such product\"}");
  assert_int_equal(rig.out.answer_cnt, 1);
  answered(0, 0, UINT32_MAX, 0, true);
  check_ledger(&rig);
  stop(&rig);
}

static void coinbase_exchange_asks_a_channel_a_message_and_reads_lists(void **state) {
  (void)state;
  assert_int_equal(start_with(&rig, "coinbase-exchange", pairs_usd, 2, 7), TF_OK);
  assert_true(rig.feed->hello(rig.state, 0, text, sizeof text) > 0);
  assert_string_equal(text, "{\"type\":\"subscribe\",\"product_ids\":[\"BTC-USD\",\"ETH-USD\"],"
                            "\"channels\":[\"heartbeat\"]}");
  assert_int_equal(rig.feed->hello(rig.state, 1, text, sizeof text), 0);
  asks(TF_CHANNEL_BOOK, both, 2, false,
       "{\"type\":\"subscribe\",\"product_ids\":[\"BTC-USD\",\"ETH-USD\"],\"channels\":[\"level2_"
       "batch\"]}");
  asks(TF_CHANNEL_TRADE, second, 1, true,
       "{\"type\":\"unsubscribe\",\"product_ids\":[\"ETH-USD\"],\"channels\":[\"matches\"]}");
  asks(TF_CHANNEL_QUOTE, second, 1, false, "");
  feed_text("{\"type\":\"subscriptions\",\"channels\":[{\"name\":\"heartbeat\",\"product_ids\":["
            "\"BTC-USD\"]},"
            "{\"name\":\"level2_batch\",\"product_ids\":[\"ETH-USD\"]},7,{\"name\":\"matches\"},"
            "{\"product_ids\":[\"BTC-USD\"],\"name\":\"matches\",\"account_ids\":null}]}");
  assert_int_equal(rig.out.answer_cnt, 2);
  answered(0, 0, 0, TF_CHANNEL_TRADE, false);
  answered(1, 0, 1, TF_CHANNEL_BOOK, false);
  feed_text(
      "{\"type\":\"error\",\"message\":\"Failed to subscribe\",\"reason\":\"XYZ is not valid\"}");
  answered(0, 0, UINT32_MAX, 0, true);
  assert_string_equal(((tf_feed_head_t *)rig.state)->venue_error, "XYZ is not valid");
  feed_text("{\"type\":\"subscriptions\",\"channels\":{}}");
  feed_text("{\"type\":\"subscriptions\"}");
  check_ledger(&rig);
  stop(&rig);
}

static void a_list_of_more_than_fits_is_answered_in_parts(void **state) {
  (void)state;
  static char list[1 << 15];
  for (uint32_t i = 0; i < 300; i++) {
    snprintf(names[i], sizeof names[i], "S%u", i);
    symbols_of[i] = names[i];
  }
  begin_with(tf_feeds_find("coinbase"), symbols_of, 300, 0);
  for (uint32_t round = 0, left = 300; round < 3; round++) {
    int n = snprintf(
        list, sizeof list,
        "{\"channel\":\"subscriptions\",\"sequence_num\":%u,\"events\":[{\"subscriptions\":"
        "{\"ticker\":[",
        round);
    for (uint32_t i = 0; i < 300; i++)
      n += snprintf(list + n, sizeof list - (size_t)n, "%s\"S%u\"", i ? "," : "", i);
    snprintf(list + n, sizeof list - (size_t)n, "]}}]}");
    feed_text(list);
    assert_int_equal(rig.out.answer_cnt, left < TF_ANSWERS_MAX ? left : TF_ANSWERS_MAX);
    left -= rig.out.answer_cnt;
  }
  stop(&rig);
}

/* ---- Kraken ---- */

static void kraken_answers_name_their_symbol(void **state) {
  (void)state;
  static const char *const pairs[] = {"BTC/USD", "ETH/USD"};
  assert_int_equal(start_with(&rig, "kraken", pairs, 2, 7), TF_OK);
  assert_true(rig.feed->hello(rig.state, 0, text, sizeof text) > 0);
  assert_string_equal(
      text, "{\"method\":\"subscribe\",\"params\":{\"channel\":\"instrument\",\"snapshot\":true}}");
  assert_int_equal(rig.feed->hello(rig.state, 1, text, sizeof text), 0);
  asks(TF_CHANNEL_TRADE, both, 2, false,
       "{\"method\":\"subscribe\",\"params\":{\"channel\":\"trade\",\"symbol\":[\"BTC/USD\",\"ETH/"
       "USD\"],"
       "\"snapshot\":true},\"req_id\":7}");
  asks(TF_CHANNEL_QUOTE, second, 1, false,
       "{\"method\":\"subscribe\",\"params\":{\"channel\":\"ticker\",\"symbol\":[\"ETH/USD\"],"
       "\"event_trigger\":\"bbo\",\"snapshot\":true},\"req_id\":7}");
  feed_text("{\"method\":\"subscribe\",\"result\":{\"channel\":\"instrument\",\"snapshot\":true},"
            "\"success\":true}");
  assert_int_equal(rig.out.answer_cnt, 0);
  feed_text(
      "{\"method\":\"subscribe\",\"result\":{\"channel\":\"book\",\"depth\":25,\"snapshot\":true,"
      "\"symbol\":\"ETH/USD\"},\"success\":true,\"req_id\":7}");
  answered(0, 7, 1, TF_CHANNEL_BOOK, false);
  feed_text(
      "{\"method\":\"unsubscribe\",\"result\":{\"channel\":\"ticker\",\"symbol\":\"BTC/USD\"},"
      "\"success\":true,\"req_id\":8}");
  answered(0, 8, 0, TF_CHANNEL_QUOTE, false);
  feed_text(
      "{\"error\":\"Currency pair not supported NO/PE\",\"method\":\"subscribe\",\"req_id\":9,"
      "\"success\":false,\"symbol\":\"NO/PE\"}");
  answered(0, 9, UINT32_MAX, 0, true);
  feed_text("{\"error\":\"Already subscribed\",\"method\":\"subscribe\",\"success\":false,"
            "\"symbol\":\"BTC/USD\"}");
  answered(0, 0, 0, 0, true);
  feed_text("{\"method\":\"pong\",\"req_id\":101}");
  assert_int_equal(rig.out.answer_cnt, 0);
  check_ledger(&rig);
  stop(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_largest_request_of_every_venue_names_all_its_symbols),
      cmocka_unit_test(a_symbol_comes_later_where_there_is_room_for_it),
      cmocka_unit_test(binance_asks_by_streams_and_reads_ids),
      cmocka_unit_test(coinbase_asks_one_channel_a_message_heartbeats_first),
      cmocka_unit_test(coinbase_answers_are_what_its_list_has_more_or_less),
      cmocka_unit_test(coinbase_exchange_asks_a_channel_a_message_and_reads_lists),
      cmocka_unit_test(a_list_of_more_than_fits_is_answered_in_parts),
      cmocka_unit_test(kraken_answers_name_their_symbol),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
