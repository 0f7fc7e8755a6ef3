#include "gpu/card_graph.h"

tf_err_t tf_card_graph_make(const struct tf_graph *graph, tf_precision_t precision,
                            const tf_card_limits_t *limits, tf_card_program_t **program) {
  const tf_card_net_spec_t spec = {.precision = precision, .limits = *limits, .is_graph = true};
  return tf_card_net_new(graph, &spec, program);
}

/* ---- nodes ---- */

typedef struct list {
  const tf_card_program_t *program;
  tf_card_graph_node_t    *nodes; /* NULL: they are counted */
  uint32_t                 cnt;
} list_t;

/* threads: that it has work for; one block at the least, of a warp. */
static void add(list_t *l, tf_card_graph_what_t what, uint32_t first, uint32_t cnt,
                uint64_t threads) {
  const uint64_t warps = tf_align_up(threads ? threads : 1, TF_CARD_NET_WARP);
  const uint32_t max = l->program->thread_cnt, each = warps < max ? (uint32_t)warps : max;
  uint64_t       blocks = (warps + each - 1) / each;
  if (blocks > l->program->block_cnt) blocks = l->program->block_cnt;
  if (l->nodes) l->nodes[l->cnt] = (tf_card_graph_node_t){what, first, cnt, (uint32_t)blocks, each};
  l->cnt++;
}

/* One kernel a phase. A layer that goes row by row meets at barriers: its phase has one block. */
static void add_phases(list_t *l, tf_card_net_part_t part) {
  const tf_card_net_t    *net   = tf_card_net_of(l->program);
  const tf_card_net_op_t *ops   = tf_card_net_ops(l->program);
  const uint32_t          begin = net->op_at[part], end = begin + net->op_cnt[part];
  uint32_t                first    = begin;
  uint64_t                threads  = 0;
  bool                    is_alone = false;
  for (uint32_t i = begin; i < end; i++) {
    const uint64_t need = ops[i].first + (uint64_t)ops[i].item_cnt * ops[i].lanes;
    if (threads < need) threads = need;
    is_alone |= ops[i].kind == TF_CARD_OP_RECURRENCE || ops[i].kind == TF_CARD_OP_RESET;
    if (!ops[i].barrier) continue;
    add(l, TF_CARD_NODE_PHASE, first, i + 1 - first, is_alone ? l->program->thread_cnt : threads);
    first    = i + 1;
    threads  = 0;
    is_alone = false;
  }
}

static void add_row(list_t *l) {
  const tf_card_program_t *p      = l->program;
  const bool               slides = tf_card_net_of(p)->slides;
  add(l, TF_CARD_NODE_TAKE, 0, 0, (uint64_t)p->input_cnt * (slides ? 1 : p->window));
}

uint32_t tf_card_graph_nodes(const tf_card_program_t *program, tf_card_graph_part_t part,
                             tf_card_graph_node_t *nodes) {
  const tf_card_net_t *net     = tf_card_net_of(program);
  const uint32_t       packets = tf_card_ticket_packets(program->output_cnt);
  list_t               l       = {.program = program, .nodes = nodes};
  switch (part) {
  case TF_CARD_GRAPH_ROW:
    add_row(&l);
    if (net->slides) add_phases(&l, TF_CARD_TIMED);
    add(&l, TF_CARD_NODE_GIVE, 0, 0, 1);
    break;
  case TF_CARD_GRAPH_ANSWER:
    add_row(&l);
    add_phases(&l, TF_CARD_TIMED);
    add(&l, TF_CARD_NODE_GIVE, 0, packets, packets);
    break;
  case TF_CARD_GRAPH_DEFERRED:
    if (net->slides && net->shift_cnt)
      add(&l, TF_CARD_NODE_SHIFT, 0, net->shift_cnt, program->thread_cnt);
    if (net->slides) add_phases(&l, TF_CARD_DEFERRED);
    break;
  default: add(&l, TF_CARD_NODE_BEAT, 0, 0, 1);
  }
  return l.cnt;
}
