/* What a venue must have said before a connection (tf_feed_t.tickets): REST POSTs ahead of the websocket's dial,
 * one after the other, in the same dial.
 *
 *   dial --tf_ticket_ask--> POST --dialer--> tf_ticket_frame --feed--> [the next] --> tf_ticket_use --> WEBSOCKET --dialer-->
 *
 * The answer may stand in a log or a capture of its own owner's; the target that is made of it holds the
 * venue's token, and is never logged. One thread, the lane; the dial is in its hands. */
#ifndef FEED_TICKET_H
#define FEED_TICKET_H

#include "feed/dialer.h"
#include "tf/feed.h"

/* Makes the dial the ticket_idx-th POST. False: the feed has none of that number, and the dial is as it was. The
 * number behind the last may be asked for once all before it were there. */
bool tf_ticket_ask(tf_dial_t *dial, const tf_feed_t *feed, uint32_t ticket_idx,
                   const tf_endpoint_t *rest);

/* Its answer as a frame for the feed; valid until tf_ticket_use. */
tf_frame_t tf_ticket_frame(const tf_dial_t *dial, uint64_t recv_ns);

/* Makes it the websocket's dial, with the feed's target, or with target where that is not NULL.
 * E_FEED_LIMIT, in the dial as if the dialer had said so: the feed makes no target of the answers. */
tf_err_t tf_ticket_use(tf_dial_t *dial, const tf_feed_t *feed, const void *feed_state,
                       const tf_endpoint_t *endpoint, const char *target);

/* The feed did not take the answer: E_FEED_REFUSED, in the dial likewise. */
tf_err_t tf_ticket_refuse(tf_dial_t *dial, const tf_feed_t *feed);

#endif
