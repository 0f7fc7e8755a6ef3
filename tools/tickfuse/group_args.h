/* What `tickfuse group` starts an engine with: `run` with the same config, in which {partition} has become the partition's four digits
 * wherever a value holds it (a sink's stream, a path, a name in shared memory), and a feed that is cut into partitions reads its
 * own. Control plane. */
#ifndef TICKFUSE_GROUP_ARGS_H
#define TICKFUSE_GROUP_ARGS_H

#include "boot/config.h"

#define TICKFUSE_GROUP_PLACE "{partition}"

typedef struct tf_group_args {
  const tf_config_t *config;
  const char        *program;
  const char *const *sets; /* the supervisor's own --set, which stand before */
  uint32_t           set_cnt;
  char              *texts[TF_CONFIG_SETS_MAX]; /* of --set, made for one partition */
  uint32_t           text_cnt;
  char               partition[16], epoch[16], lease_fd[16], snapshot[40], every[48];
  const char        *argv[2 * TF_CONFIG_SETS_MAX + 16];
} tf_group_args_t;

/* E_CONFIG_CONFLICT: more values hold {partition} than an engine takes --set. */
tf_err_t tf_group_args_init(tf_group_args_t *args, const tf_config_t *config, const char *program,
                            const char *const *sets, uint32_t set_cnt);
void     tf_group_args_fini(tf_group_args_t *args);

/* As tf_group_engines_config_t wants it; self: the args. */
const char *const *tf_group_args_of(void *self, uint32_t partition, uint32_t epoch);

/* The first value that holds {partition}, NULL: none. An engine by itself knows no partition. */
const tf_config_value_t *tf_group_args_place(const tf_config_t *config);

#endif
