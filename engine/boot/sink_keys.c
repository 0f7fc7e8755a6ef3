#include "boot/sink_keys.h"

#include <string.h>

#include "core/error.h"
#include "core/nearest.h"
#include "tf/sink.h"

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

static tf_err_t refuse(const tf_config_t *config, const tf_config_value_t *value, const char *type,
                       const char *key, const char *const *known, uint32_t known_cnt) {
  char        where[512], allowed[KEYS_MAX * KEY_CHARS] = "";
  const char *near = tf_nearest_name(key, known, known_cnt);
  for (uint32_t i = 0, at = 0; i < known_cnt; i++)
    at += (uint32_t)snprintf(allowed + at, sizeof allowed - at, "%s%s", i ? ", " : "", known[i]);
  return TF_ERR(E_CONFIG_KEY, "%s: a %s sink has no such key; %s%s%sallowed: %s",
                tf_config_where(config, value->path, where, sizeof where), type,
                near ? "did you mean \"" : "", near ? near : "", near ? "\"? " : "", allowed);
}

tf_err_t tf_sink_keys_check(const tf_config_t *config, uint32_t sink_idx, const char *type,
                            const char *keys) {
  char        names[KEYS_MAX][KEY_CHARS], prefix[24];
  const char *known[KEYS_MAX];
  if (!keys) return TF_OK;
  uint32_t cnt    = split(keys, names, split(TF_SINK_KEYS, names, 0));
  int      before = snprintf(prefix, sizeof prefix, "sinks[%u].", sink_idx);
  for (uint32_t i = 0; i < cnt; i++) known[i] = names[i];
  for (const tf_config_value_t *v = config->values; v; v = v->next) {
    if (strncmp(v->path, prefix, (size_t)before) != 0 || !is_written(v)) continue;
    const char *key = v->path + before;
    uint32_t    k   = 0;
    while (k < cnt && strcmp(key, known[k]) != 0) k++;
    if (k == cnt) return refuse(config, v, type, key, known, cnt);
  }
  return TF_OK;
}
