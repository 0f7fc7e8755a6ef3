#include "client/frames.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define BROKEN(frames, client, ...) broken((frames), (client), __VA_ARGS__)

TF_PRINTF(3, 4)
static TF_COLD tf_client_kind_t broken(const tf_frames_t *frames, tf_client_t *client,
                                       const char *fmt, ...) {
  char    why[256];
  va_list args;
  va_start(args, fmt);
  vsnprintf(why, sizeof why, fmt, args);
  va_end(args);
  tf_client_set_error(client, "byte %" PRIu64 " of the connection: %s", frames->taken_bytes, why);
  return TF_FRAMES_BROKEN;
}

/* ---- records ---- */

/* Holes that the listener has not told. Conflation makes holes, and so do kinds that only some ticks have: those say
 * in prev_seq what was sent before. */
static bool untold(const tf_frames_t *f, uint64_t seq, uint64_t *from, uint64_t *cnt) {
  if (f->policy == TF_OVERFLOW_CONFLATE) return false;
  if (f->has_holes) {
    *from = f->last_seq + 1;
    *cnt  = 0;
    return f->record_idx == 0 && f->last_seq != 0 && f->prev_seq > f->last_seq;
  }
  *from = f->next_seq;
  *cnt  = seq - f->next_seq;
  return f->next_seq != 0 && seq > f->next_seq;
}

/* The next record of the frame under way; IDLE: it has no more. */
static tf_client_kind_t record_take(tf_frames_t *f, tf_client_t *client,
                                    tf_client_message_t *message) {
  while (f->record_idx < f->record_cnt) {
    const uint8_t *record = f->inbox + f->records_at + (size_t)f->record_idx * f->shape.bytes;
    uint64_t       seq    = tf_record_seq(&f->shape, record), from, cnt;
    if (TF_UNLIKELY(seq == 0 || seq == UINT64_MAX))
      return BROKEN(f, client, "a record of sequence %" PRIu64 ": 1 to 2^64 - 2 are allowed", seq);
    if (TF_UNLIKELY(untold(f, seq, &from, &cnt))) {
      uint64_t to = f->has_holes ? f->prev_seq : seq - 1;
      f->last_seq = to;
      f->next_seq = f->has_holes ? to + 1 : seq;
      return tf_client_say_lost(client, message, TF_CLIENT_REASON_MISSING, from, to, cnt);
    }
    f->record_idx++;
    f->last_seq = seq;
    /* Conflated ones may come in any order: each is the latest of its own key. */
    if (TF_UNLIKELY(seq < f->next_seq && f->policy != TF_OVERFLOW_CONFLATE)) {
      client->counts.doubles++;
      continue;
    }
    if (TF_LIKELY(seq >= f->next_seq)) f->next_seq = seq + 1;
    memcpy(client->record, record, f->shape.bytes);
    return tf_client_say_record(client, message, seq);
  }
  return TF_CLIENT_IDLE;
}

/* ---- frames; payload points behind the header, all of it is there ---- */

static tf_client_kind_t welcome_take(tf_frames_t *f, tf_client_t *client,
                                     tf_client_message_t *message, const tf_frame_header_t *header,
                                     const uint8_t *payload) {
  tf_frame_welcome_t w;
  if (header->payload_bytes < sizeof w)
    return BROKEN(f, client, "a welcome of %u bytes: %zu are wanted", header->payload_bytes,
                  sizeof w);
  memcpy(&w, payload, sizeof w);
  if (f->is_welcome) return BROKEN(f, client, "a second welcome");
  bool is_filtered = w.carries & TF_FRAME_FILTERED;
  w.carries &= (uint8_t)~TF_FRAME_FILTERED;
  if (w.carries != client->carries)
    return BROKEN(f, client, "kind %u is carried there, kind %u was asked for (tf/record.h)",
                  w.carries, client->carries);
  uint32_t values = w.record_bytes > sizeof(tf_feature_record_t)
                        ? (w.record_bytes - (uint32_t)sizeof(tf_feature_record_t)) / 8
                        : 0;
  f->shape        = tf_record_shape((tf_carries_t)w.carries, values);
  if (w.record_bytes != f->shape.bytes || w.record_bytes > TF_SINK_RECORD_BYTES_MAX)
    return BROKEN(f, client, "records of %u bytes: of this kind they have %u, at most %zu",
                  w.record_bytes, f->shape.bytes, TF_SINK_RECORD_BYTES_MAX);
  uint32_t version = w.carries == TF_CARRIES_DECISIONS ? TF_DECISION_VERSION : TF_EVENT_VERSION;
  if (w.record_version != version)
    return BROKEN(f, client, "records of version %u, version %u is read: take a newer library",
                  w.record_version, version);
  if (w.heartbeat_ms == 0 || w.heartbeat_ms > TF_FRAMES_HEARTBEAT_MS_MAX ||
      w.policy >= TF_OVERFLOW_CNT)
    return BROKEN(f, client, "a welcome with heartbeat %u ms (1 to %u), policy %u (to %d)",
                  w.heartbeat_ms, TF_FRAMES_HEARTBEAT_MS_MAX, w.policy, TF_OVERFLOW_CNT - 1);
  bool is_known = w.next_seq != 0, is_anew = is_known && w.next_seq < f->next_seq;
  if (f->next_seq == 0 || is_anew) f->next_seq = w.next_seq;
  f->is_welcome        = true;
  f->has_holes         = is_filtered || !tf_record_is_dense(w.carries);
  f->policy            = w.policy;
  f->heartbeat_ms      = w.heartbeat_ms;
  client->epoch        = w.epoch;
  client->record_bytes = w.record_bytes;
  return tf_client_say(client, message, TF_CLIENT_UP,
                       is_anew ? TF_CLIENT_REASON_RESTARTED : TF_CLIENT_REASON_NONE, w.next_seq);
}

static tf_client_kind_t instruments_take(tf_frames_t *f, tf_client_t *client,
                                         const tf_frame_header_t *header, const uint8_t *payload) {
  tf_frame_instrument_t row;
  if (header->payload_bytes % sizeof row)
    return BROKEN(f, client, "instruments of %u bytes: rows have %zu", header->payload_bytes,
                  sizeof row);
  for (size_t at = 0; at < header->payload_bytes; at += sizeof row) {
    memcpy(&row, payload + at, sizeof row);
    tf_client_name_put(client, row.id, row.price_exp, row.name, sizeof row.name);
  }
  return TF_CLIENT_IDLE;
}

static tf_client_kind_t records_begin(tf_frames_t *f, tf_client_t *client,
                                      const tf_frame_header_t *header, const uint8_t *payload) {
  if ((uint64_t)header->record_cnt * f->shape.bytes != header->payload_bytes)
    return BROKEN(f, client, "%u records of %u bytes in a payload of %u", header->record_cnt,
                  f->shape.bytes, header->payload_bytes);
  if (header->record_cnt != 0 && tf_record_seq(&f->shape, payload) != header->first_seq)
    return BROKEN(f, client, "the first record is %" PRIu64 ", its frame says %" PRIu64,
                  tf_record_seq(&f->shape, payload), header->first_seq);
  f->record_idx = 0;
  f->record_cnt = header->record_cnt;
  f->prev_seq   = header->prev_seq;
  f->records_at = (size_t)(payload - f->inbox);
  return TF_CLIENT_IDLE;
}

static tf_client_kind_t lost_take(tf_frames_t *f, tf_client_t *client, tf_client_message_t *message,
                                  const tf_frame_header_t *header, const uint8_t *payload) {
  tf_frame_lost_t lost;
  if (header->payload_bytes < sizeof lost)
    return BROKEN(f, client, "a loss of %u bytes: %zu are wanted", header->payload_bytes,
                  sizeof lost);
  memcpy(&lost, payload, sizeof lost);
  uint64_t cnt = lost.last_seq - lost.first_seq + 1;
  if (lost.first_seq == 0 || lost.last_seq < lost.first_seq || lost.last_seq == UINT64_MAX ||
      lost.record_cnt > cnt)
    return BROKEN(f, client, "a loss of %" PRIu64 " records in %" PRIu64 " to %" PRIu64,
                  lost.record_cnt, lost.first_seq, lost.last_seq);
  if (f->policy == TF_OVERFLOW_CONFLATE || f->has_holes) cnt = lost.record_cnt;
  if (lost.last_seq < f->next_seq) return TF_CLIENT_IDLE; /* of what was delivered before */
  if (lost.first_seq < f->next_seq && !f->has_holes) {
    lost.first_seq = f->next_seq;
    cnt            = lost.last_seq - lost.first_seq + 1;
  }
  uint32_t reason = lost.reason < TF_FRAME_REASON_CNT ? lost.reason : TF_CLIENT_REASON_MISSING;
  f->next_seq     = lost.last_seq + 1;
  f->last_seq     = lost.last_seq;
  return tf_client_say_lost(client, message, reason, lost.first_seq, lost.last_seq, cnt);
}

static tf_client_kind_t end_take(tf_frames_t *f, tf_client_t *client, tf_client_message_t *message,
                                 const tf_frame_header_t *header, const uint8_t *payload) {
  tf_frame_end_t end;
  if (header->payload_bytes < sizeof end)
    return BROKEN(f, client, "an end of %u bytes: %zu are wanted", header->payload_bytes,
                  sizeof end);
  memcpy(&end, payload, sizeof end);
  if (end.text_bytes > header->payload_bytes - sizeof end)
    return BROKEN(f, client, "an end's text of %u bytes in a payload of %u", end.text_bytes,
                  header->payload_bytes);
  char text[200];
  int  cnt = 0;
  for (uint32_t i = 0; i < end.text_bytes && cnt < (int)sizeof text; i++) {
    char c      = (char)payload[sizeof end + i];
    text[cnt++] = c >= ' ' && c <= '~' ? c : '?';
  }
  uint32_t reason = end.reason < TF_FRAME_REASON_CNT ? end.reason : TF_CLIENT_REASON_CLOSED;
  tf_client_set_error(client, "the listener ended it: %s%s%.*s", tf_client_reason_text(reason),
                      cnt ? ": " : "", cnt, text);
  *message = (tf_client_message_t){.kind = TF_CLIENT_END, .reason = reason, .epoch = client->epoch};
  return TF_CLIENT_END;
}

static tf_client_kind_t frame_take(tf_frames_t *f, tf_client_t *client,
                                   tf_client_message_t *message, const tf_frame_header_t *header,
                                   const uint8_t *payload) {
  bool may_be_first = header->kind == TF_FRAME_WELCOME || header->kind == TF_FRAME_END;
  if (!f->is_welcome && !may_be_first)
    return BROKEN(f, client, "a frame of kind %u before the welcome", header->kind);
  switch (header->kind) {
  case TF_FRAME_WELCOME: return welcome_take(f, client, message, header, payload);
  case TF_FRAME_INSTRUMENTS: return instruments_take(f, client, header, payload);
  case TF_FRAME_RECORDS: return records_begin(f, client, header, payload);
  case TF_FRAME_LOST: return lost_take(f, client, message, header, payload);
  case TF_FRAME_HEARTBEAT:
    return tf_client_say(client, message, TF_CLIENT_HEARTBEAT, TF_CLIENT_REASON_NONE,
                         header->first_seq);
  case TF_FRAME_END: return end_take(f, client, message, header, payload);
  default:
    return BROKEN(f, client, "a frame of kind %u: %d to %d come from a listener", header->kind,
                  TF_FRAME_WELCOME, TF_FRAME_END);
  }
}

/* Whether what waits can be the beginning of a frame. */
static bool header_valid(const tf_frames_t *f, tf_client_t *client, const tf_frame_header_t *h) {
  if (h->magic != TF_FRAME_MAGIC)
    BROKEN(f, client,
           f->inbox[f->begin] == '{' ? "JSON%s: this client reads a sink with `format: binary`"
                                     : "no tickfuse frame%s",
           "");
  else if (h->version != TF_FRAME_VERSION)
    BROKEN(f, client, "frames of version %u, version %u is read: take a newer library", h->version,
           TF_FRAME_VERSION);
  else if (h->payload_bytes > TF_FRAME_BYTES_MAX)
    BROKEN(f, client, "a payload of %u bytes: at most %u are allowed", h->payload_bytes,
           TF_FRAME_BYTES_MAX);
  else
    return true;
  return false;
}

tf_client_kind_t tf_frames_next(tf_frames_t *f, tf_client_t *client, tf_client_message_t *message) {
  for (;;) {
    tf_client_kind_t kind = record_take(f, client, message);
    if (kind != TF_CLIENT_IDLE) return kind;
    tf_frame_header_t header;
    size_t            have = f->end - f->begin;
    if (have < sizeof header) return TF_CLIENT_IDLE;
    memcpy(&header, f->inbox + f->begin, sizeof header);
    if (!header_valid(f, client, &header)) return TF_FRAMES_BROKEN;
    size_t bytes = sizeof header + header.payload_bytes;
    if (have < bytes) return TF_CLIENT_IDLE;
    const uint8_t *payload = f->inbox + f->begin + sizeof header;
    kind                   = frame_take(f, client, message, &header, payload);
    if (kind == TF_FRAMES_BROKEN) return kind;
    f->begin += bytes;
    f->taken_bytes += bytes;
    client->counts.bytes += bytes;
    if (kind != TF_CLIENT_IDLE) return kind;
  }
}

/* ---- the inbox ---- */

uint8_t *tf_frames_room(tf_frames_t *f, size_t *cap) {
  /* No frame's records are under way: next has answered IDLE. */
  if (f->begin == f->end) f->begin = f->end = 0;
  if (TF_FRAMES_INBOX_BYTES - f->end < TF_FRAMES_ROOM_BYTES) {
    memmove(f->inbox, f->inbox + f->begin, f->end - f->begin);
    f->end -= f->begin;
    f->begin = 0;
  }
  *cap = TF_FRAMES_INBOX_BYTES - f->end;
  return f->inbox + f->end;
}

void tf_frames_fed(tf_frames_t *f, size_t bytes) {
  TF_ASSERT(bytes <= TF_FRAMES_INBOX_BYTES - f->end);
  f->end += bytes;
}

/* ---- connections ---- */

void tf_frames_init(tf_frames_t *f, uint8_t *inbox, uint64_t resume_from) {
  *f          = (tf_frames_t){.inbox = inbox, .resume_from = resume_from};
  f->next_seq = resume_from == TF_CLIENT_NEXT || resume_from == TF_CLIENT_OLDEST ? 0 : resume_from;
}

void tf_frames_connect(tf_frames_t *f) {
  if (f->next_seq != 0) f->resume_from = f->next_seq;
  f->is_welcome = false;
  f->last_seq = f->taken_bytes = 0;
  f->record_idx = f->record_cnt = 0;
  f->begin = f->end = 0;
}

size_t tf_frames_hello(tf_frames_t *f, uint32_t carries, const char *token, uint8_t *out) {
  size_t           token_bytes = strlen(token);
  tf_frame_hello_t hello       = {.resume_from = f->resume_from,
                                  .version     = TF_FRAME_VERSION,
                                  .token_bytes = (uint16_t)token_bytes,
                                  .carries     = (uint8_t)carries};
  TF_ASSERT(token_bytes <= TF_FRAME_TOKEN_BYTES_MAX);
  tf_frame_header_t header = {.magic         = TF_FRAME_MAGIC,
                              .kind          = TF_FRAME_HELLO,
                              .version       = TF_FRAME_VERSION,
                              .payload_bytes = (uint32_t)(sizeof hello + token_bytes)};
  memcpy(out, &header, sizeof header);
  memcpy(out + sizeof header, &hello, sizeof hello);
  memcpy(out + sizeof header + sizeof hello, token, token_bytes);
  return sizeof header + sizeof hello + token_bytes;
}
