#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "cli.h"
#include "feed/feeds.h"

static const char *const check_words[TF_FEED_CHECK_CNT] = {
#define WORDS(id, words) words,
    TF_FEED_CHECKS(WORDS)
#undef WORDS
};

static const char *channel_name(uint32_t channel) {
  return channel == TF_CHANNEL_TRADE   ? "trade"
         : channel == TF_CHANNEL_QUOTE ? "quote"
         : channel == TF_CHANNEL_BOOK  ? "book"
                                       : "ticker";
}

/* "a; b", or what is left where nothing orders the messages. */
static const char *checks_text(uint32_t checks, char *buf, size_t cap) {
  size_t cnt = 0;
  buf[0]     = '\0';
  for (uint32_t i = 0; i < TF_FEED_CHECK_CNT && cnt < cap; i++)
    if (checks >> i & 1)
      cnt += (size_t)snprintf(buf + cnt, cap - cnt, "%s%s", cnt ? "; " : "", check_words[i]);
  return checks ? buf : "nothing to check but types and numbers";
}

static const char *snapshot_text(const tf_feed_t *feed, const tf_feed_channel_t *channel) {
  if (channel->channel != TF_CHANNEL_BOOK || !tf_feed_is_dialed(feed)) return "-";
  if (channel->checks & TF_FEED_CHECK(WHOLE)) return "each message";
  if (feed->snapshot_target && feed->depths_in_band) return "REST, of some depths in band";
  return feed->snapshot_target ? "REST" : "in band";
}

static const char *limits_text(const tf_feed_t *feed, char *buf, size_t cap) {
  if (!tf_feed_is_dialed(feed)) return "-";
  int n = snprintf(buf, cap, "%u messages/s", feed->subscribe_rate_hz_max);
  if (feed->streams_max > 0)
    n += snprintf(buf + n, cap - (size_t)n, ", %u streams a connection", feed->streams_max);
  if (feed->session_life_ns_max > 0)
    snprintf(buf + n, cap - (size_t)n, ", %" PRIu64 " h a connection",
             feed->session_life_ns_max / (3600 * TF_NS_PER_SEC));
  return buf;
}

static const char *heartbeat_text(const tf_feed_t *feed, char *buf, size_t cap) {
  if (!tf_feed_is_dialed(feed))
    snprintf(buf, cap, "-");
  else if (feed->heartbeat)
    snprintf(buf, cap, "ours every %" PRIu64 " s", feed->heartbeat_ns / TF_NS_PER_SEC);
  else
    snprintf(buf, cap, "the venue's");
  return buf;
}

/* "`host:port`, `other:port`" */
static const char *hosts_text(const tf_feed_t *feed, char *buf, size_t cap) {
  if (!tf_feed_is_dialed(feed)) return "what an intake brings";
  size_t cnt = (size_t)snprintf(buf, cap, "`%s:%s`", feed->ws_host, feed->ws_port);
  for (const tf_feed_host_t *o = feed->ws_others; o && o->host && cnt < cap; o++)
    cnt += (size_t)snprintf(buf + cnt, cap - cnt, ", `%s:%s`", o->host, o->port);
  return buf;
}

static void print_text(void) {
  char checks[512], limits[128], beat[64];
  for (uint32_t i = 0; tf_feeds_all[i] != NULL; i++) {
    const tf_feed_t *f = tf_feeds_all[i];
    if (tf_feed_is_dialed(f))
      printf("%s%s (wss://%s:%s; %s; heartbeat %s)\n", i ? "\n" : "", f->venue, f->ws_host,
             f->ws_port, limits_text(f, limits, sizeof limits),
             heartbeat_text(f, beat, sizeof beat));
    else
      printf("%s%s (of any instrument, as an intake brings them)\n", i ? "\n" : "", f->venue);
    for (const tf_feed_channel_t *c = f->channels; c->names; c++)
      printf("  %-7s %-34s %s\n", channel_name(c->channel), c->names,
             checks_text(c->checks, checks, sizeof checks));
    if (f->key_channels) printf("  %-7s %s\n", "key", f->key_channels);
  }
}

static const char markdown_head[] =
    "# Venues\n\n"
    "What each venue's feed takes, and how what it takes is checked where it is decoded. Made by\n"
    "`tickfuse venues --markdown` from the tables in `adapters/feed/<venue>.c`; a test "
    "compares.\n\n"
    "| venue | channel | the venue's channels | how it is validated | snapshot |\n"
    "|---|---|---|---|---|\n";
static const char markdown_limits[] =
    "\n## Connections\n\n"
    "| venue | hosts | legs share a decoder | heartbeat | limits kept |\n"
    "|---|---|---|---|---|\n";

static const char markdown_keys[] =
    "\n## Keys\n\n"
    "With a `key_file` the channels named here are asked for in place of the public ones; at any "
    "other venue it is an "
    "error of the config, because all that is read is public there.\n\n"
    "| venue | channels by key | what else a key is for |\n"
    "|---|---|---|\n";

static void print_markdown(void) {
  char checks[512], limits[128], beat[64], hosts[256];
  fputs(markdown_head, stdout);
  for (uint32_t i = 0; tf_feeds_all[i] != NULL; i++) {
    const tf_feed_t *f = tf_feeds_all[i];
    for (const tf_feed_channel_t *c = f->channels; c->names; c++)
      printf("| %s | %s | %s | %s | %s |\n", c == f->channels ? f->venue : "",
             channel_name(c->channel), c->names, checks_text(c->checks, checks, sizeof checks),
             snapshot_text(f, c));
  }
  fputs(markdown_limits, stdout);
  for (uint32_t i = 0; tf_feeds_all[i] != NULL; i++) {
    const tf_feed_t *f = tf_feeds_all[i];
    printf("| %s | %s | %s | %s | %s |\n", f->venue, hosts_text(f, hosts, sizeof hosts),
           f->sequences_are_shared ? "yes" : "no", heartbeat_text(f, beat, sizeof beat),
           limits_text(f, limits, sizeof limits));
  }
  fputs(markdown_keys, stdout);
  for (uint32_t i = 0; tf_feeds_all[i] != NULL; i++)
    printf("| %s | %s | %s |\n", tf_feeds_all[i]->venue,
           tf_feeds_all[i]->key_channels ? tf_feeds_all[i]->key_channels : "-",
           tf_feeds_all[i]->key_elsewhere ? tf_feeds_all[i]->key_elsewhere : "-");
}

static void print_json(void) {
  char    limits[128];
  json_t *venues = json_array();
  for (uint32_t i = 0; tf_feeds_all[i] != NULL; i++) {
    const tf_feed_t *f        = tf_feeds_all[i];
    json_t          *channels = json_array();
    for (const tf_feed_channel_t *c = f->channels; c->names; c++) {
      json_t *checks = json_array();
      for (uint32_t k = 0; k < TF_FEED_CHECK_CNT; k++)
        if (c->checks >> k & 1) json_array_append_new(checks, json_string(check_words[k]));
      json_array_append_new(channels, json_pack("{s:s, s:s, s:o, s:s}", "channel",
                                                channel_name(c->channel), "names", c->names,
                                                "checks", checks, "snapshot", snapshot_text(f, c)));
    }
    json_array_append_new(venues, json_pack("{s:s, s:s, s:s?, s:s?, s:b, s:I, s:I, s:s, s:s?, s:o}",
                                            "venue", f->venue, "suffix", f->suffix, "host",
                                            f->ws_host, "port", f->ws_port, "legs_share_a_decoder",
                                            f->sequences_are_shared, "streams_max",
                                            (json_int_t)f->streams_max, "subscribe_rate_hz_max",
                                            (json_int_t)f->subscribe_rate_hz_max, "limits",
                                            limits_text(f, limits, sizeof limits), "key_channels",
                                            f->key_channels, "channels", channels));
  }
  json_dumpf(venues, stdout, JSON_INDENT(2));
  putchar('\n');
  json_decref(venues);
}

int tf_cmd_venues(int argc, char **argv) {
  uint32_t              json = 0, markdown = 0;
  const tf_cli_option_t options[] = {
      {"--json",     NULL, "a list of {\"venue\": .., \"channels\": [..]}", NULL, &json    },
      {"--markdown", NULL, "the text of docs/venues.md",                    NULL, &markdown},
  };
  const tf_cli_spec_t spec = {
      .usage      = "venues [--json | --markdown]",
      .about      = "Every venue that this build speaks to: its channels, how what they "
                    "bring is checked, heartbeat,\nthe limits that are kept.",
      .options    = options,
      .option_cnt = TF_ARRAY_CNT(options)};
  int code = tf_cli_parse(&spec, argc, argv);
  if (code >= 0) return code;
  if (json)
    print_json();
  else if (markdown)
    print_markdown();
  else
    print_text();
  return TF_EXIT_DONE;
}
