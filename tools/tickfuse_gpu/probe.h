/* --probe: what this machine has for a worker, and what would run where. Text or one JSON object, on standard output; what keeps it
 * from any device is part of it. */
#ifndef TICKFUSE_GPU_PROBE_H
#define TICKFUSE_GPU_PROBE_H

#include "tickfuse_gpu/load.h"

/* model: a file, or NULL. TF_OK: there is a device (and the model can be read); else what is in the way, printed too. */
tf_err_t probe(const char *model, const load_spec_t *spec, double memory_fraction, bool as_json);

#endif
