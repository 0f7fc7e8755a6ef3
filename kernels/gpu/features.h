/* A feature plan as a card's program: events in, features out (features.cuh runs it, card_features.h makes it).
 *
 * What comes in. TRADE and QUOTE events, and STATUS. The lane keeps the books: what it sends as a QUOTE is the best bid and offer
 * as the buffer stage has it (tf/market.h), so no level comes here. The event with TF_FLAG_LAST is the tick and is answered;
 * the others go QUIET. A STATUS says whether the instrument counts in sections from here on: its book OK or NONE and its venue
 * trading it. Who is silent for too long is for the lane to say, by a STATUS too. The first event of an instrument has RESET.
 *
 * What is kept. An instrument's state is its head and then the plan's memory, byte for byte the CPU's (tf/plan_view.h): a plan's memory of
 * the CPU can be copied here and back. Sections are values by instrument in the card's scratch, read by all threads together.
 *
 * Who does what. Steps of a level need nothing of one another: a thread each, on slots in shared memory. Crosses of a level are
 * done by all threads together, one after the other. One block: a tick is bound by the latency of its levels, not by arithmetic. */
#ifndef TF_GPU_FEATURES_H
#define TF_GPU_FEATURES_H

#include "gpu/card.h"

typedef enum tf_card_feature_fn {
#define FN(kind, name) TF_CARD_FN_##kind##_##name,
#include "gpu/card_feature_fn.def"
#undef FN
  TF_CARD_FN_CNT
} tf_card_feature_fn_t;

typedef struct tf_card_feature_step {
  uint16_t fn; /* tf_card_feature_fn_t */
  uint16_t out;
  uint16_t in[2];
  uint32_t state_offset; /* in the plan's memory, bytes */
  uint16_t section;
  uint8_t  puts;
  uint8_t  member_min;
} tf_card_feature_step_t;

TF_STATIC_ASSERT(sizeof(tf_card_feature_step_t) == 16, "one read a step");

/* Steps first .. first + cnt side by side, then cross_cnt crosses behind them. */
typedef struct tf_card_feature_level {
  uint32_t first, cnt, cross_cnt, reserved;
} tf_card_feature_level_t;

/* The image's head; offsets are in bytes from it. */
typedef struct tf_card_features {
  uint32_t level_cnt, step_cnt, slot_cnt, section_cnt;
  uint32_t feature_cnt, instrument_cnt;
  uint32_t mem_bytes; /* of the plan's memory */
  uint32_t levels_at, steps_at, rows_at, memory_at;
  uint32_t reserved[5];
} tf_card_features_t;

TF_STATIC_ASSERT(sizeof(tf_card_features_t) == 64, "the image's parts are aligned behind it");

/* Of an instrument's state; the plan's memory is behind it. */
typedef struct tf_card_feature_head {
  double   bid, ask, bid_qty, ask_qty, trade_price; /* NaN: none yet */
  uint32_t is_fit;
  uint32_t reserved[21];
} tf_card_feature_head_t;

TF_STATIC_ASSERT(sizeof(tf_card_feature_head_t) == TF_LINE_PAIR_BYTES, "the memory is aligned");

#endif
