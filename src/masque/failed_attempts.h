// FailedAttempts: how often clients showed a wrong token of late, so that nobody guesses faster than a few a
// minute, with however many requests, connections and workers. Shared by all threads; asked for requests that
// carry a token, never for a packet.
//
// A client (a ClientKey: before it has shown who it is, its address) may fail `burst` times at once, and once
// more each `interval` after that. Beyond it a token is not looked at, whether it is good or not: an answer
// would be the guesser's. A good one costs nothing, so whoever shares an address with a guesser gets in
// whenever there is room for an attempt.
#pragma once

#include "base/time.h"
#include "masque/client_key.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>

namespace sallyport::masque {

class FailedAttempts {
 public:
  struct Limits {
    unsigned burst = 10;
    Duration interval = 2s;
    /// Clients of whom failures are remembered. When there are more, all new ones count as one client, which
    /// may fail `crowd` times as often.
    std::size_t clients = 65536;
    unsigned crowd = 16;
  };
  FailedAttempts() = default;
  explicit FailedAttempts(const Limits& limits) : limits_(limits) {}

  /// Nothing: another attempt of `client`'s may be looked at. Otherwise how long until that is so.
  Duration wait(const ClientKey& client, Time now);
  /// `attempt`: what was tried, or a digest of it. The same one again and again guesses nothing, so it counts
  /// once: a client with an old token does not shut others out of an address that they share.
  void add(const ClientKey& client, std::uint64_t attempt, Time now);
  /// Clients of whom failures are remembered.
  std::size_t size() const { return size_.load(std::memory_order_relaxed); }
  /// Forgets those whose failures are forgiven; add() does so as well.
  void forget(Time now);

 private:
  Duration wait_until(Time forgiven, Duration interval, Time now) const;
  void sweep(Time now);

  const Limits limits_;
  std::mutex mutex_;
  struct Client {
    Time forgiven{};  // when all failures will be; each moves it on by one interval
    std::uint64_t last_attempt = 0;
  };
  std::map<ClientKey, Client> clients_;
  Time crowd_forgiven_{};
  Time sweep_at_{};
  std::atomic<std::size_t> size_ = 0;
};

}  // namespace sallyport::masque
