/* What a client of a listener says first: a HELLO frame, or a line of JSON (tf/frame.h). Read from
 * whatever has come so far, from anybody: refused with a reason at the first byte that cannot be right.
 * Pure; any thread. JSON is read by jansson, which allocates. No text quotes what was sent but the
 * name of an unknown key: a token may stand beside it. */
#ifndef TF_SINK_HELLO_H
#define TF_SINK_HELLO_H

#include "tf/frame.h"
#include "tf/sink.h"

#define TF_HELLO_BYTES_MAX   (TF_FRAME_HEADER_BYTES + TF_FRAME_HELLO_BYTES_MAX) /* of either form */
#define TF_HELLO_WHY_BYTES   160
#define TF_HELLO_CARRIES_ANY 255u /* JSON: not said */

typedef struct tf_hello {
  uint64_t resume_from;
  uint8_t  carries; /* tf_carries_t, or TF_HELLO_CARRIES_ANY */
  uint16_t token_bytes;
  char     token[TF_FRAME_TOKEN_BYTES_MAX + 1];
} tf_hello_t;

/* > 0: the hello is whole and took so many bytes. 0: it may become one, there must be more.
 * < 0: it cannot; why (TF_HELLO_WHY_BYTES) says so in printable ASCII without quotes. format: BINARY or JSON. */
int tf_hello_read(tf_sink_format_t format, const uint8_t *bytes, size_t cnt, tf_hello_t *hello,
                  char *why);

#endif
