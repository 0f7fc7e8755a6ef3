/* The acquire stage: polls its sources, numbers what they publish, and hands it on: to the lane on
 * the same thread, in place, or into the event ring when the pipeline is cut here. First stage; the
 * only writer of ingest_seq. */
#ifndef TF_STAGE_ACQUIRE_H
#define TF_STAGE_ACQUIRE_H

#include "core/bell.h"
#include "core/walk.h"
#include "flow/ring.h"
#include "stage/event_time.h"
#include "stage/feed_clock.h"
#include "stage/outlier.h"
#include "stage/passage.h"
#include "tf/io.h"
#include "tf/source.h"

#define TF_SOURCES_MAX 129 /* 64 connections or inputs, a chain of routes each, the operator */

/* What crosses the event ring: the event, and the ticks that its latency is measured from. */
typedef struct tf_ring_event {
  tf_event_t event;
  uint64_t   origin_tsc;
  uint64_t   decoded_tsc;
} tf_ring_event_t;

TF_STATIC_ASSERT(sizeof(tf_ring_event_t) == 80, "record size of the event ring");

/* Where a batch goes on the same thread. */
typedef void (*tf_acquire_deliver_fn)(void *lane, const tf_event_t *events, uint32_t event_cnt,
                                      uint64_t origin_tsc, uint64_t decoded_tsc);

typedef struct tf_acquire tf_acquire_t;

/* Where one source publishes to: acquire, as that source. */
typedef struct tf_acquire_port {
  tf_acquire_t *acquire;
  uint32_t      source_idx;
} tf_acquire_port_t;

struct tf_acquire {
  tf_source_t          *sources[TF_SOURCES_MAX];
  tf_acquire_port_t     ports[TF_SOURCES_MAX];
  tf_feed_clock_t      *clocks;       /* (TF_SOURCES_MAX), by source; NULL: nobody asks */
  tf_outlier_row_t     *outlier_rows; /* (instrument_cap) */
  uint32_t              instrument_cap;
  uint64_t              outliers;                           /* trades flagged */
  tf_event_time_row_t  *time_rows;                          /* (instrument_cap) */
  uint64_t              bad_times[TF_EVENT_TIME_CAUSE_CNT]; /* events whose time is flagged */
  bool                  done[TF_SOURCES_MAX];
  uint32_t              source_cnt;
  tf_io_t              *io;        /* NULL in replay */
  tf_bell_t            *bell;      /* rung by who hands a source something; NULL: it never sleeps */
  uint64_t              bell_seen; /* before the sources were last looked at */
  tf_ring_writer_t     *ring;      /* NULL: deliver in place */
  tf_ring_writer_t     *beside;    /* of tf_event_t: a copy for a tape's thread; NULL: none */
  uint64_t              beside_lost; /* copies that found it full: acquire does not wait for it */
  tf_passage_t         *passage;     /* to the sinks that carry events; NULL: none does */
  tf_acquire_deliver_fn deliver;
  void                 *lane;
  uint64_t              ingest_seq;
  uint64_t              seqs_skipped; /* of these: the numbers that an earlier engine has used */
  uint64_t              events_hash;
  uint64_t
      resumed_cnt; /* published ones that an earlier engine had: this one counts those behind */
  uint64_t        over_until, over_hash; /* passed over up to it, which is to have this hash */
  uint64_t        ring_full_waits;       /* passes spent waiting for the lane */
  uint64_t        events_dropped; /* not published: the engine stops and no lane takes them */
  const uint32_t *stopping;       /* a full ring is given up a second after this is set */
  uint64_t        stopping_ns;    /* monotonic, when that was first seen at a full ring */
  tf_err_t        failed;         /* the first source that broke */
  bool            must_end;       /* one that was required, or the I/O loop */
  char            failed_text[512];
};

/* Events that were published. */
TF_INLINE uint64_t tf_acquire_published(const tf_acquire_t *acquire) {
  return acquire->ingest_seq - acquire->seqs_skipped;
}

/* Adds a source and takes over its publisher. */
tf_err_t tf_acquire_add(tf_acquire_t *acquire, tf_source_t *source);

/* Before start, io set. Those who hand something to a source ring this bell behind it, and a poll that waits comes back at once. io
 * takes the bell's ear over. What tf_io_attach returns. */
tf_err_t tf_acquire_wake_by(tf_acquire_t *acquire, tf_bell_t *bell);

/* Where the stream stands: numbers, hash, what is judged by. Before start or after join, or on acquire's thread between two batches. */
void tf_acquire_walk(tf_acquire_t *acquire, tf_walk_t *walk);

/* Before start, sources added. An earlier engine had the events up to ingest_seq, with that events_hash, and the lane has its state.
 * The sources begin at their beginning and bring them once more: they are numbered and judged, and go no further. E_BOOT_SNAPSHOT,
 * as of a source that broke, where they turn out to be others, or too few. */
void tf_acquire_pass_over(tf_acquire_t *acquire, uint64_t ingest_seq, uint64_t events_hash);

/* One pass over io and sources, waiting at most wait_ns for bytes, or for the bell. Returns the work done; 0 when
 * idle; TF_SOURCE_DONE when every source is read to its end or broken. Live: a source that breaks is given up and the
 * others go on, until none but aids are left or a required one breaks; failed keeps the first. */
int tf_acquire_poll(tf_acquire_t *acquire, uint64_t now_ns, uint64_t wait_ns);

#endif
