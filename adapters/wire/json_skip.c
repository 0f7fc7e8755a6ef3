#include "wire/json_skip.h"

#include "tf/io.h"

TF_STATIC_ASSERT(TF_BYTES_PAD >= 64, "a predicted key, a number and its tail may be read past end");

const char *tf_json_skip_failed(tf_json_t *json, tf_json_result_t result) {
  if (json->result == TF_JSON_OK) json->result = (uint8_t)result;
  return NULL;
}

static int hex_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* p is behind the backslash; first byte behind the escape, or NULL. */
static const char *skip_escape(const char *p, const char *end) {
  if (p >= end) return NULL;
  if (*p != 'u') return *p != '\0' && strchr("\"\\/bfnrt", *p) != NULL ? p + 1 : NULL;
  p++;
  for (int i = 0; i < 4; i++, p++) {
    if (p >= end || hex_of(*p) < 0) return NULL;
  }
  return p;
}

const char *tf_json_skip_string(tf_json_t *json, const char *p, bool *escaped) {
  const char *end   = json->end;
  const char *first = p;
  *escaped          = false;
  while (p < end) {
    uint32_t specials = tf_json_skip_specials_(p);
    if (specials == 0) {
      p += 16;
      continue;
    }
    p += __builtin_ctz(specials);
    if (p >= end) break;
    if (*p == '"') {
      if (p - first > TF_JSON_STRING_BYTES_MAX) return tf_json_skip_failed(json, TF_JSON_LIMIT);
      return p;
    }
    if (*p != '\\') return tf_json_skip_failed(json, TF_JSON_SYNTAX);
    *escaped = true;
    p        = skip_escape(p + 1, end);
    if (p == NULL) return tf_json_skip_failed(json, TF_JSON_SYNTAX);
  }
  return tf_json_skip_failed(json, TF_JSON_SYNTAX);
}

/* The usual string ends within 16 bytes. */
TF_INLINE const char *skip_string(tf_json_t *json, const char *p, bool *escaped) {
  uint32_t    specials = tf_json_skip_specials_(p);
  const char *stop     = p + (specials != 0 ? __builtin_ctz(specials) : 0);
  *escaped             = false;
  if (TF_LIKELY(*stop == '"' && stop < json->end)) return stop;
  return tf_json_skip_string(json, p, escaped);
}

static const char *skip_literal(tf_json_t *json, const char *p, const char *text, size_t bytes,
                                uint8_t kind, tf_json_value_t *value) {
  if ((size_t)(json->end - p) < bytes || memcmp(p, text, bytes) != 0) {
    return tf_json_skip_failed(json, TF_JSON_SYNTAX);
  }
  value->kind = kind;
  return p + bytes;
}

/* The number at p goes to the value; made says how that went. */
static const char *read_number(tf_json_t *json, const char *p, tf_json_value_t *value) {
  tf_decimal_result_t result;
  const char         *stop = p + tf_decimal_read_wide(p, &value->as.mantissa, &value->exp);
  value->kind              = TF_JSON_NUMBER;
  value->made              = TF_JSON_MADE_DECIMAL;
  if (TF_LIKELY(stop > p && stop <= json->end && tf_json_skip_ends_number(*stop))) return stop;
  p           = tf_decimal_scan(p, json->end, &value->as.mantissa, &value->exp, &result);
  value->made = result == TF_DECIMAL_OK ? TF_JSON_MADE_DECIMAL : TF_JSON_MADE_BAD;
  if (p != NULL) return p;
  return tf_json_skip_failed(json, result == TF_DECIMAL_DIGITS ? TF_JSON_LIMIT : TF_JSON_SYNTAX);
}

/* The same where nothing is to be made of it: nothing is, where it is of the usual form. */
static const char *skip_number(tf_json_t *json, const char *p, tf_json_value_t *value) {
  const char *stop = p + tf_decimal_span(p);
  value->kind      = TF_JSON_NUMBER;
  if (TF_LIKELY(stop > p && stop <= json->end && tf_json_skip_ends_number(*stop))) return stop;
  return read_number(json, p, value);
}

static const char *skip_scalar(tf_json_t *json, const char *p, tf_json_value_t *value) {
  bool escaped = false;
  switch (*p) {
  case '"':
    value->kind = TF_JSON_STRING;
    p           = skip_string(json, p + 1, &escaped);
    if (p == NULL) return NULL;
    value->escaped = escaped;
    return p + 1;
  case 't': return skip_literal(json, p, "true", 4, TF_JSON_TRUE, value);
  case 'f': return skip_literal(json, p, "false", 5, TF_JSON_FALSE, value);
  case 'n': return skip_literal(json, p, "null", 4, TF_JSON_NULL, value);
  default: return skip_number(json, p, value);
  }
}

/* The containers that are open, innermost last. */
typedef struct {
  uint64_t objects; /* bit d: the container at depth d is an object */
  uint32_t depth;   /* inside this value */
  uint16_t keys[TF_JSON_DEPTH_MAX + 1];
} nest_t;

/* `"key" :` at p; first byte of the value, or NULL. */
static const char *skip_key(tf_json_t *json, nest_t *nest, const char *p) {
  bool escaped;
  if (++nest->keys[nest->depth] > TF_JSON_KEYS_MAX) return tf_json_skip_failed(json, TF_JSON_LIMIT);
  if (p >= json->end || *p != '"') return tf_json_skip_failed(json, TF_JSON_SYNTAX);
  p = skip_string(json, p + 1, &escaped);
  if (p == NULL) return NULL;
  p = tf_json_skip_space(p + 1, json->end);
  if (p >= json->end || *p != ':') return tf_json_skip_failed(json, TF_JSON_SYNTAX);
  return p + 1;
}

/* Behind a comma, or behind the bracket of a container that is not empty: up to the next value. */
static const char *skip_to_value(tf_json_t *json, nest_t *nest, const char *p) {
  p = tf_json_skip_space(p, json->end);
  if (nest->objects >> nest->depth & 1) return skip_key(json, nest, p);
  if (++json->element_cnt > TF_JSON_ELEMENTS_MAX) return tf_json_skip_failed(json, TF_JSON_LIMIT);
  return p;
}

/* p at '{' or '['. Opens it; *closed says that it was empty. */
static const char *open_container(tf_json_t *json, nest_t *nest, const char *p, bool *closed) {
  bool is_object = *p == '{';
  if (json->depth + ++nest->depth > TF_JSON_DEPTH_MAX) {
    return tf_json_skip_failed(json, TF_JSON_LIMIT);
  }
  nest->keys[nest->depth] = 0;
  nest->objects &= ~(UINT64_C(1) << nest->depth);
  nest->objects |= (uint64_t)is_object << nest->depth;
  p       = tf_json_skip_space(p + 1, json->end);
  *closed = p < json->end && *p == (is_object ? '}' : ']');
  return *closed ? p : skip_to_value(json, nest, p);
}

/* Iterative: depth costs no stack. */
static const char *skip_nested(tf_json_t *json, const char *p) {
  tf_json_value_t scalar;
  nest_t          nest;
  nest.objects = 0;
  nest.depth   = 0;
  do {
    bool closed = false;
    p           = tf_json_skip_space(p, json->end);
    if (p >= json->end) return tf_json_skip_failed(json, TF_JSON_SYNTAX);
    bool is_container = *p == '{' || *p == '[';
    p = is_container ? open_container(json, &nest, p, &closed) : skip_scalar(json, p, &scalar);
    if (p == NULL) return NULL;
    if (is_container && !closed) continue;
    if (!is_container) p = tf_json_skip_space(p, json->end);
    for (;;) { /* behind a value, or at the bracket that ends one */
      if (p >= json->end) return tf_json_skip_failed(json, TF_JSON_SYNTAX);
      bool in_object = nest.objects >> nest.depth & 1;
      if (*p == ',') {
        p = skip_to_value(json, &nest, p + 1);
        if (p == NULL) return NULL;
        break;
      }
      if (*p != (in_object ? '}' : ']')) return tf_json_skip_failed(json, TF_JSON_SYNTAX);
      p++;
      if (--nest.depth == 0) return p;
      p = tf_json_skip_space(p, json->end);
    }
  } while (true);
}

/* A value at p, unless it is a number that is wanted. */
TF_INLINE const char *skip_any(tf_json_t *json, const char *p, bool makes_number,
                               tf_json_value_t *value) {
  if (p >= json->end) return tf_json_skip_failed(json, TF_JSON_SYNTAX);
  const char *first  = p;
  value->made        = TF_JSON_MADE_NONE;
  value->escaped     = false;
  value->exp         = 0;
  value->as.mantissa = 0;
  if (*p == '{' || *p == '[') {
    value->kind = *p == '{' ? TF_JSON_OBJECT : TF_JSON_ARRAY;
    p           = skip_nested(json, p);
  } else if (makes_number && (*p == '-' || (*p >= '0' && *p <= '9'))) {
    p = read_number(json, p, value);
  } else {
    p = skip_scalar(json, p, value);
  }
  if (p == NULL) return NULL;
  uint32_t quotes  = value->kind == TF_JSON_STRING;
  value->bytes     = first + quotes;
  value->bytes_cnt = (uint32_t)(p - first) - 2 * quotes;
  return p;
}

const char *tf_json_skip_value(tf_json_t *json, const char *p, tf_json_value_t *value) {
  p                  = skip_any(json, p, false, value);
  value->made        = TF_JSON_MADE_NONE;
  value->exp         = 0;
  value->as.mantissa = 0;
  return p;
}

const char *tf_json_skip_u64(tf_json_t *json, const char *p, tf_json_value_t *value) {
  p = tf_json_skip_value(json, p, value);
  if (p == NULL || value->kind != TF_JSON_NUMBER) return p;
  tf_decimal_result_t result;
  uint64_t            number;
  const char         *stop = value->bytes + value->bytes_cnt;
  bool                fits = tf_decimal_u64_scan(value->bytes, stop, &number, &result) == stop;
  value->made              = fits && result == TF_DECIMAL_OK ? TF_JSON_MADE_U64 : TF_JSON_MADE_BAD;
  return p;
}

const char *tf_json_skip_decimal(tf_json_t *json, const char *p, tf_json_value_t *value) {
  p = skip_any(json, p, true, value);
  if (p == NULL || value->kind != TF_JSON_STRING) return p;
  char        plain[TF_DECIMAL_DIGITS_MAX + 64]; /* 64: what is read behind it */
  const char *text       = value->bytes;
  size_t      text_bytes = value->bytes_cnt;
  if (value->escaped) {
    text = plain;
    text_bytes =
        tf_json_unescape(value->bytes, value->bytes_cnt, plain, TF_DECIMAL_DIGITS_MAX + 16);
  }
  bool fits =
      text_bytes != SIZE_MAX &&
      tf_decimal_parse_padded(text, text_bytes, &value->as.mantissa, &value->exp) == TF_DECIMAL_OK;
  value->made = fits ? TF_JSON_MADE_DECIMAL : TF_JSON_MADE_BAD;
  return p;
}
