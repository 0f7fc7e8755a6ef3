/* An inbox as a source of events, with a decoder that makes a trade of each byte of a message. */
#include "cmocka_tf.h"

#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "source/source.h"

#define EVENTS_CAP 64u

static TF_ALIGNED(128) uint8_t memory[1 << 14];

/* What happened, in order: 't' tapped, 'p' published; and the last of each. */
static struct {
  char            order[256];
  uint32_t        order_cnt, event_cnt;
  tf_tap_record_t record;
  char            target[TF_INBOX_TARGET_BYTES_MAX];
  tf_event_t      event;
  uint64_t        origin_tsc;
} seen;

static tf_verdict_t decode(void *state, const tf_frame_t *frame, tf_feed_out_t *out) {
  (void)state;
  out->counts->messages++;
  out->counts->msgs_data++;
  for (uint32_t i = 0; i < frame->bytes_cnt; i++)
    out->events[out->event_cnt++] =
        (tf_event_t){.ts_recv_ns = frame->recv_ns, .u.trade.id = (uint8_t)frame->bytes[i]};
  out->resync_cnt = 1;
  return TF_VERDICT_DATA;
}
static size_t state_bytes(const tf_feed_t *feed, const tf_feed_config_t *config) {
  (void)feed;
  (void)config;
  return 64;
}
static tf_err_t init(const tf_feed_t *feed, void *state, const tf_feed_config_t *config) {
  (void)feed;
  (void)state;
  (void)config;
  return TF_OK;
}
static const tf_feed_t feed = {.venue                = "bytes",
                               .state_bytes          = state_bytes,
                               .init                 = init,
                               .on_frame             = decode,
                               .sequences_are_shared = true};

static void on_record(void *self, const tf_tap_record_t *record) {
  (void)self;
  seen.record                  = *record;
  seen.order[seen.order_cnt++] = 't';
  snprintf(seen.target, sizeof seen.target, "%s", record->target);
}

static void on_batch(void *self, const tf_batch_t *batch) {
  (void)self;
  seen.event                   = batch->events[batch->event_cnt - 1];
  seen.origin_tsc              = batch->origin_tsc;
  seen.order[seen.order_cnt++] = 'p';
  seen.event_cnt += batch->event_cnt;
}

static uint64_t is_up;
static void     counts(const void *state, tf_intake_counts_t *c) {
      (void)state;
      c->is_up    = is_up;
      c->connects = 3;
}
static const tf_intake_t intake = {.name = "test", .counts = counts};

static tf_arena_t   arena;
static tf_inbox_t  *inbox;
static tf_source_t *source;

static int begin(void **state) {
  (void)state;
  memset(&seen, 0, sizeof seen);
  is_up                                 = 1;
  inbox                                 = tf_inbox_init(memory, TF_INBOX_CAPACITY_BYTES_MIN);
  const tf_inbox_source_config_t config = {.feed           = &feed,
                                           .inbox          = inbox,
                                           .events_cap     = EVENTS_CAP,
                                           .tap            = {.on_record = on_record},
                                           .tap_source_idx = 5,
                                           .intake         = &intake};
  assert_int_equal(tf_arena_init(&arena, "test", tf_inbox_source_arena_bytes(&config)), TF_OK);
  assert_int_equal(tf_inbox_source_init(&config, &arena, &source), TF_OK);
  source->publisher.publish = on_batch;
  return 0;
}

static int end(void **state) {
  (void)state;
  tf_arena_fini(&arena);
  return 0;
}

static void put(const char *text, const char *target, uint64_t position) {
  const tf_inbox_message_t m = {.recv_ns   = tf_clock_wall_ns(),
                                .position  = position,
                                .bytes_cnt = (uint32_t)strlen(text),
                                .kind      = TF_FRAME_TEXT,
                                .target    = target,
                                .bytes     = text};
  assert_true(tf_inbox_put(inbox, &m));
}

static void a_message_is_tapped_then_decoded_then_published(void **state) {
  (void)state;
  put("AB", "some.subject", 77);
  assert_int_equal(source->ops->poll(source, 1), 1);
  assert_string_equal(seen.order, "tp");
  assert_int_equal(seen.record.kind, TF_TAP_FRAME);
  assert_int_equal(seen.record.source_idx, 5);
  assert_int_equal(seen.record.frame_kind, TF_FRAME_TEXT);
  assert_int_equal(seen.record.bytes_cnt, 2);
  assert_int_equal(seen.record.recv_ns, seen.event.ts_recv_ns);
  assert_string_equal(seen.target, "some.subject");
  assert_int_equal(seen.event_cnt, 2);
  assert_int_equal(seen.event.u.trade.id, 'B');
  assert_int_equal(source->position, 77);
  assert_int_equal(source->newest_recv_ns, seen.event.ts_recv_ns);
  assert_int_equal(tf_inbox_taken(inbox), 1);
  assert_true(seen.origin_tsc <= tf_clock_ticks());
}

static void what_a_poll_leaves_keeps_acquire_awake(void **state) {
  (void)state;
  tf_bell_t bell;
  assert_int_equal(tf_bell_init(&bell), TF_OK);
  tf_inbox_set_bell(inbox, &bell);
  for (uint32_t i = 0; i < TF_INBOX_SOURCE_MESSAGES_PER_POLL + 3; i++) put("A", "", 0);
  uint64_t rung = tf_bell_seen(&bell);
  assert_int_equal(source->ops->poll(source, 1), TF_INBOX_SOURCE_MESSAGES_PER_POLL);
  assert_false(tf_bell_arm(&bell, rung));
  rung = tf_bell_seen(&bell);
  assert_int_equal(source->ops->poll(source, 1), 3);
  assert_true(tf_bell_arm(&bell, rung));
  tf_bell_fini(&bell);
}

static void bytes_add_up(void **state) {
  (void)state;
  put("ABC", "", 0);
  put("", "", 0);
  put("D", "", 0);
  assert_int_equal(source->ops->poll(source, 1), 3);
  assert_int_equal(source->bytes_rx, 4);
  assert_int_equal(source->bytes_framed, 4);
  assert_int_equal(source->counts.messages, 3);
  assert_string_equal(seen.order, "tpttp"); /* of nothing nothing is published */
}

static void a_pass_takes_so_many_and_no_more(void **state) {
  (void)state;
  for (uint32_t i = 0; i < TF_INBOX_SOURCE_MESSAGES_PER_POLL + 1; i++) put("A", "", i + 1);
  assert_int_equal(source->ops->poll(source, 1), TF_INBOX_SOURCE_MESSAGES_PER_POLL);
  assert_int_equal(tf_inbox_waiting(inbox), 1);
  assert_int_equal(source->ops->poll(source, 2), 1);
  assert_int_equal(source->ops->poll(source, 3), 0);
}

static void the_feed_is_live_while_the_intake_is_up(void **state) {
  (void)state;
  is_up = 0;
  source->ops->poll(source, 1);
  assert_int_equal(source->feed_state, TF_FEED_CONNECTING);
  is_up = 1;
  source->ops->poll(source, 2); /* not looked at again so soon */
  assert_int_equal(source->feed_state, TF_FEED_CONNECTING);
  source->ops->poll(source, TF_NS_PER_SEC);
  assert_int_equal(source->feed_state, TF_FEED_LIVE);
  assert_int_equal(source->connects, 3);
}

static void what_waits_when_it_stops_stays(void **state) {
  (void)state;
  put("A", "", 1);
  source->ops->stop(source);
  assert_int_equal(source->ops->poll(source, 1), TF_SOURCE_DONE);
  assert_int_equal(source->feed_state, TF_FEED_DOWN);
  assert_int_equal(seen.order_cnt, 0);
  assert_int_equal(tf_inbox_waiting(inbox), 1);
}

int main(void) {
  tf_clock_calibrate();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_message_is_tapped_then_decoded_then_published, begin, end),
      cmocka_unit_test_setup_teardown(bytes_add_up, begin, end),
      cmocka_unit_test_setup_teardown(a_pass_takes_so_many_and_no_more, begin, end),
      cmocka_unit_test_setup_teardown(what_a_poll_leaves_keeps_acquire_awake, begin, end),
      cmocka_unit_test_setup_teardown(the_feed_is_live_while_the_intake_is_up, begin, end),
      cmocka_unit_test_setup_teardown(what_waits_when_it_stops_stays, begin, end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
