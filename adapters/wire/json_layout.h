/* Messages that are alike to the byte but for their digits and words: a venue's stream is made of few such layouts. A layout
 * knows of each byte which values it may have, and where the values stand. A message of its length whose bytes are all
 * in their ranges, compared 64 at a time, is valid, and its keys are where they were: its values are taken from their
 * places, in a row, and nothing is looked for. What has no layout yet is read in the general way (json.c), and learned.
 *
 *   {"arg":{"channel":"trades"},"data":[{"px":"30218.8","sz":"1"}]}
 *                      words               d dddd.d       d          all else as it stood; d: not 0, where more follow
 *
 * The results are those of the general way, which test_json_layout and fuzz_json hold it to: a number has a digit in
 * each place of one; where its point and its sign were, they are; a word has neither quote nor backslash nor control
 * character. What a layout cannot say so (escapes, powers of ten, levels below 0, repeated keys) it does not learn.
 *
 * Owned by whoever owns the objects that are read, which stay where they are. One thread. Nothing allocates. */
#ifndef TF_WIRE_JSON_LAYOUT_H
#define TF_WIRE_JSON_LAYOUT_H

#include "wire/json.h"

#define TF_JSON_LAYOUT_BLOCKS 8u /* of 64 bytes: longer messages are books, which are never alike */
#define TF_JSON_LAYOUT_BYTES  (TF_JSON_LAYOUT_BLOCKS * 64)
#define TF_JSON_LAYOUT_TAKES  48u
#define TF_JSON_LAYOUT_GUARDS 5u
#define TF_JSON_LAYOUTS       128u
#define TF_JSON_LAYOUTS_ONCE  512u
#define TF_JSON_LAYOUT_SEEN   2u /* times that a message is looked at before it is learned */
#define TF_JSON_LAYOUT_TRIES  2u /* layouts of one length that are looked at */

/* 64 bytes of a message. */
typedef struct tf_json_block {
  uint8_t  least[64], most[64]; /* what each may be */
  uint64_t inside;              /* a bit for each that is in the message */
  uint64_t quotes;              /* and where its quotes are: no word has one */
} tf_json_block_t;

/* Where 64 bytes have quotes, and what else stands between values. */
typedef struct tf_json_places {
  uint64_t quotes, others;
} tf_json_places_t;

/* How 64 bytes are looked at: with AVX-512, AVX2, or in any machine. */
typedef struct tf_json_layout_way {
  bool (*matches)(const tf_json_block_t *blocks, uint32_t block_cnt, const char *bytes);
  tf_json_places_t (*places)(const char *p);
} tf_json_layout_way_t;

typedef enum tf_json_take_kind {
  TF_JSON_TAKE_SPAN = 0,  /* bytes, length and what they are */
  TF_JSON_TAKE_DECIMAL,   /* up to 16 bytes, behind its sign */
  TF_JSON_TAKE_WIDE,      /* a decimal of more, with its sign */
  TF_JSON_TAKE_WIDE_U64,  /* more digits than fit 64 bits whatever they are */
  TF_JSON_TAKE_PRICE,     /* of a level: begins a row */
  TF_JSON_TAKE_QTY,       /* and completes it */
  TF_JSON_TAKE_ROWS_FROM, /* rows that follow are of this value, */
  TF_JSON_TAKE_ROWS_TO,   /* up to here; else as SPAN */
  TF_JSON_TAKE_SEEN,      /* an object's keys */
  TF_JSON_TAKE_ITEM       /* and it is an item, which is complete */
} tf_json_take_kind_t;

typedef struct tf_json_take {
  uint8_t  kind;        /* tf_json_take_kind_t */
  uint8_t  part;        /* of a decimal: digits behind the point */
  bool     is_negative; /* and its sign */
  uint16_t at, bytes;   /* where, and how many */
  uint32_t what;        /* tf_json_value_t.what */
  union {
    tf_json_value_t  *value;
    tf_json_object_t *object;
  };
  uint64_t seen;
} tf_json_take_t;
TF_STATIC_ASSERT(sizeof(tf_json_take_t) == 32, "two of them share a line");

typedef struct tf_json_layout {
  uint16_t bytes_cnt; /* 0: not in use */
  uint8_t  next;      /* of the same hash; 0: none */
  uint8_t  take_cnt, guard_cnt, block_cnt;
  bool     was_used; /* since it was last to be forgotten */
  uint32_t element_cnt;
  /* Objects whose children were these when it was learned. */
  struct {
    const tf_json_object_t *object, *child, *second;
  } guards[TF_JSON_LAYOUT_GUARDS];
  tf_json_take_t  takes[TF_JSON_LAYOUT_TAKES];
  tf_json_block_t blocks[TF_JSON_LAYOUT_BLOCKS];
} tf_json_layout_t;

struct tf_json_layouts {
  const tf_json_layout_way_t *way;
  uint64_t                    dice;   /* which messages are looked at, json_layout.c */
  uint32_t                    credit; /* what may be learned: hits earn it, json_layout.c */
  uint32_t                    hand;   /* that may be forgotten next */
  uint32_t         once[TF_JSON_LAYOUTS_ONCE]; /* what was seen and is not learned: json_layout.c */
  uint8_t          heads[TF_JSON_LAYOUTS];     /* by length; 0: none */
  tf_json_layout_t rows[TF_JSON_LAYOUTS];      /* the first is no layout */
};

/* Forgets all; do it once before first use. */
void tf_json_layouts_init(tf_json_layouts_t *layouts);

/* ---- json.c's ---- */

/* The layout of a message; NULL: none is known. */
const tf_json_layout_t *tf_json_layout_find(tf_json_layouts_t *layouts, const char *bytes,
                                            size_t bytes_cnt);

/* Takes the values of a message that has this layout; json is as tf_json_read begins. OK or LIMIT. */
tf_json_result_t tf_json_layout_take(const tf_json_layout_t *layout, tf_json_t *json,
                                     const char *bytes);

/* Learns the message that was just read with OK; not every one. */
void tf_json_layout_learn(tf_json_layouts_t *layouts, const tf_json_t *json, const char *bytes,
                          size_t bytes_cnt, tf_json_object_t *root);

/* ---- json_layout_learn.c's ---- */

/* Whether this one is looked at. */
bool tf_json_layout_looks(tf_json_layouts_t *layouts);
/* A row for this message's layout, which may have been another's; NULL: it is not to be learned now. */
tf_json_layout_t *tf_json_layout_room(tf_json_layouts_t *layouts, const char *bytes,
                                      size_t bytes_cnt);
/* The message that has the row cannot be learned, nor those like it. */
void tf_json_layout_bar(tf_json_layouts_t *layouts, const char *bytes, size_t bytes_cnt);
/* From now on it is found. */
void tf_json_layout_add(tf_json_layouts_t *layouts, tf_json_layout_t *layout, size_t bytes_cnt);

/* ---- for tests ---- */

/* With these dice the next message is looked at. */
#define TF_JSON_LAYOUT_DICE UINT64_C(0x9995b5b621535015)

/* The quickest first; NULL: this machine cannot. */
#define TF_JSON_LAYOUT_WAYS 3u
const tf_json_layout_way_t *tf_json_layout_way(uint32_t i);

#endif
