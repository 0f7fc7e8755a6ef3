#include "wire/ws.h"

#include <string.h>
#include <sys/random.h>

#include "core/error.h"

enum { PHASE_HEAD = 0, PHASE_DATA, PHASE_CONTROL };

#define B0_FIN       0x80u
#define B0_RSV       0x70u
#define B0_RSV1      0x40u /* permessage-deflate: the message is compressed */
#define B0_OPCODE    0x0Fu
#define B1_MASK      0x80u
#define B1_LENGTH    0x7Fu
#define LENGTH_16    126u
#define LENGTH_64    127u
#define UNMASK_BYTES 4096u /* of a masked frame, on the way to inflate */

static const struct {
  const char *name, *text;
  tf_err_t    err;
  uint16_t    close_code;
} ws_faults[TF_WS_FAULT_CNT] = {
#define TF_WS_FAULT_ROW_(id, name, err, close, text) {name, text, err, close},
    TF_WS_FAULTS(TF_WS_FAULT_ROW_)
#undef TF_WS_FAULT_ROW_
};

TF_INLINE uint64_t load_be16(const uint8_t *p) {
  uint16_t v;
  memcpy(&v, p, sizeof v);
  return __builtin_bswap16(v);
}
TF_INLINE uint64_t load_be64(const uint8_t *p) {
  uint64_t v;
  memcpy(&v, p, sizeof v);
  return __builtin_bswap64(v);
}

TF_INLINE bool takes_no_more(const tf_ws_t *ws) { return ws->state >= TF_WS_CLOSE_RECEIVED; }

/* Delivers the run of whole, unfragmented, unmasked data frames at p and returns what it stopped
 * at: the end, or a frame (or part of one) that the general path must take. It only stops before a
 * frame's first byte, and leaves every fault to that path, so that rules are written once. Headers
 * are loaded without looking at end first: TF_BYTES_PAD bytes behind it are readable. */
static const uint8_t *feed_in_place(tf_ws_t *ws, const uint8_t *bytes, const uint8_t *end) {
  const uint8_t *p           = bytes;
  uint64_t       message_cnt = 0;
  const bool     check_utf8  = !ws->utf8_unchecked;
  const size_t   bytes_max   = ws->message_bytes_max;
  while (p < end) {
    const unsigned opcode = p[0] ^ B0_FIN;
    if (opcode - TF_WS_TEXT > TF_WS_BINARY - TF_WS_TEXT) break;
    size_t   head_cnt = 2;
    uint64_t len      = p[1];
    if (len == LENGTH_16) {
      head_cnt = 4;
      len      = load_be16(p + 2);
      if (TF_UNLIKELY(len < LENGTH_16)) break;
    } else if (TF_UNLIKELY(len > LENGTH_16)) {
      if (len != LENGTH_64) break;
      head_cnt = 10;
      len      = load_be64(p + 2);
      if (len <= UINT16_MAX) break;
    }
    const size_t left = (size_t)(end - p);
    if (left < head_cnt || len > left - head_cnt || len > bytes_max) break;
    const uint8_t *payload = p + head_cnt;
    if (check_utf8 && opcode == TF_WS_TEXT && !tf_utf8_valid(payload, (size_t)len)) break;
    p = payload + len;
    message_cnt++;
    ws->handler.on_message(ws->handler.self, (tf_ws_opcode_t)opcode, payload, (size_t)len);
    if (TF_UNLIKELY(takes_no_more(ws))) break;
  }
  ws->counts.messages += message_cnt;
  ws->counts.frames_data += message_cnt;
  ws->counts.bytes_framed += (uint64_t)(p - bytes);
  return p;
}

/* The frame under way and all that follows are refused. */
static TF_COLD void fail(tf_ws_t *ws, tf_ws_fault_t fault) {
  ws->counts.bytes_rejected[fault] += ws->counts.bytes_partial;
  ws->counts.frames_rejected[fault]++;
  ws->counts.bytes_partial = 0;
  ws->fault                = (uint8_t)fault;
  ws->state                = TF_WS_FAILED;
}

/* RFC 7692 6: RSV1 stands on the first frame of a message and nowhere else. */
static bool rsv_allowed(const tf_ws_t *ws, unsigned b0) {
  const unsigned opcode = b0 & B0_OPCODE;
  return (b0 & B0_RSV) == 0 || ((b0 & B0_RSV) == B0_RSV1 && ws->deflate &&
                                (opcode == TF_WS_TEXT || opcode == TF_WS_BINARY));
}

static tf_ws_fault_t check_first_byte(const tf_ws_t *ws, unsigned b0) {
  const unsigned opcode = b0 & B0_OPCODE;
  if (!rsv_allowed(ws, b0)) return TF_WS_FAULT_RSV;
  switch (opcode) {
  case TF_WS_CONTINUATION:
    if (ws->message_opcode == 0) return TF_WS_FAULT_CONTINUATION;
    return ws->fragment_cnt >= ws->fragments_max ? TF_WS_FAULT_FRAGMENTS : TF_WS_FAULT_NONE;
  case TF_WS_TEXT:
  case TF_WS_BINARY: return ws->message_opcode ? TF_WS_FAULT_INTERLEAVED : TF_WS_FAULT_NONE;
  case TF_WS_CLOSE:
  case TF_WS_PING:
  case TF_WS_PONG: return b0 & B0_FIN ? TF_WS_FAULT_NONE : TF_WS_FAULT_CONTROL_FRAGMENTED;
  default: return TF_WS_FAULT_OPCODE;
  }
}

static tf_ws_fault_t check_second_byte(const tf_ws_t *ws, unsigned b0, unsigned b1) {
  if (ws->role == TF_WS_CLIENT && (b1 & B1_MASK)) return TF_WS_FAULT_MASKED;
  if (ws->role == TF_WS_SERVER && !(b1 & B1_MASK)) return TF_WS_FAULT_UNMASKED;
  if ((b0 & 0x8u) && (b1 & B1_LENGTH) > TF_WS_CONTROL_BYTES_MAX) return TF_WS_FAULT_CONTROL_LENGTH;
  return TF_WS_FAULT_NONE;
}

/* Payload bytes that the data frame whose header is being read may have. */
static uint64_t frame_room(const tf_ws_t *ws) {
  const bool compressed = ws->message_opcode ? ws->compressed : (ws->head[0] & B0_RSV1) != 0;
  if (compressed)
    return tf_ws_deflate_bound(ws->message_bytes_max) -
           (ws->message_opcode ? ws->deflated_bytes : 0);
  return ws->message_bytes_max - (ws->message_opcode ? ws->assembly_at : 0);
}

/* Checks the header byte that came last, and once the length is whole, the length. */
static tf_ws_fault_t check_head(tf_ws_t *ws) {
  const uint8_t *head = ws->head;
  const unsigned cnt  = ws->head_cnt;
  if (cnt == 1) return check_first_byte(ws, head[0]);
  const unsigned len7 = head[1] & B1_LENGTH;
  if (cnt == 2) {
    tf_ws_fault_t fault = check_second_byte(ws, head[0], head[1]);
    if (fault || len7 >= LENGTH_16) return fault;
    ws->frame_bytes = len7;
  } else if (cnt == 4 && len7 == LENGTH_16) {
    ws->frame_bytes = load_be16(head + 2);
    if (ws->frame_bytes < LENGTH_16) return TF_WS_FAULT_LENGTH_FORM;
  } else if (cnt == 3 && len7 == LENGTH_64) {
    return head[2] & 0x80u ? TF_WS_FAULT_LENGTH_TOP_BIT : TF_WS_FAULT_NONE;
  } else if (cnt == 10 && len7 == LENGTH_64) {
    ws->frame_bytes = load_be64(head + 2);
    if (ws->frame_bytes <= UINT16_MAX) return TF_WS_FAULT_LENGTH_FORM;
  } else {
    return TF_WS_FAULT_NONE;
  }
  if (head[0] & 0x8u) return TF_WS_FAULT_NONE;
  return ws->frame_bytes > frame_room(ws) ? TF_WS_FAULT_MESSAGE_BYTES : TF_WS_FAULT_NONE;
}

TF_INLINE unsigned head_bytes(unsigned b1) {
  const unsigned len7 = b1 & B1_LENGTH;
  return 2u + (len7 == LENGTH_16 ? 2u : len7 == LENGTH_64 ? 8u : 0u) + (b1 & B1_MASK ? 4u : 0u);
}

static void begin_payload(tf_ws_t *ws) {
  const unsigned opcode = ws->head[0] & B0_OPCODE;
  memset(ws->mask_key, 0, sizeof ws->mask_key);
  if (ws->head[1] & B1_MASK) memcpy(ws->mask_key, ws->head + ws->head_cnt - 4, 4);
  ws->frame_b0 = ws->head[0];
  ws->frame_at = 0;
  ws->head_cnt = 0;
  ws->phase    = opcode & 0x8u ? PHASE_CONTROL : PHASE_DATA;
  if (opcode == TF_WS_TEXT || opcode == TF_WS_BINARY) {
    ws->message_opcode = (uint8_t)opcode;
    ws->fragment_cnt   = 0;
    ws->assembly_at    = 0;
    ws->deflated_bytes = 0;
    ws->compressed     = (ws->frame_b0 & B0_RSV1) != 0;
  }
  if (ws->phase != PHASE_DATA) return;
  ws->fragment_cnt++;
  if (ws->compressed) ws->deflated_bytes += ws->frame_bytes;
}

static const uint8_t *feed_head(tf_ws_t *ws, const uint8_t *p, const uint8_t *end) {
  while (p < end) {
    ws->head[ws->head_cnt++] = *p++;
    ws->counts.bytes_partial++;
    const tf_ws_fault_t fault = check_head(ws);
    if (TF_UNLIKELY(fault)) {
      fail(ws, fault);
      return p;
    }
    if (ws->head_cnt >= 2 && ws->head_cnt == head_bytes(ws->head[1])) {
      begin_payload(ws);
      return p;
    }
  }
  return p;
}

static void count_frame(tf_ws_t *ws, uint64_t *frames) {
  (*frames)++;
  ws->counts.bytes_framed += ws->counts.bytes_partial;
  ws->counts.bytes_partial = 0;
  ws->phase                = PHASE_HEAD;
}

static bool is_checked_text(const tf_ws_t *ws) {
  return ws->message_opcode == TF_WS_TEXT && !ws->utf8_unchecked;
}

/* How long the compressed message under way may become, by what its frames have declared: that does
 * not depend on how much of them has arrived. */
static size_t inflated_max(const tf_ws_t *ws) {
  const uint64_t by_ratio = ws->deflated_bytes * TF_WS_DEFLATE_RATIO_MAX;
  const uint64_t cap =
      by_ratio > TF_WS_DEFLATE_RATIO_FREE_BYTES ? by_ratio : TF_WS_DEFLATE_RATIO_FREE_BYTES;
  return cap < ws->message_bytes_max ? (size_t)cap : ws->message_bytes_max;
}

/* Inflates a piece of payload (NULL: what is behind the last) to where the assembly ends. The first
 * thing wrong in the message is the one that counts, in whatever pieces it comes: so text is
 * checked before what ended the piece. */
static tf_ws_fault_t inflate_piece(tf_ws_t *ws, const uint8_t *bytes, size_t cnt) {
  uint8_t     *target = ws->assembly + ws->assembly_at;
  const size_t max    = inflated_max(ws);
  size_t       made;

  const tf_ws_deflate_status_t status =
      bytes ? tf_ws_deflate_take(ws->deflate, bytes, cnt, target, max - ws->assembly_at, &made)
            : tf_ws_deflate_end(ws->deflate, target, max - ws->assembly_at, &made);
  ws->assembly_at += made;
  if (is_checked_text(ws) && !tf_utf8_update(&ws->utf8, target, made)) return TF_WS_FAULT_UTF8;
  switch (status) {
  case TF_WS_DEFLATE_OK: return TF_WS_FAULT_NONE;
  case TF_WS_DEFLATE_FULL:
    return max == ws->message_bytes_max ? TF_WS_FAULT_MESSAGE_BYTES : TF_WS_FAULT_INFLATE_RATIO;
  default: return bytes ? TF_WS_FAULT_INFLATE_DATA : TF_WS_FAULT_INFLATE_CUT;
  }
}

/* Payload of a compressed message, unmasked on the way where we are the server. */
static tf_ws_fault_t inflate_payload(tf_ws_t *ws, const uint8_t *bytes, size_t cnt) {
  if (ws->role == TF_WS_CLIENT) return cnt ? inflate_piece(ws, bytes, cnt) : TF_WS_FAULT_NONE;
  uint8_t       plain[UNMASK_BYTES];
  tf_ws_fault_t fault = TF_WS_FAULT_NONE;
  for (size_t at = 0; at < cnt && !fault;) {
    const size_t n = cnt - at < sizeof plain ? cnt - at : sizeof plain;
    tf_ws_mask(plain, bytes + at, n, ws->mask_key, (size_t)ws->frame_at + at);
    fault = inflate_piece(ws, plain, n);
    at += n;
  }
  return fault;
}

static void end_data_frame(tf_ws_t *ws) {
  if (!(ws->frame_b0 & B0_FIN)) {
    count_frame(ws, &ws->counts.frames_data);
    return;
  }
  if (ws->compressed) {
    const tf_ws_fault_t fault = inflate_piece(ws, NULL, 0);
    if (fault) {
      fail(ws, fault);
      return;
    }
    ws->counts.messages_inflated++;
    ws->counts.inflated_bytes += ws->assembly_at;
  }
  const tf_ws_opcode_t opcode = (tf_ws_opcode_t)ws->message_opcode;
  if (is_checked_text(ws) && !tf_utf8_complete(&ws->utf8)) {
    fail(ws, TF_WS_FAULT_UTF8);
    return;
  }
  count_frame(ws, &ws->counts.frames_data);
  ws->message_opcode = 0;
  ws->counts.messages++;
  ws->counts.messages_assembled++;
  memset(ws->assembly + ws->assembly_at, 0, TF_BYTES_PAD);
  ws->handler.on_message(ws->handler.self, opcode, ws->assembly, ws->assembly_at);
}

static tf_ws_fault_t check_close(const uint8_t *payload, size_t cnt) {
  if (cnt == 0) return TF_WS_FAULT_NONE;
  if (cnt == 1) return TF_WS_FAULT_CLOSE_PAYLOAD;
  if (!tf_ws_close_code_valid((uint32_t)load_be16(payload))) return TF_WS_FAULT_CLOSE_CODE;
  return tf_utf8_valid(payload + 2, cnt - 2) ? TF_WS_FAULT_NONE : TF_WS_FAULT_UTF8;
}

static void end_control_frame(tf_ws_t *ws) {
  const tf_ws_opcode_t opcode = (tf_ws_opcode_t)(ws->frame_b0 & B0_OPCODE);
  const size_t         cnt    = (size_t)ws->frame_bytes;
  if (opcode == TF_WS_CLOSE) {
    const tf_ws_fault_t fault = check_close(ws->control, cnt);
    if (fault) {
      fail(ws, fault);
      return;
    }
    ws->peer_close_code = cnt ? (uint16_t)load_be16(ws->control) : TF_WS_CLOSE_NO_STATUS;
    ws->state           = ws->close_sent ? TF_WS_CLOSED : TF_WS_CLOSE_RECEIVED;
  } else if (opcode == TF_WS_PING) {
    memcpy(ws->ping, ws->control, cnt);
    ws->ping_cnt     = (uint8_t)cnt;
    ws->ping_pending = true;
    ws->counts.pings++;
  } else {
    ws->counts.pongs++;
  }
  count_frame(ws, &ws->counts.frames_control);
  memset(ws->control + cnt, 0, TF_BYTES_PAD);
  ws->handler.on_control(ws->handler.self, opcode, ws->control, cnt);
}

static const uint8_t *feed_compressed(tf_ws_t *ws, const uint8_t *p, size_t cnt) {
  const tf_ws_fault_t fault = inflate_payload(ws, p, cnt);
  ws->frame_at += cnt;
  ws->counts.bytes_partial += cnt;
  if (fault)
    fail(ws, fault);
  else if (ws->frame_at == ws->frame_bytes)
    end_data_frame(ws);
  return p + cnt;
}

/* Takes what bytes hold of the payload under way, and ends the frame if that was all of it. */
static const uint8_t *feed_payload(tf_ws_t *ws, const uint8_t *p, const uint8_t *end) {
  const uint64_t missing = ws->frame_bytes - ws->frame_at;
  const size_t   left    = (size_t)(end - p);
  const size_t   cnt     = missing < left ? (size_t)missing : left;
  const bool     data    = ws->phase == PHASE_DATA;
  if (data && ws->compressed) return feed_compressed(ws, p, cnt);
  uint8_t *target = data ? ws->assembly + ws->assembly_at : ws->control + (size_t)ws->frame_at;
  if (ws->role == TF_WS_SERVER) {
    tf_ws_mask(target, p, cnt, ws->mask_key, (size_t)ws->frame_at);
  } else if (cnt) {
    memcpy(target, p, cnt);
  }
  ws->frame_at += cnt;
  ws->counts.bytes_partial += cnt;
  if (data) {
    ws->assembly_at += cnt;
    if (is_checked_text(ws) && !tf_utf8_update(&ws->utf8, target, cnt)) {
      fail(ws, TF_WS_FAULT_UTF8);
      return p + cnt;
    }
  }
  if (ws->frame_at == ws->frame_bytes) {
    if (data)
      end_data_frame(ws);
    else
      end_control_frame(ws);
  }
  return p + cnt;
}

static tf_err_t refuse(tf_ws_t *ws, size_t bytes_cnt) {
  const tf_ws_fault_t why = ws->state == TF_WS_FAILED    ? (tf_ws_fault_t)ws->fault
                            : ws->state == TF_WS_STOPPED ? TF_WS_FAULT_STOPPED
                                                         : TF_WS_FAULT_AFTER_CLOSE;
  ws->counts.bytes_rejected[why] += bytes_cnt;
  return ws->state == TF_WS_FAILED ? ws_faults[why].err : 0;
}

tf_err_t tf_ws_feed(tf_ws_t *ws, const uint8_t *bytes, size_t bytes_cnt) {
  const uint8_t *p = bytes, *end = bytes + bytes_cnt;
  ws->counts.bytes_rx += bytes_cnt;
  while (!takes_no_more(ws)) {
    if (ws->phase == PHASE_HEAD) {
      if (ws->role == TF_WS_CLIENT && ws->message_opcode == 0 && ws->head_cnt == 0) {
        p = feed_in_place(ws, p, end);
        if (TF_UNLIKELY(takes_no_more(ws))) break;
      }
      if (p == end) return 0;
      p = feed_head(ws, p, end);
      /* A frame without payload is complete now, though no more bytes may come. */
      if (ws->phase == PHASE_HEAD || ws->frame_bytes != 0) continue;
    } else if (p == end) {
      return 0;
    }
    p = feed_payload(ws, p, end);
  }
  return refuse(ws, (size_t)(end - p));
}

size_t tf_ws_assembly_bytes(size_t message_bytes_max) {
  return (message_bytes_max ? message_bytes_max : TF_WS_MESSAGE_BYTES_MAX_DEFAULT) + TF_BYTES_PAD;
}

tf_err_t tf_ws_init(tf_ws_t *ws, const tf_ws_config_t *config, const tf_ws_handler_t *handler,
                    uint8_t *assembly) {
  if (config->role != TF_WS_CLIENT && config->role != TF_WS_SERVER)
    return TF_ERR(E_CORE_ARGUMENT, "websocket role %d; allowed are client and server",
                  (int)config->role);
  if (config->message_bytes_max > TF_WS_MESSAGE_BYTES_MAX_LIMIT)
    return TF_ERR(E_CORE_ARGUMENT, "websocket message limit of %zu bytes; at most %zu are allowed",
                  config->message_bytes_max, TF_WS_MESSAGE_BYTES_MAX_LIMIT);
  if (!assembly || !handler->on_message || !handler->on_control)
    return TF_ERR(E_CORE_ARGUMENT, "a websocket needs assembly memory and both callbacks");
  if (config->role == TF_WS_CLIENT && !config->random.u32)
    return TF_ERR(E_CORE_ARGUMENT, "a websocket client needs a source of masking keys");
  memset(ws, 0, sizeof *ws);
  ws->handler = *handler;
  ws->message_bytes_max =
      config->message_bytes_max ? config->message_bytes_max : TF_WS_MESSAGE_BYTES_MAX_DEFAULT;
  ws->fragments_max  = config->fragments_max ? config->fragments_max : TF_WS_FRAGMENTS_MAX_DEFAULT;
  ws->role           = (uint8_t)config->role;
  ws->utf8_unchecked = config->utf8_unchecked;
  ws->random         = config->random;
  ws->deflate        = config->deflate;
  ws->assembly       = assembly;
  return 0;
}

void tf_ws_stop(tf_ws_t *ws) {
  if (!takes_no_more(ws)) ws->state = TF_WS_STOPPED;
}

tf_err_t tf_ws_eof(tf_ws_t *ws) {
  if (ws->state == TF_WS_FAILED) return ws_faults[ws->fault].err;
  if (takes_no_more(ws)) return 0;
  ws->fault = ws->counts.bytes_partial ? TF_WS_FAULT_EOF_MID_FRAME
              : ws->message_opcode     ? TF_WS_FAULT_EOF_MID_MESSAGE
                                       : TF_WS_FAULT_EOF_NO_CLOSE;
  ws->state = TF_WS_FAILED;
  return ws_faults[ws->fault].err;
}

tf_err_t tf_ws_error(const tf_ws_t *ws) {
  if (ws->fault == TF_WS_FAULT_NONE) return 0;
  return TF_ERR(ws_faults[ws->fault].err, "websocket %s: %s (byte %llu of the stream)",
                ws_faults[ws->fault].name, ws_faults[ws->fault].text,
                (unsigned long long)(ws->counts.bytes_framed + ws->counts.bytes_partial));
}

const char *tf_ws_fault_name(tf_ws_fault_t fault) {
  return (unsigned)fault < TF_WS_FAULT_CNT ? ws_faults[fault].name : "unknown";
}

const char *tf_ws_fault_text(tf_ws_fault_t fault) {
  return (unsigned)fault < TF_WS_FAULT_CNT ? ws_faults[fault].text : "unknown fault";
}

uint16_t tf_ws_fault_close_code(tf_ws_fault_t fault) {
  return (unsigned)fault < TF_WS_FAULT_CNT ? ws_faults[fault].close_code : 0;
}

bool tf_ws_close_code_valid(uint32_t code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

size_t tf_ws_frame_bytes(tf_ws_role_t role, size_t payload_cnt) {
  const size_t length_bytes = payload_cnt < 126 ? 0 : payload_cnt <= UINT16_MAX ? 2 : 8;
  return 2 + length_bytes + (role == TF_WS_CLIENT ? 4 : 0) + payload_cnt;
}

void tf_ws_mask(uint8_t *target, const uint8_t *source, size_t cnt, const uint8_t key[4],
                size_t phase) {
  uint8_t  turned[8];
  uint64_t key8;
  for (size_t i = 0; i < 8; i++) turned[i] = key[(phase + i) & 3];
  memcpy(&key8, turned, 8);
  size_t i = 0;
  for (; cnt - i >= 8; i += 8) {
    uint64_t word;
    memcpy(&word, source + i, 8);
    word ^= key8;
    memcpy(target + i, &word, 8);
  }
  for (size_t j = 0; i < cnt; i++, j++) target[i] = source[i] ^ turned[j];
}

uint32_t tf_ws_random_system(void *self) {
  (void)self;
  uint32_t key;
  TF_ASSERT(getrandom(&key, sizeof key, 0) == (ssize_t)sizeof key);
  return key;
}
