/* How most indicators of this folder are written: as two functions, from which update, peek, reset, batch and
 * the descriptor follow.
 *
 *   typedef struct mom { tf_lag_t before; } mom_t;
 *
 *   static uint64_t mom_build(mom_t *s, tf_layout_t *l, const double *params) {
 *     return tf_lag_init(&s->before, l, params[0]);
 *   }
 *
 *   static bool mom_step(mom_t *s, tf_store_t m, const double *x, double *y) {
 *     double before;
 *     if (!tf_lag_step(&s->before, m, x[0], &before)) return false;
 *     y[0] = x[0] - before;
 *     return true;
 *   }
 *
 *   TF_INDICATOR_DEFINE(mom, mom_t, .group = TF_GROUP_MOMENTUM, .help = ..., TF_SERIES("close"), ...)
 *
 * build sets a zeroed state up and returns its lookback. What has a length that the parameters decide, a ring, does not
 * lie in the struct but in the store behind it; build asks the layout for room and keeps the place.
 *
 * step takes one input, all of it usable (parts.h), and returns whether y[] was set: false while it
 * warms up. It may change *s as it likes: peek hands it a copy. It writes the store only through
 * the parts that know of m.keep, which is false for peek; so a step never reads back from the store what the same
 * step wrote.
 *
 * update is flattened: all that step calls is compiled into it, but what is marked noinline or cold. Calling had been a
 * tenth of all instructions (tests/instructions/indicators.txt).
 *
 * A state is the struct, the parameters (for reset), the store: 8-byte words without a pointer. */
#ifndef TF_INDICATOR_STEP_H
#define TF_INDICATOR_STEP_H

#include <stdlib.h>

#include "indicator/parts.h"

/* Room in the store, in 8-byte words, while a state is built. build runs twice: to count, then with a store. */
typedef struct tf_layout {
  double  *store; /* zeroed; NULL while counting */
  uint32_t words;
  bool     is_absurd; /* a parameter has no meaning, or the words are too many */
} tf_layout_t;

/* Where the store lies, and whether a step may write it. */
typedef struct tf_store {
  double *words;
  bool    keep;
} tf_store_t;

/* No state has more words in its store: 128 MiB. */
#define TF_LAYOUT_WORDS_MAX (1u << 24)

/* The place of cnt words. */
TF_INLINE uint32_t tf_layout_take(tf_layout_t *l, uint64_t cnt) {
  uint32_t at = l->words;
  if (cnt > TF_LAYOUT_WORDS_MAX - at) {
    l->is_absurd = true;
    return 0;
  }
  l->words += (uint32_t)cnt;
  return at;
}

/* A parameter that is a count, at least min; min where it is absurd. */
TF_INLINE uint32_t tf_layout_count(tf_layout_t *l, double param, uint32_t min) {
  uint32_t cnt = min;
  if (tf_parts_count(param, min, &cnt) == TF_OK) return cnt;
  l->is_absurd = true;
  return min;
}

/* A part whose state lies in the store as a whole, taken out and put back by each step. */
#define TF_STORE_WORDS(type) ((sizeof(type) + sizeof(double) - 1) / sizeof(double))

TF_INLINE uint32_t tf_layout_place(tf_layout_t *l, const void *part, size_t bytes) {
  uint32_t at = tf_layout_take(l, (bytes + sizeof(double) - 1) / sizeof(double));
  if (l->store && !l->is_absurd) memcpy(l->store + at, part, bytes);
  return at;
}

TF_INLINE void tf_store_put(tf_store_t m, uint32_t at, double x) {
  if (m.keep) m.words[at] = x;
}

/* Counts inputs that a part leaves out before it starts; true once it has. */
TF_INLINE bool tf_idle(uint32_t *to_go) {
  if (TF_LIKELY(*to_go == 0)) return true;
  --*to_go;
  return false;
}

/* What a step answered: all of the outputs or none, finite or NaN. */
TF_INLINE tf_indicator_result_t tf_step_result(bool is_warm, const double *y, uint32_t cnt,
                                               double *out) {
  return is_warm ? tf_parts_answers(out, y, cnt) : tf_parts_warming_all(out, cnt);
}

#define TF_STEP_WORDS_(type) TF_STORE_WORDS(type)

/* Before a step, and what it calls of its file: a card reads these too (gpu/feature_steps.cuh). */
#ifdef __CUDACC__
#define TF_STEP __host__ __device__ static
#else
#define TF_STEP static
#endif

/* Before one that is called where it is one of many: a card's compiler would make one function of all of them. */
#ifdef __CUDACC__
#define TF_STEP_APART static __device__ __noinline__
#else
#define TF_STEP_APART static
#endif

/* Before a function of a file of its own that steps call. */
#ifdef TF_STEPS_ONLY
#define TF_STEP_SHARED TF_STEP
#else
#define TF_STEP_SHARED
#endif

#define TF_SERIES(...)                                                                             \
  .series = {__VA_ARGS__}, .series_cnt = TF_ARRAY_CNT(((const char *const[]){__VA_ARGS__}))
#define TF_OUTPUTS(...)                                                                            \
  .outputs = {__VA_ARGS__}, .output_cnt = TF_ARRAY_CNT(((const char *const[]){__VA_ARGS__}))
#define TF_PARAMS(...)                                                                             \
  .params    = (const tf_param_spec_t[]){__VA_ARGS__},                                             \
  .param_cnt = TF_ARRAY_CNT(((const tf_param_spec_t[]){__VA_ARGS__}))

/* The functions of indicator id from id_build and id_step, and its descriptor; the rest are the
 * descriptor's fields. */
#define TF_INDICATOR_DEFINE(id, type, ...)                                                         \
  TF_INDICATOR_DEFINE_AS(id, type, id##_build, id##_step, __VA_ARGS__)

#ifdef TF_STEPS_ONLY
#define TF_INDICATOR_DEFINE_AS(id, type, build, step, ...)                                         \
  TF_STEP_APART bool tf_step_##id(void *state, uint32_t param_cnt, const double *x, double *y) {   \
    tf_store_t m = {(double *)state + TF_STEP_WORDS_(type) + param_cnt, true};                     \
    return step((type *)state, m, x, y);                                                           \
  }
#else
/* The same where build or step belong to several. */
#define TF_INDICATOR_DEFINE_AS(id, type, build, step, ...)                                         \
  extern const tf_indicator_t                           tf_indicator_##id;                         \
  __attribute__((flatten)) static tf_indicator_result_t id##_update(                               \
      void *state, const tf_indicator_input_t *in, double *out) {                                  \
    const tf_indicator_t *d = &tf_indicator_##id;                                                  \
    double                y[TF_INDICATOR_OUTPUTS_MAX];                                             \
    if (TF_UNLIKELY(!tf_parts_all_usable(in->x, d->series_cnt))) return TF_INDICATOR_REJECTED;     \
    tf_store_t m = {(double *)state + TF_STEP_WORDS_(type) + d->param_cnt, true};                  \
    return tf_step_result(step((type *)state, m, in->x, y), y, d->output_cnt, out);                \
  }                                                                                                \
  static tf_indicator_result_t id##_peek(const void *state, const tf_indicator_input_t *in,        \
                                         double *out) {                                            \
    const tf_indicator_t *d = &tf_indicator_##id;                                                  \
    double                y[TF_INDICATOR_OUTPUTS_MAX];                                             \
    if (!tf_parts_all_usable(in->x, d->series_cnt)) return TF_INDICATOR_REJECTED;                  \
    type       copy = *(const type *)state;                                                        \
    tf_store_t m    = {(double *)(uintptr_t)state + TF_STEP_WORDS_(type) + d->param_cnt, false};   \
    return tf_step_result(step(&copy, m, in->x, y), y, d->output_cnt, out);                        \
  }                                                                                                \
  static uint64_t id##_plan(type *s, tf_layout_t *l, const double *params) {                       \
    memset(s, 0, sizeof *s);                                                                       \
    return build(s, l, params);                                                                    \
  }                                                                                                \
  static uint64_t id##_lookback(const double *params) {                                            \
    type        scratch;                                                                           \
    tf_layout_t l = {0};                                                                           \
    return id##_plan(&scratch, &l, params);                                                        \
  }                                                                                                \
  static size_t id##_state_bytes(const double *params) {                                           \
    type        scratch;                                                                           \
    tf_layout_t l = {0};                                                                           \
    (void)id##_plan(&scratch, &l, params);                                                         \
    size_t words = TF_STEP_WORDS_(type) + tf_indicator_##id.param_cnt;                             \
    return (words + (l.is_absurd ? 0 : l.words) + (words + l.words == 0)) * sizeof(double);        \
  }                                                                                                \
  static tf_err_t id##_init(void *state, const double *params) {                                   \
    type        scratch;                                                                           \
    tf_layout_t l = {0};                                                                           \
    (void)id##_plan(&scratch, &l, params);                                                         \
    if (l.is_absurd) return E_CORE_ARGUMENT;                                                       \
    memset(state, 0, id##_state_bytes(params));                                                    \
    double *words = (double *)state + TF_STEP_WORDS_(type);                                        \
    if (tf_indicator_##id.param_cnt > 0)                                                           \
      memcpy(words, params, tf_indicator_##id.param_cnt * sizeof *params);                         \
    l = (tf_layout_t){.store = words + tf_indicator_##id.param_cnt};                               \
    (void)build((type *)state, &l, params);                                                        \
    return TF_OK;                                                                                  \
  }                                                                                                \
  static void id##_reset(void *state) {                                                            \
    double params[TF_INDICATOR_PARAMS_MAX];                                                        \
    memcpy(params, (double *)state + TF_STEP_WORDS_(type),                                         \
           tf_indicator_##id.param_cnt * sizeof *params);                                          \
    (void)id##_init(state, params);                                                                \
  }                                                                                                \
  static void id##_batch(const double *params, const double *const *series, size_t len,            \
                         double *const *out) {                                                     \
    tf_step_batch(&tf_indicator_##id, id##_update, params, series, len, out);                      \
  }                                                                                                \
  const tf_indicator_t tf_indicator_##id = {                                                       \
      .name        = #id,                                                                          \
      .on          = TF_ON_INPUT,                                                                  \
      .state_bytes = id##_state_bytes,                                                             \
      .lookback    = id##_lookback,                                                                \
      .init        = id##_init,                                                                    \
      .update      = id##_update,                                                                  \
      .peek        = id##_peek,                                                                    \
      .reset       = id##_reset,                                                                   \
      .batch       = id##_batch,                                                                   \
      __VA_ARGS__,                                                                                 \
  }
#endif

#ifndef TF_STEPS_ONLY
/* A whole series through a state of its own, which it allocates: not for a lane. What is rejected reads NaN. */
TF_INLINE void
tf_step_batch(const tf_indicator_t *d,
              tf_indicator_result_t (*update)(void *, const tf_indicator_input_t *, double *),
              const double *params, const double *const *series, size_t len, double *const *out) {
  void *state = malloc(d->state_bytes(params));
  TF_ASSERT(state && d->init(state, params) == TF_OK);
  for (size_t i = 0; i < len; i++) {
    double               y[TF_INDICATOR_OUTPUTS_MAX];
    tf_indicator_input_t in = {.on = TF_ON_INPUT};
    for (uint32_t k = 0; k < d->series_cnt; k++) in.x[k] = series[k][i];
    if (update(state, &in, y) == TF_INDICATOR_REJECTED)
      (void)tf_parts_warming_all(y, d->output_cnt);
    for (uint32_t o = 0; o < d->output_cnt; o++) out[o][i] = y[o];
  }
  free(state);
}
#endif

#endif
