/* Outcomes of workers in a capture: they come back in order and whole, whatever stands between them; a record that lies ends
 * them, and a capture without them has none. */
#include "cmocka_tf.h"

#include <string.h>

#include "adapters/file/made_file.h"
#include "core/arena.h"
#include "core/error.h"
#include "file/capture.h"
#include "file/outcome_reader.h"

static const char *const              symbols[] = {"BTCUSDT"};
static const tf_capture_feed_config_t feeds[]   = {
      {"spot", "binance-spot", "", 7, 4096, 0, symbols, 1}
};

typedef struct rig {
  tf_arena_t   arena;
  tf_capture_t capture;
  tf_tap_t     tap;
  char         dir[160];
} rig_t;

static rig_t rig;

static void begin(void) {
  static int n;
  snprintf(rig.dir, sizeof rig.dir, "%s/outcomes%d", made_dir, n++);
  tf_capture_config_t config = {
      .writer     = {.dir              = rig.dir,
                     .tickfuse_version = "0",
                     .started_ns       = 1,
                     .feeds            = feeds,
                     .feed_cnt         = 1,
                     .rotate_bytes     = 4096, /* several files */
                     .level            = 3},
      .policy     = TF_CAPTURE_BLOCK,
      .ring_bytes = 1 << 20,
      .flush_ns   = TF_NS_PER_MS
  };
  assert_int_equal(tf_arena_init(&rig.arena, "capture", tf_capture_arena_bytes(&config) + 65536),
                   0);
  assert_int_equal(tf_capture_start(&rig.capture, &config, &rig.arena), 0);
  rig.tap = tf_capture_tap(&rig.capture);
}

static void end(void) {
  assert_int_equal(tf_capture_stop(&rig.capture), 0);
  tf_arena_fini(&rig.arena);
}

static void put(uint8_t kind, const void *bytes, uint32_t bytes_cnt) {
  tf_tap_record_t r = {.recv_ns    = 1000,
                       .source_idx = kind == TF_TAP_FRAME ? 0 : UINT32_MAX,
                       .kind       = kind,
                       .bytes      = bytes,
                       .bytes_cnt  = bytes_cnt};
  rig.tap.on_record(rig.tap.self, &r);
}

static void put_begin(uint32_t models) {
  tf_outcome_t o = {.instrument_id = models, .model_idx = TF_OUTCOME_BEGIN};
  put(TF_TAP_OUTCOMES, &o, sizeof o);
}

/* A worker was revived: no outcome of a tick. */
static void put_mark(uint8_t cause) {
  tf_outcome_t o = {.instrument_id = 1, .model_idx = TF_OUTCOME_REVIVED, .asked = cause};
  put(TF_TAP_OUTCOMES, &o, sizeof o);
}

/* The i-th: of every length that there is, and misses between them. */
static uint32_t make(uint32_t i, uint8_t *bytes) {
  tf_outcome_t o = {.tick_seq      = i + 1,
                    .instrument_id = i % 3,
                    .model_idx     = (uint8_t)(i % 2),
                    .asked         = i % 5 == 4 ? TF_ASKED_LATE : TF_ASKED_ANSWERED};
  o.out_cnt      = o.asked ? 0 : (uint16_t)(1 + i % TF_OUTCOME_OUTPUTS_MAX);
  memset(bytes, 0, tf_outcome_bytes(o.out_cnt));
  memcpy(bytes, &o, sizeof o);
  for (uint32_t k = 0; k < o.out_cnt; k++) {
    float value = (float)i + (float)k / 1024.0f;
    memcpy(bytes + sizeof o + k * sizeof value, &value, sizeof value);
  }
  return tf_outcome_bytes(o.out_cnt);
}

static void outcomes_come_back_in_order_from_between_the_frames(void **state) {
  (void)state;
  const uint32_t cnt = 3000;
  static uint8_t bytes[16384], one[2048];
  begin();
  put_begin(5);
  for (uint32_t i = 0, put_cnt = 0; i < cnt; i++) {
    char frame[64];
    put(TF_TAP_FRAME, frame, (uint32_t)snprintf(frame, sizeof frame, "{\"i\":%u}", i));
    put_cnt += make(i, bytes + put_cnt);
    if (i % 100 == 0) put_mark(i % 2);
    if (i % 7 != 6 && i + 1 < cnt) continue; /* records of up to seven */
    put(TF_TAP_OUTCOMES, bytes, put_cnt);
    put_cnt = 0;
  }
  end();
  tf_outcome_reader_t reader;
  bool                has_any;
  assert_int_equal(tf_outcome_reader_init(&reader, rig.dir, &has_any), 0);
  assert_true(has_any);
  assert_int_equal(reader.models, 5);
  tf_outcomes_t from = tf_outcome_reader_source(&reader);
  for (uint32_t i = 0; i < cnt; i++) {
    const float        *out;
    const tf_outcome_t *o = from.peek(from.self, &out);
    assert_non_null(o);
    assert_ptr_equal(from.peek(from.self, &out), o); /* a look takes nothing */
    make(i, one);
    assert_memory_equal(o, one, sizeof *o);
    assert_memory_equal(out, one + sizeof *o, o->out_cnt * sizeof *out);
    from.take(from.self);
  }
  const float *out;
  assert_null(from.peek(from.self, &out));
  tf_outcome_reader_fini(&reader);
}

static void a_capture_that_begins_otherwise_has_none(void **state) {
  (void)state;
  tf_outcome_reader_t reader;
  bool                has_any;
  begin();
  put(TF_TAP_FRAME, "{}", 2);
  put_begin(1);
  end();
  assert_int_equal(tf_outcome_reader_init(&reader, rig.dir, &has_any), 0);
  assert_false(has_any);
  tf_outcome_reader_fini(&reader);
  assert_int_equal(tf_outcome_reader_init(&reader, "/nowhere", &has_any), E_FILE_OPEN);
  tf_outcome_reader_fini(&reader);
}

static void a_record_that_lies_ends_them(void **state) {
  (void)state;
  const tf_outcome_t lies[] = {
      {.tick_seq = 2, .out_cnt = 1                         }, /* longer than its record */
      {.tick_seq = 2, .out_cnt = TF_OUTCOME_OUTPUTS_MAX + 1}, /* than any */
      {.tick_seq = 2, .asked = TF_ASKED_CNT                }, /* came to nothing known */
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(lies); i++) {
    uint8_t             good[2048];
    tf_outcome_reader_t reader;
    bool                has_any;
    const float        *out;
    begin();
    put_begin(1);
    put(TF_TAP_OUTCOMES, good, make(0, good));
    put(TF_TAP_OUTCOMES, &lies[i], sizeof lies[i]);
    put(TF_TAP_OUTCOMES, good, make(2, good));
    end();
    assert_int_equal(tf_outcome_reader_init(&reader, rig.dir, &has_any), 0);
    tf_outcomes_t from = tf_outcome_reader_source(&reader);
    assert_int_equal(from.peek(from.self, &out)->tick_seq, 1);
    from.take(from.self);
    assert_null(from.peek(from.self, &out));
    assert_true(reader.is_damaged);
    tf_outcome_reader_fini(&reader);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(outcomes_come_back_in_order_from_between_the_frames),
      cmocka_unit_test(a_capture_that_begins_otherwise_has_none),
      cmocka_unit_test(a_record_that_lies_ends_them),
  };
  return cmocka_run_group_tests(tests, made_dir_setup, made_dir_teardown);
}
