#include "core/isa.h"

#include <string.h>

static const char *const names[] = {"scalar", "avx2", "avx512"};
TF_STATIC_ASSERT(TF_ARRAY_CNT(names) == TF_ISA_CNT, "a name for each instruction set");

bool tf_isa_supported(tf_isa_t isa) {
  switch (isa) {
#if defined(__x86_64__)
  case TF_ISA_AVX2: return __builtin_cpu_supports("avx2");
  case TF_ISA_AVX512:
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
#endif
  case TF_ISA_SCALAR: return true;
  default: return false;
  }
}

tf_isa_t tf_isa_best(void) {
  for (int isa = TF_ISA_CNT - 1; isa > TF_ISA_SCALAR; isa--)
    if (tf_isa_supported((tf_isa_t)isa)) return (tf_isa_t)isa;
  return TF_ISA_SCALAR;
}

const char *tf_isa_name(tf_isa_t isa) {
  TF_ASSERT(isa < TF_ISA_CNT);
  return names[isa];
}

bool tf_isa_parse(const char *name, tf_isa_t *isa) {
  for (int i = 0; i < TF_ISA_CNT; i++)
    if (strcmp(name, names[i]) == 0) {
      *isa = (tf_isa_t)i;
      return true;
    }
  return false;
}
