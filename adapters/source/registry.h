/* The table of all intakes, in the order of intakes.def (alphabetical). The binaries hand it to boot. */
#ifndef TF_SOURCE_REGISTRY_H
#define TF_SOURCE_REGISTRY_H

#include "source/intake.h"

extern const tf_intake_t *const tf_intakes[];
extern const uint32_t           tf_intake_cnt;

#endif
