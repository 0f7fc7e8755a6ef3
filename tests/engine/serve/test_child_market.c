/* The lane's side of a worker that computes features, without a worker: what is in the mailbox after each call, packet by packet, and what the
 * lane makes of answers that lie there before it asks. test_child and e2e_worker_features have real workers. */
#include "cmocka_tf.h"

#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "serve/child_market.h"
#include "serve/child_state.h"

#define INSTRUMENTS 4u
#define SLOTS       64u
#define BATCH       4u
#define SLOT_CNT    3u                  /* of the plan */
#define MEM_BYTES   (SLOT_CNT * 8 + 20) /* no multiple of a packet's 12 */
#define WIDTH       4u
#define WINDOW      3u

typedef struct rig {
  tf_child_t        worker;
  tf_child_lane_t   lane;
  tf_child_market_t market;
  uint64_t          numbers[INSTRUMENTS];
  bool              is_seated[INSTRUMENTS];
  tf_kept_rows_t    kept;
  float             rows[INSTRUMENTS * WINDOW * WIDTH];
  uint32_t          kept_cnt[INSTRUMENTS], kept_next[INSTRUMENTS];
  tf_mailbox_view_t there; /* the worker's view */
  /* the lane's universe */
  bool     has_ticked[INSTRUMENTS], has_seat[INSTRUMENTS], waits[INSTRUMENTS];
  uint32_t member_cnt;
  TF_ALIGNED(8) uint8_t memory[INSTRUMENTS][MEM_BYTES + 4];
} rig_t;

static rig_t rig;

static const void *source_tick(void *self, uint32_t idx, tf_market_row_t *row) {
  (void)self;
  *row           = (tf_market_row_t){.now_ns     = 1000 + idx,
                                     .kind       = TF_MARKET_ROW_TICK,
                                     .flags      = rig.has_seat[idx] ? TF_MARKET_ROW_HAS_SEAT : 0,
                                     .member_cnt = rig.member_cnt};
  row->u.top.bid = 7.5 + idx;
  return rig.memory[idx];
}

static const void *source_state(void *self, uint32_t idx, tf_market_row_t *row) {
  (void)self;
  if (!rig.has_ticked[idx]) return NULL;
  row->flags = rig.has_seat[idx] ? TF_MARKET_ROW_HAS_SEAT : 0;
  return rig.memory[idx];
}

static bool source_is_settled(void *self, uint32_t idx) {
  (void)self;
  return !rig.waits[idx];
}

static void another_worker(uint64_t epoch) {
  const uint32_t    packets = tf_child_market_packets(MEM_BYTES, WIDTH, WINDOW);
  const char        plan[8] = "a plan";
  tf_mailbox_spec_t spec    = {.epoch          = (uint32_t)epoch,
                               .slot_cnt       = SLOTS,
                               .batch_max      = BATCH,
                               .input_cnt      = tf_market_row_values(rig.market.handed_cnt),
                               .output_cnt     = 1,
                               .instrument_cnt = INSTRUMENTS + 1,
                               .window         = 2,
                               .state_packets  = packets,
                               .plan           = plan,
                               .plan_bytes     = sizeof plan};
  int               fd;
  assert_int_equal(tf_mailbox_create(&spec, tf_child_view_(&rig.worker, epoch), &fd), TF_OK);
  if (rig.there.box) tf_mailbox_close(&rig.there);
  assert_int_equal(tf_mailbox_open(fd, &rig.there), TF_OK);
  close(fd);
  rig.worker.offered = epoch;
}

/* handed_cnt: values that go with a tick; row_cap: of the model's window, 0: single rows. */
static void begin(uint32_t handed_cnt, bool has_sections, uint32_t row_cap) {
  memset(&rig, 0, sizeof rig);
  for (uint32_t i = 0; i < INSTRUMENTS; i++) {
    rig.has_ticked[i] = rig.has_seat[i] = true;
    for (uint32_t k = 0; k < MEM_BYTES; k++) rig.memory[i][k] = (uint8_t)(16 * i + k % 13);
  }
  rig.member_cnt = INSTRUMENTS;
  rig.kept       = (tf_kept_rows_t){.rows     = rig.rows,
                                    .cnt      = rig.kept_cnt,
                                    .next_idx = rig.kept_next,
                                    .row_cap  = row_cap,
                                    .width    = WIDTH};
  rig.market     = (tf_child_market_t){
          .source         = {NULL, source_tick, source_state, source_is_settled},
          .kept           = row_cap ? &rig.kept : NULL,
          .mem_bytes      = MEM_BYTES,
          .instrument_cnt = INSTRUMENTS,
          .is_seated      = rig.is_seated,
          .has_sections   = has_sections,
          .handed_cnt     = handed_cnt
  };
  for (uint32_t i = 0; i < handed_cnt; i++) rig.market.handed[i] = (uint16_t)(i % SLOT_CNT);
  rig.lane = (tf_child_lane_t){.worker         = &rig.worker,
                               .numbers        = rig.numbers,
                               .deadline_ticks = tf_clock_ns_to_ticks(TF_NS_PER_MS),
                               .has_market     = true};
  another_worker(1);
}

static void end(void) {
  for (uint32_t i = 0; i < TF_CHILD_MAPPINGS; i++) tf_mailbox_close(&rig.worker.views[i]);
  tf_mailbox_close(&rig.there);
}

/* ---- the worker's side ---- */

typedef struct told {
  tf_market_row_t  row;
  tf_mailbox_row_t head;
  uint32_t         row_cnt;
  double           handed[TF_MARKET_ROW_HANDED_MAX];
} told_t;

static bool take(uint32_t idx, told_t *t) {
  float    values[TF_MARKET_ROW_VALUES_MAX];
  uint64_t lost;
  if (tf_mailbox_take(&rig.there, idx, &t->row_cnt, &t->head, values, &lost) != TF_MAILBOX_TAKEN)
    return false;
  memcpy(&t->row, values, sizeof t->row);
  memcpy(t->handed, values + tf_market_row_values(0), rig.market.handed_cnt * sizeof(double));
  return true;
}

/* The next request, of one row. */
static told_t next(void) {
  told_t t;
  assert_true(take(0, &t));
  assert_int_equal(t.row_cnt, 1);
  rig.there.next_seq++;
  return t;
}

static void expect(uint32_t instrument_idx, tf_market_row_kind_t kind) {
  const told_t t = next();
  assert_int_equal(t.head.instrument_idx, instrument_idx);
  assert_int_equal(t.row.kind, kind);
}

static void expect_nothing(void) {
  told_t t;
  assert_false(take(0, &t));
}

/* An answer that will lie there: of the request so many behind the next one. */
static void answer(uint64_t behind, uint32_t idx, tf_mailbox_status_t status, float x) {
  tf_mailbox_answer(&rig.there, rig.there.next_seq + behind, idx, status, 0, &x);
}

static tf_child_miss_t ask(uint32_t instrument_idx, float *out) {
  tf_child_row_t one = {.instrument_idx = instrument_idx, .out = out};
  tf_child_market_ask(&rig.lane, &rig.market, &one, 1, tf_clock_ticks());
  return one.result;
}

/* Its first tick: STATE, answered WARMING, and STANDS, answered x. */
static void bring(uint32_t instrument_idx) {
  float out;
  answer(0, 0, TF_MAILBOX_WARMING, 0);
  answer(1, 0, TF_MAILBOX_OK, 3.5f);
  assert_int_equal(ask(instrument_idx, &out), TF_CHILD_ANSWERED);
  assert_true(out == 3.5f);
  expect(instrument_idx, TF_MARKET_ROW_STATE);
  expect(instrument_idx, TF_MARKET_ROW_STANDS);
}

static void bring_all(void) {
  for (uint32_t i = 0; i < INSTRUMENTS; i++) bring(i);
}

/* ---- tests ---- */

static void what_an_instrument_sends_has_room_up_to_the_limit(void **state) {
  (void)state;
  const uint64_t most = (uint64_t)TF_MAILBOX_STATE_MAX * 12; /* bytes of memory alone */
  assert_int_equal(tf_child_market_packets(most - 4, 0, 0), TF_MAILBOX_STATE_MAX);
  assert_int_equal(tf_child_market_packets(most, 0, 0), TF_MAILBOX_STATE_MAX);
  assert_int_equal(tf_child_market_packets(most + 4, 0, 0), 0);
  assert_int_equal(tf_child_market_packets(12, 4, 0), 1);
  assert_int_equal(tf_child_market_packets(12, 3, 5), 6);
  assert_int_equal(tf_child_market_packets(12, 4, 5), 11); /* a row of 4 is two packets */
  assert_int_equal(tf_child_market_packets(0, 1, TF_MAILBOX_STATE_MAX), TF_MAILBOX_STATE_MAX);
  assert_int_equal(tf_child_market_packets(4, 1, TF_MAILBOX_STATE_MAX), 0);
  assert_int_equal(tf_child_market_packets(0, UINT16_MAX, UINT32_MAX), 0);
}

static void the_first_tick_brings_the_memory_and_the_next_ones_the_market_alone(void **state) {
  (void)state;
  static const uint32_t handed[] = {0, 1, TF_MARKET_ROW_HANDED_MAX};
  for (size_t k = 0; k < TF_ARRAY_CNT(handed); k++) {
    float out;
    begin(handed[k], false, 0);
    bring(2);
    uint32_t words[(MEM_BYTES + 11) / 12 * 3];
    for (uint32_t i = 0; i < sizeof words / 12; i++) {
      tf_packet_t p;
      tf_packet_load(&rig.there.state[i], &p);
      assert_int_equal(p.tag, 1);
      memcpy(words + 3 * i, p.words, sizeof p.words);
    }
    assert_memory_equal(words, rig.memory[2], MEM_BYTES);
    answer(0, 0, TF_MAILBOX_OK, 4.25f);
    assert_int_equal(ask(2, &out), TF_CHILD_ANSWERED);
    assert_true(out == 4.25f);
    const told_t t = next();
    assert_int_equal(t.row.kind, TF_MARKET_ROW_TICK);
    assert_true(t.row.u.top.bid == 9.5);
    assert_int_equal(t.head.number, 3); /* STATE, STANDS, TICK */
    assert_memory_equal(t.handed, rig.memory[2],
                        handed[k] < SLOT_CNT ? handed[k] * 8 : SLOT_CNT * 8);
    assert_int_equal(rig.market.counts.states, 1);
    assert_int_equal(rig.market.counts.rows, 3);
    assert_int_equal(rig.market.counts.state_bytes, MEM_BYTES);
    expect_nothing();
    end();
  }
}

/* The newest kept row is the tick's own, which the worker makes itself. */
static void a_windows_rows_lie_behind_the_memory_oldest_first(void **state) {
  (void)state;
  begin(0, false, WINDOW);
  for (uint32_t i = 0; i < 5; i++) {
    const float row[WIDTH] = {(float)i, 1, 2, 3};
    tf_kept_rows_push(&rig.kept, 1, row);
  }
  float out;
  answer(0, 0, TF_MAILBOX_WARMING, 0);
  answer(1, 0, TF_MAILBOX_OK, 0);
  assert_int_equal(ask(1, &out), TF_CHILD_ANSWERED);
  const told_t t = next();
  assert_int_equal(t.row.kind, TF_MARKET_ROW_STATE);
  assert_int_equal(t.row.u.state.row_cnt, WINDOW - 1);
  for (uint32_t i = 0; i < WINDOW - 1; i++) {
    tf_packet_t p;
    tf_packet_load(&rig.there.state[(MEM_BYTES + 11) / 12 + 2 * i], &p);
    assert_int_equal(p.tag, t.row.u.state.tag);
    assert_true(tf_mailbox_value(p.words[0]) == (float)(2 + i));
  }
  end();
}

static void without_a_worker_nothing_is_sent(void **state) {
  (void)state;
  float out;
  begin(0, true, 0);
  rig.worker.down = 1;
  assert_int_equal(ask(0, &out), TF_CHILD_MISS_ABSENT);
  tf_child_market_pass(&rig.lane, &rig.market, 0);
  tf_child_market_idle(&rig.lane, &rig.market);
  expect_nothing();
  assert_int_equal(rig.lane.counts.results[TF_CHILD_MISS_ABSENT], 1);
  assert_int_equal(rig.market.counts.rows, 0);
  end();
}

static void an_event_goes_only_to_who_has_the_memory(void **state) {
  (void)state;
  const tf_market_row_t trade = {.kind = TF_MARKET_ROW_TRADE};
  begin(0, false, 0);
  tf_child_market_tell(&rig.lane, &rig.market, 0, &trade);
  expect_nothing();
  bring(0);
  tf_child_market_tell(&rig.lane, &rig.market, 0, &trade);
  tf_child_market_tell(&rig.lane, &rig.market, 1, &trade);
  const told_t t = next();
  assert_int_equal(t.row.kind, TF_MARKET_ROW_TRADE);
  assert_int_equal(t.head.flags & TF_MAILBOX_QUIET, TF_MAILBOX_QUIET);
  expect_nothing();
  end();
}

static void another_worker_has_nothing_of_the_one_before(void **state) {
  (void)state;
  float out;
  begin(0, true, 0);
  bring_all();
  assert_int_equal(rig.market.seated_cnt, INSTRUMENTS);
  another_worker(2);
  bring(1);
  assert_int_equal(rig.market.seated_cnt, 1);
  assert_int_equal(rig.market.counts.sections_anew, 2); /* the first one too */
  answer(0, 0, TF_MAILBOX_WARMING, 0);
  answer(1, 0, TF_MAILBOX_OK, 1);
  assert_int_equal(ask(1, &out), TF_CHILD_ANSWERED); /* the others are not there: no TICK */
  expect(1, TF_MARKET_ROW_STATE);
  expect(1, TF_MARKET_ROW_STANDS);
  end();
}

/* ---- the room ---- */

static void the_room_is_free_when_its_state_is_answered_or_overtaken(void **state) {
  (void)state;
  float out;
  begin(0, false, 0);
  answer(1, 0, TF_MAILBOX_OK, 0);
  rig.lane.deadline_ticks = 0;
  tf_child_market_idle(&rig.lane, &rig.market); /* instrument 0's */
  expect(0, TF_MARKET_ROW_STATE);
  tf_child_market_idle(&rig.lane, &rig.market); /* not answered yet */
  expect_nothing();
  assert_int_equal(ask(1, &out), TF_CHILD_MISS_BEHIND);
  assert_int_equal(rig.market.counts.states_waited, 1);
  expect_nothing();
  tf_mailbox_answer(&rig.there, rig.market.state_seq, 0, TF_MAILBOX_WARMING, 0, NULL);
  tf_child_market_idle(&rig.lane, &rig.market);
  expect(1, TF_MARKET_ROW_STATE);
  rig.market.state_ticks -=
      tf_clock_ns_to_ticks(TF_NS_PER_SEC) + 1; /* nobody answers: a second later */
  tf_child_market_idle(&rig.lane, &rig.market);
  expect(2, TF_MARKET_ROW_STATE);
  end();
}

static void idle_brings_everybody_who_has_ticked_and_then_nobody(void **state) {
  (void)state;
  begin(0, true, 0);
  rig.has_ticked[2]           = false;
  static const uint32_t due[] = {0, 1, 3};
  for (size_t i = 0; i < TF_ARRAY_CNT(due); i++) {
    answer(0, 0, TF_MAILBOX_WARMING, 0);
    tf_child_market_idle(&rig.lane, &rig.market);
    expect(due[i], TF_MARKET_ROW_STATE);
  }
  tf_child_market_idle(&rig.lane, &rig.market);
  expect_nothing();
  assert_int_equal(rig.market.seated_cnt, 3);
  end();
}

static void idle_passes_over_whose_memory_is_ahead_of_what_was_told(void **state) {
  (void)state;
  begin(0, false, 0);
  rig.waits[0] = rig.waits[2] = true;
  static const uint32_t due[] = {1, 3};
  for (size_t i = 0; i < TF_ARRAY_CNT(due); i++) {
    answer(0, 0, TF_MAILBOX_WARMING, 0);
    tf_child_market_idle(&rig.lane, &rig.market);
    expect(due[i], TF_MARKET_ROW_STATE);
  }
  tf_child_market_idle(&rig.lane, &rig.market);
  expect_nothing();
  bring(2); /* its own tick is told with it */
  rig.waits[0] = false;
  answer(0, 0, TF_MAILBOX_WARMING, 0);
  tf_child_market_idle(&rig.lane, &rig.market);
  expect(0, TF_MARKET_ROW_STATE);
  end();
}

/* ---- sections ---- */

static void a_tick_is_one_only_where_all_members_are_there(void **state) {
  (void)state;
  float out;
  begin(0, true, 0);
  for (uint32_t i = 0; i < INSTRUMENTS - 1; i++) bring(i);
  bring(0); /* once more: the last one is not there */
  bring(INSTRUMENTS - 1);
  for (uint32_t i = 0; i < INSTRUMENTS; i++) {
    answer(0, 0, TF_MAILBOX_OK, 1);
    assert_int_equal(ask(i, &out), TF_CHILD_ANSWERED);
    expect(i, TF_MARKET_ROW_TICK);
  }
  const tf_market_row_t gone = {.kind = TF_MARKET_ROW_GONE};
  tf_child_market_tell(&rig.lane, &rig.market, 3, &gone);
  rig.member_cnt = 3, rig.has_seat[3] = false;
  expect(3, TF_MARKET_ROW_GONE);
  answer(0, 0, TF_MAILBOX_OK, 1);
  assert_int_equal(ask(0, &out), TF_CHILD_ANSWERED);
  expect(0, TF_MARKET_ROW_TICK);
  end();
}

/* Others are placed among its values: they may not be of an older tick. */
static void one_whose_tick_is_not_told_leaves_at_once(void **state) {
  (void)state;
  float out;
  begin(0, true, 0);
  bring_all();
  rig.member_cnt++; /* a new one, which has not been told of */
  tf_child_market_idle(&rig.lane, &rig.market);
  expect_nothing();
  rig.numbers[3] = 0; /* its state is on the way, and takes the room */
  tf_child_market_idle(&rig.lane, &rig.market);
  expect(3, TF_MARKET_ROW_STATE);
  assert_int_equal(ask(0, &out), TF_CHILD_MISS_BEHIND);
  expect(0, TF_MARKET_ROW_GONE);
  tf_child_market_pass(&rig.lane, &rig.market, 1);
  expect(1, TF_MARKET_ROW_GONE);
  assert_int_equal(rig.market.seated_cnt, 2);
  tf_child_market_pass(&rig.lane, &rig.market, 1); /* it has left already */
  expect_nothing();
  end();
}

static void one_that_lacks_something_gets_everybody_anew(void **state) {
  (void)state;
  float out;
  begin(0, true, 0);
  bring_all();
  answer(0, 0, TF_MAILBOX_BEHIND, 0);
  assert_int_equal(ask(2, &out), TF_CHILD_MISS_BEHIND);
  expect(2, TF_MARKET_ROW_TICK);
  const told_t all = next();
  assert_int_equal(all.row.kind, TF_MARKET_ROW_GONE);
  assert_int_equal(all.row.flags, TF_MARKET_ROW_IS_ALL);
  assert_int_equal(all.head.flags, TF_MAILBOX_QUIET | TF_MAILBOX_RESET);
  assert_int_equal(rig.market.seated_cnt, 0);
  bring_all();
  answer(0, 0, TF_MAILBOX_OK, 1);
  assert_int_equal(ask(2, &out), TF_CHILD_ANSWERED);
  expect(2, TF_MARKET_ROW_TICK);
  end();
}

static void without_sections_one_that_lacks_something_gets_that_alone(void **state) {
  (void)state;
  float out;
  begin(0, false, 0);
  bring(0);
  bring(1);
  answer(0, 0, TF_MAILBOX_BEHIND, 0);
  assert_int_equal(ask(0, &out), TF_CHILD_MISS_BEHIND);
  expect(0, TF_MARKET_ROW_TICK);
  expect_nothing();
  bring(0);
  answer(0, 0, TF_MAILBOX_OK, 1);
  assert_int_equal(ask(1, &out), TF_CHILD_ANSWERED);
  expect(1, TF_MARKET_ROW_TICK);
  end();
}

/* ---- several at once ---- */

static void ask_some(tf_child_row_t *rows, const uint32_t *who, uint32_t cnt, float *outs) {
  for (uint32_t i = 0; i < cnt; i++)
    rows[i] = (tf_child_row_t){.instrument_idx = who[i], .out = outs + i};
}

static void ticks_together_are_one_request_in_the_lanes_order(void **state) {
  (void)state;
  static const uint32_t who[BATCH] = {2, 0, 3, 1};
  tf_child_row_t        rows[BATCH];
  float                 outs[BATCH];
  begin(0, true, 0);
  bring_all();
  ask_some(rows, who, BATCH, outs);
  rows[2].is_quiet = true;
  for (uint32_t i = 0; i < BATCH; i++)
    if (i != 2) answer(0, i, TF_MAILBOX_OK, (float)i);
  const uint64_t requests = rig.lane.counts.requests;
  tf_child_market_ask(&rig.lane, &rig.market, rows, BATCH, tf_clock_ticks());
  assert_int_equal(rig.lane.counts.requests, requests + 1);
  for (uint32_t i = 0; i < BATCH; i++) {
    told_t t;
    assert_true(take(i, &t));
    assert_int_equal(t.row_cnt, BATCH);
    assert_int_equal(t.head.instrument_idx, who[i]);
    assert_int_equal(t.row.kind, TF_MARKET_ROW_TICK);
    assert_int_equal(!!(t.head.flags & TF_MAILBOX_QUIET), i == 2);
    if (i == 2) continue;
    assert_int_equal(rows[i].result, TF_CHILD_ANSWERED);
    assert_true(outs[i] == (float)i);
  }
  rig.there.next_seq++;
  expect_nothing();
  end();
}

/* The room holds one state, and it is told before the request: none but the first of it may be one. */
static void of_those_together_the_first_alone_brings_its_memory(void **state) {
  (void)state;
  static const uint32_t who[] = {1, 0, 2};
  tf_child_row_t        rows[3];
  float                 outs[3];
  begin(0, true, 0);
  bring(0);
  ask_some(rows, who, 3, outs);
  answer(0, 0, TF_MAILBOX_WARMING, 0);
  answer(1, 0, TF_MAILBOX_OK, 8);
  tf_child_market_ask(&rig.lane, &rig.market, rows, 3, tf_clock_ticks());
  expect(1, TF_MARKET_ROW_STATE);
  expect(1, TF_MARKET_ROW_STANDS);
  expect(0, TF_MARKET_ROW_GONE); /* it was there, and this tick is not told */
  expect_nothing();
  assert_int_equal(rows[0].result, TF_CHILD_ANSWERED);
  assert_int_equal(rows[1].result, TF_CHILD_MISS_BEHIND);
  assert_int_equal(rows[2].result, TF_CHILD_MISS_BEHIND);
  assert_int_equal(rig.market.seated_cnt, 1);
  end();
}

/* ---- the ring ---- */

/* A worker that does not look is overtaken: it sees that, and nobody waits for it. */
static void a_full_ring_is_written_again_and_who_reads_it_sees_it(void **state) {
  (void)state;
  const tf_market_row_t trade   = {.kind = TF_MARKET_ROW_TRADE};
  static const uint32_t extra[] = {0, 1};
  for (size_t k = 0; k < TF_ARRAY_CNT(extra); k++) {
    float            values[TF_MARKET_ROW_VALUES_MAX];
    uint32_t         row_cnt;
    tf_mailbox_row_t head;
    uint64_t         lost = 0;
    begin(0, false, 0);
    bring(0);
    for (uint32_t i = 0; i < SLOTS + extra[k]; i++)
      tf_child_market_tell(&rig.lane, &rig.market, 0, &trade);
    tf_mailbox_take_t got = tf_mailbox_take(&rig.there, 0, &row_cnt, &head, values, &lost);
    assert_int_equal(got, extra[k] ? TF_MAILBOX_LAPPED : TF_MAILBOX_TAKEN);
    assert_int_equal(lost, extra[k] ? SLOTS : 0);
    end();
  }
}

static void late_answers_leave_the_memory_where_it_is(void **state) {
  (void)state;
  float out;
  begin(0, true, 0);
  bring_all();
  rig.lane.deadline_ticks = 0;
  assert_int_equal(ask(1, &out), TF_CHILD_MISS_LATE);
  expect(1, TF_MARKET_ROW_TICK);
  answer(0, 0, TF_MAILBOX_OK, 2);
  assert_int_equal(ask(1, &out), TF_CHILD_ANSWERED);
  expect(1, TF_MARKET_ROW_TICK);
  end();
}

/* Rows' numbers are 32 bits: before they are over the instrument begins anew. */
static void a_number_that_would_wrap_brings_the_memory_again(void **state) {
  (void)state;
  static const struct {
    uint32_t number;
    bool     is_tick;
  } rows[] = {
      {UINT32_MAX - 2, true },
      {UINT32_MAX - 1, false},
      {UINT32_MAX,     false},
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    float out;
    begin(0, false, 0);
    bring(0);
    rig.numbers[0] = UINT64_C(1) << 32 | rows[i].number;
    answer(0, 0, rows[i].is_tick ? TF_MAILBOX_OK : TF_MAILBOX_WARMING, 1);
    answer(1, 0, TF_MAILBOX_OK, 1);
    assert_int_equal(ask(0, &out), TF_CHILD_ANSWERED);
    expect(0, rows[i].is_tick ? TF_MARKET_ROW_TICK : TF_MARKET_ROW_STATE);
    end();
  }
}

int main(void) {
  tf_clock_calibrate();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_an_instrument_sends_has_room_up_to_the_limit),
      cmocka_unit_test(the_first_tick_brings_the_memory_and_the_next_ones_the_market_alone),
      cmocka_unit_test(a_windows_rows_lie_behind_the_memory_oldest_first),
      cmocka_unit_test(without_a_worker_nothing_is_sent),
      cmocka_unit_test(an_event_goes_only_to_who_has_the_memory),
      cmocka_unit_test(another_worker_has_nothing_of_the_one_before),
      cmocka_unit_test(the_room_is_free_when_its_state_is_answered_or_overtaken),
      cmocka_unit_test(idle_brings_everybody_who_has_ticked_and_then_nobody),
      cmocka_unit_test(idle_passes_over_whose_memory_is_ahead_of_what_was_told),
      cmocka_unit_test(a_tick_is_one_only_where_all_members_are_there),
      cmocka_unit_test(one_whose_tick_is_not_told_leaves_at_once),
      cmocka_unit_test(one_that_lacks_something_gets_everybody_anew),
      cmocka_unit_test(without_sections_one_that_lacks_something_gets_that_alone),
      cmocka_unit_test(ticks_together_are_one_request_in_the_lanes_order),
      cmocka_unit_test(of_those_together_the_first_alone_brings_its_memory),
      cmocka_unit_test(a_full_ring_is_written_again_and_who_reads_it_sees_it),
      cmocka_unit_test(late_answers_leave_the_memory_where_it_is),
      cmocka_unit_test(a_number_that_would_wrap_brings_the_memory_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
