/* One writer thread that never waits, two reader threads with pauses, records with a checksum over
 * words that change with every record: none is ever torn, and the ledger balances. */
#include "cmocka_tf.h"

#include <pthread.h>
#include <sched.h>

#include "tf/bcast.h"

#define WORDS 16
#define SLOTS 64
#ifdef __SANITIZE_THREAD__
#define RECORD_CNT 200000u
#else
#define RECORD_CNT 2000000u
#endif

static TF_ALIGNED(128) uint8_t memory[256 + SLOTS * 192];
static uint64_t finished; /* atomic: the writer has written its last */

typedef struct reader_job {
  tf_bcast_reader_t reader;
  uint32_t          pause_every; /* records; 0: reads as hard as it can */
  uint64_t          torn_cnt, disorder_cnt, overrun_cnt;
} reader_job_t;

static uint64_t checksum(const uint64_t *words) {
  uint64_t sum = 0;
  for (int i = 0; i < WORDS - 1; i++) sum = (sum ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
  return sum;
}

static void *write_all(void *arg) {
  tf_bcast_writer_t *w = arg;
  uint64_t           record[WORDS];
  for (uint64_t n = 0; n < RECORD_CNT; n++) {
    for (uint64_t i = 0; i < WORDS - 1; i++) record[i] = w->next_seq + (i << 56);
    record[WORDS - 1] = checksum(record);
    tf_bcast_write(w, record, WORDS);
    if (n % 1000 == 0) sched_yield(); /* on one core the readers get a turn */
  }
  tf_store_release(&finished, 1); /* pairs with: read_all */
  return NULL;
}

static void *read_all(void *arg) {
  reader_job_t *job      = arg;
  uint64_t      expected = job->reader.next_seq;
  uint64_t      record[WORDS];
  for (;;) {
    bool              last   = tf_load_acquire(&finished) != 0; /* pairs with: write_all */
    tf_bcast_result_t result = tf_bcast_read(&job->reader, record, WORDS);
    if (result == TF_BCAST_EMPTY) {
      if (last) return NULL;
      sched_yield();
    } else if (result == TF_BCAST_OVERRUN) {
      job->overrun_cnt++;
      job->disorder_cnt += job->reader.lost_from != expected;
      expected = job->reader.lost_to + 1;
    } else {
      job->torn_cnt += record[WORDS - 1] != checksum(record);
      job->disorder_cnt += record[0] != expected++;
      if (job->pause_every && job->reader.read_cnt % job->pause_every == 0) sched_yield();
    }
  }
}

static void readers_get_whole_records_and_an_exact_account_of_the_rest(void **state) {
  (void)state;
  tf_bcast_writer_t writer;
  reader_job_t      jobs[2] = {{.pause_every = 0}, {.pause_every = 50}};
  pthread_t         threads[3];
  assert_non_null(tf_bcast_new(memory, SLOTS, WORDS, 0 - (uint64_t)RECORD_CNT / 2));
  assert_null(tf_bcast_writer_join(&writer, memory, sizeof memory, WORDS));
  for (int i = 0; i < 2; i++)
    assert_null(tf_bcast_reader_join(&jobs[i].reader, memory, sizeof memory, WORDS));

  assert_int_equal(pthread_create(&threads[0], NULL, read_all, &jobs[0]), 0);
  assert_int_equal(pthread_create(&threads[1], NULL, read_all, &jobs[1]), 0);
  assert_int_equal(pthread_create(&threads[2], NULL, write_all, &writer), 0);
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < 2; i++) {
    print_message("reader %d: %llu read, %llu lost in %llu overruns\n", i,
                  (unsigned long long)jobs[i].reader.read_cnt,
                  (unsigned long long)jobs[i].reader.lost_cnt,
                  (unsigned long long)jobs[i].overrun_cnt);
    assert_int_equal(jobs[i].torn_cnt, 0);
    assert_int_equal(jobs[i].disorder_cnt, 0);
    assert_int_equal(jobs[i].reader.read_cnt + jobs[i].reader.lost_cnt, RECORD_CNT);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(readers_get_whole_records_and_an_exact_account_of_the_rest),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
