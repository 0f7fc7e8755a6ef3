/* What runs: a graph made ready for one instruction set. Ops are fused, weights packed in the order
 * that they are read, all in one block of memory, on huge pages where it is large. Immutable once
 * made, so any number of threads may run it, each with a scratch of its own.
 *
 * Fused are: mul before gemm (into the columns of its weights), mul and add behind gemm (into its
 * rows and bias), and an activation behind gemm. An add before gemm (x - mean, say) is not folded
 * into the bias, though it is linear: with a price of 1e5 of which only the last digits matter,
 * W x + (b - W mean) would cancel away the five leading digits of a float, where W (x - mean) loses
 * none. It costs one vector operation. */
#ifndef TF_KERNELS_MODEL_PLAN_H
#define TF_KERNELS_MODEL_PLAN_H

#include "model/graph.h"
#include "op/mat.h"

typedef struct tf_plan_step {
  tf_op_run_t    run;    /* below fp32 a gemm is mat instead, and run its activation or NULL */
  tf_op_params_t params; /* packed */
  tf_mat_t       mat;    /* mat.mul is NULL where run does it all */
  const tf_op_t *op;
  uint32_t       node_first; /* the graph's nodes that this step stands for */
  uint32_t       node_last;
} tf_plan_step_t;

typedef struct tf_plan {
  uint32_t       step_cnt;
  uint32_t       input_cnt;
  uint32_t       output_cnt;
  uint32_t       row_floats;  /* room for the widest row, padded */
  size_t         ready_bytes; /* room for the widest row made ready for mat */
  tf_isa_t       isa;
  tf_precision_t precision;
  bool           direct; /* the first step reads the caller's row in place */
  size_t         scratch_bytes;
  uint64_t       weight_bytes; /* as packed: what a run reads */
  uint64_t       flops;
  size_t         block_bytes; /* of this struct, its steps and the weights behind them */
  tf_plan_step_t steps[];
} tf_plan_t;

/* A part of a graph: node_cnt nodes from node_first on. Of these only ops of kind row are planned; the
 * others concern the window. */
typedef struct tf_plan_spec {
  tf_isa_t       isa;
  tf_precision_t precision; /* of gemm */
  uint32_t       node_first;
  uint32_t       node_cnt;
} tf_plan_spec_t;

/* E_CORE_NO_MEMORY, E_MODEL_SHAPE for a part without an op, E_CORE_ARGUMENT for an instruction set that
 * the CPU has not. plan is the caller's to delete. */
tf_err_t tf_plan_new_part(const tf_graph_t *graph, const tf_plan_spec_t *spec, tf_plan_t **plan);

/* The whole of a graph over one row, in fp32. Makes a plan for isa, which this CPU must support. E_CORE_NO_MEMORY, E_MODEL_SHAPE,
 * E_CORE_ARGUMENT for an instruction set that the CPU has not. plan is the caller's to delete. */
tf_err_t tf_plan_new(const tf_graph_t *graph, tf_isa_t isa, tf_plan_t **plan);
void     tf_plan_delete(tf_plan_t *plan); /* accepts NULL */

/* "gemm 12->32 +relu" for people; always NUL-terminated. */
void tf_plan_describe_step(const tf_plan_step_t *step, char *target, size_t bytes);

#endif
