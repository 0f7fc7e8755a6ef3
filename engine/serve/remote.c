#include "serve/remote.h"

#include <string.h>

#include "core/clock.h"
#include "core/error.h"

/* ---- the lane ---- */

/* Is there a worker of this version? Another one may have come. */
static bool has_worker(tf_remote_t *r, uint32_t hash) {
  uint64_t offered = tf_load_acquire(&r->offered); /* pairs with: offer */
  if (TF_UNLIKELY(offered != r->serial)) {
    const tf_remote_offer_t *o = &r->offers[offered % 2];
    memset(r->lane.numbers, 0, r->instrument_cnt * sizeof *r->lane.numbers);
    if (o->worker != r->lane.worker) r->lane.epoch = 0; /* else its mailbox goes on where it is */
    r->lane.worker = o->worker;
    if (r->market) r->market->epoch = 0;
    r->hash   = o->hash;
    r->serial = offered;
    tf_store_release(&r->taken, offered); /* pairs with: is_taken */
  }
  return r->hash && r->hash == hash;
}

static bool is_finite(const float *out, uint32_t cnt) {
  float bad = 0.0f;
  for (uint32_t i = 0; i < cnt; i++) bad += out[i] * 0.0f; /* NaN or infinity makes it NaN */
  return bad == 0.0f;
}

static bool is_full(const tf_remote_t *r, uint32_t instrument_id) {
  return r->kept.row_cap == 0 || r->kept.cnt[instrument_id] == r->kept.row_cap;
}

static void keep(tf_remote_t *r, uint32_t instrument_id, uint64_t tick_seq, tf_asked_t asked,
                 const float *out) {
  const uint32_t cnt = asked == TF_ASKED_ANSWERED ? r->config.output_cnt : 0;
  tf_outcome_t   o   = {.tick_seq      = tick_seq,
                        .instrument_id = instrument_id,
                        .model_idx     = (uint8_t)r->config.model_idx,
                        .asked         = (uint8_t)asked,
                        .out_cnt       = (uint16_t)cnt};
  /* There was room when it was asked for first; where not, a replay takes it for unkept. */
  if (!r->log || !tf_outcome_log_put(r->log, &o, out)) return;
  r->counts.kept++;
}

/* The outcome of the tick as the capture has it; ABSENT where it has none. */
static tf_asked_t obey(tf_remote_t *r, uint32_t instrument_id, uint64_t tick_seq, float *out) {
  const tf_outcomes_t *from = r->outcomes;
  const float         *values;
  const tf_outcome_t  *o = from->peek(from->self, &values);
  for (; o && o->tick_seq < tick_seq; o = from->peek(from->self, &values)) {
    r->counts.unmatched++; /* of another config, or of other models */
    from->take(from->self);
  }
  if (!o || o->tick_seq != tick_seq || o->instrument_id != instrument_id ||
      o->model_idx != r->config.model_idx)
    return TF_ASKED_UNKEPT;
  tf_asked_t asked = (tf_asked_t)o->asked;
  if (asked == TF_ASKED_ANSWERED && o->out_cnt != r->config.output_cnt) asked = TF_ASKED_WRONG;
  if (asked == TF_ASKED_ANSWERED) memcpy(out, values, o->out_cnt * sizeof *out);
  from->take(from->self);
  return asked;
}

/* What a live run makes of an answer; the order of outcomes is that of ticks. */
static tf_asked_t judge(tf_remote_t *r, uint32_t instrument_id, uint64_t tick_seq, tf_asked_t asked,
                        const float *out) {
  if (!is_full(r, instrument_id)) return TF_ASKED_WARMING;
  if (asked == TF_ASKED_WARMING) asked = TF_ASKED_BEHIND; /* it says so, and lacks no row */
  if (asked == TF_ASKED_ANSWERED && TF_UNLIKELY(!is_finite(out, r->config.output_cnt))) {
    asked = TF_ASKED_WRONG;
    tf_child_suspect(&r->lane);
  }
  if (asked == TF_ASKED_ANSWERED && r->config.compare_every &&
      ++r->since_compared >= r->config.compare_every) {
    r->is_due = true;
    memcpy(r->due_out, out, r->config.output_cnt * sizeof *out);
  }
  if (asked != TF_ASKED_UNKEPT) keep(r, instrument_id, tick_seq, asked, out);
  return asked;
}

static tf_asked_t count(tf_remote_t *r, tf_asked_t asked) {
  r->counts.asked++;
  r->counts.results[asked]++;
  return asked;
}

/* The decisions before this tick were of an answer that may turn out to be wrong. */
static void note_passed(tf_remote_t *r) {
  /* relaxed: read when the worker is not asked any more */
  if (r->decision_seq) tf_store_relaxed(&r->passed_seq, *r->decision_seq);
}

static tf_child_miss_t ask_one(tf_remote_t *r, uint32_t instrument_id, const float *row,
                               uint64_t begun_ticks, float *out) {
  tf_child_row_t one = {.instrument_idx = instrument_id, .out = out};
  if (TF_LIKELY(!r->market)) return tf_child_ask(&r->lane, instrument_id, row, begun_ticks, out);
  tf_child_market_ask(&r->lane, r->market, &one, 1, begun_ticks);
  return one.result;
}

/* The worker is to know of the tick, which nobody is asked about. */
static void pass(tf_remote_t *r, uint32_t instrument_id) {
  bool is_told              = r->is_told[instrument_id];
  r->is_told[instrument_id] = false;
  if (!is_told && r->is_asking && r->hash) tf_child_market_pass(&r->lane, r->market, instrument_id);
}

tf_asked_t tf_remote_ask(tf_remote_t *r, uint32_t instrument_id, uint64_t tick_seq,
                         const float *row, uint32_t hash, float *out) {
  if (r->kept.row_cap) tf_kept_rows_push(&r->kept, instrument_id, row);
  if (!r->is_asking)
    return count(r, is_full(r, instrument_id) ? obey(r, instrument_id, tick_seq, out)
                                              : TF_ASKED_WARMING);
  tf_asked_t asked = TF_ASKED_ABSENT;
  r->due_ticks     = 0;
  note_passed(r);
  if (TF_UNLIKELY(r->log && !tf_outcome_log_has_room(r->log))) {
    asked = TF_ASKED_UNKEPT;
    if (r->market)
      pass(r, instrument_id);
    else
      tf_child_break(&r->lane, instrument_id); /* it lacks this row */
  } else if (has_worker(r, hash)) {
    uint64_t begun = tf_clock_ticks();
    asked          = (tf_asked_t)ask_one(r, instrument_id, row, begun, out);
    if (asked == TF_ASKED_ANSWERED)
      tf_hist_record(&r->round_trips, tf_clock_ticks_to_ns(tf_clock_ticks() - begun));
    else if (asked == TF_ASKED_LATE)
      r->due_ticks = begun + r->lane.deadline_ticks;
  } else if (r->market) {
    pass(r, instrument_id);
  }
  return count(r, judge(r, instrument_id, tick_seq, asked, out));
}

static void ask_of_market(tf_remote_t *r, tf_child_row_t *rows, uint32_t row_cnt,
                          uint64_t begun_ticks) {
  for (uint32_t i = 0; i < row_cnt; i++) r->is_told[rows[i].instrument_idx] = rows[i].is_quiet;
  tf_child_market_ask(&r->lane, r->market, rows, row_cnt, begun_ticks);
}

void tf_remote_ask_many(tf_remote_t *r, tf_child_row_t *rows, uint32_t row_cnt, uint32_t hash) {
  for (uint32_t i = 0; i < row_cnt; i++)
    if (r->kept.row_cap && !rows[i].is_quiet)
      tf_kept_rows_push(&r->kept, rows[i].instrument_idx, rows[i].row);
  note_passed(r);
  if (has_worker(r, hash)) {
    uint64_t begun = tf_clock_ticks();
    if (r->market)
      ask_of_market(r, rows, row_cnt, begun);
    else
      tf_child_ask_many(&r->lane, rows, row_cnt, begun);
    tf_hist_record(&r->round_trips, tf_clock_ticks_to_ns(tf_clock_ticks() - begun));
    return;
  }
  for (uint32_t i = 0; i < row_cnt; i++) {
    rows[i].result = TF_CHILD_MISS_ABSENT;
    if (r->market) pass(r, rows[i].instrument_idx);
    if (r->market) r->is_told[rows[i].instrument_idx] = rows[i].is_quiet;
  }
}

tf_asked_t tf_remote_settle(tf_remote_t *r, const tf_child_row_t *row, uint64_t tick_seq,
                            float *out) {
  bool       has_room = !r->log || tf_outcome_log_has_room(r->log);
  tf_asked_t asked    = has_room ? (tf_asked_t)row->result : TF_ASKED_UNKEPT;
  if (asked == TF_ASKED_ANSWERED) memcpy(out, row->out, r->config.output_cnt * sizeof *out);
  return count(r, judge(r, row->instrument_idx, tick_seq, asked, out));
}

void tf_remote_tell(tf_remote_t *r, uint32_t instrument_id, const float *row) {
  if (r->kept.row_cap) tf_kept_rows_push(&r->kept, instrument_id, row);
  if (r->market)
    pass(r, instrument_id);
  else if (r->kept.row_cap && r->is_asking && r->hash)
    tf_child_tell(&r->lane, instrument_id, row);
}

void tf_remote_break(tf_remote_t *r, uint32_t instrument_id) {
  if (r->kept.row_cap) tf_kept_rows_clear(&r->kept, instrument_id);
  if (r->market)
    pass(r, instrument_id);
  else if (r->kept.row_cap)
    tf_child_break(&r->lane, instrument_id);
}

void tf_remote_give_sample(tf_remote_t *r, uint32_t instrument_id, const float *row) {
  tf_remote_sample_t *s = &r->sample;
  r->is_due             = false;
  if (tf_load_acquire(&s->is_full)) return; /* pairs with: tf_remote_check_look */
  const uint32_t width = r->config.width, rows = r->kept.row_cap ? r->kept.row_cap : 1;
  for (uint32_t i = 0; i < rows; i++)
    memcpy(s->rows + (size_t)i * width,
           r->kept.row_cap ? tf_kept_rows_at(&r->kept, instrument_id, rows - i) : row,
           width * sizeof *row);
  memcpy(s->out, r->due_out, r->config.output_cnt * sizeof *s->out);
  s->row_cnt        = rows;
  s->epoch          = r->lane.epoch;
  s->serial         = r->serial;
  s->decision_seq   = r->passed_seq;
  r->since_compared = 0;
  tf_store_release(&s->is_full, 1); /* pairs with: tf_remote_check_look */
}

void tf_remote_idle(tf_remote_t *r, uint64_t now_ticks) {
  if (r->market && r->is_asking && r->hash) tf_child_market_idle(&r->lane, r->market);
  if (r->is_asking && r->config.keep_alive_ns && r->hash)
    tf_child_keep_alive(&r->lane, now_ticks, tf_clock_ns_to_ticks(r->config.keep_alive_ns));
}

void tf_remote_want(tf_remote_t *r, uint64_t number, uint32_t hash) {
  tf_store_release(&r->wanted, number << 32 | hash); /* pairs with: tf_remotes_follow */
}

/* ---- boot ---- */

static size_t market_bytes(const tf_remote_config_t *c, uint32_t instrument_cnt) {
  if (!c->has_market) return 0;
  return sizeof(tf_child_market_t) + 2 * instrument_cnt * sizeof(bool) + 3 * TF_LINE_PAIR_BYTES;
}

size_t tf_remote_bytes(const tf_remote_config_t *c, uint32_t instrument_cnt) {
  size_t rows, kept, bytes;
  size_t window = c->window > 1 ? c->window : 1;
  if (__builtin_mul_overflow(window, (size_t)c->width * sizeof(float), &rows) ||
      __builtin_mul_overflow(tf_kept_rows_bytes((uint32_t)window, c->width), (size_t)instrument_cnt,
                             &kept) ||
      __builtin_add_overflow(kept, rows, &bytes) ||
      __builtin_add_overflow(bytes,
                             (instrument_cnt + 1) * sizeof(uint64_t) + sizeof(tf_remote_t) +
                                 market_bytes(c, instrument_cnt) + 8 * TF_LINE_PAIR_BYTES,
                             &bytes))
    return 0;
  return bytes;
}

tf_err_t tf_remote_init(tf_remote_t *r, const tf_remote_config_t *c, uint32_t instrument_cnt,
                        tf_arena_t *arena) {
  memset(r, 0, sizeof *r);
  r->config         = *c;
  r->instrument_cnt = instrument_cnt;
  if (tf_remote_bytes(c, instrument_cnt) == 0)
    return TF_ERR(E_CORE_OVERFLOW, "windows of %u x %u values for %u instruments", c->window,
                  c->width, instrument_cnt);
  uint32_t rows  = c->window > 1 ? c->window : 1;
  r->sample.rows = tf_arena_take(arena, (size_t)rows * c->width * sizeof(float), 64);
  r->lane        = (tf_child_lane_t){
             .numbers        = tf_arena_take(arena, instrument_cnt * sizeof(uint64_t), TF_LINE_PAIR_BYTES),
             .deadline_ticks = tf_clock_ns_to_ticks(c->deadline_ns),
             .miss_limit     = c->miss_limit};
  if (!r->sample.rows || !r->lane.numbers) return E_CORE_ARENA_FULL;
  memset(r->lane.numbers, 0, instrument_cnt * sizeof(uint64_t));
  if (c->has_market) {
    r->room      = tf_arena_take(arena, sizeof *r->room, TF_LINE_PAIR_BYTES);
    r->is_told   = tf_arena_take(arena, instrument_cnt * sizeof *r->is_told, TF_LINE_PAIR_BYTES);
    r->is_seated = tf_arena_take(arena, instrument_cnt * sizeof *r->is_seated, TF_LINE_PAIR_BYTES);
    if (!r->room || !r->is_told || !r->is_seated) return E_CORE_ARENA_FULL;
    memset(r->is_told, 0, instrument_cnt * sizeof *r->is_told);
    memset(r->is_seated, 0, instrument_cnt * sizeof *r->is_seated);
  }
  if (c->window <= 1) return TF_OK;
  r->lane.kept = &r->kept;
  return tf_kept_rows_init(&r->kept, c->window, c->width, instrument_cnt, arena);
}

void tf_remote_set_market(tf_remote_t *r, const tf_child_market_t *market) {
  TF_ASSERT(r->room);
  r->market                 = r->room;
  *r->market                = *market;
  r->market->kept           = r->kept.row_cap ? &r->kept : NULL;
  r->market->instrument_cnt = r->instrument_cnt;
  r->market->is_seated      = r->is_seated;
  r->lane.has_market        = true;
  r->lane.kept              = NULL; /* its rows are not sent: a state has them */
}
