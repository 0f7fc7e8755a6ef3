#include "boot/remotes.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "boot/model_child.h"
#include "boot/placement_file.h"
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

#define LOOK_NS TF_NS_PER_MS /* between looks at samples and versions */

/* ---- which models, and their memory ---- */

static bool may_be_remote(const tf_engine_t *e, uint32_t i) {
  tf_placement_option_t option;
  if (e->options.is_check) return false;
  tf_placement_choose(e->config, i, &option);
  if (e->options.is_replay)
    return e->options.outcomes && e->options.remote_models >> i & 1 &&
           option.choice != TF_PLACEMENT_RUNTIME && !option.is_lane_only;
  return tf_placement_may_be_worker(&option);
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
  size_t bytes = 0;
  for (uint32_t i = 0; i < e->model_cnt; i++) {
    if (!may_be_remote(e, i)) continue;
    tf_remote_config_t config = lane_config(e, i);
    bytes += tf_remote_bytes(&config, e->instruments.cap); /* 0: add says what is wrong */
  }
  return bytes;
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
  market.source            = (tf_child_market_source_t){.self       = &e->runner.lane,
                                                        .tick       = tf_tell_tick,
                                                        .state      = tf_tell_state,
                                                        .is_settled = tf_tell_is_settled};
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

/* ---- the thread that watches ---- */

/* last: no decision behind it is of that worker. */
static void tell_doubt(tf_remotes_t *rs, tf_remotes_row_t *row, uint64_t last) {
  row->doubted_ns = 0;
  tf_store_relaxed(&row->shown.wrong_first_seq, row->check.first_seq); /* relaxed: figures */
  tf_store_relaxed(&row->shown.wrong_last_seq, last);                  /* relaxed: as above */
  tf_log(TF_LOG_ERROR, "worker_answer_wrong",
         "model=%s off=%.6g decisions_first=%llu decisions_last=%llu",
         rs->engine->config->models[row->model_idx].name, row->check.off,
         (unsigned long long)row->check.first_seq, (unsigned long long)last);
}

/* Told two ticks later: the lane may have been within one when the worker was doubted, and its decisions are counted by the next. */
static void await_ticks(tf_remotes_t *rs, tf_remotes_row_t *row) {
  /* relaxed: the lane asks it no more */
  uint64_t passed = tf_load_relaxed(&row->remote->passed_seq);
  if (passed == row->doubted_at) return;
  row->doubted_at = passed;
  if (++row->doubted_ticks == 2) tell_doubt(rs, row, passed);
}

static void compare(tf_remotes_t *rs, tf_remotes_row_t *row) {
  if (row->doubted_ns) await_ticks(rs, row);
  if (tf_remote_check_look(&row->check, row->remote, row->serial) != TF_REMOTE_WRONG) return;
  tf_child_doubt(row->child, row->check.epoch);
  row->doubted_ns    = tf_clock_monotonic_ns();
  row->doubted_ticks = 0;
  /* relaxed: as in await_ticks */
  row->doubted_at = tf_load_relaxed(&row->remote->passed_seq);
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
  for (uint32_t k = 0; k < TF_CHILD_REVIVAL_CNT; k++) {
    if (c.revived[k] != s->revived[k])
      tf_log(TF_LOG_NOTICE, "worker_revived", "model=%s cause=%s",
             rs->engine->config->models[row->model_idx].name, tf_remotes_revival_name(k));
    tf_store_relaxed(&s->revived[k], c.revived[k]); /* relaxed: figures that stand alone */
  }
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

/* An operator's word. */
static void revive(tf_remotes_row_t *row) {
  uint64_t asked = tf_load_acquire(&row->restarts_asked); /* pairs with: tf_remotes_restart */
  if (asked == row->restarts_seen) return;
  row->restarts_seen = asked;
  tf_child_restart(row->child);
}

static void *watch(void *arg) {
  tf_remotes_t *rs = arg;
  tf_cpu_pin(-1, "tf:workers");
  while (!tf_load_acquire(&rs->stop)) { /* pairs with: tf_remotes_stop */
    for (uint32_t i = 0; i < TF_MODELS_MAX; i++) {
      tf_remotes_row_t *row = &rs->rows[i];
      if (!row->child) continue;
      compare(rs, row);
      revive(row);
      tf_remotes_follow(rs, row);
      show(rs, row);
    }
    nanosleep(&(struct timespec){.tv_nsec = (long)LOOK_NS}, NULL);
  }
  return NULL;
}

bool tf_remotes_take_mark(tf_remotes_t *rs, tf_outcome_t *mark) {
  for (uint32_t i = 0; rs && i < TF_MODELS_MAX; i++)
    for (uint32_t k = 0; k < TF_CHILD_REVIVAL_CNT; k++) {
      tf_remotes_row_t *row = &rs->rows[i];
      /* relaxed: a count that stands alone */
      if (row->marked[k] >= tf_load_relaxed(&row->shown.revived[k])) continue;
      row->marked[k]++;
      *mark =
          (tf_outcome_t){.instrument_id = i, .model_idx = TF_OUTCOME_REVIVED, .asked = (uint8_t)k};
      return true;
    }
  return false;
}

/* ---- live ---- */

/* backend auto came to be the CPU's: the lane knows nothing of a worker. */
static void leave_to_cpu(tf_remotes_t *rs, tf_remotes_row_t *row) {
  tf_compute_set_remote(&rs->engine->runner.lane.compute, row->model_idx, NULL);
  tf_child_stop(row->child);
  row->child  = NULL;
  row->remote = NULL;
  tf_remotes_follow_end(rs, row);
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

/* backend auto: measured, and left to whom is sooner. */
static void place_row(tf_remotes_t *rs, tf_remotes_row_t *row) {
  const tf_config_t *c    = rs->engine->config;
  const char        *name = c->models[row->model_idx].name;
  tf_remote_t       *r    = row->remote;
  r->lane.worker          = row->child;
  if (tf_placement_decide(&r->lane, row->reference, c->gpu.start_ns, &row->place)) {
    r->hash   = row->reference->hash; /* the lane goes on where this ended */
    r->serial = row->serial;
    tf_store_release(&r->taken, row->serial); /* pairs with: is_taken */
  }
  tf_log(TF_LOG_NOTICE, "model_placed", "model=%s on=%s why=\"%s\"", name,
         row->place.is_worker ? "worker" : "cpu", row->place.why);
}

static tf_err_t open_row(tf_remotes_t *rs, uint32_t i, const tf_placement_file_t *before) {
  const tf_config_t       *c   = rs->engine->config;
  const tf_config_model_t *m   = &c->models[i];
  tf_remotes_row_t        *row = &rs->rows[i];
  tf_err_t                 err = tf_remotes_follow_begin(rs, row);
  tf_placement_begin(c, i, &row->place);
  if (!err) err = tf_placement_measure_cpu(row->reference, &row->place);
  if (err) return err;
  if (m->backend == TF_CONFIG_BACKEND_AUTO) {
    row->place.was_worker = tf_placement_file_was_worker(before, m->name, row->reference->hash);
    place_row(rs, row);
  } else {
    row->place.is_worker = true;
    snprintf(row->place.why, sizeof row->place.why, "the config says so");
  }
  if (row->place.is_worker)
    check_stand_in(row, m->name);
  else
    leave_to_cpu(rs, row);
  return TF_OK;
}

/* What the next start is to begin with. */
static void keep_places(const tf_remotes_t *rs) {
  const tf_config_t  *c     = rs->engine->config;
  tf_placement_file_t after = {0};
  for (uint32_t i = 0; i < c->model_cnt; i++) {
    const tf_remotes_row_t *row = &rs->rows[i];
    if (c->models[i].backend == TF_CONFIG_BACKEND_AUTO && row->place.why[0])
      tf_placement_file_put(&after, c->models[i].name, rs->engine->models[i]->hash, &row->place);
  }
  if (after.cnt == 0 || !c->gpu.placements) return;
  if (tf_placement_file_write(&after, c->gpu.placements))
    tf_log(TF_LOG_WARN, "placements_not_kept", "text=\"%s\"", tf_error_text());
}

uint32_t tf_remotes_models(const tf_engine_t *e, uint32_t *output_cnt) {
  uint32_t models = 0;
  for (uint32_t i = 0; i < e->model_cnt; i++) {
    if (e->remotes ? !e->remotes->rows[i].remote : !may_be_remote(e, i)) continue;
    uint32_t outputs = lane_config(e, i).output_cnt;
    models |= UINT32_C(1) << i;
    if (outputs > *output_cnt) *output_cnt = outputs;
  }
  return models;
}

void tf_remotes_set_log(tf_remotes_t *rs, tf_outcome_log_t *log) {
  for (uint32_t i = 0; rs && i < TF_MODELS_MAX; i++)
    if (rs->rows[i].remote) rs->rows[i].remote->log = log;
}

tf_err_t tf_remotes_open(tf_engine_t *e) {
  tf_remotes_t *rs  = e->remotes;
  tf_err_t      err = TF_OK;
  if (!rs) return TF_OK;
  tf_placement_file_t before;
  tf_placement_file_read_or_log(&before, e->config->gpu.placements);
  for (uint32_t i = 0; i < e->model_cnt && !err; i++)
    if (rs->rows[i].remote) err = open_row(rs, i, &before);
  if (!err) keep_places(rs);
  if (!err) rs->is_open = true;
  return err;
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
  tf_store_release(&rs->runs, 1); /* pairs with: tf_remotes_restart */
  return TF_OK;
}

void tf_remotes_stop(tf_remotes_t *rs) {
  if (!rs || !rs->is_started) return;
  tf_store_release(&rs->stop, 1); /* pairs with: watch */
  pthread_join(rs->thread, NULL);
  rs->is_started = false;
  for (uint32_t i = 0; i < TF_MODELS_MAX; i++) {
    tf_remotes_row_t *row = &rs->rows[i];
    if (row->doubted_ns) tell_doubt(rs, row, *row->remote->decision_seq); /* the lane has ended */
    tf_child_stop(row->before);
    tf_child_stop(row->child);
    row->before = row->child = NULL;
    tf_remotes_follow_end(rs, row); /* while the model server is there */
  }
}

void tf_remotes_fini(tf_remotes_t *rs) {
  for (uint32_t i = 0; rs && i < TF_MODELS_MAX; i++) {
    tf_remotes_row_t *row = &rs->rows[i];
    tf_child_stop(row->before);
    tf_child_stop(row->child);
    tf_remote_check_fini(&row->check);
    pthread_mutex_destroy(&row->lock);
  }
  free(rs);
}

/* ---- an operator ---- */

/* The row of that name, if a worker answers it. */
static tf_remotes_row_t *find_row(tf_remotes_t *rs, const char *name) {
  for (uint32_t i = 0; i < rs->engine->model_cnt; i++)
    if (rs->rows[i].remote && !strcmp(rs->engine->config->models[i].name, name))
      return &rs->rows[i];
  return NULL;
}

tf_err_t tf_remotes_restart(tf_remotes_t *rs, const char *name) {
  bool              runs = rs && tf_load_acquire(&rs->runs); /* pairs with: tf_remotes_start */
  tf_remotes_row_t *row  = runs ? find_row(rs, name) : NULL;
  if (!row)
    return TF_ERR(
        E_CONTROL_REQUEST,
        "no worker answers a model called \"%.31s\"; worker list names those that have one", name);
  /* relaxed: who asks is one at a time */
  tf_store_release(&row->restarts_asked,
                   tf_load_relaxed(&row->restarts_asked) + 1); /* pairs with: revive */
  return TF_OK;
}
