#include "broker/peer.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

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
