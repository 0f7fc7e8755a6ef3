#include <string.h>

#include "core/error.h"
#include "feed/binance_state.h"
#include "feed/text_out.h"

static const char *stream_name(const tf_binance_state_t *st, uint32_t channel) {
  return channel == TF_CHANNEL_TRADE   ? "trade"
         : channel == TF_CHANNEL_QUOTE ? "bookTicker"
         : channel == TF_CHANNEL_BOOK  ? st->market->book_stream
                                       : "ticker";
}

/* 0, with the error record set, where one connection cannot carry the streams. */
size_t tf_binance_live_ws_target(const void *state, char *buf, size_t cap) {
  const tf_binance_state_t *st = state;
  uint64_t                  stream_cnt =
      (uint64_t)st->asked_cnt * tf_feed_streams_of(st->symbols.feed, st->channels);
  if (stream_cnt == 0 || stream_cnt > TF_BINANCE_STREAMS_MAX) {
    tf_error_set(E_FEED_LIMIT, __FILE__, __LINE__,
                 "%llu streams for one connection to %s, allowed are 1 to %u: spread the "
                 "instruments over several feeds",
                 (unsigned long long)stream_cnt, st->symbols.feed->suffix, TF_BINANCE_STREAMS_MAX);
    return 0;
  }
  tf_text_out_t t        = {buf, cap, 0};
  bool          is_apart = st->market->ticker_path != NULL && st->channels == TF_CHANNEL_TICKER;
  tf_text_out_put(&t, is_apart ? st->market->ticker_path : st->market->ws_path);
  return tf_text_out_finish(&t);
}

size_t tf_binance_live_request(const void *state, const tf_feed_request_t *request, char *buf,
                               size_t cap) {
  const tf_binance_state_t *st   = state;
  const char               *name = stream_name(st, request->channel);
  tf_text_out_t             t    = {buf, cap, 0};
  tf_text_out_put(&t, request->unsubscribe ? "{\"method\":\"UNSUBSCRIBE\",\"params\":["
                                           : "{\"method\":\"SUBSCRIBE\",\"params\":[");
  for (uint32_t i = 0; i < request->symbol_cnt; i++) {
    tf_text_out_put(&t, i == 0 ? "\"" : ",\"");
    tf_text_out_lower(&t, st->symbols.rows[request->symbols[i]].text);
    tf_text_out_char(&t, '@');
    tf_text_out_put(&t, name);
    tf_text_out_char(&t, '"');
    if (request->channel != TF_CHANNEL_TICKER || st->market->mark_stream == NULL) continue;
    tf_text_out_put(&t, ",\"");
    tf_text_out_lower(&t, st->symbols.rows[request->symbols[i]].text);
    tf_text_out_char(&t, '@');
    tf_text_out_put(&t, st->market->mark_stream);
    tf_text_out_char(&t, '"');
  }
  tf_text_out_put(&t, "],\"id\":");
  tf_text_out_u64(&t, request->id);
  tf_text_out_char(&t, '}');
  return tf_text_out_finish(&t);
}

tf_err_t tf_binance_symbol(void *state, const char *text, uint32_t *symbol,
                           uint32_t *instrument_id) {
  return tf_symbols_ask_one(&((tf_binance_state_t *)state)->symbols, text, symbol, instrument_id);
}

/* "/api/v3/exchangeInfo?symbols=["BTCUSDT","ETHUSDT"]", encoded. */
size_t tf_binance_live_metadata_target(const void *state, uint32_t request_idx, char *buf,
                                       size_t cap) {
  const tf_binance_state_t *st   = state;
  uint64_t                  from = (uint64_t)request_idx * TF_BINANCE_INFO_SYMBOLS;
  uint64_t                  stop = from + TF_BINANCE_INFO_SYMBOLS;
  if (!st->market->info_of_some) stop = from = request_idx;
  if (stop > st->symbols.cnt) stop = st->symbols.cnt;
  if (st->asked_cnt == 0 || (st->market->info_of_some ? from >= stop : request_idx > 0)) return 0;
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, st->market->info_path);
  for (uint64_t i = from; i < stop; i++) {
    tf_text_out_put(&t, i == from ? "?symbols=%5B%22" : "%22,%22");
    tf_text_out_url(&t, st->symbols.rows[i].text);
  }
  if (stop > from) tf_text_out_put(&t, "%22%5D");
  return tf_text_out_finish(&t);
}

size_t tf_binance_live_snapshot_target(const void *state, uint32_t instrument_id, char *buf,
                                       size_t cap) {
  const tf_binance_state_t *st = state;
  for (uint32_t i = 0; i < st->symbols.cnt; i++) {
    if (st->symbols.rows[i].instrument_id != instrument_id) continue;
    tf_text_out_t t = {buf, cap, 0};
    tf_text_out_put(&t, st->market->rest_path);
    tf_text_out_put(&t, "?symbol=");
    tf_text_out_url(&t, st->symbols.rows[i].text);
    tf_text_out_put(&t, "&limit=");
    tf_text_out_u64(&t, st->market->snapshot_limit);
    return tf_text_out_finish(&t);
  }
  return 0;
}
