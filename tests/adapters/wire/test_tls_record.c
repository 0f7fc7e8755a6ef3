#include "wire/tls_record.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_tf.h"
#include "record_seal.h"

static const uint16_t suites[] = {0x1301, 0x1302, 0x1303};

static uint8_t secret[48];
static uint8_t stream[1 << 20];
static uint8_t seen[1 << 20];
static size_t  seen_cnt;

/* Reads stream[0, cnt) in pieces into a buffer of cap bytes; what came is gathered in seen. */
static tf_tls_record_status_t read_all(tf_tls_record_t *rec, size_t cnt, size_t piece, size_t cap) {
  uint8_t               *plain  = malloc(cap);
  tf_tls_record_status_t status = TF_TLS_RECORD_MORE;
  seen_cnt                      = 0;
  for (size_t at = 0;
       at < cnt && status != TF_TLS_RECORD_FAULT && status != TF_TLS_RECORD_CLOSED;) {
    const size_t n     = cnt - at < piece ? cnt - at : piece;
    uint8_t     *block = malloc(n);
    memcpy(block, stream + at, n);
    const uint8_t *rx     = block;
    size_t         rx_cnt = n, got;
    do {
      memset(plain, 0xA5, cap);
      status = tf_tls_record_read(rec, &rx, &rx_cnt, plain, cap, &got);
      assert_true(got <= cap);
      memcpy(seen + seen_cnt, plain, got);
      seen_cnt += got;
      if (status == TF_TLS_RECORD_FULL) assert_int_equal(got, cap);
    } while (status == TF_TLS_RECORD_FULL);
    if (status == TF_TLS_RECORD_MORE) assert_int_equal(rx_cnt, 0);
    free(block);
    at += n;
  }
  free(plain);
  return status;
}

/* A script of records: letter and text. D data, H handshake, A alert, U unknown type, P data with
 * padding, Z padding only, K: the sender moves to its next key. "#hex" or text or "*n". */
static size_t seal_script(sealer_t *s, const char *script) {
  static uint8_t inner[70000];
  size_t         at = 0;
  while (*script) {
    const char   letter = *script++;
    const size_t cnt    = strcspn(script, " ");
    size_t       n      = 0;
    if (letter == 'K') sealer_update_key(s);
    if (cnt && *script == '#') {
      for (size_t i = 1; i + 1 < cnt; i += 2) {
        char pair[3] = {script[i], script[i + 1], 0};
        inner[n++]   = (uint8_t)strtoul(pair, NULL, 16);
      }
    } else if (cnt && *script == '*') {
      n = strtoul(script + 1, NULL, 10);
      memset(inner, 'a', n);
    } else {
      memcpy(inner, script, cnt);
      n = cnt;
    }
    if (letter == 'Z') memset(inner, 0, n);
    if (letter == 'D' || letter == 'P') inner[n++] = 23;
    if (letter == 'H') inner[n++] = 22;
    if (letter == 'A') inner[n++] = 21;
    if (letter == 'U') inner[n++] = 99;
    if (letter == 'P') {
      memset(inner + n, 0, 300);
      n += 300;
    }
    if (letter != 'K') at += sealer_seal(s, inner, n, stream + at);
    script += cnt;
    while (*script == ' ') script++;
  }
  return at;
}

typedef struct record_case {
  const char            *script, *plain; /* plain: what is delivered, before the fault too */
  tf_tls_record_status_t status;
  const char            *word;
} record_case_t;

/* clang-format off */
static const record_case_t cases[] = {
    {"Dhello Dworld", "helloworld", TF_TLS_RECORD_MORE, ""},
    {"Phello Pworld D!", "helloworld!", TF_TLS_RECORD_MORE, ""},
    {"D Da D Db", "ab", TF_TLS_RECORD_MORE, ""},
    {"Da A#0100", "a", TF_TLS_RECORD_CLOSED, ""},
    {"Da A#0100 Db", "a", TF_TLS_RECORD_CLOSED, ""},
    {"Da A#015a Db A#0100", "ab", TF_TLS_RECORD_CLOSED, ""},
    {"Da A#0228 Db", "a", TF_TLS_RECORD_FAULT, "handshake failure"},
    {"Da A#01 Db", "a", TF_TLS_RECORD_FAULT, "not two bytes"},
    {"Da A#010000 Db", "a", TF_TLS_RECORD_FAULT, "not two bytes"},
    {"Da A Db", "a", TF_TLS_RECORD_FAULT, "not two bytes"},
    {"Da H#04000003aabbcc Db", "ab", TF_TLS_RECORD_MORE, ""},
    {"H#0400000004000001aa04000002bbcc Db", "b", TF_TLS_RECORD_MORE, ""},
    {"Da H#0400 H#0005aa H#bbcc H#ddee Db", "ab", TF_TLS_RECORD_MORE, ""},
    {"Da H#04000003aabb Db", "a", TF_TLS_RECORD_FAULT, "inside a handshake message"},
    {"Da H#0400 Db", "a", TF_TLS_RECORD_FAULT, "inside a handshake message"},
    {"Da H#04000003aabb A#0100", "a", TF_TLS_RECORD_FAULT, "inside a handshake message"},
    {"Da H#0400 D Db", "a", TF_TLS_RECORD_FAULT, "inside a handshake message"},
    {"Da H Db", "a", TF_TLS_RECORD_FAULT, "empty handshake"},
    {"Da H#04010001 Db", "a", TF_TLS_RECORD_FAULT, "may not come"},
    {"Da H#0d000000 Db", "a", TF_TLS_RECORD_FAULT, "may not come"},
    {"Da H#00000000 Db", "a", TF_TLS_RECORD_FAULT, "may not come"},
    {"Da H#1800000100 K Db", "ab", TF_TLS_RECORD_MORE, ""},
    {"Da H#1800000101 K Db H#1800000100 K Dc", "abc", TF_TLS_RECORD_MORE, ""},
    {"Da H#040000001800000100 K Db", "ab", TF_TLS_RECORD_MORE, ""},
    {"Da H#1800000100 Db", "a", TF_TLS_RECORD_FAULT, "bad record mac"},
    {"Da K Db", "a", TF_TLS_RECORD_FAULT, "bad record mac"},
    {"Da H#1800000102 K Db", "a", TF_TLS_RECORD_FAULT, "wrong request"},
    {"Da H#180000010004 K Db", "a", TF_TLS_RECORD_FAULT, "behind a key update"},
    {"Da H#18000002aabb Db", "a", TF_TLS_RECORD_FAULT, "may not come"},
    {"Da Ux Db", "a", TF_TLS_RECORD_FAULT, "unknown type"},
    {"Da Z*1 Db", "a", TF_TLS_RECORD_FAULT, "without a type"},
    {"Da Z*400 Db", "a", TF_TLS_RECORD_FAULT, "without a type"},
};
/* clang-format on */

static void records_mean_the_same_at_every_split_and_room(void **state) {
  (void)state;
  static const size_t caps[] = {1, 2, 7, 64, 70000};
  for (size_t c = 0; c < TF_ARRAY_CNT(cases); c++) {
    for (size_t i = 0; i < TF_ARRAY_CNT(suites); i++) {
      sealer_t s;
      sealer_init(&s, suites[i], secret);
      const size_t cnt = seal_script(&s, cases[c].script);
      for (size_t piece = 1; piece <= cnt; piece += piece < 40 ? 1 : cnt / 5) {
        tf_tls_record_t rec = {0};
        assert_true(tf_tls_record_init(&rec, suites[i], secret, s.secret_cnt));
        const tf_tls_record_status_t status =
            read_all(&rec, cnt, piece, caps[(piece + c) % TF_ARRAY_CNT(caps)]);
        if (status != cases[c].status || !strstr(rec.fault, cases[c].word))
          print_error("%s in pieces of %zu: %d %s\n", cases[c].script, piece, (int)status,
                      rec.fault);
        assert_int_equal(status, cases[c].status);
        assert_non_null(strstr(rec.fault, cases[c].word));
        assert_int_equal(seen_cnt, strlen(cases[c].plain));
        assert_memory_equal(seen, cases[c].plain, seen_cnt);
        assert_int_equal(rec.update_requested, strstr(cases[c].script, "0101") != NULL);
        tf_tls_record_fini(&rec);
      }
    }
  }
}

static void sizes_hold_at_n_and_n_plus_1(void **state) {
  (void)state;
  static uint8_t inner[20000];
  static const struct {
    size_t data, padding;
    bool   ok;
  } sizes[] = {
      {16384, 0,     true },
      {16385, 0,     false},
      {1,     16384, true },
      {16384, 239,   true },
      {16384, 240,   false},
      {1,     16622, true },
      {1,     16623, false}
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(sizes); i++) {
    for (size_t cap = 100; cap < 20000; cap += 17000) {
      sealer_t        s;
      tf_tls_record_t rec = {0};
      sealer_init(&s, 0x1301, secret);
      memset(inner, 'a', sizes[i].data);
      inner[sizes[i].data] = 23;
      memset(inner + sizes[i].data + 1, 0, sizes[i].padding);
      const size_t cnt = sealer_seal(&s, inner, sizes[i].data + 1 + sizes[i].padding, stream);
      assert_true(tf_tls_record_init(&rec, 0x1301, secret, 32));
      const tf_tls_record_status_t status = read_all(&rec, cnt, 5000, cap);
      assert_int_equal(status, sizes[i].ok ? TF_TLS_RECORD_MORE : TF_TLS_RECORD_FAULT);
      assert_int_equal(seen_cnt, sizes[i].ok ? sizes[i].data : 0);
      tf_tls_record_fini(&rec);
    }
  }
}

static void heads_that_cannot_be_are_refused_before_their_record_comes(void **state) {
  (void)state;
  static const uint8_t heads[][5] = {
      {22,  3,   3,   0,    40  },
      {21,  3,   3,   0,    2   },
      {20,  3,   3,   0,    1   },
      {23,  3,   1,   0,    40  },
      {23,  2,   3,   0,    40  },
      {23,  3,   3,   0,    16  },
      {23,  3,   3,   0,    0   },
      {23,  3,   3,   0x41, 1   },
      {23,  3,   3,   0xFF, 0xFF},
      {0,   0,   0,   0,    0   },
      {'H', 'T', 'T', 'P',  '/' }
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(heads); i++) {
    for (size_t piece = 1; piece <= 5; piece++) {
      tf_tls_record_t rec = {0};
      assert_true(tf_tls_record_init(&rec, 0x1302, secret, 48));
      memcpy(stream, heads[i], 5);
      assert_int_equal(read_all(&rec, 5, piece, 100), TF_TLS_RECORD_FAULT);
      assert_int_equal(read_all(&rec, 5, piece, 100), TF_TLS_RECORD_FAULT); /* and stays so */
      tf_tls_record_fini(&rec);
    }
  }
}

static void every_flipped_bit_is_noticed_and_nothing_of_the_record_is_shown(void **state) {
  (void)state;
  for (size_t i = 0; i < TF_ARRAY_CNT(suites); i++) {
    sealer_t s;
    sealer_init(&s, suites[i], secret);
    const size_t first = seal_script(&s, "Dfirst");
    sealer_init(&s, suites[i], secret);
    const size_t all = seal_script(&s, "Dfirst Dsecond");
    for (size_t bit = first * 8; bit < all * 8; bit++) {
      tf_tls_record_t rec = {0};
      uint8_t         plain[100];
      size_t          got, rx_cnt = all;
      const uint8_t  *rx = stream;
      stream[bit / 8] ^= (uint8_t)(1u << bit % 8);
      assert_true(tf_tls_record_init(&rec, suites[i], secret, s.secret_cnt));
      memset(plain, 0, sizeof plain);
      const tf_tls_record_status_t status =
          tf_tls_record_read(&rec, &rx, &rx_cnt, plain, sizeof plain, &got);
      /* A longer length waits for bytes that never come; all else is a fault. */
      if (status != TF_TLS_RECORD_FAULT) {
        assert_int_equal(status, TF_TLS_RECORD_MORE);
        assert_true(bit / 8 == first + 3 || bit / 8 == first + 4);
      }
      assert_int_equal(got, 5);
      for (size_t b = 6; b < sizeof plain; b++) /* [5]: the first record's type */
        assert_int_equal(plain[b], 0);
      tf_tls_record_fini(&rec);
      stream[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
  }
}

static void replayed_dropped_and_swapped_records_are_noticed(void **state) {
  (void)state;
  static const char *const orders[] = {"001", "02", "10", "1"};
  for (size_t o = 0; o < TF_ARRAY_CNT(orders); o++) {
    uint8_t         records[3][64];
    size_t          cnts[3], at = 0;
    sealer_t        s;
    tf_tls_record_t rec = {0};
    sealer_init(&s, 0x1303, secret);
    for (int i = 0; i < 3; i++) {
      const uint8_t inner[2] = {(uint8_t)('0' + i), 23};
      cnts[i]                = sealer_seal(&s, inner, 2, records[i]);
    }
    for (const char *p = orders[o]; *p; p++) {
      memcpy(stream + at, records[*p - '0'], cnts[*p - '0']);
      at += cnts[*p - '0'];
    }
    assert_true(tf_tls_record_init(&rec, 0x1303, secret, 32));
    assert_int_equal(read_all(&rec, at, at, 100), TF_TLS_RECORD_FAULT);
    assert_int_equal(seen_cnt, orders[o][0] == '0' ? 1 : 0);
    tf_tls_record_fini(&rec);
  }
}

static void a_flood_of_empty_records_ends(void **state) {
  (void)state;
  static const uint8_t inner[] = {23};
  for (int extra = 0; extra < 2; extra++) {
    sealer_t        s;
    tf_tls_record_t rec = {0};
    size_t          at  = 0;
    sealer_init(&s, 0x1301, secret);
    for (int i = 0; i < TF_TLS_RECORD_EMPTY_MAX + extra; i++)
      at += sealer_seal(&s, inner, 1, stream + at);
    assert_true(tf_tls_record_init(&rec, 0x1301, secret, 32));
    assert_int_equal(read_all(&rec, at, at, 100), extra ? TF_TLS_RECORD_FAULT : TF_TLS_RECORD_MORE);
    tf_tls_record_fini(&rec);
  }
}

static void empty_records_between_data_are_no_flood(void **state) {
  (void)state;
  static const uint8_t empty[] = {23}, one[] = {'x', 23};
  sealer_t             s;
  tf_tls_record_t      rec = {0};
  size_t               at  = 0;
  sealer_init(&s, 0x1301, secret);
  for (int i = 0; i < 3 * TF_TLS_RECORD_EMPTY_MAX; i++) {
    at += sealer_seal(&s, empty, 1, stream + at);
    at += sealer_seal(&s, one, 2, stream + at);
  }
  assert_true(tf_tls_record_init(&rec, 0x1301, secret, 32));
  assert_int_equal(read_all(&rec, at, at, 1000), TF_TLS_RECORD_MORE);
  assert_int_equal(seen_cnt, 3 * TF_TLS_RECORD_EMPTY_MAX);
  tf_tls_record_fini(&rec);
}

/* RFC 8448 section 3: the server's application traffic secret, key and IV. */
static void keys_match_the_trace_of_rfc_8448(void **state) {
  (void)state;
  static const uint8_t traffic[] = {0xa1, 0x1a, 0xf9, 0xf0, 0x55, 0x31, 0xf8, 0x56,
                                    0xad, 0x47, 0x11, 0x6b, 0x45, 0xa9, 0x50, 0x32,
                                    0x82, 0x04, 0xb4, 0xf4, 0x4b, 0xfb, 0x6b, 0x3a,
                                    0x4b, 0x4f, 0x1f, 0x3f, 0xcb, 0x63, 0x16, 0x43};
  static const uint8_t key[]     = {0x9f, 0x02, 0x28, 0x3b, 0x6c, 0x9c, 0x07, 0xef,
                                    0xc2, 0x6b, 0xb9, 0xf2, 0xac, 0x92, 0xe3, 0x56};
  static const uint8_t iv[]      = {0xcf, 0x78, 0x2b, 0x88, 0xdd, 0x83,
                                    0x54, 0x9a, 0xad, 0xf1, 0xe9, 0x84};
  uint8_t              out[32];
  assert_true(tf_tls_record_expand(EVP_sha256(), traffic, 32, "key", out, 16));
  assert_memory_equal(out, key, 16);
  assert_true(tf_tls_record_expand(EVP_sha256(), traffic, 32, "iv", out, 12));
  assert_memory_equal(out, iv, 12);
  assert_false(tf_tls_record_expand(EVP_sha256(), traffic, 32, "key", out, 33));
}

static void other_suites_and_wrong_secrets_are_not_taken_over(void **state) {
  (void)state;
  tf_tls_record_t rec = {0};
  assert_false(tf_tls_record_init(&rec, 0x1304, secret, 32));
  assert_false(tf_tls_record_init(&rec, 0xC02F, secret, 32));
  assert_false(tf_tls_record_init(&rec, 0x1301, secret, 48));
  assert_false(tf_tls_record_init(&rec, 0x1302, secret, 32));
  assert_null(rec.cipher);
  tf_tls_record_fini(&rec);
  tf_tls_record_fini(&rec);
}

int main(void) {
  for (size_t i = 0; i < sizeof secret; i++) secret[i] = (uint8_t)(i * 7 + 1);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(heads_that_cannot_be_are_refused_before_their_record_comes),
      cmocka_unit_test(every_flipped_bit_is_noticed_and_nothing_of_the_record_is_shown),
      cmocka_unit_test(replayed_dropped_and_swapped_records_are_noticed),
      cmocka_unit_test(a_flood_of_empty_records_ends),
      cmocka_unit_test(empty_records_between_data_are_no_flood),
      cmocka_unit_test(other_suites_and_wrong_secrets_are_not_taken_over),
      cmocka_unit_test(sizes_hold_at_n_and_n_plus_1),
      cmocka_unit_test(records_mean_the_same_at_every_split_and_room),
      cmocka_unit_test(keys_match_the_trace_of_rfc_8448),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
