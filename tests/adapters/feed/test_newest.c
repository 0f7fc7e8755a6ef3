#include "cmocka_tf.h"

#include <string.h>

#include "feed/newest.h"

#define S TF_NS_PER_SEC

static tf_newest_t newest;
static uint64_t    now_ns;
static bool        by_time; /* the order is the message's time; else its number */

static int setup(void **state) {
  (void)state;
  memset(&newest, 0, sizeof newest);
  now_ns = 1000 * S;
  return 0;
}

static bool bring(uint16_t connection, uint8_t leg, uint64_t order) {
  tf_frame_t frame = {.recv_ns = now_ns, .connection = connection, .leg = leg};
  return by_time ? tf_newest_takes(&newest, &frame, 0, order)
                 : tf_newest_takes(&newest, &frame, order, 77);
}
#define NEWS(connection, leg, order) assert_true(bring(connection, leg, order))
#define OLD(connection, leg, order)  assert_false(bring(connection, leg, order))

static void one_connection_is_never_doubted(void **state) {
  (void)state;
  NEWS(1, 0, 5), NEWS(1, 0, 5), NEWS(1, 0, 3), NEWS(1, 0, 4), NEWS(1, 0, 9);
  for (uint32_t i = 0; i < 70000; i++) NEWS(1, 0, 9); /* more than its counts can hold */
}

static void what_another_brought_is_left_out(void **state) {
  (void)state;
  NEWS(1, 0, 5), OLD(2, 1, 4), OLD(2, 1, 5), NEWS(2, 1, 6), OLD(1, 0, 6), NEWS(1, 0, 7);
}

static void messages_of_one_order_are_told_by_their_number(void **state) {
  (void)state;
  NEWS(1, 0, 5), NEWS(1, 0, 5), NEWS(1, 0, 5);
  OLD(2, 1, 5), OLD(2, 1, 5), OLD(2, 1, 5), NEWS(2, 1, 5);
  OLD(1, 0, 5), NEWS(1, 0, 5);
}

static void messages_of_one_number_are_told_by_their_time(void **state) {
  (void)state;
  tf_frame_t a = {.recv_ns = now_ns, .connection = 1},
             b = {.recv_ns = now_ns, .connection = 2, .leg = 1};
  assert_true(tf_newest_takes(&newest, &a, 5, 10));
  assert_true(tf_newest_takes(&newest, &b, 5, 11));
  assert_false(tf_newest_takes(&newest, &a, 5, 11));
  assert_false(tf_newest_takes(&newest, &a, 4, 12)); /* the number comes first */
  assert_true(tf_newest_takes(&newest, &a, 6, 1));
}

static void connection_in_anothers_place_counts_anew(void **state) {
  (void)state;
  NEWS(1, 0, 5), NEWS(1, 0, 5), OLD(2, 1, 5);
  OLD(3, 0, 5), OLD(3, 0, 5), NEWS(3, 0, 5);
}

static void what_steps_back_behind_what_another_brought_is_left_out(void **state) {
  (void)state;
  NEWS(1, 0, 5), NEWS(1, 0, 3), OLD(2, 1, 5), OLD(2, 1, 3), NEWS(2, 1, 6), OLD(1, 0, 4);
}

static void venue_that_starts_over_is_believed_when_the_newest_is_old(void **state) {
  (void)state;
  for (int64_t off = -1; off <= 1; off++) {
    setup(NULL);
    NEWS(1, 0, 500);
    now_ns += TF_NEWEST_STUCK_NS + (uint64_t)off;
    OLD(2, 1, 500);
    assert_int_equal(bring(2, 1, 1), off > 0);
    if (off > 0) OLD(1, 0, 1), NEWS(1, 0, 2);
  }
}

/* A stream whose orders ascend, several messages of one among them; legs bring it late, each in order, die
 * and come again where they were: exactly the stream is taken. */
static void any_course_of_several_is_what_one_would_bring(void **state) {
  (void)state;
  uint64_t rng = 88172645463325252u;
  for (uint32_t run = 0; run < 300; run++) {
    setup(NULL);
    enum { MESSAGES = 400, LEGS = TF_TAP_LEGS_MAX };
    uint64_t order[MESSAGES], at[LEGS] = {0}, taken = 0;
    uint16_t connection[LEGS], connection_cnt = 0;
    for (uint32_t i = 0; i < MESSAGES; i++) {
      rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17;
      order[i] = i == 0 ? 7 : order[i - 1] + (rng % 3 == 0) * (1 + rng % 100);
    }
    uint32_t legs = 2 + run % (LEGS - 1);
    for (uint32_t i = 0; i < legs; i++) connection[i] = ++connection_cnt;
    while (taken < MESSAGES) {
      rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17;
      uint32_t leg = (uint32_t)(rng >> 33) % legs;
      if ((rng & 0xff) ==
          0) { /* one is exchanged for a connection that begins at an order's first */
        connection[leg] = ++connection_cnt;
        while (at[leg] > 0 && order[at[leg]] == order[at[leg] - 1]) at[leg]--;
        continue;
      }
      if (at[leg] == MESSAGES) continue;
      uint64_t n = at[leg]++;
      assert_int_equal(bring(connection[leg], (uint8_t)leg, order[n]), n == taken);
      taken += n == taken;
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(one_connection_is_never_doubted, setup),
      cmocka_unit_test_setup(what_another_brought_is_left_out, setup),
      cmocka_unit_test_setup(messages_of_one_order_are_told_by_their_number, setup),
      cmocka_unit_test_setup(messages_of_one_number_are_told_by_their_time, setup),
      cmocka_unit_test_setup(connection_in_anothers_place_counts_anew, setup),
      cmocka_unit_test_setup(what_steps_back_behind_what_another_brought_is_left_out, setup),
      cmocka_unit_test_setup(venue_that_starts_over_is_believed_when_the_newest_is_old, setup),
      cmocka_unit_test_setup(any_course_of_several_is_what_one_would_bring, setup),
  };
  int failed = cmocka_run_group_tests_name("by number", tests, NULL, NULL);
  by_time    = true;
  return failed + cmocka_run_group_tests_name("by time", tests, NULL, NULL);
}
