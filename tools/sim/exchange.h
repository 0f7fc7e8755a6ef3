/* The simulated exchange: a venue's protocol over symbols that are synthetic markets or a
 * recording.
 *
 *   market (seeded) or playback (recorded)  -->  exchange  -->  venue's messages  -->  server
 *
 * A venue is one file venue_<name>.c with a const row, and its line in venues.def. It reads
 * requests and writes messages; what all venues share is here: symbols, streams, the
 * subscriptions of peers, snapshots in band, faults of the protocol, the clock. One thread.
 * Memory: heap, at start. */
#ifndef SIM_EXCHANGE_H
#define SIM_EXCHANGE_H

#include <jansson.h>

#include "sim/market.h"
#include "sim/server.h"
#include "sim/text.h"

#define SIM_SYMBOLS_MAX  32
#define SIM_CHANNELS_MAX 12 /* of a venue; a stream is symbol * SIM_CHANNELS_MAX + channel */
#define SIM_LEVELS_MAX   10000
#define SIM_QTY_DIGITS   8 /* the market counts quantities in 1e-8 */
/* A sequence that starts again does so lower by this much (FAULTS F28). */
#define SIM_JUMP_BACK 1000000000u

TF_STATIC_ASSERT(SIM_SYMBOLS_MAX *SIM_CHANNELS_MAX <= SIM_STREAMS_MAX, "a bit per stream");

/* How an instrument's numbers look at a venue. */
typedef struct sim_pair {
  const char *name; /* "BTC-USD"; NULL: any other */
  int64_t     price_ticks;
  uint8_t     tick_digits;  /* a tick is 10^-tick_digits */
  uint8_t     price_digits; /* as sent: zeros behind the tick's */
  uint8_t     qty_digits;
  int64_t     lot;      /* typical size, 1e-8 units */
  int64_t     qty_step; /* 1e-8 units */
} sim_pair_t;

/* One side of a book, best first: numbers as they are sent. */
typedef struct sim_row {
  int64_t price, qty; /* mantissas at the symbol's price_digits and qty_digits */
} sim_row_t;

typedef struct sim_view {
  uint64_t  venue_seq;
  uint32_t  price_digits, qty_digits;
  uint32_t  cnt[2];
  sim_row_t rows[2][SIM_LEVELS_MAX]; /* [0] bids, [1] asks */
} sim_view_t;

typedef struct sim_symbol {
  char         name[32], lower[32];
  sim_pair_t   pair;
  sim_market_t market;
  uint64_t     depth_last_id; /* the last id of the last depth message */
  uint64_t     depth_due_ns;
} sim_symbol_t;

typedef struct sim_exchange sim_exchange_t;

/* A recorded message: whose it is. name and payload point into the record. */
typedef struct sim_route {
  const char *name, *payload;
  size_t      name_cnt, payload_cnt;
  uint32_t    channels; /* a bit each: who hears one of them gets the message */
  bool        is_book;
} sim_route_t;

typedef struct sim_venue {
  const char       *name;  /* "binance-spot" */
  const sim_pair_t *pairs; /* up to the one without a name */
  size_t            state_bytes;
  uint64_t          depth_interval_ns;

  bool (*on_upgrade)(sim_exchange_t *x, sim_peer_t *peer, const char *target);
  void (*on_open)(sim_exchange_t *x, sim_peer_t *peer); /* NULL: no greeting */
  /* A request; NULL where it is not JSON. */
  void (*on_request)(sim_exchange_t *x, sim_peer_t *peer, const json_t *request);
  int (*on_get)(sim_exchange_t *x, const char *target, sim_text_t *answer, bool *is_snapshot);
  void (*on_shutdown)(sim_exchange_t *x, sim_peer_t *peer); /* NULL: it closes without notice */
  size_t (*wrap)(sim_exchange_t *x, sim_peer_t *peer, uint32_t stream, const char *text, size_t cnt,
                 char *out, size_t cap); /* NULL: every peer gets the same text */

  /* The synthetic market's messages. NULL: the venue has no such channel. */
  void (*trade)(sim_exchange_t *x, uint32_t symbol, const sim_step_t *step);
  void (*quote)(sim_exchange_t *x, uint32_t symbol);
  void (*depth)(sim_exchange_t *x, uint32_t symbol); /* what changed since the last one */
  void (*second)(sim_exchange_t *x);                 /* heartbeats, once a second */
  /* The snapshot that a subscription to this stream starts with. NULL: none. */
  void (*snapshot)(sim_exchange_t *x, sim_peer_t *peer, uint32_t symbol, uint32_t channel);
  uint32_t snapshot_channels; /* a bit for each that starts with one */

  /* False: the record goes to nobody (an acknowledgement, a type that is not played). */
  bool (*route)(const char *text, size_t cnt, sim_route_t *route);
} sim_venue_t;

#define V(name) extern const sim_venue_t sim_venue_##name;
#include "sim/venues.def"
#undef V

extern const sim_venue_t *const sim_venues[];
extern const uint32_t           sim_venue_cnt;

struct sim_exchange {
  const sim_venue_t *venue;
  sim_server_t      *server;
  sim_faults_t      *faults;
  sim_symbol_t      *symbols; /* (SIM_SYMBOLS_MAX) */
  uint32_t           symbol_cnt;
  void              *state; /* the venue's own, venue->state_bytes, zeroed */
  uint64_t           wall_ns, now_ns;
  uint64_t           second_due_ns;
  uint64_t           rng;            /* for what is neither market nor fault: ids of orders */
  uint64_t           subscribed_cnt; /* streams ever asked for */
  sim_view_t        *view;           /* scratch of snapshots */
  char              *text;           /* scratch of messages: SIM_MESSAGE_BYTES_MAX */
  /* Books that come from a recording: fills the view, false while there is none. */
  bool (*recorded_view)(void *self, uint32_t symbol, uint32_t levels, sim_view_t *view);
  void *recorded_self;
};

/* symbols: comma separated, as the venue writes them. levels: of each side at the start.
 * E_CORE_ARGUMENT names what is wrong. */
tf_err_t sim_exchange_init(sim_exchange_t *x, const sim_venue_t *venue, const char *symbols,
                           uint64_t seed, uint32_t levels, sim_faults_t *faults);
void     sim_exchange_fini(sim_exchange_t *x);

const sim_venue_t *sim_venue_find(const char *name);
sim_service_t      sim_exchange_service(sim_exchange_t *x);

/* The clock, once a pass: heartbeats, snapshots that were held back. */
void sim_exchange_tick(sim_exchange_t *x, uint64_t now_ns, uint64_t wall_ns);
/* One step of a symbol's market, its trade and quote sent. */
void sim_exchange_step(sim_exchange_t *x, uint32_t symbol);
/* The depth messages that are due. */
void sim_exchange_depth(sim_exchange_t *x);

/* ---- for venues ---- */

TF_INLINE uint32_t sim_stream(uint32_t symbol, uint32_t channel) {
  return symbol * SIM_CHANNELS_MAX + channel;
}
TF_INLINE uint32_t sim_stream_symbol(uint32_t stream) { return stream / SIM_CHANNELS_MAX; }
TF_INLINE uint32_t sim_stream_channel(uint32_t stream) { return stream % SIM_CHANNELS_MAX; }

/* UINT32_MAX: not one of ours. */
uint32_t sim_find_symbol(const sim_exchange_t *x, const char *name, size_t cnt);
uint32_t sim_find_lower(const sim_exchange_t *x, const char *name, size_t cnt);

/* The x->text scratch, empty. */
sim_text_t sim_message(sim_exchange_t *x);
/* Sends it, unless it did not fit. */
void sim_reply(sim_exchange_t *x, sim_peer_t *peer, const sim_text_t *text);
void sim_broadcast(sim_exchange_t *x, uint32_t stream, const sim_text_t *text,
                   sim_message_kind_t kind);

/* The peer hears the stream from now on; where it starts with a snapshot, that goes out first (with
 * late_snapshot: both later). */
void sim_subscribe(sim_exchange_t *x, sim_peer_t *peer, uint32_t stream);
void sim_unsubscribe(sim_peer_t *peer, uint32_t stream);
/* Somebody hears it. */
bool sim_has_listener(sim_exchange_t *x, uint32_t stream);

/* What a fault does to an acknowledgement. */
typedef enum sim_ack { SIM_ACK_SENT, SIM_ACK_MISSING, SIM_ACK_ERROR } sim_ack_t;
sim_ack_t sim_ack(sim_exchange_t *x);

/* The symbol's book, at most so many levels a side. False: none yet. */
bool sim_view(sim_exchange_t *x, uint32_t symbol, uint32_t levels, sim_view_t *view);

void sim_put_price(sim_text_t *text, const sim_symbol_t *symbol, int64_t ticks);
void sim_put_qty(sim_text_t *text, const sim_symbol_t *symbol, int64_t qty);
/* Mantissas as sent. */
int64_t sim_price_sent(const sim_pair_t *pair, int64_t ticks);
int64_t sim_qty_sent(const sim_pair_t *pair, int64_t qty);

/* The text between "key":" and the next quote in a JSON text without blanks; NULL: none. */
const char *sim_find_text(const char *text, size_t cnt, const char *key, size_t *value_cnt);

#endif
