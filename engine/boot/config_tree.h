/* YAML as an untyped tree that remembers where every key and value stood. libyaml's events are
 * taken one by one, so the limits hold before memory is spent. Accepted is the part of YAML that
 * reads the same to everybody: one document of mappings, lists and scalars, block or flow. Refused
 * with their place: anchors, aliases, tags, %TAG, several documents, duplicate keys, keys that are
 * not text, depth over 16. Private to engine/boot; one thread. */
#ifndef TF_BOOT_CONFIG_TREE_H
#define TF_BOOT_CONFIG_TREE_H

#include "boot/config_pool.h"
#include "boot/config_report.h"

#define TF_CONFIG_DEPTH_MAX    16
#define TF_CONFIG_MAP_KEYS_MAX 1024 /* duplicates are looked for pair by pair */

typedef enum tf_config_node_kind {
  TF_CONFIG_SCALAR,
  TF_CONFIG_LIST,
  TF_CONFIG_MAP,
  TF_CONFIG_POISON /* was refused and reported: nothing more is said of it */
} tf_config_node_kind_t;

typedef struct tf_config_node tf_config_node_t;
struct tf_config_node {
  uint8_t           kind;   /* tf_config_node_kind_t */
  bool              plain;  /* a scalar without quotes: may be a boolean, a number or nothing */
  uint32_t          source; /* whose text: index of the config's sources */
  uint32_t          line, col;
  const char       *text; /* scalar; NUL-terminated */
  uint32_t          text_cnt;
  uint32_t          child_cnt;
  tf_config_node_t *first, *last, *next; /* children in order; next sibling */
  const char       *key;                 /* this node's key in its mapping, else NULL */
  uint32_t          key_line, key_col;
};

/* What is being parsed: a file, or a value given on the command line. */
typedef struct tf_config_input {
  uint32_t    source;
  const char *label;   /* file name, or "--set key=value" */
  bool        is_file; /* places carry line and column; else collections must be flow style */
  const char *text;    /* checked by tf_config_text_check */
  size_t      text_cnt;
} tf_config_input_t;

/* The root, or NULL: nothing usable came of it, and why is reported (E_CONFIG_SYNTAX,
 * E_CONFIG_KEY, E_CORE_NO_MEMORY). A root may come back together with reported errors. An empty
 * text gives a plain empty scalar. */
tf_config_node_t *tf_config_tree_parse(tf_config_pool_t *pool, tf_config_errors_t *errors,
                                       const tf_config_input_t *input);

/* The child of a mapping by key; NULL when absent or node is no mapping. */
tf_config_node_t *tf_config_tree_child(const tf_config_node_t *node, const char *key);
void              tf_config_tree_append(tf_config_node_t *parent, tf_config_node_t *child);

#endif
