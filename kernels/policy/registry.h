/* The table of all policies, in the order of policies.def (alphabetical). The binaries hand it to the
 * engine, which knows policies by their descriptors only. */
#ifndef TF_POLICY_REGISTRY_H
#define TF_POLICY_REGISTRY_H

#include "tf/policy.h"

extern const tf_policy_t *const tf_policies[];
extern const uint32_t           tf_policy_cnt;

#endif
