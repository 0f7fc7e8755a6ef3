#include "cmocka_tf.h"

#include <string.h>

#include "tf/io.h"
#include "wire/json_array.h"

/* The kinds of the elements, a letter each; "!" behind them where the text could not be walked. */
static const char *kinds_of(const char *text) {
  static char     kinds[64];
  static char     buf[1024];
  tf_json_array_t array;
  tf_json_value_t element;
  size_t          n = strlen(text), cnt = 0;
  memset(buf, 'x', sizeof buf);
  memcpy(buf, text, n);
  tf_json_array_init(&array, buf, n);
  while (tf_json_array_next(&array, &element)) kinds[cnt++] = "?nftNSAO"[element.kind];
  if (array.json.result != TF_JSON_OK) kinds[cnt++] = '!';
  kinds[cnt] = '\0';
  return kinds;
}

static void elements_come_in_order_with_their_kinds(void **state) {
  (void)state;
  assert_string_equal(kinds_of("[]"), "");
  assert_string_equal(kinds_of(" [ ] "), "");
  assert_string_equal(kinds_of("[1]"), "N");
  assert_string_equal(kinds_of("[321,[[\"1\",\"2\"]],{\"c\":\"3\"},\"trade\" , null,true,false]"),
                      "NAOSntf");
}

static void what_is_no_array_has_no_elements(void **state) {
  (void)state;
  assert_string_equal(kinds_of(""), "");
  assert_string_equal(kinds_of("{\"a\":[1]}"), "");
  assert_string_equal(kinds_of("12"), "");
}

static void broken_element_ends_the_walk(void **state) {
  (void)state;
  assert_string_equal(kinds_of("[1,[2"), "N!");
  assert_string_equal(kinds_of("[1,"), "N!");
}

static void decimals_are_read_from_numbers_and_strings(void **state) {
  (void)state;
  static char text[] =
      "[1.50,\"0.0279\",\"x\",true,\"\\u0031\"]                                    ";
  tf_json_array_t array;
  tf_json_value_t e;
  int64_t         mantissa;
  int8_t          exp;
  tf_json_array_init(&array, text, strlen(text));
  assert_true(tf_json_array_next(&array, &e));
  assert_int_equal(tf_json_array_decimal(&e, &mantissa, &exp), TF_DECIMAL_OK);
  assert_int_equal(mantissa, 150);
  assert_int_equal(exp, -2);
  assert_true(tf_json_array_next(&array, &e));
  assert_int_equal(tf_json_array_decimal(&e, &mantissa, &exp), TF_DECIMAL_OK);
  assert_int_equal(mantissa, 279);
  for (int i = 0; i < 3; i++) {
    assert_true(tf_json_array_next(&array, &e));
    assert_int_equal(tf_json_array_decimal(&e, &mantissa, &exp), TF_DECIMAL_GRAMMAR);
  }
  assert_false(tf_json_array_next(&array, &e));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(elements_come_in_order_with_their_kinds),
      cmocka_unit_test(what_is_no_array_has_no_elements),
      cmocka_unit_test(broken_element_ends_the_walk),
      cmocka_unit_test(decimals_are_read_from_numbers_and_strings),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
