/* The CRC-32 (IEEE: zlib's) of a text that is never put together, from what was kept of its parts.
 *
 * Without its two inversions a CRC is the remainder of a text, taken as a polynomial over two elements, times x^32: the
 * residue here. Of two texts, one behind the other, it is the first one's times x^(8 bytes of the second), plus the
 * second's. So a text of many parts, of which few change, costs a carry-less multiplication and an exclusive or a part,
 * none of which waits for another, and one reduction (Intel, "Fast CRC Computation for Generic Polynomials Using
 * PCLMULQDQ", 2009, has the constants' derivation; zlib's crc32_combine is the same sum).
 *
 * With PCLMULQDQ where the processor has it, else with shifts; residues of texts that are not numbers are zlib's. Pure
 * functions, but for tf_crc32_join_start. */
#ifndef TF_FEED_CRC32_JOIN_H
#define TF_FEED_CRC32_JOIN_H

#include "tf/base.h"

/* Of all parts together: 50 of 46. */
#define TF_CRC32_JOIN_BYTES_MAX 2304u

typedef struct tf_crc32_part {
  uint32_t residue;
  uint32_t bytes; /* of its text */
} tf_crc32_part_t;

/* Fills the table of powers, once a process. Before all below; any thread, not a lane. */
void tf_crc32_join_start(void);

/* The residue of any text. */
uint32_t tf_crc32_residue(const char *text, size_t bytes);

/* The CRC-32 of all parts, one behind the other, at most TF_CRC32_JOIN_BYTES_MAX bytes. between: each part ends with
 * this byte, the last one's does not count; 0: none. */
uint32_t tf_crc32_join(const tf_crc32_part_t *parts, uint32_t cnt, char between);
/* The same without PCLMULQDQ, for the test that compares the two. */
uint32_t tf_crc32_join_by_shifts(const tf_crc32_part_t *parts, uint32_t cnt, char between);

/* A number as it was sent: its digits without a point, and how many of them stand behind one. */
typedef struct tf_crc32_number {
  int64_t mantissa; /* not negative */
  int     exp;      /* 0 or below; of digits without a point 0 */
} tf_crc32_number_t;

/* "first:second:", between behind both numbers: *part of all of it, and *first of "first:", which is made where its
 * bytes are 0 and else taken as it is. False: a number has more digits than this takes, or the processor cannot
 * multiply so; nothing was written. */
bool tf_crc32_pair(tf_crc32_number_t first, tf_crc32_number_t second, char between,
                   tf_crc32_part_t *first_part, tf_crc32_part_t *part);

#endif
