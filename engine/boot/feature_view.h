/* A plan as others may run it (tf/plan_view.h). Control plane. */
#ifndef TF_BOOT_FEATURE_VIEW_H
#define TF_BOOT_FEATURE_VIEW_H

#include "boot/feature_compile.h"
#include "tf/plan_view.h"

/* Of a plan whose steps run one by one: compiled with env's vector_cnt 0. The names are those of env's descriptors. Its features are
 * those of the row at places (cnt), all of the plan's where places is NULL; steps that none of them hangs on are left out. What runs()
 * does not say that it runs, and peeks and other instruments' values, is handed over: a step TF_PLAN_HANDED for each value. The memory is
 * that of the whole plan, so that an instrument's can be copied as it is. E_CORE_NO_MEMORY; what an indicator's init says. */
typedef bool (*tf_plan_runs_t)(const char *name, tf_view_step_kind_t kind);

tf_err_t tf_feature_view_init(tf_plan_view_t *view, const tf_feature_plan_t *plan,
                              const tf_feature_env_t *env, const uint32_t *places, uint32_t cnt,
                              tf_plan_runs_t runs);

/* Accepts a zeroed one. */
void tf_feature_view_fini(tf_plan_view_t *view);

#endif
