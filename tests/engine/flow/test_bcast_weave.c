/* The broadcast ring's own code with the writer stopped between any two of its steps while a reader
 * reads, and the other way round: never torn, and overruns exact. */
#define TF_WEAVE_ENABLED
#include "cmocka_tf.h"

#include <string.h>

#include "flow/weave.h"
#include "tf/bcast.h"
#include "weave_explorer.h"

#define WORDS 2
#define SLOTS 2

#ifdef __SANITIZE_THREAD__
#define READS 1 /* a coroutine switch costs ten times as much there */
#else
#define READS 2
#endif

static TF_ALIGNED(128) uint8_t memory[4096];
static tf_bcast_writer_t writer;
static tf_bcast_reader_t reader;
static uint64_t          first_seq;
static uint64_t          lag_before; /* records that lie ready when the weaving starts */

static void write_next(void) {
  uint64_t record[WORDS] = {writer.next_seq * 3, writer.next_seq * 5};
  tf_bcast_write(&writer, record, WORDS);
}

/* What a read may answer, whatever the other side is doing. */
static tf_bcast_result_t read_checked(void) {
  uint64_t          record[WORDS];
  uint64_t          want   = reader.next_seq;
  tf_bcast_result_t result = tf_bcast_read(&reader, record, WORDS);
  if (result == TF_BCAST_READ) {
    WEAVE_CHECK(reader.next_seq == want + 1);
    WEAVE_CHECK(record[0] == want * 3 && record[1] == want * 5);
  } else if (result == TF_BCAST_OVERRUN) {
    WEAVE_CHECK(reader.lost_from == want && reader.next_seq == reader.lost_to + 1);
    /* Only what the writer has begun to overwrite is lost: at two slots nothing is given up. */
    WEAVE_CHECK((int64_t)(writer.next_seq - SLOTS - reader.lost_to) >= 0);
  } else {
    WEAVE_CHECK(reader.next_seq == want);
  }
  return result;
}

static void reset(void) {
  tf_bcast_new(memory, SLOTS, WORDS, first_seq);
  tf_bcast_writer_join(&writer, memory, sizeof memory, WORDS);
  tf_bcast_reader_join(&reader, memory, sizeof memory, WORDS);
  for (uint64_t i = 0; i < lag_before; i++) write_next();
}

static void write_side(void) {
  for (int i = 0; i < 2; i++) write_next();
}

static void read_side(void) {
  for (int i = 0; i < READS; i++) read_checked();
}

static void settle(void) {
  while (read_checked() != TF_BCAST_EMPTY) {
  }
  WEAVE_CHECK(reader.next_seq == writer.next_seq);
  WEAVE_CHECK(reader.read_cnt + reader.lost_cnt == writer.next_seq - first_seq);
  WEAVE_CHECK(tf_bcast_lag_cnt(&reader) == 0);
}

static void every_schedule_of_two_writes_and_two_reads_is_untorn(void **state) {
  (void)state;
  const weave_program_t program = {
      .reset   = reset,
      .side    = {write_side,          read_side           },
      .settle  = settle,
      .skipped = {"bcast:before_busy", "bcast:before_stamp"},
  };
  for (lag_before = 0; lag_before <= SLOTS + 1; lag_before++) {
    first_seq             = UINT64_MAX - 1; /* the wrap is among them */
    uint64_t schedule_cnt = weave_explore(&program);
    print_message("reader %d behind: %llu schedules\n", (int)lag_before,
                  (unsigned long long)schedule_cnt);
    assert_null(weave_failure);
    assert_true(schedule_cnt > 10);
  }
}

/* A hook that counts its calls and acts at one of them. */
static int hook_calls, hook_at, hook_times;
static void (*hook_act)(void);

static void act_at(const char *point) {
  (void)point;
  if (hook_calls++ != hook_at) return;
  void (*hook)(const char *) = tf_weave_hook;
  tf_weave_hook              = NULL;
  for (int i = 0; i < hook_times; i++) hook_act();
  tf_weave_hook = hook;
}

static void act_of_reader(void) { read_checked(); }
static void act_of_writer(void) { write_next(); }

/* Runs body with acts at its hook_at-th point; false when body has fewer points than that. */
static bool woven(void (*body)(void), void (*act)(void), int at, int times) {
  hook_calls    = 0;
  hook_at       = at;
  hook_times    = times;
  hook_act      = act;
  tf_weave_hook = act_at;
  body();
  tf_weave_hook = NULL;
  return hook_calls > at;
}

static void a_reader_sees_nothing_half_written_at_any_step_of_the_writer(void **state) {
  (void)state;
  int point     = 0;
  weave_failure = NULL;
  for (first_seq = 0, lag_before = 0;; point++) {
    reset();
    /* Two reads at the point: the record is all there or not there. */
    bool reached = woven(act_of_writer, act_of_reader, point, 2);
    settle();
    assert_null(weave_failure);
    if (!reached) break;
  }
  assert_int_equal(point, 4 + WORDS); /* before_busy, busy, words, stamped, headed */
}

static void a_writer_that_runs_away_at_any_step_of_the_reader_is_told_exactly(void **state) {
  (void)state;
  weave_failure = NULL;
  for (int laps_of_writer = 1; laps_of_writer <= 3 * SLOTS; laps_of_writer++) {
    int point = 0;
    for (;; point++) {
      first_seq  = UINT64_MAX - 2;
      lag_before = 1;
      reset();
      bool     reached  = woven(act_of_reader, act_of_writer, point, laps_of_writer);
      uint64_t read_cnt = reader.read_cnt, lost_cnt = reader.lost_cnt;
      /* In the middle of the copy (all points but the last, behind the check) an overwritten record
       * must be reported lost, an untouched one delivered. */
      bool overwritten = laps_of_writer >= SLOTS;
      if (reached && point <= 1 + WORDS) {
        WEAVE_CHECK(overwritten ? read_cnt == 0 && lost_cnt > 0 : read_cnt == 1 && lost_cnt == 0);
      }
      settle();
      assert_null(weave_failure);
      if (!reached) break;
    }
    assert_int_equal(point, 3 + WORDS); /* before_stamp, stamp_loaded, words, stamp_checked */
  }
}

static uint8_t memory_at_death[sizeof memory];
static void    save_memory(void) { memcpy(memory_at_death, memory, sizeof memory); }

static void a_writer_killed_at_any_step_leaves_nothing_torn_and_is_followed(void **state) {
  (void)state;
  weave_failure = NULL;
  /* Killed: what it had stored until the point stays, its handle is gone. The memory is saved at the
   * point and put back after the write. */
  for (int point = 0; point < 4 + WORDS; point++) {
    first_seq  = UINT64_MAX;
    lag_before = 1;
    reset();
    assert_true(woven(act_of_writer, save_memory, point, 1));
    memcpy(memory, memory_at_death, sizeof memory);

    while (read_checked() != TF_BCAST_EMPTY) {
    }
    bool     whole    = point >= 2 + WORDS; /* the stamp was stored */
    uint64_t next_seq = first_seq + 1 + whole;
    assert_int_equal(reader.next_seq, next_seq);
    assert_null(tf_bcast_writer_join(&writer, memory, sizeof memory, WORDS));
    assert_int_equal(writer.next_seq, next_seq);
    write_next();
    assert_int_equal(read_checked(), TF_BCAST_READ);
    assert_null(weave_failure);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_schedule_of_two_writes_and_two_reads_is_untorn),
      cmocka_unit_test(a_reader_sees_nothing_half_written_at_any_step_of_the_writer),
      cmocka_unit_test(a_writer_that_runs_away_at_any_step_of_the_reader_is_told_exactly),
      cmocka_unit_test(a_writer_killed_at_any_step_leaves_nothing_torn_and_is_followed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
