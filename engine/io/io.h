/* How a loop is opened: which backend, how large. The loop itself is include/tf/io.h.
 *
 * Two levels. Above: borrowed bytes (tf_io_t). Beneath: completions (io/port.h), so that a test can
 * script every short, late, repeated and failed one.
 *
 *   io.h/io.c       chooses a backend, falls back with a reason
 *   loop.c          tf_io_t over a completion port: connections, order of sends, re-arming, audit
 *   uring.c         the port on io_uring: multishot receive into provided buffers
 *   epoll.c         tf_io_t on epoll, for hosts where io_uring is switched off
 *   socket.h        busy polling and kernel timestamps, for either
 *   sim.h           the loop on a simulated network, for tests
 *
 * Memory comes from the arena at open; nothing is allocated afterwards. The kernel maps io_uring's
 * own rings (about 40 bytes a completion entry) and charges them to RLIMIT_MEMLOCK on kernels
 * before 5.12. */
#ifndef ENGINE_IO_IO_H
#define ENGINE_IO_IO_H

#include "core/arena.h"
#include "tf/io.h"

typedef enum tf_io_kind {
  TF_IO_AUTO,  /* io_uring, or epoll where the host does not let us */
  TF_IO_URING, /* io_uring or an error */
  TF_IO_EPOLL
} tf_io_kind_t;

/* Kernel features that a loop can be told to do without, as if the kernel had none: for a host where
 * one is broken, and for tests. The first two are chosen by the best that is left; without one of
 * the others there is no io_uring, and TF_IO_AUTO takes epoll. */
#define TF_URING_DEFER_TASKRUN 0x1u
#define TF_URING_COOP_TASKRUN  0x2u
#define TF_URING_EXT_ARG       0x4u
#define TF_URING_NODROP        0x8u
#define TF_URING_MULTISHOT     0x10u

typedef struct tf_io_config {
  uint32_t conns_max;    /* sockets and listeners attached at one time; 1..16384 */
  uint32_t buffer_cnt;   /* receive buffers, a power of two, 1..32768 (epoll needs but one) */
  uint32_t buffer_bytes; /* of each; 512..1 MiB */
  uint32_t send_bytes;   /* a connection's send buffer, a power of two; 256..64 MiB */
  uint32_t cq_entries;   /* completions the kernel may have under way; 0: 4 x buffer_cnt, >= 1024 */
  uint64_t audit_ns;     /* time between liveness audits; 0: 100 ms */
  /* A poll that does not wait reads each socket itself, without asking epoll or io_uring first, while
   * no more sockets than this are attached, no listener, and nobody has waited (0: never). With one
   * socket that makes the loop the busy recv() that ingest latency is measured against. */
  uint32_t direct_conns_max;
  uint32_t uring_without; /* TF_URING_* */
  /* The kernel polls the network card itself so long for our sockets (0: never): on io_uring each
   * pass then waits at least so long in the kernel, which is what drives the card. */
  uint32_t busy_poll_us;
  bool     kernel_timestamps; /* recv_ns is the kernel's: io/socket.h */
} tf_io_config_t;

/* 64 connections, 64 buffers of 16 KiB, 64 KiB to send each: 9 MiB. */
tf_io_config_t tf_io_config_default(void);

/* Arena bytes that tf_io_open takes for this config, at most. */
size_t tf_io_arena_bytes(const tf_io_config_t *config);

/* Opens a loop. May be called on any thread before the loop's own thread starts to poll; attach,
 * listen and send too. E_CORE_ARGUMENT, E_CORE_ARENA_FULL, E_IO_UNAVAILABLE (TF_IO_URING only),
 * E_IO_SYSTEM. */
tf_err_t tf_io_open(tf_io_kind_t kind, const tf_io_config_t *config, tf_arena_t *arena,
                    tf_io_t **io);

/* Why TF_IO_AUTO took epoll, for the log; "" when it did not. Of the newest tf_io_open of this
 * thread. */
const char *tf_io_fallback_reason(void);

/* What the config asked for and this host refuses, each with its reason, for the log; "" for nothing.
 * Of the newest tf_io_open of this thread. */
const char *tf_io_refusals(void);

/* Closes every socket that is attached (on_closed is not called) and the loop. NULL is accepted. */
void tf_io_fini(tf_io_t *io);

#endif
