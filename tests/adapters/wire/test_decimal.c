#include "cmocka_tf.h"

#include <string.h>

#include "wire/decimal.h"

static uint64_t rng_state = 0x9e3779b97f4a7c15u;
static uint64_t rng(void) {
  rng_state ^= rng_state << 13;
  rng_state ^= rng_state >> 7;
  rng_state ^= rng_state << 17;
  return rng_state;
}

static void not_a_json_number_is_refused(void **state) {
  (void)state;
  static const char *const wrong[] = {
      "",    "+1",    ".5",   "1.",  "01",  "-",    "-.5",   "NaN",   "Infinity", "1e",
      "1e+", "1.e5",  "0x10", " 1",  "1 ",  "1,5",  "--1",   "1.2.3", "1e5.",     "00",
      "-01", "1e5e5", "٣",    "1_0", "1\n", "1e 5", "\"1\"", "-inf",  "1.0f",     "1'000"};
  for (size_t i = 0; i < TF_ARRAY_CNT(wrong); i++) {
    int64_t mantissa = 7;
    int8_t  exp      = 7;
    assert_int_equal(tf_decimal_parse(wrong[i], strlen(wrong[i]), &mantissa, &exp),
                     TF_DECIMAL_GRAMMAR);
    assert_int_equal(mantissa, 0);
    assert_int_equal(exp, 0);
  }
}

static void what_does_not_fit_is_out_of_range_at_the_limit_plus_one(void **state) {
  (void)state;
  static const struct {
    const char         *text;
    tf_decimal_result_t result;
    int64_t             mantissa;
    int                 exp;
  } rows[] = {
      {"9223372036854775807",                      TF_DECIMAL_OK,    INT64_MAX,           0   },
      {"9223372036854775808",                      TF_DECIMAL_RANGE, 0,                   0   },
      {"-9223372036854775808",                     TF_DECIMAL_OK,    INT64_MIN,           0   },
      {"-9223372036854775809",                     TF_DECIMAL_RANGE, 0,                   0   },
      {"92233720368547758.07",                     TF_DECIMAL_OK,    INT64_MAX,           -2  },
      {"92233720368547758.08",                     TF_DECIMAL_RANGE, 0,                   0   },
 /* as many trailing zeros go as must, no more */
      {"92233720368547758080",                     TF_DECIMAL_RANGE, 0,                   0   },
      {"92233720368547758070",                     TF_DECIMAL_OK,    INT64_MAX,           1   },
      {"1.00000000000000000000000000000000000000", TF_DECIMAL_OK,    1000000000000000000, -18 },
      {"0.12300000000000000000000000000000000000", TF_DECIMAL_OK,    1230000000000000000, -19 },
      {"1e127",                                    TF_DECIMAL_OK,    1,                   127 },
      {"1e128",                                    TF_DECIMAL_RANGE, 0,                   0   },
      {"1e-127",                                   TF_DECIMAL_OK,    1,                   -127},
      {"1e-128",                                   TF_DECIMAL_RANGE, 0,                   0   },
      {"1e400",                                    TF_DECIMAL_RANGE, 0,                   0   },
      {"1e99999999999999999999",                   TF_DECIMAL_RANGE, 0,                   0   },
      {"1e-99999999999999999999",                  TF_DECIMAL_RANGE, 0,                   0   },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    int64_t mantissa;
    int8_t  exp;
    assert_int_equal(tf_decimal_parse(rows[i].text, strlen(rows[i].text), &mantissa, &exp),
                     rows[i].result);
    assert_int_equal(mantissa, rows[i].mantissa);
    assert_int_equal(exp, rows[i].exp);
  }
}

static void a_number_may_have_64_digits_and_no_more(void **state) {
  (void)state;
  for (int digit_cnt = 63; digit_cnt <= 65; digit_cnt++) {
    char text[80] = "0.";
    memset(text + 2, '0', (size_t)digit_cnt - 1); /* and the one before the point */
    int64_t             mantissa;
    int8_t              exp;
    tf_decimal_result_t result = tf_decimal_parse(text, strlen(text), &mantissa, &exp);
    assert_int_equal(result, digit_cnt <= 64 ? TF_DECIMAL_OK : TF_DECIMAL_DIGITS);
  }
}

static void the_mantissa_is_what_was_sent(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int64_t     mantissa;
    int         exp;
  } rows[] = {
      {"61837.63000000",    6183763000000,    -8 },
      {"0.00000000",        0,                -8 },
      {"0",                 0,                0  },
      {"-0.00",             0,                -2 },
      {"-12.5",             -125,             -1 },
      {"100",               100,              0  },
      {"7.1e-7",            71,               -8 },
      {"2.20e3",            220,              1  },
      {"9.121E-7",          9121,             -10},
      {"1E+2",              1,                2  },
      {"123456789012.3456", 1234567890123456, -4 },
      {"1234567890123456",  1234567890123456, 0  }
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    int64_t mantissa;
    int8_t  exp;
    assert_int_equal(tf_decimal_parse(rows[i].text, strlen(rows[i].text), &mantissa, &exp),
                     TF_DECIMAL_OK);
    assert_int_equal(mantissa, rows[i].mantissa);
    assert_int_equal(exp, rows[i].exp);
  }
}

/* Random text over what numbers are made of, in a buffer whose surroundings are random too. */
static size_t make_text(char *text) {
  static const char any[] = "0123456789012345678901234567890123456789..--+eE\"";
  size_t            n     = 0;
  if (rng() % 4 > 0) { /* mostly a number */
    size_t whole = 1 + rng() % 10, part = rng() % 10;
    for (size_t i = 0; i < whole; i++) text[n++] = (char)('0' + rng() % 10);
    if (part > 0) text[n++] = '.';
    for (size_t i = 0; i < part; i++) text[n++] = (char)('0' + rng() % 10);
  } else {
    size_t cnt = rng() % 24;
    for (size_t i = 0; i < cnt; i++) text[n++] = any[rng() % (sizeof(any) - 1)];
  }
  return n;
}

static void hot_reader_and_scan_agree_wherever_both_read(void **state) {
  (void)state;
  uint32_t read_cnt = 0;
  for (int round = 0; round < 300000; round++) {
    char buf[128];
    for (size_t i = 0; i < sizeof(buf); i++) buf[i] = (char)rng();
    char  *text = buf + 32;
    size_t n    = make_text(text);
    text[n]     = '"';
    int64_t             mantissa[3];
    int8_t              exp[3] = {0};
    tf_decimal_result_t result;
    const char         *stop = tf_decimal_scan(text, text + n, &mantissa[0], &exp[0], &result);
    bool                whole_text = stop == text + n && result == TF_DECIMAL_OK;
    /* with and without 16 bytes before it */
    for (int k = 1; k < 3; k++) {
      uint32_t bytes = tf_decimal_read(text, k == 1 ? text : text + 1, &mantissa[k], &exp[k]);
      if (bytes == 0 || text[bytes] != '"') continue;
      read_cnt++;
      /* the text may have a quote of its own: the number is over there */
      stop = tf_decimal_scan(text, text + bytes, &mantissa[0], &exp[0], &result);
      if (stop != text + bytes || result != TF_DECIMAL_OK) fail_msg("%.*s", (int)n, text);
      assert_int_equal(mantissa[k], mantissa[0]);
      assert_int_equal(exp[k], exp[0]);
    }
    bool usual = whole_text && n <= 16 && text[0] != '-' && memchr(text, 'e', n) == NULL &&
                 memchr(text, 'E', n) == NULL;
    if (usual) {
      assert_int_equal(tf_decimal_read(text, text, &mantissa[1], &exp[1]), n); /* it is hot */
    }
  }
  assert_true(read_cnt > 100000);
}

static void the_wide_reader_agrees_with_the_scan_and_takes_19_digits_that_fit(void **state) {
  (void)state;
  uint32_t read_cnt = 0;
  for (int round = 0; round < 300000; round++) {
    char buf[128];
    for (size_t i = 0; i < sizeof buf; i++) buf[i] = (char)rng();
    size_t n = make_text(buf), digit_cnt = 0;
    buf[n] = '"';
    int64_t             mantissa[2];
    int8_t              exp[2];
    tf_decimal_result_t result;
    const char         *stop  = tf_decimal_scan(buf, buf + n, &mantissa[0], &exp[0], &result);
    bool                plain = stop == buf + n && result == TF_DECIMAL_OK;
    uint32_t            bytes = tf_decimal_read_wide(buf, &mantissa[1], &exp[1]);
    for (size_t i = 0; i < n; i++) {
      digit_cnt += buf[i] >= '0' && buf[i] <= '9';
      plain &= (buf[i] | 0x20) != 'e';
    }
    if (plain && digit_cnt <= 18) assert_int_equal(bytes, n);
    if (bytes == 0 || buf[bytes] != '"') continue;
    read_cnt++;
    stop = tf_decimal_scan(buf, buf + bytes, &mantissa[0], &exp[0], &result);
    if (stop != buf + bytes || result != TF_DECIMAL_OK) fail_msg("%.*s", (int)n, buf);
    assert_int_equal(mantissa[1], mantissa[0]);
    assert_int_equal(exp[1], exp[0]);
  }
  assert_true(read_cnt > 50000);
  static const struct {
    const char *text;
    uint32_t    bytes;
  } rows[] = {
      {"999999999999999999\"",   18},
      {"-99999999.9999999999\"", 20},
      {"0.12345678901234567\"",  19},
      {"8.13E-6\"",              7 },
      {"-12e+09\"",              7 },
      {"5e7\"",                  3 },
      {"1.5e-12\"",              7 },
      {"1234567890123456789\"",  19},
      {"1.234567890123456789\"", 20},
      {"9223372036854775807\"",  19},
      {"-9223372036854775807\"", 20},
      {"9223372036854775808\"",  0 },
      {"9.999999999999999999\"", 0 },
      {"12345678901234567890\"", 0 },
      {"-\"",                    0 },
      {"-.5\"",                  0 },
      {"01\"",                   0 },
      {"1.\"",                   0 }
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    char    buf[64] = {0};
    int64_t mantissa;
    int8_t  exp;
    strcpy(buf, rows[i].text);
    assert_int_equal(tf_decimal_read_wide(buf, &mantissa, &exp), rows[i].bytes);
    if (rows[i].bytes == 0) continue;
    int64_t same;
    int8_t  same_exp;
    assert_int_equal(tf_decimal_parse(buf, rows[i].bytes, &same, &same_exp), TF_DECIMAL_OK);
    assert_true(same == mantissa && same_exp == exp);
  }
}

/* Where a span is found, and a number may end behind it, the scan ends there too; and of the usual forms each has one. */
static void a_span_is_as_long_as_the_scan_has_it(void **state) {
  (void)state;
  uint32_t found_cnt = 0;
  for (int round = 0; round < 300000; round++) {
    char buf[192];
    for (size_t i = 0; i < sizeof buf; i++) buf[i] = (char)rng();
    size_t n = make_text(buf);
    buf[n]   = ',';
    int64_t             mantissa;
    int8_t              exp;
    tf_decimal_result_t result;
    uint32_t            bytes = tf_decimal_span(buf);
    if (bytes == 0 || buf[bytes] != ',') continue;
    found_cnt++;
    if (tf_decimal_scan(buf, buf + bytes, &mantissa, &exp, &result) != buf + bytes)
      fail_msg("%.*s", (int)n, buf);
  }
  assert_true(found_cnt > 50000);
  static const struct {
    const char *text;
    uint32_t    bytes;
  } rows[] = {
      {"0,",                                                 1 },
      {"-0.5,",                                              4 },
      {"1234567890123456,",                                  16},
      {"12345678901234567,",                                 17},
      {"-123456789012345678901234567890123456789012345678,", 49},
      {"123456789012345678901234567890123456789012345678,",  48},
      {"12345678901234.5,",                                  16},
      {"12345678901234567.5,",                               0 },
      {"01,",                                                0 },
      {"01234567890123456789,",                              0 },
      {"-,",                                                 0 },
      {"1.,",                                                0 },
      {"123456789012345.,",                                  0 },
      {"1234567890123456.,",                                 0 },
      {".5,",                                                0 },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    char buf[192] = {0};
    strcpy(buf, rows[i].text);
    assert_int_equal(tf_decimal_span(buf), rows[i].bytes);
  }
}

static void breaks_by_sse2_and_by_words_are_the_same(void **state) {
  (void)state;
  for (int round = 0; round < 100000; round++) {
    char bytes[16];
    for (size_t i = 0; i < sizeof(bytes); i++) {
      bytes[i] = (char)(rng() % 3 ? '0' + rng() % 10 : rng());
    }
    uint32_t expected = 3u << 16;
    for (uint32_t i = 0; i < 16; i++) expected |= (uint32_t)(bytes[i] < '0' || bytes[i] > '9') << i;
    assert_int_equal(tf_decimal_breaks_(bytes), expected);
    assert_int_equal(tf_decimal_breaks_swar_(bytes), expected);
  }
}

static void plain_decimals_come_back_as_they_were_sent(void **state) {
  (void)state;
  for (int round = 0; round < 100000; round++) {
    char   text[64];
    size_t n    = 0;
    size_t part = rng() % 19, whole = 1 + rng() % (19 - part);
    bool   minus = rng() % 2;
    if (minus) text[n++] = '-';
    text[n++] = (char)(whole == 1 ? '0' + rng() % 10 : '1' + rng() % 9);
    for (size_t i = 1; i < whole; i++) text[n++] = (char)('0' + rng() % 10);
    if (part > 0) text[n++] = '.';
    for (size_t i = 0; i < part; i++) text[n++] = (char)('0' + rng() % 10);
    text[n] = '\0';
    int64_t             mantissa;
    int8_t              exp;
    tf_decimal_result_t result = tf_decimal_parse(text, n, &mantissa, &exp);
    if (result == TF_DECIMAL_RANGE) continue;
    assert_int_equal(result, TF_DECIMAL_OK);
    if (mantissa == 0) continue; /* the sign of a zero is not kept */
    char again[TF_DECIMAL_TEXT_BYTES];
    if (-exp != (int)part) continue; /* zeros were dropped */
    assert_int_equal(tf_decimal_format(mantissa, exp, again), n);
    assert_string_equal(again, text);
  }
}

static void any_number_formats_to_text_of_equal_value(void **state) {
  (void)state;
  for (int round = 0; round < 100000; round++) {
    int64_t mantissa = (int64_t)(rng() >> rng() % 64);
    if (rng() % 2) mantissa = -mantissa;
    int     exp = (int)(rng() % 255) - 127;
    char    text[TF_DECIMAL_TEXT_BYTES];
    size_t  n = tf_decimal_format(mantissa, exp, text);
    int64_t again;
    int8_t  again_exp;
    assert_int_equal(strlen(text), n);
    tf_decimal_result_t result = tf_decimal_parse(text, n, &again, &again_exp);
    if (exp < -60) continue; /* more digits than a number may have */
    if (mantissa == 0) {
      assert_int_equal(again, 0);
      continue;
    }
    assert_int_equal(result, TF_DECIMAL_OK);
    assert_int_equal(again, mantissa);
    assert_int_equal(again_exp, exp);
  }
  char text[TF_DECIMAL_TEXT_BYTES];
  tf_decimal_format(INT64_MIN, -127, text);
  assert_int_equal(strlen(text), 130);
}

static void unsigned_integers_fit_64_bits_or_are_refused(void **state) {
  (void)state;
  static const struct {
    const char         *text;
    tf_decimal_result_t result;
    uint64_t            value;
  } rows[] = {
      {"18446744073709551615",       TF_DECIMAL_OK,      UINT64_MAX},
      {"18446744073709551616",       TF_DECIMAL_RANGE,   0         },
      {"99999999999999999999999999", TF_DECIMAL_RANGE,   0         },
      {"0",                          TF_DECIMAL_OK,      0         },
      {"00",                         TF_DECIMAL_GRAMMAR, 0         },
      {"-1",                         TF_DECIMAL_GRAMMAR, 0         },
      {"",                           TF_DECIMAL_GRAMMAR, 0         }
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    uint64_t            value;
    tf_decimal_result_t result;
    tf_decimal_u64_scan(rows[i].text, rows[i].text + strlen(rows[i].text), &value, &result);
    assert_int_equal(result, rows[i].result);
    assert_true(value == rows[i].value);
  }
}

static void times_that_overflow_ns_are_refused(void **state) {
  (void)state;
  uint64_t ns = 5;
  assert_true(tf_decimal_ms_to_ns(1723161255343, &ns));
  assert_true(ns == UINT64_C(1723161255343000000));
  assert_true(tf_decimal_ms_to_ns(18446744073709, &ns));
  assert_false(tf_decimal_ms_to_ns(18446744073710, &ns));
  assert_true(tf_decimal_us_to_ns(18446744073709551, &ns));
  assert_false(tf_decimal_us_to_ns(18446744073709552, &ns));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(not_a_json_number_is_refused),
      cmocka_unit_test(what_does_not_fit_is_out_of_range_at_the_limit_plus_one),
      cmocka_unit_test(a_number_may_have_64_digits_and_no_more),
      cmocka_unit_test(the_mantissa_is_what_was_sent),
      cmocka_unit_test(hot_reader_and_scan_agree_wherever_both_read),
      cmocka_unit_test(the_wide_reader_agrees_with_the_scan_and_takes_19_digits_that_fit),
      cmocka_unit_test(a_span_is_as_long_as_the_scan_has_it),
      cmocka_unit_test(breaks_by_sse2_and_by_words_are_the_same),
      cmocka_unit_test(plain_decimals_come_back_as_they_were_sent),
      cmocka_unit_test(any_number_formats_to_text_of_equal_value),
      cmocka_unit_test(unsigned_integers_fit_64_bits_or_are_refused),
      cmocka_unit_test(times_that_overflow_ns_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
