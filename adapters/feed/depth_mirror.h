/* The feed's own copy of a book that the venue keeps to a depth for us, for venues that send no delete
 * for what is pushed out of it (Kraken): says which levels fell out, and keeps what the venue's checksum
 * of the best levels wants (depth_checksum.h), digits as sent.
 *
 * A side is an array of ranks, worst level first, best last, in the middle of
 * twice the room. A rank is
 * one word, what is compared and, in its low bits, in which slot the level stands; levels stay in their slots. So a
 * change is a search over words and a memmove of the words before or behind it, whichever are less.
 * It holds more than the depth, because only a whole message is cut to it: within one, a level may
 * come before another goes.
 *
 * What is compared is a key: the price at the finest exponent that was seen, below 0 for asks, so that the better level
 * has the greater key. Where a price does not fit there, ranks are told by the prices themselves until the mirror is
 * cleared.
 *
 * One writer: the thread that runs the feed. Memory is the caller's: 50 bytes a level of the cap. */
#ifndef TF_FEED_DEPTH_MIRROR_H
#define TF_FEED_DEPTH_MIRROR_H

#include "feed/crc32_join.h"
#include "tf/event.h"

typedef struct tf_depth_level {
  int64_t price, qty;
  /* Its text for the checksum, and of that the price's: bytes 0: to be made. */
  uint32_t residue, price_residue;
  uint8_t  text_bytes, price_bytes;
  int8_t   price_exp, qty_exp;
} tf_depth_level_t;
TF_STATIC_ASSERT(sizeof(tf_depth_level_t) == 32, "two a line");

#define TF_DEPTH_NO_EXP    INT16_MAX
#define TF_DEPTH_SLOT_BITS 12 /* of a rank; a key has the other 52 */
#define TF_DEPTH_SLOTS_MAX (1u << TF_DEPTH_SLOT_BITS)

typedef struct tf_depth_side {
  int64_t *room;  /* where ranks lie, with as many words before and behind them, on average */
  int64_t *ranks; /* (cnt), ascending: worst first */
  tf_depth_level_t *levels; /* (cap), by slot */
  uint16_t         *free;   /* (free_cnt): slots below slot_cnt that hold none */
  uint32_t          cnt, free_cnt, slot_cnt;
  uint32_t          last_place; /* of the message's last level of this side, at most cnt */
} tf_depth_side_t;

struct tf_depth_checksum;

typedef struct tf_depth_mirror {
  tf_depth_side_t sides[2]; /* bids, asks */
  /* How the venue makes its checksum; NULL: it sends none. */
  const struct tf_depth_checksum *checksum;
  int16_t  key_exp;   /* of keys; TF_DEPTH_NO_EXP: no level since the last clear */
  bool     is_coarse; /* a key did not fit: they mean nothing */
  uint32_t cap;       /* of a side */
  uint32_t depth_max; /* what it was made for */
  uint32_t depth;     /* what the venue keeps now */
} tf_depth_mirror_t;

/* Changes of a side that one message may hold; the caller refuses a larger one. */
TF_INLINE uint32_t tf_depth_mirror_message_max(uint32_t depth_max) {
  return depth_max > 256 ? depth_max : 256;
}

size_t tf_depth_mirror_bytes(uint32_t depth_max);
/* depth_max: with tf_depth_mirror_message_max at most TF_DEPTH_SLOTS_MAX. */
void tf_depth_mirror_init(tf_depth_mirror_t *mirror, void *memory, uint32_t depth_max,
                          const struct tf_depth_checksum *checksum);
void tf_depth_mirror_clear(tf_depth_mirror_t *mirror);

/* A message begins. Levels in any order are taken; those that come from the best on are found soonest. */
void tf_depth_mirror_begin(tf_depth_mirror_t *mirror);
/* One level of a message: its side, price, quantity and exponents. At most
 * tf_depth_mirror_message_max of a side between two cuts. */
void tf_depth_mirror_apply(tf_depth_mirror_t *mirror, const tf_event_t *level);

/* The level at a place, from the worst (0) on. */
TF_INLINE tf_depth_level_t *tf_depth_mirror_at(const tf_depth_mirror_t *mirror, int side,
                                               uint32_t place) {
  const tf_depth_side_t *s = &mirror->sides[side];
  return &s->levels[(uint64_t)s->ranks[place] % TF_DEPTH_SLOTS_MAX];
}

/* Levels of a side that are beyond the depth; they are the worst. */
TF_INLINE uint32_t tf_depth_mirror_excess(const tf_depth_mirror_t *mirror, int side) {
  uint32_t cnt = mirror->sides[side].cnt;
  return cnt > mirror->depth ? cnt - mirror->depth : 0;
}
/* Forgets them. */
void tf_depth_mirror_cut(tf_depth_mirror_t *mirror);

#endif
