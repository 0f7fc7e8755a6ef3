#include "gpu/kernels.h"

tf_card_entry_t tf_card_kernel(const tf_card_program_t *program) {
  switch (program->kind) {
#define K(name, KIND)                                                                              \
  case TF_CARD_##KIND:                                                                             \
    return tf_card_kernel_##name(program);
#include "gpu/kernels.def"
#undef K
  default: return NULL;
  }
}
