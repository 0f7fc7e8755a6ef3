/* Messages of any length from one thread to one other, in order: a byte ring (one writer, one reader). A message lies
 * in one piece, TF_BYTES_PAD readable bytes behind it, so that a feed decodes it where it lies.
 *
 * Writer: the intake's thread. Reader: acquire's. Memory is the caller's, sized at start. No call waits or allocates. */
#ifndef TF_SOURCE_INBOX_H
#define TF_SOURCE_INBOX_H

#include "tf/base.h"
#include "tf/feed.h"

#define TF_INBOX_TARGET_BYTES_MAX 256u

typedef struct tf_inbox tf_inbox_t;

typedef struct tf_inbox_message {
  uint64_t recv_ns;  /* when its last byte was received, ns since 1970 */
  uint64_t position; /* the broker's number of it, ascending; 0: it has none */
  uint32_t bytes_cnt;
  uint32_t kind; /* tf_frame_kind_t: TEXT (JSON lines) or BINARY (tf_event_t records) */
  const char
      *target; /* NUL-terminated: a broker's subject or topic, of HTTP the path; never NULL */
  const char *bytes;
} tf_inbox_message_t;

size_t tf_inbox_bytes(
    uint64_t capacity_bytes); /* a power of two, at least four times the largest message */
tf_inbox_t *tf_inbox_init(void *memory, uint64_t capacity_bytes);

/* Writer. False: it does not fit now. */
bool tf_inbox_put(tf_inbox_t *inbox, const tf_inbox_message_t *message);
/* Reader. False: there is none. What it points to holds until drop, which gives its room back. */
bool tf_inbox_peek(tf_inbox_t *inbox, tf_inbox_message_t *message);
void tf_inbox_drop(tf_inbox_t *inbox);

uint64_t tf_inbox_waiting(const tf_inbox_t *inbox); /* messages; any thread */

#endif
