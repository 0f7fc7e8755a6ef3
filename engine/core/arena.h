/* Arenas: all memory is taken at start, from one mapping an arena (huge pages where there are any),
 * bumped, never freed one by one. tf_arena_seal_all() ends the building state of the process: after
 * it any tf_arena_take is a programmer error, and in debug builds so is malloc on a thread that
 * called tf_arena_lane_enter(). One thread builds; after the seal arenas are read-only objects. */
#ifndef TF_CORE_ARENA_H
#define TF_CORE_ARENA_H

#include "tf/err.h"

typedef struct tf_arena {
  uint8_t *base;
  size_t   cap_bytes;
  size_t   used_bytes;
  bool     huge; /* the mapping got huge pages */
  char     name[24];
} tf_arena_t;

/* Maps cap_bytes (rounded up to 2 MiB), zeroed and touched. E_CORE_NO_MEMORY. */
tf_err_t tf_arena_init(tf_arena_t *arena, const char *name, size_t cap_bytes);
void     tf_arena_fini(tf_arena_t *arena); /* accepts a zeroed arena */

/* bytes of zeroed memory at align (a power of two <= 4096). NULL when the arena is full, with the
 * error record saying which arena and how much is missing. */
void *tf_arena_take(tf_arena_t *arena, size_t bytes, size_t align);

void tf_arena_seal_all(void);
bool tf_arena_sealed(void);
/* For tests and for a process that builds a second engine after the first is gone. */
void tf_arena_unseal_all(void);

/* Marks the calling thread as a lane: from here to leave, malloc and friends abort in debug builds
 * once sealed (engine/core/alloc_seal.c interposes them). */
void tf_arena_lane_enter(void);
void tf_arena_lane_leave(void);

#endif
