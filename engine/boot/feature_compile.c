#include "boot/feature_compile.h"

#include <string.h>

#include "boot/feature_resolve.h"
#include "core/error.h"
#include "tf/model.h"

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
  TF_ASSERT(d->peers_max ? d->series_cnt == 0 : !(d->on & TF_ON_PEER));
}

static void check_cross(const tf_cross_t *d) {
  TF_ASSERT(d && d->name && d->help && d->origin && d->value && d->member_min >= 1);
  TF_ASSERT(d->param_cnt <= TF_CROSS_PARAMS_MAX && (d->param_cnt == 0 || d->params));
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
  for (uint32_t i = 0; i < env->peer_cnt; i++)
    TF_ASSERT(tf_feature_compile_is_instrument(env->peers[i].instrument));
  for (uint32_t i = 0; i < env->indicator_cnt; i++) check_descriptor(env->indicators[i]);
  TF_ASSERT(!env->crosses || env->crosses->cross_cnt <= UINT8_MAX);
  for (uint32_t i = 0; env->crosses && i < env->crosses->cross_cnt; i++)
    check_cross(env->crosses->crosses[i]);
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
    tf_feature_resolve_rewind(c, node_cnt);
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
    tf_feature_resolve_rewind(c, node_cnt);
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
  if (err != TF_OK || !add) tf_feature_resolve_rewind(c, node_cnt);
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
  tf_feature_resolve_rewind(c, node_cnt);
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
