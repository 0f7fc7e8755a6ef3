/* A snapshot's file and the one before it, while a third is written to a disk that is full, that fails, or by an engine that is killed: at
 * any byte, and at each call that a write makes. The linker puts the calls through here (--wrap). */
#include "cmocka_tf.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot/snapshot.h"
#include "core/error.h"
#include "file/sealed.h"
#include "snapshot_file.h"

#define BYTES 3000u /* of a snapshot */
#define HEAD  32u   /* of a sealed file */

/* ---- the calls ---- */

typedef enum harm { HARM_NONE, HARM_KILL, HARM_FAIL } harm_t;

static struct {
  harm_t   harm;
  uint32_t at, call_cnt; /* it befalls call number `at` */
} calls;

/* True: the call is to fail. Killed: before it, but for the half of a write. */
static bool is_harmed(void) {
  if (calls.call_cnt++ != calls.at || calls.harm == HARM_NONE) return false;
  if (calls.harm == HARM_KILL) raise(SIGKILL);
  errno = calls.call_cnt % 2 ? ENOSPC : EIO;
  return true;
}

FILE  *__real_fopen(const char *path, const char *mode);
size_t __real_fwrite(const void *bytes, size_t size, size_t cnt, FILE *file);
int    __real_fflush(FILE *file);
int    __real_fsync(int fd);
int    __real_fclose(FILE *file);
int    __real_rename(const char *from, const char *to);
int    __real_link(const char *from, const char *to);

FILE  *__wrap_fopen(const char *path, const char *mode);
size_t __wrap_fwrite(const void *bytes, size_t size, size_t cnt, FILE *file);
int    __wrap_fflush(FILE *file);
int    __wrap_fsync(int fd);
int    __wrap_fclose(FILE *file);
int    __wrap_rename(const char *from, const char *to);
int    __wrap_link(const char *from, const char *to);

FILE *__wrap_fopen(const char *path, const char *mode) {
  return is_harmed() ? NULL : __real_fopen(path, mode);
}

size_t __wrap_fwrite(const void *bytes, size_t size, size_t cnt, FILE *file) {
  if (calls.harm != HARM_NONE && calls.call_cnt == calls.at) {
    (void)__real_fwrite(bytes, size / 2, cnt, file);
    (void)__real_fflush(file);
  }
  return is_harmed() ? 0 : __real_fwrite(bytes, size, cnt, file);
}

int __wrap_fflush(FILE *file) { return is_harmed() ? EOF : __real_fflush(file); }
int __wrap_fsync(int fd) { return is_harmed() ? -1 : __real_fsync(fd); }
int __wrap_fclose(FILE *file) {
  const bool harmed = is_harmed();
  const int  closed = __real_fclose(file);
  return harmed ? EOF : closed;
}
int __wrap_rename(const char *from, const char *to) {
  return is_harmed() ? -1 : __real_rename(from, to);
}
int __wrap_link(const char *from, const char *to) {
  return is_harmed() ? -1 : __real_link(from, to);
}

/* ---- a place with two snapshots ---- */

static char    folder[] = "/tmp/tf_snapshot_file_XXXXXX";
static char    name[64];
static uint8_t versions[4][BYTES]; /* 1, 2: kept before; 3: the one that is written */

static const char *const ENDS[] = {"", ".1", ".next", ".next.new", ".1.new"};

static tf_err_t put(uint32_t version) {
  const tf_snapshot_store_t store = tickfuse_snapshot_files();
  const tf_snapshot_mark_t  mark  = {.decision_seq = version};
  return store.put(store.self, name, &mark, versions[version], BYTES);
}

/* Which version stands there, whole; 0: none. */
static uint32_t stored(uint32_t back_cnt) {
  const tf_snapshot_store_t store = tickfuse_snapshot_files();
  void                     *bytes;
  size_t                    bytes_cnt;
  tf_err_t                  err = store.get(store.self, name, back_cnt, &bytes, &bytes_cnt);
  if (err == E_BOOT_SNAPSHOT_NONE) return 0;
  assert_int_equal(err, TF_OK);
  assert_int_equal(bytes_cnt, BYTES);
  for (uint32_t v = 1; v < TF_ARRAY_CNT(versions); v++)
    if (!memcmp(bytes, versions[v], BYTES)) {
      free(bytes);
      return v;
    }
  fail_msg("a snapshot of bytes that nobody wrote");
  return 0;
}

static void remove_all(void) {
  char path[80];
  for (size_t i = 0; i < TF_ARRAY_CNT(ENDS); i++) {
    snprintf(path, sizeof path, "%s%s", name, ENDS[i]);
    (void)unlink(path);
  }
}

static void fresh(void) {
  calls.harm = HARM_NONE;
  remove_all();
  assert_int_equal(put(1), TF_OK);
  assert_int_equal(put(2), TF_OK);
  assert_int_equal(stored(0), 2);
  assert_int_equal(stored(1), 1);
  assert_int_equal(stored(2), 0);
  calls.call_cnt = 0;
}

static void expect_next_is_kept(void) {
  calls.harm = HARM_NONE;
  assert_int_equal(put(3), TF_OK);
  assert_int_equal(stored(0), 3);
}

/* ---- tests ---- */

static void a_disk_that_is_full_at_any_byte_leaves_both(void **state) {
  (void)state;
  struct rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, SIG_IGN);
  fresh();
  for (uint64_t full = 0; full < HEAD + BYTES; full++) {
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){full, before.rlim_max});
    const tf_err_t err = put(3);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(err, E_FILE_WRITE);
    assert_int_equal(stored(0), 2);
    assert_int_equal(stored(1), 1);
  }
  expect_next_is_kept();
  assert_int_equal(stored(1), 2);
}

#define CALLS 11u /* fopen, two fwrites, fflush, fsync, fclose, four names, fsync of the folder */

/* Before both names are touched nothing has changed, and then each has a whole one. With the last call both have their new ones, which
 * a loss of power may undo: so that is told too. */
static void a_call_that_fails_leaves_the_newest_and_a_whole_one_before(void **state) {
  (void)state;
  uint32_t failed = 0, kept_both = 0;
  for (uint32_t at = 0;; at++) {
    fresh();
    calls.at           = at;
    calls.harm         = HARM_FAIL;
    const tf_err_t err = put(3);
    calls.harm         = HARM_NONE;
    if (calls.call_cnt <= at) {
      assert_int_equal(err, TF_OK);
      break;
    }
    assert_int_equal(err, E_FILE_WRITE);
    failed++;
    assert_int_equal(stored(0), failed == CALLS ? 3 : 2);
    if (failed == CALLS) assert_non_null(strstr(tf_error_text(), "directory of"));
    const uint32_t one_before = stored(1);
    assert_true(one_before == 1 || one_before == 2);
    kept_both += one_before == 1;
    expect_next_is_kept();
    assert_int_equal(stored(1), failed == CALLS ? 3 : 2);
  }
  assert_int_equal(failed, CALLS);
  assert_int_equal(kept_both, failed - 2); /* all but the two last */
}

static void an_engine_that_is_killed_at_any_call_leaves_whole_ones(void **state) {
  (void)state;
  uint32_t killed = 0;
  for (uint32_t at = 0; killed == at; at++) {
    fresh();
    pid_t child = fork();
    if (child == 0) {
      calls.at   = at;
      calls.harm = HARM_KILL;
      _exit(put(3) == TF_OK && calls.call_cnt <= at ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) {
      assert_int_equal(WTERMSIG(status), SIGKILL);
      killed++;
      assert_int_equal(stored(0), killed == CALLS ? 3 : 2);
    } else {
      assert_int_equal(WEXITSTATUS(status), 0);
      assert_int_equal(stored(0), 3);
    }
    const uint32_t one_before = stored(1);
    assert_true(one_before == 1 || one_before == 2);
    expect_next_is_kept();
    assert_true(stored(1) == 2 || stored(1) == 3); /* of one that was kept already */
  }
  assert_int_equal(killed, CALLS);
}

static void a_file_of_another_version_is_refused_by_its_number(void **state) {
  (void)state;
  const tf_snapshot_store_t store = tickfuse_snapshot_files();
  const tf_sealed_kind_t    older = {"TFSNAPSH", TF_SNAPSHOT_VERSION - 1};
  void                     *bytes;
  size_t                    bytes_cnt;
  char                      text[64];
  fresh();
  assert_int_equal(tf_sealed_write(name, &older, versions[3], BYTES), TF_OK);
  assert_int_equal(store.get(store.self, name, 0, &bytes, &bytes_cnt), E_FILE_FORMAT);
  snprintf(text, sizeof text, "version %d, this build reads %d", TF_SNAPSHOT_VERSION - 1,
           TF_SNAPSHOT_VERSION);
  assert_non_null(strstr(tf_error_text(), text));
  assert_null(bytes);
  assert_int_equal(stored(1), 1);
}

static int make_folder(void **state) {
  (void)state;
  if (!mkdtemp(folder)) return -1;
  snprintf(name, sizeof name, "%s/s.snap", folder);
  for (uint32_t v = 1; v < TF_ARRAY_CNT(versions); v++)
    for (uint32_t i = 0; i < BYTES; i++) versions[v][i] = (uint8_t)(i * 7 + v);
  return 0;
}

static int remove_folder(void **state) {
  (void)state;
  remove_all();
  return rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_disk_that_is_full_at_any_byte_leaves_both),
      cmocka_unit_test(a_call_that_fails_leaves_the_newest_and_a_whole_one_before),
      cmocka_unit_test(an_engine_that_is_killed_at_any_call_leaves_whole_ones),
      cmocka_unit_test(a_file_of_another_version_is_refused_by_its_number),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
