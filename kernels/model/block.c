#include "model/block.h"

#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE_BYTES (UINT64_C(2) << 20)
/* Below this a block shares ordinary pages. */
#define HUGE_BLOCK_BYTES (UINT64_C(1) << 20)

void *tf_block_new(size_t *bytes) {
  if (*bytes < HUGE_BLOCK_BYTES) {
    *bytes      = tf_align_up(*bytes, TF_LINE_PAIR_BYTES);
    void *block = aligned_alloc(TF_LINE_PAIR_BYTES, *bytes);
    if (block) memset(block, 0, *bytes);
    return block;
  }
  *bytes      = tf_align_up(*bytes, HUGE_PAGE_BYTES);
  void *block = aligned_alloc(HUGE_PAGE_BYTES, *bytes);
  if (!block) return NULL;
  madvise(block, *bytes, MADV_HUGEPAGE); /* a wish: the host may have none */
  memset(block, 0, *bytes);              /* touched now: no page fault on a lane */
  return block;
}
