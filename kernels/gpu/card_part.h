/* The parts of a program's image: each tensor that was put there, and what stands between them, so that whoever copies the image checks it
 * tensor by tensor, and names the one that is wrong. They lie behind the image, in the host's copy alone. Control plane. */
#ifndef TF_GPU_CARD_PART_H
#define TF_GPU_CARD_PART_H

#include "gpu/card.h"

#define TF_CARD_PART_NAME_BYTES 64u

typedef struct tf_card_part {
  uint64_t at, bytes; /* of the image; one after the other, without a gap */
  uint32_t crc;       /* CRC-32C: whoever copies the image fills it in and compares */
  uint32_t reserved;
  char     name[TF_CARD_PART_NAME_BYTES]; /* NUL-terminated: a node, and what of it */
} tf_card_part_t;

TF_INLINE tf_card_part_t *tf_card_parts_of(tf_card_program_t *program) {
  return (tf_card_part_t *)(void *)((uint8_t *)(program + 1) + program->image_bytes);
}

/* Parts while a program is made. Zeroed at first. */
typedef struct tf_card_parts {
  tf_card_part_t *list;
  uint32_t        cnt, room;
} tf_card_parts_t;

/* E_CORE_NO_MEMORY. Bytes 0 is no part. A name that is too long ends early. */
tf_err_t tf_card_parts_add(tf_card_parts_t *parts, uint64_t at, uint64_t bytes, const char *name);
/* Behind *program's image, in order, what lies between them named, too; *program may move, and is as it was on failure. */
tf_err_t tf_card_parts_end(tf_card_parts_t *parts, tf_card_program_t **program);
void     tf_card_parts_fini(tf_card_parts_t *parts); /* accepts a zeroed one */

#endif
