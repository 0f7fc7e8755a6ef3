/* The kernels themselves, each a persistent loop (loop.cuh) over a kind of program. The same sources twice: by nvcc for a
 * card, by g++ over tests/cuda_on_cpu. Which one a program runs on is chosen here and nowhere else. */
#ifndef TF_GPU_KERNELS_H
#define TF_GPU_KERNELS_H

#include "gpu/card.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A kernel's address, for the CUDA runtime's launches; on the CPU to be called with a tf_card_args_t. */
typedef void (*tf_card_entry_t)(void *args);

/* NULL: this build has none for it. */
tf_card_entry_t tf_card_kernel(const tf_card_program_t *program);

/* Each kind's own, in its .cu: its variants by precision and size. */
#define K(name, KIND) tf_card_entry_t tf_card_kernel_##name(const tf_card_program_t *program);
#include "gpu/kernels.def"
#undef K

#ifdef __cplusplus
}
#endif

/* In a .cu: one kernel, named, over a type of kind. THREADS: of a block, at most. */
#ifdef __CUDACC__
#define TF_CARD_KERNEL(NAME, THREADS, TYPE)                                                        \
  extern "C" __global__ void __launch_bounds__(THREADS, 1)                                         \
      NAME(const __grid_constant__ tf_card_args_t args) {                                          \
    TYPE kind;                                                                                     \
    tf_card_loop(&args, kind);                                                                     \
  }
#else
#define TF_CARD_KERNEL(NAME, THREADS, TYPE)                                                        \
  static void NAME(void *args) {                                                                   \
    TYPE kind;                                                                                     \
    tf_card_loop(static_cast<const tf_card_args_t *>(args), kind);                                 \
  }
#endif
#define TF_CARD_ENTRY(NAME) reinterpret_cast<tf_card_entry_t>(NAME)

#endif
