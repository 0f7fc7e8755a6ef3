/* What the commands share: exit codes, the argument reader, and how an error is said. */
#ifndef TICKFUSE_CLI_H
#define TICKFUSE_CLI_H

#include "tf/base.h"
#include "tf/err.h"

#define TF_VERSION "0.1.0"

enum { TF_EXIT_DONE = 0, TF_EXIT_FAILED = 1, TF_EXIT_USAGE = 2, TF_EXIT_DATA = 3 };

#define C(name, help) int tf_cmd_##name(int argc, char **argv);
#include "commands.def"
#undef C

#define TF_CLI_VALUES_MAX 64 /* as many --set as a config takes (TF_CONFIG_SETS_MAX) */

/* One option of a command. A value option may be given several times, up to TF_CLI_VALUES_MAX. */
typedef struct tf_cli_option {
  const char  *name;  /* "--input" */
  const char  *value; /* what it takes, for the help: "VENUE:FILE"; NULL for a switch */
  const char  *help;
  const char **values; /* (TF_CLI_VALUES_MAX) for a value option */
  uint32_t    *cnt;    /* how often it was given */
} tf_cli_option_t;

typedef struct tf_cli_spec {
  const char            *usage; /* "replay CONFIG --input VENUE:FILE ..." */
  const char            *about; /* a few lines */
  const tf_cli_option_t *options;
  uint32_t               option_cnt;
  const char           **positional; /* filled, in order */
  uint32_t               positional_min, positional_max;
} tf_cli_spec_t;

/* Reads argv[1..]. Returns -1 to go on, or the exit code when there is nothing more to do (--help
 * was printed, or the usage is wrong and that was said). */
int tf_cli_parse(const tf_cli_spec_t *spec, int argc, char **argv);

/* "tickfuse: unknown command "x", did you mean "y"?" on stderr. */
void tf_cli_unknown(const char *what, const char *name, const char *const *names, uint32_t cnt);

/* Says the thread's error record on stderr and returns the exit code that fits its domain. */
int tf_cli_fail(tf_err_t err);

/* "10s", "250ms", "1500us" in ns. False if it is not a duration. */
bool tf_cli_duration(const char *text, uint64_t *ns);

#endif
