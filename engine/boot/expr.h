/* The expressions of a config, as text to a tree: features ("ema(mid, 20)", "spread / mid * 10000",
 * "z: zscore(mid, 500)") and rules ("score > 0.6 and spread_bps < 2"). Syntax only: which names
 * exist is for feature_compile.h and rule.h to say.
 *
 *   feature := [ name ":" ] sum
 *   rule    := or
 *   or      := and { "or" and }
 *   and     := not { "and" not }
 *   not     := "not" not | compare
 *   compare := sum [ ("<" | "<=" | ">" | ">=" | "==" | "!=") sum ]
 *   sum     := term { ("+" | "-") term }
 *   term    := unary { ("*" | "/") unary }
 *   unary   := "-" unary | primary
 *   primary := number | duration | value [ "@" peer ]
 *   value   := name [ "." name ] | name "(" [ or { "," or } ] ")" [ "." name ] | "(" or ")"
 *   peer     := [ "*" ] letters, digits and _ - . / : @, as many as there are
 *
 * "mid@eth" is mid of another instrument: eth is a peer of the config, or the instrument's own name,
 * ETHUSDT.BINANCE-SPOT, which is why - . and / are part of it: put a space before an operator that follows (ADR 0023).
 * A duration is a number and its unit without a space: ns, us, ms, s, m (minutes), h, d. Conditions
 * and numbers are different kinds: "and" wants conditions, "+" wants numbers, a rule is a condition,
 * a feature a number; comparisons do not chain. Everything is bounded: bytes, nodes, nesting.
 *
 * The tree lives in the caller's memory. Control plane, any thread, no allocation. An error leaves
 * E_CONFIG_EXPR and the text "file:line:column: what was found, what is allowed"; the column is that
 * of the character at fault, counted in bytes from 1. */
#ifndef TF_BOOT_EXPR_H
#define TF_BOOT_EXPR_H

#include "tf/err.h"

#define TF_EXPR_BYTES_MAX 1000 /* of a text, without its NUL */
#define TF_EXPR_NODES_MAX 256
#define TF_EXPR_DEPTH_MAX 32 /* of parentheses, calls and prefix operators */
#define TF_EXPR_ARGS_MAX  10
#define TF_EXPR_NAME_MAX  40 /* bytes of a name */
#define TF_EXPR_PEER_MAX  63 /* bytes of a peer's name: those of an instrument's */
#define TF_EXPR_NONE      UINT32_MAX

typedef enum tf_expr_mode { TF_EXPR_FEATURE, TF_EXPR_RULE } tf_expr_mode_t;

typedef enum tf_expr_kind {
  TF_EXPR_NUMBER,
  TF_EXPR_DURATION, /* value in ns, whole, 1 .. 2^53 */
  TF_EXPR_NAME,     /* name, perhaps with .field */
  TF_EXPR_CALL,     /* name(children), perhaps with .field */
  TF_EXPR_NEG,
  TF_EXPR_ADD,
  TF_EXPR_SUB,
  TF_EXPR_MUL,
  TF_EXPR_DIV,
  TF_EXPR_LT,
  TF_EXPR_LE,
  TF_EXPR_GT,
  TF_EXPR_GE,
  TF_EXPR_EQ,
  TF_EXPR_NE,
  TF_EXPR_NOT,
  TF_EXPR_AND,
  TF_EXPR_OR
} tf_expr_kind_t;

typedef struct tf_expr_node {
  uint8_t  kind; /* tf_expr_kind_t */
  bool     is_condition;
  uint8_t  child_cnt;
  bool     in_parens;
  uint32_t at;    /* byte in the text: an operator's own, else the first */
  uint32_t first; /* first child, then ->next from sibling to sibling; TF_EXPR_NONE ends */
  uint32_t next;
  uint32_t field_at; /* byte of the name after ".", where field[0] */
  double   value;
  char     name[TF_EXPR_NAME_MAX + 1];
  char     field[TF_EXPR_NAME_MAX + 1]; /* "" without */
  uint32_t peer_at;                     /* byte of the peer's name, where peer[0] */
  char     peer[TF_EXPR_PEER_MAX + 1];  /* "" without: the subtree is of the own instrument */
} tf_expr_node_t;

/* Where the text stands, for error texts: the column is that of its first byte. */
typedef struct tf_expr_origin {
  const char *file;
  uint32_t    line, column;
} tf_expr_origin_t;

typedef struct tf_expr {
  char             text[TF_EXPR_BYTES_MAX + 1];
  tf_expr_origin_t origin; /* file is borrowed */
  uint32_t         node_cnt;
  uint32_t         root;
  char             alias[TF_EXPR_NAME_MAX + 1]; /* of "alias: expression", else "" */
  uint32_t         alias_at;
  tf_expr_node_t   nodes[TF_EXPR_NODES_MAX];
} tf_expr_t;

/* Parses text. origin NULL stands for {"expr", 1, 1}. On an error the contents of *expr are
 * unspecified but for what tf_expr_error needs. */
tf_err_t tf_expr_parse(tf_expr_t *expr, tf_expr_mode_t mode, const tf_expr_origin_t *origin,
                       const char *text);

/* Sets the error record to E_CONFIG_EXPR with "file:line:column: ..." for byte `at` of the text. */
tf_err_t tf_expr_error(const tf_expr_t *expr, uint32_t at, const char *fmt, ...) TF_PRINTF(3, 4);

/* The shortest decimal that reads back as value; a duration in the largest unit that divides it.
 * buf of at least 32 bytes. */
void tf_expr_number_text(double value, char *buf, size_t bytes);
void tf_expr_duration_text(double ns, char *buf, size_t bytes);

/* The source text of an operator, "and", "<=", "-" ... */
const char *tf_expr_kind_text(uint8_t kind);

/* Child i of a node, TF_EXPR_NONE past the last. */
uint32_t tf_expr_child(const tf_expr_t *expr, uint32_t node, uint32_t i);

/* The tree as text again, without spaces but around and, or, not, and with no parenthesis that the
 * tree does not need; what stands beside an operator and has a peer has its parentheses, (mid@eth)-mid. false where it does not fit into buf. */
bool tf_expr_text(const tf_expr_t *expr, uint32_t node, char *buf, size_t bytes);

#endif
