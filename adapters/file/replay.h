/* Replay: recordings and tapes as a source (tf/source.h), through the same stages as live data.
 *
 * Each input is a recording with its feed, or a tape (file/tape_track.h). Several inputs are merged by recv_ns; on equal times the
 * input named first goes first. One record is one message: it is decoded by its feed and published
 * as one batch before the next is looked at, so every message carries a time stamp of its own.
 *
 * A capture (file/capture_format.h) brings its feeds with it. Its records are obeyed in its own order,
 * which is that of the live acquire: a frame goes to its feed as of the connection that brought it, one that
 * comes or goes is told to it as it was (feed/legs.h is what the live session runs), a command is published
 * as the event that it was. So a replay publishes the same events in the same order as the live run did,
 * bit for bit.
 *
 * Pace. At full speed (speed 0) a message's origin is the moment when its bytes were taken up,
 * decompressed and found to be a record: reading the file is not the engine's latency, decoding is.
 * Paced by a factor (1: as recorded), a record is due at
 *     start + (recv_ns - recv_ns of the first record) / speed
 * where start is the poll that found the first record; its origin is the due time, whether or not
 * the engine was ready for it then, so that falling behind shows up as latency instead of
 * stretching the recording (no coordinated omission). The waiting time is used to decompress ahead.
 *
 * Why a recorded connection ended is counted as it was live, in the source's legs; a source of a replay has none to
 * show otherwise (leg_cnt 0).
 *
 * Bounds: records with recv_ns in [from_ns, to_ns) are replayed. An input is not read further once
 * TF_REPLAY_BEYOND_MAX records on end were TF_REPLAY_TO_SLACK_NS past to_ns: one wild time, or a
 * clock that steps back, does not cut it off.
 *
 * What a recording cannot do: answer. Resync requests of the feeds are dropped (the feeds count
 * them), and a book whose chain broke stays broken until a snapshot stands in the recording.
 *
 * The ledger: source.bytes_rx are the decompressed bytes read, = framed (understood, the recorder's
 * own lines and records outside the bounds included) + partial (cut by damage) + rejected.
 * counts.messages counts the records within the bounds, lines that could not be used included
 * (rejected LINE, or LIMIT when longer than TF_RECORD_BYTES_MAX).
 *
 * A tape's bytes_rx are those of its blocks that were read, = framed + rejected (damaged), and each of
 * its messages counts as one; events of an instrument that the tape does not name are rejected
 * INSTRUMENT.
 *
 * Memory: the caller's, tf_replay_footprint bytes, plus what recordings and tapes take at init. poll
 * allocates nothing. One thread: that of acquire. */
#ifndef ADAPTERS_FILE_REPLAY_H
#define ADAPTERS_FILE_REPLAY_H

#include "feed/legs.h"
#include "file/recording.h"
#include "file/tape_track.h"
#include "tf/route.h"
#include "tf/source.h"

#define TF_REPLAY_INPUTS_MAX 32
/* At most so many records a poll: keeps the virtual call out of the per-record cost, and acquire's
 * other duties at most this many messages away. */
#define TF_REPLAY_RECORDS_PER_POLL 16
#define TF_REPLAY_TO_SLACK_NS      (60 * TF_NS_PER_SEC)
#define TF_REPLAY_BEYOND_MAX       1000
#define TF_REPLAY_SPEED_MAX        1e9

typedef struct tf_replay_feed {
  const tf_feed_t        *feed;
  const tf_feed_config_t *config; /* kept: it must live as long as the replay */
} tf_replay_feed_t;

typedef struct tf_replay_input {
  const char             *path;
  const tf_feed_t        *feed;        /* NULL, and no feeds either: the file is a tape */
  const tf_feed_config_t *feed_config; /* kept, as above */
  const tf_replay_feed_t *feeds;       /* a capture: those of its header, in their order, instead */
  uint32_t                feed_cnt;
  /* 0: the input has a feed state of its own. n: it continues inputs[n - 1], with that one's state:
   * the next file of the same recording, so that books go on. Same feed and feed_config then. */
  uint32_t continues;
} tf_replay_input_t;

typedef struct tf_replay_config {
  const tf_replay_input_t *inputs;
  uint32_t                 input_cnt; /* 1 .. TF_REPLAY_INPUTS_MAX */
  double                   speed;     /* 0: as quickly as it goes; else up to TF_REPLAY_SPEED_MAX */
  uint64_t                 from_ns;   /* 0: from the beginning */
  uint64_t                 to_ns;     /* 0: to the end */
  uint64_t unpaced_events;       /* the first ones, which an earlier engine had: not waited for */
  uint32_t event_cap;            /* events of the largest message */
  tf_instruments_t *instruments; /* of tapes; the feeds of recordings have theirs */
} tf_replay_config_t;

typedef struct tf_replay_track { /* one input and its feeds */
  tf_recording_t   recording;
  tf_record_t      record; /* the one that waits, if has_record; else the one taken last */
  tf_tape_track_t *tape;   /* NULL: a recording */
  tf_legs_t       *feeds;  /* (feed_cnt), by the record's source_idx */
  /* (feed_cnt) of a capture: which of them served (tf/route.h); NULL: they all do */
  tf_route_filter_t *filters;
  uint32_t           feed_cnt;
  tf_replay_input_t  input;
  uint8_t           *feeds_memory; /* of feeds and filters; NULL: they are another track's */
  uint32_t           beyond_cnt;   /* records on end that were far past to_ns */
  bool               has_record;
  bool               over;
} tf_replay_track_t;

typedef struct tf_replay {
  tf_source_t        source; /* first: a tf_source_t * of a replay is a tf_replay_t * */
  tf_feed_out_t      out;
  tf_replay_track_t *tracks;
  uint32_t           track_cnt;
  double             ns_to_ticks; /* of recorded time: ticks per ns, divided by speed; 0 unpaced */
  uint64_t           from_ns, to_ns;
  uint64_t           unpaced_left; /* events */
  uint64_t           start_ticks, first_recv_ns;
  bool               started;
  bool               stopped;
  int                damaged_track; /* -1: none */
  tf_replay_track_t *current;       /* whose record is being published */
  uint64_t           origin_ticks;  /* of that record */
  uint64_t           unknown_ids;   /* of tapes, as counted already */
} tf_replay_t;

/* Bytes of memory for init, a multiple of 64; 0 when config is out of range or the sum overflows. */
size_t tf_replay_footprint(const tf_replay_config_t *config);

/* Opens all inputs and inits their feeds. memory: tf_replay_footprint bytes, 64-byte aligned, kept
 * until fini. E_CORE_ARGUMENT, the errors of
 * tf_recording_init, of tf_tape_track_init and of the feeds' init. On error
 * everything is closed again. tf_clock_calibrate must have run. */
tf_err_t tf_replay_init(tf_replay_t *replay, const tf_replay_config_t *config, void *memory);
void     tf_replay_fini(tf_replay_t *replay); /* accepts a zeroed or half-initialised one */

/* Back to the beginning of every input, which is to be a tape or a capture: decoders, routes and the pace are as
 * after init, the counts go on. Between two polls; allocates nothing, but opens files and clears the feeds' memory,
 * some 10 MiB of a capture with several connections. The errors of tf_recording_init and of the feeds' init. */
tf_err_t tf_replay_rewind(tf_replay_t *replay);

/* What is in the recordings so far, summed over the inputs. */
tf_recording_counts_t tf_replay_counts(const tf_replay_t *replay);

/* The record that is being published: from within publish only. */
TF_INLINE const tf_record_t *tf_replay_current(const tf_replay_t *replay) {
  return &replay->current->record;
}

#endif
