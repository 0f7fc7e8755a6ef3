/* Which of the instruments that a feed asked for have had no book yet on this connection. A venue's
 * acknowledgement is not data: some acknowledge unknown symbols and stay silent. So a book that is not
 * in order FIRST_DATA_NS after the last subscription is asked for again, and after three such times the
 * feed goes on without it, counted.
 *
 * One thread, the lane; costs nothing once all have come. */
#ifndef FEED_FIRST_DATA_H
#define FEED_FIRST_DATA_H

#include "core/arena.h"
#include "tf/event.h"
#include "tf/feed.h"

#define TF_FIRST_DATA_NS    (10 * TF_NS_PER_SEC)
#define TF_FIRST_DATA_TRIES 3u

typedef struct tf_first_data {
  uint32_t *asked; /* instrument ids */
  uint8_t  *has;   /* by place in asked */
  uint32_t  asked_cnt, waiting_cnt;
  uint32_t  try_cnt;
  uint64_t  due_ns;     /* 0: the subscriptions are not out yet, or nothing is awaited */
  uint64_t  silent_cnt; /* books given up on, over all connections */
} tf_first_data_t;

size_t tf_first_data_arena_bytes(const tf_feed_config_t *config);

/* The feed has been initialised, so its symbols stand in the instrument table. */
tf_err_t tf_first_data_init(tf_first_data_t *first, const tf_feed_config_t *config,
                            const char *suffix, tf_arena_t *arena);

/* A new connection. */
void tf_first_data_restart(tf_first_data_t *first);
/* All subscriptions are out. */
void tf_first_data_subscribed(tf_first_data_t *first, uint64_t now_ns);

TF_COLD void tf_first_data_look(tf_first_data_t *first, const tf_event_t *events, uint32_t cnt);
/* Events that were published. */
TF_INLINE void tf_first_data_saw(tf_first_data_t *first, const tf_event_t *events, uint32_t cnt) {
  if (TF_UNLIKELY(first->waiting_cnt > 0)) tf_first_data_look(first, events, cnt);
}

/* True: the deadline has passed; ask for all that is_waiting says, and call this again later. */
bool tf_first_data_is_due(tf_first_data_t *first, uint64_t now_ns);
bool tf_first_data_is_waiting(const tf_first_data_t *first, uint32_t idx);

#endif
