/* A bell between those who hand over and one who sleeps: all orders of their steps one by one, and then threads. */
#include "cmocka_tf.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "core/bell.h"

#define WRITERS     2
#define MESSAGES    2                        /* of each */
#define STEPS       (2 * WRITERS * MESSAGES) /* of the writers: hand over, ring */
#define ROUNDS      2                        /* of the sleeper's: seen, look, arm */
#define PLACES      (STEPS + 3 * ROUNDS)
#define STRESS_CNT  20000u
#define WAIT_MS_MAX 60000 /* a wake that is lost is one that never comes */

/* Bytes that wait at the ear; they are taken. */
static int heard(tf_bell_t *bell) {
  char bytes[16];
  int  n = (int)recv(bell->ear_fd, bytes, sizeof bytes, MSG_DONTWAIT);
  return n < 0 ? 0 : n;
}

static void only_who_rings_for_a_sleeper_makes_a_byte(void **state) {
  (void)state;
  tf_bell_t bell;
  assert_int_equal(tf_bell_init(&bell), TF_OK);
  tf_bell_ring(NULL);
  tf_bell_ring(&bell);
  assert_int_equal(heard(&bell), 0);
  uint64_t seen = tf_bell_seen(&bell);
  assert_true(tf_bell_arm(&bell, seen));
  for (int i = 0; i < 5; i++) tf_bell_ring(&bell);
  assert_int_equal(heard(&bell), 1);
  tf_bell_disarm(&bell);
  assert_false(tf_bell_arm(&bell, seen)); /* it was rung since */
  tf_bell_ring(&bell);
  assert_int_equal(heard(&bell), 0);
  assert_true(tf_bell_arm(&bell, tf_bell_seen(&bell)));
  tf_bell_disarm(&bell); /* woken by something else */
  tf_bell_ring(&bell);
  assert_int_equal(heard(&bell), 0);
  tf_bell_fini(&bell);
  bell = (tf_bell_t){0};
  tf_bell_fini(&bell);
}

/* ---- all orders ---- */

typedef struct world {
  tf_bell_t bell;
  uint32_t  handed, looked, sleeper_step;
  uint32_t  writer_steps[WRITERS];
  uint64_t  seen;
  bool      is_asleep;
} world_t;

static void writer_step(world_t *w, int writer) {
  if (w->writer_steps[writer]++ % 2 == 0)
    w->handed++;
  else
    tf_bell_ring(&w->bell);
}

static void sleeper_step(world_t *w) {
  if (w->is_asleep) {
    if (heard(&w->bell) == 0) return;
    tf_bell_disarm(&w->bell);
    w->is_asleep = false;
    return;
  }
  switch (w->sleeper_step++ % 3) {
  case 0: w->seen = tf_bell_seen(&w->bell); break;
  case 1: w->looked = w->handed; break;
  default: w->is_asleep = tf_bell_arm(&w->bell, w->seen);
  }
}

/* order: who goes at each place; -1: the sleeper. Behind them the sleeper goes on until it sleeps for good. */
static void try_order(world_t *w, const int *order) {
  w->handed = w->looked = w->sleeper_step = 0;
  w->is_asleep                            = false;
  memset(w->writer_steps, 0, sizeof w->writer_steps);
  for (int i = 0; i < PLACES; i++) {
    if (order[i] < 0)
      sleeper_step(w);
    else
      writer_step(w, order[i]);
  }
  for (int i = 0; i < 9; i++) sleeper_step(w);
  assert_true(w->is_asleep);
  assert_int_equal(heard(&w->bell), 0);
  assert_int_equal(w->looked, WRITERS * MESSAGES);
  tf_bell_disarm(&w->bell);
}

static uint32_t try_all(world_t *w, int *order, int place, int sleeper_left,
                        int left[static WRITERS]) {
  uint32_t cnt = 0;
  if (place == PLACES) {
    try_order(w, order);
    return 1;
  }
  if (sleeper_left > 0) {
    order[place] = -1;
    cnt += try_all(w, order, place + 1, sleeper_left - 1, left);
  }
  for (int writer = 0; writer < WRITERS; writer++) {
    if (left[writer] == 0) continue;
    order[place] = writer;
    left[writer]--;
    cnt += try_all(w, order, place + 1, sleeper_left, left);
    left[writer]++;
  }
  return cnt;
}

static void in_no_order_of_steps_is_a_wake_lost(void **state) {
  (void)state;
  static world_t w;
  int            order[PLACES], left[WRITERS];
  for (int i = 0; i < WRITERS; i++) left[i] = 2 * MESSAGES;
  assert_int_equal(tf_bell_init(&w.bell), TF_OK);
  uint32_t cnt = try_all(&w, order, 0, 3 * ROUNDS, left);
  print_message("%u orders\n", cnt);
  assert_true(cnt > 100000);
  tf_bell_fini(&w.bell);
}

/* ---- threads ---- */

typedef struct writer {
  tf_bell_t *bell;
  pthread_t  thread;
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t handed;
} writer_t;

static void *hand_over(void *self) {
  writer_t *w = self;
  for (uint64_t i = 1; i <= STRESS_CNT; i++) {
    tf_store_release(&w->handed, i); /* pairs with: all_handed */
    tf_bell_ring(w->bell);
    if (i % 64 == 0) poll(NULL, 0, 1); /* so that the other side comes to sleep */
  }
  return NULL;
}

static uint64_t all_handed(const writer_t *writers) {
  uint64_t sum = 0;
  for (int i = 0; i < WRITERS; i++)
    sum += tf_load_acquire(&writers[i].handed); /* pairs with: hand_over */
  return sum;
}

static void a_sleeper_sees_all_that_threads_hand_over(void **state) {
  (void)state;
  static writer_t writers[WRITERS];
  tf_bell_t       bell;
  uint64_t        looked = 0, sleeps = 0;
  assert_int_equal(tf_bell_init(&bell), TF_OK);
  for (int i = 0; i < WRITERS; i++) {
    writers[i] = (writer_t){.bell = &bell};
    assert_int_equal(pthread_create(&writers[i].thread, NULL, hand_over, &writers[i]), 0);
  }
  while (looked < (uint64_t)WRITERS * STRESS_CNT) {
    uint64_t seen = tf_bell_seen(&bell), handed = all_handed(writers);
    bool     is_news = handed > looked;
    looked           = handed;
    if (is_news || !tf_bell_arm(&bell, seen)) continue;
    struct pollfd ear = {.fd = bell.ear_fd, .events = POLLIN};
    assert_int_equal(poll(&ear, 1, WAIT_MS_MAX), 1);
    tf_bell_disarm(&bell);
    heard(&bell);
    sleeps++;
  }
  for (int i = 0; i < WRITERS; i++) pthread_join(writers[i].thread, NULL);
  print_message("%llu sleeps\n", (unsigned long long)sleeps);
  assert_true(sleeps > 0);
  tf_bell_fini(&bell);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(only_who_rings_for_a_sleeper_makes_a_byte),
      cmocka_unit_test(in_no_order_of_steps_is_a_wake_lost),
      cmocka_unit_test(a_sleeper_sees_all_that_threads_hand_over),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
