// AccessRecord: the data of one line of the access log: a request or a tunnel that ended. Flat: a worker
// passes it to the writer's thread by one copy into a queue.
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
    addresses,
    tls,
    cipher,
    server_name,
    client_subject,
    client_fingerprint,
    method,
    protocol,
    authority,
    path,
    proxy_status,
    request_id,
    route,
    upstream,
    upstream_error,
    why,
    referer,
    user_agent,
    texts
  };
  /// Longer texts are truncated: one request must not fill the queue.
  static constexpr std::size_t longest_text = 4096;

  struct Fixed {
    WallTime started{};
    Duration duration{};
    Duration until_response{-1};  ///< from its start to the head of the response; negative: there was none
    std::uint64_t worker_key =
        0;  ///< random for each worker and start; this and `number` are the ID where `request_id` is empty
    std::uint64_t number = 0;
    std::uint64_t bytes_in = 0, bytes_out = 0;
    std::uint64_t datagrams_in = 0, datagrams_out = 0;
    std::int64_t stream_id = 0;
    net::SocketAddress client;
    std::uint32_t status = 0;  ///< 0: none
    http::Version version{};
    http::ExchangeEnd end{};
    bool client_known = false;  ///< `client` is validated
    bool has_request = false;   ///< false: the request could not be parsed
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
