#include "cmocka_tf.h"

#include "adapters/file/made_file.h"
#include "core/error.h"
#include "file/recorded_line.h"

static tf_record_t record_of(char *line, tf_recorded_kind_t (*parse)(char *, size_t, tf_record_t *),
                             tf_recorded_kind_t want) {
  tf_record_t record = {.line_no = 1};
  assert_int_equal(parse(line, strlen(line), &record), want);
  return record;
}

#define LINE(text, want)  (strcpy(line, text), record_of(line, tf_recorded_line_parse, want))
#define JSONL(text, want) (strcpy(line, text), record_of(line, tf_recorded_line_parse_jsonl, want))
#define RAW(text, want)   (strcpy(line, text), record_of(line, tf_recorded_line_parse_raw, want))

static void assert_bytes(const tf_record_t *record, const char *want) {
  assert_int_equal(record->bytes_cnt, strlen(want));
  assert_memory_equal(record->bytes, want, strlen(want));
}

static void lines_without_time_or_message_are_faults(void **state) {
  (void)state;
  char line[256] = {0};
  assert_int_equal(LINE("", TF_RECORDED_FAULT).fault, TF_RECORD_NO_TIME);
  assert_int_equal(LINE("{\"a\":1}", TF_RECORDED_FAULT).fault, TF_RECORD_NO_TIME);
  assert_int_equal(LINE("1723161253937085768", TF_RECORDED_FAULT).fault, TF_RECORD_NO_TIME);
  assert_int_equal(LINE("17231612539370857x8 {}", TF_RECORDED_FAULT).fault, TF_RECORD_NO_TIME);
  assert_int_equal(LINE("172316125393708576;{}", TF_RECORDED_FAULT).fault, TF_RECORD_NO_TIME);
  assert_int_equal(LINE("-5 {}", TF_RECORDED_FAULT).fault, TF_RECORD_NO_TIME);
  assert_int_equal(LINE("18446744073709551616 {}", TF_RECORDED_FAULT).fault, TF_RECORD_NO_TIME);
  assert_int_equal(LINE("99999999999999999999999 {}", TF_RECORDED_FAULT).fault, TF_RECORD_NO_TIME);
  assert_int_equal(LINE("1723161253937085768 ", TF_RECORDED_FAULT).fault, TF_RECORD_NO_MESSAGE);
  assert_int_equal(LINE("1723161253937085768 \r", TF_RECORDED_FAULT).fault, TF_RECORD_NO_MESSAGE);
  assert_int_equal(JSONL("{\"t\":\"recv\",\"ts\":1.5}", TF_RECORDED_FAULT).fault,
                   TF_RECORD_NO_MESSAGE);
  assert_int_equal(JSONL("{\"t\":\"recv\",\"data\":\"{}\"}", TF_RECORDED_FAULT).fault,
                   TF_RECORD_NO_TIME);
  assert_int_equal(JSONL("{\"t\":\"recv\",\"ts\":\"1\",\"data\":\"{}\"}", TF_RECORDED_FAULT).fault,
                   TF_RECORD_NO_TIME);
  assert_int_equal(JSONL("{\"t\":\"recv\",\"ts\":1e9,\"data\":\"{}\"}", TF_RECORDED_FAULT).fault,
                   TF_RECORD_NO_TIME);
  assert_int_equal(RAW("garbage", TF_RECORDED_FAULT).fault, TF_RECORD_NO_TIME);
  assert_int_equal(RAW("1.5:x", TF_RECORDED_FAULT).fault, TF_RECORD_NO_TIME);
  assert_int_equal(RAW("1.5: ", TF_RECORDED_FAULT).fault, TF_RECORD_NO_MESSAGE);
  assert_int_equal(RAW("wss://a -> 1.5x: {}", TF_RECORDED_FAULT).fault, TF_RECORD_NO_TIME);
}

static void jsonl_that_is_no_such_object_is_a_fault(void **state) {
  (void)state;
  static const char *const bad[] = {
      "{",
      "[1]",
      "{\"t\":\"recv\"",
      "{\"t\":\"recv\",}",
      "{\"t\" \"recv\"}",
      "{t:1}",
      "{}",
      "{\"t\":\"what\",\"ts\":1,\"data\":\"x\"}",
      "{\"t\":\"recv\",\"ts\":1,\"data\":\"x\"} more",
      "{\"t\":\"recv\",\"ts\":1,\"data\":\"x\\",
      "{\"t\":\"recv\",\"ts\":1,\"data\":\"\\x\"}",
      "{\"t\":\"recv\",\"ts\":1,\"data\":\"\\u12\"}",
      "{\"t\":\"recv\",\"ts\":1,\"data\":\"\\ud800\"}",
      "{\"t\":\"recv\",\"ts\":1,\"data\":\"\\udc00\"}",
      "{\"t\":\"recv\",\"ts\":1,\"data\":\"\\ud800\\u0041\"}",
      "{\"t\":\"recv\",\"ts\":1,\"b64\":\"QUI\"}",
      "{\"t\":\"recv\",\"ts\":1,\"b64\":\"QUJ=\"}",
      "{\"t\":\"recv\",\"ts\":1,\"b64\":\"====\"}",
      "{\"t\":\"recv\",\"ts\":1,\"b64\":\"QU=J\"}",
      "{\"t\":\"http\",\"ts\":1,\"url\":\"http://a\\u0000/b\",\"data\":\"x\"}"};
  char line[256] = {0};
  for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++) JSONL(bad[i], TF_RECORDED_FAULT);
}

static void a_line_gives_time_kind_and_bytes(void **state) {
  (void)state;
  char        line[256] = {0};
  tf_record_t r         = LINE("1723161253937085768 {\"stream\":1}", TF_RECORDED_MESSAGE);
  assert_int_equal(r.recv_ns, 1723161253937085768);
  assert_int_equal(r.kind, TF_FRAME_TEXT);
  assert_bytes(&r, "{\"stream\":1}");
  r = LINE("1723161253937085769 {\"lastUpdateId\":7}\r", TF_RECORDED_MESSAGE);
  assert_int_equal(r.recv_ns, 1723161253937085769);
  assert_int_equal(r.kind, TF_FRAME_HTTP);
  assert_null(r.target);
  assert_bytes(&r, "{\"lastUpdateId\":7}");
  r = LINE("18446744073709551615 pong", TF_RECORDED_MESSAGE);
  assert_int_equal(r.recv_ns, UINT64_MAX);
  r = LINE("5 x", TF_RECORDED_MESSAGE);
  assert_int_equal(r.recv_ns, 5);
  r = LINE("1234567812345678 x", TF_RECORDED_MESSAGE);
  assert_int_equal(r.recv_ns, 1234567812345678);
}

static void every_number_of_digits_is_read_right(void **state) {
  (void)state;
  char     line[64] = {0};
  uint64_t want     = 0;
  for (int digits = 1; digits <= 19; digits++) {
    want = want * 10 + (uint64_t)(digits * 7 % 10);
    if (want == 0) want = 9;
    snprintf(line, sizeof line, "%0*llu {}", digits, (unsigned long long)want);
    tf_record_t r = {0};
    assert_int_equal(tf_recorded_line_parse(line, strlen(line), &r), TF_RECORDED_MESSAGE);
    assert_int_equal(r.recv_ns, want);
    for (int i = 0; i < digits; i++) {
      char kept = line[i];
      line[i]   = i % 2 ? '/' : ':'; /* the characters beside the digits */
      assert_int_equal(tf_recorded_line_parse(line, strlen(line), &r), TF_RECORDED_FAULT);
      line[i] = kept;
    }
  }
}

static void jsonl_is_unescaped_in_place(void **state) {
  (void)state;
  char        line[256] = {0};
  tf_record_t r         = JSONL(
              "{\"t\":\"recv\",\"conn\":\"c\",\"ts\":1633998512.0633569,"
                      "\"data\":\"{\\\"a\\\":\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\\"}\"}",
              TF_RECORDED_MESSAGE);
  assert_int_equal(r.recv_ns, 1633998512063356900);
  assert_int_equal(r.kind, TF_FRAME_TEXT);
  assert_bytes(&r, "{\"a\":\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}");
  r = JSONL(" { \"data\" : \"x\", \"other\":[{\"t\":\"]\"},1], \"ts\" : 2 ,\"t\":\"recv\" } ",
            TF_RECORDED_MESSAGE);
  assert_int_equal(r.recv_ns, 2 * TF_NS_PER_SEC);
  assert_bytes(&r, "x");
}

static void seconds_are_read_to_the_nanosecond(void **state) {
  (void)state;
  static const struct {
    const char *text;
    uint64_t    want;
  } cases[] = {
      {"0: x",                      0                    },
      {"7: x",                      7000000000           },
      {"0.000000001: x",            1                    },
      {"1633998512.123456789: x",   1633998512123456789  },
      {"1633998512.12345678999: x", 1633998512123456789  },
      {"18446744072.999999999: x",  18446744072999999999u}
  };
  char line[256] = {0};
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++)
    assert_int_equal(RAW(cases[i].text, TF_RECORDED_MESSAGE).recv_ns, cases[i].want);
  RAW("18446744073.0: x", TF_RECORDED_FAULT); /* would not fit */
  RAW("1.: x", TF_RECORDED_FAULT);
}

static void jsonl_http_gives_path_and_query(void **state) {
  (void)state;
  char        line[256] = {0};
  tf_record_t r =
      JSONL("{\"t\":\"http\",\"ts\":1.25,\"url\":\"https:\\/\\/api.x.com/depth?symbol=A\","
            "\"data\":\"{}\"}",
            TF_RECORDED_MESSAGE);
  assert_int_equal(r.kind, TF_FRAME_HTTP);
  assert_string_equal(r.target, "/depth?symbol=A");
  assert_bytes(&r, "{}");
  r = JSONL("{\"t\":\"http\",\"ts\":1.25,\"data\":\"{}\",\"url\":\"https://api.x.com\"}",
            TF_RECORDED_MESSAGE);
  assert_string_equal(r.target, "/");
  assert_in_range((uintptr_t)r.target, (uintptr_t)line, (uintptr_t)line + sizeof line);
  r = JSONL("{\"t\":\"http\",\"ts\":1.25,\"data\":\"{}\"}", TF_RECORDED_MESSAGE);
  assert_null(r.target);
}

static void jsonl_b64_is_a_binary_frame(void **state) {
  (void)state;
  static const struct {
    const char *text, *want;
  } cases[] = {
      {"QUJD",     "ABC"                     },
      {"QUI=",     "AB"                      },
      {"QQ==",     "A"                       },
      {"++//+/+/", "\xfb\xef\xff\xfb\xff\xbf"}
  };
  char line[256] = {0}, whole[256];
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    snprintf(whole, sizeof whole, "{\"t\":\"recv\",\"ts\":1,\"b64\":\"%s\"}", cases[i].text);
    tf_record_t r = JSONL(whole, TF_RECORDED_MESSAGE);
    assert_int_equal(r.kind, TF_FRAME_BINARY);
    assert_bytes(&r, cases[i].want);
  }
}

static void the_recorders_own_lines_are_told_apart(void **state) {
  (void)state;
  char line[256] = {0};
  JSONL("{\"t\":\"header\",\"format\":2,\"config\":{\"trades\":[\"A\"]}}", TF_RECORDED_HEADER);
  JSONL("{\"t\":\"connect\",\"conn\":\"c\",\"ts\":1.5,\"addr\":\"wss://x\"}", TF_RECORDED_CONNECT);
  JSONL("{\"t\":\"send\",\"conn\":\"c\",\"ts\":1.5,\"data\":\"{}\"}", TF_RECORDED_SEND);
  RAW("wss://x <-> 1618677816.8434298", TF_RECORDED_CONNECT);
  RAW("wss://x <- 1618677816.8434298: {}", TF_RECORDED_SEND);
  RAW("configuration: {}", TF_RECORDED_HEADER);
  RAW("", TF_RECORDED_BLANK);
}

static void raw_gives_time_text_and_target(void **state) {
  (void)state;
  char        line[256] = {0};
  tf_record_t r         = RAW("1618677817.0618958: {\"type\":\"x: y\"}", TF_RECORDED_MESSAGE);
  assert_int_equal(r.recv_ns, 1618677817061895800);
  assert_bytes(&r, "{\"type\":\"x: y\"}");
  r = RAW("https://api.x.com/a?b=c -> 1618677817.25: {}", TF_RECORDED_MESSAGE);
  assert_int_equal(r.kind, TF_FRAME_HTTP);
  assert_string_equal(r.target, "/a?b=c");
  assert_int_equal(r.recv_ns, 1618677817250000000);
  assert_bytes(&r, "{}");
}

static void cases_give_their_message_and_their_line_as_time(void **state) {
  (void)state;
  char        text[256];
  tf_record_t record;
  const char *file = "{\"case\":\"trade::spot\",\"raw\":{\"p\":\"1\",\"raw\":{}}}\n"
                     "{\"case\":\"l2\",\"raw\":[1,[2,3]]}\r\n"
                     "{\"case\":\"empty\",\"raw\":}\n"
                     "{\"case\":\"cut\",\"raw\":{\"p\"\n"
                     "{\"raw\":1}\n"
                     "{\"case\":\"last\",\"raw\":7}";
  static const struct {
    const char *bytes;
    uint8_t     fault;
    uint64_t    ns;
  } want[] = {
      {"{\"p\":\"1\",\"raw\":{}}",         TF_RECORD_OK,         1},
      {"[1,[2,3]]",                        TF_RECORD_OK,         2},
      {"{\"case\":\"empty\",\"raw\":}",    TF_RECORD_NO_MESSAGE, 2},
      {"{\"case\":\"cut\",\"raw\":{\"p\"", TF_RECORD_BAD_LINE,   2},
      {"{\"raw\":1}",                      TF_RECORD_BAD_LINE,   2},
      {"7",                                TF_RECORD_OK,         6}
  };
  tf_recording_t rec;
  assert_int_equal(tf_recording_init(&rec, made_file("cases", file, strlen(file))), 0);
  assert_string_equal(tf_recording_format_name(rec.format), "cases");
  for (size_t i = 0; i < TF_ARRAY_CNT(want); i++) {
    assert_int_equal(tf_recording_next(&rec, &record), TF_RECORDING_RECORD);
    snprintf(text, sizeof text, "%.*s", (int)record.bytes_cnt, record.bytes);
    assert_string_equal(text, want[i].bytes);
    assert_int_equal(record.fault, want[i].fault);
    assert_int_equal(record.recv_ns, want[i].ns);
  }
  assert_int_equal(tf_recording_next(&rec, &record), TF_RECORDING_END);
  assert_int_equal(rec.counts.bytes_read, rec.counts.bytes_framed + rec.counts.bytes_rejected);
  tf_recording_fini(&rec);
}

static void events_have_the_time_that_they_say(void **state) {
  (void)state;
  static const char     file[] = "{\"ts_recv_ns\":70,\"instrument\":\"A.B\",\"kind\":\"trade\"}\r\n"
                                 "\n"
                                 "{\"instrument\":\"A.B\",\"kind\":\"trade\"}\n"
                                 "{\"text\":\"\\\"ts_recv_ns\\\":5\",\"ts_recv_ns\": 99}\n"
                                 "{\"ts_recv_ns\":\"x\"}\n"
                                 "rubbish\n"
                                 "{\"ts_recv_ns\":60}";
  static const uint64_t ns[]   = {70, 71, 99, 100, 101, 60};
  tf_recording_t        rec;
  tf_record_t           record;
  assert_int_equal(tf_recording_init(&rec, made_file("events", file, sizeof file - 1)), 0);
  assert_string_equal(tf_recording_format_name(rec.format), "events");
  for (size_t i = 0; i < TF_ARRAY_CNT(ns); i++) {
    assert_int_equal(tf_recording_next(&rec, &record), TF_RECORDING_RECORD);
    assert_int_equal(record.fault, TF_RECORD_OK); /* the feed judges what is in it */
    assert_int_equal(record.recv_ns, ns[i]);
    assert_true(record.bytes_cnt > 0 && record.bytes[record.bytes_cnt - 1] != '\r');
  }
  assert_int_equal(tf_recording_next(&rec, &record), TF_RECORDING_END);
  assert_int_equal(rec.counts.skipped_blank, 1);
  assert_int_equal(rec.counts.backward, 1);
  assert_int_equal(rec.counts.bytes_read, rec.counts.bytes_framed);
  tf_recording_fini(&rec);
}

/* Reads a whole recording; the times in order, ends with the last result. */
static tf_recording_result_t read_all(const char *path, tf_recording_t *rec, uint64_t *times,
                                      size_t cap, size_t *cnt) {
  tf_record_t           record;
  tf_recording_result_t result;
  *cnt = 0;
  assert_int_equal(tf_recording_init(rec, path), 0);
  while ((result = tf_recording_next(rec, &record)) <= TF_RECORDING_AGAIN) {
    if (result == TF_RECORDING_AGAIN) continue;
    assert_true(*cnt < cap);
    times[(*cnt)++] = record.recv_ns;
  }
  const tf_recording_counts_t *n = &rec->counts;
  assert_int_equal(n->bytes_read, n->bytes_framed + n->bytes_partial + n->bytes_rejected);
  assert_int_equal(n->records, *cnt);
  return result;
}

static void unknown_formats_are_refused_with_what_was_found(void **state) {
  (void)state;
  tf_recording_t rec;
  const char    *other = "{\"kind\":\"x\",\"raw\":\"y\"}\n";
  assert_int_equal(tf_recording_init(&rec, made_file("other", other, strlen(other))),
                   E_FILE_FORMAT);
  assert_non_null(strstr(tf_error_text(), "{\"kind\":"));
  assert_int_equal(tf_recording_init(&rec, made_file("other", "\0\1\2\3", 4)), E_FILE_FORMAT);
  assert_int_equal(tf_recording_init(&rec, made_path("absent")), E_FILE_OPEN);
}

static void broken_lines_are_delivered_as_faults_and_counted(void **state) {
  (void)state;
  const char    *text = "junk\n10 {\"a\":1}\n\nnonsense\n20 \n15 {\"lastUpdateId\":1}\n30 {}";
  tf_recording_t rec;
  uint64_t       times[8];
  size_t         cnt;
  assert_int_equal(read_all(made_file("broken", text, strlen(text)), &rec, times, 8, &cnt),
                   TF_RECORDING_END);
  assert_int_equal(cnt, 7);
  assert_int_equal(rec.counts.faults, 4);
  assert_int_equal(rec.counts.http, 1);
  assert_int_equal(rec.counts.backward, 0);
  assert_int_equal(rec.counts.bytes_read, strlen(text));
  assert_int_equal(rec.counts.bytes_rejected, 5 + 1 + 9 + 4);
  static const uint64_t want[] = {0, 10, 10, 10, 10, 15, 30};
  assert_memory_equal(times, want, sizeof want);
  assert_int_equal(rec.line_no, 7);
  tf_recording_fini(&rec);
}

static void times_going_backwards_stay_and_are_counted(void **state) {
  (void)state;
  const char    *text = "30 {}\n20 {}\n40 {}\n39 {}\n";
  tf_recording_t rec;
  uint64_t       times[4];
  size_t         cnt;
  assert_int_equal(read_all(made_file("back", text, strlen(text)), &rec, times, 4, &cnt),
                   TF_RECORDING_END);
  static const uint64_t want[] = {30, 20, 40, 39};
  assert_memory_equal(times, want, sizeof want);
  assert_int_equal(rec.counts.backward, 2);
  tf_recording_fini(&rec);
}

/* Three blocks by connection, each in order, overlapping in time; a backward step inside one. */
static void connection_blocks_are_merged_by_time(void **state) {
  (void)state;
  char   text[4096];
  size_t at = 0;
#define ADD(...) (at += (size_t)sprintf(text + at, __VA_ARGS__))
  ADD("{\"t\":\"header\",\"format\":2}\n");
  ADD("{\"t\":\"http\",\"conn\":\"h\",\"ts\":5.0,\"url\":\"http://x/y\",\"data\":\"H5\"}\n");
  ADD("{\"t\":\"http\",\"conn\":\"h\",\"ts\":9.0,\"url\":\"http://x/z\",\"data\":\"H9\"}\n");
  ADD("{\"t\":\"connect\",\"conn\":\"a\",\"ts\":0.5,\"addr\":\"wss://x/v5/spot\"}\n");
  for (int i = 1; i <= 9; i += 2)
    ADD("{\"t\":\"recv\",\"conn\":\"a\",\"ts\":%d.0,\"data\":\"A%d\"}\n", i, i);
  ADD("{\"t\":\"recv\",\"conn\":\"a\",\"ts\":8.5,\"data\":\"A8\"}\n");
  for (int i = 2; i <= 12; i += 2)
    ADD("{\"t\":\"recv\",\"conn\":\"b\",\"ts\":%d.0,\"data\":\"B%d\"}\n", i, i);
  ADD("broken\n");
#undef ADD
  static const char *const want[] = {"A1", "B2", "A3", "B4", "H5",  "A5",  "B6",    "A7",
                                     "B8", "H9", "A9", "A8", "B10", "B12", "broken"};
  for (int form = 0; form < 3; form++) {
    bytes_t        b = form == 0   ? (bytes_t){(uint8_t *)text, at}
                       : form == 1 ? made_gzip(text, at)
                                   : made_zstd(text, at, 90);
    tf_recording_t rec;
    tf_record_t    record;
    assert_int_equal(tf_recording_init(&rec, made_file("blocks", b.p, b.cnt)), 0);
    assert_int_equal(rec.run_cnt, 3);
    for (size_t i = 0; i < TF_ARRAY_CNT(want); i++) {
      assert_int_equal(tf_recording_next(&rec, &record), TF_RECORDING_RECORD);
      assert_bytes(&record, want[i]);
      if (want[i][0] == 'H') assert_string_equal(record.target, i < 8 ? "/y" : "/z");
      if (want[i][0] == 'A') assert_string_equal(record.target, "/v5/spot");
      if (want[i][0] == 'B') assert_null(record.target); /* nobody said where b goes */
      if (i == 0) assert_int_equal(record.line_no, 5);
    }
    assert_int_equal(tf_recording_next(&rec, &record), TF_RECORDING_END);
    assert_int_equal(tf_recording_next(&rec, &record), TF_RECORDING_END);
    assert_int_equal(rec.counts.backward, 1);
    assert_int_equal(rec.counts.skipped_header, 1);
    assert_int_equal(rec.counts.skipped_connect, 1);
    assert_int_equal(rec.counts.bytes_read, at);
    assert_int_equal(rec.counts.bytes_rejected, 7);
    tf_recording_fini(&rec);
    if (form) free(b.p);
  }
}

static void more_runs_than_the_limit_end_in_file_order(void **state) {
  (void)state;
  char   text[16384];
  size_t at     = 0, cnt;
  int    blocks = TF_RECORDING_RUNS_MAX + 8;
  for (int i = 0; i < blocks; i++)
    for (int k = 0; k < 2; k++)
      at += (size_t)sprintf(text + at,
                            "{\"t\":\"recv\",\"conn\":\"c%d\",\"ts\":%d.0,\"data\":\"x\"}\n", i,
                            100 - i + 50 * k);
  tf_recording_t rec;
  uint64_t       times[128];
  assert_int_equal(read_all(made_file("many", text, at), &rec, times, 128, &cnt), TF_RECORDING_END);
  assert_int_equal(rec.run_cnt, TF_RECORDING_RUNS_MAX);
  assert_int_equal(cnt, 2 * blocks);
  assert_true(rec.counts.backward > 0);
  tf_recording_fini(&rec);
}

/* Cut in every length: every record whose line is whole comes out, in order, and the damage is told;
 * reading on after the end changes nothing. */
static void check_cuts(const char *text, size_t text_bytes, bool zstd) {
  uint8_t *out = malloc(text_bytes + 1);
  bytes_t  all = zstd ? made_zstd(text, text_bytes, 120) : made_gzip(text, text_bytes);
  for (size_t cut = 1; cut <= all.cnt; cut++) {
    bytes_t part    = {all.p, cut};
    size_t  decoded = zstd ? made_unzstd_prefix(part, out, text_bytes)
                           : made_gunzip_prefix(part, out, text_bytes);
    size_t  lines   = 0, cnt;
    for (size_t i = 0; i < decoded; i++) lines += out[i] == '\n';
    tf_recording_t        rec;
    tf_record_t           record;
    uint64_t              times[256];
    tf_recording_result_t end =
        read_all(made_file("cut", part.p, part.cnt), &rec, times, 256, &cnt);
    assert_int_equal(end, cut < all.cnt ? TF_RECORDING_DAMAGE : TF_RECORDING_END);
    const tf_recording_counts_t *n = &rec.counts;
    assert_int_equal(cnt + n->skipped_header + n->skipped_connect, lines);
    assert_int_equal(n->bytes_read, decoded);
    for (size_t i = 1; i < cnt; i++) assert_true(times[i - 1] <= times[i]);
    assert_int_equal(tf_recording_next(&rec, &record), end);
    assert_int_equal(n->bytes_read, decoded);
    if (end == TF_RECORDING_DAMAGE) {
      char line_no[64];
      snprintf(line_no, sizeof line_no, "reading line %zu", lines + 1);
      assert_int_equal(tf_recording_error(&rec), E_FILE_DAMAGED);
      assert_non_null(strstr(tf_error_text(), line_no));
    }
    tf_recording_fini(&rec);
  }
  free(all.p);
  free(out);
}

static void cut_recordings_deliver_all_before_the_cut(void **state) {
  (void)state;
  char   text[16384];
  size_t at = 0;
  for (int i = 0; i < 50; i++)
    at += (size_t)sprintf(text + at, "%lld {\"n\":%d,\"x\":\"%08x\"}\n",
                          1723161253937085768LL + i * 1000003LL, i, i * 2654435761u);
  check_cuts(text, at, false);
  check_cuts(text, at, true);
}

static void cut_recordings_of_several_runs_deliver_all_before_the_cut(void **state) {
  (void)state;
  char   text[16384];
  size_t at = (size_t)sprintf(text, "{\"t\":\"header\"}\n");
  for (int run = 0; run < 3; run++)
    for (int i = 0; i < 8; i++)
      at += (size_t)sprintf(text + at,
                            "{\"t\":\"recv\",\"conn\":\"c%d\",\"ts\":%d.%d,\"data\":\"%08x\"}\n",
                            run, i + 1, run, (i + run) * 2654435761u);
  check_cuts(text, at, false);
  check_cuts(text, at, true);
}

static void a_valid_file_without_lines_has_no_records(void **state) {
  (void)state;
  tf_recording_t rec;
  uint64_t       times[1];
  size_t         cnt;
  bytes_t        gz = made_gzip("", 0);
  assert_int_equal(read_all(made_file("none.gz", gz.p, gz.cnt), &rec, times, 1, &cnt),
                   TF_RECORDING_END);
  assert_int_equal(cnt, 0);
  tf_recording_fini(&rec);
  free(gz.p);
}

static void a_record_over_the_limit_is_a_fault_and_the_next_is_read(void **state) {
  (void)state;
  size_t bytes = TF_RECORD_BYTES_MAX + 100;
  char  *text  = malloc(bytes);
  memset(text, 'x', bytes);
  memcpy(text, "10 {}\n20 ", 9);
  memcpy(text + bytes - 7, "\n30 {}\n", 7);
  bytes_t        gz = made_gzip(text, bytes);
  tf_recording_t rec;
  uint64_t       times[3];
  size_t         cnt;
  assert_int_equal(read_all(made_file("long.gz", gz.p, gz.cnt), &rec, times, 3, &cnt),
                   TF_RECORDING_END);
  static const uint64_t want[] = {10, 10, 30};
  assert_int_equal(cnt, 3);
  assert_memory_equal(times, want, sizeof want);
  assert_int_equal(rec.counts.faults, 1);
  assert_int_equal(rec.counts.bytes_read, bytes);
  assert_int_equal(rec.counts.bytes_rejected, bytes - 12);
  tf_recording_fini(&rec);
  free(gz.p);
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(events_have_the_time_that_they_say),
      cmocka_unit_test(lines_without_time_or_message_are_faults),
      cmocka_unit_test(jsonl_that_is_no_such_object_is_a_fault),
      cmocka_unit_test(a_line_gives_time_kind_and_bytes),
      cmocka_unit_test(every_number_of_digits_is_read_right),
      cmocka_unit_test(jsonl_is_unescaped_in_place),
      cmocka_unit_test(seconds_are_read_to_the_nanosecond),
      cmocka_unit_test(jsonl_http_gives_path_and_query),
      cmocka_unit_test(jsonl_b64_is_a_binary_frame),
      cmocka_unit_test(the_recorders_own_lines_are_told_apart),
      cmocka_unit_test(raw_gives_time_text_and_target),
      cmocka_unit_test(cases_give_their_message_and_their_line_as_time),
      cmocka_unit_test(unknown_formats_are_refused_with_what_was_found),
      cmocka_unit_test(broken_lines_are_delivered_as_faults_and_counted),
      cmocka_unit_test(times_going_backwards_stay_and_are_counted),
      cmocka_unit_test(connection_blocks_are_merged_by_time),
      cmocka_unit_test(more_runs_than_the_limit_end_in_file_order),
      cmocka_unit_test(cut_recordings_deliver_all_before_the_cut),
      cmocka_unit_test(cut_recordings_of_several_runs_deliver_all_before_the_cut),
      cmocka_unit_test(a_valid_file_without_lines_has_no_records),
      cmocka_unit_test(a_record_over_the_limit_is_a_fault_and_the_next_is_read),
  };
  return cmocka_run_group_tests(tests, made_dir_setup, made_dir_teardown);
}
