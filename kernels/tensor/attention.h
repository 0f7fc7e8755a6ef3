/* Attention as one step: softmax(Q K' + mask) V of every head, some queries at a time, so that their scores stay in L1. Operands are
 * read, and the result is written, where they lie: heads side by side in a row, or one behind the other. No op of a file: a plan
 * puts it in the place of the products, the sum, the softmax and the transposes that a graph says it with
 * (model/net_attention.h). It gives their bits: panels and softmax are theirs, and so is the order of every sum. */
#ifndef TF_KERNELS_TENSOR_ATTENTION_H
#define TF_KERNELS_TENSOR_ATTENTION_H

#include "tensor/tensor.h"

/* An operand's values, in floats from one to the next; 0 where one stands for all. */
typedef struct tf_attention_view {
  uint32_t head, row, column;
} tf_attention_view_t;

typedef struct tf_attention {
  uint32_t            heads, queries, keys;
  uint32_t            width;     /* of a query and of a key */
  uint32_t            out_width; /* of a value and of an answer */
  tf_attention_view_t q;         /* (queries, width), columns side by side */
  tf_attention_view_t k;         /* (keys, width) */
  tf_attention_view_t v;         /* (keys, out_width) */
  tf_attention_view_t mask;      /* (queries, keys), columns side by side */
  tf_attention_view_t out;       /* (queries, out_width), columns side by side */
} tf_attention_t;

/* Inputs: q, k, v, and the mask where there is one; row is the softmax. */
extern const tf_tensor_op_t tf_tensor_attention;

/* use's op and integers. in, in_cnt, row and out are the caller's to set: views lie within them. */
void tf_attention_put(const tf_attention_t *attention, tf_tensor_use_t *use);

#endif
