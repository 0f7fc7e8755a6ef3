/* Time. Two clocks: ticks (the TSC, constant and synchronised between cores on every machine that
 * tickfuse supports; CLOCK_MONOTONIC elsewhere) for durations, and wall ns since 1970 for labels.
 * wall = anchor + ticks since the anchor, so a read costs one rdtsc and never steps backwards when
 * the system's clock is set. Calibrated once at start; then read from any thread. */
#ifndef TF_CORE_CLOCK_H
#define TF_CORE_CLOCK_H

#include "tf/base.h"

typedef struct tf_clock {
  uint64_t anchor_ticks;
  uint64_t anchor_wall_ns;
  double   ns_per_tick;
} tf_clock_t;

/* Measures the tick rate over about 20 ms. Call once before threads start. */
void tf_clock_calibrate(void);

extern tf_clock_t tf_clock_global; /* written by tf_clock_calibrate only */

uint64_t tf_clock_monotonic_ns(void);

/* CPU time of all threads of this process: what work cost, whoever else had the cores. */
uint64_t tf_clock_process_cpu_ns(void);

/* Unserialised: may be executed some ns early or late relative to its neighbours. */
TF_INLINE uint64_t tf_clock_ticks(void) {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc(); /* x86intrin.h costs each of the 240 files that read a clock 0.3 s of compiling */
#else
  return tf_clock_monotonic_ns();
#endif
}

/* A duration in ticks as ns. */
TF_INLINE uint64_t tf_clock_ticks_to_ns(uint64_t ticks) {
  return (uint64_t)((double)ticks * tf_clock_global.ns_per_tick);
}

TF_INLINE uint64_t tf_clock_ns_to_ticks(uint64_t ns) {
  return (uint64_t)((double)ns / tf_clock_global.ns_per_tick);
}

/* Wall ns since 1970 of a tick count at or after the anchor. */
TF_INLINE uint64_t tf_clock_wall_of_ticks(uint64_t ticks) {
  return tf_clock_global.anchor_wall_ns +
         tf_clock_ticks_to_ns(ticks - tf_clock_global.anchor_ticks);
}

/* The tick count at a wall time of this run; now's for one before the anchor. */
TF_INLINE uint64_t tf_clock_ticks_of_wall(uint64_t wall_ns) {
  if (wall_ns < tf_clock_global.anchor_wall_ns) return tf_clock_ticks();
  return tf_clock_global.anchor_ticks +
         tf_clock_ns_to_ticks(wall_ns - tf_clock_global.anchor_wall_ns);
}

TF_INLINE uint64_t tf_clock_wall_ns(void) { return tf_clock_wall_of_ticks(tf_clock_ticks()); }

#endif
