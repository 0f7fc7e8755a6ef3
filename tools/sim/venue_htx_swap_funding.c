/* HTX linear swaps' notifications (VENUES 13): funding rates alone, at an address and in a dialect of their own
 * ("op"), gzip as the rest. A subscription begins with the rate as it is. */
#include <inttypes.h>
#include <string.h>

#include "sim/exchange.h"

#define PREFIX   "public."
#define TOPIC    ".funding_rate"
#define ID_BYTES "%.32s"

enum { FUNDING, CHANNEL_CNT };

static const sim_pair_t pairs[] = {
    {"BTC-USDT", 618390, 1, 1, 0, 20000000000, 100000000},
    {"ETH-USDT", 265020, 2, 2, 0, 20000000000, 100000000},
    {NULL,       100000, 2, 2, 0, 20000000000, 100000000}
};

static uint64_t wall_ms(const sim_exchange_t *x) { return x->wall_ns / TF_NS_PER_MS; }

static sim_text_t rate_of(sim_exchange_t *x, uint32_t symbol, const sim_ticker_t *k) {
  const sim_symbol_t *s = &x->symbols[symbol];
  sim_text_t          t = sim_message(x);
  sim_put(&t, "{\"op\":\"notify\",\"topic\":\"" PREFIX "%s" TOPIC "\",\"ts\":%" PRIu64, s->name,
          wall_ms(x));
  sim_put(&t, ",\"data\":[{\"symbol\":\"%.3s\",\"contract_code\":\"%s\",\"funding_rate\":\"",
          s->name, s->name);
  sim_put_decimal(&t, k->funding_rate, 8);
  sim_put(&t,
          "\",\"estimated_rate\":null,\"fee_asset\":\"USDT\",\"funding_time\":\"%" PRIu64
          "\",\"settlement_time\":\"%" PRIu64 "\"}]}",
          wall_ms(x), k->funding_at_ms);
  return t;
}

static void ticker(sim_exchange_t *x, uint32_t symbol, const sim_ticker_t *k) {
  sim_text_t t = rate_of(x, symbol, k);
  sim_broadcast(x, sim_stream(symbol, FUNDING), &t, SIM_MESSAGE_DATA);
}

static void snapshot(sim_exchange_t *x, sim_peer_t *peer, uint32_t symbol, uint32_t channel) {
  sim_ticker_t k = sim_ticker(x, symbol);
  sim_text_t   t = rate_of(x, symbol, &k);
  (void)channel;
  sim_reply(x, peer, &t);
}

/* No channel tells of them. */
static void trade(sim_exchange_t *x, uint32_t symbol, const sim_step_t *step) {
  (void)x, (void)symbol, (void)step;
}
static void depth(sim_exchange_t *x, uint32_t symbol) {
  sim_market_take_depth(&x->symbols[symbol].market);
}

static const char *text_in(const json_t *request, const char *key) {
  const char *text = json_string_value(json_object_get(request, key));
  return text ? text : "";
}

/* error: NULL: none. */
static sim_text_t answer(sim_exchange_t *x, const char *error) {
  sim_text_t t = sim_message(x);
  sim_put(&t, "{\"op\":\"%.8s\",\"cid\":\"" ID_BYTES "\",\"topic\":\"%.48s\",\"ts\":%" PRIu64,
          text_in(x->request, "op"), text_in(x->request, "cid"), text_in(x->request, "topic"),
          wall_ms(x));
  sim_put(&t, error ? ",\"err-code\":2002,\"err-msg\":\"%s\"}" : ",\"err-code\":0}", error);
  return t;
}

static void set_stream(sim_exchange_t *x, sim_peer_t *peer, const char *topic, bool on) {
  size_t   cnt = strlen(topic), prefix_cnt = sizeof PREFIX - 1, end_cnt = sizeof TOPIC - 1;
  uint32_t symbol = UINT32_MAX;
  if (!sim_admit(x, peer, SIM_LIMIT_SUBSCRIBES, 1)) return;
  if (cnt > prefix_cnt + end_cnt && !strncmp(topic, PREFIX, prefix_cnt) &&
      !strcmp(topic + cnt - end_cnt, TOPIC))
    symbol = sim_find_symbol(x, topic + prefix_cnt, cnt - prefix_cnt - end_cnt);
  sim_ack_t ack = on ? sim_ack(x) : SIM_ACK_SENT;
  if (symbol == UINT32_MAX || ack == SIM_ACK_ERROR) {
    sim_text_t t = answer(x, "invalid topic.");
    sim_reply(x, peer, &t);
    return;
  }
  if (ack == SIM_ACK_SKIPPED) return;
  sim_text_t t = answer(x, NULL);
  sim_reply_ack(x, peer, symbol, &t, ack);
  if (on)
    sim_subscribe(x, peer, sim_stream(symbol, FUNDING));
  else
    sim_unsubscribe(peer, sim_stream(symbol, FUNDING));
}

static void on_request(sim_exchange_t *x, sim_peer_t *peer, const json_t *request) {
  const char *op = text_in(request, "op");
  if (!strcmp(op, "pong")) {
    sim_ponged(peer);
  } else if (!strcmp(op, "sub") || !strcmp(op, "unsub")) {
    set_stream(x, peer, text_in(request, "topic"), !strcmp(op, "sub"));
  } else {
    sim_text_t t = answer(x, "invalid op.");
    sim_reply(x, peer, &t);
  }
}

static void ping(sim_exchange_t *x, sim_peer_t *peer) {
  sim_text_t t = sim_message(x);
  sim_put(&t, "{\"op\":\"ping\",\"ts\":\"%" PRIu64 "\"}", wall_ms(x));
  sim_reply(x, peer, &t);
}

static bool on_upgrade(sim_exchange_t *x, sim_peer_t *peer, const char *target) {
  (void)x, (void)peer;
  return !strcmp(target, "/linear-swap-notification");
}

static int on_get(sim_exchange_t *x, const char *target, sim_text_t *t, bool *is_snapshot) {
  (void)is_snapshot;
  if (strcmp(target, "/linear-swap-api/v1/swap_contract_info") != 0) {
    sim_put(t, "{\"status\":\"error\",\"err_code\":404,\"err_msg\":\"not found\"}");
    return 404;
  }
  sim_put(t, "{\"status\":\"ok\",\"data\":[");
  for (uint32_t i = 0; i < x->symbol_cnt; i++) {
    const sim_symbol_t *s = &x->symbols[i];
    sim_put(t, "%s{\"symbol\":\"%.3s\",\"contract_code\":\"%s\",\"contract_size\":0.001,",
            i ? "," : "", s->name, s->name);
    sim_put(t, "\"price_tick\":");
    sim_put_decimal(t, 1, s->pair.tick_digits);
    sim_put(t, ",\"contract_status\":1,\"trade_partition\":\"USDT\"}");
  }
  sim_put(t, "],\"ts\":%" PRIu64 "}", wall_ms(x));
  return 200;
}

static bool route(const char *text, size_t cnt, sim_route_t *r) {
  size_t      topic_cnt, prefix_cnt = sizeof PREFIX - 1, end_cnt = sizeof TOPIC - 1;
  const char *topic = sim_find_text(text, cnt, "topic", &topic_cnt);
  *r                = (sim_route_t){.payload = text, .payload_cnt = cnt, .channels = 1u << FUNDING};
  if (!topic || topic_cnt <= prefix_cnt + end_cnt || memcmp(topic, PREFIX, prefix_cnt) != 0 ||
      memcmp(topic + topic_cnt - end_cnt, TOPIC, end_cnt) != 0 ||
      !memmem(text, cnt, "\"notify\"", 8))
    return false;
  r->name     = topic + prefix_cnt;
  r->name_cnt = topic_cnt - prefix_cnt - end_cnt;
  return true;
}

const sim_venue_t sim_venue_htx_swap_funding = {
    .name               = "htx-swap-funding",
    .pairs              = pairs,
    .depth_interval_ns  = 50 * TF_NS_PER_MS,
    .ticker_interval_ns = TF_NS_PER_SEC,
    .framing            = SIM_FRAMING_GZIP,
    .limits             = {[SIM_LIMIT_SUBSCRIBES] = {.max = 40, .ns = TF_NS_PER_SEC},
                           [SIM_LIMIT_UNANSWERED] = {.max        = 5,
                                                     .ns         = 5 * TF_NS_PER_SEC,
                                                     .close_code = SIM_CLOSE_CUT}},
    .ping               = ping,
    .on_upgrade         = on_upgrade,
    .on_request         = on_request,
    .on_get             = on_get,
    .trade              = trade,
    .depth              = depth,
    .ticker             = ticker,
    .snapshot           = snapshot,
    .snapshot_channels  = 1u << FUNDING,
    .route              = route,
};
