#include "serve/ensemble.h"

#include <string.h>

#include "core/error.h"
#include "core/hash.h"

/* The model's plan. */
typedef struct ensemble {
  uint32_t     member_cnt;
  tf_combine_t combine;
  double       weights[TF_ENSEMBLE_MEMBERS_MAX];
} ensemble_t;

/* Those of an output that are there, with their weights. */
static uint32_t gather(const tf_model_t *model, const float *row, uint32_t output_idx,
                       double *values, double *weights) {
  const ensemble_t *e   = model->plan;
  uint32_t          cnt = 0;
  for (uint32_t i = 0; i < e->member_cnt; i++) {
    float value = row[i * model->output_cnt + output_idx];
    if (value != value) continue;
    values[cnt]    = (double)value;
    weights[cnt++] = e->weights[i];
  }
  return cnt;
}

static double mean(const double *values, const double *weights, uint32_t cnt) {
  double sum = 0, total = 0;
  for (uint32_t i = 0; i < cnt; i++) {
    sum += values[i] * weights[i];
    total += weights[i];
  }
  return sum / total;
}

static double median(double *values, uint32_t cnt) {
  for (uint32_t i = 1; i < cnt; i++)
    for (uint32_t k = i; k > 0 && values[k] < values[k - 1]; k--) {
      double kept   = values[k];
      values[k]     = values[k - 1];
      values[k - 1] = kept;
    }
  return cnt % 2 ? values[cnt / 2] : (values[cnt / 2 - 1] + values[cnt / 2]) / 2;
}

static void run(const tf_model_t *model, void *scratch, const float *row, float *out) {
  const ensemble_t *e = model->plan;
  double            values[TF_ENSEMBLE_MEMBERS_MAX], weights[TF_ENSEMBLE_MEMBERS_MAX];
  (void)scratch;
  for (uint32_t o = 0; o < model->output_cnt; o++) {
    uint32_t cnt = gather(model, row, o, values, weights);
    if (e->combine == TF_COMBINE_VOTE)
      for (uint32_t i = 0; i < cnt; i++) values[i] = (values[i] > 0) - (values[i] < 0);
    out[o] =
        (float)(e->combine == TF_COMBINE_MEDIAN ? median(values, cnt) : mean(values, weights, cnt));
  }
}

double tf_ensemble_disagreement(const tf_model_t *model, const float *row, uint32_t output_idx) {
  double   values[TF_ENSEMBLE_MEMBERS_MAX], weights[TF_ENSEMBLE_MEMBERS_MAX];
  uint32_t cnt = gather(model, row, output_idx, values, weights);
  double   min = values[0], max = values[0];
  for (uint32_t i = 1; i < cnt; i++) {
    min = values[i] < min ? values[i] : min;
    max = values[i] > max ? values[i] : max;
  }
  return max - min;
}

static uint32_t hash_of(const ensemble_t *e) {
  uint64_t hash = tf_hash_fold(tf_hash_fold(TF_HASH_SEED, e->combine), e->member_cnt);
  for (uint32_t i = 0; i < e->member_cnt; i++) {
    uint64_t bits;
    memcpy(&bits, &e->weights[i], sizeof bits);
    hash = tf_hash_fold(hash, bits);
  }
  return (uint32_t)(hash ^ hash >> 32);
}

static tf_err_t check(const tf_ensemble_spec_t *spec) {
  for (uint32_t i = 1; i < spec->member_cnt; i++)
    if (spec->members[i]->output_cnt != spec->members[0]->output_cnt)
      return TF_ERR(E_MODEL_SHAPE,
                    "ensemble %s: %s has %u outputs and %s %u: answers of one kind are combined",
                    spec->name, spec->members[0]->name, spec->members[0]->output_cnt,
                    spec->members[i]->name, spec->members[i]->output_cnt);
  return TF_OK;
}

tf_err_t tf_ensemble_new(const tf_ensemble_spec_t *spec, tf_model_t **model) {
  TF_ASSERT(spec->member_cnt > 0 && spec->member_cnt <= TF_ENSEMBLE_MEMBERS_MAX);
  *model       = NULL;
  tf_err_t err = check(spec);
  if (err) return err;
  const uint32_t outputs = spec->members[0]->output_cnt;
  tf_model_t    *m       = calloc(1, sizeof *m);
  ensemble_t    *e       = calloc(1, sizeof *e);
  void          *names   = malloc((size_t)outputs * spec->member_cnt * sizeof *m->features);
  if (!m || !e || !names) {
    free(m);
    free(e);
    free(names);
    return TF_ERR(E_CORE_NO_MEMORY, "the ensemble %s", spec->name);
  }
  *e = (ensemble_t){.member_cnt = spec->member_cnt, .combine = spec->combine};
  *m = (tf_model_t){.input_cnt     = outputs * spec->member_cnt,
                    .output_cnt    = outputs,
                    .features      = names,
                    .scratch_bytes = TF_LINE_BYTES,
                    .run           = run,
                    .window        = 1,
                    .plan          = e};
  snprintf(m->name, sizeof m->name, "%s", spec->name);
  for (uint32_t i = 0; i < spec->member_cnt; i++) {
    e->weights[i] = spec->weights ? spec->weights[i] : 1.0;
    for (uint32_t o = 0; o < outputs; o++)
      snprintf(m->features[i * outputs + o], sizeof m->features[0], "%s.%u", spec->members[i]->name,
               o);
  }
  m->hash = hash_of(e);
  *model  = m;
  return TF_OK;
}

void tf_ensemble_delete(tf_model_t *model) {
  if (!model) return;
  free(model->plan);
  free(model->features);
  free(model);
}
