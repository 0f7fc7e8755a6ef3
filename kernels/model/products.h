/* The products of a graph with constant weights that run below fp32: what precision rounds, calibration gives ranges, and a file may
 * store in fewer bits. Of a net they are what its ops tell (tensor/tensor.h); of a chain over one row its gemms; of one
 * over a window its recurrent layers, or the gemm behind flatten, a product for each row of the window. Control plane. */
#ifndef TF_KERNELS_MODEL_PRODUCTS_H
#define TF_KERNELS_MODEL_PRODUCTS_H

#include "model/graph.h"

typedef struct tf_product {
  tf_mat_source_t source; /* in values */
  float          *values; /* the whole tensor: the graph's */
  uint32_t        node;
  uint32_t        range;   /* which of the node's ranges is that of its rows */
  bool            is_only; /* no other node reads the tensor */
} tf_product_t;

/* Calls visit with each, in the graph's order; those of one tensor follow one another, and cover it. Ends with visit's first
 * error. */
typedef tf_err_t (*tf_product_visit_t)(void *self, const tf_product_t *product);
tf_err_t tf_products_each(const tf_graph_t *graph, tf_precision_t precision,
                          tf_product_visit_t visit, void *self);

/* Where a node's ranges are. */
float *tf_products_ranges(tf_graph_t *graph, uint32_t node);
/* How many of them there are: of a product that precision INT8 has; 0 for other nodes. */
uint32_t tf_products_range_cnt(const tf_graph_t *graph, uint32_t node);
uint32_t tf_products_range_cnt_of_op(const tf_tensor_use_t *use); /* a net's */

#endif
