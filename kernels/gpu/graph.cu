// The kernels of a graph (card_graph.h). What they are launched with is no tf_card_args_t but a tf_card_graph_args_t.
#include "gpu/graph.cuh"
#include "gpu/kernels.h"

#ifdef __CUDACC__
extern "C" __global__ void __launch_bounds__(TF_CARD_GRAPH_THREADS_MAX)
    tf_card_graph_kernel(const __grid_constant__ tf_card_graph_args_t args) {
  tf_graph_run(&args);
}
#else
static void tf_card_graph_kernel(void *args) {
  tf_graph_run(static_cast<const tf_card_graph_args_t *>(args));
}
#endif

extern "C" tf_card_entry_t tf_card_kernel_graph(const tf_card_program_t *) {
  return TF_CARD_ENTRY(tf_card_graph_kernel);
}
