/* `tickfuse indicator eval`: one expression over bars from a file. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "bars_csv.h"
#include "boot/feature_compile.h"
#include "cli.h"
#include "core/error.h"
#include "features_list.h"
#include "registry.h"
#include "row_file.h"

typedef struct indicator_args {
  const char *positional[2];
  const char *bars[TF_CLI_VALUES_MAX];
  uint32_t    bars_cnt, json;
} indicator_args_t;

/* The plan of the expression's outputs, over one nameless bar. */
static tf_err_t compile(const char *text, tf_feature_plan_t *plan) {
  static const char *const bar_names[] = {"bar"};
  const tf_registry_t     *r           = tickfuse_registry();
  const tf_expr_origin_t   origin      = {"expr", 1, 1};
  const tf_feature_env_t   env         = {.indicators    = r->indicators,
                                          .indicator_cnt = r->indicator_cnt,
                                          .bar_names     = bar_names,
                                          .bar_cnt       = 1,
                                          .plain_bar     = 0,
                                          .bars_only     = true};
  tf_feature_compile_t    *c;
  uint32_t                 first, cnt;
  tf_err_t                 err = tf_feature_compile_begin(&c, &env);
  if (!err) err = tf_feature_compile_add_outputs(c, &origin, text, &first, &cnt);
  if (!err) err = tf_feature_compile_finish(c, plan);
  tf_feature_compile_end(c);
  return err;
}

static tf_err_t check_fields(const bars_csv_t *csv, const tf_feature_plan_t *plan) {
  for (uint32_t i = 0; i < plan->bars[0].field_cnt; i++) {
    uint16_t field = plan->bars[0].fields[i].field;
    if (!bars_csv_has(csv, (tf_feature_bar_field_t)field))
      return TF_ERR(E_FILE_FORMAT, "%s:1: no column \"%s\", which the expression reads", csv->path,
                    tf_feature_plan_bar_fields[field]);
  }
  return TF_OK;
}

static void print_row(const bars_csv_t *csv, uint64_t idx, const double *row, uint32_t cnt) {
  char text[32];
  if (csv->ts)
    printf("%s", csv->ts);
  else
    printf("%llu", (unsigned long long)idx);
  for (uint32_t i = 0; i < cnt; i++) printf(",%s", row_number(row[i], text));
  putchar('\n');
}

static json_t *json_of_row(const bars_csv_t *csv, uint64_t idx, const double *row, uint32_t cnt) {
  json_t *list = json_array();
  json_array_append_new(list, csv->ts ? json_string(csv->ts) : json_integer((json_int_t)idx));
  for (uint32_t i = 0; i < cnt; i++)
    json_array_append_new(list, row[i] == row[i] ? json_real(row[i]) : json_null());
  return list;
}

static tf_err_t eval(bars_csv_t *csv, const tf_feature_plan_t *plan, void *mem, json_t *rows) {
  double   row[TF_INDICATOR_OUTPUTS_MAX];
  tf_bar_t bar;
  bool     has_bar;
  uint64_t idx = 0;
  for (;; idx++) {
    tf_err_t err = bars_csv_next(csv, &bar, &has_bar);
    if (err || !has_bar) return err;
    tf_feature_plan_on_bar(plan, mem, 0, &bar);
    (void)tf_feature_plan_read(plan, mem, row);
    if (rows)
      json_array_append_new(rows, json_of_row(csv, idx, row, plan->feature_cnt));
    else
      print_row(csv, idx, row, plan->feature_cnt);
  }
}

static void print_header(const tf_feature_plan_t *plan) {
  printf("ts");
  for (uint32_t i = 0; i < plan->feature_cnt; i++) {
    const char *name = tf_feature_plan_name(plan, i);
    printf(strchr(name, ',') ? ",\"%s\"" : ",%s", name);
  }
  putchar('\n');
}

static void print_json(const tf_feature_plan_t *plan, json_t *rows) {
  json_t *columns = json_array();
  json_array_append_new(columns, json_string("ts"));
  for (uint32_t i = 0; i < plan->feature_cnt; i++)
    json_array_append_new(columns, json_string(tf_feature_plan_name(plan, i)));
  json_t *root = json_pack("{s:o, s:O}", "columns", columns, "rows", rows);
  json_dumpf(root, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
  putchar('\n');
  json_decref(root);
}

static int run(const indicator_args_t *args) {
  tf_feature_plan_t plan = {0};
  bars_csv_t        csv  = {0};
  void             *mem  = NULL;
  json_t           *rows = args->json ? json_array() : NULL;
  tf_err_t          err  = compile(args->positional[1], &plan);
  if (!err) err = bars_csv_open(&csv, args->bars[args->bars_cnt - 1]);
  if (!err) err = check_fields(&csv, &plan);
  if (!err && !(mem = aligned_alloc(64, plan.mem_bytes)))
    err = TF_ERR(E_CORE_NO_MEMORY, "%zu bytes", plan.mem_bytes);
  if (!err) err = tf_feature_plan_init_state(&plan, mem);
  if (!err && !rows) print_header(&plan);
  if (!err) err = eval(&csv, &plan, mem, rows);
  if (!err && rows) print_json(&plan, rows);
  int code = err ? tf_cli_fail(err) : TF_EXIT_DONE;
  json_decref(rows);
  free(mem);
  bars_csv_close(&csv);
  tf_feature_plan_fini(&plan);
  return code;
}

int tf_cmd_indicator(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "list") == 0)
    return features_list("indicator", argc - 1, argv + 1);
  static indicator_args_t args;
  const tf_cli_option_t   options[] = {
        {"--bars", "FILE", "CSV with a header among ts,open,high,low,close,volume", args.bars,
         &args.bars_cnt                                                                                  },
        {"--json", NULL,   "print one JSON object: columns, rows",                  NULL,      &args.json},
  };
  const tf_cli_spec_t spec = {
      .usage = "indicator eval EXPRESSION --bars FILE [--json], or indicator list [GROUP] [--json]",
      .about =
          "One expression over bars, as in 'rsi(close,14)' or 'macd' (a bare name takes its "
          "defaults).\n"
          "Prints ts and one column per output, empty until ready. `tickfuse features list` names\n"
          "what there is. Exit 2: the expression is wrong, 3: the file is.",
      .options        = options,
      .option_cnt     = TF_ARRAY_CNT(options),
      .positional     = args.positional,
      .positional_min = 2,
      .positional_max = 2};
  int code = tf_cli_parse(&spec, argc, argv);
  if (code >= 0) return code;
  if (strcmp(args.positional[0], "eval") != 0) {
    tf_cli_unknown("indicator command", args.positional[0], (const char *const[]){"eval", "list"},
                   2);
    return TF_EXIT_USAGE;
  }
  if (args.bars_cnt == 0) {
    fprintf(stderr, "tickfuse: indicator eval wants --bars FILE\n");
    return TF_EXIT_USAGE;
  }
  return run(&args);
}
