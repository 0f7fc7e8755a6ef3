/* A compiled feature plan as somebody else may run it: steps by name, in an order in which inputs come first, and the memory that
 * they run over, as it is at the beginning. engine/boot makes it of its plan, of what a model's features hang on; a worker finds it
 * in its mailbox; kernels/gpu makes a card's program of it.
 *
 * Memory is one instrument's, as the plan has it: doubles (slots) first, then states of indicators, byte for byte what the
 * indicators' init wrote, without pointers. Slots are NaN but for constants.
 *
 * The image is one block of bytes without pointers, little endian: tf_plan_image_t, steps, fields, rows' slots, memory, each at a
 * multiple of 64. Who writes: boot, before the worker is started; nobody after. */
#ifndef TF_PLAN_VIEW_H
#define TF_PLAN_VIEW_H

#include "tf/cross.h"
#include "tf/market_row.h"

#define TF_PLAN_MAGIC      UINT64_C(0x31306e616c706674) /* "tfplan01", little endian */
#define TF_PLAN_NAME_BYTES 32
#define TF_PLAN_STEPS_MAX  65536u
#define TF_PLAN_FIELDS_MAX 256u /* 32 bars of 8 fields */
#define TF_PLAN_NO_BAR     0xffu

typedef enum tf_view_step_kind {
  TF_PLAN_MARKET,     /* an indicator of the market, at each tick */
  TF_PLAN_SERIES,     /* an indicator of other steps' values */
  TF_PLAN_ARITHMETIC, /* neg abs add sub mul div min max */
  TF_PLAN_CROSS,      /* among all instruments */
  TF_PLAN_HANDED, /* its value comes with each tick, in the order of these: name says what makes it */
  TF_PLAN_KIND_CNT
} tf_view_step_kind_t;

typedef struct tf_view_step {
  char     name[TF_PLAN_NAME_BYTES]; /* "ema", "add", "cs_rank" */
  uint32_t state_offset;             /* of an indicator, in memory, bytes */
  uint16_t in[TF_INDICATOR_SERIES_MAX];
  uint16_t out;     /* first slot written */
  uint16_t section; /* of a cross */
  uint8_t  kind;    /* tf_view_step_kind_t */
  uint8_t  in_cnt, out_cnt;
  uint8_t  bar; /* whose closes are its clock; TF_PLAN_NO_BAR: ticks */
  uint8_t  on;  /* of a market indicator: TF_ON_TRADE, QUOTE, BOOK, TEXT where it sees these too */
  uint8_t  member_min; /* of a cross */
  uint8_t  puts;       /* of a cross: its input is put into the section before */
  uint8_t  param_cnt;  /* of an indicator: words of its state before its store (indicator/step.h) */
  double   param;      /* of a cross: its first */
} tf_view_step_t;

TF_STATIC_ASSERT(sizeof(tf_view_step_t) == 64, "layout is a public format");

/* Field `field` of bar `bar` becomes slot `slot` when it closes. */
typedef struct tf_plan_field {
  uint16_t slot;
  uint8_t  field, bar;
} tf_plan_field_t;

typedef struct tf_plan_image {
  uint64_t magic, bytes; /* of all of it */
  uint64_t mem_bytes;
  uint32_t step_cnt, field_cnt, feature_cnt, slot_cnt, section_cnt;
  uint8_t  reserved[20];
} tf_plan_image_t;

TF_STATIC_ASSERT(sizeof(tf_plan_image_t) == 64, "layout is a public format");

typedef struct tf_plan_view {
  const tf_plan_image_t *image;
  const tf_view_step_t  *steps;
  const tf_plan_field_t *fields;
  const uint16_t        *row_slots; /* (feature_cnt) */
  const uint8_t         *memory;    /* (mem_bytes) as at the beginning */
  uint32_t               step_cnt, field_cnt, feature_cnt, slot_cnt, section_cnt;
  uint64_t               mem_bytes;
} tf_plan_view_t;

TF_INLINE uint64_t tf_plan_rows_at_(const tf_plan_image_t *head) {
  return sizeof *head + head->step_cnt * sizeof(tf_view_step_t) +
         tf_align_up(head->field_cnt * sizeof(tf_plan_field_t), TF_LINE_BYTES);
}
TF_INLINE uint64_t tf_plan_memory_at_(const tf_plan_image_t *head) {
  return tf_plan_rows_at_(head) + tf_align_up(head->feature_cnt * sizeof(uint16_t), TF_LINE_BYTES);
}
/* Of an image with these counts. */
TF_INLINE uint64_t tf_plan_view_bytes(const tf_plan_image_t *head) {
  return tf_plan_memory_at_(head) + tf_align_up(head->mem_bytes, TF_LINE_BYTES);
}

/* Where the parts of an image lie; false: they do not fit its bytes, or pass their limits. Nothing of them is read. */
TF_INLINE bool tf_plan_view_lay(tf_plan_view_t *v, const tf_plan_image_t *head, uint64_t bytes) {
  const uint8_t *at = (const uint8_t *)head;
  if (bytes < sizeof *head || head->magic != TF_PLAN_MAGIC || head->step_cnt > TF_PLAN_STEPS_MAX ||
      head->field_cnt > TF_PLAN_FIELDS_MAX || head->feature_cnt > UINT16_MAX ||
      head->slot_cnt > UINT16_MAX || head->mem_bytes > UINT32_MAX ||
      head->mem_bytes < head->slot_cnt * sizeof(double) || head->bytes != bytes ||
      tf_plan_view_bytes(head) != bytes)
    return false;
  const uint64_t steps = sizeof *head, fields = steps + head->step_cnt * sizeof(tf_view_step_t);
  *v = (tf_plan_view_t){.image     = head,
                        .steps     = (const tf_view_step_t *)(const void *)(at + steps),
                        .fields    = (const tf_plan_field_t *)(const void *)(at + fields),
                        .row_slots = (const uint16_t *)(const void *)(at + tf_plan_rows_at_(head)),
                        .memory    = at + tf_plan_memory_at_(head),
                        .step_cnt  = head->step_cnt,
                        .field_cnt = head->field_cnt,
                        .feature_cnt = head->feature_cnt,
                        .slot_cnt    = head->slot_cnt,
                        .section_cnt = head->section_cnt,
                        .mem_bytes   = head->mem_bytes};
  return true;
}

#endif
