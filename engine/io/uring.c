/* The completion port on io_uring: one ring, one thread.
 *
 * Flags, the best that the kernel grants: SINGLE_ISSUER with DEFER_TASKRUN (6.1: completions are
 * made when we ask, never by an interrupt in the middle of a tick), else COOP_TASKRUN (5.19), else
 * none. Under the first two the kernel raises IORING_SQ_TASKRUN in shared memory when there is
 * work, so that a loop which spins makes no system call while nothing happens.
 *
 * The ring is made disabled and enabled by the first reap, on the thread that will own it. Before
 * that it is restricted to receive, send, accept and cancel: a hostile message that found a way to
 * write submission entries could open no file with it. */
#include <errno.h>
#include <liburing.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/error.h"
#include "io/port.h"
#include "tf/atomic.h"

#define BUFFER_GROUP   1
#define SQ_ENTRIES     256u
#define CQ_ENTRIES_MIN 1024u
#define CQ_ENTRIES_MAX 65536u
#define PAGE_BYTES     4096u
#define PROBE_MARK     0x5A
#define PROBE_BYTES    256u /* a stamp and a byte fit */

/* What liburing 2.3 does not know yet (kernel 6.9). */
#define REGISTER_NAPI 27
typedef struct napi_request {
  uint32_t busy_poll_us;
  uint8_t  prefer_busy_poll;
  uint8_t  pad[3];
  uint64_t reserved;
} napi_request_t;

/* liburing 2.3 knows only some of the flags that the kernel reports here. */
#define SQ_FLAGS_WORK (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)

typedef struct tf_uring {
  tf_port_t                 port;
  struct io_uring           ring;
  struct io_uring_buf_ring *free_buffers;
  uint32_t                  buffer_bytes;
  int                       buffer_mask;
  bool                      ring_made, enabled, ring_fd_registered;
  bool                      overflowed; /* the flag as last seen */
  struct msghdr             stamped;    /* what a receive with a stamp asks for */
} tf_uring_t;

typedef struct uring_size {
  uint32_t          buffer_cnt, buffer_bytes, sq_entries, cq_entries;
  uint32_t          without; /* TF_URING_* */
  tf_socket_wants_t wants;
} uring_size_t;

/* liburing 2.3 declares io_uring_enable_rings and io_uring_register_restrictions but does not export
 * them from its shared library: hence the bare register calls here and below. */
static tf_err_t enable(tf_uring_t *u) {
  int err = io_uring_register((unsigned)u->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
  if (err < 0) return TF_ERR(E_IO_UNAVAILABLE, "io_uring cannot be enabled: %s", strerror(-err));
  u->enabled = true;
  /* Spares each enter the look-up of the descriptor. An older kernel does without. */
  u->ring_fd_registered = io_uring_register_ring_fd(&u->ring) == 1;
  return TF_OK;
}

static uint32_t kernel_flags(const tf_uring_t *u) {
  /* relaxed: a hint to enter the kernel; the completions are read with acquire, in cq_take */
  return tf_load_relaxed_u32(u->ring.sq.kflags);
}

static void note_overflow(tf_uring_t *u, uint32_t flags) {
  bool overflowed = flags & IORING_SQ_CQ_OVERFLOW;
  if (overflowed && !u->overflowed) u->port.overflow_cnt++;
  u->overflowed = overflowed;
}

/* A receive with a stamp puts a header and the control messages before its bytes. */
static void unwrap(const tf_uring_t *u, tf_completion_t *done) {
  const uint8_t              *buffer = u->port.buffers + done->buffer_idx * u->port.buffer_stride;
  struct io_uring_recvmsg_out head;
  memcpy(&head, buffer, sizeof head);
  uint32_t brought = (uint32_t)done->res - u->port.payload_offset;
  done->res        = (int32_t)(head.payloadlen < brought ? head.payloadlen : brought);
}

static uint64_t stamp_ns(const tf_port_t *port, uint16_t buffer_idx) {
  const uint8_t              *buffer = port->buffers + buffer_idx * port->buffer_stride;
  struct io_uring_recvmsg_out head;
  memcpy(&head, buffer, sizeof head);
  uint32_t cnt =
      head.controllen < TF_STAMP_CONTROL_BYTES ? head.controllen : (uint32_t)TF_STAMP_CONTROL_BYTES;
  return tf_socket_stamp_ns(buffer + sizeof head, cnt);
}

static uint32_t cq_take(tf_uring_t *u, tf_completion_t *out, uint32_t cap) {
  unsigned             head;
  struct io_uring_cqe *cqe;
  uint32_t             cnt = 0;
  io_uring_for_each_cqe(&u->ring, head, cqe) {
    if (cnt == cap) break;
    uint16_t flags = 0;
    if (cqe->flags & IORING_CQE_F_MORE) flags |= TF_COMPLETION_MORE;
    if (cqe->flags & IORING_CQE_F_BUFFER) flags |= TF_COMPLETION_BUFFER;
    out[cnt] = (tf_completion_t){
        .tag        = cqe->user_data,
        .res        = cqe->res,
        .flags      = flags,
        .buffer_idx = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT),
    };
    if (TF_UNLIKELY(u->port.stamp_ns && flags & TF_COMPLETION_BUFFER)) unwrap(u, &out[cnt]);
    cnt++;
  }
  io_uring_cq_advance(&u->ring, cnt);
  return cnt;
}

/* Enters the kernel: submits, makes completions, waits if asked to. */
static tf_err_t enter(tf_uring_t *u, uint64_t wait_ns) {
  int err;
  if (wait_ns == 0) {
    err = io_uring_submit_and_get_events(&u->ring);
  } else {
    struct __kernel_timespec limit = {
        .tv_sec  = (long long)(wait_ns / TF_NS_PER_SEC),
        .tv_nsec = (long long)(wait_ns % TF_NS_PER_SEC),
    };
    struct io_uring_cqe *cqe;
    u->port.wait_cnt++;
    err = io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, &limit, NULL);
  }
  /* Out of memory or out of room: completions that we take make room, so it is not the end. EBADR
   * is: the kernel dropped a completion, and no bookkeeping can say whose. */
  if (err >= 0 || err == -ETIME) return TF_OK;
  if (err == -EINTR || err == -EAGAIN || err == -EBUSY) {
    u->port.retry_cnt++;
    return TF_OK;
  }
  return TF_ERR(E_IO_SYSTEM, "io_uring_enter failed: %s", strerror(-err));
}

static int reap(tf_port_t *port, uint64_t wait_ns, tf_completion_t *out, uint32_t cap) {
  tf_uring_t *u = (tf_uring_t *)port;
  if (TF_UNLIKELY(!u->enabled)) {
    tf_err_t err = enable(u);
    if (err != TF_OK) return err;
  }
  uint32_t flags = kernel_flags(u);
  bool     ready = io_uring_cq_ready(&u->ring) > 0;
  if (ready) wait_ns = 0;
  if (TF_UNLIKELY(flags & IORING_SQ_CQ_OVERFLOW || u->overflowed)) note_overflow(u, flags);
  if (io_uring_sq_ready(&u->ring) > 0 || wait_ns > 0 || (!ready && (flags & SQ_FLAGS_WORK))) {
    tf_err_t err = enter(u, wait_ns);
    if (err != TF_OK) return err;
  }
  return (int)cq_take(u, out, cap);
}

static struct io_uring_sqe *sqe_get(tf_uring_t *u) {
  struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
  if (sqe || !u->enabled) return sqe;
  u->port.flush_cnt++;
  io_uring_submit(&u->ring);
  return io_uring_get_sqe(&u->ring);
}

static bool recv_arm(tf_port_t *port, int fd, uint64_t tag) {
  tf_uring_t          *u   = (tf_uring_t *)port;
  struct io_uring_sqe *sqe = sqe_get(u);
  if (!sqe) return false;
  if (TF_UNLIKELY(port->stamp_ns != NULL))
    io_uring_prep_recvmsg_multishot(sqe, fd, &u->stamped, 0);
  else
    io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
  io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
  sqe->buf_group = BUFFER_GROUP;
  io_uring_sqe_set_data64(sqe, tag);
  return true;
}

static bool accept_arm(tf_port_t *port, int fd, uint64_t tag) {
  struct io_uring_sqe *sqe = sqe_get((tf_uring_t *)port);
  if (!sqe) return false;
  io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  io_uring_sqe_set_data64(sqe, tag);
  return true;
}

static bool send_bytes(tf_port_t *port, int fd, const void *bytes, uint32_t bytes_cnt,
                       uint64_t tag) {
  struct io_uring_sqe *sqe = sqe_get((tf_uring_t *)port);
  if (!sqe) return false;
  io_uring_prep_send(sqe, fd, bytes, bytes_cnt, MSG_NOSIGNAL);
  io_uring_sqe_set_data64(sqe, tag);
  return true;
}

static bool cancel(tf_port_t *port, uint64_t target_tag, uint64_t tag) {
  struct io_uring_sqe *sqe = sqe_get((tf_uring_t *)port);
  if (!sqe) return false;
  io_uring_prep_cancel64(sqe, target_tag, 0);
  io_uring_sqe_set_data64(sqe, tag);
  return true;
}

static void buffer_return(tf_port_t *port, uint16_t buffer_idx) {
  tf_uring_t *u = (tf_uring_t *)port;
  io_uring_buf_ring_add(u->free_buffers, port->buffers + buffer_idx * port->buffer_stride,
                        u->buffer_bytes, buffer_idx, u->buffer_mask, 0);
  io_uring_buf_ring_advance(u->free_buffers, 1);
}

static void uring_fini(tf_port_t *port) {
  tf_uring_t *u = (tf_uring_t *)port;
  if (u->ring_made) io_uring_queue_exit(&u->ring);
  u->ring_made = false;
}

static const tf_port_ops_t uring_ops = {
    .name          = "io_uring",
    .recv_arm      = recv_arm,
    .accept_arm    = accept_arm,
    .send          = send_bytes,
    .cancel        = cancel,
    .reap          = reap,
    .buffer_return = buffer_return,
    .fini          = uring_fini,
};

static int ring_make(struct io_uring *ring, const uring_size_t *size) {
  static const struct {
    unsigned flags, without;
  } modes[] = {
      {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
       TF_URING_DEFER_TASKRUN                                                                                    },
      {IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,                               TF_URING_COOP_TASKRUN},
      {0,                                                                                   0                    },
  };
  int err = -EINVAL;
  for (size_t i = 0; i < TF_ARRAY_CNT(modes) && err == -EINVAL; i++) {
    if (size->without & modes[i].without) continue;
    struct io_uring_params params = {
        .flags =
            modes[i].flags | IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
        .cq_entries = size->cq_entries,
    };
    err = io_uring_queue_init_params(size->sq_entries, ring, &params);
  }
  return err;
}

static int ring_restrict(struct io_uring *ring, bool stamps) {
  struct io_uring_restriction allowed[] = {
      {.opcode = IORING_RESTRICTION_SQE_OP,            .sqe_op = stamps ? IORING_OP_RECVMSG : IORING_OP_RECV},
      {.opcode = IORING_RESTRICTION_SQE_OP,            .sqe_op = IORING_OP_SEND                             },
      {.opcode = IORING_RESTRICTION_SQE_OP,            .sqe_op = IORING_OP_ACCEPT                           },
      {.opcode = IORING_RESTRICTION_SQE_OP,            .sqe_op = IORING_OP_ASYNC_CANCEL                     },
      {.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED, .sqe_flags = IOSQE_BUFFER_SELECT                     },
      {.opcode = IORING_RESTRICTION_REGISTER_OP,       .register_op = IORING_REGISTER_RING_FDS              },
      {.opcode = IORING_RESTRICTION_REGISTER_OP,       .register_op = IORING_UNREGISTER_RING_FDS            },
  };
  return io_uring_register((unsigned)ring->ring_fd, IORING_REGISTER_RESTRICTIONS, allowed,
                           TF_ARRAY_CNT(allowed));
}

TF_COLD static tf_err_t setup_refused(int sys_errno) {
  const char *why = sys_errno == EPERM
                        ? "sysctl kernel.io_uring_disabled or a seccomp filter forbids it"
                    : sys_errno == ENOSYS ? "the kernel has none"
                    : sys_errno == ENOMEM ? "raise RLIMIT_MEMLOCK (ulimit -l) or free memory"
                    : sys_errno == EMFILE ? "raise RLIMIT_NOFILE (ulimit -n)"
                                          : "a kernel of 6.0 is needed";
  return TF_ERR(E_IO_UNAVAILABLE, "io_uring_setup: %s; %s", strerror(sys_errno), why);
}

/* Where the kernel has it, the ring polls the card of every socket it has; otherwise there is what
 * the sockets were asked for one by one, and no pass waits longer for it. */
static void napi_register(tf_uring_t *u, const uring_size_t *size) {
  if (size->wants.busy_poll_us == 0) return;
  napi_request_t napi = {.busy_poll_us = size->wants.busy_poll_us, .prefer_busy_poll = 1};
  if (io_uring_register((unsigned)u->ring.ring_fd, REGISTER_NAPI, &napi, 1) == 0)
    u->port.busy_poll_ns = size->wants.busy_poll_us * TF_NS_PER_US;
}

/* Sets up an enabled-on-demand ring with its buffers in memory of the caller. */
static tf_err_t uring_init(tf_uring_t *u, void *free_buffers, uint8_t *buffers,
                           const uring_size_t *size) {
  u->port.ops           = &uring_ops;
  u->port.net           = &tf_net_kernel;
  u->port.wants         = size->wants;
  u->port.buffers       = buffers;
  u->port.buffer_stride = tf_align_up(size->buffer_bytes + TF_BYTES_PAD, TF_LINE_BYTES);
  u->free_buffers       = free_buffers;
  u->buffer_bytes       = size->buffer_bytes;
  u->buffer_mask        = io_uring_buf_ring_mask(size->buffer_cnt);

  if (size->wants.stamps) {
    u->stamped.msg_controllen = TF_STAMP_CONTROL_BYTES;
    u->port.stamp_ns          = stamp_ns;
    u->port.payload_offset    = sizeof(struct io_uring_recvmsg_out) + TF_STAMP_CONTROL_BYTES;
  }
  int err = ring_make(&u->ring, size);
  if (err < 0) return setup_refused(-err);
  u->ring_made = true;
  if (!(u->ring.features & IORING_FEAT_EXT_ARG) || size->without & TF_URING_EXT_ARG)
    return TF_ERR(E_IO_UNAVAILABLE, "io_uring without EXT_ARG: a kernel of 6.0 is needed");
  if (!(u->ring.features & IORING_FEAT_NODROP) || size->without & TF_URING_NODROP)
    return TF_ERR(E_IO_UNAVAILABLE, "io_uring without NODROP: a kernel of 6.0 is needed");
  struct io_uring_buf_reg reg = {
      .ring_addr    = (uint64_t)(uintptr_t)free_buffers,
      .ring_entries = size->buffer_cnt,
      .bgid         = BUFFER_GROUP,
  };
  err = io_uring_register_buf_ring(&u->ring, &reg, 0);
  if (err < 0) return TF_ERR(E_IO_UNAVAILABLE, "io_uring provided buffer ring: %s", strerror(-err));
  io_uring_buf_ring_init(u->free_buffers);
  for (uint32_t i = 0; i < size->buffer_cnt; i++) buffer_return(&u->port, (uint16_t)i);
  napi_register(u, size);
  err = ring_restrict(&u->ring, size->wants.stamps);
  if (err < 0) return TF_ERR(E_IO_UNAVAILABLE, "io_uring restrictions: %s", strerror(-err));
  return TF_OK;
}

/* One byte through a socket pair and a throwaway ring, because whether multishot receive into
 * provided buffers works is told by no feature bit. */
static tf_err_t probe_with(tf_uring_t *u, const uring_size_t *size, int fds[2]) {
  uint8_t         mark = PROBE_MARK;
  tf_completion_t done;
  if (!recv_arm(&u->port, fds[0], 1)) return TF_ERR(E_IO_UNAVAILABLE, "io_uring has no room");
  if (write(fds[1], &mark, 1) != 1) return TF_ERR(E_IO_SYSTEM, "socketpair: %s", strerror(errno));
  int cnt = 0;
  for (int tries = 0; tries < 10 && cnt == 0; tries++)
    cnt = reap(&u->port, 100 * TF_NS_PER_MS, &done, 1);
  if (cnt < 0) return cnt;
  if (size->without & TF_URING_MULTISHOT) done.flags = 0;
  if (cnt == 0 || done.res != 1 || !(done.flags & TF_COMPLETION_BUFFER) ||
      !(done.flags & TF_COMPLETION_MORE) || u->port.buffers[u->port.payload_offset] != PROBE_MARK)
    return TF_ERR(E_IO_UNAVAILABLE, "io_uring multishot receive does not work here: %s",
                  cnt == 0 ? "nothing came" : strerror(done.res < 0 ? -done.res : ENOSYS));
  return TF_OK;
}

static tf_err_t probe(const tf_io_config_t *config) {
  const uring_size_t size = {.buffer_cnt   = 1,
                             .buffer_bytes = PROBE_BYTES,
                             .sq_entries   = 8,
                             .cq_entries   = 16,
                             .without      = config->uring_without,
                             .wants        = {.stamps = config->kernel_timestamps}};
  int                fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
    return TF_ERR(E_IO_SYSTEM, "socketpair: %s", strerror(errno));
  uint8_t *memory =
      mmap(NULL, 2 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  tf_uring_t u   = {0};
  tf_err_t   err = memory == MAP_FAILED
                       ? TF_ERR(E_CORE_NO_MEMORY, "probing io_uring: %s", strerror(errno))
                       : uring_init(&u, memory, memory + PAGE_BYTES, &size);
  if (err == TF_OK) err = probe_with(&u, &size, fds);
  uring_fini(&u.port);
  if (memory != MAP_FAILED) munmap(memory, 2 * PAGE_BYTES);
  close(fds[0]);
  close(fds[1]);
  return err;
}

size_t tf_uring_arena_bytes(const tf_io_config_t *config) {
  size_t stride = tf_align_up(config->buffer_bytes + TF_BYTES_PAD, TF_LINE_BYTES);
  return sizeof(tf_uring_t) + TF_LINE_PAIR_BYTES +
         config->buffer_cnt * (stride + sizeof(struct io_uring_buf)) + 2 * (size_t)PAGE_BYTES;
}

tf_err_t tf_uring_open(const tf_io_config_t *config, tf_arena_t *arena, tf_port_t **port) {
  *port        = NULL;
  tf_err_t err = probe(config);
  if (err != TF_OK) return err;
  size_t      stride = tf_align_up(config->buffer_bytes + TF_BYTES_PAD, TF_LINE_BYTES);
  tf_uring_t *u      = tf_arena_take(arena, sizeof *u, TF_LINE_PAIR_BYTES);
  void       *free_buffers =
      tf_arena_take(arena, config->buffer_cnt * sizeof(struct io_uring_buf), PAGE_BYTES);
  void *buffers = tf_arena_take(arena, config->buffer_cnt * stride, PAGE_BYTES);
  if (!u || !free_buffers || !buffers) return tf_error_add(E_CORE_ARENA_FULL, "opening io_uring");
  uint32_t cq = config->cq_entries ? config->cq_entries : 4 * config->buffer_cnt;
  if (!config->cq_entries && cq < CQ_ENTRIES_MIN) cq = CQ_ENTRIES_MIN;
  if (cq > CQ_ENTRIES_MAX) cq = CQ_ENTRIES_MAX;
  const uring_size_t size = {
      .buffer_cnt   = config->buffer_cnt,
      .buffer_bytes = config->buffer_bytes,
      .sq_entries   = cq < SQ_ENTRIES ? cq : SQ_ENTRIES,
      .cq_entries   = cq,
      .without      = config->uring_without,
      .wants        = {.busy_poll_us = config->busy_poll_us, .stamps = config->kernel_timestamps},
  };
  err = uring_init(u, free_buffers, buffers, &size);
  if (err != TF_OK) {
    uring_fini(&u->port);
    return err;
  }
  *port = &u->port;
  return TF_OK;
}
