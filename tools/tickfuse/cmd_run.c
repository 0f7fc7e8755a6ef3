/* `tickfuse run`: the engine, live. */
#include "cli.h"
#include "core/error.h"
#include "group_args.h"
#include "live.h"
#include "live_lease.h"
#include "registry.h"
#include "snapshot_group.h"
#include "warm.h"

/* What tickfuse group hands its engines: which partition, under which epoch, and the lease. */
typedef struct in_group {
  const char *partition[TF_CLI_VALUES_MAX], *epoch[TF_CLI_VALUES_MAX], *lease_fd[TF_CLI_VALUES_MAX];
  uint32_t    partition_cnt, epoch_cnt, lease_fd_cnt;
} in_group_t;

static bool read_number(const char *option, const char *text, uint64_t max, uint32_t *number) {
  char         *end;
  unsigned long value = strtoul(text, &end, 10);
  *number             = (uint32_t)value;
  if (*text >= '0' && *text <= '9' && *end == '\0' && value <= max) return true;
  fprintf(stderr, "tickfuse: %s %s: a number up to %llu is wanted\n", option, text,
          (unsigned long long)max);
  return false;
}

/* Before anything is opened. An engine by itself knows no {partition}. Exit code, or -1 to go on. */
static int join_group(const in_group_t *g, const tf_config_t *config, tf_live_options_t *live) {
  uint32_t                 partition = 0, fd;
  char                     where[512];
  const tf_config_value_t *place = tf_group_args_place(config);
  if (place && !g->partition_cnt)
    return tf_cli_fail(TF_ERR(E_CONFIG_VALUE, "%s: only tickfuse group knows what {partition} is",
                              tf_config_where(config, place->path, where, sizeof where)));
  if (g->partition_cnt &&
      !read_number("--partition", g->partition[0], config->group.partitions - 1, &partition))
    return TF_EXIT_USAGE;
  if (g->epoch_cnt && !read_number("--epoch", g->epoch[0], UINT32_MAX, &live->epoch))
    return TF_EXIT_USAGE;
  tf_err_t            err = TF_OK;
  tf_snapshot_store_t store;
  if (g->lease_fd_cnt) {
    if (!read_number("--lease-fd", g->lease_fd[0], INT32_MAX, &fd)) return TF_EXIT_USAGE;
    err = tf_live_lease_start((int)fd, partition, live->epoch);
  }
  if (!err && g->partition_cnt && config->engine.snapshot) {
    err = tickfuse_snapshots_of_group(config, &store);
    tickfuse_warm_store(&store);
  }
  return err ? tf_cli_fail(err) : -1;
}

int tf_cmd_run(int argc, char **argv) {
  static const char *run_for[TF_CLI_VALUES_MAX], *sets[TF_CLI_VALUES_MAX + 3],
      *from[TF_CLI_VALUES_MAX], *capture[TF_CLI_VALUES_MAX], *tape[TF_CLI_VALUES_MAX],
      *warm[TF_CLI_VALUES_MAX], *path;
  static in_group_t group;
  uint32_t run_for_cnt = 0, set_cnt = 0, capture_cnt = 0, tape_cnt = 0, warm_cnt = 0, json = 0,
           from_cnt = 0, table = 0;
  const tf_cli_option_t options[] = {
      {"--for",           "T",          "stop after this time, as in 10s; without it, at SIGINT or SIGTERM",   run_for,
       &run_for_cnt                                                                                                                                },
      {"--set",           "KEY=VALUE",  "override a config key, as in feeds.0.url=wss://host:port",            sets,
       &set_cnt                                                                                                                                    },
      {"--capture",       "DIR",        "also record everything that comes from outside, for an exact replay",
       capture,                                                                                                                &capture_cnt        },
      {"--tape",          "FILE",       "also write the decoded events to a tape, which must not exist yet",   tape,
       &tape_cnt                                                                                                                                   },
      {"--warm-start",    "VENUE:FILE",
       "run a recording or tape first, without deciding, as engine.warm_start",                                warm,           &warm_cnt           },
      {"--from-snapshot", "FILE",
       "go on exactly where this snapshot is, as engine.snapshot with snapshot_restore: exact",                from,           &from_cnt           },
      {"--table",         NULL,         "draw a live table once a second",                                     NULL,           &table              },
      {"--partition",     "N",          "of a group's: what {partition} stands for; tickfuse group gives it",
       group.partition,                                                                                                        &group.partition_cnt},
      {"--epoch",         "N",          "of this engine, by tickfuse group: sinks refuse an earlier one",
       group.epoch,                                                                                                            &group.epoch_cnt    },
      {"--lease-fd",      "N",          "where tickfuse group says how long this engine may run",              group.lease_fd,
       &group.lease_fd_cnt                                                                                                                         },
      {"--json",          NULL,         "print the summary as one JSON object",                                NULL,           &json               },
  };
  const tf_cli_spec_t spec = {
      "run CONFIG [--for T] [--set KEY=VALUE] [--capture DIR] [--tape FILE] [--warm-start "
      "VENUE:FILE] "
      "[--from-snapshot FILE] [--table] [--json]",
      "Connects to the config's feeds and decides on each tick until it is stopped; then prints\n"
      "what came of it. A first SIGINT drains and reports, a second ends at once.",
      options,
      TF_ARRAY_CNT(options),
      &path,
      1,
      1};
  int code = tf_cli_parse(&spec, argc, argv);
  if (code >= 0) return code;
  tf_live_options_t live = {.table   = table && !json,
                            .json    = json,
                            .capture = capture_cnt ? capture[capture_cnt - 1] : NULL,
                            .tape    = tape_cnt ? tape[tape_cnt - 1] : NULL};
  if (run_for_cnt && !tf_cli_duration(run_for[run_for_cnt - 1], &live.run_ns)) {
    fprintf(stderr, "tickfuse: --for %s: a time with its unit, as in 10s or 500ms\n",
            run_for[run_for_cnt - 1]);
    return TF_EXIT_USAGE;
  }
  char warm_start[1100];
  if (warm_cnt) {
    snprintf(warm_start, sizeof warm_start, "engine.warm_start=%s", warm[warm_cnt - 1]);
    sets[set_cnt++] = warm_start;
  }
  char exact[2][1100];
  if (from_cnt) set_cnt += tickfuse_warm_sets(from[from_cnt - 1], exact, sets + set_cnt);
  tf_config_t *config;
  code = tickfuse_load_config(path, sets, set_cnt, &config);
  if (code != TF_EXIT_DONE) return code;
  tf_log_level_set((tf_log_level_t)config->engine.log_level);
  code = join_group(&group, config, &live);
  if (code < 0) code = tf_live_run(config, &live);
  tf_config_free(config);
  return code;
}
