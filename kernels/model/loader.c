#include "model/loader.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "model/execute.h"
#include "model/graph_file.h"
#include "model/net_window.h"
#include "model/rounding.h"

static void run(const tf_model_t *model, void *scratch, const float *row, float *out) {
  tf_execute_row(model->plan, scratch, row, out);
}

static void run_many(const tf_model_t *model, void *scratch, const float *rows, uint32_t cnt,
                     float *out) {
  tf_execute_rows(model->plan, scratch, rows, cnt, out);
}

static void reset(const tf_model_t *model, void *state) { tf_window_reset(model->plan, state); }

static bool step(const tf_model_t *model, void *state, void *scratch, const float *row,
                 float *out) {
  return tf_window_step(model->plan, state, scratch, row, out);
}

static void step_many(const tf_model_t *model, void *const *states, void *scratch,
                      const float *rows, uint32_t cnt, float *out, bool *answered) {
  tf_window_step_many(model->plan, states, scratch, rows, cnt, out, answered);
}

static void advance(const tf_model_t *model, void *state, void *scratch) {
  tf_window_advance(model->plan, state, scratch);
}

static uint32_t assist(const tf_model_t *model) {
  return tf_split_assist(((const tf_window_t *)model->plan)->split);
}

/* A net: all of a window at once, and its slide from row to row. */
typedef struct net_plans {
  tf_net_plan_t   *whole;
  tf_net_stream_t *stream; /* NULL: each tick recomputes the window */
  char             why[200];
} net_plans_t;

static const net_plans_t *nets_of(const tf_model_t *model) { return model->plan; }

static void net_run(const tf_model_t *model, void *scratch, const float *row, float *out) {
  tf_net_plan_run(nets_of(model)->whole, scratch, row, out);
}

static void stream_reset(const tf_model_t *model, void *state) {
  tf_net_stream_reset(nets_of(model)->stream, state);
}

static bool stream_step(const tf_model_t *model, void *state, void *scratch, const float *row,
                        float *out) {
  return tf_net_stream_step(nets_of(model)->stream, state, scratch, row, out);
}

static void stream_advance(const tf_model_t *model, void *state, void *scratch) {
  tf_net_stream_advance(nets_of(model)->stream, state, scratch);
}

static void recompute_reset(const tf_model_t *model, void *state) {
  tf_net_window_reset(nets_of(model)->whole, state);
}

static bool recompute_step(const tf_model_t *model, void *state, void *scratch, const float *row,
                           float *out) {
  return tf_net_window_step(nets_of(model)->whole, state, scratch, row, out);
}

/* Nothing is done beforehand. */
static void recompute_advance(const tf_model_t *model, void *state, void *scratch) {
  (void)model;
  (void)state;
  (void)scratch;
}

static bool is_net(const tf_model_t *model) { return model->run == net_run; }

const tf_net_plan_t *tf_loader_net(const tf_model_t *model) {
  return is_net(model) ? nets_of(model)->whole : NULL;
}

const tf_net_stream_t *tf_loader_stream(const tf_model_t *model, const char **why) {
  if (why) *why = is_net(model) ? nets_of(model)->why : "";
  return is_net(model) ? nets_of(model)->stream : NULL;
}

const tf_plan_t *tf_loader_plan(const tf_model_t *model) {
  return model->window > 1 || is_net(model) ? NULL : model->plan;
}

const tf_window_t *tf_loader_window(const tf_model_t *model) {
  return model->window > 1 && !is_net(model) ? model->plan : NULL;
}

tf_loader_options_t tf_loader_preset(void) {
  return (tf_loader_options_t){.isa = tf_isa_best(), .model.precision = TF_PRECISION_AUTO};
}

double tf_loader_error_max(const tf_model_options_t *options, tf_precision_t precision) {
  static const double presets[] = {TF_LOADER_ERROR_MAX_FP32, TF_LOADER_ERROR_MAX_BF16,
                                   TF_LOADER_ERROR_MAX_FP16, TF_LOADER_ERROR_MAX_INT8};
  TF_STATIC_ASSERT(TF_ARRAY_CNT(presets) == TF_PRECISION_CNT, "a bound for each precision");
  return options->error_max > 0.0 ? options->error_max : presets[precision];
}

tf_err_t tf_loader_session_init(tf_loader_session_t *s, const tf_model_t *model) {
  *s = (tf_loader_session_t){.model   = model,
                             .scratch = aligned_alloc(TF_LINE_BYTES, model->scratch_bytes)};
  if (model->window > 1) s->state = aligned_alloc(TF_LINE_BYTES, model->state_bytes);
  if (!s->scratch || (model->window > 1 && !s->state)) {
    tf_loader_session_fini(s);
    return TF_ERR(E_CORE_NO_MEMORY, "model %s: %zu bytes of state", model->name,
                  model->state_bytes);
  }
  memset(s->scratch, 0, model->scratch_bytes);
  if (s->state) memset(s->state, 0, model->state_bytes);
  return TF_OK;
}

void tf_loader_session_fini(tf_loader_session_t *s) {
  free(s->state);
  free(s->scratch);
  memset(s, 0, sizeof *s);
}

void tf_loader_answer(const tf_loader_session_t *s, const float *rows, float *out) {
  if (is_net(s->model))
    tf_net_plan_run(nets_of(s->model)->whole, s->scratch, rows, out);
  else if (s->model->window > 1)
    tf_window_recompute(s->model->plan, s->state, s->scratch, rows, out);
  else
    s->model->run(s->model, s->scratch, rows, out);
}

static bool same_answer(float a, float b) { return a == b || (isnan(a) && isnan(b)); }

/* A window row by row against all of it at once: what was cut wrongly is found here. */
static tf_err_t check_slide(const tf_graph_t *graph, const tf_loader_session_t *s, float *out,
                            float *whole) {
  const tf_model_t *m = s->model;
  tf_loader_answer(s, graph->check_inputs, whole);
  m->reset(m, s->state);
  for (uint32_t i = 0; i < m->window; i++) {
    m->step(m, s->state, s->scratch, graph->check_inputs + (size_t)i * m->input_cnt, out);
    m->advance(m, s->state, s->scratch);
  }
  for (uint32_t o = 0; o < m->output_cnt; o++)
    if (!same_answer(out[o], whole[o]))
      return TF_ERR(E_MODEL_CHECK,
                    "model %s: known answer 0, output %u: row by row %.9g came out, of the whole "
                    "window %.9g",
                    graph->name, o, (double)out[o], (double)whole[o]);
  return TF_OK;
}

tf_err_t tf_loader_check(const tf_graph_t *graph, const tf_model_t *model,
                         const tf_model_options_t *options, double *error_max) {
  const size_t        each  = (size_t)graph->window * graph->input_cnt;
  const double        bound = tf_loader_error_max(options, model->precision);
  tf_loader_session_t session;
  double              worst = 0.0;
  float              *out   = malloc(2 * graph->output_cnt * sizeof *out);
  tf_err_t            err   = tf_loader_session_init(&session, model);
  if (!err && !out) err = TF_ERR(E_CORE_NO_MEMORY, "outputs of model %s", graph->name);
  for (uint32_t r = 0; r < graph->check_cnt && !err; r++) {
    tf_loader_answer(&session, graph->check_inputs + r * each, out);
    for (uint32_t o = 0; o < graph->output_cnt && !err; o++) {
      double want  = (double)graph->check_outputs[(size_t)r * graph->output_cnt + o];
      double error = fabs((double)out[o] - want) / fmax(1.0, fabs(want));
      if (!(error <= worst)) worst = error;
      if (!(error <= bound))
        err =
            TF_ERR(E_MODEL_CHECK,
                   "model %s in %s: known answer %u, output %u: %.9g came out, %.9g was stored, a "
                   "relative error of %.2g, at most %.2g is allowed",
                   graph->name, tf_precision_name(model->precision), r, o, (double)out[o], want,
                   error, bound);
    }
  }
  if (!err && graph->check_cnt && tf_loader_stream(model, NULL))
    err = check_slide(graph, &session, out, out + graph->output_cnt);
  if (error_max) *error_max = worst;
  tf_loader_session_fini(&session);
  free(out);
  return err;
}

static tf_err_t make_plan(const tf_graph_t *graph, const tf_loader_options_t *options,
                          tf_model_t *m) {
  tf_plan_spec_t spec = {
      .isa = options->isa, .precision = m->precision, .node_cnt = graph->node_cnt};
  tf_plan_t *plan;
  tf_err_t   err = tf_plan_new_part(graph, &spec, &plan);
  if (err) return err;
  m->plan          = plan;
  m->scratch_bytes = plan->scratch_bytes;
  m->run           = run;
  m->run_many      = run_many;

  m->many_scratch_bytes = tf_execute_rows_bytes(plan);
  return TF_OK;
}

static tf_err_t make_window(const tf_graph_t *graph, const tf_loader_options_t *options,
                            tf_model_t *m) {
  tf_window_t *window;
  tf_err_t     err = tf_window_new(graph, options->isa, m->precision, &window);
  if (!err && options->model.lanes == TF_SPLIT_LANES) {
    err = tf_window_split(window, graph->name);
    if (err) tf_window_delete(window);
    m->assist          = assist;
    m->helper_late_cnt = err ? NULL : &window->split->late_cnt;
  }
  if (err) return err;
  m->plan          = window;
  m->scratch_bytes = window->scratch_bytes;
  m->state_bytes   = window->state_bytes;
  m->reset         = reset;
  m->step          = step;
  m->advance       = advance;
  if (window->split) return TF_OK; /* a helper's products are of one row each */
  m->step_many          = step_many;
  m->many_scratch_bytes = window->many_scratch_bytes;
  return TF_OK;
}

static void delete_nets(net_plans_t *nets) {
  tf_net_plan_delete(nets->whole);
  tf_net_stream_delete(nets->stream);
  free(nets);
}

/* Slides where that wins anything; else recomputes, which is no failure. */
static tf_err_t make_net_window(const tf_graph_t *graph, const tf_loader_options_t *options,
                                tf_model_t *m, net_plans_t *nets) {
  tf_err_t err = tf_net_stream_new(graph->net, options->isa, m->precision, &nets->stream);
  if (!err) err = tf_net_stream_check(nets->stream, graph->net);
  if (err == E_CORE_NO_MEMORY || err == E_CORE_ARGUMENT) return err;
  if (err) {
    snprintf(nets->why, sizeof nets->why, "%s", tf_error_text());
    tf_net_stream_delete(nets->stream);
    nets->stream = NULL;
  }
  const bool slides = !err;
  if (slides && m->scratch_bytes < nets->stream->scratch_bytes)
    m->scratch_bytes = nets->stream->scratch_bytes;
  m->state_bytes = slides ? nets->stream->state_bytes : tf_net_window_state_bytes(nets->whole);
  m->reset       = slides ? stream_reset : recompute_reset;
  m->step        = slides ? stream_step : recompute_step;
  m->advance     = slides ? stream_advance : recompute_advance;
  return TF_OK;
}

static tf_err_t make_net(const tf_graph_t *graph, const tf_loader_options_t *options,
                         tf_model_t *m) {
  net_plans_t *nets = calloc(1, sizeof *nets);
  if (!nets) return TF_ERR(E_CORE_NO_MEMORY, "model %s", graph->name);
  tf_err_t err = tf_net_plan_new(graph->net, options->isa, m->precision, &nets->whole);
  if (!err) m->scratch_bytes = nets->whole->scratch_bytes;
  if (!err && graph->window > 1 && !options->is_whole)
    err = make_net_window(graph, options, m, nets);
  if (err) {
    delete_nets(nets);
    return tf_error_add(err, "model %s", graph->name);
  }
  m->plan = nets;
  m->run  = net_run;
  return TF_OK;
}

static tf_precision_t precision_of(const tf_graph_t *graph, const tf_loader_options_t *options) {
  return options->model.precision == TF_PRECISION_AUTO ? graph->precision
                                                       : options->model.precision;
}

tf_err_t tf_loader_make(const tf_graph_t *graph, const tf_loader_options_t *options,
                        tf_model_t **model) {
  size_t      bytes    = graph->features.cnt * sizeof *graph->features.names;
  tf_model_t *m        = calloc(1, sizeof *m);
  void       *features = malloc(bytes ? bytes : 1);
  char       *schema   = graph->schema ? strdup(graph->schema) : NULL;
  *model               = NULL;
  tf_err_t err         = m && features && !schema == !graph->schema
                             ? TF_OK
                             : TF_ERR(E_CORE_NO_MEMORY, "model %s", graph->name);
  if (!err) m->window = graph->window;
  if (!err) m->precision = precision_of(graph, options);
  if (!err) m->error_max = tf_loader_error_max(&options->model, m->precision);
  if (!err) err = tf_rounding_check(graph, m->precision);
  if (!err && options->model.lanes == TF_SPLIT_LANES && (graph->net || graph->window <= 1))
    err = TF_ERR(
        E_MODEL_UNSUPPORTED,
        "model %s: two lanes share the products of recurrent layers over a window; it has none",
        graph->name);
  else if (!err && graph->net)
    err = make_net(graph, options, m);
  else if (!err && graph->window > 1)
    err = make_window(graph, options, m);
  else if (!err)
    err = make_plan(graph, options, m);
  if (err) {
    free(m);
    free(features);
    free(schema);
    return err;
  }
  if (bytes) memcpy(features, graph->features.names, bytes);
  memcpy(m->name, graph->name, sizeof m->name);
  m->input_cnt  = graph->input_cnt;
  m->output_cnt = graph->output_cnt;
  m->param_cnt  = graph->param_cnt;
  m->features   = features;
  m->schema     = schema;
  *model        = m;
  return TF_OK;
}

static tf_err_t load_graph(const tf_safetensors_t *st, const char *path,
                           const tf_loader_options_t *options, tf_graph_t *graph,
                           tf_model_t **model) {
  tf_err_t err = tf_graph_file_read(graph, st, path, TF_MODEL_OUTPUTS_MAX);
  if (err) return err; /* it names the file */
  err = tf_loader_make(graph, options, model);
  if (!err) err = tf_loader_check(graph, *model, &options->model, NULL);
  if (err) return tf_error_add(err, "loading %s", path);
  memcpy((*model)->sha256_hex, st->sha256_hex, sizeof(*model)->sha256_hex);
  (*model)->hash = st->sha256_head;
  return TF_OK;
}

/* st is the caller's. */
static tf_err_t load_parsed(const tf_safetensors_t *st, const char *label,
                            const tf_loader_options_t *options, tf_model_t **model,
                            tf_graph_t *graph) {
  tf_graph_t *parsed = calloc(1, sizeof *parsed);
  if (!parsed) return TF_ERR(E_CORE_NO_MEMORY, "%s: its graph", label);
  tf_err_t err = load_graph(st, label, options, parsed, model);
  if (err) {
    tf_loader_unload(*model);
    *model = NULL;
  }
  if (!err && graph)
    *graph = *parsed; /* ownership moves */
  else
    tf_graph_fini(parsed);
  free(parsed);
  return err;
}

tf_err_t tf_loader_load(const char *path, const tf_loader_options_t *options, tf_model_t **model,
                        tf_graph_t *graph) {
  tf_safetensors_t st;
  *model = NULL;
  if (graph) memset(graph, 0, sizeof *graph);
  tf_err_t err = tf_safetensors_read(&st, path);
  if (!err) err = load_parsed(&st, path, options, model, graph);
  tf_safetensors_fini(&st);
  return err;
}

void tf_loader_unload(tf_model_t *model) {
  if (!model) return;
  if (is_net(model))
    delete_nets(model->plan);
  else if (model->window > 1)
    tf_window_delete(model->plan);
  else
    tf_plan_delete(model->plan);
  free(model->features);
  free(model->schema);
  free(model);
}

static tf_err_t load_best(const char *path, const tf_model_options_t *options, tf_model_t **model) {
  tf_loader_options_t all = {.isa   = options->isa_forced ? options->isa : tf_isa_best(),
                             .model = *options};
  return tf_loader_load(path, &all, model, NULL);
}

static tf_err_t load_bytes(const char *label, const uint8_t *bytes, size_t bytes_cnt,
                           const tf_model_options_t *options, tf_model_t **model) {
  const tf_loader_options_t all = {.isa = tf_isa_best(), .model = *options};
  tf_safetensors_t          st;
  *model       = NULL;
  tf_err_t err = tf_safetensors_parse(&st, label, bytes, bytes_cnt);
  if (!err) err = load_parsed(&st, label, &all, model, NULL);
  tf_safetensors_fini(&st);
  return err;
}

const tf_model_loader_t tf_model_loader = {
    .load = load_best, .load_bytes = load_bytes, .unload = tf_loader_unload};
