/* A chain of routes over made-up sources, by the clock of the test. */
#include <string.h>

#include "cmocka_tf.h"
#include "core/arena.h"
#include "core/clock.h"
#include "core/log.h"
#include "feed/fallback.h"

#define SEC TF_NS_PER_SEC
#define IDS 8u

typedef struct made {
  tf_source_t source;
  uint32_t    rest_cnt, call_cnt;
  bool        is_resting, refuses;

  tf_source_command_t command; /* the newest that it took */
} made_t;

static made_t        made[3];
static tf_fallback_t chain;
static tf_arena_t    arena;
static tf_event_t    got[64];
static uint32_t      got_cnt, tapped_cnt;
static uint64_t      now_ns;

static void made_rest(tf_source_t *source, bool rests) {
  made_t *m     = (made_t *)source;
  m->is_resting = rests;
  if (rests)
    m->rest_cnt++;
  else
    m->call_cnt++;
  source->feed_state = rests ? TF_FEED_DOWN : TF_FEED_CONNECTING;
}

/* A symbol's last digit is its id. */
static void made_command(tf_source_t *source, const tf_source_command_t *command,
                         tf_source_reply_t *reply) {
  made_t *m = (made_t *)source;
  memset(reply, 0, sizeof *reply);
  if (m->refuses) {
    reply->err = E_FEED_LIMIT;
    return;
  }
  m->command           = *command;
  size_t cnt           = strlen(command->symbol);
  reply->instrument_id = (uint32_t)(command->symbol[cnt - 1] - '0') % IDS;
  reply->next          = UINT32_MAX;
}

static const tf_source_ops_t made_ops = {.rest = made_rest, .command = made_command};

static void acquire(void *self, const tf_batch_t *batch) {
  (void)self;
  for (uint32_t i = 0; i < batch->event_cnt; i++) got[got_cnt++ % 64] = batch->events[i];
}

static void on_record(void *self, const tf_tap_record_t *record) {
  (void)self;
  assert_int_equal(record->kind, TF_TAP_CONTROL);
  assert_int_equal(record->bytes_cnt, sizeof(tf_event_t));
  tapped_cnt++;
}

static const uint32_t    ours[2] = {3, 5}, theirs[2] = {6, TF_ROUTE_NONE};
static const char *const pairs[2] = {"A3=X6", "A1=X4"};

/* The feed's own, another venue, a tape. */
static int setup(void **state) {
  (void)state;
  memset(made, 0, sizeof made);
  got_cnt = tapped_cnt = 0;
  now_ns               = 1000 * SEC;
  tf_fallback_route_t routes[3];
  for (uint32_t i = 0; i < 3; i++) {
    made[i].source.ops        = &made_ops;
    made[i].source.publisher  = (tf_publisher_t){NULL, acquire};
    made[i].source.feed_state = TF_FEED_CONNECTING;
    routes[i]                 = (tf_fallback_route_t){.source = &made[i].source, .source_idx = i};
  }
  routes[1].kind              = TF_ROUTE_VENUE;
  routes[1].theirs            = theirs;
  routes[1].pairs             = pairs;
  routes[1].pair_cnt          = 2;
  routes[2].kind              = TF_ROUTE_TAPE;
  routes[2].source_idx        = TF_ROUTE_NONE;
  tf_fallback_config_t config = {
      .name           = "main",
      .routes         = routes,
      .route_cnt      = 3,
      .instruments    = ours,
      .instrument_cnt = 2,
      .instrument_cap = IDS,
      .has_books      = true,
      .after_ns       = 10 * SEC,
      .back_ns        = 30 * SEC,
      .events_cap     = 16,
      .tap            = {NULL, on_record}
  };
  assert_int_equal(tf_arena_init(&arena, "test", tf_fallback_arena_bytes(&config) + 65536), 0);
  assert_int_equal(tf_fallback_init(&chain, &config, &arena), 0);
  chain.source.publisher = (tf_publisher_t){NULL, acquire};
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tf_arena_fini(&arena);
  return 0;
}

/* One poll, so many ns later. */
static void after(uint64_t ns) {
  now_ns += ns;
  chain.source.ops->poll(&chain.source, now_ns);
}

static void connects(uint32_t i) {
  made[i].source.connects++;
  made[i].source.feed_state = TF_FEED_LIVE;
}

static void publishes(uint32_t i, uint32_t instrument_id) {
  tf_event_t e     = {.kind = TF_EVENT_TRADE, .instrument_id = instrument_id};
  tf_batch_t batch = {.events = &e, .event_cnt = 1};
  made[i].source.publisher.publish(made[i].source.publisher.self, &batch);
}

/* What came since the last look, and only that. */
static uint32_t came(void) {
  uint32_t cnt = got_cnt;
  got_cnt      = 0;
  return cnt;
}

static void go_live(void) {
  after(0);
  connects(0);
  after(SEC);
  came();
}

static void primary_down_until_venue_serves(void) {
  go_live();
  made[0].source.feed_state = TF_FEED_DOWN;
  after(1);
  after(10 * SEC);
  connects(1);
  after(1);
}

static void a_feed_in_order_is_left_alone_and_the_others_rest(void **state) {
  (void)state;
  after(0);
  assert_int_equal(came(), 1); /* the venue's source is told silent: replay must know */
  connects(0);
  for (int i = 0; i < 100; i++) after(SEC);
  publishes(0, 3);
  assert_int_equal(came(), 1);
  assert_true(made[1].is_resting && made[2].is_resting);
  assert_int_equal(made[1].call_cnt + made[2].call_cnt, 0);
  assert_false(made[0].source.is_standby);
  assert_true(made[1].source.is_standby);
}

static void the_next_is_called_after_ten_seconds_and_not_before(void **state) {
  (void)state;
  go_live();
  made[0].source.feed_state = TF_FEED_CONNECTING;
  after(1);
  after(10 * SEC - 1);
  assert_int_equal(made[1].call_cnt, 0);
  after(1);
  assert_int_equal(made[1].call_cnt, 1);
  assert_int_equal(made[2].call_cnt, 0);
  after(10 * SEC - 1);
  assert_int_equal(made[2].call_cnt, 0);
  after(1);
  assert_int_equal(made[2].call_cnt, 1); /* the venue did not connect either */
  assert_int_equal(chain.serving, 0);    /* nobody came */
}

static void a_short_break_calls_nobody(void **state) {
  (void)state;
  go_live();
  for (int i = 0; i < 20; i++) {
    made[0].source.feed_state = TF_FEED_DOWN;
    after(9 * SEC);
    made[0].source.feed_state = TF_FEED_LIVE;
    after(1);
  }
  assert_int_equal(made[1].call_cnt, 0);
}

static void a_switch_is_told_for_each_instrument_and_tapped(void **state) {
  (void)state;
  primary_down_until_venue_serves();
  assert_int_equal(chain.serving, 1);
  assert_int_equal(came(), 1 + 2 * 2); /* the silence, and a route and a status for each */
  assert_int_equal(tapped_cnt, 1 + 5);
  assert_int_equal(got[1].u.control.command, TF_CONTROL_ROUTE);
  assert_int_equal(got[1].instrument_id, 3);
  assert_int_equal(got[1].u.control.position, TF_ROUTE_VENUE << 4 | 1);
  assert_int_equal((uint32_t)got[1].u.control.reserved[1], 6);
  assert_int_equal(got[2].kind, TF_EVENT_STATUS);
  assert_int_equal(got[2].u.status.book_state, TF_BOOK_SYNCING);
}

static void only_the_serving_route_is_heard_under_our_ids(void **state) {
  (void)state;
  primary_down_until_venue_serves();
  came();
  publishes(0, 3);
  assert_int_equal(came(), 0);
  assert_int_equal(made[0].source.held_events, 1);
  publishes(1, 6);
  assert_int_equal(came(), 1);
  assert_int_equal(got[0].instrument_id, 3);
  publishes(1, 5); /* nothing of that venue stands for our 5 */
  publishes(1, 1000000);
  assert_int_equal(came(), 0);
  assert_int_equal(made[1].source.held_events, 2);
}

static void the_feed_takes_its_place_back_over_a_fresh_connection(void **state) {
  (void)state;
  primary_down_until_venue_serves();
  connects(0);
  after(1);
  after(30 * SEC - 1);
  assert_int_equal(made[0].rest_cnt, 0);
  after(1);
  assert_int_equal(made[0].rest_cnt, 1); /* its connection is made anew */
  assert_int_equal(made[0].call_cnt, 1);
  assert_int_equal(chain.serving, 1); /* the venue serves until it stands */
  came();
  connects(0);
  after(1);
  assert_int_equal(chain.serving, 0);
  assert_int_equal(got[1].u.control.position, 0);
  assert_true(made[1].is_resting);
  came();
  publishes(0, 3);
  assert_int_equal(came(), 1);
}

static void a_feed_that_wavers_has_to_wait_anew(void **state) {
  (void)state;
  primary_down_until_venue_serves();
  for (int i = 0; i < 10; i++) {
    connects(0);
    after(1);
    after(29 * SEC);
    made[0].source.feed_state = TF_FEED_DOWN;
    after(SEC);
  }
  assert_int_equal(made[0].rest_cnt, 0);
  assert_int_equal(chain.serving, 1);
}

static void a_feed_that_does_not_come_back_after_all_waits_anew(void **state) {
  (void)state;
  primary_down_until_venue_serves();
  connects(0);
  after(1);
  after(30 * SEC);
  assert_int_equal(made[0].rest_cnt, 1);
  after(10 * SEC); /* it stays CONNECTING */
  after(1);
  connects(0);
  after(1);
  assert_int_equal(chain.serving, 1); /* connecting once is not being in order for 30 s */
}

static void when_the_stand_in_dies_too_the_tape_plays_and_is_tapped(void **state) {
  (void)state;
  primary_down_until_venue_serves();
  made[1].source.feed_state = TF_FEED_DOWN;
  after(1);
  after(10 * SEC);
  assert_int_equal(made[2].call_cnt, 1);
  connects(2);
  after(1);
  assert_int_equal(chain.serving, 2);
  came();
  tapped_cnt = 0;
  publishes(2, 5);
  assert_int_equal(came(), 1);
  assert_int_equal(tapped_cnt, 1);
  assert_int_equal(got[0].instrument_id, 5);
}

static void what_was_called_for_nothing_rests_again(void **state) {
  (void)state;
  go_live();
  made[0].source.feed_state = TF_FEED_DOWN;
  after(1);
  after(10 * SEC);
  assert_int_equal(made[1].call_cnt, 1);
  made[0].source.feed_state = TF_FEED_LIVE;
  after(1);
  assert_true(made[1].is_resting);
  assert_int_equal(chain.serving, 0);
}

/* What live published, a replay publishes: the filters that ROUTE events make are the chain's own. */
static void the_events_of_a_switch_make_the_same_filters(void **state) {
  (void)state;
  uint32_t          maps[3][IDS];
  tf_route_filter_t filters[3];
  for (uint32_t i = 0; i < 3; i++) filters[i] = (tf_route_filter_t){.map_cap = IDS, .map = maps[i]};
  go_live();
  got_cnt                   = 0;
  made[0].source.feed_state = TF_FEED_DOWN;
  after(1);
  after(10 * SEC);
  connects(1);
  after(1);
  for (uint32_t i = 0; i < got_cnt; i++)
    if (got[i].kind == TF_EVENT_CONTROL) tf_route_obey(filters, 3, &got[i]);
  assert_true(filters[0].is_silent && !filters[1].is_silent && filters[1].is_mapped);
  for (uint32_t id = 0; id < IDS; id++) {
    tf_event_t e = {.instrument_id = id}, a, b;
    uint32_t   n = tf_route_pass(&chain.routes[1].filter, &e, 1, &a);
    assert_int_equal(tf_route_pass(&filters[1], &e, 1, &b), n);
    if (n) assert_int_equal(a.instrument_id, b.instrument_id);
  }
}

static void subscribe(const char *symbol, uint8_t kind, tf_err_t err) {
  tf_source_command_t command = {.kind = kind};
  tf_source_reply_t   reply;
  snprintf(command.symbol, sizeof command.symbol, "%s", symbol);
  assert_ptr_equal(made[0].source.commanded_by, &chain.source);
  chain.source.ops->command(&chain.source, &command, &reply);
  assert_int_equal(reply.err, err);
}

static void a_symbol_that_comes_later_has_stand_ins(void **state) {
  (void)state;
  go_live();
  subscribe("A1", TF_SOURCE_SUBSCRIBE, TF_OK);
  subscribe("A2", TF_SOURCE_SUBSCRIBE, TF_OK);
  subscribe("A1", TF_SOURCE_SUBSCRIBE, TF_OK); /* again is no harm */
  assert_string_equal(made[0].command.symbol, "A1");
  assert_string_equal(made[1].command.symbol, "X4");
  assert_string_equal(made[2].command.symbol, "A1");
  assert_int_equal(came(), 0);
  made[0].source.feed_state = TF_FEED_DOWN;
  after(1);
  after(10 * SEC);
  connects(1);
  after(1);
  assert_int_equal(came(), 1 + 4 * 2); /* four instruments now */
  publishes(1, 4);
  assert_int_equal(came(), 1);
  assert_int_equal(got[0].instrument_id, 1);
  subscribe("A1", TF_SOURCE_UNSUBSCRIBE, TF_OK);
  assert_int_equal(made[1].command.kind, TF_SOURCE_UNSUBSCRIBE);
  assert_string_equal(made[1].command.symbol, "X4");
}

static void a_symbol_that_comes_while_another_serves_is_told_of_its_route(void **state) {
  (void)state;
  primary_down_until_venue_serves();
  came();
  subscribe("A1", TF_SOURCE_SUBSCRIBE, TF_OK);
  assert_int_equal(came(), 2);
  assert_int_equal(got[0].instrument_id, 1);
  assert_int_equal(got[0].u.control.position, TF_ROUTE_VENUE << 4 | 1);
  assert_int_equal((uint32_t)got[0].u.control.reserved[1], 4);
  assert_int_equal(got[1].u.status.book_state, TF_BOOK_SYNCING);
  publishes(1, 4);
  assert_int_equal(came(), 1);
}

static void a_symbol_that_was_refused_goes_to_no_stand_in(void **state) {
  (void)state;
  go_live();
  made[0].refuses = true;
  subscribe("A1", TF_SOURCE_SUBSCRIBE, E_FEED_LIMIT);
  assert_int_equal(made[1].command.kind, 0);
  made[0].refuses = false;
  made[1].refuses = made[2].refuses = true;
  subscribe("A1", TF_SOURCE_SUBSCRIBE, TF_OK); /* the feed has it; what stands in has not */
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  tf_clock_calibrate();
  tf_log_level_set(TF_LOG_FATAL);
  const struct CMUnitTest tests[] = {
      T(a_feed_in_order_is_left_alone_and_the_others_rest),
      T(the_next_is_called_after_ten_seconds_and_not_before),
      T(a_short_break_calls_nobody),
      T(a_switch_is_told_for_each_instrument_and_tapped),
      T(only_the_serving_route_is_heard_under_our_ids),
      T(the_feed_takes_its_place_back_over_a_fresh_connection),
      T(a_feed_that_wavers_has_to_wait_anew),
      T(a_feed_that_does_not_come_back_after_all_waits_anew),
      T(when_the_stand_in_dies_too_the_tape_plays_and_is_tapped),
      T(what_was_called_for_nothing_rests_again),
      T(the_events_of_a_switch_make_the_same_filters),
      T(a_symbol_that_comes_later_has_stand_ins),
      T(a_symbol_that_comes_while_another_serves_is_told_of_its_route),
      T(a_symbol_that_was_refused_goes_to_no_stand_in),
  };
  return cmocka_run_group_tests_name("fallback", tests, NULL, NULL);
}
