/* Writes FlatBuffers (flatbuffers.dev, "FlatBuffer Internals"), as far as Arrow's metadata wants it: a buffer
 * that grows at its end, in which a table stands before what it refers to, since references point forwards.
 * Positions are bytes from the buffer's beginning. Control plane; an allocation that failed is remembered, and
 * everything after it does nothing. Little-endian hosts only, as the format is. */
#ifndef TICKFUSE_FLAT_H
#define TICKFUSE_FLAT_H

#include <stddef.h>
#include <stdint.h>

#include "tf/base.h"

#define FLAT_FIELDS_MAX 8

typedef struct flat {
  uint8_t *bytes;
  size_t   cnt, cap;
  bool     failed;
} flat_t;

typedef struct flat_table {
  size_t at;
  size_t fields[FLAT_FIELDS_MAX]; /* where each stands; 0: absent */
} flat_table_t;

/* The root's reference, to be linked to a table. */
size_t flat_begin(flat_t *f);
void   flat_fini(flat_t *f);

/* A table whose field i takes sizes[i] bytes: 1, 2, 4 (also a reference) or 8, or 0 where it is absent. Zeroed. */
flat_table_t flat_table(flat_t *f, const uint8_t *sizes, uint32_t field_cnt);

/* A vector of cnt elements, zeroed; returns where the first stands. element_bytes: 4 or a multiple of 8. */
size_t flat_vector(flat_t *f, uint32_t cnt, uint32_t element_bytes);
size_t flat_text(flat_t     *f,
                 const char *text); /* returns what a reference is linked to, as flat_vector - 4 */

void flat_put(flat_t *f, size_t at, const void *value, size_t bytes);
void flat_link(flat_t *f, size_t reference, size_t target);

#endif
