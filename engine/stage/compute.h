/* The compute stage: features, then models, once per tick. Reads what buffer keeps; writes the
 * instrument's feature state and row, and the models' outputs. Second stage of a lane.
 *
 * A model runs when every feature it wants is ready and finite; else the inference is skipped and
 * counted. A NaN never reaches a model, and an output that is not finite, or beyond what the config calls valid,
 * never reaches a rule (serve/post.h).
 *
 * A model over a window takes each such row, and answers from the window-th on; until then its
 * inferences are skipped as warm-up. A row with a feature that is not ready or not finite breaks
 * the window: it begins anew with the next good row, since its rows are ticks that follow one
 * another. What the model does for ticks to come (tf_compute_deferred) waits until the decision has
 * left.
 *
 * A model of another runtime (serve/foreign.h) is asked and not waited for: what stands answers the tick, and an answer that
 * comes is decided on at its own event. A model of a worker (serve/remote.h) is asked and waited for, up to its deadline; then, or
 * where there is no worker, what no_answer names answers that very tick. In a replay the capture says what came of it.
 *
 * A model that takes longer than its budget too often in a row (late_limit) asks for a pause. The request is read by
 * acquire's thread, which publishes it as an event (TF_CONTROL_PAUSE): so the pause begins at a place in the
 * stream and lasts a span of the market's time, and a replay obeys it where the live run did, without a
 * clock of its own. In a pause the model is not asked; its overrun policy says what a rule sees instead. A model over a
 * window then takes its rows after the decision has left, so that its window stays whole. */
#ifndef TF_STAGE_COMPUTE_H
#define TF_STAGE_COMPUTE_H

#include "serve/fleet.h"
#include "serve/foreign.h"
#include "serve/post.h"
#include "serve/remote.h"
#include "serve/swap.h"
#include "stage/feature_plan.h"
#include "stage/lane.h"
#include "tf/instrument.h"
#include "tf/model.h"

/* Chains. A model's row may hold outputs of other models of the same tick, as post-processing left them, beside
 * features (links). Models answer in an order in which each stands behind those that it reads (tf_compute_order). A model
 * whose source has no answer of its own on this tick, be it warming up, refused or paused, is not asked, and that is
 * counted as its own reason; what stands in for a paused source is a score, no row of outputs. An ensemble
 * (serve/ensemble.h) is a model all of whose inputs are links, and whose quorum may be less than all.
 *
 * Priorities. The order has waves: what is of higher priority, and what that reads, answers first, and its decisions leave before the next wave is
 * asked. Low ones are shed in a burst (tf_compute_admit). What a burst is, is told from the stream alone, so that a replay sheds
 * the same: the models' budgets are what their answers cost, the receive time between ticks is what goes by, and a low one is
 * not asked while what was asked and has not gone by comes to more than burst_budget. Its window takes the row later. */
#define TF_COMPUTE_NO_FEATURE UINT32_MAX /* in feature_idx: a link fills the place */

#define TF_COMPUTE_SHED_SHIFT 16 /* of tf_compute_models' answer: bit 16 + i, model i was shed */

typedef enum tf_priority {
  TF_PRIORITY_HIGH,
  TF_PRIORITY_NORMAL,
  TF_PRIORITY_LOW,
  TF_PRIORITY_CNT
} tf_priority_t;

/* What a burst has left to do, by the market's clock. */
typedef struct tf_compute_load {
  uint64_t burst_budget_ns; /* 0: nothing is shed */
  uint64_t backlog_ns;      /* at at_ns */
  uint64_t at_ns;
} tf_compute_load_t;

typedef struct tf_compute_link {
  const struct tf_compute_model *source;
  uint32_t                       input_idx, output_idx; /* the first of each */
  uint32_t                       cnt;                   /* outputs, one behind the other */
} tf_compute_link_t;

/* Why a model was not asked on the tick in hand. */
typedef enum tf_skip {
  TF_SKIP_NONE,
  TF_SKIP_WARMUP, /* a feature is not ready, NaN or infinite */
  TF_SKIP_INPUT,  /* a model that it reads has no answer */
  TF_SKIP_SHED,   /* as INPUT, and one that has none was shed */
  TF_SKIP_QUORUM, /* too few of an ensemble's members have one */
} tf_skip_t;

/* What a rule sees of a model that is paused. */
typedef enum tf_overrun {
  TF_OVERRUN_COUNT,    /* it is never paused: late answers are counted and used */
  TF_OVERRUN_SKIP,     /* nothing: no decision */
  TF_OVERRUN_LAST,     /* its last answer on that instrument */
  TF_OVERRUN_FALLBACK, /* the answer of the model fallback_idx, which stands before it */
} tf_overrun_t;

/* What a rule may read of a model beside its answer. */
typedef struct tf_compute_values {
  tf_fleet_figures_t fleet[2];     /* of the scores, of the p90s */
  double             disagreement; /* of an ensemble's members; NaN where it has no answer */
} tf_compute_values_t;

typedef struct tf_compute_model_counts { /* one writer: the lane */
  uint64_t requested; /* = done + warmup + no_input + no_quorum + post's refusals + paused_skipped +
                         absent */
  uint64_t done;      /* answers that a rule may see, whoever gave them */
  uint64_t warmup;
  uint64_t no_input;       /* a model that it reads had no answer */
  uint64_t no_quorum;      /* too few of its members had one */
  uint64_t members_absent; /* of an ensemble's answers: members that were not in them */
  uint64_t shed;           /* of low priority, in a burst, or reads one that was */
  uint64_t paused_skipped; /* in a pause, and nothing stood in */
  uint64_t absent;   /* another runtime's or a worker's, without an answer, nor anything else */
  uint64_t fallback; /* done by what stood in: the last answer, another model, or the CPU */
  uint64_t late;     /* took longer than the budget */
  uint64_t pauses, swaps; /* obeyed */
  uint64_t run_ns;        /* of those that were timed */
  uint64_t timed;
  tf_post_counts_t post;
} tf_compute_model_counts_t;

/* A model that is one an instrument: what serves this one. Row 0 of its swap is the base, which answers as long as the
 * instrument's own is not there (boot/model_places.h brings it). */
typedef struct tf_compute_own {
  const tf_version_t *active;
  tf_swap_t          *swap;
  uint64_t ticks; /* by the lane, for whoever brings models: that it is asked for, and how often */
} tf_compute_own_t;

/* Who has a version that an event names and nobody offered: in a replay. Waits; false: it is not to be had. */
typedef struct tf_compute_fetch {
  void *self;
  bool (*fetch)(void *self, const tf_event_t *event);
} tf_compute_fetch_t;

/* The rows of a model that answers several ticks at once (stage/batch.h), by slot: the tick's place in the batch. */
typedef struct tf_compute_rows {
  float         *rows, *outs;                 /* (cap, input_cnt), (cap, output_cnt) */
  uint8_t        places[TF_MODEL_ROWS_MAX];   /* by slot: the row; TF_COMPUTE_NO_ROW: it has none */
  bool           answered[TF_MODEL_ROWS_MAX]; /* by row; false: its window is not full */
  bool           is_asked;                    /* of a worker: what came of it is in asked */
  tf_child_row_t asked[TF_MODEL_ROWS_MAX];    /* by row */
  bool           is_made;                     /* of the batch in hand */
  uint64_t       share_ticks;   /* an answer's part of the time that the product took */
  uint64_t       product_ticks; /* all of it */
} tf_compute_rows_t;

#define TF_COMPUTE_NO_ROW  UINT8_MAX
#define TF_COMPUTE_NO_SLOT UINT32_MAX

typedef struct tf_compute_model {
  struct tf_compute_model *next; /* in the order of answering; NULL: the last */
  const tf_version_t      *main; /* what serves: first, or a row of swap's */
  const tf_version_t  *active; /* what serves the instrument in hand: main, its own or the canary */
  const tf_version_t  *canary; /* what serves the share; NULL: none */
  tf_canary_share_t    share;
  uint32_t             idx;      /* among the compute stage's models: the config's */
  uint32_t             hash;     /* of the answers: active's file and, of a chain, what it reads */
  bool                 is_other; /* its row takes more than places of the feature row */
  bool                 is_elsewhere; /* it is of foreign or remote */
  uint32_t            *feature_idx;  /* (input_cnt) of the plan's row */
  float               *row;          /* (input_cnt) */
  tf_swap_t           *swap;         /* NULL: the model is not of a registry and stays as it is */
  tf_compute_own_t    *owns; /* (own_cnt: instruments) NULL: one model serves all of them. Else swap
                                  * is that of the instrument in hand */
  uint32_t             own_cnt, own_at; /* own_at: whose swap is looked at next while idle */
  tf_compute_fetch_t   fetch;
  tf_foreign_t        *foreign; /* another runtime answers it; NULL: it is run here */
  tf_remote_t         *remote;  /* a worker answers it; NULL: none does */
  tf_version_t         first;
  tf_post_t            post;
  tf_fleet_t          *fleet;    /* NULL: no rule reads it */
  tf_compute_values_t *values;   /* NULL: no rule reads any of them */
  tf_compute_rows_t   *together; /* NULL: tick by tick */
  tf_compute_link_t   *links;    /* (link_cnt) */
  uint32_t             link_cnt;
  uint32_t             quorum; /* links that must bring an answer: all of a chain's */
  bool                 is_ensemble;
  uint8_t              wave;
  tf_priority_t        priority;
  uint64_t             cost_ns;      /* of an answer, as load reckons */
  uint64_t             budget_ticks; /* 0: none; else every inference is timed */
  tf_overrun_t         overrun;
  uint32_t             fallback_idx;
  uint32_t             late_limit; /* in a row, before a pause is asked for */
  uint64_t             pause_ns;
  tf_answer_t         *lasts; /* (instruments) under LAST; a score of NaN: none yet. Else NULL */

  /* of the tick in hand */
  bool        has_deferred, owes_row; /* owes_row: paused, the window has not taken the row */
  bool        has_row, broke;         /* swap is to be told: of a row, of one that is none */
  bool        was_shed;
  bool        is_own;      /* the answer is the model's own, and good */
  uint8_t     path;        /* tf_path_t of the answer */
  uint32_t    answer_hash; /* of who gave it */
  tf_answer_t answer;
  float       out[TF_MODEL_OUTPUTS_MAX];

  uint32_t                  late_cnt; /* in a row */
  uint64_t                  paused_until_ns;
  uint64_t                  pauses_asked; /* by the lane; tf_compute_t.asks publishes it */
  tf_compute_model_counts_t counts;
  tf_post_counts_t          shadow_counts; /* of the version beside */
} tf_compute_model_t;

typedef struct tf_compute_counts { /* one writer: the lane */
  uint64_t ticks;
  uint64_t warming;   /* now: instruments that have ticked and lack a listed feature */
  uint64_t requested; /* = done + skipped_warmup + skipped_input + skipped_output + skipped_paused +
                         absent */
  uint64_t done;
  uint64_t skipped_warmup; /* a feature is not ready, NaN or infinite, or a window is not full */
  uint64_t skipped_input;  /* a model that it reads has no answer, or too few members have one */
  uint64_t skipped_output; /* the model's output is not finite, not valid, or out of order */
  uint64_t skipped_shed;   /* the model is of low priority, or reads one that is, in a burst */
  uint64_t skipped_paused; /* the model is paused for its overruns, and nothing stands in */
  uint64_t absent;         /* another runtime's model without an answer: HOLD, reason MODEL */
} tf_compute_counts_t;

typedef struct tf_compute {
  const tf_feature_plan_t *plan;
  tf_compute_model_t       models[TF_MODELS_MAX]; /* as in the config */
  tf_compute_model_t
                     *waves[TF_PRIORITY_CNT +
             1]; /* the first of each, in the order of answering; NULL behind the last */
  uint32_t            wave_cnt;
  uint32_t            model_cnt;
  tf_compute_counts_t counts;
  uint64_t            asks;         /* pauses asked for, of all models: by the lane, with release */
  uint64_t            swaps_failed; /* events whose version was not to be had */
  tf_compute_load_t   load;
  uint32_t
      tells; /* TF_ON_*: a worker follows these (stage/tell.h); TF_ON_TICK where there is one; 0: none */
  uint32_t slot;         /* of the tick in hand; TF_COMPUTE_NO_SLOT: of no batch */
  uint64_t waited_ticks; /* it, for its batch */
  uint32_t
      absent; /* of the tick in hand: a bit per model without an answer, whose strategies HOLD */
  const tf_instrument_t *names; /* (instruments) whom a canary serves is told by these */
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

/* in->shed also has, or where no burst is reckoned has only, the models that are low for this instrument. */
void tf_compute_shed_low(const tf_compute_t *compute, tf_lane_instrument_t *in, bool sheds);

/* Reckons what the tick asks for, and writes which models it is too much for (in->shed). At each tick, in the order of events, where
 * there is a burst_budget. */
void tf_compute_admit(tf_compute_t *compute, tf_lane_instrument_t *in);

/* Runs a wave of the models on the row. models_good: what the waves before it gave, 0 for the first. Returns it with a bit per
 * model whose out[] is good for this tick, and one (TF_COMPUTE_SHED_SHIFT) per model that was shed. */
uint32_t tf_compute_models(tf_compute_t *compute, const tf_lane_instrument_t *in, uint32_t wave,
                           uint32_t models_good);

/* Makes the products of a batch: of each model that answers several ticks at once (tf_compute_add_rows) those of cnt
 * instruments, whose features are computed, one tick each. Nothing is counted yet: tf_compute_models does so tick by tick, after
 * tf_compute_take_up(its slot), and finds the outputs there. */
void tf_compute_products(tf_compute_t *compute, const tf_lane_instrument_t *const *instruments,
                         uint32_t cnt);
TF_INLINE void tf_compute_take_up(tf_compute_t *compute, uint32_t slot, uint64_t waited_ticks) {
  compute->slot         = slot;
  compute->waited_ticks = waited_ticks;
}

/* Advances the windows that took the tick's row, but for those of a batch (tf_compute_advance). After the decision has left. False
 * where no model had anything to do. */
bool tf_compute_deferred(tf_compute_t *compute, const tf_lane_instrument_t *in);

/* Of a tick of a batch: advances the windows that were stepped together, once the decisions of all of the batch have left. False where no
 * model has any. */
bool tf_compute_advance(tf_compute_t *compute, const tf_lane_instrument_t *in);

/* A little of what an offered version wants done, while there is no tick. False: there is nothing. */
bool tf_compute_idle(tf_compute_t *compute);

/* Adds a model that reads the row at feature_idx (input_cnt of them, copied), and takes its memory; window states for
 * instrument_cnt instruments. E_MODEL_SHAPE: no outputs, or more than TF_MODEL_OUTPUTS_MAX; E_CORE_ARENA_FULL. */
tf_err_t tf_compute_add_model(tf_compute_t *compute, const tf_model_t *model,
                              const uint32_t *feature_idx, uint32_t instrument_cnt,
                              tf_arena_t *arena);
/* The model that was added last is answered by foreign, whose model it is. */
void tf_compute_set_foreign(tf_compute_t *compute, tf_foreign_t *foreign);
/* That model, which was added, is asked of a worker; NULL: of none any more. Before the start. */
void tf_compute_set_remote(tf_compute_t *compute, uint32_t model_idx, tf_remote_t *remote);
/* The links of model_idx (copied), which fill the places whose feature_idx is TF_COMPUTE_NO_FEATURE; quorum of them have to bring
 * an answer. Their sources were added. E_CORE_ARENA_FULL. */
tf_err_t tf_compute_add_links(tf_compute_t *compute, uint32_t model_idx,
                              const tf_compute_link_t *links, uint32_t link_cnt, uint32_t quorum,
                              tf_arena_t *arena);
/* Models answer in this order (model_cnt of them, each once), sources first; waves, by model, only rise along it. Without it they
 * are one wave, as they were added. */
void tf_compute_order(tf_compute_t *compute, const uint32_t *order, const uint8_t *waves);
/* Makes the model that was added last one that can be swapped; number: its own. */
tf_err_t tf_compute_add_swap(tf_compute_t *compute, uint64_t number, uint32_t instrument_cnt,
                             tf_arena_t *arena);
/* Models that read features alone, of single rows or over windows that can be stepped together, answer up to cap ticks at once. After
 * all were added. */
tf_err_t tf_compute_add_rows(tf_compute_t *compute, uint32_t cap, tf_arena_t *arena);
/* Of the arena, for one model. */
size_t tf_compute_rows_bytes(const tf_model_t *model, uint32_t cap);
/* Makes it one an instrument: it is the base of them all. */
tf_err_t tf_compute_add_owns(tf_compute_t *compute, uint32_t instrument_cnt, tf_arena_t *arena);
/* Of the arena, for these three. */
size_t tf_compute_model_bytes(const tf_model_t *model, uint32_t instrument_cnt, bool has_owns);

/* Inferences over their model's budget, of all models. */
uint64_t tf_compute_late(const tf_compute_t *compute);

/* As at the start, but for what is warming: after a warm start. */
void tf_compute_forget_counts(tf_compute_t *compute);

/* The hashes that decisions carry, of what serves now. */
void tf_compute_settle_hashes(tf_compute_t *compute);

/* An event's: model idx is not asked while the market's time is before until_ns. */
void tf_compute_pause(tf_compute_t *compute, uint32_t model_idx, uint64_t until_ns);

/* An event's of another runtime (serve/foreign.h). True: model_idx has a new answer on in, to be decided on. */
bool tf_compute_answer(tf_compute_t *compute, const tf_event_t *event,
                       const tf_lane_instrument_t *in);

/* An event's: another version of model idx serves from here on. */
void tf_compute_swap(tf_compute_t *compute, const tf_event_t *event);

/* An event's: the version beside serves a share from here on, of the instruments or of the ticks; of cnt 0: nothing any more. What
 * served before takes those ticks' rows too, and serves again when that is over. */
void tf_compute_canary(tf_compute_t *compute, const tf_event_t *event);

/* Is a tick of that instrument and ingest_seq among a canary's share of model idx? By the instrument's name alone, always the same
 * ones; or by the tick's number alone. */
bool tf_compute_is_in_share(tf_canary_share_t share, const char *instrument, uint64_t ingest_seq,
                            uint32_t model_idx);

#endif
