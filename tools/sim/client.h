/* A client of the simulator's server, as server.c (bytes in), server_http.c (requests and upgrades) and
 * server_send.c (messages and their faults) share it; private to them and to client.c, which takes bytes
 * out: through TLS or not, in pieces or late where a fault says so. One thread. */
#ifndef SIM_CLIENT_H
#define SIM_CLIENT_H

#include <zlib.h>

#include "io/io.h"
#include "sim/server.h"
#include "wire/http.h"
#include "wire/tls.h"
#include "wire/ws.h"

#define SIM_REQUEST_BYTES_MAX 65536
/* A message that does not deflate grows by less than a quarter. */
#define SIM_FRAME_BYTES_MAX (SIM_MESSAGE_BYTES_MAX / 4 * 5 + 256)
#define SIM_PLAIN_BYTES     (TF_TLS_RECORD_BYTES_MAX + TF_BYTES_PAD)
#define SIM_STALL_BYTES_MAX ((size_t)256 << 20) /* kept for a stalled connection, then it is cut */

typedef enum sim_phase {
  PHASE_FREE,
  PHASE_TLS,
  PHASE_HTTP,
  PHASE_BODY, /* of a REST request */
  PHASE_WS
} sim_phase_t;

/* Bytes that a fault keeps back, on the heap. */
typedef struct sim_held {
  uint8_t *bytes;
  size_t   cnt, sent_cnt, cap;
  uint64_t due_ns, drip_ns; /* drip_ns: one byte in this time; 0: all at once */
} sim_held_t;

/* A message that is sent later, on the heap. */
typedef struct sim_later {
  struct sim_later *next;
  uint64_t          due_ns;
  size_t            cnt;
  char              text[];
} sim_later_t;

typedef struct sim_client {
  sim_peer_t      peer; /* first: a peer is its client */
  sim_server_t   *server;
  tf_io_conn_t    conn;
  int             fd;
  sim_phase_t     phase;
  bool            doomed; /* closed at the end of a pass: never inside a callback of its parser */
  bool            noticed;
  uint64_t        doomed_ns; /* since when */
  uint64_t        since_ns;
  uint32_t        muted_stream; /* SIM_STREAM_NONE: none */
  tf_http_head_t  head;
  tf_http_body_t  body;
  tf_ws_t         ws;
  tf_ws_deflate_t deflate;
  tf_tls_t        tls;
  uint8_t        *assembly, *tls_tx;
  sim_held_t      answer;  /* REST, slowed down */
  sim_held_t      frame;   /* to go after the next one */
  sim_held_t      stalled; /* what a stall keeps back, in order */
  sim_later_t    *later;   /* in the order in which they were given */
} sim_client_t;

struct sim_server {
  sim_server_config_t config;
  tf_arena_t          arena;
  tf_io_t            *io;
  tf_io_conn_t        listener;
  uint16_t            port;
  uint64_t            now_ns;
  tf_tls_ctx_t        tls_ctx;
  sim_client_t        clients[SIM_CLIENTS_MAX];
  uint32_t            ws_cnt;
  sim_server_counts_t counts;
  uint8_t             plain[SIM_PLAIN_BYTES];
  uint8_t             frame[SIM_FRAME_BYTES_MAX], gzipped[SIM_FRAME_BYTES_MAX];
  z_stream            gzip;
  char                wrapped[SIM_MESSAGE_BYTES_MAX], mutated[SIM_MESSAGE_BYTES_MAX];
  char                answer[SIM_MESSAGE_BYTES_MAX], http[SIM_MESSAGE_BYTES_MAX + 1024];
};

TF_INLINE bool sim_is_tls(const sim_server_t *s) { return s->config.cert_file != NULL; }

TF_INLINE bool sim_server_hits(sim_server_t *s, sim_fault_t fault) {
  return fault_hits(s->config.faults, fault);
}

/* ---- client.c ---- */

void sim_held_drop(sim_held_t *held);
/* A copy of bytes in place of what was held. False: no memory. */
bool sim_held_set(sim_held_t *held, const void *bytes, size_t cnt, uint64_t due_ns,
                  uint64_t drip_ns);

void sim_client_drop(sim_client_t *client);
/* It is closed at the end of the pass. */
void sim_client_doom(sim_client_t *client);
void sim_client_send(sim_client_t *client, const void *bytes, size_t cnt);
/* Ciphertext that TLS has ready goes out. False: the client is doomed. */
bool sim_client_pump(sim_client_t *client);
/* Once a pass: what a stall kept back, once it is over. */
void sim_client_flush(sim_client_t *client);

/* ---- server_http.c ---- */

/* Memory of permessage-deflate for one client, and its start. */
size_t   sim_http_deflate_bytes(void);
tf_err_t sim_http_deflate_init(tf_ws_deflate_t *deflate, uint8_t *memory);
/* The head is complete: an upgrade (handler: of the websocket), or a REST request. */
void sim_http_on_head(sim_client_t *client, const tf_ws_handler_t *handler);
/* Bytes of a REST request's body; how many it took. */
size_t sim_http_on_body(sim_client_t *client, const uint8_t *bytes, size_t cnt);
/* Once a pass: what of a held answer is due. */
void sim_http_send_held(sim_client_t *client);

/* ---- server_send.c ---- */

/* Once a pass, of an open websocket: messages that waited; what the connection's age brings. */
void sim_send_pass(sim_client_t *client);

#endif
