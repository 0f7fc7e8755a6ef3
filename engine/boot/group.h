/* A member of a group: what it holds, until when, and what it writes next. Pure: time and the store's answers are handed in,
 * so that the same code runs against a real broker and against a simulator (tests/engine/boot/test_group.c).
 *
 * Leases. A member renews by a new beat in its row of the table (tf/group.h), about every lease / 4. Its lease, and with it all its
 * partitions, runs lease * 63/64 by its own clock from the moment at which it *sent* the last renewal that the store took. Another
 * member clears its row when by *its* own clock a whole lease has gone by since an answer first *brought* it the beat that
 * is still the newest, and only by a swap of the very table that had that beat.
 *
 * Never two holders: let a renewal be sent at s, and be in the store from c on. The holder stops by s + 63/64 lease / (1 - r), r being how
 * much its clock's rate is off. Whoever clears the row saw the beat at o >= c >= s, waits lease / (1 + r) at least, and then its
 * swap is taken only if no newer beat came between. For r <= 1/127 the second is not before the first. Clocks are never compared, and
 * messages may take as long as they like: a late renewal is refused by its revision. What a member that was stopped between
 * looking at the clock and writing does afterwards, the sinks refuse by its epoch (docs/adr/0059).
 *
 * A table that is new, the first or one behind a store that lost its own, is open for taking only when some member has looked at it for
 * a whole lease: whatever was held by an earlier one is over then.
 *
 * Shares are equal as far as each member's share_max allows; what a member has too much of it stops, then gives up; what is
 * free is taken by those that have too little. Nobody commands, and nothing moves that need not.
 *
 * One thread. The clock is one that goes on while the machine sleeps (CLOCK_BOOTTIME). */
#ifndef TF_BOOT_GROUP_H
#define TF_BOOT_GROUP_H

#include "tf/group.h"

#define TF_GROUP_BEATS_A_LEASE   4u
#define TF_GROUP_POLLS_A_LEASE   32u /* while partitions change hands */
#define TF_GROUP_RETRIES_A_LEASE 16u /* after a store that did not answer */
/* A member's memory of a table that the store has lost is a beat old at most: fewer epochs than this can have come since. */
#define TF_GROUP_EPOCHS_LOST 64u

typedef struct tf_group_config {
  const char *member;
  uint64_t    session;       /* random, not 0 */
  uint64_t    lease_ns;      /* at least 100 ms */
  uint32_t    partition_cnt; /* 1 .. TF_GROUP_PARTITIONS_MAX */
  uint32_t    share_max;     /* 0: no bound */
  uint64_t
      wall_offset_ns; /* ns since 1970 less the clock's; wraps. A new table's epochs begin there */
} tf_group_config_t;

typedef struct tf_group_seen { /* of another member: its newest beat, and since when */
  uint64_t session, beat, since_ns;
} tf_group_seen_t;

typedef struct tf_group_own {               /* of a partition; all 0: it is not held */
  uint32_t epoch;                           /* under which it is held */
  uint32_t used_epoch;                      /* an engine ran under it, and has ended */
  bool     gives_up;                        /* to be stopped, then tf_group_stopped */
  bool     stopped;                         /* goes back with the next table */
  uint32_t events_behind, decisions_behind; /* as its engine said last */
} tf_group_own_t;

typedef struct tf_group_counts {
  uint64_t reads, swaps, lost, failed; /* requests; of the swaps: another came first; no answer */
  uint64_t taken, given_up, evicted;   /* partitions, partitions, other members */
  uint64_t lapses;                     /* leases of its own that ran out, or were taken from it */
} tf_group_counts_t;

/* What is to be done now. */
typedef enum tf_group_do {
  TF_GROUP_WAIT, /* until next_ns */
  TF_GROUP_READ, /* ask the store, then tf_group_was_read */
  TF_GROUP_SWAP, /* tf_group_swap_begins, hand over next behind revision, then tf_group_was_swapped */
  TF_GROUP_LEFT /* it has left: nothing more */
} tf_group_do_t;

typedef struct tf_group {
  tf_group_config_t config;
  tf_group_table_t  table, next; /* as it was in the store last; as it is to be */
  uint64_t          revision;    /* of table; 0: there is none */
  tf_group_do_t     does;
  uint64_t          next_ns;
  uint64_t          beat, sent_ns; /* of the newest proposal */
  uint64_t          renewed_ns;    /* when the last renewal that was taken was sent */
  uint64_t          safe_until_ns; /* all that it holds is its own until then; 0: nothing is */
  uint32_t          place;         /* its row; TF_GROUP_NOBODY */
  uint32_t          held_cnt;
  bool              is_doubted; /* what came of the last swap is not known */
  bool              retries;    /* the store did not answer: nothing is asked sooner */
  uint64_t          table_id, table_since_ns; /* when a table of this id was seen first */
  bool              leaves;
  tf_group_seen_t   seen[TF_GROUP_MEMBERS_MAX];
  tf_group_own_t    own[TF_GROUP_PARTITIONS_MAX];
  tf_group_counts_t counts;
} tf_group_t;

/* E_CONFIG_VALUE: a name that is too long, a number out of its range. */
tf_err_t tf_group_init(tf_group_t *group, const tf_group_config_t *config);

tf_group_do_t tf_group_next(tf_group_t *group, uint64_t now_ns);

/* now_ns: when the answer came. E_CONFIG_CONFLICT: the group's table has other partitions or another lease, or is none;
 * nothing was taken over. */
tf_err_t tf_group_was_read(tf_group_t *group, tf_group_result_t result, const void *bytes,
                           size_t bytes_cnt, uint64_t revision, uint64_t now_ns);
void     tf_group_swap_begins(tf_group_t *group, uint64_t now_ns);
void     tf_group_was_swapped(tf_group_t *group, tf_group_result_t result, uint64_t revision,
                              uint64_t now_ns);

size_t tf_group_table_bytes(const tf_group_table_t *table);
/* Checks bytes from a store. E_GROUP_STORE: not a table, or a damaged one. */
tf_err_t tf_group_table_read(const void *bytes, size_t bytes_cnt, tf_group_table_t *table);

/* May an engine run for the partition, and under which epoch? Not where its lease is over, nor under an epoch that is used. */
bool tf_group_holds(const tf_group_t *group, uint32_t partition, uint64_t now_ns, uint32_t *epoch);
/* The partition's engine has ended: it goes back where it is given up. */
void tf_group_stopped(tf_group_t *group, uint32_t partition);
/* Its engine of that epoch has ended, and another is to be started: it wants a later one. */
void tf_group_used(tf_group_t *group, uint32_t partition, uint32_t epoch);
/* How far the partition's engine is: others are told with the next renewal. */
void tf_group_tell(tf_group_t *group, uint32_t partition, uint64_t events_behind,
                   uint64_t decisions_behind);
/* Gives up everything, then leaves. */
void tf_group_leave(tf_group_t *group);

/* How many partitions the member in that row ought to have. */
uint32_t tf_group_share(const tf_group_table_t *table, uint32_t place);
uint32_t tf_group_held_cnt(const tf_group_table_t *table, uint32_t place);
/* Every member has its share. */
bool tf_group_is_settled(const tf_group_table_t *table);

#endif
