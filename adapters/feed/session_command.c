/* A session's streams as others see them and change them: commands, counts, the one that is down. */
#include <string.h>
#include <strings.h>

#include "core/clock.h"
#include "core/error.h"
#include "feed/session_state.h"

/* Of the leg that has most of what was asked for. All are asked for the same. */
static tf_streams_t *active_streams(tf_session_t *s) {
  tf_session_leg_t *best = tf_session_legs_best(s);
  return best ? &best->streams : &s->legs[0].streams;
}

/* ---- changes ---- */

static void channel_words(uint32_t channels, char *text, size_t cap) {
  size_t cnt = 0;
  text[0]    = '\0';
  for (uint32_t bit = 1; bit < 1u << TF_CHANNEL_CNT && cnt < cap; bit <<= 1)
    if (channels & bit)
      cnt += (size_t)snprintf(text + cnt, cap - cnt, "%s%s", cnt ? ", " : "",
                              tf_stream_channel_name(bit));
}

static tf_err_t check_channels(const tf_session_t *s, uint32_t channels) {
  uint32_t decoded = s->config.feed_config.channels;
  char     words[64];
  if ((channels & ~decoded) == 0) return TF_OK;
  channel_words(decoded, words, sizeof words);
  return TF_ERR(E_CONFIG_VALUE, "this feed decodes %s (feeds[].channels), not %s", words,
                tf_stream_channel_name(channels & ~decoded & (~(channels & ~decoded) + 1)));
}

static tf_err_t check_room(tf_session_t *s, uint32_t symbol, uint32_t channels) {
  uint32_t max = s->feed->streams_max, wanted = 0;
  if (max == 0) return TF_OK;
  const tf_streams_t *streams = active_streams(s);
  for (uint32_t i = 0; i < streams->config.symbol_cap; i++)
    wanted += tf_feed_streams_of(s->feed, tf_streams_wanted(streams, i));
  uint32_t more = tf_feed_streams_of(s->feed, channels & ~tf_streams_wanted(streams, symbol));
  if (wanted + more <= max) return TF_OK;
  return TF_ERR(E_FEED_LIMIT, "%u streams of this connection and %u more: %s takes %u", wanted,
                more, s->feed->venue, max);
}

/* A symbol that is new gets its number and instrument here; a replay of the capture does the same at this
 * record. One that was refused leaves no trace. */
static tf_err_t find_symbol(tf_session_t *s, const char *text, uint32_t *symbol,
                            uint32_t *instrument_id) {
  if (s->feed->symbol == NULL || s->feed->request == NULL)
    return TF_ERR(E_FEED_REFUSED, "the feed %s cannot change its streams while it runs",
                  s->feed->venue);
  tf_err_t err = tf_legs_symbol(&s->merge, text, symbol, instrument_id);
  if (err) return err;
  tf_session_tap(s, &(tf_tap_record_t){.recv_ns    = tf_clock_wall_ns(),
                                       .source_idx = s->config.tap_source_idx,
                                       .kind       = TF_TAP_SYMBOL,
                                       .bytes_cnt  = (uint32_t)strlen(text),
                                       .bytes      = text});
  return TF_OK;
}

/* The venue is asked for the newcomer's sizes too; its last answer may have been for some of a run. */
static void ask_for_metadata(tf_session_t *s) {
  tf_snapshots_t *n = &s->snapshots;
  if (!s->config.metadata || !tf_feed_tells_metadata(s->feed)) return;
  n->metadata_on = true;
  n->metadata_idx -= n->metadata_idx > 0;
}

static tf_err_t subscribe(tf_session_t *s, const char *text, uint32_t channels,
                          tf_source_reply_t *reply) {
  uint32_t symbol;
  tf_err_t err = check_channels(s, channels);
  if (!err) err = find_symbol(s, text, &symbol, &reply->instrument_id);
  if (!err) err = check_room(s, symbol, channels);
  if (err) return err;
  reply->channels = channels & ~tf_streams_wanted(active_streams(s), symbol);
  for (uint32_t i = 0; i < s->leg_cnt; i++)
    tf_streams_want(&s->legs[i].streams, symbol, reply->instrument_id, channels, s->now_ns);
  ask_for_metadata(s);
  if (!tf_session_in_band(s) && (reply->channels & TF_CHANNEL_BOOK))
    tf_snapshots_want(&s->snapshots, reply->instrument_id);
  return TF_OK;
}

/* The symbol that text names among those that are subscribed. */
static bool find_subscribed(tf_session_t *s, const char *text, uint32_t *symbol,
                            uint32_t *instrument_id) {
  const tf_instruments_t *table   = s->config.feed_config.instruments;
  const tf_streams_t     *streams = active_streams(s);
  for (*symbol = 0; *symbol < streams->config.symbol_cap; ++*symbol) {
    *instrument_id = streams->instrument_ids[*symbol];
    if (tf_streams_wanted(streams, *symbol) != 0 && *instrument_id < table->cnt &&
        strcasecmp(table->rows[*instrument_id].symbol, text) == 0)
      return true;
  }
  return false;
}

static tf_err_t unsubscribe(tf_session_t *s, const char *text, uint32_t channels,
                            tf_source_reply_t *reply) {
  uint32_t symbol;
  tf_err_t err = check_channels(s, channels);
  if (err) return err;
  if (!find_subscribed(s, text, &symbol, &reply->instrument_id))
    return TF_ERR(E_CONFIG_VALUE, "\"%s\" is not subscribed", text);
  reply->channels = channels & tf_streams_wanted(active_streams(s), symbol);
  for (uint32_t i = 0; i < s->leg_cnt; i++)
    tf_streams_unwant(&s->legs[i].streams, symbol, channels, s->now_ns);
  /* nobody keeps its book up to date any longer: the lane is told so, as of a gap */
  if (!tf_streams_wants_book(active_streams(s), reply->instrument_id))
    tf_session_lose_book(s, reply->instrument_id);
  return TF_OK;
}

/* ---- listing ---- */

static void list(tf_session_t *s, uint32_t from, tf_source_reply_t *reply) {
  const tf_streams_t *streams = active_streams(s);
  const tf_stream_t  *row;
  uint32_t            symbol, channel;
  while (reply->stream_cnt < TF_SOURCE_STREAMS_A_PAGE &&
         tf_streams_next(streams, &from, &row, &symbol, &channel)) {
    tf_source_stream_t *to = &reply->streams[reply->stream_cnt++];
    *to                    = (tf_source_stream_t){.instrument_id = streams->instrument_ids[symbol],
                                                  .channel       = channel,
                                                  .state         = row->state,
                                                  .try_cnt       = row->try_cnt,
                                                  .request_id    = row->request_id,
                                                  .asked_ns      = row->asked_ns,
                                                  .data_ns       = row->data_ns};
    snprintf(to->refusal, sizeof to->refusal, "%s", streams->texts[row->text_idx]);
  }
  reply->next = reply->stream_cnt == TF_SOURCE_STREAMS_A_PAGE ? from : UINT32_MAX;
}

void tf_session_command(tf_source_t *source, const tf_source_command_t *command,
                        tf_source_reply_t *reply) {
  tf_session_t *s        = (tf_session_t *)source;
  uint32_t      channels = command->channels ? command->channels : s->config.feed_config.channels;
  memset(reply, 0, sizeof *reply);
  reply->instrument_id = UINT32_MAX;
  switch ((tf_source_command_kind_t)command->kind) {
  case TF_SOURCE_SUBSCRIBE: reply->err = subscribe(s, command->symbol, channels, reply); break;
  case TF_SOURCE_UNSUBSCRIBE: reply->err = unsubscribe(s, command->symbol, channels, reply); break;
  case TF_SOURCE_STREAMS: list(s, command->from, reply); break;
  }
  if (reply->err) snprintf(reply->text, sizeof reply->text, "%s", tf_error_text());
  s->housekeep_due_ns = 0;
}

/* ---- counts ---- */

#define DOWN_FLAG (UINT64_C(1) << 63)

void tf_session_count_streams(tf_session_t *s) {
  const tf_source_streams_t *now = &active_streams(s)->counts;
  tf_source_streams_t        sum = {0};
  for (uint32_t i = 0; i < s->leg_cnt; i++) {
    const tf_source_streams_t *one = &s->legs[i].streams.counts;
    sum.requests += one->requests;
    sum.acks += one->acks;
    sum.refusals += one->refusals;
    sum.strays += one->strays;
    sum.silent_asked += one->silent_asked;
    sum.silent += one->silent;
    sum.refused += one->refused;
    sum.resyncs += one->resyncs;
  }
  memcpy(sum.by_state, now->by_state, sizeof sum.by_state);
  s->source.streams = sum;

  uint64_t down = now->by_state[TF_STREAM_REFUSED] + now->by_state[TF_STREAM_SILENT];
  uint64_t seen = down == 0 ? 0 : (sum.refusals + sum.silent) << 20 | down;
  if (TF_LIKELY(seen == s->stream_down_seen)) return;
  s->stream_down_seen = seen;
  tf_stream_trouble_t t;
  uint64_t            word = 0;
  if (tf_streams_first_down(active_streams(s), &t))
    word = DOWN_FLAG | (uint64_t)t.state << 40 | (uint64_t)t.channel << 32 | t.instrument_id;
  /* relaxed: a lone word */
  tf_store_relaxed(&s->stream_down, word);
}

bool tf_session_stream_down(const tf_source_t *source, uint32_t *instrument_id, uint32_t *channel,
                            tf_stream_state_t *state) {
  /* relaxed: a lone word; the instrument's row was published before it was subscribed to */
  uint64_t word  = tf_load_relaxed(&((const tf_session_t *)source)->stream_down);
  *instrument_id = (uint32_t)word;
  *channel       = (uint32_t)(word >> 32 & 0xff);
  *state         = (tf_stream_state_t)(word >> 40 & 0xff);
  return (word & DOWN_FLAG) != 0;
}
