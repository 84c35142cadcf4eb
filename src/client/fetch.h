// Fetch: one URL into one Output, in one request or split by ranges into several at once over one connection
// (RFC 9110 §14), put together right: every part must be of the same representation. What a server answers
// is judged in answer.h; where it is of no use, or of several versions, the whole is asked for in one
// request.
#pragma once

#include "client/output.h"
#include "client/request_sender.h"
#include "dial/url.h"
#include "http/connection.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace sallyport::client {

struct FetchOptions {
  std::size_t parts = 1;                     ///< requests at once
  std::uint64_t smallest_part = 256 * 1024;  ///< bytes; less is not worth a request of its own
  Duration stall_timeout = 30s;              ///< no byte for this long ends it
  std::int64_t unix_time = 0;                ///< seconds, when it starts; for dates in Retry-After
  std::function<void(std::string_view)>
      note;  ///< gets a sentence where what an earlier run left is of no use
  RequestOptions request;
};

struct FetchFigures {
  unsigned status = 0;
  std::uint64_t bytes = 0;          ///< of body, received in this run
  std::uint64_t resumed_bytes = 0;  ///< that were there already
  std::uint64_t size = 0;           ///< of the whole; 0 while unknown
  std::size_t requests = 0;
  http::Fields fields;     ///< of the response that `status` is of
  std::string location;    ///< of a redirect
  std::string alt_svc;     ///< what the first response said
  bool resumable = false;  ///< what came can be gone on with: the size is known, and which version it is of
  Time started{};          ///< the first request was sent
  Time first_byte{};       ///< of a response's head: HTTP time to first byte
  Time ended{};
};

/// Whether an error is of the connection, not of what was asked for.
bool is_of_connection(ErrorKind kind);

class Fetch {
 public:
  using Done = std::function<void(Result<>)>;
  using Opened = std::function<void(Result<http::Connection*>)>;
  /// Finds a connection that takes a request now, as Chain::open does; also when one broke, or takes no more
  /// requests, before all was asked for.
  using Open = std::function<void(Opened)>;
  /// `timers` and `output` must outlive it. `done` is called once, in a later turn than start(); destroying
  /// the Fetch before that cancels.
  Fetch(net::Timers& timers, Open open, dial::Url url, Output& output, FetchOptions options, Done done);
  /// Over this connection alone, which must outlive it.
  Fetch(http::Connection& connection, const dial::Url& url, Output& output, FetchOptions options, Done done);
  ~Fetch();
  void start();
  const FetchFigures& figures() const;
  /// It ended because nothing came for the stall timeout.
  bool stalled() const;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport::client
