/* The answer to the operator's "status": what the metrics page says of this engine now, as JSON
 * (docs/man/tickfuse-control.1 has the words). Any thread; it reads what others publish, and changes nothing. */
#ifndef TF_BOOT_CONTROL_STATUS_H
#define TF_BOOT_CONTROL_STATUS_H

#include <jansson.h>

#include "boot/engine.h"

typedef struct tf_control_status {
  const tf_engine_t *engine;
  const char        *version;
  uint64_t           started_ns; /* monotonic */
} tf_control_status_t;

/* Its members are added to answer. */
void tf_control_status(const tf_control_status_t *self, json_t *answer);

/* What became of the snapshots of an engine that takes some (boot/snapshot_live.h). */
json_t *tf_control_snapshots(const tf_engine_t *engine);

#endif
