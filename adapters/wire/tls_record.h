/* The receiving half of TLS 1.3's record protocol (RFC 8446 section 5) over OpenSSL's AEADs, for an
 * open client stream. OpenSSL does the handshake and everything sent; its own record reading costs
 * about 470 ns for a message of 230 bytes, this about half (bench_ws, EPYC, 2026-11), since it
 * decrypts from the borrowed ciphertext straight into the caller's buffer and calls nothing but the
 * cipher.
 *
 * Taken over are the secret of the peer's application traffic, at its first record, and all that
 * may still come: data, tickets (skipped), key updates, alerts. Whatever else comes is a fault, and
 * so is all that follows a fault. Plaintext is handed out only after its tag has verified; a record
 * that fails leaves zeros. No alert is sent for a fault here: the stream just ends.
 *
 * One thread at a time. Allocates in init only. */
#ifndef WIRE_TLS_RECORD_H
#define WIRE_TLS_RECORD_H

#include "tf/base.h"

struct evp_cipher_ctx_st;
struct evp_md_st;

#define TF_TLS_RECORD_PLAIN_MAX  16384 /* RFC 8446 5.1 */
#define TF_TLS_RECORD_HEAD_BYTES 5
#define TF_TLS_RECORD_CIPHER_MAX (TF_TLS_RECORD_PLAIN_MAX + 256) /* 5.2 */
#define TF_TLS_RECORD_SECRET_MAX 48                              /* SHA-384 */
#define TF_TLS_RECORD_EMPTY_MAX  32    /* records without data in a row, as OpenSSL allows */
#define TF_TLS_RECORD_TICKET_MAX 65536 /* bytes of one ticket message */

typedef enum tf_tls_record_status {
  TF_TLS_RECORD_MORE,   /* all the ciphertext is used up */
  TF_TLS_RECORD_FULL,   /* plain is full, call again */
  TF_TLS_RECORD_CLOSED, /* close_notify */
  TF_TLS_RECORD_FAULT   /* fault says what */
} tf_tls_record_status_t;

typedef struct tf_tls_record {
  struct evp_cipher_ctx_st *cipher; /* NULL: not taken over */
  uint64_t                  seq;    /* of the next record under this key */
  uint8_t                   iv[12];
  bool                      ended;          /* after CLOSED or FAULT */
  bool                    update_requested; /* the peer wants a key update from us; owner clears */
  uint8_t                 empty_cnt;
  uint8_t                 message_head_cnt; /* of a handshake message that straddles records */
  uint8_t                 message_head[4];
  uint32_t                message_left;
  uint32_t                post_handshake_cnt; /* tickets and key updates */
  uint8_t                *held; /* a record cut by the end of a buffer: head and ciphertext */
  size_t                  held_cnt;
  uint8_t                *spare; /* plaintext that did not fit where it was wanted */
  size_t                  spare_at, spare_end;
  const struct evp_md_st *digest;
  uint8_t                 key_cnt, secret_cnt;
  uint8_t                 secret[TF_TLS_RECORD_SECRET_MAX];
  char                    fault[96];
} tf_tls_record_t;

/* suite: 0x1301 (AES-128-GCM), 0x1302 (AES-256-GCM) or 0x1303 (ChaCha20-Poly1305). secret: the
 * application traffic secret of the sending side. false: another suite, a secret of the wrong
 * length, or no memory; nothing is taken over. rec must be zeroed before its first init. */
bool tf_tls_record_init(tf_tls_record_t *rec, uint16_t suite, const uint8_t *secret,
                        size_t secret_cnt);
/* Wipes keys. Accepts a zeroed one. */
void tf_tls_record_fini(tf_tls_record_t *rec);

/* Decrypts from *rx, moving it on, into plain; *plain_cnt is how much of cap was filled, also when
 * the status is CLOSED or FAULT; what lies behind it, up to cap, may be overwritten. */
tf_tls_record_status_t tf_tls_record_read(tf_tls_record_t *rec, const uint8_t **rx, size_t *rx_cnt,
                                          uint8_t *plain, size_t cap, size_t *plain_cnt);

/* HKDF-Expand-Label of RFC 8446 section 7.1 with an empty context; cnt at most the digest's length.
 * For tests too. */
bool tf_tls_record_expand(const struct evp_md_st *digest, const uint8_t *secret, size_t secret_cnt,
                          const char *label, uint8_t *out, size_t cnt);

#endif
