#include "cmocka_tf.h"

#include <string.h>

#include "sink/decision_json.h"

static char text[TF_DECISION_JSON_BYTES_MAX];

static tf_instrument_t rows[2] = {
    {.name = "BTCUSDT.BINANCE-SPOT", .id = 0},
    {.id = 1                             }
};
static tf_instruments_t table = {.rows = rows, .cap = 2, .cnt = 2};

static void decimals_are_exact(void **state) {
  (void)state;
  static const struct {
    int64_t     mantissa;
    int8_t      exp;
    const char *want;
  } cases[] = {
      {0,         0,   "0"                     },
      {0,         5,   "0e5"                   },
      {0,         -2,  "0.00"                  },
      {5,         3,   "5e3"                   },
      {-5,        1,   "-5e1"                  },
      {-5,        127, "-5e127"                },
      {5,         -41, "5e-41"                 },
      {6183763,   -2,  "61837.63"              },
      {618376350, -4,  "61837.6350"            },
      {7,         -1,  "0.7"                   },
      {-7,        -3,  "-0.007"                },
      {1234,      -4,  "0.1234"                },
      {INT64_MAX, 0,   "9223372036854775807"   },
      {INT64_MIN, 0,   "-9223372036854775808"  },
      {INT64_MIN, -19, "-0.9223372036854775808"},
      {INT64_MIN, -18, "-9.223372036854775808" }
  };
  char decimal[TF_DECIMAL_TEXT_BYTES_MAX];
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    size_t n = tf_doc_decimal_text(cases[i].mantissa, cases[i].exp, decimal);
    assert_string_equal(decimal, cases[i].want);
    assert_int_equal(n, strlen(cases[i].want));
  }
  assert_int_equal(tf_doc_decimal_text(INT64_MIN, -40, decimal), 43);
  assert_int_equal(tf_doc_decimal_text(INT64_MIN, -128, decimal), 25);
}

static void a_decision_is_one_line_with_its_keys_in_order(void **state) {
  (void)state;
  tf_decision_t            d            = {.decision_seq    = 7,
                                           .ingest_seq      = 1042,
                                           .ts_event_ns     = 1723161255208000000,
                                           .ts_recv_ns      = 1723161253937085768,
                                           .ref_price       = 618376350,
                                           .ref_price_exp   = -4,
                                           .model_hash      = 0x4433221a,
                                           .score           = 0.1f,
                                           .p10             = -1.5f,
                                           .p90             = __builtin_nanf(""),
                                           .action          = TF_ACTION_SELL,
                                           .book_state      = TF_BOOK_CROSSED,
                                           .decode_ns       = 1,
                                           .buffer_ns       = 2,
                                           .features_ns     = 3,
                                           .model_ns        = 4,
                                           .decide_ns       = 5,
                                           .emit_ns         = UINT32_MAX,
                                           .path            = TF_PATH_FALLBACK,
                                           .strategy_id     = 1,
                                           .confidence      = 0.5f,
                                           .trading         = TF_TRADING_OPEN,
                                           .epoch           = 3,
                                           .ts_decision_ns  = 1723161253937085800,
                                           .ts_out_ns       = 1723161253937085900,
                                           .expiry_ns       = 1723161254937085768,
                                           .answer_age_10us = 4};
  static const char *const strategies[] = {"other", "lead"};
  tf_sink_config_t config = {.instruments = &table, .strategy_cnt = 2, .strategies = strategies};
  size_t           n      = tf_decision_json_line(&d, &config, text);
  assert_string_equal(
      text, "{\"decision_seq\":7,\"ingest_seq\":1042,\"instrument\":\"BTCUSDT.BINANCE-SPOT\","
            "\"ts_event_ns\":1723161255208000000,\"ts_recv_ns\":1723161253937085768,"
            "\"action\":\"SELL\",\"score\":0.100000001,\"p10\":-1.5,\"p90\":null,"
            "\"ref_price\":\"61837.6350\",\"book_state\":\"CROSSED\",\"hold_reason\":\"none\","
            "\"model_hash\":\"1a223344\",\"path\":\"fallback\",\"route\":\"primary\","
            "\"strategy\":\"lead\",\"confidence\":0.5,\"trading\":\"open\",\"epoch\":3,"
            "\"ts_decision_ns\":1723161253937085800,\"ts_out_ns\":1723161253937085900,"
            "\"expiry_ns\":1723161254937085768,\"answer_age_us\":40,\"hops\":{\"decode_ns\":1,"
            "\"buffer_ns\":2,\"features_ns\":3,\"model_ns\":4,\"decide_ns\":5,"
            "\"emit_ns\":4294967295}}\n");
  assert_int_equal(n, strlen(text));
  d.path |= TF_PATH_LATE;
  tf_decision_json_line(&d, &config, text);
  assert_non_null(strstr(text, "\"path\":\"fallback\""));
  assert_non_null(strstr(text, "\"answer_age_us\":40,\"late\":true,\"hops\":{"));
}

static void values_that_are_none_do_not_break_the_line(void **state) {
  (void)state;
  tf_decision_t d = {.instrument_id = 9,
                     .score         = __builtin_inff(),
                     .action        = 200,
                     .book_state    = 201,
                     .hold_reason   = 202,
                     .path          = 0x7b,
                     .trading       = 204,
                     .strategy_id   = 77};
  tf_decision_json_write(&d, &table, text);
  assert_non_null(strstr(text, "\"instrument\":\"#9\""));
  assert_non_null(strstr(text, "\"score\":null"));
  assert_non_null(strstr(text, "\"action\":\"?\""));
  assert_non_null(strstr(text, "\"path\":\"?\""));
  assert_non_null(strstr(text, "\"trading\":\"?\""));
  assert_non_null(strstr(text, "\"strategy\":\"#77\""));
  tf_decision_json_write(&d, NULL, text);
  assert_non_null(strstr(text, "\"instrument\":\"#9\""));
}

static void hostile_names_are_escaped(void **state) {
  (void)state;
  tf_decision_t d = {.instrument_id = 1};
  static const struct {
    const char *name, *want;
  } cases[] = {
      {"a\"b\\c\nd\x7f",               "\"a\\u0022b\\u005cc\\u000ad\\u007f\""                 },
      {"\xe5\xb8\x81",                 "\"\xe5\xb8\x81\""                                     },
      {"\xff\xc0\x80\xed\xa0\x80\xf5", "\"\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\""},
      {"\xe5\xb8",                     "\"\\ufffd\\ufffd\""                                   }
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    memset(rows[1].name, 0, sizeof rows[1].name);
    strcpy(rows[1].name, cases[i].name);
    tf_decision_json_write(&d, &table, text);
    assert_non_null(strstr(text, cases[i].want));
  }
}

static void the_longest_line_fits(void **state) {
  (void)state;
  tf_decision_t d;
  memset(&d, 0xff, sizeof d);
  d.instrument_id = 1;
  d.ref_price     = INT64_MIN;
  d.ref_price_exp = 127;
  d.score = d.p10 = d.p90 = -1.17549435e-38f;
  memset(rows[1].name, 1, sizeof rows[1].name); /* no NUL either */
  char name[2 * TF_DOC_TEXT_BYTES_MAX];
  memset(name, 1, sizeof name);
  name[sizeof name - 1]         = 0;
  const char      *strategies[] = {[255] = name};
  tf_sink_config_t config = {.instruments = &table, .strategy_cnt = 256, .strategies = strategies};
  d.confidence            = d.score;
  size_t n                = tf_decision_json_line(&d, &config, text);
  assert_in_range(n, 900, TF_DECISION_JSON_BYTES_MAX - 1);
  assert_int_equal(text[n - 1], '\n');
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(decimals_are_exact),
      cmocka_unit_test(a_decision_is_one_line_with_its_keys_in_order),
      cmocka_unit_test(values_that_are_none_do_not_break_the_line),
      cmocka_unit_test(hostile_names_are_escaped),
      cmocka_unit_test(the_longest_line_fits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
