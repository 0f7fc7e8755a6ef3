/* What a lane tells workers that compute features (stage/tell.h): each change once, in the lane's order, on a lane whose events, bars and
 * members are what the test says. The mailbox is read as a worker reads it; there is none. How rows go to a worker: test_child_market; what
 * it makes of them: test_card_features. */
#include "cmocka_tf.h"

#include <string.h>
#include <unistd.h>

#include "boot/feature_compile.h"
#include "core/clock.h"
#include "core/error.h"
#include "cross/registry.h"
#include "indicator/registry.h"
#include "serve/child_state.h"
#include "stage/batch.h"
#include "stage/pipeline.h"
#include "stage/tell.h"

#define INSTRUMENTS 4u
#define WORKERS     2u
#define SLOTS       64u
#define BATCH       4u
#define MS          TF_NS_PER_MS
#define BOOKS_OK    (1u << TF_BOOK_OK | 1u << TF_BOOK_NONE)
#define BOTH        ((uint32_t)TF_ON_TRADE | (uint32_t)TF_ON_QUOTE)

static const char *const BARS[] = {"b2", "b3"};

typedef struct worker {
  tf_child_t        child;
  tf_remote_t       remote;
  tf_mailbox_view_t there; /* its own view */
} worker_t;

static struct {
  tf_feature_compile_t *compile;
  tf_feature_plan_t     plan;
  tf_lane_t             lane;
  tf_lane_instrument_t  instruments[INSTRUMENTS];
  tf_instrument_t       names[INSTRUMENTS];
  tf_hist_t             hists[TF_HOP_CNT];
  tf_arena_t            arena;
  uint64_t              now_ns, seq;
  worker_t              workers[WORKERS];
} rig;

static void run(const tf_model_t *model, void *scratch, const float *row, float *out) {
  (void)model, (void)scratch, (void)row;
  out[0] = 1;
}

static const tf_model_t model = {
    .name = "one", .input_cnt = 1, .output_cnt = 1, .hash = 77, .scratch_bytes = 64, .run = run};

/* ---- the lane ---- */

static void compile(const char *const *texts, size_t cnt) {
  const tf_feature_env_t env = {
      .indicators    = tf_indicators,
      .indicator_cnt = tf_indicator_cnt,
      .bar_names     = BARS,
      .bar_cnt       = TF_ARRAY_CNT(BARS),
      .plain_bar     = TF_FEATURE_COMPILE_NONE,
      .crosses       = &tf_cross_table,
      .universe      = {.books_ok = BOOKS_OK, .max_age_ns = 10 * MS}
  };
  assert_int_equal(tf_feature_compile_begin(&rig.compile, &env), TF_OK);
  for (size_t i = 0; i < cnt; i++)
    if (tf_feature_compile_add(rig.compile, NULL, texts[i], NULL) != TF_OK)
      fail_msg("%s", tf_error_text());
  assert_int_equal(tf_feature_compile_finish(rig.compile, &rig.plan), TF_OK);
}

static void init_instrument(uint32_t i) {
  tf_lane_instrument_t *in = &rig.instruments[i];
  snprintf(rig.names[i].name, sizeof rig.names[i].name, "I%u.V", i);
  assert_int_equal(tf_buffer_init_instrument(in, &rig.arena, 16, 16), TF_OK);
  in->id       = i;
  in->features = tf_arena_take(&rig.arena, rig.plan.mem_bytes, 64);
  in->row      = tf_arena_take(&rig.arena, sizeof(double) * (rig.plan.feature_cnt + 1), 64);
  assert_int_equal(tf_feature_plan_init_state(&rig.plan, in->features), TF_OK);
}

/* Another process of worker w, which has seen nothing. next_seq: of its first request. */
static void another_worker(uint32_t w, uint64_t epoch, uint64_t next_seq) {
  worker_t         *worker  = &rig.workers[w];
  const char        plan[8] = "a plan";
  tf_mailbox_spec_t spec    = {.epoch          = (uint32_t)epoch,
                               .slot_cnt       = SLOTS,
                               .batch_max      = BATCH,
                               .input_cnt      = tf_market_row_values(0),
                               .output_cnt     = 1,
                               .instrument_cnt = INSTRUMENTS + 1,
                               .window         = 2,
                               .state_packets  = tf_child_market_packets(rig.plan.mem_bytes, 1, 0),
                               .plan           = plan,
                               .plan_bytes     = sizeof plan};
  int               fd;
  assert_int_equal(tf_mailbox_create(&spec, tf_child_view_(&worker->child, epoch), &fd), TF_OK);
  if (worker->there.box) tf_mailbox_close(&worker->there);
  assert_int_equal(tf_mailbox_open(fd, &worker->there), TF_OK);
  close(fd);
  tf_child_view_(&worker->child, epoch)->next_seq = worker->there.next_seq = next_seq;
  worker->child.offered                                                    = epoch;
}

/* on, bars: what its plan follows. */
static void add_worker(uint32_t w, uint32_t on, uint32_t bars) {
  const tf_remote_config_t config = {.model_idx  = w,
                                     .width      = 1,
                                     .output_cnt = 1,
                                     .no_answer  = TF_NO_ANSWER_HOLD,
                                     .has_market = true};
  const tf_child_market_t  market = {
       .source       = {&rig.lane, tf_tell_tick, tf_tell_state, tf_tell_is_settled},
       .mem_bytes    = rig.plan.mem_bytes,
       .on           = on,
       .bars         = bars,
       .has_sections = rig.plan.section_cnt > 0
  };
  const uint32_t first = 0;
  tf_remote_t   *r     = &rig.workers[w].remote;
  tf_compute_t  *c     = &rig.lane.compute;
  assert_int_equal(tf_compute_add_model(c, &model, &first, INSTRUMENTS, &rig.arena), TF_OK);
  assert_int_equal(tf_remote_init(r, &config, INSTRUMENTS, &rig.arena), TF_OK);
  tf_remote_set_market(r, &market);
  tf_compute_set_remote(c, w, r);
  c->tells |= (uint32_t)TF_ON_TICK | on;
  r->is_asking = true;
  r->offers[1] = (tf_remote_offer_t){&rig.workers[w].child, model.hash};
  r->offered   = 1;
  another_worker(w, 1, 1);
}

static void begin(const char *const *texts, size_t cnt) {
  memset(&rig, 0, sizeof rig);
  rig.now_ns = UINT64_C(1700000000000000000);
  compile(texts, cnt);
  assert_int_equal(tf_arena_init(&rig.arena, "test", (size_t)32 << 20), TF_OK);
  rig.lane.compute.plan   = &rig.plan;
  rig.lane.instruments    = rig.instruments;
  rig.lane.instrument_cap = INSTRUMENTS;
  rig.lane.names          = rig.names;
  rig.lane.hists          = rig.hists;
  rig.lane.sample_every = rig.lane.sample_left = UINT32_MAX;
  rig.lane.buffer.bars[0]                      = (tf_bar_spec_t){.kind = TF_BAR_TICKS, .amount = 2};
  rig.lane.buffer.bars[1]                      = (tf_bar_spec_t){.kind = TF_BAR_TICKS, .amount = 3};
  rig.lane.buffer.bar_cnt                      = TF_ARRAY_CNT(BARS);
  for (uint32_t i = 0; i < INSTRUMENTS; i++) init_instrument(i);
  assert_int_equal(tf_universe_init(&rig.lane.universe, &rig.plan, INSTRUMENTS, &rig.arena), TF_OK);
}

#define BEGIN(...)                                                                                 \
  static const char *const texts_[] = {__VA_ARGS__};                                               \
  begin(texts_, TF_ARRAY_CNT(texts_))
#define BEGIN_ALONE()   BEGIN("mid", "volume(1s)", "ofi(1s)", "b2.close", "b3.close")
#define BEGIN_SECTION() BEGIN("mid", "cs_rank(mid)", "cs_mean(b2.close)")

static void begin_batch(void) {
  assert_int_equal(tf_batch_init(&rig.lane, BATCH, tf_clock_ns_to_ticks(TF_NS_PER_SEC), &rig.arena),
                   TF_OK);
}

static void end(void) {
  for (uint32_t w = 0; w < rig.lane.compute.model_cnt; w++) {
    for (uint32_t i = 0; i < TF_CHILD_MAPPINGS; i++)
      tf_mailbox_close(&rig.workers[w].child.views[i]);
    tf_mailbox_close(&rig.workers[w].there);
  }
  tf_arena_fini(&rig.arena);
  tf_feature_plan_fini(&rig.plan);
  tf_feature_compile_end(rig.compile);
}

/* ---- events ---- */

/* Whatever is asked next is answered already. */
static void answer_what_comes(void) {
  const float x = 1;
  for (uint32_t w = 0; w < rig.lane.compute.model_cnt; w++)
    for (uint32_t i = 0; i < SLOTS * BATCH / 2; i++)
      tf_mailbox_answer(&rig.workers[w].there, rig.workers[w].there.next_seq + i / BATCH, i % BATCH,
                        TF_MAILBOX_OK, 0, &x);
}

static void send(tf_event_t e) {
  e.ts_recv_ns = rig.now_ns;
  e.ingest_seq = ++rig.seq;
  if (rig.lane.batch)
    tf_batch_on_events(&rig.lane, &e, 1, 0, 0);
  else
    tf_lane_on_events(&rig.lane, &e, 1, 0, 0);
}

static void quote(uint32_t id, int64_t mid, uint8_t flags) {
  send((tf_event_t){
      .kind          = TF_EVENT_QUOTE,
      .instrument_id = id,
      .flags         = flags,
      .u.quote       = {.bid_price = mid - 1, .ask_price = mid + 1, .bid_qty = 1, .ask_qty = 2}
  });
}

static void trade(uint32_t id, int64_t price, uint8_t flags) {
  send((tf_event_t){
      .kind          = TF_EVENT_TRADE,
      .instrument_id = id,
      .flags         = flags,
      .u.trade       = {.price = price, .qty = 3}
  });
}

static void tick(uint32_t id) {
  answer_what_comes();
  quote(id, 100 * (id + 1), TF_FLAG_LAST);
}

static void idle(void) {
  for (uint32_t i = 0; i < 2 * INSTRUMENTS; i++) (void)tf_compute_idle(&rig.lane.compute);
}

/* ---- the worker's side ---- */

typedef struct told {
  tf_market_row_t  row;
  tf_mailbox_row_t head;
  uint32_t         row_cnt;
} told_t;

static bool take(uint32_t w, uint32_t idx, told_t *t) {
  float    values[TF_MARKET_ROW_VALUES_MAX];
  uint64_t lost;
  if (tf_mailbox_take(&rig.workers[w].there, idx, &t->row_cnt, &t->head, values, &lost) !=
      TF_MAILBOX_TAKEN)
    return false;
  memcpy(&t->row, values, sizeof t->row);
  return true;
}

/* The next request of w, of one row. */
static told_t expect(uint32_t w, uint32_t instrument, tf_market_row_kind_t kind) {
  told_t t;
  assert_true(take(w, 0, &t));
  assert_int_equal(t.row_cnt, 1);
  assert_int_equal(t.row.kind, kind);
  assert_int_equal(t.head.instrument_idx, instrument);
  const bool is_asked = kind >= TF_MARKET_ROW_TICK && kind != TF_MARKET_ROW_GONE;
  assert_int_equal(!(t.head.flags & TF_MAILBOX_QUIET), is_asked);
  rig.workers[w].there.next_seq++;
  return t;
}

static void expect_nothing(uint32_t w) {
  told_t t;
  assert_false(take(w, 0, &t));
}

static void expect_brought(uint32_t w, uint32_t instrument) {
  expect(w, instrument, TF_MARKET_ROW_STATE);
  expect(w, instrument, TF_MARKET_ROW_STANDS);
}

/* Each instrument's first tick; of members of sections the last one's makes all of them there. */
static void bring_all(uint32_t w) {
  for (uint32_t i = 0; i < INSTRUMENTS; i++) {
    tick(i);
    expect_brought(w, i);
  }
}

/* ---- events, bars, ticks ---- */

static void nothing_is_told_where_nobody_is_asked(void **state) {
  (void)state;
  BEGIN_ALONE();
  add_worker(0, BOTH, 3);
  tick(0);
  expect_brought(0, 0);
  rig.workers[0].remote.is_asking = false; /* a replay */
  for (uint32_t i = 0; i < 4; i++) trade(0, 50, TF_FLAG_LAST);
  tick(0);
  rig.workers[0].remote.is_asking = true;
  rig.workers[0].child.down       = 1; /* it is over */
  for (uint32_t i = 0; i < 4; i++) trade(0, 50, TF_FLAG_LAST);
  idle();
  expect_nothing(0);
  assert_int_equal(rig.workers[0].remote.market->counts.rows, 2);
  end();
}

static void a_messages_events_are_told_in_their_order_and_then_its_tick(void **state) {
  (void)state;
  BEGIN_ALONE();
  add_worker(0, BOTH, 0);
  trade(1, 7, 0); /* its memory will say it */
  tick(1);
  expect_brought(0, 1);
  trade(1, 205, 0);
  quote(1, 210, 0);
  answer_what_comes();
  trade(1, 206, TF_FLAG_LAST);
  static const struct {
    tf_market_row_kind_t kind;
    double               bid, price;
  } rows[] = {
      {TF_MARKET_ROW_TRADE, 199, 205},
      {TF_MARKET_ROW_QUOTE, 209, 205},
      {TF_MARKET_ROW_TRADE, 209, 206},
      {TF_MARKET_ROW_TICK,  209, 206},
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    const told_t t = expect(0, 1, rows[i].kind);
    assert_true(t.row.u.top.bid == rows[i].bid && t.row.u.top.ask == rows[i].bid + 2);
    assert_true(t.row.u.top.trade_price == rows[i].price && t.row.u.top.trade_qty == 3);
    assert_int_equal(t.row.now_ns, rig.now_ns);
    assert_int_equal(t.head.number, 3 + i); /* behind STATE and STANDS, none left out */
  }
  expect_nothing(0);
  end();
}

static void each_worker_is_told_what_its_own_plan_follows(void **state) {
  (void)state;
  BEGIN_ALONE();
  add_worker(0, TF_ON_TRADE, 1);
  add_worker(1, TF_ON_QUOTE, 2);
  tick(0);
  for (uint32_t w = 0; w < WORKERS; w++) expect_brought(w, 0);
  tick(0);
  expect(0, 0, TF_MARKET_ROW_TICK);
  expect(1, 0, TF_MARKET_ROW_QUOTE);
  expect(1, 0, TF_MARKET_ROW_TICK);
  for (uint32_t i = 1; i <= 6; i++) {
    answer_what_comes();
    trade(0, 10 * i, TF_FLAG_LAST);
    for (uint32_t w = 0; w < WORKERS; w++) {
      const uint32_t cnt = 2 + w; /* trades of its bar */
      if (i % cnt == 0) {
        const told_t t = expect(w, 0, TF_MARKET_ROW_BAR);
        assert_int_equal(t.row.bar_idx, w);
        assert_true(t.row.u.bar[TF_FEATURE_BAR_OPEN] == 10 * (i - cnt + 1));
        assert_true(t.row.u.bar[TF_FEATURE_BAR_HIGH] == 10 * i);
        assert_true(t.row.u.bar[TF_FEATURE_BAR_LOW] == 10 * (i - cnt + 1));
        assert_true(t.row.u.bar[TF_FEATURE_BAR_CLOSE] == 10 * i);
        assert_true(t.row.u.bar[TF_FEATURE_BAR_VOLUME] == 3 * cnt);
        assert_true(t.row.u.bar[TF_FEATURE_BAR_TRADE_CNT] == cnt);
      }
      if (w == 0) expect(w, 0, TF_MARKET_ROW_TRADE);
      expect(w, 0, TF_MARKET_ROW_TICK);
      expect_nothing(w);
    }
  }
  end();
}

static void bars_that_close_at_once_are_told_in_their_order(void **state) {
  (void)state;
  BEGIN_ALONE();
  add_worker(0, 0, 3);
  tick(2);
  expect_brought(0, 2);
  for (uint32_t i = 1; i <= 6; i++) trade(2, 10, 0);
  static const uint8_t closed[] = {0, 1, 0, 0, 1}; /* after 2, 3, 4, 6 and 6 trades */
  for (size_t i = 0; i < TF_ARRAY_CNT(closed); i++)
    assert_int_equal(expect(0, 2, TF_MARKET_ROW_BAR).row.bar_idx, closed[i]);
  expect_nothing(0);
  end();
}

/* ---- sections ---- */

static void who_leaves_is_told_between_the_ticks_before_and_after(void **state) {
  (void)state;
  BEGIN_SECTION();
  add_worker(0, 0, 0);
  bring_all(0);
  rig.now_ns += 6 * MS;
  tick(0);
  assert_int_equal(expect(0, 0, TF_MARKET_ROW_TICK).row.member_cnt, INSTRUMENTS);
  rig.now_ns += 6 * MS;
  tick(2);
  expect(0, 1, TF_MARKET_ROW_GONE); /* the longest silent first */
  expect(0, 3, TF_MARKET_ROW_GONE);
  const told_t t = expect(0, 2, TF_MARKET_ROW_TICK);
  assert_int_equal(t.row.member_cnt, 2);
  assert_int_equal(t.row.flags & (TF_MARKET_ROW_HAS_SEAT | TF_MARKET_ROW_IS_FIT),
                   TF_MARKET_ROW_HAS_SEAT | TF_MARKET_ROW_IS_FIT);
  tick(3); /* and is in again, without its memory: the worker kept that */
  assert_int_equal(expect(0, 3, TF_MARKET_ROW_TICK).row.member_cnt, 3);
  expect_nothing(0);
  end();
}

static void without_sections_nobody_leaves(void **state) {
  (void)state;
  BEGIN_SECTION();
  add_worker(0, 0, 0);
  rig.workers[0].remote.market->has_sections = false;
  bring_all(0);
  rig.now_ns += 11 * MS;
  tick(2);
  expect(0, 2, TF_MARKET_ROW_TICK);
  expect_nothing(0);
  end();
}

static void one_whose_book_is_not_in_order_keeps_its_seat_and_is_not_fit(void **state) {
  (void)state;
  BEGIN_SECTION();
  add_worker(0, 0, 0);
  bring_all(0);
  answer_what_comes();
  send((tf_event_t){.kind          = TF_EVENT_STATUS,
                    .instrument_id = 1,
                    .flags         = TF_FLAG_LAST,
                    .u.status      = {.book_state = TF_BOOK_GAP}});
  const told_t t = expect(0, 1, TF_MARKET_ROW_TICK);
  assert_int_equal(t.row.flags & (TF_MARKET_ROW_HAS_SEAT | TF_MARKET_ROW_IS_FIT),
                   TF_MARKET_ROW_HAS_SEAT);
  assert_int_equal(t.row.member_cnt, INSTRUMENTS);
  end();
}

/* ---- several at once ---- */

static void ticks_that_waited_are_told_as_of_their_own_turn(void **state) {
  (void)state;
  BEGIN_SECTION();
  add_worker(0, 0, 0);
  begin_batch();
  for (uint32_t i = 0; i < INSTRUMENTS - 1; i++) {
    tick(i);
    tf_batch_answer(&rig.lane);
    expect_brought(0, i);
  }
  rig.now_ns += MS;
  tick(0);
  tick(1);
  rig.now_ns += MS;
  tick(3); /* the fourth member: those who wait were among three */
  expect_nothing(0);
  tf_batch_answer(&rig.lane);
  for (uint32_t i = 0; i < 2; i++) {
    told_t t;
    assert_true(take(0, i, &t));
    assert_int_equal(t.row_cnt, 2); /* the fourth's memory is not there, and is not the first */
    assert_int_equal(t.row.kind, TF_MARKET_ROW_TICK);
    assert_int_equal(t.head.instrument_idx, i);
    assert_int_equal(t.row.member_cnt, INSTRUMENTS - 1);
    assert_int_equal(t.row.now_ns, rig.now_ns - MS);
  }
  rig.workers[0].there.next_seq++;
  expect_nothing(0);
  end();
}

static void those_who_wait_are_told_before_somebody_leaves(void **state) {
  (void)state;
  BEGIN_SECTION();
  add_worker(0, 0, 0);
  begin_batch();
  for (uint32_t i = 0; i < 3; i++) {
    tick(i);
    tf_batch_answer(&rig.lane);
    expect_brought(0, i);
  }
  rig.now_ns += 9 * MS;
  tick(0);
  rig.now_ns += 2 * MS;
  tick(1);
  assert_int_equal(expect(0, 0, TF_MARKET_ROW_TICK).row.member_cnt, 3);
  expect(0, 2, TF_MARKET_ROW_GONE);
  expect_nothing(0);
  tf_batch_answer(&rig.lane);
  assert_int_equal(expect(0, 1, TF_MARKET_ROW_TICK).row.member_cnt, 2);
  end();
}

/* Its memory has the tick in it already: told after it, the tick would be computed twice. */
static void one_whose_tick_waits_is_not_sent_between_ticks(void **state) {
  (void)state;
  BEGIN_SECTION();
  add_worker(0, 0, 0);
  for (uint32_t i = 0; i < INSTRUMENTS; i++) tick(i);
  begin_batch();
  another_worker(0, 2, 1);
  tick(0);
  tf_batch_answer(&rig.lane);
  expect_brought(0, 0);
  tick(2);
  idle();
  expect(0, 1, TF_MARKET_ROW_STATE);
  expect(0, 3, TF_MARKET_ROW_STATE);
  expect_nothing(0);
  answer_what_comes();
  assert_false(tf_batch_settle(&rig.lane, true));
  expect_brought(0, 2);
  tick(2);
  assert_false(tf_batch_settle(&rig.lane, true));
  expect(0, 2, TF_MARKET_ROW_TICK);
  idle();
  expect_nothing(0);
  end();
}

/* Others are placed among the bar of its tick. */
static void one_whose_bar_has_closed_since_its_tick_is_not_sent_between_ticks(void **state) {
  (void)state;
  BEGIN_SECTION();
  add_worker(0, 0, 1);
  for (uint32_t i = 0; i < INSTRUMENTS; i++) {
    tick(i);
    for (uint32_t k = 0; k < 2; k++) trade(i, 10 + i, TF_FLAG_LAST);
  }
  another_worker(0, 2, 1);
  tick(0);
  expect_brought(0, 0);
  for (uint32_t k = 0; k < 2; k++) trade(2, 50, 0);
  idle();
  expect(0, 1, TF_MARKET_ROW_STATE);
  expect(0, 3, TF_MARKET_ROW_STATE);
  expect_nothing(0);
  tick(2);
  expect_brought(0, 2);
  end();
}

/* ---- the ring ---- */

static void rows_come_once_each_and_in_order_over_the_rings_end_and_the_tags(void **state) {
  (void)state;
  BEGIN_ALONE();
  add_worker(0, TF_ON_QUOTE, 0);
  another_worker(0, 2, UINT32_MAX - 3 * SLOTS); /* each slot is written before tags begin anew */
  tick(0);
  expect_brought(0, 0);
  for (uint32_t i = 0; i < 3 * SLOTS; i++) {
    tick(0);
    assert_int_equal(expect(0, 0, TF_MARKET_ROW_QUOTE).head.number, 3 + 2 * i);
    assert_int_equal(expect(0, 0, TF_MARKET_ROW_TICK).head.number, 4 + 2 * i);
    expect_nothing(0);
  }
  assert_true(rig.workers[0].there.next_seq > UINT32_MAX);
  end();
}

/* It does not look, and the lane waits for nobody: what it finds then is a newer row, and how many it has lost. */
static void a_full_ring_stops_nobody_and_begins_anew_with_memories(void **state) {
  (void)state;
  BEGIN_SECTION();
  add_worker(0, TF_ON_TRADE, 0);
  bring_all(0);
  for (uint32_t i = 0; i < SLOTS + 1; i++) trade(0, 10, 0);
  float             values[TF_MARKET_ROW_VALUES_MAX];
  uint32_t          row_cnt;
  tf_mailbox_row_t  head;
  uint64_t          lost  = 0;
  tf_mailbox_view_t there = rig.workers[0].there;
  assert_int_equal(tf_mailbox_take(&there, 0, &row_cnt, &head, values, &lost), TF_MAILBOX_LAPPED);
  assert_int_equal(lost, SLOTS);
  rig.workers[0].there.next_seq = there.next_seq + 1;
  tf_mailbox_answer(&rig.workers[0].there, rig.workers[0].there.next_seq, 0, TF_MAILBOX_BEHIND, 0,
                    NULL);
  quote(0, 100, TF_FLAG_LAST);
  expect(0, 0, TF_MARKET_ROW_TICK);
  assert_int_equal(expect(0, 0, TF_MARKET_ROW_GONE).row.flags, TF_MARKET_ROW_IS_ALL);
  trade(1, 10, 0); /* it will be in its memory */
  expect_nothing(0);
  bring_all(0);
  tick(1);
  expect(0, 1, TF_MARKET_ROW_TICK);
  end();
}

static void another_worker_is_told_nothing_of_whose_memory_it_has_not(void **state) {
  (void)state;
  BEGIN_SECTION();
  add_worker(0, TF_ON_TRADE, 1);
  bring_all(0);
  another_worker(0, 2, 1);
  for (uint32_t i = 0; i < 2; i++) trade(1, 10, 0); /* and a bar */
  rig.now_ns += 11 * MS;
  tick(1); /* all others leave */
  const told_t t = expect(0, 1, TF_MARKET_ROW_STATE);
  assert_int_equal(t.head.number, 1);
  assert_int_equal(t.head.flags & TF_MAILBOX_RESET, TF_MAILBOX_RESET);
  assert_int_equal(expect(0, 1, TF_MARKET_ROW_STANDS).row.member_cnt, 1);
  trade(1, 10, 0);
  expect(0, 1, TF_MARKET_ROW_TRADE);
  expect_nothing(0);
  end();
}

int main(void) {
  tf_clock_calibrate();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing_is_told_where_nobody_is_asked),
      cmocka_unit_test(a_messages_events_are_told_in_their_order_and_then_its_tick),
      cmocka_unit_test(each_worker_is_told_what_its_own_plan_follows),
      cmocka_unit_test(bars_that_close_at_once_are_told_in_their_order),
      cmocka_unit_test(who_leaves_is_told_between_the_ticks_before_and_after),
      cmocka_unit_test(without_sections_nobody_leaves),
      cmocka_unit_test(one_whose_book_is_not_in_order_keeps_its_seat_and_is_not_fit),
      cmocka_unit_test(ticks_that_waited_are_told_as_of_their_own_turn),
      cmocka_unit_test(those_who_wait_are_told_before_somebody_leaves),
      cmocka_unit_test(one_whose_tick_waits_is_not_sent_between_ticks),
      cmocka_unit_test(one_whose_bar_has_closed_since_its_tick_is_not_sent_between_ticks),
      cmocka_unit_test(rows_come_once_each_and_in_order_over_the_rings_end_and_the_tags),
      cmocka_unit_test(a_full_ring_stops_nobody_and_begins_anew_with_memories),
      cmocka_unit_test(another_worker_is_told_nothing_of_whose_memory_it_has_not),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
