/* The completion port of the simulator. Operations wait in a list; a look picks among those that
 * can go on, in an order that the seed draws. */
#include <errno.h>
#include <string.h>

#include "core/error.h"
#include "core/hash.h"
#include "io/port.h"
#include "io/sim_net.h"

/* A slot of the loop has at most a receive, a send and a cancel under way, and there are two slots a
 * connection. */
#define OPS_A_CONN 6u
/* Virtual time that a look costs: so that a loop that spins gets somewhere. */
#define LOOK_NS_MIN 20u
#define LOOK_NS_MAX 200u
/* After a completion the look ends with one chance in so many though more could follow. */
#define LOOK_ENDS_ONE_IN 16u
#define CQ_ENTRIES       1024u

typedef enum op_kind { RECV, ACCEPT, SEND, CANCEL } op_kind_t;

typedef struct op {
  op_kind_t   kind;
  int         fd;
  uint64_t    tag, target;
  const void *bytes;
  uint32_t    bytes_cnt;
  bool        drawn; /* whether it is late has been decided */
  uint64_t    not_before_ns;
} op_t;

typedef struct sim_port {
  tf_port_t        port;
  tf_sim_t        *sim;
  op_t            *ops;
  uint32_t         op_cnt, ops_max;
  tf_completion_t *cq; /* a ring */
  uint64_t         cq_head, cq_tail;
  uint32_t         cq_entries, cq_cap; /* entries: as io_uring would have; cap: what is kept */
  uint16_t        *buffers_free;       /* a stack */
  uint32_t         buffer_free_cnt, buffer_cnt, buffer_bytes;
  bool             broken;
} sim_port_t;

static bool put(tf_port_t *port, op_t op) {
  sim_port_t *p = (sim_port_t *)port;
  if (p->op_cnt == p->ops_max || tf_sim_strikes(p->sim, TF_SIM_SQ_FULL)) return false;
  p->ops[p->op_cnt++] = op;
  return true;
}

static bool recv_arm(tf_port_t *port, int fd, uint64_t tag) {
  return put(port, (op_t){.kind = RECV, .fd = fd, .tag = tag});
}

static bool accept_arm(tf_port_t *port, int fd, uint64_t tag) {
  return put(port, (op_t){.kind = ACCEPT, .fd = fd, .tag = tag});
}

static bool send_bytes(tf_port_t *port, int fd, const void *bytes, uint32_t cnt, uint64_t tag) {
  return put(port, (op_t){.kind = SEND, .fd = fd, .tag = tag, .bytes = bytes, .bytes_cnt = cnt});
}

static bool cancel(tf_port_t *port, uint64_t target, uint64_t tag) {
  return put(port, (op_t){.kind = CANCEL, .fd = -1, .tag = tag, .target = target});
}

static void buffer_return(tf_port_t *port, uint16_t buffer_idx) {
  sim_port_t *p = (sim_port_t *)port;
  TF_ASSERT(p->buffer_free_cnt < p->buffer_cnt);
  p->buffers_free[p->buffer_free_cnt++] = buffer_idx;
}

static void sim_fini(tf_port_t *port) { ((sim_port_t *)port)->op_cnt = 0; }

static void complete(sim_port_t *p, op_t *op, int32_t res, uint16_t flags, uint16_t buffer_idx) {
  tf_sim_t *sim = p->sim;
  TF_ASSERT(p->cq_tail - p->cq_head < p->cq_cap);
  p->cq[p->cq_tail++ % p->cq_cap] =
      (tf_completion_t){.tag = op->tag, .res = res, .flags = flags, .buffer_idx = buffer_idx};
  uint64_t line[8] = {sim->now_ns, op->tag, (uint32_t)res, flags, buffer_idx};
  sim->trace_hash  = tf_hash_line(sim->trace_hash, line);
  op->drawn        = false;
  if (!(flags & TF_COMPLETION_MORE)) *op = p->ops[--p->op_cnt];
}

static void go_recv(sim_port_t *p, op_t *op) {
  tf_sim_t          *sim = p->sim;
  tf_sim_endpoint_t *e   = tf_sim_endpoint(sim, op->fd);
  if (!e) {
    complete(p, op, -EBADF, 0, 0);
    return;
  }
  if (tf_sim_strikes(sim, TF_SIM_RESET)) tf_sim_break(sim, e);
  if (tf_sim_strikes(sim, TF_SIM_RECV_LOST)) {
    *op = p->ops[--p->op_cnt];
    return;
  }
  int32_t ends = tf_sim_strikes(sim, TF_SIM_RECV_ENOBUFS)     ? -ENOBUFS
                 : tf_sim_strikes(sim, TF_SIM_RECV_EINTR)     ? -EINTR
                 : tf_sim_strikes(sim, TF_SIM_RECV_EAGAIN)    ? -EAGAIN
                 : tf_sim_strikes(sim, TF_SIM_RECV_ECANCELED) ? -ECANCELED
                 : p->buffer_free_cnt == 0                    ? -ENOBUFS
                                                              : 0;
  if (ends) {
    complete(p, op, ends, 0, 0);
    return;
  }
  uint64_t cnt = tf_sim_readable_bytes(sim, e);
  if (cnt > p->buffer_bytes) cnt = p->buffer_bytes;
  if (cnt > 1 && tf_sim_strikes(sim, TF_SIM_RECV_SHORT)) cnt = 1 + tf_sim_random(sim, cnt - 1);
  uint16_t buffer_idx = p->buffers_free[p->buffer_free_cnt - 1];
  uint8_t *buffer     = p->port.buffers + buffer_idx * p->port.buffer_stride;
  int      got        = tf_sim_recv(sim, op->fd, buffer, cnt > 0 ? (size_t)cnt : 1);
  if (got <= 0) {
    complete(p, op, got, 0, 0);
    return;
  }
  p->buffer_free_cnt--;
  uint32_t more = tf_sim_strikes(sim, TF_SIM_RECV_ENDS) ? 0 : TF_COMPLETION_MORE;
  complete(p, op, got, (uint16_t)(more | TF_COMPLETION_BUFFER), buffer_idx);
}

static void go_accept(sim_port_t *p, op_t *op) {
  tf_sim_endpoint_t *e = tf_sim_endpoint(p->sim, op->fd);
  if (!e || e->reads_no_more) {
    complete(p, op, e ? -EINVAL : -EBADF, 0, 0);
    return;
  }
  if (tf_sim_strikes(p->sim, TF_SIM_ACCEPT_ECONNABORTED)) {
    complete(p, op, -ECONNABORTED, 0, 0);
    return;
  }
  int fd = tf_sim_accept(p->sim, e);
  complete(p, op, fd, fd >= 0 ? TF_COMPLETION_MORE : 0, 0);
}

static void go_send(sim_port_t *p, op_t *op) {
  tf_sim_t *sim  = p->sim;
  int32_t   ends = tf_sim_strikes(sim, TF_SIM_SEND_EINTR)    ? -EINTR
                   : tf_sim_strikes(sim, TF_SIM_SEND_EAGAIN) ? -EAGAIN
                   : tf_sim_strikes(sim, TF_SIM_SEND_EPIPE)  ? -EPIPE
                                                             : 0;
  if (ends) {
    complete(p, op, ends, 0, 0);
    return;
  }
  size_t cnt = op->bytes_cnt;
  if (cnt > 1 && tf_sim_strikes(sim, TF_SIM_SEND_SHORT))
    cnt = 1 + (size_t)tf_sim_random(sim, cnt - 1);
  complete(p, op, tf_sim_send(sim, op->fd, op->bytes, cnt), 0, 0);
}

static void go_cancel(sim_port_t *p, op_t *op) {
  uint64_t target = op->target;
  int32_t  res    = -ENOENT;
  for (uint32_t i = 0; i < p->op_cnt; i++) {
    if (p->ops[i].tag != target || p->ops[i].kind == CANCEL) continue;
    res = tf_sim_strikes(p->sim, TF_SIM_CANCEL_EALREADY) ? -EALREADY : 0;
    break;
  }
  complete(p, op, res, 0, 0);
  for (uint32_t i = 0; res == 0 && i < p->op_cnt; i++) {
    if (p->ops[i].tag != target || p->ops[i].kind == CANCEL) continue;
    complete(p, &p->ops[i], -ECANCELED, 0, 0);
    break;
  }
}

static bool can_go(sim_port_t *p, op_t *op) {
  if (op->not_before_ns > p->sim->now_ns) return false;
  tf_sim_endpoint_t *e = tf_sim_endpoint(p->sim, op->fd);
  if (op->kind == CANCEL || !e) return true;
  if (op->kind == RECV && p->buffer_free_cnt == 0) return true;
  return op->kind == SEND ? tf_sim_has_room(p->sim, e)
                          : tf_sim_has_event(p->sim, e) || e->reads_no_more;
}

/* True if the operation that was picked completed. */
static bool go(sim_port_t *p, op_t *op) {
  tf_sim_t *sim = p->sim;
  if (!op->drawn) {
    op->drawn = true;
    if (tf_sim_strikes(sim, TF_SIM_LATE)) {
      op->not_before_ns = sim->now_ns + 1 + tf_sim_random(sim, sim->config.late_ns_max);
      return false;
    }
  }
  switch (op->kind) {
  case RECV: go_recv(p, op); break;
  case ACCEPT: go_accept(p, op); break;
  case SEND: go_send(p, op); break;
  case CANCEL: go_cancel(p, op); break;
  }
  return true;
}

/* Completes what can be, as the seed draws. */
static void go_on(sim_port_t *p) {
  for (;;) {
    op_t    *picked = NULL;
    uint32_t cnt    = 0;
    /* A cancel makes two completions. */
    if (p->cq_tail - p->cq_head + 2 > p->cq_cap) break;
    for (uint32_t i = 0; i < p->op_cnt; i++)
      if (can_go(p, &p->ops[i]) && tf_sim_random(p->sim, ++cnt) == 0) picked = &p->ops[i];
    if (!picked) break;
    if (go(p, picked) && tf_sim_random(p->sim, LOOK_ENDS_ONE_IN) == 0) break;
  }
  if (p->cq_tail - p->cq_head > p->cq_entries) p->port.overflow_cnt++;
}

static uint64_t next_ns(const sim_port_t *p) {
  uint64_t next = tf_sim_next_arrival_ns(p->sim);
  for (uint32_t i = 0; i < p->op_cnt; i++) {
    uint64_t at = p->ops[i].not_before_ns;
    if (at > p->sim->now_ns && at < next) next = at;
  }
  return next;
}

static int reap(tf_port_t *port, uint64_t wait_ns, tf_completion_t *out, uint32_t cap) {
  sim_port_t *p   = (sim_port_t *)port;
  tf_sim_t   *sim = p->sim;
  if (p->broken || tf_sim_strikes(sim, TF_SIM_CQ_DROPPED)) {
    p->broken = true;
    return TF_ERR(E_IO_SYSTEM, "simulated io_uring_enter failed: %s", strerror(EBADR));
  }
  uint64_t until_ns = sim->now_ns + wait_ns;
  sim->now_ns += LOOK_NS_MIN + tf_sim_random(sim, LOOK_NS_MAX - LOOK_NS_MIN);
  if (tf_sim_strikes(sim, TF_SIM_ENTER_BUSY)) return 0;
  go_on(p);
  if (p->cq_head == p->cq_tail && wait_ns > 0) {
    port->wait_cnt++;
    while (p->cq_head == p->cq_tail && sim->now_ns < until_ns) {
      uint64_t next = next_ns(p);
      sim->now_ns   = next < until_ns ? next : until_ns;
      go_on(p);
    }
  }
  uint32_t cnt = 0;
  while (cnt < cap && p->cq_head != p->cq_tail) out[cnt++] = p->cq[p->cq_head++ % p->cq_cap];
  return (int)cnt;
}

/* ---- descriptors ---- */

static tf_sim_t *sim_of(tf_port_t *port) { return ((sim_port_t *)port)->sim; }

static int net_admit(tf_port_t *port, int fd) {
  return tf_sim_endpoint(sim_of(port), fd) ? 0 : EBADF;
}

/* A read by the loop itself fails as one by the kernel does, where that is no end. */
static int net_recv(tf_port_t *port, int fd, void *bytes, size_t cnt) {
  tf_sim_t *sim = sim_of(port);
  sim->now_ns += LOOK_NS_MIN;
  if (tf_sim_strikes(sim, TF_SIM_RECV_EINTR)) return -EINTR;
  if (tf_sim_strikes(sim, TF_SIM_RECV_EAGAIN)) return -EAGAIN;
  if (cnt > 1 && tf_sim_strikes(sim, TF_SIM_RECV_SHORT)) cnt = 1 + tf_sim_random(sim, cnt - 1);
  return tf_sim_recv(sim, fd, bytes, cnt);
}

static void net_shutdown(tf_port_t *port, int fd) {
  tf_sim_endpoint_t *e = tf_sim_endpoint(sim_of(port), fd);
  if (e && e->state == TF_SIM_LISTENING) e->reads_no_more = true;
  tf_sim_shutdown(sim_of(port), fd, true);
}

static void net_close(tf_port_t *port, int fd) { tf_sim_close(sim_of(port), fd); }

static int net_readable(tf_port_t *port, struct pollfd *fds, nfds_t cnt) {
  int ready = 0;
  for (nfds_t i = 0; i < cnt; i++) {
    tf_sim_endpoint_t *e = tf_sim_endpoint(sim_of(port), fds[i].fd);
    fds[i].revents       = e && tf_sim_has_event(sim_of(port), e) ? POLLIN : 0;
    ready += fds[i].revents != 0;
  }
  return ready;
}

static int net_shed(tf_port_t *port, int spare_fd, int listen_fd) {
  tf_sim_t          *sim = sim_of(port);
  tf_sim_endpoint_t *l   = tf_sim_endpoint(sim, listen_fd);
  uint32_t           max = sim->fds_max;
  sim->fds_max           = 0; /* the spare one's place */
  int fd                 = l ? tf_sim_accept(sim, l) : -EBADF;
  sim->fds_max           = max;
  if (fd >= 0) tf_sim_close(sim, fd);
  return spare_fd;
}

static const tf_net_ops_t sim_net_ops = {
    .admit    = net_admit,
    .recv     = net_recv,
    .shutdown = net_shutdown,
    .close    = net_close,
    .readable = net_readable,
    .shed     = net_shed,
};

static const tf_port_ops_t sim_port_ops = {
    .name          = "sim",
    .recv_arm      = recv_arm,
    .accept_arm    = accept_arm,
    .send          = send_bytes,
    .cancel        = cancel,
    .reap          = reap,
    .buffer_return = buffer_return,
    .fini          = sim_fini,
};

/* ---- lifetime, and looks from outside ---- */

static size_t stride_of(const tf_io_config_t *config) {
  return tf_align_up(config->buffer_bytes + TF_BYTES_PAD, TF_LINE_BYTES);
}

static uint32_t cq_entries_of(const tf_io_config_t *config) {
  return config->cq_entries ? config->cq_entries : CQ_ENTRIES;
}

size_t tf_sim_port_arena_bytes(const tf_io_config_t *config) {
  return sizeof(sim_port_t) + (size_t)config->conns_max * OPS_A_CONN * sizeof(op_t) +
         (size_t)config->buffer_cnt * (stride_of(config) + sizeof(uint16_t)) +
         ((size_t)cq_entries_of(config) + CQ_ENTRIES) * sizeof(tf_completion_t) +
         8 * TF_LINE_PAIR_BYTES + tf_loop_arena_bytes(config);
}

tf_err_t tf_sim_open(tf_sim_t *sim, const tf_io_config_t *config, tf_arena_t *arena, tf_io_t **io) {
  *io          = NULL;
  tf_err_t err = tf_io_config_check(config);
  if (err) return err;
  size_t      align = TF_LINE_PAIR_BYTES;
  sim_port_t *p     = tf_arena_take(arena, sizeof *p, align);
  if (!p) return tf_error_add(E_CORE_ARENA_FULL, "opening simulated I/O");
  p->port.ops           = &sim_port_ops;
  p->port.net           = &sim_net_ops;
  p->port.virtual_ns    = &sim->now_ns;
  p->port.buffer_stride = stride_of(config);
  p->sim                = sim;
  p->ops_max            = config->conns_max * OPS_A_CONN;
  p->cq_entries         = cq_entries_of(config);
  p->cq_cap             = p->cq_entries + CQ_ENTRIES;
  p->buffer_cnt         = config->buffer_cnt;
  p->buffer_bytes       = config->buffer_bytes;
  p->ops                = tf_arena_take(arena, p->ops_max * sizeof *p->ops, align);
  p->cq                 = tf_arena_take(arena, p->cq_cap * sizeof *p->cq, align);
  p->buffers_free       = tf_arena_take(arena, config->buffer_cnt * sizeof *p->buffers_free, align);
  p->port.buffers       = tf_arena_take(arena, config->buffer_cnt * p->port.buffer_stride, align);
  if (!p->ops || !p->cq || !p->buffers_free || !p->port.buffers)
    return tf_error_add(E_CORE_ARENA_FULL, "opening simulated I/O");
  for (uint32_t i = 0; i < config->buffer_cnt; i++) buffer_return(&p->port, (uint16_t)i);
  return tf_loop_open(config, arena, &p->port, io);
}

static const sim_port_t *port_of(const tf_io_t *io) {
  const tf_port_t *port = tf_loop_port(io);
  TF_ASSERT(port->ops == &sim_port_ops);
  return (const sim_port_t *)port;
}

uint32_t tf_sim_armed_cnt(const tf_io_t *io, int fd) {
  const sim_port_t *p   = port_of(io);
  uint32_t          cnt = 0;
  for (uint32_t i = 0; i < p->op_cnt; i++)
    cnt += p->ops[i].fd == fd && (p->ops[i].kind == RECV || p->ops[i].kind == ACCEPT);
  return cnt;
}

uint32_t tf_sim_ops_under_way(const tf_io_t *io) { return port_of(io)->op_cnt; }
uint32_t tf_sim_buffers_free(const tf_io_t *io) { return port_of(io)->buffer_free_cnt; }
