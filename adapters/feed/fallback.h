/* A feed's chain of routes (tf/route.h): the feed's own connection, and what stands in for it while it is
 * down: another host, another venue, a recording. Each route is a source of its own, polled and counted like
 * any other; the chain stands between them and acquire, lets one route's events through and holds the
 * others' back.
 *
 *   route 0 (session) --.
 *   route 1 (session) --+--> filter --> acquire
 *   route 2 (tape)    --'
 *
 * Only what is needed is connected: a route rests until it is called. When the serving route has been down
 * (DOWN, CONNECTING or SYNCING, without a moment of LIVE) for after_ns the next of the chain is called, and after as long again the one behind it; the first that
 * connects serves from then on. A better route that has been in order for back_ns takes its place back:
 * its connection is made anew, so that what it publishes begins with its books' snapshots, and it
 * serves from the moment that this connection stands. Worse routes rest again.
 *
 * A switch is published, for each instrument, as a ROUTE event and, where there are books, a STATUS
 * SYNCING; both are tapped as they are, so that a replay of the capture needs no clock to do the same.
 * What a recording publishes is tapped event by event: the capture does not depend on the recording's file.
 *
 * A symbol that the feed is told of while it runs goes to every route that can have it: another host under the
 * same name, another venue where its pairs name one, a recording by name. Commands for the feed come here for that
 * (tf_source_t.commanded_by), and go to the feed's own connection first.
 *
 * The chain is a source itself: its poll keeps the time, after its routes' polls and before the next
 * pass of the I/O loop, so that no data of a new connection comes before the switch. All on acquire's
 * thread; nothing is allocated after init. */
#ifndef FEED_FALLBACK_H
#define FEED_FALLBACK_H

#include "core/arena.h"
#include "tf/route.h"
#include "tf/source.h"
#include "tf/tap.h"

#define TF_FALLBACK_ROUTES_MAX 4u /* the feed's own and three others */

typedef struct tf_fallback tf_fallback_t;

typedef struct tf_fallback_route {
  tf_source_t    *source;
  tf_route_kind_t kind;
  uint32_t        source_idx; /* of the capture's feeds; TF_ROUTE_NONE: a tape */
  const uint32_t
      *theirs; /* (instrument_cnt), the route's id of each of ours; NULL: the same; an entry
                             may be TF_ROUTE_NONE: it has none */
  const char *const
          *pairs; /* (pair_cnt) "OURS=THEIRS": what stands in for later symbols; NULL: same */
  uint32_t pair_cnt;
  /* the chain's own */
  uint32_t         *theirs_now; /* (instrument_cap) theirs, and of those that came later */
  tf_fallback_t    *chain;
  tf_publisher_t    target; /* acquire's */
  tf_route_filter_t filter;
  bool              is_called;
  bool              takes_place_back; /* called to serve again */
  uint64_t          connects_before;  /* when it was called */
  uint64_t          good_since_ns;    /* in order since; 0: is not */
} tf_fallback_route_t;

typedef struct tf_fallback_config {
  const char                *name; /* the feed's connection, for the log */
  const tf_fallback_route_t *routes;
  uint32_t                   route_cnt;
  const uint32_t            *instruments; /* (instrument_cnt), ours */
  uint32_t                   instrument_cnt, instrument_cap;
  bool                       has_books;
  uint64_t                   after_ns, back_ns;
  uint32_t                   events_cap; /* of the largest message */
  tf_tap_t                   tap;
} tf_fallback_config_t;

struct tf_fallback {
  tf_source_t          source; /* first: the chain is a source */
  tf_fallback_config_t config;
  tf_fallback_route_t  routes[TF_FALLBACK_ROUTES_MAX];
  uint32_t             serving;
  bool                 has_begun, is_stopping;
  uint64_t             down_since_ns; /* the serving route; 0: it is not */
  uint64_t             called_ns;     /* the newest that was called */
  uint64_t             switch_cnt;
  tf_event_t          *events;      /* (events_cap) being passed on under our ids */
  uint32_t            *instruments; /* (config.instrument_cap) ours, and those that came later */
  uint32_t             instrument_cnt;
};

size_t tf_fallback_arena_bytes(const tf_fallback_config_t *config);

/* After the routes' sources were added to acquire, whose publishers are taken over here; they rest but for
 * the first. The config's tables must outlive it. E_CORE_ARENA_FULL. */
tf_err_t tf_fallback_init(tf_fallback_t *chain, const tf_fallback_config_t *config,
                          tf_arena_t *arena);

#endif
