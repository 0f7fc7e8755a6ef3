/* A net as part of a model file (graph_file.h), version "3". Its graph is
 *   {"input": 8, "output": 1, "window": 32, "nodes": [{"op": "conv", "name": "/c/Conv", "in": [-1, "0.conv.1", "0.conv.2"],
 *     "ints": [1, 1, 1, 2, 0]}, {"op": "each", "row": "relu", "name": "r", "in": [0], "reals": [0, 0]}]}
 * An input is the number of a node before it, -1 for the window, or the name of a tensor. "row", "ints" and "reals" stand where the op takes
 * them; "ranges" of a product that was calibrated: what 127 stands for in its rows, in int8, and in h of a recurrent layer. The last node gives
 * the answer. */
#ifndef TF_KERNELS_MODEL_NET_FILE_H
#define TF_KERNELS_MODEL_NET_FILE_H

#include <jansson.h>

#include "model/rounding.h"

#define TF_NET_FILE_NAME_BYTES 64u
/* Of a calibrated product's rows. */
#define TF_NET_FILE_RANGE_MAX 1e30f

/* Names and shapes of its constants: cnt of them, at most TF_NET_VALUE_CNT_MAX. */
uint32_t tf_net_file_sources(const tf_net_t *net, tf_safetensors_source_t *sources,
                             char (*names)[TF_NET_FILE_NAME_BYTES]);
/* The list of nodes; NULL when out of memory. */
json_t *tf_net_file_nodes(const tf_net_t *net);
/* Reads a list of nodes and the tensors that it names out of reader's file. *net is the caller's to
 * delete, NULL on failure. E_MODEL_FORMAT, E_MODEL_UNSUPPORTED, E_MODEL_SHAPE, E_MODEL_WEIGHTS, naming label and node. */
tf_err_t tf_net_file_read(const json_t *nodes, tf_rounding_reader_t *tensors, const char *label,
                          uint32_t window, uint32_t input_cnt, tf_net_t **net);
/* "ranges" of a node, as json_t; NULL where all are 0. */
json_t *tf_net_file_ranges(const float *ranges);
/* The same from a node that has cnt of them. E_MODEL_FORMAT. */
tf_err_t tf_net_file_read_ranges(const json_t *node, uint32_t cnt, float *ranges);

#endif
