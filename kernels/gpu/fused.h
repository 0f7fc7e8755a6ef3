/* Features and the model that reads them as one program: market rows in (tf/market_row.h), the model's answers out. The image is
 * tf_card_fused_t, then two whole programs, of the kinds TF_CARD_FEATURES and TF_CARD_NET, each at a multiple of 128 from the image's
 * beginning. Shared memory, states and scratch are the features' first, then the net's. fused.cuh runs it.
 *
 * A tick whose features all have a value goes through the net in the same step, by the same threads, out of shared memory; one
 * that lacks some makes the net's window begin anew, as on a lane. Features and net of a row are one block's: a net that wants several is asked by
 * rows. Several blocks have a row of a request each (loop_set.cuh); each has scratch of its own for the net. */
#ifndef TF_GPU_FUSED_H
#define TF_GPU_FUSED_H

#include "gpu/features.h"

typedef struct tf_card_fused {
  uint32_t features_at, net_at;
  uint32_t instrument_cnt;
  uint32_t reserved[29];
} tf_card_fused_t;

TF_STATIC_ASSERT(sizeof(tf_card_fused_t) == TF_LINE_PAIR_BYTES, "programs are aligned behind it");

TF_INLINE const tf_card_fused_t *tf_card_fused_of(const tf_card_program_t *program) {
  return (const tf_card_fused_t *)(const void *)tf_card_image(program);
}
TF_INLINE const tf_card_program_t *tf_card_fused_features(const tf_card_program_t *program) {
  return (const tf_card_program_t *)(const void *)(tf_card_image(program) +
                                                   tf_card_fused_of(program)->features_at);
}
TF_INLINE const tf_card_program_t *tf_card_fused_net(const tf_card_program_t *program) {
  return (const tf_card_program_t *)(const void *)(tf_card_image(program) +
                                                   tf_card_fused_of(program)->net_at);
}

/* Of its block: more than a plan's level has steps. Few threads leave each one registers enough that nothing of features is spilled. */
#define TF_CARD_FUSED_THREADS 128u

/* Packets of the mailbox's state room: an instrument's memory, then each row of the model's window from a packet on. */
TF_INLINE uint64_t tf_card_fused_rows_at(uint64_t mem_bytes) { return (mem_bytes / 4 + 2) / 3; }
TF_INLINE uint64_t tf_card_fused_row_packets(uint32_t input_cnt) { return (input_cnt + 2) / 3; }

#endif
