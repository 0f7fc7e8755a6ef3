/* The table of all runtimes, in the order of runtimes.def (alphabetical). The binaries hand it to boot. */
#ifndef TF_SERVE_REGISTRY_H
#define TF_SERVE_REGISTRY_H

#include "tf/runtime.h"

extern const tf_runtime_t *const tf_runtimes_all[];
extern const uint32_t            tf_runtimes_all_cnt;

#endif
