#include "tickfuse_gpu/launcher.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"

#define PAGE          4096u
#define POLLS_A_CLOCK 256u
#define LOOK_NS       (20 * TF_NS_PER_MS) /* at a device that does not answer */
#define ROW_FLAGS     (TF_MAILBOX_RESET | TF_MAILBOX_QUIET)

/* ---- a launch ---- */

static void number_ticket(launcher_t *l) {
  if (++l->number == 0) l->number = 1;
  l->ticket->number = l->number;
}

static void put_ticket(launcher_t *l, uint32_t instrument, uint32_t place, const float *values) {
  number_ticket(l);
  l->ticket->instrument = instrument;
  l->ticket->place      = place;
  memcpy(tf_card_ticket_row(l->ticket), values, l->view.input_cnt * sizeof *values);
}

/* False in *is_there: the thread is to end. */
static tf_err_t await(launcher_t *l, uint32_t cnt, float *out, bool *is_there) {
  const tf_packet_t *answer   = tf_card_ticket_answer(l->ticket, l->view.input_cnt);
  uint64_t           begun_ns = 0, looked_ns = 0;
  *is_there = true;
  for (uint32_t polls = 1; !tf_packets_load(answer, out, cnt, l->number); polls++) {
    tf_spin_pause();
    if (polls % POLLS_A_CLOCK) continue;
    const uint64_t now_ns = tf_clock_monotonic_ns();
    bool           is_over;
    if (begun_ns == 0) begun_ns = looked_ns = now_ns;
    *is_there = !tf_load_acquire_u32(&l->control->abort); /* pairs with: room_end */
    if (!*is_there) return TF_OK;
    if (now_ns - begun_ns > LAUNCHER_WAIT_NS * device_patience())
      return TF_ERR(E_GPU_HANG, "a graph that was launched does not end");
    if (now_ns - looked_ns < LOOK_NS) continue;
    looked_ns    = now_ns;
    tf_err_t err = device_graph_look(l->graphs[l->slot], &is_over);
    if (err) return err;
    sched_yield();
  }
  tf_store_release(&l->control->beat, l->control->beat + 1); /* pairs with: relay */
  return TF_OK;
}

static tf_err_t beat(launcher_t *l, uint64_t now_ns) {
  float nothing;
  bool  is_there;
  l->beat_ns = now_ns;
  number_ticket(l);
  tf_err_t err = device_launch(l->graphs[l->slot], TF_CARD_GRAPH_BEAT);
  return err ? err : await(l, 1, &nothing, &is_there);
}

/* ---- rows ---- */

/* relaxed: counters, each whole by itself */
static void count(uint64_t *own, uint64_t *shown, uint64_t cnt) {
  *own += cnt;
  tf_store_relaxed(shown, *own); /* relaxed: relay reads it as it comes */
}

/* The window goes on with the row, or begins with it. False: rows are missing. */
static bool follow(launcher_window_t *w, const tf_mailbox_row_t *row) {
  const bool is_first = row->flags & TF_MAILBOX_RESET;
  if (is_first) *w = (launcher_window_t){.number = row->number - 1};
  const bool goes_on = is_first || (w->number != 0 && row->number == w->number + 1);
  w->number          = goes_on ? row->number : 0;
  return goes_on;
}

/* A row that a model may see. */
static tf_err_t run_row(launcher_t *l, uint32_t idx, const tf_mailbox_row_t *row,
                        const float *values) {
  launcher_window_t *w           = &l->windows[row->instrument_idx];
  const uint64_t     begun_ticks = tf_clock_ticks();
  float              out[TF_MAILBOX_VALUES_MAX];
  bool               is_there;
  if (w->seen < l->window) w->seen++;
  const bool is_full = w->seen == l->window, is_quiet = row->flags & TF_MAILBOX_QUIET;
  const bool answers = is_full && !is_quiet;
  put_ticket(l, row->instrument_idx, w->place, values);
  w->place              = w->place + 1 < l->window ? w->place + 1 : 0;
  device_graph_t *graph = l->graphs[l->slot];
  tf_err_t        err   = device_launch(graph, answers ? TF_CARD_GRAPH_ANSWER : TF_CARD_GRAPH_ROW);
  if (!err) err = await(l, answers ? l->view.output_cnt : 1, out, &is_there);
  if (err || !is_there) return err;
  const uint64_t ns = tf_clock_ticks_to_ns(tf_clock_ticks() - begun_ticks);
  if (!is_quiet)
    tf_mailbox_answer(&l->view, l->view.next_seq, idx, is_full ? TF_MAILBOX_OK : TF_MAILBOX_WARMING,
                      ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX, out);
  if (answers) count(&l->answered, &l->control->answered, 1);
  return device_launch(graph, TF_CARD_GRAPH_DEFERRED);
}

static tf_err_t take_row(launcher_t *l, uint32_t idx, const tf_mailbox_row_t *row,
                         const float *values) {
  const tf_mailbox_view_t *v = &l->view;
  if (row->instrument_idx >= v->instrument_cnt || (row->flags & ~ROW_FLAGS) || row->number == 0) {
    count(&l->refused, &l->control->refused, 1);
    tf_mailbox_answer(v, v->next_seq, idx, TF_MAILBOX_REFUSED, 0, NULL);
    return TF_OK;
  }
  if (l->window <= 1 || follow(&l->windows[row->instrument_idx], row))
    return run_row(l, idx, row, values);
  count(&l->behind, &l->control->behind, 1);
  if (!(row->flags & TF_MAILBOX_QUIET))
    tf_mailbox_answer(v, v->next_seq, idx, TF_MAILBOX_BEHIND, 0, NULL);
  return TF_OK;
}

/* ---- the thread ---- */

/* What the other slot's graphs still do to states ends before. */
static tf_err_t use_slot(launcher_t *l, uint32_t slot) {
  bool     is_over = false;
  tf_err_t err     = TF_OK;
  while (!err && !is_over && slot != l->slot) err = device_graph_look(l->graphs[l->slot], &is_over);
  if (err) return err;
  l->slot = slot;
  memset(l->windows, 0, l->view.instrument_cnt * sizeof *l->windows);
  tf_store_release_u32(&l->control->slot_used, slot); /* pairs with: take_up */
  return TF_OK;
}

/* No row has come. */
static tf_err_t idle(launcher_t *l, uint32_t *polls) {
  tf_spin_pause();
  if (++*polls % POLLS_A_CLOCK) return TF_OK;
  const uint64_t now_ns = tf_clock_monotonic_ns();
  if (now_ns - l->beat_ns >= LAUNCHER_BEAT_NS * device_patience()) return beat(l, now_ns);
  sched_yield();
  return TF_OK;
}

static tf_err_t serve(launcher_t *l) {
  float    values[TF_MAILBOX_VALUES_MAX];
  uint32_t row_cnt = 1, idx = 0, polls = 0;
  tf_err_t err = use_slot(l, l->slot);
  while (!err) {
    tf_mailbox_row_t row;
    uint64_t         lost = 0;
    if (tf_load_acquire_u32(&l->control->abort)) return TF_OK;        /* pairs with: room_end */
    const uint32_t slot = tf_load_acquire_u32(&l->control->slot) & 1; /* pairs with: take_up */
    if (slot != l->slot && idx == 0) err = use_slot(l, slot);
    if (err) break;
    switch (tf_mailbox_take(&l->view, idx, &row_cnt, &row, values, &lost)) {
    case TF_MAILBOX_TAKEN:
      err = take_row(l, idx, &row, values);
      if (++idx >= row_cnt) l->view.next_seq++, idx = 0;
      break;
    case TF_MAILBOX_LAPPED:
      count(&l->overtaken, &l->control->overtaken, lost);
      idx = 0;
      break;
    default: err = idle(l, &polls);
    }
  }
  return err;
}

static void *run(void *arg) {
  launcher_t *l = arg;
  l->err        = serve(l);
  if (l->err) snprintf(l->text, sizeof l->text, "%s", tf_error_text());
  tf_store_release_u32(&l->control->left, /* pairs with: left */
                       l->err ? TF_CARD_STUCK : TF_CARD_ENDED);
  tf_store_release(&l->is_over, 1); /* pairs with: launcher_look */
  return NULL;
}

/* ---- from outside ---- */

tf_err_t launcher_open(launcher_t *l, const tf_card_args_t *args, tf_card_control_t *control,
                       const tf_mailbox_view_t *view) {
  const uint64_t bytes = tf_align_up(tf_card_ticket_bytes(view->input_cnt, view->output_cnt), PAGE);
  *l                   = (launcher_t){.args    = args,
                                      .control = control,
                                      .view    = *view,
                                      .ticket  = aligned_alloc(PAGE, bytes),
                                      .windows = calloc(view->instrument_cnt, sizeof *l->windows),
                                      .window  = view->window > 1 ? view->window : 1};
  if (!l->ticket || !l->windows)
    return TF_ERR(E_CORE_NO_MEMORY, "a ticket, and windows of %u instruments",
                  view->instrument_cnt);
  memset(l->ticket, 0, bytes);
  return device_share(l->ticket, bytes, &l->device_ticket);
}

tf_err_t launcher_capture(launcher_t *l, uint32_t slot, const tf_card_program_t *program) {
  const tf_card_graph_args_t args = {.program = l->args->slots[slot],
                                     .states  = l->args->states,
                                     .scratch = l->args->scratch,
                                     .ticket  = l->device_ticket};
  device_drop(l->graphs[slot]);
  l->graphs[slot] = NULL;
  return device_capture(program, &args, &l->graphs[slot]);
}

tf_err_t launcher_start(launcher_t *l, uint64_t next_seq) {
  l->view.next_seq = next_seq;
  l->slot          = l->control->slot;
  l->is_over       = 0;
  l->answered = l->overtaken = l->behind = l->refused = 0;
  if (pthread_create(&l->thread, NULL, run, l))
    return TF_ERR(E_CORE_THREAD, "a thread that launches graphs");
  return TF_OK;
}

tf_err_t launcher_look(launcher_t *l, bool *is_over) {
  *is_over = tf_load_acquire(&l->is_over); /* pairs with: run */
  return *is_over && l->err ? TF_ERR(l->err, "%s", l->text) : TF_OK;
}

void launcher_forget(launcher_t *l) {
  pthread_join(l->thread, NULL);
  for (int i = 0; i < 2; i++) {
    device_drop(l->graphs[i]);
    l->graphs[i] = NULL;
  }
}

void launcher_close(launcher_t *l) {
  free(l->ticket);
  free(l->windows);
  memset(l, 0, sizeof *l);
}
