#include "peer_venues.h"

#include <cstring>
#include <simdjson.h>
#include <string>
#include <string_view>

#include "tf/base.h"

extern "C" { /* a C header of ours; what it includes was included above */
#include "wire/decimal.h"
}

using namespace simdjson;

static ondemand::parser parser;

extern "C" const char *peer_venues_version(void) {
  static const std::string text =
      std::string(SIMDJSON_STRINGIFY(SIMDJSON_VERSION)) + " " + get_active_implementation()->name();
  return text.c_str();
}

/* The bytes of a number, or of a string. */
static std::string_view text_of(ondemand::value value) {
  std::string_view token = value.raw_json_token();
  if (token.empty()) return token;
  if (token[0] == '"') return token.substr(1, token.find('"', 1) - 1);
  size_t n = 0;
  while (n < token.size() && token[n] > ' ' && token[n] != ',') n++;
  return token.substr(0, n);
}

/* Whole and fractional part each as one word of eight digits, where they fit. */
static void decimal(std::string_view text, int64_t *mantissa, int8_t *exp) {
  const char *p     = text.data();
  uint32_t    whole = (uint32_t)__builtin_ctz(tf_decimal_breaks_(p));
  if (whole - 1 <= 7) {
    uint64_t digits = tf_decimal_eight_(p, whole);
    uint32_t part   = 0;
    if (p[whole] == '.') {
      p += whole + 1;
      part = (uint32_t)__builtin_ctz(tf_decimal_breaks_(p));
      if (part - 1 <= 7) digits = digits * tf_decimal_pow10[part] + tf_decimal_eight_(p, part);
    }
    if (part <= 8) {
      *mantissa = (int64_t)digits;
      *exp      = (int8_t)(0 - (int)part);
      return;
    }
  }
  tf_decimal_parse(text.data(), text.size(), mantissa, exp);
}

static uint64_t number(std::string_view text) {
  uint64_t n = 0;
  for (char c : text) n = n * 10 + (uint64_t)(c - '0');
  return n;
}

static uint32_t side(ondemand::array levels, uint8_t flags, tf_event_t *events, uint32_t cnt,
                     uint32_t cap) {
  for (ondemand::array level : levels) {
    if (cnt == cap) return cnt;
    tf_event_t *e    = &events[cnt++];
    auto        part = level.begin();
    decimal(text_of((*part).value()), &e->u.level.price, &e->price_exp);
    ++part;
    decimal(text_of((*part).value()), &e->u.level.qty, &e->qty_exp);
    e->kind  = TF_EVENT_BOOK;
    e->flags = flags;
  }
  return cnt;
}

/* The symbol is one of those asked for: one comparison, as in ours. */
static char last_symbol[40];

static void symbol(std::string_view text) {
  if (text.size() >= sizeof last_symbol || !memcmp(last_symbol, text.data(), text.size())) return;
  memset(last_symbol, 0, sizeof last_symbol);
  memcpy(last_symbol, text.data(), text.size());
}

static void take(const peer_shape_t *shape, uint8_t role, ondemand::value value, tf_event_t *e) {
  std::string_view text = text_of(value);
  switch (role) {
  case PEER_SYMBOL: symbol(text); break;
  case PEER_ID: e->u.trade.id = number(text); break;
  case PEER_PRICE: decimal(text, &e->u.trade.price, &e->price_exp); break;
  case PEER_QTY: decimal(text, &e->u.trade.qty, &e->qty_exp); break;
  case PEER_SIDE: e->flags = (text[0] | 0x20) == shape->sell ? TF_FLAG_SIDE : 0; break;
  case PEER_TIME: e->ts_event_ns = number(text) * TF_NS_PER_MS; break;
  case PEER_SEQ: e->u.level.venue_seq = number(text); break;
  case PEER_LAST: decimal(text, &e->u.ticker.last_price, &e->price_exp); break;
  case PEER_VOLUME: decimal(text, &e->u.ticker.volume, &e->qty_exp); break;
  default: break;
  }
}

static uint32_t book(const peer_shape_t *shape, ondemand::object &item, tf_event_t *events,
                     uint32_t cnt, uint32_t cap) {
  tf_event_t common = {};
  uint32_t   from   = cnt;
  for (const peer_field_t *f = shape->fields; f->role != PEER_END; f++) {
    ondemand::value value;
    if (item[f->key].get(value)) continue;
    if (f->role == PEER_BIDS || f->role == PEER_ASKS)
      cnt = side(value.get_array().value(), f->role == PEER_ASKS ? TF_FLAG_SIDE : 0, events, cnt, cap);
    else
      take(shape, f->role, value, &common);
  }
  for (uint32_t i = from; i < cnt; i++) {
    events[i].ts_event_ns       = common.ts_event_ns;
    events[i].u.level.venue_seq = common.u.level.venue_seq;
  }
  return cnt;
}

static uint32_t row(const peer_shape_t *shape, ondemand::value item, tf_event_t *e) {
  e->kind  = shape->kind;
  e->flags = 0;
  if (shape->are_arrays) {
    const peer_field_t *f = shape->fields;
    for (ondemand::value value : item.get_array()) {
      if (f->role == PEER_END) break;
      take(shape, f++->role, value, e);
    }
    return 1;
  }
  ondemand::object object = item.get_object();
  for (const peer_field_t *f = shape->fields; f->role != PEER_END; f++) {
    ondemand::value value;
    if (!object[f->key].get(value)) take(shape, f->role, value, e);
  }
  return 1;
}

static uint32_t one(const peer_shape_t *shape, ondemand::value item, tf_event_t *events,
                    uint32_t cnt, uint32_t cap) {
  if (shape->kind == TF_EVENT_BOOK) {
    ondemand::object object = item.get_object();
    return book(shape, object, events, cnt, cap);
  }
  return cnt < cap ? cnt + row(shape, item, &events[cnt]) : cnt;
}

extern "C" uint32_t peer_venues_decode(const peer_shape_t *shape, const char *bytes,
                                       uint32_t bytes_cnt, tf_event_t *events, uint32_t event_cap) {
  ondemand::document doc;
  uint32_t           cnt = 0;
  if (parser.iterate(bytes, bytes_cnt, bytes_cnt + SIMDJSON_PADDING).get(doc)) return 0;
  ondemand::object root  = doc.get_object();
  ondemand::value  items = root[shape->path[0]].value();
  if (shape->path[1] != nullptr) items = items[shape->path[1]].value();
  if (shape->is_array) {
    for (ondemand::value item : items.get_array()) cnt = one(shape, item, events, cnt, event_cap);
  } else {
    cnt = one(shape, items, events, cnt, event_cap);
  }
  if (shape->time_behind != nullptr) {
    uint64_t ts = root[shape->time_behind].get_uint64().value() * TF_NS_PER_MS;
    for (uint32_t i = 0; i < cnt; i++) events[i].ts_event_ns = ts;
  }
  return cnt;
}
