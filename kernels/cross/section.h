/* One section (tf/cross.h): its members' values, in order and summed up.
 *
 * Order: a treap over (value, member), its nodes the members themselves. A member's priority is a mix of its number, so the
 * tree's shape depends on the values alone, and not on how they came; its depth is that of a random tree, about
 * 1.4 log2(members) on the way (C. Aragon, R. Seidel, "Randomized search trees", 1989). Each node counts those below it.
 *
 * Sums: of the distances to a centre and of their squares, compensated, and taken anew around the mean where they have lost
 * too much: indicator/moments.h has the reasons. The variance is within 2^-53 * max(1024, 2 * members) of what it should be.
 *
 * Member m is node m + 1; node 0 stands for none, and counts nobody. */
#ifndef TF_CROSS_SECTION_H
#define TF_CROSS_SECTION_H

#include "indicator/sum.h"
#include "tf/cross.h"

typedef struct tf_section_node {
  double   x; /* NaN: not a member */
  uint32_t below, above;
  uint32_t cnt; /* of the tree that it is the root of */
  uint32_t priority;
} tf_section_node_t;

typedef struct tf_section {
  uint32_t          member_cap, reads;
  uint32_t          member_cnt;
  uint32_t          root;
  uint64_t          renew_cnt;    /* times the sums were taken anew */
  double            centre, peak; /* peak: the largest sum of squares since they were */
  tf_sum_pair_t     sums;
  double            away;   /* mean - centre */
  double            spread; /* member_cnt * variance, >= 0 */
  tf_section_node_t nodes[];
} tf_section_t;

TF_INLINE double tf_section_of(const tf_section_t *s, uint32_t member) {
  return s->nodes[member + 1].x;
}

TF_INLINE double tf_section_mean(const tf_section_t *s) { return s->centre + s->away; }

/* Members whose value is less than x; less or equal. */
uint32_t tf_section_less(const tf_section_t *section, double x);
uint32_t tf_section_at_most(const tf_section_t *section, double x);

/* The value of rank 0 <= rank < member_cnt, the least first. */
double tf_section_nth(const tf_section_t *section, uint32_t rank);

size_t   tf_section_bytes(uint32_t member_cap);
void     tf_section_init(void *section, uint32_t member_cap, uint32_t reads);
void     tf_section_put(void *section, uint32_t member, double x);
uint32_t tf_section_member_cnt(const void *section);
double   tf_section_value(const void *section, uint32_t member);

#endif
