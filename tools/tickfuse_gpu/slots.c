#include "tickfuse_gpu/slots.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"

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

static tf_err_t compare(const slots_t *slots, uint32_t slot, const uint8_t *bytes, uint64_t all,
                        uint8_t *back) {
  for (uint64_t begin = 0; begin < all; begin += CHUNK_BYTES) {
    uint64_t cnt = all - begin < CHUNK_BYTES ? all - begin : CHUNK_BYTES;
    tf_err_t err = device_read(back, slots->at[slot] + begin, cnt);
    if (err) return err;
    if (!memcmp(back, bytes + begin, cnt)) continue;
    uint64_t i = 0;
    while (back[i] == bytes[begin + i]) i++;
    return TF_ERR(E_GPU_COPY, "byte %llu of the model's %llu: 0x%02x was written, 0x%02x is read",
                  (unsigned long long)(begin + i), (unsigned long long)all, bytes[begin + i],
                  back[i]);
  }
  return TF_OK;
}

tf_err_t slots_write(const slots_t *slots, uint32_t slot, const tf_card_program_t *program) {
  uint8_t *back = malloc(CHUNK_BYTES);
  if (!back) return TF_ERR(E_CORE_NO_MEMORY, "a buffer to read back into");
  const uint64_t bytes = slots_program_bytes(program);
  tf_err_t       err   = device_write(slots->at[slot], program, bytes);
  if (!err) err = compare(slots, slot, (const uint8_t *)program, bytes, back);
  free(back);
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
