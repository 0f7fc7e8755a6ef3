/* From a rule's text to the stack program that policies evaluate (tf/policy.h).
 *
 * A rule may name score, p10, p90, position (what an operator says is held), alert (the step ahead that raised it), fleet_mean and its like
 * (TF_RULE_SLOTS has them all); any feature by its text or alias; and any other indicator, which
 * then becomes a feature "rule only": computed, in the row, but no model input. Comparisons, and, or,
 * not, + - * /, abs(a), min(a, b), max(a, b). Where a part of a rule is a listed feature's expression
 * it loads that feature; other arithmetic is computed by the rule.
 *
 * Order: tf_rule_collect of every rule's text before tf_feature_compile_finish, tf_rule_compile of
 * them afterwards. Errors are E_CONFIG_EXPR with file:line:column. Control plane only. */
#ifndef TF_BOOT_RULE_H
#define TF_BOOT_RULE_H

#include "boot/feature_compile.h"
#include "tf/policy.h"

/* Parses the rule and appends the features that it names and the list lacks. A failed call may leave
 * features behind that nothing reads; the caller gives up anyway. An empty text is no rule. */
tf_err_t tf_rule_collect(tf_feature_compile_t *compile, const tf_expr_origin_t *origin,
                         const char *text);

/* The program. An empty text gives step_cnt 0. E_CONFIG_EXPR also where the program would have more
 * than TF_RULE_OPS_MAX steps or a deeper stack than TF_RULE_DEPTH_MAX, or names a feature that was
 * never collected. */
tf_err_t tf_rule_compile(tf_feature_compile_t *compile, const tf_expr_origin_t *origin,
                         const char *text, tf_rule_t *rule);

#endif
