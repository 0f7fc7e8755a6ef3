/* The scanner over a corpus of what is JSON, what is not, and what is between: as the whole message,
 * as a value that is skipped and one that is wanted, with and without prediction, at every offset
 * within a vector, with an unreadable page behind the pad. */
#include "cmocka_tf.h"

#include <sys/mman.h>
#include <unistd.h>

#include "json_probe.h"

#define TEXT_MAX   8192u
#define OFFSET_CNT 64u

typedef struct row {
  const char      *class_name, *name, *text;
  size_t           cnt;
  tf_json_result_t result;
} row_t;

#define Y(name, text)         {"y", name, text, sizeof(text) - 1, TF_JSON_OK},
#define N(name, text)         {"n", name, text, sizeof(text) - 1, TF_JSON_SYNTAX},
#define I(name, text, result) {"i", name, text, sizeof(text) - 1, result},
static const row_t corpus[] = {
#include "json_suite.def"
};

static tf_json_orders_t orders[3];
static probe_t          probe, other;
static char            *guarded; /* TEXT_MAX readable bytes, then a page that is not */

static tf_json_result_t read_at(const char *text, size_t cnt, bool predict) {
  char *at = guarded + TEXT_MAX - TF_BYTES_PAD - cnt;
  memcpy(at, text, cnt);
  memset(at + cnt, '0', TF_BYTES_PAD);
  return probe_read(&probe, predict ? orders : NULL, at, cnt);
}

static void expect(const row_t *row, const char *text, size_t cnt, tf_json_result_t expected) {
  for (int round = 0; round < 3; round++) { /* without prediction, unlearned, learned */
    const tf_json_result_t result = read_at(text, cnt, round > 0);
    if (result != expected)
      print_error("%s %s, round %d: %d, not %d: %.*s\n", row->class_name, row->name, round, result,
                  expected, (int)(cnt < 200 ? cnt : 200), text);
    assert_int_equal(result, expected);
  }
}

/* A text that opens a value and does not end it, or ends more than it opened, means something else
 * inside another. */
static bool is_closed(const row_t *row) {
  const char *last = row->cnt ? row->text + row->cnt - 1 : "";
  return row->result == TF_JSON_OK ||
         (row->cnt && (*last == ']' || *last == '}') && row->text[0] == '[' &&
          row->result == TF_JSON_SYNTAX && strncmp(row->name, "number", 6) == 0);
}

static void each_row_is_judged_as_the_standard_does(void **state) {
  (void)state;
  for (size_t i = 0; i < TF_ARRAY_CNT(corpus); i++) {
    const row_t *row = &corpus[i];
    expect(row, row->text, row->cnt, row->result);
  }
  assert_true(TF_ARRAY_CNT(corpus) >= 300);
}

static void the_same_inside_other_values(void **state) {
  (void)state;
  static const char *const before[] = {
      "{\"x\":", "{\"p\":", "{\"e\":\"t\",\"b\":", "{\"data\":", "{\"E\":1,\"m\":"};
  for (size_t i = 0; i < TF_ARRAY_CNT(corpus); i++) {
    const row_t *row = &corpus[i];
    if (!is_closed(row) || strncmp(row->name, "depth", 5) == 0 ||
        strncmp(row->name, "objects", 7) == 0)
      continue;
    for (size_t b = 0; b < TF_ARRAY_CNT(before); b++) {
      char         text[TEXT_MAX / 2];
      const size_t head = strlen(before[b]);
      memcpy(text, before[b], head);
      memcpy(text + head, row->text, row->cnt);
      text[head + row->cnt] = '}';
      expect(row, text, head + row->cnt + 1, row->result);
    }
  }
}

static void the_same_at_every_offset_and_behind_every_blank(void **state) {
  (void)state;
  for (size_t i = 0; i < TF_ARRAY_CNT(corpus); i++) {
    const row_t *row = &corpus[i];
    if (row->cnt == 0 || row->text[0] == '\xef') continue; /* a byte order mark stands first */
    for (size_t blanks = 1; blanks < OFFSET_CNT; blanks++) {
      char text[TEXT_MAX / 2];
      memset(text, ' ', blanks);
      memcpy(text + blanks, row->text, row->cnt);
      assert_int_equal(read_at(text, blanks + row->cnt, false), row->result);
      assert_int_equal(read_at(text, blanks + row->cnt, true), row->result);
    }
  }
}

/* Cut short it is no JSON, but where what is left is a whole value (a number, or blanks behind). */
static void every_beginning_of_a_row_is_read_without_harm(void **state) {
  (void)state;
  for (size_t i = 0; i < TF_ARRAY_CNT(corpus); i++) {
    const row_t *row = &corpus[i];
    for (size_t cnt = 0; cnt < row->cnt; cnt++) {
      const tf_json_result_t plain = read_at(row->text, cnt, false);
      other                        = probe;
      assert_int_equal(read_at(row->text, cnt, true), plain);
      if (row->text[0] == '{' || row->text[0] == '[') {
        const char *end  = row->text + cnt;
        const bool  over = cnt && (end[-1] == '}' || end[-1] == ']' || end[-1] == ' ' ||
                                  end[-1] == '\n' || end[-1] == '\t' || end[-1] == '\r');
        if (!over) assert_int_not_equal(plain, TF_JSON_OK);
      }
    }
  }
}

static void repeated_keys_are_counted_and_the_first_counts(void **state) {
  (void)state;
  static const char text[] = "{\"E\":1,\"e\":\"a\",\"E\":2,\"p\":\"3\",\"E\":4,\"p\":5}";
  for (int predict = 0; predict < 2; predict++) {
    assert_int_equal(read_at(text, sizeof text - 1, predict), TF_JSON_OK);
    assert_int_equal(probe.json.duplicate_key_cnt, 3);
    assert_int_equal(tf_json_u64(&probe.json, &probe.root_values[PROBE_TIME]), 1);
    assert_int_equal(probe.root_values[PROBE_P].as.mantissa, 3);
  }
}

static int set_up(void **state) {
  (void)state;
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char        *pages =
      mmap(NULL, TEXT_MAX + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED || TEXT_MAX % page || mprotect(pages + TEXT_MAX, page, PROT_NONE))
    return -1;
  guarded = pages;
  for (int i = 0; i < 3; i++) tf_json_orders_init(&orders[i]);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_row_is_judged_as_the_standard_does),
      cmocka_unit_test(the_same_inside_other_values),
      cmocka_unit_test(the_same_at_every_offset_and_behind_every_blank),
      cmocka_unit_test(every_beginning_of_a_row_is_read_without_harm),
      cmocka_unit_test(repeated_keys_are_counted_and_the_first_counts),
  };
  return cmocka_run_group_tests(tests, set_up, NULL);
}
