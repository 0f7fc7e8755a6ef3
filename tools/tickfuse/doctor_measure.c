/* The measurements: what this machine does, whatever it says. */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "boot/worker_program.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/hist.h"
#include "doctor.h"
#include "io/io.h"

#define CLOCK_READS        1000000u
#define CLOCK_NS_MAX       30.0
#define SPIN_NS            TF_NS_PER_SEC
#define GAP_NS_COUNTED     (10 * TF_NS_PER_US)
#define GAP_NS_WARN        (50 * TF_NS_PER_US)
#define GAP_NS_BAD         TF_NS_PER_MS
#define ROUND_TRIPS        5000u
#define ROUND_TRIP_NS_WARN (50 * TF_NS_PER_US)
#define MESSAGE_BYTES      230

static void measure_io_uring(const doctor_host_t *host, doctor_finding_t *f) {
  tf_io_config_t config = tf_io_config_default();
  tf_arena_t     arena;
  tf_io_t       *io;
  (void)host;
  config.conns_max    = 4;
  config.busy_poll_us = 1;
  tf_err_t err        = tf_arena_init(&arena, "doctor", tf_io_arena_bytes(&config));
  if (!err) err = tf_io_open(TF_IO_URING, &config, &arena, &io);
  if (err) {
    doctor_value(f, "refused");
    doctor_say(f, DOCTOR_BAD, tf_error_text(),
               "see kernel and io_uring; until then the loop runs on epoll");
  } else {
    doctor_value(f, "works");
    doctor_say(f, DOCTOR_GOOD, "a receive into provided buffers went through", "");
    if (tf_io_refusals()[0])
      doctor_say(f, DOCTOR_WARN, tf_io_refusals(), "run with CAP_NET_ADMIN to poll the card");
    tf_io_fini(io);
  }
  tf_arena_fini(&arena);
}

static void measure_clock(const doctor_host_t *host, doctor_finding_t *f) {
  volatile uint64_t sink = 0;
  struct timespec   ts;
  (void)host;
  uint64_t begin = tf_clock_monotonic_ns();
  for (uint32_t i = 0; i < CLOCK_READS; i++) sink = sink + tf_clock_wall_ns();
  double ours_ns = (double)(tf_clock_monotonic_ns() - begin) / CLOCK_READS;
  begin          = tf_clock_monotonic_ns();
  for (uint32_t i = 0; i < CLOCK_READS; i++) clock_gettime(CLOCK_REALTIME, &ts);
  double libc_ns = (double)(tf_clock_monotonic_ns() - begin) / CLOCK_READS;
  doctor_value(f, "%.1f ns, clock_gettime %.1f ns", ours_ns, libc_ns);
  if (ours_ns <= CLOCK_NS_MAX)
    doctor_say(f, DOCTOR_GOOD, "a read of the clock is lost in a tick", "");
  else
    doctor_say(f, DOCTOR_WARN, "each read of the clock shows in a tick: the counter is emulated",
               "use a machine whose hypervisor leaves the time stamp counter alone");
}

/* How long the machine takes the core from a thread that never gives it up. */
static void measure_jitter(const doctor_host_t *host, doctor_finding_t *f) {
  uint64_t begin = tf_clock_ticks(), last = begin, gap_max = 0;
  uint64_t span = tf_clock_ns_to_ticks(SPIN_NS), counted = tf_clock_ns_to_ticks(GAP_NS_COUNTED);
  uint32_t gap_cnt = 0;
  (void)host;
  while (last - begin < span) {
    uint64_t now = tf_clock_ticks(), gap = now - last;
    gap_cnt += gap > counted;
    if (gap > gap_max) gap_max = gap;
    last = now;
  }
  uint64_t gap_ns = tf_clock_ticks_to_ns(gap_max);
  doctor_value(f, "longest gap %.1f us, %u over 10 us in 1 s", (double)gap_ns / 1e3, gap_cnt);
  if (gap_ns < GAP_NS_WARN)
    doctor_say(f, DOCTOR_GOOD, "a thread that spins keeps its core", "");
  else
    doctor_say(f, gap_ns < GAP_NS_BAD ? DOCTOR_WARN : DOCTOR_BAD,
               "a thread that spins loses its core: every such gap is a late tick",
               "pin lanes to isolated cores with nohz_full, and leave one core to the rest");
}

static bool tcp_pair(int fds[2]) {
  struct sockaddr_in addr     = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t          addr_cnt = sizeof addr;
  int                one      = 1;
  int                listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  fds[0] = fds[1] = -1;
  if (listener >= 0 && bind(listener, (struct sockaddr *)&addr, sizeof addr) == 0 &&
      listen(listener, 1) == 0 && getsockname(listener, (struct sockaddr *)&addr, &addr_cnt) == 0) {
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fds[0] >= 0 && connect(fds[0], (struct sockaddr *)&addr, sizeof addr) == 0)
      fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  }
  for (int i = 0; i < 2 && fds[i] >= 0; i++)
    setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (listener >= 0) close(listener);
  return fds[1] >= 0;
}

/* There and back on one thread: the cost of the TCP stack, without a wake-up. */
static void measure_loopback(const doctor_host_t *host, doctor_finding_t *f) {
  static tf_hist_t hist;
  uint8_t          bytes[MESSAGE_BYTES] = {0};
  int              fds[2];
  (void)host;
  tf_hist_reset(&hist);
  bool ok = tcp_pair(fds);
  for (uint32_t i = 0; ok && i < ROUND_TRIPS; i++) {
    uint64_t begin = tf_clock_ticks();
    for (int way = 0; ok && way < 2; way++)
      ok = send(fds[way], bytes, sizeof bytes, MSG_NOSIGNAL) == (ssize_t)sizeof bytes &&
           recv(fds[!way], bytes, sizeof bytes, MSG_WAITALL) == (ssize_t)sizeof bytes;
    tf_hist_record(&hist, tf_clock_ticks_to_ns(tf_clock_ticks() - begin));
  }
  for (int i = 0; i < 2; i++)
    if (fds[i] >= 0) close(fds[i]);
  if (!ok) {
    doctor_value(f, "%s", strerror(errno));
    doctor_say(f, DOCTOR_BAD, "TCP over 127.0.0.1 does not work here", "ip link set lo up");
    return;
  }
  uint64_t p50_ns = tf_hist_quantile(&hist, 0.5), p99_ns = tf_hist_quantile(&hist, 0.99);
  doctor_value(f, "p50 %.1f us, p99 %.1f us", (double)p50_ns / 1e3, (double)p99_ns / 1e3);
  if (p50_ns < ROUND_TRIP_NS_WARN)
    doctor_say(f, DOCTOR_GOOD, "230 bytes there and back over 127.0.0.1", "");
  else
    doctor_say(f, DOCTOR_WARN, "230 bytes there and back over 127.0.0.1: a slow TCP stack",
               "look for packet filters and mitigations: nft list ruleset, "
               "/sys/devices/system/cpu/vulnerabilities");
}

/* What models of backend auto have to choose from. */
static void find_worker(const doctor_host_t *host, doctor_finding_t *f) {
  static const tf_config_t plain; /* names no program */
  char                     program[TF_WORKER_PATH_BYTES], where[1400];
  (void)host;
  if (tf_worker_find(&plain, TF_CONFIG_BACKEND_GPU, program, where, sizeof where)) {
    doctor_value(f, "%.90s", program);
    doctor_say(f, DOCTOR_GOOD,
               "models of backend auto are measured on it and on the CPU at the start", "");
    return;
  }
  doctor_value(f, "no tickfuse-gpu");
  doctor_say(f, DOCTOR_UNKNOWN,
             "models of backend auto run on the CPU; it is looked for beside this program, then in "
             "PATH",
             "with a card: build it where nvcc is, ./dev gpu");
}

const doctor_check_t doctor_measurements[] = {
    {"io_uring_probe",      measure_io_uring},
    {"clock_read",          measure_clock   },
    {"timer_jitter",        measure_jitter  },
    {"loopback_round_trip", measure_loopback},
    {"gpu_worker",          find_worker     },
};
const uint32_t doctor_measurement_cnt = TF_ARRAY_CNT(doctor_measurements);
