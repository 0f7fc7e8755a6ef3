/* WordPiece on cases worked out by hand. With arguments (VOCABULARY lowers|keeps CAP) it prints the tokens of each line of
 * hexadecimal bytes that it reads: what oracle_tokens.py compares. */
#include "cmocka_tf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "text/tokens.h"
#include "text/unicode.h"

#define CAP 64u

static const char *const LINES =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\nun\n##aff\n##able\nbank\n##s\n,\n##!\n!\nfed\n"
    "\xe4\xb8\xad\nmuller\na\n";
static tf_vocab_t vocab;
static uint32_t   tokens[CAP];
static bool       is_cut;

static int setup(void **state) {
  (void)state;
  return tf_vocab_init(&vocab, "lines", LINES, strlen(LINES));
}

static int teardown(void **state) {
  (void)state;
  tf_vocab_fini(&vocab);
  return 0;
}

static void names_of(const char *text, bool lowers, uint32_t cap, char *names) {
  uint32_t cnt = tf_tokens_of(&vocab, lowers, text, strlen(text), tokens, cap, &is_cut);
  names[0]     = 0;
  for (uint32_t i = 0; i < cnt; i++) {
    assert_in_range(tokens[i], 0, vocab.token_cnt - 1);
    const uint32_t at = vocab.at[tokens[i]];
    sprintf(names + strlen(names), "%s%.*s", i ? " " : "", (int)(vocab.at[tokens[i] + 1] - at),
            vocab.bytes + at);
  }
}

#define assert_tokens(text, wanted)                                                                \
  do {                                                                                             \
    char own_names[4096];                                                                          \
    names_of(text, true, CAP, own_names);                                                          \
    assert_string_equal(own_names, "[CLS] " wanted "[SEP]");                                       \
    assert_false(is_cut);                                                                          \
  } while (0)

static void the_longest_piece_comes_first(void **state) {
  (void)state;
  assert_tokens("unaffable banks", "un ##aff ##able bank ##s ");
  assert_tokens("unaffables", "un ##aff ##able ##s ");
}

static void a_word_that_is_not_all_pieces_is_unknown_whole(void **state) {
  (void)state;
  assert_tokens("unaffx bank", "[UNK] bank ");
  assert_tokens("saff", "[UNK] ");
}

static void punctuation_and_ideographs_stand_alone(void **state) {
  (void)state;
  assert_tokens("bank,bank!", "bank , bank ! ");
  assert_tokens("bank\xe4\xb8\xad"
                "bank",
                "bank \xe4\xb8\xad bank ");
}

static void case_and_marks_are_dropped_where_the_model_lowers(void **state) {
  (void)state;
  char names[256];
  assert_tokens("FED M\xc3\xbcller M\x75\xcc\x88ller", "fed muller muller ");
  names_of("FED fed", false, CAP, names);
  assert_string_equal(names, "[CLS] [UNK] fed [SEP]");
}

static void control_characters_and_broken_bytes_are_of_no_word(void **state) {
  (void)state;
  assert_tokens("ba\x01nk\xe2\x80\x8b", "bank ");           /* U+200B is of the format characters */
  assert_tokens("ba\xffnk \xc0\xaf \xed\xa0\x80", "bank "); /* too long, a surrogate */
  assert_tokens("bank\xe2\x80\x83"
                "bank\tbank\r\nbank",
                "bank bank bank bank ");
  assert_tokens("", "");
}

static void special_tokens_cannot_be_written(void **state) {
  (void)state;
  assert_tokens("[SEP]", "[UNK] [UNK] [UNK] ");
}

static void words_end_at_a_hundred_characters(void **state) {
  (void)state;
  char text[512], lines[1024];
  memset(text, 'a', sizeof text);
  snprintf(lines, sizeof lines, "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##a\n");
  tf_vocab_fini(&vocab);
  assert_int_equal(tf_vocab_init(&vocab, "lines", lines, strlen(lines)), TF_OK);
  static uint32_t many[200];
  const uint32_t  counts[] = {TF_TOKENS_WORD_CHARS_MAX - 1, TF_TOKENS_WORD_CHARS_MAX,
                              TF_TOKENS_WORD_CHARS_MAX + 1};
  for (uint32_t i = 0; i < 3; i++) {
    uint32_t cnt = tf_tokens_of(&vocab, true, text, counts[i], many, 200, &is_cut);
    assert_int_equal(cnt, counts[i] > TF_TOKENS_WORD_CHARS_MAX ? 3 : counts[i] + 2);
  }
}

static void what_has_no_room_is_cut_and_said(void **state) {
  (void)state;
  char names[256];
  names_of("bank bank bank", true, 5, names);
  assert_string_equal(names, "[CLS] bank bank bank [SEP]");
  assert_false(is_cut);
  names_of("bank bank bank  \n", true, 5, names);
  assert_false(is_cut);
  names_of("bank bank banks", true, 5, names);
  assert_string_equal(names, "[CLS] bank bank bank [SEP]");
  assert_true(is_cut);
  names_of("bank", true, TF_TOKENS_CNT_MIN, names);
  assert_false(is_cut);
}

static void refused(const char *lines, const char *said) {
  tf_vocab_t v;
  assert_int_equal(tf_vocab_init(&v, "words", lines, strlen(lines)), E_MODEL_FORMAT);
  if (!strstr(tf_error_text(), said)) fail_msg("\"%s\" does not say \"%s\"", tf_error_text(), said);
  assert_null(v.slots);
}

static void vocabularies_that_are_none_are_refused_by_line(void **state) {
  (void)state;
  char lines[512] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n";
  refused("[PAD]\n[UNK]\n[CLS]\n", "has no [SEP]");
  refused("[PAD]\n\n[UNK]\n", "words:2: an empty token");
  refused("[PAD]\na\nb\na\n", "words:4: \"a\" stands on line 2 too");
  refused("[PAD]\n\xff\n", "words:2: a token that is no UTF-8");
  const size_t at = strlen(lines);
  memset(lines + at, 'x', TF_VOCAB_TOKEN_BYTES_MAX);
  tf_vocab_t v;
  assert_int_equal(tf_vocab_init(&v, "words", lines, strlen(lines)), TF_OK);
  tf_vocab_fini(&v);
  lines[at + TF_VOCAB_TOKEN_BYTES_MAX] = 'x';
  refused(lines, "words:5: a token of 257 bytes");
}

static void as_many_tokens_as_the_limit_are_taken_and_one_more_is_not(void **state) {
  (void)state;
  static char lines[24 + (TF_VOCAB_TOKEN_CNT_MAX + 1) * 8];
  size_t      cnt = (size_t)sprintf(lines, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n");
  tf_vocab_t  v;
  for (uint32_t i = 4; i < TF_VOCAB_TOKEN_CNT_MAX; i++)
    cnt += (size_t)sprintf(lines + cnt, "%x\n", i);
  assert_int_equal(tf_vocab_init(&v, "words", lines, cnt - 1), TF_OK); /* the last has no end */
  assert_int_equal(v.token_cnt, TF_VOCAB_TOKEN_CNT_MAX);
  tf_vocab_fini(&v);
  cnt += (size_t)sprintf(lines + cnt, "one\n");
  assert_int_equal(tf_vocab_init(&v, "words", lines, cnt), E_MODEL_FORMAT);
  assert_non_null(strstr(tf_error_text(), "more than 1048576 tokens"));
}

static void characters_come_back_from_their_bytes(void **state) {
  (void)state;
  for (uint32_t c = 0; c < TF_UNICODE_CHARACTERS; c++) {
    uint8_t        bytes[TF_UNICODE_UTF8_MAX];
    const uint8_t *at           = bytes;
    const uint32_t cnt          = tf_unicode_put(c, bytes);
    const uint32_t back         = tf_unicode_next(&at, bytes + cnt);
    const bool     is_surrogate = c >= 0xd800 && c < 0xe000;
    if (back != (is_surrogate ? TF_UNICODE_INSTEAD : c)) fail_msg("U+%04X is U+%04X", c, back);
    if (!is_surrogate) assert_ptr_equal(at, bytes + cnt);
  }
}

/* ---- for the oracle ---- */

static char *whole(const char *path, size_t *cnt) {
  FILE *file = fopen(path, "rb");
  char *text = malloc(1 << 24);
  assert_non_null(file);
  assert_non_null(text);
  *cnt = fread(text, 1, 1 << 24, file);
  fclose(file);
  return text;
}

static int print_tokens(const char *path, bool lowers, uint32_t cap) {
  static char hex[1 << 16], text[1 << 15];
  size_t      cnt;
  char       *lines = whole(path, &cnt);
  uint32_t   *own   = calloc(cap, sizeof *own);
  if (!own || tf_vocab_init(&vocab, path, lines, cnt)) return 1;
  while (fgets(hex, sizeof hex, stdin)) {
    size_t bytes = 0;
    for (unsigned byte; sscanf(hex + 2 * bytes, "%2x", &byte) == 1; bytes++)
      text[bytes] = (char)byte;
    const uint32_t token_cnt = tf_tokens_of(&vocab, lowers, text, bytes, own, cap, &is_cut);
    printf("%d", is_cut);
    for (uint32_t i = 0; i < token_cnt; i++) printf(" %u", own[i]);
    putchar('\n');
  }
  tf_vocab_fini(&vocab);
  free(own);
  free(lines);
  return 0;
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(the_longest_piece_comes_first, setup, teardown),
      cmocka_unit_test_setup_teardown(a_word_that_is_not_all_pieces_is_unknown_whole, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(punctuation_and_ideographs_stand_alone, setup, teardown),
      cmocka_unit_test_setup_teardown(case_and_marks_are_dropped_where_the_model_lowers, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(control_characters_and_broken_bytes_are_of_no_word, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(special_tokens_cannot_be_written, setup, teardown),
      cmocka_unit_test_setup_teardown(words_end_at_a_hundred_characters, setup, teardown),
      cmocka_unit_test_setup_teardown(what_has_no_room_is_cut_and_said, setup, teardown),
      cmocka_unit_test(vocabularies_that_are_none_are_refused_by_line),
      cmocka_unit_test(as_many_tokens_as_the_limit_are_taken_and_one_more_is_not),
      cmocka_unit_test(characters_come_back_from_their_bytes),
  };
  if (argc == 4)
    return print_tokens(argv[1], !strcmp(argv[2], "lowers"), (uint32_t)strtoul(argv[3], NULL, 10));
  return cmocka_run_group_tests(tests, NULL, NULL);
}
