/* Memory and order of the models, at boot. */
#include <string.h>

#include "core/error.h"
#include "stage/compute.h"

size_t tf_compute_model_bytes(const tf_model_t *model, uint32_t instrument_cnt, bool has_owns) {
  size_t each = tf_version_stride(model) + tf_kept_rows_bytes(model->window, model->input_cnt);
  if (has_owns) each += sizeof(tf_compute_own_t) + sizeof(tf_swap_t) + 5 * TF_LINE_PAIR_BYTES;
  return model->scratch_bytes + model->input_cnt * 8 + sizeof(tf_swap_t) + 4096 +
         instrument_cnt * each;
}

tf_err_t tf_compute_add_model(tf_compute_t *compute, const tf_model_t *model,
                              const uint32_t *feature_idx, uint32_t instrument_cnt,
                              tf_arena_t *arena) {
  if (compute->model_cnt == TF_MODELS_MAX)
    return TF_ERR(E_CONFIG_VALUE, "more than %d models", TF_MODELS_MAX);
  if (model->output_cnt == 0 || model->output_cnt > TF_MODEL_OUTPUTS_MAX)
    return TF_ERR(E_MODEL_SHAPE, "model %s has %u outputs; allowed: 1 to %d", model->name,
                  model->output_cnt, TF_MODEL_OUTPUTS_MAX);
  tf_compute_model_t *m       = &compute->models[compute->model_cnt];
  size_t              windows = 0;
  tf_err_t            err     = tf_version_windows_bytes(model, instrument_cnt, &windows);
  if (err) return err;
  m->first = (tf_version_t){.model         = model,
                            .scratch       = tf_arena_take(arena, model->scratch_bytes, 64),
                            .window_stride = tf_version_stride(model)};
  m->main = m->active = &m->first;
  m->feature_idx      = tf_arena_take(arena, model->input_cnt * sizeof *m->feature_idx, 64);
  m->row              = tf_arena_take(arena, model->input_cnt * sizeof *m->row, 64);
  if (windows) m->first.windows = tf_arena_take(arena, windows, TF_LINE_PAIR_BYTES);
  if (!m->feature_idx || !m->row || !m->first.scratch || (windows && !m->first.windows))
    return E_CORE_ARENA_FULL;
  for (uint32_t i = 0; windows && i < instrument_cnt; i++)
    model->reset(model, tf_version_window(&m->first, i));
  memcpy(m->feature_idx, feature_idx, model->input_cnt * sizeof *feature_idx);
  m->post = tf_post_plain(model->output_cnt, model->output_cnt % 3 ? model->output_cnt : 1);
  m->idx  = compute->model_cnt++;
  if (m->idx > 0)
    compute->models[m->idx - 1].next = m;
  else
    compute->waves[0] = m;
  compute->wave_cnt = 1;
  tf_compute_settle_hashes(compute);
  return TF_OK;
}

void tf_compute_set_foreign(tf_compute_t *compute, tf_foreign_t *foreign) {
  compute->models[compute->model_cnt - 1].foreign = foreign;
}

void tf_compute_set_remote(tf_compute_t *compute, tf_remote_t *remote) {
  compute->models[compute->model_cnt - 1].remote = remote;
}

tf_err_t tf_compute_add_links(tf_compute_t *compute, uint32_t model_idx,
                              const tf_compute_link_t *links, uint32_t link_cnt, uint32_t quorum,
                              tf_arena_t *arena) {
  tf_compute_model_t *m = &compute->models[model_idx];
  m->links              = tf_arena_take(arena, link_cnt * sizeof *links, TF_LINE_BYTES);
  if (!m->links) return E_CORE_ARENA_FULL;
  memcpy(m->links, links, link_cnt * sizeof *links);
  m->link_cnt = link_cnt;
  m->is_other = true;
  m->quorum   = quorum;
  return TF_OK;
}

size_t tf_compute_rows_bytes(const tf_model_t *model, uint32_t cap) {
  return sizeof(tf_compute_rows_t) + model->many_scratch_bytes + 4 * TF_LINE_PAIR_BYTES +
         (size_t)cap * (model->input_cnt + model->output_cnt) * sizeof(float);
}

static tf_err_t add_rows(tf_compute_model_t *m, uint32_t cap, tf_arena_t *arena) {
  const tf_model_t  *model   = m->first.model;
  tf_compute_rows_t *t       = tf_arena_take(arena, sizeof *t, TF_LINE_PAIR_BYTES);
  void              *scratch = tf_arena_take(arena, model->many_scratch_bytes, TF_LINE_PAIR_BYTES);
  if (!t || !scratch) return E_CORE_ARENA_FULL;
  t->rows = tf_arena_take(arena, (size_t)cap * model->input_cnt * sizeof(float), TF_LINE_BYTES);
  t->outs = tf_arena_take(arena, (size_t)cap * model->output_cnt * sizeof(float), TF_LINE_BYTES);
  if (!t->rows || !t->outs) return E_CORE_ARENA_FULL;
  m->first.many_scratch = scratch;
  if (m->swap) m->swap->versions[0].many_scratch = scratch;
  m->together = t;
  m->is_other = true;
  return TF_OK;
}

static bool is_many(const tf_model_t *model) {
  return model->window > 1 ? model->step_many != NULL : model->run_many != NULL;
}

tf_err_t tf_compute_add_rows(tf_compute_t *compute, uint32_t cap, tf_arena_t *arena) {
  compute->slot = TF_COMPUTE_NO_SLOT;
  for (tf_compute_model_t *m = compute->waves[0]; m; m = m->next) {
    bool is_one_by_one = !m->remote && !is_many(m->first.model);
    if (m->link_cnt > 0 || m->foreign || m->owns || is_one_by_one) continue;
    tf_err_t err = add_rows(m, cap, arena);
    if (err) return err;
  }
  return TF_OK;
}

void tf_compute_order(tf_compute_t *compute, const uint32_t *order, const uint8_t *waves) {
  tf_compute_model_t **at = &compute->waves[0];
  memset(compute->waves, 0, sizeof compute->waves);
  compute->wave_cnt = 0;
  for (uint32_t i = 0; i < compute->model_cnt; i++) {
    tf_compute_model_t *m = &compute->models[order[i]];
    if (i == 0 || waves[order[i]] != waves[order[i - 1]]) compute->waves[compute->wave_cnt++] = m;
    m->wave = (uint8_t)(compute->wave_cnt - 1);
    *at     = m;
    at      = &m->next;
  }
  *at = NULL;
  tf_compute_settle_hashes(compute);
}

static tf_err_t init_kept(tf_kept_rows_t *k, const tf_model_t *model, uint32_t instrument_cnt,
                          tf_arena_t *arena) {
  k->row_cap = model->window;
  k->width   = model->input_cnt;
  k->rows =
      tf_arena_take(arena, (size_t)instrument_cnt * k->row_cap * k->width * sizeof(float), 64);
  k->cnt      = tf_arena_take(arena, instrument_cnt * sizeof *k->cnt, 64);
  k->next_idx = tf_arena_take(arena, instrument_cnt * sizeof *k->next_idx, 64);
  if (!k->rows || !k->cnt || !k->next_idx) return E_CORE_ARENA_FULL;
  memset(k->cnt, 0, instrument_cnt * sizeof *k->cnt);
  memset(k->next_idx, 0, instrument_cnt * sizeof *k->next_idx);
  return TF_OK;
}

/* Its row 0 serves. */
static tf_err_t make_swap(const tf_version_t *serving, uint32_t instrument_cnt, tf_arena_t *arena,
                          tf_swap_t **swap) {
  tf_swap_t *s = tf_arena_take(arena, sizeof *s, TF_LINE_PAIR_BYTES);
  *swap        = s;
  if (!s) return E_CORE_ARENA_FULL;
  *s             = (tf_swap_t){.taken          = TF_VERSION_ROWS, /* serial 1, row 0 */
                               .offered        = TF_VERSION_ROWS,
                               .prepared       = TF_VERSION_ROWS,
                               .serving        = TF_VERSION_ROWS,
                               .instrument_cnt = instrument_cnt};
  s->versions[0] = *serving;
  return serving->windows ? init_kept(&s->kept, serving->model, instrument_cnt, arena) : TF_OK;
}

tf_err_t tf_compute_add_swap(tf_compute_t *compute, uint64_t number, uint32_t instrument_cnt,
                             tf_arena_t *arena) {
  tf_compute_model_t *m       = &compute->models[compute->model_cnt - 1];
  tf_version_t        serving = m->first;
  serving.number              = number;
  tf_err_t err                = make_swap(&serving, instrument_cnt, arena, &m->swap);
  if (!err) m->main = m->active = &m->swap->versions[0];
  return err;
}

tf_err_t tf_compute_add_owns(tf_compute_t *compute, uint32_t instrument_cnt, tf_arena_t *arena) {
  tf_compute_model_t *m = &compute->models[compute->model_cnt - 1];
  m->owns               = tf_arena_take(arena, instrument_cnt * sizeof *m->owns, TF_LINE_BYTES);
  if (!m->owns) return E_CORE_ARENA_FULL;
  for (m->own_cnt = 0; m->own_cnt < instrument_cnt; m->own_cnt++) {
    tf_compute_own_t *own  = &m->owns[m->own_cnt];
    tf_version_t      base = m->first;
    base.windows           = tf_version_window(&m->first, m->own_cnt);
    base.window_stride     = 0;
    tf_err_t err           = make_swap(&base, 1, arena, &own->swap);
    if (err) return err;
    own->active = &own->swap->versions[0];
    own->ticks  = 0;
  }
  return TF_OK;
}
