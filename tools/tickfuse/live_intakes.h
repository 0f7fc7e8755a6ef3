/* The feeds of a live run that no session brings (venue events): of each the intake, its inbox, and the source over it.
 * Control plane. */
#ifndef TICKFUSE_LIVE_INTAKES_H
#define TICKFUSE_LIVE_INTAKES_H

#include <jansson.h>

#include "boot/engine.h"
#include "live_plan.h"
#include "source/intake.h"
#include "tf/tap.h"

typedef struct tf_live_intake {
  const tf_intake_t *intake; /* NULL: this row is a session's */
  const char        *name;
  bool               is_open;
  void              *state, *inbox_memory;
  tf_inbox_t        *inbox;
  tf_arena_t         arena;
  char               listen[80];
  tf_intake_config_t config;
} tf_live_intake_t;

typedef struct tf_live_intakes {
  const tf_text_port_t *texts; /* who hears texts, set before a start; NULL: nobody */
  tf_bell_t            *bell;  /* of a lane that sleeps, likewise; NULL: it does not */
  tf_live_intake_t      rows[TF_LIVE_CONNECTIONS_MAX]; /* by the plan's */
} tf_live_intakes_t;

/* What is wrong with a feed, as far as its config tells: keys that what brings it does not know, and of an intake what its keys
 * say. *key names the key of the mistake. E_CONFIG_KEY, E_SOURCE_CONFIG, E_BROKER_CONFIG. */
tf_err_t tf_live_intakes_check(const tf_config_t *config, uint32_t feed_idx, const tf_feed_t *feed,
                               const char **key);

/* Of a feed that passed the check and reads a broker: which, and how it is reached. False: it reads none. */
bool tf_live_intakes_reach(const tf_config_feed_t *f, const tf_intake_t **intake,
                           tf_broker_config_t *reach);

/* What a feed that passed the check will read: where, in what form, within which bounds, and where a restart goes on. As lines;
 * and as {"from", "reads", "forms", "message_bytes_max", "events_max", "start", "restart"}. */
void    tf_live_intakes_say(const tf_config_t *config, const tf_live_connection_t *connection,
                            FILE *out);
json_t *tf_live_intakes_plan(const tf_config_t *config, const tf_live_connection_t *connection);

/* What it brings stays where it was read until it is wanted: a broker's stream. */
bool tf_live_intakes_keep(const tf_config_feed_t *f);

/* Makes the row's inbox and source, and opens its intake: from then on something may come. */
tf_err_t tf_live_intakes_start(tf_live_intakes_t *intakes, const tf_config_t *config,
                               const tf_live_plan_t *plan, uint32_t row_idx,
                               tf_instruments_t *instruments, tf_tap_t tap, tf_source_t **source);

/* Nothing comes any more. Before the last report, and again before the end: both are fine. */
void tf_live_intakes_close(tf_live_intakes_t *intakes);
void tf_live_intakes_stop(tf_live_intakes_t *intakes);

/* Into the metrics of each row's feed. */
void tf_live_intakes_publish(const tf_live_intakes_t *intakes, const tf_publish_t *p);

/* [{"name","from","messages","bytes","refused","busy","taken","waiting","residual", ..}]; NULL: there are none. */
json_t *tf_live_intakes_json(const tf_live_intakes_t *intakes);
void    tf_live_intakes_print(const tf_live_intakes_t *intakes, FILE *out);

#endif
