/* The chains of routes of a live run (feed/fallback.h): for each connection whose feed has a fallback, its
 * sessions and recordings put in order. Control plane; what runs afterwards is the chain's and theirs. */
#ifndef TICKFUSE_LIVE_ROUTES_H
#define TICKFUSE_LIVE_ROUTES_H

#include "feed/fallback.h"
#include "live_plan.h"
#include "live_recorded.h"

typedef struct tf_live_route {
  tf_fallback_t       chain;
  uint32_t           *instruments;                    /* (symbol_cnt) of the connection */
  uint32_t           *theirs[TF_FALLBACK_ROUTES_MAX]; /* as the chain wants them; NULL: the same */
  tf_live_recorded_t *recorded[TF_FALLBACK_ROUTES_MAX];
} tf_live_route_t;

typedef struct tf_live_routes {
  tf_live_route_t
            *rows[TF_LIVE_CONNECTIONS_MAX]; /* by the primary's row; NULL: it has no fallback */
  tf_arena_t arena;
} tf_live_routes_t;

/* sources: of the plan's rows, added to the engine already. Chains and recordings are added to it here. */
tf_err_t tf_live_routes_start(tf_live_routes_t *routes, const tf_config_t *config,
                              const tf_live_plan_t *plan, tf_source_t *const *sources,
                              tf_engine_t *engine, tf_tap_t tap);
void tf_live_routes_stop(tf_live_routes_t *routes); /* after acquire has ended; a zeroed one too */

#endif
