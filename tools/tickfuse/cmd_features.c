/* `tickfuse features`: what a config may list under features, and the rows that it computes. */
#include <jansson.h>
#include <string.h>

#include "cli.h"
#include "features_eval.h"
#include "features_list.h"
#include "registry.h"
#include "stage/feature_plan.h"

/* ---- list ---- */

static const char *const field_help[TF_FEATURE_BAR_FIELD_CNT] = {
    [TF_FEATURE_BAR_OPEN]       = "price of the bar's first trade",
    [TF_FEATURE_BAR_HIGH]       = "its highest price",
    [TF_FEATURE_BAR_LOW]        = "its lowest price",
    [TF_FEATURE_BAR_CLOSE]      = "price of its last trade",
    [TF_FEATURE_BAR_VOLUME]     = "quantity traded, base units",
    [TF_FEATURE_BAR_NOTIONAL]   = "sum of price * quantity",
    [TF_FEATURE_BAR_BUY_VOLUME] = "quantity that buy aggressors traded, base units",
    [TF_FEATURE_BAR_TRADE_CNT]  = "number of trades",
};

static const char *const kind_names[] = {
    [TF_PARAM_COUNT]    = "count",
    [TF_PARAM_REAL]     = "number",
    [TF_PARAM_DURATION] = "duration",
    [TF_PARAM_CHOICE]   = "choice",
};

/* A duration in the unit that leaves it shortest, as configs spell it. */
static void print_value(char *text, size_t cap, const tf_param_spec_t *spec, double value) {
  static const struct {
    const char *unit;
    double      ns;
  } units[] = {
      {"d",  86400e9},
      {"h",  3600e9 },
      {"m",  60e9   },
      {"s",  1e9    },
      {"ms", 1e6    },
      {"us", 1e3    }
  };
  if (spec->kind == TF_PARAM_CHOICE) {
    snprintf(text, cap, "%s", spec->names[(uint32_t)value]);
    return;
  }
  if (spec->kind == TF_PARAM_DURATION)
    for (size_t i = 0; i < TF_ARRAY_CNT(units); i++)
      if (value >= units[i].ns && __builtin_floor(value / units[i].ns) * units[i].ns == value) {
        snprintf(text, cap, "%.0f%s", value / units[i].ns, units[i].unit);
        return;
      }
  snprintf(text, cap, "%.9g%s", value, spec->kind == TF_PARAM_DURATION ? "ns" : "");
}

/* "ema(x, n=20)", "cbbo@NAME": how it is written, with the defaults. */
static void print_usage(const tf_indicator_t *d, char *text, size_t cap) {
  size_t      cnt  = (size_t)snprintf(text, cap, "%s", d->name);
  const char *peer = d->peers_max ? "@NAME" : "";
  if (d->series_cnt + d->param_cnt == 0) {
    snprintf(text + cnt, cap - cnt, "%s", peer);
    return;
  }
  for (uint32_t i = 0; i < d->series_cnt; i++)
    cnt += (size_t)snprintf(text + cnt, cap - cnt, "%s%s", i ? ", " : "(", d->series[i]);
  for (uint32_t i = 0; i < d->param_cnt; i++) {
    char value[32];
    print_value(value, sizeof value, &d->params[i], d->params[i].dflt);
    cnt += (size_t)snprintf(text + cnt, cap - cnt, "%s%s=%s", i || d->series_cnt ? ", " : "(",
                            d->params[i].name, value);
  }
  snprintf(text + cnt, cap - cnt, ")%s", peer);
}

static uint64_t default_lookback(const tf_indicator_t *d) {
  double params[TF_INDICATOR_PARAMS_MAX];
  for (uint32_t i = 0; i < d->param_cnt; i++) params[i] = d->params[i].dflt;
  return d->lookback(params);
}

static void print_params(const tf_param_spec_t *params, uint32_t cnt) {
  for (uint32_t i = 0; i < cnt; i++) {
    const tf_param_spec_t *p = &params[i];
    char                   dflt[32], min[32], max[32];
    print_value(dflt, sizeof dflt, p, p->dflt);
    print_value(min, sizeof min, p, p->min);
    print_value(max, sizeof max, p, p->max);
    printf("      %s: %s, %s; ", p->name, kind_names[p->kind], p->help);
    if (p->kind == TF_PARAM_CHOICE)
      for (uint32_t k = 0; k <= (uint32_t)p->max; k++) printf("%s%s", k ? ", " : "", p->names[k]);
    else
      printf("%s to %s", min, max);
    printf("; default %s\n", dflt);
  }
}

static void print_indicator(const tf_indicator_t *d) {
  char usage[512];
  print_usage(d, usage, sizeof usage);
  printf("  %s\n      %s\n      group: %s; origin: %s", usage, d->help,
         tf_indicator_group_name(d->group), d->origin);
  if (d->series_cnt)
    printf("; first value after %llu inputs", 1 + (unsigned long long)default_lookback(d));
  printf("\n");
  if (d->alias) printf("      also known as %s\n", d->alias);
  if (d->peers_max)
    printf("      NAME: of another instrument%s, under peers or as ETHUSDT.BINANCE-SPOT\n",
           d->peers_max > 1 ? ", or of several" : "");
  if (d->output_cnt > 1) {
    printf("      outputs:");
    for (uint32_t i = 0; i < d->output_cnt; i++) printf(" .%s", d->outputs[i]);
    printf("\n");
  }
  print_params(d->params, d->param_cnt);
}

/* cs_quantile(x, q=0.5) */
static void print_cross_usage(const tf_cross_t *d, char *text, size_t cap) {
  size_t cnt = (size_t)snprintf(text, cap, "%s(x", d->name);
  for (uint32_t i = 0; i < d->param_cnt; i++) {
    char value[32];
    print_value(value, sizeof value, &d->params[i], d->params[i].dflt);
    cnt += (size_t)snprintf(text + cnt, cap - cnt, ", %s=%s", d->params[i].name, value);
  }
  snprintf(text + cnt, cap - cnt, ")");
}

static void print_crosses(const tf_cross_table_t *table) {
  char usage[128];
  printf("\nof one value in all instruments (the config's universe), at each tick\n");
  for (uint32_t i = 0; i < table->cross_cnt; i++) {
    const tf_cross_t *d = table->crosses[i];
    print_cross_usage(d, usage, sizeof usage);
    printf("  %s\n      %s\n      group: %s; origin: %s; from %u instruments on\n", usage, d->help,
           tf_indicator_group_name(TF_GROUP_CROSS), d->origin, d->member_min);
    print_params(d->params, d->param_cnt);
  }
}

static bool is_cross_wanted(const char *group) {
  return !group || strcmp(tf_indicator_group_name(TF_GROUP_CROSS), group) == 0;
}

static bool is_wanted(const tf_indicator_t *d, const char *group) {
  return !group || strcmp(tf_indicator_group_name(d->group), group) == 0;
}

/* Those of the market, or of series; a title before the first. */
static void print_kind(const tf_registry_t *r, const char *group, bool is_series,
                       const char *title) {
  bool titled = false;
  for (uint32_t i = 0; i < r->indicator_cnt; i++) {
    const tf_indicator_t *d = r->indicators[i];
    if ((d->series_cnt > 0) != is_series || !is_wanted(d, group)) continue;
    if (!titled) printf("%s\n", title);
    titled = true;
    print_indicator(d);
  }
}

static void print_text(const tf_registry_t *r, const char *group) {
  print_kind(r, group, false, "of the market, at each tick");
  if (!group) {
    printf("\nof a bar that the config lists under bars, as in s1.close\n");
    for (uint32_t i = 0; i < TF_FEATURE_BAR_FIELD_CNT; i++)
      printf("  %-12s %s\n", tf_feature_plan_bar_fields[i], field_help[i]);
    printf("\n");
  }
  print_kind(r, group, true,
             "of one or more series, at each tick or at each close of the bar that they come from");
  if (is_cross_wanted(group)) print_crosses(r->crosses);
  if (!group)
    printf("\nalso + - * / ( ), abs(a), min(a, b), max(a, b); and peek(x): x, of a bar's fields, "
           "as if "
           "the open bar closed now\n");
}

static json_t *names_of(const char *const *names, uint32_t cnt) {
  json_t *list = json_array();
  for (uint32_t i = 0; i < cnt; i++) json_array_append_new(list, json_string(names[i]));
  return list;
}

static json_t *json_of_params(const tf_param_spec_t *specs, uint32_t cnt) {
  json_t *params = json_array();
  for (uint32_t i = 0; i < cnt; i++) {
    const tf_param_spec_t *p = &specs[i];
    json_t *param = json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:s}", "name", p->name, "kind",
                              kind_names[p->kind], "unit", p->kind == TF_PARAM_DURATION ? "ns" : "",
                              "default", p->dflt, "min", p->min, "max", p->max, "help", p->help);
    if (p->kind == TF_PARAM_CHOICE)
      json_object_set_new(param, "choices", names_of(p->names, (uint32_t)p->max + 1));
    json_array_append_new(params, param);
  }
  return params;
}

static json_t *json_of_indicator(const tf_indicator_t *d) {
  char usage[512];
  print_usage(d, usage, sizeof usage);
  return json_pack("{s:s, s:s*, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:i}", "name", d->name,
                   "alias", d->alias, "group", tf_indicator_group_name(d->group), "kind",
                   d->series_cnt ? "series" : "market", "usage", usage, "help", d->help, "origin",
                   d->origin, "series", names_of(d->series, d->series_cnt), "outputs",
                   names_of(d->outputs, d->output_cnt), "params",
                   json_of_params(d->params, d->param_cnt), "lookback",
                   (json_int_t)default_lookback(d), "peers_max", (int)d->peers_max);
}

static json_t *json_of_cross(const tf_cross_t *d) {
  char usage[128];
  print_cross_usage(d, usage, sizeof usage);
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:i}", "name", d->name, "group",
                   tf_indicator_group_name(TF_GROUP_CROSS), "usage", usage, "help", d->help,
                   "origin", d->origin, "params", json_of_params(d->params, d->param_cnt),
                   "instruments_min", (int)d->member_min);
}

static void print_json(const tf_registry_t *r, const char *group) {
  json_t *indicators = json_array(), *fields = json_array(), *crosses = json_array();
  for (uint32_t i = 0; i < r->indicator_cnt; i++)
    if (is_wanted(r->indicators[i], group))
      json_array_append_new(indicators, json_of_indicator(r->indicators[i]));
  for (uint32_t i = 0; !group && i < TF_FEATURE_BAR_FIELD_CNT; i++)
    json_array_append_new(fields, json_pack("{s:s, s:s}", "name", tf_feature_plan_bar_fields[i],
                                            "help", field_help[i]));
  for (uint32_t i = 0; is_cross_wanted(group) && i < r->crosses->cross_cnt; i++)
    json_array_append_new(crosses, json_of_cross(r->crosses->crosses[i]));
  json_t *root = json_pack("{s:o, s:o, s:o}", "indicators", indicators, "crosses", crosses,
                           "bar_fields", fields);
  json_dumpf(root, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
  printf("\n");
  json_decref(root);
}

/* False where the group is none, with what was meant. */
static bool check_group(const tf_registry_t *r, const char *group) {
  const char *known[TF_GROUP_CNT];
  uint32_t    cnt = 0;
  for (uint32_t g = 0; g < TF_GROUP_CNT; g++) {
    bool        has  = false;
    const char *name = tf_indicator_group_name((tf_indicator_group_t)g);
    for (uint32_t i = 0; i < r->indicator_cnt; i++) has = has || r->indicators[i]->group == g;
    if (!has) continue;
    if (strcmp(name, group) == 0) return true;
    known[cnt++] = name;
  }
  tf_cli_unknown("group", group, known, cnt);
  return false;
}

int features_list(const char *command, int argc, char **argv) {
  const char           *group = NULL;
  char                  usage[64];
  uint32_t              json      = 0;
  const tf_cli_option_t options[] = {
      {"--json", NULL, "print one JSON object", NULL, &json}
  };
  snprintf(usage, sizeof usage, "%s list [GROUP] [--json]", command);
  const tf_cli_spec_t spec = {
      .usage = usage,
      .about = "Every indicator and bar field: what it measures, its parameters with defaults and\n"
               "range, where its formula comes from. With a group, as in `list momentum`, its own\n"
               "only.",
      .options        = options,
      .option_cnt     = TF_ARRAY_CNT(options),
      .positional     = &group,
      .positional_max = 1};
  int code = tf_cli_parse(&spec, argc, argv);
  if (code >= 0) return code;
  if (group && !check_group(tickfuse_registry(), group)) return TF_EXIT_USAGE;
  if (json)
    print_json(tickfuse_registry(), group);
  else
    print_text(tickfuse_registry(), group);
  return TF_EXIT_DONE;
}

static int list(int argc, char **argv) { return features_list("features", argc, argv); }

/* ---- the command ---- */

static const struct {
  const char *name;
  int (*run)(int argc, char **argv);
  const char *usage;
} subs[] = {
    {"list", list,          "[GROUP] [--json]"                                     },
    {"eval", features_eval, "CONFIG --input VENUE:FILE [--out X.csv|X.npy|X.arrow]"},
};

static int usage(FILE *out) {
  fprintf(out, "usage: tickfuse features list|eval ...\n\n"
               "What features there are, and the rows that a config computes.\n\n");
  for (size_t i = 0; i < TF_ARRAY_CNT(subs); i++)
    fprintf(out, "  %-5s %s\n", subs[i].name, subs[i].usage);
  return out == stdout ? TF_EXIT_DONE : TF_EXIT_USAGE;
}

int tf_cmd_features(int argc, char **argv) {
  const char *names[TF_ARRAY_CNT(subs)];
  if (argc < 2) return usage(stderr);
  if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) return usage(stdout);
  for (size_t i = 0; i < TF_ARRAY_CNT(subs); i++) {
    names[i] = subs[i].name;
    if (!strcmp(argv[1], names[i])) return subs[i].run(argc - 1, argv + 1);
  }
  tf_cli_unknown("features command", argv[1], names, TF_ARRAY_CNT(names));
  return TF_EXIT_USAGE;
}
