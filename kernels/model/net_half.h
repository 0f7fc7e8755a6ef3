/* One half of a cut net (net_cut.h) while it is made: what of the whole net it has computed so far, and from where a node that is
 * added to it takes its inputs. Control plane only; for net_cut.c and net_run.c. */
#ifndef TF_KERNELS_MODEL_NET_HALF_H
#define TF_KERNELS_MODEL_NET_HALF_H

#include <string.h>

#include "model/net_cut.h"

/* Of a value, in one half. */
#define TF_NET_HALF_PIECES_MAX 16u

enum { TF_NET_HALF_TIMED, TF_NET_HALF_DEFERRED, TF_NET_HALF_CNT };

/* Positions that a half has computed. */
typedef struct tf_net_piece {
  uint32_t first, cnt, value;
} tf_net_piece_t;

/* A value of the whole net in one half. */
typedef struct tf_net_half_value {
  tf_net_piece_t pieces[TF_NET_HALF_PIECES_MAX];
  uint32_t       piece_cnt;
  uint32_t       history, store; /* values of the half, once it has used them; TF_NET_NONE */
  uint32_t       constant;       /* likewise */
} tf_net_half_value_t;

/* A value's tensors in the state; cnt 0: none. */
typedef struct tf_net_held {
  uint32_t history_at, history_cnt;
  int32_t  age_min;
  uint32_t store_at, store_first, store_cnt;
  uint32_t recurrence_at[2]; /* h and c; TF_NET_NONE */
} tf_net_held_t;

/* A part of a tensor: along each axis cnt places from first on, apart from each other. */
typedef struct tf_net_box {
  uint32_t first[TF_TENSOR_RANK_MAX], cnt[TF_TENSOR_RANK_MAX], apart[TF_TENSOR_RANK_MAX];
} tf_net_box_t;

/* What was fetched already. */
typedef struct tf_net_memo {
  uint32_t     from, value;
  tf_net_box_t box;
} tf_net_memo_t;

typedef struct tf_net_half {
  tf_net_t            *net;
  tf_net_half_value_t *values; /* (value_cnt) of the whole net */
  tf_net_memo_t       *memos;
  uint32_t             memo_cnt, memo_room;
} tf_net_half_t;

typedef struct tf_net_cutter {
  const tf_net_t *whole;
  tf_net_flow_t   flow;
  tf_net_cut_t   *cut;
  tf_net_held_t  *held; /* (value_cnt) */
  tf_net_half_t   halves[TF_NET_HALF_CNT];
  uint32_t        half; /* in work */
} tf_net_cutter_t;

TF_INLINE tf_net_half_t *tf_net_half_of(tf_net_cutter_t *c) { return &c->halves[c->half]; }

/* A value of the half in work. It moves when one is added. */
TF_INLINE const tf_net_value_t *tf_net_half_value(const tf_net_cutter_t *c, uint32_t value) {
  return &c->halves[c->half].net->values[value];
}

TF_INLINE tf_net_flow_value_t *tf_net_half_flow(const tf_net_cutter_t *c, uint32_t value) {
  return &c->flow.values[value];
}

/* A value's shape in the whole net. */
TF_INLINE const tf_tensor_shape_t *tf_net_half_whole(const tf_net_cutter_t *c, uint32_t value) {
  return &c->whole->values[value].shape;
}

/* All of a tensor. */
tf_net_box_t tf_net_half_box(const tf_tensor_shape_t *shape);
/* shape with cnt positions along axis, which may be TF_NET_NONE. */
tf_tensor_shape_t tf_net_half_with_positions(const tf_tensor_shape_t *shape, uint32_t axis,
                                             uint32_t cnt);

/* All of the following add to the half in work, as tf_net_add does, and give a value of it. */

tf_err_t tf_net_half_add(tf_net_cutter_t *c, const tf_net_spec_t *spec, uint32_t *value);
/* A product of node's, whose rows keep their range. */
tf_err_t tf_net_half_add_product(tf_net_cutter_t *c, const tf_net_node_t *node,
                                 const tf_net_spec_t *spec, uint32_t *value);
tf_err_t tf_net_half_add_reshape(tf_net_cutter_t *c, uint32_t in, const uint32_t *dims,
                                 uint32_t rank, uint32_t *value);
tf_err_t tf_net_half_add_concat(tf_net_cutter_t *c, const uint32_t *in, uint32_t cnt, uint32_t axis,
                                uint32_t *value);
/* Takes over values (malloc'd; NULL is E_CORE_NO_MEMORY). */
tf_err_t tf_net_half_add_constant(tf_net_cutter_t *c, const tf_tensor_shape_t *shape, float *values,
                                  uint32_t *value);
/* Writes part over the places from first on of the cnt along axis of a tensor in the state, which value then is. */
tf_err_t tf_net_half_add_keep(tf_net_cutter_t *c, uint32_t part, uint32_t axis, uint32_t first,
                              uint32_t cnt, uint32_t at, uint32_t *value);
/* A part of a value of the half. What lies in the state is read where it lies. */
tf_err_t tf_net_half_cut(tf_net_cutter_t *c, uint32_t from, const tf_net_box_t *b, uint32_t *value);
/* A part of a value of the whole net, put together from wherever its positions are. E_MODEL_UNSUPPORTED where one is nowhere. */
tf_err_t tf_net_half_fetch(tf_net_cutter_t *c, uint32_t from, const tf_net_box_t *b,
                           uint32_t *value);

#endif
