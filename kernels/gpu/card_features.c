#include "gpu/card_features.h"

#include <string.h>

#include "core/error.h"

#define THREADS       128u   /* more than a level of most plans has steps */
#define SHARED_SPARED 16384u /* for the loop around the program: rows, answers */

static const struct {
  const char *name;
  uint8_t     kind;
} FUNCTIONS[TF_CARD_FEATURE_CNT] = {
#define FN(of, name) [TF_CARD_FEATURE_##of##_##name] = {#name, TF_PLAN_##of},
#define STEP(name)   [TF_CARD_FEATURE_STEP_##name] = {#name, TF_PLAN_SERIES},
#include "gpu/card_feature_fn.def"
#undef FN
#undef STEP
};

static uint32_t function_of(const char *name, uint32_t kind) {
  uint32_t i = 0;
  while (i < TF_CARD_FEATURE_CNT &&
         (FUNCTIONS[i].kind != kind || strcmp(FUNCTIONS[i].name, name) != 0))
    i++;
  return i;
}

bool tf_card_features_runs(const char *name, tf_view_step_kind_t kind) {
  return function_of(name, kind) < TF_CARD_FEATURE_CNT;
}

/* ---- what comes from outside ---- */

static bool is_step_sound(const tf_plan_view_t *v, const tf_view_step_t *s) {
  bool ok = s->kind < TF_PLAN_KIND_CNT && memchr(s->name, 0, sizeof s->name) &&
            s->in_cnt <= TF_CARD_FEATURE_INPUTS_MAX && s->out_cnt >= 1 &&
            s->out_cnt <= TF_CARD_FEATURE_OUTPUTS_MAX &&
            (uint32_t)s->out + s->out_cnt <= v->slot_cnt && s->state_offset <= v->mem_bytes &&
            s->state_offset % sizeof(double) == 0 && s->param_cnt <= TF_INDICATOR_PARAMS_MAX &&
            (s->kind != TF_PLAN_CROSS || s->section < v->section_cnt);
  for (uint32_t k = 0; ok && k < s->in_cnt; k++) ok = s->in[k] < v->slot_cnt;
  return ok;
}

tf_err_t tf_card_plan_read(const void *image, uint64_t bytes, tf_plan_view_t *view) {
  const char *wrong = NULL;
  uint32_t    at    = 0;
  if (!tf_plan_view_lay(view, image, bytes)) wrong = "its sizes do not fit each other";
  for (uint32_t i = 0; !wrong && i < view->step_cnt; i++)
    if (!is_step_sound(view, &view->steps[i])) at = i, wrong = "a step names what is not there";
  for (uint32_t i = 0; !wrong && i < view->field_cnt; i++)
    if (view->fields[i].slot >= view->slot_cnt || view->fields[i].field >= TF_MARKET_ROW_BAR_FIELDS)
      at = i, wrong = "a bar's field names what is not there";
  for (uint32_t i = 0; !wrong && i < view->feature_cnt; i++)
    if (view->row_slots[i] >= view->slot_cnt) at = i, wrong = "a feature is no value of the plan";
  return wrong ? TF_ERR(E_FILE_FORMAT, "feature plan of %llu bytes: %s (%u)",
                        (unsigned long long)bytes, wrong, at)
               : TF_OK;
}

/* Steps that see events between ticks have a state that a card moves as such. */
static bool is_following(const tf_view_step_t *s) {
  static const uint16_t FOLLOW[] = {TF_CARD_FEATURE_MARKET_cvd,
                                    TF_CARD_FEATURE_MARKET_ofi,
                                    TF_CARD_FEATURE_MARKET_trade_count,
                                    TF_CARD_FEATURE_MARKET_trade_imbalance,
                                    TF_CARD_FEATURE_MARKET_trade_intensity,
                                    TF_CARD_FEATURE_MARKET_volume,
                                    TF_CARD_FEATURE_MARKET_vwap};
  const uint32_t        fn       = function_of(s->name, s->kind);
  for (size_t i = 0; i < TF_ARRAY_CNT(FOLLOW); i++)
    if (FOLLOW[i] == fn) return true;
  return false;
}

static tf_err_t check_steps(const tf_plan_view_t *view) {
  uint32_t handed = 0;
  for (uint32_t i = 0; i < view->step_cnt; i++) {
    const tf_view_step_t *s = &view->steps[i];
    handed += s->kind == TF_PLAN_HANDED;
    if (s->kind != TF_PLAN_HANDED && function_of(s->name, s->kind) == TF_CARD_FEATURE_CNT)
      return TF_ERR(E_MODEL_UNSUPPORTED, "features read %s, which the card does not compute",
                    s->name);
    if (s->on & TF_ON_BOOK)
      return TF_ERR(E_MODEL_UNSUPPORTED, "%s follows levels, which the card does not see", s->name);
    if (s->on && s->kind != TF_PLAN_HANDED && !is_following(s))
      return TF_ERR(E_MODEL_UNSUPPORTED, "%s is no indicator that follows events on a card",
                    s->name);
  }
  if (handed <= TF_MARKET_ROW_HANDED_MAX) return TF_OK;
  return TF_ERR(E_MODEL_UNSUPPORTED, "%u values are not computed on the card; a row hands over %u",
                handed, TF_MARKET_ROW_HANDED_MAX);
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
    const tf_view_step_t *s     = &d->view->steps[i];
    uint32_t              level = 0;
    if (s->bar != TF_PLAN_NO_BAR || s->kind == TF_PLAN_HANDED)
      continue; /* there before the steps */
    for (uint32_t k = 0; k < s->in_cnt; k++)
      if (level < d->slot_levels[s->in[k]]) level = d->slot_levels[s->in[k]];
    d->step_levels[i] = level;
    for (uint32_t o = 0; o < s->out_cnt; o++) d->slot_levels[s->out + o] = level + 1;
    if (d->level_cnt < level + 1) d->level_cnt = level + 1;
  }
}

static tf_card_feature_step_t step_of(const tf_view_step_t *s) {
  tf_card_feature_step_t to = {.fn           = (uint16_t)function_of(s->name, s->kind),
                               .out          = s->out,
                               .state_offset = s->state_offset,
                               .section      = s->section,
                               .puts         = s->puts,
                               .member_min   = s->member_min,
                               .in_cnt       = s->in_cnt,
                               .out_cnt      = s->out_cnt,
                               .bar          = s->bar,
                               .param_cnt    = s->param_cnt,
                               .param        = s->param};
  for (uint32_t k = 0; k < s->in_cnt; k++) to.in[k] = s->in[k];
  return to;
}

static uint32_t write_steps(const draft_t *d, uint32_t level, bool crosses,
                            tf_card_feature_step_t *to) {
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < d->view->step_cnt; i++) {
    const tf_view_step_t *s = &d->view->steps[i];
    if (s->bar == TF_PLAN_NO_BAR && s->kind != TF_PLAN_HANDED && d->step_levels[i] == level &&
        (s->kind == TF_PLAN_CROSS) == crosses)
      to[cnt++] = step_of(s);
  }
  return cnt;
}

/* Those that see events too, in any order: none reads another's. */
static uint32_t write_following(const tf_plan_view_t *view, tf_card_feature_step_t *to) {
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < view->step_cnt; i++) {
    if (!view->steps[i].on || view->steps[i].kind == TF_PLAN_HANDED) continue;
    to[cnt]           = step_of(&view->steps[i]);
    to[cnt++].section = view->steps[i].on;
  }
  return cnt;
}

static uint32_t write_bars(const tf_plan_view_t *view, tf_card_feature_step_t *to) {
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < view->step_cnt; i++)
    if (view->steps[i].bar != TF_PLAN_NO_BAR && view->steps[i].kind != TF_PLAN_HANDED)
      to[cnt++] = step_of(&view->steps[i]);
  return cnt;
}

static uint32_t write_handed(const tf_plan_view_t *view, uint16_t *to) {
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < view->step_cnt; i++)
    if (view->steps[i].kind == TF_PLAN_HANDED) to[cnt++] = view->steps[i].out;
  return cnt;
}

static void write_fields(const tf_plan_view_t *view, tf_card_feature_field_t *to) {
  for (uint32_t i = 0; i < view->field_cnt; i++)
    to[i] =
        (tf_card_feature_field_t){view->fields[i].slot, view->fields[i].field, view->fields[i].bar};
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

static uint64_t state_bytes_of(const tf_plan_view_t *view) {
  return tf_align_up(sizeof(tf_card_feature_head_t) + view->mem_bytes, TF_LINE_PAIR_BYTES);
}

/* Of the plan's; none where none of them is read. */
static uint32_t sections_of(const tf_plan_view_t *view) {
  bool any = false;
  for (uint32_t i = 0; i < view->step_cnt; i++) any |= view->steps[i].kind == TF_PLAN_CROSS;
  return any ? view->section_cnt : 0;
}

uint32_t tf_card_features_blocks(uint32_t batch_max, const tf_card_limits_t *limits) {
  const uint32_t half = limits->sm_cnt / 2;
  const uint32_t cnt  = batch_max < half ? batch_max : half;
  return cnt < 1 ? 1 : cnt < TF_MAILBOX_BATCH_MAX ? cnt : TF_MAILBOX_BATCH_MAX;
}

uint64_t tf_card_features_shared_bytes(const tf_plan_view_t *view, uint32_t instrument_cnt,
                                       uint32_t block_cnt) {
  return tf_card_features_beside_at(view->slot_cnt, view->feature_cnt) +
         tf_card_features_beside_bytes(sections_of(view), instrument_cnt, block_cnt);
}

tf_err_t tf_card_features_check_memory(uint32_t instrument_cnt, uint64_t each_bytes,
                                       uint64_t common_bytes, const tf_card_limits_t *limits) {
  uint64_t want;
  if (__builtin_mul_overflow(each_bytes, instrument_cnt, &want) ||
      __builtin_add_overflow(want, common_bytes, &want))
    want = UINT64_MAX;
  if (want <= limits->memory_bytes) return TF_OK;
  return TF_ERR(E_GPU_MEMORY,
                "features of %u instruments want %llu bytes of the device, %llu each; this worker "
                "may use %llu: "
                "fewer instruments (engine.instruments_max), shorter windows, or a greater "
                "gpu.memory_fraction",
                instrument_cnt, (unsigned long long)want, (unsigned long long)each_bytes,
                (unsigned long long)limits->memory_bytes);
}

static tf_err_t check_sizes(const tf_plan_view_t *view, uint32_t instrument_cnt,
                            uint32_t thread_cnt, uint32_t block_cnt,
                            const tf_card_limits_t *limits) {
  const uint64_t shared =
      tf_card_features_shared_bytes(view, instrument_cnt, block_cnt) + SHARED_SPARED;
  if (instrument_cnt == 0 || instrument_cnt > TF_CARD_FEATURES_INSTRUMENTS_MAX)
    return TF_ERR(E_MODEL_SHAPE, "features of %u instruments; a card takes 1 to %u", instrument_cnt,
                  TF_CARD_FEATURES_INSTRUMENTS_MAX);
  if (view->feature_cnt == 0 || view->feature_cnt > TF_MAILBOX_VALUES_MAX)
    return TF_ERR(E_MODEL_SHAPE, "%u features; an answer holds 1 to %u", view->feature_cnt,
                  TF_MAILBOX_VALUES_MAX);
  if (limits->thread_max < thread_cnt || shared > limits->shared_bytes_max)
    return TF_ERR(
        E_MODEL_SHAPE,
        "the features' %u values want %llu bytes of a block's shared memory and %u threads; "
        "the card has %u and %u",
        view->slot_cnt, (unsigned long long)shared, thread_cnt, limits->shared_bytes_max,
        limits->thread_max);
  if (view->mem_bytes > UINT32_MAX / 2)
    return TF_ERR(E_MODEL_SHAPE, "an instrument's features keep %llu bytes; a card takes up to %u",
                  (unsigned long long)view->mem_bytes, UINT32_MAX / 2);
  return tf_card_features_check_memory(
      instrument_cnt, state_bytes_of(view) + sections_of(view) * sizeof(double), 0, limits);
}

static uint32_t put(uint64_t *at, uint64_t bytes) {
  uint64_t begin = *at;
  *at            = tf_align_up(begin + bytes, TF_LINE_BYTES);
  return (uint32_t)begin;
}

static uint64_t scratch_bytes_of(const tf_plan_view_t *view, uint32_t instrument_cnt,
                                 uint32_t block_cnt) {
  const uint32_t sections = sections_of(view);
  const uint64_t puts     = block_cnt > 1 ? (uint64_t)sections * block_cnt : 0;
  return tf_align_up(tf_card_features_puts_at(sections, instrument_cnt) +
                         puts * sizeof(tf_packet_t),
                     TF_LINE_PAIR_BYTES);
}

static tf_err_t write_program(const draft_t *d, uint32_t instrument_cnt, uint32_t thread_cnt,
                              uint32_t block_cnt, tf_card_program_t **program) {
  const tf_plan_view_t *view = d->view;
  const uint64_t        all  = view->step_cnt * sizeof(tf_card_feature_step_t);
  uint64_t              size = sizeof(tf_card_features_t);
  tf_card_features_t    head = {.level_cnt      = d->level_cnt,
                                .step_cnt       = view->step_cnt,
                                .slot_cnt       = view->slot_cnt,
                                .section_cnt    = sections_of(view),
                                .feature_cnt    = view->feature_cnt,
                                .instrument_cnt = instrument_cnt,
                                .mem_bytes      = (uint32_t)view->mem_bytes,
                                .field_cnt      = view->field_cnt,
                                .block_cnt      = block_cnt};
  head.levels_at             = put(&size, d->level_cnt * sizeof(tf_card_feature_level_t));
  head.steps_at              = put(&size, all);
  head.rows_at               = put(&size, view->feature_cnt * sizeof(uint16_t));
  head.follow_at             = put(&size, all);
  head.bars_at               = put(&size, all);
  head.handed_at             = put(&size, view->step_cnt * sizeof(uint16_t));
  head.fields_at             = put(&size, view->field_cnt * sizeof(tf_card_feature_field_t));
  tf_card_program_t *p       = calloc(1, sizeof *p + size);
  if (!p)
    return TF_ERR(E_CORE_NO_MEMORY, "%llu bytes for a card's program", (unsigned long long)size);
  *p = (tf_card_program_t){
      .kind          = TF_CARD_FEATURES,
      .precision     = TF_PRECISION_FP32,
      .output_cnt    = view->feature_cnt,
      .window        = 2, /* the loop sees to it that no row is missing */
      .block_cnt     = block_cnt,
      .cluster_size  = 1,
      .thread_cnt    = thread_cnt,
      .shared_bytes  = (uint32_t)tf_card_features_shared_bytes(view, instrument_cnt, block_cnt),
      .takes_sets    = block_cnt > 1,
      .state_bytes   = state_bytes_of(view),
      .scratch_bytes = scratch_bytes_of(view, instrument_cnt, block_cnt),
      .image_bytes   = size};
  uint8_t *image    = (uint8_t *)(p + 1);
  head.follow_cnt   = write_following(view, (void *)(image + head.follow_at));
  head.handed_cnt   = write_handed(view, (void *)(image + head.handed_at));
  p->input_cnt      = tf_market_row_values(head.handed_cnt);
  head.bar_step_cnt = write_bars(view, (void *)(image + head.bars_at));
  memcpy(image, &head, sizeof head);
  memcpy(image + head.rows_at, view->row_slots, view->feature_cnt * sizeof(uint16_t));
  write_fields(view, (void *)(image + head.fields_at));
  write_levels(d, (void *)(image + head.levels_at), (void *)(image + head.steps_at));
  *program = p;
  return TF_OK;
}

tf_err_t tf_card_features_make(const tf_plan_view_t *view, uint32_t instrument_cnt,
                               uint32_t thread_cnt, uint32_t block_cnt,
                               const tf_card_limits_t *limits, tf_card_program_t **program) {
  *program = NULL;
  if (thread_cnt == 0) thread_cnt = THREADS;
  tf_err_t err = check_steps(view);
  if (err == TF_OK) err = check_sizes(view, instrument_cnt, thread_cnt, block_cnt, limits);
  if (err != TF_OK) return err;
  draft_t d = {.view        = view,
               .slot_levels = calloc(view->slot_cnt + 1, sizeof(uint32_t)),
               .step_levels = calloc(view->step_cnt + 1, sizeof(uint32_t))};
  if (!d.slot_levels || !d.step_levels)
    err = TF_ERR(E_CORE_NO_MEMORY, "%u values of a feature plan", view->slot_cnt);
  if (err == TF_OK) {
    find_levels(&d);
    err = write_program(&d, instrument_cnt, thread_cnt, block_cnt, program);
  }
  free(d.slot_levels);
  free(d.step_levels);
  return err;
}
