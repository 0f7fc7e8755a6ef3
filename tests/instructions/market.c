#include "market.h"

#include <inttypes.h>
#include <stdio.h>

#define BID_TICKS   618000u /* best bid; the ask is one tick above: tenths of a unit */
#define FIRST_MS    UINT64_C(1723161255343)
#define LEVELS_SIDE 34 /* of a depth message, at most */
#define NEAR_TICKS  220

static uint64_t roll(market_t *m) {
  m->rng ^= m->rng << 13;
  m->rng ^= m->rng >> 7;
  m->rng ^= m->rng << 17;
  return m->rng;
}

void market_init(market_t *m) {
  *m = (market_t){.rng       = UINT64_C(88172645463325252),
                  .now_ms    = FIRST_MS,
                  .update_id = UINT64_C(5123107839020),
                  .depth_id  = UINT64_C(5123107839020),
                  .trade_id  = UINT64_C(5266583935)};
  for (int side = 0; side < 2; side++)
    for (uint32_t i = 0; i < MARKET_SIDE_TICKS; i++)
      m->qty[side][i] = i < NEAR_TICKS || roll(m) % 3 == 0 ? 1 + (uint32_t)(roll(m) % 9000) : 0;
}

static uint32_t price_of(int side, uint32_t at) {
  return side ? BID_TICKS + 1 + at : BID_TICKS - at;
}

static uint32_t print_level(char *text, int side, uint32_t at, uint32_t qty, bool first) {
  uint32_t price = price_of(side, at);
  return (uint32_t)sprintf(text, "%s[\"%u.%u0\",\"%u.%03u\"]", first ? "" : ",", price / 10,
                           price % 10, qty / 1000, qty % 1000);
}

/* Changes of one side in the order of price: bids from afar to the best, asks from the best on. */
static uint32_t print_changes(market_t *m, int side, char *text, uint32_t *levels) {
  bool     changed[MARKET_SIDE_TICKS] = {false};
  uint32_t cnt = 1 + (uint32_t)(roll(m) % LEVELS_SIDE), used = 0;
  for (uint32_t i = 0; i < cnt; i++) {
    uint64_t r  = roll(m);
    uint32_t at = r & 1 ? 1 + (uint32_t)(r >> 8) % (NEAR_TICKS - 1)
                        : NEAR_TICKS + (uint32_t)(r >> 8) % (MARKET_SIDE_TICKS - NEAR_TICKS);
    if (!changed[at]) {
      bool gone        = m->qty[side][at] && roll(m) % 3 == 0;
      changed[at]      = true;
      m->qty[side][at] = gone ? 0 : 1 + (uint32_t)(roll(m) % 9000);
    }
  }
  bool first = true;
  for (uint32_t i = 0; i < MARKET_SIDE_TICKS; i++) {
    uint32_t at = side ? i : MARKET_SIDE_TICKS - 1 - i;
    if (!changed[at]) continue;
    used += print_level(text + used, side, at, m->qty[side][at], first);
    first = false;
    ++*levels;
  }
  return used;
}

static uint32_t print_depth(market_t *m, char *text, uint32_t *levels) {
  uint64_t before = m->depth_id, ms = m->now_ms;
  m->depth_id   = m->update_id += 3000;
  uint32_t used = (uint32_t)sprintf(
      text,
      "{\"stream\":\"btcusdt@depth@0ms\",\"data\":{\"e\":\"depthUpdate\",\"E\":%" PRIu64
      ",\"T\":%" PRIu64 ",\"s\":\"BTCUSDT\",\"U\":%" PRIu64 ",\"u\":%" PRIu64 ",\"pu\":%" PRIu64
      ",\"b\":[",
      ms, ms - 1, before + 5, m->depth_id, before);
  used += print_changes(m, 0, text + used, levels);
  used += (uint32_t)sprintf(text + used, "],\"a\":[");
  used += print_changes(m, 1, text + used, levels);
  return used + (uint32_t)sprintf(text + used, "]}}");
}

static uint32_t print_snapshot(market_t *m, char *text, uint32_t *levels) {
  uint32_t used = (uint32_t)sprintf(
      text, "{\"lastUpdateId\":%" PRIu64 ",\"E\":%" PRIu64 ",\"T\":%" PRIu64 ",\"bids\":[",
      m->update_id, m->now_ms, m->now_ms);
  for (int side = 0; side < 2; side++) {
    bool first = true;
    for (uint32_t at = 0; at < MARKET_SIDE_TICKS; at++) {
      if (!m->qty[side][at]) continue;
      used += print_level(text + used, side, at, m->qty[side][at], first);
      first = false;
      ++*levels;
    }
    used += (uint32_t)sprintf(text + used, side ? "]}" : "],\"asks\":[");
  }
  return used;
}

uint32_t market_message(market_t *m, market_class_t class, char *text, uint32_t *levels) {
  *levels = 0;
  m->now_ms += 37;
  uint64_t ms = m->now_ms, r = roll(m);
  uint32_t tick = BID_TICKS + (uint32_t)(r & 1), qty = 1 + (uint32_t)(r >> 8) % 5000;
  switch (class) {
  case MARKET_TRADE:
    return (uint32_t)sprintf(
        text,
        "{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":%" PRIu64 ",\"T\":%" PRIu64
        ",\"s\":\"BTCUSDT\",\"t\":%" PRIu64 ",\"p\":\"%u.%u0\",\"q\":\"%u.%03u\",\"X\":\"MARKET\","
        "\"m\":%s}}",
        ms, ms - 1, m->trade_id++, tick / 10, tick % 10, qty / 1000, qty % 1000,
        r & 1 ? "false" : "true");
  case MARKET_QUOTE:
    return (uint32_t)sprintf(
        text,
        "{\"stream\":\"btcusdt@bookTicker\",\"data\":{\"e\":\"bookTicker\",\"u\":%" PRIu64
        ",\"s\":\"BTCUSDT\",\"b\":\"%u.%u0\",\"B\":\"%u.%03u\",\"a\":\"%u.%u0\",\"A\":\"1.546\","
        "\"T\":%" PRIu64 ",\"E\":%" PRIu64 "}}",
        ++m->update_id, BID_TICKS / 10, BID_TICKS % 10, qty / 1000, qty % 1000,
        (BID_TICKS + 1) / 10, (BID_TICKS + 1) % 10, ms - 1, ms);
  case MARKET_DEPTH: return print_depth(m, text, levels);
  default: return print_snapshot(m, text, levels);
  }
}
