/* DEFLATE (RFC 1951) as permessage-deflate uses it (RFC 7692 section 7.2), both directions of one
 * connection, over zlib. A message's frames go in piece by piece as they arrive and its bytes come
 * out into the caller's assembly memory, never more than the room given: the cap is inside the
 * loop, so that a bomb costs no more than what it was allowed to become.
 *
 * Memory: the caller's, tf_ws_deflate_bytes of it, taken once at start; zlib allocates from it and
 * from nowhere else, so a lane may use all of this. One thread at a time. */
#ifndef WIRE_WS_DEFLATE_H
#define WIRE_WS_DEFLATE_H

#include "tf/err.h"

struct z_stream_s;

#define TF_WS_DEFLATE_WINDOW_BITS_MIN 8
#define TF_WS_DEFLATE_WINDOW_BITS_MAX 15
/* A message may become so many times as long as its frames say, once it is longer than the free
 * bytes: DEFLATE itself reaches 1032, feeds of numbers stay below 30. */
#define TF_WS_DEFLATE_RATIO_MAX        200u
#define TF_WS_DEFLATE_RATIO_FREE_BYTES 65536u
/* A shorter message of ours goes out as it is. */
#define TF_WS_DEFLATE_MESSAGE_BYTES_MIN 64u

/* What a handshake agreed on (wire/ws_extension.h). */
typedef struct tf_ws_deflate_params {
  bool    server_no_context_takeover, client_no_context_takeover;
  uint8_t server_max_window_bits, client_max_window_bits; /* 8 to 15 */
} tf_ws_deflate_params_t;

/* Of what we send; what we receive may always use the largest window. */
typedef struct tf_ws_deflate_config {
  uint8_t tx_window_bits_max; /* 9 to 15: of ours; a smaller one than agreed is always allowed */
  uint8_t tx_mem_level;       /* 1 to 9, zlib's */
  uint8_t tx_level;           /* 1 to 9, zlib's */
} tf_ws_deflate_config_t;

typedef struct tf_ws_deflate {
  tf_ws_deflate_config_t config;
  struct z_stream_s     *rx, *tx;
  bool                   rx_forgets, tx_forgets; /* the context at each message's end */
  uint8_t               *memory;
  size_t                 memory_bytes, memory_at; /* zlib's blocks lie one behind another */
} tf_ws_deflate_t;

/* A client's, that sends few and short messages. */
tf_ws_deflate_config_t tf_ws_deflate_config_client(void);

/* Bytes of memory; 0 for a config out of range. */
size_t tf_ws_deflate_bytes(const tf_ws_deflate_config_t *config);

/* memory: tf_ws_deflate_bytes(config), aligned to 16, the caller's until the connection is over.
 * E_CORE_ARGUMENT: the config is out of range. */
tf_err_t tf_ws_deflate_init(tf_ws_deflate_t *d, const tf_ws_deflate_config_t *config,
                            uint8_t *memory);

/* A connection begins: what was there is forgotten. server: our role. E_CORE_ARGUMENT: a window
 * outside 8 to 15 bits; E_CORE_ARENA_FULL: this zlib wants more than we know. */
tf_err_t tf_ws_deflate_start(tf_ws_deflate_t *d, bool server, const tf_ws_deflate_params_t *agreed);

typedef enum tf_ws_deflate_status {
  TF_WS_DEFLATE_OK,
  TF_WS_DEFLATE_FULL, /* there is more than room; room bytes of it are there */
  TF_WS_DEFLATE_BAD   /* not DEFLATE, or it reaches back behind where the context began */
} tf_ws_deflate_status_t;

/* A piece of a message's payload, taken whole unless the status is an error. out: room + 1 writable
 * bytes. *out_cnt: bytes that came out, at most room, also with an error. */
tf_ws_deflate_status_t tf_ws_deflate_take(tf_ws_deflate_t *d, const uint8_t *bytes, size_t cnt,
                                          uint8_t *out, size_t room, size_t *out_cnt);

/* The message's last piece was taken: what is still to come of it, as above. BAD: it ended inside a
 * block (RFC 7692 7.2.2). */
tf_ws_deflate_status_t tf_ws_deflate_end(tf_ws_deflate_t *d, uint8_t *out, size_t room,
                                         size_t *out_cnt);

/* Bytes that a message of cnt may take when deflated; more than it may be on the wire. */
size_t tf_ws_deflate_bound(size_t cnt);

/* Deflates a whole message into out, without the four bytes that RFC 7692 7.2.1 takes off. cap: at
 * least tf_ws_deflate_bound(cnt), otherwise 0 and nothing happened. cnt must not be 0. */
size_t tf_ws_deflate_put(tf_ws_deflate_t *d, const void *bytes, size_t cnt, uint8_t *out,
                         size_t cap);

#endif
