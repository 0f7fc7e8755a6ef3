#include "broker/nats_reply.h"

#include "broker/text.h"
#include "core/error.h"
#include "wire/json.h"

enum {
  TOP_SEQ,
  TOP_DUPLICATE,
  TOP_ERROR,
  TOP_CONFIG,
  TOP_STATE,
  TOP_MESSAGE,
  TOP_CREATED,
  TOP_NAME,
  TOP_DELIVERED,
  TOP_PENDING,
  TOP_WAITING,
  TOP_CNT
};
static const tf_json_key_t top_keys[TOP_CNT] = {
    [TOP_SEQ]       = TF_JSON_KEY("seq", TF_JSON_WANT_U64),
    [TOP_DUPLICATE] = TF_JSON_KEY("duplicate", TF_JSON_WANT_BYTES),
    [TOP_ERROR]     = TF_JSON_KEY("error", TF_JSON_WANT_BYTES),
    [TOP_CONFIG]    = TF_JSON_KEY("config", TF_JSON_WANT_BYTES),
    [TOP_STATE]     = TF_JSON_KEY("state", TF_JSON_WANT_BYTES),
    [TOP_MESSAGE]   = TF_JSON_KEY("message", TF_JSON_WANT_BYTES),
    [TOP_CREATED]   = TF_JSON_KEY("created", TF_JSON_WANT_TEXT),
    [TOP_NAME]      = TF_JSON_KEY("name", TF_JSON_WANT_TEXT),
    [TOP_DELIVERED] = TF_JSON_KEY("delivered", TF_JSON_WANT_BYTES),
    [TOP_PENDING]   = TF_JSON_KEY("num_pending", TF_JSON_WANT_U64),
    [TOP_WAITING]   = TF_JSON_KEY("num_waiting", TF_JSON_WANT_U64),
};
enum { ERROR_CODE, ERROR_ERR_CODE, ERROR_TEXT, ERROR_CNT };
static const tf_json_key_t error_keys[ERROR_CNT] = {
    [ERROR_CODE]     = TF_JSON_KEY("code", TF_JSON_WANT_U64),
    [ERROR_ERR_CODE] = TF_JSON_KEY("err_code", TF_JSON_WANT_U64),
    [ERROR_TEXT]     = TF_JSON_KEY("description", TF_JSON_WANT_TEXT),
};
static const tf_json_key_t retention_key[]  = {TF_JSON_KEY("retention", TF_JSON_WANT_TEXT)};
static const tf_json_key_t state_keys[]     = {TF_JSON_KEY("last_seq", TF_JSON_WANT_U64),
                                               TF_JSON_KEY("first_seq", TF_JSON_WANT_U64)};
static const tf_json_key_t delivered_keys[] = {TF_JSON_KEY("consumer_seq", TF_JSON_WANT_U64),
                                               TF_JSON_KEY("stream_seq", TF_JSON_WANT_U64)};
static const tf_json_key_t message_keys[]   = {TF_JSON_KEY("hdrs", TF_JSON_WANT_TEXT),
                                               TF_JSON_KEY("seq", TF_JSON_WANT_U64)};

#define KEYS_MAX TOP_CNT

typedef struct object {
  tf_json_shape_t  shape;
  tf_json_value_t  values[KEYS_MAX + 1];
  tf_json_object_t object;
  tf_json_t        json;
} object_t;

/* One object, its members as far as keys name them. */
static bool read_object(object_t *o, const char *bytes, size_t cnt, const tf_json_key_t *keys,
                        uint32_t key_cnt) {
  *o = (object_t){
      .shape = {keys, key_cnt}
  };
  o->object.shape  = &o->shape;
  o->object.values = o->values;
  return tf_json_read(&o->json, bytes, cnt, &o->object) == TF_JSON_OK &&
         o->json.root_kind == TF_JSON_OBJECT;
}

static const tf_json_value_t *value_of(const object_t *o, uint32_t key) {
  return tf_json_seen(&o->object, key) ? &o->values[key] : NULL;
}

static bool member(const object_t *top, uint32_t key, object_t *o, const tf_json_key_t *keys,
                   uint32_t key_cnt) {
  const tf_json_value_t *value = value_of(top, key);
  return value && value->kind == TF_JSON_OBJECT &&
         read_object(o, value->bytes, value->bytes_cnt, keys, key_cnt);
}

static bool number_of(const object_t *o, uint32_t key, uint64_t *number) {
  const tf_json_value_t *value = value_of(o, key);
  if (!value || value->made != TF_JSON_MADE_U64) return false;
  *number = tf_json_u64(&o->json, value);
  return true;
}

static bool text_is(const object_t *o, uint32_t key, const char *text) {
  const tf_json_value_t *value = value_of(o, key);
  return value && tf_json_text_is(value, text, strlen(text));
}

static void take_error(const object_t *error, tf_nats_reply_t *reply) {
  const tf_json_value_t *text = value_of(error, ERROR_TEXT);
  uint64_t               code = 0, err_code = 0;
  size_t                 cnt = text && text->kind == TF_JSON_STRING ? text->bytes_cnt : 0;
  (void)number_of(error, ERROR_CODE, &code);
  (void)number_of(error, ERROR_ERR_CODE, &err_code);
  reply->is_error = true;
  reply->code     = (uint32_t)code;
  reply->err_code = (uint32_t)err_code;
  if (cnt > sizeof reply->text - 1) cnt = sizeof reply->text - 1;
  for (size_t i = 0; i < cnt; i++)
    reply->text[i] = text->bytes[i] >= 0x20 && text->bytes[i] < 0x7f ? text->bytes[i] : '?';
  reply->text[cnt] = '\0';
}

/* A short text as it stands, "" where it is none, escaped, or too long. */
static void take_text(const object_t *o, uint32_t key, char *text, size_t bytes) {
  const tf_json_value_t *value = value_of(o, key);
  text[0]                      = '\0';
  if (!value || value->kind != TF_JSON_STRING || value->escaped || value->bytes_cnt >= bytes)
    return;
  for (size_t i = 0; i < value->bytes_cnt; i++) /* it may become part of a subject, or of a log */
    if (value->bytes[i] <= ' ' || value->bytes[i] >= 0x7f) return;
  memcpy(text, value->bytes, value->bytes_cnt);
  text[value->bytes_cnt] = '\0';
}

/* ---- the headers of a stored message ---- */

#define HEADERS_BYTES_MAX 1024u /* ours have less than 300 */

static int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648; stops at the padding or what is no digit. Returns how many bytes. */
static size_t base64_read(const char *text, size_t cnt, char *bytes, size_t cap) {
  uint32_t bits = 0, bit_cnt = 0;
  size_t   made = 0;
  for (size_t i = 0; i < cnt && made < cap; i++) {
    int digit = base64_digit(text[i]);
    if (digit < 0) break;
    bits = bits << 6 | (uint32_t)digit;
    bit_cnt += 6;
    if (bit_cnt < 8) continue;
    bit_cnt -= 8;
    bytes[made++] = (char)(bits >> bit_cnt & 0xff);
  }
  return made;
}

/* name: with the line's beginning and its colon. */
static void take_header(const char *text, const char *name, char value[TF_NATS_ID_BYTES]) {
  const char *at = strstr(text, name);
  if (!at) return;
  at += strlen(name);
  at += strspn(at, " ");
  size_t chars = strcspn(at, "\r\n");
  if (chars >= TF_NATS_ID_BYTES) return;
  memcpy(value, at, chars);
  value[chars] = '\0';
}

static void take_headers(const tf_json_value_t *headers, tf_nats_reply_t *reply) {
  char text[HEADERS_BYTES_MAX + 1], epoch[TF_NATS_ID_BYTES] = "";
  if (headers->kind != TF_JSON_STRING || headers->escaped) return;
  size_t cnt = base64_read(headers->bytes, headers->bytes_cnt, text, HEADERS_BYTES_MAX);
  text[cnt]  = '\0';
  take_header(text, "\r\nNats-Msg-Id:", reply->message_id);
  take_header(text, "\r\n" TF_NATS_WRITER ":", reply->writer);
  take_header(text, "\r\n" TF_NATS_EPOCH ":", epoch);
  reply->epoch = (uint32_t)strtoul(epoch, NULL, 10);
}

bool tf_nats_reply_seq(const char *message_id, const char *stream, uint64_t *seq) {
  size_t      chars = strlen(stream);
  const char *at    = message_id + chars;
  if (strncmp(message_id, stream, chars) != 0 || *at++ != '-') return false;
  if (!tf_text_read_u64(&at, at + strlen(at), seq)) return false;
  if (*at == '.') at += 1 + strspn(at + 1, "0123456789"); /* the epoch */
  return *at == '\0';
}

/* ---- the place of a delivered message ---- */

#define DELIVERY_TOKENS_MAX 12u

/* From the token at on; UINT64_MAX: it is no number, or none of ours to count with. */
static uint64_t token_number(const char *at) {
  uint64_t number;
  if (!tf_text_read_u64(&at, at + strlen(at), &number)) return UINT64_MAX;
  return *at == '.' || *at == '\0' ? number : UINT64_MAX;
}

bool tf_nats_delivery_read(const char *reply_subject, tf_nats_delivery_t *d) {
  static const char prefix[] = "$JS.ACK.";
  const char       *tokens[DELIVERY_TOKENS_MAX];
  uint32_t          cnt = 0;
  if (strncmp(reply_subject, prefix, sizeof prefix - 1) != 0) return false;
  for (const char *at = reply_subject; at; at = strchr(at, '.')) {
    if (cnt == DELIVERY_TOKENS_MAX) return false;
    at += cnt > 0;
    tokens[cnt++] = at;
  }
  if (cnt != 9 && cnt != 11 && cnt != 12) return false;
  const uint32_t first = cnt == 9 ? 5 : 7;
  *d                   = (tf_nats_delivery_t){.stream_seq   = token_number(tokens[first]),
                                              .consumer_seq = token_number(tokens[first + 1]),
                                              .pending      = token_number(tokens[first + 3])};
  return d->stream_seq - 1 < UINT64_MAX - 1 && d->consumer_seq - 1 < UINT64_MAX - 1 &&
         d->pending < UINT64_MAX;
}

/* ---- an acknowledgement ---- */

static bool passes(const char **at, const char *end, const char *text) {
  size_t cnt = strlen(text);
  if ((size_t)(end - *at) < cnt || memcmp(*at, text, cnt) != 0) return false;
  *at += cnt;
  return true;
}

bool tf_nats_reply_is_ack(const char *bytes, size_t bytes_cnt, const char *stream) {
  uint64_t    seq;
  const char *at = bytes, *end = bytes + bytes_cnt;
  if (!passes(&at, end, "{\"stream\":\"") || !passes(&at, end, stream) ||
      !passes(&at, end, "\",") || !(passes(&at, end, " \"seq\":") || passes(&at, end, "\"seq\":")))
    return false;
  return at < end && *at != '0' && tf_text_read_u64(&at, end, &seq) && end - at == 1 && *at == '}';
}

/* ---- the whole ---- */

static tf_err_t lacks(const char *what) {
  return TF_ERR(E_BROKER_IO, "JetStream's answer has no %s", what);
}

tf_err_t tf_nats_reply_read(tf_nats_ask_t ask, const char *bytes, size_t bytes_cnt,
                            tf_nats_reply_t *reply) {
  object_t top, inner;
  *reply = (tf_nats_reply_t){.seq = 0};
  if (bytes_cnt > TF_NATS_REPLY_BYTES_MAX)
    return TF_ERR(E_BROKER_IO, "JetStream's answer has %zu bytes; at most %u are read", bytes_cnt,
                  TF_NATS_REPLY_BYTES_MAX);
  if (!read_object(&top, bytes, bytes_cnt, top_keys, TOP_CNT))
    return TF_ERR(E_BROKER_IO, "JetStream's answer is no JSON object");
  if (value_of(&top, TOP_ERROR)) {
    if (!member(&top, TOP_ERROR, &inner, error_keys, ERROR_CNT)) return lacks("error as an object");
    take_error(&inner, reply);
    return TF_OK;
  }
  switch (ask) {
  case TF_NATS_PUBLISH:
    if (!number_of(&top, TOP_SEQ, &reply->seq)) return lacks("seq");
    reply->is_duplicate =
        value_of(&top, TOP_DUPLICATE) && value_of(&top, TOP_DUPLICATE)->kind == TF_JSON_TRUE;
    return TF_OK;
  case TF_NATS_INFO:
  case TF_NATS_CREATE:
    if (!member(&top, TOP_CONFIG, &inner, retention_key, 1)) return lacks("config");
    reply->keeps = text_is(&inner, 0, "limits");
    if (!member(&top, TOP_STATE, &inner, state_keys, TF_ARRAY_CNT(state_keys)) ||
        !number_of(&inner, 0, &reply->seq))
      return lacks("state.last_seq");
    (void)number_of(&inner, 1, &reply->first_seq);
    take_text(&top, TOP_CREATED, reply->created, sizeof reply->created);
    return TF_OK;
  case TF_NATS_GET:
    if (!member(&top, TOP_MESSAGE, &inner, message_keys, TF_ARRAY_CNT(message_keys)))
      return lacks("message");
    (void)number_of(&inner, 1, &reply->seq);
    if (value_of(&inner, 0)) take_headers(value_of(&inner, 0), reply);
    return TF_OK;
  case TF_NATS_CONSUMER:
    take_text(&top, TOP_NAME, reply->consumer, sizeof reply->consumer);
    if (!reply->consumer[0] || strpbrk(reply->consumer, ".*>")) /* it becomes a subject's token */
      return lacks("name that can be used");
    if (!member(&top, TOP_DELIVERED, &inner, delivered_keys, TF_ARRAY_CNT(delivered_keys)) ||
        !number_of(&inner, 0, &reply->consumer_seq) || !number_of(&inner, 1, &reply->seq))
      return lacks("delivered.consumer_seq and .stream_seq");
    if (!number_of(&top, TOP_PENDING, &reply->pending)) return lacks("num_pending");
    if (!number_of(&top, TOP_WAITING, &reply->waiting)) return lacks("num_waiting");
    return TF_OK;
  }
  return E_CORE_ARGUMENT;
}
