/* The shm stream between processes: readers stopped and continued, writers killed. */
#define TF_WEAVE_ENABLED
#include "cmocka_tf.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "core/error.h"
#include "flow/weave.h"
#include "stream_fixture.h"

void (*tf_weave_hook)(const char *point);

static stream_t stream;

/* What a reader process reports through its pipe. */
typedef struct report {
  uint64_t received, lost, torn, disorder, overruns;
  uint64_t lost_from, lost_to;
  int32_t  ended; /* the result that ended it */
} report_t;

typedef struct pipes {
  int from_child[2]; /* one byte a milestone, then the report */
} pipes_t;

static void tell(int fd, char milestone) { TF_ASSERT(write(fd, &milestone, 1) == 1); }

static void expect(int fd, char milestone) {
  char got = 0;
  assert_int_equal(read(fd, &got, 1), 1);
  assert_int_equal(got, milestone);
}

/* fork, but the child does not outlive a test that failed. */
static pid_t child_start(void) {
  pid_t parent = getpid(), pid = fork();
  TF_ASSERT(pid >= 0);
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(9);
  }
  return pid;
}

/* Reads until the stream ends, telling 'o' when open, 'r' after every read_every decisions and 'l'
 * at each overrun. */
static void reader_process(int fd, uint64_t read_every) {
  tf_reader_t   reader;
  tf_decision_t decision;
  report_t      report = {0};
  if (tf_reader_open(stream.name, &reader) != TF_OK) _exit(3);
  reader.dead_after_ns = 60 * TF_NS_PER_SEC; /* only closing ends it: this host may be slow */
  uint64_t expected    = reader.ring.next_seq;
  tell(fd, 'o');
  while (report.ended == 0) {
    tf_reader_result_t result = tf_reader_next(&reader, &decision);
    switch (result) {
    case TF_READER_READ:
      report.received++;
      report.torn += !stream_decision_whole(&decision);
      report.disorder += tf_reader_seq(&reader) != expected || decision.decision_seq != expected;
      expected++;
      if (report.received % read_every == 0) tell(fd, 'r');
      break;
    case TF_READER_OVERRUN:
      report.overruns++;
      report.disorder += reader.ring.lost_from != expected;
      report.lost_from = reader.ring.lost_from;
      report.lost_to   = reader.ring.lost_to;
      report.lost += report.lost_to - report.lost_from + 1;
      expected = report.lost_to + 1;
      tell(fd, 'l');
      break;
    case TF_READER_EMPTY: usleep(50); break;
    default: report.ended = (int32_t)result;
    }
  }
  tell(fd, 'e');
  TF_ASSERT(write(fd, &report, sizeof report) == sizeof report);
  _exit(0);
}

static pid_t reader_start(pipes_t *pipes, uint64_t read_every) {
  assert_int_equal(pipe(pipes->from_child), 0);
  pid_t pid = child_start();
  if (pid == 0) reader_process(pipes->from_child[1], read_every);
  close(pipes->from_child[1]);
  expect(pipes->from_child[0], 'o');
  return pid;
}

static report_t reader_report(pipes_t *pipes, pid_t pid) {
  report_t report;
  int      status;
  char     milestone;
  do {
    assert_int_equal(read(pipes->from_child[0], &milestone, 1), 1);
  } while (milestone != 'e');
  assert_int_equal(read(pipes->from_child[0], &report, sizeof report), sizeof report);
  close(pipes->from_child[0]);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  return report;
}

/* FAULTS.md F39. The other reader, which is not stopped, must not notice. */
static void a_stopped_reader_is_told_exactly_what_it_missed_and_goes_on(void **state) {
  (void)state;
  pipes_t pipes, other_pipes;
  int     status;
  stream_init(&stream, "stop", 64);
  assert_int_equal(stream_open(&stream), TF_OK);
  pid_t pid   = reader_start(&pipes, 50);
  pid_t other = reader_start(&other_pipes, 10);

  stream_write(&stream, 50);
  expect(pipes.from_child[0], 'r');
  kill(pid, SIGSTOP);
  assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
  assert_true(WIFSTOPPED(status));
  for (int i = 0; i < 5; i++) expect(other_pipes.from_child[0], 'r');
  for (int i = 0; i < 64; i++) { /* ten laps, at the other reader's pace */
    stream_write(&stream, 10);
    expect(other_pipes.from_child[0], 'r');
  }
  kill(pid, SIGCONT);
  expect(pipes.from_child[0], 'l');
  stream_write(&stream, 5);
  stream_close(&stream);

  /* 690 were written when it looked: 691 is next, 691 - 64 + 1 = 628 is the oldest left, and an
   * eighth of the ring later, at 636, it goes on. */
  report_t report = reader_report(&pipes, pid);
  assert_int_equal(report.overruns, 1);
  assert_int_equal(report.lost_from, 51);
  assert_int_equal(report.lost_to, 635);
  assert_int_equal(report.lost, 585);
  assert_int_equal(report.received, 695 - 585);
  assert_int_equal(report.torn + report.disorder, 0);
  assert_int_equal(report.ended, TF_READER_CLOSED);

  report = reader_report(&other_pipes, other);
  assert_int_equal(report.received, 695);
  assert_int_equal(report.lost + report.torn + report.disorder, 0);
  stream_remove(&stream);
}

/* A writer that never looks back, a reader that is stopped again and again. */
static void received_and_lost_add_up_to_written_under_a_storm_of_stops(void **state) {
  (void)state;
  pipes_t pipes;
  stream_init(&stream, "storm", 256);
  assert_int_equal(stream_open(&stream), TF_OK);
  pid_t pid = reader_start(&pipes, 1000000);
  for (int round = 0; round < 20; round++) {
    kill(pid, SIGSTOP);
    stream_write(&stream, 5000);
    kill(pid, SIGCONT);
    stream_write(&stream, 200);
    usleep(500);
  }
  stream_close(&stream);

  report_t report = reader_report(&pipes, pid);
  assert_int_equal(report.received + report.lost, 20 * 5200);
  assert_int_equal(report.torn + report.disorder, 0);
  assert_true(report.overruns > 0);
  stream_remove(&stream);
}

static void last_words(const char *point) {
  if (strcmp(point, "bcast:stamp_loaded") != 0) return;
  tf_weave_hook = NULL;
  stream_write(&stream, 1);
  stream_close(&stream);
}

/* The writer's last decision and its end come between the reader's look at the ring and its look at
 * the writer: the decision must not be taken for the end. */
static void the_last_decision_is_delivered_before_the_end_is_told(void **state) {
  (void)state;
  tf_reader_t   reader;
  tf_decision_t decision;
  stream_init(&stream, "last", 16);
  assert_int_equal(stream_open(&stream), TF_OK);
  assert_int_equal(tf_reader_open(stream.name, &reader), TF_OK);
  tf_weave_hook = last_words; /* an open reader looks at the writer on its first EMPTY */
  assert_int_equal(tf_reader_next(&reader, &decision), TF_READER_READ);
  assert_true(stream_decision_whole(&decision));
  assert_int_equal(tf_reader_next(&reader, &decision), TF_READER_CLOSED);
  tf_reader_close(&reader);
  stream_remove(&stream);
}

/* ---- writers that die ---- */

static int kill_countdown;

static void kill_at(const char *point) {
  (void)point;
  if (kill_countdown-- == 0) kill(getpid(), SIGKILL);
}

/* A writer that holds the sink's lock, has written five decisions, and is killed at a given step of
 * its sixth. */
static void writer_dying_at(int step) {
  uint64_t          map_bytes;
  tf_bcast_writer_t writer;
  tf_decision_t     decision;
  if (stream_open(&stream) != TF_OK) _exit(3);
  stream_write(&stream, 5);
  tf_stream_header_t *h = stream_map(&stream, &map_bytes);
  if (tf_bcast_writer_join(&writer, (uint8_t *)h + h->ring_offset, map_bytes - h->ring_offset,
                           TF_STREAM_WORD_CNT) != NULL)
    _exit(4);
  stream_decision(6, &decision);
  kill_countdown = step;
  tf_weave_hook  = kill_at;
  tf_bcast_write(&writer, &decision, TF_STREAM_WORD_CNT);
  _exit(0); /* it had fewer steps than that */
}

/* FAULTS.md F41, every step of a publication. */
static void a_writer_killed_at_any_step_leaves_no_torn_decision_and_no_lock(void **state) {
  (void)state;
  int step = 0;
  for (;; step++) {
    int           status;
    tf_reader_t   reader;
    tf_decision_t decision;
    stream_init(&stream, "killed", 16);
    pid_t pid = child_start();
    if (pid == 0) writer_dying_at(step);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    assert_true(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0));

    assert_int_equal(tf_reader_open(stream.name, &reader), TF_OK);
    tf_reader_seek_oldest(&reader);
    reader.dead_after_ns        = 0; /* any age is too old now */
    uint64_t           received = 0;
    tf_reader_result_t result;
    while ((result = tf_reader_next(&reader, &decision)) == TF_READER_READ) {
      received++;
      assert_int_equal(decision.decision_seq, received);
      assert_true(stream_decision_whole(&decision));
    }
    while (result == TF_READER_EMPTY) result = tf_reader_next(&reader, &decision);
    assert_int_equal(result, TF_READER_DEAD);
    bool stamped = step >= 2 + (int)TF_STREAM_WORD_CNT;
    assert_int_equal(received, stamped ? 6 : 5);
    tf_reader_close(&reader);

    /* The next engine takes the name at once and goes on in sequence. */
    assert_int_equal(stream_open(&stream), TF_OK);
    assert_int_equal(tf_reader_open(stream.name, &reader), TF_OK);
    assert_int_equal(reader.header->epoch, 2);
    assert_int_equal(reader.header->first_seq, received + 1);
    assert_int_equal(reader.header->predecessor_decision_seq, received);
    tf_reader_close(&reader);
    stream_close(&stream);
    stream_remove(&stream);
    if (!killed) break;
  }
  /* before_busy, busy, 16 words, stamped, headed */
  assert_int_equal(step, 4 + (int)TF_STREAM_WORD_CNT);
}

/* The same with no step chosen: killed in full flight, read meanwhile. */
static void a_writer_killed_in_full_flight_is_seen_dead_and_nothing_torn(void **state) {
  (void)state;
  uint64_t written = 0;
  stream_init(&stream, "flight", 32);
  for (int round = 0; round < 12; round++) {
    int           fds[2];
    tf_reader_t   reader;
    tf_decision_t decision;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = child_start();
    if (pid == 0) {
      if (stream_open(&stream) != TF_OK) _exit(3);
      tell(fds[1], 'o');
      stream.written = written;
      for (;;) stream_write(&stream, 100);
    }
    close(fds[1]);
    expect(fds[0], 'o');
    close(fds[0]);
    assert_int_equal(tf_reader_open(stream.name, &reader), TF_OK);
    tf_reader_seek_oldest(&reader);
    assert_int_equal(reader.header->epoch, round + 1);
    reader.dead_after_ns        = 20 * TF_NS_PER_MS;
    uint64_t           expected = reader.ring.next_seq, begin_ns = tf_stream_clock_ns();
    bool               killed = false;
    tf_reader_result_t result;
    while ((result = tf_reader_next(&reader, &decision)) != TF_READER_DEAD || !killed) {
      if (result == TF_READER_READ) {
        assert_true(stream_decision_whole(&decision));
        assert_int_equal(tf_reader_seq(&reader), expected);
        assert_int_equal(decision.decision_seq, expected);
        expected++;
      } else if (result == TF_READER_OVERRUN) {
        assert_int_equal(reader.ring.lost_from, expected);
        expected = reader.ring.lost_to + 1;
      }
      if (!killed && tf_stream_clock_ns() - begin_ns > (1 + (uint64_t)round) * 300000) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        killed = true;
      }
    }
    written = expected - 1;
    tf_reader_close(&reader);
  }
  assert_int_equal(stream_open(&stream), TF_OK);
  tf_reader_t reader;
  assert_int_equal(tf_reader_open(stream.name, &reader), TF_OK);
  assert_int_equal(reader.header->first_seq, written + 1);
  assert_int_equal(reader.header->predecessor_decision_seq, written);
  tf_reader_close(&reader);
  stream_close(&stream);
  stream_remove(&stream);
}

static void two_engines_in_two_processes_do_not_share_a_name(void **state) {
  (void)state;
  int fds[2];
  stream_init(&stream, "engines", 16);
  assert_int_equal(pipe(fds), 0);
  pid_t pid = child_start();
  if (pid == 0) {
    if (stream_open(&stream) != TF_OK) _exit(3);
    tell(fds[1], 'o');
    for (;;) pause();
  }
  expect(fds[0], 'o');
  char owner[32];
  snprintf(owner, sizeof owner, "pid %d,", (int)pid);
  assert_int_equal(stream_open(&stream), E_FILE_BUSY);
  assert_non_null(strstr(tf_error_text(), owner));
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  assert_int_equal(stream_open(&stream), TF_OK);
  stream_close(&stream);
  stream_remove(&stream);
  close(fds[0]);
  close(fds[1]);
}

/* Opens when the start pipe is closed, tells how that went, and keeps the name until the done pipe is
 * closed. */
static void racing_engine(int start, int results, int done) {
  char byte;
  TF_ASSERT(read(start, &byte, 1) == 0);
  tf_err_t err = stream_open(&stream);
  tell(results, err == TF_OK ? 'w' : err == E_FILE_BUSY ? 'b' : '?');
  TF_ASSERT(read(done, &byte, 1) == 0);
  _exit(0);
}

/* Many engines start at once, on a name that nobody has and on one that a dead one had: one wins. */
static void of_many_engines_that_start_together_one_gets_the_name(void **state) {
  (void)state;
  stream_init(&stream, "race", 16);
  for (int round = 0; round < 20; round++) {
    int start[2], results[2], done[2];
    int winner_cnt = 0, busy_cnt = 0;
    assert_int_equal(pipe(start) + pipe(results) + pipe(done), 0);
    for (int i = 0; i < 6; i++)
      if (child_start() == 0) {
        close(start[1]);
        close(done[1]);
        racing_engine(start[0], results[1], done[0]);
      }
    close(start[0]);
    close(start[1]);
    for (int i = 0; i < 6; i++) {
      char result = 0;
      assert_int_equal(read(results[0], &result, 1), 1);
      winner_cnt += result == 'w';
      busy_cnt += result == 'b';
    }
    close(results[0]);
    close(results[1]);
    close(done[0]);
    close(done[1]);
    for (int i = 0; i < 6; i++) assert_true(wait(NULL) > 0);
    assert_int_equal(winner_cnt, 1);
    assert_int_equal(busy_cnt, 5);
    if (round % 2) stream_remove(&stream);
  }
  stream_remove(&stream);
}

int main(void) {
  stream_skip_without_shm();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_stopped_reader_is_told_exactly_what_it_missed_and_goes_on),
      cmocka_unit_test(received_and_lost_add_up_to_written_under_a_storm_of_stops),
      cmocka_unit_test(the_last_decision_is_delivered_before_the_end_is_told),
      cmocka_unit_test(a_writer_killed_at_any_step_leaves_no_torn_decision_and_no_lock),
      cmocka_unit_test(a_writer_killed_in_full_flight_is_seen_dead_and_nothing_torn),
      cmocka_unit_test(two_engines_in_two_processes_do_not_share_a_name),
      cmocka_unit_test(of_many_engines_that_start_together_one_gets_the_name),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
