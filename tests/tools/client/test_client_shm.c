/* The client on a shm sink in this process. */
#include "cmocka_tf.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/tickfuse_client.h"
#include "core/alloc_seal.h"
#include "tf/reader.h"
#include "tf/sink.h"

#define LONG_NS (60 * TF_NS_PER_SEC)
#define SLOTS   64u

extern const tf_sink_t tf_sink_shm;

typedef struct engine {
  char             name[48], url[64];
  tf_instrument_t  rows[2];
  tf_instruments_t instruments;
  uint64_t         state[64];
  uint64_t         seq;
} engine_t;

static char engine_path[TF_STREAM_PATH_BYTES];
static void engine_path_remove(void) { unlink(engine_path); }

static void engine_begin(engine_t *e) {
  tf_sink_config_t config = {.type        = "shm",
                             .path        = e->name,
                             .slot_cnt    = SLOTS,
                             .epoch       = 1,
                             .instruments = &e->instruments};
  assert_int_equal(tf_sink_shm.open(e->state, &config), TF_OK);
}

static void engine_open(engine_t *e) {
  memset(e, 0, sizeof *e);
  snprintf(e->name, sizeof e->name, "test-client.%d", (int)getpid());
  snprintf(e->url, sizeof e->url, "shm:%s", e->name);
  assert_true(tf_stream_path(e->name, engine_path));
  engine_path_remove();
  snprintf(e->rows[0].name, sizeof e->rows[0].name, "BTCUSDT.BINANCE-SPOT");
  e->rows[0].price_exp = -2;
  e->instruments       = (tf_instruments_t){.rows = e->rows, .cap = 2, .cnt = 1};
  engine_begin(e);
}

static void engine_write(engine_t *e, uint32_t n) {
  while (n--) {
    tf_decision_t d = {.decision_seq = ++e->seq, .ref_price = (int64_t)e->seq * 10};
    assert_int_equal(tf_sink_shm.offer(e->state, &d, 1), 1);
  }
}

static void engine_close(engine_t *e) { assert_int_equal(tf_sink_shm.close(e->state), TF_OK); }

static tf_client_t *client_open(const engine_t *e, uint64_t resume_from, uint32_t flags,
                                uint64_t silent_ns) {
  char                error[TF_CLIENT_ERROR_BYTES];
  tf_client_options_t options = TF_CLIENT_OPTIONS;
  options.resume_from         = resume_from;
  options.flags               = flags;
  options.silent_ns           = silent_ns;
  tf_client_t *client         = tf_client_open(e->url, &options, error, sizeof error);
  if (!client) fail_msg("%s", error);
  return client;
}

static tf_client_message_t next_of(tf_client_t *client, tf_client_kind_t wanted) {
  tf_client_message_t m;
  tf_client_kind_t    kind = tf_client_next(client, &m);
  if (kind != wanted) fail_msg("kind %d, %d wanted: %s", kind, wanted, tf_client_error(client));
  assert_int_equal(m.kind, wanted);
  return m;
}

static void records_are(tf_client_t *client, uint64_t from, uint64_t to) {
  for (uint64_t seq = from; seq <= to; seq++) {
    tf_client_message_t m = next_of(client, TF_CLIENT_RECORD);
    assert_int_equal(m.seq, seq);
    assert_int_equal(((const tf_decision_t *)m.record)->ref_price, seq * 10);
  }
}

static void lost_is(tf_client_t *client, uint64_t from, uint64_t to, uint32_t reason) {
  tf_client_message_t m = next_of(client, TF_CLIENT_LOST);
  assert_int_equal(m.lost_from, from);
  assert_int_equal(m.lost_to, to);
  assert_int_equal(m.lost_cnt, to - from + 1);
  assert_int_equal(m.reason, reason);
}

static void reading_begins_where_it_is_asked_to(void **state) {
  (void)state;
  engine_t e;
  engine_open(&e);
  engine_write(&e, 10);
  tf_client_t *next   = client_open(&e, TF_CLIENT_NEXT, 0, LONG_NS);
  tf_client_t *oldest = client_open(&e, TF_CLIENT_OLDEST, 0, LONG_NS);
  tf_client_t *fourth = client_open(&e, 4, 0, LONG_NS);
  assert_int_equal(next_of(next, TF_CLIENT_UP).seq, 11);
  assert_int_equal(next_of(oldest, TF_CLIENT_UP).seq, 1);
  assert_int_equal(next_of(fourth, TF_CLIENT_UP).seq, 4);
  next_of(next, TF_CLIENT_IDLE);
  engine_write(&e, 1);
  records_are(next, 11, 11);
  records_are(oldest, 1, 11);
  records_are(fourth, 4, 11);
  next_of(fourth, TF_CLIENT_IDLE);
  assert_string_equal(tf_client_instrument_name(next, 0), "BTCUSDT.BINANCE-SPOT");
  assert_null(tf_client_instrument_name(next, 1));
  assert_int_equal(tf_client_instrument_cnt(next), 1);
  assert_int_equal(tf_client_fd(next), -1);
  tf_client_close(next);
  tf_client_close(oldest);
  tf_client_close(fourth);
  engine_close(&e);
}

static void a_client_that_fell_behind_is_told_what_it_lost_exactly(void **state) {
  (void)state;
  engine_t e;
  engine_open(&e);
  tf_client_t *client = client_open(&e, TF_CLIENT_NEXT, 0, LONG_NS);
  next_of(client, TF_CLIENT_UP);
  engine_write(&e, 1000);
  tf_decision_t       batch[8];
  tf_client_message_t m;
  assert_int_equal(tf_client_read(client, batch, sizeof batch[0], 8, &m), 0);
  assert_int_equal(m.kind, TF_CLIENT_LOST);
  /* 1001 - 64 + 1 + 8 = 946 comes next. */
  assert_int_equal(m.lost_from, 1);
  assert_int_equal(m.lost_to, 945);
  assert_int_equal(m.reason, TF_CLIENT_REASON_OVERRUN);
  records_are(client, 946, 1000);
  next_of(client, TF_CLIENT_IDLE);
  tf_client_counts_t counts;
  tf_client_counts(client, &counts);
  assert_int_equal(counts.records + counts.lost, 1000);
  tf_client_close(client);
  engine_close(&e);
}

static void what_is_older_than_the_ring_is_lost_and_beyond_it_is_another_sequence(void **state) {
  (void)state;
  engine_t e;
  engine_open(&e);
  engine_write(&e, 1000);
  tf_client_t *old = client_open(&e, 7, 0, LONG_NS);
  next_of(old, TF_CLIENT_UP);
  lost_is(old, 7, 945, TF_CLIENT_REASON_OVERRUN);
  records_are(old, 946, 946);
  tf_client_t *head = client_open(&e, 1001, 0, LONG_NS);
  assert_int_equal(next_of(head, TF_CLIENT_UP).reason, TF_CLIENT_REASON_NONE);
  next_of(head, TF_CLIENT_IDLE);
  tf_client_t *beyond = client_open(&e, 1002, 0, LONG_NS);
  assert_int_equal(next_of(beyond, TF_CLIENT_UP).reason, TF_CLIENT_REASON_RESTARTED);
  records_are(beyond, 938, 938);
  tf_client_close(old);
  tf_client_close(head);
  tf_client_close(beyond);
  engine_close(&e);
}

static void a_successor_is_followed_without_hole_or_double(void **state) {
  (void)state;
  engine_t e;
  engine_open(&e);
  tf_client_t *follows = client_open(&e, TF_CLIENT_NEXT, TF_CLIENT_FOLLOW, LONG_NS);
  tf_client_t *ends    = client_open(&e, TF_CLIENT_NEXT, 0, LONG_NS);
  assert_int_equal(next_of(follows, TF_CLIENT_UP).epoch, 1);
  next_of(ends, TF_CLIENT_UP);
  engine_write(&e, 3);
  engine_close(&e);
  records_are(follows, 1, 3);
  assert_true(tf_client_wait(follows, LONG_NS)); /* not each look sees the end */
  assert_int_equal(next_of(follows, TF_CLIENT_DOWN).reason, TF_CLIENT_REASON_CLOSED);
  next_of(follows, TF_CLIENT_IDLE);
  records_are(ends, 1, 3);
  assert_true(tf_client_wait(ends, LONG_NS));
  assert_int_equal(next_of(ends, TF_CLIENT_END).reason, TF_CLIENT_REASON_CLOSED);
  next_of(ends, TF_CLIENT_END);
  engine_begin(&e);
  engine_write(&e, 2);
  assert_true(tf_client_wait(follows, LONG_NS));
  tf_client_message_t up = next_of(follows, TF_CLIENT_UP);
  assert_int_equal(up.epoch, 2);
  assert_int_equal(up.seq, 4);
  assert_int_equal(up.reason, TF_CLIENT_REASON_NONE);
  records_are(follows, 4, 5);
  tf_client_close(follows);
  tf_client_close(ends);
  engine_close(&e);
}

static void records_between_two_files_are_lost_exactly(void **state) {
  (void)state;
  engine_t e;
  engine_open(&e);
  tf_client_t *client = client_open(&e, TF_CLIENT_NEXT, TF_CLIENT_FOLLOW, LONG_NS);
  next_of(client, TF_CLIENT_UP);
  engine_close(&e);
  assert_true(tf_client_wait(client, LONG_NS));
  next_of(client, TF_CLIENT_DOWN);
  engine_begin(&e); /* and this one's file is never seen */
  engine_write(&e, 5);
  engine_close(&e);
  engine_begin(&e);
  engine_write(&e, 1);
  assert_true(tf_client_wait(client, LONG_NS));
  assert_int_equal(next_of(client, TF_CLIENT_UP).epoch, 3);
  lost_is(client, 1, 5, TF_CLIENT_REASON_HISTORY);
  records_are(client, 6, 6);
  tf_client_close(client);
  engine_close(&e);
}

static void a_writer_without_a_heartbeat_is_down_and_up_again_when_it_goes_on(void **state) {
  (void)state;
  engine_t e;
  engine_open(&e);
  tf_client_t *client = client_open(&e, TF_CLIENT_NEXT, 0, 20 * TF_NS_PER_MS);
  next_of(client, TF_CLIENT_UP);
  assert_true(tf_client_wait(client, LONG_NS));
  assert_int_equal(next_of(client, TF_CLIENT_DOWN).reason, TF_CLIENT_REASON_SILENT);
  assert_non_null(strstr(tf_client_error(client), "no sign of life"));
  engine_write(&e, 1);
  assert_int_equal(next_of(client, TF_CLIENT_UP).seq, 1);
  records_are(client, 1, 1);
  tf_client_close(client);
  engine_close(&e);
}

static void a_stream_may_come_later_and_nothing_is_allocated_for_it(void **state) {
  (void)state;
  engine_t e;
  engine_open(&e);
  engine_close(&e);
  engine_path_remove();
  tf_client_t        *client = client_open(&e, TF_CLIENT_NEXT, TF_CLIENT_OPEN_LATER, LONG_NS);
  tf_client_message_t m      = next_of(client, TF_CLIENT_DOWN);
  assert_int_equal(m.reason, TF_CLIENT_REASON_ABSENT);
  next_of(client, TF_CLIENT_IDLE);
  engine_begin(&e);
  tf_alloc_seal_thread = true; /* an allocation aborts, in this build */
  bool came            = tf_client_wait(client, LONG_NS);
  tf_client_next(client, &m);
  tf_alloc_seal_thread = false;
  assert_true(came);
  assert_int_equal(m.kind, TF_CLIENT_UP);
  engine_write(&e, 1);
  records_are(client, 1, 1);
  tf_client_close(client);
  engine_close(&e);
}

int main(void) {
  if (access("/dev/shm", W_OK) != 0) {
    printf("skipped: /dev/shm cannot be written here\n");
    return 77;
  }
  atexit(engine_path_remove); /* even if a test fails half-way */
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reading_begins_where_it_is_asked_to),
      cmocka_unit_test(a_client_that_fell_behind_is_told_what_it_lost_exactly),
      cmocka_unit_test(what_is_older_than_the_ring_is_lost_and_beyond_it_is_another_sequence),
      cmocka_unit_test(a_successor_is_followed_without_hole_or_double),
      cmocka_unit_test(records_between_two_files_are_lost_exactly),
      cmocka_unit_test(a_writer_without_a_heartbeat_is_down_and_up_again_when_it_goes_on),
      cmocka_unit_test(a_stream_may_come_later_and_nothing_is_allocated_for_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
