#include "serve/remote_check.h"

#include <math.h>
#include <string.h>

tf_err_t tf_remote_check_init(tf_remote_check_t *c, const tf_model_t *model) {
  tf_version_t made;
  tf_err_t     err = tf_version_init(&made, model, 0, 1);
  if (err) return err;
  tf_version_fini(&c->reference);
  c->reference = made;
  return TF_OK;
}

void tf_remote_check_fini(tf_remote_check_t *c) { tf_version_fini(&c->reference); }

/* What the CPU says to the sample's rows. False: they are no window of this model. */
static bool run(const tf_remote_check_t *c, const tf_remote_sample_t *s, float *out) {
  const tf_model_t *m     = c->reference.model;
  void             *state = c->reference.windows;
  if (!state) {
    m->run(m, c->reference.scratch, s->rows, out);
    return true;
  }
  bool is_full = false;
  m->reset(m, state);
  for (uint32_t i = 0; i < s->row_cnt; i++) {
    is_full = m->step(m, state, c->reference.scratch, s->rows + (size_t)i * m->input_cnt, out);
    m->advance(m, state, c->reference.scratch);
  }
  return is_full;
}

static double apart(const float *got, const float *want, uint32_t cnt) {
  double worst = 0.0;
  for (uint32_t i = 0; i < cnt; i++) {
    double scale = fabs((double)want[i]) > 1.0 ? fabs((double)want[i]) : 1.0;
    double off   = fabs((double)got[i] - (double)want[i]) / scale;
    if (!(off <= worst)) worst = off; /* NaN is the worst */
  }
  return worst;
}

tf_remote_verdict_t tf_remote_check_look(tf_remote_check_t *c, tf_remote_t *r, uint64_t serial) {
  tf_remote_sample_t *s = &r->sample;
  if (!tf_load_acquire(&s->is_full)) return TF_REMOTE_NOTHING; /* pairs with: give_sample */
  tf_remote_verdict_t verdict = TF_REMOTE_NOTHING;
  float               want[TF_MODEL_OUTPUTS_MAX];
  if (s->serial == serial && c->reference.model && run(c, s, want)) {
    c->off   = apart(s->out, want, c->reference.model->output_cnt);
    c->epoch = s->epoch;
    tf_count_add(&c->compared, 1);
    double allowed =
        r->config.compare_max > 0.0 ? r->config.compare_max : 2.0 * c->reference.model->error_max;
    verdict = c->off <= allowed ? TF_REMOTE_GOOD : TF_REMOTE_WRONG;
  }
  if (verdict == TF_REMOTE_GOOD) {
    if (c->off > c->off_max) c->off_max = c->off;
    c->good_seq = s->decision_seq;
  } else if (verdict == TF_REMOTE_WRONG) {
    tf_count_add(&c->wrong, 1);
    c->first_seq = c->good_seq + 1;
  }
  tf_store_release(&s->is_full, 0); /* pairs with: tf_remote_give_sample */
  return verdict;
}
