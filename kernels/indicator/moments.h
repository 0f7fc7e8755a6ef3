/* Mean and variance of the last n inputs, O(1) a step, with the accuracy of a two-pass computation:
 * the state of stddev and zscore.
 *
 * With c a fixed centre and d = x - c (rounded once, the same when it enters and when it leaves),
 * it keeps S1 = sum d and S2 = sum d * d by adding and removing, compensated (sum.h), so both are
 * free of drift: hi may wander from the sum by what lo holds, about a unit in its last place times
 * the root of the number of inputs, and hi + lo stays what it should be. Then n * variance = S2 - S1 * S1 / n. That subtraction cancels when the window has
 * wandered far from c, so it is watched: when it loses more than 10 bits, or S2 has fallen 40 bits
 * below its peak, both sums are taken anew around the window's own mean (T. Chan, G. Golub,
 * R. LeVeque, "Algorithms for computing the sample variance", 1983, on shifted data). The relative
 * error of the variance stays near 2^10 * 2^-53 = 1e-13.
 *
 * Cost: for the first check to fire again nearly the whole window must have been replaced (more than
 * 1024 / 1025 of its weight); for the second its largest values must have left. So the O(n) pass is
 * amortised: on a random walk about once in 160 n inputs. */
#ifndef TF_INDICATOR_MOMENTS_H
#define TF_INDICATOR_MOMENTS_H

#include "indicator/parts.h"
#include "indicator/sum.h"

#define TF_MOMENTS_CANCEL 0x1p-10
#define TF_MOMENTS_DECAY  0x1p-40

/* The part that a step computes and commits. The lanes of sum are S1 and S2. */
typedef struct tf_moments_sums {
  double        centre;
  double        peak; /* largest S2 since the sums were last taken anew */
  tf_sum_pair_t sum;
} tf_moments_sums_t;

/* What is read off the sums of a full window. */
typedef struct tf_moments_view {
  double away;   /* mean - centre */
  double spread; /* n * variance, >= 0 */
  bool   sound;  /* false: the sums have lost too much and must be taken anew */
} tf_moments_view_t;

typedef struct tf_moments {
  double   centre, peak;
  double   hi[2], lo[2]; /* of the sums, unaligned: a state is aligned to 8 bytes only */
  double   inv_n;        /* 1 / n */
  uint64_t renew_cnt;    /* times the sums were taken anew */
  uint32_t n;
  uint32_t pos; /* of the oldest input, where the next one goes */
  uint32_t cnt; /* inputs seen, up to n */
  uint32_t reserved;
  double   ring[]; /* n */
} tf_moments_t;

TF_INLINE tf_sum_lanes_t tf_moments_lanes_(double x) { return (tf_sum_lanes_t){x, x * x}; }

TF_INLINE void tf_moments_read_(const tf_moments_t *m, tf_sum_lanes_t totals, double peak,
                                tf_moments_view_t *view) {
  view->away   = totals[0] * m->inv_n;
  view->spread = totals[1] - totals[0] * totals[0] * m->inv_n;
  view->sound =
      view->spread >= totals[1] * TF_MOMENTS_CANCEL && totals[1] >= peak * TF_MOMENTS_DECAY;
}

/* One input, computed without touching m. */
TF_INLINE tf_moments_sums_t tf_moments_step(const tf_moments_t *m, double x,
                                            tf_moments_view_t *view) {
  tf_moments_sums_t next = {.centre = m->centre, .peak = m->peak};
  memcpy(&next.sum.hi, m->hi, sizeof m->hi);
  memcpy(&next.sum.lo, m->lo, sizeof m->lo);
  double gone;
  if (TF_LIKELY(m->cnt == m->n)) {
    gone = m->ring[m->pos];
  } else { /* while the window fills nothing leaves: taking 0 out changes no bit */
    if (m->cnt == 0) next.centre = x;
    gone = next.centre;
  }
  tf_sum_lanes_t totals = tf_sum_pair_replace(&next.sum, tf_moments_lanes_(gone - next.centre),
                                              tf_moments_lanes_(x - next.centre));
  next.peak             = totals[1] > next.peak ? totals[1] : next.peak;
  tf_moments_read_(m, totals, next.peak, view);
  return next;
}

TF_INLINE void tf_moments_keep(tf_moments_t *m, double x, const tf_moments_sums_t *next) {
  m->centre = next->centre;
  m->peak   = next->peak;
  memcpy(m->hi, &next->sum.hi, sizeof m->hi);
  memcpy(m->lo, &next->sum.lo, sizeof m->lo);
  m->ring[m->pos] = x;
  m->pos          = m->pos + 1 == m->n ? 0 : m->pos + 1;
  if (TF_UNLIKELY(m->cnt < m->n)) m->cnt++;
}

/* The sums of a full window whose oldest input has been replaced by x, around its own mean. */
TF_COLD __attribute__((unused)) static void tf_moments_renew(const tf_moments_t *m, double x,
                                                             tf_moments_sums_t *sums,
                                                             tf_moments_view_t *view) {
  tf_sum_t offset = {0};
  uint32_t first  = m->pos + 1 == m->n ? 0 : m->pos + 1; /* oldest that stays */
  double   base   = m->ring[first];
  for (uint32_t i = 0, at = first; i + 1 < m->n; i++, at = at + 1 == m->n ? 0 : at + 1) {
    tf_sum_add(&offset, m->ring[at] - base);
  }
  tf_sum_add(&offset, x - base);
  *sums        = (tf_moments_sums_t){0};
  sums->centre = base + tf_sum_value(&offset) / (double)m->n; /* base itself if all are equal */
  const tf_sum_lanes_t nothing = {0, 0};
  for (uint32_t i = 0, at = first; i + 1 < m->n; i++, at = at + 1 == m->n ? 0 : at + 1) {
    (void)tf_sum_pair_replace(&sums->sum, nothing, tf_moments_lanes_(m->ring[at] - sums->centre));
  }
  (void)tf_sum_pair_replace(&sums->sum, nothing, tf_moments_lanes_(x - sums->centre));
  tf_sum_lanes_t totals = sums->sum.hi + sums->sum.lo;
  sums->peak            = totals[1];
  tf_moments_read_(m, totals, sums->peak, view);
}

TF_INLINE size_t tf_moments_bytes(const double *params) {
  return tf_parts_bytes(sizeof(tf_moments_t), params[0], sizeof(double));
}

TF_INLINE tf_err_t tf_moments_init(tf_moments_t *m, const double *params) {
  uint32_t n;
  tf_err_t err = tf_parts_count(params[0], 2, &n);
  if (err != TF_OK) return err;
  memset(m, 0, tf_moments_bytes(params));
  m->n     = n;
  m->inv_n = 1.0 / (double)n;
  return TF_OK;
}

/* The same over a whole series at hand, for batch: x[i - n + 1 .. i] straight from the array, the two
 * sums one after the other. Shares no code with the step above except the arithmetic of sum.h. */
typedef struct tf_moments_scan {
  double   centre, peak, away, spread;
  tf_sum_t s1, s2;
} tf_moments_scan_t;

__attribute__((unused)) static void tf_moments_scan(const double *x, size_t i, size_t n,
                                                    tf_moments_scan_t *scan) {
  if (i == 0) *scan = (tf_moments_scan_t){.centre = x[0]};
  double in = x[i] - scan->centre, out = i < n ? 0 : x[i - n] - scan->centre;
  double inv_n = 1.0 / (double)n;
  double s1    = tf_sum_replace(&scan->s1, out, in);
  double s2    = tf_sum_replace(&scan->s2, out * out, in * in);
  scan->peak   = s2 > scan->peak ? s2 : scan->peak;
  if (i + 1 < n) return;
  scan->away   = s1 * inv_n;
  scan->spread = s2 - s1 * s1 * inv_n;
  if (scan->spread >= s2 * TF_MOMENTS_CANCEL && s2 >= scan->peak * TF_MOMENTS_DECAY) return;

  const double *first = &x[i + 1 - n];
  tf_sum_t      sum   = {0};
  for (size_t k = 0; k < n; k++) tf_sum_add(&sum, first[k] - first[0]);
  scan->centre = first[0] + (sum.hi + sum.lo) / (double)n;
  scan->s1 = scan->s2 = (tf_sum_t){0};
  for (size_t k = 0; k < n; k++) {
    double d = first[k] - scan->centre;
    tf_sum_add(&scan->s1, d);
    tf_sum_add(&scan->s2, d * d);
  }
  scan->peak   = scan->s2.hi + scan->s2.lo;
  double r     = scan->s1.hi + scan->s1.lo;
  scan->away   = r * inv_n;
  scan->spread = scan->peak - r * r * inv_n;
}

#endif
