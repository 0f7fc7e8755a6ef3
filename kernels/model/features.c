#include "model/features.h"

#include <errno.h>
#include <string.h>

#include "core/error.h"

/* Longest line of a features file, with its comment. */
#define LINE_BYTES 1024

static tf_err_t canonical(char *target, const char *text, size_t bytes) {
  size_t used  = 0;
  int    depth = 0;
  for (size_t i = 0; i < bytes; i++) {
    char c = text[i];
    if (c == ' ' || c == '\t') continue;
    if (c < 0x21 || c > 0x7e || c == '"' || c == '\'' || c == '\\')
      return TF_ERR(E_MODEL_SCHEMA, "feature %.*s: byte 0x%02x is not allowed in an expression",
                    (int)(bytes < 80 ? bytes : 80), text, (unsigned)(unsigned char)c);
    if (used + 1 >= TF_MODEL_FEATURE_NAME_BYTES)
      return TF_ERR(E_MODEL_SCHEMA, "feature %.80s...: longer than %d bytes", text,
                    TF_MODEL_FEATURE_NAME_BYTES - 1);
    depth += (c == '(') - (c == ')');
    if (depth < 0) break;
    target[used++] = c;
  }
  target[used] = 0;
  if (depth != 0)
    return TF_ERR(E_MODEL_SCHEMA, "feature %.*s: its parentheses do not match",
                  (int)(bytes < 80 ? bytes : 80), text);
  if (used == 0) return TF_ERR(E_MODEL_SCHEMA, "an empty feature; a comma too many?");
  return TF_OK;
}

tf_err_t tf_features_append(tf_features_t *features, const char *text, size_t bytes) {
  char     name[TF_MODEL_FEATURE_NAME_BYTES] = {0};
  tf_err_t err                               = canonical(name, text, bytes);
  if (err) return err;
  for (uint32_t i = 0; i < features->cnt; i++)
    if (strcmp(features->names[i], name) == 0)
      return TF_ERR(E_MODEL_SCHEMA, "feature %s is there twice: as %u and as %u", name, i + 1,
                    features->cnt + 1);
  if (features->cnt == TF_MODEL_INPUTS_MAX)
    return TF_ERR(E_MODEL_SCHEMA, "more than %d features", TF_MODEL_INPUTS_MAX);
  void *grown = realloc(features->names, (features->cnt + 1) * sizeof *features->names);
  if (!grown) return TF_ERR(E_CORE_NO_MEMORY, "a feature list");
  features->names = grown;
  memcpy(features->names[features->cnt++], name, sizeof name);
  return TF_OK;
}

tf_err_t tf_features_parse(tf_features_t *features, const char *list) {
  int         depth = 0;
  const char *begin = list;
  for (const char *c = list;; c++) {
    if (*c == '(') depth++;
    if (*c == ')') depth--;
    if (*c && (*c != ',' || depth > 0)) continue;
    tf_err_t err = tf_features_append(features, begin, (size_t)(c - begin));
    if (err) return err;
    if (!*c) return TF_OK;
    begin = c + 1;
  }
}

tf_err_t tf_features_read(tf_features_t *features, const char *path) {
  FILE *file = fopen(path, "re");
  if (!file) return TF_ERR(E_FILE_OPEN, "%s: %s", path, strerror(errno));
  char     line[LINE_BYTES];
  tf_err_t err  = TF_OK;
  uint32_t at   = 0;
  uint32_t held = features->cnt;
  while (!err && fgets(line, sizeof line, file)) {
    at++;
    if (!strchr(line, '\n') && strlen(line) + 1 == sizeof line) {
      err = TF_ERR(E_MODEL_SCHEMA, "%s:%u: a line longer than %d bytes", path, at, LINE_BYTES - 2);
      break;
    }
    line[strcspn(line, "#\r\n")] = 0;
    if (line[strspn(line, " \t")] == 0) continue;
    err = tf_features_append(features, line, strlen(line));
    if (err) tf_error_add(err, "reading %s:%u", path, at);
  }
  if (!err && ferror(file)) err = TF_ERR(E_FILE_OPEN, "%s: %s", path, strerror(errno));
  if (!err && features->cnt == held) err = TF_ERR(E_MODEL_SCHEMA, "%s: holds no feature", path);
  fclose(file);
  return err;
}

void tf_features_fini(tf_features_t *features) {
  free(features->names);
  memset(features, 0, sizeof *features);
}
