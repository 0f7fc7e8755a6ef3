/* Two connections of one session beside each other: who takes whose place. */
#include "session_rig.h"

#define REQUESTS 6u /* one each 125 ms: a newcomer takes so long to ask for all */

/* Notes of script_newcomer: what the test tells it, and what it tells the test. */
enum { ASKED_FOR, ELDER_MAY_GO, NEWCOMER_SPOKE, ELDERSHIP };
enum { FREE, CLAIMED, TAKEN }; /* ELDERSHIP */

/* The session dials both legs at once while it has neither, and which of the two it gets first is chance: the
 * one whose request is read first here need not be. So only one upgrade is answered at a time, until a
 * connection that got its answer asks for something: that one is the elder. False: another is. */
static bool claims_eldership(stub_conn_t *c) {
  uint64_t *eldership = &c->stub->note[ELDERSHIP], found = FREE;
  while (!__atomic_compare_exchange_n(eldership, &found, CLAIMED, false, __ATOMIC_SEQ_CST,
                                      __ATOMIC_SEQ_CST)) {
    if (found == TAKEN || stub_stopping(c)) return false;
    found = FREE;
    usleep(1000);
  }
  return true;
}

/* Brings trades until it is told to go. One whose client has given up waiting hands its turn on. */
static void be_elder(stub_conn_t *c) {
  bool has_asked = ack(c, 0);
  note(c, ELDERSHIP, has_asked ? TAKEN : FREE);
  if (!has_asked) return;
  for (uint32_t i = 1; i < REQUESTS; i++)
    if (!ack(c, i)) return;
  for (int i = 1; i <= 9; i++) {
    char text[] = "T 0";
    text[2]     = (char)('0' + i);
    stub_text(c, text);
  }
  while (noted(ELDER_MAY_GO) == 0 && !stub_stopping(c)) usleep(1000);
}

/* The newcomer begins far ahead of the elder, as one does that was away for a while, with its first requests
 * still to be made. */
static void script_newcomer(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  (void)idx;
  bool may_be_elder = claims_eldership(c);
  stub_upgrade(c, NULL, 0);
  if (may_be_elder) {
    be_elder(c);
    return;
  }
  if (!acks(c, (uint32_t)noted(ASKED_FOR))) return;
  stub_text(c, noted(ASKED_FOR) == REQUESTS ? "T 10" : "T 50");
  note(c, NEWCOMER_SPOKE, 1);
  stub_linger(c);
}

static void begin_two(uint64_t asked_for) {
  config.legs        = 2;
  config.overlap_ns  = 60 * TF_NS_PER_SEC;
  config.silence_ns  = 60 * TF_NS_PER_SEC; /* the elder says nothing while the newcomer asks */
  fake_subscribe_cnt = REQUESTS;
  fake.subscribe_rate_hz_max = 10;
  begin(script_newcomer, false);
  __atomic_store_n(&stub.note[ASKED_FOR], asked_for, __ATOMIC_SEQ_CST);
  RUN_UNTIL(seen.trades == 9);
  RUN_UNTIL(noted(NEWCOMER_SPOKE) == 1);
  RUN_UNTIL(source->bytes_rx == __atomic_load_n(&stub.ws_bytes, __ATOMIC_SEQ_CST));
  assert_int_equal(seen.trades, 9); /* it is being heard */
  __atomic_store_n(&stub.note[ELDER_MAY_GO], 1, __ATOMIC_SEQ_CST);
  RUN_UNTIL(source->disconnects == 1);
  RUN_UNTIL(seen.trades == 10);
  assert_int_equal(source->counts.gaps, 0);
}

static void
newcomer_that_had_asked_for_all_takes_the_last_ones_place_without_a_break(void **state) {
  (void)state;
  begin_two(REQUESTS);
  assert_int_equal(seen.last_id, 10);
  assert_int_equal(seen.statuses,
                   1); /* the decoder heard of the first connection and of nothing since */
}

/* What went between the elder's death and the newcomer's last request nobody brought: as behind any
 * reconnect the books begin anew, and no sequence is said to have broken. */
static void newcomer_that_was_still_asking_when_the_last_one_died_begins_anew(void **state) {
  (void)state;
  begin_two(1);
  assert_int_equal(seen.last_id, 50);
  assert_int_equal(seen.statuses, 3); /* up, gone, up */
}

static void script_trades(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  (void)idx;
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  while (noted(0) == 0 && !stub_stopping(c)) {
    trades(c, 1);
    usleep(2000);
  }
  stub_linger(c);
}

/* Of four hosts one is not there: three legs go to the three that are, best first. */
static void legs_spread_over_the_endpoints_that_answer(void **state) {
  (void)state;
  static tf_ranking_t ranking;
  config.legs       = 3;
  config.overlap_ns = 10 * MS;
  begin_stub(script_trades);
  const tf_session_host_t hosts[] = {
      {"venue.test",    stub.port_text, true},
      {"no.such.venue", stub.port_text, true},
      {"other.test",    stub.port_text, true},
      {"third.test",    stub.port_text, true}
  };
  tf_ranking_init(&ranking, 4);
  config.hosts    = hosts;
  config.host_cnt = 4;
  config.ranking  = &ranking;
  begin_session();
  RUN_UNTIL(source->legs[0].is_up + source->legs[1].is_up + source->legs[2].is_up +
                source->legs[3].is_up ==
            3);
  bool is_used[4] = {false};
  for (uint32_t i = 0; i < source->leg_cnt; i++) {
    if (!source->legs[i].is_up) continue;
    assert_false(is_used[source->legs[i].endpoint_idx]);
    is_used[source->legs[i].endpoint_idx] = true;
  }
  assert_true(is_used[0] && is_used[2] && is_used[3]);
}

int main(void) {
  if (!session_rig_start()) return 1;
  const struct CMUnitTest tests[] = {
      T(newcomer_that_had_asked_for_all_takes_the_last_ones_place_without_a_break),
      T(newcomer_that_was_still_asking_when_the_last_one_died_begins_anew),
      T(legs_spread_over_the_endpoints_that_answer),
  };
  return session_rig_stop(RUN_SESSION_TESTS(TF_IO_AUTO, "session, legs", tests));
}
