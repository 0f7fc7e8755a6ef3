/* What of a net must be computed anew on each tick. A window slides by one row a tick; a value that has the rows along one of
 * its axes, at whatever step, is a row of positions. Each position is one of
 *
 *   idle      the answer does not need it
 *   kept      made of rows in the same way as the position behind it: it was computed on an earlier tick, when those rows
 *             were nearer to the end of the window
 *   deferred  not that (zeros of a padding, a position's number, a recurrence from a zero state are in it), but not made
 *             of the newest row: computed for the next window as soon as this one's answer is out
 *   timed     the rest
 *
 * Of the kept positions the newest is computed on each tick, timed or deferred; of a recurrence all from the first on. Under a
 * causal mask, a row of scores ends at the last column that is not masked. */
#ifndef TF_KERNELS_MODEL_NET_FLOW_H
#define TF_KERNELS_MODEL_NET_FLOW_H

#include "model/net_tie.h"

/* A position's marks. */
enum {
  TF_NET_FLOW_EVEN     = 1 << 0, /* made of rows like the others so marked, each of its own time */
  TF_NET_FLOW_NEWEST   = 1 << 1, /* the newest row is in it */
  TF_NET_FLOW_WANTED_T = 1 << 2, /* timed work reads it */
  TF_NET_FLOW_WANTED_D = 1 << 3, /* deferred work reads it */
  TF_NET_FLOW_TIMED    = 1 << 4, /* computed on the timed path */
  TF_NET_FLOW_DEFERRED = 1 << 5,
  TF_NET_FLOW_KEPT     = 1 << 6, /* in the history; of these the newest is computed too */
  TF_NET_FLOW_STORED   = 1 << 7  /* deferred work leaves it to the timed path */
};

/* What a value ends in where a mask says so. */
typedef enum tf_net_mask {
  TF_NET_MASK_NONE,
  TF_NET_MASK_LEAST, /* scores: far below all others */
  TF_NET_MASK_ZERO   /* weights: 0 */
} tf_net_mask_t;

/* A value, 0 the window itself. Positions are along axis; a value without one is one position. */
typedef struct tf_net_flow_value {
  uint32_t      axis; /* TF_NET_NONE: none */
  uint32_t      cnt;
  int32_t       step;    /* rows from an even position to the next */
  uint8_t      *marks;   /* (cnt) */
  int32_t      *age;     /* (cnt) of an even position: rows behind its newest one */
  uint32_t     *columns; /* (cnt) how many of the last axis anything reads; NULL: all */
  uint32_t     *live;    /* (cnt) of a masked value: how many are not masked; NULL where none are */
  tf_net_mask_t mask;
} tf_net_flow_value_t;

typedef struct tf_net_flow {
  const tf_net_t      *net;
  tf_net_flow_value_t *values; /* (value_cnt) */
} tf_net_flow_t;

/* Positions of an input that position of the output is made of. first may be below 0, and the last past the end. */
typedef struct tf_net_reads {
  int64_t  first, apart;
  uint32_t cnt;
} tf_net_reads_t;

/* E_CORE_NO_MEMORY. fini accepts what init left of a failure. */
tf_err_t tf_net_flow_init(tf_net_flow_t *flow, const tf_net_t *net);
void     tf_net_flow_fini(tf_net_flow_t *flow);

tf_net_reads_t tf_net_flow_reads(const tf_net_flow_t *flow, const tf_net_node_t *node, uint32_t i,
                                 uint32_t position);

/* The greatest columns of cnt positions from first on: what is computed of each of them. */
uint32_t tf_net_flow_columns(const tf_net_flow_t *flow, uint32_t value, uint32_t first,
                             uint32_t cnt);
/* How many terms of the sums that node, a product of masked weights, takes for these positions; 0: all. */
uint32_t tf_net_flow_terms(const tf_net_flow_t *flow, const tf_net_node_t *node, uint32_t first,
                           uint32_t cnt);

#endif
