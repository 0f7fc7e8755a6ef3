/* What a loop may ask of its sockets beyond bytes: that the kernel polls the network card for them, and
 * that it says when their bytes came.
 *
 * Stamps are the kernel's software receive times (SOF_TIMESTAMPING_RX_SOFTWARE: as the packet left
 * the driver), handed over with the bytes by recvmsg. On TCP a stamp is that of the last segment
 * of what one receive returns: of bytes that waited, the newest. They are of CLOCK_REALTIME, whose
 * steps and slews our clock does not follow: what lies between the two clocks is measured in every pass
 * that has stamps. Sockets that give none (AF_UNIX) keep the pass's own time. */
#ifndef ENGINE_IO_SOCKET_H
#define ENGINE_IO_SOCKET_H

#include <sys/socket.h>

#include "core/hist.h"
#include "tf/io.h"

/* One SCM_TIMESTAMPING message: three timespecs (software, and two that are of hardware). */
#define TF_STAMP_CONTROL_BYTES CMSG_SPACE(3 * 2 * sizeof(int64_t))

typedef struct tf_socket_wants {
  uint32_t busy_poll_us; /* 0: not */
  bool     stamps;
} tf_socket_wants_t;

/* Tries on a socket of its own, clears what the host refuses and appends the reason to note (a text
 * of note_bytes, which may hold others). */
void tf_socket_probe(tf_socket_wants_t *wants, char *note, size_t note_bytes);

/* At attach. A socket of a kind that cannot is left as it is. */
void tf_socket_prepare(int fd, const tf_socket_wants_t *wants);

/* ns of CLOCK_REALTIME; 0: there is none among the control messages. */
uint64_t tf_socket_stamp_ns(const void *control, size_t control_bytes);

/* What is to be added to CLOCK_REALTIME to have our wall clock (core/clock.h), now. */
int64_t tf_socket_clock_offset_ns(void);

/* The receive time of bytes with that stamp, counted; the age of one that is usable goes to ages. Never after pass_ns, nor before that of bytes
 * handed over earlier: newest_ns, which it moves. A stamp of another day (the clock was set) counts
 * as missing. */
uint64_t tf_socket_recv_ns(tf_io_counts_t *counts, tf_hist_t *ages, uint64_t *newest_ns,
                           uint64_t stamp_ns, int64_t offset_ns, uint64_t pass_ns);

#endif
