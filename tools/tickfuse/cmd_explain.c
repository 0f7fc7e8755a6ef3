/* `tickfuse explain`: replays up to one decision and says why it was made. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "boot/sink_choice.h"
#include "cli.h"
#include "core/error.h"
#include "explain.h"
#include "inputs.h"
#include "registry.h"

typedef struct explain_args {
  const char *seq;
  const char *configs[TF_CLI_VALUES_MAX], *inputs[TF_CLI_VALUES_MAX], *venue[TF_CLI_VALUES_MAX],
      *sets[TF_CLI_VALUES_MAX];
  uint32_t config_cnt, input_cnt, venue_cnt, set_cnt, json;
} explain_args_t;

static tf_engine_t  engine;
static tf_explain_t explain;

/* The config's engine with one sink, the probe, all on one thread: emit then runs within the tick. */
static void make_alone(tf_config_t *config) {
  static char name[]      = "explain";
  config->sink_cnt        = 1;
  config->sinks[0]        = (tf_config_sink_t){.type      = name,
                                               .policy    = TF_CONFIG_SINK_AUTO,
                                               .actions   = TF_SINK_CHOICE_ACTIONS_ALL,
                                               .partition = -1};
  config->engine.lane_cnt = 1;
  config->engine.lanes[0].stages =
      TF_CONFIG_STAGE_ACQUIRE | TF_CONFIG_STAGES_LANE | TF_CONFIG_STAGE_EMIT;
}

static const tf_registry_t *registry_of_probe(void) {
  static const tf_sink_t *const sinks[] = {&tf_explain_sink};
  static tf_registry_t          registry;
  registry          = *tickfuse_registry();
  registry.sinks    = sinks;
  registry.sink_cnt = 1;
  return &registry;
}

static int tell(const explain_args_t *args, tf_err_t err) {
  if (!explain.found) {
    if (err) return tf_cli_fail(err);
    fprintf(stderr, "tickfuse: there is no decision %llu: the input ends with decision %llu\n",
            (unsigned long long)explain.wanted_seq, (unsigned long long)explain.last_seq);
    return TF_EXIT_FAILED;
  }
  json_t *json = tf_explain_json(&explain);
  if (args->json) {
    json_dumpf(json, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
    printf("\n");
  } else {
    tf_explain_print(json, stdout);
  }
  json_decref(json);
  return TF_EXIT_DONE;
}

static int run(const explain_args_t *args, const tf_config_t *config, uint64_t seq) {
  static tf_inputs_t       inputs;
  static tf_replay_t       replay;
  const tf_replay_config_t replay_config = {.inputs      = inputs.rows,
                                            .input_cnt   = args->input_cnt,
                                            .event_cap   = config->engine.message_levels_max,
                                            .instruments = &engine.instruments};
  const char              *venue = args->venue_cnt ? args->venue[args->venue_cnt - 1] : NULL;
  tf_err_t                 err =
      tf_inputs_resolve(&inputs, &engine.instruments, config, venue, args->inputs, args->input_cnt);
  tf_engine_options_t options = {
      .is_replay = true, .one_by_one = true, .instruments_min = inputs.instruments_min};
  if (!err) err = tf_inputs_take_outcomes(&inputs, 0, &options);
  if (!err) err = tf_engine_init(&engine, config, registry_of_probe(), &options);
  if (!err) err = tf_inputs_open_texts(&inputs, &engine);
  size_t bytes  = err ? 0 : tf_replay_footprint(&replay_config);
  void  *memory = bytes ? aligned_alloc(TF_LINE_BYTES, bytes) : NULL;
  if (!err && !memory) err = TF_ERR(E_CORE_NO_MEMORY, "replay: %zu bytes", bytes);
  if (!err) err = tf_replay_init(&replay, &replay_config, memory);
  if (!err) err = tf_explain_begin(&explain, seq, &engine, &replay);
  if (!err) err = tf_engine_add_source(&engine, &replay.source, "replay");
  if (!err) err = tf_engine_start(&engine);
  int code;
  if (err) {
    code = tf_cli_fail(err);
  } else {
    err  = tf_engine_join(&engine);
    code = tell(args, err);
  }
  tf_explain_end(&explain);
  tf_replay_fini(&replay);
  free(memory);
  tf_inputs_fini(&inputs);
  return code;
}

int tf_cmd_explain(int argc, char **argv) {
  static explain_args_t args;
  const tf_cli_option_t options[] = {
      {"--config", "CONFIG",       "the config that decided",                               args.configs, &args.config_cnt},
      {"--input",  "[VENUE:]FILE", "the capture, tape or recording that it was decided on",
       args.inputs,                                                                                       &args.input_cnt },
      {"--venue",  "V",            "the venue of inputs that name none",                    args.venue,   &args.venue_cnt },
      {"--set",    "KEY=VALUE",    "override a config key, as the run did",                 args.sets,    &args.set_cnt   },
      {"--json",   NULL,           "print one JSON object",                                 NULL,         &args.json      },
  };
  const tf_cli_spec_t spec = {
      "explain SEQ --input [VENUE:]FILE --config CONFIG [--venue V] [--set KEY=VALUE] [--json]",
      "Replays up to decision SEQ (decision_seq of `tickfuse tail`) and says why it was made: the\n"
      "message behind it, the book, every feature, the model's inputs and outputs, each rule part "
      "by\n"
      "part, the gates that it passed or that held it. Exit 1: the input has no such decision.",
      options,
      TF_ARRAY_CNT(options),
      &args.seq,
      1,
      1};
  int code = tf_cli_parse(&spec, argc, argv);
  if (code >= 0) return code;
  char *end;
  errno        = 0;
  uint64_t seq = strtoull(args.seq, &end, 10);
  if (args.seq[0] < '0' || args.seq[0] > '9' || *end || errno || seq == 0) {
    fprintf(stderr, "tickfuse: explain %s: a decision_seq is wanted, from 1\n", args.seq);
    return TF_EXIT_USAGE;
  }
  if (args.config_cnt != 1 || args.input_cnt == 0) {
    fprintf(stderr, "tickfuse: explain wants one --config and at least one --input\n");
    return TF_EXIT_USAGE;
  }
  tf_config_t *config;
  code = tickfuse_load_config(args.configs[0], args.sets, args.set_cnt, &config);
  if (code != TF_EXIT_DONE) return code;
  tf_log_level_set((tf_log_level_t)config->engine.log_level);
  make_alone(config);
  code = run(&args, config, seq);
  tf_engine_fini(&engine);
  tf_config_free(config);
  return code;
}
