#include "cmocka_tf.h"

#include <stdlib.h>
#include <string.h>

#include "boot/expr.h"
#include "core/error.h"

typedef struct row {
  const char *text;
  const char *want; /* good: the normalised text; bad: "column: part of the message" */
} row_t;

static tf_expr_t expr;

static const row_t BAD_FEATURES[] = {
    {"",                                                                     "1: found an empty expression, expected a feature"                           },
    {"   ",                                                                  "4: found an empty expression"                                               },
    {"ema(mid, 20",
     "12: found the end of the text, expected \",\" or \")\" after an argument of ema"                                                                    },
    {"ema(mid 20)",                                                          "9: found \"20\", expected \",\" or \")\" after an argument of ema"          },
    {"ema(mid, )",                                                           "10: found \")\", expected a name, a number or \"(\""                        },
    {"ema(, 20)",                                                            "5: found \",\""                                                             },
    {"ema)",                                                                 "4: found \")\", expected an operator or the end of the text"                },
    {"(mid",                                                                 "5: found the end of the text, expected \")\" or an operator"                },
    {"mid)",                                                                 "4: found \")\""                                                             },
    {"mid +",                                                                "6: found the end of the text, expected a name, a number"                    },
    {"* mid",                                                                "1: found \"*\", expected a name, a number"                                  },
    {"mid ask",                                                              "5: found \"ask\", expected an operator or the end"                          },
    {"mid 3",                                                                "5: found \"3\""                                                             },
    {"mid < 3",                                                              "5: found \"<\", but a feature is a number"                                  },
    {"mid and bid",                                                          "5: found \"and\", but a feature is a number"                                },
    {"not mid",                                                              "1: found \"not\", expected a number"                                        },
    {"mid $ 2",                                                              "5: found \"$\", which no expression contains"                               },
    {"mid % 2",                                                              "5: found \"%\""                                                             },
    {"mid ^ 2",                                                              "5: found \"^\""                                                             },
    {"mid # note",                                                           "5: found \"#\""                                                             },
    {"mid && bid",                                                           "5: found \"&&\", write \"and\""                                             },
    {"mid | bid",                                                            "5: found \"|\", write \"or\""                                               },
    {"mid = 2",                                                              "5: found \"=\", write \"==\""                                               },
    {"!mid",                                                                 "1: found \"!\", write \"not\""                                              },
    {"mid \xc3\xa9",                                                         "5: found byte 0xc3; expressions are printable ASCII"                        },
    {"mid\x01",                                                              "4: found byte 0x01"                                                         },
    {".5 * mid",                                                             "1: found a number without a digit before \".\"; write 0.5"                  },
    {"1. * mid",                                                             "2: found \".\" without digits after it"                                     },
    {"mid * 1e",                                                             "8: found an exponent without digits"                                        },
    {"mid * 1e+",                                                            "8: found an exponent without digits"                                        },
    {"mid * 1e999",                                                          "7: 1e999 is beyond the range of a double"                                   },
    {"mid * 1.00000000000000000000000000000000000000001",                    "7: a number of 43 characters"                                               },
    {"ofi(1x)",                                                              "6: unknown unit \"x\" after a number; durations take ns, us, ms, s, m, h, d"},
    {"ofi(1h30m)",                                                           "6: unknown unit \"h30m\""                                                   },
    {"ofi(1sec)",                                                            "6: unknown unit \"sec\""                                                    },
    {"ofi(0s)",                                                              "5: 0s is not a whole number of nanoseconds"                                 },
    {"ofi(0.5ns)",                                                           "5: 0.5ns is not a whole number of nanoseconds"                              },
    {"ofi(99999999d)",                                                       "5: 99999999d is not a whole number of nanoseconds"                          },
    {"s1.",                                                                  "4: found the end of the text, expected a field's name after \".\""          },
    {"s1.5",                                                                 "4: found \"5\", expected a field's name"                                    },
    {"s1.close.high",                                                        "9: found \".\", expected an operator"                                       },
    {"z:",                                                                   "3: found the end of the text"                                               },
    {"mid@",                                                                 "5: found no peer's name after \"@\""                                        },
    {"mid@ eth",                                                             "5: found no peer's name after \"@\""                                        },
    {"(mid@eth)@btc",                                                        "10: found a second \"@\": it is of eth already"                             },
    {"5@eth",                                                                "2: found \"@\", expected an operator"                                       },
    {"(5)@eth",                                                              "4: found \"@\" behind a number"                                             },
    {"@eth",                                                                 "1: found \"@\", expected a name, a number"                                  },
    {"cbbo@btc.bid+@",                                                       "14: found \"@\", expected a name"                                           },
    {"mid@a123456789b123456789c123456789d123456789e123456789f123456789g123",
     "5: a peer's name of 64 characters; at most 63 are allowed"                                                                                          },
    {"z: y: mid",                                                            "5: found \":\", expected an operator"                                       },
    {"1: mid",                                                               "2: found \":\", expected an operator"                                       },
    {"mid mid: 2",                                                           "5: found \"mid\""                                                           },
    {"abs(mid > 2)",                                                         "9: found \">\", but a feature is a number"                                  },
    {"a23456789012345678901234567890123456789012",                           "1: a name of 42 characters; at most 40"                                     },
    {"f(1,2,3,4,5,6,7,8,9,10,11)",                                           "24: more than 10 arguments"                                                 },
};

static const row_t BAD_RULES[] = {
    {"",                         "1: found an empty expression, expected a condition"                     },
    {"score",                    "1: found a number, expected a condition for a rule, such as score > 0.6"},
    {"score + 1",                "1: found a number, expected a condition for a rule"                     },
    {"score >",                  "8: found the end of the text"                                           },
    {"score > 0.6 and",          "16: found the end of the text"                                          },
    {"score > 0.6 and spread",   "17: found a number, expected a condition for \"and\""                   },
    {"score and spread < 2",     "1: found a number, expected a condition for \"and\""                    },
    {"spread < 2 or 1",          "15: found a number, expected a condition for \"or\""                    },
    {"not score",                "5: found a number, expected a condition for \"not\""                    },
    {"0 < score < 1",            "11: found a second comparison \"<\"; comparisons do not chain"          },
    {"score == p10 == p90",      "14: found a second comparison \"==\""                                   },
    {"(score > 1) + 2 > 0",      "2: found a condition, expected a number for \"+\""                      },
    {"-(score > 1) > 0",         "3: found a condition, expected a number for \"-\""                      },
    {"(score > 1) == (p10 > 1)", "2: found a condition, expected a number for \"==\""                     },
    {"abs(score > 1) > 0",       "5: found a condition, expected a number for an argument"                },
    {"score => 1",               "7: found \"=\", write \"==\""                                           },
    {"score >> 1",               "8: found \">\", expected a name"                                        },
    {"score <> 1",               "8: found \">\", expected a name"                                        },
    {"score > 0.6 && x < 1",     "13: found \"&&\", write \"and\""                                        },
    {"score>1or score<-1",       "8: unknown unit \"or\""                                                 },
    {"score > 0.6, x",           "12: found \",\", expected an operator"                                  },
    {"buy: score > 1",           "4: found \":\", expected an operator"                                   },
    {"and score > 1",            "1: found \"and\", expected a name"                                      },
    {"score > and 1",            "9: found \"and\", expected a name"                                      },
    {"score > not 1",            "9: found \"not\", expected a name"                                      },
};

static const row_t GOOD_FEATURES[] = {
    {"mid",                         "mid"                       },
    {"  mid\t",                     "mid"                       },
    {"ema( mid ,20 )",              "ema(mid,20)"               },
    {"ema()",                       "ema()"                     },
    {"imbalance(5)",                "imbalance(5)"              },
    {"ofi(1s)",                     "ofi(1s)"                   },
    {"ofi(1000ms)",                 "ofi(1s)"                   },
    {"ofi(90s)",                    "ofi(90s)"                  },
    {"ofi(60s)",                    "ofi(1m)"                   },
    {"ofi(0.25s)",                  "ofi(250ms)"                },
    {"ofi(250us)",                  "ofi(250us)"                },
    {"ofi(24h)",                    "ofi(1d)"                   },
    {"ofi(1e3ns)",                  "ofi(1us)"                  },
    {"rsi(s1.close, 14)",           "rsi(s1.close,14)"          },
    {"macd(mid, 12, 26, 9).signal", "macd(mid,12,26,9).signal"  },
    {"mid@eth",                     "mid@eth"                   },
    {"(mid) @eth - mid",            "(mid@eth)-mid"             },
    {"ema(mid@*.BINANCE-USDM, 20)", "ema(mid@*.BINANCE-USDM,20)"},
    {"-mid@XBT/USD.KRAKEN",         "-(mid@XBT/USD.KRAKEN)"     },
    {"(bid + ask)@eth / 2",         "((bid+ask)@eth)/2"         },
    {"cbbo.ask@btc-2",              "cbbo.ask@btc-2"            },
    {"macd(mid).signal@eth*2",      "(macd(mid).signal@eth)*2"  },
    {"spread / mid * 10000",        "spread/mid*10000"          },
    {"spread / (mid * 10000)",      "spread/(mid*10000)"        },
    {"(spread / mid) * 10000",      "spread/mid*10000"          },
    {"a - b - c",                   "a-b-c"                     },
    {"a - (b - c)",                 "a-(b-c)"                   },
    {"a + (b + c)",                 "a+(b+c)"                   },
    {"(a + b) * (c - d)",           "(a+b)*(c-d)"               },
    {"a + b * c",                   "a+b*c"                     },
    {"-a * b",                      "-a*b"                      },
    {"-(a * b)",                    "-(a*b)"                    },
    {"--a",                         "--a"                       },
    {"a - -3",                      "a--3"                      },
    {"((((a))))",                   "a"                         },
    {"1e6 * a",                     "1000000*a"                 },
    {"1E-3*a",                      "0.001*a"                   },
    {"0.1 * a",                     "0.1*a"                     },
    {"10000000000000000000000 * a", "1e+22*a"                   },
    {"min(mid, last)",              "min(mid,last)"             },
    {"abs(a-b)",                    "abs(a-b)"                  },
    {"f(g(h(1, 2), 3), 4)",         "f(g(h(1,2),3),4)"          },
    {"a\n+\r\nb",                   "a+b"                       },
    {"z: zscore(mid, 500)",         "zscore(mid,500)"           },
    {"z :mid",                      "mid"                       },
    {"android + order + nothing",   "android+order+nothing"     },
};

static const row_t GOOD_RULES[] = {
    {"score > 0.6 and spread_bps < 2", "score>0.6 and spread_bps<2"},
    {"score < -0.6",                   "score<-0.6"                },
    {"not score > 1",                  "not score>1"               },
    {"not not score > 1",              "not not score>1"           },
    {"not (a > 1 and b > 1)",          "not (a>1 and b>1)"         },
    {"a > 1 or b > 1 and c > 1",       "a>1 or b>1 and c>1"        },
    {"(a > 1 or b > 1) and c > 1",     "(a>1 or b>1) and c>1"      },
    {"a > 1 and (b > 1 and c > 1)",    "a>1 and (b>1 and c>1)"     },
    {"not a > 1 and b > 1",            "not a>1 and b>1"           },
    {"a + 1 >= b * 2",                 "a+1>=b*2"                  },
    {"a <= b",                         "a<=b"                      },
    {"a == b",                         "a==b"                      },
    {"a != b",                         "a!=b"                      },
    {"abs(score) > max(p10, 0.1)",     "abs(score)>max(p10,0.1)"   },
    {"(score > 1)",                    "score>1"                   },
};

static void check_bad(const row_t *rows, size_t cnt, tf_expr_mode_t mode) {
  for (size_t i = 0; i < cnt; i++) {
    char want[256];
    if (tf_expr_parse(&expr, mode, NULL, rows[i].text) != E_CONFIG_EXPR) {
      fail_msg("\"%s\" is accepted", rows[i].text);
    }
    assert_int_equal(tf_error_code(), E_CONFIG_EXPR);
    snprintf(want, sizeof want, "expr:1:%s", rows[i].want);
    if (strncmp(tf_error_text(), want, strlen(want)) != 0) {
      fail_msg("\"%s\"\n  wanted %s\n  found  %s", rows[i].text, want, tf_error_text());
    }
  }
}

static void check_good(const row_t *rows, size_t cnt, tf_expr_mode_t mode) {
  for (size_t i = 0; i < cnt; i++) {
    char text[256], again[256];
    if (tf_expr_parse(&expr, mode, NULL, rows[i].text) != TF_OK) fail_msg("%s", tf_error_text());
    assert_true(tf_expr_text(&expr, expr.root, text, sizeof text));
    assert_string_equal(text, rows[i].want);
    /* the normalised text is itself an expression, and its own normalised text */
    if (tf_expr_parse(&expr, mode, NULL, text) != TF_OK) fail_msg("%s", tf_error_text());
    assert_true(tf_expr_text(&expr, expr.root, again, sizeof again));
    assert_string_equal(again, text);
  }
}

static void wrong_features_say_where_and_what(void **state) {
  (void)state;
  check_bad(BAD_FEATURES, TF_ARRAY_CNT(BAD_FEATURES), TF_EXPR_FEATURE);
}

static void wrong_rules_say_where_and_what(void **state) {
  (void)state;
  check_bad(BAD_RULES, TF_ARRAY_CNT(BAD_RULES), TF_EXPR_RULE);
}

static void features_read_back_normalised(void **state) {
  (void)state;
  check_good(GOOD_FEATURES, TF_ARRAY_CNT(GOOD_FEATURES), TF_EXPR_FEATURE);
}

static void rules_read_back_normalised(void **state) {
  (void)state;
  check_good(GOOD_RULES, TF_ARRAY_CNT(GOOD_RULES), TF_EXPR_RULE);
}

static void an_alias_is_kept_apart_from_its_expression(void **state) {
  (void)state;
  assert_int_equal(tf_expr_parse(&expr, TF_EXPR_FEATURE, NULL, " z_1 : mid + 1"), TF_OK);
  assert_string_equal(expr.alias, "z_1");
  assert_int_equal(expr.alias_at, 1);
  assert_int_equal(tf_expr_parse(&expr, TF_EXPR_FEATURE, NULL, "mid + 1"), TF_OK);
  assert_string_equal(expr.alias, "");
}

static void an_origin_moves_the_reported_place(void **state) {
  (void)state;
  tf_expr_origin_t origin = {"engine.yaml", 12, 30};
  assert_int_equal(tf_expr_parse(&expr, TF_EXPR_FEATURE, &origin, "mid $"), E_CONFIG_EXPR);
  assert_memory_equal(tf_error_text(), "engine.yaml:12:34: found \"$\"", 28);
}

static void repeated(char *text, const char *head, const char *unit, uint32_t cnt,
                     const char *tail) {
  text[0] = '\0';
  strcat(text, head);
  for (uint32_t i = 0; i < cnt; i++) strcat(text, unit);
  strcat(text, tail);
}

static void length_nesting_and_nodes_are_bounded(void **state) {
  (void)state;
  static char text[4096];
  repeated(text, "", "(", TF_EXPR_DEPTH_MAX - 1, "a");
  for (int i = 0; i < TF_EXPR_DEPTH_MAX - 1; i++) strcat(text, ")");
  assert_int_equal(tf_expr_parse(&expr, TF_EXPR_FEATURE, NULL, text), TF_OK);
  repeated(text, "", "(", TF_EXPR_DEPTH_MAX + 1, "a");
  assert_int_equal(tf_expr_parse(&expr, TF_EXPR_FEATURE, NULL, text), E_CONFIG_EXPR);
  assert_string_equal(tf_error_text(), "expr:1:33: nested more than 32 deep");
  repeated(text, "", "-", 200, "a");
  assert_int_equal(tf_expr_parse(&expr, TF_EXPR_FEATURE, NULL, text), E_CONFIG_EXPR);
  repeated(text, "", "not ", 200, "a > 1");
  assert_int_equal(tf_expr_parse(&expr, TF_EXPR_RULE, NULL, text), E_CONFIG_EXPR);
  repeated(text, "", "f(", 300, "a");
  assert_int_equal(tf_expr_parse(&expr, TF_EXPR_FEATURE, NULL, text), E_CONFIG_EXPR);

  repeated(text, "a", "+a", 127, ""); /* 128 names, 127 operators */
  assert_int_equal(tf_expr_parse(&expr, TF_EXPR_FEATURE, NULL, text), TF_OK);
  repeated(text, "a", "+a", 128, "");
  assert_int_equal(tf_expr_parse(&expr, TF_EXPR_FEATURE, NULL, text), E_CONFIG_EXPR);
  assert_non_null(strstr(tf_error_text(), "more than 256 names, numbers and operators"));

  repeated(text, "a", " ", TF_EXPR_BYTES_MAX - 1, "");
  assert_int_equal(tf_expr_parse(&expr, TF_EXPR_FEATURE, NULL, text), TF_OK);
  repeated(text, "a", " ", TF_EXPR_BYTES_MAX, "");
  assert_int_equal(tf_expr_parse(&expr, TF_EXPR_FEATURE, NULL, text), E_CONFIG_EXPR);
  assert_non_null(strstr(tf_error_text(), ":1001: more than 1000 characters"));
}

static void a_text_that_does_not_fit_is_cut_and_said_so(void **state) {
  (void)state;
  char text[8];
  assert_int_equal(tf_expr_parse(&expr, TF_EXPR_FEATURE, NULL, "spread/mid"), TF_OK);
  assert_false(tf_expr_text(&expr, expr.root, text, sizeof text));
  assert_true(strlen(text) < sizeof text);
}

static void numbers_print_as_short_as_they_read_back(void **state) {
  (void)state;
  static const double VALUES[] = {0.1, 1e-9, 2.0 / 3, 1e300, 123456789, 0x1.fffffffffffffp0, 20};
  for (size_t i = 0; i < TF_ARRAY_CNT(VALUES); i++) {
    char text[40];
    tf_expr_number_text(VALUES[i], text, sizeof text);
    assert_true(strtod(text, NULL) == VALUES[i]);
    assert_true(strlen(text) <= 24);
  }
  char text[40];
  tf_expr_number_text(0.1, text, sizeof text);
  assert_string_equal(text, "0.1");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(wrong_features_say_where_and_what),
      cmocka_unit_test(wrong_rules_say_where_and_what),
      cmocka_unit_test(length_nesting_and_nodes_are_bounded),
      cmocka_unit_test(a_text_that_does_not_fit_is_cut_and_said_so),
      cmocka_unit_test(features_read_back_normalised),
      cmocka_unit_test(rules_read_back_normalised),
      cmocka_unit_test(an_alias_is_kept_apart_from_its_expression),
      cmocka_unit_test(an_origin_moves_the_reported_place),
      cmocka_unit_test(numbers_print_as_short_as_they_read_back),
  };
  return cmocka_run_group_tests_name("expr", tests, NULL, NULL);
}
