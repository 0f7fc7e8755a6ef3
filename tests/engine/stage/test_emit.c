#include "cmocka_tf.h"

#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "stage/emit.h"

/* A sink that takes `room` decisions and then none, until more room is made. */
typedef struct fake {
  int      room;
  uint64_t last_seq, taken;
  bool     fails, flush_fails, closed;
} fake_t;

static fake_t fake;

static size_t state_bytes(const tf_sink_config_t *config) {
  (void)config;
  return 1;
}
static tf_err_t open_fake(void *state, const tf_sink_config_t *config) {
  (void)state;
  return config->path ? TF_OK : TF_ERR(E_SINK_CONFIG, "no path");
}
static int offer(void *state, const void *records, uint32_t n) {
  const tf_decision_t *decisions = records;
  (void)state;
  if (fake.fails) return TF_ERR(E_SINK_IO, "gone");
  int taken = 0;
  for (; taken < (int)n && fake.room > 0; taken++, fake.room--) {
    TF_ASSERT(decisions[taken].decision_seq > fake.last_seq); /* in order, none twice */
    fake.last_seq = decisions[taken].decision_seq;
    fake.taken++;
  }
  return taken;
}
static tf_err_t flush(void *state, uint64_t now_ns) {
  (void)state, (void)now_ns;
  return fake.flush_fails ? TF_ERR(E_FILE_WRITE, "full") : TF_OK;
}
static tf_err_t close_fake(void *state) {
  (void)state;
  fake.closed = true;
  return TF_OK;
}

static const tf_sink_t sink = {.name     = "fake",
                               .policies = TF_OVERFLOW_BIT(TF_OVERFLOW_BLOCK) |
                                           TF_OVERFLOW_BIT(TF_OVERFLOW_DROP_NEWEST),
                               .policy      = TF_OVERFLOW_BLOCK,
                               .carries     = 1u << TF_CARRIES_DECISIONS,
                               .state_bytes = state_bytes,
                               .open        = open_fake,
                               .offer       = offer,
                               .flush       = flush,
                               .close       = close_fake};

static void start(tf_emit_t *emit, tf_overflow_t policy, uint64_t block_ns_max) {
  memset(emit, 0, sizeof *emit);
  memset(&fake, 0, sizeof fake);
  tf_sink_config_t config = {.path = "x", .block_ns_max = block_ns_max};
  assert_int_equal(tf_emit_add(emit, &sink, &fake, policy, &config), TF_OK);
}

static uint64_t next_seq;

static void emit_one(tf_emit_t *emit) {
  tf_decision_t d      = {.decision_seq = ++next_seq};
  uint64_t      origin = 0;
  tf_emit_offer(emit, &d, 1, &origin);
}

static void assert_balanced(const tf_emit_t *emit) {
  const tf_emit_sink_t *s = &emit->sinks[0];
  assert_int_equal(emit->handed[TF_CARRIES_DECISIONS],
                   s->taken + s->dropped_full + s->dropped_broken);
  assert_int_equal(s->taken, fake.taken);
}

static void sink_that_does_not_open_is_refused_with_its_reason(void **state) {
  (void)state;
  tf_emit_t        emit   = {0};
  tf_sink_config_t config = {0};
  assert_int_equal(tf_emit_add(&emit, &sink, &fake, TF_OVERFLOW_BLOCK, &config), E_SINK_CONFIG);
  assert_non_null(strstr(tf_error_text(), "opening the fake sink"));
  assert_int_equal(emit.sink_cnt, 0);
}

static void full_sink_drops_the_newest_and_counts_them(void **state) {
  (void)state;
  tf_emit_t emit;
  start(&emit, TF_OVERFLOW_DROP_NEWEST, UINT64_MAX);
  fake.room = 2;
  for (int i = 0; i < 5; i++) emit_one(&emit);
  fake.room = 1;
  emit_one(&emit);
  assert_int_equal(emit.sinks[0].taken, 3);
  assert_int_equal(emit.sinks[0].dropped_full, 3);
  assert_balanced(&emit);
}

static void live_lane_never_waits_for_a_blocking_sink(void **state) {
  (void)state;
  tf_emit_t emit;
  start(&emit, TF_OVERFLOW_BLOCK, 0);
  emit_one(&emit);
  assert_int_equal(emit.sinks[0].dropped_full, 1);
  assert_balanced(&emit);
}

static void stop_ends_the_wait_for_a_blocking_sink(void **state) {
  (void)state;
  tf_emit_t emit;
  start(&emit, TF_OVERFLOW_BLOCK, UINT64_MAX);
  const uint32_t stopping = 1;
  emit.stopping           = &stopping;
  emit_one(&emit);
  assert_int_equal(emit.sinks[0].dropped_full, 1);
}

static void broken_sink_is_given_up_once_and_the_others_go_on(void **state) {
  (void)state;
  tf_emit_t emit;
  start(&emit, TF_OVERFLOW_BLOCK, UINT64_MAX);
  fake.fails = true;
  for (int i = 0; i < 3; i++) emit_one(&emit);
  assert_int_equal(emit.sinks[0].broken, E_SINK_IO);
  assert_int_equal(emit.sinks[0].dropped_broken, 3);
  assert_string_equal(emit.sinks[0].broken_text, "gone");
  assert_balanced(&emit);
  assert_int_equal(tf_emit_close(&emit, 0), E_SINK_IO);
  assert_true(fake.closed);
}

static void flush_that_fails_is_no_end(void **state) {
  (void)state;
  tf_emit_t emit;
  start(&emit, TF_OVERFLOW_BLOCK, 0);
  fake.flush_fails = true;
  tf_emit_idle(&emit, 1);
  tf_emit_idle(&emit, 2);
  fake.flush_fails = false;
  fake.room        = 1;
  emit_one(&emit);
  assert_int_equal(emit.sinks[0].taken, 1);
  assert_int_equal(emit.sinks[0].flush_failures, 2);
}

/* Takes nothing while stuck, and says what the one behind it had when it was asked again. */
static struct {
  bool     is_stuck, is_closing;
  uint64_t asked, asked_again_before_the_other;
} slow;

static int offer_slow(void *state, const void *records, uint32_t n) {
  const tf_decision_t *d = records;
  (void)state;
  static uint64_t last_seq;
  bool            again = d->decision_seq == last_seq;
  last_seq              = d->decision_seq;
  slow.asked++;
  slow.asked_again_before_the_other += again && fake.last_seq < d->decision_seq;
  return slow.is_stuck ? 0 : (int)n;
}
static void closing_slow(void *state) {
  (void)state;
  slow.is_closing = true;
}
static tf_err_t close_slow(void *state) {
  (void)state;
  return fake.closed ? TF_ERR(E_SINK_IO, "closed before the others were told") : TF_OK;
}
static const tf_sink_t slow_sink = {.name        = "slow",
                                    .policies    = TF_OVERFLOW_BIT(TF_OVERFLOW_BLOCK),
                                    .policy      = TF_OVERFLOW_BLOCK,
                                    .carries     = 1u << TF_CARRIES_DECISIONS,
                                    .state_bytes = state_bytes,
                                    .open        = open_fake,
                                    .offer       = offer_slow,
                                    .flush       = flush,
                                    .closing     = closing_slow,
                                    .close       = close_slow};

/* The slow one stands first. */
static void start_both(tf_emit_t *emit, uint64_t block_ns_max) {
  memset(emit, 0, sizeof *emit);
  memset(&fake, 0, sizeof fake);
  memset(&slow, 0, sizeof slow);
  slow.is_stuck           = true;
  fake.room               = 1000;
  tf_sink_config_t config = {.path = "x", .block_ns_max = block_ns_max};
  assert_int_equal(tf_emit_add(emit, &slow_sink, &slow, TF_OVERFLOW_BLOCK, &config), TF_OK);
  assert_int_equal(tf_emit_add(emit, &sink, &fake, TF_OVERFLOW_DROP_NEWEST, &config), TF_OK);
}

static void others_have_theirs_before_anybody_is_waited_for(void **state) {
  (void)state;
  tf_emit_t emit;
  start_both(&emit, TF_NS_PER_MS);
  emit_one(&emit);
  assert_true(slow.asked > 1);
  assert_int_equal(slow.asked_again_before_the_other, 0);
  assert_int_equal(fake.taken, 1);
}

static void sink_that_used_up_its_time_is_not_waited_for_until_it_takes(void **state) {
  (void)state;
  tf_emit_t emit;
  start_both(&emit, TF_NS_PER_MS);
  emit_one(&emit);
  for (int i = 0; i < 100; i++) {
    slow.asked = 0;
    emit_one(&emit);
    assert_int_equal(slow.asked, 1);
  }
  assert_int_equal(fake.taken, 101);
  assert_int_equal(emit.sinks[0].dropped_full, 101);
  slow.is_stuck = false;
  emit_one(&emit);
  slow.is_stuck = true;
  slow.asked    = 0;
  emit_one(&emit);
  assert_true(slow.asked > 1); /* its time began anew */
  assert_int_equal(emit.sinks[0].taken, 1);
}

static void nobody_is_waited_for_while_the_ring_behind_is_half_full(void **state) {
  (void)state;
  static TF_ALIGNED(TF_LINE_PAIR_BYTES) uint8_t memory[4096];
  tf_ring_t                                    *ring = tf_ring_new(memory, 8, 8);
  tf_ring_writer_t                              writer;
  uint64_t                                      records[8] = {0};
  tf_emit_t                                     emit;
  tf_ring_writer_init(&writer, ring);
  for (uint32_t fill = 0; fill <= 8; fill++) {
    start_both(&emit, TF_NS_PER_MS);
    emit.behind[TF_CARRIES_DECISIONS] = ring;
    emit_one(&emit);
    assert_int_equal(slow.asked > 1, fill < 4);
    assert_int_equal(fake.taken, 1);
    tf_ring_push(&writer, records, 1);
  }
}

static void all_are_told_of_the_end_before_one_is_closed(void **state) {
  (void)state;
  tf_emit_t        emit;
  tf_sink_config_t config = {.path = "x"};
  memset(&emit, 0, sizeof emit);
  memset(&fake, 0, sizeof fake);
  memset(&slow, 0, sizeof slow);
  tf_emit_add(&emit, &slow_sink, &slow, TF_OVERFLOW_BLOCK, &config);
  tf_emit_add(&emit, &sink, &fake, TF_OVERFLOW_BLOCK, &config);
  assert_int_equal(tf_emit_close(&emit, 0), TF_OK);
  assert_true(slow.is_closing && fake.closed);
}

static void closing_twice_closes_once(void **state) {
  (void)state;
  tf_emit_t emit;
  start(&emit, TF_OVERFLOW_BLOCK, 0);
  assert_int_equal(tf_emit_close(&emit, 0), TF_OK);
  fake.closed = false;
  assert_int_equal(tf_emit_close(&emit, 0), TF_OK);
  assert_false(fake.closed);
}

int main(void) {
  tf_clock_calibrate();
  tf_log_level_set(TF_LOG_FATAL);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sink_that_does_not_open_is_refused_with_its_reason),
      cmocka_unit_test(full_sink_drops_the_newest_and_counts_them),
      cmocka_unit_test(live_lane_never_waits_for_a_blocking_sink),
      cmocka_unit_test(stop_ends_the_wait_for_a_blocking_sink),
      cmocka_unit_test(broken_sink_is_given_up_once_and_the_others_go_on),
      cmocka_unit_test(flush_that_fails_is_no_end),
      cmocka_unit_test(others_have_theirs_before_anybody_is_waited_for),
      cmocka_unit_test(sink_that_used_up_its_time_is_not_waited_for_until_it_takes),
      cmocka_unit_test(nobody_is_waited_for_while_the_ring_behind_is_half_full),
      cmocka_unit_test(all_are_told_of_the_end_before_one_is_closed),
      cmocka_unit_test(closing_twice_closes_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
