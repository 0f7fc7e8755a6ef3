/* A plan as others may run it (tf/plan_view.h). Control plane. */
#ifndef TF_BOOT_FEATURE_VIEW_H
#define TF_BOOT_FEATURE_VIEW_H

#include "boot/feature_compile.h"
#include "tf/plan_view.h"

/* Of a plan whose steps run one by one: compiled with env's vector_cnt 0. The names are those of env's descriptors. view->missing says
 * what it cannot tell: bars, peers, vectors. E_CORE_NO_MEMORY; what an indicator's init says. */
tf_err_t tf_feature_view_init(tf_plan_view_t *view, const tf_feature_plan_t *plan,
                              const tf_feature_env_t *env);

/* Accepts a zeroed one. */
void tf_feature_view_fini(tf_plan_view_t *view);

#endif
