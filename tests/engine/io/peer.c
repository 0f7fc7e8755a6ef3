#include "engine/io/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmocka_tf.h"
#include "core/clock.h"

#define SIM_SMALL_BYTES 2048

tf_sim_t *peer_sim;

static ssize_t as_errno(int res) {
  if (res >= 0) return res;
  errno = -res;
  return -1;
}

int peer_listener(uint16_t *port) {
  if (peer_sim) {
    int sim_fd = tf_sim_listener(peer_sim);
    assert_true(sim_fd >= 0);
    *port = (uint16_t)(sim_fd - TF_SIM_FD_MIN);
    return sim_fd;
  }
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  struct sockaddr_in addr     = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t          addr_cnt = sizeof addr;
  assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
  assert_int_equal(listen(fd, 64), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &addr_cnt), 0);
  *port = ntohs(addr.sin_port);
  return fd;
}

int peer_connect(uint16_t port) {
  if (peer_sim) return (int)as_errno(tf_sim_connect(peer_sim, TF_SIM_FD_MIN + port));
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  struct sockaddr_in addr = {
      .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
  if (connect(fd, (struct sockaddr *)&addr, sizeof addr) == 0) return fd;
  close(fd);
  return -1;
}

void peer_pair(int fds[2]) {
  if (peer_sim) {
    assert_int_equal(tf_sim_pair(peer_sim, 0, fds), 0);
    return;
  }
  uint16_t port;
  int      listener = peer_listener(&port);
  fds[1]            = peer_connect(port);
  fds[0]            = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  assert_true(fds[0] >= 0 && fds[1] >= 0);
  close(listener);
  int one = 1;
  setsockopt(fds[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(fds[1], F_SETFL, O_NONBLOCK);
}

/* Not TCP, whose timers would slow it. */
void peer_small_pair(int fds[2]) {
  if (peer_sim) {
    assert_int_equal(tf_sim_pair(peer_sim, SIM_SMALL_BYTES, fds), 0);
    return;
  }
  int small = 1;
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
}

ssize_t peer_send(int fd, const void *bytes, size_t cnt) {
  if (peer_sim) return as_errno(tf_sim_send(peer_sim, fd, bytes, cnt));
  return send(fd, bytes, cnt, MSG_DONTWAIT | MSG_NOSIGNAL);
}

ssize_t peer_recv(int fd, void *bytes, size_t cnt) {
  if (peer_sim) return as_errno(tf_sim_recv(peer_sim, fd, bytes, cnt));
  return recv(fd, bytes, cnt, MSG_DONTWAIT);
}

void peer_finish(int fd) {
  if (peer_sim)
    tf_sim_shutdown(peer_sim, fd, false);
  else
    shutdown(fd, SHUT_WR);
}

void peer_reset(int fd) {
  if (peer_sim) {
    tf_sim_reset(peer_sim, fd);
    return;
  }
  struct linger hard = {.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  close(fd);
}

void peer_close(int fd) {
  if (peer_sim)
    tf_sim_close(peer_sim, fd);
  else
    close(fd);
}

bool peer_is_open(int fd) {
  if (!peer_sim) return fcntl(fd, F_GETFD) >= 0;
  uint8_t byte;
  return tf_sim_recv(peer_sim, fd, &byte, 0) != -ENOTCONN;
}

uint64_t peer_now_ns(void) { return peer_sim ? tf_sim_now_ns(peer_sim) : tf_clock_monotonic_ns(); }

void peer_starve(int fd, bool starved) {
  static struct rlimit before;
  if (peer_sim) {
    tf_sim_limit_fds(peer_sim, starved ? 1 : 0);
    return;
  }
  if (!starved) {
    setrlimit(RLIMIT_NOFILE, &before);
    return;
  }
  getrlimit(RLIMIT_NOFILE, &before);
  int           lowest_free = dup(fd);
  struct rlimit none        = before;
  none.rlim_cur             = (rlim_t)lowest_free;
  close(lowest_free);
  setrlimit(RLIMIT_NOFILE, &none);
}
