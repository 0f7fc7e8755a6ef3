/* An event's fields (sink/doc.h), with the words of `tickfuse tape --json`:
 *
 *   {"ingest_seq":9,"ts_recv_ns":...,"ts_event_ns":...,"instrument":"BTCUSDT.BINANCE-SPOT",
 *    "kind":"trade","flags":["last"],"side":"buy","price":"61837.63","qty":"0.5","id":77}
 *
 * What follows flags is the kind's own (docs/formats.md). Prices and quantities are decimals as the
 * venue sent them. Pure; any thread. */
#ifndef TF_SINK_EVENT_DOC_H
#define TF_SINK_EVENT_DOC_H

#include "sink/doc.h"
#include "tf/labels.h"

/* Longest line: five decimals of 43, ten integers, a name, and the keys. */
#define TF_EVENT_DOC_BYTES_MAX 2048

/* One map. is_late: it has "late":true. instruments, and labels of texts, may be NULL. */
void tf_event_doc_fields(tf_doc_t *doc, const tf_event_t *event,
                         const tf_instruments_t *instruments, const tf_labels_t *labels,
                         bool is_late);

/* "trade", "ok", "halt"; "?" for a number that is none */
const char *tf_event_doc_kind(uint8_t kind);
const char *tf_event_doc_book(uint32_t book_state);
const char *tf_event_doc_command(uint64_t command);
/* Of the event's flags the idx-th that has a word of its own, NULL behind the last. */
const char *tf_event_doc_flag(const tf_event_t *event, uint32_t idx);

#endif
