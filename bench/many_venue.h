/* The exchange of bench_many: Binance's trade messages over loopback, each sent when it is due on a fixed schedule (open
 * loop) and carrying that time, whatever became of those before.
 *
 * One of these a process; one thread. What fails ends the program. */
#ifndef BENCH_MANY_VENUE_H
#define BENCH_MANY_VENUE_H

#include "off_core.h"
#include "tf/base.h"

#define TF_MANY_INSTRUMENTS_MAX 1000

typedef struct tf_many_schedule {
  uint64_t  begin_ns; /* message 0 is due; message i at begin + i / rate */
  uint64_t  message_cnt;
  uint32_t  rate_hz;
  bool      flood;   /* every second message is of instrument 0; else none is */
  uint64_t *sent_ns; /* (message_cnt), written by send: when it was handed to the kernel */
} tf_many_schedule_t;

uint64_t tf_many_due_ns(const tf_many_schedule_t *schedule, uint64_t message);

/* The message that is due at this time, cut to microseconds. */
uint64_t tf_many_message_at(const tf_many_schedule_t *schedule, uint64_t due_ns);

/* The flooding one, or the others in turn. */
uint32_t tf_many_instrument_of(const tf_many_schedule_t *schedule, uint64_t message);

/* Listens; returns the port. */
uint16_t tf_many_venue_start(uint32_t instrument_cnt);

/* Serves until every instrument is subscribed and the client has had a second to settle; is_alive is asked
 * meanwhile. */
void tf_many_venue_await(bool (*is_alive)(void));

/* Serves until there are so many connections; the instruments are dealt out among them. */
void tf_many_venue_await_peer(uint32_t conn_cnt);

/* Sends it all, and watches who is off his core meanwhile. */
void tf_many_venue_send(tf_many_schedule_t *schedule, tf_off_core_t *watch);

/* What clients say, without waiting; a client may leave from here on if is_over. */
void tf_many_venue_hear(bool is_over);

void tf_many_venue_stop(void);

#endif
