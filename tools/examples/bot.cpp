// The consumer of bot.c in C++17: the same options, the same lines.
//
//     c++ -std=c++17 -O2 -I include tools/examples/bot.cpp -o bot && ./bot decisions
#include <charconv>
#include <chrono>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>

#include "tf/reader.h"

namespace {

volatile std::sig_atomic_t stopped;

struct Options {
  std::string stream;
  uint64_t    count         = 0; // decisions to print; 0 = no limit
  uint64_t    dead_after_ms = TF_READER_DEAD_AFTER_NS / TF_NS_PER_MS;
  bool        oldest        = false;
  bool        spin          = false;
  bool        detailed      = false;
};

void usage(std::FILE *out) {
  std::fputs(
      "usage: bot_cpp STREAM [--count N] [--oldest] [--dead-after MS] [--spin] [--detailed]\n"
      "as bot does, which says what each option means\n",
      out);
}

bool number_parse(const char *text, uint64_t &number) {
  if (text == nullptr) return false;
  const char *end    = text + std::strlen(text);
  auto [last, error] = std::from_chars(text, end, number);
  return error == std::errc() && last == end && last != text;
}

bool options_parse(int argc, char **argv, Options &options) {
  for (int i = 1; i < argc; i++) {
    std::string_view argument = argv[i];
    if (argument == "--oldest") {
      options.oldest = true;
    } else if (argument == "--spin") {
      options.spin = true;
    } else if (argument == "--detailed") {
      options.detailed = true;
    } else if (argument == "--count" && number_parse(argv[i + 1], options.count)) {
      i++;
    } else if (argument == "--dead-after" && number_parse(argv[i + 1], options.dead_after_ms) &&
               options.dead_after_ms <= UINT64_MAX / TF_NS_PER_MS) {
      i++;
    } else if (!argument.empty() && argument[0] != '-' && options.stream.empty()) {
      options.stream = argument;
    } else {
      std::fprintf(stderr, "bot_cpp: unknown or incomplete argument \"%s\"\n", argv[i]);
      return false;
    }
  }
  return !options.stream.empty();
}

// Opens in the constructor, closes in the destructor; is_open says how it went.
class Reader {
public:
  explicit Reader(const Options &options) : status_(tf_reader_open(options.stream.c_str(), &raw_)) {
    if (!is_open()) return;
    raw_.dead_after_ns = options.dead_after_ms * TF_NS_PER_MS;
    if (options.oldest) tf_reader_seek_oldest(&raw_);
  }
  ~Reader() { tf_reader_close(&raw_); }
  Reader(const Reader &)            = delete;
  Reader &operator=(const Reader &) = delete;

  bool               is_open() const { return status_ == TF_OK; }
  tf_reader_result_t next(tf_decision_t &decision) { return tf_reader_next(&raw_, &decision); }
  const tf_reader_t &raw() const { return raw_; }

private:
  tf_reader_t raw_;
  tf_err_t    status_;
};

const char *action_name(uint8_t action) {
  switch (action) {
  case TF_ACTION_HOLD: return "HOLD";
  case TF_ACTION_BUY: return "BUY";
  case TF_ACTION_SELL: return "SELL";
  case TF_ACTION_FLAT: return "FLAT";
  default: return "?";
  }
}

void decision_print(const tf_reader_t &reader, const tf_decision_t &d, bool detailed) {
  char        price[64];
  const char *known = tf_reader_instrument_name(&reader, d.instrument_id);
  std::string name  = known != nullptr ? known : "#" + std::to_string(d.instrument_id);
  std::printf("%" PRIu64 " %s %s %.6g %s", tf_reader_seq(&reader), name.c_str(),
              action_name(d.action), static_cast<double>(d.score),
              tf_reader_decimal_text(d.ref_price, d.ref_price_exp, price, sizeof price));
  if (detailed) {
    using namespace std::chrono;
    int64_t now_ns = duration_cast<nanoseconds>(system_clock::now().time_since_epoch()).count();
    std::printf(" decision_seq=%" PRIu64 " epoch=%" PRIu32 " age_ns=%" PRId64, d.decision_seq,
                d.epoch, now_ns - static_cast<int64_t>(d.ts_out_ns));
  }
  std::putchar('\n');
}

// Returns the exit status.
int follow(Reader &reader, const Options &options) {
  tf_decision_t decision;
  uint64_t      printed  = 0;
  uint32_t      idle_cnt = 0;
  while (!stopped && (options.count == 0 || printed < options.count)) {
    switch (reader.next(decision)) {
    case TF_READER_READ:
      decision_print(reader.raw(), decision, options.detailed);
      printed++;
      idle_cnt = 0;
      break;
    case TF_READER_OVERRUN:
      std::printf("overrun lost_from=%" PRIu64 " lost_to=%" PRIu64 "\n",
                  reader.raw().ring.lost_from, reader.raw().ring.lost_to);
      idle_cnt = 0;
      break;
    case TF_READER_DEAD:
      std::fprintf(stderr,
                   "bot_cpp: no heartbeat from the engine (pid %" PRIu32 ") for %" PRIu64 " ms\n",
                   tf_reader_writer_pid(&reader.raw()), options.dead_after_ms);
      return 0;
    case TF_READER_CLOSED: std::fputs("bot_cpp: the engine closed the stream\n", stderr); return 0;
    case TF_READER_EMPTY:
      if (idle_cnt++ == 0 && std::fflush(stdout) != 0) return 1; // who reads us has gone
      if (options.spin || idle_cnt < 1000)
        tf_spin_pause();
      else
        std::this_thread::sleep_for(std::chrono::microseconds(100));
      break;
    }
  }
  return 0;
}

} // namespace

int main(int argc, char **argv) {
  Options options;
  if (argc == 2 && std::string_view(argv[1]) == "--help") {
    usage(stdout);
    return 0;
  }
  if (!options_parse(argc, argv, options)) {
    usage(stderr);
    return 2;
  }
  std::signal(SIGINT, [](int) { stopped = 1; });
  std::signal(SIGTERM, [](int) { stopped = 1; });

  Reader reader(options);
  if (!reader.is_open()) {
    std::fprintf(stderr, "bot_cpp: %s\n", reader.raw().error);
    return 1;
  }
  int status = follow(reader, options);
  if (std::fflush(stdout) != 0) status = 1;
  std::fprintf(stderr, "bot_cpp: received=%" PRIu64 " lost=%" PRIu64 "\n",
               reader.raw().ring.read_cnt, reader.raw().ring.lost_cnt);
  return status;
}
