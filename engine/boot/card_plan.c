#include "boot/card_plan.h"

#include <string.h>

#include "boot/engine.h"
#include "boot/feature_view.h"
#include "core/log.h"

/* What keeps the model's features on the lane, before a plan is looked at; NULL: nothing. */
static const char *hindrance(const tf_engine_t *e, uint32_t i, const uint32_t *places) {
  const tf_model_t *model = e->models[i];
  if (!e->registry->card_runs) return "this program does not know what a card computes";
  for (uint32_t k = 0; k < model->input_cnt; k++)
    if (places[k] == TF_COMPUTE_NO_FEATURE) return "it reads outputs of another model";
  uint32_t window = model->window > 1 ? model->window : 0;
  if (tf_child_market_packets(e->plan.mem_bytes, model->input_cnt, window) == 0)
    return "an instrument's memory is too large to be sent";
  return NULL;
}

static uint32_t count_handed(const tf_plan_view_t *v) {
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < v->step_cnt; i++) cnt += v->steps[i].kind == TF_PLAN_HANDED;
  return cnt;
}

/* What the lane hands over, each name once. */
static void list_handed(const tf_plan_view_t *v, char *text, size_t cap) {
  size_t cnt = 0;
  for (uint32_t i = 0; i < v->step_cnt && cnt < cap; i++) {
    uint32_t k = 0;
    if (v->steps[i].kind != TF_PLAN_HANDED) continue;
    while (v->steps[k].kind != TF_PLAN_HANDED || strcmp(v->steps[k].name, v->steps[i].name) != 0)
      k++;
    if (k == i)
      cnt += (size_t)snprintf(text + cnt, cap - cnt, "%s%s", cnt ? ", " : "", v->steps[i].name);
  }
}

tf_err_t tf_card_plan_make(const tf_engine_t *e, uint32_t i, const uint32_t *places,
                           tf_card_plan_t *plan) {
  *plan = (tf_card_plan_t){.is_wanted = e->config->models[i].features == TF_CONFIG_FEATURES_GPU};
  if (!plan->is_wanted || e->options.is_replay) return TF_OK;
  const char            *why = hindrance(e, i, places);
  const tf_feature_env_t env = {.indicators    = e->registry->indicators,
                                .indicator_cnt = e->registry->indicator_cnt};
  tf_err_t               err = why ? TF_OK
                                   : tf_feature_view_init(&plan->view, &e->plan, &env, places,
                                                          e->models[i]->input_cnt, e->registry->card_runs);
  if (err) return err;
  if (!why && count_handed(&plan->view) > TF_MARKET_ROW_HANDED_MAX) {
    why = "the lane would hand over more values than a row holds";
    tf_feature_view_fini(&plan->view);
  }
  if (why)
    snprintf(plan->why, sizeof plan->why, "%s", why);
  else
    list_handed(&plan->view, plan->handed, sizeof plan->handed);
  if (why && !e->options.is_check)
    tf_log(TF_LOG_NOTICE, "features_on_lane", "model=%s why=\"%s\"", e->config->models[i].name,
           plan->why);
  return TF_OK;
}

void tf_card_plan_fini(tf_card_plan_t *plan) {
  tf_feature_view_fini(&plan->view);
  *plan = (tf_card_plan_t){0};
}

tf_child_market_t tf_card_plan_market(const tf_card_plan_t *plan) {
  const tf_plan_view_t *v      = &plan->view;
  tf_child_market_t     market = {.mem_bytes = v->mem_bytes};
  for (uint32_t i = 0; i < v->step_cnt; i++) {
    market.on |= v->steps[i].on;
    market.has_sections |= v->steps[i].kind == TF_PLAN_CROSS;
    if (v->steps[i].kind == TF_PLAN_HANDED) market.handed[market.handed_cnt++] = v->steps[i].out;
  }
  for (uint32_t i = 0; i < v->field_cnt; i++) market.bars |= UINT32_C(1) << v->fields[i].bar;
  return market;
}

tf_mailbox_spec_t tf_card_plan_mailbox(const tf_card_plan_t *plan, uint32_t width,
                                       uint32_t window) {
  const tf_plan_view_t *v = &plan->view;
  return (tf_mailbox_spec_t){.slot_cnt      = TF_CHILD_MARKET_SLOTS,
                             .input_cnt     = tf_market_row_values(count_handed(v)),
                             .window        = 2, /* no row may be missing */
                             .plan          = v->image,
                             .plan_bytes    = v->image->bytes,
                             .state_packets = tf_child_market_packets(v->mem_bytes, width, window)};
}

void tf_card_plan_say(const tf_card_plan_t *plan, char text[TF_CARD_PLAN_SAY_BYTES]) {
  const char *who  = "the lane computes its features and sends rows";
  const char *what = plan->why[0] ? ": " : "";
  if (plan->view.image) {
    who  = "the worker computes its features from the market; ";
    what = plan->handed[0] ? "for what no card computes the lane hands values over: "
                           : "nothing else is handed over";
  }
  snprintf(text, TF_CARD_PLAN_SAY_BYTES, "%s%s%s", who, what,
           plan->view.image ? plan->handed : plan->why);
}
