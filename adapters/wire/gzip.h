/* A gzip member (RFC 1952) that is a whole message: venues that compress by themselves, under the
 * websocket, send one a frame (HTX). Over zlib, which checks the member's CRC-32 and length.
 *
 * The bound is on what comes out: inflating stops at the room given, so a bomb costs no more than what
 * it was allowed to become. Memory: the caller's, tf_gzip_bytes of it, taken once at start; zlib
 * allocates from it and from nowhere else. One thread at a time. */
#ifndef WIRE_GZIP_H
#define WIRE_GZIP_H

#include "tf/err.h"

struct z_stream_s;

typedef struct tf_gzip {
  struct z_stream_s *stream;
  uint8_t           *memory;
  size_t             memory_at; /* zlib's blocks lie one behind another */
} tf_gzip_t;

typedef enum tf_gzip_status {
  TF_GZIP_OK,
  TF_GZIP_FULL, /* there is more than room */
  TF_GZIP_BAD   /* no member, cut short, its checksum differs, or bytes behind it */
} tf_gzip_status_t;

size_t tf_gzip_bytes(void);

/* memory: tf_gzip_bytes(), aligned to 16. E_CORE_ARENA_FULL: this zlib wants more than we know. */
tf_err_t tf_gzip_init(tf_gzip_t *gzip, uint8_t *memory);

/* The member's content to out[room]; *out_cnt its bytes, 0 unless OK. */
tf_gzip_status_t tf_gzip_take(tf_gzip_t *gzip, const void *bytes, size_t cnt, void *out,
                              size_t room, size_t *out_cnt);

#endif
