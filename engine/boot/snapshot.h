/* What an engine has learnt, as bytes: of each instrument the features' memory, the bars, the market's last
 * values, the strategies' and window models' states, the rows from which another version's windows are made; of each model of a
 * registry the version that served. A model that is one an instrument begins with its base, whose window is made of those
 * rows. Books are left out: after a restart they are worth
 * nothing until the venue has sent them anew, and their state says so.
 *
 * Layout: a head, then one record an instrument, each of head.record_bytes; no pointers; native, little
 * endian. The same run gives the same bytes. head.schema is a hash over what gives the bytes their
 * meaning (features, bars, strategies, models): a snapshot fits an engine whose schema is the same. The
 * file around it, with its checksum: adapters/file/sealed.h.
 *
 * Control plane, one thread: take before start or after join, restore and warm before start. */
#ifndef TF_BOOT_SNAPSHOT_H
#define TF_BOOT_SNAPSHOT_H

#include "boot/engine.h"

#define TF_SNAPSHOT_VERSION 5

/* What served of a registry's model, and what was on trial beside it. */
typedef struct tf_snapshot_model {
  char              name[32]; /* "": no model of a registry stood here */
  uint64_t          version;
  uint64_t          canary_version; /* 0: none was */
  tf_canary_share_t share;
  uint32_t          hash; /* of the version's file */
  uint32_t          reserved;
} tf_snapshot_model_t;

typedef struct tf_snapshot_head {
  uint64_t schema;
  uint64_t as_of_ns; /* the newest receive time in it */
  uint64_t record_bytes;
  uint32_t instrument_cnt;
  uint32_t halted; /* 1: an operator's halt stands */

  tf_snapshot_model_t models[TF_MODELS_MAX];
} tf_snapshot_head_t;

TF_STATIC_ASSERT(sizeof(tf_snapshot_model_t) == 64 &&
                     sizeof(tf_snapshot_head_t) == 32 + 64 * TF_MODELS_MAX,
                 "part of the snapshot's format");

/* Enough for every instrument that the engine has room for. */
size_t tf_snapshot_bytes_max(const tf_engine_t *engine);

/* Writes at most tf_snapshot_bytes_max; returns how many. */
size_t tf_snapshot_take(const tf_engine_t *engine, void *bytes);

/* What a snapshot says of the model of that name: before the engine is made, so that it begins with the version that served. NULL:
 * nothing. bytes may be NULL. */
const tf_snapshot_model_t *tf_snapshot_find_model(const void *bytes, size_t bytes_cnt,
                                                  const char *name);

/* The engine goes on from the snapshot. now_ns 0: its age does not matter. E_BOOT_SNAPSHOT, with the
 * reason, having changed nothing: cut short, another schema, older than age_max_ns, more instruments
 * than there is room for. */
tf_err_t tf_snapshot_restore(tf_engine_t *engine, const void *bytes, size_t bytes_cnt,
                             uint64_t now_ns, uint64_t age_max_ns);

/* Runs the lane over a source to its end, on the calling thread, before start: windows, bars and models over
 * windows are warm then. Nothing is decided or counted; books, quotes and the last trade are
 * forgotten, since they are the recording's. E_... of the source, where it broke. */
tf_err_t tf_snapshot_warm(tf_engine_t *engine, tf_source_t *source, uint64_t *event_cnt);

#endif
