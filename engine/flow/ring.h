/* The reliable ring: one producer thread, one consumer thread, nothing lost, nothing blocked.
 *
 *      consumed                published                  The producer owns the slots from published
 *         |  filled slots ----->  |  free slots ...       on, for as many as it holds credits; the
 *         v                       v                       consumer owns those before it. Indices are
 *   ..|///|///|///|///|///|///|   |   |   |..             record sequences: 64 bits, monotone, never
 *         ^ peek / pop            ^ claim / push          reset; slot = sequence mod slot_cnt.
 *
 * A credit is the right to fill one slot. The producer starts with slot_cnt of them, pays one a
 * record and gets them back as the consumer releases. With no credit left push takes nothing and
 * says so: the declared overflow policy is its caller's business.
 *
 * Each side keeps a private copy of the other's index and reads the shared one only when the copy
 * says "full" or "empty": at depth the other side's cache line is touched once per lap, not once per
 * record. An index read from the other side is checked before it is believed: one that is not
 * between what was known and what is possible is refused and counted (FAULTS.md F48), so a damaged
 * index can stall the ring and never sends anybody out of bounds.
 *
 * Records are slot_bytes long (a multiple of 8) and are copied plainly: they are handed over by the
 * index's release and acquire, never shared. Nothing here allocates, waits or fails once joined.
 *
 * Sequences are compared by difference, so they may wrap at 2^64. */
#ifndef TF_FLOW_RING_H
#define TF_FLOW_RING_H

#include <string.h>

#include "flow/weave.h"
#include "tf/atomic.h"
#include "tf/err.h"

#define TF_RING_MAGIC          UINT64_C(0x3130676e69726674) /* "tfring01", little endian */
#define TF_RING_SLOT_CNT_MAX   (UINT64_C(1) << 30)
#define TF_RING_SLOT_BYTES_MAX 4096u

/* The shared part; the slots follow it. Place it at TF_LINE_PAIR_BYTES alignment. */
typedef struct tf_ring {
  /* written by tf_ring_new only */
  uint64_t magic; /* last to be written, first to be cleared */
  uint64_t slot_cnt;
  uint64_t first_seq; /* of the first record ever; counts start from it */
  uint32_t slot_bytes;
  uint8_t  reserved_0[TF_LINE_PAIR_BYTES - 28];
  /* written by the producer */
  uint64_t published_seq; /* records before it are the consumer's to read */
  uint8_t  reserved_1[TF_LINE_PAIR_BYTES - 8];
  /* written by the consumer */
  uint64_t consumed_seq; /* slots of records before it are the producer's to fill */
  uint8_t  reserved_2[TF_LINE_PAIR_BYTES - 8];
} tf_ring_t;

TF_STATIC_ASSERT(sizeof(tf_ring_t) == 3 * TF_LINE_PAIR_BYTES, "one line pair for each writer");
TF_STATIC_ASSERT(offsetof(tf_ring_t, published_seq) == TF_LINE_PAIR_BYTES, "producer's pair");
TF_STATIC_ASSERT(offsetof(tf_ring_t, consumed_seq) == 2 * TF_LINE_PAIR_BYTES, "consumer's pair");

/* The producer's handle and the consumer's: private to their threads. Keep the two apart by a line
 * pair when they lie in one struct. */
typedef struct tf_ring_writer {
  uint64_t   next_seq;     /* of the record that is pushed next */
  uint64_t   consumed_seq; /* the consumer's index when it was last read */
  uint64_t   slot_cnt;
  uint8_t   *slots;
  tf_ring_t *ring;
  uint64_t   refused_cnt; /* impossible indices read from the consumer's line */
  uint32_t   slot_bytes;
} tf_ring_writer_t;

typedef struct tf_ring_reader {
  uint64_t       next_seq;      /* of the record that is read next */
  uint64_t       published_seq; /* the producer's index when it was last read */
  uint64_t       slot_cnt;
  const uint8_t *slots;
  tf_ring_t     *ring;
  uint64_t       refused_cnt; /* impossible indices read from the producer's line */
  uint32_t       slot_bytes;
} tf_ring_reader_t;

/* ---- lifetime (control plane) ---- */

/* Bytes of memory for a ring, a multiple of TF_LINE_PAIR_BYTES. 0 if slot_cnt is not a power of two
 * in 1 .. TF_RING_SLOT_CNT_MAX or slot_bytes not a multiple of 8 in 8 .. TF_RING_SLOT_BYTES_MAX. */
size_t tf_ring_footprint(uint64_t slot_cnt, uint32_t slot_bytes);

/* Makes an empty ring in mem (TF_LINE_PAIR_BYTES aligned, tf_ring_footprint bytes). Returns it, or
 * NULL with the error record set: E_CORE_ARGUMENT for a NULL or misaligned mem or a size that
 * footprint refuses. tf_ring_new_at starts at a given sequence instead of 0: a ring that continues
 * another, or a test of the wrap at 2^64. */
tf_ring_t *tf_ring_new(void *mem, uint64_t slot_cnt, uint32_t slot_bytes);
tf_ring_t *tf_ring_new_at(void *mem, uint64_t slot_cnt, uint32_t slot_bytes, uint64_t first_seq);

/* A ring that is there: checks alignment, magic and sizes. NULL with E_SHM_LAYOUT. The producer, the
 * consumer and anyone who only looks at the counters join; leave is its counterpart and gives back
 * mem (NULL for NULL). */
tf_ring_t *tf_ring_join(void *mem);
void      *tf_ring_leave(tf_ring_t *ring);

/* Ends the ring: nobody may be joined. Returns mem for reuse, NULL (E_SHM_LAYOUT) if it was none. */
void *tf_ring_delete(tf_ring_t *ring);

/* The two private handles, on caller memory. They continue where the ring stands, so a producer that
 * comes back after a crash goes on at the sequence after the last one published (F41). */
void tf_ring_writer_init(tf_ring_writer_t *writer, tf_ring_t *ring);
void tf_ring_reader_init(tf_ring_reader_t *reader, tf_ring_t *ring);

/* ---- counters, for anybody (the ledger): events_published = consumed + lag ---- */

TF_INLINE uint64_t tf_ring_published_cnt(const tf_ring_t *ring) {
  return tf_load_acquire(&ring->published_seq) - ring->first_seq; /* pairs with: tf_ring_publish */
}
TF_INLINE uint64_t tf_ring_consumed_cnt(const tf_ring_t *ring) {
  return tf_load_acquire(&ring->consumed_seq) - ring->first_seq; /* pairs with: tf_ring_release */
}

/* Records that wait: exact when both sides are at rest, else some value that was true of a moment
 * between the two reads, or slot_cnt. */
TF_INLINE uint64_t tf_ring_fill_cnt(const tf_ring_t *ring) {
  uint64_t consumed = tf_load_acquire(&ring->consumed_seq); /* pairs with: tf_ring_release */
  /* consumed first: read the other way round the consumer could overtake and the fill be negative */
  uint64_t published = tf_load_acquire(&ring->published_seq); /* pairs with: tf_ring_publish */
  uint64_t fill      = published - consumed;
  return fill < ring->slot_cnt ? fill : ring->slot_cnt;
}

/* ---- the producer's side: one thread ---- */

__attribute__((cold, noinline)) void tf_ring_index_refused_(uint64_t *refused_cnt);

/* Credits in hand without looking at the consumer's line; then after looking, if fewer than wanted. */
TF_INLINE uint64_t tf_ring_credits_(tf_ring_writer_t *w, uint64_t wanted) {
  uint64_t credits = w->slot_cnt - (w->next_seq - w->consumed_seq);
  if (credits >= wanted) return credits;
  /* pairs with: tf_ring_release. The consumer is done reading the slots that this gives back. */
  uint64_t consumed = tf_load_acquire(&w->ring->consumed_seq);
  TF_WEAVE("ring:credits_loaded");
  /* It can only have moved forward, and not past what was published. */
  if (TF_UNLIKELY(consumed - w->consumed_seq > w->next_seq - w->consumed_seq)) {
    tf_ring_index_refused_(&w->refused_cnt);
    return credits;
  }
  w->consumed_seq = consumed;
  return w->slot_cnt - (w->next_seq - consumed);
}

TF_INLINE uint8_t *tf_ring_slot_(const tf_ring_writer_t *w, uint64_t seq) {
  return w->slots + (seq & (w->slot_cnt - 1)) * w->slot_bytes;
}

/* Slots to fill in place. In: *n is how many are wanted, at least 1. Out: how many consecutive ones
 * begin at the returned address, at most that; fewer when credits run out or the memory wraps. NULL
 * and 0 when there is no credit. A claim that is not published has no effect. */
TF_INLINE void *tf_ring_claim(tf_ring_writer_t *w, uint32_t *n) {
  uint64_t credits = tf_ring_credits_(w, *n);
  uint64_t to_wrap = w->slot_cnt - (w->next_seq & (w->slot_cnt - 1));
  uint64_t granted = *n;
  if (granted > credits) granted = credits;
  if (granted > to_wrap) granted = to_wrap;
  *n = (uint32_t)granted;
  TF_WEAVE("ring:claimed");
  return granted ? tf_ring_slot_(w, w->next_seq) : NULL;
}

/* Hands the first n claimed slots to the consumer, n at most what the last claim granted. */
TF_INLINE void tf_ring_publish(tf_ring_writer_t *w, uint32_t n) {
  TF_ASSERT(n <= w->slot_cnt - (w->next_seq - w->consumed_seq));
  w->next_seq += n;
  TF_WEAVE("ring:before_publish");
  /* pairs with: tf_ring_available_. The slots' contents are visible before the index. */
  tf_store_release(&w->ring->published_seq, w->next_seq);
  TF_WEAVE("ring:published");
}

/* Copies the first k <= n records in, publishes them together and returns k; 0 when full. Never
 * waits. slot_bytes must be the ring's: pass sizeof your record, a constant, and each copy is a few
 * inlined moves. */
TF_INLINE uint32_t tf_ring_push_sized(tf_ring_writer_t *w, const void *records, uint32_t n,
                                      uint32_t slot_bytes) {
  TF_ASSERT(slot_bytes == w->slot_bytes);
  uint64_t       credits = tf_ring_credits_(w, n);
  uint32_t       taken   = n < credits ? n : (uint32_t)credits;
  const uint8_t *source  = (const uint8_t *)records;
  for (uint32_t i = 0; i < taken; i++) {
    uint64_t slot_idx = (w->next_seq + i) & (w->slot_cnt - 1);
    memcpy(w->slots + slot_idx * slot_bytes, source + (size_t)i * slot_bytes, slot_bytes);
    TF_WEAVE("ring:stored");
  }
  if (taken) tf_ring_publish(w, taken);
  return taken;
}

/* The same where the record size is known at run time only. */
TF_INLINE uint32_t tf_ring_push(tf_ring_writer_t *w, const void *records, uint32_t n) {
  return tf_ring_push_sized(w, records, n, w->slot_bytes);
}

/* ---- the consumer's side: one thread ---- */

/* Records known to be readable; looks at the producer's line only when there is none. */
TF_INLINE uint64_t tf_ring_available_(tf_ring_reader_t *r) {
  uint64_t available = r->published_seq - r->next_seq;
  if (available) return available;
  /* pairs with: tf_ring_publish */
  uint64_t published = tf_load_acquire(&r->ring->published_seq);
  TF_WEAVE("ring:published_loaded");
  available = published - r->next_seq;
  if (TF_UNLIKELY(available > r->slot_cnt)) {
    tf_ring_index_refused_(&r->refused_cnt);
    return 0;
  }
  r->published_seq = published;
  return available;
}

/* The readable records that lie consecutively in memory, oldest first: their address and *n of them;
 * NULL and 0 when empty. They stay where they are until released. */
TF_INLINE const void *tf_ring_peek(tf_ring_reader_t *r, uint32_t *n) {
  uint64_t available = tf_ring_available_(r);
  uint64_t slot_idx  = r->next_seq & (r->slot_cnt - 1);
  uint64_t to_wrap   = r->slot_cnt - slot_idx;
  *n                 = (uint32_t)(available < to_wrap ? available : to_wrap);
  return available ? r->slots + slot_idx * r->slot_bytes : NULL;
}

/* Gives the first n peeked slots back to the producer as credits. */
TF_INLINE void tf_ring_release(tf_ring_reader_t *r, uint32_t n) {
  TF_ASSERT(n <= r->published_seq - r->next_seq);
  r->next_seq += n;
  TF_WEAVE("ring:before_release");
  /* pairs with: tf_ring_credits_. Our reads of the slots are done before they may be refilled. */
  tf_store_release(&r->ring->consumed_seq, r->next_seq);
  TF_WEAVE("ring:released");
}

/* Copies up to n_max records out, oldest first, releases their slots and returns how many; 0 when
 * empty. When it returns fewer than n_max there may be more already: call again. slot_bytes must be
 * the ring's; a constant, as for push. */
TF_INLINE uint32_t tf_ring_pop_sized(tf_ring_reader_t *r, void *records, uint32_t n_max,
                                     uint32_t slot_bytes) {
  TF_ASSERT(slot_bytes == r->slot_bytes);
  uint64_t available = tf_ring_available_(r);
  uint32_t taken     = n_max < available ? n_max : (uint32_t)available;
  uint8_t *target    = (uint8_t *)records;
  for (uint32_t i = 0; i < taken; i++) {
    uint64_t slot_idx = (r->next_seq + i) & (r->slot_cnt - 1);
    memcpy(target + (size_t)i * slot_bytes, r->slots + slot_idx * slot_bytes, slot_bytes);
    TF_WEAVE("ring:loaded");
  }
  if (taken) tf_ring_release(r, taken);
  return taken;
}

/* The same where the record size is known at run time only. */
TF_INLINE uint32_t tf_ring_pop(tf_ring_reader_t *r, void *records, uint32_t n_max) {
  return tf_ring_pop_sized(r, records, n_max, r->slot_bytes);
}

#endif
