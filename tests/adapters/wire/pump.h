/* A blocking pump between a loopback socket and the state machines: TLS or not, upgrade, frames.
 * For tests against other implementations; every wait ends after PUMP_WAIT_S. */
#ifndef TESTS_PUMP_H
#define TESTS_PUMP_H

#include "wire/http.h"
#include "wire/tls.h"
#include "wire/ws.h"

#define PUMP_WAIT_S       10
#define PUMP_BYTES        65536
#define PUMP_PLAIN_BYTES  (PUMP_BYTES + TF_TLS_RECORD_BYTES_MAX + 1)
#define PUMP_MESSAGE_MAX  (1u << 20)
#define PUMP_FRAME_BYTES  (PUMP_MESSAGE_MAX + TF_WS_HEADER_BYTES_MAX)
#define PUMP_TLS_TX_BYTES (2u << 20)

typedef struct pump {
  int      fd;
  bool     over_tls, upgraded, echo; /* echo: send back each message */
  uint32_t key_state;
  tf_tls_t tls;
  tf_ws_t  ws;
  bool     eof;
  int      early_cnt;
  /* what came last, and how much in all */
  tf_ws_opcode_t opcode;
  size_t         message_cnt, message_bytes, pong_cnt;
  char           pong[126];
  tf_err_t       err;
  uint8_t       *message, *assembly, *frame, *tls_tx;
  uint8_t        rx[PUMP_BYTES + TF_BYTES_PAD], plain[PUMP_PLAIN_BYTES + TF_BYTES_PAD];
} pump_t;

/* A listening socket on 127.0.0.1 and its port. */
int pump_listen(uint16_t *port);

void pump_init(pump_t *pump, int fd); /* fd is the pump's from here on */
int  pump_connect(uint16_t port);     /* a connected socket; fails the test otherwise */
void pump_fini(pump_t *pump);

/* Handshake with a peer; 0 or the error. host NULL: we are the server. */
tf_err_t pump_tls(pump_t *pump, const tf_tls_ctx_t *ctx, const char *host);

/* Upgrades as client or server; 0 or the error. */
tf_err_t pump_upgrade(pump_t *pump, const char *host, const char *target);
tf_err_t pump_accept(pump_t *pump);

/* Sends plaintext, through TLS where there is. */
bool pump_send(pump_t *pump, const void *bytes, size_t cnt);
/* Waits for bytes and returns their plaintext (in plain, or in rx without TLS); 0: nothing yet, or
 * the end (eof is set); < 0: TLS failed. */
int pump_receive(pump_t *pump, const uint8_t **bytes);
/* Waits for bytes and feeds the frames in them. false: the end, or an error in err. */
bool pump_step(pump_t *pump);

bool pump_send_frame(pump_t *pump, tf_ws_opcode_t opcode, bool fin, const void *payload,
                     size_t cnt);
bool pump_send_close(pump_t *pump, uint16_t code, const char *reason);
/* Steps until one more message has come. */
bool pump_wait_message(pump_t *pump);
/* Steps until the stream ends; answers a close. */
void pump_run(pump_t *pump);

/* --- other programs --- */

typedef struct child {
  int pid;
  int out; /* what it prints, a pipe; -1: not kept */
} child_t;

child_t child_start(const char *const *argv); /* argv[0]: absolute path; NULL-terminated */
/* Reads one line of its output. false: it ended or said nothing in time. */
bool child_line(child_t *child, char *line, size_t cap);
/* Ends it, by its id, and returns its exit status; -1 when a signal ended it. */
int child_stop(child_t *child);
int child_wait(child_t *child);

#endif
