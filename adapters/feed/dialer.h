/* The dialer: one thread that does for all sessions what may take long or allocate, so that a lane
 * never waits: look-up, TCP connect, TLS handshake, websocket upgrade; and whole REST requests on
 * connections of their own. A lane hands it a dial, and gets it back with an open, upgraded socket (and
 * its TLS stream, and the bytes that came glued behind the 101), with a body, or with an error.
 *
 * A dial belongs to one side at a time: to the session, and from tf_dialer_submit until
 * tf_dialer_take returns it to the dialer. Everything in it, the TLS stream included, is handed
 * over by that, without a copy: OpenSSL keeps pointers into it, so it does not move.
 *
 *   lane                             hand-off (SPSC)                   dialer thread
 *   submit(dial) --post, eventfd-->  client.requests   --take-->      resolve connect tls upgrade
 *   take() <-----------------------  client.results    <--post--      done or failed
 *
 * All addresses of a name are tried, IPv6 and IPv4 in turn (attempts.h); where the endpoint has a proxy, it is
 * the proxy that is looked up and connected to, and asked for a tunnel (CONNECT) before TLS begins: it
 * sees ciphertext only, and the venue's name.
 *
 * Deadlines: look-up 5 s, connect 2 s over all addresses, proxy 3 s, TLS 3 s, upgrade 3 s, a whole REST
 * request 10 s. Two dials to one host and port start at least a second apart, and no more in five minutes than
 * the venue allows (budget.h). The last address that worked
 * is remembered and serves when the look-up fails. */
#ifndef FEED_DIALER_H
#define FEED_DIALER_H

#include "feed/budget.h"
#include "feed/handoff.h"
#include "feed/resolver.h"
#include "feed/via.h"
#include "tf/source.h"
#include "wire/tls.h"
#include "wire/ws_deflate.h"

#define TF_DIAL_TARGET_BYTES   2048
#define TF_DIAL_TEXT_BYTES     512
#define TF_DIAL_LEFTOVER_BYTES 65536u /* more than one receive and one record can bring */
#define TF_DIAL_BODY_BYTES_MAX ((size_t)64 << 20)
#define TF_DIALER_CLIENTS_MAX  72 /* 64 connections, and who measures endpoints */
/* Deadlines of the phases. */
#define TF_DIAL_DNS_NS      (5 * TF_NS_PER_SEC)
#define TF_DIAL_CONNECT_NS  (2 * TF_NS_PER_SEC) /* over all addresses */
#define TF_DIAL_PROXY_NS    (3 * TF_NS_PER_SEC)
#define TF_DIAL_TLS_NS      (3 * TF_NS_PER_SEC)
#define TF_DIAL_UPGRADE_NS  (3 * TF_NS_PER_SEC)
#define TF_DIAL_GET_NS      (10 * TF_NS_PER_SEC) /* a whole REST request */
#define TF_DIALER_DIALS_MAX 128                  /* under way at one time */

/* What a dial is doing, and where it failed (tf/source.h). */
typedef enum tf_dial_phase {
#define TF_DIAL_PHASE_ENUM_(id, name) TF_DIAL_##id,
  TF_DIAL_PHASES(TF_DIAL_PHASE_ENUM_)
#undef TF_DIAL_PHASE_ENUM_
      TF_DIAL_PHASE_CNT
} tf_dial_phase_t;

typedef enum tf_dial_kind {
  TF_DIAL_WEBSOCKET,
  TF_DIAL_GET,
  TF_DIAL_POST,
  TF_DIAL_RELEASE /* gives the body and whatever else the dial holds back to the dialer's heap */
} tf_dial_kind_t;

/* Where to. Read by the dialer while it has a dial to it: the session's, unchanged after start. */
typedef struct tf_endpoint {
  char                host[256]; /* an IPv6 address without its brackets */
  char                port[8];
  const tf_via_t     *via;     /* how it leaves this host; NULL: as the system will have it */
  const tf_tls_ctx_t *tls_ctx; /* NULL: plain TCP */
  tf_budget_t *budget; /* of the venue's websocket dials, the dialer's to book; NULL: no bound */
} tf_endpoint_t;

typedef struct tf_dial {
  /* request */
  tf_dial_kind_t       kind;
  const tf_endpoint_t *endpoint;
  const char          *why; /* for the log: a static text, "silence"; may be NULL */
  uint8_t              nonce[16];
  char                 target[TF_DIAL_TARGET_BYTES];
  const char          *post_body;     /* POST: JSON, a static text; NULL: empty */
  uint64_t             tag;           /* the session's own */
  bool                 deflate_offer; /* WEBSOCKET: offer permessage-deflate */

  /* result */
  tf_err_t        err; /* 0, or one of E_FEED_*, E_WIRE_* */
  tf_dial_phase_t phase;
  uint16_t        http_status;   /* of an answer that came; 0 none */
  uint32_t        retry_after_s; /* UINT32_MAX none */
  char            text[TF_DIAL_TEXT_BYTES];
  uint64_t        phase_ns[TF_DIAL_PHASE_CNT]; /* how long each took; 0: it was not come to */
  tf_address_t    peer; /* that was connected to: the venue's or the proxy's */

  int                    fd; /* WEBSOCKET done: whoever has the dial owns it; else -1 */
  tf_tls_t               tls;
  bool                   deflate_agreed; /* WEBSOCKET done: on these terms */
  tf_ws_deflate_params_t deflate;
  size_t                 leftover_cnt; /* plaintext behind the 101 */
  uint8_t               *body; /* GET, POST done: body_cnt bytes and TF_BYTES_PAD readable behind */
  size_t                 body_cnt;

  /* memory, the session's */
  uint8_t *tls_tx; /* TF_TLS_TX_BYTES_MIN bytes */
  size_t   tls_tx_cap;
  uint8_t *leftover; /* TF_DIAL_LEFTOVER_BYTES, with TF_BYTES_PAD behind */
} tf_dial_t;

typedef struct tf_dialer tf_dialer_t;

typedef struct tf_dialer_client {
  tf_handoff_t requests, results;
} tf_dialer_client_t;

typedef struct tf_dialer_config {
  uint64_t        dns_ns, connect_ns, proxy_ns, tls_ns, upgrade_ns, get_ns;
  uint64_t        host_gap_ns; /* between the starts of two websocket dials to one host and port */
  size_t          body_bytes_max;
  tf_resolve_fn_t resolve;
  const char     *user_agent; /* of REST requests: some venues refuse without */
} tf_dialer_config_t;

tf_dialer_config_t tf_dialer_config_default(void);

/* --- control threads --- */

/* Starts the thread. E_CORE_NO_MEMORY, E_CORE_SYSTEM, E_CORE_THREAD. */
tf_err_t tf_dialer_start(const tf_dialer_config_t *config, tf_dialer_t **dialer);
/* Fails what is under way, ends the thread, frees everything. All clients have left. NULL is accepted. */
void tf_dialer_stop(tf_dialer_t *dialer);

/* Before a client's first submit. E_FEED_LIMIT. */
tf_err_t tf_dialer_join(tf_dialer_t *dialer, tf_dialer_client_t *client);
/* Waits until the dialer has let go of all of the client's dials; then they are the caller's, whatever
 * the hand-offs say. The client's lane is no longer running. */
void tf_dialer_leave(tf_dialer_t *dialer, tf_dialer_client_t *client);

/* Memory of a dial; neither init nor fini may be called while the dialer has it. */
void tf_dial_init(tf_dial_t *dial, uint8_t *tls_tx, size_t tls_tx_cap, uint8_t *leftover);
void tf_dial_fini(tf_dial_t *dial); /* closes the socket, frees TLS and body */

/* --- the client's lane --- */

/* Gives a dial away; one small write(2), no allocation. False when the hand-off is full: at most
 * TF_HANDOFF_SLOTS - 1 dials of a client may be out, which a client knows beforehand. */
bool tf_dialer_submit(tf_dialer_t *dialer, tf_dialer_client_t *client, tf_dial_t *dial);
/* A dial that is back, or NULL. */
tf_dial_t *tf_dialer_take(tf_dialer_client_t *client);

const char *tf_dialer_phase_name(tf_dial_phase_t phase);

#endif
