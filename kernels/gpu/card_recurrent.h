/* Stacks of LSTM and GRU layers as a program for a card, by the sliding window's schedule (model/window.h): the timed path is
 * W x + P for the one window that the row completes; all else is deferred.
 *
 * Weights are cut into quads: what one lane holds in 16 bytes, and a warp in 512, of 16 rows by 16 columns (int8: by 32). The 16
 * rows are the four gates of four units, so that a warp that has multiplied has all that those units' cells want. A GRU's third
 * gate takes two: what comes of the row, and what comes of h. A product is mma.m16n8k16: in the timed path its columns are the
 * row's leading bits and the rest of them; in deferred work they are eight windows. A column does not know its neighbours, so a
 * window's bits are the same whichever way it came to them.
 *
 * Where weights lie, filled in this order:
 *   registers   of W, TF_CARD_RECURRENT_REGISTERS quads a warp (16 B a lane each)
 *   shared      what is left of W, then U, as far as limits allow
 *   memory      the rest of U, read through L2 by deferred work. All of W must be held.
 * The least of one block, one cluster of 8, one of 16, all SMs that holds all weights is taken; else all SMs. fp16 and bf16,
 * 8 warps a block, 227 KiB of shared memory:
 *   lstm_a  one block: 700 quads; 320 in registers, 380 (190 KiB) in shared memory
 *   lstm_b  a cluster of 8, 7 tiles of a layer a block: 567 quads; 280 in registers, 287 (144 KiB) in shared memory
 *   lstm_c  125 blocks of 132 SMs, 2 tiles a block, each by four warps: 946 quads; 320 in registers, 385 (193 KiB) in shared
 *           memory: all 442 of W, half of U; 241 of U from L2, 15 MB of all blocks
 * tests/kernels/gpu/test_card_recurrent.c checks these.
 *
 * Precision: fp16 and bf16 round weights and h; int8 is one scale a row of weights, multiplied as fp16, which holds it exactly. The
 * row is taken in two parts of the type (scaled by a power of two for fp16), so its rounding is below float's. Sums, carries and
 * what is behind the last layer are float.
 *
 * An instrument's state: h of each layer and window, twice (a tick reads what the tick before wrote), for all blocks; then a part
 * a block, which no other reads: head, W x of the first layer for the last window ticks, P, carries. */
#ifndef TF_GPU_CARD_RECURRENT_H
#define TF_GPU_CARD_RECURRENT_H

#include "gpu/card.h"

#define TF_CARD_RECURRENT_LAYERS_MAX 16u
#define TF_CARD_RECURRENT_OPS_MAX    16u
#define TF_CARD_RECURRENT_WARPS_MAX  8u
#define TF_CARD_RECURRENT_REGISTERS  40u   /* quads */
#define TF_CARD_RECURRENT_WIDTH_MAX  4096u /* of a row before and behind the layers */
#define TF_CARD_TILE_UNITS           4u
#define TF_CARD_TILE_ROWS            16u
#define TF_CARD_QUAD_BYTES           512u
#define TF_CARD_PIECE_WINDOWS        8u /* that a piece of deferred work advances */

typedef enum tf_card_row_fn {
  TF_CARD_ROW_ADD,
  TF_CARD_ROW_MUL,
  TF_CARD_ROW_GEMM,
  TF_CARD_ROW_RELU,
  TF_CARD_ROW_LEAKY_RELU,
  TF_CARD_ROW_CLIP,
  TF_CARD_ROW_ELU,
  TF_CARD_ROW_EXP,
  TF_CARD_ROW_SIGMOID,
  TF_CARD_ROW_SILU,
  TF_CARD_ROW_TANH,
  TF_CARD_ROW_FN_CNT
} tf_card_row_fn_t;

/* An op on a single row, float; offsets are into the image. */
typedef struct tf_card_row_op {
  uint32_t fn, in_cnt, out_cnt, has_bias;
  float    alpha, beta;
  uint32_t weight_at, bias_at;
} tf_card_row_op_t;

typedef struct tf_card_layer {
  uint32_t is_gru;
  uint32_t units, tiles; /* of TF_CARD_TILE_UNITS */
  uint32_t tiles_a_block;
  uint32_t x_quads, h_quads;       /* of a tile, along k */
  uint32_t bias_at;                /* (tiles, 16) floats, of the image: added to U h */
  uint32_t x_scale_at, h_scale_at; /* (tiles, 16) floats; int8 alone */
  uint32_t row_words;              /* 32 bits, of h of a window */
  uint32_t rows_at;                /* bytes in a state: (2, window, row_words) */
  uint32_t ready_at,
      carry_at;      /* floats in a block's part: (tiles_a_block, 16); (window, tiles_a_block, 4) */
  uint32_t x_at;     /* 16 bits in shared: the layer's row; the first one's is two rows */
  uint32_t board_at; /* packets: tiles, the last layer's twice as many */
} tf_card_layer_t;

/* A warp of a block. */
typedef struct tf_card_warp {
  uint32_t quads_at; /* of the image's quads: first W, layer by layer, tile by tile, then U */
  uint32_t quad_cnt;
  uint32_t register_cnt;          /* of the first */
  uint32_t shared_at, shared_cnt; /* quads; of those behind */
} tf_card_warp_t;

/* The image begins with it. */
typedef struct tf_card_recurrent {
  uint32_t layer_cnt, split; /* warps that share a tile, along k */
  uint32_t window, warp_cnt;
  uint32_t warps_at,
      quads_at; /* bytes in the image: (block, warp) tf_card_warp_t; 512 bytes each */
  uint32_t before_cnt, after_cnt;
  uint32_t width_max;  /* of the rows before and behind */
  uint32_t ring_at;    /* floats in a block's part: (window, tiles_a_block, 16) */
  uint32_t part_bytes; /* a block's part of a state */
  uint32_t parts_at;   /* in a state */
  uint32_t x_halves;   /* 16 bits: all layers' rows in shared memory */
  uint32_t board_packets;
  /* shared memory, bytes */
  uint32_t         shared_rows_at, shared_h_at, shared_sums_at, shared_boards_at, shared_quads_at;
  tf_card_row_op_t before[TF_CARD_RECURRENT_OPS_MAX], after[TF_CARD_RECURRENT_OPS_MAX];
  tf_card_layer_t  layers[TF_CARD_RECURRENT_LAYERS_MAX];
} tf_card_recurrent_t;

/* At the beginning of a block's part of a state. Tick seen - 1 is the newest; the backlog's ticks, the newest ones, have not
 * reached all windows: of the first of them, done pieces have been, from piece first on. */
typedef struct tf_card_recurrent_head {
  uint64_t seen;
  uint64_t ready_for; /* P is that of the window that began with this tick, + 1; 0: of none */
  uint32_t backlog, done, first;
  uint32_t reserved;
} tf_card_recurrent_head_t;

#ifdef __cplusplus
extern "C" {
#endif

struct tf_graph;

/* precision: fp16, bf16 or int8. *program: malloc'd, its image behind it; model_hash is the caller's to fill in.
 * E_MODEL_UNSUPPORTED: no chain of row ops, recurrent layers, row ops over a window; an op that has no form here; a weight above
 * fp16's range; a timed path that no part of the card holds. The text names node and reason. E_CORE_NO_MEMORY. */
tf_err_t tf_card_recurrent_make(const struct tf_graph *graph, tf_precision_t precision,
                                const tf_card_limits_t *limits, tf_card_program_t **program);

/* The same over that many blocks, in clusters of that many. */
tf_err_t tf_card_recurrent_make_over(const struct tf_graph *graph, tf_precision_t precision,
                                     const tf_card_limits_t *limits, uint32_t block_cnt,
                                     uint32_t cluster_size, tf_card_program_t **program);

#ifdef __cplusplus
}
#endif

#endif
