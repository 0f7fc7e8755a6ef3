/* The feed's own copy of a book that the venue keeps to a depth for us, for venues that send no delete
 * for what is pushed out of it (Kraken): says which levels fell out, and gives the best levels for
 * the venue's checksum, digits as sent.
 *
 * A side is an array, worst level first, best last: most changes are near the best, so little moves.
 * It holds more than the depth, because only a whole message is cut to it: within one, a level may
 * come before another goes. A level costs 32 bytes; a change a bisection and a memmove behind it.
 *
 * Levels are ranked by a key: the price at the finest exponent that was seen, below 0 for asks, so that a bisection is
 * comparisons of one word and the better level has the greater key. Where a price does not fit there, ranks are told
 * by the prices themselves until the mirror is cleared.
 *
 * One writer: the thread that runs the feed. Memory is the caller's. */
#ifndef TF_FEED_DEPTH_MIRROR_H
#define TF_FEED_DEPTH_MIRROR_H

#include "tf/event.h"

typedef struct tf_depth_level {
  int64_t price, qty;
  int64_t key;
  int8_t  price_exp, qty_exp;
} tf_depth_level_t;

/* The text of a level for the checksum of pairs, "price:qty" as sent: of the best levels few change from
 * one message to the next. */
#define TF_DEPTH_TEXT_BYTES_MAX 45u
#define TF_DEPTH_TEXTS          128u /* of a mirror, by a hash of the level */
typedef struct tf_depth_text {
  int64_t price, qty;
  int8_t  price_exp, qty_exp;
  uint8_t bytes; /* 0: none */
  char    text[TF_DEPTH_TEXT_BYTES_MAX];
} tf_depth_text_t;
TF_STATIC_ASSERT(sizeof(tf_depth_text_t) == TF_LINE_BYTES, "one is read a level of a checksum");

#define TF_DEPTH_NO_EXP INT16_MAX

typedef struct tf_depth_side {
  tf_depth_level_t *levels; /* worst first */
  uint32_t          cnt;
} tf_depth_side_t;

typedef struct tf_depth_mirror {
  tf_depth_side_t  sides[2];  /* bids, asks */
  tf_depth_text_t *texts;     /* TF_DEPTH_TEXTS of them */
  int16_t          key_exp;   /* of keys; TF_DEPTH_NO_EXP: no level since the last clear */
  bool             is_coarse; /* a key did not fit: they mean nothing */
  uint32_t         cap;       /* of a side */
  uint32_t         depth_max; /* what it was made for */
  uint32_t         depth;     /* what the venue keeps now */
} tf_depth_mirror_t;

#define TF_DEPTH_MIRROR_CHECKSUM_LEVELS 10u

/* Changes of a side that one message may hold; the caller refuses a larger one. */
TF_INLINE uint32_t tf_depth_mirror_message_max(uint32_t depth_max) {
  return depth_max > 256 ? depth_max : 256;
}

size_t tf_depth_mirror_bytes(uint32_t depth_max);
void   tf_depth_mirror_init(tf_depth_mirror_t *mirror, void *memory, uint32_t depth_max);
void   tf_depth_mirror_clear(tf_depth_mirror_t *mirror);

/* One level of a message: its side, price, quantity and exponents. At most
 * tf_depth_mirror_message_max of a side between two cuts. */
void tf_depth_mirror_apply(tf_depth_mirror_t *mirror, const tf_event_t *level);

/* Levels of a side that are beyond the depth; they are the first of its array. */
TF_INLINE uint32_t tf_depth_mirror_excess(const tf_depth_mirror_t *mirror, int side) {
  uint32_t cnt = mirror->sides[side].cnt;
  return cnt > mirror->depth ? cnt - mirror->depth : 0;
}
/* Forgets them. */
void tf_depth_mirror_cut(tf_depth_mirror_t *mirror);

/* Kraken's: CRC-32 (IEEE) over the ten best asks, then the ten best bids, of each the price's digits
 * and the quantity's without point and leading zeros. */
uint32_t tf_depth_mirror_checksum(const tf_depth_mirror_t *mirror);

/* OKX's and Bitget's: CRC-32 (IEEE) over the best levels of both sides by turns, bid first, of each the
 * price's text, a colon and the quantity's, a colon between levels; a side that has no more is left out.
 * The venues send it with a sign. level_cnt: at most TF_DEPTH_MIRROR_PAIRS_MAX. */
#define TF_DEPTH_MIRROR_PAIRS_MAX 25u
uint32_t tf_depth_mirror_checksum_pairs(const tf_depth_mirror_t *mirror, uint32_t level_cnt);

#endif
