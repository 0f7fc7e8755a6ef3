#include "model/split.h"

#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "tf/atomic.h"

/* ---- the lane ---- */

/* False where the helper is still at an earlier order. */
static bool post(tf_split_t *s, uint32_t job, const void *row) {
  /* pairs with: tf_split_assist; the helper has read row and job, and they may change */
  if (tf_load_acquire(&s->done) != s->order) return false;
  memcpy(s->row, row, s->jobs[job].helper.row_bytes);
  s->job = job;
  tf_store_release(&s->order,
                   s->order + 1); /* pairs with: tf_split_assist; row and job come first */
  return true;
}

/* False where the helper did not answer in time. */
static bool collect(tf_split_t *s, uint64_t posted_ticks, float *out, size_t cnt) {
  const uint64_t own_ticks = tf_clock_ticks() - posted_ticks;
  const uint64_t ticks_max = 2 * own_ticks + s->slack_ticks;
  while (tf_load_acquire(&s->done) !=
         s->order) { /* pairs with: tf_split_assist; then out is there */
    if (tf_clock_ticks() - posted_ticks <= ticks_max) continue;
    s->late_cnt++;
    return false;
  }
  memcpy(out, s->out, cnt * sizeof *out);
  return true;
}

void tf_split_mul(tf_split_t *s, uint32_t job, const void *row, float *out) {
  const tf_split_job_t *j            = &s->jobs[job];
  const size_t          lane_floats  = tf_mat_out_floats(&j->lane);
  const uint64_t        posted_ticks = tf_clock_ticks();
  const bool            posted       = j->helper.out_cnt > 0 && post(s, job, row);
  j->lane.mul(&j->lane, row, 1, j->lane_bias, 0, out, 0);
  if (j->helper.out_cnt == 0) return;
  if (posted && collect(s, posted_ticks, out + lane_floats, tf_mat_out_floats(&j->helper))) return;
  s->alone_cnt++;
  j->helper.mul(&j->helper, row, 1, j->helper_bias, 0, out + lane_floats, 0);
}

/* ---- the helper ---- */

uint32_t tf_split_assist(tf_split_t *s) {
  const uint64_t order = tf_load_acquire(&s->order); /* pairs with: post; row and job are there */
  if (order == s->done) return 0;
  const tf_split_job_t *j = &s->jobs[s->job];
  j->helper.mul(&j->helper, s->row, 1, j->helper_bias, 0, s->out, 0);
  tf_store_release(&s->done,
                   order); /* pairs with: collect and post; out is written, row was read */
  return 1;
}

/* ---- making ---- */

static tf_mat_t part_of(const tf_mat_t *mat, uint32_t first, uint32_t end) {
  tf_mat_t       part = *mat;
  const uint32_t at   = first * TF_MAT_BLOCK;
  part.block_cnt      = end - first;
  part.out_cnt        = (end == mat->block_cnt ? mat->out_cnt : end * TF_MAT_BLOCK) - at;
  part.weights        = tf_mat_panel(mat, first);
  if (mat->scales) part.scales = mat->scales + at;
  if (mat->shifts) part.shifts = mat->shifts + at;
  return part;
}

static void fill_job(tf_split_job_t *job, const tf_mat_t *mat, const float *bias) {
  const uint32_t panels = (mat->block_cnt + TF_MAT_PANEL_BLOCKS - 1) / TF_MAT_PANEL_BLOCKS;
  const uint32_t helper = panels * TF_SPLIT_HELPER_SIXTEENTHS / 16;
  const uint32_t first =
      helper ? (panels - helper) * TF_MAT_PANEL_BLOCKS : mat->block_cnt; /* the helper's */
  *job = (tf_split_job_t){.lane = part_of(mat, 0, first), .lane_bias = bias};
  if (helper == 0) return;
  job->helper      = part_of(mat, first, mat->block_cnt);
  job->helper_bias = bias ? bias + (size_t)first * TF_MAT_BLOCK : NULL;
}

tf_split_t *tf_split_new(const tf_mat_t *const *mats, const float *const *biases, uint32_t cnt) {
  size_t row_bytes = 0, out_floats = 0;
  TF_ASSERT(cnt <= TF_SPLIT_JOBS_MAX);
  TF_STATIC_ASSERT(3 * TF_SPLIT_HELPER_SIXTEENTHS / 16 == 1 &&
                       2 * TF_SPLIT_HELPER_SIXTEENTHS / 16 == 0,
                   "three panels are the least that are shared out");
  for (uint32_t i = 0; i < cnt; i++) {
    if (row_bytes < mats[i]->row_bytes) row_bytes = mats[i]->row_bytes;
    if (out_floats < tf_mat_out_floats(mats[i])) out_floats = tf_mat_out_floats(mats[i]);
  }
  const size_t row_room = tf_align_up(row_bytes, TF_LINE_PAIR_BYTES);
  const size_t out_room = tf_align_up(out_floats * sizeof(float), TF_LINE_PAIR_BYTES);
  const size_t bytes    = sizeof(tf_split_t) + row_room + out_room;
  tf_split_t  *s        = aligned_alloc(TF_LINE_PAIR_BYTES, bytes);
  if (!s) return NULL;
  memset(s, 0, bytes);
  s->job_cnt     = cnt;
  s->slack_ticks = tf_clock_ns_to_ticks(TF_SPLIT_SLACK_NS);
  s->row         = (uint8_t *)(s + 1);
  s->out         = (float *)(void *)(s->row + row_room);
  for (uint32_t i = 0; i < cnt; i++) fill_job(&s->jobs[i], mats[i], biases[i]);
  return s;
}

bool tf_split_shares(const tf_split_t *s) {
  bool any = false;
  for (uint32_t i = 0; i < s->job_cnt; i++) any |= s->jobs[i].helper.out_cnt > 0;
  return any;
}

void tf_split_delete(tf_split_t *s) { free(s); }
