/* Records as bytes, and documents against the examples of RFC 8949. `test_encode dump SEED CNT` prints CNT
 * records of each kind for test_encode_cbor.py: carries, and the record, JSON and CBOR in hex. */
#include "cmocka_tf.h"

#include <string.h>

#include "sink/doc.h"
#include "sink/encode.h"

static tf_instrument_t rows[3] = {
    {.name = "BTCUSDT.BINANCE-SPOT", .id = 0},
    {.name = "\xe5\xb8\x81\"\\\n",   .id = 1},
    {.name = "\xff\xed\xa0\x80",     .id = 2}
};
static tf_instruments_t  table        = {.rows = rows, .cap = 3, .cnt = 3};
static const char *const strategies[] = {"lead", "fade"};

static tf_sink_config_t config_of(tf_carries_t carries, uint32_t value_cnt,
                                  tf_sink_format_t format) {
  return (tf_sink_config_t){.shape        = tf_record_shape(carries, value_cnt),
                            .format       = format,
                            .instruments  = &table,
                            .strategy_cnt = TF_ARRAY_CNT(strategies),
                            .strategies   = strategies};
}

/* ---- documents ---- */

static uint8_t  out[64];
static tf_doc_t doc;

static void expect(tf_sink_format_t format, const char *want) {
  char   hex[2 * sizeof out + 1];
  size_t cnt = tf_doc_end(&doc);
  if (format == TF_FORMAT_JSON) {
    assert_int_equal(cnt, strlen(want));
    assert_memory_equal(out, want, cnt);
    return;
  }
  for (size_t i = 0; i < cnt; i++) snprintf(hex + 2 * i, 3, "%02x", out[i]);
  assert_string_equal(hex, want);
}

#define EXPECT(call, json, cbor)                                                                   \
  do {                                                                                             \
    tf_doc_init(&doc, TF_FORMAT_JSON, out, sizeof out);                                            \
    call;                                                                                          \
    expect(TF_FORMAT_JSON, json);                                                                  \
    tf_doc_init(&doc, TF_FORMAT_CBOR, out, sizeof out);                                            \
    call;                                                                                          \
    expect(TF_FORMAT_CBOR, cbor);                                                                  \
  } while (0)

/* RFC 8949, Appendix A. */
static void whole_numbers_are_those_of_the_rfc(void **state) {
  (void)state;
  EXPECT(tf_doc_u64(&doc, NULL, 0), "0", "00");
  EXPECT(tf_doc_u64(&doc, NULL, 1), "1", "01");
  EXPECT(tf_doc_u64(&doc, NULL, 23), "23", "17");
  EXPECT(tf_doc_u64(&doc, NULL, 24), "24", "1818");
  EXPECT(tf_doc_u64(&doc, NULL, 100), "100", "1864");
  EXPECT(tf_doc_u64(&doc, NULL, 255), "255", "18ff");
  EXPECT(tf_doc_u64(&doc, NULL, 256), "256", "190100");
  EXPECT(tf_doc_u64(&doc, NULL, 1000), "1000", "1903e8");
  EXPECT(tf_doc_u64(&doc, NULL, 65535), "65535", "19ffff");
  EXPECT(tf_doc_u64(&doc, NULL, 65536), "65536", "1a00010000");
  EXPECT(tf_doc_u64(&doc, NULL, 1000000), "1000000", "1a000f4240");
  EXPECT(tf_doc_u64(&doc, NULL, 4294967295), "4294967295", "1affffffff");
  EXPECT(tf_doc_u64(&doc, NULL, 4294967296), "4294967296", "1b0000000100000000");
  EXPECT(tf_doc_u64(&doc, NULL, 1000000000000), "1000000000000", "1b000000e8d4a51000");
  EXPECT(tf_doc_u64(&doc, NULL, UINT64_MAX), "18446744073709551615", "1bffffffffffffffff");
}

static void other_scalars_are_those_of_the_rfc(void **state) {
  (void)state;
  EXPECT(tf_doc_float(&doc, NULL, 100000.0f), "100000", "fa47c35000");
  EXPECT(tf_doc_float(&doc, NULL, 3.4028234663852886e+38f), "3.40282347e+38", "fa7f7fffff");
  EXPECT(tf_doc_double(&doc, NULL, 1.1), "1.1000000000000001", "fb3ff199999999999a");
  EXPECT(tf_doc_double(&doc, NULL, -4.1), "-4.0999999999999996", "fbc010666666666666");
  EXPECT(tf_doc_double(&doc, NULL, 1.0e+300), "1.0000000000000001e+300", "fb7e37e43c8800759c");
  EXPECT(tf_doc_double(&doc, NULL, __builtin_nan("")), "null", "f6");
  EXPECT(tf_doc_float(&doc, NULL, -__builtin_inff()), "null", "f6");
  EXPECT(tf_doc_true(&doc, NULL), "true", "f5");
  EXPECT(tf_doc_null(&doc, NULL), "null", "f6");
  EXPECT(tf_doc_decimal(&doc, NULL, 27315, -2), "\"273.15\"", "c48221196ab3"); /* section 3.4.4 */
  EXPECT(tf_doc_decimal(&doc, NULL, -1, 0), "\"-1\"", "c4820020");
  EXPECT(tf_doc_decimal(&doc, NULL, INT64_MIN, 2), "\"-9223372036854775808e2\"",
         "c482023b7fffffffffffffff");
}

static void texts_are_those_of_the_rfc(void **state) {
  (void)state;
  EXPECT(tf_doc_text(&doc, NULL, "", 0), "\"\"", "60");
  EXPECT(tf_doc_text(&doc, NULL, "IETF", 4), "\"IETF\"", "6449455446");
  EXPECT(tf_doc_text(&doc, NULL, "\"\\", 2), "\"\\u0022\\u005c\"", "62225c");
  EXPECT(tf_doc_text(&doc, NULL, "\xc3\xbc", 2), "\"\xc3\xbc\"", "62c3bc");
  EXPECT(tf_doc_text(&doc, NULL, "\xe6\xb0\xb4", 3), "\"\xe6\xb0\xb4\"", "63e6b0b4");
  EXPECT(tf_doc_text(&doc, NULL, "\xf0\x90\x85\x91", 4), "\"\xf0\x90\x85\x91\"", "64f0908591");
  EXPECT(tf_doc_text(&doc, NULL, "a\xff", 2), "\"a\\ufffd\"", "6461efbfbd");
  EXPECT(tf_doc_word(&doc, NULL, "a"), "\"a\"", "6161");
}

static void nothing(void) { tf_doc_array(&doc, NULL, 0), tf_doc_array_end(&doc); }

static void nested(void) {
  tf_doc_map(&doc, NULL, 2);
  tf_doc_u64(&doc, "a", 1);
  tf_doc_array(&doc, "b", 2);
  tf_doc_u64(&doc, NULL, 2);
  tf_doc_u64(&doc, NULL, 3);
  tf_doc_array_end(&doc);
  tf_doc_map_end(&doc);
}

static void maps_and_arrays_are_those_of_the_rfc(void **state) {
  (void)state;
  EXPECT(nothing(), "[]", "80");
  EXPECT(nested(), "{\"a\":1,\"b\":[2,3]}", "a26161016162820203");
}

/* ---- records ---- */

static uint8_t bytes[1 << 15];

static void binary_is_the_record_and_marks_it_late_in_the_path(void **state) {
  (void)state;
  tf_decision_t    d      = {.decision_seq = 7, .path = TF_PATH_GPU}, got;
  tf_event_t       e      = {.ingest_seq = 9, .kind = TF_EVENT_TRADE};
  tf_sink_config_t config = config_of(TF_CARRIES_DECISIONS, 0, TF_FORMAT_BINARY);
  assert_int_equal(tf_encode(&config, &d, false, bytes), sizeof d);
  assert_memory_equal(bytes, &d, sizeof d);
  assert_int_equal(tf_encode(&config, &d, true, bytes), sizeof d);
  memcpy(&got, bytes, sizeof got);
  assert_int_equal(got.path, TF_PATH_GPU | TF_PATH_LATE);
  got.path = TF_PATH_GPU;
  assert_memory_equal(&got, &d, sizeof d);
  config = config_of(TF_CARRIES_EVENTS, 0, TF_FORMAT_BINARY);
  assert_int_equal(tf_encode(&config, &e, true, bytes), sizeof e);
  assert_memory_equal(bytes, &e, sizeof e);
}

static void late_is_said_once_and_only_where_it_is(void **state) {
  (void)state;
  static const uint8_t      record[TF_SINK_RECORD_BYTES_MAX];
  static const tf_carries_t kinds[] = {TF_CARRIES_DECISIONS, TF_CARRIES_EVENTS, TF_CARRIES_QUOTES,
                                       TF_CARRIES_FEATURES};
  for (size_t i = 0; i < TF_ARRAY_CNT(kinds); i++) {
    tf_sink_config_t config = config_of(kinds[i], 2, TF_FORMAT_JSON);
    for (int is_late = 0; is_late < 2; is_late++) {
      size_t cnt = tf_encode(&config, record, is_late, bytes);
      assert_int_equal(bytes[cnt - 1], '\n');
      bytes[cnt] = 0;
      assert_int_equal(strstr((char *)bytes, "\"late\":true") != NULL, is_late);
    }
  }
}

static void the_longest_row_of_features_fits(void **state) {
  (void)state;
  static uint8_t      record[TF_SINK_RECORD_BYTES_MAX];
  tf_feature_record_t row   = {.row_seq       = UINT64_MAX,
                               .ingest_seq    = UINT64_MAX,
                               .ts_recv_ns    = UINT64_MAX,
                               .instrument_id = 2,
                               .value_cnt     = TF_FEATURE_RECORD_VALUES_MAX};
  double              value = -2.2250738585072014e-308;
  memcpy(record, &row, sizeof row);
  for (uint32_t i = 0; i < row.value_cnt; i++)
    memcpy(record + sizeof row + 8 * i, &value, sizeof value);
  tf_sink_format_t formats[] = {TF_FORMAT_JSON, TF_FORMAT_CBOR};
  for (size_t i = 0; i < TF_ARRAY_CNT(formats); i++) {
    tf_sink_config_t config = config_of(TF_CARRIES_FEATURES, row.value_cnt, formats[i]);
    size_t           max    = tf_encode_bytes_max(&config.shape, config.format);
    assert_true(max <= sizeof bytes);
    memset(bytes, 0xaa, sizeof bytes);
    assert_in_range(tf_encode(&config, record, true, bytes), 9 * 500, max);
    assert_int_equal(bytes[max], 0xaa);
  }
}

/* A row that says it has more values than its shape has room for is not read beyond it. */
static void a_row_that_lies_about_its_values_is_cut(void **state) {
  (void)state;
  struct {
    tf_feature_record_t row;
    double              values[2];
  } record = {
      {.value_cnt = 1000},
      { 1.5,              2.5}
  };
  tf_sink_config_t config = config_of(TF_CARRIES_FEATURES, 2, TF_FORMAT_JSON);
  size_t           cnt    = tf_encode(&config, &record, false, bytes);
  bytes[cnt]              = 0;
  assert_string_equal(bytes, "{\"row_seq\":0,\"ingest_seq\":0,\"ts_recv_ns\":0,\"instrument\":"
                             "\"BTCUSDT.BINANCE-SPOT\",\"values\":[1.5,2.5]}\n");
}

/* ---- for the other decoder ---- */

static uint64_t next(uint64_t *seed) { /* splitmix64 */
  uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);
  z          = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z          = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

static void print_hex(const uint8_t *from, size_t cnt) {
  for (size_t i = 0; i < cnt; i++) printf("%02x", from[i]);
}

static void dump_record(tf_carries_t carries, uint64_t *seed) {
  static uint8_t record[TF_SINK_RECORD_BYTES_MAX];
  uint32_t       value_cnt = (uint32_t)(next(seed) % 40);
  bool           is_late   = next(seed) % 4 == 0;
  for (size_t i = 0; i < sizeof record; i += 8) {
    uint64_t word = next(seed);
    word >>= next(seed) % 64;
    memcpy(record + i, &word, sizeof word);
  }
  tf_feature_record_t *row = (tf_feature_record_t *)record;
  tf_event_t          *e   = (tf_event_t *)record;
  tf_decision_t       *d   = (tf_decision_t *)record;
  if (carries == TF_CARRIES_FEATURES) row->value_cnt = value_cnt, row->instrument_id %= 5;
  if (carries == TF_CARRIES_DECISIONS) d->instrument_id %= 5, d->path &= 0x7f;
  if (carries == TF_CARRIES_EVENTS) e->kind %= TF_EVENT_KIND_CNT + 1, e->instrument_id %= 5;
  if (carries == TF_CARRIES_EVENTS && e->kind == TF_EVENT_STATUS) e->u.listing.trading %= 6;
  if (carries == TF_CARRIES_EVENTS && e->kind == TF_EVENT_CONTROL) e->u.word[0] %= 12;
  if (carries == TF_CARRIES_EVENTS && e->kind == TF_EVENT_TEXT) e->u.text.miss %= 5;
  if (carries == TF_CARRIES_QUOTES) e->kind = TF_EVENT_QUOTE;
  printf("%d %d ", carries, is_late);
  print_hex(record, tf_record_shape(carries, value_cnt).bytes);
  printf(" ");
  for (tf_sink_format_t format = TF_FORMAT_JSON; format < TF_FORMAT_CNT; format++) {
    tf_sink_config_t config = config_of(carries, value_cnt, format);
    print_hex(bytes, tf_encode(&config, record, is_late, bytes));
    printf(format == TF_FORMAT_CBOR ? "\n" : " ");
  }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(whole_numbers_are_those_of_the_rfc),
      cmocka_unit_test(other_scalars_are_those_of_the_rfc),
      cmocka_unit_test(texts_are_those_of_the_rfc),
      cmocka_unit_test(maps_and_arrays_are_those_of_the_rfc),
      cmocka_unit_test(binary_is_the_record_and_marks_it_late_in_the_path),
      cmocka_unit_test(late_is_said_once_and_only_where_it_is),
      cmocka_unit_test(the_longest_row_of_features_fits),
      cmocka_unit_test(a_row_that_lies_about_its_values_is_cut),
  };
  if (argc == 4 && strcmp(argv[1], "dump") == 0) {
    uint64_t seed = strtoull(argv[2], NULL, 10);
    for (unsigned long i = 0; i < strtoul(argv[3], NULL, 10); i++)
      for (int carries = 0; carries < TF_CARRIES_CNT; carries++)
        dump_record((tf_carries_t)carries, &seed);
    return 0;
  }
  return cmocka_run_group_tests(tests, NULL, NULL);
}
