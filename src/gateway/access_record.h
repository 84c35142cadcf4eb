// AccessRecord: one line of the access log before it is one: what is known of a request or a tunnel that
// ended. Flat, so that a worker hands it to the writer's thread by copying it into a queue once.
#pragma once

#include "base/bytes.h"
#include "base/time.h"
#include "http/exchange_log.h"
#include "net/address.h"

#include <array>
#include <cstdint>
#include <string_view>

namespace sallyport::gateway {

struct AccessRecord {
  enum Text : std::uint8_t {
    connection_id,
    identity,
    tls,
    cipher,
    server_name,
    method,
    protocol,
    authority,
    path,
    proxy_status,
    why,
    referer,
    user_agent,
    texts
  };
  /// Longer texts are cut: one request must not push all others out of the queue.
  static constexpr std::size_t longest_text = 4096;

  struct Fixed {
    WallTime started{};
    Duration duration{};
    std::uint64_t worker_key = 0;  ///< random, of a worker's start: with `number` the request ID
    std::uint64_t number = 0;
    std::uint64_t bytes_in = 0, bytes_out = 0;
    std::int64_t stream_id = 0;
    net::SocketAddress client;
    std::uint32_t status = 0;  ///< 0: none
    http::Version version{};
    http::ExchangeEnd end{};
    bool client_known = false;  ///< `client` is validated
    bool has_request = false;   ///< false: nothing of it could be read
  } fixed;
  std::array<std::string_view, texts> text;

  std::string_view& operator[](Text which) { return text[which]; }
  std::string_view operator[](Text which) const { return text[which]; }

  /// Bytes that encode() takes.
  std::size_t encoded_size() const;
  void encode(std::uint8_t* out) const;
  /// Of what encode() wrote; its texts are views of it.
  static AccessRecord decode(Bytes encoded);
};

}  // namespace sallyport::gateway
