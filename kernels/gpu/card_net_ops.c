#include "gpu/card_net_ops.h"

#include <string.h>

#include "core/error.h"
#include "gpu/card_net_order.h"

#define ACCESSES_MAX (TF_TENSOR_INPUTS_MAX + 4u)

/* A call while its ops are made. */
typedef struct emit {
  tf_card_net_draft_t   *d;
  const tf_net_call_t   *call;
  const tf_tensor_use_t *use;
  const tf_net_node_t   *node;
  tf_card_net_access_t   accesses[ACCESSES_MAX];
  uint32_t               access_cnt;
} emit_t;

static const struct {
  const char *name;
  uint32_t    in_cnt;
} fns[] = {
#define TF_CARD_FN(fn, inputs, expr) {#fn, inputs},
#include "gpu/card_net_fn.def"
#undef TF_CARD_FN
};

tf_card_net_fn_t tf_card_net_ops_fn(const char *name) {
  uint32_t fn = 0;
  while (fn < TF_CARD_FN_CNT && strcmp(fns[fn].name, name) != 0) fn++;
  return (tf_card_net_fn_t)fn;
}

static bool is_named(const tf_tensor_use_t *use, const char *name) {
  return strcmp(use->op->name, name) == 0;
}

static tf_card_net_fn_t fn_of(const tf_tensor_use_t *use) {
  return tf_card_net_ops_fn(use->op->takes_row ? use->row->name : use->op->name);
}

/* ---- where things are ---- */

static const float *constant_of(const emit_t *e, uint32_t i) {
  return e->d->net->values[e->node->in[i]].constant;
}

static tf_err_t add_floats(emit_t *e, const float *values, uint32_t cnt,
                           tf_card_net_place_t *place) {
  return tf_card_net_draft_add(e->d, values, cnt, place);
}

static tf_card_net_place_t computed_at(const emit_t *e, uint32_t i) {
  return tf_card_net_place(e->call->in_state >> i & 1 ? TF_CARD_STATE : TF_CARD_VALUES,
                           e->call->at[i]);
}

static tf_err_t input_at(emit_t *e, uint32_t i, tf_card_net_place_t *place) {
  const float *constant = constant_of(e, i);
  if (constant) return add_floats(e, constant, e->use->in[i].cnt, place);
  *place = computed_at(e, i);
  return TF_OK;
}

static tf_card_net_place_t out_at(const tf_net_call_t *call) {
  return tf_card_net_place(call->out_in_state ? TF_CARD_STATE : TF_CARD_VALUES, call->out_at);
}

static tf_card_net_place_t work_at(emit_t *e, uint64_t words) {
  if (e->d->work_words < words) e->d->work_words = (uint32_t)words;
  return tf_card_net_place(TF_CARD_VALUES, e->d->work_at);
}

static tf_card_net_place_t behind(tf_card_net_place_t place, uint64_t words) {
  return tf_card_net_place((tf_card_net_base_t)place.base, place.at + (uint32_t)words);
}

static void touch(emit_t *e, tf_card_net_place_t place, uint64_t words, bool writes) {
  TF_ASSERT(e->access_cnt < ACCESSES_MAX);
  e->accesses[e->access_cnt++] = (tf_card_net_access_t){place, (uint32_t)words, writes, e->d->call};
}

/* Inputs are read, the output written. */
static void touch_all(emit_t *e) {
  e->access_cnt = 0;
  for (uint32_t i = 0; i < e->use->in_cnt; i++)
    if (!constant_of(e, i)) touch(e, computed_at(e, i), e->use->in[i].cnt, false);
  touch(e, out_at(e->call), e->use->out.cnt, true);
}

static tf_card_net_op_t op_of(const emit_t *e, tf_card_net_op_kind_t kind, uint32_t item_cnt) {
  return (tf_card_net_op_t){.kind     = kind,
                            .node     = e->call->node,
                            .item_cnt = item_cnt,
                            .lanes    = 1,
                            .out      = out_at(e->call)};
}

static tf_err_t add_op(emit_t *e, tf_card_net_op_t *op) {
  return tf_card_net_draft_op(e->d, op, e->accesses, e->access_cnt);
}

/* ---- value by value ---- */

/* How input i of a pointwise op is read: where loop says. */
static tf_err_t view_of_input(emit_t *e, uint32_t i, tf_card_net_view_t *view) {
  const tf_tensor_loop_t *l = &e->use->loop;
  tf_card_net_place_t     place;
  tf_err_t                err = input_at(e, i, &place);
  if (!err) err = tf_card_net_draft_entries(e->d, e->use->out.cnt);
  if (err) return err;
  for (uint32_t n = 0; n < e->use->out.cnt; n++) {
    int64_t  at   = e->use->op->takes_row ? n : 0;
    uint32_t rest = n;
    for (uint32_t axis = e->use->op->takes_row ? 0 : l->rank; axis-- > 0; rest /= l->dims[axis])
      at += (int64_t)(rest % l->dims[axis]) * l->step[i][axis];
    e->d->entries[n] = tf_card_net_entry(behind(place, (uint64_t)at));
  }
  return tf_card_net_draft_view(e->d, e->use->out.cnt, view);
}

static tf_err_t add_step(emit_t *e, uint32_t through, const tf_card_net_view_t *others) {
  const tf_card_net_step_t step = {
      .fn      = fn_of(e->use),
      .through = through,
      .others  = {others[0], others[1]},
      .alpha   = (float)e->use->reals[0],
      .beta    = (float)e->use->reals[1]
  };
  tf_card_net_draft_t *d    = e->d;
  void                *list = d->steps;
  tf_err_t err = tf_card_net_draft_grow(&list, d->step_cnt, 1, &d->step_room, TF_CARD_NET_STEPS_MAX,
                                        sizeof *d->steps, "functions");
  d->steps     = list;
  if (err) return err;
  d->steps[d->step_cnt++] = step;
  d->ops[d->op_cnt - 1].step_cnt++;
  return TF_OK;
}

/* The function itself is a step behind a read. */
static tf_err_t add_pointwise(emit_t *e) {
  tf_card_net_op_t   op       = op_of(e, TF_CARD_OP_EACH, e->use->out.cnt);
  tf_card_net_view_t views[3] = {0}, others[2] = {0};
  tf_err_t           err     = TF_OK;
  uint32_t           through = 0, cnt = 0;
  for (uint32_t i = 0; i < e->use->in_cnt && !err; i++) err = view_of_input(e, i, &views[i]);
  for (uint32_t i = e->use->in_cnt; i-- > 0;)
    if (views[i].walk == TF_CARD_ALONG) through = i;
  for (uint32_t i = 0; i < e->use->in_cnt; i++)
    if (i != through) others[cnt++] = views[i];
  op.each = (tf_card_net_each_t){
      .from = views[through], .to = {op.out, TF_CARD_ALONG}
  };
  if (!err) err = add_op(e, &op);
  return err ? err : add_step(e, through, others);
}

static bool is_same_place(tf_card_net_place_t a, tf_card_net_place_t b) {
  return a.base == b.base && a.at == b.at;
}

/* Appends a call to the last op, which has made its input where the call writes: false where it does not fit. */
static tf_err_t try_behind(emit_t *e, const tf_net_call_t *before, bool *done) {
  tf_card_net_view_t others[2] = {0};
  const bool         fits      = before && tf_card_net_order_is_pointwise(e->use) &&
                    is_same_place(out_at(before), out_at(e->call)) &&
                    before->use.out.cnt == e->use->out.cnt;
  uint32_t through = TF_CARD_NOTHING, cnt = 0;
  tf_err_t err = TF_OK;
  *done        = false;
  for (uint32_t i = 0; fits && i < e->use->in_cnt && !err; i++) {
    tf_card_net_view_t view;
    err            = view_of_input(e, i, &view);
    const bool own = !constant_of(e, i) && is_same_place(computed_at(e, i), out_at(e->call));
    if (err || (own && view.walk != TF_CARD_ALONG)) return err;
    if (own && through == TF_CARD_NOTHING) {
      through = i;
      continue;
    }
    const tf_card_net_access_t read = {computed_at(e, i), e->use->in[i].cnt, false, e->d->call};
    if (own)
      view.walk = TF_CARD_SELF;
    else if (!constant_of(e, i) && !tf_card_net_draft_join(e->d, &read))
      return TF_OK;
    others[cnt++] = view;
  }
  if (err || through == TF_CARD_NOTHING) return err;
  *done = true;
  return add_step(e, through, others);
}

/* ---- moves ---- */

/* The call's own reference, run over the numbers of its inputs' values, says where each value of the output comes from. */
static tf_err_t number_moves(emit_t *e, double *from) {
  tf_tensor_use_t use = *e->use;
  const double   *in[TF_TENSOR_INPUTS_MAX];
  uint64_t        cnt = 0, at = 0;
  for (uint32_t i = 0; i < use.in_cnt; i++) cnt += use.in[i].cnt;
  double  *numbers = malloc(cnt * sizeof *numbers);
  tf_err_t err = numbers ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "%llu values", (unsigned long long)cnt);
  for (uint32_t i = 0; i < use.in_cnt && !err; i++) {
    const float *constant = is_named(&use, "gather") && i == 1 ? constant_of(e, i) : NULL;
    in[i]                 = numbers + at;
    for (uint32_t k = 0; k < use.in[i].cnt; k++, at++)
      numbers[at] = constant ? (double)constant[k] : (double)at + 1.0; /* 0: what pad puts in */
  }
  use.reals[0] = 0.0;
  if (!err) use.op->ref(&use, in, from, NULL);
  free(numbers);
  return err;
}

static tf_err_t fill_moves(emit_t *e, const double *from) {
  tf_card_net_place_t places[TF_TENSOR_INPUTS_MAX];
  tf_err_t            err = tf_card_net_draft_entries(e->d, e->use->out.cnt);
  for (uint32_t i = 0; i < e->use->in_cnt && !err; i++) err = input_at(e, i, &places[i]);
  for (uint32_t n = 0; n < e->use->out.cnt && !err; n++) {
    uint64_t at      = (uint64_t)from[n];
    e->d->entries[n] = TF_CARD_NOTHING;
    if (at-- == 0) continue;
    uint32_t i = 0;
    while (at >= e->use->in[i].cnt) at -= e->use->in[i++].cnt;
    e->d->entries[n] = tf_card_net_entry(behind(places[i], at));
  }
  return err;
}

static tf_err_t add_move(emit_t *e) {
  double          *from = malloc(e->use->out.cnt * sizeof *from);
  tf_card_net_op_t op   = op_of(e, TF_CARD_OP_EACH, e->use->out.cnt);
  tf_err_t         err  = from ? number_moves(e, from) : TF_ERR(E_CORE_NO_MEMORY, "a move");
  if (!err) err = fill_moves(e, from);
  op.each = (tf_card_net_each_t){
      .to   = {op.out, TF_CARD_ALONG},
      .fill = is_named(e->use, "pad") ? (float)e->use->reals[0] : 0.0f
  };
  if (!err) err = tf_card_net_draft_view(e->d, e->use->out.cnt, &op.each.from);
  free(from);
  return err ? err : add_op(e, &op);
}

/* A part of a tensor in the state (model/net_half.c): ints are axis, first place, places in all. */
static tf_err_t add_keep(emit_t *e) {
  const tf_tensor_use_t *use   = e->use;
  const uint32_t         axis  = (uint32_t)use->ints[0];
  const uint32_t         outer = tf_tensor_axes_cnt(&use->out, 0, axis);
  const uint64_t         inner = tf_tensor_axes_cnt(&use->out, axis + 1, use->out.rank);
  const uint32_t         each = use->in[0].cnt / outer, all = use->out.cnt / outer;
  tf_card_net_op_t       op  = op_of(e, TF_CARD_OP_EACH, use->in[0].cnt);
  tf_err_t               err = tf_card_net_draft_entries(e->d, use->in[0].cnt);
  for (uint32_t i = 0; i < use->in[0].cnt && !err; i++)
    e->d->entries[i] = tf_card_net_entry(
        behind(op.out, (uint64_t)(i / each) * all + (uint64_t)use->ints[1] * inner + i % each));
  if (!err) err = tf_card_net_draft_view(e->d, use->in[0].cnt, &op.each.to);
  op.each.from.walk = TF_CARD_ALONG;
  if (!err) err = input_at(e, 0, &op.each.from.place);
  return err ? err : add_op(e, &op);
}

/* ---- products ---- */

/* Threads that share a sum of cnt: as many as have each of them to add, while that leaves no thread idle; and few in any case, where
 * neighbours read what lies side by side. */
static uint32_t lanes_of(const tf_card_net_draft_t *d, uint32_t cnt, uint32_t each, uint32_t few,
                         uint64_t item_cnt) {
  uint32_t lanes = 1;
  while (lanes < TF_CARD_NET_LANES_MAX && (uint64_t)2 * lanes * each <= cnt &&
         (lanes < few || 2 * lanes * item_cnt <= d->thread_cnt))
    lanes *= 2;
  return lanes;
}
#define LINE_LANES 8u /* whose vectors are a line of L2 */

static bool is_packed(const tf_tensor_use_t *use) { return use->constant_mask & 2u; }

/* The precision that a product with a constant matrix has on the CPU. */
static tf_precision_t precision_of(const emit_t *e) {
  tf_tensor_product_t product;
  tf_tensor_use_t     use = *e->use;
  use.precision           = e->d->precision;
  return use.op->product(&use, 0, &product) ? e->d->precision : TF_PRECISION_FP32;
}

/* p's sizes, batch_cnt, a and out are set; source: of the first matrix, or for a computed one its steps. */
static tf_err_t add_product(emit_t *e, tf_card_net_product_t *p, const tf_mat_source_t *source,
                            tf_card_net_place_t out) {
  const bool       packed = source->weight != NULL;
  tf_card_net_op_t op     = op_of(e, packed ? TF_CARD_OP_PRODUCT : TF_CARD_OP_MATMUL, 0);
  tf_err_t         err    = TF_OK;
  op.item_cnt             = p->batch_cnt * p->m * p->n;
  op.out                  = out;
  if (packed) {
    op.lanes =
        lanes_of(e->d, p->k, tf_card_net_vector_cnt(source->precision), LINE_LANES, op.item_cnt);
    err = tf_card_net_draft_pack(e->d, source, p->weight_batch ? p->batch_cnt : 1, p->weight_batch,
                                 op.lanes, p);
  } else {
    p->scale = tf_card_net_place(TF_CARD_NOWHERE, 0);
    op.lanes = lanes_of(e->d, p->k, 4, p->weight_k == 1 ? LINE_LANES : 1, op.item_cnt);
  }
  op.product = *p;
  return err ? err : add_op(e, &op);
}

typedef struct matmul_sizes {
  uint32_t m, k, n, batch_cnt;
  bool     shared; /* one matrix for all */
} matmul_sizes_t;

/* As matmul.c has them. */
static matmul_sizes_t matmul_sizes_of(const tf_tensor_use_t *use) {
  const tf_tensor_shape_t *a = &use->in[0], *b = &use->in[1], *out = &use->out;
  matmul_sizes_t           s = {.m         = a->dims[a->rank - 2],
                                .k         = a->dims[a->rank - 1],
                                .n         = out->dims[out->rank - 1],
                                .batch_cnt = tf_tensor_axes_cnt(out, 0, out->rank - 2)};
  s.shared                   = b->cnt == s.k * s.n && a->cnt == s.batch_cnt * s.m * s.k;
  if (s.shared) s.m *= s.batch_cnt, s.batch_cnt = 1;
  return s;
}

static void operands_of(const tf_tensor_use_t *use, uint32_t idx, uint32_t *a, uint32_t *b) {
  const tf_tensor_loop_t *l = &use->loop;
  *a = *b = 0;
  for (uint32_t axis = l->rank; axis-- > 0; idx /= l->dims[axis]) {
    *a += idx % l->dims[axis] * (uint32_t)l->step[0][axis];
    *b += idx % l->dims[axis] * (uint32_t)l->step[1][axis];
  }
}

/* Products from first on whose operands lie equal steps apart, up to cnt. */
static uint32_t run_of(const tf_tensor_use_t *use, uint32_t first, uint32_t cnt, uint32_t *a_step,
                       uint32_t *b_step) {
  uint32_t a, b, next_a, next_b, run = 1;
  operands_of(use, first, &a, &b);
  *a_step = *b_step = 0;
  for (; first + run < cnt; run++) {
    operands_of(use, first + run, &next_a, &next_b);
    if (run == 1) *a_step = next_a - a, *b_step = next_b - b;
    if (next_a != a + run * *a_step || next_b != b + run * *b_step) break;
  }
  return run;
}

static tf_err_t add_bias(emit_t *e, const float *bias, uint32_t cnt, tf_card_net_place_t *place) {
  *place = tf_card_net_place(TF_CARD_NOWHERE, 0);
  return bias ? add_floats(e, bias, cnt, place) : TF_OK;
}

static tf_err_t add_matmul(emit_t *e) {
  const matmul_sizes_t s      = matmul_sizes_of(e->use);
  const bool           turned = e->use->int_cnt > 0 && e->use->ints[0];
  const size_t         k_step = turned ? 1 : s.n, n_step = turned ? s.k : 1;
  tf_card_net_place_t  a, b                              = {TF_CARD_NOWHERE, 0}, bias;
  tf_err_t             err = input_at(e, 0, &a);
  if (!err && !is_packed(e->use)) err = input_at(e, 1, &b);
  if (!err) err = add_bias(e, e->use->bias, s.n, &bias);
  for (uint32_t i = 0, cnt; i < s.batch_cnt && !err; i += cnt) {
    uint32_t a_at = 0, b_at = 0, a_step = 0, b_step = 0;
    cnt = 1;
    if (!s.shared) {
      cnt = run_of(e->use, i, s.batch_cnt, &a_step, &b_step);
      operands_of(e->use, i, &a_at, &b_at);
    }
    const size_t          each   = (size_t)s.k * s.n;
    tf_mat_source_t       source = {.row_floats    = n_step,
                                    .column_floats = k_step,
                                    .in_cnt        = s.k,
                                    .out_cnt       = s.n,
                                    .precision     = TF_PRECISION_FP32};
    tf_card_net_product_t p      = {.a         = behind(a, (uint64_t)a_at * s.m * s.k),
                                    .bias      = bias,
                                    .batch_cnt = cnt,
                                    .m         = s.m,
                                    .n         = s.n,
                                    .k         = s.k,
                                    .a_batch   = a_step * s.m * s.k,
                                    .a_m       = s.k,
                                    .a_k       = 1,
                                    .weight_n  = (uint32_t)n_step,
                                    .weight_k  = (uint32_t)k_step,
                                    .out_batch = s.m * s.n,
                                    .out_m     = s.n,
                                    .out_n     = 1};
    p.weight_batch               = (uint32_t)(b_step * each);
    if (is_packed(e->use)) {
      source.weight    = constant_of(e, 1) + b_at * each;
      source.precision = precision_of(e);
    } else {
      p.weight = behind(b, b_at * each);
    }
    err = add_product(e, &p, &source, behind(out_at(e->call), (uint64_t)i * s.m * s.n));
  }
  return err;
}

/* ---- convolutions ---- */

#define CONV_AXES 2u

/* One axis as two, the first of size 1. */
typedef struct conv_sizes {
  uint32_t batch_cnt, groups, channels, outputs; /* the last two of a group */
  uint32_t in[CONV_AXES], kernel[CONV_AXES], out[CONV_AXES];
  int64_t  stride[CONV_AXES], dilation[CONV_AXES], before[CONV_AXES];
  uint32_t k, places, plane;
} conv_sizes_t;

static conv_sizes_t conv_sizes_of(const tf_tensor_use_t *use) {
  const tf_tensor_shape_t *x = &use->in[0], *w = &use->in[1];
  conv_sizes_t             s = {
                  .batch_cnt = x->dims[0],
                  .groups    = (uint32_t)use->ints[0],
                  .channels  = w->dims[1],
                  .in        = {1, 1},
                  .kernel    = {1, 1},
                  .out       = {1, 1},
                  .stride    = {1, 1},
                  .dilation  = {1, 1}
  };
  const uint32_t axes = x->rank - 2;
  s.outputs           = w->dims[0] / s.groups;
  for (uint32_t axis = 0; axis < axes; axis++) {
    const uint32_t to = axis + CONV_AXES - axes;
    const int64_t *n  = use->ints + 1 + 4 * (size_t)axis;
    s.in[to] = x->dims[2 + axis], s.kernel[to] = w->dims[2 + axis];
    s.out[to]    = use->out.dims[2 + axis];
    s.stride[to] = n[0], s.dilation[to] = n[1], s.before[to] = n[2];
  }
  s.k      = s.channels * s.kernel[0] * s.kernel[1];
  s.places = s.out[0] * s.out[1];
  s.plane  = s.in[0] * s.in[1];
  return s;
}

/* Where the input lies that weight k of a group meets at a place, from the group's first channel on; false outside. */
static bool conv_source(const conv_sizes_t *s, uint32_t place, uint32_t k, uint64_t *at) {
  const uint32_t taps = s->kernel[0] * s->kernel[1], tap = k % taps;
  const int64_t  y =
      place / s->out[1] * s->stride[0] + tap / s->kernel[1] * s->dilation[0] - s->before[0];
  const int64_t x =
      place % s->out[1] * s->stride[1] + tap % s->kernel[1] * s->dilation[1] - s->before[1];
  *at = (uint64_t)(k / taps) * s->plane + (uint64_t)(y * s->in[1] + x);
  return y >= 0 && y < s->in[0] && x >= 0 && x < s->in[1];
}

/* Weights that meet values of one place each, all of them: no rows need be gathered. */
static bool is_plain(const conv_sizes_t *s) {
  bool plain = s->k == s->channels && s->places == s->plane;
  for (uint32_t axis = 0; axis < CONV_AXES; axis++)
    plain &= s->stride[axis] == 1 && s->before[axis] == 0;
  return plain;
}

/* Rows of what the weights meet, place by place, of all groups of all of the batch. */
static tf_err_t gather_places(emit_t *e, const conv_sizes_t *s, tf_card_net_place_t x,
                              tf_card_net_place_t rows) {
  const uint64_t cnt = (uint64_t)s->batch_cnt * s->groups * s->places * s->k;
  if (cnt > TF_TENSOR_CNT_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED, "%llu values to multiply with, at most %llu are allowed",
                  (unsigned long long)cnt, (unsigned long long)TF_TENSOR_CNT_MAX);
  tf_err_t err = tf_card_net_draft_entries(e->d, (uint32_t)cnt);
  uint32_t n   = 0;
  for (uint32_t part = 0; part < s->batch_cnt * s->groups && !err; part++)
    for (uint32_t place = 0; place < s->places; place++)
      for (uint32_t k = 0; k < s->k; k++, n++) {
        uint64_t   at;
        const bool inside = conv_source(s, place, k, &at);
        e->d->entries[n] =
            inside ? tf_card_net_entry(behind(x, (uint64_t)part * s->channels * s->plane + at))
                   : TF_CARD_NOTHING;
      }
  tf_card_net_op_t op = op_of(e, TF_CARD_OP_EACH, (uint32_t)cnt);
  op.out              = rows;
  op.each.to          = (tf_card_net_view_t){rows, TF_CARD_ALONG};
  if (!err) err = tf_card_net_draft_view(e->d, (uint32_t)cnt, &op.each.from);
  e->access_cnt = 0;
  if (!constant_of(e, 0)) touch(e, x, e->use->in[0].cnt, false);
  touch(e, rows, cnt, true);
  if (!err) err = add_op(e, &op);
  touch_all(e);
  touch(e, rows, cnt, false);
  return err;
}

static tf_err_t add_conv(emit_t *e) {
  const conv_sizes_t  s = conv_sizes_of(e->use);
  tf_card_net_place_t x, w = {TF_CARD_NOWHERE, 0}, bias = w;
  const uint64_t      part = (uint64_t)s.places * s.k;
  tf_err_t            err  = input_at(e, 0, &x);
  if (!err && !is_packed(e->use)) err = input_at(e, 1, &w);
  if (!err && e->use->in_cnt > 2) err = input_at(e, 2, &bias);
  tf_card_net_product_t p = {.bias       = bias,
                             .batch_cnt  = s.groups,
                             .m          = s.places,
                             .n          = s.outputs,
                             .k          = s.k,
                             .a_batch    = (uint32_t)part,
                             .a_m        = s.k,
                             .a_k        = 1,
                             .weight_n   = s.k,
                             .weight_k   = 1,
                             .bias_batch = s.outputs,
                             .out_batch  = s.outputs * s.places,
                             .out_m      = 1,
                             .out_n      = s.places};
  p.a                     = x;
  if (is_plain(&s)) {
    p.a_batch = s.channels * s.plane, p.a_m = 1, p.a_k = s.plane;
  } else if (!err) {
    p.a = work_at(e, part * s.groups * s.batch_cnt);
    err = gather_places(e, &s, x, p.a);
  }
  tf_mat_source_t source = {.row_floats    = s.k,
                            .column_floats = 1,
                            .in_cnt        = s.k,
                            .out_cnt       = s.outputs,
                            .precision     = TF_PRECISION_FP32};
  if (is_packed(e->use)) {
    source.weight    = constant_of(e, 1);
    source.precision = precision_of(e);
  }
  for (uint32_t b = 0; b < s.batch_cnt && !err; b++) {
    tf_card_net_product_t one = p;
    one.weight                = w;
    one.weight_batch          = s.outputs * s.k;
    one.a                     = behind(p.a, (uint64_t)b * s.groups * p.a_batch);
    err                       = add_product(e, &one, &source,
                                            behind(out_at(e->call), (uint64_t)b * s.groups * p.out_batch));
  }
  return err;
}

/* ---- folds ---- */

static const struct {
  const char             *op;
  tf_card_net_fold_kind_t fold;
} folds[] = {
    {"average_pool", TF_CARD_FOLD_MEAN_OF},
    {"max_pool",     TF_CARD_FOLD_MAX    },
    {"reduce_max",   TF_CARD_FOLD_MAX    },
    {"reduce_mean",  TF_CARD_FOLD_MEAN   },
    {"reduce_min",   TF_CARD_FOLD_MIN    },
    {"reduce_prod",  TF_CARD_FOLD_PROD   },
    {"reduce_sum",   TF_CARD_FOLD_SUM    },
};

static const tf_card_net_fold_kind_t *fold_of(const tf_tensor_use_t *use) {
  for (size_t i = 0; i < TF_ARRAY_CNT(folds); i++)
    if (is_named(use, folds[i].op)) return &folds[i].fold;
  return NULL;
}

static tf_err_t add_fold(emit_t *e, tf_card_net_fold_kind_t fold, uint32_t each_cnt) {
  tf_card_net_op_t op = op_of(e, TF_CARD_OP_FOLD, e->use->out.cnt);
  op.fold             = (tf_card_net_fold_t){.fold = fold, .each_cnt = each_cnt};
  op.lanes            = lanes_of(e->d, each_cnt, 1, LINE_LANES, op.item_cnt);
  tf_err_t err        = tf_card_net_draft_view(e->d, e->use->out.cnt * each_cnt, &op.fold.from);
  return err ? err : add_op(e, &op);
}

/* loop walks kept axes first. */
static tf_err_t add_reduce(emit_t *e) {
  const tf_tensor_loop_t *l = &e->use->loop;
  tf_card_net_place_t     x;
  tf_err_t                err = input_at(e, 0, &x);
  if (!err) err = tf_card_net_draft_entries(e->d, e->use->in[0].cnt);
  for (uint32_t n = 0; n < e->use->in[0].cnt && !err; n++) {
    int64_t  at   = 0;
    uint32_t rest = n;
    for (uint32_t axis = l->rank; axis-- > 0; rest /= l->dims[axis])
      at += (int64_t)(rest % l->dims[axis]) * l->step[0][axis];
    e->d->entries[n] = tf_card_net_entry(behind(x, (uint64_t)at));
  }
  return err ? err : add_fold(e, *fold_of(e->use), e->use->in[0].cnt / e->use->out.cnt);
}

#define POOL_INTS                                                                                  \
  5u /* of an axis: size, stride, dilation, padding before and behind (tensor/pool.h) */

/* Value number w of the window of output out; false outside. */
static bool pool_source(const tf_tensor_use_t *use, uint32_t out, uint32_t w, uint64_t *source) {
  const tf_tensor_shape_t *from   = &use->in[0];
  uint64_t                 step   = 1;
  bool                     inside = true;
  *source                         = 0;
  for (uint32_t axis = from->rank; axis-- > 2; step *= from->dims[axis]) {
    const int64_t *n = use->ints + (axis - 2) * POOL_INTS;
    const int64_t  at =
        (int64_t)(out % use->out.dims[axis]) * n[1] + (int64_t)(w % (uint32_t)n[0]) * n[2] - n[3];
    inside &= at >= 0 && at < (int64_t)from->dims[axis];
    *source += (uint64_t)at * step;
    out /= use->out.dims[axis];
    w /= (uint32_t)n[0];
  }
  *source += out * step;
  return inside;
}

static tf_err_t add_pool(emit_t *e) {
  const tf_tensor_use_t *use      = e->use;
  uint64_t               each_cnt = 1;
  tf_card_net_place_t    x;
  tf_err_t               err = input_at(e, 0, &x);
  for (uint32_t axis = 2; axis < use->in[0].rank; axis++)
    each_cnt *= (uint64_t)use->ints[(axis - 2) * POOL_INTS];
  if (each_cnt * use->out.cnt > TF_TENSOR_CNT_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED, "%llu values in all windows of a pool, at most %llu",
                  (unsigned long long)each_cnt * use->out.cnt,
                  (unsigned long long)TF_TENSOR_CNT_MAX);
  if (!err) err = tf_card_net_draft_entries(e->d, (uint32_t)each_cnt * use->out.cnt);
  for (uint32_t n = 0; n < each_cnt * use->out.cnt && !err; n++) {
    uint64_t   at;
    const bool inside = pool_source(use, n / (uint32_t)each_cnt, n % (uint32_t)each_cnt, &at);
    e->d->entries[n]  = inside ? tf_card_net_entry(behind(x, at)) : TF_CARD_NOTHING;
  }
  tf_card_net_fold_kind_t fold = *fold_of(use);
  if (fold == TF_CARD_FOLD_MEAN_OF && use->ints[use->int_cnt - 1]) fold = TF_CARD_FOLD_MEAN;
  return err ? err : add_fold(e, fold, (uint32_t)each_cnt);
}

/* ---- rows ---- */

static tf_err_t add_row(emit_t *e, tf_card_net_row_kind_t kind) {
  const uint32_t   width = e->use->in[0].rank ? e->use->in[0].dims[e->use->in[0].rank - 1] : 1;
  tf_card_net_op_t op    = op_of(e, TF_CARD_OP_ROW, e->use->out.cnt / width);
  op.row                 = (tf_card_net_row_t){
                      .row     = kind,
                      .width   = width,
                      .scale   = {TF_CARD_NOWHERE, 0},
                      .shift   = {TF_CARD_NOWHERE, 0},
                      .epsilon = (float)e->use->reals[0]
  };
  op.lanes     = lanes_of(e->d, width, 1, LINE_LANES, op.item_cnt);
  tf_err_t err = input_at(e, 0, &op.row.from);
  if (!err && e->use->in_cnt > 1) err = input_at(e, 1, &op.row.scale);
  if (!err && e->use->in_cnt > 2) err = input_at(e, 2, &op.row.shift);
  return err ? err : add_op(e, &op);
}

/* ---- recurrent layers ---- */

enum { IN_X, IN_W, IN_R, IN_B, IN_H, IN_C };

static const struct {
  const char        *op;
  tf_card_net_cell_t cell;
} cells[] = {
    {"gru",  TF_CARD_CELL_GRU },
    {"lstm", TF_CARD_CELL_LSTM},
    {"rnn",  TF_CARD_CELL_RNN },
};

static const tf_card_net_cell_t *cell_of(const tf_tensor_use_t *use) {
  for (size_t i = 0; i < TF_ARRAY_CNT(cells); i++)
    if (is_named(use, cells[i].op)) return &cells[i].cell;
  return NULL;
}

/* The biases of x's and h's parts: a GRU's last gate keeps them apart, else their sum is h's. */
static tf_err_t add_biases(emit_t *e, uint32_t direction, uint32_t gates, uint32_t apart_from,
                           tf_card_net_place_t *of_x, tf_card_net_place_t *of_h) {
  const float *bias = constant_of(e, IN_B) + (size_t)direction * 2 * gates;
  float       *both = calloc(2 * (size_t)gates, sizeof *both);
  if (!both) return TF_ERR(E_CORE_NO_MEMORY, "%u biases", gates);
  for (uint32_t g = 0; g < gates; g++) {
    const bool apart = g >= apart_from;
    both[g]          = apart ? bias[g] : 0.0f;
    both[gates + g]  = apart ? bias[gates + g] : bias[g] + bias[gates + g];
  }
  tf_err_t err = add_floats(e, both, gates, of_x);
  if (!err) err = add_floats(e, both + gates, gates, of_h);
  free(both);
  return err;
}

static tf_precision_t recurrent_precision(const emit_t *e, uint32_t part) {
  tf_tensor_product_t product;
  tf_tensor_use_t     use = *e->use;
  use.precision           = e->d->precision;
  return use.op->product(&use, part, &product) ? e->d->precision : TF_PRECISION_FP32;
}

/* One direction: gates of all rows by one product, then row by row. Work: gates of all rows, of one, h, carry. */
static tf_err_t add_direction(emit_t *e, tf_card_net_cell_t cell, uint32_t d) {
  const tf_tensor_use_t *use  = e->use;
  const uint32_t         rows = use->in[IN_X].dims[0], batch = use->in[IN_X].dims[1],
                 inputs = use->in[IN_X].dims[2];
  const uint32_t gates = use->in[IN_R].dims[1], units = use->in[IN_R].dims[2],
                 directions = use->in[IN_R].dims[0];
  const uint64_t all = (uint64_t)rows * batch * gates, one = (uint64_t)batch * gates,
                 state = (uint64_t)batch * units, words = all + one + 2 * state;
  const tf_card_net_place_t work = work_at(e, words);
  tf_card_net_place_t       of_x, of_h, x, h, c;
  if (words > TF_TENSOR_CNT_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED, "%llu values of gates, at most %llu are allowed",
                  (unsigned long long)words, (unsigned long long)TF_TENSOR_CNT_MAX);
  tf_err_t err =
      add_biases(e, d, gates, cell == TF_CARD_CELL_GRU ? gates - units : gates, &of_x, &of_h);
  if (!err) err = input_at(e, IN_X, &x);
  if (!err) err = input_at(e, IN_H, &h);
  if (!err) err = input_at(e, cell == TF_CARD_CELL_LSTM ? IN_C : IN_H, &c);
  tf_card_net_product_t p      = {.a         = x,
                                  .bias      = of_x,
                                  .batch_cnt = 1,
                                  .m         = rows * batch,
                                  .n         = gates,
                                  .k         = inputs,
                                  .a_m       = inputs,
                                  .a_k       = 1,
                                  .out_m     = gates,
                                  .out_n     = 1};
  tf_mat_source_t       source = {.weight     = constant_of(e, IN_W) + (size_t)d * gates * inputs,
                                  .row_floats = inputs,
                                  .in_cnt     = inputs,
                                  .out_cnt    = gates,
                                  .precision  = recurrent_precision(e, 0)};
  e->access_cnt                = 0;
  if (!constant_of(e, IN_X)) touch(e, x, use->in[IN_X].cnt, false);
  touch(e, work, all, true);
  if (!err) err = add_product(e, &p, &source, work);
  if (err) return err;

  tf_card_net_op_t op = op_of(e, TF_CARD_OP_RECURRENCE, 0);
  op.out              = behind(op.out, d * state);
  op.recurrence       = (tf_card_net_recurrence_t){.cell       = cell,
                                                   .is_reverse = use->ints[0] == 1 || d == 1,
                                                   .row_cnt    = rows,
                                                   .batch_cnt  = batch,
                                                   .unit_cnt   = units,
                                                   .out_row    = (uint32_t)(directions * state),
                                                   .carry_row  = TF_CARD_NOTHING,
                                                   .gates      = work,
                                                   .h          = behind(h, d * state),
                                                   .carry      = behind(c, d * state),
                                                   .work_h     = behind(work, all + one),
                                                   .work_carry = behind(work, all + one + state)};
  if (use->int_cnt > 1 && use->ints[1]) op.recurrence.carry_row = rows;
  touch_all(e);
  touch(e, work, all, false);
  touch(e, behind(work, all), one + 2 * state, true);
  err = add_op(e, &op);
  if (err) return err;
  source        = (tf_mat_source_t){.weight     = constant_of(e, IN_R) + (size_t)d * gates * units,
                                    .row_floats = units,
                                    .in_cnt     = units,
                                    .out_cnt    = gates,
                                    .precision  = recurrent_precision(e, 1)};
  p             = (tf_card_net_product_t){.a         = op.recurrence.work_h,
                                          .bias      = of_h,
                                          .batch_cnt = 1,
                                          .m         = batch,
                                          .n         = gates,
                                          .k         = units,
                                          .a_m       = units,
                                          .a_k       = 1,
                                          .out_m     = gates,
                                          .out_n     = 1};
  e->access_cnt = 0; /* it is the recurrence that runs it */
  return add_product(e, &p, &source, behind(work, all));
}

static tf_err_t add_recurrent(emit_t *e) {
  tf_err_t err = TF_OK;
  for (uint32_t d = 0; d < e->use->in[IN_R].dims[0] && !err; d++) {
    e->d->call++; /* each with work of its own */
    err = add_direction(e, *cell_of(e->use), d);
  }
  return err;
}

/* ---- which is what ---- */

static bool is_move(const tf_tensor_use_t *use) {
  return use->op->flops == tf_tensor_flops_none && use->op->ref;
}

static tf_err_t check(const tf_net_t *net, const tf_net_node_t *node) {
  const tf_tensor_use_t *use = &node->use;
  bool good = is_named(use, "matmul") || is_named(use, "conv") || is_named(use, "keep") ||
              is_named(use, "layer_norm") || is_named(use, "rms_norm") || fold_of(use) ||
              cell_of(use) || is_move(use);
  if (tf_card_net_order_is_pointwise(use)) good = fn_of(use) < TF_CARD_FN_CNT;
  if (is_named(use, "rows") && use->row->mixes) good = strcmp(use->row->name, "softmax") == 0;
  if (!good)
    return TF_ERR(E_MODEL_UNSUPPORTED, "%s%s%s has no form on a card", use->op->name,
                  use->row ? " " : "", use->row ? use->row->name : "");
  if (is_named(use, "gather") && !net->values[node->in[1]].constant)
    return TF_ERR(E_MODEL_UNSUPPORTED, "gather by numbers that are computed has no form on a card");
  return TF_OK;
}

tf_err_t tf_card_net_ops_check(const tf_net_t *net) {
  for (uint32_t n = 0; n < net->node_cnt; n++) {
    tf_err_t err = check(net, &net->nodes[n]);
    if (err) return tf_error_add(err, "node %u, \"%.60s\"", n, net->nodes[n].name);
  }
  return TF_OK;
}

static tf_err_t add_call(emit_t *e) {
  const tf_tensor_use_t *use = e->use;
  touch_all(e);
  if (is_named(use, "matmul")) return add_matmul(e);
  if (is_named(use, "conv")) return add_conv(e);
  if (is_named(use, "keep")) return add_keep(e);
  if (is_named(use, "layer_norm")) return add_row(e, TF_CARD_ROW_LAYER_NORM);
  if (is_named(use, "rms_norm")) return add_row(e, TF_CARD_ROW_RMS_NORM);
  if (tf_card_net_order_is_pointwise(use)) return add_pointwise(e);
  if (use->op->takes_row) return add_row(e, TF_CARD_ROW_SOFTMAX);
  if (cell_of(use)) return add_recurrent(e);
  if (fold_of(use)) return strstr(use->op->name, "pool") ? add_pool(e) : add_reduce(e);
  return add_move(e);
}

/* Whether the last of the ops from first on makes all of call's output by itself. */
static bool is_one_op(const tf_card_net_draft_t *d, uint32_t first, const tf_net_call_t *call) {
  const tf_card_net_op_t *last = &d->ops[d->op_cnt - 1];
  uint32_t                cnt  = 0;
  for (uint32_t i = first; i < d->op_cnt; i++)
    cnt += d->ops[i].out.base == out_at(call).base && d->ops[i].out.at >= call->out_at &&
           d->ops[i].out.at - call->out_at < call->use.out.cnt;
  return cnt == 1 && is_same_place(last->out, out_at(call)) && last->kind != TF_CARD_OP_RECURRENCE;
}

tf_err_t tf_card_net_ops_add(tf_card_net_draft_t *d) {
  const tf_net_call_t *before = NULL; /* what a call may go behind: where one op made it */
  d->part_first               = d->op_cnt;
  for (uint32_t i = 0; i < d->plan->call_cnt; i++) {
    const tf_net_call_t *call = &d->plan->calls[i];
    emit_t e = {.d = d, .call = call, .use = &call->use, .node = &d->net->nodes[call->node]};
    const uint32_t op_cnt = d->op_cnt;
    bool           done;
    d->call++;
    tf_err_t err = try_behind(&e, before, &done);
    if (!err && !done) {
      err    = add_call(&e);
      before = !err && is_one_op(d, op_cnt, call) ? call : NULL;
    }
    if (err)
      return tf_error_add(err, "node %u, %s \"%.60s\"", call->node, call->use.op->name,
                          e.node->name);
  }
  tf_card_net_draft_end_phase(d);
  return TF_OK;
}
