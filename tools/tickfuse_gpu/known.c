#include "tickfuse_gpu/known.h"

#include <math.h>
#include <sched.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"
#include "flow/mailbox_file.h"

#define ROWS_AT_ONCE  TF_MAILBOX_BATCH_MAX
#define POLLS_A_CLOCK 64u
#define LOOK_NS       (20 * TF_NS_PER_MS) /* at the device: another kernel may be serving on it */

tf_err_t known_mailbox(const tf_model_t *model, tf_mailbox_view_t *view) {
  const tf_mailbox_spec_t spec = {.epoch          = 1,
                                  .slot_cnt       = 2,
                                  .batch_max      = ROWS_AT_ONCE,
                                  .input_cnt      = model->input_cnt,
                                  .output_cnt     = model->output_cnt,
                                  .instrument_cnt = 1,
                                  .window         = model->window,
                                  .model_hash     = model->hash};
  int                     fd;
  tf_err_t                err = tf_mailbox_create(&spec, view, &fd);
  if (!err) close(fd);
  return err;
}

typedef struct asking {
  room_t             *room;
  const loaded_t     *loaded;
  const tf_mailbox_t *box;
  watch_end_t         ended;
  uint32_t            check_idx;
  double              worst;
} asking_t;

/* The answer to row idx of request seq. */
static tf_err_t await(asking_t *a, uint64_t seq, uint32_t idx, tf_mailbox_answer_t *answer,
                      float *out) {
  uint64_t begun_ns = tf_clock_monotonic_ns(), looked_ns = begun_ns;
  for (uint32_t polls = 1; !tf_mailbox_poll(&a->room->view, seq, idx, answer, out); polls++) {
    if (polls % POLLS_A_CLOCK) {
      tf_spin_pause();
      continue;
    }
    sched_yield();
    uint64_t now_ns  = tf_clock_monotonic_ns();
    bool     is_over = false;
    if (now_ns - looked_ns < LOOK_NS) continue;
    looked_ns    = now_ns;
    a->ended     = watch_look(a->box, now_ns);
    tf_err_t err = room_look(a->room, &is_over);
    if (err || a->ended) return err;
    if (is_over || now_ns - begun_ns > KNOWN_ANSWER_NS * device_patience())
      return TF_ERR(E_GPU_HANG, "model %s: known answer %u: %s", a->loaded->model->name,
                    a->check_idx,
                    is_over ? "the kernel left its loop" : "the kernel did not give it in time");
  }
  return TF_OK;
}

/* Rows begin .. begin + cnt of a window, in one request; the last one's answer. */
static tf_err_t ask_rows(asking_t *a, const float *rows, uint32_t begin, uint32_t cnt,
                         uint32_t window, float *out) {
  tf_mailbox_view_t  *v         = &a->room->view;
  const uint32_t      input_cnt = v->input_cnt;
  tf_mailbox_answer_t answer    = {.status = TF_MAILBOX_REFUSED};
  for (uint32_t i = 0; i < cnt; i++) {
    tf_mailbox_row_t row = {.instrument_idx = 0, .number = begin + i + 1};
    if (begin + i == 0) row.flags |= TF_MAILBOX_RESET;
    if (i + 1 < cnt) row.flags |= TF_MAILBOX_QUIET;
    tf_mailbox_post(v, i, cnt, &row, rows + (size_t)(begin + i) * input_cnt);
  }
  tf_err_t err = await(a, v->next_seq++, cnt - 1, &answer, out);
  if (err || a->ended) return err;
  tf_mailbox_status_t want = begin + cnt == window ? TF_MAILBOX_OK : TF_MAILBOX_WARMING;
  if (answer.status == want) return TF_OK;
  return TF_ERR(
      E_MODEL_CHECK, "model %s: known answer %u, row %u: status %d came back, %d is right",
      a->loaded->model->name, a->check_idx, begin + cnt - 1, (int)answer.status, (int)want);
}

/* A window, and what comes of it against what the file says. */
static tf_err_t ask_window(asking_t *a) {
  const tf_graph_t *graph  = &a->loaded->graph;
  const uint32_t    window = graph->window > 1 ? graph->window : 1;
  const float      *rows   = graph->check_inputs + (size_t)a->check_idx * window * graph->input_cnt;
  const float      *want   = graph->check_outputs + (size_t)a->check_idx * graph->output_cnt;
  const tf_precision_t precision = (tf_precision_t)a->loaded->program->precision;
  const double         bound     = tf_loader_error_max(&a->loaded->spec.model, precision);
  float                out[TF_MODEL_OUTPUTS_MAX];
  for (uint32_t begin = 0; begin < window; begin += ROWS_AT_ONCE) {
    uint32_t cnt = window - begin < ROWS_AT_ONCE ? window - begin : ROWS_AT_ONCE;
    tf_err_t err = ask_rows(a, rows, begin, cnt, window, out);
    if (err || a->ended) return err;
  }
  for (uint32_t o = 0; o < graph->output_cnt; o++) {
    double right = (double)want[o], off = fabs((double)out[o] - right) / fmax(1.0, fabs(right));
    if (!(off <= a->worst)) a->worst = off;
    if (!(off <= bound))
      return TF_ERR(E_MODEL_CHECK,
                    "model %s in %s on the device: known answer %u, output %u: %.9g came out, %.9g "
                    "was stored, a relative error of %.2g, at most %.2g is allowed",
                    graph->name, tf_precision_name(precision), a->check_idx, o, (double)out[o],
                    right, off, bound);
  }
  return TF_OK;
}

/* What was wrong first is what is told. */
static tf_err_t end(room_t *room, tf_err_t err) {
  if (err == E_GPU_DEVICE) return err; /* nothing more can be asked of it */
  char text[TF_ERROR_TEXT_BYTES];
  snprintf(text, sizeof text, "%s", tf_error_text());
  tf_err_t end_err = room_end(room);
  return err ? TF_ERR(err, "%s", text) : end_err;
}

tf_err_t known_ask(room_t *room, uint32_t slot, const loaded_t *loaded, const tf_mailbox_t *box,
                   watch_end_t *ended, double *worst) {
  asking_t a = {.room = room, .loaded = loaded, .box = box};
  uint64_t offset;
  tf_err_t err = room_start(room, slot, load_rows_program(loaded, &offset));
  if (err) return err;
  for (; !err && !a.ended && a.check_idx < loaded->graph.check_cnt; a.check_idx++)
    err = ask_window(&a);
  *ended = a.ended;
  if (worst) *worst = a.worst;
  return end(room, err);
}
