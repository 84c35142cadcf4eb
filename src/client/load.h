// Load: the work of `sallyport bench`: a load generator for HTTP/3, /2 and /1.1, direct or through hops.
// Closed loop (each stream asks again when it is answered), or open loop at a rate, where latency counts from
// the moment a request was due, so that a slow answer is not hidden by the requests it held back (coordinated
// omission).
#pragma once

#include "client/chain.h"
#include "client/figures.h"
#include "client/latency_histogram.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace sallyport::client {

struct LoadOptions {
  Url url;
  ChainOptions chain;
  std::size_t connections = 1;
  std::size_t streams = 1;       ///< requests at once on each connection
  std::uint64_t requests = 0;    ///< in all; 0: until `duration` is over
  Duration duration{};           ///< zero: until `requests` are done
  double rate = 0;               ///< requests due a second in all; 0: closed loop
  bool new_connections = false;  ///< each request on a connection of its own
};

struct LoadFigures {
  std::uint64_t requests = 0;                   ///< answered with a 2xx, whole
  std::uint64_t bytes = 0;                      ///< of bodies
  std::map<std::string, std::uint64_t> errors;  ///< by kind: "status 404", "timeout", ...
  std::string first_error;                      ///< of a connection, in words
  /// With a rate also of what was unanswered at the end: as long as it had taken by then.
  LatencyHistogram latency, connect;
  std::uint64_t unanswered = 0;  ///< due or under way when the time was over
  Duration oldest_unanswered{};
  std::uint64_t connections = 0;  ///< that stood
  double seconds = 0;
  ProcessFigures process;
  std::string version;  ///< that was spoken
};

class Load {
 public:
  using Done = std::function<void(LoadFigures)>;
  Load(Context& context, LoadOptions options, Done done);
  ~Load();
  void start();
  void interrupt();

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

std::string load_table(const LoadFigures& figures);
std::string load_json(const LoadFigures& figures);

}  // namespace sallyport::client
