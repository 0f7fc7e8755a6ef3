#include "cmocka_tf.h"

#include <pthread.h>
#include <string.h>

#include "core/error.h"
#include "stage/passage.h"

#define SLOTS 8u

/* A sink of events that takes all, or nothing, and knows what came. */
typedef struct taker {
  uint64_t cnt, next_seq;
  bool     is_full;
} taker_t;

static taker_t taker;

static size_t state_bytes(const tf_sink_config_t *config) {
  (void)config;
  return 1;
}
static tf_err_t open_taker(void *state, const tf_sink_config_t *config) {
  (void)state, (void)config;
  return TF_OK;
}
static int offer(void *state, const void *records, uint32_t n) {
  const tf_event_t *events = records;
  (void)state;
  for (uint32_t i = 0; i < n && !taker.is_full; i++) {
    TF_ASSERT(events[i].ingest_seq >= taker.next_seq);
    taker.next_seq = events[i].ingest_seq + 1;
    taker.cnt++;
  }
  return taker.is_full ? 0 : (int)n;
}
static tf_err_t flush(void *state, uint64_t now_ns) {
  (void)state, (void)now_ns;
  return TF_OK;
}
static tf_err_t close_taker(void *state) {
  (void)state;
  return TF_OK;
}

static const tf_sink_t sink = {.name        = "taker",
                               .policies    = TF_OVERFLOW_BIT(TF_OVERFLOW_BLOCK),
                               .carries     = (1u << TF_CARRIES_CNT) - 1,
                               .state_bytes = state_bytes,
                               .open        = open_taker,
                               .offer       = offer,
                               .flush       = flush,
                               .close       = close_taker};

static tf_emit_t    emit;
static tf_passage_t passage;
static uint32_t     stopping;
static uint64_t     seq;
static TF_ALIGNED(TF_LINE_PAIR_BYTES) uint8_t memory[1 << 16];

static void begin(bool in_place, bool waits) {
  memset(&emit, 0, sizeof emit);
  memset(&passage, 0, sizeof passage);
  taker                   = (taker_t){0};
  stopping                = 0;
  seq                     = 0;
  passage.shape           = tf_record_shape(TF_CARRIES_EVENTS, 0);
  passage.emit            = &emit;
  passage.waits           = waits;
  passage.stopping        = &stopping;
  tf_sink_config_t config = {.shape = passage.shape};
  assert_int_equal(tf_emit_add(&emit, &sink, &taker, TF_OVERFLOW_BLOCK, &config), TF_OK);
  if (in_place) return;
  assert_true(tf_ring_footprint(SLOTS, passage.shape.bytes) <= sizeof memory);
  passage.ring = tf_ring_new(memory, SLOTS, passage.shape.bytes);
  tf_ring_writer_init(&passage.writer, passage.ring);
  tf_ring_reader_init(&passage.reader, passage.ring);
}

static void put(uint32_t n) {
  tf_event_t events[32] = {0};
  for (uint32_t i = 0; i < n; i++) events[i].ingest_seq = ++seq;
  tf_passage_put(&passage, events, n);
}

static void assert_balanced(void) {
  assert_int_equal(passage.made, seq);
  assert_int_equal(passage.made,
                   passage.lost + emit.handed[TF_CARRIES_EVENTS] + tf_passage_fill(&passage));
}

static void on_one_thread_records_are_handed_on_at_once(void **state) {
  (void)state;
  begin(true, false);
  put(5);
  assert_int_equal(taker.cnt, 5);
  assert_int_equal(tf_passage_drain(&passage), 0);
  assert_balanced();
}

static void a_live_ring_drops_exactly_what_does_not_fit(void **state) {
  (void)state;
  begin(false, false);
  put(SLOTS - 1);
  assert_int_equal(passage.lost, 0);
  put(1);
  assert_int_equal(passage.lost, 0);
  put(1);
  assert_int_equal(passage.lost, 1);
  put(3);
  assert_int_equal(passage.lost, 4);
  assert_balanced();
  while (tf_passage_drain(&passage)) assert_balanced();
  assert_int_equal(taker.cnt, SLOTS);
  put(20); /* of a batch the first */
  assert_int_equal(passage.lost, 4 + 20 - SLOTS);
  assert_balanced();
}

static void *drain_all(void *arg) {
  uint64_t *wanted = arg;
  while (taker.cnt < *wanted) (void)tf_passage_drain(&passage);
  return NULL;
}

static void a_replay_waits_and_loses_none(void **state) {
  (void)state;
  begin(false, true);
  uint64_t  wanted = 3000;
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, drain_all, &wanted), 0);
  for (int i = 0; i < 300; i++) put(10);
  pthread_join(thread, NULL);
  assert_int_equal(passage.lost, 0);
  assert_int_equal(taker.cnt, 3000);
  assert_balanced();
}

static void a_stop_ends_the_wait_and_counts_the_rest(void **state) {
  (void)state;
  begin(false, true);
  stopping = 1;
  put(SLOTS + 3);
  assert_int_equal(passage.lost, 3);
  assert_balanced();
}

static void a_sink_of_another_kind_is_given_none_of_it(void **state) {
  (void)state;
  begin(true, false);
  tf_decision_t d      = {.decision_seq = 1};
  uint64_t      origin = 0;
  tf_emit_offer(&emit, &d, 1, &origin);
  assert_int_equal(taker.cnt, 0);
  assert_int_equal(emit.sinks[0].dropped_full + emit.sinks[0].taken, 0);
  assert_int_equal(emit.handed[TF_CARRIES_DECISIONS], 1);
}

static void what_a_filter_leaves_out_is_counted_once_and_never_dropped(void **state) {
  (void)state;
  begin(true, false);
  tf_instrument_t  rows[2]  = {{.name = "A.X"}, {.name = "B.X"}};
  tf_instruments_t table    = {.rows = rows, .cap = 2, .cnt = 2};
  uint32_t         known[2] = {0};
  const char      *wanted[] = {"B.X"};
  tf_sink_filter_t filter   = {
        .names = {.table = &table, .patterns = wanted, .pattern_cnt = 1, .known = known},
        .shape = passage.shape
  };
  tf_event_t events[6] = {0};
  for (uint32_t i = 0; i < 6; i++)
    events[i] = (tf_event_t){.ingest_seq = i + 1, .instrument_id = i % 3 == 0};
  emit.sinks[0].filter = &filter;
  tf_passage_put(&passage, events, 6); /* 1 0 0 1 0 0 */
  assert_int_equal(taker.cnt, 2);
  assert_int_equal(emit.sinks[0].filtered, 4);
  taker.is_full = true;
  tf_passage_put(&passage, events, 6);
  assert_int_equal(taker.cnt, 2);
  assert_int_equal(emit.sinks[0].filtered, 8);
  assert_int_equal(emit.sinks[0].dropped_full, 2);
  assert_int_equal(emit.handed[TF_CARRIES_EVENTS], 12);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(on_one_thread_records_are_handed_on_at_once),
      cmocka_unit_test(a_live_ring_drops_exactly_what_does_not_fit),
      cmocka_unit_test(a_replay_waits_and_loses_none),
      cmocka_unit_test(a_stop_ends_the_wait_and_counts_the_rest),
      cmocka_unit_test(a_sink_of_another_kind_is_given_none_of_it),
      cmocka_unit_test(what_a_filter_leaves_out_is_counted_once_and_never_dropped),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
