/* A recording as a route of last resort (feed/fallback.h): a tape, or a capture, which is decoded anew. Played
 * from its beginning each time that it is called, at its own pace or speed times that, under the time at which it
 * is played and with BAD_TS, because its own times are not the market's of now.
 *
 * Only the connection's instruments and channels come through, matched by name; each event is a message of its
 * own, as the live run's capture records it. What an operator did while it was recorded is not done again.
 *
 * The end: DOWN, so that the chain calls what stands behind it; with loops it begins anew, and each book is said
 * to be SYNCING first, until the recording's own snapshot, and no more often than once a second, however short it
 * is. One that is damaged ends where it is, loops or not.
 *
 * It has instruments of its own, so that what it says of ours is not believed. It is read on acquire's thread,
 * from the disk, and only while it serves: a source like any other. init and fini: control plane. */
#ifndef TICKFUSE_LIVE_RECORDED_H
#define TICKFUSE_LIVE_RECORDED_H

#include "boot/engine.h"
#include "file/replay.h"
#include "inputs.h"

typedef struct tf_live_recorded_config {
  const char             *path; /* kept */
  bool                    is_capture;
  double                  speed; /* above 0 */
  bool                    loops;
  const tf_instruments_t *instruments; /* the engine's */
  const uint32_t         *wanted;      /* (wanted_cnt) of them: the connection's */
  uint32_t                wanted_cnt;
  uint32_t                wanted_max; /* with those that are subscribed to later */
  uint32_t                channels;
  const char             *suffix; /* of instruments that are subscribed to later: the feed's */
} tf_live_recorded_config_t;

typedef struct tf_live_recorded {
  tf_source_t               source; /* first: it is a source */
  tf_live_recorded_config_t config;
  tf_replay_t               replay;
  void                     *memory;    /* the replay's */
  tf_inputs_t               inputs;    /* of a capture: its feeds */
  tf_instruments_t          table;     /* the recording's own */
  uint32_t                 *ours;      /* (table.cap) by its id; TF_ROUTE_NONE: nobody's */
  uint32_t                  known_cnt; /* rows of the table that were looked up */
  uint32_t                 *wanted;    /* (wanted_max) */
  uint32_t                  wanted_cnt;
  uint64_t                  published_cnt; /* since it began anew */
  uint64_t                  begun_ns;      /* when that was, monotonic */
  bool                      is_resting, is_over;
} tf_live_recorded_t;

/* recorded: zeroed; fini it on errors too. Errors of tf_replay_init and of a capture's header; E_BOOT_INPUT: it has
 * none of the wanted instruments; E_CORE_NO_MEMORY. */
tf_err_t tf_live_recorded_init(tf_live_recorded_t              *recorded,
                               const tf_live_recorded_config_t *config);
void     tf_live_recorded_fini(tf_live_recorded_t *recorded);

#endif
