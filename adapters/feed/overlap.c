#include "feed/overlap.h"

#include <string.h>

#include "tf/io.h"

typedef struct {
  uint64_t recv_ns;
  uint32_t bytes_cnt;
  uint32_t kind;
} entry_t;

static size_t entry_bytes(uint32_t bytes_cnt) {
  return tf_align_up(sizeof(entry_t) + (size_t)bytes_cnt + TF_BYTES_PAD, sizeof(uint64_t));
}

bool tf_overlap_put(tf_overlap_t *overlap, const tf_frame_t *frame) {
  size_t bytes = entry_bytes(frame->bytes_cnt);
  if (overlap->cap - overlap->used < bytes) return false;
  entry_t  entry = {frame->recv_ns, frame->bytes_cnt, frame->kind};
  uint8_t *p     = overlap->bytes + overlap->used;
  memcpy(p, &entry, sizeof entry);
  memcpy(p + sizeof entry, frame->bytes, frame->bytes_cnt);
  memset(p + sizeof entry + frame->bytes_cnt, 0, TF_BYTES_PAD);
  overlap->used += bytes;
  overlap->message_cnt++;
  return true;
}

bool tf_overlap_next(const tf_overlap_t *overlap, size_t *at, tf_frame_t *frame) {
  if (*at == overlap->used) return false;
  entry_t        entry;
  const uint8_t *p = overlap->bytes + *at;
  memcpy(&entry, p, sizeof entry);
  *frame = (tf_frame_t){.bytes     = (const char *)p + sizeof entry,
                        .bytes_cnt = entry.bytes_cnt,
                        .kind      = (uint8_t)entry.kind,
                        .recv_ns   = entry.recv_ns};
  *at += entry_bytes(entry.bytes_cnt);
  return true;
}

void tf_overlap_clear(tf_overlap_t *overlap) {
  overlap->used        = 0;
  overlap->message_cnt = 0;
}
