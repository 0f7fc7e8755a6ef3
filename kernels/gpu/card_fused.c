#include "gpu/card_fused.h"

#include <string.h>

#include "core/error.h"
#include "gpu/card_net.h"
#include "gpu/card_part.h"
#include "gpu/loop.h"

static uint64_t bytes_of(const tf_card_program_t *p) {
  return tf_align_up(sizeof *p + p->image_bytes, TF_LINE_PAIR_BYTES);
}

static tf_err_t check(const tf_plan_view_t *view, const tf_card_program_t *net) {
  if (net->kind != TF_CARD_NET || net->block_cnt != 1)
    return TF_ERR(E_MODEL_UNSUPPORTED,
                  "the model runs on %u blocks; features and model on a card are of one block",
                  net->block_cnt);
  if (net->input_cnt != view->feature_cnt)
    return TF_ERR(E_MODEL_SHAPE, "the model reads %u values; the plan has %u features",
                  net->input_cnt, view->feature_cnt);
  return TF_OK;
}

/* Block, shared memory; of the card's memory what is left is seen when all sizes are known. */
tf_card_limits_t tf_card_fused_left(const tf_plan_view_t *view, uint32_t instrument_cnt,
                                    uint32_t block_cnt, const tf_card_limits_t *limits) {
  tf_card_limits_t left   = *limits;
  uint64_t         shared = tf_card_features_shared_bytes(view, instrument_cnt, block_cnt);
  if (block_cnt > 1) shared += sizeof(tf_card_set_t);
  left.sm_cnt = left.cluster_max = 1;
  if (left.thread_max > TF_CARD_FUSED_THREADS) left.thread_max = TF_CARD_FUSED_THREADS;
  left.shared_bytes_max -=
      shared < left.shared_bytes_max ? (uint32_t)shared : left.shared_bytes_max;
  return left;
}

static tf_card_program_t shape_of(const tf_card_program_t *features, const tf_card_program_t *net,
                                  uint64_t image_bytes) {
  return (tf_card_program_t){.kind         = TF_CARD_FUSED,
                             .model_hash   = net->model_hash,
                             .precision    = net->precision,
                             .input_cnt    = features->input_cnt,
                             .output_cnt   = net->output_cnt,
                             .window       = features->window,
                             .block_cnt    = features->block_cnt,
                             .cluster_size = 1,
                             .thread_cnt   = net->thread_cnt,
                             .takes_sets   = features->takes_sets,
                             .shared_bytes = features->shared_bytes + net->shared_bytes,
                             .state_bytes  = features->state_bytes + net->state_bytes,
                             .scratch_bytes =
                                 features->scratch_bytes + features->block_cnt * net->scratch_bytes,
                             .image_bytes = image_bytes};
}

/* The net's tensors, where they lie now. */
static tf_err_t add_parts(const tf_card_program_t *net, tf_card_program_t **program) {
  const uint64_t        at    = tf_card_fused_of(*program)->net_at + sizeof *net;
  const tf_card_part_t *list  = tf_card_parts_of((tf_card_program_t *)(uintptr_t)net);
  tf_card_parts_t       parts = {0};
  tf_err_t              err   = TF_OK;
  for (uint32_t i = 0; i < net->part_cnt && !err; i++)
    err = tf_card_parts_add(&parts, at + list[i].at, list[i].bytes, list[i].name);
  if (!err && net->part_cnt) err = tf_card_parts_end(&parts, program);
  tf_card_parts_fini(&parts);
  return err;
}

static tf_err_t check_shared(const tf_card_program_t *p, const tf_card_limits_t *limits) {
  if (tf_loop_shared_bytes(p) <= limits->shared_bytes_max) return TF_OK;
  return TF_ERR(E_MODEL_SHAPE,
                "features and model want %u bytes of a block's shared memory; the card has %u",
                tf_loop_shared_bytes(p), limits->shared_bytes_max);
}

tf_err_t tf_card_fused_make(const tf_plan_view_t *view, uint32_t instrument_cnt, uint32_t block_cnt,
                            const tf_card_program_t *net, const tf_card_limits_t *limits,
                            tf_card_program_t **program) {
  tf_card_program_t *features = NULL;
  *program                    = NULL;
  tf_err_t err                = check(view, net);
  if (err) return err;
  err = tf_card_features_make(view, instrument_cnt, net->thread_cnt, block_cnt, limits, &features);
  if (err) return err;
  const tf_card_fused_t head  = {.features_at    = sizeof head,
                                 .net_at         = (uint32_t)(sizeof head + bytes_of(features)),
                                 .instrument_cnt = instrument_cnt};
  const uint64_t        image = head.net_at + bytes_of(net);
  tf_card_program_t    *p     = calloc(1, sizeof *p + image);
  if (p) {
    uint8_t *at = (uint8_t *)(p + 1);
    *p          = shape_of(features, net, image);
    memcpy(at, &head, sizeof head);
    memcpy(at + head.features_at, features, sizeof *features + features->image_bytes);
    memcpy(at + head.net_at, net, sizeof *net + net->image_bytes);
    ((tf_card_program_t *)(void *)(at + head.net_at))->part_cnt = 0; /* the whole one's */
    err                                                         = check_shared(p, limits);
    if (!err)
      err = tf_card_features_check_memory(instrument_cnt, p->state_bytes + sizeof(uint32_t),
                                          tf_loop_scratch_bytes(p) + 2 * bytes_of(p), limits);
    if (!err) err = add_parts(net, &p);
    *program = err ? NULL : p;
    if (err) free(p);
  } else {
    err = TF_ERR(E_CORE_NO_MEMORY, "%llu bytes for a card's program", (unsigned long long)image);
  }
  free(features);
  return err;
}
