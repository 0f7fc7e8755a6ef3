/* Frames, both roles. The first three bytes choose role, limits and segmentation, the rest is the
 * stream. It is fed whole and in pieces: both must call back the same, end with the same fault and
 * leave the same ledger. */
#include <stdlib.h>
#include <string.h>

#include "wire/ws.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt);

#define MESSAGE_BYTES_MAX 70000u

typedef struct seen {
  uint64_t hash;
  tf_ws_t  ws;
  uint32_t keys;
} seen_t;

static const tf_ws_deflate_config_t deflate_config = {
    .tx_window_bits_max = 9, .tx_mem_level = 1, .tx_level = 1};

static uint8_t assembly[MESSAGE_BYTES_MAX + TF_BYTES_PAD];

static uint32_t next_key(void *self) { return ++((seen_t *)self)->keys; }

static void mix(seen_t *seen, int kind, const uint8_t *bytes, size_t cnt) {
  uint64_t hash = (seen->hash ^ (uint64_t)kind) * 1099511628211u;
  hash          = (hash ^ cnt) * 1099511628211u;
  for (size_t i = 0; i < cnt; i++) hash = (hash ^ bytes[i]) * 1099511628211u;
  seen->hash = hash;
}

static void on_message(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  seen_t *seen = self;
  TF_ASSERT(opcode == TF_WS_TEXT || opcode == TF_WS_BINARY);
  TF_ASSERT(cnt <= seen->ws.message_bytes_max);
  TF_ASSERT(opcode != TF_WS_TEXT || seen->ws.utf8_unchecked || tf_utf8_valid(bytes, cnt));
  mix(seen, (int)opcode, bytes, cnt);
}

static void on_control(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  seen_t *seen = self;
  uint8_t frame[256];
  TF_ASSERT(cnt <= TF_WS_CONTROL_BYTES_MAX);
  mix(seen, (int)opcode, bytes, cnt);
  if (opcode == TF_WS_PING) {
    const size_t frame_cnt = tf_ws_write_pong(&seen->ws, frame, sizeof frame);
    mix(seen, 16, frame, frame_cnt);
  }
}

/* The top bits of the first byte: whether messages may be compressed, and with what window. */
static void start_deflate(tf_ws_deflate_t *deflate, unsigned mode, bool server) {
  static _Alignas(16) uint8_t  memory[1 << 17];
  const uint8_t                bits   = (uint8_t)(8 + (mode >> 4 & 7));
  const tf_ws_deflate_params_t agreed = {.server_no_context_takeover = mode & 4,
                                         .client_no_context_takeover = mode & 4,
                                         .server_max_window_bits     = bits,
                                         .client_max_window_bits     = bits};
  TF_ASSERT(tf_ws_deflate_bytes(&deflate_config) <= sizeof memory);
  TF_ASSERT(tf_ws_deflate_init(deflate, &deflate_config, memory) == 0);
  TF_ASSERT(tf_ws_deflate_start(deflate, server, &agreed) == 0);
}

static void feed(seen_t *seen, const tf_ws_config_t *config, unsigned mode, const uint8_t *bytes,
                 size_t cnt, size_t piece) {
  static tf_ws_deflate_t deflate;
  const tf_ws_handler_t  handler = {seen, on_message, on_control};
  tf_ws_config_t         mine    = *config;
  memset(seen, 0, sizeof *seen);
  mine.random = (tf_ws_random_t){seen, next_key};
  if (mode & 8) {
    start_deflate(&deflate, mode, config->role == TF_WS_SERVER);
    mine.deflate = &deflate;
  }
  TF_ASSERT(tf_ws_init(&seen->ws, &mine, &handler, assembly) == 0);
  for (size_t at = 0; at < cnt;) {
    const size_t n     = cnt - at < piece ? cnt - at : piece;
    uint8_t     *block = malloc(n + TF_BYTES_PAD);
    TF_ASSERT(block);
    memcpy(block, bytes + at, n);
    memset(block + n, (int)(at & 0xFF), TF_BYTES_PAD);
    tf_ws_feed(&seen->ws, block, n);
    free(block);
    at += n;
  }
  uint64_t rejected = 0;
  for (int i = 0; i < TF_WS_FAULT_CNT; i++) rejected += seen->ws.counts.bytes_rejected[i];
  TF_ASSERT(seen->ws.counts.bytes_rx == cnt);
  TF_ASSERT(cnt == seen->ws.counts.bytes_framed + seen->ws.counts.bytes_partial + rejected);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt) {
  static seen_t whole, pieces;
  if (bytes_cnt < 3) return 0;
  const size_t         limits[] = {0, 125, 126, 1000, MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX, 7, 300};
  const tf_ws_config_t config   = {
        .role              = bytes[0] & 1 ? TF_WS_SERVER : TF_WS_CLIENT,
        .utf8_unchecked    = bytes[0] & 2,
        .message_bytes_max = limits[bytes[1] % 8] ? limits[bytes[1] % 8] : 1,
        .fragments_max     = 1 + bytes[1] / 8,
  };
  feed(&whole, &config, bytes[0], bytes + 3, bytes_cnt - 3, SIZE_MAX);
  feed(&pieces, &config, bytes[0], bytes + 3, bytes_cnt - 3, 1 + bytes[2]);
  TF_ASSERT(whole.hash == pieces.hash);
  TF_ASSERT(whole.ws.fault == pieces.ws.fault && whole.ws.state == pieces.ws.state);
  TF_ASSERT(whole.ws.peer_close_code == pieces.ws.peer_close_code);
  whole.ws.counts.messages_assembled = pieces.ws.counts.messages_assembled;
  TF_ASSERT(memcmp(&whole.ws.counts, &pieces.ws.counts, sizeof whole.ws.counts) == 0);
  TF_ASSERT(tf_ws_eof(&whole.ws) == tf_ws_eof(&pieces.ws));
  uint8_t      frame[256];
  const size_t answer = tf_ws_write_close_answer(&whole.ws, frame, sizeof frame);
  TF_ASSERT(answer <= 2 + 4 + TF_WS_CONTROL_BYTES_MAX);
  return 0;
}
