/* A lane and a worker on two threads: the lane gives up at random, comes round while the worker sleeps, and whatever is taken on
 * either side is whole. Run under ThreadSanitizer too. */
#include "cmocka_tf.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "core/clock.h"
#include "flow/mailbox_file.h"

#ifdef __SANITIZE_THREAD__
#define REQUEST_CNT 50000u
#else
#define REQUEST_CNT 300000u
#endif
#define INPUTS  32u
#define OUTPUTS 7u

typedef struct job {
  tf_mailbox_view_t view;
  uint64_t          taken, lost, wrong;
} job_t;

static float value_of(uint64_t seq, uint32_t row, uint32_t idx) {
  return (float)((seq * 31 + row * 7 + idx) % 8388593u);
}

static void *work(void *arg) {
  job_t   *job  = arg;
  unsigned seed = 7;
  while (!tf_load_acquire(&job->view.box->stop)) { /* pairs with: the lane's end */
    tf_mailbox_row_t row;
    uint32_t         row_cnt = 1;
    uint64_t         lost    = 0;
    float            values[INPUTS];
    for (uint32_t r = 0; r < row_cnt; r++) {
      tf_mailbox_take_t took = tf_mailbox_take(&job->view, r, &row_cnt, &row, values, &lost);
      if (took == TF_MAILBOX_LAPPED) {
        job->lost += lost;
        break;
      }
      if (took == TF_MAILBOX_EMPTY) {
        if (r == 0) break;
        r--; /* its other rows are on their way, or the lane comes round */
        if (tf_load_acquire(&job->view.box->stop)) break; /* pairs with: the lane's end */
        continue;
      }
      uint64_t seq = job->view.next_seq;
      job->wrong += row.number != (uint32_t)seq || row.instrument_idx != r;
      for (uint32_t i = 0; i < INPUTS; i++) job->wrong += values[i] != value_of(seq, r, i);
      float out[OUTPUTS];
      for (uint32_t i = 0; i < OUTPUTS; i++) out[i] = value_of(seq, r, i + 100);
      tf_mailbox_answer(&job->view, seq, r, TF_MAILBOX_OK, 5, out);
      if (r + 1 == row_cnt) {
        job->taken++;
        job->view.next_seq++;
      }
    }
    if (rand_r(&seed) % 4096 == 0) usleep(200); /* asleep: the lane comes round */
  }
  return NULL;
}

static void whatever_is_taken_is_whole(void **state) {
  (void)state;
  tf_mailbox_spec_t spec = {.epoch          = 1,
                            .slot_cnt       = 8,
                            .batch_max      = 4,
                            .input_cnt      = INPUTS,
                            .output_cnt     = OUTPUTS,
                            .instrument_cnt = 4,
                            .window         = 1};
  tf_mailbox_view_t lane;
  job_t             job = {0};
  int               fd;
  assert_int_equal(tf_mailbox_create(&spec, &lane, &fd), TF_OK);
  assert_int_equal(tf_mailbox_open(fd, &job.view), TF_OK);
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, work, &job), 0);

  uint64_t answered = 0, given_up = 0, wrong = 0;
  unsigned seed = 3;
  for (uint32_t n = 0; n < REQUEST_CNT; n++) {
    uint64_t seq     = lane.next_seq;
    uint32_t row_cnt = (uint32_t)rand_r(&seed) % 4 + 1;
    for (uint32_t r = 0; r < row_cnt; r++) {
      float values[INPUTS];
      for (uint32_t i = 0; i < INPUTS; i++) values[i] = value_of(seq, r, i);
      tf_mailbox_row_t row = {.instrument_idx = r, .number = (uint32_t)seq};
      tf_mailbox_post(&lane, r, row_cnt, &row, values);
    }
    lane.next_seq++;
    uint32_t polls = rand_r(&seed) % 8 == 0 ? 2 : 2000;
    bool     all   = true;
    for (uint32_t r = 0; r < row_cnt && all; r++) {
      tf_mailbox_answer_t answer;
      float               out[OUTPUTS];
      all = false;
      for (uint32_t i = 0; i < polls && !all; i++) {
        all = tf_mailbox_poll(&lane, seq, r, &answer, out);
        if (!all && i % 256 == 255) sched_yield(); /* one core */
      }
      if (!all) break;
      wrong += answer.status != TF_MAILBOX_OK;
      for (uint32_t i = 0; i < OUTPUTS; i++) wrong += out[i] != value_of(seq, r, i + 100);
    }
    if (all)
      answered++;
    else
      given_up++;
  }
  tf_store_release(&lane.box->stop, 1); /* pairs with: work */
  pthread_join(thread, NULL);
  assert_int_equal(wrong, 0);
  assert_int_equal(job.wrong, 0);
  assert_true(job.taken + job.lost <= REQUEST_CNT);
  assert_int_equal(answered + given_up, REQUEST_CNT);
  assert_true(answered > REQUEST_CNT / 100);
  assert_true(given_up > 0 && job.lost > 0); /* both were tried */
  tf_mailbox_close(&job.view);
  tf_mailbox_close(&lane);
  close(fd);
}

int main(void) {
  static const struct CMUnitTest tests[] = {cmocka_unit_test(whatever_is_taken_is_whole)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
