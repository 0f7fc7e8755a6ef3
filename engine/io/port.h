/* The I/O seam, lower level: completions. A port takes operations, each with a tag, and gives back
 * completions; engine/io/loop.c keeps the connections above it. uring.c is the real port, tests
 * script another.
 *
 * An operation that is accepted (true) ends with exactly one completion without
 * TF_COMPLETION_MORE; a multishot one may have any number with it before. Operations refused
 * (false) have not happened: the loop tries again on its next pass.
 *
 * Not used, and why: zero-copy sends (what is sent are subscriptions and pings of a few hundred bytes;
 * a second completion each would cost more than the copy), SQPOLL (its thread sleeps, and a lane that
 * spins enters the kernel anyway), linked and fixed-file operations. */
#ifndef ENGINE_IO_PORT_H
#define ENGINE_IO_PORT_H

#include <poll.h>

#include "io/io.h"
#include "io/socket.h"

#define TF_COMPLETION_MORE   1u /* the operation is still armed */
#define TF_COMPLETION_BUFFER 2u /* buffer_idx holds res bytes and must be given back */

typedef struct tf_completion {
  uint64_t tag;
  int32_t  res; /* bytes, a descriptor, or -errno */
  uint16_t flags;
  uint16_t buffer_idx;
} tf_completion_t;

typedef struct tf_port tf_port_t;

typedef struct tf_port_ops {
  const char *name;
  bool (*recv_arm)(tf_port_t *port, int fd, uint64_t tag);   /* multishot, provided buffers */
  bool (*accept_arm)(tf_port_t *port, int fd, uint64_t tag); /* multishot */
  bool (*send)(tf_port_t *port, int fd, const void *bytes, uint32_t bytes_cnt, uint64_t tag);
  bool (*cancel)(tf_port_t *port, uint64_t target_tag, uint64_t tag); /* res 0, or -ENOENT */
  /* Hands the queued operations over and collects completions, in order, at most cap. Waits at
   * most wait_ns for the first. Returns how many, or tf_err_t when the port is broken. */
  int (*reap)(tf_port_t *port, uint64_t wait_ns, tf_completion_t *out, uint32_t cap);
  void (*buffer_return)(tf_port_t *port, uint16_t buffer_idx);
  void (*fini)(tf_port_t *port);
} tf_port_ops_t;

/* What the loop asks of a descriptor outside of operations. The kernel's own (tf_net_kernel) under
 * every port but the simulator's, whose descriptors no kernel knows. */
typedef struct tf_net_ops {
  int (*admit)(tf_port_t *port, int fd); /* 0, or why it is no socket: an errno */
  /* What has arrived, without a wait: bytes, 0 at the end, or -errno. */
  int (*recv)(tf_port_t *port, int fd, void *bytes, size_t cnt);
  void (*shutdown)(tf_port_t *port, int fd);
  void (*close)(tf_port_t *port, int fd);
  int (*readable)(tf_port_t *port, struct pollfd *fds, nfds_t cnt); /* poll(2) without a wait */
  /* A listener without a descriptor to spare turns one peer away; gives the reserve anew. */
  int (*shed)(tf_port_t *port, int spare_fd, int listen_fd);
} tf_net_ops_t;

struct tf_port {
  const tf_port_ops_t *ops;
  const tf_net_ops_t  *net;
  const uint64_t      *virtual_ns; /* wall clock of the simulator, NULL: the host's */
  tf_socket_wants_t    wants;
  uint64_t             busy_poll_ns; /* a pass waits at least so long; 0 */
  /* Of a completed receive, ns of CLOCK_REALTIME or 0. NULL: this port asks for no stamps. */
  uint64_t (*stamp_ns)(const tf_port_t *port, uint16_t buffer_idx);
  uint32_t payload_offset; /* of a receive's bytes in its buffer */
  uint8_t *buffers;        /* buffer_stride apart, TF_BYTES_PAD readable behind each */
  size_t   buffer_stride;
  uint64_t overflow_cnt; /* times completions had to wait in the kernel for room */
  uint64_t wait_cnt;     /* times reap waited */
  uint64_t retry_cnt;    /* times the kernel was too busy to be entered */
  uint64_t flush_cnt;    /* times queued operations had to be submitted for room */
};

/* io_uring, or E_IO_UNAVAILABLE with the step that the kernel refused. */
tf_err_t tf_uring_open(const tf_io_config_t *config, tf_arena_t *arena, tf_port_t **port);
size_t   tf_uring_arena_bytes(const tf_io_config_t *config);

/* The loop over any port. The port is the loop's from here on, also when this fails. */
tf_err_t tf_loop_open(const tf_io_config_t *config, tf_arena_t *arena, tf_port_t *port,
                      tf_io_t **io);
size_t   tf_loop_arena_bytes(const tf_io_config_t *config);

const tf_port_t *tf_loop_port(const tf_io_t *io);

tf_err_t tf_io_config_check(const tf_io_config_t *config); /* E_CORE_ARGUMENT names the field */

tf_err_t tf_epoll_open(const tf_io_config_t *config, tf_arena_t *arena, tf_io_t **io);
size_t   tf_epoll_arena_bytes(const tf_io_config_t *config);

void tf_loop_fini(tf_io_t *io);
void tf_epoll_fini(tf_io_t *io);

extern const tf_io_ops_t  tf_epoll_ops;
extern const tf_net_ops_t tf_net_kernel;

#endif
