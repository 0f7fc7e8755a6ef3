/* libwebsockets' own websocket client, as a peer to measure against: connects to a loopback server,
 * counts text messages. One thread. */
#ifndef BENCH_PEER_LWS_H
#define BENCH_PEER_LWS_H

#include "tf/base.h"

typedef struct peer_lws peer_lws_t;

/* Connects and upgrades; NULL when that fails within 5 s. ca_file: TLS, trusting that; NULL: plain. */
peer_lws_t *peer_lws_open(uint16_t port, const char *ca_file);
/* Serves until message_cnt messages in all have come; false after 20 s without that. */
bool peer_lws_receive(peer_lws_t *peer, uint64_t message_cnt);
/* Bytes of payload so far: shows that all of them were seen. */
uint64_t peer_lws_payload_bytes(const peer_lws_t *peer);
void     peer_lws_close(peer_lws_t *peer);

#endif
