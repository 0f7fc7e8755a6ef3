/* Clients of a listener over byte streams, plain or TLS: accepts, reads, writes, with epoll and without
 * ever blocking. The unix and tcp sinks are this with a listener each. Egress thread, but open. */
#ifndef TF_SINK_STREAMS_H
#define TF_SINK_STREAMS_H

#include "core/listener.h"
#include "sink/clients.h"

size_t tf_streams_bytes(const tf_sink_config_t *config);
/* Takes over an open listener, also where it fails. checks_user: only processes of our own user or root
 * are let in (Unix sockets). E_SINK_CONFIG, E_FILE_OPEN, E_FEED_KEY, E_WIRE_TLS. */
tf_err_t tf_streams_open(void *state, const tf_sink_config_t *config, const tf_listener_t *listener,
                         bool checks_user);

/* The outlet's own (egress.h). */
void     tf_streams_poll(void *state, uint64_t now_ns, uint64_t wait_ns, tf_outlet_view_t *view);
uint32_t tf_streams_send(void *state, const tf_out_t *outs, uint32_t n);
void     tf_streams_flush(void *state, uint64_t now_ns);
const tf_outlet_counts_t *tf_streams_counts(const void *state);
void                      tf_streams_close(void *state);

/* For tests: where it listens. */
const tf_listener_t *tf_streams_listener(const void *state);
tf_clients_t        *tf_streams_clients(void *state);

#endif
