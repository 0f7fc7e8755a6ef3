/* A feature plan as a worker finds it in its mailbox, from anywhere: no crash, and what is accepted becomes a program all of whose places lie
 * within what the program says it has. */
#include <stdlib.h>
#include <string.h>

#include "gpu/card_features.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt);

static void check_step(const tf_card_features_t *f, const tf_card_feature_step_t *s) {
  if (s->fn >= TF_CARD_FEATURE_CNT || (uint32_t)s->out + s->out_cnt > f->slot_cnt ||
      s->in_cnt > TF_CARD_FEATURE_INPUTS_MAX || s->state_offset > f->mem_bytes)
    abort();
  for (uint32_t i = 0; i < s->in_cnt; i++)
    if (s->in[i] >= f->slot_cnt) abort();
}

static void check_program(const tf_card_program_t *p) {
  const uint8_t                 *image    = tf_card_image(p);
  const tf_card_features_t      *f        = (const void *)image;
  const tf_card_feature_level_t *level    = (const void *)(image + f->levels_at);
  const tf_card_feature_step_t  *steps    = (const void *)(image + f->steps_at);
  uint32_t                       step_cnt = 0;
  for (uint32_t l = 0; l < f->level_cnt; l++) step_cnt += level[l].cnt + level[l].cross_cnt;
  if (step_cnt > f->step_cnt || f->steps_at + step_cnt * sizeof *steps > p->image_bytes) abort();
  for (uint32_t i = 0; i < step_cnt; i++) check_step(f, &steps[i]);
  for (uint32_t i = 0; i < f->follow_cnt; i++)
    check_step(f, (const tf_card_feature_step_t *)(const void *)(image + f->follow_at) + i);
  for (uint32_t i = 0; i < f->bar_step_cnt; i++)
    check_step(f, (const tf_card_feature_step_t *)(const void *)(image + f->bars_at) + i);
  for (uint32_t i = 0; i < f->feature_cnt; i++)
    if (((const uint16_t *)(const void *)(image + f->rows_at))[i] >= f->slot_cnt) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt) {
  const tf_card_limits_t limits = {.sm_cnt           = 8,
                                   .cluster_max      = 1,
                                   .thread_max       = 1024,
                                   .shared_bytes_max = 1 << 17,
                                   .memory_bytes     = 1 << 24};
  void *image = aligned_alloc(64, tf_align_up(cnt + 1, 64)); /* as it lies in a mailbox */
  if (!image) abort();
  memcpy(image, bytes, cnt);
  tf_plan_view_t     view;
  tf_card_program_t *program = NULL;
  if (tf_card_plan_read(image, cnt, &view) == TF_OK &&
      tf_card_features_make(&view, 3, 0, 2, &limits, &program) == TF_OK)
    check_program(program);
  free(program);
  free(image);
  return 0;
}
