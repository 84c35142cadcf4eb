// ReplayGuard: 0-RTT replay protection by ClientHello recording (RFC 8446 §8.2). All workers of a process
// share a ReplayRecord, so a replay to another worker is detected too; each Endpoint has its own ReplayGuard
// on it.
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

/// The single-use values seen within the window: ClientHellos with early data, or (in a separate record)
/// address validation tokens. Thread-safe. Bounded: when it is full, all are refused (the handshake continues
/// without 0-RTT, or with a Retry).
class ReplayRecord {
 public:
  /// How long after it was sent (by its ticket age) a ClientHello may still carry early data; how long a
  /// token is valid.
  static constexpr std::chrono::seconds window{3600};
  static constexpr std::size_t capacity = 200'000;

  /// False when `id` was seen before, or the record is full. `now` in seconds of any steady or wall clock.
  bool add(Bytes id, std::time_t now);

 private:
  std::mutex mutex_;
  // Two generations, each at least a window long: entries dropped with the older one are too old to be
  // accepted.
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
