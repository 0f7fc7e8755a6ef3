/* What every listener on libwebsockets needs: its log lines as ours, and whether a request may be a web
 * page's that reached us through somebody's browser. */
#ifndef TF_HTTP_GUARD_H
#define TF_HTTP_GUARD_H

#include "tf/base.h"

#define TF_HTTP_HOST_BYTES 280 /* of a Host or Origin header that is looked at, with its NUL */

/* libwebsockets' own words go to our log, at most one line a second: a peer can provoke them at will.
 * The library has one log for the process. */
void tf_http_guard_log(void);

/* Is a Host header's value, without its port, a name of this machine's loopback? Where it is not, on a
 * listener that is bound to loopback, a page came through a name that it resolves to 127.0.0.1 (DNS rebinding). */
bool tf_http_guard_is_loopback(const char *host);

/* May a page of this Origin ("https://example.com:8080", "null") speak to a listener that the request names by host?
 * Only one that the same host and port serve; on a loopback listener also any page of this machine. */
bool tf_http_guard_origin(const char *origin, const char *host, bool loopback);

#endif
