#include "boot/control_socket.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/listener.h"
#include "core/log.h"

#define SEND_NS_MAX TF_NS_PER_SEC /* for an answer to be taken */

typedef struct client {
  int      fd; /* -1: free */
  uint32_t used;
  uint64_t begun_ns; /* of the line in hand, or of the wait for one */
  char     line[TF_CONTROL_REQUEST_BYTES_MAX + 1];
} client_t;

struct tf_control_socket {
  tf_control_handler_t       handler;
  tf_control_socket_counts_t counts;
  pthread_t                  thread;
  tf_listener_t              listener;
  int                        wake;
  client_t                   clients[TF_CONTROL_CLIENTS_MAX];
  char                       answer[TF_CONTROL_ANSWER_BYTES_MAX];
};

/* ---- clients ---- */

static void drop(client_t *c) {
  close(c->fd);
  c->fd = -1;
}

static bool is_allowed(tf_control_socket_t *s, int fd) {
  struct ucred peer;
  socklen_t    bytes = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 &&
      (peer.uid == geteuid() || peer.uid == 0))
    return true;
  s->counts.refused_uid++;
  tf_log(TF_LOG_WARN, "control_refused", "reason=uid uid=%u", peer.uid);
  return false;
}

static void accept_client(tf_control_socket_t *s, uint64_t now_ns) {
  int fd = tf_listener_accept(&s->listener);
  if (fd < 0) return;
  client_t *free_one = NULL;
  for (uint32_t i = 0; i < TF_CONTROL_CLIENTS_MAX && !free_one; i++)
    if (s->clients[i].fd < 0) free_one = &s->clients[i];
  if (!free_one) s->counts.refused_full++;
  if (!free_one || !is_allowed(s, fd)) {
    close(fd);
    return;
  }
  free_one->fd       = fd;
  free_one->used     = 0;
  free_one->begun_ns = now_ns;
  s->counts.clients++;
}

/* Whole, or the client is gone: it asked for this and waits for it. */
static bool send_all(int fd, const char *bytes, size_t cnt) {
  uint64_t      due_ns  = tf_clock_monotonic_ns() + SEND_NS_MAX;
  struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
  while (cnt > 0) {
    ssize_t sent = send(fd, bytes, cnt, MSG_NOSIGNAL);
    if (sent > 0) {
      bytes += sent;
      cnt -= (size_t)sent;
    } else if (errno != EAGAIN || tf_clock_monotonic_ns() > due_ns || poll(&poll_fd, 1, 100) < 0) {
      return false;
    }
  }
  return true;
}

/* One line. False: the client is to be dropped. */
static bool answer_line(tf_control_socket_t *s, client_t *c, size_t line_cnt) {
  c->line[line_cnt] = '\0';
  s->counts.requests++;
  size_t cnt =
      s->handler.answer(s->handler.self, c->line, line_cnt, s->answer, sizeof s->answer - 1);
  s->answer[cnt] = '\n';
  return send_all(c->fd, s->answer, cnt + 1);
}

/* What came may be a part of a line, or several. */
static bool read_client(tf_control_socket_t *s, client_t *c, uint64_t now_ns) {
  ssize_t got = recv(c->fd, c->line + c->used, TF_CONTROL_REQUEST_BYTES_MAX + 1 - c->used, 0);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) {
    if (c->used) s->counts.cut_short++;
    return false;
  }
  if (c->used == 0) c->begun_ns = now_ns;
  c->used += (uint32_t)got;
  char *end;
  while ((end = memchr(c->line, '\n', c->used))) {
    size_t line_cnt = (size_t)(end - c->line);
    if (!answer_line(s, c, line_cnt)) return false;
    c->used -= (uint32_t)line_cnt + 1;
    memmove(c->line, end + 1, c->used);
    c->begun_ns = tf_clock_monotonic_ns();
  }
  if (c->used <= TF_CONTROL_REQUEST_BYTES_MAX) return true;
  static const char too_long[] =
      "{\"ok\":false,\"code\":\"E_CONTROL_REQUEST\",\"error\":\"a request of "
      "more than 65536 bytes\"}\n";
  s->counts.too_long++;
  send_all(c->fd, too_long, sizeof too_long - 1);
  return false;
}

static void drop_the_slow(tf_control_socket_t *s, uint64_t now_ns) {
  for (uint32_t i = 0; i < TF_CONTROL_CLIENTS_MAX; i++) {
    client_t *c     = &s->clients[i];
    uint64_t  limit = c->used ? TF_CONTROL_REQUEST_NS_MAX : TF_CONTROL_IDLE_NS_MAX;
    if (c->fd < 0 || now_ns - c->begun_ns < limit) continue;
    if (c->used) s->counts.too_slow++;
    drop(c);
  }
}

static void *serve(void *arg) {
  tf_control_socket_t *s = arg;
  struct pollfd        fds[2 + TF_CONTROL_CLIENTS_MAX];
  pthread_setname_np(pthread_self(), "tf-control");
  for (;;) {
    fds[0] = (struct pollfd){.fd = s->wake, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = s->listener.fd, .events = POLLIN};
    for (uint32_t i = 0; i < TF_CONTROL_CLIENTS_MAX; i++)
      fds[2 + i] = (struct pollfd){.fd = s->clients[i].fd, .events = POLLIN};
    poll(fds, TF_ARRAY_CNT(fds), 100);
    uint64_t now_ns = tf_clock_monotonic_ns();
    if (fds[0].revents) return NULL;
    for (uint32_t i = 0; i < TF_CONTROL_CLIENTS_MAX; i++)
      if (fds[2 + i].revents && !read_client(s, &s->clients[i], now_ns)) drop(&s->clients[i]);
    now_ns = tf_clock_monotonic_ns(); /* answering took time, which is not the clients' */
    drop_the_slow(s, now_ns);
    if (fds[1].revents) accept_client(s, now_ns);
  }
}

/* ---- lifetime ---- */

static void release(tf_control_socket_t *s) {
  for (uint32_t i = 0; i < TF_CONTROL_CLIENTS_MAX; i++)
    if (s->clients[i].fd >= 0) close(s->clients[i].fd);
  tf_listener_close(&s->listener);
  if (s->wake >= 0) close(s->wake);
  free(s);
}

tf_err_t tf_control_socket_start(const char *path, const tf_control_handler_t *handler,
                                 tf_control_socket_t **socket) {
  *socket                = NULL;
  tf_control_socket_t *s = calloc(1, sizeof *s);
  if (!s) return TF_ERR(E_CORE_NO_MEMORY, "control socket: %zu bytes", sizeof *s);
  s->handler = *handler;
  for (uint32_t i = 0; i < TF_CONTROL_CLIENTS_MAX; i++) s->clients[i].fd = -1;
  tf_listener_use_t use = {
      .code = E_CONTROL_SOCKET, .what = "control.path", .backlog = TF_CONTROL_CLIENTS_MAX};
  s->wake      = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  tf_err_t err = tf_listener_unix(&s->listener, &use, path);
  if (!err && s->wake < 0)
    err = TF_ERR(E_CONTROL_SOCKET, "control.path %s: %s", path, strerror(errno));
  if (!err && pthread_create(&s->thread, NULL, serve, s) != 0)
    err = TF_ERR(E_CORE_THREAD, "the control socket's thread cannot be started");
  if (err) {
    release(s);
    return err;
  }
  *socket = s;
  return TF_OK;
}

void tf_control_socket_stop(tf_control_socket_t *s, tf_control_socket_counts_t *counts) {
  if (!s) return;
  uint64_t one = 1;
  if (write(s->wake, &one, sizeof one) != sizeof one) abort(); /* an eventfd at 0 always takes it */
  pthread_join(s->thread, NULL);
  if (counts) *counts = s->counts;
  release(s);
}
