/* One feed of a config as the connections that its venue wants: runs of symbols short enough for the
 * venue's bound on streams (tf_feed_t.streams_each), and apart where the venue serves
 * channels on connections of their own. Each shard becomes a session, and a source of its own.
 *
 * Pure: the same feed, channels, symbols and bound give the same shards, so that `check` prints what `run`
 * does. The sizes of a group's shards differ by one symbol at most: no connection is the slow one because
 * it was filled first. */
#ifndef FEED_SHARD_H
#define FEED_SHARD_H

#include "tf/feed.h"

#define TF_SHARDS_MAX 64u /* of a feed */

typedef struct tf_shard {
  uint32_t channels;                 /* TF_CHANNEL_* of this connection */
  uint32_t symbol_first, symbol_cnt; /* of the feed's symbols */
} tf_shard_t;

/* What one connection may carry: the config's word, held to the venue's where that is known. 0: no
 * bound. */
uint32_t tf_shard_streams_max(const tf_feed_t *feed, uint32_t configured);

/* Writes at most TF_SHARDS_MAX shards. apart false: all channels share connections, whatever the feed
 * says (the config has a path of its own). E_FEED_LIMIT: streams_max does not even hold the channels of
 * one symbol, or there would be more than TF_SHARDS_MAX. symbol_cnt 0 gives no shards. */
tf_err_t tf_shard_plan(const tf_feed_t *feed, uint32_t channels, uint32_t symbol_cnt,
                       uint32_t streams_max, bool apart, tf_shard_t shards[TF_SHARDS_MAX],
                       uint32_t *shard_cnt);

/* "main" where a feed is one connection, else "main/0", with the feed's name cut where cap wants it. */
void tf_shard_name(const char *feed_name, uint32_t shard_idx, uint32_t shard_cnt, char *name,
                   size_t cap);

#endif
