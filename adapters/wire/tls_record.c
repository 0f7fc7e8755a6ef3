#include "wire/tls_record.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>
#include <string.h>

#define TAG_BYTES  16
#define HELD_BYTES (TF_TLS_RECORD_HEAD_BYTES + TF_TLS_RECORD_CIPHER_MAX)

enum { TYPE_ALERT = 21, TYPE_HANDSHAKE = 22, TYPE_DATA = 23 };
enum { MESSAGE_TICKET = 4, MESSAGE_KEY_UPDATE = 24 };

static TF_COLD tf_tls_record_status_t fault(tf_tls_record_t *rec, const char *what,
                                            const char *more) {
  rec->ended = true;
  snprintf(rec->fault, sizeof rec->fault, "%s%s", what, more);
  return TF_TLS_RECORD_FAULT;
}

/* Opens the record's ciphertext (cnt bytes with the tag) into target, cnt - TAG_BYTES bytes. */
static bool open_record(tf_tls_record_t *rec, const uint8_t *head, const uint8_t *cipher,
                        size_t cnt, uint8_t *target) {
  uint8_t  nonce[12], tag[TAG_BYTES];
  uint64_t counter;
  int      n, opened, last = 0;
  memcpy(nonce, rec->iv, sizeof nonce);
  memcpy(&counter, nonce + 4, 8);
  counter ^= __builtin_bswap64(rec->seq);
  memcpy(nonce + 4, &counter, 8);
  memcpy(tag, cipher + cnt - TAG_BYTES, TAG_BYTES); /* OpenSSL wants it writable */
  const bool ok =
      EVP_DecryptInit_ex(rec->cipher, NULL, NULL, NULL, nonce) == 1 &&
      EVP_DecryptUpdate(rec->cipher, NULL, &n, head, TF_TLS_RECORD_HEAD_BYTES) == 1 &&
      EVP_DecryptUpdate(rec->cipher, target, &opened, cipher, (int)(cnt - TAG_BYTES)) == 1 &&
      EVP_CIPHER_CTX_ctrl(rec->cipher, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) == 1 &&
      EVP_DecryptFinal_ex(rec->cipher, target + opened, &last) == 1 &&
      (size_t)opened + (size_t)last == cnt - TAG_BYTES;
  rec->seq++;
  return ok;
}

/* NULL, or what is wrong with a record's head. */
static const char *check_head(const uint8_t *head) {
  const size_t cnt = (size_t)head[3] << 8 | head[4];
  if (head[0] != TYPE_DATA) return "a record that is not protected";
  if (head[1] != 3 || head[2] != 3) return "a record of another version";
  if (cnt < TAG_BYTES + 1) return "a record too short for its tag";
  if (cnt > TF_TLS_RECORD_CIPHER_MAX) return "a record over 16384 bytes";
  return NULL;
}

/* Finds the next whole record: in place, or put together from the pieces of two buffers. Returns
 * its head, with its ciphertext behind it, and moves *rx on; NULL when more is needed or *what is
 * set. */
static const uint8_t *next_record(tf_tls_record_t *rec, const uint8_t **rx, size_t *rx_cnt,
                                  const char **what) {
  *what = NULL;
  if (rec->held_cnt == 0 && *rx_cnt >= TF_TLS_RECORD_HEAD_BYTES) {
    const uint8_t *head  = *rx;
    const size_t   whole = TF_TLS_RECORD_HEAD_BYTES + ((size_t)head[3] << 8 | head[4]);
    if ((*what = check_head(head)) != NULL) return NULL;
    if (TF_LIKELY(*rx_cnt >= whole)) {
      *rx += whole;
      *rx_cnt -= whole;
      return head;
    }
  }
  while (*rx_cnt) {
    size_t want = TF_TLS_RECORD_HEAD_BYTES;
    if (rec->held_cnt >= want) want += (size_t)rec->held[3] << 8 | rec->held[4];
    const size_t missing = want - rec->held_cnt;
    const size_t cnt     = missing < *rx_cnt ? missing : *rx_cnt;
    memcpy(rec->held + rec->held_cnt, *rx, cnt);
    rec->held_cnt += cnt;
    *rx += cnt;
    *rx_cnt -= cnt;
    if (rec->held_cnt < want) return NULL;
    if (want > TF_TLS_RECORD_HEAD_BYTES) {
      rec->held_cnt = 0;
      return rec->held;
    }
    if ((*what = check_head(rec->held)) != NULL) return NULL;
  }
  return NULL;
}

static bool derive_key(tf_tls_record_t *rec) {
  uint8_t    key[32];
  const bool ok =
      tf_tls_record_expand(rec->digest, rec->secret, rec->secret_cnt, "key", key, rec->key_cnt) &&
      tf_tls_record_expand(rec->digest, rec->secret, rec->secret_cnt, "iv", rec->iv,
                           sizeof rec->iv) &&
      EVP_DecryptInit_ex(rec->cipher, NULL, NULL, key, rec->iv) == 1;
  OPENSSL_cleanse(key, sizeof key);
  rec->seq = 0;
  return ok;
}

static const char *on_key_update(tf_tls_record_t *rec, uint8_t request, size_t behind) {
  uint8_t next[TF_TLS_RECORD_SECRET_MAX];
  if (behind) return "data behind a key update in its record";
  if (request > 1) return "a key update with a wrong request";
  const bool ok = tf_tls_record_expand(rec->digest, rec->secret, rec->secret_cnt, "traffic upd",
                                       next, rec->secret_cnt);
  memcpy(rec->secret, next, rec->secret_cnt);
  OPENSSL_cleanse(next, sizeof next);
  if (!ok || !derive_key(rec)) return "a key update that could not be followed";
  if (request) rec->update_requested = true;
  return NULL;
}

/* Handshake messages, which may share a record or span several. NULL, or what is wrong. */
static const char *take_messages(tf_tls_record_t *rec, const uint8_t *bytes, size_t cnt) {
  if (cnt == 0) return "an empty handshake record";
  while (cnt) {
    if (rec->message_left) { /* the rest of a ticket */
      const size_t skip = rec->message_left < cnt ? rec->message_left : cnt;
      rec->message_left -= (uint32_t)skip;
      bytes += skip;
      cnt -= skip;
      continue;
    }
    rec->message_head[rec->message_head_cnt++] = *bytes++;
    cnt--;
    if (rec->message_head_cnt < 4) continue;
    const uint8_t *head   = rec->message_head;
    const uint32_t len    = (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
    rec->message_head_cnt = 0;
    rec->post_handshake_cnt++;
    if (head[0] == MESSAGE_TICKET && len <= TF_TLS_RECORD_TICKET_MAX) {
      rec->message_left = len;
    } else if (head[0] == MESSAGE_KEY_UPDATE && len == 1 && cnt) {
      return on_key_update(rec, bytes[0], cnt - 1);
    } else {
      return "a handshake message that may not come here";
    }
  }
  return NULL;
}

static tf_tls_record_status_t take_alert(tf_tls_record_t *rec, const uint8_t *bytes, size_t cnt) {
  if (cnt != 2) return fault(rec, "an alert that is not two bytes", "");
  if (bytes[1] == SSL3_AD_CLOSE_NOTIFY) {
    rec->ended = true;
    return TF_TLS_RECORD_CLOSED;
  }
  /* A close_notify follows it (RFC 8446 6.1). */
  if (bytes[1] == TLS1_AD_USER_CANCELLED) return TF_TLS_RECORD_MORE;
  return fault(rec, "alert ", SSL_alert_desc_string_long(bytes[1]));
}

/* A record that is not data, or one of nothing but padding. MORE: it was fine. */
static TF_COLD tf_tls_record_status_t take_other(tf_tls_record_t *rec, uint8_t type,
                                                 const uint8_t *bytes, size_t cnt) {
  if (type != TYPE_HANDSHAKE && (rec->message_left || rec->message_head_cnt))
    return fault(rec, "another record inside a handshake message", "");
  if (type == TYPE_ALERT) return take_alert(rec, bytes, cnt);
  if (type == TYPE_HANDSHAKE) {
    const char *what = take_messages(rec, bytes, cnt);
    return what ? fault(rec, what, "") : TF_TLS_RECORD_MORE;
  }
  if (type == TYPE_DATA) {
    if (++rec->empty_cnt > TF_TLS_RECORD_EMPTY_MAX)
      return fault(rec, "a flood of empty records", "");
    return TF_TLS_RECORD_MORE;
  }
  return fault(rec, "a record of an unknown type", "");
}

tf_tls_record_status_t tf_tls_record_read(tf_tls_record_t *rec, const uint8_t **rx, size_t *rx_cnt,
                                          uint8_t *plain, size_t cap, size_t *plain_cnt) {
  *plain_cnt = 0;
  while (*plain_cnt < cap) {
    const size_t room = cap - *plain_cnt;
    if (TF_UNLIKELY(rec->spare_at < rec->spare_end)) {
      const size_t left = rec->spare_end - rec->spare_at, cnt = left < room ? left : room;
      memcpy(plain + *plain_cnt, rec->spare + rec->spare_at, cnt);
      rec->spare_at += cnt;
      *plain_cnt += cnt;
      continue;
    }
    if (TF_UNLIKELY(rec->ended)) return rec->fault[0] ? TF_TLS_RECORD_FAULT : TF_TLS_RECORD_CLOSED;
    const char    *what;
    const uint8_t *head = next_record(rec, rx, rx_cnt, &what);
    if (!head) return what ? fault(rec, what, "") : TF_TLS_RECORD_MORE;
    const size_t cipher_cnt = (size_t)head[3] << 8 | head[4];
    size_t       cnt        = cipher_cnt - TAG_BYTES;
    uint8_t     *target     = cnt <= room ? plain + *plain_cnt : rec->spare;
    if (TF_UNLIKELY(!open_record(rec, head, head + TF_TLS_RECORD_HEAD_BYTES, cipher_cnt, target))) {
      OPENSSL_cleanse(target, cnt);
      ERR_clear_error();
      return fault(rec, "bad record mac", "");
    }
    while (cnt && target[cnt - 1] == 0) cnt--; /* padding */
    if (TF_UNLIKELY(cnt == 0)) return fault(rec, "a record without a type", "");
    const uint8_t type = target[--cnt];
    if (TF_UNLIKELY(cnt > TF_TLS_RECORD_PLAIN_MAX))
      return fault(rec, "a record over 16384 bytes", "");
    if (TF_UNLIKELY(type != TYPE_DATA || cnt == 0 || rec->message_left || rec->message_head_cnt)) {
      const tf_tls_record_status_t status = take_other(rec, type, target, cnt);
      if (status != TF_TLS_RECORD_MORE) return status;
      continue;
    }
    rec->empty_cnt = 0;
    if (TF_LIKELY(target != rec->spare)) {
      *plain_cnt += cnt;
    } else {
      rec->spare_at  = 0;
      rec->spare_end = cnt;
    }
  }
  return TF_TLS_RECORD_FULL;
}

/* One block of HKDF-Expand (RFC 5869) is enough: nothing asked for is longer than a digest. */
bool tf_tls_record_expand(const EVP_MD *digest, const uint8_t *secret, size_t secret_cnt,
                          const char *label, uint8_t *out, size_t cnt) {
  uint8_t      info[64], block[EVP_MAX_MD_SIZE];
  unsigned     block_cnt = 0;
  const size_t label_cnt = strlen(label);
  if (cnt > (size_t)EVP_MD_get_size(digest) || label_cnt > sizeof info - 11) return false;
  info[0] = 0;
  info[1] = (uint8_t)cnt;
  info[2] = (uint8_t)(6 + label_cnt);
  memcpy(info + 3, "tls13 ", 6);
  memcpy(info + 9, label, label_cnt);
  info[9 + label_cnt]  = 0; /* no context */
  info[10 + label_cnt] = 1; /* the block's number */
  const bool ok =
      HMAC(digest, secret, (int)secret_cnt, info, 11 + label_cnt, block, &block_cnt) != NULL &&
      block_cnt >= cnt;
  if (ok) memcpy(out, block, cnt);
  OPENSSL_cleanse(block, sizeof block);
  return ok;
}

bool tf_tls_record_init(tf_tls_record_t *rec, uint16_t suite, const uint8_t *secret,
                        size_t secret_cnt) {
  const EVP_CIPHER *cipher = suite == 0x1301   ? EVP_aes_128_gcm()
                             : suite == 0x1302 ? EVP_aes_256_gcm()
                             : suite == 0x1303 ? EVP_chacha20_poly1305()
                                               : NULL;
  const EVP_MD     *digest = suite == 0x1302 ? EVP_sha384() : EVP_sha256();
  if (!cipher || secret_cnt != (size_t)EVP_MD_get_size(digest)) return false;
  memset(rec, 0, sizeof *rec);
  rec->digest     = digest;
  rec->key_cnt    = (uint8_t)EVP_CIPHER_get_key_length(cipher);
  rec->secret_cnt = (uint8_t)secret_cnt;
  memcpy(rec->secret, secret, secret_cnt);
  rec->held   = OPENSSL_malloc(HELD_BYTES);
  rec->spare  = OPENSSL_malloc(TF_TLS_RECORD_CIPHER_MAX);
  rec->cipher = EVP_CIPHER_CTX_new();
  if (rec->held && rec->spare && rec->cipher &&
      EVP_DecryptInit_ex(rec->cipher, cipher, NULL, NULL, NULL) == 1 && derive_key(rec))
    return true;
  tf_tls_record_fini(rec);
  return false;
}

void tf_tls_record_fini(tf_tls_record_t *rec) {
  EVP_CIPHER_CTX_free(rec->cipher);
  OPENSSL_free(rec->held);
  OPENSSL_clear_free(rec->spare, rec->spare ? TF_TLS_RECORD_CIPHER_MAX : 0);
  OPENSSL_cleanse(rec, sizeof *rec);
}
