#include "boot/config_overlay.h"
#include "core/text.h"

#include <ctype.h>
#include <string.h>

#include "boot/config_number.h"
#include "boot/config_table.h"
#include "boot/config_text.h"

#define SEGMENTS_MAX  8
#define SEGMENT_BYTES 64

typedef struct set_path {
  uint32_t cnt;
  struct {
    char    name[SEGMENT_BYTES];
    int64_t idx; /* -1: a name */
  } segments[SEGMENTS_MAX];
} set_path_t;

static void report(tf_config_store_t *store, uint32_t source, const char *text) {
  tf_config_store_report(store, E_CONFIG_KEY, source, 0, 0, "", "%s", text);
}

/* "a.0.b" or "a[0].b" into segments. */
static bool split(const char *text, size_t text_cnt, set_path_t *path) {
  *path = (set_path_t){0};
  for (size_t i = 0; i < text_cnt;) {
    size_t begin = i, cnt;
    while (i < text_cnt && text[i] != '.' && text[i] != '[' && text[i] != ']') i++;
    cnt = i - begin;
    if (cnt == 0 || cnt >= SEGMENT_BYTES || path->cnt == SEGMENTS_MAX) return false;
    char *name = path->segments[path->cnt].name;
    memcpy(name, text + begin, cnt);
    name[cnt]                     = '\0';
    bool index                    = isdigit((unsigned char)name[0]);
    path->segments[path->cnt].idx = -1;
    if (index && tf_config_number_whole(name, &path->segments[path->cnt].idx) != TF_NUMBER_OK)
      return false;
    path->cnt++;
    if (i < text_cnt && text[i] == ']') { /* closes an index: what follows is a dot or the end */
      if (!index || begin == 0 || text[begin - 1] != '[') return false;
      i++;
      if (i < text_cnt && text[i] != '.' && text[i] != '[') return false;
    } else if (begin > 0 && text[begin - 1] == '[') {
      return false;
    }
    if (i < text_cnt && ++i == text_cnt) return false;
  }
  return path->cnt > 0;
}

static tf_config_node_t *make(tf_config_store_t *store, uint32_t source, bool is_list) {
  tf_config_node_t *node = tf_config_pool_take(&store->pool, sizeof *node);
  if (!node) return report(store, source, "no memory"), NULL;
  node->kind   = is_list ? TF_CONFIG_LIST : TF_CONFIG_MAP;
  node->source = source;
  return node;
}

static tf_config_node_t *item_at(const tf_config_node_t *list, int64_t idx) {
  tf_config_node_t *item = list->first;
  for (; item && idx > 0; idx--) item = item->next;
  return item;
}

/* Puts child in the place of old, or at the end when old is NULL. */
static void put(tf_config_node_t *parent, tf_config_node_t *old, tf_config_node_t *child) {
  if (!old) {
    tf_config_tree_append(parent, child);
    return;
  }
  tf_config_node_t **link = &parent->first;
  while (*link != old) link = &(*link)->next;
  *link       = child;
  child->next = old->next;
  if (parent->last == old) parent->last = child;
}

/* The child that segment i of path names: *found NULL where there is none yet. False: reported. */
static bool find(tf_config_store_t *store, uint32_t source, tf_config_node_t *parent,
                 const set_path_t *path, uint32_t i, tf_config_node_t **found) {
  int64_t idx = path->segments[i].idx;
  char    text[512], above[128] = "the config", name[96], joined[SEGMENTS_MAX * SEGMENT_BYTES];
  size_t  used = 0;
  for (uint32_t k = 0; k < i; k++)
    used += (size_t)snprintf(joined + used, sizeof joined - used, "%s%s", k ? "." : "",
                             path->segments[k].name);
  if (used) tf_text_escape(joined, used, above, sizeof above);
  tf_text_escape(path->segments[i].name, strlen(path->segments[i].name), name, sizeof name);
  if (parent->kind == TF_CONFIG_POISON) return false;
  if (idx < 0 && parent->kind == TF_CONFIG_MAP) {
    *found = tf_config_tree_child(parent, path->segments[i].name);
    return true;
  }
  if (idx >= 0 && parent->kind == TF_CONFIG_LIST) {
    *found = item_at(parent, idx);
    if (idx <= parent->child_cnt) return true;
    snprintf(text, sizeof text, "%s holds %u; an index is 0 .. %u", above, parent->child_cnt,
             parent->child_cnt);
  } else if (parent->kind == TF_CONFIG_LIST) {
    snprintf(text, sizeof text, "%s is a list; \"%s\" is no index, write %s.0", above, name, above);
  } else if (parent->kind == TF_CONFIG_MAP) {
    snprintf(text, sizeof text, "%s is a mapping; \"%s\" is no key of it", above, name);
  } else {
    snprintf(text, sizeof text, "%s is a single value; it has no \"%s\"", above, name);
  }
  report(store, source, text);
  return false;
}

static const char *key_text(tf_config_store_t *store, const char *name) {
  return tf_config_pool_text(&store->pool, name, strlen(name));
}

static void apply(tf_config_store_t *store, uint32_t source, const set_path_t *path,
                  tf_config_node_t *value) {
  tf_config_node_t *parent = store->root;
  for (uint32_t i = 0; i < path->cnt; i++) {
    bool              leaf = i + 1 == path->cnt;
    tf_config_node_t *child;
    if (!find(store, source, parent, path, i, &child)) return;
    if (leaf || !child) {
      tf_config_node_t *fresh = leaf ? value : make(store, source, path->segments[i + 1].idx >= 0);
      const char *key = path->segments[i].idx < 0 ? key_text(store, path->segments[i].name) : NULL;
      if (!fresh || (path->segments[i].idx < 0 && !key)) return;
      fresh->key = key;
      put(parent, child, fresh);
      child = fresh;
    }
    parent = child;
  }
}

void tf_config_overlay_set(tf_config_store_t *store, uint32_t source, const char *set) {
  const char *equals = strchr(set, '=');
  set_path_t  path;
  if (!tf_config_text_check(store->errors, source, store->labels[source], false, set, strlen(set)))
    return;
  if (!equals || !split(set, (size_t)(equals - set), &path)) {
    report(store, source, "expected key=value, with a key such as engine.idle or feeds.0.url");
    return;
  }
  if (equals[1 + strspn(equals + 1, " ")] == '\0') {
    report(store, source, "no value; expected key=value");
    return;
  }
  tf_config_input_t input = {.source   = source,
                             .label    = store->labels[source],
                             .text     = equals + 1,
                             .text_cnt = strlen(equals + 1)};
  tf_config_node_t *value = tf_config_tree_parse(&store->pool, store->errors, &input);
  if (!value) return;
  tf_config_node_t *root = store->root;
  if (root->kind == TF_CONFIG_SCALAR && root->plain && root->text_cnt == 0) {
    root->kind   = TF_CONFIG_MAP; /* an empty file: the arguments are the config */
    root->source = source;
  }
  if (root->kind == TF_CONFIG_MAP) apply(store, source, &path, value);
}

void tf_config_overlay_profile(tf_config_store_t *store) {
  if (store->root->kind != TF_CONFIG_MAP) return;
  tf_config_node_t       *engine = tf_config_tree_child(store->root, "engine");
  const tf_config_node_t *chosen = tf_config_tree_child(engine, "profile");
  if (!chosen || engine->kind != TF_CONFIG_MAP || chosen->kind != TF_CONFIG_SCALAR) return;
  char label[64];
  snprintf(label, sizeof label, "profile %.40s", chosen->text);
  const char *kept = key_text(store, label);
  if (kept) store->labels[TF_CONFIG_SOURCE_PROFILE] = kept;
  for (uint32_t i = 0; i < tf_config_table_profile_cnt; i++) {
    const tf_config_profile_row_t *row = &tf_config_table_profiles[i];
    if (strcmp(row->profile, chosen->text) != 0 || tf_config_tree_child(engine, row->key)) continue;
    tf_config_input_t input = {.source   = TF_CONFIG_SOURCE_PROFILE,
                               .label    = store->labels[TF_CONFIG_SOURCE_PROFILE],
                               .text     = row->value,
                               .text_cnt = strlen(row->value)};
    tf_config_node_t *node  = tf_config_tree_parse(&store->pool, store->errors, &input);
    if (!node) return;
    node->key = row->key;
    tf_config_tree_append(engine, node);
  }
}
