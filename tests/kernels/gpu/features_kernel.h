/* The persistent loop over features.cuh, for test_card_features.c. args: tf_card_args_t. */
#ifndef TESTS_FEATURES_KERNEL_H
#define TESTS_FEATURES_KERNEL_H

#ifdef __cplusplus
extern "C"
#endif
    void
    features_kernel(void *args);

#endif
