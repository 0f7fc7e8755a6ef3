/* How often a venue is asked again what it does with its instruments, in simulated time. */
#include "cmocka_tf.h"
#include "core/clock.h"
#include "core/log.h"
#include "wire/tls_pool.h"
#include "world.h"

#define ASKED_AT_MOST 8u

/* The venue, with answers of one size that are counted. */
static struct {
  const sim_venue_t *real;
  sim_venue_t        padded;
  size_t             bytes; /* 0: as they are */
  uint32_t           cnt;
  uint64_t           at_ns[ASKED_AT_MOST];
} answers;

static void note_answer(sim_text_t *t) {
  assert_true(answers.cnt < ASKED_AT_MOST);
  answers.at_ns[answers.cnt++] = world_now_ns();
  while (t->cnt < answers.bytes) sim_put(t, " ");
  assert_false(t->full);
}

static int on_get(sim_exchange_t *x, const char *target, sim_text_t *t, bool *is_snapshot) {
  int status = answers.real->on_get(x, target, t, is_snapshot);
  note_answer(t);
  return status;
}

static int on_post(sim_exchange_t *x, const char *target, const char *body, sim_text_t *t) {
  int status = answers.real->on_post(x, target, body, t);
  note_answer(t);
  return status;
}

static void begin(const char *venue, uint64_t refresh_ns, size_t bytes) {
  world_start(venue, 1);
  memset(&answers, 0, sizeof answers);
  answers.real           = world.exchange.venue;
  answers.padded         = *answers.real;
  answers.padded.on_get  = on_get;
  answers.padded.on_post = answers.real->on_post != NULL ? on_post : NULL;
  answers.bytes          = bytes;
  world.exchange.venue   = &answers.padded;
  world.market_rests     = true;
  world_session_start(0, &(tf_session_config_t){.legs                = 1,
                                                .metadata            = true,
                                                .metadata_refresh_ns = refresh_ns,
                                                .stale_after_ns      = UINT64_MAX,
                                                .feed_config = {.channels = TF_CHANNEL_BOOK}});
}

static void run_for(uint64_t ns) {
  for (uint64_t end_ns = world_now_ns() + ns; world_now_ns() < end_ns;) world_step();
}

static void every_minute_where_no_answer_is_large(void **state) {
  (void)state;
  static const struct {
    size_t   bytes;
    uint64_t refresh_ns;
    uint32_t asked_cnt; /* in 130 s */
  } rows[] = {
      {0,                                TF_SESSION_REFRESH_AUTO, 3},
      {TF_SESSION_REFRESH_BYTES_MAX - 1, TF_SESSION_REFRESH_AUTO, 3},
      {TF_SESSION_REFRESH_BYTES_MAX,     TF_SESSION_REFRESH_AUTO, 3},
      {TF_SESSION_REFRESH_BYTES_MAX + 1, TF_SESSION_REFRESH_AUTO, 1},
      {TF_SESSION_REFRESH_BYTES_MAX + 1, 50 * TF_NS_PER_SEC,      3}, /* who says it wants it */
      {0,                                0,                       1},
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    begin("bitfinex", rows[i].refresh_ns, rows[i].bytes);
    run_for(130 * TF_NS_PER_SEC);
    assert_int_equal(answers.cnt, rows[i].asked_cnt);
    for (uint32_t n = 1; n < answers.cnt; n++)
      assert_in_range(answers.at_ns[n] - answers.at_ns[n - 1], 45 * TF_NS_PER_SEC,
                      61 * TF_NS_PER_SEC);
    world_stop();
  }
}

static void a_delisting_is_an_event_within_a_minute(void **state) {
  (void)state;
  static const char *const venues[] = {"bitfinex", "hyperliquid"};
  for (size_t v = 0; v < TF_ARRAY_CNT(venues); v++) {
    begin(venues[v], TF_SESSION_REFRESH_AUTO, 0);
    world.faults.ns[SIM_FAULT_DELIST] = 70 * TF_NS_PER_SEC;
    run_for(130 * TF_NS_PER_SEC);
    const world_story_t *story = &world.sessions[0].story;
    uint32_t             cnt   = 0;
    for (uint32_t i = 0; i < story->cnt; i++) {
      const tf_event_t *e = &story->events[i];
      if (!tf_event_is_listing(e)) continue;
      assert_int_equal(e->instrument_id, 1);
      assert_int_equal(e->u.listing.trading, TF_TRADING_ENDED);
      cnt++;
    }
    assert_int_equal(cnt, 1);
    assert_int_equal(world.sessions[0].source->connects, 1);
    world_stop();
  }
}

/* Before a connection, and beside it every minute: two lists each time. */
static void what_is_asked_before_a_connection_is_asked_again_beside_it(void **state) {
  (void)state;
  begin("hyperliquid", TF_SESSION_REFRESH_AUTO, 0);
  run_for(50 * TF_NS_PER_SEC);
  assert_int_equal(answers.cnt, 2);
  assert_int_equal(world.sessions[0].source->connects, 1);
  run_for(20 * TF_NS_PER_SEC);
  assert_int_equal(answers.cnt, 4);
  world_stop();
}

int main(void) {
  tf_tls_pool_install();
  tf_clock_calibrate();
  tf_log_level_set(TF_LOG_FATAL);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_minute_where_no_answer_is_large),
      cmocka_unit_test(a_delisting_is_an_event_within_a_minute),
      cmocka_unit_test(what_is_asked_before_a_connection_is_asked_again_beside_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
