#include "stage/compute.h"

#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/hash.h"
#include "serve/ensemble.h"

/* The model's input row from the feature row; false if a value is not finite as a float. */
static bool gather(const tf_compute_model_t *m, const double *row, float *to) {
  const uint32_t  cnt = m->active->model->input_cnt;
  const uint32_t *idx = m->feature_idx;
  float           bad = 0.0f;
  for (uint32_t i = 0; i < cnt; i++) {
    float value = (float)row[idx[i]];
    to[i]       = value;
    bad += value * 0.0f; /* NaN or infinity makes it NaN, and it stays so */
  }
  return bad == 0.0f;
}

/* The row of a model that reads others; TF_SKIP_NONE where it is whole. An ensemble's absent members are NaN in it. */
static tf_skip_t gather_linked(tf_compute_model_t *m, const double *row) {
  uint32_t present = 0;
  bool     shed    = false;
  for (uint32_t i = 0; i < m->link_cnt; i++) {
    const tf_compute_link_t *l  = &m->links[i];
    float                   *to = m->row + l->input_idx;
    if (l->source->is_own)
      memcpy(to, l->source->out + l->output_idx, l->cnt * sizeof *to);
    else
      for (uint32_t k = 0; k < l->cnt; k++) to[k] = __builtin_nanf("");
    present += l->source->is_own;
    shed |= l->source->was_shed;
  }
  if (present < m->quorum)
    return shed ? TF_SKIP_SHED : m->is_ensemble ? TF_SKIP_QUORUM : TF_SKIP_INPUT;
  m->counts.members_absent += m->link_cnt - present;
  const uint32_t cnt = m->active->model->input_cnt;
  float          bad = 0.0f;
  for (uint32_t i = 0; i < cnt; i++) {
    if (m->feature_idx[i] == TF_COMPUTE_NO_FEATURE) continue;
    m->row[i] = (float)row[m->feature_idx[i]];
    bad += m->row[i] * 0.0f;
  }
  return bad == 0.0f ? TF_SKIP_NONE : TF_SKIP_WARMUP;
}

/* Does a worker answer the tick in hand? A version on trial is run here. */
static bool is_remote(const tf_compute_model_t *m) {
  return m->remote && m->active == m->main && tf_remote_is_on(m->remote);
}

/* Was it answered with others of its batch? */
static bool is_together(const tf_compute_t *compute, const tf_compute_model_t *m) {
  return m->together && m->together->is_made && compute->slot != TF_COMPUTE_NO_SLOT;
}

static tf_skip_t gather_other(const tf_compute_t *compute, tf_compute_model_t *m,
                              const double *row) {
  if (m->link_cnt > 0) return gather_linked(m, row);
  if (!is_together(compute, m)) /* in a warm start */
    return gather(m, row, m->row) ? TF_SKIP_NONE : TF_SKIP_WARMUP;
  uint32_t place = m->together->places[compute->slot];
  if (place == TF_COMPUTE_NO_ROW) return TF_SKIP_WARMUP;
  m->row = m->together->rows + place * m->active->model->input_cnt;
  return TF_SKIP_NONE;
}

/* The row through the model, here and now; false while its window is not full. */
static bool answer_here(tf_compute_model_t *m, void *window) {
  const tf_model_t *model = m->active->model;
  if (!window) {
    model->run(model, m->active->scratch, m->row, m->out);
    return true;
  }
  m->has_deferred = true;
  return model->step(model, window, m->active->scratch, m->row, m->out);
}

static bool answer(const tf_compute_t *compute, tf_compute_model_t *m, void *window) {
  if (TF_LIKELY(!is_together(compute, m))) return answer_here(m, window);
  const tf_compute_rows_t *t     = m->together;
  const uint32_t           place = t->places[compute->slot], cnt = m->active->model->output_cnt;
  m->has_deferred = window != NULL;
  if (!t->answered[place]) return false;
  memcpy(m->out, t->outs + place * cnt, cnt * sizeof *m->out);
  return true;
}

/* Late answers are there and are used; what can be saved is the next ticks' time. */
TF_COLD static void on_late(tf_compute_t *compute, tf_compute_model_t *m) {
  m->counts.late++;
  if (m->overrun == TF_OVERRUN_COUNT || ++m->late_cnt < m->late_limit) return;
  m->late_cnt = 0;
  tf_count_add(&m->pauses_asked, 1);
  tf_store_release(&compute->asks, compute->asks + 1); /* pairs with: ask_pauses */
}

static bool answer_timed(tf_compute_t *compute, tf_compute_model_t *m, void *window) {
  uint64_t begin = tf_clock_ticks();
  bool     good  = answer(compute, m, window);
  uint64_t own = tf_clock_ticks() - begin, taken = own;
  if (TF_UNLIKELY(
          is_together(compute, m))) { /* it waited for its batch and for all of the product */
    own += m->together->share_ticks;
    taken += m->together->product_ticks + compute->waited_ticks;
  }
  m->counts.timed++;
  m->counts.run_ns += tf_clock_ticks_to_ns(own);
  if (TF_UNLIKELY(taken > m->budget_ticks))
    on_late(compute, m);
  else
    m->late_cnt = 0;
  return good;
}

/* What stands in for a paused model; false: nothing does. */
TF_COLD static bool stand_in(tf_compute_t *compute, tf_compute_model_t *m, uint32_t instrument_id,
                             uint32_t good) {
  m->path = TF_PATH_FALLBACK;
  if (m->overrun == TF_OVERRUN_LAST && m->lasts) {
    m->answer = m->lasts[instrument_id];
    return m->answer.score == m->answer.score;
  }
  if (m->overrun != TF_OVERRUN_FALLBACK || !(good >> m->fallback_idx & 1)) return false;
  const tf_compute_model_t *other = &compute->models[m->fallback_idx];
  m->answer                       = other->answer;
  m->answer_hash                  = other->answer_hash;
  return true;
}

/* As if it had been made on this tick: a model that reads this one sees it. */
static void take_standing(tf_compute_model_t *m, uint32_t instrument_id) {
  tf_foreign_t        *f = m->foreign;
  const tf_standing_t *s = &f->standing[instrument_id];
  memcpy(m->out, f->outs + (size_t)instrument_id * f->config.output_cnt,
         f->config.output_cnt * sizeof(float));
  m->answer = s->answer;
  m->path   = f->config.path;
  m->is_own = true;
  f->row_ns = s->row_ns;
}

/* What no_answer says but CPU; false: nothing, and the model's strategies HOLD. last: on that instrument; NULL: none is kept. */
static bool do_without(tf_compute_t *compute, tf_compute_model_t *m, tf_no_answer_t no_answer,
                       uint32_t fallback_idx, const tf_answer_t *last, uint32_t good) {
  const float none = __builtin_nanf("");
  m->path          = TF_PATH_FALLBACK;
  m->answer        = (tf_answer_t){.score = none, .p10 = none, .p90 = none};
  if (no_answer == TF_NO_ANSWER_FALLBACK && good >> fallback_idx & 1) {
    const tf_compute_model_t *other = &compute->models[fallback_idx];
    m->answer                       = other->answer;
    m->answer_hash                  = other->answer_hash;
  } else if (no_answer == TF_NO_ANSWER_LAST && last) {
    m->answer = *last;
  }
  bool stands_in = m->answer.score == m->answer.score ||
                   (no_answer == TF_NO_ANSWER_FALLBACK && good >> fallback_idx & 1);
  m->counts.fallback += stands_in;
  m->counts.absent += !stands_in;
  compute->counts.absent += !stands_in;
  compute->absent |= (uint32_t)!stands_in << m->idx;
  return stands_in;
}

/* A tick of a model that another runtime answers. */
static bool ask_foreign(tf_compute_t *compute, tf_compute_model_t *m,
                        const tf_lane_instrument_t *in, uint32_t good) {
  const tf_market_t *market = &in->market;
  tf_foreign_ask(m->foreign, in->id, market->event->ingest_seq, market->now_ns, m->row);
  m->foreign->row_ns = 0;
  if (tf_foreign_standing(m->foreign, in->id, market->now_ns)) {
    take_standing(m, in->id);
    return true;
  }
  const tf_foreign_config_t *c = &m->foreign->config;
  return do_without(compute, m, (tf_no_answer_t)c->no_answer, c->fallback_idx,
                    &m->foreign->standing[in->id].answer, good);
}

/* What came of asking a worker about the tick; ANSWERED: out is the model's. */
static tf_asked_t ask_worker(const tf_compute_t *compute, tf_compute_model_t *m,
                             const tf_lane_instrument_t *in) {
  const uint64_t tick_seq = in->market.event->ingest_seq;
  if (is_together(compute, m) && m->together->is_asked)
    return tf_remote_settle(m->remote, &m->together->asked[m->together->places[compute->slot]],
                            tick_seq, m->out);
  return tf_remote_ask(m->remote, in->id, tick_seq, m->row, m->active->model->hash, m->out);
}

/* A tick of a model that a worker answers. True: out is good; false: nothing is, or *stands_in. */
static bool ask_remote(tf_compute_t *compute, tf_compute_model_t *m, const tf_lane_instrument_t *in,
                       void *window, uint32_t good, bool *stands_in) {
  const tf_remote_config_t *c       = &m->remote->config;
  const bool                is_ours = c->no_answer == TF_NO_ANSWER_CPU;
  const tf_asked_t          asked   = ask_worker(compute, m, in);
  *stands_in                        = false;
  m->owes_row                       = window && is_ours; /* the CPU's window takes it later */
  if (asked == TF_ASKED_ANSWERED) {
    m->path = TF_PATH_GPU;
    return true;
  }
  if (asked == TF_ASKED_WARMING) {
    m->counts.warmup++;
    compute->counts.skipped_warmup++;
    return false;
  }
  if (!is_ours) {
    const tf_answer_t *last = m->lasts ? &m->lasts[in->id] : NULL;
    *stands_in = do_without(compute, m, (tf_no_answer_t)c->no_answer, c->fallback_idx, last, good);
    if (asked == TF_ASKED_LATE) tf_remote_stood_in(m->remote, tf_clock_ticks());
    return false;
  }
  m->owes_row = false;
  m->path     = TF_PATH_FALLBACK;
  if (answer_here(m, window)) {
    if (asked == TF_ASKED_LATE) tf_remote_stood_in(m->remote, tf_clock_ticks());
    m->counts.fallback++;
    return true;
  }
  m->counts.warmup++; /* its own window is behind the worker's: after a swap */
  compute->counts.skipped_warmup++;
  return false;
}

/* There is no row: a window begins anew, as its rows are ticks that follow one another. */
TF_COLD static bool skip(tf_compute_t *compute, tf_compute_model_t *m, uint32_t instrument_id,
                         void *window, tf_skip_t why) {
  m->broke    = true;
  m->was_shed = why == TF_SKIP_SHED;
  if (window) m->active->model->reset(m->active->model, window);
  if (m->foreign) tf_foreign_break(m->foreign, instrument_id);
  if (m->remote) tf_remote_break(m->remote, instrument_id);
  switch (why) {
  case TF_SKIP_INPUT:
    m->counts.no_input++;
    compute->counts.skipped_input++;
    break;
  case TF_SKIP_QUORUM:
    m->counts.no_quorum++;
    compute->counts.skipped_input++;
    break;
  case TF_SKIP_SHED:
    m->counts.shed++;
    compute->counts.skipped_shed++;
    break;
  default: m->counts.warmup++; compute->counts.skipped_warmup++;
  }
  return false;
}

static bool is_shed(const tf_compute_model_t *m, const tf_lane_instrument_t *in) {
  return in->shed >> m->idx & 1;
}

static bool is_held(const tf_compute_model_t *m, const tf_lane_instrument_t *in) {
  return is_shed(m, in) || (m->paused_until_ns && in->market.now_ns < m->paused_until_ns);
}

/* The row is there, and the model is not asked: shed, or paused. */
TF_COLD static bool ask_nobody(tf_compute_t *compute, tf_compute_model_t *m,
                               const tf_lane_instrument_t *in, void *window, uint32_t good) {
  m->owes_row = window != NULL;
  if (m->remote) tf_remote_tell(m->remote, in->id, m->row);
  if (is_shed(m, in)) {
    m->was_shed = true;
    m->counts.shed++;
    compute->counts.skipped_shed++;
    return false;
  }
  bool stands_in = stand_in(compute, m, in->id, good);
  m->counts.fallback += stands_in;
  m->counts.paused_skipped += !stands_in;
  compute->counts.skipped_paused += !stands_in;
  return stands_in;
}

/* One model on the tick in hand: true when there is an answer that a rule may see. */
static bool ask(tf_compute_t *compute, tf_compute_model_t *m, const tf_lane_instrument_t *in,
                void *window, uint32_t good) {
  m->answer_hash = m->hash;
  m->path        = TF_PATH_CPU;
  tf_skip_t why  = TF_SKIP_WARMUP;
  if (TF_UNLIKELY(m->is_other))
    why = gather_other(compute, m, in->row);
  else if (gather(m, in->row, m->row))
    why = TF_SKIP_NONE;
  m->has_row = why == TF_SKIP_NONE;
  if (TF_UNLIKELY(!m->has_row)) return skip(compute, m, in->id, window, why);
  if (TF_UNLIKELY(m->paused_until_ns | in->shed) && is_held(m, in))
    return ask_nobody(compute, m, in, window, good);
  bool is_answered = false;
  if (TF_UNLIKELY(m->is_elsewhere)) {
    bool stands_in;
    if (m->foreign) return ask_foreign(compute, m, in, good);
    is_answered = is_remote(m);
    if (!is_answered)
      tf_remote_tell(m->remote, in->id, m->row);
    else if (!ask_remote(compute, m, in, window, good, &stands_in))
      return stands_in;
  }
  if (!is_answered &&
      !(m->budget_ticks ? answer_timed(compute, m, window) : answer(compute, m, window))) {
    m->counts.warmup++;
    compute->counts.skipped_warmup++;
    return false;
  }
  if (tf_post_apply(&m->post, m->out, &m->answer, &m->counts.post) != TF_POST_GOOD) {
    compute->counts.skipped_output++;
    return false;
  }
  if (m->lasts) m->lasts[in->id] = m->answer;
  m->is_own = true;
  return true;
}

/* What rules read beside the answer. */
static void set_values(tf_compute_model_t *m, const tf_lane_instrument_t *in, bool is_good) {
  const tf_post_t *post   = &m->post;
  uint32_t         output = post->has_quantiles ? 3 * post->step_idx + 1 : post->step_idx;
  if (m->fleet) {
    tf_fleet_update(m->fleet, in->id, is_good ? &m->answer : NULL, in->market.now_ns);
    memcpy(m->values->fleet, m->fleet->figures, sizeof m->values->fleet);
  }
  if (m->is_ensemble)
    m->values->disagreement =
        m->is_own ? tf_ensemble_disagreement(m->active->model, m->row, output) : __builtin_nan("");
}

static bool is_low(const tf_compute_model_t *m, const tf_lane_instrument_t *in) {
  return m->priority == TF_PRIORITY_LOW || (in->is_low && m->priority == TF_PRIORITY_NORMAL);
}

void tf_compute_shed_low(const tf_compute_t *compute, tf_lane_instrument_t *in, bool sheds) {
  if (!compute->load.burst_budget_ns) in->shed = 0;
  for (const tf_compute_model_t *m = sheds ? compute->waves[0] : NULL; m; m = m->next)
    if (is_low(m, in)) in->shed |= (uint8_t)(1u << m->idx);
}

void tf_compute_admit(tf_compute_t *compute, tf_lane_instrument_t *in) {
  tf_compute_load_t *l      = &compute->load;
  const uint64_t     now_ns = in->market.now_ns;
  in->shed                  = 0;
  if (now_ns > l->at_ns) {
    uint64_t passed_ns = now_ns - l->at_ns;
    l->backlog_ns      = l->backlog_ns > passed_ns ? l->backlog_ns - passed_ns : 0;
    l->at_ns           = now_ns;
  }
  for (const tf_compute_model_t *m = compute->waves[0]; m; m = m->next) {
    if (is_low(m, in) && l->backlog_ns + m->cost_ns > l->burst_budget_ns)
      in->shed |= (uint8_t)(1u << m->idx);
    else
      l->backlog_ns += m->cost_ns;
  }
}
TF_STATIC_ASSERT(TF_MODELS_MAX <= 8, "in->shed has a bit for each");

/* Whose answers a decision is of: the file that serves and, of a chain, those that it reads, and what of them. */
static uint32_t hash_of(const tf_compute_model_t *m) {
  uint64_t hash = m->active->model->hash;
  for (uint32_t i = 0; i < m->link_cnt; i++) {
    const tf_compute_link_t *l = &m->links[i];
    hash = tf_hash_fold(hash, (uint64_t)l->source->idx << 32 | l->source->hash);
    hash = tf_hash_fold(hash, (uint64_t)l->input_idx << 32 | l->output_idx);
  }
  return (uint32_t)(hash ^ hash >> 32);
}

void tf_compute_settle_hashes(tf_compute_t *compute) {
  for (tf_compute_model_t *m = compute->waves[0]; m; m = m->next) m->hash = hash_of(m);
}

static uint64_t refused_by(const tf_post_counts_t *c) {
  return c->not_finite + c->out_of_range + c->crossed_refused;
}

bool tf_compute_is_in_share(tf_canary_share_t share, const char *instrument, uint64_t ingest_seq,
                            uint32_t model_idx) {
  uint64_t who = share.by == TF_SHARE_BY_TICKS ? tf_hash_fold(TF_HASH_SEED, ingest_seq)
                                               : tf_hash_text(instrument);
  return tf_hash_fold(who, model_idx) % TF_CANARY_SHARES < share.cnt;
}

static const tf_version_t *choose(const tf_compute_t *compute, const tf_compute_model_t *m,
                                  const tf_lane_instrument_t *in) {
  if (m->owns) return m->owns[in->id].active;
  bool is_tried = m->canary && tf_compute_is_in_share(m->share, compute->names[in->id].name,
                                                      in->market.event->ingest_seq, m->idx);
  return is_tried ? m->canary : m->main;
}

/* A model that does not serve all ticks alike: from here on it is as this one wants it. */
TF_COLD static void turn_to(tf_compute_t *compute, tf_compute_model_t *m,
                            const tf_lane_instrument_t *in) {
  const tf_version_t *v = choose(compute, m, in);
  if (m->owns) m->swap = m->owns[in->id].swap;
  if (v == m->active) return;
  m->active = v;
  tf_compute_settle_hashes(compute);
}

TF_INLINE bool is_turning(const tf_compute_model_t *m) { return m->owns || m->canary; }

/* What became of a tick that a canary was asked on. Late and refused: as they were counted before. */
TF_COLD static void note_canary(tf_compute_model_t *m, uint64_t late, uint64_t refused) {
  tf_canary_t *c = &m->swap->canary;
  if (m->is_own) m->path = TF_PATH_CANARY;
  tf_count_add(&c->answers, m->is_own);
  tf_count_add(&c->late, m->counts.late - late);
  tf_count_add(&c->refused, refused_by(&m->counts.post) - refused);
}

/* The base answered in the place of an instrument's own model. */
TF_COLD static void note_base(tf_compute_model_t *m) {
  if (!m->is_own || m->active != &m->swap->versions[0]) return;
  m->path = TF_PATH_FALLBACK;
  m->counts.fallback++;
}

/* Of a model that does not serve all ticks alike. */
TF_COLD static bool ask_in_turn(tf_compute_t *compute, tf_compute_model_t *m,
                                const tf_lane_instrument_t *in, uint32_t good) {
  turn_to(compute, m, in);
  uint64_t late = m->counts.late, refused = refused_by(&m->counts.post);
  bool     is_good = ask(compute, m, in, tf_version_window(m->active, in->id), good);
  if (m->owns) {
    tf_count_add(&m->owns[in->id].ticks, 1);
    note_base(m);
  } else if (m->active == m->canary) {
    note_canary(m, late, refused);
  }
  return is_good;
}

uint32_t tf_compute_models(tf_compute_t *compute, const tf_lane_instrument_t *in, uint32_t wave,
                           uint32_t good) {
  const tf_compute_model_t *end = compute->waves[wave + 1];
  if (wave == 0) compute->absent = 0;
  for (tf_compute_model_t *m = compute->waves[wave]; m != end; m = m->next) {
    m->counts.requested++;
    compute->counts.requested++;
    m->is_own = m->was_shed = false;
    bool is_good            = TF_UNLIKELY(is_turning(m))
                                  ? ask_in_turn(compute, m, in, good)
                                  : ask(compute, m, in, tf_version_window(m->active, in->id), good);
    m->counts.done += is_good;
    compute->counts.done += is_good;
    good |= (uint32_t)is_good << m->idx | (uint32_t)m->was_shed << (TF_COMPUTE_SHED_SHIFT + m->idx);
    if (m->values) set_values(m, in, is_good);
  }
  return good;
}

/* The first cnt rows of a batch, of the instruments ids. */
static void multiply(const tf_version_t *v, tf_compute_rows_t *t, const uint32_t *ids,
                     uint32_t cnt) {
  const tf_model_t *model = v->model;
  const uint32_t    width = model->input_cnt, out_cnt = model->output_cnt;
  void             *windows[TF_MODEL_ROWS_MAX];
  memset(t->answered, 1, cnt * sizeof *t->answered);
  for (uint32_t r = 0; r < cnt; r++) windows[r] = tf_version_window(v, ids[r]);
  if (windows[0] && v->many_scratch)
    model->step_many(model, windows, v->many_scratch, t->rows, cnt, t->outs, t->answered);
  else if (v->many_scratch)
    model->run_many(model, v->many_scratch, t->rows, cnt, t->outs);
  else
    for (uint32_t r = 0; r < cnt; r++) {
      float *out = t->outs + r * out_cnt;
      if (windows[r])
        t->answered[r] = model->step(model, windows[r], v->scratch, t->rows + r * width, out);
      else
        model->run(model, v->scratch, t->rows + r * width, out);
    }
}

/* The rows of those that are asked, and their ids, on the places from 0 on; how many these are. A row that is held is gathered
 * too, since a registry's other version wants it, but behind those. */
static uint32_t gather_all(tf_compute_model_t *m, const tf_lane_instrument_t *const *instruments,
                           uint32_t cnt, uint32_t *ids) {
  tf_compute_rows_t *t     = m->together;
  const uint32_t     width = m->active->model->input_cnt;
  uint32_t           asked = 0, held_at = cnt;
  for (uint32_t i = 0; i < cnt; i++) {
    bool     held  = is_held(m, instruments[i]);
    uint32_t place = held ? held_at - 1 : asked;
    bool     good  = gather(m, instruments[i]->row, t->rows + place * width);
    t->places[i]   = good ? (uint8_t)place : TF_COMPUTE_NO_ROW;
    ids[place]     = instruments[i]->id;
    asked += good && !held;
    held_at -= good && held;
  }
  return asked;
}

/* In one request; what came of each is settled when its tick is answered. */
static void ask_together(tf_compute_model_t *m, const uint32_t *ids, uint32_t cnt) {
  tf_compute_rows_t *t     = m->together;
  const tf_model_t  *model = m->active->model;
  for (uint32_t i = 0; i < cnt; i++)
    t->asked[i] = (tf_child_row_t){.instrument_idx = ids[i],
                                   .row            = t->rows + i * model->input_cnt,
                                   .out            = t->outs + i * model->output_cnt};
  tf_remote_ask_many(m->remote, t->asked, cnt, model->hash);
}

/* The same of a worker that is told of the market: of each tick of the batch, in their order. */
TF_COLD static void ask_in_order(tf_compute_model_t                *m,
                                 const tf_lane_instrument_t *const *instruments, uint32_t cnt) {
  tf_compute_rows_t *t     = m->together;
  const tf_model_t  *model = m->active->model;
  tf_child_row_t     rows[TF_MODEL_ROWS_MAX];
  for (uint32_t i = 0; i < cnt; i++) {
    uint32_t place = t->places[i];
    bool     asks  = place != TF_COMPUTE_NO_ROW && !is_held(m, instruments[i]);
    rows[i]        = (tf_child_row_t){.instrument_idx = instruments[i]->id, .is_quiet = !asks};
    if (!asks) continue;
    rows[i].row = t->rows + place * model->input_cnt;
    rows[i].out = t->outs + place * model->output_cnt;
  }
  tf_remote_ask_many(m->remote, rows, cnt, model->hash);
  for (uint32_t i = 0; i < cnt; i++)
    if (!rows[i].is_quiet) t->asked[t->places[i]] = rows[i];
}

static void product(tf_compute_model_t *m, const tf_lane_instrument_t *const *instruments,
                    uint32_t cnt) {
  tf_compute_rows_t *t = m->together;
  uint32_t           ids[TF_MODEL_ROWS_MAX];
  t->is_asked    = m->remote && m->remote->is_asking;
  t->is_made     = !is_turning(m) && (t->is_asked || !m->remote || !tf_remote_is_on(m->remote));
  uint32_t asked = t->is_made ? gather_all(m, instruments, cnt, ids) : 0; /* else one by one */
  if (TF_UNLIKELY(t->is_made && t->is_asked && m->remote->market)) {
    ask_in_order(m, instruments, cnt);
    return;
  }
  if (asked == 0) return;
  if (TF_UNLIKELY(t->is_asked)) {
    ask_together(m, ids, asked);
    return;
  }
  uint64_t begin = m->budget_ticks ? tf_clock_ticks() : 0;
  multiply(m->active, t, ids, asked);
  t->product_ticks = m->budget_ticks ? tf_clock_ticks() - begin : 0;
  t->share_ticks   = t->product_ticks / asked;
}

void tf_compute_products(tf_compute_t *compute, const tf_lane_instrument_t *const *instruments,
                         uint32_t cnt) {
  for (tf_compute_model_t *m = compute->waves[0]; m; m = m->next)
    if (m->together) product(m, instruments, cnt);
}

/* What a swappable model's other version is to know of the tick; what it would have answered is compared. */
static bool follow(tf_compute_model_t *m, uint32_t instrument_id) {
  uint32_t            instrument_idx = m->owns ? 0 : instrument_id; /* of the swap's */
  bool                is_tried       = m->canary && m->active == m->canary;
  const tf_version_t *other          = is_tried ? m->main : NULL;
  float               out[TF_MODEL_OUTPUTS_MAX];
  bool                answered = (m->has_row || m->broke) &&
                  tf_swap_follow(m->swap, instrument_idx, m->broke ? NULL : m->row, other, out);
  if (answered && m->is_own) {
    tf_answer_t answer;
    bool        good = tf_post_apply(&m->post, out, &answer, &m->shadow_counts) == TF_POST_GOOD;
    if (good || !is_tried) tf_swap_compare(m->swap, m->answer.score, good ? &answer.score : NULL);
  }
  m->has_row = m->broke = false;
  return tf_swap_prepare(m->swap);
}

/* One instrument's, in turn. */
static bool prepare_own(tf_compute_model_t *m) {
  m->own_at = m->own_at + 1 < m->own_cnt ? m->own_at + 1 : 0;
  return tf_swap_prepare(m->owns[m->own_at].swap);
}

bool tf_compute_deferred(tf_compute_t *compute, const tf_lane_instrument_t *in) {
  bool any = false;
  for (tf_compute_model_t *m = compute->waves[0]; m; m = m->next) {
    if (TF_UNLIKELY(is_turning(m))) turn_to(compute, m, in);
    const tf_model_t *model = m->active->model;
    void             *state = tf_version_window(m->active, in->id);
    if (TF_UNLIKELY(m->is_elsewhere) && m->remote && m->remote->is_due)
      tf_remote_give_sample(m->remote, in->id, m->row);
    if (TF_UNLIKELY(m->owes_row)) {
      (void)model->step(model, state, m->active->scratch, m->row, m->out);
      m->owes_row     = false;
      m->has_deferred = true;
    }
    if (m->swap) any |= follow(m, in->id);
    if (TF_UNLIKELY(m->owns != NULL)) any |= prepare_own(m);
    if (!m->has_deferred) continue;
    m->has_deferred = false;
    if (is_together(compute, m)) continue; /* tf_compute_advance, behind the batch's decisions */
    model->advance(model, state, m->active->scratch);
    any = true;
  }
  return any;
}

bool tf_compute_advance(tf_compute_t *compute, const tf_lane_instrument_t *in) {
  bool any = false;
  for (tf_compute_model_t *m = compute->waves[0]; m; m = m->next) {
    if (!m->together || !m->together->is_made || !m->active->windows) continue;
    const tf_model_t *model = m->active->model;
    model->advance(model, tf_version_window(m->active, in->id), m->active->scratch);
    any = true;
  }
  return any;
}

bool tf_compute_idle(tf_compute_t *compute) {
  bool any = false;
  for (uint32_t i = 0; i < compute->model_cnt; i++) {
    tf_compute_model_t *m = &compute->models[i];
    if (m->remote) tf_remote_idle(m->remote, tf_clock_ticks());
    if (m->owns)
      any |= prepare_own(m);
    else if (m->swap)
      any |= tf_swap_prepare(m->swap);
  }
  return any;
}

bool tf_compute_answer(tf_compute_t *compute, const tf_event_t *e, const tf_lane_instrument_t *in) {
  bool     is_state = e->u.control.command == TF_CONTROL_RUNTIME;
  uint32_t idx      = is_state ? e->u.runtime.model_idx : e->u.answer.model_idx;
  if (idx >= compute->model_cnt || !compute->models[idx].foreign)
    return false; /* of another config */
  tf_compute_model_t *m      = &compute->models[idx];
  bool                is_new = tf_foreign_obey(m->foreign, &m->post, e);
  if (is_state) tf_compute_settle_hashes(compute); /* of what it serves */
  if (!is_new) return false;
  compute->absent = 0;
  m->answer_hash  = m->hash;
  take_standing(m, in->id);
  if (m->values) set_values(m, in, true);
  return true;
}

uint64_t tf_compute_late(const tf_compute_t *compute) {
  uint64_t late = 0;
  for (uint32_t i = 0; i < compute->model_cnt; i++) late += compute->models[i].counts.late;
  return late;
}

void tf_compute_forget_counts(tf_compute_t *compute) {
  compute->counts = (tf_compute_counts_t){.warming = compute->counts.warming};
  for (uint32_t i = 0; i < compute->model_cnt; i++)
    compute->models[i].counts = (tf_compute_model_counts_t){0};
}
