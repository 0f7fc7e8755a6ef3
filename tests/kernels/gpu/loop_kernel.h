/* A kind small enough to know every answer of: for test_card_loop.c. Its image is a loop_model_t. An answer is
 *   out[j] = base + j + sum over the window's rows of (sum of the row's values)
 * of which each block adds up the values of index block, block + blocks, ..., in an order that does not matter: they are whole. */
#ifndef TESTS_LOOP_KERNEL_H
#define TESTS_LOOP_KERNEL_H

#include "tf/base.h"

typedef struct loop_model {
  float    base;
  uint32_t pieces;       /* of an instrument's deferred work after a step */
  uint32_t absent_block; /* never says its part; UINT32_MAX: none */
} loop_model_t;

#define LOOP_WINDOW_MAX 8u

typedef struct loop_state { /* one a block */
  uint32_t seen, pieces_left, pieces_done;
  float    parts[LOOP_WINDOW_MAX];
} loop_state_t;

#ifdef __cplusplus
extern "C"
#endif
    void
    loop_kernel(void *args);

#endif
