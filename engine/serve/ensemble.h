/* An ensemble: one answer of several models' answers. It is a model like another (tf/model.h), whose row is its members' outputs,
 * member after member, those of an absent one NaN; so all that is done with models is done with it too.
 *
 * Output by output, over the members that are present:
 *
 *   mean       their mean
 *   weighted   their mean by weight
 *   median     the middle one; the mean of the two in the middle where they are even in number
 *   vote       the mean of their signs, by weight where there are weights: -1 .. 1
 *
 * Sums are of doubles, in the members' order. Each of these is monotone, rounding too: where every member's quantiles
 * are in order, so are the ensemble's.
 *
 * Control plane, but for run and the disagreement, which are the lane's. */
#ifndef TF_SERVE_ENSEMBLE_H
#define TF_SERVE_ENSEMBLE_H

#include "tf/model.h"

#define TF_ENSEMBLE_MEMBERS_MAX 7u

typedef enum tf_combine {
  TF_COMBINE_MEAN,
  TF_COMBINE_WEIGHTED,
  TF_COMBINE_MEDIAN,
  TF_COMBINE_VOTE
} tf_combine_t;

typedef struct tf_ensemble_spec {
  const char              *name;
  const tf_model_t *const *members; /* (member_cnt) as many outputs each */
  uint32_t                 member_cnt;
  tf_combine_t             combine;
  const double            *weights; /* (member_cnt), above 0; NULL: all are 1 */
} tf_ensemble_spec_t;

/* *model is the caller's to delete. Its hash is of combine and weights alone. E_MODEL_SHAPE where a member has another
 * number of outputs than the first, E_CORE_NO_MEMORY. */
tf_err_t tf_ensemble_new(const tf_ensemble_spec_t *spec, tf_model_t **model);
void     tf_ensemble_delete(tf_model_t *model); /* accepts NULL */

/* How far apart the present members' outputs output_idx are: the greatest less the least. */
double tf_ensemble_disagreement(const tf_model_t *model, const float *row, uint32_t output_idx);

#endif
