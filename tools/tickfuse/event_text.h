/* An event as a line of text, for people and for other programs. Numbers are decimals as sent: the
 * venue's own digits, as text. Keys and columns are always the same and in the same order. Pure. */
#ifndef TICKFUSE_EVENT_TEXT_H
#define TICKFUSE_EVENT_TEXT_H

#include "tf/event.h"
#include "tf/instrument.h"

/* Longest line: five decimals, ten integers, a name, and the keys. */
#define TF_EVENT_TEXT_BYTES_MAX 2048

/* {"ingest_seq":..,"ts_recv_ns":..,"ts_event_ns":..,"instrument":"..","kind":"trade","flags":["last"],
 * ...what the kind has...}, with its newline. An instrument that rows does not have is "#" and its
 * id. Returns the length. */
size_t tf_event_text_json(const tf_event_t *event, const tf_instrument_t *rows, uint32_t row_cnt,
                          char text[TF_EVENT_TEXT_BYTES_MAX]);

/* The same as a row under tf_event_text_csv_header; columns that the kind does not have are empty. */
size_t tf_event_text_csv(const tf_event_t *event, const tf_instrument_t *rows, uint32_t row_cnt,
                         char text[TF_EVENT_TEXT_BYTES_MAX]);

extern const char *const tf_event_text_csv_header; /* with its newline */

const char *tf_event_text_kind(uint8_t kind); /* "trade"; "?" for a number that is none */
/* The kind's number, TF_EVENT_KIND_CNT for a word that is none. */
uint8_t tf_event_text_kind_find(const char *word);

#endif
