/* TLS over memory: OpenSSL 3 as a pure state machine, ciphertext in, plaintext out and the other
 * way round. No socket; the owner moves the bytes. OpenSSL reads straight from the borrowed
 * ciphertext and writes straight into the caller's send memory through a BIO of our own. Once a TLS
 * 1.3 client stream is open, tls_record.h decrypts what it receives from the borrowed bytes into
 * the caller's buffer, with OpenSSL's ciphers and OpenSSL's secret; TLS 1.2, servers, and all
 * sending stay with OpenSSL.
 *
 * Clients verify: chain against the system's store or a configured CA file, host name or IP
 * address, dates, purpose, depth <= 8, security level 2 (no SHA-1 signatures, no RSA below 2048
 * bits), TLS 1.2 or newer. `insecure` must be asked for explicitly and is meant for tests.
 *
 * A clean end (close_notify) and a cut transport are told apart: the latter is E_WIRE_TLS_TRUNCATED
 * and means that data may be missing.
 *
 * Memory: a context is some 100 KiB and a stream some 50 KiB of OpenSSL's heap, taken during the
 * handshake, so that belongs on a control thread. Once the stream is open, a record of data costs
 * OpenSSL 3.0 one block of 40 bytes when read and three when written, a session ticket or key
 * update some fifty of up to 22 KiB: tls_pool.h serves them all, and read, write and shutdown call
 * no malloc (test_tls runs them under the allocation seal). For that the pool must be OpenSSL's
 * allocator: tf_tls_pool_install.
 *
 * Contexts: set up by one thread, then shared by any number of streams on any threads. A stream:
 * one thread at a time. Errors set the thread's error record. */
#ifndef WIRE_TLS_H
#define WIRE_TLS_H

#include "tf/err.h"
#include "wire/tls_record.h"

#define TF_TLS_HANDSHAKE_BYTES_MAX 65536 /* received before the handshake must be complete */
#define TF_TLS_CHAIN_DEPTH_MAX     8
/* Messages after the handshake that a peer may send: a few tickets, then one KeyUpdate per this
 * many bytes of plaintext. RFC 8446 5.5 asks for one per 2^24 records. */
#define TF_TLS_POST_HANDSHAKE_FREE      32
#define TF_TLS_POST_HANDSHAKE_PER_BYTES 65536
#define TF_TLS_RECORD_BYTES_MAX         16384 /* plaintext of one record (RFC 8446 5.1) */
/* More than a record adds: header 5, explicit nonce or IV 16, MAC 48, padding or type 16. */
#define TF_TLS_RECORD_OVERHEAD_BYTES_MAX 96
/* Send memory that no handshake of ours outgrows. */
#define TF_TLS_TX_BYTES_MIN 32768

struct ssl_ctx_st;
struct ssl_st;

typedef enum tf_tls_role { TF_TLS_CLIENT, TF_TLS_SERVER } tf_tls_role_t;

typedef struct tf_tls_ctx {
  struct ssl_ctx_st *ssl_ctx; /* NULL: not initialised */
  tf_tls_role_t      role;
  bool               insecure, openssl_records;
} tf_tls_ctx_t;

typedef struct tf_tls_client_config {
  const char *ca_file;         /* NULL: the system's store; else a PEM file that alone is trusted */
  bool        insecure;        /* no verification at all */
  bool        openssl_records; /* receive through OpenSSL's record layer, not tls_record.h's */
} tf_tls_client_config_t;

/* E_WIRE_TLS with OpenSSL's text; E_FILE_OPEN for an unreadable CA file. */
tf_err_t tf_tls_ctx_init_client(tf_tls_ctx_t *ctx, const tf_tls_client_config_t *config);
/* cert_file: PEM chain, leaf first; key_file: PEM. */
tf_err_t tf_tls_ctx_init_server(tf_tls_ctx_t *ctx, const char *cert_file, const char *key_file);
/* Accepts a zeroed context. Streams keep what they need of it: it may go before them. */
void tf_tls_ctx_fini(tf_tls_ctx_t *ctx);

typedef enum tf_tls_state {
  TF_TLS_HANDSHAKE = 0,
  TF_TLS_OPEN,
  TF_TLS_CLOSED, /* the peer sent close_notify: a clean end */
  TF_TLS_FAILED
} tf_tls_state_t;

typedef struct tf_tls {
  struct ssl_st  *ssl;
  tf_tls_role_t   role;
  tf_tls_state_t  state; /* read-only for the owner */
  tf_err_t        err;   /* of TF_TLS_FAILED */
  const uint8_t  *rx;    /* borrowed ciphertext not yet read */
  size_t          rx_cnt;
  uint8_t        *tx; /* the caller's send memory */
  size_t          tx_cap, tx_at, tx_end;
  bool            shutdown_sent;
  uint32_t        post_handshake_cnt; /* tickets and key updates received */
  uint64_t        rx_bytes, tx_bytes; /* ciphertext, since init */
  uint64_t        plain_rx_bytes, plain_tx_bytes;
  tf_tls_record_t record; /* receives, once a TLS 1.3 client is open */
  /* cold */
  uint8_t  rx_secret[TF_TLS_RECORD_SECRET_MAX], rx_secret_cnt; /* until record has it */
  uint32_t handshake_rx_bytes;
  int      verify_err, verify_depth; /* X509_V_ERR_* of the first certificate that did not verify */
  char     verify_subject[256];      /* and whose it was */
  char     host[256];
  char     err_text[512];
} tf_tls_t;

/* Starts a stream. host: client: the name or address that the certificate must be for, also sent as
 * SNI unless an address; server: NULL. tx: send memory of tx_cap >= TF_TLS_TX_BYTES_MIN bytes, the
 * caller's until fini. A client has its first flight ready to send (tf_tls_tx) at once. Do not move
 * the struct while it is in use: OpenSSL keeps a pointer to it. */
tf_err_t tf_tls_init(tf_tls_t *tls, const tf_tls_ctx_t *ctx, const char *host, uint8_t *tx,
                     size_t tx_cap);
/* Accepts a zeroed stream. Sends nothing. */
void tf_tls_fini(tf_tls_t *tls);

/* The receive path, for each buffer of ciphertext:
 *
 *   tf_tls_feed(tls, bytes, cnt);
 *   while ((n = tf_tls_read(tls, plain, cap)) > 0) ...use n bytes of plain...
 *   if (n < 0) ...failed...
 *   ...send what tf_tls_tx has (handshake flights, alerts, key updates)...
 *
 * feed only notes the bytes; they must stay until a read has returned 0 or an error. read drives
 * the handshake, then decrypts as many records as fit into plain (in runs as large as possible).
 * cap must not be 0; from TF_TLS_RECORD_BYTES_MAX on no record is split. The plaintext of one
 * buffer may be larger than the buffer, by a record whose beginning came before. read returns the
 * bytes of plaintext, 0 when all the ciphertext is used up (see tls->state: OPEN once the handshake
 * is done, CLOSED after close_notify), or an error:
 *   E_WIRE_TLS_VERIFY  the certificate; the text has OpenSSL's reason, the host and the subject
 *   E_WIRE_TLS         anything else: alert, bad record, limits
 * Plaintext that came before an error is returned first. */
void tf_tls_feed(tf_tls_t *tls, const uint8_t *bytes, size_t bytes_cnt);
int  tf_tls_read(tf_tls_t *tls, uint8_t *plain, size_t cap);

/* Encrypts plaintext into the send memory, all of it or nothing: E_IO_SEND_FULL when it does not
 * fit now (tf_tls_write_room tells); E_WIRE_TLS before the handshake is done or after an end. */
tf_err_t tf_tls_write(tf_tls_t *tls, const void *plain, size_t plain_cnt);
/* Bytes of plaintext that tf_tls_write would take now. */
size_t tf_tls_write_room(const tf_tls_t *tls);

/* Ciphertext waiting to be sent: pointer and count; sent tells how much of it went out. */
const uint8_t *tf_tls_tx(const tf_tls_t *tls, size_t *cnt);
void           tf_tls_tx_sent(tf_tls_t *tls, size_t cnt);

/* Queues our close_notify, once; then send tf_tls_tx and end the transport. */
void tf_tls_shutdown(tf_tls_t *tls);
/* The transport ended: 0 after close_notify, E_WIRE_TLS_TRUNCATED in the open stream, E_WIRE_TLS
 * during the handshake; a failure before it stands. */
tf_err_t tf_tls_eof(tf_tls_t *tls);

/* "TLSv1.3 TLS_AES_256_GCM_SHA384" for logs, into buf; "" before the handshake. */
void tf_tls_describe(const tf_tls_t *tls, char *buf, size_t cap);

/* Makes a self-signed EC P-256 certificate and its key (mode 0600) as PEM files, valid from an hour
 * ago for days, for the host names and IP addresses given. For the simulator and tests: clients
 * trust it by ca_file = cert_path. E_FILE_WRITE, E_WIRE_TLS. */
tf_err_t tf_tls_self_signed(const char *cert_path, const char *key_path, const char *const *hosts,
                            size_t host_cnt, unsigned days);

#endif
