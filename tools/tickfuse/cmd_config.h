/* The two commands about configuration: `check CONFIG` and `schema`. argv[0] is the command's name;
 * the answer is the exit status (0 done, 1 failed, 2 bad usage or config). */
#ifndef TF_TOOLS_CMD_CONFIG_H
#define TF_TOOLS_CMD_CONFIG_H

#include "boot/config.h"

/* Names that check compares venues, sinks and policies with; NULL (the start): not compared. The
 * object must outlive the commands. */
void tf_cmd_check_known(const tf_config_known_t *known);

/* What a config must pass beyond its own grammar: features, rules, models, topology. 0, or the error
 * with its record set. NULL (the start): nothing more is checked. */
void tf_cmd_check_deep(tf_err_t (*deep)(const tf_config_t *config));

#endif
