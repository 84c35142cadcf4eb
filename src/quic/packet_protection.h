// The callbacks by which ngtcp2 seals and opens packets (RFC 9001 §5), on GnuTLS, with a tap on what goes
// through. ngtcp2 does not say for which connection it calls, so whoever calls into ngtcp2 names the
// connection's tap first.
#pragma once

#include "quic/packet_tap.h"

#include <utility>

#include <ngtcp2/ngtcp2.h>

namespace sallyport::quic {

void install_packet_protection(ngtcp2_callbacks& callbacks);

/// While it lives, packets sealed and opened on this thread belong to `tap`. They nest, as connections do.
class TapScope {
 public:
  explicit TapScope(PacketTap& tap) : outer_(std::exchange(current_, &tap)) {}
  ~TapScope() { current_ = outer_; }
  TapScope(const TapScope&) = delete;
  TapScope& operator=(const TapScope&) = delete;

  static PacketTap* current() { return current_; }

 private:
  static inline thread_local constinit PacketTap* current_ = nullptr;
  PacketTap* outer_;
};

}  // namespace sallyport::quic
