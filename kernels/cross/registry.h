/* All crosses, in the order of crosses.def, and how sections are kept: what the binaries hand to the engine. */
#ifndef TF_CROSS_REGISTRY_H
#define TF_CROSS_REGISTRY_H

#include "tf/cross.h"

extern const tf_cross_table_t tf_cross_table;

#endif
