/* Trades whose price cannot be meant: more than TF_OUTLIER_FACTOR times the instrument's last price, or less than that part
 * of it. They are published as the venue sent them, with TF_FLAG_OUTLIER, and counted; a lane leaves them out of the
 * last trade, bars and windows. A price that comes TF_OUTLIER_STREAK times in a row, each near the one before, is
 * meant (a redenomination, a contract that was split): from then on it is the last price.
 *
 * Quotes and levels are not judged: orders far from the market are ordinary.
 * One writer: acquire's thread. A division by a constant and two comparisons a trade. */
#ifndef TF_STAGE_OUTLIER_H
#define TF_STAGE_OUTLIER_H

#include "tf/event.h"

#define TF_OUTLIER_FACTOR 1000
#define TF_OUTLIER_STREAK 3u

typedef struct tf_outlier_price {
  int64_t mantissa; /* 0: none yet */
  int8_t  exp;
} tf_outlier_price_t;

typedef struct tf_outlier_row { /* of one instrument; zeroed at start */
  tf_outlier_price_t last;      /* of the last trade that was believed */
  tf_outlier_price_t odd;       /* of the last that was not */
  uint32_t           streak;    /* of odd ones near each other, the last included */
} tf_outlier_row_t;

/* A TRADE: whether it is one. */
bool tf_outlier_is(tf_outlier_row_t *row, const tf_event_t *trade);

/* A TRADE that is about to be published: flags it if it is one, and says so. rows by instrument_id, row_cnt of
 * them. Backfill is of another time: neither judged nor a reference. */
TF_INLINE bool tf_outlier_judge(tf_outlier_row_t *rows, uint32_t row_cnt, tf_event_t *trade) {
  if (trade->instrument_id >= row_cnt || (trade->flags & TF_FLAG_BACKFILL)) return false;
  if (TF_LIKELY(!tf_outlier_is(&rows[trade->instrument_id], trade))) return false;
  trade->flags |= TF_FLAG_OUTLIER;
  return true;
}

#endif
