#include "graph_kernel.h"

#include "gpu/graph.cuh"

void kernel_graph(void *args) { tf_graph_run(static_cast<const tf_card_graph_args_t *>(args)); }
