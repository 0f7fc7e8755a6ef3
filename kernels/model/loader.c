#include "model/loader.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "model/execute.h"
#include "model/graph_file.h"

static void run(const tf_model_t *model, void *scratch, const float *row, float *out) {
  tf_execute_row(model->plan, scratch, row, out);
}

tf_err_t tf_loader_check(const tf_graph_t *graph, const tf_plan_t *plan, double *error_max) {
  float *scratch = aligned_alloc(TF_LINE_BYTES, plan->scratch_bytes);
  float *out     = malloc(plan->output_cnt * sizeof *out);
  if (error_max) *error_max = 0.0;
  tf_err_t err = scratch && out ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "a scratch");
  for (uint32_t r = 0; r < graph->check_cnt && !err; r++) {
    tf_execute_row(plan, scratch, graph->check_inputs + (size_t)r * graph->input_cnt, out);
    for (uint32_t o = 0; o < graph->output_cnt && !err; o++) {
      double want  = (double)graph->check_outputs[(size_t)r * graph->output_cnt + o];
      double error = fabs((double)out[o] - want) / fmax(1.0, fabs(want));
      if (error_max && !(error <= *error_max)) *error_max = error;
      if (!(error <= TF_LOADER_CHECK_ERROR_MAX))
        err = TF_ERR(E_MODEL_CHECK,
                     "model %s: known answer %u, output %u: %.9g came out, %.9g was stored, a "
                     "relative error of %.1g, at most %.1g is allowed",
                     graph->name, r, o, (double)out[o], want, error, TF_LOADER_CHECK_ERROR_MAX);
    }
  }
  free(scratch);
  free(out);
  return err;
}

/* The model object over a finished plan, which it takes over. */
static tf_err_t wrap(const tf_safetensors_t *st, const tf_graph_t *graph, tf_plan_t *plan,
                     tf_model_t **model) {
  tf_model_t *m        = calloc(1, sizeof *m);
  size_t      bytes    = graph->features.cnt * sizeof *graph->features.names;
  void       *features = malloc(bytes);
  if (!m || !features) {
    free(m);
    free(features);
    return TF_ERR(E_CORE_NO_MEMORY, "model %s", graph->name);
  }
  memcpy(features, graph->features.names, bytes);
  memcpy(m->name, graph->name, sizeof m->name);
  memcpy(m->sha256_hex, st->sha256_hex, sizeof m->sha256_hex);
  m->input_cnt     = graph->input_cnt;
  m->output_cnt    = graph->output_cnt;
  m->param_cnt     = graph->param_cnt;
  m->hash          = st->sha256_head;
  m->features      = features;
  m->scratch_bytes = plan->scratch_bytes;
  m->run           = run;
  m->plan          = plan;
  *model           = m;
  return TF_OK;
}

static tf_err_t check_outputs(const tf_graph_t *graph) {
  if (graph->output_cnt == 1 || graph->output_cnt == 3) return TF_OK;
  return TF_ERR(E_MODEL_SHAPE,
                "model %s has %u outputs; 1 (a score) or 3 (p10, p50, p90) are allowed",
                graph->name, graph->output_cnt);
}

static tf_err_t load_graph(const tf_safetensors_t *st, const char *path, tf_op_isa_t isa,
                           tf_graph_t *graph, tf_plan_t **plan) {
  tf_err_t err = tf_graph_file_read(graph, st, path);
  if (err) return err; /* it names the file */
  err = check_outputs(graph);
  if (!err) err = tf_plan_new(graph, isa, plan);
  if (!err) err = tf_loader_check(graph, *plan, NULL);
  return err ? tf_error_add(err, "loading %s", path) : TF_OK;
}

tf_err_t tf_loader_load(const char *path, tf_op_isa_t isa, tf_model_t **model, tf_graph_t *graph) {
  tf_safetensors_t st;
  tf_graph_t      *parsed = calloc(1, sizeof *parsed);
  tf_plan_t       *plan   = NULL;
  *model                  = NULL;
  if (graph) memset(graph, 0, sizeof *graph);
  if (!parsed) return TF_ERR(E_CORE_NO_MEMORY, "%s: its graph", path);
  tf_err_t err = tf_safetensors_read(&st, path);
  if (!err) err = load_graph(&st, path, isa, parsed, &plan);
  if (!err) err = wrap(&st, parsed, plan, model);
  if (err) tf_plan_delete(plan);
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
  tf_plan_delete(model->plan);
  free(model->features);
  free(model);
}

static tf_err_t load_best(const char *path, tf_model_t **model) {
  return tf_loader_load(path, tf_op_isa_best(), model, NULL);
}

const tf_model_loader_t tf_model_loader = {.load = load_best, .unload = tf_loader_unload};
