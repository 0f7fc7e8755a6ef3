#include "boot/feature_view.h"

#include <string.h>

#include "core/error.h"

static const char *const OPERATIONS[] = {
    [TF_FEATURE_NEG] = "neg", [TF_FEATURE_ABS] = "abs", [TF_FEATURE_ADD] = "add",
    [TF_FEATURE_SUB] = "sub", [TF_FEATURE_MUL] = "mul", [TF_FEATURE_DIV] = "div",
    [TF_FEATURE_MIN] = "min", [TF_FEATURE_MAX] = "max"};

/* Steps know what they call; its name is that of the descriptor which has it. */
static const tf_indicator_t *whose(const tf_feature_env_t *env, tf_feature_update_t update) {
  for (uint32_t i = 0; i < env->indicator_cnt; i++)
    if (env->indicators[i]->update == update) return env->indicators[i];
  return NULL;
}

static bool is_listed(const tf_feature_list_t *list, const tf_feature_step_t *step) {
  for (uint32_t i = 0; i < list->cnt; i++)
    if (list->steps[i].state_offset == step->state_offset) return true;
  return false;
}

static void add_call(tf_plan_view_t *v, const tf_feature_plan_t *plan, const tf_feature_env_t *env,
                     const tf_feature_step_t *s, tf_plan_step_kind_t kind) {
  tf_plan_step_t       *to = &v->steps[v->step_cnt++];
  const tf_indicator_t *of = s->op == TF_FEATURE_CALL ? whose(env, plan->updates[s->update]) : NULL;
  *to                      = (tf_plan_step_t){.name         = of ? of->name : OPERATIONS[s->op],
                                              .kind         = (uint8_t)(of ? kind : TF_PLAN_ARITHMETIC),
                                              .in_cnt       = s->series_cnt,
                                              .out_cnt      = s->output_cnt,
                                              .state_offset = s->state_offset,
                                              .out          = s->out};
  memcpy(to->in, s->in, sizeof to->in);
  if (kind == TF_PLAN_MARKET)
    to->on_events = is_listed(&plan->on_trade, s) || is_listed(&plan->on_quote, s) ||
                    is_listed(&plan->on_book, s);
}

static void add_cross(tf_plan_view_t *v, const tf_feature_plan_t *plan,
                      const tf_feature_cross_t *c) {
  v->steps[v->step_cnt++] = (tf_plan_step_t){.name    = plan->cross_table->crosses[c->value]->name,
                                             .kind    = TF_PLAN_CROSS,
                                             .in_cnt  = 1,
                                             .out_cnt = 1,
                                             .member_min = c->member_min,
                                             .in         = {c->in},
                                             .out        = c->out,
                                             .section    = c->section,
                                             .puts       = c->puts};
}

static void add_run(tf_plan_view_t *v, const tf_feature_plan_t *plan, const tf_feature_env_t *env,
                    const tf_feature_run_t *r) {
  for (uint32_t i = r->first; i < r->first + r->cnt; i++) {
    if (r->work == TF_FEATURE_WORK_CROSSES)
      add_cross(v, plan, &plan->crosses[i]);
    else if (r->work <= TF_FEATURE_WORK_STEPS && plan->tick_steps[i].op != TF_FEATURE_PEEK)
      add_call(v, plan, env, &plan->tick_steps[i], TF_PLAN_SERIES);
    else
      v->missing = r->work <= TF_FEATURE_WORK_STEPS   ? "peek"
                   : r->work == TF_FEATURE_WORK_PEERS ? "another instrument's value"
                                                      : "vectors";
  }
}

static uint32_t steps_of(const tf_feature_plan_t *plan) {
  uint32_t cnt = plan->tick_market.cnt;
  for (uint32_t i = 0; i < plan->tick_run_cnt; i++) cnt += plan->tick_runs[i].cnt;
  return cnt;
}

tf_err_t tf_feature_view_init(tf_plan_view_t *v, const tf_feature_plan_t *plan,
                              const tf_feature_env_t *env) {
  size_t steps  = tf_align_up(steps_of(plan) * sizeof(tf_plan_step_t), TF_LINE_BYTES);
  size_t rows   = tf_align_up(plan->feature_cnt * sizeof(uint16_t), TF_LINE_BYTES);
  *v            = (tf_plan_view_t){.feature_cnt = plan->feature_cnt,
                                   .slot_cnt    = plan->slot_cnt,
                                   .section_cnt = plan->section_cnt,
                                   .mem_bytes   = plan->mem_bytes};
  size_t   size = steps + rows + tf_align_up(plan->mem_bytes, TF_LINE_BYTES) + TF_LINE_BYTES;
  uint8_t *at   = aligned_alloc(TF_LINE_BYTES, size);
  if (!at) return TF_ERR(E_CORE_NO_MEMORY, "%zu bytes for the view of a plan", size);
  v->block     = at;
  v->steps     = (void *)at;
  v->row_slots = (void *)(at + steps);
  v->memory    = at + steps + rows;
  memcpy(v->row_slots, plan->row_slots, plan->feature_cnt * sizeof *v->row_slots);
  if (plan->tick_peers.cnt > 0) v->missing = "another instrument's market";
  for (uint32_t b = 0; b < plan->bar_cnt; b++)
    if (plan->bars[b].field_cnt + plan->bars[b].open_field_cnt > 0) v->missing = "bars";
  for (uint32_t i = 0; i < plan->tick_market.cnt; i++)
    add_call(v, plan, env, &plan->tick_market.steps[i], TF_PLAN_MARKET);
  for (uint32_t i = 0; i < plan->tick_run_cnt; i++) add_run(v, plan, env, &plan->tick_runs[i]);
  return tf_feature_plan_init_state(plan, v->memory);
}

void tf_feature_view_fini(tf_plan_view_t *v) {
  free(v->block);
  *v = (tf_plan_view_t){0};
}
