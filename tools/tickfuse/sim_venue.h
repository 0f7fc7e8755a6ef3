#ifndef TICKFUSE_SIM_VENUE_H
#define TICKFUSE_SIM_VENUE_H

#include "sim/exchange.h"

/* The simulator's venue of that name; NULL, with the nearest one said on stderr, where there
 * is none. */
const sim_venue_t *tickfuse_sim_venue(const char *name);

/* All of them, " a b c", for --help. */
void tickfuse_sim_venues(char *buf, size_t cap);

#endif
