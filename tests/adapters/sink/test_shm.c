/* The shm sink and its reader in one process: names, layout, instruments, liveness, take-over. */
#include "cmocka_tf.h"

#include <sys/file.h>

#include "core/error.h"
#include "stream_fixture.h"

static stream_t stream;

static void remove_stream(void) { stream_remove(&stream); }

static void reading_gives(tf_reader_t *reader, uint64_t seq, uint64_t decision_seq) {
  tf_decision_t decision;
  assert_int_equal(tf_reader_next(reader, &decision), TF_READER_READ);
  assert_int_equal(tf_reader_seq(reader), seq);
  assert_int_equal(decision.decision_seq, decision_seq);
  assert_true(stream_decision_whole(&decision));
}

static tf_reader_result_t next(tf_reader_t *reader) {
  tf_decision_t decision;
  return tf_reader_next(reader, &decision);
}

static void names_that_are_not_allowed_are_refused_on_both_sides(void **state) {
  (void)state;
  char too_long[TF_STREAM_NAME_BYTES_MAX + 2];
  memset(too_long, 'a', sizeof too_long);
  too_long[sizeof too_long - 1] = 0;
  const char *names[] = {NULL, "", "a/b", "../x", "a b", "a~1", "caf\xc3\xa9", "a\n", too_long};
  for (size_t i = 0; i < TF_ARRAY_CNT(names); i++) {
    tf_reader_t reader;
    stream_init(&stream, "x", 4);
    stream.config.path = names[i];
    assert_int_equal(stream_open(&stream), E_SINK_CONFIG);
    assert_non_null(strstr(tf_error_text(), "A-Z a-z 0-9 . _ -"));
    tf_sink_shm.close(stream.state); /* accepted after a failed open */
    assert_int_equal(tf_reader_open(names[i], &reader), E_SHM_OPEN);
    tf_reader_close(&reader);
  }
  too_long[sizeof too_long - 2] = 0; /* 64 characters: the longest that is allowed */
  stream_init(&stream, "x", 4);
  stream.config.path = too_long;
  assert_int_equal(stream_open(&stream), TF_OK);
  stream_close(&stream);
  assert_true(tf_stream_path(too_long, stream.path));
  remove_stream();
}

static void slot_counts_that_are_not_allowed_are_refused(void **state) {
  (void)state;
  static const uint64_t cnts[] = {1, 3, 1000, TF_BCAST_SLOT_CNT_MAX * 2, UINT64_MAX};
  for (size_t i = 0; i < TF_ARRAY_CNT(cnts); i++) {
    stream_init(&stream, "slots", cnts[i]);
    assert_int_equal(stream_open(&stream), E_SINK_CONFIG);
    assert_non_null(strstr(tf_error_text(), "power of two"));
    assert_int_equal(access(stream.path, F_OK), -1);
  }
}

static void a_stream_that_is_not_there_says_what_to_check(void **state) {
  (void)state;
  tf_reader_t reader;
  assert_int_equal(tf_reader_open("test-nobody-has-this-name", &reader), E_SHM_OPEN);
  assert_non_null(strstr(reader.error, "is the engine running"));
  tf_reader_close(&reader);
}

static void what_is_not_a_regular_file_is_refused_on_both_sides(void **state) {
  (void)state;
  tf_reader_t reader;
  stream_init(&stream, "kind", 4);
  assert_int_equal(symlink("/dev/shm/tickfuse.elsewhere", stream.path), 0);
  assert_int_equal(tf_reader_open(stream.name, &reader), E_SHM_OPEN);
  assert_int_equal(stream_open(&stream), E_SHM_OPEN);
  assert_non_null(strstr(tf_error_text(), "symbolic link"));
  unlink(stream.path);
  assert_int_equal(mkfifo(stream.path, 0600), 0);
  assert_int_equal(tf_reader_open(stream.name, &reader), E_SHM_LAYOUT);
  assert_int_equal(stream_open(&stream), E_SHM_OPEN);
  unlink(stream.path);
}

static void a_file_of_something_else_is_neither_read_nor_replaced(void **state) {
  (void)state;
  tf_reader_t reader;
  stream_init(&stream, "foreign", 4);
  FILE *file = fopen(stream.path, "w");
  for (int i = 0; i < 1000; i++) fputs("not a stream ", file);
  fclose(file);
  assert_int_equal(tf_reader_open(stream.name, &reader), E_SHM_LAYOUT);
  assert_non_null(strstr(reader.error, "not a tickfuse stream"));
  assert_int_equal(stream_open(&stream), E_SHM_LAYOUT);
  assert_int_equal(access(stream.path, F_OK), 0);
  remove_stream();
}

/* FAULTS.md F48: each field of the header, damaged, is refused in words that name it. */
static void a_damaged_header_is_refused_with_what_was_found(void **state) {
  (void)state;
  static const struct {
    size_t      offset, bytes;
    uint64_t    value;
    const char *text;
  } damages[] = {
      {offsetof(tf_stream_header_t, magic),              8, 42,                "magic 000000000000002a found"     },
      {offsetof(tf_stream_header_t, layout_version),     4, 2,                 "layout version 2 found, 1 is read"},
      {offsetof(tf_stream_header_t, record_bytes),       4, 136,               "decisions of 136 bytes"           },
      {offsetof(tf_stream_header_t, decision_version),   4, 9,                 "version 9 found"                  },
      {offsetof(tf_stream_header_t, instrument_bytes),   4, 71,                "rows of 71 bytes"                 },
      {offsetof(tf_stream_header_t, instruments_cap),    4, UINT32_MAX,        "4294967295 instrument rows"       },
      {offsetof(tf_stream_header_t, instruments_cap),    4, 1000,              "do not fit"                       },
      {offsetof(tf_stream_header_t, ring_slot_cnt),      8, 0,                 "0 slots found"                    },
      {offsetof(tf_stream_header_t, ring_slot_cnt),      8, 7,                 "7 slots found"                    },
      {offsetof(tf_stream_header_t, ring_slot_cnt),      8, 1u << 20,          "do not fit"                       },
      {offsetof(tf_stream_header_t, ring_slot_cnt),      8, 2,                 "slot count is not the header's"   },
      {offsetof(tf_stream_header_t, ring_offset),        8, UINT64_MAX - 127,  "do not fit"                       },
      {offsetof(tf_stream_header_t, ring_offset),        8, 4096 + 8,          "do not fit"                       },
      {offsetof(tf_stream_header_t, instruments_offset), 8, UINT64_MAX - 7,    "do not fit"                       },
      {offsetof(tf_stream_header_t, instruments_offset), 8, 0,                 "do not fit"                       },
      {offsetof(tf_stream_header_t, file_bytes),         8, UINT64_MAX,        "cut short"                        },
      {offsetof(tf_stream_header_t, file_bytes),         8, 0,                 "do not fit"                       },
      {4096 + offsetof(tf_bcast_t,  magic),              8, 0,                 "ring has the wrong magic"         },
      {4096 + offsetof(tf_bcast_t,  slot_cnt),           8, UINT64_C(1) << 40, "not allowed"                      },
      {4096 + offsetof(tf_bcast_t,  slot_cnt),           8, 1024,              "cut short in its slots"           },
      {4096 + offsetof(tf_bcast_t,  word_cnt),           4, 15,                "another size"                     },
      {4096 + offsetof(tf_bcast_t,  slot_words),         4, 16,                "slot layout"                      },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(damages); i++) {
    tf_reader_t reader;
    uint64_t    map_bytes;
    stream_init(&stream, "damaged", 64);
    assert_int_equal(stream_open(&stream), TF_OK);
    stream_close(&stream);
    uint8_t *map = (uint8_t *)stream_map(&stream, &map_bytes);
    memcpy(map + damages[i].offset, &damages[i].value, damages[i].bytes);
    munmap(map, map_bytes);

    tf_err_t err = tf_reader_open(stream.name, &reader);
    if (err != E_SHM_LAYOUT || strstr(reader.error, damages[i].text) == NULL)
      fail_msg("damage %zu: %d \"%s\" does not say \"%s\"", i, err, reader.error, damages[i].text);
    tf_reader_close(&reader);
    remove_stream();
  }
}

static void a_file_cut_short_anywhere_is_refused(void **state) {
  (void)state;
  tf_reader_t reader;
  struct stat st;
  stream_init(&stream, "short", 64);
  assert_int_equal(stream_open(&stream), TF_OK);
  stream_close(&stream);
  assert_int_equal(stat(stream.path, &st), 0);
  const off_t sizes[] = {st.st_size - 1, st.st_size - 4096, 4097, 4096, 4095, 17, 1, 0};
  for (size_t i = 0; i < TF_ARRAY_CNT(sizes); i++) {
    assert_int_equal(truncate(stream.path, sizes[i]), 0);
    assert_int_equal(tf_reader_open(stream.name, &reader), E_SHM_LAYOUT);
    assert_non_null(strstr(reader.error, "cut short"));
    tf_reader_close(&reader);
  }
  remove_stream();
}

static void the_file_is_for_all_to_read_and_nobody_else_to_write(void **state) {
  (void)state;
  struct stat st;
  stream_init(&stream, "mode", 4);
  mode_t umask_before = umask(077);
  assert_int_equal(stream_open(&stream), TF_OK);
  umask(umask_before);
  assert_int_equal(stat(stream.path, &st), 0);
  assert_int_equal(st.st_mode & 07777, 0644);
  assert_int_equal(st.st_nlink, 1);
  stream_close(&stream);
  remove_stream();
}

static void a_second_engine_on_the_name_is_refused_with_the_owners_pid(void **state) {
  (void)state;
  stream_t second;
  char     pid[16];
  stream_init(&stream, "twice", 16);
  stream_init(&second, "twice", 16);
  assert_int_equal(stream_open(&stream), TF_OK);
  assert_int_equal(stream_open(&second), E_FILE_BUSY);
  snprintf(pid, sizeof pid, "pid %d", (int)getpid());
  assert_non_null(strstr(tf_error_text(), pid));
  stream_write(&stream, 3); /* the first is not disturbed */
  tf_reader_t reader;
  assert_int_equal(tf_reader_open(stream.name, &reader), TF_OK);
  tf_reader_seek_oldest(&reader);
  for (uint64_t seq = 1; seq <= 3; seq++) reading_gives(&reader, seq, seq);
  tf_reader_close(&reader);
  stream_close(&stream);
  assert_int_equal(stream_open(&second), TF_OK); /* the name is free now */
  stream_close(&second);
  remove_stream();
}

static void a_lock_held_by_a_stranger_is_told_apart(void **state) {
  (void)state;
  stream_init(&stream, "stranger", 16);
  assert_int_equal(stream_open(&stream), TF_OK);
  stream_close(&stream);
  uint64_t            map_bytes;
  tf_stream_header_t *h = stream_map(&stream, &map_bytes);
  h->writer_start++; /* the pid is used again: its process is another */
  munmap(h, map_bytes);

  int fd = open(stream.path, O_RDONLY);
  assert_int_equal(flock(fd, LOCK_EX), 0);
  assert_int_equal(stream_open(&stream), E_FILE_BUSY);
  assert_non_null(strstr(tf_error_text(), "not its writer"));
  close(fd);
  remove_stream();
}

static void decisions_arrive_once_and_in_order_and_the_end_is_told(void **state) {
  (void)state;
  tf_reader_t reader;
  stream_init(&stream, "plain", 16);
  assert_int_equal(stream_open(&stream), TF_OK);
  stream_write(&stream, 2);
  assert_int_equal(tf_reader_open(stream.name, &reader), TF_OK); /* at the tail: behind those two */
  assert_int_equal(tf_reader_writer_pid(&reader), getpid());
  assert_int_equal(tf_reader_epoch(&reader), 1);
  assert_int_equal(next(&reader), TF_READER_EMPTY);
  stream_write(&stream, 20);
  assert_int_equal(next(&reader), TF_READER_OVERRUN);
  assert_int_equal(reader.ring.lost_from, 3);
  assert_int_equal(reader.ring.lost_to, 9); /* 23 - 16 + 1 + 2 = 10 comes next */
  for (uint64_t seq = 10; seq <= 22; seq++) reading_gives(&reader, seq, seq);
  for (int i = 0; i < 1000; i++) assert_int_equal(next(&reader), TF_READER_EMPTY);
  stream_write(&stream, 1);
  stream_close(&stream);
  reading_gives(&reader, 23, 23); /* the last words come before the end */
  int polls = 0;
  while (next(&reader) == TF_READER_EMPTY) polls++;
  assert_true(polls < (int)TF_READER_EMPTY_PER_CHECK);
  for (int i = 0; i < 3; i++) assert_int_equal(next(&reader), TF_READER_CLOSED);
  tf_reader_close(&reader);
  tf_reader_close(&reader); /* twice */
  remove_stream();
}

static void a_quiet_writer_lives_and_one_without_heartbeat_is_dead_until_it_beats(void **state) {
  (void)state;
  tf_reader_t reader;
  uint64_t    map_bytes;
  stream_init(&stream, "quiet", 16);
  assert_int_equal(stream_open(&stream), TF_OK);
  tf_stream_header_t *h = stream_map(&stream, &map_bytes);
  assert_int_equal(tf_reader_open(stream.name, &reader), TF_OK);
  assert_int_equal(next(&reader), TF_READER_EMPTY);

  h->heartbeat_ns = tf_stream_clock_ns() - 2 * TF_NS_PER_SEC;
  stream_write(&stream, 1);
  reading_gives(&reader, 1, 1); /* what is there is delivered whatever the heartbeat says */
  int polls = 0;
  while (next(&reader) == TF_READER_EMPTY) polls++;
  assert_true(polls < (int)TF_READER_EMPTY_PER_CHECK);
  assert_int_equal(next(&reader), TF_READER_DEAD);
  reader.dead_after_ns = 3 * TF_NS_PER_SEC;
  assert_int_equal(next(&reader), TF_READER_EMPTY);

  /* The writer beats at most 100 ms late by contract; its clock must move 10 ms for a new beat. */
  uint64_t set_back = h->heartbeat_ns, begin_ns = tf_stream_clock_ns();
  while (tf_load_acquire(&h->heartbeat_ns) == set_back) { /* pairs with: beat, in shm.c */
    assert_int_equal(tf_sink_shm.flush(stream.state, 0), TF_OK);
    assert_true(tf_stream_clock_ns() - begin_ns < TF_NS_PER_SEC);
  }
  reader.dead_after_ns = TF_READER_DEAD_AFTER_NS;
  for (int i = 0; i < 200; i++) assert_int_equal(next(&reader), TF_READER_EMPTY);

  /* A writer that is never idle is never flushed: decisions alone keep it alive. */
  h->heartbeat_ns = 1;
  stream_write(&stream, 300);
  assert_true(h->heartbeat_ns > 1);
  munmap(h, map_bytes);
  tf_reader_close(&reader);
  stream_close(&stream);
  remove_stream();
}

static void instruments_appear_by_name_as_they_are_added(void **state) {
  (void)state;
  tf_instrument_t rows[4] = {
      {.name = "BTCUSDT.BINANCE-SPOT", .id = 0, .price_exp = -2,               .metadata = TF_METADATA_VENUE},
      {.name = "ETHUSDT.BINANCE-SPOT",                              .id = 1,        .price_exp = INT8_MIN}
  };
  tf_instruments_t instruments = {.rows = rows, .cap = 4, .cnt = 1};
  tf_reader_t      reader;
  stream_init(&stream, "names", 16);
  stream.config.instruments = &instruments;
  assert_int_equal(stream_open(&stream), TF_OK);
  assert_int_equal(tf_reader_open(stream.name, &reader), TF_OK);
  assert_string_equal(tf_reader_instrument_name(&reader, 0), "BTCUSDT.BINANCE-SPOT");
  assert_int_equal(tf_reader_instrument_price_exp(&reader, 0), -2);
  assert_null(tf_reader_instrument_name(&reader, 1));
  assert_null(tf_reader_instrument_name(&reader, UINT32_MAX));

  tf_store_release_u32(&instruments.cnt, 2); /* pairs with: instruments_refresh, in shm.c */
  assert_null(tf_reader_instrument_name(&reader, 1));
  assert_int_equal(tf_sink_shm.flush(stream.state, 0), TF_OK); /* new rows at once */
  assert_string_equal(tf_reader_instrument_name(&reader, 1), "ETHUSDT.BINANCE-SPOT");
  assert_int_equal(tf_reader_instrument_price_exp(&reader, 1), INT8_MIN);
  assert_int_equal(tf_reader_instrument_price_exp(&reader, 2), INT8_MIN);

  rows[1].price_exp = -8;
  rows[1].metadata  = TF_METADATA_VENUE; /* known later: with the next heartbeat, and at close */
  stream_close(&stream);
  assert_int_equal(tf_reader_instrument_price_exp(&reader, 1), -8);
  assert_null(tf_reader_instrument_name(&reader, 2));
  tf_reader_close(&reader);
  remove_stream();
}

static void the_next_engine_goes_on_in_sequence_with_a_higher_epoch(void **state) {
  (void)state;
  tf_reader_t old, reader;
  stream_init(&stream, "next", 16);
  stream.config.epoch = 7;
  assert_int_equal(stream_open(&stream), TF_OK);
  stream_write(&stream, 40);
  assert_int_equal(tf_reader_open(stream.name, &old), TF_OK);
  stream_close(&stream);

  stream.config.epoch = 3; /* behind: the stream's own epoch must rise all the same */
  stream.written      = 0; /* a new engine counts its decisions from 1 */
  assert_int_equal(stream_open(&stream), TF_OK);
  assert_int_equal(tf_reader_open(stream.name, &reader), TF_OK);
  assert_int_equal(reader.header->epoch, 8);
  assert_int_equal(reader.header->predecessor_epoch, 7);
  assert_int_equal(reader.header->predecessor_last_seq, 40);
  assert_int_equal(reader.header->predecessor_decision_seq, 40);
  assert_int_equal(reader.header->first_seq, 41);
  stream_write(&stream, 2);
  reading_gives(&reader, 41, 1);
  reading_gives(&reader, 42, 2);
  while (next(&old) == TF_READER_EMPTY) {
  }
  assert_int_equal(next(&old), TF_READER_CLOSED); /* the old file is another file */
  tf_reader_close(&old);
  tf_reader_close(&reader);
  stream_close(&stream);

  stream.config.epoch = 100; /* ahead: it is taken */
  assert_int_equal(stream_open(&stream), TF_OK);
  assert_int_equal(tf_reader_open(stream.name, &reader), TF_OK);
  assert_int_equal(reader.header->epoch, 100);
  tf_reader_close(&reader);
  stream_close(&stream);
  remove_stream();
}

static void a_predecessor_of_another_layout_is_replaced_from_the_first_sequence(void **state) {
  (void)state;
  tf_reader_t reader;
  uint64_t    map_bytes;
  stream_init(&stream, "older", 16);
  stream.config.epoch = 5;
  assert_int_equal(stream_open(&stream), TF_OK);
  stream_write(&stream, 3);
  stream_close(&stream);
  tf_stream_header_t *h = stream_map(&stream, &map_bytes);
  h->layout_version     = 99;
  munmap(h, map_bytes);
  assert_int_equal(stream_open(&stream), TF_OK);
  assert_int_equal(tf_reader_open(stream.name, &reader), TF_OK);
  assert_int_equal(reader.header->epoch, 6);
  assert_int_equal(reader.header->first_seq, 1);
  tf_reader_close(&reader);
  stream_close(&stream);
  remove_stream();
}

static void prices_are_printed_digit_for_digit(void **state) {
  (void)state;
  static const struct {
    int64_t     mantissa;
    int         exp;
    const char *text;
  } cases[] = {
      {6183763,   -2,  "61837.63"             },
      {-6183763,  -2,  "-61837.63"            },
      {0,         0,   "0"                    },
      {0,         -2,  "0.00"                 },
      {0,         3,   "0"                    },
      {5,         -1,  "0.5"                  },
      {-5,        -8,  "-0.00000005"          },
      {123,       3,   "123000"               },
      {100,       -2,  "1.00"                 },
      {INT64_MIN, 0,   "-9223372036854775808" },
      {INT64_MAX, -19, "0.9223372036854775807"},
      {INT64_MIN, -18, "-9.223372036854775808"},
      {1,         -31, "?"                    },
      {1,         31,  "?"                    },
  };
  char text[64];
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++)
    assert_string_equal(tf_reader_decimal_text(cases[i].mantissa, cases[i].exp, text, sizeof text),
                        cases[i].text);
  assert_string_equal(tf_reader_decimal_text(12345, 0, text, 6), "12345");
  assert_string_equal(tf_reader_decimal_text(12345, 0, text, 5), "?");
}

int main(void) {
  stream_skip_without_shm();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names_that_are_not_allowed_are_refused_on_both_sides),
      cmocka_unit_test(slot_counts_that_are_not_allowed_are_refused),
      cmocka_unit_test(a_stream_that_is_not_there_says_what_to_check),
      cmocka_unit_test(what_is_not_a_regular_file_is_refused_on_both_sides),
      cmocka_unit_test(a_file_of_something_else_is_neither_read_nor_replaced),
      cmocka_unit_test(a_damaged_header_is_refused_with_what_was_found),
      cmocka_unit_test(a_file_cut_short_anywhere_is_refused),
      cmocka_unit_test(the_file_is_for_all_to_read_and_nobody_else_to_write),
      cmocka_unit_test(a_second_engine_on_the_name_is_refused_with_the_owners_pid),
      cmocka_unit_test(a_lock_held_by_a_stranger_is_told_apart),
      cmocka_unit_test(decisions_arrive_once_and_in_order_and_the_end_is_told),
      cmocka_unit_test(a_quiet_writer_lives_and_one_without_heartbeat_is_dead_until_it_beats),
      cmocka_unit_test(instruments_appear_by_name_as_they_are_added),
      cmocka_unit_test(the_next_engine_goes_on_in_sequence_with_a_higher_epoch),
      cmocka_unit_test(a_predecessor_of_another_layout_is_replaced_from_the_first_sequence),
      cmocka_unit_test(prices_are_printed_digit_for_digit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
