#include "boot/placement_file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "core/log.h"

/* ---- reading ---- */

static tf_err_t load(const char *path, char text[TF_PLACEMENT_FILE_BYTES_MAX + 1], size_t *cnt) {
  FILE *in = fopen(path, "re");
  if (!in) return TF_ERR(E_FILE_OPEN, "gpu.placements %s: %s", path, strerror(errno));
  *cnt        = fread(text, 1, TF_PLACEMENT_FILE_BYTES_MAX + 1, in);
  bool failed = ferror(in);
  fclose(in);
  if (failed) return TF_ERR(E_FILE_OPEN, "gpu.placements %s cannot be read", path);
  if (*cnt <= TF_PLACEMENT_FILE_BYTES_MAX) return TF_OK;
  return TF_ERR(E_FILE_FORMAT, "gpu.placements %s: more than %u bytes", path,
                TF_PLACEMENT_FILE_BYTES_MAX);
}

static bool read_row(const char *name, const json_t *value, tf_placement_row_t *row) {
  const char *on    = json_string_value(json_object_get(value, "on"));
  const char *model = json_string_value(json_object_get(value, "model"));
  char        rest;
  *row = (tf_placement_row_t){0};
  if (!on || !model || strlen(name) >= sizeof row->name || strlen(model) != 8) return false;
  if (sscanf(model, "%8x%c", &row->hash, &rest) != 1) return false;
  row->hash      = __builtin_bswap32(row->hash); /* as sha256sum writes it */
  row->is_worker = !strcmp(on, "worker");
  memcpy(row->name, name, strlen(name) + 1);
  return row->is_worker || !strcmp(on, "cpu");
}

tf_err_t tf_placement_file_read(tf_placement_file_t *file, const char *path) {
  static char  text[TF_PLACEMENT_FILE_BYTES_MAX + 1]; /* control plane, at a start */
  size_t       cnt = 0;
  json_error_t error;
  const char  *name;
  json_t      *value;
  file->cnt    = 0;
  tf_err_t err = load(path, text, &cnt);
  if (err) return err;
  json_t *root = json_loadb(text, cnt, JSON_REJECT_DUPLICATES, &error);
  if (!json_is_object(root))
    err = TF_ERR(E_FILE_FORMAT, "gpu.placements %s:%d:%d: %s", path, root ? 1 : error.line,
                 root ? 1 : error.column, root ? "an object of models is wanted" : error.text);
  json_object_foreach(root, name, value) {
    if (err) break;
    if (file->cnt == TF_MODELS_MAX)
      err = TF_ERR(E_FILE_FORMAT, "gpu.placements %s: more than %d models", path, TF_MODELS_MAX);
    else if (!read_row(name, value, &file->rows[file->cnt++]))
      err = TF_ERR(E_FILE_FORMAT,
                   "gpu.placements %s: \"%.31s\": wanted: {\"on\": \"cpu\" or \"worker\", "
                   "\"model\": 8 hex digits}",
                   path, name);
  }
  json_decref(root);
  if (err) file->cnt = 0;
  return err;
}

void tf_placement_file_read_or_log(tf_placement_file_t *file, const char *path) {
  file->cnt = 0;
  if (!path || access(path, F_OK) != 0) return;
  tf_err_t err = tf_placement_file_read(file, path);
  if (err)
    tf_log(TF_LOG_WARN, "placements_not_read", "code=%s text=\"%s\"", tf_error_name(err),
           tf_error_text());
}

bool tf_placement_file_was_worker(const tf_placement_file_t *file, const char *name,
                                  uint32_t hash) {
  for (uint32_t i = 0; i < file->cnt; i++)
    if (!strcmp(file->rows[i].name, name))
      return file->rows[i].is_worker && file->rows[i].hash == hash;
  return false;
}

/* ---- writing ---- */

void tf_placement_file_put(tf_placement_file_t *file, const char *name, uint32_t hash,
                           const tf_placement_t *p) {
  TF_ASSERT(file->cnt < TF_MODELS_MAX);
  tf_placement_row_t *row = &file->rows[file->cnt++];
  *row                    = (tf_placement_row_t){
                         .hash = hash, .is_worker = p->is_worker, .cpu_ns = p->cpu_ns, .worker_ns = p->worker_ns};
  snprintf(row->name, sizeof row->name, "%s", name);
}

static json_t *json_of(const tf_placement_file_t *file) {
  json_t *root = json_object();
  char    hash[9];
  for (uint32_t i = 0; i < file->cnt; i++) {
    const tf_placement_row_t *row = &file->rows[i];
    snprintf(hash, sizeof hash, "%08x", __builtin_bswap32(row->hash));
    json_object_set_new(root, row->name,
                        json_pack("{ss ss sI sI}", "on", row->is_worker ? "worker" : "cpu", "model",
                                  hash, "cpu_ns", (json_int_t)row->cpu_ns, "worker_ns",
                                  (json_int_t)row->worker_ns));
  }
  return root;
}

tf_err_t tf_placement_file_write(const tf_placement_file_t *file, const char *path) {
  char beside[1100];
  if ((size_t)snprintf(beside, sizeof beside, "%s.%d", path, getpid()) >= sizeof beside)
    return TF_ERR(E_FILE_OPEN, "gpu.placements: a path of %zu bytes", strlen(path));
  int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0) return TF_ERR(E_FILE_OPEN, "gpu.placements %s: %s", beside, strerror(errno));
  json_t *root = json_of(file);
  bool    good = json_dumpfd(root, fd, JSON_INDENT(1)) == 0 && write(fd, "\n", 1) == 1;
  json_decref(root);
  good &= close(fd) == 0;
  if (good && rename(beside, path) == 0) return TF_OK;
  tf_err_t err = TF_ERR(E_FILE_WRITE, "gpu.placements %s: %s", path, strerror(errno));
  (void)unlink(beside);
  return err;
}
