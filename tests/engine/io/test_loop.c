/* The loop over a scripted port: completions that a kernel gives only on a bad day. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmocka_tf.h"
#include "core/clock.h"
#include "engine/io/script.h"

static void receive_that_ends_is_armed_again_exactly_once(void **state) {
  (void)state;
  assert_int_equal(under_way(RECV), 1);
  receive("ab", TF_COMPLETION_MORE);
  pass();
  pass();
  assert_int_equal(under_way(RECV), 1);
  static const int32_t ends[] = {1, -ENOBUFS, -EINTR, -EAGAIN};
  for (size_t i = 0; i < TF_ARRAY_CNT(ends); i++) {
    bool bytes = ends[i] > 0;
    complete(first(RECV), ends[i], bytes ? TF_COMPLETION_BUFFER : 0, 0);
    assert_int_equal(under_way(RECV), 0);
    pass();
    pass();
    pass();
    assert_int_equal(under_way(RECV), 1);
  }
  assert_int_equal(io->counts.rearmed, TF_ARRAY_CNT(ends));
  assert_int_equal(io->counts.buffers_exhausted, 1);
  assert_int_equal(got_cnt, 3);
  assert_int_equal(script.returned[0], 2);
  assert_int_equal(closed_cnt, 0);
}

static void every_other_end_closes_once_with_its_errno(void **state) {
  (void)state;
  static const int errnos[] = {0, ECONNRESET, ETIMEDOUT, ECANCELED, EFAULT, EINVAL, ENOTCONN};
  for (size_t i = 0; i < TF_ARRAY_CNT(errnos); i++) {
    closed_cnt = 0;
    complete(first(RECV), -errnos[i], 0, 0);
    pass();
    pass();
    assert_int_equal(closed_cnt, 1);
    assert_int_equal(closed_errno, errnos[i]);
    assert_int_equal(script.op_cnt, 0);
    close(pair[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(tf_io_attach(io, pair[0], &handler, &conn), TF_OK);
    pass();
  }
}

static void repeated_and_stale_completions_are_ignored_and_their_buffers_returned(void **state) {
  (void)state;
  uint64_t tag = first(RECV)->tag;
  receive("ab", 0);
  complete_tag(tag, 2, TF_COMPLETION_BUFFER, 1); /* the same once more */
  pass();
  pass();
  assert_int_equal(got_cnt, 2);
  assert_int_equal(script.returned[1], 1);
  complete_tag(tag, 2, TF_COMPLETION_BUFFER, 1); /* and after it was armed again */
  pass();
  assert_int_equal(got_cnt, 2);
  assert_int_equal(script.returned[1], 2);
  assert_int_equal(under_way(RECV), 1);
  complete_tag(UINT64_MAX, 7, TF_COMPLETION_BUFFER, 2); /* of nobody */
  complete_tag(0, 7, TF_COMPLETION_BUFFER, 2);
  pass();
  assert_int_equal(got_cnt, 2);
}

static void bytes_that_come_after_close_are_dropped_and_their_buffers_returned(void **state) {
  (void)state;
  receive("late", TF_COMPLETION_MORE);
  tf_io_close(io, conn);
  pass();
  assert_int_equal(got_cnt, 0);
  assert_int_equal(script.returned[0], 1);
  assert_int_equal(under_way(CANCEL), 1);
  assert_int_equal(first(CANCEL)->target, first(RECV)->tag);
  complete(first(RECV), -ECANCELED, 0, 0);
  complete(first(CANCEL), 0, 0, 0);
  pass();
  assert_int_equal(closed_cnt, 0);
  assert_int_equal(script.op_cnt, 0);
}

static void slot_is_not_given_away_while_a_send_reads_its_memory(void **state) {
  (void)state;
  assert_int_equal(tf_io_send(io, conn, "abc", 3), TF_OK);
  pass();
  tf_io_conn_t first_conn = conn;
  tf_io_close(io, conn);
  complete(first(RECV), -ECANCELED, 0, 0);
  pass();
  for (int i = 0; i < 3; i++) {
    int          fds[2];
    tf_io_conn_t other;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(tf_io_attach(io, fds[0], &handler, &other), TF_OK);
    assert_int_not_equal(other & 0xFFFF, first_conn & 0xFFFF);
    tf_io_close(io, other);
    close(fds[1]);
  }
  complete(first(SEND), 3, 0, 0);
  pass();
}

static void f52_short_send_of_every_length_keeps_the_order(void **state) {
  (void)state;
  char sent[512];
  char text[101];
  for (uint32_t i = 0; i < sizeof text; i++) text[i] = (char)('0' + i % 70);
  for (int32_t step = 1; step <= (int32_t)sizeof text; step++) {
    uint32_t sent_cnt = 0;
    assert_int_equal(tf_io_send(io, conn, text, 50), TF_OK);
    assert_int_equal(tf_io_send(io, conn, text + 50, 51), TF_OK);
    for (int i = 0; i < 300 && sent_cnt < sizeof text; i++) {
      pass();
      pass();
      assert_int_equal(under_way(SEND), 1);
      op_t   *op  = first(SEND);
      int32_t cnt = step < (int32_t)op->bytes_cnt ? step : (int32_t)op->bytes_cnt;
      if (i % 3 == 2) cnt = i % 2 ? -EAGAIN : -EINTR;
      if (cnt > 0) {
        memcpy(sent + sent_cnt, op->bytes, (size_t)cnt);
        sent_cnt += (uint32_t)cnt;
      }
      complete(op, cnt, 0, 0);
    }
    pass();
    assert_int_equal(sent_cnt, sizeof text);
    assert_memory_equal(sent, text, sizeof text);
    assert_int_equal(tf_io_send_pending_bytes(io, conn), 0);
  }
}

static void failed_send_reports_the_end_after_the_bytes_that_came_before(void **state) {
  (void)state;
  assert_int_equal(tf_io_send(io, conn, "abc", 3), TF_OK);
  pass();
  complete(first(SEND), -EPIPE, 0, 0);
  receive("last words", TF_COMPLETION_MORE);
  pass();
  assert_int_equal(closed_cnt, 0);
  assert_int_equal(got_cnt, 10);
  assert_int_equal(tf_io_send(io, conn, "d", 1), E_IO_SYSTEM);
  char byte;
  assert_int_equal(recv(pair[1], &byte, 1, MSG_DONTWAIT), 0); /* it was shut down */
  complete(first(RECV), 0, 0, 0);
  pass();
  assert_int_equal(closed_cnt, 1);
  assert_int_equal(closed_errno, EPIPE);
}

static void end_is_not_reported_to_an_owner_that_closes_before_it(void **state) {
  (void)state;
  assert_int_equal(tf_io_send(io, conn, "abc", 3), TF_OK);
  pass();
  complete(first(RECV), -ECONNRESET, 0, 0);
  pass();
  tf_io_close(io, conn);
  complete(first(SEND), -EPIPE, 0, 0);
  pass();
  pass();
  assert_int_equal(closed_cnt, 0);
}

static void end_waits_for_the_send_under_way(void **state) {
  (void)state;
  assert_int_equal(tf_io_send(io, conn, "abc", 3), TF_OK);
  pass();
  complete(first(RECV), -ECONNRESET, 0, 0);
  pass();
  assert_int_equal(closed_cnt, 0);
  complete(first(SEND), -EPIPE, 0, 0);
  pass();
  assert_int_equal(closed_cnt, 1);
  assert_int_equal(closed_errno, ECONNRESET);
}

static void port_without_room_is_asked_again(void **state) {
  (void)state;
  script.refuse = true;
  complete(first(RECV), -ENOBUFS, 0, 0);
  assert_int_equal(tf_io_send(io, conn, "abc", 3), TF_OK);
  for (int i = 0; i < 5; i++) pass();
  assert_int_equal(script.op_cnt, 0);
  script.refuse = false;
  pass();
  assert_int_equal(under_way(RECV), 1);
  assert_int_equal(under_way(SEND), 1);
}

static void f50_receive_that_got_lost_is_found_by_the_audit(void **state) {
  (void)state;
  script_close();
  script_open(1);
  for (int i = 0; i < 5; i++) pass();
  assert_int_equal(under_way(CANCEL), 0); /* nothing to read: silence is no fault */
  assert_int_equal(write(pair[1], "x", 1), 1);
  uint64_t lost = first(RECV)->tag;
  for (int i = 0; i < 5; i++) pass();
  assert_int_equal(under_way(CANCEL), 1);
  assert_int_equal(first(CANCEL)->target, lost);
  assert_int_equal(under_way(RECV), 1);
  script.op_cnt = 0; /* the kernel knows of no such receive */
  uint64_t tag  = lost;
  complete_tag((tag & 0x0FFFFFFFFFFFFFFF) | UINT64_C(4) << 60, -ENOENT, 0, 0);
  pass();
  pass();
  assert_int_equal(under_way(RECV), 1);
  assert_int_not_equal(first(RECV)->tag, lost);
  assert_int_equal(io->counts.audit_repairs, 1);
  assert_int_equal(closed_cnt, 0);
}

static uint32_t rng_next(uint32_t *x) {
  *x ^= *x << 13;
  *x ^= *x >> 17;
  return *x ^= *x << 5;
}

/* Any order of any completions: one receive an open socket, each buffer back, one end. */
static void random_completions_keep_the_invariants(void **state) {
  (void)state;
  uint32_t seed = 12345, buffers_given = 0, open = 1;
  for (int i = 0; i < 20000; i++) {
    uint32_t roll = rng_next(&seed) % 16;
    script.refuse = rng_next(&seed) % 8 == 0;
    if (!open) {
      int fds[2];
      assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
      close(pair[1]);
      pair[1]      = fds[1];
      tf_err_t err = tf_io_attach(io, fds[0], &handler, &conn);
      if (err != TF_OK) close(fds[0]);
      open       = err == TF_OK;
      closed_cnt = 0;
      got_cnt    = 0;
    }
    if (roll < 4 && open) tf_io_send(io, conn, "0123456789", 1 + roll);
    if (roll == 15 && open) {
      tf_io_close(io, conn);
      conn = TF_IO_CONN_NONE;
      open = 0;
    }
    if (script.op_cnt > 0 && roll > 3) {
      op_t                *op       = &script.ops[rng_next(&seed) % script.op_cnt];
      static const int32_t errors[] = {-ENOBUFS, -EINTR, -EAGAIN, -ECONNRESET, 0, -ECANCELED};
      int32_t              error    = errors[rng_next(&seed) % TF_ARRAY_CNT(errors)];
      bool                 good     = rng_next(&seed) % 4 != 0;
      uint16_t             more     = rng_next(&seed) % 4 ? TF_COMPLETION_MORE : 0;
      if (op->kind == RECV && good) {
        buffers_given++;
        complete(op, 1, (uint16_t)(more | TF_COMPLETION_BUFFER), (uint16_t)(i % BUFFER_CNT));
      } else if (op->kind == SEND && good) {
        complete(op, (int32_t)(1 + rng_next(&seed) % op->bytes_cnt), 0, 0);
      } else if (op->kind == CANCEL) {
        /* Honest: the target is under way and ends, or it is not. */
        int32_t res = -ENOENT;
        for (uint32_t k = 0; k < script.op_cnt; k++) {
          if (script.ops[k].tag != op->target) continue;
          uint64_t tag = op->tag;
          complete(&script.ops[k], -ECANCELED, 0, 0);
          for (uint32_t m = 0; m < script.op_cnt; m++)
            if (script.ops[m].tag == tag) op = &script.ops[m];
          res = 0;
          break;
        }
        complete(op, res, 0, 0);
      } else {
        complete(op, error, 0, 0);
      }
    }
    pass();
    if (closed_cnt > 0) open = 0;
    assert_true(closed_cnt <= 1);
    if (got_cnt > 4000) got_cnt = 0;
    uint32_t armed = 0;
    for (uint32_t k = 0; k < script.op_cnt; k++) {
      if (script.ops[k].kind != RECV) continue;
      armed += ((uint32_t)script.ops[k].tag) == conn;
    }
    assert_true(armed <= 1);
  }
  script.refuse = false;
  pass();
  pass();
  if (open) {
    uint32_t armed = 0;
    for (uint32_t k = 0; k < script.op_cnt; k++)
      armed += script.ops[k].kind == RECV && ((uint32_t)script.ops[k].tag) == conn;
    assert_int_equal(armed, 1);
  }
  uint32_t returned = 0;
  for (int i = 0; i < BUFFER_CNT; i++) returned += script.returned[i];
  assert_int_equal(returned, buffers_given);
}

static int setup(void **state) {
  (void)state;
  script_open(3600 * TF_NS_PER_SEC);
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
      T(receive_that_ends_is_armed_again_exactly_once),
      T(every_other_end_closes_once_with_its_errno),
      T(repeated_and_stale_completions_are_ignored_and_their_buffers_returned),
      T(bytes_that_come_after_close_are_dropped_and_their_buffers_returned),
      T(slot_is_not_given_away_while_a_send_reads_its_memory),
      T(f52_short_send_of_every_length_keeps_the_order),
      T(failed_send_reports_the_end_after_the_bytes_that_came_before),
      T(end_is_not_reported_to_an_owner_that_closes_before_it),
      T(end_waits_for_the_send_under_way),
      T(port_without_room_is_asked_again),
      T(f50_receive_that_got_lost_is_found_by_the_audit),
      T(random_completions_keep_the_invariants),
  };
  return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
