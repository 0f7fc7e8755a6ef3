#include "stage/drift.h"

#include <math.h>
#include <string.h>

typedef struct point {
  double t, d; /* ns after the oldest point's: both are exact below 2^53 */
} point_t;

static uint32_t idx_at(const tf_drift_t *drift, uint32_t i) {
  return (drift->oldest + i) % TF_DRIFT_POINTS;
}

/* Whether b lies on or above the line from a to c. */
static bool is_above(const point_t *a, const point_t *b, const point_t *c) {
  return (b->d - a->d) * (c->t - a->t) >= (c->d - a->d) * (b->t - a->t);
}

/* The lower hull of the points, in hull; returns how many it has. *mean_t: of all points. */
static uint32_t hull_of(const tf_drift_t *drift, point_t hull[TF_DRIFT_POINTS], double *mean_t) {
  uint64_t t0  = drift->at_ns[drift->oldest];
  int64_t  d0  = drift->diff_ns[drift->oldest];
  uint32_t cnt = 0;
  *mean_t      = 0;
  for (uint32_t i = 0; i < drift->cnt; i++) {
    uint32_t at = idx_at(drift, i);
    point_t  p  = {(double)(drift->at_ns[at] - t0), (double)(drift->diff_ns[at] - d0)};
    while (cnt >= 2 && is_above(&hull[cnt - 2], &hull[cnt - 1], &p)) cnt--;
    hull[cnt++] = p;
    *mean_t += p.t / drift->cnt;
  }
  return cnt;
}

static void fit(tf_drift_t *drift) {
  point_t  hull[TF_DRIFT_POINTS];
  double   mean_t;
  uint32_t newest = idx_at(drift, drift->cnt - 1);
  drift->has_line = drift->at_ns[newest] - drift->at_ns[drift->oldest] >= TF_DRIFT_SPAN_NS_MIN;
  if (!drift->has_line) return;
  uint32_t cnt = hull_of(drift, hull, &mean_t);
  uint32_t i   = 1; /* the edge that ends behind the mean */
  while (i + 1 < cnt && hull[i].t < mean_t) i++;
  double slope  = (hull[i].d - hull[i - 1].d) / (hull[i].t - hull[i - 1].t);
  double last_t = (double)(drift->at_ns[newest] - drift->at_ns[drift->oldest]);
  if (fabs(slope) * 1e9 > TF_DRIFT_PPB_MAX) { /* the newest begins anew */
    drift->oldest   = newest;
    drift->cnt      = 1;
    drift->has_line = false;
    return;
  }
  drift->ppb = llround(slope * 1e9);
  drift->offset_ns =
      drift->diff_ns[drift->oldest] + llround(hull[i].d + slope * (last_t - hull[i].t));
}

void tf_drift_add(tf_drift_t *drift, uint64_t at_ns, int64_t diff_ns) {
  bool is_back = drift->cnt > 0 && at_ns <= drift->at_ns[idx_at(drift, drift->cnt - 1)];
  if (is_back) memset(drift, 0, sizeof *drift);
  if (drift->cnt == TF_DRIFT_POINTS) {
    drift->oldest = idx_at(drift, 1);
    drift->cnt--;
  }
  uint32_t at        = idx_at(drift, drift->cnt++);
  drift->at_ns[at]   = at_ns;
  drift->diff_ns[at] = diff_ns;
  fit(drift);
}
