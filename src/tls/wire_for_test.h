// For tests and fuzzing: a stream that takes what is written, and keys for both of its ends.
#pragma once

#include "net/byte_stream.h"
#include "tls/traffic_keys.h"

#include <cstdint>
#include <utility>
#include <vector>

namespace sallyport::tls {

struct Wire final : net::ByteStream {
  void set_receiver(net::ByteStreamReceiver*) override {}
  void write(Chunk chunk) override { write(chunk.bytes()); }
  void write(Bytes bytes) override { written.insert(written.end(), bytes.begin(), bytes.end()), ++writes; }
  std::size_t queued_bytes() const override { return 0; }
  void finish() override {}
  void close() override {}
  void set_reading(bool) override {}
  net::NetPath net_path() const override { return {}; }
  std::vector<std::uint8_t> written;
  std::size_t writes = 0;
};

inline TrafficKeys keys_for_test(std::uint8_t seed, std::uint64_t sequence = 0) {
  TrafficSecret secret;
  secret.fill(seed);
  return std::move(*TrafficKeys::make(secret, sequence));
}

/// A record as a peer seals it; `inner` is content, type and padding.
inline std::vector<std::uint8_t> sealed_by(TrafficKeys& keys, Bytes inner) {
  constexpr std::size_t header_size = 5;
  const std::size_t length = inner.size() + aes_gcm_tag_size;
  std::vector<std::uint8_t> record{23, 3, 3, static_cast<std::uint8_t>(length >> 8),
                                   static_cast<std::uint8_t>(length)};
  record.resize(header_size + length);
  keys.aead().seal(record.data() + header_size, inner, keys.next_nonce(), Bytes(record).first(header_size));
  return record;
}

}  // namespace sallyport::tls
