#include "model/loader.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "model/execute.h"
#include "model/graph_file.h"
#include "model/net_window.h"

static void run(const tf_model_t *model, void *scratch, const float *row, float *out) {
  tf_execute_row(model->plan, scratch, row, out);
}

static void reset(const tf_model_t *model, void *state) { tf_window_reset(model->plan, state); }

static bool step(const tf_model_t *model, void *state, void *scratch, const float *row,
                 float *out) {
  return tf_window_step(model->plan, state, scratch, row, out);
}

static void advance(const tf_model_t *model, void *state, void *scratch) {
  tf_window_advance(model->plan, state, scratch);
}

static uint32_t assist(const tf_model_t *model) {
  return tf_split_assist(((const tf_window_t *)model->plan)->split);
}

/* A net's. */
static void net_run(const tf_model_t *model, void *scratch, const float *row, float *out) {
  tf_net_plan_run(model->plan, scratch, row, out);
}

static void net_reset(const tf_model_t *model, void *state) {
  tf_net_window_reset(model->plan, state);
}

static bool net_step(const tf_model_t *model, void *state, void *scratch, const float *row,
                     float *out) {
  return tf_net_window_step(model->plan, state, scratch, row, out);
}

/* Nothing of a net's window can be done beforehand. */
static void net_advance(const tf_model_t *model, void *state, void *scratch) {
  (void)model;
  (void)state;
  (void)scratch;
}

static bool is_net(const tf_model_t *model) { return model->run == net_run; }

const tf_net_plan_t *tf_loader_net(const tf_model_t *model) {
  return is_net(model) ? model->plan : NULL;
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
    tf_net_plan_run(s->model->plan, s->scratch, rows, out);
  else if (s->model->window > 1)
    tf_window_recompute(s->model->plan, s->state, s->scratch, rows, out);
  else
    s->model->run(s->model, s->scratch, rows, out);
}

tf_err_t tf_loader_check(const tf_graph_t *graph, const tf_model_t *model,
                         const tf_model_options_t *options, double *error_max) {
  const size_t        each  = (size_t)graph->window * graph->input_cnt;
  const double        bound = tf_loader_error_max(options, model->precision);
  tf_loader_session_t session;
  double              worst = 0.0;
  float              *out   = malloc(graph->output_cnt * sizeof *out);
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
  return TF_OK;
}

static tf_err_t make_net(const tf_graph_t *graph, const tf_loader_options_t *options,
                         tf_model_t *m) {
  tf_net_plan_t *plan;
  tf_err_t       err = tf_net_plan_new(graph->net, options->isa, m->precision, &plan);
  if (err) return tf_error_add(err, "model %s", graph->name);
  m->plan          = plan;
  m->scratch_bytes = plan->scratch_bytes;
  m->run           = net_run;
  if (graph->window <= 1) return TF_OK;
  m->state_bytes = tf_net_window_state_bytes(plan);
  m->reset       = net_reset;
  m->step        = net_step;
  m->advance     = net_advance;
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
  tf_err_t err = tf_graph_file_read(graph, st, path);
  if (err) return err; /* it names the file */
  err = tf_loader_make(graph, options, model);
  if (!err) err = tf_loader_check(graph, *model, &options->model, NULL);
  if (err) return tf_error_add(err, "loading %s", path);
  memcpy((*model)->sha256_hex, st->sha256_hex, sizeof(*model)->sha256_hex);
  (*model)->hash = st->sha256_head;
  return TF_OK;
}

tf_err_t tf_loader_load(const char *path, const tf_loader_options_t *options, tf_model_t **model,
                        tf_graph_t *graph) {
  tf_safetensors_t st;
  tf_graph_t      *parsed = calloc(1, sizeof *parsed);
  *model                  = NULL;
  if (graph) memset(graph, 0, sizeof *graph);
  if (!parsed) return TF_ERR(E_CORE_NO_MEMORY, "%s: its graph", path);
  tf_err_t err = tf_safetensors_read(&st, path);
  if (!err) err = load_graph(&st, path, options, parsed, model);
  if (err) {
    tf_loader_unload(*model);
    *model = NULL;
  }
  if (!err && graph)
    *graph = *parsed; /* ownership moves */
  else
    tf_graph_fini(parsed);
  free(parsed);
  tf_safetensors_fini(&st);
  return err;
}

void tf_loader_unload(tf_model_t *model) {
  if (!model) return;
  if (is_net(model))
    tf_net_plan_delete(model->plan);
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

const tf_model_loader_t tf_model_loader = {.load = load_best, .unload = tf_loader_unload};
