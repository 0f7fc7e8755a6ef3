#include "input.h"

#include <string.h>

#include "boot/engine.h"
#include "core/error.h"
#include "registry.h"

static void set_feed_config(const tf_config_t *config, const tf_feed_t *feed,
                            tf_instruments_t *instruments, tf_feed_config_t *out) {
  *out = (tf_feed_config_t){.instruments = instruments,
                            .channels    = TF_CHANNEL_TRADE | TF_CHANNEL_QUOTE | TF_CHANNEL_BOOK,
                            .pending_cap = 1024};
  for (uint32_t i = 0; i < config->feed_cnt; i++) {
    const tf_config_feed_t *f = &config->feeds[i];
    if (strcmp(f->venue, feed->venue) != 0) continue;
    out->symbols    = f->instruments.items;
    out->symbol_cnt = f->instruments.item_cnt;
    out->channels   = f->channels;
  }
}

tf_err_t tickfuse_input(const char *text, const char *venue, const tf_config_t *config,
                        tf_instruments_t *instruments, tf_replay_input_t *input,
                        tf_feed_config_t *feed_config) {
  char        named[64] = "";
  const char *colon     = strchr(text, ':');
  input->path           = text;
  if (colon && !memchr(text, '/', (size_t)(colon - text)) &&
      (size_t)(colon - text) < sizeof named) {
    memcpy(named, text, (size_t)(colon - text));
    input->path = colon + 1;
  }
  if (tf_tape_reader_is_tape(input->path)) return TF_OK;
  if (!named[0] && venue)
    snprintf(named, sizeof named, "%s", venue);
  else if (!named[0] && config->feed_cnt == 1)
    snprintf(named, sizeof named, "%s", config->feeds[0].venue);
  if (!named[0])
    return TF_ERR(E_BOOT_INPUT, "--input %s names no venue: write --input binance-spot:%s", text,
                  text);
  tf_err_t err = tf_engine_feed(tickfuse_registry(), named, &input->feed);
  if (err) return tf_error_add(err, "reading --input %s", text);
  set_feed_config(config, input->feed, instruments, feed_config);
  input->feed_config = feed_config;
  return TF_OK;
}
