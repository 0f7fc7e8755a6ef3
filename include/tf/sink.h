/* The contract of a sink: one file adapters/sink/<name>.c exporting tf_sink_<name>, plus its line in
 * sinks.def. Backpressure ends at the decision ring: offer never waits, and what does not fit is
 * treated by the sink's declared policy.
 *
 * There are two kinds behind this one contract:
 *   in place   shm, journal, stdout, null: offer delivers, on emit's thread. A sink that cannot take
 *              now returns fewer, and emit applies block or drop_newest.
 *   egress     all that goes over a network or to another process's socket: offer copies into the
 *              sink's queue under the policy, and a thread of the sink's own delivers
 *              (adapters/sink/egress.h). What becomes of a record later stands in the counts.
 *
 * Ledger, for each sink: offered + recovered = acked + dropped[reason] + conflated + pending; and what emit was handed =
 * offered + filtered: what the sink's filter leaves out is not offered, and no loss. */
#ifndef TF_SINK_H
#define TF_SINK_H

#include "tf/broker.h"
#include "tf/instrument.h"
#include "tf/labels.h"
#include "tf/record.h"

typedef enum tf_overflow {
  TF_OVERFLOW_OVERRUN, /* lossy by design: the sink always takes, its readers detect loss (shm) */
  TF_OVERFLOW_BLOCK,   /* emit waits for the sink, at most block_ns_max; then as DROP_NEWEST */
  TF_OVERFLOW_DROP_NEWEST, /* what does not fit is dropped and counted */
  TF_OVERFLOW_DROP_OLDEST, /* what waits longest gives way, and is counted */
  TF_OVERFLOW_CONFLATE, /* of an instrument and strategy the latest; what it replaces is counted */
  TF_OVERFLOW_SPILL, /* all goes to the sink's spool on disk first, and out in order when it can */
  TF_OVERFLOW_DISCONNECT, /* a client whose queue is full is let go, told up to where it was served */
  TF_OVERFLOW_CNT
} tf_overflow_t;

#define TF_OVERFLOW_BIT(policy) (1u << (policy))

typedef enum tf_sink_format {
  TF_FORMAT_BINARY, /* the record as it stands in memory, little endian */
  TF_FORMAT_JSON,   /* one object a line */
  TF_FORMAT_CBOR,   /* RFC 8949 map with the JSON's keys: describes itself, for brokers */
  TF_FORMAT_CNT
} tf_sink_format_t;

/* Which records are of low priority: under pressure a queue turns them away first, once it is half full.
 * Pure; any thread that offers. */
typedef struct tf_sink_ranks {
  const void *self;
  bool (*is_low)(const void *self, const void *record);
} tf_sink_ranks_t;

/* What the config says of one sink, checked as far as the table of keys can. Texts are the caller's, until close. */
typedef struct tf_sink_config {
  const char       *type, *name; /* name: in metrics, logs, client ids; unique in the config */
  tf_record_shape_t shape;
  tf_sink_format_t  format;
  tf_overflow_t     policy;
  const char       *path;     /* file, shared-memory name or Unix socket; NULL if not given */
  uint64_t          slot_cnt; /* size of its queue or ring in records, a power of two */
  bool              durable;  /* journal: a block counts as written when it is on disk */
  const char       *key_file; /* journal: of the key of its MACs; NULL: none */
  uint32_t          epoch;
  bool is_fenced; /* of a group: a destination that has seen a later epoch refuses it */
  bool is_replay;
  bool is_filtered; /* not all records of its kind come: sequences have holes that are no loss */
  uint32_t                partition_cnt; /* nats: subjects of events have their partition; 0: not */
  const tf_sink_ranks_t  *ranks;         /* NULL: all are alike */
  const tf_instruments_t *instruments;
  const tf_labels_t      *labels; /* that texts get; NULL: there are none */
  uint32_t                strategy_cnt;
  const char *const      *strategies; /* names by strategy_id */

  const char *url;           /* of the broker, the listener or the receiver; NULL if not given */
  const char *stream;        /* JetStream's stream and subject prefix, Redis' key, Kafka's topic */
  bool        stream_create; /* nats: the stream is made if it is not there */
  uint64_t    stream_keep;   /* nats, redis: records that the stream keeps, the last ones; 0: all */
  const char *spool;         /* SPILL: path prefix of the spool's segments */
  uint64_t    spool_bytes_max;
  uint64_t    block_ns_max; /* BLOCK: how long emit may wait; UINT64_MAX in a replay */
  uint64_t
      max_age_ns; /* a record sent later than that after its decision is marked late; 0: never */
  uint64_t drain_ns_max; /* close waits so long for what is on the way */
  uint32_t batch_max;    /* records a request, frame or datagram at most */
  uint64_t linger_ns;    /* and so long a batch may wait to be filled */
  /* Secrets are files: mode 600, owner checked (core/secret.h). NULL: none. */
  const char *user, *password_file, *token_file, *sign_file;
  const char *ca_file, *cert_file, *tls_key_file;
  uint32_t    clients_max;  /* of a listener */
  uint64_t    client_slots; /* queue of one client, in records */
  const char *history; /* of a listener: the journal that resume_from is served from; NULL: none */
  const char *url_b;   /* udp: the B line; NULL: A only */
  const char *interface; /* udp: to send from */
  uint32_t    ttl;       /* udp: hops */
} tf_sink_config_t;

/* Of an egress sink since its start. Each word by one thread; read from any, each by itself complete. */
typedef struct tf_sink_counts {
  uint64_t acked;          /* delivered: the destination said so, or a lossy one was sent it */
  uint64_t dropped_full;   /* by drop_newest, or a block that lasted too long */
  uint64_t dropped_low;    /* of low priority, where the queue was half full */
  uint64_t dropped_oldest; /* by drop_oldest */
  uint64_t dropped_closed; /* not delivered when the sink was closed, and not in a spool */
  uint64_t dropped_broken; /* the sink had failed for good */
  uint64_t conflated;
  uint64_t pending; /* queued, spooled or on the way */
  uint64_t spooled; /* of those, on disk only */
  uint64_t
      recovered; /* found in the spool at start: of an earlier engine, not offered by this one */
  uint64_t late; /* sent, and marked */
  uint64_t already_there; /* of acked: the destination held them before they were sent (again) */
  uint64_t resent;        /* sent once more after a lost acknowledgement or connection */
  uint64_t connects, disconnects, errors, bytes;
  uint64_t clients; /* of a listener, now */
  uint64_t clients_refused, clients_evicted;
  uint64_t client_dropped; /* records that clients' own queues gave up, over all clients */
  uint64_t last_seq;       /* acked up to here */
} tf_sink_counts_t;

/* Keys of the config that mean something to every sink, and to every one with a queue and a thread. */
#define TF_SINK_KEYS                                                                               \
  "type name carries policy block_max instruments strategies actions partitions partition"
#define TF_SINK_KEYS_QUEUE "slots drain max_age format low_instruments low_strategies"

typedef struct tf_sink {
  const char *name;
  const char *help;
  const char
      *keys; /* of the config, besides TF_SINK_KEYS: "path slots"; others are refused; NULL: any */
  uint32_t      policies; /* TF_OVERFLOW_BIT of each that it knows */
  uint32_t      carries;  /* 1 << tf_carries_t of each */
  tf_overflow_t policy;   /* if the config says auto */
  size_t (*state_bytes)(const tf_sink_config_t *config);
  /* Control plane. An egress sink starts its thread; its destination need not be there yet. */
  tf_err_t (*open)(void *state, const tf_sink_config_t *config);
  /* Emit's thread. Takes the first k <= n records (config's shape), in order, and returns k; < 0 is
   * tf_err_t: broken for good. What a policy dropped counts as taken. */
  int (*offer)(void *state, const void *records, uint32_t n);
  tf_err_t (*flush)(void *state, uint64_t now_ns); /* called when emit is idle, and before close */
  void (*closing)(
      void *state); /* close is near: begins to drain, returns at once; NULL: close alone */
  tf_err_t (*close)(void *state);
  /* The last sequence that is known to outlive a crash of the machine; NULL: nothing is kept. */
  uint64_t (*durable_seq)(const void *state);
  /* The last sequence that an earlier engine left here, after open: a live engine goes on behind the
   * highest of all its sinks. NULL: none. */
  uint64_t (*last_seq)(const void *state);
  /* Records (config's shape) up to that sequence, which an engine that goes on from a snapshot has made again: emit's thread, in
   * order, not offered. E_SINK_FENCED: one (of a decision the first line) is not what is here. NULL: it cannot look. */
  tf_err_t (*check_held)(void *state, const void *records, uint32_t n);
  /* NULL: in place, taken is delivered. Any thread. */
  void (*counts)(const void *state, tf_sink_counts_t *counts);
  tf_broker_look_t look; /* how its broker's stream stands; NULL: it has none */
} tf_sink_t;

#endif
