/* One producer thread, one consumer thread with pauses: no record torn, none twice, none out of order, every one in
 * exactly one account, and of each key the latest arrives. */
#include "cmocka_tf.h"

#include <pthread.h>
#include <sched.h>

#include "adapters/sink/outq_fixture.h"
#include "tf/atomic.h"

#define SLOTS 64u
#define BATCH 32u
#define KEYS  (FIXTURE_INSTRUMENTS * FIXTURE_STRATEGIES)
#ifdef __SANITIZE_THREAD__
#define RECORD_CNT 100000u
#else
#define RECORD_CNT 1000000u
#endif

typedef struct job {
  tf_outq_t *queue;
  uint64_t   finished; /* atomic: all is offered */
} job_t;

static void *produce(void *arg) {
  job_t        *job = arg;
  tf_decision_t records[BATCH];
  uint64_t      seq = 1;
  for (uint32_t turn = 0; seq <= RECORD_CNT; turn++) {
    uint32_t n = turn % BATCH + 1;
    if (n > RECORD_CNT - seq + 1) n = (uint32_t)(RECORD_CNT - seq + 1);
    for (uint32_t i = 0; i < n; i++) records[i] = fixture_record(seq + i);
    for (uint32_t done = 0; done < n;) {
      uint32_t k = tf_outq_offer(job->queue, records + done, n - done);
      done += k;
      if (k == 0) sched_yield();
    }
    seq += n;
    if (turn % 64 == 0) sched_yield(); /* on one core the other gets a turn */
  }
  tf_store_release(&job->finished, 1); /* pairs with: consume */
  return NULL;
}

typedef struct tally {
  uint64_t taken, missed, last_seq, torn, disorder, empty, had[KEYS];
} tally_t;

static void consume(job_t *job, tally_t *t) {
  tf_decision_t records[BATCH];
  for (bool over = false; !over;) {
    bool     last = tf_load_acquire(&job->finished) != 0; /* pairs with: produce */
    uint64_t missed;
    uint32_t k = tf_outq_take(job->queue, records, BATCH, &missed);
    over       = last && k == 0 && missed == 0;
    t->missed += missed;
    t->taken += k;
    for (uint32_t i = 0; i < k; i++) {
      uint64_t seq = records[i].decision_seq;
      t->torn += !fixture_is_whole(&records[i]);
      t->disorder += seq <= t->last_seq;
      t->last_seq              = seq;
      t->had[fixture_key(seq)] = seq;
    }
    t->empty += k == 0;
    if (k == 0 || t->taken % 5 == 0) sched_yield();
  }
}

static void check(tf_overflow_t policy) {
  void     *memory;
  job_t     job = {.queue = fixture_queue(policy, SLOTS, &memory)};
  tally_t   t   = {0};
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, produce, &job), 0);
  consume(&job, &t);
  pthread_join(thread, NULL);
  assert_int_equal(t.torn, 0);
  assert_int_equal(t.disorder, 0);
  assert_int_equal(tf_outq_pending(job.queue), 0);
  assert_int_equal(tf_outq_offered(job.queue), RECORD_CNT);
  assert_int_equal(t.taken + tf_outq_dropped(job.queue) + tf_outq_conflated(job.queue), RECORD_CNT);
  if (policy == TF_OVERFLOW_BLOCK) assert_int_equal(t.taken, RECORD_CNT);
  if (policy != TF_OVERFLOW_DROP_NEWEST) assert_int_equal(t.last_seq, RECORD_CNT);
  if (policy == TF_OVERFLOW_DROP_OLDEST) assert_int_equal(t.missed, tf_outq_dropped(job.queue));
  if (policy == TF_OVERFLOW_CONFLATE) {
    assert_int_equal(t.missed, tf_outq_conflated(job.queue));
    uint64_t latest[KEYS] = {0};
    for (uint64_t seq = 1; seq <= RECORD_CNT; seq++) latest[fixture_key(seq)] = seq;
    for (uint32_t key = 0; key < KEYS; key++) assert_int_equal(t.had[key], latest[key]);
  }
  free(memory);
}

static void block_hands_over_every_record(void **state) {
  (void)state;
  check(TF_OVERFLOW_BLOCK);
}
static void drop_newest_accounts_for_every_record(void **state) {
  (void)state;
  check(TF_OVERFLOW_DROP_NEWEST);
}
static void drop_oldest_accounts_for_every_record_and_ends_with_the_last(void **state) {
  (void)state;
  check(TF_OVERFLOW_DROP_OLDEST);
}
static void conflate_accounts_for_every_record_and_ends_with_the_latest(void **state) {
  (void)state;
  check(TF_OVERFLOW_CONFLATE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(block_hands_over_every_record),
      cmocka_unit_test(drop_newest_accounts_for_every_record),
      cmocka_unit_test(drop_oldest_accounts_for_every_record_and_ends_with_the_last),
      cmocka_unit_test(conflate_accounts_for_every_record_and_ends_with_the_latest),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
