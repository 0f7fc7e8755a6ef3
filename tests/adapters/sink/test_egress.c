/* The egress thread before a destination that loses acknowledgements, connections and what was in flight: whatever
 * its script, what it holds in the end has no hole and no double, and every record is in one account. */
#include "cmocka_tf.h"

#include <dirent.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "adapters/sink/fake_outlet.h"
#include "adapters/sink/outq_fixture.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"

#define LIMIT_NS (60 * TF_NS_PER_SEC) /* what must come has so long to come */

static tf_sink_config_t config_of(tf_overflow_t policy) {
  static tf_instruments_t instruments = {.cap = FIXTURE_INSTRUMENTS};
  return (tf_sink_config_t){.type         = "fake",
                            .name         = "fake",
                            .shape        = tf_record_shape(TF_CARRIES_DECISIONS, 0),
                            .policy       = policy,
                            .slot_cnt     = 256,
                            .instruments  = &instruments,
                            .strategy_cnt = FIXTURE_STRATEGIES,
                            .drain_ns_max = LIMIT_NS};
}

static void *open_sink(const tf_sink_config_t *config) {
  size_t bytes = tf_align_up(tf_sink_fake.state_bytes(config), TF_LINE_PAIR_BYTES);
  void  *sink  = aligned_alloc(TF_LINE_PAIR_BYTES, bytes);
  assert_int_equal(tf_sink_fake.open(sink, config), TF_OK);
  return sink;
}

static void nap(void) { nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL); }

static tf_sink_counts_t counts_of(const void *sink) {
  tf_sink_counts_t c;
  tf_sink_fake.counts(sink, &c);
  return c;
}

static uint64_t dropped(const tf_sink_counts_t *c) {
  return c->dropped_full + c->dropped_oldest + c->dropped_closed + c->dropped_broken;
}

static void assert_balanced(const tf_sink_counts_t *c, uint64_t offered) {
  assert_int_equal(offered + c->recovered, c->acked + dropped(c) + c->conflated + c->pending);
}

/* Offers first .. last, waiting for room as emit does. */
static void offer(void *sink, uint64_t first, uint64_t last) {
  for (uint64_t seq = first; seq <= last;) {
    tf_decision_t records[16];
    uint32_t      n = 0;
    for (; n < 16 && seq + n <= last; n++) records[n] = fixture_record(seq + n);
    int k = tf_sink_fake.offer(sink, records, n);
    assert_true(k >= 0);
    seq += (uint64_t)k;
    if (k == 0) nap();
  }
}

static void await_acked(const void *sink, uint64_t cnt) {
  uint64_t begun_ns = tf_clock_monotonic_ns();
  while (counts_of(sink).acked < cnt) {
    assert_true(tf_clock_monotonic_ns() - begun_ns < LIMIT_NS);
    nap();
  }
}

static tf_sink_counts_t close_sink(void *sink) {
  assert_int_equal(tf_sink_fake.close(sink), TF_OK);
  tf_sink_counts_t c = counts_of(sink);
  free(sink);
  return c;
}

static void assert_holds_each_once(uint64_t last) {
  assert_int_equal(fake_kept_cnt(), last);
  for (uint64_t i = 0; i < last; i++) assert_int_equal(fake_kept_seq(i), i + 1);
}

static void each_record_arrives_once_whatever_breaks(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 24; seed++) {
    fake_script_t  script = {.seed       = seed,
                             .cut_in     = (uint32_t)(3 + seed * 7 % 40),
                             .away_polls = (uint32_t)(seed % 5),
                             .ack_in     = (uint32_t)(1 + seed % 6),
                             .send_max   = (uint32_t)(1 + seed * 5 % 64),
                             .refuse_in  = (uint32_t)(seed % 4 ? 1 + seed % 4 : 0)};
    const uint64_t last   = 3000;
    fake_reset(&script);
    tf_sink_config_t config = config_of(TF_OVERFLOW_BLOCK);
    void            *sink   = open_sink(&config);
    offer(sink, 1, last);
    tf_sink_counts_t c = close_sink(sink);
    assert_holds_each_once(last);
    assert_int_equal(c.acked, last);
    assert_int_equal(c.last_seq, last);
    assert_int_equal(c.pending, 0);
    assert_true(c.connects > 1 && c.disconnects > 0);
    assert_balanced(&c, last);
  }
}

static void destination_that_never_acks_is_asked_what_it_holds(void **state) {
  (void)state;
  fake_reset(&(fake_script_t){.seed = 5, .cut_in = 9, .is_deaf = true, .send_max = 64});
  tf_sink_config_t config = config_of(TF_OVERFLOW_BLOCK);
  void            *sink   = open_sink(&config);
  offer(sink, 1, 2000);
  tf_sink_counts_t c = close_sink(sink);
  assert_holds_each_once(2000);
  assert_int_equal(c.already_there, 2000); /* there was no other way to know */
  assert_balanced(&c, 2000);
}

static void replay_acks_what_an_earlier_one_left(void **state) {
  (void)state;
  for (uint64_t tail = 0; tail <= 1200;
       tail += 300) { /* behind, amid, equal to and ahead of what comes */
    fake_reset(&(fake_script_t){.seed = 1, .ack_in = 1, .begin_tail = tail});
    tf_sink_config_t config = config_of(TF_OVERFLOW_BLOCK);
    config.is_replay        = true;
    void *sink              = open_sink(&config);
    offer(sink, 1, 900);
    tf_sink_counts_t c = close_sink(sink);
    assert_holds_each_once(tail > 900 ? tail : 900);
    assert_int_equal(c.acked, 900);
    assert_int_equal(c.already_there, tail > 900 ? 900 : tail);
    assert_balanced(&c, 900);
  }
}

static void live_engine_begins_behind_the_tail(void **state) {
  (void)state;
  fake_reset(&(fake_script_t){.seed = 1, .ack_in = 1, .begin_tail = 700});
  tf_sink_config_t config = config_of(TF_OVERFLOW_BLOCK);
  void            *sink   = open_sink(&config);
  assert_int_equal(tf_sink_fake.last_seq(sink), 700);
  offer(sink, 701, 1000);
  tf_sink_counts_t c = close_sink(sink);
  assert_holds_each_once(1000);
  assert_int_equal(c.already_there, 0);
  assert_balanced(&c, 300);
}

static void live_engine_ends_where_another_used_its_numbers(void **state) {
  (void)state;
  fake_reset(&(fake_script_t){.seed = 1, .ack_in = 1, .begin_tail = 700});
  tf_sink_config_t config = config_of(TF_OVERFLOW_BLOCK);
  void            *sink   = open_sink(&config);
  tf_decision_t    record = fixture_record(650);
  uint64_t         taken = 0, begun_ns = tf_clock_monotonic_ns();
  int              k;
  while ((k = tf_sink_fake.offer(sink, &record, 1)) >= 0) {
    taken += (uint64_t)k;
    assert_true(tf_clock_monotonic_ns() - begun_ns < LIMIT_NS);
    nap();
  }
  assert_int_equal(k, E_SINK_FENCED);
  assert_non_null(strstr(tf_error_text(), "700"));
  assert_non_null(strstr(tf_error_text(), "650"));
  tf_sink_counts_t c = close_sink(sink);
  assert_int_equal(fake_kept_cnt(), 700);
  assert_int_equal(c.acked, 0);
  assert_int_equal(c.dropped_broken, taken);
  assert_balanced(&c, taken);
}

static void outlet_that_goes_on_is_called_again_at_once(void **state) {
  (void)state;
  fake_reset(&(fake_script_t){.seed = 1, .ack_in = 1, .goes_on_polls = 1000});
  tf_sink_config_t config = config_of(TF_OVERFLOW_BLOCK);
  void            *sink   = open_sink(&config);
  offer(sink, 1, 100);
  await_acked(sink, 100); /* that is behind them */
  tf_sink_counts_t c = close_sink(sink);
  assert_int_equal(fake_goes_on_wait_ns(), 0);
  assert_holds_each_once(100);
  assert_balanced(&c, 100);
}

static void outlet_that_fails_breaks_the_sink_with_its_reason(void **state) {
  (void)state;
  fake_reset(&(fake_script_t){.seed = 1, .ack_in = 1, .fail_at_seq = 10});
  tf_sink_config_t config = config_of(TF_OVERFLOW_BLOCK);
  void            *sink   = open_sink(&config);
  uint64_t         taken = 0, begun_ns = tf_clock_monotonic_ns();
  for (int k = 0; k >= 0; nap()) {
    tf_decision_t record = fixture_record(taken + 1);
    k                    = tf_sink_fake.offer(sink, &record, 1);
    taken += k > 0;
    if (k < 0) assert_int_equal(k, E_SINK_IO);
    assert_true(tf_clock_monotonic_ns() - begun_ns < LIMIT_NS);
  }
  assert_non_null(strstr(tf_error_text(), "fake: the fake has had enough"));
  tf_sink_counts_t c = close_sink(sink);
  assert_true(c.dropped_broken > 0 || c.acked == taken);
  assert_balanced(&c, taken);
}

static void each_policy_accounts_for_what_a_dead_destination_never_took(void **state) {
  (void)state;
  static const tf_overflow_t policies[] = {TF_OVERFLOW_DROP_NEWEST, TF_OVERFLOW_DROP_OLDEST,
                                           TF_OVERFLOW_CONFLATE};
  for (size_t p = 0; p < TF_ARRAY_CNT(policies); p++) {
    fake_reset(&(fake_script_t){.seed = 1, .is_dead = true});
    tf_sink_config_t config = config_of(policies[p]);
    config.drain_ns_max     = TF_NS_PER_MS;
    void *sink              = open_sink(&config);
    offer(sink, 1, 1000);
    tf_sink_counts_t c = counts_of(sink);
    assert_balanced(&c, 1000);
    assert_true(c.pending > 0 && c.pending <= 256);
    c = close_sink(sink);
    assert_int_equal(fake_kept_cnt(), 0);
    assert_int_equal(c.acked + c.pending, 0);
    assert_true(c.dropped_closed > 0);
    assert_int_equal(c.dropped_full > 0, policies[p] == TF_OVERFLOW_DROP_NEWEST);
    assert_int_equal(c.dropped_oldest > 0, policies[p] == TF_OVERFLOW_DROP_OLDEST);
    assert_int_equal(c.conflated > 0, policies[p] == TF_OVERFLOW_CONFLATE);
    assert_balanced(&c, 1000);
  }
}

static void block_takes_no_more_than_the_queue_from_emit(void **state) {
  (void)state;
  fake_reset(&(fake_script_t){.seed = 1, .is_dead = true});
  tf_sink_config_t config = config_of(TF_OVERFLOW_BLOCK);
  void            *sink   = open_sink(&config);
  offer(sink, 1, 256);
  tf_decision_t record = fixture_record(257);
  assert_int_equal(tf_sink_fake.offer(sink, &record, 1), 0);
  fake_heal();
  await_acked(sink, 256);
  assert_int_equal(tf_sink_fake.offer(sink, &record, 1), 1);
  tf_sink_counts_t c = close_sink(sink);
  assert_holds_each_once(257);
  assert_balanced(&c, 257);
}

static void destination_that_came_back_gets_the_newest_alone(void **state) {
  (void)state;
  fake_reset(&(fake_script_t){.seed = 1, .is_dead = true});
  tf_sink_config_t config = config_of(TF_OVERFLOW_CONFLATE);
  void            *sink   = open_sink(&config);
  offer(sink, 1, 5000);
  fake_heal();
  await_acked(sink, FIXTURE_INSTRUMENTS * FIXTURE_STRATEGIES);
  tf_sink_counts_t c = close_sink(sink);
  assert_int_equal(fake_kept_cnt(), FIXTURE_INSTRUMENTS * FIXTURE_STRATEGIES);
  for (uint64_t i = 0, before = 0; i < fake_kept_cnt(); before = fake_kept_seq(i++))
    assert_true(fake_kept_seq(i) > before && fake_kept_seq(i) > 4000);
  assert_balanced(&c, 5000);
}

static void record_past_its_age_or_expiry_is_marked_late(void **state) {
  (void)state;
  for (int is_replay = 0; is_replay < 2; is_replay++) {
    fake_reset(&(fake_script_t){.seed = 1, .ack_in = 1});
    tf_sink_config_t config = config_of(TF_OVERFLOW_BLOCK);
    config.max_age_ns       = 3600 * TF_NS_PER_SEC;
    config.is_replay        = is_replay;
    void          *sink     = open_sink(&config);
    const uint64_t now_ns   = tf_clock_wall_ns();
    tf_decision_t  records[4];
    for (uint32_t i = 0; i < 4; i++)
      records[i] = (tf_decision_t){.decision_seq = i + 1, .ts_decision_ns = now_ns};
    records[1].ts_decision_ns = now_ns - 3601 * TF_NS_PER_SEC;
    records[2].expiry_ns      = now_ns - 1;
    records[3].expiry_ns      = now_ns + 3600 * TF_NS_PER_SEC;
    assert_int_equal(tf_sink_fake.offer(sink, records, 4), 4);
    tf_sink_counts_t c = close_sink(sink);
    assert_holds_each_once(4);
    assert_int_equal(c.late, is_replay ? 0 : 2);
    assert_int_equal(fake_late_cnt(), c.late);
  }
}

static void destination_without_a_tail_gets_all_at_least_once(void **state) {
  (void)state;
  fake_reset(&(fake_script_t){.seed = 3, .cut_in = 20, .ack_in = 2, .keeps_no_tail = true});
  tf_sink_config_t config = config_of(TF_OVERFLOW_BLOCK);
  void            *sink   = open_sink(&config);
  assert_int_equal(tf_sink_fake.last_seq(sink), 0);
  offer(sink, 1, 1000);
  tf_sink_counts_t c = close_sink(sink);
  static bool      has[1001];
  for (uint64_t i = 0; i < fake_kept_cnt(); i++) has[fake_kept_seq(i)] = true;
  for (uint64_t seq = 1; seq <= 1000; seq++) assert_true(has[seq]);
  assert_true(fake_kept_cnt() >= 1000 && fake_kept_cnt() - 1000 <= c.resent);
  assert_balanced(&c, 1000);
}

/* ---- spill ---- */

static char folder[] = "/dev/shm/tf_egress_XXXXXX", spool_prefix[64];

static tf_sink_config_t spilling(void) {
  tf_sink_config_t config = config_of(TF_OVERFLOW_SPILL);
  config.spool            = spool_prefix;
  config.spool_bytes_max  = 1 << 20;
  return config;
}

static int empty_spool(void **state) {
  (void)state;
  DIR *d = opendir(folder);
  for (struct dirent *entry; (entry = readdir(d)) != NULL;)
    if (entry->d_name[0] != '.') unlinkat(dirfd(d), entry->d_name, 0);
  closedir(d);
  return 0;
}

/* Engines come and go in the middle of everything: nobody waits for what is on its way. */
static void each_record_arrives_once_over_restarts_of_the_engine(void **state) {
  for (uint64_t seed = 1; seed <= 12; seed++) {
    empty_spool(state);
    fake_reset(&(fake_script_t){.seed       = seed,
                                .cut_in     = (uint32_t)(3 + seed * 7 % 40),
                                .away_polls = (uint32_t)(seed * 3),
                                .ack_in     = (uint32_t)(1 + seed % 6),
                                .is_deaf    = seed % 5 == 0,
                                .send_max   = (uint32_t)(1 + seed * 5 % 64)});
    uint64_t last = 0, pending = 0;
    for (uint32_t life = 0; life < 8; life++) {
      tf_sink_config_t config = spilling();
      config.drain_ns_max     = life == 7 ? LIMIT_NS : 0;
      config.spool_bytes_max  = 16 << 20; /* all of it, should nothing be acked */
      void *sink              = open_sink(&config);
      assert_int_equal(tf_sink_fake.last_seq(sink), last);
      offer(sink, last + 1, last + 200 * seed);
      last += 200 * seed;
      tf_sink_counts_t c = close_sink(sink);
      assert_balanced(&c, 200 * seed);
      assert_int_equal(dropped(&c), 0);
      assert_true(
          c.recovered <=
          pending); /* what the last one's mark did not know was acked is there twice over */
      pending = c.pending;
    }
    assert_int_equal(pending, 0);
    assert_holds_each_once(last);
  }
}

static void outage_fills_the_disk_and_not_the_queue(void **state) {
  (void)state;
  fake_reset(&(fake_script_t){.seed = 1, .is_dead = true});
  tf_sink_config_t config = spilling();
  void            *sink   = open_sink(&config);
  offer(sink, 1, 5000); /* the queue has 256 */
  uint64_t begun_ns = tf_clock_monotonic_ns();
  while (counts_of(sink).spooled < 5000) {
    assert_true(tf_clock_monotonic_ns() - begun_ns < LIMIT_NS);
    nap();
  }
  fake_heal();
  tf_sink_counts_t c = close_sink(sink);
  assert_holds_each_once(5000);
  assert_int_equal(c.acked, 5000);
  assert_balanced(&c, 5000);
}

static void full_spool_makes_emit_wait_and_nothing_is_lost(void **state) {
  (void)state;
  fake_reset(&(fake_script_t){.seed = 1, .is_dead = true});
  tf_sink_config_t config = spilling();
  void            *sink   = open_sink(&config);
  uint64_t         last   = 0;
  for (uint32_t refused = 0;
       refused < 200;) { /* so often in a row: the disk and the queue are full */
    tf_decision_t record = fixture_record(last + 1);
    int           k      = tf_sink_fake.offer(sink, &record, 1);
    last += (uint64_t)k;
    refused = k ? 0 : refused + 1;
    if (!k) nap();
  }
  assert_true(last < 9000); /* 1 MiB */
  fake_heal();
  offer(sink, last + 1, last + 1000);
  tf_sink_counts_t c = close_sink(sink);
  assert_holds_each_once(last + 1000);
  assert_balanced(&c, last + 1000);
}

static void broker_that_lost_what_it_acked_gets_it_again(void **state) {
  (void)state;
  fake_reset(&(fake_script_t){.seed = 1, .ack_in = 1});
  tf_sink_config_t config = spilling();
  void            *sink   = open_sink(&config);
  offer(sink, 1, 500);
  tf_sink_counts_t c = close_sink(sink);
  assert_int_equal(c.acked, 500);
  fake_forget(301);
  sink = open_sink(&config);
  assert_int_equal(tf_sink_fake.last_seq(sink), 500); /* its own numbers are not used again */
  offer(sink, 501, 600);
  c = close_sink(sink);
  assert_holds_each_once(600);
  assert_int_equal(c.acked, 100);
  assert_int_equal(c.resent, 200);
  assert_true(c.errors > 0);
  assert_balanced(&c, 100);
}

static void failed_destination_leaves_all_in_the_spool(void **state) {
  (void)state;
  fake_reset(&(fake_script_t){.seed = 1, .ack_in = 1, .fail_at_seq = 10});
  tf_sink_config_t config = spilling();
  void            *sink   = open_sink(&config);
  uint64_t         taken  = 0;
  for (int k = 0; k >= 0;) {
    tf_decision_t record = fixture_record(taken + 1);
    k                    = tf_sink_fake.offer(sink, &record, 1);
    taken += k > 0;
    if (k == 0) nap();
  }
  tf_sink_counts_t c = close_sink(sink);
  assert_balanced(&c, taken);
  assert_int_equal(c.dropped_broken, 0);
  fake_script.fail_at_seq = 0;
  sink                    = open_sink(&config);
  c                       = close_sink(sink);
  assert_holds_each_once(taken);
}

static void spill_without_a_spool_is_refused(void **state) {
  (void)state;
  tf_sink_config_t config = config_of(TF_OVERFLOW_SPILL);
  void            *sink   = aligned_alloc(TF_LINE_PAIR_BYTES,
                                          tf_align_up(tf_sink_fake.state_bytes(&config), TF_LINE_PAIR_BYTES));
  assert_int_equal(tf_sink_fake.open(sink, &config), E_SINK_CONFIG);
  free(sink);
}

int main(void) {
  if (!mkdtemp(folder)) return 1;
  snprintf(spool_prefix, sizeof spool_prefix, "%s/s", folder);
  tf_clock_calibrate();
  tf_log_level_set(TF_LOG_FATAL);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_record_arrives_once_whatever_breaks),
      cmocka_unit_test(destination_that_never_acks_is_asked_what_it_holds),
      cmocka_unit_test(replay_acks_what_an_earlier_one_left),
      cmocka_unit_test(live_engine_begins_behind_the_tail),
      cmocka_unit_test(live_engine_ends_where_another_used_its_numbers),
      cmocka_unit_test(outlet_that_goes_on_is_called_again_at_once),
      cmocka_unit_test(outlet_that_fails_breaks_the_sink_with_its_reason),
      cmocka_unit_test(each_policy_accounts_for_what_a_dead_destination_never_took),
      cmocka_unit_test(block_takes_no_more_than_the_queue_from_emit),
      cmocka_unit_test(destination_that_came_back_gets_the_newest_alone),
      cmocka_unit_test(record_past_its_age_or_expiry_is_marked_late),
      cmocka_unit_test(destination_without_a_tail_gets_all_at_least_once),
      cmocka_unit_test_setup(each_record_arrives_once_over_restarts_of_the_engine, empty_spool),
      cmocka_unit_test_setup(outage_fills_the_disk_and_not_the_queue, empty_spool),
      cmocka_unit_test_setup(full_spool_makes_emit_wait_and_nothing_is_lost, empty_spool),
      cmocka_unit_test_setup(broker_that_lost_what_it_acked_gets_it_again, empty_spool),
      cmocka_unit_test_setup(failed_destination_leaves_all_in_the_spool, empty_spool),
      cmocka_unit_test_setup(spill_without_a_spool_is_refused, empty_spool),
  };
  int   failed = cmocka_run_group_tests(tests, NULL, NULL);
  void *none   = NULL;
  empty_spool(&none);
  rmdir(folder);
  return failed;
}
