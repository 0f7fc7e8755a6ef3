/* How connections leave this host: from which address or interface, and through which proxy. One a feed,
 * made from its config at start and read by the dialer; the texts are the config's. */
#ifndef FEED_VIA_H
#define FEED_VIA_H

#include "feed/addresses.h"
#include "tf/err.h"
#include "tf/feed.h"

/* base64 of "id:secret" with its NUL. */
#define TF_VIA_AUTHORIZATION_BYTES                                                                 \
  ((sizeof(((tf_feed_key_t *)0)->id) + sizeof(((tf_feed_key_t *)0)->secret)) * 4 / 3 + 8)

typedef struct tf_via {
  const char  *proxy_host; /* of an HTTP proxy that tunnels (CONNECT); NULL: none */
  char         proxy_port[8];
  char         proxy_authorization[TF_VIA_AUTHORIZATION_BYTES]; /* "": none. Secret */
  const char  *interface; /* SO_BINDTODEVICE; NULL: the routing table's choice */
  tf_address_t source;    /* addr_cnt 0: likewise */
} tf_via_t;

/* Sets the Basic credentials (RFC 7617) of the proxy. E_FEED_KEY: the id holds a colon, which would
 * end it early. */
tf_err_t tf_via_authorize(tf_via_t *via, const tf_feed_key_t *key);

/* A new non-blocking TCP socket for addresses of this family, bound as via says. -1: errno says why, and
 * *what which step: "", "source_address ", "interface ". via NULL: unbound. */
int tf_via_socket(const tf_via_t *via, int family, const char **what);

#endif
