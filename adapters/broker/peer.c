#include "broker/peer.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

short tf_peer_wait(int fd, bool writes, uint64_t wait_ns) {
  struct pollfd         at   = {.fd = fd, .events = (short)(POLLIN | (writes ? POLLOUT : 0))};
  const struct timespec wait = {(time_t)(wait_ns / TF_NS_PER_SEC), (long)(wait_ns % TF_NS_PER_SEC)};
  return ppoll(&at, 1, &wait, NULL) > 0 ? at.revents : 0;
}

bool tf_peer_is_self(int fd) {
  struct sockaddr_storage here, there; /* zeroed: what the kernel leaves out of one is equal */
  socklen_t               here_bytes = sizeof here, there_bytes = sizeof there;
  memset(&here, 0, sizeof here);
  memset(&there, 0, sizeof there);
  if (getsockname(fd, (struct sockaddr *)&here, &here_bytes) != 0 ||
      getpeername(fd, (struct sockaddr *)&there, &there_bytes) != 0)
    return false;
  if ((here.ss_family != AF_INET && here.ss_family != AF_INET6) || here_bytes != there_bytes ||
      memcmp(&here, &there, here_bytes) != 0)
    return false;
  const struct linger reset = {.l_onoff = 1, .l_linger = 0};
  (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  return true;
}

/* Its own address is what this machine would send from to it. No packet is sent. */
static bool is_this_machine(const struct addrinfo *at) {
  struct sockaddr_storage here;
  socklen_t               here_bytes = sizeof here;
  int                     fd         = socket(at->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  bool                    is_it      = fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) == 0 &&
               getsockname(fd, (struct sockaddr *)&here, &here_bytes) == 0;
  const void *mine = &((const struct sockaddr_in *)(const void *)&here)->sin_addr,
             *its  = &((const struct sockaddr_in *)(const void *)at->ai_addr)->sin_addr;
  size_t bytes     = sizeof(struct in_addr);
  if (at->ai_family == AF_INET6) {
    mine  = &((const struct sockaddr_in6 *)(const void *)&here)->sin6_addr;
    its   = &((const struct sockaddr_in6 *)(const void *)at->ai_addr)->sin6_addr;
    bytes = sizeof(struct in6_addr);
  }
  if (fd >= 0) close(fd);
  return is_it && memcmp(mine, its, bytes) == 0;
}

static bool is_answered(const struct addrinfo *at, uint64_t wait_ns) {
  int       refused = 0;
  socklen_t bytes   = sizeof refused;
  int       fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, at->ai_protocol);
  bool      is_begun =
      fd >= 0 && (connect(fd, at->ai_addr, at->ai_addrlen) == 0 || errno == EINPROGRESS);
  bool is_up = is_begun && tf_peer_wait(fd, true, wait_ns) &&
               getsockopt(fd, SOL_SOCKET, SO_ERROR, &refused, &bytes) == 0 && refused == 0 &&
               !tf_peer_is_self(fd);
  if (fd >= 0) close(fd);
  return is_up;
}

/* Out of the ports that the kernel gives to outgoing connections; true where it does not say. */
static bool is_given_out(unsigned long port) {
  unsigned long low = 0, high = UINT16_MAX;
  FILE         *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
  if (file && fscanf(file, "%lu %lu", &low, &high) != 2) low = 0, high = UINT16_MAX;
  if (file) fclose(file);
  return port >= low && port <= high;
}

tf_peer_look_t tf_peer_look(const char *host, const char *port, uint64_t wait_ns) {
  const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  struct addrinfo      *found;
  tf_peer_look_t        look = TF_PEER_NOBODY;
  if (!is_given_out(strtoul(port, NULL, 10)) || getaddrinfo(host, port, &hints, &found) != 0)
    return TF_PEER_SAFE;
  for (const struct addrinfo *at = found; at && look == TF_PEER_NOBODY; at = at->ai_next)
    look = !is_this_machine(at)       ? TF_PEER_SAFE
           : is_answered(at, wait_ns) ? TF_PEER_THERE
                                      : TF_PEER_NOBODY;
  freeaddrinfo(found);
  return look;
}
