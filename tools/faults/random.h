/* The tools' chance: xorshift64*, a state of one word that is never 0. The same seed, the same course. */
#ifndef TOOLS_FAULTS_RANDOM_H
#define TOOLS_FAULTS_RANDOM_H

#include "tf/base.h"

TF_INLINE uint64_t tool_random(uint64_t *state) {
  uint64_t x = *state;
  x ^= x >> 12, x ^= x << 25, x ^= x >> 27;
  *state = x;
  return x * UINT64_C(0x2545F4914F6CDD1D);
}

TF_INLINE double tool_random_unit(uint64_t *state) { /* 0 to 1, without 1 */
  return (double)(tool_random(state) >> 11) * 0x1.0p-53;
}

#endif
