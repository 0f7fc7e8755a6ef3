// The kernel that interprets a net's program (card_net.h): one block, any net.
#include "gpu/kernels.h"
#include "gpu/loop.cuh"
#include "gpu/net.cuh"

TF_CARD_KERNEL(tf_card_net_kernel, TF_CARD_NET_THREADS_MAX, tf_net_kind)

extern "C" tf_card_entry_t tf_card_kernel_net(const tf_card_program_t *) {
  return TF_CARD_ENTRY(tf_card_net_kernel);
}
