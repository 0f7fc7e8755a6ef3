#include "snapshot_group.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/error.h"
#include "group/registry.h"

#define CALL_NS                                                                                    \
  (5 * TF_NS_PER_SEC) /* nothing waits for a snapshot but its own thread, and a start */

static struct {
  const tf_group_store_t *store;
  void                   *state;
} group; /* of the process: it is in one group */

tf_err_t tickfuse_group_store(const tf_config_t *config, uint64_t timeout_ns, bool may_create,
                              const tf_group_store_t **store, void **state) {
  static const char *const      names[] = {[TF_CONFIG_GROUP_DIR]   = "dir",
                                           [TF_CONFIG_GROUP_NATS]  = "nats",
                                           [TF_CONFIG_GROUP_REDIS] = "redis"};
  const tf_config_membership_t *g       = &config->group;
  const tf_group_store_config_t c       = {
            .group      = g->name,
            .broker     = {.url           = g->url,
                           .user          = g->user,
                           .password_file = g->password_file,
                           .token_file    = g->token_file,
                           .ca_file       = g->ca_file,
                           .cert_file     = g->cert_file,
                           .tls_key_file  = g->tls_key_file},
            .dir        = g->dir,
            .timeout_ns = timeout_ns,
            .may_create = may_create
  };
  *state = NULL;
  if (!g->name)
    return TF_ERR(E_CONFIG_VALUE,
                  "%s: group.name: it is wanted, for example group: {name: spot, ..}",
                  config->path);
  if (!(*store = tf_group_store_find(names[g->store])))
    return TF_ERR(E_CONFIG_VALUE, "%s: group.store: %s is not in this build", config->path,
                  names[g->store]);
  return (*store)->open(&c, state);
}

/* "p0042" */
static uint32_t partition_of(const char *name) { return (uint32_t)strtoul(name + 1, NULL, 10); }

static tf_err_t put(void *self, const char *name, const tf_snapshot_mark_t *mark, const void *bytes,
                    size_t bytes_cnt) {
  (void)self;
  const tf_group_snapshot_t snapshot = {.ingest_seq   = mark->ingest_seq,
                                        .decision_seq = mark->decision_seq,
                                        .taken_ns     = tf_clock_wall_ns(),
                                        .bytes_cnt    = bytes_cnt,
                                        .partition    = partition_of(name),
                                        .epoch        = mark->epoch};
  if (bytes_cnt > TF_GROUP_SNAPSHOT_BYTES_MAX)
    return TF_ERR(E_GROUP_STORE, "a snapshot of %zu bytes; at most %llu are allowed", bytes_cnt,
                  (unsigned long long)TF_GROUP_SNAPSHOT_BYTES_MAX);
  switch (group.store->put(group.state, &snapshot, bytes)) {
  case TF_GROUP_DONE: return TF_OK;
  case TF_GROUP_LOST:
    return TF_ERR(E_GROUP_LEASE,
                  "snapshot of partition %u: an engine of a later epoch than %u has put one",
                  snapshot.partition, snapshot.epoch);
  case TF_GROUP_FAILED: break;
  }
  return tf_error_code();
}

static tf_err_t get(void *self, const char *name, uint32_t back_cnt, void **bytes,
                    size_t *bytes_cnt) {
  tf_group_snapshot_t snapshot;
  uint8_t            *got = NULL;
  (void)self;
  switch (group.store->get(group.state, partition_of(name), back_cnt, &snapshot, &got)) {
  case TF_GROUP_DONE: break;
  case TF_GROUP_LOST:
    return TF_ERR(E_BOOT_SNAPSHOT_NONE, "partition %u has no snapshot in the group's store",
                  partition_of(name));
  case TF_GROUP_FAILED: return tf_error_code();
  }
  *bytes     = got;
  *bytes_cnt = snapshot.bytes_cnt;
  return TF_OK;
}

tf_err_t tickfuse_snapshots_of_group(const tf_config_t *config, tf_snapshot_store_t *store) {
  *store = (tf_snapshot_store_t){.put = put, .get = get};
  return tickfuse_group_store(config, CALL_NS, true, &group.store, &group.state);
}
