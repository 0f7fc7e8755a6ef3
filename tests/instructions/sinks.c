#include "sinks.h"

#include <stdio.h>
#include <stdlib.h>
#include <valgrind/callgrind.h>

#include "stage/emit.h"

#define INSTRUMENTS 1024u

static tf_instrument_t  rows[INSTRUMENTS];
static tf_instruments_t table = {.rows = rows, .cap = INSTRUMENTS, .cnt = INSTRUMENTS};
static uint32_t         known[INSTRUMENTS];

/* ---- a sink that takes all, so that what is counted is emit and the filter ---- */

static size_t state_bytes(const tf_sink_config_t *config) {
  (void)config;
  return 1;
}
static tf_err_t open_taker(void *state, const tf_sink_config_t *config) {
  (void)state, (void)config;
  return TF_OK;
}
static int offer(void *state, const void *records, uint32_t n) {
  (void)records;
  *(uint64_t *)state += n;
  return (int)n;
}
static tf_err_t flush(void *state, uint64_t now_ns) {
  (void)state, (void)now_ns;
  return TF_OK;
}
static tf_err_t close_taker(void *state) {
  (void)state;
  return TF_OK;
}

static const tf_sink_t taker = {.name        = "taker",
                                .policies    = TF_OVERFLOW_BIT(TF_OVERFLOW_DROP_NEWEST),
                                .policy      = TF_OVERFLOW_DROP_NEWEST,
                                .carries     = 1u << TF_CARRIES_DECISIONS,
                                .state_bytes = state_bytes,
                                .open        = open_taker,
                                .offer       = offer,
                                .flush       = flush,
                                .close       = close_taker};

/* ---- rows ---- */

static const char *const here[]  = {"*.BINANCE-SPOT"};
static const char *const there[] = {"*.KRAKEN"};
static const char *const many[]  = {"A.KRAKEN", "B.KRAKEN", "C.KRAKEN", "D.KRAKEN",
                                    "E.KRAKEN", "F.KRAKEN", "*.OKX",    "*.BINANCE-SPOT"};

static tf_sink_names_t names_of(const char *const *patterns, uint32_t pattern_cnt) {
  for (uint32_t i = 0; i < INSTRUMENTS; i++) known[i] = 0;
  return (tf_sink_names_t){
      .table = &table, .patterns = patterns, .pattern_cnt = pattern_cnt, .known = known};
}

static tf_sink_filter_t filter_of(tf_sink_names_t names, uint32_t strategies, uint32_t actions) {
  return (tf_sink_filter_t){.names      = names,
                            .shape      = tf_record_shape(TF_CARRIES_DECISIONS, 0),
                            .strategies = strategies,
                            .actions    = actions};
}

static tf_decision_t decision_of(uint32_t i) {
  return (tf_decision_t){.decision_seq  = i + 1,
                         .instrument_id = i % INSTRUMENTS,
                         .strategy_id   = 1,
                         .action        = TF_ACTION_BUY};
}

/* Offered one by one to a sink with that filter, which takes all of them or none. */
static void offered(const char *name, const tf_sink_filter_t *filter, uint32_t cnt, bool is_warm) {
  static tf_emit_t       emit;
  const tf_sink_config_t config = {.shape = tf_record_shape(TF_CARRIES_DECISIONS, 0)};
  uint64_t               taken = 0, origin_tsc = 1;
  emit = (tf_emit_t){0};
  if (tf_emit_add(&emit, &taker, &taken, TF_OVERFLOW_DROP_NEWEST, &config) != TF_OK) exit(1);
  emit.sinks[0].filter = filter;
  for (uint32_t i = 0; is_warm && i < INSTRUMENTS; i++) {
    tf_decision_t d = decision_of(i);
    tf_emit_offer(&emit, &d, 1, &origin_tsc);
  }
  CALLGRIND_ZERO_STATS;
  for (uint32_t i = 0; i < cnt; i++) {
    tf_decision_t d = decision_of(i);
    CALLGRIND_TOGGLE_COLLECT;
    tf_emit_offer(&emit, &d, 1, &origin_tsc);
    CALLGRIND_TOGGLE_COLLECT;
  }
  CALLGRIND_DUMP_STATS_AT(name);
  if (taken + emit.sinks[0].filtered != cnt + (is_warm ? INSTRUMENTS : 0) ||
      (taken != 0 && emit.sinks[0].filtered != 0))
    exit(1);
}

/* Asked by a queue that is half full. */
static void ranked(const char *name, const tf_sink_low_t *low, bool is_low, uint32_t cnt) {
  for (uint32_t i = 0; i < INSTRUMENTS; i++) {
    tf_decision_t d = decision_of(i);
    if (tf_sink_low_is(low, &d) != is_low) exit(1);
  }
  CALLGRIND_ZERO_STATS;
  for (uint32_t i = 0; i < cnt; i++) {
    tf_decision_t d = decision_of(i);
    CALLGRIND_TOGGLE_COLLECT;
    tf_sink_low_is(low, &d);
    CALLGRIND_TOGGLE_COLLECT;
  }
  CALLGRIND_DUMP_STATS_AT(name);
}

void sinks_run(uint32_t cnt) {
  const uint32_t all = UINT32_MAX, ours = 1u << 1, others = 1u << 2, buys = 1u << TF_ACTION_BUY;
  for (uint32_t i = 0; i < INSTRUMENTS; i++)
    snprintf(rows[i].name, sizeof rows[i].name, "I%u.BINANCE-SPOT", i);

  tf_sink_filter_t filter;
  offered("sink_plain", NULL, cnt, true);
  filter = filter_of(names_of(here, 1), all, all);
  offered("sink_instruments_taken", &filter, cnt, true);
  filter = filter_of(names_of(there, 1), all, all);
  offered("sink_instruments_refused", &filter, cnt, true);
  filter = filter_of(names_of(many, TF_ARRAY_CNT(many)), all, all);
  offered("sink_instruments_first", &filter, cnt, false);
  filter = filter_of(names_of(NULL, 0), ours, all);
  offered("sink_strategies_taken", &filter, cnt, true);
  filter = filter_of(names_of(NULL, 0), others, all);
  offered("sink_strategies_refused", &filter, cnt, true);
  filter = filter_of(names_of(here, 1), ours, buys);
  offered("sink_all_taken", &filter, cnt, true);
  filter = filter_of(names_of(there, 1), ours, buys);
  offered("sink_all_refused", &filter, cnt, true);

  tf_sink_low_t low = {.names = names_of(here, 1),
                       .shape = tf_record_shape(TF_CARRIES_DECISIONS, 0)};
  ranked("sink_low_instruments", &low, true, cnt);
  low = (tf_sink_low_t){.names = names_of(there, 1), .shape = low.shape, .strategies = others};
  ranked("sink_low_none", &low, false, cnt);
}
