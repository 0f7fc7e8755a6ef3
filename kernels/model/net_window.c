#include "model/net_window.h"

#include <string.h>

typedef struct head {
  uint32_t next; /* the place of the next row, 0 .. window - 1 */
  uint32_t seen; /* rows, up to window */
} head_t;
TF_STATIC_ASSERT(sizeof(head_t) <= TF_LINE_BYTES, "the rows begin a line further");

static float *rows_of(void *state) { return (float *)(void *)((uint8_t *)state + TF_LINE_BYTES); }

size_t tf_net_window_state_bytes(const tf_net_plan_t *plan) {
  return TF_LINE_BYTES +
         tf_align_up(2 * (size_t)plan->window * plan->input_cnt * sizeof(float), TF_LINE_BYTES);
}

void tf_net_window_reset(const tf_net_plan_t *plan, void *state) {
  (void)plan;
  memset(state, 0, sizeof(head_t));
}

bool tf_net_window_step(const tf_net_plan_t *plan, void *state, void *scratch, const float *row,
                        float *out) {
  head_t      *head  = state;
  const size_t width = plan->input_cnt;
  float       *rows  = rows_of(state);
  memcpy(rows + head->next * width, row, width * sizeof *row);
  memcpy(rows + (head->next + plan->window) * width, row, width * sizeof *row);
  head->next = head->next + 1 == plan->window ? 0 : head->next + 1;
  if (head->seen < plan->window) head->seen++;
  if (head->seen < plan->window) return false;
  tf_net_plan_run(plan, scratch, rows + head->next * width, out);
  return true;
}
