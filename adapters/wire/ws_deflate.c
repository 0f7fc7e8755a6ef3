#include "wire/ws_deflate.h"

#include <string.h>
#include <zlib.h>

#include "core/error.h"

#define BLOCK_ALIGN 16u
/* zlib 1.2.13's own structures take 7160 and 5936 bytes; other versions a little more. */
#define RX_STATE_BYTES     12288u
#define TX_STATE_BYTES     12288u
#define TX_WINDOW_BITS_MIN 9
#define SYNC_BYTES         4u /* 00 00 FF FF: the end of an empty stored block */
/* z_stream's data_type right behind a block; its lower bits count what is left of a byte. */
#define BLOCK_ENDED 128

/* zlib's allocator: the next piece of the connection's memory; nothing is given back. */
static void *take_block(void *self, unsigned cnt, unsigned each) {
  tf_ws_deflate_t *d = self;
  size_t           bytes;
  if (__builtin_mul_overflow((size_t)cnt, (size_t)each, &bytes) ||
      bytes > d->memory_bytes - d->memory_at)
    return NULL;
  uint8_t     *block = d->memory + d->memory_at;
  const size_t whole = (bytes + BLOCK_ALIGN - 1) / BLOCK_ALIGN * BLOCK_ALIGN;
  const size_t left  = d->memory_bytes - d->memory_at;
  d->memory_at += whole < left ? whole : left;
  return block;
}

static void keep_block(void *self, void *block) {
  (void)self;
  (void)block;
}

tf_ws_deflate_config_t tf_ws_deflate_config_client(void) {
  return (tf_ws_deflate_config_t){.tx_window_bits_max = 12, .tx_mem_level = 4, .tx_level = 6};
}

static bool in_range(const tf_ws_deflate_config_t *c) {
  return c->tx_window_bits_max >= TX_WINDOW_BITS_MIN &&
         c->tx_window_bits_max <= TF_WS_DEFLATE_WINDOW_BITS_MAX && c->tx_mem_level >= 1 &&
         c->tx_mem_level <= 9 && c->tx_level >= 1 && c->tx_level <= 9;
}

/* zconf.h: deflate takes (1 << (windowBits + 2)) + (1 << (memLevel + 9)), inflate its window. */
size_t tf_ws_deflate_bytes(const tf_ws_deflate_config_t *config) {
  if (!in_range(config)) return 0;
  return 2 * (sizeof(z_stream) + BLOCK_ALIGN) + RX_STATE_BYTES +
         ((size_t)1 << TF_WS_DEFLATE_WINDOW_BITS_MAX) + TX_STATE_BYTES +
         ((size_t)1 << (config->tx_window_bits_max + 2)) +
         ((size_t)1 << (config->tx_mem_level + 9));
}

tf_err_t tf_ws_deflate_init(tf_ws_deflate_t *d, const tf_ws_deflate_config_t *config,
                            uint8_t *memory) {
  const size_t bytes = tf_ws_deflate_bytes(config);
  if (bytes == 0 || !memory)
    return TF_ERR(
        E_CORE_ARGUMENT,
        "deflate window of %u bits, memory level %u, level %u; allowed are 9 to 15, 1 to 9, "
        "1 to 9",
        config->tx_window_bits_max, config->tx_mem_level, config->tx_level);
  *d = (tf_ws_deflate_t){.config = *config, .memory = memory, .memory_bytes = bytes};
  return TF_OK;
}

static struct z_stream_s *new_stream(tf_ws_deflate_t *d) {
  z_stream *z = take_block(d, 1, sizeof *z);
  *z          = (z_stream){.zalloc = take_block, .zfree = keep_block, .opaque = d};
  return z;
}

static bool window_valid(unsigned bits) {
  return bits >= TF_WS_DEFLATE_WINDOW_BITS_MIN && bits <= TF_WS_DEFLATE_WINDOW_BITS_MAX;
}

tf_err_t tf_ws_deflate_start(tf_ws_deflate_t *d, bool server,
                             const tf_ws_deflate_params_t *agreed) {
  const unsigned rx_bits = server ? agreed->client_max_window_bits : agreed->server_max_window_bits;
  unsigned       tx_bits = server ? agreed->server_max_window_bits : agreed->client_max_window_bits;
  if (!window_valid(rx_bits) || !window_valid(tx_bits))
    return TF_ERR(E_CORE_ARGUMENT, "deflate: windows of %u and %u bits; allowed are 8 to 15",
                  rx_bits, tx_bits);
  if (tx_bits > d->config.tx_window_bits_max) tx_bits = d->config.tx_window_bits_max;
  /* zlib has no raw deflate with 8 bits; its distances stay 262 below the window, so that those of
   * 9 bits fit into 256 bytes (test_ws_deflate holds it). */
  if (tx_bits < TX_WINDOW_BITS_MIN) tx_bits = TX_WINDOW_BITS_MIN;
  d->memory_at  = 0;
  d->rx_forgets = server ? agreed->client_no_context_takeover : agreed->server_no_context_takeover;
  d->tx_forgets = server ? agreed->server_no_context_takeover : agreed->client_no_context_takeover;
  d->rx         = new_stream(d);
  d->tx         = new_stream(d);
  /* The largest window, whatever was agreed on: zlib notices a distance behind a smaller one only
   * where its output happens to be cut there, and outcomes must not depend on the segmentation.
   * inflate takes its window with its first output; an empty dictionary makes it take it now. */
  if (inflateInit2(d->rx, -TF_WS_DEFLATE_WINDOW_BITS_MAX) != Z_OK ||
      inflateSetDictionary(d->rx, (const Bytef *)"", 0) != Z_OK || inflateReset(d->rx) != Z_OK ||
      deflateInit2(d->tx, d->config.tx_level, Z_DEFLATED, -(int)tx_bits, d->config.tx_mem_level,
                   Z_DEFAULT_STRATEGY) != Z_OK)
    return TF_ERR(E_CORE_ARENA_FULL, "deflate: zlib %s wants more than %zu bytes", zlibVersion(),
                  d->memory_bytes);
  return TF_OK;
}

static tf_ws_deflate_status_t run_inflate(tf_ws_deflate_t *d, const uint8_t *bytes, size_t cnt,
                                          uint8_t *out, size_t room, size_t *out_cnt) {
  z_stream *z = d->rx;
  TF_ASSERT(cnt <= UINT32_MAX && room < UINT32_MAX);
  z->next_in   = (Bytef *)(uintptr_t)bytes;
  z->avail_in  = (unsigned)cnt;
  z->next_out  = out;
  z->avail_out = (unsigned)room + 1; /* the byte that would be too much */
  int rc       = Z_OK;
  while (rc == Z_OK && z->avail_in && z->avail_out) {
    rc = inflate(z, Z_SYNC_FLUSH);
    if (rc == Z_STREAM_END) {
      /* RFC 7692 7.2.3.5: a block may say that it is the last, and others follow all the same. */
      rc           = inflateResetKeep(z);
      z->data_type = BLOCK_ENDED;
    }
  }
  *out_cnt = room + 1 - z->avail_out;
  if (*out_cnt > room) {
    *out_cnt = room;
    return TF_WS_DEFLATE_FULL;
  }
  return rc == Z_OK ? TF_WS_DEFLATE_OK : TF_WS_DEFLATE_BAD;
}

tf_ws_deflate_status_t tf_ws_deflate_take(tf_ws_deflate_t *d, const uint8_t *bytes, size_t cnt,
                                          uint8_t *out, size_t room, size_t *out_cnt) {
  return run_inflate(d, bytes, cnt, out, room, out_cnt);
}

tf_ws_deflate_status_t tf_ws_deflate_end(tf_ws_deflate_t *d, uint8_t *out, size_t room,
                                         size_t *out_cnt) {
  static const uint8_t   sync[SYNC_BYTES] = {0x00, 0x00, 0xFF, 0xFF};
  tf_ws_deflate_status_t status           = run_inflate(d, sync, sizeof sync, out, room, out_cnt);
  if (status != TF_WS_DEFLATE_OK) return status;
  if (d->rx->data_type != BLOCK_ENDED) return TF_WS_DEFLATE_BAD;
  if (d->rx_forgets) inflateReset(d->rx);
  return TF_WS_DEFLATE_OK;
}

size_t tf_ws_deflate_bound(size_t cnt) { return cnt + (cnt >> 3) + (cnt >> 6) + 64; }

size_t tf_ws_deflate_put(tf_ws_deflate_t *d, const void *bytes, size_t cnt, uint8_t *out,
                         size_t cap) {
  z_stream *z = d->tx;
  if (cap < tf_ws_deflate_bound(cnt) || cnt > UINT32_MAX / 2) return 0;
  const size_t room = cap < UINT32_MAX ? cap : UINT32_MAX;
  z->next_in        = (Bytef *)(uintptr_t)bytes;
  z->avail_in       = (unsigned)cnt;
  z->next_out       = out;
  z->avail_out      = (unsigned)room;
  const int rc      = deflate(z, Z_SYNC_FLUSH);
  TF_ASSERT(rc == Z_OK && z->avail_in == 0 && z->avail_out > 0);
  const size_t made = room - z->avail_out;
  TF_ASSERT(made > SYNC_BYTES);
  if (d->tx_forgets) deflateReset(z);
  return made - SYNC_BYTES;
}
