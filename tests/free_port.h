/* Ports of the loopback for servers of tests that have to be told theirs. */
#ifndef TESTS_FREE_PORT_H
#define TESTS_FREE_PORT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

/* at: port of the loopback. The socket is not bound. */
static inline int loopback_socket(int port, struct sockaddr_in *at) {
  *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* None that the kernel gives to outgoing connections. */
static inline int free_port(void) {
  for (int port = 12000 + getpid() % 10000;; port++) {
    struct sockaddr_in at;
    int                fd   = loopback_socket(port, &at);
    bool               good = bind(fd, (struct sockaddr *)&at, sizeof at) == 0;
    close(fd);
    if (good) return port;
  }
}

/* Does somebody listen there? */
static inline bool is_listened_to(int port) {
  struct sockaddr_in at;
  int                fd   = loopback_socket(port, &at);
  bool               good = connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
  close(fd);
  return good;
}

#endif
