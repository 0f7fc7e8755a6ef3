/* The one binary: finds the command and hands over. Exit codes: 0 done, 1 failed, 2 bad usage or
 * config, 3 data was bad. */
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "boot/engine.h"
#include "boot/placement_rule.h"
#include "boot/text_source.h"
#include "cli.h"
#include "cmd_config.h"
#include "core/clock.h"
#include "limit_table.h"
#include "live_plan.h"
#include "registry.h"
#include "wire/tls_pool.h"

static const struct {
  const char *name;
  int (*run)(int argc, char **argv);
  const char *help;
} commands[] = {
#define C(name, help) {#name, tf_cmd_##name, help},
#include "commands.def"
#undef C
};

static void print_help(FILE *out) {
  fprintf(out,
          "tickfuse %s: ticks in, decisions out\n\nusage: tickfuse COMMAND [arguments]; "
          "every command has --help\n\n",
          TF_VERSION);
  for (size_t i = 0; i < TF_ARRAY_CNT(commands); i++)
    fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].help);
  fprintf(out, "\n  --limits [--json]  what each input may be at most; --version\n");
  fprintf(out, "\nexit codes: 0 done, 1 failed, 2 bad usage or config, 3 data was bad\n");
}

/* Descriptors 0-2 exist, so that no socket or journal can become one of them. */
static void hold_stdio(void) {
  for (int fd = 0; fd <= 2; fd++)
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY) < 0) _exit(1);
}

/* With another's rights the environment (LD_PRELOAD, files named in configs) would be a way to them. */
static bool has_borrowed_rights(void) { return getauxval(AT_SECURE) != 0; }

/* `check` goes as far as a run would before it opens anything. */
static tf_live_plan_t plan;
static char           features[TF_MODELS_MAX][TF_CARD_PLAN_SAY_BYTES];

static void say_features(const tf_engine_t *e) {
  tf_placement_option_t option;
  for (uint32_t i = 0; i < e->model_cnt; i++) {
    tf_placement_choose(e->config, i, &option);
    if (tf_placement_may_be_worker(&option)) tf_card_plan_say(&e->card_plans[i], features[i]);
  }
}

static tf_err_t check_engine(const tf_config_t *config) {
  static tf_engine_t        engine;
  const tf_engine_options_t options = {.is_check = true};
  tf_err_t                  err = tf_engine_init(&engine, config, tickfuse_registry(), &options);
  if (!err) say_features(&engine);
  if (!err) err = tf_text_source_check(&engine);
  if (!err) err = tf_live_plan_make(&plan, config);
  if (!err) err = tf_live_plan_check(&plan, config, &engine.instruments);
  tf_engine_fini(&engine);
  return err;
}

static void print_plan(const tf_config_t *config, FILE *out) {
  tf_live_plan_print(&plan, config, out);
}

static json_t *json_of_plan(const tf_config_t *config) { return tf_live_plan_json(&plan, config); }

static const char *features_of(uint32_t model_idx) { return features[model_idx]; }

static const tf_cmd_check_deep_t deep = {check_engine, print_plan, json_of_plan, features_of};

int main(int argc, char **argv) {
  hold_stdio();
  if (has_borrowed_rights()) {
    fprintf(stderr,
            "tickfuse: refuses to run setuid, setgid or with file capabilities: take them off "
            "the binary (chmod ug-s, setcap -r)\n");
    return TF_EXIT_USAGE;
  }
  setlocale(LC_ALL, "C"); /* a decimal comma in the environment must not reach a number */
  signal(SIGPIPE, SIG_IGN);
  tf_tls_pool_install(); /* before OpenSSL is used: by the config hash already */
  tf_clock_calibrate();
  tf_cmd_check_known(tickfuse_known());
  tf_cmd_check_deep(&deep);
  const char *name = argc > 1 ? argv[1] : "help";
  if (!strcmp(name, "help") || !strcmp(name, "--help") || !strcmp(name, "-h")) {
    print_help(argc > 1 ? stdout : stderr);
    return argc > 1 ? TF_EXIT_DONE : TF_EXIT_USAGE;
  }
  if (!strcmp(name, "--version")) {
    printf("tickfuse %s\n", TF_VERSION);
    return TF_EXIT_DONE;
  }
  if (!strcmp(name, "--limits")) {
    tickfuse_print_limits(stdout, argc > 2 && !strcmp(argv[2], "--json"));
    return TF_EXIT_DONE;
  }
  const char *names[TF_ARRAY_CNT(commands)];
  for (size_t i = 0; i < TF_ARRAY_CNT(commands); i++) {
    names[i] = commands[i].name;
    if (!strcmp(name, names[i])) return commands[i].run(argc - 1, argv + 1);
  }
  tf_cli_unknown("command", name, names, TF_ARRAY_CNT(names));
  return TF_EXIT_USAGE;
}
