/* Where a live feed's instrument metadata comes from besides the venue: its instruments_file, and the
 * cache of an earlier run; and where it goes: into that cache, once the venue has told. Control plane:
 * the lane's side is the session's (feed/session.h). */
#ifndef TICKFUSE_LIVE_METADATA_H
#define TICKFUSE_LIVE_METADATA_H

#include "boot/config.h"
#include "tf/feed.h"
#include "tf/instrument.h"

#define TF_LIVE_METADATA_PATH_BYTES 1200

typedef struct tf_live_metadata {
  const char      *feed_name, *suffix;
  tf_instruments_t cached; /* the session's, if the venue does not answer; rows are ours */
  char             path[TF_LIVE_METADATA_PATH_BYTES]; /* of the cache; empty: none */
  uint32_t         saved_cnt;
  bool             is_warned;
} tf_live_metadata_t;

/* Before the session is made, which keeps a pointer to m->cached. Takes memory. */
tf_err_t tf_live_metadata_init(tf_live_metadata_t *m, const tf_config_t *config,
                               const tf_config_feed_t *feed_config, const tf_feed_t *feed);
void     tf_live_metadata_fini(tf_live_metadata_t *m);

/* Behind the session's init: its instruments stand in table. Reads the file, or the cache. */
tf_err_t tf_live_metadata_load(tf_live_metadata_t *m, const tf_config_feed_t *feed_config,
                               tf_instruments_t *table);

/* Once a second while the engine runs: writes the cache when the venue has told something, and says in
 * the log when a row came from the cache. */
void tf_live_metadata_tick(tf_live_metadata_t *m, const tf_instruments_t *table);

#endif
