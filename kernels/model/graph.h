/* A model as written: a chain of ops with their weights (or, where it is no chain, a net of tensor operations,
 * net.h), its feature schema, where it came from, and windows with known answers. What goes through the chain is a window of rows, often of one:
 * ops of kind row map each row, recurrent ones carry a state along them, last and flatten make one
 * row of them (op/op.h). The plan (plan.h) is what runs; the graph is what it is made from,
 * and evaluates itself in double as the measure of the plan's error. Control plane only. */
#ifndef TF_KERNELS_MODEL_GRAPH_H
#define TF_KERNELS_MODEL_GRAPH_H

#include "model/features.h"
#include "model/net.h"

#define TF_GRAPH_NODE_CNT_MAX 256u
#define TF_GRAPH_WINDOW_MAX   4096u
/* Values between two nodes: rows of the window times the widest row. */
#define TF_GRAPH_VALUE_CNT_MAX     (UINT64_C(1) << 24)
#define TF_GRAPH_NAME_BYTES        64u
#define TF_GRAPH_SOURCE_BYTES      128u
#define TF_GRAPH_CHECK_CNT_MAX     16u
#define TF_GRAPH_PARAM_CNT_MAX     (UINT64_C(1) << 30)
#define TF_GRAPH_TRAINING_BYTES    65536u
#define TF_GRAPH_SCHEMA_BYTES      (1u << 20)
#define TF_GRAPH_CALIBRATION_BYTES 65536u

typedef struct tf_graph_node {
  const tf_op_t *op;
  tf_op_params_t params;                       /* weight and bias are the next two */
  float         *weight;                       /* owned */
  float         *bias;                         /* owned; NULL for none */
  float          ranges[TF_TENSOR_RANGES_MAX]; /* int8: of its rows, and of h; 0: by row */
  char           name[TF_GRAPH_NAME_BYTES];    /* the source's name for it, for people */
} tf_graph_node_t;

typedef struct tf_graph {
  char            name[32];
  uint32_t        input_cnt;
  uint32_t        window;     /* rows that make one answer */
  uint32_t        output_cnt; /* of the last node so far */
  uint32_t        row_cnt;    /* the same: window, or 1 from last or flatten on */
  uint32_t        width_max;  /* widest row between two nodes */
  uint32_t        node_cnt;
  uint64_t        param_cnt;
  tf_precision_t  precision;   /* what the file's weights are stored in */
  uint32_t        cluster_cnt; /* values that a product's tensor has at most (cluster.h); 0: any */
  tf_graph_node_t nodes[TF_GRAPH_NODE_CNT_MAX];
  tf_net_t       *net;      /* owned; in place of nodes where the model is no chain, else NULL */
  tf_features_t   features; /* as many as input_cnt once complete */
  char            producer[TF_GRAPH_SOURCE_BYTES];
  char            source[TF_GRAPH_SOURCE_BYTES]; /* "onnx opset 13, pytorch 2.1" */
  char            source_sha256_hex[65];
  char           *training;    /* a JSON object as text, or NULL; malloc'd */
  char           *schema;      /* likewise: what boot/feature_schema.h says of the rows */
  char           *calibration; /* likewise: what was measured on rows of the market (calibrate.h) */
  uint32_t        check_cnt;
  float          *check_inputs;  /* check_cnt windows of window rows of input_cnt; malloc'd */
  float          *check_outputs; /* check_cnt rows of output_cnt; malloc'd */
} tf_graph_t;

/* An empty graph. E_MODEL_FORMAT for a name that is not 1 to 31 of A-Z a-z 0-9 _ - . ;
 * E_MODEL_SHAPE for an input_cnt outside 1 .. TF_MODEL_INPUTS_MAX. */
tf_err_t tf_graph_init(tf_graph_t *graph, const char *name, uint32_t input_cnt);
/* Before the first node that is not of kind row: the model answers to windows of this many rows.
 * E_MODEL_SHAPE outside 1 .. TF_GRAPH_WINDOW_MAX. */
tf_err_t tf_graph_set_window(tf_graph_t *graph, uint32_t window);
/* net takes the place of the nodes, and is graph's from here on: an initialised graph of as many inputs and no node. */
void tf_graph_set_net(tf_graph_t *graph, tf_net_t *net);
void tf_graph_fini(tf_graph_t *graph); /* accepts a zeroed or half-built one */

/* Appends an op: its row width is the output of the one before, which params->in_cnt need not
 * say. Takes over weight and bias (malloc'd, weight_cnt and bias_cnt in params), also on failure.
 * E_MODEL_SHAPE, E_MODEL_WEIGHTS naming tensor and index for NaN, infinite or denormal weights,
 * E_MODEL_UNSUPPORTED past the limits. */
tf_err_t tf_graph_append(tf_graph_t *graph, const tf_op_t *op, const char *name,
                         const tf_op_params_t *params, float *weight, float *bias);

/* The file's name for a node's tensor: "3.gemm.weight". what is "weight" or "bias". */
void tf_graph_tensor_name(char *target, size_t bytes, uint32_t node_idx, const char *op_name,
                          const char *what);

/* E_MODEL_SHAPE unless the chain ends in one row. */
tf_err_t tf_graph_check_end(const tf_graph_t *graph);

/* Evaluates one window (window rows of input_cnt, the oldest first) in double, from a zero state,
 * node by node, unfused: the measure of everything that runs faster. The graph ends in one row.
 * E_CORE_NO_MEMORY. */
tf_err_t tf_graph_eval(const tf_graph_t *graph, const float *rows, double *out);
/* The same, shown node by node; of a chain all rows of a node's input and output. */
tf_err_t tf_graph_eval_watched(const tf_graph_t *graph, const float *rows, double *out,
                               const tf_net_watch_t *watch);

/* Fills the windows with known answers: reproducible inputs of several magnitudes, so that one of
 * them meets the model where its activations do not saturate, and the outputs of tf_graph_eval. */
tf_err_t tf_graph_make_checks(tf_graph_t *graph);
/* The same of windows that are given, cnt of 1 to TF_GRAPH_CHECK_CNT_MAX: rows of the market. */
tf_err_t tf_graph_make_checks_of(tf_graph_t *graph, const float *const *windows, uint32_t cnt);

#endif
