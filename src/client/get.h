// Get: the work of `sallyport get`: downloads URLs through a chain of hops, several at once over one
// connection, and gathers the figures of all that took part.
#pragma once

#include "client/chain.h"
#include "client/fetch.h"
#include "client/figures.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::client {

struct GetJob {
  Url url;
  std::string output;  ///< a path, or "-"
};

struct GetOptions {
  std::vector<GetJob> jobs;
  ChainOptions chain;
  /// Requests at once: one URL is split by ranges, several URLs run beside each other.
  std::size_t streams = 1;
  unsigned repeat = 1;
  bool resume = false;
  bool follow_redirects = false;
  bool progress = true;
  Duration stall_timeout = 30s;
  net::EventLoop* loop =
      nullptr;  ///< where pipes and terminals are waited for; null: they hold up the caller
};

class Get {
 public:
  /// Called once when all is done and said; transfers that failed hold their error.
  using Done = std::function<void(GetFigures)>;
  /// `context` must outlive it.
  Get(Context& context, GetOptions options, Done done);
  ~Get();
  void start();
  /// Stops what runs, keeping what came (SIGINT). Not before start().
  void interrupt();

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport::client
