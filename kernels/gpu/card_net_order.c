#include "gpu/card_net_order.h"

#include <string.h>

#include "core/error.h"

/* Where a node goes: phases after depth, then nodes with those that go with them, then as they were. */
typedef struct key {
  uint32_t depth, head, node;
} rank_t;

typedef struct sorter {
  const tf_net_t *net;
  rank_t         *keys; /* by node, then sorted */
  uint32_t       *uses; /* of values */
  uint32_t       *to;   /* by node: where it went */
} sorter_t;

bool tf_card_net_order_is_pointwise(const tf_tensor_use_t *use) {
  if (use->op->takes_row) return use->row->kind == TF_OP_KIND_ROW && !use->row->mixes;
  return use->op->shape == tf_tensor_shape_broadcast;
}

/* The value whose memory it is, as far as views go. */
static const tf_net_value_t *root_of(const tf_net_t *net, uint32_t value) {
  const tf_net_value_t *v = &net->values[value];
  while (v->node != TF_NET_NONE && net->nodes[v->node].use.op->is_view && !v->in_state)
    v = &net->values[net->nodes[v->node].in[0]];
  return v;
}

static bool shares_state(const tf_net_value_t *a, const tf_net_value_t *b) {
  return a->in_state && b->in_state && a->state_at < b->state_at + b->shape.cnt &&
         b->state_at < a->state_at + a->shape.cnt;
}

/* Whether b has to wait for a for the state's sake: one writes what the other touches. */
static bool meet_in_state(const tf_net_t *net, const tf_net_node_t *a, const tf_net_node_t *b) {
  const tf_net_value_t *of_a = &net->values[a->out], *of_b = &net->values[b->out];
  if (shares_state(of_a, of_b)) return true;
  for (uint32_t i = 0; of_a->in_state && i < b->use.in_cnt; i++)
    if (shares_state(of_a, root_of(net, b->in[i]))) return true;
  for (uint32_t i = 0; of_b->in_state && i < a->use.in_cnt; i++)
    if (shares_state(of_b, root_of(net, a->in[i]))) return true;
  return false;
}

static uint32_t depth_behind(const sorter_t *s, uint32_t value) {
  const uint32_t node = s->net->values[value].node;
  return node == TF_NET_NONE ? 0 : s->keys[node].depth + 1;
}

/* A node that goes with the one that makes its input number i: what else it reads is there before. */
static bool goes_with(const sorter_t *s, const tf_net_node_t *node, uint32_t i) {
  const tf_net_value_t *v = &s->net->values[node->in[i]];
  if (v->node == TF_NET_NONE || s->uses[node->in[i]] != 1 || v->shape.cnt != node->use.out.cnt ||
      s->net->values[node->out].in_state || v->in_state)
    return false;
  for (uint32_t k = 0; k < node->use.in_cnt; k++)
    if (root_of(s->net, node->in[k])->in_state ||
        (k != i && depth_behind(s, node->in[k]) > s->keys[v->node].depth))
      return false;
  return true;
}

static rank_t key_of(const sorter_t *s, uint32_t n) {
  const tf_net_node_t *node = &s->net->nodes[n];
  rank_t               key  = {0, n, n};
  if (tf_card_net_order_is_pointwise(&node->use))
    for (uint32_t i = 0; i < node->use.in_cnt; i++)
      if (goes_with(s, node, i)) {
        rank_t with = s->keys[s->net->values[node->in[i]].node];
        return (rank_t){with.depth, with.head, n};
      }
  for (uint32_t i = 0; i < node->use.in_cnt; i++) {
    const uint32_t depth = depth_behind(s, node->in[i]);
    if (key.depth < depth) key.depth = depth;
  }
  if (node->use.op->is_view && key.depth > 0) { /* nothing is run */
    key.depth--;
    key.head = s->keys[s->net->values[node->in[0]].node].head;
  }
  for (uint32_t other = 0; other < n; other++)
    if (s->keys[other].depth >= key.depth && meet_in_state(s->net, &s->net->nodes[other], node))
      key.depth = s->keys[other].depth + 1;
  return key;
}

static int by_key(const void *a, const void *b) {
  const rank_t *x = a, *y = b;
  if (x->depth != y->depth) return x->depth < y->depth ? -1 : 1;
  if (x->head != y->head) return x->head < y->head ? -1 : 1;
  return x->node < y->node ? -1 : x->node > y->node;
}

static void sort(sorter_t *s, tf_net_t *ordered) {
  const tf_net_t *net = s->net;
  for (uint32_t n = 0; n < net->node_cnt; n++)
    for (uint32_t i = 0; i < net->nodes[n].use.in_cnt; i++) s->uses[net->nodes[n].in[i]]++;
  for (uint32_t n = 0; n < net->node_cnt; n++) s->keys[n] = key_of(s, n);
  qsort(s->keys, net->node_cnt, sizeof *s->keys, by_key);
  for (uint32_t i = 0; i < net->node_cnt; i++) {
    ordered->nodes[i]      = net->nodes[s->keys[i].node];
    s->to[s->keys[i].node] = i;
  }
  for (uint32_t v = 0; v < net->value_cnt; v++) {
    ordered->values[v] = net->values[v];
    if (net->values[v].node != TF_NET_NONE) ordered->values[v].node = s->to[net->values[v].node];
  }
}

tf_err_t tf_card_net_order_init(tf_net_t *ordered, const tf_net_t *net) {
  sorter_t s      = {.net  = net,
                     .keys = calloc(net->node_cnt, sizeof *s.keys),
                     .uses = calloc(net->value_cnt, sizeof *s.uses),
                     .to   = calloc(net->node_cnt, sizeof *s.to)};
  *ordered        = *net;
  ordered->nodes  = calloc(net->node_cnt, sizeof *ordered->nodes);
  ordered->values = calloc(net->value_cnt, sizeof *ordered->values);
  const bool good = s.keys && s.uses && s.to && ordered->nodes && ordered->values;
  if (good)
    sort(&s, ordered);
  else
    tf_card_net_order_fini(ordered);
  free(s.keys);
  free(s.uses);
  free(s.to);
  return good ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "%u nodes", net->node_cnt);
}

void tf_card_net_order_fini(tf_net_t *ordered) {
  free(ordered->nodes);
  free(ordered->values);
  memset(ordered, 0, sizeof *ordered);
}
