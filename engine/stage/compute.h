/* The compute stage: features, then models, once per tick. Reads what buffer keeps; writes the
 * instrument's feature state and row, and the models' outputs. Second stage of a lane.
 *
 * A model runs when every feature it wants is ready and finite; else the inference is skipped and
 * counted. A NaN never reaches a model, and an output that is not finite never reaches a rule.
 *
 * A model over a window takes each such row, and answers from the window-th on; until then its
 * inferences are skipped as warm-up. A row with a feature that is not ready or not finite breaks
 * the window: it begins anew with the next good row, since its rows are ticks that follow one
 * another. What the model does for ticks to come (tf_compute_deferred) waits until the decision has
 * left. */
#ifndef TF_STAGE_COMPUTE_H
#define TF_STAGE_COMPUTE_H

#include "stage/feature_plan.h"
#include "stage/lane.h"
#include "tf/model.h"

typedef struct tf_compute_model {
  const tf_model_t *model;
  uint32_t         *feature_idx; /* (input_cnt) of the plan's row */
  float            *row;         /* (input_cnt) */
  void             *scratch;
  bool              has_deferred;              /* work of the tick in hand */
  float             out[TF_MODEL_OUTPUTS_MAX]; /* of the tick in hand */
} tf_compute_model_t;

typedef struct tf_compute_counts { /* one writer: the lane */
  uint64_t ticks;
  uint64_t warming;   /* now: instruments that have ticked and lack a listed feature */
  uint64_t requested; /* = done + skipped_warmup + skipped_output */
  uint64_t done;
  uint64_t skipped_warmup; /* a feature is not ready, NaN or infinite, or a window is not full */
  uint64_t skipped_output; /* the model's output is NaN or infinite */
} tf_compute_counts_t;

typedef struct tf_compute {
  const tf_feature_plan_t *plan;
  tf_compute_model_t       models[TF_MODELS_MAX];
  uint32_t                 model_cnt;
  tf_compute_counts_t      counts;
} tf_compute_t;

/* The bars that closed, one bit each. */
TF_INLINE void tf_compute_on_bars(tf_compute_t *compute, tf_lane_instrument_t *in,
                                  uint32_t closed_bars) {
  while (TF_UNLIKELY(closed_bars)) {
    uint32_t bar = (uint32_t)__builtin_ctz(closed_bars);
    closed_bars &= closed_bars - 1;
    tf_feature_plan_on_bar(compute->plan, in->features, bar, &in->bars[bar].closed);
  }
}

/* Event-level features. */
TF_INLINE void tf_compute_on_event(tf_compute_t *compute, tf_lane_instrument_t *in, uint32_t on) {
  if (on) tf_feature_plan_on_event(compute->plan, in->features, &in->market, on);
}

/* The feature row of the tick. */
TF_INLINE void tf_compute_features(tf_compute_t *compute, tf_lane_instrument_t *in) {
  compute->counts.ticks++;
  for (uint32_t left = compute->plan->peeked_bars; TF_UNLIKELY(left); left &= left - 1) {
    uint32_t bar = (uint32_t)__builtin_ctz(left);
    tf_feature_plan_on_open(compute->plan, in->features, bar, tf_bar_now(&in->bars[bar]));
  }
  bool is_ready = tf_feature_plan_on_tick(compute->plan, in->features, &in->market, in->row);
  if (TF_UNLIKELY(is_ready != in->is_ready || !in->has_ticked)) {
    compute->counts.warming += !is_ready - (uint64_t)(in->has_ticked & !in->is_ready);
    in->is_ready   = is_ready;
    in->has_ticked = true;
  }
}

/* Runs the models on the row. Returns a bit per model whose out[] is good for this tick. */
uint32_t tf_compute_models(tf_compute_t *compute, const tf_lane_instrument_t *in);

/* Advances the windows that took the tick's row. After the decision has left. False where no model
 * had anything to do. */
bool tf_compute_deferred(tf_compute_t *compute, const tf_lane_instrument_t *in);

/* Adds a model that reads the row at feature_idx (input_cnt of them, copied), and takes its memory. */
tf_err_t tf_compute_add_model(tf_compute_t *compute, const tf_model_t *model,
                              const uint32_t *feature_idx, tf_arena_t *arena);

/* Takes an instrument's window states for the models that were added. E_CORE_ARENA_FULL. */
tf_err_t tf_compute_init_instrument(const tf_compute_t *compute, tf_lane_instrument_t *in,
                                    tf_arena_t *arena);

#endif
