/* tf_io_t on epoll: level triggered, so that a socket read for one bounded turn and left with bytes
 * comes up again in the next pass and starves nobody. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"
#include "io/port.h"
#include "io/sendring.h"
#include "io/shed.h"
#include "io/socket.h"
#include "tf/atomic.h"

#define PASS_EVENTS_MAX 256
/* Receives from one socket in one pass: 16 x 16 KiB is more than loopback hands over at once. */
#define TURN_RECVS_MAX   16
#define TURN_ACCEPTS_MAX 64
#define WAIT_NS_MAX      (TF_NS_PER_SEC * 3600)

enum { FREE, OPEN, LISTENING };

typedef struct conn {
  tf_io_handler_t handler;
  tf_sendring_t   send;
  int             fd;
  int             send_errno; /* of the send that failed; nothing more is taken after it */
  uint16_t        generation;
  uint8_t         state;
  bool            writable_wanted; /* EPOLLOUT is registered */
} conn_t;

typedef struct tf_epoll {
  tf_io_t             io;
  conn_t             *conns;
  uint16_t           *vacant; /* a stack */
  struct epoll_event *events;
  uint8_t            *buffer;
  uint32_t            buffer_bytes;
  uint32_t            conns_max, vacant_cnt, conns_used_cnt, direct_conns_max, listener_cnt;
  int                 epoll_fd, spare_fd;
  tf_socket_wants_t   wants;
  uint64_t            newest_recv_ns; /* with kernel timestamps */
  tf_hist_t           stamp_ages;
} tf_epoll_t;

/* What glibc's <sys/epoll.h> does not know yet (kernel 6.9): busy polling by the epoll descriptor. */
typedef struct busy_params {
  uint32_t busy_poll_us;
  uint16_t busy_poll_budget;
  uint8_t  prefer_busy_poll;
  uint8_t  pad;
} busy_params_t;
#define EPOLL_SET_BUSY_PARAMS _IOW(0x8A, 0x01, busy_params_t)
#define BUSY_POLL_BUDGET      8 /* packets a poll: the kernel's own default */

static conn_t *conn_of_id(tf_epoll_t *e, tf_io_conn_t id) {
  uint32_t idx = id & 0xFFFF;
  if (idx >= e->conns_max) return NULL;
  conn_t *c = &e->conns[idx];
  return c->generation == id >> 16 && c->state != FREE ? c : NULL;
}

static tf_io_conn_t id_of(const tf_epoll_t *e, const conn_t *c) {
  return (tf_io_conn_t)c->generation << 16 | (tf_io_conn_t)(c - e->conns);
}

static void release(tf_epoll_t *e, conn_t *c) {
  epoll_ctl(e->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
  close(c->fd);
  if (c->state == LISTENING) e->listener_cnt--;
  c->fd    = -1;
  c->state = FREE;
  c->generation++;
  e->vacant[e->vacant_cnt++] = (uint16_t)(c - e->conns);
}

static void end(tf_epoll_t *e, conn_t *c, int sys_errno) {
  tf_io_conn_t    id      = id_of(e, c);
  tf_io_handler_t handler = c->handler;
  if (c->send_errno != 0) sys_errno = c->send_errno;
  tf_count_add(sys_errno ? &e->io.counts.failed : &e->io.counts.ended, 1);
  release(e, c);
  if (handler.on_closed) handler.on_closed(handler.self, id, sys_errno);
}

/* recv, with the time of the last segment; recv_ns becomes that of these bytes. */
TF_COLD static ssize_t recv_stamped(tf_epoll_t *e, const conn_t *c, uint64_t *recv_ns) {
  _Alignas(struct cmsghdr) uint8_t control[TF_STAMP_CONTROL_BYTES];
  struct iovec                     bytes = {.iov_base = e->buffer, .iov_len = e->buffer_bytes};
  struct msghdr                    msg   = {
                           .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t got = recvmsg(c->fd, &msg, MSG_DONTWAIT);
  if (got > 0)
    *recv_ns = tf_socket_recv_ns(&e->io.counts, e->io.stamp_ages, &e->newest_recv_ns,
                                 tf_socket_stamp_ns(control, msg.msg_controllen),
                                 tf_socket_clock_offset_ns(), *recv_ns);
  return got;
}

/* One turn of one socket. Returns the receives made; the connection may be gone afterwards. */
static int receive(tf_epoll_t *e, conn_t *c, uint64_t pass_ns) {
  uint16_t generation = c->generation;
  int      cnt        = 0;
  while (cnt < TURN_RECVS_MAX) {
    uint64_t recv_ns = pass_ns;
    ssize_t  got     = TF_UNLIKELY(e->wants.stamps)
                           ? recv_stamped(e, c, &recv_ns)
                           : recv(c->fd, e->buffer, e->buffer_bytes, MSG_DONTWAIT);
    if (got > 0) {
      cnt++;
      tf_count_add(&e->io.counts.rx_bytes, (uint64_t)got);
      tf_count_add(&e->io.counts.rx_calls, 1);
      c->handler.on_bytes(c->handler.self, id_of(e, c), e->buffer, (size_t)got, recv_ns);
      if (c->generation != generation) break;
      /* Less than asked for means empty: another recv would only say EAGAIN. A FIN behind it
       * comes up in the next pass. */
      if ((size_t)got < e->buffer_bytes) break;
    } else if (got < 0 && errno == EINTR) {
      continue;
    } else if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      break;
    } else {
      end(e, c, got == 0 ? 0 : errno);
      return cnt + 1;
    }
  }
  return cnt;
}

static void writable_want(tf_epoll_t *e, conn_t *c, bool wanted) {
  if (c->writable_wanted == wanted) return;
  struct epoll_event ev = {
      .events   = EPOLLIN | (wanted ? (uint32_t)EPOLLOUT : 0u),
      .data.u32 = id_of(e, c),
  };
  epoll_ctl(e->epoll_fd, EPOLL_CTL_MOD, c->fd, &ev);
  c->writable_wanted = wanted;
}

/* Sends what there is. An error is left to the receive side, which first delivers what the peer had
 * sent before: shutdown makes certain that it comes to an end. */
static void transmit(tf_epoll_t *e, conn_t *c) {
  uint32_t cnt;
  for (;;) {
    const uint8_t *bytes = tf_sendring_run(&c->send, &cnt);
    if (cnt == 0) break;
    ssize_t sent = send(c->fd, bytes, cnt, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) {
      tf_count_add(&e->io.counts.tx_bytes, (uint64_t)sent);
      tf_sendring_pop(&c->send, (size_t)sent);
      if ((size_t)sent < cnt) tf_count_add(&e->io.counts.tx_short, 1);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      tf_count_add(&e->io.counts.tx_again, 1);
      break;
    } else if (errno != EINTR) {
      c->send_errno = errno;
      tf_sendring_clear(&c->send);
      shutdown(c->fd, SHUT_RDWR);
      break;
    }
  }
  writable_want(e, c, tf_sendring_used(&c->send) > 0);
}

static int accept_pending(tf_epoll_t *e, conn_t *c) {
  uint16_t generation = c->generation;
  int      cnt        = 0;
  while (cnt < TURN_ACCEPTS_MAX) {
    int fd = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      cnt++;
      c->handler.on_accept(c->handler.self, fd);
      if (c->generation != generation) break;
    } else if (errno == EMFILE || errno == ENFILE) {
      e->spare_fd = tf_shed_one(e->spare_fd, c->fd);
      break;
    } else if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK || errno == EOPNOTSUPP) {
      end(e, c, errno);
      break;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      break;
    } else {
      cnt++; /* the fate of one connection that came to nothing */
    }
  }
  return cnt;
}

static int wait_for_events(tf_epoll_t *e, uint64_t wait_ns) {
  if (wait_ns == 0) return epoll_wait(e->epoll_fd, e->events, PASS_EVENTS_MAX, 0);
  tf_count_add(&e->io.counts.waits, 1);
  if (wait_ns > WAIT_NS_MAX) wait_ns = WAIT_NS_MAX;
  struct timespec limit = {
      .tv_sec  = (time_t)(wait_ns / TF_NS_PER_SEC),
      .tv_nsec = (long)(wait_ns % TF_NS_PER_SEC),
  };
  int cnt = epoll_pwait2(e->epoll_fd, e->events, PASS_EVENTS_MAX, &limit, NULL);
  if (cnt >= 0 || (errno != ENOSYS && errno != EPERM)) return cnt;
  /* Before 5.11, or filtered: milliseconds, rounded up so that a short wait is not a spin. */
  int wait_ms = (int)((wait_ns + TF_NS_PER_MS - 1) / TF_NS_PER_MS);
  return epoll_wait(e->epoll_fd, e->events, PASS_EVENTS_MAX, wait_ms);
}

static int poll_direct(tf_epoll_t *e) {
  int      cnt     = 0;
  uint64_t recv_ns = tf_clock_wall_ns();
  for (uint32_t i = 0; i < e->conns_used_cnt; i++) {
    conn_t *c = &e->conns[i];
    if (c->state != OPEN) continue;
    if (TF_UNLIKELY(c->writable_wanted)) transmit(e, c);
    cnt += receive(e, c, recv_ns);
  }
  return cnt;
}

static int epoll_poll(tf_io_t *io, uint64_t wait_ns) {
  tf_epoll_t *e = (tf_epoll_t *)io;
  tf_count_add(&io->counts.passes, 1);
  uint32_t attached = e->conns_max - e->vacant_cnt;
  if (wait_ns == 0 && attached <= e->direct_conns_max && e->listener_cnt == 0)
    return poll_direct(e);

  int event_cnt = wait_for_events(e, wait_ns);
  if (event_cnt < 0) {
    if (errno == EINTR) return 0;
    return TF_ERR(E_IO_SYSTEM, "epoll_wait: %s", strerror(errno));
  }
  uint64_t recv_ns = event_cnt > 0 ? tf_clock_wall_ns() : 0;
  int      cnt     = 0;
  for (int i = 0; i < event_cnt; i++) {
    conn_t *c = conn_of_id(e, e->events[i].data.u32);
    if (!c) continue; /* closed by a handler in this very pass */
    if (c->state == LISTENING) {
      cnt += accept_pending(e, c);
      continue;
    }
    if (e->events[i].events & EPOLLOUT) {
      transmit(e, c);
      cnt++;
    }
    if (e->events[i].events & ~(uint32_t)EPOLLOUT) cnt += receive(e, c, recv_ns);
  }
  return cnt;
}

static tf_err_t take(tf_epoll_t *e, int fd, const tf_io_handler_t *handler, uint8_t state,
                     tf_io_conn_t *id) {
  *id       = TF_IO_CONN_NONE;
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return TF_ERR(E_IO_SYSTEM, "fd %d cannot be attached: %s", fd, strerror(errno));
  if (e->vacant_cnt == 0)
    return TF_ERR(E_IO_LIMIT, "%u connections are attached, %u allowed: raise conns_max",
                  e->conns_max, e->conns_max);
  uint16_t           idx = e->vacant[e->vacant_cnt - 1];
  conn_t            *c   = &e->conns[idx];
  struct epoll_event ev  = {.events = EPOLLIN, .data.u32 = id_of(e, c)};
  if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
      epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0)
    return TF_ERR(E_IO_SYSTEM, "fd %d cannot be attached: %s", fd, strerror(errno));
  tf_socket_prepare(fd, &e->wants);
  e->vacant_cnt--;
  c->handler         = *handler;
  c->fd              = fd;
  c->state           = state;
  c->send_errno      = 0;
  c->writable_wanted = false;
  c->send.head = c->send.tail = 0;
  if (idx >= e->conns_used_cnt) e->conns_used_cnt = idx + 1u;
  *id = id_of(e, c);
  return TF_OK;
}

static tf_err_t epoll_attach(tf_io_t *io, int fd, const tf_io_handler_t *handler,
                             tf_io_conn_t *id) {
  TF_ASSERT(handler->on_bytes != NULL);
  return take((tf_epoll_t *)io, fd, handler, OPEN, id);
}

static tf_err_t epoll_listen(tf_io_t *io, int fd, const tf_io_handler_t *handler,
                             tf_io_conn_t *id) {
  TF_ASSERT(handler->on_accept != NULL);
  tf_epoll_t *e   = (tf_epoll_t *)io;
  tf_err_t    err = take(e, fd, handler, LISTENING, id);
  if (err == TF_OK) e->listener_cnt++;
  return err;
}

static tf_err_t epoll_send(tf_io_t *io, tf_io_conn_t id, const void *bytes, size_t bytes_cnt) {
  tf_epoll_t *e = (tf_epoll_t *)io;
  conn_t     *c = conn_of_id(e, id);
  if (!c || c->state != OPEN || c->send_errno != 0) return E_IO_SYSTEM;
  if (!tf_sendring_push(&c->send, bytes, bytes_cnt)) return E_IO_SEND_FULL;
  if (!c->writable_wanted) transmit(e, c);
  return TF_OK;
}

static size_t epoll_send_pending_bytes(const tf_io_t *io, tf_io_conn_t id) {
  const conn_t *c = conn_of_id((tf_epoll_t *)io, id);
  return c ? tf_sendring_used(&c->send) : 0;
}

static void epoll_close(tf_io_t *io, tf_io_conn_t id) {
  conn_t *c = conn_of_id((tf_epoll_t *)io, id);
  if (c) release((tf_epoll_t *)io, c);
}

const tf_io_ops_t tf_epoll_ops = {
    .name               = "epoll",
    .attach             = epoll_attach,
    .listen             = epoll_listen,
    .send               = epoll_send,
    .send_pending_bytes = epoll_send_pending_bytes,
    .close              = epoll_close,
    .poll               = epoll_poll,
};

size_t tf_epoll_arena_bytes(const tf_io_config_t *config) {
  return sizeof(tf_epoll_t) + PASS_EVENTS_MAX * sizeof(struct epoll_event) + config->buffer_bytes +
         TF_BYTES_PAD +
         (size_t)config->conns_max * (sizeof(conn_t) + sizeof(uint16_t) + config->send_bytes) +
         6 * TF_LINE_PAIR_BYTES;
}

tf_err_t tf_epoll_open(const tf_io_config_t *config, tf_arena_t *arena, tf_io_t **io) {
  size_t      align = TF_LINE_PAIR_BYTES;
  uint32_t    conns = config->conns_max;
  tf_epoll_t *e     = tf_arena_take(arena, sizeof *e, align);
  if (e) {
    e->conns  = tf_arena_take(arena, conns * sizeof *e->conns, align);
    e->vacant = tf_arena_take(arena, conns * sizeof *e->vacant, align);
    e->events = tf_arena_take(arena, PASS_EVENTS_MAX * sizeof *e->events, align);
    e->buffer = tf_arena_take(arena, config->buffer_bytes + TF_BYTES_PAD, align);
  }
  uint8_t *send = tf_arena_take(arena, (size_t)conns * config->send_bytes, align);
  if (!e || !e->conns || !e->vacant || !e->events || !e->buffer || !send)
    return tf_error_add(E_CORE_ARENA_FULL, "opening the I/O loop");
  e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (e->epoll_fd < 0) return TF_ERR(E_IO_SYSTEM, "epoll_create1: %s", strerror(errno));
  e->io.ops = &tf_epoll_ops;
  e->wants  = (tf_socket_wants_t){.busy_poll_us = config->busy_poll_us,
                                  .stamps       = config->kernel_timestamps};
  if (config->kernel_timestamps) e->io.stamp_ages = &e->stamp_ages;
  busy_params_t busy = {.busy_poll_us     = config->busy_poll_us,
                        .busy_poll_budget = BUSY_POLL_BUDGET,
                        .prefer_busy_poll = 1};
  /* A kernel without it polls for the sockets one by one, as they were asked to. */
  if (config->busy_poll_us > 0) ioctl(e->epoll_fd, EPOLL_SET_BUSY_PARAMS, &busy);
  e->conns_max        = conns;
  e->buffer_bytes     = config->buffer_bytes;
  e->direct_conns_max = config->direct_conns_max;
  for (uint32_t i = 0; i < conns; i++) {
    e->conns[i].fd             = -1;
    e->conns[i].send.bytes     = send + (size_t)i * config->send_bytes;
    e->conns[i].send.cap       = config->send_bytes;
    e->vacant[e->vacant_cnt++] = (uint16_t)(conns - 1 - i);
  }
  e->spare_fd = tf_shed_open();
  *io         = &e->io;
  return TF_OK;
}

void tf_epoll_fini(tf_io_t *io) {
  tf_epoll_t *e = (tf_epoll_t *)io;
  for (uint32_t i = 0; i < e->conns_used_cnt; i++)
    if (e->conns[i].fd >= 0) close(e->conns[i].fd);
  tf_shed_fini(e->spare_fd);
  close(e->epoll_fd);
}
