/* What a session does about books that the lane doubts and streams that fall silent: what it publishes, and that
 * the tap saw it just before. */
#include "session_rig.h"

#define CAP 4u

static tf_instrument_t  rows[CAP];
static tf_instruments_t table = {.rows = rows, .cap = CAP, .cnt = CAP};
static uint64_t         words[CAP];
static tf_lost_books_t  lost = {.since_ns = words, .cap = CAP};

/* What was published and tapped, a letter each: K G S N a book's state told (OK, GAP, STALE, NONE), b q a level, a
 * quote; f l s a frame, a lose, a status seen by the tap. */
static char     told[256];
static uint32_t told_cnt;
static uint32_t lose_cnt, lose_id;

static void note_told(char letter) {
  if (told_cnt < sizeof told - 1) told[told_cnt++] = letter;
  told[told_cnt] = '\0';
}

static void watch_publish(void *self, const tf_batch_t *batch) {
  (void)self;
  for (uint32_t i = 0; i < batch->event_cnt; i++) {
    const tf_event_t *e = &batch->events[i];
    if (e->kind == TF_EVENT_BOOK) note_told('b');
    if (e->kind == TF_EVENT_QUOTE) note_told('q');
    if (e->kind == TF_EVENT_TRADE) note_told((char)('0' + e->u.trade.id));
    if (e->kind != TF_EVENT_STATUS || e->instrument_id != 2) continue;
    note_told("KYGSCN"[e->u.status.book_state]);
    assert_true(e->flags & TF_FLAG_LAST);
    assert_true(e->ts_recv_ns > TF_NS_PER_SEC);
  }
}

static void watch_tap(void *self, const tf_tap_record_t *record) {
  (void)self;
  if (record->kind == TF_TAP_FRAME) note_told('f');
  if (record->kind == TF_TAP_WINDOW_END) note_told('w');
  if (record->kind == TF_TAP_LOSE) {
    uint32_t id;
    assert_int_equal(record->bytes_cnt, sizeof id);
    memcpy(&id, record->bytes, sizeof id);
    assert_int_equal(id, 2);
    note_told('l');
  }
  if (record->kind == TF_TAP_STATUS) {
    tf_event_t e;
    assert_int_equal(record->bytes_cnt, sizeof e);
    memcpy(&e, record->bytes, sizeof e);
    assert_int_equal(e.kind, TF_EVENT_STATUS);
    assert_int_equal(e.ts_recv_ns, record->recv_ns);
    note_told('s');
  }
}

static tf_verdict_t watch_on_frame(void *state, const tf_frame_t *frame, tf_feed_out_t *out) {
  (void)state;
  out->counts->messages++;
  if (frame->bytes[0] == 'H' || frame->bytes[0] == 'a') { /* heartbeats make no events */
    out->counts->msgs_control++;
    return TF_VERDICT_CONTROL;
  }
  out->counts->msgs_data++;
  uint8_t kind = frame->bytes[0] == 'K'   ? TF_EVENT_STATUS
                 : frame->bytes[0] == 'B' ? TF_EVENT_BOOK
                 : frame->bytes[0] == 'T' ? TF_EVENT_TRADE
                                          : TF_EVENT_QUOTE;
  emit(out, kind, kind == TF_EVENT_TRADE ? (uint64_t)(frame->bytes[2] - '0') : 0, frame->recv_ns);
  out->events[out->event_cnt - 1].instrument_id = 2;
  if (kind == TF_EVENT_STATUS) out->events[out->event_cnt - 1].u.status.apply_from = 1;
  return TF_VERDICT_DATA;
}

static void watch_lose_book(void *state, uint32_t id, uint64_t now_ns, tf_feed_out_t *out) {
  (void)state;
  lose_cnt++;
  lose_id = id;
  emit(out, TF_EVENT_STATUS, 0, now_ns);
  out->events[out->event_cnt - 1].instrument_id       = id;
  out->events[out->event_cnt - 1].u.status.book_state = TF_BOOK_GAP;
}

/* Sends what the test puts into `next`, one text a number in note 0. */
static const char *script_texts[64];

static void script_texts_on_demand(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  (void)idx;
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  for (uint64_t sent = 0;;) {
    while (sent < noted(0)) stub_text(c, script_texts[sent++]);
    if (noted(1)) return;
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
}

static uint64_t sent_cnt;

static void say(const char *text) {
  uint64_t before          = source->counts.messages;
  script_texts[sent_cnt++] = text;
  __atomic_store_n(&stub.note[0], sent_cnt, __ATOMIC_SEQ_CST);
  RUN_UNTIL(source->counts.messages > before);
}

static int setup_watch(void **state) {
  setup(state);
  memset(words, 0, sizeof words);
  told_cnt = lose_cnt = 0;
  told[0]             = '\0';
  sent_cnt            = 0;
  for (uint32_t i = 0; i < CAP; i++) snprintf(rows[i].name, sizeof rows[i].name, "S%u.FAKE", i);
  config.feed_config.instruments = &table;
  config.lost_books              = &lost;
  config.crossed_after_ns        = 50 * MS;
  config.stale_after_ns          = 100 * MS;
  config.silence_ns              = 60 * TF_NS_PER_SEC;
  config.tap.on_record           = watch_tap;
  fake.on_frame                  = watch_on_frame;
  fake.lose_book                 = watch_lose_book;
  return 0;
}

static void begin_watch(void) {
  begin(script_texts_on_demand, false);
  source->publisher = (tf_publisher_t){.publish = watch_publish};
  RUN_UNTIL(source->counts.messages == 2); /* acknowledgements */
  told_cnt = 0;
  told[0]  = '\0';
}

static int end_watch(void **state) {
  __atomic_store_n(&stub.note[1], 1, __ATOMIC_SEQ_CST);
  return teardown(state);
}

static void book_that_the_lane_doubts_is_given_up_alone(void **state) {
  (void)state;
  begin_watch();
  say("K");
  say("B");
  words[2]          = tf_clock_wall_ns();
  uint64_t begin_ns = tf_clock_monotonic_ns();
  RUN_UNTIL(lose_cnt == 1);
  assert_true(tf_clock_monotonic_ns() - begin_ns >= 49 * MS);
  assert_int_equal(lose_id, 2);
  words[2] = 0; /* the lane has seen the GAP */
  run_for(60 * MS);
  assert_int_equal(lose_cnt, 1);
  assert_int_equal(source->books_lost, 1);
  assert_int_equal(source->disconnects, 0);
  assert_string_equal(told, "fKfblG");
}

static void doubt_that_passes_costs_nothing(void **state) {
  (void)state;
  begin_watch();
  say("K");
  words[2] = tf_clock_wall_ns();
  run_for(10 * MS);
  words[2] = 0;
  run_for(60 * MS);
  assert_int_equal(lose_cnt, 0);
}

static void silent_stream_is_told_stale_and_its_next_data_tells_ok(void **state) {
  (void)state;
  begin_watch();
  say("K");
  say("B");
  run_for(60 * MS);
  say("H"); /* a heartbeat is no data */
  RUN_UNTIL(source->stale == 1);
  assert_int_equal(source->stale_now, 1);
  say("B");
  assert_string_equal(told, "fKfbfsSfbsK");
  assert_int_equal(source->stale_now, 0);
  assert_int_equal(source->counts.events[TF_EVENT_STATUS], 4); /* connect, K, STALE, OK */
}

static void stream_that_never_had_data_is_not_stale(void **state) {
  (void)state;
  begin_watch();
  say("K");
  run_for(250 * MS);
  assert_int_equal(source->stale, 0);
  assert_string_equal(told, "fK");
}

static void quotes_without_a_book_go_back_to_none(void **state) {
  (void)state;
  begin_watch();
  say("Q");
  RUN_UNTIL(source->stale == 1);
  say("Q");
  assert_string_equal(told, "fqsSfqsN");
}

/* The lane stood still for half a minute: nobody was silent, we did not listen. */
static void lane_that_was_held_up_calls_nobody_stale(void **state) {
  (void)state;
  config.stale_after_ns = 300 * MS;
  begin_watch();
  say("K");
  say("B");
  uint64_t wall_ns = tf_clock_wall_ns() + 30 * TF_NS_PER_SEC;
  for (uint64_t i = 0; i < 5; i++) source->ops->poll(source, wall_ns + i * MS);
  assert_int_equal(source->stale, 0);
  for (uint64_t i = 0; i < 30; i++) source->ops->poll(source, wall_ns + 10 * MS + i * 10 * MS);
  assert_int_equal(source->stale, 1);
}

/* FAULTS F27, on a feed that then falls silent. */
static void trade_that_waits_for_those_before_it_waits_no_longer_than_its_window(void **state) {
  (void)state;
  static const tf_feed_channel_t channels[] = {
      {TF_CHANNEL_TRADE, "trade", TF_FEED_CHECK(IDS_CONSECUTIVE)},
      {0,                NULL,    0                             },
  };
  fake.channels                        = channels;
  config.feed_config.reorder_window_ns = 60 * MS;
  config.stale_after_ns                = TF_STALENESS_OFF;
  begin_watch();
  say("T 1");
  uint64_t begin_ns = tf_clock_monotonic_ns();
  say("T 4");
  say("T 3");
  assert_string_equal(told, "f1ff");
  RUN_UNTIL(told_cnt > 4);
  assert_true(tf_clock_monotonic_ns() - begin_ns >= 60 * MS);
  assert_string_equal(told, "f1ffw34");
  say("T 2"); /* too late */
  run_for(80 * MS);
  assert_string_equal(told, "f1ffw34f2");
}

#define W(name) cmocka_unit_test_setup_teardown(name, setup_watch, end_watch)

int main(void) {
  if (!session_rig_start()) return 1;
  const struct CMUnitTest tests[] = {
      W(book_that_the_lane_doubts_is_given_up_alone),
      W(doubt_that_passes_costs_nothing),
      W(silent_stream_is_told_stale_and_its_next_data_tells_ok),
      W(stream_that_never_had_data_is_not_stale),
      W(quotes_without_a_book_go_back_to_none),
      W(lane_that_was_held_up_calls_nobody_stale),
      W(trade_that_waits_for_those_before_it_waits_no_longer_than_its_window),
  };
  return session_rig_stop(RUN_SESSION_TESTS(TF_IO_AUTO, "session, watch", tests));
}
