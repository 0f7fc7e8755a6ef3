/* The I/O seam, upper level: borrowed bytes. A loop owns sockets and calls back with bytes that are
 * its own for the length of the call. engine/io implements it on io_uring, on epoll and on a
 * simulator; adapters/feed and tools/sim use it and never see which.
 *
 * One thread per loop: every call and every callback on the thread that made it. */
#ifndef TF_IO_H
#define TF_IO_H

#include "tf/err.h"

/* Readable (not meaningful) bytes behind every borrowed buffer, so that scanners may load whole
 * vectors past the end. */
#define TF_BYTES_PAD 64

typedef struct tf_io tf_io_t;
typedef uint32_t     tf_io_conn_t; /* of one loop; UINT32_MAX is none */
#define TF_IO_CONN_NONE UINT32_MAX

typedef struct tf_io_handler {
  void *self;
  /* bytes: valid during the call only, TF_BYTES_PAD readable bytes follow. recv_ns: ns since 1970,
   * read once per pass of the loop after the wait; with kernel timestamps (engine/io/socket.h) when
   * the kernel had them, never before what an earlier call was told. */
  void (*on_bytes)(void *self, tf_io_conn_t conn, const uint8_t *bytes, size_t bytes_cnt,
                   uint64_t recv_ns);
  /* The connection ended and its id is free again. sys_errno 0: the peer closed in order (FIN). Not called
   * for tf_io_close by the owner. */
  void (*on_closed)(void *self, tf_io_conn_t conn, int sys_errno);
  /* Listeners only: a connected socket; the callee attaches or closes it. */
  void (*on_accept)(void *self, int fd);
} tf_io_handler_t;

typedef struct tf_io_counts { /* written by the loop's thread, relaxed */
  uint64_t passes, waits;
  uint64_t rx_bytes, rx_calls;
  uint64_t tx_bytes;
  uint64_t tx_short;          /* sends that took a part */
  uint64_t tx_again;          /* sends that took nothing: EAGAIN, EINTR */
  uint64_t buffers_exhausted; /* receives that ended because no buffer was free */
  uint64_t rearmed;           /* receives and accepts armed again after they ended by themselves */
  uint64_t audit_repairs;     /* sockets that nobody listened to, put right by the audit */
  uint64_t ended, failed;     /* connections: by the peer's FIN; by an error */
  uint64_t cq_overflow;       /* times completions waited in the kernel for room */
  uint64_t enter_retries;     /* io_uring_enter: EBUSY, EAGAIN, EINTR */
  uint64_t sq_flushes;        /* submissions before the end of a pass: the ring was full */
  uint64_t port_full;         /* operations refused for want of room, tried again a pass later */
  uint64_t stamps;            /* receives whose time is the kernel's, where that is asked for */
  uint64_t stamps_missing;    /* and those that came without */
  uint64_t stamp_age_ns;      /* from the kernel's stamp to our pass, summed */
  uint64_t stamp_age_ns_max;  /* and the longest */
  uint64_t ops_given;         /* operations that the port took */
  uint64_t ops_done;          /* and that came back: the difference is under way */
} tf_io_counts_t;

typedef struct tf_io_ops {
  const char *name; /* "io_uring", "epoll" */
  /* Takes fd over (non-blocking or not). On error fd is still the caller's. */
  tf_err_t (*attach)(tf_io_t *io, int fd, const tf_io_handler_t *handler, tf_io_conn_t *conn);
  tf_err_t (*listen)(tf_io_t *io, int fd, const tf_io_handler_t *handler, tf_io_conn_t *conn);
  /* Copies bytes into the connection's send buffer; order kept, short sends are the loop's own
   * affair. E_IO_SEND_FULL and nothing taken if all of it does not fit. */
  tf_err_t (*send)(tf_io_t *io, tf_io_conn_t conn, const void *bytes, size_t bytes_cnt);
  size_t (*send_pending_bytes)(const tf_io_t *io, tf_io_conn_t conn);
  void (*close)(tf_io_t *io, tf_io_conn_t conn); /* pending sends are dropped */
  /* One pass: what is ready is delivered. Waits at most wait_ns for the first completion when there
   * is none; 0 only looks. Returns the number of completions handled, or tf_err_t when the loop
   * itself is broken. */
  int (*poll)(tf_io_t *io, uint64_t wait_ns);
} tf_io_ops_t;

struct tf_hist; /* core/hist.h */

struct tf_io {
  const tf_io_ops_t *ops;
  tf_io_counts_t     counts;
  struct tf_hist *
      stamp_ages; /* from the kernel's stamp to our pass; NULL: none are asked for. May be pointed elsewhere
                      before the first pass */
};

TF_INLINE tf_err_t tf_io_attach(tf_io_t *io, int fd, const tf_io_handler_t *h, tf_io_conn_t *conn) {
  return io->ops->attach(io, fd, h, conn);
}
TF_INLINE tf_err_t tf_io_listen(tf_io_t *io, int fd, const tf_io_handler_t *h, tf_io_conn_t *conn) {
  return io->ops->listen(io, fd, h, conn);
}
TF_INLINE tf_err_t tf_io_send(tf_io_t *io, tf_io_conn_t conn, const void *bytes, size_t cnt) {
  return io->ops->send(io, conn, bytes, cnt);
}
TF_INLINE size_t tf_io_send_pending_bytes(const tf_io_t *io, tf_io_conn_t conn) {
  return io->ops->send_pending_bytes(io, conn);
}
TF_INLINE void tf_io_close(tf_io_t *io, tf_io_conn_t conn) { io->ops->close(io, conn); }
TF_INLINE int  tf_io_poll(tf_io_t *io, uint64_t wait_ns) { return io->ops->poll(io, wait_ns); }

#endif
