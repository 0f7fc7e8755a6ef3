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

uint32_t tf_worker_device(const tf_config_t *c, uint32_t i) {
  char path[64];
  snprintf(path, sizeof path, "models[%u].device", i);
  const tf_config_value_t *said    = tf_config_value_at(c, path);
  bool                     is_said = said && tf_config_origin_of(said) != TF_CONFIG_ORIGIN_DEFAULT;
  return is_said ? c->models[i].device : c->gpu.device;
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
    snprintf(w->device, sizeof w->device, "%u", tf_worker_device(c, i));
    snprintf(w->fraction, sizeof w->fraction, "%u.%02u", c->gpu.memory_percent / 100,
             c->gpu.memory_percent % 100);
    w->argv[cnt++] = "--device";
    w->argv[cnt++] = w->device;
    w->argv[cnt++] = "--memory-fraction";
    w->argv[cnt++] = w->fraction;
  }
  w->argv[cnt] = NULL;
}

TF_STATIC_ASSERT(TF_CONFIG_PRECISION_INT8 == 4, "the words above are in the config's order");
