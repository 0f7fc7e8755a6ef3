/* HTTP/1.1 as tickfuse needs it (RFC 9112, RFC 9110, RFC 6455 section 4): heads of requests and
 * responses, the websocket upgrade on both sides, and the bodies of REST answers. Pure state
 * machines: bytes in any segmentation in, meaning out; each feed says how many bytes it took, and
 * what is behind (frames glued to a 101 answer) is the next parser's.
 *
 * Strict on purpose: bare LF, obs-fold, NUL, space before a colon, more than one Content-Length,
 * and Content-Length together with Transfer-Encoding are refused, since two readers of one
 * connection must never disagree where a message ends. Content codings are not offered, so none is
 * accepted in an answer; of a request its reader looks at it.
 *
 * Control plane (dialer, simulator): errors set the thread's error record. One thread an object. */
#ifndef WIRE_HTTP_H
#define WIRE_HTTP_H

#include "tf/err.h"
#include "tf/io.h" /* TF_BYTES_PAD */
#include "wire/ws_deflate.h"

#define TF_HTTP_HEAD_BYTES_MAX         16384 /* start line and headers, with the blank line */
#define TF_HTTP_HEADERS_MAX            64
#define TF_HTTP_BODY_BYTES_MAX_DEFAULT ((size_t)64 << 20)
#define TF_HTTP_CHUNK_LINE_BYTES_MAX   256 /* a chunk's size with its extensions */
#define TF_HTTP_INTERIM_MAX            4   /* 1xx answers skipped before the final one */
#define TF_HTTP_SAMPLE_BYTES           128 /* of a refusal's body, shown in the error */

/* What a feed says. Errors are tf_err_t, negative. */
#define TF_HTTP_MORE 0 /* took all the bytes, wants more */
#define TF_HTTP_DONE 1 /* complete; *used says how many of the bytes belonged to it */

typedef enum tf_http_kind { TF_HTTP_REQUEST, TF_HTTP_RESPONSE } tf_http_kind_t;

typedef struct tf_http_header {
  uint16_t name_at, name_cnt;   /* into tf_http_head_t's bytes; names are lower-cased there */
  uint16_t value_at, value_cnt; /* without surrounding blanks */
} tf_http_header_t;

/* --- heads --- */

/* A head, being read or read. About 17 KiB: place it in caller memory, not on a small stack.
 * Private fields end with an underscore. */
typedef struct tf_http_head {
  tf_http_kind_t   kind;
  uint16_t         status;        /* response */
  uint8_t          minor_version; /* 0 or 1 of HTTP/1.x */
  uint16_t         header_cnt;
  uint32_t         bytes_cnt; /* of bytes */
  const char      *method;    /* request: NUL-terminated, inside bytes */
  const char      *target;    /* request: NUL-terminated */
  const char      *reason;    /* response: NUL-terminated, may be "" */
  uint8_t          at_;       /* state of the scanner */
  uint16_t         mark_;     /* start of the piece being read */
  tf_http_header_t headers[TF_HTTP_HEADERS_MAX];
  char             bytes[TF_HTTP_HEAD_BYTES_MAX];
} tf_http_head_t;

void tf_http_head_init(tf_http_head_t *head, tf_http_kind_t kind);

/* Takes bytes up to the end of the head. TF_HTTP_MORE, TF_HTTP_DONE, or E_WIRE_HTTP at the first
 * byte that cannot stand there or is over a limit. *used: bytes taken (all of them on MORE). */
int tf_http_head_feed(tf_http_head_t *head, const uint8_t *bytes, size_t bytes_cnt, size_t *used);

/* The value of the header of that (lower-case) name: its length, with *value set (not
 * NUL-terminated); -1 when there is none, -2 when there are several. */
int tf_http_head_get(const tf_http_head_t *head, const char *name, const char **value);

/* The next header of that name from *idx on (0 to begin): its length, with *value and *idx set; -1:
 * no more. */
int tf_http_head_next(const tf_http_head_t *head, const char *name, unsigned *idx,
                      const char **value);

/* RFC 9110 5.6.2 */
bool tf_http_is_token_char(uint8_t c);

/* A comma-separated list in all headers of that name holds the token, in any case. */
bool tf_http_head_has_token(const tf_http_head_t *head, const char *name, const char *token);

/* Seconds to wait by Retry-After: either its number, or its date less the answer's own Date (so
 * that no clock is asked). UINT32_MAX: there is none or it is not readable. At most a day is
 * returned. */
uint32_t tf_http_head_retry_after_s(const tf_http_head_t *head);

/* The connection may carry another message after this one and its body. */
bool tf_http_head_keep_alive(const tf_http_head_t *head);

/* --- bodies --- */

/* Reads a body into the caller's memory: by Content-Length, chunked, or until the peer closes
 * (responses only). */
typedef struct tf_http_body {
  uint8_t *bytes;     /* the caller's */
  size_t   bytes_cnt; /* of the body, so far */
  size_t   bytes_max;
  uint64_t left_; /* of the body or of the chunk */
  uint8_t  at_;
  uint16_t line_cnt_;
  uint32_t trailer_cnt_;
  bool     is_too_long; /* why it was refused: bytes_max */
} tf_http_body_t;

/* After a head. method: of the request that is answered ("HEAD" has no body); NULL for a request's
 * own body. bytes: bytes_max + TF_BYTES_PAD of caller memory. TF_HTTP_DONE: there is no body;
 * TF_HTTP_MORE: feed it; E_WIRE_HTTP: its length is contradictory, over bytes_max, or its coding
 * unknown. */
int tf_http_body_init(tf_http_body_t *body, const tf_http_head_t *head, const char *method,
                      uint8_t *bytes, size_t bytes_max);
int tf_http_body_feed(tf_http_body_t *body, const uint8_t *bytes, size_t bytes_cnt, size_t *used);
/* The transport ended: TF_HTTP_DONE if that ends this body, else E_WIRE_HTTP (cut short). */
int tf_http_body_eof(tf_http_body_t *body);

/* --- writing ---
 * Each writes to buf and returns the length, or E_WIRE_HTTP (does not fit in cap; a part holds CR,
 * LF, NUL or, in a target or host, a blank, which would smuggle in headers). Nothing is
 * NUL-terminated. */

typedef struct tf_http_request {
  const char *method;  /* "GET" */
  const char *host;    /* as in the URL: name, or address (IPv6 in brackets) */
  const char *port;    /* NULL, or a port other than the scheme's own */
  const char *target;  /* "/api/v3/depth?symbol=BTCUSDT" */
  const char *headers; /* NULL or lines "Name: value\r\n", each checked */
  const char *body;    /* NULL: none */
  size_t      body_cnt;
} tf_http_request_t;

int tf_http_request_write(char *buf, size_t cap, const tf_http_request_t *request);

/* An answer with Content-Length and Connection: close unless keep_alive. */
int tf_http_answer_write(char *buf, size_t cap, int status, const char *content_type,
                         const char *headers, bool keep_alive, const void *body, size_t body_cnt);

const char *tf_http_reason(int status); /* "Not Found"; "" if unknown */

/* --- websocket upgrade, client side --- */

#define TF_HTTP_WS_KEY_CHARS    24
#define TF_HTTP_WS_ACCEPT_CHARS 28

typedef struct tf_http_ws_client {
  char                   key[TF_HTTP_WS_KEY_CHARS + 1];
  char                   accept[TF_HTTP_WS_ACCEPT_CHARS + 1]; /* that the server must answer */
  char                   protocol[64];                        /* offered; "" none */
  char                   host[256];                           /* for the error text */
  uint32_t               retry_after_s;                       /* of a refusal; UINT32_MAX none */
  uint8_t                interim_cnt;
  bool                   deflate_offered, deflate_agreed;
  tf_ws_deflate_params_t deflate; /* what was offered, then what was agreed on */
  bool                   refused; /* the answer is not 101: its body's beginning is being read */
  uint8_t                sample_cnt;
  uint8_t                sample[TF_HTTP_SAMPLE_BYTES];
  uint64_t               body_left;
  tf_http_head_t         head; /* the answer; status 0 until it is read */
} tf_http_ws_client_t;

/* nonce: 16 random bytes (RFC 6455 4.1). protocol: one subprotocol to offer, or NULL. */
tf_err_t tf_http_ws_client_init(tf_http_ws_client_t *up, const char *host, const uint8_t nonce[16],
                                const char *protocol);
/* Before write: offer permessage-deflate on these terms (wire/ws_extension.h). Whether the server took
 * it stands in deflate_agreed, and how in deflate, once feed is DONE. */
void tf_http_ws_client_offer(tf_http_ws_client_t *up, const tf_ws_deflate_params_t *offer);
/* The request of the handshake; port and headers as in tf_http_request_t. */
int tf_http_ws_client_write(const tf_http_ws_client_t *up, char *buf, size_t cap, const char *port,
                            const char *target, const char *headers);
/* DONE: upgraded; bytes from *used on are frames. E_WIRE_HTTP: a malformed or wrong answer, or a
 * refusal, whose text has the status and the first bytes of the body, and retry_after_s is set. */
int tf_http_ws_client_feed(tf_http_ws_client_t *up, const uint8_t *bytes, size_t bytes_cnt,
                           size_t *used);
/* The transport ended before DONE: E_WIRE_HTTP with what is known. */
tf_err_t tf_http_ws_client_eof(tf_http_ws_client_t *up);

/* --- websocket upgrade, server side --- */

/* Sec-WebSocket-Accept of a key (RFC 6455 4.2.2). */
void tf_http_ws_accept(const char *key, size_t key_cnt, char accept[TF_HTTP_WS_ACCEPT_CHARS + 1]);

/* The request asks for an upgrade at all (Upgrade: websocket); otherwise it is plain HTTP. */
bool tf_http_ws_is_upgrade(const tf_http_head_t *head);

/* Checks an upgrade request. 0, or the status to answer: 400 malformed, 405 not GET, 426 another
 * version (the answer then carries Sec-WebSocket-Version: 13); *why says what was found. */
int tf_http_ws_request_check(const tf_http_head_t *head, const char **why);

/* The 101 answer of a checked request. protocol: chosen from the offered ones, or NULL. extensions:
 * the answer of tf_ws_extension_choose, or NULL. */
int tf_http_ws_accept_write(char *buf, size_t cap, const tf_http_head_t *head, const char *protocol,
                            const char *extensions);
/* A refusal with a text body. */
int tf_http_ws_refuse_write(char *buf, size_t cap, int status, const char *why);

#endif
