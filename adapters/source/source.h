/* An inbox and a feed as a source (tf/source.h): what an intake brought, message by message, through the tap, the feed's
 * decoder, and out. What a replay of the capture does with the same records is the same: legs.h with one connection.
 *
 *   poll: peek --> tap (FRAME) --> feed->on_frame --> publish --> drop
 *
 * A message's room goes back to the intake behind its publication, so "taken" (tf_inbox_taken) means that the engine
 * has it, and its capture's ring too: what was promised to somebody beyond this thread is promised then. What waits
 * when the source is told to stop was promised to nobody, and stays. At most TF_INBOX_SOURCE_MESSAGES_PER_POLL messages a pass: a flood on one source
 * keeps nobody else waiting for long.
 *
 * The feed's state: LIVE while the intake is up, CONNECTING while it is not. One thread, acquire's. Memory is the arena's. */
#ifndef TF_SOURCE_SOURCE_H
#define TF_SOURCE_SOURCE_H

#include "core/arena.h"
#include "source/intake.h"
#include "tf/source.h"
#include "tf/tap.h"

/* As a replay's pass has it (file/replay.h). */
#define TF_INBOX_SOURCE_MESSAGES_PER_POLL 16u

typedef struct tf_inbox_source_config {
  const tf_feed_t *feed;
  tf_feed_config_t feed_config; /* kept by the feed: its pointers live as long as the source */
  tf_inbox_t      *inbox;
  uint32_t         events_cap; /* of the largest message */
  tf_tap_t         tap;
  uint32_t         tap_source_idx;
  /* Asked once in a while whether it is up. NULL: it always is. */
  const tf_intake_t *intake;
  const void        *intake_state;
} tf_inbox_source_config_t;

size_t tf_inbox_source_arena_bytes(const tf_inbox_source_config_t *config);
/* Makes the decoder. E_CORE_NO_MEMORY, or what the feed's init returns. */
tf_err_t tf_inbox_source_init(const tf_inbox_source_config_t *config, tf_arena_t *arena,
                              tf_source_t **source);

#endif
