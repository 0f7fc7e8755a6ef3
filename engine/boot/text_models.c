#include "boot/text_models.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "boot/snapshot.h"
#include "core/error.h"
#include "core/log.h"
#include "serve/models_dir.h"

#define LOOK_NS TF_NS_PER_MS /* between looks whether a swap is told */
#define NO_ROW  UINT32_MAX

typedef struct row {
  tf_text_model_t *model; /* NULL: empty */
  uint32_t         number;
} row_t;

struct tf_text_models {
  const tf_engine_t *engine;
  tf_texts_role_t    role;
  bool               embeds; /* its embedding is compared */

  const tf_config_text_model_t *config;

  tf_texts_t        *texts;
  pthread_t          thread;
  bool               is_started;
  pthread_mutex_t    lock; /* of all below */
  pthread_cond_t     work;
  bool               is_stopping, is_busy; /* is_busy: request is being worked on */
  tf_model_request_t request;
  row_t              rows[TF_TEXTS_VERSIONS]; /* as those of tf_texts_t */
  uint32_t           serving, previous;       /* previous: or NO_ROW */
  uint64_t           serving_word; /* of serving, for those who take no lock: number << 32 | hash */
  uint64_t           swaps, rollbacks, refused; /* a rollback is a swap too */
  tf_err_t           refusal;
  char               refusal_text[512];
};

/* ---- roles ---- */

const char *tf_text_models_role(tf_texts_role_t role) {
  static const char *const words[TF_TEXTS_ROLE_CNT] = {"classifier", "embedder"};
  return words[role];
}

const tf_config_text_model_t *tf_text_models_config(const tf_engine_t *e, tf_texts_role_t role) {
  const tf_config_reader_t *texts = &e->config->texts;
  return role == TF_TEXTS_EMBEDDER ? &texts->embedder : &texts->classifier;
}

const char *tf_text_models_name(const tf_text_models_t *m) { return m->config->name; }

/* ---- one version ---- */

static tf_err_t check_role(const tf_text_models_t *m, const tf_text_model_t *model) {
  if (m->role == TF_TEXTS_CLASSIFIER && model->label_cnt == 0)
    return TF_ERR(E_MODEL_SCHEMA, "model %s has no labels: it is an embedder, for texts.embedder",
                  model->name);
  if (m->role == TF_TEXTS_EMBEDDER && model->embedding_cnt == 0)
    return TF_ERR(E_MODEL_SCHEMA,
                  "model %s has no embedding: it is a classifier, for texts.classifier",
                  model->name);
  return TF_OK;
}

static tf_err_t load_file(const tf_text_models_t *m, const char *path, const char *pin,
                          tf_text_model_t **model) {
  const tf_text_loader_t *loader  = m->engine->registry->texts;
  tf_model_options_t      options = {.precision = TF_PRECISION_AUTO,
                                     .error_max = (double)m->config->error_max_ppm * 1e-6};
  if (m->config->precision != TF_CONFIG_PRECISION_AUTO)
    options.precision = (tf_precision_t)(m->config->precision - TF_CONFIG_PRECISION_FP32);
  tf_err_t err = loader->load(path, &options, model);
  if (!err) err = tf_models_dir_check_pin(path, (*model)->sha256_hex, pin);
  if (!err) err = check_role(m, *model);
  if (err) {
    loader->unload(*model);
    *model = NULL;
  }
  return err;
}

/* number 0: the newest. */
static tf_err_t find_version(const tf_text_models_t *m, uint32_t number, uint32_t *found,
                             char path[TF_MODELS_DIR_PATH_BYTES]) {
  const tf_config_text_model_t *c   = m->config;
  tf_err_t                      err = tf_models_dir_find(c->registry, c->name, number, found);
  if (!err) tf_models_dir_path(c->registry, c->name, *found, path);
  return err;
}

/* The lock is held, or nobody else is there yet. */
static void set_serving(tf_text_models_t *m, uint32_t row) {
  m->serving = row;
  /* relaxed: a word by itself */
  tf_store_relaxed(&m->serving_word,
                   (uint64_t)m->rows[row].number << 32 | m->rows[row].model->hash);
}

void tf_text_models_serving(const tf_text_models_t *m, uint64_t *version, uint32_t *hash) {
  const uint64_t word = tf_load_relaxed(&m->serving_word); /* relaxed: as set_serving */
  *version            = word >> 32;
  *hash               = (uint32_t)word;
}

/* Rules read labels by number, and memory has room for embeddings of one width. Of what the role is not for, nothing is asked. */
static tf_err_t check_fit(const tf_text_models_t *m, const tf_text_model_t *model) {
  const tf_text_model_t *old  = m->rows[m->serving].model;
  bool                   same = old->label_cnt == model->label_cnt;
  for (uint32_t i = 0; i < old->label_cnt && same; i++)
    same = strcmp(old->labels[i], model->labels[i]) == 0;
  if (m->role == TF_TEXTS_CLASSIFIER && !same)
    return TF_ERR(E_MODEL_SCHEMA, "its labels are not those of what reads, in that order: rules "
                                  "know them by number; it wants a start");
  if (m->embeds && old->embedding_cnt != model->embedding_cnt)
    return TF_ERR(E_MODEL_SCHEMA, "an embedding of %u values; what reads has %u: it wants a start",
                  model->embedding_cnt, old->embedding_cnt);
  return TF_OK;
}

static void empty_row(const tf_text_models_t *m, row_t *row) {
  m->engine->registry->texts->unload(row->model);
  *row = (row_t){0};
}

/* ---- the thread ---- */

static bool is_stopping(tf_text_models_t *m) {
  pthread_mutex_lock(&m->lock);
  const bool stopping = m->is_stopping;
  pthread_mutex_unlock(&m->lock);
  return stopping;
}

/* Until what was offered is told. False: the engine stops. */
static bool wait_told(tf_text_models_t *m) {
  while (!tf_texts_has_told(m->texts, m->role)) {
    if (is_stopping(m)) return false;
    nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
  }
  return true;
}

/* The row's version reads. False: the engine stops. */
static bool let_read(tf_text_models_t *m, uint32_t row) {
  if (!wait_told(m)) return false; /* that of an embedder's start */
  tf_texts_offer(m->texts, m->role, row);
  if (!wait_told(m)) return false;
  pthread_mutex_lock(&m->lock);
  m->previous = m->serving;
  set_serving(m, row);
  m->swaps++;
  pthread_mutex_unlock(&m->lock);
  tf_log(TF_LOG_NOTICE, "texts_swapped", "role=%s model=%s version=%u sha256=%.12s",
         tf_text_models_role(m->role), m->config->name, m->rows[row].number,
         m->rows[row].model->sha256_hex);
  return true;
}

static tf_err_t load_newer(const tf_text_models_t *m, const tf_model_request_t *r, row_t *row) {
  const uint32_t before = m->rows[m->serving].number;
  char           path[TF_MODELS_DIR_PATH_BYTES];
  tf_err_t       err = find_version(m, r->version, &row->number, path);
  if (!err && row->number <= before)
    return TF_ERR(E_MODEL_VERSION, "version %u reads; a newer one is wanted, or a rollback",
                  before);
  return err ? err : load_file(m, path, *r->sha256 ? r->sha256 : NULL, &row->model);
}

static tf_err_t swap(tf_text_models_t *m, const tf_model_request_t *r) {
  uint32_t free_row = 0;
  row_t    row      = {0};
  while (free_row == m->serving || free_row == m->previous) free_row++;
  tf_err_t err = load_newer(m, r, &row);
  if (!err) err = check_fit(m, row.model);
  if (!err) {
    empty_row(m, &m->rows[free_row]);
    err = tf_texts_fill(m->texts, m->role, free_row, &(tf_texts_version_t){row.model, row.number});
  }
  if (err) {
    const uint32_t number = row.number ? row.number : r->version;
    empty_row(m, &row);
    return tf_error_add(err, "%s, version %u", m->config->name, number);
  }
  m->rows[free_row] = row;
  (void)let_read(m, free_row);
  return TF_OK;
}

static void work_on(tf_text_models_t *m) {
  tf_err_t err       = TF_OK;
  bool     went_back = false;
  if (m->request.verb == TF_MODEL_ROLLBACK)
    went_back = let_read(m, m->previous);
  else
    err = swap(m, &m->request);
  pthread_mutex_lock(&m->lock);
  m->rollbacks += went_back;
  m->is_busy = false;
  m->refusal = err;
  m->refused += err != TF_OK;
  snprintf(m->refusal_text, sizeof m->refusal_text, "%s", err ? tf_error_text() : "");
  pthread_mutex_unlock(&m->lock);
  if (err) tf_log(TF_LOG_WARN, "texts_refused", "text=\"%s\"", tf_error_text());
}

static void *run_thread(void *self) {
  tf_text_models_t *m = self;
  pthread_mutex_lock(&m->lock);
  while (!m->is_stopping) {
    if (!m->is_busy) {
      pthread_cond_wait(&m->work, &m->lock);
      continue;
    }
    pthread_mutex_unlock(&m->lock);
    work_on(m);
    pthread_mutex_lock(&m->lock);
  }
  pthread_mutex_unlock(&m->lock);
  return NULL;
}

/* ---- anybody ---- */

static tf_err_t check_request(const tf_text_models_t *m, const tf_model_request_t *r) {
  if (r->verb != TF_MODEL_SWAP && r->verb != TF_MODEL_ROLLBACK)
    return TF_ERR(E_CONTROL_REQUEST,
                  "model %s reads texts: it is swapped and rolled back; there is no version beside "
                  "it",
                  r->model);
  if (m->is_busy) return TF_ERR(E_MODEL_BUSY, "model %s: a request is being worked on", r->model);
  if (r->verb == TF_MODEL_ROLLBACK && m->previous == NO_ROW)
    return TF_ERR(E_CONTROL_REQUEST, "model %s: no version read before this one", r->model);
  return TF_OK;
}

tf_err_t tf_text_models_request(tf_text_models_t *m, const tf_model_request_t *request) {
  pthread_mutex_lock(&m->lock);
  tf_err_t err = check_request(m, request);
  if (!err) {
    m->request = *request;
    m->is_busy = true;
    pthread_cond_signal(&m->work);
  }
  pthread_mutex_unlock(&m->lock);
  return err;
}

json_t *tf_text_models_row(tf_text_models_t *m) {
  pthread_mutex_lock(&m->lock);
  const row_t *serving = &m->rows[m->serving];
  json_t      *previous =
      m->previous == NO_ROW ? json_null() : json_integer(m->rows[m->previous].number);
  json_t *row =
      json_pack("{ss ss sI ss ss sn so sI sI sI}", "name", m->config->name, "role",
                tf_text_models_role(m->role), "version", (json_int_t)serving->number, "sha256",
                serving->model->sha256_hex, "state", m->is_busy ? "swapping" : "idle", "beside",
                "previous", previous, "swaps", (json_int_t)m->swaps, "refused",
                (json_int_t)m->refused, "rollbacks", (json_int_t)m->rollbacks);
  if (m->refusal) {
    json_object_set_new(row, "refusal", json_string(tf_error_name(m->refusal)));
    json_object_set_new(row, "refusal_text", json_string(m->refusal_text));
  }
  pthread_mutex_unlock(&m->lock);
  return row;
}

static json_t *labels_of(const tf_text_model_t *model) {
  json_t *labels = json_array();
  for (uint32_t i = 0; i < model->label_cnt; i++)
    json_array_append_new(labels, json_string(model->labels[i]));
  return labels;
}

json_t *tf_text_models_describe(tf_text_models_t *m) {
  pthread_mutex_lock(&m->lock);
  const row_t *row = &m->rows[m->serving];
  json_t *about = json_pack("{ss ss}", "model", row->model->name, "sha256", row->model->sha256_hex);
  if (row->number) json_object_set_new(about, "version", json_integer(row->number));
  if (row->number) json_object_set_new(about, "swaps", json_integer((json_int_t)m->swaps));
  if (m->embeds) json_object_set_new(about, "embedding", json_integer(row->model->embedding_cnt));
  if (m->role == TF_TEXTS_CLASSIFIER) json_object_set_new(about, "labels", labels_of(row->model));
  pthread_mutex_unlock(&m->lock);
  return about;
}

/* ---- lifetime ---- */

/* The version that read when the snapshot was taken. False: there is none, or it is not to be had any more as it was. */
static bool load_served(const tf_text_models_t *m, row_t *row) {
  const tf_engine_t            *e = m->engine;
  const tf_config_text_model_t *c = m->config;
  const tf_snapshot_model_t    *was =
      tf_snapshot_find_texts(e->options.snapshot, e->options.snapshot_bytes, m->role, c->name);
  char path[TF_MODELS_DIR_PATH_BYTES];
  if (!was || c->sha256 || was->version == 0 || was->version > TF_MODELS_DIR_VERSION_MAX)
    return false;
  row->number = (uint32_t)was->version;
  tf_models_dir_path(c->registry, c->name, row->number, path);
  tf_err_t err = load_file(m, path, NULL, &row->model);
  if (!err && row->model->hash != was->hash)
    err = TF_ERR(E_MODEL_PIN, "%s is not the file that it was: hash %08x, then %08x", path,
                 row->model->hash, was->hash);
  if (!err) return true;
  tf_log(TF_LOG_WARN, "texts_not_resumed", "model=%s version=%u code=%s text=\"%s\"", c->name,
         row->number, tf_error_name(err), tf_error_text());
  e->registry->texts->unload(row->model);
  *row = (row_t){0};
  return false;
}

static tf_err_t load_first(const tf_text_models_t *m, row_t *row) {
  const tf_config_text_model_t *c = m->config;
  char                          path[TF_MODELS_DIR_PATH_BYTES];
  if (!c->registry) return load_file(m, c->file, c->sha256, &row->model);
  if (load_served(m, row)) return TF_OK;
  tf_err_t err = find_version(m, c->version, &row->number, path);
  return err ? err : load_file(m, path, c->sha256, &row->model);
}

tf_texts_version_t tf_text_models_first(const tf_text_models_t *m) {
  return (tf_texts_version_t){m->rows[0].model, m->rows[0].number};
}

tf_err_t tf_text_models_open(const tf_engine_t *engine, tf_texts_role_t role,
                             tf_text_models_t **models) {
  char              key[64], where[256];
  tf_text_models_t *m = *models = calloc(1, sizeof *m);
  if (!m) return TF_ERR(E_CORE_NO_MEMORY, "texts");
  m->engine = engine;
  m->role   = role;
  m->config = tf_text_models_config(engine, role);
  m->embeds =
      role == TF_TEXTS_EMBEDDER || !tf_config_text_model_is_given(&engine->config->texts.embedder);
  m->previous = NO_ROW;
  pthread_mutex_init(&m->lock, NULL);
  pthread_cond_init(&m->work, NULL);
  tf_err_t err = load_first(m, &m->rows[0]);
  if (!err) {
    set_serving(m, 0);
    return TF_OK;
  }
  snprintf(key, sizeof key, "texts.%s.%s", tf_text_models_role(role),
           m->config->registry ? "registry" : "file");
  tf_text_models_fini(m);
  *models = NULL;
  return tf_error_add(err, "%s", tf_config_where(engine->config, key, where, sizeof where));
}

tf_err_t tf_text_models_start(tf_text_models_t *m, tf_texts_t *texts) {
  m->texts = texts;
  if (!m->config->registry) return TF_OK;
  int sys_errno = pthread_create(&m->thread, NULL, run_thread, m);
  if (sys_errno) return TF_ERR(E_CORE_THREAD, "the texts' models: %s", strerror(sys_errno));
  m->is_started = true;
  return TF_OK;
}

void tf_text_models_stop(tf_text_models_t *m) {
  if (!m->is_started) return;
  pthread_mutex_lock(&m->lock);
  m->is_stopping = true;
  pthread_cond_signal(&m->work);
  pthread_mutex_unlock(&m->lock);
  pthread_join(m->thread, NULL);
  m->is_started = false;
}

void tf_text_models_fini(tf_text_models_t *m) {
  if (!m) return;
  for (uint32_t i = 0; i < TF_TEXTS_VERSIONS; i++) empty_row(m, &m->rows[i]);
  pthread_cond_destroy(&m->work);
  pthread_mutex_destroy(&m->lock);
  free(m);
}
