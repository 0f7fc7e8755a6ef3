/* A model as a graph of operations on tensors (tensor/tensor.h): what is no chain of row ops (graph.h). Nodes stand in an
 * order in which each reads only what comes before it, so there are no cycles; the last one gives the answer. Shapes are
 * all known: one window of rows in, [window, inputs], one row of outputs out. Weights are constants among the values.
 *
 * The graph is what is stored and measured against, in double (tf_net_eval); net_plan.h is what runs. What makes
 * only steps of a sliding window, or runs below fp32, starts from this: value 0 is the window, its axis 0 the rows, oldest
 * first; a value's shape and node say how an axis of rows travels on. Control plane only. */
#ifndef TF_KERNELS_MODEL_NET_H
#define TF_KERNELS_MODEL_NET_H

#include "tensor/tensor.h"

#define TF_NET_NODE_CNT_MAX  2048u
#define TF_NET_VALUE_CNT_MAX 8192u
#define TF_NET_NAME_BYTES    64u
/* Work of one answer: an activation bomb ends here (about a minute in double). */
#define TF_NET_FLOPS_MAX (UINT64_C(1) << 34)
/* All values of a graph together. */
#define TF_NET_TOTAL_CNT_MAX (UINT64_C(1) << 26)
#define TF_NET_NONE          UINT32_MAX
/* Value 0 is the window. */
#define TF_NET_INPUT 0u

typedef struct tf_net_value {
  tf_tensor_shape_t shape;
  float            *constant; /* owned; NULL for what is computed */
  uint32_t          node;     /* which computes it; TF_NET_NONE for constants and the window */
  bool     in_state; /* in a part of a net (net_cut.h): it lies in the instrument's state, .. */
  uint32_t state_at; /* .. floats from its beginning */
} tf_net_value_t;

typedef struct tf_net_node {
  tf_tensor_use_t use;
  uint32_t        in[TF_TENSOR_INPUTS_MAX]; /* values */
  uint32_t        out;
  char            name[TF_NET_NAME_BYTES]; /* the source's, for people */
} tf_net_node_t;

typedef struct tf_net {
  uint32_t        window, input_cnt;
  uint32_t        value_cnt, node_cnt;
  uint32_t        value_room, node_room;
  tf_net_value_t *values;
  tf_net_node_t  *nodes;
  uint64_t        param_cnt; /* in constants */
  uint64_t        total_cnt; /* in all values */
  uint64_t        flops;
} tf_net_t;

/* What tf_net_add makes a node of. Arrays are copied. */
typedef struct tf_net_spec {
  const tf_tensor_op_t *op;
  const tf_op_t        *row; /* of ops that apply one */
  const char           *name;
  const uint32_t       *in;
  uint32_t              in_cnt;
  const int64_t        *ints;
  uint32_t              int_cnt;
  const double         *reals;
  uint32_t              real_cnt;
} tf_net_spec_t;

/* E_MODEL_SHAPE for a window or a row of no or too many values. *net is the caller's to delete. */
tf_err_t tf_net_new(uint32_t window, uint32_t input_cnt, tf_net_t **net);
void     tf_net_delete(tf_net_t *net); /* accepts NULL */

/* shape.cnt values; takes over constant (malloc'd), also on failure. E_MODEL_UNSUPPORTED past the limits,
 * E_MODEL_WEIGHTS naming name and element for NaN, infinite and denormal values. */
tf_err_t tf_net_add_constant(tf_net_t *net, const char *name, const tf_tensor_shape_t *shape,
                             float *constant, uint32_t *value);
/* What lies in an instrument's state, from float at on. E_MODEL_UNSUPPORTED past the limits. */
tf_err_t tf_net_add_state(tf_net_t *net, const tf_tensor_shape_t *shape, uint32_t at,
                          uint32_t *value);
/* E_MODEL_SHAPE, E_MODEL_FORMAT, E_MODEL_UNSUPPORTED past the limits; the text names the node. */
tf_err_t tf_net_add(tf_net_t *net, const tf_net_spec_t *spec, uint32_t *value);

/* Leaves only what output needs; its node becomes the last. E_MODEL_SHAPE where that is no node. */
tf_err_t tf_net_end(tf_net_t *net, uint32_t output);
/* Values of the answer: of the last node. */
uint32_t tf_net_output_cnt(const tf_net_t *net);

/* The answer to a window (window rows of input_cnt, the oldest first), in double. E_CORE_NO_MEMORY. */
tf_err_t tf_net_eval(const tf_net_t *net, const float *rows, double *out);
/* What is shown of an evaluation: the values of a node's first input and of its output, once they are made. NULL in
 * place of a watch: nothing. */
typedef struct tf_net_watch {
  void *self;
  void (*see)(void *self, uint32_t node, const double *in, size_t in_cnt, const double *out,
              size_t out_cnt);
} tf_net_watch_t;
tf_err_t tf_net_eval_watched(const tf_net_t *net, const float *rows, double *out,
                             const tf_net_watch_t *watch);

/* A node's inputs where they are constants, NULL elsewhere: what an op packs and checks. */
void tf_net_constants(const tf_net_t *net, const tf_net_node_t *node,
                      const float *constants[TF_TENSOR_INPUTS_MAX]);

#endif
