/* For test_snapshot*.c: events that were decoded, or made up, once (the tape), engines that are given them, a sink that keeps what they
 * decided, and a store of snapshots in memory. Engines here have one thread, the test's, unless a test starts them. */
#ifndef TESTS_SNAPSHOT_RIG_H
#define TESTS_SNAPSHOT_RIG_H

#include "boot/snapshot_live.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RIG_IS_SLOW 1 /* as much as there is time for */
#else
#define RIG_IS_SLOW 0
#endif
#define RIG_EVENTS_MAX      (RIG_IS_SLOW ? 1u << 17 : 1u << 18)
#define RIG_INSTRUMENTS_MAX 1024u
#define RIG_KEPT_MAX        60u

/* ---- the tape ---- */

typedef struct rig_batch {
  uint32_t first, cnt;
} rig_batch_t;

typedef struct rig_tape {
  tf_event_t      *events; /* as decoders made them */
  rig_batch_t     *batches;
  uint32_t         event_cnt, batch_cnt;
  tf_instruments_t instruments;
} rig_tape_t;

extern rig_tape_t rig_tape;

void rig_clear_tape(void);
void rig_append(const tf_event_t *events, uint32_t event_cnt); /* a batch */
void rig_decode(const char *const *inputs, uint32_t cnt);
void rig_decode_made(void); /* two venues' recordings of the tree */

/* ---- engines ---- */

typedef struct rig_line {
  uint8_t bytes[64];
} rig_line_t;

/* What the sink of the engine in hand was offered. */
typedef struct rig_decided {
  rig_line_t *lines;
  uint32_t    cnt;
} rig_decided_t;

extern rig_decided_t rig_decided;

typedef struct rig_piece {
  void    *snapshot;
  size_t   bytes;
  uint64_t events_hash, decisions_hash;
} rig_piece_t;

void rig_load_config(const char *text, tf_config_t **config);

/* An engine with the source "tape", which goes on from the snapshot if there is one. */
void rig_begin_engine(tf_engine_t *engine, const tf_config_t *config, tf_source_t *source,
                      const rig_piece_t *from, const tf_snapshot_way_t *way);
/* Gives it batches [from, to); as a pass of the runner each, as far as batches of ticks go. */
void rig_give(tf_engine_t *engine, tf_source_t *source, uint32_t from, uint32_t to);
void rig_take(tf_engine_t *engine, rig_piece_t *piece); /* in place of what is there */
/* Batches [from, to) by an engine of its own, which leaves its snapshot in *piece and goes on from the one that is there. */
void rig_run_piece(const tf_config_t *config, uint32_t from, uint32_t to, rig_piece_t *piece);

/* ---- a store: all that were put, as far as there is room ---- */

typedef struct rig_store {
  rig_piece_t pieces[RIG_KEPT_MAX];
  uint64_t    decision_seqs[RIG_KEPT_MAX];
  uint32_t    cnt, put_cnt;
  bool        refuses;
} rig_store_t;

extern rig_store_t rig_store;

void rig_empty_store(void);
/* Snapshots of it, on demand, into the store. */
tf_snapshot_live_t *rig_start_live(tf_engine_t *engine);

#endif
