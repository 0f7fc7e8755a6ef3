/* Every venue of the simulator by three connections, late by up to 8 ms each and cut at any byte, beside a
 * session with one connection that never ends: both publish the same trades, quotes and tickers, each once and
 * in the same order, and their books are the same whenever the market rests.
 *
 * TF_KILLS: how many connections of each venue die; TF_ROLLOVERS: how many are replaced before their time is
 * over, of some venues; TF_SEED; TF_VENUE: only this one. */
#include "cmocka_tf.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "feed/legs.h"
#include "wire/tls_pool.h"

#define MS TF_NS_PER_MS

#define LATE_NS    (8 * MS)
#define OVERLAP_NS (20 * MS) /* more than two connections of a venue differ */
/* So long a connection brings all streams when another may die: what it does not know is behind both. */
#define COVER_NS     (OVERLAP_NS + 2 * LATE_NS + 20 * MS)
#define CUT_BYTES    4000u
#define KILLS_A_REST 25u
#define REST_MS_MAX                                                                                \
  90000u           /* a book that is asked for so often is asked for later each time (streams.h) */
#define LEVELS 10u /* a side that are compared */

static uint64_t number_of(const char *name, uint64_t otherwise) {
  const char *text = getenv(name);
  return text ? strtoull(text, NULL, 10) : otherwise;
}

static struct { uint64_t events[TF_EVENT_KIND_CNT], books, kills, rollovers, states; } sum;

/* ---- what is compared ---- */

static bool says_the_same(const tf_event_t *a, const tf_event_t *b) {
  const uint8_t flags = TF_FLAG_SIDE | TF_FLAG_BAD_TS;
  return ((a->flags ^ b->flags) & flags) == 0 && a->price_exp == b->price_exp &&
         a->qty_exp == b->qty_exp && memcmp(&a->u, &b->u, sizeof a->u) == 0;
}

/* got is the message want, or what a newcomer was told in its place: a trade from before its subscription, which
 * the simulator tells with a time of its own; a state, with the time at which it was told. */
static bool stands_for(const tf_event_t *got, const tf_event_t *want) {
  bool is_backfill = ((got->flags | want->flags) & TF_FLAG_BACKFILL) != 0;
  bool is_state    = got->kind != TF_EVENT_TRADE && got->ts_event_ns >= want->ts_event_ns;
  if (got->kind == TF_EVENT_TRADE && is_backfill) return got->u.trade.id == want->u.trade.id;
  if (got->kind == TF_EVENT_TICKER && got->ts_event_ns == want->ts_event_ns) return true;
  return (is_state || got->ts_event_ns == want->ts_event_ns) && says_the_same(got, want);
}

static const tf_event_t *next_of(const world_story_t *story, uint32_t *at, uint32_t kind,
                                 uint32_t id) {
  while (*at < story->cnt) {
    const tf_event_t *e = &story->events[(*at)++];
    if (e->kind == kind && e->instrument_id == id) return e;
  }
  return NULL;
}

/* One kind of one instrument's events since both last rested. A newcomer is told the present state, with a time
 * of its own: such a quote or ticker may stand between those of the one, if it is not older than what is before
 * it; so may a trade from before all connections. */
static void compare_events(const char *venue, uint32_t kind, uint32_t id) {
  const world_story_t *one = &world.sessions[0].story, *several = &world.sessions[1].story;
  uint32_t             a = 0, s = 0;
  const tf_event_t    *before = NULL, *want = next_of(one, &a, kind, id), *got;
  for (; (got = next_of(several, &s, kind, id)) != NULL; before = got) {
    if (want != NULL && stands_for(got, want)) {
      want = next_of(one, &a, kind, id);
      sum.events[kind]++;
      continue;
    }
    bool is_newer = before == NULL || got->ts_event_ns > before->ts_event_ns;
    bool is_told  = kind == TF_EVENT_TRADE ? (got->flags & TF_FLAG_BACKFILL) != 0
                                           : is_newer || says_the_same(before, got);
    if (is_told) {
      sum.states++;
      continue;
    }
    fail_msg("%s: a %c of instrument %u at %lu that the one did not publish, or not now (%lu)",
             venue, "TQBK"[kind], id, got -> ts_event_ns, want != NULL ? want -> ts_event_ns : 0);
  }
  if (want != NULL)
    fail_msg("%s: the %c of instrument %u at %lu is missing", venue, "TQBK"[kind], id,
             want -> ts_event_ns);
}

/* Quotes and tickers without a time come from one connection, and some go with it. */
static bool have_times(const world_story_t *story, uint32_t kind) {
  for (uint32_t i = 0; i < story->cnt; i++)
    if (story->events[i].kind == kind && story->events[i].ts_event_ns == 0) return false;
  return true;
}

static void compare_side(const char *venue, const tf_book_side_t *a, const tf_book_side_t *b) {
  tf_book_cursor_t x = tf_book_best(a), y = tf_book_best(b);
  for (uint32_t i = 0; i < LEVELS && (x.qty != 0 || y.qty != 0); i++) {
    if (x.price != y.price || x.qty != y.qty)
      fail_msg("%s: level %u of a book is %ld at %ld, not %ld at %ld", venue, i, y.qty, y.price,
               x.qty, x.price);
    sum.books++;
    tf_book_worse(&x);
    tf_book_worse(&y);
  }
}

static bool are_in_order(uint32_t channels) {
  for (uint32_t i = 0; i < WORLD_SESSIONS; i++) {
    if (world.sessions[i].source->counts.msgs_data == 0) return false;
    for (uint32_t id = 0; id < 2 && (channels & TF_CHANNEL_BOOK); id++)
      if (world.sessions[i].books[id].book.state != TF_BOOK_OK) return false;
  }
  return true;
}

/* The market goes on until both sessions' books are in order, then rests, and all of it is compared. */
static void rest(const char *venue, uint32_t channels, bool compares) {
  for (uint32_t i = 0; i < REST_MS_MAX && !are_in_order(channels); i++) world_step();
  world_drain();
  for (uint32_t i = 0; i < WORLD_SESSIONS && !are_in_order(channels); i++)
    print_error("%s: session %u: feed state %u, books %u %u, %lu connects: %s\n", venue, i,
                world.sessions[i].source->feed_state, world.sessions[i].books[0].book.state,
                world.sessions[i].books[1].book.state, world.sessions[i].source->connects,
                tf_session_trouble(world.sessions[i].source));
  assert_true(are_in_order(channels));
  bool is_shared = world.sessions[0].feed.sequences_are_shared;
  for (uint32_t kind = TF_EVENT_TRADE; kind <= TF_EVENT_TICKER && compares; kind++) {
    if (kind == TF_EVENT_BOOK) continue;
    bool has_times = have_times(&world.sessions[0].story, kind);
    for (uint32_t id = 0; id < 2; id++)
      if (kind == TF_EVENT_TRADE || is_shared || has_times) compare_events(venue, kind, id);
  }
  for (uint32_t id = 0; id < 2 && (channels & TF_CHANNEL_BOOK) && compares; id++) {
    const tf_book_t *one = &world.sessions[0].books[id].book;
    const tf_book_t *all = &world.sessions[1].books[id].book;
    compare_side(venue, &one->bid, &all->bid);
    compare_side(venue, &one->ask, &all->ask);
  }
  world_forget();
}

/* ---- courses ---- */

static void begin(const char *venue, uint32_t channels, uint32_t legs, uint64_t life_ns,
                  uint64_t seed) {
  world_start(venue, seed);
  world.late_ns_max          = LATE_NS;
  tf_session_config_t config = {.overlap_ns        = OVERLAP_NS,
                                .overlap_bytes_max = 4u << 20,
                                .legs              = 1,
                                .stale_after_ns    = TF_STALENESS_OFF,
                                .feed_config       = {.channels = channels}};
  world_session_start(0, &config);
  if (life_ns > 0) {
    world.sessions[1].feed.session_life_ns_max = life_ns;
    config.rollover_lead_ns                    = life_ns / 2;
  }
  config.legs = legs;
  world_session_start(1, &config);
  for (uint64_t ms = 0; ms <= TF_LEGS_HOLD_NS / MS; ms++)
    world_step(); /* no leg is a newcomer any longer */
  rest(venue, channels, false);
}

/* No break of a sequence but those that the venue itself sent. */
static void check_gaps(const char *venue) {
  uint64_t one = world.sessions[0].source->counts.gaps;
  uint64_t all = world.sessions[1].source->counts.gaps;
  if (all > one) fail_msg("%s: %lu gaps, and %lu of the one", venue, all, one);
}

/* Connections of the several die, one at a time, beside one that brings all that is not known yet. */
static void kill(const char *venue, uint32_t channels, uint64_t kills, uint64_t seed) {
  begin(venue, channels, 3, 0, seed);
  while (world.end_cnt < kills) {
    world_conn_t *c        = &world.conns[world_random(WORLD_CONNS)];
    uint64_t      before   = world.end_cnt;
    bool          may_die  = c->is_open && c->session == 1 && world_is_covered(c, COVER_NS);
    world_end_t   how      = world_random(2) ? WORLD_RESET : WORLD_FIN;
    uint64_t      in_bytes = world_random(CUT_BYTES);
    if (may_die) world_cut(c, in_bytes, how);
    for (uint32_t i = 0; i < 5000 && may_die && c->is_open && world.end_cnt == before; i++)
      world_step();
    for (uint32_t i = world_random(20); i > 0; i--) world_step();
    if (may_die && world.end_cnt % KILLS_A_REST == 0) rest(venue, channels, true);
  }
  rest(venue, channels, true);
  sum.kills += world.end_cnt;
  check_gaps(venue);
  world_stop();
}

static void roll_over(const char *venue, uint32_t channels, uint64_t rollovers, uint64_t seed) {
  begin(venue, channels, 1, 400 * MS, seed);
  const tf_session_counts_t *counts = tf_session_counts(world.sessions[1].source);
  for (uint64_t n = counts->rollovers, next = n; n < rollovers; n = counts->rollovers) {
    world_step();
    if (n < next + 100) continue;
    next = n;
    rest(venue, channels, true);
  }
  rest(venue, channels, true);
  sum.rollovers += counts->rollovers;
  check_gaps(venue);
  world_stop();
}

static uint32_t channels_of(const tf_feed_t *feed) {
  uint32_t channels = TF_CHANNEL_QUOTE; /* every book has it */
  for (const tf_feed_channel_t *c = feed->channels; c->names != NULL; c++) channels |= c->channel;
  return channels;
}

static void on_each_venue(void (*course)(const char *, uint32_t, uint64_t, uint64_t),
                          uint64_t cnt) {
  const char    *only = getenv("TF_VENUE");
  const uint64_t seed = number_of("TF_SEED", 1);
  memset(&sum, 0, sizeof sum);
  for (const tf_feed_t *const *f = tf_feeds_all; *f != NULL; f++) {
    uint32_t           rest_of = channels_of(*f);
    const sim_venue_t *venue   = sim_venue_find((*f)->venue);
    if (venue == NULL || (only && strcmp(only, (*f)->venue) != 0)) continue;
    for (uint32_t g = 0; g < TF_CHANNEL_CNT && (*f)->channel_groups[g] != 0; g++) {
      bool has_it = (*f)->channel_groups[g] != TF_CHANNEL_TICKER || venue->ticker != NULL;
      if (has_it) course((*f)->venue, (*f)->channel_groups[g], cnt, seed);
      rest_of &= ~(*f)->channel_groups[g];
    }
    if (rest_of != 0) course((*f)->venue, rest_of, cnt, seed);
  }
  print_message(
      "seed %lu: %lu kills, %lu rollovers: %lu trades, %lu quotes, %lu tickers, %lu levels "
      "the same, none missing, none doubled; %lu states told again\n",
      seed, sum.kills, sum.rollovers, sum.events[TF_EVENT_TRADE], sum.events[TF_EVENT_QUOTE],
      sum.events[TF_EVENT_TICKER], sum.books, sum.states);
}

static void connections_that_die_at_any_byte_change_nothing(void **state) {
  (void)state;
  on_each_venue(kill, number_of("TF_KILLS", 50));
}

static void connections_that_are_replaced_in_time_change_nothing(void **state) {
  (void)state;
  on_each_venue(roll_over, number_of("TF_ROLLOVERS", 50));
}

/* One of two connections late by 5 ms: the other is first with all, by as much, to a step of the simulation. */
static void lead_is_what_the_other_is_late_by(void **state) {
  (void)state;
  static const char *const venues[] = {"binance-spot", "okx", "coinbase", "htx-swap"};
  for (size_t v = 0; v < TF_ARRAY_CNT(venues); v++) {
    const uint32_t late_ms = 5;
    begin(venues[v], TF_CHANNEL_TRADE | TF_CHANNEL_BOOK, 2, 0, 1);
    bool is_late = false;
    for (uint32_t i = 0; i < WORLD_CONNS; i++) {
      if (!world.conns[i].is_open || world.conns[i].session != 1) continue;
      world.conns[i].late_ns = is_late ? late_ms * MS : 0;
      is_late                = true;
    }
    const tf_source_leg_t *legs = world.sessions[1].source->legs;
    uint64_t before[2]          = {legs[0].wins + legs[0].losses, legs[1].wins + legs[1].losses};
    for (uint32_t i = 0; i < 20000; i++) world_step();
    uint32_t first = legs[0].wins > legs[1].wins ? 0 : 1;
    uint64_t races = legs[first].wins + legs[first].losses;
    assert_true(races > before[first] + 2000);
    assert_true(legs[first].wins * 100 > races * 90); /* some were before the delay was set */
    assert_in_range(legs[first].lead_p50_ns, (late_ms - 1) * MS, (late_ms + 1) * MS);
    world_stop();
  }
}

int main(void) {
  tf_tls_pool_install();
  tf_clock_calibrate();
  tf_log_level_set(TF_LOG_FATAL);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(connections_that_die_at_any_byte_change_nothing),
      cmocka_unit_test(connections_that_are_replaced_in_time_change_nothing),
      cmocka_unit_test(lead_is_what_the_other_is_late_by),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
