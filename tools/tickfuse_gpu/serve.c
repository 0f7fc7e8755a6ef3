#include "tickfuse_gpu/serve.h"

#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/error.h"
#include "flow/mailbox_file.h"
#include "gpu/makers.h"
#include "tickfuse_gpu/known.h"
#include "tickfuse_gpu/next.h"
#include "tickfuse_gpu/nvml.h"

#define LOOK_NS       TF_NS_PER_MS
#define FIRST_BEAT_NS (5 * TF_NS_PER_SEC) /* from the launch to the kernel's first pass */
#define STILL_NS      (20 * TF_NS_PER_MS) /* a kernel beats every ms: then something is wrong */

typedef struct worker {
  const serve_options_t *options;
  tf_mailbox_view_t     *view;   /* the engine's; NULL: there is none */
  uint32_t               device; /* the one that was chosen */
  device_info_t          info;
  loaded_t               loaded;
  slots_t                slots;
  tf_mailbox_view_t      trial_view;
  room_t                 main, trial;
  next_t                 next;
  nvml_t                *nvml; /* NULL: none here */
  uint64_t               kernel_beat;
  uint64_t               beat_ns; /* when it last went on */
} worker_t;

/* ---- before it serves ---- */

static tf_err_t check_mailbox(const worker_t *w) {
  const tf_model_t        *m        = w->loaded.model;
  const tf_mailbox_view_t *v        = w->view;
  const bool               rows_fit = w->loaded.features.view.image
                                          ? w->loaded.features.view.feature_cnt == m->input_cnt
                                          : v->input_cnt == m->input_cnt && v->window == m->window;
  if (rows_fit && v->output_cnt == m->output_cnt && v->box->model_hash == m->hash) return TF_OK;
  return TF_ERR(
      E_MODEL_SHAPE,
      "the mailbox is not of model %s: %u inputs, %u outputs, window %u, hash %08x there; "
      "%u, %u, %u, %08x here",
      m->name, v->input_cnt, v->output_cnt, v->window, v->box->model_hash, m->input_cnt,
      m->output_cnt, m->window, m->hash);
}

/* Where rows are asked, whatever the engine will send. */
static tf_err_t open_trial(worker_t *w) {
  uint64_t                 offset;
  const tf_card_program_t *p        = load_rows_program(&w->loaded, &offset);
  uint8_t *const           slots[2] = {w->slots.at[0] + offset, w->slots.at[1] + offset};
  return room_open(&w->trial, p, slots, &w->trial_view);
}

/* Workers that take turns are told different numbers: one after the other they go round all devices. */
static tf_err_t choose_device(worker_t *w) {
  uint32_t cnt = 1;
  w->device    = w->options->device;
  if (!w->options->takes_turn) return TF_OK;
  tf_err_t err = device_cnt(&cnt);
  if (!err) w->device %= cnt;
  return err;
}

/* The model on the device, and a room to ask it in. */
static tf_err_t prepare(worker_t *w) {
  tf_err_t err = choose_device(w);
  if (!err) err = device_describe(w->device, &w->info);
  if (err) return err;
  uint64_t free_bytes         = w->info.memory_free_bytes;
  w->info.limits.memory_bytes = (uint64_t)((double)free_bytes * w->options->memory_fraction);
  load_features_t features    = {.instrument_cnt = w->view ? w->view->instrument_cnt : 0,
                                 .batch_max      = w->view ? w->view->batch_max : 1};
  if (w->view && w->view->plan)
    err = tf_card_plan_read(w->view->plan, w->view->plan_bytes, &features.view);
  if (!err)
    err = load_model(w->options->model, &w->options->load, &features, &w->info.limits, &w->loaded);
  if (!err && w->view) err = check_mailbox(w);
  if (!err && !w->loaded.program)
    err = TF_ERR(E_MODEL_UNSUPPORTED, "model %s runs on no kernel: %s", w->loaded.model->name,
                 w->loaded.why);
  if (!err) err = device_open(w->device, w->info.limits.memory_bytes);
  if (!err) err = slots_open(&w->slots, w->loaded.program);
  if (!err) err = known_mailbox(w->loaded.model, &w->trial_view);
  if (!err) err = open_trial(w);
  if (!err) err = slots_write(&w->slots, 0, w->loaded.program);
  return err;
}

static void tell_device(worker_t *w) {
  tf_mailbox_device_t *d = &w->view->box->device;
  nvml_tell_nothing(d);
  snprintf(d->name, sizeof d->name, "%s", w->info.name);
  snprintf(d->pci, sizeof d->pci, "%s", w->info.pci);
  d->index        = w->device;
  d->model_bytes  = 2 * w->slots.bytes;
  d->window_bytes = room_bytes(w->loaded.program, w->view->instrument_cnt);
  w->nvml         = nvml_start(w->info.pci, d);
}

/* ---- while it serves ---- */

/* The kernel's beat and counters, made the worker's. */
static void relay(worker_t *w, uint64_t now_ns) {
  const tf_card_control_t *c    = w->main.control;
  tf_mailbox_t            *box  = w->view->box;
  uint64_t                 beat = tf_load_acquire(&c->beat); /* pairs with: the kernel's beat */
  /* relaxed: counters, each whole by itself; they only grow */
  tf_store_relaxed(&box->answered, tf_load_relaxed(&c->answered));
  tf_store_relaxed(&box->overtaken, tf_load_relaxed(&c->overtaken)); /* relaxed: likewise */
  tf_store_relaxed(&box->behind, tf_load_relaxed(&c->behind));       /* relaxed: likewise */
  tf_store_relaxed(&box->refused, tf_load_relaxed(&c->refused));     /* relaxed: likewise */
  if (beat == w->kernel_beat) return;
  w->kernel_beat = beat;
  w->beat_ns     = now_ns;
  tf_store_release(&box->worker_beat_ns, now_ns); /* pairs with: tf_child_watch */
}

/* How the kernel left its loop, when nobody told it to. */
static tf_err_t left(const worker_t *w) {
  uint32_t how = tf_load_acquire_u32(&w->main.control->left); /* pairs with: the kernel's end */
  return TF_ERR(E_GPU_HANG, how == TF_CARD_STUCK
                                ? "a wait between the kernel's blocks passed its bound"
                                : "the kernel left its loop, and nobody told it to");
}

/* The driver is asked nothing while the kernel beats: its calls could disturb it. */
static tf_err_t look_if_still(worker_t *w, uint64_t now_ns) {
  bool is_over = false;
  if (now_ns - w->beat_ns < STILL_NS) return TF_OK;
  tf_err_t err = room_look(&w->main, &is_over);
  return !err && is_over ? left(w) : err;
}

static tf_err_t first_beat(worker_t *w) {
  uint64_t begun_ns = tf_clock_monotonic_ns(), now_ns = begun_ns;
  while (w->kernel_beat == 0) {
    tf_err_t err = look_if_still(w, now_ns);
    if (err) return err;
    if (now_ns - begun_ns > FIRST_BEAT_NS * device_patience())
      return TF_ERR(E_GPU_HANG, "the kernel did not begin");
    nanosleep(&(struct timespec){.tv_nsec = (long)LOOK_NS}, NULL);
    now_ns = tf_clock_monotonic_ns();
    relay(w, now_ns);
  }
  return TF_OK;
}

static tf_err_t run(worker_t *w, watch_end_t *ended) {
  for (;;) {
    uint64_t now_ns = tf_clock_monotonic_ns();
    relay(w, now_ns);
    next_look(&w->next);
    tf_err_t err = look_if_still(w, now_ns);
    if (err) return err;
    *ended = watch_look(w->view->box, now_ns);
    if (*ended) return TF_OK;
    nanosleep(&(struct timespec){.tv_nsec = (long)LOOK_NS}, NULL);
  }
}

static tf_err_t start(worker_t *w) {
  w->main.view.next_seq = 1;
  tf_err_t err          = room_start(&w->main, 0, w->loaded.program);
  if (!err) err = first_beat(w);
  if (err) return err;
  w->next = (next_t){.main     = &w->main,
                     .trial    = &w->trial,
                     .slots    = &w->slots,
                     .first    = &w->loaded,
                     .box      = w->view->box,
                     .limits   = w->info.limits,
                     .has_room = next_has_room(w->loaded.program, &w->info.limits)};
  tf_store_release_u32(&w->view->box->state, TF_MAILBOX_SERVING); /* pairs with: tf_child_watch */
  return TF_OK;
}

/* ---- after it ---- */

static void fail(tf_mailbox_t *box, tf_err_t err) {
  snprintf(box->text, sizeof box->text, "%s", tf_error_text());
  box->failure = (uint32_t)err;
  tf_store_release_u32(&box->state, TF_MAILBOX_FAILED); /* pairs with: tf_child_watch */
}

static void release(worker_t *w) {
  nvml_stop(w->nvml);
  device_close(); /* first: it knows the memory that the others free */
  room_close(&w->trial);
  room_close(&w->main);
  tf_mailbox_close(&w->trial_view);
  load_free(&w->loaded);
}

tf_err_t serve(const serve_options_t *options, tf_mailbox_view_t *view, watch_end_t *ended) {
  static worker_t w; /* what hangs may still write into it when this has returned */
  w            = (worker_t){.options = options, .view = view};
  *ended       = WATCH_GOES_ON;
  tf_err_t err = prepare(&w);
  /* All of the device's memory, before a kernel runs. */
  if (!err) err = room_open(&w.main, w.loaded.program, w.slots.at, view);
  if (!err) err = known_ask(&w.trial, 0, &w.loaded, view->box, ended, NULL);
  if (!err && !*ended) {
    tell_device(&w);
    err = start(&w);
    if (!err) err = run(&w, ended);
    if (!err) err = room_end(&w.main);
  }
  if (err) fail(view->box, err); /* before anything that may take time */
  next_end(&w.next);
  if (err == E_GPU_HANG || err == E_GPU_DEVICE) return err; /* a kernel may still write */
  if (!err)
    tf_store_release_u32(&view->box->state, TF_MAILBOX_STOPPED); /* pairs with: tf_child_watch */
  release(&w);
  return err;
}

tf_err_t serve_check(const serve_options_t *options, watch_end_t *ended) {
  static worker_t w; /* as in serve */
  double          worst = 0.0;
  w                     = (worker_t){.options = options};
  *ended                = WATCH_GOES_ON;
  tf_err_t err          = prepare(&w);
  if (!err) err = known_ask(&w.trial, 0, &w.loaded, w.trial_view.box, ended, &worst);
  if (err == E_GPU_HANG || err == E_GPU_DEVICE) return err;
  if (!err && !*ended)
    printf(
        "%s: %u known answers are right on %s, by the %s kernel in %s; the worst is off by %.2g\n",
        w.loaded.model->name, w.loaded.graph.check_cnt, w.info.name,
        tf_card_kind_name(w.loaded.program->kind),
        tf_precision_name((tf_precision_t)w.loaded.program->precision), worst);
  release(&w);
  return err;
}
