#include "boot/feature_view.h"

#include <string.h>

#include "core/error.h"

static const char *const OPERATIONS[] = {
    [TF_FEATURE_NEG] = "neg", [TF_FEATURE_ABS] = "abs", [TF_FEATURE_ADD] = "add",
    [TF_FEATURE_SUB] = "sub", [TF_FEATURE_MUL] = "mul", [TF_FEATURE_DIV] = "div",
    [TF_FEATURE_MIN] = "min", [TF_FEATURE_MAX] = "max"};

/* An image that is being written: room for all steps of the plan, of which some turn out not to be needed. */
typedef struct writer {
  const tf_feature_plan_t *plan;
  const tf_feature_env_t  *env;
  tf_view_step_t          *steps;
  tf_plan_field_t         *fields;
  tf_plan_runs_t           runs;
  bool                    *is_needed; /* (slots) */
  bool                    *is_handed; /* (slots) */
  bool                    *is_put;    /* (sections) */
  uint32_t                 step_cnt, field_cnt;
} writer_t;

/* ---- all steps, inputs first ---- */

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

static tf_view_step_t *add(writer_t *w, tf_view_step_kind_t kind, const char *name, uint16_t out,
                           uint8_t out_cnt) {
  tf_view_step_t *s = &w->steps[w->step_cnt++];
  *s                = (tf_view_step_t){
                     .kind = (uint8_t)kind, .out = out, .out_cnt = out_cnt, .bar = TF_PLAN_NO_BAR};
  snprintf(s->name, sizeof s->name, "%s", name);
  return s;
}

static void add_call(writer_t *w, const tf_feature_step_t *s, tf_view_step_kind_t kind,
                     uint8_t bar) {
  const tf_feature_plan_t *plan = w->plan;
  const tf_indicator_t    *of =
      s->op == TF_FEATURE_CALL ? whose(w->env, plan->updates[s->update]) : NULL;
  if (s->op == TF_FEATURE_PEEK) {
    (void)add(w, TF_PLAN_HANDED, "peek", s->out, s->output_cnt);
    return;
  }
  tf_view_step_t *to = add(w, of ? kind : TF_PLAN_ARITHMETIC, of ? of->name : OPERATIONS[s->op],
                           s->out, s->output_cnt);
  to->in_cnt         = s->series_cnt;
  to->state_offset   = s->state_offset;
  to->bar            = bar;
  to->param_cnt      = of ? of->param_cnt : 0;
  memcpy(to->in, s->in, sizeof to->in);
  if (kind == TF_PLAN_MARKET)
    to->on = (uint8_t)((is_listed(&plan->on_trade, s) ? TF_ON_TRADE : 0) |
                       (is_listed(&plan->on_quote, s) ? TF_ON_QUOTE : 0) |
                       (is_listed(&plan->on_book, s) ? TF_ON_BOOK : 0) |
                       (is_listed(&plan->on_text, s) ? TF_ON_TEXT : 0));
}

static void add_cross(writer_t *w, const tf_feature_cross_t *c) {
  tf_view_step_t *to =
      add(w, TF_PLAN_CROSS, w->plan->cross_table->crosses[c->value]->name, c->out, 1);
  to->in_cnt     = 1;
  to->in[0]      = c->in;
  to->section    = c->section;
  to->member_min = c->member_min;
  to->param      = c->params[0];
}

static void add_run(writer_t *w, const tf_feature_run_t *r) {
  TF_ASSERT(r->work != TF_FEATURE_WORK_VECTORS && r->work != TF_FEATURE_WORK_HISTORIES);
  for (uint32_t i = r->first; i < r->first + r->cnt; i++) {
    if (r->work == TF_FEATURE_WORK_CROSSES)
      add_cross(w, &w->plan->crosses[i]);
    else if (r->work == TF_FEATURE_WORK_PEERS)
      (void)add(w, TF_PLAN_HANDED, "another instrument's value", w->plan->peer_values[i].out, 1);
    else
      add_call(w, &w->plan->tick_steps[i], TF_PLAN_SERIES, TF_PLAN_NO_BAR);
  }
}

static void add_bar(writer_t *w, uint32_t b) {
  const tf_feature_bar_t *bar = &w->plan->bars[b];
  for (uint32_t i = 0; i < bar->field_cnt; i++)
    w->fields[w->field_cnt++] = (tf_plan_field_t){
        .slot = bar->fields[i].slot, .field = (uint8_t)bar->fields[i].field, .bar = (uint8_t)b};
  for (uint32_t i = 0; i < bar->steps.cnt; i++)
    add_call(w, &bar->steps.steps[i], TF_PLAN_SERIES, (uint8_t)b);
}

static void add_all(writer_t *w) {
  const tf_feature_plan_t *plan = w->plan;
  for (uint32_t b = 0; b < plan->bar_cnt; b++) add_bar(w, b);
  for (uint32_t i = 0; i < plan->tick_market.cnt; i++)
    add_call(w, &plan->tick_market.steps[i], TF_PLAN_MARKET, TF_PLAN_NO_BAR);
  for (uint32_t i = 0; i < plan->tick_peers.cnt; i++)
    (void)add(w, TF_PLAN_HANDED, "another instrument's market", plan->tick_peers.steps[i].out,
              plan->tick_peers.steps[i].output_cnt);
  for (uint32_t i = 0; i < plan->tick_run_cnt; i++) add_run(w, &plan->tick_runs[i]);
}

/* ---- those that are needed, and who makes them ---- */

static bool is_needed(const writer_t *w, const tf_view_step_t *s) {
  for (uint32_t o = 0; o < s->out_cnt; o++)
    if (w->is_needed[s->out + o]) return true;
  return false;
}

/* What is handed over is there at a tick, not when a bar closes. */
static bool is_run(const writer_t *w, const tf_view_step_t *s) {
  bool runs = s->kind != TF_PLAN_HANDED && !(s->on & (TF_ON_BOOK | TF_ON_TEXT)) &&
              w->runs(s->name, (tf_view_step_kind_t)s->kind);
  for (uint32_t k = 0; s->bar != TF_PLAN_NO_BAR && k < s->in_cnt; k++)
    runs = runs && !w->is_handed[s->in[k]];
  return runs;
}

static void share_out(writer_t *w) {
  for (uint32_t i = 0; i < w->step_cnt; i++) {
    tf_view_step_t *s = &w->steps[i];
    if (is_run(w, s)) continue;
    s->kind = TF_PLAN_HANDED;
    s->on = s->in_cnt = 0;
    for (uint32_t o = 0; o < s->out_cnt; o++) w->is_handed[s->out + o] = true;
  }
  for (uint32_t i = w->step_cnt; i-- > 0;)
    for (uint32_t k = 0; is_needed(w, &w->steps[i]) && k < w->steps[i].in_cnt; k++)
      w->is_needed[w->steps[i].in[k]] = true;
}

/* Of the crosses that are left the first of each section puts; a step for each value that is handed over. */
static void prune(writer_t *w, tf_view_step_t *to) {
  uint32_t cnt = 0, fields = 0;
  for (uint32_t i = 0; i < w->step_cnt; i++) {
    tf_view_step_t *s = &w->steps[i];
    for (uint32_t o = 0; s->kind == TF_PLAN_HANDED && o < s->out_cnt; o++) {
      if (!w->is_needed[s->out + o]) continue;
      to[cnt]           = *s;
      to[cnt].out       = (uint16_t)(s->out + o);
      to[cnt++].out_cnt = 1;
    }
    if (s->kind == TF_PLAN_HANDED || !is_needed(w, s)) continue;
    if (s->kind == TF_PLAN_CROSS) {
      s->puts               = !w->is_put[s->section];
      w->is_put[s->section] = true;
    }
    to[cnt++] = *s;
  }
  for (uint32_t i = 0; i < w->field_cnt; i++)
    if (w->is_needed[w->fields[i].slot]) w->fields[fields++] = w->fields[i];
  free(w->steps);
  w->steps     = to;
  w->step_cnt  = cnt;
  w->field_cnt = fields;
}

static uint32_t steps_of(const tf_feature_plan_t *plan) {
  uint32_t cnt = plan->tick_market.cnt + plan->tick_peers.cnt;
  for (uint32_t b = 0; b < plan->bar_cnt; b++) cnt += plan->bars[b].steps.cnt;
  for (uint32_t i = 0; i < plan->tick_run_cnt; i++) cnt += plan->tick_runs[i].cnt;
  return cnt;
}

/* ---- the image ---- */

static tf_err_t write_image(const writer_t *w, const uint32_t *places, uint32_t cnt,
                            tf_plan_view_t *v) {
  const tf_feature_plan_t *plan = w->plan;
  tf_plan_image_t          head = {.magic       = TF_PLAN_MAGIC,
                                   .mem_bytes   = plan->mem_bytes,
                                   .step_cnt    = w->step_cnt,
                                   .field_cnt   = w->field_cnt,
                                   .feature_cnt = cnt,
                                   .slot_cnt    = plan->slot_cnt,
                                   .section_cnt = plan->section_cnt};
  head.bytes                    = tf_plan_view_bytes(&head);
  if (plan->mem_bytes > UINT32_MAX || w->step_cnt > TF_PLAN_STEPS_MAX || head.bytes > SIZE_MAX / 2)
    return TF_ERR(E_CORE_OVERFLOW, "a plan of %u steps over %zu bytes", w->step_cnt,
                  plan->mem_bytes);
  uint8_t *block = aligned_alloc(TF_LINE_BYTES, head.bytes);
  if (!block)
    return TF_ERR(E_CORE_NO_MEMORY, "%llu bytes for a plan's image",
                  (unsigned long long)head.bytes);
  memset(block, 0, head.bytes);
  memcpy(block, &head, sizeof head);
  TF_ASSERT(tf_plan_view_lay(v, (const tf_plan_image_t *)(void *)block, head.bytes));
  uint16_t *rows = (uint16_t *)(void *)(block + ((const uint8_t *)v->row_slots - block));
  memcpy(block + ((const uint8_t *)v->steps - block), w->steps, w->step_cnt * sizeof *w->steps);
  memcpy(block + ((const uint8_t *)v->fields - block), w->fields, w->field_cnt * sizeof *w->fields);
  for (uint32_t i = 0; i < cnt; i++) rows[i] = plan->row_slots[places ? places[i] : i];
  return tf_feature_plan_init_state(plan, block + (v->memory - block));
}

static bool runs_all(const char *name, tf_view_step_kind_t kind) {
  (void)name, (void)kind;
  return true;
}

tf_err_t tf_feature_view_init(tf_plan_view_t *v, const tf_feature_plan_t *plan,
                              const tf_feature_env_t *env, const uint32_t *places, uint32_t cnt,
                              tf_plan_runs_t runs) {
  const size_t steps = steps_of(plan) + 1, slots = plan->slot_cnt + 1;
  *v                  = (tf_plan_view_t){0};
  cnt                 = places ? cnt : plan->feature_cnt;
  writer_t        w   = {.plan      = plan,
                         .env       = env,
                         .runs      = runs ? runs : runs_all,
                         .steps     = calloc(steps, sizeof *w.steps),
                         .fields    = calloc(TF_PLAN_FIELDS_MAX, sizeof *w.fields),
                         .is_needed = calloc(slots, sizeof *w.is_needed),
                         .is_handed = calloc(slots, sizeof *w.is_handed),
                         .is_put    = calloc(plan->section_cnt + 1, sizeof *w.is_put)};
  tf_view_step_t *to  = calloc(steps * TF_INDICATOR_OUTPUTS_MAX, sizeof *to);
  tf_err_t        err = to && w.steps && w.fields && w.is_needed && w.is_handed && w.is_put
                            ? TF_OK
                            : TF_ERR(E_CORE_NO_MEMORY, "a view of %u values", plan->slot_cnt);
  if (!err) {
    for (uint32_t i = 0; i < cnt; i++) w.is_needed[plan->row_slots[places ? places[i] : i]] = true;
    add_all(&w);
    share_out(&w);
    prune(&w, to);
    err = write_image(&w, places, cnt, v);
    to  = NULL; /* w's now */
  }
  free(to);
  free(w.steps);
  free(w.fields);
  free(w.is_needed);
  free(w.is_handed);
  free(w.is_put);
  return err;
}

void tf_feature_view_fini(tf_plan_view_t *v) {
  free((void *)(uintptr_t)v->image);
  *v = (tf_plan_view_t){0};
}

TF_STATIC_ASSERT(TF_FEATURE_PLAN_BARS_MAX *TF_FEATURE_BAR_FIELD_CNT <= TF_PLAN_FIELDS_MAX &&
                     TF_FEATURE_PLAN_BARS_MAX < TF_PLAN_NO_BAR,
                 "all fields of all bars fit a view");
