/* What the sums of a section say: mean, standard deviation (the population's, as everywhere here), and where a member stands
 * by them. cs_zscore is 0 where all are equal: each is then the mean. The sums have seen the values one by one: in the last
 * place they may differ from those of another order. */
#include "cross/section.h"

static double count(const void *section, uint32_t member, const double *params) {
  (void)member, (void)params;
  return ((const tf_section_t *)section)->member_cnt;
}

static double mean(const void *section, uint32_t member, const double *params) {
  (void)member, (void)params;
  return tf_section_mean(section);
}

static double demean(const void *section, uint32_t member, const double *params) {
  (void)params;
  const tf_section_t *s = section;
  return (tf_section_of(s, member) - s->centre) - s->away;
}

static double std(const void *section, uint32_t member, const double *params) {
  (void)member, (void)params;
  const tf_section_t *s = section;
  return __builtin_sqrt(s->spread / (double)s->member_cnt);
}

static double zscore(const void *section, uint32_t member, const double *params) {
  const tf_section_t *s = section;
  return s->spread == 0 ? 0 : demean(section, member, params) / std(section, member, params);
}

#define CROSS(id, min, of, what, value_of)                                                         \
  const tf_cross_t tf_cross_##id = {.name       = #id,                                             \
                                    .help       = what,                                            \
                                    .origin     = "definition",                                    \
                                    .member_min = min,                                             \
                                    .reads      = of,                                              \
                                    .value      = value_of}

CROSS(cs_count, 1, 0, "number of instruments that have a value", count);
CROSS(cs_demean, 1, TF_SECTION_SUMS, "value less the mean over all instruments", demean);
CROSS(cs_mean, 1, TF_SECTION_SUMS, "mean over all instruments", mean);
CROSS(cs_std, 2, TF_SECTION_SUMS, "standard deviation over all instruments", std);
CROSS(cs_zscore, 2, TF_SECTION_SUMS,
      "value less the mean over all instruments, in their standard deviations", zscore);
