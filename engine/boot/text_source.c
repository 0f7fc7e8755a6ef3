#include "boot/text_source.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot/own_event.h"
#include "boot/sinks.h"
#include "boot/text_models.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "serve/texts.h"

struct tf_text_source {
  tf_source_t  source; /* first: polled by acquire */
  tf_engine_t *engine;
  tf_tap_t     tap;
  bool         is_stopping;
  /* NULL: none is given; a capture's, unless its labels were wanted */
  tf_text_models_t *models[TF_TEXTS_ROLE_CNT];
  tf_texts_t       *texts; /* NULL: a capture's */
  tf_text_port_t    heard; /* a capture's: taken, and no more */
};

static const char *const miss_words[] = {
#define WORD_(id, word) word,
    TF_TEXT_MISSES(WORD_)
#undef WORD_
};

/* ---- acquire's side ---- */

static void publish_in_place(void *self, tf_event_t *e) {
  tf_text_source_t *t = self;
  tf_own_event_publish(&t->source, e);
}

static void publish_live(void *self, tf_event_t *e) {
  tf_text_source_t *t = self;
  tf_own_event_tell(&t->source, &t->tap, e);
}

static int poll_texts(tf_source_t *source, uint64_t now_ns) {
  tf_text_source_t *t = (tf_text_source_t *)source;
  (void)now_ns;
  return TF_UNLIKELY(t->is_stopping) ? TF_SOURCE_DONE
                                     : (int)tf_texts_poll(t->texts, tf_clock_wall_ns());
}

/* Its events are published by the port. */
static int poll_nothing(tf_source_t *source, uint64_t now_ns) {
  (void)source;
  (void)now_ns;
  return TF_SOURCE_DONE;
}

/* Behind the feeds, which have handed over all that they heard. */
static void stop_texts(tf_source_t *source) {
  tf_text_source_t *t = (tf_text_source_t *)source;
  t->is_stopping      = true;
  tf_texts_drain(t->texts, tf_clock_wall_ns());
}

static const tf_source_ops_t live_ops     = {.poll = poll_texts, .stop = stop_texts};
static const tf_source_ops_t in_place_ops = {.poll = poll_nothing, .stop = stop_texts};

static bool hear(void *self, const tf_text_t *text) {
  (void)self;
  (void)text;
  return true;
}

/* ---- boot ---- */

static bool is_wanted(const tf_engine_t *e, tf_texts_role_t role) {
  return tf_config_text_model_is_given(tf_text_models_config(e, role));
}

/* It is given, and its file or registry is there. */
static bool is_there(const tf_engine_t *e, tf_texts_role_t role) {
  const tf_config_text_model_t *c = tf_text_models_config(e, role);
  return is_wanted(e, role) && access(c->registry ? c->registry : c->file, R_OK) == 0;
}

tf_err_t tf_text_source_check(const tf_engine_t *e) {
  tf_err_t err = TF_OK;
  for (tf_texts_role_t role = 0; role < TF_TEXTS_ROLE_CNT && !err; role++) {
    tf_text_models_t *models = NULL;
    if (is_there(e, role)) err = tf_text_models_open(e, role, &models);
    tf_text_models_fini(models);
  }
  return err;
}

static uint32_t power_of_two(uint32_t cnt) {
  uint32_t power = TF_TEXTS_QUEUE_MIN;
  while (power < cnt) power *= 2;
  return power;
}

TF_STATIC_ASSERT(TF_LABELS_MAX == TF_TEXT_LABELS_MAX && TF_LABEL_BYTES == TF_TEXT_LABEL_BYTES,
                 "a model's labels are those of sinks");

/* For those who name them beside events: sinks. */
static void name_labels(tf_engine_t *e, const tf_text_model_t *model) {
  memcpy(e->labels.words, model->labels, sizeof e->labels.words);
  tf_store_release_u32(&e->labels.cnt, model->label_cnt); /* pairs with: tf_labels_cnt */
}

/* A capture says what was read, by numbers; sinks of events tell their words, if the model is here. */
static tf_err_t open_captured(tf_text_source_t *t) {
  tf_text_models_t **models = &t->models[TF_TEXTS_CLASSIFIER];
  if (!tf_sinks_carry(t->engine, TF_CARRIES_EVENTS) || !is_there(t->engine, TF_TEXTS_CLASSIFIER))
    return TF_OK;
  tf_err_t err = tf_text_models_open(t->engine, TF_TEXTS_CLASSIFIER, models);
  if (!err) name_labels(t->engine, tf_text_models_first(*models).model);
  return err;
}

static tf_err_t open_model(tf_text_source_t *t, tf_texts_role_t role, tf_texts_version_t *first) {
  if (!is_wanted(t->engine, role)) return TF_OK;
  tf_err_t err = tf_text_models_open(t->engine, role, &t->models[role]);
  if (err) return err;
  *first                   = tf_text_models_first(t->models[role]);
  const tf_text_model_t *m = first->model;
  tf_log(TF_LOG_NOTICE, "texts", "%s=%s sha256=%.12s labels=%u embedding=%u tokens_max=%u",
         tf_text_models_role(role), m->name, m->sha256_hex, m->label_cnt, m->embedding_cnt,
         m->lengths[m->length_cnt - 1]);
  return TF_OK;
}

static tf_err_t open_texts(tf_text_source_t *t, tf_text_mode_t mode) {
  tf_engine_t              *e      = t->engine;
  const tf_config_reader_t *c      = &e->config->texts;
  const bool                live   = mode == TF_TEXT_MODE_LIVE;
  tf_texts_config_t         config = {.queue          = power_of_two(c->queue),
                                      .instrument_cap = e->instruments.cap,
                                      .deadline_ns    = c->deadline_ns,
                                      .is_inline      = !live,
                                      .publisher      = t,
                                      .publish        = live ? publish_live : publish_in_place};
  tf_err_t                  err    = TF_OK;
  for (tf_texts_role_t role = 0; role < TF_TEXTS_ROLE_CNT && !err; role++)
    err = open_model(t, role, &config.first[role]);
  if (!err) err = tf_texts_init(&config, &t->texts);
  if (err) return err;
  name_labels(e, config.first[TF_TEXTS_CLASSIFIER].model);
  t->source.ops    = live ? &live_ops : &in_place_ops;
  t->source.is_aid = true;
  return TF_OK;
}

tf_err_t tf_text_source_join(tf_engine_t *e) {
  tf_text_source_t *t = e->texts;
  return t && t->texts ? tf_engine_add_source(e, &t->source, "texts") : TF_OK;
}

tf_err_t tf_text_source_open(tf_engine_t *e, tf_text_mode_t mode, tf_tap_t tap) {
  if (!is_wanted(e, TF_TEXTS_CLASSIFIER)) return TF_OK;
  tf_text_source_t *t = e->texts = calloc(1, sizeof *t);
  if (!t) return TF_ERR(E_CORE_NO_MEMORY, "texts");
  t->engine = e;
  t->tap    = tap;
  t->heard  = (tf_text_port_t){.take = hear};
  return mode == TF_TEXT_MODE_CAPTURED ? open_captured(t) : open_texts(t, mode);
}

const tf_text_port_t *tf_text_source_port(const tf_text_source_t *t) {
  if (!t) return NULL;
  return t->texts ? tf_texts_port(t->texts) : &t->heard;
}

tf_err_t tf_text_source_start(tf_text_source_t *t) {
  if (!t || !t->texts) return TF_OK;
  tf_err_t err = tf_texts_start(t->texts, t->engine->runner.acquire.bell);
  for (tf_texts_role_t role = 0; role < TF_TEXTS_ROLE_CNT && !err; role++)
    if (t->models[role] && t->source.ops == &live_ops)
      err = tf_text_models_start(t->models[role], t->texts);
  return err;
}

static void stop_models(const tf_text_source_t *t) {
  for (tf_texts_role_t role = 0; role < TF_TEXTS_ROLE_CNT; role++)
    if (t->models[role]) tf_text_models_stop(t->models[role]);
}

void tf_text_source_stop(tf_text_source_t *t) {
  if (!t || !t->texts) return;
  stop_models(t);
  tf_texts_stop(t->texts);
}

tf_text_models_t *tf_text_source_swappable(const tf_text_source_t *t, tf_texts_role_t role) {
  return t && t->models[role] && tf_text_models_config(t->engine, role)->registry ? t->models[role]
                                                                                  : NULL;
}

const char *tf_text_source_label(tf_text_source_t *t, uint32_t label) {
  const tf_texts_role_t role = TF_TEXTS_CLASSIFIER;
  if (!t || (!t->models[role] && tf_text_models_open(t->engine, role, &t->models[role]) != TF_OK))
    return NULL;
  const tf_text_model_t *model = tf_text_models_first(t->models[role]).model;
  return label < model->label_cnt ? model->labels[label] : NULL;
}

void tf_text_source_fini(tf_text_source_t *t) {
  if (!t) return;
  stop_models(t);
  tf_texts_fini(t->texts);
  for (tf_texts_role_t role = 0; role < TF_TEXTS_ROLE_CNT; role++)
    tf_text_models_fini(t->models[role]);
  free(t);
}

/* ---- figures ---- */

static uint64_t read_word(const uint64_t *word) {
  return tf_load_relaxed(word); /* relaxed: a count that stands alone */
}

static uint64_t missed(const tf_texts_counts_t *c) {
  uint64_t cnt = 0;
  for (uint32_t i = 0; i < TF_TEXT_MISS_CNT; i++) cnt += read_word(&c->missed[i]);
  return cnt;
}

int64_t tf_text_source_residual(const tf_text_source_t *t) {
  if (!t || !t->texts) return 0;
  const tf_texts_counts_t *c = tf_texts_counts(t->texts);
  int64_t off = (int64_t)(c->heard - c->answered - missed(c) - tf_texts_waiting(t->texts));
  return off < 0 ? -off : off;
}

json_t *tf_text_source_json(const tf_text_source_t *t, bool is_at_rest) {
  if (!t || !t->texts) return NULL;
  const tf_texts_counts_t *c      = tf_texts_counts(t->texts);
  const tf_hist_t         *h      = tf_texts_times(t->texts);
  json_t                  *misses = json_object();
  for (uint32_t i = 0; i < TF_TEXT_MISS_CNT; i++)
    if (read_word(&c->missed[i]))
      json_object_set_new(misses, miss_words[i],
                          json_integer((json_int_t)read_word(&c->missed[i])));
  json_t *root =
      json_pack("{sIsIsosIsIsIsI}", "heard", (json_int_t)read_word(&c->heard), "answered",
                (json_int_t)read_word(&c->answered), "missed", misses, "refused",
                (json_int_t)read_word(&c->refused), "late", (json_int_t)read_word(&c->late), "cut",
                (json_int_t)read_word(&c->cut), "tokens", (json_int_t)read_word(&c->tokens));
  for (tf_texts_role_t role = 0; role < TF_TEXTS_ROLE_CNT; role++)
    if (t->models[role])
      json_object_set_new(root, tf_text_models_role(role),
                          tf_text_models_describe(t->models[role]));
  if (is_at_rest && h->cnt > 0)
    json_object_set_new(root, "answer_ns",
                        json_pack("{sIsIsI}", "p50", (json_int_t)tf_hist_quantile(h, 0.5), "p99",
                                  (json_int_t)tf_hist_quantile(h, 0.99), "max",
                                  (json_int_t)h->max));
  return root;
}

void tf_text_source_publish(const tf_text_source_t *t, tf_publish_t *publish) {
  if (!t || !t->texts) return;
  const tf_texts_counts_t *c = tf_texts_counts(t->texts);
  tf_publish_process(publish, TF_METRIC_TEXTS_HEARD, read_word(&c->heard));
  tf_publish_process(publish, TF_METRIC_TEXTS_ANSWERED, read_word(&c->answered));
  for (uint32_t i = TF_TEXT_MISS_FULL; i < TF_TEXT_MISS_CNT; i++)
    tf_publish_process(publish, (tf_metric_t)(TF_METRIC_TEXTS_MISSED_FULL + i - TF_TEXT_MISS_FULL),
                       read_word(&c->missed[i]));
  tf_publish_process(publish, TF_METRIC_TEXTS_REFUSED, read_word(&c->refused));
  tf_publish_process(publish, TF_METRIC_TEXTS_LATE, read_word(&c->late));
  tf_publish_process(publish, TF_METRIC_TEXTS_CUT, read_word(&c->cut));
  tf_publish_process(publish, TF_METRIC_TEXTS_TOKENS, read_word(&c->tokens));
  for (tf_texts_role_t role = 0; role < TF_TEXTS_ROLE_CNT; role++) {
    uint64_t version = 0;
    uint32_t hash;
    if (t->models[role]) tf_text_models_serving(t->models[role], &version, &hash);
    tf_publish_process(publish, (tf_metric_t)(TF_METRIC_TEXTS_VERSION_CLASSIFIER + role), version);
  }
}
