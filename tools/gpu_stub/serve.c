#include "gpu_stub/next.h"

#include <math.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"

#define BEAT_NS        (10 * TF_NS_PER_MS)
#define ORPHAN_NS      (2 * TF_NS_PER_SEC)
#define LATE_NS        TF_NS_PER_MS
#define POLLS_PER_LOOK 256u /* at the clock, while nothing comes */
#define SPIN_NS        (200 * TF_NS_PER_US)
#define SLEEP_US       50

const fault_row_t stub_fault_rows[STUB_FAULT_CNT] = {
#define F(id, name, kind, text) {name, FAULT_##kind, text},
#include "gpu_stub/faults.def"
#undef F
};

typedef struct stub {
  tf_mailbox_view_t *view;
  stub_model_t       now;
  stub_next_t        next;
  faults_t          *faults;
  uint32_t          *numbers; /* (instruments) rows that its window has seen */
  float              before[TF_MODEL_OUTPUTS_MAX];
  uint64_t           beat_ns;
  pid_t              parent;
} stub_t;

void stub_fail(tf_mailbox_t *box, tf_err_t err) {
  snprintf(box->text, sizeof box->text, "%s", tf_error_text());
  box->failure = (uint32_t)err;
  tf_store_release_u32(&box->state, TF_MAILBOX_FAILED); /* pairs with: tf_child_watch */
}

static void beat(stub_t *s, uint64_t now_ns) {
  if (now_ns - s->beat_ns < BEAT_NS) return;
  s->beat_ns = now_ns;
  tf_store_release(&s->view->box->worker_beat_ns, now_ns); /* pairs with: tf_child_watch */
}

/* Looks at no request any more. */
TF_COLD static void hang(stub_t *s, bool heart_beats) {
  for (;; usleep(1000))
    if (heart_beats) beat(s, tf_clock_monotonic_ns());
}

static void wait_ns(stub_t *s, uint64_t ns) {
  uint64_t begun_ns = tf_clock_monotonic_ns(), now_ns = begun_ns;
  for (; now_ns - begun_ns < ns; now_ns = tf_clock_monotonic_ns()) beat(s, now_ns);
}

/* The answer as the faults want it. True: it is to be sent. */
static bool spoil(stub_t *s, float *out) {
  faults_t *f = s->faults;
  if (fault_hits(f, STUB_FAULT_DIE)) raise(SIGKILL);
  if (fault_hits(f, STUB_FAULT_FREEZE)) hang(s, false);
  if (fault_hits(f, STUB_FAULT_HANG)) hang(s, true);
  if (fault_hits(f, STUB_FAULT_SILENT)) return false;
  if (fault_hits(f, STUB_FAULT_STALE))
    memcpy(out, s->before, s->now.model->output_cnt * sizeof *out);
  if (fault_hits(f, STUB_FAULT_WRONG)) out[0] = out[0] * 1.1f + 0.1f;
  if (fault_hits(f, STUB_FAULT_NAN)) out[0] = NAN;
  if (fault_hits(f, STUB_FAULT_BIT)) out[0] = tf_mailbox_value(tf_mailbox_bits(out[0]) ^ 1u << 21);
  if (fault_hits(f, STUB_FAULT_LATE)) wait_ns(s, f->ns[STUB_FAULT_LATE_BY]);
  return true;
}

/* All but the last packet, and that later. */
TF_COLD static void send_torn(stub_t *s, uint32_t idx, const float *out) {
  tf_mailbox_view_t *v      = s->view;
  tf_packet_t       *packet = tf_mailbox_answer_(v, v->next_seq, idx) + v->answer_packets - 1;
  tf_packet_t        last;
  tf_mailbox_answer(v, v->next_seq, idx, TF_MAILBOX_OK, 0, out);
  tf_packet_load(packet, &last);
  tf_packet_t torn = last;
  torn.tag--;
  tf_packet_store(packet, &torn);
  wait_ns(s, s->faults->ns[STUB_FAULT_LATE_BY]);
  tf_packet_store(packet, &last);
}

/* One row of request next_seq. */
static void answer_row(stub_t *s, uint32_t idx, const tf_mailbox_row_t *row, const float *values) {
  tf_mailbox_view_t *v   = s->view;
  tf_mailbox_t      *box = v->box;
  if (row->instrument_idx >= v->instrument_cnt ||
      row->flags & ~(TF_MAILBOX_RESET | TF_MAILBOX_QUIET) || row->number == 0) {
    tf_count_add(&box->refused, 1);
    tf_mailbox_answer(v, v->next_seq, idx, TF_MAILBOX_REFUSED, 0, NULL);
    return;
  }
  float     out[TF_MODEL_OUTPUTS_MAX];
  bool      is_quiet = row->flags & TF_MAILBOX_QUIET, is_ready = true;
  uint32_t *number = &s->numbers[row->instrument_idx];
  uint64_t  begun  = tf_clock_ticks();
  if (s->now.states) {
    void *state = s->now.states + row->instrument_idx * s->now.stride;
    if (row->flags & TF_MAILBOX_RESET) {
      s->now.model->reset(s->now.model, state);
      *number = row->number - 1;
    }
    if (*number == 0 ? !(row->flags & TF_MAILBOX_RESET) : row->number != *number + 1) {
      *number = 0;
      tf_count_add(&box->behind, 1);
      if (!is_quiet) tf_mailbox_answer(v, v->next_seq, idx, TF_MAILBOX_BEHIND, 0, NULL);
      return;
    }
    *number  = row->number;
    is_ready = s->now.model->step(s->now.model, state, s->now.scratch, values, out);
  } else {
    s->now.model->run(s->now.model, s->now.scratch, values, out);
  }
  uint32_t took_ns = (uint32_t)tf_clock_ticks_to_ns(tf_clock_ticks() - begun);
  if (!is_quiet && !is_ready) {
    tf_mailbox_answer(v, v->next_seq, idx, TF_MAILBOX_WARMING, took_ns, NULL);
  } else if (!is_quiet) {
    float good[TF_MODEL_OUTPUTS_MAX];
    memcpy(good, out, s->now.model->output_cnt * sizeof *good);
    if (spoil(s, out)) {
      if (fault_hits(s->faults, STUB_FAULT_TORN))
        send_torn(s, idx, out);
      else
        tf_mailbox_answer(v, v->next_seq, idx, TF_MAILBOX_OK, took_ns, out);
      tf_count_add(&box->answered, 1);
    }
    memcpy(s->before, good, s->now.model->output_cnt * sizeof *good);
  }
  if (s->now.states)
    s->now.model->advance(s->now.model, s->now.states + row->instrument_idx * s->now.stride,
                          s->now.scratch);
}

/* False: the engine is gone, or said stop. One that died before its first beat is not our parent any more. */
static bool may_go_on(const stub_t *s, uint64_t now_ns) {
  tf_mailbox_t *box = s->view->box;
  if (getppid() != s->parent) return false;
  if (tf_load_acquire(&box->stop)) return false;            /* pairs with: tf_child_stop */
  uint64_t beat_ns = tf_load_acquire(&box->engine_beat_ns); /* pairs with: tf_child_watch */
  return beat_ns == 0 || now_ns < beat_ns + ORPHAN_NS;
}

static void serve(stub_t *s) {
  float    values[TF_MAILBOX_VALUES_MAX];
  uint32_t row_cnt = 1, idx = 0, polls = 0;
  uint64_t idle_ns = 0; /* since when nothing came; 0: something did */
  for (;;) {
    tf_mailbox_row_t  row;
    uint64_t          lost = 0;
    tf_mailbox_take_t took = tf_mailbox_take(s->view, idx, &row_cnt, &row, values, &lost);
    if (took == TF_MAILBOX_TAKEN) {
      answer_row(s, idx, &row, values);
      if (++idx == row_cnt) s->view->next_seq++, idx = 0;
      idle_ns = 0;
    } else if (took == TF_MAILBOX_LAPPED) {
      tf_count_add(&s->view->box->overtaken, lost);
      idx = 0;
    } else {
      tf_spin_pause();
    }
    if (took == TF_MAILBOX_TAKEN && ++polls % 16) continue;
    if (took == TF_MAILBOX_EMPTY && ++polls % POLLS_PER_LOOK) continue;
    uint64_t now_ns = tf_clock_monotonic_ns();
    beat(s, now_ns);
    if (!may_go_on(s, now_ns)) return;
    if (idx == 0 && stub_next_look(&s->next, &s->now)) /* its windows begin anew */
      memset(s->numbers, 0, s->view->instrument_cnt * sizeof *s->numbers);
    if (took != TF_MAILBOX_EMPTY) continue;
    if (idle_ns == 0) idle_ns = now_ns;
    if (now_ns - idle_ns > SPIN_NS)
      usleep(SLEEP_US); /* a card would spin: this is somebody's core */
  }
}

tf_err_t stub_serve(tf_mailbox_view_t *view, const tf_model_t *model,
                    const tf_model_options_t *load, faults_t *faults) {
  if (view->input_cnt != model->input_cnt || view->output_cnt != model->output_cnt ||
      view->window != model->window || view->box->model_hash != model->hash)
    return TF_ERR(
        E_MODEL_SHAPE,
        "the mailbox is not of model %s: %u inputs, %u outputs, window %u there; %u, %u, %u here",
        model->name, view->input_cnt, view->output_cnt, view->window, model->input_cnt,
        model->output_cnt, model->window);
  stub_t s = {
      .view   = view,
      .next   = {.view = view, .load = *load, .faults = faults},
      .faults = faults,
      .parent = getppid()
  };
  if (faults->ns[STUB_FAULT_LATE_BY] == 0) faults->ns[STUB_FAULT_LATE_BY] = LATE_NS;
  s.numbers    = calloc(view->instrument_cnt, sizeof *s.numbers);
  tf_err_t err = stub_model_init(&s.now, model, view->instrument_cnt);
  if (!err && !s.numbers)
    err = TF_ERR(E_CORE_NO_MEMORY, "numbers of %u instruments", view->instrument_cnt);
  if (!err) {
    if (faults->ns[STUB_FAULT_SLOW_START]) wait_ns(&s, faults->ns[STUB_FAULT_SLOW_START]);
    beat(&s, tf_clock_monotonic_ns());
    tf_store_release_u32(&view->box->state, TF_MAILBOX_SERVING); /* pairs with: tf_child_watch */
    serve(&s);
    tf_store_release_u32(&view->box->state, TF_MAILBOX_STOPPED); /* pairs with: tf_child_watch */
  }
  stub_next_end(&s.next);
  stub_model_fini(&s.now);
  free(s.numbers);
  return err;
}
