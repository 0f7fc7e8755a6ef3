#include "cmocka_tf.h"

#include <string.h>

#include "tf/bcast.h"

#define WORDS 4

static TF_ALIGNED(128) uint8_t memory[1 << 16];

typedef struct pair {
  tf_bcast_writer_t writer;
  tf_bcast_reader_t reader;
} pair_t;

static void pair_init(pair_t *pair, uint64_t slot_cnt, uint64_t first_seq) {
  assert_true(tf_bcast_footprint(slot_cnt, WORDS) <= sizeof memory);
  assert_non_null(tf_bcast_new(memory, slot_cnt, WORDS, first_seq));
  assert_null(tf_bcast_writer_join(&pair->writer, memory, sizeof memory, WORDS));
  assert_null(tf_bcast_reader_join(&pair->reader, memory, sizeof memory, WORDS));
}

/* Every word of a record is its sequence times its own odd number. */
static void write_next(tf_bcast_writer_t *w) {
  uint64_t record[WORDS];
  for (uint64_t i = 0; i < WORDS; i++) record[i] = w->next_seq * (2 * i + 3);
  tf_bcast_write(w, record, WORDS);
}

static void write_cnt(tf_bcast_writer_t *w, uint64_t n) {
  while (n--) write_next(w);
}

static void expect_read(tf_bcast_reader_t *r, uint64_t seq) {
  uint64_t record[WORDS];
  assert_int_equal(tf_bcast_read(r, record, WORDS), TF_BCAST_READ);
  assert_int_equal(r->next_seq - 1, seq);
  for (uint64_t i = 0; i < WORDS; i++) assert_int_equal(record[i], seq * (2 * i + 3));
}

static void expect_overrun(tf_bcast_reader_t *r, uint64_t from, uint64_t to) {
  uint64_t record[WORDS];
  assert_int_equal(tf_bcast_read(r, record, WORDS), TF_BCAST_OVERRUN);
  assert_int_equal(r->lost_from, from);
  assert_int_equal(r->lost_to, to);
}

static void expect_empty(tf_bcast_reader_t *r) {
  uint64_t record[WORDS];
  assert_int_equal(tf_bcast_read(r, record, WORDS), TF_BCAST_EMPTY);
}

static void sizes_that_are_not_allowed_are_refused(void **state) {
  (void)state;
  assert_int_equal(tf_bcast_footprint(0, 1), 0);
  assert_int_equal(tf_bcast_footprint(1, 1), 0); /* the busy mark needs a second slot */
  assert_int_equal(tf_bcast_footprint(12, 1), 0);
  assert_int_equal(tf_bcast_footprint(TF_BCAST_SLOT_CNT_MAX * 2, 1), 0);
  assert_int_equal(tf_bcast_footprint(8, 0), 0);
  assert_int_equal(tf_bcast_footprint(8, TF_BCAST_WORD_CNT_MAX + 1), 0);
  assert_int_equal(tf_bcast_footprint(2, 7), 256 + 2 * 64);
  assert_int_equal(tf_bcast_footprint(2, 16), 256 + 2 * 192);
  assert_null(tf_bcast_new(NULL, 8, 4, 0));
  assert_null(tf_bcast_new(memory + 64, 8, 4, 0));
  assert_null(tf_bcast_new(memory, 7, 4, 0));
}

static void readers_refuse_memory_that_is_not_their_ring(void **state) {
  (void)state;
  tf_bcast_reader_t r;
  tf_bcast_t       *bcast = tf_bcast_new(memory, 8, WORDS, 0);
  uint64_t          bytes = tf_bcast_footprint(8, WORDS);

  assert_non_null(strstr(tf_bcast_reader_join(&r, NULL, bytes, WORDS), "misaligned"));
  assert_non_null(strstr(tf_bcast_reader_join(&r, memory + 8, bytes, WORDS), "misaligned"));
  assert_non_null(strstr(tf_bcast_reader_join(&r, memory, 255, WORDS), "header"));
  assert_non_null(strstr(tf_bcast_reader_join(&r, memory, bytes - 1, WORDS), "slots"));
  assert_non_null(strstr(tf_bcast_reader_join(&r, memory, bytes, WORDS + 1), "another size"));
  assert_null(tf_bcast_reader_join(&r, memory, bytes, WORDS));
  bcast->slot_cnt = UINT64_C(1) << 60;
  assert_non_null(strstr(tf_bcast_reader_join(&r, memory, bytes, WORDS), "not allowed"));
  bcast->slot_cnt   = 8;
  bcast->slot_words = 1u << 30;
  assert_non_null(strstr(tf_bcast_reader_join(&r, memory, bytes, WORDS), "slot layout"));
  bcast->slot_words = 8;
  tf_bcast_delete(bcast);
  assert_non_null(strstr(tf_bcast_reader_join(&r, memory, bytes, WORDS), "magic"));
}

static void nothing_written_is_empty_at_any_first_sequence(void **state) {
  (void)state;
  static const uint64_t firsts[] = {0, 1, 5, 8, UINT64_MAX, UINT64_MAX - 7, UINT64_C(1) << 63};
  for (size_t i = 0; i < TF_ARRAY_CNT(firsts); i++) {
    pair_t pair;
    pair_init(&pair, 8, firsts[i]);
    for (int k = 0; k < 3; k++) expect_empty(&pair.reader);
    tf_bcast_seek_oldest(&pair.reader);
    expect_empty(&pair.reader);
    write_next(&pair.writer);
    expect_read(&pair.reader, firsts[i]);
    expect_empty(&pair.reader);
  }
}

static void a_reader_within_a_lap_reads_all_and_a_lapped_one_is_told_what_it_lost(void **state) {
  (void)state;
  pair_t pair;
  pair_init(&pair, 8, UINT64_MAX - 3); /* wraps after four records */
  const uint64_t first = UINT64_MAX - 3;
  write_cnt(&pair.writer, 8);
  assert_int_equal(tf_bcast_lag_cnt(&pair.reader), 8);
  for (uint64_t i = 0; i < 8; i++) expect_read(&pair.reader, first + i);
  expect_empty(&pair.reader);

  /* 8 read, 9 more written: record 8 is gone, 9 is the oldest that the writer is not about to
   * overwrite but for one, and resuming an eighth of the ring later gives one up. */
  write_cnt(&pair.writer, 9);
  expect_overrun(&pair.reader, first + 8, first + 10);
  for (uint64_t i = 11; i < 17; i++) expect_read(&pair.reader, first + i);
  expect_empty(&pair.reader);
  assert_int_equal(pair.reader.read_cnt, 14);
  assert_int_equal(pair.reader.lost_cnt, 3);
  assert_int_equal(tf_bcast_lag_cnt(&pair.reader), 0);
}

static void a_reader_many_laps_behind_is_told_exactly(void **state) {
  (void)state;
  pair_t pair;
  pair_init(&pair, 64, 1);
  write_cnt(&pair.writer, 10000); /* 1 .. 10000; next is 10001 */
  /* oldest that is left: 10001 - 64 + 1 = 9938; an eighth of 64 later: 9946 */
  expect_overrun(&pair.reader, 1, 9945);
  for (uint64_t seq = 9946; seq <= 10000; seq++) expect_read(&pair.reader, seq);
  expect_empty(&pair.reader);
  assert_int_equal(pair.reader.read_cnt + pair.reader.lost_cnt, 10000);
}

/* On a weakly ordered machine a reader may see a slot's new stamp before the head that follows it. */
static void a_head_that_is_seen_late_does_not_send_a_reader_back(void **state) {
  (void)state;
  pair_t pair;
  pair_init(&pair, 8, 0);
  write_cnt(&pair.writer, 33);         /* 0 .. 32, 32 in the slot of 0 */
  pair.writer.bcast->head_seq = 5;     /* as it was long ago */
  expect_overrun(&pair.reader, 0, 25); /* 32 - 8 + 1 + 1 = 26 comes next */
  for (uint64_t seq = 26; seq <= 32; seq++) expect_read(&pair.reader, seq);
  expect_empty(&pair.reader);
  assert_int_equal(tf_bcast_lag_cnt(&pair.reader), 0);
}

static void seeking_finds_the_oldest_and_the_tail(void **state) {
  (void)state;
  pair_t pair;
  pair_init(&pair, 8, 100);
  write_cnt(&pair.writer, 3);
  tf_bcast_seek_tail(&pair.reader);
  expect_empty(&pair.reader);
  tf_bcast_seek_oldest(&pair.reader);
  expect_read(&pair.reader, 100);
  write_cnt(&pair.writer, 20); /* 100 .. 122 */
  tf_bcast_seek_oldest(&pair.reader);
  for (uint64_t seq = 116; seq <= 122; seq++) expect_read(&pair.reader, seq);
  expect_empty(&pair.reader);
}

static void two_readers_do_not_know_each_other(void **state) {
  (void)state;
  pair_t            pair;
  tf_bcast_reader_t other;
  pair_init(&pair, 16, 0);
  assert_null(tf_bcast_reader_join(&other, memory, sizeof memory, WORDS));
  write_cnt(&pair.writer, 10);
  for (uint64_t seq = 0; seq < 10; seq++) expect_read(&other, seq);
  write_cnt(&pair.writer, 10);
  for (uint64_t seq = 10; seq < 20; seq++) expect_read(&other, seq);
  expect_overrun(&pair.reader, 0, 6); /* 20 - 16 + 1 + 2 = 7 comes next */
}

static void a_second_writer_goes_on_after_the_last_whole_record(void **state) {
  (void)state;
  pair_t pair;
  pair_init(&pair, 8, 0);
  write_cnt(&pair.writer, 3);
  /* Died after the stamp of record 3, before the head moved. */
  write_next(&pair.writer);
  pair.writer.bcast->head_seq = 3;
  assert_null(tf_bcast_writer_join(&pair.writer, memory, sizeof memory, WORDS));
  assert_int_equal(pair.writer.next_seq, 4);
  write_next(&pair.writer);
  for (uint64_t seq = 0; seq < 5; seq++) expect_read(&pair.reader, seq);
}

static void a_million_records_pass_over_the_wrap(void **state) {
  (void)state;
  pair_t   pair;
  uint64_t first = 0 - UINT64_C(1000000);
  uint64_t lost  = 0;
  pair_init(&pair, 128, first);
  for (uint64_t i = 0; i < 1100000; i++) {
    write_next(&pair.writer);
    if (i % 1000 < 700) { /* then a pause of 300: more than two laps */
      uint64_t          record[WORDS];
      tf_bcast_result_t result;
      while ((result = tf_bcast_read(&pair.reader, record, WORDS)) != TF_BCAST_EMPTY) {
        uint64_t seq = pair.reader.next_seq - 1;
        if (result == TF_BCAST_OVERRUN)
          lost += pair.reader.lost_to - pair.reader.lost_from + 1;
        else
          for (uint64_t w = 0; w < WORDS; w++) assert_int_equal(record[w], seq * (2 * w + 3));
      }
    }
  }
  assert_int_equal(pair.writer.next_seq, 100000);
  assert_int_equal(lost, pair.reader.lost_cnt);
  assert_true(lost > 100000);
  assert_int_equal(pair.reader.read_cnt + lost + tf_bcast_lag_cnt(&pair.reader), 1100000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sizes_that_are_not_allowed_are_refused),
      cmocka_unit_test(readers_refuse_memory_that_is_not_their_ring),
      cmocka_unit_test(nothing_written_is_empty_at_any_first_sequence),
      cmocka_unit_test(a_reader_within_a_lap_reads_all_and_a_lapped_one_is_told_what_it_lost),
      cmocka_unit_test(a_reader_many_laps_behind_is_told_exactly),
      cmocka_unit_test(a_head_that_is_seen_late_does_not_send_a_reader_back),
      cmocka_unit_test(seeking_finds_the_oldest_and_the_tail),
      cmocka_unit_test(two_readers_do_not_know_each_other),
      cmocka_unit_test(a_second_writer_goes_on_after_the_last_whole_record),
      cmocka_unit_test(a_million_records_pass_over_the_wrap),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
