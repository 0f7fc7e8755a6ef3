/* Which of several connections brings a message first, and by how much. Both bring the same; a key that
 * names it (a hash, the caller's) is remembered for a while, and who comes with it next has lost.
 *
 * A table with one place a key: a newer message takes the place of an older one, whose race is then not
 * counted. Only messages that a second connection brought count at all. One writer: the lane. */
#ifndef FEED_RACE_H
#define FEED_RACE_H

#include "core/hist.h"

#define TF_RACE_LEGS_MAX 8u

typedef struct tf_race_entry {
  uint64_t key, recv_ns;
  uint32_t leg;
  uint32_t is_won; /* a second has come */
} tf_race_entry_t;

typedef struct tf_race_counts { /* of one connection */
  uint64_t  wins;               /* messages that it brought before another did */
  uint64_t  losses;             /* and those that another had brought before */
  tf_hist_t lead;               /* ns, of its wins: until the second came */
} tf_race_counts_t;

typedef struct tf_race {
  tf_race_entry_t *entries;
  uint32_t         mask;
  tf_race_counts_t legs[TF_RACE_LEGS_MAX];
} tf_race_t;

/* entry_cnt: a power of two. entries: that many, zeroed. */
TF_INLINE void tf_race_init(tf_race_t *race, tf_race_entry_t *entries, uint32_t entry_cnt) {
  TF_ASSERT(entry_cnt > 0 && (entry_cnt & (entry_cnt - 1)) == 0);
  race->entries = entries;
  race->mask    = entry_cnt - 1;
}

/* Leg (below TF_RACE_LEGS_MAX) brought the message of this key. */
void tf_race_arrive(tf_race_t *race, uint64_t key, uint32_t leg, uint64_t recv_ns);

#endif
