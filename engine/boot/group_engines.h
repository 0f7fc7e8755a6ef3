/* The engines of a member's partitions: a process each, started, watched and ended. Which of them are wanted says the lease
 * (boot/group.h); what they are started with says whoever joins the parts.
 *
 * An engine that ended is started again after a pause, 100 ms at first, doubled up to 10 s while they die young. One that is
 * given up gets SIGTERM, and SIGKILL after stop_ns. As a lease runs out (renewals fail): SIGTERM at 3/8 of it, SIGKILL at 1/4, so
 * that nothing runs when it is over, though a call of the store may be waiting meanwhile (1/8 of a lease at most). Should the supervisor itself
 * stand still, its engines end themselves by the lease's page. Each says there that it lives, and how far it is: one that has said so and
 * then does not for TF_GROUP_STILL leases is killed.
 *
 * One thread, the one that started them: they die with it. */
#ifndef TF_BOOT_GROUP_ENGINES_H
#define TF_BOOT_GROUP_ENGINES_H

#include <sys/types.h>

#include "boot/group.h"
#include "boot/lease_page.h"

#define TF_GROUP_LEASE_FD  3 /* where an engine finds the lease's page */
#define TF_GROUP_PAUSE_MIN (100 * TF_NS_PER_MS)
#define TF_GROUP_PAUSE_MAX (10 * TF_NS_PER_SEC)
#define TF_GROUP_STILL     2u
#define TF_GROUP_YOUNG     (10 * TF_NS_PER_SEC) /* one that dies before has died young */

typedef struct tf_group_engine {
  pid_t    pid; /* 0: none runs */
  uint32_t epoch;
  bool     is_killed;
  uint64_t started_ns, told_ns; /* told to end; 0: not */
  uint64_t not_before_ns, pause_ns;
} tf_group_engine_t;

typedef struct tf_group_engines_config {
  void *self;
  /* What an engine is started with, NULL-terminated; stands until the next call. */
  const char *const *(*argv_of)(void *self, uint32_t partition, uint32_t epoch);
  const char *log_dir; /* NULL: our own stderr */
  uint64_t    stop_ns;
  int         lease_fd;
} tf_group_engines_config_t;

typedef struct tf_group_engines_counts {
  uint64_t starts, ends; /* ends: unasked */
  uint64_t stops, kills;
  uint64_t running; /* now */
} tf_group_engines_counts_t;

typedef struct tf_group_engines {
  tf_group_engines_config_t config;
  const tf_lease_page_t    *page;
  tf_group_engine_t         engines[TF_GROUP_PARTITIONS_MAX];
  tf_group_engines_counts_t counts;
} tf_group_engines_t;

/* Once in a while, before and after each call of the store: engines follow what the member holds. */
void tf_group_engines_follow(tf_group_engines_t *engines, tf_group_t *group, uint64_t now_ns);
/* Kills what still runs. */
void tf_group_engines_end(tf_group_engines_t *engines, uint32_t partition_cnt);

#endif
