// Load: the work of `sallyport bench`: a load generator for HTTP/3, /2 and /1.1, direct or through hops.
// Closed loop (each stream asks again when it is answered), or open loop at a rate, where latency counts from
// the moment a request was due, so that a slow answer is not hidden by the requests it held back (coordinated
// omission).
#pragma once

#include "client/figures.h"
#include "client/latency_histogram.h"
#include "dial/chain.h"
#include "http/fields.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::client {

struct LoadOptions {
  /// At least one; asked for in turn. Connections are shared out among their hosts.
  std::vector<dial::Url> urls;
  dial::ChainOptions chain;
  std::size_t connections = 1;      ///< at least as many as there are hosts
  std::size_t streams = 1;          ///< requests at once on each connection
  std::uint64_t requests = 0;       ///< in all; 0: until `duration` is over
  Duration duration{};              ///< zero: until `requests` are done
  Duration warm_up{};               ///< before that: requests are made and not measured
  double rate = 0;                  ///< requests due a second in all; 0: closed loop
  bool new_connections = false;     ///< each request on a connection of its own
  http::Fields fields;              ///< of each request
  std::optional<std::string> body;  ///< of each request, which is a POST then
};

struct LoadFigures {
  std::uint64_t requests = 0;                   ///< answered with a 2xx, whole
  std::uint64_t bytes = 0;                      ///< of bodies that came
  std::map<std::string, std::uint64_t> errors;  ///< by kind: "status 404", "timeout", ...
  std::string first_error;                      ///< of a connection, or a 421, in words
  /// With a rate also of what was unanswered at the end: as long as it had taken by then.
  LatencyHistogram latency;
  LatencyHistogram connect;      ///< of all connections, those of the warm-up too
  std::uint64_t unanswered = 0;  ///< due or under way when the time was over
  Duration oldest_unanswered{};
  std::uint64_t connections = 0;  ///< that were established, those of the warm-up too
  double seconds = 0;             ///< measured, without the warm-up
  double warm_up_seconds = 0;
  ProcessFigures process;  ///< without the warm-up
  std::string version;     ///< that was spoken
};

/// How far it is.
struct LoadProgress {
  double elapsed = 0;   ///< seconds, the warm-up included
  double duration = 0;  ///< of how many; 0: until the requests are done
  bool warming_up = false;
  std::uint64_t requests = 0, of_requests = 0;  ///< of_requests 0: until the time is over
  std::uint64_t errors = 0;
  std::size_t connections = 0;  ///< that are established now
  double measured = 0;          ///< seconds that `requests` took so far
};

class Load {
 public:
  using Done = std::function<void(LoadFigures)>;
  Load(dial::Context& context, LoadOptions options, Done done);
  ~Load();
  void start();
  void interrupt();
  LoadProgress progress() const;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

std::string load_table(const LoadFigures& figures);
std::string load_json(const LoadFigures& figures);
/// One line of at most `width` columns.
std::string load_progress_line(const LoadProgress& progress, std::size_t width);

}  // namespace sallyport::client
