#include "cmocka_tf.h"

#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "model/features.h"

static void refuses(const char *list, const char *says) {
  tf_features_t features = {0};
  assert_int_equal(tf_features_parse(&features, list), E_MODEL_SCHEMA);
  if (!strstr(tf_error_text(), says)) fail_msg("'%s' does not say '%s'", tf_error_text(), says);
  tf_features_fini(&features);
}

static void lists_that_cannot_be_meant_are_refused(void **state) {
  (void)state;
  refuses("", "empty");
  refuses("mid,,spread", "empty");
  refuses("mid,", "empty");
  refuses("mid,spread, mid ", "twice: as 1 and as 3");
  refuses("ema(mid,20", "parentheses");
  refuses("ema)mid(", "parentheses");
  refuses("mid\n", "0x0a");
  refuses("m\"id", "0x22");
  refuses("m\xc3\xaf", "0xc3");
  char name[TF_MODEL_FEATURE_NAME_BYTES + 1];
  memset(name, 'x', sizeof name - 1);
  name[sizeof name - 1] = 0;
  refuses(name, "longer than 63");
}

static void longest_name_and_longest_list_are_taken(void **state) {
  (void)state;
  tf_features_t features = {0};
  char          name[TF_MODEL_FEATURE_NAME_BYTES];
  for (uint32_t i = 0; i <= TF_MODEL_INPUTS_MAX; i++) {
    snprintf(name, sizeof name, "%063u", i);
    assert_int_equal(tf_features_append(&features, name, 63),
                     i < TF_MODEL_INPUTS_MAX ? TF_OK : E_MODEL_SCHEMA);
  }
  assert_int_equal(features.cnt, TF_MODEL_INPUTS_MAX);
  tf_features_fini(&features);
}

static void commas_in_parentheses_belong_to_the_expression(void **state) {
  (void)state;
  tf_features_t features = {0};
  assert_int_equal(
      tf_features_parse(&features, " mid , zscore(mid, 500),(ema(mid,20) - mid)/spread"), TF_OK);
  assert_int_equal(features.cnt, 3);
  assert_string_equal(features.names[0], "mid");
  assert_string_equal(features.names[1], "zscore(mid,500)");
  assert_string_equal(features.names[2], "(ema(mid,20)-mid)/spread");
  tf_features_fini(&features);
}

static tf_err_t read_text(tf_features_t *features, const char *text) {
  char path[64] = "/tmp/tickfuse_features_XXXXXX";
  int  fd       = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
  close(fd);
  tf_err_t err = tf_features_read(features, path);
  unlink(path);
  return err;
}

static void files_have_comments_and_errors_have_lines(void **state) {
  (void)state;
  tf_features_t features = {0};
  assert_int_equal(read_text(&features, "# the row\n\nmid  # the mid\r\n  spread\nimbalance(5)"),
                   TF_OK);
  assert_int_equal(features.cnt, 3);
  assert_string_equal(features.names[2], "imbalance(5)");
  tf_features_fini(&features);
  assert_int_equal(read_text(&features, "mid\n\nema(\n"), E_MODEL_SCHEMA);
  assert_non_null(strstr(tf_error_text(), ":3"));
  tf_features_fini(&features);
  assert_int_equal(read_text(&features, "# nothing\n"), E_MODEL_SCHEMA);
  assert_int_equal(tf_features_read(&features, "/nonexistent"), E_FILE_OPEN);
  tf_features_fini(&features);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lists_that_cannot_be_meant_are_refused),
      cmocka_unit_test(longest_name_and_longest_list_are_taken),
      cmocka_unit_test(commas_in_parentheses_belong_to_the_expression),
      cmocka_unit_test(files_have_comments_and_errors_have_lines),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
