/* The ledger: every message, byte, event, inference and decision is in exactly one account. Evaluated
 * at rest, after tf_engine_join, it must balance to 0 exactly. */
#ifndef TF_BOOT_LEDGER_H
#define TF_BOOT_LEDGER_H

#include "boot/engine.h"

typedef enum tf_ledger_row {
  TF_LEDGER_BYTES,     /* rx = framed + partial + rejected */
  TF_LEDGER_MESSAGES,  /* messages = data + control + ignored + rejected */
  TF_LEDGER_EVENTS,    /* decoded = published */
  TF_LEDGER_CONSUMED,  /* published = consumed by the lane + lag + dropped at stop */
  TF_LEDGER_INFERENCE, /* requested = done + skipped */
  TF_LEDGER_DECISIONS, /* decided = handed to emit + lag + dropped at stop */
  TF_LEDGER_SINKS, /* for each sink: handed to emit = taken + dropped, and taken + recovered = acked +
                          dropped + conflated + pending */
  TF_LEDGER_PASSAGES, /* events, quotes and rows for sinks: made = handed to emit + lag + lost at a full ring */
  TF_LEDGER_RUNTIMES, /* asked = superseded + waiting + expired + answered + missed + under way */
  TF_LEDGER_WORKERS, /* asked = what came of it, summed; outcomes kept = captured, those of shedding too */
  TF_LEDGER_TEXTS, /* heard = answered + missed + waiting */
  TF_LEDGER_ROW_CNT
} tf_ledger_row_t;

extern const char *const tf_ledger_names[TF_LEDGER_ROW_CNT];

typedef struct tf_ledger {
  int64_t residual[TF_LEDGER_ROW_CNT]; /* left side minus right side */
  int64_t total;                       /* sum of absolute values */
} tf_ledger_t;

void tf_ledger_close(tf_ledger_t *ledger, const tf_engine_t *engine);

#endif
