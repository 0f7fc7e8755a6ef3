/* Messages of any length from one thread to one other, in order: a byte ring. A message lies in one piece, with
 * TF_BYTES_PAD readable bytes behind it that nobody writes meanwhile, so that a feed decodes it where it lies.
 *
 *     consumed                   published              An entry is a header, the target with its NUL, the
 *        |  entry | entry | skip |  free ...            message, and the pad, rounded up to 64 bytes. One that
 *        v                       v                      does not fit before the ring's end lies at its beginning,
 *   ..|//|///////|///////|//////|   |   |..             behind an entry that says to skip what is left.
 *
 * Writer: the intake's thread. Reader: acquire's. Memory is the caller's, sized at start. No call waits or allocates; a put
 * makes a system call where it has a bell, and only for a reader that sleeps.
 * Indices are bytes, 64 bits, monotone; place = index mod capacity. Each side keeps a private copy of the other's and
 * reads the shared one only where the copy says full or empty. */
#ifndef TF_SOURCE_INBOX_H
#define TF_SOURCE_INBOX_H

#include "core/bell.h"
#include "tf/feed.h"
#include "tf/io.h" /* TF_BYTES_PAD */

#define TF_INBOX_TARGET_BYTES_MAX   256u /* with its NUL */
#define TF_INBOX_CAPACITY_BYTES_MIN 4096u
#define TF_INBOX_CAPACITY_BYTES_MAX (UINT64_C(1) << 32)
/* Of a message's own bytes, as a part of the capacity: wherever the indices stand, one that is no longer fits an empty ring. */
#define TF_INBOX_MESSAGES_IN_CAPACITY 4u

typedef struct tf_inbox tf_inbox_t;

typedef struct tf_inbox_message {
  uint64_t recv_ns;  /* when its last byte was received, ns since 1970 */
  uint64_t position; /* the broker's number of it, ascending; 0: it has none */
  uint32_t bytes_cnt;
  uint32_t kind; /* tf_frame_kind_t: TEXT (JSON lines) or BINARY (tf_event_t records) */
  const char
      *target; /* NUL-terminated: a broker's subject or topic, of HTTP the path; never NULL */
  const char
      *bytes; /* of peek: at a line's alignment but for the target, TF_BYTES_PAD behind them */
} tf_inbox_message_t;

/* 0: capacity_bytes is no power of two in its range. */
size_t tf_inbox_bytes(uint64_t capacity_bytes);
/* The smallest capacity for messages of so many bytes, 0: there is none. */
uint64_t tf_inbox_capacity_for(uint64_t message_bytes_max);
/* memory: tf_inbox_bytes, at TF_LINE_PAIR_BYTES. */
tf_inbox_t *tf_inbox_init(void *memory, uint64_t capacity_bytes);

/* Before either side begins: the bell that a put rings, for a reader that sleeps. NULL, as after init: it does not. */
void tf_inbox_set_bell(tf_inbox_t *inbox, tf_bell_t *bell);

/* Writer. False: it does not fit now. bytes_cnt is at most a quarter of the capacity, target shorter than its bound. */
bool tf_inbox_put(tf_inbox_t *inbox, const tf_inbox_message_t *message);
/* Reader. False: there is none. What it points to holds until drop, which gives its room back. */
bool tf_inbox_peek(tf_inbox_t *inbox, tf_inbox_message_t *message);
void tf_inbox_drop(tf_inbox_t *inbox); /* the one that was peeked at last */
/* Reader. It leaves something for its next turn, and is not to sleep before. */
void tf_inbox_leave(tf_inbox_t *inbox);

/* Any thread. Put and not dropped yet. */
uint64_t tf_inbox_waiting(const tf_inbox_t *inbox);
/* Dropped so far: a message is behind the engine once as many were as had been put up to it. */
uint64_t tf_inbox_taken(const tf_inbox_t *inbox);

#endif
