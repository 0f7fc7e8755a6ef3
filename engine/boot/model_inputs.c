#include "boot/model_inputs.h"

#include <string.h>

#include "boot/chain.h"
#include "boot/feature_schema.h"
#include "boot/remotes.h"
#include "boot/runtimes.h"
#include "core/error.h"

size_t tf_model_inputs_bytes(const tf_model_t *model) {
  return model->input_cnt * sizeof(tf_compute_link_t) + TF_LINE_PAIR_BYTES;
}

/* An input of a model: a place of the feature row, or an output of a source. */
typedef struct input {
  uint32_t place; /* TF_COMPUTE_NO_FEATURE: of a source */
  uint32_t source_idx, output_idx;
} input_t;

static input_t inputs[TF_MODELS_MAX][TF_MODEL_INPUTS_MAX]; /* boot's, from add to join */

static const char *where_of(const tf_engine_t *e, uint32_t idx, char *where, size_t cap) {
  char path[64];
  snprintf(path, sizeof path, "models[%u].inputs", idx);
  return tf_config_where(e->config, path, where, cap);
}

/* One that the file names. */
static tf_err_t resolve(const tf_engine_t *e, tf_feature_compile_t *compile, const char *model,
                        const char *text, input_t *input) {
  tf_chain_output_t output;
  *input = (input_t){.place = TF_COMPUTE_NO_FEATURE};
  if (tf_chain_parse(text, &output) && !tf_chain_check_output(&output) &&
      output.first == output.last) {
    input->source_idx = tf_chain_find(e->config, output.model);
    input->output_idx = output.first;
    if (input->source_idx != TF_CHAIN_NONE) return TF_OK;
    return TF_ERR(E_MODEL_SCHEMA,
                  "%s: the model %s reads \"%s\", an output of a model, and no model is named "
                  "\"%s\": name it so, or say under inputs what it is called here",
                  e->config->path, model, text, output.model);
  }
  input->place = tf_feature_compile_find(compile, text);
  if (input->place != TF_FEATURE_COMPILE_NONE) return TF_OK;
  return TF_ERR(
      E_MODEL_SCHEMA,
      "%s: the model %s wants the feature \"%s\", which is not computed: add it under features",
      e->config->path, model, text);
}

/* The config's word for the input, against the file's. */
static tf_err_t resolve_said(const tf_engine_t *e, tf_feature_compile_t *compile, uint32_t idx,
                             uint32_t at, const char *said, input_t *input) {
  const tf_model_t *model = e->models[idx];
  const char       *file  = model->features[at];
  char              where[256];
  tf_chain_output_t of_file;
  tf_err_t          err = resolve(e, compile, model->name, said, input);
  if (err) return tf_error_add(err, "%s", where_of(e, idx, where, sizeof where));
  bool is_same = input->place == TF_COMPUTE_NO_FEATURE
                     ? tf_chain_parse(file, &of_file) && of_file.first == input->output_idx &&
                           of_file.last == input->output_idx
                     : tf_feature_compile_find(compile, file) == input->place;
  if (is_same) return TF_OK;
  return TF_ERR(E_MODEL_SCHEMA,
                "%s: input %u is \"%s\" here; the file was trained with \"%s\" there",
                where_of(e, idx, where, sizeof where), at, said, file);
}

static tf_err_t miscounted(const tf_engine_t *e, uint32_t idx, uint64_t found) {
  char where[256];
  return TF_ERR(E_MODEL_SCHEMA, "%s: found %llu inputs; the file %s has %u",
                where_of(e, idx, where, sizeof where), (unsigned long long)found,
                e->models[idx]->name, e->models[idx]->input_cnt);
}

static tf_err_t resolve_all_said(const tf_engine_t *e, tf_feature_compile_t *compile,
                                 uint32_t idx) {
  const tf_config_texts_t *said = &e->config->models[idx].inputs;
  const uint32_t           cnt  = e->models[idx]->input_cnt;
  tf_chain_output_t        output;
  uint64_t                 found = 0;
  for (uint32_t i = 0; i < said->item_cnt; i++) {
    bool     is_output = tf_chain_parse(said->items[i], &output);
    uint32_t many      = is_output ? output.last - output.first + 1 : 1;
    if (found + many > cnt) return miscounted(e, idx, found + many);
    for (uint32_t k = 0; k < many; k++, found++) {
      char        one[64];
      const char *text = said->items[i];
      if (is_output) {
        snprintf(one, sizeof one, "%s.%u", output.model, output.first + k);
        text = one;
      }
      tf_err_t err = resolve_said(e, compile, idx, (uint32_t)found, text, &inputs[idx][found]);
      if (err) return err;
    }
  }
  return found == cnt ? TF_OK : miscounted(e, idx, found);
}

static tf_err_t resolve_all(const tf_engine_t *e, tf_feature_compile_t *compile, uint32_t idx) {
  const tf_model_t *model = e->models[idx];
  if (e->config->models[idx].inputs.item_cnt > 0) return resolve_all_said(e, compile, idx);
  for (uint32_t i = 0; i < model->input_cnt; i++) {
    tf_err_t err = resolve(e, compile, model->name, model->features[i], &inputs[idx][i]);
    if (err) return err;
  }
  return TF_OK;
}

tf_err_t tf_model_inputs_add(tf_engine_t *e, tf_feature_compile_t *compile, uint32_t idx) {
  static uint32_t    places[TF_MODEL_INPUTS_MAX];
  const tf_model_t  *model  = e->models[idx];
  const tf_buffer_t *buffer = &e->runner.lane.buffer;
  tf_err_t           err    = resolve_all(e, compile, idx);
  if (err) return err;
  for (uint32_t i = 0; i < model->input_cnt; i++) places[i] = inputs[idx][i].place;
  if (model->schema)
    err = tf_feature_schema_check(model->schema, &e->plan, places, model->input_cnt, buffer->bars,
                                  buffer->bar_cnt);
  if (err) return tf_error_add(err, "%s: loading the model %s", e->config->path, model->name);
  tf_compute_t *compute = &e->runner.lane.compute;
  err = tf_compute_add_model(compute, model, places, e->instruments.cap, &e->arena);
  if (!err) err = tf_card_plan_make(e, idx, places, &e->card_plans[idx]);
  if (!err) err = tf_runtimes_add(e, idx);
  if (!err) err = tf_remotes_add(e, idx);
  if (err || !e->config->models[idx].registry) return err;
  if (tf_config_model_has_owns(&e->config->models[idx]))
    return tf_compute_add_owns(compute, e->instruments.cap, &e->arena);
  return tf_compute_add_swap(compute, e->versions[idx], e->instruments.cap, &e->arena);
}

/* ---- joining ---- */

/* Neighbours among the inputs that are neighbours among a source's outputs are one link; an ensemble's members
 * have one each by that. */
static tf_err_t list_links(tf_engine_t *e, uint32_t idx, tf_compute_link_t *links, uint32_t *cnt) {
  tf_compute_t *compute = &e->runner.lane.compute;
  *cnt                  = 0;
  for (uint32_t i = 0; i < e->models[idx]->input_cnt; i++) {
    const input_t *in = &inputs[idx][i];
    if (in->place != TF_COMPUTE_NO_FEATURE) continue;
    const tf_model_t         *model  = e->models[in->source_idx];
    const tf_compute_model_t *source = &compute->models[in->source_idx];
    tf_compute_link_t        *last   = *cnt ? &links[*cnt - 1] : NULL;
    if (source->owns)
      return TF_ERR(E_CONFIG_CONFLICT,
                    "%s: the model %s reads %s, which is another one for each instrument",
                    e->config->path, e->models[idx]->name, model->name);
    if (in->output_idx >= model->output_cnt)
      return TF_ERR(E_MODEL_SHAPE, "%s: the model %s reads output %u of %s, which has %u, from 0",
                    e->config->path, e->models[idx]->name, in->output_idx, model->name,
                    model->output_cnt);
    if (last && last->source == source && last->input_idx + last->cnt == i &&
        last->output_idx + last->cnt == in->output_idx)
      last->cnt++;
    else
      links[(*cnt)++] = (tf_compute_link_t){source, i, in->output_idx, 1};
  }
  return TF_OK;
}

static tf_err_t join(tf_engine_t *e, uint32_t idx) {
  static tf_compute_link_t links[TF_MODEL_INPUTS_MAX];
  const tf_config_model_t *config  = &e->config->models[idx];
  tf_compute_t            *compute = &e->runner.lane.compute;
  uint32_t                 cnt;
  tf_err_t                 err = list_links(e, idx, links, &cnt);
  if (err || cnt == 0) return err;
  compute->models[idx].is_ensemble = config->ensemble.item_cnt > 0;
  return tf_compute_add_links(compute, idx, links, cnt, config->quorum ? config->quorum : cnt,
                              &e->arena);
}

tf_err_t tf_model_inputs_join(tf_engine_t *e) {
  const tf_model_t *const *models = (const tf_model_t *const *)e->models;
  uint32_t                 order[TF_ARRAY_CNT(e->config->models)], stuck, reader;
  uint8_t                  waves[TF_ARRAY_CNT(e->config->models)];
  if (e->model_cnt == 0) return TF_OK;
  for (uint32_t i = 0; i < e->model_cnt; i++) {
    tf_err_t err = join(e, i);
    if (err) return err;
  }
  if (tf_chain_starves(e->config, models, &stuck, &reader))
    return TF_ERR(
        E_CONFIG_CONFLICT,
        "%s: the model %s is of low priority, but %s, which is not, cannot answer without it",
        e->config->path, e->config->models[stuck].name, e->config->models[reader].name);
  if (!tf_chain_order(e->config, models, order, waves, &stuck))
    return TF_ERR(
        E_CONFIG_CONFLICT,
        "%s: the model %s reads models that in the end read %s: nobody could answer first",
        e->config->path, e->config->models[stuck].name, e->config->models[stuck].name);
  tf_compute_order(&e->runner.lane.compute, order, waves);
  tf_decide_order(&e->runner.lane.decide, &e->runner.lane.compute);
  return TF_OK;
}
