/* A graph as a .safetensors file: the weights as tensors, F32 or as rounding.h says, all else as texts of its metadata.
 *
 *   format    "tickfuse-model"
 *   version   "1"
 *   name      the model's name
 *   producer  who wrote the file
 *   source    what it was made from; source_sha256: the hash of that file
 *   graph     {"input": 12, "output": 1, "nodes": [{"op": "gemm", "name": "dense1",
 *              "weight": "0.gemm.weight", "bias": "0.gemm.bias"}, {"op": "relu", "name": "r1"},
 *              {"op": "clip", "name": "c", "alpha": -1.0, "beta": 1.0}]}: a chain, in order
 *   features  ["spread_bps", "imbalance(5)"]: as many as input
 *   check     {"inputs": [[...]], "outputs": [[...]]}: rows with known answers
 *   training  {"key": "text"}: what the source said about its making; may be missing
 *   precision "int8": what the weights of products are stored in; missing: fp32
 *   calibration {"windows": 500, ...}: the errors that were measured at import (calibrate.h); may be missing
 *   schema    {"version": 1, ...}: what its rows were made of; the engine compares (boot/feature_schema.h); may be missing
*
 * A gemm's weight has the shape [outputs, inputs], a recurrent op's [gates * units, inputs + units]; bias
 * and constants are of rank 1.
 *
 * A model over a window of more than one row has version "2": its graph also says {"window": 50}, and
 * its known answers are tensors, "check.inputs" [n, window, inputs] and "check.outputs" [n, outputs],
 * since as text they could outgrow the header. A model that is no chain has version "3", and nodes as net_file.h
 * says; all else is as in version 2, whatever its window. */
#ifndef TF_KERNELS_MODEL_GRAPH_FILE_H
#define TF_KERNELS_MODEL_GRAPH_FILE_H

#include "model/graph.h"
#include "model/safetensors.h"

#define TF_GRAPH_FILE_FORMAT         "tickfuse-model"
#define TF_GRAPH_FILE_VERSION        "1"
#define TF_GRAPH_FILE_VERSION_WINDOW "2"
#define TF_GRAPH_FILE_VERSION_NET    "3"
#define TF_GRAPH_FILE_CHECK_INPUTS   "check.inputs"
#define TF_GRAPH_FILE_CHECK_OUTPUTS  "check.outputs"

/* outputs_max: TF_MODEL_OUTPUTS_MAX of a model of rows. E_MODEL_FORMAT, E_MODEL_UNSUPPORTED (an op this build has not),
 * E_MODEL_SHAPE, E_MODEL_WEIGHTS, E_MODEL_SCHEMA. A tensor that no node uses is refused. On failure graph is empty. */
tf_err_t tf_graph_file_read(tf_graph_t *graph, const tf_safetensors_t *st, const char *label,
                            uint32_t outputs_max);

/* E_FILE_WRITE, E_MODEL_FORMAT. The same graph gives the same bytes. */
tf_err_t tf_graph_file_write(const tf_graph_t *graph, const char *path);

#endif
