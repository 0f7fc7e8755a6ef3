/* A venue on loopback for tests: a thread that accepts, and a thread for each connection that runs a
 * script of blocking calls. Everything gives up after 5 s, so that a test ends. */
#ifndef TESTS_VENUE_STUB_H
#define TESTS_VENUE_STUB_H

#include <pthread.h>

#include "wire/http.h"
#include "wire/tls.h"

typedef struct stub      stub_t;
typedef struct stub_conn stub_conn_t;

/* target: of the request. idx: how many requests came to this target's path before, from 0. */
typedef void (*stub_script_t)(stub_conn_t *c, const char *target, uint32_t idx);

struct stub_conn {
  stub_t        *stub;
  int            fd;
  bool           tls_on;
  tf_tls_t       tls;
  uint8_t       *tls_tx;
  tf_http_head_t head; /* of the request */
  uint8_t        rx[20000];
  size_t         rx_at, rx_cnt;
};

struct stub {
  uint16_t      port;
  char          port_text[8];
  stub_script_t script;
  bool          tls_on, mute; /* mute: accepts and says nothing */
  tf_tls_ctx_t  tls_ctx;
  int           listener;
  pthread_t     thread;
  uint64_t      stopping, conn_cnt, live_cnt; /* atomics */
  uint64_t      ws_bytes;                     /* of frames sent; atomic */
  uint64_t      request_cnt[2];               /* websocket upgrades, others; atomics */
  uint64_t      note[8];                      /* the script's own; atomics */
};

/* cert: NULL for plain TCP. */
void stub_start(stub_t *s, stub_script_t script, const char *cert_path, const char *key_path);
void stub_stop(stub_t *s); /* waits for all scripts */

/* 101, with bytes glued behind it in the same send. */
void stub_upgrade(stub_conn_t *c, const void *glued, size_t glued_cnt);
void stub_answer(stub_conn_t *c, int status, const char *headers, const char *body);
void stub_send(stub_conn_t *c, const void *bytes, size_t cnt);
/* A whole frame of the server; counted in ws_bytes. Returns its length. */
size_t stub_frame(uint8_t *buf, int opcode, const void *payload, size_t cnt);
void   stub_text(stub_conn_t *c, const char *text);
void   stub_control(stub_conn_t *c, int opcode, const void *payload, size_t cnt);
/* Next frame of the client, unmasked into payload (at least 65536 bytes). Returns its opcode; -1: the
 * connection ended or nothing came in time. */
int  stub_recv(stub_conn_t *c, uint8_t *payload, size_t *cnt);
void stub_reset(stub_conn_t *c);  /* RST */
void stub_linger(stub_conn_t *c); /* reads on until the client has gone */
bool stub_stopping(const stub_conn_t *c);

#endif
