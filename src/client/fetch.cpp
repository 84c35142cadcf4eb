#include "client/fetch.h"

#include "client/content_range.h"

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

std::string describe(unsigned status) {
  return fmt::format("HTTP status {}", status);
}

}  // namespace

struct Fetch::Impl {
  /// One request of the fetch and the range it fills.
  struct Part final : http::ExchangeHandler {
    Part(Impl& owner, ByteRange wanted, bool ranged)
        : fetch(owner), range(wanted), by_range(ranged), at(wanted.begin) {}

    void on_response(http::Exchange& from, const http::Response& head) override {
      fetch.head_came(*this, from, head);
    }

    void on_body(http::Exchange& from, Bytes body) override {
      from.consume(body.size());
      if (!accepted) return fetch.page_came(from, body.size());
      fetch.body_came(*this, from, body);
    }

    void on_end(http::Exchange&) override { ended = true; }

    void on_closed(http::Exchange&, const Error* why) override {
      exchange = nullptr;
      fetch.part_closed(*this, why);
    }

    Impl& fetch;
    http::Exchange* exchange = nullptr;
    ByteRange range;  ///< end is 0 while unknown (a whole response)
    bool by_range;
    bool accepted = false, ended = false, closed = false;
    bool dropped = false;                ///< its answer does not count any more
    std::uint64_t at;                    ///< where the next byte belongs
    std::vector<std::uint8_t> buffered;  ///< ends at `at`
  };

  Impl(http::Connection& to, Url what, Output& into, FetchOptions fetch_options, Done when_done)
      : connection(to),
        timers(to.timers()),
        url(std::move(what)),
        output(into),
        options(fetch_options),
        done(std::move(when_done)),
        stall(to.timers(), [this](Time now) { check_stall(now); }),
        next_turn(to.timers(), [this](Time) { step(); }),
        turn_end(to.timers(), [this](Time) {
          for (auto& part : parts) flush(*part);
        }) {}

  ~Impl() {
    if (done && figures.bytes > 0) {  // given up in the middle
      for (auto& part : parts) flush(*part);
      output.note_progress(state, true);
    }
    for (auto& part : parts)
      if (part->exchange) {
        part->exchange->set_handler(nullptr);
        part->exchange->reset(http::ResetCode::cancelled);
      }
  }

  void start() {
    figures.started = last_byte = timers.now();
    stall.arm(last_byte + options.stall_timeout);
    state = output.earlier();
    state.url = url.to_string();
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
      for (const ByteRange& range : state.done) figures.resumed_bytes += range.size();
      figures.size = state.size;
      queue_missing();
      if (waiting.empty()) return finish();
      return start_parts();
    }
    if (options.parts > 1 && output.seekable()) {
      // The first part tells the size, and whether ranges are known here at all.
      begin_part({0, options.smallest_part}, true);
    } else {
      begin_part({0, 0}, false);
    }
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

  /// What an earlier run left is not of what the server has now: all over, in a turn of its own.
  void start_over() {
    for (auto& part : parts) drop(*part);
    if (!forget_earlier()) return;
    start_again = true;
    next_turn.arm(timers.now());
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
        waiting.push_back({range.begin, std::min(range.begin + each, range.end)});
  }

  /// What is there, or on its way by a part that runs.
  std::vector<ByteRange> claimed_ranges() const {
    std::vector<ByteRange> claimed = state.done;
    for (const auto& part : parts)
      if (!part->closed && !part->dropped && part->range.end) add_range(claimed, part->range);
    return claimed;
  }

  void start_parts() {
    std::size_t running = 0;
    for (const auto& part : parts) running += !part->closed;
    while (running < options.parts && !waiting.empty() && connection.can_request()) {
      const ByteRange range = waiting.front();
      waiting.pop_front();
      begin_part(range, true);
      ++running;
    }
    // HTTP/1.1 is free again when this call has returned; a connection that drains never is.
    if (running > 0 || waiting.empty() || finished) return;
    if (std::exchange(refused_before, true))
      return fail_fetch(
          {ErrorKind::closed, fmt::format("{} takes no more requests on this connection", url.host)});
    next_turn.arm(timers.now());
  }

  void begin_part(ByteRange range, bool by_range) {
    auto part = std::make_unique<Part>(*this, range, by_range);
    http::Request request;
    request.authority = url.authority();
    request.path = url.target;
    request.fields.add("user-agent", "sallyport/" SALLYPORT_VERSION);
    request.fields.add("accept", "*/*");
    if (by_range) {
      request.fields.add("range", fmt::format("bytes={}-{}", range.begin, range.end - 1));
      if (!state.validator.empty()) request.fields.add("if-range", state.validator);
    }
    ++figures.requests;
    refused_before = false;
    Part& started = *part;
    parts.push_back(std::move(part));
    started.exchange = &connection.request(std::move(request), started, true);
  }

  void head_came(Part& part, http::Exchange& from, const http::Response& head) {
    if (part.dropped || error) return;
    last_byte = timers.now();
    if (figures.status == 0) {
      figures.first_byte = last_byte;
      if (const auto offered = head.fields.find("alt-svc")) figures.alt_svc = std::string(*offered);
    }
    if (figures.status / 100 != 2) figures.status = head.status;
    if (head.status == 206 && part.by_range) return range_came(part, head);
    if (head.status == 200) {
      const bool others =
          std::any_of(parts.begin(), parts.end(), [](const auto& other) { return other->accepted; });
      if (!others) return whole_came(part, head);
      return fail_fetch(changed());
    }
    if (head.status == 416 && part.by_range && figures.bytes == 0) {
      if (resuming) return start_over();
      if (parts.size() == 1) {
        retry_whole = true;  // an empty resource has no range at all: ask for it whole
        return;
      }
    }
    figures.status = head.status;
    if (const auto location = head.fields.find("location"); location && head.status / 100 == 3)
      figures.location = std::string(*location);
    std::string message =
        fmt::format("{} answered {} for {}", url.host, describe(head.status), url.to_string());
    if (!figures.location.empty())
      message += fmt::format(", a redirect to {} (follow it with --location)", figures.location);
    error = Error{ErrorKind::http, std::move(message), head.status};
    // Its page is read first, so that the connection is free for what follows.
    const auto length = head.fields.find("content-length");
    const auto size = length ? http::parse_content_length(*length) : std::nullopt;
    if (parts.size() > 1 || size.value_or(0) > largest_page) {
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
    const std::string validator = validator_of(head);
    if (!range || range->range.begin != part.range.begin || range->range.end > part.range.end)
      return fail_fetch(
          {ErrorKind::protocol, fmt::format("{} answered another range than the one asked for", url.host)});
    const bool first = state.size == 0;
    if (!first && (range->size != state.size || (!state.validator.empty() && validator != state.validator))) {
      // A server that does not know If-Range.
      if (resuming && figures.bytes == 0) return start_over();
      return fail_fetch(changed());
    }
    // A server may answer with less than was asked for; what is left is asked for again.
    if (!first && range->range.end < part.range.end) waiting.push_back({range->range.end, part.range.end});
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
    state.validator = validator_of(head);
    if (const auto length = head.fields.find("content-length"))
      if (const auto size = http::parse_content_length(*length)) state.size = figures.size = *size;
    figures.resumable = state.size > 0 && !state.validator.empty();
  }

  static std::string validator_of(const http::Response& head) {
    if (const auto etag = head.fields.find("etag"); etag && !etag->starts_with("W/"))
      return std::string(*etag);
    if (const auto modified = head.fields.find("last-modified")) return std::string(*modified);
    return {};
  }

  void body_came(Part& part, http::Exchange& from, Bytes body) {
    if (finished) return;
    last_byte = timers.now();
    if (part.range.end && part.at + body.size() > part.range.end) {
      fail_fetch({ErrorKind::protocol, fmt::format("{} sent more than the range it announced", url.host)});
      return from.reset(http::ResetCode::cancelled);
    }
    figures.bytes += body.size();
    part.at += body.size();
    if (!output.gather_writes()) return store(part.at - body.size(), body);
    if (part.buffered.capacity() == 0) part.buffered.reserve(write_size + 64 * 1024);
    part.buffered.insert(part.buffered.end(), body.begin(), body.end());
    if (part.buffered.size() >= write_size) flush(part);
    // A pipe's reader is not to wait for a buffer to fill.
    if (!output.seekable() && !part.buffered.empty()) turn_end.request();
  }

  void flush(Part& part) {
    if (part.buffered.empty()) return;
    store(part.at - part.buffered.size(), part.buffered);
    part.buffered.clear();
  }

  void store(std::uint64_t offset, Bytes bytes) {
    if (auto written = output.write_at(offset, bytes); !written) return fail_fetch(written.error());
    add_range(state.done, {offset, offset + bytes.size()});
    output.note_progress(state, false);
  }

  void part_closed(Part& part, const Error* why) {
    part.closed = true;
    flush(part);
    part.buffered = {};
    if (finished || start_again) return;
    if (error) return finish();
    if (part.dropped) return maybe_conclude();
    if (retry_whole) {
      start_again = true;  // when the exchange is gone
      next_turn.arm(timers.now());
      return;
    }
    if (!part.accepted || !part.ended || (part.range.end && part.at != part.range.end))
      return fail_fetch(why ? *why : Error{ErrorKind::closed, "the response was cut short"});
    if (!part.range.end) state.size = figures.size = part.at;
    start_parts();
    maybe_conclude();
  }

  void maybe_conclude() {
    const bool running = std::any_of(parts.begin(), parts.end(),
                                     [](const auto& part) { return !part->closed && !part->dropped; });
    if (!running && waiting.empty()) finish();
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
    if (!std::exchange(start_again, false)) return start_parts();
    if (!connection.can_request())
      return fail_fetch(
          {ErrorKind::closed, fmt::format("{} takes no more requests on this connection", url.host)});
    if (std::exchange(retry_whole, false)) return begin_part({0, 0}, false);
    begin();
  }

  void conclude() {
    figures.ended = timers.now();
    for (auto& part : parts)
      if (!part->closed && part->accepted) flush(*part);
    Result<> result;
    if (error) {
      if (figures.bytes + figures.resumed_bytes > 0) output.note_progress(state, true);
      result = std::unexpected(*error);
    } else {
      result = output.complete();
    }
    if (auto call = std::exchange(done, nullptr)) call(std::move(result));
  }

  void check_stall(Time now) {
    if (now - last_byte < options.stall_timeout) return stall.arm(last_byte + options.stall_timeout);
    stalled = true;
    fail_fetch(
        {ErrorKind::timeout,
         fmt::format("nothing came from {} for {} s", url.host,
                     std::chrono::duration_cast<std::chrono::seconds>(options.stall_timeout).count())});
  }

  http::Connection& connection;
  net::Timers& timers;  // the verdict may come when the connection is gone
  Url url;
  Output& output;
  FetchOptions options;
  Done done;
  FetchFigures figures;
  PartState state;
  std::vector<std::unique_ptr<Part>> parts;
  std::deque<ByteRange> waiting;
  std::optional<Error> error;
  std::uint64_t page_bytes = 0;  // of an error's or a redirect's body
  bool stalled = false, finished = false, retry_whole = false, resuming = false, start_again = false,
       refused_before = false;
  Time last_byte{};
  net::Timer stall, next_turn;
  net::Deferred turn_end;
};

Fetch::Fetch(http::Connection& connection, Url url, Output& output, FetchOptions options, Done done)
    : impl_(std::make_unique<Impl>(connection, std::move(url), output, options, std::move(done))) {}

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
