/* What the recordings and their decoders cannot say of Gate, KuCoin, HTX and Hyperliquid: refusals by their
 * reason, what is sent and answered, tokens and names, limits. */
#include <zlib.h>

#include "feed/htx.h"
#include "feed_rig.h"

static const tf_event_t *newest(void) {
  assert_true(rig.out.event_cnt > 0);
  return &rig.out.events[rig.out.event_cnt - 1];
}
static uint64_t rejected_cnt(void) {
  uint64_t cnt = 0;
  for (int i = 0; i < TF_REJECT_CNT; i++) cnt += rig.counts.rejected[i];
  return cnt;
}
static void start_all(const char *venue) {
  assert_int_equal(start_with(&rig, venue, NULL, 0, 15), TF_OK);
}

#define GATE_BOOK(U, u)                                                                            \
  "{\"time\":1,\"channel\":\"spot.order_book_update\",\"event\":\"update\",\"result\":{\"t\":1,"   \
  "\"s\":\"BTC_USDT\",\"U\":" #U ",\"u\":" #u ",\"b\":[[\"5\",\"1\"]],\"a\":[]}}"
#define KUCOIN_BOOK(first, last)                                                                   \
  "{\"type\":\"message\",\"topic\":\"/market/level2:BTC-USDT\",\"subject\":\"trade.l2update\","    \
  "\"data\":{\"sequenceStart\":" #first ",\"sequenceEnd\":" #last                                  \
  ",\"symbol\":\"BTC-USDT\",\"changes\":{\"asks\":[[\"6\",\"1\",\"1\"]],\"bids\":[]}}}"
#define HTX_BOOK(previous, last)                                                                   \
  "{\"ch\":\"market.btcusdt.mbp.150\",\"ts\":1,\"tick\":{\"seqNum\":" #last                        \
  ",\"prevSeqNum\":" #previous ",\"bids\":[[5.0,1]]}}"

static void refused_messages_publish_nothing_and_say_why(void **state) {
  (void)state;
  static const struct {
    const char *venue;
    tf_reject_t why;
    const char *text;
  } rows[] = {
      {"gate",                                                             TF_REJECT_SYNTAX,         "{\"time\":1,"                                              },
      {"gate",                                                             TF_REJECT_UNKNOWN,        "[]"                                                        },
      {"gate",                                                             TF_REJECT_UNKNOWN,        "{\"time\":1}"                                              },
      {"gate",                                                             TF_REJECT_UNKNOWN,        "{\"method\":\"trades.update\",\"params\":[]}"              }, /* version 3 */
      {"gate",                                                             TF_REJECT_UNKNOWN,        "{\"channel\":\"futures.trades\",\"event\":\"update\"}"     },
      {"gate",                                                             TF_REJECT_UNKNOWN,        "{\"channel\":\"spot.nothing\",\"event\":\"update\"}"       },
      {"gate",                                                             TF_REJECT_SCHEMA,         GATE_BOOK(9,                                                  8)},
      {"gate",                                                                  TF_REJECT_SCHEMA,                                                                                     GATE_BOOK(0,                                                                8)},
      {"gate",                                                                TF_REJECT_SCHEMA,
       "{\"channel\":\"spot.trades\",\"event\":\"update\",\"result\":{\"id\":1,\"side\":\"hold\","
       "\"currency_pair\":\"A_B\",\"amount\":\"1\",\"price\":\"1\"}}"                                                                               },
      {"gate",     TF_REJECT_NUMBER,
       "{\"channel\":\"spot.trades\",\"event\":\"update\",\"result\":{\"id\":1,\"side\":\"buy\","
       "\"currency_pair\":\"A_B\",\"amount\":\"-1\",\"price\":\"1\"}}"    },
      {"gate",    TF_REJECT_NUMBER,
       "{\"channel\":\"spot.trades\",\"event\":\"update\",\"result\":{\"id\":1,\"side\":\"buy\","
       "\"currency_pair\":\"A_B\",\"amount\":\"1e400\",\"price\":\"1\"}}"                                                                              },
      {"gate-futures", TF_REJECT_SCHEMA,
       "{\"channel\":\"futures.trades\",\"event\":\"update\",\"result\":[{\"id\":1,\"size\":[],"
       "\"contract\":\"A_B\",\"price\":\"1\"}]}"},
      {"gate-futures",                          TF_REJECT_NUMBER,
       "{\"channel\":\"futures.order_book_update\",\"event\":\"update\",\"result\":{\"s\":\"A_B\","
       "\"U\":1,\"u\":1,\"b\":[{\"p\":\"-1\",\"s\":3}],\"a\":[]}}"                                                                                                       },
      {"gate-futures",        TF_REJECT_SCHEMA,
       "{\"channel\":\"futures.order_book_update\",\"event\":\"update\",\"result\":{\"s\":\"A_B\","
       "\"U\":1,\"u\":1,\"b\":[[\"1\",3]],\"a\":[]}}"},
      {"kucoin",                     TF_REJECT_UNKNOWN,                                             "{\"type\":\"message\",\"topic\":\"/market/news:A-B\"}"                                                                                                                          },
      {"kucoin",           TF_REJECT_UNKNOWN,"{\"T\":\"kline.SPOT\",\"d\":{}}"},
      {"kucoin",                                 TF_REJECT_SCHEMA,                                                                   KUCOIN_BOOK(7,                                                                                                                                                                                                       6)},
      {"kucoin",                                                     TF_REJECT_NUMBER,         KUCOIN_BOOK(7,18446744073709551616)},
      {"kucoin",TF_REJECT_INSTRUMENT,
       "{\"type\":\"message\",\"topic\":\"/market/"
       "match:\",\"subject\":\"x\",\"data\":{\"price\":\"1\","
       "\"size\":\"1\",\"side\":\"buy\",\"tradeId\":\"7\",\"time\":\"1\"}}"                                                                                                                                                                         },
      {"kucoin-futures",                                                           TF_REJECT_NUMBER,
       "{\"type\":\"message\",\"topic\":\"/contractMarket/level2:X\",\"data\":{\"sequence\":1,"
       "\"change\":\"1.5.5,buy,1\",\"timestamp\":1}}"                                                                                      },
      {"kucoin-futures",                                                   TF_REJECT_SCHEMA,
       "{\"type\":\"message\",\"topic\":\"/contractMarket/level2:X\",\"data\":{\"sequence\":1,"
       "\"change\":\"1.5,hold,1\",\"timestamp\":1}}"                                                                                                            },
      {"kucoin-futures",                                                   TF_REJECT_SCHEMA,
       "{\"type\":\"message\",\"topic\":\"/contractMarket/level2:X\",\"data\":{\"sequence\":1,"
       "\"change\":\"\",\"timestamp\":1}}"                                                                                                             },
      {"htx",                                                   TF_REJECT_UNKNOWN,         "{\"ts\":1}"                                                                                                                       },
      {"htx",                                                              TF_REJECT_UNKNOWN,                   "{\"ch\":\"market.btcusdt.weather\",\"tick\":{}}"                                                          },
      {"htx",                                                              TF_REJECT_UNKNOWN,
       "{\"op\":\"notify\",\"topic\":\"public.X.liquidation\",\"data\":[]}"},
      {"htx",                                                              TF_REJECT_SCHEMA,        HTX_BOOK(8,                                                                                       7)},
      {"htx-swap",                                                              TF_REJECT_SCHEMA,
       "{\"ch\":\"market.X.bbo\",\"tick\":{\"bid\":[1],\"ask\":[2,3],\"ts\":1}}"                                                   },
      {"htx-swap",                                                                  TF_REJECT_NUMBER,
       "{\"ch\":\"market.X.bbo\",\"tick\":{\"bid\":[-1,1],\"ask\":[2,3],\"ts\":1}}"                                                               },
      {"hyperliquid",                                                                  TF_REJECT_UNKNOWN,                                                                                 "{\"channel\":\"weather\"}"        },
      {"hyperliquid",                                                                  TF_REJECT_SCHEMA,
       "{\"channel\":\"l2Book\",\"data\":{\"coin\":\"BTC\",\"time\":1,\"levels\":[[],[],[]]}}"},
      {"hyperliquid",                                                                  TF_REJECT_SCHEMA,
       "{\"channel\":\"l2Book\",\"data\":{\"coin\":\"BTC\",\"time\":1,\"levels\":[[]]}}"                                                },
      {"hyperliquid",                                                                  TF_REJECT_SCHEMA,
       "{\"channel\":\"l2Book\",\"data\":{\"coin\":\"BTC\",\"time\":1,\"levels\":[[{\"px\":\"1\"}],"
       "[]]}}"                                                                },
      {"hyperliquid",                                                                  TF_REJECT_SCHEMA,
       "{\"channel\":\"bbo\",\"data\":{\"coin\":\"BTC\",\"time\":1,\"bbo\":[[{\"px\":\"1\",\"sz\":"
       "\"1\"},"
       "{\"px\":\"2\",\"sz\":\"1\"}],null]}}"        },
      {"hyperliquid",                                                                  TF_REJECT_SCHEMA,
       "{\"channel\":\"trades\",\"data\":[{\"coin\":\"BTC\",\"side\":\"C\",\"px\":\"1\",\"sz\":"
       "\"1\","
       "\"time\":1,\"tid\":1}]}"},
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    start_all(rows[i].venue);
    if (feed_text(rows[i].text) != TF_VERDICT_REJECTED || rig.counts.rejected[rows[i].why] != 1)
      print_error("row %zu, %s: %s\n", i, rows[i].venue, rows[i].text);
    assert_int_equal(rig.counts.rejected[rows[i].why], 1);
    assert_int_equal(rejected_cnt(), 1);
    for (uint32_t k = 0; k < rig.out.event_cnt; k++)
      assert_int_equal(rig.events[k].kind, TF_EVENT_STATUS);
    check_ledger(&rig);
    stop(&rig);
  }
}

/* ---- what is sent ---- */

static void requests_are_spelled_as_the_venue_wants_them(void **state) {
  (void)state;
  static const char *const pairs[][2] = {
      {"BTC_USDT", "ETH_USDT"},
      {"btc-usdt", "eth-usdt"},
      {"BTCUSDT",  "ETHUSDT" },
      {"BTC-USDT", "ETH-USDT"},
      {"kPEPE",    "BTC"     },
      {"XBTUSDTM", "ETHUSDTM"}
  };
  static const struct {
    const char *venue;
    uint32_t    pair, channel;
    const char *text;
  } rows[] = {
      {"gate",             0, TF_CHANNEL_BOOK,
       "{\"time\":1723161255,\"id\":7,\"channel\":\"spot.order_book_update\",\"event\":"
       "\"subscribe\","
       "\"payload\":[\"BTC_USDT\",\"100ms\"]}"                                                           },
      {"gate",             0, TF_CHANNEL_QUOTE,
       "{\"time\":1723161255,\"id\":7,\"channel\":\"spot.book_ticker\",\"event\":\"subscribe\","
       "\"payload\":[\"BTC_USDT\"]}"                                                                     },
      {"gate-futures",     0, TF_CHANNEL_BOOK,
       "{\"time\":1723161255,\"id\":7,\"channel\":\"futures.order_book_update\",\"event\":"
       "\"subscribe\",\"payload\":[\"BTC_USDT\",\"100ms\",\"100\"]}"                                     },
      {"kucoin",           1, TF_CHANNEL_TRADE,
       "{\"id\":\"7\",\"type\":\"subscribe\",\"topic\":\"/market/match:BTC-USDT,ETH-USDT\","
       "\"privateChannel\":false,\"response\":true}"                                                     },
      {"kucoin-futures",   5, TF_CHANNEL_TICKER,
       "{\"id\":\"7\",\"type\":\"subscribe\",\"topic\":\"/contract/instrument:XBTUSDTM,ETHUSDTM\","
       "\"privateChannel\":false,\"response\":true}"                                                     },
      {"htx",              2, TF_CHANNEL_BOOK,   "{\"sub\":\"market.btcusdt.mbp.150\",\"id\":\"7\"}"     },
      {"htx",              2, TF_CHANNEL_TRADE,  "{\"sub\":\"market.btcusdt.trade.detail\",\"id\":\"7\"}"},
      {"htx-swap",         3, TF_CHANNEL_BOOK,
       "{\"sub\":\"market.BTC-USDT.depth.size_150.high_freq\",\"data_type\":\"incremental\","
       "\"id\":\"7\"}"                                                                                   },
      {"htx-swap-funding", 3, TF_CHANNEL_TICKER,
       "{\"op\":\"sub\",\"cid\":\"7\",\"topic\":\"public.BTC-USDT.funding_rate\"}"                       },
      {"hyperliquid",      4, TF_CHANNEL_TICKER,
       "{\"method\":\"subscribe\",\"subscription\":{\"type\":\"activeAssetCtx\",\"coin\":\"kPEPE\"}"
       "}"                                                                                               },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    uint32_t symbols[2] = {0, 1};
    char     text[512];
    assert_int_equal(start_with(&rig, rows[i].venue, pairs[rows[i].pair], 2, 15), TF_OK);
    rig.feed->on_connect(rig.state, RECV_NS, &rig.out);
    uint32_t          most    = rig.feed->symbols_per_request_max;
    tf_feed_request_t request = {
        .channel = rows[i].channel, .symbols = symbols, .symbol_cnt = most > 1 ? 2 : 1, .id = 7};
    size_t cnt = rig.feed->request(rig.state, &request, text, sizeof text);
    assert_int_equal(cnt, strlen(rows[i].text));
    assert_string_equal(text, rows[i].text);
    assert_int_equal(rig.feed->request(rig.state, &request, text, 8), cnt); /* what is needed */
    request.unsubscribe = true;
    rig.feed->request(rig.state, &request, text, sizeof text);
    assert_non_null(strstr(text, "unsub"));
    stop(&rig);
  }
}

static void answers_name_the_request_and_keep_the_complaint(void **state) {
  (void)state;
  static const struct {
    const char *venue, *text, *complaint;
    uint64_t    id;
  } rows[] = {
      {"gate",
       "{\"time\":1,\"id\":9,\"channel\":\"spot.trades\",\"event\":\"subscribe\",\"error\":null,"
       "\"result\":{\"status\":\"success\"}}",                                                               NULL,            9},
      {"gate",
       "{\"time\":1,\"channel\":\"spot.trades\",\"event\":\"subscribe\",\"error\":{\"code\":2,"
       "\"message\":\"unknown pair\"},\"result\":{\"status\":\"fail\"}}",                                    "unknown pair",  0},
      {"kucoin",           "{\"id\":\"9\",\"type\":\"ack\"}",                                                NULL,            9},
      {"kucoin",           "{\"id\":\"9\",\"type\":\"error\",\"code\":404,\"data\":\"topic is not found\"}",
       "topic is not found",                                                                                                  9},
      {"htx-swap-funding",
       "{\"op\":\"sub\",\"cid\":\"9\",\"topic\":\"public.BTC-USDT.funding_rate\",\"ts\":1,\"err-"
       "code\":0}",                                                                                          NULL,            9},
      {"htx-swap-funding",
       "{\"op\":\"sub\",\"cid\":\"9\",\"topic\":\"public.X.funding_rate\",\"ts\":1,\"err-code\":"
       "2012,\"err-msg\":\"invalid topic\"}",                                                                "invalid topic", 9},
      {"htx",              "{\"id\":\"9\",\"status\":\"ok\",\"subbed\":\"market.btcusdt.bbo\",\"ts\":1}",    NULL,
       9                                                                                                                       },
      {"htx",
       "{\"status\":\"error\",\"id\":\"9\",\"err-code\":\"bad-request\",\"err-msg\":\"invalid "
       "topic\"}",                                                                                           "invalid topic", 9},
      {"hyperliquid",
       "{\"channel\":\"subscriptionResponse\",\"data\":{\"method\":\"subscribe\",\"subscription\":{"
       "}}}",                                                                                                NULL,            0},
      {"hyperliquid",      "{\"channel\":\"error\",\"data\":\"Already subscribed: x\"}",
       "Already subscribed: x",                                                                                               0},
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    start_all(rows[i].venue);
    assert_int_equal(feed_text(rows[i].text), TF_VERDICT_CONTROL);
    assert_int_equal(rig.out.answer_cnt, 1);
    assert_int_equal(rig.out.answers[0].request_id, rows[i].id);
    assert_int_equal(rig.out.answers[0].is_refusal, rows[i].complaint != NULL);
    const tf_feed_head_t *head = rig.state;
    assert_int_equal(head->venue_error_cnt, rows[i].complaint != NULL);
    if (rows[i].complaint != NULL) assert_string_equal(head->venue_error, rows[i].complaint);
    stop(&rig);
  }
}

/* ---- KuCoin ---- */

static void kucoin_connects_with_the_token_that_it_was_given(void **state) {
  (void)state;
  char text[1024];
  start_all("kucoin");
  assert_string_equal(rig.feed->tickets[0].target, "/api/v1/bullet-public");
  assert_null(rig.feed->tickets[0].body);
  assert_null(rig.feed->tickets[1].target);
  assert_int_equal(feed_rest("/api/v1/bullet-public",
                             "{\"code\":\"200000\",\"data\":{\"token\":\"a+b/c=\\u0021\"}}"),
                   TF_VERDICT_CONTROL);
  rig.feed->ws_target(rig.state, text, sizeof text);
  assert_string_equal(text, "/?token=a%2Bb%2Fc%3D%21");
  static const char *const bad[] = {
      "{}", "{\"data\":{}}", "{\"data\":{\"token\":7}}", "[]", "", "{\"data\":{\"token\":\"\"}}"};
  for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++)
    assert_int_equal(feed_rest("/api/v1/bullet-public", bad[i]), TF_VERDICT_REJECTED);
  check_ledger(&rig);
  stop(&rig);
}

static void kucoin_token_fits_to_the_byte(void **state) {
  (void)state;
  for (size_t cnt = 510; cnt <= 512; cnt++) {
    char token[600] = {0}, answer[700], text[2048];
    memset(token, 'x', cnt);
    snprintf(answer, sizeof answer, "{\"data\":{\"token\":\"%s\"}}", token);
    start_all("kucoin");
    assert_int_equal(feed_rest("/api/v1/bullet-public", answer),
                     cnt <= 511 ? TF_VERDICT_CONTROL : TF_VERDICT_REJECTED);
    rig.feed->ws_target(rig.state, text, sizeof text);
    assert_int_equal(strlen(text), strlen("/?token=") + (cnt <= 511 ? cnt : 0));
    stop(&rig);
  }
}

static void kucoin_price_of_zero_only_uses_up_a_number(void **state) {
  (void)state;
  start_all("kucoin");
  feed_text(KUCOIN_BOOK(10, 10));
  feed_text(
      "{\"type\":\"message\",\"topic\":\"/market/level2:BTC-USDT\",\"subject\":\"x\",\"data\":{"
      "\"sequenceStart\":11,\"sequenceEnd\":11,\"changes\":{\"asks\":[[\"0\",\"0\",\"11\"]],"
      "\"bids\":[]}}}");
  assert_int_equal(rig.out.event_cnt, 0);
  feed_text(KUCOIN_BOOK(12, 12));
  assert_int_equal(rig.counts.gaps, 0);
  assert_int_equal(newest()->u.level.venue_seq, 12);
  stop(&rig);
}

/* ---- HTX ---- */

static tf_verdict_t feed_packed(const char *text, size_t cnt) {
  static uint8_t packed[1 << 16];
  z_stream       z = {0};
  assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  z.next_in   = (Bytef *)(uintptr_t)text;
  z.avail_in  = (uInt)cnt;
  z.next_out  = packed;
  z.avail_out = sizeof packed;
  assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
  deflateEnd(&z);
  return feed_bytes(&rig, (const char *)packed, z.total_out, TF_FRAME_BINARY, NULL);
}

static void htx_pings_go_back_as_they_came(void **state) {
  (void)state;
  static const char *const rows[][2] = {
      {"{\"ping\":1618678073643}",                   "{\"pong\":1618678073643}"                  },
      {"{\"op\":\"ping\",\"ts\":\"1618678073643\"}", "{\"op\":\"pong\",\"ts\":\"1618678073643\"}"},
      {"{\"op\":\"ping\",\"ts\":1618678073643}",     "{\"op\":\"pong\",\"ts\":1618678073643}"    },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    start_all("htx");
    assert_int_equal(feed_packed(rows[i][0], strlen(rows[i][0])), TF_VERDICT_CONTROL);
    assert_int_equal(rig.out.reply_bytes_cnt, strlen(rows[i][1]));
    assert_string_equal(rig.out.reply, rows[i][1]);
    stop(&rig);
  }
}

/* Of a connection whose messages wait to be decoded. */
static void echoes_leave_no_trace(void **state) {
  (void)state;
  static const struct {
    const char *venue, *message, *echo; /* "": none */
  } rows[] = {
      {"htx",       "{\"ping\":1618678073643}",                                                 "{\"pong\":1618678073643}"                                               },
      {"htx-swap",  "{\"op\":\"ping\",\"ts\":\"7\"}",                                           "{\"op\":\"pong\",\"ts\":\"7\"}"                                         },
      {"htx",       "{\"ping\":[]}",                                                            ""                                                                       },
      {"htx",       "{\"id\":\"7\",\"status\":\"ok\",\"subbed\":\"market.btcusdt.bbo\"}",       ""                                                                       },
      {"htx",       "{\"ping\":",                                                               ""                                                                       },
      {"htx",       "",                                                                         ""                                                                       },
      {"deribit",
       "{\"jsonrpc\":\"2.0\",\"method\":\"heartbeat\",\"params\":{\"type\":\"test_request\"}}", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"public/test\",\"params\":{}}"},
      {"deribit",
       "{\"jsonrpc\":\"2.0\",\"method\":\"heartbeat\",\"params\":{\"type\":\"heartbeat\"}}",    ""                                                                       },
      {"cryptocom", "{\"id\":1587523073344,\"method\":\"public/heartbeat\",\"code\":0}",
       "{\"id\":1587523073344,\"method\":\"public/respond-heartbeat\"}"                                                                                                  },
      {"cryptocom", "{\"id\":1,\"method\":\"subscribe\",\"code\":0}",                           ""                                                                       },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    static char bytes[512];
    char        echo[TF_FEED_REPLY_BYTES] = "";
    start_all(rows[i].venue);
    tf_feed_counts_t before = rig.counts;
    snprintf(bytes, sizeof bytes, "%s", rows[i].message);
    tf_frame_t frame = {
        .bytes = bytes, .bytes_cnt = (uint32_t)strlen(bytes), .kind = TF_FRAME_TEXT, .recv_ns = 1};
    size_t cnt = rig.feed->echo(rig.state, &frame, echo, sizeof echo);
    assert_int_equal(cnt, strlen(rows[i].echo));
    assert_string_equal(cnt > 0 ? echo : "", rows[i].echo);
    assert_memory_equal(&before, &rig.counts, sizeof before);
    assert_int_equal(rig.instruments.cnt, 0);
    stop(&rig);
  }
}

static void htx_frames_that_are_no_gzip_or_too_much_are_refused(void **state) {
  (void)state;
  static char text[TF_HTX_MESSAGE_BYTES_MAX + 1];
  memset(text, ' ', sizeof text);
  memcpy(text, "{\"ping\":1}", 10);
  start_all("htx");
  assert_int_equal(feed_bytes(&rig, "{\"ping\":1}", 10, TF_FRAME_BINARY, NULL),
                   TF_VERDICT_REJECTED);
  assert_int_equal(rig.counts.rejected[TF_REJECT_ENCODING], 1);
  assert_int_equal(feed_packed(text, sizeof text - 2), TF_VERDICT_CONTROL);
  assert_int_equal(feed_packed(text, sizeof text - 1), TF_VERDICT_CONTROL);
  assert_int_equal(feed_packed(text, sizeof text), TF_VERDICT_REJECTED);
  assert_int_equal(rig.counts.rejected[TF_REJECT_LIMIT], 1);
  check_ledger(&rig);
  stop(&rig);
}

static void htx_asks_for_a_book_on_the_socket_and_not_by_the_session(void **state) {
  (void)state;
  static const char ask[] = "{\"req\":\"market.btcusdt.mbp.150\",\"id\":\"snapshot\"}";
  start_all("htx");
  feed_text(HTX_BOOK(9, 12));
  assert_string_equal(rig.out.reply, ask);
  assert_int_equal(rig.out.resync_cnt, 0);
  rig.out.reply_bytes_cnt = 0;
  feed_text(
      "{\"rep\":\"market.btcusdt.mbp.150\",\"status\":\"ok\",\"data\":{\"seqNum\":10,\"bids\":["
      "[4,1]],\"asks\":[[8,1]]}}");
  assert_int_equal(newest()->u.status.book_state, TF_BOOK_OK);
  assert_int_equal(newest()->u.status.apply_from, 12);
  assert_int_equal(rig.out.reply_bytes_cnt, 0);
  feed_text(HTX_BOOK(13, 14)); /* 13 is missing */
  assert_int_equal(rig.counts.gaps, 1);
  assert_string_equal(rig.out.reply, ask);
  feed_text("{\"rep\":\"market.btcusdt.mbp.150\",\"data\":{\"seqNum\":14,\"bids\":[[4,1]]}}");
  assert_int_equal(newest()->u.status.book_state, TF_BOOK_OK);
  rig.out.event_cnt = rig.out.reply_bytes_cnt = 0;
  rig.feed->lose_book(rig.state, 0, RECV_NS, &rig.out);
  assert_int_equal(newest()->u.status.book_state, TF_BOOK_GAP);
  assert_int_equal(rig.out.resync_cnt, 0);
  feed_text(HTX_BOOK(14, 15)); /* behind it there is something to answer */
  assert_string_equal(rig.out.reply, ask);
  assert_true(rig.out.reply_bytes_cnt > 0);
  check_ledger(&rig);
  stop(&rig);
}

static void htx_serves_books_at_an_address_of_their_own(void **state) {
  (void)state;
  static const char *const symbols[] = {"BTCUSDT"};
  char                     text[64];
  assert_int_equal(start_with(&rig, "htx", symbols, 1, TF_CHANNEL_BOOK), TF_OK);
  rig.feed->ws_target(rig.state, text, sizeof text);
  assert_string_equal(text, "/feed");
  stop(&rig);
  assert_int_equal(start_with(&rig, "htx", symbols, 1, TF_CHANNEL_TRADE | TF_CHANNEL_QUOTE), TF_OK);
  rig.feed->ws_target(rig.state, text, sizeof text);
  assert_string_equal(text, "/ws");
  stop(&rig);
}

static void htx_ids_beyond_64_bits_are_not_what_a_trade_is_known_by(void **state) {
  (void)state;
  start_all("htx");
  feed_text("{\"ch\":\"market.btcusdt.trade.detail\",\"ts\":1,\"tick\":{\"data\":[{\"id\":"
            "100182534526255757567432481,\"ts\":1618678027940,\"tradeId\":77,\"amount\":2E-3,"
            "\"price\":9.2E-7,\"direction\":\"sell\"}]}}");
  assert_int_equal(newest()->u.trade.id, 77);
  assert_int_equal(newest()->u.trade.price, 92);
  assert_int_equal(newest()->price_exp, -8);
  assert_int_equal(tf_event_sign(newest()), -1);
  stop(&rig);
  start_all("htx-swap"); /* there it is the only id: its low 64 bits */
  feed_text("{\"ch\":\"market.X.trade.detail\",\"ts\":1,\"tick\":{\"data\":[{\"id\":"
            "18446744073709551623,\"ts\":1618678027940,\"amount\":2,\"quantity\":"
            "0.0031859832031779545255059460801016711,\"price\":1,\"direction\":\"buy\"}]}}");
  assert_int_equal(newest()->u.trade.id, 7);
  stop(&rig);
}

/* ---- Hyperliquid ---- */

static void htx_funding_is_a_ticker_of_the_swap(void **state) {
  (void)state;
  static const char *const symbols[] = {"BTC-USDT"};
  char                     text[128];
  assert_int_equal(start_with(&rig, "htx-swap-funding", symbols, 1, TF_CHANNEL_TICKER), TF_OK);
  assert_string_equal(rig.instruments.rows[0].name, "BTC-USDT.HTX-SWAP");
  rig.feed->ws_target(rig.state, text, sizeof text);
  assert_string_equal(text, "/linear-swap-notification");
  assert_int_equal(
      feed_text(
          "{\"op\":\"notify\",\"topic\":\"public.BTC-USDT.funding_rate\",\"ts\":1617309787271,"
          "\"data\":[{\"symbol\":\"BTC\",\"contract_code\":\"BTC-USDT\",\"funding_rate\":"
          "\"0.000754108135233895\"}]}"),
      TF_VERDICT_DATA);
  assert_int_equal(rig.out.event_cnt, 1);
  assert_int_equal(rig.events[0].kind, TF_EVENT_TICKER);
  assert_int_equal(rig.events[0].u.ticker.last_price, 0);
  assert_int_equal(rig.events[0].ts_event_ns, UINT64_C(1617309787271000000));
  assert_true(rig.events[0].u.ticker.funding_rate != TF_FUNDING_NONE);
  assert_int_equal(feed_text("{\"op\":\"ping\",\"ts\":\"1617309787300\"}"), TF_VERDICT_CONTROL);
  assert_string_equal(rig.out.reply, "{\"op\":\"pong\",\"ts\":\"1617309787300\"}");
  stop(&rig);
}

/* What the feed writes to subscribe to the book of symbol idx. */
static size_t book_request(uint32_t idx, char *text, size_t cap) {
  tf_feed_request_t request = {
      .channel = TF_CHANNEL_BOOK, .symbols = &idx, .symbol_cnt = 1, .id = 1};
  return rig.feed->request(rig.state, &request, text, cap);
}

static void hyperliquid_does_not_ask_for_a_coin_that_there_is_not(void **state) {
  (void)state;
  static const char *const coins[] = {"BTC", "kPEPPE", "@107", "kPEPE", "PURR/USDT", "xyz:SP500"};
  static const struct {
    bool        is_known;
    const char *complaint;
  } expected[] = {
      {true,  NULL                                                         },
      {false, "the venue has no kPEPPE; the nearest is kPEPE"              },
      {true,  NULL                                                         },
      {true,  NULL                                                         },
      {false, "the venue has no PURR/USDT; the nearest is PURR/USDC (spot)"},
      {true,  NULL                                                         }, /* nobody asked for that list */
  };
  char text[256];
  assert_int_equal(start_with(&rig, "hyperliquid", coins, 6, 15), TF_OK);
  assert_string_equal(rig.feed->tickets[0].target, "/info");
  assert_string_equal(rig.feed->tickets[0].body, "{\"type\":\"meta\"}");
  assert_string_equal(rig.feed->tickets[1].body, "{\"type\":\"spotMeta\"}");
  assert_null(rig.feed->tickets[2].target);
  for (uint32_t i = 0; i < 6; i++) /* nothing was told */
    assert_in_range(book_request(i, text, sizeof text), 1, sizeof text - 1);
  assert_int_equal(
      feed_rest("/info", "{\"universe\":[{\"name\":\"BTC\"},{\"name\":\"kPEPE\"},{\"name\":7}]}"),
      TF_VERDICT_CONTROL);
  assert_int_equal(feed_rest("/info", "{\"universe\":[{\"name\":\"PURR/USDC\",\"tokens\":[1,0]},"
                                      "{\"name\":\"@107\",\"tokens\":[150,0]}],\"tokens\":[]}"),
                   TF_VERDICT_CONTROL);
  for (uint32_t i = 0; i < 6; i++) {
    size_t cnt = book_request(i, text, sizeof text);
    assert_int_equal(cnt != TF_FEED_UNKNOWN_SYMBOL, expected[i].is_known);
    if (!expected[i].is_known) assert_string_equal(text, expected[i].complaint);
  }
  static const char *const bad[] = {"null", "[]", "{}", "{\"universe\":7}", "{\"tokens\":[]}"};
  for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++)
    assert_int_equal(feed_rest("/info", bad[i]), TF_VERDICT_REJECTED);
  assert_in_range(book_request(1, text, sizeof text), 1, sizeof text - 1); /* none is told again */
  check_ledger(&rig);
  stop(&rig);
}

/* The only event of the message: the instrument's listing. */
static void check_listing(uint32_t instrument_id, tf_trading_t trading) {
  assert_int_equal(rig.out.event_cnt, 1);
  assert_true(tf_event_is_listing(&rig.events[0]));
  assert_int_equal(rig.events[0].instrument_id, instrument_id);
  assert_int_equal(rig.events[0].u.listing.trading, trading);
}

static void hyperliquid_says_by_its_coins_what_has_ended(void **state) {
  (void)state;
  static const char *const coins[] = {"BTC", "MATIC", "@107"};
  assert_int_equal(start_with(&rig, "hyperliquid", coins, 3, 15), TF_OK);
#define META(more)                                                                                 \
  "{\"universe\":[{\"name\":\"BTC\",\"szDecimals\":5},{\"name\":\"MATIC\",\"szDecimals\":1" more   \
  "}]}"
  feed_rest("/info", META(""));
  assert_int_equal(rig.out.event_cnt, 0); /* that they are open is no news */
  feed_rest("/info", META(",\"isDelisted\":true"));
  check_listing(1, TF_TRADING_ENDED);
  feed_rest("/info", META(",\"isDelisted\":true"));
  assert_int_equal(rig.out.event_cnt, 0);
#define SPOT_META(pairs)                                                                           \
  "{\"tokens\":[{\"name\":\"USDC\",\"szDecimals\":8,\"index\":0}],\"universe\":[" pairs "]}"
  feed_rest("/info", SPOT_META("{\"name\":\"@107\",\"tokens\":[1,0]}"));
  assert_int_equal(rig.out.event_cnt, 0);
  feed_rest("/info", SPOT_META("")); /* it is gone */
  check_listing(2, TF_TRADING_ENDED);
  check_ledger(&rig);
  stop(&rig);
}

static void hyperliquid_has_five_digits_of_price(void **state) {
  (void)state;
  static const char *const coins[] = {"BTC", "@107"};
  const tf_instrument_t   *btc = &rig.instruments.rows[0], *spot = &rig.instruments.rows[1];
  assert_int_equal(start_with(&rig, "hyperliquid", coins, 2, 15), TF_OK);
  btc  = &rig.instruments.rows[0];
  spot = &rig.instruments.rows[1];
#define COIN_TRADE(coin, px, tid)                                                                  \
  "{\"channel\":\"trades\",\"data\":[{\"coin\":\"" coin "\",\"side\":\"B\",\"px\":\"" px           \
  "\",\"sz\":\"1\",\"time\":1737918794873,\"tid\":" tid "}]}"
  feed_text(COIN_TRADE("BTC", "9512.3", "1"));
  assert_int_equal(tf_instrument_metadata(btc),
                   TF_METADATA_NONE); /* digits of sizes are not told */
  feed_rest("/info", META(""));
  feed_rest("/info", "{\"universe\":[{\"name\":\"@107\",\"tokens\":[150,0]}],\"tokens\":[{\"name\":"
                     "\"USDH\",\"szDecimals\":2,\"index\":0},{\"name\":\"HYPE\",\"szDecimals\":2,"
                     "\"index\":150}]}");
  feed_text(COIN_TRADE("BTC", "9512.3", "2"));
  assert_int_equal(tf_instrument_metadata(btc), TF_METADATA_VENUE);
  assert_int_equal(btc->tick_size, 1);
  assert_int_equal(btc->price_exp, -1); /* five digits, and no more than 6 - 5 behind the point */
  assert_int_equal(btc->lot_size, 1);
  assert_int_equal(btc->qty_exp, -5);
  assert_string_equal(btc->quote_currency, "USD");
  feed_text(COIN_TRADE("@107", "25.113", "3"));
  assert_int_equal(spot->price_exp, -3);
  assert_int_equal(spot->qty_exp, -2);
  assert_string_equal(spot->quote_currency, "USDH");
  feed_text(COIN_TRADE("BTC", "10512", "4")); /* trades do not tell of a change, */
  assert_int_equal(rig.out.event_cnt, 1);
  feed_text(
      "{\"channel\":\"activeAssetCtx\",\"data\":{\"coin\":\"BTC\",\"ctx\":{\"funding\":\"0.1\","
      "\"markPx\":\"10513.0\",\"dayBaseVlm\":\"1.0\"}}}"); /* tickers do */
  assert_int_equal(rig.out.event_cnt, 2);
  assert_int_equal(rig.events[0].flags & TF_FLAG_LAST, 0);
  assert_int_equal(rig.events[1].u.listing.trading, TF_TRADING_CHANGED);
  assert_int_equal(rig.events[1].u.listing.tick_size, 1);
  assert_int_equal(rig.events[1].price_exp, 0);
  feed_text(
      "{\"channel\":\"activeAssetCtx\",\"data\":{\"coin\":\"BTC\",\"ctx\":{\"funding\":\"0.1\","
      "\"markPx\":\"123456.0\",\"dayBaseVlm\":\"1.0\"}}}"); /* whole prices always */
  assert_int_equal(rig.out.event_cnt, 1);
  assert_int_equal(btc->price_exp, -1); /* the row stays as it was published */
  check_ledger(&rig);
  stop(&rig);
}

static void hyperliquid_trades_from_before_the_connection_are_backfill(void **state) {
  (void)state;
#define TRADE_AT(ms, tid)                                                                          \
  "{\"channel\":\"trades\",\"data\":[{\"coin\":\"BTC\",\"side\":\"A\",\"px\":\"5\",\"sz\":\"1\","  \
  "\"time\":" #ms ",\"tid\":" #tid "}]}"
  start_all("hyperliquid");
  rig.feed->on_connect(rig.state, RECV_NS, &rig.out); /* 1723161255400 ms */
  feed_text(TRADE_AT(1723161255399, 900));
  assert_true(newest()->flags & TF_FLAG_BACKFILL);
  feed_text(TRADE_AT(1723161255400, 100));
  assert_false(newest()->flags & TF_FLAG_BACKFILL);
  feed_text(TRADE_AT(1723161255400, 900)); /* seen: no order is needed to know */
  assert_int_equal(rig.out.event_cnt, 0);
  assert_int_equal(rig.counts.duplicates, 1);
  assert_int_equal(rig.counts.gaps, 0);
  stop(&rig);
}

static void hyperliquid_takes_no_more_instruments_than_one_address_may_have(void **state) {
  (void)state;
  static char        names[1001][8];
  static const char *symbols[1001];
  for (uint32_t i = 0; i < 1001; i++) {
    snprintf(names[i], sizeof names[i], "C%u", i);
    symbols[i] = names[i];
  }
  for (uint32_t cnt = 999; cnt <= 1001; cnt++) {
    static tf_instrument_t rows[1001];
    memset(rows, 0, sizeof rows);
    tf_instruments_t instruments = {.rows = rows, .cap = 1001};
    tf_feed_config_t config      = {
             .instruments = &instruments, .symbols = symbols, .symbol_cnt = cnt, .channels = 15};
    const tf_feed_t *feed = tf_feeds_find("hyperliquid");
    void *state_of        = aligned_alloc(64, tf_align_up(feed->state_bytes(feed, &config), 64));
    assert_int_equal(feed->init(feed, state_of, &config), cnt <= 1000 ? TF_OK : E_FEED_LIMIT);
    free(state_of);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(refused_messages_publish_nothing_and_say_why),
      cmocka_unit_test(requests_are_spelled_as_the_venue_wants_them),
      cmocka_unit_test(answers_name_the_request_and_keep_the_complaint),
      cmocka_unit_test(kucoin_connects_with_the_token_that_it_was_given),
      cmocka_unit_test(kucoin_token_fits_to_the_byte),
      cmocka_unit_test(kucoin_price_of_zero_only_uses_up_a_number),
      cmocka_unit_test(htx_pings_go_back_as_they_came),
      cmocka_unit_test(echoes_leave_no_trace),
      cmocka_unit_test(htx_frames_that_are_no_gzip_or_too_much_are_refused),
      cmocka_unit_test(htx_asks_for_a_book_on_the_socket_and_not_by_the_session),
      cmocka_unit_test(htx_serves_books_at_an_address_of_their_own),
      cmocka_unit_test(htx_ids_beyond_64_bits_are_not_what_a_trade_is_known_by),
      cmocka_unit_test(htx_funding_is_a_ticker_of_the_swap),
      cmocka_unit_test(hyperliquid_does_not_ask_for_a_coin_that_there_is_not),
      cmocka_unit_test(hyperliquid_says_by_its_coins_what_has_ended),
      cmocka_unit_test(hyperliquid_has_five_digits_of_price),
      cmocka_unit_test(hyperliquid_trades_from_before_the_connection_are_backfill),
      cmocka_unit_test(hyperliquid_takes_no_more_instruments_than_one_address_may_have),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
