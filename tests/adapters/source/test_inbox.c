/* The inbox on one thread: what goes in comes out, in order, in one piece, wherever the ring's indices stand. */
#include "cmocka_tf.h"

#include <stdlib.h>
#include <string.h>

#include "source/inbox.h"

#define CAPACITY TF_INBOX_CAPACITY_BYTES_MIN
#define LONGEST  (CAPACITY / TF_INBOX_MESSAGES_IN_CAPACITY)

static TF_ALIGNED(128) uint8_t memory[1 << 17];
static char bytes[LONGEST + 1];

static tf_inbox_t *fresh(void) {
  memset(memory, 0xaa, sizeof memory);
  assert_true(tf_inbox_bytes(CAPACITY) <= sizeof memory);
  return tf_inbox_init(memory, CAPACITY);
}

static tf_inbox_message_t made(uint64_t number, uint32_t bytes_cnt, const char *target) {
  for (uint32_t i = 0; i < bytes_cnt; i++) bytes[i] = (char)(number * 31 + i * 7);
  return (tf_inbox_message_t){.recv_ns   = number * 1000,
                              .position  = number,
                              .bytes_cnt = bytes_cnt,
                              .kind      = number % 2 ? TF_FRAME_TEXT : TF_FRAME_BINARY,
                              .target    = target,
                              .bytes     = bytes};
}

static void expect(tf_inbox_t *inbox, uint64_t number, uint32_t bytes_cnt, const char *target) {
  tf_inbox_message_t wanted = made(number, bytes_cnt, target), m;
  assert_true(tf_inbox_peek(inbox, &m));
  assert_int_equal(m.recv_ns, wanted.recv_ns);
  assert_int_equal(m.position, wanted.position);
  assert_int_equal(m.bytes_cnt, bytes_cnt);
  assert_int_equal(m.kind, wanted.kind);
  assert_string_equal(m.target, target);
  assert_memory_equal(m.bytes, bytes, bytes_cnt);
  const uint8_t *end = memory + tf_inbox_bytes(CAPACITY);
  assert_true((const uint8_t *)m.bytes + bytes_cnt + TF_BYTES_PAD <= end);
}

static void capacities_are_powers_of_two_in_their_range(void **state) {
  (void)state;
  assert_int_equal(tf_inbox_bytes(0), 0);
  assert_int_equal(tf_inbox_bytes(CAPACITY / 2), 0);
  assert_int_equal(tf_inbox_bytes(CAPACITY + 1), 0);
  assert_true(tf_inbox_bytes(CAPACITY) > CAPACITY);
  assert_true(tf_inbox_bytes(TF_INBOX_CAPACITY_BYTES_MAX) > TF_INBOX_CAPACITY_BYTES_MAX);
  assert_int_equal(tf_inbox_bytes(TF_INBOX_CAPACITY_BYTES_MAX * 2), 0);
  assert_int_equal(tf_inbox_capacity_for(0), CAPACITY);
  assert_int_equal(tf_inbox_capacity_for(LONGEST), CAPACITY);
  assert_int_equal(tf_inbox_capacity_for(LONGEST + 1), 2 * CAPACITY);
  assert_int_equal(tf_inbox_capacity_for(UINT32_MAX / 4), TF_INBOX_CAPACITY_BYTES_MAX);
  assert_int_equal(tf_inbox_capacity_for(UINT32_MAX), 0);
}

static void an_empty_inbox_has_nothing(void **state) {
  (void)state;
  tf_inbox_t        *inbox = fresh();
  tf_inbox_message_t m;
  assert_false(tf_inbox_peek(inbox, &m));
  assert_int_equal(tf_inbox_waiting(inbox), 0);
}

static void a_message_comes_out_as_it_went_in_and_stays_until_it_is_dropped(void **state) {
  (void)state;
  tf_inbox_t        *inbox = fresh();
  tf_inbox_message_t m     = made(7, 100, "EVENTS.okx.BTC-USDT");
  assert_true(tf_inbox_put(inbox, &m));
  memset(bytes, 0, sizeof bytes);
  expect(inbox, 7, 100, "EVENTS.okx.BTC-USDT");
  expect(inbox, 7, 100, "EVENTS.okx.BTC-USDT");
  assert_int_equal(tf_inbox_waiting(inbox), 1);
  assert_int_equal(tf_inbox_taken(inbox), 0);
  tf_inbox_drop(inbox);
  assert_int_equal(tf_inbox_waiting(inbox), 0);
  assert_int_equal(tf_inbox_taken(inbox), 1);
  assert_false(tf_inbox_peek(inbox, &m));
}

static void a_put_rings_and_so_does_a_reader_that_leaves_something(void **state) {
  (void)state;
  tf_inbox_t        *inbox = fresh();
  tf_inbox_message_t m     = made(1, 10, "t");
  tf_bell_t          bell;
  assert_int_equal(tf_bell_init(&bell), TF_OK);
  tf_inbox_set_bell(inbox, &bell);
  uint64_t seen = tf_bell_seen(&bell);
  assert_true(tf_inbox_put(inbox, &m));
  assert_false(tf_bell_arm(&bell, seen));
  seen = tf_bell_seen(&bell);
  tf_inbox_leave(inbox);
  assert_false(tf_bell_arm(&bell, seen));
  seen = tf_bell_seen(&bell);
  assert_true(tf_inbox_peek(inbox, &m));
  tf_inbox_drop(inbox);
  assert_true(tf_bell_arm(&bell, seen));
  tf_bell_fini(&bell);
}

static void an_empty_message_and_the_longest_target_go_through(void **state) {
  (void)state;
  tf_inbox_t *inbox = fresh();
  char        target[TF_INBOX_TARGET_BYTES_MAX];
  memset(target, 'T', sizeof target - 1);
  target[sizeof target - 1] = '\0';
  tf_inbox_message_t m      = made(1, 0, target);
  m.bytes                   = NULL;
  assert_true(tf_inbox_put(inbox, &m));
  m = made(2, 0, "");
  assert_true(tf_inbox_put(inbox, &m));
  expect(inbox, 1, 0, target);
  tf_inbox_drop(inbox);
  expect(inbox, 2, 0, "");
}

static void a_full_inbox_refuses_and_takes_again_behind_a_drop(void **state) {
  (void)state;
  tf_inbox_t        *inbox = fresh();
  tf_inbox_message_t m     = made(0, 900, "t");
  uint64_t           cnt   = 0;
  while (tf_inbox_put(inbox, &m)) m = made(++cnt, 900, "t");
  assert_int_equal(cnt, CAPACITY / 1024);
  assert_int_equal(tf_inbox_waiting(inbox), cnt);
  assert_false(tf_inbox_put(inbox, &m));
  expect(inbox, 0, 900, "t");
  m = made(cnt, 900, "t");
  assert_false(tf_inbox_put(inbox, &m)); /* peeked at is not dropped */
  tf_inbox_drop(inbox);
  assert_true(tf_inbox_put(inbox, &m));
  for (uint64_t i = 1; i <= cnt; i++) {
    expect(inbox, i, 900, "t");
    tf_inbox_drop(inbox);
  }
}

static void the_longest_message_fits_wherever_the_indices_stand(void **state) {
  (void)state;
  for (uint32_t before = 0; before < CAPACITY / TF_LINE_BYTES; before++) {
    tf_inbox_t *inbox = fresh();
    for (uint32_t i = 0; i < before; i++) { /* moves both indices by a few lines a time */
      tf_inbox_message_t m = made(i, 1, "x");
      assert_true(tf_inbox_put(inbox, &m));
      expect(inbox, i, 1, "x");
      tf_inbox_drop(inbox);
    }
    tf_inbox_message_t m = made(9, LONGEST, "x");
    assert_true(tf_inbox_put(inbox, &m));
    expect(inbox, 9, LONGEST, "x");
    tf_inbox_drop(inbox);
    assert_int_equal(tf_inbox_waiting(inbox), 0);
  }
}

/* Against a queue of numbers: any lengths, any filling. */
static void any_run_of_puts_and_drops_keeps_order_and_content(void **state) {
  (void)state;
  tf_inbox_t *inbox = fresh();
  uint64_t    put = 0, taken = 0;
  uint32_t    lengths[64];
  unsigned    seed = 11;
  for (uint32_t step = 0; step < 200000; step++) {
    uint32_t length = (uint32_t)rand_r(&seed) % (rand_r(&seed) % 8 ? 200 : LONGEST + 1);
    if (rand_r(&seed) % 2) {
      tf_inbox_message_t m = made(put, length, "subject");
      if (tf_inbox_put(inbox, &m)) lengths[put++ % 64] = length;
    } else if (taken < put) {
      expect(inbox, taken, lengths[taken % 64], "subject");
      tf_inbox_drop(inbox);
      taken++;
    }
    assert_int_equal(tf_inbox_waiting(inbox), put - taken);
  }
  assert_true(taken > 10000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(capacities_are_powers_of_two_in_their_range),
      cmocka_unit_test(an_empty_inbox_has_nothing),
      cmocka_unit_test(a_message_comes_out_as_it_went_in_and_stays_until_it_is_dropped),
      cmocka_unit_test(a_put_rings_and_so_does_a_reader_that_leaves_something),
      cmocka_unit_test(an_empty_message_and_the_longest_target_go_through),
      cmocka_unit_test(a_full_inbox_refuses_and_takes_again_behind_a_drop),
      cmocka_unit_test(the_longest_message_fits_wherever_the_indices_stand),
      cmocka_unit_test(any_run_of_puts_and_drops_keeps_order_and_content),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
