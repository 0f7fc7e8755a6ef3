#include "boot/serving.h"

#include <string.h>

#include "boot/runtimes.h"
#include "core/clock.h"
#include "core/error.h"
#include "serve/models_dir.h"

TF_STATIC_ASSERT((int)TF_OVERRUN_FALLBACK == (int)TF_CONFIG_OVERRUN_FALLBACK &&
                     (int)TF_OVERRUN_LAST == (int)TF_CONFIG_OVERRUN_LAST,
                 "the config's overrun words are the compute stage's");
TF_STATIC_ASSERT((int)TF_CROSSING_SORT == (int)TF_CONFIG_CROSSING_SORT &&
                     (int)TF_CROSSING_REFUSE == (int)TF_CONFIG_CROSSING_REFUSE,
                 "the config's quantiles words are the serving's");

/* How the config wants a model; what it may say but this build cannot do is refused, never passed
 * over. A model file holds fp32, which is what auto takes. */
tf_err_t tf_serving_options(const tf_config_t *c, uint32_t i, tf_model_options_t *options) {
  char path[64], where[256];
  *options = (tf_model_options_t){.error_max = (double)c->models[i].error_max_ppm * 1e-6};
  switch (c->models[i].precision) {
  case TF_CONFIG_PRECISION_BF16: options->precision = TF_PRECISION_BF16; break;
  case TF_CONFIG_PRECISION_INT8: options->precision = TF_PRECISION_INT8; break;
  case TF_CONFIG_PRECISION_FP16:
    snprintf(path, sizeof path, "models[%u].precision", i);
    return TF_ERR(
        E_CONFIG_VALUE,
        "%s: found fp16, which the cpu backend has no kernels for: allowed are auto, fp32, "
        "bf16, int8",
        tf_config_where(c, path, where, sizeof where));
  default: options->precision = TF_PRECISION_FP32; break;
  }
  return TF_OK;
}

tf_err_t tf_serving_load(tf_engine_t *e, uint32_t i, tf_model_t **model, uint32_t *number) {
  const tf_config_model_t *want = &e->config->models[i];
  char                     path[TF_MODELS_DIR_PATH_BYTES];
  tf_model_options_t       options;
  *number = 0;
  if (tf_runtimes_answers(want)) return tf_runtimes_load(e, i, model);
  tf_err_t err = tf_serving_options(e->config, i, &options);
  if (!err && want->registry)
    err = tf_models_dir_find(want->registry, want->name, want->version, number);
  if (err) return err;
  if (want->registry)
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

size_t tf_serving_bytes(const tf_engine_t *e) {
  uint32_t cap   = e->instruments.cap;
  size_t   fleet = tf_fleet_bytes(cap) + sizeof(tf_fleet_t) + 2 * TF_LINE_PAIR_BYTES;
  size_t   bytes = 0;
  for (uint32_t i = 0; i < e->model_cnt; i++) {
    bytes += fleet; /* which rules read one is known only later */
    if (e->config->models[i].overrun == TF_CONFIG_OVERRUN_LAST)
      bytes += cap * sizeof(tf_answer_t) + TF_LINE_PAIR_BYTES;
  }
  return bytes;
}

static void set_bounds(const tf_config_range_t *range, float *min, float *max) {
  if (!range->is_set) return;
  *min = (float)range->min;
  *max = (float)range->max;
}

static tf_err_t set_post(const tf_config_t *c, uint32_t i, tf_compute_model_t *m) {
  const tf_config_model_t *want    = &c->models[i];
  uint32_t                 outputs = m->active->model->output_cnt;
  char                     path[64], where[256];
  if (outputs != want->horizon && outputs != 3 * want->horizon) {
    snprintf(path, sizeof path, "models[%u].horizon", i);
    return TF_ERR(E_MODEL_SHAPE,
                  "%s: found %u; %s has %u outputs, but %u (scores) or %u (p10, p50, p90) go with "
                  "%u step%s",
                  tf_config_where(c, path, where, sizeof where), want->horizon, want->name, outputs,
                  want->horizon, 3 * want->horizon, want->horizon, want->horizon == 1 ? "" : "s");
  }
  m->post          = tf_post_plain(outputs, want->horizon);
  m->post.step_idx = want->step - 1;
  m->post.crossing = (tf_crossing_t)want->quantiles;
  set_bounds(&want->valid, &m->post.valid_min, &m->post.valid_max);
  set_bounds(&want->clamp, &m->post.clamp_min, &m->post.clamp_max);
  set_bounds(&want->alert, &m->post.alert_min, &m->post.alert_max);
  return TF_OK;
}

static tf_err_t set_overrun(tf_engine_t *e, uint32_t i, tf_compute_model_t *m) {
  const tf_config_model_t *want = &e->config->models[i];
  m->budget_ticks               = tf_clock_ns_to_ticks(want->budget_ns);
  m->overrun                    = (tf_overrun_t)want->overrun;
  m->late_limit                 = want->overrun_limit;
  m->pause_ns                   = want->overrun_pause_ns;
  for (uint32_t k = 0; k < i && want->fallback; k++)
    if (!strcmp(e->config->models[k].name, want->fallback)) m->fallback_idx = k;
  if (m->overrun != TF_OVERRUN_LAST) return TF_OK;
  uint32_t cap = e->instruments.cap;
  m->lasts     = tf_arena_take(&e->arena, cap * sizeof *m->lasts, TF_LINE_BYTES);
  if (!m->lasts) return E_CORE_ARENA_FULL;
  for (uint32_t k = 0; k < cap; k++) m->lasts[k] = (tf_answer_t){.score = __builtin_nanf("")};
  return TF_OK;
}

static bool reads_fleet(const tf_rule_t *rule) {
  for (uint32_t s = 0; s < rule->step_cnt; s++) {
    const tf_rule_step_t *step = &rule->steps[s];
    if (step->op == TF_RULE_LOAD && step->slot_idx >= TF_RULE_SLOT_FLEET_MEAN &&
        step->slot_idx < TF_RULE_SLOT_FEATURES)
      return true;
  }
  return false;
}

static bool wants_fleet(const tf_decide_t *decide, uint32_t model_idx) {
  for (uint32_t i = 0; i < decide->strategy_cnt; i++) {
    const tf_policy_config_t *c = &decide->strategies[i].config;
    const tf_rule_t *rules[]    = {&c->buy, &c->sell, &c->flat, &c->buy_until, &c->sell_until};
    if (decide->strategies[i].model_idx != model_idx) continue;
    for (size_t r = 0; r < TF_ARRAY_CNT(rules); r++)
      if (reads_fleet(rules[r])) return true;
  }
  return false;
}

static tf_err_t set_fleet(tf_engine_t *e, uint32_t i, tf_compute_model_t *m) {
  if (!wants_fleet(&e->runner.lane.decide, i)) return TF_OK;
  const tf_config_range_t *breadth = &e->config->models[i].breadth;
  uint32_t                 cap     = e->instruments.cap;
  m->fleet                         = tf_arena_take(&e->arena, sizeof *m->fleet, TF_LINE_PAIR_BYTES);
  void *nodes = tf_arena_take(&e->arena, tf_fleet_bytes(cap), TF_LINE_PAIR_BYTES);
  if (!m->fleet || !nodes) return E_CORE_ARENA_FULL;
  tf_fleet_init(m->fleet, nodes, cap, breadth->min, breadth->max);
  return TF_OK;
}

tf_err_t tf_serving_init(tf_engine_t *e) {
  tf_compute_t *compute = &e->runner.lane.compute;
  tf_err_t      err     = TF_OK;
  for (uint32_t i = 0; i < compute->model_cnt && !err; i++) {
    tf_compute_model_t *m = &compute->models[i];
    err                   = set_post(e->config, i, m);
    if (!err) err = set_overrun(e, i, m);
    if (!err) err = set_fleet(e, i, m);
    if (!err) err = tf_publish_add_model(&e->publish, i, m->active->model->name);
  }
  return err;
}

bool tf_serving_wants_control(const tf_config_t *c) {
  for (uint32_t i = 0; i < c->model_cnt; i++)
    if (c->models[i].overrun != TF_CONFIG_OVERRUN_COUNT || c->models[i].registry) return true;
  return false;
}
