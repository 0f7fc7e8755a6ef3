/* A recording as the simulator's market: its frames go out verbatim, paced by their receive
 * times, to those who subscribed; snapshots for who comes later are rendered from books that
 * are kept along the way. */
#ifndef SIM_PLAYBACK_H
#define SIM_PLAYBACK_H

#include "sim/exchange.h"
#include "tf/feed.h"

typedef struct sim_playback sim_playback_t;

/* Opens the recording, finds its symbols and makes the exchange of them (sim_exchange_init is
 * called here, and fini is the caller's in any case). feed: the venue's decoder. speed: factor
 * of recorded time. Memory: heap, at start. */
tf_err_t sim_playback_open(const char *path, const sim_venue_t *venue, const tf_feed_t *feed,
                           double speed, faults_t *faults, sim_exchange_t *exchange,
                           sim_playback_t **playback);
void     sim_playback_close(sim_playback_t *playback);

/* Sends what is due at now_ns (monotonic). *wait_ns: until the next one. Returns 1 while there is
 * more, 0 at the end, or an error (damaged recording). */
int sim_playback_poll(sim_playback_t *playback, uint64_t now_ns, uint64_t *wait_ns);

#endif
