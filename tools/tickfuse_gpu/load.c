#include "tickfuse_gpu/load.h"

#include <string.h>

#include "core/error.h"
#include "gpu/makers.h"
#include "tickfuse_gpu/slots.h"

const char *load_where_name(load_where_t where) {
  return where == LOAD_PERSISTENT ? "persistent" : where == LOAD_GRAPH ? "graph" : "cpu";
}

/* The first that can: they stand from the quickest kernel to the most general. */
static tf_err_t make_program(loaded_t *l, const tf_card_limits_t *limits) {
  tf_err_t err = TF_OK;
  size_t   cnt = 0;
  for (const tf_card_maker_t *m = tf_card_makers; m->make && !l->program; m++) {
    err = m->make(&l->graph, l->model->precision, limits, &l->program);
    if (err && err != E_MODEL_UNSUPPORTED) return err;
    if (err && cnt < sizeof l->why)
      cnt += (size_t)snprintf(l->why + cnt, sizeof l->why - cnt, "%s%s: %s", cnt ? "; " : "",
                              m->name, tf_error_text());
  }
  l->where = !l->program                         ? LOAD_CPU
             : l->program->kind == TF_CARD_GRAPH ? LOAD_GRAPH
                                                 : LOAD_PERSISTENT;
  if (!l->program) return TF_OK;
  l->program->model_hash = l->model->hash;
  slots_sum(l->program);
  return TF_OK;
}

tf_err_t load_model(const char *path, const tf_model_options_t *options,
                    const tf_card_limits_t *limits, loaded_t *l) {
  const tf_loader_options_t all = {.isa = tf_isa_best(), .model = *options};
  memset(l, 0, sizeof *l);
  l->path      = path;
  l->options   = *options;
  tf_err_t err = tf_loader_load(path, &all, &l->model, &l->graph);
  if (!err && l->graph.check_cnt == 0) err = tf_graph_make_checks(&l->graph);
  if (!err) err = make_program(l, limits);
  if (err) load_free(l);
  return err;
}

void load_free(loaded_t *l) {
  tf_loader_unload(l->model);
  tf_graph_fini(&l->graph);
  free(l->program);
  memset(l, 0, sizeof *l);
}
