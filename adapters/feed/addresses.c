#include "feed/addresses.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

bool tf_address_is(const tf_address_t *a, const tf_address_t *b) {
  return a->addr_cnt > 0 && a->addr_cnt == b->addr_cnt &&
         memcmp(&a->addr, &b->addr, a->addr_cnt) == 0;
}

/* Moves the address at from to the place to before it; those between make room. */
static void move_up(tf_address_t *addresses, uint32_t from, uint32_t to) {
  tf_address_t moved = addresses[from];
  memmove(&addresses[to + 1], &addresses[to], (from - to) * sizeof *addresses);
  addresses[to] = moved;
}

uint32_t tf_addresses_order(tf_address_t *addresses, uint32_t cnt, int only,
                            const tf_address_t *last_good) {
  uint32_t kept = 0;
  TF_ASSERT(cnt <= TF_RESOLVE_ADDRESSES_MAX);
  for (uint32_t i = 0; i < cnt; i++)
    if (only == AF_UNSPEC || addresses[i].addr.ss_family == only) addresses[kept++] = addresses[i];
  for (uint32_t i = 1; i < kept; i++) {
    uint32_t k = i;
    while (k < kept && addresses[k].addr.ss_family == addresses[i - 1].addr.ss_family) k++;
    if (k == kept) break; /* the rest is of one family */
    move_up(addresses, k, i);
  }
  for (uint32_t i = 1; i < kept; i++)
    if (tf_address_is(&addresses[i], last_good)) move_up(addresses, i, 0);
  return kept < TF_ADDRESSES_MAX ? kept : TF_ADDRESSES_MAX;
}

bool tf_address_of_text(const char *text, tf_address_t *address) {
  struct sockaddr_in  v4 = {.sin_family = AF_INET};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
  memset(address, 0, sizeof *address);
  if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
    memcpy(&address->addr, &v4, sizeof v4);
    address->addr_cnt = sizeof v4;
  } else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
    memcpy(&address->addr, &v6, sizeof v6);
    address->addr_cnt = sizeof v6;
  }
  return address->addr_cnt > 0;
}

const char *tf_address_text(const tf_address_t *address, char text[TF_ADDRESS_TEXT_MAX]) {
  const void *bytes = &((const struct sockaddr_in *)&address->addr)->sin_addr;
  if (address->addr.ss_family == AF_INET6)
    bytes = &((const struct sockaddr_in6 *)&address->addr)->sin6_addr;
  text[0] = '\0';
  if (address->addr_cnt > 0) inet_ntop(address->addr.ss_family, bytes, text, TF_ADDRESS_TEXT_MAX);
  return text;
}
