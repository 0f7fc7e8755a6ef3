/* The feed `events`: lines and records, good and bad ones side by side. */
#include "cmocka_tf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "feed/event_line.h"
#include "feed/feeds.h"
#include "feed/name_index.h"
#include "feed/symbols.h"
#include "tf/io.h"

#define EVENT_CAP      8u
#define INSTRUMENT_CAP 6u
#define RECV_NS        UINT64_C(1790000000000000000)

static tf_instrument_t  rows[INSTRUMENT_CAP];
static tf_instruments_t instruments;
static tf_feed_counts_t counts;
static tf_event_t       events[EVENT_CAP];
static tf_feed_out_t    out;
static tf_feed_config_t config;
static void            *memory;
extern const tf_feed_t  tf_feed_events;
static char             body[4 * TF_EVENT_LINE_BYTES_MAX];

static tf_err_t start(const char *const *symbols, uint32_t symbol_cnt, uint32_t symbols_max) {
  instruments        = (tf_instruments_t){.rows = rows, .cap = INSTRUMENT_CAP};
  config.instruments = &instruments;
  config.symbols     = symbols;
  config.symbol_cnt  = symbol_cnt;
  config.symbols_max = symbols_max;
  memset(&counts, 0, sizeof counts);
  out = (tf_feed_out_t){.events = events, .event_cap = EVENT_CAP, .counts = &counts};
  free(memory);
  memory = aligned_alloc(64, tf_align_up(tf_feed_events.state_bytes(&tf_feed_events, &config), 64));
  return tf_feed_events.init(&tf_feed_events, memory, &config);
}

static int begin(void **state) {
  (void)state;
  config = (tf_feed_config_t){0};
  return start(NULL, 0, 0);
}
static int end(void **state) {
  (void)state;
  free(memory);
  memory = NULL;
  return 0;
}

static tf_verdict_t hear_frame(tf_frame_t frame, const void *bytes, size_t cnt) {
  memset(body, ' ', sizeof body);
  memcpy(body, bytes, cnt);
  frame.bytes     = body;
  frame.bytes_cnt = (uint32_t)cnt;
  frame.recv_ns   = RECV_NS;
  out.event_cnt   = 0;
  return tf_feed_events.on_frame(memory, &frame, &out);
}
static tf_verdict_t hear(const char *text) {
  return hear_frame((tf_frame_t){.kind = TF_FRAME_TEXT}, text, strlen(text));
}
static tf_verdict_t hear_records(const tf_event_t *records, size_t bytes, const char *target) {
  return hear_frame((tf_frame_t){.kind = TF_FRAME_BINARY, .target = target}, records, bytes);
}

#define HEAD  "{\"instrument\":\"BTCUSDT.DESK\",\"kind\":"
#define TRADE HEAD "\"trade\",\"side\":\"sell\",\"price\":\"61837.63\",\"qty\":0.5,\"id\":77}"

static void a_trade_has_its_numbers_as_sent_and_our_time(void **state) {
  (void)state;
  assert_int_equal(hear("{\"ts_event_ns\":5,\"ts_recv_ns\":6,\"ingest_seq\":9,\"instrument\":"
                        "\"BTCUSDT.DESK\",\"kind\":\"trade\",\"side\":\"sell\",\"price\":\"61837."
                        "63\",\"qty\":0.5,\"id\":77}"),
                   TF_VERDICT_DATA);
  assert_int_equal(out.event_cnt, 1);
  const tf_event_t *e = &events[0];
  assert_int_equal(e->kind, TF_EVENT_TRADE);
  assert_int_equal(e->flags, TF_FLAG_LAST | TF_FLAG_SIDE);
  assert_int_equal(e->u.trade.price, 6183763);
  assert_int_equal(e->price_exp, -2);
  assert_int_equal(e->u.trade.qty, 5);
  assert_int_equal(e->qty_exp, -1);
  assert_int_equal(e->u.trade.id, 77);
  assert_int_equal(e->ts_event_ns, 5);
  assert_int_equal(e->ts_recv_ns, RECV_NS);
  assert_int_equal(e->ingest_seq, 0);
  assert_string_equal(rows[e->instrument_id].name, "BTCUSDT.DESK");
  assert_string_equal(rows[e->instrument_id].symbol, "BTCUSDT");
  assert_string_equal(rows[e->instrument_id].quote_currency, "USDT");
}

static void times_are_the_senders_where_the_config_says_so(void **state) {
  (void)state;
  config.times_kept = true;
  start(NULL, 0, 0);
  hear("{\"ts_recv_ns\":6,\"instrument\":\"A.B\",\"kind\":\"trade\",\"side\":\"buy\",\"price\":1,"
       "\"qty\":1}");
  assert_int_equal(events[0].ts_recv_ns, 6);
  hear(TRADE);
  assert_int_equal(events[0].ts_recv_ns, RECV_NS);
}

#define TRADE_OF(name, id)                                                                         \
  "{\"instrument\":\"" name                                                                        \
  "\",\"kind\":\"trade\",\"side\":\"buy\",\"price\":1,\"qty\":1,\"id\":" id "}"
#define QUOTE_OF(name, id)                                                                         \
  "{\"instrument\":\"" name                                                                        \
  "\",\"kind\":\"quote\",\"bid_price\":1,\"bid_qty\":1,\"ask_price\":2,\"ask_qty\":1,\"id\":" id   \
  "}"

static uint64_t published(const char *line) {
  assert_int_equal(hear(line), TF_VERDICT_DATA);
  return out.event_cnt;
}

static void a_line_that_comes_again_is_a_duplicate_within_the_window(void **state) {
  (void)state;
  config.ids_kept = 3;
  start(NULL, 0, 0);
  assert_int_equal(published(TRADE_OF("A.B", "1")), 1);
  assert_int_equal(published(TRADE_OF("A.B", "\"1\"")), 0);
  assert_int_equal(published(TRADE_OF("C.B", "1")), 1); /* another instrument's, another kind's */
  assert_int_equal(published(QUOTE_OF("A.B", "1")), 1);
  assert_int_equal(published(TRADE_OF("A.B", "1")), 0); /* a repeat does not make it younger */
  assert_int_equal(published(TRADE_OF("A.B", "2")), 1);
  assert_int_equal(published(TRADE_OF("A.B", "1")), 1); /* three others came since */
  assert_int_equal(published(QUOTE_OF("A.B", "1")), 0);
  assert_int_equal(published(QUOTE_OF("A.B", "null")), 1); /* those without one are all news */
  assert_int_equal(published(QUOTE_OF("A.B", "null")), 1);
  assert_int_equal(counts.duplicates, 3);
  assert_int_equal(counts.messages, 10);
  assert_int_equal(counts.messages, counts.msgs_data);
  config.ids_kept = 0;
}

static void quotes_come_to_one_exponent(void **state) {
  (void)state;
  hear(HEAD "\"quote\",\"bid_price\":\"1.5\",\"bid_qty\":\"2\",\"ask_price\":\"1.75\",\"ask_qty\":"
            "\"3.000\"}");
  assert_int_equal(out.event_cnt, 1);
  assert_int_equal(events[0].u.quote.bid_price, 150);
  assert_int_equal(events[0].u.quote.ask_price, 175);
  assert_int_equal(events[0].price_exp, -2);
  assert_int_equal(events[0].u.quote.bid_qty, 2000);
  assert_int_equal(events[0].qty_exp, -3);
}

static void levels_tickers_and_states_have_their_own_keys(void **state) {
  (void)state;
  hear(HEAD
       "\"book\",\"side\":\"ask\",\"price\":\"2\",\"qty\":\"0.0\",\"venue_seq\":"
       "\"18446744073709551615\","
       "\"level_idx\":1,\"level_cnt\":3,\"flags\":[\"snapshot\"]}\n" HEAD
       "\"ticker\",\"last_price\":\"7.0\",\"mark_price\":\"7.25\",\"funding_rate\":\"-0.0001\"}"
       "\n" HEAD
       "\"status\",\"book_state\":\"gap\",\"gap_first\":4,\"gap_last\":5,\"apply_from\":0}\n" HEAD
       "\"status\",\"trading\":\"halted\",\"tick_size\":\"0.01\"}");
  assert_int_equal(out.event_cnt, 4);
  assert_int_equal(events[0].flags, TF_FLAG_SNAPSHOT | TF_FLAG_SIDE);
  assert_int_equal(events[0].u.level.venue_seq, UINT64_MAX);
  assert_int_equal(events[0].u.level.level_idx, 1);
  assert_int_equal(events[0].u.level.level_cnt, 3);
  assert_int_equal(events[0].qty_exp, -1);
  assert_int_equal(events[1].u.ticker.last_price, 700);
  assert_int_equal(events[1].u.ticker.mark_price, 725);
  assert_int_equal(events[1].u.ticker.funding_rate, -100000000);
  assert_int_equal(events[1].u.ticker.volume, 0);
  assert_int_equal(events[2].u.status.book_state, TF_BOOK_GAP);
  assert_int_equal(events[2].u.status.gap_last, 5);
  assert_int_equal(events[3].u.listing.trading, TF_TRADING_HALTED);
  assert_int_equal(events[3].u.listing.tick_size, 1);
  assert_int_equal(events[3].price_exp, -2);
  assert_int_equal(counts.msgs_data, 4);
  assert_int_equal(counts.events[TF_EVENT_STATUS], 2);
}

static void flags_are_as_said_and_last_without_any(void **state) {
  (void)state;
  hear(HEAD "\"trade\",\"side\":\"buy\",\"price\":1,\"qty\":1,\"flags\":[]}");
  assert_int_equal(events[0].flags, 0);
  hear(HEAD "\"trade\",\"side\":\"buy\",\"price\":1,\"qty\":1,\"flags\":[\"last\",\"outlier\","
            "\"backfill\",\"bad_ts\",\"derived\",\"outrun\",\"snapshot\"]}");
  assert_int_equal(events[0].flags, 0xff & ~TF_FLAG_SIDE);
}

/* Each is refused with its reason, and the good one behind it lives. */
static void a_bad_line_costs_its_neighbours_nothing(void **state) {
  (void)state;
  static const struct {
    const char *line;
    uint32_t    reject;
  } bad[] = {
      {"{",                                                                                  TF_REJECT_SYNTAX    },
      {"nonsense",                                                                           TF_REJECT_SYNTAX    },
      {"[]",                                                                                 TF_REJECT_SCHEMA    },
      {"7",                                                                                  TF_REJECT_SCHEMA    },
      {"{}",                                                                                 TF_REJECT_SCHEMA    },
      {"{\"instrument\":7,\"kind\":\"trade\"}",                                              TF_REJECT_SCHEMA    },
      {"{\"instrument\":\"BTCUSDT\",\"kind\":\"trade\"}",                                    TF_REJECT_INSTRUMENT},
      {"{\"instrument\":\".DESK\",\"kind\":\"trade\"}",                                      TF_REJECT_INSTRUMENT},
      {"{\"instrument\":\"A.\",\"kind\":\"trade\"}",                                         TF_REJECT_INSTRUMENT},
      {"{\"instrument\":\"A.desk\",\"kind\":\"trade\"}",                                     TF_REJECT_INSTRUMENT},
      {"{\"instrument\":\"A B.DESK\",\"kind\":\"trade\"}",                                   TF_REJECT_INSTRUMENT},
      {"{\"instrument\":\"A\\u0000.DESK\",\"kind\":\"trade\"}",                              TF_REJECT_INSTRUMENT},
      {"{\"instrument\":\"A.B\",\"kind\":7}",                                                TF_REJECT_SCHEMA    },
      {"{\"instrument\":\"A.B\",\"kind\":\"candle\"}",                                       TF_REJECT_UNKNOWN   },
      {HEAD "\"trade\"}",                                                                    TF_REJECT_SCHEMA    },
      {HEAD "\"trade\",\"side\":\"bid\",\"price\":1,\"qty\":1}",                             TF_REJECT_SCHEMA    },
      {HEAD "\"trade\",\"side\":\"buy\",\"price\":\"abc\",\"qty\":1}",                       TF_REJECT_NUMBER    },
      {HEAD "\"trade\",\"side\":\"buy\",\"price\":[],\"qty\":1}",                            TF_REJECT_SCHEMA    },
      {HEAD "\"trade\",\"side\":\"buy\",\"price\":1e400,\"qty\":1}",                         TF_REJECT_NUMBER    },
      {HEAD "\"trade\",\"side\":\"buy\",\"price\":1,\"qty\":-1}",                            TF_REJECT_NUMBER    },
      {HEAD "\"trade\",\"side\":\"buy\",\"price\":1,\"qty\":1,\"id\":-1}",                   TF_REJECT_NUMBER    },
      {HEAD "\"trade\",\"side\":\"buy\",\"price\":1,\"qty\":1,\"id\":[]}",                   TF_REJECT_SCHEMA    },
      {HEAD "\"trade\",\"side\":\"buy\",\"price\":1,\"qty\":1,\"flags\":\"x\"}",             TF_REJECT_SCHEMA    },
      {HEAD "\"trade\",\"side\":\"buy\",\"price\":1,\"qty\":1,\"flags\":[\"x\"]}",
       TF_REJECT_SCHEMA                                                                                          },
      {HEAD "\"trade\",\"side\":\"buy\",\"price\":1,\"qty\":1,\"ts_event_ns\":1.5}",
       TF_REJECT_NUMBER                                                                                          },
      {HEAD "\"quote\",\"bid_price\":1,\"bid_qty\":1,\"ask_price\":1}",                      TF_REJECT_SCHEMA    },
      {HEAD "\"quote\",\"bid_price\":1e60,\"bid_qty\":1,\"ask_price\":1e-60,\"ask_qty\":1}",
       TF_REJECT_NUMBER                                                                                          },
      {HEAD "\"book\",\"side\":\"buy\",\"price\":1,\"qty\":1}",                              TF_REJECT_SCHEMA    },
      {HEAD "\"book\",\"side\":\"bid\",\"price\":1,\"qty\":1,\"level_idx\":1}",              TF_REJECT_NUMBER    },
      {HEAD "\"book\",\"side\":\"bid\",\"price\":1,\"qty\":1,\"level_cnt\":4294967296}",
       TF_REJECT_NUMBER                                                                                          },
      {HEAD "\"ticker\",\"last_price\":1,\"funding_rate\":1e9}",                             TF_REJECT_NUMBER    },
      {HEAD "\"status\"}",                                                                   TF_REJECT_SCHEMA    },
      {HEAD "\"status\",\"book_state\":\"fine\"}",                                           TF_REJECT_SCHEMA    },
      {HEAD "\"status\",\"trading\":\"unsaid\"}",                                            TF_REJECT_SCHEMA    },
      {HEAD "\"text\"}",                                                                     TF_REJECT_SCHEMA    },
      {HEAD "\"text\",\"text\":\"\"}",                                                       TF_REJECT_SCHEMA    },
      {HEAD "\"text\",\"text\":\"\xff\"}",                                                   TF_REJECT_ENCODING  },
      {HEAD "\"text\",\"text\":\"\\ud800\"}",                                                TF_REJECT_ENCODING  },
      {HEAD "\"text\",\"text\":\"x\",\"source\":1}",                                         TF_REJECT_SCHEMA    },
      {HEAD "\"text\",\"text\":\"x\",\"id\":{}}",                                            TF_REJECT_SCHEMA    },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++) {
    char     text[1024];
    uint64_t before = counts.rejected[bad[i].reject], data = counts.msgs_data;
    snprintf(text, sizeof text, "%s\n%s\r\n", bad[i].line, TRADE);
    hear(text);
    if (counts.rejected[bad[i].reject] != before + 1) fail_msg("%s", bad[i].line);
    assert_int_equal(counts.msgs_data, data + 1);
    assert_int_equal(out.event_cnt, 1);
    assert_int_equal(counts.sample[bad[i].reject].offset, counts.messages - 1);
    assert_memory_equal(counts.sample[bad[i].reject].bytes, bad[i].line,
                        counts.sample[bad[i].reject].bytes_cnt);
  }
  assert_int_equal(counts.messages, 2 * TF_ARRAY_CNT(bad));
}

static void blank_lines_are_no_messages(void **state) {
  (void)state;
  assert_int_equal(hear("\n\r\n \t\n" TRADE "\n\n"), TF_VERDICT_DATA);
  assert_int_equal(counts.messages, 1);
  assert_int_equal(hear(""), TF_VERDICT_CONTROL);
  assert_int_equal(counts.messages, 1);
}

static void commands_are_not_taken(void **state) {
  (void)state;
  assert_int_equal(hear(HEAD "\"control\",\"command\":\"halt\"}"), TF_VERDICT_IGNORED);
  assert_string_equal(counts.ignored[0].name, "control");
  assert_int_equal(out.event_cnt, 0);
}

static void a_line_is_as_long_as_it_may_be_and_no_longer(void **state) {
  (void)state;
  static char text[TF_EVENT_LINE_BYTES_MAX + 2];
  for (size_t cnt = TF_EVENT_LINE_BYTES_MAX - 1; cnt <= TF_EVENT_LINE_BYTES_MAX + 1; cnt++) {
    memset(text, 0, sizeof text);
    memset(text, ' ', cnt);
    memcpy(text, TRADE, sizeof TRADE - 2); /* without its brace */
    text[cnt - 1] = '}';
    hear(text);
    assert_int_equal(out.event_cnt, cnt <= TF_EVENT_LINE_BYTES_MAX);
  }
  assert_int_equal(counts.rejected[TF_REJECT_LIMIT], 1);
}

static void more_events_than_there_is_room_for_are_refused(void **state) {
  (void)state;
  char text[(EVENT_CAP + 1) * sizeof TRADE + 1] = "";
  for (uint32_t i = 0; i <= EVENT_CAP; i++) strcat(text, TRADE "\n");
  hear(text);
  assert_int_equal(out.event_cnt, EVENT_CAP);
  assert_int_equal(counts.rejected[TF_REJECT_LIMIT], 1);
  assert_int_equal(counts.messages, EVENT_CAP + 1);
}

/* ---- instruments ---- */

static void trade_of(const char *name) {
  char text[256];
  snprintf(text, sizeof text,
           "{\"instrument\":\"%s\",\"kind\":\"trade\",\"side\":\"buy\",\"price\":1,\"qty\":1}",
           name);
  hear(text);
}

static void patterns_say_what_is_taken(void **state) {
  (void)state;
  static const char *const patterns[] = {"BTC*.DESK", "ETH.DESK", "*.BINANCE-SPOT"};
  assert_int_equal(start(patterns, 3, 6), TF_OK);
  assert_int_equal(instruments.cnt, 1); /* the one without a star */
  assert_string_equal(rows[0].name, "ETH.DESK");
  trade_of("ETH.DESK");
  assert_int_equal(events[0].instrument_id, 0);
  trade_of("BTCUSDT.DESK");
  assert_int_equal(events[0].instrument_id, 1);
  trade_of("X.BINANCE-SPOT");
  assert_int_equal(events[0].instrument_id, 2);
  trade_of("ETHUSDT.DESK");
  trade_of("X.BINANCE-SPOTS");
  assert_int_equal(counts.rejected[TF_REJECT_INSTRUMENT], 2);
  assert_int_equal(instruments.cnt, 3);
}

static void a_star_stands_for_any_run_of_characters(void **state) {
  (void)state;
  assert_true(tf_name_index_matches("*", ""));
  assert_true(tf_name_index_matches("*", "A.B"));
  assert_true(tf_name_index_matches("A*B*C", "AxxBxBC"));
  assert_true(tf_name_index_matches("*.B", "A.B.B"));
  assert_true(tf_name_index_matches("**", "A"));
  assert_false(tf_name_index_matches("", "A"));
  assert_false(tf_name_index_matches("A*B", "A"));
  assert_false(tf_name_index_matches("A*C", "ABCD"));
  assert_false(tf_name_index_matches("A", "AA"));
}

static void instruments_are_bounded_and_one_row_serves_all_feeds(void **state) {
  (void)state;
  assert_int_equal(start(NULL, 0, 0), TF_OK);
  uint32_t id;
  assert_true(tf_symbols_append(&instruments, "SOL", "OTHER", 2.0, &id)); /* another feed's */
  trade_of("SOL.OTHER");
  assert_int_equal(events[0].instrument_id, id);
  char name[16];
  for (uint32_t i = 1; i < INSTRUMENT_CAP; i++) {
    snprintf(name, sizeof name, "S%u.X", i);
    trade_of(name);
    assert_int_equal(events[0].instrument_id, i);
  }
  trade_of("ONEMORE.X");
  assert_int_equal(counts.rejected[TF_REJECT_LIMIT], 1);
  trade_of("S3.X");
  assert_int_equal(events[0].instrument_id, 3);
}

static void what_the_config_leaves_room_for_bounds_what_appears(void **state) {
  (void)state;
  static const char *const patterns[] = {"*.X"};
  assert_int_equal(start(patterns, 1, 2), TF_OK);
  trade_of("A.X");
  trade_of("B.X");
  trade_of("C.X");
  assert_int_equal(instruments.cnt, 2);
  assert_int_equal(counts.rejected[TF_REJECT_LIMIT], 1);
}

static void names_have_their_lengths(void **state) {
  (void)state;
  char symbol[TF_SYMBOL_BYTES_MAX + 1], name[128];
  for (size_t cnt = TF_SYMBOL_BYTES_MAX - 2; cnt <= TF_SYMBOL_BYTES_MAX; cnt++) {
    memset(symbol, 'S', cnt);
    symbol[cnt] = '\0';
    snprintf(name, sizeof name, "%s.V", symbol);
    assert_int_equal(tf_event_line_is_name(name, strlen(name)), cnt < TF_SYMBOL_BYTES_MAX);
  }
  for (size_t cnt = TF_EVENT_LINE_VENUE_MAX - 1; cnt <= TF_EVENT_LINE_VENUE_MAX + 1; cnt++) {
    memset(symbol, 'V', cnt);
    symbol[cnt] = '\0';
    snprintf(name, sizeof name, "S.%s", symbol);
    assert_int_equal(tf_event_line_is_name(name, strlen(name)), cnt <= TF_EVENT_LINE_VENUE_MAX);
  }
  assert_true(tf_event_line_is_name(".BXBT.BITMEX", 12));
}

static void what_is_no_pattern_is_an_error_of_the_config(void **state) {
  (void)state;
  static const char *const bad[] = {"BTCUSDT", "BTCUSDT.desk",
                                    "A2345678901234567890123456789012345678.B*"};
  for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++)
    assert_int_equal(start(&bad[i], 1, 4), E_CONFIG_VALUE);
  static const char *const many[] = {"A.X", "B.X", "C.X", "D.X", "E.X", "F.X", "G.X"};
  assert_int_equal(start(many, 7, 7), E_FEED_LIMIT);
  assert_int_equal(start(many, 6, 6), TF_OK);
}

/* ---- records ---- */

static void records_are_taken_as_they_are_but_for_what_is_ours(void **state) {
  (void)state;
  tf_event_t records[2] = {
      {.ts_event_ns   = 1,
       .ts_recv_ns    = 2,
       .ingest_seq    = 3,
       .instrument_id = 99,
       .kind          = TF_EVENT_QUOTE,
       .flags         = TF_FLAG_LAST | TF_FLAG_OUTRUN,
       .price_exp     = -2,
       .qty_exp       = -8,
       .u.quote       = {1, 2, 3, 4}},
      {.kind = TF_EVENT_TRADE, .flags = TF_FLAG_SIDE, .u.trade = {5, 6, 7, 0}},
  };
  assert_int_equal(hear_records(records, sizeof records, "EVENTS.events.0003.BINANCE-SPOT.BTCUSDT"),
                   TF_VERDICT_DATA);
  assert_int_equal(out.event_cnt, 2);
  assert_string_equal(rows[events[0].instrument_id].name, "BTCUSDT.BINANCE-SPOT");
  assert_int_equal(events[1].instrument_id, events[0].instrument_id);
  records[0].instrument_id = events[0].instrument_id;
  records[0].ts_recv_ns    = RECV_NS;
  records[0].ingest_seq    = 0;
  assert_memory_equal(&events[0], &records[0], sizeof records[0]);
}

static void records_that_are_none_are_refused(void **state) {
  (void)state;
  tf_event_t good = {.kind = TF_EVENT_TRADE}, bad = good;
  bad.kind = 99;
  hear_records(&bad, sizeof bad, "V.S");
  assert_int_equal(counts.rejected[TF_REJECT_UNKNOWN], 1);
  bad             = good;
  bad.u.trade.qty = -1;
  hear_records(&bad, sizeof bad, "V.S");
  bad           = good;
  bad.price_exp = INT8_MIN;
  hear_records(&bad, sizeof bad, "V.S");
  bad = (tf_event_t){.kind = TF_EVENT_BOOK};
  hear_records(&bad, sizeof bad, "V.S"); /* the first of no levels */
  bad                     = (tf_event_t){.kind = TF_EVENT_STATUS};
  bad.u.status.book_state = TF_BOOK_STATE_CNT;
  hear_records(&bad, sizeof bad, "V.S");
  assert_int_equal(counts.rejected[TF_REJECT_NUMBER], 4);
  bad = (tf_event_t){.kind = TF_EVENT_CONTROL};
  assert_int_equal(hear_records(&bad, sizeof bad, "V.S"), TF_VERDICT_IGNORED);
  hear_records(&good, sizeof good, "noname");
  hear_records(&good, sizeof good, NULL);
  hear_records(&good, sizeof good, "lower.S");
  assert_int_equal(counts.rejected[TF_REJECT_INSTRUMENT], 3);
  hear_records(&good, sizeof good - 1, "V.S");
  hear_records(&good, 0, "V.S");
  assert_int_equal(counts.rejected[TF_REJECT_LIMIT], 2);
  assert_int_equal(hear_records(&good, sizeof good, "V.S"), TF_VERDICT_DATA);
}

static void what_models_said_of_a_text_is_an_event(void **state) {
  (void)state;
  hear(HEAD "\"text\",\"id\":7,\"source\":9,\"score\":-0.125,\"confidence\":0.75,\"novelty\":1e-3,"
            "\"label\":2,\"model_hash\":\"0a1b2c3d\"}\n" HEAD
            "\"text\",\"id\":7,\"miss\":\"deadline\"}\n" HEAD
            "\"text\",\"score\":1,\"confidence\":1,\"novelty\":null,\"model_hash\":\"0a1b2c3d\"}");
  assert_int_equal(out.event_cnt, 3);
  assert_int_equal(events[0].kind, TF_EVENT_TEXT);
  assert_true(events[0].u.text.score == -0.125f && events[0].u.text.novelty == 0.001f);
  assert_int_equal(events[0].u.text.label, 2);
  assert_int_equal(events[0].u.text.model_hash, 0x3d2c1b0a);
  assert_int_equal(events[1].u.text.miss, TF_TEXT_MISS_DEADLINE);
  assert_true(isnan(events[2].u.text.novelty)); /* nobody embedded it */
  tf_event_t record = events[0];
  assert_int_equal(hear_records(&record, sizeof record, "V.S"), TF_VERDICT_DATA);
  record.u.text.miss = TF_TEXT_MISS_CNT;
  assert_int_equal(hear_records(&record, sizeof record, "V.S"), TF_VERDICT_REJECTED);
  static const char *const bad[] = {
      HEAD "\"text\",\"score\":1}",
      HEAD "\"text\",\"miss\":\"none\"}",
      HEAD "\"text\",\"id\":\"x\",\"miss\":\"full\"}",
      HEAD "\"text\",\"score\":1,\"confidence\":1,\"novelty\":1,\"model_hash\":\"0a1b2c3\"}",
      HEAD "\"text\",\"score\":1,\"confidence\":1,\"novelty\":1,\"model_hash\":\"0A1B2C3D\"}",
      HEAD "\"text\",\"score\":1e60,\"confidence\":1,\"novelty\":1,\"model_hash\":\"0a1b2c3d\"}",
      HEAD "\"text\",\"score\":1,\"confidence\":1,\"novelty\":1,\"label\":65536,\"model_hash\":"
           "\"0a1b2c3d\"}",
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++)
    if (hear(bad[i]) != TF_VERDICT_REJECTED) fail_msg("%s", bad[i]);
}

static void an_answer_of_rest_is_no_event(void **state) {
  (void)state;
  assert_int_equal(hear_frame((tf_frame_t){.kind = TF_FRAME_HTTP}, TRADE, sizeof TRADE - 1),
                   TF_VERDICT_REJECTED);
  assert_int_equal(counts.rejected[TF_REJECT_ENCODING], 1);
}

/* ---- texts ---- */

static struct {
  tf_text_t text;
  char      bytes[TF_TEXT_BYTES_MAX + 1];
  uint32_t  cnt;
  bool      is_full;
} port;

static bool take(void *self, const tf_text_t *text) {
  (void)self;
  if (port.is_full) return false;
  port.text = *text;
  memcpy(port.bytes, text->bytes, text->bytes_cnt);
  port.bytes[text->bytes_cnt] = '\0';
  port.cnt++;
  return true;
}
static const tf_text_port_t text_port = {.take = take};

static void texts_go_to_whoever_reads_them(void **state) {
  (void)state;
  assert_int_equal(hear(HEAD "\"text\",\"text\":\"up\"}"), TF_VERDICT_IGNORED);
  config.texts = &text_port;
  start(NULL, 0, 0);
  memset(&port, 0, sizeof port);
  assert_int_equal(hear(HEAD "\"text\",\"text\":\"\\u00dcber \\\"alles\\\"\",\"source\":\"desk\","
                             "\"id\":\"n-1\",\"ts_event_ns\":12}"),
                   TF_VERDICT_DATA);
  assert_int_equal(port.cnt, 1);
  assert_string_equal(port.bytes, "\xc3\x9c"
                                  "ber \"alles\"");
  assert_int_equal(port.text.ts_event_ns, 12);
  assert_int_equal(port.text.ts_recv_ns, RECV_NS);
  assert_int_equal(port.text.is_cut, 0);
  assert_true(port.text.source != 0);
  assert_int_equal(out.event_cnt, 0);
  assert_int_equal(counts.msgs_data, 1);
  uint64_t id = port.text.id;
  hear(HEAD "\"text\",\"text\":\"other\",\"source\":\"desk\",\"id\":\"n-1\"}");
  assert_true(port.text.id == id); /* the sender's word */
  hear(HEAD "\"text\",\"text\":\"other\",\"source\":\"wire\",\"id\":\"n-1\"}");
  assert_true(port.text.id != id);
  port.is_full = true;
  assert_int_equal(hear(HEAD "\"text\",\"text\":\"up\"}"), TF_VERDICT_IGNORED);
  assert_string_equal(counts.ignored[0].name, "text_full");
}

static void a_long_text_is_cut_at_a_character(void **state) {
  (void)state;
  static char line[TF_EVENT_LINE_BYTES_MAX];
  config.texts = &text_port;
  start(NULL, 0, 0);
  memset(&port, 0, sizeof port);
  for (uint32_t cnt = TF_TEXT_BYTES_MAX - 1; cnt <= TF_TEXT_BYTES_MAX + 2; cnt++) {
    int n = sprintf(line, HEAD "\"text\",\"text\":\"");
    memset(line + n, 'x', cnt - 2);
    sprintf(line + n + cnt - 2, "\xc3\x9c\"}");
    hear(line);
    assert_int_equal(port.text.is_cut, cnt > TF_TEXT_BYTES_MAX);
    assert_int_equal(port.text.bytes_cnt, cnt == TF_TEXT_BYTES_MAX + 1 ? TF_TEXT_BYTES_MAX - 1
                                          : cnt > TF_TEXT_BYTES_MAX    ? TF_TEXT_BYTES_MAX
                                                                       : cnt);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_trade_has_its_numbers_as_sent_and_our_time),
      TEST(times_are_the_senders_where_the_config_says_so),
      TEST(a_line_that_comes_again_is_a_duplicate_within_the_window),
      TEST(quotes_come_to_one_exponent),
      TEST(levels_tickers_and_states_have_their_own_keys),
      TEST(flags_are_as_said_and_last_without_any),
      TEST(a_bad_line_costs_its_neighbours_nothing),
      TEST(blank_lines_are_no_messages),
      TEST(commands_are_not_taken),
      TEST(a_line_is_as_long_as_it_may_be_and_no_longer),
      TEST(more_events_than_there_is_room_for_are_refused),
      TEST(patterns_say_what_is_taken),
      TEST(a_star_stands_for_any_run_of_characters),
      TEST(instruments_are_bounded_and_one_row_serves_all_feeds),
      TEST(what_the_config_leaves_room_for_bounds_what_appears),
      TEST(names_have_their_lengths),
      TEST(what_is_no_pattern_is_an_error_of_the_config),
      TEST(records_are_taken_as_they_are_but_for_what_is_ours),
      TEST(records_that_are_none_are_refused),
      TEST(what_models_said_of_a_text_is_an_event),
      TEST(an_answer_of_rest_is_no_event),
      TEST(texts_go_to_whoever_reads_them),
      TEST(a_long_text_is_cut_at_a_character),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
