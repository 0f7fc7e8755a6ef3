/* The simulated exchange: a venue's protocol over symbols that are synthetic markets or a
 * recording.
 *
 *   market (seeded) or playback (recorded)  -->  exchange  -->  venue's messages  -->  server
 *
 * A venue is one file venue_<name>.c with a const row (sim_venue_t), its line in venues.def and its
 * source in tools/tickfuse/CMakeLists.txt. It reads requests and writes messages; what all venues
 * share is here: symbols, streams, the subscriptions of peers, snapshots, tickers, limits, faults of
 * the protocol, the clock. One thread. Memory: heap, at start.
 *
 * What a venue writes, in this order:
 *   1. pairs, and an enum of its channels (below SIM_CHANNELS_MAX). A channel that has variants (a
 *      book's depths) takes one number for each.
 *   2. limits, text_ping, framing, depth_interval_ns, ticker_interval_ns: data, no code. over_limit
 *      says in the venue's words that a limit is passed; x->request is the request that passed it.
 *   3. on_upgrade (which targets there are), on_open (a greeting).
 *   4. on_request. For each stream asked for:
 *        an unknown name: the venue's error, its silence, or its close (sim_server_close)
 *        sim_admit(SIM_LIMIT_REQUEST_ARGS, ..), (SIM_LIMIT_SUBSCRIBES, ..), (SIM_LIMIT_ARGS_BYTES, ..),
 *        where it has such limits, and (SIM_LIMIT_STREAMS, 1): on false say nothing more
 *        ack = sim_ack(x): ERROR: the venue's refusal; SKIPPED: go on as if it had not been asked for
 *        the acknowledgement: sim_reply_ack(x, peer, symbol, &text, ack)
 *        sim_subscribe, which sends the snapshot where the stream starts with one
 *      unsubscribing: sim_unsubscribe. A JSON ping: sim_pinged, and the pong by sim_reply. The answer
 *      to the venue's own ping: sim_ponged. A request for a snapshot on the socket: sim_flush_depth,
 *      then sim_reply_snapshot.
 *   5. trade, quote, depth, ticker: the market's messages, by sim_broadcast. depth ends with
 *      sim_market_take_depth. snapshot: what a subscription starts with, by sim_reply.
 *   6. wrap, where a message differs from peer to peer: a sequence of the connection (peer->sequence,
 *      or in peer->state), a name around it.
 *   7. second (heartbeats), ping (the venue's own), on_shutdown (its notice).
 *   8. on_get, on_post: metadata, snapshots, tokens (sim_put_url says where this exchange listens).
 *   9. route: whose a recorded message is.
 * A checksum goes out through sim_checksum, so that the fault of that name reaches it. */
#ifndef SIM_EXCHANGE_H
#define SIM_EXCHANGE_H

#include <jansson.h>

#include "sim/limits.h"
#include "sim/market.h"
#include "sim/server.h"
#include "sim/text.h"
#include "sim/weather.h"
#include "wire/ws.h" /* close codes */

#define SIM_SYMBOLS_MAX  1200
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
  uint64_t     halted_until_ns;
  int64_t crossed_ticks; /* of a bid that the book never had, while others believe in it; 0: none */
  double  index_ticks;   /* the index price: follows the market slowly */
  void   *state;         /* the venue's own: symbol_bytes, zeroed */
} sim_symbol_t;

/* What a ticker says, of the synthetic market. */
typedef struct sim_ticker {
  int64_t  last_ticks, mark_ticks, index_ticks, bid_ticks, ask_ticks;
  int64_t  bid_qty, ask_qty;      /* 1e-8 units */
  int64_t  funding_rate;          /* 1e-8 units: 0.0001 is 10000 */
  uint64_t funding_at_ms;         /* the next one: every 8 hours */
  int64_t  volume, open_interest; /* 1e-8 units: traded since the start; made up, but steady */
} sim_ticker_t;

/* A kind of message that each symbol has once in an interval, the symbols one after the other so that
 * a thousand of them are no burst. */
typedef struct sim_cadence {
  uint64_t since_ns, done_cnt;
  uint32_t turn; /* whose is next */
} sim_cadence_t;

typedef struct sim_exchange sim_exchange_t;

/* A recorded message: whose it is. name and payload point into the record. */
typedef struct sim_route {
  const char *name, *payload;
  size_t      name_cnt, payload_cnt;
  uint32_t    channels; /* a bit each: who hears one of them gets the message */
  bool        is_book;
} sim_route_t;

typedef struct sim_venue {
  const char       *name;              /* "binance-spot" */
  const sim_pair_t *pairs;             /* up to the one without a name */
  size_t            state_bytes;       /* of x->state, zeroed */
  size_t            symbol_bytes;      /* of each symbol's state */
  size_t            peer_bytes;        /* of each peer's state, and ... */
  size_t            peer_symbol_bytes; /* ... for each symbol behind it: sim_peer_symbol */
  uint64_t          depth_interval_ns; /* of each symbol */
  uint64_t      ticker_interval_ns; /* 0: tickers go out with something else, or there are none */
  sim_framing_t framing;
  const char   *text_ping, *text_pong; /* a bare text and its answer; NULL: none */
  bool          keeps_case;            /* its symbols have small letters: tBTCUSD, kPEPE */
  bool          has_checksum;          /* its books carry one */
  sim_rule_t    limits[SIM_LIMIT_CNT];

  /* The limit was passed: the venue's words for it. The rule says whether the connection is closed then.
   * NULL: no words. */
  void (*over_limit)(sim_exchange_t *x, sim_peer_t *peer, sim_limit_t limit);
  /* The venue's own ping (SIM_LIMIT_UNANSWERED). NULL: a websocket ping. */
  void (*ping)(sim_exchange_t *x, sim_peer_t *peer);

  bool (*on_upgrade)(sim_exchange_t *x, sim_peer_t *peer, const char *target);
  void (*on_open)(sim_exchange_t *x, sim_peer_t *peer); /* NULL: no greeting */
  /* A request; NULL where it is not JSON. */
  void (*on_request)(sim_exchange_t *x, sim_peer_t *peer, const json_t *request);
  int (*on_get)(sim_exchange_t *x, const char *target, sim_text_t *answer, bool *is_snapshot);
  int (*on_post)(sim_exchange_t *x, const char *target, const char *body,
                 sim_text_t *answer);                       /* NULL: 405 */
  void (*on_shutdown)(sim_exchange_t *x, sim_peer_t *peer); /* NULL: it closes without notice */
  size_t (*wrap)(sim_exchange_t *x, sim_peer_t *peer, uint32_t stream, const char *text, size_t cnt,
                 char *out, size_t cap); /* NULL: every peer gets the same text */

  /* The synthetic market's messages. NULL: the venue has no such channel. */
  void (*trade)(sim_exchange_t *x, uint32_t symbol, const sim_step_t *step);
  void (*quote)(sim_exchange_t *x, uint32_t symbol);
  void (*depth)(sim_exchange_t *x, uint32_t symbol); /* what changed since the last one */
  void (*ticker)(sim_exchange_t *x, uint32_t symbol, const sim_ticker_t *ticker);
  void (*second)(sim_exchange_t *x); /* heartbeats, once a second */
  /* The snapshot that a subscription to this stream starts with. NULL: none. */
  void (*snapshot)(sim_exchange_t *x, sim_peer_t *peer, uint32_t symbol, uint32_t channel);
  uint32_t snapshot_channels; /* a bit for each that starts with one */

  /* False: the record goes to nobody (an acknowledgement, a type that is not played). */
  bool (*route)(const char *text, size_t cnt, sim_route_t *route);
  /* What the instrument is called here behind its recorded name ("-LINEAR"), "" nothing, where several
   * products share names. address: the path of the recorded connection; NULL: not known. NULL: "". */
  const char *(*suffix)(const char *text, size_t cnt, const char *address);
} sim_venue_t;

#define V(name) extern const sim_venue_t sim_venue_##name;
#include "sim/venues.def"
#undef V

extern const sim_venue_t *const sim_venues[];
extern const uint32_t           sim_venue_cnt;

struct sim_exchange {
  const sim_venue_t *venue;
  sim_server_t      *server;
  faults_t          *faults;
  sim_symbol_t      *symbols; /* (symbol_cap) */
  uint32_t           symbol_cnt, symbol_cap;
  void              *state, *symbol_states; /* the venue's own */
  const json_t      *request;               /* that is being answered; NULL: none, or no JSON */
  char               url[64];               /* ws://127.0.0.1:9001; the owner's to set */
  uint32_t      hurry; /* the venue's patience (limits that are a time alone) is so much shorter */
  sim_window_t  connects;
  uint64_t      limits_passed[SIM_LIMIT_CNT];
  sim_cadence_t depths, tickers;
  sim_weather_t weather;
  uint64_t      wall_ns, now_ns;
  uint64_t      second_due_ns;
  uint64_t      rng;            /* for what is neither market nor fault: ids of orders */
  uint64_t      subscribed_cnt; /* streams ever asked for */
  sim_view_t   *view;           /* scratch of snapshots */
  char         *text;           /* scratch of messages: SIM_MESSAGE_BYTES_MAX */
  /* Books that come from a recording: fills the view, false while there is none. */
  bool (*recorded_view)(void *self, uint32_t symbol, uint32_t levels, sim_view_t *view);
  void *recorded_self;
};

/* symbols: comma separated, as the venue writes them. levels: of each side at the start.
 * E_CORE_ARGUMENT names what is wrong. */
tf_err_t sim_exchange_init(sim_exchange_t *x, const sim_venue_t *venue, const char *symbols,
                           uint64_t seed, uint32_t levels, faults_t *faults);
void     sim_exchange_fini(sim_exchange_t *x);

const sim_venue_t *sim_venue_find(const char *name);
sim_service_t      sim_exchange_service(sim_exchange_t *x);
size_t             sim_exchange_peer_bytes(const sim_exchange_t *x); /* for the server's config */

/* The clock, once a pass: heartbeats, limits of time, snapshots that were held back. */
void sim_exchange_tick(sim_exchange_t *x, uint64_t now_ns, uint64_t wall_ns);
/* One step of a symbol's market, its trade and quote sent. */
void sim_exchange_step(sim_exchange_t *x, uint32_t symbol);
/* The depth messages and tickers that are due. */
void sim_exchange_depth(sim_exchange_t *x);
/* sim/limits.c, for the exchange: a new connection; one pass of a connection. */
void sim_limits_open(sim_exchange_t *x, sim_peer_t *peer);
void sim_limits_tick(sim_exchange_t *x, sim_peer_t *peer);

/* ---- for venues ---- */

TF_INLINE uint32_t sim_stream(uint32_t symbol, uint32_t channel) {
  return symbol * SIM_CHANNELS_MAX + channel;
}
TF_INLINE uint32_t sim_stream_symbol(uint32_t stream) { return stream / SIM_CHANNELS_MAX; }
TF_INLINE uint32_t sim_stream_channel(uint32_t stream) { return stream % SIM_CHANNELS_MAX; }

/* UINT32_MAX: not one of ours, or not listed (faults list, delist). */
uint32_t sim_find_symbol(const sim_exchange_t *x, const char *name, size_t cnt);
uint32_t sim_find_lower(const sim_exchange_t *x, const char *name, size_t cnt);

/* The x->text scratch, empty. */
sim_text_t sim_message(sim_exchange_t *x);
/* Sends it, unless it did not fit. */
void sim_reply(sim_exchange_t *x, sim_peer_t *peer, const sim_text_t *text);
void sim_broadcast(sim_exchange_t *x, uint32_t stream, const sim_text_t *text,
                   sim_message_kind_t kind);

/* The peer hears the stream from now on; where it starts with a snapshot, that goes out first (with
 * late_snapshot: both later). Nothing happens where it has it already, or SIM_LIMIT_STREAMS is passed. */
void sim_subscribe(sim_exchange_t *x, sim_peer_t *peer, uint32_t stream);
void sim_unsubscribe(sim_peer_t *peer, uint32_t stream);
/* It hears the stream, or waits for its snapshot. */
bool sim_hears(const sim_peer_t *peer, uint32_t stream);
/* Somebody hears it. */
bool sim_has_listener(const sim_exchange_t *x, uint32_t stream);
/* The changes of the symbol's book that have not gone out yet do so now. */
void sim_flush_depth(sim_exchange_t *x, uint32_t symbol);
/* A snapshot that was asked for on the socket, sent now or, with late_snapshot, so much later. */
void sim_reply_snapshot(sim_exchange_t *x, sim_peer_t *peer, const sim_text_t *text);

/* cnt more towards a limit. False: it is passed; over_limit has said so, the connection may be closed. The
 * core asks itself of STREAMS, MESSAGES, REQUEST_BYTES, CONNECTS and the limits of time. */
bool sim_admit(sim_exchange_t *x, sim_peer_t *peer, sim_limit_t limit, uint64_t cnt);
/* The client pinged (the core says so of text_ping; a venue whose clients are alive by any message says it
 * in on_request), and it answered the venue's ping (the core says so of websocket pongs). */
void sim_pinged(sim_exchange_t *x, sim_peer_t *peer);
void sim_ponged(sim_peer_t *peer);

/* What a fault does to an acknowledgement: drawn once for each that the venue would send. */
typedef enum sim_ack {
  SIM_ACK_SENT,
  SIM_ACK_MISSING, /* subscribed, not acknowledged: sim_reply_ack sees to it */
  SIM_ACK_ERROR,   /* refused, in the venue's words */
  SIM_ACK_SKIPPED, /* neither acknowledged nor subscribed */
  SIM_ACK_OTHER    /* it names another symbol: sim_reply_ack sees to it */
} sim_ack_t;
sim_ack_t sim_ack(sim_exchange_t *x);
/* symbol: whose stream is acknowledged; UINT32_MAX: of several, or none. */
void sim_reply_ack(sim_exchange_t *x, sim_peer_t *peer, uint32_t symbol, const sim_text_t *text,
                   sim_ack_t ack);

/* The peer's state of one symbol: venue->peer_symbol_bytes. */
void *sim_peer_symbol(const sim_exchange_t *x, const sim_peer_t *peer, uint32_t symbol);

/* What the symbol's ticker says now. */
sim_ticker_t sim_ticker(sim_exchange_t *x, uint32_t symbol);

/* CRC-32 (zlib's) of a text, and a checksum as it is sent: wrong where the fault says so. */
uint32_t sim_crc(const char *text, size_t cnt);
uint32_t sim_checksum(sim_exchange_t *x, uint32_t crc);

/* ws://127.0.0.1:9001, for answers that name where to connect. */
void sim_put_url(sim_text_t *text, const sim_exchange_t *x);

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
