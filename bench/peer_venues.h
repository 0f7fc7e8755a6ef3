/* The peer of bench_venues: a venue's message to the same event fields with simdjson On-Demand, as its manual says
 * is quickest: one parser, keys asked for in the order in which they come, raw strings. Which keys those are is a
 * table beside ours (bench_venues.c). It decodes well-formed messages only, and keeps neither sequences nor books. */
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
  PEER_SIDE, /* a word that begins as peer_shape_t.sell does: a sale */
  PEER_TIME, /* ms */
  PEER_BIDS,
  PEER_ASKS,
  PEER_SEQ,
  PEER_LAST,
  PEER_VOLUME
} peer_role_t;

typedef struct peer_field {
  const char *key;
  uint8_t     role; /* peer_role_t; PEER_END behind the last */
} peer_field_t;

typedef struct peer_shape {
  const char  *path[2];    /* keys from the root to the items; NULL: none */
  bool         is_array;   /* of items; else one stands alone */
  bool         are_arrays; /* each item is one: fields stand in their order */
  uint8_t      kind;       /* tf_event_kind_t */
  char         sell;       /* first letter, small */
  peer_field_t fields[8];
  const char  *time_behind; /* of the root, behind the items; NULL: none */
} peer_shape_t;

const char *peer_venues_version(void);

/* Events written. 64 bytes behind the message must be readable. */
uint32_t peer_venues_decode(const peer_shape_t *shape, const char *bytes, uint32_t bytes_cnt,
                            tf_event_t *events, uint32_t event_cap);

#ifdef __cplusplus
}
#endif
#endif
