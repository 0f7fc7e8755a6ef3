/* The client against a listener in this very thread: what is sent is there when next is called, so that nothing here
 * depends on time but the pause before a reconnect, which is waited for. */
#include "cmocka_tf.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/tickfuse_client.h"
#include "core/alloc_seal.h"
#include "tf/sink.h"
#include "tools/client/listener.h"

#define LONG_NS (60 * TF_NS_PER_SEC)

typedef struct rig {
  listener_t          listener;
  tf_client_t        *client;
  tf_client_message_t message;
} rig_t;

static void rig_open_with(rig_t *rig, tf_client_options_t options) {
  char error[TF_CLIENT_ERROR_BYTES];
  listener_open(&rig->listener);
  options.flags |= TF_CLIENT_OPEN_LATER;
  options.timeout_ns = LONG_NS;
  rig->client        = tf_client_open(rig->listener.url, &options, error, sizeof error);
  assert_non_null(rig->client);
}

static void rig_open(rig_t *rig, uint64_t resume_from, uint32_t flags) {
  tf_client_options_t options = TF_CLIENT_OPTIONS;
  options.resume_from         = resume_from;
  options.flags               = flags;
  rig_open_with(rig, options);
}

static void rig_close(rig_t *rig) {
  tf_client_close(rig->client);
  listener_close(&rig->listener);
}

#define next_is(rig, wanted)                                                                       \
  assert_int_equal(tf_client_next((rig)->client, &(rig)->message), wanted)

/* Connects and hands the hello over. */
static tf_frame_hello_t rig_hello(rig_t *rig) {
  next_is(rig, TF_CLIENT_IDLE);
  return listener_accept(&rig->listener, NULL);
}

static void rig_up(rig_t *rig, uint64_t next_seq, uint32_t epoch, uint8_t policy) {
  rig_hello(rig);
  listener_welcome(&rig->listener, next_seq, epoch, policy);
  next_is(rig, TF_CLIENT_UP);
  assert_int_equal(rig->message.seq, next_seq);
  assert_int_equal(rig->message.epoch, epoch);
}

static void records_are(rig_t *rig, uint64_t from, uint64_t to) {
  for (uint64_t seq = from; seq <= to; seq++) {
    next_is(rig, TF_CLIENT_RECORD);
    assert_int_equal(rig->message.seq, seq);
    const tf_decision_t *d = rig->message.record;
    assert_int_equal(d->decision_seq, seq);
    assert_int_equal(d->ref_price, seq * 10);
  }
}

static void lost_is(rig_t *rig, uint64_t from, uint64_t to, uint64_t cnt, uint32_t reason) {
  next_is(rig, TF_CLIENT_LOST);
  assert_int_equal(rig->message.lost_from, from);
  assert_int_equal(rig->message.lost_to, to);
  assert_int_equal(rig->message.lost_cnt, cnt);
  assert_int_equal(rig->message.reason, reason);
}

/* After a DOWN: the client comes again by itself. */
static tf_frame_hello_t rig_again(rig_t *rig) {
  tf_client_wait(rig->client, 10 * TF_NS_PER_MS); /* the pause of the first try is 100 ms */
  struct pollfd comes = {.fd = rig->listener.fd, .events = POLLIN};
  while (poll(&comes, 1, 0) == 0) tf_client_wait(rig->client, 20 * TF_NS_PER_MS);
  return listener_accept(&rig->listener, NULL);
}

static void records_come_one_by_one_and_in_batches(void **state) {
  (void)state;
  rig_t         rig;
  tf_decision_t batch[8];
  rig_open(&rig, TF_CLIENT_NEXT, 0);
  assert_int_equal(rig_hello(&rig).resume_from, TF_FRAME_RESUME_NEXT);
  listener_welcome(&rig.listener, 5, 9, TF_OVERFLOW_DROP_NEWEST);
  listener_decisions(&rig.listener, 5, 3, 0);
  next_is(&rig, TF_CLIENT_UP);
  records_are(&rig, 5, 7);
  next_is(&rig, TF_CLIENT_IDLE);
  listener_decisions(&rig.listener, 8, 10, 7);
  assert_int_equal(tf_client_read(rig.client, batch, sizeof batch[0], 8, &rig.message), 8);
  assert_int_equal(rig.message.kind, TF_CLIENT_RECORD);
  assert_int_equal(batch[7].decision_seq, 15);
  assert_int_equal(tf_client_read(rig.client, batch, sizeof batch[0], 8, &rig.message), 2);
  assert_int_equal(rig.message.kind, TF_CLIENT_IDLE);
  tf_client_counts_t counts;
  tf_client_counts(rig.client, &counts);
  assert_int_equal(counts.records, 13);
  assert_int_equal(counts.lost, 0);
  assert_int_equal(counts.bytes, 3 * TF_FRAME_HEADER_BYTES + sizeof(tf_frame_welcome_t) + 13 * 128);
  rig_close(&rig);
}

static void frames_may_be_cut_anywhere(void **state) {
  (void)state;
  rig_t             rig;
  tf_decision_t     d      = {.decision_seq = 1, .ref_price = 10};
  tf_frame_header_t header = {.magic         = TF_FRAME_MAGIC,
                              .kind          = TF_FRAME_RECORDS,
                              .version       = TF_FRAME_VERSION,
                              .record_cnt    = 1,
                              .payload_bytes = sizeof d,
                              .first_seq     = 1};
  uint8_t           frame[sizeof header + sizeof d];
  rig_open(&rig, TF_CLIENT_NEXT, 0);
  rig_up(&rig, 1, 1, 0);
  memcpy(frame, &header, sizeof header);
  memcpy(frame + sizeof header, &d, sizeof d);
  for (size_t i = 0; i < sizeof frame; i++) {
    next_is(&rig, TF_CLIENT_IDLE);
    listener_send(&rig.listener, frame + i, 1);
  }
  records_are(&rig, 1, 1);
  rig_close(&rig);
}

static void what_the_listener_lost_and_what_it_does_not_tell_are_told_exactly(void **state) {
  (void)state;
  rig_t rig;
  rig_open(&rig, 3, 0);
  assert_int_equal(rig_hello(&rig).resume_from, 3);
  listener_welcome(&rig.listener, 10, 1, TF_OVERFLOW_DROP_OLDEST);
  listener_lost(&rig.listener, 3, 9, TF_FRAME_REASON_HISTORY);
  listener_decisions(&rig.listener, 10, 2, 0);
  listener_lost(&rig.listener, 12, 20, TF_FRAME_REASON_DROPPED);
  listener_decisions(&rig.listener, 21, 1, 11);
  listener_decisions(&rig.listener, 25, 1, 24); /* 22 to 24: not a word of them */
  listener_decisions(&rig.listener, 24, 3, 25); /* 24, 25 came or are told */
  next_is(&rig, TF_CLIENT_UP);
  lost_is(&rig, 3, 9, 7, TF_CLIENT_REASON_HISTORY);
  records_are(&rig, 10, 11);
  lost_is(&rig, 12, 20, 9, TF_CLIENT_REASON_DROPPED);
  records_are(&rig, 21, 21);
  lost_is(&rig, 22, 24, 3, TF_CLIENT_REASON_MISSING);
  records_are(&rig, 25, 26);
  next_is(&rig, TF_CLIENT_IDLE);
  tf_client_counts_t counts;
  tf_client_counts(rig.client, &counts);
  assert_int_equal(counts.lost, 19);
  assert_int_equal(counts.losses, 3);
  assert_int_equal(counts.doubles, 2);
  rig_close(&rig);
}

static void the_holes_of_conflation_are_no_losses(void **state) {
  (void)state;
  rig_t rig;
  rig_open(&rig, TF_CLIENT_NEXT, 0);
  rig_up(&rig, 1, 1, TF_OVERFLOW_CONFLATE);
  listener_decisions(&rig.listener, 7, 1, 0);
  listener_decisions(&rig.listener, 30, 1, 7);
  listener_decisions(&rig.listener, 12, 1, 30); /* of another instrument, the latest of it */
  records_are(&rig, 7, 7);
  records_are(&rig, 30, 30);
  records_are(&rig, 12, 12);
  next_is(&rig, TF_CLIENT_IDLE);
  rig_close(&rig);
}

static void a_broken_connection_goes_on_behind_the_last_record(void **state) {
  (void)state;
  rig_t rig;
  rig_open(&rig, TF_CLIENT_OLDEST, 0);
  rig_up(&rig, 1, 1, 0);
  listener_decisions(&rig.listener, 1, 4, 0);
  listener_hang_up(&rig.listener);
  records_are(&rig, 1, 4); /* what came before the end is delivered first */
  next_is(&rig, TF_CLIENT_DOWN);
  assert_int_equal(rig.message.reason, TF_CLIENT_REASON_DISCONNECTED);
  assert_non_null(strstr(tf_client_error(rig.client), "closed the connection"));
  assert_int_equal(rig_again(&rig).resume_from, 5);
  listener_welcome(&rig.listener, 5, 2, 0);
  listener_decisions(&rig.listener, 5, 1, 0);
  next_is(&rig, TF_CLIENT_UP);
  assert_int_equal(rig.message.reason, TF_CLIENT_REASON_NONE);
  assert_int_equal(rig.message.epoch, 2);
  records_are(&rig, 5, 5);
  rig_close(&rig);
}

static void a_sequence_that_begins_anew_is_told(void **state) {
  (void)state;
  rig_t rig;
  rig_open(&rig, TF_CLIENT_NEXT, TF_CLIENT_FOLLOW);
  rig_up(&rig, 100, 1, 0);
  listener_decisions(&rig.listener, 100, 1, 0);
  listener_end(&rig.listener, TF_FRAME_REASON_CLOSED, "the engine stops");
  records_are(&rig, 100, 100);
  next_is(&rig, TF_CLIENT_DOWN);
  assert_int_equal(rig.message.reason, TF_CLIENT_REASON_CLOSED);
  assert_int_equal(rig_again(&rig).resume_from, 101);
  listener_welcome(&rig.listener, 1, 2, 0);
  listener_decisions(&rig.listener, 1, 2, 0);
  next_is(&rig, TF_CLIENT_UP);
  assert_int_equal(rig.message.reason, TF_CLIENT_REASON_RESTARTED);
  records_are(&rig, 1, 2);
  rig_close(&rig);
}

static void ends_that_no_retry_can_mend_are_final(void **state) {
  (void)state;
  static const struct {
    uint32_t reason, flags, kind;
  } cases[] = {
      {TF_FRAME_REASON_TOKEN,    TF_CLIENT_FOLLOW,       TF_CLIENT_END },
      {TF_FRAME_REASON_PROTOCOL, TF_CLIENT_FOLLOW,       TF_CLIENT_END },
      {TF_FRAME_REASON_CLOSED,   0,                      TF_CLIENT_END },
      {TF_FRAME_REASON_CLOSED,   TF_CLIENT_FOLLOW,       TF_CLIENT_DOWN},
      {TF_FRAME_REASON_SLOW,     0,                      TF_CLIENT_DOWN},
      {TF_FRAME_REASON_FULL,     0,                      TF_CLIENT_DOWN},
      {TF_FRAME_REASON_FULL,     TF_CLIENT_NO_RECONNECT, TF_CLIENT_END },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    rig_t rig;
    rig_open(&rig, TF_CLIENT_NEXT, cases[i].flags);
    rig_hello(&rig);
    listener_end(&rig.listener, cases[i].reason, "why\n\x1b[2J");
    next_is(&rig, cases[i].kind);
    assert_int_equal(rig.message.reason, cases[i].reason);
    assert_non_null(strstr(tf_client_error(rig.client), ": why??[2J"));
    next_is(&rig, cases[i].kind == TF_CLIENT_END ? TF_CLIENT_END : TF_CLIENT_IDLE);
    rig_close(&rig);
  }
}

static void the_token_is_the_files_line_and_the_file_is_ours_alone(void **state) {
  (void)state;
  rig_t               rig;
  char                token[TF_FRAME_TOKEN_BYTES_MAX + 1], path[64], error[TF_CLIENT_ERROR_BYTES];
  tf_client_options_t options = TF_CLIENT_OPTIONS;
  snprintf(path, sizeof path, "/tmp/tf-client-token.%d", (int)getpid());
  FILE *file = fopen(path, "w");
  fputs("wasp in amber\n", file);
  fclose(file);
  options.token_file = path;
  options.flags      = TF_CLIENT_OPEN_LATER;
  chmod(path, 0644);
  assert_null(tf_client_open("unix:/tmp/none", &options, error, sizeof error));
  assert_non_null(strstr(error, "chmod 600"));
  chmod(path, 0600);
  rig_open_with(&rig, options);
  next_is(&rig, TF_CLIENT_IDLE);
  listener_accept(&rig.listener, token);
  assert_string_equal(token, "wasp in amber");
  rig_close(&rig);
  unlink(path);
}

static void labels_are_taken_beside_instruments(void **state) {
  (void)state;
  rig_t                 rig;
  tf_frame_instrument_t rows[] = {
      {.id = TF_FRAME_LABEL_ID,                     .name = "negative"         },
      {.id = TF_FRAME_LABEL_ID + 2,                 .name = "positive"         },
      {.id = TF_FRAME_LABEL_ID + TF_LABELS_MAX,     .name = "beyond"           },
      {.id = TF_FRAME_LABEL_ID + TF_LABELS_MAX - 1, .name = "to be overwritten"},
      {.id = UINT32_MAX,                            .name = "the last"         },
  };
  rig_open(&rig, TF_CLIENT_NEXT, 0);
  rig_up(&rig, 1, 1, 0);
  assert_null(tf_client_label(rig.client, 0));
  memset(rows[3].name, 'x', sizeof rows[3].name); /* no end */
  listener_frame(&rig.listener, TF_FRAME_INSTRUMENTS, 0, 0, 0, rows, sizeof rows);
  next_is(&rig, TF_CLIENT_IDLE);
  assert_string_equal(tf_client_label(rig.client, 0), "negative");
  assert_string_equal(tf_client_label(rig.client, 2), "positive");
  assert_null(tf_client_label(rig.client, 1));
  assert_null(tf_client_label(rig.client, TF_LABELS_MAX));
  assert_null(tf_client_label(rig.client, UINT32_MAX));
  assert_int_equal(strlen(tf_client_label(rig.client, TF_LABELS_MAX - 1)), TF_LABEL_BYTES - 1);
  assert_int_equal(tf_client_instrument_cnt(rig.client), 0);
  rig_close(&rig);
}

static void names_are_taken_up_to_the_limit_of_ids(void **state) {
  (void)state;
  rig_t                 rig;
  tf_frame_instrument_t rows[3] = {
      {.id = 3,         .price_exp = -2,      .name = "BTCUSDT.BINANCE-SPOT"},
      {.id = TF_CLIENT_INSTRUMENTS_MAX - 1,               .price_exp = INT8_MIN, .name = "LAST"},
      {.id = TF_CLIENT_INSTRUMENTS_MAX, .name = "BEYOND"                    },
  };
  rig_open(&rig, TF_CLIENT_NEXT, 0);
  rig_up(&rig, 1, 1, 0);
  assert_int_equal(tf_client_instrument_cnt(rig.client), 0);
  memset(rows[1].name, 'x', sizeof rows[1].name); /* no end */
  listener_frame(&rig.listener, TF_FRAME_INSTRUMENTS, 0, 0, 0, rows, sizeof rows);
  next_is(&rig, TF_CLIENT_IDLE);
  assert_string_equal(tf_client_instrument_name(rig.client, 3), "BTCUSDT.BINANCE-SPOT");
  assert_int_equal(tf_client_instrument_price_exp(rig.client, 3), -2);
  assert_null(tf_client_instrument_name(rig.client, 2));
  assert_int_equal(strlen(tf_client_instrument_name(rig.client, rows[1].id)), 63);
  assert_null(tf_client_instrument_name(rig.client, TF_CLIENT_INSTRUMENTS_MAX));
  assert_int_equal(tf_client_instrument_cnt(rig.client), TF_CLIENT_INSTRUMENTS_MAX);
  rig_close(&rig);
}

/* Each is the first frame behind the welcome. */
static void a_frame_that_lies_ends_the_handle_with_its_place(void **state) {
  (void)state;
  static const struct {
    tf_frame_header_t header;
    const char       *says;
  } cases[] = {
      {{.magic = 7, .kind = TF_FRAME_RECORDS, .version = 1},                               "no tickfuse frame"   },
      {{.magic = 0x7079747b, .kind = TF_FRAME_RECORDS, .version = 1},                      "format: binary"      },
      {{.magic = TF_FRAME_MAGIC, .kind = TF_FRAME_RECORDS, .version = 2},                  "version 2"           },
      {{.magic = TF_FRAME_MAGIC, .kind = TF_FRAME_HELLO, .version = 1},                    "kind 1: 2 to 7 come" },
      {{.magic = TF_FRAME_MAGIC, .kind = TF_FRAME_KIND_CNT, .version = 1},                 "come from a listener"},
      {{.magic = TF_FRAME_MAGIC, .kind = TF_FRAME_WELCOME, .version = 1},                  "welcome of 0 bytes"  },
      {{.magic = TF_FRAME_MAGIC, .kind = TF_FRAME_LOST, .version = 1},                     "loss of 0 bytes"     },
      {{.magic = TF_FRAME_MAGIC, .kind = TF_FRAME_END, .version = 1},                      "end of 0 bytes"      },
      {{.magic = TF_FRAME_MAGIC, .kind = TF_FRAME_RECORDS, .version = 1, .record_cnt = 1},
       "1 records of 128 bytes in a payload of 0"                                                                },
      {{.magic         = TF_FRAME_MAGIC,
        .kind          = TF_FRAME_RECORDS,
        .version       = 1,
        .payload_bytes = TF_FRAME_BYTES_MAX + 1},
       "at most 1048576"                                                                                         },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    rig_t rig;
    rig_open(&rig, TF_CLIENT_NEXT, 0);
    rig_up(&rig, 1, 1, 0);
    listener_send(&rig.listener, &cases[i].header, sizeof cases[i].header);
    next_is(&rig, TF_CLIENT_END);
    assert_int_equal(rig.message.reason, TF_CLIENT_REASON_PROTOCOL);
    assert_non_null(strstr(tf_client_error(rig.client), cases[i].says));
    assert_non_null(strstr(tf_client_error(rig.client), "byte 88 of the connection"));
    rig_close(&rig);
  }
}

static void the_largest_payload_is_taken(void **state) {
  (void)state;
  rig_t                 rig;
  static uint8_t        rows[TF_FRAME_BYTES_MAX / 72 * 72];
  tf_frame_instrument_t row = {.id = 1, .name = "ONE"};
  for (size_t at = 0; at < sizeof rows; at += sizeof row) memcpy(rows + at, &row, sizeof row);
  tf_frame_header_t header = {.magic         = TF_FRAME_MAGIC,
                              .kind          = TF_FRAME_INSTRUMENTS,
                              .version       = TF_FRAME_VERSION,
                              .payload_bytes = sizeof rows};
  rig_open(&rig, TF_CLIENT_NEXT, 0);
  rig_up(&rig, 1, 1, 0);
  listener_send(&rig.listener, &header, sizeof header);
  for (size_t at = 0; at < sizeof rows; at += 65536) {
    size_t cnt = sizeof rows - at < 65536 ? sizeof rows - at : 65536;
    listener_send(&rig.listener, rows + at, cnt);
    next_is(&rig, TF_CLIENT_IDLE);
  }
  listener_decisions(&rig.listener, 1, 1024, 0);
  records_are(&rig, 1, 1024);
  assert_string_equal(tf_client_instrument_name(rig.client, 1), "ONE");
  rig_close(&rig);
}

static void a_welcome_of_other_things_is_refused(void **state) {
  (void)state;
  const tf_frame_welcome_t good = {.next_seq       = 1,
                                   .epoch          = 1,
                                   .record_bytes   = sizeof(tf_decision_t),
                                   .record_version = TF_DECISION_VERSION,
                                   .heartbeat_ms   = 1000};
  for (int i = 0; i < 8; i++) {
    tf_frame_welcome_t w = good;
    rig_t              rig;
    if (i == 1) w.record_bytes = 120;
    if (i == 2) w.carries = TF_CARRIES_EVENTS;
    if (i == 3) w.record_version = TF_DECISION_VERSION + 1;
    if (i == 4) w.heartbeat_ms = 0;
    if (i == 5) w.policy = TF_OVERFLOW_CNT;
    if (i == 0) w.carries = TF_FRAME_FILTERED | TF_CARRIES_EVENTS;
    if (i == 6) w.carries = TF_FRAME_FILTERED;
    if (i == 7) w.next_seq = 0; /* there has been none yet */
    rig_open(&rig, TF_CLIENT_NEXT, 0);
    rig_hello(&rig);
    listener_frame(&rig.listener, TF_FRAME_WELCOME, 0, 1, 0, &w, sizeof w);
    next_is(&rig, i < 6 ? TF_CLIENT_END : TF_CLIENT_UP);
    rig_close(&rig);
  }
}

static void what_comes_before_the_welcome_is_refused(void **state) {
  (void)state;
  rig_t rig;
  rig_open(&rig, TF_CLIENT_NEXT, 0);
  rig_hello(&rig);
  listener_decisions(&rig.listener, 1, 1, 0);
  next_is(&rig, TF_CLIENT_END);
  assert_non_null(strstr(tf_client_error(rig.client), "before the welcome"));
  rig_close(&rig);
}

static void a_listener_without_a_sign_of_life_is_down(void **state) {
  (void)state;
  rig_t               rig;
  tf_client_options_t options = TF_CLIENT_OPTIONS;
  options.silent_ns           = 50 * TF_NS_PER_MS;
  rig_open_with(&rig, options);
  rig_up(&rig, 1, 1, 0);
  assert_true(tf_client_wait(rig.client, LONG_NS));
  next_is(&rig, TF_CLIENT_DOWN);
  assert_int_equal(rig.message.reason, TF_CLIENT_REASON_SILENT);
  rig_again(&rig);
  listener_welcome(&rig.listener, 1, 1, 0);
  next_is(&rig, TF_CLIENT_UP);
  rig_close(&rig);
}

static void the_descriptor_is_readable_when_there_is_something(void **state) {
  (void)state;
  rig_t rig;
  rig_open(&rig, TF_CLIENT_NEXT, 0);
  rig_up(&rig, 1, 1, 0);
  next_is(&rig, TF_CLIENT_IDLE);
  struct pollfd waits = {.fd = tf_client_fd(rig.client), .events = POLLIN};
  assert_int_equal(poll(&waits, 1, 0), 0);
  assert_false(tf_client_wait(rig.client, TF_NS_PER_MS));
  listener_decisions(&rig.listener, 1, 1, 0);
  assert_int_equal(poll(&waits, 1, -1), 1);
  records_are(&rig, 1, 1);
  listener_frame(&rig.listener, TF_FRAME_HEARTBEAT, 0, 2, 0, NULL, 0);
  assert_true(tf_client_wait(rig.client, LONG_NS));
  next_is(&rig, TF_CLIENT_HEARTBEAT);
  assert_int_equal(rig.message.seq, 2);
  next_is(&rig, TF_CLIENT_IDLE);
  assert_int_equal(poll(&waits, 1, 0), 0);
  rig_close(&rig);
}

static void nothing_is_allocated_after_open_not_even_by_a_reconnect(void **state) {
  (void)state;
  rig_t rig;
  rig_open(&rig, TF_CLIENT_NEXT, 0);
  tf_alloc_seal_thread = true; /* an allocation aborts, in this build */
  rig_hello(&rig);
  listener_welcome(&rig.listener, 1, 1, 0);
  listener_decisions(&rig.listener, 1, 2, 0);
  bool ok = tf_client_next(rig.client, &rig.message) == TF_CLIENT_UP;
  while (tf_client_next(rig.client, &rig.message) == TF_CLIENT_RECORD) {
  }
  listener_hang_up(&rig.listener);
  ok &= tf_client_wait(rig.client, LONG_NS);
  ok &= tf_client_next(rig.client, &rig.message) == TF_CLIENT_DOWN;
  rig_again(&rig);
  listener_welcome(&rig.listener, 3, 1, 0);
  ok &= tf_client_next(rig.client, &rig.message) == TF_CLIENT_UP;
  tf_alloc_seal_thread = false;
  assert_true(ok);
  rig_close(&rig);
}

static void an_absent_listener_is_an_error_of_open_and_a_down_of_open_later(void **state) {
  (void)state;
  char                error[TF_CLIENT_ERROR_BYTES];
  tf_client_options_t options = TF_CLIENT_OPTIONS;
  tf_client_message_t message;
  const char         *url = "unix:/tmp/tf-client-nobody-is-here";
  assert_null(tf_client_open(url, &options, error, sizeof error));
  assert_non_null(strstr(error, "No such file"));
  options.flags       = TF_CLIENT_OPEN_LATER;
  tf_client_t *client = tf_client_open(url, &options, error, sizeof error);
  assert_non_null(client);
  assert_int_equal(tf_client_next(client, &message), TF_CLIENT_DOWN);
  assert_int_equal(tf_client_next(client, &message), TF_CLIENT_IDLE);
  tf_client_close(client);
}

static void wrong_urls_and_options_are_refused_with_what_is_allowed(void **state) {
  (void)state;
  char                error[TF_CLIENT_ERROR_BYTES], url[TF_CLIENT_URL_BYTES_MAX + 8];
  tf_client_options_t options = TF_CLIENT_OPTIONS;
  static const struct {
    const char *url, *says;
  } cases[] = {
      {"",                    "are known"      },
      {"http://x:1",          "are known"      },
      {"tcp://host",          "HOST:PORT"      },
      {"tcp://:1",            "host's name"    },
      {"tcp://h:0",           "1 to 65535"     },
      {"tcp://h:65536",       "1 to 65535"     },
      {"tcp://h:12a",         "1 to 65535"     },
      {"tcp://h:-1",          "1 to 65535"     },
      {"tcp://h:123456789",   "1 to 65535"     },
      {"tcp://127.0.0.1:1/x", "goes with ws://"},
      {"unix:",               "socket's path"  },
      {"shm:a/b",             "A-Z a-z 0-9"    },
      {"shm:tf-no-such",      "no such stream" },
      {"journal:/tmp/tf-no",  "No such file"   },
      {"tcp://[::1:1",        "host"           },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    assert_null(tf_client_open(cases[i].url, &options, error, sizeof error));
    if (!strstr(error, cases[i].says)) fail_msg("%s: %s", cases[i].url, error);
  }
  memset(url, 'a', sizeof url - 1);
  memcpy(url, "unix:", 5);
  url[TF_CLIENT_URL_BYTES_MAX] = 0;
  assert_null(tf_client_open(url, &options, error, sizeof error));
  assert_non_null(strstr(error, "at most 1023"));
  options.struct_bytes = 8;
  assert_null(tf_client_open("shm:x", &options, error, sizeof error));
  assert_non_null(strstr(error, "TF_CLIENT_OPTIONS"));
  struct {
    tf_client_options_t options;
    uint64_t            later[2];
  } larger                    = {.options = TF_CLIENT_OPTIONS};
  larger.options.struct_bytes = sizeof larger;
  larger.later[1]             = 1;
  assert_null(tf_client_open("shm:x", &larger.options, error, sizeof error));
  assert_non_null(strstr(error, "does not know"));
  larger.later[1] = 0;
  assert_null(tf_client_open("shm:tf-no-such", &larger.options, error, sizeof error));
  assert_non_null(strstr(error, "no such stream"));
  tf_client_close(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(records_come_one_by_one_and_in_batches),
      cmocka_unit_test(frames_may_be_cut_anywhere),
      cmocka_unit_test(what_the_listener_lost_and_what_it_does_not_tell_are_told_exactly),
      cmocka_unit_test(the_holes_of_conflation_are_no_losses),
      cmocka_unit_test(a_broken_connection_goes_on_behind_the_last_record),
      cmocka_unit_test(a_sequence_that_begins_anew_is_told),
      cmocka_unit_test(ends_that_no_retry_can_mend_are_final),
      cmocka_unit_test(the_token_is_the_files_line_and_the_file_is_ours_alone),
      cmocka_unit_test(labels_are_taken_beside_instruments),
      cmocka_unit_test(names_are_taken_up_to_the_limit_of_ids),
      cmocka_unit_test(a_frame_that_lies_ends_the_handle_with_its_place),
      cmocka_unit_test(the_largest_payload_is_taken),
      cmocka_unit_test(a_welcome_of_other_things_is_refused),
      cmocka_unit_test(what_comes_before_the_welcome_is_refused),
      cmocka_unit_test(a_listener_without_a_sign_of_life_is_down),
      cmocka_unit_test(the_descriptor_is_readable_when_there_is_something),
      cmocka_unit_test(nothing_is_allocated_after_open_not_even_by_a_reconnect),
      cmocka_unit_test(an_absent_listener_is_an_error_of_open_and_a_down_of_open_later),
      cmocka_unit_test(wrong_urls_and_options_are_refused_with_what_is_allowed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
