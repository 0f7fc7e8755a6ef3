#include "cmocka_tf.h"

#include <string.h>

#include "core/text.h"

static const char *escaped(const char *text) {
  static char buf[64];
  return tf_text_escape(text, strlen(text), buf, sizeof buf);
}

static void what_a_terminal_would_obey_is_escaped(void **state) {
  (void)state;
  assert_string_equal(escaped("a\x1b[2Jb\x07"), "a\\u001B[2Jb\\u0007");
  assert_string_equal(escaped("say \"x\\y\""), "say \\\"x\\\\y\\\"");
  assert_string_equal(escaped("\xd0\xb5"), "\\u0435"); /* a letter that looks like e */
  assert_string_equal(escaped("\xf0\x9f\x99\x82"), "\\U0001F642");
}

static void bytes_that_are_not_utf8_show_their_value(void **state) {
  (void)state;
  assert_string_equal(escaped("\xff\xfe"), "\\u00FF\\u00FE");
  assert_string_equal(escaped("\x80"), "\\u0080");
  assert_string_equal(escaped("\xe2\x82"), "\\u00E2\\u0082");   /* cut short */
  assert_string_equal(escaped("\xe2(\x82"), "\\u00E2(\\u0082"); /* broken in the middle */
}

static void a_text_of_any_length_is_cut_within_the_buffer(void **state) {
  (void)state;
  char text[200], buf[201];
  memset(text, 'x', sizeof text);
  for (size_t cap = 16; cap < sizeof buf; cap++) {
    memset(buf, '!', sizeof buf);
    tf_text_escape(text, sizeof text, buf, cap);
    assert_true(strlen(buf) < cap);
    assert_int_equal(buf[cap], '!');
    assert_string_equal(buf + strlen(buf) - 3, "...");
  }
}

static void a_flat_text_is_one_line(void **state) {
  (void)state;
  char text[] = "a\nb\tc\x7f \xc3\xa9";
  tf_text_flatten(text);
  assert_string_equal(text, "a?b?c? \xc3\xa9");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_a_terminal_would_obey_is_escaped),
      cmocka_unit_test(bytes_that_are_not_utf8_show_their_value),
      cmocka_unit_test(a_text_of_any_length_is_cut_within_the_buffer),
      cmocka_unit_test(a_flat_text_is_one_line),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
