#include "boot/expr.h"

#include <stdarg.h>
#include <string.h>

#include "core/error.h"

typedef enum tok_kind {
  TOK_END,
  TOK_NUMBER,
  TOK_DURATION,
  TOK_NAME,
  TOK_OPERATOR, /* of expr_kind */
  TOK_MINUS,
  TOK_OPEN,
  TOK_CLOSE,
  TOK_COMMA,
  TOK_DOT,
  TOK_COLON,
  TOK_AT
} tok_kind_t;

typedef struct tok {
  tok_kind_t kind;
  uint32_t   at, len;
  uint8_t    op; /* tf_expr_kind_t of TOK_OPERATOR and TOK_MINUS (TF_EXPR_SUB) */
  double     value;
} tok_t;

typedef struct parser {
  tf_expr_t     *expr;
  tf_expr_mode_t mode;
  uint32_t       pos; /* of the byte after tok */
  uint32_t       depth;
  tok_t          tok;
} parser_t;

typedef struct operator_row {
  uint8_t     kind;
  const char *text;
  int         level; /* how tightly it binds, for parsing and printing */
} operator_row_t;

enum {
  LEVEL_OR = 1,
  LEVEL_AND,
  LEVEL_NOT,
  LEVEL_COMPARE,
  LEVEL_SUM,
  LEVEL_TERM,
  LEVEL_PREFIX,
  LEVEL_PRIMARY
};

static const operator_row_t OPERATORS[] = {
    {TF_EXPR_OR,  "or",  LEVEL_OR     },
    {TF_EXPR_AND, "and", LEVEL_AND    },
    {TF_EXPR_NOT, "not", LEVEL_NOT    },
    {TF_EXPR_LT,  "<",   LEVEL_COMPARE},
    {TF_EXPR_LE,  "<=",  LEVEL_COMPARE},
    {TF_EXPR_GT,  ">",   LEVEL_COMPARE},
    {TF_EXPR_GE,  ">=",  LEVEL_COMPARE},
    {TF_EXPR_EQ,  "==",  LEVEL_COMPARE},
    {TF_EXPR_NE,  "!=",  LEVEL_COMPARE},
    {TF_EXPR_ADD, "+",   LEVEL_SUM    },
    {TF_EXPR_SUB, "-",   LEVEL_SUM    },
    {TF_EXPR_MUL, "*",   LEVEL_TERM   },
    {TF_EXPR_DIV, "/",   LEVEL_TERM   },
    {TF_EXPR_NEG, "-",   LEVEL_PREFIX },
};

typedef struct unit_row {
  const char *text;
  double      ns;
} unit_row_t;

static const unit_row_t UNITS[] = {
    {"ns", 1      },
    {"us", 1e3    },
    {"ms", 1e6    },
    {"s",  1e9    },
    {"m",  60e9   },
    {"h",  3600e9 },
    {"d",  86400e9}
};

static const operator_row_t *row_of(uint8_t kind) {
  for (size_t i = 0; i < TF_ARRAY_CNT(OPERATORS); i++) {
    if (OPERATORS[i].kind == kind) return &OPERATORS[i];
  }
  return NULL;
}

static int level_of(uint8_t kind) {
  const operator_row_t *row = row_of(kind);
  return row ? row->level : LEVEL_PRIMARY;
}

const char *tf_expr_kind_text(uint8_t kind) {
  const operator_row_t *row = row_of(kind);
  return row ? row->text : "";
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

tf_err_t tf_expr_error(const tf_expr_t *expr, uint32_t at, const char *fmt, ...) {
  char    text[TF_ERROR_TEXT_BYTES - 128];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  return TF_ERR(E_CONFIG_EXPR, "%.100s:%u:%u: %s", expr->origin.file, expr->origin.line,
                expr->origin.column + at, text);
}

/* The token as it may be quoted in an error text. */
static const char *tok_text(const parser_t *p, char *buf, size_t bytes) {
  if (p->tok.kind == TOK_END) return "the end of the text";
  snprintf(buf, bytes, "\"%.*s\"", (int)(p->tok.len < 40 ? p->tok.len : 40),
           p->expr->text + p->tok.at);
  return buf;
}

static tf_err_t unexpected(const parser_t *p, const char *wanted) {
  char buf[64];
  return tf_expr_error(p->expr, p->tok.at, "found %s, expected %s", tok_text(p, buf, sizeof buf),
                       wanted);
}

/* ---- tokens ---- */

static tf_err_t scan_unit(parser_t *p, uint32_t unit_at) {
  const char *text = p->expr->text;
  uint32_t    end  = unit_at;
  while (is_letter(text[end]) || is_digit(text[end])) end++;
  p->pos     = end;
  p->tok.len = end - p->tok.at;
  if (end == unit_at) return TF_OK;
  for (size_t i = 0; i < TF_ARRAY_CNT(UNITS); i++) {
    if (strlen(UNITS[i].text) != end - unit_at) continue;
    if (strncmp(UNITS[i].text, text + unit_at, end - unit_at) != 0) continue;
    double ns = p->tok.value * UNITS[i].ns, whole = __builtin_nearbyint(ns);
    if (whole < 1 || whole > 0x1p53 || __builtin_fabs(ns - whole) > 1e-9 * whole) {
      return tf_expr_error(p->expr, p->tok.at,
                           "%.*s is not a whole number of nanoseconds from 1ns to 2^53 ns",
                           (int)(end - p->tok.at), text + p->tok.at);
    }
    p->tok.kind  = TOK_DURATION;
    p->tok.value = whole;
    return TF_OK;
  }
  return tf_expr_error(
      p->expr, unit_at,
      "unknown unit \"%.*s\" after a number; durations take ns, us, ms, s, m, h, d",
      (int)(end - unit_at < 40 ? end - unit_at : 40), text + unit_at);
}

static tf_err_t scan_number(parser_t *p) {
  const char *text = p->expr->text;
  uint32_t    end  = p->tok.at;
  while (is_digit(text[end])) end++;
  if (text[end] == '.') {
    if (!is_digit(text[end + 1])) {
      return tf_expr_error(p->expr, end, "found \".\" without digits after it; write 1.0 or 1");
    }
    end++;
    while (is_digit(text[end])) end++;
  }
  if (text[end] == 'e' || text[end] == 'E') {
    uint32_t digits = end + 1 + (text[end + 1] == '+' || text[end + 1] == '-' ? 1 : 0);
    if (!is_digit(text[digits])) {
      return tf_expr_error(p->expr, end, "found an exponent without digits; write 1e6 or 1e-6");
    }
    end = digits;
    while (is_digit(text[end])) end++;
  }
  if (end - p->tok.at > 40) {
    return tf_expr_error(p->expr, p->tok.at, "a number of %u characters; at most 40 are allowed",
                         end - p->tok.at);
  }
  char number[41];
  memcpy(number, text + p->tok.at, end - p->tok.at);
  number[end - p->tok.at] = '\0';
  p->tok.kind             = TOK_NUMBER;
  p->tok.value            = strtod(number, NULL); /* the process keeps the C locale */
  if (!__builtin_isfinite(p->tok.value)) {
    return tf_expr_error(p->expr, p->tok.at, "%s is beyond the range of a double", number);
  }
  return scan_unit(p, end);
}

static tf_err_t scan_name(parser_t *p) {
  const char *text = p->expr->text;
  uint32_t    end  = p->tok.at;
  while (is_letter(text[end]) || is_digit(text[end])) end++;
  p->tok.kind = TOK_NAME;
  p->tok.len  = end - p->tok.at;
  p->pos      = end;
  if (p->tok.len > TF_EXPR_NAME_MAX) {
    return tf_expr_error(p->expr, p->tok.at, "a name of %u characters; at most %d are allowed",
                         p->tok.len, TF_EXPR_NAME_MAX);
  }
  static const uint8_t WORDS[] = {TF_EXPR_AND, TF_EXPR_OR, TF_EXPR_NOT};
  for (size_t i = 0; i < sizeof WORDS; i++) {
    const char *word = tf_expr_kind_text(WORDS[i]);
    if (strlen(word) == p->tok.len && strncmp(word, text + p->tok.at, p->tok.len) == 0) {
      p->tok.kind = TOK_OPERATOR;
      p->tok.op   = WORDS[i];
    }
  }
  return TF_OK;
}

/* What people type who know another language, and what is meant here. */
static tf_err_t scan_foreign(const parser_t *p) {
  static const char *const ROWS[][2] = {
      {"&&", "and"},
      {"||", "or" },
      {"&",  "and"},
      {"|",  "or" },
      {"!",  "not"},
      {"=",  "==" },
  };
  const char *found = p->expr->text + p->tok.at;
  for (size_t i = 0; i < TF_ARRAY_CNT(ROWS); i++) {
    if (strncmp(found, ROWS[i][0], strlen(ROWS[i][0])) == 0) {
      return tf_expr_error(p->expr, p->tok.at, "found \"%s\", write \"%s\"", ROWS[i][0],
                           ROWS[i][1]);
    }
  }
  unsigned char byte = (unsigned char)*found;
  if (byte < 0x20 || byte > 0x7e) {
    return tf_expr_error(p->expr, p->tok.at, "found byte 0x%02x; expressions are printable ASCII",
                         byte);
  }
  return tf_expr_error(p->expr, p->tok.at,
                       "found \"%c\", which no expression contains; allowed are names, numbers, "
                       "( ) , . @ + - * / < <= > >= == != and or not",
                       byte);
}

static tf_err_t advance(parser_t *p) {
  const char *text = p->expr->text;
  while (text[p->pos] == ' ' || text[p->pos] == '\t' || text[p->pos] == '\n' ||
         text[p->pos] == '\r') {
    p->pos++;
  }
  const char *c = text + p->pos;
  p->tok        = (tok_t){.kind = TOK_END, .at = p->pos, .len = 1};
  if (*c == '\0') return TF_OK;
  if (is_digit(*c)) return scan_number(p);
  if (is_letter(*c)) return scan_name(p);
  static const char       MARKS[] = "(),.:@";
  static const tok_kind_t KINDS[] = {TOK_OPEN, TOK_CLOSE, TOK_COMMA, TOK_DOT, TOK_COLON, TOK_AT};
  const char             *mark    = strchr(MARKS, *c);
  if (mark) {
    p->tok.kind = KINDS[mark - MARKS];
    p->pos++;
    return TF_OK;
  }
  for (size_t len = 2; len >= 1; len--) { /* "<=" before "<" */
    for (size_t i = 0; i < TF_ARRAY_CNT(OPERATORS); i++) {
      if (strlen(OPERATORS[i].text) != len || strncmp(OPERATORS[i].text, c, len) != 0) continue;
      p->tok.kind = OPERATORS[i].kind == TF_EXPR_SUB ? TOK_MINUS : TOK_OPERATOR;
      p->tok.op   = OPERATORS[i].kind;
      p->tok.len  = (uint32_t)len;
      p->pos += (uint32_t)len;
      return TF_OK;
    }
  }
  return scan_foreign(p);
}

/* ---- tree ---- */

static tf_err_t add_node(parser_t *p, uint8_t kind, uint32_t at, uint32_t *node) {
  tf_expr_t *e = p->expr;
  if (e->node_cnt == TF_EXPR_NODES_MAX) {
    return tf_expr_error(e, at, "more than %d names, numbers and operators; split the expression",
                         TF_EXPR_NODES_MAX);
  }
  *node           = e->node_cnt++;
  e->nodes[*node] = (tf_expr_node_t){
      .kind         = kind,
      .is_condition = kind >= TF_EXPR_LT,
      .at           = at,
      .first        = TF_EXPR_NONE,
      .next         = TF_EXPR_NONE,
  };
  return TF_OK;
}

static void add_child(tf_expr_t *e, uint32_t parent, uint32_t child) {
  uint32_t *link = &e->nodes[parent].first;
  while (*link != TF_EXPR_NONE) link = &e->nodes[*link].next;
  *link = child;
  e->nodes[parent].child_cnt++;
}

uint32_t tf_expr_child(const tf_expr_t *expr, uint32_t node, uint32_t i) {
  uint32_t child = expr->nodes[node].first;
  while (i-- > 0 && child != TF_EXPR_NONE) child = expr->nodes[child].next;
  return child;
}

/* The first byte of a subtree: an operator's own byte stands in its middle. */
static uint32_t first_byte(const tf_expr_t *e, uint32_t node) {
  while (e->nodes[node].first != TF_EXPR_NONE && e->nodes[node].kind >= TF_EXPR_ADD &&
         e->nodes[node].kind != TF_EXPR_NOT) {
    node = e->nodes[node].first;
  }
  return e->nodes[node].at;
}

static tf_err_t want_number(const parser_t *p, uint32_t node, const char *who) {
  if (!p->expr->nodes[node].is_condition) return TF_OK;
  return tf_expr_error(p->expr, first_byte(p->expr, node),
                       "found a condition, expected a number for %s", who);
}

static tf_err_t want_condition(const parser_t *p, uint32_t node, const char *who) {
  if (p->expr->nodes[node].is_condition) return TF_OK;
  return tf_expr_error(p->expr, first_byte(p->expr, node),
                       "found a number, expected a condition for %s, such as score > 0.6", who);
}

static tf_err_t parse_level(parser_t *p, int level, uint32_t *node);

static tf_err_t enter(parser_t *p) {
  if (++p->depth <= TF_EXPR_DEPTH_MAX) return TF_OK;
  return tf_expr_error(p->expr, p->tok.at, "nested more than %d deep", TF_EXPR_DEPTH_MAX);
}

static void take_name(const parser_t *p, char *name) {
  memcpy(name, p->expr->text + p->tok.at, p->tok.len);
  name[p->tok.len] = '\0';
}

static tf_err_t parse_args(parser_t *p, uint32_t call) {
  char     wanted[TF_EXPR_NAME_MAX + 64];
  tf_err_t err = advance(p);
  if (err != TF_OK) return err;
  if (p->tok.kind == TOK_CLOSE) return advance(p);
  snprintf(wanted, sizeof wanted, "\",\" or \")\" after an argument of %s",
           p->expr->nodes[call].name);
  for (;;) {
    uint32_t arg;
    err = parse_level(p, LEVEL_OR, &arg);
    if (err == TF_OK) err = want_number(p, arg, "an argument");
    if (err != TF_OK) return err;
    if (p->expr->nodes[call].child_cnt == TF_EXPR_ARGS_MAX) {
      return tf_expr_error(p->expr, first_byte(p->expr, arg), "more than %d arguments",
                           TF_EXPR_ARGS_MAX);
    }
    add_child(p->expr, call, arg);
    if (p->tok.kind == TOK_CLOSE) return advance(p);
    if (p->tok.kind != TOK_COMMA) return unexpected(p, wanted);
    err = advance(p);
    if (err != TF_OK) return err;
  }
}

/* "@peer" behind a value, if there is one. Its name is no token: it takes what an instrument's holds. */
static tf_err_t parse_peer(parser_t *p, uint32_t node) {
  static const char PEER_BYTES[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                   "_-./:@";
  if (p->tok.kind != TOK_AT) return TF_OK;
  tf_expr_node_t *n     = &p->expr->nodes[node];
  const char     *begin = p->expr->text + p->pos;
  size_t          star  = begin[0] == '*'; /* of "*.BINANCE-USDM" */
  size_t          len   = star + strspn(begin + star, PEER_BYTES);
  if (n->kind == TF_EXPR_NUMBER || n->kind == TF_EXPR_DURATION)
    return tf_expr_error(p->expr, p->tok.at,
                         "found \"@\" behind a number, which is the same of "
                         "every instrument");
  if (n->peer[0])
    return tf_expr_error(p->expr, p->tok.at, "found a second \"@\": it is of %s already", n->peer);
  if (len == 0) {
    return tf_expr_error(p->expr, p->pos,
                         "found no peer's name after \"@\", expected one such as mid@eth or "
                         "mid@ETHUSDT.BINANCE-SPOT");
  }
  if (len > TF_EXPR_PEER_MAX) {
    return tf_expr_error(p->expr, p->pos, "a peer's name of %zu characters; at most %d are allowed",
                         len, TF_EXPR_PEER_MAX);
  }
  memcpy(n->peer, begin, len);
  n->peer[len] = '\0';
  n->peer_at   = p->pos;
  p->pos += (uint32_t)len;
  return advance(p);
}

/* name, name.field, name(args), name(args).field */
static tf_err_t parse_name(parser_t *p, uint32_t *node) {
  tf_err_t err = add_node(p, TF_EXPR_NAME, p->tok.at, node);
  if (err != TF_OK) return err;
  take_name(p, p->expr->nodes[*node].name);
  err = advance(p);
  if (err != TF_OK) return err;
  if (p->tok.kind == TOK_OPEN) {
    p->expr->nodes[*node].kind = TF_EXPR_CALL;
    err                        = enter(p);
    if (err == TF_OK) err = parse_args(p, *node);
    p->depth--;
    if (err != TF_OK) return err;
  }
  if (p->tok.kind != TOK_DOT) return TF_OK;
  err = advance(p);
  if (err != TF_OK) return err;
  if (p->tok.kind != TOK_NAME) return unexpected(p, "a field's name after \".\", as in s1.close");
  p->expr->nodes[*node].field_at = p->tok.at;
  take_name(p, p->expr->nodes[*node].field);
  return advance(p);
}

static tf_err_t parse_primary(parser_t *p, uint32_t *node) {
  tf_err_t err;
  switch (p->tok.kind) {
  case TOK_NUMBER:
  case TOK_DURATION:
    err =
        add_node(p, p->tok.kind == TOK_NUMBER ? TF_EXPR_NUMBER : TF_EXPR_DURATION, p->tok.at, node);
    if (err != TF_OK) return err;
    p->expr->nodes[*node].value = p->tok.value;
    return advance(p);
  case TOK_NAME: err = parse_name(p, node); return err == TF_OK ? parse_peer(p, *node) : err;
  case TOK_OPEN:
    err = advance(p);
    if (err == TF_OK) err = parse_level(p, LEVEL_OR, node);
    if (err != TF_OK) return err;
    if (p->tok.kind != TOK_CLOSE) return unexpected(p, "\")\" or an operator");
    p->expr->nodes[*node].in_parens = true;
    err                             = advance(p);
    if (err == TF_OK && p->tok.kind == TOK_AT) err = want_number(p, *node, "\"@\"");
    return err == TF_OK ? parse_peer(p, *node) : err;
  case TOK_DOT:
    if (is_digit(p->expr->text[p->tok.at + 1])) {
      return tf_expr_error(p->expr, p->tok.at,
                           "found a number without a digit before \".\"; write 0.5");
    }
    return unexpected(p, "a name, a number or \"(\"");
  default: return unexpected(p, "a name, a number or \"(\"");
  }
}

static tf_err_t parse_prefix(parser_t *p, uint8_t kind, int level, uint32_t *node) {
  uint32_t at  = p->tok.at, operand;
  tf_err_t err = advance(p);
  if (err == TF_OK) err = parse_level(p, level, &operand);
  if (err != TF_OK) return err;
  err = kind == TF_EXPR_NOT ? want_condition(p, operand, "\"not\"")
                            : want_number(p, operand, "\"-\"");
  if (err == TF_OK) err = add_node(p, kind, at, node);
  if (err == TF_OK) add_child(p->expr, *node, operand);
  return err;
}

/* The operand kinds of a binary operator, checked with both sides at hand. */
static tf_err_t check_binary(const parser_t *p, const operator_row_t *row, uint32_t at,
                             uint32_t left, uint32_t right) {
  char who[16];
  snprintf(who, sizeof who, "\"%s\"", row->text);
  if (p->mode == TF_EXPR_FEATURE && row->level <= LEVEL_COMPARE) {
    return tf_expr_error(p->expr, at,
                         "found \"%s\", but a feature is a number: + - * / and calls are allowed; "
                         "conditions belong in rules",
                         row->text);
  }
  bool     logic = row->level <= LEVEL_AND;
  tf_err_t err   = logic ? want_condition(p, left, who) : want_number(p, left, who);
  if (err != TF_OK) return err;
  return logic ? want_condition(p, right, who) : want_number(p, right, who);
}

static tf_err_t parse_binary(parser_t *p, int level, uint32_t *node) {
  tf_err_t err = parse_level(p, level + 1, node);
  while (err == TF_OK && (p->tok.kind == TOK_OPERATOR || p->tok.kind == TOK_MINUS)) {
    const operator_row_t *row = row_of(p->tok.op);
    uint32_t              at = p->tok.at, left = *node, right;
    if (row->level != level) break;
    if (level == LEVEL_COMPARE && p->expr->nodes[left].is_condition &&
        !p->expr->nodes[left].in_parens) {
      return tf_expr_error(p->expr, at,
                           "found a second comparison \"%s\"; comparisons do not chain, write "
                           "a < b and b < c",
                           row->text);
    }
    err = advance(p);
    if (err == TF_OK) err = parse_level(p, level + 1, &right);
    if (err == TF_OK) err = check_binary(p, row, at, left, right);
    if (err == TF_OK) err = add_node(p, row->kind, at, node);
    if (err != TF_OK) return err;
    add_child(p->expr, *node, left);
    add_child(p->expr, *node, right);
  }
  return err;
}

static tf_err_t parse_level(parser_t *p, int level, uint32_t *node) {
  if (level == LEVEL_PRIMARY) {
    tf_err_t err = enter(p);
    if (err == TF_OK) err = parse_primary(p, node);
    p->depth--;
    return err;
  }
  if (level != LEVEL_NOT && level != LEVEL_PREFIX) return parse_binary(p, level, node);
  bool is_not   = level == LEVEL_NOT && p->tok.kind == TOK_OPERATOR && p->tok.op == TF_EXPR_NOT;
  bool is_minus = level == LEVEL_PREFIX && p->tok.kind == TOK_MINUS;
  if (!is_not && !is_minus) return parse_level(p, level + 1, node);
  if (is_not && p->mode == TF_EXPR_FEATURE)
    return unexpected(p, "a number: conditions are for rules");
  tf_err_t err = enter(p);
  if (err == TF_OK) err = parse_prefix(p, is_not ? TF_EXPR_NOT : TF_EXPR_NEG, level, node);
  p->depth--;
  return err;
}

/* "alias: " in front of a feature, if there is one. */
static tf_err_t parse_alias(parser_t *p) {
  if (p->tok.kind != TOK_NAME) return TF_OK;
  parser_t ahead = *p;
  if (advance(&ahead) != TF_OK || ahead.tok.kind != TOK_COLON) return TF_OK;
  take_name(p, p->expr->alias);
  p->expr->alias_at = p->tok.at;
  *p                = ahead;
  return advance(p);
}

tf_err_t tf_expr_parse(tf_expr_t *expr, tf_expr_mode_t mode, const tf_expr_origin_t *origin,
                       const char *text) {
  expr->origin   = origin ? *origin : (tf_expr_origin_t){"expr", 1, 1};
  expr->node_cnt = 0;
  expr->root     = TF_EXPR_NONE;
  expr->alias[0] = '\0';
  expr->alias_at = 0;
  size_t len     = strnlen(text, TF_EXPR_BYTES_MAX + 1);
  if (len > TF_EXPR_BYTES_MAX) {
    return tf_expr_error(expr, TF_EXPR_BYTES_MAX, "more than %d characters in an expression",
                         TF_EXPR_BYTES_MAX);
  }
  memcpy(expr->text, text, len + 1);

  parser_t p   = {.expr = expr, .mode = mode};
  tf_err_t err = advance(&p);
  if (err == TF_OK && p.tok.kind == TOK_END) {
    return tf_expr_error(expr, p.tok.at, "found an empty expression, expected %s",
                         mode == TF_EXPR_RULE ? "a condition such as score > 0.6"
                                              : "a feature such as mid or ema(mid, 20)");
  }
  if (err == TF_OK && mode == TF_EXPR_FEATURE) err = parse_alias(&p);
  if (err == TF_OK) err = parse_level(&p, LEVEL_OR, &expr->root);
  if (err != TF_OK) return err;
  if (p.tok.kind != TOK_END) return unexpected(&p, "an operator or the end of the text");
  if (mode == TF_EXPR_FEATURE) return want_number(&p, expr->root, "a feature");
  return want_condition(&p, expr->root, "a rule");
}

/* ---- text ---- */

void tf_expr_number_text(double value, char *buf, size_t bytes) {
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(buf, bytes, "%.*g", digits, value);
    if (strtod(buf, NULL) == value) return;
  }
}

void tf_expr_duration_text(double ns, char *buf, size_t bytes) {
  uint64_t whole = (uint64_t)ns;
  for (size_t i = TF_ARRAY_CNT(UNITS); i-- > 0;) {
    uint64_t unit = (uint64_t)UNITS[i].ns;
    if (whole % unit != 0) continue;
    snprintf(buf, bytes, "%llu%s", (unsigned long long)(whole / unit), UNITS[i].text);
    return;
  }
}

typedef struct writer {
  char  *buf;
  size_t bytes, used;
} writer_t;

static void put(writer_t *w, const char *text) {
  size_t len = strlen(text);
  if (w->used + len < w->bytes) memcpy(w->buf + w->used, text, len + 1);
  w->used += len;
}

static void put_node(writer_t *w, const tf_expr_t *e, uint32_t node, int level_min);

static void put_call(writer_t *w, const tf_expr_t *e, const tf_expr_node_t *n) {
  put(w, n->name);
  if (n->kind == TF_EXPR_CALL) {
    put(w, "(");
    for (uint32_t arg = n->first; arg != TF_EXPR_NONE; arg = e->nodes[arg].next) {
      if (arg != n->first) put(w, ",");
      put_node(w, e, arg, LEVEL_OR);
    }
    put(w, ")");
  }
  if (n->field[0]) put(w, ".");
  put(w, n->field);
}

static void put_node(writer_t *w, const tf_expr_t *e, uint32_t node, int level_min) {
  const tf_expr_node_t *n     = &e->nodes[node];
  int                   level = level_of(n->kind);
  char                  number[40];
  bool                  is_beside_operator = n->peer[0] && level_min > LEVEL_OR;
  if (is_beside_operator) put(w, "(");
  if (n->peer[0]) level_min = LEVEL_PRIMARY;
  if (level < level_min) put(w, "(");
  switch (n->kind) {
  case TF_EXPR_NUMBER:
    tf_expr_number_text(n->value, number, sizeof number);
    put(w, number);
    break;
  case TF_EXPR_DURATION:
    tf_expr_duration_text(n->value, number, sizeof number);
    put(w, number);
    break;
  case TF_EXPR_NAME:
  case TF_EXPR_CALL: put_call(w, e, n); break;
  case TF_EXPR_NEG:
  case TF_EXPR_NOT:
    put(w, n->kind == TF_EXPR_NOT ? "not " : "-");
    put_node(w, e, n->first, level);
    break;
  default:
    /* Left-associative, and floating-point: a + (b + c) keeps its parentheses. */
    put_node(w, e, n->first, level);
    put(w, level <= LEVEL_AND ? " " : "");
    put(w, tf_expr_kind_text(n->kind));
    put(w, level <= LEVEL_AND ? " " : "");
    put_node(w, e, e->nodes[n->first].next, level + 1);
  }
  if (level < level_min) put(w, ")");
  if (n->peer[0]) put(w, "@");
  put(w, n->peer);
  if (is_beside_operator) put(w, ")");
}

bool tf_expr_text(const tf_expr_t *expr, uint32_t node, char *buf, size_t bytes) {
  writer_t w = {buf, bytes, 0};
  if (bytes > 0) buf[0] = '\0';
  put_node(&w, expr, node, LEVEL_OR);
  return w.used < bytes;
}
