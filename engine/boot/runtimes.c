#include "boot/runtimes.h"

#include <stdlib.h>
#include <string.h>

#include "boot/chain.h"
#include "boot/own_event.h"
#include "core/clock.h"
#include "core/error.h"
#include "serve/worker.h"

typedef struct row {
  tf_foreign_t       *foreign; /* the lane's */
  const tf_runtime_t *runtime;
  tf_worker_t        *worker; /* NULL: not opened, a replay or a check */
  tf_watch_t          watch;  /* acquire's */
} row_t;

struct tf_runtimes {
  tf_source_t  source; /* first: polled by acquire */
  tf_engine_t *engine;
  tf_tap_t     tap;
  bool         is_open, is_stopping; /* is_stopping: by acquire */
  row_t        rows[TF_MODELS_MAX];  /* foreign NULL: the model is run on the lane */
};

TF_STATIC_ASSERT((int)TF_CONFIG_NO_ANSWER_FALLBACK == (int)TF_NO_ANSWER_FALLBACK &&
                     (int)TF_CONFIG_NO_ANSWER_LAST == (int)TF_NO_ANSWER_LAST,
                 "the config's words are the lane's");
TF_STATIC_ASSERT((int)TF_CONFIG_BINARY_ON == (int)TF_RUNTIME_BINARY_ON &&
                     (int)TF_CONFIG_BINARY_OFF == (int)TF_RUNTIME_BINARY_OFF,
                 "the config's words are the runtimes'");

const char *tf_runtimes_state_name(uint64_t state) {
  static const char *const names[] = {
#define STATE_(id, name) name,
      TF_RUNTIME_STATES(STATE_)
#undef STATE_
  };
  return state < TF_RUNTIME_STATE_CNT ? names[state] : "?";
}

static const char *const miss_names[] = {
#define MISS_(id, name) name,
    TF_RUNTIME_MISSES(MISS_)
#undef MISS_
};

/* ---- boot ---- */

static tf_err_t find_runtime(const tf_engine_t *e, const tf_config_model_t *m,
                             const tf_runtime_t **runtime) {
  const char *name = m->backend == TF_CONFIG_BACKEND_KSERVE ? "kserve" : "onnxruntime";
  for (uint32_t i = 0; i < e->registry->runtime_cnt; i++) {
    *runtime = e->registry->runtimes[i];
    if (!strcmp((*runtime)->name, name)) return TF_OK;
  }
  return TF_ERR(E_RUNTIME_MISSING, "%s: model %s: this program has no runtime %s", e->config->path,
                m->name, name);
}

/* The inputs that the config names, ranges of another model's outputs one by one; their number. names NULL: that alone. */
static uint32_t list_features(const tf_config_model_t *m,
                              char (*names)[TF_MODEL_FEATURE_NAME_BYTES]) {
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < m->inputs.item_cnt && cnt <= TF_MODEL_INPUTS_MAX; i++) {
    tf_chain_output_t output;
    bool is_range = tf_chain_parse(m->inputs.items[i], &output) && !tf_chain_check_output(&output);
    uint32_t many = is_range ? output.last - output.first + 1 : 1;
    for (uint32_t k = 0; k < many && names; k++) {
      if (is_range)
        snprintf(names[cnt + k], sizeof *names, "%s.%u", output.model, output.first + k);
      else
        snprintf(names[cnt + k], sizeof *names, "%s", m->inputs.items[i]);
    }
    cnt += many;
  }
  return cnt;
}

static uint32_t output_cnt(const tf_config_model_t *m) {
  return m->outputs ? m->outputs : m->horizon;
}

static tf_foreign_config_t lane_config(const tf_config_t *c, uint32_t i,
                                       const tf_runtime_t *runtime) {
  const tf_config_model_t *m      = &c->models[i];
  tf_foreign_config_t      config = {.name       = m->name,
                                     .path       = runtime->path,
                                     .rows       = m->window ? m->window : 1,
                                     .output_cnt = output_cnt(m),
                                     .max_age_ns = m->max_age_ns,
                                     .no_answer  = (uint8_t)tf_config_model_no_answer(m)};
  for (uint32_t k = 0; k < i && m->fallback; k++)
    if (!strcmp(c->models[k].name, m->fallback)) config.fallback_idx = k;
  return config;
}

tf_err_t tf_runtimes_load(tf_engine_t *e, uint32_t i, tf_model_t **model) {
  const tf_config_model_t *m = &e->config->models[i];
  if (!e->runtimes) e->runtimes = calloc(1, sizeof *e->runtimes);
  if (!e->runtimes) return TF_ERR(E_CORE_NO_MEMORY, "models of other runtimes");
  e->runtimes->engine = e;
  e->publish.runtimes = e->runtimes;
  row_t   *row        = &e->runtimes->rows[i];
  uint32_t width      = list_features(m, NULL);
  tf_err_t err        = find_runtime(e, m, &row->runtime);
  if (!err && width > TF_MODEL_INPUTS_MAX)
    err = TF_ERR(E_MODEL_SCHEMA, "%s: model %s: %u inputs; at most %d", e->config->path, m->name,
                 width, TF_MODEL_INPUTS_MAX);
  if (err) return err;
  tf_foreign_config_t config = lane_config(e->config, i, row->runtime);
  config.width               = width;
  config.features            = calloc(config.width, sizeof *config.features);
  row->foreign =
      aligned_alloc(TF_LINE_PAIR_BYTES, tf_align_up(sizeof *row->foreign, TF_LINE_PAIR_BYTES));
  if (!config.features || !row->foreign) {
    free(config.features);
    free(row->foreign);
    row->foreign = NULL;
    return TF_ERR(E_CORE_NO_MEMORY, "model %s", m->name);
  }
  (void)list_features(m, config.features);
  tf_foreign_begin(row->foreign, &config);
  *model = &row->foreign->model;
  return TF_OK;
}

size_t tf_runtimes_bytes(const tf_engine_t *e) {
  size_t bytes = 0;
  for (uint32_t i = 0; e->runtimes && i < e->model_cnt; i++) {
    const tf_foreign_t *f = e->runtimes->rows[i].foreign;
    if (f)
      bytes += tf_foreign_bytes(&f->config, e->instruments.cap); /* 0: add says what is wrong */
  }
  return bytes;
}

tf_err_t tf_runtimes_add(tf_engine_t *e, uint32_t i) {
  tf_foreign_t *f = e->runtimes ? e->runtimes->rows[i].foreign : NULL;
  if (!f) return TF_OK;
  tf_err_t err = tf_foreign_init(f, e->instruments.cap, &e->arena);
  if (!err) tf_compute_set_foreign(&e->runner.lane.compute, f);
  return err;
}

/* ---- acquire's side ---- */

static void publish(void *self, tf_event_t *e) {
  tf_runtimes_t *r = self;
  tf_own_event_tell(&r->source, &r->tap, e);
}

static int poll_runtimes(tf_source_t *source, uint64_t now_ns) {
  tf_runtimes_t *r    = (tf_runtimes_t *)source;
  int            work = 0;
  if (TF_UNLIKELY(r->is_stopping)) return TF_SOURCE_DONE;
  for (uint32_t i = 0; i < TF_MODELS_MAX; i++) {
    row_t    *row = &r->rows[i];
    tf_note_t note;
    if (!row->worker) continue;
    while (tf_worker_note(row->worker, &note)) {
      tf_watch_note(&row->watch, &note, tf_clock_wall_ns());
      work++;
    }
    work += (int)tf_watch_tick(&row->watch, now_ns);
  }
  return work;
}

static void stop_runtimes(tf_source_t *source) { ((tf_runtimes_t *)source)->is_stopping = true; }

static const tf_source_ops_t source_ops = {.poll = poll_runtimes, .stop = stop_runtimes};

/* ---- live ---- */

static tf_runtime_config_t runtime_config(const tf_config_model_t *m, const row_t *row) {
  return (tf_runtime_config_t){
      .model       = m->name,
      .file        = m->file,
      .library     = m->library,
      .host        = m->url.host,
      .path        = m->url.path,
      .port        = m->url.port,
      .tls         = m->url.tls,
      .insecure    = m->insecure,
      .ca_file     = m->ca_file,
      .header_file = m->header_file,
      .input       = m->input,
      .output      = m->output,
      .binary      = m->binary,
      .rows        = row->foreign->config.rows,
      .width       = row->foreign->config.width,
      .output_cnt  = row->foreign->config.output_cnt,
      .in_flight = m->in_flight < row->runtime->in_flight ? m->in_flight : row->runtime->in_flight,
      .threads   = m->threads};
}

static tf_err_t open_row(tf_runtimes_t *r, uint32_t i) {
  const tf_config_model_t *m      = &r->engine->config->models[i];
  row_t                   *row    = &r->rows[i];
  tf_runtime_config_t      config = runtime_config(m, row);
  void                    *self   = NULL;
  tf_watch_config_t        watch  = {.model_idx   = i,
                                     .output_cnt  = config.output_cnt,
                                     .in_flight   = config.in_flight,
                                     .deadline_ns = tf_config_model_deadline_ns(m),
                                     .limit       = m->breaker_limit,
                                     .wait_ns     = m->breaker_wait_ns,
                                     .wait_ns_max = m->breaker_wait_max_ns};
  tf_err_t                 err    = row->runtime->open(&config, &self, &watch.hash);
  if (err) return tf_error_add(err, "%s: opening the model %s", r->engine->config->path, m->name);
  tf_watch_init(&row->watch, &watch, (tf_watch_publisher_t){r, publish});
  tf_worker_config_t worker = {.runtime      = row->runtime,
                               .runtime_self = self,
                               .asks         = &row->foreign->asks,
                               .gate         = &row->watch.gate,
                               .deadline_ns  = tf_config_model_deadline_ns(m),
                               .in_flight    = config.in_flight,
                               .output_cnt   = config.output_cnt};
  err                       = tf_worker_init(&worker, &row->worker);
  if (err) row->runtime->close(self);
  return err;
}

tf_err_t tf_runtimes_open(tf_engine_t *e, tf_tap_t tap) {
  tf_runtimes_t *r   = e->runtimes;
  tf_err_t       err = TF_OK;
  if (!r) return TF_OK;
  r->tap           = tap;
  r->source.ops    = &source_ops;
  r->source.is_aid = true;
  for (uint32_t i = 0; i < e->model_cnt && !err; i++)
    if (r->rows[i].foreign) err = open_row(r, i);
  if (err) return err;
  r->is_open = true;
  return tf_acquire_add(&e->runner.acquire, &r->source);
}

tf_err_t tf_runtimes_start(tf_runtimes_t *r) {
  tf_err_t err = TF_OK;
  for (uint32_t i = 0; r && r->is_open && i < TF_MODELS_MAX && !err; i++) {
    if (!r->rows[i].worker) continue;
    r->rows[i].foreign->is_asking = true;
    err                           = tf_worker_start(r->rows[i].worker);
  }
  return err;
}

void tf_runtimes_stop(tf_runtimes_t *r) {
  for (uint32_t i = 0; r && i < TF_MODELS_MAX; i++)
    if (r->rows[i].worker) (void)tf_worker_stop(r->rows[i].worker);
}

void tf_runtimes_fini(tf_runtimes_t *r) {
  for (uint32_t i = 0; r && i < TF_MODELS_MAX; i++) {
    tf_worker_fini(r->rows[i].worker);
    if (r->rows[i].foreign) free(r->rows[i].foreign->config.features);
    free(r->rows[i].foreign);
  }
  free(r);
}

/* ---- figures ---- */

static uint64_t read_word(const uint64_t *word) {
  return tf_load_relaxed(word); /* relaxed: a count that stands alone */
}

static uint64_t missed(const tf_watch_t *w) {
  uint64_t cnt = 0;
  for (uint32_t i = 0; i < TF_RUNTIME_MISS_CNT; i++) cnt += read_word(&w->counts.misses[i]);
  return cnt;
}

static int64_t apart(uint64_t left, uint64_t right) {
  int64_t off = (int64_t)(left - right);
  return off < 0 ? -off : off;
}

int64_t tf_runtimes_residual(const tf_runtimes_t *r) {
  int64_t   off = 0;
  tf_note_t note;
  for (uint32_t i = 0; r && i < TF_MODELS_MAX; i++) {
    const row_t *row = &r->rows[i];
    if (!row->worker) continue;
    const tf_asks_t *a = &row->foreign->asks;
    uint64_t untold    = 0; /* begun, and the note is still in the ring: acquire ended before */
    while (tf_worker_note(row->worker, &note)) untold += note.kind == TF_NOTE_BEGUN;
    off += apart(a->asked, a->superseded + a->taken + tf_asks_waiting(a));
    off += apart(a->taken, tf_worker_expired(row->worker) + row->watch.counts.begun + untold);
    off += apart(row->watch.counts.begun, row->watch.counts.answered + missed(&row->watch) +
                                              tf_watch_under_way(&row->watch));
  }
  return off;
}

void tf_runtimes_publish(const tf_runtimes_t *r, uint32_t i, tf_metrics_block_t *b) {
  if (!r || !r->rows[i].foreign) return;
  const row_t        *row = &r->rows[i];
  const tf_foreign_t *f   = row->foreign;
  tf_metrics_set(b, TF_METRIC_MODEL_ASKED, read_word(&f->asks.asked));
  tf_metrics_set(b, TF_METRIC_MODEL_SUPERSEDED, read_word(&f->asks.superseded));
  tf_metrics_set(b, TF_METRIC_MODEL_EXPIRED, row->worker ? tf_worker_expired(row->worker) : 0);
  tf_metrics_set(b, TF_METRIC_MODEL_ANSWERED, f->counts.answers);
  tf_metrics_set(b, TF_METRIC_MODEL_ANSWERS_LATE, read_word(&row->watch.counts.late));
  tf_metrics_set(b, TF_METRIC_MODEL_ANSWERS_OVERTAKEN, f->counts.overtaken);
  tf_metrics_set(b, TF_METRIC_MODEL_ANSWERS_REFUSED, f->counts.refused + f->counts.old);
  for (uint32_t k = 0; k < TF_RUNTIME_MISS_CNT; k++)
    tf_metrics_set(b, (tf_metric_t)(TF_METRIC_MODEL_MISSED_DEADLINE + k), f->counts.misses[k]);
  tf_metrics_set(b, TF_METRIC_MODEL_BREAKER, f->state);
  tf_metrics_set(b, TF_METRIC_MODEL_BREAKER_OPENED, f->counts.opened);
  tf_metrics_set(b, TF_METRIC_MODEL_ANSWER_MAX_NS, f->ages.max);
}

static void put_trouble(const row_t *row, json_t *root) {
  char text[TF_RUNTIME_TEXT_BYTES] = "";
  if (row->worker) tf_worker_trouble(row->worker, text);
  size_t cnt = strnlen(text, sizeof text);
  if (cnt)
    json_object_set_new(root, "trouble", json_stringn(text, cnt)); /* NULL where it is no UTF-8 */
}

json_t *tf_runtimes_json(const tf_runtimes_t *r, uint32_t i) {
  if (!r || !r->rows[i].foreign) return NULL;
  const row_t        *row    = &r->rows[i];
  const tf_foreign_t *f      = row->foreign;
  json_t             *misses = json_object(), *root = json_object();
  for (uint32_t k = 0; k < TF_RUNTIME_MISS_CNT; k++)
    if (read_word(&f->counts.misses[k]))
      json_object_set_new(misses, miss_names[k],
                          json_integer((json_int_t)read_word(&f->counts.misses[k])));
  const struct {
    const char *name;
    uint64_t    value;
  } words[] = {
      {"asked",      read_word(&f->asks.asked)                       },
      {"superseded", read_word(&f->asks.superseded)                  },
      {"expired",    row->worker ? tf_worker_expired(row->worker) : 0},
      {"answered",   read_word(&f->counts.answers)                   },
      {"stood",      read_word(&f->counts.taken)                     },
      {"overtaken",  read_word(&f->counts.overtaken)                 },
      {"old",        read_word(&f->counts.old)                       },
      {"refused",    read_word(&f->counts.refused)                   },
      {"late",       read_word(&row->watch.counts.late)              },
      {"opened",     read_word(&f->counts.opened)                    },
  };
  json_object_set_new(root, "backend", json_string(row->runtime->name));
  json_object_set_new(root, "breaker", json_string(tf_runtimes_state_name(f->state)));
  for (size_t k = 0; k < TF_ARRAY_CNT(words); k++)
    json_object_set_new(root, words[k].name, json_integer((json_int_t)words[k].value));
  json_object_set_new(root, "missed", misses);
  json_object_set_new(root, "answer_ns",
                      json_pack("{sIsIsIsI}", "p50", (json_int_t)tf_hist_quantile(&f->ages, 0.5),
                                "p99", (json_int_t)tf_hist_quantile(&f->ages, 0.99), "p99_9",
                                (json_int_t)tf_hist_quantile(&f->ages, 0.999), "max",
                                (json_int_t)f->ages.max));
  put_trouble(row, root);
  return root;
}

json_t *tf_runtimes_status(const tf_runtimes_t *r, uint32_t i, const tf_metrics_block_t *b) {
  if (!r->rows[i].foreign) return NULL;
  uint64_t misses = 0;
  for (uint32_t k = 0; k < TF_RUNTIME_MISS_CNT; k++)
    misses += tf_metrics_get(b, (tf_metric_t)(TF_METRIC_MODEL_MISSED_DEADLINE + k));
  json_t *root = json_pack("{sssssIsIsIsI}", "backend", r->rows[i].runtime->name, "breaker",
                           tf_runtimes_state_name(tf_metrics_get(b, TF_METRIC_MODEL_BREAKER)),
                           "asked", (json_int_t)tf_metrics_get(b, TF_METRIC_MODEL_ASKED),
                           "answered", (json_int_t)tf_metrics_get(b, TF_METRIC_MODEL_ANSWERED),
                           "missed", (json_int_t)misses, "opened",
                           (json_int_t)tf_metrics_get(b, TF_METRIC_MODEL_BREAKER_OPENED));
  put_trouble(&r->rows[i], root);
  return root;
}
