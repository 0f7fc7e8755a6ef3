#include "serve/models_dir.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "core/error.h"

static const char suffix[] = ".safetensors";

/* 0: not the name of a version. */
static uint32_t number_of(const char *file) {
  size_t   digits = strspn(file, "0123456789");
  uint32_t number = 0;
  if (digits == 0 || digits > 9 || file[0] == '0' || strcmp(file + digits, suffix) != 0) return 0;
  for (size_t i = 0; i < digits; i++) number = number * 10 + (uint32_t)(file[i] - '0');
  return number;
}

static int compare(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static bool is_plain(const char *name) { return *name && *name != '.' && !strchr(name, '/'); }

tf_err_t tf_models_dir_list(const char *dir, const char *name, uint32_t *numbers, uint32_t cap,
                            uint32_t *cnt) {
  char path[TF_MODELS_DIR_PATH_BYTES];
  *cnt = 0;
  if (!is_plain(name)) return TF_ERR(E_MODEL_VERSION, "\"%s\" is no name of a model", name);
  snprintf(path, sizeof path, "%s/%s", dir, name);
  DIR *d = opendir(path);
  if (!d) return TF_ERR(E_FILE_OPEN, "%s: %s", path, strerror(errno));
  tf_err_t err = TF_OK;
  for (struct dirent *entry; !err && (entry = readdir(d));) {
    uint32_t number = number_of(entry->d_name);
    if (!number) continue;
    if (*cnt == cap)
      err = TF_ERR(E_MODEL_VERSION, "%s: more than %u versions", path, cap);
    else
      numbers[(*cnt)++] = number;
  }
  closedir(d);
  if (!err && *cnt == 0)
    err = TF_ERR(E_MODEL_VERSION, "%s: no version is there; they are called 1%s, 2%s ..", path,
                 suffix, suffix);
  if (err) return err;
  qsort(numbers, *cnt, sizeof *numbers, compare);
  return TF_OK;
}

tf_err_t tf_models_dir_find(const char *dir, const char *name, uint32_t number, uint32_t *found) {
  uint32_t *numbers = malloc(TF_MODELS_DIR_VERSIONS_MAX * sizeof *numbers), cnt = 0;
  if (!numbers) return TF_ERR(E_CORE_NO_MEMORY, "the versions of %s", name);
  tf_err_t err = tf_models_dir_list(dir, name, numbers, TF_MODELS_DIR_VERSIONS_MAX, &cnt);
  if (!err) {
    uint32_t wanted = number ? number : numbers[cnt - 1];
    *found          = 0;
    for (uint32_t i = 0; i < cnt; i++)
      if (numbers[i] == wanted) *found = wanted;
    if (!*found)
      err = TF_ERR(E_MODEL_VERSION, "%s/%s: version %u is not there; there are %u, %u to %u", dir,
                   name, number, cnt, numbers[0], numbers[cnt - 1]);
  }
  free(numbers);
  return err;
}

void tf_models_dir_path(const char *dir, const char *name, uint32_t number,
                        char path[TF_MODELS_DIR_PATH_BYTES]) {
  snprintf(path, TF_MODELS_DIR_PATH_BYTES, "%s/%s/%u%s", dir, name, number, suffix);
}

static tf_err_t compare_pin(const char *path, const char *sha256_hex, const char *pin,
                            const char *where) {
  if (strncasecmp(pin, sha256_hex, TF_MODELS_DIR_SHA256_CHARS) == 0) return TF_OK;
  return TF_ERR(E_MODEL_PIN, "%s: its SHA-256 is %s, %s says %.64s", path, sha256_hex, where, pin);
}

static void path_beside(const char *path, char beside[TF_MODELS_DIR_PATH_BYTES + 8]) {
  size_t chars = strlen(path), stem = chars < strlen(suffix) ? chars : chars - strlen(suffix);
  snprintf(beside, TF_MODELS_DIR_PATH_BYTES + 8, "%.*s.sha256", (int)stem, path);
}

bool tf_models_dir_sha256(const char *path, char sha256_hex[TF_MODELS_DIR_SHA256_CHARS + 1]) {
  char beside[TF_MODELS_DIR_PATH_BYTES + 8];
  path_beside(path, beside);
  FILE *file    = fopen(beside, "re");
  sha256_hex[0] = '\0';
  if (!file) return false;
  sha256_hex[fread(sha256_hex, 1, TF_MODELS_DIR_SHA256_CHARS, file)] = '\0';
  fclose(file);
  for (char *at = sha256_hex; *at; at++) *at = (char)tolower((unsigned char)*at);
  return true;
}

tf_err_t tf_models_dir_check_pin(const char *path, const char *sha256_hex, const char *pin) {
  char     beside[TF_MODELS_DIR_PATH_BYTES + 8], text[TF_MODELS_DIR_SHA256_CHARS + 1];
  tf_err_t err = pin ? compare_pin(path, sha256_hex, pin, "the pin") : TF_OK;
  if (err || !tf_models_dir_sha256(path, text)) return err;
  path_beside(path, beside);
  return compare_pin(path, sha256_hex, text, beside);
}
