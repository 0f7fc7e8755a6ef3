/* The logins of venues that have channels for who has a key: their text (the signatures are Python's hmac's), when
 * they hold subscriptions back, and what a refusal leaves. tests/e2e/test_login.py is the same over sockets. */
#include "feed_rig.h"

#include "core/error.h"
#include "feed/streams.h"

#define CONNECTED_NS UINT64_C(1700000000500000000)

static const tf_feed_key_t key = {
    .id = "kq7id8zz41", .secret = "s3cret/of+nobody=", .passphrase = "px93phrase"};
static char text[4096];

static tf_err_t start_keyed(const char *venue, const char *symbol, uint32_t depth,
                            const tf_feed_key_t *with) {
  memset(&rig, 0, sizeof rig);
  rig.feed             = tf_feeds_find(venue);
  rig.instruments.cap  = 4;
  rig.instruments.rows = calloc(4, sizeof(tf_instrument_t));
  rig.out = (tf_feed_out_t){.events = rig.events, .event_cap = EVENT_CAP, .counts = &rig.counts};
  tf_feed_config_t config = {.instruments = &rig.instruments,
                             .symbols     = &symbol,
                             .symbol_cnt  = 1,
                             .channels    = 7,
                             .book_depth  = depth,
                             .key         = with};
  rig.state    = aligned_alloc(64, tf_align_up(rig.feed->state_bytes(rig.feed, &config), 64));
  tf_err_t err = rig.feed->init(rig.feed, rig.state, &config);
  if (err == TF_OK) rig.feed->on_connect(rig.state, CONNECTED_NS, &rig.out);
  rig.out.event_cnt = 0;
  return err;
}

static size_t hello(uint32_t idx) { return rig.feed->hello(rig.state, idx, text, sizeof text); }

static const tf_feed_head_t *head(void) { return rig.state; }

static void okx_signs_time_and_path(void **state) {
  (void)state;
  static const char *const login =
      "{\"op\":\"login\",\"args\":[{\"apiKey\":\"kq7id8zz41\",\"passphrase\":\"px93phrase\","
      "\"timestamp\":\"1700000000\",\"sign\":\"wwBa/uot0zHgk0XMLP4oFIWcbIBx7QqqJ1tNNnvqjgs=\"}]}";
  assert_int_equal(start_keyed("okx", "BTC-USDT", 0, &key), TF_OK);
  assert_int_equal(hello(0), strlen(login));
  assert_string_equal(text, login);
  assert_true(hello(1) == TF_FEED_HELLO_WAIT);
  assert_int_equal(feed_text("{\"event\":\"login\",\"code\":\"0\",\"msg\":\"\",\"connId\":\"a\"}"),
                   TF_VERDICT_CONTROL);
  assert_int_equal(rig.out.answer_cnt, 0); /* to no request */
  assert_int_equal(hello(1), 0);
  rig.feed->on_connect(rig.state, CONNECTED_NS, &rig.out); /* another connection, another login */
  assert_true(hello(1) == TF_FEED_HELLO_WAIT);
  stop(&rig);
}

static void okx_refusal_is_kept_and_holds_nothing_back(void **state) {
  (void)state;
  assert_int_equal(start_keyed("okx", "BTC-USDT", 0, &key), TF_OK);
  hello(0);
  feed_text("{\"event\":\"error\",\"code\":\"60009\",\"msg\":\"Login failed.\",\"connId\":\"a\"}");
  assert_string_equal(head()->venue_error, "Login failed.");
  assert_int_equal(rig.out.answer_cnt, 0);
  assert_int_equal(hello(1), 0);
  feed_text("{\"event\":\"error\",\"id\":\"7\",\"code\":\"60011\",\"msg\":\"Please log in\"}");
  assert_int_equal(rig.out.answer_cnt, 1);
  assert_true(rig.out.answers[0].is_refusal);
  stop(&rig);
}

static bool asks_for(uint32_t channel, const char *what) {
  uint32_t first = 0;
  rig.feed->request(rig.state, &(tf_feed_request_t){false, channel, &first, 1, 7}, text,
                    sizeof text);
  return strstr(text, what) != NULL;
}

static void books_of_who_has_a_key_are_others(void **state) {
  (void)state;
  static const struct {
    uint32_t    depth;
    bool        has_key;
    const char *channel;
  } rows[] = {
      {0,   false, "\"books\""         },
      {400, false, "\"books\""         },
      {5,   false, "\"books5\""        },
      {0,   true,  "\"books-l2-tbt\""  },
      {400, true,  "\"books-l2-tbt\""  },
      {50,  true,  "\"books50-l2-tbt\""},
      {5,   true,  "\"books5\""        },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    assert_int_equal(start_keyed("okx", "BTC-USDT", rows[i].depth, rows[i].has_key ? &key : NULL),
                     TF_OK);
    assert_true(asks_for(TF_CHANNEL_BOOK, rows[i].channel));
    assert_true(asks_for(TF_CHANNEL_TRADE, "\"trades\""));
    stop(&rig);
  }
  assert_int_equal(start_keyed("okx", "BTC-USDT", 50, NULL), E_FEED_KEY);
  stop(&rig);
  tf_feed_key_t half = key;
  half.passphrase[0] = '\0';
  assert_int_equal(start_keyed("okx", "BTC-USDT", 0, &half), E_FEED_KEY);
  assert_non_null(strstr(tf_error_text(), "no passphrase"));
  stop(&rig);
}

static void deribit_signs_time_nonce_and_nothing(void **state) {
  (void)state;
  static const char *const login =
      "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"public/auth\",\"params\":{\"grant_type\":"
      "\"client_signature\",\"client_id\":\"kq7id8zz41\",\"timestamp\":1700000000500,\"nonce\":"
      "\"1700000000500\",\"data\":\"\",\"signature\":"
      "\"e7eee5005ae7e45932440fcd8f821aa986b6c9ad3ad8af6c021a6ea06dc7526e\"}}";
  static const char *const answers[] = {
      "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{\"access_token\":\"x\",\"expires_in\":900}}",
      "{\"jsonrpc\":\"2.0\",\"id\":3,\"error\":{\"code\":13004,\"message\":\"invalid_credentials\"}"
      "}"};
  for (size_t i = 0; i < TF_ARRAY_CNT(answers); i++) {
    assert_int_equal(start_keyed("deribit", "BTC-PERPETUAL", 0, &key), TF_OK);
    assert_true(hello(0) > 0 && strstr(text, "set_heartbeat") != NULL);
    assert_int_equal(hello(1), strlen(login));
    assert_string_equal(text, login);
    assert_true(hello(2) == TF_FEED_HELLO_WAIT);
    assert_int_equal(feed_text("{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":\"ok\"}"),
                     TF_VERDICT_CONTROL);
    assert_true(hello(2) == TF_FEED_HELLO_WAIT);
    assert_int_equal(feed_text(answers[i]), TF_VERDICT_CONTROL);
    assert_int_equal(hello(2), 0);
    assert_int_equal(rig.out.answer_cnt, 0);
    assert_string_equal(head()->venue_error, i == 0 ? "" : "invalid_credentials");
    assert_true(asks_for(TF_CHANNEL_BOOK, "\"book.BTC-PERPETUAL.raw\""));
    assert_true(asks_for(TF_CHANNEL_TRADE, "\"trades.BTC-PERPETUAL.raw\""));
    stop(&rig);
  }
  assert_int_equal(start_keyed("deribit", "BTC-PERPETUAL", 0, NULL), TF_OK);
  assert_int_equal(hello(1), 0);
  assert_true(asks_for(TF_CHANNEL_BOOK, "\"book.BTC-PERPETUAL.100ms\""));
  stop(&rig);
}

/* A raw channel's messages are those of the others. */
static void deribit_raw_messages_are_read(void **state) {
  (void)state;
  assert_int_equal(start_keyed("deribit", "BTC-PERPETUAL", 0, &key), TF_OK);
  assert_int_equal(
      feed_text("{\"jsonrpc\":\"2.0\",\"method\":\"subscription\",\"params\":{\"channel\":"
                "\"book.BTC-PERPETUAL.raw\",\"data\":{\"type\":\"snapshot\",\"timestamp\":"
                "1700000000600,\"change_id\":7,\"instrument_name\":\"BTC-PERPETUAL\",\"bids\":"
                "[[\"new\",100.0,2.0]],\"asks\":[[\"new\",101.0,1.0]]}}}"),
      TF_VERDICT_DATA);
  assert_int_equal(rig.counts.events[TF_EVENT_BOOK], 2);
  stop(&rig);
}

static uint32_t sent_cnt;

static bool count_sent(void *self, const char *bytes, size_t cnt) {
  (void)self;
  assert_true(strlen(bytes) == cnt);
  sent_cnt++;
  return true;
}

/* A venue that never answers a login delays what needs none by ten seconds and no more. */
static void login_without_an_answer_is_waited_for_ten_seconds(void **state) {
  (void)state;
  static tf_streams_t streams;
  tf_arena_t          arena;
  assert_int_equal(start_keyed("okx", "BTC-USDT", 0, &key), TF_OK);
  tf_streams_config_t config = {
      .feed           = rig.feed,
      .feed_state     = rig.state,
      .symbol_cap     = 4,
      .instrument_cap = 4,
      .port           = {NULL, count_sent, NULL}
  };
  assert_int_equal(tf_arena_init(&arena, "streams", tf_streams_arena_bytes(&config)), TF_OK);
  assert_int_equal(tf_streams_init(&streams, &config, &arena), TF_OK);
  tf_streams_want(&streams, 0, 0, TF_CHANNEL_BOOK, 1);
  tf_streams_restart(&streams);
  uint64_t from_ns = 5 * TF_NS_PER_SEC;
  sent_cnt         = 0;
  tf_streams_tick(&streams, from_ns, text, sizeof text);
  assert_int_equal(sent_cnt, 1); /* the login */
  tf_streams_tick(&streams, from_ns + TF_STREAMS_FIRST_DATA_NS - 1, text, sizeof text);
  assert_int_equal(sent_cnt, 1);
  tf_streams_tick(&streams, from_ns + TF_STREAMS_FIRST_DATA_NS, text, sizeof text);
  assert_int_equal(sent_cnt, 2);
  tf_arena_fini(&arena);
  stop(&rig);
}

/* A key that no channel would use is a mistake of the config, which `check` finds by this. */
static void venues_say_what_a_key_is_for(void **state) {
  (void)state;
  uint32_t cnt = 0;
  for (uint32_t v = 0; tf_feeds_all[v] != NULL; v++) {
    const tf_feed_t *feed = tf_feeds_all[v];
    cnt += feed->key_channels != NULL;
    assert_true(feed->key_channels == NULL || strlen(feed->key_channels) > 0);
  }
  assert_int_equal(cnt, 3); /* coinbase-exchange, deribit, okx */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(okx_signs_time_and_path),
      cmocka_unit_test(okx_refusal_is_kept_and_holds_nothing_back),
      cmocka_unit_test(books_of_who_has_a_key_are_others),
      cmocka_unit_test(deribit_signs_time_nonce_and_nothing),
      cmocka_unit_test(deribit_raw_messages_are_read),
      cmocka_unit_test(login_without_an_answer_is_waited_for_ten_seconds),
      cmocka_unit_test(venues_say_what_a_key_is_for),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
