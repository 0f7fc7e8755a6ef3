#include "feed_rig.h"

#include "core/arena.h"
#include "core/error.h"

static rig_t twin;

/* ---- the recordings in the tree, with and without prediction, and damaged ---- */

static uint64_t rng_state = 0x853c49e6748fea9bu;
static uint64_t rng(void) {
  rng_state ^= rng_state << 13;
  rng_state ^= rng_state >> 7;
  rng_state ^= rng_state << 17;
  return rng_state;
}

static void replay_both(const char *venue, const char *path, bool damage) {
  static char line[1 << 17];
  start(&rig, venue);
  start(&twin, venue);
  tf_binance_predict(twin.state, false);
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  uint64_t published[TF_EVENT_KIND_CNT] = {0};
  while (fgets(line, sizeof(line), file) != NULL) {
    char  *json = strchr(line, ' ') + 1;
    char   target[256], *space;
    size_t n       = strcspn(json, "\r\n");
    bool   is_rest = json[0] == '@';
    if (is_rest) {
      space = strchr(json, ' ');
      snprintf(target, sizeof(target), "%.*s", (int)(space - json - 1), json + 1);
      n -= (size_t)(space + 1 - json);
      json = space + 1;
    }
    for (int round = damage ? 5 : 0; round >= 0; round--) {
      if (round > 0 && n > 0) json[rng() % n] = "{}[]\",:x0e-. \\"[rng() % 14];
      uint8_t kind = is_rest ? TF_FRAME_HTTP : TF_FRAME_TEXT;
      assert_int_equal(feed_bytes(&rig, json, n, kind, is_rest ? target : NULL),
                       feed_bytes(&twin, json, n, kind, is_rest ? target : NULL));
      assert_int_equal(rig.out.event_cnt, twin.out.event_cnt);
      assert_memory_equal(rig.events, twin.events, rig.out.event_cnt * sizeof(tf_event_t));
      assert_int_equal(rig.out.resync_cnt, twin.out.resync_cnt);
      for (uint32_t i = 0; i < rig.out.event_cnt; i++) {
        published[rig.events[i].kind]++;
        bool is_last = i + 1 == rig.out.event_cnt;
        assert_int_equal(!!(rig.events[i].flags & TF_FLAG_LAST), is_last);
      }
    }
  }
  fclose(file);
  assert_memory_equal(published, rig.counts.events, sizeof(published));
  check_ledger(&rig);
  check_ledger(&twin);
  stop(&rig);
  stop(&twin);
}

static void prediction_changes_no_event_of_a_recording(void **state) {
  (void)state;
  replay_both("binance-spot", "tests/data/binance_spot_made.txt", false);
  replay_both("binance-usdm", "tests/data/binance_usdm_made.txt", false);
}

static void prediction_changes_no_event_of_a_damaged_recording(void **state) {
  (void)state;
  for (int i = 0; i < 10; i++) {
    replay_both("binance-spot", "tests/data/binance_spot_made.txt", true);
    replay_both("binance-coinm", "tests/data/binance_usdm_made.txt", true);
  }
}

static void nothing_is_allocated_while_decoding(void **state) {
  (void)state;
  start(&rig, "binance-spot");
  tf_arena_seal_all();
  tf_arena_lane_enter();
  feed_text(DELTA(1, 2));
  feed_rest("/api/v3/depth?limit=5&symbol=%42TCUSDT", SNAPSHOT(1));
  feed_text(TRADE(1));
  feed_text("{\"e\":\"trade\"");
  feed_text("{\"e\":\"kline\"}");
  feed_text("{\"code\":1,\"msg\":\"m\"}");
  feed_text("{\"u\":1,\"\\u0073\":\"NEW\\u0041\",\"b\":\"1\",\"B\":\"1\",\"a\":\"1\",\"A\":\"1\"}");
  tf_arena_lane_leave();
  tf_arena_unseal_all();
  assert_int_equal(rig.instruments.cnt, 2);
  assert_string_equal(rig.instruments.rows[1].symbol, "NEWA");
  assert_int_equal(rig.counts.msgs_data, 4);
  stop(&rig);
}

/* ---- live ---- */

static void the_session_is_told_where_to_connect_and_what_to_send(void **state) {
  (void)state;
  const char *symbols[] = {"BTCUSDT", "\xe5\xb8\x81USDT"};
  char        buf[512];
  assert_int_equal(start_with(&rig, "binance-spot", symbols, 2, 7), TF_OK);
  size_t n = rig.feed->ws_target(rig.state, buf, sizeof(buf));
  assert_int_equal(n, strlen(buf));
  assert_string_equal(buf, "/stream");
  rig.feed->snapshot_target(rig.state, 1, buf, sizeof(buf));
  assert_string_equal(buf, "/api/v3/depth?symbol=%E5%B8%81USDT&limit=5000");
  /* and the answer to it finds the instrument again */
  assert_int_equal(feed_rest(buf, SNAPSHOT(7)), TF_VERDICT_DATA);
  assert_int_equal(rig.events[0].instrument_id, 1);
  assert_int_equal(rig.feed->snapshot_target(rig.state, 2, buf, sizeof(buf)), 0);
  stop(&rig);
}

static void one_connection_takes_so_many_streams_and_no_more(void **state) {
  (void)state;
  static char        text[400][16], buf[16384];
  static const char *symbols[400];
  for (int i = 0; i < 400; i++) {
    snprintf(text[i], sizeof(text[i]), "S%d", i);
    symbols[i] = text[i];
  }
  for (uint32_t cnt = 341; cnt <= 342; cnt++) { /* 1023 and 1026 streams */
    memset(&rig, 0, sizeof(rig));
    rig.feed                = tf_feeds_find("binance-usdm");
    rig.instruments.cap     = 400;
    rig.instruments.rows    = calloc(400, sizeof(tf_instrument_t));
    tf_feed_config_t config = {
        .instruments = &rig.instruments, .symbols = symbols, .symbol_cnt = cnt, .channels = 7};
    rig.state = aligned_alloc(64, tf_align_up(rig.feed->state_bytes(rig.feed, &config), 64));
    assert_int_equal(rig.feed->init(rig.feed, rig.state, &config), TF_OK);
    size_t n = rig.feed->ws_target(rig.state, buf, sizeof(buf));
    if (cnt == 342) {
      assert_int_equal(n, 0);
      assert_int_equal(tf_error_code(), E_FEED_LIMIT);
    } else {
      assert_string_equal(buf, "/public/stream");
    }
    stop(&rig);
  }
}

static void every_feed_in_the_list_is_whole(void **state) {
  (void)state;
  for (uint32_t i = 0; tf_feeds_all[i] != NULL; i++) {
    const tf_feed_t *f = tf_feeds_all[i];
    assert_ptr_equal(tf_feeds_find(f->venue), f);
    assert_true(f->suffix && f->state_bytes && f->init && f->on_frame && f->on_connect);
    assert_true(f->channels && f->channels[0].names);
    if (!tf_feed_is_dialed(f)) continue;
    assert_true(f->ws_host && f->ws_port && f->ws_target && f->request);
    assert_true(f->subscribe_rate_hz_max > 0 && f->silence_ns_max > 0);
  }
  assert_null(tf_feeds_find("nowhere"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(prediction_changes_no_event_of_a_recording),
      cmocka_unit_test(prediction_changes_no_event_of_a_damaged_recording),
      cmocka_unit_test(nothing_is_allocated_while_decoding),
      cmocka_unit_test(the_session_is_told_where_to_connect_and_what_to_send),
      cmocka_unit_test(one_connection_takes_so_many_streams_and_no_more),
      cmocka_unit_test(every_feed_in_the_list_is_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
