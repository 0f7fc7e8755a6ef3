/* A compiled feature plan as somebody else may run it: steps by name, in an order in which inputs come first, and the memory that
 * they run over, as it is at the beginning. engine/boot makes it of its plan; kernels/gpu makes a card's program of it.
 *
 * Memory is one instrument's, as the plan has it: doubles (slots) first, then states of indicators, byte for byte what the
 * indicators' init wrote, without pointers. Slots are NaN but for constants. */
#ifndef TF_PLAN_VIEW_H
#define TF_PLAN_VIEW_H

#include "tf/cross.h"

typedef enum tf_plan_step_kind {
  TF_PLAN_MARKET,     /* an indicator of the market, at each tick */
  TF_PLAN_SERIES,     /* an indicator of other steps' values */
  TF_PLAN_ARITHMETIC, /* neg abs add sub mul div min max */
  TF_PLAN_CROSS       /* among all instruments */
} tf_plan_step_kind_t;

typedef struct tf_plan_step {
  const char *name; /* "ema", "add", "cs_rank" */
  uint8_t     kind; /* tf_plan_step_kind_t */
  uint8_t     in_cnt, out_cnt;
  uint8_t     member_min;   /* of a cross */
  uint32_t    state_offset; /* of an indicator, in memory, bytes */
  uint16_t    in[TF_INDICATOR_SERIES_MAX];
  uint16_t    out;       /* first slot written */
  uint16_t    section;   /* of a cross */
  bool        puts;      /* of a cross: its input is put into the section before */
  bool        on_events; /* of a market indicator: it sees events between ticks too */
} tf_plan_step_t;

typedef struct tf_plan_view {
  tf_plan_step_t *steps;
  uint16_t       *row_slots; /* (feature_cnt) */
  uint8_t        *memory;    /* (mem_bytes) as at the beginning */
  uint32_t        step_cnt, feature_cnt, slot_cnt, section_cnt;
  size_t          mem_bytes;
  const char     *missing; /* what of the plan no step says: NULL: nothing */
  void           *block;   /* the one allocation that all of it lies in */
} tf_plan_view_t;

#endif
