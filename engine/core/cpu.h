/* Threads and the cores that they stay on. */
#ifndef TF_CORE_CPU_H
#define TF_CORE_CPU_H

#include "tf/err.h"

/* Pins the calling thread to cpu and names it (15 characters show in top). cpu < 0 leaves it
 * where the scheduler likes. E_CORE_THREAD says which cores this process may use. */
tf_err_t tf_cpu_pin(int cpu, const char *name);

/* Cores that this process may run on. */
int tf_cpu_allowed_cnt(void);

/* Peak resident set of the process, bytes. */
uint64_t tf_cpu_rss_bytes_max(void);

#endif
