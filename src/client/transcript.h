// Transcript: what was said in a request and its response, as text: for `get -v`, `-i`, `-I` and the headers
// in `--json`. Credentials (http::holds_credentials) are shown to nobody but whoever asked for the response's
// head as it is.
#pragma once

#include "client/request_sender.h"
#include "dial/link.h"
#include "http/exchange.h"

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::client {

class HeadedOutput;

/// The head as a response over HTTP/1.1 has it, with whatever version: "HTTP/3 200 \r\n", fields, empty line.
/// Nothing is hidden.
std::string head_text(http::Version version, const http::Response& head);

/// What stands in place of a credential.
inline constexpr std::string_view hidden_value = "(hidden)";

/// Lines for a person: "> GET /path HTTP/3", "> host: ...".
std::string request_lines(const http::Exchange& exchange);
/// "< HTTP/3 200", "< content-type: ...".
std::string response_lines(http::Version version, const http::Response& head);
/// "* origin example.org:443: HTTP/3, 192.0.2.1:443, TLS1.3", of each link that a request goes through.
std::string link_lines(std::span<const dial::LinkFigures> links);

/// Watches one download.
class Transcript final : public RequestWatcher {
 public:
  using Say = std::function<void(std::string_view lines)>;
  using Links = std::function<std::vector<dial::LinkFigures>()>;
  /// `say` (null: nobody listens) is called with whole lines; `heads` (null: nowhere) gets the heads of
  /// responses. `links`: the hops and the origin's connection.
  Transcript(Say say, Links links, HeadedOutput* heads);

  void on_request(const http::Exchange& exchange) override;
  Result<> on_head(const http::Exchange& exchange, const http::Response& head) override;

 private:
  Say say_;
  Links links_;
  HeadedOutput* heads_;
  const http::Connection* told_ = nullptr;  // of this connection
};

}  // namespace sallyport::client
