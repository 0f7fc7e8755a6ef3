#include "gpu/makers.h"

#define M(name, KIND)                                                                              \
  tf_err_t tf_card_##name##_make(const tf_graph_t *graph, tf_precision_t precision,                \
                                 const tf_card_limits_t *limits, tf_card_program_t **program);
#include "gpu/makers.def"
#undef M

const tf_card_maker_t tf_card_makers[] = {
#define M(name, KIND) {#name, tf_card_##name##_make},
#include "gpu/makers.def"
#undef M
    {0}};

const char *tf_card_kind_name(uint32_t kind) {
  static const char *const names[] = {"recurrent", "net", "features", "fused", "graph"};
  TF_STATIC_ASSERT(TF_ARRAY_CNT(names) == TF_CARD_KIND_CNT, "a name for each kind");
  return kind < TF_CARD_KIND_CNT ? names[kind] : "unknown";
}
