#include "snapshot_state.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define PATH_BYTES 1024 /* one more than the config's key takes */

static void find_folder(const char *path, char folder[PATH_BYTES]) {
  const char *slash = strrchr(path, '/');
  if (!slash)
    snprintf(folder, PATH_BYTES, ".");
  else
    snprintf(folder, PATH_BYTES, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

static void look_at_folder(tickfuse_snapshot_state_t *s) {
  char           folder[PATH_BYTES];
  struct statvfs disk;
  find_folder(s->path, folder);
  if (access(folder, W_OK | X_OK) != 0) {
    snprintf(s->trouble, sizeof s->trouble, "%.100s takes no file: %s", folder, strerror(errno));
    return;
  }
  if (!s->is_there || statvfs(folder, &disk) != 0) return;
  const uint64_t left = (uint64_t)disk.f_bavail * disk.f_frsize;
  if (left < s->bytes) /* it and the one before stay until a third is whole */
    snprintf(s->trouble, sizeof s->trouble,
             "%.60s has %" PRIu64 " bytes left; another snapshot like the last takes %" PRIu64,
             folder, left, s->bytes);
}

static void look_at_file(tickfuse_snapshot_state_t *s) {
  struct stat file;
  if (stat(s->path, &file) != 0) return;
  s->is_there = true;
  s->bytes    = (uint64_t)file.st_size;
  s->age_s    = (int64_t)(time(NULL) - file.st_mtime);
}

static void look_at_config(const tf_config_t *c, tickfuse_snapshot_state_t *s) {
  for (uint32_t i = 0; i < c->model_cnt && s->inexact_cnt < TICKFUSE_INEXACT_MAX - 1; i++) {
    const tf_config_model_t *m = &c->models[i];
    if (!m->registry) continue;
    snprintf(s->inexact[s->inexact_cnt++], sizeof s->inexact[0],
             tf_config_model_has_owns(m)
                 ? "model %.60s is one an instrument: which has its own is not kept"
                 : "model %.60s: while a version of it is on trial (model canary) none is taken",
             m->name);
  }
  if (c->engine.conflate_after_ns || c->engine.shed_low_after_ns)
    snprintf(s->inexact[s->inexact_cnt++], sizeof s->inexact[0],
             "while the lane is behind its feeds and sheds work none is taken");
}

bool tickfuse_snapshot_look(const tf_config_t *c, tickfuse_snapshot_state_t *s) {
  *s = (tickfuse_snapshot_state_t){.path     = c->engine.snapshot,
                                   .every_ns = c->engine.snapshot_every_ns,
                                   .is_exact =
                                       c->engine.snapshot_restore == TF_CONFIG_RESTORE_EXACT};
  if (!s->path) return false;
  look_at_file(s);
  look_at_folder(s);
  look_at_config(c, s);
  return true;
}

void tickfuse_snapshot_say(const tickfuse_snapshot_state_t *s, char *text, size_t bytes) {
  char every[40] = "at the end", last[64] = "none is there";
  if (s->every_ns) snprintf(every, sizeof every, "every %g s", (double)s->every_ns * 1e-9);
  if (s->is_there)
    snprintf(last, sizeof last, "the last %" PRIu64 " bytes, %" PRId64 " s ago", s->bytes,
             s->age_s);
  snprintf(text, bytes, "%s, restored %s; %s", every, s->is_exact ? "exact" : "learnt", last);
}

json_t *tickfuse_snapshot_json(const tickfuse_snapshot_state_t *s) {
  json_t *object = json_object(), *inexact = json_array();
  json_t *path = json_string(s->path);
  json_object_set_new(object, "path", path ? path : json_string("?"));
  json_object_set_new(object, "every_ns", json_integer((json_int_t)s->every_ns));
  json_object_set_new(object, "restored", json_string(s->is_exact ? "exact" : "learnt"));
  json_object_set_new(object, "bytes",
                      s->is_there ? json_integer((json_int_t)s->bytes) : json_null());
  json_object_set_new(object, "age_seconds", s->is_there ? json_integer(s->age_s) : json_null());
  json_object_set_new(object, "trouble", s->trouble[0] ? json_string(s->trouble) : json_null());
  for (uint32_t i = 0; i < s->inexact_cnt; i++)
    json_array_append_new(inexact, json_string(s->inexact[i]));
  json_object_set_new(object, "inexact", inexact);
  return object;
}
