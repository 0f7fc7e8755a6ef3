#include "feed/shard.h"

#include <string.h>

#include "core/error.h"

uint32_t tf_shard_streams_max(const tf_feed_t *feed, uint32_t configured) {
  if (configured == 0 || (feed->streams_max != 0 && configured > feed->streams_max))
    return feed->streams_max;
  return configured;
}

/* The channels in groups: those that the feed wants apart, then the rest. */
static uint32_t groups_of(const tf_feed_t *feed, uint32_t channels, bool apart,
                          uint32_t groups[TF_CHANNEL_CNT + 1]) {
  uint32_t cnt = 0, rest = channels;
  for (uint32_t i = 0; apart && i < TF_CHANNEL_CNT; i++) {
    uint32_t group = rest & feed->channel_groups[i];
    if (group != 0) groups[cnt++] = group;
    rest &= ~group;
  }
  if (rest != 0) groups[cnt++] = rest;
  return cnt;
}

static tf_err_t cut(const tf_feed_t *feed, uint32_t channels, uint32_t symbol_cnt,
                    uint32_t streams_max, tf_shard_t *shards, uint32_t *shard_cnt) {
  uint32_t a_symbol = tf_feed_streams_of(feed, channels);
  uint32_t most     = streams_max == 0 ? symbol_cnt : streams_max / a_symbol;
  if (most == 0)
    return TF_ERR(E_FEED_LIMIT, "%u streams a connection of %s: one symbol has %u", streams_max,
                  feed->venue, a_symbol);
  uint32_t cnt = symbol_cnt / most + (symbol_cnt % most != 0);
  if (cnt > TF_SHARDS_MAX - *shard_cnt)
    return TF_ERR(E_FEED_LIMIT,
                  "%u symbols at %u streams a connection of %s: more than %u connections; name "
                  "fewer instruments",
                  symbol_cnt, streams_max, feed->venue, TF_SHARDS_MAX);
  uint32_t first = 0;
  for (uint32_t i = 0; i < cnt; i++) {
    uint32_t size          = symbol_cnt / cnt + (i < symbol_cnt % cnt);
    shards[(*shard_cnt)++] = (tf_shard_t){channels, first, size};
    first += size;
  }
  return TF_OK;
}

tf_err_t tf_shard_plan(const tf_feed_t *feed, uint32_t channels, uint32_t symbol_cnt,
                       uint32_t streams_max, bool apart, tf_shard_t shards[TF_SHARDS_MAX],
                       uint32_t *shard_cnt) {
  uint32_t groups[TF_CHANNEL_CNT + 1];
  uint32_t group_cnt = groups_of(feed, channels, apart, groups);
  tf_err_t err       = TF_OK;
  *shard_cnt         = 0;
  for (uint32_t i = 0; i < group_cnt && symbol_cnt > 0 && err == TF_OK; i++)
    err = cut(feed, groups[i], symbol_cnt, streams_max, shards, shard_cnt);
  return err;
}

void tf_shard_name(const char *feed_name, uint32_t shard_idx, uint32_t shard_cnt, char *name,
                   size_t cap) {
  char tail[16] = "";
  if (shard_cnt > 1) snprintf(tail, sizeof tail, "/%u", shard_idx);
  TF_ASSERT(strlen(tail) + 1 < cap);
  snprintf(name, cap, "%.*s%s", (int)(cap - 1 - strlen(tail)), feed_name, tail);
}
