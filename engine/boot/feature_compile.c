#include "boot/feature_compile.h"

#include <string.h>

#include "boot/feature_resolve.h"
#include "core/error.h"
#include "tf/model.h"

#define STATE_ALIGN 16

TF_STATIC_ASSERT(TF_FEATURE_PLAN_LISTED_MAX == TF_MODEL_INPUTS_MAX,
                 "a model can read every feature");

static void check_descriptor(const tf_indicator_t *d) {
  TF_ASSERT(d && d->name && d->state_bytes && d->lookback);
  TF_ASSERT(d->init && d->update && d->peek && d->reset);
  TF_ASSERT(d->series_cnt <= TF_INDICATOR_SERIES_MAX);
  TF_ASSERT(d->output_cnt >= 1 && d->output_cnt <= TF_INDICATOR_OUTPUTS_MAX);
  TF_ASSERT(d->param_cnt <= TF_INDICATOR_PARAMS_MAX);
  TF_ASSERT(d->param_cnt == 0 || d->params);
  TF_ASSERT(d->series_cnt ? d->on == TF_ON_INPUT : (d->on & TF_ON_TICK) != 0);
}

static tf_err_t check_bars(const tf_feature_compile_t *c) {
  static const char NAME_BYTES[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
  tf_feature_compile_t before = *c; /* with the bars up to, but without, the one at hand */
  for (uint32_t b = 0; b < c->env.bar_cnt; b++) {
    const char *name  = c->env.bar_names[b];
    size_t      len   = strlen(name);
    bool        sound = len > 0 && len <= TF_EXPR_NAME_MAX && !(name[0] >= '0' && name[0] <= '9');
    if (!sound || strspn(name, NAME_BYTES) != len) {
      return TF_ERR(E_CONFIG_CONFLICT,
                    "bar \"%.60s\": a name is a letter or _, then letters, digits or _, at most %d "
                    "in all",
                    name, TF_EXPR_NAME_MAX);
    }
    before.env.bar_cnt   = b;
    before.env.plain_bar = TF_FEATURE_COMPILE_NONE;
    const char *taken    = tf_feature_resolve_taken(&before, name);
    if (taken) {
      return TF_ERR(E_CONFIG_CONFLICT, "bar \"%s\": that name is %s; choose another", name, taken);
    }
  }
  return TF_OK;
}

tf_err_t tf_feature_compile_begin(tf_feature_compile_t **compile, const tf_feature_env_t *env) {
  *compile = NULL;
  if (env->bar_cnt > TF_FEATURE_PLAN_BARS_MAX) {
    return TF_ERR(E_CONFIG_CONFLICT, "%u bars; at most %d are allowed", env->bar_cnt,
                  TF_FEATURE_PLAN_BARS_MAX);
  }
  TF_ASSERT(env->plain_bar == TF_FEATURE_COMPILE_NONE || env->plain_bar < env->bar_cnt);
  for (uint32_t i = 0; i < env->indicator_cnt; i++) check_descriptor(env->indicators[i]);
  tf_feature_compile_t *c = calloc(1, sizeof *c);
  if (c) c->entries = calloc(TF_FEATURE_PLAN_ROW_MAX, sizeof *c->entries);
  if (!c || !c->entries) {
    free(c);
    return TF_ERR(E_CORE_NO_MEMORY, "the feature compiler needs %zu bytes",
                  sizeof *c + TF_FEATURE_PLAN_ROW_MAX * sizeof(tf_feature_entry_t));
  }
  c->env       = *env;
  tf_err_t err = check_bars(c);
  if (err != TF_OK) {
    tf_feature_compile_end(c);
    return err;
  }
  *compile = c;
  return TF_OK;
}

void tf_feature_compile_end(tf_feature_compile_t *compile) {
  if (!compile) return;
  free(compile->nodes);
  free(compile->entries);
  free(compile);
}

/* ---- adding ---- */

static uint32_t entry_of(const tf_feature_compile_t *c, tf_feature_ref_t ref) {
  for (uint32_t i = 0; i < c->entry_cnt; i++) {
    if (c->entries[i].ref.node == ref.node && c->entries[i].ref.output == ref.output) return i;
  }
  return TF_FEATURE_COMPILE_NONE;
}

static tf_err_t check_alias(const tf_feature_compile_t *c, const tf_expr_t *expr) {
  if (!expr->alias[0]) return TF_OK;
  const char *taken = tf_feature_resolve_taken(c, expr->alias);
  if (!taken) return TF_OK;
  return tf_expr_error(expr, expr->alias_at, "the alias \"%s\" is %s; choose another name",
                       expr->alias, taken);
}

/* One entry at the end of the row. The label is the alias, or the text as it was written. */
static tf_err_t append(tf_feature_compile_t *c, const tf_expr_t *expr, uint32_t node,
                       tf_feature_ref_t ref, uint32_t *idx) {
  if (c->nodes[ref.node].clock == TF_FEATURE_CLOCK_NEVER) {
    return tf_expr_error(expr, expr->nodes[node].at,
                         "found a constant; a feature must depend on the market");
  }
  if (c->entry_cnt == TF_FEATURE_PLAN_ROW_MAX) {
    return TF_ERR(E_CONFIG_CONFLICT, "more than %d features with those that rules name",
                  TF_FEATURE_PLAN_ROW_MAX);
  }
  tf_feature_entry_t *entry = &c->entries[c->entry_cnt];
  *entry                    = (tf_feature_entry_t){.ref = ref};
  if (!tf_feature_resolve_name(c, ref, entry->text.name)) {
    return tf_expr_error(expr, expr->nodes[node].at, "its full name takes more than %d characters",
                         TF_FEATURE_PLAN_NAME_BYTES - 1);
  }
  if (!tf_expr_text(expr, node, entry->text.label, sizeof entry->text.label)) {
    memcpy(entry->text.label, entry->text.name, sizeof entry->text.label);
  }
  *idx = c->entry_cnt++;
  return TF_OK;
}

static tf_err_t parse_listed(tf_feature_compile_t *c, const tf_expr_origin_t *origin,
                             const char *text, tf_feature_ref_t *ref) {
  if (c->listed_cnt < c->entry_cnt) {
    return TF_ERR(E_CORE_ARGUMENT, "feature \"%s\" is added after those that rules name", text);
  }
  tf_err_t err = tf_expr_parse(&c->expr, TF_EXPR_FEATURE, origin, text);
  if (err == TF_OK) err = check_alias(c, &c->expr);
  if (err == TF_OK) err = tf_feature_resolve(c, &c->expr, c->expr.root, ref);
  return err;
}

static tf_err_t append_listed(tf_feature_compile_t *c, tf_feature_ref_t ref, uint32_t *idx) {
  const tf_expr_t *expr   = &c->expr;
  uint32_t         before = entry_of(c, ref);
  if (before != TF_FEATURE_COMPILE_NONE) {
    return tf_expr_error(expr, expr->nodes[expr->root].at,
                         "\"%s\" is listed twice, first as feature %u: remove one of them",
                         c->entries[before].text.name, before + 1);
  }
  if (c->listed_cnt == TF_FEATURE_PLAN_LISTED_MAX) {
    return TF_ERR(E_CONFIG_CONFLICT, "more than %d features", TF_FEATURE_PLAN_LISTED_MAX);
  }
  tf_err_t err = append(c, expr, expr->root, ref, idx);
  if (err != TF_OK) return err;
  c->listed_cnt++;
  if (expr->alias[0]) {
    memcpy(c->entries[*idx].alias, expr->alias, sizeof expr->alias);
    memcpy(c->entries[*idx].text.label, expr->alias, sizeof expr->alias);
  }
  return TF_OK;
}

tf_err_t tf_feature_compile_add(tf_feature_compile_t *compile, const tf_expr_origin_t *origin,
                                const char *text, uint32_t *idx) {
  tf_feature_compile_t *c        = compile;
  uint32_t              node_cnt = c->node_cnt, at;
  tf_feature_ref_t      ref;
  c->in_rule   = false;
  tf_err_t err = parse_listed(c, origin, text, &ref);
  if (err == TF_OK) err = append_listed(c, ref, &at);
  if (err != TF_OK) {
    c->node_cnt = node_cnt;
    return err;
  }
  if (idx) *idx = at;
  return TF_OK;
}

tf_err_t tf_feature_compile_add_outputs(tf_feature_compile_t   *compile,
                                        const tf_expr_origin_t *origin, const char *text,
                                        uint32_t *first, uint32_t *cnt) {
  tf_feature_compile_t *c        = compile;
  uint32_t              node_cnt = c->node_cnt, entry_cnt = c->entry_cnt, at;
  tf_feature_ref_t      ref;
  c->in_rule                       = false;
  tf_err_t              err        = parse_listed(c, origin, text, &ref);
  uint32_t              output_cnt = err == TF_OK ? c->nodes[ref.node].output_cnt : 0;
  const tf_expr_node_t *root       = err == TF_OK ? &c->expr.nodes[c->expr.root] : NULL;
  if (root && (root->field[0] || c->expr.alias[0])) output_cnt = 1; /* one was asked for */
  for (uint32_t o = 0; err == TF_OK && o < output_cnt; o++) {
    if (output_cnt > 1) ref.output = o;
    err = append_listed(c, ref, &at);
    if (err != TF_OK || output_cnt == 1) continue;
    memcpy(c->entries[at].text.label, c->entries[at].text.name, TF_FEATURE_PLAN_NAME_BYTES);
  }
  if (err != TF_OK) {
    c->node_cnt  = node_cnt;
    c->entry_cnt = c->listed_cnt = entry_cnt;
    return err;
  }
  *first = entry_cnt;
  *cnt   = output_cnt;
  return TF_OK;
}

tf_err_t tf_feature_compile_subtree(tf_feature_compile_t *compile, const tf_expr_t *expr,
                                    uint32_t node, bool add, uint32_t *idx) {
  tf_feature_compile_t *c        = compile;
  uint32_t              node_cnt = c->node_cnt;
  tf_feature_ref_t      ref;
  c->in_rule   = true;
  tf_err_t err = tf_feature_resolve(c, expr, node, &ref);
  *idx         = err == TF_OK ? entry_of(c, ref) : TF_FEATURE_COMPILE_NONE;
  if (err == TF_OK && *idx == TF_FEATURE_COMPILE_NONE && add) err = append(c, expr, node, ref, idx);
  if (err != TF_OK || !add) c->node_cnt = node_cnt;
  return err;
}

uint32_t tf_feature_compile_find(tf_feature_compile_t *compile, const char *text) {
  tf_feature_compile_t *c        = compile;
  uint32_t              node_cnt = c->node_cnt, idx = TF_FEATURE_COMPILE_NONE;
  tf_feature_ref_t      ref;
  c->in_rule = false;
  /* A canonical name may nest deeper, aliases being written out, than a text is allowed to. */
  for (uint32_t i = 0; i < c->entry_cnt; i++) {
    if (strcmp(c->entries[i].text.name, text) == 0) return i;
  }
  if (tf_expr_parse(&c->expr, TF_EXPR_FEATURE, NULL, text) == TF_OK && !c->expr.alias[0] &&
      tf_feature_resolve(c, &c->expr, c->expr.root, &ref) == TF_OK) {
    idx = entry_of(c, ref);
  }
  c->node_cnt = node_cnt;
  return idx;
}

bool tf_feature_compile_is_pointwise(const tf_expr_t *expr, uint32_t node) {
  const tf_expr_node_t *n = &expr->nodes[node];
  if (n->kind != TF_EXPR_CALL) return false;
  if (strcmp(n->name, "abs") == 0) return true;
  if (strcmp(n->name, "min") != 0 && strcmp(n->name, "max") != 0) return false;
  if (n->child_cnt != 2) return false;
  uint8_t first  = expr->nodes[n->first].kind,
          second = expr->nodes[tf_expr_child(expr, node, 1)].kind;
  return first == TF_EXPR_NUMBER || second != TF_EXPR_NUMBER;
}

/* ---- layout ---- */

/* Which steps belong together: the values below TRIGGER_BAR, then one for each bar. */
enum { TRIGGER_TRADE, TRIGGER_QUOTE, TRIGGER_BOOK, TRIGGER_MARKET, TRIGGER_TICK, TRIGGER_BAR };

typedef struct layout {
  const tf_feature_compile_t *c;
  uint32_t                   *slots;   /* first slot of each node */
  uint32_t                   *offsets; /* state of each node */
  uint32_t                    slot_cnt;
  size_t                      mem_bytes;
} layout_t;

/* A feature whose node has one output is that node's slot; one of several is copied into the row. */
static bool is_copied(const tf_feature_compile_t *c, uint32_t entry) {
  return c->nodes[c->entries[entry].ref.node].output_cnt > 1;
}

static bool runs_on(const tf_feature_node_t *n, uint32_t trigger) {
  switch (n->kind) {
  case TF_FEATURE_NODE_MARKET:
    return (trigger == TRIGGER_TRADE && (n->indicator->on & TF_ON_TRADE)) ||
           (trigger == TRIGGER_QUOTE && (n->indicator->on & TF_ON_QUOTE)) ||
           (trigger == TRIGGER_BOOK && (n->indicator->on & TF_ON_BOOK)) ||
           trigger == TRIGGER_MARKET;
  case TF_FEATURE_NODE_SERIES:
  case TF_FEATURE_NODE_ARITHMETIC:
    if (n->clock < TF_FEATURE_PLAN_BARS_MAX) return trigger == TRIGGER_BAR + n->clock;
    return trigger == TRIGGER_TICK;
  default: return false;
  }
}

static tf_err_t place(layout_t *l) {
  const tf_feature_compile_t *c = l->c;
  for (uint32_t n = 0; n < c->node_cnt; n++) l->slots[n] = TF_FEATURE_COMPILE_NONE;
  for (uint32_t i = 0; i < c->entry_cnt; i++) {
    if (!is_copied(c, i)) l->slots[c->entries[i].ref.node] = i;
  }
  l->slot_cnt = c->entry_cnt;
  for (uint32_t n = 0; n < c->node_cnt; n++) {
    if (l->slots[n] != TF_FEATURE_COMPILE_NONE) continue;
    l->slots[n] = l->slot_cnt;
    l->slot_cnt += c->nodes[n].output_cnt;
  }
  if (l->slot_cnt > TF_FEATURE_PLAN_SLOTS_MAX) {
    return TF_ERR(E_CORE_OVERFLOW, "the features need %u values; at most %d are allowed",
                  l->slot_cnt, TF_FEATURE_PLAN_SLOTS_MAX);
  }
  size_t   bytes = tf_align_up(l->slot_cnt * sizeof(double), TF_LINE_BYTES), largest_bytes = 0;
  uint32_t largest = 0;
  /* Market states first, then the rest in order of computation: a tick walks memory forwards. */
  for (uint32_t pass = 0; pass < 2; pass++) {
    for (uint32_t i = 0; i < c->node_cnt; i++) {
      const tf_feature_node_t *n = &c->nodes[i];
      if (!n->indicator || (n->indicator->series_cnt == 0) != (pass == 0)) continue;
      size_t state = n->indicator->state_bytes(n->params);
      if (state > largest_bytes) {
        largest_bytes = state;
        largest       = i;
      }
      l->offsets[i] = (uint32_t)bytes;
      if (state > TF_FEATURE_PLAN_BYTES_MAX || bytes + state > TF_FEATURE_PLAN_BYTES_MAX) {
        return TF_ERR(E_CORE_OVERFLOW,
                      "the features need more than %zu MiB an instrument; %s alone needs %zu KiB: "
                      "shorten its window or capacity",
                      TF_FEATURE_PLAN_BYTES_MAX >> 20, c->nodes[largest].name, largest_bytes >> 10);
      }
      bytes = tf_align_up(bytes + state, STATE_ALIGN);
    }
  }
  l->mem_bytes = tf_align_up(bytes, TF_LINE_BYTES);
  return TF_OK;
}

static uint16_t slot_of(const layout_t *l, tf_feature_ref_t ref) {
  return (uint16_t)(l->slots[ref.node] + ref.output);
}

/* Writes the steps of one trigger at *next and moves it on. */
static tf_feature_list_t write_list(const layout_t *l, uint32_t trigger, tf_feature_step_t **next) {
  const tf_feature_compile_t *c    = l->c;
  tf_feature_list_t           list = {*next, 0};
  for (uint32_t i = 0; i < c->node_cnt; i++) {
    const tf_feature_node_t *n = &c->nodes[i];
    if (!runs_on(n, trigger)) continue;
    tf_feature_step_t *step = (*next)++;
    *step                   = (tf_feature_step_t){
                          .update       = n->indicator ? n->indicator->update : NULL,
                          .state_offset = l->offsets[i],
                          .out          = (uint16_t)l->slots[i],
                          .op           = n->op,
                          .series_cnt   = n->in_cnt,
                          .output_cnt   = (uint8_t)n->output_cnt,
    };
    for (uint32_t k = 0; k < n->in_cnt; k++) step->in[k] = slot_of(l, n->in[k]);
  }
  for (uint32_t i = 0; i < c->entry_cnt; i++) {
    const tf_feature_node_t *n       = &c->nodes[c->entries[i].ref.node];
    bool                     is_bar  = n->clock < TF_FEATURE_PLAN_BARS_MAX;
    uint32_t                 copy_on = is_bar ? TRIGGER_BAR + n->clock : TRIGGER_TICK;
    if (!is_copied(c, i) || copy_on != trigger) continue;
    *(*next)++ = (tf_feature_step_t){
        .out = (uint16_t)i, .in = {slot_of(l, c->entries[i].ref)}, .op = TF_FEATURE_COPY};
  }
  list.cnt = (uint32_t)(*next - list.steps);
  return list;
}

static void write_bars(const layout_t *l, tf_feature_plan_t *plan, tf_feature_field_t *fields,
                       tf_feature_step_t **next) {
  for (uint32_t b = 0; b < plan->bar_cnt; b++) {
    tf_feature_bar_t *bar = &plan->bars[b];
    bar->fields           = fields;
    bar->field_cnt        = 0;
    for (uint32_t i = 0; i < l->c->node_cnt; i++) {
      const tf_feature_node_t *n = &l->c->nodes[i];
      if (n->kind != TF_FEATURE_NODE_FIELD || n->clock != b) continue;
      *fields++ = (tf_feature_field_t){(uint16_t)l->slots[i], (uint16_t)n->field};
      bar->field_cnt++;
    }
    bar->steps = write_list(l, TRIGGER_BAR + b, next);
  }
}

static uint32_t write_starts(const layout_t *l, tf_feature_start_t *starts) {
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < l->c->node_cnt; i++) {
    const tf_feature_node_t *n = &l->c->nodes[i];
    if (!n->indicator && n->kind != TF_FEATURE_NODE_CONST) continue;
    tf_feature_start_t *start = &starts[cnt++];
    *start                    = (tf_feature_start_t){
                           .indicator    = n->indicator,
                           .state_offset = l->offsets[i],
                           .slot         = l->slots[i],
                           .value        = n->value,
    };
    memcpy(start->params, n->params, sizeof start->params);
  }
  return cnt;
}

/* The parts of the plan's one block, in their order. */
typedef struct parts {
  size_t steps_at, bars_at, fields_at, starts_at, names_at, bytes;
} parts_t;

static parts_t measure(const tf_feature_compile_t *c) {
  parts_t  p        = {0};
  uint32_t step_cnt = c->entry_cnt;
  for (uint32_t i = 0; i < c->node_cnt; i++) {
    for (uint32_t t = 0; t < TRIGGER_BAR + c->env.bar_cnt; t++)
      step_cnt += runs_on(&c->nodes[i], t);
  }
  p.bars_at   = tf_align_up(step_cnt * sizeof(tf_feature_step_t), TF_LINE_BYTES);
  p.fields_at = tf_align_up(p.bars_at + c->env.bar_cnt * sizeof(tf_feature_bar_t), TF_LINE_BYTES);
  p.starts_at = tf_align_up(p.fields_at + c->node_cnt * sizeof(tf_feature_field_t), TF_LINE_BYTES);
  p.names_at  = tf_align_up(p.starts_at + c->node_cnt * sizeof(tf_feature_start_t), TF_LINE_BYTES);
  p.bytes = tf_align_up(p.names_at + (c->entry_cnt + 1) * sizeof(tf_feature_name_t), TF_LINE_BYTES);
  return p;
}

static tf_err_t write_plan(const layout_t *l, tf_feature_plan_t *plan) {
  const tf_feature_compile_t *c     = l->c;
  parts_t                     parts = measure(c);
  uint8_t                    *block = aligned_alloc(TF_LINE_BYTES, parts.bytes);
  if (!block) return TF_ERR(E_CORE_NO_MEMORY, "%zu bytes for the feature plan", parts.bytes);
  memset(block, 0, parts.bytes);
  tf_feature_step_t *next = (tf_feature_step_t *)(void *)(block + parts.steps_at);
  *plan                   = (tf_feature_plan_t){
                        .bars        = (tf_feature_bar_t *)(void *)(block + parts.bars_at),
                        .bar_cnt     = c->env.bar_cnt,
                        .feature_cnt = c->entry_cnt,
                        .listed_cnt  = c->listed_cnt,
                        .slot_cnt    = l->slot_cnt,
                        .mem_bytes   = l->mem_bytes,
                        .names       = (tf_feature_name_t *)(void *)(block + parts.names_at),
                        .block       = block,
  };
  plan->tick_market = write_list(l, TRIGGER_MARKET, &next);
  plan->tick_steps  = write_list(l, TRIGGER_TICK, &next);
  plan->on_trade    = write_list(l, TRIGGER_TRADE, &next);
  plan->on_quote    = write_list(l, TRIGGER_QUOTE, &next);
  plan->on_book     = write_list(l, TRIGGER_BOOK, &next);
  write_bars(l, plan, (tf_feature_field_t *)(void *)(block + parts.fields_at), &next);
  TF_ASSERT((uint8_t *)next <= block + parts.bars_at);
  tf_feature_start_t *starts = (tf_feature_start_t *)(void *)(block + parts.starts_at);
  plan->starts               = starts;
  plan->start_cnt            = write_starts(l, starts);
  for (uint32_t i = 0; i < c->entry_cnt; i++) plan->names[i] = c->entries[i].text;
  return TF_OK;
}

tf_err_t tf_feature_compile_finish(const tf_feature_compile_t *compile, tf_feature_plan_t *plan) {
  layout_t l = {.c = compile};
  *plan      = (tf_feature_plan_t){0};
  l.slots    = calloc(compile->node_cnt + 1, sizeof *l.slots);
  l.offsets  = calloc(compile->node_cnt + 1, sizeof *l.offsets);
  tf_err_t err;
  if (l.slots && l.offsets) {
    err = place(&l);
    if (err == TF_OK) err = write_plan(&l, plan);
  } else {
    err = TF_ERR(E_CORE_NO_MEMORY, "%u values of the feature plan", compile->node_cnt);
  }
  free(l.offsets);
  free(l.slots);
  return err;
}
