/* What a venue allows its clients, as data: a row a limit in sim_venue_t, counted and enforced
 * here for all venues. What is said when one is passed is the venue's (over_limit); whether the
 * connection lives on is the row's close_code. One thread: the simulator's. */
#ifndef SIM_LIMITS_H
#define SIM_LIMITS_H

#include "tf/base.h"

/* The connection ends without a close frame, as the peer reads it. */
#define SIM_CLOSE_CUT 1006

/* Each says what max and ns mean; max 0 (ns 0 where there is no max): the venue has no such limit. */
typedef enum sim_limit {
  SIM_LIMIT_STREAMS,       /* max: streams that a connection hears */
  SIM_LIMIT_MESSAGES,      /* max in ns: a client's messages, its pings and pongs among them */
  SIM_LIMIT_SUBSCRIBES,    /* max in ns: requests to subscribe or unsubscribe, of a connection */
  SIM_LIMIT_REQUEST_BYTES, /* max: of one message */
  SIM_LIMIT_REQUEST_ARGS,  /* max: streams named in one request */
  SIM_LIMIT_ARGS_BYTES,    /* max: names of streams asked for on a connection, together */
  SIM_LIMIT_CONNECTS,      /* max in ns: upgrades, of all clients; answered 429 */
  SIM_LIMIT_UNSUBSCRIBED,  /* ns: hears no stream for so long */
  SIM_LIMIT_UNPINGED,      /* ns: has not pinged for so long, whatever else flows (sim_pinged) */
  SIM_LIMIT_QUIET,         /* ns: was sent nothing for so long */
  SIM_LIMIT_UNANSWERED,    /* ns: between the venue's own pings; max: of them unanswered */
  SIM_LIMIT_CNT
} sim_limit_t;

typedef struct sim_rule {
  uint64_t    max, ns;
  uint16_t    close_code; /* 0: the connection stays; SIM_CLOSE_CUT */
  const char *reason;     /* in the close frame; NULL: none */
} sim_rule_t;

/* Messages counted in windows of a rule's ns, each from the first message in it. */
typedef struct sim_window {
  uint64_t since_ns, cnt;
} sim_window_t;

const char *sim_limit_name(sim_limit_t limit);

/* cnt more at now_ns. False: over the rule's max; they are not counted then. */
bool sim_window_admits(sim_window_t *window, const sim_rule_t *rule, uint64_t now_ns, uint64_t cnt);

#endif
