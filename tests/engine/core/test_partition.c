#include "cmocka_tf.h"

#include "tf/partition.h"

/* Of Python's zlib.crc32; the third is the checksum's own check value. */
static const struct {
  const char *name;
  uint32_t    hash, of_7, of_4096;
} golden[] = {
    {"",                           0x00000000u, 0, 0   },
    {"a",                          0xe8b7be43u, 4, 3651},
    {"123456789",                  0xcbf43926u, 5, 2342},
    {"BTCUSDT.BINANCE-SPOT",       0xc64ee243u, 2, 579 },
    {"ETHUSDT.BINANCE-SPOT",       0xdadd37beu, 6, 1982},
    {"BTC-USD.COINBASE",           0x1d4c3935u, 0, 2357},
    {"XBTUSD.BITMEX",              0xad95ee81u, 5, 3713},
    {"BTC-PERPETUAL.DERIBIT",      0xd3cc9a8eu, 5, 2702},
    {"\xc3\xa9\xe4\xb8\xad.VENUE", 0xdf753f3bu, 5, 3899},
};

static void the_hash_is_zlibs_crc_32(void **state) {
  (void)state;
  for (size_t i = 0; i < TF_ARRAY_CNT(golden); i++)
    assert_int_equal(tf_partition_hash(golden[i].name), golden[i].hash);
}

static void a_partition_is_the_hash_modulo_their_number(void **state) {
  (void)state;
  for (size_t i = 0; i < TF_ARRAY_CNT(golden); i++) {
    assert_int_equal(tf_partition_of(golden[i].name, 1), 0);
    assert_int_equal(tf_partition_of(golden[i].name, 7), golden[i].of_7);
    assert_int_equal(tf_partition_of(golden[i].name, TF_PARTITIONS_MAX), golden[i].of_4096);
  }
}

static void a_partitions_text_is_four_digits(void **state) {
  (void)state;
  char text[8];
  assert_int_equal(snprintf(text, sizeof text, TF_PARTITION_FORMAT, TF_PARTITIONS_MAX - 1),
                   TF_PARTITION_TEXT_CHARS);
  assert_string_equal(text, "4095");
  snprintf(text, sizeof text, TF_PARTITION_FORMAT, 3u);
  assert_string_equal(text, "0003");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_hash_is_zlibs_crc_32),
      cmocka_unit_test(a_partition_is_the_hash_modulo_their_number),
      cmocka_unit_test(a_partitions_text_is_four_digits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
