/* Endpoints measured on the thread that does so in a live run, against venues on loopback that answer pings after a
 * while of their own, with lanes that read and demote meanwhile. */
#include <poll.h>
#include <string.h>

#include "cmocka_tf.h"
#include "core/clock.h"
#include "core/log.h"
#include "feed/ranks.h"
#include "venue_stub.h"

#define VENUES 3u

static stub_t        venues[VENUES];
static tf_endpoint_t endpoints[VENUES];
static tf_ranking_t  ranking;
static tf_dialer_t  *dialer;
static tf_ranks_t    ranks;
static uint64_t      delays_ms[VENUES]; /* of a pong; atomics */

/* Answers each ping after its venue's delay. */
static void pongs(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  (void)idx;
  static __thread uint8_t payload[65536];
  size_t                  cnt;
  stub_upgrade(c, NULL, 0);
  for (int opcode; (opcode = stub_recv(c, payload, &cnt)) >= 0 && !stub_stopping(c);) {
    if (opcode == 8) return;
    if (opcode != 9) continue;
    uint64_t *delay_ms = &delays_ms[c->stub - venues];
    poll(NULL, 0, (int)__atomic_load_n(delay_ms, __ATOMIC_SEQ_CST));
    stub_control(c, 10, payload, cnt);
  }
}

static void venue_start(uint32_t i) {
  stub_start(&venues[i], pongs, NULL, NULL);
  snprintf(endpoints[i].host, sizeof endpoints[i].host, "127.0.0.1");
  snprintf(endpoints[i].port, sizeof endpoints[i].port, "%s", venues[i].port_text);
}

static int setup(void **state) {
  (void)state;
  memset(&ranks, 0, sizeof ranks);
  memset(endpoints, 0, sizeof endpoints);
  for (uint32_t i = 0; i < VENUES; i++) {
    delays_ms[i] = 30 * (VENUES - i); /* the last is the quickest */
    venue_start(i);
  }
  tf_ranking_init(&ranking, VENUES);
  tf_dialer_config_t config = tf_dialer_config_default();
  config.host_gap_ns        = 0;
  return tf_dialer_start(&config, &dialer);
}

static int teardown(void **state) {
  (void)state;
  tf_ranks_stop(&ranks);
  tf_dialer_stop(dialer);
  for (uint32_t i = 0; i < VENUES; i++) stub_stop(&venues[i]);
  return 0;
}

static void begin(uint64_t every_ns) {
  tf_ranks_feed_t feed = {.name      = "made",
                          .ranking   = &ranking,
                          .endpoints = endpoints,
                          .target    = "/ws",
                          .every_ns  = every_ns};
  tf_ranks_add(&ranks, &feed);
  assert_int_equal(tf_ranks_start(&ranks, dialer), 0);
}

static bool is_first_in_time(uint32_t idx) {
  uint64_t begin_ns = tf_clock_monotonic_ns();
  while (tf_clock_monotonic_ns() - begin_ns < 20 * TF_NS_PER_SEC) {
    if (tf_ranking_at(&ranking, 0) == idx) return true;
    poll(NULL, 0, 5);
  }
  return false;
}

static void the_order_stands_when_start_returns(void **state) {
  (void)state;
  begin(0);
  assert_int_equal(tf_ranking_at(&ranking, 0), 2);
  assert_int_equal(tf_ranking_at(&ranking, 1), 1);
  assert_int_equal(tf_ranking_at(&ranking, 2), 0);
}

static void a_venue_that_becomes_slow_is_passed_and_one_that_dies_is_last(void **state) {
  (void)state;
  begin(50 * TF_NS_PER_MS);
  assert_true(is_first_in_time(2));
  __atomic_store_n(&delays_ms[2], 150, __ATOMIC_SEQ_CST);
  assert_true(is_first_in_time(1));
  stub_stop(&venues[1]);
  assert_true(is_first_in_time(0));
  assert_int_equal(tf_ranking_at(&ranking, 2), 1);
  tf_ranks_stop(&ranks); /* who reads the endpoints */
  venue_start(1);        /* for teardown */
}

/* As lanes do it: they read and demote while the thread measures. Every order that is seen holds each once. */
static uint64_t is_over;

static void *lane(void *arg) {
  uint32_t *seen = arg;
  while (!__atomic_load_n(&is_over, __ATOMIC_SEQ_CST)) {
    tf_ranking_order_t order = tf_ranking_read(&ranking);
    uint32_t           mask  = 0;
    for (uint32_t i = 0; i < VENUES; i++) mask |= 1u << order.best_first[i];
    if (mask != (1u << VENUES) - 1) return seen;
    tf_ranking_demote(&ranking, tf_ranking_at(&ranking, 0));
    ++*seen;
    poll(NULL, 0, 1);
  }
  return NULL;
}

static void lanes_may_read_and_demote_while_it_measures(void **state) {
  (void)state;
  pthread_t lanes[2];
  uint32_t  seen[2] = {0};
  is_over           = 0;
  for (uint32_t i = 0; i < VENUES; i++) delays_ms[i] = 1;
  begin(TF_NS_PER_MS);
  for (uint32_t i = 0; i < 2; i++) pthread_create(&lanes[i], NULL, lane, &seen[i]);
  poll(NULL, 0, 1000);
  __atomic_store_n(&is_over, 1, __ATOMIC_SEQ_CST);
  for (uint32_t i = 0; i < 2; i++) {
    void *torn;
    pthread_join(lanes[i], &torn);
    assert_null(torn);
    assert_true(seen[i] > 10);
  }
}

static void a_measurement_that_is_stopped_says_so_and_leaves_the_order(void **state) {
  (void)state;
  ranks.stopping       = 1;
  tf_ranks_feed_t feed = {
      .name = "made", .ranking = &ranking, .endpoints = endpoints, .target = "/ws"};
  tf_ranker_row_t rows[TF_ENDPOINTS_MAX];
  uint8_t         best_first[TF_ENDPOINTS_MAX];
  uint64_t        begin_ns = tf_clock_monotonic_ns();
  assert_int_equal(tf_ranks_measure(&feed, dialer, &ranks.stopping, rows, best_first),
                   E_FEED_CLOSED);
  assert_true(tf_clock_monotonic_ns() - begin_ns < TF_NS_PER_SEC);
  assert_int_equal(tf_ranking_at(&ranking, 0), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  tf_clock_calibrate();
  tf_log_level_set(TF_LOG_FATAL);
  const struct CMUnitTest tests[] = {
      T(the_order_stands_when_start_returns),
      T(a_venue_that_becomes_slow_is_passed_and_one_that_dies_is_last),
      T(lanes_may_read_and_demote_while_it_measures),
      T(a_measurement_that_is_stopped_says_so_and_leaves_the_order),
  };
  return cmocka_run_group_tests_name("ranks", tests, NULL, NULL);
}
