/* Operations on whole tensors: one file an op, one line in tensors.def. They make up the models that are no
 * chain of row ops (model/net.h): convolutions, attention, branches. An op is a descriptor: which inputs
 * and numbers it takes, how shapes go through it, a plain reference in double, which also folds constants,
 * and a run function for float. What works value by value (activations) or on the last axis is a row op of op/op.h,
 * applied by each and rows.
 *
 * Values are dense, row-major, of rank 0 to TF_TENSOR_RANK_MAX. Every shape is known before anything runs. A
 * buffer begins at a multiple of 64 bytes and has room for TF_TENSOR_PAD floats past its end, which are nobody's. An op
 * may not allocate or fail in run.
 *
 * The same bits everywhere, as in op/op.h: lanes hold different outputs, each sum is taken in one order, nothing is
 * contracted. What needs no vectors by hand is plain C. tests/kernels/tensor checks run against ref, and the instruction
 * sets against one another, for every op of the list. */
#ifndef TF_KERNELS_TENSOR_H
#define TF_KERNELS_TENSOR_H

#include "op/mat.h"

#define TF_TENSOR_RANK_MAX   8u
#define TF_TENSOR_INPUTS_MAX 32u
#define TF_TENSOR_INTS_MAX   32u
#define TF_TENSOR_REALS_MAX  4u
#define TF_TENSOR_PAD        64u
/* Products of one op that have rows of their own: those of x and of h, of a recurrent layer. */
#define TF_TENSOR_RANGES_MAX 2u
/* Values of one tensor: a bound for sizes that come from a file. */
#define TF_TENSOR_CNT_MAX (UINT64_C(1) << 24)

typedef struct tf_tensor_shape {
  uint32_t rank;
  uint32_t dims[TF_TENSOR_RANK_MAX];
  uint32_t cnt; /* product of dims; 1 for rank 0 */
} tf_tensor_shape_t;

/* How up to three inputs are read, value by value, to make an output: axes that can be walked as one are
 * one. Steps are in values, 0 along an axis that is repeated, negative backwards. */
#define TF_TENSOR_LOOP_INPUTS 3u
typedef struct tf_tensor_loop {
  uint32_t rank; /* at least 1 */
  uint32_t dims[TF_TENSOR_RANK_MAX];
  int32_t  step[TF_TENSOR_LOOP_INPUTS][TF_TENSOR_RANK_MAX];
  int32_t  begin[TF_TENSOR_LOOP_INPUTS];
} tf_tensor_loop_t;

typedef struct tf_tensor_op tf_tensor_op_t;

/* A product of an op with a constant matrix, which may run below fp32 (rounded.h). */
typedef struct tf_tensor_product {
  tf_mat_source_t source; /* weight is the caller's to set: input's constant, from value first on */
  uint32_t        input;  /* of the op: the constant */
  size_t          first;
  uint32_t        range; /* whose rows it meets: of use->ranges */
} tf_tensor_product_t;

/* One use of an op. ints and reals mean what the op's file says. shape fills out and loop. */
typedef struct tf_tensor_use {
  const tf_tensor_op_t *op;
  const tf_op_t        *row; /* of each, rows and recurrent; else NULL */
  tf_isa_t              isa;
  uint32_t              in_cnt, int_cnt, real_cnt;
  tf_tensor_shape_t     in[TF_TENSOR_INPUTS_MAX];
  tf_tensor_shape_t     out;
  int64_t               ints[TF_TENSOR_INTS_MAX];
  double                reals[TF_TENSOR_REALS_MAX];
  tf_tensor_loop_t      loop;
  uint32_t              constant_mask; /* bit i: input i is a constant, packed beforehand */
  const void           *packed;        /* what pack wrote */
  tf_precision_t        precision;     /* of products with a constant side; set before pack_bytes */
  float        ranges[TF_TENSOR_RANGES_MAX]; /* int8: of the rows of each product; 0: by row */
  const float *bias; /* of an op that fuses one: added along the last axis; else NULL */
} tf_tensor_use_t;

struct tf_tensor_op {
  const char *name;
  uint32_t    in_min, in_max;
  uint32_t    int_min, int_max; /* how many ints it takes */
  uint32_t    real_cnt;
  bool        takes_row;  /* a row op's name */
  bool        in_place;   /* out may be the memory of an input of the same size */
  bool        is_view;    /* out is input 0 under another shape: nothing is run */
  bool        fuses_bias; /* adds use->bias, one value each of the last axis, in the same pass */
  uint32_t    packs;      /* bit i: where input i is a constant, run reads packed in its place */
  /* Sets out and loop from in, ints and reals; checks every size. E_MODEL_SHAPE, E_MODEL_FORMAT. */
  tf_err_t (*shape)(tf_tensor_use_t *use);
  /* scratch: of scratch_cnt values, NULL where that is NULL. */
  size_t (*scratch_cnt)(const tf_tensor_use_t *use);
  void (*ref)(const tf_tensor_use_t *use, const double *const *in, double *out, double *scratch);
  void (*run)(const tf_tensor_use_t *use, const float *const *in, float *out, float *scratch);
  /* Bytes that pack writes of the inputs in constant_mask, for run to read; both NULL for most ops. in[i] is NULL
   * where input i is no constant. use->isa is the one that runs. target is aligned to 64. E_MODEL_FORMAT for constants that make no sense
   * (check, before the bytes are counted; may be NULL). */
  tf_err_t (*check)(const tf_tensor_use_t *use, const float *const *in);
  size_t (*pack_bytes)(const tf_tensor_use_t *use, const float *const *in);
  void (*pack)(const tf_tensor_use_t *use, const float *const *in, void *target);
  /* Product number idx below use->precision; false past the last. What is not told here stays fp32. NULL for most ops. */
  bool (*product)(const tf_tensor_use_t *use, uint32_t idx, tf_tensor_product_t *product);
  uint64_t (*flops)(const tf_tensor_use_t *use); /* NULL: one a value of out */
};

const tf_tensor_op_t *tf_tensor_find(const char *name); /* or NULL */
const tf_tensor_op_t *tf_tensor_at(uint32_t idx); /* in alphabetical order, NULL past the last */
uint64_t              tf_tensor_flops(const tf_tensor_use_t *use);

/* Checks counts of inputs and numbers, then shape; the text names the op. */
tf_err_t tf_tensor_shape(tf_tensor_use_t *use);

/* ---- for the ops ---- */

/* cnt from rank and dims. E_MODEL_SHAPE: an axis of 0, more than TF_TENSOR_CNT_MAX values. */
tf_err_t tf_tensor_shape_count(tf_tensor_shape_t *shape);
bool     tf_tensor_shape_same(const tf_tensor_shape_t *a, const tf_tensor_shape_t *b);
/* "[3, 4]" */
#define TF_TENSOR_SHAPE_TEXT_BYTES 96
const char *tf_tensor_shape_text(const tf_tensor_shape_t *shape, char *target);
/* Product of the axes from first to before end. */
uint32_t tf_tensor_axes_cnt(const tf_tensor_shape_t *shape, uint32_t first, uint32_t end);
/* axis of 0 .. rank - 1, or counted from the end, as 0 .. rank - 1. E_MODEL_SHAPE. */
tf_err_t tf_tensor_axis(const tf_tensor_shape_t *shape, int64_t axis, uint32_t *found);
/* Out is the inputs repeated along each other's axes (numpy's rule), and loop reads them so. */
tf_err_t tf_tensor_shape_broadcast(tf_tensor_use_t *use);
/* Makes one of axes that can be walked as one. */
void tf_tensor_loop_join(tf_tensor_loop_t *loop, uint32_t input_cnt);
/* Copies values of bytes (4 or 8) as loop says, from input 0. */
void tf_tensor_move(const tf_tensor_loop_t *loop, const void *in, void *out, size_t bytes);

/* ref and run of an op that only moves values: move(use, in, out, bytes a value) does both. */
#define TF_TENSOR_MOVES(move)                                                                      \
  static void ref(const tf_tensor_use_t *use, const double *const *in, double *out,                \
                  double *scratch) {                                                               \
    (void)scratch;                                                                                 \
    move(use, (const void *const *)in, out, sizeof *out);                                          \
  }                                                                                                \
  static void run(const tf_tensor_use_t *use, const float *const *in, float *out,                  \
                  float *scratch) {                                                                \
    (void)scratch;                                                                                 \
    move(use, (const void *const *)in, out, sizeof *out);                                          \
  }
/* Moves do no arithmetic. */
uint64_t tf_tensor_flops_none(const tf_tensor_use_t *use);

#endif
