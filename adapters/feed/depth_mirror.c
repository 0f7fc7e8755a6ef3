#include "feed/depth_mirror.h"

#include <string.h>

#include "wire/decimal.h"

static uint32_t cap_of(uint32_t depth_max) {
  return depth_max + tf_depth_mirror_message_max(depth_max);
}

/* Ranks that a side has room for: half of it lies before and behind them when they are put in its middle. */
static uint32_t room_of(uint32_t cap) { return 2 * cap; }

size_t tf_depth_mirror_bytes(uint32_t depth_max) {
  size_t cap = cap_of(depth_max);
  return 2 * (cap * (sizeof(tf_depth_level_t) + sizeof(uint16_t)) +
              room_of((uint32_t)cap) * sizeof(int64_t));
}

void tf_depth_mirror_init(tf_depth_mirror_t *mirror, void *memory, uint32_t depth_max,
                          const struct tf_depth_checksum *checksum) {
  uint32_t cap = cap_of(depth_max);
  TF_ASSERT(cap <= TF_DEPTH_SLOTS_MAX);
  tf_crc32_join_start();
  tf_depth_level_t *levels = memory;
  int64_t          *ranks  = (int64_t *)(void *)(levels + 2 * (size_t)cap);
  uint16_t         *free   = (uint16_t *)(void *)(ranks + 2 * (size_t)room_of(cap));
  mirror->cap              = cap;
  mirror->depth            = depth_max;
  mirror->depth_max        = depth_max;
  mirror->checksum         = checksum;
  for (uint32_t s = 0; s < 2; s++)
    mirror->sides[s] = (tf_depth_side_t){
        .room = ranks + s * room_of(cap), .levels = levels + s * cap, .free = free + s * cap};
  tf_depth_mirror_clear(mirror);
}

void tf_depth_mirror_clear(tf_depth_mirror_t *mirror) {
  for (uint32_t s = 0; s < 2; s++) {
    tf_depth_side_t *side = &mirror->sides[s];
    side->ranks           = side->room + room_of(mirror->cap) / 2;
    side->cnt = side->free_cnt = side->slot_cnt = side->last_place = 0;
  }
  mirror->key_exp   = TF_DEPTH_NO_EXP;
  mirror->is_coarse = false;
}

/* ---- ranks by keys ---- */

TF_INLINE uint32_t slot_of(int64_t rank) { return (uint64_t)rank % TF_DEPTH_SLOTS_MAX; }

/* The rank that a key has with slot 0. False: it does not fit, and is 0. */
static bool make_rank(int64_t key, int apart, int64_t *rank) {
  bool fits = apart <= 18 && !__builtin_mul_overflow(key, (int64_t)tf_decimal_pow10[apart], rank) &&
              !__builtin_mul_overflow(*rank, (int64_t)TF_DEPTH_SLOTS_MAX, rank);
  if (TF_UNLIKELY(!fits)) *rank = 0;
  return fits;
}

/* A finer exponent, for all levels. */
TF_COLD static void refine(tf_depth_mirror_t *mirror, int8_t exp) {
  int apart       = mirror->key_exp == TF_DEPTH_NO_EXP ? 0 : mirror->key_exp - exp;
  mirror->key_exp = exp;
  for (int s = 0; s < 2; s++) {
    tf_depth_side_t *side = &mirror->sides[s];
    for (uint32_t i = 0; i < side->cnt; i++) {
      uint32_t slot = slot_of(side->ranks[i]);
      mirror->is_coarse |= !make_rank(side->ranks[i] >> TF_DEPTH_SLOT_BITS, apart, &side->ranks[i]);
      side->ranks[i] |= slot;
    }
  }
}

/* From `low` to `high`, where it is known to be. */
static uint32_t bisect(const int64_t *ranks, int64_t rank, uint32_t low, uint32_t high) {
  while (low < high) {
    uint32_t half = low + (high - low) / 2;
    if (ranks[half] < rank)
      low = half + 1;
    else
      high = half;
  }
  return low;
}

/* Where the rank stands, or belongs. A message's levels come from the best on, and are often neighbours: looked for from
 * the last one's place, in steps that double. */
static uint32_t place_of_rank(const tf_depth_side_t *side, int64_t rank) {
  const int64_t *ranks = side->ranks;
  uint32_t       high = side->last_place, step = 1;
  if (TF_UNLIKELY(high < side->cnt && ranks[high] < rank))
    return bisect(ranks, rank, high + 1, side->cnt);
  while (step <= high && ranks[high - step] >= rank) {
    high -= step;
    step *= 2;
  }
  return bisect(ranks, rank, step <= high ? high - step + 1 : 0, high);
}

/* ---- the same by prices ---- */

/* a < b for numbers that are not negative and of different exponents. */
TF_COLD static bool is_less_scaled(int64_t a, int a_exp, int64_t b, int b_exp) {
  int apart = a_exp > b_exp ? a_exp - b_exp : b_exp - a_exp;
  if (apart > 19) return b != 0 && (a_exp < b_exp || a == 0); /* 10^19 is over any mantissa */
  __uint128_t x = (uint64_t)a, y = (uint64_t)b;
  if (a_exp > b_exp)
    x *= tf_decimal_pow10[apart];
  else
    y *= tf_decimal_pow10[apart];
  return x < y;
}

static bool is_less(const tf_depth_level_t *a, const tf_event_t *b) {
  if (TF_LIKELY(a->price_exp == b->price_exp)) return a->price < b->u.level.price;
  return is_less_scaled(a->price, a->price_exp, b->u.level.price, b->price_exp);
}

static bool is_more(const tf_depth_level_t *a, const tf_event_t *b) {
  if (TF_LIKELY(a->price_exp == b->price_exp)) return a->price > b->u.level.price;
  return is_less_scaled(b->u.level.price, b->price_exp, a->price, a->price_exp);
}

/* Where a level of that price stands, or belongs. */
TF_COLD static uint32_t place_of_price(const tf_depth_mirror_t *mirror, const tf_event_t *e,
                                       int side, bool *stands) {
  uint32_t low = 0, high = mirror->sides[side].cnt;
  while (low < high) {
    uint32_t                half = low + (high - low) / 2;
    const tf_depth_level_t *at   = tf_depth_mirror_at(mirror, side, half);
    if (side == 1 ? is_more(at, e) : is_less(at, e))
      low = half + 1;
    else
      high = half;
  }
  const tf_depth_level_t *at =
      low < mirror->sides[side].cnt ? tf_depth_mirror_at(mirror, side, low) : NULL;
  *stands = at != NULL && !is_less(at, e) && !is_more(at, e);
  return low;
}

/* ---- changes ---- */

/* The price's text is as it was where the price is written as it was. */
TF_INLINE void write_level(tf_depth_level_t *level, const tf_event_t *e) {
  bool is_rewritten  = level->price != e->u.level.price || level->price_exp != e->price_exp;
  level->price       = e->u.level.price;
  level->qty         = e->u.level.qty;
  level->price_exp   = e->price_exp;
  level->qty_exp     = e->qty_exp;
  level->text_bytes  = 0;
  level->price_bytes = is_rewritten ? 0 : level->price_bytes;
}

/* As much room before the ranks as behind them. */
TF_COLD static void recentre(const tf_depth_mirror_t *mirror, tf_depth_side_t *side) {
  int64_t *to = side->room + (room_of(mirror->cap) - side->cnt) / 2;
  memmove(to, side->ranks, side->cnt * sizeof *to);
  side->ranks = to;
}

/* What is nearer to its end moves. */
static void insert(tf_depth_mirror_t *mirror, tf_depth_side_t *side, uint32_t place, int64_t rank,
                   const tf_event_t *e) {
  TF_ASSERT(side->cnt < mirror->cap); /* the caller has counted */
  uint32_t slot = side->free_cnt > 0 ? side->free[--side->free_cnt] : side->slot_cnt++;
  if (TF_UNLIKELY(side->ranks == side->room ||
                  side->ranks + side->cnt == side->room + room_of(mirror->cap)))
    recentre(mirror, side);
  if (place < side->cnt / 2) {
    memmove(side->ranks - 1, side->ranks, place * sizeof rank);
    side->ranks--;
  } else {
    memmove(side->ranks + place + 1, side->ranks + place, (side->cnt - place) * sizeof rank);
  }
  side->ranks[place] = rank | slot;
  side->cnt++;
  side->levels[slot].price_bytes = 0;
  write_level(&side->levels[slot], e);
}

static void delete (tf_depth_side_t *side, uint32_t place) {
  side->free[side->free_cnt++] = (uint16_t)slot_of(side->ranks[place]);
  side->cnt--;
  if (place < side->cnt / 2) {
    memmove(side->ranks + 1, side->ranks, place * sizeof *side->ranks);
    side->ranks++;
  } else {
    int64_t *at = side->ranks + place;
    memmove(at, at + 1, (side->cnt - place) * sizeof *at);
  }
}

void tf_depth_mirror_begin(tf_depth_mirror_t *mirror) {
  for (uint32_t s = 0; s < 2; s++) mirror->sides[s].last_place = mirror->sides[s].cnt;
}

void tf_depth_mirror_apply(tf_depth_mirror_t *mirror, const tf_event_t *e) {
  bool             is_ask = (e->flags & TF_FLAG_SIDE) != 0, stands;
  tf_depth_side_t *side   = &mirror->sides[is_ask];
  int64_t          price  = e->u.level.price, rank;
  uint32_t         place;
  if (TF_UNLIKELY(e->price_exp < mirror->key_exp)) refine(mirror, e->price_exp);
  if (TF_UNLIKELY(!make_rank(is_ask ? -price : price, e->price_exp - mirror->key_exp, &rank)))
    mirror->is_coarse = true;
  if (TF_UNLIKELY(mirror->is_coarse)) {
    rank  = 0;
    place = place_of_price(mirror, e, is_ask, &stands);
  } else {
    place  = place_of_rank(side, rank);
    stands = place < side->cnt && side->ranks[place] - rank < (int64_t)TF_DEPTH_SLOTS_MAX;
  }
  side->last_place = place;
  if (stands && e->u.level.qty != 0)
    write_level(&side->levels[slot_of(side->ranks[place])], e);
  else if (stands)
    delete (side, place);
  else if (e->u.level.qty != 0)
    insert(mirror, side, place, rank, e);
}

void tf_depth_mirror_cut(tf_depth_mirror_t *mirror) {
  for (int s = 0; s < 2; s++) {
    tf_depth_side_t *side   = &mirror->sides[s];
    uint32_t         excess = tf_depth_mirror_excess(mirror, s);
    if (excess == 0) continue;
    for (uint32_t i = 0; i < excess; i++)
      side->free[side->free_cnt++] = (uint16_t)slot_of(side->ranks[i]);
    side->cnt -= excess;
    side->ranks += excess;
  }
  tf_depth_mirror_begin(mirror);
}
