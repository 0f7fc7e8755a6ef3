#include "model/window.h"

#include <string.h>

#include "model/execute.h"

/* At the beginning of a state. The tick numbered seen - 1 is the newest; the backlog's ticks, the newest
 * ones, have not reached the open windows. */
typedef struct head {
  uint64_t seen;
  uint32_t backlog;
  bool     has_shared; /* W x of the newest tick is kept */
} head_t;
TF_STATIC_ASSERT(sizeof(head_t) <= TF_LINE_BYTES, "the inputs begin a line further");

/* A call in progress. */
typedef struct run {
  const tf_window_t *w;
  head_t            *head;
  uint8_t           *state, *scratch;
  tf_split_t        *split; /* of a timed step's products; NULL: this thread's alone */
} run_t;

TF_INLINE float *floats_at(uint8_t *base, size_t at) { return (float *)(void *)(base + at); }

static run_t begin(const tf_window_t *w, void *state, void *scratch) {
  return (run_t){w, state, state, scratch, NULL};
}

/* The place of the window that began with tick. */
static uint32_t slot_of(const run_t *r, uint64_t tick) { return (uint32_t)(tick % r->w->window); }

/* Of the one that the newest tick completes. */
static uint32_t completed_slot(const run_t *r) { return slot_of(r, r->head->seen - r->w->window); }

static uint8_t *input_of(const run_t *r, uint64_t tick) {
  return r->state + r->w->inputs_at + slot_of(r, tick) * r->w->input_row_bytes;
}

static uint8_t *rows_of(const run_t *r, const tf_window_layer_t *l, uint32_t slot) {
  return r->state + l->rows_at + slot * l->u.row_bytes;
}

static size_t unit_floats(const tf_window_layer_t *l) { return tf_align_up(l->units, TF_OP_PAD); }

static float *carry_of(const run_t *r, const tf_window_layer_t *l, uint32_t slot) {
  return floats_at(r->state, l->carry_at) + slot * unit_floats(l);
}

static float *sum_of(const run_t *r, uint32_t slot) {
  return floats_at(r->state, r->w->sums_at) + slot * r->w->sum_floats;
}

/* ---- recurrent layers ---- */

/* out = W x of one row. */
static void multiply_row(const run_t *r, uint32_t layer, const void *row, float *out) {
  const tf_window_layer_t *l = &r->w->layers[layer];
  if (r->split)
    tf_split_mul(r->split, layer, row, out);
  else
    l->w.mul(&l->w, row, 1, l->x_bias, 0, out, 0);
}

/* W x of the first layer for a tick. */
static const float *shared_of(const run_t *r, uint64_t tick) {
  bool   kept = tick + 1 == r->head->seen;
  float *shared =
      kept ? floats_at(r->state, r->w->shared_at) : floats_at(r->scratch, r->w->shared_scratch_at);
  if (!kept || !r->head->has_shared) multiply_row(r, 0, input_of(r, tick), shared);
  if (kept) r->head->has_shared = true;
  return shared;
}

/* cnt windows from slot on take one row in layer l: from_h is U h + b of each. */
static void take_row(const run_t *r, uint32_t layer, uint32_t slot, uint32_t cnt,
                     const float *from_h, const float *shared) {
  const tf_window_layer_t *l      = &r->w->layers[layer];
  const float             *from_x = shared;
  size_t                   stride = 0;
  if (layer > 0) {
    float *products = floats_at(r->scratch, r->w->products_at);
    stride          = l->gate_floats;
    if (cnt == 1)
      multiply_row(r, layer, rows_of(r, l - 1, slot), products);
    else
      l->w.mul(&l->w, rows_of(r, l - 1, slot), cnt, l->x_bias, 0, products, stride);
    from_x = products;
  }
  float *h = floats_at(r->scratch, r->w->h_at);
  for (uint32_t i = 0; i < cnt; i++) {
    l->cell(l->units, from_h + i * l->gate_floats, from_x + i * stride, carry_of(r, l, slot + i),
            h);
    l->u.to_row(&l->u, h, rows_of(r, l, slot + i));
  }
}

static void begin_states(const run_t *r, uint32_t slot) {
  for (uint32_t i = 0; i < r->w->layer_cnt; i++) {
    const tf_window_layer_t *l = &r->w->layers[i];
    memset(rows_of(r, l, slot), 0, l->u.row_bytes);
    memset(carry_of(r, l, slot), 0, unit_floats(l) * sizeof(float));
  }
}

/* The tick reaches cnt windows from slot on. */
static void advance_layers(const run_t *r, uint64_t tick, uint32_t slot, uint32_t cnt) {
  const float *shared = shared_of(r, tick);
  float       *gates  = floats_at(r->scratch, r->w->gates_at);
  for (uint32_t i = 0; i < r->w->layer_cnt; i++) {
    const tf_window_layer_t *l = &r->w->layers[i];
    l->u.mul(&l->u, rows_of(r, l, slot), cnt, l->h_bias, 0, gates, l->gate_floats);
    take_row(r, i, slot, cnt, gates, shared);
  }
}

static void make_ready(const run_t *r, uint32_t slot) {
  for (uint32_t i = 0; i < r->w->layer_cnt; i++) {
    const tf_window_layer_t *l = &r->w->layers[i];
    l->u.mul(&l->u, rows_of(r, l, slot), 1, l->h_bias, 0, floats_at(r->state, l->ready_at), 0);
  }
}

/* The newest tick completes the window in slot, whose P is ready. */
static const float *finish_layers(const run_t *r, uint64_t tick, uint32_t slot) {
  const float *shared = shared_of(r, tick);
  for (uint32_t i = 0; i < r->w->layer_cnt; i++)
    take_row(r, i, slot, 1, floats_at(r->state, r->w->layers[i].ready_at), shared);
  return floats_at(r->scratch, r->w->h_at);
}

/* ---- flatten and gemm ---- */

/* The tick reaches the window in slot, which had place rows before. */
static void add_part(const run_t *r, uint64_t tick, uint32_t slot, uint32_t place) {
  const tf_mat_t *part = &r->w->parts[place];
  float          *sum  = sum_of(r, slot);
  part->mul(part, input_of(r, tick), 1, place == 0 ? r->w->parts_bias : sum, 0, sum, 0);
}

/* All but the window that the tick completed. */
static void advance_sums(const run_t *r, uint64_t tick) {
  for (uint32_t place = 0; place + 1 < r->w->window && place <= tick; place++)
    add_part(r, tick, slot_of(r, tick - place), place);
}

/* ---- both ---- */

/* The window in slot alone, which began with tick begun, takes a tick that it missed. */
static void catch_up(const run_t *r, uint64_t tick, uint64_t begun) {
  uint32_t slot = slot_of(r, begun);
  if (r->w->layer_cnt == 0) {
    add_part(r, tick, slot, (uint32_t)(tick - begun));
    return;
  }
  if (tick == begun) begin_states(r, slot);
  advance_layers(r, tick, slot, 1);
}

/* The newest tick's row, past what is before the window, into the ring of inputs. True: it completes a window, whose state is that
 * of its rows but this one. */
static bool take_input(const run_t *r, const float *row) {
  const tf_window_t *w     = r->w;
  head_t            *head  = r->head;
  const tf_mat_t    *first = w->layer_cnt ? &w->layers[0].w : &w->parts[0];
  first->to_row(first, row, input_of(r, head->seen));
  head->seen++;
  head->has_shared = false;
  uint64_t newest = head->seen - 1, missed = head->backlog;
  if (head->backlog + 1 < w->window) head->backlog++;
  if (head->seen < w->window) return false;
  for (uint64_t tick = newest - missed; tick < newest; tick++)
    catch_up(r, tick, head->seen - w->window);
  if (missed && w->layer_cnt) make_ready(r, completed_slot(r));
  return true;
}

void tf_window_reset(const tf_window_t *w, void *state) {
  (void)w;
  memset(state, 0, sizeof(head_t));
}

bool tf_window_step(const tf_window_t *w, void *state, void *scratch, const float *row,
                    float *out) {
  run_t r = begin(w, state, scratch);
  r.split = w->split;
  if (w->before) {
    float *made = floats_at(r.scratch, w->row_at);
    tf_execute_row(w->before, r.scratch + w->plan_scratch_at, row, made);
    row = made;
  }
  if (!take_input(&r, row)) return false;
  uint64_t     newest = r.head->seen - 1;
  uint32_t     slot   = completed_slot(&r);
  const float *result;
  if (w->layer_cnt) {
    result = finish_layers(&r, newest, slot);
  } else {
    add_part(&r, newest, slot, w->window - 1);
    result = sum_of(&r, slot);
  }
  if (w->after)
    tf_execute_row(w->after, r.scratch + w->plan_scratch_at, result, out);
  else
    memcpy(out, result, w->output_cnt * sizeof *out);
  return true;
}

/* ---- several windows at once ---- */

/* Those that the newest rows complete, and scratch of theirs: a row each, one behind the other. */
typedef struct many {
  run_t    runs[TF_MODEL_ROWS_MAX];
  uint32_t places[TF_MODEL_ROWS_MAX]; /* among those that were asked */
  uint32_t cnt;
  uint8_t *rows;     /* made ready for the product in hand */
  float   *products; /* of it */
  float   *results;  /* of the windows */
} many_t;

/* W x of a layer's rows. */
static void multiply_many(const many_t *m, const tf_window_layer_t *l) {
  l->w.mul(&l->w, m->rows, m->cnt, l->x_bias, 0, m->products, l->gate_floats);
}

static void finish_layers_many(const tf_window_t *w, many_t *m) {
  for (uint32_t k = 0; k < m->cnt; k++)
    memcpy(m->rows + k * w->input_row_bytes, input_of(&m->runs[k], m->runs[k].head->seen - 1),
           w->input_row_bytes);
  for (uint32_t i = 0; i < w->layer_cnt; i++) {
    const tf_window_layer_t *l    = &w->layers[i];
    const bool               last = i + 1 == w->layer_cnt;
    multiply_many(m, l);
    for (uint32_t k = 0; k < m->cnt; k++) {
      const run_t *r       = &m->runs[k];
      const float *product = m->products + k * l->gate_floats;
      uint32_t     slot    = completed_slot(r);
      float       *h       = floats_at(r->scratch, w->h_at);
      l->cell(l->units, floats_at(r->state, l->ready_at), product, carry_of(r, l, slot), h);
      l->u.to_row(&l->u, h, rows_of(r, l, slot));
      if (last)
        memcpy(m->results + k * l->units, h, l->units * sizeof *h);
      else
        memcpy(m->rows + k * l->u.row_bytes, rows_of(r, l, slot), l->u.row_bytes);
      if (i > 0) continue;
      memcpy(floats_at(r->state, w->shared_at), product, l->gate_floats * sizeof *product);
      r->head->has_shared = true;
    }
  }
}

static void finish_sums_many(const tf_window_t *w, many_t *m, uint32_t result_cnt) {
  const tf_mat_t *part = &w->parts[w->window - 1];
  for (uint32_t k = 0; k < m->cnt; k++) {
    const run_t *r = &m->runs[k];
    memcpy(m->rows + k * w->input_row_bytes, input_of(r, r->head->seen - 1), w->input_row_bytes);
    memcpy(m->products + k * w->sum_floats, sum_of(r, completed_slot(r)),
           w->sum_floats * sizeof(float));
  }
  part->mul(part, m->rows, m->cnt, m->products, w->sum_floats, m->products, w->sum_floats);
  for (uint32_t k = 0; k < m->cnt; k++)
    memcpy(m->results + k * result_cnt, m->products + k * w->sum_floats,
           result_cnt * sizeof(float));
}

void tf_window_step_many(const tf_window_t *w, void *const *states, void *scratch,
                         const float *rows, uint32_t cnt, float *out, bool *answered) {
  uint8_t *base   = scratch;
  size_t   in_cnt = w->input_cnt;
  many_t   m      = {.cnt      = 0,
                     .rows     = base + w->many_rows_at,
                     .products = floats_at(base, w->many_products_at),
                     .results  = floats_at(base, w->many_results_at)};
  if (w->before) {
    float *made = floats_at(base, w->many_made_at);
    tf_execute_rows(w->before, base + w->many_plan_at, rows, cnt, made);
    rows   = made;
    in_cnt = w->before->output_cnt;
  }
  for (uint32_t i = 0; i < cnt; i++) {
    m.runs[m.cnt]   = begin(w, states[i], scratch);
    m.places[m.cnt] = i;
    answered[i]     = take_input(&m.runs[m.cnt], rows + i * in_cnt);
    m.cnt += answered[i];
  }
  if (m.cnt == 0) return;
  if (w->layer_cnt)
    finish_layers_many(w, &m);
  else
    finish_sums_many(w, &m, w->parts[0].out_cnt);
  const float *outs = m.results;
  if (w->after) {
    float *made = floats_at(base, w->many_outs_at);
    tf_execute_rows(w->after, base + w->many_plan_at, m.results, m.cnt, made);
    outs = made;
  }
  for (uint32_t k = 0; k < m.cnt; k++)
    memcpy(out + (size_t)m.places[k] * w->output_cnt, outs + (size_t)k * w->output_cnt,
           w->output_cnt * sizeof *out);
}

/* All slots take part, the completed window's too: it costs a T-th more, and its state is made anew
 * when its next window begins. */
static void advance_all(const run_t *r, uint64_t tick) {
  const tf_window_t *w = r->w;
  if (w->layer_cnt == 0) {
    advance_sums(r, tick);
    return;
  }
  begin_states(r, slot_of(r, tick));
  uint32_t chunks = (w->window + w->row_cnt_chunk - 1) / w->row_cnt_chunk;
  for (uint32_t c = 0, slot = 0; c < chunks; c++) {
    uint32_t cnt = (w->window - slot) / (chunks - c);
    advance_layers(r, tick, slot, cnt);
    slot += cnt;
  }
}

void tf_window_advance(const tf_window_t *w, void *state, void *scratch) {
  run_t   r    = begin(w, state, scratch);
  head_t *head = r.head;
  if (head->backlog == 0) return;
  for (uint64_t tick = head->seen - head->backlog; tick < head->seen; tick++) advance_all(&r, tick);
  head->backlog = 0;
  if (w->layer_cnt && head->seen + 1 >= w->window)
    make_ready(&r, slot_of(&r, head->seen + 1 - w->window));
}

void tf_window_recompute(const tf_window_t *w, void *state, void *scratch, const float *rows,
                         float *out) {
  tf_window_reset(w, state);
  for (uint32_t i = 0; i < w->window; i++)
    tf_window_step(w, state, scratch, rows + (size_t)i * w->input_cnt, out);
}
