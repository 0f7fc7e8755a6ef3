/* Secrets by file: what is taken, and what is refused, without a word of what is in it. */
#include "cmocka_tf.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "core/secret.h"

#define CAP 9

static char folder[] = "/tmp/tf-secret-XXXXXX", path[64];

static int set_up(void **state) {
  (void)state;
  if (!mkdtemp(folder)) return -1;
  snprintf(path, sizeof path, "%s/secret", folder);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  unlink(path);
  return rmdir(folder);
}

static void write_file(const char *bytes, size_t cnt, mode_t mode) {
  unlink(path);
  int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, bytes, cnt), (ssize_t)cnt);
  assert_int_equal(fchmod(fd, mode), 0);
  close(fd);
}

static tf_err_t read_of(const char *text, char line[CAP]) {
  write_file(text, strlen(text), 0600);
  return tf_secret_read(path, line, CAP);
}

static void one_line_is_taken_with_or_without_its_end(void **state) {
  (void)state;
  static const char *const ends[] = {"", "\n", "\r\n"};
  for (size_t i = 0; i < TF_ARRAY_CNT(ends); i++) {
    char text[32], line[CAP];
    for (size_t cnt = 1; cnt <= 9; cnt++) { /* cap - 2, cap - 1, cap */
      snprintf(text, sizeof text, "%.*s%s", (int)cnt, "12345678_", ends[i]);
      assert_int_equal(read_of(text, line), cnt < CAP ? TF_OK : E_FEED_KEY);
      assert_int_equal(strlen(line), cnt < CAP ? cnt : 0);
    }
  }
}

static void what_is_no_single_line_is_refused_and_not_quoted(void **state) {
  (void)state;
  static const char *const bad[] = {"",           "\n",           "hush\nhush",
                                    "hush\n\n\n", "hush\nhush\n", "hushhushhushhush"};
  char                     line[CAP];
  for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++) {
    assert_int_equal(read_of(bad[i], line), E_FEED_KEY);
    assert_string_equal(line, "");
    assert_null(strstr(tf_error_text(), "hush"));
  }
  write_file("hu\0sh", 5, 0600);
  assert_int_equal(tf_secret_read(path, line, CAP), E_FEED_KEY);
}

static void file_that_others_may_read_is_refused(void **state) {
  (void)state;
  static const mode_t modes[] = {0640, 0604, 0660, 0610, 0777};
  char                line[CAP];
  for (size_t i = 0; i < TF_ARRAY_CNT(modes); i++) {
    write_file("hush", 4, modes[i]);
    assert_int_equal(tf_secret_read(path, line, CAP), E_FEED_KEY);
    assert_non_null(strstr(tf_error_text(), "chmod 600"));
  }
  write_file("hush", 4, 0400);
  assert_int_equal(tf_secret_read(path, line, CAP), TF_OK);
}

static void what_is_no_file_is_refused(void **state) {
  (void)state;
  char line[CAP], link[72];
  assert_int_equal(tf_secret_read("/nowhere/secret", line, CAP), E_FILE_OPEN);
  assert_int_equal(tf_secret_read(folder, line, CAP), E_FILE_OPEN);
  write_file("hush", 4, 0600);
  snprintf(link, sizeof link, "%s-link", path);
  assert_int_equal(symlink(path, link), 0);
  assert_int_equal(tf_secret_read(link, line, CAP), E_FILE_OPEN);
  unlink(link);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_line_is_taken_with_or_without_its_end),
      cmocka_unit_test(what_is_no_single_line_is_refused_and_not_quoted),
      cmocka_unit_test(file_that_others_may_read_is_refused),
      cmocka_unit_test(what_is_no_file_is_refused),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
