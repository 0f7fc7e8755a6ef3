/* Measures the endpoints of a feed and puts them in order: each is dialled as a session would (look-up, TCP,
 * proxy, TLS, upgrade), then asked with websocket pings. The least of the round trips decides: what
 * remains when nobody was in the way is the distance. Where one of them answers no ping, all are judged by
 * the time that their upgrade took; one that cannot be reached comes last.
 *
 * Nothing flaps: an endpoint passes the one before it only where it is quicker by an eighth and 200 us, and not at
 * all after it failed (ranking.h), unless the other cannot be reached. So one that accepts, answers pings and
 * then breaks is behind until a second measurement finds it in order.
 *
 * Control plane: it waits, seconds where an endpoint does not answer. The dials go through the dialer,
 * under its pace and the venue's budget. */
#ifndef FEED_RANKER_H
#define FEED_RANKER_H

#include "feed/dialer.h"
#include "feed/ranking.h"
#include "wire/ws.h"

#define TF_RANKER_PINGS        5u
#define TF_RANKER_PING_WAIT_NS TF_NS_PER_SEC
/* By how much a way must be the shorter to be preferred to the one in use: round trips on one path differ by as much
 * from minute to minute, and a change of hosts for less gains nothing. */
#define TF_RANKER_MARGIN_PART 8u
#define TF_RANKER_MARGIN_NS   (200 * TF_NS_PER_US)

typedef struct tf_ranker_config {
  tf_dialer_t *dialer;
  const tf_endpoint_t
                 *endpoints; /* (endpoint_cnt); not used by a dial of the caller's own making */
  uint32_t        endpoint_cnt;
  const char     *target; /* of the websocket upgrade */
  tf_ws_random_t  random;
  const uint32_t *stopping; /* set by another thread: nothing is waited for any more; or NULL */
} tf_ranker_config_t;

typedef struct tf_ranker_row {
  tf_err_t        err; /* of the dial */
  tf_dial_phase_t phase;
  char            text[TF_DIAL_TEXT_BYTES];
  char            address[TF_ADDRESS_TEXT_MAX]; /* that was connected to; "" none */
  uint64_t        phase_ns[TF_DIAL_PHASE_CNT];
  uint32_t        pong_cnt; /* of TF_RANKER_PINGS */
  uint64_t        ping_ns;  /* the quickest; 0: none came */
} tf_ranker_row_t;

/* Fills rows[endpoint_cnt], in the endpoints' order. E_CORE_NO_MEMORY, E_FEED_LIMIT, E_FEED_CLOSED
 * (stopping); that an endpoint cannot be reached is no error. */
tf_err_t tf_ranker_measure(const tf_ranker_config_t *config, tf_ranker_row_t *rows);

/* The order that follows from rows[cnt] where it was before. Pure. */
void tf_ranker_order(const tf_ranker_row_t *rows, uint32_t cnt, const tf_ranking_order_t *before,
                     uint8_t best_first[TF_ENDPOINTS_MAX]);

#endif
