/* Files that a live feed reads: keys, instrument metadata. */
#include "cmocka_tf.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "feed/instrument_file.h"
#include "feed/key_file.h"

static char path[64];

static void put(const char *text, mode_t mode) {
  unlink(path); /* it may have become somebody else's */
  FILE *file = fopen(path, "w");
  fputs(text, file);
  fclose(file);
  assert_int_equal(chmod(path, mode), 0);
}

static int set_up(void **state) {
  (void)state;
  snprintf(path, sizeof path, "/tmp/tf_feed_files_%d", getpid());
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  unlink(path);
  return 0;
}

/* ---- keys ---- */

#define GOOD_KEY "# mine\nid: k-1\nsecret: c2VjcmV0\npassphrase: p4ss\n"

static void key_that_others_may_read_is_refused_with_the_remedy(void **state) {
  (void)state;
  static const mode_t modes[] = {0640, 0604, 0660, 0601, 0777};
  tf_feed_key_t      *key;
  for (size_t i = 0; i < TF_ARRAY_CNT(modes); i++) {
    put(GOOD_KEY, modes[i]);
    assert_int_equal(tf_key_file_load(path, &key), E_FEED_KEY);
    assert_null(key);
    assert_non_null(strstr(tf_error_text(), "chmod 600"));
  }
  put(GOOD_KEY, 0600);
  char link_path[80];
  snprintf(link_path, sizeof link_path, "%s.link", path);
  assert_int_equal(symlink(path, link_path), 0);
  assert_int_equal(tf_key_file_load(link_path, &key), E_FEED_KEY);
  unlink(link_path);
  assert_int_equal(tf_key_file_load("/nowhere/key", &key), E_FEED_KEY);
  if (geteuid() == 0) { /* somebody else's file */
    assert_int_equal(chown(path, 12345, 12345), 0);
    assert_int_equal(tf_key_file_load(path, &key), E_FEED_KEY);
    assert_non_null(strstr(tf_error_text(), "chown"));
  }
}

static void broken_key_is_named_by_line_and_never_shown(void **state) {
  (void)state;
  static const struct {
    const char *text, *where;
  } rows[] = {
      {"id: HUSH\n",                   "secret"},
      {"secret: HUSH\n",               "id:"   },
      {"id: a\nHUSH\n",                ":2:"   },
      {"id: a\n\nsecret: HU SH\n",     ":3:"   },
      {"id: a\nid: HUSH\nsecret: x\n", ":2:"   },
      {"id: a\nsecret:\n",             ":2:"   },
      {"id: a\nsecret: HUSH\"\n",      ":2:"   },
  };
  tf_feed_key_t *key;
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    put(rows[i].text, 0600);
    assert_int_equal(tf_key_file_load(path, &key), E_FEED_KEY);
    if (strstr(tf_error_text(), rows[i].where) == NULL) fail_msg("%s", tf_error_text());
    assert_null(strstr(tf_error_text(), "HUSH"));
  }
}

static void lengths_hold_at_n_and_not_at_n_plus_one(void **state) {
  (void)state;
  char           text[6000];
  tf_feed_key_t *key;
  for (size_t over = 0; over < 2; over++) {
    size_t at = (size_t)sprintf(text, "id: ");
    memset(text + at, 'x', 127 + over);
    sprintf(text + at + 127 + over, "\nsecret: s\n");
    put(text, 0400);
    assert_int_equal(tf_key_file_load(path, &key), over ? E_FEED_KEY : TF_OK);
    tf_key_file_release(key);
    at = (size_t)sprintf(text, "id: a\nsecret: s\n#");
    memset(text + at, 'x', sizeof text - at);
    text[TF_KEY_FILE_BYTES_MAX + over] = '\0';
    put(text, 0600);
    assert_int_equal(tf_key_file_load(path, &key), over ? E_FEED_KEY : TF_OK);
    tf_key_file_release(key);
  }
}

static void key_is_read_from_its_lines(void **state) {
  (void)state;
  tf_feed_key_t *key;
  put(GOOD_KEY, 0600);
  assert_int_equal(tf_key_file_load(path, &key), TF_OK);
  assert_string_equal(key->id, "k-1");
  assert_string_equal(key->secret, "c2VjcmV0");
  assert_string_equal(key->passphrase, "p4ss");
  tf_key_file_release(key);
}

/* ---- instruments ---- */

static tf_instrument_t  rows_[3];
static tf_instruments_t table = {.rows = rows_, .cap = 3, .cnt = 3};

static void fresh_table(void) {
  static const char *const names[] = {"BTC.V", "ETH.V", "BTC.OTHER"};
  memset(rows_, 0, sizeof rows_);
  for (uint32_t i = 0; i < 3; i++) {
    snprintf(rows_[i].name, sizeof rows_[i].name, "%s", names[i]);
    snprintf(rows_[i].symbol, sizeof rows_[i].symbol, "%.3s", names[i]);
    snprintf(rows_[i].quote_currency, sizeof rows_[i].quote_currency, "USD");
  }
}

static tf_err_t load(const char *text, uint32_t *cnt) {
  put(text, 0644);
  fresh_table();
  return tf_instrument_file_load(path, &table, "V", TF_METADATA_FILE, cnt);
}

static void check_btc(void) {
  assert_int_equal(tf_instrument_metadata(&rows_[0]), TF_METADATA_FILE);
  assert_int_equal(rows_[0].tick_size, 5);
  assert_int_equal(rows_[0].price_exp, -2);
  assert_int_equal(rows_[0].lot_size, 1);
  assert_int_equal(rows_[0].qty_exp, -3);
  assert_int_equal(tf_instrument_metadata(&rows_[2]), TF_METADATA_NONE);
}

static void csv_and_json_say_the_same(void **state) {
  (void)state;
  uint32_t cnt;
  assert_int_equal(load("symbol,tick_size,lot_size\nBTC,0.050,0.001\nNONE,1,1\n", &cnt), TF_OK);
  assert_int_equal(cnt, 1);
  check_btc();
  assert_string_equal(rows_[0].quote_currency, "USD");
  assert_int_equal(load("quote_currency,lot_size,multiplier,symbol,tick_size\r\n EUR, 0.001, 100, "
                        "BTC, 0.05\r\n\r\n"
                        "EUR,1,,ETH,2",
                        &cnt),
                   TF_OK);
  assert_int_equal(cnt, 2);
  check_btc();
  assert_true(rows_[0].multiplier == 100.0 && rows_[1].multiplier == 1.0);
  assert_string_equal(rows_[0].quote_currency, "EUR");
  assert_int_equal(
      load(" [{\"symbol\":\"BTC\",\"tick_size\":\"0.05\",\"lot_size\":0.001,\"multiplier\":2}]",
           &cnt),
      TF_OK);
  check_btc();
  assert_true(rows_[0].multiplier == 2.0);
}

static void mistakes_are_named_by_their_place(void **state) {
  (void)state;
  static const struct {
    const char *text, *where;
  } rows[] = {
      {"",                                                               "empty"                                   },
      {"symbol,tick_size\n",                                             ":1: the header lacks column \"lot_size\""},
      {"symbol,tick_sise,lot_size\n",
       ":1:8: unknown column \"tick_sise\"; nearest is \"tick_size\""                                              },
      {"symbol,symbol,lot_size\n",                                       ":1:8: column \"symbol\" is given twice"  },
      {"symbol,tick_size,lot_size\nBTC,1\n",                             ":2: found fewer"                         },
      {"symbol,tick_size,lot_size\nBTC,1,1,1\n",                         ":2: found more"                          },
      {"symbol,tick_size,lot_size\nETH,1,1\nBTC,0,1\n",                  ":3:5: tick_size: found \"0\""            },
      {"symbol,tick_size,lot_size\nBTC,1,-1\n",                          ":2:7: lot_size: found \"-1\""            },
      {"symbol,tick_size,lot_size\n,1,1\n",                              ":2:1: symbol"                            },
      {"symbol,tick_size,lot_size,is_inverse\nBTC,1,1,yes\n",
       ":2:9: is_inverse: found \"yes\"; expected true or false"                                                   },
      {"symbol,tick_size,lot_size,quote_currency\nBTC,1,1,LONGERTHAN\n", ":2:9: quote_currency"                    },
      {"[{\"symbol\":\"BTC\"}]",                                         ":1:2: tick_size"                         },
      {"[\n 5]",                                                         ":2:2: expected an object"                },
      {"{\"symbol\":1}",                                                 "not a JSON array"                        },
      {"[{]",                                                            "not a JSON array"                        },
  };
  uint32_t cnt;
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    assert_int_equal(load(rows[i].text, &cnt), E_FILE_FORMAT);
    if (strstr(tf_error_text(), rows[i].where) == NULL)
      fail_msg("%s: %s", rows[i].text, tf_error_text());
  }
  unlink(path);
  assert_int_equal(tf_instrument_file_load(path, &table, "V", TF_METADATA_FILE, &cnt), E_FILE_OPEN);
}

static void saved_file_is_read_back(void **state) {
  (void)state;
  uint32_t cnt;
  assert_int_equal(load("symbol,tick_size,lot_size,multiplier\nBTC,0.05,0.001,0.1\n", &cnt), TF_OK);
  assert_int_equal(tf_instrument_file_save(path, &table, "V"), TF_OK);
  fresh_table();
  assert_int_equal(tf_instrument_file_load(path, &table, "V", TF_METADATA_FILE, &cnt), TF_OK);
  assert_int_equal(cnt, 1);
  check_btc();
  assert_true(rows_[0].multiplier == 0.1);
  assert_int_equal(tf_instrument_file_save("/nowhere/x.csv", &table, "V"), E_FILE_WRITE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(key_that_others_may_read_is_refused_with_the_remedy),
      cmocka_unit_test(broken_key_is_named_by_line_and_never_shown),
      cmocka_unit_test(lengths_hold_at_n_and_not_at_n_plus_one),
      cmocka_unit_test(key_is_read_from_its_lines),
      cmocka_unit_test(csv_and_json_say_the_same),
      cmocka_unit_test(mistakes_are_named_by_their_place),
      cmocka_unit_test(saved_file_is_read_back),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
