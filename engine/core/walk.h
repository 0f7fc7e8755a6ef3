/* State as bytes, there and back by one list: whoever owns some memory walks over its pieces in a fixed order, and the same walk counts
 * them, saves them or loads them. So nothing can be saved that is not loaded. Pieces have no pointers in them; what points is
 * made anew by its owner.
 *
 * Nothing is allocated. Where the room ends, or the bytes do, is_short is set and the walk goes on without touching memory:
 * asked once, at its end. One thread, the memory's owner. */
#ifndef TF_CORE_WALK_H
#define TF_CORE_WALK_H

#include <string.h>

#include "tf/base.h"

typedef enum tf_walk_way { TF_WALK_COUNT, TF_WALK_SAVE, TF_WALK_LOAD } tf_walk_way_t;

typedef struct tf_walk {
  tf_walk_way_t  way;
  bool           is_short; /* a piece did not fit, or was not there */
  uint8_t       *to;       /* SAVE: where the next piece goes */
  const uint8_t *from;     /* LOAD: where it comes from */
  size_t         left;     /* bytes of room, or that there are */
  size_t         bytes;    /* walked */
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

/* Members of a struct from `first` to `last`, both of them included, that lie one behind the other. */
#define TF_WALK_MEMBERS(w, object, first, last)                                                    \
  tf_walk((w), (void *)&(object)->first,                                                           \
          (size_t)((const char *)(&(object)->last + 1) - (const char *)&(object)->first))

#endif
