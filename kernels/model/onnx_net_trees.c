/* ai.onnx.ml's tree ensembles, as the converters of LightGBM, XGBoost and scikit-learn write them. Nodes are
 * renumbered in preorder (tensor/tree_ensemble.c). */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "model/onnx_net.h"

#define REFUSE     TF_ONNX_REFUSE
#define ML         "ai.onnx.ml"
#define LEAF       (-1.0)
#define NODE_WIDTH 4u

/* The lists of the node; each of node_cnt, or of leaf_cnt, values. */
typedef struct trees {
  size_t                     node_cnt, leaf_cnt;
  const int64_t             *tree, *id, *feature, *yes, *no;
  const float               *threshold;
  const ProtobufCBinaryData *mode;
  const int64_t             *leaf_tree, *leaf_node, *leaf_output;
  const float               *leaf_weight;
  uint32_t                   outputs;
} trees_t;

static const Onnx__AttributeProto *find(const Onnx__NodeProto *node, const char *name) {
  for (size_t i = 0; i < node->n_attribute; i++)
    if (node->attribute[i]->name && strcmp(node->attribute[i]->name, name) == 0)
      return node->attribute[i];
  return NULL;
}

/* prefix: "target_" or "class_". A list that is missing or of another length is told. */
static tf_err_t read_lists(const tf_onnx_net_t *im, const Onnx__NodeProto *node, const char *prefix,
                           trees_t *t) {
  const Onnx__AttributeProto *mode      = find(node, "nodes_modes"),
                             *threshold = find(node, "nodes_values");
  t->node_cnt                           = mode ? mode->n_strings : 0;
  t->mode                               = mode ? mode->strings : NULL;
  t->threshold = threshold && threshold->n_floats == t->node_cnt ? threshold->floats : NULL;
  char name[48];
  snprintf(name, sizeof name, "%sweights", prefix);
  const Onnx__AttributeProto *weight = find(node, name);
  t->leaf_cnt                        = weight ? weight->n_floats : 0;
  t->leaf_weight                     = weight ? weight->floats : NULL;
  const struct {
    const char     *prefix, *name;
    size_t          cnt;
    const int64_t **list;
  } lists[] = {
      {"nodes_", "treeids",      t->node_cnt, &t->tree       },
      {"nodes_", "nodeids",      t->node_cnt, &t->id         },
      {"nodes_", "featureids",   t->node_cnt, &t->feature    },
      {"nodes_", "truenodeids",  t->node_cnt, &t->yes        },
      {"nodes_", "falsenodeids", t->node_cnt, &t->no         },
      {prefix,   "treeids",      t->leaf_cnt, &t->leaf_tree  },
      {prefix,   "nodeids",      t->leaf_cnt, &t->leaf_node  },
      {prefix,   "ids",          t->leaf_cnt, &t->leaf_output},
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(lists); i++) {
    snprintf(name, sizeof name, "%s%s", lists[i].prefix, lists[i].name);
    const Onnx__AttributeProto *a = find(node, name);
    if (!a || a->n_ints != lists[i].cnt || lists[i].cnt == 0)
      return REFUSE(im, node, E_MODEL_FORMAT, "%s holds %zu numbers, %zu are wanted", name,
                    a ? a->n_ints : 0, lists[i].cnt);
    *lists[i].list = a->ints;
  }
  if (!t->threshold)
    return REFUSE(im, node, E_MODEL_FORMAT, "%s", "nodes_values does not hold one number a node");
  if (t->node_cnt * NODE_WIDTH > TF_TENSOR_CNT_MAX / 2)
    return REFUSE(im, node, E_MODEL_UNSUPPORTED, "%zu nodes, at most %llu are allowed", t->node_cnt,
                  (unsigned long long)TF_TENSOR_CNT_MAX / 2 / NODE_WIDTH);
  return TF_OK;
}

/* The lists in order of tree and node number, for finding. */
typedef struct key {
  int64_t  tree, id;
  uint32_t at;
} place_key_t;

static int compare(const void *a, const void *b) {
  const place_key_t *x = a, *y = b;
  if (x->tree != y->tree) return x->tree < y->tree ? -1 : 1;
  if (x->id != y->id) return x->id < y->id ? -1 : 1;
  return x->at < y->at ? -1 : x->at > y->at;
}

/* The first key of (tree, id) among cnt; cnt where there is none. */
static uint32_t find_place(const place_key_t *keys, uint32_t cnt, int64_t tree, int64_t id) {
  uint32_t low = 0, high = cnt;
  while (low < high) {
    const uint32_t mid    = low + (high - low) / 2;
    const bool     before = keys[mid].tree < tree || (keys[mid].tree == tree && keys[mid].id < id);
    if (before)
      low = mid + 1;
    else
      high = mid;
  }
  return low < cnt && keys[low].tree == tree && keys[low].id == id ? low : cnt;
}

/* Being built. */
typedef struct builder {
  const tf_onnx_net_t   *im;
  const Onnx__NodeProto *node;
  const trees_t         *t;
  place_key_t           *nodes, *leaves;
  double                *table, *values; /* nodes of NODE_WIDTH; leaves of outputs */
  uint32_t
      *stack; /* nodes to visit: their place in the lists, and in the table where it is written */
  uint32_t made, made_leaves;
} builder_t;

static bool is_mode(const trees_t *t, uint32_t at, const char *mode) {
  return t->mode[at].len == strlen(mode) && memcmp(t->mode[at].data, mode, t->mode[at].len) == 0;
}

static tf_err_t build_leaf(builder_t *b, uint32_t at, double *row) {
  const trees_t *t    = b->t;
  uint32_t       leaf = find_place(b->leaves, (uint32_t)t->leaf_cnt, t->tree[at], t->id[at]);
  double        *v    = b->values + (size_t)b->made_leaves * t->outputs;
  for (;
       leaf < t->leaf_cnt && b->leaves[leaf].tree == t->tree[at] && b->leaves[leaf].id == t->id[at];
       leaf++) {
    const uint32_t of = b->leaves[leaf].at;
    if (t->leaf_output[of] < 0 || t->leaf_output[of] >= (int64_t)t->outputs)
      return REFUSE(b->im, b->node, E_MODEL_FORMAT, "a leaf of output %lld of %u",
                    (long long)t->leaf_output[of], t->outputs);
    v[t->leaf_output[of]] += (double)t->leaf_weight[of];
  }
  row[0] = LEAF;
  row[2] = b->made_leaves++;
  return TF_OK;
}

/* Sets row's feature and threshold, and which of the children at most the threshold leads to. */
static tf_err_t build_split(const builder_t *b, uint32_t at, double *row, bool *swapped) {
  const trees_t *t = b->t;
  const float    v = t->threshold[at];
  row[0]           = (double)t->feature[at];
  row[1]           = (double)v;
  *swapped         = false;
  if (is_mode(t, at, "BRANCH_LEQ")) return TF_OK;
  if (is_mode(t, at, "BRANCH_LT")) {
    row[1] = (double)nextafterf(v, -INFINITY);
  } else if (is_mode(t, at, "BRANCH_GT")) {
    *swapped = true;
  } else if (is_mode(t, at, "BRANCH_GTE")) {
    *swapped = true;
    row[1]   = (double)nextafterf(v, -INFINITY);
  } else {
    return REFUSE(b->im, b->node, E_MODEL_UNSUPPORTED,
                  "mode %.*s; BRANCH_LEQ, LT, GT, GTE and LEAF are supported",
                  (int)(t->mode[at].len < 32 ? t->mode[at].len : 32),
                  (const char *)t->mode[at].data);
  }
  return TF_OK;
}

/* A tree from its root on. Each node is visited once: a tree with more visits than nodes has a cycle. */
static tf_err_t build_tree(builder_t *b, uint32_t root) {
  const trees_t *t       = b->t;
  uint32_t       waiting = 0;
  b->stack[waiting++]    = root;
  b->stack[waiting++]    = UINT32_MAX;
  while (waiting) {
    const uint32_t place = b->stack[--waiting], at = b->stack[--waiting], own = b->made;
    bool           swapped = false;
    if (own == t->node_cnt)
      return REFUSE(b->im, b->node, E_MODEL_FORMAT, "tree %lld: a node is led to twice, or a cycle",
                    (long long)t->tree[root]);
    double *row = b->table + (size_t)NODE_WIDTH * b->made++;
    if (place != UINT32_MAX) b->table[place] = own;
    tf_err_t err =
        is_mode(t, at, "LEAF") ? build_leaf(b, at, row) : build_split(b, at, row, &swapped);
    if (err) return err;
    if (row[0] == LEAF) continue;
    for (uint32_t n = 0; n < 2;
         n++) { /* what is visited first, right behind its own, is pushed last */
      const bool     no    = (n == 0) != swapped;
      const int64_t  child = no ? t->no[at] : t->yes[at];
      const uint32_t found = find_place(b->nodes, (uint32_t)t->node_cnt, t->tree[at], child);
      if (found == t->node_cnt)
        return REFUSE(b->im, b->node, E_MODEL_FORMAT, "tree %lld has no node %lld",
                      (long long)t->tree[at], (long long)child);
      b->stack[waiting++] = b->nodes[found].at;
      b->stack[waiting++] = own * NODE_WIDTH + 3 - n;
    }
  }
  return TF_OK;
}

/* roots: one a tree, in the order of the file. */
static tf_err_t build_all(builder_t *b, double *roots, uint32_t *root_cnt) {
  const trees_t *t = b->t;
  for (uint32_t i = 0; i < t->node_cnt; i++) b->nodes[i] = (place_key_t){t->tree[i], t->id[i], i};
  for (uint32_t i = 0; i < t->leaf_cnt; i++)
    b->leaves[i] = (place_key_t){t->leaf_tree[i], t->leaf_node[i], i};
  qsort(b->nodes, t->node_cnt, sizeof *b->nodes, compare);
  qsort(b->leaves, t->leaf_cnt, sizeof *b->leaves, compare);
  tf_err_t err = TF_OK;
  *root_cnt    = 0;
  for (uint32_t i = 0; i < t->node_cnt && !err; i++) {
    if (i && t->tree[i] == t->tree[i - 1]) continue; /* a tree's first node is its root */
    roots[(*root_cnt)++] = b->made;
    err                  = build_tree(b, i);
  }
  return err;
}

static tf_err_t constant(tf_onnx_net_t *im, uint32_t rank, uint32_t rows, uint32_t columns,
                         const double *values, uint32_t *out) {
  tf_tensor_shape_t shape = {
      .rank = rank, .dims = {rows, columns},
           .cnt = rows * (rank == 2 ? columns : 1)
  };
  double *copy = malloc((shape.cnt + 1) * sizeof *copy);
  if (copy) memcpy(copy, values, shape.cnt * sizeof *copy);
  return tf_onnx_net_constant(im, &shape, copy, false, out);
}

static tf_err_t base_values(tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t outputs,
                            uint32_t *out) {
  const Onnx__AttributeProto *base  = find(node, "base_values");
  double                     *wide  = calloc(outputs + 1, sizeof *wide);
  tf_tensor_shape_t           shape = {.rank = 1, .dims = {outputs}, .cnt = outputs};
  if (base && base->n_floats > outputs) {
    free(wide);
    return REFUSE(im, node, E_MODEL_FORMAT, "%zu base_values for %u outputs", base->n_floats,
                  outputs);
  }
  for (uint32_t i = 0; wide && base && i < base->n_floats; i++) wide[i] = (double)base->floats[i];
  return tf_onnx_net_constant(im, &shape, wide, false, out);
}

static tf_err_t emit_trees(tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t x,
                           const trees_t *t, uint32_t *out) {
  double    *roots    = calloc(t->node_cnt, sizeof *roots);
  uint32_t   root_cnt = 0, in[5] = {x};
  builder_t  b    = {.im     = im,
                     .node   = node,
                     .t      = t,
                     .nodes  = calloc(t->node_cnt, sizeof *b.nodes),
                     .leaves = calloc(t->leaf_cnt, sizeof *b.leaves),
                     .table  = calloc(t->node_cnt * NODE_WIDTH, sizeof *b.table),
                     .values = calloc(t->node_cnt * t->outputs, sizeof *b.values),
                     .stack  = calloc(4 * t->node_cnt + 4, sizeof *b.stack)};
  const bool good = roots && b.nodes && b.leaves && b.table && b.values && b.stack;
  tf_err_t   err =
      good ? build_all(&b, roots, &root_cnt) : TF_ERR(E_CORE_NO_MEMORY, "%s: its trees", im->path);
  if (!err) err = constant(im, 2, b.made, NODE_WIDTH, b.table, &in[1]);
  if (!err) err = constant(im, 2, b.made_leaves, t->outputs, b.values, &in[2]);
  if (!err) err = constant(im, 1, root_cnt, 1, roots, &in[3]);
  if (!err) err = base_values(im, node, t->outputs, &in[4]);
  tf_onnx_emit_t emit = {.op = "tree_ensemble", .in = in, .in_cnt = 5};
  if (!err) err = tf_onnx_net_emit(im, node, &emit, out);
  free(roots);
  free(b.nodes);
  free(b.leaves);
  free(b.table);
  free(b.values);
  free(b.stack);
  return err;
}

/* A word of an attribute among words; the first where there is none. */
static tf_err_t read_word(const tf_onnx_net_t *im, const Onnx__NodeProto *node, const char *name,
                          const char *const *words, uint32_t cnt, uint32_t *found) {
  const Onnx__AttributeProto *a;
  tf_err_t                    err = tf_onnx_node_attribute(im->path, node, name,
                                                           ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING, &a);
  *found                          = 0;
  if (err || !a) return err;
  for (*found = 0; *found < cnt; ++*found)
    if (a->s.len == strlen(words[*found]) && memcmp(a->s.data, words[*found], a->s.len) == 0)
      return TF_OK;
  return REFUSE(im, node, E_MODEL_UNSUPPORTED, "%s %.*s is not supported", name,
                (int)(a->s.len < 32 ? a->s.len : 32), (const char *)a->s.data);
}

/* What is made of the sums. */
enum { AFTER_NONE, AFTER_LOGISTIC, AFTER_SOFTMAX };

static tf_err_t apply_after(tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t after,
                            uint32_t in, uint32_t *out) {
  if (after == AFTER_NONE) return tf_onnx_net_same(im, in, out);
  if (after == AFTER_LOGISTIC) return tf_onnx_net_each(im, node, "sigmoid", in, 0.0, 0.0, out);
  tf_onnx_emit_t emit = {.op = "rows", .row = "softmax", .in = &in, .in_cnt = 1};
  return tf_onnx_net_emit(im, node, &emit, out);
}

static const char *const after_words[] = {"NONE", "LOGISTIC", "SOFTMAX"};

static tf_err_t import_regressor(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                                 uint32_t in_cnt, uint32_t *out) {
  static const char *const aggregates[] = {"SUM", "AVERAGE"};
  trees_t                  t            = {0};
  int64_t                  outputs;
  uint32_t                 aggregate, after, at;
  (void)in_cnt;
  tf_err_t err = tf_onnx_node_int(im->path, node, "n_targets", 1, &outputs);
  if (!err && (outputs < 1 || outputs > TF_MODEL_OUTPUTS_MAX))
    err = REFUSE(im, node, E_MODEL_UNSUPPORTED, "%lld targets, 1 to %d are allowed",
                 (long long)outputs, TF_MODEL_OUTPUTS_MAX);
  t.outputs = (uint32_t)outputs;
  if (!err)
    err =
        read_word(im, node, "aggregate_function", aggregates, TF_ARRAY_CNT(aggregates), &aggregate);
  if (!err)
    err = read_word(im, node, "post_transform", after_words, TF_ARRAY_CNT(after_words), &after);
  if (!err) err = read_lists(im, node, "target_", &t);
  if (err) return err;
  float *scaled = NULL;
  if (aggregate == 1) { /* the mean: each leaf a share */
    int64_t cnt = 1;
    for (size_t i = 1; i < t.node_cnt; i++) cnt += t.tree[i] != t.tree[i - 1];
    scaled = malloc(t.leaf_cnt * sizeof *scaled);
    if (!scaled) return TF_ERR(E_CORE_NO_MEMORY, "%s: its trees", im->path);
    for (size_t i = 0; i < t.leaf_cnt; i++) scaled[i] = t.leaf_weight[i] / (float)cnt;
    t.leaf_weight = scaled;
  }
  err = emit_trees(im, node, in[0], &t, &at);
  free(scaled);
  return err ? err : apply_after(im, node, after, at, out);
}

static uint32_t class_cnt(const Onnx__NodeProto *node) {
  const Onnx__AttributeProto *ints  = find(node, "classlabels_int64s"),
                             *texts = find(node, "classlabels_strings");
  return (uint32_t)(ints && ints->n_ints ? ints->n_ints : texts ? texts->n_strings : 0);
}

/* Labels are not computed. Two classes with weights for one: [1 - p, p]. */
static tf_err_t import_classifier(tf_onnx_net_t *im, const Onnx__NodeProto *node,
                                  const uint32_t *in, uint32_t in_cnt, uint32_t *out) {
  trees_t  t       = {0};
  uint32_t classes = class_cnt(node), after, at;
  (void)in_cnt;
  if (classes < 2 || classes > TF_MODEL_OUTPUTS_MAX)
    return REFUSE(im, node, E_MODEL_UNSUPPORTED, "%u classes, 2 to %d are allowed", classes,
                  TF_MODEL_OUTPUTS_MAX);
  tf_err_t err =
      read_word(im, node, "post_transform", after_words, TF_ARRAY_CNT(after_words), &after);
  if (!err) err = read_lists(im, node, "class_", &t);
  if (err) return err;
  bool one = classes == 2;
  for (size_t i = 1; i < t.leaf_cnt && one; i++) one = t.leaf_output[i] == t.leaf_output[0];
  int64_t *zeros = one ? calloc(t.leaf_cnt, sizeof *zeros) : NULL;
  if (one && !zeros) return TF_ERR(E_CORE_NO_MEMORY, "%s: its trees", im->path);
  t.outputs = one ? 1 : classes;
  if (one) t.leaf_output = zeros;
  err = emit_trees(im, node, in[0], &t, &at);
  free(zeros);
  if (!err)
    err = apply_after(im, node, one && after == AFTER_SOFTMAX ? AFTER_LOGISTIC : after, at, &at);
  uint32_t single, both[2] = {0, at};
  if (!err && one) {
    const int64_t  axis = im->operands[at].shape.rank - 1;
    tf_onnx_emit_t emit = {.op = "concat", .in = both, .in_cnt = 2, .ints = &axis, .int_cnt = 1};
    err                 = tf_onnx_net_scalar(im, 1.0, &single);
    if (!err) err = tf_onnx_net_binary(im, node, "sub", single, at, &both[0]);
    if (!err) err = tf_onnx_net_emit(im, node, &emit, &at);
  }
  if (!err) err = tf_onnx_net_same(im, at, &out[1]);
  tf_tensor_shape_t empty = {.rank = 1};
  return err ? err : tf_onnx_net_constant(im, &empty, calloc(1, sizeof(double)), true, &out[0]);
}

#define NODES                                                                                      \
  " nodes_treeids nodes_nodeids nodes_featureids nodes_values nodes_hitrates nodes_modes "         \
  "nodes_truenodeids "                                                                             \
  "nodes_falsenodeids nodes_missing_value_tracks_true base_values post_transform "

const tf_onnx_net_op_t tf_onnx_net_trees[] = {
    {"TreeEnsembleClassifier",
     NODES
     "class_treeids class_nodeids class_ids class_weights classlabels_int64s classlabels_strings ", 1, 1, 2, import_classifier, ML  },
    {"TreeEnsembleRegressor",
     NODES "target_treeids target_nodeids target_ids target_weights n_targets aggregate_function ",
     1,                                                                                                1, 1, import_regressor,  ML  },
    {NULL,                     NULL,                                                                0, 0, 0, NULL,              NULL},
};
