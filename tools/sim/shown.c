#include "sim/shown.h"

#include <string.h>

static uint32_t cnt_of(const sim_view_t *view, uint32_t depth, bool ask) {
  TF_ASSERT(depth <= SIM_SHOWN_LEVELS_MAX);
  return view->cnt[ask] < depth ? view->cnt[ask] : depth;
}

/* bids fall, asks rise. */
static bool is_better(bool ask, int64_t a, int64_t b) { return ask ? a < b : a > b; }

bool sim_shown_is_same(const sim_shown_t *shown, const sim_view_t *view, uint32_t depth) {
  for (int ask = 0; ask < 2; ask++) {
    uint32_t cnt = cnt_of(view, depth, ask);
    if (cnt != shown->cnt[ask] ||
        memcmp(view->rows[ask], shown->rows[ask], cnt * sizeof(sim_row_t)))
      return false;
  }
  return true;
}

void sim_shown_put(const sim_shown_t *shown, const sim_view_t *view, uint32_t depth, bool ask,
                   sim_text_t *t, sim_put_level_t put_level) {
  uint32_t cnt = cnt_of(view, depth, ask), i = 0, j = 0;
  bool     first = true;
  while (i < cnt || j < shown->cnt[ask]) {
    const sim_row_t *now = &view->rows[ask][i], *old = &shown->rows[ask][j];
    sim_row_t        row = *now;
    bool             is_sent;
    if (j == shown->cnt[ask] || (i < cnt && is_better(ask, now->price, old->price))) {
      is_sent = true;
      i++;
    } else if (i == cnt || now->price != old->price) {
      row     = (sim_row_t){old->price, 0};
      is_sent = true;
      j++;
    } else {
      is_sent = now->qty != old->qty;
      i++, j++;
    }
    if (is_sent) put_level(t, view, first, row);
    first &= !is_sent;
  }
}

void sim_shown_keep(sim_shown_t *shown, const sim_view_t *view, uint32_t depth) {
  for (int ask = 0; ask < 2; ask++) {
    shown->cnt[ask] = cnt_of(view, depth, ask);
    memcpy(shown->rows[ask], view->rows[ask], shown->cnt[ask] * sizeof(sim_row_t));
  }
}
