#include "gpu/card_features.h"

#include <string.h>

#include "core/error.h"

#define THREADS       128u   /* more than a level of most plans has steps */
#define SHARED_SPARED 16384u /* for the loop around the program: rows, answers */

static const struct {
  const char *name;
  uint8_t     kind;
} FUNCTIONS[TF_CARD_FN_CNT] = {
#define FN(of, name) [TF_CARD_FN_##of##_##name] = {#name, TF_PLAN_##of},
#include "gpu/card_feature_fn.def"
#undef FN
};

static uint32_t function_of(const tf_plan_step_t *s) {
  uint32_t i = 0;
  while (i < TF_CARD_FN_CNT && (FUNCTIONS[i].kind != s->kind || strcmp(FUNCTIONS[i].name, s->name)))
    i++;
  return i;
}

static tf_err_t check_steps(const tf_plan_view_t *view) {
  if (view->missing)
    return TF_ERR(E_MODEL_UNSUPPORTED, "features read %s, which the card does not compute",
                  view->missing);
  for (uint32_t i = 0; i < view->step_cnt; i++) {
    const tf_plan_step_t *s = &view->steps[i];
    if (s->on_events)
      return TF_ERR(E_MODEL_UNSUPPORTED,
                    "features read %s, which follows each event: the card does not", s->name);
    if (function_of(s) == TF_CARD_FN_CNT)
      return TF_ERR(E_MODEL_UNSUPPORTED, "features read %s, which the card does not compute",
                    s->name);
    if (s->in_cnt > 2 || s->out_cnt != 1)
      return TF_ERR(E_MODEL_UNSUPPORTED, "%s has %u inputs and %u outputs; the card takes 2 and 1",
                    s->name, s->in_cnt, s->out_cnt);
  }
  return TF_OK;
}

/* ---- levels ---- */

typedef struct draft {
  const tf_plan_view_t *view;
  uint32_t             *slot_levels; /* (slot_cnt) 1 + the level that makes it; 0: it is there */
  uint32_t             *step_levels; /* (step_cnt) */
  uint32_t              level_cnt;
} draft_t;

/* Inputs come first in the view's order. */
static void find_levels(draft_t *d) {
  for (uint32_t i = 0; i < d->view->step_cnt; i++) {
    const tf_plan_step_t *s     = &d->view->steps[i];
    uint32_t              level = 0;
    for (uint32_t k = 0; k < s->in_cnt; k++)
      if (level < d->slot_levels[s->in[k]]) level = d->slot_levels[s->in[k]];
    d->step_levels[i]      = level;
    d->slot_levels[s->out] = level + 1;
    if (d->level_cnt < level + 1) d->level_cnt = level + 1;
  }
}

static uint32_t write_steps(const draft_t *d, uint32_t level, bool crosses,
                            tf_card_feature_step_t *to) {
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < d->view->step_cnt; i++) {
    const tf_plan_step_t *s = &d->view->steps[i];
    if (d->step_levels[i] != level || (s->kind == TF_PLAN_CROSS) != crosses) continue;
    to[cnt++] = (tf_card_feature_step_t){
        .fn           = (uint16_t)function_of(s),
        .out          = s->out,
        .in           = {s->in[0], s->in[1]},
        .state_offset = s->state_offset,
        .section      = s->section,
        .puts         = s->puts,
        .member_min   = s->member_min
    };
  }
  return cnt;
}

static void write_levels(const draft_t *d, tf_card_feature_level_t *levels,
                         tf_card_feature_step_t *steps) {
  uint32_t at = 0;
  for (uint32_t l = 0; l < d->level_cnt; l++) {
    levels[l].first     = at;
    levels[l].cnt       = write_steps(d, l, false, steps + at);
    levels[l].cross_cnt = write_steps(d, l, true, steps + at + levels[l].cnt);
    at += levels[l].cnt + levels[l].cross_cnt;
  }
}

/* ---- the program ---- */

/* Slots, and a word of each thread for what all of them add up. */
static uint64_t shared_bytes_of(const tf_plan_view_t *view) {
  return tf_align_up(((uint64_t)view->slot_cnt + THREADS) * sizeof(double), TF_LINE_PAIR_BYTES);
}

static uint64_t state_bytes_of(const tf_plan_view_t *view) {
  return tf_align_up(sizeof(tf_card_feature_head_t) + view->mem_bytes, TF_LINE_PAIR_BYTES);
}

static tf_err_t check_sizes(const tf_plan_view_t *view, uint32_t instrument_cnt,
                            const tf_card_limits_t *limits) {
  if (instrument_cnt == 0 || instrument_cnt > TF_CARD_FEATURES_INSTRUMENTS_MAX)
    return TF_ERR(E_MODEL_SHAPE, "features of %u instruments; a card takes 1 to %u", instrument_cnt,
                  TF_CARD_FEATURES_INSTRUMENTS_MAX);
  if (view->feature_cnt == 0 || view->feature_cnt > TF_MAILBOX_VALUES_MAX)
    return TF_ERR(E_MODEL_SHAPE, "%u features; an answer holds 1 to %u", view->feature_cnt,
                  TF_MAILBOX_VALUES_MAX);
  if (limits->thread_max < THREADS ||
      shared_bytes_of(view) + SHARED_SPARED > limits->shared_bytes_max)
    return TF_ERR(
        E_MODEL_SHAPE,
        "the features' %u values want %llu bytes of a block's shared memory and %u threads; "
        "the card has %u and %u",
        view->slot_cnt, (unsigned long long)(shared_bytes_of(view) + SHARED_SPARED), THREADS,
        limits->shared_bytes_max, limits->thread_max);
  uint64_t one = state_bytes_of(view) + view->section_cnt * sizeof(double);
  if (view->mem_bytes > UINT32_MAX / 2 || one > limits->memory_bytes / instrument_cnt)
    return TF_ERR(
        E_GPU_MEMORY, "features of %u instruments want %llu bytes each; the card has %llu",
        instrument_cnt, (unsigned long long)one, (unsigned long long)limits->memory_bytes);
  return TF_OK;
}

static uint32_t put(uint64_t *at, uint64_t bytes) {
  uint64_t begin = *at;
  *at            = tf_align_up(begin + bytes, TF_LINE_BYTES);
  return (uint32_t)begin;
}

static tf_err_t write_program(const draft_t *d, uint32_t instrument_cnt,
                              tf_card_program_t **program) {
  const tf_plan_view_t *view = d->view;
  uint64_t              size = sizeof(tf_card_features_t);
  tf_card_features_t    head = {.level_cnt      = d->level_cnt,
                                .step_cnt       = view->step_cnt,
                                .slot_cnt       = view->slot_cnt,
                                .section_cnt    = view->section_cnt,
                                .feature_cnt    = view->feature_cnt,
                                .instrument_cnt = instrument_cnt,
                                .mem_bytes      = (uint32_t)view->mem_bytes};
  head.levels_at             = put(&size, d->level_cnt * sizeof(tf_card_feature_level_t));
  head.steps_at              = put(&size, view->step_cnt * sizeof(tf_card_feature_step_t));
  head.rows_at               = put(&size, view->feature_cnt * sizeof(uint16_t));
  head.memory_at             = put(&size, view->mem_bytes);
  tf_card_program_t *p       = calloc(1, sizeof *p + size);
  if (!p)
    return TF_ERR(E_CORE_NO_MEMORY, "%llu bytes for a card's program", (unsigned long long)size);
  *p = (tf_card_program_t){
      .kind          = TF_CARD_FEATURES,
      .precision     = TF_PRECISION_FP32,
      .input_cnt     = TF_MAILBOX_EVENT_VALUES,
      .output_cnt    = view->feature_cnt,
      .window        = 2, /* the loop sees to it that no event is missing */
      .block_cnt     = 1,
      .cluster_size  = 1,
      .thread_cnt    = THREADS,
      .shared_bytes  = (uint32_t)shared_bytes_of(view),
      .state_bytes   = state_bytes_of(view),
      .scratch_bytes = tf_align_up((uint64_t)view->section_cnt * instrument_cnt * sizeof(double),
                                   TF_LINE_PAIR_BYTES),
      .image_bytes   = size};
  uint8_t *image = (uint8_t *)(p + 1);
  memcpy(image, &head, sizeof head);
  memcpy(image + head.rows_at, view->row_slots, view->feature_cnt * sizeof(uint16_t));
  memcpy(image + head.memory_at, view->memory, view->mem_bytes);
  write_levels(d, (void *)(image + head.levels_at), (void *)(image + head.steps_at));
  *program = p;
  return TF_OK;
}

tf_err_t tf_card_features_make(const tf_plan_view_t *view, uint32_t instrument_cnt,
                               const tf_card_limits_t *limits, tf_card_program_t **program) {
  *program     = NULL;
  tf_err_t err = check_steps(view);
  if (err == TF_OK) err = check_sizes(view, instrument_cnt, limits);
  if (err != TF_OK) return err;
  draft_t d = {.view        = view,
               .slot_levels = calloc(view->slot_cnt + 1, sizeof(uint32_t)),
               .step_levels = calloc(view->step_cnt + 1, sizeof(uint32_t))};
  if (!d.slot_levels || !d.step_levels)
    err = TF_ERR(E_CORE_NO_MEMORY, "%u values of a feature plan", view->slot_cnt);
  if (err == TF_OK) {
    find_levels(&d);
    err = write_program(&d, instrument_cnt, program);
  }
  free(d.slot_levels);
  free(d.step_levels);
  return err;
}
