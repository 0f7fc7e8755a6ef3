/* cs_rank(x) = (members below + half of the other members at the same value) / (members - 1): 0 for the least, 1 for the
 * greatest, 0.5 in the middle; equal values share the mean of their ranks. The rank of Z. Kakushadze, "101 Formulaic
 * Alphas" (2016), from 0 to 1; scipy.stats.rankdata(x, "average") less 1, over n - 1.
 *
 * cs_quantile(x, q) = the value below which the share q of the members lies, between two members by straight line: the
 * default of numpy.quantile (type 7 of R. Hyndman, Y. Fan, "Sample quantiles in statistical packages", 1996). */
#include "cross/section.h"

static double rank(const void *section, uint32_t member, const double *params) {
  (void)params;
  const tf_section_t *s    = section;
  double              x    = tf_section_of(s, member);
  uint32_t            less = tf_section_less(s, x), others = tf_section_at_most(s, x) - less - 1;
  return ((double)less + 0.5 * (double)others) / (double)(s->member_cnt - 1);
}

static double quantile(const void *section, uint32_t member, const double *params) {
  (void)member;
  const tf_section_t *s    = section;
  double              at   = params[0] * (double)(s->member_cnt - 1);
  uint32_t            low  = (uint32_t)at;
  double              part = at - (double)low, x = tf_section_nth(s, low);
  if (part == 0) return x;
  return x + part * (tf_section_nth(s, low + 1) - x);
}

static const tf_param_spec_t QUANTILE_PARAMS[] = {
    {.name = "q",
     .kind = TF_PARAM_REAL,
     .dflt = 0.5,
     .min  = 0,
     .max  = 1,
     .help = "share of the members that lies below"}
};

const tf_cross_t tf_cross_cs_rank = {.name       = "cs_rank",
                                     .help       = "rank among all instruments, from 0 to 1",
                                     .origin     = "Kakushadze 2016, 101 Formulaic Alphas",
                                     .member_min = 2,
                                     .reads      = TF_SECTION_ORDER,
                                     .value      = rank};

const tf_cross_t tf_cross_cs_quantile = {.name = "cs_quantile",
                                         .help = "quantile over all instruments",
                                         .origin =
                                             "Hyndman and Fan 1996, type 7, as numpy.quantile",
                                         .param_cnt  = TF_ARRAY_CNT(QUANTILE_PARAMS),
                                         .params     = QUANTILE_PARAMS,
                                         .member_min = 1,
                                         .reads      = TF_SECTION_ORDER,
                                         .value      = quantile};
