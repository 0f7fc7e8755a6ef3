#include "cmocka_tf.h"

#include <string.h>
#include <time.h>

#include "wire/rfc3339.h"

static bool parse(const char *text, uint64_t *ns) {
  return tf_rfc3339_parse(text, strlen(text), ns);
}

static void what_is_no_time_is_refused_and_leaves_the_result(void **state) {
  (void)state;
  static const char *const wrong[] = {"",
                                      "2026-08-09",
                                      "2026-08-09T21:05:48",
                                      "2026-08-09 21:05:48Z",
                                      "2026-08-09T21:05:48.Z",
                                      "2026-08-09T21:05:48.1234567890Z",
                                      "2026-08-09T21:05:48.25ZZ",
                                      "2026-08-09T21:05:48.25+1:30",
                                      "2026-08-09T21:05:48+24:00",
                                      "2026-13-09T21:05:48Z",
                                      "2026-00-09T21:05:48Z",
                                      "2026-02-29T21:05:48Z",
                                      "2100-02-29T21:05:48Z",
                                      "2026-04-31T21:05:48Z",
                                      "2026-08-00T21:05:48Z",
                                      "2026-08-09T24:05:48Z",
                                      "2026-08-09T21:60:48Z",
                                      "2026-08-09T21:05:61Z",
                                      "1969-12-31T23:59:59Z",
                                      "2554-01-01T00:00:00Z",
                                      "2026-o8-09T21:05:48Z",
                                      "1970-01-01T00:00:00+01:00",
                                      "2026-08-09 21:05:48.854840045 +0000 UTC m=+41691.260485341"};
  for (size_t i = 0; i < TF_ARRAY_CNT(wrong); i++) {
    uint64_t ns = 7;
    if (parse(wrong[i], &ns)) fail_msg("%s was taken", wrong[i]);
    assert_int_equal(ns, 7);
  }
}

static void fractions_of_any_length_are_exact(void **state) {
  (void)state;
  static const struct {
    const char *text;
    uint64_t    ns;
  } rows[] = {
      {"1970-01-01T00:00:00Z",           0                             },
      {"1970-01-01T00:00:00.000000001Z", 1                             },
      {"2026-08-09T21:05:48.251397169Z", UINT64_C(1786309548251397169) },
      {"2026-08-09T21:05:48.50436Z",     UINT64_C(1786309548504360000) },
      {"2021-04-17T16:43:30.244075Z",    UINT64_C(1618677810244075000) },
      {"2026-08-09t21:05:48z",           UINT64_C(1786309548000000000) },
      {"2026-08-09T23:35:48.5+02:30",    UINT64_C(1786309548500000000) },
      {"2016-12-31T23:59:60Z",           UINT64_C(1483228800000000000) },
      {"2553-12-31T23:59:59.999999999Z", UINT64_C(18429292799999999999)},
      {"2000-02-29T12:00:00Z",           UINT64_C(951825600000000000)  },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    uint64_t ns = 7;
    assert_true(parse(rows[i].text, &ns));
    assert_int_equal(ns, rows[i].ns);
  }
}

/* timegm is the oracle: a second in each of 200,000 steps from 1970 to 2553. */
static void every_day_agrees_with_the_c_library(void **state) {
  (void)state;
  for (time_t s = 0; s < 18429206400; s += 92153) {
    struct tm tm;
    char      text[64];
    uint64_t  ns;
    gmtime_r(&s, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (!parse(text, &ns) || ns != (uint64_t)s * TF_NS_PER_SEC) fail_msg("%s", text);
  }
}

static void seconds_with_a_fraction_are_exact_too(void **state) {
  (void)state;
  uint64_t ns = 7;
  assert_true(tf_rfc3339_parse_seconds("1618678142.557535", 17, &ns));
  assert_int_equal(ns, UINT64_C(1618678142557535000));
  assert_true(tf_rfc3339_parse_seconds("12", 2, &ns));
  assert_int_equal(ns, UINT64_C(12000000000));
  static const char *const wrong[] = {"",    ".5", "1.",          "1.1234567890",
                                      "1e3", "-1", "18446744074", "1 "};
  for (size_t i = 0; i < TF_ARRAY_CNT(wrong); i++)
    assert_false(tf_rfc3339_parse_seconds(wrong[i], strlen(wrong[i]), &ns));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_no_time_is_refused_and_leaves_the_result),
      cmocka_unit_test(fractions_of_any_length_are_exact),
      cmocka_unit_test(every_day_agrees_with_the_c_library),
      cmocka_unit_test(seconds_with_a_fraction_are_exact_too),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
