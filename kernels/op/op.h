/* Model operations: one file an op, one line in ops.def. An op is a descriptor: how shapes go
 * through it, a plain C reference in double, and a run function for each instruction set. All
 * values are one row of float: a batch is rows run one after another, so a row's bits cannot depend
 * on its neighbours. Over a window of rows an op of kind row answers row by row; the other kinds
 * carry a state from row to row, or make one row of the window.
 *
 * The same bits everywhere. Every run function does the same IEEE additions, multiplications and
 * divisions in the same order, whatever its vector width: lanes hold different outputs, never
 * parts of one sum, and multiply and add are never contracted into FMA. So scalar, AVX2 and
 * AVX-512 agree bit for bit (tests/kernels/op checks it), and a replay on a laptop gives the
 * scores of the server. bench/bench_model.c measures what doing without FMA costs: nothing on an
 * EPYC (2026-11), which multiplies and adds on separate ports; not measured elsewhere.
 *
 * Summation order of gemm: partial sum c (0..7) adds w[o][k] * x[k] for k = c, c+8, c+16, ...; then
 * ((p0+p1)+(p2+p3)) + ((p4+p5)+(p6+p7)), then + bias. Softmax adds its terms in the same way.
 *
 * NaN goes through every op: a NaN in a row gives a NaN in the outputs that depend on it, which is
 * what the output guard of the decide stage looks for. No op turns it into a number. */
#ifndef TF_KERNELS_OP_H
#define TF_KERNELS_OP_H

#include "core/isa.h"
#include "tf/err.h"

/* Buffers of a row have room for the next multiple of this many floats, and start at a multiple of
 * 64 bytes: run functions read and write whole vectors. What lies in the padding is nobody's. */
#define TF_OP_PAD 16

/* Widest row that a shape function lets through, and the most weights of one op: bounds for sizes
 * that come from a file. */
#define TF_OP_WIDTH_MAX  65536u
#define TF_OP_WEIGHT_MAX (UINT64_C(1) << 28)
/* Recurrent ops. */
#define TF_OP_UNITS_MAX     8192u
#define TF_OP_BIASES_A_UNIT 4u

/* What gemm can apply to its result before it is stored. */
typedef enum tf_op_act {
  TF_OP_ACT_NONE,
  TF_OP_ACT_RELU,
  TF_OP_ACT_LEAKY_RELU, /* slope alpha below zero */
  TF_OP_ACT_TANH,
  TF_OP_ACT_SIGMOID,
  TF_OP_ACT_CLIP, /* to alpha .. beta */
  TF_OP_ACT_CNT
} tf_op_act_t;

/* One use of an op. shape, ref and pack read weight as written in the model file: for gemm out_cnt
 * rows of in_cnt, for add and mul one constant an element. run reads what pack wrote instead.
 * alpha and beta belong to act, or to the op itself where it is an activation. */
typedef struct tf_op_params {
  uint32_t     in_cnt;
  uint32_t     out_cnt;
  const float *weight;
  const float *bias; /* gemm only; out_cnt, or NULL for none; once packed, padded and never NULL */
  uint64_t     weight_cnt; /* floats in weight, as found in the file */
  uint64_t     bias_cnt;
  tf_op_act_t  act;
  float        alpha;
  float        beta;
} tf_op_params_t;

/* in and out may not overlap. Any thread; no state. */
typedef void (*tf_op_run_t)(const tf_op_params_t *params, const float *in, float *out);

/* The same of row_cnt rows, strides in floats: the bits of row_cnt runs. in and out have room for whole vectors. */
typedef void (*tf_op_rows_t)(const tf_op_params_t *params, const float *in, size_t in_stride,
                             uint32_t row_cnt, float *out, size_t out_stride);

typedef enum tf_op_kind {
  TF_OP_KIND_ROW,       /* each row by itself: run */
  TF_OP_KIND_RECURRENT, /* a row and what the rows before left: cell */
  TF_OP_KIND_LAST,      /* the window's last row */
  TF_OP_KIND_FLATTEN    /* the window's rows one behind the other, as one row */
} tf_op_kind_t;

/* How a cell takes its sigmoid and tanh. */
typedef enum tf_op_curve {
  TF_OP_CURVE_EXACT, /* to a few units in the last place (lanes_math.h) */
  TF_OP_CURVE_CUBIC, /* to an absolute error, without divisions: for bf16 and int8 */
  TF_OP_CURVE_CNT
} tf_op_curve_t;

/* One unit's new output from its gates, for units units. Both gate rows are gate after gate, in the
 * order of the weights: from_h is U h + b of the rows before, from_x is W x of this one. carry is
 * what goes from row to row beside h. All may be read up to a vector past their end; carry and h
 * are written to the next multiple of TF_OP_PAD and 64-byte aligned. */
typedef void (*tf_op_cell_t)(uint32_t units, const float *from_h, const float *from_x, float *carry,
                             float *h);

typedef struct tf_op {
  const char  *name;
  tf_op_kind_t kind;
  /* The same op as an activation that gemm can fuse; TF_OP_ACT_NONE if it is none. */
  tf_op_act_t act;
  bool        mixes; /* an output depends on the whole row, not on one value of it */
  bool        has_weight;
  bool        has_bias;
  uint8_t     scalar_cnt; /* how many of alpha, beta it takes */
  /* Sets params->out_cnt from in_cnt and the weights; checks every size and that the scalars are
   * finite and in order. E_MODEL_SHAPE, saying which size disagrees. */
  tf_err_t (*shape)(tf_op_params_t *params);
  /* The op in double, plainly. in and out may not overlap. */
  void (*ref)(const tf_op_params_t *params, const double *in, double *out);
  /* Floats that pack writes, a multiple of TF_OP_PAD; NULL for an op without weights. */
  uint64_t (*packed_cnt)(const tf_op_params_t *params);
  /* Writes weight, then bias, in the order that run[isa] reads them, and points packed's weight
   * and bias at them. target is 64-byte aligned. */
  void (*pack)(const tf_op_params_t *params, tf_isa_t isa, float *target, tf_op_params_t *packed);
  tf_op_run_t  run[TF_ISA_CNT];
  tf_op_rows_t rows[TF_ISA_CNT]; /* NULL: row by row is as good */
  /* Recurrent ops: gates a unit; biases too are TF_OP_BIASES_A_UNIT a unit, which says how many
   * units there are. weight has a row for each gate of each unit: W's in_cnt values, then U's.
   * ref_step: one row in double; carry (2 a unit) and h (1 a unit) begin as zeros. */
  uint8_t      gate_cnt;
  tf_op_cell_t cell[TF_OP_CURVE_CNT][TF_ISA_CNT];
  void (*ref_step)(const tf_op_params_t *params, const double *in, double *carry, double *h);
  double nmse_max; /* sum (run - ref)^2 / sum ref^2, at most, on rows of magnitude 1 */
  uint64_t (*flops)(const tf_op_params_t *params);
  uint64_t (*bytes)(const tf_op_params_t *params); /* read and written, each once */
} tf_op_t;

/* The op called name, or NULL. */
const tf_op_t *tf_op_find(const char *name);
/* The idx-th op in alphabetical order, or NULL past the last. */
const tf_op_t *tf_op_at(uint32_t idx);
/* The op that act stands for; NULL for TF_OP_ACT_NONE. */
const tf_op_t *tf_op_of_act(tf_op_act_t act);

/* Shared by the ops' shape and cost functions. */
tf_err_t tf_op_shape_same(tf_op_params_t *params);
uint64_t tf_op_flops_elements(const tf_op_params_t *params);
uint64_t tf_op_bytes_elements(const tf_op_params_t *params);

/* The same for recurrent ops of gate_cnt gates. */
tf_err_t tf_op_shape_recurrent(tf_op_params_t *params, uint32_t gate_cnt);
uint64_t tf_op_flops_recurrent(const tf_op_params_t *params);
uint64_t tf_op_bytes_recurrent(const tf_op_params_t *params);
/* Sum of w[k] x[k] in double, for references: in four parts, which quarters its time. */
double tf_op_dot(const float *w, const double *x, uint32_t cnt);
/* Columns of an op's weight as a matrix; 0 for a vector. */
uint64_t tf_op_weight_columns(const tf_op_t *op, uint64_t in_cnt, uint64_t bias_cnt);

/* Checks, packing and size of the ops that hold one constant an element. */
tf_err_t tf_op_shape_constant(tf_op_params_t *params);
uint64_t tf_op_packed_cnt_constant(const tf_op_params_t *params);
void     tf_op_pack_constant(const tf_op_params_t *params, tf_isa_t isa, float *target,
                             tf_op_params_t *packed);

#endif
