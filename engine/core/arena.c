#include "core/arena.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "core/alloc_seal.h"
#include "core/error.h"

#define HUGE_PAGE_BYTES (UINT64_C(2) << 20)

static bool sealed; /* written by the building thread before lanes start */

void tf_arena_seal_all(void) { sealed = true; }
void tf_arena_unseal_all(void) { sealed = false; }
bool tf_arena_sealed(void) { return sealed; }

void tf_arena_lane_enter(void) { tf_alloc_seal_thread = true; }
void tf_arena_lane_leave(void) { tf_alloc_seal_thread = false; }

tf_err_t tf_arena_init(tf_arena_t *arena, const char *name, size_t cap_bytes) {
  TF_ASSERT(!sealed);
  memset(arena, 0, sizeof *arena);
  snprintf(arena->name, sizeof arena->name, "%s", name);
  if (cap_bytes == 0 || cap_bytes > SIZE_MAX / 2)
    return TF_ERR(E_CORE_ARGUMENT, "arena %s: %zu bytes asked for", name, cap_bytes);
  cap_bytes   = tf_align_up(cap_bytes, HUGE_PAGE_BYTES);
  int   flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
  void *base  = mmap(NULL, cap_bytes, PROT_READ | PROT_WRITE, flags | MAP_HUGETLB, -1, 0);
  arena->huge = base != MAP_FAILED;
  if (base == MAP_FAILED) {
    base = mmap(NULL, cap_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
      return TF_ERR(
          E_CORE_NO_MEMORY,
          "arena %s: %zu MiB cannot be mapped (%s): lower instruments_max or book_levels_max", name,
          cap_bytes >> 20, strerror(errno));
    madvise(base, cap_bytes, MADV_HUGEPAGE); /* transparent huge pages where the host gives them */
    memset(base, 0, cap_bytes);              /* touched now: no page fault on a lane later */
  }
  arena->base      = base;
  arena->cap_bytes = cap_bytes;
  return TF_OK;
}

void tf_arena_fini(tf_arena_t *arena) {
  if (arena->base) munmap(arena->base, arena->cap_bytes);
  memset(arena, 0, sizeof *arena);
}

void *tf_arena_take(tf_arena_t *arena, size_t bytes, size_t align) {
  TF_ASSERT(!sealed);
  TF_ASSERT(tf_is_pow2(align) && align <= 4096);
  size_t begin = tf_align_up(arena->used_bytes, align);
  if (bytes > arena->cap_bytes || begin > arena->cap_bytes - bytes) {
    TF_ERR(E_CORE_ARENA_FULL, "arena %s: %zu bytes wanted, %zu of %zu used", arena->name, bytes,
           arena->used_bytes, arena->cap_bytes);
    return NULL;
  }
  arena->used_bytes = begin + bytes;
  return arena->base + begin;
}
