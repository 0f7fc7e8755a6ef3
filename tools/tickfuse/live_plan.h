/* The connections of a live run: what `run` makes, a capture's header names, and `check` prints, from one
 * place. A row is a session, and so a source of the engine and a feed of the capture, in this order.
 * Control plane. */
#ifndef TICKFUSE_LIVE_PLAN_H
#define TICKFUSE_LIVE_PLAN_H

#include <jansson.h>

#include "boot/engine.h"
#include "feed/shard.h"
#include "tf/route.h"

#define TF_LIVE_PENDING_CAP     4096 /* depth messages remembered while a snapshot is awaited */
#define TF_LIVE_CONNECTIONS_MAX 64u  /* of a run; a source each, and the dialer's client */

typedef struct tf_live_connection {
  uint32_t           feed_idx; /* of the config's feeds */
  const tf_feed_t   *feed;
  char               name[TF_METRICS_NAME_BYTES]; /* "main", or "main/0" where there are several */
  uint32_t           channels;
  const char *const *symbols;
  uint32_t           symbol_cnt;
  bool               asks_metadata; /* of these symbols: another channel's connection does not */
  uint32_t           leg_cnt;       /* sockets that bring the same */
  tf_route_kind_t    kind;          /* PRIMARY; else it stands in for another row: */
  uint32_t           primary_idx;   /* that one, */
  uint32_t           fallback_idx;  /* by this entry of the feed's fallback */
  const char *const *ours; /* VENUE: (symbol_cnt) of the feed's, for which symbols stand in */
} tf_live_connection_t;

typedef struct tf_live_plan {
  const char **texts[TF_LIVE_CONNECTIONS_MAX]; /* memory of symbols and ours of VENUE rows */
  char        *names[TF_LIVE_CONNECTIONS_MAX];
  uint32_t     text_cnt;
  tf_live_connection_t rows[TF_LIVE_CONNECTIONS_MAX];
  uint32_t             cnt;
} tf_live_plan_t;

TF_STATIC_ASSERT(2 * TF_LIVE_CONNECTIONS_MAX + 1 == TF_SOURCES_MAX, "chains, and the commands");

/* plan: zeroed. The feeds' own connections come first, then those that stand in; tapes have no row. Feeds
 * without named instruments (replay only) have none either. E_FEED_LIMIT with the place in the config,
 * E_CORE_NO_MEMORY. */
tf_err_t tf_live_plan_make(tf_live_plan_t *plan, const tf_config_t *config);
void     tf_live_plan_fini(tf_live_plan_t *plan);

/* What a row's decoder is made with. key: NULL, or what the feed's file holds. */
tf_feed_config_t tf_live_plan_feed(const tf_live_connection_t *row, const tf_config_feed_t *f,
                                   tf_instruments_t *instruments, const tf_feed_key_t *key);

/* Whether every row's decoder takes what the config asks of it, its instruments and depth: each is made and
 * thrown away. instruments: an engine's, empty; filled as a start would. What the feeds' init returns, with the
 * place in the config; E_CORE_NO_MEMORY. */
tf_err_t tf_live_plan_check(const tf_live_plan_t *plan, const tf_config_t *config,
                            tf_instruments_t *instruments);

/* "connection main/0: binance-spot, trade quote book of 341 instruments, 1023 streams", a line each, with
 * ", 2 legs" where there are several, and then how many sockets all are; of an intake what it will read. */
void tf_live_plan_print(const tf_live_plan_t *plan, const tf_config_t *config, FILE *out);

/* [{"name", "feed", "venue", "channels", "instruments", "streams", "legs"}], and "intake" of one (tf_live_intakes_plan). */
json_t *tf_live_plan_json(const tf_live_plan_t *plan, const tf_config_t *config);

#endif
