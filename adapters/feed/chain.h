/* The order of one instrument's depth messages where each says which ids it covers, and how they join a
 * snapshot. No bytes, no events: sequence numbers in, a decision out. bridge.h turns it into events.
 *
 * Every delta covers the update ids U..u. Two rules (VENUES.md sections 1, 2, 10, 11 and 13;
 * checked on the recordings, no break in 36,849 deltas of Binance, 172 of Gate, 3,853 of KuCoin):
 *
 *            next delta follows if   a snapshot at L drops   the first kept one must have
 *   RANGE    U <= last u + 1         u <= L                  U <= L + 1 <= u      Binance spot, Gate, KuCoin, HTX
 *   POINTER  pu == last u            u <  L                  U <= L     <= u      Binance USD-M, COIN-M
 *
 * (RANGE: U == last u + 1 in practice. The venue's page lets deltas overlap, and since quantities
 * are absolute an overlap does no harm.)
 *
 *          first delta             snapshot bridges, deltas kept
 *   IDLE ---------------> SYNCING ------------------------------> LIVE
 *     |                      | snapshot ahead of all that was seen   ^
 *     |  snapshot first      v                                       | first kept delta
 *     '-------------------> ARMED -----------------------------------'
 *   any state, a delta that does not follow: GAP, which is SYNCING from that delta on
 *
 * One writer: the feed's thread. */
#ifndef TF_FEED_CHAIN_H
#define TF_FEED_CHAIN_H

#include "tf/base.h"

typedef enum tf_chain_rule { TF_CHAIN_RANGE = 0, TF_CHAIN_POINTER = 1 } tf_chain_rule_t;

/* A jump back by more than this is the venue starting its numbers over, not an old message: a
 * duplicate is seconds old, and the busiest numbering (USD-M, shared by all symbols) was measured
 * at 80,000 ids a second, so this is 20 minutes. */
#define TF_CHAIN_SEQ_RESTART UINT64_C(100000000)

/* A delta that waits for its snapshot. span = u - U, saturated. */
typedef struct tf_chain_pending {
  uint64_t u;
  uint32_t span;
  uint32_t level_cnt;
} tf_chain_pending_t;

/* Memory for the deltas of instruments that are syncing: slabs of pending_cap, lent while needed.
 * An instrument that gets none waits in IDLE and tries again with its next delta, which also
 * bounds how many snapshots are asked for at a time. */
#define TF_CHAIN_SLABS_MAX 256u
typedef struct tf_chain_pool {
  tf_chain_pending_t *entries;
  uint32_t            pending_cap;
  uint32_t            free_cnt;
  uint16_t            free[TF_CHAIN_SLABS_MAX];
} tf_chain_pool_t;

typedef enum tf_chain_state {
  TF_CHAIN_IDLE = 0,
  TF_CHAIN_SYNCING,
  TF_CHAIN_GAP,
  TF_CHAIN_ARMED, /* a snapshot is in, the delta that joins it is not */
  TF_CHAIN_LIVE
} tf_chain_state_t;

#define TF_CHAIN_SLAB_NONE UINT16_MAX

typedef struct tf_chain {
  uint64_t last_u; /* of the newest delta; valid if has_delta */
  uint64_t base;   /* lastUpdateId of the snapshot that the book stands on: ARMED, LIVE */
  uint64_t forgotten_level_cnt; /* of deltas that no longer fitted the slab */
  uint32_t pending_head, pending_cnt;
  uint16_t slab;
  uint8_t  state; /* tf_chain_state_t */
  bool     has_delta;
  bool     is_announced;    /* a STATUS said SYNCING and nothing else has been said since */
  bool     snapshot_wanted; /* and not yet on the session's list */
  uint8_t  reserved[2];
} tf_chain_t;

/* What to do with a delta. */
typedef struct tf_chain_delta_step {
  bool     is_duplicate;        /* publish nothing */
  bool     is_gap;              /* STATUS GAP {gap_first, gap_last} goes before its levels */
  bool     is_syncing;          /* STATUS SYNCING goes before its levels */
  bool     is_bad;              /* flag its levels BAD_BOOK */
  bool     is_bridged_out;      /* older than the snapshot: its levels count as discarded */
  uint64_t gap_first, gap_last; /* first > last: the numbers started over */
} tf_chain_delta_step_t;

typedef enum tf_chain_snapshot_verdict {
  TF_CHAIN_BRIDGED = 0,
  TF_CHAIN_TOO_OLD,  /* does not reach the deltas that were seen: another is wanted */
  TF_CHAIN_DUPLICATE /* not newer than the book */
} tf_chain_snapshot_verdict_t;

typedef struct tf_chain_snapshot_step {
  tf_chain_snapshot_verdict_t verdict;
  uint64_t                    apply_from;            /* BRIDGED */
  uint64_t                    bridged_out_level_cnt; /* BRIDGED: of the deltas dropped */
} tf_chain_snapshot_step_t;

/* Bytes of entries for a pool of slab_cnt slabs; and its start. pending_cap >= 1. */
size_t tf_chain_pool_bytes(uint32_t slab_cnt, uint32_t pending_cap);
void   tf_chain_pool_init(tf_chain_pool_t *pool, void *memory, uint32_t slab_cnt,
                          uint32_t pending_cap);

void tf_chain_init(tf_chain_t *chain);

/* The connection is new: forgets the deltas and the book, but keeps a snapshot that no delta has
 * followed yet, because bridging goes by ids. True if the book's state fell back to SYNCING, or deltas that
 * were waiting are forgotten: whoever keeps them too must be told. */
bool tf_chain_restart(tf_chain_t *chain, tf_chain_pool_t *pool);

/* U <= u. pu is read under the POINTER rule only. */
tf_chain_delta_step_t tf_chain_delta(tf_chain_t *chain, tf_chain_pool_t *pool, tf_chain_rule_t rule,
                                     uint64_t U, uint64_t u, uint64_t pu, uint32_t level_cnt);

/* A snapshot that stands in the order of the deltas: LIVE, and the next delta must follow id. */
void tf_chain_stand(tf_chain_t *chain, tf_chain_pool_t *pool, uint64_t id);

/* What was known is not to be trusted, though its sequence may go on: GAP, until a snapshot that is newer
 * than all that was seen. False: it stands on no snapshot, so there is nothing to lose. */
bool tf_chain_lose(tf_chain_t *chain, tf_chain_pool_t *pool);

tf_chain_snapshot_step_t tf_chain_snapshot(tf_chain_t *chain, tf_chain_pool_t *pool,
                                           tf_chain_rule_t rule, uint64_t last_update_id);

#endif
