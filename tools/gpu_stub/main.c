/* gpu-stub: a worker that speaks the mailbox's protocol (tf/mailbox.h) with the CPU's kernels, and can be told to be late,
 * silent, wrong, torn or dead. What stands around a GPU worker is tested with it where there is no card. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/isa.h"
#include "flow/mailbox_file.h"
#include "gpu_stub/serve.h"
#include "model/loader.h"
#include "op/mat.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static const char usage[] =
    "usage: gpu-stub --mailbox FD --model FILE [--precision P] [--faults LIST] [--seed N]\n"
    "                [--device N] [--memory-fraction F] (as tickfuse-gpu has them; there is one "
    "device)\n"
    "       gpu-stub --probe [--json]\n"
    "       gpu-stub --faults help\n"
    "\n"
    "Answers the rows of a mailbox as a GPU worker would, by the CPU, and as wrongly as told.\n"
    "The engine starts it: backend: stub. See tf/mailbox.h.\n";

static int fail(tf_mailbox_view_t *view, tf_err_t err) {
  fprintf(stderr, "gpu-stub: %s: %s\n", tf_error_name(err), tf_error_text());
  if (view->box) stub_fail(view->box, err);
  return EXIT_FAILED;
}

static int probe(bool as_json) {
  if (as_json)
    printf("{\"worker\": \"gpu-stub\", \"devices\": [{\"index\": 0, \"name\": \"CPU, %s\", "
           "\"runs\": [\"all\"]}]}\n",
           tf_isa_name(tf_isa_best()));
  else
    printf("gpu-stub: one device, this CPU (%s); runs every model\n", tf_isa_name(tf_isa_best()));
  return EXIT_DONE;
}

static bool read_number(const char *text, long max, long *number) {
  char *end;
  *number = strtol(text, &end, 10);
  return *text >= '0' && *text <= '9' && *end == '\0' && *number <= max;
}

typedef struct options {
  const char        *model, *faults;
  long               fd, seed;
  bool               wants_probe, as_json;
  tf_model_options_t load;
} options_t;

static bool read_options(int argc, char **argv, options_t *o) {
  static const struct option known[] = {
      {"mailbox",          required_argument, NULL, 'b'},
      {"model",              required_argument, NULL, 'm'},
      {"precision",                  required_argument, NULL, 'p'},
      {"faults",required_argument, NULL, 'f'},
      {"seed",               required_argument, NULL, 's'},
      {"probe",        no_argument, NULL, 'P'},
      {"device",              required_argument, NULL, 'd'},
      {"memory-fraction",                  required_argument, NULL, 'F'},
      {"json",              no_argument, NULL, 'j'},
      {0              }
  };
  *o = (options_t){.fd = -1, .seed = 1, .load = {.precision = TF_PRECISION_AUTO}};
  for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
    bool ok = true;
    switch (c) {
    case 'b': ok = read_number(optarg, 1 << 20, &o->fd); break;
    case 'm': o->model = optarg; break;
    case 'p': ok = tf_precision_parse(optarg, &o->load.precision); break;
    case 'f': o->faults = optarg; break;
    case 's': ok = read_number(optarg, INT32_MAX, &o->seed); break;
    case 'd':
    case 'F': break; /* this CPU is all there is */
    case 'P': o->wants_probe = true; break;
    case 'j': o->as_json = true; break;
    default: return false;
    }
    if (!ok)
      return fprintf(stderr, "gpu-stub: \"%s\" is out of its option's range\n", optarg), false;
  }
  return optind == argc;
}

static int serve(const options_t *o, faults_t *faults) {
  tf_mailbox_view_t view  = {0};
  tf_model_t       *model = NULL;
  tf_err_t          err   = tf_mailbox_open((int)o->fd, &view);
  if (!err && fault_hits(faults, STUB_FAULT_KNOWN))
    err = TF_ERR(E_MODEL_CHECK, "%s: a known answer is missed, as the faults want it", o->model);
  if (!err) err = tf_model_loader.load(o->model, &o->load, &model);
  if (!err) err = stub_serve(&view, model, &o->load, faults);
  int code = err ? fail(&view, err) : EXIT_DONE;
  if (model) tf_model_loader.unload(model);
  tf_mailbox_close(&view);
  return code;
}

int main(int argc, char **argv) {
  options_t o;
  tf_clock_calibrate();
  if (!read_options(argc, argv, &o)) return fputs(usage, stderr), EXIT_USAGE;
  if (o.wants_probe) return probe(o.as_json);
  if (o.faults && !strcmp(o.faults, "help")) {
    char text[FAULTS_HELP_BYTES];
    faults_help(stub_fault_rows, STUB_FAULT_CNT, text, sizeof text);
    return fputs(text, stdout), EXIT_DONE;
  }
  faults_t faults;
  faults_init(&faults, stub_fault_rows, STUB_FAULT_CNT, (uint64_t)o.seed);
  if (o.faults && faults_parse(&faults, "gpu-stub", o.faults)) {
    fprintf(stderr, "gpu-stub: %s\n", tf_error_text());
    return EXIT_USAGE;
  }
  if (faults.cnt[STUB_FAULT_EXIT]) return (int)(faults.cnt[STUB_FAULT_EXIT] & 0xff);
  if (o.fd < 0 || !o.model) return fputs(usage, stderr), EXIT_USAGE;
  return serve(&o, &faults);
}
