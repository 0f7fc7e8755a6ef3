#include "group/frame.h"

#include <string.h>

#include "core/error.h"
#include "file/crc32c.h"

#define MAGIC   UINT64_C(0x31706e7367756b74) /* "tkugsnp1" */
#define VERSION 1u

static uint32_t crc_of(const tf_group_frame_t *frame, const void *bytes) {
  uint32_t crc = tf_crc32c(0, &frame->snapshot, sizeof frame->snapshot);
  return tf_crc32c(crc, bytes, frame->snapshot.bytes_cnt);
}

void tf_group_frame_make(tf_group_frame_t *frame, const tf_group_snapshot_t *snapshot,
                         const void *bytes) {
  *frame     = (tf_group_frame_t){.magic = MAGIC, .version = VERSION, .snapshot = *snapshot};
  frame->crc = crc_of(frame, bytes);
}

tf_err_t tf_group_frame_read(tf_group_frame_t *frame, const void *bytes, size_t bytes_cnt,
                             uint32_t partition) {
  if (bytes_cnt < sizeof *frame)
    return TF_ERR(E_GROUP_STORE, "snapshot of partition %u: %zu bytes; its head has %zu", partition,
                  bytes_cnt, sizeof *frame);
  memcpy(frame, bytes, sizeof *frame);
  if (frame->magic != MAGIC || frame->version != VERSION || frame->snapshot.partition != partition)
    return TF_ERR(E_GROUP_STORE, "snapshot of partition %u: not one, or of another version",
                  partition);
  if (frame->snapshot.bytes_cnt > TF_GROUP_SNAPSHOT_BYTES_MAX)
    return TF_ERR(E_GROUP_STORE, "snapshot of partition %u: %llu bytes; at most %llu are allowed",
                  partition, (unsigned long long)frame->snapshot.bytes_cnt,
                  (unsigned long long)TF_GROUP_SNAPSHOT_BYTES_MAX);
  return TF_OK;
}

tf_err_t tf_group_frame_check(const tf_group_frame_t *frame, const void *bytes) {
  if (crc_of(frame, bytes) == frame->crc) return TF_OK;
  return TF_ERR(E_GROUP_STORE, "snapshot of partition %u: damaged", frame->snapshot.partition);
}
