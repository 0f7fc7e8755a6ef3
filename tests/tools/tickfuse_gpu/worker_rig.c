#include "tickfuse_gpu/worker_rig.h"

#include "cmocka_tf.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"

const char *rig_worker;

static void rest(void) { nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); }

static uint32_t window_of(const rig_t *r) { return r->graph.window > 1 ? r->graph.window : 1; }

static float *row_of(const rig_t *r, uint32_t instrument) {
  return r->rows + (size_t)instrument * window_of(r) * r->graph.input_cnt;
}

void rig_begin(rig_t *r, const char *file, uint32_t instrument_cnt, uint32_t batch_max) {
  tf_loader_options_t options = tf_loader_preset();
  int                 fd;
  *r = (rig_t){.instrument_cnt = instrument_cnt};
  assert_int_equal(tf_loader_load(file, &options, &r->model, &r->graph), TF_OK);
  r->numbers = calloc(instrument_cnt, sizeof *r->numbers);
  r->rows    = calloc((size_t)instrument_cnt * window_of(r) * r->graph.input_cnt, sizeof *r->rows);
  const tf_mailbox_spec_t spec = {.epoch          = 1,
                                  .slot_cnt       = 16,
                                  .batch_max      = batch_max,
                                  .input_cnt      = r->model->input_cnt,
                                  .output_cnt     = r->model->output_cnt,
                                  .instrument_cnt = instrument_cnt,
                                  .window         = r->model->window,
                                  .model_hash     = r->model->hash};
  assert_int_equal(tf_mailbox_create(&spec, &r->view, &fd), TF_OK);
  assert_int_equal(dup2(fd, 100), 100); /* a copy is not closed on exec */
  close(fd);
}

void rig_start(rig_t *r, const char *file, const char *precision, const char *faults) {
  r->pid = fork();
  if (r->pid == 0) {
    if (faults) setenv("TICKFUSE_GPU_FAULTS", faults, 1);
    execl(rig_worker, rig_worker, "--mailbox", "100", "--model", file,
          precision ? "--precision" : (char *)NULL, precision, (char *)NULL);
    _exit(127);
  }
  assert_true(r->pid > 0);
}

bool rig_serves(rig_t *r) {
  uint64_t begun_ns = tf_clock_monotonic_ns();
  while (tf_clock_monotonic_ns() - begun_ns < RIG_LIMIT_NS) {
    uint32_t state = tf_load_acquire_u32(&r->view.box->state); /* pairs with: serve */
    if (state == TF_MAILBOX_SERVING) return true;
    if (state == TF_MAILBOX_FAILED) return false;
    siginfo_t info = {0};
    if (waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid)
      return false;
    rest();
  }
  fail_msg("the worker neither served nor failed");
  return false;
}

int rig_status(rig_t *r) {
  int      status;
  uint64_t begun_ns = tf_clock_monotonic_ns();
  while (waitpid(r->pid, &status, WNOHANG) == 0) {
    if (tf_clock_monotonic_ns() - begun_ns > RIG_LIMIT_NS) fail_msg("the worker did not end");
    rest();
  }
  r->pid = 0;
  return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}

void rig_stop(rig_t *r) {
  tf_store_release(&r->view.box->stop, 1); /* pairs with: watch_look */
  assert_int_equal(rig_status(r), 0);
  assert_int_equal(r->view.box->state, TF_MAILBOX_STOPPED);
}

void rig_end(rig_t *r) {
  if (r->pid) {
    kill(r->pid, SIGKILL);
    waitpid(r->pid, NULL, 0);
  }
  tf_mailbox_close(&r->view);
  close(100);
  tf_loader_unload(r->model);
  tf_graph_fini(&r->graph);
  free(r->numbers), free(r->rows);
}

static void keep(rig_t *r, uint32_t instrument, const float *row) {
  float *rows = row_of(r, instrument);
  size_t each = r->graph.input_cnt, others = (window_of(r) - 1) * each;
  memmove(rows, rows + each, others * sizeof *rows);
  memcpy(rows + others, row, each * sizeof *rows);
}

tf_mailbox_status_t rig_ask(rig_t *r, uint32_t instrument, const float *row, float *out) {
  tf_mailbox_row_t head = {.instrument_idx = instrument, .number = ++r->numbers[instrument]};
  if (head.number == 1) head.flags = TF_MAILBOX_RESET;
  keep(r, instrument, row);
  tf_mailbox_post(&r->view, 0, 1, &head, row);
  uint64_t            seq = r->view.next_seq++, begun_ns = tf_clock_monotonic_ns();
  tf_mailbox_answer_t answer;
  while (!tf_mailbox_poll(&r->view, seq, 0, &answer, out)) {
    if (tf_clock_monotonic_ns() - begun_ns > RIG_LIMIT_NS) fail_msg("no answer");
    usleep(20); /* the kernel wants a core more than this side does */
  }
  return answer.status;
}

void rig_right(const rig_t *r, const tf_graph_t *graph, uint32_t instrument, double *out) {
  assert_int_equal(tf_graph_eval(graph, row_of(r, instrument), out), TF_OK);
}

void rig_forget(rig_t *r, uint32_t instrument) { r->numbers[instrument] = 0; }

int rig_run(const char *const *argv, const char *environment, char text[RIG_TEXT_BYTES]) {
  int    ends[2], status;
  size_t cnt = 0;
  assert_int_equal(pipe(ends), 0);
  pid_t pid = fork();
  if (pid == 0) {
    char name[64] = {0};
    dup2(ends[1], 1), dup2(ends[1], 2), close(ends[0]);
    if (environment) {
      size_t len = strcspn(environment, "=");
      memcpy(name, environment, len < sizeof name ? len : sizeof name - 1);
      setenv(name, environment + len + 1, 1);
    }
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
  }
  close(ends[1]);
  for (ssize_t got;
       cnt + 1 < RIG_TEXT_BYTES && (got = read(ends[0], text + cnt, RIG_TEXT_BYTES - 1 - cnt)) > 0;)
    cnt += (size_t)got;
  text[cnt] = '\0';
  close(ends[0]);
  assert_true(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
  return WEXITSTATUS(status);
}
