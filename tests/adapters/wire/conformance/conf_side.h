/* The scripted side of a conformance case: an encoder and a decoder of frames of its own, zlib and
 * OpenSSL used directly, so that nothing of what is tested takes part. It keeps what came back as
 * events, and notices where the endpoint broke a rule itself. */
#ifndef TESTS_CONF_SIDE_H
#define TESTS_CONF_SIDE_H

#include <openssl/ssl.h>
#include <zlib.h>

#include "conf_case.h"

typedef struct conf_event {
  char     letter; /* T B P O X */
  uint16_t code;   /* X: 1005 without one */
  size_t   cnt;
  uint64_t hash;
} conf_event_t;

/* Growing bytes. */
typedef struct conf_bytes {
  uint8_t *bytes;
  size_t   cnt, cap;
} conf_bytes_t;

void conf_put(conf_bytes_t *b, const void *bytes, size_t cnt);
void conf_drop(conf_bytes_t *b, size_t cnt); /* from the front */

/* Bytes to and from the endpoint. */
typedef struct conf_link {
  void *self;
  /* false: the endpoint takes no more. */
  bool (*send)(void *self, const uint8_t *bytes, size_t cnt);
  /* Appends what came, waiting at most wait_ms for the first of it. false: the transport ended. */
  bool (*receive)(void *self, conf_bytes_t *to, int wait_ms);
} conf_link_t;

typedef struct conf_side {
  bool        server; /* what the scripted side is */
  conf_link_t link;
  SSL        *ssl; /* NULL: plain */
  bool        ended;
  const char *fault;            /* what the endpoint did that no endpoint may */
  char        handshake[20000]; /* the answer or request that came, NUL-terminated */

  bool     deflate, tx_forgets, rx_forgets;
  z_stream tx, rx;

  conf_bytes_t  raw, plain, message, scratch;
  char          message_letter;
  bool          message_compressed;
  conf_event_t *events;
  size_t        event_cnt, event_cap;
} conf_side_t;

/* tls: NULL, or a context of that role. */
void conf_side_init(conf_side_t *s, bool server, const conf_link_t *link, SSL_CTX *tls);
void conf_side_fini(conf_side_t *s);

/* TLS and the upgrade, with the case's deflate or its own handshake. false: refused; handshake has
 * what came. */
bool conf_side_open(conf_side_t *s, const conf_case_t *c, int wait_ms);

void conf_side_send(conf_side_t *s, const void *bytes, size_t cnt);
/* Takes what came; true while the transport lasts. */
bool conf_side_receive(conf_side_t *s, int wait_ms);

/* Encodes a script's frame; tokens are cut out by the caller. Appends to out. */
void conf_side_frame(const conf_side_t *s, const char *token, size_t cnt, conf_bytes_t *out);
/* Encodes one message of a bulk row, in its fragments. */
void conf_side_message(conf_side_t *s, const conf_bulk_t *bulk, const uint8_t *bytes,
                       conf_bytes_t *out);

/* The events that a script stands for. */
size_t   conf_script_events(const char *script, conf_event_t *events, size_t cap);
uint64_t conf_hash(const uint8_t *bytes, size_t cnt);

#endif
