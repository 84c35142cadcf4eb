// ExchangeLog: who is told of each exchange of a server when it has ended, whoever answered it and however it
// ended: for an access log. ExchangeBase counts what is told, and only when there is a log.
#pragma once

#include "base/result.h"
#include "base/time.h"
#include "http/message.h"

#include <cstdint>
#include <optional>
#include <string>

namespace sallyport::http {

class Connection;

enum class ExchangeEnd : std::uint8_t {
  complete,           ///< both messages, or both directions of a tunnel, came to their end
  client_reset,       ///< the client reset its stream, or asked us to stop sending
  reset,              ///< we did, for `why`
  connection_closed,  ///< it ended with its connection, or with less than its messages, for `why`
};

struct ExchangeRecord {
  const Request* request = nullptr;  ///< null where nothing of it could be read; else as far as it could
  Version version{};
  std::int64_t stream_id = 0;
  Time started{};                      ///< the first byte of the request came
  std::optional<Time> request_head{};  ///< all of its head was there; nullopt: it never was
  /// The head of the final response was handed to the transport; nullopt: there was none.
  std::optional<Time> response_head{};
  Time ended{};
  unsigned status = 0;  ///< final; 0: there was none
  /// Content as it came, and as it was handed to the transport. Of a tunnel its payload: bytes of the stream,
  /// or of HTTP datagrams without their context ID.
  std::uint64_t bytes_in = 0, bytes_out = 0;
  std::uint64_t datagrams_in = 0, datagrams_out = 0;  ///< HTTP datagrams of a tunnel, in any form
  std::string proxy_status;                           ///< the response's field (RFC 9209); empty for none
  std::string identity;                               ///< see Exchange::set_identity()
  std::string addresses;                        ///< see Exchange::set_addresses(), as it was called last
  std::string request_id;                       ///< see Exchange::set_request_id(); empty: it has none
  std::string route, upstream, upstream_error;  ///< see Exchange::set_upstream(), as it was called last
  ExchangeEnd end = ExchangeEnd::complete;
  const Error* why = nullptr;  ///< null when complete
};

class ExchangeLog {
 public:
  /// Once for each exchange whose request's head came, or was answered or refused before it had. `record` and
  /// what it points to are valid during the call. Not for changing anything: no exchange may be touched from
  /// inside.
  virtual void on_exchange_ended(const Connection& connection, const ExchangeRecord& record) = 0;

 protected:
  ~ExchangeLog() = default;
};

}  // namespace sallyport::http
