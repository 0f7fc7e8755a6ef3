/* A fleet: a model's newest answers over all instruments of a lane, as the mean, the greatest and the breadth of
 * their scores (p50) and of their p90s. Rules read them as fleet_mean, fleet_max, fleet_breadth, fleet_p90_mean ..
 *
 * A tree over the instruments, each node the sum of its two children:
 *
 *                  root: what a rule reads
 *                /      \
 *             .. leaf: one instrument, absent until it answers, and again when its newest tick had no answer
 *
 * So an update costs log2(instruments) nodes, nothing drifts as a running sum would, and the figures depend on the
 * newest answers alone, not on the order in which they came: a replay has the same bits.
 *
 * breadth is the share of the instruments whose value lies within breadth_min .. breadth_max. Before any
 * instrument has answered, and for the p90s of a model without quantiles, all are NaN.
 *
 * An instrument that has gone quiet would count for ever, so with a max_age_ns it leaves once its answer is older, at the next
 * update of whatever instrument, by the market's receive time. Leaves are kept in the order of their answers, and only the oldest
 * are looked at; a silence of many ends in an update that takes all of them out, log2(instruments) nodes each.
 *
 * Owner and only writer: the lane. Memory is the caller's; a zeroed one is an empty fleet. */
#ifndef TF_SERVE_FLEET_H
#define TF_SERVE_FLEET_H

#include "core/walk.h"
#include "serve/post.h"

typedef struct tf_fleet_node {
  double   sum[2]; /* of the scores, of the p90s */
  double   max[2];
  uint32_t within[2];
  uint32_t cnt[2];
} tf_fleet_node_t;

typedef struct tf_fleet_figures {
  double mean, max, breadth;
} tf_fleet_figures_t;

/* A leaf among those that are present, in the order of their answers. */
typedef struct tf_fleet_age {
  uint64_t at_ns;
  uint32_t older, newer; /* itself twice: it is absent */
} tf_fleet_age_t;

typedef struct tf_fleet {
  uint64_t           max_age_ns; /* 0: answers count however old */
  uint64_t           now_ns;     /* the newest of the updates' */
  tf_fleet_age_t    *ages;       /* (leaf_cnt + 1) the last is both ends of the order */
  double             breadth_min, breadth_max;
  uint32_t           leaf_cnt;   /* a power of two */
  tf_fleet_figures_t figures[2]; /* of the scores, of the p90s: of the tick in hand */
  tf_fleet_node_t   *nodes;      /* (2 * leaf_cnt) node 1 is the root, leaf i is leaf_cnt + i */
} tf_fleet_t;

/* Bytes of nodes for as many instruments (1 .. 2^24). */
size_t tf_fleet_bytes(uint32_t instrument_cnt);
void   tf_fleet_init(tf_fleet_t *fleet, void *nodes, uint32_t instrument_cnt, double breadth_min,
                     double breadth_max);

/* The instrument's newest answer, at now_ns of the market's time; NULL: its tick had none. instrument_idx below init's count. */
void tf_fleet_update(tf_fleet_t *fleet, uint32_t instrument_idx, const tf_answer_t *answer,
                     uint64_t now_ns);

/* All of it, for as many instruments as it was made for. */
void tf_fleet_walk(tf_fleet_t *fleet, tf_walk_t *walk);

#endif
