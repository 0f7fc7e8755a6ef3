/* One line of a recording, decoded in place: bytes in, a record out, no state. The five text
 * formats of file/recording.h.
 *
 * All parsers may write inside the line and one byte behind it (where its newline was): JSON escapes
 * and base64 only ever get shorter, and a target gets its NUL. */
#ifndef ADAPTERS_FILE_RECORDED_LINE_H
#define ADAPTERS_FILE_RECORDED_LINE_H

#include "file/recording.h"

typedef enum tf_recorded_kind {
  TF_RECORDED_MESSAGE,
  TF_RECORDED_FAULT, /* record->fault says why; bytes are the line */
  TF_RECORDED_HEADER,
  TF_RECORDED_CONNECT,
  TF_RECORDED_SEND,
  TF_RECORDED_BLANK
} tf_recorded_kind_t;

/* Each sets all of *record but line_no; of a fault not recv_ns. */
tf_recorded_kind_t tf_recorded_line_parse(char *line, size_t line_bytes, tf_record_t *record);
tf_recorded_kind_t tf_recorded_line_parse_jsonl(char *line, size_t line_bytes, tf_record_t *record);
tf_recorded_kind_t tf_recorded_line_parse_raw(char *line, size_t line_bytes, tf_record_t *record);
/* Takes the line's number, which must be set, for its time. */
tf_recorded_kind_t tf_recorded_line_parse_case(char *line, size_t line_bytes, tf_record_t *record);

/* recv_ns must be set: to what it is where the line says nothing. */
tf_recorded_kind_t tf_recorded_line_parse_event(char *line, size_t line_bytes, tf_record_t *record);

/* The record of a line that cannot be used. Returns TF_RECORDED_FAULT. */
tf_recorded_kind_t tf_recorded_line_fault(char *line, size_t line_bytes, tf_record_t *record,
                                          tf_record_fault_t why);

/* Receive time and connection of a JSONL line, without changing it. conn is cut to its cap and
 * zero-filled. False where the line has no time (headers, broken lines). */
bool tf_recorded_line_peek_jsonl(const char *line, size_t line_bytes, uint64_t *recv_ns, char *conn,
                                 size_t conn_cap);

/* A JSONL line that says where a connection goes: its name, and the path of its address
 * without its query. Both are cut to
 * TF_RECORDED_NAME_BYTES with their NUL. False for any other line. */
#define TF_RECORDED_NAME_BYTES 64
bool tf_recorded_line_peek_connect(const char *line, size_t line_bytes, char *conn, char *path);

/* The first bytes of what was found, fit for an error text. */
void tf_recorded_line_show(const char *bytes, size_t bytes_cnt, char *text, size_t text_cap);

#endif
