/* Where snapshots of an engine (boot/snapshot.h) are put, and had from again, by a name: a file beside its place, a
 * broker's bucket, a key in Redis. boot knows no such place: whoever joins engine and adapters hands one in.
 *
 *   the lane   copies its state, a piece at a time, into memory that was taken at start   (boot/snapshot_live.h)
 *   a thread   of the snapshots' own: waits until the sinks hold every decision that the state has behind it, then put
 *
 * What put is given is whole and sealed by nobody yet: a store adds what its medium needs (a file: magic, length and
 * CRC-32C, adapters/file/sealed.h) and shows a snapshot only when all of it is there. It keeps the one before it too, since the
 * newest may turn out to be unreadable.
 *
 * mark says what a snapshot is of without reading it. Of two of the same name the one with the higher decision_seq is the newer;
 * an owner of a lower epoch may not replace what one of a higher put (E_GROUP_FENCED or the store's own word for it). */
#ifndef TF_BOOT_SNAPSHOT_STORE_H
#define TF_BOOT_SNAPSHOT_STORE_H

#include "tf/err.h"

#define TF_SNAPSHOT_NAME_BYTES   64
#define TF_SNAPSHOT_SOURCE_BYTES 32 /* of a source's name */

typedef struct tf_snapshot_mark {
  uint64_t schema;       /* an engine with another cannot go on from it */
  uint64_t ingest_seq;   /* the last event that is in it */
  uint64_t decision_seq; /* the last decision made of those */
  uint64_t as_of_ns;     /* the newest receive time in it */
  uint32_t epoch;        /* of the engine that took it */
  uint32_t instrument_cnt;
} tf_snapshot_mark_t;

typedef struct tf_snapshot_store {
  void *self;
  /* The snapshots' thread; may block, allocate and log. The bytes are the caller's and stand still until it returns. An error
   * leaves what was there before; it is counted, and the next snapshot tries anew. */
  tf_err_t (*put)(void *self, const char *name, const tf_snapshot_mark_t *mark, const void *bytes,
                  size_t bytes_cnt);
  /* Control plane, before start. back_cnt 0: the newest; 1: the one before it. *bytes is malloc'd, the caller frees it.
   * E_BOOT_SNAPSHOT_NONE: there is none of that name; else the store's own. */
  tf_err_t (*get)(void *self, const char *name, uint32_t back_cnt, void **bytes, size_t *bytes_cnt);
} tf_snapshot_store_t;

#endif
