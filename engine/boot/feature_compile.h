/* From feature texts to a plan: names are looked up in the indicator table and the config's bars,
 * parameters checked, equal sub-expressions computed once, slots and states laid out.
 *
 * Order of use, all on one control-plane thread:
 *   begin                       with the indicator table and the bars
 *   add ...                     each text of `features:`; these are a model's inputs, in order
 *   tf_rule_collect ...         each rule's text (boot/rule.h): what it names beyond those features
 *                               is appended as "rule only"
 *   finish                      the plan
 *   tf_rule_compile ..., find   while the compiler lives
 *   end
 *
 * What a text may hold, beyond boot/expr.h's grammar:
 *   mid, ofi(1s), ema(mid, 20)  an indicator; a parameter left out takes its default. One that works
 *                               on a series takes it first; it may be left out where bars are the
 *                               only input (rsi is then rsi(close,14)).
 *   s1.close                    the last closed bar of `bars:`: open high low close volume notional
 *                               buy_volume trade_cnt
 *   peek(rsi(s1.close, 14))     what it would be if the bar closed now: at each tick, from the open bar and the
 *                               states as the last close left them; NaN while no bar is open. Nothing else
 *                               sees a bar before it closed. Moves with the tick
 *   z                           an earlier feature's alias ("z: zscore(mid, 500)")
 *   + - * / ( ) abs(a) min(a, b) max(a, b)
 *   mid@eth, (bid + ask)@eth    any of these of another instrument, as of its last tick: a name of the env's peers,
 *                               or SYMBOL.VENUE, *.VENUE for the own symbol there
 *   cbbo@btc                    an indicator that reads other instruments, and which
 *   cs_rank(ret(mid, 20))       a cross (tf/cross.h): where the value stands among all instruments. Moves with the tick
 * min(x, n) and max(x, n) with a plain number in second place are the indicators, the extremes of
 * the last n inputs; with the number in first place, or none, they compare two values.
 *
 * A series advances on the clock of its input: with every tick, or with every close of the one bar
 * it comes from. What mixes ticks and a bar advances with ticks; a series over two different bars
 * has no clock and is refused.
 *
 * The canonical name of an expression has no spaces, every parameter, and aliases written out:
 * "zscore(mid,500)". Two texts with one canonical name are one feature. */
#ifndef TF_BOOT_FEATURE_COMPILE_H
#define TF_BOOT_FEATURE_COMPILE_H

#include "boot/expr.h"
#include "stage/feature_plan.h"

#define TF_FEATURE_COMPILE_NONE UINT32_MAX

typedef struct tf_feature_env {
  const tf_indicator_t *const *indicators;
  uint32_t                     indicator_cnt;
  const char *const           *bar_names; /* bar_idx of on_bar is the place in here */
  uint32_t                     bar_cnt;
  uint32_t                     plain_bar; /* its fields go without "NAME."; ..._NONE for none */
  bool                         bars_only; /* there are no ticks: market indicators are refused */

  /* Other instruments by the names that the config gives them; those of one name follow one another. */
  const tf_feature_peer_t *peers;
  uint32_t                 peer_cnt;

  const tf_cross_table_t *crosses; /* NULL: there are none */
  tf_feature_universe_t   universe;

  /* What runs eight at a time, and how; vector_cnt 0: everything runs one by one. */
  const tf_vector_kind_t *const *vectors;
  uint32_t                       vector_cnt;
  tf_isa_t                       isa; /* of this machine (core/isa.h) */
} tf_feature_env_t;

typedef struct tf_feature_compile tf_feature_compile_t; /* opaque; allocates */

/* The env's arrays are borrowed until end. E_CONFIG_CONFLICT for more bars than
 * TF_FEATURE_PLAN_BARS_MAX, or a bar whose name no expression could write or means something else;
 * E_CORE_NO_MEMORY. A descriptor that breaks its contract is a programmer error. */
tf_err_t tf_feature_compile_begin(tf_feature_compile_t **compile, const tf_feature_env_t *env);
void     tf_feature_compile_end(tf_feature_compile_t *compile); /* accepts NULL */

/* Adds a listed feature; *idx (may be NULL) is its place in the row. A failed call changes nothing.
 * E_CONFIG_EXPR with file:line:column, also for a feature listed twice; E_CONFIG_CONFLICT beyond
 * TF_FEATURE_PLAN_LISTED_MAX; E_CORE_ARGUMENT after the first rule-only one. */
tf_err_t tf_feature_compile_add(tf_feature_compile_t *compile, const tf_expr_origin_t *origin,
                                const char *text, uint32_t *idx);

/* As add, one feature for each output of the outermost call: "macd(close)" adds macd(...).macd,
 * .signal and so on. *first is the first one's place, *cnt how many. */
tf_err_t tf_feature_compile_add_outputs(tf_feature_compile_t   *compile,
                                        const tf_expr_origin_t *origin, const char *text,
                                        uint32_t *first, uint32_t *cnt);

/* The feature that a subtree of a parsed rule names: an existing one, or with `add` a new one marked
 * rule only. *idx is TF_FEATURE_COMPILE_NONE where there is none and add is false. */
tf_err_t tf_feature_compile_subtree(tf_feature_compile_t *compile, const tf_expr_t *expr,
                                    uint32_t node, bool add, uint32_t *idx);

/* The feature with this alias or this expression, however spaced and whatever defaults it leaves
 * out; TF_FEATURE_COMPILE_NONE if there is none (the error record may then say why, it is no
 * failure). For a model's feature names. */
uint32_t tf_feature_compile_find(tf_feature_compile_t *compile, const char *text);

/* The plan of all features so far; plan owns its memory (tf_feature_plan_fini). E_CORE_OVERFLOW
 * where an instrument would need more than TF_FEATURE_PLAN_BYTES_MAX or too many slots. */
tf_err_t tf_feature_compile_finish(const tf_feature_compile_t *compile, tf_feature_plan_t *plan);

/* Whether a text is an instrument's name: SYMBOL.VENUE, or *.VENUE. */
bool tf_feature_compile_is_instrument(const char *text);

/* Whether a call is abs, min or max of the values of one moment rather than an indicator. */
bool tf_feature_compile_is_pointwise(const tf_expr_t *expr, uint32_t node);

#endif
