#include "sink/hello.h"

#include <jansson.h>
#include <stdarg.h>
#include <string.h>

static int refused(char *why, const char *fmt, ...) TF_PRINTF(2, 3);

static int refused(char *why, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  vsnprintf(why, TF_HELLO_WHY_BYTES, fmt, args);
  va_end(args);
  for (char *c = why; *c; c++)
    if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\') *c = '?';
  return -1;
}

/* ---- binary ---- */

/* As much of the header as has come. */
static int check_header(const tf_frame_header_t *h, size_t cnt, char *why) {
  static const uint8_t magic[4] = {'T', 'F', 'F', '1'};
  size_t               first    = cnt < sizeof magic ? cnt : sizeof magic;
  if (memcmp(&h->magic, magic, first) != 0)
    return refused(why, "hello: does not begin with the four bytes TFF1; this listener is binary");
  if (cnt < TF_FRAME_HEADER_BYTES) return 0;
  if (h->version != TF_FRAME_VERSION)
    return refused(why, "hello: frame version %u; this listener speaks %u", h->version,
                   TF_FRAME_VERSION);
  if (h->kind != TF_FRAME_HELLO)
    return refused(why, "hello: frame kind %u; a client begins with %d", h->kind, TF_FRAME_HELLO);
  if (h->payload_bytes < sizeof(tf_frame_hello_t) || h->payload_bytes > TF_FRAME_HELLO_BYTES_MAX)
    return refused(why, "hello: payload of %u bytes; %zu to %u are allowed", h->payload_bytes,
                   sizeof(tf_frame_hello_t), TF_FRAME_HELLO_BYTES_MAX);
  if (h->record_cnt || h->crc32c || h->first_seq || h->prev_seq)
    return refused(why, "hello: record_cnt, crc32c, first_seq and prev_seq must be 0");
  return 1;
}

static int read_binary(const uint8_t *bytes, size_t cnt, tf_hello_t *hello, char *why) {
  tf_frame_header_t h = {0};
  tf_frame_hello_t  payload;
  memcpy(&h, bytes, cnt < sizeof h ? cnt : sizeof h);
  int whole = check_header(&h, cnt, why);
  if (whole <= 0) return whole;
  if (cnt < sizeof h + h.payload_bytes) return 0;
  memcpy(&payload, bytes + sizeof h, sizeof payload);
  if (payload.version != TF_FRAME_VERSION)
    return refused(why, "hello: version %u; this listener speaks %u", payload.version,
                   TF_FRAME_VERSION);
  if (payload.token_bytes > TF_FRAME_TOKEN_BYTES_MAX ||
      sizeof payload + payload.token_bytes != h.payload_bytes)
    return refused(why, "hello: token_bytes %u in a payload of %u; %u are left for it, %u allowed",
                   payload.token_bytes, h.payload_bytes, h.payload_bytes - (uint32_t)sizeof payload,
                   TF_FRAME_TOKEN_BYTES_MAX);
  if (payload.carries >= TF_CARRIES_CNT)
    return refused(why, "hello: carries %u; 0 to %d are known", payload.carries,
                   TF_CARRIES_CNT - 1);
  hello->resume_from = payload.resume_from;
  hello->carries     = payload.carries;
  hello->token_bytes = payload.token_bytes;
  memcpy(hello->token, bytes + sizeof h + sizeof payload, payload.token_bytes);
  return (int)(sizeof h + h.payload_bytes);
}

/* ---- JSON ---- */

static int read_resume(const json_t *value, tf_hello_t *hello, char *why) {
  if (json_is_integer(value) && json_integer_value(value) >= 0)
    hello->resume_from = (uint64_t)json_integer_value(value);
  else if (json_is_string(value) && !strcmp(json_string_value(value), "oldest"))
    hello->resume_from = TF_FRAME_RESUME_OLDEST;
  else if (!json_is_string(value) || strcmp(json_string_value(value), "next") != 0)
    return refused(why, "hello: resume_from is a number from 0, next or oldest");
  return 1;
}

static int read_token(const json_t *value, tf_hello_t *hello, char *why) {
  size_t cnt = json_string_length(value);
  if (!json_is_string(value) || cnt > TF_FRAME_TOKEN_BYTES_MAX)
    return refused(why, "hello: token is a text of at most %u bytes", TF_FRAME_TOKEN_BYTES_MAX);
  memcpy(hello->token, json_string_value(value), cnt);
  hello->token_bytes = (uint16_t)cnt;
  return 1;
}

static int read_carries(const json_t *value, tf_hello_t *hello, char *why) {
  static const char *const names[TF_CARRIES_CNT] = {"decisions", "events", "quotes", "features"};
  for (uint8_t i = 0; json_is_string(value) && i < TF_CARRIES_CNT; i++)
    if (!strcmp(json_string_value(value), names[i])) {
      hello->carries = i;
      return 1;
    }
  return refused(why, "hello: carries is decisions, events, quotes or features");
}

static int read_keys(json_t *object, tf_hello_t *hello, char *why) {
  const char *key;
  json_t     *value;
  const char *type = json_string_value(json_object_get(object, "type"));
  if (!type || strcmp(type, "hello") != 0)
    return refused(why, "hello: an object with type hello is wanted first");
  json_object_foreach(object, key, value) {
    int ok = 1;
    if (!strcmp(key, "resume_from"))
      ok = read_resume(value, hello, why);
    else if (!strcmp(key, "token"))
      ok = read_token(value, hello, why);
    else if (!strcmp(key, "carries"))
      ok = read_carries(value, hello, why);
    else if (strcmp(key, "type") != 0)
      ok = refused(
          why, "hello: key %.32s is not known; there are type, resume_from, token, carries", key);
    if (ok < 0) return ok;
  }
  return 1;
}

static int read_json(const uint8_t *bytes, size_t cnt, tf_hello_t *hello, char *why) {
  size_t         most = cnt < TF_FRAME_HELLO_BYTES_MAX ? cnt : TF_FRAME_HELLO_BYTES_MAX;
  const uint8_t *end  = memchr(bytes, '\n', most);
  json_error_t   error;
  if (cnt > 0 && bytes[0] != '{')
    return refused(why, "hello: does not begin with {; this listener speaks lines of JSON");
  if (!end && cnt >= TF_FRAME_HELLO_BYTES_MAX)
    return refused(why, "hello: no line feed in %u bytes", TF_FRAME_HELLO_BYTES_MAX);
  if (!end) return 0;
  json_t *object =
      json_loadb((const char *)bytes, (size_t)(end - bytes), JSON_REJECT_DUPLICATES, &error);
  if (!object) return refused(why, "hello: no JSON object; wrong at byte %d", error.position);
  hello->resume_from = TF_FRAME_RESUME_NEXT;
  hello->carries     = TF_HELLO_CARRIES_ANY;
  int ok             = read_keys(object, hello, why);
  json_decref(object);
  return ok < 0 ? ok : (int)(end - bytes) + 1;
}

int tf_hello_read(tf_sink_format_t format, const uint8_t *bytes, size_t cnt, tf_hello_t *hello,
                  char *why) {
  memset(hello, 0, sizeof *hello);
  return format == TF_FORMAT_JSON ? read_json(bytes, cnt, hello, why)
                                  : read_binary(bytes, cnt, hello, why);
}
