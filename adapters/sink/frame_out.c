#include "sink/frame_out.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

const char *tf_frame_reason_name(uint32_t reason) {
  static const char *const names[TF_FRAME_REASON_CNT] = {
#define NAME(code, number, name, text) [number] = (name),
      TF_FRAME_REASONS(NAME)
#undef NAME
  };
  return reason < TF_FRAME_REASON_CNT ? names[reason] : "?";
}

void tf_frame_out_header(tf_frame_kind_t kind, uint16_t record_cnt, uint32_t payload_bytes,
                         uint64_t first_seq, uint64_t prev_seq, uint8_t *out) {
  tf_frame_header_t h = {.magic         = TF_FRAME_MAGIC,
                         .kind          = (uint8_t)kind,
                         .version       = TF_FRAME_VERSION,
                         .record_cnt    = record_cnt,
                         .payload_bytes = payload_bytes,
                         .first_seq     = first_seq,
                         .prev_seq      = prev_seq};
  memcpy(out, &h, sizeof h);
}

size_t tf_frame_out_message(tf_sink_format_t format, const uint8_t *bytes, size_t cnt) {
  if (format == TF_FORMAT_JSON) {
    const uint8_t *end = memchr(bytes, '\n', cnt);
    TF_ASSERT(end);
    return (size_t)(end - bytes) + 1;
  }
  tf_frame_header_t h;
  TF_ASSERT(cnt >= sizeof h);
  memcpy(&h, bytes, sizeof h);
  TF_ASSERT(sizeof h + h.payload_bytes <= cnt);
  return sizeof h + h.payload_bytes;
}

/* A frame whose payload is one struct. */
static size_t one_struct(tf_frame_kind_t kind, const void *payload, uint32_t bytes, uint64_t first,
                         uint64_t prev, uint8_t *out) {
  tf_frame_out_header(kind, 0, bytes, first, prev, out);
  memcpy(out + TF_FRAME_HEADER_BYTES, payload, bytes);
  return TF_FRAME_HEADER_BYTES + bytes;
}

static size_t line(uint8_t *out, const char *fmt, ...) TF_PRINTF(2, 3);

static size_t line(uint8_t *out, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  int cnt = vsnprintf((char *)out, TF_FRAME_OUT_BYTES_MAX, fmt, args);
  va_end(args);
  TF_ASSERT(cnt > 0 && cnt < (int)TF_FRAME_OUT_BYTES_MAX);
  return (size_t)cnt;
}

/* A name from the config between JSON's quotes. */
static void plain(char *text) {
  for (; *text; text++)
    if (*text < ' ' || *text > '~' || *text == '"' || *text == '\\') *text = '?';
}

size_t tf_frame_out_welcome(tf_sink_format_t format, const tf_frame_welcome_t *w, uint8_t *out) {
  static const char *const carries[TF_CARRIES_CNT] = {"decisions", "events", "quotes", "features"};
  static const char *const policies[TF_OVERFLOW_CNT] = {
      "overrun", "block", "drop_newest", "drop_oldest", "conflate", "spill", "disconnect"};
  if (format != TF_FORMAT_JSON)
    return one_struct(TF_FRAME_WELCOME, w, sizeof *w, w->next_seq, 0, out);
  char stream[sizeof w->stream];
  memcpy(stream, w->stream, sizeof stream);
  plain(stream);
  return line(out,
              "{\"type\":\"welcome\",\"stream\":\"%s\",\"epoch\":%u,\"next_seq\":%" PRIu64
              ",\"carries\":\"%s\",\"filtered\":%s,\"policy\":\"%s\",\"heartbeat_ms\":%u}\n",
              stream, w->epoch, w->next_seq, carries[w->carries & ~TF_FRAME_FILTERED],
              w->carries & TF_FRAME_FILTERED ? "true" : "false", policies[w->policy],
              w->heartbeat_ms);
}

size_t tf_frame_out_lost(tf_sink_format_t format, const tf_frame_lost_t *lost, uint64_t prev_seq,
                         uint8_t *out) {
  if (format != TF_FORMAT_JSON)
    return one_struct(TF_FRAME_LOST, lost, sizeof *lost, lost->first_seq, prev_seq, out);
  return line(out,
              "{\"type\":\"lost\",\"first_seq\":%" PRIu64 ",\"last_seq\":%" PRIu64
              ",\"record_cnt\":%" PRIu64 ",\"reason\":\"%s\"}\n",
              lost->first_seq, lost->last_seq, lost->record_cnt,
              tf_frame_reason_name(lost->reason));
}

size_t tf_frame_out_heartbeat(tf_sink_format_t format, uint64_t next_seq, uint64_t prev_seq,
                              uint8_t *out) {
  if (format == TF_FORMAT_JSON)
    return line(out, "{\"type\":\"heartbeat\",\"next_seq\":%" PRIu64 "}\n", next_seq);
  tf_frame_out_header(TF_FRAME_HEARTBEAT, 0, 0, next_seq, prev_seq, out);
  return TF_FRAME_HEADER_BYTES;
}

size_t tf_frame_out_end(tf_sink_format_t format, tf_frame_reason_t reason, uint64_t next_seq,
                        const char *text, uint8_t *out) {
  if (format == TF_FORMAT_JSON)
    return line(out,
                "{\"type\":\"end\",\"next_seq\":%" PRIu64 ",\"reason\":\"%s\",\"text\":\"%.*s\"}\n",
                next_seq, tf_frame_reason_name(reason), TF_FRAME_TEXT_BYTES - 1, text);
  tf_frame_end_t end   = {.reason     = (uint32_t)reason,
                          .text_bytes = (uint32_t)strnlen(text, TF_FRAME_TEXT_BYTES - 1)};
  uint32_t       bytes = (uint32_t)sizeof end + end.text_bytes;
  tf_frame_out_header(TF_FRAME_END, 0, bytes, next_seq, 0, out);
  memcpy(out + TF_FRAME_HEADER_BYTES, &end, sizeof end);
  memcpy(out + TF_FRAME_HEADER_BYTES + sizeof end, text, end.text_bytes);
  return TF_FRAME_HEADER_BYTES + bytes;
}
