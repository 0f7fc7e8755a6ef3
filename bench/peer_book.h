/* The peer's book, for the rows of bench_venues where it does what ours does for a venue of checksums (OKX, Bitget): an
 * ordered map a side, as most clients keep, the numbers' texts in it, and zlib's CRC-32 of the 25 best levels a side
 * behind every message. */
#ifndef BENCH_PEER_BOOK_H
#define BENCH_PEER_BOOK_H

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

class peer_book {
public:
  void clear();
  /* price: at one exponent for all. An empty quantity is none. */
  void put(bool is_ask, int64_t price, std::string_view price_text, std::string_view qty_text);
  /* As the venue sends it, with a sign. */
  int32_t checksum();

private:
  struct level {
    std::string price, qty;
  };
  std::map<int64_t, level> sides[2]; /* by price, asks' below 0: the best is last */
  std::string              text;
};

#endif
