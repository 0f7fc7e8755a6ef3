/* What stands before a snapshot in a store: what it is of, and a CRC-32C over that and the snapshot. Pure. */
#ifndef TF_ADAPTERS_GROUP_FRAME_H
#define TF_ADAPTERS_GROUP_FRAME_H

#include "tf/group.h"

typedef struct tf_group_frame {
  uint64_t            magic;
  uint32_t            version;
  uint32_t            crc; /* of snapshot and the bytes behind */
  tf_group_snapshot_t snapshot;
  uint64_t            reserved;
} tf_group_frame_t;

TF_STATIC_ASSERT(sizeof(tf_group_frame_t) == 64, "part of what stores keep");

void tf_group_frame_make(tf_group_frame_t *frame, const tf_group_snapshot_t *snapshot,
                         const void *bytes);
/* E_GROUP_STORE: no frame of the partition, or of a snapshot larger than TF_GROUP_SNAPSHOT_BYTES_MAX. */
tf_err_t tf_group_frame_read(tf_group_frame_t *frame, const void *bytes, size_t bytes_cnt,
                             uint32_t partition);
/* E_GROUP_STORE: the bytes, snapshot.bytes_cnt of them, are not what was framed. */
tf_err_t tf_group_frame_check(const tf_group_frame_t *frame, const void *bytes);

#endif
