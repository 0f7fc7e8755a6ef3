/* A sink on a thread of its own. Emit's offer copies into a queue under the sink's policy (outq.h); the
 * egress thread takes from it, writes to the spool first where the policy is spill (spool.h), and
 * delivers through an outlet: what knows one destination's protocol. A sink of this kind is a file
 * that holds its outlet and names it with TF_EGRESS_SINK.
 *
 *   emit --offer--> [outq] --take--> egress thread --send--> outlet --> destination
 *                                        |  ^                  |
 *                                      [spool]            acked_seq, tail_seq
 *
 * Exactly once. Records carry a sequence that only rises. An outlet that becomes READY says which sequence its
 * destination holds last (tail_seq), read from the destination itself. The thread then sends from
 * behind it: what it had sent before and the tail covers is acked (already_there), what the tail does
 * not cover is sent again, in order. What was not acked is kept: in the spool with SPILL, else in
 * memory up to the window. So neither a lost acknowledgement nor an outage of any length makes a hole
 * or a double, whatever the destination's own window of ids is.
 *
 * The tail may be ahead of all that this engine took. In a replay that is another replay of the same
 * input: what it left is acked as it comes by. In a live engine somebody else has used our numbers: the
 * sink ends with E_SINK_FENCED and says so, before anything is taken for delivered that is not: so it does where
 * another process wrote a tail that covers what this one has on the way. A tail behind
 * what was acked: the destination has lost records; from a spool they are sent again as far as it
 * still has them, and the hole that is left is counted in errors and told in the log.
 *
 * Nothing is taken from the queue before the outlet is READY and nearly all before it is sent: what waits,
 * waits where the policy holds. The thread is named tf:NAME, takes no signals, and polls: emit's
 * offer makes no system call. */
#ifndef TF_SINK_EGRESS_H
#define TF_SINK_EGRESS_H

#include "sink/outq.h"

#define TF_EGRESS_WINDOW     4096u /* records sent and not acked, at most */
#define TF_EGRESS_SEND_MAX   64u   /* records offered to an outlet's send at once */
#define TF_EGRESS_SPIN_CNT   32u   /* passes without work before the thread naps */
#define TF_EGRESS_NAP_NS_MIN (20 * TF_NS_PER_US)
#define TF_EGRESS_NAP_NS_MAX TF_NS_PER_MS
#define TF_EGRESS_TAIL_NS_MAX                                                                      \
  (3 * TF_NS_PER_SEC) /* so long a live start waits for a destination's tail */

typedef enum tf_outlet_phase {
  TF_OUTLET_DOWN,       /* not connected; the outlet tries again by itself, with backoff */
  TF_OUTLET_CONNECTING, /* on the way, the tail not known yet */
  TF_OUTLET_READY,      /* takes records */
  TF_OUTLET_FAILED      /* for good: tf_error_text says why and what to do */
} tf_outlet_phase_t;

/* What poll tells. */
typedef struct tf_outlet_view {
  tf_outlet_phase_t phase;
  uint32_t connection; /* rises whenever READY is reached anew: what was in flight is in doubt */
  uint64_t tail_seq;   /* READY: the last sequence that the destination holds; 0: none, or a
                                   destination that holds nothing (udp, http, listeners) */
  bool     is_tail_foreign; /* another process wrote it, as its own mark says */
  uint64_t acked_seq;       /* of this connection: all that was sent up to here is there for good */
  bool     goes_on; /* it sent something in this call and has more to send: no time to nap */
} tf_outlet_view_t;

/* One record on its way out. */
typedef struct tf_out {
  const void *record; /* config->shape; valid during the call */
  uint64_t    seq;
  bool        late;   /* older than max_age or its own expiry: to be marked, never sent as fresh */
  uint32_t    missed; /* records of a filtered stream that the queue dropped before it */
} tf_out_t;

typedef struct
    tf_outlet_counts { /* written by the egress thread only; added to the sink's counts */
  uint64_t connects, disconnects, errors, bytes, already_there;
  uint64_t clients, clients_refused, clients_evicted, client_dropped;
} tf_outlet_counts_t;

/* A destination. All but open and close on the egress thread; nothing here may block for longer than
 * wait_ns (connecting is asynchronous). */
typedef struct tf_outlet {
  size_t (*state_bytes)(const tf_sink_config_t *config);
  /* Control plane, before the thread starts: checks what is its own in the config, loads secrets,
   * binds listeners. E_SINK_CONFIG names the key and what is allowed. */
  tf_err_t (*open)(void *state, const tf_sink_config_t *config);
  /* Lets it connect, read acknowledgements, write what waits. May wait up to wait_ns for its own
   * descriptors; returns early when something came. */
  void (*poll)(void *state, uint64_t now_ns, uint64_t wait_ns, tf_outlet_view_t *view);
  /* READY only. Takes the first k <= n records, in order, and returns k; what it took is in flight. */
  uint32_t (*send)(void *state, const tf_out_t *outs, uint32_t n);
  /* Writes out what it holds back (linger); called when there is nothing more to send now. */
  void (*flush)(void *state, uint64_t now_ns);
  const tf_outlet_counts_t *(*counts)(const void *state);
  /* Egress thread, its last call. Gives back everything. */
  void (*close)(void *state);
  bool has_clients; /* the policy is each client's: the queue before the thread is DROP_NEWEST */
  bool
      keeps_tail; /* its destination keeps what it got and says its tail; without it tail_seq is not
                       looked at, and what was in flight is sent again */
} tf_outlet_t;

typedef struct tf_egress tf_egress_t;

size_t   tf_egress_bytes(const tf_outlet_t *outlet, const tf_sink_config_t *config);
tf_err_t tf_egress_open(void *state, const tf_outlet_t *outlet, const tf_sink_config_t *config);
int      tf_egress_offer(void *state, const void *records, uint32_t n);
tf_err_t tf_egress_flush(void *state, uint64_t now_ns);
/* close waits up to drain_ns_max, since closing or since its own call, for what is on the way; then it ends
 * the thread. What could not be delivered by then is dropped_closed, or stays in the spool. */
void     tf_egress_closing(void *state);
tf_err_t tf_egress_close(void *state);
uint64_t tf_egress_last_seq(const void *state);
uint64_t tf_egress_durable_seq(const void *state);
void     tf_egress_counts(const void *state, tf_sink_counts_t *counts);

/* Defines tf_sink_NAME over the outlet OUTLET. KEYS: tf_sink_t.keys, besides TF_SINK_KEYS_QUEUE. LOOK: how its broker's stream
 * stands; NULL: it has none. */
#define TF_EGRESS_SINK(NAME, HELP, OUTLET, POLICIES, POLICY, CARRIES, KEYS, LOOK)                  \
  static size_t NAME##_bytes(const tf_sink_config_t *config) {                                     \
    return tf_egress_bytes(&(OUTLET), config);                                                     \
  }                                                                                                \
  static tf_err_t NAME##_open(void *state, const tf_sink_config_t *config) {                       \
    return tf_egress_open(state, &(OUTLET), config);                                               \
  }                                                                                                \
  extern const tf_sink_t tf_sink_##NAME;                                                           \
  const tf_sink_t        tf_sink_##NAME = {.name        = #NAME,                                   \
                                           .help        = (HELP),                                  \
                                           .keys        = TF_SINK_KEYS_QUEUE " " KEYS,             \
                                           .policies    = (POLICIES),                              \
                                           .carries     = (CARRIES),                               \
                                           .policy      = (POLICY),                                \
                                           .state_bytes = NAME##_bytes,                            \
                                           .open        = NAME##_open,                             \
                                           .offer       = tf_egress_offer,                         \
                                           .flush       = tf_egress_flush,                         \
                                           .closing     = tf_egress_closing,                       \
                                           .close       = tf_egress_close,                         \
                                           .durable_seq = tf_egress_durable_seq,                   \
                                           .last_seq    = tf_egress_last_seq,                      \
                                           .counts      = tf_egress_counts,                        \
                                           .look        = (LOOK)}

#endif
