/* Two threads and messages of random lengths, each byte a function of the message's number. Run under ThreadSanitizer
 * too. */
#include "cmocka_tf.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "source/inbox.h"

#ifdef __SANITIZE_THREAD__
#define MESSAGE_CNT 20000u
#else
#define MESSAGE_CNT 200000u
#endif
#define CAPACITY 16384u
#define LONGEST  (CAPACITY / TF_INBOX_MESSAGES_IN_CAPACITY)

static TF_ALIGNED(128) uint8_t memory[2 * CAPACITY];

static uint32_t length_of(uint64_t number) {
  uint64_t hash = (number + 1) * UINT64_C(0x9e3779b97f4a7c15) >> 32;
  return (uint32_t)(hash % 16 ? hash % 300 : hash % (LONGEST + 1));
}

static uint8_t byte_of(uint64_t number, uint32_t idx) { return (uint8_t)(number * 131 + idx * 17); }

static void *put_all(void *self) {
  tf_inbox_t *inbox = self;
  char        bytes[LONGEST];
  char        target[32];
  for (uint64_t number = 0; number < MESSAGE_CNT; number++) {
    uint32_t length = length_of(number);
    for (uint32_t i = 0; i < length; i++) bytes[i] = (char)byte_of(number, i);
    snprintf(target, sizeof target, "subject.%llu", (unsigned long long)number);
    tf_inbox_message_t m = {.position  = number,
                            .bytes_cnt = length,
                            .kind      = TF_FRAME_TEXT,
                            .target    = target,
                            .bytes     = bytes};
    while (!tf_inbox_put(inbox, &m)) sched_yield(); /* one core: let the reader run */
  }
  return NULL;
}

static void two_threads_lose_and_damage_nothing(void **state) {
  (void)state;
  assert_true(tf_inbox_bytes(CAPACITY) <= sizeof memory);
  tf_inbox_t *inbox = tf_inbox_init(memory, CAPACITY);
  pthread_t   thread;
  char        target[32];
  uint64_t    wrong_cnt = 0;
  assert_int_equal(pthread_create(&thread, NULL, put_all, inbox), 0);
  for (uint64_t number = 0; number < MESSAGE_CNT;) {
    tf_inbox_message_t m;
    if (!tf_inbox_peek(inbox, &m)) {
      sched_yield();
      continue;
    }
    wrong_cnt += tf_inbox_waiting(inbox) == 0 || tf_inbox_taken(inbox) != number;
    snprintf(target, sizeof target, "subject.%llu", (unsigned long long)number);
    wrong_cnt += m.position != number || m.bytes_cnt != length_of(number);
    wrong_cnt += strcmp(m.target, target) != 0;
    for (uint32_t i = 0; i < m.bytes_cnt; i++)
      wrong_cnt += (uint8_t)m.bytes[i] != byte_of(number, i);
    for (uint32_t i = 0; i < TF_BYTES_PAD; i++) wrong_cnt += m.bytes[m.bytes_cnt + i] != 0;
    tf_inbox_drop(inbox);
    number++;
  }
  pthread_join(thread, NULL);
  assert_int_equal(wrong_cnt, 0);
  assert_int_equal(tf_inbox_waiting(inbox), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(two_threads_lose_and_damage_nothing)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
