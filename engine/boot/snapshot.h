/* What an engine knows, as bytes, and an engine that goes on from them. There are two ways to:
 *
 *   learnt   what holds in another stream of the same instruments too: of each instrument the features' memory, the bars, the market's
 *            last values, the strategies' and window models' states, the rows from which another version's windows are made. Books
 *            are left out: after a restart on a live venue they are worth nothing until the venue has sent them anew, and their state
 *            says so. Decisions are numbered behind what the sinks hold.
 *   exact    every word that a decision can depend on (stage/lane_walk.h), and where the stream of events stood. Given the events
 *            behind that, from a source that can bring them (a recording, a broker's stream), the engine makes the decisions of the one
 *            that was never stopped: the same bits in their first lines, ingest_seq and decision_seq included. Sinks that hold some of
 *            them already drop these, and refuse one that is another (E_SINK_FENCED).
 *
 * Either way: of each model of a registry, those of texts too, the version that served. A model that is one an instrument begins with its base, whose window is
 * made of its rows, and so cannot be gone on from exactly; nor can a lane that sheds, or one with a version on trial.
 *
 * Layout: a head, acquire's part, the lane's, then a record an instrument, each with its bytes first; no pointers; of windows and books what
 * they hold, not their room; native, little endian; multiples of 8 bytes (docs/formats.md). The same run gives the same bytes. mark.schema is a hash over what gives the bytes
 * their meaning (features, bars, peers, strategies, models): a snapshot fits an engine whose schema is the same. The file around it, with its
 * checksum: adapters/file/sealed.h.
 *
 * Control plane, one thread: take before start or after join, restore and warm before start. Of a running engine: boot/snapshot_live.h,
 * which saves the pieces, each on the thread that owns it. */
#ifndef TF_BOOT_SNAPSHOT_H
#define TF_BOOT_SNAPSHOT_H

#include "boot/engine.h"
#include "boot/snapshot_store.h"
#include "core/walk.h"
#include "serve/texts.h"

#define TF_SNAPSHOT_VERSION 10

/* What gives the bytes their meaning. */
typedef enum tf_snapshot_part {
  TF_SNAPSHOT_FEATURES,
  TF_SNAPSHOT_BARS,
  TF_SNAPSHOT_PEERS,
  TF_SNAPSHOT_STRATEGIES,
  TF_SNAPSHOT_MODELS,
  TF_SNAPSHOT_PART_CNT
} tf_snapshot_part_t;

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
  tf_snapshot_mark_t mark;
  uint64_t           acquire_bytes, lane_bytes, records_bytes; /* of what follows, in this order */
  uint64_t record_bytes; /* of a record with empty windows and book, its padding left out */
  uint64_t digest;       /* of all other words */
  uint32_t source_cnt, instrument_cap;
  uint32_t halted; /* 1: an operator's halt stands */
  uint32_t reserved;
  char     why_not[72];                 /* "": it can be gone on from exactly */
  uint64_t parts[TF_SNAPSHOT_PART_CNT]; /* a hash of each; mark.schema is over all */

  tf_snapshot_model_t models[TF_MODELS_MAX];
  tf_snapshot_model_t texts[TF_TEXTS_ROLE_CNT]; /* those of texts, likewise */
} tf_snapshot_head_t;

TF_STATIC_ASSERT(sizeof(tf_snapshot_model_t) == 64 &&
                     sizeof(tf_snapshot_head_t) == 208 + 64 * (TF_MODELS_MAX + 2),
                 "part of the snapshot's format");

/* Enough for every instrument that the engine has room for, each with full windows and a full book that waits for its snapshot. */
size_t tf_snapshot_bytes_max(tf_engine_t *engine);

/* Writes at most room bytes, 8-byte aligned, which are to be enough; returns how many. */
size_t tf_snapshot_take(tf_engine_t *engine, void *bytes, size_t room);

/* What a snapshot says of the model of that name: before the engine is made, so that it begins with the version that served. NULL:
 * nothing. bytes may be NULL. */
const tf_snapshot_model_t *tf_snapshot_find_model(const void *bytes, size_t bytes_cnt,
                                                  const char *name);

/* Likewise of a model of texts. */
const tf_snapshot_model_t *tf_snapshot_find_texts(const void *bytes, size_t bytes_cnt,
                                                  tf_texts_role_t role, const char *name);

/* Whose it is, and where it stands. E_BOOT_SNAPSHOT: cut short, or changed. */
tf_err_t tf_snapshot_read_mark(const void *bytes, size_t bytes_cnt, tf_snapshot_mark_t *mark);

/* Where the source of that name stood (tf_source_t.position); 0: nowhere. */
uint64_t tf_snapshot_find_position(const void *bytes, size_t bytes_cnt, const char *source);

typedef struct tf_snapshot_way {
  uint64_t now_ns;     /* 0: its age does not matter */
  uint64_t age_max_ns; /* an older one is refused */
  bool     is_exact;   /* else what was learnt */
  bool
      from_beginning; /* exact: the sources bring their first event again (a recording), and what the
                              snapshot has is passed over; else they begin behind their positions */
} tf_snapshot_way_t;

/* The engine, whose sources were added, goes on from the snapshot. E_BOOT_SNAPSHOT, with the reason, having changed
 * nothing: cut short or changed, other parts than the engine's, too old or of the future, more instruments than there is room for. An exact one may be found to be no such
 * state on the way: then the engine is to be fini'd. E_CORE_NO_MEMORY. */
tf_err_t tf_snapshot_restore(tf_engine_t *engine, const void *bytes, size_t bytes_cnt,
                             const tf_snapshot_way_t *way);

/* Runs the lane over a source to its end, on the calling thread, before start: windows, bars and models over
 * windows are warm then. Nothing is decided or counted; books, quotes and the last trade are
 * forgotten, since they are the recording's. E_... of the source, where it broke. */
tf_err_t tf_snapshot_warm(tf_engine_t *engine, tf_source_t *source, uint64_t *event_cnt);

/* ---- pieces, for boot/snapshot_live.c and snapshot_copy.c ---- */

typedef struct tf_snapshot_sizes {
  size_t acquire_bytes, lane_bytes; /* always */
  size_t record_bytes;              /* with empty windows and book, which add at most */
  size_t trail_bytes_max, book_bytes_max, pending_bytes_max;
} tf_snapshot_sizes_t;

/* Control plane, once the sources were added. */
tf_snapshot_sizes_t tf_snapshot_sizes(tf_engine_t *engine);

/* Acquire's thread, between two batches; room: acquire_bytes. */
void tf_snapshot_save_acquire(tf_engine_t *engine, void *to, size_t room);
/* The lane's thread, between two events, as the next two; room: lane_bytes. */
void tf_snapshot_save_lane(tf_engine_t *engine, void *to, size_t room);
/* Returns its bytes, a multiple of 8; 0: there is not enough room. later: the entries of the plan's trails are left, and noted here, one
 * each (stage/feature_trail.h); NULL: they are saved too. */
size_t tf_snapshot_save_instrument(tf_engine_t *engine, uint32_t id, void *to, size_t room,
                                   tf_walk_ring_t *later);
/* All but ingest_seq, which acquire has, as_of_ns, instrument_cnt, which are the caller's, and what seal adds. */
void tf_snapshot_begin_head(const tf_engine_t *engine, const tf_snapshot_sizes_t *sizes,
                            tf_snapshot_head_t *head);
/* bytes_cnt: of all, from the head on. Any thread. */
void tf_snapshot_seal_head(tf_snapshot_head_t *head, size_t bytes_cnt);

#endif
