/* Inside the feature compiler: from one syntax tree to nodes with canonical names. Private to
 * feature_compile.c and feature_resolve.c.
 *
 * A node is a value source: a constant, a bar's field, an indicator with its inputs and parameters,
 * one arithmetic operation, another node's value in another instrument, or where it stands among all. Nodes are appended inputs first, so
 * their order is a valid order of computation; equal canonical names are one node.
 *
 * peek(x) mirrors what of x a bar moves: a field by the open bar's (NODE_OPEN), an indicator by its peek on
 * the state that the closes keep (NODE_PEEK), arithmetic by the same over mirrors. Mirrors have the tick's
 * clock. */
#ifndef TF_BOOT_FEATURE_RESOLVE_H
#define TF_BOOT_FEATURE_RESOLVE_H

#include "boot/feature_compile.h"

#define TF_FEATURE_RESOLVE_NODES_MAX 16384

/* When a node's value changes. Bars count from 0. */
#define TF_FEATURE_CLOCK_NEVER UINT32_MAX       /* a constant */
#define TF_FEATURE_CLOCK_TICK  (UINT32_MAX - 1) /* each tick */
#define TF_FEATURE_CLOCK_MIXED (UINT32_MAX - 2) /* several bars: computed at ticks, no series */

typedef enum tf_feature_node_kind {
  TF_FEATURE_NODE_CONST,
  TF_FEATURE_NODE_FIELD,
  TF_FEATURE_NODE_MARKET,
  TF_FEATURE_NODE_SERIES,
  TF_FEATURE_NODE_ARITHMETIC,
  TF_FEATURE_NODE_OPEN,
  TF_FEATURE_NODE_PEEK,
  TF_FEATURE_NODE_PEER, /* in[0] of another instrument */
  TF_FEATURE_NODE_CROSS /* of in[0] among all instruments */
} tf_feature_node_kind_t;

typedef struct tf_feature_ref {
  uint32_t node;
  uint32_t output; /* which of the node's outputs */
} tf_feature_ref_t;

typedef struct tf_feature_node {
  uint8_t  kind;
  uint8_t  op; /* tf_feature_op_t */
  uint8_t  in_cnt;
  uint8_t  level; /* how tightly the name binds: 0 a peer's, 1 sum, 2 product, 3 sign, 4 the rest */
  uint32_t output_cnt;
  uint32_t clock;
  uint32_t field; /* tf_feature_bar_field_t of NODE_FIELD, whose bar is the clock, and NODE_OPEN */
  uint32_t of;    /* the bar of NODE_OPEN; the node whose state a NODE_PEEK reads */
  uint32_t peer_first, peer_cnt; /* of the compiler's peers; an indicator's stand behind its name */
  tf_feature_ref_t      in[TF_INDICATOR_SERIES_MAX];
  const tf_indicator_t *indicator;
  uint32_t              cross; /* of NODE_CROSS: which of the env's */
  double                params[TF_INDICATOR_PARAMS_MAX];
  double                value;
  char                  name[TF_FEATURE_PLAN_NAME_BYTES];
} tf_feature_node_t;

typedef struct tf_feature_entry {
  tf_feature_ref_t  ref;
  char              alias[TF_EXPR_NAME_MAX + 1];
  tf_feature_name_t text;
} tf_feature_entry_t;

struct tf_feature_compile {
  tf_feature_env_t    env;
  tf_feature_node_t  *nodes;
  uint32_t            node_cnt, node_cap;
  tf_feature_entry_t *entries; /* TF_FEATURE_PLAN_ROW_MAX */
  uint32_t            entry_cnt;
  uint32_t            listed_cnt;
  tf_feature_peer_t   peers[TF_FEATURE_PLAN_PEERS_MAX]; /* those that nodes read */
  uint32_t            peer_cnt;
  bool                in_rule; /* the tree at hand is a rule's: for error texts */
  tf_expr_t           expr;    /* of the call at hand */
};

/* Resolves a subtree. May append nodes also where it fails: the caller truncates node_cnt. */
tf_err_t tf_feature_resolve(tf_feature_compile_t *c, const tf_expr_t *expr, uint32_t node,
                            tf_feature_ref_t *ref);

/* Forgets the nodes from node_cnt on, and the peers that only they read. */
void tf_feature_resolve_rewind(tf_feature_compile_t *c, uint32_t node_cnt);

/* feature_peer.c: the peers that a node of the tree names, taken into c->peers. */
tf_err_t tf_feature_peer_find(tf_feature_compile_t *c, const tf_expr_t *expr,
                              const tf_expr_node_t *n, uint32_t *first, uint32_t *cnt);

/* The canonical name of one output, into buf of TF_FEATURE_PLAN_NAME_BYTES. */
bool tf_feature_resolve_name(const tf_feature_compile_t *c, tf_feature_ref_t ref, char *buf);

/* NULL, or what a name already is: "an indicator", "a bar", ... */
const char *tf_feature_resolve_taken(const tf_feature_compile_t *c, const char *name);

#endif
