#include "boot/peer_config.h"

#include <string.h>
#include <strings.h>

#include "boot/feature_compile.h"
#include "core/error.h"

/* Venue events brings instruments of any venue, by patterns that the feed itself knows. */
static bool is_of_feed(const tf_config_feed_t *feed, const char *instrument) {
  const char *dot = strrchr(instrument, '.');
  if (strcmp(feed->venue, "events") == 0) return true;
  if (strcasecmp(dot + 1, feed->venue) != 0) return false;
  if (feed->instruments.item_cnt == 0 || feed->instruments_max > 0 || instrument[0] == '*')
    return true;
  for (uint32_t i = 0; i < feed->instruments.item_cnt; i++) {
    const char *symbol = feed->instruments.items[i];
    if (strlen(symbol) == (size_t)(dot - instrument) &&
        strncasecmp(symbol, instrument, strlen(symbol)) == 0)
      return true;
  }
  return false;
}

/* A config with feeds brings its peers by one of them, into this process: it has the one lane. */
static bool is_brought(const tf_config_t *c, const char *instrument) {
  for (uint32_t i = 0; i < c->feed_cnt; i++)
    if (is_of_feed(&c->feeds[i], instrument)) return true;
  return c->feed_cnt == 0;
}

static tf_err_t check_peer(const tf_config_t *c, const tf_feature_peer_t *peer) {
  if (is_brought(c, peer->instrument)) return TF_OK;
  return TF_ERR(
      E_CONFIG_VALUE,
      "%s: features read \"%s\" of %s, which no feed of this config brings: a process has one "
      "lane, and instruments that read one another share it; add it to feeds[].instruments",
      c->path, peer->name, peer->instrument);
}

tf_err_t tf_peer_config_list(const tf_config_t *c,
                             tf_feature_peer_t peers[TF_FEATURE_PLAN_PEERS_MAX], uint32_t *cnt) {
  char path[64], where[256];
  *cnt = 0;
  for (uint32_t i = 0; i < c->peer_cnt; i++) {
    const tf_config_peer_t *row = &c->peers[i];
    snprintf(path, sizeof path, "peers[%u].instruments", i);
    tf_config_where(c, path, where, sizeof where);
    for (uint32_t k = 0; k < i; k++)
      if (!strcmp(c->peers[k].name, row->name))
        return TF_ERR(E_CONFIG_VALUE, "%s: two peers are named \"%s\"", where, row->name);
    if (row->instruments.item_cnt == 0)
      return TF_ERR(E_CONFIG_VALUE,
                    "%s: found [\"*\"], expected names such as ETHUSDT.BINANCE-SPOT", where);
    for (uint32_t k = 0; k < row->instruments.item_cnt; k++, (*cnt)++) {
      const char *instrument = row->instruments.items[k];
      if (!tf_feature_compile_is_instrument(instrument))
        return TF_ERR(E_CONFIG_VALUE,
                      "%s: found \"%s\", expected SYMBOL.VENUE such as ETHUSDT.BINANCE-SPOT, or "
                      "*.VENUE for the own symbol there",
                      where, instrument);
      if (*cnt == TF_FEATURE_PLAN_PEERS_MAX)
        return TF_ERR(E_CONFIG_VALUE, "%s: more than %d instruments in all", where,
                      TF_FEATURE_PLAN_PEERS_MAX);
      tf_feature_peer_t *peer = &peers[*cnt];
      *peer                   = (tf_feature_peer_t){.max_age_ns =
                                      row->max_age_ns ? row->max_age_ns : TF_FEATURE_AGE_NS_MAX,
                                                    .books_ok = row->books,
                                                    .wakes    = row->wake};
      snprintf(peer->name, sizeof peer->name, "%s", row->name);
      snprintf(peer->instrument, sizeof peer->instrument, "%s", instrument);
    }
  }
  return TF_OK;
}

tf_err_t tf_peer_config_universe(const tf_config_t *c, tf_feature_universe_t *universe) {
  const tf_config_universe_t *row = &c->universe;
  char                        where[256];
  for (uint32_t i = 0; i < row->instruments.item_cnt; i++) {
    const char *name = row->instruments.items[i];
    bool        is   = tf_feature_compile_is_instrument(name);
    if (is && is_brought(c, name)) continue;
    tf_config_where(c, "universe.instruments", where, sizeof where);
    if (is)
      return TF_ERR(E_CONFIG_VALUE, "%s: found \"%s\", which no feed of this config brings", where,
                    name);
    return TF_ERR(
        E_CONFIG_VALUE,
        "%s: found \"%s\", expected SYMBOL.VENUE such as ETHUSDT.BINANCE-SPOT, *.VENUE for "
        "all instruments there, or [\"*\"] for all of the config",
        where, name);
  }
  *universe = (tf_feature_universe_t){.instruments = row->instruments.items,
                                      .name_cnt    = row->instruments.item_cnt,
                                      .books_ok    = row->books,
                                      .max_age_ns  = row->max_age_ns ? row->max_age_ns
                                                                     : TF_FEATURE_AGE_NS_MAX};
  return TF_OK;
}

tf_err_t tf_peer_config_check(const tf_config_t *c, const tf_feature_plan_t *plan) {
  tf_err_t err = TF_OK;
  for (uint32_t i = 0; i < plan->peer_cnt && !err; i++) err = check_peer(c, &plan->peers[i]);
  return err;
}
