/* Simulated I/O: the third backend of the tf_io contract. A network of endpoints in memory with a
 * clock of its own, and under each loop a completion port whose order, shortness and failures are
 * drawn from a seed. The loop above it is the one that runs on io_uring (io/loop.c), so what is
 * tried here is the code that runs live. Tests use it; no config selects it.
 *
 *   network   tf_sim_t: endpoints joined in pairs, bytes on their way, the virtual clock, the seed
 *   port      tf_sim_open: a tf_io_t whose completions the network makes
 *   peers     tf_sim_send, tf_sim_recv ...: a test's own end of a connection, never short or late
 *
 * Deterministic: the same seed, config and calls give the same completions in the same order, and
 * the same tf_sim_trace_hash. Time passes only in polls (what they wait for, or a little for a look)
 * and in tf_sim_advance. One thread for a network and all that is on it. Memory: the arena's, all
 * at init and open; nothing is allocated afterwards. Descriptors are its own, from TF_SIM_FD_MIN
 * up: no system call sees one.
 *
 * The rules of a kernel that it keeps: a direction's bytes stay in order; FIN comes behind the last
 * byte; a reset comes behind what had arrived; closing with unread bytes resets the peer; a multishot
 * receive that finds no buffer ends with ENOBUFS, with or without bytes to read (FAULTS 6, 4.1);
 * completions of one operation stay in order, of different ones they do not. */
#ifndef ENGINE_IO_SIM_H
#define ENGINE_IO_SIM_H

#include "io/io.h"

#define TF_SIM_FD_MIN (1 << 20)

/* What may go wrong. Each row: id, and what it does. Drawn once for an operation or a completion
 * with the chance that the config gives. */
#define TF_SIM_FAULTS(X)                                                                           \
  X(LATE, "a completion that could come now comes up to late_ns_max later")                        \
  X(RECV_SHORT, "a receive brings fewer bytes than there are")                                     \
  X(RECV_ENDS, "a multishot receive ends with its bytes, without F_MORE")                          \
  X(RECV_ENOBUFS, "a receive ends with ENOBUFS though there is a buffer")                          \
  X(RECV_EINTR, "a receive ends with EINTR")                                                       \
  X(RECV_EAGAIN, "a receive ends with EAGAIN")                                                     \
  X(RECV_ECANCELED, "a receive that nobody cancelled ends with ECANCELED")                         \
  X(RECV_LOST, "a receive is forgotten: no completion ever comes")                                 \
  X(SEND_SHORT, "a send takes fewer bytes than there is room for")                                 \
  X(SEND_EINTR, "a send fails with EINTR and takes nothing")                                       \
  X(SEND_EAGAIN, "a send fails with EAGAIN and takes nothing")                                     \
  X(SEND_EPIPE, "a send fails with EPIPE")                                                         \
  X(ACCEPT_ECONNABORTED, "an accept ends with ECONNABORTED")                                       \
  X(CANCEL_EALREADY, "a cancel comes too late: EALREADY, and its target stays")                    \
  X(SQ_FULL, "an operation is refused")                                                            \
  X(ENTER_BUSY, "a look finds nothing though there is something")                                  \
  X(RESET, "the network resets the connection of a receive")                                       \
  X(CQ_DROPPED, "EBADR: the port is broken from here on")

#define TF_SIM_FAULT_ID_(id, text) TF_SIM_##id,
typedef enum tf_sim_fault { TF_SIM_FAULTS(TF_SIM_FAULT_ID_) TF_SIM_FAULT_CNT } tf_sim_fault_t;
#undef TF_SIM_FAULT_ID_

typedef struct tf_sim_config {
  uint64_t seed;
  uint64_t start_ns;                       /* of the virtual clock, since 1970 */
  uint32_t endpoints_max;                  /* 2..65536 */
  uint32_t pipe_bytes;                     /* a direction's socket buffer, a power of two */
  uint32_t latency_ns_min, latency_ns_max; /* of a segment, drawn between the two */
  uint32_t late_ns_max;
  uint32_t chance_ppm[TF_SIM_FAULT_CNT];
} tf_sim_config_t;

/* Seed 1, 128 endpoints with 128 KiB a direction, 5 to 50 us of latency, no faults. */
tf_sim_config_t tf_sim_config_default(void);

typedef struct tf_sim tf_sim_t;

size_t   tf_sim_arena_bytes(const tf_sim_config_t *config);
tf_err_t tf_sim_init(const tf_sim_config_t *config, tf_arena_t *arena, tf_sim_t **sim);

/* A loop on the network. Its arena bytes: tf_sim_port_arena_bytes. As tf_io_open; end it with
 * tf_io_fini. */
tf_err_t tf_sim_open(tf_sim_t *sim, const tf_io_config_t *config, tf_arena_t *arena, tf_io_t **io);
size_t   tf_sim_port_arena_bytes(const tf_io_config_t *config);

/* Two joined descriptors. pipe_bytes: of each direction, 0: the config's. -EMFILE. */
int tf_sim_pair(tf_sim_t *sim, uint32_t pipe_bytes, int fds[2]);
int tf_sim_listener(tf_sim_t *sim);              /* a descriptor, or -EMFILE */
int tf_sim_connect(tf_sim_t *sim, int listener); /* a descriptor, -ECONNREFUSED, -EMFILE */
/* As many bytes as there is room for; -EAGAIN for none, -EPIPE, -ECONNRESET. */
int tf_sim_send(tf_sim_t *sim, int fd, const void *bytes, size_t cnt);
/* Bytes that have arrived; 0: the end; -EAGAIN, -ECONNRESET. */
int  tf_sim_recv(tf_sim_t *sim, int fd, void *bytes, size_t cnt);
void tf_sim_shutdown(tf_sim_t *sim, int fd, bool both); /* sends FIN; both: reads no more either */
void tf_sim_close(tf_sim_t *sim, int fd);
void tf_sim_reset(tf_sim_t *sim, int fd); /* closes fd; the peer gets a reset */

uint64_t tf_sim_now_ns(const tf_sim_t *sim);
void     tf_sim_advance(tf_sim_t *sim, uint64_t ns);
/* Accepts fail with EMFILE while so many descriptors are open; 0: no limit but the endpoints. */
void     tf_sim_limit_fds(tf_sim_t *sim, uint32_t fds_max);
uint32_t tf_sim_open_fds(const tf_sim_t *sim);
/* From here on; the seed's sequence goes on. */
void     tf_sim_set_chance(tf_sim_t *sim, tf_sim_fault_t fault, uint32_t chance_ppm);
uint64_t tf_sim_injected_cnt(const tf_sim_t *sim, tf_sim_fault_t fault);
/* Over every completion: time, tag, result, flags. */
uint64_t tf_sim_trace_hash(const tf_sim_t *sim);

/* For audits from outside. Receives and accepts that io has with its port for fd. */
uint32_t tf_sim_armed_cnt(const tf_io_t *io, int fd);
uint32_t tf_sim_ops_under_way(const tf_io_t *io);
uint32_t tf_sim_buffers_free(const tf_io_t *io);

#endif
