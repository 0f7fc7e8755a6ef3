/* The table that `run --table` and `demo` draw once a second, from the metrics page: in place on a
 * terminal, a line a second elsewhere. */
#ifndef TICKFUSE_LIVE_TABLE_H
#define TICKFUSE_LIVE_TABLE_H

#include "boot/engine.h"

void        tf_live_table_draw(const tf_engine_t *engine, uint32_t feed_cnt, uint64_t elapsed_ns);
const char *tf_live_table_state(uint64_t feed_state); /* "LIVE" */

#endif
