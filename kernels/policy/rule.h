/* The rule policy's arithmetic, step by step, for who wants to know why (tickfuse explain). */
#ifndef KERNELS_POLICY_RULE_H
#define KERNELS_POLICY_RULE_H

#include "tf/policy.h"

/* Evaluates a sound rule as decide does: values[i], of rule->step_cnt, is what step i leaves on top of
 * the stack. True if the rule fires; one without steps never does. */
bool tf_rule_trace(const tf_rule_t *rule, const tf_policy_input_t *in, double *values);

#endif
