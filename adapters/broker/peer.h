/* What the links ask of a TCP socket of theirs. Any thread that owns it. */
#ifndef TF_BROKER_PEER_H
#define TF_BROKER_PEER_H

#include "tf/base.h"

/* Waits for a socket (-1: none) up to wait_ns; what poll(2) says of it, 0 for nothing. */
short tf_peer_wait(int fd, bool writes, uint64_t wait_ns);

/* It is connected to itself: its local address is its peer's. TCP does that on loopback (simultaneous
 * open, RFC 9293 section 3.5) where nobody listens on a port out of net.ipv4.ip_local_port_range and
 * the connecting socket is given that very port; as long as it is open the server cannot have its
 * port. If so, its close is made a reset: TIME_WAIT would keep the port from the server for another
 * minute. */
bool tf_peer_is_self(int fd);

typedef enum tf_peer_look {
  TF_PEER_SAFE,  /* another machine's, no address, or a port that no outgoing connection is given */
  TF_PEER_THERE, /* this machine's, and somebody listens */
  TF_PEER_NOBODY /* this machine's, and nobody does */
} tf_peer_look_t;

/* For clients that connect by themselves, and leave no way to ask the above before they have waited: a connection that is
 * made and closed at once, where it could be one to itself. Waits for the name and, at most wait_ns, for the connection. */
tf_peer_look_t tf_peer_look(const char *host, const char *port, uint64_t wait_ns);

#endif
