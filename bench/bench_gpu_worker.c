#include "bench_gpu_worker.h"

#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"
#include "model/graph_file.h"
#include "model/loader.h"

#define SLOTS    256u
#define SERVE_NS (120 * TF_NS_PER_SEC)

extern char **environ;

static tf_err_t spawn(gpu_worker_t *w, const gpu_worker_spec_t *spec, int fd) {
  const char *const argv[] = {spec->program,
                              "--mailbox",
                              "3",
                              "--model",
                              w->path,
                              "--precision",
                              spec->precision,
                              "--hand-over",
                              spec->hand_over ? spec->hand_over : "best",
                              NULL};

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, fd, 3);
  int failed =
      posix_spawn(&w->pid, spec->program, &files, NULL, (char *const *)(uintptr_t)argv, environ);
  posix_spawn_file_actions_destroy(&files);
  if (!failed) return TF_OK;
  w->pid = 0;
  return TF_ERR(E_CORE_SYSTEM, "%s: %s", spec->program, strerror(failed));
}

static tf_err_t await(gpu_worker_t *w) {
  uint64_t begun_ns = tf_clock_monotonic_ns();
  for (;;) {
    int           status;
    tf_mailbox_t *box   = w->view.box;
    uint32_t      state = tf_load_acquire_u32(&box->state); /* pairs with: the worker */
    if (state == TF_MAILBOX_SERVING) return TF_OK;
    if (state == TF_MAILBOX_FAILED)
      return TF_ERR((tf_err_t)box->failure, "%.*s", (int)sizeof box->text - 1, box->text);
    if (waitpid(w->pid, &status, WNOHANG) == w->pid) {
      w->pid = 0;
      return TF_ERR(E_CORE_SYSTEM, "the worker ended with status %d", status);
    }
    if (tf_clock_monotonic_ns() - begun_ns > SERVE_NS)
      return TF_ERR(E_CORE_SYSTEM, "the worker did not serve");
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
}

tf_err_t gpu_worker_start(gpu_worker_t *w, const gpu_worker_spec_t *how, tf_graph_t *graph) {
  *w = (gpu_worker_t){.graph = *graph};
  memset(graph, 0, sizeof *graph);
  snprintf(w->path, sizeof w->path, "/tmp/bench-gpu-%d.safetensors", (int)getpid());
  const tf_loader_options_t options = tf_loader_preset();
  tf_model_t               *model   = NULL;
  int                       fd      = -1;
  tf_err_t                  err     = w->graph.check_cnt ? TF_OK : tf_graph_make_checks(&w->graph);
  if (!err) err = tf_graph_file_write(&w->graph, w->path);
  if (!err) err = tf_loader_load(w->path, &options, &model, NULL);
  if (!err) {
    const tf_mailbox_spec_t spec = {.epoch          = 1,
                                    .slot_cnt       = SLOTS,
                                    .batch_max      = TF_MAILBOX_BATCH_MAX,
                                    .input_cnt      = model->input_cnt,
                                    .output_cnt     = model->output_cnt,
                                    .instrument_cnt = how->instrument_cnt,
                                    .window         = model->window,
                                    .model_hash     = model->hash};
    err                          = tf_mailbox_create(&spec, &w->view, &fd);
  }
  tf_loader_unload(model);
  if (!err) err = spawn(w, how, fd);
  if (fd >= 0) close(fd);
  return err ? err : await(w);
}

void gpu_worker_stop(gpu_worker_t *w) {
  if (w->pid) {
    tf_store_release(&w->view.box->stop, 1); /* pairs with: the worker's look at it */
    waitpid(w->pid, NULL, 0);
  }
  tf_mailbox_close(&w->view);
  if (w->path[0]) unlink(w->path);
  tf_graph_fini(&w->graph);
}
