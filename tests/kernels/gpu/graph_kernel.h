/* The kernel of a graph, for test_card_graph.c. */
#ifndef TESTS_GRAPH_KERNEL_H
#define TESTS_GRAPH_KERNEL_H

#ifdef __cplusplus
extern "C" {
#endif

void kernel_graph(void *args); /* tf_card_graph_args_t */

#ifdef __cplusplus
}
#endif

#endif
