/* What a lane tells a worker that computes features itself: the market as its indicators see it, one row a message or less, instead of a
 * model's inputs. A row of the mailbox (tf/mailbox.h) whose values are the words of a tf_market_row_t: with its head 8 packets, a line
 * pair, however many features hang on it.
 *
 *   lane                                                         worker
 *   books, bars, who is a member          TRADE QUOTE BAR GONE   windows, sections: one memory an instrument, byte for byte
 *   the same features                     TICK  ------------->   the plan's (tf/plan_view.h)
 *   what it needs of both at a restart    STATE, STANDS ----->   taken from there, not warmed up anew
 *
 * What no card computes (a book's depth, another instrument's value, a peek) the lane hands over: behind the words of a TICK's row stands a
 * double for each such value of the plan, in its order. So a plan never is refused for a step.
 *
 * Doubles are the lane's own (tf/market.h): nothing is computed twice from a venue's decimals, and no rule of the buffer stage lives
 * in two places. Rows of an instrument come in the order of its events; TICK and GONE of all instruments in the lane's order, since
 * sections (tf/cross.h) are read across them. All but TICK and STANDS are QUIET.
 *
 * A worker that has not an instrument's memory gets it from the lane, which computes the same plan: as packets in the mailbox's state
 * room, as of the tick in hand, then STANDS in the place of TICK. The room holds one instrument's: it is written again only once a
 * later row was answered. A worker answers WARMING while a feature has no value, and BEHIND a TICK of an instrument whose memory it has
 * not, or at which members of the sections are not here: then GONE of all, STATE and STANDS are next.
 *
 * Who writes: the lane. Cost of a tick: 8 stores of 16 bytes, and 2 for each 3 values handed over; of a state: its bytes * 4 / 3 once an instrument and worker. */
#ifndef TF_MARKET_ROW_H
#define TF_MARKET_ROW_H

#include "tf/base.h"

typedef enum tf_market_row_kind {
  TF_MARKET_ROW_TRADE = 1, /* an event within a message */
  TF_MARKET_ROW_QUOTE,
  TF_MARKET_ROW_BAR,  /* bar bar_idx of the plan has closed */
  TF_MARKET_ROW_TICK, /* the message is complete */
  TF_MARKET_ROW_GONE, /* it leaves the sections: it was silent for too long, or its tick is not told */
  TF_MARKET_ROW_STATE,  /* its memory is in the room, under state.tag */
  TF_MARKET_ROW_STANDS, /* a tick whose features are in that memory */
} tf_market_row_kind_t;

#define TF_MARKET_ROW_HAS_QUOTE 0x1u
#define TF_MARKET_ROW_HAS_SEAT  0x2u /* it is of the universe */
#define TF_MARKET_ROW_IS_FIT    0x4u /* its values count there now */
#define TF_MARKET_ROW_IS_ALL    0x8u /* of GONE: everybody leaves */

#define TF_MARKET_ROW_BAR_FIELDS 8u /* open high low close volume notional buy_volume trade_cnt */

typedef struct tf_market_row {
  uint64_t now_ns; /* the market's clock */
  union {
    struct {
      double bid, ask, bid_qty, ask_qty, trade_price, trade_qty, mark_price, funding_rate;
    } top;
    double bar[TF_MARKET_ROW_BAR_FIELDS];
    struct {
      uint32_t tag;     /* of the room's packets */
      uint32_t row_cnt; /* of the model's window, behind the memory, oldest first */
    } state;
  } u;
  uint8_t  kind;  /* tf_market_row_kind_t */
  uint8_t  flags; /* TF_MARKET_ROW_* */
  int8_t   trade_side;
  uint8_t  bar_idx;
  uint32_t member_cnt; /* of a tick: instruments with a place in sections, itself among them */
} tf_market_row_t;

TF_STATIC_ASSERT(sizeof(tf_market_row_t) == 80, "layout is a public format");

#define TF_MARKET_ROW_HANDED_MAX 128u

/* Of a row with so many values handed over. */
TF_INLINE uint32_t tf_market_row_values(uint32_t handed_cnt) {
  return (uint32_t)((sizeof(tf_market_row_t) + handed_cnt * sizeof(double)) / sizeof(float));
}
#define TF_MARKET_ROW_VALUES_MAX                                                                   \
  ((sizeof(tf_market_row_t) + TF_MARKET_ROW_HANDED_MAX * sizeof(double)) / sizeof(float))

#endif
