#include "tickfuse_gpu/slots.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "file/crc32c.h"
#include "gpu/card_part.h"

#define CHUNK_BYTES (UINT64_C(1) << 20)

uint64_t slots_program_bytes(const tf_card_program_t *program) {
  return sizeof *program + program->image_bytes;
}

uint64_t slots_room_for(const tf_card_program_t *program, uint64_t bytes) {
  return program->kind == TF_CARD_GRAPH ? bytes + bytes / 4 : bytes;
}

tf_err_t slots_open(slots_t *slots, const tf_card_program_t *program) {
  slots->bytes = slots_room_for(program, slots_program_bytes(program));
  tf_err_t err = TF_OK;
  for (int i = 0; i < 2 && !err; i++) {
    void *at     = NULL;
    err          = device_memory("a model's weights", slots->bytes, &at);
    slots->at[i] = at;
  }
  return err;
}

/* ---- what was copied ---- */

static tf_err_t crc_of(const uint8_t *at, uint64_t bytes, uint8_t *buffer, uint32_t *crc) {
  tf_err_t err = TF_OK;
  *crc         = 0;
  for (uint64_t begin = 0; begin < bytes && !err; begin += CHUNK_BYTES) {
    const uint64_t cnt = bytes - begin < CHUNK_BYTES ? bytes - begin : CHUNK_BYTES;
    err                = device_read(buffer, at + begin, cnt);
    if (!err) *crc = tf_crc32c(*crc, buffer, cnt);
  }
  return err;
}

static tf_err_t compare_part(const uint8_t *image, const tf_card_part_t *part, uint8_t *buffer) {
  uint32_t crc;
  tf_err_t err = crc_of(image + part->at, part->bytes, buffer, &crc);
  if (err || crc == part->crc) return err;
  return TF_ERR(E_GPU_COPY, "%s: CRC %08x is read, %08x was made; bytes %llu to %llu of the model",
                part->name, crc, part->crc, (unsigned long long)part->at,
                (unsigned long long)(part->at + part->bytes));
}

void slots_sum(tf_card_program_t *program) {
  tf_card_part_t *parts = tf_card_parts_of(program);
  for (uint32_t i = 0; i < program->part_cnt; i++)
    parts[i].crc = tf_crc32c(0, tf_card_image(program) + parts[i].at, parts[i].bytes);
}

static tf_err_t compare(const uint8_t *at, const tf_card_program_t *program, uint8_t *buffer) {
  const tf_card_part_t  head  = {.bytes = sizeof *program,
                                 .crc   = tf_crc32c(0, program, sizeof *program),
                                 .name  = "the program's shape"};
  const tf_card_part_t *parts = tf_card_parts_of((tf_card_program_t *)(uintptr_t)program);
  const tf_card_part_t  all   = {.bytes = program->image_bytes,
                                 .crc   = tf_crc32c(0, program + 1, program->image_bytes),
                                 .name  = "the program"}; /* of a kind that tells no parts */
  tf_err_t              err   = compare_part(at, &head, buffer);
  if (!err && program->part_cnt == 0) err = compare_part(at + sizeof *program, &all, buffer);
  for (uint32_t i = 0; i < program->part_cnt && !err; i++)
    err = compare_part(at + sizeof *program, &parts[i], buffer);
  return err;
}

tf_err_t slots_write(const slots_t *slots, uint32_t slot, const tf_card_program_t *program) {
  uint8_t *buffer = malloc(CHUNK_BYTES);
  if (!buffer) return TF_ERR(E_CORE_NO_MEMORY, "a buffer to read back into");
  tf_err_t err = device_write(slots->at[slot], program, slots_program_bytes(program));
  if (!err) err = compare(slots->at[slot], program, buffer);
  free(buffer);
  return err;
}

static bool is_too_large(const tf_card_program_t *program, const tf_card_program_t *first) {
  return slots_program_bytes(program) > slots_room_for(first, slots_program_bytes(first)) ||
         program->scratch_bytes > slots_room_for(first, first->scratch_bytes);
}

const char *slots_differ(const tf_card_program_t *a, const tf_card_program_t *first) {
  if (a->kind != first->kind) return "its kernel";
  if (a->precision != first->precision) return "its precision";
  if (a->input_cnt != first->input_cnt || a->output_cnt != first->output_cnt ||
      a->window != first->window)
    return "its inputs, outputs or window";
  if (a->block_cnt != first->block_cnt || a->cluster_size != first->cluster_size ||
      a->thread_cnt != first->thread_cnt || a->shared_bytes != first->shared_bytes)
    return "the blocks that it runs on";
  const bool same =
      a->scratch_bytes == first->scratch_bytes && a->image_bytes == first->image_bytes;
  if (a->state_bytes != first->state_bytes ||
      (a->kind == TF_CARD_GRAPH ? is_too_large(a, first) : !same))
    return "its sizes in the device's memory";
  return NULL;
}
