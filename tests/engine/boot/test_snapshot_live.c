/* Snapshots of an engine while it runs. Two ways to see that each is the state behind its point, whatever came while it was copied: it is
 * byte for byte what an engine that stands still there leaves; and a run that goes on from it decides the same.
 *
 * First with the steps in the test's hand: one thread is acquire and lane, so that it is known what is copied when. Then on the engine's
 * own threads. */
#include "cmocka_tf.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"
#include "snapshot_rig.h"

/* ---- a tape of many instruments ---- */

#define MANY     (RIG_IS_SLOW ? 120u : 300u)
#define LEVELS   5u
#define BEGIN_NS (UINT64_C(1700000000) * TF_NS_PER_SEC)
#define SEED     UINT64_C(20261122)

static uint64_t rng;

static uint32_t draw(uint32_t below) {
  rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(rng >> 33) % below;
}

static tf_event_t event_of(uint32_t id, tf_event_kind_t kind, uint64_t now_ns) {
  return (tf_event_t){.ts_event_ns   = now_ns - 1000000,
                      .ts_recv_ns    = now_ns,
                      .instrument_id = id,
                      .kind          = (uint8_t)kind,
                      .price_exp     = -2,
                      .qty_exp       = -3};
}

/* A side of it a level: as a snapshot, or as changes. */
static void append_levels(uint32_t id, int64_t mid, uint64_t seq, uint8_t flags, uint64_t now_ns) {
  tf_event_t e[2 * LEVELS + 1];
  for (uint32_t i = 0; i < 2 * LEVELS; i++) {
    const int64_t away     = 1 + (int64_t)(i / 2);
    e[i]                   = event_of(id, TF_EVENT_BOOK, now_ns);
    e[i].flags             = (uint8_t)(flags | (i & 1 ? TF_FLAG_SIDE : 0));
    e[i].u.level.price     = i & 1 ? mid + away : mid - away;
    e[i].u.level.qty       = 1 + draw(5000);
    e[i].u.level.venue_seq = seq;
    e[i].u.level.level_idx = i;
    e[i].u.level.level_cnt = 2 * LEVELS;
  }
  e[2 * LEVELS]                     = event_of(id, TF_EVENT_STATUS, now_ns);
  e[2 * LEVELS].u.status.book_state = TF_BOOK_OK;
  e[2 * LEVELS].u.status.apply_from = seq + 1;
  const uint32_t cnt                = flags & TF_FLAG_SNAPSHOT ? 2 * LEVELS + 1 : 2 * LEVELS;
  e[cnt - 1].flags |= TF_FLAG_LAST;
  rig_append(e, cnt);
}

static void append_message(uint32_t id, int64_t mid, uint64_t seq, uint64_t now_ns) {
  tf_event_t e = event_of(id, TF_EVENT_TRADE, now_ns);
  e.flags      = TF_FLAG_LAST;
  switch (draw(3)) {
  case 0:
    e.u.trade.price = mid;
    e.u.trade.qty   = 1 + draw(3000);
    e.u.trade.id    = seq;
    if (draw(2)) e.flags |= TF_FLAG_SIDE;
    rig_append(&e, 1);
    break;
  case 1:
    e.kind              = TF_EVENT_QUOTE;
    e.u.quote.bid_price = mid - 1, e.u.quote.ask_price = mid + 1;
    e.u.quote.bid_qty = 1 + draw(9000), e.u.quote.ask_qty = 1 + draw(9000);
    rig_append(&e, 1);
    break;
  default: append_levels(id, mid, seq, 0, now_ns);
  }
}

/* Each with a book, then messages of any. A few are much busier than the others. */
static void make_many(uint32_t instrument_cnt, uint32_t message_cnt) {
  static int64_t mids[RIG_INSTRUMENTS_MAX];
  uint64_t       now_ns = BEGIN_NS;
  rig_clear_tape();
  rng = SEED;
  for (uint32_t id = 0; id < instrument_cnt; id++, now_ns += TF_NS_PER_MS) {
    tf_instrument_t *row = &rig_tape.instruments.rows[id];
    row->id              = id;
    snprintf(row->symbol, sizeof row->symbol, "S%u", id);
    snprintf(row->name, sizeof row->name, "S%u.%s", id, id % 2 ? "EVEN" : "ODD");
    row->price_exp = row->qty_exp = INT8_MIN;
    mids[id]                      = 10000 + 10 * (int64_t)id;
    append_levels(id, mids[id], 1, TF_FLAG_SNAPSHOT, now_ns);
  }
  rig_tape.instruments.cnt = instrument_cnt;
  for (uint32_t i = 0; i < message_cnt; i++, now_ns += TF_NS_PER_MS + draw(TF_NS_PER_MS)) {
    const uint32_t id = draw(4) ? draw(instrument_cnt) : draw(1 + instrument_cnt / 20);
    mids[id] += (int64_t)draw(3) - 1;
    append_message(id, mids[id], 2 + i, now_ns);
  }
}

/* ---- two snapshots of one point ---- */

static const tf_snapshot_head_t *head_of(const rig_piece_t *p) { return p->snapshot; }

/* What stands in front of the instruments, and where each of them begins. */
static size_t find_records(const rig_piece_t *p, const uint8_t **records) {
  const tf_snapshot_head_t *head  = head_of(p);
  const uint8_t            *bytes = p->snapshot;
  const size_t front = sizeof *head + (size_t)head->acquire_bytes + (size_t)head->lane_bytes;
  for (size_t at = front; at < p->bytes;) {
    uint32_t record[2]; /* its bytes, its instrument */
    memcpy(record, bytes + at, sizeof record);
    assert_true(record[1] < head->mark.instrument_cnt && !records[record[1]]);
    records[record[1]] = bytes + at;
    at += record[0];
  }
  return front;
}

static void expect_same_head(const rig_piece_t *live, const rig_piece_t *still) {
  tf_snapshot_head_t a = *head_of(live), b = *head_of(still);
  a.mark.epoch = b.mark.epoch;
  a.digest     = b.digest; /* it depends on the order of the instruments */
  assert_memory_equal(&a, &b, sizeof a);
}

/* Byte for byte, but for the order in which instruments lie. */
static void expect_same_state(const rig_piece_t *live, const rig_piece_t *still) {
  static const uint8_t *of_live[RIG_INSTRUMENTS_MAX], *of_still[RIG_INSTRUMENTS_MAX];
  memset(of_live, 0, sizeof of_live), memset(of_still, 0, sizeof of_still);
  assert_int_equal(live->bytes, still->bytes);
  expect_same_head(live, still);
  const size_t front = find_records(live, of_live);
  assert_int_equal(front, find_records(still, of_still));
  if (memcmp((const uint8_t *)live->snapshot + sizeof(tf_snapshot_head_t),
             (const uint8_t *)still->snapshot + sizeof(tf_snapshot_head_t),
             front - sizeof(tf_snapshot_head_t)) != 0)
    fail_msg("event %llu: what all instruments share is another",
             (unsigned long long)head_of(live)->mark.ingest_seq);
  for (uint32_t id = 0; id < head_of(live)->mark.instrument_cnt; id++) {
    uint32_t bytes;
    memcpy(&bytes, of_still[id], sizeof bytes);
    for (uint32_t i = 0; i < bytes; i++)
      if (of_live[id][i] != of_still[id][i])
        fail_msg("event %llu: instrument %u, byte %u of %u is another than behind it",
                 (unsigned long long)head_of(live)->mark.ingest_seq, id, i, bytes);
  }
}

/* ---- steps in the test's hand ---- */

typedef struct stand {
  tf_engine_t         engine;
  uint8_t            *features; /* (instruments, mem_bytes) as they were at the point in hand */
  uint64_t            overwritten;
  tf_source_t         source;
  tf_snapshot_live_t *live;
  uint32_t            at; /* batches that it was given */
  uint64_t            touched;
} stand_t;

static tf_snapshot_counts_t counts_of(const stand_t *s) {
  tf_snapshot_counts_t c;
  tf_snapshot_live_counts(s->live, &c);
  return c;
}

static bool is_copied(const stand_t *s) {
  return !(tf_load_acquire_u32(&s->engine.runner.lane.attention) & TF_ATTEND_ONLOOKER); /* pairs
                                                              with: tf_lane_attend_from_outside */
}

static void be_idle(stand_t *s) {
  const tf_lane_onlooker_t *o = &s->engine.runner.lane.onlooker;
  (void)o->idle(o->self);
}

/* One is asked for, and acquire sets its point: behind the last event that was given. */
static void arm(stand_t *s) {
  tf_source_t *aid = s->engine.runner.acquire.sources[1];
  assert_true(aid->is_aid);
  assert_true(tf_snapshot_live_request(s->live));
  while (aid->ops->poll(aid, 0) == 0) sched_yield();
}

static void give(stand_t *s, uint32_t cnt) {
  const uint32_t to = s->at + cnt < rig_tape.batch_cnt ? s->at + cnt : rig_tape.batch_cnt;
  rig_give(&s->engine, &s->source, s->at, to);
  s->at = to;
}

static void keep_features(stand_t *s) {
  const size_t bytes = s->engine.plan.mem_bytes;
  if (!s->features) s->features = malloc(rig_tape.instruments.cnt * bytes);
  for (uint32_t id = 0; id < rig_tape.instruments.cnt; id++)
    memcpy(s->features + id * bytes, s->engine.runner.lane.instruments[id].features, bytes);
}

/* Entries of windows that are no more what they were at the point. */
static uint64_t count_overwritten(const stand_t *s) {
  static const uint64_t    none[8];
  const tf_feature_plan_t *plan = &s->engine.plan;
  uint64_t                 cnt  = 0;
  for (uint32_t id = 0; id < rig_tape.instruments.cnt; id++)
    for (uint32_t i = 0; i < plan->trail_cnt; i++)
      for (uint32_t k = 0; k < plan->trails[i].cap; k++) {
        const tf_feature_trail_t *t    = &plan->trails[i];
        const size_t              at   = t->at + (size_t)k * t->entry_bytes;
        const uint8_t            *then = s->features + id * plan->mem_bytes + at;
        const uint8_t *now = (const uint8_t *)s->engine.runner.lane.instruments[id].features + at;
        cnt += memcmp(then, none, t->entry_bytes) != 0 && memcmp(then, now, t->entry_bytes) != 0;
      }
  return cnt;
}

/* Armed where the engine stands, then given messages one by one until it is copied; idle_one_in: so often the lane has nothing
 * to do in between, 0: never. Held against the state of an engine that was stopped there. */
static void check_point(stand_t *s, uint32_t idle_one_in) {
  rig_piece_t                still = {0};
  const tf_snapshot_counts_t begin = counts_of(s);
  arm(s);
  rig_take(&s->engine, &still);
  keep_features(s);
  while (!is_copied(s) && s->at < rig_tape.batch_cnt) {
    give(s, 1);
    if (idle_one_in && draw(idle_one_in) == 0) be_idle(s);
  }
  while (!is_copied(s)) be_idle(s);
  s->overwritten += count_overwritten(s);
  while (counts_of(s).put == begin.put) sched_yield();
  const tf_snapshot_counts_t end = counts_of(s);
  assert_int_equal(end.begun, begin.begun + 1);
  assert_int_equal(end.failed + end.declined + end.given_up, 0);
  assert_true(end.touched <= end.instruments);
  assert_int_equal(end.instruments, rig_tape.instruments.cnt);
  s->touched += end.touched;
  expect_same_state(&rig_store.pieces[rig_store.cnt - 1], &still);
  free(still.snapshot);
}

static stand_t stand;

/* Points at random, in an engine of that config. Returns how many instruments were begun since an event was about to change them. */
static uint64_t check_points(const char *room, const char *rest, uint32_t point_cnt,
                             uint32_t idle_one_in) {
  tf_config_t *config;
  char         text[4096];
  snprintf(text, sizeof text, "engine: {%s}\n%s", room, rest);
  memset(&stand, 0, sizeof stand);
  rig_load_config(text, &config);
  rig_empty_store();
  rig_decided.cnt = 0;
  rig_begin_engine(&stand.engine, config, &stand.source, NULL, NULL);
  stand.live = rig_start_live(&stand.engine);
  for (uint32_t i = 0; i < point_cnt; i++) {
    give(&stand, 1 + draw(rig_tape.batch_cnt / point_cnt));
    check_point(&stand, idle_one_in);
  }
  assert_true(rig_decided.cnt > 50);
  tf_snapshot_live_stop(stand.live); /* the metrics are behind by then */
  const tf_metrics_t *page = stand.engine.publish.page;
  assert_int_equal(tf_metrics_sum(page, TF_METRIC_SNAPSHOT_TOUCHED), counts_of(&stand).touched);
  assert_int_equal(tf_metrics_sum(page, TF_METRIC_SNAPSHOTS_PUT), point_cnt);
  tf_engine_fini(&stand.engine);
  tf_config_free(config);
  free(stand.features);
  return stand.touched;
}

#define ROOM "instruments_max: 300, book_levels_max: 64"
#define RULES                                                                                      \
  "strategies:\n"                                                                                  \
  "  - {name: a, buy: \"zscore(mid,20) < -1\", sell: \"zscore(mid,20) > 1\", cooldown: 300ms,"     \
  " books: all}\n"                                                                                 \
  "  - {name: b, buy: \"imbalance(5) > 0.2\", sell: \"imbalance(5) < -0.2\", max_rate: 3/1s,"      \
  " books: all}\n"                                                                                 \
  "sinks: [{type: kept}]\n"
#define APART                                                                                      \
  "bars: {s1: 1s, t10: 10 ticks}\n"                                                                \
  "features: [mid, \"zscore(mid, 20)\", \"imbalance(5)\", \"ema(s1.close, 3)\", cvd]\n" RULES

/* Nothing reads another instrument: whatever is touched is the event's own. */
static void an_instrument_is_copied_before_its_event(void **state) {
  (void)state;
  make_many(MANY, MANY * 60);
  const uint64_t touched = check_points(ROOM, APART, 8, 0);
  assert_true(touched > 8 * MANY / 4); /* others by the pieces that events bring along */
}

static void what_is_copied_while_nothing_comes_is_the_same(void **state) {
  (void)state;
  make_many(MANY, MANY * 60);
  const uint64_t touched = check_points(ROOM, APART, 20, 10);
  assert_true(touched > 20 && touched < 20 * MANY / 2);
}

/* An event of one changes those that read it, and a first tick whom it binds. */
static void those_that_read_it_are_copied_too(void **state) {
  (void)state;
  static const char text[] =
      "universe: {max_age: 2s}\n"
      "peers:\n"
      "  - {name: odd, instruments: [\"*.ODD\"], max_age: 2s, wake: true}\n"
      "  - {name: first, instruments: [S1.EVEN], max_age: 5s, wake: true}\n"
      "features: [mid, \"zscore(mid, 20)\", \"imbalance(5)\", mid@first, peer_age@odd,\n"
      "  trade_imbalance(1s)@first, \"cs_rank(ret(mid, 5))\"]\n" RULES;
  make_many(40, 6000);
  assert_true(check_points(ROOM, text, 12, 0) > 12);
  make_many(40,
            400); /* the first point is behind the first few: the others meet while it is copied */
  assert_true(check_points(ROOM, text, 12, 0) > 12);
}

/* Of so many windows a copy takes as many events as some of them hold entries: all of which, by then, are other ones. Some slide, some
 * merge, some are nearly empty, some are histories of vectors. */
static void entries_are_saved_before_they_are_overwritten(void **state) {
  (void)state;
  static char text[1u << 14];
  int         n = snprintf(text, sizeof text,
                           "peers: [{name: first, instruments: [S1.EVEN], max_age: 5s, wake: true}]\n"
                                   "features: [mid, \"zscore(mid, 20)\", \"imbalance(5)\", \"sma(mid, 60)\","
                                   " \"sma(mid, 100)\", \"sma(mid, 120)\", \"lead_lag(50, 2s, 256)@first\","
                                   " \"realised_spread(3s, 500ms, 36)\", \"volume(1s, 65536)\"");
  for (uint32_t i = 0; i < 40; i++)
    n += snprintf(text + n, sizeof text - (size_t)n, ", \"vwap(%ums, 256)\", \"ofi(%ums, 200)\"",
                  2000 + 100 * i, 900 + 50 * i);
  snprintf(text + n, sizeof text - (size_t)n, "]\n%s", RULES);
  make_many(4, RIG_IS_SLOW ? 8000 : 16000);
  assert_true(check_points(ROOM, text, 8, 0) > 8);
  assert_true(stand.overwritten > 8 * 4 * 80); /* one a window, and more of some */
  assert_true(check_points(ROOM, text, 8, 4) > 8);
}

static void windows_of_models_and_batches_of_ticks_are_copied(void **state) {
  (void)state;
  static const char text[] =
      "features: [spread_bps, imbalance(5), ofi(1s), trade_imbalance(1s), \"zscore(mid,50)\",\n"
      "  \"ret(mid,10)\", (microprice-mid)/spread, trade_count(1s)]\n"
      "models: [{name: lstm, file: models/example-lstm.safetensors, window: 20}]\n"
      "strategies:\n"
      "  - {name: a, model: lstm, buy: \"score > 0 and fleet_mean > -1\", sell: \"score < 0\","
      " books: all}\n"
      "sinks: [{type: kept}]\n";
  make_many(MANY / 4, MANY * 20);
  assert_true(check_points(ROOM, text, 6, 0) > 6);
  assert_true(check_points(ROOM ", batch_max: 8", text, 6, 0) > 6);
}

/* Which has resyncs, gaps and oddities. */
static void a_tape_of_two_venues_is_copied(void **state) {
  (void)state;
  rig_decode_made();
  rng = SEED;
  assert_true(check_points("instruments_max: 64", APART, 40, 0) > 0);
}

/* ---- on the engine's own threads ---- */

/* Gives a batch a poll. Snapshots are asked for all the time, and one is under way while events come. wanted: that many are to come in
 * all; where they are late the next part of the tape waits, and the lane is idle. */
static struct {
  tf_source_t         source;
  tf_snapshot_live_t *live;
  uint32_t            at, wanted;
  uint64_t            touched; /* of all snapshots, as far as each was looked at */
  uint64_t            seen_put;
} player;

static void look_at_counts(const tf_snapshot_counts_t *c) {
  if (c->put == player.seen_put) return;
  player.seen_put = c->put;
  player.touched += c->touched;
}

static int player_poll(tf_source_t *source, uint64_t now_ns) {
  static tf_event_t    events[65536];
  tf_snapshot_counts_t c;
  (void)now_ns;
  tf_snapshot_live_counts(player.live, &c);
  look_at_counts(&c);
  if (c.put + c.failed + 1 < (player.at + 1) * player.wanted / rig_tape.batch_cnt) return 0;
  if (player.at == rig_tape.batch_cnt) return TF_SOURCE_DONE;
  /* It is begun with the next event, as the lane has no time to be idle in between. */
  const uint64_t begun = c.begun;
  if (tf_snapshot_live_request(player.live))
    while (c.begun == begun) tf_snapshot_live_counts(player.live, &c);
  const rig_batch_t *row = &rig_tape.batches[player.at++];
  memcpy(events, rig_tape.events + row->first, row->cnt * sizeof *events);
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
  static tf_engine_t   engine;
  tf_snapshot_counts_t c;
  rig_empty_store();
  rig_decided.cnt = 0;
  memset(&player, 0, sizeof player);
  player.wanted = wanted;
  rig_begin_engine(&engine, config, &player.source, NULL, NULL);
  player.source.ops = &player_ops;
  player.live       = rig_start_live(&engine);
  assert_int_equal(tf_engine_start(&engine), TF_OK);
  assert_int_equal(tf_engine_join(&engine), TF_OK);
  tf_snapshot_live_stop(player.live);
  tf_snapshot_live_counts(player.live, &c);
  look_at_counts(&c);
  assert_int_equal(c.declined, 0);
  assert_int_equal(c.put + c.failed, rig_store.put_cnt);
  assert_int_equal(c.begun, c.put + c.failed + c.given_up);
  assert_true(c.put + c.failed + 1 >= wanted);
  tf_engine_fini(&engine);
}

static const char *const CUTS[] = {
    "lanes: [{stages: all}]",
    "lanes: [{stages: [acquire]}, {stages: [buffer, compute, decide, emit]}]",
    "lanes: [{stages: [acquire]}, {stages: [buffer, compute, decide]}, {stages: [emit]}]",
};

#define WINDOWS                                                                                    \
  "features: [mid, \"zscore(mid, 20)\", \"imbalance(5)\", \"vwap(300ms, 32)\", \"vwap(3s, 24)\","  \
  " \"ofi(2s, 64)\", \"ofi(60s, 48)\", \"trade_count(9s, 4096)\"]\n" RULES

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
  rig_decode_made();
  for (size_t i = 0; i < TF_ARRAY_CNT(CUTS); i++) {
    char         text[2048];
    tf_config_t *config, *threads;
    snprintf(text, sizeof text, "engine: {%s}\n%s", CUTS[i], BUSY);
    rig_load_config(text, &threads);
    rig_load_config(BUSY, &config);
    play(threads, 12);
    tf_config_free(threads);
    uint32_t    cnt   = rig_decided.cnt;
    rig_line_t *lines = malloc((cnt + 1) * sizeof *lines);
    memcpy(lines, rig_decided.lines, cnt * sizeof *lines);
    assert_true(cnt > 200);
    uint32_t parted = 0;
    for (uint32_t k = 0; k < rig_store.cnt; k++) {
      const uint64_t seq  = rig_store.decision_seqs[k];
      uint32_t       from = (uint32_t)tf_snapshot_find_position(rig_store.pieces[k].snapshot,
                                                                rig_store.pieces[k].bytes, "tape");
      rig_decided.cnt     = 0;
      rig_run_piece(config, from, rig_tape.batch_cnt, &rig_store.pieces[k]);
      assert_int_equal(rig_decided.cnt, cnt - seq);
      if (memcmp(lines + seq, rig_decided.lines, rig_decided.cnt * sizeof *lines) != 0)
        fail_msg("cut %zu, snapshot %u at batch %u: decisions behind %llu differ", i, k, from,
                 (unsigned long long)seq);
      parted += from > 0 && from < rig_tape.batch_cnt;
    }
    assert_true(parted >= 8);
    free(lines);
    tf_config_free(config);
  }
}

/* Each, of those that were kept, is the state of an engine that stands still there. */
static void check_flood(const char *room, const char *rest, uint32_t wanted) {
  static stand_t still;
  tf_config_t   *threads, *config;
  for (size_t i = 0; i < TF_ARRAY_CNT(CUTS); i++) {
    char        text[4096];
    rig_piece_t piece = {0};
    snprintf(text, sizeof text, "engine: {%s, %s}\n%s", CUTS[i], room, rest);
    rig_load_config(text, &threads);
    snprintf(text, sizeof text, "engine: {%s}\n%s", room, rest);
    rig_load_config(text, &config);
    play(threads, wanted);
    if (player.touched == 0) fail_msg("cut %zu: no event came while one was copied", i);
    memset(&still, 0, sizeof still);
    rig_begin_engine(&still.engine, config, &still.source, NULL, NULL);
    (void)rig_start_live(&still.engine); /* so that it has the same sources */
    for (uint32_t k = 0; k < rig_store.cnt; k++) {
      const rig_piece_t *live = &rig_store.pieces[k];
      give(&still,
           (uint32_t)tf_snapshot_find_position(live->snapshot, live->bytes, "tape") - still.at);
      rig_take(&still.engine, &piece);
      expect_same_state(live, &piece);
    }
    free(piece.snapshot);
    tf_engine_fini(&still.engine);
    tf_config_free(threads), tf_config_free(config);
  }
}

static void a_flood_of_many_instruments_is_copied_on_threads(void **state) {
  (void)state;
  make_many(MANY, MANY * 100);
  check_flood(ROOM, APART, 8);
  check_flood(ROOM, WINDOWS, 8);
}

static void a_real_recording_is_copied_on_threads(void **state) {
  (void)state;
  static const char *const REAL[] = {
      "binance-usdm:../shared/data/binance-usdm/btcusdt_20240808.gz",
      "binance-spot:../shared/data/binance-spot/btcusdt_20240808.gz"};
  for (size_t i = 0; i < TF_ARRAY_CNT(REAL); i++)
    if (access(strchr(REAL[i], ':') + 1, R_OK) != 0) skip();
  rig_decode(REAL, TF_ARRAY_CNT(REAL));
  check_flood("instruments_max: 64", BUSY, 20);
}

static void a_store_that_refuses_is_counted_and_the_run_goes_on(void **state) {
  (void)state;
  tf_config_t *config;
  rig_decode_made();
  rig_load_config(BUSY, &config);
  rig_store.refuses = true;
  play(config, 3);
  rig_store.refuses = false;
  assert_int_equal(rig_store.cnt, 0);
  assert_true(rig_store.put_cnt >= 2);
  assert_true(rig_decided.cnt > 200);
  tf_config_free(config);
}

int main(void) {
  tf_clock_calibrate();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_instrument_is_copied_before_its_event),
      cmocka_unit_test(what_is_copied_while_nothing_comes_is_the_same),
      cmocka_unit_test(those_that_read_it_are_copied_too),
      cmocka_unit_test(entries_are_saved_before_they_are_overwritten),
      cmocka_unit_test(windows_of_models_and_batches_of_ticks_are_copied),
      cmocka_unit_test(a_tape_of_two_venues_is_copied),
      cmocka_unit_test(snapshots_of_a_running_engine_are_gone_on_from),
      cmocka_unit_test(a_flood_of_many_instruments_is_copied_on_threads),
      cmocka_unit_test(a_real_recording_is_copied_on_threads),
      cmocka_unit_test(a_store_that_refuses_is_counted_and_the_run_goes_on),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
