#include "boot/sinks.h"

#include <string.h>
#include <unistd.h>

#include "boot/known_keys.h"
#include "boot/sink_choice.h"
#include "core/error.h"
#include "core/log.h"

static const char *const carries_names[TF_CARRIES_CNT] = {"decisions", "events", "quotes",
                                                          "features"};

static const char *const overflow_names[TF_OVERFLOW_CNT] = {
    "overrun", "block", "drop_newest", "drop_oldest", "conflate", "spill", "disconnect"};

TF_STATIC_ASSERT((int)TF_CONFIG_FORMAT_BINARY == (int)TF_FORMAT_BINARY &&
                     (int)TF_CONFIG_FORMAT_CBOR == (int)TF_FORMAT_CBOR,
                 "the config's formats are the sinks'");

const char *tf_sinks_policy_name(tf_overflow_t policy) { return overflow_names[policy]; }
const char *tf_sinks_carries_name(uint32_t carries) { return carries_names[carries]; }

static tf_overflow_t overflow_of(const tf_sink_t *sink, uint8_t policy) {
  return policy == TF_CONFIG_SINK_AUTO ? sink->policy : (tf_overflow_t)(policy - 1);
}

/* The config's, then the one that the command line asks for. */
static uint32_t sink_cnt(const tf_engine_t *e) {
  return e->config->sink_cnt + (e->options.decisions_path ? 1 : 0);
}

static tf_config_sink_t sink_at(const tf_engine_t *e, uint32_t i) {
  if (i < e->config->sink_cnt) return e->config->sinks[i];
  return (tf_config_sink_t){.type         = "journal",
                            .path         = e->options.decisions_path,
                            .policy       = TF_CONFIG_SINK_AUTO,
                            .actions      = TF_SINK_CHOICE_ACTIONS_ALL,
                            .partition    = -1,
                            .block_max_ns = TF_NS_PER_SEC};
}

static const tf_sink_t *type_of(const tf_engine_t *e, const char *type) {
  for (uint32_t i = 0; i < e->registry->sink_cnt; i++)
    if (!strcmp(e->registry->sinks[i]->name, type)) return e->registry->sinks[i];
  return NULL;
}

/* Without a name of its own it goes by its type, and from the second on by its number among these. */
static void name_sink(tf_engine_t *e, uint32_t i, const tf_config_sink_t *s) {
  uint32_t before = 0;
  for (uint32_t k = 0; k < i; k++) before += !strcmp(sink_at(e, k).type, s->type);
  if (s->name)
    snprintf(e->sink_names[i], sizeof e->sink_names[i], "%s", s->name);
  else if (before)
    snprintf(e->sink_names[i], sizeof e->sink_names[i], "%.20s%u", s->type, before + 1);
  else
    snprintf(e->sink_names[i], sizeof e->sink_names[i], "%s", s->type);
}

/* In a replay, and where events wait, block reaches the lane; else it never does. */
static uint64_t block_ns_max(const tf_engine_t *e, const tf_config_sink_t *s) {
  const tf_runner_t *r = &e->runner;
  if (tf_engine_waits(e)) return UINT64_MAX;
  for (uint32_t i = 0; i < r->thread_cnt; i++)
    if (r->threads[i].stages & TF_STAGE_LANE && r->threads[i].stages & TF_STAGE_EMIT) return 0;
  return s->block_max_ns;
}

static tf_sink_config_t config_of(tf_engine_t *e, uint32_t i, const tf_sink_t *sink,
                                  const tf_config_sink_t *s) {
  name_sink(e, i, s);
  for (uint32_t k = 0; k < e->config->strategy_cnt && k < TF_STRATEGIES_MAX; k++)
    e->strategy_names[k] = e->config->strategies[k].name;
  return (tf_sink_config_t){
      .type            = s->type,
      .name            = e->sink_names[i],
      .shape           = tf_record_shape((tf_carries_t)s->carries, e->plan.listed_cnt),
      .format          = (tf_sink_format_t)s->format,
      .policy          = overflow_of(sink, s->policy),
      .path            = s->path ? e->sink_paths[i] : NULL,
      .slot_cnt        = s->slots,
      .durable         = s->durable,
      .key_file        = s->key_file,
      .epoch           = e->epoch,
      .is_fenced       = e->options.epoch != 0,
      .is_replay       = e->options.is_replay,
      .is_filtered     = tf_sink_choice_is_filtered(s),
      .partition_cnt   = s->partition_cnt,
      .ranks           = tf_sink_choice_has_low(e, s) ? &e->sink_ranks[i] : NULL,
      .instruments     = &e->instruments,
      .labels          = &e->labels,
      .strategy_cnt    = e->config->strategy_cnt,
      .strategies      = e->strategy_names,
      .url             = s->url,
      .stream          = s->stream,
      .stream_create   = s->stream_create,
      .stream_keep     = s->stream_keep,
      .spool           = s->spool,
      .spool_bytes_max = s->spool_max_bytes,
      .block_ns_max    = block_ns_max(e, s),
      .max_age_ns      = s->max_age_ns,
      .drain_ns_max    = s->drain_ns,
      .batch_max       = s->batch,
      .linger_ns       = s->linger_ns,
      .user            = s->user,
      .password_file   = s->password_file,
      .token_file      = s->token_file,
      .sign_file       = s->sign_file,
      .ca_file         = s->ca_file,
      .cert_file       = s->cert_file,
      .tls_key_file    = s->tls_key_file,
      .clients_max     = s->clients,
      .client_slots    = s->client_slots,
      .history         = s->history,
      .url_b           = s->url_b,
      .interface       = s->interface,
      .ttl             = s->ttl,
  };
}

size_t tf_sinks_bytes(tf_engine_t *e) {
  size_t bytes = 0;
  for (uint32_t i = 0; i < sink_cnt(e) && i < TF_SINKS_MAX; i++) {
    tf_config_sink_t s    = sink_at(e, i);
    const tf_sink_t *sink = type_of(e, s.type);
    if (!sink) continue;
    tf_sink_config_t config = config_of(e, i, sink, &s);
    bytes += sink->state_bytes(&config) + TF_LINE_PAIR_BYTES + tf_sink_choice_bytes(e, &s);
  }
  return bytes;
}

/* ---- checks ---- */

static tf_err_t check_keys(const tf_engine_t *e, uint32_t i, const tf_sink_t *sink) {
  char        prefix[24], what[48], where[256], text[TF_ERROR_TEXT_BYTES];
  const char *path;
  if (!sink->keys) return TF_OK;
  snprintf(prefix, sizeof prefix, "sinks[%u].", i);
  snprintf(what, sizeof what, "a %s sink", sink->name);
  tf_err_t err = tf_known_keys_check(e->config, prefix, what, TF_SINK_KEYS, sink->keys, &path);
  if (!err) return TF_OK;
  snprintf(text, sizeof text, "%s", tf_error_text());
  return TF_ERR(err, "%s: %s", tf_config_where(e->config, path, where, sizeof where), text);
}

static tf_err_t check_policy(const tf_engine_t *e, uint32_t i, const tf_sink_t *sink,
                             uint8_t policy) {
  if (sink->policies & TF_OVERFLOW_BIT(overflow_of(sink, policy))) return TF_OK;
  char path[64], where[256], allowed[128] = "";
  for (uint32_t p = 0, at = 0; p < TF_OVERFLOW_CNT; p++)
    if (sink->policies & TF_OVERFLOW_BIT(p))
      at += (uint32_t)snprintf(allowed + at, sizeof allowed - at, "%s%s", at ? ", " : "",
                               overflow_names[p]);
  snprintf(path, sizeof path, "sinks[%u].policy", i);
  return TF_ERR(E_CONFIG_VALUE, "%s: sink %s: its policy is %s; allowed: %s",
                tf_config_where(e->config, path, where, sizeof where), sink->name,
                overflow_names[overflow_of(sink, policy)], allowed);
}

static tf_err_t check_carries(const tf_engine_t *e, uint32_t i, const tf_sink_t *sink,
                              const tf_config_sink_t *s) {
  char     path[64], where[256], allowed[64] = "";
  uint32_t value_cnt = e->plan.listed_cnt;
  snprintf(path, sizeof path, "sinks[%u].carries", i);
  tf_config_where(e->config, path, where, sizeof where);
  for (uint32_t k = 0, at = 0; k < TF_CARRIES_CNT; k++)
    if (sink->carries >> k & 1)
      at += (uint32_t)snprintf(allowed + at, sizeof allowed - at, "%s%s", at ? ", " : "",
                               carries_names[k]);
  if (!(sink->carries >> s->carries & 1))
    return TF_ERR(E_CONFIG_VALUE, "%s: found %s; what a %s sink writes has room for %s alone",
                  where, carries_names[s->carries], sink->name, allowed);
  if (s->carries != TF_CARRIES_FEATURES) return TF_OK;
  if (value_cnt == 0)
    return TF_ERR(E_CONFIG_CONFLICT, "%s: found features; the config lists none", where);
  if (value_cnt > TF_FEATURE_RECORD_VALUES_MAX)
    return TF_ERR(E_CONFIG_CONFLICT,
                  "%s: found features; the config lists %u, a row carries %d at most", where,
                  value_cnt, TF_FEATURE_RECORD_VALUES_MAX);
  return TF_OK;
}

static tf_err_t check_spool(const tf_engine_t *e, uint32_t i, const tf_sink_t *sink,
                            const tf_config_sink_t *s) {
  bool spills = overflow_of(sink, s->policy) == TF_OVERFLOW_SPILL;
  char path[64], where[256];
  if (spills == (s->spool != NULL)) return TF_OK;
  snprintf(path, sizeof path, "sinks[%u].%s", i, spills ? "policy" : "spool");
  return TF_ERR(E_CONFIG_CONFLICT, "%s: %s", tf_config_where(e->config, path, where, sizeof where),
                spills ? "policy spill wants `spool:`, the path that its files begin with"
                       : "a spool is written with `policy: spill` alone");
}

/* Names are labels of metrics and the thread's: each one's own. */
static tf_err_t check_name(tf_engine_t *e, uint32_t i) {
  char path[64], where[256];
  for (uint32_t k = 0; k < i; k++) {
    if (strcmp(e->sink_names[k], e->sink_names[i]) != 0) continue;
    snprintf(path, sizeof path, "sinks[%u].name", i);
    return TF_ERR(E_CONFIG_CONFLICT, "%s: sinks[%u] goes by the name \"%s\" already",
                  tf_config_where(e->config, path, where, sizeof where), k, e->sink_names[i]);
  }
  return TF_OK;
}

/* ---- opening ---- */

static tf_err_t open_sink(tf_engine_t *e, uint32_t i, const tf_sink_t *sink,
                          const tf_config_sink_t *s) {
  tf_emit_t       *emit   = &e->runner.emit;
  tf_sink_config_t config = config_of(e, i, sink, s);
  char            *path   = e->sink_paths[i];
  snprintf(path, sizeof e->sink_paths[0], "%s", s->path ? s->path : "");
  void *state = tf_arena_take(&e->arena, sink->state_bytes(&config), TF_LINE_PAIR_BYTES);
  if (!state) return E_CORE_ARENA_FULL;
  tf_err_t err = tf_sink_choice_make(e, i, s);
  if (err) return err;
  err = tf_emit_add(emit, sink, state, config.policy, &config);
  if (err == E_FILE_BUSY && e->options.is_replay && !strcmp(s->type, "shm")) {
    /* A replay is no service that readers wait for: beside a running one it takes another name. */
    snprintf(path, sizeof e->sink_paths[0], "%.100s-%d", s->path, (int)getpid());
    tf_log(TF_LOG_NOTICE, "shm_name_busy", "wanted=%s using=%s", s->path, path);
    err = tf_emit_add(emit, sink, state, config.policy, &config);
  }
  if (err) return err;
  if (config.is_filtered) emit->sinks[emit->sink_cnt - 1].filter = &e->sink_filters[i];
  char label[TF_METRICS_NAME_BYTES];
  if (s->name || !s->path)
    snprintf(label, sizeof label, "%s", e->sink_names[i]);
  else
    snprintf(label, sizeof label, "%s:%.20s", s->type, path);
  return tf_publish_add_sink(&e->publish, emit->sink_cnt - 1, label);
}

tf_err_t tf_sinks_add(tf_engine_t *e) {
  char path[64], where[256];
  snprintf(path, sizeof path, "sinks[%u]", TF_SINKS_MAX);
  if (sink_cnt(e) > TF_SINKS_MAX)
    return TF_ERR(E_CONFIG_VALUE, "%s: %u sinks%s; at most %d",
                  tf_config_where(e->config, path, where, sizeof where), sink_cnt(e),
                  e->options.decisions_path ? ", the journal of --decisions among them" : "",
                  TF_SINKS_MAX);
  for (uint32_t i = 0; i < sink_cnt(e); i++) {
    tf_config_sink_t s    = sink_at(e, i);
    const tf_sink_t *sink = type_of(e, s.type);
    if (!sink)
      return TF_ERR(E_CONFIG_VALUE, "%s: no sink is of type \"%s\"", e->config->path, s.type);
    name_sink(e, i, &s);
    tf_err_t err = TF_OK;
    if (i < e->config->sink_cnt) err = check_keys(e, i, sink);
    if (!err) err = check_carries(e, i, sink, &s);
    if (!err) err = tf_sink_choice_check(e, i, &s, overflow_of(sink, s.policy));
    if (!err) err = check_policy(e, i, sink, s.policy);
    if (!err) err = check_spool(e, i, sink, &s);
    if (!err) err = check_name(e, i);
    if (!err && !e->options.is_check) err = open_sink(e, i, sink, &s);
    if (err) return err;
  }
  return TF_OK;
}

bool tf_sinks_carry(const tf_engine_t *e, tf_carries_t carries) {
  for (uint32_t i = 0; i < e->config->sink_cnt; i++)
    if (e->config->sinks[i].carries == carries) return true;
  return false;
}

uint64_t tf_sinks_last_seq(const tf_engine_t *e, tf_carries_t carries) {
  const tf_emit_t *emit = &e->runner.emit;
  uint64_t         last = 0;
  for (uint32_t i = 0; i < emit->sink_cnt; i++) {
    const tf_emit_sink_t *s   = &emit->sinks[i];
    bool                  has = s->sink->last_seq && s->shape.carries == carries;
    uint64_t              seq = has ? s->sink->last_seq(s->state) : 0;
    if (seq > last) last = seq;
  }
  return last;
}
