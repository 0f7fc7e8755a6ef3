#include "cmocka_tf.h"

#include <stdlib.h>
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

/* A slow reader of "2026-08-09T21:05:48Z", by the C library's calendar. */
static bool reference(const char *text, uint64_t *ns) {
  static const char form[] = "0000-00-00T00:00:00Z";
  int               at[]   = {0, 5, 8, 11, 14, 17}, n[6];
  for (size_t i = 0; i < sizeof form - 1; i++) {
    bool is_digit  = text[i] >= '0' && text[i] <= '9';
    bool is_letter = (form[i] == 'T' && text[i] == 't') || (form[i] == 'Z' && text[i] == 'z');
    if (form[i] == '0' ? !is_digit : text[i] != form[i] && !is_letter) return false;
  }
  for (int i = 0; i < 6; i++) n[i] = (int)strtol(text + at[i], NULL, 10);
  struct tm tm  = {.tm_year = n[0] - 1900,
                   .tm_mon  = n[1] - 1,
                   .tm_mday = n[2],
                   .tm_hour = n[3],
                   .tm_min  = n[4]},
            was = tm;
  time_t s      = timegm(&tm);
  if (s < 0 || n[0] > 2553 || n[5] > 60 || tm.tm_mon != was.tm_mon || tm.tm_mday != was.tm_mday ||
      tm.tm_hour != was.tm_hour || tm.tm_min != was.tm_min)
    return false;
  *ns = ((uint64_t)s + (uint64_t)n[5]) * TF_NS_PER_SEC;
  return true;
}

/* Each byte at each place of some times, and at two places those that are near to digits. */
static void any_byte_in_any_place_is_taken_as_the_reference_takes_it(void **state) {
  (void)state;
  static const char *const good[]    = {"2026-08-09T21:05:48Z", "2000-02-29t23:59:60z",
                                        "1999-12-31T00:00:00Z"};
  uint32_t                 taken_cnt = 0;
  for (size_t g = 0; g < TF_ARRAY_CNT(good); g++) {
    for (uint32_t i = 0; i < 20 * 256 * 20; i++) {
      char     text[32];
      uint64_t ns = 0, expected = 0;
      strcpy(text, good[g]);
      text[i / (256 * 20)] = (char)(i / 20 % 256);
      text[i % 20]         = i % 3 ? (char)(text[i % 20] + 1) : text[i % 20];
      bool is_time         = reference(text, &expected);
      if (tf_rfc3339_parse(text, 20, &ns) != is_time || ns != expected) fail_msg("%s", text);
      taken_cnt += is_time;
    }
  }
  assert_true(taken_cnt > 1000);
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
      cmocka_unit_test(any_byte_in_any_place_is_taken_as_the_reference_takes_it),
      cmocka_unit_test(seconds_with_a_fraction_are_exact_too),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
