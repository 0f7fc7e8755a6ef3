#include "boot/worker_program.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"

static bool is_program(const char *path) { return access(path, X_OK) == 0; }

static bool find_beside(const char *name, char *program) {
  ssize_t cnt = readlink("/proc/self/exe", program, TF_WORKER_PATH_BYTES - 1);
  if (cnt <= 0) return false;
  program[cnt] = '\0';
  char *slash  = strrchr(program, '/');
  if (!slash) return false;
  size_t room = TF_WORKER_PATH_BYTES - (size_t)(slash + 1 - program);
  return snprintf(slash + 1, room, "%s", name) < (int)room && is_program(program);
}

static bool find_in_path(const char *name, char *program) {
  const char *path = getenv("PATH");
  while (path && *path) {
    size_t cnt = strcspn(path, ":");
    int put = snprintf(program, TF_WORKER_PATH_BYTES, "%.*s/%s", (int)cnt, cnt ? path : ".", name);
    if (cnt && put < TF_WORKER_PATH_BYTES && is_program(program)) return true;
    path += cnt + (path[cnt] == ':');
  }
  return false;
}

bool tf_worker_find(const tf_config_t *c, int backend, char program[TF_WORKER_PATH_BYTES],
                    char *where, size_t where_cap) {
  bool        is_stub = backend == TF_CONFIG_BACKEND_STUB;
  const char *said    = is_stub ? c->gpu.stub : c->gpu.worker;
  const char *name    = is_stub ? "gpu-stub" : "tickfuse-gpu";
  if (said) {
    snprintf(program, TF_WORKER_PATH_BYTES, "%s", said);
    snprintf(where, where_cap, "%s is no program", said);
    return is_program(said);
  }
  if (find_beside(name, program) || find_in_path(name, program)) return true;
  snprintf(where, where_cap, "%s is neither beside this program nor in PATH", name);
  return false;
}

tf_err_t tf_worker_find_or_say(const tf_config_t *c, uint32_t i,
                               char program[TF_WORKER_PATH_BYTES]) {
  char where[1400], path[64], place[256];
  int  backend = c->models[i].backend;
  if (tf_worker_find(c, backend, program, where, sizeof where)) return TF_OK;
  snprintf(path, sizeof path, "models[%u].backend", i);
  return TF_ERR(E_RUNTIME_MISSING, "%s: %s: %s", tf_config_where(c, path, place, sizeof place),
                where,
                backend == TF_CONFIG_BACKEND_STUB
                    ? "build the target gpu-stub, or name it under gpu.stub"
                    : "build it where nvcc is (./dev gpu), name it under gpu.worker, or say "
                      "backend: cpu");
}

static bool is_said(const tf_config_t *c, const char *path) {
  const tf_config_value_t *value = tf_config_value_at(c, path);
  return value && tf_config_origin_of(value) != TF_CONFIG_ORIGIN_DEFAULT;
}

static bool says_device(const tf_config_t *c, uint32_t i) {
  char path[64];
  snprintf(path, sizeof path, "models[%u].device", i);
  return is_said(c, path);
}

static bool may_have_device(const tf_config_model_t *m) {
  return m->backend == TF_CONFIG_BACKEND_GPU || m->backend == TF_CONFIG_BACKEND_AUTO;
}

uint32_t tf_worker_device(const tf_config_t *c, uint32_t i, bool *takes_turn) {
  uint32_t turn = 0;
  *takes_turn   = !says_device(c, i) && !is_said(c, "gpu.device");
  if (!*takes_turn) return says_device(c, i) ? c->models[i].device : c->gpu.device;
  for (uint32_t k = 0; k < i; k++) turn += may_have_device(&c->models[k]) && !says_device(c, k);
  return turn % (TF_WORKER_DEVICE_MAX + 1);
}

void tf_worker_say(tf_worker_words_t *w, const tf_config_t *c, uint32_t i, const char *file) {
  static const char *const precisions[] = {NULL, "fp32", "bf16", "fp16", "int8"};
  const tf_config_model_t *m            = &c->models[i];
  uint32_t                 cnt          = 0;
  snprintf(w->model, sizeof w->model, "%s", file);
  w->argv[cnt++] = w->program;
  w->argv[cnt++] = "--model";
  w->argv[cnt++] = w->model;
  if (precisions[m->precision]) {
    w->argv[cnt++] = "--precision";
    w->argv[cnt++] = precisions[m->precision];
  }
  if (m->backend == TF_CONFIG_BACKEND_STUB) {
    if (c->gpu.faults) {
      w->argv[cnt++] = "--faults";
      w->argv[cnt++] = c->gpu.faults;
    }
  } else {
    bool           takes_turn;
    const uint32_t device = tf_worker_device(c, i, &takes_turn);
    snprintf(w->device, sizeof w->device, "%s%u", takes_turn ? "turn:" : "", device);
    snprintf(w->fraction, sizeof w->fraction, "%u.%02u", c->gpu.memory_percent / 100,
             c->gpu.memory_percent % 100);
    w->argv[cnt++] = "--device";
    w->argv[cnt++] = w->device;
    w->argv[cnt++] = "--memory-fraction";
    w->argv[cnt++] = w->fraction;
    if (c->gpu.visible_devices) {
      w->argv[cnt++] = "--visible-devices";
      w->argv[cnt++] = c->gpu.visible_devices;
    }
  }
  w->argv[cnt] = NULL;
}

TF_STATIC_ASSERT(TF_CONFIG_PRECISION_INT8 == 4, "the words above are in the config's order");
