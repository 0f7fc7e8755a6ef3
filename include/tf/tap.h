/* The tap: everything that comes from outside passes here, in the order in which the engine takes it
 * up: frames as received, REST answers, new connections, an operator's commands. A capture writes
 * it down, and a replay that obeys such a record in the same order makes the same events and
 * decisions (docs/ARCHITECTURE.md, determinism).
 *
 * Called on acquire's thread, before the feed sees the frame; it may not block or allocate. */
#ifndef TF_TAP_H
#define TF_TAP_H

#include "tf/base.h"

typedef enum tf_tap_kind {
  TF_TAP_FRAME   = 1, /* handed to feed->on_frame */
  TF_TAP_CONNECT = 2, /* a leg is up; feed->on_connect may have been called, with recv_ns */
  TF_TAP_CONTROL = 3, /* bytes: the tf_event_t that was published */
  TF_TAP_LOSE    = 4, /* feed->lose_book was called; bytes: the instrument's id, a uint32_t */
  TF_TAP_STATUS = 5, /* bytes: the STATUS tf_event_t that the session published of itself (STALE) */
  TF_TAP_DISCONNECT = 6, /* a leg is gone */
  TF_TAP_RETIRE     = 7, /* a leg will be replaced: what is its alone may move to another */
  TF_TAP_SYMBOL     = 8, /* feed->symbol made one that came later; bytes: its text, without NUL */
  TF_TAP_WINDOW_END =
      9, /* trades had waited long enough for those before them, and no message came */
  TF_TAP_OUTCOMES = 10 /* bytes: what came of asking workers (tf/outcome.h); no feed's doing */
} tf_tap_kind_t;

/* Connections of one feed, those included that are to replace another. */
#define TF_TAP_LEGS_MAX 5u

typedef struct tf_tap_record {
  uint64_t recv_ns;
  uint32_t source_idx; /* of the feed in the config; UINT32_MAX: none (control) */
  uint8_t  kind;       /* tf_tap_kind_t */
  uint8_t  frame_kind; /* FRAME: tf_frame_kind_t; DISCONNECT: why, of TF_LEG_ENDS (tf/source.h) */
  uint8_t  leg;        /* of the feed's connections the one concerned; CONTROL, LOSE, STATUS: 0 */
  uint32_t bytes_cnt;
  const char *bytes;
  const char *target; /* FRAME of kind HTTP: path and query, NUL-terminated; else NULL */
} tf_tap_record_t;

typedef struct tf_tap {
  void *self;
  void (*on_record)(void *self, const tf_tap_record_t *record); /* NULL: no tap */
} tf_tap_t;

#endif
