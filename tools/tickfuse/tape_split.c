/* `tickfuse tape split`: one tape into several, by time, by number of events or by instrument. */
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "core/error.h"
#include "file/tape_writer.h"
#include "tape_command.h"

#define PARTS_MAX 1000

typedef struct split {
  tf_tape_walk_t   walk;
  tf_instruments_t instruments; /* all of the tape's, in each part: its ids stay what they are */
  const char      *prefix;
  uint64_t         every_ns, every_events;
  bool             json;
  tf_tape_writer_t part;
  char             path[4096], source[TF_TAPE_SOURCE_BYTES_MAX];
  uint32_t         part_cnt;
  uint64_t         part_events, part_end_ns;
} split_t;

static tf_err_t part_close(split_t *s) {
  if (!s->part.config.path) return TF_OK;
  tf_err_t err = tf_tape_writer_fini(&s->part);
  if (err || !s->json) {
    if (!err) printf("%s: %" PRIu64 " events\n", s->path, s->part_events);
    return err;
  }
  json_t *line = json_pack("{sssI}", "file", s->path, "events", (json_int_t)s->part_events);
  json_dumpf(line, stdout, JSON_COMPACT);
  json_decref(line);
  printf("\n");
  return TF_OK;
}

static tf_err_t part_open(split_t *s) {
  tf_err_t err = part_close(s);
  if (err) return err;
  if (s->part_cnt == PARTS_MAX)
    return TF_ERR(E_CORE_ARGUMENT, "more than %d parts: cut at longer spans", PARTS_MAX);
  if ((size_t)snprintf(s->path, sizeof s->path, "%s.%03u.tape", s->prefix, s->part_cnt++) >=
      sizeof s->path)
    return TF_ERR(E_CORE_ARGUMENT, "%s: the path is too long", s->prefix);
  const tf_tape_writer_config_t config = {
      .path = s->path, .source = s->source, .instruments = &s->instruments};
  s->part_events = 0;
  return tf_tape_writer_init(&s->part, &config);
}

/* Whether a part ends before this event; only between messages. */
static bool is_cut(const split_t *s, const tf_event_t *e, bool after_message) {
  if (!s->part.config.path) return true;
  if (!after_message) return false;
  return (s->every_events && s->part_events >= s->every_events) ||
         (s->every_ns && e->ts_recv_ns >= s->part_end_ns);
}

static tf_err_t split_in_order(split_t *s) {
  tf_err_t err           = TF_OK;
  bool     after_message = true;
  for (const tf_event_t *e; !err && (e = tf_tape_walk_next(&s->walk, 0, UINT64_MAX));) {
    if (is_cut(s, e, after_message)) {
      err = part_open(s);
      if (s->every_ns) s->part_end_ns = (e->ts_recv_ns / s->every_ns + 1) * s->every_ns;
    }
    if (!err) err = tf_tape_writer_append(&s->part, e, 1);
    s->part_events++;
    after_message = e->flags & TF_FLAG_LAST;
    tf_tape_progress("split", s->walk.next_block, s->walk.reader.block_cnt, "blocks");
  }
  tf_tape_progress_end();
  return err ? err : part_close(s);
}

/* A part for each instrument: the tape is read once for each. */
static tf_err_t split_by_instrument(split_t *s) {
  tf_err_t err = TF_OK;
  for (uint32_t id = 0; id < s->instruments.cnt && !err; id++) {
    s->walk.at = s->walk.cnt = 0;
    s->walk.next_block       = 0;
    err                      = part_open(s);
    for (const tf_event_t *e; !err && (e = tf_tape_walk_next(&s->walk, 0, UINT64_MAX));) {
      if (e->instrument_id != id) continue;
      err = tf_tape_writer_append(&s->part, e, 1);
      s->part_events++;
    }
  }
  return err ? err : part_close(s);
}

int tf_tape_split(const tf_tape_args_t *args) {
  static split_t s;
  if (args->out_cnt != 1 || args->every_cnt + args->events_cnt + args->instrument_cnt != 1) {
    fprintf(stderr, "tickfuse: tape split wants --out PREFIX and one of --every, --events and "
                    "--instrument each\n");
    return TF_EXIT_USAGE;
  }
  s.prefix = args->out[0];
  s.json   = args->json;
  if (args->every_cnt && (!tf_cli_duration(args->every[0], &s.every_ns) || s.every_ns == 0)) {
    fprintf(stderr, "tickfuse: --every %s: a time with its unit, as in 1h\n", args->every[0]);
    return TF_EXIT_USAGE;
  }
  if (args->events_cnt && !tf_tape_number("--events", args->events[0], &s.every_events))
    return TF_EXIT_USAGE;
  if (args->instrument_cnt && strcmp(args->instrument[0], "each") != 0) {
    fprintf(stderr,
            "tickfuse: --instrument %s: split knows \"each\"; for one, `tickfuse tape "
            "convert --instrument`\n",
            args->instrument[0]);
    return TF_EXIT_USAGE;
  }
  tf_err_t err = tf_tape_walk_init(&s.walk, args->files[0]);
  if (err) return tf_cli_fail(err);
  s.instruments = (tf_instruments_t){
      .rows = s.walk.reader.rows, .cap = s.walk.reader.row_cnt, .cnt = s.walk.reader.row_cnt};
  snprintf(s.source, sizeof s.source, "%s", args->files[0]);
  err      = args->instrument_cnt ? split_by_instrument(&s) : split_in_order(&s);
  int code = err ? tf_cli_fail(err) : tf_tape_walk_verdict(&s.walk);
  tf_tape_walk_fini(&s.walk);
  return code;
}
