// The kernels of recurrent programs (card_recurrent.h), one a precision of weights.
#include "gpu/card_recurrent.h"
#include "gpu/kernels.h"
#include "gpu/loop.cuh"
#include "gpu/recurrent.cuh"

#define THREADS_MAX (TF_CARD_RECURRENT_WARPS_MAX * TF_WARP_SIZE)

TF_CARD_KERNEL(tf_card_recurrent_fp16, THREADS_MAX, tf_recurrent_kind<TF_PRECISION_FP16>)
TF_CARD_KERNEL(tf_card_recurrent_bf16, THREADS_MAX, tf_recurrent_kind<TF_PRECISION_BF16>)
TF_CARD_KERNEL(tf_card_recurrent_int8, THREADS_MAX, tf_recurrent_kind<TF_PRECISION_INT8>)

extern "C" tf_card_entry_t tf_card_kernel_recurrent(const tf_card_program_t *program) {
  switch (program->precision) {
  case TF_PRECISION_FP16: return TF_CARD_ENTRY(tf_card_recurrent_fp16);
  case TF_PRECISION_BF16: return TF_CARD_ENTRY(tf_card_recurrent_bf16);
  case TF_PRECISION_INT8: return TF_CARD_ENTRY(tf_card_recurrent_int8);
  default: return nullptr;
  }
}
