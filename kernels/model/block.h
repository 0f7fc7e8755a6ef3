/* One block of memory for what a model reads on each tick. Control plane only. */
#ifndef TF_KERNELS_MODEL_BLOCK_H
#define TF_KERNELS_MODEL_BLOCK_H

#include "tf/base.h"

/* Zeroed, touched, aligned to TF_LINE_PAIR_BYTES, on huge pages where it is large; *bytes becomes what
 * was taken. NULL where there is none. free() gives it back. */
void *tf_block_new(size_t *bytes);

#endif
