/* The peer of bench_venues: a venue's message to the same event fields with simdjson On-Demand, as its manual says
 * is quickest: one parser, keys asked for in the order in which they come, raw strings. Which keys those are is a
 * table beside ours (bench_venues_rows.def). It decodes well-formed messages only, and keeps neither sequences nor
 * books, looks for no repeats and makes no checksums, but in rows that say so (keeps_book). Numbers and times are made by the very functions that ours uses. */
#ifndef BENCH_PEER_VENUES_H
#define BENCH_PEER_VENUES_H

#include "tf/event.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum peer_role {
  PEER_END = 0,
  PEER_SYMBOL,
  PEER_ID,
  PEER_PRICE,
  PEER_QTY,
  PEER_COUNT,  /* of orders: where it is 0 the quantity behind it says only which side */
  PEER_SIGNED, /* a quantity that is below 0 for a sale */
  PEER_SIDE,   /* a word that begins as peer_shape_t.sell does: a sale */
  PEER_MS,
  PEER_NS,
  PEER_RFC3339,
  PEER_BIDS,
  PEER_ASKS,
  PEER_CHANGES, /* [[side, price, qty], ..] */
  PEER_SIDES,   /* [bids, asks] */
  PEER_SEQ,
  PEER_CHECKSUM,
  PEER_LAST,
  PEER_VOLUME,
  PEER_BID,
  PEER_BID_QTY,
  PEER_ASK,
  PEER_ASK_QTY,
  PEER_SKIP
} peer_role_t;

typedef struct peer_field {
  const char *key;  /* "": in an array, the next element */
  uint8_t     role; /* peer_role_t; PEER_END behind the last */
} peer_field_t;

typedef struct peer_shape {
  const char *path
      [4]; /* keys from the root to the items ("[1]": an element); what else is an array is gone through */
  uint8_t      kind;          /* tf_event_kind_t */
  bool         is_level;      /* of the kind BOOK, an item is one level */
  bool         no_price;      /* it names what it changes by an id */
  bool         are_arrays;    /* each item is one: fields stand in their order */
  bool         is_alone;      /* one such, or an array of them */
  uint8_t      price_at;      /* in a level that is an array */
  const char  *level_keys[2]; /* price and quantity where a level is an object; NULL: an array */
  char         sell;          /* first letter, small */
  peer_field_t fields[10];
  /* The connection's: its key, or "" where it is an array's last element; NULL: it has none. */
  const char *sequence;
  const char *time_behind; /* of the root, behind the items, in ms; NULL: none */
  bool
      keeps_book; /* {"arg":..,"action":..,"data":[..]}: in a book, with its checksum (peer_book.h) */
} peer_shape_t;

const char *peer_venues_version(void);

/* Messages of such rows whose checksum was another than the peer's: 0. */
uint64_t peer_venues_mismatch_cnt(void);

/* Events written. 64 bytes behind the message must be readable. */
uint32_t peer_venues_decode(const peer_shape_t *shape, const char *bytes, uint32_t bytes_cnt,
                            tf_event_t *events, uint32_t event_cap);

#ifdef __cplusplus
}
#endif
#endif
