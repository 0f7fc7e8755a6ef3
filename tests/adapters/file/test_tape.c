#include "cmocka_tf.h"

#include "adapters/file/made_file.h"
#include "core/error.h"
#include "core/hash.h"
#include "file/tape_reader.h"
#include "file/tape_writer.h"

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  return random_state ^= random_state << 17;
}

static tf_instrument_t  rows[300];
static tf_instruments_t instruments = {.rows = rows, .cap = 300};

static void name_instruments(uint32_t cnt) {
  for (uint32_t i = 0; i < cnt; i++) {
    rows[i] = (tf_instrument_t){.id         = i,
                                .price_exp  = -2,
                                .qty_exp    = INT8_MIN,
                                .tick_size  = 1,
                                .lot_size   = INT64_MAX,
                                .multiplier = 0.1,
                                .metadata   = TF_METADATA_FILE};
    snprintf(rows[i].name, sizeof rows[i].name, "S%u.VENUE", i);
    snprintf(rows[i].symbol, sizeof rows[i].symbol, "S%u", i);
    memcpy(rows[i].quote_currency, "USDT", 5);
  }
  instruments.cnt = cnt;
}

/* Anything that fits in an event. */
static void fill_wild(tf_event_t *events, uint32_t cnt) {
  for (uint32_t i = 0; i < cnt; i++) {
    uint64_t *words = (uint64_t *)(void *)&events[i];
    for (int w = 0; w < 8; w++) words[w] = next_random() >> next_random() % 64;
    if (next_random() % 4 == 0) events[i].u.word[0] = (uint64_t)INT64_MIN;
    events[i].kind          = (uint8_t)(next_random() % TF_EVENT_KIND_CNT);
    events[i].instrument_id = (uint32_t)(next_random() % 300);
  }
}

/* What venues send: messages of several levels, quotes, trades, a status, a command. */
static void fill_market(tf_event_t *events, uint32_t cnt, uint64_t first_seq) {
  uint64_t now_ns = 1723161255030314000u, id = 5000000000u;
  int64_t  price = 6183763, qty[2] = {1000, 2000};
  uint32_t i = 0;
  while (i < cnt) {
    tf_event_t e = {.ts_event_ns = now_ns / 1000000 * 1000000, .price_exp = -2, .qty_exp = -3};
    now_ns += next_random() % 3000 * 1000;
    e.ts_recv_ns    = now_ns;
    e.instrument_id = (uint32_t)(next_random() % 3);
    uint32_t levels = 1;
    switch (next_random() % 16) {
    case 0:
      e.kind     = TF_EVENT_STATUS;
      e.u.status = (__typeof__(e.u.status)){TF_BOOK_GAP, TF_TRADING_UNSAID, 0, id, id + 3};
      break;
    case 1:
      e.kind      = TF_EVENT_CONTROL;
      e.u.control = (__typeof__(e.u.control)){TF_CONTROL_POSITION, -7, {0}};
      break;
    case 2:
    case 3: levels = 1 + (uint32_t)(next_random() % 40); break;
    case 4:
    case 5:
    case 6:
      e.kind    = TF_EVENT_TRADE;
      e.flags   = next_random() % 2 ? TF_FLAG_SIDE : 0;
      e.u.trade = (__typeof__(e.u.trade)){price += (int64_t)(next_random() % 7) - 3, 125, id++, 0};
      break;
    default:
      e.kind                 = TF_EVENT_QUOTE;
      qty[next_random() % 2] = (int64_t)(next_random() % 100000);
      e.u.quote              = (__typeof__(e.u.quote)){price, qty[0], price + 1, qty[1]};
    }
    for (uint32_t l = 0; l < levels && i < cnt; l++) {
      if (levels > 1) {
        e.kind  = TF_EVENT_BOOK;
        e.flags = TF_FLAG_SNAPSHOT;
        e.u.level =
            (__typeof__(e.u.level)){price - l, (int64_t)(next_random() % 5000), id, l, levels};
      }
      e.flags |= l + 1 == levels ? TF_FLAG_LAST : 0;
      e.ingest_seq = first_seq + i;
      events[i++]  = e;
    }
  }
}

static const char *tape_path(void) { return made_path("t.tape"); }

static void write_tape(const tf_event_t *events, uint32_t cnt, uint32_t step,
                       uint32_t block_events) {
  tf_tape_writer_t              w;
  const tf_tape_writer_config_t config = {.path         = tape_path(),
                                          .source       = "a test",
                                          .instruments  = &instruments,
                                          .block_events = block_events};
  unlink(tape_path());
  assert_int_equal(tf_tape_writer_init(&w, &config), 0);
  for (uint32_t i = 0; i < cnt; i += step)
    assert_int_equal(tf_tape_writer_append(&w, events + i, cnt - i < step ? cnt - i : step), 0);
  assert_int_equal(tf_tape_writer_fini(&w), 0);
}

/* All that can be read; damage is passed over. Returns the events' number. */
static uint32_t read_all(tf_tape_reader_t *r, tf_event_t *events, uint32_t cap) {
  uint32_t have = 0;
  for (uint64_t b = 0; b < r->block_cnt; b++) {
    if (tf_tape_reader_open(r, b) != 0) continue;
    for (uint32_t n;
         (n = tf_tape_reader_next(r, events + have, cap - have > 37 ? 37 : cap - have));)
      have += n;
  }
  return have;
}

static uint64_t hash_of(const tf_event_t *events, uint32_t cnt) {
  uint64_t hash = TF_HASH_SEED;
  for (uint32_t i = 0; i < cnt; i++) hash = tf_hash_line(hash, &events[i]);
  return hash;
}

static void check_round_trip(const tf_event_t *events, uint32_t cnt, uint32_t step,
                             uint32_t block_events) {
  static tf_event_t got[200000];
  tf_tape_reader_t  r;
  write_tape(events, cnt, step, block_events);
  assert_int_equal(tf_tape_reader_init(&r, tape_path()), 0);
  assert_int_equal(r.event_cnt, cnt);
  assert_int_equal(read_all(&r, got, TF_ARRAY_CNT(got)), cnt);
  assert_memory_equal(got, events, cnt * sizeof *events);
  assert_true(tf_tape_reader_is_whole(&r));
  assert_int_equal(r.events_hash, hash_of(events, cnt));
  assert_int_equal(r.row_cnt, instruments.cnt);
  assert_memory_equal(r.rows, rows, instruments.cnt * sizeof *rows);
  assert_string_equal(r.file.source, "a test");
  tf_tape_reader_fini(&r);
}

static tf_event_t events[150000];

static void any_bytes_of_events_come_back_exactly(void **state) {
  (void)state;
  name_instruments(300);
  for (int round = 0; round < 40; round++) {
    uint32_t cnt = 1 + (uint32_t)(next_random() % 3000);
    fill_wild(events, cnt);
    check_round_trip(events, cnt, 1 + (uint32_t)(next_random() % 100),
                     1 + (uint32_t)(next_random() % 4000));
  }
}

static void market_data_comes_back_exactly_and_small(void **state) {
  (void)state;
  name_instruments(3);
  fill_market(events, 150000, 1);
  check_round_trip(events, 150000, 1000, 0);
  bytes_t file = made_read(tape_path());
  print_message("%.2f bytes an event\n", (double)file.cnt / 150000);
  assert_true(file.cnt < 150000 * 10);
  free(file.p);
}

static void columns_of_edge_values_come_back(void **state) {
  (void)state;
  static const uint64_t edges[] = {
      0, 1, 255, 256, INT64_MAX, (uint64_t)INT64_MIN, UINT64_MAX, 65535, 65536, UINT64_C(1) << 56};
  tf_tape_codec_t *codec;
  assert_int_equal(tf_tape_codec_start(&codec, TF_TAPE_BLOCK_EVENTS_MAX, 3), 0);
  static uint64_t       values[TF_TAPE_BLOCK_EVENTS_MAX], got[TF_TAPE_BLOCK_EVENTS_MAX];
  static uint8_t        bytes[TF_TAPE_COLUMN_BYTES_MAX(TF_TAPE_BLOCK_EVENTS_MAX)];
  static const uint32_t cnts[] = {1,
                                  2,
                                  63,
                                  64,
                                  65,
                                  127,
                                  128,
                                  511,
                                  512,
                                  513,
                                  1000,
                                  4097,
                                  TF_TAPE_BLOCK_EVENTS_MAX - 1,
                                  TF_TAPE_BLOCK_EVENTS_MAX};
  for (int pattern = 0; pattern < 12; pattern++)
    for (size_t c = 0; c < TF_ARRAY_CNT(cnts); c++) {
      for (uint32_t i = 0; i < cnts[c]; i++) {
        uint64_t r = next_random();
        switch (pattern) {
        case 0: values[i] = 7; break;
        case 1: values[i] = i; break;
        case 2: values[i] = edges[r % TF_ARRAY_CNT(edges)]; break;
        case 3: values[i] = r; break;
        case 4: values[i] = i / 9 * 1000000 + UINT64_C(1723161255030000000); break;
        case 5: values[i] = r % 100 ? i * 1000 : r; break;
        case 6: values[i] = r % 50 && i ? values[i - 1] : r % 300; break;
        case 7: values[i] = r % 3 && i ? values[i - 1] : r % 70000; break;
        case 8: values[i] = UINT64_MAX - i * 3; break;
        case 9: values[i] = i % 2 ? (uint64_t)INT64_MIN : INT64_MAX; break;
        case 10: values[i] = i == cnts[c] - 1; break;
        default: values[i] = r % 2 && i ? values[i - 1] : r >> r % 64;
        }
      }
      size_t used = tf_tape_column_encode(codec, values, cnts[c], bytes);
      assert_true(used <= TF_TAPE_COLUMN_BYTES_MAX(cnts[c]));
      uint8_t *tight = malloc(used); /* so that asan sees a read beyond it */
      memcpy(tight, bytes, used);
      memset(got, 0xa5, sizeof got);
      assert_int_equal(tf_tape_column_decode(codec, tight, used, got, cnts[c]), used);
      assert_memory_equal(got, values, cnts[c] * sizeof *values);
      assert_int_equal(tf_tape_column_decode(codec, tight, used - 1, got, cnts[c]), 0);
      assert_int_equal(tf_tape_column_decode(codec, tight, used, got, cnts[c] + 1), 0);
      if (cnts[c] > 1)
        assert_int_equal(tf_tape_column_decode(codec, tight, used, got, cnts[c] - 1), 0);
      free(tight);
    }
  tf_tape_codec_stop(codec);
}

/* A CRC is no lock: what lies behind it is checked all the same. */
static void mutated_columns_are_refused_or_decoded_inside_their_bounds(void **state) {
  (void)state;
  tf_tape_codec_t *codec;
  assert_int_equal(tf_tape_codec_start(&codec, 701, 3), 0);
  static uint64_t values[700], got[700];
  static uint8_t  bytes[TF_TAPE_COLUMN_BYTES_MAX(700)];
  for (uint32_t i = 0; i < 700; i++)
    values[i] = next_random() % 3 && i ? values[i - 1] : next_random() % 97 ? i : next_random();
  size_t used = tf_tape_column_encode(codec, values, 700, bytes);
  for (int round = 0; round < 20000; round++) {
    uint8_t *copy = malloc(used);
    memcpy(copy, bytes, used);
    for (uint64_t n = 1 + next_random() % 4; n > 0; n--)
      copy[next_random() % (round % 2 ? used : 96)] = (uint8_t)next_random();
    size_t took = tf_tape_column_decode(codec, copy, used, got, 700);
    assert_true(took <= used);
    free(copy);
  }
  tf_tape_codec_stop(codec);
}

#ifdef __SANITIZE_ADDRESS__
#define STEP 7 /* one bit or two of each byte: opening a file takes some time under asan */
#else
#define STEP 1
#endif

static void every_flipped_bit_is_noticed(void **state) {
  (void)state;
  static tf_event_t got[100];
  name_instruments(3);
  fill_market(events, 100, 1);
  write_tape(events, 100, 1, 60);
  bytes_t file = made_read(tape_path());
  for (size_t bit = 0; bit < file.cnt * 8; bit += STEP) {
    file.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
    const char      *path = made_file("flipped", file.p, file.cnt);
    tf_tape_reader_t r;
    if (tf_tape_reader_init(&r, path) == 0) {
      uint32_t cnt = read_all(&r, got, 100);
      assert_true(cnt <= 100);
      for (uint32_t i = 0; i < cnt; i++)
        assert_memory_equal(&got[i], &events[got[i].ingest_seq - 1], sizeof *got);
      assert_false(tf_tape_reader_is_whole(&r));
      assert_int_equal(tf_tape_reader_error(&r), E_FILE_DAMAGED);
      tf_tape_reader_fini(&r);
    }
    file.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  free(file.p);
}

static void every_cut_is_noticed_and_whole_blocks_before_it_are_read(void **state) {
  (void)state;
  static tf_event_t got[400];
  name_instruments(3);
  fill_market(events, 400, 1);
  write_tape(events, 400, 1, 100);
  bytes_t          file = made_read(tape_path());
  tf_tape_reader_t r;
  assert_int_equal(tf_tape_reader_init(&r, tape_path()), 0);
  uint64_t second = r.blocks[1].offset, third = r.blocks[2].offset;
  tf_tape_reader_fini(&r);
  for (size_t cnt = 0; cnt < file.cnt; cnt++) {
    const char *path = made_file("cut", file.p, cnt);
    tf_err_t    err  = tf_tape_reader_init(&r, path);
    if (cnt < sizeof(tf_tape_file_header_t)) {
      assert_true(err == E_FILE_DAMAGED || (cnt == 0 && err == E_FILE_FORMAT));
      continue;
    }
    assert_int_equal(err, 0);
    uint32_t have = read_all(&r, got, 400);
    assert_false(tf_tape_reader_is_whole(&r));
    assert_memory_equal(got, events, have * sizeof *got);
    if (cnt >= second) assert_true(have >= 100);
    if (cnt >= third) assert_true(have >= 200);
    if (cnt + sizeof(tf_tape_trailer_t) >= file.cnt) assert_int_equal(have, 400);
    tf_tape_reader_fini(&r);
  }
  free(file.p);
}

static void a_block_lost_in_the_middle_leaves_the_others(void **state) {
  (void)state;
  static tf_event_t got[400];
  name_instruments(3);
  fill_market(events, 400, 1);
  write_tape(events, 400, 1, 100);
  bytes_t          file = made_read(tape_path());
  tf_tape_reader_t r;
  assert_int_equal(tf_tape_reader_init(&r, tape_path()), 0);
  uint64_t second = r.blocks[1].offset;
  tf_tape_reader_fini(&r);
  for (int without_end = 0; without_end < 2; without_end++) {
    memset(file.p + second, 0, 64); /* also its header: without the index it must be searched for */
    const char *path = made_file("holed", file.p, file.cnt - (without_end ? 10 : 0));
    assert_int_equal(tf_tape_reader_init(&r, path), 0);
    assert_int_equal(read_all(&r, got, 400), 300);
    assert_memory_equal(got, events, 100 * sizeof *got);
    assert_memory_equal(got + 100, events + 200, 200 * sizeof *got);
    assert_int_equal(r.losses[0].offset, second);
    assert_false(tf_tape_reader_is_whole(&r));
    tf_tape_reader_fini(&r);
  }
  free(file.p);
}

static void messages_stay_in_one_block_where_they_fit(void **state) {
  (void)state;
  name_instruments(3);
  for (uint32_t block = 63; block <= 65; block++) {
    fill_market(events, 640, 1);
    write_tape(events, 640, 64, block);
    tf_tape_reader_t r;
    assert_int_equal(tf_tape_reader_init(&r, tape_path()), 0);
    assert_int_equal(r.block_cnt, block == 63 ? 11 : 10);
    tf_tape_reader_fini(&r);
  }
}

static void block_size_and_level_are_limited(void **state) {
  (void)state;
  static const struct {
    uint32_t block_events;
    int      level;
    tf_err_t err;
  } cases[] = {
      {TF_TAPE_BLOCK_EVENTS_MAX,     1,  0              },
      {TF_TAPE_BLOCK_EVENTS_MAX + 1, 1,  E_CORE_ARGUMENT},
      {1,                            19, 0              },
      {1,                            20, E_CORE_ARGUMENT},
      {1,                            -1, E_CORE_ARGUMENT}
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    tf_tape_writer_t              w;
    const tf_tape_writer_config_t config = {.path         = tape_path(),
                                            .instruments  = &instruments,
                                            .block_events = cases[i].block_events,
                                            .level        = cases[i].level};
    unlink(tape_path());
    assert_int_equal(tf_tape_writer_init(&w, &config), cases[i].err);
    if (!cases[i].err) assert_int_equal(tf_tape_writer_fini(&w), 0);
  }
}

static void an_event_of_no_known_kind_is_refused(void **state) {
  (void)state;
  tf_tape_writer_t              w;
  const tf_tape_writer_config_t config = {.path = tape_path(), .instruments = &instruments};
  unlink(tape_path());
  assert_int_equal(tf_tape_writer_init(&w, &config), 0);
  const tf_event_t e = {.kind = TF_EVENT_KIND_CNT};
  assert_int_equal(tf_tape_writer_append(&w, &e, 1), E_CORE_ARGUMENT);
  assert_int_equal(tf_tape_writer_fini(&w), 0);
}

static void what_is_no_tape_is_refused_by_name(void **state) {
  (void)state;
  tf_tape_reader_t r;
  char             link[160], fifo[160];
  write_tape(events, 1, 1, 1);
  snprintf(link, sizeof link, "%s", made_path("link"));
  assert_int_equal(symlink(tape_path(), link), 0);
  assert_int_equal(tf_tape_reader_init(&r, link), E_FILE_OPEN);
  assert_non_null(strstr(tf_error_text(), "symbolic link"));
  snprintf(fifo, sizeof fifo, "%s", made_path("fifo"));
  assert_int_equal(mkfifo(fifo, 0600), 0);
  assert_int_equal(tf_tape_reader_init(&r, fifo), E_FILE_OPEN);
  assert_int_equal(tf_tape_reader_init(&r, made_dir), E_FILE_OPEN);
  assert_int_equal(tf_tape_reader_init(&r, "/absent"), E_FILE_OPEN);
  assert_int_equal(tf_tape_reader_init(&r, made_file("text", "1 {}\n", 5)), E_FILE_FORMAT);
  assert_int_equal(tf_tape_reader_init(&r, made_file("empty", "", 0)), E_FILE_FORMAT);
  assert_true(tf_tape_reader_is_tape(tape_path()));
  assert_false(tf_tape_reader_is_tape(link));
  tf_tape_reader_fini(&r);
}

static void another_version_is_refused_by_its_number(void **state) {
  (void)state;
  write_tape(events, 1, 1, 1);
  bytes_t                file = made_read(tape_path());
  tf_tape_file_header_t *h    = (tf_tape_file_header_t *)(void *)file.p;
  tf_tape_reader_t       r;
  h->version = TF_TAPE_VERSION + 1;
  h->crc     = tf_tape_crc(h, sizeof *h);
  assert_int_equal(tf_tape_reader_init(&r, made_file("next", file.p, file.cnt)), E_FILE_FORMAT);
  assert_non_null(strstr(tf_error_text(), "tape version 2"));
  free(file.p);
}

static void a_file_that_exists_is_not_written_over(void **state) {
  (void)state;
  tf_tape_writer_t              w;
  const tf_tape_writer_config_t config = {.path = tape_path(), .instruments = &instruments};
  made_file("t.tape", "mine", 4);
  assert_int_equal(tf_tape_writer_init(&w, &config), E_FILE_OPEN);
  assert_non_null(strstr(tf_error_text(), "exists already"));
  bytes_t file = made_read(tape_path());
  assert_int_equal(file.cnt, 4);
  free(file.p);
}

static void a_full_disk_ends_the_tape_with_whole_blocks(void **state) {
  (void)state;
  if (access("/dev/full", W_OK) != 0) skip();
  static tf_event_t got[400];
  name_instruments(3);
  fill_market(events, 400, 1);
  tf_tape_writer_t              w;
  const tf_tape_writer_config_t config = {
      .path = tape_path(), .instruments = &instruments, .block_events = 100};
  unlink(tape_path());
  assert_int_equal(tf_tape_writer_init(&w, &config), 0);
  assert_int_equal(tf_tape_writer_append(&w, events, 100), 0);
  int file = dup(w.fd), full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  dup2(full, w.fd);
  assert_int_equal(tf_tape_writer_append(&w, events + 100, 100), E_FILE_WRITE);
  dup2(file, w.fd);
  assert_int_equal(tf_tape_writer_append(&w, events + 200, 100), E_FILE_WRITE);
  assert_int_equal(tf_tape_writer_fini(&w), E_FILE_WRITE);
  close(file);
  close(full);
  tf_tape_reader_t r;
  assert_int_equal(tf_tape_reader_init(&r, tape_path()), 0);
  assert_false(tf_tape_reader_is_whole(&r));
  assert_int_equal(read_all(&r, got, 400), 100);
  assert_memory_equal(got, events, 100 * sizeof *got);
  tf_tape_reader_fini(&r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(any_bytes_of_events_come_back_exactly),
      cmocka_unit_test(market_data_comes_back_exactly_and_small),
      cmocka_unit_test(columns_of_edge_values_come_back),
      cmocka_unit_test(mutated_columns_are_refused_or_decoded_inside_their_bounds),
      cmocka_unit_test(every_flipped_bit_is_noticed),
      cmocka_unit_test(every_cut_is_noticed_and_whole_blocks_before_it_are_read),
      cmocka_unit_test(a_block_lost_in_the_middle_leaves_the_others),
      cmocka_unit_test(messages_stay_in_one_block_where_they_fit),
      cmocka_unit_test(block_size_and_level_are_limited),
      cmocka_unit_test(an_event_of_no_known_kind_is_refused),
      cmocka_unit_test(what_is_no_tape_is_refused_by_name),
      cmocka_unit_test(another_version_is_refused_by_its_number),
      cmocka_unit_test(a_file_that_exists_is_not_written_over),
      cmocka_unit_test(a_full_disk_ends_the_tape_with_whole_blocks),
  };
  return cmocka_run_group_tests(tests, made_dir_setup, made_dir_teardown);
}
