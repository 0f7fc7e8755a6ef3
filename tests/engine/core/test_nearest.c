#include "cmocka_tf.h"

#include <string.h>

#include "core/nearest.h"

static const char *near(const char *wanted) {
  static const char *const names[] = {"name", "venue", NULL, "channels", "insecure", "cpu", "io"};
  return tf_nearest_name(wanted, names, TF_ARRAY_CNT(names));
}

static void a_name_too_far_away_is_not_offered(void **state) {
  (void)state;
  assert_null(near("xyz"));
  assert_null(near("venison")); /* 3 away of 7 letters */
  assert_null(near(""));
  assert_null(near("gpuu"));
  assert_null(tf_nearest_name("a", NULL, 0));
}

static void one_edit_of_each_kind_is_forgiven(void **state) {
  (void)state;
  assert_string_equal(near("venue"), "venue");
  assert_string_equal(near("venu"), "venue");
  assert_string_equal(near("venuee"), "venue");
  assert_string_equal(near("vemue"), "venue");
  assert_string_equal(near("evnue"), "venue");
  assert_string_equal(near("VENUE"), "venue");
  assert_string_equal(near("gpu"), "cpu");
}

static void a_third_of_the_letters_may_differ(void **state) {
  (void)state;
  assert_string_equal(near("chanels"), "channels");
  assert_string_equal(near("chnanles"), "channels");
  assert_string_equal(near("unsecured"), "insecure");
}

static void the_nearest_wins_and_the_first_of_equals(void **state) {
  (void)state;
  static const char *const names[] = {"abcx", "abcy", "abc"};
  assert_string_equal(tf_nearest_name("abcd", names, 3), "abcx");
  assert_string_equal(tf_nearest_name("abcy", names, 3), "abcy");
}

static void long_names_are_compared_by_their_beginning(void **state) {
  (void)state;
  char        wanted[1000], other[1000];
  const char *names[] = {other};
  memset(wanted, 'a', sizeof wanted);
  memset(other, 'a', sizeof other);
  wanted[999] = other[900] = '\0';
  assert_ptr_equal(tf_nearest_name(wanted, names, 1), other);
}

/* The textbook's full-matrix distance with neighbours swapped, against the three rows. */
static uint32_t plain_distance(const char *a, const char *b) {
  uint32_t d[10][10];
  size_t   n = strlen(a), m = strlen(b);
  for (size_t i = 0; i <= n; i++)
    for (size_t j = 0; j <= m; j++) {
      uint32_t best = i == 0 ? (uint32_t)j : j == 0 ? (uint32_t)i : 100;
      if (i && j) {
        uint32_t cost = a[i - 1] != b[j - 1];
        best          = d[i - 1][j - 1] + cost;
        if (d[i - 1][j] + 1 < best) best = d[i - 1][j] + 1;
        if (d[i][j - 1] + 1 < best) best = d[i][j - 1] + 1;
        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
            d[i - 2][j - 2] + 1 < best)
          best = d[i - 2][j - 2] + 1;
      }
      d[i][j] = best;
    }
  return d[n][m];
}

static void it_agrees_with_the_textbook_on_short_words(void **state) {
  (void)state;
  uint64_t seed = 1;
  for (int round = 0; round < 20000; round++) {
    char a[10], b[10];
    for (int w = 0; w < 2; w++) {
      char    *word = w ? b : a;
      uint32_t cnt  = 0;
      seed          = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
      cnt           = (uint32_t)(seed >> 60) % 9;
      for (uint32_t i = 0; i < cnt; i++) word[i] = (char)('a' + (seed >> (20 + 2 * i)) % 3);
      word[cnt] = '\0';
    }
    const char *names[] = {b};
    uint32_t    max     = strlen(a) / 3 > 1 ? (uint32_t)(strlen(a) / 3) : 1;
    bool        offered = tf_nearest_name(a, names, 1) != NULL;
    if (offered != (plain_distance(a, b) <= max)) fail_msg("\"%s\" and \"%s\"", a, b);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_name_too_far_away_is_not_offered),
      cmocka_unit_test(one_edit_of_each_kind_is_forgiven),
      cmocka_unit_test(a_third_of_the_letters_may_differ),
      cmocka_unit_test(the_nearest_wins_and_the_first_of_equals),
      cmocka_unit_test(long_names_are_compared_by_their_beginning),
      cmocka_unit_test(it_agrees_with_the_textbook_on_short_words),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
