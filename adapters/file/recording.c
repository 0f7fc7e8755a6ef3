#include "file/recording.h"

#include "core/error.h"
#include "file/recorded_line.h"

struct tf_recording_run {
  tf_inflow_t           inflow;
  tf_record_t           head; /* merged runs: the record that waits */
  tf_recording_result_t head_result;
  bool                  has_head;
  uint64_t              line_no;  /* of the line taken last */
  uint64_t              line_end; /* the run ends after this line */
  uint64_t              last_ns;
  uint64_t              consumed; /* of the inflow, up to the line taken last */
  bool                  damage_counted;
};

/* Where the connections of a JSONL file go. Written by the first reading; more than fit are not known. */
#define CONNS_MAX 64
struct tf_recording_conns {
  uint32_t cnt;
  struct {
    char conn[TF_RECORDED_NAME_BYTES], path[TF_RECORDED_NAME_BYTES];
  } rows[CONNS_MAX];
};

/* ---- hot -------------------------------------------------------------------------------------*/

static tf_recording_result_t run_over(tf_recording_t *rec, tf_recording_run_t *run,
                                      tf_inflow_result_t result) {
  if (result == TF_INFLOW_AGAIN) return TF_RECORDING_AGAIN;
  if (result == TF_INFLOW_END) return TF_RECORDING_END;
  if (!run->damage_counted) {
    rec->counts.bytes_read += run->inflow.partial_bytes;
    rec->counts.bytes_partial += run->inflow.partial_bytes;
    run->damage_counted = true;
  }
  return TF_RECORDING_DAMAGE;
}

static const char *path_of(const tf_recording_conns_t *conns, const char *conn) {
  for (uint32_t i = 0; i < conns->cnt; i++)
    if (strncmp(conns->rows[i].conn, conn, TF_RECORDED_NAME_BYTES - 1) == 0)
      return conns->rows[i].path;
  return NULL;
}

static TF_COLD void count_skipped(tf_recording_t *rec, tf_recorded_kind_t kind) {
  switch (kind) {
  case TF_RECORDED_HEADER: rec->counts.skipped_header++; break;
  case TF_RECORDED_CONNECT: rec->counts.skipped_connect++; break;
  case TF_RECORDED_SEND: rec->counts.skipped_send++; break;
  default: rec->counts.skipped_blank++; break;
  }
}

/* The next record of one run, decoded in place. */
static tf_recording_result_t run_next(tf_recording_t *rec, tf_recording_run_t *run,
                                      tf_record_t *record) {
  for (;;) {
    if (run->line_no >= run->line_end) return TF_RECORDING_END;
    record->tap        = TF_TAP_FRAME;
    record->leg        = 0;
    record->source_idx = 0;
    char              *line;
    size_t             line_bytes;
    tf_inflow_result_t result = tf_inflow_line(&run->inflow, &line, &line_bytes);
    if (TF_UNLIKELY(result > TF_INFLOW_LONG)) return run_over(rec, run, result);
    uint64_t consumed = tf_inflow_consumed_bytes(&run->inflow);
    uint64_t taken    = consumed - run->consumed;
    run->consumed     = consumed;
    rec->counts.bytes_read += taken;
    record->line_no = ++run->line_no;
    tf_recorded_kind_t kind;
    if (TF_UNLIKELY(result == TF_INFLOW_LONG)) {
      if (line_bytes > TF_INFLOW_SAMPLE_BYTES) line_bytes = TF_INFLOW_SAMPLE_BYTES;
      kind = tf_recorded_line_fault(line, line_bytes, record, TF_RECORD_TOO_LONG);
    } else if (rec->format == TF_RECORDING_LINES) {
      kind = tf_recorded_line_parse(line, line_bytes, record);
    } else if (rec->format == TF_RECORDING_JSONL) {
      kind = tf_recorded_line_parse_jsonl(line, line_bytes, record);
    } else if (rec->format == TF_RECORDING_CASES) {
      kind = tf_recorded_line_parse_case(line, line_bytes, record);
    } else if (rec->format == TF_RECORDING_EVENTS) {
      record->recv_ns = run->last_ns + 1;
      kind            = tf_recorded_line_parse_event(line, line_bytes, record);
    } else {
      kind = tf_recorded_line_parse_raw(line, line_bytes, record);
    }
    if (TF_UNLIKELY(kind == TF_RECORDED_FAULT)) {
      rec->counts.bytes_rejected += taken;
      record->recv_ns = run->last_ns;
      return TF_RECORDING_RECORD;
    }
    rec->counts.bytes_framed += taken;
    if (TF_UNLIKELY(kind != TF_RECORDED_MESSAGE)) {
      count_skipped(rec, kind);
      continue;
    }
    run->last_ns = record->recv_ns;
    if (record->conn && record->kind != TF_FRAME_HTTP)
      record->target = path_of(rec->conns, record->conn);
    return TF_RECORDING_RECORD;
  }
}

static void count_record(tf_recording_t *rec, const tf_record_t *record) {
  rec->counts.records++;
  rec->counts.http += record->kind == TF_FRAME_HTTP;
  rec->counts.faults += record->fault != TF_RECORD_OK;
  rec->counts.backward += record->recv_ns < rec->last_ns;
  rec->last_ns = record->recv_ns;
  rec->line_no = record->line_no;
}

/* Several runs: the earliest head goes first; equal times in the order of the file. */
static tf_recording_result_t merged_next(tf_recording_t *rec, tf_record_t *record) {
  tf_recording_run_t   *first  = NULL;
  tf_recording_result_t at_end = TF_RECORDING_END;
  for (uint32_t i = 0; i < rec->run_cnt; i++) {
    tf_recording_run_t *run = &rec->runs[i];
    if (!run->has_head) {
      run->head_result = run_next(rec, run, &run->head);
      if (run->head_result == TF_RECORDING_AGAIN) return TF_RECORDING_AGAIN;
      run->has_head = true;
    }
    if (run->head_result == TF_RECORDING_DAMAGE) at_end = TF_RECORDING_DAMAGE;
    if (run->head_result != TF_RECORDING_RECORD) continue;
    if (!first || run->head.recv_ns < first->head.recv_ns) first = run;
  }
  if (!first) return at_end;
  *record         = first->head;
  first->has_head = false;
  return TF_RECORDING_RECORD;
}

static tf_recording_result_t capture_next(tf_recording_t *rec, tf_record_t *record) {
  tf_capture_item_t      item;
  const tf_tap_record_t *tap = &item.tap;
  for (;;) {
    tf_capture_read_t result = tf_capture_reader_next(rec->capture, &item);
    if (TF_UNLIKELY(result != TF_CAPTURE_READ_RECORD))
      return result == TF_CAPTURE_READ_END && rec->counts.gaps == 0 ? TF_RECORDING_END
                                                                    : TF_RECORDING_DAMAGE;
    uint64_t bytes = sizeof(tf_capture_record_t) + tap->bytes_cnt +
                     (tap->target ? (uint64_t)(tap->bytes - tap->target) : 0);
    rec->counts.bytes_read += bytes;
    rec->counts.bytes_framed += bytes;
    if (tap->kind == TF_TAP_OUTCOMES) continue; /* file/outcome_reader.h has them */
    if (TF_LIKELY(tap->kind != TF_CAPTURE_GAP)) break;
    rec->counts.gaps++;
  }
  *record = (tf_record_t){.bytes      = tap->bytes,
                          .bytes_cnt  = tap->bytes_cnt,
                          .kind       = tap->frame_kind,
                          .tap        = tap->kind,
                          .leg        = tap->leg,
                          .source_idx = tap->source_idx,
                          .recv_ns    = tap->recv_ns,
                          .target     = tap->target,
                          .line_no    = item.record_seq};
  rec->counts.connects += tap->kind == TF_TAP_CONNECT;
  rec->counts.controls += tap->kind == TF_TAP_CONTROL;
  if (TF_LIKELY(tap->kind == TF_TAP_FRAME)) count_record(rec, record);
  return TF_RECORDING_RECORD;
}

void tf_recording_seek(tf_recording_t *rec, uint64_t from_ns) {
  if (rec->capture) tf_capture_reader_seek(rec->capture, from_ns);
}

tf_recording_result_t tf_recording_next(tf_recording_t *rec, tf_record_t *record) {
  if (rec->capture) return capture_next(rec, record);
  tf_recording_result_t result = TF_LIKELY(rec->run_cnt == 1) ? run_next(rec, &rec->runs[0], record)
                                                              : merged_next(rec, record);
  if (TF_LIKELY(result == TF_RECORDING_RECORD)) count_record(rec, record);
  return result;
}

void tf_recording_top_up(tf_recording_t *rec, tf_record_t *record, size_t step_bytes) {
  if (rec->run_cnt != 1) return;
  size_t moved = tf_inflow_top_up(&rec->runs[0].inflow, step_bytes);
  record->bytes -= moved;
  if (record->target && record->kind == TF_FRAME_HTTP) record->target -= moved;
  if (record->conn) record->conn -= moved;
}

/* ---- cold: telling the format and the runs ---------------------------------------------------*/

#define TELL_LINES 16 /* so many first lines may be broken before a file is called unknown */

static tf_recording_format_t format_of_line(const char *line, size_t cnt) {
  size_t digits = 0;
  while (digits < cnt && line[digits] >= '0' && line[digits] <= '9') digits++;
  if (digits > 0 && digits < cnt && line[digits] == ' ') return TF_RECORDING_LINES;
  if (digits > 0 && digits < cnt && line[digits] == '.') return TF_RECORDING_RAW;
  if (digits > 0 && digits < cnt && line[digits] == ':') return TF_RECORDING_RAW;
  if (cnt > 5 && memcmp(line, "{\"t\":", 5) == 0) return TF_RECORDING_JSONL;
  if (cnt > 8 && memcmp(line, "{\"case\":", 8) == 0) return TF_RECORDING_CASES;
  if (cnt > 1 && line[0] == '{' && memmem(line, cnt, "\"instrument\"", 12) &&
      memmem(line, cnt, "\"kind\"", 6))
    return TF_RECORDING_EVENTS;
  const char *space = memchr(line, ' ', cnt);
  size_t      rest  = space ? cnt - (size_t)(space - line) : 0;
  bool        url   = space && memmem(line, (size_t)(space - line), "://", 3);
  if (url && rest > 3 && (memcmp(space, " <-", 3) == 0 || memcmp(space, " ->", 3) == 0))
    return TF_RECORDING_RAW;
  if (cnt > 15 && memcmp(line, "configuration: ", 15) == 0) return TF_RECORDING_RAW;
  return TF_RECORDING_NONE;
}

static tf_err_t tell_format(tf_recording_t *rec, tf_inflow_t *inflow) {
  const char *bytes;
  size_t      cnt = tf_inflow_look(inflow, TF_INFLOW_PIECE_BYTES, &bytes);
  rec->format     = TF_RECORDING_NONE;
  if (cnt == 0) return 0;
  const char *line = bytes;
  for (int i = 0; i < TELL_LINES && cnt > 0 && rec->format == TF_RECORDING_NONE; i++) {
    const char *newline = memchr(line, '\n', cnt);
    size_t      length  = newline ? (size_t)(newline - line) : cnt;
    rec->format         = (uint8_t)format_of_line(line, length);
    cnt -= newline ? length + 1 : length;
    line += newline ? length + 1 : length;
  }
  if (rec->format != TF_RECORDING_NONE) return 0;
  if (inflow->state == TF_INFLOW_DAMAGED) return 0; /* next reports that */
  char shown[49];
  tf_recorded_line_show(bytes, inflow->end - inflow->begin, shown, sizeof shown);
  return TF_ERR(E_FILE_FORMAT,
                "%s: begins with \"%s\"; a recording's lines are `<recv_ns> <json>`, cryptofeed's "
                "{\"t\":...} objects, `<seconds>: <text>`, {\"case\":..,\"raw\":..} or events, "
                "{\"instrument\":..,\"kind\":..}",
                rec->path, shown);
}

/* A run as the first reading finds it. */
typedef struct run_plan {
  uint64_t offset, line_first, line_end, last_ns;
  size_t   line_bytes_max;
} run_plan_t;

typedef struct plan {
  run_plan_t runs[TF_RECORDING_RUNS_MAX];
  uint32_t   run_cnt;
  char       conn[TF_RECORDED_NAME_BYTES];

  tf_recording_conns_t *conns;
} plan_t;

/* The newest address of a name counts. */
static void plan_connect(tf_recording_conns_t *conns, const char *conn, const char *path) {
  uint32_t i = 0;
  while (i < conns->cnt && strcmp(conns->rows[i].conn, conn) != 0) i++;
  if (i == CONNS_MAX) return;
  if (i == conns->cnt) conns->cnt++;
  memcpy(conns->rows[i].conn, conn, TF_RECORDED_NAME_BYTES);
  memcpy(conns->rows[i].path, path, TF_RECORDED_NAME_BYTES);
}

static void plan_line(plan_t *plan, const char *line, size_t line_bytes, uint64_t offset,
                      uint64_t line_no) {
  run_plan_t *run = &plan->runs[plan->run_cnt - 1];
  uint64_t    recv_ns;
  char        conn[sizeof plan->conn];
  if (tf_recorded_line_peek_jsonl(line, line_bytes, &recv_ns, conn, sizeof conn)) {
    bool changed = strcmp(conn, plan->conn) != 0;
    memcpy(plan->conn, conn, sizeof conn);
    if (changed && recv_ns < run->last_ns && plan->run_cnt < TF_RECORDING_RUNS_MAX) {
      run->line_end = line_no - 1;
      run           = &plan->runs[plan->run_cnt++];
      *run          = (run_plan_t){.offset = offset, .line_first = line_no};
    }
    run->last_ns = recv_ns;
  } else {
    char path[TF_RECORDED_NAME_BYTES] = "";
    if (tf_recorded_line_peek_connect(line, line_bytes, conn, path))
      plan_connect(plan->conns, conn, path);
  }
  run->line_end = UINT64_MAX;
  if (line_bytes > run->line_bytes_max) run->line_bytes_max = line_bytes;
}

/* The first reading of a JSONL file. */
static void plan_runs(plan_t *plan, tf_inflow_t *inflow) {
  uint64_t           line_no = 0, offset = 0;
  char              *line;
  size_t             line_bytes;
  tf_inflow_result_t result;
  *plan         = (plan_t){.run_cnt = 1, .conns = plan->conns};
  plan->runs[0] = (run_plan_t){.line_first = 1, .line_end = UINT64_MAX};
  while ((result = tf_inflow_line(inflow, &line, &line_bytes)) <= TF_INFLOW_AGAIN) {
    if (result == TF_INFLOW_AGAIN) continue;
    line_no++;
    /* A line over the limit says nothing of its time: it stays with the run before it. */
    if (result == TF_INFLOW_LONG) line_bytes = TF_RECORD_BYTES_MAX;
    plan_line(plan, line, result == TF_INFLOW_LONG ? 0 : line_bytes, offset, line_no);
    run_plan_t *run = &plan->runs[plan->run_cnt - 1];
    if (line_bytes > run->line_bytes_max) run->line_bytes_max = line_bytes;
    offset = tf_inflow_consumed_bytes(inflow);
  }
  run_plan_t *run = &plan->runs[plan->run_cnt - 1];
  if (inflow->partial_bytes > run->line_bytes_max)
    run->line_bytes_max = inflow->partial_bytes > TF_RECORD_BYTES_MAX
                              ? TF_RECORD_BYTES_MAX
                              : (size_t)inflow->partial_bytes;
}

static tf_err_t open_runs(tf_recording_t *rec, const plan_t *plan) {
  free(rec->runs);
  rec->run_cnt = 0;
  rec->runs    = calloc(plan->run_cnt, sizeof *rec->runs);
  if (!rec->runs) return TF_ERR(E_CORE_NO_MEMORY, "%u runs", plan->run_cnt);
  for (; rec->run_cnt < plan->run_cnt; rec->run_cnt++) {
    const run_plan_t   *from  = &plan->runs[rec->run_cnt];
    tf_recording_run_t *run   = &rec->runs[rec->run_cnt];
    size_t              bytes = from->line_bytes_max ? from->line_bytes_max : 1;
    tf_err_t            err   = tf_inflow_init(&run->inflow, rec->path, bytes);
    if (err) return err;
    tf_inflow_skip_to(&run->inflow, from->offset);
    run->line_no  = from->line_first - 1;
    run->consumed = from->offset;
    run->line_end = from->line_end;
  }
  return 0;
}

static tf_err_t capture_init(tf_recording_t *rec) {
  rec->format  = TF_RECORDING_CAPTURE;
  rec->capture = malloc(sizeof *rec->capture);
  if (!rec->capture) return TF_ERR(E_CORE_NO_MEMORY, "%zu bytes", sizeof *rec->capture);
  tf_err_t err = tf_capture_reader_init(rec->capture, rec->path);
  if (err) tf_recording_fini(rec);
  return err;
}

tf_err_t tf_recording_init(tf_recording_t *rec, const char *path) {
  *rec = (tf_recording_t){.path = path};
  if (tf_capture_is(path)) return capture_init(rec);
  rec->runs = calloc(1, sizeof *rec->runs);
  if (!rec->runs) return TF_ERR(E_CORE_NO_MEMORY, "%zu bytes", sizeof *rec->runs);
  rec->run_cnt           = 1;
  rec->runs[0].line_end  = UINT64_MAX;
  rec->runs[0].inflow.fd = -1;
  tf_err_t err           = tf_inflow_init(&rec->runs[0].inflow, path, TF_RECORD_BYTES_MAX);
  if (!err) err = tell_format(rec, &rec->runs[0].inflow);
  if (!err && rec->format == TF_RECORDING_JSONL) {
    plan_t *plan = calloc(1, sizeof *plan);
    rec->conns   = calloc(1, sizeof *rec->conns);
    if (plan && rec->conns) {
      plan->conns = rec->conns;
      plan_runs(plan, &rec->runs[0].inflow);
      tf_inflow_fini(&rec->runs[0].inflow);
      err = open_runs(rec, plan);
    } else {
      err = TF_ERR(E_CORE_NO_MEMORY, "%zu bytes", sizeof *plan);
    }
    free(plan);
  }
  if (err) tf_recording_fini(rec);
  return err;
}

void tf_recording_fini(tf_recording_t *rec) {
  for (uint32_t i = 0; i < rec->run_cnt; i++) tf_inflow_fini(&rec->runs[i].inflow);
  free(rec->runs);
  free(rec->conns);
  rec->runs    = NULL;
  rec->conns   = NULL;
  rec->run_cnt = 0;
  if (rec->capture) tf_capture_reader_fini(rec->capture);
  free(rec->capture);
  rec->capture = NULL;
}

static tf_err_t capture_error(const tf_recording_t *rec) {
  const tf_capture_reader_t *c = rec->capture;
  if (c->end == TF_CAPTURE_READ_DAMAGE) return tf_capture_reader_error(c);
  return TF_ERR(
      E_FILE_DAMAGED,
      "%s: says itself that %llu records are missing, in %llu places: from the first on it "
      "is not what the live engine saw",
      rec->path, (unsigned long long)c->counts.records_missed, (unsigned long long)c->counts.gaps);
}

tf_err_t tf_recording_error(const tf_recording_t *rec) {
  if (rec->capture) return capture_error(rec);
  for (uint32_t i = 0; i < rec->run_cnt; i++) {
    if (rec->runs[i].inflow.state != TF_INFLOW_DAMAGED) continue;
    if (rec->runs[i].line_end != UINT64_MAX) continue; /* it never got as far as the damage */
    return tf_error_add(tf_inflow_error(&rec->runs[i].inflow), "reading line %llu",
                        (unsigned long long)rec->runs[i].line_no + 1);
  }
  return TF_ERR(E_FILE_DAMAGED, "%s: the file changed while it was read", rec->path);
}

const char *tf_recording_format_name(tf_recording_format_t format) {
  static const char *const names[] = {"none",  "lines",  "jsonl",  "raw",
                                      "cases", "events", "capture"};
  return (size_t)format < TF_ARRAY_CNT(names) ? names[format] : "unknown";
}
