/* The websocket conformance table: each row is what one side of a connection sends to an echo
 * endpoint, what must come back, and how it must end. Written from RFC 6455 and RFC 7692 in the
 * order and number of the Autobahn suite (517 cases), with more cases of our own behind it (group
 * "w"). The rows know nothing of who plays the endpoint.
 *
 * A script is a row of tokens separated by blanks:
 *   T:text B:text  a whole message    t: b:  its first fragment    C: c:  the last, a further one
 *   P: O: X:       ping, pong, close (p: o: x: without FIN)
 *   Nf:            the reserved opcode f (hex)
 *   r5T:           the reserved bits 5 on any of these
 *   m, l, L        before a letter: the other masking than due; the length in 16 or in 64 bits
 *   R:hex          bytes as they are
 *   |              all that came so far must be acted on before the rest is sent
 *   !              and by now the endpoint should have ended: failing later is NON-STRICT
 * A payload is text without blanks, "#hex" (| and ! may stand inside), "*n" for n bytes 'a', of a
 * close "=code". What must come back is a script of T B P O and X. */
#ifndef TESTS_CONF_CASE_H
#define TESTS_CONF_CASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the bytes of a script are cut: all in one, a frame each, or so many octets. */
#define CONF_WHOLE    0u
#define CONF_BY_FRAME UINT32_MAX

typedef enum conf_end {
  CONF_CLEAN,  /* we close with 1000 once all has come back, and 1000 comes */
  CONF_FAIL,   /* the endpoint fails the connection with close_code */
  CONF_SCRIPT, /* the script closes; the endpoint answers with close_code */
  CONF_EOF,    /* the script's bytes end and so does the transport */
} conf_end_t;

typedef enum conf_roles { CONF_BOTH, CONF_CLIENT, CONF_SERVER } conf_roles_t; /* of the endpoint */

/* Of permessage-deflate, as the scripted side asks for it; windows 0: nothing is said. */
typedef struct conf_deflate {
  bool on, no_context_takeover, fallback; /* fallback: an offer that cannot be taken goes first */
  uint8_t window_bits;
} conf_deflate_t;

/* Messages made by rule, for the groups of size: count of them, each of so many bytes, in frames of
 * at most fragment payload bytes (0: one), each echoed before the next is sent. */
typedef struct conf_bulk {
  char     letter; /* T or B; 0: the row has a script */
  uint8_t  data_set;
  uint32_t count;
  size_t   bytes, fragment;
} conf_bulk_t;

typedef struct conf_case {
  char           id[16];
  const char    *what;
  const char    *sent, *ok; /* ok: the strict answer */
  const char    *loose;     /* one that is NON-STRICT; NULL: none */
  uint32_t       chop;
  conf_end_t     end;
  uint16_t       close_code;
  bool           informational; /* any answer will do, and is not judged */
  conf_roles_t   roles;
  conf_deflate_t deflate;
  conf_bulk_t    bulk;
  size_t         message_max;   /* of the endpoint; 0: 16 MiB */
  uint32_t       fragments_max; /* of the endpoint; 0: 131072 */
  /* Handshake rows: what the scripted side sends instead of a good request or answer ("%K" the key,
   * "%A" the accept), and a word of the refusal: of our error text (client role) or the status that
   * we answer (server role); NULL: it is taken. */
  const char *handshake, *refusal;
} conf_case_t;

/* Builds the table; rows of one group stand together. Returns their number. */
size_t conf_cases(const conf_case_t **cases);

/* The row's group, "6" of "6.22.1"; w for ours. */
const char *conf_group(const conf_case_t *c, char group[8]);

/* The message_idx-th message of a bulk row. */
void conf_fill(const conf_bulk_t *bulk, uint32_t message_idx, uint8_t *bytes);

#endif
