/* Processes that die, at any call of the disk, in recovery too: an exact prefix is left, with all that was durable. */

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "adapters/file/journal_rig.h"

/* The journal's calls of the disk come here first: the process dies at the call that crash_in counts down
 * to, a write having been done by half. */
static int crash_in = -1; /* calls until then; -1: never */

static bool crash_due(void) { return crash_in >= 0 && crash_in-- == 0; }

ssize_t pwrite(int fd, const void *bytes, size_t cnt, off_t offset) {
  if (crash_due()) {
    syscall(SYS_pwrite64, fd, bytes, cnt / 2, offset);
    _exit(9);
  }
  return syscall(SYS_pwrite64, fd, bytes, cnt, offset);
}

int ftruncate(int fd, off_t bytes) {
  if (crash_due()) _exit(9);
  return (int)syscall(SYS_ftruncate, fd, bytes);
}

int fdatasync(int fd) {
  if (crash_due()) _exit(9);
  return (int)syscall(SYS_fdatasync, fd);
}

static void killed_at_any_write_the_journal_is_an_exact_prefix(void **state) {
  (void)state;
  tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_NONE);
  fresh("killed");
  uint64_t    have   = 0;
  const char *asked  = getenv("TF_CRASHES"); /* nightly: 100,000 */
  int         rounds = asked ? atoi(asked) : 12;
  for (int round = 0; round < rounds; round++) {
    if (round % 100 == 99) { /* what recovery has to read stays small */
      fresh("killed");
      have = 0;
    }
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) { /* writes until it is killed; says what is flushed */
      if (tf_journal_init(&journal, &config) != 0) _exit(1);
      for (uint64_t seq = journal.recovered.last_seq + 1;; seq++) {
        tf_decision_t d = decision(seq);
        if (tf_journal_append(&journal, &d, 1, 5) != 1) _exit(2);
        if (seq % 3 == 0 && (tf_journal_flush(&journal, 5) || write(ends[1], &seq, 8) != 8))
          _exit(3);
      }
    }
    close(ends[1]);
    uint64_t told = 0, seq;
    for (int i = 0; i < 20 + round % 12 * 7 && read(ends[0], &seq, 8) == 8; i++) told = seq;
    kill(child, SIGKILL);
    while (read(ends[0], &seq, 8) == 8) told = seq;
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(ends[0]);
    assert_int_equal(tf_journal_init(&journal, &config), 0);
    assert_true(journal.recovered.last_seq >= told && told > have);
    have = journal.recovered.last_seq;
    assert_int_equal(tf_journal_fini(&journal), 0);
    assert_int_equal(read_clean(), have);
  }
}

/* In a child: opens the journal and dies at its n-th call of the disk. True if it came through alive. */
static bool opens_with_crash_in(int n) {
  pid_t child = fork();
  if (child == 0) {
    tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_BLOCK);
    crash_in                   = n;
    _exit(tf_journal_init(&journal, &config) != 0);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9));
  return WEXITSTATUS(status) == 0;
}

/* F61: a crash at each step of the recovery, in the recovery of that, and in the recovery of that. */
static void crashes_inside_recovery_three_deep_leave_the_same_prefix(void **state) {
  (void)state;
  uint64_t            ends[BLOCKS], seqs[BLOCKS];
  bytes_t             all     = small_journal(ends, seqs, BLOCKS);
  size_t              torn    = ends[BLOCKS - 1] - 100;
  uint64_t            want    = seqs[BLOCKS - 2];
  tf_journal_config_t config  = config_of(TF_JOURNAL_DURABLE_BLOCK);
  int                 crashed = 0, depth_max = 0;
  for (int a = 0, more_a = 1; more_a; a++)
    for (int b = 0, more_b = 1; more_b; b++)
      for (int c = 0, more_c = 1; more_c; c++) {
        made_file("small", all.p, torn);
        more_a = !opens_with_crash_in(a);
        more_b = more_a && !opens_with_crash_in(b);
        more_c = more_b && !opens_with_crash_in(c);
        crashed++;
        if (more_c) depth_max = 3;
        assert_int_equal(tf_journal_init(&journal, &config), 0);
        assert_int_equal(journal.recovered.last_seq, want);
        assert_int_equal(journal.recovered.decision_cnt, want);
        append(want + 1, 2, 9);
        assert_int_equal(tf_journal_fini(&journal), 0);
        assert_int_equal(read_clean(), want + 2);
      }
  assert_true(crashed > 30);
  assert_int_equal(depth_max, 3);
  free(all.p);
}

/* The same script, dying at its n-th call of the disk, for every n: what is told to be durable is there. */
static void crashes_at_every_call_of_the_disk_keep_what_was_durable(void **state) {
  (void)state;
  uint64_t *durable = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (int n = 0, alive = 0; !alive; n++) {
    fresh("script");
    *durable    = 0;
    pid_t child = fork();
    if (child == 0) {
      tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_BLOCK);
      crash_in                   = n;
      if (tf_journal_init(&journal, &config)) _exit(1);
      for (uint64_t seq = 1; seq <= 30; seq++) {
        tf_decision_t d = decision(seq);
        tf_journal_append(&journal, &d, 1, 5);
        if (seq % 3 == 0) tf_journal_flush(&journal, 5);
        *durable = tf_journal_durable_seq(&journal);
      }
      _exit(tf_journal_fini(&journal) != 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    alive                      = WEXITSTATUS(status) == 0;
    tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_NONE);
    assert_int_equal(tf_journal_init(&journal, &config), 0);
    assert_true(journal.recovered.last_seq >= *durable);
    assert_int_equal(journal.recovered.last_seq % 3, 0);
    assert_int_equal(tf_journal_fini(&journal), 0);
    assert_int_equal(read_clean(), journal.recovered.last_seq);
    assert_true(n < 200);
    if (alive) assert_int_equal(*durable, 30);
  }
  munmap(durable, 4096);
}

int main(void) {
  tf_log_level_set(TF_LOG_ERROR);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(killed_at_any_write_the_journal_is_an_exact_prefix),
      cmocka_unit_test(crashes_inside_recovery_three_deep_leave_the_same_prefix),
      cmocka_unit_test(crashes_at_every_call_of_the_disk_keep_what_was_durable),
  };
  return cmocka_run_group_tests(tests, made_dir_setup, made_dir_teardown);
}
