/* What events say of a model: a pause, another version, a canary. */
#include "stage/compute.h"

void tf_compute_pause(tf_compute_t *compute, uint32_t model_idx, uint64_t until_ns) {
  if (model_idx >= compute->model_cnt) return; /* of a config with more models */
  compute->models[model_idx].paused_until_ns = until_ns;
  compute->models[model_idx].counts.pauses++;
}

void tf_compute_swap(tf_compute_t *compute, const tf_event_t *e) {
  uint32_t            idx = e->u.model.model_idx;
  tf_compute_model_t *m   = idx < compute->model_cnt ? &compute->models[idx] : NULL;
  const tf_version_t *v   = NULL;
  bool is_known = m && (m->owns ? e->instrument_id < m->own_cnt : e->instrument_id == UINT32_MAX);
  if (is_known && m->owns) m->swap = m->owns[e->instrument_id].swap;
  if (is_known && m->swap) {
    v = tf_swap_obey(m->swap, e->u.model.version, e->u.model.hash);
    if (!v && m->fetch.fetch && m->fetch.fetch(m->fetch.self, e))
      v = tf_swap_obey(m->swap, e->u.model.version, e->u.model.hash);
  }
  if (!v) {
    compute->swaps_failed++;
    return;
  }
  if (m->owns)
    m->owns[e->instrument_id].active = v;
  else
    m->main = v;
  m->active = v;
  m->canary = NULL;
  m->counts.swaps++;
  if (m->remote && !m->owns) tf_remote_want(m->remote, v->number, v->model->hash);
  tf_store_release(&m->swap->trying, 0); /* pairs with: tf_model_server's waits */
  tf_compute_settle_hashes(compute);
}

void tf_compute_canary(tf_compute_t *compute, const tf_event_t *e) {
  uint32_t            idx = e->u.model.model_idx;
  tf_compute_model_t *m   = idx < compute->model_cnt ? &compute->models[idx] : NULL;
  const tf_version_t *v   = NULL;
  if (m && !m->owns && m->swap && e->u.model.share.cnt > 0) {
    v = tf_swap_try(m->swap, e->u.model.version, e->u.model.hash);
    if (!v && m->fetch.fetch && m->fetch.fetch(m->fetch.self, e))
      v = tf_swap_try(m->swap, e->u.model.version, e->u.model.hash);
  }
  compute->swaps_failed += !v && e->u.model.share.cnt > 0;
  if (!m || m->owns || (!v && e->u.model.share.cnt > 0)) return;
  m->canary = v;
  m->share  = e->u.model.share;
  m->active = m->main;
  tf_compute_settle_hashes(compute);
  if (!m->swap) return;
  /* relaxed: the lane's own word */
  uint64_t word = v ? tf_load_relaxed(&m->swap->taken) : 0;
  tf_store_release(&m->swap->trying, word); /* pairs with: tf_model_server's waits */
}
