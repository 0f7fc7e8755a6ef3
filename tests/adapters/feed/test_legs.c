/* Several connections as one stream, with a feed whose messages are said in a few characters:
 *   T<instrument> <id>           a trade
 *   S<instrument> <seq> <value>  its book's snapshot     D<instrument> <seq> <value>  a change of it
 *   Q<instrument> <value>        a quote without a time  W<instrument> <time> <value> one with its time
 *   M<instrument> <id> <id>      two trades at once
 * Of a shared venue seq is the instrument's; else the connection's, and only D's own order counts. */
#include "cmocka_tf.h"
#include "feed/legs.h"
#include "feed/trade_ids.h"
#include "tf/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INSTRUMENTS 3u
#define EVENTS      64u

typedef struct toy {
  tf_trade_ids_t trades[INSTRUMENTS];
  uint64_t       seq[INSTRUMENTS];
  uint8_t        state[INSTRUMENTS]; /* tf_book_state_t */
  uint32_t       connects, losses;
} toy_t;

static size_t toy_bytes(const tf_feed_t *feed, const tf_feed_config_t *config) {
  (void)feed;
  (void)config;
  return sizeof(toy_t);
}

static tf_err_t toy_init(const tf_feed_t *feed, void *state, const tf_feed_config_t *config) {
  (void)feed;
  (void)config;
  toy_t *toy = state;
  memset(toy, 0, sizeof *toy);
  for (uint32_t i = 0; i < INSTRUMENTS; i++) toy->state[i] = TF_BOOK_NONE;
  return TF_OK;
}

static tf_event_t *emit(tf_feed_out_t *out, uint8_t kind, uint32_t id, uint64_t recv_ns) {
  assert_true(out->event_cnt < out->event_cap);
  tf_event_t *e = &out->events[out->event_cnt++];
  *e            = (tf_event_t){.kind          = kind,
                               .instrument_id = id,
                               .ts_recv_ns    = recv_ns,
                               .ts_event_ns   = 1,
                               .flags         = TF_FLAG_LAST};
  if (out->event_cnt > 1 && e[-1].instrument_id == id) e[-1].flags &= (uint8_t)~TF_FLAG_LAST;
  out->counts->events[kind]++;
  return e;
}

static void emit_state(tf_feed_out_t *out, toy_t *toy, uint32_t id, uint8_t book_state,
                       uint64_t recv_ns) {
  toy->state[id]                                               = book_state;
  emit(out, TF_EVENT_STATUS, id, recv_ns)->u.status.book_state = book_state;
}

static void toy_trade(toy_t *toy, uint32_t id, uint64_t number, uint64_t recv_ns,
                      tf_feed_out_t *out) {
  tf_trade_said_t said = {.price = 1, .id = (uint32_t)number, .is_known = true};
  if (tf_trade_ids_step(&toy->trades[id], number, &said, out->counts))
    out->counts->duplicates++;
  else
    emit(out, TF_EVENT_TRADE, id, recv_ns)->u.trade.id = number;
}

static void toy_level(toy_t *toy, char kind, uint32_t id, uint64_t seq, uint64_t value,
                      uint64_t recv_ns, tf_feed_out_t *out) {
  bool is_known = toy->state[id] == TF_BOOK_OK;
  if (is_known && seq <= toy->seq[id]) {
    out->counts->duplicates++;
    return;
  }
  if (kind == 'D' && toy->state[id] == TF_BOOK_NONE)
    emit_state(out, toy, id, TF_BOOK_SYNCING, recv_ns);
  if (kind == 'D' && is_known && seq != toy->seq[id] + 1) {
    out->counts->gaps++;
    emit_state(out, toy, id, TF_BOOK_GAP, recv_ns);
    out->resync_ids[out->resync_cnt++] = id;
  }
  toy->seq[id]   = seq;
  tf_event_t *e  = emit(out, TF_EVENT_BOOK, id, recv_ns);
  e->u.level.qty = (int64_t)value;
  if (kind != 'S') return;
  e->flags |= TF_FLAG_SNAPSHOT;
  emit_state(out, toy, id, TF_BOOK_OK, recv_ns);
}

static tf_verdict_t toy_frame(void *state, const tf_frame_t *frame, tf_feed_out_t *out) {
  toy_t   *toy  = state;
  char     kind = frame->bytes[0];
  uint32_t id   = (uint32_t)(frame->bytes[1] - '0');
  uint64_t a = 0, b = 0;
  assert_true(id < INSTRUMENTS);
  sscanf(frame->bytes + 2, "%lu %lu", &a, &b);
  out->counts->messages++;
  out->counts->msgs_data++;
  if (kind == 'T' || kind == 'M') toy_trade(toy, id, a, frame->recv_ns, out);
  if (kind == 'M') toy_trade(toy, id, b, frame->recv_ns, out);
  if (kind == 'Q' || kind == 'W') {
    tf_event_t *e        = emit(out, TF_EVENT_QUOTE, id, frame->recv_ns);
    e->ts_event_ns       = kind == 'W' ? a : 0;
    e->u.quote.bid_price = (int64_t)(kind == 'W' ? b : a);
  }
  if (kind == 'H') { /* what the venue does with it: a tf_trading_t, and a tick size */
    tf_event_t *e           = emit(out, TF_EVENT_STATUS, id, frame->recv_ns);
    e->u.listing.book_state = TF_BOOK_NONE;
    e->u.listing.trading    = (uint32_t)a;
    e->u.listing.tick_size  = (int64_t)b;
  }
  if (kind == 'S' || kind == 'D') toy_level(toy, kind, id, a, b, frame->recv_ns, out);
  return TF_VERDICT_DATA;
}

static void toy_connect(void *state, uint64_t now_ns, tf_feed_out_t *out) {
  toy_t *toy = state;
  toy->connects++;
  for (uint32_t i = 0; i < INSTRUMENTS; i++)
    if (toy->state[i] != TF_BOOK_NONE) emit_state(out, toy, i, TF_BOOK_SYNCING, now_ns);
}

static void toy_lose(void *state, uint32_t id, uint64_t now_ns, tf_feed_out_t *out) {
  toy_t *toy = state;
  toy->losses++;
  if (toy->state[id] == TF_BOOK_NONE) return;
  emit_state(out, toy, id, TF_BOOK_GAP, now_ns);
  out->resync_ids[out->resync_cnt++] = id;
}

/* ---- the bench ---- */

static tf_feed_t        feed;
static tf_instruments_t instruments = {.cap = INSTRUMENTS};
static tf_feed_config_t feed_config = {.instruments = &instruments};
static tf_event_t       events[EVENTS];
static tf_feed_counts_t counts;
static tf_feed_out_t    out;
static tf_legs_t        legs;
static void            *memory;
static uint64_t         now_ns;

static struct {
  tf_event_t events[TF_LEGS_HELD_MAX];
  uint32_t   cnt;
  uint32_t   asked_cnt, asked_leg, asked_id; /* the newest of snapshots wanted */
} seen;

static void on_out(void *self, uint32_t leg, tf_feed_out_t *o) {
  assert_ptr_equal(self, &seen);
  for (uint32_t i = 0; i < o->event_cnt; i++) {
    assert_true(seen.cnt < TF_ARRAY_CNT(seen.events));
    seen.events[seen.cnt++] = o->events[i];
  }
  if (o->resync_cnt > 0) {
    seen.asked_cnt += o->resync_cnt;
    seen.asked_leg = leg;
    seen.asked_id  = o->resync_ids[0];
  }
  o->resync_cnt = 0;
}

static void start(uint32_t leg_cnt, bool is_shared) {
  free(memory);
  memset(&seen, 0, sizeof seen);
  memset(&counts, 0, sizeof counts);
  now_ns = 1000;
  feed   = (tf_feed_t){.venue                = "toy",
                       .suffix               = "TOY",
                       .state_bytes          = toy_bytes,
                       .init                 = toy_init,
                       .on_frame             = toy_frame,
                       .on_connect           = toy_connect,
                       .lose_book            = toy_lose,
                       .sequences_are_shared = is_shared};
  out    = (tf_feed_out_t){.events = events, .event_cap = EVENTS, .counts = &counts};
  tf_legs_config_t  config  = {&feed, &feed_config, leg_cnt, true};
  tf_legs_handler_t handler = {.self = &seen, .on_out = on_out};
  size_t            bytes   = tf_legs_footprint(&config);
  memory                    = aligned_alloc(128, tf_align_up(bytes, 128));
  memset(memory, 0, bytes);
  assert_int_equal(tf_legs_init(&legs, &config, &out, &handler, memory), TF_OK);
}

static void bring(uint32_t leg, const char *text) {
  char buf[64 + TF_BYTES_PAD] = {0};
  memcpy(buf, text, strlen(text));
  tf_frame_t frame = {.bytes = buf, .bytes_cnt = (uint32_t)strlen(text), .recv_ns = now_ns};
  now_ns += 10;
  assert_int_equal(tf_legs_frame(&legs, leg, &frame), TF_VERDICT_DATA);
}
static void up(uint32_t leg) { tf_legs_up(&legs, leg, now_ns++); }
static void down(uint32_t leg) { tf_legs_down(&legs, leg, now_ns++); }
/* Nobody is a newcomer any longer. */
static void settle(void) { now_ns += TF_LEGS_HOLD_NS; }

static const toy_t *decoder(uint32_t leg) { return legs.legs[leg].state; }

/* What was published since the last call: "T0=5 S0=GAP B0=7!" (! LAST missing). */
static const char *said(void) {
  static char              text[16384];
  static const char *const states[] = {"OK", "SYNCING", "GAP", "STALE", "CROSSED", "NONE"};
  size_t                   at       = 0;
  text[0]                           = '\0';
  for (uint32_t i = 0; i < seen.cnt; i++) {
    const tf_event_t *e    = &seen.events[i];
    const char       *last = e->flags & TF_FLAG_LAST ? "" : "!";
    at += (size_t)sprintf(text + at, "%s%c%u=", i ? " " : "", "TQBKS"[e->kind], e -> instrument_id);
    if (tf_event_is_listing(e))
      at += (size_t)sprintf(text + at, "listing%u%s", e->u.listing.trading, last);
    else if (e->kind == TF_EVENT_STATUS)
      at += (size_t)sprintf(text + at, "%s%s", states[e->u.status.book_state], last);
    else
      at += (size_t)sprintf(text + at, "%lu%s",
                            e->kind == TF_EVENT_TRADE  ? e->u.trade.id
                            : e->kind == TF_EVENT_BOOK ? (uint64_t)e->u.level.qty
                                                       : (uint64_t)e->u.quote.bid_price,
                            last);
  }
  seen.cnt = 0;
  return text;
}

#define SAYS(text) assert_string_equal(said(), text)

static void what_a_venue_does_with_an_instrument_is_told_once_whoever_hears_of_it(void **state) {
  (void)state;
  start(2, false);
  up(0), up(1);
  bring(0, "S0 1 10"), bring(1, "S0 1 10");
  SAYS("B0=10! S0=OK");
  bring(1, "H0 2 5"); /* by the leg that does not own it: REST answers go to one */
  SAYS("S0=listing2");
  bring(0, "H0 2 5"), bring(1, "H0 2 5");
  SAYS("");
  bring(0, "H0 4 1"), bring(1, "H0 4 1"); /* another tick size, still halted */
  SAYS("S0=listing4");
  bring(0, "H0 1 1"), bring(1, "H0 1 1");
  SAYS("S0=listing1");
  bring(0, "D0 2 11"); /* the book is where it was */
  SAYS("B0=11");
}

/* ---- shared ---- */

static void shared_legs_feed_one_decoder_that_drops_what_it_saw(void **state) {
  (void)state;
  start(2, true);
  assert_ptr_equal(decoder(0), decoder(1));
  up(0), up(1);
  assert_int_equal(decoder(0)->connects, 1);
  bring(0, "S0 1 10"), bring(1, "S0 1 10");
  SAYS("B0=10! S0=OK");
  bring(1, "D0 2 11"), bring(1, "D0 3 12"), bring(0, "D0 2 11"), bring(0, "D0 3 12");
  bring(0, "D0 4 13"), bring(1, "D0 4 13");
  SAYS("B0=11 B0=12 B0=13");
  bring(0, "T0 7"), bring(1, "T0 7"), bring(1, "T0 8");
  SAYS("T0=7 T0=8");
  assert_int_equal(counts.gaps, 0);
  assert_int_equal(counts.merged, 0); /* they are not even decoded */
  assert_int_equal(legs.legs[0].duplicates, 2);
  assert_int_equal(legs.legs[1].duplicates, 3);
}

static void shared_leg_that_dies_beside_another_changes_nothing(void **state) {
  (void)state;
  start(3, true);
  up(0), up(1);
  bring(0, "S0 1 10"), bring(1, "D0 2 11");
  down(0);
  bring(1, "D0 3 12");
  SAYS("B0=10! S0=OK B0=11 B0=12");
  up(2);
  down(1);
  bring(2, "D0 4 13");
  SAYS("B0=13");
  assert_int_equal(decoder(0)->connects, 1);
  down(2);
  SAYS("S0=SYNCING");
  assert_int_equal(decoder(0)->connects, 2);
  down(2); /* is gone already */
  up(1);
  SAYS("S0=SYNCING");
  assert_int_equal(decoder(0)->connects, 3);
}

static void leg_that_comes_up_again_without_having_gone_is_another_connection(void **state) {
  (void)state;
  for (int is_shared = 0; is_shared < 2; is_shared++) {
    start(2, is_shared);
    up(0), up(0);
    assert_int_equal(legs.up_cnt, 1);
    assert_int_equal(decoder(0)->connects, 2);
    down(0);
    assert_int_equal(legs.up_cnt, 0);
    assert_int_equal(decoder(0)->connects, 3);
  }
}

/* ---- own ---- */

static void own_trades_are_merged_by_id(void **state) {
  (void)state;
  start(2, false);
  up(0), up(1), settle();
  bring(0, "T0 1"), bring(1, "T0 1"), bring(1, "T0 2"), bring(1, "T1 2"), bring(0, "T0 2");
  SAYS("T0=1 T0=2 T1=2");
  down(0);
  bring(1, "T0 3");
  up(0), settle();
  bring(0, "T0 3"), bring(0, "T0 5"), bring(1, "T0 4"), bring(1, "T0 5");
  SAYS("T0=3 T0=5 T0=4");
  assert_int_equal(counts.merged, 4);
}

static void own_message_that_is_news_in_part_has_its_last_event_where_it_ends(void **state) {
  (void)state;
  start(2, false);
  up(0), up(1), settle();
  bring(0, "T0 2");
  bring(1, "M0 1 2");
  SAYS("T0=2 T0=1");
  bring(0, "M0 3 4");
  SAYS("T0=3! T0=4");
  bring(1, "M0 4 5");
  SAYS("T0=5");
}

static void own_books_and_quotes_come_from_their_owner(void **state) {
  (void)state;
  start(2, false);
  up(0), up(1);
  bring(1, "Q2 5"), bring(0, "Q2 6"), bring(1, "Q2 7");
  bring(0, "S0 1 10"), bring(1, "S0 1 99"), bring(1, "D0 2 98"), bring(0, "D0 2 11");
  SAYS("Q2=5 Q2=7 B0=10! S0=OK B0=11");
  assert_int_equal(legs.legs[0].owned_cnt, 1);
  assert_int_equal(legs.legs[1].owned_cnt, 1);
  assert_int_equal(counts.merged, 4);
  assert_int_equal(legs.legs[1].duplicates, 2);
}

static void own_quotes_with_a_time_come_from_whoever_has_the_newest(void **state) {
  (void)state;
  start(2, false);
  up(0), up(1), settle();
  bring(0, "W0 5 1"), bring(1, "W0 5 1"), bring(1, "W0 6 2"), bring(1, "W0 6 3");
  bring(0, "W0 6 2"), bring(0, "W0 6 3"), bring(0, "W0 6 4"), bring(0, "W1 1 7");
  SAYS("Q0=1 Q0=2 Q0=3 Q0=4 Q1=7");
  assert_int_equal(legs.legs[0].owned_cnt, 0);
  assert_int_equal(counts.merged, 3);
  down(0);
  up(0), settle(); /* another connection: what it brings first the other had */
  bring(0, "W0 6 4"), bring(1, "W0 6 4"), bring(1, "W0 7 5");
  SAYS("Q0=5");
  down(0), down(1);
  up(1); /* whatever stands there now */
  bring(1, "W0 3 9");
  SAYS("Q0=9");
}

/* It is ahead of the other, which has not brought yet what went before. */
static void own_newcomer_is_heard_when_the_other_has_passed_where_it_began(void **state) {
  (void)state;
  start(3, false);
  up(0);
  bring(0, "T0 1");
  up(1);
  bring(1, "T0 3"), bring(1, "W0 9 3"), bring(1, "T0 4"), bring(1, "Q1 5");
  bring(0, "T0 2"), bring(0, "W0 8 2"), bring(0, "T0 3");
  SAYS("T0=1 Q1=5 T0=2 Q0=2 T0=3");
  settle();
  bring(1, "T0 5");
  SAYS("Q0=3! T0=4 T0=5");
  assert_int_equal(counts.merged, 1);
  up(2);
  bring(2, "T0 7");
  down(0);
  SAYS("");
  down(1); /* the last that was there before it */
  SAYS("T0=7");
  up(0);
  bring(0, "T0 9");
  down(0); /* what a newcomer that goes has brought waits all the same */
  bring(2, "T0 8");
  SAYS("T0=8");
  settle();
  bring(2, "T0 10"); /* it never brought 9 */
  SAYS("T0=9 T0=10");
  up(0);
  bring(0, "T0 11");
  down(0), down(2);
  SAYS("T0=11"); /* nobody else will */
}

static void own_newcomer_that_says_too_much_is_heard_at_once(void **state) {
  (void)state;
  char text[32];
  start(2, false);
  up(0), up(1);
  for (uint64_t n = 0; n <= TF_LEGS_HELD_MAX / 2; n++) {
    sprintf(text, "T0 %lu", n);
    bring(1, text);
  }
  assert_int_equal(seen.cnt, 0);
  bring(1, "T0 9998");
  assert_int_equal(seen.cnt, TF_LEGS_HELD_MAX / 2 + 2);
  assert_int_equal(seen.events[seen.cnt - 1].u.trade.id, 9998);
  assert_int_equal(legs.held_cnt, 0);
  seen.cnt = 0;
  bring(1, "T0 9999");
  SAYS("T0=9999");
}

static void own_book_whose_owner_goes_is_in_gap_until_another_brings_a_snapshot(void **state) {
  (void)state;
  start(2, false);
  up(0), up(1);
  bring(0, "S0 1 10"), bring(1, "S0 1 10"), bring(0, "Q1 1");
  said();
  down(0);
  SAYS("S0=GAP");
  assert_int_equal(seen.asked_cnt, 1);
  assert_int_equal(seen.asked_leg, 1);
  assert_int_equal(seen.asked_id, 0);
  bring(1, "S0 2 11"), bring(1, "D0 3 12"), bring(1, "Q1 2");
  SAYS("B0=11! S0=OK B0=12 Q1=2");
  up(0);
  bring(0, "S0 1 99"), bring(0, "Q1 3"); /* what came up beside it owns nothing */
  SAYS("");
  down(0);
  SAYS("");
  assert_int_equal(legs.legs[1].owned_cnt, 2);
  down(1);
  SAYS("S0=SYNCING");
  assert_int_equal(legs.legs[1].owned_cnt, 0);
  up(1);
  SAYS("S0=SYNCING"); /* the decoder of leg 1 says it itself when it comes */
  bring(1, "S0 7 20");
  SAYS("B0=20! S0=OK");
}

/* The heir's decoder has heard nothing of that book, or cannot lose one: we say it. */
static void own_book_that_the_heir_does_not_know_is_in_gap_all_the_same(void **state) {
  (void)state;
  for (int can_lose = 0; can_lose < 2; can_lose++) {
    start(2, false);
    if (!can_lose) feed.lose_book = NULL;
    up(0), up(1);
    bring(0, "S0 1 10");
    said();
    down(0);
    SAYS("S0=GAP");
    assert_int_equal(counts.events[TF_EVENT_STATUS], 2);
  }
}

static void own_books_move_from_a_leg_that_retires_at_their_snapshots(void **state) {
  (void)state;
  start(2, false);
  up(0);
  bring(0, "S0 1 10"), bring(0, "S1 1 20"), bring(0, "Q2 1");
  tf_legs_retire(&legs, 0);
  up(1);
  said();
  bring(1, "D0 1 98"); /* no snapshot yet */
  bring(0, "D0 2 11");
  bring(1, "S0 2 11");
  bring(0, "D0 3 97"), bring(1, "D0 3 12");
  SAYS("B0=11 B0=11! S0=OK B0=12");
  assert_int_equal(legs.legs[0].owned_cnt, 2);
  bring(1, "Q2 2"); /* no book: at once */
  bring(0, "Q2 3");
  SAYS("Q2=2");
  down(0); /* its time is over: what had not moved has a gap */
  SAYS("S1=GAP");
  assert_int_equal(legs.retiring_cnt, 0);
  assert_int_equal(legs.legs[1].owned_cnt, 3);
  bring(1, "S1 1 21");
  SAYS("B1=21! S1=OK");
}

static void heir_is_rather_one_that_stays(void **state) {
  (void)state;
  start(4, false);
  up(0), up(1), up(3);
  bring(0, "Q0 1");
  tf_legs_retire(&legs, 1);
  down(0);
  assert_int_equal(legs.rows[0].owner, 3);
  down(3);
  assert_int_equal(legs.rows[0].owner, 1);
}

static void book_is_lost_by_the_decoder_that_it_comes_from(void **state) {
  (void)state;
  start(2, false);
  up(0), up(1);
  bring(1, "S0 1 10"), bring(0, "S0 1 10");
  said();
  tf_legs_lose(&legs, 0, now_ns);
  SAYS("S0=GAP");
  assert_int_equal(seen.asked_leg, 1);
  tf_legs_lose(&legs, 2, now_ns); /* nobody's */
  SAYS("");
  start(2, true);
  up(1);
  bring(1, "S0 1 10");
  said();
  tf_legs_lose(&legs, 0, now_ns);
  SAYS("S0=GAP");
  assert_int_equal(seen.asked_leg, 1);
}

/* ---- both ---- */

static void recording_without_connections_is_one_leg(void **state) {
  (void)state;
  for (int is_shared = 0; is_shared < 2; is_shared++) {
    start(1, is_shared);
    assert_null(legs.rows);
    bring(0, "S0 1 10"), bring(0, "T0 1"), bring(0, "D0 2 11");
    SAYS("B0=10! S0=OK T0=1 B0=11");
    assert_int_equal(decoder(0)->connects, 0);
  }
}

static void lead_is_measured_of_what_two_legs_bring(void **state) {
  (void)state;
  for (int is_shared = 0; is_shared < 2; is_shared++) {
    start(2, is_shared);
    up(0), up(1);
    bring(0, "S0 1 10");
    for (int i = 0; i < 20; i++) {
      char text[32];
      sprintf(text, "T1 %d", i);
      bring(i % 4 == 0, text), bring(i % 4 != 0, text); /* leg 1 is first with every fourth */
    }
    assert_int_equal(legs.race.legs[0].wins, 15);
    assert_int_equal(legs.race.legs[0].losses, 5);
    assert_int_equal(legs.race.legs[1].wins, 5);
    assert_int_equal(legs.race.legs[1].lead.max, 10);
    down(1);
    bring(0, "T1 99"), bring(0, "T1 99");
    assert_int_equal(legs.race.legs[0].wins, 15); /* alone there is no race */
  }
}

static void more_legs_than_there_may_be_are_refused(void **state) {
  (void)state;
  tf_legs_t         refused;
  tf_legs_handler_t handler   = {.self = &seen, .on_out = on_out};
  const uint32_t    leg_cnt[] = {0, 1, TF_LEGS_MAX, TF_LEGS_MAX + 1};
  for (size_t i = 0; i < TF_ARRAY_CNT(leg_cnt); i++) {
    start(1, false);
    tf_legs_config_t config = {&feed, &feed_config, leg_cnt[i], true};
    size_t           bytes  = tf_legs_footprint(&config) + 128;
    void            *room   = aligned_alloc(128, tf_align_up(bytes, 128));
    memset(room, 0, bytes);
    bool fits = leg_cnt[i] >= 1 && leg_cnt[i] <= TF_LEGS_MAX;
    assert_int_equal(tf_legs_init(&refused, &config, &out, &handler, room),
                     fits ? TF_OK : E_CORE_ARGUMENT);
    free(room);
  }
}

/* ---- any course of things ---- */

/* A venue that numbers trades and book changes of one instrument; value n of the book is change n. Legs
 * bring its messages late, each by its own count of messages, in order, and die at any moment; one that
 * comes up begins with a snapshot. Of a shared venue a newcomer waits until the others have passed where
 * it began, as a session makes it wait. */
typedef struct course {
  uint64_t rng;
  uint64_t head;                  /* messages that the venue has sent */
  uint64_t at[TF_LEGS_MAX];       /* of a leg: the next that it brings */
  uint64_t begin[TF_LEGS_MAX];    /* and its first */
  uint64_t late[TF_LEGS_MAX];     /* messages */
  uint64_t sequence[TF_LEGS_MAX]; /* own: of the connection */
  bool     needs_snapshot[TF_LEGS_MAX];
} course_t;

static uint64_t draw(course_t *c, uint64_t below) {
  c->rng ^= c->rng << 13, c->rng ^= c->rng >> 7, c->rng ^= c->rng << 17;
  return (c->rng >> 11) % below;
}

static void course_up(course_t *c, uint32_t leg, bool is_shared) {
  c->late[leg] = draw(c, 40);
  c->at[leg]   = c->head > c->late[leg] ? c->head - c->late[leg] : 0;
  for (uint32_t i = 0; i < legs.leg_cnt && is_shared; i++)
    if (legs.legs[i].is_up && c->at[i] < c->at[leg]) c->at[leg] = c->at[i];
  c->begin[leg]          = c->at[leg];
  c->sequence[leg]       = 0;
  c->needs_snapshot[leg] = !is_shared || legs.up_cnt == 0;
  up(leg);
}

/* Each message is a change of the book and a trade of the same number. */
static void course_bring(course_t *c, uint32_t leg, bool is_shared) {
  char     text[64];
  uint64_t n = c->at[leg]++;
  c->sequence[leg]++;
  sprintf(text, "%c0 %lu %lu", c->needs_snapshot[leg] ? 'S' : 'D', is_shared ? n : c->sequence[leg],
          n);
  c->needs_snapshot[leg] = false;
  bring(leg, text);
  sprintf(text, "T0 %lu", n);
  bring(leg, text);
}

/* Another leg has brought, or will bring, all that this one has not brought yet. */
static bool is_covered(const course_t *c, uint32_t leg) {
  for (uint32_t i = 0; i < legs.leg_cnt; i++)
    if (i != leg && legs.legs[i].is_up && c->begin[i] <= c->at[leg]) return true;
  return false;
}

static void any_course_of_deaths_loses_and_doubles_no_trade(void **state) {
  (void)state;
  for (int is_shared = 0; is_shared < 2; is_shared++) {
    for (uint32_t run = 0; run < 60; run++) {
      start(2 + run % 4, is_shared);
      course_t       c = {.rng = 0x9e3779b97f4a7c15u * (run + 1), .head = 100};
      static uint8_t trades[20000];
      uint64_t       book = UINT64_MAX, dead_cnt = 0, published = 0;
      bool           is_ok = false;
      memset(trades, 0, sizeof trades);
      for (uint32_t i = 0; i < legs.leg_cnt; i++) course_up(&c, i, is_shared);
      while (c.head < 2000) {
        c.head++;
        for (uint32_t i = 0; i < legs.leg_cnt; i++) {
          if (!legs.legs[i].is_up && draw(&c, 20) == 0) course_up(&c, i, is_shared);
          if (legs.legs[i].is_up && is_covered(&c, i) && draw(&c, 60) == 0) down(i), dead_cnt++;
          while (legs.legs[i].is_up && c.at[i] + c.late[i] < c.head) course_bring(&c, i, is_shared);
          if (seen.asked_cnt > 0) { /* the venue answers on that leg, at once */
            c.needs_snapshot[seen.asked_leg] = true;
            seen.asked_cnt                   = 0;
          }
        }
        published += seen.cnt;
        for (uint32_t i = 0; i < seen.cnt; i++) {
          const tf_event_t *e = &seen.events[i];
          if (e->kind == TF_EVENT_STATUS) is_ok = e->u.status.book_state == TF_BOOK_OK;
          if (e->kind == TF_EVENT_BOOK) { /* in order it goes on by one, or begins anew */
            if (is_ok && !(e->flags & TF_FLAG_SNAPSHOT)) assert_int_equal(e->u.level.qty, book + 1);
            book = (uint64_t)e->u.level.qty;
          }
          if (e->kind != TF_EVENT_TRADE) continue;
          assert_int_equal(trades[e->u.trade.id]++, 0);
        }
        seen.cnt = 0;
      }
      assert_true(dead_cnt > 10);
      for (uint32_t i = 0; i < legs.leg_cnt; i++) down(i); /* what is held of newcomers */
      published += seen.cnt;
      for (uint32_t i = 0; i < seen.cnt; i++)
        if (seen.events[i].kind == TF_EVENT_TRADE)
          assert_int_equal(trades[seen.events[i].u.trade.id]++, 0);
      /* whoever lives has brought all but its latest forty */
      for (uint64_t id = 100; id < 2000 - 40; id++) assert_int_equal(trades[id], 1);
      if (is_shared) assert_int_equal(counts.gaps, 0);
      uint64_t decoded = counts.derived;
      for (int i = 0; i < TF_EVENT_KIND_CNT; i++) decoded += counts.events[i];
      assert_int_equal(decoded - counts.merged, published);
    }
  }
}

static int teardown(void **state) {
  (void)state;
  free(memory);
  memory = NULL;
  return 0;
}

int main(void) {
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
  const struct CMUnitTest tests[] = {
      TEST(what_a_venue_does_with_an_instrument_is_told_once_whoever_hears_of_it),
      TEST(shared_legs_feed_one_decoder_that_drops_what_it_saw),
      TEST(shared_leg_that_dies_beside_another_changes_nothing),
      TEST(leg_that_comes_up_again_without_having_gone_is_another_connection),
      TEST(own_trades_are_merged_by_id),
      TEST(own_message_that_is_news_in_part_has_its_last_event_where_it_ends),
      TEST(own_books_and_quotes_come_from_their_owner),
      TEST(own_quotes_with_a_time_come_from_whoever_has_the_newest),
      TEST(own_newcomer_is_heard_when_the_other_has_passed_where_it_began),
      TEST(own_newcomer_that_says_too_much_is_heard_at_once),
      TEST(own_book_whose_owner_goes_is_in_gap_until_another_brings_a_snapshot),
      TEST(own_book_that_the_heir_does_not_know_is_in_gap_all_the_same),
      TEST(own_books_move_from_a_leg_that_retires_at_their_snapshots),
      TEST(heir_is_rather_one_that_stays),
      TEST(book_is_lost_by_the_decoder_that_it_comes_from),
      TEST(recording_without_connections_is_one_leg),
      TEST(lead_is_measured_of_what_two_legs_bring),
      TEST(more_legs_than_there_may_be_are_refused),
      TEST(any_course_of_deaths_loses_and_doubles_no_trade),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
