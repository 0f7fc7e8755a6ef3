/* The tables that a binary joins engine, kernels and adapters with. Each row was one line in a .def
 * list; engine/boot looks names up here at start and nowhere else. */
#ifndef TF_REGISTRY_H
#define TF_REGISTRY_H

#include "tf/cross.h"
#include "tf/feed.h"
#include "tf/indicator.h"
#include "tf/model.h"
#include "tf/model_store.h"
#include "tf/plan_view.h"
#include "tf/policy.h"
#include "tf/runtime.h"
#include "tf/sink.h"
#include "tf/text.h"
#include "tf/vector.h"

typedef struct tf_registry {
  const tf_feed_t *const        *feeds;
  const tf_sink_t *const        *sinks;
  const tf_indicator_t *const   *indicators;
  const tf_policy_t *const      *policies;
  const tf_vector_kind_t *const *vectors;
  const tf_cross_table_t        *crosses;
  const tf_runtime_t *const     *runtimes;
  const tf_model_loader_t       *models;
  const tf_text_loader_t        *texts;
  bool (*card_runs)(const char *name, tf_view_step_kind_t kind); /* of a feature plan's steps */
  const tf_model_store_t *const *stores;                         /* below the cache of models */
  uint32_t feed_cnt, sink_cnt, indicator_cnt, policy_cnt, vector_cnt, store_cnt, runtime_cnt;
} tf_registry_t;

#endif
