/* Two threads, records whose words depend on each other, random batches. Run under ThreadSanitizer
 * too. */
#include "cmocka_tf.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "flow/ring.h"

#ifdef __SANITIZE_THREAD__
#define RECORD_CNT 200000u
#else
#define RECORD_CNT 1000000u
#endif
#define BATCH_MAX 24u

static TF_ALIGNED(128) uint8_t memory[1 << 20];

typedef struct job {
  tf_ring_t *ring;
  uint32_t   words;
  uint64_t   wrong_cnt;
} job_t;

static uint64_t word_of(uint64_t number, uint32_t idx) {
  return (number + idx + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static void *produce(void *arg) {
  job_t           *job = arg;
  tf_ring_writer_t writer;
  uint64_t         records[BATCH_MAX * 16];
  unsigned         seed = 1;
  tf_ring_writer_init(&writer, job->ring);
  for (uint64_t number = 0; number < RECORD_CNT;) {
    uint32_t n = (uint32_t)rand_r(&seed) % BATCH_MAX + 1;
    if (n > RECORD_CNT - number) n = (uint32_t)(RECORD_CNT - number);
    for (uint32_t i = 0; i < n; i++)
      for (uint32_t w = 0; w < job->words; w++)
        records[i * job->words + w] = word_of(number + i, w);
    uint32_t took = tf_ring_push(&writer, records, n);
    if (took == 0) sched_yield(); /* one core: let the consumer run */
    number += took;
  }
  job->wrong_cnt += writer.refused_cnt;
  return NULL;
}

static void run(uint32_t slot_bytes, uint64_t slot_cnt) {
  job_t job = {.words = slot_bytes / 8};
  job.ring  = tf_ring_new_at(memory, slot_cnt, slot_bytes, UINT64_MAX - RECORD_CNT / 2);
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, produce, &job), 0);

  tf_ring_reader_t reader;
  uint64_t         records[BATCH_MAX * 16];
  uint64_t         wrong_cnt = 0;
  unsigned         seed      = 2;
  tf_ring_reader_init(&reader, job.ring);
  for (uint64_t number = 0; number < RECORD_CNT;) {
    uint32_t n = tf_ring_pop(&reader, records, (uint32_t)rand_r(&seed) % BATCH_MAX + 1);
    if (n == 0) sched_yield();
    for (uint32_t i = 0; i < n; i++)
      for (uint32_t w = 0; w < job.words; w++)
        wrong_cnt += records[i * job.words + w] != word_of(number + i, w);
    number += n;
    wrong_cnt += tf_ring_fill_cnt(job.ring) > slot_cnt;
  }
  pthread_join(thread, NULL);
  assert_int_equal(wrong_cnt, 0);
  assert_int_equal(job.wrong_cnt + reader.refused_cnt, 0);
  assert_int_equal(tf_ring_published_cnt(job.ring), RECORD_CNT);
  assert_int_equal(tf_ring_consumed_cnt(job.ring), RECORD_CNT);
  assert_int_equal(tf_ring_pop(&reader, records, 1), 0);
}

static void two_threads_lose_and_damage_nothing(void **state) {
  (void)state;
  run(64, 1024);
  run(128, 64);
}

static void two_threads_lose_and_damage_nothing_in_a_tiny_ring(void **state) {
  (void)state;
  run(80, 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(two_threads_lose_and_damage_nothing),
      cmocka_unit_test(two_threads_lose_and_damage_nothing_in_a_tiny_ring),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
