/* `tickfuse tape convert` and `merge`: any input that replay reads, to a tape, CSV or JSON lines. The
 * inputs go through the same source as in a replay, so that a tape of a recording holds exactly the
 * events that replaying the recording makes. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "boot/engine.h"
#include "core/error.h"
#include "event_text.h"
#include "file/tape_writer.h"
#include "inputs.h"
#include "stage/event_time.h"
#include "stage/outlier.h"
#include "tape_command.h"

#define INSTRUMENTS_MAX 4096
#define EVENTS_MAX      1048576 /* of one message */

typedef struct convert {
  tf_instruments_t instruments;
  tf_tape_choice_t choice;
  tf_tape_writer_t tape;
  /* events are judged as a replay of what is written would */
  tf_outlier_row_t    outliers[INSTRUMENTS_MAX];
  tf_event_time_row_t times[INSTRUMENTS_MAX];
  uint64_t            bad_times[TF_EVENT_TIME_CAUSE_CNT];
  FILE               *text; /* NULL: a tape is written */
  bool                is_csv;
  uint64_t            seq, event_cnt;
  tf_err_t            err; /* the first that writing met */
} convert_t;

static void on_batch(void *self, const tf_batch_t *batch) {
  convert_t *c = self;
  uint32_t   n = 0;
  if (c->err) return;
  for (uint32_t i = 0; i < batch->event_cnt; i++) {
    if (!tf_tape_choice_takes(&c->choice, &batch->events[i], c->instruments.rows,
                              c->instruments.cnt))
      continue;
    batch->events[n]            = batch->events[i];
    batch->events[n].ingest_seq = ++c->seq;
    tf_event_time_judge(c->times, INSTRUMENTS_MAX, c->bad_times, &batch->events[n]);
    if (batch->events[n].kind == TF_EVENT_TRADE)
      tf_outlier_judge(c->outliers, INSTRUMENTS_MAX, &batch->events[n]);
    n++;
  }
  c->event_cnt += n;
  if (!c->text) {
    c->err = n ? tf_tape_writer_append(&c->tape, batch->events, n) : TF_OK;
    return;
  }
  for (uint32_t i = 0; i < n; i++) {
    char   text[TF_EVENT_TEXT_BYTES_MAX];
    size_t cnt = (c->is_csv ? tf_event_text_csv : tf_event_text_json)(
        &batch->events[i], c->instruments.rows, c->instruments.cnt, text);
    if (fwrite(text, 1, cnt, c->text) != cnt)
      c->err = TF_ERR(E_FILE_WRITE, "writing events: %s", strerror(errno));
  }
}

static bool ends_in(const char *text, const char *end) {
  size_t cnt = strlen(text), end_cnt = strlen(end);
  return cnt >= end_cnt && !strcmp(text + cnt - end_cnt, end);
}

/* What --format and the name say. False: it is no format, and that was said. */
static bool read_format(const tf_tape_args_t *args, const char *out, bool *is_text, bool *is_csv) {
  const char *format = args->format_cnt         ? args->format[0]
                       : ends_in(out, ".csv")   ? "csv"
                       : ends_in(out, ".jsonl") ? "json"
                                                : "tape";
  *is_csv            = !strcmp(format, "csv");
  *is_text           = *is_csv || !strcmp(format, "json");
  if (*is_text || !strcmp(format, "tape")) return true;
  fprintf(stderr, "tickfuse: --format %s: allowed are tape, csv, json\n", format);
  return false;
}

static tf_err_t out_open(convert_t *c, const tf_tape_args_t *args, const char *out, bool is_text) {
  char source[TF_TAPE_SOURCE_BYTES_MAX] = "";
  for (uint32_t i = 0; i < args->file_cnt; i++) {
    size_t used = strlen(source);
    snprintf(source + used, sizeof source - used, "%s%s", i ? " " : "", args->files[i]);
  }
  if (!is_text) {
    const tf_tape_writer_config_t config = {
        .path = out, .source = source, .instruments = &c->instruments};
    return tf_tape_writer_init(&c->tape, &config);
  }
  int fd  = open(out, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  c->text = fd >= 0 ? fdopen(fd, "w") : NULL;
  if (!c->text)
    return TF_ERR(E_FILE_OPEN, "%s: %s", out,
                  errno == EEXIST ? "exists already; remove it or name another file"
                                  : strerror(errno));
  if (c->is_csv) fputs(tf_event_text_csv_header, c->text);
  return TF_OK;
}

/* Runs the source to its end. The error of the input, which does not undo what was converted. */
static tf_err_t pump(convert_t *c, tf_source_t *source) {
  int n = 0;
  while (n >= 0 && !c->err) {
    n = source->ops->poll(source, 0);
    tf_tape_progress("convert", c->event_cnt, 0, "events");
  }
  tf_tape_progress_end();
  return n == TF_SOURCE_DONE || n >= 0 ? TF_OK : n;
}

static void report(const tf_tape_args_t *args, const convert_t *c, const tf_source_t *source) {
  uint64_t rejected = 0;
  for (int i = 0; i < TF_REJECT_CNT; i++) rejected += source->counts.rejected[i];
  printf(args->json ? "{\"messages\":%" PRIu64 ",\"events\":%" PRIu64 ",\"rejected\":%" PRIu64
                      ",\"instruments\":%u}\n"
                    : "%" PRIu64 " messages, %" PRIu64 " events, %" PRIu64
                      " rejected, %u instruments\n",
         source->counts.messages, c->event_cnt, rejected, c->instruments.cnt);
}

static tf_err_t convert(convert_t *c, const tf_tape_args_t *args, const char *out, bool is_text) {
  static tf_inputs_t       inputs;
  const tf_replay_config_t config = {.inputs      = inputs.rows,
                                     .input_cnt   = args->file_cnt,
                                     .from_ns     = c->choice.from_ns,
                                     .to_ns       = args->to_cnt ? c->choice.to_ns : 0,
                                     .event_cap   = EVENTS_MAX,
                                     .instruments = &c->instruments};
  tf_err_t                 err =
      tf_inputs_resolve(&inputs, &c->instruments, NULL, args->venue_cnt ? args->venue[0] : NULL,
                        args->files, args->file_cnt);
  size_t bytes  = err ? 0 : tf_replay_footprint(&config);
  void  *memory = bytes ? aligned_alloc(TF_LINE_BYTES, bytes) : NULL;
  if (!err && !memory) err = bytes ? TF_ERR(E_CORE_NO_MEMORY, "%zu bytes", bytes) : tf_error_code();
  tf_replay_t replay = {0};
  if (!err) err = tf_replay_init(&replay, &config, memory);
  if (!err) err = out_open(c, args, out, is_text);
  if (!err) {
    replay.source.publisher = (tf_publisher_t){c, on_batch};
    err                     = pump(c, &replay.source);
    if (!c->err) c->err = is_text ? TF_OK : tf_tape_writer_fini(&c->tape);
    if (c->text && fclose(c->text) != 0 && !c->err)
      c->err = TF_ERR(E_FILE_WRITE, "%s: %s", out, strerror(errno));
    if (c->err) err = c->err;
    if (!c->err) report(args, c, &replay.source);
  }
  tf_replay_fini(&replay);
  tf_inputs_fini(&inputs);
  free(memory);
  return err;
}

int tf_tape_convert(const tf_tape_args_t *args) {
  static convert_t c;
  bool             is_text;
  if (args->out_cnt != 1) {
    fprintf(stderr, "tickfuse: tape convert wants one --out FILE\n");
    return TF_EXIT_USAGE;
  }
  if (!tf_tape_choice_read(args, &c.choice) ||
      !read_format(args, args->out[0], &is_text, &c.is_csv))
    return TF_EXIT_USAGE;
  c.instruments = (tf_instruments_t){.rows = calloc(INSTRUMENTS_MAX, sizeof(tf_instrument_t)),
                                     .cap  = INSTRUMENTS_MAX};
  if (!c.instruments.rows) return tf_cli_fail(TF_ERR(E_CORE_NO_MEMORY, "the instrument table"));
  tf_err_t err = convert(&c, args, args->out[0], is_text);
  free(c.instruments.rows);
  return err ? tf_cli_fail(err) : TF_EXIT_DONE;
}
