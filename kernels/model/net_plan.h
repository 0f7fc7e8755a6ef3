/* What runs of a graph of tensor operations: steps in order, for one instruction set and precision. Constants are packed as their ops
 * read them, in one block with the steps; immutable once made, so any number of threads run it, each with a
 * scratch of its own.
 *
 * All values lie in one scratch. Two values share memory where neither is needed while the other is; an op that works
 * value by value writes over an input that nobody reads after it, and a reshape is no step at all. A constant added along the last axis behind
 * a product is that product's bias; what works value by value on a step's result behind it is run with that step, while the
 * result is in L1. In the plan of a whole net attention is one step (net_attention.h). */
#ifndef TF_KERNELS_MODEL_NET_PLAN_H
#define TF_KERNELS_MODEL_NET_PLAN_H

#include "model/net.h"

/* Value by value behind a step's op. */
#define TF_NET_PLAN_BEHIND_MAX 8u
/* Scratch of one plan. */
#define TF_NET_PLAN_SCRATCH_BYTES_MAX (UINT64_C(1) << 28)

/* One op: where its inputs lie. */
typedef struct tf_net_call {
  tf_tensor_use_t use;
  const float    *constants[TF_TENSOR_INPUTS_MAX]; /* NULL: in scratch, at */
  uint32_t        at[TF_TENSOR_INPUTS_MAX];        /* floats */
  uint32_t        out_at;
  uint32_t        node;     /* of the graph */
  uint32_t        in_state; /* bit i: input i lies in the state, not in scratch */
  bool            out_in_state;
} tf_net_call_t;

typedef struct tf_net_step {
  uint32_t first; /* calls */
  uint32_t cnt;
} tf_net_step_t;

typedef struct tf_net_plan {
  uint32_t       input_cnt, output_cnt, window;
  uint32_t       step_cnt, call_cnt;
  uint32_t       input_at, output_at; /* floats into scratch */
  bool           output_in_state;     /* into the state, that is */
  uint32_t       work_at;             /* ops' own scratch */
  tf_isa_t       isa;
  tf_precision_t precision; /* of products with a constant side (tensor/rounded.h) */
  size_t         scratch_bytes;
  uint64_t       value_bytes;  /* of all values, had each its own memory */
  uint64_t       weight_bytes; /* as packed */
  uint64_t       flops;
  size_t         block_bytes;
  tf_net_step_t *steps; /* these lie in the same block */
  tf_net_call_t *calls;
} tf_net_plan_t;

/* E_CORE_NO_MEMORY, E_MODEL_UNSUPPORTED past the limits, E_CORE_ARGUMENT for an instruction set that the CPU has not. plan is
 * the caller's to delete. */
tf_err_t tf_net_plan_new(const tf_net_t *net, tf_isa_t isa, tf_precision_t precision,
                         tf_net_plan_t **plan);
void     tf_net_plan_delete(tf_net_plan_t *plan); /* accepts NULL */
/* A part of a net, whose values lie in an instrument's state too. The answer is value answer; with TF_NET_NONE there is
 * none, and the window is not read. Every call is a node's own: a card knows the ops of a net, no steps made of several. */
tf_err_t tf_net_plan_new_part(const tf_net_t *net, tf_isa_t isa, tf_precision_t precision,
                              uint32_t answer, tf_net_plan_t **plan);

/* A window of rows in, its outputs out. No allocation, no failure, no state. rows: window times input_cnt floats. scratch:
 * scratch_bytes, aligned to 64. */
void tf_net_plan_run(const tf_net_plan_t *plan, void *scratch, const float *rows, float *out);
/* The same of a part, over a state. rows NULL: none are read; out NULL: none is written. */
void tf_net_plan_run_part(const tf_net_plan_t *plan, void *state, void *scratch, const float *rows,
                          float *out);
/* The same, lowering each step's time in ticks (of tf_clock_ticks), step_cnt of them, to what it took now. */
void tf_net_plan_profile(const tf_net_plan_t *plan, void *state, void *scratch, const float *rows,
                         float *out, uint64_t *ticks);

/* "matmul [16,64]x[64,32] +bias +each gelu" for people; always NUL-terminated. */
void     tf_net_plan_describe(const tf_net_plan_t *plan, uint32_t step, char *target, size_t bytes);
uint64_t tf_net_plan_step_flops(const tf_net_plan_t *plan, uint32_t step);

#endif
