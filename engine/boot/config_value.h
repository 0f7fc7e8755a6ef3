/* One scalar (or list of scalars) of the config as its row's type: text to field, checked, and to
 * the one canonical spelling that listings show and the hash covers. Private to engine/boot; pure
 * apart from the pool and the look whether a FILE is there. */
#ifndef TF_BOOT_CONFIG_VALUE_H
#define TF_BOOT_CONFIG_VALUE_H

#include "boot/config_table.h"
#include "boot/config_tree.h"

#define TF_CONFIG_WHY_BYTES 512

typedef struct tf_config_value_in {
  tf_config_pool_t        *pool;
  const tf_config_key_t   *key;
  const tf_config_node_t  *node;    /* not POISON */
  const char              *dir;     /* of the config file, with its slash; "" for the current one */
  const tf_config_node_t **culprit; /* out: the item of a list that was refused, else untouched */
} tf_config_value_in_t;

/* Writes *field (of the type's C type) and returns the canonical text. NULL: refused, nothing
 * written, and why says what was found and what is allowed. */
const char *tf_config_value_parse(const tf_config_value_in_t *in, void *field,
                                  char why[TF_CONFIG_WHY_BYTES]);

/* What a node is, in words: `"spinn"`, `5, a number`, `a list`, `nothing`. Returns buf. */
const char *tf_config_value_found(const tf_config_node_t *node, char buf[TF_CONFIG_FOUND_BYTES]);

/* ns as the largest unit that divides it: "250ms". Returns buf, which takes 32 bytes. */
const char *tf_config_value_duration_text(uint64_t ns, char buf[32]);
const char *tf_config_value_size_text(uint64_t bytes, char buf[32]);

/* The range column for people: "1 .. 65536 slots", "1ms .. 24h"; "" where there is none. */
const char *tf_config_value_range_text(const tf_config_key_t *key, char *buf, size_t cap);

#endif
