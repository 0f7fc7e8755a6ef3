#include "boot/rule.h"

#include <string.h>

#include "core/error.h"

/* One walk for both calls: with rule NULL it only collects features. */
typedef struct walk {
  tf_feature_compile_t *compile;
  const tf_expr_t      *expr;
  tf_rule_t            *rule;
  uint32_t              depth; /* of the stack, at this point of the program */
} walk_t;

static tf_err_t emit(walk_t *w, uint32_t at, uint8_t op, uint32_t slot_idx, double value,
                     int depth_change) {
  w->depth = (uint32_t)((int)w->depth + depth_change);
  if (!w->rule) return TF_OK;
  if (w->rule->step_cnt == TF_RULE_OPS_MAX) {
    return tf_expr_error(w->expr, at,
                         "the rule takes more than %d steps; let a feature compute a "
                         "part of it",
                         TF_RULE_OPS_MAX);
  }
  if (w->depth > TF_RULE_DEPTH_MAX) {
    return tf_expr_error(w->expr, at,
                         "the rule nests more than %d values deep; reorder it so that "
                         "the longer side of an operator comes first",
                         TF_RULE_DEPTH_MAX);
  }
  w->rule->steps[w->rule->step_cnt++] =
      (tf_rule_step_t){.op = op, .slot_idx = slot_idx, .value = value};
  if (w->depth > w->rule->depth) w->rule->depth = w->depth;
  return TF_OK;
}

static tf_err_t load_feature(walk_t *w, uint32_t node) {
  uint32_t idx, at = w->expr->nodes[node].at;
  tf_err_t err = tf_feature_compile_subtree(w->compile, w->expr, node, w->rule == NULL, &idx);
  if (err != TF_OK) return err;
  if (idx == TF_FEATURE_COMPILE_NONE) {
    return tf_expr_error(w->expr, at, "found a feature that no tf_rule_collect has announced");
  }
  return emit(w, at, TF_RULE_LOAD, TF_RULE_SLOT_FEATURES + idx, 0, 1);
}

/* score, p10, p90, position, unless fields or arguments make it something else. */
static bool output_slot(const tf_expr_node_t *n, uint32_t *slot_idx) {
  static const char *const NAMES[] = {
#define NAME_(id, name) name,
      TF_RULE_SLOTS(NAME_)
#undef NAME_
  };
  if (n->kind != TF_EXPR_NAME || n->field[0] || n->peer[0]) return false;
  for (uint32_t i = 0; i < TF_ARRAY_CNT(NAMES); i++) {
    if (strcmp(n->name, NAMES[i]) != 0) continue;
    *slot_idx = i;
    return true;
  }
  return false;
}

static bool names_output(const tf_expr_t *expr, uint32_t node) {
  uint32_t slot;
  if (output_slot(&expr->nodes[node], &slot)) return true;
  for (uint32_t k = expr->nodes[node].first; k != TF_EXPR_NONE; k = expr->nodes[k].next) {
    if (names_output(expr, k)) return true;
  }
  return false;
}

static uint8_t op_of(const tf_expr_node_t *n) {
  static const uint8_t OPS[] = {
      [TF_EXPR_NEG] = TF_RULE_NEG, [TF_EXPR_ADD] = TF_RULE_ADD, [TF_EXPR_SUB] = TF_RULE_SUB,
      [TF_EXPR_MUL] = TF_RULE_MUL, [TF_EXPR_DIV] = TF_RULE_DIV, [TF_EXPR_LT] = TF_RULE_LT,
      [TF_EXPR_LE] = TF_RULE_LE,   [TF_EXPR_GT] = TF_RULE_GT,   [TF_EXPR_GE] = TF_RULE_GE,
      [TF_EXPR_EQ] = TF_RULE_EQ,   [TF_EXPR_NE] = TF_RULE_NE,   [TF_EXPR_NOT] = TF_RULE_NOT,
      [TF_EXPR_AND] = TF_RULE_AND, [TF_EXPR_OR] = TF_RULE_OR};
  if (n->kind != TF_EXPR_CALL) return OPS[n->kind];
  return n->name[0] == 'a' ? TF_RULE_ABS : n->name[1] == 'i' ? TF_RULE_MIN : TF_RULE_MAX;
}

static tf_err_t walk_node(walk_t *w, uint32_t node);

static tf_err_t walk_operator(walk_t *w, uint32_t node) {
  const tf_expr_node_t *n      = &w->expr->nodes[node];
  uint8_t               op     = op_of(n);
  bool                  is_one = op == TF_RULE_NEG || op == TF_RULE_NOT || op == TF_RULE_ABS;
  uint32_t              wanted = is_one ? 1 : 2;
  if (n->kind == TF_EXPR_CALL && (n->child_cnt != wanted || n->field[0])) {
    return tf_expr_error(w->expr, n->at, "%s takes %u argument%s and has no fields, found %u",
                         n->name, wanted, wanted == 1 ? "" : "s", n->child_cnt);
  }
  for (uint32_t k = n->first; k != TF_EXPR_NONE; k = w->expr->nodes[k].next) {
    tf_err_t err = walk_node(w, k);
    if (err != TF_OK) return err;
  }
  return emit(w, n->at, op, 0, 0, is_one ? 0 : -1);
}

/* Arithmetic over features alone may be a listed feature as a whole. */
static bool listed_as_a_whole(walk_t *w, uint32_t node) {
  const tf_expr_node_t *n = &w->expr->nodes[node];
  uint32_t              idx;
  if (n->is_condition || names_output(w->expr, node)) return false;
  return tf_feature_compile_subtree(w->compile, w->expr, node, false, &idx) == TF_OK &&
         idx != TF_FEATURE_COMPILE_NONE;
}

static tf_err_t walk_node(walk_t *w, uint32_t node) {
  const tf_expr_node_t *n = &w->expr->nodes[node];
  uint32_t              slot_idx;
  if (n->kind == TF_EXPR_NUMBER) return emit(w, n->at, TF_RULE_CONST, 0, n->value, 1);
  if (n->kind == TF_EXPR_DURATION) {
    return tf_expr_error(w->expr, n->at,
                         "found a duration, expected a number; durations are "
                         "parameters, as in ofi(1s)");
  }
  if (n->peer[0]) return load_feature(w, node);
  if (output_slot(n, &slot_idx)) return emit(w, n->at, TF_RULE_LOAD, slot_idx, 0, 1);
  bool is_operator = n->kind >= TF_EXPR_NEG || tf_feature_compile_is_pointwise(w->expr, node);
  if (!is_operator || listed_as_a_whole(w, node)) return load_feature(w, node);
  return walk_operator(w, node);
}

static tf_err_t walk_text(tf_feature_compile_t *compile, const tf_expr_origin_t *origin,
                          const char *text, tf_rule_t *rule) {
  if (rule) *rule = (tf_rule_t){0};
  if (text[strspn(text, " \t\r\n")] == '\0') return TF_OK;
  tf_expr_t *expr = malloc(sizeof *expr);
  if (!expr) return TF_ERR(E_CORE_NO_MEMORY, "%zu bytes to parse a rule", sizeof *expr);
  tf_err_t err = tf_expr_parse(expr, TF_EXPR_RULE, origin, text);
  walk_t   w   = {.compile = compile, .expr = expr, .rule = rule};
  if (err == TF_OK) err = walk_node(&w, expr->root);
  if (err != TF_OK && rule) *rule = (tf_rule_t){0};
  free(expr);
  return err;
}

tf_err_t tf_rule_collect(tf_feature_compile_t *compile, const tf_expr_origin_t *origin,
                         const char *text) {
  return walk_text(compile, origin, text, NULL);
}

tf_err_t tf_rule_compile(tf_feature_compile_t *compile, const tf_expr_origin_t *origin,
                         const char *text, tf_rule_t *rule) {
  return walk_text(compile, origin, text, rule);
}
