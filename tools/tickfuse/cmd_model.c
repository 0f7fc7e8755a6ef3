/* tickfuse model import|inspect|run|bench|verify. Exit codes as everywhere: 0 done, 1 failed, 2 bad
 * usage, 3 the data was bad. */
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/cpu.h"
#include "core/error.h"
#include "model/execute.h"
#include "model/graph_file.h"
#include "model/import_onnx.h"
#include "model/loader.h"
#include "model/measure.h"
#include "model/npy.h"
#include "model/safetensors.h"
#include "model/shapes.h"

#define EXIT_FAILED    1
#define EXIT_USAGE     2
#define EXIT_DATA      3
#define ERROR_ROWS     1024u
#define SECONDS_PRESET 3.0
#define SECONDS_MAX    3600.0

int tf_cmd_model(int argc, char **argv);

typedef struct arguments {
  const char *command;
  const char *file;
  const char *features;
  const char *features_file;
  const char *out;
  const char *name;
  const char *input;
  const char *shape;
  double      seconds;
  tf_op_isa_t isa;
  bool        json;
} arguments_t;

typedef struct command {
  const char *name;
  int (*run)(const arguments_t *args);
  const char *options; /* the letters of those that it takes */
  const char *help;
} command_t;

static int command_import(const arguments_t *args);
static int command_inspect(const arguments_t *args);
static int command_run(const arguments_t *args);
static int command_bench(const arguments_t *args);
static int command_verify(const arguments_t *args);

static const command_t commands[] = {
    {"import",  command_import,  "fFonjh",
     "usage: tickfuse model import FILE.onnx --features \"a,b,c\" --out FILE.safetensors\n"
     "\n"
     "Turns an ONNX model into the file that the engine loads. The ONNX graph must be a chain "
     "with\n"
     "one float input [batch, n] and one output, 1 (a score) or 3 (p10, p50, p90) wide.\n"
     "\n"
     "  --features LIST       the n feature expressions, in the order of training, with commas\n"
     "  --features-file FILE  the same, one a line; # begins a comment\n"
     "  --out FILE            what to write; replaced whole or not at all\n"
     "  --name NAME           the model's name, A-Z a-z 0-9 _ - . (default: FILE without .onnx)\n"
     "  --json                the report as one JSON object\n"},
    {"inspect", command_inspect, "ijh",
     "usage: tickfuse model inspect FILE.safetensors [--json]\n"
     "\n"
     "Shows a model's features, graph, plan, parameters, precision, origin and hash.\n"
     "\n"
     "  --isa ISA  plan for scalar, avx2 or avx512 (default: the best of this CPU)\n"
     "  --json     one JSON object\n"                         },
    {"run",     command_run,     "Ioijh",
     "usage: tickfuse model run FILE.safetensors --input X.npy --out Y.npy\n"
     "\n"
     "Runs each row of X through the model. X: float32 or float64, C order, rows of as many "
     "values\n"
     "as the model has features. Y: float32, a row of outputs for each. A NaN in a row of X gives\n"
     "NaN in that row of Y.\n"
     "\n"
     "  --input FILE  rows of features, .npy\n"
     "  --out FILE    rows of outputs, .npy\n"
     "  --isa ISA     scalar, avx2 or avx512 (default: the best of this CPU); the bits are the "
     "same\n"
     "  --json        the report as one JSON object\n"        },
    {"bench",   command_bench,   "sSijh",
     "usage: tickfuse model bench FILE.safetensors | --shape mlp [--seconds N] [--json]\n"
     "\n"
     "Times one row through the model on this core: single runs with 512 KiB of other data "
     "touched\n"
     "before each (p50_ns .. max_ns), the same back to back (warm_*), and how many rows a second "
     "it\n"
     "holds for good. error_max is against an evaluation in double.\n"
     "\n"
     "  --shape mlp  a 256-384-384-128 perceptron with random weights instead of a file\n"
     "  --seconds N  how long to measure, above 0 to 3600 (default 3)\n"
     "  --isa ISA    scalar, avx2 or avx512 (default: the best of this CPU)\n"
     "  --json       one JSON object\n"                       },
    {"verify",  command_verify,  "jh",
     "usage: tickfuse model verify FILE.safetensors [--json]\n"
     "\n"
     "Checks the container, the graph, the weights and the schema, then runs the known answers of\n"
     "the file and 1024 random rows on each instruction set of this CPU: all must agree bit for\n"
     "bit, and with an evaluation in double. Exit 3 when anything is wrong with the file.\n"
     "\n"
     "  --json  one JSON object\n"                            },
};

static const struct option long_options[] = {
    {"features",      required_argument, NULL, 'f'},
    {"features-file", required_argument, NULL, 'F'},
    {"out",           required_argument, NULL, 'o'},
    {"name",          required_argument, NULL, 'n'},
    {"input",         required_argument, NULL, 'I'},
    {"shape",         required_argument, NULL, 's'},
    {"seconds",       required_argument, NULL, 'S'},
    {"isa",           required_argument, NULL, 'i'},
    {"json",          no_argument,       NULL, 'j'},
    {"help",          no_argument,       NULL, 'h'},
    {NULL,            0,                 NULL, 0  },
};

static void print_help(FILE *to) {
  fputs("usage: tickfuse model import|inspect|run|bench|verify ...\n"
        "\n"
        "  import   ONNX to the file that the engine loads\n"
        "  inspect  what a model file holds\n"
        "  run      rows of features through a model, .npy to .npy\n"
        "  bench    latency, throughput and error of a model\n"
        "  verify   checks a model file through and through\n"
        "\n"
        "tickfuse model COMMAND --help says more.\n",
        to);
}

__attribute__((format(printf, 2, 3))) static int usage(const char *command, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  fprintf(stderr, "tickfuse model %s: ", command);
  vfprintf(stderr, fmt, args);
  fprintf(stderr, "; tickfuse model %s --help says more\n", command);
  va_end(args);
  return EXIT_USAGE;
}

/* Prints the thread's error; its exit code. */
static int failed(const arguments_t *args, tf_err_t err) {
  fprintf(stderr, "tickfuse model %s: %s [%s: %s]\n", args->command, tf_error_text(),
          tf_error_name(err), tf_error_meaning(err));
  switch (err) {
  case E_FILE_FORMAT:
  case E_FILE_DAMAGED:
  case E_MODEL_FORMAT:
  case E_MODEL_UNSUPPORTED:
  case E_MODEL_SHAPE:
  case E_MODEL_WEIGHTS:
  case E_MODEL_SCHEMA:
  case E_MODEL_CHECK: return EXIT_DATA;
  case E_CORE_ARGUMENT: return EXIT_USAGE;
  default: return EXIT_FAILED;
  }
}

/* Prints a JSON object and lets go of it. */
static int print_json(json_t *object) {
  json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
  putchar('\n');
  json_decref(object);
  return fflush(stdout) == 0 ? 0 : EXIT_FAILED;
}

static bool parse_seconds(const char *text, double *seconds) {
  char *end;
  *seconds = strtod(text, &end);
  return end != text && *end == 0 && *seconds > 0.0 && *seconds <= SECONDS_MAX;
}

/* 0, or the exit code; *help where --help was asked for. */
static int parse(const command_t *command, int argc, char **argv, arguments_t *args, bool *help) {
  int letter;
  opterr = 0;
  optind = 0; /* glibc: start anew */
  while ((letter = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
    if (letter == '?')
      return usage(command->name, "unknown or ambiguous option %s", argv[optind - 1]);
    if (letter == ':') return usage(command->name, "%s needs a value", argv[optind - 1]);
    if (!strchr(command->options, letter)) {
      const struct option *o = long_options;
      while (o->val != letter) o++;
      return usage(command->name, "it takes no --%s", o->name);
    }
    switch (letter) {
    case 'f': args->features = optarg; break;
    case 'F': args->features_file = optarg; break;
    case 'o': args->out = optarg; break;
    case 'n': args->name = optarg; break;
    case 'I': args->input = optarg; break;
    case 's': args->shape = optarg; break;
    case 'j': args->json = true; break;
    case 'h': *help = true; return 0;
    case 'S':
      if (!parse_seconds(optarg, &args->seconds))
        return usage(command->name, "--seconds %s is not a number above 0, up to %g", optarg,
                     SECONDS_MAX);
      break;
    case 'i':
      if (!tf_op_isa_parse(optarg, &args->isa))
        return usage(command->name, "--isa %s is none of scalar, avx2, avx512", optarg);
      break;
    }
  }
  if (argc - optind > 1) return usage(command->name, "one file, not \"%s\" too", argv[optind + 1]);
  args->file = optind < argc ? argv[optind] : NULL;
  if (!args->file && !args->shape) return usage(command->name, "which file?");
  return 0;
}

int tf_cmd_model(int argc, char **argv) {
  if (argc < 2) {
    print_help(stderr);
    return EXIT_USAGE;
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
    print_help(stdout);
    return 0;
  }
  for (size_t i = 0; i < TF_ARRAY_CNT(commands); i++) {
    if (strcmp(argv[1], commands[i].name) != 0) continue;
    bool        help = false;
    arguments_t args = {
        .command = commands[i].name, .seconds = SECONDS_PRESET, .isa = tf_op_isa_best()};
    int code = parse(&commands[i], argc - 1, argv + 1, &args, &help);
    if (code) return code;
    if (!help) return commands[i].run(&args);
    fputs(commands[i].help, stdout);
    return 0;
  }
  fprintf(stderr, "tickfuse model: \"%s\" is no command\n", argv[1]);
  print_help(stderr);
  return EXIT_USAGE;
}

/* FILE.onnx's name without its folder and ending, cut to what a model name may be; what it may not
 * hold becomes _. */
static void name_from_path(const char *path, char *name, size_t bytes) {
  const char *slash = strrchr(path, '/');
  const char *begin = slash ? slash + 1 : path;
  const char *dot   = strrchr(begin, '.');
  size_t      used  = dot && dot != begin ? (size_t)(dot - begin) : strlen(begin);
  snprintf(name, bytes, "%.*s", (int)(used < bytes ? used : bytes - 1), begin);
  for (char *c = name; *c; c++)
    if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
          *c == '-' || *c == '.' || *c == '_'))
      *c = '_';
  if (name[0] == '.') name[0] = '_';
}

static int report_import(const arguments_t *args, const tf_graph_t *graph, const tf_plan_t *plan,
                         const tf_import_onnx_report_t *report, double error_max) {
  if (args->json)
    return print_json(
        json_pack("{s:s, s:s, s:i, s:i, s:I, s:I, s:i, s:i, s:I, s:f}", "file", args->out, "name",
                  graph->name, "inputs", (int)graph->input_cnt, "outputs", (int)graph->output_cnt,
                  "params", (json_int_t)graph->param_cnt, "opset", (json_int_t)report->opset,
                  "onnx_nodes", (int)report->onnx_node_cnt, "steps", (int)plan->step_cnt,
                  "denormals", (json_int_t)report->denormal_cnt, "error_max", error_max));
  printf("%s: model %s, %u features in, %u out, %llu parameters\n", args->out, graph->name,
         graph->input_cnt, graph->output_cnt, (unsigned long long)graph->param_cnt);
  printf("  %u ONNX nodes of operator set %lld, %u steps; known answers within %.1g\n",
         report->onnx_node_cnt, (long long)report->opset, plan->step_cnt, error_max);
  if (report->denormal_cnt)
    printf("  %llu denormal weights were made 0\n", (unsigned long long)report->denormal_cnt);
  return 0;
}

static int import_with(const arguments_t *args, const char *name, const tf_features_t *features) {
  tf_import_onnx_report_t report;
  tf_plan_t              *plan      = NULL;
  double                  error_max = 0.0;
  tf_graph_t             *graph     = calloc(1, sizeof *graph);
  if (!graph) return EXIT_FAILED;
  tf_err_t err = tf_import_onnx(args->file, name, features, graph, &report);
  if (!err) err = tf_plan_new(graph, args->isa, &plan);
  if (!err) err = tf_loader_check(graph, plan, &error_max);
  if (!err) err = tf_graph_file_write(graph, args->out);
  int code = err ? failed(args, err) : report_import(args, graph, plan, &report, error_max);
  tf_plan_delete(plan);
  tf_graph_fini(graph);
  free(graph);
  return code;
}

static int command_import(const arguments_t *args) {
  if (!args->out) return usage("import", "--out FILE.safetensors is missing");
  if (!args->features == !args->features_file)
    return usage("import", "one of --features and --features-file is wanted");
  tf_features_t features = {0};
  tf_err_t      err      = args->features ? tf_features_parse(&features, args->features)
                                          : tf_features_read(&features, args->features_file);
  int           code;
  char          name[32];
  name_from_path(args->file, name, sizeof name);
  if (err) {
    code = failed(args, err);
    if (code == EXIT_DATA && args->features) code = EXIT_USAGE;
  } else {
    code = import_with(args, args->name ? args->name : name, &features);
  }
  tf_features_fini(&features);
  return code;
}

static json_t *inspect_nodes(const tf_graph_t *graph) {
  json_t *nodes = json_array();
  for (uint32_t i = 0; i < graph->node_cnt; i++) {
    const tf_graph_node_t *n = &graph->nodes[i];
    json_array_append_new(
        nodes, json_pack("{s:s, s:s, s:i, s:i, s:I}", "op", n->op->name, "name", n->name, "inputs",
                         (int)n->params.in_cnt, "outputs", (int)n->params.out_cnt, "params",
                         (json_int_t)(n->params.weight_cnt + n->params.bias_cnt)));
  }
  return nodes;
}

static json_t *inspect_steps(const tf_plan_t *plan) {
  json_t *steps = json_array();
  for (uint32_t i = 0; i < plan->step_cnt; i++) {
    char text[80];
    tf_plan_describe_step(&plan->steps[i], text, sizeof text);
    json_array_append_new(steps, json_pack("{s:s, s:i, s:i}", "step", text, "node_first",
                                           (int)plan->steps[i].node_first, "node_last",
                                           (int)plan->steps[i].node_last));
  }
  return steps;
}

static int inspect_json(const arguments_t *args, const tf_model_t *model, const tf_graph_t *graph) {
  const tf_plan_t *plan     = model->plan;
  json_t          *features = json_array();
  for (uint32_t i = 0; i < model->input_cnt; i++)
    json_array_append_new(features, json_string(model->features[i]));
  json_t *all = json_pack(
      "{s:s, s:s, s:s, s:I, s:s, s:s, s:i, s:i, s:I, s:I, s:I, s:I, s:s, s:s, s:s, s:o, s:o, s:o}",
      "file", args->file, "name", model->name, "sha256", model->sha256_hex, "hash",
      (json_int_t)model->hash, "precision", "fp32", "isa", tf_op_isa_name(plan->isa), "inputs",
      (int)model->input_cnt, "outputs", (int)model->output_cnt, "params",
      (json_int_t)model->param_cnt, "weight_bytes", (json_int_t)plan->weight_bytes, "scratch_bytes",
      (json_int_t)model->scratch_bytes, "flops", (json_int_t)plan->flops, "producer",
      graph->producer, "source", graph->source, "source_sha256", graph->source_sha256_hex,
      "features", features, "graph", inspect_nodes(graph), "plan", inspect_steps(plan));
  json_t *training = graph->training ? json_loads(graph->training, 0, NULL) : NULL;
  if (training) json_object_set_new(all, "training", training);
  return print_json(all);
}

/* Weights that the core's own cache cannot hold are fetched anew on each tick. */
static void print_cache_note(const tf_plan_t *plan) {
  long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
  if (bytes > 0 && plan->weight_bytes > (uint64_t)bytes)
    printf("note      packed weights of %llu KiB do not fit this core's L2 cache of %ld KiB\n",
           (unsigned long long)plan->weight_bytes >> 10, bytes >> 10);
}

static void inspect_text(const arguments_t *args, const tf_model_t *model,
                         const tf_graph_t *graph) {
  const tf_plan_t *plan = model->plan;
  printf("model     %s\nfile      %s\nsha256    %s\nhash      %u (0x%08x)\n", model->name,
         args->file, model->sha256_hex, model->hash, model->hash);
  printf("source    %s, sha256 %.16s...\nproducer  %s\n", graph->source, graph->source_sha256_hex,
         graph->producer);
  printf("precision fp32, %llu parameters, %.1f KiB packed for %s, %llu flops a row\n",
         (unsigned long long)model->param_cnt, (double)plan->weight_bytes / 1024.0,
         tf_op_isa_name(plan->isa), (unsigned long long)plan->flops);
  print_cache_note(plan);
  printf("outputs   %u (%s)\n", model->output_cnt,
         model->output_cnt == 1 ? "score" : "p10, p50, p90");
  if (graph->training) printf("training  %s\n", graph->training);
  printf("features  %u\n", model->input_cnt);
  for (uint32_t i = 0; i < model->input_cnt; i++) printf("  %4u  %s\n", i, model->features[i]);
  printf("graph     %u nodes\n", graph->node_cnt);
  for (uint32_t i = 0; i < graph->node_cnt; i++)
    printf("  %4u  %-10s %u -> %u  %s\n", i, graph->nodes[i].op->name,
           graph->nodes[i].params.in_cnt, graph->nodes[i].params.out_cnt, graph->nodes[i].name);
  printf("plan      %u steps\n", plan->step_cnt);
  for (uint32_t i = 0; i < plan->step_cnt; i++) {
    char text[80];
    tf_plan_describe_step(&plan->steps[i], text, sizeof text);
    printf("  %4u  %s  (nodes %u to %u)\n", i, text, plan->steps[i].node_first,
           plan->steps[i].node_last);
  }
}

static int command_inspect(const arguments_t *args) {
  tf_model_t *model;
  tf_graph_t *graph = calloc(1, sizeof *graph);
  if (!graph) return EXIT_FAILED;
  tf_err_t err  = tf_loader_load(args->file, args->isa, &model, graph);
  int      code = 0;
  if (err)
    code = failed(args, err);
  else if (args->json)
    code = inspect_json(args, model, graph);
  else
    inspect_text(args, model, graph);
  tf_loader_unload(model);
  tf_graph_fini(graph);
  free(graph);
  return code;
}

static int run_rows(const arguments_t *args, const tf_model_t *model, const tf_npy_t *x) {
  if (x->column_cnt != model->input_cnt) {
    fprintf(stderr, "tickfuse model run: %s has rows of %llu values, model %s takes %u features\n",
            args->input, (unsigned long long)x->column_cnt, model->name, model->input_cnt);
    return EXIT_DATA;
  }
  uint64_t nan_cnt = 0;
  float   *out     = malloc(x->row_cnt ? x->row_cnt * model->output_cnt * sizeof *out : 1);
  void    *scratch = aligned_alloc(TF_LINE_BYTES, model->scratch_bytes);
  tf_err_t err = out && scratch ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "%s: its outputs", args->out);
  for (uint64_t r = 0; r < x->row_cnt && !err; r++) {
    float *y = out + r * model->output_cnt;
    model->run(model, scratch, x->values + r * x->column_cnt, y);
    nan_cnt += isnan(y[0]) != 0;
  }
  if (!err) err = tf_npy_write(args->out, x->row_cnt, model->output_cnt, out);
  free(out);
  free(scratch);
  if (err) return failed(args, err);
  if (args->json)
    return print_json(json_pack("{s:s, s:I, s:i, s:I}", "file", args->out, "rows",
                                (json_int_t)x->row_cnt, "outputs", (int)model->output_cnt,
                                "nan_rows", (json_int_t)nan_cnt));
  printf("%s: %llu rows of %u", args->out, (unsigned long long)x->row_cnt, model->output_cnt);
  if (nan_cnt) printf(", %llu of them NaN", (unsigned long long)nan_cnt);
  putchar('\n');
  return 0;
}

static int command_run(const arguments_t *args) {
  if (!args->input) return usage("run", "--input X.npy is missing");
  if (!args->out) return usage("run", "--out Y.npy is missing");
  tf_model_t *model;
  tf_npy_t    x   = {0};
  tf_err_t    err = tf_loader_load(args->file, args->isa, &model, NULL);
  if (!err) err = tf_npy_read(&x, args->input);
  int code = err ? failed(args, err) : run_rows(args, model, &x);
  tf_npy_fini(&x);
  tf_loader_unload(model);
  return code;
}

static int report_bench(const arguments_t *args, const tf_graph_t *graph, const tf_plan_t *plan,
                        const tf_measure_t *m, double error_max) {
  const tf_hist_t *cold = &m->cold_ns, *warm = &m->warm_ns;
  const uint64_t   p50 = tf_hist_quantile(cold, 0.5), p99 = tf_hist_quantile(cold, 0.99);
  const uint64_t   p99_9 = tf_hist_quantile(cold, 0.999);
  if (args->json)
    return print_json(json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:I}", "name", graph->name,
        "backend", "cpu", "isa", tf_op_isa_name(plan->isa), "precision", "fp32", "p50_ns",
        (json_int_t)p50, "p99_ns", (json_int_t)p99, "p99_9_ns", (json_int_t)p99_9, "max_ns",
        (json_int_t)cold->max, "warm_p50_ns", (json_int_t)tf_hist_quantile(warm, 0.5),
        "warm_p99_ns", (json_int_t)tf_hist_quantile(warm, 0.99), "ticks_per_second",
        m->ticks_per_second, "error_max", error_max, "params", (json_int_t)graph->param_cnt));
  printf("model %s, fp32, cpu %s, %llu parameters\n", graph->name, tf_op_isa_name(plan->isa),
         (unsigned long long)graph->param_cnt);
  printf("  after 512 KiB of other data: p50 %llu ns, p99 %llu, p99.9 %llu, max %llu\n",
         (unsigned long long)p50, (unsigned long long)p99, (unsigned long long)p99_9,
         (unsigned long long)cold->max);
  printf("  back to back: p50 %llu ns, p99 %llu; %.0f ticks a second\n",
         (unsigned long long)tf_hist_quantile(warm, 0.5),
         (unsigned long long)tf_hist_quantile(warm, 0.99), m->ticks_per_second);
  print_cache_note(plan);
  printf("  error against double, %u random rows: at most %.2g\n", ERROR_ROWS, error_max);
  return 0;
}

static int bench_plan(const arguments_t *args, const tf_graph_t *graph, const tf_plan_t *plan) {
  double        error_max = 0.0;
  tf_measure_t *m         = malloc(sizeof *m);
  if (!m) return EXIT_FAILED;
  tf_clock_calibrate();
  (void)tf_cpu_pin(sched_getcpu(), "model-bench"); /* stays where it is; unpinned is only noisier */
  tf_err_t err = tf_measure_error(graph, plan, ERROR_ROWS, &error_max);
  if (!err) err = tf_measure_time(plan, args->seconds, m);
  int code = err ? failed(args, err) : report_bench(args, graph, plan, m, error_max);
  free(m);
  return code;
}

static int command_bench(const arguments_t *args) {
  static const uint32_t mlp[] = {256, 384, 384, 128};
  if (args->file && args->shape) return usage("bench", "a file or --shape, not both");
  if (args->shape && strcmp(args->shape, "mlp") != 0)
    return usage("bench", "--shape %s: this build has mlp", args->shape);
  tf_graph_t *graph = calloc(1, sizeof *graph);
  tf_model_t *model = NULL;
  tf_plan_t  *plan  = NULL;
  tf_err_t    err;
  if (!graph) return EXIT_FAILED;
  if (args->file) {
    err = tf_loader_load(args->file, args->isa, &model, graph);
  } else {
    err = tf_shapes_mlp(graph, "mlp", mlp, TF_ARRAY_CNT(mlp), 1);
    if (!err) err = tf_plan_new(graph, args->isa, &plan);
  }
  int code = err ? failed(args, err) : bench_plan(args, graph, model ? model->plan : plan);
  tf_loader_unload(model);
  tf_plan_delete(plan);
  tf_graph_fini(graph);
  free(graph);
  return code;
}

/* Rows on each instruction set: known answers, errors, and the same bits as on the first. */
typedef struct verdict {
  double   check_error_max;
  double   error_max;
  uint32_t isa_cnt;
  bool     same_bits;
} verdict_t;

static tf_err_t compare_bits(const tf_plan_t *a, const tf_plan_t *b, bool *same) {
  const uint32_t width   = a->input_cnt;
  uint64_t       seed    = 3;
  float         *row     = malloc(width * sizeof *row);
  float         *out     = malloc(2 * a->output_cnt * sizeof *out);
  float         *scratch = aligned_alloc(TF_LINE_BYTES, a->scratch_bytes + b->scratch_bytes);
  tf_err_t       err     = row && out && scratch ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "test rows");
  for (uint32_t r = 0; r < ERROR_ROWS && !err; r++) {
    tf_shapes_noise(row, width, &seed);
    tf_execute_row(a, scratch, row, out);
    tf_execute_row(b, scratch, row, out + a->output_cnt);
    if (memcmp(out, out + a->output_cnt, a->output_cnt * sizeof *out) != 0) *same = false;
  }
  free(row);
  free(out);
  free(scratch);
  return err;
}

static tf_err_t verify_all(const tf_graph_t *graph, const tf_plan_t *best, verdict_t *v) {
  tf_err_t err = TF_OK;
  *v           = (verdict_t){.same_bits = true};
  for (int isa = 0; isa < TF_OP_ISA_CNT && !err; isa++) {
    if (!tf_op_isa_supported((tf_op_isa_t)isa)) continue;
    tf_plan_t *plan        = NULL;
    double     check_error = 0.0, error = 0.0;
    err = tf_plan_new(graph, (tf_op_isa_t)isa, &plan);
    if (!err) err = tf_loader_check(graph, plan, &check_error);
    if (!err) err = tf_measure_error(graph, plan, ERROR_ROWS, &error);
    if (!err) err = compare_bits(best, plan, &v->same_bits);
    v->check_error_max = fmax(v->check_error_max, check_error);
    v->error_max       = fmax(v->error_max, error);
    v->isa_cnt += 1;
    tf_plan_delete(plan);
  }
  if (!err && !v->same_bits)
    err = TF_ERR(E_MODEL_CHECK, "model %s: instruction sets disagree in bits", graph->name);
  return err;
}

static int command_verify(const arguments_t *args) {
  tf_model_t *model;
  verdict_t   v;
  int         code  = 0;
  tf_graph_t *graph = calloc(1, sizeof *graph);
  if (!graph) return EXIT_FAILED;
  tf_err_t err = tf_loader_load(args->file, args->isa, &model, graph);
  if (!err) err = verify_all(graph, model->plan, &v);
  if (err)
    code = failed(args, err);
  else if (args->json)
    code = print_json(json_pack("{s:s, s:b, s:s, s:i, s:f, s:f, s:i}", "file", args->file, "ok", 1,
                                "sha256", model->sha256_hex, "known_answers", (int)graph->check_cnt,
                                "check_error_max", v.check_error_max, "error_max", v.error_max,
                                "instruction_sets", (int)v.isa_cnt));
  else
    printf("%s: good. sha256 %s; %u known answers within %.1g, %u random rows within %.1g of "
           "double, the same bits on %u instruction sets\n",
           args->file, model->sha256_hex, graph->check_cnt, v.check_error_max, ERROR_ROWS,
           v.error_max, v.isa_cnt);
  tf_loader_unload(model);
  tf_graph_fini(graph);
  free(graph);
  return code;
}
