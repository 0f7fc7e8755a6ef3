#include "stage/feature_plan.h"

#include <string.h>

const char *const tf_feature_plan_bar_fields[TF_FEATURE_BAR_FIELD_CNT] = {
    [TF_FEATURE_BAR_OPEN]       = "open",
    [TF_FEATURE_BAR_HIGH]       = "high",
    [TF_FEATURE_BAR_LOW]        = "low",
    [TF_FEATURE_BAR_CLOSE]      = "close",
    [TF_FEATURE_BAR_VOLUME]     = "volume",
    [TF_FEATURE_BAR_NOTIONAL]   = "notional",
    [TF_FEATURE_BAR_BUY_VOLUME] = "buy_volume",
    [TF_FEATURE_BAR_TRADE_CNT]  = "trade_cnt",
};

void tf_feature_plan_peek_(const tf_feature_plan_t *plan, const tf_feature_step_t *s, uint8_t *mem,
                           tf_indicator_input_t *in) {
  double *slots = (double *)mem, *out = slots + s->out;
  for (uint32_t i = 1; i < s->series_cnt; i++) in->x[i] = slots[s->in[i]];
  if (plan->peeks[s->update](mem + s->state_offset, in, out) != TF_INDICATOR_REJECTED) return;
  for (uint32_t o = 0; o < s->output_cnt; o++) out[o] = __builtin_nan("");
}

tf_err_t tf_feature_plan_init_state(const tf_feature_plan_t *plan, void *mem) {
  double *slots = mem;
  memset(mem, 0, plan->mem_bytes); /* the gaps between states too: equal states, equal bytes */
  for (uint32_t i = 0; i < plan->slot_cnt; i++) slots[i] = __builtin_nan("");
  for (uint32_t i = 0; i < plan->start_cnt; i++) {
    const tf_feature_start_t *start = &plan->starts[i];
    if (!start->indicator) {
      slots[start->slot] = start->value;
      continue;
    }
    tf_err_t err = start->indicator->init((uint8_t *)mem + start->state_offset, start->params);
    if (err != TF_OK) return err;
  }
  return TF_OK;
}

static uint64_t left_of(uint64_t need, const void *mem, uint32_t place) {
  uint64_t seen;
  memcpy(&seen, (const double *)mem + place, sizeof seen);
  return need > seen ? need - seen : 0;
}

tf_feature_wait_t tf_feature_plan_wait(const tf_feature_plan_t *plan, const void *mem, uint32_t i) {
  TF_ASSERT(i < plan->feature_cnt);
  const double      value = ((const double *)mem)[plan->row_slots[i]];
  tf_feature_wait_t wait  = {.left = plan->needs[i], .is_ready = value == value};
  wait.left.ticks         = wait.is_ready ? 0 : left_of(wait.left.ticks, mem, plan->seen);
  if (wait.left.bar != TF_FEATURE_NO_BAR)
    wait.left.closes =
        wait.is_ready ? 0 : left_of(wait.left.closes, mem, plan->seen + 1 + wait.left.bar);
  return wait;
}

void tf_feature_plan_fini(tf_feature_plan_t *plan) {
  free(plan->block);
  *plan = (tf_feature_plan_t){0};
}

const char *tf_feature_plan_name(const tf_feature_plan_t *plan, uint32_t i) {
  TF_ASSERT(i < plan->feature_cnt);
  return plan->names[i].name;
}

const char *tf_feature_plan_label(const tf_feature_plan_t *plan, uint32_t i) {
  TF_ASSERT(i < plan->feature_cnt);
  return plan->names[i].label;
}
