#include "stage/ladder.h"

#include <string.h>

#define NO_PAGE UINT32_MAX

/* Knuth's multiplicative hash: the golden ratio of 2^64. */
#define HASH_FACTOR UINT64_C(0x9e3779b97f4a7c15)

/* ---- a price's key ---- */

/* Exact division by an invariant: T. Granlund, P. Montgomery, "Division by invariant integers using
 * multiplication", PLDI 1994, section 9. False where price is no multiple of the step. */
TF_INLINE bool key_of(const tf_ladder_t *l, int64_t price, int64_t *key) {
  uint64_t quotient = (uint64_t)(price >> l->step_shift) * l->step_inverse;
  *key              = (int64_t)quotient ^ l->side->flip;
  return quotient + (uint64_t)l->key_max <= 2 * (uint64_t)l->key_max &&
         quotient * (uint64_t)l->side->step == (uint64_t)price;
}

static void set_step(tf_ladder_t *l, int64_t step) {
  l->side->step   = step;
  l->step_shift   = (uint32_t)__builtin_ctzll((uint64_t)step);
  uint64_t odd    = (uint64_t)step >> l->step_shift;
  l->step_inverse = odd; /* right in its 3 low bits, since odd * odd = 1 modulo 8 */
  for (int bits = 3; bits < 64; bits *= 2) l->step_inverse *= 2 - odd * l->step_inverse;
  l->key_max = INT64_MAX / step;
}

/* ---- pages ---- */

static tf_book_page_t *page_at(const tf_ladder_t *l, uint32_t order_idx) {
  return &l->side->pages[l->side->order[order_idx]];
}

static uint64_t slot_of(const tf_ladder_t *l, int64_t number) {
  return (uint64_t)number * HASH_FACTOR >> l->table_shift;
}

TF_INLINE uint32_t find_page(const tf_ladder_t *l, int64_t number) {
  for (uint64_t i = slot_of(l, number);; i = (i + 1) & l->table_mask) {
    uint32_t page = l->table[i];
    if (page == NO_PAGE || l->side->pages[page].number == number) return page;
  }
}

static void enter_page(tf_ladder_t *l, uint32_t page) {
  uint64_t i = slot_of(l, l->side->pages[page].number);
  while (l->table[i] != NO_PAGE) i = (i + 1) & l->table_mask;
  l->table[i] = page;
}

/* All empty pages become free. The table, which is made anew anyway, holds them meanwhile. */
TF_COLD static void collect_empty(tf_ladder_t *l) {
  uint32_t *order = l->side->order, *empty = l->table, kept = 0, empty_cnt = 0;
  for (uint32_t i = 0; i < l->order_cnt; i++) {
    uint32_t page = order[i];
    if (l->side->pages[page].used)
      order[kept++] = page;
    else
      empty[empty_cnt++] = page;
  }
  memcpy(order + kept, empty, empty_cnt * sizeof *order);
  l->order_cnt = l->side->page_cnt = kept;
  l->worst_idx                     = 0;
  memset(l->table, 0xff, ((size_t)l->table_mask + 1) * sizeof *l->table);
  for (uint32_t i = 0; i < kept; i++) enter_page(l, order[i]);
}

/* A page of no levels yet. */
static uint32_t add_page(tf_ladder_t *l, int64_t number) {
  tf_book_side_t *side = l->side;
  if (TF_UNLIKELY(l->order_cnt == l->pages_max)) collect_empty(l);
  uint32_t at = 0, left = l->order_cnt;
  while (left > 0) { /* at becomes the number of worse pages */
    uint32_t half  = left / 2;
    bool     worse = page_at(l, at + half)->number < number;
    at += worse ? half + 1 : 0;
    left = worse ? left - half - 1 : half;
  }
  uint32_t page = side->order[l->order_cnt];
  memmove(&side->order[at + 1], &side->order[at], (l->order_cnt - at) * sizeof *side->order);
  side->order[at] = page;
  l->order_cnt++;
  side->page_cnt += at < side->page_cnt;
  l->worst_idx += at <= l->worst_idx;
  side->pages[page] = (tf_book_page_t){.number = number};
  memset(side->qtys[page], 0, sizeof side->qtys[page]);
  enter_page(l, page);
  return page;
}

/* After a level came or went on page `number`, which was the best or the worst or is beyond them. All
 * pages before worst_idx and from page_cnt on are empty. */
static void move_ends(tf_ladder_t *l, int64_t number) {
  uint32_t best_cnt = l->side->page_cnt, worst = l->worst_idx;
  while (best_cnt < l->order_cnt && page_at(l, best_cnt)->number <= number) best_cnt++;
  while (best_cnt > 0 && !page_at(l, best_cnt - 1)->used) best_cnt--;
  if (worst > best_cnt) worst = best_cnt;
  while (worst > 0 && page_at(l, worst - 1)->number >= number) worst--;
  while (worst < best_cnt && !page_at(l, worst)->used) worst++;
  l->side->page_cnt = best_cnt;
  l->worst_idx      = worst;
  l->best_number    = best_cnt ? page_at(l, best_cnt - 1)->number : INT64_MIN;
  l->worst_number   = best_cnt ? page_at(l, worst)->number : INT64_MAX;
}

/* A full side gives up its worst level for a better one. False, and nothing is given up, when that one
 * would be the worst itself. */
TF_COLD static bool make_room(tf_ladder_t *l, int64_t key) {
  uint32_t        page  = l->side->order[l->worst_idx];
  tf_book_page_t *p     = &l->side->pages[page];
  uint32_t        slot  = (uint32_t)__builtin_ctz(p->used);
  const int64_t   worst = p->number * TF_BOOK_PAGE_PRICES + slot;
  l->truncated_levels++;
  l->horizon_key = (key < worst ? key : worst) + 1; /* never behind the one before */
  if (key < worst) return false;
  p->used &= p->used - 1;
  l->side->qtys[page][slot] = 0;
  l->side->level_cnt--;
  move_ends(l, p->number);
  return true;
}

/* ---- laying out anew ---- */

static uint64_t magnitude(int64_t x) { return x < 0 ? -(uint64_t)x : (uint64_t)x; }

static uint64_t common_divisor(uint64_t a, uint64_t b) {
  while (b != 0) {
    uint64_t rest = a % b;
    a             = b;
    b             = rest;
  }
  return a;
}

/* A price between the steps. False for the one that has no magnitude in 63 bits. */
TF_COLD static bool refine_step(tf_ladder_t *l, int64_t price) {
  if (price == INT64_MIN) return false;
  uint32_t      cnt         = 0;
  const int64_t horizon_key = l->horizon_key, step = l->side->step;
  for (tf_book_cursor_t at = tf_book_best(l->side); at.qty != 0; tf_book_worse(&at))
    l->scratch[cnt++] = (tf_ladder_level_t){at.price, at.qty};
  tf_ladder_clear(l);
  set_step(l, (int64_t)common_divisor((uint64_t)l->side->step, magnitude(price)));
  for (uint32_t i = 0; i < cnt; i++) (void)tf_ladder_set(l, l->scratch[i].price, l->scratch[i].qty);
  if (horizon_key != INT64_MIN) /* the same price in finer steps: a whole number of them */
    l->horizon_key =
        (((horizon_key - 1) ^ l->side->flip) * (step / l->side->step) ^ l->side->flip) + 1;
  return true;
}

bool tf_ladder_can_scale(const tf_ladder_t *l, int64_t by_price, int64_t by_qty) {
  int64_t wide;
  if (__builtin_mul_overflow(l->side->step, by_price, &wide)) return false;
  for (tf_book_cursor_t at = tf_book_best(l->side); at.qty != 0; tf_book_worse(&at))
    if (__builtin_mul_overflow(at.price, by_price, &wide) ||
        __builtin_mul_overflow(at.qty, by_qty, &wide))
      return false;
  return true;
}

void tf_ladder_scale(tf_ladder_t *l, int64_t by_price, int64_t by_qty) {
  if (l->side->step == 0) return;
  set_step(l, l->side->step * by_price);
  for (uint32_t i = 0; i < l->order_cnt; i++)
    for (uint32_t k = 0; k < TF_BOOK_PAGE_PRICES; k++)
      l->side->qtys[l->side->order[i]][k] *= by_qty;
}

/* ---- the side ---- */

bool tf_ladder_set(tf_ladder_t *l, int64_t price, int64_t qty) {
  tf_book_side_t *side = l->side;
  int64_t         key;
  if (TF_UNLIKELY(!key_of(l, price, &key))) {
    if (!refine_step(l, price)) return false;
    (void)key_of(l, price, &key);
  }
  if (TF_UNLIKELY(key < l->horizon_key)) { /* no such level is kept */
    l->truncated_levels += qty != 0;
    return true;
  }
  const int64_t  number = key >> TF_BOOK_PAGE_BITS;
  const uint32_t slot   = (uint32_t)key & (TF_BOOK_PAGE_PRICES - 1);
  uint32_t       page   = find_page(l, number);
  if (TF_UNLIKELY(page == NO_PAGE)) {
    if (qty == 0) return true;
    page = add_page(l, number);
  }
  int64_t *at   = &side->qtys[page][slot];
  int      more = (qty != 0) - (*at != 0);
  if (TF_UNLIKELY((more > 0) & (side->level_cnt == l->levels_max)) && !make_room(l, key))
    return true;
  *at            = qty;
  uint32_t *used = &side->pages[page].used;
  *used          = (*used & ~(1u << slot)) | (uint32_t)(qty != 0) << slot;
  side->level_cnt += (uint32_t)more;
  if ((more != 0) & ((number >= l->best_number) | (number <= l->worst_number)))
    move_ends(l, number);
  return true;
}

void tf_ladder_clear(tf_ladder_t *l) {
  tf_book_side_t *side = l->side;
  side->page_cnt = side->level_cnt = l->order_cnt = l->worst_idx = 0;
  l->best_number                                                 = INT64_MIN;
  l->worst_number                                                = INT64_MAX;
  l->horizon_key                                                 = INT64_MIN;
  for (uint32_t i = 0; i < l->pages_max; i++) side->order[i] = i;
  memset(l->table, 0xff, ((size_t)l->table_mask + 1) * sizeof *l->table);
}

bool tf_ladder_restore(tf_ladder_t *l, int64_t step, int64_t horizon_key, uint64_t truncated,
                       uint32_t cnt) {
  tf_ladder_clear(l);
  l->side->step = 0;
  if (cnt > l->levels_max || step < 0 || (cnt > 0 && step == 0)) return false;
  if (step > 0) set_step(l, step);
  for (uint32_t i = cnt; i-- > 0;) { /* worst first: each page goes behind those that are there */
    const tf_ladder_level_t level = l->scratch[i];
    int64_t                 key;
    if (level.qty == 0 || !key_of(l, level.price, &key) ||
        !tf_ladder_set(l, level.price, level.qty))
      break;
  }
  bool is_whole       = l->side->level_cnt == cnt;
  l->horizon_key      = is_whole ? horizon_key : INT64_MIN;
  l->truncated_levels = truncated;
  if (!is_whole) tf_ladder_clear(l);
  return is_whole;
}

tf_err_t tf_ladder_init(tf_ladder_t *l, tf_book_side_t *side, tf_arena_t *arena,
                        uint32_t levels_max, bool is_ask) {
  TF_ASSERT(levels_max >= 1);
  *side         = (tf_book_side_t){.flip = -(int64_t)is_ask};
  *l            = (tf_ladder_t){.side = side, .levels_max = levels_max};
  l->pages_max  = (uint32_t)TF_LADDER_PAGES(levels_max);
  uint32_t bits = 1;
  while (1u << bits < 2 * l->pages_max) bits++;
  l->table_mask  = (1u << bits) - 1;
  l->table_shift = 64 - bits;
  side->qtys     = tf_arena_take(arena, l->pages_max * sizeof *side->qtys, TF_LINE_BYTES);
  side->pages    = tf_arena_take(arena, l->pages_max * sizeof *side->pages, TF_LINE_BYTES);
  side->order    = tf_arena_take(arena, l->pages_max * sizeof *side->order, TF_LINE_BYTES);
  l->table       = tf_arena_take(arena, sizeof *l->table << bits, TF_LINE_BYTES);
  l->scratch     = tf_arena_take(arena, levels_max * sizeof *l->scratch, TF_LINE_BYTES);
  if (!side->qtys || !side->pages || !side->order || !l->table || !l->scratch)
    return E_CORE_ARENA_FULL;
  tf_ladder_clear(l);
  return TF_OK;
}
