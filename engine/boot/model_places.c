#include "boot/model_places.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "boot/cache_origin.h"
#include "boot/cache_report.h"
#include "boot/serving.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "serve/cache_frame.h"
#include "serve/models_dir.h"

#define LOOK_NS      (200 * TF_NS_PER_US) /* between looks at what the lane has done */
#define SCAN_NS      (20 * TF_NS_PER_MS)  /* between looks at who ticks */
#define RATE_SHIFT   6 /* a rate forgets one part in 64 a scan: half of it in 0.9 s */
#define RATE_ONE     1024
#define RETRY_NS_MIN TF_NS_PER_SEC
#define RETRY_NS_MAX (60 * TF_NS_PER_SEC)

/* What an instrument has of one model: this thread's. */
typedef struct place {
  const tf_cache_item_t *items[TF_VERSION_ROWS]; /* of rows that are no base */
  uint64_t               serial, serving;        /* serving: a word */
  uint64_t               ticks_seen, rate;
  bool                   is_asked;          /* it ticked since the scan before */
  uint64_t               asked_ns;          /* when the cache was asked for it */
  uint64_t               retry_ns, wait_ns; /* after failures: not before */
} place_t;

typedef struct slot {
  uint32_t            model_idx; /* of the config */
  tf_compute_model_t *lane;
  place_t            *places; /* (lane->own_cnt) */
} slot_t;

/* A place, by who has it. */
typedef struct seat {
  slot_t  *slot;
  uint32_t id;
} seat_t;

struct tf_model_places {
  tf_engine_t         *engine;
  tf_cache_t          *cache;
  tf_model_publisher_t publisher;
  slot_t               slots[TF_MODELS_MAX];
  uint32_t             slot_cnt;
  seat_t               fetched; /* by the last fetch: what it had before is not in use any more */
  pthread_t            thread;
  bool                 is_started;
  pthread_mutex_t      lock; /* of all below */
  pthread_cond_t       work, done;
  bool                 is_stopping;
  struct {
    uint64_t              serial;    /* of the newest; 0: there was none */
    bool                  is_wanted; /* and not done yet */
    tf_model_cache_verb_t verb;
    char                  key[TF_CACHE_KEY_BYTES];
    tf_err_t              err;
    char                  text[512];
  } request;
  struct {
    bool              is_wanted, is_good;
    const tf_event_t *event;
  } fetch;
  tf_err_t missed;
  char     missed_text[512];
};

static place_t *place_of(const seat_t *s) { return &s->slot->places[s->id]; }

static tf_swap_t *swap_of(const seat_t *s) { return s->slot->lane->owns[s->id].swap; }

static bool has_own(const place_t *p) { return p->serving % TF_VERSION_ROWS != 0; }

static bool is_stopping(tf_model_places_t *p) {
  pthread_mutex_lock(&p->lock);
  bool stopping = p->is_stopping;
  pthread_mutex_unlock(&p->lock);
  return stopping;
}

static tf_err_t key_of(const tf_model_places_t *p, const seat_t *s, char key[TF_CACHE_KEY_BYTES]) {
  return tf_cache_origin_key(&p->engine->config->models[s->slot->model_idx],
                             &p->engine->instruments.rows[s->id], key);
}

/* ---- models, for the cache ---- */

static slot_t *slot_of_key(tf_model_places_t *p, const char *key) {
  const char *name = strrchr(key, '/');
  for (uint32_t i = 0; name && i < p->slot_cnt; i++) {
    const char *wanted = p->engine->config->models[p->slots[i].model_idx].name;
    size_t      chars  = strlen(wanted);
    if (!strncmp(name + 1, wanted, chars) && (!name[1 + chars] || name[1 + chars] == '@'))
      return &p->slots[i];
  }
  return NULL;
}

static tf_err_t make_model(void *self, const char *key, const tf_cache_file_t *file,
                           const uint8_t *bytes, size_t *bytes_cnt, tf_model_t **model) {
  tf_model_places_t *p = self;
  const tf_engine_t *e = p->engine;
  const slot_t      *s = slot_of_key(p, key);
  tf_model_options_t options;
  *model = NULL;
  if (!s) return TF_ERR(E_MODEL_VERSION, "%s: no model of the config is called so", key);
  tf_err_t err = tf_serving_options(e->config, s->model_idx, &options);
  if (!err) err = e->registry->models->load_bytes(file->path, bytes, *bytes_cnt, &options, model);
  if (err) return err;
  snprintf((*model)->name, sizeof(*model)->name, "%s", e->config->models[s->model_idx].name);
  err = tf_serving_check_fit(e, s->lane, s->lane->first.model, *model);
  if (err) {
    e->registry->models->unload(*model);
    return tf_error_add(err, "%s", file->path);
  }
  *bytes_cnt += (*model)->scratch_bytes + (*model)->state_bytes;
  return TF_OK;
}

static void unmake_model(void *self, tf_model_t *model) {
  tf_model_places_t *p = self;
  p->engine->registry->models->unload(model);
}

/* ---- one place ---- */

static bool wait_for(tf_model_places_t *p, const uint64_t *lane_word, uint64_t wanted) {
  while (tf_load_acquire(lane_word) != wanted) { /* pairs with: tf_swap_prepare, tf_swap_obey */
    if (is_stopping(p)) return false;
    nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
  }
  return true;
}

static void free_row(tf_model_places_t *p, const seat_t *s, uint32_t row) {
  const tf_cache_item_t **item = &place_of(s)->items[row];
  if (!*item) return;
  tf_version_fini(&swap_of(s)->versions[row]);
  tf_cache_give(p->cache, *item);
  *item = NULL;
}

/* All but what serves: the lane has left them. */
static void free_unused(tf_model_places_t *p, const seat_t *s) {
  for (uint32_t row = 1; row < TF_VERSION_ROWS; row++)
    if (row != place_of(s)->serving % TF_VERSION_ROWS) free_row(p, s, row);
}

static tf_err_t publish(const tf_model_places_t *p, const seat_t *s, const tf_version_t *v) {
  tf_event_t event        = {.kind = TF_EVENT_CONTROL, .instrument_id = s->id};
  uint64_t   ingest_seq   = 0;
  event.u.model.command   = TF_CONTROL_SWAP;
  event.u.model.model_idx = s->slot->model_idx;
  event.u.model.hash      = v->model->hash;
  event.u.model.version   = v->number;
  if (!p->publisher.publish) return TF_ERR(E_MODEL_BUSY, "nobody publishes events in this run");
  return p->publisher.publish(p->publisher.self, &event, &ingest_seq);
}

/* Row serves from an event on; what served before is given back. A place that could not be told stays as it was. */
static tf_err_t go_over(tf_model_places_t *p, const seat_t *s, uint32_t row) {
  place_t   *place = place_of(s);
  tf_swap_t *swap  = swap_of(s);
  uint64_t   word  = ++place->serial * TF_VERSION_ROWS + row;
  tf_store_release(&swap->offered, word); /* pairs with: tf_swap_prepare */
  if (!wait_for(p, &swap->prepared, word)) return TF_OK;
  tf_err_t err = publish(p, s, &swap->versions[row]);
  if (err && err != E_CONTROL_TIMEOUT) { /* that one is queued and will be obeyed */
    tf_store_release(&swap->offered, 0); /* pairs with: tf_swap_prepare */
    if (wait_for(p, &swap->taken, 0)) free_unused(p, s);
    return err;
  }
  if (!wait_for(p, &swap->serving, word)) return TF_OK;
  place->serving = word;
  free_unused(p, s);
  return TF_OK;
}

/* Takes what the key stands for into a row that nothing uses. */
static tf_err_t fill_row(tf_model_places_t *p, const seat_t *s, const char *key, uint32_t *row) {
  place_t               *place = place_of(s);
  const tf_cache_item_t *item;
  *row         = place->serving % TF_VERSION_ROWS == 1 ? 2 : 1;
  tf_err_t err = tf_cache_take(p->cache, key, &item);
  if (err) return err;
  err = tf_version_init(&swap_of(s)->versions[*row], item->model, item->file.number, 1);
  if (err) {
    tf_cache_give(p->cache, item);
    return err;
  }
  place->items[*row] = item;
  return TF_OK;
}

static void put_off(place_t *place, uint64_t now_ns) {
  place->wait_ns = place->wait_ns ? 2 * place->wait_ns : RETRY_NS_MIN;
  if (place->wait_ns > RETRY_NS_MAX) place->wait_ns = RETRY_NS_MAX;
  place->retry_ns = now_ns + place->wait_ns;
}

/* Its own model, the newest, comes to serve; it may serve already. */
static void bring(tf_model_places_t *p, const seat_t *s, uint64_t now_ns) {
  place_t               *place = place_of(s);
  const tf_cache_item_t *had   = place->items[place->serving % TF_VERSION_ROWS];
  char                   key[TF_CACHE_KEY_BYTES];
  uint32_t               row = 0;
  tf_err_t               err = key_of(p, s, key);
  place->asked_ns            = now_ns;
  if (!err) err = fill_row(p, s, key, &row);
  if (!err && place->items[row] == had)
    free_row(p, s, row); /* the same file still */
  else if (!err)
    err = go_over(p, s, row);
  if (!err) {
    place->wait_ns = 0;
    return;
  }
  bool is_first = place->wait_ns == 0;
  put_off(place, now_ns);
  if (is_first)
    tf_log(TF_LOG_WARN, "model_not_brought", "instrument=%s key=%s code=%s text=\"%s\"",
           p->engine->instruments.rows[s->id].name, key, tf_error_name(err), tf_error_text());
}

/* ---- who gets which place ---- */

static uint32_t instrument_cnt(const tf_model_places_t *p) {
  /* pairs with: tf_symbols_add */
  return tf_load_acquire_u32(&p->engine->instruments.cnt);
}

/* Each seat of each model; false at the end. */
static bool next_seat(tf_model_places_t *p, seat_t *s) {
  s->id++;
  while (s->id >= instrument_cnt(p) || s->id >= s->slot->lane->own_cnt) {
    if (++s->slot == &p->slots[p->slot_cnt]) return false;
    s->id = 0;
    if (instrument_cnt(p) > 0) return true;
  }
  return true;
}

static seat_t first_seat(tf_model_places_t *p) { return (seat_t){&p->slots[0], UINT32_MAX}; }

static void look_who_ticks(tf_model_places_t *p) {
  for (seat_t s = first_seat(p); next_seat(p, &s);) {
    place_t *place = place_of(&s);
    /* relaxed: a count that stands alone */
    uint64_t ticks    = tf_load_relaxed(&s.slot->lane->owns[s.id].ticks);
    uint64_t since    = ticks - place->ticks_seen;
    place->is_asked   = since > 0;
    place->ticks_seen = ticks;
    place->rate += since * RATE_ONE - (place->rate >> RATE_SHIFT);
  }
}

/* The one that ticks most of those without their own. */
static bool find_candidate(tf_model_places_t *p, uint64_t now_ns, seat_t *found) {
  uint64_t rate = 0;
  for (seat_t s = first_seat(p); next_seat(p, &s);) {
    const place_t *place = place_of(&s);
    if (has_own(place) || !place->is_asked || place->retry_ns > now_ns || place->rate <= rate)
      continue;
    *found = s;
    rate   = place->rate;
  }
  return rate > 0;
}

/* The one that ticks least of those with their own, but for pinned ones. */
static bool find_victim(tf_model_places_t *p, seat_t *found) {
  uint64_t rate = UINT64_MAX;
  char     key[TF_CACHE_KEY_BYTES];
  for (seat_t s = first_seat(p); next_seat(p, &s);) {
    const place_t *place = place_of(&s);
    if (!has_own(place) || place->rate >= rate) continue;
    if (key_of(p, &s, key) || tf_cache_is_pinned(p->cache, key)) continue;
    *found = s;
    rate   = place->rate;
  }
  return rate < UINT64_MAX;
}

static bool make_place(tf_model_places_t *p, const seat_t *candidate) {
  seat_t victim;
  while (tf_cache_is_full(p->cache)) {
    if (!find_victim(p, &victim)) return false;
    uint64_t rate = place_of(&victim)->rate;
    if (rate + rate / 4 >= place_of(candidate)->rate) return false;
    if (go_over(p, &victim, 0) || has_own(place_of(&victim))) return false;
  }
  return true;
}

static bool has_requests(tf_model_places_t *p) {
  pthread_mutex_lock(&p->lock);
  bool any = p->request.is_wanted || p->is_stopping;
  pthread_mutex_unlock(&p->lock);
  return any;
}

static void renew_those_due(tf_model_places_t *p, uint64_t now_ns) {
  uint64_t ttl_ns = p->engine->config->model_cache.ttl_ns;
  for (seat_t s = first_seat(p); ttl_ns && next_seat(p, &s);) {
    const place_t *place = place_of(&s);
    if (has_own(place) && place->retry_ns <= now_ns && now_ns - place->asked_ns >= ttl_ns)
      bring(p, &s, now_ns);
    if (has_requests(p)) return;
  }
}

static void scan(tf_model_places_t *p) {
  uint64_t now_ns = tf_clock_monotonic_ns();
  seat_t   s;
  look_who_ticks(p);
  while (!has_requests(p) && find_candidate(p, now_ns, &s) && make_place(p, &s))
    bring(p, &s, now_ns);
  renew_those_due(p, now_ns);
}

/* ---- requests ---- */

static void send_home(tf_model_places_t *p, const char *key) {
  char own[TF_CACHE_KEY_BYTES];
  for (seat_t s = first_seat(p); next_seat(p, &s);)
    if (has_own(place_of(&s)) && !key_of(p, &s, own) && !strcmp(own, key)) (void)go_over(p, &s, 0);
}

static tf_err_t obey(tf_model_places_t *p, tf_model_cache_verb_t verb, const char *key) {
  const tf_cache_item_t *item;
  tf_err_t               err = TF_OK;
  switch (verb) {
  case TF_MODEL_CACHE_PIN: return tf_cache_pin(p->cache, key);
  case TF_MODEL_CACHE_UNPIN: tf_cache_unpin(p->cache, key); return TF_OK;
  case TF_MODEL_CACHE_EVICT:
    if (!tf_cache_is_pinned(p->cache, key)) send_home(p, key);
    return tf_cache_evict(p->cache, key);
  case TF_MODEL_CACHE_WARM:
    err = tf_cache_take(p->cache, key, &item);
    if (!err) tf_cache_give(p->cache, item);
    return err;
  }
  return err;
}

/* With the lock on entry and on return. */
static void work_on_request(tf_model_places_t *p) {
  char                  key[TF_CACHE_KEY_BYTES];
  tf_model_cache_verb_t verb = p->request.verb;
  memcpy(key, p->request.key, sizeof key);
  pthread_mutex_unlock(&p->lock);
  tf_err_t err = obey(p, verb, key);
  pthread_mutex_lock(&p->lock);
  p->request.is_wanted = false;
  p->request.err       = err;
  snprintf(p->request.text, sizeof p->request.text, "%s", err ? tf_error_text() : "");
}

static const char *const verb_names[] = {"pin", "unpin", "evict", "warm"};

tf_err_t tf_model_places_request(tf_model_places_t *p, tf_model_cache_verb_t verb,
                                 const char *key) {
  tf_err_t err = TF_OK;
  if (strlen(key) == 0 || strlen(key) >= TF_CACHE_KEY_BYTES)
    return TF_ERR(E_CONTROL_REQUEST, "a key of %zu characters; 1 to %u are allowed", strlen(key),
                  TF_CACHE_KEY_BYTES - 1);
  pthread_mutex_lock(&p->lock);
  if (p->is_stopping)
    err = TF_ERR(E_MODEL_BUSY, "the engine ends");
  else if (p->request.is_wanted)
    err = TF_ERR(E_MODEL_BUSY, "a request is being worked on (%s %s): ask again",
                 verb_names[p->request.verb], p->request.key);
  if (!err) {
    p->request.is_wanted = true;
    p->request.verb      = verb;
    p->request.err       = TF_OK;
    p->request.serial++;
    snprintf(p->request.key, sizeof p->request.key, "%s", key);
    pthread_cond_signal(&p->work);
  }
  pthread_mutex_unlock(&p->lock);
  return err;
}

static json_t *request_json(tf_model_places_t *p) {
  json_t *row = json_null();
  pthread_mutex_lock(&p->lock);
  if (p->request.serial > 0)
    row = json_pack("{sI ss ss ss}", "serial", (json_int_t)p->request.serial, "verb",
                    verb_names[p->request.verb], "key", p->request.key, "state",
                    p->request.is_wanted ? "working"
                    : p->request.err     ? "refused"
                                         : "done");
  if (!p->request.is_wanted && p->request.err) {
    json_object_set_new(row, "code", json_string(tf_error_name(p->request.err)));
    json_object_set_new(row, "error", json_string(p->request.text));
  }
  pthread_mutex_unlock(&p->lock);
  return row;
}

/* ---- a replay's ---- */

static tf_err_t fetch_version(tf_model_places_t *p, const seat_t *s, const tf_event_t *event) {
  char     key[TF_CACHE_KEY_BYTES];
  uint32_t row    = 0;
  place_t *place  = place_of(s);
  uint64_t number = event->u.model.version;
  if (number > 0) {
    tf_err_t err  = key_of(p, s, key);
    size_t   used = err ? 0 : strlen(key);
    if (!err && (size_t)snprintf(key + used, sizeof key - used, "@%llu",
                                 (unsigned long long)number) >= sizeof key - used)
      err = TF_ERR(E_MODEL_VERSION, "%s: a path of more than %zu characters", key, sizeof key - 1);
    if (!err) err = fill_row(p, s, key, &row);
    if (err) return err;
  }
  const tf_model_t *model = swap_of(s)->versions[row].model;
  if (model->hash != event->u.model.hash) {
    tf_err_t err = TF_ERR(
        E_MODEL_PIN, "version %llu of %s is not the file that it was: hash %08x, then %08x",
        (unsigned long long)number, row ? key : model->name, model->hash, event->u.model.hash);
    free_row(p, s, row);
    return err;
  }
  place->serving = ++place->serial * TF_VERSION_ROWS + row;
  tf_store_release(&swap_of(s)->offered, place->serving); /* pairs with: tf_swap_prepare */
  return TF_OK;
}

/* With the lock on entry and on return. */
static void work_on_fetch(tf_model_places_t *p) {
  const tf_event_t *event = p->fetch.event;
  seat_t            s     = {NULL, event->instrument_id};
  for (uint32_t i = 0; i < p->slot_cnt; i++)
    if (p->slots[i].model_idx == event->u.model.model_idx) s.slot = &p->slots[i];
  pthread_mutex_unlock(&p->lock);
  if (p->fetched.slot) free_unused(p, &p->fetched);
  tf_err_t err = fetch_version(p, &s, event);
  p->fetched   = s;
  pthread_mutex_lock(&p->lock);
  if (err && !p->missed) {
    p->missed = err;
    snprintf(p->missed_text, sizeof p->missed_text, "%s", tf_error_text());
  }
  p->fetch.is_good   = !err;
  p->fetch.is_wanted = false;
  pthread_cond_broadcast(&p->done);
}

/* The lane's: it waits here for a file to be read. */
static bool fetch(void *self, const tf_event_t *event) {
  tf_model_places_t *p = self;
  if (event->u.model.version > TF_MODELS_DIR_VERSION_MAX) return false;
  if (event->instrument_id >= instrument_cnt(p)) return false;
  pthread_mutex_lock(&p->lock);
  p->fetch.event     = event;
  p->fetch.is_wanted = true;
  pthread_cond_signal(&p->work);
  while (p->fetch.is_wanted) pthread_cond_wait(&p->done, &p->lock);
  bool good = p->fetch.is_good;
  pthread_mutex_unlock(&p->lock);
  return good;
}

tf_err_t tf_model_places_missed(tf_model_places_t *p, char *text, size_t cap) {
  pthread_mutex_lock(&p->lock);
  tf_err_t missed = p->missed;
  snprintf(text, cap, "%s", p->missed_text);
  pthread_mutex_unlock(&p->lock);
  return missed;
}

/* ---- the thread ---- */

/* With the lock. A replay's lane asks when it wants something; a live one is looked at. */
static void wait_for_work(tf_model_places_t *p) {
  if (p->engine->options.is_replay) {
    pthread_cond_wait(&p->work, &p->lock);
    return;
  }
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  uint64_t ns = (uint64_t)until.tv_nsec + SCAN_NS;
  until.tv_sec += (time_t)(ns / TF_NS_PER_SEC);
  until.tv_nsec = (long)(ns % TF_NS_PER_SEC);
  pthread_cond_timedwait(&p->work, &p->lock, &until);
}

static void *run_thread(void *self) {
  tf_model_places_t *p = self;
  pthread_mutex_lock(&p->lock);
  while (!p->is_stopping) {
    if (p->fetch.is_wanted)
      work_on_fetch(p);
    else if (p->request.is_wanted)
      work_on_request(p);
    else
      wait_for_work(p);
    pthread_mutex_unlock(&p->lock);
    if (!p->engine->options.is_replay) scan(p);
    tf_cache_report_publish(p->cache, &p->engine->publish);
    pthread_mutex_lock(&p->lock);
  }
  pthread_cond_broadcast(&p->done);
  pthread_mutex_unlock(&p->lock);
  return NULL;
}

json_t *tf_model_places_list(tf_model_places_t *p, uint32_t from) {
  json_t *list = tf_cache_report_list(p->cache, from);
  json_object_set_new(list, "request", request_json(p));
  return list;
}

/* ---- lifetime ---- */

static void add_store(const tf_engine_t *e, tf_cache_config_t *cache, const char *name,
                      const char *where, uint64_t bytes_max) {
  const tf_config_model_cache_t *c = &e->config->model_cache;
  for (uint32_t i = 0; where && i < e->registry->store_cnt; i++)
    if (!strcmp(e->registry->stores[i]->name, name)) {
      cache->stores[cache->store_cnt].store    = e->registry->stores[i];
      cache->stores[cache->store_cnt++].config = (tf_model_store_config_t){
          .where          = where,
          .bytes_max      = bytes_max,
          .blob_bytes_max = c->file_bytes_max + TF_CACHE_FRAME_ROOM(c->file_bytes_max),
          .timeout_ns     = c->redis_timeout_ns,
          .user           = c->redis_user,
          .password_file  = c->redis_password_file};
    }
}

static tf_err_t make_cache(tf_model_places_t *p) {
  const tf_engine_t             *e     = p->engine;
  const tf_config_model_cache_t *c     = &e->config->model_cache;
  tf_cache_config_t              cache = {
                   .models_max           = c->models_max,
                   .bytes_max            = c->bytes_max,
                   .compressed_bytes_max = c->compressed_bytes_max,
                   .file_bytes_max       = c->file_bytes_max,
                   .ttl_ns               = c->ttl_ns,
                   .now_ns               = tf_clock_monotonic_ns,
                   .origin               = tf_cache_origin(c),
                   .maker                = {p, make_model, unmake_model}
  };
  if (e->options.is_replay) cache.ttl_ns = 0; /* its events say which version serves when */
  add_store(e, &cache, "dir", c->dir, c->dir_bytes_max);
  add_store(e, &cache, "redis", c->redis, 0);
  if (cache.store_cnt != (uint32_t)(c->dir != NULL) + (c->redis != NULL))
    return TF_ERR(E_CONFIG_VALUE, "%s: model_cache.redis: this build has no libhiredis",
                  e->config->path);
  return tf_cache_init(&cache, &p->cache);
}

static tf_err_t add_slot(tf_model_places_t *p, uint32_t model_idx) {
  tf_compute_model_t *m = &p->engine->runner.lane.compute.models[model_idx];
  slot_t             *s = &p->slots[p->slot_cnt++];
  *s                    = (slot_t){model_idx, m, calloc(m->own_cnt, sizeof *s->places)};
  if (!s->places) return TF_ERR(E_CORE_NO_MEMORY, "%u models' places", m->own_cnt);
  for (uint32_t i = 0; i < m->own_cnt; i++) {
    s->places[i].serial  = 1;
    s->places[i].serving = m->owns[i].swap->serving;
  }
  if (p->engine->options.is_replay) m->fetch = (tf_compute_fetch_t){p, fetch};
  return TF_OK;
}

static tf_err_t add_levels(tf_model_places_t *p) {
  tf_cache_figures_t f;
  tf_err_t           err = TF_OK;
  tf_cache_read(p->cache, &f);
  for (uint32_t i = 0; i < f.level_cnt && !err; i++)
    err = tf_publish_add_cache_level(&p->engine->publish, i, f.levels[i].name);
  return err;
}

tf_err_t tf_model_places_init(tf_engine_t *e, tf_model_places_t **places) {
  tf_compute_t *compute = &e->runner.lane.compute;
  bool          wanted  = false;
  *places               = NULL;
  for (uint32_t i = 0; i < compute->model_cnt; i++) wanted |= compute->models[i].owns != NULL;
  if (!wanted || e->options.is_check) return TF_OK;
  tf_model_places_t *p = calloc(1, sizeof *p);
  if (!p) return TF_ERR(E_CORE_NO_MEMORY, "models of instruments");
  *places   = p;
  p->engine = e;
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->work, NULL);
  pthread_cond_init(&p->done, NULL);
  tf_err_t err = make_cache(p);
  for (uint32_t i = 0; i < compute->model_cnt && !err; i++)
    if (compute->models[i].owns) err = add_slot(p, i);
  return err ? err : add_levels(p);
}

void tf_model_places_set_publisher(tf_model_places_t *p, tf_model_publisher_t publisher) {
  p->publisher = publisher;
}

tf_err_t tf_model_places_start(tf_model_places_t *p) {
  int sys_errno = pthread_create(&p->thread, NULL, run_thread, p);
  if (sys_errno) return TF_ERR(E_CORE_THREAD, "models of instruments: %s", strerror(sys_errno));
  p->is_started = true;
  return TF_OK;
}

void tf_model_places_stop(tf_model_places_t *p) {
  if (!p || !p->is_started) return;
  pthread_mutex_lock(&p->lock);
  p->is_stopping = true;
  pthread_cond_signal(&p->work);
  pthread_mutex_unlock(&p->lock);
  pthread_join(p->thread, NULL);
  p->is_started = false;
}

void tf_model_places_fini(tf_model_places_t *p) {
  if (!p) return;
  tf_model_places_stop(p);
  for (uint32_t i = 0; i < p->slot_cnt; i++) {
    slot_t *slot = &p->slots[i];
    for (uint32_t id = 0; slot->places && id < slot->lane->own_cnt; id++)
      for (uint32_t row = 1; row < TF_VERSION_ROWS; row++) free_row(p, &(seat_t){slot, id}, row);
    free(slot->places);
  }
  tf_cache_fini(p->cache);
  pthread_cond_destroy(&p->done);
  pthread_cond_destroy(&p->work);
  pthread_mutex_destroy(&p->lock);
  free(p);
}
