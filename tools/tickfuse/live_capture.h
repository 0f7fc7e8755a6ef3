/* The capture of a live run (file/capture.h) from the config's feeds: `run --capture` and `record` share
 * it. Control plane, one thread. */
#ifndef TICKFUSE_LIVE_CAPTURE_H
#define TICKFUSE_LIVE_CAPTURE_H

#include <jansson.h>

#include "file/capture.h"
#include "live_plan.h"

typedef struct tf_live_capture {
  tf_arena_t   arena;
  tf_capture_t capture;
  const char  *dir; /* NULL: none is written */
  tf_err_t     err; /* of stop */
  char         err_text[512];
} tf_live_capture_t;

/* dir NULL: the config's capture.path; if that names none either, nothing is captured. alone: no engine
 * decides beside it, so the feeds may wait for the disk (policy auto). */
tf_err_t tf_live_capture_start(tf_live_capture_t *live, const tf_config_t *config,
                               const tf_live_plan_t *plan, const char *dir, bool alone);

/* For the sessions; none when nothing is captured. */
tf_tap_t tf_live_capture_tap(tf_live_capture_t *live);

/* Once a second: the metrics. */
void tf_live_capture_publish(const tf_live_capture_t *live, tf_publish_t *publish);

/* After acquire has ended. */
void tf_live_capture_stop(tf_live_capture_t *live);

/* "12.0 s  34567 messages ..." without a newline. */
void tf_live_capture_progress(const tf_live_capture_t *live, uint64_t elapsed_ns, FILE *out);

/* After stop: an object, or what people read; NULL and nothing when nothing was captured. */
json_t *tf_live_capture_json(const tf_live_capture_t *live);
void    tf_live_capture_print(const tf_live_capture_t *live, FILE *out);

#endif
