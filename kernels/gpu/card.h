/* What a model becomes for a card: a program, made on the CPU from the model's graph, that one persistent kernel runs. A
 * program is an image of bytes without pointers: the worker (tools/tickfuse_gpu) copies it to the card as it is, and its
 * parts are found by offsets. What it is made of, each kind of program says in its own header.
 *
 *   card_*.c     graph -> program; plain C, no CUDA, tested everywhere
 *   loop.h       what a launch is: its shared memory, scratch and threads
 *   loop.cuh     the persistent loop: mailbox, windows by number, answers, abort; the same for each kind
 *   KIND.cuh     the kind's step and advance, as device functions
 *   graph.cuh    what no kernel that stays is for: the nodes of a graph, launched a tick
 *   *.cu         the kernels themselves, and their launch: where nvcc is
 *
 * Device functions see CUDA's words through device.cuh alone. Where nvcc is not, device.cuh takes them from
 * tests/cuda_on_cpu, where threads of a block are fibers: the kernels' sources run, and are tested, on the CPU. */
#ifndef TF_GPU_CARD_H
#define TF_GPU_CARD_H

#include "tf/mailbox.h"
#include "tf/model.h"

typedef enum tf_card_kind {
  TF_CARD_RECURRENT, /* stacks of LSTM and GRU, by the sliding window's schedule: recurrent.cuh */
  TF_CARD_NET,       /* any net of tensor operations, a window at a time: net.cuh */
  TF_CARD_FEATURES,  /* market rows in, features out: features.cuh */
  TF_CARD_FUSED,     /* market rows in, features, a net's answers out: fused.cuh */
  TF_CARD_GRAPH,     /* any net, kernel by kernel, as a CUDA graph: card_graph.h */
  TF_CARD_KIND_CNT
} tf_card_kind_t;

/* What a device has, as the driver says, or as a test wants it. */
typedef struct tf_card_limits {
  uint32_t sm_cnt;
  uint32_t cluster_max;      /* blocks of a cluster; 1: no clusters */
  uint32_t thread_max;       /* of a block */
  uint32_t shared_bytes_max; /* of a block, opted in */
  uint64_t memory_bytes;     /* that the worker may use */
} tf_card_limits_t;

typedef struct tf_card_program {
  uint32_t kind; /* tf_card_kind_t */
  uint32_t model_hash;
  uint32_t precision; /* of weights and rows, tf_precision_t; sums are float */
  uint32_t input_cnt, output_cnt, window;
  uint32_t block_cnt, cluster_size; /* block_cnt is a multiple of cluster_size */
  uint32_t thread_cnt;              /* of a block */
  uint32_t shared_bytes;            /* of a block, dynamic */
  uint32_t part_cnt;                /* card_part.h; 0: none are told */
  uint32_t takes_sets;              /* blocks take a row each: tf_card_set_t */
  uint64_t state_bytes;             /* an instrument's, in the card's memory; a multiple of 128 */
  uint64_t scratch_bytes;           /* for all blocks together, in the card's memory */
  uint64_t image_bytes;             /* behind this struct, which is a part of what is copied */
  uint8_t  reserved_1[TF_LINE_PAIR_BYTES - 72];
} tf_card_program_t;

TF_STATIC_ASSERT(sizeof(tf_card_program_t) == TF_LINE_PAIR_BYTES, "an image begins at a line");

TF_INLINE const uint8_t *tf_card_image(const tf_card_program_t *program) {
  return (const uint8_t *)(program + 1);
}

/* Where blocks answer one another within microseconds: one that takes this many polls does not come any more. */
#define TF_CARD_POLLS_MAX (1u << 22)

/* Rows of one request that blocks take side by side, a row a block: of kinds whose step needs no other block (tf_kind_takes_sets of
 * loop_set.cuh). They are of instruments of their own. Block 0 makes it, in its shared memory; the others have copies. */
typedef struct tf_card_set_row {
  uint32_t instrument, flags, number, idx; /* of the mailbox's row; idx: in its request */
  uint32_t words[2];                       /* what the kind wanted to see of it beforehand */
  uint32_t is_behind;                      /* what it goes on from is not here: it is answered so */
  uint32_t seat;                           /* the kind's, between open_set and its end */
} tf_card_set_row_t;

typedef struct tf_card_set {
  uint32_t          cnt;
  uint32_t          number; /* another one for each set of a launch */
  uint64_t          seq;    /* the request */
  uint32_t          reserved[4];
  tf_card_set_row_t rows[TF_MAILBOX_BATCH_MAX];
} tf_card_set_t;

TF_STATIC_ASSERT(sizeof(tf_card_set_row_t) == 32 && sizeof(tf_card_set_t) % 16 == 0,
                 "it is copied by whole words");

/* What a kernel is started with: addresses as the device sees them. States, numbers and scratch are zeroed before each launch. */
typedef struct tf_card_args {
  const tf_card_program_t *slots[2]; /* two models of the same shapes; which one, control says */
  uint8_t                 *states;   /* (instruments) state_bytes */
  uint32_t                *numbers;  /* (instruments) rows that its window has seen: tf/mailbox.h */
  uint8_t                 *scratch;  /* tf_loop_scratch_bytes (loop.h) */
  tf_mailbox_view_t        view;     /* of the mailbox, which is the host's memory */
  struct tf_card_control  *control;
  uint32_t                 polls_max; /* of a wait between its own blocks; 0: TF_CARD_POLLS_MAX */
} tf_card_args_t;

/* The worker's host side and its kernel: the host's memory, mapped. Each line pair has one writer. */
typedef struct TF_ALIGNED(128) tf_card_control {
  uint32_t abort; /* by the host: not 0: leave the loop */
  uint32_t slot;  /* by the host: 0 or 1, taken up between two requests */
  uint8_t  reserved_0[TF_LINE_PAIR_BYTES - 8];
  uint64_t beat; /* by the kernel: counts its passes, at least one a millisecond */
  uint64_t answered, overtaken, behind, refused;
  uint32_t slot_used;
  uint32_t left; /* not 0: the loop was left, tf_card_left_t */
  uint8_t  reserved_1[TF_LINE_PAIR_BYTES - 48];
} tf_card_control_t;

typedef enum tf_card_left {
  TF_CARD_RUNS  = 0,
  TF_CARD_ENDED = 1, /* abort */
  TF_CARD_STUCK = 2, /* a wait between its own blocks passed its bound */
} tf_card_left_t;

TF_STATIC_ASSERT(sizeof(tf_card_control_t) == 2 * TF_LINE_PAIR_BYTES, "one pair a writer");

/* How device functions meet a program's kind: a struct with these members, which loop.cuh is a template over. All threads of all
 * blocks call each of them together, in the same order, and instrument and row are the same in every block.
 *
 *   void begin(const tf_card_place_t &place, const tf_card_program_t *program);   weights to where they stay; called again, with
 *                                        the other slot's program, at a swap: every window begins anew then
 *   void reset(uint32_t instrument);     its window begins anew
 *   tf_card_step_t step(uint32_t instrument, const float *row, float *out);   the timed path
 *   bool advance(uint32_t instrument);   a piece of the deferred work, after the answer has left; true: more is left.
 *                                        step may come at any time between two pieces, and does itself what it needs of them
 *
 * row lies in the block's own shared memory. out lies in that of block 0, where it is whole, past a barrier of the team, when step
 * has returned there. Neither may be written after. A kind whose window is 1 answers each row by itself; its advance returns
 * false. A wait for another block goes through tf_wait_of(place.leave, place.polls_max); where it ends without what was waited
 * for, step returns TF_CARD_STEP_STUCK, advance false, and the loop is left. */
/* A kind that takes sets has more members, and is told otherwise: where a row comes alone, block 0 alone calls reset and step; begin is every
 * block's, and what is all blocks' block 0 begins.
 *
 *   bool joins(const uint32_t words[2])   a row with these words SET_WORD, SET_WORD + 1 of it may be one of a set
 *   void open_set(tf_card_set_t *set)     block 0's warp 0, before: may say of rows that they are behind
 *   tf_card_step_t step_of_set(const tf_card_set_t *set, uint32_t which, const float *row, float *out)   a block's own row, and it may
 *                                         wait for rows before it
 *   void pass_set(const tf_card_set_t *set, uint32_t which)   instead: the row is lost
 *   void close_set(const tf_card_set_t *set)   block 0, when all have done it
 *
 * A set's answers have the bits that they have where its rows come one by one. */
typedef enum tf_card_step {
  TF_CARD_STEP_DONE,
  TF_CARD_STEP_WARMING, /* the window is not full yet: no outputs */
  TF_CARD_STEP_BEHIND, /* what the instrument's row goes on from is not here: the lane is to send it */
  TF_CARD_STEP_STUCK,
} tf_card_step_t;

/* What a kind is given; loop.cuh has parts of its own before these. */
typedef struct tf_card_place {
  uint8_t  *shared;  /* program->shared_bytes of the block's shared memory */
  uint8_t  *states;  /* (instruments) state_bytes, zeroed once */
  uint8_t  *scratch; /* program->scratch_bytes of the card's memory, zeroed once */
  uint32_t *leave;   /* for tf_wait_of (device.cuh) */
  uint32_t  polls_max;

  /* of one that computes features: the mailbox's state room */
  const tf_packet_t *state;
  uint32_t           state_packets;
} tf_card_place_t;

#endif
