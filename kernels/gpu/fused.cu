// The kernel of features with a net behind them (fused.h): market rows in, answers out.
#include "gpu/fused.cuh"
#include "gpu/kernels.h"
#include "gpu/loop.cuh"

TF_CARD_KERNEL(tf_card_fused_kernel, TF_CARD_FUSED_THREADS, tf_fused_kind)

extern "C" tf_card_entry_t tf_card_kernel_fused(const tf_card_program_t *) {
  return TF_CARD_ENTRY(tf_card_fused_kernel);
}
