/* Cross-sectional features: where an instrument's value stands among those of the others of its lane, cs_rank(ret(mid, 20)).
 *
 * A *section* is one series' newest value of each member: the instruments of the lane that have one now. It is memory of
 * the lane's, one block a series, without pointers; the lane is owner and only writer. A member's value is put at each of its
 * ticks; NaN, or a magnitude beyond 1e150, takes it out. A *cross* is what is read off a section for one member. It is a
 * function of the values that stand there and of nothing else: not of the order in which they came, unless it says so.
 *
 * Cost. Crosses say what of a section they read, and a section keeps that only. TF_SECTION_SUMS: O(1) a put, and O(members)
 * seldom enough that it does not count (kernels/indicator/moments.h). TF_SECTION_ORDER: O(log members), and nothing moves
 * where a value changes between its two neighbours.
 *
 * A cross is a const descriptor tf_cross_<name> in kernels/cross, and its line in crosses.def. */
#ifndef TF_CROSS_H
#define TF_CROSS_H

#include "tf/indicator.h"

#define TF_SECTION_MEMBERS_MAX 65536u /* engine.instruments_max */
#define TF_CROSS_PARAMS_MAX    2

#define TF_SECTION_SUMS  0x1u
#define TF_SECTION_ORDER 0x2u

typedef struct tf_cross {
  const char            *name;
  const char            *help;   /* one line: what it measures, with the unit */
  const char            *origin; /* the formula's source */
  uint8_t                param_cnt;
  uint8_t                member_min; /* with fewer members there is no value */
  uint32_t               reads;      /* TF_SECTION_* */
  const tf_param_spec_t *params;     /* behind the series */

  /* For a member that has a value, with member_min of them at least. May be infinite or NaN: then there is no value. */
  double (*value)(const void *section, uint32_t member, const double *params);
} tf_cross_t;

/* What the engine is handed of kernels/cross. */
typedef struct tf_cross_table {
  const tf_cross_t *const *crosses;
  uint32_t                 cross_cnt;

  /* member_cap: 1 .. TF_SECTION_MEMBERS_MAX; reads: of all crosses over it. The block is 64-byte aligned. init: nobody is in. */
  size_t (*section_bytes)(uint32_t member_cap);
  void (*section_init)(void *section, uint32_t member_cap, uint32_t reads);

  /* member < member_cap. */
  void (*section_put)(void *section, uint32_t member, double x);
  uint32_t (*section_member_cnt)(const void *section);
  double (*section_value)(const void *section, uint32_t member); /* NaN: it is not in */
} tf_cross_table_t;

/* An instrument's place in the sections of its lane, by number of the plan's. */
typedef struct tf_seat {
  uint8_t *sections;      /* (section_cnt) of section_bytes each */
  size_t   section_bytes; /* a multiple of 64 */
  uint32_t member;
  bool     is_fit; /* its values count now: its book is in order, its venue trades it */
} tf_seat_t;

#endif
