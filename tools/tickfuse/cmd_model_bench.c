/* tickfuse model bench. */
#include <math.h>
#include <pthread.h>
#include <sched.h>

#include "cmd_model.h"
#include "core/clock.h"
#include "core/cpu.h"
#include "core/error.h"
#include "model/measure.h"
#include "model/measure_steps.h"
#include "model/shapes.h"
#include "tf/atomic.h"

/* The second thread of a model of two lanes. */
typedef struct helper {
  const tf_model_t *model;
  pthread_t         thread;
  int               cpu;
  bool              is_running; /* by the main thread */
  uint32_t          stopping;   /* by the main thread */
} helper_t;

static void *help(void *arg) {
  helper_t *h = arg;
  (void)tf_cpu_pin(h->cpu, "model-helper");
  while (!tf_load_relaxed_u32(&h->stopping)) /* relaxed: a flag, nothing is read behind it */
    if (!h->model->assist(h->model)) tf_spin_pause();
  return NULL;
}

/* On the first core allowed that is not cpu. */
static tf_err_t start_helper(helper_t *h, const tf_model_t *model, int cpu) {
  cpu_set_t allowed;
  *h = (helper_t){.model = model, .cpu = -1};
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) CPU_ZERO(&allowed);
  for (int i = 0; i < CPU_SETSIZE && h->cpu < 0; i++)
    if (i != cpu && CPU_ISSET(i, &allowed)) h->cpu = i;
  if (h->cpu < 0)
    return TF_ERR(E_CORE_THREAD,
                  "--lanes 2 wants a second core; this process may use core %d alone", cpu);
  if (pthread_create(&h->thread, NULL, help, h) != 0)
    return TF_ERR(E_CORE_THREAD, "the helper's thread cannot be started");
  h->is_running = true;
  return TF_OK;
}

static void stop_helper(helper_t *h) {
  if (!h->is_running) return;
  tf_store_relaxed_u32(&h->stopping, 1); /* relaxed: a flag, nothing is written for it */
  pthread_join(h->thread, NULL);
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

/* Each step in words, its time, what it does a nanosecond, and its part of its path: of the answer, or of the deferred work. */
static json_t *profile_json(const tf_measure_step_t *steps, uint32_t cnt, const double *all) {
  json_t *list = json_array();
  for (uint32_t i = 0; i < cnt; i++) {
    const tf_measure_step_t *s = &steps[i];
    json_array_append_new(list, json_pack("{s:s, s:f, s:f, s:I, s:f, s:I, s:b}", "step", s->text,
                                          "ns", s->ns, "share", s->ns / all[s->deferred], "flops",
                                          (json_int_t)s->flops, "gflops",
                                          (double)s->flops / fmax(1e-3, s->ns), "bytes",
                                          (json_int_t)s->bytes, "deferred", s->deferred));
  }
  return list;
}

static void print_profile(const tf_measure_step_t *steps, uint32_t cnt, const double *all) {
  printf("  steps, each at its quickest:\n");
  for (uint32_t i = 0; i < cnt; i++) {
    const tf_measure_step_t *s = &steps[i];
    printf("  %10.1f ns %5.1f%%  %7.2f GFLOP/s %10llu bytes  %s%s\n", s->ns,
           100.0 * s->ns / all[s->deferred], (double)s->flops / fmax(1e-3, s->ns),
           (unsigned long long)s->bytes, s->deferred ? "deferred: " : "", s->text);
  }
}

/* What --profile asks for, behind the rest. */
static int report_profile(const tf_cmd_model_args_t *args, const tf_model_t *model, json_t *all) {
  tf_measure_step_t *steps;
  uint32_t           cnt;
  double             ns[2] = {1e-3, 1e-3}; /* of the timed path, and of what is deferred */
  tf_err_t           err   = tf_measure_steps(model, &steps, &cnt);
  if (err) return tf_cmd_model_failed(args, err);
  for (uint32_t i = 0; i < cnt; i++) ns[steps[i].deferred] += steps[i].ns;
  if (all)
    json_object_set_new(all, "profile", profile_json(steps, cnt, ns));
  else
    print_profile(steps, cnt, ns);
  free(steps);
  return 0;
}

static int report_bench_json(const tf_cmd_model_args_t *args, const tf_graph_t *graph,
                             const tf_model_t *model, const tf_measure_t *m, double error_max,
                             uint64_t load_ns) {
  json_t *all = json_pack("{s:s, s:s, s:s, s:s, s:i}", "name", model->name, "backend", "cpu", "isa",
                          tf_cmd_model_costs(model).isa, "precision",
                          tf_precision_name(model->precision), "window", (int)model->window);
  add_quantiles(all, "", &m->cold_ns);
  add_quantiles(all, "warm_", &m->warm_ns);
  add_quantiles(all, "busy_", &m->busy_ns);
  if (model->window > 1) {
    add_quantiles(all, "deferred_", &m->deferred_ns);
    add_quantiles(all, "late_", &m->late_ns);
  }
  if (tf_loader_stream(model, NULL)) add_quantiles(all, "whole_", &m->whole_ns);
  if (model->assist) {
    const tf_split_t *split = tf_loader_window(model)->split;
    json_object_set_new(all, "lanes", json_integer(TF_SPLIT_LANES));
    json_object_set_new(all, "helper_late", json_integer((json_int_t)split->late_cnt));
    json_object_set_new(all, "helper_jobs", json_integer((json_int_t)split->order));
  }
  json_object_set_new(all, "ticks_per_second", json_real(m->ticks_per_second));
  if (args->file) json_object_set_new(all, "load_ns", json_integer((json_int_t)load_ns));
  json_object_set_new(all, "error_max", json_real(error_max));
  json_object_set_new(all, "error_weights", json_string(tf_precision_name(graph->precision)));
  json_object_set_new(all, "params", json_integer((json_int_t)model->param_cnt));
  if (args->profile) {
    int code = report_profile(args, model, all);
    if (code) {
      json_decref(all);
      return code;
    }
  }
  return tf_cmd_model_print(all);
}

static int report_bench(const tf_cmd_model_args_t *args, const tf_graph_t *graph,
                        const tf_model_t *model, const tf_measure_t *m, double error_max,
                        uint32_t error_cnt, uint64_t load_ns) {
  if (args->json) return report_bench_json(args, graph, model, m, error_max, load_ns);
  printf("model %s, %s, cpu %s, %llu parameters\n", model->name,
         tf_precision_name(model->precision), tf_cmd_model_costs(model).isa,
         (unsigned long long)model->param_cnt);
  print_quantiles("after 512 KiB of other data", &m->cold_ns);
  print_quantiles("back to back", &m->warm_ns);
  print_quantiles("this machine's own: a fixed loop without memory", &m->busy_ns);
  if (model->window > 1) {
    print_quantiles("deferred work", &m->deferred_ns);
    print_quantiles("a tick before the deferred work", &m->late_ns);
  }
  if (tf_loader_stream(model, NULL))
    print_quantiles("a recompute of the window instead", &m->whole_ns);
  if (model->assist) {
    const tf_split_t *split = tf_loader_window(model)->split;
    printf("  two lanes: the helper had a part in %llu products, and was late in %llu\n",
           (unsigned long long)split->order, (unsigned long long)split->late_cnt);
  }
  printf("  %.0f ticks a second\n", m->ticks_per_second);
  tf_cmd_model_cache_note(model);
  if (args->file) printf("  %.2f ms from the file to the first answer\n", (double)load_ns / 1e6);
  printf("  error against double%s, %u random %s: at most %.2g\n", tf_cmd_model_weights_note(graph),
         error_cnt, model->window > 1 ? "windows" : "rows", error_max);
  return args->profile ? report_profile(args, model, NULL) : 0;
}

static int bench_model(const tf_cmd_model_args_t *args, const tf_graph_t *graph,
                       const tf_model_t *model) {
  double        error_max = 0.0;
  uint32_t      error_cnt = 0;
  uint64_t      load_ns   = 0;
  tf_measure_t *m         = malloc(sizeof *m);
  if (!m) return TF_EXIT_FAILED;
  helper_t  helper = {0};
  const int cpu    = sched_getcpu();
  tf_err_t  err    = model->assist ? start_helper(&helper, model, cpu) : TF_OK;
  (void)tf_cpu_pin(cpu, "model-bench"); /* stays where it is; unpinned is only noisier */
  if (!err) err = tf_measure_error(graph, model, &error_max, &error_cnt);
  if (!err) err = tf_measure_time(model, args->seconds, m);
  stop_helper(&helper);
  if (!err && args->file) err = tf_measure_load(args->file, &args->options, &load_ns);
  int code = err ? tf_cmd_model_failed(args, err)
                 : report_bench(args, graph, model, m, error_max, error_cnt, load_ns);
  free(m);
  return code;
}

int tf_cmd_model_bench(const tf_cmd_model_args_t *args) {
  if (args->file && args->shape) return tf_cmd_model_usage("bench", "a file or --shape, not both");
  tf_graph_t *graph = calloc(1, sizeof *graph);
  tf_model_t *model = NULL;
  if (!graph) return TF_EXIT_FAILED;
  tf_clock_calibrate();
  tf_err_t err = args->file ? tf_loader_load(args->file, &args->options, &model, graph)
                            : tf_shapes_make(graph, args->shape, 1);
  if (!err && args->shape) err = tf_loader_make(graph, &args->options, &model);
  int code = err ? tf_cmd_model_failed(args, err) : bench_model(args, graph, model);
  tf_loader_unload(model);
  tf_graph_fini(graph);
  free(graph);
  return code;
}
