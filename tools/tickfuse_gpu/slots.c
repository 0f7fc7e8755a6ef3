#include "tickfuse_gpu/slots.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"

#define CHUNK_BYTES (UINT64_C(1) << 20)

uint64_t slots_program_bytes(const tf_card_program_t *program) {
  return sizeof *program + program->image_bytes;
}

tf_err_t slots_open(slots_t *slots, const tf_card_program_t *program) {
  slots->bytes = slots_program_bytes(program);
  tf_err_t err = TF_OK;
  for (int i = 0; i < 2 && !err; i++) {
    void *at     = NULL;
    err          = device_memory("a model's weights", slots->bytes, &at);
    slots->at[i] = at;
  }
  return err;
}

static tf_err_t compare(const slots_t *slots, uint32_t slot, const uint8_t *bytes, uint8_t *back) {
  for (uint64_t begin = 0; begin < slots->bytes; begin += CHUNK_BYTES) {
    uint64_t cnt = slots->bytes - begin < CHUNK_BYTES ? slots->bytes - begin : CHUNK_BYTES;
    tf_err_t err = device_read(back, slots->at[slot] + begin, cnt);
    if (err) return err;
    if (!memcmp(back, bytes + begin, cnt)) continue;
    uint64_t i = 0;
    while (back[i] == bytes[begin + i]) i++;
    return TF_ERR(E_GPU_COPY, "byte %llu of the model's %llu: 0x%02x was written, 0x%02x is read",
                  (unsigned long long)(begin + i), (unsigned long long)slots->bytes,
                  bytes[begin + i], back[i]);
  }
  return TF_OK;
}

tf_err_t slots_write(const slots_t *slots, uint32_t slot, const tf_card_program_t *program) {
  uint8_t *back = malloc(CHUNK_BYTES);
  if (!back) return TF_ERR(E_CORE_NO_MEMORY, "a buffer to read back into");
  tf_err_t err = device_write(slots->at[slot], program, slots->bytes);
  if (!err) err = compare(slots, slot, (const uint8_t *)program, back);
  free(back);
  return err;
}

const char *slots_differ(const tf_card_program_t *a, const tf_card_program_t *b) {
  if (a->kind != b->kind) return "its kernel";
  if (a->precision != b->precision) return "its precision";
  if (a->input_cnt != b->input_cnt || a->output_cnt != b->output_cnt || a->window != b->window)
    return "its inputs, outputs or window";
  if (a->block_cnt != b->block_cnt || a->cluster_size != b->cluster_size ||
      a->thread_cnt != b->thread_cnt || a->shared_bytes != b->shared_bytes)
    return "the blocks that it runs on";
  if (a->state_bytes != b->state_bytes || a->scratch_bytes != b->scratch_bytes ||
      a->image_bytes != b->image_bytes)
    return "its sizes in the device's memory";
  return NULL;
}
