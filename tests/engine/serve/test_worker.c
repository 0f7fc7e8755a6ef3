/* The worker with a runtime of the test's: what is asked, told and given up, and that every request is in one account. */
#include "cmocka_tf.h"

#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/error.h"
#include "serve/worker.h"

#define INSTRUMENTS 4
#define SLOTS       2
#define DEADLINE    (20 * TF_NS_PER_SEC)

/* Answers with the row's value, or keeps silent. Its words are the worker's thread's, but is_silent and dropped. */
typedef struct stub {
  uint32_t is_silent; /* shared */
  uint64_t begun, dropped;
  bool     is_busy[SLOTS];
  float    out[SLOTS];
  bool     is_closed;
} stub_t;

static void stub_begin(void *self, uint32_t slot, uint64_t id, const float *rows) {
  stub_t *s = self;
  (void)id;
  s->is_busy[slot] = true;
  s->out[slot]     = rows[0];
  tf_count_add(&s->begun, 1);
}

static uint32_t stub_poll(void *self, uint64_t wait_ns, tf_runtime_done_t *done, uint32_t cap) {
  stub_t  *s   = self;
  uint32_t cnt = 0;
  if (wait_ns) nanosleep(&(struct timespec){.tv_nsec = (long)wait_ns}, NULL);
  for (uint32_t i = 0; i < SLOTS && cnt < cap; i++) {
    /* relaxed: the test's word alone */
    if (!s->is_busy[i] || tf_load_relaxed_u32(&s->is_silent)) continue;
    bool is_bad = s->out[i] < 0;
    done[cnt++] =
        (tf_runtime_done_t){.slot = i,
                            .miss = is_bad ? TF_RUNTIME_MISS_RUNTIME : TF_RUNTIME_ANSWERED,
                            .out  = &s->out[i]};
    s->is_busy[i] = false;
  }
  return cnt;
}

static void stub_drop(void *self, uint32_t slot) {
  stub_t *s        = self;
  s->is_busy[slot] = false;
  tf_count_add(&s->dropped, 1);
}

static void stub_trouble(const void *self, char *text) {
  (void)self;
  snprintf(text, TF_RUNTIME_TEXT_BYTES, "a negative row");
}

static void stub_close(void *self) { ((stub_t *)self)->is_closed = true; }

static const tf_runtime_t stub_runtime = {.name      = "stub",
                                          .in_flight = SLOTS,
                                          .begin     = stub_begin,
                                          .poll      = stub_poll,
                                          .drop      = stub_drop,
                                          .trouble   = stub_trouble,
                                          .close     = stub_close};

typedef struct fixture {
  tf_arena_t   arena;
  tf_asks_t    asks;
  stub_t       stub;
  uint64_t     gate;
  tf_worker_t *worker;
  uint64_t     begun, answered, missed;
} fixture_t;

static void start(fixture_t *f, uint64_t deadline_ns) {
  memset(f, 0, sizeof *f);
  f->gate = TF_GATE_ALL;
  assert_int_equal(tf_arena_init(&f->arena, "test", tf_asks_bytes(INSTRUMENTS, 1) + 4096), TF_OK);
  assert_int_equal(tf_asks_init(&f->asks, INSTRUMENTS, 1, &f->arena), TF_OK);
  tf_worker_config_t config = {.runtime      = &stub_runtime,
                               .runtime_self = &f->stub,
                               .asks         = &f->asks,
                               .gate         = &f->gate,
                               .deadline_ns  = deadline_ns,
                               .in_flight    = SLOTS,
                               .output_cnt   = 1};
  assert_int_equal(tf_worker_init(&config, &f->worker), TF_OK);
  assert_int_equal(tf_worker_start(f->worker), TF_OK);
}

static void end(fixture_t *f) {
  assert_true(tf_worker_stop(f->worker));
  assert_int_equal(f->asks.taken, tf_worker_expired(f->worker) + f->stub.begun);
  tf_worker_fini(f->worker);
  assert_true(f->stub.is_closed);
  tf_arena_fini(&f->arena);
}

static void ask(fixture_t *f, uint32_t instrument, float value, uint64_t recv_ns) {
  tf_ask_t *a      = tf_asks_begin(&f->asks, instrument);
  a->instrument_id = instrument;
  a->tick_seq      = (uint64_t)(int64_t)value;
  a->recv_ns       = recv_ns;
  a->rows[0]       = value;
  tf_asks_send(&f->asks, instrument);
}

/* Takes notes until done(f), at most 20 s. */
static void take_until(fixture_t *f, uint64_t *word, uint64_t wanted) {
  uint64_t  until_ns = tf_clock_monotonic_ns() + 20 * TF_NS_PER_SEC;
  tf_note_t note;
  while (*word < wanted) {
    if (tf_clock_monotonic_ns() > until_ns) fail_msg("nothing comes");
    if (!tf_worker_note(f->worker, &note)) {
      nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
      continue;
    }
    f->begun += note.kind == TF_NOTE_BEGUN;
    f->answered += note.kind == TF_NOTE_DONE && note.miss == TF_RUNTIME_ANSWERED;
    f->missed += note.kind == TF_NOTE_DONE && note.miss != TF_RUNTIME_ANSWERED;
  }
}

static void rows_are_asked_and_answers_told(void **state) {
  static fixture_t f;
  (void)state;
  start(&f, DEADLINE);
  for (uint64_t n = 1; n <= 200; n++) {
    ask(&f, (uint32_t)(n % INSTRUMENTS), (float)n, tf_clock_wall_ns());
    take_until(&f, &f.answered, n);
  }
  assert_int_equal(f.begun, 200);
  assert_int_equal(f.missed, 0);
  end(&f);
}

static void a_miss_is_told_with_its_trouble(void **state) {
  static fixture_t f;
  char             text[TF_RUNTIME_TEXT_BYTES];
  (void)state;
  start(&f, DEADLINE);
  ask(&f, 0, -1.0f, tf_clock_wall_ns());
  take_until(&f, &f.missed, 1);
  tf_worker_trouble(f.worker, text);
  assert_string_equal(text, "a negative row");
  end(&f);
}

static void a_row_older_than_the_deadline_is_not_sent(void **state) {
  static fixture_t f;
  (void)state;
  start(&f, TF_NS_PER_MS);
  ask(&f, 0, 1.0f, tf_clock_wall_ns() - TF_NS_PER_SEC);
  for (int i = 0; i < 20000 && tf_worker_expired(f.worker) == 0; i++)
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  assert_int_equal(tf_worker_expired(f.worker), 1);
  end(&f);
  assert_int_equal(f.stub.begun, 0);
}

static void a_shut_gate_lets_nothing_through_and_one_lets_one(void **state) {
  static fixture_t f;
  (void)state;
  start(&f, DEADLINE);
  tf_store_release(&f.gate, 4 + TF_GATE_SHUT); /* pairs with: may_begin */
  nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
  for (uint32_t i = 0; i < INSTRUMENTS; i++) ask(&f, i, (float)i + 1, tf_clock_wall_ns());
  nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
  assert_int_equal(tf_load_relaxed(&f.asks.taken), 0); /* relaxed: a count */
  tf_store_release(&f.gate, 8 + TF_GATE_ONE);          /* pairs with: may_begin */
  take_until(&f, &f.answered, 1);
  nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
  assert_int_equal(tf_load_relaxed(&f.asks.taken), 1); /* relaxed: a count */
  tf_store_release(&f.gate, 12 + TF_GATE_ALL);         /* pairs with: may_begin */
  take_until(&f, &f.answered, INSTRUMENTS);
  end(&f);
}

static void what_never_answers_is_given_up_and_its_slot_is_free(void **state) {
  static fixture_t f;
  (void)state;
  start(&f, 50 * TF_NS_PER_MS);
  tf_store_relaxed_u32(&f.stub.is_silent, 1); /* relaxed: the word alone */
  for (uint32_t i = 0; i < SLOTS; i++) ask(&f, i, (float)i + 1, tf_clock_wall_ns());
  take_until(&f, &f.missed, SLOTS);
  assert_int_equal(tf_load_relaxed(&f.stub.dropped), SLOTS); /* relaxed: a count */
  tf_store_relaxed_u32(&f.stub.is_silent, 0);                /* relaxed: the word alone */
  ask(&f, 0, 5.0f,
      tf_clock_wall_ns() + TF_NS_PER_SEC); /* a second more for a machine that is busy */
  take_until(&f, &f.answered, 1);
  end(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rows_are_asked_and_answers_told),
      cmocka_unit_test(a_miss_is_told_with_its_trouble),
      cmocka_unit_test(a_row_older_than_the_deadline_is_not_sent),
      cmocka_unit_test(a_shut_gate_lets_nothing_through_and_one_lets_one),
      cmocka_unit_test(what_never_answers_is_given_up_and_its_slot_is_free),
  };
  return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
