#include "peer_lws.h"

#include <libwebsockets.h>
#include <string.h>

#include "core/clock.h"

/* Room for 64 frames of 234 bytes, so that one read takes what one send gave. */
#define RX_BYTES 65536

struct peer_lws {
  struct lws_context *context;
  struct lws         *wsi;
  bool                established, failed;
  uint64_t            message_cnt, payload_bytes;
};

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t cnt) {
  (void)user;
  (void)in;
  peer_lws_t *peer = lws_context_user(lws_get_context(wsi));
  switch (reason) {
  case LWS_CALLBACK_CLIENT_ESTABLISHED: peer->established = true; break;
  case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
  case LWS_CALLBACK_CLIENT_CLOSED: peer->failed = true; break;
  case LWS_CALLBACK_CLIENT_RECEIVE:
    peer->payload_bytes += cnt;
    if (lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0) peer->message_cnt++;
    break;
  default: break;
  }
  return 0;
}

static const struct lws_protocols protocols[] = {
    {"bench", callback, 0, RX_BYTES, 0, NULL, 0},
    {NULL,    NULL,     0, 0,        0, NULL, 0},
};

peer_lws_t *peer_lws_open(uint16_t port, const char *ca_file) {
  lws_set_log_level(0, NULL);
  peer_lws_t *peer = calloc(1, sizeof *peer);
  if (!peer) return NULL;
  struct lws_context_creation_info info = {.port             = CONTEXT_PORT_NO_LISTEN,
                                           .protocols        = protocols,
                                           .user             = peer,
                                           .gid              = -1,
                                           .uid              = -1,
                                           .pt_serv_buf_size = RX_BYTES};
  if (ca_file) {
    info.options                = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.client_ssl_ca_filepath = ca_file;
  }
  peer->context = lws_create_context(&info);
  if (!peer->context) {
    free(peer);
    return NULL;
  }
  struct lws_client_connect_info connect_info = {.context        = peer->context,
                                                 .address        = "127.0.0.1",
                                                 .host           = "127.0.0.1",
                                                 .origin         = "127.0.0.1",
                                                 .path           = "/",
                                                 .port           = port,
                                                 .ssl_connection = ca_file ? LCCSCF_USE_SSL : 0,
                                                 .ietf_version_or_minus_one = -1};
  peer->wsi                                   = lws_client_connect_via_info(&connect_info);
  uint64_t begin                              = tf_clock_monotonic_ns();
  while (peer->wsi && !peer->established && !peer->failed &&
         tf_clock_monotonic_ns() - begin < 5 * TF_NS_PER_SEC)
    lws_service(peer->context, 0);
  if (peer->established) return peer;
  peer_lws_close(peer);
  return NULL;
}

bool peer_lws_receive(peer_lws_t *peer, uint64_t message_cnt) {
  uint64_t begin = tf_clock_monotonic_ns();
  while (peer->message_cnt < message_cnt) {
    if (peer->failed || lws_service(peer->context, 0) < 0) return false;
    if (tf_clock_monotonic_ns() - begin > 20 * TF_NS_PER_SEC) return false;
  }
  return true;
}

uint64_t peer_lws_payload_bytes(const peer_lws_t *peer) { return peer->payload_bytes; }

void peer_lws_close(peer_lws_t *peer) {
  lws_context_destroy(peer->context);
  free(peer);
}
