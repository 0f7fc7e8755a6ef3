#include "serve/foreign.h"

#include <math.h>
#include <string.h>

#include "core/error.h"

static bool value_cnt(const tf_foreign_config_t *c, size_t *cnt) {
  return !__builtin_mul_overflow((size_t)c->width, (size_t)c->rows, cnt);
}

size_t tf_foreign_bytes(const tf_foreign_config_t *c, uint32_t instrument_cnt) {
  size_t values, bytes, kept;
  if (!value_cnt(c, &values)) return 0;
  size_t asks = tf_asks_bytes(instrument_cnt, values);
  size_t rows = c->rows > 1 ? tf_kept_rows_bytes(c->rows, c->width) : 0;
  if (asks == 0 || __builtin_mul_overflow(rows, (size_t)instrument_cnt, &kept) ||
      __builtin_add_overflow(asks, kept, &bytes) ||
      __builtin_add_overflow(bytes,
                             instrument_cnt *
                                     (sizeof(tf_standing_t) + c->output_cnt * sizeof(float)) +
                                 5 * TF_LINE_PAIR_BYTES,
                             &bytes))
    return 0;
  return bytes;
}

static void forget(tf_foreign_t *f) {
  for (uint32_t i = 0; i < f->instrument_cnt; i++) f->standing[i].stands = false;
}

void tf_foreign_begin(tf_foreign_t *f, const tf_foreign_config_t *c) {
  memset(f, 0, sizeof *f);
  f->config = *c;
  f->model =
      (tf_model_t){.input_cnt = c->width, .output_cnt = c->output_cnt, .features = c->features};
  snprintf(f->model.name, sizeof f->model.name, "%s", c->name);
}

tf_err_t tf_foreign_init(tf_foreign_t *f, uint32_t instrument_cnt, tf_arena_t *arena) {
  const tf_foreign_config_t *c = &f->config;
  size_t                     values;
  if (!value_cnt(c, &values) || tf_foreign_bytes(c, instrument_cnt) == 0)
    return TF_ERR(E_CORE_OVERFLOW, "%s: rows of %u x %u values", c->name, c->rows, c->width);
  f->instrument_cnt = instrument_cnt;
  f->standing = tf_arena_take(arena, instrument_cnt * sizeof *f->standing, TF_LINE_PAIR_BYTES);
  if (!f->standing) return E_CORE_ARENA_FULL;
  for (uint32_t i = 0; i < instrument_cnt; i++)
    f->standing[i] = (tf_standing_t){
        .answer = {.score = NAN, .p10 = NAN, .p90 = NAN}
    };
  f->outs = tf_arena_take(arena, (size_t)instrument_cnt * c->output_cnt * sizeof(float), 64);
  if (!f->outs) return E_CORE_ARENA_FULL;
  tf_err_t err =
      c->rows > 1 ? tf_kept_rows_init(&f->kept, c->rows, c->width, instrument_cnt, arena) : TF_OK;
  return err ? err : tf_asks_init(&f->asks, instrument_cnt, values, arena);
}

/* ---- the lane ---- */

/* Of a full window, oldest row first: the ring's two pieces. */
static void copy_window(const tf_kept_rows_t *k, uint32_t instrument_id, float *to) {
  const float *all    = k->rows + (size_t)instrument_id * k->row_cap * k->width;
  const size_t newer  = (size_t)k->next_idx[instrument_id] * k->width; /* the oldest stands there */
  const size_t values = (size_t)k->row_cap * k->width;
  memcpy(to, all + newer, (values - newer) * sizeof *to);
  memcpy(to + (values - newer), all, newer * sizeof *to);
}

void tf_foreign_ask(tf_foreign_t *f, uint32_t instrument_id, uint64_t tick_seq, uint64_t recv_ns,
                    const float *row) {
  const uint32_t width = f->config.width, rows = f->config.rows;
  if (rows > 1) {
    tf_kept_rows_push(&f->kept, instrument_id, row);
    if (f->kept.cnt[instrument_id] < rows) return;
  }
  if (!f->is_asking) return;
  tf_ask_t *ask = tf_asks_begin(&f->asks, instrument_id);
  ask->tick_seq = tick_seq, ask->recv_ns = recv_ns, ask->instrument_id = instrument_id;
  if (rows > 1)
    copy_window(&f->kept, instrument_id, ask->rows);
  else
    memcpy(ask->rows, row, width * sizeof *row);
  tf_asks_send(&f->asks, instrument_id);
}

void tf_foreign_break(tf_foreign_t *f, uint32_t instrument_id) {
  if (f->config.rows > 1) tf_kept_rows_clear(&f->kept, instrument_id);
}

/* Its parts come one behind the other; anything else is of an answer that is not to be had any more. */
static bool collect(tf_foreign_t *f, const tf_event_t *e) {
  const uint32_t outputs = f->config.output_cnt, part = e->u.answer.part_idx;
  if (part == 0) {
    f->coming.tick_seq = e->u.answer.tick_seq;
    f->coming.part_cnt = 0;
  }
  if (part != f->coming.part_cnt || e->u.answer.tick_seq != f->coming.tick_seq ||
      e->u.answer.part_cnt != tf_foreign_part_cnt(outputs) || part >= e->u.answer.part_cnt) {
    f->coming.part_cnt = UINT32_MAX;
    return false;
  }
  uint32_t at = part * TF_ANSWER_PART_CNT, left = outputs - at;
  memcpy(f->coming.out + at, e->u.answer.out,
         (left < TF_ANSWER_PART_CNT ? left : TF_ANSWER_PART_CNT) * sizeof(float));
  return ++f->coming.part_cnt == e->u.answer.part_cnt;
}

static bool on_answer(tf_foreign_t *f, const tf_post_t *post, const tf_event_t *e) {
  tf_standing_t *s      = &f->standing[e->instrument_id];
  uint64_t       row_ns = e->ts_event_ns;
  uint64_t       age_ns = e->ts_recv_ns > row_ns ? e->ts_recv_ns - row_ns : 0;
  if (!collect(f, e)) return false;
  f->counts.answers++;
  tf_hist_record(&f->ages, age_ns);
  if (e->u.answer.tick_seq <= s->tick_seq) {
    f->counts.overtaken++;
    return false;
  }
  s->tick_seq = e->u.answer.tick_seq;
  s->stands   = false;
  if (age_ns > f->config.max_age_ns) {
    f->counts.old++;
    return false;
  }
  if (tf_post_apply(post, f->coming.out, &s->answer, &f->post_counts) != TF_POST_GOOD) {
    f->counts.refused++;
    return false;
  }
  memcpy(f->outs + (size_t)e->instrument_id * f->config.output_cnt, f->coming.out,
         f->config.output_cnt * sizeof(float));
  s->row_ns = row_ns;
  s->stands = true;
  f->counts.taken++;
  return true;
}

/* The standing answer goes, if it is not of a later tick than the one that was missed. */
static void on_miss(tf_foreign_t *f, const tf_event_t *e) {
  tf_standing_t *s = &f->standing[e->instrument_id];
  if (e->u.answer.miss < TF_RUNTIME_MISS_CNT) f->counts.misses[e->u.answer.miss]++;
  if (e->u.answer.tick_seq > s->tick_seq) s->stands = false;
}

bool tf_foreign_obey(tf_foreign_t *f, const tf_post_t *post, const tf_event_t *e) {
  if (e->u.control.command == TF_CONTROL_RUNTIME) {
    f->state      = (uint32_t)e->u.runtime.state;
    f->model.hash = e->u.runtime.hash;
    if (f->state == TF_RUNTIME_OPEN) {
      f->counts.opened++;
      forget(f);
    }
    return false;
  }
  if (e->instrument_id >= f->instrument_cnt) return false;
  if (e->u.control.command == TF_CONTROL_ANSWER) return on_answer(f, post, e);
  on_miss(f, e);
  return false;
}

void tf_foreign_walk(tf_foreign_t *f, tf_walk_t *w) {
  tf_walk(w, &f->state, sizeof f->state);
  tf_walk(w, &f->model.hash, sizeof f->model.hash);
  tf_walk(w, &f->coming, sizeof f->coming);
}

void tf_foreign_walk_instrument(tf_foreign_t *f, uint32_t instrument_id, tf_walk_t *w) {
  const uint32_t outputs = f->config.output_cnt;
  tf_walk(w, &f->standing[instrument_id], sizeof *f->standing);
  tf_walk(w, f->outs + (size_t)instrument_id * outputs, outputs * sizeof *f->outs);
}

/* ---- events ---- */

static tf_event_t event_of(uint64_t command, uint32_t model_idx, uint32_t instrument_id,
                           uint64_t tick_seq, uint64_t row_ns) {
  tf_event_t e = {.kind = TF_EVENT_CONTROL, .instrument_id = instrument_id, .ts_event_ns = row_ns};
  e.u.answer.command   = command;
  e.u.answer.tick_seq  = tick_seq;
  e.u.answer.model_idx = (uint8_t)model_idx;
  return e;
}

tf_event_t tf_foreign_answer_event(uint32_t model_idx, uint32_t instrument_id, uint64_t tick_seq,
                                   uint64_t row_ns, const float *out, uint32_t output_cnt,
                                   uint32_t part_idx) {
  tf_event_t e        = event_of(TF_CONTROL_ANSWER, model_idx, instrument_id, tick_seq, row_ns);
  uint32_t   at       = part_idx * TF_ANSWER_PART_CNT;
  e.u.answer.part_idx = (uint8_t)part_idx;
  e.u.answer.part_cnt = (uint8_t)tf_foreign_part_cnt(output_cnt);
  for (uint32_t i = 0; i < TF_ANSWER_PART_CNT && at + i < output_cnt; i++)
    e.u.answer.out[i] = out[at + i];
  return e;
}

tf_event_t tf_foreign_miss_event(uint32_t model_idx, uint32_t instrument_id, uint64_t tick_seq,
                                 uint64_t row_ns, tf_runtime_miss_t miss) {
  tf_event_t e    = event_of(TF_CONTROL_MISS, model_idx, instrument_id, tick_seq, row_ns);
  e.u.answer.miss = (uint8_t)miss;
  return e;
}
