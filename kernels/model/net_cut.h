/* A net over a window cut in two by what net_flow.h says of its positions: the timed net takes the newest row and the state and
 * gives the answer; the deferred net takes the state and makes it ready for the next row. Each computes only its positions, with
 * the same ops in the same order, so that the answer is bit for bit that of the whole net.
 *
 * What outlives a tick lies in the instrument's state, as tensors that ops read in place: of a value's kept positions a history,
 * a row's age apart, the oldest first; of its deferred positions those that the timed net reads, with room for the timed ones
 * behind them; of a recurrence where it stands. A history moves on by one place a tick, ahead of the deferred net. */
#ifndef TF_KERNELS_MODEL_NET_CUT_H
#define TF_KERNELS_MODEL_NET_CUT_H

#include "model/net_flow.h"

/* An instrument's. */
#define TF_NET_CUT_STATE_BYTES_MAX (UINT64_C(1) << 24)

/* A history: cnt floats from at on become those by further on. */
typedef struct tf_net_shift {
  uint32_t at, cnt, by;
} tf_net_shift_t;

/* What becomes of a node's positions on a tick: each is one of these, or idle. Of the kept ones the newest counts as computed. */
typedef struct tf_net_share {
  uint32_t timed, kept, deferred, all;
} tf_net_share_t;

typedef struct tf_net_cut {
  tf_net_t       *timed, *deferred; /* deferred: NULL for nothing */
  uint32_t        answer;           /* value of timed */
  tf_net_shift_t *shifts;
  uint32_t        shift_cnt;
  uint32_t        state_floats;
  tf_net_share_t *shares; /* (node_cnt) of the whole net */
} tf_net_cut_t;

/* E_MODEL_UNSUPPORTED for a net whose state outgrows TF_NET_CUT_STATE_BYTES_MAX, or that the cut does not fit;
 * E_CORE_NO_MEMORY. */
tf_err_t tf_net_cut_init(tf_net_cut_t *cut, const tf_net_t *net);
void     tf_net_cut_fini(tf_net_cut_t *cut); /* accepts a zeroed one */

#endif
