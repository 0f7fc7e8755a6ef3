#include "boot/known_keys.h"

#include <string.h>

#include "core/error.h"
#include "core/nearest.h"

#define KEYS_MAX  48
#define KEY_CHARS 24

/* Of the file and of --set; a default says nothing. */
static bool is_written(const tf_config_value_t *value) {
  tf_config_origin_t origin = tf_config_origin_of(value);
  return origin == TF_CONFIG_ORIGIN_FILE || origin == TF_CONFIG_ORIGIN_SET;
}

/* Splits text at blanks into names behind cnt; how many there are then. */
static uint32_t split(const char *text, char names[KEYS_MAX][KEY_CHARS], uint32_t cnt) {
  while (*text && cnt < KEYS_MAX) {
    size_t chars = strcspn(text, " ");
    if (chars) snprintf(names[cnt++], KEY_CHARS, "%.*s", (int)chars, text);
    text += chars + (text[chars] == ' ');
  }
  return cnt;
}

static tf_err_t refuse(const char *what, const char *key, const char *const *known,
                       uint32_t known_cnt) {
  char        allowed[KEYS_MAX * KEY_CHARS] = "";
  const char *near                          = tf_nearest_name(key, known, known_cnt);
  for (uint32_t i = 0, at = 0; i < known_cnt; i++)
    at += (uint32_t)snprintf(allowed + at, sizeof allowed - at, "%s%s", i ? ", " : "", known[i]);
  return TF_ERR(E_CONFIG_KEY, "%s has no such key; %s%s%sallowed: %s", what,
                near ? "did you mean \"" : "", near ? near : "", near ? "\"? " : "", allowed);
}

/* The key itself, or a group of that name: "fallback[0].url". */
static bool is_key(const char *path, const char *key) {
  size_t chars = strlen(key);
  return strncmp(path, key, chars) == 0 && (path[chars] == '\0' || path[chars] == '[');
}

tf_err_t tf_known_keys_check(const tf_config_t *config, const char *prefix, const char *what,
                             const char *common, const char *keys, const char **path) {
  char         names[KEYS_MAX][KEY_CHARS];
  const char  *known[KEYS_MAX];
  const size_t before = strlen(prefix);
  uint32_t     cnt    = split(keys, names, split(common, names, 0));
  for (uint32_t i = 0; i < cnt; i++) known[i] = names[i];
  for (const tf_config_value_t *v = config->values; v; v = v->next) {
    if (strncmp(v->path, prefix, before) != 0 || !is_written(v)) continue;
    uint32_t k = 0;
    while (k < cnt && !is_key(v->path + before, known[k])) k++;
    if (k < cnt) continue;
    *path = v->path;
    return refuse(what, v->path + before, known, cnt);
  }
  return TF_OK;
}
