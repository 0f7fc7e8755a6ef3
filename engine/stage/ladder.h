/* One side of a book, kept as pages of eight neighbouring prices (tf/market.h, which is how readers see
 * it) that a hash table finds. A change is a multiplication, a look-up and a store, whether it updates,
 * inserts or deletes: nothing is searched and nothing moves. Only the first level on a new page touches
 * the order of pages, whose cost is a bisection and a move of 4 bytes a page.
 *
 * A page that has lost its levels stays, as prices come and go at the same places, until storage runs
 * out; then all empty ones are collected at once. Storage holds as many pages as there may be levels and an
 * eighth more, so that no spread of prices runs it out and a collection is paid for by the pages that
 * it frees: 230 bytes a level at worst, whatever the prices.
 *
 * The step is the greatest common divisor of all prices seen: one between the steps makes it finer, and
 * the side is laid out anew, which can happen 63 times and happens on a book's first levels.
 *
 * A full side gives up its worst level for a better one, and leaves a worse one out: both are counted, and the best
 * price so lost is the side's horizon. Whatever is at it or beyond it stays out from then on, though there may
 * be room again: venues tell of a level once, so what was dropped is never told again, and a side that took
 * up later ones behind it would have holes where it claims to have levels (XChange issue 4571). So the
 * levels kept are all that there are down to the worst of them; they become fewer as the market moves
 * towards the horizon, until the owner of the book asks for a new snapshot. tf_ladder_clear forgets it.
 * Owner and only writer: the lane. */
#ifndef TF_STAGE_LADDER_H
#define TF_STAGE_LADDER_H

#include "core/arena.h"
#include "tf/market.h"

#define TF_LADDER_PAGES(levels_max) ((size_t)(levels_max) + (levels_max) / 8 + 16)

/* The hash table is a power of two of twice to four times the pages. */
#define TF_LADDER_BYTES(levels_max)                                                                \
  (TF_LADDER_PAGES(levels_max) *                                                                   \
       (sizeof(int64_t[TF_BOOK_PAGE_PRICES]) + sizeof(tf_book_page_t) + 5 * sizeof(uint32_t)) +    \
   (size_t)(levels_max) * sizeof(tf_ladder_level_t) + 8 * TF_LINE_BYTES)

typedef struct tf_ladder_level {
  int64_t price, qty;
} tf_ladder_level_t;

typedef struct tf_ladder {
  tf_book_side_t *side;
  uint32_t       *table; /* pages by number, open addressing */
  uint32_t        table_mask, table_shift;
  uint32_t        pages_max, levels_max;
  uint32_t        order_cnt;    /* pages in use; behind them the order holds those that are free */
  uint32_t        worst_idx;    /* in the order: the worst level's page */
  int64_t         best_number;  /* of the page that holds the best level; INT64_MIN: empty */
  int64_t         worst_number; /* of the one that holds the worst; INT64_MAX: empty */
  uint32_t        step_shift;   /* exact division by the step: shift, then multiply by the */
  uint64_t        step_inverse; /* odd part's inverse modulo 2^64 */
  int64_t         key_max;      /* INT64_MAX / step */
  int64_t  horizon_key; /* the best key lost, and one: no kept key is less; INT64_MIN: none was */
  uint64_t truncated_levels;
  tf_ladder_level_t *scratch; /* (levels_max) while the side is laid out anew */
} tf_ladder_t;

/* Takes TF_LADDER_BYTES(levels_max) of the arena; levels_max >= 1. side becomes empty. */
tf_err_t tf_ladder_init(tf_ladder_t *ladder, tf_book_side_t *side, tf_arena_t *arena,
                        uint32_t levels_max, bool is_ask);

/* The level at price becomes qty; 0 deletes it. False, having changed nothing, for INT64_MIN, which
 * is no price. */
bool tf_ladder_set(tf_ladder_t *ladder, int64_t price, int64_t qty);

void tf_ladder_clear(tf_ladder_t *ladder);

/* Whether a level was lost since the side was cleared. */
TF_INLINE bool tf_ladder_has_horizon(const tf_ladder_t *ladder) {
  return ladder->horizon_key != INT64_MIN;
}

/* Multiplies all prices and quantities, as when the book's scale becomes finer. can_scale says whether
 * all of them stay within 63 bits. Factors >= 1. */
bool tf_ladder_can_scale(const tf_ladder_t *ladder, int64_t by_price, int64_t by_qty);
void tf_ladder_scale(tf_ladder_t *ladder, int64_t by_price, int64_t by_qty);

/* As it was when its step, horizon and levels were read off: cnt of them, best first, in the ladder's own scratch. False, and it is
 * empty, where they cannot be one side's. */
bool tf_ladder_restore(tf_ladder_t *ladder, int64_t step, int64_t horizon_key, uint64_t truncated,
                       uint32_t cnt);

#endif
