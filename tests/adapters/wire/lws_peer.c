#include "lws_peer.h"

#include <libwebsockets.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MESSAGE_BYTES (1u << 20)

typedef struct session {
  uint8_t *buf; /* LWS_PRE bytes, then the message */
  size_t   cnt;
  bool     binary, ready;
} session_t;

static const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, 65537, 300000};
static unsigned     step; /* of the client: two messages of each size */
static bool         done, failed;

#define STEP_CNT (2 * sizeof sizes / sizeof sizes[0])

static uint8_t pattern(size_t at, bool binary) {
  return (uint8_t)(binary ? at * 29 >> 2 : 'a' + at % 26);
}

/* Gathers a message. true when it is whole. */
static bool gather(session_t *s, struct lws *wsi, const void *in, size_t len) {
  if (lws_is_first_fragment(wsi)) {
    s->cnt    = 0;
    s->binary = lws_frame_is_binary(wsi);
  }
  if (s->cnt + len > MESSAGE_BYTES) {
    failed = true;
    return false;
  }
  if (len) memcpy(s->buf + LWS_PRE + s->cnt, in, len);
  s->cnt += len;
  return lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0;
}

static int put(session_t *s, struct lws *wsi) {
  const int n =
      lws_write(wsi, s->buf + LWS_PRE, s->cnt, s->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT);
  return n < (int)s->cnt ? -1 : 0;
}

static int on_server(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                     size_t len) {
  session_t *s = user;
  switch (reason) {
  case LWS_CALLBACK_ESTABLISHED: s->buf = malloc(LWS_PRE + MESSAGE_BYTES); break;
  case LWS_CALLBACK_CLOSED: free(s->buf); break;
  case LWS_CALLBACK_RECEIVE:
    if (gather(s, wsi, in, len)) {
      s->ready = true;
      lws_callback_on_writable(wsi);
    }
    break;
  case LWS_CALLBACK_SERVER_WRITEABLE:
    if (s->ready && put(s, wsi)) return -1;
    s->ready = false;
    break;
  default: break;
  }
  return 0;
}

static int on_client(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                     size_t len) {
  static session_t s;
  (void)user;
  switch (reason) {
  case LWS_CALLBACK_CLIENT_ESTABLISHED:
    s.buf   = malloc(LWS_PRE + MESSAGE_BYTES);
    s.ready = true;
    lws_callback_on_writable(wsi);
    break;
  case LWS_CALLBACK_CLIENT_WRITEABLE: /* also comes unasked */
    if (!s.ready) break;
    s.ready = false;
    if (step == STEP_CNT) {
      lws_close_reason(wsi, (enum lws_close_status)4321, (unsigned char *)"done", 4);
      done = true;
      return -1;
    }
    s.cnt    = sizes[step / 2];
    s.binary = step % 2;
    for (size_t i = 0; i < s.cnt; i++) s.buf[LWS_PRE + i] = pattern(i, s.binary);
    if (put(&s, wsi)) failed = true;
    break;
  case LWS_CALLBACK_CLIENT_RECEIVE:
    if (!gather(&s, wsi, in, len)) break;
    if (s.cnt != sizes[step / 2] || s.binary != step % 2) failed = true;
    for (size_t i = 0; i < s.cnt; i++) failed |= s.buf[LWS_PRE + i] != pattern(i, s.binary);
    step++;
    s.ready = true;
    lws_callback_on_writable(wsi);
    break;
  case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
  case LWS_CALLBACK_CLIENT_CLOSED:
    if (!done) failed = true;
    break;
  default: break;
  }
  return failed ? -1 : 0;
}

/* Taken where a client offers it. */
static const struct lws_extension extensions[] = {
    {"permessage-deflate", lws_extension_callback_pm_deflate, "permessage-deflate"},
    {NULL,                 NULL,                              NULL                }
};

void lws_peer_serve(int port_fd, const char *cert, const char *key) {
  static const struct lws_protocols protocols[] = {
      {"echo", on_server, sizeof(session_t), 65536, 0, NULL, 0},
      {NULL,   NULL,      0,                 0,     0, NULL, 0}
  };
  struct lws_context_creation_info info;
  memset(&info, 0, sizeof info);
  lws_set_log_level(0, NULL);
  info.iface      = "127.0.0.1";
  info.protocols  = protocols;
  info.extensions = extensions;
  info.options    = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_VALIDATE_UTF8;
  if (cert) info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
  info.ssl_cert_filepath        = cert;
  info.ssl_private_key_filepath = key;
  struct lws_context *context   = lws_create_context(&info);
  struct lws_vhost   *vhost     = context ? lws_create_vhost(context, &info) : NULL;
  if (!vhost) _exit(3);
  char      line[16];
  const int cnt = snprintf(line, sizeof line, "%d\n", lws_get_vhost_listen_port(vhost));
  if (write(port_fd, line, (size_t)cnt) != cnt) _exit(4);
  while (lws_service(context, 0) >= 0 && !failed) {
  }
  _exit(5);
}

void lws_peer_connect(uint16_t port, const char *ca) {
  static const struct lws_protocols protocols[] = {
      {"echo", on_client, 0, 65536, 0, NULL, 0},
      {NULL,   NULL,      0, 0,     0, NULL, 0}
  };
  struct lws_context_creation_info info;
  struct lws_client_connect_info   to;
  memset(&info, 0, sizeof info);
  memset(&to, 0, sizeof to);
  lws_set_log_level(0, NULL);
  info.port      = CONTEXT_PORT_NO_LISTEN;
  info.protocols = protocols;
  if (ca) {
    info.options                = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.client_ssl_ca_filepath = ca;
  }
  to.context = lws_create_context(&info);
  if (!to.context) _exit(3);
  to.address        = "127.0.0.1";
  to.port           = port;
  to.path           = "/echo";
  to.host           = "localhost";
  to.origin         = "localhost";
  to.ssl_connection = ca ? LCCSCF_USE_SSL : 0;
  if (!lws_client_connect_via_info(&to)) _exit(4);
  while (!done && !failed && lws_service(to.context, 0) >= 0) {
  }
  /* Lets the close frame out and its answer in. */
  for (int i = 0; i < 20 && done; i++) lws_service(to.context, -1);
  lws_context_destroy(to.context);
  _exit(failed ? 1 : 0);
}
