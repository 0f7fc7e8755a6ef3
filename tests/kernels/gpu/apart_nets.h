/* Models that no kernel that stays on a card runs, as graphs for tests: an embedding, whose entries are found by computed numbers, and a GRU
 * whose reset gate works before the product. Weights are noise of the seed. */
#ifndef TESTS_APART_NETS_H
#define TESTS_APART_NETS_H

#include "model/graph.h"

/* A row is a number and width values; the line of a table of that number is added to them. */
void apart_embedding(tf_graph_t *graph, uint32_t lines, uint32_t width, uint64_t *seed);

/* direction: 0 forward, 1 reverse, 2 both; all units of all rows into two outputs. */
void apart_gru(tf_graph_t *graph, uint32_t window, uint32_t inputs, uint32_t units,
               int64_t direction, uint64_t *seed);

#endif
