#include "cmocka_tf.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/error.h"
#include "feed/symbols.h"

static const tf_feed_t  venue = {.venue = "venue", .suffix = "VENUE"};
static tf_instruments_t instruments;
static tf_symbols_t     symbols;
static void            *memory;

static void start(uint32_t cap, uint32_t instrument_cap) {
  instruments.cap  = instrument_cap;
  instruments.cnt  = 0;
  instruments.rows = calloc(instrument_cap, sizeof(*instruments.rows));
  memory           = aligned_alloc(64, tf_align_up(tf_symbols_footprint(cap), 64));
  assert_int_equal(tf_symbols_init(&symbols, memory, cap, &instruments, &venue), TF_OK);
}
static void stop(void) {
  free(memory);
  free(instruments.rows);
}

/* 16 bytes behind the text may be read. */
static uint32_t find(const char *text) {
  char padded[80] = {0};
  strcpy(padded, text);
  return tf_symbols_find(&symbols, padded, (uint32_t)strlen(text));
}
static tf_symbols_add_result_t add(const char *text, uint32_t *idx) {
  char padded[80] = {0};
  strcpy(padded, text);
  return tf_symbols_add(&symbols, padded, (uint32_t)strlen(text), idx);
}

static void a_capacity_out_of_range_is_refused(void **state) {
  (void)state;
  assert_int_equal(tf_symbols_init(&symbols, NULL, 0, &instruments, &venue), E_CORE_ARGUMENT);
  assert_int_equal(tf_symbols_init(&symbols, NULL, TF_SYMBOLS_CAP + 1, &instruments, &venue),
                   E_CORE_ARGUMENT);
}

static void what_is_no_symbol_is_refused_and_nothing_changes(void **state) {
  (void)state;
  start(4, 4);
  static const char *const bad[] = {"",
                                    "A B",
                                    "A\"",
                                    "A\\",
                                    "A\n",
                                    "A\x7f",
                                    "\x80",
                                    "\xc3",
                                    "\xc0\x80",
                                    "\xe0\x80\x80",
                                    "\xed\xa0\x80",
                                    "\xf5\x80\x80\x80",
                                    "\xf4\x90\x80\x80",
                                    "A\xe2\x82",
                                    "1234567890123456789012345678901234567890"};
  for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++) {
    uint32_t idx;
    assert_int_equal(add(bad[i], &idx), TF_SYMBOLS_BAD);
    assert_int_equal(find(bad[i]), TF_SYMBOLS_NONE);
  }
  assert_int_equal(symbols.cnt, 0);
  assert_int_equal(instruments.cnt, 0);
  stop();
}

static void the_longest_symbol_and_one_outside_ascii_are_taken(void **state) {
  (void)state;
  start(4, 4);
  uint32_t idx;
  assert_int_equal(add("123456789012345678901234567890123456789", &idx), TF_SYMBOLS_ADDED);
  assert_int_equal(add("\xe5\xb8\x81\xe5\xae\x89USDT", &idx), TF_SYMBOLS_ADDED);
  assert_int_equal(find("\xe5\xb8\x81\xe5\xae\x89USDT"), 1);
  assert_int_equal(find("123456789012345678901234567890123456789"), 0);
  assert_string_equal(instruments.rows[0].name, "123456789012345678901234567890123456789.VENUE");
  stop();
}

static void a_full_table_refuses_a_symbol_more_and_keeps_those_it_has(void **state) {
  (void)state;
  for (int which = 0; which < 2; which++) { /* this table, or the instrument table */
    start(which ? 8 : 3, which ? 3 : 8);
    uint32_t idx;
    assert_int_equal(add("A", &idx), TF_SYMBOLS_ADDED);
    assert_int_equal(add("B", &idx), TF_SYMBOLS_ADDED);
    assert_int_equal(add("C", &idx), TF_SYMBOLS_ADDED);
    assert_int_equal(add("D", &idx), TF_SYMBOLS_FULL);
    assert_int_equal(find("D"), TF_SYMBOLS_NONE);
    assert_int_equal(add("B", &idx), TF_SYMBOLS_ADDED);
    assert_int_equal(idx, 1);
    assert_int_equal(instruments.cnt, 3);
    stop();
  }
}

static void ten_thousand_symbols_are_found_again(void **state) {
  (void)state;
  enum { CNT = 10000 };
  start(CNT, CNT);
  for (uint32_t i = 0; i < CNT; i++) {
    char     text[TF_SYMBOL_BYTES_MAX];
    uint32_t idx;
    snprintf(text, sizeof(text), "S%u%s", i * 7919, i % 3 ? "USDT" : "_LONG_NAME_250926");
    assert_int_equal(add(text, &idx), TF_SYMBOLS_ADDED);
    assert_int_equal(idx, i);
  }
  for (uint32_t i = 0; i < CNT; i++) {
    char text[TF_SYMBOL_BYTES_MAX];
    snprintf(text, sizeof(text), "S%u%s", i * 7919, i % 3 ? "USDT" : "_LONG_NAME_250926");
    assert_int_equal(find(text), i);
    assert_int_equal(symbols.rows[i].instrument_id, i);
    text[strlen(text) - 1]++;
    assert_int_equal(find(text), TF_SYMBOLS_NONE);
  }
  stop();
}

/* More symbols than places for guesses, of three families, in any order: each has its own row, again and again. */
static void symbols_of_families_are_told_apart_however_they_alternate(void **state) {
  (void)state;
  static const char *const families[] = {"", "-LINEAR", "-FUTURES"};
  enum { NAMES = 300 };
  start(3 * NAMES, 3 * NAMES);
  uint32_t idx[NAMES][3];
  for (uint32_t round = 0; round < 3 * NAMES * 4; round++) {
    uint32_t        name = round * 7 % NAMES, family = round / NAMES % 3;
    char            text[80] = {0};
    tf_json_value_t symbol   = {.kind = TF_JSON_STRING, .bytes = text};
    tf_reject_t     why;
    snprintf(text, sizeof text, "%s%uUSDT", name % 2 ? "A" : "LONGER_NAME_", name);
    symbol.bytes_cnt     = (uint32_t)strlen(text);
    symbols.family       = families[family];
    symbols.family_bytes = (uint32_t)strlen(families[family]);
    uint32_t found       = tf_symbols_of(&symbols, &symbol, round < 3 * NAMES, &why);
    if (round < 3 * NAMES) idx[name][family] = found;
    assert_int_equal(found, idx[name][family]);
    strcat(text, families[family]);
    assert_string_equal(symbols.rows[found].text, text);
  }
  assert_int_equal(symbols.cnt, 3 * NAMES);
  stop();
}

static void two_feeds_of_a_venue_share_an_instrument(void **state) {
  (void)state;
  start(4, 8);
  uint32_t idx;
  assert_int_equal(add("BTCUSDT", &idx), TF_SYMBOLS_ADDED);
  assert_int_equal(add("ETHUSDT", &idx), TF_SYMBOLS_ADDED);
  tf_symbols_t leg;
  void        *leg_memory = aligned_alloc(64, tf_align_up(tf_symbols_footprint(4), 64));
  char         padded[32] = "ETHUSDT";
  assert_int_equal(tf_symbols_init(&leg, leg_memory, 4, &instruments, &venue), TF_OK);
  assert_int_equal(tf_symbols_add(&leg, padded, 7, &idx), TF_SYMBOLS_ADDED);
  assert_int_equal(idx, 0);
  assert_int_equal(leg.rows[0].instrument_id, 1);
  assert_int_equal(instruments.cnt, 2);
  free(leg_memory);
  stop();
}

static void an_instrument_row_says_what_is_known(void **state) {
  (void)state;
  start(8, 8);
  static const char *const names[][2] = {
      {"BTCUSDT",        "USDT"},
      {"ETHBTC",         "BTC" },
      {"BTCUSD_PERP",    "USD" },
      {"BTCUSDT_250926", "USDT"},
      {"X",              ""    },
      {"USDT",           ""    }
  };
  for (uint32_t i = 0; i < TF_ARRAY_CNT(names); i++) {
    uint32_t idx;
    assert_int_equal(add(names[i][0], &idx), TF_SYMBOLS_ADDED);
    const tf_instrument_t *row = &instruments.rows[i];
    assert_string_equal(row->symbol, names[i][0]);
    assert_string_equal(row->quote_currency, names[i][1]);
    assert_int_equal(row->id, i);
    assert_int_equal(row->price_exp, INT8_MIN);
    assert_true(row->multiplier == 1.0);
  }
  stop();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_capacity_out_of_range_is_refused),
      cmocka_unit_test(what_is_no_symbol_is_refused_and_nothing_changes),
      cmocka_unit_test(the_longest_symbol_and_one_outside_ascii_are_taken),
      cmocka_unit_test(a_full_table_refuses_a_symbol_more_and_keeps_those_it_has),
      cmocka_unit_test(ten_thousand_symbols_are_found_again),
      cmocka_unit_test(symbols_of_families_are_told_apart_however_they_alternate),
      cmocka_unit_test(two_feeds_of_a_venue_share_an_instrument),
      cmocka_unit_test(an_instrument_row_says_what_is_known),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
