/* Every float as text, read and written and read back: the same bits. CI takes one in 9973, all 2^32 with
 * TF_TEST_EXHAUSTIVE. libc's printf and strtof are the judges. */
#include "cmocka_tf.h"

#include <math.h>
#include <string.h>

#include "wire/decimal.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STEP_LEAST 997u
#else
#define STEP_LEAST 1u
#endif
#define STEP 9973u

static float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* 9 digits tell any two floats apart. */
static void check_one(float value) {
  char    sent[64], back[TF_DECIMAL_TEXT_BYTES];
  int64_t mantissa;
  int8_t  exp;
  int     cnt = snprintf(sent, sizeof sent, "%.9g", (double)value);
  if (tf_decimal_parse(sent, (size_t)cnt, &mantissa, &exp) != TF_DECIMAL_OK)
    fail_msg("%s is refused", sent);
  tf_decimal_format(mantissa, exp, back);
  if (strtof(back, NULL) != value) fail_msg("%s came back as %s", sent, back);
}

static void every_float_comes_back_as_it_was(void **state) {
  (void)state;
  uint32_t step = getenv("TF_TEST_EXHAUSTIVE") ? STEP_LEAST : STEP;
  for (uint64_t bits = 0; bits <= UINT32_MAX; bits += step) {
    float value = float_of((uint32_t)bits);
    if (isfinite(value)) check_one(value);
  }
}

static void what_is_no_number_is_refused(void **state) {
  (void)state;
  static const char *const texts[] = {"nan", "inf", "-inf", "infinity", "0x1p3", "1e", "+1"};
  int64_t                  mantissa;
  int8_t                   exp;
  for (size_t i = 0; i < TF_ARRAY_CNT(texts); i++)
    assert_int_equal(tf_decimal_parse(texts[i], strlen(texts[i]), &mantissa, &exp),
                     TF_DECIMAL_GRAMMAR);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_float_comes_back_as_it_was),
      cmocka_unit_test(what_is_no_number_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
