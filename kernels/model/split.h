/* The products of a timed step over two threads: each matrix's outputs are shared out between the lane and a helper that spins
 * on another core. Of use to models whose weights outgrow one core's L2 or budget (lstm_b: 1 MiB in bf16).
 *
 *   lane                                           helper
 *   post     copies the row, orders job n  ----->  assist   sees order n, multiplies its outputs
 *            multiplies its own outputs                      into out, done = n
 *   collect  waits for done, copies out    <-----
 *
 * Both multiply with the same packed weights and every output is one sum in one order, so the bits are those of one
 * thread.
 *
 * The wait is bounded: as long again as the lane's own part took, and TF_SPLIT_SLACK_NS. Then the lane multiplies the rest itself,
 * and orders nothing more until the helper has caught up, which costs it a load a job. A helper that is
 * asleep, descheduled or not there costs one wait, and no answer. The lane's worst case is three times its
 * part.
 *
 * Every word has one writer. row is the lane's while done == order, and so may not change under a helper that is late; out
 * is the helper's between an order and its done. One lane thread and one helper thread. */
#ifndef TF_KERNELS_MODEL_SPLIT_H
#define TF_KERNELS_MODEL_SPLIT_H

#include "op/mat.h"

#define TF_SPLIT_LANES    2u
#define TF_SPLIT_JOBS_MAX 16u
/* The helper's share of a matrix's panels in sixteenths, less than half, since the row and its answer travel meanwhile; and
 * what a matrix must have for a panel to be the helper's. */
#define TF_SPLIT_HELPER_SIXTEENTHS 7u
#define TF_SPLIT_OUTPUTS_MIN       (2 * TF_MAT_BLOCK * TF_MAT_PANEL_BLOCKS + 1)
/* Two hand-offs between cores, some 100 ns each, and a helper whose core was interrupted for a moment. */
#define TF_SPLIT_SLACK_NS 1000u

/* A matrix's two parts: views of its packed weights, whole panels each. */
typedef struct tf_split_job {
  tf_mat_t     lane, helper; /* helper.out_cnt 0: too small to be shared out */
  const float *lane_bias, *helper_bias;
} tf_split_job_t;

typedef struct tf_split {
  /* Immutable. */
  tf_split_job_t jobs[TF_SPLIT_JOBS_MAX];
  uint32_t       job_cnt;
  uint64_t       slack_ticks;
  uint8_t       *row;
  float         *out;
  /* By the lane. */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t order; /* how many were given; with release */
  uint32_t job;                                  /* of the newest order */
  uint64_t late_cnt;                             /* waits that ended without an answer */
  uint64_t alone_cnt;                            /* jobs that the helper had no part in */
  /* By the helper. */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t done; /* the order that out answers; with release */
} tf_split_t;
TF_STATIC_ASSERT(sizeof(tf_split_t) % TF_LINE_PAIR_BYTES == 0, "done has a line pair to itself");

/* mats: cnt, in the order of their jobs; biases[i] may be NULL. Both must outlive the split. NULL for no memory. Control plane. */
tf_split_t *tf_split_new(const tf_mat_t *const *mats, const float *const *biases, uint32_t cnt);
bool        tf_split_shares(const tf_split_t *split); /* any job has a part for the helper */
void        tf_split_delete(tf_split_t *split);       /* accepts NULL; nobody may be in assist */

/* out = the job's matrix times row, plus its bias: tf_mat_out_floats of room. The lane's thread. */
void tf_split_mul(tf_split_t *split, uint32_t job, const void *row, float *out);

/* Does what was ordered; how many jobs that were, 0 or 1. The helper's thread. */
uint32_t tf_split_assist(tf_split_t *split);

#endif
