/* The simulator's transport: a loopback listener that speaks HTTP (REST answers), websocket and TLS, and
 * broadcasts a venue's messages to whoever subscribed. One thread: the one that calls poll. */
#ifndef SIM_SERVER_H
#define SIM_SERVER_H

#include "core/arena.h"
#include "tf/io.h"

#define SIM_CLIENTS_MAX       32
#define SIM_STREAMS_MAX       192
#define SIM_MESSAGE_BYTES_MAX 262144

typedef struct sim_server sim_server_t;

/* What a client wants to hear. */
typedef struct sim_subscription {
  uint64_t streams[SIM_STREAMS_MAX / 64]; /* a bit per stream */
  bool     combined;                      /* frames are wrapped in {"stream":..,"data":..} */
} sim_subscription_t;

TF_INLINE bool sim_has_stream(const sim_subscription_t *s, uint32_t stream) {
  return s->streams[stream / 64] >> (stream % 64) & 1;
}
TF_INLINE void sim_set_stream(sim_subscription_t *s, uint32_t stream, bool on) {
  uint64_t bit            = UINT64_C(1) << (stream % 64);
  s->streams[stream / 64] = on ? s->streams[stream / 64] | bit : s->streams[stream / 64] & ~bit;
}

/* The venue behind the transport. Texts are written to a buffer of cap bytes; the return value is
 * their length. */
typedef struct sim_venue {
  void *self;
  /* A websocket upgrade for this target: streams named there are subscribed. False: 404. */
  bool (*on_upgrade)(void *self, const char *target, sim_subscription_t *sub);
  /* A text message of a client; the answer (0: none) goes back to it alone. */
  size_t (*on_text)(void *self, const char *text, size_t cnt, sim_subscription_t *sub, char *answer,
                    size_t cap);
  /* GET target: HTTP status; 200 with a JSON body in answer. */
  int (*on_get)(void *self, const char *target, char *answer, size_t cap, size_t *cnt);
} sim_venue_t;

typedef struct sim_faults {
  double corrupt_p; /* a byte of a message is changed */
  double drop_p;    /* a depth message is not sent: a gap in the venue's sequence */
  uint64_t
      close_ns; /* every connection is cut, in the middle of a frame, after this time; 0: never */
  uint64_t mute_ns; /* a connection falls silent after this time; 0: never */
  uint64_t rng;
} sim_faults_t;

typedef struct sim_server_config {
  const char  *host;                 /* an address of this machine's loopback */
  uint16_t     port;                 /* 0: any free one */
  const char  *cert_file, *key_file; /* NULL: plain ws and http */
  bool         deflate;              /* take permessage-deflate where it is offered */
  sim_venue_t  venue;
  sim_faults_t faults;
} sim_server_config_t;

typedef struct sim_server_counts {
  uint64_t messages, frames, refused, accepted, rest, closed_slow, corrupted, dropped, cut, muted,
      deflated;
} sim_server_counts_t;

/* Memory: about 1.2 MiB a client, 0.3 MiB more with deflate, of the heap, at start. */
tf_err_t sim_server_start(const sim_server_config_t *config, sim_server_t **server);
void     sim_server_stop(sim_server_t *server);
uint16_t sim_server_port(const sim_server_t *server);
uint32_t sim_server_client_cnt(const sim_server_t *server); /* upgraded ones */
const sim_server_counts_t *sim_server_counts(const sim_server_t *server);

/* One pass; waits at most wait_ns. now_ns: any monotone clock, for the faults. */
tf_err_t sim_server_poll(sim_server_t *server, uint64_t now_ns, uint64_t wait_ns);

/* Sends text to every client of the stream: plain to those without combined, wrapped to the rest. droppable: a
 * depth message, which the drop fault may leave out. */
void sim_server_broadcast(sim_server_t *server, uint32_t stream, const char *stream_name,
                          const char *text, size_t cnt, bool droppable);

#endif
