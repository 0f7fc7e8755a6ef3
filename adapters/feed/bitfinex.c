/* Bitfinex, websocket v2 (VENUES.md 7): arrays by position, channels by a number that means something on its
 * own connection only, so an acknowledgement must have told of it.
 *
 *   {"event":"subscribed","channel":"book","chanId":17,"symbol":"tBTCUSD","prec":"P0","len":"25",..}
 *   [17,[[price,count,amount],..],seq,ms]   a snapshot;   [17,[price,count,amount],seq,ms]   a change
 *
 *   trades   TRADE; the amount's sign is the taker's side. "te" at once; "tu", the same again, is ignored;
 *            an array of them, newest first: BACKFILL. Ids are the whole venue's
 *   book     BOOK: count 0 deletes; amounts of asks are below 0. The venue deletes what falls out of its
 *            length. [17,"cs",crc] is compared over the best 25 levels. Of one level a side it is the best
 *            bid and offer: QUOTE, because a ticker's sizes are sums over 25 levels
 *   ticker   TICKER: last price, volume of a day
 *   "hb", events   CONTROL; info says when the platform is in maintenance: all pairs are HALTED, by STATUS
 *   status, candles, raw books, funding   ignored, by channel
 *
 * conf is asked for a sequence and a time behind each array (SEQ_ALL, TIMESTAMP): what a connection has is in
 * its answer. The sequence is one over all channels, heartbeats too: a jump breaks every book of the
 * connection. Numbers are JSON numbers, small ones with a power. venue_seq is an ordinal of our own. */
#include "feed/bitfinex_listing.h"
#include "feed/bitfinex_state.h"
#include "feed/text_out.h"
#include "feed/tick_rule.h"

#define FLAGS (BITFINEX_FLAG_TIMESTAMP | BITFINEX_FLAG_SEQUENCE | BITFINEX_FLAG_CHECKSUM)

enum {
  INFO_RESTART     = 20051,
  INFO_MAINTENANCE = 20060,
  INFO_RESUMED     = 20061,
  ERROR_DUPLICATE  = 10301
};

enum {
  EVENT = 1,
  CHANNEL,
  CHAN_ID,
  SYMBOL,
  PREC,
  LEN,
  STATUS,
  FLAGS_KEY,
  CODE,
  MSG,
  PLATFORM,
  ROOT_KEY_CNT
};
static const tf_json_key_t root_keys[ROOT_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [EVENT]     = TF_JSON_KEY("event", TF_JSON_WANT_TEXT),
    [CHANNEL]   = TF_JSON_KEY("channel", TF_JSON_WANT_TEXT),
    [CHAN_ID]   = TF_JSON_KEY("chanId", TF_JSON_WANT_U64),
    [SYMBOL]    = TF_JSON_KEY("symbol", TF_JSON_WANT_TEXT),
    [PREC]      = TF_JSON_KEY("prec", TF_JSON_WANT_TEXT),
    [LEN]       = TF_JSON_KEY("len", TF_JSON_WANT_TEXT),
    [STATUS]    = TF_JSON_KEY("status", TF_JSON_WANT_TEXT),
    [FLAGS_KEY] = TF_JSON_KEY("flags", TF_JSON_WANT_U64),
    [CODE]      = TF_JSON_KEY("code", TF_JSON_WANT_U64),
    [MSG]       = TF_JSON_KEY("msg", TF_JSON_WANT_TEXT),
    [PLATFORM]  = TF_JSON_KEY("platform", TF_JSON_WANT_BYTES),
};

static const tf_in_band_object_t objects[BITFINEX_OBJECT_CNT] = {
    [BITFINEX_ROOT]   = {root_keys,                 ROOT_KEY_CNT,           0, 0},
    [BITFINEX_ARRAY]  = {tf_bitfinex_array_places,  BITFINEX_PARTS_MAX + 1, 0, 0},
    [BITFINEX_TRADE]  = {tf_bitfinex_trade_places,  BITFINEX_TRADE_CNT,     0, 0},
    [BITFINEX_LEVEL]  = {tf_bitfinex_level_places,  BITFINEX_LEVEL_CNT,     0, 0},
    [BITFINEX_TICKER] = {tf_bitfinex_ticker_places, BITFINEX_TICKER_CNT,    0, 0},
};
static const tf_in_band_item_t items[] = {
    TF_IN_BAND_ITEM(.object = BITFINEX_TRADE, .kind = TF_IN_BAND_OWN, .put = tf_bitfinex_put_trade),
    TF_IN_BAND_ITEM(.object = BITFINEX_LEVEL, .kind = TF_IN_BAND_OWN, .put = tf_bitfinex_put_level),
    TF_IN_BAND_ITEM(.object = BITFINEX_TICKER, .kind = TF_IN_BAND_OWN,
                    .put = tf_bitfinex_put_ticker),
};

/* ---- events ---- */

static uint32_t length_of(tf_in_band_t *in) {
  uint64_t length = 0;
  return tf_in_band_u64(in, BITFINEX_ROOT, LEN, &length) && length <= UINT32_MAX ? (uint32_t)length
                                                                                 : 0;
}

/* "tBTCUSD" without its first letter; no bytes where it is no trading pair. */
static tf_json_value_t pair_of(const tf_in_band_t *in) {
  const tf_json_value_t *symbol = tf_in_band_value(in, BITFINEX_ROOT, SYMBOL);
  tf_json_value_t        pair   = {.kind = TF_JSON_STRING};
  if (symbol == NULL || symbol->kind != TF_JSON_STRING || symbol->escaped ||
      symbol->bytes_cnt < 2 || symbol->bytes[0] != 't')
    return pair;
  pair.bytes     = symbol->bytes + 1;
  pair.bytes_cnt = symbol->bytes_cnt - 1;
  return pair;
}

static tf_bitfinex_kind_t kind_of(tf_in_band_t *in) {
  if (pair_of(in).bytes_cnt == 0) return BITFINEX_OTHER;
  if (tf_in_band_is(in, BITFINEX_ROOT, CHANNEL, "trades")) return BITFINEX_TRADES;
  if (tf_in_band_is(in, BITFINEX_ROOT, CHANNEL, "ticker")) return BITFINEX_TICKERS;
  if (!tf_in_band_is(in, BITFINEX_ROOT, CHANNEL, "book") ||
      tf_in_band_is(in, BITFINEX_ROOT, PREC, "R0"))
    return BITFINEX_OTHER;
  return length_of(in) == 1 ? BITFINEX_QUOTE : BITFINEX_BOOK;
}

TF_COLD static void on_subscribed(tf_in_band_t *in) {
  tf_bitfinex_own_t     *own  = in->own;
  const tf_json_value_t *name = tf_in_band_value(in, BITFINEX_ROOT, CHANNEL);
  tf_json_value_t        pair = pair_of(in);
  tf_bitfinex_kind_t     kind = kind_of(in);
  uint64_t               id;
  tf_reject_t            unused;
  if (!tf_in_band_u64(in, BITFINEX_ROOT, CHAN_ID, &id) || name == NULL ||
      name->kind != TF_JSON_STRING)
    return;
  tf_bitfinex_channel_t *channel = tf_bitfinex_find(own, id);
  if (channel == NULL) {
    if (own->channel_cnt == BITFINEX_CHANNELS_MAX) {
      static const char what[] = "more channels than one connection of the venue has";
      tf_feeds_note_error(&in->head, what, sizeof what - 1);
      return;
    }
    channel = &own->channels[own->channel_cnt++];
  }
  *channel = (tf_bitfinex_channel_t){
      .id = id, .idx = TF_SYMBOLS_NONE, .depth = length_of(in), .kind = (uint8_t)kind};
  uint32_t cnt =
      name->bytes_cnt < sizeof channel->name ? name->bytes_cnt : sizeof channel->name - 1;
  memcpy(channel->name, name->bytes, cnt);
  if (kind == BITFINEX_OTHER && tf_in_band_is(in, BITFINEX_ROOT, PREC, "R0"))
    memcpy(channel->name, "raw_book", sizeof "raw_book");
  if (kind == BITFINEX_OTHER) return;
  channel->idx = tf_symbols_of(&in->symbols, &pair, in->asked_cnt == 0, &unused);
  tf_in_band_answer(in, 0, tf_bitfinex_channel_bits[kind], &pair, false);
}

TF_COLD static void on_unsubscribed(tf_in_band_t *in) {
  tf_bitfinex_own_t *own = in->own;
  uint64_t           id;
  if (!tf_in_band_u64(in, BITFINEX_ROOT, CHAN_ID, &id)) return;
  tf_bitfinex_channel_t *channel = tf_bitfinex_find(own, id);
  if (channel == NULL) return;
  if (channel->idx != TF_SYMBOLS_NONE) {
    const tf_symbol_t *symbol = &in->symbols.rows[channel->idx];
    tf_json_value_t    pair   = {.bytes = symbol->text, .bytes_cnt = symbol->text_bytes};
    pair.kind                 = TF_JSON_STRING;
    tf_in_band_answer(in, 0, tf_bitfinex_channel_bits[channel->kind], &pair, false);
  }
  *channel = own->channels[--own->channel_cnt];
}

TF_COLD static void on_error(tf_in_band_t *in) {
  tf_json_value_t    pair = pair_of(in);
  tf_bitfinex_kind_t kind = kind_of(in);
  uint64_t           code = 0;
  tf_in_band_u64(in, BITFINEX_ROOT, CODE, &code);
  if (code != ERROR_DUPLICATE) tf_in_band_complain(in, BITFINEX_ROOT, MSG);
  if (pair.bytes_cnt > 0)
    tf_in_band_answer(in, 0, kind == BITFINEX_OTHER ? 0 : tf_bitfinex_channel_bits[kind], &pair,
                      code != ERROR_DUPLICATE);
}

/* {"status":1} of a greeting: 0 is maintenance. */
static uint8_t trading_of(const tf_json_value_t *platform) {
  static const tf_json_key_t   keys[] = {TF_JSON_KEY("status", TF_JSON_WANT_U64)};
  static const tf_json_shape_t shape  = {keys, 1};
  tf_json_value_t              values[2];
  tf_json_object_t             object = {.shape = &shape, .values = values};
  tf_json_t                    json   = {0};
  if (platform == NULL || platform->kind != TF_JSON_OBJECT ||
      tf_json_read(&json, platform->bytes, platform->bytes_cnt, &object) != TF_JSON_OK ||
      !tf_json_seen(&object, 0) || values[0].made != TF_JSON_MADE_U64)
    return TF_TRADING_UNSAID;
  return tf_json_u64(&json, &values[0]) == 0 ? TF_TRADING_HALTED : TF_TRADING_OPEN;
}

/* While maintenance lasts the connection stays as it is; behind it the venue wants all to be subscribed to anew. */
TF_COLD static void on_info(tf_in_band_t *in, tf_in_band_route_t *r) {
  uint64_t code;
  r->trading = trading_of(tf_in_band_value(in, BITFINEX_ROOT, PLATFORM));
  if (!tf_in_band_u64(in, BITFINEX_ROOT, CODE, &code)) return;
  if (code == INFO_RESTART) in->out->leaving = true;
  if (code == INFO_MAINTENANCE) r->trading = TF_TRADING_HALTED;
  if (code == INFO_RESUMED) {
    r->trading         = TF_TRADING_OPEN;
    in->out->reconnect = true;
  }
}

static void route(tf_in_band_t *in, tf_in_band_route_t *r) {
  static const char *const events[] = {"info",  "conf", "subscribed", "unsubscribed",
                                       "error", "pong", "auth"};
  tf_bitfinex_own_t       *own      = in->own;
  uint64_t                 number   = 0;
  if (in->json.root_kind == TF_JSON_ARRAY) {
    tf_bitfinex_on_array(in, r);
    return;
  }
  for (size_t i = 0; i < TF_ARRAY_CNT(events); i++)
    if (tf_in_band_is(in, BITFINEX_ROOT, EVENT, events[i])) r->what = TF_IN_BAND_CONTROL;
  if (tf_in_band_is(in, BITFINEX_ROOT, EVENT, "subscribed")) on_subscribed(in);
  if (tf_in_band_is(in, BITFINEX_ROOT, EVENT, "unsubscribed")) on_unsubscribed(in);
  if (tf_in_band_is(in, BITFINEX_ROOT, EVENT, "error")) on_error(in);
  if (tf_in_band_is(in, BITFINEX_ROOT, EVENT, "conf") &&
      tf_in_band_is(in, BITFINEX_ROOT, STATUS, "OK") &&
      tf_in_band_u64(in, BITFINEX_ROOT, FLAGS_KEY, &number))
    own->flags = number;
  if (tf_in_band_is(in, BITFINEX_ROOT, EVENT, "info")) on_info(in, r);
}

static const uint32_t depths[] = {25, 100, 250, 0};

static const tf_in_band_spec_t spec = {
    .objects       = objects,
    .object_cnt    = BITFINEX_OBJECT_CNT,
    .array_object  = BITFINEX_ARRAY,
    .items         = items,
    .item_cnt      = TF_ARRAY_CNT(items),
    .ids           = TF_IN_BAND_IDS_ASCENDING,
    .buy           = "",
    .sell          = "",
    .ws_path       = "/ws/2",
    .route         = route,
    .family        = tf_bitfinex_begin,
    .on_levels     = tf_bitfinex_on_levels,
    .depth_default = 25,
    .depth_max     = 250,
    .depths        = depths,
    .checksum      = &tf_bitfinex_checksum,
    .own_bytes     = sizeof(tf_bitfinex_own_t),
};

static tf_verdict_t on_frame(void *state, const tf_frame_t *frame, tf_feed_out_t *out) {
  tf_in_band_t *in   = state;
  uint32_t      from = out->event_cnt;
  if (TF_UNLIKELY(tf_bitfinex_listing_is_answer(frame)))
    return tf_bitfinex_listing_on_frame(&in->symbols, frame, out);
  tf_verdict_t verdict = tf_in_band_on_frame(state, frame, out);
  if (verdict == TF_VERDICT_DATA && tf_tick_rule_may_tell(out, from))
    tf_bitfinex_listing_look(&in->symbols, from, out);
  return verdict;
}

static void on_connect(void *state, uint64_t now_ns, tf_feed_out_t *out) {
  tf_bitfinex_own_t *own = ((tf_in_band_t *)state)->own;
  own->channel_cnt       = 0;
  own->flags             = 0;
  own->has_sequence      = false;
  tf_in_band_on_connect(state, now_ns, out);
}

/* ---- live ---- */

static size_t hello(const void *state, uint32_t message_idx, char *buf, size_t cap) {
  (void)state;
  tf_text_out_t t = {buf, cap, 0};
  if (message_idx > 0) return 0;
  tf_text_out_put(&t, "{\"event\":\"conf\",\"flags\":");
  tf_text_out_u64(&t, FLAGS);
  tf_text_out_char(&t, '}');
  return tf_text_out_finish(&t);
}

/* 0: it was never acknowledged. */
static uint64_t chan_of(const tf_bitfinex_own_t *own, uint32_t channel, uint32_t idx) {
  for (uint32_t i = 0; i < own->channel_cnt; i++)
    if (own->channels[i].kind != BITFINEX_OTHER &&
        tf_bitfinex_channel_bits[own->channels[i].kind] == channel && own->channels[i].idx == idx)
      return own->channels[i].id;
  return 0;
}

static size_t unsubscribe(const tf_in_band_t *in, const tf_feed_request_t *request, char *buf,
                          size_t cap) {
  tf_text_out_t t    = {buf, cap, 0};
  uint64_t      chan = chan_of(in->own, request->channel, request->symbols[0]);
  if (chan == 0) return 0;
  tf_text_out_put(&t, "{\"event\":\"unsubscribe\",\"chanId\":");
  tf_text_out_u64(&t, chan);
  tf_text_out_char(&t, '}');
  return tf_text_out_finish(&t);
}

static size_t request(const void *state, const tf_feed_request_t *request, char *buf, size_t cap) {
  const tf_in_band_t *in = state;
  tf_text_out_t       t  = {buf, cap, 0};
  if (request->unsubscribe) return unsubscribe(in, request, buf, cap);
  tf_text_out_put(&t, "{\"event\":\"subscribe\",\"channel\":\"");
  tf_text_out_put(&t, request->channel == TF_CHANNEL_TRADE    ? "trades"
                      : request->channel == TF_CHANNEL_TICKER ? "ticker"
                                                              : "book");
  tf_text_out_put(&t, "\",\"symbol\":\"t");
  tf_text_out_put(&t, in->symbols.rows[request->symbols[0]].text);
  if (request->channel & (TF_CHANNEL_BOOK | TF_CHANNEL_QUOTE)) {
    tf_text_out_put(&t, "\",\"prec\":\"P0\",\"freq\":\"F0\",\"len\":\"");
    tf_text_out_u64(&t, request->channel == TF_CHANNEL_QUOTE ? 1 : in->depth);
  }
  tf_text_out_put(&t, "\"}");
  return tf_text_out_finish(&t);
}

/* ---- lifetime ---- */

static const tf_feed_channel_t feed_channels[] = {
    {TF_CHANNEL_TRADE,  "trades",         TF_FEED_CHECK(SEQUENCE_CONNECTION) | TF_FEED_CHECK(IDS_ASCENDING)},
    {TF_CHANNEL_QUOTE,  "book (1 level)", TF_FEED_CHECK(SEQUENCE_CONNECTION)                               },
    {TF_CHANNEL_BOOK,   "book",           TF_FEED_CHECK(SEQUENCE_CONNECTION) | TF_FEED_CHECK(CHECKSUM)     },
    {TF_CHANNEL_TICKER, "ticker",         TF_FEED_CHECK(SEQUENCE_CONNECTION)                               },
    {0,                 NULL,             0                                                                },
};

const tf_feed_t tf_feed_bitfinex = {
    .venue                 = "bitfinex",
    .suffix                = "BITFINEX",
    .symbol_chars          = ":",
    .spec                  = &spec,
    .state_bytes           = tf_in_band_state_bytes,
    .init                  = tf_in_band_init,
    .on_frame              = on_frame,
    .on_connect            = on_connect,
    .lose_book             = tf_in_band_lose_book,
    .ws_host               = "api-pub.bitfinex.com",
    .ws_port               = "443",
    .rest_host             = "api-pub.bitfinex.com",
    .rest_port             = "443",
    .metadata_target       = tf_bitfinex_listing_target,
    .ws_target             = tf_in_band_ws_target,
    .hello                 = hello,
    .request               = request,
    .symbol                = tf_in_band_symbol,
    .streams_max           = 25, /* of 30 that the venue documents */
    .snapshot_channels     = TF_CHANNEL_QUOTE | TF_CHANNEL_TICKER,
    .connects_per_5min_max = 100,
    .subscribe_rate_hz_max = 5,                  /* the venue publishes none: as its neighbours */
    .silence_ns_max        = 45 * TF_NS_PER_SEC, /* of a heartbeat every 15 s a channel */
    .channels              = feed_channels,
};
