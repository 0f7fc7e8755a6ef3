/* Socket addresses of a name, and in which order they are tried: as the system sorted them (RFC 6724), but
 * with the families taken in turn, beginning with the first one's, so that a family that leads nowhere
 * costs one attempt and not all of its addresses (RFC 8305, section 4); what worked the last time
 * comes first. Pure. */
#ifndef FEED_ADDRESSES_H
#define FEED_ADDRESSES_H

#include <sys/socket.h>

#include "tf/base.h"

#define TF_RESOLVE_ADDRESSES_MAX 64 /* taken of an answer */
#define TF_ADDRESSES_MAX         16 /* tried: of more, the first of each family in turn */
#define TF_ADDRESS_TEXT_MAX      64

typedef struct tf_address {
  struct sockaddr_storage addr;
  socklen_t               addr_cnt; /* 0: none */
} tf_address_t;

/* Orders addresses[cnt] in place, drops those of a family other than only (AF_UNSPEC: keeps all), puts
 * last_good first (addr_cnt 0: none; one that is not among them is left out), and returns how many
 * there are, at most TF_ADDRESSES_MAX. cnt: 0 .. TF_RESOLVE_ADDRESSES_MAX. */
uint32_t tf_addresses_order(tf_address_t *addresses, uint32_t cnt, int only,
                            const tf_address_t *last_good);

bool tf_address_is(const tf_address_t *a, const tf_address_t *b);

/* Of a numeric IPv4 or IPv6 address, with port 0. False: it is neither. */
bool tf_address_of_text(const char *text, tf_address_t *address);

/* "192.0.2.1" or "2001:db8::1". Returns text. */
const char *tf_address_text(const tf_address_t *address, char text[TF_ADDRESS_TEXT_MAX]);

#endif
