/* What the two parts of the Bitfinex feed share: bitfinex.c hears events and asks, bitfinex_arrays.c reads arrays.
 *
 * One writer: the thread that runs the feed. */
#ifndef TF_FEED_BITFINEX_STATE_H
#define TF_FEED_BITFINEX_STATE_H

#include "feed/in_band.h"

#define BITFINEX_FLAG_TIMESTAMP    UINT64_C(32768)
#define BITFINEX_FLAG_SEQUENCE     UINT64_C(65536)
#define BITFINEX_FLAG_CHECKSUM     UINT64_C(131072)
#define BITFINEX_FLAG_BULK_UPDATES UINT64_C(536870912)

#define BITFINEX_CHANNELS_MAX 128u /* of a connection: the venue has 30 */
#define BITFINEX_PLACES       256u

/* Elements of an array, and of a trade, a level and a ticker those that are read. */
#define BITFINEX_PARTS_MAX 16u
enum { BITFINEX_TRADE_CNT = 4, BITFINEX_LEVEL_CNT = 3, BITFINEX_TICKER_CNT = 8 };

/* The objects of a message: the root, an array, and what stands in an array. */
enum {
  BITFINEX_ROOT,
  BITFINEX_ARRAY,
  BITFINEX_TRADE,
  BITFINEX_LEVEL,
  BITFINEX_TICKER,
  BITFINEX_OBJECT_CNT
};

typedef enum tf_bitfinex_kind {
  BITFINEX_OTHER,
  BITFINEX_TRADES,
  BITFINEX_TICKERS,
  BITFINEX_BOOK,
  BITFINEX_QUOTE
} tf_bitfinex_kind_t;

/* TF_CHANNEL_* of each kind. */
extern const uint32_t tf_bitfinex_channel_bits[];

/* A number of a connection, and what it stands for. */
typedef struct tf_bitfinex_channel {
  uint64_t   id;
  uint32_t   idx; /* in symbols; TF_SYMBOLS_NONE: of none that we know */
  uint32_t   depth;
  uint8_t    kind; /* tf_bitfinex_kind_t */
  bool       has_snapshot;
  char       name[16]; /* OTHER: under which it is ignored */
  tf_event_t best[2];  /* QUOTE: the level of each side, quantity 0 while there is none */
} tf_bitfinex_channel_t;

typedef struct tf_bitfinex_own {
  uint64_t               flags; /* that the venue agreed to */
  uint64_t               sequence;
  bool                   has_sequence;
  uint32_t               channel_cnt;
  uint8_t                places[BITFINEX_PLACES]; /* by number: where its channel is, perhaps */
  tf_bitfinex_channel_t  channels[BITFINEX_CHANNELS_MAX];
  tf_bitfinex_channel_t *current;  /* whose array is being read; NULL: none's rows */
  uint64_t               ts_ns;    /* of that array, 0 without; */
  uint8_t                ts_flags; /* BAD_TS where it is none or in the future */
} tf_bitfinex_own_t;

/* The channel of this number, or NULL. */
tf_bitfinex_channel_t *tf_bitfinex_find(tf_bitfinex_own_t *own, uint64_t id);

/* The spec's: the tables of array and items, and what is done with them. */
extern const tf_json_key_t tf_bitfinex_array_places[BITFINEX_PARTS_MAX + 1];
extern const tf_json_key_t tf_bitfinex_trade_places[BITFINEX_TRADE_CNT];
extern const tf_json_key_t tf_bitfinex_level_places[BITFINEX_LEVEL_CNT];
extern const tf_json_key_t tf_bitfinex_ticker_places[BITFINEX_TICKER_CNT];
void                       tf_bitfinex_begin(tf_in_band_t *in, const tf_frame_t *frame);
void                       tf_bitfinex_put_trade(tf_in_band_t *in, const tf_json_object_t *trade);
void                       tf_bitfinex_put_level(tf_in_band_t *in, const tf_json_object_t *level);
void                       tf_bitfinex_put_ticker(tf_in_band_t *in, const tf_json_object_t *ticker);
void                       tf_bitfinex_on_array(tf_in_band_t *in, tf_in_band_route_t *r);
void tf_bitfinex_on_levels(tf_in_band_t *in, tf_draft_t *draft, const tf_in_band_route_t *route);
extern const tf_depth_checksum_t tf_bitfinex_checksum;

#endif
