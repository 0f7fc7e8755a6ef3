/* Kernels over device.cuh alone, for test_device.c. */
#ifndef TESTS_DEVICE_KERNELS_H
#define TESTS_DEVICE_KERNELS_H

#include "tf/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct device_args {
  float   *out;
  uint32_t stage; /* what a kernel is told to do */
  uint32_t counter, leave;
  uint16_t a[16 * 16], b[16 * 8]; /* row by row */
} device_args_t;

void kernel_reverse(
    void *args); /* out[i] = size - 1 - i through shared memory; stage 0: without its barrier */
void kernel_warp(void *args);  /* sums, greatest values, votes, shuffles */
void kernel_mma(void *args);   /* out = a b, stage 0: fp16, 1: bf16 */
void kernel_peers(void *args); /* each block writes its rank into its peers' shared memory */
void kernel_named(void *args); /* two halves of a team meet at barriers of their own */
void kernel_hang(void *args);  /* thread 3 of block 1 ends before a barrier */
void kernel_turns(void *args); /* blocks wait for one another's word in memory, in order of rank */
void kernel_bounded(void *args); /* waits for a word that never comes; stage: the bound */
void kernel_numbers(void *args); /* out[i]: the two conversions of int8 i, and products of bytes */

#ifdef __cplusplus
}
#endif

#endif
