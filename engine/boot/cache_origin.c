#include "boot/cache_origin.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/error.h"
#include "serve/models_dir.h"

/* A symbol as a directory's name: what a venue writes otherwise becomes a dash. */
static size_t add_name(char *at, size_t cap, const char *name) {
  size_t cnt = 0;
  for (; name[cnt] && cnt + 1 < cap; cnt++) {
    unsigned char c     = (unsigned char)name[cnt];
    bool          plain = isalnum(c) || c == '_' || (c == '.' && cnt > 0);
    at[cnt]             = plain ? (char)c : '-';
  }
  at[cnt] = '\0';
  return cnt;
}

tf_err_t tf_cache_origin_key(const tf_config_model_t *m, const tf_instrument_t *row,
                             char key[TF_CACHE_KEY_BYTES]) {
  size_t cnt = 0;
  for (const char *at = m->registry; *at && cnt + 1 < TF_CACHE_KEY_BYTES;) {
    size_t symbol = strlen(TF_CONFIG_OF_SYMBOL), name = strlen(TF_CONFIG_OF_INSTRUMENT);
    if (!strncmp(at, TF_CONFIG_OF_SYMBOL, symbol)) {
      cnt += add_name(key + cnt, TF_CACHE_KEY_BYTES - cnt, row->symbol);
      at += symbol;
    } else if (!strncmp(at, TF_CONFIG_OF_INSTRUMENT, name)) {
      cnt += add_name(key + cnt, TF_CACHE_KEY_BYTES - cnt, row->name);
      at += name;
    } else {
      key[cnt++] = *at++;
    }
  }
  int left = (int)(TF_CACHE_KEY_BYTES - cnt);
  if (snprintf(key + cnt, (size_t)left, "/%s", m->name) < left) return TF_OK;
  return TF_ERR(E_MODEL_VERSION, "%s of %s: a path of more than %u characters", m->name, row->name,
                TF_CACHE_KEY_BYTES - 1);
}

static tf_err_t find_file(void *self, const char *key, tf_cache_file_t *file) {
  (void)self;
  char dir[TF_CACHE_KEY_BYTES];
  snprintf(dir, sizeof dir, "%s", key);
  char    *name = strrchr(dir, '/'), *version = name ? strchr(name, '@') : NULL;
  uint32_t number = version ? (uint32_t)strtoul(version + 1, NULL, 10) : 0;
  if (!name || name == dir)
    return TF_ERR(E_MODEL_VERSION,
                  "\"%s\" is no model of a registry; one is as models/BTCUSDT/lstm", key);
  *name++ = '\0';
  if (version) *version = '\0';
  tf_err_t err = tf_models_dir_find(dir, name, number, &file->number);
  if (err) return err;
  tf_models_dir_path(dir, name, file->number, file->path);
  if (tf_models_dir_sha256(file->path, file->sha256_hex) &&
      strlen(file->sha256_hex) != TF_MODELS_DIR_SHA256_CHARS)
    return TF_ERR(E_MODEL_PIN, "%s: the .sha256 beside it has no 64 hex digits", file->path);
  return TF_OK;
}

static tf_err_t read_open(FILE *in, const char *path, uint64_t bytes_max, uint8_t **bytes,
                          size_t *bytes_cnt) {
  struct stat st;
  if (fstat(fileno(in), &st) != 0 || !S_ISREG(st.st_mode))
    return TF_ERR(E_FILE_OPEN, "%s: not a file", path);
  if ((uint64_t)st.st_size > bytes_max)
    return TF_ERR(E_MODEL_CACHE_FULL, "%s: %lld bytes; model_cache.file_bytes_max is %llu", path,
                  (long long)st.st_size, (unsigned long long)bytes_max);
  *bytes_cnt = (size_t)st.st_size;
  *bytes     = malloc(*bytes_cnt + 1);
  if (!*bytes) return TF_ERR(E_CORE_NO_MEMORY, "%s: %zu bytes", path, *bytes_cnt);
  if (fread(*bytes, 1, *bytes_cnt, in) == *bytes_cnt) return TF_OK;
  free(*bytes);
  *bytes = NULL;
  return TF_ERR(E_FILE_DAMAGED, "%s: it changed while it was read", path);
}

static tf_err_t read_file(void *self, const tf_cache_file_t *file, uint8_t **bytes,
                          size_t *bytes_cnt) {
  const tf_config_model_cache_t *config = self;
  FILE                          *in     = fopen(file->path, "rbe");
  *bytes                                = NULL;
  if (!in) return TF_ERR(E_FILE_OPEN, "%s: %s", file->path, strerror(errno));
  tf_err_t err = read_open(in, file->path, config->file_bytes_max, bytes, bytes_cnt);
  fclose(in);
  return err;
}

tf_cache_origin_t tf_cache_origin(const tf_config_model_cache_t *config) {
  return (tf_cache_origin_t){(void *)(uintptr_t)config, find_file, read_file};
}
