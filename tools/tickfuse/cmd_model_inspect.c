/* tickfuse model inspect. */
#include <string.h>

#include "cmd_model.h"
#include "core/error.h"

static json_t *inspect_nodes(const tf_graph_t *graph) {
  json_t *nodes = json_array();
  for (uint32_t i = 0; i < graph->node_cnt; i++) {
    const tf_graph_node_t *n = &graph->nodes[i];
    json_array_append_new(
        nodes, json_pack("{s:s, s:s, s:i, s:i, s:I}", "op", n->op->name, "name", n->name, "inputs",
                         (int)n->params.in_cnt, "outputs", (int)n->params.out_cnt, "params",
                         (json_int_t)(n->params.weight_cnt + n->params.bias_cnt)));
  }
  return nodes;
}

static void describe_layer(const tf_window_t *w, uint32_t layer, char *target, size_t bytes) {
  if (w->layer_cnt)
    snprintf(target, bytes, "%s %u->%u over %u rows", w->layers[layer].op->name,
             w->layers[layer].w.in_cnt, w->layers[layer].units, w->window);
  else
    snprintf(target, bytes, "gemm %u x %u->%u, row by row", w->window, w->parts[0].in_cnt,
             w->parts[0].out_cnt);
}

/* Calls visit with each step of the plan, in words. */
static void each_plan_step(const tf_plan_t *plan, void (*visit)(void *, const char *), void *self) {
  for (uint32_t i = 0; plan && i < plan->step_cnt; i++) {
    char text[80];
    tf_plan_describe_step(&plan->steps[i], text, sizeof text);
    visit(self, text);
  }
}

/* " | 1 timed, 14 kept, 0 deferred of 16": a step's positions along the axis of rows, where the window slides. */
static void describe_share(const tf_net_stream_t *stream, const tf_net_plan_t *net, uint32_t step,
                           char *target, size_t bytes) {
  const tf_net_step_t *s = &net->steps[step];
  target[0]              = 0;
  if (!stream) return;
  const tf_net_share_t *share = &stream->shares[net->calls[s->first + s->cnt - 1].node];
  snprintf(target, bytes, " | %u timed, %u kept, %u deferred of %u", share->timed, share->kept,
           share->deferred, share->all);
}

static void each_net_step(const tf_model_t *model, void (*visit)(void *, const char *),
                          void             *self) {
  const tf_net_plan_t *net = tf_loader_net(model);
  for (uint32_t i = 0; net && i < net->step_cnt; i++) {
    char text[200], share[80], both[sizeof text + sizeof share];
    tf_net_plan_describe(net, i, text, sizeof text);
    describe_share(tf_loader_stream(model, NULL), net, i, share, sizeof share);
    snprintf(both, sizeof both, "%s%s", text, share);
    visit(self, both);
  }
}

static void each_step(const tf_model_t *model, void (*visit)(void *, const char *), void *self) {
  const tf_window_t *w = tf_loader_window(model);
  each_net_step(model, visit, self);
  each_plan_step(w ? w->before : tf_loader_plan(model), visit, self);
  for (uint32_t i = 0; w && i < (w->layer_cnt ? w->layer_cnt : 1); i++) {
    char text[80];
    describe_layer(w, i, text, sizeof text);
    visit(self, text);
  }
  if (w) each_plan_step(w->after, visit, self);
}

static void append_text(void *list, const char *text) {
  json_array_append_new(list, json_string(text));
}

static void print_text(void *cnt, const char *text) {
  printf("  %4u  %s\n", (*(uint32_t *)cnt)++, text);
}

/* "cut", or why each tick recomputes the window. */
static json_t *slide_json(const tf_model_t *model) {
  const char *why;
  return json_string(tf_loader_stream(model, &why) ? "cut" : why);
}

static int inspect_json(const tf_cmd_model_args_t *args, const tf_model_t *model,
                        const tf_graph_t *graph) {
  const tf_cmd_model_costs_t c        = tf_cmd_model_costs(model);
  json_t                    *features = json_array(), *plan = json_array();
  for (uint32_t i = 0; i < model->input_cnt; i++)
    json_array_append_new(features, json_string(model->features[i]));
  each_step(model, append_text, plan);
  json_t *all = json_pack(
      "{s:s, s:s, s:s, s:I, s:s, s:s, s:i, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:s, "
      "s:s, "
      "s:o, s:o, s:o}",
      "file", args->file, "name", model->name, "sha256", model->sha256_hex, "hash",
      (json_int_t)model->hash, "precision", tf_precision_name(model->precision), "isa", c.isa,
      "inputs", (int)model->input_cnt, "window", (int)model->window, "outputs",
      (int)model->output_cnt, "params", (json_int_t)model->param_cnt, "weight_bytes",
      (json_int_t)c.weight_bytes, "timed_bytes", (json_int_t)c.timed_bytes, "state_bytes",
      (json_int_t)model->state_bytes, "scratch_bytes", (json_int_t)model->scratch_bytes, "flops",
      (json_int_t)c.timed_flops, "deferred_flops", (json_int_t)c.deferred_flops, "producer",
      graph->producer, "source", graph->source, "source_sha256", graph->source_sha256_hex,
      "features", features, "graph", inspect_nodes(graph), "plan", plan);
  if (tf_loader_net(model) && model->window > 1)
    json_object_set_new(all, "slide", slide_json(model));
  json_t *training = graph->training ? json_loads(graph->training, 0, NULL) : NULL;
  if (training) json_object_set_new(all, "training", training);
  json_t *schema = graph->schema ? json_loads(graph->schema, 0, NULL) : NULL;
  if (schema) json_object_set_new(all, "schema", schema);
  json_t *calibration = graph->calibration ? json_loads(graph->calibration, 0, NULL) : NULL;
  if (calibration) json_object_set_new(all, "calibration", calibration);
  return tf_cmd_model_print(all);
}

static void print_slide(const tf_model_t *model) {
  const char *why;
  if (!tf_loader_net(model) || model->window <= 1) return;
  if (tf_loader_stream(model, &why))
    printf("slide     timed, kept and deferred work\n");
  else
    printf("slide     a recompute of the window: %s\n", why);
}

static void print_costs(const tf_model_t *model) {
  const tf_cmd_model_costs_t c = tf_cmd_model_costs(model);
  printf("precision %s, %llu parameters, %.1f KiB packed for %s\n",
         tf_precision_name(model->precision), (unsigned long long)model->param_cnt,
         (double)c.weight_bytes / 1024.0, c.isa);
  if (model->window > 1)
    printf("window    %u rows; %.1f KiB of state an instrument\n", model->window,
           (double)model->state_bytes / 1024.0);
  printf("tick      %llu flops, %.1f KiB of weights", (unsigned long long)c.timed_flops,
         (double)c.timed_bytes / 1024.0);
  if (model->window > 1)
    printf("; after the decision %llu flops", (unsigned long long)c.deferred_flops);
  putchar('\n');
  print_slide(model);
  tf_cmd_model_cache_note(model);
}

static void inspect_text(const tf_cmd_model_args_t *args, const tf_model_t *model,
                         const tf_graph_t *graph) {
  uint32_t cnt = 0;
  printf("model     %s\nfile      %s\nsha256    %s\nhash      %u (0x%08x)\n", model->name,
         args->file, model->sha256_hex, model->hash, model->hash);
  printf("source    %s, sha256 %.16s...\nproducer  %s\n", graph->source, graph->source_sha256_hex,
         graph->producer);
  print_costs(model);
  printf("outputs   %u (%s)\n", model->output_cnt,
         model->output_cnt == 1   ? "score"
         : model->output_cnt == 3 ? "p10, p50, p90"
                                  : "of several steps ahead");
  if (graph->training) printf("training  %s\n", graph->training);
  if (graph->schema) printf("schema    %s\n", graph->schema);
  if (graph->calibration) printf("measured  %s\n", graph->calibration);
  printf("features  %u\n", model->input_cnt);
  for (uint32_t i = 0; i < model->input_cnt; i++) printf("  %4u  %s\n", i, model->features[i]);
  printf("graph     %u nodes\n", graph->node_cnt);
  for (uint32_t i = 0; i < graph->node_cnt; i++)
    printf("  %4u  %-10s %u -> %u  %s\n", i, graph->nodes[i].op->name,
           graph->nodes[i].params.in_cnt, graph->nodes[i].params.out_cnt, graph->nodes[i].name);
  printf("plan      %u steps\n", tf_cmd_model_step_cnt(model));
  each_step(model, print_text, &cnt);
}

int tf_cmd_model_inspect(const tf_cmd_model_args_t *args) {
  tf_model_t *model;
  tf_graph_t *graph = calloc(1, sizeof *graph);
  if (!graph) return TF_EXIT_FAILED;
  tf_err_t err  = tf_loader_load(args->file, &args->options, &model, graph);
  int      code = 0;
  if (err)
    code = tf_cmd_model_failed(args, err);
  else if (args->json)
    code = inspect_json(args, model, graph);
  else
    inspect_text(args, model, graph);
  tf_loader_unload(model);
  tf_graph_fini(graph);
  free(graph);
  return code;
}
