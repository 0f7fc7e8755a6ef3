/* What each idle strategy costs: a real runner thread that waits for a socket. CPU: its share of a
 * core while nothing comes. Wake-up: from before the write of a stamp to the bytes in the handler,
 * the stamps coming after gaps of 0.3 to 2 ms. Peer, same run: a thread in a blocking recv(). */
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench_print.h"
#include "core/clock.h"
#include "core/error.h"
#include "idle_lane.h"

#define ROUNDS      5
#define STAMPS      300
#define GAP_NS_MIN  (300 * TF_NS_PER_US)
#define GAP_NS_MAX  (2 * TF_NS_PER_MS)
#define QUIET_NS    (200 * TF_NS_PER_MS)
#define CPU_PCT_MAX 5.0 /* idle: sleep, the budget: a laptop must not run hot for a demo */

enum { SPIN, YIELD, SLEEP, BLOCKING, WAYS };

static const char *const cpu_names[] = {"idle_spin_cpu", "idle_yield_cpu", "idle_sleep_cpu"};
static const char *const p50_names[] = {"idle_spin_wake_p50", "idle_yield_wake_p50",
                                        "idle_sleep_wake_p50"};
static const char *const p99_names[] = {"idle_spin_wake_p99", "idle_yield_wake_p99",
                                        "idle_sleep_wake_p99"};
static tf_idle_lane_t    lane;
static tf_io_kind_t      kind = TF_IO_AUTO;

static void *blocking_thread(void *arg) {
  tf_idle_lane_t *l = arg;
  uint64_t        stamp;
  while (recv(l->fds[0], &stamp, sizeof stamp, 0) == (ssize_t)sizeof stamp)
    tf_hist_record(&l->wake, tf_clock_ticks_to_ns(tf_clock_ticks() - stamp));
  return NULL;
}

static void run_blocking(uint32_t stamps) {
  pthread_t thread;
  memset(&lane, 0, sizeof lane);
  TF_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, lane.fds) == 0);
  TF_ASSERT(pthread_create(&thread, NULL, blocking_thread, &lane) == 0);
  tf_idle_lane_wake(&lane, stamps, GAP_NS_MIN, GAP_NS_MAX);
  close(lane.fds[1]);
  pthread_join(thread, NULL);
  close(lane.fds[0]);
}

int main(int argc, char **argv) {
  tf_bench_options_t options;
  int                code = tf_bench_options_parse(
                     argc, argv, "What the idle strategies cost, and how late they wake.\n", &options);
  if (code >= 0) return code;
  tf_clock_calibrate();
  uint32_t rounds = options.smoke ? 1 : ROUNDS, stamps = options.smoke ? 20 : STAMPS;
  double   p50[WAYS][ROUNDS], p99[WAYS][ROUNDS], cpu[WAYS][ROUNDS] = {0};
  for (uint32_t i = 0; i < rounds; i++)
    for (int way = 0; way < WAYS; way++) {
      if (way == BLOCKING) {
        run_blocking(stamps);
      } else {
        if (tf_idle_lane_start(&lane, kind, (tf_idle_t)way, -1) != TF_OK) {
          fprintf(stderr, "bench_idle: %s\n", tf_error_text());
          return 1;
        }
        cpu[way][i] = 100 * tf_idle_lane_cpu_share(&lane, options.smoke ? QUIET_NS / 10 : QUIET_NS);
        tf_idle_lane_wake(&lane, stamps, GAP_NS_MIN, GAP_NS_MAX);
        tf_idle_lane_stop(&lane);
      }
      p50[way][i] = (double)tf_hist_quantile(&lane.wake, 0.5);
      p99[way][i] = (double)tf_hist_quantile(&lane.wake, 0.99);
    }
  tf_bench_row_t rows[3 * BLOCKING];
  double         peer50 = tf_bench_median(p50[BLOCKING], rounds);
  double         peer99 = tf_bench_median(p99[BLOCKING], rounds);
  for (int way = 0; way < BLOCKING; way++) {
    rows[way]     = (tf_bench_row_t){.name            = cpu_names[way],
                                     .ours            = tf_bench_median(cpu[way], rounds),
                                     .unit            = "%",
                                     .peer_value      = (double)NAN,
                                     .budget          = way == SLEEP ? CPU_PCT_MAX : (double)NAN,
                                     .lower_is_better = true};
    rows[3 + way] = (tf_bench_row_t){.name            = p50_names[way],
                                     .ours            = tf_bench_median(p50[way], rounds),
                                     .unit            = "ns",
                                     .peer            = "blocking recv()",
                                     .peer_value      = peer50,
                                     .budget          = (double)NAN,
                                     .lower_is_better = true};
    rows[6 + way] = (tf_bench_row_t){.name            = p99_names[way],
                                     .ours            = tf_bench_median(p99[way], rounds),
                                     .unit            = "ns",
                                     .peer            = "blocking recv()",
                                     .peer_value      = peer99,
                                     .budget          = (double)NAN,
                                     .lower_is_better = true};
  }
  tf_bench_print(rows, TF_ARRAY_CNT(rows), options.json);
  return 0;
}
