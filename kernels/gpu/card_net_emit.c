#include "gpu/card_net_emit.h"

#include <string.h>

bool tf_card_net_emit_is_named(const tf_tensor_use_t *use, const char *name) {
  return strcmp(use->op->name, name) == 0;
}

const float *tf_card_net_emit_constant_of(const tf_card_net_emit_t *e, uint32_t i) {
  return e->d->net->values[e->node->in[i]].constant;
}

tf_err_t tf_card_net_emit_add_floats(tf_card_net_emit_t *e, const float *values, uint32_t cnt,
                                     tf_card_net_place_t *place) {
  return tf_card_net_draft_add(e->d, "values", values, cnt, place);
}

tf_card_net_place_t tf_card_net_emit_computed_at(const tf_card_net_emit_t *e, uint32_t i) {
  return tf_card_net_place(e->call->in_state >> i & 1 ? TF_CARD_STATE : TF_CARD_VALUES,
                           e->call->at[i]);
}

tf_err_t tf_card_net_emit_input_at(tf_card_net_emit_t *e, uint32_t i, tf_card_net_place_t *place) {
  const float *constant = tf_card_net_emit_constant_of(e, i);
  if (constant) return tf_card_net_emit_add_floats(e, constant, e->use->in[i].cnt, place);
  *place = tf_card_net_emit_computed_at(e, i);
  return TF_OK;
}

tf_card_net_place_t tf_card_net_emit_out_at(const tf_net_call_t *call) {
  return tf_card_net_place(call->out_in_state ? TF_CARD_STATE : TF_CARD_VALUES, call->out_at);
}

tf_card_net_place_t tf_card_net_emit_work_at(tf_card_net_emit_t *e, uint64_t words) {
  if (e->d->work_words < words) e->d->work_words = (uint32_t)words;
  return tf_card_net_place(TF_CARD_VALUES, e->d->work_at);
}

tf_card_net_place_t tf_card_net_emit_behind(tf_card_net_place_t place, uint64_t words) {
  return tf_card_net_place((tf_card_net_base_t)place.base, place.at + (uint32_t)words);
}

void tf_card_net_emit_touch(tf_card_net_emit_t *e, tf_card_net_place_t place, uint64_t words,
                            bool writes) {
  TF_ASSERT(e->access_cnt < TF_CARD_NET_EMIT_ACCESSES_MAX);
  e->accesses[e->access_cnt++] = (tf_card_net_access_t){place, (uint32_t)words, writes, e->d->call};
}

void tf_card_net_emit_touch_all(tf_card_net_emit_t *e) {
  e->access_cnt = 0;
  for (uint32_t i = 0; i < e->use->in_cnt; i++)
    if (!tf_card_net_emit_constant_of(e, i))
      tf_card_net_emit_touch(e, tf_card_net_emit_computed_at(e, i), e->use->in[i].cnt, false);
  tf_card_net_emit_touch(e, tf_card_net_emit_out_at(e->call), e->use->out.cnt, true);
}

tf_card_net_op_t tf_card_net_emit_op_of(const tf_card_net_emit_t *e, tf_card_net_op_kind_t kind,
                                        uint32_t item_cnt) {
  return (tf_card_net_op_t){.kind     = kind,
                            .node     = e->call->node,
                            .item_cnt = item_cnt,
                            .lanes    = 1,
                            .out      = tf_card_net_emit_out_at(e->call)};
}

tf_err_t tf_card_net_emit_add_op(tf_card_net_emit_t *e, tf_card_net_op_t *op) {
  return tf_card_net_draft_op(e->d, op, e->accesses, e->access_cnt);
}

uint32_t tf_card_net_emit_lanes_of(const tf_card_net_draft_t *d, uint32_t cnt, uint32_t each,
                                   uint32_t few, uint64_t item_cnt) {
  uint32_t lanes = 1;
  while (lanes < TF_CARD_NET_LANES_MAX && (uint64_t)2 * lanes * each <= cnt &&
         (lanes < few || 2 * lanes * item_cnt <= d->thread_cnt))
    lanes *= 2;
  return lanes;
}
