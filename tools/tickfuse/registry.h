/* The tables that this binary is built with: every .def list, joined. */
#ifndef TICKFUSE_REGISTRY_H
#define TICKFUSE_REGISTRY_H

#include "boot/config.h"
#include "tf/registry.h"

const tf_registry_t     *tickfuse_registry(void);
const tf_config_known_t *tickfuse_known(void); /* their names, for error texts */

/* Loads a config against the names of the tables. On failure prints every error found and returns
 * the exit code; 0 otherwise. */
int tickfuse_load_config(const char *path, const char *const *sets, uint32_t set_cnt,
                         tf_config_t **config);

#endif
