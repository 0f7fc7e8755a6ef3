/* The other end of a loop's connections: the kernel's sockets, or endpoints of the simulator where
 * peer_sim is set. Errors are fatal to the test unless said otherwise. */
#ifndef TESTS_ENGINE_IO_PEER_H
#define TESTS_ENGINE_IO_PEER_H

#include <sys/types.h>

#include "io/sim.h"

extern tf_sim_t *peer_sim;

void     peer_pair(int fds[2]);       /* TCP: fds[0] for the loop, fds[1] ours, non-blocking */
void     peer_small_pair(int fds[2]); /* with the smallest send buffer there is */
int      peer_listener(uint16_t *port);
int      peer_connect(uint16_t port);                      /* -1: refused */
ssize_t  peer_send(int fd, const void *bytes, size_t cnt); /* never waits; -1 and errno */
ssize_t  peer_recv(int fd, void *bytes, size_t cnt);       /* never waits; -1 and errno */
void     peer_finish(int fd);                              /* sends FIN */
void     peer_reset(int fd);                               /* closes with a reset */
void     peer_close(int fd);
bool     peer_is_open(int fd);
uint64_t peer_now_ns(void);
/* No more descriptors than are open (true), or as many as before (false). fd: an open one. */
void peer_starve(int fd, bool starved);

#endif
