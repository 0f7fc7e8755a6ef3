#include "feed/race.h"

void tf_race_arrive(tf_race_t *race, uint64_t key, uint32_t leg, uint64_t recv_ns) {
  tf_race_entry_t *e = &race->entries[key & race->mask];
  if (e->key != key || e->leg == leg) {
    *e = (tf_race_entry_t){.key = key, .recv_ns = recv_ns, .leg = leg};
    return;
  }
  race->legs[leg].losses++;
  if (e->is_won) return;
  e->is_won = 1;
  race->legs[e->leg].wins++;
  /* Sockets are read one after the other: the one read later may have had it a little earlier. */
  tf_hist_record(&race->legs[e->leg].lead, recv_ns > e->recv_ns ? recv_ns - e->recv_ns : 0);
}
