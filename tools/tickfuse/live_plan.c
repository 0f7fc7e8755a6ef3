#include "live_plan.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "feed/feeds.h"
#include "live_intakes.h"
#include "registry.h"

/* Where a feed is wrong: the key of its config that people have to change. */
static const char *key_of_mistake(const tf_config_feed_t *f, tf_err_t err) {
  if (err == E_FEED_KEY) return "key_file";
  if (err == E_FEED_REFUSED) return "channels";
  return f->streams_per_connection != 0 && err == E_FEED_LIMIT ? "streams_per_connection"
                                                               : "instruments";
}

/* What the venue's table of channels lacks. */
static tf_err_t check_channels(const tf_config_feed_t *f, const tf_feed_t *feed) {
  uint32_t missing = f->channels;
  for (const tf_feed_channel_t *c = feed->channels; c != NULL && c->names != NULL; c++)
    missing &= ~c->channel;
  if (missing == 0 || feed->channels == NULL) return TF_OK;
  return TF_ERR(E_FEED_REFUSED, "%s has no %s", feed->venue,
                tf_channel_name((uint32_t)__builtin_ctz(missing)));
}

static tf_err_t check_key(const tf_config_feed_t *f, const tf_feed_t *feed) {
  if (f->key_file == NULL || feed->key_channels != NULL) return TF_OK;
  return TF_ERR(E_FEED_KEY, "no channel of %s that is published wants a key: leave it out",
                feed->venue);
}

/* What an intake brings is one connection, whatever it is of. */
static tf_err_t add_intake(tf_live_plan_t *plan, const tf_config_feed_t *f, uint32_t feed_idx,
                           const tf_feed_t *feed) {
  if (plan->cnt == TF_LIVE_CONNECTIONS_MAX)
    return TF_ERR(E_FEED_LIMIT, "more than %u connections", TF_LIVE_CONNECTIONS_MAX);
  tf_live_connection_t *row = &plan->rows[plan->cnt++];
  *row                      = (tf_live_connection_t){.feed_idx   = feed_idx,
                                                     .feed       = feed,
                                                     .channels   = f->channels,
                                                     .symbols    = f->instruments.items,
                                                     .symbol_cnt = f->instruments.item_cnt,
                                                     .leg_cnt    = 1};
  snprintf(row->name, sizeof row->name, "%s", f->name);
  return TF_OK;
}

static tf_err_t add_feed(tf_live_plan_t *plan, const tf_config_t *config, uint32_t feed_idx,
                         const char **key) {
  const tf_config_feed_t *f = &config->feeds[feed_idx];
  const tf_feed_t        *feed;
  tf_shard_t              shards[TF_SHARDS_MAX];
  uint32_t                cnt;
  tf_err_t                err = tf_engine_feed(tickfuse_registry(), f->venue, &feed);
  if (!err) err = tf_live_intakes_check(config, feed_idx, feed, key);
  if (err) return err;
  *key = NULL;
  if (!tf_feed_is_dialed(feed)) return add_intake(plan, f, feed_idx, feed);
  if (!err) err = check_channels(f, feed);
  if (!err) err = check_key(f, feed);
  for (uint32_t i = 0; i < f->instruments.item_cnt && !err; i++)
    err = tf_feeds_check_symbol(feed, f->instruments.items[i]);
  if (!err)
    err = tf_shard_plan(feed, f->channels, f->instruments.item_cnt,
                        tf_shard_streams_max(feed, f->streams_per_connection), f->path == NULL,
                        shards, &cnt);
  if (err) return err;
  if (cnt > TF_LIVE_CONNECTIONS_MAX - plan->cnt)
    return TF_ERR(E_FEED_LIMIT, "%u connections beside %u of other feeds; at most %u in one run",
                  cnt, plan->cnt, TF_LIVE_CONNECTIONS_MAX);
  for (uint32_t i = 0; i < cnt; i++) {
    tf_live_connection_t *row = &plan->rows[plan->cnt++];
    *row                      = (tf_live_connection_t){.feed_idx      = feed_idx,
                                                       .feed          = feed,
                                                       .channels      = shards[i].channels,
                                                       .symbols       = f->instruments.items + shards[i].symbol_first,
                                                       .symbol_cnt    = shards[i].symbol_cnt,
                                                       .leg_cnt       = f->legs,
                                                       .asks_metadata = shards[i].channels == shards[0].channels};
    tf_shard_name(f->name, i, cnt, row->name, sizeof row->name);
  }
  return TF_OK;
}

/* Which of "BTCUSDT=BTC-USD" are about this row's symbols: ours and theirs. */
static tf_err_t pair_up(tf_live_plan_t *plan, const tf_config_fallback_t *f,
                        const tf_live_connection_t *primary, tf_live_connection_t *row) {
  size_t bytes = 0;
  for (uint32_t i = 0; i < f->instruments.item_cnt; i++)
    bytes += strlen(f->instruments.items[i]) + 1;
  const char **texts            = calloc(2 * (size_t)primary->symbol_cnt, sizeof *texts);
  char        *names            = malloc(bytes);
  plan->texts[plan->text_cnt]   = texts;
  plan->names[plan->text_cnt++] = names;
  if (!texts || !names) return TF_ERR(E_CORE_NO_MEMORY, "for the instruments of a fallback");
  for (uint32_t i = 0; i < f->instruments.item_cnt; i++) {
    const char *pair = f->instruments.items[i];
    size_t      cnt  = strcspn(pair, "=");
    for (uint32_t k = 0; k < primary->symbol_cnt; k++) {
      if (strlen(primary->symbols[k]) != cnt || memcmp(primary->symbols[k], pair, cnt) != 0)
        continue;
      strcpy(names, pair + cnt + 1); /* shorter than the pair, which bytes has room for */
      texts[row->symbol_cnt]                         = names;
      texts[primary->symbol_cnt + row->symbol_cnt++] = primary->symbols[k];
      names += strlen(names) + 1;
    }
  }
  row->symbols = texts;
  row->ours    = texts + primary->symbol_cnt;
  return TF_OK;
}

/* The connection that stands in for a row by one entry of its feed's fallback; none where that is a tape or
 * another venue's that has none of its instruments. */
static tf_err_t add_fallback(tf_live_plan_t *plan, const tf_config_t *config, uint32_t primary_idx,
                             uint32_t fallback_idx) {
  const tf_live_connection_t *primary = &plan->rows[primary_idx];
  const tf_config_fallback_t *f       = &config->feeds[primary->feed_idx].fallbacks[fallback_idx];
  tf_live_connection_t        row     = *primary;
  tf_shard_t                  shards[TF_SHARDS_MAX];
  uint32_t                    cnt;
  tf_err_t                    err = TF_OK;
  if (f->tape || f->capture) return TF_OK;
  row.kind          = f->venue ? TF_ROUTE_VENUE : TF_ROUTE_ENDPOINT;
  row.primary_idx   = primary_idx;
  row.fallback_idx  = fallback_idx;
  row.asks_metadata = false;
  snprintf(row.name, sizeof row.name, "%.28s~%u", primary->name,
           (fallback_idx + 1) % 100); /* a feed has fewer: the compiler wants to see it */
  if (f->venue) {
    row.symbol_cnt = 0;
    err            = tf_engine_feed(tickfuse_registry(), f->venue, &row.feed);
    if (!err) err = pair_up(plan, f, primary, &row);
    for (uint32_t i = 0; i < row.symbol_cnt && !err; i++)
      err = tf_feeds_check_symbol(row.feed, row.symbols[i]);
    if (err || row.symbol_cnt == 0) return err;
  }
  err = tf_shard_plan(row.feed, row.channels, row.symbol_cnt, row.feed->streams_max,
                      f->venue != NULL || config->feeds[row.feed_idx].path == NULL, shards, &cnt);
  if (!err && cnt > 1)
    err = TF_ERR(E_FEED_LIMIT,
                 "%u streams of %s: more than one connection takes; a connection that stands in "
                 "is one: make the feed's own smaller (streams_per_connection)",
                 row.symbol_cnt * tf_feed_streams_of(row.feed, row.channels), row.feed->venue);
  if (!err && plan->cnt == TF_LIVE_CONNECTIONS_MAX)
    err = TF_ERR(E_FEED_LIMIT, "more than %u connections with those that stand in",
                 TF_LIVE_CONNECTIONS_MAX);
  if (!err) plan->rows[plan->cnt++] = row;
  return err;
}

static tf_err_t add_fallbacks(tf_live_plan_t *plan, const tf_config_t *config) {
  uint32_t primary_cnt = plan->cnt;
  char     path[64], where[512], text[512];
  for (uint32_t i = 0; i < primary_cnt; i++) {
    uint32_t feed_idx = plan->rows[i].feed_idx;
    for (uint32_t k = 0; k < config->feeds[feed_idx].fallback_cnt; k++) {
      tf_err_t err = add_fallback(plan, config, i, k);
      if (err == TF_OK) continue;
      snprintf(path, sizeof path, "feeds[%u].fallback[%u]", feed_idx, k);
      snprintf(text, sizeof text, "%s", tf_error_text());
      return TF_ERR(err, "%s: %s", tf_config_where(config, path, where, sizeof where), text);
    }
  }
  return TF_OK;
}

void tf_live_plan_fini(tf_live_plan_t *plan) {
  for (uint32_t i = 0; i < plan->text_cnt; i++) {
    free(plan->texts[i]);
    free(plan->names[i]);
  }
  memset(plan, 0, sizeof *plan);
}

tf_err_t tf_live_plan_make(tf_live_plan_t *plan, const tf_config_t *config) {
  char path[64], where[512], text[TF_ERROR_TEXT_BYTES];
  plan->cnt = 0;
  for (uint32_t i = 0; i < config->feed_cnt; i++) {
    const char *key = NULL;
    tf_err_t    err = add_feed(plan, config, i, &key);
    if (err == TF_OK) continue;
    if (!key) key = key_of_mistake(&config->feeds[i], err);
    snprintf(path, sizeof path, "feeds[%u].%s", i, key);
    snprintf(text, sizeof text, "%s", tf_error_text());
    return TF_ERR(err, "%s: %s", tf_config_where(config, path, where, sizeof where), text);
  }
  return add_fallbacks(plan, config);
}

tf_feed_config_t tf_live_plan_feed(const tf_live_connection_t *row, const tf_config_feed_t *f,
                                   tf_instruments_t *instruments, const tf_feed_key_t *key) {
  return (tf_feed_config_t){.instruments       = instruments,
                            .symbols           = row->symbols,
                            .symbol_cnt        = row->symbol_cnt,
                            .symbols_max       = row->symbol_cnt + tf_config_feed_room(f),
                            .channels          = row->channels,
                            .pending_cap       = TF_LIVE_PENDING_CAP,
                            .book_depth        = f->book_depth,
                            .reorder_window_ns = f->reorder_window_ns,
                            .key               = key,
                            .times_kept        = f->times == TF_CONFIG_TIMES_KEPT,
                            .ids_kept          = f->ids_kept};
}

static tf_err_t check_row(const tf_live_connection_t *row, const tf_config_feed_t *f,
                          tf_instruments_t *instruments) {
  static const tf_feed_key_t some_key = {"id", "c2VjcmV0", "passphrase"}; /* the file comes later */
  tf_feed_config_t config = tf_live_plan_feed(row, f, instruments, f->key_file ? &some_key : NULL);
  size_t           bytes  = tf_align_up(row->feed->state_bytes(row->feed, &config), TF_LINE_BYTES);
  void            *state  = aligned_alloc(TF_LINE_BYTES, bytes);
  tf_err_t         err    = state ? row->feed->init(row->feed, state, &config)
                                  : TF_ERR(E_CORE_NO_MEMORY, "%zu bytes for a feed", bytes);
  free(state);
  return err;
}

tf_err_t tf_live_plan_check(const tf_live_plan_t *plan, const tf_config_t *config,
                            tf_instruments_t *instruments) {
  char path[64], where[512], text[512];
  for (uint32_t i = 0; i < plan->cnt; i++) {
    const tf_live_connection_t *row = &plan->rows[i];
    tf_err_t                    err = check_row(row, &config->feeds[row->feed_idx], instruments);
    if (err == TF_OK) continue;
    bool is_depth =
        config->feeds[row->feed_idx].book_depth && strstr(tf_error_text(), "book_depth");
    snprintf(path, sizeof path, "feeds[%u].%s", row->feed_idx,
             is_depth ? "book_depth" : "instruments");
    snprintf(text, sizeof text, "%s", tf_error_text());
    return TF_ERR(err, "%s: %s", tf_config_where(config, path, where, sizeof where), text);
  }
  return TF_OK;
}

static uint32_t stream_cnt(const tf_live_connection_t *row) {
  return row->symbol_cnt * tf_feed_streams_of(row->feed, row->channels);
}

void tf_live_plan_print(const tf_live_plan_t *plan, const tf_config_t *config, FILE *out) {
  uint32_t socket_cnt = 0;
  for (uint32_t i = 0; i < plan->cnt; i++) {
    const tf_live_connection_t *row = &plan->rows[i];
    if (!tf_feed_is_dialed(row->feed)) {
      tf_live_intakes_say(config, row, out);
      continue;
    }
    fprintf(out, "connection %s: %s,", row->name, row->feed->venue);
    for (uint32_t c = 0; c < TF_CHANNEL_CNT; c++)
      if (row->channels & 1u << c) fprintf(out, " %s", tf_channel_name(c));
    fprintf(out, " of %u instruments, %s .. %s: %u streams", row->symbol_cnt, row->symbols[0],
            row->symbols[row->symbol_cnt - 1], stream_cnt(row));
    if (row->feed->streams_max)
      fprintf(out, " of the %u that the venue takes", row->feed->streams_max);
    if (row->leg_cnt > 1) fprintf(out, ", %u legs", row->leg_cnt);
    if (row->kind != TF_ROUTE_PRIMARY)
      fprintf(out, "; stands in for %s", plan->rows[row->primary_idx].name);
    fputc('\n', out);
    socket_cnt += row->leg_cnt;
  }
  if (socket_cnt > plan->cnt)
    fprintf(out, "sockets: %u, and one more for a connection while a leg is replaced\n",
            socket_cnt);
}

json_t *tf_live_plan_json(const tf_live_plan_t *plan, const tf_config_t *config) {
  json_t *list = json_array();
  for (uint32_t i = 0; i < plan->cnt; i++) {
    const tf_live_connection_t *row      = &plan->rows[i];
    json_t                     *channels = json_array(), *symbols = json_array();
    for (uint32_t c = 0; c < TF_CHANNEL_CNT; c++)
      if (row->channels & 1u << c) json_array_append_new(channels, json_string(tf_channel_name(c)));
    for (uint32_t k = 0; k < row->symbol_cnt; k++)
      json_array_append_new(symbols, json_string(row->symbols[k]));
    json_t *connection =
        json_pack("{sssssssososIsI}", "name", row->name, "feed", config->feeds[row->feed_idx].name,
                  "venue", row->feed->venue, "channels", channels, "instruments", symbols,
                  "streams", (json_int_t)stream_cnt(row), "legs", (json_int_t)row->leg_cnt);
    if (!tf_feed_is_dialed(row->feed))
      json_object_set_new(connection, "intake", tf_live_intakes_plan(config, row));
    json_array_append_new(list, connection);
  }
  return list;
}
