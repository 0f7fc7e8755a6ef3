/* The Binance side of the simulator (VENUES: spot and USD-M): subscriptions, native messages, REST depth
 * snapshots, for a synthetic market per symbol or for what a recording says. */
#ifndef SIM_BINANCE_H
#define SIM_BINANCE_H

#include "market.h"
#include "server.h"

#define SIM_SYMBOLS_MAX 32
enum { SIM_CHANNEL_TRADE, SIM_CHANNEL_QUOTE, SIM_CHANNEL_DEPTH, SIM_CHANNEL_CNT };

typedef struct sim_symbol {
  char         name[32], lower[32];
  sim_market_t market;
  uint64_t     depth_last_id; /* u of the last depth message: the next one's pu */
  uint64_t     depth_due_ns;
} sim_symbol_t;

typedef struct sim_binance {
  bool          futures;
  sim_symbol_t *symbols; /* (SIM_SYMBOLS_MAX) */
  uint32_t      symbol_cnt;
  char          text[SIM_MESSAGE_BYTES_MAX];
  /* A recording's snapshots come from elsewhere: writes the body, 0 if there is none yet. */
  size_t (*snapshot)(void *self, uint32_t symbol, uint32_t limit, char *buf, size_t cap);
  void *snapshot_self;
} sim_binance_t;

/* symbols: upper case names, comma separated. E_CORE_ARGUMENT names a bad one. Heap, at start. */
tf_err_t sim_binance_init(sim_binance_t *b, bool futures, const char *symbols, uint64_t seed);
void     sim_binance_fini(sim_binance_t *b);

sim_venue_t sim_binance_venue(sim_binance_t *b);

/* One step of a symbol's market, its trade and quote messages sent. wall_ms: the venue's clock. */
void sim_binance_step(sim_binance_t *b, sim_server_t *server, uint32_t symbol, uint64_t wall_ms);
/* The depth message of what changed since the last one; none if nothing did. */
void sim_binance_depth(sim_binance_t *b, sim_server_t *server, uint32_t symbol, uint64_t wall_ms);

/* The stream of a name such as "btcusdt@depth@100ms"; UINT32_MAX if it is none of ours. */
uint32_t sim_binance_stream(const sim_binance_t *b, const char *name, size_t cnt);

#endif
