#include "boot/feature_resolve.h"

#include <stdarg.h>
#include <string.h>

#include "core/error.h"
#include "core/nearest.h"
#include "tf/policy.h"

enum { LEVEL_PEER, LEVEL_SUM, LEVEL_PRODUCT, LEVEL_SIGN, LEVEL_WHOLE };

#define KNOWN_MAX 512 /* names offered to "did you mean" */

#define WORD_(id, name) name,
static const char *const RULE_WORDS[] = {TF_RULE_SLOTS(WORD_)};
#undef WORD_
static const char *const FUNCTIONS[]   = {"abs", "min", "max", "peek"};
static const char *const LOGIC_WORDS[] = {"and", "or", "not"};

static bool is_one_of(const char *name, const char *const *words, size_t cnt) {
  for (size_t i = 0; i < cnt; i++) {
    if (strcmp(name, words[i]) == 0) return true;
  }
  return false;
}

static const tf_indicator_t *indicator_of(const tf_feature_compile_t *c, const char *name) {
  for (uint32_t i = 0; i < c->env.indicator_cnt; i++) {
    const tf_indicator_t *d = c->env.indicators[i];
    if (strcmp(d->name, name) == 0 || (d->alias && strcmp(d->alias, name) == 0)) return d;
  }
  return NULL;
}

static const tf_cross_t *cross_of(const tf_feature_compile_t *c, const char *name, uint32_t *idx) {
  const tf_cross_table_t *table = c->env.crosses;
  for (uint32_t i = 0; table && i < table->cross_cnt; i++) {
    *idx = i;
    if (strcmp(table->crosses[i]->name, name) == 0) return table->crosses[i];
  }
  return NULL;
}

static uint32_t bar_of(const tf_feature_compile_t *c, const char *name) {
  for (uint32_t b = 0; b < c->env.bar_cnt; b++) {
    if (strcmp(c->env.bar_names[b], name) == 0) return b;
  }
  return TF_FEATURE_COMPILE_NONE;
}

static uint32_t field_of(const char *name) {
  for (uint32_t f = 0; f < TF_FEATURE_BAR_FIELD_CNT; f++) {
    if (strcmp(tf_feature_plan_bar_fields[f], name) == 0) return f;
  }
  return TF_FEATURE_COMPILE_NONE;
}

static const tf_feature_entry_t *alias_of(const tf_feature_compile_t *c, const char *name) {
  for (uint32_t i = 0; i < c->entry_cnt; i++) {
    if (c->entries[i].alias[0] && strcmp(c->entries[i].alias, name) == 0) return &c->entries[i];
  }
  return NULL;
}

const char *tf_feature_resolve_taken(const tf_feature_compile_t *c, const char *name) {
  uint32_t idx;
  if (indicator_of(c, name)) return "an indicator";
  if (cross_of(c, name, &idx)) return "a feature over all instruments";
  if (bar_of(c, name) != TF_FEATURE_COMPILE_NONE) return "a bar of this config";
  if (alias_of(c, name)) return "another feature's alias";
  if (is_one_of(name, RULE_WORDS, TF_ARRAY_CNT(RULE_WORDS)))
    return "what rules call the model's output";
  if (is_one_of(name, FUNCTIONS, TF_ARRAY_CNT(FUNCTIONS))) return "a function";
  if (is_one_of(name, LOGIC_WORDS, TF_ARRAY_CNT(LOGIC_WORDS))) return "an operator";
  if (c->env.plain_bar != TF_FEATURE_COMPILE_NONE && field_of(name) != TF_FEATURE_COMPILE_NONE) {
    return "a field of the bar";
  }
  return NULL;
}

/* ---- names ---- */

typedef struct writer {
  char  *buf; /* TF_FEATURE_PLAN_NAME_BYTES */
  size_t used;
} writer_t;

static void put(writer_t *w, const char *text) {
  size_t len = strlen(text);
  if (w->used + len < TF_FEATURE_PLAN_NAME_BYTES) memcpy(w->buf + w->used, text, len + 1);
  w->used += len; /* past the end: the name does not fit, and stays cut off */
}

static void put_ref(writer_t *w, const tf_feature_compile_t *c, tf_feature_ref_t ref,
                    uint8_t level_min) {
  const tf_feature_node_t *n = &c->nodes[ref.node];
  if (n->level < level_min) put(w, "(");
  put(w, n->name);
  if (n->output_cnt > 1) {
    put(w, ".");
    put(w, n->indicator->outputs[ref.output]);
  }
  if (n->kind == TF_FEATURE_NODE_MARKET && n->peer_cnt > 0) {
    put(w, "@");
    put(w, c->peers[n->peer_first].name);
  }
  if (n->level < level_min) put(w, ")");
}

bool tf_feature_resolve_name(const tf_feature_compile_t *c, tf_feature_ref_t ref, char *buf) {
  writer_t w = {buf, 0};
  buf[0]     = '\0';
  put_ref(&w, c, ref, 0);
  return w.used < TF_FEATURE_PLAN_NAME_BYTES;
}

static void put_number(writer_t *w, double value) {
  char text[40];
  tf_expr_number_text(value, text, sizeof text);
  put(w, text);
}

static void put_param(writer_t *w, const tf_param_spec_t *spec, double value) {
  char text[40];
  if (spec->kind == TF_PARAM_CHOICE) {
    put(w, spec->names[(uint32_t)value]);
    return;
  }
  if (spec->kind == TF_PARAM_DURATION) {
    tf_expr_duration_text(value, text, sizeof text);
  } else {
    tf_expr_number_text(value, text, sizeof text);
  }
  put(w, text);
}

/* ---- nodes ---- */

/* The node of this name if there is one, else n appended. */
static tf_err_t push(tf_feature_compile_t *c, const tf_expr_t *expr, uint32_t at,
                     const tf_feature_node_t *n, size_t name_len, tf_feature_ref_t *ref) {
  if (name_len >= TF_FEATURE_PLAN_NAME_BYTES) {
    return tf_expr_error(expr, at,
                         "written out with its defaults and aliases this takes %zu characters; at "
                         "most %d are allowed",
                         name_len, TF_FEATURE_PLAN_NAME_BYTES - 1);
  }
  ref->output = 0;
  for (uint32_t i = 0; i < c->node_cnt; i++) {
    if (strcmp(c->nodes[i].name, n->name) != 0 || c->nodes[i].peer_first != n->peer_first ||
        c->nodes[i].peer_cnt != n->peer_cnt)
      continue;
    ref->node = i;
    return TF_OK;
  }
  if (c->node_cnt == c->node_cap) {
    if (c->node_cap >= TF_FEATURE_RESOLVE_NODES_MAX) {
      return TF_ERR(E_CONFIG_CONFLICT, "the features need more than %d values; list fewer",
                    TF_FEATURE_RESOLVE_NODES_MAX);
    }
    uint32_t           cap   = c->node_cap ? c->node_cap * 2 : 64;
    tf_feature_node_t *nodes = realloc(c->nodes, cap * sizeof *nodes);
    if (!nodes) return TF_ERR(E_CORE_NO_MEMORY, "%zu bytes for features", cap * sizeof *nodes);
    c->nodes    = nodes;
    c->node_cap = cap;
  }
  ref->node           = c->node_cnt++;
  c->nodes[ref->node] = *n;
  return TF_OK;
}

static tf_err_t push_const(tf_feature_compile_t *c, const tf_expr_t *expr, uint32_t at,
                           double value, tf_feature_ref_t *ref) {
  tf_feature_node_t n = {
      .kind       = TF_FEATURE_NODE_CONST,
      .level      = value < 0 ? LEVEL_SIGN : LEVEL_WHOLE,
      .output_cnt = 1,
      .clock      = TF_FEATURE_CLOCK_NEVER,
      .value      = value,
  };
  writer_t w = {n.name, 0};
  put_number(&w, value);
  return push(c, expr, at, &n, w.used, ref);
}

static tf_err_t push_field(tf_feature_compile_t *c, const tf_expr_t *expr, uint32_t at,
                           uint32_t bar, uint32_t field, tf_feature_ref_t *ref) {
  tf_feature_node_t n = {
      .kind       = TF_FEATURE_NODE_FIELD,
      .level      = LEVEL_WHOLE,
      .output_cnt = 1,
      .clock      = bar,
      .field      = field,
  };
  writer_t w = {n.name, 0};
  if (bar != c->env.plain_bar) {
    put(&w, c->env.bar_names[bar]);
    put(&w, ".");
  }
  put(&w, tf_feature_plan_bar_fields[field]);
  return push(c, expr, at, &n, w.used, ref);
}

static uint32_t join_clocks(uint32_t a, uint32_t b) {
  if (a == TF_FEATURE_CLOCK_NEVER || a == b) return b;
  if (b == TF_FEATURE_CLOCK_NEVER) return a;
  if (a == TF_FEATURE_CLOCK_TICK || b == TF_FEATURE_CLOCK_TICK) return TF_FEATURE_CLOCK_TICK;
  return TF_FEATURE_CLOCK_MIXED;
}

/* ---- constants ---- */

static uint8_t op_of(const tf_expr_node_t *n) {
  switch (n->kind) {
  case TF_EXPR_NEG: return TF_FEATURE_NEG;
  case TF_EXPR_ADD: return TF_FEATURE_ADD;
  case TF_EXPR_SUB: return TF_FEATURE_SUB;
  case TF_EXPR_MUL: return TF_FEATURE_MUL;
  case TF_EXPR_DIV: return TF_FEATURE_DIV;
  default:
    return n->name[0] == 'a' ? TF_FEATURE_ABS : n->name[1] == 'i' ? TF_FEATURE_MIN : TF_FEATURE_MAX;
  }
}

/* Whether a subtree is made of plain numbers alone, and then its value. */
static bool constant_of(const tf_expr_t *expr, uint32_t node, double *value) {
  const tf_expr_node_t *n = &expr->nodes[node];
  double                a = 0, b = 0;
  if (n->peer[0]) return false;
  if (n->kind == TF_EXPR_NUMBER) {
    *value = n->value;
    return true;
  }
  bool is_call = n->kind == TF_EXPR_CALL && tf_feature_compile_is_pointwise(expr, node);
  if (!is_call && (n->kind < TF_EXPR_NEG || n->kind > TF_EXPR_DIV)) return false;
  if (n->child_cnt < 1 || !constant_of(expr, n->first, &a)) return false;
  if (n->child_cnt > 1 && !constant_of(expr, tf_expr_child(expr, node, 1), &b)) return false;
  *value = tf_feature_plan_compute_(op_of(n), a, b);
  return true;
}

/* ---- errors about names ---- */

static void known_add(const char **known, size_t *cnt, const char *name) {
  if (*cnt < KNOWN_MAX) known[(*cnt)++] = name;
}

static tf_err_t unknown_name(const tf_feature_compile_t *c, const tf_expr_t *expr,
                             const tf_expr_node_t *n) {
  const char *known[KNOWN_MAX];
  size_t      cnt    = 0;
  bool        called = n->kind == TF_EXPR_CALL;
  const char *what   = called ? "indicator" : "name";
  for (uint32_t i = 0; i < c->env.indicator_cnt; i++) {
    known_add(known, &cnt, c->env.indicators[i]->name);
  }
  for (uint32_t i = 0; c->env.crosses && i < c->env.crosses->cross_cnt; i++) {
    known_add(known, &cnt, c->env.crosses->crosses[i]->name);
  }
  if (called) {
    for (size_t i = 0; i < TF_ARRAY_CNT(FUNCTIONS); i++) known_add(known, &cnt, FUNCTIONS[i]);
  } else {
    for (uint32_t i = 0; i < c->entry_cnt; i++) {
      if (c->entries[i].alias[0]) known_add(known, &cnt, c->entries[i].alias);
    }
    for (uint32_t b = 0; b < c->env.bar_cnt; b++) known_add(known, &cnt, c->env.bar_names[b]);
    for (uint32_t f = 0;
         c->env.plain_bar != TF_FEATURE_COMPILE_NONE && f < TF_FEATURE_BAR_FIELD_CNT; f++) {
      known_add(known, &cnt, tf_feature_plan_bar_fields[f]);
    }
    for (size_t i = 0; c->in_rule && i < TF_ARRAY_CNT(RULE_WORDS); i++) {
      known_add(known, &cnt, RULE_WORDS[i]);
    }
  }
  const char *near = tf_nearest_name(n->name, known, cnt);
  if (near) {
    return tf_expr_error(expr, n->at, "unknown %s \"%s\", did you mean \"%s\"?", what, n->name,
                         near);
  }
  char   list[512];
  size_t used = 0;
  list[0]     = '\0';
  for (size_t i = 0; i < cnt && used + strlen(known[i]) + 8 < sizeof list; i++) {
    used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", known[i]);
  }
  return tf_expr_error(expr, n->at, "unknown %s \"%s\"; known are %s", what, n->name, list);
}

static tf_err_t unknown_field(const tf_expr_t *expr, const tf_expr_node_t *n,
                              const char *const *fields, size_t cnt) {
  char   list[256];
  size_t used = 0;
  list[0]     = '\0';
  for (size_t i = 0; i < cnt && used + strlen(fields[i]) + 3 < sizeof list; i++) {
    used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", fields[i]);
  }
  const char *near = tf_nearest_name(n->field, fields, cnt);
  return tf_expr_error(expr, n->field_at, "%s has no \"%s\"%s%s%s; it has %s", n->name, n->field,
                       near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "", list);
}

/* ---- arithmetic ---- */

/* The name of an operation over its inputs. */
static void put_arithmetic(writer_t *w, const tf_feature_compile_t *c, const tf_feature_node_t *n) {
  static const char *const SIGNS[] = {
      [TF_FEATURE_NEG] = "-",   [TF_FEATURE_ABS] = "abs", [TF_FEATURE_ADD] = "+",
      [TF_FEATURE_SUB] = "-",   [TF_FEATURE_MUL] = "*",   [TF_FEATURE_DIV] = "/",
      [TF_FEATURE_MIN] = "min", [TF_FEATURE_MAX] = "max"};
  const char *sign    = SIGNS[n->op];
  const bool  is_call = n->level == LEVEL_WHOLE;
  put(w, is_call || n->op == TF_FEATURE_NEG ? sign : "");
  put(w, is_call ? "(" : "");
  put_ref(w, c, n->in[0], is_call ? 0 : n->level);
  if (n->in_cnt == 2) {
    put(w, is_call ? "," : sign);
    put_ref(w, c, n->in[1], is_call ? 0 : (uint8_t)(n->level + 1));
  }
  put(w, is_call ? ")" : "");
}

static tf_err_t resolve_arithmetic(tf_feature_compile_t *c, const tf_expr_t *expr, uint32_t node,
                                   tf_feature_ref_t *ref) {
  const tf_expr_node_t *src    = &expr->nodes[node];
  uint8_t               op     = op_of(src);
  uint32_t              wanted = op == TF_FEATURE_ABS || op == TF_FEATURE_NEG ? 1 : 2;
  if (src->child_cnt != wanted) {
    return tf_expr_error(expr, src->at, "%s takes %u argument%s, found %u", src->name, wanted,
                         wanted == 1 ? "" : "s", src->child_cnt);
  }
  static const uint8_t LEVELS[] = {
      [TF_FEATURE_NEG] = LEVEL_SIGN,    [TF_FEATURE_ADD] = LEVEL_SUM,
      [TF_FEATURE_SUB] = LEVEL_SUM,     [TF_FEATURE_MUL] = LEVEL_PRODUCT,
      [TF_FEATURE_DIV] = LEVEL_PRODUCT, [TF_FEATURE_ABS] = LEVEL_WHOLE,
      [TF_FEATURE_MIN] = LEVEL_WHOLE,   [TF_FEATURE_MAX] = LEVEL_WHOLE};
  tf_feature_node_t n = {
      .kind       = TF_FEATURE_NODE_ARITHMETIC,
      .op         = op,
      .in_cnt     = (uint8_t)wanted,
      .level      = LEVELS[op],
      .output_cnt = 1,
      .clock      = TF_FEATURE_CLOCK_NEVER,
  };
  for (uint32_t i = 0; i < wanted; i++) {
    tf_err_t err = tf_feature_resolve(c, expr, tf_expr_child(expr, node, i), &n.in[i]);
    if (err != TF_OK) return err;
    n.clock = join_clocks(n.clock, c->nodes[n.in[i].node].clock);
  }
  writer_t w = {n.name, 0};
  put_arithmetic(&w, c, &n);
  return push(c, expr, src->at, &n, w.used, ref);
}

/* ---- indicators ---- */

static void param_range_text(const tf_param_spec_t *spec, char *buf, size_t bytes) {
  char from[40], to[40];
  bool is_duration = spec->kind == TF_PARAM_DURATION;
  if (is_duration) {
    tf_expr_duration_text(spec->min, from, sizeof from);
    tf_expr_duration_text(spec->max, to, sizeof to);
  } else {
    tf_expr_number_text(spec->min, from, sizeof from);
    tf_expr_number_text(spec->max, to, sizeof to);
  }
  snprintf(buf, bytes, "%s from %s to %s",
           is_duration                    ? "a duration such as 1s"
           : spec->kind == TF_PARAM_COUNT ? "a whole number"
                                          : "a number",
           from, to);
}

/* A choice: one of its words, or its place among them as TA-Lib's users write it. */
static bool choice_of(const tf_expr_node_t *n, const tf_param_spec_t *spec, double *value) {
  for (uint32_t i = 0; n->kind == TF_EXPR_NAME && !n->field[0] && i <= (uint32_t)spec->max; i++) {
    if (strcmp(spec->names[i], n->name) != 0) continue;
    *value = i;
    return true;
  }
  *value = n->value;
  return n->kind == TF_EXPR_NUMBER && *value >= spec->min && *value <= spec->max &&
         *value == __builtin_floor(*value);
}

static tf_err_t unknown_choice(const tf_expr_t *expr, const tf_expr_node_t *n, const char *found,
                               const char *called, const tf_param_spec_t *spec) {
  char        list[256];
  size_t      used = 0, cnt = (size_t)spec->max + 1;
  const char *near = n->kind == TF_EXPR_NAME ? tf_nearest_name(n->name, spec->names, cnt) : NULL;
  list[0]          = '\0';
  for (size_t i = 0; i < cnt && used + strlen(spec->names[i]) + 3 < sizeof list; i++) {
    used +=
        (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", spec->names[i]);
  }
  return tf_expr_error(expr, n->at, "found %s for %s of %s%s%s%s; it is one of %s", found,
                       spec->name, called, near ? ", did you mean \"" : "", near ? near : "",
                       near ? "\"?" : "", list);
}

static tf_err_t read_param(const tf_expr_t *expr, uint32_t arg, const char *called,
                           const tf_param_spec_t *spec, double *value) {
  const tf_expr_node_t *n = &expr->nodes[arg];
  char                  allowed[128], found[128];
  bool                  is_duration = n->kind == TF_EXPR_DURATION;
  if (!tf_expr_text(expr, arg, found, sizeof found)) memcpy(found, "that", 5);
  if (spec->kind == TF_PARAM_CHOICE)
    return choice_of(n, spec, value) ? TF_OK : unknown_choice(expr, n, found, called, spec);
  param_range_text(spec, allowed, sizeof allowed);
  bool known = is_duration || constant_of(expr, arg, value);
  if (is_duration) *value = n->value;
  bool fits = known && is_duration == (spec->kind == TF_PARAM_DURATION) && *value >= spec->min &&
              *value <= spec->max;
  if (fits && spec->kind == TF_PARAM_COUNT) fits = *value == __builtin_floor(*value);
  if (fits) return TF_OK;
  return tf_expr_error(expr, n->at, "found %s for %s of %s, which is %s", found, spec->name, called,
                       allowed);
}

/* Whether the call leaves its series out: rsi, rsi(14). */
static bool omits_series(const tf_expr_t *expr, const tf_expr_node_t *n) {
  double ignored;
  if (n->kind != TF_EXPR_CALL || n->child_cnt == 0) return true;
  return expr->nodes[n->first].kind == TF_EXPR_DURATION || constant_of(expr, n->first, &ignored);
}

static tf_err_t default_series(tf_feature_compile_t *c, const tf_expr_t *expr,
                               const tf_expr_node_t *src, const tf_indicator_t *indicator,
                               uint32_t i, tf_feature_ref_t *ref) {
  uint32_t field = indicator->series[i] ? field_of(indicator->series[i]) : TF_FEATURE_COMPILE_NONE;
  if (c->env.plain_bar == TF_FEATURE_COMPILE_NONE || field == TF_FEATURE_COMPILE_NONE) {
    const char *bar = c->env.bar_cnt > 0 ? c->env.bar_names[0] : NULL;
    if (bar && !c->env.bars_only) {
      return tf_expr_error(expr, src->at,
                           "%s needs a series to work on: write %s(mid) or "
                           "%s(%s.close)",
                           indicator->name, indicator->name, indicator->name, bar);
    }
    return tf_expr_error(expr, src->at, "%s needs a series to work on: write %s(%s)",
                         indicator->name, indicator->name, c->env.bars_only ? "close" : "mid");
  }
  return push_field(c, expr, src->at, c->env.plain_bar, field, ref);
}

static tf_err_t resolve_series(tf_feature_compile_t *c, const tf_expr_t *expr, uint32_t node,
                               const tf_indicator_t *indicator, tf_feature_node_t *n,
                               uint32_t *arg_cnt) {
  const tf_expr_node_t *src   = &expr->nodes[node];
  bool                  omits = omits_series(expr, src);
  for (uint32_t i = 0; i < indicator->series_cnt; i++) {
    tf_err_t err;
    uint32_t arg = omits ? TF_EXPR_NONE : tf_expr_child(expr, node, i);
    if (omits) {
      err = default_series(c, expr, src, indicator, i, &n->in[i]);
    } else if (arg == TF_EXPR_NONE) {
      return tf_expr_error(expr, src->at, "%s takes %u series, found %u", indicator->name,
                           indicator->series_cnt, i);
    } else {
      err = tf_feature_resolve(c, expr, arg, &n->in[i]);
    }
    if (err != TF_OK) return err;
    uint32_t clock = c->nodes[n->in[i].node].clock;
    if (clock == TF_FEATURE_CLOCK_NEVER) {
      return tf_expr_error(expr, expr->nodes[arg].at, "found a number, expected a series for %s",
                           indicator->name);
    }
    n->clock = join_clocks(n->clock, clock);
  }
  if (n->clock == TF_FEATURE_CLOCK_MIXED) {
    return tf_expr_error(expr, src->at,
                         "%s has inputs from different bars, which close at different times: use "
                         "one bar, or add a tick's value such as mid",
                         indicator->name);
  }
  *arg_cnt = omits ? 0 : indicator->series_cnt;
  return TF_OK;
}

static tf_err_t resolve_output(const tf_expr_t *expr, const tf_expr_node_t *src,
                               const tf_indicator_t *indicator, uint32_t *output) {
  *output = 0;
  if (!src->field[0]) return TF_OK;
  for (uint32_t o = 0; o < indicator->output_cnt; o++) {
    if (strcmp(indicator->outputs[o], src->field) != 0) continue;
    *output = o;
    return TF_OK;
  }
  return unknown_field(expr, src, indicator->outputs, indicator->output_cnt);
}

/* What an indicator that reads other instruments is to read. */
static tf_err_t indicators_peers(tf_feature_compile_t *c, const tf_expr_t *expr,
                                 const tf_expr_node_t *src, const tf_indicator_t *indicator,
                                 tf_feature_node_t *n) {
  if (!src->peer[0])
    return tf_expr_error(expr, src->at,
                         "%s reads another instrument; say which, as in %s@NAME with a name under "
                         "peers, or %s@ETHUSDT.BINANCE-SPOT",
                         src->name, src->name, src->name);
  n->level     = LEVEL_PEER;
  tf_err_t err = tf_feature_peer_find(c, expr, src, &n->peer_first, &n->peer_cnt);
  if (err != TF_OK || n->peer_cnt <= indicator->peers_max) return err;
  return tf_expr_error(expr, src->peer_at, "%s names %u instruments, %s reads at most %u",
                       src->peer, n->peer_cnt, indicator->name, indicator->peers_max);
}

static tf_err_t resolve_indicator(tf_feature_compile_t *c, const tf_expr_t *expr, uint32_t node,
                                  const tf_indicator_t *indicator, tf_feature_ref_t *ref) {
  const tf_expr_node_t *src = &expr->nodes[node];
  tf_feature_node_t     n   = {
            .kind       = indicator->series_cnt ? TF_FEATURE_NODE_SERIES : TF_FEATURE_NODE_MARKET,
            .op         = TF_FEATURE_CALL,
            .in_cnt     = indicator->series_cnt,
            .level      = LEVEL_WHOLE,
            .output_cnt = indicator->output_cnt,
            .clock      = indicator->series_cnt ? TF_FEATURE_CLOCK_NEVER : TF_FEATURE_CLOCK_TICK,
            .indicator  = indicator,
  };
  uint32_t taken = 0, output;
  tf_err_t err;
  if (c->env.bars_only && indicator->series_cnt == 0) {
    return tf_expr_error(expr, src->at, "%s needs ticks; there are only bars here",
                         indicator->name);
  }
  if (indicator->peers_max > 0) {
    err = indicators_peers(c, expr, src, indicator, &n);
    if (err != TF_OK) return err;
  }
  err = resolve_series(c, expr, node, indicator, &n, &taken);
  if (err != TF_OK) return err;
  if (src->child_cnt > taken + indicator->param_cnt) {
    uint32_t extra = tf_expr_child(expr, node, taken + indicator->param_cnt);
    return tf_expr_error(expr, expr->nodes[extra].at, "%s takes at most %u argument%s, found %u",
                         indicator->name, taken + indicator->param_cnt,
                         taken + indicator->param_cnt == 1 ? "" : "s", src->child_cnt);
  }
  for (uint32_t p = 0; p < indicator->param_cnt; p++) {
    uint32_t arg = tf_expr_child(expr, node, taken + p);
    n.params[p]  = indicator->params[p].dflt;
    if (arg == TF_EXPR_NONE) continue;
    err = read_param(expr, arg, indicator->name, &indicator->params[p], &n.params[p]);
    if (err != TF_OK) return err;
  }
  err = resolve_output(expr, src, indicator, &output);
  if (err != TF_OK) return err;

  writer_t w = {n.name, 0};
  put(&w, indicator->name);
  for (uint32_t i = 0; i < indicator->series_cnt; i++) {
    put(&w, i ? "," : "(");
    put_ref(&w, c, n.in[i], 0);
  }
  for (uint32_t p = 0; p < indicator->param_cnt; p++) {
    put(&w, indicator->series_cnt + p ? "," : "(");
    put_param(&w, &indicator->params[p], n.params[p]);
  }
  put(&w, indicator->series_cnt + indicator->param_cnt ? ")" : "");
  err         = push(c, expr, src->at, &n, w.used, ref);
  ref->output = output;
  return err;
}

/* ---- crosses ---- */

static tf_err_t check_cross(const tf_feature_compile_t *c, const tf_expr_t *expr,
                            const tf_expr_node_t *src, const tf_cross_t *cross) {
  if (c->env.bars_only)
    return tf_expr_error(expr, src->at,
                         "%s compares instruments, and there is one series of bars here",
                         cross->name);
  if (src->kind != TF_EXPR_CALL || src->child_cnt == 0)
    return tf_expr_error(expr, src->at, "%s needs a value to compare: write %s(mid)", cross->name,
                         cross->name);
  if (src->field[0]) return tf_expr_error(expr, src->field_at, "%s has no fields", cross->name);
  if (src->child_cnt > 1 + (uint32_t)cross->param_cnt)
    return tf_expr_error(expr, src->at, "%s takes at most %u argument%s, found %u", cross->name,
                         1 + cross->param_cnt, cross->param_cnt ? "s" : "", src->child_cnt);
  return TF_OK;
}

/* cs_rank(x): where x stands among its values in all instruments. */
static tf_err_t resolve_cross(tf_feature_compile_t *c, const tf_expr_t *expr, uint32_t node,
                              uint32_t idx, tf_feature_ref_t *ref) {
  const tf_cross_t     *cross = c->env.crosses->crosses[idx];
  const tf_expr_node_t *src   = &expr->nodes[node];
  tf_feature_node_t     n     = {
              .kind       = TF_FEATURE_NODE_CROSS,
              .in_cnt     = 1,
              .level      = LEVEL_WHOLE,
              .output_cnt = 1,
              .clock      = TF_FEATURE_CLOCK_TICK,
              .cross      = idx,
  };
  tf_err_t err = check_cross(c, expr, src, cross);
  if (err == TF_OK) err = tf_feature_resolve(c, expr, src->first, &n.in[0]);
  if (err != TF_OK) return err;
  if (c->nodes[n.in[0].node].clock == TF_FEATURE_CLOCK_NEVER)
    return tf_expr_error(expr, expr->nodes[src->first].at,
                         "found a number, which is the same of every instrument");
  writer_t w = {n.name, 0};
  put(&w, cross->name);
  put(&w, "(");
  put_ref(&w, c, n.in[0], 0);
  for (uint32_t p = 0; p < cross->param_cnt; p++) {
    uint32_t arg = tf_expr_child(expr, node, 1 + p);
    n.params[p]  = cross->params[p].dflt;
    if (arg != TF_EXPR_NONE)
      err = read_param(expr, arg, cross->name, &cross->params[p], &n.params[p]);
    if (err != TF_OK) return err;
    put(&w, ",");
    put_param(&w, &cross->params[p], n.params[p]);
  }
  put(&w, ")");
  return push(c, expr, src->at, &n, w.used, ref);
}

/* ---- peek ---- */

static tf_err_t mirror(tf_feature_compile_t *c, const tf_expr_t *expr, uint32_t at,
                       tf_feature_ref_t of, tf_feature_ref_t *ref) {
  tf_feature_node_t n = c->nodes[of.node];
  writer_t          w = {n.name, 0};
  *ref                = of;
  if (n.clock == TF_FEATURE_CLOCK_NEVER) return TF_OK;
  if (n.clock == TF_FEATURE_CLOCK_TICK)
    return tf_expr_error(expr, at,
                         "%s moves with each tick already: peek takes what bars alone move, as in "
                         "peek(%s.close)",
                         n.name, c->env.bar_cnt > 0 ? c->env.bar_names[0] : "s1");
  for (uint32_t i = 0; i < n.in_cnt; i++) {
    tf_err_t err = mirror(c, expr, at, n.in[i], &n.in[i]);
    if (err != TF_OK) return err;
  }
  if (n.kind == TF_FEATURE_NODE_ARITHMETIC) {
    put_arithmetic(&w, c, &n);
  } else {
    n.of   = n.kind == TF_FEATURE_NODE_FIELD ? n.clock : of.node;
    n.op   = n.kind == TF_FEATURE_NODE_FIELD ? n.op : TF_FEATURE_PEEK;
    n.kind = n.kind == TF_FEATURE_NODE_FIELD ? TF_FEATURE_NODE_OPEN : TF_FEATURE_NODE_PEEK;
    put(&w, "peek(");
    put(&w, c->nodes[of.node].name);
    put(&w, ")");
  }
  n.clock      = TF_FEATURE_CLOCK_TICK;
  tf_err_t err = push(c, expr, at, &n, w.used, ref);
  ref->output  = of.output;
  return err;
}

/* peek(x), peek(x).output: what x would be if the open bar closed now. */
static tf_err_t resolve_peek(tf_feature_compile_t *c, const tf_expr_t *expr, uint32_t node,
                             tf_feature_ref_t *ref) {
  const tf_expr_node_t *src = &expr->nodes[node];
  tf_feature_ref_t      of;
  if (src->child_cnt != 1)
    return tf_expr_error(expr, src->at, "peek takes 1 argument, found %u", src->child_cnt);
  if (c->env.bars_only)
    return tf_expr_error(expr, src->at,
                         "peek looks into an open bar; there are only closed ones here");
  tf_err_t err = tf_feature_resolve(c, expr, src->first, &of);
  if (err == TF_OK) err = mirror(c, expr, expr->nodes[src->first].at, of, ref);
  if (err != TF_OK || !src->field[0]) return err;
  const tf_indicator_t *indicator = c->nodes[ref->node].indicator;
  if (!indicator || expr->nodes[src->first].field[0])
    return tf_expr_error(expr, src->field_at, "peek has no fields but the outputs of an indicator");
  return resolve_output(expr, src, indicator, &ref->output);
}

/* ---- names and calls ---- */

static tf_err_t resolve_name(tf_feature_compile_t *c, const tf_expr_t *expr, uint32_t node,
                             tf_feature_ref_t *ref) {
  const tf_expr_node_t     *n     = &expr->nodes[node];
  uint32_t                  bar   = n->kind == TF_EXPR_NAME ? bar_of(c, n->name) : UINT32_MAX;
  const tf_feature_entry_t *alias = n->kind == TF_EXPR_NAME ? alias_of(c, n->name) : NULL;
  uint32_t                  cross;
  if (bar != TF_FEATURE_COMPILE_NONE) {
    if (!n->field[0]) {
      return tf_expr_error(expr, n->at, "%s is a bar; name one of its fields, as in %s.close",
                           n->name, n->name);
    }
    uint32_t field = field_of(n->field);
    if (field != TF_FEATURE_COMPILE_NONE) return push_field(c, expr, n->at, bar, field, ref);
    return unknown_field(expr, n, tf_feature_plan_bar_fields, TF_FEATURE_BAR_FIELD_CNT);
  }
  if (alias) {
    if (n->field[0]) {
      return tf_expr_error(expr, n->field_at, "%s is a feature's alias and has no fields", n->name);
    }
    *ref = alias->ref;
    return TF_OK;
  }
  if (n->kind == TF_EXPR_NAME && !n->field[0] && c->env.plain_bar != TF_FEATURE_COMPILE_NONE &&
      field_of(n->name) != TF_FEATURE_COMPILE_NONE) {
    return push_field(c, expr, n->at, c->env.plain_bar, field_of(n->name), ref);
  }
  const tf_indicator_t *indicator = indicator_of(c, n->name);
  if (indicator) return resolve_indicator(c, expr, node, indicator, ref);
  if (cross_of(c, n->name, &cross)) return resolve_cross(c, expr, node, cross, ref);
  if (n->kind == TF_EXPR_CALL && strcmp(n->name, "peek") == 0)
    return resolve_peek(c, expr, node, ref);
  if (is_one_of(n->name, RULE_WORDS, TF_ARRAY_CNT(RULE_WORDS))) {
    return tf_expr_error(expr, n->at,
                         c->in_rule
                             ? "%s is the model's output of this tick: it has no history "
                               "and no fields (to bound it write min(5, score))"
                             : "%s is known to rules only; a feature is what the model reads",
                         n->name);
  }
  if (n->kind == TF_EXPR_NAME && is_one_of(n->name, FUNCTIONS, TF_ARRAY_CNT(FUNCTIONS))) {
    return tf_expr_error(expr, n->at, "%s needs arguments: write %s(%s)", n->name, n->name,
                         strcmp(n->name, "peek") == 0 ? "s1.close" : "mid");
  }
  return unknown_name(c, expr, n);
}

/* The subtree as it is of the own instrument. */
static tf_err_t resolve_own(tf_feature_compile_t *c, const tf_expr_t *expr, uint32_t node,
                            tf_feature_ref_t *ref) {
  const tf_expr_node_t *n = &expr->nodes[node];
  double                value;
  if (constant_of(expr, node, &value)) {
    if (value == value) return push_const(c, expr, n->at, value, ref);
    return tf_expr_error(expr, n->at,
                         "found a division by zero or a number beyond a double's range");
  }
  if (n->kind == TF_EXPR_DURATION) {
    return tf_expr_error(expr, n->at,
                         "found a duration; one is only allowed as a parameter, as in "
                         "ofi(1s)");
  }
  if (tf_feature_compile_is_pointwise(expr, node)) {
    if (n->field[0]) return tf_expr_error(expr, n->field_at, "%s has no fields", n->name);
    return resolve_arithmetic(c, expr, node, ref);
  }
  if (n->kind == TF_EXPR_NAME || n->kind == TF_EXPR_CALL) return resolve_name(c, expr, node, ref);
  if (n->kind >= TF_EXPR_NEG && n->kind <= TF_EXPR_DIV) {
    return resolve_arithmetic(c, expr, node, ref);
  }
  return tf_expr_error(expr, n->at, "found a condition, expected a number");
}

/* The value that the subtree has in another instrument. */
static tf_err_t resolve_peer(tf_feature_compile_t *c, const tf_expr_t *expr, uint32_t node,
                             tf_feature_ref_t *ref) {
  const tf_expr_node_t *src = &expr->nodes[node];
  tf_feature_node_t     n   = {
            .kind       = TF_FEATURE_NODE_PEER,
            .in_cnt     = 1,
            .level      = LEVEL_PEER,
            .output_cnt = 1,
            .clock      = TF_FEATURE_CLOCK_TICK,
  };
  tf_err_t err = resolve_own(c, expr, node, &n.in[0]);
  if (err != TF_OK) return err;
  if (c->nodes[n.in[0].node].clock == TF_FEATURE_CLOCK_NEVER)
    return tf_expr_error(expr, src->at, "found a constant, which is the same of every instrument");
  err = tf_feature_peer_find(c, expr, src, &n.peer_first, &n.peer_cnt);
  if (err != TF_OK) return err;
  if (n.peer_cnt > 1)
    return tf_expr_error(expr, src->peer_at,
                         "%s names %u instruments, and this is the value of one: name one, or ask "
                         "for cbbo@%s",
                         src->peer, n.peer_cnt, src->peer);
  writer_t w = {n.name, 0};
  put_ref(&w, c, n.in[0], LEVEL_WHOLE);
  put(&w, "@");
  put(&w, src->peer);
  return push(c, expr, src->at, &n, w.used, ref);
}

tf_err_t tf_feature_resolve(tf_feature_compile_t *c, const tf_expr_t *expr, uint32_t node,
                            tf_feature_ref_t *ref) {
  const tf_expr_node_t *n = &expr->nodes[node];
  if (!n->peer[0]) return resolve_own(c, expr, node, ref);
  if (c->env.bars_only)
    return tf_expr_error(expr, n->peer_at,
                         "there is one series of bars here and no other instrument");
  bool                  is_name   = n->kind == TF_EXPR_NAME || n->kind == TF_EXPR_CALL;
  const tf_indicator_t *indicator = is_name ? indicator_of(c, n->name) : NULL;
  if (indicator && indicator->peers_max > 0) return resolve_own(c, expr, node, ref);
  return resolve_peer(c, expr, node, ref);
}
