#include "group_args.h"

#include <string.h>

#include "boot/group_engines.h"
#include "core/error.h"
#include "tf/partition.h"

#define TEXT_BYTES 2048u
#define OWN_SETS   4u /* see tf_group_args_of */

const tf_config_value_t *tf_group_args_place(const tf_config_t *config) {
  for (const tf_config_value_t *v = config->values; v; v = v->next)
    if (strstr(v->text, TICKFUSE_GROUP_PLACE)) return v;
  return NULL;
}

/* "feeds[1].partition" of a feed that is cut into some. */
static bool is_partition_of_feed(const tf_config_t *config, const char *path) {
  unsigned idx;
  int      end = 0;
  return sscanf(path, "feeds[%u].partition%n", &idx, &end) == 1 && end > 0 && path[end] == '\0' &&
         config->feeds[idx].partition_cnt > 0;
}

static bool is_wanted(const tf_config_t *config, const tf_config_value_t *v) {
  return strstr(v->text, TICKFUSE_GROUP_PLACE) || is_partition_of_feed(config, v->path);
}

/* "sinks[0].stream" as --set wants it: "sinks.0.stream". */
static size_t put_path(char *text, const char *path) {
  size_t cnt = 0;
  for (; *path; path++)
    if (*path != ']') text[cnt++] = *path == '[' ? '.' : *path;
  text[cnt++] = '=';
  return cnt;
}

static void put_value(char *text, size_t at, const char *value, const char *digits) {
  const char *place;
  while ((place = strstr(value, TICKFUSE_GROUP_PLACE))) {
    at +=
        (size_t)snprintf(text + at, TEXT_BYTES - at, "%.*s%s", (int)(place - value), value, digits);
    value = place + strlen(TICKFUSE_GROUP_PLACE);
  }
  snprintf(text + at, TEXT_BYTES - at, "%s", value);
}

static bool fits(const tf_config_value_t *v) {
  return strlen(v->path) + strlen(v->text) + 8 < TEXT_BYTES;
}

tf_err_t tf_group_args_init(tf_group_args_t *args, const tf_config_t *config, const char *program,
                            const char *const *sets, uint32_t set_cnt) {
  memset(args, 0, sizeof *args);
  args->config  = config;
  args->program = program;
  args->sets    = sets;
  args->set_cnt = set_cnt;
  for (uint32_t i = 0; i < config->feed_cnt; i++)
    if (config->feeds[i].partition_cnt &&
        config->feeds[i].partition_cnt != config->group.partitions)
      return TF_ERR(E_CONFIG_CONFLICT, "%s: feeds[%u].partitions: %u, and group.partitions: %u",
                    config->path, i, config->feeds[i].partition_cnt, config->group.partitions);
  for (const tf_config_value_t *v = config->values; v; v = v->next) {
    if (!is_wanted(config, v)) continue;
    if (!fits(v)) return TF_ERR(E_CONFIG_VALUE, "%s: longer than a group hands on", v->path);
    if (args->text_cnt + set_cnt + OWN_SETS > TF_CONFIG_SETS_MAX)
      return TF_ERR(E_CONFIG_CONFLICT,
                    "more than %u values with " TICKFUSE_GROUP_PLACE " and --set together",
                    TF_CONFIG_SETS_MAX - OWN_SETS);
    args->texts[args->text_cnt] = malloc(TEXT_BYTES);
    if (!args->texts[args->text_cnt]) return TF_ERR(E_CORE_NO_MEMORY, "arguments of an engine");
    args->text_cnt++;
  }
  return TF_OK;
}

void tf_group_args_fini(tf_group_args_t *args) {
  for (uint32_t i = 0; i < args->text_cnt; i++) free(args->texts[i]);
  args->text_cnt = 0;
}

static void write_texts(tf_group_args_t *args, uint32_t partition) {
  char     digits[16], number[16];
  uint32_t i = 0;
  snprintf(digits, sizeof digits, TF_PARTITION_FORMAT, partition);
  snprintf(number, sizeof number, "%u", partition);
  for (const tf_config_value_t *v = args->config->values; v; v = v->next) {
    if (!is_wanted(args->config, v)) continue;
    size_t at = put_path(args->texts[i], v->path);
    put_value(args->texts[i++], at, is_partition_of_feed(args->config, v->path) ? number : v->text,
              digits);
  }
}

const char *const *tf_group_args_of(void *self, uint32_t partition, uint32_t epoch) {
  tf_group_args_t *args = self;
  const char     **argv = args->argv;
  write_texts(args, partition);
  snprintf(args->partition, sizeof args->partition, "%u", partition);
  snprintf(args->epoch, sizeof args->epoch, "%u", epoch);
  snprintf(args->lease_fd, sizeof args->lease_fd, "%d", TF_GROUP_LEASE_FD);
  *argv++ = args->program;
  *argv++ = "run";
  *argv++ = args->config->path;
  for (uint32_t i = 0; i < args->set_cnt; i++) *argv++ = "--set", *argv++ = args->sets[i];
  *argv++ = "--set", *argv++ = "http.listen=off";
  if (args->config->group.snapshot_every_ns) {
    snprintf(args->snapshot, sizeof args->snapshot, "engine.snapshot=" TF_PARTITION_FORMAT,
             partition);
    snprintf(args->every, sizeof args->every, "engine.snapshot_every=%lluus",
             (unsigned long long)(args->config->group.snapshot_every_ns / TF_NS_PER_US));
    *argv++ = "--set", *argv++ = args->snapshot;
    *argv++ = "--set", *argv++ = args->every;
    *argv++ = "--set", *argv++ = "engine.snapshot_restore=exact";
  }
  for (uint32_t i = 0; i < args->text_cnt; i++) *argv++ = "--set", *argv++ = args->texts[i];
  *argv++ = "--partition", *argv++ = args->partition;
  *argv++ = "--epoch", *argv++ = args->epoch;
  *argv++ = "--lease-fd", *argv++ = args->lease_fd;
  *argv = NULL;
  return args->argv;
}
