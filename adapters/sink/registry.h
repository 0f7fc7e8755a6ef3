/* The table of all sinks, in the order of sinks.def (alphabetical). The binaries hand it to boot. */
#ifndef TF_SINK_REGISTRY_H
#define TF_SINK_REGISTRY_H

#include "tf/sink.h"

extern const tf_sink_t *const tf_sinks[];
extern const uint32_t         tf_sink_cnt;

#endif
