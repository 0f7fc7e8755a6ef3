/* One connection to an HTTP server, kept open: look-up (on a thread of its own), TCP, TLS, bytes out and in;
 * nothing here waits. Addresses are tried in turn, a deadline stands over each phase. What the bytes mean is
 * the owner's. Egress thread. */
#ifndef TF_SINK_HTTP_LINK_H
#define TF_SINK_HTTP_LINK_H

#include "feed/resolver.h"
#include "tf/sink.h"
#include "wire/tls.h"

#define TF_HTTP_LINK_HOST_BYTES   256u
#define TF_HTTP_LINK_TARGET_BYTES 1024u
#define TF_HTTP_LINK_RX_BYTES     16384u
#define TF_HTTP_LINK_TX_BYTES     65536u
#define TF_HTTP_LINK_RESOLVE_NS   (5 * TF_NS_PER_SEC)
#define TF_HTTP_LINK_CONNECT_NS   (2 * TF_NS_PER_SEC) /* of one address */
#define TF_HTTP_LINK_TLS_NS       (3 * TF_NS_PER_SEC)

typedef struct tf_http_url {
  char host[TF_HTTP_LINK_HOST_BYTES]; /* an IPv6 address without its brackets */
  char port[8];
  char target[TF_HTTP_LINK_TARGET_BYTES];
  bool is_tls, has_port;
} tf_http_url_t;

/* http[s]://HOST[:PORT][/TARGET]; no user, no fragment. E_SINK_CONFIG. */
tf_err_t tf_http_url_parse(const char *url, tf_http_url_t *parsed);

typedef enum tf_http_link_phase {
  TF_HTTP_LINK_DOWN,
  TF_HTTP_LINK_RESOLVING,
  TF_HTTP_LINK_CONNECTING,
  TF_HTTP_LINK_TLS,
  TF_HTTP_LINK_OPEN
} tf_http_link_phase_t;

typedef struct tf_http_link {
  tf_http_url_t        url;
  tf_http_link_phase_t phase;
  int                  fd, wake_fd;
  bool                 is_ended; /* the server has ended its side in order */
  uint64_t             deadline_ns;
  tf_resolve_t        *resolve;
  tf_address_t         addresses[TF_RESOLVE_ADDRESSES_MAX];
  uint32_t             address_cnt, address_idx;
  tf_tls_ctx_t         tls_ctx;
  tf_tls_t             tls;
  uint8_t              rx[TF_HTTP_LINK_RX_BYTES];
  uint8_t              tx[TF_HTTP_LINK_TX_BYTES];
} tf_http_link_t;

/* url and ca_file of config. Control plane. */
tf_err_t tf_http_link_init(tf_http_link_t *link, const tf_sink_config_t *config);
void     tf_http_link_fini(tf_http_link_t *link);

void tf_http_link_dial(tf_http_link_t *link, uint64_t now_ns);
/* Goes on with dialing; 0 or an error, after which the link is DOWN. */
tf_err_t tf_http_link_step(tf_http_link_t *link, uint64_t now_ns);
void     tf_http_link_hang_up(tf_http_link_t *link);

/* OPEN. How many bytes were taken, 0: not now; or an error. */
int tf_http_link_write(tf_http_link_t *link, const void *bytes, size_t cnt);
/* OPEN. How many came, 0: none now (is_ended: and none any more); or an error. */
int tf_http_link_read(tf_http_link_t *link, void *bytes, size_t cap);

/* Waits until something can go on: for reading, and with writes, or where the link itself has to, for writing. */
void tf_http_link_wait(tf_http_link_t *link, bool writes, uint64_t wait_ns);

#endif
