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
  emit->block_ns_max      = block_ns_max;
  tf_sink_config_t config = {.path = "x"};
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
  assert_int_equal(emit->decisions, s->acked + s->dropped_full + s->dropped_broken);
  assert_int_equal(s->acked, fake.taken);
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
  assert_int_equal(emit.sinks[0].acked, 3);
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
  assert_int_equal(emit.sinks[0].acked, 1);
  assert_int_equal(emit.sinks[0].flush_failures, 2);
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
      cmocka_unit_test(closing_twice_closes_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
