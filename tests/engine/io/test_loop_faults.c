/* FAULTS F49 to F54 at the completion level, one test a row and variant. What a real kernel can be
 * brought to do is in test_uring.c, chance in test_sim.c. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cmocka_tf.h"
#include "core/clock.h"
#include "engine/io/script.h"

#define NEVER_NS (3600 * TF_NS_PER_SEC)

/* ---- F49: ENOBUFS ---- */

static void f49_enobufs_without_pending_data_is_armed_again_one_pass_on(void **state) {
  (void)state;
  complete(first(RECV), -ENOBUFS, 0, 0);
  pass();
  assert_int_equal(under_way(RECV), 0); /* this pass still handles what came with it */
  pass();
  assert_int_equal(under_way(RECV), 1);
  assert_int_equal(io->counts.buffers_exhausted, 1);
  assert_int_equal(io->counts.rearmed, 1);
  assert_int_equal(closed_cnt, 0);
}

static void f49_enobufs_with_pending_data_loses_no_byte(void **state) {
  (void)state;
  receive("one ", TF_COMPLETION_MORE);
  complete(first(RECV), -ENOBUFS, 0, 0);
  pass();
  assert_int_equal(script.returned[0], 1); /* armed again only once the buffer is back */
  assert_int_equal(under_way(RECV), 0);
  pass();
  receive("two", TF_COMPLETION_MORE);
  pass();
  assert_int_equal(got_cnt, 7);
  assert_memory_equal(got, "one two", 7);
  assert_int_equal(io->counts.buffers_exhausted, 1);
}

static void f49_hundred_enobufs_in_a_row_are_each_counted_and_armed_once(void **state) {
  (void)state;
  for (int i = 1; i <= 100; i++) {
    complete(first(RECV), -ENOBUFS, 0, 0);
    pass();
    pass();
    assert_int_equal(under_way(RECV), 1);
    assert_int_equal(io->counts.buffers_exhausted, i);
  }
  assert_int_equal(closed_cnt, 0);
}

static void f49_enobufs_on_close_only_ends_the_slot(void **state) {
  (void)state;
  tf_io_close(io, conn);
  complete(first(RECV), -ENOBUFS, 0, 0);
  pass();
  pass();
  assert_int_equal(under_way(RECV), 0);
  assert_int_equal(closed_cnt, 0);
}

/* ---- F50: the end of a multishot receive ---- */

static void f50_receive_that_ends_with_its_bytes_is_armed_again(void **state) {
  (void)state;
  receive("bytes", 0);
  pass();
  pass();
  assert_int_equal(got_cnt, 5);
  assert_int_equal(under_way(RECV), 1);
  assert_int_equal(io->counts.rearmed, 1);
}

static void ends_with(int sys_errno) {
  complete(first(RECV), -sys_errno, 0, 0);
  pass();
  pass();
  assert_int_equal(closed_cnt, 1);
  assert_int_equal(closed_errno, sys_errno);
  assert_int_equal(under_way(RECV), 0);
  assert_int_equal(io->counts.ended, sys_errno == 0);
  assert_int_equal(io->counts.failed, sys_errno != 0);
}

static void f50_ecanceled_that_nobody_asked_for_closes_and_is_counted(void **state) {
  (void)state;
  ends_with(ECANCELED);
}

static void f50_econnreset_closes_and_is_counted(void **state) {
  (void)state;
  ends_with(ECONNRESET);
}

static void f50_result_zero_is_the_peers_end_and_is_counted(void **state) {
  (void)state;
  ends_with(0);
}

static void f50_ecanceled_of_a_repair_is_armed_again(void **state) {
  (void)state;
  script_close();
  script_open(1);
  assert_int_equal(write(pair[1], "x", 1), 1);
  for (int i = 0; i < 5; i++) pass();
  assert_int_equal(under_way(CANCEL), 1);
  complete(first(RECV), -ECANCELED, 0, 0);
  complete(first(CANCEL), 0, 0, 0);
  pass();
  pass();
  assert_int_equal(under_way(RECV), 1);
  assert_int_equal(io->counts.audit_repairs, 1);
  assert_int_equal(closed_cnt, 0);
}

/* The receive came back by itself while the audit's cancel was on its way: whatever the cancel is
 * told, the next loss must be found again. */
static void repair_that_came_too_late(int cancel_errno, bool receive_ends) {
  script_close();
  script_open(1);
  assert_int_equal(write(pair[1], "x", 1), 1);
  for (int i = 0; i < 5; i++) pass();
  assert_int_equal(under_way(CANCEL), 1);
  receive("x", receive_ends ? 0 : TF_COMPLETION_MORE);
  complete(first(CANCEL), -cancel_errno, 0, 0);
  for (int i = 0; i < 3; i++) pass();
  assert_int_equal(got_cnt, 1);
  assert_int_equal(closed_cnt, 0);
  assert_int_equal(under_way(RECV), 1);
  for (int i = 0; i < 5; i++) pass(); /* the byte is still there for poll: lost once more */
  assert_int_equal(under_way(CANCEL), 1);
  assert_int_equal(first(CANCEL)->target, first(RECV)->tag);
}

static void f50_repair_too_late_with_enoent_does_not_blind_the_audit(void **state) {
  (void)state;
  repair_that_came_too_late(ENOENT, true);
}

static void f50_repair_too_late_with_ealready_does_not_blind_the_audit(void **state) {
  (void)state;
  repair_that_came_too_late(EALREADY, false);
}

/* Every sequence of four ends and arrivals, against a model of six lines. */
static void f50_every_order_of_completions_leaves_one_receive_or_one_end(void **state) {
  (void)state;
  static const int32_t ends[] = {2, 1, -ENOBUFS, -EINTR, -EAGAIN, -ECANCELED, -ECONNRESET, 0};
  enum { KINDS = TF_ARRAY_CNT(ends), LENGTH = 4 };
  for (uint32_t code = 0; code < KINDS * KINDS * KINDS * KINDS; code++) {
    bool     open = true;
    size_t   want = 0;
    uint32_t rest = code;
    for (int i = 0; i < LENGTH && open; i++, rest /= KINDS) {
      int32_t end = ends[rest % KINDS];
      if (end > 0) {
        receive("z", end == 2 ? TF_COMPLETION_MORE : 0);
        want++;
      } else {
        complete(first(RECV), end, 0, 0);
        open = end == -ENOBUFS || end == -EINTR || end == -EAGAIN;
      }
      pass();
      pass();
      assert_int_equal(under_way(RECV), open);
      assert_int_equal(closed_cnt, !open);
      assert_int_equal(got_cnt, want);
    }
    if (!open) {
      script_attach();
    } else {
      got_cnt = 0;
    }
  }
  assert_int_equal(io->counts.audit_repairs, 0);
}

/* ---- F51: completions that wait ---- */

static void f51_overflow_of_the_port_is_published(void **state) {
  (void)state;
  script_close();
  script_open(1);
  script.port.overflow_cnt = 7;
  script.port.retry_cnt    = 3;
  for (int i = 0; i < 3; i++) pass();
  assert_int_equal(io->counts.cq_overflow, 7);
  assert_int_equal(io->counts.enter_retries, 3);
}

/* ---- F52: sends ---- */

static void send_again_after(int sys_errno) {
  assert_int_equal(tf_io_send(io, conn, "abc", 3), TF_OK);
  pass();
  complete(first(SEND), -sys_errno, 0, 0);
  pass();
  pass();
  assert_int_equal(under_way(SEND), 1);
  assert_int_equal(first(SEND)->bytes_cnt, 3);
  assert_memory_equal(first(SEND)->bytes, "abc", 3);
  assert_int_equal(io->counts.tx_again, 1);
  assert_int_equal(io->counts.tx_bytes, 0);
  complete(first(SEND), 3, 0, 0);
  pass();
  pass();
  assert_int_equal(under_way(SEND), 0);
  assert_int_equal(io->counts.tx_bytes, 3);
}

static void f52_eagain_sends_the_same_bytes_once_more(void **state) {
  (void)state;
  send_again_after(EAGAIN);
}

static void f52_eintr_sends_the_same_bytes_once_more(void **state) {
  (void)state;
  send_again_after(EINTR);
}

static void f52_short_send_is_counted_and_its_rest_sent_once(void **state) {
  (void)state;
  assert_int_equal(tf_io_send(io, conn, "abcdef", 6), TF_OK);
  pass();
  complete(first(SEND), 2, 0, 0);
  pass();
  pass();
  assert_int_equal(io->counts.tx_short, 1);
  assert_int_equal(under_way(SEND), 1);
  assert_memory_equal(first(SEND)->bytes, "cdef", 4);
  complete(first(SEND), 4, 0, 0);
  pass();
  pass();
  assert_int_equal(under_way(SEND), 0);
  assert_int_equal(tf_io_send_pending_bytes(io, conn), 0);
}

static void f52_bytes_under_way_are_not_overwritten_by_what_follows(void **state) {
  (void)state;
  char text[200];
  memset(text, 'a', sizeof text);
  assert_int_equal(tf_io_send(io, conn, text, 100), TF_OK);
  pass();
  op_t kept = *first(SEND);
  memset(text, 'b', sizeof text);
  assert_int_equal(tf_io_send(io, conn, text, 156), TF_OK); /* 256 is the buffer's size */
  assert_int_equal(tf_io_send(io, conn, text, 1), E_IO_SEND_FULL);
  pass();
  assert_int_equal(under_way(SEND), 1); /* one at a time: order */
  assert_memory_equal(kept.source, kept.bytes, 100);
  complete(first(SEND), 100, 0, 0);
  pass();
  pass();
  assert_int_equal(first(SEND)->bytes_cnt, 156);
  assert_int_equal(first(SEND)->bytes[0], 'b');
}

/* ---- F54: rings that are full, entries that leak ---- */

static void f54_refused_operations_are_counted_and_tried_again(void **state) {
  (void)state;
  script.refuse = true;
  assert_int_equal(tf_io_send(io, conn, "abc", 3), TF_OK);
  for (int i = 0; i < 5; i++) pass();
  assert_int_equal(under_way(SEND), 0);
  assert_int_equal(script.refused_cnt, 5);
  assert_int_equal(io->counts.port_full, 5);
  script.refuse = false;
  pass();
  assert_int_equal(under_way(SEND), 1);
  assert_int_equal(io->counts.port_full, 5);
}

static void f54_operations_under_way_balance_and_a_lost_one_shows(void **state) {
  (void)state;
  for (int i = 0; i < 1000; i++) {
    receive("x", i % 2 ? 0 : TF_COMPLETION_MORE);
    got_cnt = 0;
    assert_int_equal(tf_io_send(io, conn, "abc", 3), TF_OK);
    pass();
    complete(first(SEND), 3, 0, 0);
    pass();
    assert_int_equal(io->counts.ops_given - io->counts.ops_done, script.op_cnt);
  }
  assert_int_equal(script.op_cnt, 1); /* the receive */
  tf_io_close(io, conn);
  pass();
  complete(first(CANCEL), -ENOENT, 0, 0); /* the receive's own completion never comes */
  script.op_cnt = 0;
  pass();
  assert_int_equal(io->counts.ops_given - io->counts.ops_done, 1);
}

static void f54_early_submissions_are_published(void **state) {
  (void)state;
  script_close();
  script_open(1);
  script.port.flush_cnt = 9;
  for (int i = 0; i < 3; i++) pass();
  assert_int_equal(io->counts.sq_flushes, 9);
}

static int setup(void **state) {
  (void)state;
  script_open(NEVER_NS);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  script_close();
  return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  tf_clock_calibrate();
  const struct CMUnitTest tests[] = {
      T(f49_enobufs_without_pending_data_is_armed_again_one_pass_on),
      T(f49_enobufs_with_pending_data_loses_no_byte),
      T(f49_hundred_enobufs_in_a_row_are_each_counted_and_armed_once),
      T(f49_enobufs_on_close_only_ends_the_slot),
      T(f50_receive_that_ends_with_its_bytes_is_armed_again),
      T(f50_ecanceled_that_nobody_asked_for_closes_and_is_counted),
      T(f50_econnreset_closes_and_is_counted),
      T(f50_result_zero_is_the_peers_end_and_is_counted),
      T(f50_ecanceled_of_a_repair_is_armed_again),
      T(f50_repair_too_late_with_enoent_does_not_blind_the_audit),
      T(f50_repair_too_late_with_ealready_does_not_blind_the_audit),
      T(f50_every_order_of_completions_leaves_one_receive_or_one_end),
      T(f51_overflow_of_the_port_is_published),
      T(f52_eagain_sends_the_same_bytes_once_more),
      T(f52_eintr_sends_the_same_bytes_once_more),
      T(f52_short_send_is_counted_and_its_rest_sent_once),
      T(f52_bytes_under_way_are_not_overwritten_by_what_follows),
      T(f54_refused_operations_are_counted_and_tried_again),
      T(f54_operations_under_way_balance_and_a_lost_one_shows),
      T(f54_early_submissions_are_published),
  };
  return cmocka_run_group_tests_name("loop faults", tests, NULL, NULL);
}
