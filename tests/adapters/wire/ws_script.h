/* A little language for websocket streams, with an encoder of its own, so that the parser is not
 * tested with the writer it shares a library with. A script is frames separated by blanks:
 *
 *   T:text  B:text    a whole text or binary message      t: b:  the same without FIN
 *   C:text  c:text    continuation with and without FIN
 *   P: O: X:          ping, pong, close                   p: o: x: without FIN
 *   R:hex             raw bytes, never masked
 *
 * A payload is text without blanks, "#hex", or "*n" for n bytes 'a'. Callbacks are logged in the
 * same language, normalised, so that an expectation is a script too. */
#ifndef TESTS_WS_SCRIPT_H
#define TESTS_WS_SCRIPT_H

#include "wire/ws.h"

#define SCRIPT_BYTES_MAX (1u << 20)
#define SCRIPT_LOG_BYTES 16384

typedef struct ws_log {
  char     text[SCRIPT_LOG_BYTES];
  size_t   cnt;
  tf_ws_t *ws;
  int      stop_after; /* messages until tf_ws_stop; 0: never */
  int      message_cnt;
} ws_log_t;

/* Encodes; masked: as a client would send. Returns the bytes written to buf. */
size_t script_encode(const char *script, bool masked, uint8_t *buf);

/* The log that a stream delivering exactly the script's frames would leave. */
void script_normalise(const char *script, char *text, size_t cap);

tf_ws_handler_t script_handler(ws_log_t *log);

/* Feeds bytes in pieces of piece_cnt (0: all at once), the first of first_cnt (0: like the others);
 * each piece in a heap block of its own with the pad and nothing behind it. */
tf_err_t script_feed(tf_ws_t *ws, const uint8_t *bytes, size_t bytes_cnt, size_t first_cnt,
                     size_t piece_cnt);

/* The ledger's equations hold. */
void script_check_counts(const tf_ws_t *ws);

#endif
