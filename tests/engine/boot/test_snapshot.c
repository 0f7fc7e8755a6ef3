/* A run that is cut anywhere goes on bit for bit: events are decoded once, then given to one engine, or to one engine after the other, each
 * of which has nothing but the snapshot of the one before it. What is compared is every first line of every decision. */
#include "cmocka_tf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot/snapshot_live.h"
#include "core/clock.h"
#include "core/error.h"
#include "file/replay.h"
#include "inputs.h"
#include "registry.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define EVENTS_MAX (1u << 17) /* as many cuts as there is time for */
#define CUT_EVENTS 5000u
#else
#define EVENTS_MAX (1u << 18)
#define CUT_EVENTS 1000u
#endif
#define DECISIONS_MAX (1u << 20)
#define SKIPPED       77

/* ---- decoded once ---- */

typedef struct batch {
  uint32_t first, cnt;
} batch_t;

static struct {
  tf_event_t      *events; /* as decoders made them */
  batch_t         *batches;
  uint32_t         event_cnt, batch_cnt;
  tf_instruments_t instruments;
} tape;

static void keep(void *self, const tf_batch_t *batch) {
  (void)self;
  if (tape.event_cnt + batch->event_cnt > EVENTS_MAX) return;
  memcpy(tape.events + tape.event_cnt, batch->events, batch->event_cnt * sizeof *tape.events);
  tape.batches[tape.batch_cnt++] = (batch_t){tape.event_cnt, batch->event_cnt};
  tape.event_cnt += batch->event_cnt;
}

static void decode(const char *const *inputs, uint32_t cnt) {
  static tf_inputs_t resolved;
  tf_replay_t        replay = {0};
  tape.event_cnt = tape.batch_cnt = tape.instruments.cnt = 0;
  if (!tape.events) {
    tape.events           = malloc(EVENTS_MAX * sizeof *tape.events);
    tape.batches          = malloc(EVENTS_MAX * sizeof *tape.batches);
    tape.instruments.cap  = 64;
    tape.instruments.rows = calloc(64, sizeof *tape.instruments.rows);
  }
  memset(&resolved, 0, sizeof resolved);
  memset(tape.instruments.rows, 0, 64 * sizeof *tape.instruments.rows);
  tf_replay_config_t config = {.inputs      = resolved.rows,
                               .input_cnt   = cnt,
                               .event_cap   = 65536,
                               .instruments = &tape.instruments};
  if (tf_inputs_resolve(&resolved, &tape.instruments, NULL, NULL, inputs, cnt))
    fail_msg("%s", tf_error_text());
  void *memory = aligned_alloc(64, tf_replay_footprint(&config));
  if (tf_replay_init(&replay, &config, memory)) fail_msg("%s", tf_error_text());
  replay.source.publisher = (tf_publisher_t){NULL, keep};
  while (tape.event_cnt < EVENTS_MAX - 65536 && replay.source.ops->poll(&replay.source, 0) >= 0)
    continue;
  tf_replay_fini(&replay);
  tf_inputs_fini(&resolved);
  free(memory);
  assert_true(tape.event_cnt > 0);
}

/* ---- an engine that is given them ---- */

typedef struct line {
  uint8_t bytes[64];
} line_t;

static struct {
  line_t  *lines;
  uint32_t cnt;
} decided;

static size_t   sink_bytes(const tf_sink_config_t *c) { return (void)c, sizeof(uint64_t); }
static tf_err_t sink_open(void *s, const tf_sink_config_t *c) { return (void)s, (void)c, TF_OK; }
static tf_err_t sink_flush(void *s, uint64_t now_ns) { return (void)s, (void)now_ns, TF_OK; }
static tf_err_t sink_close(void *s) { return (void)s, TF_OK; }
static int      sink_offer(void *state, const void *records, uint32_t n) {
       (void)state;
       const tf_decision_t *d = records;
       for (uint32_t i = 0; i < n; i++) {
         assert_true(decided.cnt < DECISIONS_MAX);
         memcpy(decided.lines[decided.cnt++].bytes, &d[i], sizeof(line_t));
  }
       return (int)n;
}

static const tf_sink_t kept = {.name        = "kept",
                               .policies    = TF_OVERFLOW_BIT(TF_OVERFLOW_BLOCK),
                               .policy      = TF_OVERFLOW_BLOCK,
                               .carries     = 1u << TF_CARRIES_DECISIONS,
                               .state_bytes = sink_bytes,
                               .open        = sink_open,
                               .offer       = sink_offer,
                               .flush       = sink_flush,
                               .close       = sink_close};

typedef struct piece {
  void    *snapshot;
  size_t   bytes;
  uint64_t events_hash, decisions_hash;
} piece_t;

static const tf_source_ops_t no_ops;

static void load_config(const char *text, tf_config_t **config) {
  static tf_config_errors_t errors;
  if (tf_config_load_text("test", text, NULL, 0, NULL, &errors, config))
    fail_msg("%s", tf_error_text());
}

static void begin_engine(tf_engine_t *e, const tf_config_t *config, tf_source_t *source,
                         const piece_t *from, const tf_snapshot_way_t *way) {
  static tf_registry_t          registry;
  static const tf_sink_t *const sinks[] = {&kept};
  registry                              = *tickfuse_registry();
  registry.sinks                        = sinks;
  registry.sink_cnt                     = 1;
  tf_engine_options_t options           = {.is_replay = true};
  if (tf_engine_init(e, config, &registry, &options)) fail_msg("%s", tf_error_text());
  *source = (tf_source_t){.ops = &no_ops};
  assert_int_equal(tf_engine_add_source(e, source, "tape"), TF_OK);
  if (!from || !from->snapshot) {
    memcpy(e->instruments.rows, tape.instruments.rows,
           tape.instruments.cnt * sizeof *tape.instruments.rows);
    e->instruments.cnt = tape.instruments.cnt;
  } else if (tf_snapshot_restore(e, from->snapshot, from->bytes, way)) {
    fail_msg("%s", tf_error_text());
  }
}

/* Gives it batches [from, to); as a pass of the runner each, as far as batches of ticks go. */
static void give(tf_engine_t *e, tf_source_t *source, uint32_t from, uint32_t to) {
  static tf_event_t events[65536];
  for (uint32_t b = from; b < to; b++) {
    const batch_t *row = &tape.batches[b];
    memcpy(events, tape.events + row->first, row->cnt * sizeof *events);
    tf_batch_t batch = {.events = events, .event_cnt = row->cnt, .origin_tsc = tf_clock_ticks()};
    source->position = b + 1;
    source->publisher.publish(source->publisher.self, &batch);
    if (e->runner.lane.batch) (void)tf_batch_settle(&e->runner.lane, b % 7 == 6);
  }
  if (e->runner.lane.batch) (void)tf_batch_settle(&e->runner.lane, true);
}

/* Batches [from, to) by an engine of its own, which leaves its snapshot in *piece and goes on from the one that is there. */
static void run_piece(const tf_config_t *config, uint32_t from, uint32_t to, piece_t *piece) {
  static tf_engine_t engine;
  tf_source_t        source;
  begin_engine(&engine, config, &source, piece, &(tf_snapshot_way_t){.is_exact = true});
  if (piece->snapshot)
    assert_int_equal(tf_snapshot_find_position(piece->snapshot, piece->bytes, "tape"), from);
  give(&engine, &source, from, to);
  free(piece->snapshot);
  size_t room        = tf_snapshot_bytes_max(&engine);
  piece->snapshot    = malloc(room);
  piece->bytes       = tf_snapshot_take(&engine, piece->snapshot, room);
  piece->events_hash = engine.runner.acquire.events_hash;
  piece->decisions_hash =
      tf_decide_hash(&engine.runner.lane.decide, tf_load_acquire_u32(&engine.instruments.cnt));
  tf_engine_fini(&engine);
}

static uint32_t batch_behind(uint32_t event) {
  uint32_t b = 0;
  while (b < tape.batch_cnt && tape.batches[b].first < event) b++;
  return b;
}

static void expect_lines(const line_t *whole, uint32_t cnt) {
  for (uint32_t i = 0; i < cnt && i < decided.cnt; i++)
    if (memcmp(&whole[i], &decided.lines[i], sizeof *whole) != 0)
      fail_msg("decision %u of %u is another: ingest_seq %llu", i, cnt,
               (unsigned long long)((const tf_decision_t *)(const void *)&whole[i])->ingest_seq);
  assert_int_equal(decided.cnt, cnt);
}

/* What they know is the same, byte for byte: but for the epoch, and the digest over it. */
static void expect_same_state(const piece_t *a, const piece_t *b) {
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
  load_config(text, &config);
  piece_t whole = {0}, cut = {0}, random = {0};
  decided.cnt = 0;
  run_piece(config, 0, tape.batch_cnt, &whole);
  uint32_t cnt   = decided.cnt;
  line_t  *lines = malloc((cnt + 1) * sizeof *lines);
  memcpy(lines, decided.lines, cnt * sizeof *lines);
  if (cnt < decisions_min)
    fail_msg("%u decisions, wanted %u: nothing is shown", cnt, decisions_min);

  decided.cnt = 0;
  for (uint32_t from = 0, event = CUT_EVENTS; from < tape.batch_cnt; event += CUT_EVENTS) {
    uint32_t to = batch_behind(event);
    if (to == from) continue;
    run_piece(config, from, to, &cut);
    from = to;
  }
  expect_lines(lines, cnt);
  assert_int_equal(cut.events_hash, whole.events_hash);
  assert_int_equal(cut.decisions_hash, whole.decisions_hash);
  assert_int_equal(cut.bytes, whole.bytes);
  expect_same_state(&cut, &whole);

  decided.cnt   = 0;
  uint64_t seed = 20261122;
  for (uint32_t from = 0, step; from < tape.batch_cnt; from += step) {
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    step = 1 + (uint32_t)(seed >> 40) % (tape.batch_cnt / 6 + 1);
    if (step > tape.batch_cnt - from) step = tape.batch_cnt - from;
    run_piece(config, from, from + step, &random);
  }
  expect_lines(lines, cnt);
  assert_int_equal(random.decisions_hash, whole.decisions_hash);
  free(whole.snapshot), free(cut.snapshot), free(random.snapshot), free(lines);
  tf_config_free(config);
}

/* ---- what is cut ---- */

static void decode_made(void) {
  static const char *const MADE[] = {"binance-spot:tests/data/binance_spot_made.txt",
                                     "binance-usdm:tests/data/binance_usdm_made.txt"};
  decode(MADE, 2);
}

static void books_bars_and_strategies_go_on(void **state) {
  (void)state;
  decode_made();
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

static void instruments_that_read_one_another_go_on(void **state) {
  (void)state;
  decode_made();
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
  decode_made();
  for (size_t i = 0; i < TF_ARRAY_CNT(PRECISIONS); i++) {
    snprintf(text, sizeof text, LSTM_CONFIG, PRECISIONS[i], 1);
    cut_everywhere(text, 20);
  }
}

static void batches_of_ticks_go_on(void **state) {
  (void)state;
  char text[2048];
  decode_made();
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
  decode_made();
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
  decode(REAL, 1);
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

/* ---- while it runs ---- */

#define KEPT_MAX 40u

/* A store in memory: all that were put, as far as there is room. */
static struct {
  piece_t  pieces[KEPT_MAX];
  uint64_t decision_seqs[KEPT_MAX];
  uint32_t cnt, put_cnt;
  bool     refuses;
} store;

static tf_err_t store_put(void *self, const char *name, const tf_snapshot_mark_t *mark,
                          const void *bytes, size_t bytes_cnt) {
  (void)self;
  assert_string_equal(name, "kept");
  store.put_cnt++;
  if (store.refuses) return TF_ERR(E_FILE_WRITE, "the store is full");
  if (store.cnt == KEPT_MAX) return TF_OK;
  piece_t *p                       = &store.pieces[store.cnt];
  store.decision_seqs[store.cnt++] = mark->decision_seq;
  p->snapshot                      = malloc(bytes_cnt);
  p->bytes                         = bytes_cnt;
  memcpy(p->snapshot, bytes, bytes_cnt);
  return TF_OK;
}

static tf_err_t store_get(void *self, const char *name, uint32_t back_cnt, void **bytes,
                          size_t *bytes_cnt) {
  (void)self, (void)name, (void)back_cnt, (void)bytes, (void)bytes_cnt;
  return E_BOOT_SNAPSHOT_NONE;
}

/* Gives a batch a poll. Snapshots are asked for all the time; one may be under way while events come, but a second part of the tape
 * waits until it has come: that is when the lane is idle. */
static struct {
  tf_source_t         source;
  tf_snapshot_live_t *live;
  uint32_t            at, wanted;
} player;

static int player_poll(tf_source_t *source, uint64_t now_ns) {
  static tf_event_t    events[65536];
  tf_snapshot_counts_t c;
  (void)now_ns;
  tf_snapshot_live_counts(player.live, &c);
  if (c.put + c.failed + 1 < (player.at + 1) * player.wanted / tape.batch_cnt) return 0;
  if (player.at == tape.batch_cnt) return TF_SOURCE_DONE;
  /* It is begun with the next event, as the lane has no time to be idle in between. */
  const uint64_t begun = c.begun;
  if (tf_snapshot_live_request(player.live))
    while (c.begun == begun) tf_snapshot_live_counts(player.live, &c);
  const batch_t *row = &tape.batches[player.at++];
  memcpy(events, tape.events + row->first, row->cnt * sizeof *events);
  tf_batch_t batch = {.events = events, .event_cnt = row->cnt, .origin_tsc = tf_clock_ticks()};
  source->position = player.at;
  source->counts.messages++, source->counts.msgs_data++;
  for (uint32_t i = 0; i < row->cnt; i++) source->counts.events[events[i].kind]++;
  source->publisher.publish(source->publisher.self, &batch);
  return 1;
}

static void player_stop(tf_source_t *source) { (void)source; }

static const tf_source_ops_t player_ops = {.poll = player_poll, .stop = player_stop};

/* Runs the whole tape on threads, with snapshots. */
static void play(const tf_config_t *config, uint32_t wanted) {
  static tf_engine_t engine;
  for (uint32_t i = 0; i < store.cnt; i++) free(store.pieces[i].snapshot);
  store.cnt = store.put_cnt = 0;
  memset(&player, 0, sizeof player);
  player.wanted = wanted;
  begin_engine(&engine, config, &player.source, NULL, NULL);
  player.source.ops                  = &player_ops;
  const tf_snapshot_live_config_t to = {
      .store = {.put = store_put, .get = store_get},
        .name = "kept"
  };
  if (tf_snapshot_live_start(&engine, &to, &engine.snapshots)) fail_msg("%s", tf_error_text());
  player.live = engine.snapshots;
  assert_int_equal(tf_engine_start(&engine), TF_OK);
  assert_int_equal(tf_engine_join(&engine), TF_OK);
  tf_snapshot_counts_t c;
  tf_snapshot_live_counts(player.live, &c);
  assert_int_equal(c.declined, 0);
  assert_int_equal(c.put + c.failed, store.put_cnt);
  assert_true(c.put + c.failed + 1 >= wanted);
  tf_snapshot_live_stop(player.live);
  tf_engine_fini(&engine);
}

static const char *const CUTS[] = {
    "engine: {lanes: [{stages: all}]}\n",
    "engine: {lanes: [{stages: [acquire]}, {stages: [buffer, compute, decide, emit]}]}\n",
    "engine: {lanes: [{stages: [acquire]}, {stages: [buffer, compute, decide]}, {stages: "
    "[emit]}]}\n",
};

#define BUSY                                                                                       \
  "bars: {s1: 1s, t10: 10 ticks}\n"                                                                \
  "universe: {max_age: 2s}\n"                                                                      \
  "peers: [{name: spot, instruments: [\"*.BINANCE-SPOT\"], max_age: 2s, wake: true}]\n"            \
  "features: [mid, \"zscore(mid, 50)\", \"ema(s1.close, 3)\", \"imbalance(5)\", mid@spot,"         \
  " \"cs_rank(ret(mid, 5))\"]\n"                                                                   \
  "strategies:\n"                                                                                  \
  "  - {name: a, buy: \"zscore(mid,50) < -1\", sell: \"zscore(mid,50) > 1\", cooldown: 300ms}\n"   \
  "  - {name: b, buy: \"imbalance(5) > 0.2\", sell: \"mid@spot > mid\", books: all}\n"             \
  "sinks: [{type: kept}]\n"

/* Each snapshot of a running engine, on however many threads, is a place at which the run may be cut. */
static void snapshots_of_a_running_engine_are_gone_on_from(void **state) {
  (void)state;
  decode_made();
  for (size_t i = 0; i < TF_ARRAY_CNT(CUTS); i++) {
    char         text[2048];
    tf_config_t *config, *threads;
    snprintf(text, sizeof text, "%s%s", CUTS[i], BUSY);
    load_config(text, &threads);
    load_config(BUSY, &config);
    decided.cnt = 0;
    play(threads, 12);
    tf_config_free(threads);
    uint32_t cnt   = decided.cnt;
    line_t  *lines = malloc((cnt + 1) * sizeof *lines);
    memcpy(lines, decided.lines, cnt * sizeof *lines);
    assert_true(cnt > 200);
    uint32_t parted = 0;
    for (uint32_t k = 0; k < store.cnt; k++) {
      const uint64_t seq  = store.decision_seqs[k];
      uint32_t       from = (uint32_t)tf_snapshot_find_position(store.pieces[k].snapshot,
                                                                store.pieces[k].bytes, "tape");
      decided.cnt         = 0;
      run_piece(config, from, tape.batch_cnt, &store.pieces[k]);
      assert_int_equal(decided.cnt, cnt - seq);
      if (memcmp(lines + seq, decided.lines, decided.cnt * sizeof *lines) != 0)
        fail_msg("cut %zu, snapshot %u at batch %u: decisions behind %llu differ", i, k, from,
                 (unsigned long long)seq);
      parted += from > 0 && from < tape.batch_cnt;
    }
    assert_true(parted >= 8);
    free(lines);
    tf_config_free(config);
  }
}

static void a_store_that_refuses_is_counted_and_the_run_goes_on(void **state) {
  (void)state;
  tf_config_t *config;
  decode_made();
  load_config(BUSY, &config);
  store.refuses = true;
  decided.cnt   = 0;
  play(config, 3);
  store.refuses = false;
  assert_int_equal(store.cnt, 0);
  assert_true(store.put_cnt >= 2);
  assert_true(decided.cnt > 200);
  tf_config_free(config);
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
  piece_t            piece = {0};
  decode_made();
  load_config(PLAIN, &config);
  run_piece(config, 0, tape.batch_cnt / 2, &piece);
  begin_engine(&engine, config, &source, NULL, NULL);
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

static void what_was_learnt_alone_forgets_books_and_numbers(void **state) {
  (void)state;
  static tf_engine_t engine;
  tf_config_t       *config;
  tf_source_t        source;
  piece_t            piece = {0};
  decode_made();
  load_config(PLAIN, &config);
  decided.cnt = 0;
  run_piece(config, 0, tape.batch_cnt / 2, &piece);
  assert_true(decided.cnt > 0);
  begin_engine(&engine, config, &source, &piece, &(tf_snapshot_way_t){0});
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
  piece_t            whole = {0}, piece = {0};
  tf_snapshot_way_t  way = {.is_exact = true, .from_beginning = true};
  decode_made();
  load_config(PLAIN, &config);
  decided.cnt = 0;
  run_piece(config, 0, tape.batch_cnt, &whole);
  uint32_t whole_cnt = decided.cnt;
  decided.cnt        = 0;
  run_piece(config, 0, tape.batch_cnt / 2, &piece);
  begin_engine(&engine, config, &source, &piece, &way);
  give(&engine, &source, 0, tape.batch_cnt);
  assert_int_equal(decided.cnt, whole_cnt);
  assert_int_equal(engine.runner.acquire.events_hash, whole.events_hash);
  assert_int_equal(engine.runner.acquire.failed, TF_OK);
  tf_engine_fini(&engine);

  begin_engine(&engine, config, &source, &piece, &way);
  uint32_t before = decided.cnt;
  tape.events[5].ts_recv_ns++;
  give(&engine, &source, 0, tape.batch_cnt);
  tape.events[5].ts_recv_ns--;
  assert_int_equal(engine.runner.acquire.failed, E_BOOT_SNAPSHOT);
  assert_non_null(strstr(engine.runner.acquire.failed_text, "the events' hash is another"));
  assert_int_equal(decided.cnt, before);
  tf_engine_fini(&engine);
  free(whole.snapshot), free(piece.snapshot);
  tf_config_free(config);
}

int main(void) {
  tf_clock_calibrate();
  decided.lines                   = malloc(DECISIONS_MAX * sizeof *decided.lines);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(books_bars_and_strategies_go_on),
      cmocka_unit_test(instruments_that_read_one_another_go_on),
      cmocka_unit_test(models_over_windows_go_on),
      cmocka_unit_test(batches_of_ticks_go_on),
      cmocka_unit_test(every_indicator_goes_on),
      cmocka_unit_test(a_real_recording_goes_on),
      cmocka_unit_test(snapshots_of_a_running_engine_are_gone_on_from),
      cmocka_unit_test(a_store_that_refuses_is_counted_and_the_run_goes_on),
      cmocka_unit_test(a_snapshot_that_was_changed_anywhere_is_refused),
      cmocka_unit_test(what_was_learnt_alone_forgets_books_and_numbers),
      cmocka_unit_test(a_stream_from_its_beginning_is_passed_over_if_it_is_the_same),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
