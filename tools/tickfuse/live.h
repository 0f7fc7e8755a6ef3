/* What `run`, `record` and `demo` share: sessions for the config's feeds, the HTTP listener, and the wait with a
 * live table. */
#ifndef TICKFUSE_LIVE_H
#define TICKFUSE_LIVE_H

#include "boot/engine.h"

typedef struct tf_live_options {
  uint64_t    run_ns;    /* 0: until a signal */
  bool        table;     /* a table on stdout while it runs */
  bool        json;      /* the summary as JSON, nothing else on stdout */
  const char *capture;   /* directory of a capture; NULL: the config's, if it names one */
  const char *tape;      /* file of a tape; NULL: none */
  uint32_t    epoch;     /* of an engine of a group; 0: the clock's */
  bool        recording; /* the capture is the purpose: a line about it while it runs */
} tf_live_options_t;

/* Runs the config live until it is over; prints the summary. Returns the exit code. */
int tf_live_run(const tf_config_t *config, const tf_live_options_t *options);

/* Measures the endpoints of every feed once and prints them in their order: `tickfuse endpoints`. Exit code
 * 0 where every feed has one that can be reached. */
int tf_live_endpoints(const tf_config_t *config, bool json);

#endif
