#include "model/measure_steps.h"

#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "model/shapes.h"

/* A list under construction, and memory that every step may use: two rows and what is made ready of one. */
typedef struct list {
  tf_measure_step_t *steps;
  uint32_t           cnt, room;
  float             *in, *out;
  uint8_t           *ready;
} list_t;

static tf_measure_step_t *claim(list_t *l) {
  TF_ASSERT(l->cnt < l->room);
  return &l->steps[l->cnt++];
}

static size_t mat_bytes(const tf_mat_t *m) {
  return (size_t)m->group_cnt * m->block_cnt * m->line_bytes;
}

/* ---- what is repeated ---- */

/* One step of a row's plan, or rows of a product, or cells. */
typedef struct work {
  const tf_plan_step_t *step;
  const tf_mat_t       *mat;
  const float          *bias;
  size_t                stride;
  uint32_t              row_cnt;
  tf_op_cell_t          cell;
  uint32_t              units;
} work_t;

static void do_work(const list_t *l, const work_t *w) {
  if (w->cell) {
    w->cell(w->units, l->in, l->in, l->out, l->out + tf_align_up(w->units, TF_OP_PAD));
  } else if (w->mat) {
    w->mat->mul(w->mat, l->ready, w->row_cnt, w->bias, 0, l->out, w->stride);
  } else if (w->step->mat.mul) {
    w->step->mat.to_row(&w->step->mat, l->in, l->ready);
    w->step->mat.mul(&w->step->mat, l->ready, 1, w->step->params.bias, 0, l->out, 0);
  } else {
    w->step->run(&w->step->params, l->in, l->out);
  }
}

static double time_work(const list_t *l, const work_t *w) {
  uint64_t least = UINT64_MAX;
  for (uint32_t i = 0; i < TF_MEASURE_STEP_TRIES; i++) {
    const uint64_t begin = tf_clock_ticks();
    for (uint32_t k = 0; k < TF_MEASURE_STEP_REPEATS; k++) do_work(l, w);
    const uint64_t took = tf_clock_ticks() - begin;
    if (took < least) least = took;
  }
  return (double)tf_clock_ticks_to_ns(least) / TF_MEASURE_STEP_REPEATS;
}

/* ---- chains ---- */

static void add_plan(list_t *l, const tf_plan_t *plan) {
  for (uint32_t i = 0; plan && i < plan->step_cnt; i++) {
    const tf_plan_step_t *s = &plan->steps[i];
    tf_measure_step_t    *m = claim(l);
    tf_plan_describe_step(s, m->text, sizeof m->text);
    m->ns    = time_work(l, &(work_t){.step = s});
    m->flops = s->op->flops(&s->params);
    m->bytes = s->mat.mul ? mat_bytes(&s->mat) +
                                (uint64_t)(s->params.in_cnt + s->params.out_cnt) * sizeof(float)
                          : s->op->bytes(&s->params);
  }
}

/* row_cnt rows times a matrix. */
static void add_product(list_t *l, const tf_mat_t *mat, const float *bias, uint32_t row_cnt,
                        const char *text, bool deferred) {
  const work_t       w = {.mat     = mat,
                          .bias    = bias,
                          .stride  = tf_align_up(mat->out_cnt, TF_OP_PAD) + TF_OP_PAD,
                          .row_cnt = row_cnt};
  tf_measure_step_t *m = claim(l);
  snprintf(m->text, sizeof m->text, "%s %u->%u, %u row%s", text, mat->in_cnt, mat->out_cnt, row_cnt,
           row_cnt == 1 ? "" : "s");
  m->ns       = time_work(l, &w);
  m->flops    = UINT64_C(2) * row_cnt * mat->in_cnt * mat->out_cnt;
  m->bytes    = mat_bytes(mat) + row_cnt * (mat->row_bytes + mat->out_cnt * sizeof(float));
  m->deferred = deferred;
}

static void add_cell(list_t *l, const tf_window_layer_t *layer) {
  tf_measure_step_t *m = claim(l);
  snprintf(m->text, sizeof m->text, "%s cell of %u", layer->op->name, layer->units);
  m->ns    = time_work(l, &(work_t){.cell = layer->cell, .units = layer->units});
  m->flops = 0;
  m->bytes = (uint64_t)(2 * layer->op->gate_cnt + 4) * layer->units * sizeof(float);
}

/* The timed path: x's part of each layer's gates, its cell; deferred: h's part, of all open windows, some at a time. */
static void add_window(list_t *l, const tf_window_t *w) {
  char text[40];
  add_plan(l, w->before);
  for (uint32_t i = 0; i < w->layer_cnt; i++) {
    const tf_window_layer_t *layer = &w->layers[i];
    snprintf(text, sizeof text, "layer %u: W x", i);
    add_product(l, &layer->w, layer->x_bias, 1, text, false);
    add_cell(l, layer);
  }
  if (w->layer_cnt == 0)
    add_product(l, &w->parts[w->window - 1], w->parts_bias, 1, "gemm, the newest row's part",
                false);
  add_plan(l, w->after);
  for (uint32_t i = 0; i < w->layer_cnt; i++) {
    const tf_window_layer_t *layer = &w->layers[i];
    snprintf(text, sizeof text, "layer %u: U h", i);
    add_product(l, &layer->u, layer->h_bias, w->row_cnt_chunk, text, true);
    snprintf(text, sizeof text, "layer %u: W x", i);
    if (i > 0) add_product(l, &layer->w, layer->x_bias, w->row_cnt_chunk, text, true);
  }
  if (w->layer_cnt == 0)
    add_product(l, &w->parts[0], w->parts_bias, 1, "gemm, a row's part of a window that is open",
                true);
}

static uint32_t window_step_cnt(const tf_window_t *w) {
  return (w->before ? w->before->step_cnt : 0) + (w->after ? w->after->step_cnt : 0) +
         4 * w->layer_cnt + 2;
}

/* The widest row of a plan or a layer, of all that are worked on together. */
static size_t widest(const tf_model_t *model) {
  const tf_window_t *w    = tf_loader_window(model);
  const tf_plan_t   *p    = w ? w->before : tf_loader_plan(model);
  size_t             most = model->input_cnt + model->output_cnt + TF_OP_PAD;
  if (p && most < p->row_floats) most = p->row_floats;
  if (!w) return most;
  if (w->after && most < w->after->row_floats) most = w->after->row_floats;
  for (uint32_t i = 0; i < w->layer_cnt; i++)
    if (most < w->layers[i].gate_floats + w->layers[i].units)
      most = w->layers[i].gate_floats + w->layers[i].units;
  for (uint32_t i = 0; i < (w->layer_cnt ? 0u : 1u); i++)
    if (most < w->parts[0].out_cnt) most = w->parts[0].out_cnt;
  return most;
}

static size_t widest_ready(const tf_model_t *model, size_t floats) {
  const tf_window_t *w    = tf_loader_window(model);
  size_t             most = floats * sizeof(float);
  for (uint32_t i = 0; w && i < w->layer_cnt; i++) {
    if (most < w->layers[i].w.row_bytes) most = w->layers[i].w.row_bytes;
    if (most < w->layers[i].u.row_bytes) most = w->layers[i].u.row_bytes;
  }
  if (w && !w->layer_cnt && most < w->parts[0].row_bytes) most = w->parts[0].row_bytes;
  return most;
}

static tf_err_t measure_chain(const tf_model_t *model, list_t *l) {
  const tf_window_t *w     = tf_loader_window(model);
  const uint32_t     rows  = w && w->row_cnt_chunk ? w->row_cnt_chunk : 1;
  const size_t       width = tf_align_up(widest(model), TF_OP_PAD) + 4 * TF_OP_PAD;
  const size_t       bytes = rows * width * sizeof(float);
  const size_t       ready = tf_align_up(rows * widest_ready(model, width), TF_LINE_BYTES);
  uint64_t           seed  = 1;
  l->in                    = aligned_alloc(TF_LINE_BYTES, bytes);
  l->out                   = aligned_alloc(TF_LINE_BYTES, 2 * bytes);
  l->ready                 = aligned_alloc(TF_LINE_BYTES, ready);
  tf_err_t err = l->in && l->out && l->ready ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "a profile");
  if (!err) {
    tf_shapes_noise(l->in, bytes / sizeof(float), &seed);
    memset(l->out, 0, 2 * bytes);
    memset(l->ready, 0, ready);
    if (w)
      add_window(l, w);
    else
      add_plan(l, tf_loader_plan(model));
  }
  free(l->in);
  free(l->out);
  free(l->ready);
  return err;
}

/* ---- nets ---- */

static uint64_t call_bytes(const tf_net_call_t *call) {
  uint64_t floats = call->use.out.cnt;
  for (uint32_t i = 0; i < call->use.in_cnt; i++) floats += call->use.in[i].cnt;
  return floats * sizeof(float);
}

/* A plan's steps, and the ticks that each took. */
static void add_net(list_t *l, const tf_net_plan_t *net, const uint64_t *ticks, bool deferred) {
  for (uint32_t i = 0; i < net->step_cnt; i++) {
    tf_measure_step_t *m = claim(l);
    tf_net_plan_describe(net, i, m->text, sizeof m->text);
    m->deferred = deferred;
    m->ns       = (double)tf_clock_ticks_to_ns(ticks[i]);
    m->flops    = tf_net_plan_step_flops(net, i);
    for (uint32_t k = 0; k < net->steps[i].cnt; k++)
      m->bytes += call_bytes(&net->calls[net->steps[i].first + k]);
  }
}

static void add_shifts(list_t *l, const tf_net_stream_t *s, uint64_t ticks) {
  if (s->shift_cnt == 0) return;
  tf_measure_step_t *m = claim(l);
  snprintf(m->text, sizeof m->text, "%u histories move on by a row", s->shift_cnt);
  m->deferred = true;
  m->ns       = (double)tf_clock_ticks_to_ns(ticks);
  for (uint32_t i = 0; i < s->shift_cnt; i++)
    m->bytes += 2 * (uint64_t)s->shifts[i].cnt * sizeof(float);
}

/* What a tick does of a window that slides. */
static void run_stream(const tf_net_stream_t *s, const tf_loader_session_t *session,
                       const float *rows, float *out, list_t *l, uint64_t *ticks) {
  tf_net_stream_profile_t p         = {ticks, ticks + s->timed->step_cnt, UINT64_MAX};
  const size_t            input_cnt = session->model->input_cnt;
  tf_net_stream_reset(s, session->state);
  for (uint32_t i = 0; i < TF_MEASURE_NET_RUNS; i++)
    tf_net_stream_profile(s, session->state, session->scratch, rows + i % s->window * input_cnt,
                          out, &p);
  add_net(l, s->timed, p.timed, false);
  add_shifts(l, s, p.shifts);
  if (s->deferred) add_net(l, s->deferred, p.deferred, true);
}

/* All of a window, or a single row. */
static void run_whole(const tf_net_plan_t *net, const tf_loader_session_t *session,
                      const float *rows, float *out, list_t *l, uint64_t *ticks) {
  for (uint32_t i = 0; i < TF_MEASURE_NET_RUNS; i++)
    tf_net_plan_profile(net, NULL, session->scratch, rows, out, ticks);
  add_net(l, net, ticks, false);
}

static tf_err_t measure_net(const tf_model_t *model, list_t *l) {
  const tf_net_plan_t   *net    = tf_loader_net(model);
  const tf_net_stream_t *stream = tf_loader_stream(model, NULL);
  const size_t           each   = (size_t)net->window * net->input_cnt;
  uint64_t               seed   = 1;
  uint64_t              *ticks  = malloc(l->room * sizeof *ticks);
  float                 *rows   = malloc(each * sizeof *rows);
  float                 *out    = malloc(net->output_cnt * sizeof *out);
  tf_loader_session_t    session;
  tf_err_t               err = tf_loader_session_init(&session, model);
  if (!err && !(ticks && rows && out)) err = TF_ERR(E_CORE_NO_MEMORY, "a profile");
  if (!err) {
    tf_shapes_noise(rows, each, &seed);
    memset(ticks, 0xff, l->room * sizeof *ticks);
    if (stream)
      run_stream(stream, &session, rows, out, l, ticks);
    else
      run_whole(net, &session, rows, out, l, ticks);
  }
  tf_loader_session_fini(&session);
  free(ticks);
  free(rows);
  free(out);
  return err;
}

/* As many steps as there may be. */
static uint32_t room_of(const tf_model_t *model) {
  const tf_net_stream_t *s   = tf_loader_stream(model, NULL);
  const tf_net_plan_t   *net = tf_loader_net(model);
  const tf_window_t     *w   = tf_loader_window(model);
  if (s) return s->timed->step_cnt + (s->deferred ? s->deferred->step_cnt : 0) + 1;
  return net ? net->step_cnt : w ? window_step_cnt(w) : tf_loader_plan(model)->step_cnt;
}

tf_err_t tf_measure_steps(const tf_model_t *model, tf_measure_step_t **steps, uint32_t *cnt) {
  list_t l     = {.room = room_of(model)};
  l.steps      = calloc(l.room, sizeof *l.steps);
  tf_err_t err = l.steps ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "a profile of %u steps", l.room);
  if (!err) err = tf_loader_net(model) ? measure_net(model, &l) : measure_chain(model, &l);
  *steps = l.steps;
  *cnt   = l.cnt;
  if (!err) return TF_OK;
  free(l.steps);
  *steps = NULL;
  return err;
}
