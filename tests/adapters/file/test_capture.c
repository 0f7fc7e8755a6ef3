/* Captures: what the tap was given comes back, in order; any damage is told, nothing is made up. The
 * oracle of the bytes is test_capture_format.py, which reads a file by the format's text alone. */
#include "cmocka_tf.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "adapters/file/made_file.h"
#include "core/arena.h"
#include "core/clock.h"
#include "core/error.h"
#include "file/capture.h"
#include "file/capture_reader.h"
#include "tf/feed.h"

static const char *const              spot_symbols[] = {"BTCUSDT", "ETHUSDT"};
static const char *const              perp_symbols[] = {"BTCUSDT"};
static const tf_capture_feed_config_t feeds[]        = {
           {"spot", "binance-spot", "wss://stream.example:443", 7, 4096, 0,  spot_symbols, 2},
           {"perp", "binance-usdm", "",                         3, 128,  50, perp_symbols, 1},
};

typedef struct rig {
  tf_arena_t   arena;
  tf_capture_t capture;
  tf_tap_t     tap;
} rig_t;

static rig_t rig;

static tf_capture_config_t config_of(const char *dir) {
  return (tf_capture_config_t){
      .writer     = {.dir              = dir,
                     .tickfuse_version = "0.1.0",
                     .config_hash      = 0x1122334455667788,
                     .started_ns       = 1700000000000000000,
                     .feeds            = feeds,
                     .feed_cnt         = 2,
                     .level            = 3},
      .policy     = TF_CAPTURE_BLOCK,
      .ring_bytes = 1 << 20,
      .flush_ns   = TF_NS_PER_SEC,
      .sync_ns    = TF_NS_PER_SEC
  };
}

static void begin(const tf_capture_config_t *config) {
  assert_int_equal(tf_arena_init(&rig.arena, "capture", tf_capture_arena_bytes(config) + 65536), 0);
  assert_int_equal(tf_capture_start(&rig.capture, config, &rig.arena), 0);
  rig.tap = tf_capture_tap(&rig.capture);
}

static tf_err_t end(void) {
  tf_err_t err = tf_capture_stop(&rig.capture);
  tf_arena_fini(&rig.arena);
  return err;
}

static char dir_path[128];

/* A directory of its own for each test. */
static const char *fresh_dir(void) {
  static int n;
  snprintf(dir_path, sizeof dir_path, "%s/cap%d", made_dir, n++);
  return dir_path;
}

static const char *file_path(uint32_t file_idx) {
  static char path[160];
  snprintf(path, sizeof path, "%s/capture-%04u.tfc", dir_path, file_idx);
  return path;
}

/* The i-th made record: all kinds, texts that differ. */
static tf_tap_record_t made_record(uint32_t i, char *text, size_t cap) {
  static tf_event_t    event;
  tf_tap_record_t      r = {.recv_ns = 1000 + i * 10, .source_idx = i % 2, .kind = TF_TAP_FRAME};
  static const uint8_t connection_kinds[] = {TF_TAP_CONNECT, TF_TAP_DISCONNECT, TF_TAP_RETIRE,
                                             TF_TAP_WINDOW_END};
  int                  n = snprintf(text, cap, "{\"i\":%u,\"text\":\"%.*s\"}", i, (int)(i % 50),
                                    "the quick brown fox jumps over the lazy dog, again");
  r.bytes                = text;
  r.bytes_cnt            = (uint32_t)n;
  r.leg                  = i % 13 == 6 ? 0 : (uint8_t)(i % TF_TAP_LEGS_MAX);
  if (i % 7 == 3) {
    r.frame_kind = TF_FRAME_HTTP;
    r.target     = "/api/v3/depth?symbol=BTCUSDT";
  } else if (i % 11 == 5) {
    r.kind      = connection_kinds[i % 4];
    r.bytes     = NULL;
    r.bytes_cnt = 0;
  } else if (i % 13 == 6) {
    event        = (tf_event_t){.kind = TF_EVENT_CONTROL, .ts_recv_ns = r.recv_ns, .ingest_seq = i};
    r.kind       = TF_TAP_CONTROL;
    r.source_idx = UINT32_MAX;
    r.bytes      = (const char *)&event;
    r.bytes_cnt  = sizeof event;
  } else if (i % 17 == 2) {
    r.frame_kind = TF_FRAME_BINARY;
  }
  return r;
}

static void put(uint32_t cnt) {
  char text[128];
  for (uint32_t i = 0; i < cnt; i++) {
    tf_tap_record_t r = made_record(i, text, sizeof text);
    rig.tap.on_record(rig.tap.self, &r);
  }
}

static void assert_item(const tf_capture_item_t *item, uint32_t i) {
  char            text[128];
  tf_tap_record_t want = made_record(i, text, sizeof text);
  assert_int_equal(item->record_seq, i + 1);
  assert_int_equal(item->tap.recv_ns, want.recv_ns);
  assert_int_equal(item->tap.source_idx, want.source_idx);
  assert_int_equal(item->tap.kind, want.kind);
  assert_int_equal(item->tap.leg, want.leg);
  assert_int_equal(item->tap.frame_kind, want.frame_kind);
  assert_int_equal(item->tap.bytes_cnt, want.bytes_cnt);
  if (want.bytes_cnt) assert_memory_equal(item->tap.bytes, want.bytes, want.bytes_cnt);
  if (want.target)
    assert_string_equal(item->tap.target, want.target);
  else
    assert_null(item->tap.target);
}

/* Reads all that can be read; every record must be the one that was put at its place. */
static tf_capture_read_t read_all(tf_capture_reader_t *reader, uint32_t *cnt) {
  tf_capture_item_t item;
  tf_capture_read_t result;
  for (*cnt = 0; (result = tf_capture_reader_next(reader, &item)) == TF_CAPTURE_READ_RECORD; ++*cnt)
    assert_item(&item, *cnt);
  return result;
}

static void what_was_tapped_comes_back_in_order(void **state) {
  (void)state;
  tf_capture_config_t config = config_of(fresh_dir());
  begin(&config);
  put(20000);
  assert_int_equal(end(), 0);
  tf_capture_counts_t counts = tf_capture_counts(&rig.capture);
  assert_int_equal(counts.records_taken, 20000);
  assert_int_equal(counts.records_durable, 20000);
  assert_int_equal(counts.records_lost, 0);
  assert_int_equal(counts.lag_bytes, 0);

  tf_capture_reader_t reader;
  uint32_t            cnt;
  assert_int_equal(tf_capture_reader_init(&reader, dir_path), 0);
  assert_int_equal(reader.file.config_hash, 0x1122334455667788);
  assert_int_equal(reader.source_cnt, 2);
  assert_string_equal(reader.sources[0].name, "spot");
  assert_string_equal(reader.sources[0].url, "wss://stream.example:443");
  assert_string_equal(reader.sources[1].venue, "binance-usdm");
  assert_int_equal(reader.sources[1].pending_cap, 128);
  assert_int_equal(reader.sources[1].book_depth, 50);
  assert_int_equal(reader.sources[0].symbol_cnt, 2);
  assert_string_equal(reader.sources[0].symbols[1], "ETHUSDT");
  assert_string_equal(reader.sources[1].symbols[0], "BTCUSDT");
  assert_int_equal(read_all(&reader, &cnt), TF_CAPTURE_READ_END);
  assert_int_equal(cnt, 20000);
  assert_int_equal(reader.tail, TF_CAPTURE_TAIL_CLOSED);
  assert_int_equal(reader.counts.bytes_read, counts.bytes_taken);
  tf_capture_reader_fini(&reader);
}

/* How what lies at path ends, all of it read. */
static tf_capture_tail_t reader_tail(const char *path) {
  tf_capture_reader_t reader;
  tf_capture_item_t   item;
  assert_int_equal(tf_capture_reader_init(&reader, path), 0);
  while (tf_capture_reader_next(&reader, &item) == TF_CAPTURE_READ_RECORD) {
  }
  assert_int_equal(reader.end, TF_CAPTURE_READ_END);
  tf_capture_tail_t tail = (tf_capture_tail_t)reader.tail;
  tf_capture_reader_fini(&reader);
  return tail;
}

static void files_that_rotate_continue_one_another(void **state) {
  (void)state;
  tf_capture_config_t config = config_of(fresh_dir());
  config.writer.rotate_bytes = 20000;
  begin(&config);
  put(20000);
  assert_int_equal(end(), 0);
  tf_capture_counts_t counts = tf_capture_counts(&rig.capture);
  assert_true(counts.files > 2);

  tf_capture_reader_t reader;
  uint32_t            cnt;
  assert_int_equal(tf_capture_reader_init(&reader, dir_path), 0);
  assert_int_equal(read_all(&reader, &cnt), TF_CAPTURE_READ_END);
  assert_int_equal(cnt, 20000);
  assert_int_equal(reader.path_cnt, counts.files);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(tf_capture_reader_rewind(&reader), 0);
    assert_int_equal(read_all(&reader, &cnt), TF_CAPTURE_READ_END);
    assert_int_equal(cnt, 20000);
  }
  tf_capture_item_t first; /* and from the middle of a block */
  assert_int_equal(tf_capture_reader_rewind(&reader), 0);
  assert_int_equal(tf_capture_reader_next(&reader, &first), TF_CAPTURE_READ_RECORD);
  assert_int_equal(tf_capture_reader_rewind(&reader), 0);
  assert_int_equal(read_all(&reader, &cnt), TF_CAPTURE_READ_END);
  assert_int_equal(cnt, 20000);
  assert_int_equal(reader.counts.records, 4 * 20000 + 1);
  tf_capture_reader_fini(&reader);

  assert_int_equal(reader_tail(dir_path), TF_CAPTURE_TAIL_CLOSED);

  /* A file alone reads too; without one in between the rest does not follow. */
  assert_int_equal(reader_tail(file_path(2)), TF_CAPTURE_TAIL_CONTINUED);
  tf_capture_item_t item;
  assert_int_equal(tf_capture_reader_init(&reader, file_path(2)), 0);
  assert_int_equal(tf_capture_reader_next(&reader, &item), TF_CAPTURE_READ_RECORD);
  assert_item(&item, (uint32_t)item.record_seq - 1);
  tf_capture_reader_fini(&reader);
  assert_int_equal(unlink(file_path((uint32_t)counts.files)), 0); /* as a crash between two files */
  assert_int_equal(reader_tail(dir_path), TF_CAPTURE_TAIL_CONTINUED);
  assert_int_equal(unlink(file_path(2)), 0);
  assert_int_equal(tf_capture_reader_init(&reader, dir_path), 0);
  assert_int_equal(read_all(&reader, &cnt), TF_CAPTURE_READ_DAMAGE);
  assert_int_equal(tf_capture_reader_error(&reader), E_FILE_DAMAGED);
  assert_non_null(strstr(tf_error_text(), "capture-0003"));
  tf_capture_reader_fini(&reader);
}

/* A file of two small blocks, as small as it goes: for the exhaustive tests. */
static bytes_t small_capture(uint32_t *first_cnt, uint32_t *cnt) {
  tf_capture_config_t config = config_of(fresh_dir());
  config.flush_ns            = 0;
  *first_cnt                 = 4;
  *cnt                       = 9;
  begin(&config);
  put(*first_cnt);
  while (tf_capture_counts(&rig.capture).records_written < *first_cnt)
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  char text[128];
  for (uint32_t i = *first_cnt; i < *cnt; i++) {
    tf_tap_record_t r = made_record(i, text, sizeof text);
    rig.tap.on_record(rig.tap.self, &r);
  }
  assert_int_equal(end(), 0);
  return made_read(file_path(1));
}

/* Opens bytes as a file. Whatever is delivered must be a prefix of what was put. Returns the number of
 * records; *whole: nothing was reported as missing or wrong. */
static uint32_t read_bytes(const uint8_t *bytes, size_t bytes_cnt, bool *whole) {
  tf_capture_reader_t reader;
  uint32_t            cnt  = 0;
  const char         *path = made_file("bytes.tfc", bytes, bytes_cnt);
  *whole                   = false;
  if (tf_capture_reader_init(&reader, path)) return 0;
  tf_capture_read_t result = read_all(&reader, &cnt);
  *whole                   = result == TF_CAPTURE_READ_END && reader.tail == TF_CAPTURE_TAIL_CLOSED;
  tf_capture_reader_fini(&reader);
  return cnt;
}

static void every_flipped_bit_is_found_or_harmless(void **state) {
  (void)state;
  uint32_t first_cnt, cnt;
  bytes_t  b = small_capture(&first_cnt, &cnt);
  bool     whole;
  assert_int_equal(read_bytes(b.p, b.cnt, &whole), cnt);
  assert_true(whole);
  uint64_t found = 0;
  for (size_t bit = 0; bit < 8 * b.cnt; bit++) {
    b.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
    uint32_t got = read_bytes(b.p, b.cnt, &whole); /* asserts that what comes is a prefix */
    if (!whole) found++;
    if (whole) assert_int_equal(got, cnt);
    b.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  assert_int_equal(found,
                   8 * b.cnt - 8 * 2 * sizeof(tf_capture_index_t)); /* only these are spare */
  free(b.p);
}

static void every_truncation_leaves_the_whole_blocks(void **state) {
  (void)state;
  uint32_t first_cnt, cnt;
  bytes_t  b = small_capture(&first_cnt, &cnt);
  bool     whole;
  uint32_t last = 0;
  for (size_t n = 0; n < b.cnt; n++) {
    uint32_t got = read_bytes(b.p, n, &whole);
    assert_false(whole);
    assert_true(got == 0 || got == first_cnt || got == cnt);
    assert_true(got >= last);
    last = got;
  }
  assert_int_equal(last, cnt);
  free(b.p);
}

static void zeros_and_garbage_behind_the_last_block_are_a_torn_tail(void **state) {
  (void)state;
  uint32_t first_cnt, cnt;
  bytes_t  b    = small_capture(&first_cnt, &cnt);
  size_t   tail = sizeof(tf_capture_trailer_t) + 2 * sizeof(tf_capture_index_t) + 64;
  for (int fill = 0; fill < 2; fill++) {
    memset(b.p + b.cnt - tail, fill ? 0xa5 : 0, tail);
    tf_capture_reader_t reader;
    uint32_t            got;
    assert_int_equal(tf_capture_reader_init(&reader, made_file("t.tfc", b.p, b.cnt)), 0);
    assert_int_equal(read_all(&reader, &got), TF_CAPTURE_READ_END);
    assert_int_equal(got, cnt);
    assert_int_equal(reader.tail, TF_CAPTURE_TAIL_TORN);
    assert_int_equal(reader.counts.bytes_dropped, tail);
    tf_capture_reader_fini(&reader);
  }
  free(b.p);
}

/* Seals a block header anew after a change: what an attacker can do. */
static void reseal(uint8_t *bytes) {
  tf_capture_block_header_t h;
  memcpy(&h, bytes, sizeof h);
  h.payload_crc = tf_crc32c(0, bytes + sizeof h, h.stored_bytes);
  h.header_crc  = tf_capture_block_crc(&h);
  memcpy(bytes, &h, sizeof h);
}

static void sizes_that_lie_under_a_good_checksum_are_refused(void **state) {
  (void)state;
  uint32_t                 first_cnt, cnt;
  bytes_t                  b = small_capture(&first_cnt, &cnt);
  tf_capture_file_header_t file;
  memcpy(&file, b.p, sizeof file);
  uint8_t                  *at = b.p + file.header_bytes;
  tf_capture_block_header_t h, keep;
  memcpy(&keep, at, sizeof keep);
  assert_int_equal(keep.kind, TF_CAPTURE_DATA);
  static const struct {
    size_t   offset;
    uint32_t value;
  } lies[] = {
      {offsetof(tf_capture_block_header_t, record_cnt),   0                           },
      {offsetof(tf_capture_block_header_t, record_cnt),   3                           },
      {offsetof(tf_capture_block_header_t, record_cnt),   5                           },
      {offsetof(tf_capture_block_header_t, record_cnt),   UINT32_MAX                  },
      {offsetof(tf_capture_block_header_t, raw_bytes),    0                           },
      {offsetof(tf_capture_block_header_t, raw_bytes),    TF_CAPTURE_RAW_BYTES_MAX    },
      {offsetof(tf_capture_block_header_t, raw_bytes),    TF_CAPTURE_RAW_BYTES_MAX + 1},
      {offsetof(tf_capture_block_header_t, raw_bytes),    UINT32_MAX                  },
      {offsetof(tf_capture_block_header_t, stored_bytes), 0                           },
      {offsetof(tf_capture_block_header_t, stored_bytes), UINT32_MAX                  },
      {offsetof(tf_capture_block_header_t, prev_crc),     1                           },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(lies); i++) {
    memcpy(at, &keep, sizeof keep);
    memcpy(at + lies[i].offset, &lies[i].value, 4);
    memcpy(&h, at, sizeof h);
    h.header_crc = tf_capture_block_crc(&h);
    memcpy(at, &h, sizeof h);
    bool     whole;
    uint32_t got = read_bytes(b.p, b.cnt, &whole);
    assert_false(whole);
    assert_true(got < cnt);
  }
  free(b.p);
}

static void records_that_lie_under_a_good_checksum_are_refused(void **state) {
  (void)state;
  /* One block, stored as it is: made by hand from the file header of a real one. */
  uint32_t                 first_cnt, cnt;
  bytes_t                  b = small_capture(&first_cnt, &cnt);
  tf_capture_file_header_t file;
  memcpy(&file, b.p, sizeof file);
  uint8_t             bytes[4096] = {0};
  tf_capture_record_t good        = {.bytes_cnt    = 4,
                                     .recv_ns      = 1,
                                     .target_bytes = 2,
                                     .kind         = TF_TAP_FRAME,
                                     .leg          = TF_TAP_LEGS_MAX - 1};
  struct {
    tf_capture_record_t rec;
    const char         *what;
  } lies[19];
  for (size_t i = 0; i < TF_ARRAY_CNT(lies); i++) lies[i].rec = good;
  lies[0].what          = NULL;
  lies[1].rec.bytes_cnt = 5, lies[1].what = "longer";
  lies[2].rec.bytes_cnt = 3, lies[2].what = "more bytes";
  lies[3].rec.bytes_cnt = UINT32_MAX, lies[3].what = "longer";
  lies[4].rec.target_bytes = UINT16_MAX, lies[4].what = "longer";
  lies[5].rec.target_bytes = 1, lies[5].what = "does not end";
  lies[6].rec.source_idx = 2, lies[6].what = "names a feed";
  lies[7].rec.kind = 0, lies[7].rec.source_idx = UINT32_MAX, lies[7].what = "unknown kind";
  lies[8].rec.kind = TF_TAP_OUTCOMES + 1, lies[8].rec.source_idx = UINT32_MAX,
  lies[8].what           = "unknown kind";
  lies[9].rec.frame_kind = 3, lies[9].what = "kind of frame";
  lies[10].rec.kind = TF_TAP_CONNECT, lies[10].what = "connection's record";
  lies[11].rec.kind = TF_TAP_CONTROL, lies[11].rec.source_idx = UINT32_MAX,
  lies[11].what     = "no event";
  lies[12].rec.kind = TF_TAP_LOSE, lies[12].rec.target_bytes = 0, lies[12].rec.bytes_cnt = 6,
  lies[12].what     = "no instrument's id";
  lies[13].rec.kind = TF_TAP_STATUS, lies[13].what = "no status event";
  lies[14].rec.kind = TF_TAP_DISCONNECT, lies[14].what = "connection's record";
  lies[15].rec.kind = TF_TAP_RETIRE, lies[15].what = "connection's record";
  lies[16].rec.leg = TF_TAP_LEGS_MAX, lies[16].what = "beyond the last";
  lies[17].rec.kind = TF_TAP_OUTCOMES, lies[17].what = "names a feed";
  lies[18].rec.kind = TF_TAP_OUTCOMES, lies[18].rec.source_idx = UINT32_MAX,
  lies[18].what = "no outcomes";
  for (size_t i = 0; i < TF_ARRAY_CNT(lies); i++) {
    memcpy(bytes, b.p, file.header_bytes);
    uint8_t                  *at = bytes + file.header_bytes;
    tf_capture_block_header_t h  = {.magic            = TF_CAPTURE_BLOCK_MAGIC,
                                    .kind             = TF_CAPTURE_DATA,
                                    .block_seq        = 1,
                                    .first_record_seq = 1,
                                    .record_cnt       = 1,
                                    .raw_bytes        = sizeof good + 6,
                                    .stored_bytes     = sizeof good + 6};
    memcpy(at, &h, sizeof h);
    memcpy(at + sizeof h, &lies[i].rec, sizeof good);
    memcpy(at + sizeof h + sizeof good, "/\0body", 6);
    reseal(at);
    tf_capture_reader_t reader;
    tf_capture_item_t   item;
    size_t              all = file.header_bytes + sizeof h + sizeof good + 6;
    assert_int_equal(tf_capture_reader_init(&reader, made_file("lie.tfc", bytes, all)), 0);
    tf_capture_read_t result = tf_capture_reader_next(&reader, &item);
    if (lies[i].what) {
      assert_int_equal(result, TF_CAPTURE_READ_DAMAGE);
      assert_int_equal(tf_capture_reader_error(&reader), E_FILE_DAMAGED);
      if (!strstr(tf_error_text(), lies[i].what)) fail_msg("%zu: %s", i, tf_error_text());
    } else {
      assert_int_equal(result, TF_CAPTURE_READ_RECORD);
      assert_string_equal(item.tap.target, "/");
      assert_memory_equal(item.tap.bytes, "body", 4);
      assert_int_equal(item.tap.leg, TF_TAP_LEGS_MAX - 1);
    }
    tf_capture_reader_fini(&reader);
  }
  free(b.p);
}

static void seeking_passes_over_blocks_and_no_record(void **state) {
  (void)state;
  tf_capture_config_t config = config_of(fresh_dir());
  config.writer.rotate_bytes = 40000;
  begin(&config);
  put(30000);
  assert_int_equal(end(), 0);
  static const uint32_t froms[] = {0, 1, 9999, 15000, 29999, 30001};
  for (int indexed = 1; indexed >= 0; indexed--) {
    for (size_t i = 0; i < TF_ARRAY_CNT(froms); i++) {
      uint64_t            from_ns = 1000 + froms[i] * 10;
      tf_capture_reader_t reader;
      tf_capture_item_t   item;
      uint64_t            cnt = 0;
      assert_int_equal(tf_capture_reader_init(&reader, dir_path), 0);
      tf_capture_reader_seek(&reader, from_ns);
      while (tf_capture_reader_next(&reader, &item) == TF_CAPTURE_READ_RECORD) {
        assert_item(&item, (uint32_t)item.record_seq - 1);
        if (item.tap.recv_ns >= from_ns) cnt++;
      }
      assert_int_equal(reader.end, TF_CAPTURE_READ_END);
      assert_int_equal(cnt, froms[i] < 30000 ? 30000 - froms[i] : 0);
      if (froms[i] == 29999) assert_true(reader.counts.records < 15000);
      tf_capture_reader_fini(&reader);
    }
    if (!indexed) break;
    /* The same without the index of the last file. */
    uint32_t last = (uint32_t)tf_capture_counts(&rig.capture).files;
    bytes_t  b    = made_read(file_path(last));
    assert_int_equal(truncate(file_path(last), (off_t)b.cnt - 1), 0);
    free(b.p);
  }
}

static void only_captures_are_taken_for_captures(void **state) {
  (void)state;
  tf_capture_reader_t reader;
  char                link_path[160];
  uint32_t            first_cnt, cnt;
  bytes_t             b    = small_capture(&first_cnt, &cnt);
  char               *real = strdup(made_file("real.tfc", b.p, b.cnt));
  assert_true(tf_capture_is(real));
  snprintf(link_path, sizeof link_path, "%s/link.tfc", made_dir);
  assert_int_equal(symlink(real, link_path), 0);
  assert_int_equal(tf_capture_reader_init(&reader, link_path), E_FILE_OPEN);
  assert_int_equal(tf_capture_reader_init(&reader, "/dev/zero"), E_FILE_OPEN);
  assert_int_equal(tf_capture_reader_init(&reader, made_path("absent")), E_FILE_OPEN);
  assert_int_equal(tf_capture_reader_init(&reader, made_file("empty", "", 0)), E_FILE_FORMAT);
  assert_int_equal(tf_capture_reader_init(&reader, made_file("text", "123 {}\n", 7)),
                   E_FILE_FORMAT);
  assert_false(tf_capture_is(made_path("text")));
  char fifo[160];
  snprintf(fifo, sizeof fifo, "%s/fifo.tfc", made_dir);
  assert_int_equal(mkfifo(fifo, 0600), 0);
  assert_int_equal(tf_capture_reader_init(&reader, fifo), E_FILE_OPEN);
  assert_int_equal(tf_capture_reader_init(&reader, fresh_dir()), E_FILE_OPEN);
  assert_int_equal(mkdir(dir_path, 0700), 0);
  assert_int_equal(tf_capture_reader_init(&reader, dir_path), E_FILE_FORMAT);
  b.p[8] = 2; /* version */
  assert_int_equal(tf_capture_reader_init(&reader, made_file("v2.tfc", b.p, b.cnt)), E_FILE_FORMAT);
  free(real);
  free(b.p);
}

static void capture_never_continues_another(void **state) {
  (void)state;
  tf_capture_config_t config = config_of(fresh_dir());
  begin(&config);
  put(3);
  assert_int_equal(end(), 0);
  assert_int_equal(tf_arena_init(&rig.arena, "capture", tf_capture_arena_bytes(&config) + 65536),
                   0);
  assert_int_equal(tf_capture_start(&rig.capture, &config, &rig.arena), E_FILE_BUSY);
  assert_int_equal(tf_capture_stop(&rig.capture), 0);
  tf_arena_fini(&rig.arena);
}

/* ---- the ring and its policy ---- */

static void records_of_a_flush_interval_share_a_block(void **state) {
  (void)state;
  tf_capture_config_t config = config_of(fresh_dir());
  begin(&config);
  for (int i = 0; i < 50; i++) {
    put(10);
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
  assert_int_equal(end(), 0);
  assert_int_equal(rig.capture.writer.counts.blocks, 1);
}

static void records_up_to_the_limit_pass_and_one_byte_more_is_lost_and_told(void **state) {
  (void)state;
  tf_capture_config_t config = config_of(fresh_dir());
  config.ring_bytes          = TF_CAPTURE_RING_BYTES_MIN;
  begin(&config);
  char *bytes = calloc(1, TF_CAPTURE_RECORD_BYTES_MAX + 1);
  for (uint32_t n = TF_CAPTURE_RECORD_BYTES_MAX - 1; n <= TF_CAPTURE_RECORD_BYTES_MAX + 1; n++) {
    tf_tap_record_t r = {.recv_ns = n, .kind = TF_TAP_FRAME, .bytes = bytes, .bytes_cnt = n};
    rig.tap.on_record(rig.tap.self, &r);
  }
  assert_int_equal(end(), E_FILE_DAMAGED);
  tf_capture_counts_t counts = tf_capture_counts(&rig.capture);
  assert_int_equal(counts.records_taken, 2);
  assert_int_equal(counts.records_lost, 1);
  tf_capture_reader_t reader;
  tf_capture_item_t   item;
  assert_int_equal(tf_capture_reader_init(&reader, dir_path), 0);
  for (uint32_t i = 0; i < 2; i++) {
    assert_int_equal(tf_capture_reader_next(&reader, &item), TF_CAPTURE_READ_RECORD);
    assert_int_equal(item.tap.bytes_cnt, TF_CAPTURE_RECORD_BYTES_MAX - 1 + i);
  }
  assert_int_equal(tf_capture_reader_next(&reader, &item), TF_CAPTURE_READ_RECORD);
  assert_int_equal(item.tap.kind, TF_CAPTURE_GAP);
  assert_int_equal(tf_capture_reader_next(&reader, &item), TF_CAPTURE_READ_END);
  assert_int_equal(reader.counts.records_missed, 1);
  tf_capture_reader_fini(&reader);
  free(bytes);
}

static void full_ring_under_block_loses_nothing(void **state) {
  (void)state;
  tf_capture_config_t config = config_of(fresh_dir());
  config.ring_bytes          = 4096;
  begin(&config);
  put(30000);
  assert_int_equal(end(), 0);
  assert_true(tf_capture_counts(&rig.capture).blocked > 0);
  tf_capture_reader_t reader;
  uint32_t            cnt;
  assert_int_equal(tf_capture_reader_init(&reader, dir_path), 0);
  assert_int_equal(read_all(&reader, &cnt), TF_CAPTURE_READ_END);
  assert_int_equal(cnt, 30000);
  tf_capture_reader_fini(&reader);
}

static void full_ring_under_stop_ends_the_capture_with_an_exact_gap(void **state) {
  (void)state;
  tf_capture_config_t config = config_of(fresh_dir());
  config.ring_bytes          = 4096;
  config.policy              = TF_CAPTURE_STOP;
  begin(&config);
  put(30000);
  assert_int_equal(end(), E_FILE_DAMAGED);
  tf_capture_counts_t counts = tf_capture_counts(&rig.capture);
  assert_true(counts.records_lost > 0);
  assert_int_equal(counts.records_taken + counts.records_lost, 30000);
  tf_capture_reader_t reader;
  tf_capture_item_t   item;
  uint32_t            cnt = 0;
  assert_int_equal(tf_capture_reader_init(&reader, dir_path), 0);
  while (tf_capture_reader_next(&reader, &item) == TF_CAPTURE_READ_RECORD)
    if (item.tap.kind != TF_CAPTURE_GAP) assert_item(&item, cnt++);
  assert_int_equal(cnt, counts.records_taken);
  assert_int_equal(reader.counts.records_missed, counts.records_lost);
  assert_int_equal(reader.tail, TF_CAPTURE_TAIL_CLOSED);
  tf_capture_reader_fini(&reader);
}

/* ---- disks that fail ---- */

static void full_disk_keeps_the_whole_blocks_before_it(void **state) {
  (void)state;
  tf_capture_config_t config = config_of(fresh_dir());
  config.policy              = TF_CAPTURE_STOP;
  config.flush_ns            = 0;
  pid_t pid                  = fork();
  assert_true(pid >= 0);
  if (pid == 0) { /* RLIMIT_FSIZE stands for a full disk: EFBIG is as transient as ENOSPC */
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){3000, 3000});
    if (tf_arena_init(&rig.arena, "capture", tf_capture_arena_bytes(&config) + 65536)) _exit(3);
    if (tf_capture_start(&rig.capture, &config, &rig.arena)) _exit(4);
    rig.tap = tf_capture_tap(&rig.capture);
    for (int i = 0; i < 40; i++) {
      put(25);
      nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
    }
    _exit(tf_capture_stop(&rig.capture) == E_FILE_WRITE ? 0 : 5);
  }
  int status;
  waitpid(pid, &status, 0);
  assert_int_equal(status, 0);
  tf_capture_reader_t reader;
  tf_capture_item_t   item;
  uint32_t            cnt = 0;
  assert_int_equal(tf_capture_reader_init(&reader, dir_path), 0);
  while (tf_capture_reader_next(&reader, &item) == TF_CAPTURE_READ_RECORD)
    if (item.tap.kind != TF_CAPTURE_GAP)
      assert_int_equal(item.tap.recv_ns, 1000 + (cnt++ % 25) * 10);
  assert_int_equal(reader.end, TF_CAPTURE_READ_END); /* what was half written was cut off again */
  assert_int_not_equal(reader.tail, TF_CAPTURE_TAIL_TORN);
  assert_true(cnt > 0 && cnt < 1000);
  if (reader.tail == TF_CAPTURE_TAIL_CLOSED)
    assert_int_equal(reader.counts.records_missed, 1000 - cnt);
  tf_capture_reader_fini(&reader);
}

/* kill -9 at a random time: what is there is a prefix, at least what was said to be written. */
static void killed_writer_leaves_an_exact_prefix(void **state) {
  (void)state;
  const char *asked = getenv("TF_CRASHES");
  int         loops = asked ? atoi(asked) : 40;
  srand(7);
  for (int loop = 0; loop < loops; loop++) {
    tf_capture_config_t config = config_of(fresh_dir());
    config.flush_ns            = 0;
    config.writer.rotate_bytes = loop % 2 ? 30000 : 0;
    uint64_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t     pid    = fork();
    if (pid == 0) {
      if (tf_arena_init(&rig.arena, "capture", tf_capture_arena_bytes(&config) + 65536)) _exit(3);
      if (tf_capture_start(&rig.capture, &config, &rig.arena)) _exit(4);
      rig.tap   = tf_capture_tap(&rig.capture);
      shared[1] = 1;
      char text[128];
      for (uint32_t i = 0;; i++) {
        tf_tap_record_t r = made_record(i, text, sizeof text);
        rig.tap.on_record(rig.tap.self, &r);
        shared[0] = tf_capture_counts(&rig.capture).records_written;
      }
    }
    while (!*(volatile uint64_t *)&shared[1])
      nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    nanosleep(&(struct timespec){.tv_nsec = rand() % 20000000}, NULL);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    tf_capture_reader_t reader;
    uint32_t            cnt;
    assert_int_equal(tf_capture_reader_init(&reader, dir_path), 0);
    assert_int_equal(read_all(&reader, &cnt), TF_CAPTURE_READ_END);
    assert_true(cnt >= shared[0]);
    assert_int_not_equal(reader.tail, TF_CAPTURE_TAIL_CLOSED);
    tf_capture_reader_fini(&reader);
    munmap(shared, 4096);
  }
}

/* For test_capture_format.py, which reads it by the format's text alone; and the fuzz target's seeds. */
static int make_for_oracle(const char *dir, const char *cnt) {
  tf_capture_config_t config = config_of(dir);
  config.writer.rotate_bytes = 30000;
  begin(&config);
  put((uint32_t)atoi(cnt));
  return end() == TF_OK ? 0 : 1;
}

int main(int argc, char **argv) {
  tf_clock_calibrate();
  if (argc == 4 && !strcmp(argv[1], "--make")) return make_for_oracle(argv[2], argv[3]);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_was_tapped_comes_back_in_order),
      cmocka_unit_test(files_that_rotate_continue_one_another),
      cmocka_unit_test(every_flipped_bit_is_found_or_harmless),
      cmocka_unit_test(every_truncation_leaves_the_whole_blocks),
      cmocka_unit_test(zeros_and_garbage_behind_the_last_block_are_a_torn_tail),
      cmocka_unit_test(sizes_that_lie_under_a_good_checksum_are_refused),
      cmocka_unit_test(records_that_lie_under_a_good_checksum_are_refused),
      cmocka_unit_test(seeking_passes_over_blocks_and_no_record),
      cmocka_unit_test(only_captures_are_taken_for_captures),
      cmocka_unit_test(capture_never_continues_another),
      cmocka_unit_test(records_up_to_the_limit_pass_and_one_byte_more_is_lost_and_told),
      cmocka_unit_test(records_of_a_flush_interval_share_a_block),
      cmocka_unit_test(full_ring_under_block_loses_nothing),
      cmocka_unit_test(full_ring_under_stop_ends_the_capture_with_an_exact_gap),
      cmocka_unit_test(full_disk_keeps_the_whole_blocks_before_it),
      cmocka_unit_test(killed_writer_leaves_an_exact_prefix),
  };
  return cmocka_run_group_tests(tests, made_dir_setup, made_dir_teardown);
}
