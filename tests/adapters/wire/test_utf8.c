#include "wire/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmocka_tf.h"

/* The reference, by value and not by table: decodes a code point from its bit fields, then asks
 * whether this was its shortest form and a scalar value. Returns the index of the first byte at
 * which no valid text goes on, cnt if there is none; *complete: it may end here. */
static bool reference_extends(const uint8_t *bytes, size_t have, size_t need) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  uint32_t              low     = bytes[0] & (need == 1 ? 0x7Fu : 0x7Fu >> need);
  for (size_t i = 1; i < have; i++) low = low << 6 | (bytes[i] & 0x3Fu);
  const unsigned open_bits = 6 * (unsigned)(need - have);
  const uint32_t high      = (low + 1) << open_bits;
  low <<= open_bits;
  /* Some scalar value in [low, high) has its shortest form in need bytes. */
  const uint32_t from = low > least[need] ? low : least[need];
  const uint32_t to   = high - 1 < 0x10FFFF ? high - 1 : 0x10FFFF;
  return from <= to && !(from >= 0xD800 && to <= 0xDFFF);
}

static size_t reference_fault(const uint8_t *bytes, size_t cnt, bool *complete) {
  size_t at = 0;
  *complete = true;
  while (at < cnt) {
    const uint8_t first = bytes[at];
    const size_t  need  = first < 0x80             ? 1
                          : (first & 0xE0) == 0xC0 ? 2
                          : (first & 0xF0) == 0xE0 ? 3
                          : (first & 0xF8) == 0xF0 ? 4
                                                   : 0;
    if (need == 0) return at;
    size_t have = 1;
    for (;; have++) {
      if (!reference_extends(bytes + at, have, need)) return at + have - 1;
      if (have == need) break;
      if (at + have == cnt) {
        *complete = false;
        return cnt;
      }
      if ((bytes[at + have] & 0xC0) != 0x80) return at + have;
    }
    at += need;
  }
  return cnt;
}

static size_t first_fault(const uint8_t *bytes, size_t cnt, bool *complete) {
  tf_utf8_t utf8 = {0};
  for (size_t i = 0; i < cnt; i++) {
    if (!tf_utf8_update(&utf8, bytes + i, 1)) return i;
  }
  *complete = tf_utf8_complete(&utf8);
  return cnt;
}

static void check_sequence(const uint8_t *bytes, size_t cnt) {
  bool         complete = false, expected_complete = false;
  const size_t expected = reference_fault(bytes, cnt, &expected_complete);
  const size_t found    = first_fault(bytes, cnt, &complete);
  if (found != expected) {
    for (size_t i = 0; i < cnt; i++) print_error("%02x ", bytes[i]);
    print_error(": fault at %zu, expected %zu\n", found, expected);
  }
  assert_int_equal(found, expected);
  if (found == cnt) assert_int_equal(complete, expected_complete);
  assert_int_equal(tf_utf8_valid(bytes, cnt), found == cnt && complete);
}

static void every_fault_is_found_at_its_first_byte(void **state) {
  (void)state;
  static const uint8_t edges[] = {0x00, 0x41, 0x7F, 0x80, 0x81, 0x8F, 0x90, 0x9F, 0xA0, 0xA1, 0xBE,
                                  0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF,
                                  0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF8, 0xFC, 0xFE, 0xFF};
  const unsigned       n       = sizeof edges;
  uint8_t              bytes[4];
  for (unsigned a = 0; a < 256; a++) {
    bytes[0] = (uint8_t)a;
    check_sequence(bytes, 1);
    for (unsigned b = 0; b < 256; b++) {
      bytes[1] = (uint8_t)b;
      check_sequence(bytes, 2);
    }
    for (unsigned i = 0; i < n * n; i++) {
      bytes[1] = edges[i / n];
      bytes[2] = edges[i % n];
      check_sequence(bytes, 3);
      if (a < 0xE0) continue;
      for (unsigned j = 0; j < n; j++) {
        bytes[3] = edges[j];
        check_sequence(bytes, 4);
      }
    }
  }
}

static void a_fault_behind_ascii_is_found_at_any_offset(void **state) {
  (void)state;
  static const struct {
    const char *bytes;
    bool        valid;
  } tails[] = {
      {"\x80",             false},
      {"\xC3\xA9",         true },
      {"\xC3",             false},
      {"\xED\xA0\x80",     false},
      {"\xE2\x82",         false},
      {"\xF0\x9F\x9A\x80", true }
  };
  for (size_t t = 0; t < TF_ARRAY_CNT(tails); t++) {
    const size_t tail_cnt = strlen(tails[t].bytes);
    for (size_t before = 0; before < 150; before++) {
      for (size_t after = 0; after < 40; after += 13) {
        const size_t cnt  = before + tail_cnt + after;
        uint8_t     *text = malloc(cnt); /* exactly: the sanitizer sees a read beyond */
        memset(text, 'a', cnt);
        memcpy(text + before, tails[t].bytes, tail_cnt);
        assert_int_equal(tf_utf8_valid(text, cnt), tails[t].valid);
        for (size_t cut = 0; cut <= cnt; cut += 7) {
          tf_utf8_t  utf8 = {0};
          const bool ok   = tf_utf8_update(&utf8, text, cut) &&
                          tf_utf8_update(&utf8, text + cut, cnt - cut) && tf_utf8_complete(&utf8);
          assert_int_equal(ok, tails[t].valid);
        }
        free(text);
      }
    }
  }
}

static uint32_t xorshift(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  return *state ^= *state << 5;
}

static void random_texts_agree_with_pythons_decoder(void **state) {
  (void)state;
  enum { TEXT_CNT = 4000, TEXT_BYTES = 24 };
  static uint8_t texts[TEXT_CNT][TEXT_BYTES];
  static uint8_t cnts[TEXT_CNT];
  if (access("/usr/bin/python3", X_OK) != 0) skip();
  char path[] = "/tmp/tf_utf8_XXXXXX";
  int  fd     = mkstemp(path);
  assert_true(fd >= 0);
  FILE    *file = fdopen(fd, "w");
  uint32_t seed = 20261;
  for (int t = 0; t < TEXT_CNT; t++) {
    while (cnts[t] < TEXT_BYTES - 4) { /* mostly valid code points, now and then a random byte */
      const uint32_t r = xorshift(&seed);
      uint8_t       *p = texts[t] + cnts[t];
      switch (r % 8) {
      case 0: *p++ = (uint8_t)(r >> 8); break;
      case 1:
      case 2: *p++ = (uint8_t)(r >> 8) & 0x7F; break;
      case 3:
      case 4:
        *p++ = (uint8_t)(0xC2 + (r >> 8) % 30);
        *p++ = 0x80 | ((r >> 16) & 0x3F);
        break;
      case 5:
      case 6:
        *p++ = 0xE0 | ((r >> 8) & 0xF);
        *p++ = 0x80 | ((r >> 12) & 0x3F);
        *p++ = 0x80 | ((r >> 18) & 0x3F);
        break;
      default:
        *p++ = 0xF0 | ((r >> 8) & 0x7);
        *p++ = 0x80 | ((r >> 11) & 0x3F);
        *p++ = 0x80 | ((r >> 17) & 0x3F);
        *p++ = 0x80 | ((r >> 23) & 0x3F);
      }
      cnts[t] = (uint8_t)(p - texts[t]);
    }
    for (int i = 0; i < cnts[t]; i++) fprintf(file, "%02x", texts[t][i]);
    fputc('\n', file);
  }
  fclose(file);
  char command[512];
  snprintf(command, sizeof command,
           "/usr/bin/python3 -c \"\n"
           "for line in open('%s'):\n"
           "  b=bytes.fromhex(line); i=len(b); f=1\n"
           "  for n in range(len(b)+1):\n"
           "    try: b[:n].decode(); f=1\n"
           "    except UnicodeDecodeError as e:\n"
           "      f=0\n"
           "      if e.reason!='unexpected end of data': i=n-1; break\n"
           "  print(i,f)\n\"",
           path);
  FILE *python = popen(command, "r");
  assert_non_null(python);
  int valid_cnt = 0;
  for (int t = 0; t < TEXT_CNT; t++) {
    int  fault = -1, whole = -1;
    bool complete = false;
    assert_int_equal(fscanf(python, "%d %d", &fault, &whole), 2);
    assert_int_equal(first_fault(texts[t], cnts[t], &complete), fault);
    assert_int_equal(tf_utf8_valid(texts[t], cnts[t]), whole);
    valid_cnt += whole;
  }
  pclose(python);
  unlink(path);
  assert_in_range(valid_cnt, 50, TEXT_CNT - 50);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_fault_is_found_at_its_first_byte),
      cmocka_unit_test(a_fault_behind_ascii_is_found_at_any_offset),
      cmocka_unit_test(random_texts_agree_with_pythons_decoder),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
