#include "group_notes.h"

#include <stdarg.h>
#include <string.h>

#include "tf/sink.h"

typedef struct notes {
  const tf_config_t *config;
  char (*texts)[TF_CONFIG_ERROR_TEXT_BYTES];
  uint32_t cnt, cap;
} notes_t;

/* idx: of the list that path names, as in "feeds[%u].start". */
static TF_PRINTF(4, 5) void say(notes_t *n, const char *path, uint32_t idx, const char *fmt, ...) {
  char    name[64], where[256];
  va_list args;
  if (n->cnt == n->cap) return;
  char  *text  = n->texts[n->cnt++];
  size_t chars = 0;
  if (strstr(path, "%u")) {
    size_t at = strcspn(path, "%");
    snprintf(name, sizeof name, "%.*s%u%s", (int)at, path, idx, path + at + 2);
  } else {
    snprintf(name, sizeof name, "%s", path);
  }
  chars += (size_t)snprintf(text, TF_CONFIG_ERROR_TEXT_BYTES,
                            "%s: ", tf_config_where(n->config, name, where, sizeof where));
  va_start(args, fmt);
  if (chars < TF_CONFIG_ERROR_TEXT_BYTES)
    vsnprintf(text + chars, TF_CONFIG_ERROR_TEXT_BYTES - chars, fmt, args);
  va_end(args);
}

static void of_feed(notes_t *n, uint32_t i) {
  const tf_config_feed_t *f = &n->config->feeds[i];
  if (strcmp(f->venue, "events") != 0 || strcmp(f->from, "http") == 0) {
    say(n, "feeds[%u].venue", i,
        "each engine of the group would read all of it, and what came while none ran is lost: "
        "record the venue into a "
        "broker's stream, and read that");
    return;
  }
  if (f->partition_cnt == 0)
    say(n, "feeds[%u].partitions", i,
        "each engine of the group would read all of the stream; %u are wanted",
        n->config->group.partitions);
  else if (f->partition_cnt != n->config->group.partitions)
    say(n, "feeds[%u].partitions", i, "%u, and group.partitions: %u: tickfuse group refuses that",
        f->partition_cnt, n->config->group.partitions);
  if (strcmp(f->start, "new") == 0)
    say(n, "feeds[%u].start", i,
        "an engine that finds no snapshot misses what came before it: all is wanted");
  if (f->times != TF_CONFIG_TIMES_KEPT)
    say(n, "feeds[%u].times", i,
        "a successor's windows would run on its own clock: kept is wanted for the same decisions");
}

/* Some value of the sink differs from partition to partition. */
static bool is_of_partition(const tf_config_t *config, uint32_t sink_idx) {
  char prefix[24];
  snprintf(prefix, sizeof prefix, "sinks[%u].", sink_idx);
  for (const tf_config_value_t *v = config->values; v; v = v->next)
    if (!strncmp(v->path, prefix, strlen(prefix)) && strstr(v->text, TF_CONFIG_OF_PARTITION))
      return true;
  return false;
}

static void of_sink(notes_t *n, uint32_t i) {
  const tf_config_sink_t *s = &n->config->sinks[i];
  bool is_lossless = s->policy == TF_CONFIG_SINK_AUTO || s->policy == TF_OVERFLOW_BLOCK + 1 ||
                     s->policy == TF_OVERFLOW_SPILL + 1;
  if (!is_of_partition(n->config, i))
    say(n, "sinks[%u].type", i,
        "no value of it has " TF_CONFIG_OF_PARTITION
        ": all engines of the group would write to one place");
  if (strcmp(s->type, "nats") != 0)
    say(n, "sinks[%u].type", i,
        "%.20s does not refuse a predecessor that stood still by its epoch, as nats does", s->type);
  else if (!is_lossless)
    say(n, "sinks[%u].policy", i, "what it drops no successor makes again: block is wanted");
}

uint32_t tf_group_notes(const tf_config_t *config, char notes[][TF_CONFIG_ERROR_TEXT_BYTES],
                        uint32_t cnt, uint32_t cap) {
  static const char *const stores[] = {
      [TF_CONFIG_GROUP_DIR]   = "a directory, so all members are on one machine",
      [TF_CONFIG_GROUP_NATS]  = "a stream of JetStream",
      [TF_CONFIG_GROUP_REDIS] = "a Redis, which has to keep what it acknowledged (appendonly yes)"};
  const tf_config_membership_t *g = &config->group;
  notes_t                       n = {.config = config, .texts = notes, .cnt = cnt, .cap = cap};
  if (!g->name) return cnt;
  say(&n, "group.name", 0,
      "tickfuse group runs %u engines, a partition each, over all members of %s; one that is not "
      "heard of for %.1f s has "
      "lost its own. The table and snapshots are in %s",
      g->partitions, g->name, (double)g->lease_ns / (double)TF_NS_PER_SEC, stores[g->store]);
  if (g->snapshot_every_ns == 0)
    say(&n, "group.snapshot_every", 0, "off: a successor reads the stream from its beginning");
  if (g->store == TF_CONFIG_GROUP_DIR ? !g->dir : !g->url)
    say(&n, g->store == TF_CONFIG_GROUP_DIR ? "group.dir" : "group.url", 0,
        "it is wanted: tickfuse group does not begin without");
  for (uint32_t i = 0; i < config->feed_cnt; i++) of_feed(&n, i);
  for (uint32_t i = 0; i < config->sink_cnt; i++) of_sink(&n, i);
  return n.cnt;
}
