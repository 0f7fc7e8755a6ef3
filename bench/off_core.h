/* When a thread was kept off its core: it wanted to run, and another had the core. Linux counts that time for each
 * thread (second number of /proc/PID/task/TID/schedstat); read every millisecond it says in which ones. A bench that
 * shares its cores with others can so tell the scheduler's share of a tail from its own.
 *
 * Time that a hypervisor takes from the machine is not in it, and stands apart. One thread; a read costs about 2 us. */
#ifndef BENCH_OFF_CORE_H
#define BENCH_OFF_CORE_H

#include "tf/base.h"

#define TF_OFF_CORE_THREADS_MAX 4
#define TF_OFF_CORE_SLOT_NS     TF_NS_PER_MS
/* A millisecond with more of it than this is marked: a tenth of the shortest tail that is looked for. */
#define TF_OFF_CORE_MARK_NS (20 * TF_NS_PER_US)

typedef struct tf_off_core {
  int      fds[TF_OFF_CORE_THREADS_MAX];
  uint64_t waited_ns[TF_OFF_CORE_THREADS_MAX]; /* as last read */
  uint32_t thread_cnt;
  uint8_t *marks; /* (slot_cnt): caller's, zeroed */
  uint64_t slot_cnt;
  uint64_t begin_ns, read_ns;
  uint64_t off_ns; /* all of them together, from begin on */
} tf_off_core_t;

/* marks: caller's memory for as long as the watch is used, one byte a millisecond from begin_ns on. */
void tf_off_core_init(tf_off_core_t *watch, uint8_t *marks, uint64_t slot_cnt);

/* The thread of a process with this name; the first one where name is NULL. False: there is none, or its account
 * cannot be read. */
bool tf_off_core_add(tf_off_core_t *watch, int pid, const char *name);

void tf_off_core_begin(tf_off_core_t *watch, uint64_t now_ns);

/* Marks the milliseconds since the last read in which one was off its core, if one has passed. */
void tf_off_core_poll(tf_off_core_t *watch, uint64_t now_ns);

/* Whether one was off its core between the two, or in the millisecond before: what had piled up then is worked off
 * in it. */
bool tf_off_core_touches(const tf_off_core_t *watch, uint64_t from_ns, uint64_t to_ns);

/* What the hypervisor took from all cores since the machine started, to 10 ms. */
uint64_t tf_off_core_stolen_ns(void);

void tf_off_core_fini(tf_off_core_t *watch);

#endif
