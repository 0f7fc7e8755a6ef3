#include "idle_lane.h"

#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"

static void on_bytes(void *self, tf_io_conn_t conn, const uint8_t *bytes, size_t cnt,
                     uint64_t recv_ns) {
  tf_idle_lane_t *lane = self;
  uint64_t        now  = tf_clock_ticks(), stamp;
  (void)conn;
  (void)recv_ns;
  for (; cnt >= sizeof stamp; cnt -= sizeof stamp, bytes += sizeof stamp) {
    memcpy(&stamp, bytes, sizeof stamp);
    tf_hist_record(&lane->wake, tf_clock_ticks_to_ns(now - stamp));
    tf_count_add(&lane->wake_cnt, 1);
  }
}

static int source_poll(tf_source_t *source, uint64_t now_ns) {
  (void)source;
  (void)now_ns;
  return 0;
}

static void source_stop(tf_source_t *source) { (void)source; }

static const tf_source_ops_t source_ops = {.poll = source_poll, .stop = source_stop};

tf_err_t tf_idle_lane_start(tf_idle_lane_t *lane, tf_io_kind_t kind, tf_idle_t idle, int cpu) {
  memset(lane, 0, sizeof *lane);
  tf_io_config_t config   = tf_io_config_default();
  config.conns_max        = 4;
  config.direct_conns_max = 1;
  lane->source.ops        = &source_ops;
  tf_err_t err            = tf_arena_init(&lane->arena, "idle", tf_io_arena_bytes(&config));
  if (!err) err = tf_io_open(kind, &config, &lane->arena, &lane->io);
  if (!err) err = tf_acquire_add(&lane->runner.acquire, &lane->source);
  if (err) return err;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, lane->fds) != 0)
    return TF_ERR(E_CORE_SYSTEM, "socketpair");
  tf_io_handler_t handler = {.self = lane, .on_bytes = on_bytes};
  tf_io_conn_t    conn;
  err = tf_io_attach(lane->io, lane->fds[0], &handler, &conn);
  if (err) return err;
  lane->runner.acquire.io = lane->io;
  lane->runner.idle       = idle;
  lane->runner.thread_cnt = 1;
  lane->runner.threads[0] = (tf_runner_thread_t){.stages = TF_STAGE_ALL, .cpu = cpu};
  return tf_runner_start(&lane->runner);
}

static void sleep_ns(uint64_t ns) {
  nanosleep(&(struct timespec){.tv_sec  = (time_t)(ns / TF_NS_PER_SEC),
                               .tv_nsec = (long)(ns % TF_NS_PER_SEC)},
            NULL);
}

void tf_idle_lane_wake(tf_idle_lane_t *lane, uint32_t cnt, uint64_t gap_ns_min,
                       uint64_t gap_ns_max) {
  uint64_t draw = 1;
  for (uint32_t i = 0; i < cnt; i++) {
    draw = draw * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    sleep_ns(gap_ns_min + (draw >> 33) % (gap_ns_max - gap_ns_min + 1));
    uint64_t stamp = tf_clock_ticks();
    if (write(lane->fds[1], &stamp, sizeof stamp) != (ssize_t)sizeof stamp) return;
  }
  sleep_ns(20 * TF_NS_PER_MS); /* the last ones arrive */
}

static uint64_t cpu_ns(const tf_idle_lane_t *lane) {
  clockid_t       clock;
  struct timespec ts = {0};
  if (pthread_getcpuclockid((pthread_t)lane->runner.pthreads[0], &clock) == 0)
    clock_gettime(clock, &ts);
  return (uint64_t)ts.tv_sec * TF_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

double tf_idle_lane_cpu_share(tf_idle_lane_t *lane, uint64_t duration_ns) {
  uint64_t begin = tf_clock_monotonic_ns(), used = cpu_ns(lane);
  sleep_ns(duration_ns);
  used = cpu_ns(lane) - used;
  return (double)used / (double)(tf_clock_monotonic_ns() - begin);
}

void tf_idle_lane_stop(tf_idle_lane_t *lane) {
  tf_runner_stop(&lane->runner);
  tf_runner_join(&lane->runner);
  lane->wait_cnt = lane->io->counts.waits;
  tf_io_fini(lane->io);
  close(lane->fds[1]);
  tf_arena_fini(&lane->arena);
}
