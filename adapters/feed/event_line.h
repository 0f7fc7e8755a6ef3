/* An event as one line of JSON: the keys and words that we print (adapters/sink/event_doc.h: `tape cat --json`, sinks of
 * events), read back. A pure function of the line: whoever receives lines from outside may ask it before they are queued,
 * and the feed `events` (events.c) decides by the same.
 *
 *   {"instrument":"BTCUSDT.DESK","kind":"trade","side":"buy","price":"61837.63","qty":"0.5"}
 *
 * Always: instrument (SYMBOL.VENUE), kind. May be there: ts_event_ns, ts_recv_ns, flags. By kind, * must be there:
 *
 *   trade   side* (buy, sell), price*, qty*, id
 *   quote   bid_price*, bid_qty*, ask_price*, ask_qty*
 *   book    side* (bid, ask), price*, qty*, venue_seq, level_idx, level_cnt: one level
 *   ticker  last_price*, volume, mark_price, funding_rate
 *   status  book_state*, apply_from, gap_first, gap_last; or trading*, tick_size, lot_size
 *   text    text*, id, source: handed to those that read texts (tf/text.h); or what models said of one: id, source, and
 *           score*, confidence*, novelty, label, model_hash*, or miss*
 *
 * Prices and quantities are decimals, as strings or as numbers, kept as sent; ids and sequences numbers without sign, or
 * strings of digits. Other keys are passed over, of a key that comes twice the first counts, null is as good as absent
 * where a key may be. Without flags the line is a message by itself: LAST. Commands (kind control) are not taken: those
 * have a socket of their own.
 *
 * No allocation. One thread a reader. */
#ifndef TF_FEED_EVENT_LINE_H
#define TF_FEED_EVENT_LINE_H

#include "tf/feed.h"
#include "tf/text.h"
#include "wire/json.h"

#define TF_EVENT_LINE_BYTES_MAX  131072u /* twice the longest text, and all else */
#define TF_EVENT_LINE_VENUE_MAX  23u /* characters behind the last dot of an instrument's name */
#define TF_EVENT_LINE_WORD_BYTES 24u

/* Forgets nothing that changes a result: what it predicts of lines to come. */
typedef struct tf_event_line_reader {
  tf_json_orders_t orders;
  char             text[TF_JSON_STRING_BYTES_MAX];
} tf_event_line_reader_t;

typedef struct tf_event_line {
  uint8_t
           verdict; /* tf_verdict_t: DATA; IGNORED: a known kind that is not taken, word says which; REJECTED */
  uint8_t  reject; /* of REJECTED: tf_reject_t */
  bool     is_text;
  uint64_t own_id; /* of instrument, kind, source and the line's `id`; 0: it says none */
  char     word[TF_EVENT_LINE_WORD_BYTES]; /* of REJECTED: the key that is wrong, "" for the line */
  /* Of DATA: */
  uint32_t   name_bytes;
  char       name[TF_INSTRUMENT_NAME_BYTES]; /* "BTCUSDT.DESK", NUL-terminated */
  tf_event_t event; /* no text: instrument_id and ingest_seq 0; ts_recv_ns 0: not said */
  tf_text_t  text;  /* likewise; its bytes are the reader's until the next line */
} tf_event_line_t;

void tf_event_line_reader_init(tf_event_line_reader_t *reader);

/* bytes: TF_BYTES_PAD readable bytes follow. */
void tf_event_line_read(tf_event_line_reader_t *reader, const char *bytes, size_t bytes_cnt,
                        tf_event_line_t *line);

/* A record that a broker keeps (tf_event_t as it is), of that instrument: the same verdicts. */
void tf_event_line_take(const tf_event_t *record, const char *name, size_t name_bytes,
                        tf_event_line_t *line);

/* The next line of a body from *at on: without its end and blanks around it; blank ones are passed over. False: there is none. */
bool tf_event_line_next(const char *bytes, size_t bytes_cnt, size_t *at, const char **line,
                        size_t *line_bytes);

/* Is it "SYMBOL.VENUE"? SYMBOL: what a symbol may be (symbols.h); VENUE: upper case letters, digits, '-', '_'. */
bool tf_event_line_is_name(const char *name, size_t name_bytes);

/* The words of a kind, a book's state, a trading state, a flag, in the order of their numbers; NULL behind the last. For tests. */
const char *tf_event_line_kind(uint32_t idx);
const char *tf_event_line_book(uint32_t idx);
const char *tf_event_line_trading(uint32_t idx);

#endif
