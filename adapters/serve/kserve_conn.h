/* One HTTP/1.1 connection to a model server, one exchange at a time, kept alive between them; over TLS where the server has it.
 * Non-blocking: its owner polls the sockets and calls step. A connection that the server closed while it lay idle is made anew,
 * once an exchange: asking a model twice does no harm. The worker's thread; control plane, so it may allocate. */
#ifndef SERVE_KSERVE_CONN_H
#define SERVE_KSERVE_CONN_H

#include <poll.h>

#include "feed/attempts.h"
#include "feed/resolver.h"
#include "tf/runtime.h"
#include "wire/http.h"
#include "wire/tls.h"

#define TF_KSERVE_BODY_BYTES_MAX (UINT32_C(1) << 20) /* of an answer */
#define TF_KSERVE_CONNECT_NS     (5 * TF_NS_PER_SEC)
#define TF_KSERVE_FDS_MAX        TF_ADDRESSES_MAX /* of one connection */

typedef struct tf_kserve_server { /* outlives its connections */
  const char         *host;
  char                port[8];
  const tf_tls_ctx_t *tls_ctx; /* NULL: plain */
  int                 wake_fd; /* of resolvers */
} tf_kserve_server_t;

typedef enum tf_kserve_phase {
  TF_KSERVE_DOWN,
  TF_KSERVE_RESOLVING,
  TF_KSERVE_CONNECTING,
  TF_KSERVE_HANDSHAKE,
  TF_KSERVE_UP
} tf_kserve_phase_t;

typedef struct tf_kserve_conn {
  const tf_kserve_server_t *server;
  tf_kserve_phase_t         phase;
  int                       fd; /* from HANDSHAKE on */
  tf_resolve_t             *resolve;
  tf_attempts_t             attempts;
  tf_tls_t                  tls;
  uint8_t                  *tls_tx;
  /* the exchange */
  bool           is_busy;
  bool           is_fresh; /* this connection has answered nothing yet */
  bool           is_retry; /* it was asked on one that was closed meanwhile */
  const char    *method;   /* of the request, a static text */
  char          *tx;       /* (tx_cap) the request */
  size_t         tx_cap, tx_cnt, tx_at;
  uint64_t       rx_cnt; /* bytes of the answer */
  uint8_t        interim_cnt;
  bool           has_head;
  tf_http_head_t head;
  tf_http_body_t body;
  uint8_t       *body_bytes; /* TF_KSERVE_BODY_BYTES_MAX + TF_BYTES_PAD */
  /* what became of it, once step says that it is over */
  tf_runtime_miss_t miss; /* ANSWERED: head and body are there, whatever the status is */
  char              text[TF_RUNTIME_TEXT_BYTES];
} tf_kserve_conn_t;

/* tx_cap: bytes of the largest request. E_CORE_NO_MEMORY. */
tf_err_t tf_kserve_conn_init(tf_kserve_conn_t *conn, const tf_kserve_server_t *server,
                             size_t tx_cap);
void     tf_kserve_conn_fini(tf_kserve_conn_t *conn); /* accepts a zeroed one */

/* The request is in tx, tx_cnt bytes of it: it is sent, once there is a connection. True: it is over already. */
bool tf_kserve_conn_send(tf_kserve_conn_t *conn, const char *method, uint64_t now_ns);
/* The exchange is given up, and with it the connection. */
void tf_kserve_conn_drop(tf_kserve_conn_t *conn);

/* What is to be polled, at most TF_KSERVE_FDS_MAX; returns how many. */
uint32_t tf_kserve_conn_fds(const tf_kserve_conn_t *conn, struct pollfd *fds);
/* fds as they came back, or time passed. True: the exchange is over. */
bool tf_kserve_conn_step(tf_kserve_conn_t *conn, const struct pollfd *fds, uint32_t fd_cnt,
                         uint64_t now_ns);

#endif
