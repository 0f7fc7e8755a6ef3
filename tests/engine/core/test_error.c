#include "cmocka_tf.h"

#include <string.h>

#include "core/error.h"

static tf_err_t inner(void) { return TF_ERR(E_FILE_OPEN, "%s: gone", "x.gz"); }

static void context_is_appended_outward(void **state) {
  (void)state;
  tf_err_t err = tf_error_add(inner(), "reading input %d", 2);
  assert_int_equal(err, E_FILE_OPEN);
  assert_string_equal(tf_error_text(), "x.gz: gone: while reading input 2");
  assert_non_null(strstr(tf_error_origin(), "test_error.c:"));
}

static void context_never_overflows_the_record(void **state) {
  (void)state;
  tf_err_t err = inner();
  for (int i = 0; i < 1000; i++) err = tf_error_add(err, "level %d of a deep stack", i);
  assert_true(strlen(tf_error_text()) < TF_ERROR_TEXT_BYTES);
}

static void codes_have_names_and_are_never_equal(void **state) {
  (void)state;
  const tf_err_t codes[] = {
#define CODE(id, number, text) id,
      TF_ERRORS(CODE)
#undef CODE
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(codes); i++) {
    assert_true(codes[i] < TF_OK);
    assert_memory_equal(tf_error_name(codes[i]), "E_", 2);
    for (size_t j = 0; j < i; j++) assert_int_not_equal(codes[i], codes[j]);
  }
  assert_string_equal(tf_error_name(-7), "E_UNKNOWN");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(context_is_appended_outward),
      cmocka_unit_test(context_never_overflows_the_record),
      cmocka_unit_test(codes_have_names_and_are_never_equal),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
