/* A member of a group at work: asks the store what the lease wants asked (boot/group.h), and has the partitions' engines follow
 * (boot/group_engines.h). Control plane; one thread, which waits for the store. */
#ifndef TF_BOOT_GROUP_RUN_H
#define TF_BOOT_GROUP_RUN_H

#include "boot/group_engines.h"

typedef struct tf_group_run_config {
  tf_group_config_t         lease;
  tf_group_engines_config_t engines; /* lease_fd: set by init */
  const tf_group_store_t   *store;
  void                     *store_state; /* the caller's */
} tf_group_run_config_t;

typedef struct tf_group_run {
  tf_group_t              group;
  tf_group_engines_t      engines;
  const tf_group_store_t *store;
  void                   *store_state;
  tf_lease_page_t        *page;
  bool                    is_trouble; /* the store did not answer last time */
  uint8_t                 bytes[TF_GROUP_TABLE_BYTES_MAX];
} tf_group_run_t;

/* What tf_group_init gives, E_CORE_SYSTEM. fini accepts what init left unfinished. */
tf_err_t tf_group_run_init(tf_group_run_t *run, const tf_group_run_config_t *config);
void     tf_group_run_fini(tf_group_run_t *run); /* kills engines that still run */

/* One pass; waits a little where there is nothing to do. False: it has left. E_CONFIG_CONFLICT in *err: it does not fit
 * the group, and holds nothing. */
bool tf_group_run_pass(tf_group_run_t *run, tf_err_t *err);

#endif
