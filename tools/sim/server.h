/* The simulator's transport: a loopback listener that speaks HTTP (REST answers), websocket
 * and TLS, and sends a venue's messages to whoever subscribed. It knows no venue: an exchange
 * (sim/exchange.h) answers through sim_service_t. All transport faults are done here. One
 * thread: the one that calls poll. Memory: all taken at start. */
#ifndef SIM_SERVER_H
#define SIM_SERVER_H

#include "core/arena.h"
#include "sim/faults.h"
#include "sim/limits.h"
#include "tf/io.h"

#define SIM_CLIENTS_MAX       64
#define SIM_STREAMS_MAX       14400
#define SIM_STREAM_NONE       UINT32_MAX
#define SIM_MESSAGE_BYTES_MAX (8u << 20) /* the largest snapshot recorded has 5.1 MB */

typedef struct sim_server sim_server_t;

/* A connected client, as the exchange sees it. The exchange writes all of it but sent_ns; the server
 * zeroes it when the websocket opens. */
typedef struct sim_peer {
  void        *state;      /* the venue's own of this connection: peer_bytes, zeroed */
  uint32_t     stream_cnt; /* that it hears or waits for */
  uint32_t     unanswered_cnt;
  sim_window_t messages, subscribes;
  uint64_t     args_bytes;
  uint64_t     unsubscribed_ns, pinged_ns, venue_pinged_ns; /* since when, or when last */
  uint64_t     sent_ns;                                     /* the server's: when it last sent */
  uint64_t     waiting_due_ns;
  uint64_t     sequence; /* of the connection: the next message's */
  bool         combined; /* wants each message wrapped with its stream's name */
  bool         heartbeats;
  uint64_t     streams[SIM_STREAMS_MAX / 64]; /* a bit per stream that it hears */
  uint64_t     waiting[SIM_STREAMS_MAX / 64]; /* and that it will hear once its snapshot is out */
} sim_peer_t;

/* How a venue's messages travel. */
typedef enum sim_framing {
  SIM_FRAMING_TEXT,
  SIM_FRAMING_BINARY, /* the text in binary frames */
  SIM_FRAMING_GZIP    /* each message a gzip member of its own, in a binary frame */
} sim_framing_t;

TF_INLINE bool sim_bit(const uint64_t *bits, uint32_t i) { return bits[i / 64] >> (i % 64) & 1; }
TF_INLINE void sim_bit_set(uint64_t *bits, uint32_t i, bool on) {
  uint64_t bit = UINT64_C(1) << (i % 64);
  bits[i / 64] = on ? bits[i / 64] | bit : bits[i / 64] & ~bit;
}

/* Who answers. Texts are written to a buffer of cap bytes; the return value is their length. */
typedef struct sim_service {
  void *self;
  /* A websocket upgrade for this target: 0, or the HTTP status that refuses it. */
  int (*on_upgrade)(void *self, sim_peer_t *peer, const char *target);
  /* The websocket is open; a venue that greets does it here. */
  void (*on_open)(void *self, sim_peer_t *peer);
  void (*on_text)(void *self, sim_peer_t *peer, const char *text, size_t cnt);
  /* A websocket ping or pong came. */
  void (*on_ping)(void *self, sim_peer_t *peer, bool is_pong);
  /* A REST request ("GET", "POST" with its body): HTTP status, JSON body in answer. *is_snapshot: late_snapshot
   * holds it back. */
  int (*on_rest)(void *self, const char *method, const char *target, const char *body, char *answer,
                 size_t cap, size_t *cnt, bool *is_snapshot);
  /* The connection is about to be closed by the venue: its notice, if it has one. */
  void (*on_shutdown)(void *self, sim_peer_t *peer);
  /* The instrument of a stream, as its messages name it; NULL: of none. */
  const char *(*symbol_name)(void *self, uint32_t stream);
  /* text as this peer is to get it, 0 where it goes out as it is. */
  size_t (*wrap)(void *self, sim_peer_t *peer, uint32_t stream, const char *text, size_t cnt,
                 char *out, size_t cap);
} sim_service_t;

typedef struct sim_server_config {
  const char   *host;                 /* an address of this machine's loopback */
  uint16_t      port;                 /* 0: any free one */
  const char   *cert_file, *key_file; /* NULL: plain ws and http */
  bool          deflate;              /* take permessage-deflate where it is offered */
  uint64_t      life_ns;              /* the venue closes each connection at this age; 0: never */
  sim_framing_t framing;
  size_t        peer_bytes;  /* of sim_peer_t's state */
  uint32_t      send_bytes;  /* kept for a client that reads slowly, then it is cut */
  uint32_t      clients_max; /* 1 .. SIM_CLIENTS_MAX */
  sim_service_t service;
  faults_t     *faults; /* the caller's; the server counts in it */
} sim_server_config_t;

typedef struct sim_server_counts {
  uint64_t messages, frames, refused, accepted, rest, closed_slow, lives_ended, deflated;
} sim_server_counts_t;

tf_err_t sim_server_start(const sim_server_config_t *config, sim_server_t **server);
void     sim_server_stop(sim_server_t *server);
uint16_t sim_server_port(const sim_server_t *server);
const sim_server_counts_t *sim_server_counts(const sim_server_t *server);

/* One pass; waits at most wait_ns. now_ns: any monotone clock, for the faults. */
tf_err_t sim_server_poll(sim_server_t *server, uint64_t now_ns, uint64_t wait_ns);

/* The idx-th connected websocket, NULL behind the last. */
sim_peer_t *sim_server_peer(sim_server_t *server, uint32_t idx);
/* Some connected websocket hears the stream. */
bool sim_server_is_heard(const sim_server_t *server, uint32_t stream);
/* At the end of this pass. code: of the close frame; SIM_CLOSE_CUT: without one. reason: NULL: none. */
void sim_server_close(sim_server_t *server, sim_peer_t *peer, uint16_t code, const char *reason);
/* A websocket ping; its pong comes by on_ping. */
void sim_server_ping(sim_server_t *server, sim_peer_t *peer);

typedef enum sim_message_kind {
  SIM_MESSAGE_ANSWER, /* to one client's request: no message fault touches it but the age's */
  SIM_MESSAGE_BEAT,   /* a heartbeat that a stream or a connection hears whatever the market does */
  SIM_MESSAGE_DATA,
  SIM_MESSAGE_BOOK /* a book's change: gap may leave it out */
} sim_message_kind_t;

/* To one peer. stream: SIM_STREAM_NONE for what belongs to no stream. */
void sim_server_send(sim_server_t *server, sim_peer_t *peer, uint32_t stream, const char *text,
                     size_t cnt, sim_message_kind_t kind);
/* The same as SIM_MESSAGE_ANSWER, at due_ns: it is made now. What it says may be dated when it comes. */
void sim_server_send_later(sim_server_t *server, sim_peer_t *peer, const char *text, size_t cnt,
                           uint64_t due_ns);
/* To every peer that hears the stream. */
void sim_server_broadcast(sim_server_t *server, uint32_t stream, const char *text, size_t cnt,
                          sim_message_kind_t kind);

#endif
