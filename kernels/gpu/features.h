/* A feature plan as a card's program: market rows in, features out (features.cuh runs it, card_features.h makes it).
 *
 * What comes in: rows of tf/market_row.h. The lane keeps books, bars and who is a member; a TICK is answered.
 *
 * Rows of a request are taken side by side where the program has several blocks: a block an instrument (loop_set.cuh). A section is then as it was
 * before the set, with the values of the rows before one's own in the place of these: each block says its own as packets, and waits for those before
 * it alone. So a row reads what it would read if rows came one by one. Block 0 puts them into the sections behind the set.
 *
 * What is kept. An instrument's state is its head and then the plan's memory, byte for byte the CPU's (tf/plan_view.h): a STATE row
 * copies the lane's here. Sections are values by instrument in the card's scratch, read by all threads together.
 *
 * Who does what. Steps of a level need nothing of one another: a thread each, on slots in shared memory. Crosses of a level are
 * done by all threads together, one after the other. A bar's steps are few and seldom: one thread. One block: a tick is bound by the
 * latency of its levels, not by arithmetic; a set by that of its slowest row, and one trip through L2 for each cross. */
#ifndef TF_GPU_FEATURES_H
#define TF_GPU_FEATURES_H

#include "gpu/card.h"
#include "tf/market_row.h"

typedef enum tf_card_feature_fn {
#define FN(kind, name) TF_CARD_FEATURE_##kind##_##name,
#define STEP(name)     TF_CARD_FEATURE_STEP_##name,
#include "gpu/card_feature_fn.def"
#undef FN
#undef STEP
  TF_CARD_FEATURE_CNT
} tf_card_feature_fn_t;

#define TF_CARD_FEATURE_INPUTS_MAX  4u
#define TF_CARD_FEATURE_OUTPUTS_MAX 4u

typedef struct tf_card_feature_step {
  uint16_t fn; /* tf_card_feature_fn_t */
  uint16_t out;
  uint16_t in[TF_CARD_FEATURE_INPUTS_MAX];
  uint32_t state_offset; /* in the plan's memory, bytes */
  uint16_t section;      /* of a cross; of one that follows events: TF_ON_TRADE, TF_ON_QUOTE */
  uint8_t  puts;
  uint8_t  member_min;
  uint8_t  in_cnt, out_cnt;
  uint8_t  bar;       /* of a bar's */
  uint8_t  param_cnt; /* words of the state before its store */
  double   param;     /* of a cross */
} tf_card_feature_step_t;

TF_STATIC_ASSERT(sizeof(tf_card_feature_step_t) == 32, "two reads a step");

/* Steps first .. first + cnt side by side, then cross_cnt crosses behind them. */
typedef struct tf_card_feature_level {
  uint32_t first, cnt, cross_cnt, reserved;
} tf_card_feature_level_t;

/* A closed bar's field that becomes a slot. */
typedef struct tf_card_feature_field {
  uint16_t slot;
  uint8_t  field, bar;
} tf_card_feature_field_t;

/* The image's head; offsets are in bytes from it. */
typedef struct tf_card_features {
  uint32_t level_cnt, step_cnt, slot_cnt, section_cnt;
  uint32_t feature_cnt, instrument_cnt;
  uint32_t mem_bytes; /* of the plan's memory */
  uint32_t levels_at, steps_at, rows_at;
  uint32_t follow_at, follow_cnt; /* steps that see events between ticks too */
  uint32_t bars_at, bar_step_cnt; /* steps of bars, of each in their order */
  uint32_t fields_at, field_cnt;
  uint32_t handed_at, handed_cnt; /* uint16_t: slots of what comes with a tick */
  uint32_t block_cnt;             /* 1: no sets */
  uint32_t reserved[13];
} tf_card_features_t;

TF_STATIC_ASSERT(sizeof(tf_card_features_t) == 128, "the image's parts are aligned behind it");

#define TF_CARD_FEATURE_MARKET_BYTES 256u /* a tf_event_t, a tf_market_t */

/* Of a row within a set, in a plan with sections: what rows before it, and itself, have put. A bit an instrument is behind it. */
typedef struct tf_card_feature_beside {
  uint64_t changed[TF_MAILBOX_BATCH_MAX]; /* of the section at hand, by row */
  uint32_t is_stuck;                      /* a wait for a row ended without it */
  uint32_t reserved[31];
} tf_card_feature_beside_t;

/* What a row puts, as a packet: bits of the value in words 0 and 1. */
enum { TF_CARD_FEATURE_PUT, TF_CARD_FEATURE_KEPT /* it is lost, and the section's value stays */ };

/* Where the set's kind of a row is: a tf_market_row_t's last two words. */
#define TF_CARD_FEATURE_SET_WORD (offsetof(tf_market_row_t, kind) / sizeof(float))
TF_STATIC_ASSERT(offsetof(tf_market_row_t, kind) == 72 && offsetof(tf_market_row_t, flags) == 73 &&
                     offsetof(tf_market_row_t, member_cnt) == 76 &&
                     TF_CARD_FEATURE_SET_WORD % 3 < 2,
                 "both are in one packet");

TF_INLINE uint32_t tf_card_features_beside_bytes(uint32_t section_cnt, uint32_t instrument_cnt,
                                                 uint32_t block_cnt) {
  if (section_cnt == 0 || block_cnt == 1) return 0;
  return (uint32_t)tf_align_up(sizeof(tf_card_feature_beside_t) + (instrument_cnt + 31) / 32 * 4,
                               TF_LINE_PAIR_BYTES);
}

#define TF_CARD_FEATURE_CONTEXT_BYTES 256u /* what a block knows of its program */
#define TF_CARD_FEATURE_PARTS         32u  /* a double of each warp */

/* In a block's shared memory: what it knows; slots and parts of sums; the market and a quiet event with it; the features as floats; behind
 * these tf_card_feature_beside_t. */
TF_INLINE uint32_t tf_card_features_market_at(uint32_t slot_cnt) {
  return (uint32_t)tf_align_up(TF_CARD_FEATURE_CONTEXT_BYTES +
                                   ((uint64_t)slot_cnt + TF_CARD_FEATURE_PARTS) * sizeof(double),
                               TF_LINE_BYTES);
}
TF_INLINE uint32_t tf_card_features_values_at(uint32_t slot_cnt) {
  return tf_card_features_market_at(slot_cnt) + TF_CARD_FEATURE_MARKET_BYTES;
}
TF_INLINE uint32_t tf_card_features_beside_at(uint32_t slot_cnt, uint32_t feature_cnt) {
  return (uint32_t)tf_align_up(tf_card_features_values_at(slot_cnt) +
                                   (uint64_t)feature_cnt * sizeof(float),
                               TF_LINE_PAIR_BYTES);
}

/* Of an instrument's state; the plan's memory is behind it. */
typedef struct tf_card_feature_head {
  uint32_t is_there; /* the memory is the lane's */
  uint32_t has_seat; /* it has a place in the sections */
  uint32_t reserved[30];
} tf_card_feature_head_t;

TF_STATIC_ASSERT(sizeof(tf_card_feature_head_t) == TF_LINE_PAIR_BYTES, "the memory is aligned");

/* At the beginning of the scratch; sections are behind it, (section_cnt, instrument_cnt), and what a set's rows put, packets of (section_cnt,
 * block_cnt), at a multiple of 128. */
typedef struct tf_card_feature_common {
  uint32_t member_cnt; /* instruments with a seat */
  uint32_t reserved[31];
} tf_card_feature_common_t;

TF_STATIC_ASSERT(sizeof(tf_card_feature_common_t) == TF_LINE_PAIR_BYTES, "sections are aligned");

TF_INLINE uint64_t tf_card_features_puts_at(uint32_t section_cnt, uint32_t instrument_cnt) {
  return sizeof(tf_card_feature_common_t) +
         tf_align_up((uint64_t)section_cnt * instrument_cnt * sizeof(double), TF_LINE_PAIR_BYTES);
}

#endif
