#include "boot/config_bind.h"

#include <string.h>

#include "boot/config_table.h"
#include "boot/config_value.h"
#include "core/nearest.h"
#include "core/text.h"

#define NAMES_MAX 64

typedef struct place {
  const tf_config_section_t *section;
  const tf_config_node_t    *node; /* the section's mapping, or what stands in its stead */
  void                      *base;
  const char                *path;     /* "feeds[0]", "" for the root */
  bool                       is_named; /* its first key is the name that it stands under: bound */
} place_t;

static void bind_section(tf_config_t *config, const place_t *at);

static void report_no_memory(tf_config_t *config) {
  tf_config_store_report(config->store, E_CORE_NO_MEMORY, TF_CONFIG_SOURCE_FILE, 0, 0, "",
                         "no memory for its values");
}

/* "feeds" and "[0]", "feeds[0]" and "url". Paths are four segments deep at most, each bounded. */
static void join_path(const char *path, const char *name, char joined[TF_CONFIG_PATH_BYTES]) {
  const char *between = *path && *name != '[' ? "." : "";
  int         cnt     = snprintf(joined, TF_CONFIG_PATH_BYTES, "%s%s%s", path, between, name);
  TF_ASSERT(cnt >= 0 && cnt < TF_CONFIG_PATH_BYTES);
}

/* ---- keys that nobody knows ---- */

static uint32_t key_names(const place_t *at, const char *names[NAMES_MAX]) {
  const tf_config_section_t *section = at->section;
  uint32_t                   cnt     = 0;
  TF_ASSERT(section->key_cnt + section->group_cnt <= NAMES_MAX);
  for (uint32_t i = at->is_named; i < section->key_cnt; i++) names[cnt++] = section->keys[i].name;
  for (uint32_t i = 0; i < section->group_cnt; i++) names[cnt++] = section->groups[i].name;
  return cnt;
}

static void report_unknown(tf_config_t *config, const place_t *at, const tf_config_node_t *node) {
  const char *names[NAMES_MAX];
  char        key[64], path[TF_CONFIG_PATH_BYTES], allowed[640];
  uint32_t    cnt  = key_names(at, names);
  const char *near = tf_nearest_name(node->key, names, cnt);
  size_t      used = 0;
  for (uint32_t i = 0; i < cnt && used < sizeof allowed; i++)
    used +=
        (size_t)snprintf(allowed + used, sizeof allowed - used, "%s%s", i ? ", " : "", names[i]);
  tf_text_escape(node->key, strlen(node->key), key, sizeof key);
  join_path(at->path, *key ? key : "\"\"", path);
  tf_config_store_report(config->store, E_CONFIG_KEY, node->source, node->key_line, node->key_col,
                         path, "unknown key;%s%s%s allowed: %s", near ? " did you mean \"" : "",
                         near ? near : "", near ? "\"?" : "", allowed);
}

static void check_keys(tf_config_t *config, const place_t *at) {
  const char *names[NAMES_MAX];
  uint32_t    cnt = key_names(at, names);
  for (const tf_config_node_t *node = at->node->first; node; node = node->next) {
    bool known = false;
    for (uint32_t i = 0; i < cnt; i++) known |= strcmp(names[i], node->key) == 0;
    if (!known) report_unknown(config, at, node);
  }
}

/* Does an unknown key stand where a required one is missing? Then one error says both. */
static bool is_misspelt(const place_t *at, const char *name) {
  const char *names[NAMES_MAX];
  uint32_t    cnt = key_names(at, names);
  for (const tf_config_node_t *node = at->node->first; node; node = node->next) {
    const char *near = tf_nearest_name(node->key, names, cnt);
    if (near && strcmp(near, name) == 0 && strcmp(node->key, name) != 0) return true;
  }
  return false;
}

/* ---- one key ---- */

/* The default as a node, as if it had been written. */
static const tf_config_node_t *node_of_default(tf_config_t *config, const char *text) {
  tf_config_input_t input = {.source   = TF_CONFIG_SOURCE_DEFAULT,
                             .label    = "default",
                             .text     = text,
                             .text_cnt = strlen(text)};
  return tf_config_tree_parse(&config->store->pool, config->store->errors, &input);
}

static void add_value(tf_config_t *config, const tf_config_node_t *node, const char *path,
                      const char *text) {
  tf_config_store_t *store = config->store;
  tf_config_value_t *value = tf_config_pool_take(&store->pool, sizeof *value);
  const char        *kept  = tf_config_pool_text(&store->pool, path, strlen(path));
  if (!value || !kept) {
    report_no_memory(config);
    return;
  }
  *value = (tf_config_value_t){
      .path = kept, .text = text, .source = node->source, .line = node->line, .col = node->col};
  if (store->values_last)
    store->values_last->next = value;
  else
    config->values = value;
  store->values_last = value;
}

/* node NULL: the key is absent. path: the value's own. */
static void bind_key(tf_config_t *config, const tf_config_key_t *key, const tf_config_node_t *node,
                     void *base, const char *path) {
  if (!node) {
    if (!key->standard) return;
    node = node_of_default(config, key->standard);
    if (!node) return;
  }
  if (node->kind == TF_CONFIG_POISON) return;
  char                    why[TF_CONFIG_WHY_BYTES];
  const tf_config_node_t *culprit = node;
  tf_config_value_in_t    in      = {.pool    = &config->store->pool,
                                     .key     = key,
                                     .node    = node,
                                     .dir     = config->store->dir,
                                     .culprit = &culprit};
  const char             *text    = tf_config_value_parse(&in, (char *)base + key->offset, why);
  if (text)
    add_value(config, node, path, text);
  else
    tf_config_store_report(config->store, E_CONFIG_VALUE, culprit->source, culprit->line,
                           culprit->col, path, "%s", why);
}

static void bind_keys(tf_config_t *config, const place_t *at) {
  for (uint32_t i = at->is_named; i < at->section->key_cnt; i++) {
    const tf_config_key_t  *key  = &at->section->keys[i];
    const tf_config_node_t *node = tf_config_tree_child(at->node, key->name);
    char                    path[TF_CONFIG_PATH_BYTES];
    join_path(at->path, key->name, path);
    if (node || !tf_config_table_required(key))
      bind_key(config, key, node, at->base, path);
    else if (!is_misspelt(at, key->name))
      tf_config_store_report(config->store, E_CONFIG_VALUE, at->node->source, at->node->line,
                             at->node->col, at->path, "\"%s\" is missing: %s", key->name,
                             key->help);
  }
}

/* ---- groups ---- */

static void report_shape(tf_config_t *config, const tf_config_node_t *node, const char *path,
                         const char *expected) {
  char found[TF_CONFIG_FOUND_BYTES];
  if (node->kind == TF_CONFIG_POISON) return;
  tf_config_store_report(config->store, E_CONFIG_VALUE, node->source, node->line, node->col, path,
                         "found %s; expected %s", tf_config_value_found(node, found), expected);
}

/* An element of MAP: its key is the section's first value; a mapping gives the others, anything else the second,
 * and the rest has its defaults. */
static void bind_named(tf_config_t *config, const tf_config_section_t *section,
                       const tf_config_node_t *node, void *base, const char *path) {
  char                   why[TF_CONFIG_WHY_BYTES], sub_path[TF_CONFIG_PATH_BYTES];
  const tf_config_key_t *first = &section->keys[0];
  tf_config_node_t       name  = {.kind     = TF_CONFIG_SCALAR,
                                  .source   = node->source,
                                  .text     = node->key,
                                  .text_cnt = (uint32_t)strlen(node->key)};
  tf_config_value_in_t   in    = {.pool = &config->store->pool, .key = first, .node = &name};
  if (!tf_config_value_parse(&in, (char *)base + first->offset, why))
    tf_config_store_report(config->store, E_CONFIG_KEY, node->source, node->key_line, node->key_col,
                           path, "%s", why);
  if (node->kind == TF_CONFIG_MAP) {
    bind_section(config, &(place_t){section, node, base, path, true});
    return;
  }
  bind_key(config, &section->keys[1], node, base, path);
  for (uint32_t i = 2; i < section->key_cnt; i++) {
    join_path(path, section->keys[i].name, sub_path);
    bind_key(config, &section->keys[i], NULL, base, sub_path);
  }
}

/* An element of ITEMS: a text stands for the section's last key. */
static void bind_element(tf_config_t *config, const tf_config_group_t *group,
                         const tf_config_node_t *node, void *base, const char *path) {
  const tf_config_section_t *section = group->section;
  const tf_config_key_t     *last    = &section->keys[section->key_cnt - 1];
  char                       sub_path[TF_CONFIG_PATH_BYTES];
  if (group->kind == TF_CONFIG_KIND_MAP) {
    bind_named(config, section, node, base, path);
  } else if (group->kind == TF_CONFIG_KIND_ITEMS && node->kind != TF_CONFIG_MAP) {
    join_path(path, last->name, sub_path);
    bind_key(config, last, node, base, sub_path);
  } else {
    bind_section(config, &(place_t){section, node, base, path, false});
  }
}

static bool check_elements(tf_config_t *config, const tf_config_group_t *group,
                           const tf_config_node_t *node, const char *path) {
  bool is_map = group->kind == TF_CONFIG_KIND_MAP;
  if (node->kind != (is_map ? TF_CONFIG_MAP : TF_CONFIG_LIST))
    report_shape(config, node, path, is_map ? "a mapping of name to value" : "a list");
  else if (node->child_cnt == 0)
    report_shape(config, node, path,
                 is_map ? "at least one name; leave the key out if there is none"
                        : "at least one item; leave the key out if there is none");
  else if (node->child_cnt > group->cap)
    tf_config_store_report(config->store, E_CONFIG_VALUE, node->source, node->line, node->col, path,
                           "%u items; at most %u", node->child_cnt, group->cap);
  else
    return true;
  return false;
}

static void bind_elements(tf_config_t *config, const tf_config_group_t *group,
                          const tf_config_node_t *node, void *base, const char *path) {
  bool     is_map   = group->kind == TF_CONFIG_KIND_MAP;
  uint32_t cnt      = 0;
  char    *elements = (char *)base + group->offset;
  if (!check_elements(config, group, node, path)) return;
  for (const tf_config_node_t *child = node->first; child; child = child->next) {
    char name[64], sub_path[TF_CONFIG_PATH_BYTES];
    if (is_map)
      tf_text_escape(child->key, strlen(child->key), name, sizeof name);
    else
      snprintf(name, sizeof name, "[%u]", cnt);
    join_path(path, name, sub_path);
    bind_element(config, group, child, elements + (size_t)cnt * group->section->bytes, sub_path);
    cnt++;
  }
  memcpy((char *)base + group->cnt_offset, &cnt, sizeof cnt);
}

static void bind_group(tf_config_t *config, const tf_config_group_t *group, const place_t *at) {
  const tf_config_node_t *node = tf_config_tree_child(at->node, group->name);
  char                    path[TF_CONFIG_PATH_BYTES];
  join_path(at->path, group->name, path);
  if (!node) {
    if (!group->standard) return;
    node = node_of_default(config, group->standard);
    if (!node) return;
  }
  if (group->kind == TF_CONFIG_KIND_SECTION)
    bind_section(config,
                 &(place_t){group->section, node, (char *)at->base + group->offset, path, false});
  else
    bind_elements(config, group, node, at->base, path);
}

static void bind_section(tf_config_t *config, const place_t *at) {
  if (at->node->kind != TF_CONFIG_MAP) {
    char        expected[560] = "a mapping with the keys ";
    size_t      used          = strlen(expected);
    const char *names[NAMES_MAX];
    uint32_t    cnt = key_names(at, names);
    for (uint32_t i = 0; i < cnt && used < sizeof expected; i++)
      used += (size_t)snprintf(expected + used, sizeof expected - used, "%s%s", i ? ", " : "",
                               names[i]);
    report_shape(config, at->node, at->path, expected);
    return;
  }
  check_keys(config, at);
  bind_keys(config, at);
  for (uint32_t i = 0; i < at->section->group_cnt; i++)
    bind_group(config, &at->section->groups[i], at);
}

void tf_config_bind(tf_config_t *config) {
  bind_section(config, &(place_t){&tf_config_table_root, config->store->root, config, "", false});
}
