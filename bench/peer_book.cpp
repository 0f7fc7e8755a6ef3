#include "peer_book.h"

#include <zlib.h>

static constexpr int LEVELS = 25;

void peer_book::clear() {
  sides[0].clear();
  sides[1].clear();
}

void peer_book::put(bool is_ask, int64_t price, std::string_view price_text,
                    std::string_view qty_text) {
  int64_t key = is_ask ? -price : price;
  if (qty_text.empty()) {
    sides[is_ask].erase(key);
    return;
  }
  level &at = sides[is_ask][key];
  at.price.assign(price_text);
  at.qty.assign(qty_text);
}

int32_t peer_book::checksum() {
  auto bid = sides[0].crbegin(), ask = sides[1].crbegin();
  text.clear();
  for (int i = 0; i < LEVELS; i++) {
    if (bid != sides[0].crend()) {
      text.append(bid->second.price).append(1, ':').append(bid->second.qty).append(1, ':');
      ++bid;
    }
    if (ask != sides[1].crend()) {
      text.append(ask->second.price).append(1, ':').append(ask->second.qty).append(1, ':');
      ++ask;
    }
  }
  size_t bytes = text.empty() ? 0 : text.size() - 1;
  return (int32_t)crc32_z(0, (const Bytef *)text.data(), bytes);
}
