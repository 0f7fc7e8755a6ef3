/* Models over a sliding window of rows, exact at the latency of one row.
 *
 * The answer to a tick is that of its last T rows from a zero state. T windows are open at any time,
 * each begun one tick after the other, and each keeps the state that its rows have made so far. A tick
 * completes the oldest one, which needs a single step; the other T - 1 take the same row afterwards, all
 * at once, as products of matrices:
 *
 *   step      the row is made ready;  gates = W x + P, P = U h + b made beforehand;  cell;  next layer;  head
 *   advance   for the other windows  gates = W x + (U h + b), where W x of the first layer is one vector for
 *             all of them;  cell;  then P of the window that is oldest now
 *
 * A perceptron over the window's rows (flatten, then gemm) is the same with a sum for a state: window by
 * window it adds W_p x, p being how many rows the window had before, and step adds the newest row's part.
 *
 * Every number is made by the same operations in the same order whichever way a row comes to it, so the
 * answer is bit for bit that of a full recompute of the window, at any precision; tests/kernels/model/test_window.c
 * checks that.
 *
 * When the next tick comes before advance was called, step first brings the oldest window alone up to
 * date, a step for each tick missed: latency grows by about two rows' time a missed tick, and reaches that of a full
 * recompute after T - 1. advance then does all of them for the windows still open. A row that may not enter
 * (a feature is NaN) breaks the row of ticks that a window stands for: the caller resets, and the next
 * answer comes T good rows later.
 *
 * Windows of several instruments that tick at one time are stepped together (tf_window_step_many): layer by layer their W x are one
 * product of matrices, which reads W once.
 *
 * With a split (tf_window_split) a helper on another core takes a share of a step's products; the deferred work stays the
 * lane's. Then one thread at a time may call step, and another one assist.
 *
 * The plan is immutable, but for the split; a state belongs to one instrument, holds no pointers and begins as reset
 * leaves it; its memory must have been zeroed once. scratch is shared by all that one thread runs. No
 * allocation, no failure after tf_window_new. */
#ifndef TF_KERNELS_MODEL_WINDOW_H
#define TF_KERNELS_MODEL_WINDOW_H

#include "model/plan.h"
#include "model/split.h"

#define TF_WINDOW_LAYERS_MAX 16u
/* Of an instrument: the open windows' states. */
#define TF_WINDOW_STATE_BYTES_MAX (UINT64_C(1) << 30)

/* One recurrent layer; offsets are into the state. */
typedef struct tf_window_layer {
  const tf_op_t *op;
  uint32_t       node; /* of the graph */
  uint32_t       units;
  size_t         gate_floats; /* of a row of gates, with room for the cell's last vector */
  tf_mat_t       w, u;
  const float   *h_bias; /* (gate_floats) added to U h */
  const float   *x_bias; /* (gate_floats) added to W x; NULL for none */
  tf_op_cell_t   cell;
  size_t         rows_at;  /* (window) h made ready for u, and for the next layer's w */
  size_t         carry_at; /* (window) units, padded */
  size_t         ready_at; /* (gate_floats) P of the oldest window */
} tf_window_layer_t;

typedef struct tf_window {
  uint32_t       window;
  uint32_t       input_cnt, output_cnt;
  uint32_t       row_cnt_chunk; /* windows that advance together */
  tf_isa_t       isa;
  tf_precision_t precision;
  tf_plan_t     *before; /* each row, ahead of the window; NULL for nothing. fp32 */
  tf_plan_t     *after;  /* from the window's result to the outputs; NULL for nothing. fp32 */

  uint32_t          layer_cnt; /* 0: flatten and gemm */
  tf_window_layer_t layers[TF_WINDOW_LAYERS_MAX];
  tf_mat_t         *parts; /* (window) of the gemm behind flatten, the oldest row's first */
  const float      *parts_bias;
  size_t            sum_floats; /* of a window's sum */
  size_t            sums_at;    /* (window) */

  size_t inputs_at; /* (window) rows made ready for the first product */
  size_t input_row_bytes;
  size_t shared_at; /* (gate_floats) W x of the first layer, the newest tick's */
  size_t state_bytes;
  size_t scratch_bytes;
  size_t gates_at, products_at, h_at, shared_scratch_at, plan_scratch_at, row_at; /* in scratch */
  /* step_many's scratch: one step's, then of TF_MODEL_ROWS_MAX of them */
  size_t many_scratch_bytes;
  size_t many_rows_at, many_products_at, many_results_at, many_outs_at, many_made_at, many_plan_at;

  tf_split_t *split; /* who shares a step's products; NULL: one thread does all */

  uint64_t timed_flops, deferred_flops; /* a tick */
  uint64_t timed_bytes;                 /* weights that a timed path reads */
  uint64_t weight_bytes;                /* of all, packed */
  void    *block;
} tf_window_t;

/* Whether tf_window_new knows the chain's form: E_MODEL_UNSUPPORTED where it does not. A window of one row is always good. */
tf_err_t tf_window_check(const tf_graph_t *graph);

/* graph: window above 1. E_MODEL_UNSUPPORTED for a chain that is neither row ops, recurrent layers, row
 * ops nor row ops, flatten, gemm, row ops; or whose states outgrow TF_WINDOW_STATE_BYTES_MAX.
 * E_CORE_NO_MEMORY, E_CORE_ARGUMENT as tf_plan_new. */
tf_err_t tf_window_new(const tf_graph_t *graph, tf_isa_t isa, tf_precision_t precision,
                       tf_window_t **window);
void     tf_window_delete(tf_window_t *window); /* accepts NULL */

/* Makes a split, once. E_MODEL_UNSUPPORTED where there are no recurrent layers, or none with products wide enough to be shared
 * out; E_CORE_NO_MEMORY. */
tf_err_t tf_window_split(tf_window_t *window, const char *name);

/* As tf/model.h has them. */
void tf_window_reset(const tf_window_t *window, void *state);
bool tf_window_step(const tf_window_t *window, void *state, void *scratch, const float *row,
                    float *out);
void tf_window_advance(const tf_window_t *window, void *state, void *scratch);

/* As tf/model.h has it; not of a window with a split. */
void tf_window_step_many(const tf_window_t *window, void *const *states, void *scratch,
                         const float *rows, uint32_t cnt, float *out, bool *answered);

/* One window from a zero state, row by row: what a step is equal to. state: state_bytes, zeroed once. */
void tf_window_recompute(const tf_window_t *window, void *state, void *scratch, const float *rows,
                         float *out);

#endif
