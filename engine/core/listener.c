#include "core/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/error.h"

/* ---- connections ---- */

int tf_listener_accept(tf_listener_t *l) {
  int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0 || (errno != EMFILE && errno != ENFILE) || l->spare_fd < 0) return fd;
  /* Left in the queue it would be reported for ever, and its thread would spin. */
  close(l->spare_fd);
  fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
  if (fd >= 0) {
    close(fd);
    l->turned_away++;
  }
  l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  return -1;
}

void tf_listener_peer(int fd, char *text, size_t cap) {
  struct sockaddr_storage    address;
  socklen_t                  bytes                  = sizeof address;
  char                       host[INET6_ADDRSTRLEN] = "?";
  const struct sockaddr_in  *v4                     = (const void *)&address;
  const struct sockaddr_in6 *v6                     = (const void *)&address;
  struct ucred               peer;
  snprintf(text, cap, "?");
  if (getpeername(fd, (struct sockaddr *)&address, &bytes) != 0) return;
  if (address.ss_family == AF_INET) {
    inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
    snprintf(text, cap, "%s:%u", host, ntohs(v4->sin_port));
  } else if (address.ss_family == AF_INET6) {
    inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
    snprintf(text, cap, "[%s]:%u", host, ntohs(v6->sin6_port));
  } else {
    bytes = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0)
      snprintf(text, cap, "unix:pid=%d,uid=%u", (int)peer.pid, peer.uid);
  }
}

/* ---- TCP ---- */

bool tf_listener_address(const char *host, uint16_t port, struct sockaddr_storage *address,
                         uint32_t *bytes, bool *loopback) {
  struct sockaddr_in  *v4 = (struct sockaddr_in *)(void *)address;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)address;
  memset(address, 0, sizeof *address);
  if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port   = htons(port);
    *bytes         = sizeof *v4;
    *loopback      = ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    return true;
  }
  if (inet_pton(AF_INET6, host, &v6->sin6_addr) != 1) return false;
  v6->sin6_family = AF_INET6;
  v6->sin6_port   = htons(port);
  *bytes          = sizeof *v6;
  *loopback       = IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
  return true;
}

static tf_err_t url_wrong(const tf_listener_use_t *use, const char *url, const char *scheme) {
  return TF_ERR(use->code,
                "%s: found \"%.200s\"; %s://HOST:PORT is wanted, HOST a numeric address such as "
                "127.0.0.1 or [::1], PORT 0 (a free one) to 65535",
                use->what, url, scheme);
}

tf_err_t tf_listener_url(const tf_listener_use_t *use, const char *url, const char *scheme,
                         char host[TF_LISTENER_HOST_BYTES], uint16_t *port, const char **path) {
  struct sockaddr_storage address;
  uint32_t                bytes;
  bool                    loopback;
  size_t                  cnt = strlen(scheme);
  if (strncmp(url, scheme, cnt) != 0 || strncmp(url + cnt, "://", 3) != 0)
    return url_wrong(use, url, scheme);
  const char *at    = url + cnt + 3;
  const char *close = *at == '[' ? strchr(at, ']') : NULL;
  const char *begin = close ? at + 1 : at, *end = close ? close : at + strcspn(at, ":/");
  const char *colon = close ? close + 1 : end;
  size_t      chars = (size_t)(end - begin), digits;
  if (chars == 0 || chars >= TF_LISTENER_HOST_BYTES || *colon != ':')
    return url_wrong(use, url, scheme);
  memcpy(host, begin, chars);
  host[chars] = '\0';
  if (!strcmp(host, "localhost")) snprintf(host, TF_LISTENER_HOST_BYTES, "127.0.0.1");
  digits                   = strspn(colon + 1, "0123456789");
  unsigned long long value = digits && digits <= 5 ? strtoull(colon + 1, NULL, 10) : UINT64_MAX;
  *path                    = colon + 1 + digits;
  if (value > UINT16_MAX || (**path && **path != '/') ||
      !tf_listener_address(host, (uint16_t)value, &address, &bytes, &loopback))
    return url_wrong(use, url, scheme);
  *port = (uint16_t)value;
  return TF_OK;
}

static void reset(tf_listener_t *l) {
  *l = (tf_listener_t){.fd = -1, .spare_fd = -1, .folder_fd = -1};
}

static tf_err_t tcp_failed(tf_listener_t *l, const tf_listener_use_t *use, const char *host,
                           uint16_t port, const char *why) {
  tf_listener_close(l);
  return TF_ERR(use->code, "%s: cannot listen on %s%s%s:%u: %s", use->what,
                strchr(host, ':') ? "[" : "", host, strchr(host, ':') ? "]" : "", port, why);
}

tf_err_t tf_listener_tcp(tf_listener_t *l, const tf_listener_use_t *use, const char *host,
                         uint16_t port) {
  struct sockaddr_storage address;
  uint32_t                bytes;
  int                     one = 1;
  reset(l);
  if (!tf_listener_address(host, port, &address, &bytes, &l->loopback))
    return tcp_failed(l, use, host, port, "not a numeric address such as 127.0.0.1 or ::1");
  l->fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
  if (l->fd < 0) return tcp_failed(l, use, host, port, strerror(errno));
  if (setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
      bind(l->fd, (struct sockaddr *)&address, bytes) != 0 || listen(l->fd, use->backlog) != 0 ||
      getsockname(l->fd, (struct sockaddr *)&address, &bytes) != 0)
    return tcp_failed(l, use, host, port,
                      errno == EADDRINUSE ? "another program has that port; name another"
                                          : strerror(errno));
  l->port =
      ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)(void *)&address)->sin_port
                                         : ((struct sockaddr_in6 *)(void *)&address)->sin6_port);
  l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  return TF_OK;
}

/* ---- Unix ---- */

/* Opens the socket's directory, made if it is missing; it must be ours, and closed to others unless
 * they are to connect. */
static tf_err_t open_folder(tf_listener_t *l, const tf_listener_use_t *use, const char *path) {
  char        folder[TF_LISTENER_DIR_BYTES];
  struct stat st;
  const char *slash  = strrchr(path, '/');
  const char *name   = slash ? slash + 1 : path;
  size_t      cnt    = slash ? (size_t)(slash - path) : 0;
  mode_t      others = use->shared ? 022 : 077;
  if (!slash || cnt == 0 || !*name || strlen(name) >= sizeof l->name || cnt >= sizeof folder)
    return TF_ERR(use->code,
                  "%s %s: a file in a directory of its own is wanted, such as "
                  "/run/user/1000/tickfuse/%s",
                  use->what, path, *name && strlen(name) < sizeof l->name ? name : "socket");
  memcpy(folder, path, cnt);
  folder[cnt] = '\0';
  memcpy(l->name, name, strlen(name) + 1);
  if (mkdir(folder, use->shared ? 0755 : 0700) != 0 && errno != EEXIST)
    return TF_ERR(use->code, "%s: the directory %s cannot be made: %s", use->what, folder,
                  strerror(errno));
  l->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (l->folder_fd < 0 || fstat(l->folder_fd, &st) != 0)
    return TF_ERR(use->code, "%s: %s: %s", use->what, folder,
                  errno == ELOOP || errno == ENOTDIR
                      ? "is a symbolic link or no directory: name the directory itself"
                      : strerror(errno));
  if (st.st_uid != geteuid())
    return TF_ERR(use->code, "%s: the directory %s belongs to uid %u, not to us (%u)", use->what,
                  folder, st.st_uid, geteuid());
  if (st.st_mode & others)
    return TF_ERR(use->code, "%s: the directory %s has mode %04o, open to others: chmod %s it",
                  use->what, folder, st.st_mode & 07777, use->shared ? "755" : "700");
  return TF_OK;
}

/* The pid of whoever answers at address; 0: nobody, -1: somebody whose pid cannot be had. */
static int answering_pid(const struct sockaddr_un *address) {
  struct ucred peer  = {.pid = -1};
  socklen_t    bytes = sizeof peer;
  int          fd    = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int          pid   = 0;
  if (fd < 0) return 0;
  if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0)
    pid = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 ? peer.pid : -1;
  else if (errno == EAGAIN) /* its queue is full */
    pid = -1;
  close(fd);
  return pid;
}

/* What a killed predecessor left is removed; a living one, or anything else of that name, is not. */
static tf_err_t clear_name(const tf_listener_t *l, const tf_listener_use_t *use, const char *path,
                           const struct sockaddr_un *address) {
  struct stat st;
  if (fstatat(l->folder_fd, l->name, &st, AT_SYMLINK_NOFOLLOW) != 0) return TF_OK;
  if (!S_ISSOCK(st.st_mode))
    return TF_ERR(use->code, "%s %s: is there and is no socket: remove it or take another name",
                  use->what, path);
  int pid = answering_pid(address);
  if (pid > 0)
    return TF_ERR(E_FILE_BUSY, "%s %s: another engine answers there, pid %d", use->what, path, pid);
  if (pid < 0) return TF_ERR(E_FILE_BUSY, "%s %s: another engine answers there", use->what, path);
  unlinkat(l->folder_fd, l->name, 0);
  return TF_OK;
}

static tf_err_t make_socket(tf_listener_t *l, const tf_listener_use_t *use, const char *path) {
  /* By way of the open directory: nobody can swap it under us. */
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct stat        st;
  snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", l->folder_fd, l->name);
  tf_err_t err = clear_name(l, use, path, &address);
  if (err) return err;
  l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (l->fd < 0 || bind(l->fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
      fchmodat(l->folder_fd, l->name, use->shared ? 0666 : 0600, 0) != 0 ||
      fstatat(l->folder_fd, l->name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
      listen(l->fd, use->backlog) != 0)
    return TF_ERR(use->code, "%s %s: %s", use->what, path, strerror(errno));
  l->inode    = st.st_ino;
  l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  return TF_OK;
}

tf_err_t tf_listener_unix(tf_listener_t *l, const tf_listener_use_t *use, const char *path) {
  reset(l);
  l->loopback  = true;
  tf_err_t err = open_folder(l, use, path);
  if (!err) err = make_socket(l, use, path);
  if (err) tf_listener_close(l);
  return err;
}

void tf_listener_close(tf_listener_t *l) {
  struct stat st;
  if (l->inode && fstatat(l->folder_fd, l->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
      st.st_ino == l->inode)
    unlinkat(l->folder_fd, l->name, 0);
  if (l->fd >= 0) close(l->fd);
  if (l->spare_fd >= 0) close(l->spare_fd);
  if (l->folder_fd >= 0) close(l->folder_fd);
  reset(l);
}
