// RequestSender: makes the requests of one Fetch by the user's plan: sends their content, keeps what moves to
// a rate, tells a watcher what is said, and knows which responses are taken as they come.
#pragma once

#include "client/content.h"
#include "client/pace.h"
#include "client/request_plan.h"
#include "http/connection.h"
#include "http/exchange.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace sallyport::client {

/// Is told what is said in requests and their responses.
class RequestWatcher {
 public:
  virtual void on_request(const http::Exchange&) {}
  /// Also of informational responses. An error ends the download.
  virtual Result<> on_head(const http::Exchange&, const http::Response&) { return {}; }

 protected:
  ~RequestWatcher() = default;
};

/// Whose body is what was asked for.
enum class Accept : std::uint8_t {
  success,        ///< 2xx
  not_redirects,  ///< all but 3xx with a Location
  all,
};

struct RequestOptions {
  RequestPlan plan;
  Accept accept = Accept::success;
  std::uint64_t rate_limit = 0;       ///< bytes a second; 0: none
  RequestWatcher* watcher = nullptr;  ///< outlives the Fetch; null: nobody
  net::EventLoop* loop = nullptr;     ///< where content that comes by a pipe is waited for
};

class RequestSender {
 public:
  /// `go_on` is called when what the rate held back may move again.
  RequestSender(net::Timers& timers, RequestOptions options, std::function<void()> go_on);

  /// For the caller's fields to be added.
  http::Request request(const dial::Url& url) const { return make_request(options_.plan, url); }
  /// `content` gets who sends the content; null where there is none.
  http::Exchange& send(http::Connection& connection, http::Request request, http::ExchangeHandler& handler,
                       std::unique_ptr<BodySender>& content);
  Result<> show(const http::Exchange& exchange, const http::Response& head) const;

  /// The response is neither to be split by ranges nor gone on with later.
  bool is_whole_only() const { return !options_.plan.is_plain_get() || options_.accept != Accept::success; }
  /// What is asked for is all of the resource: a response that brings a part of it is none.
  bool wants_whole() const {
    return options_.plan.method == "GET" && !options_.plan.fields.contains("range");
  }
  /// Where is_whole_only(): the body of what `head` begins is what was asked for.
  bool takes(const http::Response& head) const;
  /// A request that ended so, without an answer, may be made once more.
  bool may_repeat(const Error& why) const;

  Pace& pace() { return pace_; }

 private:
  RequestOptions options_;
  Pace pace_;
};

/// The error for a response whose status means failure. `authority`: what was asked in place of the URL's;
/// empty: nothing.
Error status_error(const dial::Url& url, unsigned status, const std::string& location,
                   const std::string& authority = {});

}  // namespace sallyport::client
