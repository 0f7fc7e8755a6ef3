#include "ws_script.h"

#include <stdlib.h>
#include <string.h>

#include "cmocka_tf.h"

static const struct {
  char    letter;
  uint8_t opcode;
} letters[] = {
    {'T', TF_WS_TEXT        },
    {'B', TF_WS_BINARY      },
    {'C', TF_WS_CONTINUATION},
    {'P', TF_WS_PING        },
    {'O', TF_WS_PONG        },
    {'X', TF_WS_CLOSE       }
};

static uint8_t payload_buf[SCRIPT_BYTES_MAX];

static size_t put_hex(const char *text, size_t cnt, uint8_t *out) {
  for (size_t i = 0; i + 1 < cnt; i += 2) {
    char pair[3] = {text[i], text[i + 1], 0};
    out[i / 2]   = (uint8_t)strtoul(pair, NULL, 16);
  }
  return cnt / 2;
}

static size_t payload_of(const char *text, size_t cnt) {
  if (cnt && text[0] == '#') return put_hex(text + 1, cnt - 1, payload_buf);
  if (cnt && text[0] == '*') {
    const size_t n = strtoul(text + 1, NULL, 10);
    memset(payload_buf, 'a', n);
    return n;
  }
  memcpy(payload_buf, text, cnt);
  return cnt;
}

size_t script_encode(const char *script, bool masked, uint8_t *buf) {
  static const uint8_t key[4] = {0x5A, 0x01, 0xC3, 0xFF};
  uint8_t             *p      = buf;
  while (*script) {
    const size_t cnt = strcspn(script, " ");
    if (cnt == 0) {
      script++;
      continue;
    }
    assert_int_equal(script[1], ':');
    if (script[0] == 'R') {
      p += put_hex(script + 2, cnt - 2, p);
      script += cnt;
      continue;
    }
    const bool   fin = script[0] < 'a';
    const size_t n   = payload_of(script + 2, cnt - 2);
    uint8_t      b0  = 0xFF;
    for (size_t i = 0; i < TF_ARRAY_CNT(letters); i++) {
      if (letters[i].letter == (script[0] & ~0x20)) b0 = letters[i].opcode;
    }
    assert_int_not_equal(b0, 0xFF);
    const uint8_t mask_bit = masked ? 0x80 : 0;
    *p++                   = b0 | (fin ? 0x80 : 0);
    if (n < 126) {
      *p++ = (uint8_t)(mask_bit | n);
    } else {
      const int length_bytes = n < 65536 ? 2 : 8;
      *p++                   = mask_bit | (n < 65536 ? 126 : 127);
      for (int i = length_bytes - 1; i >= 0; i--) *p++ = (uint8_t)((uint64_t)n >> (8 * i));
    }
    if (masked) {
      memcpy(p, key, 4);
      p += 4;
    }
    for (size_t i = 0; i < n; i++) *p++ = payload_buf[i] ^ (masked ? key[i % 4] : 0);
    script += cnt;
  }
  return (size_t)(p - buf);
}

static size_t log_frame(char *text, size_t cap, size_t at, char letter, const uint8_t *bytes,
                        size_t cnt) {
  at += (size_t)snprintf(text + at, cap - at, "%c:", letter);
  if (cnt > 512) {
    uint64_t hash = 1469598103934665603u;
    for (size_t i = 0; i < cnt; i++) hash = (hash ^ bytes[i]) * 1099511628211u;
    at += (size_t)snprintf(text + at, cap - at, "%zu/%016llx", cnt, (unsigned long long)hash);
  } else {
    for (size_t i = 0; i < cnt; i++) at += (size_t)snprintf(text + at, cap - at, "%02x", bytes[i]);
  }
  at += (size_t)snprintf(text + at, cap - at, " ");
  assert_true(at < cap);
  return at;
}

void script_normalise(const char *script, char *text, size_t cap) {
  size_t at = 0;
  text[0]   = '\0';
  while (*script) {
    const size_t cnt = strcspn(script, " ");
    if (cnt) {
      const size_t n = payload_of(script + 2, cnt - 2);
      at             = log_frame(text, cap, at, script[0], payload_buf, n);
    }
    script += cnt ? cnt : 1;
  }
}

static void log_callback(ws_log_t *log, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  char letter = '?';
  for (size_t i = 0; i < TF_ARRAY_CNT(letters); i++) {
    if (letters[i].opcode == opcode) letter = letters[i].letter;
  }
  assert_non_null(bytes);
  volatile uint8_t pad = bytes[cnt + TF_BYTES_PAD - 1]; /* readable, says the contract */
  (void)pad;
  log->cnt = log_frame(log->text, sizeof log->text, log->cnt, letter, bytes, cnt);
}

static void on_message(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  ws_log_t *log = self;
  log_callback(log, opcode, bytes, cnt);
  if (++log->message_cnt == log->stop_after) tf_ws_stop(log->ws);
}

static void on_control(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  log_callback(self, opcode, bytes, cnt);
}

tf_ws_handler_t script_handler(ws_log_t *log) {
  return (tf_ws_handler_t){.self = log, .on_message = on_message, .on_control = on_control};
}

tf_err_t script_feed(tf_ws_t *ws, const uint8_t *bytes, size_t bytes_cnt, size_t first_cnt,
                     size_t piece_cnt) {
  tf_err_t err = 0;
  size_t   at  = 0;
  do {
    size_t cnt = at == 0 && first_cnt ? first_cnt : piece_cnt ? piece_cnt : bytes_cnt - at;
    if (cnt > bytes_cnt - at) cnt = bytes_cnt - at;
    uint8_t *piece = malloc(cnt + TF_BYTES_PAD);
    memcpy(piece, bytes + at, cnt);
    memset(piece + cnt, 0x81, TF_BYTES_PAD); /* looks like more frames; must not be taken for any */
    err = tf_ws_feed(ws, piece, cnt);
    free(piece);
    at += cnt;
  } while (at < bytes_cnt);
  return err;
}

void script_check_counts(const tf_ws_t *ws) {
  const tf_ws_counts_t *c        = &ws->counts;
  uint64_t              rejected = 0;
  for (int i = 0; i < TF_WS_FAULT_CNT; i++) rejected += c->bytes_rejected[i];
  assert_int_equal(c->bytes_rx, c->bytes_framed + c->bytes_partial + rejected);
  assert_true(c->messages_assembled <= c->messages);
  assert_true(c->pings + c->pongs <= c->frames_control);
}
