#include "boot/remotes.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "boot/placement.h"
#include "boot/remotes_row.h"
#include "boot/serving.h"
#include "core/clock.h"
#include "core/cpu.h"
#include "core/error.h"
#include "core/log.h"
#include "serve/models_dir.h"
#include "stage/tell.h"

TF_STATIC_ASSERT((int)TF_CONFIG_NO_ANSWER_CPU == (int)TF_NO_ANSWER_CPU,
                 "the config's no_answer words are the lane's");

#define LOOK_NS   TF_NS_PER_MS /* between looks at samples and versions */
#define TAP_BYTES 8192u        /* of outcomes in one record of the capture */
#define SLOTS     64u          /* requests of a mailbox that may be under way */
#define BATCH_MIN 16u          /* rows of a request, where a window's are sent again */

TF_STATIC_ASSERT(TAP_BYTES >= sizeof(tf_outcome_t) + 4 * TF_MODEL_OUTPUTS_MAX + 8,
                 "the largest outcome fits a record");

/* ---- which models, and their memory ---- */

static bool may_be_remote(const tf_engine_t *e, uint32_t i) {
  const tf_config_model_t *m = &e->config->models[i];
  char                     program[TF_WORKER_PATH_BYTES], where[1400];
  if (tf_config_model_is_foreign(m) || tf_config_model_has_owns(m) || m->ensemble.item_cnt > 0 ||
      m->lanes > 1 || e->options.is_check)
    return false;
  if (e->options.is_replay) return e->options.outcomes && e->options.remote_models >> i & 1;
  if (m->backend != TF_CONFIG_BACKEND_AUTO) return tf_config_model_is_remote(m);
  return tf_worker_find(e->config, m->backend, program, where, sizeof where);
}

static tf_remote_config_t lane_config(const tf_engine_t *e, uint32_t i) {
  const tf_config_t       *c      = e->config;
  const tf_config_model_t *m      = &c->models[i];
  const tf_model_t        *model  = e->models[i];
  tf_remote_config_t       config = {.model_idx     = i,
                                     .width         = model->input_cnt,
                                     .window        = model->window > 1 ? model->window : 0,
                                     .output_cnt    = model->output_cnt,
                                     .no_answer     = (uint8_t)tf_config_model_no_answer(m),
                                     .deadline_ns   = tf_config_model_deadline_ns(m),
                                     .miss_limit    = m->miss_limit,
                                     .compare_every = c->gpu.compare_every,
                                     .compare_max   = (double)m->compare_max_ppm * 1e-6,
                                     .keep_alive_ns = c->gpu.keep_alive_ns,
                                     .has_market    = m->features == TF_CONFIG_FEATURES_GPU};
  for (uint32_t k = 0; k < i && m->fallback; k++)
    if (!strcmp(c->models[k].name, m->fallback)) config.fallback_idx = k;
  return config;
}

size_t tf_remotes_bytes(const tf_engine_t *e) {
  size_t   bytes   = 0;
  uint32_t outputs = 0;
  for (uint32_t i = 0; i < e->model_cnt; i++) {
    if (!may_be_remote(e, i)) continue;
    tf_remote_config_t config = lane_config(e, i);
    bytes += tf_remote_bytes(&config, e->instruments.cap); /* 0: add says what is wrong */
    if (config.output_cnt > outputs) outputs = config.output_cnt;
  }
  return outputs ? bytes + tf_outcome_log_bytes(outputs) : 0;
}

static tf_err_t make_remotes(tf_engine_t *e) {
  if (e->remotes) return TF_OK;
  size_t bytes = tf_align_up(sizeof(tf_remotes_t), TF_LINE_PAIR_BYTES);
  e->remotes   = aligned_alloc(TF_LINE_PAIR_BYTES, bytes);
  if (!e->remotes) return TF_ERR(E_CORE_NO_MEMORY, "models of workers");
  memset(e->remotes, 0, bytes);
  e->remotes->engine = e;
  e->publish.remotes = e->remotes;
  for (uint32_t i = 0; i < TF_MODELS_MAX; i++) pthread_mutex_init(&e->remotes->rows[i].lock, NULL);
  return TF_OK;
}

static void set_market(tf_engine_t *e, uint32_t i, tf_remote_t *r) {
  tf_child_market_t market = tf_card_plan_market(&e->card_plans[i]);
  market.source = (tf_child_market_source_t){&e->runner.lane, tf_tell_tick, tf_tell_state};
  tf_remote_set_market(r, &market);
  e->runner.lane.compute.tells |= TF_ON_TICK | market.on;
}

tf_err_t tf_remotes_add(tf_engine_t *e, uint32_t i) {
  if (!may_be_remote(e, i)) return TF_OK;
  tf_err_t err = make_remotes(e);
  if (err) return err;
  tf_remotes_row_t  *row    = &e->remotes->rows[i];
  tf_remote_config_t config = lane_config(e, i);
  tf_remote_t       *r      = tf_arena_take(&e->arena, sizeof *r, TF_LINE_PAIR_BYTES);
  if (!r) return E_CORE_ARENA_FULL;
  err = tf_remote_init(r, &config, e->instruments.cap, &e->arena);
  if (err) return tf_error_add(err, "model %s", e->config->models[i].name);
  r->decision_seq = &e->runner.lane.decide.decision_seq;
  row->remote     = r;
  row->model_idx  = i;
  tf_compute_set_remote(&e->runner.lane.compute, i, r);
  if (e->card_plans[i].view.image) set_market(e, i, r);
  return TF_OK;
}

/* ---- workers ---- */

/* The file of the version that serves, or that came to serve. */
static void file_of(const tf_engine_t *e, uint32_t i, uint64_t number,
                    char path[TF_WORKER_PATH_BYTES]) {
  const tf_config_model_t *m = &e->config->models[i];
  if (m->registry)
    tf_models_dir_path(m->registry, m->name, (uint32_t)number, path);
  else
    snprintf(path, TF_WORKER_PATH_BYTES, "%s", m->file);
}

TF_STATIC_ASSERT(TF_WORKER_PATH_BYTES >= TF_MODELS_DIR_PATH_BYTES, "a registry's path fits");

/* The model to compare with, of the file that the worker loads. */
static tf_err_t load_reference(const tf_engine_t *e, tf_remotes_row_t *row, const char *path) {
  tf_model_options_t options;
  tf_model_t        *made = NULL;
  tf_err_t           err  = tf_serving_options(e->config, row->model_idx, &options);
  if (!err) err = e->registry->models->load(path, &options, &made);
  if (!err) err = tf_remote_check_init(&row->check, made);
  if (err) {
    e->registry->models->unload(made);
    return err;
  }
  e->registry->models->unload(row->reference);
  row->reference = made;
  return TF_OK;
}

/* Starts a worker of that version beside the one that is there. It is offered to the lane by offer_worker. */
/* The mailbox of a worker that computes features. */
static void say_market(const tf_engine_t *e, const tf_remotes_row_t *row, tf_mailbox_spec_t *box) {
  const tf_plan_view_t *v = &e->card_plans[row->model_idx].view;
  box->slot_cnt           = TF_CHILD_MARKET_SLOTS;
  box->input_cnt          = tf_market_row_values(row->remote->market->handed_cnt);
  box->plan               = v->image;
  box->plan_bytes         = v->image->bytes;
  box->state_packets =
      tf_child_market_packets(v->mem_bytes, row->remote->config.width, row->remote->config.window);
}

static tf_err_t start_worker(tf_remotes_t *rs, tf_remotes_row_t *row, uint64_t number) {
  const tf_engine_t *e = rs->engine;
  const tf_config_t *c = e->config;
  const tf_remote_t *r = row->remote;
  char               path[TF_WORKER_PATH_BYTES];
  tf_worker_words_t *words = &row->words[(row->serial + 1) % 2];
  file_of(e, row->model_idx, number, path);
  tf_err_t err = tf_worker_find_or_say(c, row->model_idx, words->program);
  if (!err) err = load_reference(e, row, path);
  if (err) return err;
  uint32_t batch = c->engine.batch_max > BATCH_MIN ? c->engine.batch_max : BATCH_MIN;
  tf_worker_say(words, c, row->model_idx, path);
  tf_child_config_t config = {
      .argv        = words->argv,
      .mailbox     = {.slot_cnt       = SLOTS,
                      .batch_max      = batch < TF_MAILBOX_BATCH_MAX ? batch : TF_MAILBOX_BATCH_MAX,
                      .input_cnt      = r->config.width,
                      .output_cnt     = r->config.output_cnt,
                      .instrument_cnt = r->instrument_cnt + 1, /* one to keep it alive with */
                      .window         = row->reference->window,
                      .model_hash     = row->reference->hash},
      .start_ns    = c->gpu.start_ns,
      .heart_ns    = c->gpu.heart_ns,
      .restart_max = c->gpu.restart_max,
      .restart_ns  = c->gpu.restart_ns
  };
  if (r->market) say_market(e, row, &config.mailbox);
  tf_child_t *made = NULL;
  err              = tf_child_start(&config, &made);
  if (err) return err;
  row->before  = row->child;
  row->child   = made;
  row->version = number << 32 | row->reference->hash;
  row->serial++;
  return TF_OK;
}

/* The lane is to ask it from its next tick on. */
static void offer_worker(tf_remotes_row_t *row) {
  row->remote->offers[row->serial % 2] =
      (tf_remote_offer_t){.worker = row->child, .hash = row->reference->hash};
  tf_store_release(&row->remote->offered, row->serial); /* pairs with: has_worker */
}

/* The one before, once the lane has left it. */
static void stop_unused(tf_remotes_row_t *row) {
  if (!row->before ||
      tf_load_acquire(&row->remote->taken) != row->serial) /* pairs with: has_worker */
    return;
  tf_child_stop(row->before);
  row->before = NULL;
}

/* Another version serves on the lane: a worker of it is started, and asked once it has passed its known answers. */
static void follow_version(tf_remotes_t *rs, tf_remotes_row_t *row) {
  uint64_t wanted = tf_load_acquire(&row->remote->wanted); /* pairs with: tf_remote_want */
  if (wanted == 0 || wanted == row->version || row->before) return;
  tf_err_t err = start_worker(rs, row, wanted >> 32);
  if (err) {
    tf_log(TF_LOG_ERROR, "worker_not_started", "model=%s code=%s text=\"%s\"",
           rs->engine->config->models[row->model_idx].name, tf_error_name(err), tf_error_text());
    row->version = wanted; /* told once; the lane goes on without one */
    return;
  }
  offer_worker(row);
}

/* ---- the thread that watches ---- */

/* Told a look later: the lane may have been within a tick when the worker was doubted. */
static void tell_doubt(tf_remotes_t *rs, tf_remotes_row_t *row) {
  /* relaxed: the lane asks it no more */
  uint64_t last   = tf_load_relaxed(&row->remote->passed_seq);
  row->doubted_ns = 0;
  tf_store_relaxed(&row->shown.wrong_first_seq, row->check.first_seq); /* relaxed: figures */
  tf_store_relaxed(&row->shown.wrong_last_seq, last);                  /* relaxed: as above */
  tf_log(TF_LOG_ERROR, "worker_answer_wrong",
         "model=%s off=%.6g decisions_first=%llu decisions_last=%llu",
         rs->engine->config->models[row->model_idx].name, row->check.off,
         (unsigned long long)row->check.first_seq, (unsigned long long)last);
}

static void compare(tf_remotes_t *rs, tf_remotes_row_t *row) {
  if (row->doubted_ns) tell_doubt(rs, row);
  if (tf_remote_check_look(&row->check, row->remote, row->serial) != TF_REMOTE_WRONG) return;
  tf_child_doubt(row->child, row->check.epoch);
  row->doubted_ns = tf_clock_monotonic_ns();
}

static void show_end(tf_remotes_t *rs, tf_remotes_row_t *row) {
  char text[TF_REMOTES_TEXT_BYTES];
  tf_child_last_end(row->child, text, sizeof text);
  pthread_mutex_lock(&row->lock);
  snprintf(row->text, sizeof row->text, "%s", text);
  pthread_mutex_unlock(&row->lock);
  tf_log(TF_LOG_WARN, "worker_over", "model=%s text=\"%s\"",
         rs->engine->config->models[row->model_idx].name, text);
}

static void show_device(tf_remotes_row_t *row) {
  tf_mailbox_device_t device;
  uint64_t           *to = (uint64_t *)&row->shown.device, *from = (uint64_t *)&device;
  tf_child_device(row->child, &device);
  for (size_t i = 0; i < sizeof device / sizeof *to; i++)
    tf_store_relaxed(&to[i], from[i]); /* relaxed: each word by itself */
}

static void show(tf_remotes_t *rs, tf_remotes_row_t *row) {
  tf_child_counts_t   c     = tf_child_counts(row->child);
  tf_remotes_shown_t *s     = &row->shown;
  uint64_t            state = tf_child_state(row->child), ended = 0, known = 0;
  for (uint32_t i = 0; i < TF_CHILD_END_CNT; i++) {
    ended += c.ends[i];
    known += s->ends[i];
    tf_store_relaxed(&s->ends[i], c.ends[i]); /* relaxed: figures that stand alone */
  }
  if (ended != known) show_end(rs, row);
  show_device(row);
  if (state != s->state)
    tf_log(TF_LOG_NOTICE, "worker", "model=%s state=%s back_ms=%.1f",
           rs->engine->config->models[row->model_idx].name, tf_remotes_state_name(state),
           (double)c.back_ns * 1e-6);
  tf_store_relaxed(&s->state, state);                  /* relaxed: as above */
  tf_store_relaxed(&s->starts, c.starts);              /* relaxed: as above */
  tf_store_relaxed(&s->back_ns, c.back_ns);            /* relaxed: as above */
  tf_store_relaxed(&s->back_ns_max, c.back_ns_max);    /* relaxed: as above */
  tf_store_relaxed(&s->compared, row->check.compared); /* relaxed: as above */
  tf_store_relaxed(&s->wrong, row->check.wrong);       /* relaxed: as above */
}

static void *watch(void *arg) {
  tf_remotes_t *rs = arg;
  tf_cpu_pin(-1, "tf:workers");
  while (!tf_load_acquire(&rs->stop)) { /* pairs with: tf_remotes_stop */
    for (uint32_t i = 0; i < TF_MODELS_MAX; i++) {
      tf_remotes_row_t *row = &rs->rows[i];
      if (!row->child) continue;
      compare(rs, row);
      stop_unused(row);
      follow_version(rs, row);
      show(rs, row);
    }
    nanosleep(&(struct timespec){.tv_nsec = (long)LOOK_NS}, NULL);
  }
  return NULL;
}

/* ---- acquire's side: outcomes into the capture ---- */

static void put_record(const tf_remotes_t *rs, const void *bytes, uint32_t bytes_cnt) {
  tf_tap_record_t record = {.recv_ns    = tf_clock_wall_ns(),
                            .source_idx = UINT32_MAX,
                            .kind       = TF_TAP_OUTCOMES,
                            .bytes_cnt  = bytes_cnt,
                            .bytes      = bytes};
  rs->tap.on_record(rs->tap.self, &record);
}

static int capture_outcomes(tf_remotes_t *rs) {
  TF_ALIGNED(8) uint8_t bytes[TAP_BYTES];
  int                   work = 0;
  for (uint32_t cnt;
       rs->has_log && (cnt = tf_outcome_log_take(&rs->log, bytes, sizeof bytes, &rs->captured));
       work++)
    put_record(rs, bytes, cnt);
  return work;
}

static int poll_remotes(tf_source_t *source, uint64_t now_ns) {
  (void)now_ns;
  tf_remotes_t *rs = (tf_remotes_t *)(void *)((uint8_t *)source - offsetof(tf_remotes_t, source));
  return TF_UNLIKELY(rs->is_stopping) ? TF_SOURCE_DONE : capture_outcomes(rs);
}

static void stop_polling(tf_source_t *source) {
  ((tf_remotes_t *)(void *)((uint8_t *)source - offsetof(tf_remotes_t, source)))->is_stopping =
      true;
}

static const tf_source_ops_t source_ops = {.poll = poll_remotes, .stop = stop_polling};

/* ---- live ---- */

/* backend auto came to be the CPU's: the lane knows nothing of a worker. */
static void leave_to_cpu(tf_remotes_t *rs, tf_remotes_row_t *row) {
  tf_compute_set_remote(&rs->engine->runner.lane.compute, row->model_idx, NULL);
  tf_child_stop(row->child);
  row->child  = NULL;
  row->remote = NULL;
}

/* What stands in is to be quick enough for the tick that it answers. */
static void check_stand_in(const tf_remotes_row_t *row, const char *model) {
  if (row->remote->config.no_answer != TF_NO_ANSWER_CPU ||
      row->place.cpu_ns <= TF_PLACEMENT_STAND_IN_NS)
    return;
  tf_log(TF_LOG_WARN, "stand_in_slow",
         "model=%s cpu_us=%.1f text=\"a tick that the worker misses is answered by the CPU so long "
         "after the deadline: a smaller model as fallback, no_answer: last or hold are sooner\"",
         model, (double)row->place.cpu_ns * 1e-3);
}

static tf_err_t open_row(tf_remotes_t *rs, uint32_t i) {
  const tf_config_model_t *m   = &rs->engine->config->models[i];
  tf_remotes_row_t        *row = &rs->rows[i];
  tf_err_t                 err = start_worker(rs, row, rs->engine->versions[i]);
  if (!err) err = tf_placement_measure_cpu(row, row->reference);
  if (err) return err;
  offer_worker(row);
  if (m->backend != TF_CONFIG_BACKEND_AUTO) {
    row->place.is_worker = true;
    snprintf(row->place.why, sizeof row->place.why, "the config says so");
    check_stand_in(row, m->name);
    return TF_OK;
  }
  tf_placement_decide(row, rs->engine->config->gpu.start_ns);
  tf_log(TF_LOG_NOTICE, "model_placed", "model=%s on=%s why=\"%s\"", m->name,
         row->place.is_worker ? "worker" : "cpu", row->place.why);
  if (row->place.is_worker)
    check_stand_in(row, m->name);
  else
    leave_to_cpu(rs, row);
  return TF_OK;
}

/* Says which models a worker answers, before anything else is captured. */
static tf_err_t open_log(tf_remotes_t *rs) {
  tf_engine_t *e       = rs->engine;
  uint32_t     outputs = 0, models = 0;
  for (uint32_t i = 0; i < e->model_cnt; i++) {
    const tf_remote_t *r = rs->rows[i].remote;
    if (!r) continue;
    models |= UINT32_C(1) << i;
    if (r->config.output_cnt > outputs) outputs = r->config.output_cnt;
  }
  if (!rs->tap.on_record || models == 0) return TF_OK;
  tf_err_t err = tf_outcome_log_init(&rs->log, outputs, &e->arena);
  if (err) return err;
  for (uint32_t i = 0; i < e->model_cnt; i++)
    if (rs->rows[i].remote) rs->rows[i].remote->log = &rs->log;
  tf_outcome_t begin = {.instrument_id = models, .model_idx = TF_OUTCOME_BEGIN};
  put_record(rs, &begin, sizeof begin);
  rs->has_log = true;
  return TF_OK;
}

tf_err_t tf_remotes_open(tf_engine_t *e, tf_tap_t tap) {
  tf_remotes_t *rs  = e->remotes;
  tf_err_t      err = TF_OK;
  if (!rs) return TF_OK;
  rs->tap           = tap;
  rs->source.ops    = &source_ops;
  rs->source.is_aid = true;
  for (uint32_t i = 0; i < e->model_cnt && !err; i++)
    if (rs->rows[i].remote) err = open_row(rs, i);
  if (!err) err = open_log(rs);
  if (err) return err;
  rs->is_open = true;
  return tf_acquire_add(&e->runner.acquire, &rs->source);
}

tf_err_t tf_remotes_start(tf_remotes_t *rs) {
  for (uint32_t i = 0; rs && i < TF_MODELS_MAX; i++) /* not before: a warm start is run here */
    if (rs->rows[i].remote) rs->rows[i].remote->outcomes = rs->engine->options.outcomes;
  if (!rs || !rs->is_open) return TF_OK;
  bool any = false;
  for (uint32_t i = 0; i < TF_MODELS_MAX; i++) {
    if (!rs->rows[i].remote) continue;
    rs->rows[i].remote->is_asking = true;
    any                           = true;
  }
  if (!any) return TF_OK; /* auto left all of them to the CPU */
  int failed = pthread_create(&rs->thread, NULL, watch, rs);
  if (failed) return TF_ERR(E_CORE_THREAD, "workers: %s", strerror(failed));
  rs->is_started = true;
  return TF_OK;
}

void tf_remotes_stop(tf_remotes_t *rs) {
  if (!rs || !rs->is_started) return;
  tf_store_release(&rs->stop, 1); /* pairs with: watch */
  pthread_join(rs->thread, NULL);
  rs->is_started = false;
  (void)capture_outcomes(rs);
  for (uint32_t i = 0; i < TF_MODELS_MAX; i++) {
    tf_remotes_row_t *row = &rs->rows[i];
    if (row->doubted_ns) tell_doubt(rs, row);
    tf_child_stop(row->before);
    tf_child_stop(row->child);
    row->before = row->child = NULL;
  }
}

void tf_remotes_fini(tf_remotes_t *rs) {
  for (uint32_t i = 0; rs && i < TF_MODELS_MAX; i++) {
    tf_remotes_row_t *row = &rs->rows[i];
    tf_child_stop(row->before);
    tf_child_stop(row->child);
    tf_remote_check_fini(&row->check);
    rs->engine->registry->models->unload(row->reference);
    pthread_mutex_destroy(&row->lock);
  }
  free(rs);
}
