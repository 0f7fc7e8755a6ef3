/* A net over a sliding window: the last rows are kept, and each tick's answer is a recompute of them all. The rows lie twice
 * in a ring, so that every window is one piece of memory. A state is an instrument's, holds no pointers, and must have
 * been zeroed once. The lane's thread. */
#ifndef TF_KERNELS_MODEL_NET_WINDOW_H
#define TF_KERNELS_MODEL_NET_WINDOW_H

#include "model/net_plan.h"

size_t tf_net_window_state_bytes(const tf_net_plan_t *plan);
void   tf_net_window_reset(const tf_net_plan_t *plan, void *state);
/* Takes a row; false, with out untouched, until window rows were seen. No allocation, no failure. */
bool tf_net_window_step(const tf_net_plan_t *plan, void *state, void *scratch, const float *row,
                        float *out);

#endif
