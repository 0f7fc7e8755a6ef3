/* A recording: the messages that someone received from a venue, with the time at which they were
 * received. This reads our own captures (file/capture_format.h; a file, or a directory of them), told by
 * their magic, and the text formats, told apart by their first lines, compressed or not
 * (file/inflow.h):
 *
 *   LINES   `<recv_ns> <json>`: hftbacktest's recorder. A bare object that begins with
 *           {"lastUpdateId" is the REST snapshot of the recording's instrument.
 *   JSONL   one object a line with t = header, http, connect, send or recv; ts in seconds; the
 *           message in data (text) or b64 (a binary frame): cryptofeed's sample data.
 *   RAW     `ts: text` received, `URL -> ts: text` REST answer, `URL <- ts: text` sent,
 *           `URL <-> ts` connected: cryptofeed's raw capture.
 *   CASES   `{"case":"trade::spot","raw":<json>}`: single messages, as crypto-msg-parser's tests
 *           keep them. They have no time: line n counts as received at n ns.
 *   EVENTS  one event a line in our own words (feed/event_line.h), as `tape cat --json` and sinks of events
 *           print them; the time is ts_recv_ns, of a line without one a nanosecond after the line before.
 *
 * A capture may hold several feeds and, beside messages, new connections and an operator's commands: tap
 * and source_idx of the record say which. Text recordings hold messages of one feed.
 *
 * Order. Records come in the file's order, with one exception. JSONL files hold one block of lines
 * per connection, REST answers first, so the file as a whole is far from the order of time (by
 * 30 s and more), and a snapshot would reach its book long before the deltas that bridge to it.
 * Such a file is read once at init to find where the connection changes to an earlier time; the
 * runs between these places are then read side by side, each by a reader of its own, and merged
 * by time; on equal times the earlier line goes first. So the order is exact for files of any size,
 * and the memory bounded. Where a file has more than TF_RECORDING_RUNS_MAX runs, the last one holds
 * all the rest in the file's order. Times that go backwards inside a run (a clock that was set)
 * stay as they are and are counted.
 *
 * What cannot be used is handed on as a record with a fault, so that the caller counts it; nothing
 * in a file aborts the reading but damage of the file itself.
 *
 * Memory is taken by init (control plane); next allocates nothing. One thread at a time. */
#ifndef ADAPTERS_FILE_RECORDING_H
#define ADAPTERS_FILE_RECORDING_H

#include "file/capture_reader.h"
#include "file/inflow.h"
#include "tf/feed.h"

#define TF_RECORDING_RUNS_MAX 32

typedef enum tf_recording_format {
  TF_RECORDING_NONE, /* a valid file without any line */
  TF_RECORDING_LINES,
  TF_RECORDING_JSONL,
  TF_RECORDING_RAW,
  TF_RECORDING_CASES,
  TF_RECORDING_EVENTS,
  TF_RECORDING_CAPTURE
} tf_recording_format_t;

typedef enum tf_record_fault {
  TF_RECORD_OK = 0,
  TF_RECORD_NO_TIME,    /* no receive time, or not one that fits */
  TF_RECORD_NO_MESSAGE, /* a time, and nothing behind it */
  TF_RECORD_BAD_LINE,   /* JSONL: not an object of that format, a bad escape, bad base64 */
  TF_RECORD_TOO_LONG    /* over TF_RECORD_BYTES_MAX */
} tf_record_fault_t;

/* bytes, and target and conn where they are not NULL, are valid until the next call on the recording;
 * TF_BYTES_PAD readable bytes follow. With a fault, bytes are the line (of a
 * TOO_LONG one its first TF_INFLOW_SAMPLE_BYTES; of a JSONL one perhaps unescaped in part), and
 * recv_ns is that of the run's record before, 0 if there was none. */
typedef struct tf_record {
  const char *bytes;
  uint32_t    bytes_cnt;
  uint8_t     kind;       /* tf_frame_kind_t */
  uint8_t     fault;      /* tf_record_fault_t */
  uint8_t     tap;        /* tf_tap_kind_t */
  uint8_t     leg;        /* of a capture: the connection; else 0 */
  uint32_t    source_idx; /* of the feed in a capture's header; else 0 */
  uint64_t    recv_ns;
  /* HTTP: path and query of the request. Else the path of the connection's address. NULL: not recorded */
  const char *target;
  const char *conn;    /* JSONL: the connection's name; NULL: not recorded */
  uint64_t    line_no; /* from 1; in a capture the number of the record */
} tf_record_t;

typedef enum tf_recording_result {
  TF_RECORDING_RECORD,
  TF_RECORDING_AGAIN,  /* passing over something very long: call again */
  TF_RECORDING_END,    /* read to its end */
  TF_RECORDING_DAMAGE, /* all that could be read has been; tf_recording_error says what is wrong */
} tf_recording_result_t;

typedef struct tf_recording_counts {
  uint64_t records; /* faulty ones included */
  uint64_t http;
  uint64_t faults;
  uint64_t backward;                                      /* recv_ns below the record's before */
  uint64_t skipped_header, skipped_connect, skipped_send; /* JSONL and RAW: the recorder's own */
  uint64_t skipped_blank;                                 /* RAW only: its recorder writes them */
  uint64_t connects, controls;                            /* captures only; not in records */
  uint64_t gaps; /* captures only: places where it says that
                                                             records are missing */
  /* Decompressed bytes, newlines included: read = framed + partial + rejected, at the end. */
  uint64_t bytes_read, bytes_framed, bytes_partial, bytes_rejected;
} tf_recording_counts_t;

typedef struct tf_recording_run   tf_recording_run_t;
typedef struct tf_recording_conns tf_recording_conns_t;

typedef struct tf_recording {
  tf_recording_run_t   *runs;
  uint32_t              run_cnt;
  tf_recording_conns_t *conns;   /* where connections go; NULL: no JSONL */
  tf_capture_reader_t  *capture; /* NULL: text */
  uint8_t               format;  /* tf_recording_format_t */
  uint64_t              last_ns;
  uint64_t              line_no; /* of the record handed out last */
  tf_recording_counts_t counts;
  const char           *path;
} tf_recording_t;

/* Opens path (kept, not copied). Errors of tf_inflow_init or tf_capture_reader_init, and E_FILE_FORMAT when none of the first
 * lines is of a known format. Damage is not an error here: next delivers what comes before it. */
tf_err_t tf_recording_init(tf_recording_t *rec, const char *path);
void     tf_recording_fini(tf_recording_t *rec); /* accepts a zeroed or half-initialised one */

/* Before the first next: passes over what lies before from_ns where that costs nothing (captures). */
void tf_recording_seek(tf_recording_t *rec, uint64_t from_ns);

/* The next record in the order described above. A capture with a gap is read on behind it, and ends as
 * DAMAGE: what follows a gap is not what a live engine saw. */
tf_recording_result_t tf_recording_next(tf_recording_t *rec, tf_record_t *record);

/* Uses waiting time: decompresses up to step_bytes ahead. record is the one handed out last: its
 * pointers are put right, should its bytes have moved. Does nothing for merged runs. */
void tf_recording_top_up(tf_recording_t *rec, tf_record_t *record, size_t step_bytes);

/* The error of the damage: E_FILE_DAMAGED with file, offsets and line. Only after DAMAGE. */
tf_err_t tf_recording_error(const tf_recording_t *rec);

const char *tf_recording_format_name(tf_recording_format_t format);

#endif
