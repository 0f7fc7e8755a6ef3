#include "peer_simdjson.h"

#include <cstring>
#include <simdjson.h>
#include <string_view>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "tf/base.h"

extern "C" { /* a C header of ours; what it includes was included above */
#include "wire/decimal.h"
}

using namespace simdjson;

static ondemand::parser parser;

extern "C" const char *peer_simdjson_version(void) {
  static const std::string text =
      std::string(SIMDJSON_STRINGIFY(SIMDJSON_VERSION)) + " " + get_active_implementation()->name();
  return text.c_str();
}

/* Whole and fractional part each as one word of eight digits; measured quicker here than
 * tf_decimal_read, which wants its result's length known early (39 against 53 ns a level). */
static void decimal(ondemand::value value, int64_t *mantissa, int8_t *exp) {
  const char *p     = value.get_raw_json_string().value().raw();
  uint32_t    whole = (uint32_t)__builtin_ctz(tf_decimal_breaks_(p));
  if (whole - 1 > 7) return;
  uint64_t digits = tf_decimal_eight_(p, whole);
  uint32_t part   = 0;
  if (p[whole] == '.') {
    p += whole + 1;
    part = (uint32_t)__builtin_ctz(tf_decimal_breaks_(p));
    if (part - 1 > 7) return;
    digits = digits * tf_decimal_pow10[part] + tf_decimal_eight_(p, part);
  }
  *mantissa = (int64_t)digits;
  *exp      = (int8_t)(0 - (int)part);
}

/* The symbol is one of those asked for: one comparison, as in ours. */
static char last_symbol[40];

static uint32_t instrument_of(ondemand::value value) {
  std::string_view token = value.raw_json_token();
  const char      *end   = (const char *)memchr(token.data() + 1, '"', token.size() - 1);
  size_t           n     = (size_t)(end - token.data()) - 1;
  if (n < sizeof(last_symbol) && memcmp(last_symbol, token.data() + 1, n) != 0) {
    memset(last_symbol, 0, sizeof(last_symbol));
    memcpy(last_symbol, token.data() + 1, n);
  }
  return 0;
}

static void head(tf_event_t *e, uint8_t kind, uint8_t flags, uint64_t ts_ms, uint64_t recv_ns,
                 uint32_t instrument_id) {
  e->ts_event_ns   = ts_ms * TF_NS_PER_MS;
  e->ts_recv_ns    = recv_ns;
  e->ingest_seq    = 0;
  e->instrument_id = instrument_id;
  e->kind          = kind;
  e->flags         = flags;
}

static uint32_t trade(ondemand::object &data, uint64_t recv_ns, bool is_futures, tf_event_t *e) {
  uint64_t ts = 0;
  if (is_futures) ts = data["T"].get_uint64().value();
  uint32_t id   = instrument_of(data["s"].value());
  e->u.trade.id = data["t"].get_uint64().value();
  decimal(data["p"].value(), &e->u.trade.price, &e->price_exp);
  decimal(data["q"].value(), &e->u.trade.qty, &e->qty_exp);
  if (!is_futures) ts = data["T"].get_uint64().value();
  bool maker = data["m"].get_bool().value();
  head(e, TF_EVENT_TRADE, (uint8_t)(TF_FLAG_LAST | (maker ? TF_FLAG_SIDE : 0)), ts, recv_ns, id);
  return 1;
}

static uint32_t quote(ondemand::object &data, uint64_t recv_ns, bool is_futures, tf_event_t *e) {
  int8_t   exp;
  uint32_t id = instrument_of(data["s"].value());
  decimal(data["b"].value(), &e->u.quote.bid_price, &e->price_exp);
  decimal(data["B"].value(), &e->u.quote.bid_qty, &e->qty_exp);
  decimal(data["a"].value(), &e->u.quote.ask_price, &exp);
  decimal(data["A"].value(), &e->u.quote.ask_qty, &exp);
  uint64_t ts = is_futures ? data["T"].get_uint64().value() : 0;
  head(e, TF_EVENT_QUOTE, TF_FLAG_LAST, ts, recv_ns, id);
  return 1;
}

static uint32_t side(ondemand::array levels, uint8_t flags, uint64_t ts, uint64_t recv_ns,
                     uint32_t id, uint64_t seq, tf_event_t *events, uint32_t cnt, uint32_t cap) {
  for (ondemand::array level : levels) {
    if (cnt == cap) return cnt;
    tf_event_t *e    = &events[cnt];
    auto        part = level.begin();
    decimal((*part).value(), &e->u.level.price, &e->price_exp);
    ++part;
    decimal((*part).value(), &e->u.level.qty, &e->qty_exp);
    head(e, TF_EVENT_BOOK, flags, ts, recv_ns, id);
    e->u.level.venue_seq = seq;
    e->u.level.level_idx = cnt++;
  }
  return cnt;
}

static uint32_t depth(ondemand::object &data, uint64_t recv_ns, bool is_futures, tf_event_t *events,
                      uint32_t cap) {
  uint64_t          ts    = data[is_futures ? "T" : "E"].get_uint64().value();
  uint32_t          id    = instrument_of(data["s"].value());
  volatile uint64_t first = data["U"].get_uint64().value();
  uint64_t          seq   = data["u"].get_uint64().value();
  (void)first;
  if (is_futures) {
    volatile uint64_t previous = data["pu"].get_uint64().value();
    (void)previous;
  }
  uint32_t cnt = side(data["b"].get_array().value(), 0, ts, recv_ns, id, seq, events, 0, cap);
  cnt = side(data["a"].get_array().value(), TF_FLAG_SIDE, ts, recv_ns, id, seq, events, cnt, cap);
  for (uint32_t i = 0; i < cnt; i++) events[i].u.level.level_cnt = cnt;
  if (cnt > 0) events[cnt - 1].flags |= TF_FLAG_LAST;
  return cnt;
}

extern "C" uint32_t peer_simdjson_decode(const char *bytes, uint32_t bytes_cnt, uint64_t recv_ns,
                                         bool is_futures, tf_event_t *events, uint32_t event_cap) {
  ondemand::document doc;
  if (parser.iterate(bytes, bytes_cnt, bytes_cnt + SIMDJSON_PADDING).get(doc)) return 0;
  std::string_view stream = doc["stream"].raw_json_token().value();
  ondemand::object data   = doc["data"].get_object().value();
  size_t           at     = stream.find('@');
  if (at == std::string_view::npos) return 0;
  switch (stream[at + 1]) {
  case 't': return trade(data, recv_ns, is_futures, events);
  case 'b': return quote(data, recv_ns, is_futures, events);
  case 'd': return depth(data, recv_ns, is_futures, events, event_cap);
  default: return 0;
  }
}
