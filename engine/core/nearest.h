/* "Did you mean": the known name nearest to a misspelt one, for error texts. Distance is optimal
 * string alignment (the restricted Damerau-Levenshtein distance: insert, delete, substitute, swap
 * two neighbours; Damerau 1964, Levenshtein 1966). ASCII case is ignored. Control plane only. */
#ifndef TF_CORE_NEAREST_H
#define TF_CORE_NEAREST_H

#include "tf/base.h"

/* Longer names are never near anything: bounds the work on hostile input. */
#define TF_NEAREST_CHARS_MAX 64

/* Edits from a to b; UINT32_MAX where either is longer than TF_NEAREST_CHARS_MAX. */
uint32_t tf_nearest_distance(const char *a, const char *b);

/* The entry of known[known_cnt] nearest to name, the first of equals; NULL where none is within a
 * third of the longer one's length (at least one edit): a far-fetched guess helps nobody. NULL
 * entries are skipped. */
const char *tf_nearest_name(const char *name, const char *const *known, size_t known_cnt);

#endif
