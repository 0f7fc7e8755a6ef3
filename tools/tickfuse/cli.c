#include "cli.h"

#include <string.h>

#include "core/error.h"
#include "core/nearest.h"
#include "core/text.h"

#define SHOWN_BYTES 200 /* of an argument, in an error text */

static void print_help(const tf_cli_spec_t *spec) {
  printf("usage: tickfuse %s\n\n%s\n", spec->usage, spec->about);
  if (spec->option_cnt) printf("\noptions\n");
  for (uint32_t i = 0; i < spec->option_cnt; i++) {
    char left[64];
    snprintf(left, sizeof left, "%s%s%s", spec->options[i].name, spec->options[i].value ? " " : "",
             spec->options[i].value ? spec->options[i].value : "");
    printf("  %-26s %s\n", left, spec->options[i].help);
  }
}

void tf_cli_unknown(const char *what, const char *name, const char *const *names, uint32_t cnt) {
  char        shown[SHOWN_BYTES];
  const char *near = strlen(name) < SHOWN_BYTES ? tf_nearest_name(name, names, cnt) : NULL;
  fprintf(stderr, "tickfuse: unknown %s \"%s\"", what,
          tf_text_escape(name, strlen(name), shown, sizeof shown));
  if (near) fprintf(stderr, ", did you mean \"%s\"?", near);
  fprintf(stderr, "%s known:", near ? "" : ";");
  for (uint32_t i = 0; i < cnt; i++) fprintf(stderr, " %s", names[i]);
  fprintf(stderr, "\n");
}

static int unknown_option(const tf_cli_spec_t *spec, const char *name) {
  const char *names[64];
  uint32_t    cnt = 0;
  for (; cnt < spec->option_cnt && cnt < 64; cnt++) names[cnt] = spec->options[cnt].name;
  tf_cli_unknown("option", name, names, cnt);
  return TF_EXIT_USAGE;
}

static int usage(const tf_cli_spec_t *spec, const char *text, const char *what) {
  char shown[SHOWN_BYTES];
  fprintf(stderr, "tickfuse: %s%s\nusage: tickfuse %s\n", text,
          tf_text_escape(what, strlen(what), shown, sizeof shown), spec->usage);
  return TF_EXIT_USAGE;
}

int tf_cli_parse(const tf_cli_spec_t *spec, int argc, char **argv) {
  uint32_t positional_cnt = 0;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
      print_help(spec);
      return TF_EXIT_DONE;
    }
    bool is_number = argv[i][0] == '-' && argv[i][1] >= '0' && argv[i][1] <= '9';
    if (argv[i][0] != '-' || argv[i][1] == '\0' || is_number) {
      if (positional_cnt == spec->positional_max)
        return usage(spec, "one argument too many: ", argv[i]);
      spec->positional[positional_cnt++] = argv[i];
      continue;
    }
    const tf_cli_option_t *option   = NULL;
    const char            *equals   = strchr(argv[i], '=');
    size_t                 name_cnt = equals ? (size_t)(equals - argv[i]) : strlen(argv[i]);
    for (uint32_t k = 0; k < spec->option_cnt && !option; k++)
      if (strlen(spec->options[k].name) == name_cnt &&
          !strncmp(spec->options[k].name, argv[i], name_cnt))
        option = &spec->options[k];
    if (!option) return unknown_option(spec, argv[i]);
    if (!option->value) {
      if (equals) return usage(spec, "takes no value: ", option->name);
      ++*option->cnt;
      continue;
    }
    const char *value = equals ? equals + 1 : i + 1 < argc ? argv[++i] : NULL;
    if (!value) return usage(spec, "wants a value: ", option->name);
    if (*option->cnt == TF_CLI_VALUES_MAX) return usage(spec, "given too often: ", option->name);
    option->values[(*option->cnt)++] = value;
  }
  if (positional_cnt < spec->positional_min) return usage(spec, "an argument is missing", "");
  return -1;
}

int tf_cli_fail(tf_err_t err) {
  fprintf(stderr, "tickfuse: %s: %s\n", tf_error_name(err), tf_error_text());
  if (err <= -201 && err > -300) return TF_EXIT_USAGE;
  if (err == E_FILE_DAMAGED || err == E_FILE_FORMAT) return TF_EXIT_DATA;
  if (err == E_BOOT_TOPOLOGY || err == E_BOOT_INPUT || err == E_MODEL_SCHEMA) return TF_EXIT_USAGE;
  return TF_EXIT_FAILED;
}

bool tf_cli_duration(const char *text, uint64_t *ns) {
  static const struct {
    const char *unit;
    double      ns;
  } units[] = {
      {"ns", 1     },
      {"us", 1e3   },
      {"ms", 1e6   },
      {"s",  1e9   },
      {"m",  60e9  },
      {"h",  3600e9}
  };
  char  *end;
  double value = strtod(text, &end);
  if (end == text || !(value >= 0) || value > 1e9) return false;
  for (size_t i = 0; i < TF_ARRAY_CNT(units); i++)
    if (!strcmp(end, units[i].unit)) {
      *ns = (uint64_t)(value * units[i].ns);
      return true;
    }
  return false;
}
