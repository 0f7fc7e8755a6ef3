/* A recording as the simulator's market: its frames go out verbatim, paced by their receive times, and
 * depth snapshots are rendered from a book that is kept along the way. */
#ifndef SIM_PLAYBACK_H
#define SIM_PLAYBACK_H

#include "binance.h"
#include "tf/feed.h"

typedef struct sim_playback sim_playback_t;

/* Opens the recording, finds its symbols and sets binance up for them (its init is called here). feed:
 * the decoder of the venue. speed: factor of recorded time. */
tf_err_t sim_playback_open(const char *path, const tf_feed_t *feed, bool futures, double speed,
                           sim_binance_t *binance, sim_playback_t **playback);
void     sim_playback_close(sim_playback_t *playback);

/* Sends what is due at now_ns (monotonic). *wait_ns: until the next one. Returns 1 while there is
 * more, 0 at the end, or an error (damaged recording). */
int sim_playback_poll(sim_playback_t *playback, sim_server_t *server, uint64_t now_ns,
                      uint64_t *wait_ns);

#endif
