#include "cross/registry.h"

#include "cross/section.h"

#define TF_CROSS_OF(file, name) extern const tf_cross_t tf_cross_##name;
#include "cross/crosses.def"
#undef TF_CROSS_OF

static const tf_cross_t *const CROSSES[] = {
#define TF_CROSS_OF(file, name) &tf_cross_##name,
#include "cross/crosses.def"
};

const tf_cross_table_t tf_cross_table = {.crosses            = CROSSES,
                                         .cross_cnt          = TF_ARRAY_CNT(CROSSES),
                                         .section_bytes      = tf_section_bytes,
                                         .section_init       = tf_section_init,
                                         .section_put        = tf_section_put,
                                         .section_member_cnt = tf_section_member_cnt,
                                         .section_value      = tf_section_value};
