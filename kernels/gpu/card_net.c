#include "gpu/card_net.h"

#include <string.h>

#include "core/error.h"
#include "gpu/card_graph.h"
#include "gpu/card_net_chain.h"
#include "gpu/card_net_keep.h"
#include "gpu/card_net_ops.h"
#include "gpu/card_net_order.h"
#include "model/net_stream.h"

typedef struct maker {
  const tf_net_t     *net;
  tf_card_net_draft_t draft;
  tf_net_cut_t        cut;
  bool                slides;
  uint32_t            thread_cnt; /* of a block */
  tf_card_net_t       header;
  tf_card_net_keep_t  keep;
} maker_t;

/* ---- parts ---- */

static uint32_t words_of(size_t bytes) { return (uint32_t)(bytes / sizeof(uint32_t)); }

static tf_err_t add_ops(maker_t *m, const tf_net_t *ordered, uint32_t answer) {
  tf_card_net_draft_t *d = &m->draft;
  tf_net_plan_t       *plan;
  tf_err_t err = tf_net_plan_new_part(ordered, TF_ISA_SCALAR, TF_PRECISION_FP32, answer, &plan);
  if (err) return err;
  d->net                       = ordered;
  d->plan                      = plan;
  d->work_at                   = plan->work_at;
  d->work_words                = 0;
  d->phase_cnt                 = 0;
  m->header.op_at[d->part]     = d->op_cnt;
  err                          = tf_card_net_ops_add(d);
  m->header.op_cnt[d->part]    = d->op_cnt - m->header.op_at[d->part];
  m->header.phase_cnt[d->part] = d->phase_cnt;
  m->header.flops[d->part]     = plan->flops;
  if (m->header.value_words < d->work_at + d->work_words)
    m->header.value_words = d->work_at + d->work_words;
  if (answer != TF_NET_NONE) {
    m->header.input_at = plan->input_at;
    m->header.answer =
        tf_card_net_place(plan->output_in_state ? TF_CARD_STATE : TF_CARD_VALUES, plan->output_at);
    if (!err && plan->call_cnt == 0)
      err = TF_ERR(E_MODEL_SHAPE, "the output is the input in another shape");
  }
  tf_net_plan_delete(plan);
  return err;
}

static tf_err_t add_part(maker_t *m, tf_card_net_part_t part, const tf_net_t *net,
                         uint32_t answer) {
  tf_net_t ordered;
  m->draft.part = part;
  tf_err_t err  = tf_card_net_order_init(&ordered, net);
  if (err) return err;
  err = add_ops(m, &ordered, answer);
  tf_card_net_order_fini(&ordered);
  return err;
}

/* Cuts the net where the timed half is enough less than the whole. */
static tf_err_t cut(maker_t *m) {
  tf_err_t err = tf_net_cut_init(&m->cut, m->net);
  m->slides = !err && m->cut.timed->flops * 100 <= m->net->flops * TF_NET_STREAM_TIMED_PERCENT_MAX;
  return err == E_CORE_NO_MEMORY ? err : TF_OK;
}

static tf_err_t add_parts(maker_t *m) {
  if (!m->slides)
    return add_part(m, TF_CARD_TIMED, m->net, m->net->nodes[m->net->node_cnt - 1].out);
  tf_err_t err = add_part(m, TF_CARD_TIMED, m->cut.timed, m->cut.answer);
  if (!err && m->cut.deferred) err = add_part(m, TF_CARD_DEFERRED, m->cut.deferred, TF_NET_NONE);
  return err;
}

/* ---- the end of the image ---- */

static tf_err_t add_lists(maker_t *m) {
  tf_card_net_draft_t *d     = &m->draft;
  tf_card_net_t       *h     = &m->header;
  tf_card_net_place_t  place = {TF_CARD_IMAGE, 0};
  tf_err_t             err =
      tf_card_net_draft_add(d, "operations", d->ops, words_of(d->op_cnt * sizeof *d->ops), &h->ops);
  h->steps = place;
  if (!err && d->step_cnt)
    err = tf_card_net_draft_add(d, "functions", d->steps, words_of(d->step_cnt * sizeof *d->steps),
                                &h->steps);
  if (!err && m->slides && m->cut.shift_cnt) {
    h->shift_cnt = m->cut.shift_cnt;
    err          = tf_card_net_draft_add(d, "histories", m->cut.shifts,
                                         words_of(h->shift_cnt * sizeof *m->cut.shifts), &place);
    h->shift_at  = place.at;
  }
  return err;
}

/* ---- the program ---- */

static tf_err_t add_copies(maker_t *m) {
  tf_card_net_place_t copies = {TF_CARD_IMAGE, 0};
  tf_err_t            err    = TF_OK;
  m->header.copy_cnt         = m->keep.copy_cnt;
  if (m->keep.copy_cnt)
    err = tf_card_net_draft_add(&m->draft, "copies", m->keep.copies,
                                words_of(m->keep.copy_cnt * sizeof *m->keep.copies), &copies);
  m->header.copy_at = copies.at;
  return err;
}

/* Sizes of memory, now that all is placed. */
static tf_err_t size_program(const maker_t *m, tf_card_program_t *p) {
  const tf_card_net_draft_t *d = &m->draft;
  const tf_card_net_t       *h = &m->header;
  const uint64_t             state_words =
      m->slides ? m->cut.state_floats : (uint64_t)m->net->window * m->net->input_cnt;
  p->block_cnt = p->cluster_size = m->keep.block_cnt;
  p->shared_bytes =
      TF_CARD_NET_CONTEXT_BYTES + ((h->values_are_shared ? h->value_words : 0) + h->kept_words) * 4;
  p->state_bytes   = tf_align_up((TF_CARD_NET_HEAD_WORDS + state_words) * 4, TF_LINE_PAIR_BYTES);
  p->scratch_bytes = h->values_are_shared ? 0 : (uint64_t)h->value_words * 4 * p->block_cnt;
  p->image_bytes   = tf_align_up((uint64_t)d->words * 4, TF_LINE_PAIR_BYTES);
  if (d->is_graph) {
    p->block_cnt    = d->limits.sm_cnt;
    p->shared_bytes = 0;
    p->scratch_bytes += sizeof(tf_card_graph_scratch_t);
  }
  if (p->scratch_bytes + p->image_bytes <= d->limits.memory_bytes) return TF_OK;
  return TF_ERR(E_MODEL_UNSUPPORTED, "%llu bytes of the card's memory, %llu are left",
                (unsigned long long)(p->scratch_bytes + p->image_bytes),
                (unsigned long long)d->limits.memory_bytes);
}

static tf_err_t name_parts(const tf_card_net_draft_t *d, tf_card_program_t **program) {
  tf_card_parts_t parts = {0};
  tf_err_t        err   = TF_OK;
  for (uint32_t i = 0; i < d->segment_cnt && !err; i++) {
    const tf_card_net_segment_t *s = &d->segments[i];
    err = tf_card_parts_add(&parts, (uint64_t)s->at * 4, (uint64_t)s->words * 4, s->name);
  }
  if (!err) err = tf_card_parts_end(&parts, program);
  tf_card_parts_fini(&parts);
  return err;
}

static tf_err_t finish(maker_t *m, uint32_t block_cnt, tf_card_program_t **program) {
  tf_card_net_draft_t *d = &m->draft;
  tf_card_program_t    p = {.kind       = d->is_graph ? TF_CARD_GRAPH : TF_CARD_NET,
                            .precision  = d->precision,
                            .input_cnt  = m->net->input_cnt,
                            .output_cnt = tf_net_output_cnt(m->net),
                            .window     = m->net->window,
                            .thread_cnt = m->thread_cnt};
  m->header.slides       = m->slides;
  m->header.weight_bytes = d->weight_bytes;
  tf_err_t err           = tf_card_net_keep_init(&m->keep, d, &m->header, &p, block_cnt);
  if (!err) err = add_lists(m);
  if (!err) err = tf_card_net_keep_choose(&m->keep, d, &m->header);
  if (!err) err = add_copies(m);
  if (!err) err = size_program(m, &p);
  if (err) return err;
  *program = calloc(1, sizeof p + p.image_bytes);
  if (!*program)
    return TF_ERR(E_CORE_NO_MEMORY, "%llu bytes of a program", (unsigned long long)p.image_bytes);
  **program = p;
  memcpy(*program + 1, d->image, d->words * sizeof *d->image);
  memcpy(*program + 1, &m->header, sizeof m->header);
  err = name_parts(d, program);
  if (!err) return TF_OK;
  free(*program);
  *program = NULL;
  return err;
}

/* Threads of a block, and how many an op may have: of a graph's kernels, all of the device's. */
static tf_err_t choose_threads(maker_t *m, const tf_card_net_spec_t *spec) {
  const uint32_t max = spec->is_graph ? TF_CARD_GRAPH_THREADS_MAX : TF_CARD_NET_THREADS_MAX;
  m->thread_cnt      = spec->limits.thread_max < max ? spec->limits.thread_max : max;
  m->thread_cnt -= m->thread_cnt % TF_CARD_NET_WARP;
  if (m->thread_cnt == 0 || spec->limits.sm_cnt == 0)
    return TF_ERR(E_MODEL_UNSUPPORTED, "%u blocks of %u threads, %u are wanted",
                  spec->limits.sm_cnt, spec->limits.thread_max, TF_CARD_NET_WARP);
  m->draft.thread_cnt = spec->is_graph ? m->thread_cnt * spec->limits.sm_cnt : m->thread_cnt;
  return TF_OK;
}

static tf_err_t make(maker_t *m, const tf_card_net_spec_t *spec, tf_card_program_t **program) {
  tf_card_net_draft_t *d = &m->draft;
  d->precision           = spec->precision;
  d->limits              = spec->limits;
  d->is_graph            = spec->is_graph;
  if (d->is_graph) d->limits.shared_bytes_max = 0; /* nothing stays in it */
  tf_err_t err = choose_threads(m, spec);
  if (!err) err = tf_card_net_ops_check(m->net, d->is_graph);
  if (!err && !spec->whole) err = cut(m);
  if (!err) err = tf_card_net_draft_init(d, words_of(sizeof m->header));
  if (!err) err = add_parts(m);
  return err ? err : finish(m, spec->block_cnt, program);
}

tf_err_t tf_card_net_new(const struct tf_graph *graph, const tf_card_net_spec_t *spec,
                         tf_card_program_t **program) {
  maker_t   m     = {.net = graph->net};
  tf_net_t *chain = NULL;
  tf_err_t  err   = TF_OK;
  *program        = NULL;
  if (!graph->net) err = tf_card_net_chain_new(graph, &chain);
  if (chain) m.net = chain;
  if (!err) err = make(&m, spec, program);
  tf_card_net_draft_fini(&m.draft);
  tf_net_cut_fini(&m.cut);
  tf_net_delete(chain);
  tf_card_net_keep_fini(&m.keep);
  return err;
}

tf_err_t tf_card_net_make(const struct tf_graph *graph, tf_precision_t precision,
                          const tf_card_limits_t *limits, tf_card_program_t **program) {
  const tf_card_net_spec_t spec = {.precision = precision, .limits = *limits};
  return tf_card_net_new(graph, &spec, program);
}

/* ---- for people ---- */

/* Where place lies in the program as it is stored: what is kept is a copy. */
static const void *stored_at(const tf_card_program_t *program, tf_card_net_place_t place) {
  const uint32_t           *image = (const uint32_t *)(const void *)tf_card_image(program);
  const tf_card_net_t      *net   = tf_card_net_of(program);
  const tf_card_net_copy_t *c = (const tf_card_net_copy_t *)(const void *)(image + net->copy_at);
  if (place.base == TF_CARD_IMAGE) return image + place.at;
  while (place.at < c->to || place.at >= c->to + c->cnt) c++;
  return image + c->at + (place.at - c->to);
}

const tf_card_net_op_t *tf_card_net_ops(const tf_card_program_t *program) {
  return stored_at(program, tf_card_net_of(program)->ops);
}

void tf_card_net_describe(const tf_card_program_t *program, uint32_t op_idx, char *target,
                          size_t bytes) {
  static const char *const kinds[]    = {"each",       "product", "matmul", "fold", "row",
                                         "recurrence", "trees",   "gather", "reset"};
  static const char *const barriers[] = {"", ", barrier", ", barrier of the cluster"};
  TF_STATIC_ASSERT(TF_ARRAY_CNT(kinds) == TF_CARD_OP_KIND_CNT, "a name each");
  const tf_card_net_op_t   *op = &tf_card_net_ops(program)[op_idx];
  const tf_card_net_step_t *steps =
      op->step_cnt ? stored_at(program, tf_card_net_of(program)->steps) : NULL;
  int at = snprintf(target, bytes, "node %u %s", op->node, kinds[op->kind]);
  if (op->kind == TF_CARD_OP_PRODUCT || op->kind == TF_CARD_OP_MATMUL)
    at += snprintf(target + at, bytes - (size_t)at, " %u x %u x %u of %u", op->product.batch_cnt,
                   op->product.m, op->product.n, op->product.k);
  else if (op->kind == TF_CARD_OP_RECURRENCE || op->kind == TF_CARD_OP_RESET)
    at += snprintf(target + at, bytes - (size_t)at, " %u rows of %u units", op->recurrence.row_cnt,
                   op->recurrence.unit_cnt);
  else
    at += snprintf(target + at, bytes - (size_t)at, " %u", op->item_cnt);
  for (uint32_t i = 0; i < op->step_cnt && (size_t)at < bytes; i++)
    at += snprintf(target + at, bytes - (size_t)at, " +%s",
                   tf_card_net_ops_fn_name(steps[op->step_at + i].fn));
  if ((size_t)at < bytes)
    snprintf(target + at, bytes - (size_t)at, ", %u threads an item%s%s", op->lanes,
             op->spread ? ", shared by blocks" : "", barriers[op->barrier]);
}
