/* Two places in the device's memory for a program each, of one shape: the one that serves, and the next one beside it. Of graphs the next
 * one may be a quarter larger than the first, since a forest that is trained anew never has as many nodes. What is
 * written is read back and compared before anything runs on it. */
#ifndef TICKFUSE_GPU_SLOTS_H
#define TICKFUSE_GPU_SLOTS_H

#include "tickfuse_gpu/device.h"

typedef struct slots {
  uint8_t *at[2]; /* as the device sees them */
  uint64_t bytes; /* of one */
} slots_t;

uint64_t slots_program_bytes(const tf_card_program_t *program);
/* How many bytes are taken for a part of program of so many. */
uint64_t slots_room_for(const tf_card_program_t *program, uint64_t bytes);
/* For programs of this one's shape. E_GPU_*. */
tf_err_t slots_open(slots_t *slots, const tf_card_program_t *program);
/* The CRC of each part, once, as soon as the program is made. */
void slots_sum(tf_card_program_t *program);
/* Copied, read back, and each part's CRC compared. E_GPU_COPY names the tensor; E_GPU_*, E_CORE_NO_MEMORY. */
tf_err_t slots_write(const slots_t *slots, uint32_t slot, const tf_card_program_t *program);
/* What keeps a program from taking the place of the first one while that one's kernel runs, or NULL. */
const char *slots_differ(const tf_card_program_t *program, const tf_card_program_t *first);

#endif
