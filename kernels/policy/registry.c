#include "policy/registry.h"

#define TF_POLICY(name) extern const tf_policy_t tf_policy_##name;
#include "policy/policies.def"
#undef TF_POLICY

const tf_policy_t *const tf_policies[] = {
#define TF_POLICY(name) &tf_policy_##name,
#include "policy/policies.def"
#undef TF_POLICY
};

const uint32_t tf_policy_cnt = TF_ARRAY_CNT(tf_policies);
