/* What a tick costs a lane that asks a worker, for callgrind as universe.c does it: the row of a model's inputs, or the market, where
 * the worker computes features (features: gpu), with so many values handed over. The answer lies there already: what waiting costs is the
 * worker's affair. It carries the rows of sinks.c too. Prints how many ticks or decisions each dump stands for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

#include "core/clock.h"
#include "serve/child_market.h"
#include "serve/child_state.h"
#include "sinks.h"

#define TICKS       1024u
#define INSTRUMENTS 64u
#define MEM_BYTES   8192u

typedef struct rig {
  tf_child_t        worker;
  tf_child_lane_t   lane;
  tf_child_market_t market;
  uint64_t          numbers[INSTRUMENTS];
  bool              is_seated[INSTRUMENTS];
  double            slots[MEM_BYTES / sizeof(double)];
} rig_t;

static rig_t rig;

static const void *source_tick(void *self, uint32_t idx, tf_market_row_t *row) {
  (void)self, (void)idx;
  *row = (tf_market_row_t){.kind = TF_MARKET_ROW_TICK};
  return rig.slots;
}

static const void *source_state(void *self, uint32_t idx, tf_market_row_t *row) {
  (void)self, (void)idx, (void)row;
  return rig.slots;
}

static void begin(uint32_t input_cnt, uint32_t handed_cnt, bool is_market) {
  static const char plan[8] = "a plan";
  int               fd;
  memset(&rig, 0, sizeof rig);
  tf_mailbox_spec_t spec = {.epoch          = 1,
                            .slot_cnt       = TF_CHILD_MARKET_SLOTS,
                            .batch_max      = 1,
                            .input_cnt      = input_cnt,
                            .output_cnt     = 1,
                            .instrument_cnt = INSTRUMENTS + 1};
  if (is_market) {
    spec.window        = 2;
    spec.state_packets = tf_child_market_packets(MEM_BYTES, 0, 0);
    spec.plan          = plan;
    spec.plan_bytes    = sizeof plan;
  }
  if (tf_mailbox_create(&spec, tf_child_view_(&rig.worker, 1), &fd) != TF_OK) exit(1);
  close(fd);
  rig.worker.offered = 1;
  rig.lane           = (tf_child_lane_t){.worker         = &rig.worker,
                                         .numbers        = rig.numbers,
                                         .deadline_ticks = UINT64_MAX,
                                         .has_market     = is_market};
  rig.market         = (tf_child_market_t){
              .source         = {.tick = source_tick, .state = source_state},
              .mem_bytes      = MEM_BYTES,
              .instrument_cnt = INSTRUMENTS,
              .is_seated      = rig.is_seated,
              .handed_cnt     = handed_cnt
  };
  for (uint32_t i = 0; i < handed_cnt; i++) rig.market.handed[i] = (uint16_t)(7 * i);
}

static void end(const char *name) {
  CALLGRIND_DUMP_STATS_AT(name);
  tf_mailbox_close(tf_child_view_(&rig.worker, 1));
}

/* The answer to the next request and the one behind it. */
static void answer(void) {
  const tf_mailbox_view_t *v  = tf_child_view_(&rig.worker, 1);
  const float              x  = 0.5f;
  const uint64_t           at = rig.lane.epoch ? rig.lane.view.next_seq : v->next_seq;
  tf_mailbox_answer(v, at, 0, TF_MAILBOX_OK, 0, &x);
  tf_mailbox_answer(v, at + 1, 0, TF_MAILBOX_OK, 0, &x);
}

static void market(uint32_t handed_cnt) {
  char  name[32];
  float out;
  begin(tf_market_row_values(handed_cnt), handed_cnt, true);
  for (uint32_t i = 0; i < INSTRUMENTS + TICKS; i++) {
    tf_child_row_t one = {.instrument_idx = i % INSTRUMENTS, .out = &out};
    answer();
    if (i == INSTRUMENTS) CALLGRIND_ZERO_STATS;
    if (i >= INSTRUMENTS) CALLGRIND_TOGGLE_COLLECT;
    tf_child_market_ask(&rig.lane, &rig.market, &one, 1, 0);
    if (i >= INSTRUMENTS) CALLGRIND_TOGGLE_COLLECT;
    if (one.result != TF_CHILD_ANSWERED) exit(1);
  }
  snprintf(name, sizeof name, "market_%u", handed_cnt);
  end(name);
}

static void event(void) {
  const tf_market_row_t trade = {.kind = TF_MARKET_ROW_TRADE};
  float                 out;
  begin(tf_market_row_values(0), 0, true);
  tf_child_row_t one = {.out = &out};
  answer();
  tf_child_market_ask(&rig.lane, &rig.market, &one, 1, 0);
  CALLGRIND_ZERO_STATS;
  CALLGRIND_TOGGLE_COLLECT;
  for (uint32_t i = 0; i < TICKS; i++) tf_child_market_tell(&rig.lane, &rig.market, 0, &trade);
  CALLGRIND_TOGGLE_COLLECT;
  end("market_event");
}

static void rows(uint32_t width) {
  static float row[TF_MAILBOX_VALUES_MAX];
  char         name[32];
  float        out;
  begin(width, 0, false);
  CALLGRIND_ZERO_STATS;
  for (uint32_t i = 0; i < TICKS; i++) {
    answer();
    CALLGRIND_TOGGLE_COLLECT;
    tf_child_miss_t got = tf_child_ask(&rig.lane, i % INSTRUMENTS, row, 0, &out);
    CALLGRIND_TOGGLE_COLLECT;
    if (got != TF_CHILD_ANSWERED) exit(1);
  }
  snprintf(name, sizeof name, "row_%u", width);
  end(name);
}

int main(void) {
  tf_clock_calibrate();
  rows(8);
  rows(64);
  market(0);
  market(8);
  market(TF_MARKET_ROW_HANDED_MAX);
  event();
  sinks_run(TICKS);
  printf("%u\n", TICKS);
  return 0;
}
