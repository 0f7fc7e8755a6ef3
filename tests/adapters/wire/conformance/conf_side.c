#include "conf_side.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tf/base.h"

#define CHUNK_BYTES 65536

void conf_put(conf_bytes_t *b, const void *bytes, size_t cnt) {
  if (b->cnt + cnt > b->cap) {
    b->cap   = (b->cnt + cnt) * 2;
    b->bytes = realloc(b->bytes, b->cap);
    TF_ASSERT(b->bytes);
  }
  if (cnt) memcpy(b->bytes + b->cnt, bytes, cnt);
  b->cnt += cnt;
}

void conf_drop(conf_bytes_t *b, size_t cnt) {
  if (cnt) memmove(b->bytes, b->bytes + cnt, b->cnt - cnt);
  b->cnt -= cnt;
}

uint64_t conf_hash(const uint8_t *bytes, size_t cnt) {
  uint64_t hash = 1469598103934665603u;
  for (; cnt >= 8; cnt -= 8, bytes += 8) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    hash = (hash ^ word) * 1099511628211u;
    hash ^= hash >> 29;
  }
  for (size_t i = 0; i < cnt; i++) hash = (hash ^ bytes[i]) * 1099511628211u;
  return hash;
}

void conf_side_init(conf_side_t *s, bool server, const conf_link_t *link, SSL_CTX *tls) {
  memset(s, 0, sizeof *s);
  s->server = server;
  s->link   = *link;
  if (!tls) return;
  s->ssl = SSL_new(tls);
  TF_ASSERT(s->ssl);
  SSL_set_bio(s->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  if (server)
    SSL_set_accept_state(s->ssl);
  else
    SSL_set_connect_state(s->ssl);
}

void conf_side_fini(conf_side_t *s) {
  if (s->deflate) {
    deflateEnd(&s->tx);
    inflateEnd(&s->rx);
  }
  SSL_free(s->ssl);
  free(s->raw.bytes);
  free(s->plain.bytes);
  free(s->message.bytes);
  free(s->scratch.bytes);
  free(s->events);
}

/* --- transport --- */

static void flush_tls(conf_side_t *s) {
  char *bytes;
  BIO  *bio = SSL_get_wbio(s->ssl);
  long  cnt = BIO_get_mem_data(bio, &bytes);
  if (cnt > 0 && !s->link.send(s->link.self, (const uint8_t *)bytes, (size_t)cnt)) s->ended = true;
  (void)BIO_reset(bio);
}

void conf_side_send(conf_side_t *s, const void *bytes, size_t cnt) {
  if (s->ended || cnt == 0) return;
  if (!s->ssl) {
    if (!s->link.send(s->link.self, bytes, cnt)) s->ended = true;
    return;
  }
  for (size_t at = 0; at < cnt;) {
    const size_t n = cnt - at < CHUNK_BYTES ? cnt - at : CHUNK_BYTES;
    if (SSL_write(s->ssl, (const uint8_t *)bytes + at, (int)n) != (int)n) {
      s->ended = true;
      return;
    }
    at += n;
    flush_tls(s);
  }
}

static void add_event(conf_side_t *s, conf_event_t event) {
  if (s->event_cnt == s->event_cap) {
    s->event_cap = s->event_cap ? 2 * s->event_cap : 64;
    s->events    = realloc(s->events, s->event_cap * sizeof *s->events);
    TF_ASSERT(s->events);
  }
  s->events[s->event_cnt++] = event;
}

static void break_rule(conf_side_t *s, const char *what) {
  if (!s->fault) s->fault = what;
}

static void inflate_message(conf_side_t *s) {
  conf_put(&s->message, "\0\0\xff\xff", 4);
  s->scratch.cnt = 0;
  s->rx.next_in  = s->message.bytes;
  s->rx.avail_in = (unsigned)s->message.cnt;
  int rc         = Z_OK;
  do {
    uint8_t out[CHUNK_BYTES];
    s->rx.next_out  = out;
    s->rx.avail_out = sizeof out;
    rc              = inflate(&s->rx, Z_SYNC_FLUSH);
    conf_put(&s->scratch, out, sizeof out - s->rx.avail_out);
  } while (rc == Z_OK && (s->rx.avail_in || s->rx.avail_out == 0));
  if (rc != Z_OK && rc != Z_BUF_ERROR) break_rule(s, "a message that does not inflate");
  if (s->rx_forgets) inflateReset(&s->rx);
  const conf_bytes_t swapped = s->message;
  s->message                 = s->scratch;
  s->scratch                 = swapped;
}

static void take_data(conf_side_t *s, unsigned b0, const uint8_t *payload, size_t cnt) {
  const unsigned opcode = b0 & 15;
  if (opcode) {
    if (s->message_letter) break_rule(s, "a new message inside another");
    s->message_letter     = opcode == 1 ? 'T' : 'B';
    s->message_compressed = b0 & 0x40;
    s->message.cnt        = 0;
  } else if (!s->message_letter || b0 & 0x40) {
    break_rule(s, "a continuation of nothing, or with RSV1");
  }
  conf_put(&s->message, payload, cnt);
  if (!(b0 & 0x80)) return;
  if (s->message_compressed) inflate_message(s);
  add_event(s, (conf_event_t){.letter = s->message_letter,
                              .cnt    = s->message.cnt,
                              .hash   = conf_hash(s->message.bytes, s->message.cnt)});
  s->message_letter = 0;
}

static void take_control(conf_side_t *s, unsigned b0, const uint8_t *payload, size_t cnt) {
  static const char letters[] = "XPO";
  conf_event_t      event     = {.letter = letters[(b0 & 15) - 8], .cnt = cnt};
  if (!(b0 & 0x80) || cnt > 125 || b0 & 0x70) break_rule(s, "a control frame that no one may send");
  event.hash = conf_hash(payload, cnt);
  if (event.letter == 'X') {
    event.code = cnt >= 2 ? (uint16_t)((unsigned)payload[0] << 8 | payload[1]) : 1005;
    event.cnt  = 0;
    event.hash = 0;
    if (cnt == 1) break_rule(s, "a close frame of one byte");
  }
  add_event(s, event);
}

/* One frame from the front of plain; false: it is not whole. */
static bool take_frame(conf_side_t *s, size_t *at) {
  uint8_t     *p    = s->plain.bytes + *at;
  const size_t left = s->plain.cnt - *at;
  size_t       head = 2, cnt;
  if (left < 2) return false;
  cnt = p[1] & 0x7F;
  if (cnt == 126) {
    if (left < 4) return false;
    cnt  = (size_t)(p[2] << 8 | p[3]);
    head = 4;
    if (cnt < 126) break_rule(s, "a length not in its shortest form");
  } else if (cnt == 127) {
    if (left < 10) return false;
    cnt = 0;
    for (int i = 2; i < 10; i++) cnt = cnt << 8 | p[i];
    head = 10;
    if (cnt < 65536) break_rule(s, "a length not in its shortest form");
  }
  const bool masked = p[1] & 0x80;
  if (masked != s->server) break_rule(s, "masking that is not its role's");
  const size_t mask_at = head;
  if (masked) head += 4;
  if (left < head || left - head < cnt) return false;
  for (size_t i = 0; masked && i < cnt; i++) p[head + i] ^= p[mask_at + i % 4];
  const unsigned opcode = p[0] & 15;
  if (p[0] & 0x30 || (p[0] & 0x40 && !s->deflate)) break_rule(s, "a reserved bit");
  if (opcode <= 2)
    take_data(s, p[0], p + head, cnt);
  else if (opcode >= 8 && opcode <= 10)
    take_control(s, p[0], p + head, cnt);
  else
    break_rule(s, "a reserved opcode");
  *at += head + cnt;
  return true;
}

static void take_frames(conf_side_t *s) {
  size_t at = 0;
  while (!s->fault && take_frame(s, &at)) {
  }
  conf_drop(&s->plain, at);
}

/* Moves what came into plain. */
static bool pull(conf_side_t *s, int wait_ms) {
  conf_bytes_t *to = s->ssl ? &s->raw : &s->plain;
  if (!s->link.receive(s->link.self, to, wait_ms)) s->ended = true;
  if (!s->ssl || !s->raw.cnt) return !s->ended;
  BIO_write(SSL_get_rbio(s->ssl), s->raw.bytes, (int)s->raw.cnt);
  s->raw.cnt = 0;
  uint8_t bytes[CHUNK_BYTES];
  int     n;
  while ((n = SSL_read(s->ssl, bytes, sizeof bytes)) > 0) conf_put(&s->plain, bytes, (size_t)n);
  flush_tls(s);
  return !s->ended;
}

bool conf_side_receive(conf_side_t *s, int wait_ms) {
  const bool more = pull(s, wait_ms);
  take_frames(s);
  return more;
}

/* --- handshake --- */

/* Reads up to the blank line into handshake. */
static bool read_head(conf_side_t *s, int wait_ms) {
  for (int tries = 0; tries < 64; tries++) {
    const bool     more = pull(s, wait_ms);
    const uint8_t *end  = s->plain.cnt ? memmem(s->plain.bytes, s->plain.cnt, "\r\n\r\n", 4) : NULL;
    if (end && (size_t)(end - s->plain.bytes) < sizeof s->handshake - 5) {
      const size_t cnt = (size_t)(end - s->plain.bytes) + 4;
      memcpy(s->handshake, s->plain.bytes, cnt);
      s->handshake[cnt] = '\0';
      conf_drop(&s->plain, cnt);
      return true;
    }
    if (!more) return false;
  }
  return false;
}

static bool header(const conf_side_t *s, const char *name, char *value, size_t cap) {
  const char *p = strcasestr(s->handshake, name);
  if (!p) return false;
  p += strlen(name);
  p += strspn(p, " ");
  snprintf(value, cap, "%.*s", (int)strcspn(p, "\r"), p);
  return true;
}

static void accept_of(const char *key, char accept[32]) {
  char    text[128];
  uint8_t digest[SHA_DIGEST_LENGTH];
  snprintf(text, sizeof text, "%.60s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
  SHA1((const uint8_t *)text, strlen(text), digest);
  EVP_EncodeBlock((uint8_t *)accept, digest, sizeof digest);
}

/* The template with the key and its accept put in. Escapes of C only. */
static void send_template(conf_side_t *s, const char *text, const char *key) {
  char         accept[32];
  conf_bytes_t out = {0};
  accept_of(key, accept);
  for (const char *p = text; *p; p++) {
    if (p[0] == '%' && p[1] == 'A') {
      conf_put(&out, accept, strlen(accept));
      p++;
    } else if (p[0] == '%' && p[1] == 'K') {
      conf_put(&out, key, strlen(key));
      p++;
    } else if (p[0] == '%' && p[1] == '0') {
      conf_put(&out, "", 1);
      p++;
    } else if (p[0] == '%' && p[1] == '*') { /* "%*65536x": many of a character */
      char        *end;
      const size_t cnt = strtoul(p + 2, &end, 10);
      for (size_t i = 0; i < cnt; i++) conf_put(&out, end, 1);
      p = end;
    } else if (p[0] == '%' && p[1] == 'H') { /* "%H64": so many headers */
      char        *end;
      const size_t cnt = strtoul(p + 2, &end, 10);
      for (size_t i = 0; i < cnt; i++) conf_put(&out, "X-Pad: 1\r\n", 10);
      p = end - 1;
    } else {
      conf_put(&out, p, 1);
    }
  }
  conf_side_send(s, out.bytes, out.cnt);
  free(out.bytes);
}

static void start_deflate(conf_side_t *s, const char *agreed) {
  const char *mine   = s->server ? "server_max_window_bits=" : "client_max_window_bits=";
  const char *bits   = strstr(agreed, mine);
  const int   window = bits ? atoi(bits + strlen(mine)) : 15;
  s->deflate         = true;
  s->tx_forgets = strstr(agreed, s->server ? "server_no_context" : "client_no_context") != NULL;
  s->rx_forgets = strstr(agreed, s->server ? "client_no_context" : "server_no_context") != NULL;
  TF_ASSERT(deflateInit2(&s->tx, 1, Z_DEFLATED, window == 8 ? -9 : -window, 8, 0) == Z_OK);
  /* The window that was agreed on, not one larger: it shows who does not keep to it. */
  const char *theirs = s->server ? "client_max_window_bits=" : "server_max_window_bits=";
  bits               = strstr(agreed, theirs);
  TF_ASSERT(inflateInit2(&s->rx, bits ? -atoi(bits + strlen(theirs)) : -15) == Z_OK);
}

static void deflate_text(const conf_deflate_t *d, bool offer, char text[512]) {
  int at = 0;
  if (!d->on) {
    text[0] = '\0';
    return;
  }
  if (offer && d->fallback)
    at = snprintf(text, 512, "permessage-deflate; server_max_window_bits=99; mode=1, ");
  at += snprintf(text + at, 512 - (size_t)at, "permessage-deflate%s",
                 d->no_context_takeover ? "; server_no_context_takeover; client_no_context_takeover"
                                        : "");
  if (offer) at += snprintf(text + at, 512 - (size_t)at, "; client_max_window_bits");
  if (d->window_bits)
    at += snprintf(text + at, 512 - (size_t)at, "; server_max_window_bits=%u", d->window_bits);
  if (!offer && d->window_bits)
    snprintf(text + at, 512 - (size_t)at, "; client_max_window_bits=%u", d->window_bits);
}

static bool open_as_client(conf_side_t *s, const conf_case_t *c, int wait_ms) {
  static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";
  char              offer[512], request[1024], answer[512], accept[32];
  deflate_text(&c->deflate, true, offer);
  snprintf(request, sizeof request,
           "GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Key: %%K\r\nSec-WebSocket-Version: 13\r\n%s%s%s\r\n",
           offer[0] ? "Sec-WebSocket-Extensions: " : "", offer, offer[0] ? "\r\n" : "");
  send_template(s, c->handshake ? c->handshake : request, key);
  if (!read_head(s, wait_ms) || strncmp(s->handshake, "HTTP/1.1 101 ", 13) != 0) return false;
  accept_of(key, accept);
  if (!header(s, "Sec-WebSocket-Accept:", answer, sizeof answer) || strcmp(answer, accept) != 0)
    break_rule(s, "a wrong Sec-WebSocket-Accept");
  const bool agreed = header(s, "Sec-WebSocket-Extensions:", answer, sizeof answer);
  if (agreed) start_deflate(s, answer);
  if (c->deflate.on && !agreed) break_rule(s, "permessage-deflate was not taken");
  return true;
}

static bool open_as_server(conf_side_t *s, const conf_case_t *c, int wait_ms) {
  char key[128], offer[512], answer[512], response[1024];
  if (!read_head(s, wait_ms) || !header(s, "Sec-WebSocket-Key:", key, sizeof key)) return false;
  const bool offered = header(s, "Sec-WebSocket-Extensions:", offer, sizeof offer) &&
                       strstr(offer, "permessage-deflate") != NULL;
  deflate_text(&c->deflate, false, answer);
  if (c->deflate.on && !offered) {
    break_rule(s, "permessage-deflate was not offered");
    return false;
  }
  snprintf(response, sizeof response,
           "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Accept: %%A\r\n%s%s%s\r\n",
           answer[0] ? "Sec-WebSocket-Extensions: " : "", answer, answer[0] ? "\r\n" : "");
  send_template(s, c->handshake ? c->handshake : response, key);
  if (answer[0]) start_deflate(s, answer);
  return true;
}

bool conf_side_open(conf_side_t *s, const conf_case_t *c, int wait_ms) {
  for (int tries = 0; s->ssl && !SSL_is_init_finished(s->ssl) && tries < 64; tries++) {
    SSL_do_handshake(s->ssl);
    flush_tls(s);
    if (SSL_is_init_finished(s->ssl) || !pull(s, wait_ms)) break;
  }
  if (s->ssl && !SSL_is_init_finished(s->ssl)) return false;
  return s->server ? open_as_server(s, c, wait_ms) : open_as_client(s, c, wait_ms);
}

/* --- frames --- */

static size_t hex(const char *text, size_t cnt, uint8_t *out) {
  size_t n = 0, digits = 0;
  for (size_t i = 0; i < cnt; i++) {
    if (text[i] == '|' || text[i] == '!') continue;
    const char pair[2] = {text[i], 0};
    const int  digit   = (int)strtol(pair, NULL, 16);
    if (digits++ % 2)
      out[n++] |= (uint8_t)digit;
    else
      out[n] = (uint8_t)(digit << 4);
  }
  return n;
}

static size_t payload_of(const char *text, size_t cnt, conf_bytes_t *out) {
  out->cnt = 0;
  if (cnt && text[0] == '*') {
    const size_t n = strtoul(text + 1, NULL, 10);
    for (size_t i = 0; i < n; i++) conf_put(out, "a", 1);
  } else if (cnt && text[0] == '=') {
    char          *end;
    const unsigned code = (unsigned)strtoul(text + 1, &end, 10);
    const uint8_t  be[] = {(uint8_t)(code >> 8), (uint8_t)code};
    conf_put(out, be, 2);
    if (*end == ',') {
      conf_bytes_t reason = {0};
      payload_of(end + 1, cnt - (size_t)(end + 1 - text), &reason);
      conf_put(out, reason.bytes, reason.cnt);
      free(reason.bytes);
    }
  } else if (cnt && text[0] == '#') {
    uint8_t bytes[2048];
    conf_put(out, bytes, hex(text + 1, cnt - 1, bytes));
  } else {
    conf_put(out, text, cnt);
  }
  return out->cnt;
}

static void put_frame(bool masked, unsigned b0, const uint8_t *payload, size_t cnt, int length_form,
                      conf_bytes_t *out) {
  static const uint8_t key[4] = {0x5A, 0x01, 0xC3, 0xFF};
  uint8_t              head[14];
  size_t               at   = 2;
  const unsigned       mask = masked ? 0x80 : 0;
  if (length_form == 0) length_form = cnt < 126 ? 7 : cnt < 65536 ? 16 : 64;
  head[0] = (uint8_t)b0;
  head[1] = (uint8_t)(mask | (length_form == 7 ? cnt : length_form == 16 ? 126 : 127));
  if (length_form > 7)
    for (int i = length_form / 8 - 1; i >= 0; i--) head[at++] = (uint8_t)((uint64_t)cnt >> (8 * i));
  if (masked) {
    memcpy(head + at, key, 4);
    at += 4;
  }
  conf_put(out, head, at);
  const size_t from = out->cnt;
  conf_put(out, payload, cnt);
  for (size_t i = 0; masked && i < cnt; i++) out->bytes[from + i] ^= key[i % 4];
}

void conf_side_frame(const conf_side_t *s, const char *token, size_t cnt, conf_bytes_t *out) {
  static const char letters[] = "CTB.....XPO";
  bool              masked    = !s->server;
  unsigned          rsv       = 0, opcode;
  int               form      = 0;
  conf_bytes_t      payload   = {0};
  const char       *end       = token + cnt;
  for (; *token == 'r' || *token == 'm' || *token == 'l' || *token == 'L'; token++) {
    if (*token == 'r') rsv = (unsigned)(*++token - '0');
    if (*token == 'm') masked = !masked;
    if (*token == 'l') form = 16;
    if (*token == 'L') form = 64;
  }
  bool fin = *token < 'a';
  if (*token == 'R') {
    payload.cnt = 0;
    uint8_t bytes[2048];
    conf_put(out, bytes, hex(token + 2, (size_t)(end - token - 2), bytes));
    return;
  }
  if (*token == 'N') {
    const char digit[2] = {*++token, 0};
    opcode              = (unsigned)strtoul(digit, NULL, 16);
  } else {
    const char *letter = strchr(letters, *token & ~0x20);
    TF_ASSERT(letter);
    opcode = (unsigned)(letter - letters);
  }
  TF_ASSERT(token[1] == ':');
  payload_of(token + 2, (size_t)(end - token - 2), &payload);
  put_frame(masked, (fin ? 0x80u : 0) | rsv << 4 | opcode, payload.bytes, payload.cnt, form, out);
  free(payload.bytes);
}

void conf_side_message(conf_side_t *s, const conf_bulk_t *bulk, const uint8_t *bytes,
                       conf_bytes_t *out) {
  const uint8_t *payload = bytes;
  size_t         cnt     = bulk->bytes;
  unsigned       b0      = bulk->letter == 'T' ? 1 : 2;
  if (s->deflate) {
    s->scratch.cnt = 0;
    s->tx.next_in  = (Bytef *)(uintptr_t)bytes;
    s->tx.avail_in = (unsigned)cnt;
    do {
      uint8_t piece[CHUNK_BYTES];
      s->tx.next_out  = piece;
      s->tx.avail_out = sizeof piece;
      deflate(&s->tx, Z_SYNC_FLUSH);
      conf_put(&s->scratch, piece, sizeof piece - s->tx.avail_out);
    } while (s->tx.avail_out == 0);
    if (s->tx_forgets) deflateReset(&s->tx);
    payload = s->scratch.bytes;
    cnt     = s->scratch.cnt - 4;
    b0 |= 0x40;
  }
  const size_t most = bulk->fragment ? bulk->fragment : cnt;
  size_t       at   = 0;
  do {
    const size_t n = cnt - at < most ? cnt - at : most;
    put_frame(!s->server, b0 | (at + n == cnt ? 0x80u : 0), payload + at, n, 0, out);
    at += n;
    b0 = 0;
  } while (at < cnt);
}

size_t conf_script_events(const char *script, conf_event_t *events, size_t cap) {
  size_t       cnt     = 0;
  conf_bytes_t payload = {0};
  while (*script) {
    const size_t n = strcspn(script, " ");
    if (n) {
      TF_ASSERT(cnt < cap && script[1] == ':');
      payload_of(script + 2, n - 2, &payload);
      events[cnt++] = (conf_event_t){
          .letter = script[0], .cnt = payload.cnt, .hash = conf_hash(payload.bytes, payload.cnt)};
    }
    script += n + (script[n] == ' ');
  }
  free(payload.bytes);
  return cnt;
}
