#include "tickfuse_gpu/load.h"

#include <string.h>

#include "core/error.h"
#include "gpu/card_fused.h"
#include "gpu/card_net.h"
#include "gpu/makers.h"
#include "tickfuse_gpu/slots.h"

const char *load_where_name(load_where_t where) {
  return where == LOAD_PERSISTENT ? "persistent" : where == LOAD_GRAPH ? "graph" : "cpu";
}

/* Adds what a maker said that could not. */
static void add_why(loaded_t *l, const char *name) {
  size_t cnt = strlen(l->why);
  snprintf(l->why + cnt, sizeof l->why - cnt, "%s%s: %s", cnt ? "; " : "", name, tf_error_text());
}

/* The first that can: they stand from the quickest kernel to the most general. */
static tf_err_t make_rows(loaded_t *l, const tf_card_limits_t *limits) {
  for (const tf_card_maker_t *m = tf_card_makers; m->make && !l->program; m++) {
    tf_err_t err = m->make(&l->graph, l->model->precision, limits, &l->program);
    if (err && err != E_MODEL_UNSUPPORTED) return err;
    if (err) add_why(l, m->name);
  }
  return TF_OK;
}

/* Features, and behind them the net. */
static tf_err_t make_fused(loaded_t *l, const tf_card_limits_t *limits) {
  const load_features_t *f    = &l->features;
  tf_card_limits_t       left = tf_card_fused_left(&f->view, limits);
  tf_card_program_t     *net  = NULL;
  tf_err_t               err  = tf_card_net_make(&l->graph, l->model->precision, &left, &net);
  if (!err) err = tf_card_fused_make(&f->view, f->instrument_cnt, net, limits, &l->program);
  free(net);
  if (err != E_MODEL_UNSUPPORTED) return err;
  add_why(l, "fused");
  return TF_OK;
}

static tf_err_t make_program(loaded_t *l, const tf_card_limits_t *limits) {
  tf_err_t err = l->features.view.image ? make_fused(l, limits) : make_rows(l, limits);
  if (err) return err;
  l->where = !l->program                         ? LOAD_CPU
             : l->program->kind == TF_CARD_GRAPH ? LOAD_GRAPH
                                                 : LOAD_PERSISTENT;
  if (!l->program) return TF_OK;
  l->program->model_hash = l->model->hash;
  slots_sum(l->program);
  return TF_OK;
}

const tf_card_program_t *load_rows_program(const loaded_t *l, uint64_t *offset) {
  const tf_card_program_t *p =
      l->program->kind == TF_CARD_FUSED ? tf_card_fused_net(l->program) : l->program;
  *offset = (uint64_t)((const uint8_t *)p - (const uint8_t *)l->program);
  return p;
}

tf_err_t load_model(const char *path, const tf_model_options_t *options,
                    const load_features_t *features, const tf_card_limits_t *limits, loaded_t *l) {
  const tf_loader_options_t all = {.isa = tf_isa_best(), .model = *options};
  memset(l, 0, sizeof *l);
  l->path    = path;
  l->options = *options;
  if (features) l->features = *features;
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
