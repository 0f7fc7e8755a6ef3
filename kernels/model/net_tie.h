/* How an op's output is tied to its inputs along one axis: which positions of an input a position of the output is made of.
 * That is all that the sliding window of a net (net_flow.h) has to know of an op: rows that come and go are positions of an
 * axis, and an op of which nothing is known here reads the whole of its inputs for each value, which is always true. */
#ifndef TF_KERNELS_MODEL_NET_TIE_H
#define TF_KERNELS_MODEL_NET_TIE_H

#include "model/net.h"

typedef enum tf_net_tie_kind {
  TF_NET_TIE_ALL, /* all of the input */
  TF_NET_TIE_TAPS, /* cnt positions along axis, apart from each other, from first + position * by on */
  TF_NET_TIE_BEFORE, /* along axis, its own position and all before it: a recurrence */
  TF_NET_TIE_BEHIND  /* and all behind it */
} tf_net_tie_kind_t;

typedef struct tf_net_tie {
  tf_net_tie_kind_t kind;
  uint32_t          axis; /* of the input */
  int64_t           first, by, apart;
  uint32_t          cnt;
} tf_net_tie_t;

/* Of input i of node to axis of its output. Taps may lie outside of the input: padding, or another input of a concat. */
tf_net_tie_t tf_net_tie(const tf_net_t *net, const tf_net_node_t *node, uint32_t i, uint32_t axis);

/* Whether node is a convolution that, at one position along axis of its output, is one place: it then reads its taps alone, and
 * is a product of a row (net_cut.h). */
bool tf_net_tie_is_place(const tf_net_t *net, const tf_net_node_t *node, uint32_t axis,
                         uint32_t position);

/* The output's axis that input i's axis runs along; TF_NET_NONE for none. */
uint32_t tf_net_tie_axis(const tf_net_t *net, const tf_net_node_t *node, uint32_t i, uint32_t axis);

/* Which part of input i's axis is read at all. */
void tf_net_tie_extent(const tf_net_t *net, const tf_net_node_t *node, uint32_t i, uint32_t axis,
                       uint32_t *first, uint32_t *cnt);

/* Whether a tie reads one position, the same as the output's. */
bool tf_net_tie_is_same(const tf_net_tie_t *tie);

/* A constant index of a gather, 0 .. size - 1. */
uint32_t tf_net_tie_entry(float number, uint32_t size);

#endif
