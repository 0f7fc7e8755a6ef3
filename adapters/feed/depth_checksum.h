/* Venues' checksums of a book's best levels: CRC-32 (IEEE) over the levels' texts, one behind the other. A venue's way
 * is a constant of this type; what is kept of texts stands in the mirror's levels, so that only what changed is made
 * again (crc32_join.h): a level costs a multiplication, a changed one some 60 instructions more.
 *
 * A level whose text is longer than is kept, and more text than a join takes, go through zlib as they are. */
#ifndef TF_FEED_DEPTH_CHECKSUM_H
#define TF_FEED_DEPTH_CHECKSUM_H

#include "feed/depth_mirror.h"

#define TF_DEPTH_CHECKSUM_LEVELS_MAX 25u /* of a side */
#define TF_DEPTH_TEXT_BYTES_MAX                                                                    \
  320u /* of a level: two numbers of 19 digits and 127 zeros, two bytes between, a sign */

/* How a level's two numbers are written. */
typedef enum tf_depth_text {
  TF_DEPTH_TEXT_AS_SENT, /* price:qty */
  TF_DEPTH_TEXT_DIGITS,  /* without points and leading zeros, and nothing between them */
  TF_DEPTH_TEXT_OWN
} tf_depth_text_t;

typedef struct tf_depth_checksum {
  uint32_t        level_cnt; /* of a side */
  tf_depth_text_t text;
  char            between; /* behind each level but the last; 0: nothing */
  bool
      by_turns; /* a bid, an ask, a bid; a side that has no more is left out. Else all asks, then all bids */
  /* OWN: writes a level at `to`, at most TF_DEPTH_TEXT_BYTES_MAX bytes; where they end. */
  char *(*put)(char *to, const tf_depth_level_t *level, bool is_ask);
} tf_depth_checksum_t;

/* As the mirror's says. The venues send it with or without a sign. */
uint32_t tf_depth_checksum(tf_depth_mirror_t *mirror);

/* Kraken's: the ten best asks, then the ten best bids. */
extern const tf_depth_checksum_t tf_depth_checksum_digits;
/* OKX's and Bitget's: the 25 best levels of both sides by turns. */
extern const tf_depth_checksum_t tf_depth_checksum_pairs;

#endif
