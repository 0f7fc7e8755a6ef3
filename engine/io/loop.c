/* tf_io_t over a completion port. The invariant that everything here serves: an open socket has
 * exactly one receive with the port, or stands in the work list to get one. */
#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "io/port.h"
#include "io/sendring.h"
#include "io/shed.h"
#include "tf/atomic.h"

#define PASS_COMPLETIONS_MAX 256u
/* Direct receives from one socket in one pass, so that it starves no neighbour. */
#define TURN_RECVS_MAX   16
#define AUDIT_NS_DEFAULT (100 * TF_NS_PER_MS)
/* Audits in a row that must find bytes nobody delivered before a receive counts as lost. */
#define AUDIT_SUSPECT_CNT 2u
/* At the end: 50 x 1 ms for the last operations to come back, which takes one pass as a rule. */
#define DRAIN_PASSES_MAX 50
#define DRAIN_WAIT_NS    TF_NS_PER_MS
/* A slot whose last operation is still coming back is not free yet, so there are twice as many slots
 * as connections: a close may be followed by an attach at once. */
#define SLOTS_A_CONN 2u

enum { OP_RECV = 1, OP_ACCEPT, OP_SEND, OP_CANCEL };
enum { FREE, OPEN, LISTENING, ENDING, CLOSING };

typedef struct conn {
  tf_io_handler_t handler;
  tf_sendring_t   send;
  int             fd;
  int             end_errno;  /* why it is ENDING, or of the send that failed */
  uint32_t        send_cnt;   /* bytes of the send under way */
  uint32_t        arm_seq;    /* which arming of the receive, modulo 2^28 */
  uint16_t        generation; /* of the slot: a completion of its last life is ignored */
  uint8_t         state;
  uint8_t         suspect_cnt;
  bool            armed; /* a receive or accept is with the port */
  bool            sending;
  bool            queued; /* in the work list */
  bool            cancel_wanted;
  bool            repairing; /* the audit has its receive cancelled */
  bool            heard;     /* a completion came since the last audit */
  bool            fed;       /* bytes came since it was armed */
  bool            hungry;    /* the buffers ran out before it got any: it is armed first */
  bool            starved;   /* accept found no descriptor: armed again by the audit */
} conn_t;

typedef struct tf_loop {
  tf_io_t          io;
  tf_io_ops_t      ops; /* loop_ops under the port's name */
  tf_port_t       *port;
  conn_t          *slots;
  uint16_t        *vacant; /* a stack */
  uint16_t        *work;   /* slots that want something of the port */
  struct pollfd   *audit_fds;
  uint16_t        *audit_slots;
  tf_completion_t *completions;
  uint64_t         audit_ticks, audit_due_ticks, audit_ns;
  uint64_t         offset_of_ns, newest_recv_ns; /* with kernel timestamps: of which pass */
  tf_hist_t        stamp_ages;
  int64_t          offset_ns;
  uint32_t         slot_cnt, vacant_cnt, work_cnt, conn_cnt, conns_max;
  uint32_t         hungry_cnt;     /* in the work list, or more */
  uint32_t         slots_used_cnt; /* slots that were ever taken: the audit looks no further */
  uint32_t         listener_cnt;
  /* Sockets are read by ourselves and have no receive with the port. Ends with the first wait, listener
   * or socket too many, and begins again with the next first socket. */
  bool     direct;
  uint32_t direct_conns_max;
  uint8_t *direct_buffer;
  uint32_t direct_bytes;
  int      spare_fd;
} tf_loop_t;

static uint64_t tag_of(uint32_t op, const conn_t *c, uint16_t idx) {
  return (uint64_t)op << 60 | (uint64_t)c->arm_seq << 32 | (uint64_t)c->generation << 16 | idx;
}

static tf_io_conn_t id_of(const conn_t *c, uint16_t idx) {
  return (tf_io_conn_t)c->generation << 16 | idx;
}

static conn_t *conn_of_id(tf_loop_t *l, tf_io_conn_t id) {
  uint32_t idx = id & 0xFFFF;
  if (idx >= l->slot_cnt) return NULL;
  conn_t *c = &l->slots[idx];
  if (c->generation != id >> 16 || c->state == FREE || c->state == CLOSING) return NULL;
  return c;
}

static uint64_t now_ticks(const tf_port_t *port) {
  return TF_UNLIKELY(port->virtual_ns != NULL) ? *port->virtual_ns : tf_clock_ticks();
}

static uint16_t idx_of(const tf_loop_t *l, const conn_t *c) { return (uint16_t)(c - l->slots); }

static void enqueue(tf_loop_t *l, conn_t *c) {
  if (c->queued) return;
  c->queued              = true;
  l->work[l->work_cnt++] = idx_of(l, c);
}

/* Frees the slot once the last of its operations has come back. */
static bool release_if_idle(tf_loop_t *l, conn_t *c) {
  if (c->armed || c->sending) return false;
  if (c->fd >= 0) l->port->net->close(l->port, c->fd);
  if (c->handler.on_accept) l->listener_cnt--;
  c->fd    = -1;
  c->state = FREE;
  c->generation++;
  l->vacant[l->vacant_cnt++] = idx_of(l, c);
  return true;
}

/* The peer ended it. The owner hears of it when the slot is free, so that it may attach anew. */
static void end_if_idle(tf_loop_t *l, conn_t *c) {
  tf_io_conn_t    id      = id_of(c, idx_of(l, c));
  tf_io_handler_t handler = c->handler;
  int             err     = c->end_errno;
  if (!release_if_idle(l, c)) return;
  l->conn_cnt--;
  tf_count_add(err ? &l->io.counts.failed : &l->io.counts.ended, 1);
  if (handler.on_closed) handler.on_closed(handler.self, id, err);
}

static void end(tf_loop_t *l, conn_t *c, int sys_errno) {
  if (c->end_errno == 0) c->end_errno = sys_errno;
  c->state = ENDING;
  tf_sendring_clear(&c->send);
  if (c->sending)
    l->port->net->shutdown(l->port, c->fd); /* so that a send that waits for room comes back */
  end_if_idle(l, c);
}

/* Books an operation that the port took, or its refusal. */
static bool given(tf_loop_t *l, bool taken) {
  tf_count_add(taken ? &l->io.counts.ops_given : &l->io.counts.port_full, 1);
  return taken;
}

/* Gives the port what a connection wants of it; false if the port had no room for all of it. */
static bool work_on(tf_loop_t *l, conn_t *c) {
  tf_port_t *port = l->port;
  uint16_t   idx  = idx_of(l, c);
  if (c->cancel_wanted && c->armed) {
    uint32_t op = c->handler.on_accept ? OP_ACCEPT : OP_RECV;
    if (!given(l, port->ops->cancel(port, tag_of(op, c, idx), tag_of(OP_CANCEL, c, idx))))
      return false;
  }
  c->cancel_wanted = false;
  if (c->state != OPEN && c->state != LISTENING) return true;
  if (!c->armed && !c->starved && !l->direct) {
    c->arm_seq = (c->arm_seq + 1) & 0x0FFFFFFF;
    bool armed = c->state == OPEN ? port->ops->recv_arm(port, c->fd, tag_of(OP_RECV, c, idx))
                                  : port->ops->accept_arm(port, c->fd, tag_of(OP_ACCEPT, c, idx));
    if (!given(l, armed)) return false;
    c->armed     = true;
    c->fed       = false;
    c->hungry    = false;
    c->repairing = false;
  }
  if (c->sending || c->state != OPEN || c->end_errno != 0) return true;
  uint32_t       cnt;
  const uint8_t *bytes = tf_sendring_run(&c->send, &cnt);
  if (cnt == 0) return true;
  if (!given(l, port->ops->send(port, c->fd, bytes, cnt, tag_of(OP_SEND, c, idx)))) return false;
  c->sending  = true;
  c->send_cnt = cnt;
  return true;
}

/* Those whose turn the buffers did not last for come first, or a busy socket that is armed before
 * them would take all buffers in every pass. */
static void work_through(tf_loop_t *l) {
  for (uint32_t i = 0; i < l->work_cnt && l->hungry_cnt > 0; i++) {
    conn_t *c = &l->slots[l->work[i]];
    if (c->hungry) work_on(l, c);
  }
  l->hungry_cnt = 0;
  uint32_t kept = 0;
  for (uint32_t i = 0; i < l->work_cnt; i++) {
    conn_t *c = &l->slots[l->work[i]];
    if (work_on(l, c))
      c->queued = false;
    else
      l->work[kept++] = l->work[i];
  }
  l->work_cnt = kept;
}

/* The clocks are compared once a pass, at its first stamp. */
static uint64_t stamped_ns(tf_loop_t *l, uint16_t buffer_idx, uint64_t recv_ns) {
  if (l->offset_of_ns != recv_ns) {
    l->offset_of_ns = recv_ns;
    l->offset_ns    = tf_socket_clock_offset_ns();
  }
  return tf_socket_recv_ns(&l->io.counts, l->io.stamp_ages, &l->newest_recv_ns,
                           l->port->stamp_ns(l->port, buffer_idx), l->offset_ns, recv_ns);
}

static void on_recv(tf_loop_t *l, conn_t *c, const tf_completion_t *done, uint64_t recv_ns) {
  tf_io_counts_t *counts     = &l->io.counts;
  uint16_t        generation = c->generation;
  if (done->res > 0 && c->state == OPEN) {
    c->fed = true;
    tf_count_add(&counts->rx_bytes, (uint64_t)done->res);
    tf_count_add(&counts->rx_calls, 1);
    const tf_port_t *port = l->port;
    if (TF_UNLIKELY(port->stamp_ns != NULL)) recv_ns = stamped_ns(l, done->buffer_idx, recv_ns);
    const uint8_t *bytes =
        port->buffers + done->buffer_idx * port->buffer_stride + port->payload_offset;
    c->handler.on_bytes(c->handler.self, id_of(c, idx_of(l, c)), bytes, (size_t)done->res, recv_ns);
    /* The handler may have closed it, and even attached another in its place. */
    if (c->generation != generation) return;
  }
  if (done->flags & TF_COMPLETION_MORE) return;
  if (c->state == CLOSING) {
    release_if_idle(l, c);
  } else if (c->state == ENDING) {
    end_if_idle(l, c);
  } else if (done->res > 0 || done->res == -ENOBUFS || done->res == -EINTR ||
             done->res == -EAGAIN) {
    /* In place buffers are all back by the next pass, so that is when arming again can succeed. */
    if (done->res == -ENOBUFS) {
      tf_count_add(&counts->buffers_exhausted, 1);
      c->hungry = !c->fed;
      l->hungry_cnt += c->hungry;
    }
    tf_count_add(&counts->rearmed, 1);
    enqueue(l, c);
  } else if (done->res == -ECANCELED && c->repairing) {
    c->repairing = false;
    tf_count_add(&counts->audit_repairs, 1);
    enqueue(l, c);
  } else {
    end(l, c, -done->res);
  }
}

static void on_accepted(tf_loop_t *l, conn_t *c, const tf_completion_t *done) {
  uint16_t generation = c->generation;
  if (done->res >= 0) {
    if (c->state == LISTENING)
      c->handler.on_accept(c->handler.self, done->res);
    else
      l->port->net->close(l->port, done->res);
    if (c->generation != generation) return;
  }
  if (done->flags & TF_COMPLETION_MORE) return;
  if (c->state == CLOSING) {
    release_if_idle(l, c);
  } else if (done->res == -EMFILE || done->res == -ENFILE) {
    l->spare_fd = l->port->net->shed(l->port, l->spare_fd, c->fd);
    c->starved  = true;
  } else if (done->res == -EBADF || done->res == -EINVAL || done->res == -ENOTSOCK ||
             done->res == -EOPNOTSUPP) {
    end(l, c, -done->res);
  } else {
    /* Anything else is the fate of one connection that came to nothing. */
    if (done->res == -ECANCELED && c->repairing) tf_count_add(&l->io.counts.audit_repairs, 1);
    c->repairing = false;
    tf_count_add(&l->io.counts.rearmed, 1);
    enqueue(l, c);
  }
}

static void on_sent(tf_loop_t *l, conn_t *c, const tf_completion_t *done) {
  tf_io_counts_t *counts = &l->io.counts;
  c->sending             = false;
  if (c->state == CLOSING) {
    release_if_idle(l, c);
    return;
  }
  if (c->state == ENDING) {
    end_if_idle(l, c);
    return;
  }
  if (done->res >= 0) {
    uint32_t cnt = (uint32_t)done->res < c->send_cnt ? (uint32_t)done->res : c->send_cnt;
    tf_count_add(&counts->tx_bytes, cnt);
    if (cnt < c->send_cnt) tf_count_add(&counts->tx_short, 1);
    tf_sendring_pop(&c->send, cnt);
  } else if (done->res != -EAGAIN && done->res != -EINTR) {
    /* Bytes that the peer sent before may still be unread: the receive delivers them and then
     * reports the end, which shutdown makes certain. */
    c->end_errno = -done->res;
    tf_sendring_clear(&c->send);
    l->port->net->shutdown(l->port, c->fd);
    return;
  } else {
    tf_count_add(&counts->tx_again, 1);
  }
  if (tf_sendring_used(&c->send) > 0) enqueue(l, c);
}

/* A cancel that found nothing: either its receive has ended by itself, or it was lost. */
static void on_cancelled(tf_loop_t *l, conn_t *c, const tf_completion_t *done) {
  if (done->res == -EALREADY) c->repairing = false; /* it is about to come back by itself */
  if (done->res != -ENOENT || !c->armed) return;
  c->armed = false;
  if (c->state == CLOSING) {
    release_if_idle(l, c);
  } else if (c->state == ENDING) {
    end_if_idle(l, c);
  } else {
    c->repairing = false;
    tf_count_add(&l->io.counts.audit_repairs, 1);
    enqueue(l, c);
  }
}

static void handle(tf_loop_t *l, const tf_completion_t *done, uint64_t recv_ns) {
  uint32_t op  = (uint32_t)(done->tag >> 60);
  uint32_t idx = (uint32_t)done->tag & 0xFFFF;
  conn_t  *c   = idx < l->slot_cnt ? &l->slots[idx] : NULL;
  if (c && (c->generation != (uint16_t)(done->tag >> 16) || c->state == FREE)) c = NULL;
  bool of_arming = c && c->arm_seq == ((done->tag >> 32) & 0x0FFFFFFF);
  if ((op == OP_RECV || op == OP_ACCEPT) && (!of_arming || !c->armed)) c = NULL;
  if (op == OP_SEND && c && !c->sending) c = NULL;

  if (!(done->flags & TF_COMPLETION_MORE)) tf_count_add(&l->io.counts.ops_done, 1);
  if (c && op != OP_CANCEL) {
    c->heard       = true;
    c->suspect_cnt = 0;
    if (op != OP_SEND && !(done->flags & TF_COMPLETION_MORE)) c->armed = false;
  }
  switch (op) {
  case OP_RECV:
    if (c) on_recv(l, c, done, recv_ns);
    if (done->flags & TF_COMPLETION_BUFFER) l->port->ops->buffer_return(l->port, done->buffer_idx);
    break;
  case OP_ACCEPT:
    if (c)
      on_accepted(l, c, done);
    else if (done->res >= 0)
      l->port->net->close(l->port, done->res);
    break;
  case OP_SEND:
    if (c) on_sent(l, c, done);
    break;
  case OP_CANCEL:
    if (c && of_arming) on_cancelled(l, c, done);
    break;
  default: break;
  }
}

/* Looks for open sockets that nobody listens to: without a receive by our own books, or with bytes
 * that no completion has brought for two audits. A completion that the kernel lost is the cause. */
static void audit(tf_loop_t *l) {
  nfds_t cnt = 0;
  for (uint32_t i = 0; i < l->slots_used_cnt; i++) {
    conn_t *c = &l->slots[i];
    if (c->state != OPEN && c->state != LISTENING) continue;
    if (c->starved) {
      c->starved = false;
      enqueue(l, c);
    } else if (!c->armed && !c->queued && !l->direct) {
      tf_count_add(&l->io.counts.audit_repairs, 1);
      enqueue(l, c);
    } else if (c->armed && !c->heard && !c->repairing) {
      l->audit_fds[cnt]     = (struct pollfd){.fd = c->fd, .events = POLLIN};
      l->audit_slots[cnt++] = (uint16_t)i;
    }
    c->heard = false;
  }
  if (cnt == 0 || l->port->net->readable(l->port, l->audit_fds, cnt) < 0) return;
  for (nfds_t i = 0; i < cnt; i++) {
    conn_t *c = &l->slots[l->audit_slots[i]];
    if (l->audit_fds[i].revents == 0) {
      c->suspect_cnt = 0;
    } else if (++c->suspect_cnt >= AUDIT_SUSPECT_CNT) {
      c->suspect_cnt   = 0;
      c->repairing     = true;
      c->cancel_wanted = true;
      enqueue(l, c);
    }
  }
}

static void publish_port(tf_loop_t *l) {
  tf_io_counts_t *counts = &l->io.counts;
  /* relaxed: one writer, readers want each word untorn and nothing more */
  tf_store_relaxed(&counts->cq_overflow, l->port->overflow_cnt);
  tf_store_relaxed(&counts->waits, l->port->wait_cnt);          /* relaxed: as above */
  tf_store_relaxed(&counts->enter_retries, l->port->retry_cnt); /* relaxed: as above */
  tf_store_relaxed(&counts->sq_flushes, l->port->flush_cnt);    /* relaxed: as above */
}

/* One turn of one socket. Returns the receives made; the connection may be gone afterwards. */
static int turn(tf_loop_t *l, conn_t *c, uint64_t recv_ns) {
  tf_io_counts_t *counts     = &l->io.counts;
  uint16_t        generation = c->generation;
  int             cnt        = 0;
  while (cnt < TURN_RECVS_MAX) {
    int got = l->port->net->recv(l->port, c->fd, l->direct_buffer, l->direct_bytes);
    if (got == -EAGAIN || got == -EINTR) break;
    cnt++;
    if (got <= 0) {
      end(l, c, -got);
      break;
    }
    tf_count_add(&counts->rx_bytes, (uint64_t)got);
    tf_count_add(&counts->rx_calls, 1);
    c->handler.on_bytes(c->handler.self, id_of(c, idx_of(l, c)), l->direct_buffer, (size_t)got,
                        recv_ns);
    if (c->generation != generation || c->state != OPEN) break;
    if ((uint32_t)got < l->direct_bytes) break; /* less than asked for: there was no more */
  }
  return cnt;
}

/* Whether this pass reads the sockets itself. If not, they get their receives, once for all. */
static bool direct_pass(tf_loop_t *l, uint64_t wait_ns) {
  if (wait_ns == 0 && l->conn_cnt <= l->direct_conns_max && l->listener_cnt == 0) return true;
  l->direct = false;
  for (uint32_t i = 0; i < l->slots_used_cnt; i++)
    if (l->slots[i].state == OPEN || l->slots[i].state == LISTENING) enqueue(l, &l->slots[i]);
  return false;
}

static int poll_direct(tf_loop_t *l) {
  const tf_io_counts_t *counts  = &l->io.counts;
  uint64_t              now     = now_ticks(l->port);
  uint64_t              recv_ns = l->port->virtual_ns ? now : tf_clock_wall_of_ticks(now);
  int                   cnt     = 0;
  tf_count_add(&l->io.counts.passes, 1);
  if (counts->ops_given != counts->ops_done) { /* sends, and what a close has called back */
    cnt = l->port->ops->reap(l->port, 0, l->completions, PASS_COMPLETIONS_MAX);
    if (TF_UNLIKELY(cnt < 0)) return cnt;
    for (int i = 0; i < cnt; i++) handle(l, &l->completions[i], recv_ns);
  }
  for (uint32_t i = 0; i < l->slots_used_cnt; i++)
    if (l->slots[i].state == OPEN) cnt += turn(l, &l->slots[i], recv_ns);
  return cnt;
}

static int loop_poll(tf_io_t *io, uint64_t wait_ns) {
  tf_loop_t *l    = (tf_loop_t *)io;
  tf_port_t *port = l->port;
  if (l->direct && direct_pass(l, wait_ns)) {
    if (l->work_cnt > 0) work_through(l);
    return poll_direct(l);
  }
  if (l->work_cnt > 0) work_through(l);
  if (TF_UNLIKELY(wait_ns < port->busy_poll_ns)) wait_ns = port->busy_poll_ns;
  if (l->work_cnt > 0) wait_ns = 0;
  if (wait_ns > l->audit_ns) wait_ns = l->audit_ns;
  int cnt = port->ops->reap(port, wait_ns, l->completions, PASS_COMPLETIONS_MAX);
  if (TF_UNLIKELY(cnt < 0)) {
    publish_port(l);
    return cnt;
  }
  tf_count_add(&io->counts.passes, 1);
  uint64_t now = now_ticks(port);
  if (cnt > 0) {
    uint64_t recv_ns = TF_UNLIKELY(port->virtual_ns != NULL) ? now : tf_clock_wall_of_ticks(now);
    for (int i = 0; i < cnt; i++) handle(l, &l->completions[i], recv_ns);
  }
  if (TF_UNLIKELY(now >= l->audit_due_ticks)) {
    l->audit_due_ticks = now + l->audit_ticks;
    audit(l);
    publish_port(l);
  }
  return cnt;
}

static tf_err_t take(tf_loop_t *l, int fd, const tf_io_handler_t *handler, uint8_t state,
                     tf_io_conn_t *id) {
  *id           = TF_IO_CONN_NONE;
  int sys_errno = l->port->net->admit(l->port, fd);
  if (sys_errno != 0)
    return TF_ERR(E_IO_SYSTEM, "fd %d cannot be attached: %s", fd, strerror(sys_errno));
  if (l->conn_cnt >= l->conns_max || l->vacant_cnt == 0)
    return TF_ERR(E_IO_LIMIT, "%u connections are attached, %u allowed: raise conns_max",
                  l->conn_cnt, l->conns_max);
  uint16_t      idx        = l->vacant[--l->vacant_cnt];
  conn_t       *c          = &l->slots[idx];
  uint16_t      generation = c->generation;
  bool          queued     = c->queued; /* its last life may still stand in the work list */
  tf_sendring_t send       = c->send;
  send.head = send.tail = 0;
  *c                    = (conn_t){.handler    = *handler,
                                   .send       = send,
                                   .fd         = fd,
                                   .generation = generation,
                                   .state      = state,
                                   .queued     = queued,
                                   .heard      = true};
  if (idx >= l->slots_used_cnt) l->slots_used_cnt = idx + 1u;
  if (l->conn_cnt++ == 0) l->direct = l->direct_conns_max > 0;
  if (state == LISTENING) l->listener_cnt++;
  enqueue(l, c);
  *id = id_of(c, idx);
  return TF_OK;
}

static tf_err_t loop_attach(tf_io_t *io, int fd, const tf_io_handler_t *handler, tf_io_conn_t *id) {
  TF_ASSERT(handler->on_bytes != NULL);
  tf_io_handler_t socket_handler = *handler;
  socket_handler.on_accept       = NULL;
  return take((tf_loop_t *)io, fd, &socket_handler, OPEN, id);
}

static tf_err_t loop_listen(tf_io_t *io, int fd, const tf_io_handler_t *handler, tf_io_conn_t *id) {
  TF_ASSERT(handler->on_accept != NULL);
  return take((tf_loop_t *)io, fd, handler, LISTENING, id);
}

static tf_err_t loop_send(tf_io_t *io, tf_io_conn_t id, const void *bytes, size_t bytes_cnt) {
  tf_loop_t *l = (tf_loop_t *)io;
  conn_t    *c = conn_of_id(l, id);
  if (!c || c->state != OPEN || c->end_errno != 0) return E_IO_SYSTEM;
  if (!tf_sendring_push(&c->send, bytes, bytes_cnt)) return E_IO_SEND_FULL;
  if (!c->sending) enqueue(l, c);
  return TF_OK;
}

static size_t loop_send_pending_bytes(const tf_io_t *io, tf_io_conn_t id) {
  const conn_t *c = conn_of_id((tf_loop_t *)io, id);
  return c ? tf_sendring_used(&c->send) : 0;
}

static void loop_close(tf_io_t *io, tf_io_conn_t id) {
  tf_loop_t *l = (tf_loop_t *)io;
  conn_t    *c = conn_of_id(l, id);
  if (!c) return;
  c->state = CLOSING; /* also from ENDING: its end is then not reported */
  l->conn_cnt--;
  tf_sendring_clear(&c->send);
  /* The peer learns of it now. The descriptor is closed with the last operation: its number must not
   * come back as another socket's while the port may still hold one that names it. */
  l->port->net->shutdown(l->port, c->fd);
  if (release_if_idle(l, c)) return;
  c->cancel_wanted = c->armed;
  enqueue(l, c);
}

static const tf_io_ops_t loop_ops = {
    .attach             = loop_attach,
    .listen             = loop_listen,
    .send               = loop_send,
    .send_pending_bytes = loop_send_pending_bytes,
    .close              = loop_close,
    .poll               = loop_poll,
};

size_t tf_loop_arena_bytes(const tf_io_config_t *config) {
  size_t slots = (size_t)config->conns_max * SLOTS_A_CONN;
  return sizeof(tf_loop_t) + PASS_COMPLETIONS_MAX * sizeof(tf_completion_t) +
         slots *
             (sizeof(conn_t) + 3 * sizeof(uint16_t) + sizeof(struct pollfd) + config->send_bytes) +
         config->buffer_bytes + TF_BYTES_PAD + 9 * TF_LINE_PAIR_BYTES;
}

tf_err_t tf_loop_open(const tf_io_config_t *config, tf_arena_t *arena, tf_port_t *port,
                      tf_io_t **io) {
  uint32_t   slots = config->conns_max * SLOTS_A_CONN;
  tf_loop_t *l     = tf_arena_take(arena, sizeof *l, TF_LINE_PAIR_BYTES);
  size_t     align = TF_LINE_PAIR_BYTES;
  if (l) {
    l->slots         = tf_arena_take(arena, slots * sizeof *l->slots, align);
    l->vacant        = tf_arena_take(arena, slots * sizeof *l->vacant, align);
    l->work          = tf_arena_take(arena, slots * sizeof *l->work, align);
    l->audit_fds     = tf_arena_take(arena, slots * sizeof *l->audit_fds, align);
    l->audit_slots   = tf_arena_take(arena, slots * sizeof *l->audit_slots, align);
    l->completions   = tf_arena_take(arena, PASS_COMPLETIONS_MAX * sizeof *l->completions, align);
    l->direct_buffer = tf_arena_take(arena, config->buffer_bytes + TF_BYTES_PAD, align);
  }
  uint8_t *send = tf_arena_take(arena, (size_t)slots * config->send_bytes, align);
  if (!l || !l->slots || !l->vacant || !l->work || !l->audit_fds || !l->audit_slots ||
      !l->completions || !l->direct_buffer || !send) {
    port->ops->fini(port);
    return tf_error_add(E_CORE_ARENA_FULL, "opening the I/O loop");
  }
  l->ops      = loop_ops;
  l->ops.name = port->ops->name;
  l->io.ops   = &l->ops;
  l->port     = port;
  if (port->stamp_ns) l->io.stamp_ages = &l->stamp_ages;
  l->conns_max = config->conns_max;
  /* A stamp comes with a receive of the port's alone. */
  l->direct_conns_max = port->stamp_ns ? 0 : config->direct_conns_max;
  l->direct_bytes     = config->buffer_bytes;
  l->slot_cnt         = slots;
  for (uint32_t i = 0; i < slots; i++) {
    l->slots[i].fd             = -1;
    l->slots[i].send.bytes     = send + (size_t)i * config->send_bytes;
    l->slots[i].send.cap       = config->send_bytes;
    l->vacant[l->vacant_cnt++] = (uint16_t)(slots - 1 - i);
  }
  l->audit_ns        = config->audit_ns ? config->audit_ns : AUDIT_NS_DEFAULT;
  l->audit_ticks     = port->virtual_ns ? l->audit_ns : tf_clock_ns_to_ticks(l->audit_ns);
  l->audit_due_ticks = now_ticks(port) + l->audit_ticks;
  l->spare_fd        = tf_shed_open();
  *io                = &l->io;
  return TF_OK;
}

const tf_port_t *tf_loop_port(const tf_io_t *io) { return ((const tf_loop_t *)io)->port; }

/* Operations under way read and write the arena: they are called back first. A thread that is not the
 * loop's own cannot (the kernel lets only that one enter); then the ring's end has to do. */
static void drain(tf_loop_t *l) {
  for (uint32_t i = 0; i < l->slots_used_cnt; i++) {
    conn_t *c = &l->slots[i];
    if (c->state != FREE && c->state != CLOSING) loop_close(&l->io, id_of(c, (uint16_t)i));
  }
  for (int pass = 0; pass < DRAIN_PASSES_MAX && l->vacant_cnt < l->slot_cnt; pass++)
    if (loop_poll(&l->io, DRAIN_WAIT_NS) < 0) return;
}

void tf_loop_fini(tf_io_t *io) {
  tf_loop_t *l = (tf_loop_t *)io;
  drain(l);
  for (uint32_t i = 0; i < l->slots_used_cnt; i++)
    if (l->slots[i].fd >= 0) l->port->net->close(l->port, l->slots[i].fd);
  tf_shed_fini(l->spare_fd);
  l->port->ops->fini(l->port);
}
