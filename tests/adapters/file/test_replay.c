#include "cmocka_tf.h"

#include "adapters/file/made_file.h"
#include "core/arena.h"
#include "core/clock.h"
#include "core/error.h"
#include "file/replay.h"

/* A feed that makes one event of each text frame: price = the frame's first number, id = how many
 * frames its state has seen. "none" makes no event, "resync" asks for one. */
typedef struct fake_state {
  uint64_t frames;
  uint64_t canary;
} fake_state_t;

static size_t fake_state_bytes(const tf_feed_t *feed, const tf_feed_config_t *config) {
  (void)feed;
  (void)config;
  return sizeof(fake_state_t);
}

static tf_err_t fake_init(const tf_feed_t *feed, void *state, const tf_feed_config_t *config) {
  (void)feed;
  if (config->channels == 0) return TF_ERR(E_FEED_LIMIT, "no channels");
  *(fake_state_t *)state = (fake_state_t){.canary = 77};
  return 0;
}

static tf_verdict_t fake_on_frame(void *state, const tf_frame_t *frame, tf_feed_out_t *out) {
  fake_state_t *s = state;
  assert_int_equal(s->canary, 77);
  assert_int_equal(out->event_cnt, 0);
  assert_int_equal(out->resync_cnt, 0);
  out->counts->messages++;
  s->frames++;
  if (frame->kind == TF_FRAME_HTTP) {
    out->counts->msgs_control++;
    return TF_VERDICT_CONTROL;
  }
  out->counts->msgs_data++;
  if (memmem(frame->bytes, frame->bytes_cnt, "resync", 6)) out->resync_ids[out->resync_cnt++] = 1;
  if (memmem(frame->bytes, frame->bytes_cnt, "none", 4)) return TF_VERDICT_DATA;
  out->events[out->event_cnt++] = (tf_event_t){
      .ts_recv_ns = frame->recv_ns,
      .u.trade    = {.price = strtol(frame->bytes + 1, NULL, 10), .id = s->frames}
  };
  return TF_VERDICT_DATA;
}

static const tf_feed_t fake_feed = {
    .venue = "fake", .state_bytes = fake_state_bytes, .init = fake_init, .on_frame = fake_on_frame};
static const tf_feed_t        other_feed  = {.venue       = "other",
                                             .state_bytes = fake_state_bytes,
                                             .init        = fake_init,
                                             .on_frame    = fake_on_frame};
static const tf_feed_config_t feed_config = {.channels = TF_CHANNEL_TRADE};

typedef struct got {
  uint64_t ns, origin, decoded, published, id;
  int64_t  price;
} got_t;

static got_t  got[4096];
static size_t got_cnt;

static void keep(void *self, const tf_batch_t *batch) {
  assert_ptr_equal(self, &got_cnt);
  assert_int_equal(batch->event_cnt, 1);
  assert_true(got_cnt < TF_ARRAY_CNT(got));
  got[got_cnt++] = (got_t){.ns        = batch->events->ts_recv_ns,
                           .origin    = batch->origin_tsc,
                           .decoded   = batch->decoded_tsc,
                           .published = tf_clock_ticks(),
                           .id        = batch->events->u.trade.id,
                           .price     = batch->events->u.trade.price};
}

static void *memory;

static tf_err_t start(tf_replay_t *replay, const tf_replay_config_t *config) {
  size_t bytes = tf_replay_footprint(config);
  if (bytes == 0) return tf_error_code();
  assert_int_equal(bytes % 64, 0);
  memory = aligned_alloc(64, bytes);
  memset(memory, 0xa5, bytes);
  got_cnt      = 0;
  tf_err_t err = tf_replay_init(replay, config, memory);
  if (err) free(memory);
  replay->source.publisher = (tf_publisher_t){&got_cnt, keep};
  return err;
}

/* Polls to the end; the last result. The ledger must balance. */
static int run(tf_replay_t *replay) {
  int result;
  while ((result = replay->source.ops->poll(&replay->source, 0)) >= 0) {
  }
  const tf_source_t *s = &replay->source;
  assert_int_equal(s->bytes_rx, s->bytes_framed + s->bytes_partial + s->bytes_rejected);
  uint64_t rejected = 0;
  for (int i = 0; i < TF_REJECT_CNT; i++) rejected += s->counts.rejected[i];
  assert_int_equal(s->counts.messages, s->counts.msgs_data + s->counts.msgs_control + rejected);
  return result;
}

static void end(tf_replay_t *replay) {
  tf_replay_fini(replay);
  free(memory);
}

static char paths[4][128];

static tf_replay_input_t input(int i, const char *text) {
  char name[8];
  snprintf(name, sizeof name, "in%d", i);
  snprintf(paths[i], sizeof paths[i], "%s", made_file(name, text, strlen(text)));
  return (tf_replay_input_t){.path = paths[i], .feed = &fake_feed, .feed_config = &feed_config};
}

static void configs_out_of_range_are_refused(void **state) {
  (void)state;
  tf_replay_t              replay;
  const tf_replay_input_t  in     = input(0, "10 [1]\n");
  tf_replay_input_t        two[2] = {in, in};
  const tf_replay_config_t good   = {.inputs = &in, .input_cnt = 1, .event_cap = 1};
  tf_replay_config_t       bad    = good;
  bad.input_cnt                   = 0;
  assert_int_equal(start(&replay, &bad), E_CORE_ARGUMENT);
  bad.input_cnt = TF_REPLAY_INPUTS_MAX + 1;
  assert_int_equal(start(&replay, &bad), E_CORE_ARGUMENT);
  bad       = good;
  bad.speed = -1;
  assert_int_equal(start(&replay, &bad), E_CORE_ARGUMENT);
  bad.speed = __builtin_nan("");
  assert_int_equal(start(&replay, &bad), E_CORE_ARGUMENT);
  bad.speed = 2 * TF_REPLAY_SPEED_MAX;
  assert_int_equal(start(&replay, &bad), E_CORE_ARGUMENT);
  bad         = good;
  bad.from_ns = 10;
  bad.to_ns   = 10;
  assert_int_equal(start(&replay, &bad), E_CORE_ARGUMENT);
  bad           = good;
  bad.event_cap = 0;
  assert_int_equal(start(&replay, &bad), E_CORE_ARGUMENT);
  bad              = good;
  bad.inputs       = two;
  bad.input_cnt    = 2;
  two[1].continues = 2;
  assert_int_equal(start(&replay, &bad), E_CORE_ARGUMENT);
  two[1].continues = 1;
  two[1].feed      = &other_feed;
  assert_int_equal(start(&replay, &bad), E_CORE_ARGUMENT);
}

static void errors_of_inputs_and_feeds_come_out_and_leave_nothing_open(void **state) {
  (void)state;
  static const tf_feed_config_t none = {0};
  tf_replay_t                   replay;
  tf_replay_input_t             two[2] = {input(0, "10 [1]\n"), input(1, "10 [1]\n")};
  tf_replay_config_t            config = {.inputs = two, .input_cnt = 2, .event_cap = 1};
  int                           before = dup(0);
  close(before);
  two[1].path = "/absent";
  assert_int_equal(start(&replay, &config), E_FILE_OPEN);
  two[1]             = input(1, "10 [1]\n");
  two[1].feed_config = &none;
  assert_int_equal(start(&replay, &config), E_FEED_LIMIT);
  assert_non_null(strstr(tf_error_text(), "fake"));
  int after = dup(0);
  close(after);
  assert_int_equal(after, before);
}

static void each_record_is_published_with_a_stamp_of_its_own(void **state) {
  (void)state;
  tf_replay_t             replay;
  const tf_replay_input_t in = input(
      0, "10 [1]\nbroken\n20 [2,\"none\"]\n30 [3,\"resync\"]\n31 {\"lastUpdateId\":1}\n32 [4]\n");
  const tf_replay_config_t config = {.inputs = &in, .input_cnt = 1, .event_cap = 1};
  assert_int_equal(start(&replay, &config), 0);
  uint64_t before = tf_clock_ticks();
  assert_int_equal(run(&replay), TF_SOURCE_DONE);
  assert_int_equal(got_cnt, 3);
  static const uint64_t ns[]    = {10, 30, 32};
  static const int64_t  price[] = {1, 3, 4};
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(got[i].ns, ns[i]);
    assert_int_equal(got[i].price, price[i]);
    assert_true(before < got[i].origin && got[i].origin < got[i].decoded);
    assert_true(got[i].decoded < got[i].published);
    before = got[i].published;
  }
  const tf_feed_counts_t *counts = &replay.source.counts;
  assert_int_equal(counts->messages, 6);
  assert_int_equal(counts->rejected[TF_REJECT_LINE], 1);
  assert_int_equal(counts->sample[TF_REJECT_LINE].offset, 2);
  assert_int_equal(counts->sample[TF_REJECT_LINE].bytes_cnt, 6);
  assert_memory_equal(counts->sample[TF_REJECT_LINE].bytes, "broken", 6);
  assert_int_equal(replay.source.bytes_rejected, 7);
  assert_int_equal(replay.source.feed_state, TF_FEED_DOWN);
  assert_int_equal(replay.source.ops->poll(&replay.source, 0), TF_SOURCE_DONE);
  end(&replay);
}

static void inputs_are_merged_by_time_and_ties_go_by_input_order(void **state) {
  (void)state;
  tf_replay_t              replay;
  const tf_replay_input_t  in[3]  = {input(0, "10 [1]\n30 [2]\n30 [3]\n50 [4]\n"),
                                     input(1, "30 [5]\n40 [6]\n"),
                                     input(2, "5 [7]\n30 [8]\n60 [9]\n")};
  const tf_replay_config_t config = {.inputs = in, .input_cnt = 3, .event_cap = 1};
  assert_int_equal(start(&replay, &config), 0);
  assert_int_equal(run(&replay), TF_SOURCE_DONE);
  static const int64_t want[] = {7, 1, 2, 3, 5, 8, 6, 4, 9};
  assert_int_equal(got_cnt, 9);
  for (size_t i = 0; i < 9; i++) assert_int_equal(got[i].price, want[i]);
  assert_int_equal(got[8].id, 3); /* a state of its own */
  assert_int_equal(replay.source.connects, 3);
  assert_int_equal(replay.source.disconnects, 3);
  assert_int_equal(tf_replay_counts(&replay).records, 9);
  end(&replay);
}

static void an_input_that_continues_another_shares_its_feed_state(void **state) {
  (void)state;
  tf_replay_t       replay;
  tf_replay_input_t in[3]         = {input(0, "10 [1]\n20 [2]\n"), input(1, "11 [1]\n"),
                                     input(2, "30 [3]\n")};
  in[2].continues                 = 1;
  const tf_replay_config_t config = {.inputs = in, .input_cnt = 3, .event_cap = 1};
  assert_int_equal(start(&replay, &config), 0);
  assert_int_equal(run(&replay), TF_SOURCE_DONE);
  static const uint64_t want[] = {1, 1, 2, 3};
  for (size_t i = 0; i < 4; i++) assert_int_equal(got[i].id, want[i]);
  end(&replay);
}

static void bounds_are_half_open_and_one_wild_time_does_not_end_the_reading(void **state) {
  (void)state;
  char text[512];
  snprintf(text, sizeof text,
           "10 [1]\n20 [2]\n30 [3]\n40 [4]\n%llu [5]\n29 [6]\n%llu [7]\n21 [8]\n",
           (unsigned long long)(39 + TF_REPLAY_TO_SLACK_NS),
           (unsigned long long)(40 + TF_REPLAY_TO_SLACK_NS));
  tf_replay_t              replay;
  const tf_replay_input_t  in     = input(0, text);
  const tf_replay_config_t config = {
      .inputs = &in, .input_cnt = 1, .event_cap = 1, .from_ns = 20, .to_ns = 40};
  assert_int_equal(start(&replay, &config), 0);
  assert_int_equal(run(&replay), TF_SOURCE_DONE);
  static const int64_t want[] = {2, 3, 6, 8};
  assert_int_equal(got_cnt, 4);
  for (size_t i = 0; i < 4; i++) assert_int_equal(got[i].price, want[i]);
  assert_int_equal(replay.source.counts.messages, 4);
  assert_int_equal(tf_replay_counts(&replay).records, 8);
  end(&replay);
}

static void the_reading_ends_far_beyond_the_bounds(void **state) {
  (void)state;
  char  *text = malloc(64 * 3000);
  size_t at   = (size_t)sprintf(text, "10 [1]\n");
  for (int i = 0; i < 2000; i++)
    at +=
        (size_t)sprintf(text + at, "%llu [2]\n", (unsigned long long)(20 + TF_REPLAY_TO_SLACK_NS));
  tf_replay_t              replay;
  const tf_replay_input_t  in     = input(0, text);
  const tf_replay_config_t config = {.inputs = &in, .input_cnt = 1, .event_cap = 1, .to_ns = 20};
  assert_int_equal(start(&replay, &config), 0);
  assert_int_equal(run(&replay), TF_SOURCE_DONE);
  assert_int_equal(got_cnt, 1);
  assert_int_equal(tf_replay_counts(&replay).records, 1 + TF_REPLAY_BEYOND_MAX);
  end(&replay);
  free(text);
}

static void damage_is_reported_after_all_inputs_are_delivered(void **state) {
  (void)state;
  char   text[4096];
  size_t at = 0;
  for (int i = 0; i < 100; i++) at += (size_t)sprintf(text + at, "%d [%d]\n", 10 * i + 10, i);
  bytes_t gz = made_gzip(text, at);
  uint8_t out[4096];
  size_t  decoded = made_gunzip_prefix((bytes_t){gz.p, gz.cnt / 2}, out, sizeof out), lines = 0;
  for (size_t i = 0; i < decoded; i++) lines += out[i] == '\n';
  assert_in_range(lines, 10, 90);
  tf_replay_t       replay;
  tf_replay_input_t in[2] = {input(0, ""), input(1, "5 [1000]\n5000 [1001]\n")};
  made_file("in0", gz.p, gz.cnt / 2);
  const tf_replay_config_t config = {.inputs = in, .input_cnt = 2, .event_cap = 1};
  assert_int_equal(start(&replay, &config), 0);
  for (int again = 0; again < 2; again++) {
    assert_int_equal(run(&replay), E_FILE_DAMAGED);
    assert_int_equal(got_cnt, lines + 2);
    assert_int_equal(got[got_cnt - 1].price, 1001);
    assert_non_null(strstr(tf_error_text(), "in0"));
    assert_non_null(strstr(tf_error_text(), "reading line"));
  }
  assert_true(replay.source.bytes_partial < 10);
  end(&replay);
  free(gz.p);
}

static void a_stopped_replay_is_done(void **state) {
  (void)state;
  tf_replay_t              replay;
  const tf_replay_input_t  in     = input(0, "10 [1]\n");
  const tf_replay_config_t config = {.inputs = &in, .input_cnt = 1, .event_cap = 1};
  assert_int_equal(start(&replay, &config), 0);
  replay.source.ops->stop(&replay.source);
  assert_int_equal(run(&replay), TF_SOURCE_DONE);
  assert_int_equal(got_cnt, 0);
  end(&replay);
}

static void a_paced_replay_publishes_when_due_and_dates_from_then(void **state) {
  (void)state;
  char   text[8192];
  size_t at = 0;
  for (uint64_t i = 0; i < 100; i++) /* 20 ms of recording, two records at each 400 us */
    at += (size_t)sprintf(text + at, "%llu [%llu]\n", 1000000000ULL + i / 2 * 400000,
                          (unsigned long long)i);
  tf_replay_t              replay;
  const tf_replay_input_t  in     = input(0, text);
  const tf_replay_config_t config = {.inputs = &in, .input_cnt = 1, .event_cap = 1, .speed = 2.0};
  assert_int_equal(start(&replay, &config), 0);
  uint64_t idle = 0;
  int      result;
  while ((result = replay.source.ops->poll(&replay.source, 0)) >= 0) idle += result == 0;
  assert_int_equal(result, TF_SOURCE_DONE);
  assert_int_equal(got_cnt, 100);
  assert_true(idle > 0);
  for (size_t i = 0; i < 100; i++) {
    assert_int_equal(got[i].price, i);
    assert_true(got[i].published >= got[i].origin);
    uint64_t due_ns = tf_clock_ticks_to_ns(got[i].origin - got[0].origin);
    assert_in_range(due_ns + 2, i / 2 * 200000, i / 2 * 200000 + 4);
  }
  end(&replay);
}

/* The reader decompresses ahead in the waiting time: what it hands out must stay the same. */
static void a_paced_replay_of_a_large_file_delivers_every_record(void **state) {
  (void)state;
  size_t cap = 4 << 20, at = 0;
  char  *text = malloc(cap);
  int    n    = 4000;
  for (int i = 0; i < n; i++)
    at += (size_t)sprintf(text + at, "%llu [%d,%0*d]\n", 1000000000ULL + (unsigned)i * 100000ULL, i,
                          200 + i % 700, 7);
  bytes_t           gz = made_gzip(text, at);
  tf_replay_t       replay;
  tf_replay_input_t in = input(0, "");
  made_file("in0", gz.p, gz.cnt);
  const tf_replay_config_t config = {.inputs = &in, .input_cnt = 1, .event_cap = 1, .speed = 2.0};
  assert_int_equal(start(&replay, &config), 0);
  assert_int_equal(run(&replay), TF_SOURCE_DONE);
  assert_int_equal(got_cnt, n);
  for (int i = 0; i < n; i++) assert_int_equal(got[i].price, i);
  assert_int_equal(replay.source.bytes_rx, at);
  end(&replay);
  free(gz.p);
  free(text);
}

/* In dev builds malloc aborts on a sealed lane: zlib, libzstd and we must have all we need. */
static void polling_allocates_nothing(void **state) {
  (void)state;
  size_t cap = 2 << 20, at = 0, jsonl_at = 0;
  char  *text = malloc(cap), *jsonl = malloc(cap);
  for (int i = 0; i < 500; i++)
    at += (size_t)sprintf(text + at, "%d [%d,%0*d]\n", i, i, 500 + i % 700, 7);
  for (int i = 0; i < 500; i++)
    jsonl_at += (size_t)sprintf(
        jsonl + jsonl_at, "{\"t\":\"recv\",\"conn\":\"c%d\",\"ts\":0.%09d,\"data\":\"[%d]\"}\n",
        i / 100, i % 100, i);
  /* The second frame has a larger window than the first, and begins after init. */
  bytes_t     gz = made_gzip(text, at), gz2 = made_joined(gz, gz);
  bytes_t     narrow = made_zstd_window(text, at, 9999, 10), zst = made_zstd(text, at, 100000);
  bytes_t     zst2 = made_joined(narrow, zst);
  tf_replay_t replay;
  tf_replay_input_t in[3] = {input(0, ""), input(1, ""), input(2, "")};
  made_file("in0", gz2.p, gz2.cnt - 3);
  made_file("in1", zst2.p, zst2.cnt);
  made_file("in2", jsonl, jsonl_at);
  const tf_replay_config_t config = {.inputs = in, .input_cnt = 3, .event_cap = 1};
  assert_int_equal(start(&replay, &config), 0);
  tf_arena_seal_all();
  tf_arena_lane_enter();
  int result = run(&replay);
  tf_arena_lane_leave();
  tf_arena_unseal_all();
  assert_int_equal(result, E_FILE_DAMAGED);
  assert_int_equal(got_cnt, 2 * 1000 + 500);
  end(&replay);
  free(text);
  free(jsonl);
  free(gz.p);
  free(zst.p);
  free(gz2.p);
  free(zst2.p);
  free(narrow.p);
}

static int setup(void **state) {
  tf_clock_calibrate();
  return made_dir_setup(state);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(configs_out_of_range_are_refused),
      cmocka_unit_test(errors_of_inputs_and_feeds_come_out_and_leave_nothing_open),
      cmocka_unit_test(each_record_is_published_with_a_stamp_of_its_own),
      cmocka_unit_test(inputs_are_merged_by_time_and_ties_go_by_input_order),
      cmocka_unit_test(an_input_that_continues_another_shares_its_feed_state),
      cmocka_unit_test(bounds_are_half_open_and_one_wild_time_does_not_end_the_reading),
      cmocka_unit_test(the_reading_ends_far_beyond_the_bounds),
      cmocka_unit_test(damage_is_reported_after_all_inputs_are_delivered),
      cmocka_unit_test(a_stopped_replay_is_done),
      cmocka_unit_test(a_paced_replay_publishes_when_due_and_dates_from_then),
      cmocka_unit_test(a_paced_replay_of_a_large_file_delivers_every_record),
      cmocka_unit_test(polling_allocates_nothing),
  };
  return cmocka_run_group_tests(tests, setup, made_dir_teardown);
}
