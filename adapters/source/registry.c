#include "source/registry.h"

#define TF_INTAKE(name) extern const tf_intake_t tf_intake_##name;
#include "source/intakes.def"
#undef TF_INTAKE

const tf_intake_t *const tf_intakes[] = {
#define TF_INTAKE(name) &tf_intake_##name,
#include "source/intakes.def"
#undef TF_INTAKE
};

const uint32_t tf_intake_cnt = TF_ARRAY_CNT(tf_intakes);
