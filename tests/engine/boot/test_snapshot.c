/* A run that is cut anywhere goes on bit for bit: events are decoded once, then given to one engine, or to one engine after the other, each
 * of which has nothing but the snapshot of the one before it. What is compared is every first line of every decision. */
#include "cmocka_tf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"
#include "registry.h"
#include "snapshot_rig.h"

#define CUT_EVENTS (RIG_IS_SLOW ? 5000u : 1000u)

static uint32_t batch_behind(uint32_t event) {
  uint32_t b = 0;
  while (b < rig_tape.batch_cnt && rig_tape.batches[b].first < event) b++;
  return b;
}

static void expect_lines(const rig_line_t *whole, uint32_t cnt) {
  for (uint32_t i = 0; i < cnt && i < rig_decided.cnt; i++)
    if (memcmp(&whole[i], &rig_decided.lines[i], sizeof *whole) != 0)
      fail_msg("decision %u of %u is another: ingest_seq %llu", i, cnt,
               (unsigned long long)((const tf_decision_t *)(const void *)&whole[i])->ingest_seq);
  assert_int_equal(rig_decided.cnt, cnt);
}

/* What they know is the same, byte for byte: but for the epoch, and the digest over it. */
static void expect_same_state(const rig_piece_t *a, const rig_piece_t *b) {
  tf_snapshot_head_t *x = a->snapshot, *y = b->snapshot;
  x->mark.epoch    = y->mark.epoch;
  x->digest        = y->digest;
  const uint8_t *p = a->snapshot, *q = b->snapshot;
  for (size_t i = 0; i < a->bytes; i++)
    if (p[i] != q[i]) fail_msg("byte %zu of %zu of the snapshots is another", i, a->bytes);
}

/* The run in one, then cut after each message with which event k * CUT_EVENTS is over, then at random places. */
static void cut_everywhere(const char *text, uint32_t decisions_min) {
  tf_config_t *config;
  rig_load_config(text, &config);
  rig_piece_t whole = {0}, cut = {0}, random = {0};
  rig_decided.cnt = 0;
  rig_run_piece(config, 0, rig_tape.batch_cnt, &whole);
  uint32_t    cnt   = rig_decided.cnt;
  rig_line_t *lines = malloc((cnt + 1) * sizeof *lines);
  memcpy(lines, rig_decided.lines, cnt * sizeof *lines);
  if (cnt < decisions_min)
    fail_msg("%u decisions, wanted %u: nothing is shown", cnt, decisions_min);

  rig_decided.cnt = 0;
  for (uint32_t from = 0, event = CUT_EVENTS; from < rig_tape.batch_cnt; event += CUT_EVENTS) {
    uint32_t to = batch_behind(event);
    if (to == from) continue;
    rig_run_piece(config, from, to, &cut);
    from = to;
  }
  expect_lines(lines, cnt);
  assert_int_equal(cut.events_hash, whole.events_hash);
  assert_int_equal(cut.decisions_hash, whole.decisions_hash);
  assert_int_equal(cut.bytes, whole.bytes);
  expect_same_state(&cut, &whole);

  rig_decided.cnt = 0;
  uint64_t seed   = 20261122;
  for (uint32_t from = 0, step; from < rig_tape.batch_cnt; from += step) {
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    step = 1 + (uint32_t)(seed >> 40) % (rig_tape.batch_cnt / 6 + 1);
    if (step > rig_tape.batch_cnt - from) step = rig_tape.batch_cnt - from;
    rig_run_piece(config, from, from + step, &random);
  }
  expect_lines(lines, cnt);
  assert_int_equal(random.decisions_hash, whole.decisions_hash);
  free(whole.snapshot), free(cut.snapshot), free(random.snapshot), free(lines);
  tf_config_free(config);
}

/* ---- what is cut ---- */

static void books_bars_and_strategies_go_on(void **state) {
  (void)state;
  rig_decode_made();
  cut_everywhere(
      "bars: {s1: 1s, t10: 10 ticks, v5: 5 volume, e1: {size: 1s, clock: event, late_max: 200ms},\n"
      "  ti: {size: 20 tick_imbalance}}\n"
      "features: [mid, spread, \"imbalance(5)\", \"zscore(mid, 50)\", \"ofi(1s)\", \"rsi(s1.close, "
      "5)\",\n"
      "  \"wma(t10.close, 4)\", \"ema(v5.close, 3)\", \"ema(e1.close, 3)\", \"ema(ti.close, 3)\", "
      "cvd]\n"
      "strategies:\n"
      "  - {name: a, buy: \"zscore(mid,50) < -1\", buy_until: \"zscore(mid,50) > 0\",\n"
      "     sell: \"zscore(mid,50) > 1\", sell_until: \"zscore(mid,50) < 0\", cooldown: 300ms,\n"
      "     max_rate: 3/10s}\n"
      "  - {name: b, buy: \"imbalance(5) > 0.2\", sell: \"cvd < 0\", max_rate: 5/1s, books: all}\n"
      "sinks: [{type: kept}]\n",
      100);
}

/* Some slide, some merge, some have hardly begun. */
static void windows_go_on(void **state) {
  (void)state;
  rig_decode_made();
  cut_everywhere(
      "features: [mid, \"volume(1s, 65536)\", \"vwap(10s, 16)\", \"ofi(2s, 40)\", \"ofi(300ms, "
      "16)\",\n"
      "  \"mlofi(1s, 2, 24)\", \"realised_spread(2s, 500ms, 20)\", \"roll(5s, 32)\",\n"
      "  \"sma(mid, 20)\", \"sma(mid, 70)\", \"sma(mid, 33)\", \"lead_lag(100, 5s, "
      "24)@*.BINANCE-SPOT\"]\n"
      "strategies:\n"
      "  - {name: a, buy: \"ofi(300ms,16) > 0\", sell: \"vwap(10s,16) > mid\", books: all}\n"
      "sinks: [{type: kept}]\n",
      100);
}

/* A MiB of places for an instrument, of which a few are held. */
static void what_windows_do_not_hold_is_not_in_it(void **state) {
  (void)state;
  tf_config_t *config;
  rig_piece_t  piece = {0};
  rig_decode_made();
  rig_load_config("features: [mid, \"volume(1s, 65536)\"]\n"
                  "strategies:\n  - {name: a, buy: \"mid > 0\", books: all}\n"
                  "sinks: [{type: kept}]\n"
                  "engine: {instruments_max: 64}\n",
                  &config);
  rig_run_piece(config, 0, rig_tape.batch_cnt, &piece);
  assert_true(piece.bytes < 256u << 10);
  free(piece.snapshot);
  tf_config_free(config);
}

static void instruments_that_read_one_another_go_on(void **state) {
  (void)state;
  rig_decode_made();
  cut_everywhere(
      "universe: {max_age: 2s}\n"
      "peers:\n"
      "  - {name: spot, instruments: [\"*.BINANCE-SPOT\"], max_age: 2s, wake: true}\n"
      "  - {name: both, instruments: [\"*.BINANCE-SPOT\", \"*.BINANCE-USDM\"], max_age: 2s}\n"
      "features: [mid, {name: gap, expr: \"(mid / mid@spot - 1) * 10000\"}, \"zscore(basis, "
      "20)\",\n"
      "  trade_imbalance(1s)@spot, \"pair_beta(100ms, 20)@spot\", cbbo.bid@both, peer_age@spot,\n"
      "  \"cs_rank(ret(mid, 5))\", \"cs_zscore(ret(mid, 5))\"]\n"
      "strategies:\n"
      "  - {name: a, buy: \"zscore(gap,20) < 0\", sell: \"zscore(gap,20) > 0\", books: all}\n"
      "  - {name: b, buy: \"cs_rank(ret(mid,5)) > 0.6\", sell: \"peer_age@spot > 1\", books: all}\n"
      "sinks: [{type: kept}]\n",
      100);
}

#define LSTM_CONFIG                                                                                \
  "features: [spread_bps, imbalance(5), ofi(1s), trade_imbalance(1s), \"zscore(mid,50)\","         \
  " \"ret(mid,10)\", (microprice-mid)/spread, trade_count(1s)]\n"                                  \
  "models: [{name: lstm, file: models/example-lstm.safetensors, window: 20, precision: %s}]\n"     \
  "strategies:\n"                                                                                  \
  "  - {name: a, model: lstm, buy: \"score > 0 and fleet_mean > -1\", sell: \"score < 0\","        \
  " books: all}\n"                                                                                 \
  "sinks: [{type: kept}]\n"                                                                        \
  "engine: {batch_max: %u}\n"

static void models_over_windows_go_on(void **state) {
  (void)state;
  static const char *const PRECISIONS[] = {"fp32", "bf16", "int8"};
  char                     text[2048];
  rig_decode_made();
  for (size_t i = 0; i < TF_ARRAY_CNT(PRECISIONS); i++) {
    snprintf(text, sizeof text, LSTM_CONFIG, PRECISIONS[i], 1);
    cut_everywhere(text, 20);
  }
}

static void batches_of_ticks_go_on(void **state) {
  (void)state;
  char text[2048];
  rig_decode_made();
  snprintf(text, sizeof text, LSTM_CONFIG, "fp32", 8);
  cut_everywhere(text, 20);
}

/* With its defaults, over bars of a second where it has a series; of several outputs the first. */
static int write_call(char *to, const tf_indicator_t *d) {
  int n = sprintf(to, "%s", d->name);
  for (uint32_t i = 0; i < d->series_cnt; i++) {
    const char *of = "mid";
    for (int f = 0; d->series[i] && f < TF_FEATURE_BAR_FIELD_CNT; f++)
      if (!strcmp(d->series[i], tf_feature_plan_bar_fields[f])) of = d->series[i];
    n += sprintf(to + n, "%s%s%s", i ? ", " : "(", strcmp(of, "mid") != 0 ? "b3." : "", of);
  }
  n += sprintf(to + n, "%s", d->series_cnt ? ")" : "");
  if (d->output_cnt > 1) n += sprintf(to + n, ".%s", d->outputs[0]);
  if (d->peers_max) n += sprintf(to + n, "@*.BINANCE-SPOT");
  return n;
}

/* Forty at a time. The bytes of the last snapshots are compared too, so that no state of any may be another. */
static void every_indicator_goes_on(void **state) {
  (void)state;
  const tf_registry_t *r    = tickfuse_registry();
  char                *text = malloc(1u << 20);
  rig_decode_made();
  for (uint32_t at = 0, cnt = 0; at < r->indicator_cnt; at += cnt) {
    int n = sprintf(text, "bars: {b3: 3 ticks}\nfeatures: [{name: none, expr: \"mid + 1\"}");
    for (cnt = 0; at + cnt < r->indicator_cnt && cnt < 40; cnt++) {
      n += sprintf(text + n, ",\n  {name: f%u, expr: \"", at + cnt);
      n += write_call(text + n, r->indicators[at + cnt]);
      n += sprintf(text + n, "\"}");
    }
    sprintf(text + n,
            "]\nstrategies:\n  - {name: a, buy: \"mid > f%u\", sell: \"mid < f%u\", books: all}\n"
            "sinks: [{type: kept}]\n",
            at, at + cnt - 1);
    cut_everywhere(text, 20);
  }
  free(text);
}

static void a_real_recording_goes_on(void **state) {
  (void)state;
  static const char *const REAL[] = {
      "binance-usdm:../shared/data/binance-usdm/btcusdt_20240808.gz"};
  if (access(strchr(REAL[0], ':') + 1, R_OK) != 0) skip();
  rig_decode(REAL, 1);
  cut_everywhere(
      "bars: {s1: 1s, t100: 100 ticks}\n"
      "features: [mid, \"zscore(mid, 200)\", \"ofi(2s)\", \"imbalance(10)\", \"rsi(s1.close, 5)\","
      " \"wma(t100.close, 7)\"]\n"
      "strategies:\n"
      "  - {name: a, buy: \"zscore(mid,200) < -2\", buy_until: \"zscore(mid,200) > 0\",\n"
      "     sell: \"zscore(mid,200) > 2\", cooldown: 300ms, max_rate: 3/10s}\n"
      "  - {name: b, buy: \"imbalance(10) > 0.5\", sell: \"ofi(2s) < -3\", max_rate: 5/1s, books: "
      "all}\n"
      "sinks: [{type: kept}]\n",
      1000);
}

/* ---- what is refused ---- */

#define PLAIN                                                                                      \
  "features: [mid]\nstrategies:\n  - {name: a, buy: \"mid > 0\", sell: \"mid < 0\", books: all}\n" \
  "sinks: [{type: kept}]\n"

static void a_snapshot_that_was_changed_anywhere_is_refused(void **state) {
  (void)state;
  static tf_engine_t engine;
  tf_config_t       *config;
  tf_source_t        source;
  rig_piece_t        piece = {0};
  rig_decode_made();
  rig_load_config(PLAIN, &config);
  rig_run_piece(config, 0, rig_tape.batch_cnt / 2, &piece);
  rig_begin_engine(&engine, config, &source, NULL, NULL);
  uint8_t *copy = malloc(piece.bytes);
  for (size_t at = 0; at < piece.bytes; at += at < 1024 ? 1 : 977) {
    memcpy(copy, piece.snapshot, piece.bytes);
    copy[at] ^= 0x10;
    tf_snapshot_way_t way = {.is_exact = at & 1};
    assert_int_equal(tf_snapshot_restore(&engine, copy, piece.bytes, &way), E_BOOT_SNAPSHOT);
  }
  for (size_t bytes = 0; bytes < piece.bytes; bytes += bytes < 1024 ? 8 : 984) {
    uint8_t *cut =
        aligned_alloc(8, tf_align_up(bytes + 1, 8)); /* its end is the sanitizer's to watch */
    memcpy(cut, piece.snapshot, bytes);
    assert_int_equal(
        tf_snapshot_restore(&engine, cut, bytes, &(tf_snapshot_way_t){.is_exact = true}),
        E_BOOT_SNAPSHOT);
    free(cut);
  }
  assert_int_equal(engine.runner.acquire.ingest_seq, 0);
  assert_int_equal(engine.runner.lane.decide.decision_seq, 0);
  free(copy), free(piece.snapshot);
  tf_engine_fini(&engine);
  tf_config_free(config);
}

#define OF(more_features, bar, peers, models, rule)                                                \
  "features: [mid, spread_bps, imbalance(5), ofi(1s), trade_imbalance(1s), \"zscore(mid,50)\","    \
  " \"ret(mid,10)\", (microprice-mid)/spread, trade_count(1s)" more_features "]\n"                 \
  "bars: {s1: " bar "}\n" peers models "strategies:\n  - {name: a, buy: \"mid > " rule             \
  "\", books: all}\nsinks: [{type: kept}]\n"
#define LSTM  "models: [{name: lstm, file: models/example-lstm.safetensors}]\n"
#define PEERS "peers: [{name: spot, instruments: [\"*.BINANCE-SPOT\"], max_age: 2s}]\n"

/* An engine that is the same but for one thing says which. */
static void a_snapshot_of_another_config_is_refused_with_what_is_another(void **state) {
  (void)state;
  static const struct {
    const char *text, *says;
  } rows[] = {
      {OF("",           "1s", "",    "",   "0"), NULL                                 },
      {OF(", spread",   "1s", "",    "",   "0"), "taken with other features than test"},
      {OF("",           "2s", "",    "",   "0"), "with other bars than"               },
      {OF(", mid@spot", "1s", PEERS, "",   "0"), "with other features, peers than"    },
      {OF("",           "1s", "",    "",   "1"), "with other strategies than"         },
      {OF("",           "1s", "",    LSTM, "0"), "with other models than"             },
      {OF("",           "2s", "",    "",   "1"), "with other bars, strategies than"   },
  };
  static tf_engine_t engine;
  rig_piece_t        piece = {0};
  rig_decode_made();
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    tf_config_t *config;
    tf_source_t  source;
    rig_load_config(rows[i].text, &config);
    if (i == 0) rig_run_piece(config, 0, rig_tape.batch_cnt / 2, &piece);
    rig_begin_engine(&engine, config, &source, NULL, NULL);
    const tf_snapshot_way_t way = {.is_exact = true};
    const tf_err_t          err = tf_snapshot_restore(&engine, piece.snapshot, piece.bytes, &way);
    if (err != (rows[i].says ? E_BOOT_SNAPSHOT : TF_OK))
      fail_msg("row %zu: %s", i, tf_error_name(err));
    if (rows[i].says && !strstr(tf_error_text(), rows[i].says))
      fail_msg("\"%s\" is not in \"%s\"", rows[i].says, tf_error_text());
    tf_engine_fini(&engine);
    tf_config_free(config);
  }
  free(piece.snapshot);
}

/* A clock that went back: what was learnt is of times to come. */
static void a_snapshot_is_refused_by_its_age_both_ways(void **state) {
  (void)state;
  static tf_engine_t engine;
  tf_config_t       *config;
  tf_source_t        source;
  rig_piece_t        piece = {0};
  rig_decode_made();
  rig_load_config(PLAIN, &config);
  rig_run_piece(config, 0, rig_tape.batch_cnt / 2, &piece);
  rig_begin_engine(&engine, config, &source, NULL, NULL);
  const uint64_t as_of_ns = ((const tf_snapshot_head_t *)piece.snapshot)->mark.as_of_ns;
  const uint64_t age_ns   = 600 * TF_NS_PER_SEC;
  const struct {
    uint64_t    now_ns;
    const char *says;
  } rows[] = {
      {as_of_ns + age_ns + 1,                       "it is 600 s old; engine.snapshot_age_max is 600 s"},
      {as_of_ns - age_ns - 1,                       "it is 600 s ahead of this machine's clock"        },
      {as_of_ns - 10 * 365 * 86400 * TF_NS_PER_SEC, "it is 315360000 s ahead"                          },
      {as_of_ns + age_ns,                           NULL                                               },
      {as_of_ns - age_ns,                           NULL                                               },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    const tf_snapshot_way_t way = {.now_ns = rows[i].now_ns, .age_max_ns = age_ns};
    const tf_err_t          err = tf_snapshot_restore(&engine, piece.snapshot, piece.bytes, &way);
    assert_int_equal(err, rows[i].says ? E_BOOT_SNAPSHOT : TF_OK);
    if (rows[i].says) assert_non_null(strstr(tf_error_text(), rows[i].says));
  }
  tf_engine_fini(&engine);
  free(piece.snapshot);
  tf_config_free(config);
}

static void what_was_learnt_alone_forgets_books_and_numbers(void **state) {
  (void)state;
  static tf_engine_t engine;
  tf_config_t       *config;
  tf_source_t        source;
  rig_piece_t        piece = {0};
  rig_decode_made();
  rig_load_config(PLAIN, &config);
  rig_decided.cnt = 0;
  rig_run_piece(config, 0, rig_tape.batch_cnt / 2, &piece);
  assert_true(rig_decided.cnt > 0);
  rig_begin_engine(&engine, config, &source, &piece, &(tf_snapshot_way_t){0});
  for (uint32_t i = 0; i < engine.instruments.cnt; i++) {
    const tf_lane_instrument_t *in = &engine.runner.lane.instruments[i];
    assert_int_equal(in->keeper.book.state, TF_BOOK_NONE);
    assert_int_equal(in->keeper.book.bid.level_cnt, 0);
    assert_false(in->is_live);
  }
  assert_int_equal(engine.runner.acquire.ingest_seq, 0);
  assert_int_equal(engine.runner.lane.decide.decision_seq, 0);
  tf_engine_fini(&engine);
  free(piece.snapshot);
  tf_config_free(config);
}

/* A recording that is brought from its beginning is passed over up to where the snapshot is, and is to be the same. */
static void a_stream_from_its_beginning_is_passed_over_if_it_is_the_same(void **state) {
  (void)state;
  static tf_engine_t engine;
  tf_config_t       *config;
  tf_source_t        source;
  rig_piece_t        whole = {0}, piece = {0};
  tf_snapshot_way_t  way = {.is_exact = true, .from_beginning = true};
  rig_decode_made();
  rig_load_config(PLAIN, &config);
  rig_decided.cnt = 0;
  rig_run_piece(config, 0, rig_tape.batch_cnt, &whole);
  uint32_t whole_cnt = rig_decided.cnt;
  rig_decided.cnt    = 0;
  rig_run_piece(config, 0, rig_tape.batch_cnt / 2, &piece);
  rig_begin_engine(&engine, config, &source, &piece, &way);
  rig_give(&engine, &source, 0, rig_tape.batch_cnt);
  assert_int_equal(rig_decided.cnt, whole_cnt);
  assert_int_equal(engine.runner.acquire.events_hash, whole.events_hash);
  assert_int_equal(engine.runner.acquire.failed, TF_OK);
  tf_engine_fini(&engine);

  rig_begin_engine(&engine, config, &source, &piece, &way);
  uint32_t before = rig_decided.cnt;
  rig_tape.events[5].ts_recv_ns++;
  rig_give(&engine, &source, 0, rig_tape.batch_cnt);
  rig_tape.events[5].ts_recv_ns--;
  assert_int_equal(engine.runner.acquire.failed, E_BOOT_SNAPSHOT);
  assert_non_null(strstr(engine.runner.acquire.failed_text, "the events' hash is another"));
  assert_int_equal(rig_decided.cnt, before);
  tf_engine_fini(&engine);
  free(whole.snapshot), free(piece.snapshot);
  tf_config_free(config);
}

int main(void) {
  tf_clock_calibrate();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(books_bars_and_strategies_go_on),
      cmocka_unit_test(windows_go_on),
      cmocka_unit_test(what_windows_do_not_hold_is_not_in_it),
      cmocka_unit_test(instruments_that_read_one_another_go_on),
      cmocka_unit_test(models_over_windows_go_on),
      cmocka_unit_test(batches_of_ticks_go_on),
      cmocka_unit_test(every_indicator_goes_on),
      cmocka_unit_test(a_real_recording_goes_on),
      cmocka_unit_test(a_snapshot_that_was_changed_anywhere_is_refused),
      cmocka_unit_test(a_snapshot_of_another_config_is_refused_with_what_is_another),
      cmocka_unit_test(a_snapshot_is_refused_by_its_age_both_ways),
      cmocka_unit_test(what_was_learnt_alone_forgets_books_and_numbers),
      cmocka_unit_test(a_stream_from_its_beginning_is_passed_over_if_it_is_the_same),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
