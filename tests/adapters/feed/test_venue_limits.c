/* What every venue's descriptor says of its names, its streams and its pace, held to at the limit and one
 * beside it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_tf.h"
#include "core/error.h"
#include "feed/feeds.h"
#include "feed/shard.h"
#include "feed/streams.h"

static tf_instrument_t  rows[8];
static tf_instruments_t instruments = {.rows = rows, .cap = TF_ARRAY_CNT(rows)};

static tf_err_t init_with(const tf_feed_t *feed, const char *const *symbols, uint32_t cnt,
                          void **state) {
  memset(rows, 0, sizeof rows);
  instruments.cnt         = 0;
  tf_feed_config_t config = {.instruments = &instruments,
                             .symbols     = symbols,
                             .symbol_cnt  = cnt,
                             .symbols_max = TF_ARRAY_CNT(rows),
                             .channels    = 0xf};
  *state                  = aligned_alloc(64, tf_align_up(feed->state_bytes(feed, &config), 64));
  return feed->init(feed, *state, &config);
}

/* Names that the venues have, one of each form. */
static const struct {
  const char *venue, *names[7];
} known[] = {
    {"binance-spot",      {"BTCUSDT", "\xe5\xb8\x81\xe5\xae\x89USDT"}                              },
    {"binance-usdm",      {"BTCUSDT", "BTCUSDT_260327", "\xe5\xb8\x81USDT"}                        },
    {"binance-coinm",     {"BTCUSD_PERP", "BTCUSD_260327"}                                         },
    {"coinbase",          {"BTC-USD"}                                                              },
    {"coinbase-exchange", {"BTC-USD"}                                                              },
    {"kraken",            {"BTC/USD", "1INCH/EUR"}                                                 },
    {"okx",               {"BTC-USDT", "BTC-USD-SWAP", "BTC-USD_UM-SWAP", "BTC-USD-220304-32000-P"}},
    {"bybit",             {"BTCUSDT", "10000SATSUSDT"}                                             },
    {"bitget",            {"BTCUSDT", "BTCUSDT-FUTURES"}                                           },
    {"bitfinex",          {"BTCUSD", "DUSK:USD", "BTCF0:USTF0"}                                    },
    {"bitmex",            {"XBTUSD", "XBT_USDT", ".BXBT"}                                          },
    {"deribit",
     {"BTC-PERPETUAL", "SOL_USDC-PERPETUAL", "BTC-27MAR26-100000-C", "XRP_USDC-30JUN23-0d625-C"}   },
    {"gate",              {"BTC_USDT"}                                                             },
    {"gate-futures",      {"BTC_USDT"}                                                             },
    {"kucoin",            {"BTC-USDT"}                                                             },
    {"kucoin-futures",    {"XBTUSDTM"}                                                             },
    {"htx",               {"btcusdt"}                                                              },
    {"htx-swap",          {"BTC-USDT", "BTC-USDT-260327"}                                          },
    {"htx-swap-funding",  {"BTC-USDT"}                                                             },
    {"hyperliquid",       {"BTC", "kPEPE", "xyz:SP500", "@107", "PURR/USDC"}                       },
    {"cryptocom",         {"BTC_USDT", "BTCUSD-PERP", "BTCUSD-260327"}                             },
};

static void every_venue_takes_its_own_names(void **state) {
  (void)state;
  uint32_t cnt = 0;
  for (uint32_t v = 0; tf_feeds_all[v] != NULL; v++) cnt += tf_feed_is_dialed(tf_feeds_all[v]);
  assert_int_equal(cnt, TF_ARRAY_CNT(known));
  for (size_t v = 0; v < TF_ARRAY_CNT(known); v++) {
    const tf_feed_t *feed = tf_feeds_find(known[v].venue);
    void            *st;
    assert_non_null(feed);
    for (uint32_t i = 0; known[v].names[i] != NULL; i++) {
      assert_int_equal(tf_feeds_check_symbol(feed, known[v].names[i]), TF_OK);
      assert_int_equal(init_with(feed, &known[v].names[i], 1, &st), TF_OK);
      free(st);
    }
  }
}

static bool may_hold(const tf_feed_t *feed, char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         strchr(feed->symbol_chars, c) != NULL;
}

/* Nothing that ends a string, a path or a list of streams gets into a request. */
static void names_with_anything_else_are_refused_and_the_place_is_said(void **state) {
  (void)state;
  for (uint32_t v = 0; tf_feeds_all[v] != NULL; v++) {
    const tf_feed_t  *feed   = tf_feeds_all[v];
    char              name[] = "BTCx";
    const char *const good[] = {"BTC"}, *const bad[] = {name};
    void    *st;
    uint32_t symbol, id;
    if (!tf_feed_is_dialed(feed)) continue;
    assert_non_null(feed->symbol_chars);
    assert_null(strpbrk(feed->symbol_chars, "\"\\?&#%, {}[]"));
    for (char c = 0x21; c < 0x7f; c++) {
      name[3]           = c;
      tf_err_t expected = may_hold(feed, c) ? TF_OK : E_CONFIG_VALUE;
      assert_int_equal(tf_feeds_check_symbol(feed, name), expected);
      assert_int_equal(init_with(feed, bad, 1, &st), expected);
      if (expected != TF_OK && c != '"' && c != '\\')
        assert_non_null(strstr(tf_error_text(), "at character 4"));
      free(st);
      if (feed->symbol == NULL) continue;
      assert_int_equal(init_with(feed, good, 1, &st), TF_OK);
      assert_int_equal(feed->symbol(st, name, &symbol, &id), expected);
      assert_int_equal(instruments.cnt, expected == TF_OK ? 2 : 1);
      free(st);
    }
    bool is_wide = strchr(feed->symbol_chars, '\x80') != NULL;
    assert_int_equal(tf_feeds_check_symbol(feed, "BTC\xc3\xa9"), is_wide ? TF_OK : E_CONFIG_VALUE);
  }
}

/* As many symbols as fit a connection make one, one more makes two, by the venue's own count of streams. */
static void streams_a_connection_are_what_the_venue_counts(void **state) {
  (void)state;
  static tf_shard_t shards[TF_SHARDS_MAX];
  for (uint32_t v = 0; tf_feeds_all[v] != NULL; v++) {
    const tf_feed_t *feed = tf_feeds_all[v];
    uint32_t         max  = tf_shard_streams_max(feed, 0);
    if (max == 0) continue;
    for (uint32_t channels = 1; channels < 16; channels++) {
      uint32_t each = tf_feed_streams_of(feed, channels), most = max / each, cnt;
      for (uint32_t symbols = most - 1; symbols <= most + 1; symbols++) {
        assert_int_equal(tf_shard_plan(feed, channels, symbols, max, false, shards, &cnt), TF_OK);
        assert_int_equal(cnt, symbols <= most ? 1 : 2);
        for (uint32_t i = 0; i < cnt; i++) assert_true(shards[i].symbol_cnt * each <= max);
      }
    }
  }
}

/* Requests' streams, counted in their text: never more than the descriptor says, and that many of an
 * instrument that has them all. */
static uint32_t streams_asked_for(const char *venue, const char *symbol, uint32_t channel,
                                  const char *mark) {
  static char      text[4096];
  const tf_feed_t *feed  = tf_feeds_find(venue);
  uint32_t         first = 0, cnt = 0;
  void            *st;
  assert_int_equal(init_with(feed, &symbol, 1, &st), TF_OK);
  tf_feed_request_t request = {.channel = channel, .symbols = &first, .symbol_cnt = 1, .id = 1};
  assert_true(feed->request(st, &request, text, sizeof text) < sizeof text);
  for (const char *p = text; (p = strstr(p, mark)) != NULL; p += strlen(mark)) cnt++;
  free(st);
  return cnt;
}

static void tickers_of_several_streams_are_counted_as_they_are_sent(void **state) {
  (void)state;
  assert_int_equal(streams_asked_for("binance-usdm", "BTCUSDT", TF_CHANNEL_TICKER, "btcusdt@"), 2);
  assert_int_equal(
      tf_feed_streams_of(tf_feeds_find("binance-usdm"), TF_CHANNEL_TICKER | TF_CHANNEL_BOOK), 3);
  assert_int_equal(streams_asked_for("binance-spot", "BTCUSDT", TF_CHANNEL_TICKER, "btcusdt@"), 1);
  assert_int_equal(tf_feed_streams_of(tf_feeds_find("binance-spot"), TF_CHANNEL_TICKER), 1);
  /* with quotes the ticker's own stream is the quotes' */
  assert_int_equal(
      streams_asked_for("cryptocom", "BTCUSD-PERP", TF_CHANNEL_TICKER, ".BTCUSD-PERP\""), 2);
  assert_int_equal(
      streams_asked_for("cryptocom", "BTCUSD-PERP", TF_CHANNEL_QUOTE, ".BTCUSD-PERP\""), 1);
  assert_int_equal(tf_feed_streams_of(tf_feeds_find("cryptocom"), TF_CHANNEL_TICKER), 3);
}

/* ---- requests: symbols of one, and their pace ---- */

#define SYMBOLS_MAX 1024u

static struct {
  const tf_feed_t *feed;
  uint32_t         largest, sent_cnt;
} asked;

static size_t note_request(const void *state, const tf_feed_request_t *request, char *buf,
                           size_t cap) {
  (void)state;
  if (request->symbol_cnt > asked.largest) asked.largest = request->symbol_cnt;
  return (size_t)snprintf(buf, cap, "a request");
}

static bool take(void *self, const char *text, size_t cnt) {
  (void)self;
  assert_true(cnt == strlen(text));
  asked.sent_cnt++;
  return true;
}

/* The venue's limits around a request that only counts. */
static void symbols_of_a_request_are_as_many_as_the_venue_takes(void **state) {
  (void)state;
  for (uint32_t v = 0; tf_feeds_all[v] != NULL; v++) {
    if (tf_feeds_all[v]->request == NULL) continue;
    uint32_t max =
        tf_feeds_all[v]->symbols_per_request_max ? tf_feeds_all[v]->symbols_per_request_max : 1;
    for (uint32_t symbols = max == 1 ? 1 : max - 1; symbols <= max + 1; symbols++) {
      tf_feed_t           feed   = *tf_feeds_all[v];
      tf_arena_t          arena  = {0};
      tf_streams_config_t config = {
          .feed           = &feed,
          .symbol_cap     = SYMBOLS_MAX,
          .instrument_cap = SYMBOLS_MAX,
          .port           = {NULL, take, NULL}
      };
      static tf_streams_t streams;
      char                text[256];
      feed.request = note_request;
      feed.hello   = NULL;
      memset(&asked, 0, sizeof asked);
      assert_int_equal(tf_arena_init(&arena, "streams", tf_streams_arena_bytes(&config)), TF_OK);
      assert_int_equal(tf_streams_init(&streams, &config, &arena), TF_OK);
      for (uint32_t i = 0; i < symbols; i++) tf_streams_want(&streams, i, i, TF_CHANNEL_TRADE, 1);
      tf_streams_restart(&streams);
      for (int pass = 0; pass < 4; pass++) tf_streams_tick(&streams, TF_NS_PER_SEC, text, 256);
      assert_int_equal(asked.largest, symbols < max ? symbols : max);
      assert_int_equal(asked.sent_cnt, symbols <= max ? 1 : 2);
      tf_arena_fini(&arena);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_venue_takes_its_own_names),
      cmocka_unit_test(names_with_anything_else_are_refused_and_the_place_is_said),
      cmocka_unit_test(streams_a_connection_are_what_the_venue_counts),
      cmocka_unit_test(tickers_of_several_streams_are_counted_as_they_are_sent),
      cmocka_unit_test(symbols_of_a_request_are_as_many_as_the_venue_takes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
