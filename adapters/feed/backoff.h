/* When the next connection may be tried. Full jitter (a uniform draw between nothing and a bound
 * that doubles with each failure) spreads a fleet that lost the same venue at the same moment; the
 * bound falls back only after a session that lived long enough, because a venue that accepts and then
 * closes at once is as broken as one that refuses. Over it all stand a least gap and a sliding
 * window of attempts: venues ban addresses that connect too often (Binance: 300 in 5 minutes).
 *
 * Pure arithmetic: time and randomness are arguments. One thread. */
#ifndef FEED_BACKOFF_H
#define FEED_BACKOFF_H

#include "tf/base.h"

#define TF_BACKOFF_ATTEMPTS_MAX 60

typedef struct tf_backoff_config {
  uint64_t base_ns;   /* bound of the first delay */
  uint64_t bound_ns;  /* bound of all delays */
  uint64_t gap_ns;    /* least time between the starts of two attempts */
  uint64_t lived_ns;  /* a session that was up for so long starts the series over */
  uint64_t window_ns; /* at most TF_BACKOFF_ATTEMPTS_MAX attempts in any window of this length */
} tf_backoff_config_t;

/* 1 s, 30 s, 1 s, 60 s; 60 attempts in 5 minutes. */
tf_backoff_config_t tf_backoff_config_default(void);

typedef struct tf_backoff {
  tf_backoff_config_t config;
  uint32_t            failure_cnt;
  uint64_t            attempt_cnt;
  uint64_t            attempts_ns[TF_BACKOFF_ATTEMPTS_MAX]; /* starts, a ring */
} tf_backoff_t;

/* bound x random / 2^32: uniform below the bound, without overflow for any bound. */
TF_INLINE uint64_t tf_backoff_draw(uint64_t bound_ns, uint32_t random) {
  return (bound_ns >> 32) * random + ((bound_ns & UINT32_MAX) * random >> 32);
}

void tf_backoff_init(tf_backoff_t *b, const tf_backoff_config_t *config);

/* An attempt starts now. */
void tf_backoff_attempt(tf_backoff_t *b, uint64_t now_ns);

/* A session that was up for up_ns (0: the attempt failed) has ended. Returns when the next attempt
 * may start: at least hold_ns from now (a venue's Retry-After). random: 32 random bits. */
uint64_t tf_backoff_ended(tf_backoff_t *b, uint64_t now_ns, uint64_t up_ns, uint64_t hold_ns,
                          uint32_t random);

/* The same without a delay of its own, for an end that the venue announced as harmless: only the
 * gap, the window and up to a second of jitter stand against it. */
uint64_t tf_backoff_at_once(tf_backoff_t *b, uint64_t now_ns, uint64_t up_ns, uint32_t random);

#endif
