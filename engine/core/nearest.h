/* The nearest known name to a mistyped one, for error messages. Control plane only. */
#ifndef TF_CORE_NEAREST_H
#define TF_CORE_NEAREST_H

#include "tf/base.h"

/* Names longer than this are compared by their first bytes only. */
#define TF_NEAREST_BYTES_MAX 64

/* The name with the smallest edit distance to wanted (insert, delete, replace or swap two
 * neighbours, each 1; letters compare without case), the first of equals; NULL when none is within
 * max(1, strlen(wanted) / 3). NULL names are passed over. Any thread, no allocation. */
const char *tf_nearest_name(const char *wanted, const char *const *names, uint32_t name_cnt);

#endif
