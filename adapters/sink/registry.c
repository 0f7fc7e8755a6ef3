#include "sink/registry.h"

#define TF_SINK(name) extern const tf_sink_t tf_sink_##name;
#include "sink/sinks.def"
#undef TF_SINK

const tf_sink_t *const tf_sinks[] = {
#define TF_SINK(name) &tf_sink_##name,
#include "sink/sinks.def"
#undef TF_SINK
};

const uint32_t tf_sink_cnt = TF_ARRAY_CNT(tf_sinks);
