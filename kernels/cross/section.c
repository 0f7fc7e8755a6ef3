#include "cross/section.h"

#include <string.h>

#include "indicator/moments.h"

#define NONE 0u

/* ---- order ---- */

/* The one order of all members: equal values by number. */
static bool is_before(const tf_section_node_t *nodes, uint32_t a, double x, uint32_t b) {
  return nodes[a].x < x || (nodes[a].x == x && a < b);
}

/* Does `node` keep its place among the others with the value x instead of its own? Its neighbours are the last that the way
 * down to it turned at, or the innermost below it. */
static bool keeps_place(const tf_section_t *s, uint32_t node, double x) {
  const tf_section_node_t *n     = s->nodes;
  uint32_t                 under = NONE, over = NONE;
  for (uint32_t t = s->root; t != node;) {
    if (is_before(n, t, n[node].x, node)) {
      under = t;
      t     = n[t].above;
    } else {
      over = t;
      t    = n[t].below;
    }
  }
  for (uint32_t t = n[node].below; t != NONE; t = n[t].above) under = t;
  for (uint32_t t = n[node].above; t != NONE; t = n[t].below) over = t;
  return (under == NONE || is_before(n, under, x, node)) &&
         (over == NONE || !is_before(n, over, x, node));
}

static void take_out(tf_section_t *s, uint32_t node) {
  tf_section_node_t *n    = s->nodes;
  uint32_t          *link = &s->root;
  while (*link != node) {
    n[*link].cnt--;
    link = is_before(n, *link, n[node].x, node) ? &n[*link].above : &n[*link].below;
  }
  uint32_t low = n[node].below, high = n[node].above;
  while (low != NONE && high != NONE) {
    if (n[low].priority > n[high].priority) {
      n[low].cnt += n[high].cnt;
      *link = low;
      link  = &n[low].above;
      low   = *link;
    } else {
      n[high].cnt += n[low].cnt;
      *link = high;
      link  = &n[high].below;
      high  = *link;
    }
  }
  *link = low != NONE ? low : high;
}

/* How many of the tree at t come before (x, node). */
static uint32_t before_in(const tf_section_node_t *n, uint32_t t, double x, uint32_t node) {
  uint32_t cnt = 0;
  while (t != NONE) {
    bool is = is_before(n, t, x, node);
    cnt += is ? n[n[t].below].cnt + 1 : 0;
    t = is ? n[t].above : n[t].below;
  }
  return cnt;
}

static void put_in(tf_section_t *s, uint32_t node, double x) {
  tf_section_node_t *n    = s->nodes;
  uint32_t          *link = &s->root;
  while (*link != NONE && n[*link].priority > n[node].priority) {
    n[*link].cnt++;
    link = is_before(n, *link, x, node) ? &n[*link].above : &n[*link].below;
  }
  uint32_t t = *link, all = n[t].cnt;
  uint32_t less = before_in(n, t, x, node), more = all - less; /* left of what is being split */
  n[node].x   = x;
  n[node].cnt = all + 1;
  *link       = node;

  uint32_t *low = &n[node].below, *high = &n[node].above;
  while (t != NONE) {
    if (is_before(n, t, x, node)) {
      *low     = t;
      n[t].cnt = less;
      less -= n[n[t].below].cnt + 1;
      low = &n[t].above;
      t   = *low;
    } else {
      *high    = t;
      n[t].cnt = more;
      more -= n[n[t].above].cnt + 1;
      high = &n[t].below;
      t    = *high;
    }
  }
  *low = *high = NONE;
}

static void reorder(tf_section_t *s, uint32_t node, double x) {
  tf_section_node_t *n   = &s->nodes[node];
  bool               was = n->x == n->x, is = x == x;
  if (was && is && keeps_place(s, node, x)) {
    n->x = x;
    return;
  }
  if (was) take_out(s, node);
  n->x = x;
  if (is) put_in(s, node, x);
}

uint32_t tf_section_less(const tf_section_t *s, double x) {
  return before_in(s->nodes, s->root, x, NONE);
}

uint32_t tf_section_at_most(const tf_section_t *s, double x) {
  return before_in(s->nodes, s->root, x, UINT32_MAX);
}

double tf_section_nth(const tf_section_t *s, uint32_t rank) {
  const tf_section_node_t *n = s->nodes;
  uint32_t                 t = s->root;
  for (;;) {
    uint32_t less = n[n[t].below].cnt;
    if (rank == less) return n[t].x;
    t = rank < less ? n[t].below : n[t].above;
    if (rank > less) rank -= less + 1;
  }
}

/* ---- sums ---- */

static void read_sums(tf_section_t *s, tf_sum_lanes_t totals) {
  double cnt = s->member_cnt;
  s->away    = totals[0] / cnt;
  s->spread  = totals[1] - totals[0] * totals[0] / cnt;
  s->peak    = totals[1] > s->peak ? totals[1] : s->peak;
}

/* Not where the squares are nearly all distance from the centre. The mean of members that differ by their last place may be a
 * last place away from each: more of 2 (members + 1) than that leaves nobody, so sums just taken are sound. */
static bool is_sound(const tf_section_t *s, tf_sum_lanes_t totals) {
  double share = 2.0 * (double)(s->member_cnt + 1);
  share        = share > 1 / TF_MOMENTS_CANCEL ? share : 1 / TF_MOMENTS_CANCEL;
  return s->spread * share >= totals[1] && totals[1] >= s->peak * TF_MOMENTS_DECAY;
}

/* Around the members' own mean, by their numbers. */
TF_COLD static void renew_sums(tf_section_t *s) {
  const tf_sum_lanes_t nothing = {0, 0};
  tf_sum_t             offset  = {0};
  double               base    = 0;
  bool                 has     = false;
  for (uint32_t m = 0; m < s->member_cap; m++) {
    double x = tf_section_of(s, m);
    if (x != x) continue;
    base = has ? base : x;
    has  = true;
    tf_sum_add(&offset, x - base);
  }
  s->centre             = base + tf_sum_value(&offset) / (double)s->member_cnt;
  s->sums               = (tf_sum_pair_t){0};
  s->peak               = 0;
  tf_sum_lanes_t totals = nothing;
  for (uint32_t m = 0; m < s->member_cap; m++) {
    double x = tf_section_of(s, m);
    if (x == x) totals = tf_sum_pair_replace(&s->sums, nothing, tf_moments_lanes_(x - s->centre));
  }
  read_sums(s, totals);
  if (s->spread < 0) s->spread = 0;
  s->renew_cnt++;
}

/* was, x: NaN for not a member. Values and their number are in place. */
static void add_up(tf_section_t *s, double was, double x) {
  if (s->member_cnt == 0) return;
  if (s->member_cnt == 1 && was != was) { /* the first */
    s->centre = x;
    s->sums   = (tf_sum_pair_t){0};
    s->peak   = 0;
  }
  double         gone = was == was ? was - s->centre : 0; /* to take 0 out changes no bit */
  double         come = x == x ? x - s->centre : 0;
  tf_sum_lanes_t totals =
      tf_sum_pair_replace(&s->sums, tf_moments_lanes_(gone), tf_moments_lanes_(come));
  read_sums(s, totals);
  if (TF_UNLIKELY(!is_sound(s, totals))) renew_sums(s);
}

/* ---- members ---- */

void tf_section_put(void *section, uint32_t member, double x) {
  tf_section_t      *s   = section;
  tf_section_node_t *n   = &s->nodes[member + 1];
  double             was = n->x;
  TF_ASSERT(member < s->member_cap);
  x = tf_parts_usable(x) ? x + 0.0 : __builtin_nan(""); /* -0 is 0 */
  if (was == x || (was != was && x != x)) return;
  s->member_cnt += (x == x) - (uint32_t)(was == was);
  if (s->reads & TF_SECTION_ORDER)
    reorder(s, member + 1, x);
  else
    n->x = x;
  if (s->reads & TF_SECTION_SUMS) add_up(s, was, x);
}

uint32_t tf_section_member_cnt(const void *section) {
  return ((const tf_section_t *)section)->member_cnt;
}

double tf_section_value(const void *section, uint32_t member) {
  const tf_section_t *s = section;
  TF_ASSERT(member < s->member_cap);
  return tf_section_of(s, member);
}

size_t tf_section_bytes(uint32_t member_cap) {
  TF_ASSERT(member_cap >= 1 && member_cap <= TF_SECTION_MEMBERS_MAX);
  return tf_align_up(sizeof(tf_section_t) + ((size_t)member_cap + 1) * sizeof(tf_section_node_t),
                     TF_LINE_BYTES);
}

/* Each number has another: the steps can be undone (the finish of MurmurHash3). */
static uint32_t mix(uint32_t x) {
  x ^= x >> 16;
  x *= 0x85ebca6bu;
  x ^= x >> 13;
  x *= 0xc2b2ae35u;
  return x ^ x >> 16;
}

void tf_section_init(void *section, uint32_t member_cap, uint32_t reads) {
  tf_section_t *s = section;
  memset(s, 0, tf_section_bytes(member_cap));
  s->member_cap = member_cap;
  s->reads      = reads;
  for (uint32_t m = 0; m < member_cap; m++)
    s->nodes[m + 1] = (tf_section_node_t){.x = __builtin_nan(""), .priority = mix(m + 1)};
}
