/* Graphs of tensor operations made up from a seed: each node an op at random over values at random, with shapes, strides,
 * paddings and masks at random, and compounds as models have them (attention with and without a mask, padded dilated convolutions,
 * recurrent layers). The answer is three values made of the last one. */
#ifndef TF_TESTS_KERNELS_MODEL_RANDOM_NET_H
#define TF_TESTS_KERNELS_MODEL_RANDOM_NET_H

#include "model/net.h"

/* NULL where the graph would be too small to say anything. The caller's to delete. */
tf_net_t *random_net(uint64_t *seed);
uint32_t  random_below(uint64_t *seed, uint32_t cnt);

#endif
