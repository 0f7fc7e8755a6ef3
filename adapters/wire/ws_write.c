#include <string.h>

#include "wire/ws.h"

#define RSV1 0x40u /* the message is compressed */

size_t tf_ws_write_header(uint8_t *buf, tf_ws_opcode_t opcode, bool fin, uint64_t payload_cnt,
                          const uint8_t *mask_key) {
  const uint8_t mask_bit = mask_key ? 0x80 : 0;
  size_t        at       = 2;
  buf[0]                 = (uint8_t)((fin ? 0x80 : 0) | (unsigned)opcode);
  if (payload_cnt < 126) {
    buf[1] = (uint8_t)(mask_bit | payload_cnt);
  } else if (payload_cnt <= UINT16_MAX) {
    const uint16_t len = __builtin_bswap16((uint16_t)payload_cnt);
    buf[1]             = mask_bit | 126;
    memcpy(buf + 2, &len, 2);
    at = 4;
  } else {
    const uint64_t len = __builtin_bswap64(payload_cnt);
    buf[1]             = mask_bit | 127;
    memcpy(buf + 2, &len, 8);
    at = 10;
  }
  if (mask_key) {
    memcpy(buf + at, mask_key, 4);
    at += 4;
  }
  return at;
}

/* The frame itself, whatever the state: what may be sent when is the callers' below. The payload may
 * lie where it is to go. */
static size_t put_frame(const tf_ws_t *ws, uint8_t *buf, size_t cap, tf_ws_opcode_t opcode,
                        bool fin, const void *payload, size_t payload_cnt) {
  if (payload_cnt > cap || tf_ws_frame_bytes((tf_ws_role_t)ws->role, payload_cnt) > cap) return 0;
  if (ws->role == TF_WS_SERVER) {
    const size_t at = tf_ws_write_header(buf, opcode, fin, payload_cnt, NULL);
    if (payload_cnt && payload != buf + at) memcpy(buf + at, payload, payload_cnt);
    return at + payload_cnt;
  }
  const uint32_t random = ws->random.u32(ws->random.self);
  uint8_t        key[4];
  memcpy(key, &random, 4);
  const size_t at = tf_ws_write_header(buf, opcode, fin, payload_cnt, key);
  tf_ws_mask(buf + at, payload, payload_cnt, key, 0);
  return at + payload_cnt;
}

size_t tf_ws_write_frame(tf_ws_t *ws, uint8_t *buf, size_t cap, tf_ws_opcode_t opcode, bool fin,
                         const void *payload, size_t payload_cnt) {
  const bool control = opcode == TF_WS_PING || opcode == TF_WS_PONG;
  const bool data = opcode == TF_WS_CONTINUATION || opcode == TF_WS_TEXT || opcode == TF_WS_BINARY;
  if (ws->close_sent || (!control && !data)) return 0;
  if (control && (!fin || payload_cnt > TF_WS_CONTROL_BYTES_MAX)) return 0;
  return put_frame(ws, buf, cap, opcode, fin, payload, payload_cnt);
}

static bool deflates(const tf_ws_t *ws, size_t payload_cnt) {
  return ws->deflate && payload_cnt >= TF_WS_DEFLATE_MESSAGE_BYTES_MIN;
}

size_t tf_ws_message_bytes(const tf_ws_t *ws, size_t payload_cnt) {
  if (!deflates(ws, payload_cnt)) return tf_ws_frame_bytes((tf_ws_role_t)ws->role, payload_cnt);
  return TF_WS_HEADER_BYTES_MAX + tf_ws_deflate_bound(payload_cnt);
}

size_t tf_ws_write_message(tf_ws_t *ws, uint8_t *buf, size_t cap, tf_ws_opcode_t opcode,
                           const void *payload, size_t payload_cnt) {
  if (!deflates(ws, payload_cnt))
    return tf_ws_write_frame(ws, buf, cap, opcode, true, payload, payload_cnt);
  if (ws->close_sent || (opcode != TF_WS_TEXT && opcode != TF_WS_BINARY) ||
      cap < tf_ws_message_bytes(ws, payload_cnt))
    return 0;
  /* Deflated behind the longest header, since how long the header is depends on the outcome. */
  uint8_t     *deflated = buf + TF_WS_HEADER_BYTES_MAX;
  const size_t cnt =
      tf_ws_deflate_put(ws->deflate, payload, payload_cnt, deflated, cap - TF_WS_HEADER_BYTES_MAX);
  const size_t frame_cnt = tf_ws_frame_bytes((tf_ws_role_t)ws->role, cnt);
  memmove(buf + (frame_cnt - cnt), deflated, cnt);
  put_frame(ws, buf, cap, opcode, true, buf + (frame_cnt - cnt), cnt);
  buf[0] |= RSV1;
  return frame_cnt;
}

size_t tf_ws_write_pong(tf_ws_t *ws, uint8_t *buf, size_t cap) {
  if (!ws->ping_pending || ws->close_sent) return 0;
  const size_t cnt = put_frame(ws, buf, cap, TF_WS_PONG, true, ws->ping, ws->ping_cnt);
  if (cnt) ws->ping_pending = false;
  return cnt;
}

size_t tf_ws_write_close(tf_ws_t *ws, uint8_t *buf, size_t cap, uint16_t code, const char *reason) {
  uint8_t payload[TF_WS_CONTROL_BYTES_MAX];
  size_t  cnt = 0;
  if (ws->close_sent) return 0;
  if (code != TF_WS_CLOSE_NO_STATUS) {
    if (!tf_ws_close_code_valid(code)) return 0;
    payload[0] = (uint8_t)(code >> 8);
    payload[1] = (uint8_t)code;
    cnt        = 2;
    if (reason) {
      size_t reason_cnt = strlen(reason);
      if (reason_cnt > sizeof payload - 2) {
        reason_cnt = sizeof payload - 2;
        while (reason_cnt && ((uint8_t)reason[reason_cnt] & 0xC0) == 0x80) reason_cnt--;
      }
      memcpy(payload + 2, reason, reason_cnt);
      cnt += reason_cnt;
    }
  }
  const size_t frame_cnt = put_frame(ws, buf, cap, TF_WS_CLOSE, true, payload, cnt);
  if (!frame_cnt) return 0;
  ws->close_sent = true;
  if (ws->state == TF_WS_OPEN) ws->state = TF_WS_CLOSE_SENT;
  if (ws->state == TF_WS_CLOSE_RECEIVED) ws->state = TF_WS_CLOSED;
  return frame_cnt;
}

size_t tf_ws_write_close_answer(tf_ws_t *ws, uint8_t *buf, size_t cap) {
  const tf_ws_fault_t fault = (tf_ws_fault_t)ws->fault;
  if (fault != TF_WS_FAULT_NONE) {
    const uint16_t code = tf_ws_fault_close_code(fault);
    return code ? tf_ws_write_close(ws, buf, cap, code, tf_ws_fault_name(fault)) : 0;
  }
  const uint16_t code = ws->peer_close_code ? ws->peer_close_code : TF_WS_CLOSE_NORMAL;
  return tf_ws_write_close(ws, buf, cap, code, NULL);
}
