#include "model/net_plan.h"

#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "model/block.h"
#include "model/net_attention.h"

/* A value while the plan is made. */
typedef struct place {
  uint32_t root; /* the value whose memory it is: itself, or what it is a view of or written over */
  uint32_t at, floats;
  uint32_t begin, end; /* of a root: the first call and the last that need it */
  bool     placed;
} place_t;

typedef struct draft {
  const tf_net_t *net;
  tf_isa_t        isa;
  tf_precision_t  precision;
  uint32_t        answer;  /* value; TF_NET_NONE */
  bool            joins;   /* steps of several nodes where there are such */
  place_t        *places;  /* by value */
  uint32_t       *uses;    /* by value: nodes that read it; the answer is read once more */
  uint32_t       *bias_of; /* by node: the add whose constant is its bias; TF_NET_NONE */
  uint32_t *call_of; /* by node; TF_NET_NONE where it is no call: a view, a bias, part of another */
  tf_net_node_t **joined; /* by node: what runs in the place of it and others; NULL: itself */
  uint32_t       *order;  /* roots by size, for placing */
  uint32_t        call_cnt;
  uint32_t        floats, work;
} draft_t;

static uint32_t root_of(const draft_t *d, uint32_t value) { return d->places[value].root; }

static bool in_state(const draft_t *d, uint32_t value) {
  return d->net->values[root_of(d, value)].in_state;
}

static const tf_net_node_t *node_of(const draft_t *d, uint32_t n) {
  return d->joined[n] ? d->joined[n] : &d->net->nodes[n];
}

/* A node's op as it is to run. */
static tf_tensor_use_t use_of(const draft_t *d, uint32_t n) {
  tf_tensor_use_t use = node_of(d, n)->use;
  use.isa             = d->isa;
  use.precision       = d->precision;
  return use;
}

/* ---- which nodes are calls ---- */

/* Whether constant holds one value for each along out's last axis. */
static bool is_last_axis(const tf_net_value_t *constant, const tf_tensor_shape_t *out) {
  const tf_tensor_shape_t *s = &constant->shape;
  return constant->constant && s->rank >= 1 && out->rank >= 1 &&
         s->cnt == out->dims[out->rank - 1] && s->dims[s->rank - 1] == s->cnt;
}

/* Node n is an add of a bias to a product that nothing else reads. */
static void find_bias(draft_t *d, uint32_t n) {
  const tf_net_node_t *add = &d->net->nodes[n];
  if (strcmp(add->use.op->name, "add") != 0) return;
  for (uint32_t i = 0; i < 2; i++) {
    const tf_net_value_t *of    = &d->net->values[add->in[i]],
                         *other = &d->net->values[add->in[1 - i]];
    if (of->node == TF_NET_NONE || d->uses[add->in[i]] != 1 || !is_last_axis(other, &add->use.out))
      continue;
    if (!node_of(d, of->node)->use.op->fuses_bias || d->bias_of[of->node] != TF_NET_NONE ||
        !tf_tensor_shape_same(&of->shape, &add->use.out))
      continue;
    d->bias_of[of->node]     = n;
    d->call_of[n]            = TF_NET_NONE;
    d->places[add->out].root = root_of(d, add->in[i]);
    return;
  }
}

/* An attention is one call, in the place of the last of its nodes. */
static tf_err_t join_attention(draft_t *d, uint32_t n) {
  tf_net_attention_t a;
  if (!tf_net_attention_find(d->net, d->uses, n, &a)) return TF_OK;
  tf_net_node_t *node = malloc(sizeof *node);
  if (!node) return TF_ERR(E_CORE_NO_MEMORY, "a node");
  *node                 = a.node;
  d->joined[a.nodes[0]] = node;
  for (uint32_t i = 1; i < a.cnt; i++) d->call_of[a.nodes[i]] = TF_NET_NONE;
  return TF_OK;
}

static tf_err_t number_calls(draft_t *d) {
  const tf_net_t *net = d->net;
  tf_err_t        err = TF_OK;
  for (uint32_t n = 0; n < net->node_cnt; n++) {
    d->bias_of[n] = TF_NET_NONE;
    d->call_of[n] = 0;
    for (uint32_t i = 0; i < net->nodes[n].use.in_cnt; i++) d->uses[net->nodes[n].in[i]]++;
  }
  if (d->answer != TF_NET_NONE) d->uses[d->answer]++;
  for (uint32_t n = 0; n < net->node_cnt && d->joins && !err; n++) err = join_attention(d, n);
  for (uint32_t n = 0; n < net->node_cnt; n++) {
    const tf_net_node_t *node = node_of(d, n);
    if (d->call_of[n] == TF_NET_NONE) continue;
    if (node->use.op->is_view && !net->values[node->in[0]].constant) {
      d->call_of[n]             = TF_NET_NONE;
      d->places[node->out].root = root_of(d, node->in[0]);
    } else {
      find_bias(d, n);
    }
    if (d->call_of[n] != TF_NET_NONE) d->call_of[n] = d->call_cnt++;
  }
  return err;
}

/* ---- lifetimes ---- */

/* Where a root is needed: from the call that makes it to the last that reads it. */
static void find_lifetimes(draft_t *d) {
  const tf_net_t *net = d->net;
  for (uint32_t v = 0; v < net->value_cnt; v++) d->places[v].begin = UINT32_MAX;
  d->places[TF_NET_INPUT].begin = 0;
  for (uint32_t n = 0; n < net->node_cnt; n++) {
    const tf_net_node_t *node = node_of(d, n);
    const uint32_t       call = d->call_of[n];
    if (call == TF_NET_NONE) continue;
    place_t *out = &d->places[root_of(d, node->out)];
    if (out->begin > call) out->begin = call;
    if (out->end < call) out->end = call;
    for (uint32_t i = 0; i < node->use.in_cnt; i++) {
      place_t *in = &d->places[root_of(d, node->in[i])];
      if (in->end < call) in->end = call;
    }
  }
  if (d->answer != TF_NET_NONE) d->places[root_of(d, d->answer)].end = d->call_cnt;
}

/* A call that may write over an input does, where that input's memory ends with it and is no larger. Roots of values
 * behind it change, so lifetimes are found anew. */
static void write_over(draft_t *d) {
  const tf_net_t *net = d->net;
  for (uint32_t n = 0; n < net->node_cnt; n++) {
    const tf_net_node_t *node = node_of(d, n);
    const uint32_t       call = d->call_of[n], own = node->out;
    if (call == TF_NET_NONE || !node->use.op->in_place || root_of(d, own) != own ||
        net->values[own].in_state)
      continue;
    for (uint32_t i = 0; i < node->use.in_cnt; i++) {
      const uint32_t root = root_of(d, node->in[i]);
      if (net->values[root].constant || d->places[root].end != call ||
          d->places[root].begin == call ||
          net->values[node->in[i]].shape.cnt != node->use.out.cnt ||
          net->values[root].shape.cnt != node->use.out.cnt)
        continue;
      bool twice = false; /* another input in the same memory, read with other steps */
      for (uint32_t k = 0; k < node->use.in_cnt; k++)
        twice |= k != i && root_of(d, node->in[k]) == root &&
                 net->values[node->in[k]].shape.cnt != node->use.out.cnt;
      if (twice || root == TF_NET_INPUT || net->values[root].in_state) continue;
      d->places[root].end = d->places[own].end;
      for (uint32_t v = 0; v < net->value_cnt; v++)
        if (d->places[v].root == own) d->places[v].root = root;
      break;
    }
  }
}

/* ---- memory ---- */

static bool overlap(const place_t *a, const place_t *b) {
  return a->begin <= b->end && b->begin <= a->end;
}

/* The lowest place free of those that live at the same time: moved up past each that is in the way, until none is. */
static uint32_t lowest_free(const draft_t *d, const place_t *p) {
  uint32_t at    = 0;
  bool     moved = true;
  while (moved) {
    moved = false;
    for (uint32_t v = 0; v < d->net->value_cnt; v++) {
      const place_t *o = &d->places[v];
      if (!o->placed || !overlap(o, p) || o->at >= at + p->floats || at >= o->at + o->floats)
        continue;
      at    = o->at + o->floats;
      moved = true;
    }
  }
  return at;
}

static tf_err_t place_values(draft_t *d) {
  const tf_net_t *net = d->net;
  uint32_t        cnt = 0;
  for (uint32_t v = 0; v < net->value_cnt; v++) {
    if (d->places[v].root != v || net->values[v].constant || net->values[v].in_state ||
        d->places[v].begin == UINT32_MAX)
      continue;
    d->places[v].floats =
        (uint32_t)tf_align_up(net->values[v].shape.cnt, TF_OP_PAD) + TF_TENSOR_PAD;
    uint32_t i = cnt++;
    for (; i > 0 && d->places[d->order[i - 1]].floats < d->places[v].floats; i--)
      d->order[i] = d->order[i - 1];
    d->order[i] = v;
  }
  for (uint32_t i = 0; i < cnt; i++) {
    place_t *p = &d->places[d->order[i]];
    p->at      = lowest_free(d, p);
    p->placed  = true;
    if (d->floats < p->at + p->floats) d->floats = p->at + p->floats;
  }
  if ((uint64_t)(d->floats + d->work) * sizeof(float) <= TF_NET_PLAN_SCRATCH_BYTES_MAX)
    return TF_OK;
  return TF_ERR(E_MODEL_UNSUPPORTED, "%llu bytes of values at a time, at most %llu are allowed",
                (unsigned long long)(d->floats + d->work) * sizeof(float),
                (unsigned long long)TF_NET_PLAN_SCRATCH_BYTES_MAX);
}

/* ---- the block ---- */

/* What a node's constants take: packed where the op packs, copied where it reads them as they are. */
typedef struct bytes_of {
  size_t packed, copied;
} bytes_of_t;

static bytes_of_t node_bytes(const draft_t *d, uint32_t n) {
  const tf_net_node_t  *node = node_of(d, n);
  const tf_tensor_use_t use  = use_of(d, n);
  const float          *constants[TF_TENSOR_INPUTS_MAX];
  bytes_of_t            b = {0};
  tf_net_constants(d->net, node, constants);
  if (use.op->pack_bytes)
    b.packed = tf_align_up(use.op->pack_bytes(&use, constants), TF_LINE_BYTES);
  for (uint32_t i = 0; i < node->use.in_cnt; i++)
    if (constants[i] && !(node->use.op->packs >> i & 1))
      b.copied += tf_align_up((node->use.in[i].cnt + TF_OP_PAD) * sizeof(float), TF_LINE_BYTES);
  if (d->bias_of[n] != TF_NET_NONE) {
    const tf_tensor_shape_t *out = &node->use.out;
    b.copied += tf_align_up((out->dims[out->rank - 1] + TF_OP_PAD) * sizeof(float), TF_LINE_BYTES);
  }
  return b;
}

static const float *copy_floats(uint8_t **at, const float *from, size_t cnt) {
  float *to = (float *)(void *)*at;
  memcpy(to, from, cnt * sizeof *to);
  *at += tf_align_up((cnt + TF_OP_PAD) * sizeof *to, TF_LINE_BYTES);
  return to;
}

static const float *bias_constant(const draft_t *d, uint32_t n) {
  const tf_net_node_t *add = &d->net->nodes[d->bias_of[n]];
  const float         *a   = d->net->values[add->in[0]].constant;
  return a ? a : d->net->values[add->in[1]].constant;
}

static uint32_t place_of(const draft_t *d, uint32_t value) {
  const uint32_t root = root_of(d, value);
  return in_state(d, value) ? d->net->values[root].state_at : d->places[root].at;
}

static void fill_call(const draft_t *d, tf_net_plan_t *plan, uint32_t n, uint8_t **at) {
  const tf_net_node_t *node  = node_of(d, n);
  tf_net_call_t       *call  = &plan->calls[d->call_of[n]];
  const bytes_of_t     bytes = node_bytes(d, n);
  const float         *constants[TF_TENSOR_INPUTS_MAX];
  tf_net_constants(d->net, node, constants);
  call->use          = use_of(d, n);
  call->node         = n;
  call->out_at       = place_of(d, node->out);
  call->out_in_state = in_state(d, node->out);
  if (bytes.packed) {
    node->use.op->pack(&call->use, constants, *at);
    call->use.packed = *at;
    *at += bytes.packed;
  }
  for (uint32_t i = 0; i < node->use.in_cnt; i++) {
    if (!constants[i]) {
      call->at[i] = place_of(d, node->in[i]);
      call->in_state |= (uint32_t)in_state(d, node->in[i]) << i;
    } else if (node->use.op->packs >> i & 1) {
      call->constants[i] = call->use.packed; /* not read by this name */
    } else {
      call->constants[i] = copy_floats(at, constants[i], node->use.in[i].cnt);
    }
  }
  if (d->bias_of[n] != TF_NET_NONE)
    call->use.bias =
        copy_floats(at, bias_constant(d, n), node->use.out.dims[node->use.out.rank - 1]);
  plan->weight_bytes += bytes.packed + bytes.copied;
  plan->flops += tf_tensor_flops(&node->use);
}

/* Whether a call works value by value on what the call before it made, in its place. */
static bool belongs_behind(const tf_net_plan_t *plan, uint32_t idx) {
  const tf_net_call_t *call = &plan->calls[idx], *before = call - 1;
  return call->use.op->in_place && !call->use.op->scratch_cnt && call->out_at == before->out_at &&
         call->out_in_state == before->out_in_state && call->use.out.cnt == before->use.out.cnt;
}

static void fill_steps(tf_net_plan_t *plan) {
  for (uint32_t i = 0; i < plan->call_cnt; i++) {
    tf_net_step_t *last = plan->step_cnt ? &plan->steps[plan->step_cnt - 1] : NULL;
    if (last && last->cnt <= TF_NET_PLAN_BEHIND_MAX && belongs_behind(plan, i))
      last->cnt++;
    else
      plan->steps[plan->step_cnt++] = (tf_net_step_t){i, 1};
  }
}

static tf_err_t build(const draft_t *d, tf_net_plan_t **plan) {
  const tf_net_t *net    = d->net;
  const size_t    header = tf_align_up(sizeof **plan, TF_LINE_BYTES);
  const size_t    steps  = tf_align_up(d->call_cnt * sizeof(tf_net_step_t), TF_LINE_BYTES);
  const size_t    calls  = tf_align_up(d->call_cnt * sizeof(tf_net_call_t), TF_LINE_BYTES);
  size_t          bytes  = header + steps + calls;
  for (uint32_t n = 0; n < net->node_cnt; n++) {
    if (d->call_of[n] == TF_NET_NONE) continue;
    bytes_of_t b = node_bytes(d, n);
    bytes += b.packed + b.copied;
  }
  tf_net_plan_t *p = tf_block_new(&bytes);
  if (!p) return TF_ERR(E_CORE_NO_MEMORY, "%zu bytes of packed weights", bytes);
  uint8_t *at        = (uint8_t *)p + header;
  p->steps           = (tf_net_step_t *)(void *)at;
  p->calls           = (tf_net_call_t *)(void *)(at + steps);
  p->input_cnt       = net->input_cnt;
  p->window          = net->window;
  p->output_cnt      = d->answer == TF_NET_NONE ? 0 : net->values[d->answer].shape.cnt;
  p->isa             = d->isa;
  p->precision       = d->precision;
  p->call_cnt        = d->call_cnt;
  p->input_at        = d->places[TF_NET_INPUT].at;
  p->output_at       = d->answer == TF_NET_NONE ? 0 : place_of(d, d->answer);
  p->output_in_state = d->answer != TF_NET_NONE && in_state(d, d->answer);
  p->work_at         = d->floats;
  p->scratch_bytes   = (d->floats + d->work) * sizeof(float);
  p->block_bytes     = bytes;
  at += steps + calls;
  for (uint32_t n = 0; n < net->node_cnt; n++) {
    if (d->call_of[n] != TF_NET_NONE) fill_call(d, p, n, &at);
    if (d->call_of[n] != TF_NET_NONE) p->value_bytes += node_of(d, n)->use.out.cnt * sizeof(float);
  }
  fill_steps(p);
  *plan = p;
  return TF_OK;
}

/* The most that an op needs for itself. */
static void find_work(draft_t *d) {
  size_t most = 0;
  for (uint32_t n = 0; n < d->net->node_cnt; n++) {
    const tf_tensor_use_t use = use_of(d, n);
    if (d->call_of[n] == TF_NET_NONE) continue;
    size_t cnt = use.op->scratch_cnt ? use.op->scratch_cnt(&use) : 0;
    if (most < cnt) most = cnt;
  }
  d->work = (uint32_t)tf_align_up(most, TF_OP_PAD) + TF_TENSOR_PAD;
}

static tf_err_t make(draft_t *d, tf_net_plan_t **plan) {
  for (uint32_t v = 0; v < d->net->value_cnt; v++) d->places[v].root = v;
  tf_err_t err = number_calls(d);
  if (err) return err;
  find_lifetimes(d);
  write_over(d);
  find_work(d);
  err = place_values(d);
  return err ? err : build(d, plan);
}

static tf_err_t plan_new(const tf_net_t *net, tf_isa_t isa, tf_precision_t precision,
                         uint32_t answer, bool joins, tf_net_plan_t **plan) {
  *plan = NULL;
  if (!tf_isa_supported(isa))
    return TF_ERR(E_CORE_ARGUMENT, "this CPU has no %s; it has %s", tf_isa_name(isa),
                  tf_isa_name(tf_isa_best()));
  draft_t  d   = {.net       = net,
                  .isa       = isa,
                  .precision = precision,
                  .answer    = answer,
                  .joins     = joins,
                  .places    = calloc(net->value_cnt, sizeof *d.places),
                  .uses      = calloc(net->value_cnt, sizeof *d.uses),
                  .bias_of   = calloc(net->node_cnt, sizeof *d.bias_of),
                  .call_of   = calloc(net->node_cnt, sizeof *d.call_of),
                  .joined    = calloc(net->node_cnt, sizeof *d.joined),
                  .order     = calloc(net->value_cnt, sizeof *d.order)};
  tf_err_t err = d.places && d.uses && d.bias_of && d.call_of && d.joined && d.order
                     ? make(&d, plan)
                     : TF_ERR(E_CORE_NO_MEMORY, "a plan");
  for (uint32_t n = 0; n < net->node_cnt && d.joined; n++) free(d.joined[n]);
  free(d.places);
  free(d.uses);
  free(d.bias_of);
  free(d.call_of);
  free(d.joined);
  free(d.order);
  return err;
}

tf_err_t tf_net_plan_new(const tf_net_t *net, tf_isa_t isa, tf_precision_t precision,
                         tf_net_plan_t **plan) {
  tf_err_t err = plan_new(net, isa, precision, net->nodes[net->node_cnt - 1].out, true, plan);
  if (err || (*plan)->call_cnt > 0) return err;
  tf_net_plan_delete(*plan);
  *plan = NULL;
  return TF_ERR(E_MODEL_SHAPE, "the output is the input in another shape");
}

tf_err_t tf_net_plan_new_part(const tf_net_t *net, tf_isa_t isa, tf_precision_t precision,
                              uint32_t answer, tf_net_plan_t **plan) {
  return plan_new(net, isa, precision, answer, false, plan);
}

void tf_net_plan_delete(tf_net_plan_t *plan) { free(plan); }

/* ---- running ---- */

/* Where values lie while a plan runs. */
typedef struct bases {
  float *scratch, *state;
} bases_t;

TF_INLINE void run_call(const tf_net_plan_t *plan, const tf_net_call_t *call, bases_t b) {
  const float *in[TF_TENSOR_INPUTS_MAX];
  for (uint32_t i = 0; i < call->use.in_cnt; i++)
    in[i] = call->constants[i] ? call->constants[i]
                               : (call->in_state >> i & 1 ? b.state : b.scratch) + call->at[i];
  call->use.op->run(&call->use, in, (call->out_in_state ? b.state : b.scratch) + call->out_at,
                    b.scratch + plan->work_at);
}

/* The window comes to where value 0 lies: behind the first call it is memory like any other. */
static void enter(const tf_net_plan_t *plan, bases_t b, const float *rows) {
  memcpy(b.scratch + plan->input_at, rows, (size_t)plan->window * plan->input_cnt * sizeof *rows);
}

static void leave(const tf_net_plan_t *plan, bases_t b, float *out) {
  memcpy(out, (plan->output_in_state ? b.state : b.scratch) + plan->output_at,
         plan->output_cnt * sizeof *out);
}

void tf_net_plan_run_part(const tf_net_plan_t *plan, void *state, void *scratch, const float *rows,
                          float *out) {
  const bases_t b = {scratch, state};
  if (rows) enter(plan, b, rows);
  for (uint32_t i = 0; i < plan->call_cnt; i++) run_call(plan, &plan->calls[i], b);
  if (out) leave(plan, b, out);
}

void tf_net_plan_run(const tf_net_plan_t *plan, void *scratch, const float *rows, float *out) {
  tf_net_plan_run_part(plan, NULL, scratch, rows, out);
}

void tf_net_plan_profile(const tf_net_plan_t *plan, void *state, void *scratch, const float *rows,
                         float *out, uint64_t *ticks) {
  const bases_t b = {scratch, state};
  if (rows) enter(plan, b, rows);
  uint64_t then = tf_clock_ticks();
  for (uint32_t s = 0; s < plan->step_cnt; s++) {
    for (uint32_t i = 0; i < plan->steps[s].cnt; i++)
      run_call(plan, &plan->calls[plan->steps[s].first + i], b);
    uint64_t now = tf_clock_ticks();
    if (ticks[s] > now - then) ticks[s] = now - then;
    then = now;
  }
  if (out) leave(plan, b, out);
}

/* ---- for people ---- */

uint64_t tf_net_plan_step_flops(const tf_net_plan_t *plan, uint32_t step) {
  uint64_t flops = 0;
  for (uint32_t i = 0; i < plan->steps[step].cnt; i++)
    flops += tf_tensor_flops(&plan->calls[plan->steps[step].first + i].use);
  return flops;
}

void tf_net_plan_describe(const tf_net_plan_t *plan, uint32_t step, char *target, size_t bytes) {
  const tf_net_step_t *s   = &plan->steps[step];
  const tf_net_call_t *own = &plan->calls[s->first];
  char                 a[TF_TENSOR_SHAPE_TEXT_BYTES], b[TF_TENSOR_SHAPE_TEXT_BYTES];
  int                  at =
      snprintf(target, bytes, "%s%s%s %s->%s%s", own->use.op->name, own->use.row ? " " : "",
               own->use.row ? own->use.row->name : "", tf_tensor_shape_text(&own->use.in[0], a),
               tf_tensor_shape_text(&own->use.out, b), own->use.bias ? " +bias" : "");
  for (uint32_t i = 1; i < s->cnt && at > 0 && (size_t)at < bytes; i++) {
    const tf_tensor_use_t *use = &plan->calls[s->first + i].use;
    at += snprintf(target + at, bytes - (size_t)at, " +%s",
                   use->row ? use->row->name : use->op->name);
  }
}
