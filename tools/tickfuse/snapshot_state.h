/* What a config's snapshots come to on this machine: for `check` and `doctor`. Control plane; looks at files, writes none. */
#ifndef TICKFUSE_SNAPSHOT_STATE_H
#define TICKFUSE_SNAPSHOT_STATE_H

#include <jansson.h>

#include "boot/config.h"

#define TICKFUSE_INEXACT_MAX 9 /* eight models (stage/lane.h), and the lane */

typedef struct tickfuse_snapshot_state {
  const char *path;
  uint64_t    every_ns; /* 0: at the end, and where it is asked for */
  bool        is_exact; /* as it is restored */
  bool        is_there;
  uint64_t    bytes; /* of the file, */
  int64_t     age_s; /* and since it was written, by this machine's clock; negative: by another's */
  char        trouble[160]; /* why its folder would not take the next one; "": it would */

  char     inexact[TICKFUSE_INEXACT_MAX][160]; /* what cannot be gone on from exactly */
  uint32_t inexact_cnt;
} tickfuse_snapshot_state_t;

/* False: the config has none. */
bool tickfuse_snapshot_look(const tf_config_t *config, tickfuse_snapshot_state_t *state);

/* "every 10 s, restored exact; the last 21320 bytes, 4 s ago" */
void    tickfuse_snapshot_say(const tickfuse_snapshot_state_t *state, char *text, size_t bytes);
json_t *tickfuse_snapshot_json(const tickfuse_snapshot_state_t *state);

#endif
