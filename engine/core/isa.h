/* What this machine runs of the instruction sets that there is code for. */
#ifndef TF_CORE_ISA_H
#define TF_CORE_ISA_H

#include "tf/base.h"
#include "tf/isa.h"

bool        tf_isa_supported(tf_isa_t isa);
tf_isa_t    tf_isa_best(void);
const char *tf_isa_name(tf_isa_t isa); /* "scalar", "avx2", "avx512" */
bool        tf_isa_parse(const char *name, tf_isa_t *isa);

#endif
