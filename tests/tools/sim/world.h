/* The simulator's venues and live sessions in one thread, over simulated I/O and in simulated time: what the
 * venue says is framed, is late, is cut at any byte, and every byte of a session's own goes through its real
 * link. The dialer alone is another one: it connects at once, and asks the venue without HTTP.
 *
 *   sim exchange --messages--> connection (late, cut) --tf_sim--> session --events--> story
 *
 * Deterministic by seed. For tests of legs over all venues; a thousand deaths take seconds. */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "feed/feeds.h"
#include "feed/session.h"
#include "io/sim.h"
#include "sim/exchange.h"
#include "stage/book.h"

#define WORLD_STEP_NS     TF_NS_PER_MS
#define WORLD_CONNS       16u /* at a time, of all sessions */
#define WORLD_SESSIONS    2u
#define WORLD_INSTRUMENTS 4u

/* What a session published, since it was last forgotten, and the books that it makes. */
typedef struct world_story {
  tf_event_t *events;
  uint32_t    cnt, cap;
} world_story_t;

typedef enum world_end { WORLD_FIN, WORLD_RESET } world_end_t;

typedef struct world_conn {
  sim_peer_t peer; /* first: a peer is its connection */
  void      *peer_state;
  bool       is_open, is_ending;
  uint32_t   session;
  int        fd;
  tf_ws_t    ws;
  uint8_t   *assembly;
  /* frames that wait: bytes from head on, each until its time */
  uint8_t *bytes;
  size_t   head, cnt, cap;
  struct {
    uint64_t due_ns;
    size_t   end; /* of bytes */
  } * frames;
  size_t      frame_head, frame_cnt, frame_cap;
  uint64_t    late_ns, sent_bytes, since_ns;
  uint64_t    cut_at; /* bytes sent; UINT64_MAX: never */
  world_end_t cut_how;
  uint64_t    whole_ns; /* since when it hears all that its session wants; 0: not yet */
} world_conn_t;

typedef struct world_session {
  tf_arena_t          arena;
  tf_session_config_t config;
  tf_feed_t           feed; /* the venue's, without its paces */
  tf_instruments_t    instruments;
  tf_source_t        *source;
  tf_arena_t          books_arena;
  tf_book_keeper_t    books[WORLD_INSTRUMENTS];
  world_story_t       story;
} world_session_t;

typedef struct world {
  uint64_t           rng;
  tf_arena_t         sim_arena, io_arena;
  tf_sim_t          *sim;
  tf_io_t           *io;
  const sim_venue_t *venue;
  faults_t           faults;
  sim_exchange_t     exchange;
  uint32_t           turn;
  bool               market_rests;
  world_conn_t       conns[WORLD_CONNS];
  world_session_t    sessions[WORLD_SESSIONS];
  uint64_t           late_ns_max; /* of a connection of session 1 */
  uint64_t           end_cnt;     /* connections that were cut */
} world_t;

extern world_t world;

/* A venue by its name. */
void world_start(const char *venue, uint64_t seed);
/* A session with its config but for what the world knows; the first to be started drives the loop. */
void world_session_start(uint32_t idx, const tf_session_config_t *config);
void world_stop(void);

uint64_t world_now_ns(void);
uint32_t world_random(uint32_t below);
/* One step of time: sessions, exchange, connections. */
void world_step(void);
/* What is under way arrives while the market rests. */
void world_drain(void);
void world_forget(void); /* the stories */

/* Whether all that this connection has not brought yet another one of its session brings. */
bool world_is_covered(const world_conn_t *conn, uint64_t heard_ns);
/* It ends when so many more bytes have been sent. */
void world_cut(world_conn_t *conn, uint64_t in_bytes, world_end_t how);

#endif
