#include "tensor/tree_scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>

#define LANES      64u /* bytes of a vector */
#define FAN        16u /* thresholds compared at a time when a rank is looked for */
#define LEVELS_MAX 3u
TF_STATIC_ASSERT(TF_TREE_SCAN_RANKS8_MAX < FAN * FAN, "the last block of a level is never passed");
TF_STATIC_ASSERT(TF_TREE_SCAN_RANKS16_MAX < FAN * FAN * FAN, "nor with three");
TF_STATIC_ASSERT(TF_TREE_SCAN_LEAVES_MAX == LANES, "a node or a leaf a lane");

/* Followed by what it points to. */
struct tf_tree_scan {
  uint32_t        tree_cnt, output_cnt, feature_cnt;
  uint32_t        tree_lanes; /* 16, 32 or 64: nodes and leaves of a tree */
  uint32_t        level_cnt, level_floats;
  uint32_t        group_bytes; /* of the trees of one vector: features, ranks, begins */
  bool            has_words;   /* ranks of two bytes */
  const uint32_t *features;    /* (feature_cnt) places in a row */
  const float    *levels; /* (feature_cnt, level_floats) thresholds: every 256th, every 16th, all */
  const uint8_t  *groups;
  const float    *values; /* (tree_cnt, tree_lanes, output_cnt) leaves from left to right */
};

/* ---- one row ---- */

#define SCAN_TARGET __attribute__((target("avx512f,avx512bw,avx512vbmi,avx512vl,bmi,popcnt")))
#define SCAN_INLINE static inline __attribute__((always_inline)) SCAN_TARGET

/* How many of a feature's thresholds are below x. */
SCAN_INLINE uint32_t rank_of(const tf_tree_scan_t *s, uint32_t feature, float x) {
  const float *level = s->levels + (size_t)feature * s->level_floats;
  __m512       value = _mm512_set1_ps(x);
  uint32_t     at    = 0;
  for (uint32_t i = 0, blocks = 1; i < s->level_cnt; i++, blocks *= FAN) {
    __mmask16 above =
        _mm512_cmp_ps_mask(value, _mm512_load_ps(level + (size_t)at * FAN), _CMP_GT_OQ);
    at = at * FAN + (uint32_t)__builtin_popcount(above);
    level += (size_t)blocks * FAN;
  }
  return at;
}

/* Which nodes of a group answer no. low and high are the row's ranks; words: two bytes each. */
SCAN_INLINE __mmask64 answers_no(const uint8_t *group, bool words, bool wide, __m512i low,
                                 __m512i high) {
  __m512i features = _mm512_load_si512(group);
  if (!words) {
    __m512i ranks = wide ? _mm512_permutex2var_epi8(low, features, high)
                         : _mm512_permutexvar_epi8(features, low);
    return _mm512_cmpgt_epu8_mask(ranks, _mm512_load_si512(group + LANES));
  }
  __m512i   front = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(features));
  __m512i   back  = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(features, 1));
  __mmask32 a     = _mm512_cmpgt_epu16_mask(_mm512_permutex2var_epi16(low, front, high),
                                            _mm512_load_si512(group + LANES));
  __mmask32 b     = _mm512_cmpgt_epu16_mask(_mm512_permutex2var_epi16(low, back, high),
                                            _mm512_load_si512(group + 2 * LANES));
  return (__mmask64)b << 32 | a;
}

/* Lane l takes lane l + distance, or its tree's last lane, which no node has. */
SCAN_INLINE __m512i shift_of(uint32_t tree_lanes, uint32_t distance) {
  TF_ALIGNED(64) uint8_t from[LANES];
  for (uint32_t l = 0; l < LANES; l++) {
    uint32_t last = l - l % tree_lanes + tree_lanes - 1;
    from[l]       = (uint8_t)(l + distance < last ? l + distance : last);
  }
  return _mm512_load_si512(from);
}

SCAN_INLINE void add_leaf(const tf_tree_scan_t *s, const float *leaf, double *sums) {
  for (uint32_t o = 0; o < s->output_cnt; o++) sums[o] += (double)leaf[o];
}

/* steps: log2 of tree_lanes, known where this is expanded, as are words and wide. */
SCAN_INLINE void sum_groups(const tf_tree_scan_t *s, uint32_t steps, bool words, bool wide,
                            const uint8_t *ranks, double *sums) {
  const uint32_t lanes = 1u << steps, side_by_side = LANES >> steps, outputs = s->output_cnt;
  const size_t   tree_floats = (size_t)lanes * outputs;
  const __m512i  low = _mm512_load_si512(ranks), high = _mm512_load_si512(ranks + LANES);
  const uint8_t *group  = s->groups;
  const float   *values = s->values;
  __m512i        shifts[6], place;
  double         sum = sums[0];
  for (uint32_t i = 0; i < steps; i++) shifts[i] = shift_of(lanes, 1u << i);
  TF_ALIGNED(64) uint8_t places[LANES];
  for (uint32_t l = 0; l < LANES; l++) places[l] = (uint8_t)(l % lanes);
  place = _mm512_load_si512(places);
  for (uint32_t tree = 0; tree < s->tree_cnt; tree += side_by_side, group += s->group_bytes) {
    __mmask64 no    = answers_no(group, words, wide, low, high);
    __m512i   least = _mm512_mask_mov_epi8(_mm512_set1_epi8(-1), no,
                                           _mm512_load_si512(group + (words ? 3 : 2) * LANES));
#pragma GCC unroll 6
    for (uint32_t i = 0; i < steps; i++)
      least = _mm512_min_epu8(least, _mm512_permutexvar_epi8(shifts[i], least));
    uint64_t       left = _mm512_cmpgt_epu8_mask(least, place); /* leaves that none rules out */
    const uint32_t more = s->tree_cnt - tree, cnt = more < side_by_side ? more : side_by_side;
    for (uint32_t t = 0; t < cnt; t++, values += tree_floats) {
      const uint32_t leaf = (uint32_t)__builtin_ctzll(left >> (t * lanes));
      if (outputs == 1)
        sum += (double)values[leaf];
      else
        add_leaf(s, values + (size_t)leaf * outputs, sums);
    }
  }
  if (outputs == 1) sums[0] = sum;
}

/* Each expanded by itself: the compiler knows their constants. */
#define SCAN_FORM(name, words, wide)                                                               \
  SCAN_TARGET static void name(const tf_tree_scan_t *s, const uint8_t *ranks, double *sums) {      \
    if (s->tree_lanes == 64)                                                                       \
      sum_groups(s, 6, words, wide, ranks, sums);                                                  \
    else if (s->tree_lanes == 32)                                                                  \
      sum_groups(s, 5, words, wide, ranks, sums);                                                  \
    else                                                                                           \
      sum_groups(s, 4, words, wide, ranks, sums);                                                  \
  }
SCAN_FORM(sum_bytes, false, false)
SCAN_FORM(sum_bytes_wide, false, true)
SCAN_FORM(sum_words, true, true)

SCAN_TARGET void tf_tree_scan_sum(const tf_tree_scan_t *s, const float *x, double *sums) {
  TF_ALIGNED(64) uint8_t  bytes[2 * LANES] = {0};
  TF_ALIGNED(64) uint16_t words[LANES]     = {0};
  if (s->has_words) {
    for (uint32_t i = 0; i < s->feature_cnt; i++)
      words[i] = (uint16_t)rank_of(s, i, x[s->features[i]]);
    sum_words(s, (const uint8_t *)words, sums);
    return;
  }
  for (uint32_t i = 0; i < s->feature_cnt; i++)
    bytes[i] = (uint8_t)rank_of(s, i, x[s->features[i]]);
  if (s->feature_cnt > LANES)
    sum_bytes_wide(s, bytes, sums);
  else
    sum_bytes(s, bytes, sums);
}

/* ---- making ---- */

/* A feature and one of its thresholds, ordered as integers; the feature's place among those asked for, and the threshold's. */
typedef struct bound {
  uint64_t order;
  uint32_t slot, rank;
} bound_t;

/* What a forest comes to before it is packed. */
typedef struct draft {
  bound_t  *bounds; /* of inner nodes, sorted, each once; owned. What follows lies behind them */
  uint32_t  bound_cnt;
  uint64_t *orders;    /* (2, node_cnt) for sorting */
  uint8_t  *leaf_cnts; /* of each node, up to 1 above the most */
  tf_tree_scan_t scan; /* its sizes */
  size_t         features_at, levels_at, groups_at, values_at, bytes;
} draft_t;

static bool is_leaf(const float *node) { return node[0] < 0.0f; }

static uint64_t order_of(const float *node) {
  float    threshold = node[1] + 0.0f; /* -0 is 0 */
  uint32_t bits;
  memcpy(&bits, &threshold, sizeof bits);
  bits = bits >> 31 ? ~bits : bits | UINT32_C(1) << 31;
  return (uint64_t)node[0] << 32 | bits;
}

static float threshold_of(const bound_t *bound) {
  uint32_t bits = (uint32_t)bound->order;
  float    threshold;
  bits = bits >> 31 ? bits & ~(UINT32_C(1) << 31) : ~bits;
  memcpy(&threshold, &bits, sizeof threshold);
  return threshold;
}

static int compare_bounds(const void *a, const void *b) {
  uint64_t x = ((const bound_t *)a)->order, y = ((const bound_t *)b)->order;
  return (x > y) - (x < y);
}

/* By a byte at a time, the lowest first; 48 bits are in use. other: as many. */
static void sort_orders(uint64_t *orders, uint64_t *other, uint32_t cnt) {
  for (uint32_t shift = 0; shift < 48; shift += 8) {
    uint32_t  ends[257] = {0};
    uint64_t *from      = orders;
    for (uint32_t i = 0; i < cnt; i++) ends[(from[i] >> shift & 0xff) + 1]++;
    for (uint32_t b = 0; b < 256; b++) ends[b + 1] += ends[b];
    for (uint32_t i = 0; i < cnt; i++) other[ends[from[i] >> shift & 0xff]++] = from[i];
    orders = other;
    other  = from;
  }
}

/* False for a threshold that is no number. */
static bool gather_bounds(draft_t *d, const tf_tree_source_t *source) {
  uint64_t *orders = d->orders;
  uint32_t  cnt    = 0;
  for (uint32_t i = 0; i < source->node_cnt; i++) {
    const float *node = source->nodes + 4 * (size_t)i;
    if (is_leaf(node)) continue;
    if (isnan(node[1])) return false;
    orders[cnt++] = order_of(node);
  }
  sort_orders(orders, orders + source->node_cnt, cnt);
  for (uint32_t i = 0; i < cnt; i++)
    if (d->bound_cnt == 0 || orders[i] != d->bounds[d->bound_cnt - 1].order)
      d->bounds[d->bound_cnt++].order = orders[i];
  return true;
}

static uint32_t most_leaves(draft_t *d, const tf_tree_source_t *source) {
  uint32_t most = 1;
  for (uint32_t i = source->node_cnt; i-- > 0;) {
    const float *node = source->nodes + 4 * (size_t)i;
    uint32_t     cnt  = is_leaf(node) ? 1u : d->leaf_cnts[i + 1] + d->leaf_cnts[(uint32_t)node[3]];
    d->leaf_cnts[i] = (uint8_t)(cnt > TF_TREE_SCAN_LEAVES_MAX ? TF_TREE_SCAN_LEAVES_MAX + 1 : cnt);
  }
  for (uint32_t t = 0; t < source->tree_cnt; t++) {
    uint32_t cnt = d->leaf_cnts[(uint32_t)source->roots[t]];
    if (most < cnt) most = cnt;
  }
  return most;
}

/* Numbers the bounds. The most thresholds that a feature has. */
static uint32_t most_ranks(draft_t *d) {
  uint32_t most = 0, rank = 0;
  for (uint32_t i = 0; i < d->bound_cnt; i++) {
    bound_t *bound = &d->bounds[i];
    bool     next  = i == 0 || bound->order >> 32 != bound[-1].order >> 32;
    d->scan.feature_cnt += next;
    rank        = next ? 0 : rank + 1;
    bound->slot = d->scan.feature_cnt - 1;
    bound->rank = rank;
    if (most < rank + 1) most = rank + 1;
  }
  return most;
}

static bool choose(draft_t *d, const tf_tree_source_t *source) {
  tf_tree_scan_t *s      = &d->scan;
  const uint32_t  leaves = most_leaves(d, source), ranks = most_ranks(d);
  s->has_words   = ranks > TF_TREE_SCAN_RANKS8_MAX;
  s->tree_cnt    = source->tree_cnt;
  s->output_cnt  = source->output_cnt;
  s->tree_lanes  = leaves <= 16 ? 16 : leaves <= 32 ? 32 : 64;
  s->level_cnt   = s->has_words ? LEVELS_MAX : 2;
  s->group_bytes = (s->has_words ? 4 : 3) * LANES;
  for (uint32_t i = 0, block = FAN; i < s->level_cnt; i++, block *= FAN) s->level_floats += block;
  return leaves <= TF_TREE_SCAN_LEAVES_MAX &&
         ranks <= (s->has_words ? TF_TREE_SCAN_RANKS16_MAX : TF_TREE_SCAN_RANKS8_MAX) &&
         s->feature_cnt <=
             (s->has_words ? TF_TREE_SCAN_FEATURES16_MAX : TF_TREE_SCAN_FEATURES8_MAX);
}

static size_t place(size_t *used, size_t bytes) {
  size_t at = *used;
  *used += tf_align_up(bytes, TF_LINE_BYTES);
  return at;
}

static void lay_out(draft_t *d) {
  const tf_tree_scan_t *s      = &d->scan;
  const size_t          groups = (s->tree_cnt * (size_t)s->tree_lanes + LANES - 1) / LANES;
  (void)place(&d->bytes, sizeof *s);
  d->features_at = place(&d->bytes, s->feature_cnt * sizeof *s->features);
  d->levels_at   = place(&d->bytes, (size_t)s->feature_cnt * s->level_floats * sizeof(float));
  d->groups_at   = place(&d->bytes, groups * s->group_bytes);
  d->values_at =
      place(&d->bytes, (size_t)s->tree_cnt * s->tree_lanes * s->output_cnt * sizeof(float));
}

static bool draft_init(draft_t *d, const tf_tree_source_t *source) {
  memset(d, 0, sizeof *d);
  if (!__builtin_cpu_supports("avx512vbmi") || !__builtin_cpu_supports("avx512bw")) return false;
  const size_t cnt = source->node_cnt;
  d->bounds = malloc(cnt * (sizeof *d->bounds + 2 * sizeof *d->orders + sizeof *d->leaf_cnts));
  TF_ASSERT(
      d->bounds); /* a size and what is written must agree: lacking memory may not choose between forms */
  d->orders    = (uint64_t *)(void *)(d->bounds + cnt);
  d->leaf_cnts = (uint8_t *)(d->orders + 2 * cnt);
  if (!gather_bounds(d, source) || !choose(d, source)) return false;
  lay_out(d);
  return true;
}

static void draft_fini(draft_t *d) { free(d->bounds); }

/* Each level ends with what nothing is above. */
static void pack_levels(const draft_t *d, uint32_t *features, float *levels) {
  const tf_tree_scan_t *s = &d->scan;
  for (size_t i = 0; i < (size_t)s->feature_cnt * s->level_floats; i++) levels[i] = INFINITY;
  for (const bound_t *bound = d->bounds; bound < d->bounds + d->bound_cnt; bound++) {
    features[bound->slot] = (uint32_t)(bound->order >> 32);
    float   *level        = levels + (size_t)bound->slot * s->level_floats;
    uint32_t stride = s->level_cnt == 2 ? FAN : FAN * FAN, block = FAN;
    for (; stride > 0; level += block, stride /= FAN, block *= FAN)
      if ((bound->rank + 1) % stride == 0)
        level[(bound->rank + 1) / stride - 1] = threshold_of(bound);
  }
}

typedef struct filler {
  const draft_t          *draft;
  const tf_tree_source_t *source;
  uint8_t                *group; /* of the tree */
  uint32_t                lane;  /* its first */
  uint32_t                leaf;  /* so many were met */
  float                  *values;
} filler_t;

static void fill_node(const filler_t *f, const float *node, uint32_t lane, uint32_t begin) {
  const draft_t *d      = f->draft;
  const bound_t  wanted = {.order = order_of(node)};
  const bound_t *at     = bsearch(&wanted, d->bounds, d->bound_cnt, sizeof wanted, compare_bounds);
  TF_ASSERT(at);
  const uint16_t rank = (uint16_t)at->rank;
  f->group[lane]      = (uint8_t)at->slot;
  if (d->scan.has_words)
    memcpy(f->group + LANES + lane * sizeof rank, &rank, sizeof rank);
  else
    f->group[LANES + lane] = (uint8_t)rank;
  f->group[(d->scan.has_words ? 3 : 2) * LANES + lane] = (uint8_t)begin;
}

/* From left to right. As deep as a tree of at most 64 leaves can be. */
static void fill_tree(filler_t *f, uint32_t node) {
  const float *n = f->source->nodes + 4 * (size_t)node;
  if (is_leaf(n)) {
    const uint32_t outputs = f->source->output_cnt;
    memcpy(f->values + (size_t)f->leaf++ * outputs, f->source->values + (size_t)n[2] * outputs,
           outputs * sizeof *f->values);
    return;
  }
  const uint32_t begin = f->leaf;
  fill_tree(f, node + 1);
  fill_node(f, n, f->lane + f->leaf - 1, begin);
  fill_tree(f, (uint32_t)n[3]);
}

size_t tf_tree_scan_bytes(const tf_tree_source_t *source) {
  draft_t      d;
  const size_t bytes = draft_init(&d, source) ? d.bytes : 0;
  draft_fini(&d);
  return bytes;
}

/* A lane without a node answers yes: no rank is above the highest. */
bool tf_tree_scan_pack(const tf_tree_source_t *source, void *target) {
  draft_t    d;
  const bool good = draft_init(&d, source);
  if (good) {
    uint8_t        *base = target;
    tf_tree_scan_t *s    = target;
    memset(base, 0, d.bytes);
    *s          = d.scan;
    s->features = (uint32_t *)(void *)(base + d.features_at);
    s->levels   = (float *)(void *)(base + d.levels_at);
    s->groups   = base + d.groups_at;
    s->values   = (float *)(void *)(base + d.values_at);
    memset(base + d.groups_at, 0xff, d.values_at - d.groups_at);
    pack_levels(&d, (uint32_t *)(void *)(base + d.features_at),
                (float *)(void *)(base + d.levels_at));
    for (uint32_t t = 0; t < s->tree_cnt; t++) {
      const uint32_t at = t * s->tree_lanes;
      filler_t       f  = {
                 &d,         source, base + d.groups_at + (size_t)(at / LANES) * s->group_bytes,
                 at % LANES, 0,      (float *)(void *)(base + d.values_at) + (size_t)at * s->output_cnt};
      fill_tree(&f, (uint32_t)source->roots[t]);
    }
  }
  draft_fini(&d);
  return good;
}

#else

size_t tf_tree_scan_bytes(const tf_tree_source_t *source) {
  (void)source;
  return 0;
}

bool tf_tree_scan_pack(const tf_tree_source_t *source, void *target) {
  (void)source;
  (void)target;
  return false;
}

void tf_tree_scan_sum(const tf_tree_scan_t *s, const float *x, double *sums) {
  (void)s;
  (void)x;
  (void)sums;
}

#endif
