// ReplayGuard: refuses 0-RTT data that was seen before (RFC 8446 §8.2). Servers of one deployment's machine
// share a ReplayRecord, so that a replay to another worker is noticed as well; each Endpoint has a
// ReplayGuard of its own on it.
#pragma once

#include "base/bytes.h"

#include <chrono>
#include <cstdint>
#include <ctime>
#include <memory>
#include <mutex>
#include <unordered_set>

struct gnutls_anti_replay_st;

namespace sallyport::tls {

/// What is good once, and was seen in the last while: ClientHellos with early data, or (in a record of their
/// own) the tokens that prove addresses. Safe from any thread. Bounded: when it is full, all is refused (and
/// the handshake goes on without 0-RTT, or with a Retry).
class ReplayRecord {
 public:
  /// How long after its sending (as the client's ticket age tells it) a ClientHello may still bring early
  /// data; how long a token is good.
  static constexpr std::chrono::seconds window{3600};
  static constexpr std::size_t capacity = 200'000;

  /// False when `id` was there, or when there is no room. `now` in seconds of any steady or wall clock.
  bool add(Bytes id, std::time_t now);

 private:
  std::mutex mutex_;
  // Two generations, each at least a window long: what is dropped with the older one is too old to be
  // accepted anyhow.
  std::unordered_set<std::uint64_t> current_, previous_;
  std::time_t current_since_ = 0;
};

/// One thread's handle for GnuTLS. Early data is refused on tickets made before this existed.
class ReplayGuard {
 public:
  explicit ReplayGuard(std::shared_ptr<ReplayRecord> record = std::make_shared<ReplayRecord>());
  ~ReplayGuard();
  ReplayGuard(const ReplayGuard&) = delete;
  ReplayGuard& operator=(const ReplayGuard&) = delete;
  gnutls_anti_replay_st* native() const { return native_; }

 private:
  std::shared_ptr<ReplayRecord> record_;
  gnutls_anti_replay_st* native_ = nullptr;
};

}  // namespace sallyport::tls
