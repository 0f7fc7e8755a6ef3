/* OKX's dialect of a websocket, which Bitget took over: what both venues' files have in common.
 *
 *   {"arg":{"channel":"books","instId":"BTC-USDT"},"action":"snapshot"|"update","data":[{..},..]}
 *   {"event":"subscribe"|"unsubscribe"|"error","arg":{..},"id":..,"code":..,"msg":..}
 *   {"id":..,"op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"},..]}
 *
 * A venue's file has the table of its channels, the keys of an item and the forms of items; the root and
 * "arg" are here, Bitget's "instType" among them. Books carry a sequence that points to the message before, or
 * in recordings from before there was one a checksum over 25 levels. */
#ifndef TF_FEED_ARGS_H
#define TF_FEED_ARGS_H

#include "feed/in_band.h"
#include "feed/text_out.h"

enum { TF_ARGS_ROOT, TF_ARGS_ARG, TF_ARGS_ITEM, TF_ARGS_OBJECT_CNT };
enum {
  TF_ARGS_EVENT = 1,
  TF_ARGS_ACTION,
  TF_ARGS_ARG_KEY,
  TF_ARGS_DATA,
  TF_ARGS_CODE,
  TF_ARGS_MSG,
  TF_ARGS_ID,
  TF_ARGS_ROOT_KEY_CNT
};
enum { TF_ARGS_TYPE = 1, TF_ARGS_CHANNEL, TF_ARGS_SYMBOL, TF_ARGS_ARG_KEY_CNT };
extern const tf_json_key_t tf_args_root_keys[TF_ARGS_ROOT_KEY_CNT];
extern const tf_json_key_t tf_args_arg_keys[TF_ARGS_ARG_KEY_CNT];

/* The objects of a message whose items have these keys. */
#define TF_ARGS_OBJECTS(item_keys, item_key_cnt)                                                   \
  {                                                                                                \
    [TF_ARGS_ROOT] = {tf_args_root_keys, TF_ARGS_ROOT_KEY_CNT, TF_ARGS_ITEM, TF_ARGS_ARG},         \
    [TF_ARGS_ARG]  = {tf_args_arg_keys, TF_ARGS_ARG_KEY_CNT, 0, 0},                                \
    [TF_ARGS_ITEM] = {item_keys, item_key_cnt, 0, 0},                                              \
  }

/* What a message is: an answer is taken, a channel's row goes to the route with the symbol. seq: the item's key
 * of its sequence; a book without one follows no rule. NULL: it is no data. */
const tf_in_band_channel_t *tf_args_route(tf_in_band_t *in, const tf_in_band_channel_t *channels,
                                          uint32_t seq, tf_in_band_route_t *r);

/* A request up to its first arg. id 0: the venue repeats none. */
void tf_args_begin(tf_text_out_t *t, const tf_feed_request_t *request, uint64_t id);

#endif
