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
#define BIT_ROWS       1024u
#define SECONDS_PRESET 3.0
#define SECONDS_MAX    3600.0
#define ERROR_MAX_MAX  1e6

int tf_cmd_model(int argc, char **argv);

typedef struct arguments {
  const char         *command;
  const char         *file;
  const char         *features;
  const char         *features_file;
  const char         *schema_file;
  const char         *out;
  const char         *name;
  const char         *input;
  const char         *shape;
  const char         *backend;
  double              seconds;
  uint32_t            window; /* 0: not given */
  bool                json;
  tf_loader_options_t options;
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
    {"import",  command_import,  "fFRonwpejh",
     "usage: tickfuse model import FILE.onnx --features \"a,b,c\" --out FILE.safetensors\n"
     "\n"
     "Turns an ONNX model into the file that the engine loads. The ONNX graph must be a chain "
     "with\n"
     "one float input, [batch, n] or a window of rows [batch, rows, n] or [rows, batch, n], and "
     "one\n"
     "output, 1 (a score) or 3 (p10, p50, p90) wide for each step ahead.\n"
     "\n"
     "  --features LIST       the n feature expressions, in the order of training, with commas\n"
     "  --features-file FILE  the same, one a line; # begins a comment\n"
     "  --schema FILE         what `features eval --out` left beside the rows: the features, and "
     "what they\n"
     "                        were made of, which the engine compares when it loads the model\n"
     "  --out FILE            what to write; replaced whole or not at all\n"
     "  --name NAME           the model's name, A-Z a-z 0-9 _ - . (default: FILE without .onnx)\n"
     "  --window N            rows in a window, where the ONNX file leaves it open\n"
     "  --precision P         also measure the error in bf16 or int8; the file holds fp32\n"
     "  --error-max X         refuse the model when a known answer is further off in that "
     "precision\n"
     "  --json                the report as one JSON object\n"},
    {"inspect", command_inspect, "ipejh",
     "usage: tickfuse model inspect FILE.safetensors [--precision P] [--json]\n"
     "\n"
     "Shows a model's features, graph, plan, window, parameters, precision, bytes, what a decision "
     "waits for\n"
     "and what is done after it, origin and hash.\n"
     "\n"
     "  --precision P  plan in fp32, bf16 or int8 (default: fp32)\n"
     "  --isa ISA      plan for scalar, avx2 or avx512 (default: the best of this CPU)\n"
     "  --json         one JSON object\n"                     },
    {"run",     command_run,     "Ioipejh",
     "usage: tickfuse model run FILE.safetensors --input X.npy --out Y.npy\n"
     "\n"
     "Runs each row of X through the model, or each window of rows, from a zero state. X: float32 "
     "or\n"
     "float64, C order, [n, features], or [n, window, features] for a model over a window; there\n"
     "[rows, features] means every window of rows that follow one another. Y: float32, a row of\n"
     "outputs for each. A NaN in X gives NaN in that row of Y.\n"
     "\n"
     "  --input FILE   rows of features, .npy\n"
     "  --out FILE     rows of outputs, .npy\n"
     "  --precision P  fp32, bf16 or int8 (default: fp32)\n"
     "  --isa ISA      scalar, avx2 or avx512 (default: the best of this CPU)\n"
     "  --json         the report as one JSON object\n"       },
    {"bench",   command_bench,   "sSipbejh",
     "usage: tickfuse model bench FILE.safetensors | --shape SHAPE [--precision P] [--seconds N] "
     "[--json]\n"
     "\n"
     "Times what a decision waits for, on this core: single ticks after the model's own deferred "
     "work and\n"
     "with 512 KiB of other data touched before each (p50_ns .. max_ns), without touching "
     "(warm_*), the\n"
     "deferred work (deferred_*), a tick that comes before it (late_*), and how many ticks a "
     "second it\n"
     "holds for good, all work included. error_max is against an evaluation in double.\n"
     "\n"
     "  --shape SHAPE    random weights instead of a file: mlp (256-384-384-128), lstm_a (50 rows "
     "of 100,\n"
     "                   2 layers of 100), lstm_b (100 of 250, 3 of 200), lstm_c (100 of 500, 4 of "
     "1000)\n"
     "  --precision P    fp32, bf16 or int8 (default: fp32)\n"
     "  --backend B      cpu, or auto, which is the same in this build\n"
     "  --seconds N      how long to measure, above 0 to 3600 (default 3)\n"
     "  --isa ISA        scalar, avx2 or avx512 (default: the best of this CPU)\n"
     "  --json           one JSON object\n"                   },
    {"verify",  command_verify,  "pejh",
     "usage: tickfuse model verify FILE.safetensors [--precision P] [--error-max X] [--json]\n"
     "\n"
     "Checks the container, the graph, the weights and the schema, then runs the known answers of\n"
     "the file and random windows on each instruction set of this CPU, against an evaluation in "
     "double\n"
     "and against one another: bit for bit in fp32 and int8, within the allowed error in bf16. "
     "Exit 3\n"
     "when anything is wrong with the file, or the precision is too coarse for the model.\n"
     "\n"
     "  --precision P  fp32, bf16 or int8 (default: fp32)\n"
     "  --error-max X  how far a known answer may be off (default: 1e-5, 0.05, 0.15)\n"
     "  --json         one JSON object\n"                     },
};

static const struct option long_options[] = {
    {"features",      required_argument, NULL, 'f'},
    {"features-file", required_argument, NULL, 'F'},
    {"schema",        required_argument, NULL, 'R'},
    {"out",           required_argument, NULL, 'o'},
    {"name",          required_argument, NULL, 'n'},
    {"input",         required_argument, NULL, 'I'},
    {"shape",         required_argument, NULL, 's'},
    {"seconds",       required_argument, NULL, 'S'},
    {"isa",           required_argument, NULL, 'i'},
    {"window",        required_argument, NULL, 'w'},
    {"precision",     required_argument, NULL, 'p'},
    {"backend",       required_argument, NULL, 'b'},
    {"error-max",     required_argument, NULL, 'e'},
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

static bool parse_window(const char *text, uint32_t *window) {
  char *end;
  long  value = strtol(text, &end, 10);
  if (end == text || *end || value < 1 || value > (long)TF_GRAPH_WINDOW_MAX) return false;
  *window = (uint32_t)value;
  return true;
}

static bool parse_error_max(const char *text, double *error_max) {
  char *end;
  *error_max = strtod(text, &end);
  return end != text && *end == 0 && *error_max > 0.0 && *error_max <= ERROR_MAX_MAX;
}

/* One option's value; 0, or the exit code. */
static int parse_value(const char *command, int letter, const char *value, arguments_t *args) {
  switch (letter) {
  case 'f': args->features = value; break;
  case 'F': args->features_file = value; break;
  case 'R': args->schema_file = value; break;
  case 'o': args->out = value; break;
  case 'n': args->name = value; break;
  case 'I': args->input = value; break;
  case 's': args->shape = value; break;
  case 'j': args->json = true; break;
  case 'b':
    if (strcmp(value, "cpu") != 0 && strcmp(value, "auto") != 0)
      return usage(command, "--backend %s: this build has cpu, and auto for it", value);
    args->backend = value;
    break;
  case 'S':
    if (!parse_seconds(value, &args->seconds))
      return usage(command, "--seconds %s is not a number above 0, up to %g", value, SECONDS_MAX);
    break;
  case 'i':
    if (!tf_isa_parse(value, &args->options.isa))
      return usage(command, "--isa %s is none of scalar, avx2, avx512", value);
    break;
  case 'p':
    if (!tf_precision_parse(value, &args->options.model.precision))
      return usage(command, "--precision %s is none of fp32, bf16, int8", value);
    break;
  case 'w':
    if (!parse_window(value, &args->window))
      return usage(command, "--window %s is not an integer of 1 to %u", value, TF_GRAPH_WINDOW_MAX);
    break;
  case 'e':
    if (!parse_error_max(value, &args->options.model.error_max))
      return usage(command, "--error-max %s is not a number above 0, up to %g", value,
                   ERROR_MAX_MAX);
    break;
  }
  return 0;
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
    if (letter == 'h') {
      *help = true;
      return 0;
    }
    int code = parse_value(command->name, letter, optarg, args);
    if (code) return code;
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
        .command = commands[i].name, .seconds = SECONDS_PRESET, .options = tf_loader_preset()};
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

static const char *precision_of(const arguments_t *args) {
  return tf_precision_name(args->options.model.precision);
}

/* Steps of a row's plan, or layers and steps around a window. */
static uint32_t step_cnt(const tf_model_t *model) {
  const tf_window_t *w = tf_loader_window(model);
  if (tf_loader_net(model)) return tf_loader_net(model)->step_cnt;
  if (!w) return tf_loader_plan(model)->step_cnt;
  return (w->before ? w->before->step_cnt : 0) + (w->layer_cnt ? w->layer_cnt : 1) +
         (w->after ? w->after->step_cnt : 0);
}

static int report_import(const arguments_t *args, const tf_graph_t *graph, const tf_model_t *model,
                         const tf_import_onnx_report_t *report, double error_max) {
  if (args->json)
    return print_json(json_pack(
        "{s:s, s:s, s:i, s:i, s:i, s:I, s:I, s:i, s:i, s:I, s:s, s:f}", "file", args->out, "name",
        graph->name, "inputs", (int)graph->input_cnt, "outputs", (int)graph->output_cnt, "window",
        (int)graph->window, "params", (json_int_t)graph->param_cnt, "opset",
        (json_int_t)report->opset, "onnx_nodes", (int)report->onnx_node_cnt, "steps",
        (int)step_cnt(model), "denormals", (json_int_t)report->denormal_cnt, "precision",
        precision_of(args), "error_max", error_max));
  printf("%s: model %s, %u features in, %u out, %llu parameters\n", args->out, graph->name,
         graph->input_cnt, graph->output_cnt, (unsigned long long)graph->param_cnt);
  if (graph->window > 1) printf("  over a window of %u rows\n", graph->window);
  printf("  %u ONNX nodes of operator set %lld, %u steps; known answers within %.1g in %s\n",
         report->onnx_node_cnt, (long long)report->opset, step_cnt(model), error_max,
         precision_of(args));
  if (report->denormal_cnt)
    printf("  %llu denormal weights were made 0\n", (unsigned long long)report->denormal_cnt);
  return 0;
}

/* The schema that `features eval` wrote: its text, and the names in it. The engine understands the rest. */
static tf_err_t read_schema(const char *path, tf_features_t *features, char **text) {
  json_error_t at;
  size_t       i;
  json_t      *feature, *root = json_load_file(path, JSON_REJECT_DUPLICATES, &at);
  if (!root)
    return TF_ERR(at.line < 0 ? E_FILE_OPEN : E_MODEL_SCHEMA, "%s:%d:%d: %s", path, at.line,
                  at.column, at.text);
  json_t  *list = json_object_get(root, "features");
  tf_err_t err  = json_array_size(list) > 0
                      ? TF_OK
                      : TF_ERR(E_MODEL_SCHEMA,
                               "%s: no list \"features\": not what `features eval` writes", path);
  json_array_foreach(list, i, feature) {
    const char *name = json_string_value(json_object_get(feature, "name"));
    if (!err && !name) err = TF_ERR(E_MODEL_SCHEMA, "%s: feature %zu has no name", path, i + 1);
    if (!err) err = tf_features_append(features, name, strlen(name));
  }
  *text = err ? NULL : json_dumps(root, JSON_COMPACT);
  if (!err && !*text) err = TF_ERR(E_CORE_NO_MEMORY, "%s", path);
  json_decref(root);
  return err;
}

static int import_with(const arguments_t *args, const char *name, const tf_features_t *features,
                       char *schema) {
  tf_import_onnx_report_t report;
  tf_import_onnx_spec_t   spec      = {.name = name, .features = features, .window = args->window};
  tf_model_t             *model     = NULL;
  double                  error_max = 0.0;
  tf_graph_t             *graph     = calloc(1, sizeof *graph);
  if (!graph) return EXIT_FAILED;
  tf_err_t err = tf_import_onnx(args->file, &spec, graph, &report);
  if (!err && schema && !(graph->schema = strdup(schema)))
    err = TF_ERR(E_CORE_NO_MEMORY, "%s", args->schema_file);
  if (!err) err = tf_loader_make(graph, &args->options, &model);
  if (!err) err = tf_loader_check(graph, model, &args->options.model, &error_max);
  if (!err) err = tf_graph_file_write(graph, args->out);
  int code = err ? failed(args, err) : report_import(args, graph, model, &report, error_max);
  tf_loader_unload(model);
  tf_graph_fini(graph);
  free(graph);
  return code;
}

static int command_import(const arguments_t *args) {
  if (!args->out) return usage("import", "--out FILE.safetensors is missing");
  if (!!args->features + !!args->features_file + !!args->schema_file != 1)
    return usage("import", "one of --features, --features-file and --schema is wanted");
  tf_features_t features = {0};
  char         *schema   = NULL;
  tf_err_t      err      = args->features        ? tf_features_parse(&features, args->features)
                           : args->features_file ? tf_features_read(&features, args->features_file)
                                                 : read_schema(args->schema_file, &features, &schema);
  int           code;
  char          name[32];
  name_from_path(args->file, name, sizeof name);
  if (err) {
    code = failed(args, err);
    if (code == EXIT_DATA && args->features) code = EXIT_USAGE;
  } else {
    code = import_with(args, args->name ? args->name : name, &features, schema);
  }
  free(schema);
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

static void describe_layer(const tf_window_t *w, uint32_t layer, char *target, size_t bytes) {
  if (w->layer_cnt)
    snprintf(target, bytes, "%s %u->%u over %u rows", w->layers[layer].op->name,
             w->layers[layer].w.in_cnt, w->layers[layer].units, w->window);
  else
    snprintf(target, bytes, "gemm %u x %u->%u, row by row", w->window, w->parts[0].in_cnt,
             w->parts[0].out_cnt);
}

/* Calls visit with each step of the plan, in words. */
static void each_plan_step(const tf_plan_t *plan, void (*visit)(void *, const char *), void *self) {
  for (uint32_t i = 0; plan && i < plan->step_cnt; i++) {
    char text[80];
    tf_plan_describe_step(&plan->steps[i], text, sizeof text);
    visit(self, text);
  }
}

static void each_net_step(const tf_net_plan_t *net, void (*visit)(void *, const char *), void *self) {
  for (uint32_t i = 0; net && i < net->step_cnt; i++) {
    char text[200];
    tf_net_plan_describe(net, i, text, sizeof text);
    visit(self, text);
  }
}

static void each_step(const tf_model_t *model, void (*visit)(void *, const char *), void *self) {
  const tf_window_t *w = tf_loader_window(model);
  each_net_step(tf_loader_net(model), visit, self);
  each_plan_step(w ? w->before : tf_loader_plan(model), visit, self);
  for (uint32_t i = 0; w && i < (w->layer_cnt ? w->layer_cnt : 1); i++) {
    char text[80];
    describe_layer(w, i, text, sizeof text);
    visit(self, text);
  }
  if (w) each_plan_step(w->after, visit, self);
}

static void append_text(void *list, const char *text) {
  json_array_append_new(list, json_string(text));
}

static void print_text(void *cnt, const char *text) {
  printf("  %4u  %s\n", (*(uint32_t *)cnt)++, text);
}

/* What a tick costs, whichever kind of plan it is. */
typedef struct costs {
  uint64_t    weight_bytes, timed_bytes, timed_flops, deferred_flops;
  const char *isa;
} costs_t;

static costs_t costs_of(const tf_model_t *model) {
  const tf_window_t *w = tf_loader_window(model);
  const tf_plan_t   *p = tf_loader_plan(model);
  const tf_net_plan_t *n = tf_loader_net(model);
  if (n) return (costs_t){n->weight_bytes, n->weight_bytes, n->flops, 0, tf_isa_name(n->isa)};
  if (w)
    return (costs_t){w->weight_bytes, w->timed_bytes, w->timed_flops, w->deferred_flops,
                     tf_isa_name(w->isa)};
  return (costs_t){p->weight_bytes, p->weight_bytes, p->flops, 0, tf_isa_name(p->isa)};
}

static int inspect_json(const arguments_t *args, const tf_model_t *model, const tf_graph_t *graph) {
  const costs_t c        = costs_of(model);
  json_t       *features = json_array(), *plan = json_array();
  for (uint32_t i = 0; i < model->input_cnt; i++)
    json_array_append_new(features, json_string(model->features[i]));
  each_step(model, append_text, plan);
  json_t *all = json_pack(
      "{s:s, s:s, s:s, s:I, s:s, s:s, s:i, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:s, "
      "s:s, "
      "s:o, s:o, s:o}",
      "file", args->file, "name", model->name, "sha256", model->sha256_hex, "hash",
      (json_int_t)model->hash, "precision", precision_of(args), "isa", c.isa, "inputs",
      (int)model->input_cnt, "window", (int)model->window, "outputs", (int)model->output_cnt,
      "params", (json_int_t)model->param_cnt, "weight_bytes", (json_int_t)c.weight_bytes,
      "timed_bytes", (json_int_t)c.timed_bytes, "state_bytes", (json_int_t)model->state_bytes,
      "scratch_bytes", (json_int_t)model->scratch_bytes, "flops", (json_int_t)c.timed_flops,
      "deferred_flops", (json_int_t)c.deferred_flops, "producer", graph->producer, "source",
      graph->source, "source_sha256", graph->source_sha256_hex, "features", features, "graph",
      inspect_nodes(graph), "plan", plan);
  json_t *training = graph->training ? json_loads(graph->training, 0, NULL) : NULL;
  if (training) json_object_set_new(all, "training", training);
  json_t *schema = graph->schema ? json_loads(graph->schema, 0, NULL) : NULL;
  if (schema) json_object_set_new(all, "schema", schema);
  return print_json(all);
}

/* Weights that the core's own cache cannot hold are fetched anew on each tick. */
static void print_cache_note(const tf_model_t *model) {
  long     bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
  uint64_t timed = costs_of(model).timed_bytes;
  if (bytes > 0 && timed > (uint64_t)bytes)
    printf("note      %llu KiB of weights on the timed path do not fit this core's L2 cache of %ld "
           "KiB\n",
           (unsigned long long)timed >> 10, bytes >> 10);
}

static void print_costs(const arguments_t *args, const tf_model_t *model) {
  const costs_t c = costs_of(model);
  printf("precision %s, %llu parameters, %.1f KiB packed for %s\n", precision_of(args),
         (unsigned long long)model->param_cnt, (double)c.weight_bytes / 1024.0, c.isa);
  if (model->window > 1)
    printf("window    %u rows; %.1f KiB of state an instrument\n", model->window,
           (double)model->state_bytes / 1024.0);
  printf("tick      %llu flops, %.1f KiB of weights", (unsigned long long)c.timed_flops,
         (double)c.timed_bytes / 1024.0);
  if (model->window > 1)
    printf("; after the decision %llu flops", (unsigned long long)c.deferred_flops);
  putchar('\n');
  print_cache_note(model);
}

static void inspect_text(const arguments_t *args, const tf_model_t *model,
                         const tf_graph_t *graph) {
  uint32_t cnt = 0;
  printf("model     %s\nfile      %s\nsha256    %s\nhash      %u (0x%08x)\n", model->name,
         args->file, model->sha256_hex, model->hash, model->hash);
  printf("source    %s, sha256 %.16s...\nproducer  %s\n", graph->source, graph->source_sha256_hex,
         graph->producer);
  print_costs(args, model);
  printf("outputs   %u (%s)\n", model->output_cnt,
         model->output_cnt == 1   ? "score"
         : model->output_cnt == 3 ? "p10, p50, p90"
                                  : "of several steps ahead");
  if (graph->training) printf("training  %s\n", graph->training);
  if (graph->schema) printf("schema    %s\n", graph->schema);
  printf("features  %u\n", model->input_cnt);
  for (uint32_t i = 0; i < model->input_cnt; i++) printf("  %4u  %s\n", i, model->features[i]);
  printf("graph     %u nodes\n", graph->node_cnt);
  for (uint32_t i = 0; i < graph->node_cnt; i++)
    printf("  %4u  %-10s %u -> %u  %s\n", i, graph->nodes[i].op->name,
           graph->nodes[i].params.in_cnt, graph->nodes[i].params.out_cnt, graph->nodes[i].name);
  printf("plan      %u steps\n", step_cnt(model));
  each_step(model, print_text, &cnt);
}

static int command_inspect(const arguments_t *args) {
  tf_model_t *model;
  tf_graph_t *graph = calloc(1, sizeof *graph);
  if (!graph) return EXIT_FAILED;
  tf_err_t err  = tf_loader_load(args->file, &args->options, &model, graph);
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

/* How many windows x holds, and how far apart they begin; 0 where it does not fit the model. */
static uint64_t window_cnt(const tf_model_t *model, const tf_npy_t *x, size_t *stride) {
  size_t row = model->input_cnt, whole = row * model->window;
  *stride = whole;
  if (x->column_cnt != row || (x->rank == 3 && x->middle_cnt != model->window)) return 0;
  if (model->window == 1 || x->rank == 3) return x->row_cnt / model->window;
  *stride = row; /* rows that follow one another: each window of them */
  return x->row_cnt < model->window ? 0 : x->row_cnt - model->window + 1;
}

static int refuse_shape(const arguments_t *args, const tf_model_t *model, const tf_npy_t *x) {
  char middle[24] = "", wanted[24] = "";
  if (x->rank == 3) snprintf(middle, sizeof middle, "%llu, ", (unsigned long long)x->middle_cnt);
  if (model->window > 1) snprintf(wanted, sizeof wanted, "%u, ", model->window);
  fprintf(stderr, "tickfuse model run: %s is [%llu, %s%llu], model %s takes [n, %s%u]%s\n",
          args->input,
          (unsigned long long)(x->rank == 3 ? x->row_cnt / (x->middle_cnt ? x->middle_cnt : 1)
                                            : x->row_cnt),
          middle, (unsigned long long)x->column_cnt, model->name, wanted, model->input_cnt,
          model->window > 1 ? " or at least so many rows" : "");
  return EXIT_DATA;
}

static int run_rows(const arguments_t *args, const tf_model_t *model, const tf_npy_t *x) {
  size_t   stride;
  uint64_t nan_cnt = 0, cnt = window_cnt(model, x, &stride);
  if (cnt == 0 && (x->row_cnt > 0 || x->column_cnt != model->input_cnt))
    return refuse_shape(args, model, x);
  tf_loader_session_t session;
  float              *out = malloc(cnt ? cnt * model->output_cnt * sizeof *out : 1);
  tf_err_t            err = tf_loader_session_init(&session, model);
  if (!err && !out) err = TF_ERR(E_CORE_NO_MEMORY, "%s: its outputs", args->out);
  for (uint64_t r = 0; r < cnt && !err; r++) {
    float *y = out + r * model->output_cnt;
    tf_loader_answer(&session, x->values + r * stride, y);
    nan_cnt += isnan(y[0]) != 0;
  }
  if (!err) err = tf_npy_write(args->out, cnt, model->output_cnt, out);
  free(out);
  tf_loader_session_fini(&session);
  if (err) return failed(args, err);
  if (args->json)
    return print_json(json_pack("{s:s, s:I, s:i, s:I}", "file", args->out, "rows", (json_int_t)cnt,
                                "outputs", (int)model->output_cnt, "nan_rows",
                                (json_int_t)nan_cnt));
  printf("%s: %llu rows of %u", args->out, (unsigned long long)cnt, model->output_cnt);
  if (nan_cnt) printf(", %llu of them NaN", (unsigned long long)nan_cnt);
  putchar('\n');
  return 0;
}

static int command_run(const arguments_t *args) {
  if (!args->input) return usage("run", "--input X.npy is missing");
  if (!args->out) return usage("run", "--out Y.npy is missing");
  tf_model_t *model;
  tf_npy_t    x   = {0};
  tf_err_t    err = tf_loader_load(args->file, &args->options, &model, NULL);
  if (!err) err = tf_npy_read(&x, args->input);
  int code = err ? failed(args, err) : run_rows(args, model, &x);
  tf_npy_fini(&x);
  tf_loader_unload(model);
  return code;
}

/* p50, p99, p99.9 and max of hist under prefix. */
static void add_quantiles(json_t *all, const char *prefix, const tf_hist_t *hist) {
  static const struct {
    const char *name;
    double      quantile;
  } rows[] = {
      {"p50_ns",   0.5  },
      {"p99_ns",   0.99 },
      {"p99_9_ns", 0.999}
  };
  char key[40];
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    snprintf(key, sizeof key, "%s%s", prefix, rows[i].name);
    json_object_set_new(all, key,
                        json_integer((json_int_t)tf_hist_quantile(hist, rows[i].quantile)));
  }
  snprintf(key, sizeof key, "%smax_ns", prefix);
  json_object_set_new(all, key, json_integer((json_int_t)hist->max));
}

static void print_quantiles(const char *what, const tf_hist_t *hist) {
  printf("  %s: p50 %llu ns, p99 %llu, p99.9 %llu, max %llu\n", what,
         (unsigned long long)tf_hist_quantile(hist, 0.5),
         (unsigned long long)tf_hist_quantile(hist, 0.99),
         (unsigned long long)tf_hist_quantile(hist, 0.999), (unsigned long long)hist->max);
}

static int report_bench_json(const arguments_t *args, const tf_model_t *model,
                             const tf_measure_t *m, double error_max) {
  json_t *all =
      json_pack("{s:s, s:s, s:s, s:s, s:i}", "name", model->name, "backend", "cpu", "isa",
                costs_of(model).isa, "precision", precision_of(args), "window", (int)model->window);
  add_quantiles(all, "", &m->cold_ns);
  add_quantiles(all, "warm_", &m->warm_ns);
  if (model->window > 1) {
    add_quantiles(all, "deferred_", &m->deferred_ns);
    add_quantiles(all, "late_", &m->late_ns);
  }
  json_object_set_new(all, "ticks_per_second", json_real(m->ticks_per_second));
  json_object_set_new(all, "error_max", json_real(error_max));
  json_object_set_new(all, "params", json_integer((json_int_t)model->param_cnt));
  return print_json(all);
}

static int report_bench(const arguments_t *args, const tf_model_t *model, const tf_measure_t *m,
                        double error_max, uint32_t error_cnt) {
  if (args->json) return report_bench_json(args, model, m, error_max);
  printf("model %s, %s, cpu %s, %llu parameters\n", model->name, precision_of(args),
         costs_of(model).isa, (unsigned long long)model->param_cnt);
  print_quantiles("after 512 KiB of other data", &m->cold_ns);
  print_quantiles("back to back", &m->warm_ns);
  if (model->window > 1) {
    print_quantiles("deferred work", &m->deferred_ns);
    print_quantiles("a tick before the deferred work", &m->late_ns);
  }
  printf("  %.0f ticks a second\n", m->ticks_per_second);
  print_cache_note(model);
  printf("  error against double, %u random %s: at most %.2g\n", error_cnt,
         model->window > 1 ? "windows" : "rows", error_max);
  return 0;
}

static int bench_model(const arguments_t *args, const tf_graph_t *graph, const tf_model_t *model) {
  double        error_max = 0.0;
  uint32_t      error_cnt = 0;
  tf_measure_t *m         = malloc(sizeof *m);
  if (!m) return EXIT_FAILED;
  tf_clock_calibrate();
  (void)tf_cpu_pin(sched_getcpu(), "model-bench"); /* stays where it is; unpinned is only noisier */
  tf_err_t err = tf_measure_error(graph, model, &error_max, &error_cnt);
  if (!err) err = tf_measure_time(model, args->seconds, m);
  int code = err ? failed(args, err) : report_bench(args, model, m, error_max, error_cnt);
  free(m);
  return code;
}

static int command_bench(const arguments_t *args) {
  if (args->file && args->shape) return usage("bench", "a file or --shape, not both");
  tf_graph_t *graph = calloc(1, sizeof *graph);
  tf_model_t *model = NULL;
  if (!graph) return EXIT_FAILED;
  tf_err_t err = args->file ? tf_loader_load(args->file, &args->options, &model, graph)
                            : tf_shapes_make(graph, args->shape, 1);
  if (!err && args->shape) err = tf_loader_make(graph, &args->options, &model);
  int code = err ? failed(args, err) : bench_model(args, graph, model);
  tf_loader_unload(model);
  tf_graph_fini(graph);
  free(graph);
  return code;
}

/* Windows on each instruction set: known answers, errors, and how far they are apart. */
typedef struct verdict {
  double   check_error_max;
  double   error_max;
  double   apart_max; /* between two instruction sets */
  uint32_t error_cnt;
  uint32_t isa_cnt;
  bool     same_bits;
} verdict_t;

static tf_err_t compare(const tf_model_t *a, const tf_model_t *b, verdict_t *v) {
  const size_t        each = (size_t)a->input_cnt * a->window;
  uint64_t            seed = 3;
  float              *rows = malloc(each * sizeof *rows);
  float              *out = malloc(2 * a->output_cnt * sizeof *out), *other = out + a->output_cnt;
  tf_loader_session_t sa = {0}, sb = {0};
  tf_err_t            err = rows && out ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "test rows");
  if (!err) err = tf_loader_session_init(&sa, a);
  if (!err) err = tf_loader_session_init(&sb, b);
  for (uint32_t r = 0; r < BIT_ROWS / a->window + 1 && !err; r++) {
    tf_shapes_noise(rows, each, &seed);
    tf_loader_answer(&sa, rows, out);
    tf_loader_answer(&sb, rows, other);
    if (memcmp(out, other, a->output_cnt * sizeof *out) != 0) v->same_bits = false;
    for (uint32_t o = 0; o < a->output_cnt; o++)
      v->apart_max = fmax(v->apart_max, fabs((double)out[o] - (double)other[o]));
  }
  tf_loader_session_fini(&sa);
  tf_loader_session_fini(&sb);
  free(rows);
  free(out);
  return err;
}

static tf_err_t verify_isa(const tf_graph_t *graph, const tf_model_t *best,
                           const tf_loader_options_t *options, verdict_t *v) {
  tf_model_t *model       = NULL;
  double      check_error = 0.0, error = 0.0;
  tf_err_t    err = tf_loader_make(graph, options, &model);
  if (!err) err = tf_loader_check(graph, model, &options->model, &check_error);
  if (!err) err = tf_measure_error(graph, model, &error, &v->error_cnt);
  if (!err) err = compare(best, model, v);
  v->check_error_max = fmax(v->check_error_max, check_error);
  v->error_max       = fmax(v->error_max, error);
  v->isa_cnt += 1;
  tf_loader_unload(model);
  return err;
}

static tf_err_t verify_all(const arguments_t *args, const tf_graph_t *graph, const tf_model_t *best,
                           verdict_t *v) {
  tf_loader_options_t options = args->options;
  tf_err_t            err     = TF_OK;
  *v                          = (verdict_t){.same_bits = true};
  for (int isa = 0; isa < TF_ISA_CNT && !err; isa++) {
    options.isa = (tf_isa_t)isa;
    if (tf_isa_supported(options.isa)) err = verify_isa(graph, best, &options, v);
  }
  bool   exact = options.model.precision != TF_PRECISION_BF16;
  double bound = tf_loader_error_max(&options.model);
  if (!err && exact && !v->same_bits)
    err = TF_ERR(E_MODEL_CHECK, "model %s: instruction sets disagree in bits", graph->name);
  if (!err && !(v->apart_max <= bound))
    err =
        TF_ERR(E_MODEL_CHECK, "model %s: instruction sets are %.2g apart, at most %.2g is allowed",
               graph->name, v->apart_max, bound);
  return err;
}

static int report_verify(const arguments_t *args, const tf_graph_t *graph, const tf_model_t *model,
                         const verdict_t *v) {
  if (args->json)
    return print_json(json_pack(
        "{s:s, s:b, s:s, s:s, s:i, s:f, s:f, s:i, s:b, s:f}", "file", args->file, "ok", 1, "sha256",
        model->sha256_hex, "precision", precision_of(args), "known_answers", (int)graph->check_cnt,
        "check_error_max", v->check_error_max, "error_max", v->error_max, "instruction_sets",
        (int)v->isa_cnt, "same_bits", (int)v->same_bits, "apart_max", v->apart_max));
  printf("%s: good. sha256 %s; in %s %u known answers within %.1g, %u random %s within %.1g of "
         "double, ",
         args->file, model->sha256_hex, precision_of(args), graph->check_cnt, v->check_error_max,
         v->error_cnt, model->window > 1 ? "windows" : "rows", v->error_max);
  if (v->same_bits)
    printf("the same bits on %u instruction sets\n", v->isa_cnt);
  else
    printf("%u instruction sets within %.1g\n", v->isa_cnt, v->apart_max);
  return 0;
}

static int command_verify(const arguments_t *args) {
  tf_model_t *model;
  verdict_t   v;
  tf_graph_t *graph = calloc(1, sizeof *graph);
  if (!graph) return EXIT_FAILED;
  tf_err_t err = tf_loader_load(args->file, &args->options, &model, graph);
  if (!err) err = verify_all(args, graph, model, &v);
  int code = err ? failed(args, err) : report_verify(args, graph, model, &v);
  tf_loader_unload(model);
  tf_graph_fini(graph);
  free(graph);
  return code;
}
