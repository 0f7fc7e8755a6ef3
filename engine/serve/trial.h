/* What a version beside has to show before it may serve, and to go on serving a share: judged from the words that the lane
 * publishes of it (serve/swap.h). Functions of their arguments alone: who watches, and what becomes of a verdict, is the model
 * server's affair (boot/model_server.h).
 *
 * Verdicts are E_MODEL_DIVERGED, in words that name model, version, figure and what is allowed. A limit of 0 allows anything. */
#ifndef TF_SERVE_TRIAL_H
#define TF_SERVE_TRIAL_H

#include "core/error.h"
#include "serve/swap.h"

typedef struct tf_trial_rules { /* of the config */
  uint32_t shadow_min;          /* ticks beside, before anything is said of it */
  uint32_t divergence_max_ppm;  /* of the scores' mean distance */
  uint32_t rollback_refused;    /* answers of a canary, refused by post-processing, that end it */
  uint32_t canary_late_max;     /* answers of a canary, later than the budget, that end it */
} tf_trial_rules_t;

/* In millionths; 0 where nothing was compared. */
uint64_t tf_trial_mean_distance(const tf_shadow_t *shadow);

/* May the version number, which stands beside, serve? It has answered shadow_min ticks; where divergence_max_ppm is given
 * all of them with answers that were not refused, and no further off on average. */
tf_err_t tf_trial_check_shadow(const tf_trial_rules_t *rules, const tf_shadow_t *shadow,
                               const char *model, uint64_t number);

/* May it go on serving its share? Of several reasons not to, the first of: refused, late, further off. */
tf_err_t tf_trial_check_canary(const tf_trial_rules_t *rules, const tf_shadow_t *shadow,
                               const tf_canary_t *canary, const char *model, uint64_t number);

#endif
