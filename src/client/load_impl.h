// Load's inside: places for connections (Line), places for requests on them (Slot), and what is due. load.cpp
// has its time: start, arrivals, warm-up, end. load_lines.cpp has its connections and requests.
#pragma once

#include "client/load.h"

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::client {

struct Load::Impl {
  struct Line;

  /// One request at a time on one stream's place.
  struct Slot final : http::ExchangeHandler {
    explicit Slot(Impl& owner, Line& on) : load(owner), line(on) {}

    void on_response(http::Exchange&, const http::Response& head) override;
    void on_body(http::Exchange& exchange, Bytes body) override;
    void on_writable(http::Exchange& exchange) override { write(exchange); }
    void on_end(http::Exchange& exchange) override;
    void on_closed(http::Exchange&, const Error* why) override;
    /// As much of the request's body as there is room for.
    void write(http::Exchange& exchange);

    Impl& load;
    Line& line;
    Time due{};
    std::size_t written = 0;  ///< of the request's body
    unsigned status = 0;
    bool busy = false;
    bool measured = false;  ///< what is under way counts
  };

  /// A host, and what is asked of it, in turn.
  struct Host {
    dial::Url url;
    std::string authority;
    std::vector<std::string> targets;
    std::size_t next = 0;
  };

  /// One connection's place: the chain that is open there now, and its streams.
  struct Line {
    Host* host = nullptr;
    std::unique_ptr<dial::Chain> chain;
    http::Connection* connection = nullptr;
    std::vector<std::unique_ptr<Slot>> slots;
    Time opened{};
    Time not_before{};  ///< the last one was of no use: the next one waits
    bool opening = false, failed = false, stirred = false;
    bool answered = false;  // something on this connection
    std::size_t busy = 0;
  };

  /// A connection that ends in order while its place is taken by the next.
  struct Ending {
    std::unique_ptr<dial::Chain> chain;
    bool gone = false;
  };

  Impl(dial::Context& shared, LoadOptions load_options, Done when_done);
  ~Impl();

  // Its time
  void start();
  void make_hosts();
  void begin_measuring();
  void arrive_until(Time now);
  void arrive(Time now);
  bool arrivals_left() const { return warming_up || options.requests == 0 || arrived < options.requests; }
  Time next_due() const;
  /// Something is still to be asked.
  bool more() const {
    return !stopping && (warming_up || options.requests == 0 || issued < options.requests);
  }
  /// The work is done, or the time over, or the server gone for good.
  void stop();
  void count_unanswered();
  void count_unanswered(Duration age);
  void count_error(const std::string& kind);
  void close_all();
  void finish();

  // Its connections and requests
  void open_lines();
  bool may_open() const;
  bool gave_up() const;
  void open(Line& line);
  void opened(Line& line, Result<http::Connection*> connection);
  void fill(Line& line);
  void send(Line& line, Slot& slot);
  void answered(Slot& slot);
  void ended_unanswered(Slot& slot, const Error* why);
  void free(Slot& slot);
  void stir(Line& line);
  void ask_again();
  void lost(Line& line);
  void tidy();
  void retire(Line& line);

  dial::Context& context;
  LoadOptions options;
  Done done;
  LoadFigures figures;
  ProcessFigures before;  ///< when measuring began
  std::vector<std::unique_ptr<Host>> hosts;
  std::vector<std::unique_ptr<Line>> lines;
  std::vector<std::unique_ptr<Ending>> ending;  // destroyed before the lines that it tells
  std::vector<Line*> stirred;
  std::deque<Time> due;
  std::size_t next_to_open = 0, next_to_fill = 0;  // lines, in turn
  std::size_t opening = 0;                         // connections under way
  std::uint64_t attempts = 0;                      // to make one
  std::uint64_t issued = 0, arrived = 0, requests_at_error = 0;
  std::size_t busy = 0, consecutive_failures = 0, remaining = 0;
  bool stopping = false, closing = false, warming_up = false;
  Time started{}, measured_from{}, heard{};  // heard: something came from the server
  net::Timer arrivals, warm_up_end, deadline, next_turn, next_open, patience;
  net::Deferred turn_end;
};

/// How errors of this kind are listed.
std::string kind_name(const Error& error);

}  // namespace sallyport::client
