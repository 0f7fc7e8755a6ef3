#include "boot/serving.h"

#include <string.h>

#include "boot/chain.h"
#include "boot/feature_schema.h"
#include "boot/runtimes.h"
#include "boot/snapshot.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/isa.h"
#include "core/log.h"
#include "serve/ensemble.h"
#include "serve/models_dir.h"

TF_STATIC_ASSERT((int)TF_OVERRUN_FALLBACK == (int)TF_CONFIG_OVERRUN_FALLBACK &&
                     (int)TF_OVERRUN_LAST == (int)TF_CONFIG_OVERRUN_LAST,
                 "the config's overrun words are the compute stage's");
TF_STATIC_ASSERT((int)TF_PRECISION_INT8 - TF_PRECISION_FP32 ==
                         (int)TF_CONFIG_PRECISION_INT8 - TF_CONFIG_PRECISION_FP32 &&
                     TF_CONFIG_PRECISION_INT8 == TF_CONFIG_PRECISION_FP32 + TF_PRECISION_CNT - 1 &&
                     (int)TF_PRECISION_FP16 == TF_CONFIG_PRECISION_FP16 - TF_CONFIG_PRECISION_FP32,
                 "the config's precisions are the models', behind auto");
TF_STATIC_ASSERT((int)TF_CROSSING_SORT == (int)TF_CONFIG_CROSSING_SORT &&
                     (int)TF_CROSSING_REFUSE == (int)TF_CONFIG_CROSSING_REFUSE,
                 "the config's quantiles words are the serving's");

TF_STATIC_ASSERT((int)TF_PRIORITY_LOW == (int)TF_CONFIG_PRIORITY_LOW &&
                     (int)TF_PRIORITY_HIGH == (int)TF_CONFIG_PRIORITY_HIGH,
                 "the config's priority words are the compute stage's");
TF_STATIC_ASSERT((int)TF_COMBINE_WEIGHTED == (int)TF_CONFIG_COMBINE_WEIGHTED &&
                     (int)TF_COMBINE_VOTE == (int)TF_CONFIG_COMBINE_VOTE,
                 "the config's combine words are the ensemble's");

/* How the config wants a model; what it may say but this build cannot do is refused, never passed
 * over. */
tf_err_t tf_serving_options(const tf_config_t *c, uint32_t i, tf_model_options_t *options) {
  const tf_config_model_t *m = &c->models[i];
  char                     path[64], where[256];
  *options = (tf_model_options_t){.error_max = (double)m->error_max_ppm * 1e-6,
                                  .precision = TF_PRECISION_AUTO,
                                  .lanes     = m->lanes};
  if (m->precision != TF_CONFIG_PRECISION_AUTO)
    options->precision = (tf_precision_t)(m->precision - TF_CONFIG_PRECISION_FP32);
  options->isa_forced = m->isa != TF_CONFIG_ISA_AUTO;
  if (!options->isa_forced) return TF_OK;
  options->isa = (tf_isa_t)(m->isa - TF_CONFIG_ISA_SCALAR);
  if (tf_isa_supported(options->isa)) return TF_OK;
  snprintf(path, sizeof path, "models[%u].isa", i);
  return TF_ERR(E_CONFIG_VALUE, "%s: this machine has no %s, its best is %s",
                tf_config_where(c, path, where, sizeof where), tf_isa_name(options->isa),
                tf_isa_name(tf_isa_best()));
}

/* The version that served when the snapshot was taken, which the config's choice gives way to, but for a pin. False: there is
 * none, or it is not to be had any more as it was. */
static bool load_served(const tf_engine_t *e, uint32_t i, const tf_model_options_t *options,
                        tf_model_t **model, uint32_t *number) {
  const tf_config_model_t   *want = &e->config->models[i];
  const tf_snapshot_model_t *was =
      tf_snapshot_find_model(e->options.snapshot, e->options.snapshot_bytes, want->name);
  char path[TF_MODELS_DIR_PATH_BYTES];
  if (!was || want->sha256 || was->version == 0 || was->version > TF_MODELS_DIR_VERSION_MAX)
    return false;
  tf_models_dir_path(want->registry, want->name, (uint32_t)was->version, path);
  tf_err_t err = e->registry->models->load(path, options, model);
  if (!err) err = tf_models_dir_check_pin(path, (*model)->sha256_hex, NULL);
  if (!err && (*model)->hash != was->hash)
    err = TF_ERR(E_MODEL_PIN, "%s is not the file that it was: hash %08x, then %08x", path,
                 (*model)->hash, was->hash);
  *number = (uint32_t)was->version;
  if (!err) return true;
  tf_log(TF_LOG_WARN, "model_not_resumed", "model=%s version=%u code=%s text=\"%s\"", want->name,
         *number, tf_error_name(err), tf_error_text());
  e->registry->models->unload(*model);
  *model = NULL;
  return false;
}

tf_err_t tf_serving_load(tf_engine_t *e, uint32_t i, tf_model_t **model, uint32_t *number) {
  const tf_config_model_t *want = &e->config->models[i];
  char                     path[TF_MODELS_DIR_PATH_BYTES];
  tf_model_options_t       options;
  *number = 0;
  if (tf_runtimes_answers(want)) return tf_runtimes_load(e, i, model);
  tf_err_t err          = tf_serving_options(e->config, i, &options);
  bool     is_versioned = tf_config_model_is_swappable(want);
  if (!err && is_versioned && load_served(e, i, &options, model, number)) {
    snprintf((*model)->name, sizeof(*model)->name, "%s", want->name);
    return TF_OK;
  }
  if (!err && is_versioned)
    err = tf_models_dir_find(want->registry, want->name, want->version, number);
  if (err) return err;
  if (is_versioned)
    tf_models_dir_path(want->registry, want->name, *number, path);
  else
    snprintf(path, sizeof path, "%s", want->file);
  err = e->registry->models->load(path, &options, model);
  if (!err) err = tf_models_dir_check_pin(path, (*model)->sha256_hex, want->sha256);
  if (err) {
    e->registry->models->unload(*model);
    *model = NULL;
    return err;
  }
  snprintf((*model)->name, sizeof(*model)->name, "%s", want->name);
  return TF_OK;
}

/* Members may be ensembles themselves, so they are made in the order of answering. */
tf_err_t tf_serving_make_ensembles(tf_engine_t *e) {
  const tf_config_t *c = e->config;
  uint32_t           order[TF_ARRAY_CNT(c->models)], stuck;
  (void)tf_chain_order(c, NULL, order, NULL, &stuck); /* there are no circles: config_check.c */
  for (uint32_t i = 0; i < c->model_cnt; i++) {
    const tf_config_model_t *want = &c->models[order[i]];
    const tf_model_t        *members[TF_ENSEMBLE_MEMBERS_MAX];
    for (uint32_t k = 0; k < want->ensemble.item_cnt; k++)
      members[k] = e->models[tf_chain_find(c, want->ensemble.items[k])];
    if (want->ensemble.item_cnt == 0) continue;
    tf_ensemble_spec_t spec = {.name       = want->name,
                               .members    = members,
                               .member_cnt = want->ensemble.item_cnt,
                               .combine    = (tf_combine_t)want->combine,
                               .weights    = want->weights.items};
    tf_err_t           err  = tf_ensemble_new(&spec, &e->models[order[i]]);
    if (err) return tf_error_add(err, "%s", c->path);
  }
  return TF_OK;
}

void tf_serving_unload(tf_engine_t *e, uint32_t i) {
  if (e->config->models[i].ensemble.item_cnt > 0)
    tf_ensemble_delete(e->models[i]);
  else if (!tf_runtimes_answers(&e->config->models[i])) /* those are tf_runtimes_fini's */
    e->registry->models->unload(e->models[i]);
}

static tf_err_t check_features(const tf_model_t *old, const tf_model_t *made) {
  if (made->input_cnt != old->input_cnt)
    return TF_ERR(E_MODEL_SCHEMA, "it reads %u features, the lane's rows of it have %u",
                  made->input_cnt, old->input_cnt);
  for (uint32_t i = 0; i < old->input_cnt; i++)
    if (strcmp(made->features[i], old->features[i]) != 0)
      return TF_ERR(E_MODEL_SCHEMA,
                    "its feature %u is \"%s\", that of the version that serves \"%s\"", i,
                    made->features[i], old->features[i]);
  return TF_OK;
}

tf_err_t tf_serving_check_fit(const tf_engine_t *e, const tf_compute_model_t *m,
                              const tf_model_t *old, const tf_model_t *made) {
  const tf_lane_t *lane = &e->runner.lane;
  tf_err_t         err  = check_features(old, made);
  if (!err && made->schema)
    err = tf_feature_schema_check(made->schema, lane->compute.plan, m->feature_idx, made->input_cnt,
                                  lane->buffer.bars, lane->buffer.bar_cnt);
  if (err) return err;
  if (made->output_cnt != old->output_cnt)
    return TF_ERR(E_MODEL_SHAPE, "it has %u outputs, the version that serves %u", made->output_cnt,
                  old->output_cnt);
  uint32_t rows = made->window ? made->window : 1, kept = old->window ? old->window : 1;
  if (rows == kept) return TF_OK;
  return TF_ERR(E_MODEL_SHAPE, "it is over %u rows, the version that serves over %u", rows, kept);
}

/* Of each instrument: for a pause, or for ticks that its worker did not answer. */
static bool keeps_last(const tf_config_model_t *m) {
  return m->overrun == TF_CONFIG_OVERRUN_LAST ||
         (!tf_config_model_is_foreign(m) &&
          tf_config_model_no_answer(m) == TF_CONFIG_NO_ANSWER_LAST);
}

size_t tf_serving_bytes(const tf_engine_t *e) {
  uint32_t cap   = e->instruments.cap;
  size_t   fleet = tf_fleet_bytes(cap) + sizeof(tf_fleet_t) + sizeof(tf_compute_values_t) +
                 3 * TF_LINE_PAIR_BYTES;
  size_t bytes = 0;
  for (uint32_t i = 0; i < e->model_cnt; i++) {
    bytes += fleet; /* which rules read one is known only later */
    if (keeps_last(&e->config->models[i])) bytes += cap * sizeof(tf_answer_t) + TF_LINE_PAIR_BYTES;
  }
  return bytes;
}

static void set_bounds(const tf_config_range_t *range, float *min, float *max) {
  if (!range->is_set) return;
  *min = (float)range->min;
  *max = (float)range->max;
}

/* Is it there for other models alone, its outputs a row of theirs and not steps ahead? */
static bool is_vector(const tf_engine_t *e, uint32_t i) {
  const tf_config_t  *c       = e->config;
  const tf_compute_t *compute = &e->runner.lane.compute;
  bool                is_read = false;
  char                path[64];
  snprintf(path, sizeof path, "models[%u].horizon", i);
  const tf_config_value_t *said = tf_config_value_at(c, path);
  if (said && tf_config_origin_of(said) != TF_CONFIG_ORIGIN_DEFAULT) return false;
  for (uint32_t s = 0; s < c->strategy_cnt; s++)
    if (c->strategies[s].model && !strcmp(c->strategies[s].model, c->models[i].name)) return false;
  for (uint32_t k = 0; k < compute->model_cnt; k++)
    for (uint32_t l = 0; l < compute->models[k].link_cnt; l++) {
      if (compute->models[k].links[l].source != &compute->models[i]) continue;
      if (compute->models[k].is_ensemble) return false;
      is_read = true;
    }
  return is_read;
}

static tf_err_t set_post(const tf_engine_t *e, uint32_t i, tf_compute_model_t *m) {
  const tf_config_t       *c       = e->config;
  const tf_config_model_t *want    = &c->models[i];
  uint32_t                 outputs = m->active->model->output_cnt;
  char                     path[64], where[256];
  bool                     is_row = is_vector(e, i);
  if (!is_row && outputs != want->horizon && outputs != 3 * want->horizon) {
    snprintf(path, sizeof path, "models[%u].horizon", i);
    return TF_ERR(E_MODEL_SHAPE,
                  "%s: found %u; %s has %u outputs, but %u (scores) or %u (p10, p50, p90) go with "
                  "%u step%s",
                  tf_config_where(c, path, where, sizeof where), want->horizon, want->name, outputs,
                  want->horizon, 3 * want->horizon, want->horizon, want->horizon == 1 ? "" : "s");
  }
  m->post          = tf_post_plain(outputs, is_row ? outputs : want->horizon);
  m->post.step_idx = want->step - 1;
  m->post.crossing = (tf_crossing_t)want->quantiles;
  set_bounds(&want->valid, &m->post.valid_min, &m->post.valid_max);
  set_bounds(&want->clamp, &m->post.clamp_min, &m->post.clamp_max);
  set_bounds(&want->alert, &m->post.alert_min, &m->post.alert_max);
  return TF_OK;
}

static void set_priority(const tf_engine_t *e, uint32_t i, tf_compute_model_t *m) {
  m->priority = (tf_priority_t)e->config->models[i].priority;
  m->cost_ns  = tf_config_model_is_remote(&e->config->models[i])
                    ? tf_config_model_deadline_ns(&e->config->models[i])
                    : e->config->models[i].budget_ns;
}

static tf_err_t set_overrun(tf_engine_t *e, uint32_t i, tf_compute_model_t *m) {
  const tf_config_model_t *want = &e->config->models[i];
  m->budget_ticks               = tf_clock_ns_to_ticks(want->budget_ns);
  m->overrun                    = (tf_overrun_t)want->overrun;
  m->late_limit                 = want->overrun_limit;
  m->pause_ns                   = want->overrun_pause_ns;
  for (uint32_t k = 0; k < i && want->fallback; k++)
    if (!strcmp(e->config->models[k].name, want->fallback)) m->fallback_idx = k;
  if (!keeps_last(want)) return TF_OK;
  uint32_t cap = e->instruments.cap;
  m->lasts     = tf_arena_take(&e->arena, cap * sizeof *m->lasts, TF_LINE_BYTES);
  if (!m->lasts) return E_CORE_ARENA_FULL;
  for (uint32_t k = 0; k < cap; k++) m->lasts[k] = (tf_answer_t){.score = __builtin_nanf("")};
  return TF_OK;
}

/* Does the rule load one of these slots? */
static bool reads(const tf_rule_t *rule, uint32_t first, uint32_t last) {
  for (uint32_t s = 0; s < rule->step_cnt; s++) {
    const tf_rule_step_t *step = &rule->steps[s];
    if (step->op == TF_RULE_LOAD && step->slot_idx >= first && step->slot_idx <= last) return true;
  }
  return false;
}

/* The first strategy of the model that has such a rule; -1: none. */
static int find_reader(const tf_decide_t *decide, uint32_t model_idx, uint32_t first,
                       uint32_t last) {
  for (uint32_t i = 0; i < decide->strategy_cnt; i++) {
    const tf_policy_config_t *c = &decide->strategies[i].config;
    const tf_rule_t *rules[]    = {&c->buy, &c->sell, &c->flat, &c->buy_until, &c->sell_until};
    if (decide->strategies[i].model_idx != model_idx) continue;
    for (size_t r = 0; r < TF_ARRAY_CNT(rules); r++)
      if (reads(rules[r], first, last)) return (int)i;
  }
  return -1;
}

static tf_err_t set_fleet(tf_engine_t *e, uint32_t i, tf_compute_model_t *m) {
  const tf_config_range_t *breadth = &e->config->models[i].breadth;
  uint32_t                 cap     = e->instruments.cap;
  m->fleet                         = tf_arena_take(&e->arena, sizeof *m->fleet, TF_LINE_PAIR_BYTES);
  void *nodes = tf_arena_take(&e->arena, tf_fleet_bytes(cap), TF_LINE_PAIR_BYTES);
  if (!m->fleet || !nodes) return E_CORE_ARENA_FULL;
  tf_fleet_init(m->fleet, nodes, cap, breadth->min, breadth->max);
  m->fleet->max_age_ns = e->config->models[i].fleet_max_age_ns;
  memcpy(m->values->fleet, m->fleet->figures, sizeof m->values->fleet);
  return TF_OK;
}

static tf_err_t set_values(tf_engine_t *e, uint32_t i, tf_compute_model_t *m) {
  const tf_decide_t *decide = &e->runner.lane.decide;
  const double       nan    = __builtin_nan("");
  int  differ = find_reader(decide, i, TF_RULE_SLOT_DISAGREEMENT, TF_RULE_SLOT_DISAGREEMENT);
  int  fleet  = find_reader(decide, i, TF_RULE_SLOT_FLEET_MEAN, TF_RULE_SLOT_FLEET_P90_BREADTH);
  char path[64], where[256];
  if (differ >= 0 && !m->is_ensemble) {
    snprintf(path, sizeof path, "strategies[%d].model", differ);
    return TF_ERR(E_CONFIG_VALUE,
                  "%s: a rule reads disagreement, which is of an ensemble; %s is a model by itself",
                  tf_config_where(e->config, path, where, sizeof where), e->config->models[i].name);
  }
  if (differ < 0 && fleet < 0) return TF_OK;
  m->values = tf_arena_take(&e->arena, sizeof *m->values, TF_LINE_BYTES);
  if (!m->values) return E_CORE_ARENA_FULL;
  *m->values = (tf_compute_values_t){
      .fleet = {{nan, nan, nan}, {nan, nan, nan}},
        .disagreement = nan
  };
  return fleet >= 0 ? set_fleet(e, i, m) : TF_OK;
}

tf_err_t tf_serving_init(tf_engine_t *e) {
  tf_compute_t *compute         = &e->runner.lane.compute;
  tf_err_t      err             = TF_OK;
  compute->load.burst_budget_ns = e->config->engine.burst_budget_ns;
  e->runner.lane.low            = e->config->engine.low_instruments.items;
  e->runner.lane.low_cnt        = e->config->engine.low_instruments.item_cnt;
  for (uint32_t i = 0; i < compute->model_cnt && !err; i++) {
    tf_compute_model_t *m = &compute->models[i];
    err                   = set_post(e, i, m);
    if (!err) err = set_overrun(e, i, m);
    set_priority(e, i, m);
    if (!err) err = set_values(e, i, m);
    if (!err) err = tf_publish_add_model(&e->publish, i, m->active->model->name);
  }
  return err;
}

bool tf_serving_wants_control(const tf_config_t *c) {
  for (uint32_t i = 0; i < c->model_cnt; i++)
    if (c->models[i].overrun != TF_CONFIG_OVERRUN_COUNT || c->models[i].registry) return true;
  return false;
}
