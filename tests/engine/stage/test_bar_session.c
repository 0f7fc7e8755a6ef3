/* Sessions against the C library's calendar, and spans against the promise that they tile each session. */
#include "cmocka_tf.h"

#include <time.h>

#include "stage/bar_session.h"

#define HOUR   (3600 * TF_NS_PER_SEC)
#define MINUTE (60 * TF_NS_PER_SEC)

/* 2024-08-05 was a Monday. */
#define MONDAY (UINT64_C(1722816000) * TF_NS_PER_SEC)

static uint64_t seed = 1;

static uint64_t draw(uint64_t below) {
  seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (seed >> 20) % below;
}

/* Whether t is in a session, by gmtime: of the local day, or of the one before it. */
static bool calendar_says(const tf_bar_session_t *s, uint64_t t) {
  for (int back = 0; back < 2; back++) {
    const int64_t local = (int64_t)t + s->offset_ns - back * (int64_t)TF_BAR_DAY_NS;
    const time_t  sec   = (time_t)(local / (int64_t)TF_NS_PER_SEC);
    struct tm     tm;
    gmtime_r(&sec, &tm);
    const uint64_t of_day =
        (uint64_t)(tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec) * TF_NS_PER_SEC +
        (uint64_t)(local % (int64_t)TF_NS_PER_SEC) + (uint64_t)back * TF_BAR_DAY_NS;
    const int monday_based = (tm.tm_wday + 6) % 7;
    if (of_day >= s->open_ns && of_day - s->open_ns < s->length_ns && (s->days >> monday_based & 1))
      return true;
  }
  return false;
}

static tf_bar_session_t any_session(void) {
  return (tf_bar_session_t){.length_ns = (1 + draw(1440)) * MINUTE,
                            .open_ns   = draw(1440) * MINUTE,
                            .offset_ns = ((int64_t)draw(29) - 14) * (int64_t)HOUR,
                            .days      = (uint32_t)(1 + draw(127))};
}

static void session_holds_what_the_calendar_says(void **state) {
  (void)state;
  uint32_t inside = 0;
  for (int i = 0; i < 200000; i++) {
    const tf_bar_session_t s = any_session();
    const uint64_t         t = MONDAY + draw(60 * 86400) * TF_NS_PER_SEC + draw(TF_NS_PER_SEC);
    tf_bar_interval_t      span;
    const bool             is_inside = tf_bar_session_span(&s, HOUR, t, &span);
    inside += is_inside;
    assert_int_equal(is_inside, calendar_says(&s, t));
  }
  assert_true(inside > 30000 && inside < 170000);
}

static void spans_tile_each_session_from_its_opening_to_its_end(void **state) {
  (void)state;
  for (int i = 0; i < 20000; i++) {
    const tf_bar_session_t s       = any_session();
    const uint64_t         span_ns = (1 + draw(300)) * MINUTE;
    uint64_t               t       = MONDAY + draw(60 * 86400) * TF_NS_PER_SEC;
    tf_bar_interval_t      a       = tf_bar_session_next(&s, span_ns, t), in;
    assert_true(a.end_ns > t && a.begin_ns < a.end_ns && a.end_ns - a.begin_ns <= span_ns);
    assert_true(calendar_says(&s, a.begin_ns) && calendar_says(&s, a.end_ns - 1));
    assert_true(tf_bar_session_span(&s, span_ns, a.end_ns - 1, &in));
    assert_true(in.begin_ns == a.begin_ns && in.end_ns == a.end_ns);
    const tf_bar_interval_t b = tf_bar_session_next(&s, span_ns, a.end_ns);
    assert_true(b.begin_ns >= a.end_ns);
    if (b.begin_ns == a.end_ns) continue;
    assert_false(calendar_says(&s, a.end_ns)); /* only a session's end leaves a hole */
    assert_false(calendar_says(&s, b.begin_ns - 1));
    const uint64_t local = b.begin_ns + (uint64_t)s.offset_ns;
    assert_int_equal(local % TF_BAR_DAY_NS, s.open_ns);
  }
}

static void last_spans_are_found_backwards_as_they_are_forwards(void **state) {
  (void)state;
  for (int i = 0; i < 3000; i++) {
    tf_bar_session_t s = any_session();
    if (i % 5 == 0) s.length_ns = 0;
    const uint64_t span_ns = (30 + draw(300)) * MINUTE, cnt = 1 + draw(30);
    const uint64_t begin =
        tf_bar_session_next(&s, span_ns, MONDAY + draw(86400) * TF_NS_PER_SEC).begin_ns;
    uint64_t t = begin;
    for (uint64_t k = 0; k < cnt; k++) t = tf_bar_session_next(&s, span_ns, t).end_ns;
    assert_int_equal(tf_bar_session_back(&s, span_ns, t, cnt), begin);
    assert_int_equal(tf_bar_session_back(&s, span_ns, t + draw(MINUTE), cnt), begin);
    assert_true(tf_bar_session_back(&s, span_ns, t - 1, cnt) < begin);
  }
  const tf_bar_session_t s = {.length_ns = HOUR, .days = 1};
  assert_int_equal(tf_bar_session_back(&s, HOUR, 30 * TF_BAR_DAY_NS, 1000), 0);
}

static void without_sessions_spans_are_multiples_since_1970(void **state) {
  (void)state;
  const tf_bar_session_t none = {0};
  tf_bar_interval_t      span;
  assert_true(tf_bar_session_span(&none, 7 * HOUR, 5500, &span));
  assert_true(span.begin_ns == 0 && span.end_ns == 7 * HOUR);
  assert_true(tf_bar_session_span(&none, 7 * HOUR, MONDAY, &span));
  assert_int_equal(span.begin_ns % (7 * HOUR), 0);
}

static void sessions_at_both_ends_of_time_do_not_wrap(void **state) {
  (void)state;
  const tf_bar_session_t s = {.length_ns = TF_BAR_DAY_NS,
                              .open_ns   = 23 * HOUR,
                              .offset_ns = -14 * (int64_t)HOUR,
                              .days      = TF_BAR_DAYS_ALL};
  tf_bar_interval_t      span;
  assert_true(tf_bar_session_span(&s, TF_BAR_DAY_NS, 1, &span));
  assert_true(span.begin_ns == 0 && span.end_ns > 1 && span.end_ns <= TF_BAR_DAY_NS);
  for (uint64_t t = TF_BAR_TIME_NS_MAX - 1; t != TF_BAR_TIME_NS_MAX + 2; t++) {
    assert_true(tf_bar_session_span(&s, UINT64_MAX, t, &span));
    assert_true(span.begin_ns < span.end_ns && span.end_ns - span.begin_ns <= TF_BAR_DAY_NS);
  }
  assert_true(tf_bar_session_span(&s, HOUR, UINT64_MAX, &span));
  assert_true(span.begin_ns <= TF_BAR_TIME_NS_MAX);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(session_holds_what_the_calendar_says),
      cmocka_unit_test(spans_tile_each_session_from_its_opening_to_its_end),
      cmocka_unit_test(last_spans_are_found_backwards_as_they_are_forwards),
      cmocka_unit_test(without_sessions_spans_are_multiples_since_1970),
      cmocka_unit_test(sessions_at_both_ends_of_time_do_not_wrap),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
