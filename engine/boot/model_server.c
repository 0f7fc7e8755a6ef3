#include "boot/model_server.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "boot/control_request.h"
#include "boot/serving.h"
#include "boot/snapshot.h"
#include "core/error.h"
#include "core/log.h"
#include "serve/models_dir.h"
#include "serve/trial.h"

#define LOOK_NS (200 * TF_NS_PER_US) /* between looks at what the lane has done */
#define WATCH_NS                                                                                   \
  (50 * TF_NS_PER_MS) /* between looks at the answers of a version that was swapped in */

typedef enum state { IDLE, LOADING, PREPARING, READY, SWAPPING, CANARY } state_t;

static const char *const state_names[] = {"idle",  "loading",  "preparing",
                                          "ready", "swapping", "canary"};

typedef struct slot {
  uint32_t            model_idx; /* of the config */
  tf_compute_model_t *lane;
  tf_swap_t          *swap;
  tf_model_t         *owned[TF_VERSION_ROWS]; /* models of rows that this server loaded */
  uint32_t            held[TF_VERSION_ROWS];  /* by tf_model_server_hold: rows that stay */
  uint64_t            serial;
  uint64_t            serving, beside, previous; /* words; 0: none */
  state_t             state;
  bool                is_wanted; /* request is to be worked on */
  tf_model_request_t  request;
  uint64_t            swaps, refused, rollbacks; /* rollbacks: by the server itself */
  tf_canary_share_t   share;                     /* of what is beside; cnt 0: it serves nobody */
  bool                is_watched;                /* the version that serves was swapped in */
  uint64_t            refusals_before;           /* of answers, when it was */
  tf_err_t            refusal, verdict;          /* verdict: why its canary is being ended */
  char                refusal_text[512];
} slot_t;

struct tf_model_server {
  tf_engine_t         *engine;
  tf_model_publisher_t publisher;
  pthread_t            thread;
  bool                 is_started;
  pthread_mutex_t
      lock; /* of all below, and of the slots but what the thread does with no lock held */
  pthread_cond_t work, fetched;
  bool           is_stopping;
  slot_t         slots[TF_MODELS_MAX];
  uint32_t       slot_cnt;
  struct {
    bool     is_wanted, is_done, is_good;
    uint32_t slot_idx, hash;
    uint64_t number;
  } fetch;
  tf_err_t missed;
  char     missed_text[512];
};

/* ---- one version ---- */

static const tf_version_t *row_of(const slot_t *s, uint64_t word) {
  return tf_swap_row(s->swap, word);
}

static bool is_used(const slot_t *s, uint32_t row) {
  const uint64_t words[] = {s->serving, s->beside, s->previous};
  for (size_t i = 0; i < TF_ARRAY_CNT(words); i++)
    if (words[i] && words[i] % TF_VERSION_ROWS == row) return true;
  return s->held[row] > 0;
}

/* Row 0 of the start is the engine's: its model and the arena's memory. */
static void free_row(const tf_model_server_t *server, slot_t *s, uint32_t row) {
  if (!s->owned[row]) return;
  tf_version_fini(&s->swap->versions[row]);
  server->engine->registry->models->unload(s->owned[row]);
  s->owned[row] = NULL;
}

static void free_unused(const tf_model_server_t *server, slot_t *s) {
  for (uint32_t row = 0; row < TF_VERSION_ROWS; row++)
    if (!is_used(s, row)) free_row(server, s, row);
}

static uint32_t find_row(const slot_t *s) {
  uint32_t row = 0;
  while (is_used(s, row)) row++;
  return row;
}

/* Loads a version into a row that nothing uses. */
static tf_err_t load(const tf_model_server_t *server, slot_t *s, uint32_t number, const char *pin,
                     uint64_t *word) {
  const tf_config_t       *c      = server->engine->config;
  const tf_config_model_t *config = &c->models[s->model_idx];
  char                     path[TF_MODELS_DIR_PATH_BYTES];
  tf_model_options_t       options;
  tf_model_t              *made = NULL;
  tf_err_t                 err  = tf_serving_options(c, s->model_idx, &options);
  uint32_t                 row  = find_row(s);
  free_row(server, s, row);
  tf_models_dir_path(config->registry, config->name, number, path);
  if (!err) err = server->engine->registry->models->load(path, &options, &made);
  if (err) return err;
  snprintf(made->name, sizeof made->name, "%s", config->name);
  err = tf_models_dir_check_pin(path, made->sha256_hex, pin && *pin ? pin : NULL);
  if (!err) err = tf_serving_check_fit(server->engine, s->lane, row_of(s, s->serving)->model, made);
  if (err) err = tf_error_add(err, "%s", path);
  if (!err)
    err = tf_version_init(&s->swap->versions[row], made, number, server->engine->instruments.cap);
  if (err) {
    server->engine->registry->models->unload(made);
    return err;
  }
  s->owned[row] = made;
  *word         = ++s->serial * TF_VERSION_ROWS + row;
  return TF_OK;
}

/* ---- the lane's answers ---- */

static bool is_stopping(tf_model_server_t *server) {
  pthread_mutex_lock(&server->lock);
  bool stopping = server->is_stopping;
  pthread_mutex_unlock(&server->lock);
  return stopping;
}

static bool wait_for(tf_model_server_t *server, const uint64_t *lane_word, uint64_t wanted) {
  while (tf_load_acquire(lane_word) != wanted) { /* pairs with: tf_swap_prepare, tf_swap_obey */
    if (is_stopping(server)) return false;
    nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
  }
  return true;
}

/* The offer goes to the lane; true once its windows are made. */
static bool offer(tf_model_server_t *server, slot_t *s, uint64_t word) {
  tf_store_release(&s->swap->offered, word); /* pairs with: tf_swap_prepare */
  return wait_for(server, &s->swap->prepared, word);
}

static tf_err_t publish(const tf_model_server_t *server, const slot_t *s, uint64_t command,
                        tf_canary_share_t share) {
  const tf_version_t *v     = row_of(s, s->beside);
  tf_event_t          event = {.kind = TF_EVENT_CONTROL, .instrument_id = UINT32_MAX};
  uint64_t            ingest_seq;
  event.u.model.command   = command;
  event.u.model.model_idx = s->model_idx;
  event.u.model.hash      = v->model->hash;
  event.u.model.version   = v->number;
  event.u.model.share     = share;
  if (!server->publisher.publish)
    return TF_ERR(E_MODEL_BUSY, "nobody publishes events in this run");
  return server->publisher.publish(server->publisher.self, &event, &ingest_seq);
}

/* What is beside serves a share from an event on; of cnt 0: nothing. */
static tf_err_t set_canary(tf_model_server_t *server, slot_t *s, tf_canary_share_t share) {
  tf_err_t err = publish(server, s, TF_CONTROL_CANARY, share);
  if (err && err != E_CONTROL_TIMEOUT) return err; /* that one is queued and will be obeyed */
  /* until then what is beside may not be taken away */
  (void)wait_for(server, &s->swap->trying, share.cnt ? s->beside : 0);
  pthread_mutex_lock(&server->lock);
  s->share = share;
  pthread_mutex_unlock(&server->lock);
  return TF_OK;
}

static bool take_back(tf_model_server_t *server, slot_t *s) {
  if (!s->beside) return true;
  if (s->share.cnt > 0 && set_canary(server, s, (tf_canary_share_t){0})) return false;
  tf_store_release(&s->swap->offered, 0); /* pairs with: tf_swap_prepare */
  if (!wait_for(server, &s->swap->taken, 0)) return false;
  s->beside = 0;
  return true;
}

/* ---- judging ---- */

/* Answers of the serving version that were refused, as the lane published them last. */
static uint64_t refusals(const tf_model_server_t *server, const slot_t *s) {
  const tf_metrics_block_t *b = server->engine->publish.models[s->model_idx];
  return tf_metrics_get(b, TF_METRIC_MODEL_NOT_FINITE) +
         tf_metrics_get(b, TF_METRIC_MODEL_OUT_OF_RANGE) +
         tf_metrics_get(b, TF_METRIC_MODEL_CROSSED);
}

static tf_shadow_t read_shadow(const slot_t *s) {
  const tf_shadow_t *w = &s->swap->shadow;
  tf_shadow_t        read;
  /* relaxed: words that stand alone; an answer more or less in one of them does not matter */
  tf_words_from_shared((uint64_t *)&read, (const uint64_t *)w, sizeof read / sizeof(uint64_t));
  return read;
}

static tf_trial_rules_t rules_of(const tf_model_server_t *server, const slot_t *s) {
  const tf_config_model_t *config = &server->engine->config->models[s->model_idx];
  return (tf_trial_rules_t){config->shadow_min, config->divergence_max_ppm,
                            config->rollback_refused, config->canary_late_max};
}

/* May what stands beside serve? */
static tf_err_t check_shadow(const tf_model_server_t *server, const slot_t *s) {
  const tf_trial_rules_t rules  = rules_of(server, s);
  const tf_shadow_t      shadow = read_shadow(s);
  return tf_trial_check_shadow(&rules, &shadow, server->engine->config->models[s->model_idx].name,
                               row_of(s, s->beside)->number);
}

static tf_canary_t read_canary(const slot_t *s) {
  tf_canary_t read;
  /* relaxed: words that stand alone */
  tf_words_from_shared((uint64_t *)&read, (const uint64_t *)&s->swap->canary,
                       sizeof read / sizeof(uint64_t));
  return read;
}

/* May it go on serving its share? */
static tf_err_t check_canary(const tf_model_server_t *server, const slot_t *s) {
  const tf_trial_rules_t rules  = rules_of(server, s);
  const tf_shadow_t      shadow = read_shadow(s);
  const tf_canary_t      canary = read_canary(s);
  return tf_trial_check_canary(&rules, &shadow, &canary,
                               server->engine->config->models[s->model_idx].name,
                               row_of(s, s->beside)->number);
}

/* With the lock held. A canary that does not do is to serve nobody any more; its refusal says why. */
static void watch_canary(tf_model_server_t *server, slot_t *s) {
  const tf_config_model_t *config = &server->engine->config->models[s->model_idx];
  if (s->share.cnt == 0 || s->is_wanted || s->state != CANARY) return;
  tf_err_t err = check_canary(server, s);
  if (!err) return;
  s->request   = (tf_model_request_t){.verb = TF_MODEL_ABORT};
  s->is_wanted = true;
  s->state     = LOADING;
  s->rollbacks++;
  s->verdict = err;
  snprintf(s->request.model, sizeof s->request.model, "%s", config->name);
  snprintf(s->refusal_text, sizeof s->refusal_text, "%s", tf_error_text());
  tf_log(TF_LOG_WARN, "model_canary_ended", "model=%s text=\"%s\"", config->name, tf_error_text());
}

/* With the lock held. A version that was swapped in and whose answers are refused gives way to the one before. */
static void watch(tf_model_server_t *server, slot_t *s) {
  const tf_config_model_t *config = &server->engine->config->models[s->model_idx];
  uint64_t                 since  = refusals(server, s) - s->refusals_before;
  if (!s->is_watched || s->is_wanted || since < config->rollback_refused) return;
  s->is_watched = false;
  s->request    = (tf_model_request_t){.verb = TF_MODEL_ROLLBACK};
  s->is_wanted  = true;
  s->state      = LOADING;
  s->rollbacks++;
  snprintf(s->request.model, sizeof s->request.model, "%s", config->name);
  tf_log(TF_LOG_WARN, "model_rolled_back", "model=%s version=%llu refused=%llu", config->name,
         (unsigned long long)row_of(s, s->serving)->number, (unsigned long long)since);
}

static bool is_watching(const tf_model_server_t *server) {
  for (uint32_t i = 0; i < server->slot_cnt; i++)
    if (server->slots[i].is_watched || server->slots[i].share.cnt > 0) return true;
  return false;
}

/* ---- requests: the thread ---- */

static void set_state(tf_model_server_t *server, slot_t *s, state_t state) {
  pthread_mutex_lock(&server->lock);
  s->state = state;
  pthread_mutex_unlock(&server->lock);
}

static tf_err_t let_serve(tf_model_server_t *server, slot_t *s) {
  set_state(server, s, SWAPPING);
  tf_err_t err = publish(server, s, TF_CONTROL_SWAP, (tf_canary_share_t){0});
  if (err && err != E_CONTROL_TIMEOUT) return err; /* that one is queued and will be obeyed */
  if (!wait_for(server, &s->swap->serving, s->beside)) return TF_OK;
  pthread_mutex_lock(&server->lock);
  s->previous = s->serving;
  s->serving  = s->beside;
  s->beside   = 0;
  s->share    = (tf_canary_share_t){0};
  s->swaps++;
  s->refusals_before = refusals(server, s);
  s->is_watched      = s->request.verb != TF_MODEL_ROLLBACK &&
                  server->engine->config->models[s->model_idx].rollback_refused > 0;
  pthread_mutex_unlock(&server->lock);
  free_unused(server, s);
  return TF_OK;
}

/* What the request names is beside what serves, and its windows are made. */
static tf_err_t bring_beside(tf_model_server_t *server, slot_t *s, const tf_model_request_t *r) {
  const tf_config_model_t *config = &server->engine->config->models[s->model_idx];
  uint32_t                 number = 0;
  uint64_t                 word = 0, serving = row_of(s, s->serving)->number;
  tf_err_t                 err = TF_OK;
  if (r->verb == TF_MODEL_ROLLBACK) {
    word = ++s->serial * TF_VERSION_ROWS + s->previous % TF_VERSION_ROWS;
  } else {
    err = tf_models_dir_find(config->registry, config->name, r->version, &number);
    if (!err && number <= serving)
      err = TF_ERR(E_MODEL_VERSION,
                   "%s/%s: version %u is not newer than %llu, which serves; rollback goes back",
                   config->registry, config->name, number, (unsigned long long)serving);
    if (!err && s->beside && row_of(s, s->beside)->number == number && !*r->sha256) return TF_OK;
    if (!err && !take_back(server, s)) return TF_OK;
    if (!err) err = load(server, s, number, r->sha256, &word);
  }
  if (err) return err;
  if (!take_back(server, s)) return TF_OK;
  s->beside = word;
  set_state(server, s, PREPARING);
  (void)offer(server, s, word);
  return TF_OK;
}

static tf_err_t begin_canary(tf_model_server_t *server, slot_t *s, const tf_model_request_t *r) {
  const tf_config_model_t *config = &server->engine->config->models[s->model_idx];
  tf_err_t                 err    = r->is_resumed ? TF_OK : check_shadow(server, s);
  if (err || is_stopping(server)) return err;
  tf_canary_share_t share = r->share;
  if (!share.cnt) share.cnt = config->canary_share * (TF_CANARY_SHARES / 100);
  if (share.by == TF_SHARE_BY_CNT) share.by = (uint32_t)config->canary_share_by;
  return set_canary(server, s, share);
}

/* What was on trial when the snapshot was taken is again, once it is prepared: an event as the first time. */
static void resume_canary(const tf_engine_t *e, slot_t *s) {
  const char                *name = e->config->models[s->model_idx].name;
  const tf_snapshot_model_t *was =
      tf_snapshot_find_model(e->options.snapshot, e->options.snapshot_bytes, name);
  if (!was || was->share.cnt == 0 || was->share.cnt >= TF_CANARY_SHARES ||
      e->versions[s->model_idx] != was->version || e->options.is_replay)
    return;
  s->request   = (tf_model_request_t){.verb       = TF_MODEL_CANARY,
                                      .version    = (uint32_t)was->canary_version,
                                      .share      = was->share,
                                      .is_resumed = true};
  s->is_wanted = true;
  s->state     = LOADING;
  snprintf(s->request.model, sizeof s->request.model, "%s", name);
}

static tf_err_t obey(tf_model_server_t *server, slot_t *s, const tf_model_request_t *r) {
  tf_err_t err = TF_OK;
  switch (r->verb) {
  case TF_MODEL_DROP: (void)take_back(server, s); return TF_OK;
  case TF_MODEL_ABORT: return set_canary(server, s, (tf_canary_share_t){0});
  case TF_MODEL_PROMOTE: break;
  default: err = bring_beside(server, s, r);
  }
  if (err || !s->beside || r->verb == TF_MODEL_LOAD) return err;
  if (r->verb == TF_MODEL_CANARY) return begin_canary(server, s, r);
  if (r->verb != TF_MODEL_ROLLBACK) err = check_shadow(server, s);
  return err || is_stopping(server) ? err : let_serve(server, s);
}

static void work_on(tf_model_server_t *server, slot_t *s) {
  const tf_model_request_t r   = s->request;
  tf_err_t                 err = obey(server, s, &r);
  const tf_version_t      *v   = row_of(s, s->serving);
  if (err)
    tf_log(TF_LOG_WARN, "model_refused", "model=%s code=%s text=\"%s\" serving=%llu", r.model,
           tf_error_name(err), tf_error_text(), (unsigned long long)v->number);
  else
    tf_log(TF_LOG_NOTICE, "model", "model=%s serving=%llu sha256=%.12s beside=%llu share=%u",
           r.model, (unsigned long long)v->number, v->model->sha256_hex,
           (unsigned long long)(s->beside ? row_of(s, s->beside)->number : 0), s->share.cnt);
  pthread_mutex_lock(&server->lock);
  s->state       = s->share.cnt ? CANARY : s->beside ? READY : IDLE;
  bool is_ruling = !err && s->verdict; /* the server's own doing: its text stands already */
  s->refusal     = is_ruling ? s->verdict : err;
  s->verdict     = TF_OK;
  s->refused += err != TF_OK;
  if (!is_ruling)
    snprintf(s->refusal_text, sizeof s->refusal_text, "%s", err ? tf_error_text() : "");
  pthread_mutex_unlock(&server->lock);
}

/* The lane's word: it obeyed what it was given last. */
static void learn_what_serves(slot_t *s) {
  uint64_t now = tf_load_acquire(&s->swap->serving); /* pairs with: tf_swap_obey */
  if (now == s->serving) return;
  s->previous = s->serving;
  s->serving  = now;
  s->swaps++;
  if (s->beside == now) s->beside = 0;
}

static void work_on_fetch(tf_model_server_t *server) {
  slot_t  *s    = &server->slots[server->fetch.slot_idx];
  uint64_t word = 0;
  learn_what_serves(s);
  tf_err_t err = load(server, s, (uint32_t)server->fetch.number, NULL, &word);
  if (!err && row_of(s, word)->model->hash != server->fetch.hash)
    err = TF_ERR(
        E_MODEL_PIN, "version %llu of %s is not the file that it was: hash %08x, then %08x",
        (unsigned long long)server->fetch.number, server->engine->config->models[s->model_idx].name,
        row_of(s, word)->model->hash, server->fetch.hash);
  if (!err) {
    s->beside = word;
    tf_store_release(&s->swap->offered, word); /* pairs with: tf_swap_prepare */
  }
  pthread_mutex_lock(&server->lock);
  if (err && !server->missed) {
    server->missed = err;
    snprintf(server->missed_text, sizeof server->missed_text, "%s", tf_error_text());
  }
  server->fetch.is_good   = !err;
  server->fetch.is_done   = true;
  server->fetch.is_wanted = false;
  pthread_cond_signal(&server->fetched);
  pthread_mutex_unlock(&server->lock);
}

static slot_t *next_wanted(tf_model_server_t *server) {
  for (uint32_t i = 0; i < server->slot_cnt; i++)
    if (server->slots[i].is_wanted) return &server->slots[i];
  return NULL;
}

/* With the lock held. */
static void wait_for_work(tf_model_server_t *server) {
  if (!is_watching(server)) {
    pthread_cond_wait(&server->work, &server->lock);
    return;
  }
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  uint64_t ns = (uint64_t)until.tv_nsec + WATCH_NS;
  until.tv_sec += (time_t)(ns / TF_NS_PER_SEC);
  until.tv_nsec = (long)(ns % TF_NS_PER_SEC);
  pthread_cond_timedwait(&server->work, &server->lock, &until);
  for (uint32_t i = 0; i < server->slot_cnt; i++) {
    watch(server, &server->slots[i]);
    watch_canary(server, &server->slots[i]);
  }
}

static void *run_thread(void *self) {
  tf_model_server_t *server = self;
  pthread_mutex_lock(&server->lock);
  while (!server->is_stopping) {
    slot_t *s = next_wanted(server);
    if (!s && !server->fetch.is_wanted) {
      wait_for_work(server);
      continue;
    }
    bool is_fetch = server->fetch.is_wanted;
    if (!is_fetch) s->is_wanted = false;
    pthread_mutex_unlock(&server->lock);
    if (is_fetch)
      work_on_fetch(server);
    else
      work_on(server, s);
    pthread_mutex_lock(&server->lock);
  }
  pthread_mutex_unlock(&server->lock);
  return NULL;
}

/* The lane's, in a replay: it waits here for a file to be read. */
static bool fetch(void *self, const tf_event_t *event) {
  tf_model_server_t *server    = self;
  const uint32_t     model_idx = event->u.model.model_idx;
  const uint64_t     number    = event->u.model.version;
  uint32_t           i         = 0;
  while (i < server->slot_cnt && server->slots[i].model_idx != model_idx) i++;
  if (i == server->slot_cnt || number > TF_MODELS_DIR_VERSION_MAX) return false;
  pthread_mutex_lock(&server->lock);
  server->fetch.slot_idx  = i;
  server->fetch.number    = number;
  server->fetch.hash      = event->u.model.hash;
  server->fetch.is_done   = false;
  server->fetch.is_wanted = true;
  pthread_cond_signal(&server->work);
  while (!server->fetch.is_done) pthread_cond_wait(&server->fetched, &server->lock);
  bool good = server->fetch.is_good;
  pthread_mutex_unlock(&server->lock);
  return good;
}

/* ---- anybody ---- */

static tf_err_t find_slot(tf_model_server_t *server, const char *name, slot_t **slot) {
  for (uint32_t i = 0; i < server->slot_cnt; i++) {
    *slot = &server->slots[i];
    if (!strcmp(server->engine->config->models[(*slot)->model_idx].name, name)) return TF_OK;
  }
  return TF_ERR(E_CONTROL_REQUEST,
                "no model of a registry is called \"%.31s\"; model list names them", name);
}

tf_err_t tf_model_server_request(tf_model_server_t *server, const tf_model_request_t *request) {
  slot_t  *s   = NULL;
  tf_err_t err = find_slot(server, request->model, &s);
  if (err) return err;
  pthread_mutex_lock(&server->lock);
  if (s->is_wanted || (s->state != IDLE && s->state != READY && s->state != CANARY))
    err = TF_ERR(E_MODEL_BUSY, "model %s: a request is being worked on (%s)", request->model,
                 state_names[s->state]);
  else if (request->verb == TF_MODEL_ROLLBACK && !s->previous)
    err = TF_ERR(E_CONTROL_REQUEST, "model %s: no version served before this one", request->model);
  else if ((request->verb == TF_MODEL_PROMOTE || request->verb == TF_MODEL_ABORT) &&
           s->share.cnt == 0)
    err = TF_ERR(E_CONTROL_REQUEST, "model %s: no version is a canary", request->model);
  if (!err) {
    s->request   = *request;
    s->is_wanted = true;
    s->state     = LOADING;
    pthread_cond_signal(&server->work);
  }
  pthread_mutex_unlock(&server->lock);
  return err;
}

/* The words change with the lock held, and rows are freed after that: what is granted here stays. */
const tf_model_t *tf_model_server_hold(tf_model_server_t *server, uint32_t model_idx,
                                       uint32_t hash) {
  const tf_model_t *found = NULL;
  pthread_mutex_lock(&server->lock);
  for (uint32_t i = 0; i < server->slot_cnt; i++) {
    slot_t        *s       = &server->slots[i];
    const uint64_t words[] = {s->serving, s->previous};
    for (size_t k = 0; s->model_idx == model_idx && k < TF_ARRAY_CNT(words) && !found; k++) {
      if (words[k] == 0 || row_of(s, words[k])->model->hash != hash) continue;
      found = row_of(s, words[k])->model;
      s->held[words[k] % TF_VERSION_ROWS]++;
    }
  }
  pthread_mutex_unlock(&server->lock);
  return found;
}

void tf_model_server_let_go(tf_model_server_t *server, uint32_t model_idx,
                            const tf_model_t *model) {
  pthread_mutex_lock(&server->lock);
  for (uint32_t i = 0; i < server->slot_cnt; i++) {
    slot_t *s = &server->slots[i];
    for (uint32_t row = 0; s->model_idx == model_idx && row < TF_VERSION_ROWS; row++)
      if (s->held[row] > 0 && s->swap->versions[row].model == model) s->held[row]--;
  }
  pthread_mutex_unlock(&server->lock);
}

static json_t *number_or_null(const slot_t *s, uint64_t word) {
  return word ? json_integer((json_int_t)row_of(s, word)->number) : json_null();
}

static json_t *shadow_json(const slot_t *s) {
  const tf_shadow_t w = read_shadow(s);
  return json_pack("{sI sI sI sf sf}", "answers", (json_int_t)w.answers, "refused",
                   (json_int_t)w.refused, "other_sign", (json_int_t)w.signs, "divergence_mean",
                   (double)tf_trial_mean_distance(&w) * 1e-6, "divergence_max",
                   (double)w.distance_max * 1e-6);
}

static json_t *canary_json(const slot_t *s) {
  const tf_canary_t c = read_canary(s);
  return json_pack("{sf ss sI sI sI}", "share", (double)s->share.cnt * (100.0 / TF_CANARY_SHARES),
                   "share_by", tf_control_share_names[s->share.by], "answers",
                   (json_int_t)c.answers, "refused", (json_int_t)c.refused, "late",
                   (json_int_t)c.late);
}

json_t *tf_model_server_list(tf_model_server_t *server) {
  json_t *list = json_array();
  pthread_mutex_lock(&server->lock);
  for (uint32_t i = 0; i < server->slot_cnt; i++) {
    const slot_t     *s     = &server->slots[i];
    const tf_model_t *model = row_of(s, s->serving)->model;
    bool              ready =
        s->state == READY || s->state == CANARY; /* else beside is still the thread's to change */
    json_t *row = json_object();
    json_object_set_new(row, "name", json_string(model->name));
    json_object_set_new(row, "version", number_or_null(s, s->serving));
    json_object_set_new(row, "sha256", json_string(model->sha256_hex));
    json_object_set_new(row, "state", json_string(state_names[s->state]));
    json_object_set_new(row, "beside", number_or_null(s, ready ? s->beside : 0));
    json_object_set_new(row, "previous", number_or_null(s, s->previous));
    json_object_set_new(row, "swaps", json_integer((json_int_t)s->swaps));
    json_object_set_new(row, "refused", json_integer((json_int_t)s->refused));
    json_object_set_new(row, "rollbacks", json_integer((json_int_t)s->rollbacks));
    if (ready && s->beside) json_object_set_new(row, "shadow", shadow_json(s));
    if (s->share.cnt > 0) json_object_set_new(row, "canary", canary_json(s));
    if (s->refusal) {
      json_object_set_new(row, "refusal", json_string(tf_error_name(s->refusal)));
      json_object_set_new(row, "refusal_text", json_string(s->refusal_text));
    }
    json_array_append_new(list, row);
  }
  pthread_mutex_unlock(&server->lock);
  return list;
}

tf_err_t tf_model_server_missed(tf_model_server_t *server, char *text, size_t cap) {
  pthread_mutex_lock(&server->lock);
  tf_err_t missed = server->missed;
  snprintf(text, cap, "%s", server->missed_text);
  pthread_mutex_unlock(&server->lock);
  return missed;
}

/* ---- lifetime ---- */

tf_err_t tf_model_server_init(tf_engine_t *e, tf_model_server_t **server) {
  tf_compute_t *compute = &e->runner.lane.compute;
  bool          wanted  = false;
  *server               = NULL;
  for (uint32_t i = 0; i < compute->model_cnt; i++) wanted |= compute->models[i].swap != NULL;
  if (!wanted) return TF_OK;
  tf_model_server_t *s = calloc(1, sizeof *s);
  if (!s) return TF_ERR(E_CORE_NO_MEMORY, "the model server");
  s->engine = e;
  pthread_mutex_init(&s->lock, NULL);
  pthread_cond_init(&s->work, NULL);
  pthread_cond_init(&s->fetched, NULL);
  for (uint32_t i = 0; i < compute->model_cnt; i++) {
    tf_compute_model_t *m = &compute->models[i];
    if (!m->swap) continue;
    if (e->options.is_replay) m->fetch = (tf_compute_fetch_t){s, fetch};
    s->slots[s->slot_cnt++] = (slot_t){
        .model_idx = i, .lane = m, .swap = m->swap, .serial = 1, .serving = m->swap->serving};
  }
  for (uint32_t i = 0; i < s->slot_cnt; i++) resume_canary(e, &s->slots[i]);
  *server = s;
  return TF_OK;
}

void tf_model_server_set_publisher(tf_model_server_t *server, tf_model_publisher_t publisher) {
  server->publisher = publisher;
}

tf_err_t tf_model_server_start(tf_model_server_t *server) {
  int sys_errno = pthread_create(&server->thread, NULL, run_thread, server);
  if (sys_errno) return TF_ERR(E_CORE_THREAD, "model server: %s", strerror(sys_errno));
  server->is_started = true;
  return TF_OK;
}

void tf_model_server_stop(tf_model_server_t *server) {
  if (!server || !server->is_started) return;
  pthread_mutex_lock(&server->lock);
  server->is_stopping = true;
  pthread_cond_signal(&server->work);
  pthread_mutex_unlock(&server->lock);
  pthread_join(server->thread, NULL);
  server->is_started = false;
}

void tf_model_server_fini(tf_model_server_t *server) {
  if (!server) return;
  tf_model_server_stop(server);
  for (uint32_t i = 0; i < server->slot_cnt; i++)
    for (uint32_t row = 0; row < TF_VERSION_ROWS; row++) free_row(server, &server->slots[i], row);
  pthread_cond_destroy(&server->fetched);
  pthread_cond_destroy(&server->work);
  pthread_mutex_destroy(&server->lock);
  free(server);
}
