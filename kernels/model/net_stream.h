/* A net over a sliding window at the cost of what the newest row changes (net_flow.h, net_cut.h). step runs the timed net; advance
 * moves the histories on by a row and runs the deferred net for the window that begins with the next row. When the next tick comes
 * first, step does that before: latency grows by it, in the open, and by no more. Each answer is bit for bit that of
 * tf_net_plan_run over the window's rows, as long as these and all that is made of them are finite: what a mask hides is not looked
 * at, where a recompute would find an infinite score behind it.
 *
 * While a window fills, both nets run over what the state happens to hold: a position is made of rows of its own window alone, so
 * nothing of that is in an answer. A state is an instrument's, holds no pointers, and must have been zeroed once. The
 * lane's thread. */
#ifndef TF_KERNELS_MODEL_NET_STREAM_H
#define TF_KERNELS_MODEL_NET_STREAM_H

#include "model/net_cut.h"
#include "model/net_plan.h"

/* Of a recompute's operations: where the timed path has more than this, a recompute is as good. */
#define TF_NET_STREAM_TIMED_PERCENT_MAX 90u

typedef struct tf_net_stream {
  uint32_t        window;
  tf_net_plan_t  *timed, *deferred; /* deferred: NULL for nothing */
  tf_net_shift_t *shifts;
  uint32_t        shift_cnt;
  tf_net_share_t *shares; /* by node of the whole net */
  size_t          state_bytes, scratch_bytes;
} tf_net_stream_t;

/* As tf_net_cut_init and tf_net_plan_new. */
tf_err_t tf_net_stream_new(const tf_net_t *net, tf_isa_t isa, tf_precision_t precision,
                           tf_net_stream_t **stream);
void     tf_net_stream_delete(tf_net_stream_t *stream); /* accepts NULL */

/* E_MODEL_UNSUPPORTED, with how much of the net's work is timed, where a recompute is as good. */
tf_err_t tf_net_stream_check(const tf_net_stream_t *stream, const tf_net_t *net);

/* As tf/model.h has them. */
void tf_net_stream_reset(const tf_net_stream_t *stream, void *state);
bool tf_net_stream_step(const tf_net_stream_t *stream, void *state, void *scratch, const float *row,
                        float *out);
void tf_net_stream_advance(const tf_net_stream_t *stream, void *state, void *scratch);

/* A step, then its deferred work, lowering the time in ticks (of tf_clock_ticks) of each to what it took now: of timed's steps, of the
 * histories' move, of deferred's steps. */
typedef struct tf_net_stream_profile {
  uint64_t *timed, *deferred;
  uint64_t  shifts;
} tf_net_stream_profile_t;
void tf_net_stream_profile(const tf_net_stream_t *stream, void *state, void *scratch,
                           const float *row, float *out, tf_net_stream_profile_t *profile);

#endif
