/* What a model's rows were made of: written beside rows for training (`features eval --out`), kept in the model
 * (`model import --schema`), compared with what this engine computes when the model is loaded. A name alone
 * does not tell: "z" may be another expression in this config, and s1 another bar.
 *
 *   {"version": 1, "hash": "6c62272e07bb0142", "nan": "drop",
 *    "features": [{"name": "z", "expr": "zscore(mid,500)"}, ...],   in the order of the columns
 *    "bars": {"s1": "1000000000 ns"},                               those that the features read,
 *                                                                   with clock, gaps and session
 *    "peers": [{"name": "eth", "instrument": "ETHUSDT.BINANCE-SPOT", "max_age_ns": 5000000000,
 *               "books": 33, "wake": false}]}                       likewise; absent where there is none
 *
 * An expr is canonical: every parameter, aliases written out. version counts what this text means and what
 * the expressions compute: a change of an indicator's values is a new one. hash is over all of it. Control
 * plane; allocates. */
#ifndef TF_BOOT_FEATURE_SCHEMA_H
#define TF_BOOT_FEATURE_SCHEMA_H

#include "stage/bar.h"
#include "stage/compute.h"
#include "stage/feature_plan.h"

#define TF_FEATURE_SCHEMA_VERSION   1
#define TF_FEATURE_SCHEMA_BYTES_MAX (1u << 20)

/* What was done of rows with a feature that has no value. */
typedef enum tf_feature_nan {
  TF_FEATURE_NAN_KEEP, /* they are there, NaN in place */
  TF_FEATURE_NAN_DROP, /* they are left out: what the engine does of a model's rows */
  TF_FEATURE_NAN_FILL, /* the instrument's last value stands in; NaN until there was one */
  TF_FEATURE_NAN_CNT
} tf_feature_nan_t;

extern const char *const tf_feature_nan_words[TF_FEATURE_NAN_CNT];

/* The schema of a plan's listed features, malloc'd. E_CORE_NO_MEMORY. */
tf_err_t tf_feature_schema_text(const tf_feature_plan_t *plan, const tf_bar_spec_t *bars,
                                uint32_t bar_cnt, tf_feature_nan_t nan, char **text);

/* Whether the features at places (cnt) of the plan are those of the schema; TF_COMPUTE_NO_FEATURE: an output of another model. E_MODEL_SCHEMA, naming the first
 * that differs, both ways; also for a bar or a peer that differs, rows whose gaps were filled, another version. */
tf_err_t tf_feature_schema_check(const char *text, const tf_feature_plan_t *plan,
                                 const uint32_t *places, uint32_t cnt, const tf_bar_spec_t *bars,
                                 uint32_t bar_cnt);

#endif
