/* State as bytes, there and back by one list: whoever owns some memory walks over its pieces in a fixed order, and the same walk counts
 * them, saves them or loads them. So nothing can be saved that is not loaded. Pieces have no pointers in them; what points is
 * made anew by its owner.
 *
 * A ring's entries go with the rest, or are left for later: then the room for them is passed over, and noted.
 *
 * Nothing is allocated. Where the room ends, or the bytes do, is_short is set and the walk goes on without touching memory:
 * asked once, at its end. One thread, the memory's owner. */
#ifndef TF_CORE_WALK_H
#define TF_CORE_WALK_H

#include <string.h>

#include "tf/base.h"

typedef enum tf_walk_way { TF_WALK_COUNT, TF_WALK_SAVE, TF_WALK_LOAD } tf_walk_way_t;

/* What of a ring is still to be saved. */
typedef struct tf_walk_ring {
  uint8_t *to;        /* where the next entry goes, */
  uint32_t head, cnt; /* that at head, cnt of them in all */
} tf_walk_ring_t;

typedef struct tf_walk {
  tf_walk_way_t   way;
  bool            is_short; /* a piece did not fit, or was not there */
  uint8_t        *to;       /* SAVE: where the next piece goes */
  const uint8_t  *from;     /* LOAD: where it comes from */
  size_t          left;     /* bytes of room, or that there are */
  size_t          bytes;    /* walked */
  tf_walk_ring_t *later;    /* SAVE: the next ring is left, and noted here; NULL: none is */
} tf_walk_t;

TF_INLINE tf_walk_t tf_walk_count(void) { return (tf_walk_t){.way = TF_WALK_COUNT}; }
TF_INLINE tf_walk_t tf_walk_save(void *to, size_t room) {
  return (tf_walk_t){.way = TF_WALK_SAVE, .to = to, .left = room};
}
TF_INLINE tf_walk_t tf_walk_load(const void *from, size_t bytes) {
  return (tf_walk_t){.way = TF_WALK_LOAD, .from = from, .left = bytes};
}

TF_INLINE void tf_walk(tf_walk_t *w, void *memory, size_t bytes) {
  w->bytes += bytes;
  if (w->way == TF_WALK_COUNT || bytes == 0) return;
  if (TF_UNLIKELY(w->is_short || bytes > w->left)) {
    w->is_short = true;
    return;
  }
  w->left -= bytes;
  if (w->way == TF_WALK_SAVE) {
    memcpy(w->to, memory, bytes);
    w->to += bytes;
  } else {
    memcpy(memory, w->from, bytes);
    w->from += bytes;
  }
}

/* Of cap entries those cnt from head on, around the end: the oldest first, whatever their places. */
TF_INLINE void tf_walk_ring(tf_walk_t *w, void *entries, size_t entry_bytes, uint32_t cap,
                            uint32_t head, uint32_t cnt) {
  w->is_short |= head >= cap || cnt > cap;
  if (w->is_short) return;
  if (w->later) {
    const size_t bytes = cnt * entry_bytes;
    w->is_short        = bytes > w->left;
    if (w->is_short) return;
    *w->later++ = (tf_walk_ring_t){w->to, head, cnt};
    w->to += bytes, w->left -= bytes, w->bytes += bytes;
    return;
  }
  const uint32_t first = cnt < cap - head ? cnt : cap - head;
  tf_walk(w, (uint8_t *)entries + head * entry_bytes, first * entry_bytes);
  tf_walk(w, entries, (cnt - first) * entry_bytes);
}

/* Members of a struct from `first` to `last`, both of them included, that lie one behind the other. */
#define TF_WALK_MEMBERS(w, object, first, last)                                                    \
  tf_walk((w), (void *)&(object)->first,                                                           \
          (size_t)((const char *)(&(object)->last + 1) - (const char *)&(object)->first))

#endif
