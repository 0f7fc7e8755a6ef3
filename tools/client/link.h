/* A connection to a listener, never blocking: Unix socket or TCP, TLS and websocket over it where the URL says so. It
 * brings bytes into a tf_frames_t's inbox and takes out the little that a client says. Pure transport:
 * what the bytes mean and when to try again is the caller's. */
#ifndef CLIENT_LINK_H
#define CLIENT_LINK_H

#include <netdb.h>
#include <sys/socket.h>

#include "client/frames.h"
#include "wire/http.h"
#include "wire/tls.h"
#include "wire/ws.h"

#define TF_CLIENT_LINK_ADDRESSES_MAX 8u
#define TF_CLIENT_LINK_HOST_BYTES    256u
/* The hello of a client is the longest that it says; the upgrade's request has a path in it. */
#define TF_CLIENT_LINK_OUT_BYTES (2 * TF_FRAME_HELLO_BYTES_MAX + TF_CLIENT_URL_BYTES_MAX)

typedef enum tf_client_link_phase {
  TF_CLIENT_LINK_CLOSED,
  TF_CLIENT_LINK_CONNECTING,
  TF_CLIENT_LINK_TLS,
  TF_CLIENT_LINK_UPGRADE,
  TF_CLIENT_LINK_OPEN
} tf_client_link_phase_t;

typedef struct tf_client_link_address {
  struct sockaddr_storage bytes;
  socklen_t               cnt;
} tf_client_link_address_t;

typedef struct tf_link {
  /* set by open */
  bool                     is_tls, is_ws;
  tf_client_link_address_t addresses[TF_CLIENT_LINK_ADDRESSES_MAX];
  uint32_t                 address_cnt, address_idx; /* the next one to try */
  char         host[TF_CLIENT_LINK_HOST_BYTES], port[8], target[TF_CLIENT_URL_BYTES_MAX];
  int          poll_fd; /* the caller's epoll, which watches the socket */
  tf_tls_ctx_t tls_ctx;
  /* of a connection */
  tf_client_link_phase_t phase;
  int                    fd;
  bool                   wants_out; /* epoll watches for room as well */
  bool                   is_cut;    /* a websocket message that is text, or does not fit */
  tf_frames_t           *frames;
  tf_tls_t               tls;
  tf_ws_t                ws;
  tf_http_ws_client_t    upgrade;
  uint8_t                out[TF_CLIENT_LINK_OUT_BYTES]; /* plain bytes that wait to be sent */
  size_t                 out_at, out_end;
  uint8_t                cipher[TF_TLS_RECORD_BYTES_MAX];
  uint8_t                plain[TF_FRAMES_ROOM_BYTES / 2 + TF_BYTES_PAD];
  uint8_t                tls_tx[TF_TLS_TX_BYTES_MIN];
  uint8_t               *assembly; /* of websocket messages */
} tf_client_link_t;

/* rest: "/PATH" of unix, else "HOST:PORT[/TARGET]". Resolves; loads certificates. */
tf_err_t tf_client_link_open_unix(tf_client_link_t *link, const char *path);
tf_err_t tf_client_link_open_tcp(tf_client_link_t *link, const char *rest, bool is_tls, bool is_ws,
                                 const char *ca_file);
void     tf_client_link_fini(tf_client_link_t *link); /* accepts a zeroed one whose fd is -1 */

/* Begins a connection to the next of the addresses. */
tf_err_t tf_client_link_connect(tf_client_link_t *link, tf_frames_t *frames);
void     tf_client_link_close(tf_client_link_t *link);
/* OPEN only: to be sent as one frame. */
void tf_client_link_say(tf_client_link_t *link, const uint8_t *bytes, size_t cnt);

/* Goes on as far as it can without waiting; 1: something came or the phase changed, 0: nothing, < 0: the connection
 * is over, the error record says how. */
int tf_client_link_pump(tf_client_link_t *link);

#endif
