#include "boot/control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"
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
  int                        folder, listener, wake;
  ino_t                      inode; /* of the socket that we made */
  char                       name[64];
  client_t                   clients[TF_CONTROL_CLIENTS_MAX];
  char                       answer[TF_CONTROL_ANSWER_BYTES_MAX];
};

/* ---- the place ---- */

/* Opens the socket's directory, made if it is missing; it must be ours and closed to others. */
static tf_err_t open_folder(tf_control_socket_t *s, const char *path) {
  char        folder[128];
  struct stat st;
  const char *slash = strrchr(path, '/');
  const char *name  = slash ? slash + 1 : path;
  size_t      cnt   = slash ? (size_t)(slash - path) : 0;
  if (!slash || cnt == 0 || !*name || strlen(name) >= sizeof s->name || cnt >= sizeof folder)
    return TF_ERR(E_CONTROL_SOCKET,
                  "control.path %s: a file in a directory of its own is wanted, such as "
                  "/run/user/1000/tickfuse/control",
                  path);
  memcpy(folder, path, cnt);
  folder[cnt] = '\0';
  memcpy(s->name, name, strlen(name) + 1);
  if (mkdir(folder, 0700) != 0 && errno != EEXIST)
    return TF_ERR(E_CONTROL_SOCKET, "control.path: the directory %s cannot be made: %s", folder,
                  strerror(errno));
  s->folder = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (s->folder < 0 || fstat(s->folder, &st) != 0)
    return TF_ERR(E_CONTROL_SOCKET, "control.path: %s: %s", folder,
                  errno == ELOOP || errno == ENOTDIR
                      ? "is a symbolic link or no directory: name the directory itself"
                      : strerror(errno));
  if (st.st_uid != geteuid())
    return TF_ERR(E_CONTROL_SOCKET,
                  "control.path: the directory %s belongs to uid %u, not to us (%u)", folder,
                  st.st_uid, geteuid());
  if (st.st_mode & 077)
    return TF_ERR(E_CONTROL_SOCKET,
                  "control.path: the directory %s has mode %04o, open to others: chmod 700 it",
                  folder, st.st_mode & 07777);
  return TF_OK;
}

/* The socket's address by way of the open directory: nobody can swap it under us. */
static struct sockaddr_un address_of(const tf_control_socket_t *s) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", s->folder, s->name);
  return address;
}

static bool somebody_answers(const struct sockaddr_un *address) {
  int  fd    = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  bool there = fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ||
                           errno == EAGAIN);
  if (fd >= 0) close(fd);
  return there;
}

/* What a killed predecessor left is removed; a living one, or anything else of that name, is not. */
static tf_err_t clear_name(const tf_control_socket_t *s, const char *path,
                           const struct sockaddr_un *address) {
  struct stat st;
  if (fstatat(s->folder, s->name, &st, AT_SYMLINK_NOFOLLOW) != 0) return TF_OK;
  if (!S_ISSOCK(st.st_mode))
    return TF_ERR(E_CONTROL_SOCKET,
                  "control.path %s: is there and is no socket: remove it or take "
                  "another name",
                  path);
  if (somebody_answers(address))
    return TF_ERR(E_FILE_BUSY, "control.path %s: another engine answers there", path);
  unlinkat(s->folder, s->name, 0);
  return TF_OK;
}

static tf_err_t make_socket(tf_control_socket_t *s, const char *path) {
  struct stat        st;
  tf_err_t           err = open_folder(s, path);
  struct sockaddr_un address;
  if (err) return err;
  address = address_of(s);
  err     = clear_name(s, path, &address);
  if (err) return err;
  s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  s->wake     = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (s->listener < 0 || s->wake < 0 ||
      bind(s->listener, (const struct sockaddr *)&address, sizeof address) != 0 ||
      fchmodat(s->folder, s->name, 0600, 0) != 0 ||
      fstatat(s->folder, s->name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
      listen(s->listener, TF_CONTROL_CLIENTS_MAX) != 0)
    return TF_ERR(E_CONTROL_SOCKET, "control.path %s: %s", path, strerror(errno));
  s->inode = st.st_ino;
  return TF_OK;
}

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
  int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
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
    fds[1] = (struct pollfd){.fd = s->listener, .events = POLLIN};
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
  struct stat st;
  for (uint32_t i = 0; i < TF_CONTROL_CLIENTS_MAX; i++)
    if (s->clients[i].fd >= 0) close(s->clients[i].fd);
  if (s->inode && fstatat(s->folder, s->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
      st.st_ino == s->inode)
    unlinkat(s->folder, s->name, 0);
  if (s->listener >= 0) close(s->listener);
  if (s->wake >= 0) close(s->wake);
  if (s->folder >= 0) close(s->folder);
  free(s);
}

tf_err_t tf_control_socket_start(const char *path, const tf_control_handler_t *handler,
                                 tf_control_socket_t **socket) {
  *socket                = NULL;
  tf_control_socket_t *s = calloc(1, sizeof *s);
  if (!s) return TF_ERR(E_CORE_NO_MEMORY, "control socket: %zu bytes", sizeof *s);
  s->handler = *handler;
  s->folder = s->listener = s->wake = -1;
  for (uint32_t i = 0; i < TF_CONTROL_CLIENTS_MAX; i++) s->clients[i].fd = -1;
  tf_err_t err = make_socket(s, path);
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
