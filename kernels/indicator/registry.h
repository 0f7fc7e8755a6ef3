/* The table of all indicators, in the order of indicators.def (alphabetical). The binaries hand it to
 * the engine, which knows indicators by their descriptors only. */
#ifndef TF_INDICATOR_REGISTRY_H
#define TF_INDICATOR_REGISTRY_H

#include "tf/indicator.h"

extern const tf_indicator_t *const tf_indicators[];
extern const uint32_t              tf_indicator_cnt;

#endif
