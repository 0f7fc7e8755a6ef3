#include "serve/trial.h"

uint64_t tf_trial_mean_distance(const tf_shadow_t *w) {
  return w->answers ? w->distance_sum / w->answers : 0;
}

/* The same of both: what is allowed on average, once there is an average. */
static tf_err_t check_distance(const tf_trial_rules_t *rules, const tf_shadow_t *w,
                               const char *model, const char *what, uint64_t number) {
  uint64_t mean = tf_trial_mean_distance(w);
  if (!rules->divergence_max_ppm || mean <= rules->divergence_max_ppm) return TF_OK;
  return TF_ERR(E_MODEL_DIVERGED,
                "%s: the scores of %s %llu are %llu millionths off on average, %u are allowed",
                model, what, (unsigned long long)number, (unsigned long long)mean,
                rules->divergence_max_ppm);
}

tf_err_t tf_trial_check_shadow(const tf_trial_rules_t *rules, const tf_shadow_t *w,
                               const char *model, uint64_t number) {
  uint64_t ticks = w->answers + w->refused;
  if (ticks < rules->shadow_min)
    return TF_ERR(E_MODEL_DIVERGED,
                  "%s: version %llu has answered %llu ticks beside the one that serves, %u are "
                  "wanted: swap again later",
                  model, (unsigned long long)number, (unsigned long long)ticks, rules->shadow_min);
  if (rules->divergence_max_ppm && w->refused > 0)
    return TF_ERR(E_MODEL_DIVERGED,
                  "%s: %llu answers of version %llu were not finite, not valid or crossed", model,
                  (unsigned long long)w->refused, (unsigned long long)number);
  return check_distance(rules, w, model, "version", number);
}

tf_err_t tf_trial_check_canary(const tf_trial_rules_t *rules, const tf_shadow_t *w,
                               const tf_canary_t *c, const char *model, uint64_t number) {
  if (rules->rollback_refused && c->refused >= rules->rollback_refused)
    return TF_ERR(E_MODEL_DIVERGED,
                  "%s: %llu answers of the canary, version %llu, were not finite, not valid or "
                  "crossed",
                  model, (unsigned long long)c->refused, (unsigned long long)number);
  if (rules->canary_late_max && c->late >= rules->canary_late_max)
    return TF_ERR(E_MODEL_DIVERGED,
                  "%s: %llu answers of the canary, version %llu, came later than the budget", model,
                  (unsigned long long)c->late, (unsigned long long)number);
  if (w->answers < rules->shadow_min) return TF_OK;
  return check_distance(rules, w, model, "the canary's version", number);
}
