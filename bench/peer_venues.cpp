#include "peer_venues.h"

#include <cstring>
#include <functional>
#include <map>
#include <simdjson.h>
#include <string>
#include <string_view>

#include "peer_book.h"
#include "tf/base.h"

extern "C" { /* a C header of ours; what it includes was included above */
#include "wire/decimal.h"
#include "wire/rfc3339.h"
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

/* Where a message's events go. */
struct output {
  const peer_shape_t *shape;
  tf_event_t         *events;
  uint32_t            cnt, cap;
};

/* The book that levels go to besides, null: none is kept; the message's own checksum; and those that differed. */
static peer_book *book_of_message;
static int64_t    checksum_of_message; /* INT64_MAX: it has none */
static uint64_t   mismatch_cnt;

extern "C" uint64_t peer_venues_mismatch_cnt(void) { return mismatch_cnt; }

static constexpr int BOOK_EXP =
    -10; /* of its keys: recorded prices have ten digits behind the point at most */

static void keep(const tf_event_t *e, std::string_view price, std::string_view qty) {
  int64_t key = e->u.level.price * (int64_t)tf_decimal_pow10[e->price_exp - BOOK_EXP];
  book_of_message->put((e->flags & TF_FLAG_SIDE) != 0, key, price, e->u.level.qty == 0 ? "" : qty);
}

static void level(output &out, ondemand::value item, uint8_t flags) {
  if (out.cnt == out.cap) return;
  const peer_shape_t *shape = out.shape;
  tf_event_t         *e     = &out.events[out.cnt++];
  e->kind                   = TF_EVENT_BOOK;
  e->flags                  = flags;
  if (shape->level_keys[0] != nullptr) {
    ondemand::object object = item.get_object();
    decimal(text_of(object[shape->level_keys[0]].value()), &e->u.level.price, &e->price_exp);
    decimal(text_of(object[shape->level_keys[1]].value()), &e->u.level.qty, &e->qty_exp);
    return;
  }
  ondemand::array array = item.get_array();
  auto            part  = array.begin();
  for (uint32_t i = 0; i < shape->price_at; i++) ++part;
  std::string_view price = text_of((*part).value());
  decimal(price, &e->u.level.price, &e->price_exp);
  ++part;
  std::string_view qty = text_of((*part).value());
  decimal(qty, &e->u.level.qty, &e->qty_exp);
  if (book_of_message != nullptr) keep(e, price, qty);
}

static void side(output &out, ondemand::value levels, uint8_t flags) {
  for (ondemand::value item : levels.get_array()) level(out, item, flags);
}

/* ["sell","0.8080","12005.0"] */
static void changes(output &out, ondemand::value levels) {
  for (ondemand::value item : levels.get_array()) {
    if (out.cnt == out.cap) return;
    tf_event_t     *e     = &out.events[out.cnt++];
    ondemand::array array = item.get_array();
    auto            part  = array.begin();
    e->kind               = TF_EVENT_BOOK;
    e->flags = (text_of((*part).value())[0] | 0x20) == out.shape->sell ? TF_FLAG_SIDE : 0;
    ++part;
    decimal(text_of((*part).value()), &e->u.level.price, &e->price_exp);
    ++part;
    decimal(text_of((*part).value()), &e->u.level.qty, &e->qty_exp);
  }
}

/* The symbol is one of those asked for: one comparison, as in ours. */
static char last_symbol[64];

static void symbol(std::string_view text) {
  if (text.size() >= sizeof last_symbol || !memcmp(last_symbol, text.data(), text.size())) return;
  memset(last_symbol, 0, sizeof last_symbol);
  memcpy(last_symbol, text.data(), text.size());
}

static bool is_gone; /* what PEER_COUNT said */

static void take(const peer_shape_t *shape, uint8_t role, ondemand::value value, tf_event_t *e) {
  std::string_view text = text_of(value);
  switch (role) {
  case PEER_SYMBOL: symbol(text); break;
  case PEER_ID: e->u.trade.id = number(text); break;
  case PEER_PRICE: decimal(text, &e->u.trade.price, &e->price_exp); break;
  case PEER_QTY: decimal(text, &e->u.trade.qty, &e->qty_exp); break;
  case PEER_COUNT: is_gone = text == "0"; break;
  case PEER_SIGNED:
    if (text[0] == '-') e->flags |= TF_FLAG_SIDE;
    decimal(text.substr(text[0] == '-'), &e->u.trade.qty, &e->qty_exp);
    if (is_gone) e->u.trade.qty = 0;
    is_gone = false;
    break;
  case PEER_SIDE: e->flags = (text[0] | 0x20) == shape->sell ? TF_FLAG_SIDE : 0; break;
  case PEER_MS: e->ts_event_ns = number(text) * TF_NS_PER_MS; break;
  case PEER_NS: e->ts_event_ns = number(text); break;
  case PEER_RFC3339: tf_rfc3339_parse(text.data(), text.size(), &e->ts_event_ns); break;
  case PEER_SEQ: e->u.level.venue_seq = number(text); break;
  case PEER_LAST: decimal(text, &e->u.ticker.last_price, &e->price_exp); break;
  case PEER_VOLUME: decimal(text, &e->u.ticker.volume, &e->qty_exp); break;
  case PEER_BID: decimal(text, &e->u.quote.bid_price, &e->price_exp); break;
  case PEER_BID_QTY: decimal(text, &e->u.quote.bid_qty, &e->qty_exp); break;
  case PEER_ASK: decimal(text, &e->u.quote.ask_price, &e->price_exp); break;
  case PEER_ASK_QTY: decimal(text, &e->u.quote.ask_qty, &e->qty_exp); break;
  default: break;
  }
}

/* One field of a book: its levels, or what all of them have. */
static void take_of_book(output &out, uint8_t role, ondemand::value value, tf_event_t *common) {
  switch (role) {
  case PEER_BIDS: side(out, value, 0); break;
  case PEER_ASKS: side(out, value, TF_FLAG_SIDE); break;
  case PEER_CHANGES: changes(out, value); break;
  case PEER_CHECKSUM: checksum_of_message = value.get_int64().value(); break;
  case PEER_SIDES: {
    uint8_t flags = 0;
    for (ondemand::value one : value.get_array()) {
      side(out, one, flags);
      flags = TF_FLAG_SIDE;
    }
    break;
  }
  default: take(out.shape, role, value, common);
  }
}

static void book(output &out, ondemand::value item) {
  tf_event_t       common = {};
  uint32_t         from   = out.cnt;
  ondemand::object object = item.get_object();
  for (const peer_field_t *f = out.shape->fields; f->role != PEER_END; f++) {
    ondemand::value value;
    if (!object[f->key].get(value)) take_of_book(out, f->role, value, &common);
  }
  for (uint32_t i = from; i < out.cnt; i++) {
    out.events[i].ts_event_ns       = common.ts_event_ns;
    out.events[i].u.level.venue_seq = common.u.level.venue_seq;
  }
}

static tf_event_t *add_row(output &out) {
  tf_event_t *e = &out.events[out.cnt++];
  e->kind       = out.shape->kind;
  e->flags      = 0;
  if (out.shape->is_level) e->u.level.qty = 0; /* a deletion may name none */
  return e;
}

static void row_of_array(output &out, ondemand::array array) {
  if (out.cnt == out.cap) return;
  const peer_field_t *f = out.shape->fields;
  tf_event_t         *e = add_row(out);
  for (ondemand::value value : array) {
    if (f->role == PEER_END) break;
    if (f->role != PEER_SKIP) take(out.shape, f->role, value, e);
    f++;
  }
}

static void row(output &out, ondemand::value item) {
  if (out.shape->are_arrays) {
    row_of_array(out, item.get_array());
    return;
  }
  if (out.cnt == out.cap) return;
  tf_event_t      *e      = add_row(out);
  ondemand::object object = item.get_object();
  for (const peer_field_t *f = out.shape->fields; f->role != PEER_END; f++) {
    ondemand::value value;
    if (!object[f->key].get(value)) take(out.shape, f->role, value, e);
  }
}

/* [1,2,3], or [[1,2,3],..] */
static void row_or_rows(output &out, ondemand::array array) {
  bool is_nested = false;
  for (ondemand::value one : array) {
    is_nested = one.type() == ondemand::json_type::array;
    break;
  }
  array.reset();
  if (!is_nested) {
    row_of_array(out, array);
    return;
  }
  for (ondemand::value one : array) row(out, one);
}

static void item(output &out, ondemand::value value) {
  if (out.shape->kind == TF_EVENT_BOOK && !out.shape->is_level)
    book(out, value);
  else
    row(out, value);
}

/* Down the path, through what is an array on the way, to the items. */
static void descend(output &out, const char *const *path, ondemand::value value) {
  bool is_array = value.type() == ondemand::json_type::array;
  if (*path != nullptr && **path == '[') {
    if (!is_array) return;
    uint32_t left = (uint32_t)((*path)[1] - '0');
    for (ondemand::value one : value.get_array())
      if (left-- == 0) descend(out, path + 1, one);
  } else if (is_array && *path != nullptr) {
    for (ondemand::value one : value.get_array()) descend(out, path, one);
  } else if (is_array && out.shape->are_arrays && out.shape->is_alone) {
    row_or_rows(out, value.get_array());
  } else if (is_array) {
    for (ondemand::value one : value.get_array()) item(out, one);
  } else if (*path == nullptr) {
    if (value.type() == ondemand::json_type::object) item(out, value);
  } else if (value.type() == ondemand::json_type::object) {
    ondemand::value next;
    if (!value.get_object()[*path].get(next)) descend(out, path + 1, next);
  }
}

/* Books by their "arg"; a snapshot begins one anew. */
static void decode_kept(output &out, ondemand::object root) {
  static std::map<std::string, peer_book, std::less<>> books;
  bool                                                 is_new = false;
  std::string_view                                     arg;
  for (auto field : root) {
    std::string_view key = field.unescaped_key();
    if (key == "arg") {
      arg = field.value().get_object().value().raw_json();
    } else if (key == "action") {
      is_new = text_of(field.value()) == "snapshot";
    } else if (key == "data") {
      auto found = books.find(arg);
      if (found == books.end()) found = books.emplace(std::string(arg), peer_book()).first;
      book_of_message = &found->second;
      if (is_new) book_of_message->clear();
      for (ondemand::value one : field.value().get_array()) {
        checksum_of_message = INT64_MAX;
        item(out, one);
        if (checksum_of_message != INT64_MAX)
          mismatch_cnt += book_of_message->checksum() != checksum_of_message;
      }
    }
  }
}

static void decode(output &out, ondemand::document &doc) {
  const peer_shape_t *shape = out.shape;
  ondemand::value     root  = doc.get_value();
  book_of_message           = nullptr;
  if (shape->keeps_book) {
    decode_kept(out, root.get_object());
    return;
  }
  if (shape->time_behind == nullptr) {
    descend(out, shape->path, root);
    return;
  }
  ondemand::object object = root.get_object();
  descend(out, shape->path + 1, object[shape->path[0]].value());
  uint64_t ts = object[shape->time_behind].get_uint64().value() * TF_NS_PER_MS;
  for (uint32_t i = 0; i < out.cnt; i++) out.events[i].ts_event_ns = ts;
}

extern "C" uint32_t peer_venues_decode(const peer_shape_t *shape, const char *bytes,
                                       uint32_t bytes_cnt, tf_event_t *events, uint32_t event_cap) {
  ondemand::document doc;
  output             out = {shape, events, 0, event_cap};
  if (parser.iterate(bytes, bytes_cnt, bytes_cnt + SIMDJSON_PADDING).get(doc)) return 0;
  try {
    decode(out, doc);
  } catch (const simdjson_error &) { /* a message of another form: none of those that are timed */
    return 0;
  }
  return out.cnt;
}
