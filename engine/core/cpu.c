#include "core/cpu.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>

#include "core/error.h"

int tf_cpu_allowed_cnt(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return CPU_COUNT(&set);
}

tf_err_t tf_cpu_pin(int cpu, const char *name) {
  char short_name[16];
  snprintf(short_name, sizeof short_name, "%s", name);
  pthread_setname_np(pthread_self(), short_name);
  if (cpu < 0) return TF_OK;
  if (cpu >= CPU_SETSIZE)
    return TF_ERR(E_CORE_ARGUMENT, "cpu %d: at most %d", cpu, CPU_SETSIZE - 1);
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  int err = pthread_setaffinity_np(pthread_self(), sizeof set, &set);
  if (err != 0)
    return TF_ERR(
        E_CORE_THREAD,
        "thread %s cannot be pinned to cpu %d (%s): this process may use %d cores, see taskset -p",
        name, cpu, strerror(err), tf_cpu_allowed_cnt());
  return TF_OK;
}

uint64_t tf_cpu_rss_bytes_max(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (uint64_t)usage.ru_maxrss * 1024;
}
