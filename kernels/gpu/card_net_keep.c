#include "gpu/card_net_keep.h"

#include <string.h>

#include "core/error.h"
#include "gpu/loop.h"

#define NOT_SHARED UINT32_MAX

static uint32_t share_words(uint32_t words) { return (uint32_t)tf_align_up(words, 4); }

/* ---- blocks ---- */

static uint32_t room_of(const tf_card_net_draft_t *d, const tf_card_program_t *program,
                        uint32_t block_cnt) {
  tf_card_program_t p = *program;
  p.block_cnt = p.cluster_size = block_cnt;
  const uint32_t loops         = tf_loop_own_shared_bytes(&p) + TF_CARD_NET_CONTEXT_BYTES,
                 all           = d->limits.shared_bytes_max;
  return all > loops ? (all - loops) / (uint32_t)sizeof(uint32_t) : 0;
}

/* The segment that place lies in. */
static uint32_t segment_of(const tf_card_net_draft_t *d, tf_card_net_place_t place) {
  uint32_t i = 0;
  while (i < d->segment_cnt &&
         (place.at < d->segments[i].at || place.at >= d->segments[i].at + d->segments[i].words))
    i++;
  return i;
}

/* Whether blocks may share op: a product of one matrix that is no recurrence's. */
static bool may_share(const tf_card_net_draft_t *d, uint32_t op, uint32_t words_min) {
  const tf_card_net_product_t *p = &d->ops[op].product;
  return d->ops[op].kind == TF_CARD_OP_PRODUCT && p->batch_cnt == 1 &&
         (op == 0 || d->ops[op - 1].kind != TF_CARD_OP_RECURRENCE) && p->n > 1 &&
         (uint64_t)p->n * p->weight_n >= words_min;
}

/* A part of a matrix's outputs for each block. Equal matrices are one segment: it is shared by all who read it or by none. */
static void share_out(const tf_card_net_keep_t *keep, tf_card_net_draft_t *d, uint32_t words_min) {
  for (uint32_t i = 0; i < d->segment_cnt; i++) keep->shares[i] = 0;
  for (uint32_t i = 0; i < d->op_cnt; i++) {
    if (d->ops[i].kind != TF_CARD_OP_PRODUCT) continue;
    const tf_card_net_product_t *p    = &d->ops[i].product;
    const uint32_t               each = (p->n + keep->block_cnt - 1) / keep->block_cnt;
    const uint32_t words = may_share(d, i, words_min) ? each * p->weight_n : NOT_SHARED;
    uint32_t      *share = &keep->shares[segment_of(d, p->weight)];
    *share               = *share == 0 || *share == words ? words : NOT_SHARED;
  }
  for (uint32_t i = 0; i < d->segment_cnt; i++)
    if (keep->shares[i] == NOT_SHARED) keep->shares[i] = 0;
}

/* Words of everything in a block; *shared: of those that it has a part of. */
static uint64_t need_of(const tf_card_net_keep_t *keep, const tf_card_net_draft_t *d,
                        const tf_card_net_t *header, uint32_t *shared) {
  uint64_t words =
      header->value_words + (d->op_cnt * sizeof *d->ops) / 4 + (d->step_cnt * sizeof *d->steps) / 4;
  *shared = 0;
  for (uint32_t i = 0; i < d->segment_cnt; i++) {
    words += keep->shares[i] ? keep->shares[i] : share_words(d->segments[i].words);
    *shared += keep->shares[i] != 0;
  }
  return words;
}

/* As few blocks as hold everything; where none do, as many as there may be. */
static void choose_blocks(tf_card_net_keep_t *keep, tf_card_net_draft_t *d,
                          const tf_card_net_t *header, const tf_card_program_t *program,
                          uint32_t wanted) {
  const tf_card_limits_t *l   = &d->limits;
  const uint32_t          min = wanted ? 0 : TF_CARD_NET_SPREAD_WORDS;
  uint32_t                max = l->cluster_max < l->sm_cnt ? l->cluster_max : l->sm_cnt, shared;
  if (max > TF_CARD_NET_BLOCKS_MAX) max = TF_CARD_NET_BLOCKS_MAX;
  keep->block_cnt = 1;
  while (2 * keep->block_cnt <= max) {
    const bool fits = need_of(keep, d, header, &shared) <= room_of(d, program, keep->block_cnt);
    if (wanted ? keep->block_cnt >= wanted : fits) break;
    keep->block_cnt *= 2;
    share_out(keep, d, min);
  }
  need_of(keep, d, header, &shared);
  if (shared == 0) keep->block_cnt = 1;
  keep->room = room_of(d, program, keep->block_cnt);
}

/* ---- who waits for whom ---- */

static void mark_ops(const tf_card_net_keep_t *keep, tf_card_net_draft_t *d) {
  for (uint32_t i = 0; i < d->op_cnt; i++) {
    tf_card_net_op_t *op = &d->ops[i];
    if (op->out.base == TF_CARD_STATE) op->spread = 1; /* block 0 writes, the others wait */
    if (op->kind == TF_CARD_OP_PRODUCT && keep->shares[segment_of(d, op->product.weight)])
      op->spread = (op->product.n + keep->block_cnt - 1) / keep->block_cnt;
  }
}

/* Ahead of a phase whose ops write into other blocks, or into the state, all of the cluster have done the one before; and behind it all of
 * the cluster meet, too. Between parts they meet anyway. */
static void mark_barriers(tf_card_net_draft_t *d) {
  bool              writes = false;
  tf_card_net_op_t *before = NULL; /* the end of the phase before */
  for (uint32_t i = 0; i < d->op_cnt; i++) {
    tf_card_net_op_t *op = &d->ops[i];
    writes |= op->spread != 0;
    if (!op->barrier) continue;
    if (writes) op->barrier = TF_CARD_BARRIER_CLUSTER;
    if (writes && before) before->barrier = TF_CARD_BARRIER_CLUSTER;
    before = op;
    writes = false;
  }
}

tf_err_t tf_card_net_keep_init(tf_card_net_keep_t *keep, tf_card_net_draft_t *d,
                               const tf_card_net_t *header, const tf_card_program_t *program,
                               uint32_t wanted) {
  *keep        = (tf_card_net_keep_t){.block_cnt = 1, .share_cnt = d->segment_cnt};
  keep->shares = calloc(d->segment_cnt + 1, sizeof *keep->shares);
  if (!keep->shares) return TF_ERR(E_CORE_NO_MEMORY, "%u tensors", d->segment_cnt);
  choose_blocks(keep, d, header, program, wanted);
  if (keep->block_cnt == 1) {
    memset(keep->shares, 0, (d->segment_cnt + 1) * sizeof *keep->shares);
    return TF_OK;
  }
  mark_ops(keep, d);
  mark_barriers(d);
  return TF_OK;
}

void tf_card_net_keep_fini(tf_card_net_keep_t *keep) {
  free(keep->copies);
  free(keep->shares);
  memset(keep, 0, sizeof *keep);
}

/* ---- what is kept ---- */

/* A segment, and what it takes of a block's shared memory. */
typedef struct piece {
  uint32_t at, words, share;
  uint32_t rank; /* the lower the sooner */
} piece_t;

static uint32_t piece_words(const piece_t *p) {
  return share_words(p->share ? p->share : p->words);
}

static int by_worth(const void *a, const void *b) {
  const piece_t *x = a, *y = b;
  if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
  if (piece_words(x) != piece_words(y)) return piece_words(x) < piece_words(y) ? -1 : 1;
  return x->at < y->at ? -1 : x->at > y->at;
}

static int by_place(const void *a, const void *b) {
  const tf_card_net_copy_t *x = a, *y = b;
  return x->at < y->at ? -1 : x->at > y->at;
}

static void keep_pieces(tf_card_net_keep_t *keep, tf_card_net_draft_t *d, tf_card_net_t *header,
                        piece_t *pieces) {
  uint32_t room = keep->room;
  /* a block's values begin and end at a line, behind which shared memory, or the next block's, goes on */
  header->value_words       = (uint32_t)tf_align_up(header->value_words, TF_CARD_NET_WARP);
  header->values_are_shared = header->value_words <= room;
  if (header->values_are_shared) room -= header->value_words;
  for (uint32_t i = 0; i < d->segment_cnt; i++) {
    const tf_card_net_segment_t *s       = &d->segments[i];
    const bool                   is_list = s->at == header->ops.at || s->at == header->steps.at;
    const uint32_t share = i < keep->share_cnt ? keep->shares[i] : 0; /* the lists are new */
    pieces[i]            = (piece_t){s->at, s->words, share, is_list ? 0 : s->is_timed ? 1 : 2};
  }
  qsort(pieces, d->segment_cnt, sizeof *pieces, by_worth);
  for (uint32_t i = 0; i < d->segment_cnt; i++) {
    const uint32_t words = piece_words(&pieces[i]);
    if (words > room) continue;
    keep->copies[keep->copy_cnt++] =
        (tf_card_net_copy_t){pieces[i].at, header->kept_words, pieces[i].words, pieces[i].share};
    header->kept_words += words;
    room -= words;
  }
  qsort(keep->copies, keep->copy_cnt, sizeof *keep->copies, by_place);
}

/* ---- places in it ---- */

static void move_place(const tf_card_net_keep_t *keep, tf_card_net_place_t *place) {
  if (place->base != TF_CARD_IMAGE) return;
  for (uint32_t low = 0, high = keep->copy_cnt; low < high;) {
    const uint32_t            middle = (low + high) / 2;
    const tf_card_net_copy_t *c      = &keep->copies[middle];
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

static void move_op(const tf_card_net_keep_t *keep, tf_card_net_op_t *op) {
  switch (op->kind) {
  case TF_CARD_OP_EACH:
    move_place(keep, &op->each.from.place);
    move_place(keep, &op->each.to.place);
    break;
  case TF_CARD_OP_PRODUCT:
  case TF_CARD_OP_MATMUL:
    move_place(keep, &op->product.a);
    move_place(keep, &op->product.weight);
    move_place(keep, &op->product.scale);
    move_place(keep, &op->product.bias);
    break;
  case TF_CARD_OP_FOLD: move_place(keep, &op->fold.from.place); break;
  case TF_CARD_OP_ROW:
    move_place(keep, &op->row.from);
    move_place(keep, &op->row.scale);
    move_place(keep, &op->row.shift);
    break;
  case TF_CARD_OP_RECURRENCE:
    move_place(keep, &op->recurrence.h);
    move_place(keep, &op->recurrence.carry);
    break;
  }
}

tf_err_t tf_card_net_keep_choose(tf_card_net_keep_t *keep, tf_card_net_draft_t *d,
                                 tf_card_net_t *header) {
  piece_t *pieces = calloc(d->segment_cnt, sizeof *pieces);
  keep->copies    = calloc(d->segment_cnt, sizeof *keep->copies);
  if (pieces && keep->copies) keep_pieces(keep, d, header, pieces);
  free(pieces);
  if (!pieces || !keep->copies) return TF_ERR(E_CORE_NO_MEMORY, "%u tensors", d->segment_cnt);
  tf_card_net_op_t   *ops   = (tf_card_net_op_t *)(void *)(d->image + header->ops.at);
  tf_card_net_step_t *steps = (tf_card_net_step_t *)(void *)(d->image + header->steps.at);
  for (uint32_t i = 0; i < d->op_cnt; i++) move_op(keep, &ops[i]);
  for (uint32_t i = 0; i < d->step_cnt; i++)
    for (uint32_t k = 0; k < TF_ARRAY_CNT(steps[i].others); k++)
      move_place(keep, &steps[i].others[k].place);
  move_place(keep, &header->ops);
  move_place(keep, &header->steps);
  return TF_OK;
}
