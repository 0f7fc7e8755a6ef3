/* features.cuh for tests: the persistent loop over it, and one step of it. */
#ifndef TESTS_FEATURES_KERNEL_H
#define TESTS_FEATURES_KERNEL_H

#include "tf/base.h"

#ifdef __cplusplus
extern "C" {
#endif

void features_kernel(void *args); /* tf_card_args_t */

/* The step of that name, as a card calls it; false: the card has none so written. */
bool features_step(const char *name, void *state, uint32_t param_cnt, const double *x, double *y,
                   bool *is_warm);

#ifdef __cplusplus
}
#endif

#endif
