// Fetch's inside: the requests that ask for what RangePlan says (Part), and what became of them. fetch.cpp
// has its course: when is asked, over which connection, and how it ends. fetch_answers.cpp has what comes
// back.
#pragma once

#include "base/lifetime.h"
#include "client/answer.h"
#include "client/fetch.h"
#include "client/range_plan.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::client {

struct Fetch::Impl {
  struct Part;

  Impl(net::Timers& time, Open finds, dial::Url what, Output& into, FetchOptions fetch_options,
       Done when_done);
  ~Impl();

  // Its course
  void start();
  void begin();
  bool forget_earlier();
  void note_from_start(std::string_view why);
  void note_resumed();
  void start_over(std::string_view why);
  void start_over_whole(std::string_view why);
  void drop(Part& part);
  std::vector<ByteRange> claimed_ranges() const;
  std::size_t running_parts() const;
  void start_parts();
  void opened(Result<http::Connection*> connection);
  void begin_part(http::Connection& connection);
  void go_on();
  bool may_be_tried_again(const Part& part, const Error& why) const;
  Error named(Error why) const;
  void maybe_conclude();
  void fail_fetch(Error why);
  void finish();
  void step();
  void conclude();
  void check_stall(Time now);

  // What comes back
  void head_came(Part& part, http::Exchange& from, const http::Response& head);
  void succeeded(Part& part, const http::Response& head);
  bool waits_for_better(Part& part, const http::Response& head);
  void refused(http::Exchange& from, const http::Response& head);
  void page_came(http::Exchange& from, std::size_t bytes);
  void range_came(Part& part, const http::Response& head, const Answer& answer);
  void other_version_came();
  /// `announced`: its size by a Content-Range; 0: not told.
  void whole_came(Part& part, const http::Response& head, std::uint64_t announced = 0);
  void body_came(Part& part, http::Exchange& from, Bytes body);
  void flush(Part& part);
  void consume(Part& part);
  void store(std::uint64_t offset, Bytes bytes);
  void note_progress(bool now);
  void drained();
  void part_closed(Part& part, const Error* why);

  net::Timers& timers;
  Open open;
  dial::Url url;
  Output& output;
  FetchOptions options;
  Done done;
  FetchFigures figures;
  PartState state;
  std::vector<std::unique_ptr<Part>> parts;
  RangePlan plan;
  std::optional<Error> error;
  std::uint64_t page_bytes = 0;  // of an error's or a redirect's body
  bool stalled = false, finished = false, resuming = false, start_again = false;
  bool told_resumed = false;
  bool opening = false;    // a connection was asked for
  bool may_reopen = true;  // one that broke can be replaced
  Lifetime lifetime;       // asked by the callback of open()
  Time began{}, last_byte{};
  net::Timer stall, next_turn;
  net::Timer pause;  // the server asked for it
  net::Deferred turn_end;
  RequestSender sender;
};

/// One request of the fetch and the range it fills.
struct Fetch::Impl::Part final : http::ExchangeHandler {
  Part(Impl& owner, const RangePlan::Wanted& wanted);

  void on_informational(http::Exchange& from, const http::Response& head) override;
  void on_response(http::Exchange& from, const http::Response& head) override;
  void on_writable(http::Exchange& from) override;
  void on_body(http::Exchange& from, Bytes body) override;
  void on_end(http::Exchange& from) override;
  void on_closed(http::Exchange& from, const Error* why) override;

  Impl& fetch;
  http::Exchange* exchange = nullptr;
  const RangePlan::Wanted asked;
  ByteRange range;    ///< that it fills; end is 0 while unknown (a whole response)
  Question question;  ///< what was asked
  bool answered = false, accepted = false, ended = false, closed = false;
  bool dropped = false;                 ///< its answer does not count any more
  std::uint64_t at;                     ///< where the next byte belongs
  std::vector<std::uint8_t> buffered;   ///< ends at `at`
  std::size_t unconsumed = 0;           ///< bytes the server got no credit for yet
  std::unique_ptr<BodySender> content;  ///< null: none
};

}  // namespace sallyport::client
