#include "tickfuse_gpu/load.h"

#include <string.h>

#include "core/error.h"
#include "gpu/card_fused.h"
#include "gpu/card_graph.h"
#include "gpu/card_net.h"
#include "gpu/card_recurrent.h"
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

bool load_parse_hand_over(const char *text, load_hand_over_t *hand_over) {
  static const char *const names[] = {"best", "block", "cluster", "memory", "launch"};
  TF_STATIC_ASSERT(TF_ARRAY_CNT(names) == LOAD_HAND_OVER_CNT, "a name each");
  for (uint32_t i = 0; i < LOAD_HAND_OVER_CNT; i++)
    if (strcmp(names[i], text) == 0) return *hand_over = (load_hand_over_t)i, true;
  return false;
}

/* By one kind, as it is wanted to hand over. */
static tf_err_t make_by(loaded_t *l, const tf_card_maker_t *maker, const tf_card_limits_t *limits) {
  const load_hand_over_t way       = l->spec.hand_over;
  const tf_precision_t   precision = l->model->precision;
  if (way == LOAD_BEST) return maker->make(&l->graph, precision, limits, &l->program);
  if ((way == LOAD_LAUNCH) != (maker->make == tf_card_graph_make))
    return TF_ERR(E_MODEL_UNSUPPORTED, "not so wanted");
  if (way == LOAD_LAUNCH) return maker->make(&l->graph, precision, limits, &l->program);
  const uint32_t blocks = way == LOAD_BLOCK ? 1 : LOAD_BLOCKS;
  if (blocks > limits->sm_cnt || (way == LOAD_CLUSTER && blocks > limits->cluster_max))
    return TF_ERR(E_MODEL_UNSUPPORTED, "%u blocks are too many here", blocks);
  if (maker->make == tf_card_recurrent_make)
    return tf_card_recurrent_make_over(&l->graph, precision, limits, blocks,
                                       way == LOAD_CLUSTER ? blocks : 1, &l->program);
  const tf_card_net_spec_t spec = {.precision = precision, .limits = *limits, .block_cnt = blocks};
  if (way == LOAD_MEMORY) return TF_ERR(E_MODEL_UNSUPPORTED, "its blocks meet in a cluster alone");
  return tf_card_net_new(&l->graph, &spec, &l->program);
}

/* The first that can: they stand from the quickest kernel to the most general. */
static tf_err_t make_rows(loaded_t *l, const tf_card_limits_t *limits) {
  for (const tf_card_maker_t *m = tf_card_makers; m->make && !l->program; m++) {
    tf_err_t err = make_by(l, m, limits);
    if (err && err != E_MODEL_UNSUPPORTED) return err;
    if (err) add_why(l, m->name);
  }
  return TF_OK;
}

/* Features, and behind them the net. */
static tf_err_t make_fused(loaded_t *l, const tf_card_limits_t *limits) {
  const load_features_t *f      = &l->features;
  const uint32_t         blocks = tf_card_features_blocks(f->batch_max, limits);
  tf_card_limits_t       left   = tf_card_fused_left(&f->view, f->instrument_cnt, blocks, limits);
  tf_card_program_t     *net    = NULL;
  tf_err_t               err    = tf_card_net_make(&l->graph, l->model->precision, &left, &net);
  if (!err) err = tf_card_fused_make(&f->view, f->instrument_cnt, blocks, net, limits, &l->program);
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

tf_err_t load_model(const char *path, const load_spec_t *spec, const load_features_t *features,
                    const tf_card_limits_t *limits, loaded_t *l) {
  const tf_loader_options_t all = {.isa = tf_isa_best(), .model = spec->model};
  memset(l, 0, sizeof *l);
  l->path = path;
  l->spec = *spec;
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
