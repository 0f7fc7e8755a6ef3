#include "peer_recv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/cpu.h"
#include "tf/atomic.h"

#define CONNS_MAX    16
#define BUFFER_BYTES 65536u
#define TIME_KEY     "\"T\":"
#define TIME_DIGITS  16

typedef struct conn {
  int      fd;
  uint32_t have;
  uint8_t  bytes[BUFFER_BYTES];
} conn_t;

static conn_t conns[CONNS_MAX];

static void note(const tf_peer_recv_config_t *config, const uint8_t *text, uint32_t cnt,
                 uint64_t now_ns) {
  const uint8_t *at     = memmem(text, cnt, TIME_KEY, strlen(TIME_KEY));
  uint64_t       due_us = 0;
  if (!at) return;
  at += strlen(TIME_KEY);
  for (int i = 0; i < TIME_DIGITS; i++) due_us = 10 * due_us + (uint64_t)(at[i] - '0');
  /* relaxed: written before the first message was sent, which came over a socket */
  uint64_t after_ns = due_us * TF_NS_PER_US + TF_NS_PER_US - tf_load_relaxed(config->begin_ns);
  uint64_t idx      = after_ns * config->rate_hz / TF_NS_PER_SEC;
  if (idx < config->message_cnt)
    tf_store_relaxed(&config->had_ns[idx], now_ns); /* relaxed: read when all is over */
}

/* Whole frames of what is there; the rest moves to the front. */
static void read_frames(const tf_peer_recv_config_t *config, conn_t *c, uint64_t now_ns) {
  uint32_t at = 0;
  while (c->have - at >= 4) {
    const uint8_t *head     = c->bytes + at;
    uint32_t       head_cnt = (head[1] & 127) == 126 ? 4 : 2;
    uint32_t       cnt      = head_cnt == 4 ? (uint32_t)head[2] << 8 | head[3] : head[1] & 127u;
    if (c->have - at < head_cnt + cnt) break;
    if (cnt > TIME_DIGITS) note(config, head + head_cnt, cnt, now_ns);
    at += head_cnt + cnt;
  }
  if (at == 0) return;
  memmove(c->bytes, c->bytes + at, c->have - at);
  c->have -= at;
}

static int connect_one(uint16_t port) {
  static const char  request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                                 "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  struct sockaddr_in addr      = {
           .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  char   answer[1024];
  size_t have = 0;
  int    fd   = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof addr) != 0 ||
      send(fd, request, sizeof request - 1, MSG_NOSIGNAL) != (ssize_t)(sizeof request - 1))
    _exit(2);
  while (have < 4 || memcmp(answer + have - 4, "\r\n\r\n", 4) != 0)
    if (have == sizeof answer || recv(fd, answer + have++, 1, 0) != 1) _exit(2);
  return fd;
}

static _Noreturn void serve(const tf_peer_recv_config_t *config) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  tf_cpu_pin(config->cpu, TF_PEER_RECV_NAME);
  for (uint32_t i = 0; i < config->conn_cnt; i++) conns[i].fd = connect_one(config->port);
  for (uint32_t i = 0;; i = i + 1 < config->conn_cnt ? i + 1 : 0) {
    conn_t *c   = &conns[i];
    ssize_t cnt = recv(c->fd, c->bytes + c->have, BUFFER_BYTES - c->have, MSG_DONTWAIT);
    if (cnt == 0) _exit(0);
    if (cnt < 0) {
      if (errno != EAGAIN && errno != EINTR) _exit(2);
      continue;
    }
    c->have += (uint32_t)cnt;
    read_frames(config, c, tf_clock_wall_ns());
  }
}

pid_t tf_peer_recv_start(const tf_peer_recv_config_t *config) {
  TF_ASSERT(config->conn_cnt <= CONNS_MAX);
  pid_t pid = fork();
  if (pid == 0) serve(config);
  return pid;
}
