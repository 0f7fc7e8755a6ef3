#include "sink/decision_json.h"

#include <string.h>

/* A cursor that never passes its end: the sizes in the header leave room for everything, and the
 * assert at the end of the line proves it. */
typedef struct cursor {
  char *p, *end;
} cursor_t;

static void put_bytes(cursor_t *c, const char *bytes, size_t cnt) {
  if ((size_t)(c->end - c->p) < cnt) cnt = (size_t)(c->end - c->p);
  memcpy(c->p, bytes, cnt);
  c->p += cnt;
}

static void put(cursor_t *c, const char *text) { put_bytes(c, text, strlen(text)); }

static void put_u64(cursor_t *c, uint64_t value) {
  char   digits[20];
  size_t at = sizeof digits;
  do digits[--at] = (char)('0' + value % 10);
  while ((value /= 10) > 0);
  put_bytes(c, digits + at, sizeof digits - at);
}

static void put_float(cursor_t *c, float value) {
  char text[32];
  if (!__builtin_isfinite(value)) {
    put(c, "null");
    return;
  }
  int n = snprintf(text, sizeof text, "%.9g", (double)value);
  for (int i = 0; i < n; i++)
    if (text[i] == ',') text[i] = '.'; /* should someone have set a locale */
  put_bytes(c, text, (size_t)n);
}

/* Length of the well-formed UTF-8 sequence at p (RFC 3629), 0 if it is none. */
static size_t utf8_length(const uint8_t *p, const uint8_t *end) {
  size_t length = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : *p < 0xf5 ? 4 : 0;
  if (length == 0 || (size_t)(end - p) < length) return 0;
  for (size_t i = 1; i < length; i++)
    if ((p[i] & 0xc0) != 0x80) return 0;
  bool overlong  = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
  bool surrogate = p[0] == 0xed && p[1] > 0x9f;
  bool beyond    = p[0] == 0xf4 && p[1] > 0x8f;
  return overlong || surrogate || beyond ? 0 : length;
}

/* A venue's text as a JSON string: what is no UTF-8 becomes U+FFFD. */
static void put_string(cursor_t *c, const char *text, size_t cnt) {
  const uint8_t *p = (const uint8_t *)text, *end = p + cnt;
  put(c, "\"");
  while (p < end) {
    size_t length = utf8_length(p, end);
    char   escape[8];
    if (length == 0) {
      put(c, "\\ufffd");
      p++;
    } else if (*p < 0x20 || *p == '"' || *p == '\\' || *p == 0x7f) {
      snprintf(escape, sizeof escape, "\\u%04x", *p++);
      put(c, escape);
    } else {
      put_bytes(c, (const char *)p, length);
      p += length;
    }
  }
  put(c, "\"");
}

static void put_instrument(cursor_t *c, uint32_t id, const tf_instruments_t *instruments) {
  /* pairs with: the feed that appends the row */
  if (instruments && id < tf_load_acquire_u32(&instruments->cnt)) {
    const char *name = instruments->rows[id].name;
    put_string(c, name, strnlen(name, TF_INSTRUMENT_NAME_BYTES));
    return;
  }
  put(c, "\"#");
  put_u64(c, id);
  put(c, "\"");
}

size_t tf_decision_json_decimal(int64_t mantissa, int8_t exp, char *text) {
  cursor_t c = {text, text + TF_DECIMAL_TEXT_BYTES_MAX - 1};
  uint64_t u = mantissa < 0 ? 0 - (uint64_t)mantissa : (uint64_t)mantissa;
  char     digits[20];
  size_t   at = sizeof digits;
  do digits[--at] = (char)('0' + u % 10);
  while ((u /= 10) > 0);
  size_t digit_cnt = sizeof digits - at;
  if (mantissa < 0) put(&c, "-");
  if (exp >= 0) {
    put_bytes(&c, digits + at, digit_cnt);
    for (int i = 0; i < exp && mantissa != 0; i++) put(&c, "0");
  } else {
    size_t places = (size_t)-exp;
    size_t whole  = digit_cnt > places ? digit_cnt - places : 0;
    if (whole)
      put_bytes(&c, digits + at, whole);
    else
      put(&c, "0");
    put(&c, ".");
    for (size_t i = digit_cnt; i < places; i++) put(&c, "0");
    put_bytes(&c, digits + at + whole, digit_cnt - whole);
  }
  *c.p = 0;
  return (size_t)(c.p - text);
}

size_t tf_decision_json_write(const tf_decision_t *d, const tf_instruments_t *instruments,
                              char *text) {
  static const char hex[] = "0123456789abcdef";
  cursor_t          c     = {text, text + TF_DECISION_JSON_BYTES_MAX - 1};
  char              decimal[TF_DECIMAL_TEXT_BYTES_MAX], hash[8];
  for (size_t i = 0; i < 4; i++) { /* the field is little endian: byte i is byte i of the hash */
    hash[2 * i]     = hex[d->model_hash >> (8 * i + 4) & 0xf];
    hash[2 * i + 1] = hex[d->model_hash >> (8 * i) & 0xf];
  }
#define KEY_U64_(key, value)  (put(&c, key), put_u64(&c, value))
#define KEY_TEXT_(key, value) (put(&c, key "\""), put(&c, value), put(&c, "\""))
  KEY_U64_("{\"decision_seq\":", d->decision_seq);
  KEY_U64_(",\"ingest_seq\":", d->ingest_seq);
  put(&c, ",\"instrument\":");
  put_instrument(&c, d->instrument_id, instruments);
  KEY_U64_(",\"ts_event_ns\":", d->ts_event_ns);
  KEY_U64_(",\"ts_recv_ns\":", d->ts_recv_ns);
  KEY_TEXT_(",\"action\":", tf_decision_json_action(d->action));
  put(&c, ",\"score\":");
  put_float(&c, d->score);
  put(&c, ",\"p10\":");
  put_float(&c, d->p10);
  put(&c, ",\"p90\":");
  put_float(&c, d->p90);
  tf_decision_json_decimal(d->ref_price, d->ref_price_exp, decimal);
  KEY_TEXT_(",\"ref_price\":", decimal);
  KEY_TEXT_(",\"book_state\":", tf_decision_json_book_state(d->book_state));
  KEY_TEXT_(",\"hold_reason\":", tf_decision_json_hold_reason(d->hold_reason));
  put(&c, ",\"model_hash\":\"");
  put_bytes(&c, hash, sizeof hash);
  KEY_TEXT_("\",\"path\":", tf_decision_json_path(d->path));
  KEY_TEXT_(",\"route\":", tf_decision_json_route(d->route));
  KEY_U64_(",\"hops\":{\"decode_ns\":", d->decode_ns);
  KEY_U64_(",\"buffer_ns\":", d->buffer_ns);
  KEY_U64_(",\"features_ns\":", d->features_ns);
  KEY_U64_(",\"model_ns\":", d->model_ns);
  KEY_U64_(",\"decide_ns\":", d->decide_ns);
  KEY_U64_(",\"emit_ns\":", d->emit_ns);
  put(&c, "}}\n");
#undef KEY_U64_
#undef KEY_TEXT_
  TF_ASSERT(c.p < c.end);
  *c.p = 0;
  return (size_t)(c.p - text);
}

#define WORD_OF(names, i) ((i) < TF_ARRAY_CNT(names) ? (names)[i] : "?")

const char *tf_decision_json_action(uint8_t action) {
  static const char *const names[] = {"HOLD", "BUY", "SELL", "FLAT"};
  TF_STATIC_ASSERT(TF_ARRAY_CNT(names) == TF_ACTION_CNT, "one word each");
  return WORD_OF(names, action);
}

const char *tf_decision_json_route(uint8_t route) {
  static const char *const names[] = {"primary", "endpoint", "venue", "tape"};
  TF_STATIC_ASSERT(TF_ARRAY_CNT(names) == TF_ROUTE_KIND_CNT, "one word each");
  return WORD_OF(names, route >> 4);
}

const char *tf_decision_json_book_state(uint8_t book_state) {
  static const char *const names[] = {"OK", "SYNCING", "GAP", "STALE", "CROSSED", "NONE"};
  TF_STATIC_ASSERT(TF_ARRAY_CNT(names) == TF_BOOK_STATE_CNT, "one word each");
  return WORD_OF(names, book_state);
}

const char *tf_decision_json_hold_reason(uint8_t hold_reason) {
  static const char *const names[] = {"none",    "rule",     "book",   "cooldown",
                                      "rate",    "conflict", "halted", "warming",
                                      "trading", "model",    "shed"};
  TF_STATIC_ASSERT(TF_ARRAY_CNT(names) == TF_HOLD_REASON_CNT, "one word each");
  return WORD_OF(names, hold_reason);
}

const char *tf_decision_json_path(uint8_t path) {
  static const char *const names[] = {"cpu",         "gpu",    "fallback", "shadow",
                                      "onnxruntime", "kserve", "canary"};
  TF_STATIC_ASSERT(TF_ARRAY_CNT(names) == TF_PATH_CNT, "one word each");
  return WORD_OF(names, path);
}
