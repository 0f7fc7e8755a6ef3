#include "io/socket.h"

#include <errno.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "tf/atomic.h"

/* A stamp further from our pass than this is of a clock that was set meanwhile. */
#define STAMP_ERROR_NS_MAX (60 * TF_NS_PER_SEC)

static void append(char *note, size_t note_bytes, const char *what) {
  size_t used = strlen(note);
  snprintf(note + used, note_bytes - used, "%s%s: %s", used ? "; " : "", what, strerror(errno));
}

static bool busy_poll_set(int fd, uint32_t busy_poll_us) {
  int us = (int)busy_poll_us, one = 1;
  return setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &us, sizeof us) == 0 &&
         setsockopt(fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, &one, sizeof one) == 0;
}

static bool stamps_set(int fd) {
  int flags = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
  return setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags) == 0;
}

void tf_socket_probe(tf_socket_wants_t *wants, char *note, size_t note_bytes) {
  if (wants->busy_poll_us == 0 && !wants->stamps) return;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (wants->busy_poll_us > 0 && (fd < 0 || !busy_poll_set(fd, wants->busy_poll_us))) {
    append(note, note_bytes, "busy polling of sockets");
    wants->busy_poll_us = 0;
  }
  if (wants->stamps && (fd < 0 || !stamps_set(fd))) {
    append(note, note_bytes, "kernel timestamps");
    wants->stamps = false;
  }
  if (fd >= 0) close(fd);
}

void tf_socket_prepare(int fd, const tf_socket_wants_t *wants) {
  if (wants->busy_poll_us > 0) busy_poll_set(fd, wants->busy_poll_us);
  if (wants->stamps) stamps_set(fd);
}

uint64_t tf_socket_stamp_ns(const void *control, size_t control_bytes) {
  struct msghdr msg = {.msg_control = (void *)(uintptr_t)control, .msg_controllen = control_bytes};
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPING) continue;
    if (c->cmsg_len < CMSG_LEN(sizeof(struct timespec))) continue;
    struct timespec software;
    memcpy(&software, CMSG_DATA(c), sizeof software);
    return (uint64_t)software.tv_sec * TF_NS_PER_SEC + (uint64_t)software.tv_nsec;
  }
  return 0;
}

/* The two reads stand together, and the middle of ours counts: else their distance would be taken for
 * time that the bytes waited. */
int64_t tf_socket_clock_offset_ns(void) {
  struct timespec now;
  uint64_t        before = tf_clock_wall_ns();
  clock_gettime(CLOCK_REALTIME, &now);
  uint64_t ours = before + (tf_clock_wall_ns() - before) / 2;
  return (int64_t)(ours - ((uint64_t)now.tv_sec * TF_NS_PER_SEC + (uint64_t)now.tv_nsec));
}

uint64_t tf_socket_recv_ns(tf_io_counts_t *counts, tf_hist_t *ages, uint64_t *newest_ns,
                           uint64_t stamp_ns, int64_t offset_ns, uint64_t pass_ns) {
  uint64_t at_ns = stamp_ns + (uint64_t)offset_ns;
  bool     usable =
      stamp_ns != 0 && at_ns + STAMP_ERROR_NS_MAX > pass_ns && at_ns < pass_ns + STAMP_ERROR_NS_MAX;
  uint64_t age_ns = usable && at_ns < pass_ns ? pass_ns - at_ns : 0;
  tf_count_add(usable ? &counts->stamps : &counts->stamps_missing, 1);
  tf_count_add(&counts->stamp_age_ns, age_ns);
  if (usable) tf_hist_record(ages, age_ns);
  if (age_ns > counts->stamp_age_ns_max)
    tf_count_add(&counts->stamp_age_ns_max, age_ns - counts->stamp_age_ns_max);
  if (pass_ns - age_ns > *newest_ns) *newest_ns = pass_ns - age_ns;
  return *newest_ns;
}
