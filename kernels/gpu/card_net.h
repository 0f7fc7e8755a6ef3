/* A net of tensor operations (model/net.h), or a chain of row ops as one, as a program for a persistent kernel that interprets it:
 * net.cuh. What runs on a tick is a list of ops, each by all threads of a block together; between two ops that touch the same
 * memory there is a barrier, and none elsewhere: ops that need nothing of one another stand side by side in a phase, on different
 * threads.
 *
 *   graph -> net -> cut in a timed and a deferred half where that pays (model/net_cut.h)
 *         -> nodes by depth (card_net_order.c) -> memory by lifetimes (model/net_plan.h)
 *         -> ops (card_net_ops.c, card_net_products.c), tables and packed weights (card_net_draft.h) -> image
 *
 * Few kinds of op serve all that a net has. What moves values, works value by value, or does both is one kind: a value comes from where a
 * table says, goes through a list of functions, and is stored. A convolution is such a move into rows, and a product. Reductions and pools are
 * folds over a table. The functions behind a product run on its sums before these are stored.
 *
 * Weights are rounded to the program's precision where tensor/rounded.h rounds them on the CPU; rows and sums stay float, so that a
 * card's answer is nearer to the graph's in double than the CPU's. Norms, means and sums over axes are taken in double, as there. Every
 * sum has one order, which the op says (lanes), so a row's bits do not depend on what else runs.
 *
 * Where things lie: values in shared memory, or, past it, in the card's (and so in L2); of the image, ops, small tensors and then larger
 * ones are kept in shared memory as long as there is room, smallest first: each costs a trip to L2 the less. The rest is read from L2.
 *
 * Weights past one block's shared memory: the blocks of a cluster share large products, each with its part of the outputs and their
 * weights, and store these into everybody's values. All else every block does for itself, so that it waits for nobody; what is written
 * to a state block 0 writes.
 *
 * An instrument's state must have been zeroed once. It holds the window's rows, or what the halves of a cut net leave each other. */
#ifndef TF_GPU_CARD_NET_H
#define TF_GPU_CARD_NET_H

#include "gpu/card.h"

/* Of a program. */
#define TF_CARD_NET_OPS_MAX   16384u
#define TF_CARD_NET_STEPS_MAX 32768u
/* An image, and all values at a time. */
#define TF_CARD_NET_WORDS_MAX (UINT32_C(1) << 28)
/* A tensor read through a table: its numbers have 30 bits. */
#define TF_CARD_NET_TABLE_AT_MAX (UINT32_C(1) << 30)
/* Threads that may share a sum: a warp. */
#define TF_CARD_NET_LANES_MAX 32u
#define TF_CARD_NET_WARP      32u
/* Blocks of a cluster that share weights: what every device with clusters grants. */
#define TF_CARD_NET_BLOCKS_MAX 8u
/* Words of a product's weights from which blocks share them, where one block's shared memory does not hold all weights. */
#define TF_CARD_NET_SPREAD_WORDS 4096u
/* Of a block: with 128 registers a thread it is the most that one multiprocessor holds. */
#define TF_CARD_NET_THREADS_MAX 512u
/* Of a state, before what it holds. */
#define TF_CARD_NET_HEAD_WORDS 32u
/* Of a block's shared memory, before its values: what the kernel knows of its program. */
#define TF_CARD_NET_CONTEXT_BYTES 128u
/* Bytes of weights that are read at once, of one output. */
#define TF_CARD_NET_VECTOR_BYTES 16u

/* What a place is counted from, in words of 4 bytes. */
typedef enum tf_card_net_base {
  TF_CARD_VALUES, /* a block's values */
  TF_CARD_STATE,  /* the instrument's, behind its head */
  TF_CARD_IMAGE,
  TF_CARD_KEPT, /* what of the image lies in shared memory */
  TF_CARD_NOWHERE
} tf_card_net_base_t;

typedef struct tf_card_net_place {
  uint32_t base; /* tf_card_net_base_t */
  uint32_t at;
} tf_card_net_place_t;

/* How value i of an op is found. */
typedef enum tf_card_net_walk {
  TF_CARD_STILL, /* the same for all */
  TF_CARD_ALONG, /* i words further on */
  TF_CARD_TABLE, /* place's word i says: base << 30 | at; TF_CARD_NOTHING: there is none, and 0, or fill, is read */
  TF_CARD_SELF /* of a function's second input: what its first is */
} tf_card_net_walk_t;
#define TF_CARD_NOTHING UINT32_MAX

typedef struct tf_card_net_view {
  tf_card_net_place_t place; /* of the value, or of the table */
  uint32_t            walk;  /* tf_card_net_walk_t */
} tf_card_net_view_t;

/* Functions of one value of each input, by the names of tensor and row ops. */
typedef enum tf_card_net_fn {
#define TF_CARD_FN(name, inputs, expr) TF_CARD_FN_##name,
#include "gpu/card_net_fn.def"
#undef TF_CARD_FN
  TF_CARD_FN_CNT
} tf_card_net_fn_t;

/* One function; the value that goes through is its input number through, the others are read. */
typedef struct tf_card_net_step {
  uint32_t           fn; /* tf_card_net_fn_t */
  uint32_t           through;
  tf_card_net_view_t others[2]; /* in order */
  float              alpha, beta;
} tf_card_net_step_t;

typedef enum tf_card_net_op_kind {
  TF_CARD_OP_EACH,    /* value by value */
  TF_CARD_OP_PRODUCT, /* rows times a packed matrix */
  TF_CARD_OP_MATMUL,  /* rows times a matrix that lies there as it is */
  TF_CARD_OP_FOLD,    /* values made one */
  TF_CARD_OP_ROW,     /* along rows: softmax, norms */
  TF_CARD_OP_RECURRENCE, /* a recurrent layer behind W x: a product and a cell a row, with barriers of its own */
  /* of a graph's kernels alone (card_graph.h): they would cost the interpreter registers */
  TF_CARD_OP_TREES,  /* each tree's leaf */
  TF_CARD_OP_GATHER, /* entries along an axis, by numbers that are computed */
  TF_CARD_OP_RESET, /* a recurrent layer whose reset gate works before the product: two products a row */
  TF_CARD_OP_KIND_CNT
} tf_card_net_op_kind_t;

typedef struct tf_card_net_each {
  tf_card_net_view_t from, to;
  float              fill;
} tf_card_net_each_t;

/* out[b, m, n] = sum over k of a[b, m, k] weight[b, n, k], + bias[b, n]. Steps in words. */
typedef struct tf_card_net_product {
  tf_card_net_place_t a, weight;
  tf_card_net_place_t scale; /* of int8 weights, an output's; else NOWHERE */
  tf_card_net_place_t bias;  /* or NOWHERE */
  uint32_t            precision;
  uint32_t            batch_cnt, m, n, k;
  uint32_t            a_batch, a_m, a_k;
  uint32_t            weight_batch, weight_n, weight_k; /* weight_k: of MATMUL alone */
  uint32_t            bias_batch, scale_batch;
  uint32_t            out_batch, out_m, out_n;
} tf_card_net_product_t;

typedef enum tf_card_net_fold_kind {
  TF_CARD_FOLD_SUM,
  TF_CARD_FOLD_MEAN,    /* over each_cnt */
  TF_CARD_FOLD_MEAN_OF, /* over those that there are */
  TF_CARD_FOLD_MAX,
  TF_CARD_FOLD_MIN,
  TF_CARD_FOLD_PROD
} tf_card_net_fold_kind_t;

/* out[o] from values o * each_cnt and on of from. */
typedef struct tf_card_net_fold {
  uint32_t           fold; /* tf_card_net_fold_kind_t */
  uint32_t           each_cnt;
  tf_card_net_view_t from;
} tf_card_net_fold_t;

typedef enum tf_card_net_row_kind {
  TF_CARD_ROW_SOFTMAX,
  TF_CARD_ROW_LAYER_NORM,
  TF_CARD_ROW_RMS_NORM
} tf_card_net_row_kind_t;

typedef struct tf_card_net_row {
  uint32_t            row; /* tf_card_net_row_kind_t */
  uint32_t            width;
  tf_card_net_place_t from, scale, shift; /* the last two: NOWHERE for none */
  float               epsilon;
} tf_card_net_row_t;

typedef enum tf_card_net_cell {
  TF_CARD_CELL_LSTM,
  TF_CARD_CELL_GRU,
  TF_CARD_CELL_RNN
} tf_card_net_cell_t;

/* One direction of a layer: row by row h' = cell(gates + R h + bias). gates: W x, (rows, batch, gates). R h + bias is the next op of the
 * list, a product of work_h that runs only here. Of RESET two products follow: of z and r, from work_h, and of h~, from the units behind
 * those of work_carry, which holds z; their biases are in gates. */
typedef struct tf_card_net_recurrence {
  uint32_t            cell; /* tf_card_net_cell_t */
  uint32_t            is_reverse;
  uint32_t            row_cnt, batch_cnt, unit_cnt;
  uint32_t            out_row;   /* words from row to row of the output; a row has (batch, units) */
  uint32_t            carry_row; /* the row that the last carry is, or TF_CARD_NOTHING */
  tf_card_net_place_t gates;
  tf_card_net_place_t h, carry;           /* first ones */
  tf_card_net_place_t work_h, work_carry; /* (batch, units) */
} tf_card_net_recurrence_t;

/* Trees of rows (tensor/tree_ensemble.c). Item (row, tree) writes its tree's leaf, of output o, to out[row, o, tree]; the last tree
 * is the base, or NaN where the row has one. A fold behind it makes the sums. */
typedef struct tf_card_net_trees {
  tf_card_net_place_t x, nodes, values, roots, base; /* nodes: tf_card_net_tree_node_t */
  uint32_t            width, tree_cnt, output_cnt;
} tf_card_net_trees_t;

/* A node, and where a row goes on from it: to the next one where its feature is at most the threshold, else other nodes on. */
typedef struct tf_card_net_tree_node {
  uint32_t bits; /* of the threshold; of a leaf: the number of its values */
  uint16_t feature;
  uint16_t other; /* 0: a leaf */
} tf_card_net_tree_node_t;

/* out[o, j, i] = from[o, number j, i] (tensor/gather.c). */
typedef struct tf_card_net_gather {
  tf_card_net_place_t from, numbers;
  uint32_t            size, number_cnt, inner;
} tf_card_net_gather_t;

typedef enum tf_card_net_barrier {
  TF_CARD_BARRIER_NONE,
  TF_CARD_BARRIER_BLOCK,
  TF_CARD_BARRIER_CLUSTER /* around a phase in which blocks write what others read */
} tf_card_net_barrier_t;

typedef struct tf_card_net_op {
  uint32_t kind;
  uint32_t node;     /* of the net, for people */
  uint32_t item_cnt; /* that threads, or groups of lanes, share out among themselves */
  uint32_t lanes;    /* threads that make one item together; a power of two */
  uint32_t first;    /* thread that begins: another in the same phase begins elsewhere */
  uint32_t barrier;  /* tf_card_net_barrier_t, behind it */
  uint32_t spread;   /* outputs of each block, where they share it; 0: each block does it */
  tf_card_net_place_t out;
  uint32_t            step_at, step_cnt; /* functions behind it */
  union {
    tf_card_net_each_t       each;
    tf_card_net_product_t    product;
    tf_card_net_fold_t       fold;
    tf_card_net_row_t        row;
    tf_card_net_recurrence_t recurrence;
    tf_card_net_trees_t      trees;
    tf_card_net_gather_t     gather;
  };
} tf_card_net_op_t;

TF_STATIC_ASSERT(sizeof(tf_card_net_op_t) % sizeof(uint32_t) == 0, "an op is whole words");

typedef enum tf_card_net_part {
  TF_CARD_TIMED,
  TF_CARD_DEFERRED,
  TF_CARD_PART_CNT
} tf_card_net_part_t;

/* cnt words from at of the image are kept at to of shared memory; of what blocks share, block r keeps those from r * by on. */
typedef struct tf_card_net_copy {
  uint32_t at, to, cnt, by;
} tf_card_net_copy_t;

/* At the beginning of the image. */
typedef struct tf_card_net {
  tf_card_net_place_t ops, steps;
  uint32_t op_at[TF_CARD_PART_CNT], op_cnt[TF_CARD_PART_CNT], phase_cnt[TF_CARD_PART_CNT];
  uint32_t copy_at, copy_cnt; /* of the image, words; tf_card_net_copy_t */
  uint32_t value_words;
  uint32_t values_are_shared;   /* else in scratch */
  uint32_t kept_words;          /* behind values in shared memory */
  uint32_t slides;              /* the net is cut; else the state is the window's rows, in turn */
  uint32_t shift_at, shift_cnt; /* of the image, words; tf_net_shift_t */
  uint32_t input_at;            /* of values: the row, or the window */
  tf_card_net_place_t answer;
  uint64_t            flops[TF_CARD_PART_CNT];
  uint64_t            weight_bytes; /* packed, of products */
} tf_card_net_t;

TF_INLINE const tf_card_net_t *tf_card_net_of(const tf_card_program_t *program) {
  return (const tf_card_net_t *)(const void *)tf_card_image(program);
}

/* How a model becomes a program. */
typedef struct tf_card_net_spec {
  tf_precision_t   precision; /* of weights */
  tf_card_limits_t limits;
  bool             whole;     /* the window anew on each tick, also where it could slide */
  bool             is_graph;  /* of kind TF_CARD_GRAPH: card_graph.h */
  uint32_t         block_cnt; /* of a cluster; 0: as is best, TF_CARD_NET_SPREAD_WORDS */
} tf_card_net_spec_t;

struct tf_graph;

/* graph: a chain or a net, as passes left it. E_MODEL_UNSUPPORTED, naming node and op, for what has no form on a card, or is too large for
 * it; E_MODEL_WEIGHTS for a weight that the precision cannot hold; E_CORE_NO_MEMORY. The program is the caller's to free, and its model_hash to
 * set. Control plane. */
tf_err_t tf_card_net_new(const struct tf_graph *graph, const tf_card_net_spec_t *spec,
                         tf_card_program_t **program);
/* The same by the best that there is. */
tf_err_t tf_card_net_make(const struct tf_graph *graph, tf_precision_t precision,
                          const tf_card_limits_t *limits, tf_card_program_t **program);

/* A program's ops, of both parts, as they are stored. */
const tf_card_net_op_t *tf_card_net_ops(const tf_card_program_t *program);

/* "node 7 product 1 x 1 x 64 of 16 +relu, 8 threads an item, barrier" for people; bytes: at least 256. */
void tf_card_net_describe(const tf_card_program_t *program, uint32_t op, char *target,
                          size_t bytes);

#endif
