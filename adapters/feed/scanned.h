/* Rows of items, made while the scanner runs, when nothing is known of the message yet: Kraken's and Coinbase's.
 *
 * A message is one whole: the first fault of any of its items is kept and refuses it all. Until it is known to be
 * good no symbol is looked up (a refused message adds no instrument), so a row carries meanwhile where in the frame
 * its symbol stands: ingest_seq its offset, instrument_id its bytes, kind whether it has escapes.
 *
 * One writer: the thread that runs the feed. */
#ifndef TF_FEED_SCANNED_H
#define TF_FEED_SCANNED_H

#include "feed/draft.h"
#include "feed/symbols.h"

/* The first fault of a message's items. Zeroed: none. */
typedef struct tf_scanned_fault {
  tf_reject_t why;
  bool        is_bad;
} tf_scanned_fault_t;

TF_INLINE void tf_scanned_refuse(tf_scanned_fault_t *fault, tf_reject_t why) {
  if (!fault->is_bad) fault->why = why;
  fault->is_bad = true;
}

/* A decimal that is there and is not negative; else a fault. */
TF_INLINE bool tf_scanned_number(tf_scanned_fault_t *fault, const tf_json_object_t *item,
                                 uint32_t key) {
  const tf_json_value_t *v = &item->values[key];
  if (TF_LIKELY(tf_json_seen(item, key) && v->made == TF_JSON_MADE_DECIMAL &&
                v->as.mantissa >= 0)) {
    return true;
  }
  bool is_number = tf_json_seen(item, key) && v->made != TF_JSON_MADE_NONE;
  tf_scanned_refuse(fault, is_number ? TF_REJECT_NUMBER : TF_REJECT_SCHEMA);
  return false;
}

/* A text that is there; else a fault. */
TF_INLINE bool tf_scanned_text(tf_scanned_fault_t *fault, const tf_json_object_t *item,
                               uint32_t key) {
  if (TF_LIKELY(tf_json_seen(item, key) && item->values[key].kind == TF_JSON_STRING)) return true;
  tf_scanned_refuse(fault, TF_REJECT_SCHEMA);
  return false;
}

/* symbol is a text of this frame. */
TF_INLINE void tf_scanned_park(tf_event_t *row, const tf_frame_t *frame,
                               const tf_json_value_t *symbol) {
  row->ingest_seq    = (uint64_t)(symbol->bytes - frame->bytes);
  row->instrument_id = symbol->bytes_cnt;
  row->kind          = symbol->escaped;
}

/* Looks up the symbols of all rows of the draft; their numbers go to ingest_seq. add: as of tf_symbols_of. False:
 * *why. */
TF_INLINE bool tf_scanned_find(tf_symbols_t *symbols, tf_draft_t *draft, bool add,
                               tf_reject_t *why) {
  for (uint32_t i = draft->at; i < draft->end; i++) {
    tf_event_t     *e      = &draft->out->events[i];
    tf_json_value_t symbol = {.bytes     = draft->frame->bytes + e->ingest_seq,
                              .bytes_cnt = e->instrument_id};
    symbol.kind            = TF_JSON_STRING;
    symbol.escaped         = e->kind;
    uint32_t idx           = tf_symbols_of(symbols, &symbol, add, why);
    if (idx == TF_SYMBOLS_NONE) return false;
    e->ingest_seq = idx;
  }
  return true;
}

#endif
