/* tickfuse model import|inspect|ops|run|bench|verify. Exit codes as everywhere: 0 done, 1 failed, 2 bad
 * usage, 3 the data was bad. */
#include "cmd_model.h"

#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "model/calibrate.h"
#include "model/cluster.h"
#include "model/prune.h"

#define SECONDS_PRESET 3.0
#define SECONDS_MAX    3600.0
#define ERROR_MAX_MAX  1e6

int tf_cmd_model(int argc, char **argv);

typedef struct command {
  const char *name;
  int (*run)(const tf_cmd_model_args_t *args);
  const char *options; /* the letters of those that it takes */
  const char *help;
} command_t;

static const command_t commands[] = {
    {"import",  tf_cmd_model_import,  "fFRonwOlpecCqrkVBNKjh",
     "usage: tickfuse model import FILE.onnx --features \"a,b,c\" --out "
     "FILE.safetensors\n"
     "\n"
     "Turns an ONNX model into the file that the engine loads: one float input, [batch, n] or a "
     "window\n"
     "of rows [batch, rows, n] or [rows, batch, n], or several that share the features in their "
     "order;\n"
     "one output, 1 (a score) or 3 (p10, p50, p90) wide for each step ahead. `tickfuse model ops` "
     "lists\n"
     "the ONNX operations.\n"
     "\n"
     "  --features LIST       the n feature expressions, in the order of training, with commas\n"
     "  --features-file FILE  the same, one a line; # begins a comment\n"
     "  --schema FILE         what `features eval --out` left beside the rows: the features, and "
     "what they\n"
     "                        were made of, which the engine compares when it loads the model\n"
     "  --out FILE            what to write; replaced whole or not at all\n"
     "  --name NAME           the model's name, A-Z a-z 0-9 _ - . (default: FILE without .onnx)\n"
     "  --window N            rows in a window, where the ONNX file leaves it open\n"
     "  --output NAME         which of the ONNX file's outputs (default: the only one of floats)\n"
     "  --plain               leave the graph as the exporter wrote it, without making its steps "
     "fewer\n"
     "  --precision P         bf16, fp16 or int8: what the weights of products are stored in, and "
     "run\n"
     "                        (default: fp32)\n"
     "  --error-max X         refuse the model when an answer is further off in that precision\n"
     "  --calibrate ROWS      measure the error on rows of the market, and take int8 ranges from "
     "them:\n"
     "                        X.npy, of numbers or as `features eval` writes it, or VENUE:FILE\n"
     "  --config CONFIG       whose features a VENUE:FILE is run through\n"
     "  --percentile Q        int8 ranges hold so many percent of the values, 50 to 100; without "
     "it "
     "100,\n"
     "                        and ranges are left out where each row by itself errs less\n"
     "  --prune SHARE         take so many of a chain's hidden units out, above 0 to 0.95, those "
     "of "
     "the\n"
     "                        smallest weights\n"
     "  --cluster N           leave the weights of a product N values, 2 to 256\n"
     "  --vocab FILE          a model of texts instead: inputs of tokens and a mask, a WordPiece "
     "vocabulary,\n"
     "                        a token a line; the output is the labels' probabilities, then the "
     "embedding\n"
     "  --labels LIST         its labels, each with its weight in a score: "
     "negative:-1,neutral:0,positive:1;\n"
     "                        without them all of the output is an embedding\n"
     "  --lengths LIST        tokens that texts are run with, multiples of 8 (default: 16,32,64)\n"
     "  --keep-case           the vocabulary has capitals and accents\n"
     "  --json                the report as one JSON object\n"            },
    {"inspect", tf_cmd_model_inspect, "ipejh",
     "usage: tickfuse model inspect FILE.safetensors [--precision P] [--json]\n"
     "\n"
     "Shows a model's features, graph, plan, window, parameters, precision, bytes, what a decision "
     "waits for\n"
     "and what is done after it, origin and hash.\n"
     "\n"
     "  --precision P  plan in fp32, bf16, fp16 or int8 (default: the file's own)\n"
     "  --isa ISA      plan for scalar, avx2 or avx512 (default: the best of this CPU)\n"
     "  --json         one JSON object\n"                                 },
    {"ops",     tf_cmd_model_ops,     "jh",
     "usage: tickfuse model ops [--json]\n"
     "\n"
     "The ONNX operations that `tickfuse model import` takes, operator sets 7 to 21, each with its "
     "attributes.\n"
     "\n"
     "  --json         one JSON object: {\"Gemm\": [\"alpha\", ..], ..}\n"},
    {"run",     tf_cmd_model_run,     "Ioipejh",
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
     "  --precision P  fp32, bf16, fp16 or int8 (default: the file's own)\n"
     "  --isa ISA      scalar, avx2 or avx512 (default: the best of this CPU)\n"
     "  --json         the report as one JSON object\n"                   },
    {"bench",   tf_cmd_model_bench,   "sSipbeLPjh",
     "usage: tickfuse model bench FILE.safetensors | --shape SHAPE [--precision P] "
     "[--seconds N] "
     "[--json]\n"
     "\n"
     "Times what a decision waits for, on this core: single ticks after the model's own deferred "
     "work and\n"
     "with 512 KiB of other data touched before each (p50_ns .. max_ns), without touching "
     "(warm_*), the\n"
     "deferred work (deferred_*), a tick that comes before it (late_*), and how many ticks a "
     "second it\n"
     "holds for good, all work included. busy_* is a fixed loop without memory beside them: this "
     "machine's\n"
     "own tail. error_max is against an evaluation in double, load_ns from the file to the first "
     "answer.\n"
     "\n"
     "  --shape SHAPE    random weights instead of a file: mlp (256-384-384-128), lstm_a (50 rows "
     "of 100,\n"
     "                   2 layers of 100), lstm_b (100 of 250, 3 of 200), lstm_c (100 of 500, 4 of "
     "1000)\n"
     "  --precision P    fp32, bf16, fp16 or int8 (default: the file's own)\n"
     "  --backend B      cpu, or auto, which is the same in this build\n"
     "  --seconds N      how long to measure, above 0 to 3600 (default 3)\n"
     "  --isa ISA        scalar, avx2 or avx512 (default: the best of this CPU)\n"
     "  --lanes N        2: a helper thread on another core shares the products of recurrent "
     "layers "
     "(default: 1)\n"
     "  --profile        each step: its time, share, operations and bytes\n"
     "  --json           one JSON object\n"                               },
    {"verify",  tf_cmd_model_verify,  "pejh",
     "usage: tickfuse model verify FILE.safetensors [--precision P] [--error-max X] "
     "[--json]\n"
     "\n"
     "Checks the container, the graph, the weights and the schema, then runs the known answers of\n"
     "the file and random windows on each instruction set of this CPU, against an evaluation in "
     "double\n"
     "and against one another: bit for bit, within the allowed error in bf16. "
     "Exit 3\n"
     "when anything is wrong with the file, or the precision is too coarse for the model.\n"
     "\n"
     "  --precision P  fp32, bf16, fp16 or int8 (default: the file's own)\n"
     "  --error-max X  how far a known answer may be off (default: 1e-5, 0.05, 0.01, 0.15)\n"
     "  --json         one JSON object\n"                                 },
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
    {"output",        required_argument, NULL, 'O'},
    {"plain",         no_argument,       NULL, 'l'},
    {"precision",     required_argument, NULL, 'p'},
    {"calibrate",     required_argument, NULL, 'c'},
    {"config",        required_argument, NULL, 'C'},
    {"percentile",    required_argument, NULL, 'q'},
    {"prune",         required_argument, NULL, 'r'},
    {"cluster",       required_argument, NULL, 'k'},
    {"vocab",         required_argument, NULL, 'V'},
    {"labels",        required_argument, NULL, 'B'},
    {"lengths",       required_argument, NULL, 'N'},
    {"keep-case",     no_argument,       NULL, 'K'},
    {"backend",       required_argument, NULL, 'b'},
    {"error-max",     required_argument, NULL, 'e'},
    {"lanes",         required_argument, NULL, 'L'},
    {"json",          no_argument,       NULL, 'j'},
    {"profile",       no_argument,       NULL, 'P'},
    {"help",          no_argument,       NULL, 'h'},
    {NULL,            0,                 NULL, 0  },
};

static void print_help(FILE *to) {
  fputs("usage: tickfuse model import|inspect|ops|run|bench|verify ...\n"
        "\n"
        "  import   ONNX to the file that the engine loads\n"
        "  inspect  what a model file holds\n"
        "  ops      the ONNX operations that import takes\n"
        "  run      rows of features through a model, .npy to .npy\n"
        "  bench    latency, throughput and error of a model\n"
        "  verify   checks a model file through and through\n"
        "\n"
        "tickfuse model COMMAND --help says more.\n",
        to);
}

int tf_cmd_model_usage(const char *command, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  fprintf(stderr, "tickfuse model %s: ", command);
  vfprintf(stderr, fmt, args);
  fprintf(stderr, "; tickfuse model %s --help says more\n", command);
  va_end(args);
  return TF_EXIT_USAGE;
}

/* Prints the thread's error; its exit code. */
int tf_cmd_model_failed(const tf_cmd_model_args_t *args, tf_err_t err) {
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
  case E_MODEL_CHECK: return TF_EXIT_DATA;
  case E_CORE_ARGUMENT: return TF_EXIT_USAGE;
  default: return TF_EXIT_FAILED;
  }
}

/* Prints a JSON object and lets go of it. */
int tf_cmd_model_print(json_t *object) {
  json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
  putchar('\n');
  json_decref(object);
  return fflush(stdout) == 0 ? 0 : TF_EXIT_FAILED;
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

static bool parse_percentile(const char *text, double *percentile) {
  char *end;
  *percentile = strtod(text, &end);
  return end != text && *end == 0 && *percentile >= TF_CALIBRATE_PERCENTILE_MIN &&
         *percentile <= 100.0;
}

static bool parse_share(const char *text, double *share) {
  char *end;
  *share = strtod(text, &end);
  return end != text && *end == 0 && *share > 0.0 && *share <= TF_PRUNE_SHARE_MAX;
}

static bool parse_clusters(const char *text, uint32_t *cnt) {
  char *end;
  long  value = strtol(text, &end, 10);
  if (end == text || *end || value < (long)TF_CLUSTER_CNT_MIN || value > (long)TF_CLUSTER_CNT_MAX)
    return false;
  *cnt = (uint32_t)value;
  return true;
}

/* One option's value; 0, or the exit code. */
static int parse_value(const char *command, int letter, const char *value,
                       tf_cmd_model_args_t *args) {
  switch (letter) {
  case 'f': args->features = value; break;
  case 'F': args->features_file = value; break;
  case 'R': args->schema_file = value; break;
  case 'o': args->out = value; break;
  case 'n': args->name = value; break;
  case 'I': args->input = value; break;
  case 's': args->shape = value; break;
  case 'c': args->calibrate = value; break;
  case 'C': args->config = value; break;
  case 'O': args->output = value; break;
  case 'V': args->vocab = value; break;
  case 'B': args->labels = value; break;
  case 'N': args->lengths = value; break;
  case 'K': args->keeps_case = true; break;
  case 'l': args->plain = true; break;
  case 'j': args->json = true; break;
  case 'P': args->profile = true; break;
  case 'b':
    if (strcmp(value, "cpu") != 0 && strcmp(value, "auto") != 0)
      return tf_cmd_model_usage(command, "--backend %s: this build has cpu, and auto for it",
                                value);
    args->backend = value;
    break;
  case 'S':
    if (!parse_seconds(value, &args->seconds))
      return tf_cmd_model_usage(command, "--seconds %s is not a number above 0, up to %g", value,
                                SECONDS_MAX);
    break;
  case 'i':
    if (!tf_isa_parse(value, &args->options.isa))
      return tf_cmd_model_usage(command, "--isa %s is none of scalar, avx2, avx512", value);
    break;
  case 'p':
    if (!tf_precision_parse(value, &args->options.model.precision))
      return tf_cmd_model_usage(command, "--precision %s is none of fp32, bf16, fp16, int8", value);
    break;
  case 'w':
    if (!parse_window(value, &args->window))
      return tf_cmd_model_usage(command, "--window %s is not an integer of 1 to %u", value,
                                TF_GRAPH_WINDOW_MAX);
    break;
  case 'q':
    if (!parse_percentile(value, &args->percentile))
      return tf_cmd_model_usage(command, "--percentile %s is not a number of %g to 100", value,
                                TF_CALIBRATE_PERCENTILE_MIN);
    break;
  case 'r':
    if (!parse_share(value, &args->prune))
      return tf_cmd_model_usage(command, "--prune %s is not a number above 0, up to %g", value,
                                TF_PRUNE_SHARE_MAX);
    break;
  case 'k':
    if (!parse_clusters(value, &args->cluster))
      return tf_cmd_model_usage(command, "--cluster %s is not an integer of %u to %u", value,
                                TF_CLUSTER_CNT_MIN, TF_CLUSTER_CNT_MAX);
    break;
  case 'L':
    if (strcmp(value, "1") != 0 && strcmp(value, "2") != 0)
      return tf_cmd_model_usage(command, "--lanes %s is neither 1 nor 2", value);
    args->options.model.lanes = (uint32_t)(value[0] - '0');
    break;
  case 'e':
    if (!parse_error_max(value, &args->options.model.error_max))
      return tf_cmd_model_usage(command, "--error-max %s is not a number above 0, up to %g", value,
                                ERROR_MAX_MAX);
    break;
  }
  return 0;
}

/* 0, or the exit code; *help where --help was asked for. */
static int parse(const command_t *command, int argc, char **argv, tf_cmd_model_args_t *args,
                 bool *help) {
  int letter;
  opterr = 0;
  optind = 0; /* glibc: start anew */
  while ((letter = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
    if (letter == '?')
      return tf_cmd_model_usage(command->name, "unknown or ambiguous option %s", argv[optind - 1]);
    if (letter == ':')
      return tf_cmd_model_usage(command->name, "%s needs a value", argv[optind - 1]);
    if (!strchr(command->options, letter)) {
      const struct option *o = long_options;
      while (o->val != letter) o++;
      return tf_cmd_model_usage(command->name, "it takes no --%s", o->name);
    }
    if (letter == 'h') {
      *help = true;
      return 0;
    }
    int code = parse_value(command->name, letter, optarg, args);
    if (code) return code;
  }
  if (argc - optind > 1)
    return tf_cmd_model_usage(command->name, "one file, not \"%s\" too", argv[optind + 1]);
  args->file = optind < argc ? argv[optind] : NULL;
  if (!args->file && !args->shape && command->run != tf_cmd_model_ops)
    return tf_cmd_model_usage(command->name, "which file?");
  return 0;
}

/* Steps of a row's plan, or layers and steps around a window. */
uint32_t tf_cmd_model_step_cnt(const tf_model_t *model) {
  const tf_window_t *w = tf_loader_window(model);
  if (tf_loader_net(model)) return tf_loader_net(model)->step_cnt;
  if (!w) return tf_loader_plan(model)->step_cnt;
  return (w->before ? w->before->step_cnt : 0) + (w->layer_cnt ? w->layer_cnt : 1) +
         (w->after ? w->after->step_cnt : 0);
}

tf_cmd_model_costs_t tf_cmd_model_costs(const tf_model_t *model) {
  const tf_window_t     *w      = tf_loader_window(model);
  const tf_plan_t       *p      = tf_loader_plan(model);
  const tf_net_plan_t   *n      = tf_loader_net(model);
  const tf_net_stream_t *stream = tf_loader_stream(model, NULL);
  if (stream)
    return (tf_cmd_model_costs_t){
        n->weight_bytes, stream->timed->weight_bytes, stream->timed->flops,
        stream->deferred ? stream->deferred->flops : 0, tf_isa_name(n->isa)};
  if (n)
    return (tf_cmd_model_costs_t){n->weight_bytes, n->weight_bytes, n->flops, 0,
                                  tf_isa_name(n->isa)};
  if (w)
    return (tf_cmd_model_costs_t){w->weight_bytes, w->timed_bytes, w->timed_flops,
                                  w->deferred_flops, tf_isa_name(w->isa)};
  return (tf_cmd_model_costs_t){p->weight_bytes, p->weight_bytes, p->flops, 0, tf_isa_name(p->isa)};
}

const char *tf_cmd_model_weights_note(const tf_graph_t *graph) {
  static const char *const notes[TF_PRECISION_CNT] = {"", " (of the file's bf16 weights)",
                                                      " (of the file's fp16 weights)",
                                                      " (of the file's int8 weights)"};
  return notes[graph->precision];
}

/* Weights that the core's own cache cannot hold are fetched anew on each tick. */
void tf_cmd_model_cache_note(const tf_model_t *model) {
  long     bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
  uint64_t timed = tf_cmd_model_costs(model).timed_bytes;
  if (bytes > 0 && timed > (uint64_t)bytes)
    printf("note      %llu KiB of weights on the timed path do not fit this core's L2 cache of %ld "
           "KiB\n",
           (unsigned long long)timed >> 10, bytes >> 10);
}

int tf_cmd_model(int argc, char **argv) {
  if (argc < 2) {
    print_help(stderr);
    return TF_EXIT_USAGE;
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
    print_help(stdout);
    return 0;
  }
  for (size_t i = 0; i < TF_ARRAY_CNT(commands); i++) {
    if (strcmp(argv[1], commands[i].name) != 0) continue;
    bool                help = false;
    tf_cmd_model_args_t args = {
        .command = commands[i].name, .seconds = SECONDS_PRESET, .options = tf_loader_preset()};
    int code = parse(&commands[i], argc - 1, argv + 1, &args, &help);
    if (code) return code;
    if (!help) return commands[i].run(&args);
    fputs(commands[i].help, stdout);
    return 0;
  }
  fprintf(stderr, "tickfuse model: \"%s\" is no command\n", argv[1]);
  print_help(stderr);
  return TF_EXIT_USAGE;
}
