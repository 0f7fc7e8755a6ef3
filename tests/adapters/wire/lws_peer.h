/* libwebsockets as the other side: an echo server, or a client that checks an echo server; each for
 * a forked child, from which it does not return. */
#ifndef TESTS_LWS_PEER_H
#define TESTS_LWS_PEER_H

#include <stdint.h>

/* Serves on 127.0.0.1, prints the port into port_fd as text and a newline. cert NULL: no TLS. */
_Noreturn void lws_peer_serve(int port_fd, const char *cert, const char *key);

/* Sends messages of many sizes, checks that they come back, closes. Exits 0 if all did. ca NULL: no
 * TLS. */
_Noreturn void lws_peer_connect(uint16_t port, const char *ca);

#endif
