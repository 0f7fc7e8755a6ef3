/* Reading a value where a view says, and the functions that it goes through (card_net.h, card_net_fn.def). */
#ifndef TF_GPU_NET_FN_CUH
#define TF_GPU_NET_FN_CUH

#include "gpu/card_net.h"
#include "gpu/device.cuh"

#ifdef __CUDACC__
#define TF_NET_APART static __device__ __noinline__ /* one copy of all functions */
#else
#include <math.h>
#define TF_NET_APART static inline
#endif

/* What places are counted from, for one instrument. */
typedef struct tf_net_memory {
  float       *values, *state;
  const float *image, *kept;
  uint32_t
      value_words; /* where values are in the card's memory, block after block; 0: in shared memory */
} tf_net_memory_t;

TF_DEVICE float *tf_net_at(const tf_net_memory_t &memory, uint32_t base, uint32_t at) {
  const float *from = base == TF_CARD_VALUES  ? memory.values
                      : base == TF_CARD_STATE ? memory.state
                      : base == TF_CARD_IMAGE ? memory.image
                                              : memory.kept;
  return const_cast<float *>(from) + at; /* nothing is ever written to image and kept */
}
TF_DEVICE float *tf_net_at(const tf_net_memory_t &memory, tf_card_net_place_t place) {
  return tf_net_at(memory, place.base, place.at);
}
TF_DEVICE const float *tf_net_at_or_null(const tf_net_memory_t &memory, tf_card_net_place_t place) {
  return place.base == TF_CARD_NOWHERE ? NULL : tf_net_at(memory, place);
}

/* What lies at p of this block's values, in those of another block of the cluster. */
TF_DEVICE float *tf_net_of_peer(const tf_net_memory_t &memory, float *p, uint32_t peer) {
  if (memory.value_words == 0) return tf_cluster_peer(p, peer);
  return p + ((ptrdiff_t)peer - (ptrdiff_t)tf_cluster_rank()) * memory.value_words;
}

/* A view's place, found once an op. */
typedef struct tf_net_walk {
  float   *at;
  uint32_t walk;
} tf_net_walk_t;

TF_DEVICE tf_net_walk_t tf_net_walk_of(const tf_net_memory_t    &memory,
                                       const tf_card_net_view_t &view) {
  tf_net_walk_t w = {tf_net_at(memory, view.place), view.walk};
  return w;
}

/* Value i's address; NULL for nothing. */
TF_DEVICE float *tf_net_value_at(const tf_net_memory_t &memory, const tf_net_walk_t &w,
                                 uint32_t i) {
  if (w.walk != TF_CARD_TABLE) return w.walk == TF_CARD_ALONG ? w.at + i : w.at;
  const uint32_t entry = reinterpret_cast<const uint32_t *>(w.at)[i];
  if (entry == TF_CARD_NOTHING) return NULL;
  return tf_net_at(memory, entry >> 30, entry & (TF_CARD_NET_TABLE_AT_MAX - 1));
}
TF_DEVICE float tf_net_read(const tf_net_memory_t &memory, const tf_net_walk_t &w, uint32_t i,
                            float fill) {
  const float *at = tf_net_value_at(memory, w, i);
  return at ? *at : fill;
}

/* ---- functions ---- */

TF_DEVICE float tf_card_clipped(float x, float low, float high) {
  return x < low ? low : x > high ? high : x;
}
TF_DEVICE float tf_card_power(float a, float b) {
  if (b == 2.0f) return a * a;
  if (b == 3.0f) return a * a * a;
  if (b == 0.5f) return sqrtf(a);
  return powf(a, b);
}
TF_DEVICE float tf_net_sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

TF_NET_APART float tf_net_apply(uint32_t fn, float a, float b, float c, float alpha, float beta) {
  switch (fn) {
#define TF_CARD_FN(name, inputs, expr)                                                             \
  case TF_CARD_FN_##name:                                                                          \
    return expr;
#include "gpu/card_net_fn.def"
#undef TF_CARD_FN
  }
  return a;
}

TF_DEVICE float tf_net_other(const tf_net_memory_t &memory, const tf_card_net_view_t &view,
                             uint32_t i, float x) {
  if (view.walk == TF_CARD_SELF) return x;
  return tf_net_read(memory, tf_net_walk_of(memory, view), i, 0.0f);
}

/* x, which is value i of op's output, through the functions behind it. */
TF_DEVICE float tf_net_through(const tf_net_memory_t &memory, const tf_card_net_step_t *steps,
                               const tf_card_net_op_t &op, uint32_t i, float x) {
  for (uint32_t s = 0; s < op.step_cnt; s++) {
    const tf_card_net_step_t &step = steps[op.step_at + s];
    const float               y    = tf_net_other(memory, step.others[0], i, x),
                z                  = tf_net_other(memory, step.others[1], i, x);
    x                              = tf_net_apply(step.fn, step.through == 0 ? x : y,
                     step.through == 1   ? x
                                                  : step.through == 0 ? y
                                                                      : z,
                     step.through == 2 ? x : z, step.alpha, step.beta);
  }
  return x;
}

#endif
