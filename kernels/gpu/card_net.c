#include "gpu/card_net.h"

#include <string.h>

#include "core/error.h"
#include "gpu/card_net_chain.h"
#include "gpu/card_net_ops.h"
#include "gpu/card_net_order.h"

/* Of a recompute's operations, as net_stream.h has it. */
#define TIMED_PERCENT_MAX 90u

typedef struct maker {
  const tf_net_t     *net;
  tf_card_net_draft_t draft;
  tf_net_cut_t        cut;
  bool                slides;
  tf_card_net_t       header;
  tf_card_net_copy_t *copies;
  uint32_t            copy_cnt;
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
  m->slides    = !err && m->cut.timed->flops * 100 <= m->net->flops * TIMED_PERCENT_MAX;
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
  tf_err_t err = tf_card_net_draft_add(d, d->ops, words_of(d->op_cnt * sizeof *d->ops), &h->ops);
  h->steps     = place;
  if (!err && d->step_cnt)
    err = tf_card_net_draft_add(d, d->steps, words_of(d->step_cnt * sizeof *d->steps), &h->steps);
  if (!err && m->slides && m->cut.shift_cnt) {
    h->shift_cnt = m->cut.shift_cnt;
    err = tf_card_net_draft_add(d, m->cut.shifts, words_of(h->shift_cnt * sizeof *m->cut.shifts),
                                &place);
    h->shift_at = place.at;
  }
  return err;
}

static int by_worth(const void *a, const void *b) {
  const tf_card_net_segment_t *x = a, *y = b;
  if (x->is_timed != y->is_timed) return x->is_timed ? -1 : 1;
  if (x->words != y->words) return x->words < y->words ? -1 : 1;
  return x->at < y->at ? -1 : x->at > y->at;
}

static int by_place(const void *a, const void *b) {
  const tf_card_net_copy_t *x = a, *y = b;
  return x->at < y->at ? -1 : x->at > y->at;
}

/* Values first, then ops, then of the timed part's tensors the smallest, then of the deferred one's. */
static tf_err_t choose_kept(maker_t *m) {
  tf_card_net_draft_t *d   = &m->draft;
  tf_card_net_t       *h   = &m->header;
  const uint32_t       all = d->limits.shared_bytes_max;
  uint32_t room = words_of(all > TF_CARD_NET_LOOP_BYTES ? all - TF_CARD_NET_LOOP_BYTES : 0);
  m->copies     = calloc(d->segment_cnt, sizeof *m->copies);
  if (!m->copies) return TF_ERR(E_CORE_NO_MEMORY, "%u tensors", d->segment_cnt);
  h->value_words       = (uint32_t)tf_align_up(h->value_words, TF_CARD_NET_HEAD_WORDS);
  h->values_are_shared = h->value_words <= room;
  if (h->values_are_shared) room -= h->value_words;
  qsort(d->segments, d->segment_cnt, sizeof *d->segments, by_worth);
  for (uint32_t pass = 0; pass < 2; pass++)
    for (uint32_t i = 0; i < d->segment_cnt; i++) {
      const tf_card_net_segment_t *s     = &d->segments[i];
      const bool                   first = s->at == h->ops.at || s->at == h->steps.at;
      const uint32_t               words = (uint32_t)tf_align_up(s->words, 4);
      if (first != (pass == 0) || words > room) continue;
      m->copies[m->copy_cnt++] = (tf_card_net_copy_t){s->at, h->kept_words, words};
      h->kept_words += words;
      room -= words;
    }
  qsort(m->copies, m->copy_cnt, sizeof *m->copies, by_place);
  return TF_OK;
}

/* ---- places in what is kept ---- */

static void move_place(const maker_t *m, tf_card_net_place_t *place) {
  if (place->base != TF_CARD_IMAGE) return;
  for (uint32_t low = 0, high = m->copy_cnt; low < high;) {
    const uint32_t            middle = (low + high) / 2;
    const tf_card_net_copy_t *c      = &m->copies[middle];
    if (place->at < c->at) {
      high = middle;
    } else if (place->at >= c->at + c->cnt) {
      low = middle + 1;
    } else {
      *place = tf_card_net_place(TF_CARD_KEPT, c->to + (place->at - c->at));
      return;
    }
  }
}

static void move_op(const maker_t *m, tf_card_net_op_t *op) {
  switch (op->kind) {
  case TF_CARD_OP_EACH:
    move_place(m, &op->each.from.place);
    move_place(m, &op->each.to.place);
    break;
  case TF_CARD_OP_PRODUCT:
  case TF_CARD_OP_MATMUL:
    move_place(m, &op->product.a);
    move_place(m, &op->product.weight);
    move_place(m, &op->product.scale);
    move_place(m, &op->product.bias);
    break;
  case TF_CARD_OP_FOLD: move_place(m, &op->fold.from.place); break;
  case TF_CARD_OP_ROW:
    move_place(m, &op->row.from);
    move_place(m, &op->row.scale);
    move_place(m, &op->row.shift);
    break;
  case TF_CARD_OP_RECURRENCE:
    move_place(m, &op->recurrence.h);
    move_place(m, &op->recurrence.carry);
    break;
  }
}

static void move_all(maker_t *m) {
  tf_card_net_draft_t *d     = &m->draft;
  tf_card_net_op_t    *ops   = (tf_card_net_op_t *)(void *)(d->image + m->header.ops.at);
  tf_card_net_step_t  *steps = (tf_card_net_step_t *)(void *)(d->image + m->header.steps.at);
  for (uint32_t i = 0; i < d->op_cnt; i++) move_op(m, &ops[i]);
  for (uint32_t i = 0; i < d->step_cnt; i++)
    for (uint32_t k = 0; k < TF_ARRAY_CNT(steps[i].others); k++)
      move_place(m, &steps[i].others[k].place);
  move_place(m, &m->header.ops);
  move_place(m, &m->header.steps);
}

/* ---- the program ---- */

static tf_err_t finish(maker_t *m, tf_card_program_t **program) {
  tf_card_net_draft_t *d = &m->draft;
  tf_card_net_t       *h = &m->header;
  tf_card_net_place_t  copies;
  h->slides       = m->slides;
  h->weight_bytes = d->weight_bytes;
  tf_err_t err    = add_lists(m);
  if (!err) err = choose_kept(m);
  if (err) return err;
  move_all(m);
  h->copy_cnt = m->copy_cnt;
  if (m->copy_cnt)
    err = tf_card_net_draft_add(d, m->copies, words_of(m->copy_cnt * sizeof *m->copies), &copies);
  if (err) return err;
  if (m->copy_cnt) h->copy_at = copies.at;
  memcpy(d->image, h, sizeof *h);

  const uint64_t state_words =
      m->slides ? m->cut.state_floats : (uint64_t)m->net->window * m->net->input_cnt;
  const tf_card_program_t p = {
      .kind          = TF_CARD_NET,
      .precision     = d->precision,
      .input_cnt     = m->net->input_cnt,
      .output_cnt    = tf_net_output_cnt(m->net),
      .window        = m->net->window,
      .block_cnt     = 1,
      .cluster_size  = 1,
      .thread_cnt    = d->thread_cnt,
      .shared_bytes  = ((h->values_are_shared ? h->value_words : 0) + h->kept_words) * 4,
      .state_bytes   = tf_align_up((TF_CARD_NET_HEAD_WORDS + state_words) * 4, TF_LINE_PAIR_BYTES),
      .scratch_bytes = h->values_are_shared ? 0 : (uint64_t)h->value_words * 4,
      .image_bytes   = tf_align_up((uint64_t)d->words * 4, TF_LINE_PAIR_BYTES)};
  if (p.scratch_bytes + p.image_bytes > d->limits.memory_bytes)
    return TF_ERR(E_MODEL_UNSUPPORTED, "%llu bytes of the card's memory, %llu are left",
                  (unsigned long long)(p.scratch_bytes + p.image_bytes),
                  (unsigned long long)d->limits.memory_bytes);
  *program = calloc(1, sizeof p + p.image_bytes);
  if (!*program)
    return TF_ERR(E_CORE_NO_MEMORY, "%llu bytes of a program", (unsigned long long)p.image_bytes);
  **program = p;
  memcpy(*program + 1, d->image, d->words * sizeof *d->image);
  return TF_OK;
}

static tf_err_t make(maker_t *m, const tf_card_net_spec_t *spec, tf_card_program_t **program) {
  tf_card_net_draft_t *d = &m->draft;
  d->precision           = spec->precision;
  d->limits              = spec->limits;
  d->thread_cnt = spec->limits.thread_max < TF_CARD_NET_THREADS_MAX ? spec->limits.thread_max
                                                                    : TF_CARD_NET_THREADS_MAX;
  d->thread_cnt -= d->thread_cnt % TF_CARD_NET_WARP;
  if (d->thread_cnt == 0)
    return TF_ERR(E_MODEL_UNSUPPORTED, "blocks of %u threads, %u are wanted",
                  spec->limits.thread_max, TF_CARD_NET_WARP);
  tf_err_t err = tf_card_net_ops_check(m->net);
  if (!err && !spec->whole) err = cut(m);
  if (!err) err = tf_card_net_draft_init(d, words_of(sizeof m->header));
  if (!err) err = add_parts(m);
  return err ? err : finish(m, program);
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
  free(m.copies);
  return err;
}

tf_err_t tf_card_net_make(const struct tf_graph *graph, tf_precision_t precision,
                          const tf_card_limits_t *limits, tf_card_program_t **program) {
  const tf_card_net_spec_t spec = {.precision = precision, .limits = *limits};
  return tf_card_net_new(graph, &spec, program);
}

/* ---- for people ---- */

static const char *fn_name(uint32_t fn) {
  static const char *const names[] = {
#define TF_CARD_FN(name, inputs, expr) #name,
#include "gpu/card_net_fn.def"
#undef TF_CARD_FN
  };
  return names[fn];
}

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
  static const char *const kinds[] = {"each", "product", "matmul", "fold", "row", "recurrence"};
  TF_STATIC_ASSERT(TF_ARRAY_CNT(kinds) == TF_CARD_OP_KIND_CNT, "a name each");
  const tf_card_net_op_t   *op = &tf_card_net_ops(program)[op_idx];
  const tf_card_net_step_t *steps =
      op->step_cnt ? stored_at(program, tf_card_net_of(program)->steps) : NULL;
  int at = snprintf(target, bytes, "node %u %s", op->node, kinds[op->kind]);
  if (op->kind == TF_CARD_OP_PRODUCT || op->kind == TF_CARD_OP_MATMUL)
    at += snprintf(target + at, bytes - (size_t)at, " %u x %u x %u of %u", op->product.batch_cnt,
                   op->product.m, op->product.n, op->product.k);
  else if (op->kind == TF_CARD_OP_RECURRENCE)
    at += snprintf(target + at, bytes - (size_t)at, " %u rows of %u units", op->recurrence.row_cnt,
                   op->recurrence.unit_cnt);
  else
    at += snprintf(target + at, bytes - (size_t)at, " %u", op->item_cnt);
  for (uint32_t i = 0; i < op->step_cnt && (size_t)at < bytes; i++)
    at += snprintf(target + at, bytes - (size_t)at, " +%s", fn_name(steps[op->step_at + i].fn));
  if ((size_t)at < bytes)
    snprintf(target + at, bytes - (size_t)at, ", %u threads an item%s", op->lanes,
             op->is_last ? ", barrier" : "");
}
