/* The shared body of feeds whose venue speaks JSON objects: a venue is a table of keys, a route, and the texts it wants to hear; the rest is here.
 *
 *   frame --scanner--> items --on_item--> rows --route--> BOOK, TRADE, QUOTE, TICKER, STATUS events
 *
 * The message is read once, against up to TF_IN_BAND_OBJECTS_MAX nested objects (tf_in_band_object_t).
 * Whatever the order of its keys, an object's own are complete when the scanner calls on_item: then each
 * form of item (tf_in_band_item_t) whose marks were seen puts its row, in place, numbers converted.
 * Behind the root the venue's route says what the message was: a channel, an answer, a heartbeat. Rows
 * of another kind than its channels are a SCHEMA fault; of channels that nobody asked for, ignored.
 *
 * Slot 0 of every shape is TF_IN_BAND_NO_KEY, so that 0 in an item's row means: the venue has no such key.
 *
 * One writer: the thread that runs the feed. Nothing allocates after init; nothing fails: what cannot
 * be used is counted with its reason. */
#ifndef TF_FEED_IN_BAND_H
#define TF_FEED_IN_BAND_H

#include "feed/book_row.h"
#include "feed/bridge.h"
#include "feed/newest.h"
#include "feed/symbols.h"

#define TF_IN_BAND_OBJECTS_MAX 5
#define TF_IN_BAND_KEYS_MAX    32 /* of one object, with slot 0 */
#define TF_IN_BAND_BOOKS_MAX   64 /* in one message */
#define TF_IN_BAND_NO_KEY                                                                          \
  { "", 255, TF_JSON_WANT_BYTES }
#define TF_IN_BAND_BIT(key) (UINT64_C(1) << (key))

/* One object of a message; the first row of the table is the root. */
typedef struct tf_in_band_object {
  const tf_json_key_t
      *keys; /* slot 0: TF_IN_BAND_NO_KEY. All TF_JSON_PLACE: a tuple, its item the venue's own */
  uint32_t key_cnt;
  /* The objects that its keys lead to (tf_json.h): places in the table; 0: none. */
  uint8_t child, second;
} tf_in_band_object_t;

typedef struct tf_in_band tf_in_band_t;

/* How a time is written. All but RFC3339 may be a number or a string that holds one, with a fraction. */
typedef enum tf_in_band_time {
  TF_IN_BAND_MS = 0,
  TF_IN_BAND_S,
  TF_IN_BAND_US,
  TF_IN_BAND_NS,
  TF_IN_BAND_RFC3339 /* want TEXT */
} tf_in_band_time_t;

/* A form of item: an object that makes a row. Several forms may match one object (a ticker with the best
 * bid and offer in it makes a QUOTE and a TICKER). Numbers want DECIMAL, sequences and checksums U64 (strings
 * of digits: TEXT), ids TEXT or BYTES, bids and asks LEVELS.
 *
 * A BOOK without bids, asks and change is one level, for the spec's on_levels: price and quantity, the flag SIDE, its
 * id as venue_seq, TF_IN_BAND_LEVEL_* of what it has as level_idx. */
#define TF_IN_BAND_LEVEL_PRICE 1u
#define TF_IN_BAND_LEVEL_QTY   2u
#define TF_IN_BAND_LEVEL       TF_EVENT_KIND_CNT /* a level of the book around it, by price and qty */
#define TF_IN_BAND_OWN         (TF_EVENT_KIND_CNT + 1) /* the venue's own: put */
typedef struct tf_in_band_item {
  uint8_t  object; /* place in the table of objects */
  uint8_t  kind;   /* TF_EVENT_TRADE, QUOTE, BOOK, TICKER, TF_IN_BAND_LEVEL or OWN */
  uint8_t  time_form;
  uint64_t marks, lacks;         /* keys of it that tell it, and those that it must not have */
  uint64_t any;                  /* keys of which it has one at least; 0: no matter */
  uint8_t  symbol, time;         /* 0: the route's */
  uint8_t  price, qty, side, id; /* side 0: the sign of qty says it, below 0 is a sale */
  uint8_t  sides;                /* the object that holds bids and asks; 0: this one */
  bool     sides_by_place;       /* bids wants SIDES: asks are in the slot behind it */
  uint8_t  change;               /* a text "price,side,qty": the book's only level */
  uint8_t  bids, asks, first_seq, last_seq, previous, checksum;
  uint8_t  bid, bid_qty, ask,
      ask_qty; /* a QUOTE's last_seq, where it has one, orders it (newest.h) */
  uint8_t last, volume, mark, funding;
  uint8_t stats; /* the object that holds the volume; 0: this one */
  /* OWN: puts its rows (tf_in_band_put_row), or refuses. Elements of a tuple that are not there: object->seen. */
  void (*put)(tf_in_band_t *in, const tf_json_object_t *object);
} tf_in_band_item_t;

/* A row of a table of items. */
#define TF_IN_BAND_ITEM(...)                                                                       \
  { __VA_ARGS__ }

/* What the name of a venue's channel says: a row of its table, which ends at the row without a name. */
typedef struct tf_in_band_channel {
  const char *name;
  uint32_t    channels; /* TF_CHANNEL_* bits; 0: known, not published */
  uint32_t    depth;    /* of its books; 0: the name does not say */
  bool        is_quote; /* a book of one level a side: the best bid and offer */
  bool        is_whole; /* a book that is all there each time */
  bool        wants_key;
} tf_in_band_channel_t;

typedef enum tf_in_band_what {
  TF_IN_BAND_DATA,
  TF_IN_BAND_CONTROL, /* answers, heartbeats */
  TF_IN_BAND_IGNORED, /* known, not published: name says which */
  TF_IN_BAND_REFUSED  /* why says how */
} tf_in_band_what_t;

typedef struct tf_in_band_route {
  uint8_t  what;         /* tf_in_band_what_t */
  uint8_t  why;          /* REFUSED: tf_reject_t */
  uint8_t  rule;         /* DATA with books: tf_book_rule_t */
  bool     is_snapshot;  /* of books */
  bool     is_requested; /* BRIDGES: the snapshot may be older or newer than the deltas */
  bool     is_backfill;  /* trades from before the subscription */
  bool     is_quote;     /* its book is one level a side: a QUOTE */
  bool     no_checksum;  /* what stands there is none */
  bool     is_restart;   /* of a snapshot: the venue counts anew, whatever its sequence was */
  uint32_t channels;     /* DATA: TF_CHANNEL_* bits that its rows may be of */
  uint32_t depth;        /* of the book's channel, where its name says it */
  /* Says what is done with its instruments: read as metadata behind the events (listing.h). NULL: nothing. */
  const tf_json_value_t *listing;
  uint8_t trading;        /* CONTROL: of the whole venue, HALTED or OPEN (listing.h); 0: not said */
  tf_json_value_t symbol; /* whose items name no symbol; kind TF_JSON_STRING */
  uint64_t        ts_ns;  /* for items without a time */
  const char     *name;   /* IGNORED, or a channel that nobody asked for */
  uint32_t        name_bytes;
} tf_in_band_route_t;

/* How trade ids tell repeats. */
typedef enum tf_in_band_ids {
  TF_IN_BAND_IDS_ASCENDING = 0, /* numbers that grow, not one by one */
  TF_IN_BAND_IDS_CONSECUTIVE,   /* one by one for an instrument: a jump is a gap */
  TF_IN_BAND_IDS_OPAQUE         /* no order: the last ones are remembered */
} tf_in_band_ids_t;

/* A venue: const, in its file, named by its tf_feed_t.spec. */
typedef struct tf_in_band_spec {
  const void                *market; /* what tells a file's several venues apart, of its own type */
  const tf_in_band_object_t *objects;
  uint32_t                   object_cnt;
  uint8_t                    rest_object; /* REST answers are one of these; 0: the root */
  uint8_t                  array_object;  /* messages that are arrays: a tuple; 0: there are none */
  uint8_t                  array_item;    /* items of the root that are arrays: a tuple; 0: none */
  const tf_in_band_item_t *items;
  uint32_t                 item_cnt;
  uint8_t                  ids;           /* tf_in_band_ids_t */
  bool                     side_is_maker; /* a trade's side is the maker's: turned round */
  bool                     trades_come_newest_first; /* of one message: published oldest first */
  /* Deltas say which ids they cover, and snapshots are asked for: books go by bridge.h, no mirror is kept,
   * and a route's rule says nothing. A level at price 0 is none. */
  bool        bridges;
  uint8_t     spelling;  /* tf_symbols_spelling_t: of the venue's payloads */
  const char *ws_path;   /* of every connection: tf_in_band_ws_target */
  const char *heartbeat; /* tf_in_band_heartbeat */
  const char *pong;      /* a whole message that answers it and is no JSON; NULL: none */
  /* Words of a trade's side: up to 8 letters, compared without regard to case. */
  const char *buy, *sell;

  /* A REST answer that is a message as others, told by its target: the route says of what. NULL: none. Any
   * other may be the instruments' metadata. */
  bool (*takes_rest)(const tf_in_band_t *in);
  /* Called before a message is looked at: which family its symbols are of (symbols.h), what its items are
   * (tf_in_band_set_child). NULL: always the same. */
  void (*family)(tf_in_band_t *in, const tf_frame_t *frame);
  /* What the message was. Called behind the scan, its slots hold (tf_in_band_value). It may put rows of items
   * that are no objects (tf_in_band_put_quote). */
  void (*route)(tf_in_band_t *in, tf_in_band_route_t *route);
  /* The venue's heartbeat, where the message is one: its echo goes out by tf_in_band_reply. route calls it, and
   * tf_in_band_echo. NULL: the venue wants none. */
  bool (*on_heartbeat)(tf_in_band_t *in);
  /* A message whose books are rows by themselves. From the draft's `at` on each is a level, its ingest_seq
   * the number in symbols of whose it is; all are to be completed or forgotten. */
  void (*on_levels)(tf_in_band_t *in, tf_draft_t *draft, const tf_in_band_route_t *route);

  /* Books. depth_max 0: no mirror is kept. */
  uint32_t depth_default, depth_max;
  const uint32_t
      *depths; /* that the venue has, ascending, 0 at the end; NULL: any up to depth_max */
  const tf_depth_checksum_t *checksum; /* NULL: it sends none */
  /* The venue deletes what falls out of its depth: a mirror is kept of a book whose snapshot had a checksum,
   * for nothing but that. */
  bool   deletes_what_falls_out;
  size_t own_bytes; /* of the venue's own state, zeroed, behind this one: tf_in_band_own */
} tf_in_band_spec_t;

#define TF_IN_BAND_RECENT_IDS 64

/* The last ids of an instrument, where no order tells repeats, or none that holds: a ring, and how many of it
 * share their low bits, so that a new one seldom has to be looked for. */
typedef struct tf_in_band_recent {
  uint64_t ids[TF_IN_BAND_RECENT_IDS];
  uint8_t  counts[256]; /* of the ids with these low eight bits */
} tf_in_band_recent_t;

/* Deltas remembered for an instrument that awaits its snapshot, where the config says 0. */
#define TF_IN_BAND_PENDING_DEFAULT 2048u

/* Names of channels that came: where they stand in their table. */
#define TF_IN_BAND_CHANNELS_NEAR 16u
typedef struct tf_in_band_near {
  const tf_in_band_channel_t *table, *row; /* NULL: nothing yet */
  uint32_t                    name_bytes;
} tf_in_band_near_t;

typedef struct tf_in_band_row {
  tf_book_row_t   book;
  tf_bridge_row_t bridge; /* of venues that bridge */
  tf_event_t      ticker; /* the last one: venues send only what changed */
  bool            has_ticker;
  tf_newest_t
      *newest; /* by form of item, then QUOTE and TICKER of routes; used for these two kinds */
  tf_in_band_recent_t *recent; /* NULL where ids are consecutive */
  uint32_t             recent_at;
} tf_in_band_row_t;

struct tf_in_band {
  tf_feed_head_t           head; /* first: feeds.h */
  const tf_in_band_spec_t *spec;
  tf_in_band_row_t        *rows; /* index: number in symbols */
  tf_symbols_t             symbols;
  uint32_t                 channels, asked_cnt;
  uint32_t                 depth;             /* subscribed to */
  const tf_feed_key_t     *key;               /* NULL: public channels only */
  uint64_t                 connected_ns;      /* wall clock: the time of a login */
  bool                     is_login_answered; /* on this connection, yes or no */
  void                    *own;
  struct tf_in_band_scan  *scan;
  const tf_json_object_t  *objects;                   /* the scan's, by their place in the spec */
  uint64_t                 buy_letters, sell_letters; /* the spec's words */
  tf_in_band_near_t        near[TF_IN_BAND_CHANNELS_NEAR];
  tf_chain_pool_t          pool;                                    /* of venues that bridge */
  tf_json_t                json;                                    /* of the message being read, */
  const tf_frame_t        *frame;                                   /* and the message */
  char                     target_symbol[TF_SYMBOL_BYTES_MAX + 16]; /* 16: what a lookup may read */
  tf_feed_out_t           *out;
};

/* tf_feed_t's functions. */
size_t       tf_in_band_state_bytes(const tf_feed_t *feed, const tf_feed_config_t *config);
tf_err_t     tf_in_band_init(const tf_feed_t *feed, void *state, const tf_feed_config_t *config);
tf_verdict_t tf_in_band_on_frame(void *state, const tf_frame_t *frame, tf_feed_out_t *out);
void         tf_in_band_on_connect(void *state, uint64_t now_ns, tf_feed_out_t *out);
void tf_in_band_lose_book(void *state, uint32_t instrument_id, uint64_t now_ns, tf_feed_out_t *out);

tf_err_t tf_in_band_symbol(void *state, const char *text, uint32_t *symbol,
                           uint32_t *instrument_id);

/* Of venues whose target and heartbeat are always the same: the spec's. */
size_t tf_in_band_ws_target(const void *state, char *buf, size_t cap);
size_t tf_in_band_heartbeat(const void *state, char *buf, size_t cap);
/* tf_feed_t.echo, of JSON objects. */
size_t tf_in_band_echo(void *state, const tf_frame_t *frame, char *buf, size_t cap);

/* ---- for routes ---- */

/* The row of a channel's name; NULL: there is none. */
const tf_in_band_channel_t *tf_in_band_channel_of(tf_in_band_t               *in,
                                                  const tf_in_band_channel_t *table,
                                                  const tf_json_value_t      *name);
/* The same, and what the row says goes to the route: DATA, or IGNORED where it is not published, under this
 * name. Of a name that the table does not have the route says what it said. */
const tf_in_band_channel_t *tf_in_band_take_channel(tf_in_band_t *in, tf_in_band_route_t *route,
                                                    const tf_in_band_channel_t *table,
                                                    const tf_json_value_t      *name);
/* The same of a row that was found. */
void tf_in_band_take_row(tf_in_band_route_t *route, const tf_in_band_channel_t *row,
                         const tf_json_value_t *name);
/* The row to ask for this channel by: the first that brings it, a book to the depth that is subscribed to; with a
 * key, one that wants it rather. NULL: none. */
const tf_in_band_channel_t *
tf_in_band_channel_for(const tf_in_band_t *in, const tf_in_band_channel_t *table, uint32_t channel);

/* A row of this kind, zeroed, of the route's symbol; NULL: there is no room, the message is refused. */
tf_event_t *tf_in_band_put_row(tf_in_band_t *in, tf_event_kind_t kind);
/* The message's rows are no good: the first reason counts. */
void tf_in_band_refuse(tf_in_band_t *in, tf_reject_t why);
/* The rows that were put are not wanted; or what was wrong with them does not matter. */
void tf_in_band_drop_rows(tf_in_band_t *in);
void tf_in_band_forgive(tf_in_band_t *in);
/* What this object's child is in the message to come: a place in the table of objects; 0: none, it is skipped. */
void tf_in_band_set_child(tf_in_band_t *in, uint32_t object, uint32_t child);
/* Every book becomes this, by a STATUS of its own in front of the rows. first, last: of a GAP. */
void tf_in_band_break_books(tf_in_band_t *in, tf_book_state_t state, uint64_t first, uint64_t last);

/* The slot of a key of one of the message's objects; NULL: it was not there. */
TF_INLINE const tf_json_value_t *tf_in_band_value(const tf_in_band_t *in, uint32_t object,
                                                  uint32_t key) {
  const tf_json_object_t *o = &in->objects[object];
  return o->seen & TF_IN_BAND_BIT(key) ? &o->values[key] : NULL;
}
/* It is there and a string of exactly this text. */
TF_INLINE bool tf_in_band_is(const tf_in_band_t *in, uint32_t object, uint32_t key,
                             const char *text) {
  const tf_json_value_t *v = tf_in_band_value(in, object, key);
  return v != NULL && tf_json_text_is(v, text, strlen(text));
}
/* A time in ns since 1970; 0: it is none. */
uint64_t tf_in_band_time_of(const tf_in_band_t *in, const tf_json_value_t *v,
                            tf_in_band_time_t form);
/* A trade's side in the spec's words: 1 a buy, -1 a sell, 0 neither. */
int tf_in_band_side_of(const tf_in_band_t *in, const tf_json_value_t *side);
/* A number without sign, or a string of digits. */
bool tf_in_band_u64(const tf_in_band_t *in, uint32_t object, uint32_t key, uint64_t *number);
/* A time in ns since 1970; 0: not there, or none. */
uint64_t tf_in_band_time(const tf_in_band_t *in, uint32_t object, uint32_t key,
                         tf_in_band_time_t form);

/* A quote of the route's symbol whose sides are texts of the form "[price, qty, ..]"; ts_ns 0: the route's. False: there
 * is no room, or one of it is bad; then the message will be refused. */
bool tf_in_band_put_quote(tf_in_band_t *in, uint64_t ts_ns, const tf_json_value_t *bid,
                          const tf_json_value_t *ask);
/* A ticker of the route's symbol that no form of item can tell: a mark price or a funding rate (NULL: not
 * said), its time a key of one of the objects. One that is bad leads to the message's refusal. */
void tf_in_band_put_ticker(tf_in_band_t *in, const tf_json_value_t *mark,
                           const tf_json_value_t *funding, uint32_t object, uint32_t time,
                           tf_in_band_time_t form);

/* What a venue complains of: kept for people. */
void tf_in_band_complain(tf_in_band_t *in, uint32_t object, uint32_t key);
/* The heartbeat's echo, which goes back at once, or a request of the feed's own. False: it does not fit. */
bool tf_in_band_reply(tf_in_band_t *in, const char *text, size_t text_bytes);
bool tf_in_band_ask(tf_in_band_t *in, const char *text, size_t text_bytes);
/* An answer to a request. symbol: NULL where it names none. */
void tf_in_band_answer(tf_in_band_t *in, uint64_t request_id, uint32_t channel,
                       const tf_json_value_t *symbol, bool is_refusal);

/* The n-th part of a text that `by` separates, from 0 on; empty where there are less. The last part that is
 * asked for with `to_end` holds all that follows. */
tf_json_value_t tf_in_band_part(const tf_json_value_t *text, char by, uint32_t n, bool to_end);

/* Of a REST answer: the request's path, or URL, ends so; and whose it is, as the query says it under that key: the
 * route's symbol. */
bool tf_in_band_is_target(const tf_in_band_t *in, const char *path);
void tf_in_band_symbol_of_target(tf_in_band_t *in, const char *key, tf_in_band_route_t *route);

/* The number of the instrument in symbols, TF_SYMBOLS_NONE. */
uint32_t tf_in_band_row_idx(const tf_in_band_t *in, uint32_t instrument_id);

#endif
