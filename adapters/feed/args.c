#include "feed/args.h"

const tf_json_key_t tf_args_root_keys[TF_ARGS_ROOT_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [TF_ARGS_EVENT]   = TF_JSON_KEY("event", TF_JSON_WANT_TEXT),
    [TF_ARGS_ACTION]  = TF_JSON_KEY("action", TF_JSON_WANT_TEXT),
    [TF_ARGS_ARG_KEY] = TF_JSON_KEY("arg", TF_JSON_WANT_SECOND),
    [TF_ARGS_DATA]    = TF_JSON_KEY("data", TF_JSON_WANT_ITEMS),
    [TF_ARGS_CODE]    = TF_JSON_KEY("code", TF_JSON_WANT_TEXT),
    [TF_ARGS_MSG]     = TF_JSON_KEY("msg", TF_JSON_WANT_TEXT),
    [TF_ARGS_ID]      = TF_JSON_KEY("id", TF_JSON_WANT_TEXT),
};
const tf_json_key_t tf_args_arg_keys[TF_ARGS_ARG_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [TF_ARGS_TYPE]    = TF_JSON_KEY("instType", TF_JSON_WANT_TEXT),
    [TF_ARGS_CHANNEL] = TF_JSON_KEY("channel", TF_JSON_WANT_TEXT),
    [TF_ARGS_SYMBOL]  = TF_JSON_KEY("instId", TF_JSON_WANT_TEXT),
};

/* {"event":"subscribe","id":..,"arg":{..}}, one a stream; {"event":"error","id":..,"code":..,"msg":..}. */
TF_COLD static void on_event(tf_in_band_t *in, const tf_in_band_channel_t *channels) {
  const tf_json_value_t      *name = tf_in_band_value(in, TF_ARGS_ARG, TF_ARGS_CHANNEL);
  const tf_in_band_channel_t *channel =
      name != NULL ? tf_in_band_channel_of(in, channels, name) : NULL;
  bool     is_error = tf_in_band_is(in, TF_ARGS_ROOT, TF_ARGS_EVENT, "error");
  uint64_t id       = 0;
  if (is_error) tf_in_band_complain(in, TF_ARGS_ROOT, TF_ARGS_MSG);
  bool is_login = tf_in_band_is(in, TF_ARGS_ROOT, TF_ARGS_EVENT, "login");
  if (is_login || (is_error && in->key != NULL && !in->is_login_answered)) {
    in->is_login_answered = true; /* an error before it is about it: nothing else was asked for */
    return;
  }
  if (!is_error && !tf_in_band_is(in, TF_ARGS_ROOT, TF_ARGS_EVENT, "subscribe") &&
      !tf_in_band_is(in, TF_ARGS_ROOT, TF_ARGS_EVENT, "unsubscribe"))
    return;
  tf_in_band_u64(in, TF_ARGS_ROOT, TF_ARGS_ID, &id);
  tf_in_band_answer(in, id, channel != NULL ? channel->channels : 0,
                    tf_in_band_value(in, TF_ARGS_ARG, TF_ARGS_SYMBOL), is_error);
}

const tf_in_band_channel_t *tf_args_route(tf_in_band_t *in, const tf_in_band_channel_t *channels,
                                          uint32_t seq, tf_in_band_route_t *r) {
  const tf_json_value_t *name   = tf_in_band_value(in, TF_ARGS_ARG, TF_ARGS_CHANNEL),
                        *symbol = tf_in_band_value(in, TF_ARGS_ARG, TF_ARGS_SYMBOL);
  if (tf_in_band_value(in, TF_ARGS_ROOT, TF_ARGS_EVENT) != NULL) {
    r->what = TF_IN_BAND_CONTROL;
    on_event(in, channels);
    return NULL;
  }
  if (name == NULL || name->kind != TF_JSON_STRING) return NULL;
  r->what                         = TF_IN_BAND_IGNORED;
  r->name                         = name->bytes;
  r->name_bytes                   = name->bytes_cnt;
  const tf_in_band_channel_t *row = tf_in_band_take_channel(in, r, channels, name);
  if (row == NULL) return NULL;
  r->is_snapshot |= tf_in_band_is(in, TF_ARGS_ROOT, TF_ARGS_ACTION, "snapshot");
  r->rule = row->is_whole                                     ? TF_BOOK_RULE_WHOLE
            : tf_in_band_value(in, TF_ARGS_ITEM, seq) != NULL ? TF_BOOK_RULE_PREVIOUS
                                                              : TF_BOOK_RULE_NONE;
  if (symbol != NULL) r->symbol = *symbol;
  return row;
}

void tf_args_begin(tf_text_out_t *t, const tf_feed_request_t *request, uint64_t id) {
  tf_text_out_char(t, '{');
  if (id != 0) {
    tf_text_out_put(t, "\"id\":\"");
    tf_text_out_u64(t, id);
    tf_text_out_put(t, "\",");
  }
  tf_text_out_put(t, request->unsubscribe ? "\"op\":\"unsubscribe\",\"args\":["
                                          : "\"op\":\"subscribe\",\"args\":[");
}
