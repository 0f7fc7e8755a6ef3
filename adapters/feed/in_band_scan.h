/* What the three parts of the in-band body share while a message is read: in_band_items.c makes rows of its
 * items, in_band.c asks the venue's route about it, in_band_publish.c makes events of the rows.
 *
 * One writer: the thread that runs the feed, between a message's first byte and its last event. A row's
 * ingest_seq and instrument_id say meanwhile whose it is (park, in in_band_items.c), a quote's ts_recv_ns by
 * which number of the venue's it is ordered (newest.h; 0: none). */
#ifndef TF_FEED_IN_BAND_SCAN_H
#define TF_FEED_IN_BAND_SCAN_H

#include "feed/in_band.h"
#include "wire/json_layout.h"

/* A book in the message: where its symbol and its rows are. */
typedef struct tf_in_band_book {
  tf_json_value_t   symbol; /* kind ABSENT: the route's */
  uint32_t          row_cnt, rows_before;
  tf_json_value_t   bids, asks;
  bool              has_time;
  uint8_t           ts_flags;
  tf_book_message_t message;
} tf_in_band_book_t;

/* Of a row whose symbol is the route's: where that stands. Of one that a route put: its form. */
#define TF_IN_BAND_NOWHERE UINT32_MAX

/* The forms of item that an object with these keys has; there are few such. */
#define TF_IN_BAND_FORMS_KNOWN 16u
typedef struct tf_in_band_forms {
  uint64_t seen;
  uint32_t place; /* of the object + 1; 0: nothing is known */
  uint32_t forms; /* a bit for each of the spec's items */
} tf_in_band_forms_t;

typedef struct tf_in_band_scan {
  tf_json_object_t   objects[TF_IN_BAND_OBJECTS_MAX];
  tf_json_shape_t    shapes[TF_IN_BAND_OBJECTS_MAX];
  tf_json_orders_t   orders[TF_IN_BAND_OBJECTS_MAX];
  tf_json_value_t    values[TF_IN_BAND_OBJECTS_MAX][TF_IN_BAND_KEYS_MAX + 1];
  tf_json_layouts_t  layouts; /* of the root, and of messages that are arrays */
  tf_in_band_book_t  books[TF_IN_BAND_BOOKS_MAX];
  tf_in_band_forms_t forms[TF_IN_BAND_FORMS_KNOWN];
  uint32_t           book_cnt;
  uint32_t           book_row_cnt; /* rows that books own */
  uint32_t           kinds;        /* of rows that are no book's: a bit for each TF_EVENT_* */
  tf_reject_t        why;          /* the first fault of an item */
  bool               is_bad;
} tf_in_band_scan_t;

TF_INLINE void tf_in_band_scan_refuse(tf_in_band_scan_t *scan, tf_reject_t why) {
  if (!scan->is_bad) scan->why = why;
  scan->is_bad = true;
}

/* ---- in_band_items.c ---- */

/* The scanner's: an object's own keys are complete. */
void tf_in_band_on_item(tf_json_t *json, tf_json_object_t *object);

/* A number without sign or a string of digits. Where it has more than 64 bits, its low ones. */
bool tf_in_band_digits_of(const tf_in_band_t *in, const tf_json_value_t *v, uint64_t *number);
/* Once at start: the spec's words as that wants them. */
void tf_in_band_scan_words(tf_in_band_t *in);

/* ---- in_band_publish.c ---- */

/* Streams of quotes and tickers an instrument has: one a form of item, and of what routes put one each. */
TF_INLINE uint32_t tf_in_band_newest_cnt(const tf_in_band_spec_t *spec) {
  return spec->item_cnt + 2;
}

/* The rows that the scanner and the route put become events, or nothing. */
tf_verdict_t tf_in_band_publish(tf_in_band_t *in, const tf_in_band_route_t *route);

#endif
