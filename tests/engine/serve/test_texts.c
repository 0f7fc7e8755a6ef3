/* Texts with a model of the test's: what each comes to, that all are in one account, and novelty against its definition. */
#include "cmocka_tf.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/error.h"
#include "serve/texts.h"

#define INSTRUMENTS 3u
#define EMBEDDING   4u
#define SEEN_MAX    8192u
#define LONG_NS     (3600 * TF_NS_PER_SEC)

/* The score is the first character's place behind 'a'; "!" is no number, nor "?" where it embeds; where it is held it waits for
 * the test. */
static struct {
  uint32_t is_held; /* shared */
  uint64_t read;    /* by the reader */
} stub;

static bool stub_read(const tf_text_model_t *model, void *scratch, const char *bytes,
                      uint32_t bytes_cnt, tf_text_reading_t *reading, float *embedding) {
  (void)scratch;
  /* pairs with: let_go */
  while (tf_load_acquire_u32(&stub.is_held)) nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
  tf_count_add(&stub.read, 1);
  *reading = (tf_text_reading_t){
      .score = (float)(bytes[0] - 'a'), .confidence = 0.5f, .label = 1, .token_cnt = bytes_cnt};
  for (uint32_t i = 0; i < model->embedding_cnt && embedding; i++)
    embedding[i] = i < bytes_cnt ? (float)(bytes[i] - 'm') : 0.0f;
  return bytes[0] != '!' && (!embedding || bytes[0] != '?');
}

static tf_text_model_t model = {
    .name = "stub", .embedding_cnt = EMBEDDING, .hash = 7, .scratch_bytes = 64, .read = stub_read};
/* Its embedding is of one character, so that whose it was shows. */
static const tf_text_model_t embedder = {
    .name = "embedder", .embedding_cnt = 1, .hash = 9, .scratch_bytes = 64, .read = stub_read};
static tf_texts_t *texts;
static tf_event_t  seen[SEEN_MAX];
static uint32_t    seen_cnt, swap_cnt; /* seen_cnt: swaps among them */

static void publish(void *self, tf_event_t *event) {
  (void)self;
  assert_in_range(seen_cnt, 0, SEEN_MAX - 1);
  if (event->kind == TF_EVENT_CONTROL) {
    assert_int_equal(event->u.model.command, TF_CONTROL_SWAP);
    assert_true(tf_texts_is_model_idx(event->u.model.model_idx));
    assert_int_equal(event->instrument_id, UINT32_MAX);
    swap_cnt++;
  } else {
    assert_int_equal(event->kind, TF_EVENT_TEXT);
    assert_int_equal(event->flags, TF_FLAG_LAST);
  }
  seen[seen_cnt++] = *event;
}

static void begin_with(const tf_text_model_t *classifies, const tf_text_model_t *embeds,
                       bool is_inline, uint64_t deadline_ns) {
  const tf_texts_config_t config = {
      .first          = {{classifies, 0}, {embeds, 5}},
      .queue          = TF_TEXTS_QUEUE_MIN,
      .instrument_cap = INSTRUMENTS,
      .deadline_ns    = deadline_ns,
      .is_inline      = is_inline,
      .publish        = publish
  };
  seen_cnt = swap_cnt = 0;
  stub.read           = 0;
  tf_store_release_u32(&stub.is_held, 0); /* pairs with: stub_read */
  assert_int_equal(tf_texts_init(&config, &texts), TF_OK);
}

static void begin(bool is_inline, uint64_t deadline_ns) {
  begin_with(&model, NULL, is_inline, deadline_ns);
}

static void let_go(void) { tf_store_release_u32(&stub.is_held, 0); /* pairs with: stub_read */ }
static void hold(void) { tf_store_release_u32(&stub.is_held, 1); /* pairs with: stub_read */ }

static bool tell(const char *words, uint32_t instrument_id, uint64_t id, uint64_t recv_ns) {
  const tf_text_port_t *port = tf_texts_port(texts);
  const tf_text_t       text = {.ts_recv_ns    = recv_ns,
                                .ts_event_ns   = 11,
                                .id            = id,
                                .instrument_id = instrument_id,
                                .source        = 13,
                                .bytes_cnt     = (uint32_t)strlen(words),
                                .bytes         = words};
  return port->take(port->self, &text);
}

/* Until so many events were seen: a long limit, that a fault ends in a failure. */
static void wait_for(uint32_t cnt, uint64_t now_ns) {
  const uint64_t begin_ns = tf_clock_monotonic_ns();
  while (seen_cnt < cnt) {
    (void)tf_texts_poll(texts, now_ns);
    if (tf_clock_monotonic_ns() - begin_ns > 60 * TF_NS_PER_SEC) fail_msg("%u events", seen_cnt);
    nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
  }
}

static void balance(void) {
  const tf_texts_counts_t *c      = tf_texts_counts(texts);
  uint64_t                 missed = 0;
  for (uint32_t i = 0; i < TF_TEXT_MISS_CNT; i++) missed += c->missed[i];
  assert_int_equal(c->heard, c->answered + missed + tf_texts_waiting(texts));
  assert_int_equal(seen_cnt - swap_cnt, c->answered + missed);
}

static void end(void) {
  tf_texts_stop(texts);
  balance();
  tf_texts_fini(texts);
}

static void a_text_comes_back_as_what_its_model_says(void **state) {
  (void)state;
  begin(false, LONG_NS);
  assert_int_equal(tf_texts_start(texts, NULL), TF_OK);
  const uint64_t now_ns = tf_clock_wall_ns();
  assert_true(tell("cat", 2, 41, now_ns));
  wait_for(1, now_ns + 5);
  assert_int_equal(seen[0].instrument_id, 2);
  assert_int_equal(seen[0].ts_event_ns, 11);
  assert_int_equal(seen[0].u.text.id, 41);
  assert_int_equal(seen[0].u.text.source, 13);
  assert_int_equal(seen[0].u.text.miss, TF_TEXT_MISS_NONE);
  assert_int_equal(seen[0].u.text.label, 1);
  assert_int_equal(seen[0].u.text.model_hash, 7);
  assert_true(seen[0].u.text.score == 2.0f);
  assert_true(seen[0].u.text.novelty == 1.0f); /* the first */
  assert_int_equal(tf_texts_times(texts)->cnt, 1);
  assert_int_equal(tf_texts_times(texts)->max, 5);
  end();
}

static void an_answer_rings_for_acquire(void **state) {
  (void)state;
  const uint64_t begin_ns = tf_clock_monotonic_ns();
  tf_bell_t      bell;
  assert_int_equal(tf_bell_init(&bell), TF_OK);
  begin(false, LONG_NS);
  const uint64_t before = tf_bell_seen(&bell);
  assert_int_equal(tf_texts_start(texts, &bell), TF_OK);
  assert_true(tell("cat", 2, 41, tf_clock_wall_ns()));
  while (tf_bell_seen(&bell) == before) {
    assert_true(tf_clock_monotonic_ns() - begin_ns < 60 * TF_NS_PER_SEC);
    nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
  }
  assert_int_equal(tf_texts_poll(texts, tf_clock_wall_ns()), 1); /* it was there before the ring */
  end();
  tf_bell_fini(&bell);
}

static void in_place_a_text_is_answered_before_take_returns(void **state) {
  (void)state;
  begin(true, LONG_NS);
  assert_int_equal(tf_texts_start(texts, NULL), TF_OK);
  assert_true(tell("b", 0, 1, 5));
  assert_int_equal(seen_cnt, 1);
  assert_int_equal(seen[0].ts_recv_ns, 5);
  assert_true(tell("!", 0, 2, 6));
  assert_int_equal(seen[1].u.text.miss, TF_TEXT_MISS_FAILED);
  assert_true(seen[1].u.text.score == 0.0f);
  assert_false(tell("b", INSTRUMENTS, 3, 7)); /* of no instrument */
  assert_int_equal(seen_cnt, 2);
  end();
}

/* The one that the thread reads, those that wait, those that have no slot, those that are not even remembered. */
static void what_has_no_room_is_missed_and_beyond_that_refused(void **state) {
  (void)state;
  begin(false, LONG_NS);
  hold();
  assert_int_equal(tf_texts_start(texts, NULL), TF_OK);
  const uint64_t now_ns = tf_clock_wall_ns();
  for (uint32_t i = 0; i < TF_TEXTS_QUEUE_MIN + TF_TEXTS_REMEMBERED; i++)
    assert_true(tell("a", 0, i, now_ns));
  assert_false(tell("a", 0, 0, now_ns));
  assert_int_equal(tf_texts_counts(texts)->refused, 1);
  assert_int_equal(tf_texts_waiting(texts), TF_TEXTS_QUEUE_MIN + TF_TEXTS_REMEMBERED);
  assert_int_equal(tf_texts_poll(texts, now_ns), TF_TEXTS_EACH_POLL_MAX);
  assert_true(tell("a", 0, 0, now_ns)); /* room to remember it again */
  wait_for(TF_TEXTS_REMEMBERED + 1, now_ns);
  for (uint32_t i = 0; i < seen_cnt; i++) assert_int_equal(seen[i].u.text.miss, TF_TEXT_MISS_FULL);
  balance();
  let_go();
  wait_for(TF_TEXTS_REMEMBERED + 1 + TF_TEXTS_QUEUE_MIN, now_ns);
  assert_int_equal(tf_texts_counts(texts)->answered, TF_TEXTS_QUEUE_MIN);
  assert_int_equal(tf_texts_counts(texts)->missed[TF_TEXT_MISS_FULL], TF_TEXTS_REMEMBERED + 1);
  end();
}

static void a_text_is_missed_at_its_deadline_whatever_the_thread_does(void **state) {
  (void)state;
  begin(false, LONG_NS);
  hold();
  assert_int_equal(tf_texts_start(texts, NULL), TF_OK);
  const uint64_t now_ns = tf_clock_wall_ns();
  assert_true(tell("a", 0, 1, now_ns));
  (void)tf_texts_poll(texts, now_ns + LONG_NS);
  assert_int_equal(seen_cnt, 0);
  (void)tf_texts_poll(texts, now_ns + LONG_NS + 1);
  assert_int_equal(seen_cnt, 1);
  assert_int_equal(seen[0].u.text.miss, TF_TEXT_MISS_DEADLINE);
  let_go();
  assert_true(tell("b", 0, 2, now_ns));
  wait_for(2, now_ns);
  assert_int_equal(seen[1].u.text.id, 2);
  assert_int_equal(tf_texts_counts(texts)->late, 1); /* the first one's answer: no event */
  end();
}

/* Its deadline was over when its turn came: the thread does not read it. */
static void what_is_too_old_is_not_read(void **state) {
  (void)state;
  begin(false, 1);
  assert_true(tell("a", 0, 1, 1));
  assert_int_equal(tf_texts_start(texts, NULL), TF_OK);
  wait_for(1, 1); /* by acquire's clock it is in time, by the thread's it is not */
  assert_int_equal(seen[0].u.text.miss, TF_TEXT_MISS_DEADLINE);
  assert_int_equal(stub.read, 0);
  end();
}

static void a_stop_misses_what_waits_and_takes_no_more(void **state) {
  (void)state;
  begin(false, LONG_NS);
  hold();
  assert_int_equal(tf_texts_start(texts, NULL), TF_OK);
  const uint64_t now_ns = tf_clock_wall_ns();
  for (uint32_t i = 0; i < TF_TEXTS_QUEUE_MIN + 3; i++) assert_true(tell("a", 0, i, now_ns));
  tf_texts_drain(texts, now_ns);
  assert_int_equal(seen_cnt, TF_TEXTS_QUEUE_MIN + 3);
  assert_int_equal(tf_texts_counts(texts)->missed[TF_TEXT_MISS_FULL], 3);
  assert_int_equal(tf_texts_counts(texts)->missed[TF_TEXT_MISS_STOPPED], TF_TEXTS_QUEUE_MIN);
  assert_int_equal(tf_texts_waiting(texts), 0);
  assert_false(tell("a", 0, 1, now_ns));
  tf_texts_drain(texts, now_ns); /* once */
  assert_int_equal(seen_cnt, TF_TEXTS_QUEUE_MIN + 3);
  let_go();
  end();
}

/* Each text against all of its instrument that came within the last 64, in long double. */
static void novelty_is_one_less_the_greatest_cosine_of_the_last_64(void **state) {
  (void)state;
  static char words[400][EMBEDDING + 1];
  uint32_t    seed = 9;
  begin(true, LONG_NS);
  for (uint32_t n = 0; n < 400; n++) {
    long double best = 0, any = 0;
    uint32_t    back = 0;
    for (uint32_t i = 0; i < EMBEDDING; i++) {
      seed        = seed * 1103515245 + 12345;
      words[n][i] = (char)('a' + (seed >> 16) % 26);
    }
    assert_true(tell(words[n], n % 2, n, n));
    for (uint32_t k = n; k >= 2 && back < TF_TEXTS_KEPT; back++) {
      long double both = 0, one = 0, other = 0;
      k -= 2;
      for (uint32_t i = 0; i < EMBEDDING; i++) {
        const long double a = words[n][i] - 'm', b = words[k][i] - 'm';
        both += a * b, one += a * a, other += b * b;
      }
      const long double cosine = one > 0 && other > 0 ? both / sqrtl(one * other) : 0;
      best                     = any == 0 || cosine > best ? cosine : best;
      any                      = 1;
    }
    if (fabsl((long double)seen[n].u.text.novelty - (1 - best)) > 1e-6L)
      fail_msg("text %u: %g, wanted %g", n, (double)seen[n].u.text.novelty, (double)(1 - best));
  }
  assert_true(tell(words[399], 1, 0, 0)); /* said again */
  assert_true(seen[400].u.text.novelty < 1e-6f);
  assert_true(tell(words[399], 2, 0, 0)); /* of another instrument */
  assert_true(seen[401].u.text.novelty == 1.0f);
  end();
}

/* The one that is being read is the old version's, all behind it the new one's; between them the event says so, once. */
static void a_version_that_is_swapped_in_reads_what_comes_behind_its_event(void **state) {
  (void)state;
  static tf_text_model_t next;
  const uint64_t         now_ns = tf_clock_wall_ns();
  next                          = model;
  next.hash                     = 8;
  begin(false, LONG_NS);
  hold();
  assert_int_equal(tf_texts_start(texts, NULL), TF_OK);
  for (uint32_t i = 0; i < TF_TEXTS_QUEUE_MIN; i++) assert_true(tell("ab", 0, i, now_ns));
  assert_int_equal(tf_texts_fill(texts, TF_TEXTS_CLASSIFIER, 1, &(tf_texts_version_t){&next, 42}),
                   TF_OK);
  assert_true(tf_texts_has_told(texts, TF_TEXTS_CLASSIFIER));
  tf_texts_offer(texts, TF_TEXTS_CLASSIFIER, 1);
  assert_false(tf_texts_has_told(texts, TF_TEXTS_CLASSIFIER));
  let_go();
  wait_for(TF_TEXTS_QUEUE_MIN + 1, now_ns);
  assert_true(tf_texts_has_told(texts, TF_TEXTS_CLASSIFIER));
  uint32_t at = 0;
  while (seen[at].kind == TF_EVENT_TEXT) assert_int_equal(seen[at++].u.text.model_hash, 7);
  assert_int_equal(swap_cnt, 1);
  assert_int_equal(seen[at].u.model.hash, 8);
  assert_int_equal(seen[at].u.model.version, 42);
  for (uint32_t i = at + 1; i < seen_cnt; i++) {
    assert_int_equal(seen[i].u.text.model_hash, 8);
    if (i == at + 1)
      assert_true(seen[i].u.text.novelty == 1.0f); /* it begins anew */
    else
      assert_true(seen[i].u.text.novelty < 1e-6f);
  }
  tf_texts_offer(texts, TF_TEXTS_CLASSIFIER, 0); /* and back, with no text to wait for */
  wait_for(TF_TEXTS_QUEUE_MIN + 2, now_ns);
  assert_int_equal(seen[TF_TEXTS_QUEUE_MIN + 1].u.model.hash, 7);
  assert_true(tell("ab", 0, 99, now_ns));
  wait_for(TF_TEXTS_QUEUE_MIN + 3, now_ns);
  assert_int_equal(seen[TF_TEXTS_QUEUE_MIN + 2].u.text.model_hash, 7);
  assert_true(seen[TF_TEXTS_QUEUE_MIN + 2].u.text.novelty == 1.0f);
  end();
}

static void assert_swap(uint32_t at, tf_texts_role_t role, uint32_t hash, uint64_t version) {
  assert_int_equal(seen[at].kind, TF_EVENT_CONTROL);
  assert_int_equal(seen[at].u.model.model_idx, TF_TEXTS_MODEL_IDX(role));
  assert_int_equal(seen[at].u.model.hash, hash);
  assert_int_equal(seen[at].u.model.version, version);
}

/* Both read each text; novelty is of what the embedder says, which an event names before the first. */
static void an_embedder_beside_says_what_is_new(void **state) {
  for (uint32_t is_inline = 0; is_inline < 2; is_inline++) {
    (void)state;
    const uint64_t now_ns = tf_clock_wall_ns();
    begin_with(&model, &embedder, is_inline, LONG_NS);
    assert_int_equal(tf_texts_start(texts, NULL), TF_OK);
    assert_true(tell("cat", 0, 1, now_ns));
    assert_true(tell("cow", 0, 2, now_ns)); /* as the first by its first character */
    assert_true(tell("?", 0, 3, now_ns));   /* the classifier reads it, the embedder does not */
    assert_true(tell("!", 0, 4, now_ns));
    assert_true(tell("zoo", 0, 5, now_ns));
    wait_for(6, now_ns);
    assert_swap(0, TF_TEXTS_EMBEDDER, 9, 5);
    assert_true(seen[1].u.text.novelty == 1.0f && seen[1].u.text.score == 2.0f);
    assert_true(seen[2].u.text.novelty < 1e-6f && seen[2].u.text.model_hash == 7);
    assert_int_equal(seen[3].u.text.miss, TF_TEXT_MISS_FAILED);
    assert_int_equal(seen[4].u.text.miss, TF_TEXT_MISS_FAILED);
    assert_true(seen[5].u.text.novelty == 2.0f); /* the other way */
    assert_int_equal(stub.read, 4 * 2 + 1);
    assert_int_equal(tf_texts_counts(texts)->tokens, 2 * 9);
    end();
  }
}

/* A classifier's swap leaves what is new alone, an embedder's does not; either is told by its own event. */
static void each_of_two_models_is_swapped_by_itself(void **state) {
  (void)state;
  static tf_text_model_t next[TF_TEXTS_ROLE_CNT];
  const uint64_t         now_ns = tf_clock_wall_ns();
  next[TF_TEXTS_CLASSIFIER]     = model;
  next[TF_TEXTS_EMBEDDER]       = embedder;
  begin_with(&model, &embedder, false, LONG_NS);
  assert_false(tf_texts_has_told(texts, TF_TEXTS_EMBEDDER));
  assert_int_equal(tf_texts_start(texts, NULL), TF_OK);
  assert_true(tell("cat", 0, 1, now_ns));
  wait_for(2, now_ns);
  for (tf_texts_role_t role = 0; role < TF_TEXTS_ROLE_CNT; role++) {
    next[role].hash = 20 + (uint32_t)role;
    assert_int_equal(
        tf_texts_fill(texts, role, 1, &(tf_texts_version_t){&next[role], 30 + (uint64_t)role}),
        TF_OK);
    tf_texts_offer(texts, role, 1);
    wait_for(seen_cnt + 1, now_ns);
    assert_true(tf_texts_has_told(texts, TF_TEXTS_CLASSIFIER) &&
                tf_texts_has_told(texts, TF_TEXTS_EMBEDDER));
    assert_swap(seen_cnt - 1, role, 20 + (uint32_t)role, 30 + (uint64_t)role);
    assert_true(tell("cat", 0, 2, now_ns));
    wait_for(seen_cnt + 1, now_ns);
    assert_int_equal(seen[seen_cnt - 1].u.text.model_hash, 20);
    const bool is_anew = seen[seen_cnt - 1].u.text.novelty == 1.0f;
    assert_int_equal(is_anew, role == TF_TEXTS_EMBEDDER);
  }
  end();
}

static void where_nobody_embeds_novelty_is_no_number(void **state) {
  (void)state;
  tf_text_model_t bare = model;
  bare.embedding_cnt   = 0;
  begin_with(&bare, NULL, true, LONG_NS);
  assert_int_equal(tf_texts_start(texts, NULL), TF_OK);
  assert_true(tell("cat", 0, 1, 1));
  assert_true(tell("cat", 0, 2, 2));
  assert_int_equal(seen_cnt, 2);
  for (uint32_t i = 0; i < 2; i++)
    assert_true(isnan(seen[i].u.text.novelty) && seen[i].u.text.score == 2.0f);
  end();
}

static void as_much_memory_as_the_limit_is_taken_and_no_more(void **state) {
  (void)state;
  tf_texts_config_t config = {
      .first = {{&model, 0}}, .queue = TF_TEXTS_QUEUE_MIN, .publish = publish};
  const uint64_t each   = (TF_TEXTS_KEPT + 1) * (uint64_t)EMBEDDING * sizeof(float);
  config.instrument_cap = (uint32_t)(TF_TEXTS_MEMORY_MAX / each + 1);
  assert_int_equal(tf_texts_init(&config, &texts), E_CONFIG_VALUE);
  assert_null(texts);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_text_comes_back_as_what_its_model_says),
      cmocka_unit_test(an_answer_rings_for_acquire),
      cmocka_unit_test(in_place_a_text_is_answered_before_take_returns),
      cmocka_unit_test(what_has_no_room_is_missed_and_beyond_that_refused),
      cmocka_unit_test(a_text_is_missed_at_its_deadline_whatever_the_thread_does),
      cmocka_unit_test(what_is_too_old_is_not_read),
      cmocka_unit_test(a_stop_misses_what_waits_and_takes_no_more),
      cmocka_unit_test(novelty_is_one_less_the_greatest_cosine_of_the_last_64),
      cmocka_unit_test(a_version_that_is_swapped_in_reads_what_comes_behind_its_event),
      cmocka_unit_test(an_embedder_beside_says_what_is_new),
      cmocka_unit_test(each_of_two_models_is_swapped_by_itself),
      cmocka_unit_test(where_nobody_embeds_novelty_is_no_number),
      cmocka_unit_test(as_much_memory_as_the_limit_is_taken_and_no_more),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
