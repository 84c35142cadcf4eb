// Get: the work of `sallyport get`: downloads URLs through a chain of hops, several at once over one
// connection, and gathers the figures of all that took part.
#pragma once

#include "client/fetch.h"
#include "client/figures.h"
#include "client/transcript.h"
#include "dial/chain.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::client {

struct GetJob {
  dial::Url url;
  std::string output;         ///< a path, or "-"
  bool may_be_binary = true;  ///< false: a binary body is refused (a terminal)
};

struct GetOptions {
  std::vector<GetJob> jobs;
  dial::ChainOptions chain;
  /// Requests at once: one URL is split by ranges, several URLs run beside each other.
  std::size_t streams = 1;
  unsigned repeat = 1;
  bool resume = false;
  bool follow_redirects = false;
  bool progress = true;
  Duration stall_timeout = 30s;
  RequestPlan request;
  /// Also the body that comes with an error's status is taken; with `status_fails` it is an error all the
  /// same.
  bool take_any_status = false, status_fails = true;
  bool heads_in_output = false;        ///< before the body
  std::uint64_t rate_limit = 0;        ///< bytes a second, of each download; 0: none
  Duration max_time{};                 ///< that one try of a download may take; 0: for ever
  unsigned retries = 0;                ///< of a download that failed for the moment
  std::optional<Duration> retry_wait;  ///< before each; by itself what the server says, or longer each time
  bool keep_headers = false;           ///< in the figures
  Transcript::Say verbose;             ///< gets what is said on the wire, as lines
  Transcript::Say note;                ///< gets sentences about what goes on
  net::EventLoop* loop =
      nullptr;  ///< where pipes and terminals are waited for; null: they hold up the caller
};

class Get {
 public:
  /// Called once when all is done and said; transfers that failed hold their error.
  using Done = std::function<void(GetFigures)>;
  /// `context` must outlive it.
  Get(dial::Context& context, GetOptions options, Done done);
  ~Get();
  void start();
  /// Stops what runs, keeping what came (SIGINT). Not before start().
  void interrupt();

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport::client
