/* What a config under construction, and a loaded one, keeps behind its public struct: memory,
 * sources, and the errors found so far. Private to engine/boot. */
#ifndef TF_BOOT_CONFIG_STORE_H
#define TF_BOOT_CONFIG_STORE_H

#include "boot/config.h"
#include "boot/config_pool.h"
#include "boot/config_tree.h"

#define TF_CONFIG_PATH_BYTES  256
#define TF_CONFIG_PLACE_BYTES 512

/* Sources by index: where values come from. */
#define TF_CONFIG_SOURCE_DEFAULT 0
#define TF_CONFIG_SOURCE_PROFILE 1
#define TF_CONFIG_SOURCE_FILE    2
#define TF_CONFIG_SOURCE_SETS    3 /* and one more for each further --set */
#define TF_CONFIG_SOURCES_MAX    (TF_CONFIG_SOURCE_SETS + TF_CONFIG_SETS_MAX)

typedef struct tf_config_store {
  tf_config_pool_t    pool;
  tf_config_errors_t *errors; /* the caller's; NULL once loaded */
  tf_config_node_t   *root;
  const char         *labels[TF_CONFIG_SOURCES_MAX]; /* "configs/x.yaml", "--set a=b" */
  const char         *dir; /* of the file, with its slash; "" for the current one */
  tf_config_value_t  *values_last;
} tf_config_store_t;

/* "configs/x.yaml:12:7", or the source's label alone where it has no lines. Returns buf. */
const char *tf_config_store_place(const tf_config_store_t *store, uint32_t source, uint32_t line,
                                  uint32_t col, char *buf, size_t cap);

/* Reports at a place; path "" leaves it out. */
void tf_config_store_report(tf_config_store_t *store, tf_err_t code, uint32_t source, uint32_t line,
                            uint32_t col, const char *path, const char *fmt, ...) TF_PRINTF(7, 8);

#endif
