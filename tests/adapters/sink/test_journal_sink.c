#include "cmocka_tf.h"

#include <signal.h>
#include <sys/resource.h>

#include "adapters/file/made_file.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "file/journal.h"
#include "file/journal_reader.h"
#include "tf/sink.h"

extern const tf_sink_t tf_sink_journal;

static TF_ALIGNED(TF_LINE_BYTES) uint8_t memory[1u << 20]; /* what state_bytes asks for */
#define state_memory (*(tf_journal_t *)(void *)memory)     /* which begins with its journal */
static tf_journal_reader_t reader;
static char                path[128];
static tf_sink_config_t    config = {.type = "journal", .path = path, .epoch = 4};

static void fresh(const char *name) {
  snprintf(path, sizeof path, "%s", made_path(name));
  assert_in_range(tf_sink_journal.state_bytes(&config), sizeof state_memory, sizeof memory);
  memset(memory, 0x5a, sizeof memory);
}

static uint64_t decisions_in_file(void) {
  assert_int_equal(tf_journal_reader_init(&reader, path), 0);
  while (tf_journal_reader_next(&reader) == TF_JOURNAL_READ_BLOCK) {
  }
  uint64_t cnt = reader.decision_cnt;
  tf_journal_reader_fini(&reader);
  return cnt;
}

static void a_journal_without_path_is_refused_and_closes_all_the_same(void **state) {
  (void)state;
  tf_sink_config_t none = {.type = "journal"};
  fresh("none");
  assert_int_equal(tf_sink_journal.open(&state_memory, &none), E_SINK_CONFIG);
  assert_int_equal(tf_sink_journal.close(&state_memory), 0);
  none.path = "/absent/file";
  assert_int_equal(tf_sink_journal.open(&state_memory, &none), E_FILE_OPEN);
  assert_int_equal(tf_sink_journal.close(&state_memory), 0);
}

static void what_is_offered_is_in_the_file_after_close(void **state) {
  (void)state;
  tf_decision_t three[3] = {{.decision_seq = 1}, {.decision_seq = 2}, {.decision_seq = 3}};
  fresh("sink");
  assert_int_equal(tf_sink_journal.open(&state_memory, &config), 0);
  assert_int_equal(state_memory.epoch, 4);
  assert_int_equal(tf_sink_journal.offer(&state_memory, three, 3), 3);
  assert_int_equal(tf_sink_journal.flush(&state_memory, 0), 0);
  assert_int_equal(decisions_in_file(), 3);
  assert_int_equal(tf_sink_journal.offer(&state_memory, three, 1), 1);
  assert_int_equal(tf_sink_journal.close(&state_memory), 0);
  assert_int_equal(tf_journal_durable_seq(&state_memory), 1);
  assert_int_equal(decisions_in_file(), 4);
}

static void a_full_disk_takes_fewer_and_goes_on_when_there_is_room(void **state) {
  (void)state;
  static tf_decision_t many[2 * TF_JOURNAL_BLOCK_RECORDS_MAX];
  uint32_t             n = TF_ARRAY_CNT(many);
  struct rlimit        before, limit;
  getrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, SIG_IGN);
  fresh("full");
  assert_int_equal(tf_sink_journal.open(&state_memory, &config), 0);
  limit = (struct rlimit){5000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &limit);
  int taken = tf_sink_journal.offer(&state_memory, many, n);
  int again = tf_sink_journal.offer(&state_memory, many + taken, n - (uint32_t)taken);
  setrlimit(RLIMIT_FSIZE, &before);
  assert_int_equal(taken, TF_JOURNAL_BLOCK_RECORDS_MAX);
  assert_int_equal(again, 0);
  uint64_t errors = state_memory.counts.write_errors;
  assert_int_equal(tf_sink_journal.flush(&state_memory, 0), E_FILE_WRITE);
  assert_int_equal(state_memory.counts.write_errors, errors); /* not asked so soon */
  state_memory.retry_ns = 0;                                  /* 10 ms later */
  assert_int_equal(tf_sink_journal.flush(&state_memory, 0), 0);
  assert_int_equal(tf_sink_journal.offer(&state_memory, many + taken, n - (uint32_t)taken),
                   n - (uint32_t)taken);
  assert_int_equal(tf_sink_journal.close(&state_memory), 0);
  assert_int_equal(decisions_in_file(), n);
}

static void a_failed_file_is_followed_by_another(void **state) {
  (void)state;
  tf_decision_t d = {.decision_seq = 1};
  fresh("failed");
  assert_int_equal(tf_sink_journal.open(&state_memory, &config), 0);
  int kept        = state_memory.fd;
  state_memory.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  assert_int_equal(tf_sink_journal.offer(&state_memory, &d, 1), 1);
  assert_int_equal(tf_sink_journal.flush(&state_memory, 0), 0);
  assert_int_equal(tf_sink_journal.durable_seq(&state_memory), 0);
  assert_int_equal(tf_sink_journal.close(&state_memory), 0);
  assert_int_equal(tf_sink_journal.durable_seq(&state_memory), 1);
  close(kept);
  assert_int_equal(decisions_in_file(), 0);
  strcat(path, ".1");
  assert_int_equal(decisions_in_file(), 1);
}

static void a_disk_that_has_no_place_any_more_ends_the_sink(void **state) {
  (void)state;
  tf_decision_t d = {.decision_seq = 1};
  char          dir[128], away[140];
  snprintf(dir, sizeof dir, "%s", made_path("dir"));
  snprintf(away, sizeof away, "%s.away", dir);
  assert_int_equal(mkdir(dir, 0700), 0);
  fresh("dir/journal");
  assert_int_equal(tf_sink_journal.open(&state_memory, &config), 0);
  assert_int_equal(rename(dir, away), 0);
  int kept        = state_memory.fd;
  state_memory.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  assert_int_equal(tf_sink_journal.offer(&state_memory, &d, 1), 1);
  assert_int_equal(tf_sink_journal.flush(&state_memory, 0), E_FILE_WRITE);
  assert_int_equal(tf_sink_journal.offer(&state_memory, &d, 1), E_FILE_WRITE);
  assert_int_equal(tf_sink_journal.close(&state_memory), E_FILE_WRITE);
  close(kept);
}

static int setup(void **state) {
  tf_clock_calibrate();
  tf_log_level_set(TF_LOG_ERROR);
  return made_dir_setup(state);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_journal_without_path_is_refused_and_closes_all_the_same),
      cmocka_unit_test(what_is_offered_is_in_the_file_after_close),
      cmocka_unit_test(a_full_disk_takes_fewer_and_goes_on_when_there_is_room),
      cmocka_unit_test(a_failed_file_is_followed_by_another),
      cmocka_unit_test(a_disk_that_has_no_place_any_more_ends_the_sink),
  };
  return cmocka_run_group_tests(tests, setup, made_dir_teardown);
}
