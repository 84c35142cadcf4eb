// Replies: what all answers of a worker have in common: Date, Alt-Svc, counting, and short answers with a
// sentence as their body.
#pragma once

#include "base/chunk.h"
#include "http/exchange.h"
#include "http/http_date.h"

#include <array>
#include <cstdint>
#include <string_view>

namespace sallyport::http {

/// A request on its way through the gateway.
struct Incoming {
  http::Exchange& exchange;
  std::string_view alt_svc;  ///< of the listener that it came by; empty over HTTP/3
  bool clear = false;        ///< that listener has no TLS
};

/// Answers by version (HTTP/1.0 and /1.1, /2, /3) and status class (1xx to 5xx).
struct ReplyCounters {
  static constexpr std::size_t versions = 3;
  std::array<std::array<std::uint64_t, 6>, versions> by_class{};  ///< [version][status / 100]
  std::array<std::uint64_t, versions> body_bytes{};               ///< handed over for sending

  static std::size_t index(http::Version version) {
    return version == http::Version::http3 ? 2 : version == http::Version::http2 ? 1 : 0;
  }
};

/// What answers requests that are neither for a proxy nor refused: a folder of files, for one. Outlives the
/// exchanges that it was given.
class Content {
 public:
  virtual ~Content() = default;
  virtual void serve(const Incoming& in) = 0;
};

class Replies {
 public:
  /// Adds Date, where a backend has not said it, and Alt-Svc to `head`.
  void complete(const Incoming& in, http::Response& head);
  /// Sends a head that is complete, its whole body behind it (left out for HEAD), and sets a handler that
  /// wants nothing more.
  void send(const Incoming& in, const http::Response& head, Chunk body);
  /// `sentence` as plain text, with what `head` has already.
  void sentence(const Incoming& in, http::Response head, std::string_view sentence);
  void sentence(const Incoming& in, unsigned status, std::string_view text) {
    sentence(in, http::Response{.status = status}, text);
  }
  /// For answers that are sent piece by piece by somebody else.
  void count_head(const Incoming& in, unsigned status);
  void count_body(http::Version version, std::size_t bytes) {
    counters_.body_bytes[ReplyCounters::index(version)] += bytes;
  }

  DateClock& clock() { return clock_; }
  const ReplyCounters& counters() const { return counters_; }

 private:
  DateClock clock_;
  ReplyCounters counters_;
};

/// Whether the request says that its body is small enough to be let come in where nobody wants it. To stop it
/// is allowed (RFC 9114 §4.1), but Chromium then waits for ever for the response that it has.
bool has_small_body(const http::Request& request);

/// To be called behind respond() for a request of whose body nothing is wanted. Over HTTP/1.1, where the
/// answer is to say whether the connection closes after it, decides whether the body is let come in; over the
/// others that is time enough when it comes.
void decline_body(http::Exchange& exchange);

/// The handler of an exchange that is answered: tells the peer to stop if it goes on sending. One for all.
http::ExchangeHandler& answered();

}  // namespace sallyport::http
