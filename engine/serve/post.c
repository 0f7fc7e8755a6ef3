#include "serve/post.h"

#include <math.h>

static uint32_t output_cnt(const tf_post_t *post) {
  return post->horizon_cnt * (post->has_quantiles ? 3 : 1);
}

static bool is_finite(const float *out, uint32_t cnt) {
  float bad = 0.0f;
  for (uint32_t i = 0; i < cnt; i++) bad += out[i] * 0.0f;
  return bad == 0.0f;
}

static bool is_within(const float *out, uint32_t cnt, float min, float max) {
  for (uint32_t i = 0; i < cnt; i++)
    if (out[i] < min || out[i] > max) return false;
  return true;
}

static void swap_if_crossed(float *low, float *high) {
  if (*low <= *high) return;
  float kept = *low;
  *low       = *high;
  *high      = kept;
}

static void sort_step(float *q) {
  swap_if_crossed(&q[0], &q[1]);
  swap_if_crossed(&q[1], &q[2]);
  swap_if_crossed(&q[0], &q[1]);
}

/* False where they cross and that is refused. */
static bool settle_quantiles(const tf_post_t *post, float *out, tf_post_counts_t *counts) {
  bool crossed = false;
  for (uint32_t i = 0; i < post->horizon_cnt; i++) {
    float *q = &out[3 * i];
    if (q[0] <= q[1] && q[1] <= q[2]) continue;
    if (post->crossing == TF_CROSSING_REFUSE) return false;
    sort_step(q);
    crossed = true;
  }
  counts->sorted += crossed;
  return true;
}

static void clamp(const tf_post_t *post, float *out, tf_post_counts_t *counts) {
  bool moved = false;
  for (uint32_t i = 0, cnt = output_cnt(post); i < cnt; i++) {
    float value = out[i] < post->clamp_min ? post->clamp_min : out[i];
    value       = value > post->clamp_max ? post->clamp_max : value;
    moved |= value != out[i];
    out[i] = value;
  }
  counts->clamped += moved;
}

static int32_t find_alert(const tf_post_t *post, const float *out) {
  uint32_t width = post->has_quantiles ? 3 : 1;
  for (uint32_t i = 0; i < post->horizon_cnt; i++) {
    const float *q = &out[width * i];
    if (q[width - 1] > post->alert_max) return (int32_t)i + 1;
    if (q[0] < post->alert_min) return -(int32_t)i - 1;
  }
  return 0;
}

static bool is_bounded(float min, float max) { return min > -INFINITY || max < INFINITY; }

tf_post_result_t tf_post_apply(const tf_post_t *post, float *out, tf_answer_t *answer,
                               tf_post_counts_t *counts) {
  uint32_t cnt = output_cnt(post);
  if (TF_UNLIKELY(!is_finite(out, cnt))) {
    counts->not_finite++;
    return TF_POST_NOT_FINITE;
  }
  if (TF_UNLIKELY(!is_within(out, cnt, post->valid_min, post->valid_max))) {
    counts->out_of_range++;
    return TF_POST_OUT_OF_RANGE;
  }
  if (post->has_quantiles && post->crossing != TF_CROSSING_KEEP &&
      !settle_quantiles(post, out, counts)) {
    counts->crossed_refused++;
    return TF_POST_CROSSED;
  }
  if (is_bounded(post->clamp_min, post->clamp_max)) clamp(post, out, counts);
  answer->alert = is_bounded(post->alert_min, post->alert_max) ? find_alert(post, out) : 0;
  counts->alerts += answer->alert != 0;
  if (post->has_quantiles) {
    const float *q = &out[3 * post->step_idx];
    answer->p10    = q[0];
    answer->score  = q[1];
    answer->p90    = q[2];
  } else {
    answer->score = out[post->step_idx];
    answer->p10 = answer->p90 = __builtin_nanf("");
  }
  return TF_POST_GOOD;
}

tf_post_t tf_post_plain(uint32_t outputs, uint32_t horizon_cnt) {
  return (tf_post_t){.valid_min     = -INFINITY,
                     .valid_max     = INFINITY,
                     .clamp_min     = -INFINITY,
                     .clamp_max     = INFINITY,
                     .alert_min     = -INFINITY,
                     .alert_max     = INFINITY,
                     .horizon_cnt   = horizon_cnt,
                     .has_quantiles = outputs == 3 * horizon_cnt};
}
