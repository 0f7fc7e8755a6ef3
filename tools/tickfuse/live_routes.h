/* The chains of routes of a live run (feed/fallback.h): for each connection whose feed has a fallback, its
 * sessions and tapes put in order. Control plane; what runs afterwards is the chain's and the tape's. */
#ifndef TICKFUSE_LIVE_ROUTES_H
#define TICKFUSE_LIVE_ROUTES_H

#include "feed/fallback.h"
#include "file/replay.h"
#include "live_plan.h"

/* A tape as a route: played at its own pace while it serves, under the time at which it is played and with
 * BAD_TS, because its own times are not the market's of now. Only the connection's instruments and
 * channels; each event is a message of its own, as the capture records it. It is read on acquire's thread,
 * from the disk. At its end it is down. */
typedef struct tf_live_tape_route {
  tf_source_t source; /* first: it is a source */
  tf_replay_t replay;
  void       *memory;
  /* The engine's rows as they were at the start, and the tape's others behind them: those are nobody's, and
   * what the tape says of ours is not believed. rows are ours. */
  tf_instruments_t table;
  uint32_t        *instruments; /* (instrument_cnt), the chain's */
  uint32_t         instrument_cnt, channels;
  bool             is_resting, is_over;
  uint64_t         rest_ticks; /* when it began to rest */
} tf_live_tape_route_t;

typedef struct tf_live_route {
  tf_fallback_t chain;
  uint32_t     *instruments;                    /* (symbol_cnt) of the connection */
  uint32_t     *theirs[TF_FALLBACK_ROUTES_MAX]; /* as the chain wants them; NULL: the same */
  tf_live_tape_route_t *tapes[TF_FALLBACK_ROUTES_MAX];
} tf_live_route_t;

typedef struct tf_live_routes {
  tf_live_route_t
            *rows[TF_LIVE_CONNECTIONS_MAX]; /* by the primary's row; NULL: it has no fallback */
  tf_arena_t arena;
} tf_live_routes_t;

/* sources: of the plan's rows, added to the engine already. Chains and tapes are added to it here. */
tf_err_t tf_live_routes_start(tf_live_routes_t *routes, const tf_config_t *config,
                              const tf_live_plan_t *plan, tf_source_t *const *sources,
                              tf_engine_t *engine, tf_tap_t tap);
void tf_live_routes_stop(tf_live_routes_t *routes); /* after acquire has ended; a zeroed one too */

#endif
