#include "core/clock.h"

#include <time.h>

tf_clock_t tf_clock_global = {.ns_per_tick = 1.0};

static uint64_t read_ns(clockid_t id) {
  struct timespec ts;
  clock_gettime(id, &ts);
  return (uint64_t)ts.tv_sec * TF_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t tf_clock_monotonic_ns(void) { return read_ns(CLOCK_MONOTONIC_RAW); }
uint64_t tf_clock_process_cpu_ns(void) { return read_ns(CLOCK_PROCESS_CPUTIME_ID); }

/* A pair (ticks, ns) read as close together as this machine allows: of 16 tries the one with the
 * least time between its two tick reads, so that a preemption does not become a rate error. */
static void read_pair(clockid_t id, uint64_t *ticks, uint64_t *ns) {
  uint64_t best = UINT64_MAX;
  for (int i = 0; i < 16; i++) {
    uint64_t before = tf_clock_ticks();
    uint64_t now    = read_ns(id);
    uint64_t after  = tf_clock_ticks();
    if (after - before < best) {
      best   = after - before;
      *ticks = before + (after - before) / 2;
      *ns    = now;
    }
  }
}

void tf_clock_calibrate(void) {
  uint64_t ticks_begin, ns_begin, ticks_end, ns_end;
  read_pair(CLOCK_MONOTONIC_RAW, &ticks_begin, &ns_begin);
  nanosleep(&(struct timespec){.tv_nsec = 20 * TF_NS_PER_MS}, NULL); /* ticks go on meanwhile */
  read_pair(CLOCK_MONOTONIC_RAW, &ticks_end, &ns_end);
  tf_clock_global.ns_per_tick = (double)(ns_end - ns_begin) / (double)(ticks_end - ticks_begin);
  read_pair(CLOCK_REALTIME, &tf_clock_global.anchor_ticks, &tf_clock_global.anchor_wall_ns);
}
