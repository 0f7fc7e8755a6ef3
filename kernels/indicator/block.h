/* Sliding windows without a subtraction. Time is cut into blocks of n inputs; a window is the end of the last
 * block and the beginning of the current one. The beginning is summed as inputs come; when a block is
 * complete its inputs are replaced, from the last to the first, by the sums over what follows them, and
 * those are the ends. Nothing is ever taken out of a sum, so nothing drifts and a spike that has left
 * leaves no trace; the error is that of adding up n numbers. Two additions an input, amortised; the input
 * that completes a block pays for n.
 *
 * The same for anything that two parts of a window can be merged from: weighted sums, moments. What
 * has a block keeps: n, pos (inputs in the current block), full (there is a last block), and a ring of n
 * entries, of which those before pos are inputs and those from pos on are ends. */
#ifndef TF_INDICATOR_BLOCK_H
#define TF_INDICATOR_BLOCK_H

#include "indicator/parts.h"

/* After the input of position pos was kept: true when it completed the block. */
TF_INLINE bool tf_block_turn(uint32_t *pos, uint32_t *full, uint32_t n) {
  if (++*pos < n) return false;
  *pos  = 0;
  *full = 1;
  return true;
}

#endif
