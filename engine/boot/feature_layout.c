/* tf_feature_compile_finish: from resolved nodes to a plan. What runs when and in which company is decided
 * first (group), then where everything lies in an instrument's memory (place), then the plan's one block is
 * written. */
#include <string.h>

#include "boot/feature_compile.h"
#include "boot/feature_resolve.h"
#include "core/error.h"

#define STATE_ALIGN 16

/* Fewer of a kind at one level run one by one: most of a vector would repeat its last lane. */
#define LANES_MIN 3

#define KIND_NONE  UINT32_MAX
#define KIND_PEERS (UINT32_MAX - 1)
#define KIND_CROSS (UINT32_MAX - 2)

/* Which steps belong together: the values below TRIGGER_BAR, then one for each bar. */
enum {
  TRIGGER_TRADE,
  TRIGGER_QUOTE,
  TRIGGER_BOOK,
  TRIGGER_TEXT,
  TRIGGER_PEER,       /* a tick of a peer */
  TRIGGER_TICK_PEERS, /* an own tick, of what reads peers */
  TRIGGER_MARKET,
  TRIGGER_TICK,
  TRIGGER_BAR
};

/* What is decided of each node. */
typedef struct spot {
  uint32_t slot;   /* of its first output */
  uint32_t stride; /* from one output's slot to the next */
  uint32_t offset; /* of its state, bytes */
  uint32_t level;  /* 0: no tick's step makes it; else 1 + the highest of its inputs */
  uint32_t
           kind; /* of vectors; KIND_PEERS of a peer's value, KIND_CROSS of a place among all; KIND_NONE where it runs one by one */
  uint32_t own;  /* place of a lane's own doubles */

  tf_feature_need_t need;
} spot_t;

/* One history, before it is placed. */
typedef struct past {
  tf_feature_ref_t    of;
  tf_vector_history_t holds;
  uint32_t            level;
  uint64_t            depth;
} past_t;

typedef struct layout {
  const tf_feature_compile_t *c;
  spot_t                     *spots;
  uint32_t                   *ticks; /* the nodes that ticks step, in the order of their runs */
  uint32_t                    tick_cnt;
  past_t                     *pasts;
  tf_feature_history_t       *histories; /* of the plan to be, by past */
  uint32_t                    past_cnt;
  uint32_t                    vector_cnt, vector_lines; /* lines of their states */
  uint32_t                    slot_cnt, seen;
  uint32_t                    vector_state; /* place of the first vector's state */
  size_t                      mem_bytes, hot_bytes;
} layout_t;

static bool is_vector(const spot_t *s) { return s->kind < KIND_CROSS; }

static bool runs_on(const tf_feature_node_t *n, uint32_t trigger) {
  switch (n->kind) {
  case TF_FEATURE_NODE_MARKET:
    return (trigger == TRIGGER_TRADE && (n->indicator->on & TF_ON_TRADE)) ||
           (trigger == TRIGGER_QUOTE && (n->indicator->on & TF_ON_QUOTE)) ||
           (trigger == TRIGGER_BOOK && (n->indicator->on & TF_ON_BOOK)) ||
           (trigger == TRIGGER_TEXT && (n->indicator->on & TF_ON_TEXT)) ||
           (trigger == TRIGGER_PEER && (n->indicator->on & TF_ON_PEER)) ||
           trigger == (n->peer_cnt > 0 ? TRIGGER_TICK_PEERS : TRIGGER_MARKET);
  case TF_FEATURE_NODE_PEER:
  case TF_FEATURE_NODE_CROSS: return trigger == TRIGGER_TICK;
  case TF_FEATURE_NODE_SERIES:
  case TF_FEATURE_NODE_ARITHMETIC:
  case TF_FEATURE_NODE_PEEK:
    if (n->clock < TF_FEATURE_PLAN_BARS_MAX) return trigger == TRIGGER_BAR + n->clock;
    return trigger == TRIGGER_TICK;
  default: return false;
  }
}

/* ---- company: which nodes share vectors ---- */

static const char *const OPERATIONS[] = {
    [TF_FEATURE_NEG] = "neg",   [TF_FEATURE_ABS] = "abs",     [TF_FEATURE_ADD] = "add",
    [TF_FEATURE_SUB] = "sub",   [TF_FEATURE_MUL] = "mul",     [TF_FEATURE_DIV] = "div",
    [TF_FEATURE_MIN] = "least", [TF_FEATURE_MAX] = "greatest"};

static uint32_t kind_of(const tf_feature_env_t *env, const tf_feature_node_t *n) {
  bool is_series = n->kind == TF_FEATURE_NODE_SERIES;
  if (n->kind == TF_FEATURE_NODE_PEEK) return KIND_NONE; /* its state is another node's */
  const char *name = is_series ? n->indicator->name : OPERATIONS[n->op];
  for (uint32_t k = 0; k < env->vector_cnt; k++) {
    const tf_vector_kind_t *kind = env->vectors[k];
    if (strcmp(kind->name, name) != 0 || !kind->run[env->isa]) continue;
    TF_ASSERT(kind->input_cnt == n->in_cnt && kind->output_cnt == n->output_cnt);
    return k;
  }
  return KIND_NONE;
}

/* Alone, an indicator of one series is called without asking what it is. */
static bool is_plain_call(const tf_feature_node_t *n) {
  return n->indicator && n->in_cnt == 1 && n->kind != TF_FEATURE_NODE_PEEK;
}

static const layout_t
    *sorted; /* by qsort, which takes no context: one plan is compiled at a time */

static int by_run(const void *a, const void *b) {
  const uint32_t          i = *(const uint32_t *)a, k = *(const uint32_t *)b;
  const spot_t           *x = &sorted->spots[i], *y = &sorted->spots[k];
  const tf_feature_ref_t *in = sorted->c->nodes[i].in, *other = sorted->c->nodes[k].in;
  if (x->level != y->level) return x->level < y->level ? -1 : 1;
  if (x->kind != y->kind) return x->kind < y->kind ? -1 : 1;
  if (x->kind <= KIND_CROSS && in->node != other->node) return in->node < other->node ? -1 : 1;
  if (x->kind == KIND_CROSS && in->output != other->output)
    return in->output < other->output ? -1 : 1;
  bool plain       = is_plain_call(&sorted->c->nodes[i]),
       other_plain = is_plain_call(&sorted->c->nodes[k]);
  if (plain != other_plain) return plain ? -1 : 1;
  return i < k ? -1 : i > k;
}

static void sort_ticks(layout_t *l) {
  sorted = l;
  qsort(l->ticks, l->tick_cnt, sizeof *l->ticks, by_run);
}

/* How many of ticks, from the i-th on, are of one level and kind. */
static uint32_t company_of(const layout_t *l, uint32_t i) {
  const spot_t *first = &l->spots[l->ticks[i]];
  uint32_t      cnt   = 0;
  while (i + cnt < l->tick_cnt && l->spots[l->ticks[i + cnt]].level == first->level &&
         l->spots[l->ticks[i + cnt]].kind == first->kind)
    cnt++;
  return cnt;
}

static void group(layout_t *l) {
  const tf_feature_compile_t *c = l->c;
  for (uint32_t i = 0; i < c->node_cnt; i++) {
    const tf_feature_node_t *n = &c->nodes[i];
    spot_t                  *s = &l->spots[i];
    s->stride                  = 1;
    s->kind                    = KIND_NONE;
    if (!runs_on(n, TRIGGER_TICK)) continue;
    for (uint32_t k = 0; k < n->in_cnt; k++) {
      uint32_t below = l->spots[n->in[k].node].level;
      if (s->level < below) s->level = below;
    }
    s->level++;
    s->kind                 = n->kind == TF_FEATURE_NODE_PEER    ? KIND_PEERS
                              : n->kind == TF_FEATURE_NODE_CROSS ? KIND_CROSS
                                                                 : kind_of(&c->env, n);
    l->ticks[l->tick_cnt++] = i;
  }
  sort_ticks(l);
  for (uint32_t i = 0, cnt; i < l->tick_cnt; i += cnt) {
    cnt = company_of(l, i);
    if (cnt >= LANES_MIN || !is_vector(&l->spots[l->ticks[i]])) continue;
    for (uint32_t k = 0; k < cnt; k++) l->spots[l->ticks[i + k]].kind = KIND_NONE;
  }
  sort_ticks(l);
}

/* ---- warm-up ---- */

/* What feeds on two things waits for the longer of each sort. */
static void join_needs(tf_feature_need_t *need, const tf_feature_need_t *other) {
  if (need->ticks < other->ticks) need->ticks = other->ticks;
  if (other->bar == TF_FEATURE_NO_BAR) return;
  if (need->bar != TF_FEATURE_NO_BAR && need->closes >= other->closes) return;
  need->bar    = other->bar;
  need->closes = other->closes;
}

/* Nodes come inputs first. A lookback is of the node's own clock. */
static void find_needs(layout_t *l) {
  for (uint32_t i = 0; i < l->c->node_cnt; i++) {
    const tf_feature_node_t *n       = &l->c->nodes[i];
    tf_feature_need_t       *need    = &l->spots[i].need;
    bool                     has_bar = n->clock < TF_FEATURE_PLAN_BARS_MAX;
    uint64_t lookback = n->indicator && n->in_cnt ? n->indicator->lookback(n->params) : 0;
    *need             = (tf_feature_need_t){.bar = TF_FEATURE_NO_BAR};
    if (n->kind == TF_FEATURE_NODE_CONST) continue;
    if (n->kind == TF_FEATURE_NODE_PEEK) { /* the open bar is the last of the closes */
      *need       = l->spots[n->of].need;
      need->ticks = need->ticks ? need->ticks : 1;
      if (--need->closes == 0) need->bar = TF_FEATURE_NO_BAR;
      continue;
    }
    if (n->kind == TF_FEATURE_NODE_PEER) { /* what the peer needs, it counts itself */
      need->ticks = 1;
      continue;
    }
    for (uint32_t k = 0; k < n->in_cnt; k++) join_needs(need, &l->spots[n->in[k].node].need);
    if (has_bar) {
      need->bar    = n->clock;
      need->closes = (need->closes ? need->closes : 1) + lookback;
    } else {
      need->ticks = (need->ticks ? need->ticks : 1) + lookback;
    }
  }
}

/* ---- places ---- */
static tf_err_t place_slots(layout_t *l) {
  const tf_feature_compile_t *c = l->c;
  for (uint32_t i = 0; i < c->node_cnt; i++) {
    if (is_vector(&l->spots[i])) continue;
    l->spots[i].slot = l->slot_cnt;
    l->slot_cnt += c->nodes[i].output_cnt;
  }
  for (uint32_t i = 0, cnt; i < l->tick_cnt; i += cnt) {
    uint32_t kind = l->spots[l->ticks[i]].kind;
    cnt           = company_of(l, i);
    if (!is_vector(&l->spots[l->ticks[i]])) continue;
    l->slot_cnt                   = (uint32_t)tf_align_up(l->slot_cnt, TF_VECTOR_LANES);
    const tf_vector_kind_t *k     = c->env.vectors[kind];
    uint32_t                lines = (cnt + TF_VECTOR_LANES - 1) / TF_VECTOR_LANES;
    for (uint32_t lane = 0; lane < cnt; lane++) {
      spot_t *s = &l->spots[l->ticks[i + lane]];
      s->slot   = l->slot_cnt + lane % TF_VECTOR_LANES +
                lane / TF_VECTOR_LANES * TF_VECTOR_LANES * k->output_cnt;
      s->stride = TF_VECTOR_LANES;
    }
    l->slot_cnt += lines * TF_VECTOR_LANES * k->output_cnt;
    l->vector_cnt += lines;
    l->vector_lines += lines * k->state_lines;
  }
  if (l->slot_cnt > TF_FEATURE_PLAN_SLOTS_MAX)
    return TF_ERR(E_CORE_OVERFLOW, "the features need %u values; at most %d are allowed",
                  l->slot_cnt, TF_FEATURE_PLAN_SLOTS_MAX);
  return TF_OK;
}

static const past_t *past_of(const layout_t *l, tf_feature_ref_t of, tf_vector_history_t holds) {
  for (uint32_t p = 0; p < l->past_cnt; p++)
    if (l->pasts[p].of.node == of.node && l->pasts[p].of.output == of.output &&
        l->pasts[p].holds == holds)
      return &l->pasts[p];
  return NULL;
}

/* The series that windows look back on, and how far the furthest does. In order of their levels, since the
 * ticks are. */
static void collect_pasts(layout_t *l) {
  for (uint32_t i = 0; i < l->tick_cnt; i++) {
    const tf_feature_node_t *n    = &l->c->nodes[l->ticks[i]];
    const spot_t            *s    = &l->spots[l->ticks[i]];
    const tf_vector_kind_t  *kind = is_vector(s) ? l->c->env.vectors[s->kind] : NULL;
    if (!kind || kind->history == TF_VECTOR_HISTORY_NONE) continue;
    past_t  *past  = (past_t *)past_of(l, n->in[0], kind->history);
    uint64_t depth = kind->depth(n->params);
    if (!past) {
      past  = &l->pasts[l->past_cnt++];
      *past = (past_t){.of = n->in[0], .holds = kind->history, .level = s->level};
    }
    if (past->depth < depth) past->depth = depth;
  }
}

static uint16_t slot_of(const layout_t *l, tf_feature_ref_t ref) {
  return (uint16_t)(l->spots[ref.node].slot + ref.output * l->spots[ref.node].stride);
}

/* Adds to *bytes; false where that is too much. */
static bool take(size_t *bytes, size_t more) {
  if (more > TF_FEATURE_PLAN_BYTES_MAX || *bytes + more > TF_FEATURE_PLAN_BYTES_MAX) return false;
  *bytes += more;
  return true;
}

static tf_err_t too_large(const char *name, size_t bytes) {
  return TF_ERR(
      E_CORE_OVERFLOW,
      "the features need more than %zu MiB an instrument; %s alone needs %zu KiB: shorten "
      "its window or capacity",
      TF_FEATURE_PLAN_BYTES_MAX >> 20, name, bytes >> 10);
}

/* The rings; their counts lie at cnt_place. */
static tf_err_t place_pasts(layout_t *l, uint32_t cnt_place, size_t *bytes) {
  for (uint32_t p = 0; p < l->past_cnt; p++) {
    const past_t *past = &l->pasts[p];
    uint64_t      cap  = TF_VECTOR_LANES;
    while (cap <= past->depth) cap *= 2;
    l->histories[p] = (tf_feature_history_t){.cnt   = cnt_place + p,
                                             .ring  = (uint32_t)(*bytes / sizeof(double)),
                                             .mask  = (uint32_t)(cap - 1),
                                             .in    = slot_of(l, past->of),
                                             .holds = (uint16_t)past->holds};
    if (!take(bytes, cap * sizeof(double)))
      return too_large(l->c->nodes[past->of.node].name, cap * sizeof(double));
  }
  return TF_OK;
}

/* The doubles that lanes have to themselves. */
static tf_err_t place_own(layout_t *l, size_t *bytes) {
  for (uint32_t i = 0; i < l->tick_cnt; i++) {
    const tf_feature_node_t *n    = &l->c->nodes[l->ticks[i]];
    spot_t                  *s    = &l->spots[l->ticks[i]];
    const tf_vector_kind_t  *kind = is_vector(s) ? l->c->env.vectors[s->kind] : NULL;
    if (!kind || !kind->own) continue;
    size_t own = (size_t)kind->own(n->params) * sizeof(double);
    s->own     = (uint32_t)(*bytes / sizeof(double));
    if (!take(bytes, own)) return too_large(n->name, own);
  }
  *bytes = tf_align_up(*bytes, TF_LINE_BYTES);
  return TF_OK;
}

/* Market states first, then the rest in order of computation: a tick walks memory forwards. */
static tf_err_t place_states(layout_t *l, size_t *bytes) {
  const tf_feature_compile_t *c             = l->c;
  size_t                      largest_bytes = 0;
  uint32_t                    largest       = 0;
  for (uint32_t pass = 0; pass < 2; pass++) {
    for (uint32_t i = 0; i < c->node_cnt; i++) {
      const tf_feature_node_t *n = &c->nodes[i];
      if (!n->indicator || (n->indicator->series_cnt == 0) != (pass == 0)) continue;
      if (is_vector(&l->spots[i])) continue;
      if (n->kind == TF_FEATURE_NODE_PEEK) {
        l->spots[i].offset = l->spots[n->of].offset;
        continue;
      }
      size_t state = n->indicator->state_bytes(n->params);
      if (state > largest_bytes) {
        largest_bytes = state;
        largest       = i;
      }
      l->spots[i].offset = (uint32_t)*bytes;
      if (!take(bytes, state)) return too_large(c->nodes[largest].name, largest_bytes);
      *bytes = tf_align_up(*bytes, STATE_ALIGN);
    }
  }
  return TF_OK;
}

static tf_err_t place(layout_t *l) {
  tf_err_t err = place_slots(l);
  if (err != TF_OK) return err;
  collect_pasts(l);
  l->seen            = l->slot_cnt;
  uint32_t cnt_place = l->seen + 1 + l->c->env.bar_cnt;
  size_t   bytes     = tf_align_up((cnt_place + l->past_cnt) * sizeof(double), TF_LINE_BYTES);
  l->vector_state    = (uint32_t)(bytes / sizeof(double));
  bytes += (size_t)l->vector_lines * TF_LINE_BYTES;
  l->hot_bytes = bytes;
  err          = place_pasts(l, cnt_place, &bytes);
  if (err == TF_OK) err = place_states(l, &bytes);
  if (err == TF_OK) {
    bytes = tf_align_up(bytes, TF_LINE_BYTES);
    err   = place_own(l, &bytes);
  }
  l->mem_bytes = tf_align_up(bytes, TF_LINE_BYTES);
  return err;
}

/* ---- the plan's one block ---- */

/* Its parts in their order, and what is written of them so far. */
typedef struct parts {
  size_t steps_at, runs_at, histories_at, vectors_at, rows_at, updates_at, peeks_at, kinds_at;
  size_t bars_at, fields_at, starts_at, names_at, needs_at, peers_at, peer_values_at;
  size_t crosses_at, reads_at, values_at, trails_at, bytes;
} parts_t;

typedef struct writer {
  const layout_t       *l;
  tf_feature_step_t    *steps; /* the next one */
  tf_feature_update_t  *updates;
  tf_feature_peek_t    *peeks;
  uint32_t              update_cnt, peek_cnt;
  tf_feature_run_t     *runs;
  tf_feature_history_t *histories;
  tf_vector_t          *vectors;

  tf_feature_peer_value_t *peer_values;
  uint32_t                 peer_value_cnt;

  tf_feature_cross_t *crosses;
  uint32_t           *section_reads;
  uint32_t            cross_cnt, section_cnt;
} writer_t;

static size_t put(size_t *at, size_t cnt, size_t bytes) {
  size_t begin = *at;
  *at          = tf_align_up(begin + cnt * bytes, TF_LINE_BYTES);
  return begin;
}

/* Those that have a state of their own. */
static bool has_trails(const layout_t *l, uint32_t node) {
  const tf_feature_node_t *n = &l->c->nodes[node];
  return n->indicator && n->kind != TF_FEATURE_NODE_PEEK && !is_vector(&l->spots[node]) &&
         n->indicator->trail_cnt > 0;
}

static uint32_t count_trails(const layout_t *l) {
  uint32_t cnt = l->past_cnt;
  for (uint32_t i = 0; i < l->c->node_cnt; i++)
    if (has_trails(l, i)) cnt += l->c->nodes[i].indicator->trail_cnt;
  return cnt;
}

static parts_t measure(const layout_t *l) {
  const tf_feature_compile_t *c        = l->c;
  uint32_t                    step_cnt = 0;
  for (uint32_t i = 0; i < c->node_cnt; i++)
    for (uint32_t t = 0; t < TRIGGER_BAR + c->env.bar_cnt; t++)
      step_cnt += runs_on(&c->nodes[i], t);
  parts_t p      = {0};
  size_t *at     = &p.bytes;
  p.steps_at     = put(at, step_cnt, sizeof(tf_feature_step_t));
  p.runs_at      = put(at, (size_t)l->tick_cnt + l->past_cnt, sizeof(tf_feature_run_t));
  p.histories_at = put(at, l->past_cnt, sizeof(tf_feature_history_t));
  p.vectors_at   = put(at, l->vector_cnt, sizeof(tf_vector_t));
  p.rows_at      = put(at, c->entry_cnt, sizeof(uint16_t));
  p.updates_at   = put(at, c->env.indicator_cnt + 1, sizeof(tf_feature_update_t));
  p.peeks_at     = put(at, c->env.indicator_cnt + 1, sizeof(tf_feature_peek_t));
  p.kinds_at     = put(at, c->env.vector_cnt, sizeof(tf_feature_vectors_t));
  p.bars_at      = put(at, c->env.bar_cnt, sizeof(tf_feature_bar_t));
  p.fields_at    = put(at, c->node_cnt, sizeof(tf_feature_field_t));
  p.starts_at    = put(at, c->node_cnt, sizeof(tf_feature_start_t));
  p.names_at     = put(at, (size_t)c->entry_cnt + 1, sizeof(tf_feature_name_t));
  p.needs_at     = put(at, c->entry_cnt, sizeof(tf_feature_need_t));
  p.peers_at     = put(at, c->peer_cnt, sizeof(tf_feature_peer_t));

  p.peer_values_at = put(at, l->tick_cnt, sizeof(tf_feature_peer_value_t));

  uint32_t kind_cnt = c->env.crosses ? c->env.crosses->cross_cnt : 0;
  p.crosses_at      = put(at, l->tick_cnt, sizeof(tf_feature_cross_t));
  p.reads_at        = put(at, l->tick_cnt, sizeof(uint32_t));
  p.values_at       = put(at, kind_cnt, sizeof(tf_feature_cross_value_t));
  p.trails_at       = put(at, count_trails(l), sizeof(tf_feature_trail_t));
  return p;
}

/* The number of an update among those of the plan. */
static uint16_t number_of(writer_t *w, tf_feature_update_t update) {
  uint32_t i = 0;
  while (i < w->update_cnt && w->updates[i] != update) i++;
  if (i == w->update_cnt) w->updates[w->update_cnt++] = update;
  return (uint16_t)i;
}

static uint16_t number_of_peek(writer_t *w, tf_feature_peek_t peek) {
  uint32_t i = 0;
  while (i < w->peek_cnt && w->peeks[i] != peek) i++;
  if (i == w->peek_cnt) w->peeks[w->peek_cnt++] = peek;
  return (uint16_t)i;
}

static void write_step(writer_t *w, uint32_t node) {
  const tf_feature_node_t *n    = &w->l->c->nodes[node];
  const spot_t            *s    = &w->l->spots[node];
  tf_feature_step_t       *step = w->steps++;
  *step                         = (tf_feature_step_t){.state_offset = s->offset,
                                                      .out          = (uint16_t)s->slot,
                                                      .op           = n->op,
                                                      .series_cnt   = n->in_cnt,
                                                      .output_cnt   = (uint8_t)n->output_cnt};
  if (n->kind == TF_FEATURE_NODE_PEEK)
    step->update = number_of_peek(w, n->indicator->peek);
  else if (n->indicator)
    step->update = number_of(w, n->indicator->update);
  for (uint32_t k = 0; k < n->in_cnt; k++) step->in[k] = slot_of(w->l, n->in[k]);
  if (n->peer_cnt == 0) return;
  step->in[0] = (uint16_t)n->peer_first;
  step->in[1] = (uint16_t)n->peer_cnt;
}

static void write_peer_value(writer_t *w, uint32_t node) {
  const tf_feature_node_t *n = &w->l->c->nodes[node];

  w->peer_values[w->peer_value_cnt++] =
      (tf_feature_peer_value_t){.out  = (uint16_t)w->l->spots[node].slot,
                                .in   = slot_of(w->l, n->in[0]),
                                .peer = n->peer_first};
}

/* Crosses over one series follow one another: the first of them puts the value that all of them read. */
static void write_cross(writer_t *w, uint32_t node, tf_feature_ref_t last) {
  const tf_feature_node_t *n      = &w->l->c->nodes[node];
  const tf_cross_t        *kind   = w->l->c->env.crosses->crosses[n->cross];
  bool                     is_new = n->in[0].node != last.node || n->in[0].output != last.output;

  w->section_cnt += is_new;
  uint32_t section = w->section_cnt - 1;
  w->section_reads[section] |= kind->reads;
  tf_feature_cross_t *cross = &w->crosses[w->cross_cnt++];
  *cross                    = (tf_feature_cross_t){.in         = slot_of(w->l, n->in[0]),
                                                   .out        = (uint16_t)w->l->spots[node].slot,
                                                   .section    = (uint16_t)section,
                                                   .value      = (uint8_t)n->cross,
                                                   .member_min = kind->member_min,
                                                   .puts       = is_new};
  memcpy(cross->params, n->params, sizeof cross->params);
}

static void write_crosses(writer_t *w, const uint32_t *nodes, uint32_t cnt) {
  tf_feature_ref_t last = {UINT32_MAX, 0};
  for (uint32_t i = 0; i < cnt; i++) {
    write_cross(w, nodes[i], last);
    last = w->l->c->nodes[nodes[i]].in[0];
  }
}

/* The steps of one trigger. */
static tf_feature_list_t write_list(writer_t *w, uint32_t trigger) {
  tf_feature_list_t list = {w->steps, 0};
  for (uint32_t i = 0; i < w->l->c->node_cnt; i++)
    if (runs_on(&w->l->c->nodes[i], trigger)) write_step(w, i);
  list.cnt = (uint32_t)(w->steps - list.steps);
  return list;
}

static void write_lane(const layout_t *l, uint32_t node, uint32_t lane, tf_vector_t *v) {
  const tf_feature_node_t *n    = &l->c->nodes[node];
  const tf_vector_kind_t  *kind = l->c->env.vectors[l->spots[node].kind];
  for (uint32_t k = 0; k < n->in_cnt; k++) v->in[k][lane] = slot_of(l, n->in[k]);
  v->own[lane] = l->spots[node].own;
  if (kind->prepare) kind->prepare(n->params, lane, v);
  if (kind->history == TF_VECTOR_HISTORY_NONE) return;
  const tf_feature_history_t *h = &l->histories[past_of(l, n->in[0], kind->history) - l->pasts];
  v->ring[lane]                 = h->ring;
  v->mask[lane]                 = h->mask;
}

static void repeat_lane(tf_vector_t *v, uint32_t source, uint32_t target) {
  for (uint32_t k = 0; k < TF_VECTOR_INPUTS_MAX; k++) v->in[k][target] = v->in[k][source];
  for (uint32_t k = 0; k < TF_VECTOR_CONSTS_MAX; k++) v->consts[k][target] = v->consts[k][source];
  v->ring[target] = v->ring[source];
  v->mask[target] = v->mask[source];
  v->own[target]  = v->own[source];
  v->n[target]    = v->n[source];
}

/* Vectors of `cnt` nodes of one level and kind, from ticks[first] on; the last one's free lanes repeat its
 * last node. */
static uint32_t write_vectors(writer_t *w, uint32_t first, uint32_t cnt, uint32_t *state) {
  const layout_t         *l     = w->l;
  const tf_vector_kind_t *kind  = l->c->env.vectors[l->spots[l->ticks[first]].kind];
  uint32_t                lines = 0;
  for (uint32_t at = 0; at < cnt; at += TF_VECTOR_LANES, lines++) {
    tf_vector_t *v = w->vectors++;
    v->out         = l->spots[l->ticks[first + at]].slot;
    v->state       = *state;
    *state += kind->state_lines * TF_VECTOR_LANES;
    uint32_t used = cnt - at < TF_VECTOR_LANES ? cnt - at : TF_VECTOR_LANES;
    for (uint32_t lane = 0; lane < used; lane++)
      write_lane(l, l->ticks[first + at + lane], lane, v);
    for (uint32_t lane = used; lane < TF_VECTOR_LANES; lane++) repeat_lane(v, used - 1, lane);
  }
  return lines;
}

static uint32_t write_histories(writer_t *w, uint32_t *next, uint32_t level) {
  uint32_t cnt = 0;
  for (; *next < w->l->past_cnt && w->l->pasts[*next].level == level; (*next)++, cnt++)
    *w->histories++ = w->l->histories[*next];
  return cnt;
}

static void add_run(writer_t *w, tf_feature_plan_t *plan, tf_feature_work_t work, uint32_t kind,
                    uint32_t first, uint32_t cnt) {
  tf_feature_run_t *last = plan->tick_run_cnt ? &w->runs[plan->tick_run_cnt - 1] : NULL;
  if (last && work <= TF_FEATURE_WORK_STEPS && last->work == work) {
    last->cnt += cnt;
    return;
  }
  w->runs[plan->tick_run_cnt++] = (tf_feature_run_t){(uint16_t)work, (uint16_t)kind, first, cnt};
}

static void write_ticks(writer_t *w, tf_feature_plan_t *plan) {
  const layout_t *l     = w->l;
  uint32_t        state = l->vector_state, level = 0;
  plan->tick_steps = w->steps;
  for (uint32_t i = 0, cnt; i < l->tick_cnt; i += cnt) {
    const spot_t *s = &l->spots[l->ticks[i]];
    cnt             = company_of(l, i);
    if (s->level != level) {
      uint32_t first = plan->history_cnt, more;
      level          = s->level;
      more           = write_histories(w, &plan->history_cnt, level);
      if (more) add_run(w, plan, TF_FEATURE_WORK_HISTORIES, 0, first, more);
    }
    if (s->kind == KIND_PEERS) {
      add_run(w, plan, TF_FEATURE_WORK_PEERS, 0, w->peer_value_cnt, cnt);
      for (uint32_t k = 0; k < cnt; k++) write_peer_value(w, l->ticks[i + k]);
      continue;
    }
    if (s->kind == KIND_CROSS) {
      add_run(w, plan, TF_FEATURE_WORK_CROSSES, 0, w->cross_cnt, cnt);
      write_crosses(w, &l->ticks[i], cnt);
      continue;
    }
    if (s->kind == KIND_NONE) {
      for (uint32_t k = 0; k < cnt; k++) {
        const tf_feature_node_t *n = &l->c->nodes[l->ticks[i + k]];
        write_step(w, l->ticks[i + k]);
        add_run(w, plan, is_plain_call(n) ? TF_FEATURE_WORK_CALLS : TF_FEATURE_WORK_STEPS, 0,
                plan->tick_step_cnt++, 1);
      }
      continue;
    }
    uint32_t lines = write_vectors(w, i, cnt, &state);
    add_run(w, plan, TF_FEATURE_WORK_VECTORS, s->kind, plan->vector_cnt, lines);
    plan->vector_cnt += lines;
  }
  TF_ASSERT(plan->vector_cnt == l->vector_cnt && plan->history_cnt == l->past_cnt);
}

/* The fields of bar b that nodes of this kind are. */
static uint32_t write_fields(const writer_t *w, tf_feature_node_kind_t kind, uint32_t b,
                             tf_feature_field_t *fields) {
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < w->l->c->node_cnt; i++) {
    const tf_feature_node_t *n = &w->l->c->nodes[i];
    if (n->kind != kind || (kind == TF_FEATURE_NODE_OPEN ? n->of : n->clock) != b) continue;
    fields[cnt++] = (tf_feature_field_t){(uint16_t)w->l->spots[i].slot, (uint16_t)n->field};
  }
  return cnt;
}

static void write_bars(writer_t *w, tf_feature_plan_t *plan, tf_feature_field_t *fields) {
  for (uint32_t b = 0; b < plan->bar_cnt; b++) {
    tf_feature_bar_t *bar = &plan->bars[b];
    bar->fields           = fields;
    bar->field_cnt        = write_fields(w, TF_FEATURE_NODE_FIELD, b, fields);
    fields += bar->field_cnt;
    bar->open_fields    = fields;
    bar->open_field_cnt = write_fields(w, TF_FEATURE_NODE_OPEN, b, fields);
    fields += bar->open_field_cnt;
    if (bar->open_field_cnt > 0) plan->peeked_bars |= 1u << b;
    bar->steps = write_list(w, TRIGGER_BAR + b);
  }
}

static uint32_t write_starts(const layout_t *l, tf_feature_start_t *starts) {
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < l->c->node_cnt; i++) {
    const tf_feature_node_t *n = &l->c->nodes[i];
    if (is_vector(&l->spots[i]) || n->kind == TF_FEATURE_NODE_PEEK) continue;
    if (!n->indicator && n->kind != TF_FEATURE_NODE_CONST) continue;
    tf_feature_start_t *start = &starts[cnt++];
    *start                    = (tf_feature_start_t){.indicator    = n->indicator,
                                                     .state_offset = l->spots[i].offset,
                                                     .slot         = l->spots[i].slot,
                                                     .value        = n->value};
    memcpy(start->params, n->params, sizeof start->params);
  }
  return cnt;
}

static tf_feature_trail_t trail_of(const layout_t *l, uint32_t node, uint32_t number) {
  const tf_feature_node_t *n      = &l->c->nodes[node];
  const uint32_t           offset = l->spots[node].offset;
  const tf_trail_t         trail  = n->indicator->trail(n->params, number);
  return (tf_feature_trail_t){.at          = offset + (uint32_t)trail.begin_bytes,
                              .entry_bytes = trail.entry_bytes,
                              .cap         = trail.cap,
                              .owner       = offset,
                              .held        = n->indicator->held,
                              .number      = number,
                              .turns       = trail.turns};
}

static int by_place(const void *a, const void *b) {
  const tf_feature_trail_t *x = a, *y = b;
  return x->at < y->at ? -1 : x->at > y->at;
}

static uint32_t write_trails(const layout_t *l, tf_feature_trail_t *trails) {
  uint32_t cnt = 0;
  for (uint32_t p = 0; p < l->past_cnt; p++) {
    const tf_feature_history_t *h = &l->histories[p];
    trails[cnt++]                 = (tf_feature_trail_t){.at          = h->ring * (uint32_t)sizeof(double),
                                                         .entry_bytes = sizeof(double),
                                                         .cap         = h->mask + 1,
                                                         .owner       = h->cnt * (uint32_t)sizeof(double)};
  }
  for (uint32_t i = 0; i < l->c->node_cnt; i++)
    for (uint32_t t = 0; has_trails(l, i) && t < l->c->nodes[i].indicator->trail_cnt; t++)
      trails[cnt++] = trail_of(l, i, t);
  qsort(trails, cnt, sizeof *trails, by_place);
  return cnt;
}

static tf_err_t write_plan(const layout_t *l, tf_feature_plan_t *plan) {
  const tf_feature_compile_t *c     = l->c;
  parts_t                     p     = measure(l);
  uint8_t                    *block = aligned_alloc(TF_LINE_BYTES, p.bytes + TF_LINE_BYTES);
  if (!block) return TF_ERR(E_CORE_NO_MEMORY, "%zu bytes for the feature plan", p.bytes);
  memset(block, 0, p.bytes + TF_LINE_BYTES);
  writer_t                  w         = {.l         = l,
                                         .steps     = (void *)(block + p.steps_at),
                                         .updates   = (void *)(block + p.updates_at),
                                         .peeks     = (void *)(block + p.peeks_at),
                                         .runs      = (void *)(block + p.runs_at),
                                         .histories = (void *)(block + p.histories_at),
                                         .vectors   = (void *)(block + p.vectors_at),

                                         .peer_values = (void *)(block + p.peer_values_at),

                                         .crosses       = (void *)(block + p.crosses_at),
                                         .section_reads = (void *)(block + p.reads_at)};
  tf_feature_cross_value_t *values    = (void *)(block + p.values_at);
  uint16_t                 *row_slots = (void *)(block + p.rows_at);
  tf_feature_vectors_t     *kinds     = (void *)(block + p.kinds_at);
  tf_feature_start_t       *starts    = (void *)(block + p.starts_at);
  tf_feature_need_t        *needs     = (void *)(block + p.needs_at);
  tf_feature_trail_t       *trails    = (void *)(block + p.trails_at);
  *plan                               = (tf_feature_plan_t){.tick_runs     = w.runs,
                                                            .histories     = w.histories,
                                                            .vectors       = w.vectors,
                                                            .row_slots     = row_slots,
                                                            .updates       = w.updates,
                                                            .peeks         = w.peeks,
                                                            .vector_runs   = kinds,
                                                            .bars          = (void *)(block + p.bars_at),
                                                            .bar_cnt       = c->env.bar_cnt,
                                                            .feature_cnt   = c->entry_cnt,
                                                            .listed_cnt    = c->listed_cnt,
                                                            .slot_cnt      = l->slot_cnt,
                                                            .seen          = l->seen,
                                                            .mem_bytes     = l->mem_bytes,
                                                            .hot_bytes     = l->hot_bytes,
                                                            .trails        = trails,
                                                            .starts        = starts,
                                                            .names         = (void *)(block + p.names_at),
                                                            .needs         = needs,
                                                            .peers         = (void *)(block + p.peers_at),
                                                            .peer_cnt      = c->peer_cnt,
                                                            .peer_values   = w.peer_values,
                                                            .crosses       = w.crosses,
                                                            .cross_values  = values,
                                                            .section_reads = w.section_reads,
                                                            .universe      = c->env.universe,
                                                            .block         = block};
  plan->tick_market                   = write_list(&w, TRIGGER_MARKET);
  write_ticks(&w, plan);
  plan->section_cnt = w.section_cnt;
  plan->cross_table = w.section_cnt ? c->env.crosses : NULL;
  for (uint32_t k = 0; plan->cross_table && k < plan->cross_table->cross_cnt; k++)
    values[k] = plan->cross_table->crosses[k]->value;
  plan->on_trade = write_list(&w, TRIGGER_TRADE);
  plan->on_quote = write_list(&w, TRIGGER_QUOTE);
  plan->on_book  = write_list(&w, TRIGGER_BOOK);
  plan->on_text  = write_list(&w, TRIGGER_TEXT);
  plan->on_peer  = write_list(&w, TRIGGER_PEER);

  plan->tick_peers = write_list(&w, TRIGGER_TICK_PEERS);
  if (c->peer_cnt > 0) memcpy(block + p.peers_at, c->peers, c->peer_cnt * sizeof *c->peers);
  write_bars(&w, plan, (void *)(block + p.fields_at));
  TF_ASSERT((uint8_t *)w.steps <= block + p.runs_at);
  plan->start_cnt = write_starts(l, starts);
  plan->trail_cnt = write_trails(l, trails);
  for (uint32_t k = 0; k < c->env.vector_cnt; k++) kinds[k] = c->env.vectors[k]->run[c->env.isa];
  for (uint32_t i = 0; i < c->entry_cnt; i++) {
    row_slots[i]   = slot_of(l, c->entries[i].ref);
    plan->names[i] = c->entries[i].text;
    needs[i]       = l->spots[c->entries[i].ref.node].need;
  }
  return TF_OK;
}

tf_err_t tf_feature_compile_finish(const tf_feature_compile_t *compile, tf_feature_plan_t *plan) {
  uint32_t cnt = compile->node_cnt + 1;
  layout_t l   = {.c         = compile,
                  .spots     = calloc(cnt, sizeof *l.spots),
                  .ticks     = calloc(cnt, sizeof *l.ticks),
                  .pasts     = calloc(cnt, sizeof *l.pasts),
                  .histories = calloc(cnt, sizeof *l.histories)};
  *plan        = (tf_feature_plan_t){0};
  tf_err_t err = TF_OK;
  if (!l.spots || !l.ticks || !l.pasts || !l.histories)
    err = TF_ERR(E_CORE_NO_MEMORY, "%u values of the feature plan", compile->node_cnt);
  if (err == TF_OK) {
    group(&l);
    find_needs(&l);
    err = place(&l);
  }
  if (err == TF_OK) err = write_plan(&l, plan);
  free(l.histories);
  free(l.pasts);
  free(l.ticks);
  free(l.spots);
  return err;
}
