/* B9: a tick's row to a card and its answer back, on the lane's thread, each instrument's deferred work done between ticks.
 * B10: many instruments, a tick each, in requests of 64 rows. The empty round trip, a model of one product, is the floor of all; the least
 * model that blocks can share, an LSTM of 32 units, is asked in each way of handing over (tickfuse-gpu --hand-over).
 *
 * Ticks come at a fixed pace from a schedule that does not wait for answers; a time is from the store of the row's first packet to
 * the load of the answer's last. None is left out but the first WARM_TICKS. The worker is a process of its own, as in the engine. */
#include <getopt.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "bench_gpu_worker.h"
#include "bench_print.h"
#include "core/clock.h"
#include "core/cpu.h"
#include "core/error.h"
#include "core/hist.h"
#include "model/shapes.h"

#define WARM_SMOKE   20u
#define WARM_TICKS   2000u
#define WIDE_CNT     4096u
#define WIDE_ROUNDS  300u
#define ANSWER_NS    (30 * TF_NS_PER_SEC)
#define ROWS_MAX     64u
#define NAMES_MAX    64
#define NAME_BYTES   64
#define SKIPPED      77
#define SMOKE_MODELS "empty,empty_cluster,empty_launch"
#define NOT_A_NUMBER ((double)NAN)

typedef struct options {
  bool        json, smoke;
  const char *worker, *precision;
  const char *models; /* names with commas; NULL: all */
  uint64_t    tick_cnt;
} options_t;

static tf_bench_row_t rows[NAMES_MAX];
static char           names[NAMES_MAX][NAME_BYTES];
static size_t         row_cnt;

static void add(const char *model, const char *figure, double ours, const char *unit, double budget,
                bool lower) {
  TF_ASSERT(row_cnt < NAMES_MAX);
  snprintf(names[row_cnt], NAME_BYTES, "gpu_%s_%s", model, figure);
  rows[row_cnt] = (tf_bench_row_t){.name            = names[row_cnt],
                                   .ours            = ours,
                                   .unit            = unit,
                                   .peer_value      = NOT_A_NUMBER,
                                   .budget          = budget,
                                   .lower_is_better = lower};
  row_cnt++;
}

/* Waits for row idx of request seq; false: it did not come. */
static bool await(const gpu_worker_t *w, uint64_t seq, uint32_t idx, tf_mailbox_answer_t *answer,
                  float *out) {
  uint64_t begun_ns = tf_clock_monotonic_ns();
  for (uint32_t polls = 1; !tf_mailbox_poll(&w->view, seq, idx, answer, out); polls++) {
    tf_spin_pause();
    if (polls % 65536 == 0 && tf_clock_monotonic_ns() - begun_ns > ANSWER_NS) return false;
  }
  return true;
}

/* ---- one instrument ---- */

typedef struct narrow {
  const char *name;  /* of the figures */
  const char *shape; /* tf_shapes_make; NULL: one product, or with hand_over the least LSTM */
  const char *hand_over;
  double      pace_ns;
  double      p99_ns_max; /* B9's; 0: none */
} narrow_t;

static const narrow_t narrow_models[] = {
    {"empty",         NULL,     NULL,      20e3,  0.0 },
    {"empty_block",   NULL,     "block",   20e3,  0.0 },
    {"empty_cluster", NULL,     "cluster", 20e3,  0.0 },
    {"empty_memory",  NULL,     "memory",  20e3,  0.0 },
    {"empty_launch",  NULL,     "launch",  100e3, 0.0 },
    {"lstm_a",        "lstm_a", NULL,      100e3, 4e3 },
    {"lstm_b",        "lstm_b", NULL,      400e3, 5e3 },
    {"lstm_c",        "lstm_c", NULL,      4e6,   12e3},
};

static tf_err_t make_shape(const narrow_t *n, tf_graph_t *graph) {
  static const uint32_t              product[] = {1, 1};
  static const tf_shapes_recurrent_t least     = {
          .op = "lstm", .window = 2, .input_cnt = 1, .layer_cnt = 1, .units = 32};
  if (n->shape) return tf_shapes_make(graph, n->shape, 1);
  return n->hand_over ? tf_shapes_recurrent(graph, n->name, &least, 1)
                      : tf_shapes_mlp(graph, n->name, product, TF_ARRAY_CNT(product), 1);
}

/* Whether it is one of a list with commas. */
static bool is_wanted(const char *list, const char *name) {
  const size_t cnt = strlen(name);
  for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
    if (strncmp(at, name, cnt) == 0 && (at[cnt] == ',' || at[cnt] == '\0')) return true;
  return list == NULL;
}

static bool ask(gpu_worker_t *w, uint32_t number, const float *row, tf_hist_t *host,
                tf_hist_t *device, bool is_warm) {
  const tf_mailbox_row_t head = {.number = number, .flags = number == 1 ? TF_MAILBOX_RESET : 0};
  float                  out[TF_MODEL_OUTPUTS_MAX];
  tf_mailbox_answer_t    answer;
  uint64_t               begun = tf_clock_ticks();
  tf_mailbox_post(&w->view, 0, 1, &head, row);
  if (!await(w, w->view.next_seq++, 0, &answer, out)) return false;
  uint64_t took_ns = tf_clock_ticks_to_ns(tf_clock_ticks() - begun);
  if (!is_warm || answer.status != TF_MAILBOX_OK) return true;
  tf_hist_record(host, took_ns);
  tf_hist_record(device, answer.device_ns);
  return true;
}

static void add_narrow(const narrow_t *n, const tf_hist_t *host, const tf_hist_t *device) {
  static const struct {
    const char *name;
    double      quantile;
  } figures[] = {
      {"p50",   0.5  },
      {"p99",   0.99 },
      {"p99_9", 0.999},
      {"max",   1.0  }
  };
  double median = (double)tf_hist_quantile(host, 0.5);
  double inside = (double)tf_hist_quantile(device, 0.5);
  char   figure[NAME_BYTES];
  for (size_t i = 0; i < TF_ARRAY_CNT(figures); i++) {
    double budget = i == 1 && n->p99_ns_max > 0.0   ? n->p99_ns_max
                    : i == 3 && n->p99_ns_max > 0.0 ? 10.0 * median
                                                    : NOT_A_NUMBER;
    snprintf(figure, sizeof figure, "round_trip_%s", figures[i].name);
    add(n->name, figure, (double)tf_hist_quantile(host, figures[i].quantile), "ns", budget, true);
  }
  add(n->name, "device_p50", inside, "ns", NOT_A_NUMBER, true);
  add(n->name, "device_max", (double)device->max, "ns",
      n->p99_ns_max > 0.0 ? 3.0 * inside : NOT_A_NUMBER, true);
}

static tf_err_t bench_narrow(const narrow_t *n, const options_t *o) {
  static tf_hist_t        host, device;
  const gpu_worker_spec_t spec = {o->worker, o->precision, n->hand_over, 1};
  float                   noise[ROWS_MAX][TF_MODEL_INPUTS_MAX];
  uint64_t                seed  = 3;
  tf_graph_t             *graph = calloc(1, sizeof *graph);
  gpu_worker_t           *w     = calloc(1, sizeof *w);
  if (!graph || !w) return TF_ERR(E_CORE_NO_MEMORY, "a bench");
  tf_hist_reset(&host), tf_hist_reset(&device);
  tf_shapes_noise(noise[0], ROWS_MAX * TF_MODEL_INPUTS_MAX, &seed);
  tf_err_t err = make_shape(n, graph);
  if (!err) err = gpu_worker_start(w, &spec, graph);
  const uint64_t warm = o->smoke ? WARM_SMOKE : WARM_TICKS;
  const uint64_t cnt  = warm + (o->smoke ? WARM_SMOKE : o->tick_cnt);
  const uint64_t pace = tf_clock_ns_to_ticks((uint64_t)n->pace_ns), begun = tf_clock_ticks();
  for (uint64_t i = 1; i <= cnt && !err; i++) {
    while (tf_clock_ticks() - begun < i * pace && !o->smoke) tf_spin_pause();
    if (!ask(w, (uint32_t)i, noise[i % ROWS_MAX], &host, &device, i > warm))
      err = TF_ERR(E_GPU_HANG, "%s: no answer to tick %llu", n->name, (unsigned long long)i);
  }
  if (!err) add_narrow(n, &host, &device);
  gpu_worker_stop(w);
  free(graph);
  free(w);
  return err;
}

/* ---- many instruments ---- */

static bool round_of(gpu_worker_t *w, uint32_t instruments, uint32_t number, const float *noise) {
  uint64_t            first = w->view.next_seq;
  tf_mailbox_answer_t answer;
  float               out[TF_MODEL_OUTPUTS_MAX];
  for (uint32_t i = 0; i < instruments; i += ROWS_MAX, w->view.next_seq++)
    for (uint32_t j = 0; j < ROWS_MAX; j++) {
      const tf_mailbox_row_t head = {
          .instrument_idx = i + j, .number = number, .flags = number == 1 ? TF_MAILBOX_RESET : 0};
      tf_mailbox_post(&w->view, j, ROWS_MAX, &head, noise + (i + j) % 997);
    }
  for (uint64_t seq = first; seq < w->view.next_seq; seq++)
    for (uint32_t j = 0; j < ROWS_MAX; j++)
      if (!await(w, seq, j, &answer, out)) return false;
  return true;
}

/* 4096 instruments of 64 features, one lstm of lstm_a's layers for all. */
static tf_err_t bench_wide(const options_t *o) {
  static tf_hist_t            rounds;
  static float                noise[TF_MODEL_INPUTS_MAX + 1024];
  const tf_shapes_recurrent_t shape = {
      .op = "lstm", .window = 50, .input_cnt = 64, .layer_cnt = 2, .units = 100};
  const uint32_t          instruments = o->smoke ? ROWS_MAX : WIDE_CNT;
  const gpu_worker_spec_t spec        = {o->worker, o->precision, NULL, instruments};
  uint64_t                seed        = 5;
  tf_graph_t             *graph       = calloc(1, sizeof *graph);
  gpu_worker_t           *w           = calloc(1, sizeof *w);
  if (!graph || !w) return TF_ERR(E_CORE_NO_MEMORY, "a bench");
  tf_hist_reset(&rounds);
  tf_shapes_noise(noise, TF_ARRAY_CNT(noise), &seed);
  tf_err_t err = tf_shapes_recurrent(graph, "wide", &shape, 1);
  if (!err) err = gpu_worker_start(w, &spec, graph);
  const uint32_t cnt = shape.window + (o->smoke ? 1 : WIDE_ROUNDS);
  for (uint32_t number = 1; number <= cnt && !err; number++) {
    uint64_t begun = tf_clock_ticks();
    if (!round_of(w, instruments, number, noise))
      err = TF_ERR(E_GPU_HANG, "wide: no answer in round %u", number);
    if (number > shape.window)
      tf_hist_record(&rounds, tf_clock_ticks_to_ns(tf_clock_ticks() - begun));
  }
  if (!err) {
    double median = (double)tf_hist_quantile(&rounds, 0.5);
    add("wide", "inferences_per_second", instruments * 1e9 / median, "1/s", 10e6, false);
    add("wide", "round_p99", (double)tf_hist_quantile(&rounds, 0.99), "ns", 1e6, true);
    add("wide", "round_max", (double)rounds.max, "ns", NOT_A_NUMBER, true);
  }
  gpu_worker_stop(w);
  free(graph);
  free(w);
  return err;
}

static bool read_options(int argc, char **argv, options_t *o) {
  static const struct option known[] = {
      {"json",       no_argument, NULL, 'j'},
      {"smoke",        no_argument, NULL, 's'},
      {"worker",            required_argument, NULL, 'w'},
      {"precision",required_argument, NULL, 'p'},
      {"models",         required_argument, NULL, 'm'},
      {"ticks",     required_argument, NULL, 't'},
      {0       }
  };
  *o = (options_t){.precision = "fp16", .tick_cnt = 200000};
  for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) switch (c) {
    case 'j': o->json = true; break;
    case 's': o->smoke = true; break;
    case 'w': o->worker = optarg; break;
    case 'p': o->precision = optarg; break;
    case 'm': o->models = optarg; break;
    case 't': o->tick_cnt = strtoull(optarg, NULL, 10); break;
    default: return false;
    }
  return optind == argc && o->tick_cnt > 0;
}

/* Beside this program's folder, as the build lays it. */
static const char *find_worker(void) {
  static char path[1100];
  ssize_t     cnt = readlink("/proc/self/exe", path, 1000);
  if (cnt < 0) return NULL;
  path[cnt] = '\0';
  strcpy(strrchr(path, '/'), "/../tickfuse-gpu");
  return access(path, X_OK) ? NULL : path;
}

static bool is_no_device(tf_err_t err) { return err == E_GPU_NO_DEVICE || err == E_GPU_DRIVER; }

int main(int argc, char **argv) {
  options_t o;
  if (!read_options(argc, argv, &o))
    return fprintf(stderr, "usage: bench_gpu [--json] [--smoke] [--worker TICKFUSE-GPU] "
                           "[--precision P] [--ticks N] [--models NAME,NAME]\n"),
           2;
  if (!o.worker) o.worker = find_worker();
  tf_err_t err = o.worker ? TF_OK : TF_ERR(E_GPU_NO_DEVICE, "tickfuse-gpu was not built");
  tf_clock_calibrate();
  for (size_t i = 0; i < TF_ARRAY_CNT(narrow_models) && !err; i++)
    if (is_wanted(o.smoke ? SMOKE_MODELS : o.models, narrow_models[i].name))
      err = bench_narrow(&narrow_models[i], &o);
  if (!err && !o.smoke && is_wanted(o.models, "wide")) err = bench_wide(&o);
  if (err) fprintf(stderr, "bench_gpu: %s: %s\n", tf_error_name(err), tf_error_text());
  tf_bench_print(rows, row_cnt, o.json);
  return is_no_device(err) ? SKIPPED : err ? 1 : 0;
}
