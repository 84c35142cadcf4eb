#include "client/fetch.h"

#include "client/content_range.h"
#include "client/validator.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace sallyport::client {
namespace {

/// Gathers small body pieces so that a file costs few system calls.
constexpr std::size_t write_size = 256 * 1024;
/// Of the page that comes with an error or a redirect this much is read: cheaper than to end an HTTP/1.1
/// connection.
constexpr std::uint64_t largest_page = 64 * 1024;

/// A request that was not answered, because its connection was closed meanwhile or its 0-RTT never arrived,
/// is made this often in all.
constexpr unsigned most_tries = 2;

}  // namespace

bool is_of_connection(ErrorKind kind) {
  return kind == ErrorKind::closed || kind == ErrorKind::timeout || kind == ErrorKind::unreachable ||
         kind == ErrorKind::refused;
}

struct Fetch::Impl {
  /// A range to be asked for; without an end, the whole resource in a request without a range.
  struct Wanted {
    ByteRange range;
    unsigned tries = 0;  // that got no answer
  };

  /// One request of the fetch and the range it fills.
  struct Part final : http::ExchangeHandler {
    Part(Impl& owner, const Wanted& wanted)
        : fetch(owner),
          range(wanted.range),
          by_range(wanted.range.end != 0),
          tries(wanted.tries + 1),
          at(wanted.range.begin) {}

    void on_informational(http::Exchange& from, const http::Response& head) override {
      if (auto shown = fetch.sender.show(from, head); !shown) fetch.fail_fetch(shown.error());
    }

    void on_response(http::Exchange& from, const http::Response& head) override {
      fetch.head_came(*this, from, head);
    }

    void on_writable(http::Exchange& from) override {
      fetch.last_byte = fetch.timers.now();  // somebody takes it
      if (content) content->send(from);
    }

    void on_body(http::Exchange& from, Bytes body) override {
      if (accepted) return fetch.body_came(*this, from, body);
      from.consume(body.size());
      fetch.page_came(from, body.size());
    }

    /// That is all: the exchange itself lasts until the server has acknowledged the request's end, over
    /// HTTP/3 as late as its ACK is delayed.
    void on_end(http::Exchange& from) override {
      ended = true;
      from.set_handler(nullptr);
      // A server may answer before it has all of the content, and then wants no more of it.
      if (content && !content->is_done()) from.reset(http::ResetCode::no_error);
      fetch.flush(*this);
      exchange = nullptr;
      fetch.part_closed(*this, nullptr);
    }

    void on_closed(http::Exchange&, const Error* why) override {
      exchange = nullptr;
      fetch.part_closed(*this, why);
    }

    Impl& fetch;
    http::Exchange* exchange = nullptr;
    ByteRange range;  ///< end is 0 while unknown (a whole response)
    bool by_range;
    unsigned tries;        ///< this one included
    std::string if_range;  ///< that was sent
    bool answered = false, accepted = false, ended = false, closed = false;
    bool dropped = false;                 ///< its answer does not count any more
    std::uint64_t at;                     ///< where the next byte belongs
    std::vector<std::uint8_t> buffered;   ///< ends at `at`
    std::size_t unconsumed = 0;           ///< bytes the server got no credit for yet
    std::unique_ptr<BodySender> content;  ///< null: none
  };

  Impl(net::Timers& time, Open finds, Url what, Output& into, FetchOptions fetch_options, Done when_done)
      : timers(time),
        open(std::move(finds)),
        url(std::move(what)),
        output(into),
        options(std::move(fetch_options)),
        done(std::move(when_done)),
        stall(timers, [this](Time now) { check_stall(now); }),
        next_turn(timers, [this](Time) { step(); }),
        turn_end(timers,
                 [this](Time) {
                   for (auto& part : parts) flush(*part);
                 }),
        sender(timers, options.request, [this] { go_on(); }) {}

  ~Impl() {
    if (done) output.set_drained_handler(nullptr);
    if (done && figures.bytes > 0) {  // given up in the middle
      for (auto& part : parts) flush(*part);
      note_progress(true);
    }
    for (auto& part : parts)
      if (part->exchange) {
        part->exchange->set_handler(nullptr);
        part->exchange->reset(http::ResetCode::cancelled);
      }
  }

  void start() {
    output.set_drained_handler([this] { drained(); });
    state = output.earlier();
    // Without a validator nobody can tell whether what is there belongs to what would come (RFC 9110
    // §15.3.7).
    if (!state.done.empty() && state.validator.empty())
      if (!forget_earlier()) return;
    begin();
  }

  void begin() {
    if (!state.done.empty()) {
      resuming = true;
      figures.resumable = true;
      figures.resumed_bytes = total_size(state.done);
      figures.size = state.size;
      queue_missing();
      if (waiting.empty()) return finish();
      return start_parts();
    }
    // The first part tells the size, and whether ranges are known here at all.
    const bool split = options.parts > 1 && output.seekable() && !whole_only && !sender.is_whole_only();
    waiting.push_back({{0, split ? options.smallest_part : 0}});
    start_parts();
  }

  /// False when the file cannot be emptied, which ends the fetch.
  bool forget_earlier() {
    resuming = false;
    figures.resumed_bytes = figures.size = 0;
    figures.resumable = false;
    state.done.clear();
    state.validator.clear();
    state.size = 0;
    waiting.clear();
    if (auto emptied = output.truncate(); !emptied) {
      fail_fetch(emptied.error());
      return false;
    }
    return true;
  }

  /// What an earlier run left is not of what the server has now, or ranges do not do: all over, in a turn of
  /// its own.
  void start_over() {
    for (auto& part : parts) drop(*part);
    if (resuming && !forget_earlier()) return;
    start_again = true;
    next_turn.arm(timers.now());
  }

  void start_over_whole() {
    whole_only = true;
    start_over();
  }

  /// The answer of `part` is not wanted any more.
  void drop(Part& part) {
    if (std::exchange(part.dropped, true) || !part.exchange) return;
    part.accepted = false;
    part.exchange->reset(http::ResetCode::cancelled);
  }

  /// Splits what is missing evenly among the requests that may run at once.
  void queue_missing() {
    waiting.clear();
    std::uint64_t total = 0;
    const auto missing = missing_ranges(claimed_ranges(), state.size);
    for (const ByteRange& range : missing) total += range.size();
    const std::uint64_t each = std::max(options.smallest_part, (total + options.parts - 1) / options.parts);
    for (ByteRange range : missing)
      for (; range.begin < range.end; range.begin = std::min(range.begin + each, range.end))
        waiting.push_back({{range.begin, std::min(range.begin + each, range.end)}});
  }

  /// What is there, or on its way by a part that runs.
  std::vector<ByteRange> claimed_ranges() const {
    std::vector<ByteRange> claimed = state.done;
    for (const auto& part : parts)
      if (!part->closed && !part->dropped && part->range.end) add_range(claimed, part->range);
    return claimed;
  }

  std::size_t running_parts() const {
    return static_cast<std::size_t>(std::count_if(
        parts.begin(), parts.end(), [](const auto& part) { return !part->closed && !part->dropped; }));
  }

  /// Sends what may go now. Not inside the last call of a part that ran alone: HTTP/1.1 is busy until it
  /// returns.
  void start_parts() {
    if (finished || opening) return;
    std::size_t running = running_parts();
    for (const auto& part : parts) {
      if (part->closed || part->dropped) continue;
      http::Connection& connection = part->exchange->connection();
      for (; running < options.parts && !waiting.empty() && connection.can_request(); ++running)
        begin_part(connection);
      break;  // all are on one
    }
    if (running > 0 || waiting.empty()) return;
    opening = true;
    stall.disarm();  // how long a connection may take is its owner's to say
    open([this, watch = std::weak_ptr<const char>(alive)](Result<http::Connection*> connection) {
      if (!watch.expired()) opened(std::move(connection));
    });
  }

  void opened(Result<http::Connection*> connection) {
    opening = false;
    if (finished) return;
    if (!connection) return fail_fetch(connection.error());
    last_byte = timers.now();
    if (figures.requests == 0) figures.started = last_byte;
    stall.arm(last_byte + options.stall_timeout);
    if (!waiting.empty()) begin_part(**connection);
    start_parts();
  }

  void begin_part(http::Connection& connection) {
    const Wanted wanted = waiting.front();
    waiting.pop_front();
    parts.push_back(std::make_unique<Part>(*this, wanted));
    Part& part = *parts.back();
    http::Request request = sender.request(url);
    if (part.by_range) {
      request.fields.add("range", fmt::format("bytes={}-{}", part.range.begin, part.range.end - 1));
      part.if_range = state.validator;
      if (!state.validator.empty()) request.fields.add("if-range", state.validator);
    }
    ++figures.requests;
    part.exchange = &sender.send(connection, std::move(request), part, part.content);
  }

  /// What the rate held back may move again.
  void go_on() {
    for (auto& part : parts) {
      consume(*part);
      if (part->exchange && part->content) part->content->send(*part->exchange);
    }
  }

  void head_came(Part& part, http::Exchange& from, const http::Response& head) {
    if (part.dropped || error) return;
    part.answered = true;
    last_byte = timers.now();
    if (auto shown = sender.show(from, head); !shown) return fail_fetch(shown.error());
    if (figures.status == 0) {
      figures.first_byte = last_byte;
      figures.fields = head.fields;
      if (const auto offered = head.fields.find("alt-svc")) figures.alt_svc = std::string(*offered);
    }
    if (figures.status / 100 != 2) figures.status = head.status;
    if (sender.takes(head)) return whole_came(part, head);
    if (head.status == 206 && part.by_range) return range_came(part, head);
    if (head.status / 100 == 2 && head.status != 206) {
      const bool others =
          std::any_of(parts.begin(), parts.end(), [](const auto& other) { return other->accepted; });
      if (!others) return whole_came(part, head);
      return fail_fetch(changed());
    }
    if (head.status == 416 && part.by_range && figures.bytes == 0) {
      if (resuming) return start_over();
      // An empty resource has no range at all.
      if (running_parts() == 1) return start_over_whole();
    }
    figures.status = head.status;
    figures.fields = head.fields;
    if (const auto location = head.fields.find("location"); location && head.status / 100 == 3)
      figures.location = std::string(*location);
    error = status_error(url, head.status, figures.location);
    // Its page is read first, so that the connection is free for what follows.
    const auto length = head.fields.find("content-length");
    const auto size = length ? http::parse_content_length(*length) : std::nullopt;
    if (running_parts() > 1 || size.value_or(0) > largest_page) {
      finish();
      from.stop_reading();
    }
  }

  void page_came(http::Exchange& from, std::size_t bytes) {
    last_byte = timers.now();
    page_bytes += bytes;
    if (page_bytes <= largest_page) return;
    from.reset(http::ResetCode::cancelled);
  }

  Error changed() const {
    return {ErrorKind::protocol,
            fmt::format("{} changed while it was being downloaded; try again", url.to_string())};
  }

  void range_came(Part& part, const http::Response& head) {
    const auto value = head.fields.find("content-range");
    const auto range = value ? parse_content_range(*value) : std::nullopt;
    if (!range || range->range.begin != part.range.begin || range->range.end > part.range.end)
      return fail_fetch(
          {ErrorKind::protocol, fmt::format("{} answered another range than the one asked for", url.host)});
    const bool first = state.size == 0;
    if (!first && (range->size != state.size || contradicts(head, part.if_range))) {
      // A server that does not know If-Range.
      if (resuming && figures.bytes == 0) return start_over();
      return fail_fetch(changed());
    }
    const std::string validator = first ? range_validator(head) : state.validator;
    // What cannot be told from another version's is not joined with anything.
    if (validator.empty() && range->range.size() < range->size) return start_over_whole();
    // A server may answer with less than was asked for; what is left is asked for again.
    if (!first && range->range.end < part.range.end) waiting.push_back({{range->range.end, part.range.end}});
    part.range = range->range;
    part.accepted = true;
    if (!first) return;
    state.size = figures.size = range->size;
    state.validator = validator;
    figures.resumable = !validator.empty();
    queue_missing();
    start_parts();
  }

  void whole_came(Part& part, const http::Response& head) {
    for (auto& other : parts)
      if (other.get() != &part) drop(*other);
    // If-Range did not match: the resource is a new one, and this is all of it.
    if (resuming && !forget_earlier()) return;
    part.accepted = true;
    part.by_range = false;
    part.range = {0, 0};
    part.at = 0;
    state.validator = range_validator(head);
    if (const auto length = head.fields.find("content-length"))
      if (const auto size = http::parse_content_length(*length)) state.size = figures.size = *size;
    figures.resumable = state.size > 0 && !state.validator.empty() && !sender.is_whole_only();
  }

  void body_came(Part& part, http::Exchange& from, Bytes body) {
    if (finished) return;
    last_byte = timers.now();
    if (part.range.end && part.at + body.size() > part.range.end) {
      fail_fetch({ErrorKind::protocol, fmt::format("{} sent more than the range it announced", url.host)});
      return from.reset(http::ResetCode::cancelled);
    }
    figures.bytes += body.size();
    sender.pace().moved(body.size());
    part.at += body.size();
    part.unconsumed += body.size();
    if (!output.gather_writes()) {
      store(part.at - body.size(), body);
      return consume(part);
    }
    if (part.buffered.capacity() == 0) part.buffered.reserve(write_size + 64 * 1024);
    part.buffered.insert(part.buffered.end(), body.begin(), body.end());
    if (part.buffered.size() >= write_size) flush(part);
    // A pipe's reader is not to wait for a buffer to fill.
    if (!output.seekable() && !part.buffered.empty()) return turn_end.request();
    consume(part);
  }

  void flush(Part& part) {
    if (part.buffered.empty()) return;
    store(part.at - part.buffered.size(), part.buffered);
    part.buffered.clear();
    consume(part);
  }

  /// The server may send more, unless whoever reads the output is behind.
  void consume(Part& part) {
    if (part.exchange == nullptr || output.queued_bytes() > 0 || sender.pace().holds_back()) return;
    if (const std::size_t bytes = std::exchange(part.unconsumed, 0)) part.exchange->consume(bytes);
  }

  void store(std::uint64_t offset, Bytes bytes) {
    if (auto written = output.write_at(offset, bytes); !written) return fail_fetch(written.error());
    add_range(state.done, {offset, offset + bytes.size()});
    note_progress(false);
  }

  void note_progress(bool now) {
    if (figures.resumable) output.note_progress(state, now);
  }

  /// Whoever reads the output has caught up, or is gone.
  void drained() {
    last_byte = timers.now();  // what was silent meanwhile was not the server
    if (finished) return next_turn.arm(timers.now());
    if (auto written = output.write_at(0, {}); !written) return fail_fetch(written.error());
    for (auto& part : parts) consume(*part);
    maybe_conclude();
  }

  void part_closed(Part& part, const Error* why) {
    part.closed = true;
    if (part.content) part.content->stop();
    flush(part);
    part.buffered = {};
    if (finished || start_again) return;
    if (error) return finish();
    if (part.dropped) return maybe_conclude();
    if (why && !part.answered && may_be_tried_again(part, *why)) {
      waiting.push_front({part.range, part.tries});
      return next_turn.arm(timers.now());
    }
    if (!part.accepted || !part.ended || (part.range.end && part.at != part.range.end))
      return fail_fetch(why ? named(*why) : named({ErrorKind::closed, "the response was cut short"}));
    if (!part.range.end) state.size = figures.size = part.at;
    if (!waiting.empty()) next_turn.arm(timers.now());
    maybe_conclude();
  }

  bool may_be_tried_again(const Part& part, const Error& why) const {
    return may_reopen && part.tries < most_tries && is_of_connection(why.kind) && sender.may_repeat(why);
  }

  /// What a connection says of its end names nobody.
  Error named(Error why) const {
    if (is_of_connection(why.kind) && why.message.find(url.host) == std::string::npos)
      why.message = "origin " + url.origin() + ": " + why.message;
    return why;
  }

  void maybe_conclude() {
    if (running_parts() == 0 && !opening && waiting.empty()) finish();
  }

  void fail_fetch(Error why) {
    if (!error && !finished) error = std::move(why);
    finish();
  }

  /// The verdict is given in a later turn, since connection and exchange are in the middle of a call.
  void finish() {
    if (finished) return;
    finished = true;
    stall.disarm();
    next_turn.arm(timers.now());
  }

  /// What had to wait for the end of a call.
  void step() {
    if (finished) return conclude();
    if (std::exchange(start_again, false)) return begin();
    start_parts();
  }

  void conclude() {
    if (figures.ended == Time{}) {
      figures.ended = timers.now();
      for (auto& part : parts)
        if (!part->closed && part->accepted) flush(*part);
    }
    if (output.queued_bytes() > 0) return;  // drained() comes back
    output.set_drained_handler(nullptr);    // another fetch may go on with it
    Result<> result;
    if (error) {
      if (figures.bytes + figures.resumed_bytes > 0) note_progress(true);
      result = std::unexpected(*error);
    } else {
      result = output.complete();
    }
    if (auto call = std::exchange(done, nullptr)) call(std::move(result));
  }

  void check_stall(Time now) {
    const bool waits_for_content = std::any_of(parts.begin(), parts.end(), [](const auto& part) {
      return part->exchange && part->content && part->content->waits();
    });
    // It is the output's reader that we wait for, or whoever writes what we send, or ourselves.
    if (output.queued_bytes() > 0 || sender.pace().holds_back() || waits_for_content) last_byte = now;
    if (now - last_byte < options.stall_timeout) return stall.arm(last_byte + options.stall_timeout);
    stalled = true;
    fail_fetch(
        {ErrorKind::timeout,
         fmt::format("nothing came from {} for {} s", url.host,
                     std::chrono::duration_cast<std::chrono::seconds>(options.stall_timeout).count())});
  }

  net::Timers& timers;
  Open open;
  Url url;
  Output& output;
  FetchOptions options;
  Done done;
  FetchFigures figures;
  PartState state;
  std::vector<std::unique_ptr<Part>> parts;
  std::deque<Wanted> waiting;
  std::optional<Error> error;
  std::uint64_t page_bytes = 0;  // of an error's or a redirect's body
  bool stalled = false, finished = false, resuming = false, start_again = false;
  bool opening = false;     // a connection was asked for
  bool may_reopen = true;   // one that broke can be replaced
  bool whole_only = false;  // by one request
  const std::shared_ptr<const char> alive = std::make_shared<const char>();
  Time last_byte{};
  net::Timer stall, next_turn;
  net::Deferred turn_end;
  RequestSender sender;
};

Fetch::Fetch(net::Timers& timers, Open open, Url url, Output& output, FetchOptions options, Done done)
    : impl_(std::make_unique<Impl>(timers, std::move(open), std::move(url), output, std::move(options),
                                   std::move(done))) {}

Fetch::Fetch(http::Connection& connection, const Url& url, Output& output, FetchOptions options, Done done)
    : Fetch(
          connection.timers(),
          [&connection, host = url.host](const Opened& opened) {
            if (connection.can_request()) return opened(&connection);
            opened(
                fail(ErrorKind::closed, fmt::format("{} takes no more requests on this connection", host)));
          },
          url, output, std::move(options), std::move(done)) {
  impl_->may_reopen = false;
}

Fetch::~Fetch() = default;

void Fetch::start() {
  impl_->start();
}

const FetchFigures& Fetch::figures() const {
  return impl_->figures;
}

bool Fetch::stalled() const {
  return impl_->stalled;
}

}  // namespace sallyport::client
