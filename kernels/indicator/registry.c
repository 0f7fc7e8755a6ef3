#include "indicator/registry.h"

#define TF_INDICATOR(name)          extern const tf_indicator_t tf_indicator_##name;
#define TF_INDICATOR_OF(file, name) TF_INDICATOR(name)
#include "indicator/indicators.def"
#undef TF_INDICATOR

const tf_indicator_t *const tf_indicators[] = {
#define TF_INDICATOR(name) &tf_indicator_##name,
#include "indicator/indicators.def"
};

const uint32_t tf_indicator_cnt = TF_ARRAY_CNT(tf_indicators);
