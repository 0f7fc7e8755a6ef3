/* Features that read other instruments: names and their errors, then a lane with three instruments on which time, books and
 * the order of events are what the test says. */
#include "cmocka_tf.h"

#include <stdlib.h>
#include <string.h>

#include "boot/feature_compile.h"
#include "core/error.h"
#include "indicator/registry.h"
#include "stage/pipeline.h"

#define MS        UINT64_C(1000000)
#define BOOKS_OK  (1u << TF_BOOK_OK | 1u << TF_BOOK_NONE)
#define ROWS_MAX  64
#define VALUE_CNT 8

enum { BTC, ETH, BTC_PERP, INSTRUMENT_CNT };

static const char *const NAMES[INSTRUMENT_CNT] = {"BTC.SPOT", "ETH.SPOT", "BTC.PERP"};

static const tf_feature_peer_t PEERS[] = {
    {"eth",  "ETH.SPOT", 10 * MS,               BOOKS_OK,          false},
    {"perp", "*.PERP",   TF_FEATURE_AGE_NS_MAX, BOOKS_OK,          false},
    {"loud", "ETH.SPOT", 10 * MS,               BOOKS_OK,          true },
    {"gap",  "ETH.SPOT", 10 * MS,               1u << TF_BOOK_GAP, false},
    {"pair", "BTC.SPOT", 10 * MS,               BOOKS_OK,          false},
    {"pair", "BTC.PERP", 10 * MS,               BOOKS_OK,          false},
};

static tf_feature_compile_t *begun(bool bars_only) {
  static const char *const BARS[] = {"s1"};
  tf_feature_compile_t    *c;
  tf_feature_env_t         env = {.indicators    = tf_indicators,
                                  .indicator_cnt = tf_indicator_cnt,
                                  .bar_names     = BARS,
                                  .bar_cnt       = 1,
                                  .plain_bar     = bars_only ? 0 : TF_FEATURE_COMPILE_NONE,
                                  .bars_only     = bars_only,
                                  .peers         = PEERS,
                                  .peer_cnt      = TF_ARRAY_CNT(PEERS)};
  assert_int_equal(tf_feature_compile_begin(&c, &env), TF_OK);
  return c;
}

/* ---- names ---- */

static void a_canonical_name_says_the_peer(void **state) {
  (void)state;
  static const char *const ROWS[][2] = {
      {"mid@eth - mid",                "(mid@eth)-mid"                   },
      {"ema( mid@eth ,20 )",           "ema(mid@eth,20)"                 },
      {"(bid + ask)@eth / 2",          "((bid+ask)@eth)/2"               },
      {"ema(mid@eth, 5)@perp",         "ema(mid@eth,5)@perp"             },
      {"s1.close@eth",                 "s1.close@eth"                    },
      {"macd(mid).macdsignal@eth",     "macd(mid,12,26,9).macdsignal@eth"},
      {"mid@ETH.SPOT",                 "mid@ETH.SPOT"                    },
      {"cbbo.ask@pair",                "cbbo.ask@pair"                   },
      {"cbbo.bid@pair - cbbo.bid@eth", "(cbbo.bid@pair)-(cbbo.bid@eth)"  },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(ROWS); i++) {
    tf_feature_compile_t *c = begun(false);
    tf_feature_plan_t     plan;
    if (tf_feature_compile_add(c, NULL, ROWS[i][0], NULL) != TF_OK) fail_msg("%s", tf_error_text());
    assert_int_equal(tf_feature_compile_finish(c, &plan), TF_OK);
    assert_string_equal(tf_feature_plan_name(&plan, 0), ROWS[i][1]);
    assert_int_equal(tf_feature_compile_find(c, ROWS[i][1]), 0);
    tf_feature_plan_fini(&plan);
    tf_feature_compile_end(c);
  }
}

static void what_is_no_peer_is_refused_where_it_stands(void **state) {
  (void)state;
  static const char *const ROWS[][2] = {
      {"mid@ehth",       "expr:1:5: unknown peer \"ehth\", did you mean \"eth\"?"             },
      {"mid@eth-mid",    "expr:1:8: \"-\" is read as part of a peer's name"                   },
      {"mid@*.",         "expr:1:5: unknown peer \"*.\""                                      },
      {"mid@B*.X",       "expr:1:7: found \".\""                                              },
      {"mid@.X",         "expr:1:5: unknown peer \".X\""                                      },
      {"mid@pair",       "expr:1:5: pair names 2 instruments, and this is the value of one"   },
      {"(1 + 2)@eth",    "expr:1:4: found a constant, which is the same of every instrument"  },
      {"md@eth",         "expr:1:1: unknown name \"md\", did you mean"                        },
      {"cbbo",           "expr:1:1: cbbo reads another instrument; say which, as in cbbo@NAME"},
      {"cbbo.bid",       "expr:1:1: cbbo reads another instrument"                            },
      {"pair_beta@pair", "expr:1:11: pair names 2 instruments, pair_beta reads at most 1"     },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(ROWS); i++) {
    tf_feature_compile_t *c = begun(false);
    assert_int_equal(tf_feature_compile_add(c, NULL, ROWS[i][0], NULL), E_CONFIG_EXPR);
    if (strncmp(tf_error_text(), ROWS[i][1], strlen(ROWS[i][1])) != 0)
      fail_msg("%s: %s", ROWS[i][0], tf_error_text());
    tf_feature_compile_end(c);
  }
  tf_feature_compile_t *c = begun(true);
  assert_int_equal(tf_feature_compile_add(c, NULL, "close@eth", NULL), E_CONFIG_EXPR);
  assert_non_null(strstr(tf_error_text(), "no other instrument"));
  tf_feature_compile_end(c);
}

static void a_plan_has_the_peers_that_are_read_and_no_more_than_it_may(void **state) {
  (void)state;
  tf_feature_compile_t *c = begun(false);
  tf_feature_plan_t     plan;
  char                  text[64];
  assert_int_equal(tf_feature_compile_add(c, NULL, "mid@perp", NULL), TF_OK);
  assert_int_equal(tf_feature_compile_add(c, NULL, "bid@eth + md", NULL), E_CONFIG_EXPR);
  assert_int_equal(tf_feature_compile_finish(c, &plan), TF_OK);
  assert_int_equal(plan.peer_cnt, 1); /* what a refused text read is forgotten */
  assert_string_equal(plan.peers[0].instrument, "*.PERP");
  tf_feature_plan_fini(&plan);
  for (uint32_t i = 1; i < TF_FEATURE_PLAN_PEERS_MAX; i++) {
    snprintf(text, sizeof text, "mid@X%u.V", i);
    assert_int_equal(tf_feature_compile_add(c, NULL, text, NULL), TF_OK);
  }
  assert_int_equal(tf_feature_compile_add(c, NULL, "mid@eth", NULL), E_CONFIG_EXPR);
  assert_non_null(strstr(tf_error_text(), "more than 64 other instruments"));
  assert_int_equal(tf_feature_compile_add(c, NULL, "bid@X5.V", NULL), TF_OK);
  tf_feature_compile_end(c);
}

/* ---- a lane ---- */

typedef struct seen_row {
  uint32_t id;
  uint64_t ingest_seq;
  double   values[VALUE_CNT];
} seen_row_t;

static struct {
  tf_feature_compile_t *compile;
  tf_feature_plan_t     plan;
  tf_lane_t             lane;
  tf_lane_instrument_t  instruments[INSTRUMENT_CNT];
  tf_instrument_t       names[INSTRUMENT_CNT];
  tf_hist_t             hists[TF_HOP_CNT];
  tf_arena_t            arena;
  uint64_t              now_ns, seq;
  seen_row_t            rows[ROWS_MAX];
  uint32_t              row_cnt;
} rig;

static void on_row(void *self, const tf_lane_instrument_t *in) {
  (void)self;
  assert_true(rig.row_cnt < ROWS_MAX);
  seen_row_t *row = &rig.rows[rig.row_cnt++];
  row->id         = in->id;
  row->ingest_seq = in->market.event->ingest_seq;
  for (uint32_t i = 0; i < rig.plan.feature_cnt; i++) row->values[i] = in->row[i];
}

static void open_lane(const char *const *texts, size_t cnt) {
  memset(&rig, 0, sizeof rig);
  rig.now_ns  = UINT64_C(1700000000000000000);
  rig.compile = begun(false);
  for (size_t i = 0; i < cnt; i++)
    if (tf_feature_compile_add(rig.compile, NULL, texts[i], NULL) != TF_OK)
      fail_msg("%s", tf_error_text());
  assert_int_equal(tf_feature_compile_finish(rig.compile, &rig.plan), TF_OK);
  assert_int_equal(tf_arena_init(&rig.arena, "test", (size_t)32 << 20), TF_OK);
  rig.lane.compute.plan   = &rig.plan;
  rig.lane.instruments    = rig.instruments;
  rig.lane.instrument_cap = INSTRUMENT_CNT;
  rig.lane.names          = rig.names;
  rig.lane.hists          = rig.hists;
  rig.lane.sample_every = rig.lane.sample_left = UINT32_MAX;
  rig.lane.watch                               = (tf_row_watch_t){&rig, on_row, NULL};
  for (uint32_t i = 0; i < INSTRUMENT_CNT; i++) {
    tf_lane_instrument_t *in = &rig.instruments[i];
    snprintf(rig.names[i].name, sizeof rig.names[i].name, "%s", NAMES[i]);
    assert_int_equal(tf_buffer_init_instrument(in, &rig.arena, 16, 16), TF_OK);
    in->id       = i;
    in->features = tf_arena_take(&rig.arena, rig.plan.mem_bytes, 64);
    in->row      = tf_arena_take(&rig.arena, sizeof(double) * (rig.plan.feature_cnt + 1), 64);
    assert_int_equal(tf_feature_plan_init_state(&rig.plan, in->features), TF_OK);
    assert_int_equal(tf_peers_init_instrument(in, rig.plan.peer_cnt, &rig.arena), TF_OK);
  }
}

static void close_lane(void) {
  tf_arena_fini(&rig.arena);
  tf_feature_plan_fini(&rig.plan);
  tf_feature_compile_end(rig.compile);
}

#define LANE(...)                                                                                  \
  static const char *const texts_[] = {__VA_ARGS__};                                               \
  open_lane(texts_, TF_ARRAY_CNT(texts_))

static void send(tf_event_t *e, uint32_t id) {
  e->instrument_id = id;
  e->flags |= TF_FLAG_LAST;
  e->ts_recv_ns = rig.now_ns;
  e->ingest_seq = ++rig.seq;
  tf_lane_on_events(&rig.lane, e, 1, 0, 0);
}

/* A quote with this mid. */
static void quote(uint32_t id, int64_t mid) {
  tf_event_t e = {
      .kind    = TF_EVENT_QUOTE,
      .u.quote = {.bid_price = mid - 1, .ask_price = mid + 1, .bid_qty = 1, .ask_qty = 1}
  };
  send(&e, id);
}

static void book(uint32_t id, tf_book_state_t state) {
  tf_event_t e = {.kind = TF_EVENT_STATUS, .u.status = {.book_state = (uint32_t)state}};
  send(&e, id);
}

static double newest(uint32_t i) { return rig.rows[rig.row_cnt - 1].values[i]; }
static bool   is_none(double x) { return x != x; }

static void a_value_is_that_of_the_peers_last_tick(void **state) {
  (void)state;
  LANE("mid@eth", "ema(mid, 2)@eth", "(mid@eth) - mid");
  quote(BTC, 100);
  assert_true(is_none(newest(0)) && is_none(newest(2)));
  quote(ETH, 10);
  quote(ETH, 13);
  quote(BTC, 100);
  assert_int_equal(rig.rows[rig.row_cnt - 1].id, BTC);
  assert_true(newest(0) == 13 && newest(2) == -87);
  double ema_of_eth = newest(1);
  quote(ETH, 13);
  assert_true(!is_none(ema_of_eth) && newest(1) != ema_of_eth); /* its own, which moved on */
  assert_true(newest(0) == 13 && newest(2) == 0);               /* of this very tick */
  close_lane();
}

static void a_peer_has_values_up_to_its_age_and_none_beyond(void **state) {
  (void)state;
  LANE("mid@eth", "peer_age@eth", "mid@perp");
  quote(ETH, 10);
  quote(BTC_PERP, 7);
  static const struct {
    uint64_t after_ns;
    bool     is_good;
  } ROWS[] = {
      {10 * MS - 1, true },
      {1,           true },
      {1,           false}
  };
  uint64_t age_ns = 0;
  for (size_t i = 0; i < TF_ARRAY_CNT(ROWS); i++) {
    rig.now_ns += ROWS[i].after_ns;
    age_ns += ROWS[i].after_ns;
    quote(BTC, 100);
    assert_true(ROWS[i].is_good ? newest(0) == 10 : is_none(newest(0)));
    assert_true(newest(1) == (double)age_ns * 1e-9); /* which says so beyond it too */
    assert_true(newest(2) == 7);                     /* however old */
  }
  quote(ETH, 11);
  rig.now_ns -= 5 * MS; /* another connection's clock is behind */
  quote(BTC, 100);
  assert_true(newest(0) == 11 && newest(1) == 0);
  close_lane();
}

static void a_peer_has_values_while_its_book_and_its_venue_allow(void **state) {
  (void)state;
  LANE("mid@eth", "mid@gap");
  quote(ETH, 10);
  quote(BTC, 100);
  assert_true(newest(0) == 10 && is_none(newest(1)));
  book(ETH, TF_BOOK_GAP);
  quote(BTC, 100);
  assert_true(is_none(newest(0)) && newest(1) == 10);
  book(ETH, TF_BOOK_NONE);
  tf_event_t halt = {
      .kind      = TF_EVENT_STATUS,
      .u.listing = {.book_state = TF_BOOK_NONE, .trading = TF_TRADING_HALTED}
  };
  send(&halt, ETH);
  quote(BTC, 100);
  assert_true(is_none(newest(0)));
  tf_event_t open = {
      .kind      = TF_EVENT_STATUS,
      .u.listing = {.book_state = TF_BOOK_NONE, .trading = TF_TRADING_OPEN}
  };
  send(&open, ETH);
  quote(BTC, 100);
  assert_true(newest(0) == 10);
  close_lane();
}

/* What a warm-up leaves (tf_snapshot_warm): features stand, but the market of then is not that of now. */
static void a_peer_that_has_not_ticked_since_the_start_has_no_values(void **state) {
  (void)state;
  LANE("mid@perp", "peer_age@perp");
  quote(BTC_PERP, 7);
  quote(BTC, 100);
  assert_true(newest(0) == 7);
  rig.instruments[BTC_PERP].is_live = rig.instruments[BTC].is_live = false;
  quote(BTC, 100);
  assert_true(is_none(newest(0)) && is_none(newest(1)));
  quote(BTC_PERP, 8);
  quote(BTC, 100);
  assert_true(newest(0) == 8 && newest(1) == 0);
  close_lane();
}

static void a_star_is_the_own_symbol_at_that_venue(void **state) {
  (void)state;
  LANE("mid@perp");
  quote(BTC_PERP, 7); /* before the one that reads it was there */
  assert_true(newest(0) == 7);
  quote(BTC, 100);
  assert_true(newest(0) == 7);
  quote(ETH, 10);
  assert_true(is_none(newest(0))); /* there is no ETH.PERP */
  close_lane();
}

static void a_peers_tick_is_no_tick_unless_it_wakes(void **state) {
  (void)state;
  LANE("mid@eth", "ema(mid, 1)");
  quote(BTC, 100);
  uint32_t cnt = rig.row_cnt;
  quote(ETH, 10);
  assert_int_equal(rig.row_cnt, cnt + 1); /* its own */
  close_lane();
}

static void a_peer_that_wakes_is_the_cause_of_a_tick_of_its_readers(void **state) {
  (void)state;
  LANE("mid@loud", "mid", "mid@eth");
  quote(ETH, 9);
  quote(BTC, 100);
  quote(BTC_PERP, 50);
  rig.now_ns += 3 * MS;
  uint32_t cnt = rig.row_cnt;
  quote(ETH, 10);
  assert_int_equal(rig.row_cnt, cnt + 3); /* once each, though it is two peers of theirs */
  static const uint32_t IDS[] = {ETH, BTC, BTC_PERP}; /* as they were bound */
  for (uint32_t i = 0; i < 3; i++) {
    const seen_row_t *row = &rig.rows[cnt + i];
    assert_int_equal(row->id, IDS[i]);
    assert_int_equal(row->ingest_seq, rig.seq);
    assert_true(row->values[0] == 10 && row->values[2] == 10);
  }
  assert_true(rig.rows[cnt + 1].values[1] == 100);
  assert_true(rig.instruments[BTC].market.now_ns == rig.now_ns);
  assert_int_equal(rig.lane.compute.counts.ticks, rig.row_cnt);
  close_lane();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_canonical_name_says_the_peer),
      cmocka_unit_test(what_is_no_peer_is_refused_where_it_stands),
      cmocka_unit_test(a_plan_has_the_peers_that_are_read_and_no_more_than_it_may),
      cmocka_unit_test(a_value_is_that_of_the_peers_last_tick),
      cmocka_unit_test(a_peer_has_values_up_to_its_age_and_none_beyond),
      cmocka_unit_test(a_peer_has_values_while_its_book_and_its_venue_allow),
      cmocka_unit_test(a_peer_that_has_not_ticked_since_the_start_has_no_values),
      cmocka_unit_test(a_star_is_the_own_symbol_at_that_venue),
      cmocka_unit_test(a_peers_tick_is_no_tick_unless_it_wakes),
      cmocka_unit_test(a_peer_that_wakes_is_the_cause_of_a_tick_of_its_readers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
