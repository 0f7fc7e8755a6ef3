/* What is done with a model's outputs before a rule sees them, in the same pass and on the lane:
 *
 *   outputs --> finite? --> within valid? --> quantiles in order? --> clamp --> the answer
 *               no: none    no: none          no: keep, sort, refuse            score, p10, p90, alert
 *
 * A model answers horizon steps ahead; of each step with a score, or with p10, p50 and p90: so its outputs are
 * (horizon_cnt, 1 or 3), step after step. The answer is that of one step, an alert looks at them all.
 *
 * A refused answer is none: no rule sees it, no decision is made of it, and its cause is counted. NaN compares
 * with nothing, so a guard that let one through would sell on it.
 *
 * tf_post_t is boot's and constant; the counts' one writer is the lane. Cost: a few ns for one step. */
#ifndef TF_SERVE_POST_H
#define TF_SERVE_POST_H

#include "tf/atomic.h"
#include "tf/model.h"

typedef enum tf_crossing {
  TF_CROSSING_KEEP,   /* quantiles out of order are passed on as they are */
  TF_CROSSING_SORT,   /* they are put in order: the same three numbers, repaired */
  TF_CROSSING_REFUSE, /* they are no answer */
} tf_crossing_t;

typedef struct tf_post {
  float         valid_min, valid_max; /* an output beyond is no answer; infinite: no bound */
  float         clamp_min, clamp_max; /* an output beyond is moved to the bound */
  float         alert_min, alert_max; /* a step whose p10 is below or p90 above raises the alert */
  uint32_t      horizon_cnt;          /* steps, at least 1 */
  uint32_t      step_idx;             /* of the answer, from 0 */
  bool          has_quantiles;        /* 3 outputs a step */
  tf_crossing_t crossing;
} tf_post_t;

typedef struct tf_answer {
  float   score;    /* p50 where there are quantiles */
  float   p10, p90; /* the quiet NaN where there are none */
  int32_t alert;    /* 0: none; n: step n is the first above, -n: below; above where it is both */
} tf_answer_t;

typedef enum tf_post_result {
  TF_POST_GOOD,
  TF_POST_NOT_FINITE,
  TF_POST_OUT_OF_RANGE,
  TF_POST_CROSSED,
} tf_post_result_t;

typedef struct tf_post_counts { /* one writer: the lane */
  uint64_t not_finite, out_of_range, crossed_refused;
  uint64_t sorted, clamped; /* answers that were repaired */
  uint64_t alerts;
} tf_post_counts_t;

/* No bounds, nothing repaired: what a model without keys of its own has. output_cnt is 1 or 3 a step. */
tf_post_t tf_post_plain(uint32_t output_cnt, uint32_t horizon_cnt);

/* Makes the answer of the outputs, which are repaired in place. Other than GOOD: *answer is untouched, the
 * cause was counted. */
tf_post_result_t tf_post_apply(const tf_post_t *post, float *out, tf_answer_t *answer,
                               tf_post_counts_t *counts);

#endif
