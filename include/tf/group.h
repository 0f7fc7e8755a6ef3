/* Engines in a group share a venue's instruments: a partition is a lane's worth of them (tf/partition.h), and one engine at
 * a time computes it. Who that is stands in one small table, which lies in a store that all members reach. Each member reads
 * the table, works out the next one (engine/boot/group.h) and hands it back: the store takes it if nobody else's came
 * between, by the revision that was read. That is all that is asked of a store: adapters/group/<name>.c exporting
 * tf_group_store_<name>, plus its line in stores.def.
 *
 * The table says nothing of time that anybody compares: each member measures by its own clock, from the moment of its own
 * request or of the answer that it got. Snapshots of partitions lie in the same store: the last two of each. */
#ifndef TF_GROUP_H
#define TF_GROUP_H

#include "tf/broker.h"

#define TF_GROUP_MEMBERS_MAX    256u
#define TF_GROUP_PARTITIONS_MAX 4096u
#define TF_GROUP_NAME_BYTES     32u /* of a group, of a member: with the NUL */
#define TF_GROUP_NOBODY         UINT16_MAX
#define TF_GROUP_MAGIC          UINT64_C(0x31707567666b6974) /* "tikfgup1" */
#define TF_GROUP_VERSION        2u

typedef struct tf_group_head {
  uint64_t magic;
  uint32_t version;
  uint32_t partition_cnt, member_cnt; /* places of members, free ones among them */
  uint32_t flags;
  uint64_t
      lease_ns; /* members of another lease are refused: the argument of group.h wants it equal */
  uint64_t id;  /* random: another table than one that was there before */
  uint64_t reserved[3];
} tf_group_head_t;

#define TF_GROUP_OPEN          1u /* of the head: partitions may be taken */
#define TF_GROUP_MEMBER_LEAVES 1u /* it gives back what it holds and takes nothing more */

/* Written by the member alone, but that any other may clear it once it is over. */
typedef struct tf_group_member {
  char     name[TF_GROUP_NAME_BYTES]; /* "": the place is free */
  uint64_t session;                   /* random, of the process: never 0 */
  uint64_t beat;                      /* another one with each renewal */
  uint32_t share_max;                 /* partitions at most; 0: no bound of its own */
  uint32_t flags;
  uint64_t reserved;
} tf_group_member_t;

/* Written by whoever takes it, then by its holder. No snapshot is told of here: a store says itself which it has. */
typedef struct tf_group_partition {
  uint32_t epoch;  /* the fencing number: a larger one with each start of an engine for it */
  uint16_t member; /* place; TF_GROUP_NOBODY */
  uint16_t reserved;
  /* how far its engine was at the holder's last renewal, for people; saturating */
  uint32_t events_behind;    /* messages of its feeds that it had not read */
  uint32_t decisions_behind; /* made, and not delivered */
} tf_group_partition_t;

TF_STATIC_ASSERT(sizeof(tf_group_head_t) == 64 && sizeof(tf_group_member_t) == 64 &&
                     sizeof(tf_group_partition_t) == 16,
                 "part of the table's format");

typedef struct tf_group_table {
  tf_group_head_t      head;
  tf_group_member_t    members[TF_GROUP_MEMBERS_MAX];
  tf_group_partition_t partitions[TF_GROUP_PARTITIONS_MAX];
} tf_group_table_t;

/* In a store: the head, member_cnt members, partition_cnt partitions; native, little endian. */
#define TF_GROUP_TABLE_BYTES_MAX sizeof(tf_group_table_t)

typedef enum tf_group_result {
  TF_GROUP_DONE,
  TF_GROUP_LOST,  /* swap: another was there before; snapshot: there is none. Nothing was changed */
  TF_GROUP_FAILED /* not known what came of it: the thread's error says why */
} tf_group_result_t;

typedef struct tf_group_store_config {
  const char *group; /* the name */
  tf_broker_config_t
      broker;      /* all NULL where the store wants none; name and stream: the store's to choose */
  const char *dir; /* of the store "dir" */
  uint64_t    timeout_ns; /* of one call; a snapshot's may take more, one timeout a chunk */
  bool        may_create; /* make what is not there (a stream); else an empty one is told as such */
} tf_group_store_config_t;

/* What a snapshot is of; of two the one with the higher ingest_seq is the newer. */
typedef struct tf_group_snapshot {
  uint64_t ingest_seq,
      decision_seq;  /* the last event that is in it, the last decision made of those */
  uint64_t taken_ns; /* since 1970, by its owner's clock: for people */
  uint64_t bytes_cnt;
  uint32_t partition, epoch; /* of the engine that took it */
} tf_group_snapshot_t;

/* One thread at a time. Calls wait, up to the config's timeout. */
typedef struct tf_group_store {
  const char *name, *help;

  /* The strings are the caller's and outlive the state. The server need not be there yet. E_CONFIG_VALUE, E_CORE_NO_MEMORY,
   * E_FILE_OPEN, what reading a secret gives. */
  tf_err_t (*open)(const tf_group_store_config_t *config, void **state);
  void (*close)(void *state); /* accepts NULL */

  /* The first call: it makes what is to be made. What was written last, at most cap bytes of it; its revision, 0 and no bytes: nothing yet. */
  tf_group_result_t (*read)(void *state, void *bytes, size_t cap, size_t *bytes_cnt,
                            uint64_t *revision);
  /* Takes the place of *revision and says its own, or LOST. */
  tf_group_result_t (*swap)(void *state, const void *bytes, size_t bytes_cnt, uint64_t *revision);

  /* Whole or not at all, for whoever reads; the one before it is kept. LOST: an engine of a later epoch has put one. */
  tf_group_result_t (*put)(void *state, const tf_group_snapshot_t *snapshot, const void *bytes);
  /* The newest of the partition (age 0), or the one before (1); LOST: there is none. *bytes is malloc'd and the caller's;
   * bytes NULL: only what it is of. */
  tf_group_result_t (*get)(void *state, uint32_t partition, uint32_t age,
                           tf_group_snapshot_t *snapshot, uint8_t **bytes);
} tf_group_store_t;

#define TF_GROUP_SNAPSHOT_BYTES_MAX (UINT64_C(1) << 30)

#endif
