#include "cmocka_tf.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "sink/decision_json.h"
#include "tf/sink.h"

extern const tf_sink_t tf_sink_stdout;

static int              kept_stdout = -1, read_end = -1;
static void            *sink;
static tf_sink_config_t config = {.type = "stdout", .shape = {.bytes = sizeof(tf_decision_t)}};

/* Standard output becomes a pipe until restore(). */
static void redirect(int flags) {
  int ends[2];
  fflush(stdout);
  assert_int_equal(pipe(ends), 0);
  kept_stdout = dup(STDOUT_FILENO);
  dup2(ends[1], STDOUT_FILENO);
  close(ends[1]);
  if (flags) fcntl(STDOUT_FILENO, F_SETFL, flags);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  read_end = ends[0];
  sink     = malloc(tf_sink_stdout.state_bytes(&config));
  memset(sink, 0x5a, tf_sink_stdout.state_bytes(&config));
}

static void restore(void) {
  dup2(kept_stdout, STDOUT_FILENO);
  close(kept_stdout);
  if (read_end >= 0) close(read_end);
  free(sink);
}

static tf_decision_t decision(uint64_t seq) { return (tf_decision_t){.decision_seq = seq}; }

/* All whole lines must be those of decisions *next, *next + 1, ... */
static void check_lines(char *bytes, size_t *have, uint64_t *next) {
  char want[TF_DECISION_JSON_BYTES_MAX], *at = bytes, *newline;
  while ((newline = memchr(at, '\n', *have - (size_t)(at - bytes)))) {
    tf_decision_t d = decision((*next)++);
    size_t        n = tf_decision_json_write(&d, NULL, want);
    assert_int_equal(n, (size_t)(newline + 1 - at));
    assert_memory_equal(at, want, n);
    at = newline + 1;
  }
  *have -= (size_t)(at - bytes);
  memmove(bytes, at, *have);
}

static void lines_come_out_on_flush(void **state) {
  (void)state;
  char          bytes[4096];
  tf_decision_t two[2] = {decision(1), decision(2)};
  redirect(0);
  tf_err_t opened  = tf_sink_stdout.open(sink, &config);
  int      taken   = tf_sink_stdout.offer(sink, two, 2);
  ssize_t  before  = read(read_end, bytes, sizeof bytes);
  tf_err_t flushed = tf_sink_stdout.flush(sink, 0);
  ssize_t  after   = read(read_end, bytes, sizeof bytes);
  tf_err_t closed  = tf_sink_stdout.close(sink);
  restore();
  assert_int_equal(opened, 0);
  assert_int_equal(taken, 2);
  assert_int_equal(before, -1);
  assert_int_equal(flushed, 0);
  assert_int_equal(closed, 0);
  size_t   have = (size_t)after;
  uint64_t next = 1;
  check_lines(bytes, &have, &next);
  assert_int_equal(have, 0);
  assert_int_equal(next, 3);
}

static void a_full_pipe_takes_fewer_and_loses_none(void **state) {
  (void)state;
  static char   bytes[1 << 20];
  size_t        have = 0;
  uint64_t      next = 1, offered = 1;
  bool          refused = false;
  tf_decision_t batch[16];
  redirect(O_NONBLOCK);
  int bad = tf_sink_stdout.open(sink, &config);
  while (next <= 2000 && !bad) {
    for (uint64_t i = 0; i < 16; i++) batch[i] = decision(offered + i);
    int taken = tf_sink_stdout.offer(sink, batch, 16);
    if (taken < 0) break;
    offered += (uint64_t)taken;
    if (taken == 16) continue;
    refused   = true;
    ssize_t n = read(read_end, bytes + have, 30000);
    if (n > 0) have += (size_t)n;
    check_lines(bytes, &have, &next);
  }
  restore();
  assert_true(refused);
  assert_true(next > 2000);
}

static void a_reader_that_goes_away_ends_the_sink_in_order(void **state) {
  (void)state;
  tf_decision_t d = decision(1);
  redirect(0);
  tf_err_t opened = tf_sink_stdout.open(sink, &config);
  int      first  = tf_sink_stdout.offer(sink, &d, 1);
  close(read_end);
  read_end                 = -1;
  tf_err_t         flushed = tf_sink_stdout.flush(sink, 0); /* and SIGPIPE does not end the test */
  bool             said    = strstr(tf_error_text(), "closed the pipe") != NULL;
  int              second  = tf_sink_stdout.offer(sink, &d, 1);
  tf_err_t         again   = tf_sink_stdout.flush(sink, 0);
  tf_err_t         closed  = tf_sink_stdout.close(sink);
  tf_sink_counts_t counts  = {0};
  tf_sink_stdout.counts(sink, &counts);
  restore();
  assert_int_equal(opened, 0);
  assert_int_equal(counts.dropped_broken, 1);
  assert_int_equal(first, 1);
  assert_int_equal(flushed, E_SINK_IO);
  assert_true(said);
  assert_int_equal(second, E_SINK_IO);
  assert_int_equal(again, 0);
  assert_int_equal(closed, 0);
}

/* The pipe waits for its reader, as a shell makes it. */
static void a_reader_that_stands_still_holds_up_nobody(void **state) {
  (void)state;
  tf_sink_counts_t before = {0}, after = {0};
  redirect(0);
  int      bad = tf_sink_stdout.open(sink, &config), taken = 1;
  uint64_t cnt = 0;
  while (!bad && taken == 1) {
    tf_decision_t d = decision(cnt + 1);
    taken           = tf_sink_stdout.offer(sink, &d, 1);
    cnt += taken == 1;
  }
  tf_sink_stdout.counts(sink, &before);
  tf_err_t closed = tf_sink_stdout.close(sink);
  tf_sink_stdout.counts(sink, &after);
  restore();
  assert_int_equal(taken, 0);
  assert_int_equal(before.acked + before.pending, cnt);
  assert_true(before.acked > 0 && before.pending > 0);
  assert_int_equal(closed, E_SINK_IO);
  assert_int_equal(after.acked + after.dropped_closed, cnt);
  assert_true(after.dropped_closed > 0);
}

static void a_stalled_reader_does_not_hold_close_for_ever(void **state) {
  (void)state;
  redirect(O_NONBLOCK);
  int      bad = tf_sink_stdout.open(sink, &config), taken = 1;
  uint64_t seq = 1;
  while (!bad && taken == 1) {
    tf_decision_t d = decision(seq++);
    taken           = tf_sink_stdout.offer(sink, &d, 1);
  }
  tf_err_t closed = tf_sink_stdout.close(sink);
  restore();
  assert_int_equal(taken, 0);
  assert_int_equal(closed, E_SINK_IO);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lines_come_out_on_flush),
      cmocka_unit_test(a_full_pipe_takes_fewer_and_loses_none),
      cmocka_unit_test(a_reader_that_goes_away_ends_the_sink_in_order),
      cmocka_unit_test(a_reader_that_stands_still_holds_up_nobody),
      cmocka_unit_test(a_stalled_reader_does_not_hold_close_for_ever),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
