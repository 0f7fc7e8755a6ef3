/* The two commands about configuration: `check CONFIG` and `schema`. argv[0] is the command's name;
 * the answer is the exit status (0 done, 1 failed, 2 bad usage or config). */
#ifndef TF_TOOLS_CMD_CONFIG_H
#define TF_TOOLS_CMD_CONFIG_H

#include <jansson.h>

#include "boot/config.h"

/* Names that check compares venues, sinks and policies with; NULL (the start): not compared. The
 * object must outlive the commands. */
void tf_cmd_check_known(const tf_config_known_t *known);

/* What a config must pass beyond its own grammar, and what comes of it. */
typedef struct tf_cmd_check_deep {
  /* Features, rules, models, topology, connections. 0, or the error with its record set. */
  tf_err_t (*check)(const tf_config_t *config);
  /* Of a config that passed: the connections of a live run, as lines and as a list. */
  void (*print)(const tf_config_t *config, FILE *out);
  json_t *(*json)(const tf_config_t *config);
  /* Who computes the features of models[model_idx], where a worker may answer it; empty: there is nothing to say. */
  const char *(*features)(uint32_t model_idx);
} tf_cmd_check_deep_t;

/* The object must outlive the commands. NULL (the start): nothing more is checked. */
void tf_cmd_check_deep(const tf_cmd_check_deep_t *deep);

#endif
