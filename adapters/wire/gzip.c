#include "wire/gzip.h"

#include <zlib.h>

#include "core/error.h"

#define BLOCK_ALIGN  16u
#define WINDOW_BITS  15
#define GZIP_WRAPPED 16 /* added to the window bits: zlib then wants gzip's header and trailer */
/* zlib 1.2.13's own structure takes 7160 bytes; other versions a little more. */
#define STATE_BYTES 12288u
#define MEMORY_BYTES                                                                               \
  (sizeof(z_stream) + BLOCK_ALIGN + STATE_BYTES + ((size_t)1 << WINDOW_BITS) + BLOCK_ALIGN)

/* zlib's allocator: the next piece of the memory; nothing is given back. */
static void *take_block(void *self, unsigned cnt, unsigned each) {
  tf_gzip_t *gzip = self;
  size_t     bytes;
  if (__builtin_mul_overflow((size_t)cnt, (size_t)each, &bytes) ||
      bytes > MEMORY_BYTES - gzip->memory_at)
    return NULL;
  uint8_t     *block = gzip->memory + gzip->memory_at;
  const size_t whole = (bytes + BLOCK_ALIGN - 1) / BLOCK_ALIGN * BLOCK_ALIGN;
  const size_t left  = MEMORY_BYTES - gzip->memory_at;
  gzip->memory_at += whole < left ? whole : left;
  return block;
}

static void keep_block(void *self, void *block) {
  (void)self;
  (void)block;
}

size_t tf_gzip_bytes(void) { return MEMORY_BYTES; }

tf_err_t tf_gzip_init(tf_gzip_t *gzip, uint8_t *memory) {
  *gzip         = (tf_gzip_t){.memory = memory};
  gzip->stream  = take_block(gzip, 1, sizeof(z_stream));
  *gzip->stream = (z_stream){.zalloc = take_block, .zfree = keep_block, .opaque = gzip};
  if (inflateInit2(gzip->stream, WINDOW_BITS + GZIP_WRAPPED) != Z_OK)
    return TF_ERR(E_CORE_ARENA_FULL, "gzip: zlib %s wants more than %zu bytes", zlibVersion(),
                  MEMORY_BYTES);
  return TF_OK;
}

tf_gzip_status_t tf_gzip_take(tf_gzip_t *gzip, const void *bytes, size_t cnt, void *out,
                              size_t room, size_t *out_cnt) {
  z_stream *z = gzip->stream;
  *out_cnt    = 0;
  if (cnt > UINT32_MAX || room > UINT32_MAX || inflateReset(z) != Z_OK) return TF_GZIP_BAD;
  z->next_in   = (Bytef *)(uintptr_t)bytes;
  z->avail_in  = (uInt)cnt;
  z->next_out  = out;
  z->avail_out = (uInt)room;
  int result   = inflate(z, Z_FINISH); /* all in one call: the output is the window */
  if (result == Z_STREAM_END && z->avail_in == 0) {
    *out_cnt = room - z->avail_out;
    return TF_GZIP_OK;
  }
  bool is_full = (result == Z_BUF_ERROR || result == Z_OK) && z->avail_out == 0 && z->avail_in > 0;
  return is_full ? TF_GZIP_FULL : TF_GZIP_BAD;
}
