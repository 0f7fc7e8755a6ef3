/* The ring's own code under every schedule of producer and consumer steps, for small depths. */
#define TF_WEAVE_ENABLED
#include "cmocka_tf.h"

#include "flow/ring.h"
#include "weave_explorer.h"

#ifdef __SANITIZE_THREAD__
#define OPERATIONS 3 /* a coroutine switch costs ten times as much under ThreadSanitizer */
#else
#define OPERATIONS 4
#endif

static TF_ALIGNED(128) uint8_t memory[4096];
static uint64_t         depth;
static uint32_t         batch;
static int              operation_cnt; /* of each side */
static uint64_t         first_seq;
static tf_ring_t       *ring;
static tf_ring_writer_t writer;
static tf_ring_reader_t reader;
static uint64_t         pushed, popped;

typedef struct record {
  uint64_t number, again;
} record_t;

static void reset(void) {
  ring = tf_ring_new_at(memory, depth, sizeof(record_t), first_seq);
  TF_ASSERT(ring != NULL);
  tf_ring_writer_init(&writer, ring);
  tf_ring_reader_init(&reader, ring);
  pushed = popped = 0;
}

static void producer(void) {
  for (int i = 0; i < operation_cnt; i++) {
    record_t records[4];
    for (uint32_t k = 0; k < batch; k++) records[k] = (record_t){pushed + k, pushed + k};
    /* popped lags what was really released, so there is at least this much room. */
    int64_t  room = (int64_t)(depth - (pushed - popped));
    uint32_t took = tf_ring_push_sized(&writer, records, batch, sizeof(record_t));
    WEAVE_CHECK(took <= batch);
    WEAVE_CHECK((int64_t)took >= (batch < room ? batch : room));
    pushed += took;
  }
}

static void take(const record_t *records, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    WEAVE_CHECK(records[i].number == popped + i);
    WEAVE_CHECK(records[i].again == popped + i);
  }
  popped += n;
}

static void consumer(void) {
  for (int i = 0; i < operation_cnt; i++) {
    record_t records[4];
    take(records, tf_ring_pop_sized(&reader, records, batch, sizeof(record_t)));
  }
}

/* The same in place, the two words of a record written and read in separate steps. */
static void producer_in_place(void) {
  for (int i = 0; i < operation_cnt; i++) {
    uint32_t  n    = 1;
    record_t *slot = tf_ring_claim(&writer, &n);
    if (slot == NULL) continue;
    slot->number = pushed;
    TF_WEAVE("test:half");
    slot->again = pushed;
    tf_ring_publish(&writer, 1);
    pushed++;
  }
}

static void consumer_in_place(void) {
  for (int i = 0; i < operation_cnt; i++) {
    uint32_t        n;
    const record_t *slot = tf_ring_peek(&reader, &n);
    if (slot == NULL) continue;
    WEAVE_CHECK(slot->number == popped);
    TF_WEAVE("test:half");
    WEAVE_CHECK(slot->again == popped);
    tf_ring_release(&reader, 1);
    popped++;
  }
}

static void settle(void) {
  record_t records[8];
  WEAVE_CHECK(pushed - popped <= depth);
  WEAVE_CHECK(tf_ring_fill_cnt(ring) == pushed - popped);
  uint32_t n;
  while ((n = tf_ring_pop(&reader, records, 8)) > 0) take(records, n);
  WEAVE_CHECK(popped == pushed);
  WEAVE_CHECK(tf_ring_published_cnt(ring) == pushed && tf_ring_consumed_cnt(ring) == pushed);
  WEAVE_CHECK(writer.refused_cnt == 0 && reader.refused_cnt == 0);
}

static void explore(uint64_t slot_cnt, uint32_t batch_cnt, uint64_t seq, bool in_place,
                    int operations) {
  const weave_program_t copying = {
      .reset   = reset,
      .side    = {producer,               consumer             },
      .settle  = settle,
      .skipped = { "ring:claimed", "ring:before_publish", "ring:before_release"},
  };
  const weave_program_t placing = {
      .reset   = reset,
      .side    = {producer_in_place, consumer_in_place},
      .settle  = settle,
      .skipped = {"ring:claimed"                },
  };
  operation_cnt = operations;
  depth         = slot_cnt;
  batch         = batch_cnt;
  first_seq     = seq;

  uint64_t schedule_cnt = weave_explore(in_place ? &placing : &copying);
  print_message("depth %d, batches of %u: %llu schedules\n", (int)slot_cnt, batch_cnt,
                (unsigned long long)schedule_cnt);
  assert_null(weave_failure);
  assert_true(schedule_cnt > 100);
}

static void single_records_survive_every_schedule(void **state) {
  (void)state;
  explore(1, 1, 0, false, OPERATIONS);
  explore(2, 1, UINT64_MAX - 1, false, OPERATIONS);
  explore(4, 1, UINT64_MAX, false, OPERATIONS);
}

static void batches_survive_every_schedule(void **state) {
  (void)state;
  explore(2, 2, UINT64_MAX, false, OPERATIONS);
  explore(4, 3, UINT64_MAX - 2, false, 2);
}

static void records_written_in_place_survive_every_schedule(void **state) {
  (void)state;
  explore(1, 1, UINT64_MAX, true, OPERATIONS - 1);
  explore(2, 1, UINT64_MAX - 1, true, OPERATIONS - 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(single_records_survive_every_schedule),
      cmocka_unit_test(batches_survive_every_schedule),
      cmocka_unit_test(records_written_in_place_survive_every_schedule),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
