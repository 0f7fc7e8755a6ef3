/* What the subscribers of one book were shown: its best levels to the depth that the venue keeps for them.
 * An update is the difference between that and the book now; a level that others push out of the depth is
 * deleted like one that is gone. Owner and only writer: the simulator's thread. */
#ifndef SIM_SHOWN_H
#define SIM_SHOWN_H

#include "sim/exchange.h"

#define SIM_SHOWN_LEVELS_MAX 500

typedef struct sim_shown {
  uint64_t  seq; /* of the message that showed it */
  uint32_t  cnt[2];
  sim_row_t rows[2][SIM_SHOWN_LEVELS_MAX]; /* [0] bids, [1] asks, best first */
} sim_shown_t;

/* Writes one level in the venue's form; is_first: no comma before it. */
typedef void (*sim_put_level_t)(sim_text_t *text, const sim_view_t *view, bool is_first,
                                sim_row_t row);

/* Nobody could tell the view's best levels from what was shown. depth: at most SIM_SHOWN_LEVELS_MAX. */
bool sim_shown_is_same(const sim_shown_t *shown, const sim_view_t *view, uint32_t depth);
/* The levels of one side that turn what was shown into the view's best; all of them of an empty one. */
void sim_shown_put(const sim_shown_t *shown, const sim_view_t *view, uint32_t depth, bool ask,
                   sim_text_t *text, sim_put_level_t put_level);
void sim_shown_keep(sim_shown_t *shown, const sim_view_t *view, uint32_t depth);

#endif
