/* tickfuse-gpu: a worker that answers a mailbox's rows (tf/mailbox.h) by a kernel that stays on the device. The engine starts
 * it, watches it and ends it; a device that breaks takes this process with it and nothing else. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"
#include "flow/mailbox_file.h"
#include "op/mat.h"
#include "tickfuse_gpu/device.h"
#include "tickfuse_gpu/probe.h"
#include "tickfuse_gpu/serve.h"

/* The man page says them, and the engine's log says them again. */
enum {
  EXIT_DONE    = 0, /* told to stop */
  EXIT_FAILED  = 1, /* what is none of these */
  EXIT_USAGE   = 2,
  EXIT_DATA    = 3, /* the model or the mailbox is not what it should be */
  EXIT_DEVICE  = 4, /* no such device, or none that may be seen */
  EXIT_DRIVER  = 5, /* no driver, or too old */
  EXIT_MEMORY  = 6,
  EXIT_BROKEN  = 7, /* the device failed, or hangs, and this process cannot use it any more */
  EXIT_CHECKED = 8, /* copied weights or known answers are wrong */
  EXIT_ORPHAN  = 9, /* the engine is gone */
};

#define MEMORY_FRACTION 0.9
#define DEVICE_MAX      63
#define FD_MAX          (1 << 20)

static const char usage[] =
    "usage: %s --mailbox FD --model FILE [--precision P] [--device N]\n"
    "          [--visible-devices L] [--memory-fraction F]\n"
    "       %s --check --model FILE [--precision P] [--device N] [--memory-fraction F]\n"
    "       %s --probe [--model FILE] [--precision P] [--memory-fraction F] [--json]\n"
    "\n"
    "Answers the rows of a mailbox by a kernel that stays on a GPU. The engine starts it:\n"
    "backend: gpu in the config of a model. See tickfuse-gpu(1).\n"
    "\n"
    "  --mailbox FD         the mailbox's file, open\n"
    "  --model FILE         a model of tickfuse model import\n"
    "  --precision P        fp32, bf16, fp16 or int8 instead of the file's own\n"
    "  --device N           of those that CUDA_VISIBLE_DEVICES leaves, from 0; turn:N goes round "
    "them\n"
    "  --visible-devices L  CUDA_VISIBLE_DEVICES, instead of what the environment says: 0,1\n"
    "  --memory-fraction F  of the device's free memory that may be used; 0.9 if not told\n"
    "  --hand-over W        block, cluster, memory or launch instead of what is best, to compare\n"
    "  --check              the model's known answers on the device, and no more\n"
    "  --probe              what is here, and what would run where\n"
    "  --json               the same as one JSON object\n"
    "  --help               this\n";

typedef struct options {
  serve_options_t serve;
  long            fd;
  bool            wants_probe, wants_check, wants_help, as_json;
} options_t;

static int exit_code(tf_err_t err) {
  switch (err) {
  case TF_OK: return EXIT_DONE;
  case E_FILE_OPEN:
  case E_FILE_FORMAT:
  case E_FILE_DAMAGED:
  case E_MODEL_FORMAT:
  case E_MODEL_UNSUPPORTED:
  case E_MODEL_SHAPE:
  case E_MODEL_WEIGHTS:
  case E_MODEL_SCHEMA: return EXIT_DATA;
  case E_GPU_NO_DEVICE: return EXIT_DEVICE;
  case E_GPU_DRIVER: return EXIT_DRIVER;
  case E_GPU_MEMORY:
  case E_CORE_NO_MEMORY: return EXIT_MEMORY;
  case E_GPU_DEVICE:
  case E_GPU_HANG: return EXIT_BROKEN;
  case E_GPU_COPY:
  case E_MODEL_CHECK: return EXIT_CHECKED;
  default: return EXIT_FAILED;
  }
}

static bool read_number(const char *text, long max, long *number) {
  char *end;
  *number = strtol(text, &end, 10);
  return *text >= '0' && *text <= '9' && *end == '\0' && *number <= max;
}

/* N, or turn:N. */
static bool read_device(const char *text, serve_options_t *o) {
  static const char turn[] = "turn:";
  long              number = 0;
  o->takes_turn            = strncmp(text, turn, sizeof turn - 1) == 0;
  const bool ok = read_number(o->takes_turn ? text + sizeof turn - 1 : text, DEVICE_MAX, &number);
  o->device     = (uint32_t)number;
  return ok;
}

static bool read_fraction(const char *text, double *fraction) {
  char *end;
  *fraction = strtod(text, &end);
  return end != text && *end == '\0' && *fraction > 0.0 && *fraction <= 1.0;
}

static bool read_options(int argc, char **argv, options_t *o) {
  static const struct option known[] = {
      {"mailbox",          required_argument, NULL, 'b'},
      {"model",              required_argument, NULL, 'm'},
      {"precision",                  required_argument, NULL, 'p'},
      {"device",required_argument, NULL, 'd'},
      {"visible-devices",               required_argument, NULL, 'v'},
      {"memory-fraction",        required_argument, NULL, 'f'},
      {"hand-over",              required_argument, NULL, 'o'},
      {"check",                  no_argument, NULL, 'c'},
      {"probe",              no_argument, NULL, 'P'},
      {"json",               no_argument, NULL, 'j'},
      {"help",  no_argument, NULL, 'h'},
      {0             }
  };
  *o = (options_t){
      .fd    = -1,
      .serve = {.memory_fraction = MEMORY_FRACTION,
                .load            = {.model = {.precision = TF_PRECISION_AUTO}}}
  };
  for (int c, at = 0; (c = getopt_long(argc, argv, "", known, &at)) != -1;) {
    bool        ok    = true;
    const char *range = "";
    switch (c) {
    case 'b': ok = read_number(optarg, FD_MAX, &o->fd), range = "a descriptor"; break;
    case 'm': o->serve.model = optarg; break;
    case 'p':
      ok    = tf_precision_parse(optarg, &o->serve.load.model.precision);
      range = "fp32, bf16, fp16 or int8";
      break;
    case 'd':
      ok = read_device(optarg, &o->serve), range = "0 to 63, or turn: and such a one";
      break;
    case 'v': ok = setenv("CUDA_VISIBLE_DEVICES", optarg, 1) == 0; break;
    case 'f':
      ok    = read_fraction(optarg, &o->serve.memory_fraction);
      range = "above 0, up to 1";
      break;
    case 'o':
      ok    = load_parse_hand_over(optarg, &o->serve.load.hand_over);
      range = "best, block, cluster, memory or launch";
      break;
    case 'P': o->wants_probe = true; break;
    case 'c': o->wants_check = true; break;
    case 'j': o->as_json = true; break;
    case 'h': o->wants_help = true; break;
    default: return false;
    }
    if (ok) continue;
    fprintf(stderr, "%s: --%s is \"%s\", and may be %s\n", device_program, known[at].name, optarg,
            range);
    return false;
  }
  if (optind < argc) fprintf(stderr, "%s: \"%s\" is no option\n", device_program, argv[optind]);
  return optind == argc;
}

static int fail(tf_err_t err) {
  fprintf(stderr, "%s: %s: %s\n", device_program, tf_error_name(err), tf_error_text());
  fflush(NULL);
  /* The driver's own exit handlers may wait for a kernel that never ends. */
  if (err == E_GPU_HANG || err == E_GPU_DEVICE) _exit(exit_code(err));
  return exit_code(err);
}

static int answer(const options_t *o) {
  tf_mailbox_view_t view  = {0};
  watch_end_t       ended = WATCH_GOES_ON;
  tf_err_t          err   = tf_mailbox_open((int)o->fd, &view);
  if (!err) err = serve(&o->serve, &view, &ended);
  int code = err ? fail(err) : ended == WATCH_ORPHAN ? EXIT_ORPHAN : EXIT_DONE;
  tf_mailbox_close(&view);
  return code;
}

static int check(const options_t *o) {
  watch_end_t ended;
  tf_err_t    err = serve_check(&o->serve, &ended);
  return err ? fail(err) : ended ? EXIT_FAILED : EXIT_DONE;
}

static void print_usage(FILE *to) {
  fprintf(to, usage, device_program, device_program, device_program);
}

int main(int argc, char **argv) {
  options_t o;
  bool      ok = read_options(argc, argv, &o);
  if (ok && o.wants_help) return print_usage(stdout), EXIT_DONE;
  if (!ok || (o.wants_check && !o.serve.model) ||
      (!o.wants_probe && !o.wants_check && (o.fd < 0 || !o.serve.model)))
    return print_usage(stderr), EXIT_USAGE;
  tf_clock_calibrate();
  watch_signals();
  /* All of a program's code is on the device before a kernel runs that does not end: loading it later would wait for that. */
  setenv("CUDA_MODULE_LOADING", "EAGER", 1);
  if (o.wants_probe)
    return exit_code(probe(o.serve.model, &o.serve.load, o.serve.memory_fraction, o.as_json));
  return o.wants_check ? check(&o) : answer(&o);
}
