#include "cmocka_tf.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "flow/ring.h"

#define WRAP_SEQ (UINT64_MAX - 9) /* ten records before the sequence wraps */

static TF_ALIGNED(128) uint8_t memory[1 << 20];

static tf_ring_t *ring_of(uint64_t slot_cnt, uint32_t slot_bytes, uint64_t first_seq) {
  assert_true(tf_ring_footprint(slot_cnt, slot_bytes) <= sizeof memory);
  tf_ring_t *ring = tf_ring_new_at(memory, slot_cnt, slot_bytes, first_seq);
  assert_non_null(ring);
  return ring;
}

static void sizes_that_are_not_allowed_have_no_footprint(void **state) {
  (void)state;
  assert_int_equal(tf_ring_footprint(0, 64), 0);
  assert_int_equal(tf_ring_footprint(3, 64), 0);
  assert_int_equal(tf_ring_footprint(TF_RING_SLOT_CNT_MAX * 2, 64), 0);
  assert_int_equal(tf_ring_footprint(UINT64_MAX, 64), 0);
  assert_int_equal(tf_ring_footprint(4, 0), 0);
  assert_int_equal(tf_ring_footprint(4, 12), 0);
  assert_int_equal(tf_ring_footprint(4, TF_RING_SLOT_BYTES_MAX + 8), 0);
  assert_int_equal(tf_ring_footprint(1, 8), 512); /* 384 + 8, in line pairs */
  assert_int_equal(tf_ring_footprint(1024, 80), 384 + 81920);
  assert_true(tf_ring_footprint(TF_RING_SLOT_CNT_MAX, TF_RING_SLOT_BYTES_MAX) > 0);
}

static void new_refuses_bad_memory_and_bad_sizes(void **state) {
  (void)state;
  memset(memory, 0xab, 1024);
  assert_null(tf_ring_new(NULL, 4, 64));
  assert_int_equal(tf_error_code(), E_CORE_ARGUMENT);
  assert_null(tf_ring_new(memory + 64, 4, 64));
  assert_non_null(strstr(tf_error_text(), "aligned"));
  assert_null(tf_ring_new(memory, 5, 64));
  assert_null(tf_ring_new(memory, 4, 63));
  for (int i = 0; i < 1024; i++) assert_int_equal(memory[i], 0xab); /* a refusal changes nothing */
}

static void join_refuses_what_is_not_a_ring(void **state) {
  (void)state;
  memset(memory, 0, 1024);
  assert_null(tf_ring_join(NULL));
  assert_null(tf_ring_join(memory + 8));
  assert_null(tf_ring_join(memory));
  assert_int_equal(tf_error_code(), E_SHM_LAYOUT);
  assert_non_null(strstr(tf_error_text(), "magic"));

  tf_ring_t *ring = ring_of(4, 64, 0);
  assert_ptr_equal(tf_ring_join(memory), ring);
  ring->slot_cnt = 6;
  assert_null(tf_ring_join(memory));
  ring->slot_cnt   = 4;
  ring->slot_bytes = 65;
  assert_null(tf_ring_join(memory));
  ring->slot_bytes = 64;
  assert_ptr_equal(tf_ring_leave(ring), memory);
  assert_ptr_equal(tf_ring_delete(ring), memory);
  assert_null(tf_ring_join(memory));
  assert_null(tf_ring_delete(ring)); /* twice */
}

static void empty_ring_gives_nothing(void **state) {
  (void)state;
  tf_ring_reader_t reader;
  uint64_t         record[8];
  uint32_t         n = 77;
  tf_ring_reader_init(&reader, ring_of(4, 64, WRAP_SEQ));
  assert_int_equal(tf_ring_pop(&reader, record, 1), 0);
  assert_null(tf_ring_peek(&reader, &n));
  assert_int_equal(n, 0);
}

static void full_ring_takes_the_first_that_fit_and_then_none(void **state) {
  (void)state;
  for (uint64_t slot_cnt = 1; slot_cnt <= 16; slot_cnt *= 2) {
    tf_ring_t       *ring = ring_of(slot_cnt, 8, UINT64_MAX); /* the second record wraps */
    tf_ring_writer_t writer;
    tf_ring_reader_t reader;
    uint64_t         records[40], out[80];
    tf_ring_writer_init(&writer, ring);
    tf_ring_reader_init(&reader, ring);
    for (uint64_t i = 0; i < 40; i++) records[i] = i;
    assert_int_equal(tf_ring_push(&writer, records, 40), slot_cnt);
    assert_int_equal(tf_ring_push(&writer, records, 1), 0);
    uint32_t n = 1;
    assert_null(tf_ring_claim(&writer, &n));
    assert_int_equal(n, 0);
    assert_int_equal(tf_ring_fill_cnt(ring), slot_cnt);
    assert_int_equal(tf_ring_pop(&reader, out, 1), 1);
    assert_int_equal(out[0], 0);
    assert_int_equal(tf_ring_push(&writer, &records[slot_cnt], 40), 1);
    uint32_t got = tf_ring_pop(&reader, out, 40); /* what it knew of, then the rest */
    got += tf_ring_pop(&reader, &out[got], 40);
    assert_int_equal(got, slot_cnt);
    for (uint64_t i = 0; i < slot_cnt; i++) assert_int_equal(out[i], i + 1);
    assert_int_equal(tf_ring_published_cnt(ring), slot_cnt + 1);
    assert_int_equal(tf_ring_consumed_cnt(ring), slot_cnt + 1);
    assert_int_equal(tf_ring_fill_cnt(ring), 0);
  }
}

static void a_claim_that_is_not_published_has_no_effect(void **state) {
  (void)state;
  tf_ring_t       *ring = ring_of(8, 16, WRAP_SEQ);
  tf_ring_writer_t writer;
  tf_ring_reader_t reader;
  tf_ring_writer_init(&writer, ring);
  tf_ring_reader_init(&reader, ring);
  uint32_t n     = 3;
  void    *first = tf_ring_claim(&writer, &n);
  memset(first, 0xff, 3 * 16);
  assert_int_equal(tf_ring_fill_cnt(ring), 0);
  assert_null(tf_ring_peek(&reader, &n));
  n = 1;
  assert_ptr_equal(tf_ring_claim(&writer, &n), first);
}

static void claims_and_peeks_stop_at_the_end_of_the_memory(void **state) {
  (void)state;
  tf_ring_t       *ring = ring_of(8, 8, 6);
  tf_ring_writer_t writer;
  tf_ring_reader_t reader;
  tf_ring_writer_init(&writer, ring);
  tf_ring_reader_init(&reader, ring);
  uint32_t  n     = 5;
  uint64_t *slots = tf_ring_claim(&writer, &n);
  assert_int_equal(n, 2);
  assert_ptr_equal(slots, (uint64_t *)(ring + 1) + 6);
  slots[0] = 100;
  slots[1] = 101;
  tf_ring_publish(&writer, n);
  n        = 5;
  slots    = tf_ring_claim(&writer, &n);
  slots[0] = 102;
  assert_int_equal(n, 5);
  assert_ptr_equal(slots, ring + 1);
  tf_ring_publish(&writer, 1);

  const uint64_t *peeked = tf_ring_peek(&reader, &n);
  assert_int_equal(n, 2);
  assert_int_equal(peeked[0], 100);
  assert_int_equal(peeked[1], 101);
  tf_ring_release(&reader, 2);
  peeked = tf_ring_peek(&reader, &n);
  assert_int_equal(n, 1);
  assert_int_equal(peeked[0], 102);
  tf_ring_release(&reader, 1);
  assert_null(tf_ring_peek(&reader, &n));
}

/* Random batches against the plainest oracle there is: record number i carries i in every word. */
static void records_of_every_size_arrive_once_and_in_order_across_the_wrap(void **state) {
  (void)state;
  static const uint32_t sizes[] = {8, 16, 64, 80, 128, 200, 4096};
  static uint64_t       in[20 * 512], out[20 * 512];
  for (size_t s = 0; s < TF_ARRAY_CNT(sizes); s++) {
    uint32_t         words = sizes[s] / 8;
    tf_ring_t       *ring  = ring_of(16, sizes[s], UINT64_MAX - 1000);
    tf_ring_writer_t writer;
    tf_ring_reader_t reader;
    tf_ring_writer_init(&writer, ring);
    tf_ring_reader_init(&reader, ring);
    uint64_t pushed = 0, popped = 0;
    unsigned seed = 12345;
    while (popped < 3000) {
      uint32_t want = (uint32_t)rand_r(&seed) % 20;
      for (uint32_t i = 0; i < want; i++)
        for (uint32_t w = 0; w < words; w++) in[i * words + w] = pushed + i;
      uint32_t room = (uint32_t)(16 - (pushed - popped));
      uint32_t took = tf_ring_push(&writer, in, want);
      assert_int_equal(took, want < room ? want : room);
      pushed += took;
      uint32_t most = (uint32_t)rand_r(&seed) % 20;
      uint32_t got  = tf_ring_pop(&reader, out, most);
      assert_true(got <= most);
      assert_true(got > 0 || most == 0 || pushed == popped);
      for (uint32_t i = 0; i < got; i++)
        for (uint32_t w = 0; w < words; w++) assert_int_equal(out[i * words + w], popped + i);
      popped += got;
      assert_int_equal(tf_ring_fill_cnt(ring), pushed - popped);
    }
    assert_int_equal(tf_ring_published_cnt(ring), pushed);
    assert_int_equal(tf_ring_consumed_cnt(ring), popped);
    assert_int_equal(writer.refused_cnt + reader.refused_cnt, 0);
  }
}

static void a_producer_that_comes_back_goes_on_after_the_last_published(void **state) {
  (void)state;
  tf_ring_t       *ring = ring_of(4, 8, WRAP_SEQ);
  tf_ring_writer_t writer;
  tf_ring_reader_t reader;
  uint64_t         record = 1, out[4];
  tf_ring_writer_init(&writer, ring);
  tf_ring_reader_init(&reader, ring);
  assert_int_equal(tf_ring_push(&writer, &record, 1), 1);
  uint32_t n = 1;
  memset(tf_ring_claim(&writer, &n), 0xee, 8); /* and dies here */

  tf_ring_writer_init(&writer, tf_ring_join(memory));
  record = 2;
  assert_int_equal(tf_ring_push(&writer, &record, 1), 1);
  assert_int_equal(tf_ring_pop(&reader, out, 4), 2);
  assert_int_equal(out[0], 1);
  assert_int_equal(out[1], 2);
}

/* FAULTS.md F48: a consumer's line full of rubbish may stall the producer, no more. */
static void impossible_consumer_indices_are_refused_and_counted(void **state) {
  (void)state;
  tf_ring_t       *ring = ring_of(8, 8, WRAP_SEQ);
  tf_ring_writer_t writer;
  uint64_t         records[16] = {0};
  uint64_t         seed = 88172645463325252u, refused = 0;
  tf_ring_writer_init(&writer, ring);
  assert_int_equal(tf_ring_push(&writer, records, 8), 8);
  for (int i = 0; i < 200000; i++) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    uint64_t before    = writer.consumed_seq;
    uint64_t published = writer.next_seq;
    uint64_t index     = i % 4 == 0 ? published - seed % 20 : seed;
    bool     possible  = index - before <= published - before;
    ring->consumed_seq = index;
    uint32_t took      = tf_ring_push(&writer, records, 16);
    assert_int_equal(took, possible ? index - before : 0);
    refused += !possible;
    assert_int_equal(writer.refused_cnt, refused);
    assert_int_equal(writer.next_seq - writer.consumed_seq, 8);
  }
  assert_true(refused > 100000);
}

static void impossible_producer_indices_are_refused_and_counted(void **state) {
  (void)state;
  tf_ring_t       *ring = ring_of(8, 8, WRAP_SEQ);
  tf_ring_reader_t reader;
  uint64_t         out[16];
  tf_ring_reader_init(&reader, ring);
  ring->published_seq = WRAP_SEQ + 9;
  assert_int_equal(tf_ring_pop(&reader, out, 16), 0);
  ring->published_seq = WRAP_SEQ - 1;
  assert_int_equal(tf_ring_pop(&reader, out, 16), 0);
  assert_int_equal(reader.refused_cnt, 2);
  ring->published_seq = WRAP_SEQ + 8;
  assert_int_equal(tf_ring_pop(&reader, out, 16), 8);
}

static void a_ring_taken_over_with_impossible_indices_holds_no_credit(void **state) {
  (void)state;
  tf_ring_t       *ring = ring_of(8, 8, 100);
  tf_ring_writer_t writer;
  uint64_t         record = 0;
  ring->consumed_seq      = 101; /* past the producer */
  tf_ring_writer_init(&writer, ring);
  assert_int_equal(writer.refused_cnt, 1);
  assert_int_equal(tf_ring_push(&writer, &record, 1), 0);
  ring->consumed_seq = 100;
  assert_int_equal(tf_ring_push(&writer, &record, 1), 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sizes_that_are_not_allowed_have_no_footprint),
      cmocka_unit_test(new_refuses_bad_memory_and_bad_sizes),
      cmocka_unit_test(join_refuses_what_is_not_a_ring),
      cmocka_unit_test(empty_ring_gives_nothing),
      cmocka_unit_test(full_ring_takes_the_first_that_fit_and_then_none),
      cmocka_unit_test(a_claim_that_is_not_published_has_no_effect),
      cmocka_unit_test(claims_and_peeks_stop_at_the_end_of_the_memory),
      cmocka_unit_test(records_of_every_size_arrive_once_and_in_order_across_the_wrap),
      cmocka_unit_test(a_producer_that_comes_back_goes_on_after_the_last_published),
      cmocka_unit_test(impossible_consumer_indices_are_refused_and_counted),
      cmocka_unit_test(impossible_producer_indices_are_refused_and_counted),
      cmocka_unit_test(a_ring_taken_over_with_impossible_indices_holds_no_credit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
