/* What the persistent loop needs beside its kind, for those who launch it. A launch of a program is
 *   grid block_cnt, cluster cluster_size, block thread_cnt, shared tf_loop_shared_bytes, args with tf_loop_scratch_bytes of scratch. */
#ifndef TF_GPU_LOOP_H
#define TF_GPU_LOOP_H

#include "gpu/card.h"

/* Instruments whose deferred work is remembered. One that falls out is caught up by its next step. */
#define TF_LOOP_PENDING_MAX 64u
/* Commands to the other blocks that may be on their way. */
#define TF_LOOP_BOARDS 2u

typedef enum tf_loop_op {
  TF_LOOP_STEP    = 1, /* a row of instrument; with word 2: its window begins anew before */
  TF_LOOP_ADVANCE = 2, /* a piece of instrument's deferred work */
  TF_LOOP_SWAP    = 3, /* to slot word 1 */
  TF_LOOP_LEAVE   = 4,
  TF_LOOP_SET     = 5, /* word 1 rows, of blocks 0 and on, as the set in the card's memory says */
} tf_loop_op_t;

/* In the block's shared memory, before the kind's: what only warp 0 uses, so that it holds no registers while a kind works. */
typedef struct TF_ALIGNED(16) tf_loop_shared {
  uint32_t op, word_1, word_2; /* the command at hand */
  /* block 0 alone, from here on; written by its first thread */
  uint32_t flags; /* of the row at hand */
  uint64_t seq_taken, taken_ns;
  uint32_t idx_taken;
  uint32_t pending_first, pending_cnt;
  uint32_t pending[TF_LOOP_PENDING_MAX]; /* instruments */
  uint32_t reserved;
  uint64_t beat, beat_ns;
  uint64_t answered, overtaken, behind, refused;
} tf_loop_shared_t;

/* In the card's memory, before the kind's scratch. Each word on a line of its own: all blocks poll them. */
typedef struct TF_ALIGNED(128) tf_loop_scratch {
  uint32_t leave; /* tf_card_left_t, by whoever sees the reason first */
  uint8_t  reserved_0[TF_LINE_PAIR_BYTES - 4];
  uint32_t done; /* commands that the other blocks have done, all together */
  uint8_t  reserved_1[TF_LINE_PAIR_BYTES - 4];
} tf_loop_scratch_t;

/* Behind it and the boards, of programs that take sets. Rows by number of their block. */
typedef struct TF_ALIGNED(128) tf_loop_sets {
  tf_card_set_t set;                        /* by block 0 */
  uint32_t      made[TF_MAILBOX_BATCH_MAX]; /* tf_card_step_t, by each one's block */
} tf_loop_sets_t;

TF_INLINE uint32_t tf_loop_floats_bytes(uint32_t cnt) {
  return (uint32_t)tf_align_up((uint64_t)cnt * sizeof(float), 16);
}
/* A command and its row, as packets. */
TF_INLINE uint32_t tf_loop_board_bytes(uint32_t input_cnt) {
  return tf_mailbox_row_packets(input_cnt) * (uint32_t)sizeof(tf_packet_t);
}
TF_INLINE bool tf_loop_has_shared_boards(const tf_card_program_t *p) {
  return p->block_cnt > 1 && p->cluster_size == p->block_cnt;
}

/* Of the loop alone: the kind's begins behind, at a multiple of 128. */
TF_INLINE uint32_t tf_loop_own_shared_bytes(const tf_card_program_t *p) {
  uint32_t bytes = (uint32_t)sizeof(tf_loop_shared_t) + tf_loop_floats_bytes(p->input_cnt) +
                   tf_loop_floats_bytes(p->output_cnt);
  if (tf_loop_has_shared_boards(p)) bytes += TF_LOOP_BOARDS * tf_loop_board_bytes(p->input_cnt);
  if (p->takes_sets) bytes += (uint32_t)sizeof(tf_card_set_t);
  return (uint32_t)tf_align_up(bytes, TF_LINE_PAIR_BYTES);
}
TF_INLINE uint64_t tf_loop_own_scratch_bytes(const tf_card_program_t *p) {
  uint64_t boards = p->block_cnt > 1 && !tf_loop_has_shared_boards(p) ? TF_LOOP_BOARDS : 0;
  return tf_align_up(sizeof(tf_loop_scratch_t) + boards * tf_loop_board_bytes(p->input_cnt),
                     TF_LINE_PAIR_BYTES) +
         (p->takes_sets ? sizeof(tf_loop_sets_t) : 0);
}
/* Of the loop's scratch. */
TF_INLINE tf_loop_sets_t *tf_loop_sets_of(const tf_card_program_t *p, uint8_t *scratch) {
  return (tf_loop_sets_t *)(void *)(scratch + tf_loop_own_scratch_bytes(p) -
                                    sizeof(tf_loop_sets_t));
}

TF_INLINE uint32_t tf_loop_shared_bytes(const tf_card_program_t *p) {
  return tf_loop_own_shared_bytes(p) + p->shared_bytes;
}
TF_INLINE uint64_t tf_loop_scratch_bytes(const tf_card_program_t *p) {
  return tf_loop_own_scratch_bytes(p) + p->scratch_bytes;
}

#endif
